"""What the best of many candidates scores on rows that did not choose it.

The highest of many scores is partly luck. Of B bootstrap resamples of the rows, each chooses its
best candidate c_b by the rows that it drew, whose score on the others, O_b(c_b), owes nothing to
the choice [1]_. With c the winner of the search and S(c) its score on all rows,

    corrected = S(c) + 1/B sum_b (O_b(c_b) - O_b(c)).

Its last term takes out what the other rows, being few, change of a score such as R2, and most of
the error of B; [1]_ has the mean of O_b(c_b) alone. If one candidate wins in every resample,
nothing is corrected. The interval is that of the quantiles of O_b(c_b), moved by S(c) - 1/B sum_b
O_b(c): wide, for a third of the rows is few, which stands in for what other training rows would
change.

.. [1] Tsamardinos, Greasidou, Borboudakis. Bootstrapping the out-of-sample predictions for
   efficient and accurate cross-validation. Machine Learning 107, 2018.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from skdeep.model_selection.assessment.out_of_fold import OutOfFold
from skdeep.persistence import saved

N_RESAMPLES = 1000
N_ONE_BY_ONE = 200  # of scores that are computed one by one
N_FIRST = 20  # after which candidates that are far behind have no more
FAR = 5.0  # standard deviations of the difference
CHUNK = 2**19  # weights at once
MANY_ROWS = 10_000  # of which fewer resamples tell as much

Choice = Callable[[np.ndarray], np.ndarray]  # scores, (n_resamples, n_candidates): the chosen


@saved
@dataclass(frozen=True)
class Correction:
    """The score of a winner, corrected.

    Parameters
    ----------
    score : float
        Expected on new rows.
    interval : tuple of float
        Where it lies in nine of ten cases.
    """

    score: float
    interval: tuple[float, float]


def corrected(
    predictions: OutOfFold,
    candidates: Sequence[int],
    winner: int,
    choose: Choice,
    units: np.ndarray,
    rng: np.random.Generator,
) -> Correction | None:
    """The corrected score of a winner; None if too few resamples have a score.

    Parameters
    ----------
    predictions : OutOfFold
        Of all candidates.
    candidates : sequence of int
        Those that could have won.
    winner : int
        Position in ``candidates`` of the one that did.
    choose : callable
        The rule that chose it.
    units : ndarray of int, (n_samples,)
        What is resampled: of each row the row itself, or its group.
    rng : numpy Generator
        What draws.
    """
    n_samples = len(units)
    most = N_RESAMPLES if predictions.is_quick else N_ONE_BY_ONE
    n_resamples = max(int(most * min(1, MANY_ROWS / n_samples)), N_ONE_BY_ONE // 2)
    (whole,) = predictions.scores(candidates, np.ones((1, n_samples)))
    kept = np.arange(len(candidates))
    chosen, fixed = [], []
    for i, weights in enumerate(_resamples(units, n_resamples, rng)):
        drawn = np.full((len(weights), len(candidates)), np.nan)
        drawn[:, kept] = predictions.scores([candidates[c] for c in kept.tolist()], weights)
        if i == 0:
            kept = _contenders(drawn, winner)
        picks = choose(np.where(np.isfinite(drawn), drawn, whole))
        others = (weights == 0).astype(float)
        found = np.empty(len(picks))
        for pick in np.unique(picks):
            mine = picks == pick
            found[mine] = predictions.scores([candidates[int(pick)]], others[mine])[:, 0]
        chosen.append(found)
        fixed.append(predictions.scores([candidates[winner]], others)[:, 0])
    found, same = np.concatenate(chosen), np.concatenate(fixed)
    usable = np.isfinite(found) & np.isfinite(same)
    if usable.sum() < n_resamples / 2:
        return None
    shift = whole[winner] - same[usable].mean()
    low, high = np.quantile(found[usable], [0.05, 0.95]) + shift
    return Correction(float(found[usable].mean() + shift), (float(low), float(high)))


def _resamples(units: np.ndarray, n: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """How often each row is drawn, (n_resamples, n_samples), in chunks that add up to n."""
    n_units = int(units.max()) + 1
    size = N_FIRST
    while n > 0:
        size, n = min(size, n), n - size
        drawn = rng.integers(n_units, size=(size, n_units))
        counts = np.stack([np.bincount(each, minlength=n_units) for each in drawn])
        yield counts[:, units].astype(float)
        size = max(CHUNK // len(units), 1)


def _contenders(scores: np.ndarray, winner: int) -> np.ndarray:
    """Candidates that further resamples could choose, by the first of them."""
    lead = scores[:, [winner]] - scores
    return np.flatnonzero(~(lead.mean(axis=0) > FAR * lead.std(axis=0, ddof=1)))
