"""What a Gaussian process makes of a search's scores, and averages of it over the space.

Kernel and priors are the search's own, and a failure counts as the worst score, too. A score out of
all proportion counts as bad, however bad it is. Of more than 400 trials the best 200 and as many of
the others, drawn at random, make the model. The search
chooses the warp of its scores by the evidence, which cares for the scores near the best, as these
decide where to look next; slices show that. For the whole space the warp is chosen by what matters
there: how well each score is predicted from all others. Averages are over the points that the space
makes likely, so that a logarithmic range counts evenly by decades, and what is not there somewhere
counts only where it is.
"""

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
from scipy.stats import norm, qmc

from skdeep.gaussian_process import exact
from skdeep.gaussian_process.blas import one_blas_thread
from skdeep.gaussian_process.exact import Posterior
from skdeep.model_selection.acquisition import expected_improvement
from skdeep.model_selection.looking.content import FAILED, Content
from skdeep.model_selection.surrogates import MOST_TO_COMPARE, GaussianProcess
from skdeep.model_selection.told import filled
from skdeep.model_selection.warps import CURVATURES, Warp

N_AVERAGED = 256  # points over which a partial dependence is the mean
MOST_DRAWN = 2**15  # to find so many, where what is looked at is rarely there
CHUNK = 4096  # points at once
LEAST = 3
MOST_FITTED = 400  # trials
NOISY = 1e-2  # share of the variance, where the search for parameters begins anew
IN_PROPORTION = 3.0  # times as far from the best as nine tenths of the trials are
BEYOND = 0.25  # of the range of scores that an exponential may go below the worst


class Landscape:
    """The scores between the trials.

    Parameters
    ----------
    content : Content
        A search.

    Attributes
    ----------
    model, warp : Posterior, Warp
        The process of the warped scores.
    explained : float
        Share of the scores' variance that is predicted of trials left out, at most 1.

    Raises
    ------
    ValueError
        If fewer than three trials have a score, or all have the same.
    """

    def __init__(self, content: Content) -> None:
        self.content, self.space = content, content.space
        lacking = what_lacks(content)
        if lacking:
            raise ValueError(f"{lacking}; search longer, or plot 'convergence' or 'parallel'.")
        known = np.isfinite(content.expected)
        counts = known | np.array([state == FAILED for state in content.states])
        scores = content.expected[counts]
        values = capped(filled(-content.sign * scores))  # of which less is better
        rows = some(values)
        self.U, self._values = content.U[counts][rows], values[rows]
        self._highest = values.max() + BEYOND * np.ptp(values)
        self.model, self.warp = self._chosen(self._minus_left_out_error)
        error = -self._minus_left_out_error(self._values, self.model, self.warp)
        self.explained = 1 - error / float(np.var(self._values))

    @property
    def trust(self) -> str:
        """How far the model is to be believed, in a line."""
        if round(100 * self.explained) <= 0:
            return "the model predicts no trial that it has not seen: do not trust it"
        return f"the model predicts {self.explained:.0%} of the variance of trials left out"

    def median(self, U: np.ndarray) -> np.ndarray:
        """The score that is expected at U, (m, n_dimensions): (m,)."""
        with one_blas_thread():
            parts = [self.model.mean(self._columns(U[i : i + CHUNK])) for i in _starts(len(U))]
        return self._scores(np.concatenate(parts), self.warp)

    def as_searched(
        self, U: np.ndarray, share: float = 0.95
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """What the search's own model has at U, (m, n_dimensions).

        The median score; the lowest and the highest between which the score lies with a given
        probability; and the expected improvement over the best, in no unit. Of shape (m,) each.
        """
        model, warp = self._searching
        with one_blas_thread():
            mean, variance, _ = model.mean_and_variance(self._columns(U))
            best = model.mean(self._columns(self.U)).min()
        reach = norm.ppf((1 + share) / 2) * np.sqrt(variance)
        ends = self._scores(mean - reach, warp), self._scores(mean + reach, warp)
        gain = expected_improvement(mean, np.sqrt(variance), best)[0]
        return self._scores(mean, warp), np.minimum(*ends), np.maximum(*ends), gain

    @cached_property
    def _searching(self) -> tuple[Posterior, Warp]:
        """The process under the warp that the search would choose, the most likely one."""
        return self._chosen(lambda v, model, warp: model.log_density + warp.log_slope(v).sum())

    def _chosen(
        self, criterion: Callable[[np.ndarray, Posterior, Warp], float]
    ) -> tuple[Posterior, Warp]:
        """The process under the warp of which a criterion has most, by a part of the trials."""
        rows = np.arange(len(self.U))
        few = np.random.default_rng(0).permutation(rows)[:MOST_TO_COMPARE]
        best = max(CURVATURES, key=lambda c: criterion(self._values[few], *self._fit(c, few)))
        return self._fit(best, rows)

    def _fit(self, curvature: float, rows: np.ndarray) -> tuple[Posterior, Warp]:
        """The process of some trials' scores, under one warp.

        With little noise and short lengthscales it fits noisy scores, too, so that the search for
        its parameters begins a second time where they are noise in part.
        """
        surrogate, values = GaussianProcess(self.space.is_category), self._values[rows]
        warp = Warp.of(values, curvature)
        noisy = np.append(surrogate.median[:-1], np.log(NOISY))
        with one_blas_thread():
            Z = self._columns(self.U[rows])
            starts = np.array([surrogate.median, noisy])
            return exact.fit(surrogate.process, Z, warp(values), starts), warp

    def _minus_left_out_error(self, values: np.ndarray, model: Posterior, warp: Warp) -> float:
        """Minus the mean squared error of scores, (n,), each predicted from all others."""
        with one_blas_thread():
            t, _ = model.leave_one_out()
        return -float(np.nanmean((self._unwarped(t, warp) - values) ** 2))

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

    def _scores(self, t: np.ndarray, warp: Warp) -> np.ndarray:
        """Scores of what a model predicts, (m,)."""
        return -self.content.sign * self._unwarped(t, warp)

    def _unwarped(self, t: np.ndarray, warp: Warp) -> np.ndarray:
        """Values of what a model predicts, (m,): not far beyond the worst, as exponentials are."""
        with np.errstate(over="ignore"):
            return np.minimum(warp.inverse(t), self._highest)


def what_lacks(content: Content) -> str:
    """Why there can be no model of the scores; "" if there can."""
    found = content.expected[np.isfinite(content.expected)]
    if len(found) >= LEAST and np.ptp(found) > 0:
        return ""
    return (
        f"a model of the scores needs {LEAST} trials with scores that differ, but of "
        f"{len(content)} trials {len(found)} have one, and {len(np.unique(found))} of these differ"
    )


def some(values: np.ndarray) -> np.ndarray:
    """Rows of values, (n,), that a model is made of: of many the best, and as many others.

    The time to fit grows with the cube of their number.
    """
    order = np.argsort(values, kind="stable")
    best, others = np.split(order, [MOST_FITTED // 2])
    drawn = np.random.default_rng(0).permutation(others)[: MOST_FITTED - len(best)]
    return np.sort(np.concatenate([best, drawn]))


def capped(values: np.ndarray) -> np.ndarray:
    """Values, (n,), in which what is out of all proportion counts as three times the spread.

    To tell a model that is of no use from one a thousand times worse is of no use, either, and
    would be all that there is to see. The spread is from the lowest to the 0.9 quantile.
    """
    lowest = values.min()
    spread = np.quantile(values, 0.9) - lowest
    return np.minimum(values, lowest + IN_PROPORTION * spread) if spread > 0 else values


def _starts(n: int) -> range:
    return range(0, max(n, 1), CHUNK)
