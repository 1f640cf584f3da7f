"""Search for hyper-parameters that learns from what it has seen."""

from skdeep.model_selection.acquisition import ConfidenceBound, ProbabilityOfImprovement
from skdeep.model_selection.optimizer import BayesianOptimizer
from skdeep.model_selection.search import BayesSearchCV
from skdeep.model_selection.spaces import When

__all__ = [
    "BayesSearchCV",
    "BayesianOptimizer",
    "ConfidenceBound",
    "ProbabilityOfImprovement",
    "When",
]
