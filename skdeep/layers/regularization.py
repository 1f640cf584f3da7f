"""Dropout, noise, normalisation and padded units, with run-time numbers and row weights."""

import zlib

import keras
from keras import ops

from skdeep.engine import current_scope, random


def layer_key(layer: keras.layers.Layer):
    """A random key for this layer and step: the same in every process, other for each layer."""
    return random.fold(current_scope().key, zlib.crc32(layer.name.encode()))


@keras.saving.register_keras_serializable("skdeep")
class Dropout(keras.layers.Layer):
    """Zeroes units with a probability p and scales the others by 1 / (1 - p) [1]_.

    At predict it acts if there is a random key, on the same units of all rows: one thinned network.

    Parameters
    ----------
    rate : str or float
        Name of the hyper-parameter that holds p, a run-time number; or p itself, in [0, 1), in a
        model of the user's own.

    References
    ----------
    .. [1] Srivastava et al. Dropout. JMLR 15, 2014, section 10 ("inverted").
    """

    def __init__(self, rate: str | float, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(rate, str) and not 0 <= rate < 1:
            raise ValueError(f"rate must be a number in [0, 1), but is {rate!r}.")
        self.rate = rate

    def call(self, x, training=False):
        scope = current_scope()
        if scope.key is None:
            return x
        shape = ops.shape(x) if training else (1, *ops.shape(x)[1:])
        p = scope.hyper[self.rate] if isinstance(self.rate, str) else self.rate
        kept = random.uniform(layer_key(self), shape) >= ops.cast(p, "float32")
        return ops.where(kept, x / ops.cast(1 - p, x.dtype), ops.zeros((), x.dtype))


class Corrupt(keras.layers.Layer):
    """Random change of rows in training, for a network to take off [1]_; none elsewhere.

    Parameters
    ----------
    kind : {"gaussian", "mask"}
        Normal noise that is added, or zeros in the place of numbers.
    level : str
        Name of the hyper-parameter with its standard deviation, or with the share of zeros.

    References
    ----------
    .. [1] Vincent, Larochelle, Lajoie, Bengio, Manzagol. Stacked denoising autoencoders. JMLR 11,
       2010, section 3.3.
    """

    def __init__(self, kind: str, level: str, **kwargs):
        super().__init__(**kwargs)
        self.kind, self.level = kind, level

    def call(self, x, training=False):
        scope = current_scope()
        if not training or scope.key is None:
            return x
        key, level = layer_key(self), scope.hyper[self.level]
        if self.kind == "gaussian":
            return x + ops.cast(level * random.normal(key, ops.shape(x)), x.dtype)
        kept = random.uniform(key, ops.shape(x)) >= ops.cast(level, "float32")
        return ops.where(kept, x, ops.zeros((), x.dtype))


def _n_active(units: tuple[str, int] | None):
    """How many units of a padded layer are real: a run-time number, or None."""
    hyper = current_scope().hyper
    if units is None or units[0] not in hyper:
        return None
    return hyper[units[0]][units[1]]


def _active(units, width: int, dtype):
    """1 for real units, 0 for padding, (width,); None where nothing is padded."""
    n = _n_active(units)
    if n is None:
        return None
    return ops.cast(ops.cast(ops.arange(width), n.dtype) < n, dtype)


class KeepUnits(keras.layers.Layer):
    """Zeroes the padding of a layer whose width is a bucket, see ``hyperparameters.Padded``.

    Parameters
    ----------
    units : tuple (str, int)
        The hyper-parameter that holds the true widths, and the position of this one.
    """

    def __init__(self, units: tuple[str, int], **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def call(self, x):
        active = _active(self.units, x.shape[-1], x.dtype)
        return x if active is None else x * active


class Bias(keras.layers.Layer):
    """Adds a learnt number to each unit: a dense layer whose kernel is elsewhere."""

    def build(self, shape):
        self.bias = self.add_weight(shape=shape[-1:], initializer="zeros", name="bias")

    def call(self, x):
        return x + ops.cast(self.bias, x.dtype)


class LayerNormalization(keras.layers.Layer):
    """Shifts and scales each row's units to mean 0 and variance 1, then learns both [1]_.

    Parameters
    ----------
    units : tuple (str, int), default=None
        As in :class:`KeepUnits`: only real units count.
    epsilon : float, default=1e-3
        Added to the variance.

    References
    ----------
    .. [1] Ba, Kiros, Hinton. Layer normalization. arXiv:1607.06450, 2016, equation 3.
    """

    def __init__(self, units=None, epsilon: float = 1e-3, **kwargs):
        super().__init__(**kwargs)
        self.units, self.epsilon = units, epsilon

    def build(self, shape):
        self.gamma = self.add_weight(shape=shape[-1:], initializer="ones", name="gamma")
        self.beta = self.add_weight(shape=shape[-1:], initializer="zeros", name="beta")

    def call(self, x):
        active = _active(self.units, x.shape[-1], x.dtype)
        if active is None:
            active = ops.ones((x.shape[-1],), x.dtype)
        share = active / ops.sum(active)
        centred = (x - ops.sum(x * share, axis=-1, keepdims=True)) * active
        variance = ops.sum(ops.square(centred) * share, axis=-1, keepdims=True)
        return centred * ops.rsqrt(variance + self.epsilon) * self.gamma + self.beta


class BatchNormalization(keras.layers.Layer):
    """Shifts and scales each channel to mean 0 and variance 1 over the batch [1]_.

    Rows count by their weight (negative ones not at all), so that padding does not count and a
    row of weight two counts as two rows. Predict uses running averages, which a batch that is
    partly padding moves by as much less: the last one of an epoch may be a single row. They run
    over an epoch or less: one of few steps has seen all rows, and its network was another one.

    Parameters
    ----------
    momentum : float, default=0.9
        Share of the running averages that a step keeps, at most.
    epsilon : float, default=1e-3
        Added to the variance.

    References
    ----------
    .. [1] Ioffe, Szegedy. Batch normalization. ICML, 2015, algorithm 1.
    """

    def __init__(self, momentum: float = 0.9, epsilon: float = 1e-3, **kwargs):
        super().__init__(**kwargs)
        self.momentum, self.epsilon = momentum, epsilon

    def build(self, shape):
        channels = shape[-1:]
        self.gamma = self.add_weight(shape=channels, initializer="ones", name="gamma")
        self.beta = self.add_weight(shape=channels, initializer="zeros", name="beta")
        self.moving_mean = self.add_weight(
            shape=channels, initializer="zeros", name="moving_mean", trainable=False
        )
        self.moving_variance = self.add_weight(
            shape=channels, initializer="ones", name="moving_variance", trainable=False
        )

    def call(self, x, training=False):
        if training:
            mean, variance, full = self._moments(x)
            steps = current_scope().hyper.get("steps_per_epoch")
            taken = 1 - self.momentum
            taken = taken if steps is None else ops.maximum(taken, 1 / steps)
            for running, now in ((self.moving_mean, mean), (self.moving_variance, variance)):
                old = ops.convert_to_tensor(running)
                share = ops.cast(taken, old.dtype) * ops.cast(full, old.dtype)
                running.assign(old + (ops.cast(now, old.dtype) - old) * share)
        else:
            mean, variance = self.moving_mean, self.moving_variance
        scale = ops.cast(self.gamma, x.dtype) * ops.rsqrt(
            ops.cast(variance, x.dtype) + self.epsilon
        )
        shift = ops.cast(self.beta, x.dtype) - ops.cast(mean, x.dtype) * scale
        return x * scale + shift

    def _moments(self, x):
        """Weighted mean and variance over rows, and plain over pixels or steps; (channels,).

        And how full the batch is, from 0 to 1.
        """
        weight = current_scope().weight
        weight = (
            ops.ones(ops.shape(x)[:1], x.dtype) if weight is None else ops.cast(weight, x.dtype)
        )
        weight = ops.maximum(weight, 0)
        total = ops.sum(weight)
        full = ops.minimum(total / ops.cast(ops.shape(x)[0], x.dtype), 1)
        weight /= ops.maximum(total, 1e-12)
        weight = ops.reshape(weight, (-1, 1))
        pixels = tuple(range(1, len(x.shape) - 1))
        by_row = lambda values: ops.mean(values, axis=pixels) if pixels else values  # noqa: E731
        mean = ops.sum(by_row(x) * weight, axis=0)
        variance = ops.sum(by_row(ops.square(x - mean)) * weight, axis=0)
        return mean, variance, full
