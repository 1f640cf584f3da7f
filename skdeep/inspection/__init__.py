"""Looking inside of fitted models: displays, as scikit-learn has them."""

from skdeep.inspection.filters import FilterDisplay
from skdeep.inspection.gradients import GradientDisplay
from skdeep.inspection.rejection import RejectionDisplay
from skdeep.inspection.training import TrainingDisplay

__all__ = ["FilterDisplay", "GradientDisplay", "RejectionDisplay", "TrainingDisplay"]
