"""Gaussian-process regression, in numpy and scipy."""

from skdeep.gaussian_process.regression import GaussianProcessRegressor

__all__ = ["GaussianProcessRegressor"]
