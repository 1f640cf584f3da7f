"""Multilayer perceptrons: dense layers over the columns of a table.

    h_0 = x,   h_i = dropout(activation(normalize(h_{i-1} W_i + b_i))),   output = h_L W + b

Without hidden layers this is logistic regression, or ridge regression: a weight decay of
1 / (C n), or 2 alpha / n, has their optimum [1]_. Plain on purpose.

.. [1] Hastie, Tibshirani, Friedman. The elements of statistical learning, 2009, section 11.3.
"""

from numbers import Integral, Real
from typing import Any

from sklearn.utils._param_validation import Interval, StrOptions

from skdeep.base import NetworkClassifier, NetworkRegressor
from skdeep.hyperparameters import Declared, Padded, hyperparameter

ACTIVATIONS = frozenset({"relu", "tanh", "sigmoid", "linear", "elu", "gelu", "silu", "leaky_relu"})


def width_bucket(width: int) -> int:
    """The width that a graph is built for: 64, 128, 256, 512, then multiples of 256."""
    return max(64, 1 << (width - 1).bit_length()) if width <= 512 else -(-width // 256) * 256


class MLP(Declared):
    """What MLPClassifier and MLPRegressor share."""

    hidden_layer_sizes: Any = hyperparameter(
        (100,),
        "Units of each hidden layer; ``()`` is a linear model.",
        ["array-like"],
        structural=Padded(width_bucket),
    )
    activation: str = hyperparameter(
        "relu", "Of the hidden units.", StrOptions(set(ACTIVATIONS)), structural=True
    )
    dropout: float = hyperparameter(
        0.0,
        "Probability that a step ignores a hidden unit; more regularises more.",
        Interval(Real, 0, 1, closed="left"),
        search=(0.0, 0.5),
        structural=bool,
    )
    normalization: str | None = hyperparameter(
        None,
        "Of the hidden units, before the activation: over the batch, or over the layer.",
        [StrOptions({"batch", "layer"}), None],
        structural=True,
    )
    _sparse_rows = True

    def _is_noisy(self):
        return self.dropout > 0

    def _features(self, inputs):
        import keras

        from skdeep import layers

        x = inputs
        for i, width in enumerate(self.hidden_layer_sizes):
            units = ("hidden_layer_sizes", i)
            x = keras.layers.Dense(width, name=f"hidden_{i}")(x)
            if self.normalization == "batch":
                x = layers.BatchNormalization(name=f"normalization_{i}")(x)
            if self.normalization == "layer":
                x = layers.LayerNormalization(units, name=f"normalization_{i}")(x)
            x = keras.layers.Activation(self.activation, name=f"activation_{i}")(x)
            x = layers.KeepUnits(units, name=f"units_{i}")(x)
            if self.dropout:
                x = layers.Dropout("dropout", name=f"dropout_{i}")(x)
        return x


class MLPClassifier(MLP, NetworkClassifier):
    """Multilayer perceptron for classes.

    Parameters
    ----------
    """


class MLPRegressor(MLP, NetworkRegressor):
    """Multilayer perceptron for numbers.

    Parameters
    ----------
    """
