"""Layers that draw numbers for each row, from the row's own numbers and the step's key.

Equal rows draw the same, so that a row of weight two is two rows, and no row's draw depends on its
neighbours.
"""

import keras
from keras import ops

from skdeep.engine import current_scope, random
from skdeep.layers.regularization import layer_key


class DrawBits(keras.layers.Layer):
    """Bits whose probabilities are the numbers of a row; the numbers without a key."""

    def call(self, x):
        if current_scope().key is None:
            return x
        keys = random.row_keys(layer_key(self), x)
        return ops.cast(random.uniform(keys, ops.shape(x)) < ops.cast(x, "float32"), x.dtype)


class DrawNormal(keras.layers.Layer):
    """``n_draws`` of normal distributions, (n, n_draws, d); their means without a key.

    Inputs are what tells the rows apart (n, ...), means and log-variances (n, d).

    Parameters
    ----------
    n_draws : int
    """

    def __init__(self, n_draws: int, **kwargs):
        super().__init__(**kwargs)
        self.n_draws = n_draws

    def call(self, inputs):
        rows, mean, log_variance = inputs
        shape = (ops.shape(mean)[0], self.n_draws, mean.shape[1])
        means = ops.broadcast_to(mean[:, None], shape)
        if current_scope().key is None:
            return means
        noise = random.normal(random.row_keys(layer_key(self), rows), shape)
        return means + ops.exp(log_variance / 2)[:, None] * ops.cast(noise, mean.dtype)


class Spread(keras.layers.Layer):
    """One log-variance for all numbers, which is learnt: (n, 1).

    It is learnt ten times as fast as what it is the variance of, as it has far to go.
    """

    def build(self, shape):
        self.log_variance = self.add_weight(shape=(1,), initializer="zeros", name="log_variance")
        self.log_variance.learning_rate_factor = 10.0

    def call(self, x):
        return ops.zeros_like(x[:, :1]) + self.log_variance
