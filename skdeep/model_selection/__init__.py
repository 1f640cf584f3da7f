"""Search for hyper-parameters that learns from what it has seen."""

from skdeep.model_selection.acquisition import ConfidenceBound, ProbabilityOfImprovement
from skdeep.model_selection.assessment.stability import metric_stability
from skdeep.model_selection.looking import SearchDisplay
from skdeep.model_selection.minimization import minimize
from skdeep.model_selection.optimizer import BayesianOptimizer
from skdeep.model_selection.search import AnnealingSearchCV, BayesSearchCV
from skdeep.model_selection.skopt.results import to_skopt
from skdeep.model_selection.spaces import When
from skdeep.model_selection.stopping import Plateau, RegretBound
from skdeep.model_selection.trials.records import load_search

__all__ = [
    "AnnealingSearchCV",
    "BayesSearchCV",
    "BayesianOptimizer",
    "ConfidenceBound",
    "Plateau",
    "ProbabilityOfImprovement",
    "RegretBound",
    "SearchDisplay",
    "When",
    "load_search",
    "metric_stability",
    "minimize",
    "to_skopt",
]
