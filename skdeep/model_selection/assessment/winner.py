"""What a search tells of its winner besides ``best_score_``: how much of that was luck.

``Assessed`` is a part of the search classes; what is absent says why.
"""

import warnings
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t

from skdeep.exceptions import WithinNoiseWarning
from skdeep.model_selection.assessment.correction import Chooser, Correction, corrected
from skdeep.model_selection.assessment.out_of_fold import OutOfFold
from skdeep.persistence import saved

ONE_IN_TWENTY = 0.05  # how often noise may pass for a gain


@saved
@dataclass(frozen=True)
class HeldOut:
    """What rows tell that a search did not see.

    Parameters
    ----------
    indices : ndarray of int
        The rows.
    score : float
        Of the winner.
    leaders : ndarray of int
        Rows of all candidates that were the best for a time.
    means, scores : ndarray of float
        Their mean test scores, and their scores on the rows held out.
    """

    indices: np.ndarray
    score: float
    leaders: np.ndarray
    means: np.ndarray
    scores: np.ndarray

    @property
    def overtuning(self) -> pd.DataFrame:
        """A row for each leader."""
        return pd.DataFrame(
            {
                "candidate": self.leaders,
                "mean_test_score": self.means,
                "holdout_score": self.scores,
            }
        )


class Assessed:
    """Attributes of a fitted search that say what its best score is worth."""

    _correction: Correction | str
    _held_out: HeldOut | str

    @property
    def best_score_corrected_(self) -> float:
        """The best score without its estimated optimism (BBC-CV)."""
        return self._known("best_score_corrected_", "_correction").score

    @property
    def best_score_interval_(self) -> tuple[float, float]:
        """Where that score lies in nine of ten cases."""
        return self._known("best_score_interval_", "_correction").interval

    @property
    def holdout_score_(self) -> float:
        """Score of the best candidate on the rows held out."""
        return self._known("holdout_score_", "_held_out").score

    @property
    def holdout_indices_(self) -> np.ndarray:
        """The rows held out, (n_held,)."""
        return self._known("holdout_indices_", "_held_out").indices

    @property
    def overtuning_(self) -> pd.DataFrame:
        """Both scores of all candidates that were the best for a time."""
        return self._known("overtuning_", "_held_out").overtuning

    def _known(self, name: str, kept: str) -> Any:
        value = vars(self).get(kept, "the search is not fitted")
        if isinstance(value, str):
            raise AttributeError(f"{name} is absent: {value}.")
        return value


def correction_of(
    history: Any,
    rows: list[int],
    winner: int,
    choose: Chooser,
    units: np.ndarray,
    seed: int,
) -> Correction | str:
    """The corrected score of a winner, by its row; or why there is none.

    ``rows`` are those of all candidates that could have won, which ``choose`` is for.
    """
    predictions = history.predictions
    if not isinstance(predictions, OutOfFold):
        return predictions
    if any(map(history.has_failed, rows)):
        return "error_score stands in for fits that failed, which predict nothing"
    counts = history.n_evaluations
    if any(predictions.n_parts(row) < history.n_splits * counts[row] for row in rows):
        return "predictions of some candidates were not kept"
    rng = np.random.default_rng(seed)
    scores = np.array(history.scores)[rows]
    return corrected(predictions, rows, scores, rows.index(winner), choose, units, rng)


def scored(history: Any) -> list[int]:
    """Rows of the candidates that have a score."""
    return np.flatnonzero(np.isfinite(history.scores)).tolist()


def most_evaluated(history: Any) -> list[int]:
    """Those of them that were evaluated most often."""
    rows, counts = scored(history), history.n_evaluations
    most = max((counts[row] for row in rows), default=0)
    return [row for row in rows if counts[row] == most]


def warn_if_within_noise(history: Any, winner: int) -> None:
    """Say so where the winner is no better than the default, as far as its folds can tell.

    The standard error of a mean difference over K folds, whose training rows overlap, is the root
    of (1/K + n_test/n_train) s^2, s^2 the variance of the differences; in its units the difference
    has Student's distribution with K - 1 degrees of freedom [1]_.

    References
    ----------
    .. [1] Nadeau, Bengio. Inference for the generalization error. Machine Learning 52, 2003.
    """
    rows = [row for row, c in enumerate(history.candidates) if c is history.default]
    if not rows or rows[0] == winner or history.n_splits < 2:
        return
    differences = history.fold_scores[winner] - history.fold_scores[rows[0]]
    if not np.isfinite(differences).all():
        return
    scale = 1 / history.n_splits + history.test_to_train
    gain, error = differences.mean(), np.sqrt(scale * differences.var(ddof=1))
    if gain <= t.isf(ONE_IN_TWENTY, history.n_splits - 1) * error:
        warnings.warn(
            f"the best candidate scores {gain:.3g} above the estimator's own configuration, and "
            f"the standard error of that difference is {error:.3g}: noise may have decided. More "
            "rows or folds would tell; if in doubt, keep the estimator as it was.",
            WithinNoiseWarning,
            stacklevel=6,
        )


def incumbents(scores: list[float]) -> list[int]:
    """Rows of the candidates that were the best when they came, and could have won."""
    best, rows = -np.inf, []
    for row, score in enumerate(scores):
        if best < score < np.inf:
            best = score
            rows.append(row)
    return rows


def held_out(history: Any, work: Any, winner: int, estimator: Any) -> HeldOut:
    """Scores on held-out rows: of the winner as it was fitted, if it was, and of its predecessors.

    A predecessor costs a fit. An interrupt leaves out those that are to come.
    """
    leaders = incumbents(history.scores)
    fitted = {} if estimator is None else {winner: estimator}
    scores: dict[int, float] = {}
    with suppress(KeyboardInterrupt):
        for row in dict.fromkeys([winner, *leaders]):
            scores[row] = work.score_of(
                work.score_held(fitted[row])
                if row in fitted
                else work.fit_held(history.candidates[row])
            )
    return HeldOut(
        work.held,
        float(scores.get(winner, np.nan)),
        np.array(leaders),
        np.array([history.scores[row] for row in leaders]),
        np.array([scores.get(row, np.nan) for row in leaders]),
    )
