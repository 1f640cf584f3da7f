"""Covariance functions with one lengthscale per dimension, and their gradients.

A stationary kernel is a profile of the scaled squared distance [1]_:

    k(a, b) = s f(r^2),   r^2 = sum_j (a_j - b_j)^2 / l_j^2,

with signal variance s and lengthscales l_j. Parameters are logarithms, theta = log(l_1, ..., l_d,
s). Gradients run backwards: given the derivative W of an objective by the matrix K, a
:class:`Covariance` returns the objective's derivative by theta or by the points, which costs one
matrix product and never forms a tensor of n^2 d numbers. A sum or product of kernels would hand
W, or W times the other factor's matrix, to its parts.

.. [1] Rasmussen, Williams. Gaussian Processes for Machine Learning. MIT Press, 2006, chapter 4.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist

from skdeep.persistence import saved


@dataclass(frozen=True)
class Covariance:
    """A covariance matrix between points A, (n, d), and B, (m, d), that knows its gradients.

    ``matrix`` is K, (n, m); ``slope`` is dK/d(r^2), (n, m); ``a`` and ``b`` are the points over
    their lengthscales; ``lengthscales`` has one number for each of the d columns.
    """

    matrix: np.ndarray
    slope: np.ndarray
    a: np.ndarray
    b: np.ndarray
    lengthscales: np.ndarray
    groups: np.ndarray

    def theta_gradient(self, W: np.ndarray) -> np.ndarray:
        """sum_ij W_ij dK_ij/dtheta, for W of shape (n, m)."""
        M = W * self.slope
        # d(r^2)/d(log l_j) = -2 (a_j - b_j)^2, with the square written out.
        squares = M.sum(axis=1) @ self.a**2 + M.sum(axis=0) @ self.b**2
        products = np.einsum("ij,ij->j", self.a, M @ self.b)
        by_column = -2 * (squares - 2 * products)
        by_lengthscale = np.bincount(self.groups, weights=by_column)
        return np.append(by_lengthscale, np.vdot(W, self.matrix))

    def points_gradient(self, W: np.ndarray) -> np.ndarray:
        """sum_j W_ij dK_ij/dA_i, (n, d), for W of shape (n, m)."""
        M = W * self.slope
        return 2 * (M.sum(axis=1)[:, None] * self.a - M @ self.b) / self.lengthscales


@saved
class Stationary(ABC):
    """Base of the kernels: a subclass is a profile f and its derivative.

    Parameters
    ----------
    groups : sequence of int, one for each column
        The lengthscale that a column uses: ``range(d)`` gives every column its own, while the
        columns of a one-hot encoded category share one.
    """

    def __init__(self, groups: Sequence[int] | np.ndarray) -> None:
        self.groups = np.asarray(groups, dtype=int)

    @property
    def n_lengthscales(self) -> int:
        return int(self.groups.max()) + 1

    def __call__(self, theta: np.ndarray, A: np.ndarray, B: np.ndarray) -> Covariance:
        """Covariance between the rows of A, (n, d), and those of B, (m, d)."""
        lengthscales = np.exp(theta[:-1])[self.groups]
        a, b = A / lengthscales, B / lengthscales
        value, slope = self.profile(cdist(a, b, "sqeuclidean"))
        signal_variance = np.exp(theta[-1])
        value *= signal_variance
        slope *= signal_variance
        return Covariance(value, slope, a, b, lengthscales, self.groups)

    @staticmethod
    @abstractmethod
    def profile(r2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """f(r^2) and its derivative by r^2, as two new arrays; f(0) = 1."""


class RBF(Stationary):
    """exp(-r^2 / 2), infinitely smooth: [1]_, equation 4.9."""

    @staticmethod
    def profile(r2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        value = np.exp(-0.5 * r2)
        return value, -0.5 * value


class Matern52(Stationary):
    """(1 + sqrt(5) r + 5 r^2 / 3) exp(-sqrt(5) r), twice differentiable: [1]_, equation 4.17."""

    @staticmethod
    def profile(r2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        root = np.sqrt(5 * r2)
        decay = np.exp(-root)
        slope = -5 / 6 * (1 + root) * decay
        return (1 + root + 5 / 3 * r2) * decay, slope


class Exponential(Stationary):
    """exp(-r), continuous only, the Ornstein-Uhlenbeck process: [1]_, equation 4.18."""

    @staticmethod
    def profile(r2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        r = np.sqrt(r2)
        value = np.exp(-r)
        # At r = 0 the derivative by r^2 is infinite, but multiplies a difference of zero.
        slope = np.divide(-0.5 * value, r, out=np.zeros_like(r), where=r > 0)
        return value, slope


KERNELS: dict[str, type[Stationary]] = {
    "matern52": Matern52,
    "rbf": RBF,
    "exponential": Exponential,
}
