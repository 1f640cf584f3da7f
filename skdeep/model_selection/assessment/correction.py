"""What the best of many candidates scores on rows that did not choose it.

The highest of many scores is partly luck. Of B bootstrap resamples of the rows, each chooses its
best candidate c_b by the rows that it drew, whose score on the others, O_b(c_b), owes nothing to
the choice: BBC-CV [1]_. With c the winner of the search and S(c) its score there,

    corrected = S(c) + 1/B sum_b (O_b(c_b) - O_b(c)).

Its last term takes out what the other rows, being few, change of a score, and most of the error of
B; [1]_ has the mean of O_b(c_b) alone. All are means over the splits, as S is. If one candidate
wins in every resample, nothing is corrected. The interval is that of the quantiles of O_b(c_b),
moved by S(c) - 1/B sum_b O_b(c), as far as a score can be: wide, for a third of the rows is few,
which stands in for what other training rows would change.

.. [1] Tsamardinos, Greasidou, Borboudakis. Bootstrapping the out-of-sample predictions for
   efficient and accurate cross-validation. Machine Learning 107, 2018.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from skdeep.model_selection.assessment.out_of_fold import OutOfFold
from skdeep.persistence import saved

N_RESAMPLES = 1000
LEAST_RESAMPLES = 100
MANY_ROWS = 10_000  # of which fewer resamples tell as much
MANY_SORTED_ROWS = 4_000  # the same, of those that a score has to sort
N_ONE_BY_ONE = 200  # of scores that are computed one by one
LEAST_ONE_BY_ONE = 40
MOST_CALLS = 5000  # of a metric, each as long as that of so many rows:
ROWS_A_CALL = 1000
N_FIRST = 20  # after which candidates that are far behind have no more
FAR = 5.0  # standard deviations of the difference
CHUNK = 2**19  # weights at once

Chooser = Callable[[np.ndarray], np.ndarray]  # scores, (n_resamples, n_candidates): the chosen


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
    scores: np.ndarray,
    winner: int,
    choose: Chooser,
    units: np.ndarray,
    rng: np.random.Generator,
) -> Correction | str:
    """The corrected score of a winner; or why there is none.

    Parameters
    ----------
    predictions : OutOfFold
        Of all candidates.
    candidates : sequence of int
        Those that could have won.
    scores : ndarray of shape (n_candidates,)
        What they scored in the search.
    winner : int
        Position in ``candidates`` of the one that did.
    choose : callable
        The rule that chose it.
    units : ndarray of int, (n_samples,)
        What is resampled: of each row the row itself, or its group.
    rng : numpy Generator
        What draws.
    """
    n_resamples, n_kept = _affordable(predictions, candidates, len(units))
    if n_kept < 2 <= len(candidates):
        return "there are too many rows or splits for a metric that is computed one by one"
    # Of those that cannot be looked at, the last ones win the least.
    ahead = np.argsort(-scores, kind="stable")
    kept = np.sort(np.append(ahead[ahead != winner][: n_kept - 1], winner))
    chosen, fixed = [], []
    for i, weights in enumerate(_resamples(units, n_resamples, rng)):
        drawn = predictions.scores([candidates[c] for c in kept.tolist()], weights)
        picks = choose(_filled(drawn, scores, kept))
        if i == 0:
            kept = kept[_contenders(drawn, kept.tolist().index(winner))]
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
        return "there are too few rows of some class to score a part of them"
    shift = scores[winner] - same[usable].mean()
    low, high = np.quantile(found[usable], [0.05, 0.95]) + shift
    score = found[usable].mean() + shift
    score, low, high = np.clip([score, min(low, score), max(high, score)], *predictions.bounds)
    return Correction(float(score), (float(low), float(high)))


def _affordable(
    predictions: OutOfFold, candidates: Sequence[int], n_samples: int
) -> tuple[int, int]:
    """How many resamples there are to be, and how many candidates they choose from."""
    n = len(candidates)
    if predictions.is_quick:
        sorts = predictions.n_sorts
        many = MANY_SORTED_ROWS / sorts if sorts else MANY_ROWS
        return max(int(N_RESAMPLES * min(1, many / n_samples)), LEAST_RESAMPLES), n
    calls = max(map(predictions.n_parts, candidates)) + n_samples / ROWS_A_CALL
    n_kept = min(int(MOST_CALLS / (LEAST_ONE_BY_ONE * calls)) - 2, n)  # two are scored besides
    return min(int(MOST_CALLS / (calls * (max(n_kept, 1) + 2))), N_ONE_BY_ONE), n_kept


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


def _filled(drawn: np.ndarray, scores: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Scores of all candidates on resamples, of which some were computed, (n_resamples, n_kept).

    The others are where they are on all rows, moved as the computed ones are: what an easy
    resample does to one it does to all.
    """
    known = np.isfinite(drawn)
    moved = np.where(known, drawn - scores[kept], 0.0).sum(axis=1) / known.sum(axis=1).clip(1)
    filled = scores + moved[:, None]
    filled[:, kept] = np.where(known, drawn, filled[:, kept])
    return filled


def _contenders(scores: np.ndarray, winner: int) -> np.ndarray:
    """Candidates that further resamples could choose, by the first of them."""
    lead = scores[:, [winner]] - scores
    return np.flatnonzero(~(lead.mean(axis=0) > FAR * lead.std(axis=0, ddof=1)))
