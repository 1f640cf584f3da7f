"""Metrics that scikit-learn lacks, in numpy and scikit-learn."""

from skdeep.metrics.calibration import expected_calibration_error

__all__ = ["expected_calibration_error"]
