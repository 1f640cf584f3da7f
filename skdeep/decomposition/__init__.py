"""Representations without labels: what rows have in common, and what is unlike all of them."""
