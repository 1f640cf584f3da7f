"""Gaussian-process regression, in numpy and scipy."""

from skdeep.gaussian_process.kernels import RBF, Exponential, LogNormal, Matern32, Matern52
from skdeep.gaussian_process.regression import GaussianProcessRegressor
from skdeep.gaussian_process.warping import Warped

__all__ = [
    "RBF",
    "Exponential",
    "GaussianProcessRegressor",
    "LogNormal",
    "Matern32",
    "Matern52",
    "Warped",
]
