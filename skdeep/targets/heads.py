"""The loss of each row and its gradient, from a network's outputs and encoded targets."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skdeep.persistence import saved

# Learnt under loss="quantile": deciles, and the bounds of the intervals of 90, 95 and 98 percent.
QUANTILE_LEVELS = (
    *(0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4),
    *(0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975, 0.99),
)
LEAST_VARIANCE = 1e-6  # of the target's; what keeps the likelihood of noiseless rows bounded


@saved
@dataclass(frozen=True)
class Head:
    """The structural part of a target: what of it shapes a network and its loss.

    Attributes
    ----------
    loss : {"sigmoid", "softmax", "squared", "gaussian", "quantile"}
    groups : tuple of int
        Outputs that belong together: of each softmax, or of each regression target; ones for
        sigmoids.
    per_step : bool
        Whether each step of a row has outputs, not the row as a whole.
    """

    loss: str
    groups: tuple[int, ...]
    per_step: bool = False

    @property
    def n_outputs(self) -> int:
        """Width of the network's last layer."""
        return sum(self.groups)

    def row_losses(self, outputs: Any, y: Any, label_smoothing: Any = None) -> tuple[Any, Any]:
        """Loss of each row, (n,), and its gradient by the outputs, (n, n_outputs).

        Of tensors outputs (n, n_outputs) and encoded y. The loss is the mean over groups:
        cross-entropy in nats, the squared error in units of the target's variance, or what
        :func:`_gaussian` and :func:`_quantile` say. The gradient is what the network expects less
        what is wanted (twice that for squared errors). Where each step has outputs, they are
        (n, n_steps, n_outputs), y is an array or ``Steps``, and the loss of a row is the mean over
        its steps. ``label_smoothing`` s mixes a share s of the uniform distribution into the
        labels [1]_.

        .. [1] Szegedy et al. Rethinking the inception architecture. CVPR, 2016, section 7.
        """
        from keras import ops

        y, lengths = y if self.per_step and isinstance(y, tuple) else (y, None)
        values, slope = self._losses(outputs, y, label_smoothing)
        if not self.per_step:
            return values, slope
        share = ops.ones_like(values)
        if lengths is not None:
            steps = ops.arange(ops.shape(values)[1])
            share = ops.cast(steps < ops.expand_dims(lengths, 1), values.dtype)
        share /= ops.sum(share, axis=1, keepdims=True)
        return ops.sum(values * share, axis=1), slope * share[..., None]

    def losses_of_members(
        self, outputs: Any, y: Any, label_smoothing: Any = None
    ) -> tuple[Any, Any]:
        """Losses of rows (n,), means over several networks, of outputs (n, n_members, n_outputs).

        The gradients are not those of the mean, but each network's own: as if trained alone, but
        that ``clip_norm`` is the longest gradient of all together.
        """
        from keras import ops

        n_members = outputs.shape[1]
        outputs = ops.reshape(outputs, (-1, self.n_outputs))
        y = ops.repeat(y, n_members, axis=0)
        values, slope = self.row_losses(outputs, y, label_smoothing)
        values = ops.mean(ops.reshape(values, (-1, n_members)), axis=1)
        return values, ops.reshape(slope, (-1, n_members, self.n_outputs))

    def mean_of_members(self, outputs: Any, ops: Any = None) -> Any:
        """The outputs (n, n_outputs) of the equal mixture of networks (n, n_members, n_outputs).

        Logits of the mean probabilities; mean and variance of the mixture of normal distributions;
        else means. ``ops`` has Keras's operations for tensors of other kinds.
        """
        from keras import ops as keras_ops

        ops = ops or keras_ops
        if self.loss == "softmax":
            return ops.logsumexp(self._log_softmax(outputs, ops), axis=1)
        if self.loss == "sigmoid":
            yes, no = (ops.logsumexp(ops.log_sigmoid(z), axis=1) for z in (outputs, -outputs))
            return yes - no
        if self.loss == "gaussian":
            n = self.n_outputs
            means, spreads = (ops.take(outputs, np.arange(i, n, 2), axis=-1) for i in (0, 1))
            mean = ops.mean(means, axis=1)
            difference = means - ops.expand_dims(mean, 1)
            variance = ops.mean(ops.softplus(spreads) + difference * difference, axis=1)
            spread = variance + ops.log(-ops.expm1(-variance))  # softplus, the other way round
            both = ops.concatenate([mean, spread], axis=-1)
            return ops.take(both, np.arange(n).reshape(2, -1).T.ravel(), axis=-1)  # in turn
        return ops.mean(outputs, axis=1)

    def _losses(self, outputs: Any, y: Any, label_smoothing: Any) -> tuple[Any, Any]:
        """Losses (...) and their gradients (..., n_outputs) for outputs (..., n_outputs)."""
        from keras import ops

        wanted = self.wanted(y, outputs.dtype, label_smoothing)
        if self.loss == "squared":
            difference = outputs - wanted
            values, slope = ops.square(difference), 2 * difference
        elif self.loss == "gaussian":
            values, slope = _gaussian(outputs, wanted)
        elif self.loss == "quantile":
            values, slope = _quantile(outputs, wanted)
        elif self.loss == "sigmoid":
            values = ops.maximum(outputs, 0) - outputs * wanted
            values += ops.log1p(ops.exp(-ops.abs(outputs)))
            slope = ops.sigmoid(outputs) - wanted
        else:
            log_p = self._log_softmax(outputs, ops)
            values, slope = -wanted * log_p, ops.exp(log_p) - wanted
        scale = 1 / len(self.groups)
        return ops.sum(values, axis=-1) * scale, slope * scale

    def wanted(self, y: Any, dtype: Any, label_smoothing: Any) -> Any:
        """Encoded y as the numbers that outputs are compared with, (..., n_outputs)."""
        from keras import ops

        if self.loss == "softmax":
            first = np.cumsum([0, *self.groups[:-1]], dtype=np.int32)  # of each group's outputs
            wanted = ops.sum(ops.one_hot(y + first, self.n_outputs, dtype=dtype), axis=-2)
        else:
            wanted = ops.cast(y, dtype)
        if label_smoothing is None or self.loss not in ("sigmoid", "softmax"):
            return wanted
        share = np.array([0.5])
        if self.loss == "softmax":
            share = 1 / np.repeat(self.groups, self.groups)
        uniform = ops.convert_to_tensor(share, dtype)
        return wanted + label_smoothing * (uniform - wanted)

    def _log_softmax(self, outputs: Any, ops: Any) -> Any:
        """Logarithms of the probabilities in each group, (..., n_outputs)."""
        if len(self.groups) == 1:
            return ops.log_softmax(outputs, axis=-1)
        parts = [ops.log_softmax(part, axis=-1) for part in self.split(outputs, ops)]
        return ops.concatenate(parts, axis=-1)

    def split(self, outputs: Any, ops: Any) -> list:
        """The outputs of each group, (..., n)."""
        return ops.split(outputs, np.cumsum(self.groups)[:-1].tolist(), axis=-1)


@saved
@dataclass(frozen=True)
class MarginHead:
    """Scores of classes, one against the rest, without probabilities.

    A class is wanted to have the score t = 1 in its rows, and t = -1 in the others. The loss of a
    score f is max(0, 1 - t f), the hinge, or (t - f)^2; that of a row the sum over its classes (one
    score stands for two), so that each score has the optimum it would have alone.

    Attributes
    ----------
    loss : {"hinge", "squared"}
    labels : Head
        How labels are encoded, and which scores belong together; of several groups the loss is the
        mean.
    """

    loss: str
    labels: Head
    outputs = "scores"  # what they are, see ``network.losses.kind_of_outputs``

    @property
    def n_outputs(self) -> int:
        """Width of the network's last layer."""
        return self.labels.n_outputs

    def row_losses(self, outputs: Any, y: Any, label_smoothing: Any = None) -> tuple[Any, Any]:
        """Loss of each row, (n,), and its gradient by the outputs, (n, n_outputs).

        Labels stay as they are: ``label_smoothing`` must be 0.
        """
        from keras import ops

        wanted = 2 * self.labels.wanted(y, outputs.dtype, None) - 1
        if self.loss == "hinge":
            short = ops.relu(1 - wanted * outputs)
            values, slope = short, -wanted * ops.cast(short > 0, outputs.dtype)
        else:
            difference = outputs - wanted
            values, slope = ops.square(difference), 2 * difference
        scale = 1 / len(self.labels.groups)
        return ops.sum(values, axis=-1) * scale, slope * scale


def _gaussian(outputs: Any, y: Any) -> tuple[Any, Any]:
    """Negative log-likelihoods of y, (..., n_columns), under normal distributions, and slopes.

    Of the outputs (m, s) for each target, m is the mean, and softplus(s) the variance [1]_: as
    good as exp(s) where it is small, but without its explosion far from the training rows. The
    slopes are those of the likelihood times the standard deviation: the beta-NLL of [2]_,
    equation 4, with beta = 1/2. It has the same optimum, and is not drawn to explain what it could
    learn as noise.

    .. [1] Lakshminarayanan, Pritzel, Blundell. Simple and scalable predictive uncertainty
       estimation using deep ensembles. NeurIPS, 2017, section 2.2.1.
    .. [2] Seitzer, Tavakoli, Antic, Martius. On the pitfalls of heteroscedastic uncertainty
       estimation with probabilistic neural networks. ICLR, 2022.
    """
    from keras import ops

    spread = outputs[..., 1::2]
    variance = ops.softplus(spread) + LEAST_VARIANCE
    deviation = ops.sqrt(variance)
    error = (outputs[..., ::2] - y) / deviation
    squared = ops.square(error)
    values = (squared + ops.log(2 * np.pi * variance)) / 2
    slopes = ops.stack([error, (1 - squared) / (2 * deviation) * ops.sigmoid(spread)], axis=-1)
    return values, ops.reshape(slopes, ops.shape(outputs))


def _quantile(outputs: Any, y: Any) -> tuple[Any, Any]:
    """Twice the pinball losses [1]_, (..., n_outputs), over the number of levels, and slopes.

    The loss of a quantile q of level p is (p - 1[y < q]) (y - q): for the median twice that is the
    absolute error.

    .. [1] Koenker, Bassett. Regression quantiles. Econometrica 46(1), 1978, equation 3.1.
    """
    from keras import ops

    n_levels = len(QUANTILE_LEVELS)
    levels = ops.convert_to_tensor(QUANTILE_LEVELS * y.shape[-1], outputs.dtype)
    y = ops.repeat(y, n_levels, axis=-1)
    slopes = (ops.cast(y < outputs, outputs.dtype) - levels) * (2 / n_levels)
    return slopes * (outputs - y), slopes
