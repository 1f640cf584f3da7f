"""What a Gaussian process makes of a search's scores, and averages of it over the space.

The process is the search's own: its kernel, priors and warp of the scores, and a failure counts as
the worst score. Averages are over the points that the space makes likely, so that a logarithmic
range counts evenly by decades, and what is not there somewhere counts only where it is.
"""

from collections.abc import Sequence

import numpy as np
from scipy.stats import norm, qmc

from skdeep.gaussian_process.blas import one_blas_thread
from skdeep.gaussian_process.exact import Posterior
from skdeep.model_selection.acquisition import expected_improvement
from skdeep.model_selection.looking.content import FAILED, Content
from skdeep.model_selection.surrogates import GaussianProcess
from skdeep.model_selection.told import filled
from skdeep.model_selection.warps import Warp

N_AVERAGED = 256  # points over which a partial dependence is the mean
MOST_DRAWN = 2**15  # to find so many, where what is looked at is rarely there
CHUNK = 4096  # points at once
LEAST = 3
BEYOND = 0.25  # of the range of scores that an exponential may go below the worst


class Landscape:
    """The scores between the trials.

    Parameters
    ----------
    content : Content
        A search.

    Raises
    ------
    ValueError
        If fewer than three trials have a score, or all have the same.
    """

    def __init__(self, content: Content) -> None:
        self.content, self.space = content, content.space
        known = np.isfinite(content.expected)
        counts = known | np.array([state == FAILED for state in content.states])
        scores = content.expected[counts]
        found = scores[np.isfinite(scores)]
        if len(found) < LEAST or np.ptp(found) == 0:
            raise ValueError(
                f"a model of the scores needs {LEAST} trials with scores that differ, but of "
                f"{len(content)} trials {len(found)} have one, and {len(np.unique(found))} of "
                "these differ; search longer, or plot 'convergence' or 'parallel'."
            )
        self.U = content.U[counts]
        values = filled(-content.sign * scores)  # of which less is better
        self._highest = values.max() + BEYOND * np.ptp(values)
        surrogate = GaussianProcess(self.space.is_category)
        with one_blas_thread():
            columns = self.space.columns(self.space.snap(self.U))
            no_noise = np.zeros(len(values))
            found_model = surrogate.fit(columns, values, no_noise, np.random.default_rng(0))
        self.model: Posterior = found_model[0]
        self.warp: Warp = found_model[1]

    def median(self, U: np.ndarray) -> np.ndarray:
        """The score that is expected at U, (m, n_dimensions): (m,)."""
        with one_blas_thread():
            parts = [self.model.mean(self._columns(U[i : i + CHUNK])) for i in _starts(len(U))]
        return self._scores(np.concatenate(parts))

    def band(self, U: np.ndarray, share: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest score, (m,) each, between which it lies with a given probability."""
        with one_blas_thread():
            mean, variance, _ = self.model.mean_and_variance(self._columns(U))
        reach = norm.ppf((1 + share) / 2) * np.sqrt(variance)
        ends = self._scores(mean - reach), self._scores(mean + reach)
        return np.minimum(*ends), np.maximum(*ends)

    def improvement(self, U: np.ndarray) -> np.ndarray:
        """Expected improvement over the best trial, (m,), in deviations of the scores."""
        with one_blas_thread():
            mean, variance, _ = self.model.mean_and_variance(self._columns(U))
            best = self.model.mean(self._columns(self.U)).min()
        return expected_improvement(mean, np.sqrt(variance), best)[0]

    @property
    def explained(self) -> float:
        """Share of the scores' variance that is predicted of trials left out, at most 1.

        Each is predicted from all others; scores count as the process sees them, warped.
        """
        mean, _ = self.model.leave_one_out()
        return float(1 - np.nanmean((self.model.t - mean) ** 2) / np.var(self.model.t))

    def grid(self, j: int, n: int = 60) -> np.ndarray:
        """Coordinates along dimension j: of n places, or of each level if there are no more."""
        dimension = [*self.space.dimensions.values()][j]
        if dimension.size <= n:
            return dimension.middle(np.arange(int(dimension.size)))
        return np.unique(dimension.snap(np.linspace(0, 1, n)))

    def dependence(self, axes: Sequence[int], grids: Sequence[np.ndarray]) -> np.ndarray:
        """The mean score over all else at each place of a grid of some dimensions [1]_.

        References
        ----------
        .. [1] Friedman. Greedy function approximation: a gradient boosting machine. Annals of
           Statistics 29(5), 2001, section 8.2.
        """
        shape = [len(grid) for grid in grids]
        places = np.stack(np.meshgrid(*grids, indexing="ij"), axis=-1).reshape(-1, len(axes))
        others = self._others(axes)
        means = np.empty(len(places))
        for i, place in enumerate(places):
            U = others.copy()
            U[:, axes] = place
            there = self._are_there(U, axes)
            means[i] = self.median(U[there]).mean() if there.any() else np.nan
        return means.reshape(shape)

    def _others(self, axes: Sequence[int]) -> np.ndarray:
        """Points at which the dimensions are there, for averages over all else."""
        sobol = qmc.Sobol(len(self.space.dimensions), seed=np.random.default_rng(0))
        n = N_AVERAGED
        found = sobol.random(n)
        kept = found[self._are_there(found, axes)]
        while len(kept) < N_AVERAGED and n < MOST_DRAWN:
            more = sobol.random(n)
            kept = np.vstack([kept, more[self._are_there(more, axes)]])
            n *= 2
        return kept[:N_AVERAGED]

    def _are_there(self, U: np.ndarray, axes: Sequence[int]) -> np.ndarray:
        return np.asarray(self.space.active(U)[:, axes].all(axis=1))

    def _columns(self, U: np.ndarray) -> np.ndarray:
        return self.space.columns(self.space.snap(U))

    def _scores(self, t: np.ndarray) -> np.ndarray:
        """Scores of what the model predicts, (m,)."""
        return -self.content.sign * np.minimum(self.warp.inverse(t), self._highest)


def _starts(n: int) -> range:
    return range(0, max(n, 1), CHUNK)
