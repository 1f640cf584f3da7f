"""Evidence that a stream of numbers has changed, with a promise about false alarms.

Row t takes rank r_t among itself and all rows before it. While nothing changes, these sequential
ranks are independent and uniform, whatever the distribution [1]_: so normal scores z = F^-1(r / t)
are standard normal, F the normal distribution. A bet that they have become N(d, s^2) pays

    e_t = P(N(d, s^2) in I_t) / P(N(0, 1) in I_t),   I_t = F^-1([r_t - 1, r_t] / t),

whose mean is 1 while nothing changes. Equal values share one interval, so that a loss of 0 or 1 is
bet on like a coin. The sum of what all bets begun at the rows so far are worth, the statistic of
Shiryaev and Roberts [2]_, [3]_,

    R_t = e_t (R_{t-1} + 1),

then grows by 1 a row on average, and so does its mean over several (d, s) and several columns. An
alarm at R >= A comes after A rows or later, on average. The e-detectors of [4]_ are of this kind.

Rows of a stream depend on each other. What counts is how much more sums of b successive scores vary
than b times one score; log e_t is divided by the largest such ratio over b, seen in the first rows.

.. [1] Gordon, Pollak. A robust surveillance scheme for stochastically ordered alternatives. Annals
   of Statistics 23(4), 1995.
.. [2] Shiryaev. On optimum methods in quickest detection problems. Theory of Probability and Its
   Applications 8, 1963.
.. [3] Roberts. A comparison of some control chart procedures. Technometrics 8(3), 1966.
.. [4] Shin, Ramdas, Rinaldo. E-detectors: a nonparametric framework for sequential change
   detection. New England Journal of Statistics in Data Science 2(2), 2024.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import rankdata

from skdeep.persistence import saved

# (d, s): that losses have grown, and that a column has moved or its spread has changed.
LARGER = np.array([(d, 1.0) for d in (0.125, 0.25, 0.5, 1.0, 2.0)])
OTHER = np.array([(d, 1.0) for d in (-2, -1, -0.5, -0.25, 0.25, 0.5, 1, 2)] + [(0, 0.5), (0, 2)])
N_GROUPS, LEAST_IN_GROUP = 8, 25
LEAST = 50  # independent rows
CHUNK = 256  # rows that are compared with each other


@saved
@dataclass(frozen=True)
class Evidence:
    """What speaks for a change after some rows; :meth:`after` returns it after more.

    A Shiryaev-Roberts e-detector for each column and each bet, and their mean.

    Parameters
    ----------
    reference : ndarray of shape (n_rows, n_columns)
        Rows to rank among, in the order of time; new ones join them up to ``limit``.
    ordered : tuple of ndarray of shape (n_in_group, n_columns)
        The same by groups, each column sorted: a row ranks among those of its group.
    edges : ndarray of shape (n_groups - 1,)
        Bounds of the groups: of what makes rows alike, (n_rows,), such as how hard each is.
    bets : ndarray of shape (n_bets, 2)
        Pairs (d, s).
    dependence : ndarray of shape (n_columns,)
        Divides log e.
    limit : int
        The most rows in the reference, and in ``recent``.
    recent : ndarray of shape (n_recent, n_columns)
        Rows after the reference that it began with.
    n_first, n : int
        Number of rows in that reference, and after it.
    total, log_r, low, low_at : ndarray of shape (n_columns, n_bets)
        The sum of log e; log R; the least sum so far, and after which row that was.
    path : ndarray of shape (n_last,)
        Log of the mean R, after each of the rows added last.
    """

    reference: np.ndarray
    ordered: tuple[np.ndarray, ...]
    edges: np.ndarray
    bets: np.ndarray
    dependence: np.ndarray
    limit: int
    recent: np.ndarray
    n_first: int
    n: int
    total: np.ndarray
    log_r: np.ndarray
    low: np.ndarray
    low_at: np.ndarray
    path: np.ndarray

    @classmethod
    def begin(cls, reference, bets, limit, alike=None, dependence=None) -> "Evidence":
        """No evidence yet, against ``reference``, (n_rows, n_columns), in the order of time.

        ``alike``, (n_rows,), makes the groups; None is one group.
        """
        reference = reference[-limit:]
        n_rows, n_columns = reference.shape
        alike = np.zeros(n_rows) if alike is None else alike[-limit:]
        n_groups = np.clip(n_rows // LEAST_IN_GROUP, 1, N_GROUPS)
        edges = np.unique(np.quantile(alike, np.arange(1, n_groups) / n_groups))
        groups = np.searchsorted(edges, alike)
        if dependence is None:
            squares = len(np.unique(bets[:, 1])) > 1  # bets on the spread sum those
            scores = normal_scores(reference, groups)
            dependence = np.array([dependence_of(z, squares) for z in scores.T])
        zero = np.zeros((n_columns, len(bets)))
        return cls(
            reference=reference,
            ordered=tuple(np.sort(reference[groups == g], axis=0) for g in range(len(edges) + 1)),
            edges=edges,
            bets=bets,
            dependence=dependence,
            limit=limit,
            recent=reference[:0],
            n_first=n_rows,
            n=0,
            total=zero,
            log_r=zero - np.inf,
            low=zero,
            low_at=zero.astype(int),
            path=np.empty(0),
        )

    def anew(self, n_since: int) -> "Evidence":
        """No evidence yet, against the last rows; of one group, as those may be few."""
        since = self.recent[-n_since:]
        return Evidence.begin(since, self.bets, self.limit, dependence=self.dependence)

    def after(self, values: np.ndarray, alike: np.ndarray | None = None) -> "Evidence":
        """The evidence after further rows, (n, n_columns), in the order of time."""
        alike = np.zeros(len(values)) if alike is None else alike
        state = replace(self, path=np.empty(0))
        for i in range(0, len(values), CHUNK):
            state = state._after(values[i : i + CHUNK], alike[i : i + CHUNK])
        return state

    def _after(self, values: np.ndarray, alike: np.ndarray) -> "Evidence":
        groups = np.searchsorted(self.edges, alike)
        low, high = sequential_ranks(self.ordered, values, groups)
        log_e = log_bets(low, high, self.bets) / self.dependence[:, None]
        log_e[:, len(self.reference) < self.n_needed()] = 0.0
        # R_t = exp(S_t) (R_0 + sum_{k < t} exp(-S_k)), with sums S of log e, in logarithms.
        sums = np.cumsum(log_e, axis=0)
        before = np.concatenate([np.zeros_like(sums[:1]), sums[:-1]])
        begun = np.logaddexp.accumulate(np.concatenate([self.log_r[None], -before]))[1:]
        log_r = sums + begun
        totals = self.total + before
        least = totals.min(axis=0)
        # The last of equal ones: while a column is constant, no bet gains or loses.
        lowest = len(totals) - 1 - totals[::-1].argmin(axis=0)
        is_lower = least <= self.low
        path = np.logaddexp.reduce(log_r, axis=(1, 2)) - np.log(log_r[0].size)
        joining, ordered = values[: max(self.limit - len(self.reference), 0)], self.ordered
        if len(joining):
            parts = (joining[groups[: len(joining)] == g] for g in range(len(ordered)))
            ordered = tuple(map(merged, ordered, parts))
        return replace(
            self,
            reference=np.concatenate([self.reference, joining]),
            ordered=ordered,
            recent=np.concatenate([self.recent, values])[-self.limit :],
            n=self.n + len(values),
            total=self.total + sums[-1],
            log_r=log_r[-1],
            low=np.where(is_lower, least, self.low),
            low_at=np.where(is_lower, self.n + lowest, self.low_at),
            path=np.concatenate([self.path, path]),
        )

    def n_needed(self) -> np.ndarray:
        """How many rows it takes in the reference before bets pay, (n_columns,)."""
        return LEAST * self.dependence

    def change(self) -> tuple[int, int]:
        """The column that speaks loudest, and how many rows ago it likeliest changed."""
        rise = self.total - self.low
        column, bet = np.unravel_index(rise.argmax(), rise.shape)
        return int(column), int(self.n - self.low_at[column, bet])

    def before_and_after(self, n_since: int, column: int) -> tuple[np.ndarray, np.ndarray]:
        """A column of the kept rows before the last few, and of those, each (n,)."""
        before = self.reference[: self.n_first + self.n - n_since, column]
        return before, self.recent[-n_since:, column]


def sequential_ranks(ordered, values, groups):
    """Shares of rows below each value and up to it, in its group: two of (n, n_columns).

    Counted are those of the group in ``ordered``, those of ``values`` that come before, and itself.
    """
    low, high = np.zeros(values.shape), np.zeros(values.shape)
    for group in np.unique(groups):
        here = groups == group
        new, old = values[here], ordered[group]
        for j in range(values.shape[1]):
            low[here, j] = np.searchsorted(old[:, j], new[:, j], "left")
            high[here, j] = np.searchsorted(old[:, j], new[:, j], "right")
        earlier = np.tri(len(new), dtype=bool)[..., None]
        n = len(old) + np.arange(1.0, len(new) + 1)[:, None]
        low[here] = (low[here] + ((new < new[:, None]) & earlier).sum(axis=1)) / n
        high[here] = (high[here] + ((new <= new[:, None]) & earlier).sum(axis=1)) / n
    return low, high


def merged(ordered: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Each column sorted, with further values."""
    if not len(values):
        return ordered
    # A stable sort takes what is in order already in one pass.
    return np.sort(np.concatenate([ordered, values]), axis=0, kind="stable")


def log_bets(low: np.ndarray, high: np.ndarray, bets: np.ndarray) -> np.ndarray:
    """log e, (n, n_columns, n_bets), of the intervals of ranks."""
    a, b = ndtri(low)[..., None], ndtri(high)[..., None]
    shift, scale = bets.T
    # From the side where less of the bet's distribution lies: there differences keep their digits.
    flip = a > 2 * shift - b
    a, b = np.where(flip, 2 * shift - b, a), np.where(flip, 2 * shift - a, b)
    share = ndtr((b - shift) / scale) - ndtr((a - shift) / scale)
    return np.log(np.maximum(share, 1e-300) / (high - low)[..., None])


def normal_scores(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Quantiles of the normal distribution at the ranks in each group, (n, n_columns)."""
    scores = np.empty(values.shape)
    for group in np.unique(groups):
        own = values[groups == group]
        scores[groups == group] = ndtri((rankdata(own, axis=0) - 0.5) / len(own))
    return scores


def dependence_of(z: np.ndarray, squares: bool = False) -> float:
    """How much more sums of successive scores vary than if they were independent; at least 1.

    The largest ratio over lengths of 1, 2, 4, ... up to a 16th of the scores; with ``squares``, of
    the squares of scores, too.
    """
    largest = 1.0
    for x in (z, z**2) if squares else (z,):
        sums = np.concatenate([[0.0], np.cumsum(x - x.mean())])
        for length in 2 ** np.arange(int(np.log2(max(len(z) // 16, 1))) + 1):
            if x.var() > 1e-12:
                spread = np.mean((sums[length:] - sums[:-length]) ** 2)
                largest = max(largest, spread / (length * x.var()))
    return float(largest)
