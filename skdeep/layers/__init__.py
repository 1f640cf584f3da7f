"""Keras layers that read run-time numbers, random keys and row weights from the engine.

They take the *name* of a hyper-parameter where Keras's layers take its value, so that a compiled
program serves all values. Outside of the engine, as in a model that a user looks at, they act as
at predict.
"""

from skdeep.layers.augmentation import Augment
from skdeep.layers.ensemble import Member
from skdeep.layers.kernel import (
    FourierFeatures,
    LandmarkFeatures,
    Standardize,
    TensorSketch,
)
from skdeep.layers.recurrent import (
    GRU,
    LSTM,
    AttentionPooling,
    PoolSteps,
    ReverseSteps,
    SimpleRNN,
)
from skdeep.layers.regularization import (
    BatchNormalization,
    Bias,
    Corrupt,
    Dropout,
    KeepUnits,
    LayerNormalization,
)
from skdeep.layers.stochastic import DrawBits, DrawNormal, Spread
from skdeep.layers.tabular import (
    CategoryEmbedding,
    ParametricActivation,
    PeriodicEmbedding,
    PiecewiseLinearEmbedding,
    Scale,
    ScaledDense,
)

__all__ = [
    "GRU",
    "LSTM",
    "AttentionPooling",
    "Augment",
    "BatchNormalization",
    "Bias",
    "CategoryEmbedding",
    "Corrupt",
    "DrawBits",
    "DrawNormal",
    "Dropout",
    "FourierFeatures",
    "KeepUnits",
    "LandmarkFeatures",
    "LayerNormalization",
    "Member",
    "ParametricActivation",
    "PeriodicEmbedding",
    "PiecewiseLinearEmbedding",
    "PoolSteps",
    "ReverseSteps",
    "Scale",
    "ScaledDense",
    "SimpleRNN",
    "Spread",
    "Standardize",
    "TensorSketch",
]
