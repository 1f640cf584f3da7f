"""Learners that ask for labels, models that notice drift, and policies that explore."""

from skdeep.active_learning.bandit import BanditPolicy
from skdeep.active_learning.curve import label_budget_area, label_budget_curve
from skdeep.active_learning.display import LabelBudgetDisplay
from skdeep.active_learning.drift import DriftMonitor
from skdeep.active_learning.learner import ActiveLearner
from skdeep.active_learning.off_policy import replay_value

__all__ = [
    "ActiveLearner",
    "BanditPolicy",
    "DriftMonitor",
    "LabelBudgetDisplay",
    "label_budget_area",
    "label_budget_curve",
    "replay_value",
]
