"""Max-value entropy search: where a value tells most about the minimum of a function.

The minimum is unknown, but draws m_k of it, k = 1, ..., K, are those of functions that the model
believes possible, at points of a low mean [1]_. If m_k is the minimum then f(x) >= m_k, which
takes the share d_k = z (z + t) from the variance of f(x), where t = (mean - m_k) / std and z =
phi(t) / Phi(t). A value that has the correlation r with f(x) then tells about the minimum, in nats,
at least [2]_

    I(x) = -1 / (2 K) sum_k log(1 - r^2 d_k)                                        equation 11

For a measurement of f(x) itself with noise of variance v, r^2 = std^2 / (std^2 + v): where f is
known as well as the noise allows, there is little left to learn. Expected improvement knows no such
end, and seeks its next point ever closer to the best one.

.. [1] Wang, Jegelka. Max-value entropy search for efficient Bayesian optimization. ICML, 2017,
   section 3.
.. [2] Moss, Leslie, Gonzalez, Rayson. GIBBON: general-purpose information-based Bayesian
   optimisation. Journal of Machine Learning Research 22, 2021.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import erfcx

N_DRAWS = 10
N_POINTS = 200  # where the minimum may be
LARGEST_T = 30.0  # Phi is 1 to the last digit from there, and erfcx not yet infinite
LOG_SQRT_2PI = 0.5 * np.log(2 * np.pi)


@dataclass(frozen=True)
class MinimumInformation:
    """log I(x), an acquisition.

    Parameters
    ----------
    minima : ndarray of shape (n_draws,)
        What the minimum may be.
    noise : float in [0, inf)
        Variance of a value's error, v.
    """

    minima: np.ndarray
    noise: float = 0.0

    def __call__(self, mean, std, best):
        whole = std**2 + self.noise
        value, by_mean, by_std, by_share = log_information(mean, std, self.minima, std**2 / whole)
        return value, by_mean, by_std + by_share * 2 * std * self.noise / whole**2


def draw_minima(
    model: Any,
    columns: np.ndarray,
    rng: np.random.Generator,
    constraints: Sequence[Any] = (),
    limits: Sequence[float] = (),
) -> np.ndarray:
    """Minima that a process believes possible, (n_draws,), at columns, (n, d), of a low mean.

    A draw in which no point meets the constraints has none.
    """
    columns = columns[np.argsort(model.mean(columns), kind="stable")[:N_POINTS]]
    draws = model.sample(columns, rng, N_DRAWS)
    for constraint, limit in zip(constraints, limits):
        draws[constraint.sample(columns, rng, N_DRAWS) > limit] = np.inf
    minima = draws.min(axis=0)
    return minima[np.isfinite(minima)]


def log_information(
    mean: np.ndarray, std: np.ndarray, minima: np.ndarray, share: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """log I, (n,), where r^2 is ``share``, and its derivatives by mean, deviation and share."""
    t = (mean[:, None] - minima) / std[:, None]
    reverse = erfcx(-np.minimum(t, LARGEST_T) / np.sqrt(2))
    z = np.sqrt(2 / np.pi) / reverse
    above = np.maximum(z + t, 0.5 / (1 + np.abs(t)))  # far below zero they cancel
    # Logarithms, as z underflows where f(x) is far above all minima.
    log_z = np.where(
        t < LARGEST_T, 0.5 * np.log(2 / np.pi) - np.log(reverse), -0.5 * t**2 - LOG_SQRT_2PI
    )
    log_taken = np.minimum(log_z + np.log(above), 0.0)
    slope = (1 - np.exp(log_taken)) / above - above  # of log d_k by t
    log_x = log_taken + np.log(np.maximum(share, 1e-300))[:, None]  # x = r^2 d_k
    x = np.clip(np.exp(log_x), 1e-12, 1 - 1e-12)
    log_terms = np.log(-np.log1p(-x) / x) + log_x
    ratio = x / (1 - x) / -np.log1p(-x)  # of a term's logarithm by that of x
    highest = log_terms.max(axis=1, keepdims=True)
    weights = np.exp(log_terms - highest)
    value = highest[:, 0] + np.log(0.5 * weights.mean(axis=1))
    weights *= ratio / weights.sum(axis=1, keepdims=True)
    by_t = weights * slope
    by_share = weights.sum(axis=1) / np.maximum(share, 1e-300)
    return value, by_t.sum(axis=1) / std, -(by_t * t).sum(axis=1) / std, by_share
