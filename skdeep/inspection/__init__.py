"""Looking inside of fitted models: displays, as scikit-learn has them, and a model card."""

from skdeep.inspection.card import model_card
from skdeep.inspection.filters import FilterDisplay
from skdeep.inspection.gradients import GradientDisplay
from skdeep.inspection.rejection import RejectionDisplay
from skdeep.inspection.training import TrainingDisplay

__all__ = ["FilterDisplay", "GradientDisplay", "RejectionDisplay", "TrainingDisplay", "model_card"]
