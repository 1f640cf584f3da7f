"""What a network predicts: how y becomes numbers, the loss of each row, and the way back.

A classifier's outputs are logits, in groups: one sigmoid for two classes, one softmax for more,
a sigmoid for each label of a multilabel target, a softmax for each column of a multi-output one.
A regressor's outputs are the targets shifted and scaled to mean 0 and variance 1 over the training
rows, so that step sizes and losses mean the same whatever the unit of y; a squared loss of 1 is
that of predicting the mean. For each target they are one number, or the mean and the spread of a
normal distribution, or quantiles.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from scipy.interpolate import make_interp_spline
from scipy.optimize import minimize_scalar
from scipy.special import expit, logsumexp, ndtri, softmax
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_array

from skdeep.persistence import saved
from skdeep.validation import naming

# Learnt under loss="quantile": deciles, and the bounds of the intervals of 90, 95 and 98 percent.
QUANTILE_LEVELS = (
    *(0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4),
    *(0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975, 0.99),
)
_OUTPUTS_OF_A_TARGET = {"squared": 1, "gaussian": 2, "quantile": len(QUANTILE_LEVELS)}
_LEAST_VARIANCE = 1e-6  # of the target's; what keeps the likelihood of noiseless rows bounded


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

        parts = [self.row_losses(part, y, label_smoothing) for part in ops.unstack(outputs, axis=1)]
        values, slopes = zip(*parts, strict=True)
        return sum(values) / len(values), ops.stack(slopes, axis=1)

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
    variance = ops.softplus(spread) + _LEAST_VARIANCE
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


@saved
@dataclass(frozen=True)
class Labels:
    """Classes of a classification target.

    Attributes
    ----------
    classes : list of ndarray
        The sorted classes of each column; for a multilabel target [0, 1] of each label.
    kind : {"single", "multilabel", "multioutput"}
    """

    classes: list[np.ndarray]
    kind: str

    @classmethod
    def of(cls, y, classes=None) -> "Labels":
        """The classes found in validated labels y, or those given by the user."""
        if y.ndim == 2:
            # Zeros and ones are labels, unless classes of each column are given: more may come.
            by_column = classes is not None and any(np.ndim(column) for column in classes)
            is_indicator = type_of_target(y) == "multilabel-indicator" and np.isin(y, (0, 1)).all()
            if is_indicator and not by_column:
                return cls([np.array([0, 1])] * y.shape[1], "multilabel")
            columns = list(y.T) if classes is None else [np.asarray(c) for c in classes]
            if len(columns) != y.shape[1]:
                raise ValueError(
                    f"y has {y.shape[1]} columns, so that classes must be a list of as many "
                    f"arrays, but has {len(columns)}."
                )
            return cls([np.unique(column) for column in columns], "multioutput")
        if classes is not None and (np.ndim(classes) != 1 or pd.isna(np.asarray(classes)).any()):
            raise ValueError(f"classes must be a list of labels, but is {classes!r}.")
        found = np.unique(y) if classes is None else np.unique(np.asarray(classes))
        if len(found) < 2:
            name = "y" if classes is None else "classes"
            given = f"has one class, {found.tolist()[0]!r}" if len(found) else "is empty"
            raise ValueError(
                f"{name} {given}; a classifier needs at least two classes. If others come later, "
                f"give all to partial_fit as classes."
            )
        return cls([found], "single")

    @property
    def head(self) -> Head:
        """Sigmoids for two classes and for labels, else a softmax for each column."""
        if self.kind == "multilabel":
            return Head("sigmoid", (1,) * len(self.classes))
        if self.kind == "single" and len(self.classes[0]) == 2:
            return Head("sigmoid", (1,))
        return Head("softmax", tuple(len(c) for c in self.classes))

    def encode(self, y, name: str = "y") -> np.ndarray:
        """Positions of the labels, (n, n_columns): int32 for softmax, float32 for sigmoid.

        ``name`` is what an error calls them.

        Raises
        ------
        ValueError
            If y has a class that was not there before, or another number of columns.
        """
        columns = y.T if y.ndim == 2 else [y]
        if len(columns) != len(self.classes):
            raise ValueError(
                f"{name} has {len(columns)} columns, but y had {len(self.classes)} at first."
            )
        encoded = np.empty((len(y), len(columns)), np.int32)
        for i, (column, classes) in enumerate(zip(columns, self.classes, strict=True)):
            position = np.searchsorted(classes, column).clip(max=len(classes) - 1)
            unseen = classes[position] != column
            if np.any(unseen):
                raise ValueError(
                    f"{name} contains unknown classes, {np.unique(column[unseen]).tolist()}; "
                    f"known since the first fit are {classes.tolist()}. If more can come, begin "
                    f"with partial_fit and give it all classes."
                )
            encoded[:, i] = position
        return encoded.astype(np.float32) if self.head.loss == "sigmoid" else encoded

    def check_weights(self, encoded: np.ndarray, weight: np.ndarray) -> None:
        """Refuse a class whose weights sum to zero or less: nothing could be learnt of it."""
        for column, classes in zip(encoded.T.astype(int), self.classes, strict=True):
            present = np.bincount(column, minlength=len(classes)) > 0
            total = np.bincount(column, weight, minlength=len(classes))
            if np.any(bad := present & (total <= 0)):
                label = classes[bad].tolist()[0]
                raise ValueError(
                    f"the weights of class {label!r} sum to {total[bad][0]:g}; they must "
                    f"be more than zero for each class. Remove the class or its weights."
                )

    def factors(self, class_weight: Any, encoded: np.ndarray, weight: np.ndarray) -> list:
        """What multiplies the weights of each class, an array for each column; [] for ones.

        Raises
        ------
        ValueError
            If a class would have a sum of weights of zero or less.
        """
        with naming("sample_weight"):
            self.check_weights(encoded, weight)
        if class_weight is None:
            return []
        factors = [
            _balanced(column, weight, len(classes))
            if isinstance(class_weight, str)
            else _chosen(class_weight, classes.tolist())
            for column, classes in zip(encoded.T.astype(int), self.classes, strict=True)
        ]
        with naming("class_weight"):
            self.check_weights(encoded, weighted(encoded, weight, factors))
        return factors

    def decision(self, outputs: np.ndarray) -> np.ndarray | list:
        """Logits as scikit-learn shapes them; a list for a multi-output target."""
        if self.kind == "multioutput":
            return np.split(outputs, np.cumsum(self.head.groups)[:-1], axis=1)
        return (
            outputs[:, 0]
            if self.head == Head("sigmoid", (1,)) and self.kind == "single"
            else outputs
        )

    def probabilities(self, outputs: np.ndarray, temperatures=None) -> np.ndarray | list:
        """Probabilities as scikit-learn shapes them; a list for a multi-output target.

        ``temperatures``, one of each column, divide the logits.
        """
        outputs = outputs.astype(np.float64)
        if temperatures is not None:
            outputs /= np.repeat(temperatures, self.head.groups)
        if self.kind == "multioutput":
            return [softmax(part, axis=1) for part in self.decision(outputs)]
        if self.head.loss == "softmax":
            return softmax(outputs, axis=1)
        positive = expit(outputs)
        return positive if self.kind == "multilabel" else np.hstack([1 - positive, positive])

    def temperatures(self, outputs: np.ndarray, encoded: np.ndarray, weight: np.ndarray):
        """Temperatures that make logits tell the truth about held-out rows, (n_columns,)."""
        parts = np.split(outputs.astype(np.float64), np.cumsum(self.head.groups)[:-1], axis=1)
        columns = zip(parts, encoded.T.astype(int), strict=True)
        return np.array([_temperature(part, labels, weight) for part, labels in columns])

    def labels(self, outputs: np.ndarray) -> np.ndarray:
        """The likeliest classes, (n,) or (n, n_columns)."""
        if self.kind == "multilabel":
            return (outputs > 0).astype(int)
        if self.kind == "multioutput":
            parts = zip(self.decision(outputs), self.classes, strict=True)
            return np.column_stack([classes[part.argmax(axis=1)] for part, classes in parts])
        classes = self.classes[0]
        if len(classes) == 2:
            return classes[(outputs[:, 0] > 0).astype(int)]
        return classes[outputs.argmax(axis=1)]


def _temperature(logits: np.ndarray, labels: np.ndarray, weight: np.ndarray) -> float:
    """The T whose logits / T have the least log loss, of logits (n, 1) or (n, n_classes) [1]_.

    A row of weight one is added that wants log T = 0, by (log T)^2 / 2: without it T would be 0,
    all certainty, wherever the network is right about all of a few rows.

    .. [1] Guo, Pleiss, Sun, Weinberger. On calibration of modern neural networks. ICML, 2017,
       section 4.2.
    """
    if logits.shape[1] == 1:
        logits = np.hstack([np.zeros_like(logits), logits])
    logits = logits - np.take_along_axis(logits, labels[:, None], axis=1)
    weight = weight * (len(weight) / weight.sum())

    def loss(log_t: float) -> float:
        return weight @ logsumexp(logits / np.exp(log_t), axis=1) + log_t**2 / 2

    return np.exp(minimize_scalar(loss, bounds=(-5, 5), options={"xatol": 1e-8}).x)


def weighted(encoded: np.ndarray, weight: np.ndarray, factors: list) -> np.ndarray:
    """Weights (n,) times the factors of each row's classes."""
    for column, factor in zip(encoded.T, factors):
        weight = weight * factor[column.astype(int)]
    return weight


def _balanced(column: np.ndarray, weight: np.ndarray, n_classes: int) -> np.ndarray:
    """Factors that give all classes present the same sum of weights."""
    totals = np.bincount(column, weight, minlength=n_classes)
    present = totals > 0
    return np.divide(totals.sum() / present.sum(), totals, out=np.ones(n_classes), where=present)


def _chosen(class_weight: dict, classes: list) -> np.ndarray:
    """Factors from a dict, whose classes must be known; those that it lacks have one."""
    unknown = [label for label in class_weight if label not in classes]
    if unknown:
        raise ValueError(f"class_weight names {unknown}, but the classes are {classes}.")
    wrong = [
        v for v in class_weight.values() if not isinstance(v, Real) or not np.isfinite(float(v))
    ]
    if wrong:
        raise ValueError(f"class_weight must hold finite numbers, but holds {wrong}.")
    return np.array([class_weight.get(label, 1.0) for label in classes])


def check_labels(y) -> np.ndarray:
    """Labels as an array, (n,) or (n, n_columns), of a kind that classifiers take."""
    given = y
    y = check_array(y, ensure_2d=False, allow_nd=False, dtype=None, input_name="y")
    if y.dtype.kind in "SV":
        raise TypeError(f"y must hold strings or numbers, but has dtype {y.dtype}; decode it.")
    # Of a list with a string NumPy makes strings all over: 'nan' of a label that is missing.
    from_list = y.dtype.kind == "U" and isinstance(given, list | tuple)
    labels = np.array(given, dtype=object) if from_list else y
    if labels.dtype.kind == "O" and (missing := pd.isna(labels)).any():
        raise ValueError(f"y lacks {np.count_nonzero(missing)} labels; drop these rows.")
    if labels.dtype.kind == "O" and pd.api.types.infer_dtype(labels.ravel()).startswith("mixed"):
        raise TypeError("y mixes labels of several kinds; give strings or numbers alone.")
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    check_classification_targets(y)
    return y


@saved
@dataclass(frozen=True)
class Reals:
    """Location and scale of a regression target, and what a network says of it.

    Attributes
    ----------
    mean, scale : ndarray (n_columns,), float64
        Of the training rows; weighted.
    flat : bool
        Whether y was one-dimensional.
    loss : {"squared", "gaussian", "quantile"}
    """

    mean: np.ndarray
    scale: np.ndarray
    flat: bool
    loss: str = "squared"

    @classmethod
    def of(cls, y, weight: np.ndarray, loss: str = "squared") -> "Reals":
        """Location and scale of validated targets y, (n,) or (n, n_columns)."""
        columns = y.reshape(len(y), -1)
        mean = np.average(columns, axis=0, weights=weight)
        variance = np.average((columns - mean) ** 2, axis=0, weights=weight)
        if not np.isfinite(variance).all():
            raise ValueError(
                f"y reaches {np.abs(columns).max():g}, whose square is no number; scale y."
            )
        # Negative weights can make a variance negative; a constant target has none.
        usable = variance > np.finfo(float).tiny
        return cls(mean, np.sqrt(np.where(usable, variance, 1.0)), y.ndim == 1, loss)

    @property
    def head(self) -> Head:
        """One group of outputs for each column."""
        return Head(self.loss, (_OUTPUTS_OF_A_TARGET[self.loss],) * len(self.mean))

    def encode(self, y, name: str = "y") -> np.ndarray:
        """Standardised targets, (n, n_columns) float64."""
        columns = y.reshape(len(y), -1)
        if columns.shape[1] != len(self.mean):
            raise ValueError(
                f"{name} has {columns.shape[1]} columns, but y had {len(self.mean)} at first."
            )
        encoded = (columns - self.mean) / self.scale
        if np.abs(encoded).max() > 1e18:  # whose square float32 does not hold
            raise ValueError(
                f"{name} reaches {np.abs(columns).max():g}, which is no number in units of y's "
                f"standard deviation; remove such rows, or scale y."
            )
        return encoded

    def mixture(self, samples: Iterator[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Means (or medians) and standard deviations in the units of y, shaped as y was, float64.

        Of the equal mixture of what several networks say, each by its outputs: the variance is
        the mean of theirs and the variance of their means [1]_, equation 9.

        .. [1] Kendall, Gal. What uncertainties do we need in Bayesian deep learning for computer
           vision? NeurIPS, 2017.
        """
        mean = within = between = np.zeros(len(self.mean))
        n = 0
        for outputs in samples:  # Welford's algorithm: no memory of them, no cancellation
            own, variance = self._moments(outputs.astype(np.float64))
            n += 1
            step = own - mean
            mean = mean + step / n
            between = between + step * (own - mean)
            within = within + variance
        deviation = np.sqrt((within + between) / n) * self.scale
        return self._shaped(mean * self.scale + self.mean), self._shaped(deviation)

    def quantiles(self, outputs: np.ndarray, levels: np.ndarray) -> np.ndarray:
        """Quantiles of y, float64, (n, n_levels) or (n, n_columns, n_levels).

        Between those learnt they are linear in the normal distribution's.
        """
        outputs = outputs.astype(np.float64)
        if self.loss == "gaussian":
            mean, variance = self._moments(outputs)
            found = mean[:, :, None] + np.sqrt(variance)[:, :, None] * ndtri(levels)
        else:
            found = self._curves(outputs)(ndtri(levels))
        return self._shaped(found * self.scale[:, None] + self.mean[:, None])

    def _moments(self, outputs: np.ndarray) -> tuple[np.ndarray, Any]:
        """Locations and variances of the standardised targets, each (n, n_columns)."""
        if self.loss == "gaussian":
            variance = np.logaddexp(0, outputs[:, 1::2]) + _LEAST_VARIANCE
            return outputs[:, ::2], variance
        if self.loss == "quantile":
            # For a normal distribution half of the difference is the standard deviation.
            low, median, high = np.moveaxis(self._curves(outputs)([-1, 0, 1]), -1, 0)
            return median, ((high - low) / 2) ** 2
        return outputs, 0.0

    def _curves(self, outputs: np.ndarray) -> Any:
        """From a normal distribution's quantiles to each target's, (n, n_columns, ...).

        They are sorted, so as not to cross, by which they fit no worse [1]_.

        .. [1] Chernozhukov, Fernandez-Val, Galichon. Quantile and probability curves without
           crossing. Econometrica 78(3), 2010, proposition 4.
        """
        learnt = np.sort(outputs.reshape(len(outputs), len(self.mean), -1), axis=-1)
        return make_interp_spline(ndtri(QUANTILE_LEVELS), learnt, k=1, axis=-1)

    def _shaped(self, columns: np.ndarray) -> np.ndarray:
        """(n, n_columns, ...) without the second axis where y had none."""
        return columns[:, 0] if self.flat else columns


@saved
@dataclass(frozen=True)
class PerStep:
    """A target of which each step of a row has one.

    Encoded targets are ``Sequences``; outputs are an array (n, n_steps, n_outputs) or
    ``Sequences``, and what follows from them an array or a list of arrays.

    Attributes
    ----------
    each : Labels or Reals
        Of one step.
    """

    each: Any

    @property
    def head(self) -> Head:
        """That of one step, for all."""
        return replace(self.each.head, per_step=True)

    def encode(self, y: Any, name: str = "y") -> Any:
        """Targets of all steps, (n_steps_in_all, n_columns)."""
        return y.with_values(self.each.encode(y.values, name))

    def factors(self, class_weight: Any, encoded: Any, weight: np.ndarray) -> list:
        """As ``Labels.factors``: no factors, for the weights are those of rows."""
        if class_weight is not None:
            raise ValueError(
                f"class_weight weighs rows, but y has a label for each step; leave it None, not "
                f"{class_weight!r}."
            )
        return self.each.factors(None, encoded.values, np.repeat(weight, encoded.lengths))

    def temperatures(self, outputs: Any, encoded: Any, weight: np.ndarray) -> np.ndarray:
        """As ``Labels.temperatures``, of all steps; a row's weight counts its steps."""
        lengths = getattr(encoded, "lengths", None)
        if lengths is None:
            lengths = np.full(len(encoded), encoded.shape[1])
        weight = np.repeat(weight / lengths, lengths)
        return self.each.temperatures(_steps(outputs), _steps(encoded), weight)

    def labels(self, outputs: Any) -> Any:
        """The likeliest classes, (n, n_steps)."""
        return _by_row(self.each.labels(_steps(outputs)), outputs)

    def probabilities(self, outputs: Any, temperatures: Any = None) -> Any:
        """Probabilities, (n, n_steps, n_classes)."""
        return _by_row(self.each.probabilities(_steps(outputs), temperatures), outputs)

    def decision(self, outputs: Any) -> Any:
        """Logits, (n, n_steps) for two classes, else (n, n_steps, n_classes)."""
        return _by_row(self.each.decision(_steps(outputs)), outputs)

    def mixture(self, samples: Iterator) -> tuple[Any, Any]:
        """As ``Reals.mixture``, each (n, n_steps) or (n, n_steps, n_columns)."""
        first = next(samples)
        moments = self.each.mixture(map(_steps, chain([first], samples)))
        return _by_row(moments[0], first), _by_row(moments[1], first)

    def quantiles(self, outputs: Any, levels: np.ndarray) -> Any:
        """As ``Reals.quantiles``, (n, n_steps, n_levels) or (n, n_steps, n_columns, n_levels)."""
        return _by_row(self.each.quantiles(_steps(outputs), levels), outputs)


def _steps(outputs: Any) -> np.ndarray:
    """The steps of all rows, (n_steps_in_all, ...), of an array (n, n_steps, ...) or Sequences."""
    if isinstance(outputs, np.ndarray):
        return outputs.reshape(-1, outputs.shape[-1])
    return outputs.values


def _by_row(results: np.ndarray, outputs: Any) -> Any:
    """What follows from the steps of all rows as an array, or a list of arrays, like outputs."""
    if isinstance(outputs, np.ndarray):
        return results.reshape(*outputs.shape[:2], *results.shape[1:])
    return outputs.with_values(results).arrays()
