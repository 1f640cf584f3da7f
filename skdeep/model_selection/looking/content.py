"""What there is to look at in a search, wherever it comes from."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from skdeep.model_selection.looking.scales import LONGEST, shortened
from skdeep.model_selection.spaces import Space
from skdeep.model_selection.trials.epochs import Halving

SCORED, FAILED, STOPPED = "scored", "failed", "stopped"


@dataclass(frozen=True)
class Content:
    """Trials of a search, in order, and what else it tells.

    Attributes
    ----------
    space : Space
        Where the trials lie.
    points : list of dict
        Their parameters by name; what is not there is left out.
    scores : ndarray of shape (n,)
        nan where there is none.
    expected : ndarray of shape (n,)
        The same, with what stopped trials would have had as far as their folds or epochs tell.
    states : list of str
        "scored", "failed" or "stopped": without all folds or epochs, be it for good or so far.
    notes : list of str
        Why it failed, or how far it came.
    folds : ndarray of shape (n, n_splits)
        Scores of the folds, nan where there is none; no columns without folds.
    seconds : ndarray of shape (n,)
        Time to fit all folds; nan where it is not known.
    is_default : ndarray of shape (n,), bool
        Whether the trial is the estimator's own configuration.
    best : int or None
        The trial that the search has chosen.
    greater_is_better : bool
        Which way scores are read.
    score_name : str
        What is scored, for axes and headings.
    facts : dict of str to str
        What was searched and how, in words.
    partial : dict of int to ndarray of shape (m, 2)
        Of trials with few epochs first: how many, and the score by then.
    losses : dict of int to ndarray of shape (n_epochs,)
        Mean loss by epoch, of rows held out if the network had any, else of those it learnt from;
        not all of a trial's are nan.
    honest : dict of str to float
        What the best is worth once the luck of the best is taken out: by name, the score.
    interval : tuple of float or None
        Of the first of these, 90 percent.
    caveats : list of str
        Why there is no honest score, where that is known.
    overtuning : DataFrame or None
        A row for each incumbent: ``candidate``, ``mean_test_score`` and ``holdout_score``.
    estimator : estimator or None
        What the parameters are for.
    """

    space: Space
    points: list[dict[str, Any]]
    scores: np.ndarray
    expected: np.ndarray
    states: list[str]
    notes: list[str]
    folds: np.ndarray
    seconds: np.ndarray
    is_default: np.ndarray
    best: int | None
    greater_is_better: bool
    score_name: str
    facts: dict[str, str]
    partial: dict[int, np.ndarray] = field(default_factory=dict)
    losses: dict[int, np.ndarray] = field(default_factory=dict)
    honest: dict[str, float] = field(default_factory=dict)
    interval: tuple[float, float] | None = None
    caveats: list[str] = field(default_factory=list)
    overtuning: pd.DataFrame | None = None
    estimator: Any = None

    def __len__(self) -> int:
        return len(self.points)

    @property
    def sign(self) -> int:
        """What turns a score into one of which more is better."""
        return 1 if self.greater_is_better else -1

    @property
    def is_scored(self) -> np.ndarray:
        """Which trials have a score, (n,)."""
        return np.isfinite(self.scores)

    @property
    def best_so_far(self) -> np.ndarray:
        """The best score up to each trial, (n,); nan before the first."""
        worst = np.where(self.is_scored, self.sign * self.scores, -np.inf)
        best = np.maximum.accumulate(worst) if len(self) else worst
        return np.where(np.isfinite(best), self.sign * best, np.nan)

    @cached_property
    def U(self) -> np.ndarray:
        """The trials as coordinates of the space, (n, n_dimensions)."""
        rows = [[*p.values()] if self.space.unnamed else p for p in self.points]
        U = np.array([self.space.encode(row) for row in rows])
        U = U.reshape(len(rows), len(self.space.dimensions))
        for i in np.flatnonzero(np.isnan(U).any(axis=1)):
            self.space.check(rows[i])  # says what has no place
        return U.clip(0, 1)

    def label(self, name: str, partner: str = "") -> str:
        """A dimension's name, or a pair's, without the path unless another ends alike; short."""
        if partner:
            return f"{self.label(name)} \N{MULTIPLICATION SIGN} {self.label(partner)}"
        if not name:
            return "sub-space"
        short = " ".join(name.rpartition("__")[2].split()) or name
        alike = [other for other in self.space.dimensions if other.rpartition("__")[2] == short]
        return shortened(short if len(alike) == 1 else name, LONGEST)


def expected_by_folds(scores: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Scores, (n,), with what trials that lack some folds, (n, n_splits), would have had.

    All see the same folds: what lacks is as hard for a trial as for those that had it.
    """
    complete = folds[np.isfinite(folds).all(axis=1)]
    hardness = complete.mean(axis=0) if len(complete) else np.zeros(folds.shape[1])
    known = np.isfinite(folds)
    some = np.isnan(scores) & known.any(axis=1)
    apart = np.where(known, folds - hardness, 0.0).sum(axis=1) / known.sum(axis=1).clip(1)
    return np.where(some, apart + (hardness.mean() if len(complete) else 0.0), scores)


def expected_by_epochs(scores: np.ndarray, partial: dict[int, np.ndarray]) -> np.ndarray:
    """Scores, (n,), with what trials that lack epochs would have had, as the search reckons."""
    n_parts = max(map(len, partial.values()), default=0)
    halving = Halving([curve[:, 1] for curve in partial.values()], n_parts)
    expected = scores.copy()
    for i in partial.keys() & set(np.flatnonzero(np.isnan(scores)).tolist()):
        expected[i], _ = halving.expected(partial[i][:, 1:])
    return expected
