"""Covariance functions with one lengthscale per column, their sums and products, and gradients.

A stationary kernel is a profile of the scaled squared distance [1]_:

    k(a, b) = s f(r^2),   r^2 = sum_j d_j(a_j, b_j)^2 / l_j^2,

with variance s and lengthscales l_j; d_j is a_j - b_j for numbers, and 0 or 1 for categories, as
they are the same or not: all levels of one are equally far apart. Parameters are logarithms, theta
= log(l_1, ..., l_d, s). Gradients run backwards: given the derivative W of an objective by the
matrix K, a covariance returns the objective's derivative by theta or by the points, which costs
one matrix product and never forms a tensor of n^2 d numbers. A sum hands W to its parts, a product
hands each part W times the other's matrix.

A lengthscale or variance is a number, which is held, or a prior, under which the most probable
value is sought. :class:`GaussianProcessRegressor` reads numbers in the units of X and y, and priors
relative to the spread of each column and of y.

The lectures write the kernels with a width h; here

    exp(-r^2 / h^2)  is  RBF(lengthscale=h / sqrt(2)),
    exp(-r / h)      is  Exponential(lengthscale=h).

.. [1] Rasmussen, Williams. Gaussian Processes for Machine Learning. MIT Press, 2006, chapter 4.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.base import BaseEstimator, clone
from sklearn.utils._param_validation import Interval

from skdeep.hyperparameters import Declared, hyperparameter
from skdeep.persistence import saved

POSITIVE = Interval(Real, 0, None, closed="neither")


@saved
@dataclass(frozen=True)
class LogNormal:
    """A belief about a positive number: its logarithm is normal.

    Parameters
    ----------
    median : float in (0, inf)
        For lengthscales over the width of a column, for variances over that of the target.
    sigma : float in (0, inf)
        Standard deviation of the logarithm: 1 allows for factors of e, 2 for factors of 7.
    """

    median: float
    sigma: float

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not _is_positive(value):
                raise ValueError(f"the {name} of a LogNormal must be positive, but is {value!r}.")

    def __repr__(self) -> str:
        return f"LogNormal({self.median:g}, {self.sigma:g})"


Belief = float | LogNormal


def as_normal(beliefs: Sequence[Belief]) -> tuple[np.ndarray, np.ndarray]:
    """Means and standard deviations of the logarithms; the deviation of a held number is 0."""
    pairs = [(b.median, b.sigma) if isinstance(b, LogNormal) else (b, 0.0) for b in beliefs]
    median, sigma = np.array(pairs, dtype=float).reshape(-1, 2).T
    with np.errstate(divide="ignore"):  # noise may be held at 0
        return np.log(median), sigma


def for_each_column(name: str, given: Belief | Sequence[Belief], n: int) -> list[Belief]:
    """One belief for each of n columns, from one for all of them or a list."""
    alone = isinstance(given, LogNormal | Real)
    beliefs: list[Any] = [given] * n if alone else list(given)  # type: ignore[arg-type]
    if len(beliefs) != n:
        raise ValueError(
            f"{name} must have one number or prior for each of {n} columns, but has {len(beliefs)}."
        )
    for belief in beliefs:
        if not isinstance(belief, LogNormal) and not _is_positive(belief):
            raise ValueError(f"{name} must be positive numbers or priors, but has {belief!r}.")
    return beliefs


def _is_positive(value: Any) -> bool:
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    return is_number and bool(0 < value < np.inf)


class Covariance(ABC):
    """A covariance matrix between points A, (n, d), and B, (m, d), that knows its gradients.

    Attributes
    ----------
    matrix : ndarray of shape (n, m)
    variance : float
        k(x, x), which is the same for all x.
    """

    matrix: np.ndarray
    variance: float

    @abstractmethod
    def theta_gradient(self, W: np.ndarray) -> np.ndarray:
        """sum_ij W_ij dK_ij/dtheta, (n_theta,), for W of shape (n, m)."""

    @abstractmethod
    def points_gradient(self, W: np.ndarray) -> np.ndarray:
        """sum_j W_ij dK_ij/dA_i, (n, d), for W of shape (n, m); zero for categories."""


class Kernel(Declared, BaseEstimator, ABC):
    """Base of the kernels: a covariance for each theta, and a prior for theta."""

    @abstractmethod
    def __call__(self, theta: np.ndarray, A: np.ndarray, B: np.ndarray) -> Covariance:
        """Covariance between the rows of A, (n, d), and those of B, (m, d)."""

    @abstractmethod
    def prior(self, d: int) -> tuple[np.ndarray, np.ndarray]:
        """Means and standard deviations of theta, (n_theta,) each, for d columns."""

    @abstractmethod
    def units(self, log_columns: np.ndarray, log_variance: float) -> np.ndarray:
        """What theta grows by, (n_theta,), when columns, (d,), and the target are rescaled."""

    @abstractmethod
    def at(self, theta: np.ndarray, d: int) -> "Kernel":
        """A copy that has the numbers of theta, (n_theta,), in place of all beliefs."""

    @abstractmethod
    def columns_read(self, d: int) -> tuple[np.ndarray, np.ndarray]:
        """Which of d columns are read as numbers, and which as categories: (d,) each, bool."""

    def __add__(self, other: "Kernel") -> "Sum":
        return Sum(left=self, right=other) if isinstance(other, Kernel) else NotImplemented

    def __mul__(self, other: "Kernel") -> "Product":
        return Product(left=self, right=other) if isinstance(other, Kernel) else NotImplemented


class Stationary(Kernel):
    """Base of the stationary kernels: a subclass is a profile f and its derivative.

    Parameters
    ----------
    lengthscale : LogNormal, float in (0, inf) or array-like, default=LogNormal(1, 1)
        Distance over which f changes: a prior for that of each column, a number for all columns, or
        a list with a prior or a number for each.
    variance : LogNormal or float in (0, inf), default=LogNormal(1, 1)
        Variance of f: a prior, or a number.
    columns : array-like or None, default=None
        Columns of X that f depends on. None stands for all.
    categorical : array-like, default=()
        Columns of X whose values are categories, either the same or different.
    """

    lengthscale: Belief | Sequence[Belief] = hyperparameter(
        default=LogNormal(1.0, 1.0),
        doc="Distance over which f changes: a prior for that of each column, a number for all "
        "columns, or a list with a prior or a number for each.",
        constraint=[LogNormal, POSITIVE, "array-like"],
    )
    variance: Belief = hyperparameter(
        default=LogNormal(1.0, 1.0),
        doc="Variance of f: a prior, or a number.",
        constraint=[LogNormal, POSITIVE],
    )
    columns: Sequence[int] | None = hyperparameter(
        default=None,
        doc="Columns of X that f depends on. None stands for all.",
        constraint=["array-like", None],
    )
    categorical: Sequence[int] = hyperparameter(
        default=(),
        doc="Columns of X whose values are categories, either the same or different.",
        constraint=["array-like"],
    )

    def __call__(self, theta, A, B):
        return _StationaryCovariance(self, theta, A, B)

    def prior(self, d):
        lengthscales = for_each_column("lengthscale", self.lengthscale, len(self._chosen(d)))
        return as_normal([*lengthscales, self.variance])

    def units(self, log_columns, log_variance):
        of_columns = np.where(self._is_category(len(log_columns)), 0.0, log_columns)
        return np.append(of_columns[self._chosen(len(log_columns))], log_variance)

    def at(self, theta, d):
        *lengthscales, variance = np.exp(theta).tolist()
        return clone(self).set_params(lengthscale=lengthscales, variance=variance)

    def columns_read(self, d):
        read, is_category = np.zeros(d, dtype=bool), self._is_category(d)
        read[self._chosen(d)] = True
        return read & ~is_category, read & is_category

    @staticmethod
    @abstractmethod
    def profile(r2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """f(r^2) and its derivative by r^2, as two new arrays; f(0) = 1."""

    def _chosen(self, d):
        """Columns that the kernel uses, of d."""
        if self.columns is None and not len(self.categorical):
            return np.arange(d)
        chosen = range(d) if self.columns is None else self.columns
        for name, given in (("columns", chosen), ("categorical", self.categorical)):
            for j in given:
                if not isinstance(j, Integral) or not 0 <= j < d:
                    raise ValueError(
                        f"{name} of {type(self).__name__} must be integers from 0 to {d - 1}, the "
                        f"columns of X, but has {j!r}."
                    )
            if len(set(given)) < len(given):
                raise ValueError(f"{name} of {type(self).__name__} names one twice: {given!r}.")
        if not len(chosen) or not set(self.categorical) <= set(chosen):
            raise ValueError(
                f"columns of {type(self).__name__} must name at least one, and all of categorical, "
                f"but are {self.columns!r}, and categorical {self.categorical!r}."
            )
        return np.array(chosen, dtype=int)

    def _is_category(self, d):
        self._chosen(d)  # which refuses what is no column
        found = np.zeros(d, dtype=bool)
        found[list(self.categorical)] = True
        return found


class _StationaryCovariance(Covariance):
    """Of one kernel, one theta and two sets of points."""

    def __init__(self, kernel: Stationary, theta: np.ndarray, A: np.ndarray, B: np.ndarray) -> None:
        d = A.shape[1]
        chosen = kernel._chosen(d)
        is_category = kernel._is_category(d)[chosen]
        self.shape = A.shape
        self.numbers, self.categories = np.flatnonzero(~is_category), np.flatnonzero(is_category)
        self.at = chosen[self.numbers]  # the columns of the numbers
        self.lengthscales = np.exp(theta[:-1])
        scales = self.lengthscales[self.numbers]
        self.a, self.b = A[:, self.at] / scales, B[:, self.at] / scales
        r2 = cdist(self.a, self.b, "sqeuclidean")
        self.differ = [A[:, [j]] != B[:, j] for j in chosen[self.categories]]
        for differ, j in zip(self.differ, self.categories):
            r2 += differ / self.lengthscales[j] ** 2
        self.matrix, self.slope = kernel.profile(r2)  # K, and dK/d(r^2)
        self.variance = float(np.exp(theta[-1]))
        self.matrix *= self.variance
        self.slope *= self.variance

    def theta_gradient(self, W):
        M = W * self.slope
        gradient = np.empty(len(self.lengthscales) + 1)
        # d(r^2)/d(log l_j) = -2 (a_j - b_j)^2, with the square written out.
        squares = M.sum(axis=1) @ self.a**2 + M.sum(axis=0) @ self.b**2
        products = np.einsum("ij,ij->j", self.a, M @ self.b)
        gradient[self.numbers] = -2 * (squares - 2 * products)
        for differ, j in zip(self.differ, self.categories):
            gradient[j] = -2 * M[differ].sum() / self.lengthscales[j] ** 2
        gradient[-1] = np.vdot(W, self.matrix)
        return gradient

    def points_gradient(self, W):
        M = W * self.slope
        gradient = np.zeros(self.shape)
        difference = M.sum(axis=1)[:, None] * self.a - M @ self.b
        gradient[:, self.at] = 2 * difference / self.lengthscales[self.numbers]
        return gradient


class RBF(Stationary):
    """exp(-r^2 / 2), infinitely smooth: [1]_, equation 4.9.

    The lectures' exp(-r^2 / h^2) has the lengthscale h / sqrt(2).

    Parameters
    ----------
    lengthscale : LogNormal, float in (0, inf) or array-like, default=LogNormal(1, 1)
        Distance over which f changes: a prior for that of each column, a number for all columns, or
        a list with a prior or a number for each.
    variance : LogNormal or float in (0, inf), default=LogNormal(1, 1)
        Variance of f: a prior, or a number.
    columns : array-like or None, default=None
        Columns of X that f depends on. None stands for all.
    categorical : array-like, default=()
        Columns of X whose values are categories, either the same or different.

    References
    ----------
    .. [1] Rasmussen, Williams. Gaussian Processes for Machine Learning. MIT Press, 2006.
    """

    @staticmethod
    def profile(r2):
        value = np.exp(-0.5 * r2)
        return value, -0.5 * value


class Matern52(Stationary):
    """(1 + sqrt(5) r + 5 r^2 / 3) exp(-sqrt(5) r), twice differentiable: [1]_, equation 4.17.

    Parameters
    ----------
    lengthscale : LogNormal, float in (0, inf) or array-like, default=LogNormal(1, 1)
        Distance over which f changes: a prior for that of each column, a number for all columns, or
        a list with a prior or a number for each.
    variance : LogNormal or float in (0, inf), default=LogNormal(1, 1)
        Variance of f: a prior, or a number.
    columns : array-like or None, default=None
        Columns of X that f depends on. None stands for all.
    categorical : array-like, default=()
        Columns of X whose values are categories, either the same or different.

    References
    ----------
    .. [1] Rasmussen, Williams. Gaussian Processes for Machine Learning. MIT Press, 2006.
    """

    @staticmethod
    def profile(r2):
        # In place: to find memory for n^2 numbers takes longer than to compute them.
        slope = np.sqrt(5 * r2)
        value = np.exp(-slope)
        slope += 1
        slope *= value
        value *= 5 / 3 * r2
        value += slope
        slope *= -5 / 6
        return value, slope


class Matern32(Stationary):
    """(1 + sqrt(3) r) exp(-sqrt(3) r), once differentiable: [1]_, equation 4.17.

    Parameters
    ----------
    lengthscale : LogNormal, float in (0, inf) or array-like, default=LogNormal(1, 1)
        Distance over which f changes: a prior for that of each column, a number for all columns, or
        a list with a prior or a number for each.
    variance : LogNormal or float in (0, inf), default=LogNormal(1, 1)
        Variance of f: a prior, or a number.
    columns : array-like or None, default=None
        Columns of X that f depends on. None stands for all.
    categorical : array-like, default=()
        Columns of X whose values are categories, either the same or different.

    References
    ----------
    .. [1] Rasmussen, Williams. Gaussian Processes for Machine Learning. MIT Press, 2006.
    """

    @staticmethod
    def profile(r2):
        root = np.sqrt(3 * r2)
        decay = np.exp(-root)
        return (1 + root) * decay, -1.5 * decay


class Exponential(Stationary):
    """exp(-r), continuous only, the Ornstein-Uhlenbeck process: [1]_, equation 4.18.

    The lectures' exp(-r / h) has the lengthscale h.

    Parameters
    ----------
    lengthscale : LogNormal, float in (0, inf) or array-like, default=LogNormal(1, 1)
        Distance over which f changes: a prior for that of each column, a number for all columns, or
        a list with a prior or a number for each.
    variance : LogNormal or float in (0, inf), default=LogNormal(1, 1)
        Variance of f: a prior, or a number.
    columns : array-like or None, default=None
        Columns of X that f depends on. None stands for all.
    categorical : array-like, default=()
        Columns of X whose values are categories, either the same or different.

    References
    ----------
    .. [1] Rasmussen, Williams. Gaussian Processes for Machine Learning. MIT Press, 2006.
    """

    @staticmethod
    def profile(r2):
        r = np.sqrt(r2)
        value = np.exp(-r)
        # At r = 0 the derivative by r^2 is infinite, but multiplies a difference of zero.
        slope = np.divide(-0.5 * value, r, out=np.zeros_like(r), where=r > 0)
        return value, slope


def validate_parts(kernel: Kernel, /, **parts: object) -> None:
    """Check the kernels that a kernel is made of."""
    for name, part in parts.items():
        if not isinstance(part, Kernel):
            raise TypeError(
                f"{name} of {type(kernel).__name__} must be a kernel of skdeep's, but is {part!r}."
            )
        part._validate_params()


class _Pair(Kernel):
    """Base of what is made of two kernels; theta is the left's, then the right's."""

    def __init__(self, left, right):
        self.left = left
        self.right = right

    def prior(self, d):
        (left, left_sigma), (right, right_sigma) = self.left.prior(d), self.right.prior(d)
        return np.append(left, right), np.append(left_sigma, right_sigma)

    def at(self, theta, d):
        left, right = self._split(theta, d)
        return type(self)(self.left.at(left, d), self.right.at(right, d))

    def columns_read(self, d):
        numbers, categories = zip(self.left.columns_read(d), self.right.columns_read(d))
        return np.any(numbers, axis=0), np.any(categories, axis=0)

    def _validate_params(self):
        validate_parts(self, left=self.left, right=self.right)

    def _parts(self, theta, A, B):
        """The covariances of both kernels."""
        left, right = self._split(theta, A.shape[1])
        return self.left(left, A, B), self.right(right, A, B)

    def _split(self, theta, d):
        n = len(self.left.prior(d)[0])
        return theta[:n], theta[n:]


class Sum(_Pair):
    """left(a, b) + right(a, b), the covariance of a sum of independent functions.

    Written ``left + right``: with ``columns`` of their own, an additive model.

    Parameters
    ----------
    left, right : Kernel
        The summands.
    """

    def __call__(self, theta, A, B):
        return _SumCovariance(*self._parts(theta, A, B))

    def units(self, log_columns, log_variance):
        left, right = (k.units(log_columns, log_variance) for k in (self.left, self.right))
        return np.append(left, right)


class _SumCovariance(Covariance):
    def __init__(self, left: Covariance, right: Covariance) -> None:
        self.left, self.right = left, right
        self.matrix = left.matrix + right.matrix
        self.variance = left.variance + right.variance

    def theta_gradient(self, W):
        return np.append(self.left.theta_gradient(W), self.right.theta_gradient(W))

    def points_gradient(self, W):
        return self.left.points_gradient(W) + self.right.points_gradient(W)


class Product(_Pair):
    """left(a, b) right(a, b): points are alike where both kernels say so.

    Written ``left * right``. Only the product of both variances matters: hold the right one at 1.

    Parameters
    ----------
    left, right : Kernel
        The factors.
    """

    def __call__(self, theta, A, B):
        return _ProductCovariance(*self._parts(theta, A, B))

    def units(self, log_columns, log_variance):
        left, right = self.left.units(log_columns, log_variance), self.right.units(log_columns, 0.0)
        return np.append(left, right)


class _ProductCovariance(Covariance):
    def __init__(self, left: Covariance, right: Covariance) -> None:
        self.left, self.right = left, right
        self.matrix = left.matrix * right.matrix
        self.variance = left.variance * right.variance

    def theta_gradient(self, W):
        left = self.left.theta_gradient(W * self.right.matrix)
        return np.append(left, self.right.theta_gradient(W * self.left.matrix))

    def points_gradient(self, W):
        left = self.left.points_gradient(W * self.right.matrix)
        return left + self.right.points_gradient(W * self.left.matrix)


KERNELS: dict[str, type[Stationary]] = {
    "matern52": Matern52,
    "matern32": Matern32,
    "rbf": RBF,
    "exponential": Exponential,
}
