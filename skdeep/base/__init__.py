"""The estimators' common ground.

A family derives from :class:`BaseNetworkClassifier` and :class:`BaseNetworkRegressor`, and
contributes its hyper-parameters and :meth:`~NetworkEstimator._features`, its network up to the last
layer.
"""

from skdeep.base.classification import BaseNetworkClassifier
from skdeep.base.estimator import NetworkEstimator
from skdeep.base.fitting import Fitted, fit_method, fit_on
from skdeep.base.regression import BaseNetworkRegressor

__all__ = [
    "BaseNetworkClassifier",
    "BaseNetworkRegressor",
    "Fitted",
    "NetworkEstimator",
    "fit_method",
    "fit_on",
]
