"""Numbers: in units of their standard deviation, with what a network says of their spread."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.interpolate import make_interp_spline
from scipy.special import ndtri
from sklearn.utils import check_array, column_or_1d

from skdeep.persistence import saved
from skdeep.targets.conformity import Conformity
from skdeep.targets.heads import LEAST_VARIANCE, QUANTILE_LEVELS, Head
from skdeep.validation import refuse_dates

_OUTPUTS_OF_A_TARGET = {"squared": 1, "gaussian": 2, "quantile": len(QUANTILE_LEVELS)}


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
        return self._in_units(self._quantiles(outputs.astype(np.float64), levels))

    def conformity(
        self, outputs: np.ndarray, encoded: np.ndarray, weight: np.ndarray, rng: np.random.Generator
    ) -> Conformity:
        """What :meth:`intervals` needs of rows not trained on, of weights that are not 0."""
        return Conformity.of(outputs, encoded, weight)

    def intervals(self, outputs: np.ndarray, kept: Conformity, coverage: float) -> np.ndarray:
        """Intervals that hold that share of the targets, float64, (n, 2) or (n, n_columns, 2).

        Where a negative margin would turn an interval inside out, it is its middle.
        """
        margin = kept.margin(self._band(kept.outputs, coverage), coverage)
        low, high = np.moveaxis(self._band(outputs, coverage), -1, 0)
        low, high = low - margin, high + margin
        middle = (low + high) / 2
        ends = np.stack([np.minimum(low, middle), np.maximum(high, middle)], axis=-1)
        return self._in_units(ends)

    def _band(self, outputs: np.ndarray, coverage: float) -> np.ndarray:
        """What the network itself says holds a share of the encoded targets, (n, n_columns, 2)."""
        outputs = outputs.astype(np.float64)
        if self.loss == "squared":
            return np.repeat(outputs[:, :, None], 2, axis=2)
        levels = np.array([1 - coverage, 1 + coverage]) / 2
        if self.loss == "quantile":  # beyond those learnt the margin does the rest
            levels = np.clip(levels, QUANTILE_LEVELS[0], QUANTILE_LEVELS[-1])
        return self._quantiles(outputs, levels)

    def _quantiles(self, outputs: np.ndarray, levels: np.ndarray) -> np.ndarray:
        """Quantiles of the encoded targets, (n, n_columns, n_levels)."""
        if self.loss == "gaussian":
            mean, variance = self._moments(outputs)
            return mean[:, :, None] + np.sqrt(variance)[:, :, None] * ndtri(levels)
        return self._curves(outputs)(ndtri(levels))

    def _moments(self, outputs: np.ndarray) -> tuple[np.ndarray, Any]:
        """Locations and variances of the standardised targets, each (n, n_columns)."""
        if self.loss == "gaussian":
            variance = np.logaddexp(0, outputs[:, 1::2]) + LEAST_VARIANCE
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

    def _in_units(self, found: np.ndarray) -> np.ndarray:
        """Encoded (n, n_columns, k) in the units of y, shaped as y was."""
        return self._shaped(found * self.scale[:, None] + self.mean[:, None])

    def _shaped(self, columns: np.ndarray) -> np.ndarray:
        """(n, n_columns, ...) without the second axis where y had none."""
        return columns[:, 0] if self.flat else columns


def check_reals(y: Any) -> np.ndarray:
    """Numbers as an array, (n,) or (n, n_columns) float64."""
    refuse_dates(y)
    y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    return y
