"""skdeep: deep learning inside scikit-learn, on TensorFlow.

Every public name stands here once; it is loaded when it is first used, so that
``import skdeep`` costs no TensorFlow.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skdeep._config import config_context, get_config
    from skdeep.decomposition.autoencoder import Autoencoder
    from skdeep.decomposition.vae import VariationalAutoencoder
    from skdeep.exceptions import FitDivergedError, FitInterruptedWarning, LoadError
    from skdeep.gaussian_process import GaussianProcessRegressor
    from skdeep.image.cnn import CNNClassifier, CNNRegressor
    from skdeep.model_selection import (
        AnnealingSearchCV,
        BayesianOptimizer,
        BayesSearchCV,
        minimize,
    )
    from skdeep.network.estimators import NetworkClassifier, NetworkRegressor, NetworkTransformer
    from skdeep.persistence import load, save
    from skdeep.sequence.rnn import RNNClassifier, RNNRegressor
    from skdeep.serving import export
    from skdeep.tabular.deep_features import DeepFeatures
    from skdeep.tabular.entity_embedding import EntityEmbedding
    from skdeep.tabular.folds import BaggedFoldsClassifier, BaggedFoldsRegressor
    from skdeep.tabular.kernel import KernelClassifier, KernelRegressor
    from skdeep.tabular.mlp import MLPClassifier, MLPRegressor
    from skdeep.tabular.recipe import TabularClassifier, TabularRegressor

_HOMES = {
    "AnnealingSearchCV": "skdeep.model_selection",
    "Autoencoder": "skdeep.decomposition.autoencoder",
    "BaggedFoldsClassifier": "skdeep.tabular.folds",
    "BaggedFoldsRegressor": "skdeep.tabular.folds",
    "BayesSearchCV": "skdeep.model_selection",
    "BayesianOptimizer": "skdeep.model_selection",
    "CNNClassifier": "skdeep.image.cnn",
    "CNNRegressor": "skdeep.image.cnn",
    "DeepFeatures": "skdeep.tabular.deep_features",
    "EntityEmbedding": "skdeep.tabular.entity_embedding",
    "FitDivergedError": "skdeep.exceptions",
    "FitInterruptedWarning": "skdeep.exceptions",
    "GaussianProcessRegressor": "skdeep.gaussian_process",
    "KernelClassifier": "skdeep.tabular.kernel",
    "KernelRegressor": "skdeep.tabular.kernel",
    "LoadError": "skdeep.exceptions",
    "MLPClassifier": "skdeep.tabular.mlp",
    "MLPRegressor": "skdeep.tabular.mlp",
    "NetworkClassifier": "skdeep.network.estimators",
    "NetworkRegressor": "skdeep.network.estimators",
    "NetworkTransformer": "skdeep.network.estimators",
    "RNNClassifier": "skdeep.sequence.rnn",
    "RNNRegressor": "skdeep.sequence.rnn",
    "TabularClassifier": "skdeep.tabular.recipe",
    "TabularRegressor": "skdeep.tabular.recipe",
    "VariationalAutoencoder": "skdeep.decomposition.vae",
    "config_context": "skdeep._config",
    "export": "skdeep.serving",
    "get_config": "skdeep._config",
    "load": "skdeep.persistence",
    "minimize": "skdeep.model_selection",
    "save": "skdeep.persistence",
}

__version__ = "0.1.0.dev0"
__all__ = [
    "AnnealingSearchCV",
    "Autoencoder",
    "BaggedFoldsClassifier",
    "BaggedFoldsRegressor",
    "BayesSearchCV",
    "BayesianOptimizer",
    "CNNClassifier",
    "CNNRegressor",
    "DeepFeatures",
    "EntityEmbedding",
    "FitDivergedError",
    "FitInterruptedWarning",
    "GaussianProcessRegressor",
    "KernelClassifier",
    "KernelRegressor",
    "LoadError",
    "MLPClassifier",
    "MLPRegressor",
    "NetworkClassifier",
    "NetworkRegressor",
    "NetworkTransformer",
    "RNNClassifier",
    "RNNRegressor",
    "TabularClassifier",
    "TabularRegressor",
    "VariationalAutoencoder",
    "config_context",
    "export",
    "get_config",
    "load",
    "minimize",
    "save",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'skdeep' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
