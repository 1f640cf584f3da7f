"""Layers of the strongest networks for tables: scaled inputs, embeddings, kernels of unit scale.

Learning rate and weight decay of a variable are those of the estimator times the factors that the
recipe gives it [1]_.

.. [1] Holzmuller, Grinsztajn, Steinwart. Better by default: strong pre-tuned MLPs and boosted trees
   on tabular data. NeurIPS, 2024, section 3 and appendix A.
"""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from skdeep.engine import current_scope, random
from skdeep.layers.regularization import layer_key

UNIT_NORMAL = keras.initializers.RandomNormal(stddev=1.0)


def _add(layer, name: str, shape: tuple, initializer: Any, rate: float = 1.0, decay: float = 1.0):
    """A weight of a layer, with its factors of learning rate and weight decay."""
    weight = layer.add_weight(shape=shape, initializer=initializer, name=name)
    weight.learning_rate_factor, weight.weight_decay_factor = rate, decay
    return weight


class Scale(keras.layers.Layer):
    """Multiplies each column by a learnt number, which starts at 1 and learns fast.

    Weight decay thus shrinks columns that do not help: a soft selection of features.
    """

    def build(self, shape):
        self.scale = _add(self, "scale", shape[-1:], "ones", rate=6.0, decay=6.0)

    def call(self, x):
        return x * ops.cast(self.scale, x.dtype)


class ScaledDense(keras.layers.Layer):
    """x W / sqrt(n_inputs) + b: W of unit scale, in the neural tangent parametrisation [1]_.

    Parameters
    ----------
    units : int

    References
    ----------
    .. [1] Jacot, Gabriel, Hongler. Neural tangent kernel: convergence and generalization in neural
       networks. NeurIPS, 2018, equation 1.
    """

    def __init__(self, units: int, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, shape):
        self.kernel = _add(self, "kernel", (shape[-1], self.units), UNIT_NORMAL)
        self.bias = _add(self, "bias", (self.units,), "zeros", rate=0.1, decay=0.0)

    def call(self, x):
        x = ops.cast(x, self.compute_dtype)
        kernel = ops.cast(self.kernel, x.dtype) / math.sqrt(self.kernel.shape[0])
        return ops.matmul(x, kernel) + ops.cast(self.bias, x.dtype)


class ParametricActivation(keras.layers.Layer):
    """x + a (f(x) - x): a mixture of an activation f and none, with a learnt for each unit from 1.

    Parameters
    ----------
    function : str
        Keras's name of f.
    """

    def __init__(self, function: str, **kwargs):
        super().__init__(**kwargs)
        self.function = function

    def build(self, shape):
        self.share = _add(self, "share", shape[-1:], "ones", rate=0.1, decay=0.1)

    def call(self, x):
        bent = keras.activations.get(self.function)(x)
        return x + ops.cast(self.share, x.dtype) * (bent - x)


@keras.saving.register_keras_serializable("skdeep")
class LogUniform(keras.initializers.Initializer):
    """Numbers whose logarithms are uniform between those of two positive ones.

    Parameters
    ----------
    low, high : float
    seed : int, default=None
    """

    def __init__(self, low: float, high: float, seed: int | None = None):
        self.low, self.high, self.seed = low, high, seed

    def get_config(self):
        return {"low": self.low, "high": self.high, "seed": self.seed}

    def __call__(self, shape, dtype=None):
        share = np.random.default_rng(self.seed).random(shape)
        return (self.low * (self.high / self.low) ** share).astype(dtype)


class PeriodicEmbedding(keras.layers.Layer):
    """Some numbers for each column: itself, and learnt sums of waves, of which fast ones are small.

    Of a column x, for learnt frequencies w, phases b, and a linear map V, c,

        (x, V (min(1, w_0 / |w|) cos(2 pi w x + b)) + c),

    with which a network may bend a column as it likes: what trees do by thresholds. This is PBLD
    [1]_, after [2]_, but for the factor: amplitudes that fall as 1 / w are those of a step, so that
    a column may jump where many rows say so, and is smooth where few do. Frequencies begin
    anywhere from w_0 to the highest, on a logarithmic scale.

    Parameters
    ----------
    n_components : int, default=4
        Numbers for each column, the column itself among them.
    n_frequencies : int, default=16
    lowest, highest : float, default=0.1, 10
        Of the first frequencies, in waves for each unit of x; the lowest is w_0.

    References
    ----------
    .. [1] Holzmuller, Grinsztajn, Steinwart. Better by default: strong pre-tuned MLPs and boosted
       trees on tabular data. NeurIPS, 2024, section 3.
    .. [2] Gorishniy, Rubachev, Babenko. On embeddings for numerical features in tabular deep
       learning. NeurIPS, 2022, equation 6.
    """

    def __init__(
        self,
        n_components: int = 4,
        n_frequencies: int = 16,
        lowest: float = 0.1,
        highest: float = 10.0,
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)  # bfloat16 has no phase of a fast wave
        self.n_components, self.n_frequencies = n_components, n_frequencies
        self.lowest, self.highest = lowest, highest

    def build(self, shape):
        n, waves, others = shape[-1], self.n_frequencies, self.n_components - 1
        slow = {"rate": 0.1, "decay": 0.1}
        frequencies = LogUniform(self.lowest, self.highest)
        phases = keras.initializers.RandomUniform(-math.pi, math.pi)
        sums = keras.initializers.RandomUniform(-1 / math.sqrt(waves), 1 / math.sqrt(waves))
        self.frequencies = _add(self, "frequencies", (n, waves), frequencies, rate=0.1, decay=0.0)
        self.phases = _add(self, "phases", (n, waves), phases, **slow)
        self.kernel = _add(self, "kernel", (n, waves, others), sums, **slow)
        self.bias = _add(self, "bias", (n, others), sums, **slow)

    def call(self, x):
        frequencies, phases, kernel, bias = (
            ops.cast(weight, x.dtype)
            for weight in (self.frequencies, self.phases, self.kernel, self.bias)
        )
        amplitudes = self.lowest / ops.maximum(ops.abs(frequencies), self.lowest)
        waves = amplitudes * ops.cos(2 * math.pi * x[..., None] * frequencies + phases)
        return ops.cast(_with_sums(x, waves, kernel, bias), self.compute_dtype)


class PiecewiseLinearEmbedding(keras.layers.Layer):
    """Some numbers for each column: itself, and learnt piecewise linear functions of it [1]_.

    Of a column x with edges e_0 < ... < e_T, and a linear map V, c,

        (x, V p(x) + c),    p_t(x) = (x - e_t-1) / (e_t - e_t-1), cut off at 0 and 1,

    which bends where the rows are many if the edges are their quantiles; they are zeros until an
    estimator gives them.

    Parameters
    ----------
    n_components : int, default=4
        Numbers for each column, the column itself among them.
    n_bins : int, default=32

    References
    ----------
    .. [1] Gorishniy, Rubachev, Babenko. On embeddings for numerical features in tabular deep
       learning. NeurIPS, 2022, equation 1.
    """

    def __init__(self, n_components: int = 4, n_bins: int = 32, **kwargs):
        super().__init__(**kwargs)
        self.n_components, self.n_bins = n_components, n_bins

    def build(self, shape):
        n, bins, others = shape[-1], self.n_bins, self.n_components - 1
        self.edges = self.add_weight(
            shape=(n, bins + 1), initializer="zeros", trainable=False, name="edges"
        )
        sums = keras.initializers.RandomUniform(-1 / math.sqrt(bins), 1 / math.sqrt(bins))
        self.kernel = _add(self, "kernel", (n, bins, others), sums, rate=0.1, decay=0.1)
        self.bias = _add(self, "bias", (n, others), sums, rate=0.1, decay=0.1)

    def call(self, x):
        edges, kernel, bias = (
            ops.cast(weight, x.dtype) for weight in (self.edges, self.kernel, self.bias)
        )
        widths = ops.maximum(edges[:, 1:] - edges[:, :-1], 1e-6)  # a step where edges are equal
        pieces = ops.clip((x[..., None] - edges[:, :-1]) / widths, 0, 1)
        return _with_sums(x, pieces, kernel, bias)


def _with_sums(x, bent, kernel, bias):
    """Columns x (n, c), each before its sums of bent copies (n, c, w), in one row."""
    sums = ops.einsum("ncw,cwk->nck", bent, kernel) + bias
    both = ops.concatenate([x[..., None], sums], axis=-1)
    return ops.reshape(both, (-1, both.shape[1] * both.shape[2]))


class CategoryEmbedding(keras.layers.Layer):
    """Codes to numbers: indicators of few categories, a learnt vector for each of many.

    A code is an integer in the dtype of x. Code 0 of few categories, which is for what is rare or
    was never seen, is all zeros.

    Parameters
    ----------
    cardinalities : sequence of int
        How many codes each column has.
    n_components : int, default=8
        Length of the vectors.
    most_indicators : int, default=9
        Columns of so many codes have indicators, larger ones vectors.
    forget : float, default=0
        Probability that a step takes a code for 0: what is never seen is learnt so.
    """

    def __init__(
        self,
        cardinalities: Sequence[int],
        n_components: int = 8,
        most_indicators: int = 9,
        forget: float = 0.0,
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)  # bfloat16 has no integer above 256
        self.cardinalities, self.n_components = tuple(cardinalities), n_components
        self.most_indicators, self.forget = most_indicators, forget
        self.few = [j for j, n in enumerate(self.cardinalities) if n <= most_indicators]
        self.many = [j for j, n in enumerate(self.cardinalities) if n > most_indicators]

    def build(self, shape):
        if not self.many:
            return
        sizes = [self.cardinalities[j] for j in self.many]
        self.starts = [sum(sizes[:i]) for i in range(len(sizes))]
        self.table = _add(self, "table", (sum(sizes), self.n_components), UNIT_NORMAL)

    def call(self, x, training=False):
        x = self._forgotten(x) if training and self.forget else x
        parts = []
        for j in self.few:
            codes = ops.arange(1, self.cardinalities[j], dtype=x.dtype)
            parts.append(ops.cast(x[:, j : j + 1] == codes, x.dtype))
        if self.many:
            codes = ops.cast(ops.take(x, self.many, axis=1), "int32")
            vectors = ops.take(self.table, codes + ops.array(self.starts, "int32"), axis=0)
            width = len(self.many) * self.n_components
            parts.append(ops.cast(ops.reshape(vectors, (-1, width)), x.dtype))
        return ops.cast(ops.concatenate(parts, axis=-1), self.compute_dtype)

    def _forgotten(self, x):
        """Codes, of which some are 0."""
        if current_scope().key is None:
            return x
        kept = random.uniform(layer_key(self), ops.shape(x)) >= self.forget
        return ops.where(kept, x, ops.zeros((), x.dtype))
