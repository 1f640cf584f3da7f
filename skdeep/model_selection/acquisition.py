"""Where to look next: log expected improvement, and its maximum over a search space.

A model predicts mean m and standard deviation s of the objective at x; the best value so far is
b. With z = (b - m) / s, the expected improvement [1]_ is

    EI = s h(z),   h(z) = phi(z) + z Phi(z).

Far from the best point h underflows and its gradient with it, so we maximise log EI, with tails
by the scaled complementary error function [2]_.

.. [1] Jones, Schonlau, Welch. Efficient global optimization of expensive black-box functions.
   Journal of Global Optimization 13, 1998, equation 15.
.. [2] Ament, Daulton, Eriksson, Balandat, Bakshy. Unexpected improvements to expected improvement
   for Bayesian optimization. NeurIPS, 2023, equations 9 and 14.
"""

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize
from scipy.special import erfcx, ndtr

from skdeep.gaussian_process.exact import Posterior
from skdeep.model_selection.spaces import Space

LOG_SQRT_2PI = 0.5 * np.log(2 * np.pi)
N_RANDOM = 1000
N_NEAR = 300
N_STARTS = 5


def log_h(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """log(phi(z) + z Phi(z)) and its derivative Phi(z) / h(z), elementwise."""
    value, slope = np.empty_like(z), np.empty_like(z)
    right, left = z > -1, z < -1e3
    middle = ~(right | left)

    density, mass = np.exp(-0.5 * z[right] ** 2 - LOG_SQRT_2PI), ndtr(z[right])
    h = density + z[right] * mass
    value[right], slope[right] = np.log(h), mass / h

    # h = phi(z) (1 - |z| R) with Mills's ratio R = Phi(z) / phi(z).
    mills = np.sqrt(np.pi / 2) * erfcx(-z[middle] / np.sqrt(2))
    rest = 1 + z[middle] * mills
    value[middle] = np.log(rest) - 0.5 * z[middle] ** 2 - LOG_SQRT_2PI
    slope[middle] = mills / rest

    # There 1 - |z| R = 1 / z^2 - 3 / z^4 + ..., which subtraction would lose.
    inverse_square = z[left] ** -2.0
    value[left] = (
        np.log(inverse_square) + np.log1p(-3 * inverse_square)
        - 0.5 * z[left] ** 2 - LOG_SQRT_2PI
    )  # fmt: skip
    slope[left] = -z[left] * (1 + 2 * inverse_square)
    return value, slope


def log_expected_improvement(
    posterior: Posterior, columns: np.ndarray, best: float
) -> tuple[np.ndarray, Callable[[], np.ndarray]]:
    """log EI below ``best`` at columns, (n, d): values, (n,), and a function for the gradient."""
    mean, variance, gradient = posterior.mean_and_variance(columns)
    std = np.sqrt(variance)
    z = (best - mean) / std
    value, slope = log_h(z)
    by_variance = (1 - slope * z) / (2 * variance)
    return np.log(std) + value, lambda: gradient(-slope / std, by_variance)


def maximise(
    posterior: Posterior, space: Space, centres: np.ndarray, best: float, rng: np.random.Generator
) -> np.ndarray:
    """Points of high log EI, best first: (n, n_dimensions).

    Candidates are random points (the whole space if it is small) and steps from ``centres``,
    (n_centres, n_dimensions), the best points so far. The best candidates climb along the real
    dimensions; integers and choices stay as they are.
    """
    U = space.snap(np.vstack([space.sample(N_RANDOM, rng), _near(centres, rng)]))
    columns = space.columns(U)
    value, _ = log_expected_improvement(posterior, columns, best)
    order = np.argsort(-value, kind="stable")
    if space.is_real.any():
        top = order[:N_STARTS]
        climbed = U[top]
        climbed[:, space.is_real] = _climb(
            posterior, columns[top], np.flatnonzero(space.is_real), best
        )
        risen, _ = log_expected_improvement(posterior, space.columns(climbed), best)
        U, value = np.vstack([climbed, U]), np.concatenate([risen, value])
        order = np.argsort(-value, kind="stable")
    return U[order]


def _near(centres: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Random steps from the centres, short and long, in some of the dimensions."""
    start = centres[rng.integers(len(centres), size=N_NEAR)]
    length = 10 ** rng.uniform(-3, -0.5, size=(N_NEAR, 1))
    moves = rng.random(start.shape) < max(0.5, 1 / start.shape[1])
    return np.clip(start + moves * length * rng.standard_normal(start.shape), 0, 1)


def _climb(posterior: Posterior, columns: np.ndarray, free: np.ndarray, best: float) -> np.ndarray:
    """Free columns, (n, n_free), after L-BFGS-B on the sum of log EI over all n rows at once."""

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        columns[:, free] = flat.reshape(len(columns), -1)
        value, gradient = log_expected_improvement(posterior, columns, best)
        return -value.sum(), -gradient()[:, free].ravel()

    start = columns[:, free].ravel()
    settings = {
        "method": "L-BFGS-B",
        "bounds": [(0, 1)] * len(start),
        "options": {"maxiter": 30, "ftol": 1e-6},
    }
    return minimize(objective, start, jac=True, **settings).x.reshape(len(columns), -1)
