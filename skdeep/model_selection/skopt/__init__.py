"""What skdeep takes from scikit-optimize and gives to it."""
