"""Metrics that scikit-learn lacks, in numpy and scikit-learn."""

from skdeep.metrics.calibration import expected_calibration_error
from skdeep.metrics.cuts import background_rejection, significance

__all__ = ["background_rejection", "expected_calibration_error", "significance"]
