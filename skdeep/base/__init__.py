"""The estimators' common ground.

A family derives from :class:`BaseNetworkClassifier` and :class:`BaseNetworkRegressor`, and
contributes its hyper-parameters and :meth:`~NetworkEstimator._features`, its network up to the last
layer. One without labels derives from :class:`BaseNetworkTransformer`, and contributes its network
and what of it is learnt, by :meth:`~NetworkEstimator._functions`.
"""

from skdeep.base.classification import BaseNetworkClassifier
from skdeep.base.estimator import NetworkEstimator
from skdeep.base.fitting import Fitted, fit_method, fit_on
from skdeep.base.regression import BaseNetworkRegressor
from skdeep.base.unsupervised import BaseNetworkTransformer

__all__ = [
    "BaseNetworkClassifier",
    "BaseNetworkRegressor",
    "BaseNetworkTransformer",
    "Fitted",
    "NetworkEstimator",
    "fit_method",
    "fit_on",
]
