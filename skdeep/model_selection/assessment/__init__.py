"""What a search's best score is worth: out-of-fold predictions, corrections, rows held out."""
