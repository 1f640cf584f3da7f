"""When a search is done before all of its candidates are.

    BayesSearchCV(model, n_iter=200, stop=Plateau(patience=20))
    BayesSearchCV(model, n_iter=200, stop=RegretBound())

A rule is any object with ``reached(seen, optimizer)``, which is asked before each proposal, the
first too. Of what the search has seen it finds ``seen.scores``, the mean test score of each
candidate, nan where a fold failed or was lost (in races, and with few epochs first, in most
candidates); ``seen.fold_scores`` and ``seen.fit_seconds``, (n_candidates, n_splits);
``seen.n_splits``; and ``seen.test_to_train``, test rows for each training row. The ``optimizer`` is
what proposes.
"""

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from skdeep.model_selection.optimizer import UNGUIDED
from skdeep.model_selection.trials.evaluation import History
from skdeep.persistence import saved


@saved
@dataclass(frozen=True)
class Plateau:
    """Stop once the best score has not risen for a while.

    Parameters
    ----------
    patience : int, default=10
        How many candidates may come in a row without a gain.
    tolerance : float, default=0.0
        A gain is a rise by more than this, in the unit of the score.
    """

    patience: int = 10
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        _check_count("patience", self.patience)
        if not isinstance(self.tolerance, Real) or not self.tolerance >= 0:
            raise ValueError(f"tolerance must be at least 0, but is {self.tolerance!r}.")

    def reached(self, seen: History, optimizer: Any) -> bool:
        """Whether none of the last ``patience`` candidates was a gain."""
        # A failure, or minus infinity, is no score; from none to one is a gain.
        scores = np.where(np.isfinite(seen.scores), seen.scores, -np.inf)
        if len(scores) <= self.patience:
            return False
        now, before = scores.max(), scores[: -self.patience].max()
        return bool(now == before or now - before <= self.tolerance)


@saved
@dataclass(frozen=True)
class RegretBound:
    """Stop once what is left to gain is less than what cross-validation can tell.

    The surrogate bounds the regret: the lowest upper confidence bound of the points that were
    evaluated, minus the lowest lower one of the whole space [1]_. To make it smaller than the
    standard error of the best candidate's score means to choose by chance. Of scores s_1, ..., s_k
    of k folds that error is

        sqrt((1 / k + n_test / n_train) var(s)),

    as folds share training rows [2]_.

    Parameters
    ----------
    min_candidates : int, default=20
        Candidates before the bound is trusted: of a few points the surrogate may be too sure.

    References
    ----------
    .. [1] Makarova et al. Automatic termination for hyperparameter optimization. AutoML, 2022.
    .. [2] Nadeau, Bengio. Inference for the generalization error. Machine Learning 52, 2003.
    """

    min_candidates: int = 20

    def __post_init__(self) -> None:
        _check_count("min_candidates", self.min_candidates)

    def reached(self, seen: History, optimizer: Any) -> bool:
        """Whether the bound is at most the standard error."""
        if not hasattr(optimizer, "regret_bound"):
            raise TypeError(
                f"RegretBound needs a Gaussian process's bounds of the score, but "
                f"{type(optimizer).__name__} has none; stop by Plateau, or search with "
                f"BayesSearchCV."
            )
        if getattr(optimizer, "surrogate", None) in UNGUIDED:
            raise ValueError(
                f"RegretBound needs a surrogate that bounds the score, but {optimizer.surrogate!r} "
                "is none; stop by Plateau, or take surrogate='gp'."
            )
        if seen.n_splits < 2:
            raise ValueError(
                "RegretBound compares with the spread over the folds, but cv has one split only; "
                "stop by Plateau, or pass more splits."
            )
        if np.isfinite(seen.scores).sum() < self.min_candidates:
            return False
        folds = seen.fold_scores[np.nanargmax(seen.scores)]
        error = np.sqrt((1 / len(folds) + seen.test_to_train) * folds.var(ddof=1))
        return bool(optimizer.regret_bound() <= error)


def _check_count(name: str, value: Any) -> None:
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be an integer of at least 1, but is {value!r}.")
