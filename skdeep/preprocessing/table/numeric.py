"""Columns of numbers, scaled: by median and quartiles with a smooth clip, or to a normal one.

Robust scaling with a smooth clip is RealMLP's [1]_: for quantiles q of a training column,

    z = (x - q_1/2) / (q_3/4 - q_1/4),    or  2 (x - q_1/2) / (q_1 - q_0) where quartiles are equal
    y = z / sqrt(1 + (z / 3)^2),          which lies in (-3, 3).

To a normal distribution: y = Phi^-1(F(x)), where F is the weighted distribution of the training
column in the middle of its steps, (weight below x + half the weight at x) / whole weight, and
linear between its values.

.. [1] Holzmüller, Grinsztajn, Steinwart. Better by default: strong pre-tuned MLPs and boosted
   trees on tabular data. NeurIPS 2024, arXiv 2407.04491, section 3 (preprocessing).
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from skdeep.persistence import saved

LIMIT = 3.0  # of the smooth clip, as in the paper
N_NODES = 1000  # of a distribution function at most, as in scikit-learn's QuantileTransformer


def weighted_quantiles(values: np.ndarray, weight: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Quantiles of finite values (n,) of positive weights; NumPy's ``averaged_inverted_cdf``.

    Where a level falls between two values, as the median of an even number does, it is their mean.
    """
    order = np.argsort(values, kind="stable")
    ordered, below = values[order], np.cumsum(weight[order])
    at, last = levels * below[-1], len(values) - 1
    rounding = below[-1] * np.finfo(np.float64).eps * np.sqrt(len(values))
    lower = np.searchsorted(below, at - rounding).clip(max=last)
    upper = np.searchsorted(below, at + rounding).clip(max=last)
    return ordered[lower] / 2 + ordered[upper] / 2  # their sum may be too large


@saved
@dataclass(frozen=True)
class Robust:
    """Median and spread of k columns, arrays (k,)."""

    center: np.ndarray
    scale: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def fit(cls, columns: list[np.ndarray], weight: np.ndarray) -> "Robust":
        """Of columns (n,) with NaN; at least one value of each is none."""
        found = []
        for column in columns:
            here = ~np.isnan(column)
            levels = np.array([0, 0.25, 0.5, 0.75, 1])
            found.append(weighted_quantiles(column[here], weight[here], levels))
        low, first, center, third, high = np.reshape(found, (-1, 5)).T
        return cls(center, scale_of(low, first, third, high), low, high)

    def encode(self, columns: np.ndarray) -> np.ndarray:
        """Columns (n, k) scaled; 0 for NaN."""
        with np.errstate(over="ignore"):
            z = np.nan_to_num((columns - self.center) * self.scale)
        return z / np.hypot(1, z / LIMIT)  # the square of z may be too large

    def decode(self, encoded: np.ndarray) -> np.ndarray:
        """Back, as far as the training columns reached."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            y = np.clip(encoded.astype(np.float64), -LIMIT, LIMIT)
            z = y / np.sqrt((1 - y / LIMIT) * (1 + y / LIMIT))
            found = z / np.where(self.scale, self.scale, 1)
        return np.clip(self.center + found, self.low, self.high)


def scale_of(low, first, third, high) -> np.ndarray:
    """Factors by the extremes and quartiles of columns; 0 of a constant one."""
    with np.errstate(divide="ignore", over="ignore"):
        spread = third / 2 - first / 2  # halves, for the extremes may be far apart
        wide = np.where(spread > 0, 0.5 / spread, 1 / (high / 2 - low / 2))
    return np.where(np.isfinite(wide), wide, 0.0)


@saved
@dataclass(frozen=True)
class Quantile:
    """Distribution functions of k columns: values and levels, tuples of k arrays."""

    values: tuple
    levels: tuple

    @classmethod
    def fit(cls, columns: list[np.ndarray], weight: np.ndarray) -> "Quantile":
        """Of columns (n,) with NaN; at least one value of each is none."""
        pairs = []
        for column in columns:
            here = ~np.isnan(column)
            values, codes = np.unique(column[here], return_inverse=True)
            at = np.bincount(codes, weight[here])
            level = (np.cumsum(at) - at / 2) / at.sum()
            wanted = np.linspace(level[0], level[-1], N_NODES)
            chosen = np.unique(np.searchsorted(level, wanted).clip(max=len(level) - 1))
            pairs.append((values[chosen], level[chosen]))
        return cls(tuple(values for values, _ in pairs), tuple(levels for _, levels in pairs))

    def encode(self, columns: np.ndarray) -> np.ndarray:
        """Columns (n, k) to normal ones; 0 for NaN."""
        encoded = np.empty(columns.shape)
        for j, (values, levels) in enumerate(zip(self.values, self.levels)):
            encoded[:, j] = ndtri(np.interp(columns[:, j], values, levels))
        return np.nan_to_num(encoded)

    def decode(self, encoded: np.ndarray) -> np.ndarray:
        """Back, as far as the training columns reached."""
        found = np.empty(encoded.shape)
        for j, (values, levels) in enumerate(zip(self.values, self.levels)):
            found[:, j] = np.interp(ndtr(encoded[:, j].astype(np.float64)), levels, values)
        return found


@saved
@dataclass(frozen=True)
class AsIs:
    """Booleans of k columns, 0 and 1; in place of a missing one the more frequent, (k,)."""

    usual: np.ndarray

    @classmethod
    def fit(cls, columns: list[np.ndarray], weight: np.ndarray) -> "AsIs":
        """Of columns (n,) with NaN."""
        balance = [np.nansum((column - 0.5) * weight) for column in columns]
        return cls((np.array(balance) > 0).astype(np.float64))

    def encode(self, columns: np.ndarray) -> np.ndarray:
        """Columns (n, k), without NaN."""
        return np.where(np.isnan(columns), self.usual, columns)

    def decode(self, encoded: np.ndarray) -> np.ndarray:
        """The nearer of 0 and 1."""
        return (encoded > 0.5).astype(np.float64)


@saved
@dataclass(frozen=True)
class Numbers:
    """Columns of a table that share a scaling.

    Attributes
    ----------
    positions : ndarray of shape (k,)
        Of the columns in the table.
    places : ndarray of shape (k,)
        Where their numbers stand in the output.
    flags : ndarray of shape (k,)
        Where their indicators of missing values stand; -1 without.
    scaler : Robust, Quantile or AsIs
    """

    positions: np.ndarray
    places: np.ndarray
    flags: np.ndarray
    scaler: Robust | Quantile | AsIs

    def encode(self, columns: np.ndarray, out: np.ndarray) -> None:
        """Write columns (n, k) into the output."""
        out[:, self.places] = self.scaler.encode(columns)
        flagged = self.flags >= 0
        if flagged.any():
            out[:, self.flags[flagged]] = np.isnan(columns[:, flagged])

    def decode(self, Z: np.ndarray) -> np.ndarray:
        """Columns (n, k) of an output, NaN where an indicator says so."""
        missing = (self.flags >= 0) & (Z[:, self.flags] > 0.5)
        return np.where(missing, np.nan, self.scaler.decode(Z[:, self.places]))
