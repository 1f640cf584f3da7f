"""Search for hyper-parameters that learns from what it has seen."""

from skdeep.model_selection.search import BayesSearchCV
from skdeep.model_selection.spaces import When

__all__ = ["BayesSearchCV", "When"]
