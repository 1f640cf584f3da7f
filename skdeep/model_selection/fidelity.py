"""One experiment in a cheap and an expensive version, and where to evaluate which.

Versions s = 0, ..., S - 1 go from the cheapest to the one that counts. Each is a multiple of the
one before and something of its own [1]_,

    f_0 = g_0,   f_s(x) = rho_s f_{s-1}(x) + g_s(x),   g_s ~ GP(m_s, v_s c) independent,    eq. 1

so that f_s(x) and f_q(x') covary by B_sq c(x, x') with B_sq = sum_r a_rs v_r a_rq and a_rs =
rho_{r+1} ... rho_s for r <= s, else 0. One Gaussian process over (x, s) learns all versions at
once; all share the correlation c, as a few expensive values cannot tell its lengthscales.

What is sought is the minimum of f = f_{S-1}. The next version is that whose value tells most about
it for its cost, where it does: a value of version s has the correlation r with f(x), of which
:mod:`~skdeep.model_selection.information` knows what it tells. What is left for one last evaluation
of f goes to the lowest mean, as no other value can follow that would use what it tells.

.. [1] Kennedy, O'Hagan. Predicting the output from a complex computer code when fast
   approximations are available. Biometrika 87, 2000.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from skdeep.gaussian_process import exact
from skdeep.gaussian_process.blas import one_blas_thread
from skdeep.gaussian_process.kernels import Covariance, LogNormal, Matern52, Product, as_normal
from skdeep.model_selection.acquisition import ConfidenceBound, Objective, candidates, maximise
from skdeep.model_selection.information import MinimumInformation, draw_minima, log_information
from skdeep.model_selection.optimizer import N_CENTRES, even_points
from skdeep.model_selection.spaces import Known, Space
from skdeep.model_selection.surrogates import lengthscale
from skdeep.model_selection.told import filled
from skdeep.model_selection.warps import CURVATURES, Curvature, Warp

VARIANCE = LogNormal(1.0, 1.0)  # of g_0
OWN_VARIANCE = LogNormal(0.1, 1.5)  # of the other g_s: versions are expected to be alike
MULTIPLE = (1.0, 0.5)  # mean and standard deviation of rho_s
NOISE = LogNormal(1e-10, 4.0)  # the model is global, but what counts are the last digits of f


class Versions:
    """The kernel B_sq, of the last column, which holds s; theta is log v_0, ..., rho_1, ..."""

    def __init__(self, n_versions: int) -> None:
        self.n_versions = n_versions

    def __call__(self, theta: np.ndarray, A: np.ndarray, B: np.ndarray) -> Covariance:
        return _VersionsCovariance(self.n_versions, theta, A, B)

    def prior(self, d: int) -> tuple[np.ndarray, np.ndarray]:
        n = self.n_versions - 1
        mean, sigma = as_normal([VARIANCE] + [OWN_VARIANCE] * n)
        return np.append(mean, [MULTIPLE[0]] * n), np.append(sigma, [MULTIPLE[1]] * n)


class _VersionsCovariance(Covariance):
    """B_sq at one theta, between two sets of points."""

    def __init__(self, n: int, theta: np.ndarray, A: np.ndarray, B: np.ndarray) -> None:
        self.n, self.shape = n, A.shape
        self.s, self.q = A[:, -1].astype(int), B[:, -1].astype(int)
        self.v = np.exp(theta[:n])
        self.a = multiples(theta[n:])
        table = self.a.T @ (self.v[:, None] * self.a)
        self.matrix = table[np.ix_(self.s, self.q)]
        self.variance = table.diagonal()[self.s]  # one for each row

    def theta_gradient(self, W):
        # The objective's derivative by the table B.
        by_table = np.zeros((self.n, self.n))
        np.add.at(by_table, (self.s[:, None], self.q), W)
        by_variance = self.v * np.einsum("rs,sq,rq->r", self.a, by_table, self.a)
        by_a = self.v[:, None] * (self.a @ (by_table + by_table.T))
        # a_rs = a_rj rho_{j+1} a_{j+1,s} for r <= j < s.
        by_rho = [self.a[:, j] @ by_a @ self.a[j + 1] for j in range(self.n - 1)]
        return np.append(by_variance, by_rho)

    def points_gradient(self, W):
        return np.zeros(self.shape)


def multiples(rho: np.ndarray) -> np.ndarray:
    """a_rs, (n_versions, n_versions), 0 below the diagonal."""
    n = len(rho) + 1
    return np.array([[np.prod(rho[r:s]) if r <= s else 0.0 for s in range(n)] for r in range(n)])


@dataclass(frozen=True)
class VersionsProcess(exact.Process):
    """A process over (x, s), in which each version has a mean of its own."""

    n_versions: int = 2

    def h(self, Z):
        return (Z[:, -1:] == np.arange(self.n_versions)).astype(float)


def versions_process(is_category: np.ndarray, n_versions: int) -> VersionsProcess:
    """What is believed of versions of a function of columns, of which some are categories."""
    correlation = Matern52(
        lengthscale=lengthscale(len(is_category)),
        variance=1.0,
        columns=range(len(is_category)),
        categorical=np.flatnonzero(is_category).tolist(),
    )
    return VersionsProcess(
        Product(correlation, Versions(n_versions)), noise=NOISE, n_versions=n_versions
    )


class MultiFidelityOptimizer:
    """Minimise the last version of an experiment by asking for points and versions.

    Parameters
    ----------
    space : Space
        Where to look.
    costs : mapping of str to float
        What an evaluation of each version costs, the version that counts last.
    budget : float
        What may be spent, in evaluations of the last version: at most half goes to evaluations of
        it that are planned blindly, and the last evaluation is one of it.
    random_state : int, RandomState instance or None, default=None
        Seed.
    """

    def __init__(
        self,
        space: Space,
        costs: Mapping[str, float],
        budget: float = np.inf,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        if any(space.budgets):
            raise ValueError(
                "numbers of candidates beside sub-spaces are for BayesSearchCV, which searches "
                "them one after another; minimise over each by itself."
            )
        self.space = space
        self.names = list(costs)
        self.costs = np.array([*costs.values()]) / [*costs.values()][-1]
        self.budget = budget
        self._rng = np.random.default_rng(check_random_state(random_state).randint(2**31))
        self._process = versions_process(space.is_category, len(costs))
        self._known = [Known(space) for _ in costs]  # points told, by version
        self._initial = self._first_points(max(1, min(len(space.dimensions) + 1, budget // 2)))
        self._versions = np.empty(0, dtype=int)
        self._points = np.empty((0, len(space.dimensions)))
        self._values = np.empty(0)
        self._curvature = Curvature(CURVATURES)
        self._thetas: dict[float, np.ndarray] = {}  # of each warp's last fit

    @property
    def exhausted(self) -> bool:
        """Whether the last version of every point of a finite space was told."""
        return self._known[-1].exhausted

    def ask(self) -> tuple[Any, str]:
        """The next point, and the version to evaluate there."""
        affordable = self._prices()
        planned = ((s, u) for s, u in self._initial if s in affordable and u not in self._known[s])
        pair = next(planned, None)
        if pair is None and self._counting().any():
            with one_blas_thread():
                pair = self._propose()
        version, u = self._random() if pair is None else pair
        return self.space.decode(u), self.names[version]

    def tell(self, point: Any, value: float, version: str) -> None:
        """What a version was at a point; a value that is not finite marks a failure."""
        u = self.space.check(point)
        self._known[self.names.index(version)].add(u)
        self._points = np.vstack([self._points, u])
        self._versions = np.append(self._versions, self.names.index(version))
        self._values = np.append(self._values, value)

    def _first_points(self, n_last: float) -> list[tuple[int, np.ndarray]]:
        """Points that fill the space evenly, of each version twice as many as of the next."""
        counts = [int(n_last) * 2**i for i in range(len(self.names))]
        points = even_points(self.space, counts[-1], self._rng)
        return [(s, u) for s, n in enumerate(reversed(counts)) for u in points[:n]]

    def _counting(self) -> np.ndarray:
        """Which values, (n,), are of the last version, and finite."""
        return (self._versions == len(self.names) - 1) & np.isfinite(self._values)

    def _random(self) -> tuple[int, np.ndarray]:
        """The last version, and a point where it was not told."""
        points = self.space.sample(len(self._points) + 1, self._rng)
        u = next((u for u in points if u not in self._known[-1]), None)
        if u is None:
            u = self._known[-1].another(self._rng)
        return len(self.names) - 1, points[0] if u is None else u

    def _propose(self) -> tuple[int, np.ndarray] | None:
        """The version and the point, (n_dimensions,), that tell most for their cost."""
        last = len(self.names) - 1
        model = self._fit()
        view: Any = OneVersion(model, last)
        told = self._points[self._counting()].clip(0, 1)
        mean, _, _ = view.mean_and_variance(self.space.columns(told))
        centres = told[np.argsort(mean, kind="stable")[:N_CENTRES]]
        U = np.vstack([told, candidates(self.space, centres, self._rng)])
        minima = draw_minima(view, self.space.columns(U), self._rng)
        found = []
        for version, price in self._prices().items():
            objective: Callable = Information(model, version, last, minima)
            if version == last:
                objective = Objective(MinimumInformation(minima, model.noise), view, 0.0)
            u = self._highest(objective, version, centres)
            if u is not None:
                log_gain = objective(self.space.columns(u[None]))[0] - np.log(price)
                found.append((log_gain, version, u))
        if not found:
            return None
        _, version, u = max(found, key=lambda each: each[0])
        if version == last and self._left() < 2:
            lowest = self._highest(Objective(ConfidenceBound(0.0), view, 0.0), last, centres)
            u = u if lowest is None else lowest
        return version, u

    def _left(self) -> float:
        """What is left of the budget."""
        return self.budget - self.costs[self._versions].sum()

    def _prices(self) -> dict[int, float]:
        """What the versions cost of which the next may be.

        After each an evaluation of the last version can be paid, which costs all that is left if it
        leaves too little for another.
        """
        *others, last = range(len(self.names))
        left = self._left()
        prices = {s: float(self.costs[s]) for s in others if left >= 1 + self.costs[s]}
        return prices | {last: left if 1 <= left < 2 else 1.0}

    def _highest(self, objective: Callable, version: int, centres: np.ndarray) -> np.ndarray | None:
        """Where an objective is highest among points at which the version was not told."""
        ranked = maximise(objective, self.space, centres, self._rng)
        return next((u for u in ranked if u not in self._known[version]), None)

    def _fit(self) -> exact.Posterior:
        """The model of all versions, whose warp is chosen anew from time to time."""
        n = len(self._values)
        if not self._curvature.is_due(n):
            return self._fit_warped(self._curvature.best)[0]
        fits = {curvature: self._fit_warped(curvature) for curvature in CURVATURES}
        self._curvature.choose(n, lambda curvature: fits[curvature][1])
        return fits[self._curvature.best][0]

    def _fit_warped(self, curvature: float) -> tuple[exact.Posterior, float]:
        """The model under a warp of each version, and the log density of the values."""
        t, log_slope = np.empty_like(self._values), 0.0
        for version, spread in enumerate(self._spreads()):
            here = self._versions == version
            values = filled(self._values[here])
            warp = Warp.of(values, curvature, spread)
            t[here] = warp(values)
            log_slope += warp.log_slope(values).sum()
        Z = self._columns(self._points, self._versions)
        median, _ = self._process.prior(Z.shape[1])
        model = exact.fit(self._process, Z, t, self._thetas.get(curvature, median)[None])
        self._thetas[curvature] = model.theta
        return model, model.log_density + log_slope

    def _spreads(self) -> Sequence[float | None]:
        """Units in which the versions are alike: their ranges at points that were told of all.

        None where there are none: then each has the unit of its own values, which shrinks as they
        gather at the minimum.
        """
        told = [
            {
                self.space.key(u): value
                for u, value in zip(self._points[here], self._values[here])
                if np.isfinite(value)
            }
            for here in (self._versions == version for version in range(len(self.names)))
        ]
        shared = set.intersection(*map(set, told))
        ranges = [float(np.ptp([values[u] for u in shared] or [0.0])) for values in told]
        return ranges if min(ranges) > 0 else [None] * len(told)

    def _columns(self, U: np.ndarray, versions: np.ndarray | int) -> np.ndarray:
        """What the model sees of points U, (n, n_dimensions), in their versions."""
        return np.column_stack([self.space.columns(U), np.broadcast_to(versions, len(U))])


@dataclass(frozen=True)
class OneVersion:
    """What the model believes of one version, at columns, (n, d)."""

    model: exact.Posterior
    version: int

    def mean_and_variance(self, columns):
        mean, variance, gradient = self.model.mean_and_variance(self.with_version(columns))
        return mean, variance, lambda *slopes: gradient(*slopes)[:, :-1]

    def mean(self, columns):
        return self.model.mean(self.with_version(columns))

    def sample(self, columns, rng, n=1):
        return self.model.sample(self.with_version(columns), rng, n)

    def with_version(self, columns):
        return np.column_stack([columns, np.full(len(columns), self.version)])


@dataclass(frozen=True)
class Information:
    """log I_s(x): what a version tells about the minimum of the last one, drawn as ``minima``."""

    model: exact.Posterior
    version: int
    last: int
    minima: np.ndarray

    def __call__(self, columns: np.ndarray) -> tuple[np.ndarray, None]:
        """Values at columns, (n, d): (n,). Points of another version need no gradient."""
        Z, own = (
            np.column_stack([columns, np.full(len(columns), s)]) for s in (self.last, self.version)
        )
        mean, variance, _ = self.model.mean_and_variance(Z)
        own_variance = self.model.mean_and_variance(own)[1]
        prior = self.model.process.kernel(self.model.theta[:-1], Z[:1], own[:1]).matrix[0, 0]
        cov = self.model.paired_covariance(Z, own, prior)
        share = np.minimum(cov**2 / (variance * (own_variance + self.model.noise)), 1.0)
        return log_information(mean, np.sqrt(variance), self.minima, share)[0], None
