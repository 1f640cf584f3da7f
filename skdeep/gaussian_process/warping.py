"""Columns bent before a kernel reads them, so that f may change faster in one part of a column.

A stationary kernel believes that f changes as fast everywhere. The distribution function of
Kumaraswamy bends the unit interval in the ways that one meets [1]_,

    w(x) = 1 - (1 - x^a)^b,    a, b > 0:

straight at a = b = 1, steep at the left (as a logarithm) for a < 1 or b > 1, at the right (as an
exponential) for a > 1 or b < 1, else at both ends or in the middle. log a and log b of each column
have normal priors and are found along with the lengthscales.

.. [1] Snoek, Swersky, Zemel, Adams. Input warping for Bayesian optimization of non-stationary
   functions. ICML, 2014.
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import xlogy

from skdeep.gaussian_process.kernels import (
    POSITIVE,
    Belief,
    Covariance,
    Kernel,
    LogNormal,
    as_normal,
    for_each_column,
    validate_parts,
)
from skdeep.hyperparameters import hyperparameter

STRAIGHT = LogNormal(1.0, 0.75)
EDGE = 1e-6  # as near to an end, where it may be infinite, the slope by x is evaluated


class Warped(Kernel):
    """A kernel that reads columns bent by Kumaraswamy's distribution function.

    Columns are bent from 0 to 1 and flat beyond; :class:`GaussianProcessRegressor` scales each so
    that it has its lowest training value at 0 and its highest at 1. Lengthscales are those after
    warping, over the unit interval. Categories are not warped.

    Parameters
    ----------
    kernel : Kernel
        What reads the warped columns.
    a, b : LogNormal, float in (0, inf) or array-like, default=LogNormal(1, 0.75)
        Shape of the warping: a prior for each column, a number for all columns, or a list with a
        prior or a number for each. With 1 and 1 a column stays as it is.

    References
    ----------
    Snoek, Swersky, Zemel, Adams. Input warping for Bayesian optimization of non-stationary
    functions. ICML, 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeep.gaussian_process import GaussianProcessRegressor, Matern52, Warped
    >>> X = np.linspace(0, 10, 40)[:, None]
    >>> y = np.sin(4 * np.log(X[:, 0] + 0.1))  # quick waves at the left, slow ones at the right
    >>> for kernel in (Matern52(), Warped(Matern52())):
    ...     model = GaussianProcessRegressor(kernel=kernel, random_state=0).fit(X, y)
    ...     print(round(model.log_marginal_likelihood_, -1))
    -20.0
    120.0
    """

    a: Belief | Sequence[Belief] = hyperparameter(
        default=STRAIGHT, doc="Power of x.", constraint=[LogNormal, POSITIVE, "array-like"]
    )
    b: Belief | Sequence[Belief] = hyperparameter(
        default=STRAIGHT, doc="Power of 1 - x^a.", constraint=[LogNormal, POSITIVE, "array-like"]
    )

    def __init__(self, kernel, *, a=STRAIGHT, b=STRAIGHT):
        self.kernel = kernel
        self.a = a
        self.b = b

    def __call__(self, theta, A, B):
        return _WarpedCovariance(self, theta, A, B)

    def prior(self, d):
        n = np.count_nonzero(self.warps(d))
        shape = as_normal([*for_each_column("a", self.a, n), *for_each_column("b", self.b, n)])
        return tuple(np.append(*pair) for pair in zip(self.kernel.prior(d), shape))

    def units(self, log_columns, log_variance):
        warps = self.warps(len(log_columns))
        inner = self.kernel.units(np.where(warps, 0.0, log_columns), log_variance)
        return np.append(inner, np.zeros(2 * np.count_nonzero(warps)))

    def at(self, theta, d):
        inner, log_a, log_b = self.split(theta, d)
        a, b = np.exp(log_a).tolist(), np.exp(log_b).tolist()
        return Warped(self.kernel.at(inner, d), a=a, b=b)

    def columns_read(self, d):
        return self.kernel.columns_read(d)

    def warps(self, d: int) -> np.ndarray:
        """Which of d columns are warped: those that are numbers wherever they are read."""
        numbers, categories = self.kernel.columns_read(d)
        return numbers & ~categories

    def split(self, theta: np.ndarray, d: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The kernel's part of theta, and log a and log b, (n_warped,) each."""
        n = np.count_nonzero(self.warps(d))
        inner, log_a, log_b = np.split(theta, [len(theta) - 2 * n, len(theta) - n])
        return inner, log_a, log_b

    def _validate_params(self):
        super()._validate_params()
        validate_parts(self, kernel=self.kernel)


class _WarpedCovariance(Covariance):
    """Of one kernel, one theta and two sets of points."""

    def __init__(self, warped: Warped, theta: np.ndarray, A: np.ndarray, B: np.ndarray) -> None:
        d = A.shape[1]
        self.kernel, self.columns = warped.kernel, warped.warps(d)
        self.theta, log_a, log_b = warped.split(theta, d)
        self.shape = np.exp(log_a), np.exp(log_b)
        self.A, self.B, self.is_square = A, B, A is B
        self.a = self._bent(A)
        self.b = self.a if self.is_square else self._bent(B)
        self.inner = self.kernel(self.theta, self.a, self.b)
        self.matrix, self.variance = self.inner.matrix, self.inner.variance

    def theta_gradient(self, W):
        # The kernel is symmetric: its gradient by B is that of the transpose by its own A.
        other = self.inner if self.is_square else self.kernel(self.theta, self.b, self.a)
        by_shape = self._by_shape(self.A, self.inner.points_gradient(W))
        by_shape += self._by_shape(self.B, other.points_gradient(W.T))
        return np.append(self.inner.theta_gradient(W), by_shape)

    def points_gradient(self, W):
        gradient = self.inner.points_gradient(W)
        x = self.A[:, self.columns]
        gradient[:, self.columns] *= slope(x, *self.shape) * ((x >= 0) & (x <= 1))
        return gradient

    def _bent(self, X):
        bent = X.copy()
        bent[:, self.columns] = kumaraswamy(X[:, self.columns].clip(0, 1), *self.shape)
        return bent

    def _by_shape(self, X, by_bent):
        """Derivative by log a and log b, given that by bent points, (n, d)."""
        by_log_a, by_log_b = shape_slopes(X[:, self.columns].clip(0, 1), *self.shape)
        by_bent = by_bent[:, self.columns]
        return np.append(np.sum(by_bent * by_log_a, axis=0), np.sum(by_bent * by_log_b, axis=0))


def kumaraswamy(x: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """w(x) for x in [0, 1], (n, m), with a and b of shape (m,)."""
    return 1 - (1 - x**a) ** b


def slope(x: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """dw/dx, (n, m)."""
    x = x.clip(EDGE, 1 - EDGE)
    return a * b * x ** (a - 1) * (1 - x**a) ** (b - 1)


def shape_slopes(x: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """dw/d(log a) and dw/d(log b), (n, m) each; zero at both ends."""
    power = x**a
    rest = (1 - power) ** b
    ratio = np.divide(rest, 1 - power, out=np.zeros_like(rest), where=power < 1)
    return a * b * ratio * xlogy(power, x), -b * xlogy(rest, 1 - power)
