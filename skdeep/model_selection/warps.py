"""Monotone warps of the objective, so that a Gaussian process of it fits.

A stationary process expects values that vary alike everywhere. An objective that rises to a
million away from its minimum does not, and the height of its walls would hide the valley. With s
the distance from the lowest value v_0 to the median (or, on a plateau, to the 0.9 quantile), x =
(v - v_0) / s is warped to

    t = log(1 + c x),   or x itself for c = 0,

and standardised. The evidence of t, times dt/dv, is the evidence of the values under a warped
process [1]_, by which c is chosen. Values out of all proportion are capped first, and count
with the slope at the cap.

.. [1] Snelson, Rasmussen, Ghahramani. Warped Gaussian processes. NeurIPS, 2003, equation 5.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

CURVATURES = (0.0, 1.0, 10.0, 100.0)
GROWTH = 1.25  # of the number of values, until warps are compared again
STRAIGHT = 0.3  # bend of a warp over the noise: of less, its slope tells how noise is warped
CAP = 1e4
ROUNDING = 1e-7


@dataclass(frozen=True)
class Warp:
    """A warp of given curvature, for values that were seen.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Finite values of the objective.
    curvature : float in [0, inf)
        c: 0 scales only.
    spread : float in (0, inf) or None, default=None
        s, if it is known.
    """

    lowest: float
    spread: float
    curvature: float
    mean: float
    std: float

    @classmethod
    def of(cls, values: np.ndarray, curvature: float, spread: float | None = None) -> "Warp":
        lowest = values.min()
        if spread is None:
            middle, high = np.quantile(values, [0.5, 0.9]) - lowest
            if middle <= ROUNDING * np.abs(values).min():  # more than half are the lowest value
                middle = high
            spread = middle or values.max() - lowest or 1.0
        bent = _bend(np.minimum((values - lowest) / spread, CAP), curvature)
        return cls(lowest, spread, curvature, bent.mean(), bent.std() or 1.0)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Warped values, (n,), of those seen with mean 0 and variance 1."""
        x = np.minimum((values - self.lowest) / self.spread, CAP)
        return (_bend(x, self.curvature) - self.mean) / self.std

    def log_slope(self, values: np.ndarray) -> np.ndarray:
        """log dt/dv at values, (n,)."""
        x = np.minimum((values - self.lowest) / self.spread, CAP)
        bend = np.log(self.curvature) - np.log1p(self.curvature * x) if self.curvature else 0.0
        return bend - np.log(self.std * self.spread) + np.zeros_like(x)

    def noise(self, values: np.ndarray, variance: np.ndarray) -> np.ndarray:
        """Variance of the noise of warped values, (n,), from that of the values."""
        with np.errstate(over="ignore"):
            slope = np.exp(self.log_slope(values[variance > 0]))
        warped = np.zeros_like(variance)
        warped[variance > 0] = variance[variance > 0] * slope**2
        return warped

    def inverse(self, t: np.ndarray) -> np.ndarray:
        """Values of warped t, (n,)."""
        bent = self.mean + self.std * t
        x = np.expm1(bent) / self.curvature if self.curvature else bent
        return self.lowest + self.spread * x


def largest_curvature(values: np.ndarray, noise: np.ndarray) -> float:
    """Up to which warps are straight over a deviation of the known noise, (n,), of values, (n,)."""
    if not noise.any():
        return np.inf
    return STRAIGHT * Warp.of(values, 0.0).spread / np.sqrt(noise.max())


class Curvature:
    """Which of several curvatures fits best, asked anew whenever there are a quarter more values.

    Parameters
    ----------
    choices : sequence of float in [0, inf)
        The first is that of no values.
    """

    def __init__(self, choices: Sequence[float]) -> None:
        self.choices = choices
        self.best = choices[0]
        self._n_compared: float = 0

    def state(self) -> list[float]:
        return [self.best, self._n_compared]

    def restore(self, state: list[float]) -> None:
        self.best, self._n_compared = state

    def is_due(self, n: int) -> bool:
        """Whether n values are enough more than there were at the last comparison."""
        return n >= GROWTH * self._n_compared

    def choose(
        self, n: int, log_density: Callable[[float], float], at_most: float = np.inf
    ) -> None:
        """Make that the best under which n values have the highest density."""
        self._n_compared = n
        self.best = max((c for c in self.choices if c <= at_most), key=log_density)


def _bend(x: np.ndarray, curvature: float) -> np.ndarray:
    return np.log1p(curvature * x) if curvature else x
