"""Targets bent towards a normal distribution by the power transform of Yeo and Johnson.

With z = (y - centre) / width, the median of y and a quarter of the range that half of all targets
have, and an exponent p [1]_,

    v = ((1 + z)^p - 1) / p                        for z >= 0, and
    v = -((1 - z)^(2 - p) - 1) / (2 - p)           for z < 0;     logarithms where p is 0 or 2.

p = 1 is a straight line, p < 1 shortens the upper tail. p maximises the likelihood of normal v in
[0, 2], where v may be any number, so that all that a Gaussian process believes of v is a belief
about y. The width is small so that these exponents bend enough: log-normal targets come out nearly
normal.

.. [1] Yeo, Johnson. A new family of power transformations to improve normality or symmetry.
   Biometrika 87(4), 2000.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from scipy.optimize import minimize_scalar
from scipy.special import boxcox1p, inv_boxcox1p

from skdeep.persistence import saved

N_NODES = 20


@saved
@dataclass(frozen=True)
class PowerTransform:
    """What takes targets y to u = (v - mean) / spread, of mean 0 and variance 1, and back."""

    centre: float
    width: float
    exponent: float
    mean: float
    spread: float

    def forward(self, y: np.ndarray) -> np.ndarray:
        """u of y, of any shape."""
        v = yeo_johnson((y - self.centre) / self.width, self.exponent)
        return (v - self.mean) / self.spread

    def inverse(self, u: np.ndarray) -> np.ndarray:
        """y of u, of any shape."""
        v = self.mean + self.spread * u
        size = np.abs(v)
        upper, lower = inv_boxcox1p(size, self.exponent), inv_boxcox1p(size, 2 - self.exponent)
        return self.centre + self.width * np.where(v < 0, -lower, upper)

    def log_slope(self, y: np.ndarray) -> np.ndarray:
        """log du/dy at y, of any shape."""
        z = (y - self.centre) / self.width
        return log_slope(z, self.exponent) - np.log(self.width * self.spread)


def fit(y: np.ndarray, deviation: float) -> PowerTransform:
    """The transform of targets y, (n,), whose standard deviation is ``deviation``, or 1 if none."""
    low, centre, high = np.quantile(y, [0.25, 0.5, 0.75])
    width = (high - low) / 4 if high > low else deviation
    z = (y - centre) / width

    def loss(exponent: float) -> float:
        spread = yeo_johnson(z, exponent).var()
        return 0.5 * len(z) * np.log(spread) - log_slope(z, exponent).sum()

    if np.ptp(z) == 0:
        return PowerTransform(float(centre), float(width), 1.0, 0.0, 1.0)
    exponent = minimize_scalar(loss, bounds=(0, 2), method="bounded").x
    v = yeo_johnson(z, exponent)
    return PowerTransform(*map(float, (centre, width, exponent, v.mean(), v.std())))


def yeo_johnson(z: np.ndarray, exponent: float) -> np.ndarray:
    """v of z, of any shape."""
    size = np.abs(z)
    return np.where(z < 0, -boxcox1p(size, 2 - exponent), boxcox1p(size, exponent))


def log_slope(z: np.ndarray, exponent: float) -> np.ndarray:
    """log dv/dz at z, of any shape."""
    return (exponent - 1) * np.sign(z) * np.log1p(np.abs(z))


def moments(
    function: Callable[[np.ndarray], np.ndarray], mean: np.ndarray, std: np.ndarray | float
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of function(u), normal u of any shape, by Gauss-Hermite quadrature."""
    nodes, weights = hermegauss(N_NODES)
    values = np.stack([function(mean + std * node) for node in nodes])
    first = np.average(values, axis=0, weights=weights)
    return first, np.sqrt(np.average((values - first) ** 2, axis=0, weights=weights))
