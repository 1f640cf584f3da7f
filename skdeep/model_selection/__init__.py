"""Search for hyper-parameters that learns from what it has seen."""

from skdeep.model_selection.search import BayesSearchCV

__all__ = ["BayesSearchCV"]
