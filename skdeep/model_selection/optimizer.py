"""Bayesian optimisation, ask and tell: where to evaluate an expensive function next.

The first points fill the cube evenly (a scrambled Sobol sequence); then a Gaussian process
learns from all values so far, and the point of highest log expected improvement comes next.

.. [1] Song et al. The Vizier Gaussian process bandit algorithm. arXiv:2408.11527, 2024: half-rank
   warping.
"""

from collections.abc import Mapping
from itertools import chain
from typing import Any

import numpy as np
from scipy.special import ndtri
from scipy.stats import qmc, rankdata

from skdeep.gaussian_process import exact
from skdeep.gaussian_process.blas import one_blas_thread
from skdeep.gaussian_process.kernels import Matern52
from skdeep.model_selection.acquisition import maximise
from skdeep.model_selection.spaces import Space

N_CENTRES = 5


class BayesianOptimizer:
    """Minimise over a space, one point at a time.

    Parameters
    ----------
    space : Space
        Where to look.
    n_initial : int
        Points, told ones included, before the Gaussian process takes over.
    seed : int
        Seed of all that is random.
    """

    def __init__(self, space: Space, n_initial: int, seed: int) -> None:
        self.space = space
        self.n_initial = n_initial
        self._rng = np.random.default_rng(seed)
        n_dimensions = len(space.dimensions)
        sobol = qmc.Sobol(n_dimensions, seed=self._rng)
        self._initial = space.snap(sobol.random_base2(int(np.ceil(np.log2(n_initial)))))
        self._points = np.empty((0, n_dimensions))
        self._values = np.empty(0)
        self._seen: set[bytes] = set()

    @property
    def exhausted(self) -> bool:
        """Whether every point of a finite space was asked or told."""
        return len(self._seen) >= self.space.size

    def ask(self) -> dict[str, Any]:
        """The next point: a new one, unless the space is exhausted."""
        if len(self._values) < self.n_initial or not np.isfinite(self._values).any():
            ranked = self._initial
        else:
            with one_blas_thread():
                ranked = self._propose()
        others = self.space.sample(len(self._seen) + 1, self._rng)  # should all of these be seen
        new = (u for u in chain(ranked, others) if _key(u) not in self._seen)
        u = next(new, ranked[0])
        self._seen.add(_key(u))
        return self.space.decode(u)

    def tell(self, point: Mapping[str, Any], value: float) -> None:
        """What the function was at a point; a value that is not finite marks a failure.

        Numbers beyond the ends of their range are learnt from as well; a point with a value
        that has no place in its dimension is ignored.
        """
        u = self.space.encode(point)
        if np.isnan(u).any():
            return
        if _key(u) == _key(self.space.snap(u.clip(0, 1)[None])):
            self._seen.add(_key(u))
        self._points = np.vstack([self._points, u])
        self._values = np.append(self._values, value)

    def _propose(self) -> np.ndarray:
        """Points of high log expected improvement, best first."""
        finite = np.isfinite(self._values)
        # A failure counts as the worst value seen: finite, and no place to go back to.
        values = np.where(finite, self._values, self._values[finite].max())
        targets = _normalise(values)
        columns = self.space.columns(self._points)
        process = exact.Process(Matern52(categorical=tuple(np.flatnonzero(self.space.is_category))))
        starts = exact.starting_points(process.prior(columns.shape[1]), 1, self._rng)
        posterior = exact.fit(process, columns, targets, starts)
        fitted, _, _ = posterior.mean_and_variance(columns)
        centres = self._points[np.argsort(fitted)[:N_CENTRES]]
        return maximise(posterior, self.space, centres, fitted.min(), self._rng)


def _normalise(values: np.ndarray) -> np.ndarray:
    """Values with mean 0 and variance 1, of which the worse half keeps only its order [1]_.

    Values above the median become the normal quantiles of their ranks. One diverged candidate
    would else make all good ones look the same.
    """
    median = np.median(values)
    good = values <= median
    scale = np.sqrt(np.mean((values[good] - median) ** 2)) or values.std()
    quantiles = np.maximum((rankdata(values) - 0.5) / len(values), 0.5)
    warped = np.where(good, values, median + scale * ndtri(quantiles))
    spread = warped.std()
    if spread <= 1e-12 * np.abs(warped).max():
        return np.zeros_like(values)
    return (warped - warped.mean()) / spread


def _key(u: np.ndarray) -> bytes:
    """What makes two points equal: u to 12 digits (and no negative zero)."""
    return (np.round(u, 12) + 0.0).tobytes()
