"""Learners that ask for labels."""

from skdeep.active_learning.curve import label_budget_area, label_budget_curve
from skdeep.active_learning.display import LabelBudgetDisplay
from skdeep.active_learning.learner import ActiveLearner

__all__ = ["ActiveLearner", "LabelBudgetDisplay", "label_budget_area", "label_budget_curve"]
"""Models in production: they watch for drift, and explore."""

from skdeep.active_learning.bandit import BanditPolicy, replay_value
from skdeep.active_learning.drift import DriftMonitor

__all__ = ["BanditPolicy", "DriftMonitor", "replay_value"]
