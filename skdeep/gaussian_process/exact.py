"""The exact Gaussian process on arrays: posterior, evidence, and the fit of hyper-parameters.

For t = f(Z) + noise, f ~ GP(0, k), noise variance v, with K = k(Z, Z) + v I and a = K^-1 t:

    evidence   log p(t) = -t'a / 2 - log|K| / 2 - n log(2 pi) / 2           [1]_, equation 2.30
    gradient   d log p / d theta = tr((a a' - K^-1) dK/dtheta) / 2          [1]_, equation 5.9
    mean       k(z, Z) a                                                    [1]_, equation 2.25
    variance   k(z, z) - k(z, Z) K^-1 k(Z, z)                               [1]_, equation 2.26

theta = log(l_1, ..., l_d, s, v). Its prior is a product of normals over the logarithms, made for
inputs of about unit width and targets of unit variance: lengthscales are as likely long as
short, and noise is believed to be low until the data say otherwise. With few points the prior
decides how good the fit is: maximum likelihood alone would call half of all small samples noise.

.. [1] Rasmussen, Williams. Gaussian Processes for Machine Learning. MIT Press, 2006.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import lapack
from scipy.optimize import minimize

from skdeep.gaussian_process.kernels import Covariance, Stationary
from skdeep.persistence import saved

# Medians and standard deviations of log lengthscale, log signal variance and log noise variance.
LENGTHSCALE_PRIOR = (0.0, 1.0)
SIGNAL_PRIOR = (0.0, 1.0)
NOISE_PRIOR = (np.log(1e-5), 2.0)
LOWEST_NOISE = 1e-8


@saved
@dataclass(frozen=True)
class Posterior:
    """A Gaussian process that has seen points Z, (n, d), under hyper-parameters theta."""

    kernel: Stationary
    theta: np.ndarray
    Z: np.ndarray
    cholesky: np.ndarray  # lower triangle L of K = L L', (n, n)
    weights: np.ndarray  # K^-1 t, (n,)
    evidence: float

    def mean_and_variance(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray, Callable]:
        """Mean and variance of f at X, (m, d), and a function for their gradient.

        The function takes the derivatives of an objective by mean and by variance, (m,) each,
        and returns those by X, (m, d).
        """
        cross = self.kernel(self.theta[:-1], X, self.Z)
        half = solve_triangular(self.cholesky, cross.matrix.T)  # (n, m)
        signal_variance = np.exp(self.theta[-2])
        variance = np.maximum(
            signal_variance - np.einsum("ij,ij->j", half, half), 1e-14 * signal_variance
        )

        def gradient(by_mean: np.ndarray, by_variance: np.ndarray) -> np.ndarray:
            solved = solve_triangular(self.cholesky, half, transposed=True)  # K^-1 k(Z, X)
            W = by_mean[:, None] * self.weights - 2 * by_variance[:, None] * solved.T
            return cross.points_gradient(W)

        return cross.matrix @ self.weights, variance, gradient

    def covariance(self, X: np.ndarray) -> np.ndarray:
        """Covariance of f between the rows of X: (m, m)."""
        half = solve_triangular(self.cholesky, self.kernel(self.theta[:-1], X, self.Z).matrix.T)
        return self.kernel(self.theta[:-1], X, X).matrix - half.T @ half


def condition(kernel: Stationary, theta: np.ndarray, Z: np.ndarray, t: np.ndarray) -> Posterior:
    """The posterior after targets t, (n,), at points Z, (n, d)."""
    return _condition(kernel, theta, Z, t)[0]


def evidence(
    kernel: Stationary, theta: np.ndarray, Z: np.ndarray, t: np.ndarray
) -> tuple[float, np.ndarray]:
    """log p(t | Z, theta) and its gradient by theta, (d + 2,)."""
    posterior, covariance = _condition(kernel, theta, Z, t)
    W = 0.5 * (np.outer(posterior.weights, posterior.weights) - inverse(posterior.cholesky))
    by_noise = np.exp(theta[-1]) * np.trace(W)
    return posterior.evidence, np.append(covariance.theta_gradient(W), by_noise)


def fit(
    kernel: Stationary, Z: np.ndarray, t: np.ndarray, n_restarts: int, rng: np.random.Generator
) -> Posterior:
    """The posterior at the most probable theta, sought by L-BFGS-B.

    One search starts from the prior's median, ``n_restarts`` more from draws of the prior.
    """
    median, scale = prior(kernel)
    low, high = median - 6 * scale, median + 6 * scale
    low[-1] = max(low[-1], np.log(LOWEST_NOISE))

    def objective(theta: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = evidence(kernel, theta, Z, t)
        z = (theta - median) / scale
        return 0.5 * z @ z - value, z / scale - gradient

    draws = median + scale * rng.standard_normal((n_restarts, len(median)))
    starts = np.clip([median, *draws], low, high)
    settings = {
        "method": "L-BFGS-B",
        "bounds": list(zip(low, high)),
        "options": {"maxiter": 100, "ftol": 1e-6, "gtol": 1e-3},
    }
    found = [minimize(objective, start, jac=True, **settings) for start in starts]
    best = min(found, key=lambda result: result.fun)
    return condition(kernel, best.x, Z, t)


def prior(kernel: Stationary) -> tuple[np.ndarray, np.ndarray]:
    """Medians and standard deviations of theta, (d + 2,) each."""
    lengthscales = [LENGTHSCALE_PRIOR] * kernel.n_lengthscales
    medians, scales = np.array([*lengthscales, SIGNAL_PRIOR, NOISE_PRIOR]).T
    return medians, scales


def _condition(
    kernel: Stationary, theta: np.ndarray, Z: np.ndarray, t: np.ndarray
) -> tuple[Posterior, Covariance]:
    """Posterior and the covariance of the training points."""
    covariance = kernel(theta[:-1], Z, Z)
    L = cholesky(covariance.matrix, np.exp(theta[-1]))
    half = solve_triangular(L, t)
    weights = solve_triangular(L, half, transposed=True)
    value = -0.5 * half @ half - np.log(L.diagonal()).sum() - 0.5 * len(t) * np.log(2 * np.pi)
    return Posterior(kernel, theta, Z, L, weights, value), covariance


def cholesky(K: np.ndarray, noise_variance: float) -> np.ndarray:
    """Lower Cholesky factor of K plus noise, plus as little jitter as it takes."""
    scale = K.diagonal().mean()
    for jitter in (0.0, *10.0 ** np.arange(-12, 0)):
        padded = K.copy(order="F")
        padded.flat[:: len(K) + 1] += noise_variance + jitter * scale
        L, info = lapack.dpotrf(padded, lower=True, overwrite_a=True, clean=True)
        if info == 0:
            return L
    raise np.linalg.LinAlgError("the covariance matrix is far from positive definite.")


def inverse(L: np.ndarray) -> np.ndarray:
    """(L L')^-1 from its Cholesky factor."""
    lower, _ = lapack.dpotri(L, lower=True)
    return lower + np.tril(lower, -1).T


def solve_triangular(L: np.ndarray, B: np.ndarray, transposed: bool = False) -> np.ndarray:
    """L^-1 B, or L'^-1 B; LAPACK without the checks, which cost more than small solves."""
    return lapack.dtrtrs(L, B, lower=True, trans=transposed)[0]
