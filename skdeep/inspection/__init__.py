"""Displays of what models do, after scikit-learn's."""

from skdeep.inspection.rejection import RejectionDisplay

__all__ = ["RejectionDisplay"]
