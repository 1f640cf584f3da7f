"""Tables as users have them, as matrices of float32: one module for each kind of column."""
