"""Candidates through scikit-learn's cross-validation, a round at a time.

scikit-learn formats all results after every call, and raises where all fits of a call fail. Here
its records of the fits are kept as they are, those that it drops are put back, and all are
formatted once, when the search is over.
"""

import re
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection._search import BaseSearchCV


class Evaluation:
    """What a running search has seen.

    Parameters
    ----------
    search : BaseSearchCV
        The search whose ``fit`` is running.
    evaluate_candidates : callable
        What ``fit`` handed to ``_run_search``; it returns ``{"fits": records of all fits}``.
    context : CallbackContext
        Parent of the candidates' contexts.

    Attributes
    ----------
    candidates : list of dict
        In order of evaluation.
    scores : list of float
        Their mean test scores.
    n_splits : int
        Number of splits.
    callback_stops : bool
        Whether one of scikit-learn's callbacks asked for an end.
    starts_inside : bool
        Whether the first candidate lies in the search space.
    """

    def __init__(
        self, search: BaseSearchCV, evaluate_candidates: Callable[..., dict], context: Any
    ) -> None:
        self.candidates: list[dict[str, Any]] = []
        self.scores: list[float] = []
        self.n_splits: int = search.n_splits_
        self.callback_stops = False
        self.starts_inside = True
        self.results: dict[str, Any] = {}
        self._search = search
        self._evaluate_candidates = evaluate_candidates
        self._context = context
        self._splits = _FrozenSplits(search._checked_cv_orig)
        self._fits: list[list[dict]] = []  # of each candidate: its splits, again if evaluated again
        self._rows: dict[int, int] = {}  # by the candidate's identity
        self._error: ValueError | None = None

    @property
    def fold_scores(self) -> np.ndarray:
        """Test scores, (n_candidates, n_splits)."""
        rows = [self._of_splits(fits).mean(axis=0) for fits in self._fits]
        return np.array(rows).reshape(-1, self.n_splits)

    @property
    def test_to_train(self) -> float:
        """Test rows for each training row, a mean over the splits; nan before the first round."""
        ratios = [_count(test) / _count(train) for train, test in self._splits.splits]
        return float(np.mean(ratios)) if ratios else np.nan

    def score(self, candidates: list[dict[str, Any]]) -> list[float]:
        """Mean test scores of candidates, whose folds run side by side; nan if a fold failed.

        A dict that was scored before is evaluated again, and its row becomes the mean.
        """
        n_splits = self.n_splits
        fits = self._evaluate(candidates)
        scores = []
        for i, candidate in enumerate(candidates):
            own = fits[i * n_splits : (i + 1) * n_splits]
            row = self._rows.setdefault(id(candidate), len(self._rows))
            if row == len(self._fits):
                self.candidates.append(candidate)
                self._fits.append([])
                self.scores.append(np.nan)
            self._fits[row].extend(own)
            self.scores[row] = float(self._of_splits(self._fits[row]).mean())
            scores.append(float(self._of_splits(own).mean()))
        return scores

    def finish(self) -> None:
        """Complete the results in place, for ``fit`` holds them already."""
        if self._error and not self.results:
            raise self._error
        failed_all = [all(map(_failed, fits)) for fits in self._fits]
        if len(failed_all) > 1 and all(failed_all[1:]) and not self.starts_inside:
            errors = (fit.get("fit_error") for fits in self._fits[1:] for fit in fits)
            said = self._error or next(error for error in errors if error)
            raise ValueError(
                "all fits of the candidates from the search space failed; only the estimator's own "
                f"configuration has scores. The first error was:\n{said}"
            )
        n_splits = self.n_splits
        complete = next(fit for fits in self._fits for fit in fits if "test_scores" in fit)
        failed = complete | {
            key: _replaced(complete[key], self._search.error_score)
            for key in ("test_scores", "train_scores")
            if key in complete
        }
        fits = [
            _averaged([failed | fit for fit in fits[split::n_splits]])
            for fits in self._fits
            for split in range(n_splits)
        ]
        results = BaseSearchCV._format_results(self._search, self.candidates, n_splits, fits)
        results["is_default"] = np.arange(len(self.candidates)) == 0
        self.results.clear()
        self.results.update(results)

    def _evaluate(self, candidates: list[dict[str, Any]]) -> list[dict]:
        """Records of the fits of a round: all splits of the first candidate, of the second, ..."""
        search, verbose = self._search, self._search.verbose
        contexts = [
            self._context.subcontext(
                task_name="candidate", max_subtasks=self.n_splits, sequential_subtasks=False
            ).call_on_fit_task_begin(estimator=search)
            for _ in candidates
        ]
        n_fits = len(candidates) * self.n_splits
        start = time.perf_counter()
        search.verbose = 0  # scikit-learn would print a line for each call, through the bar
        try:
            self.results = self._evaluate_candidates(
                candidates, cv=self._splits, callback_ctx=_Contexts(contexts, self.n_splits)
            )
        except ValueError as error:
            if search.error_score == "raise" or not re.match(
                r"\s*All the \d+ fits failed", str(error)
            ):
                raise
            warnings.warn(str(error), FitFailedWarning, stacklevel=2)
            self._error = self._error or error
            seconds = (time.perf_counter() - start) / n_fits
            return [{"fit_time": seconds, "score_time": 0.0} for _ in range(n_fits)]
        finally:
            search.verbose = verbose
            for context in contexts:
                self.callback_stops |= context.call_on_fit_task_end(estimator=search)
        fits = self.results["fits"][-n_fits:]
        scores = fits[0]["test_scores"]
        if callable(search.scoring) and isinstance(scores, dict):  # not known to fit until now
            search._check_refit_for_multimetric(scores)
        return fits

    def _of_splits(self, fits: list[dict]) -> np.ndarray:
        """Scores to optimise, (n_evaluations, n_splits)."""
        scores = [self._optimised(fit.get("test_scores")) for fit in fits]
        return np.array(scores, dtype="float64").reshape(-1, self.n_splits)

    def _optimised(self, scores: Any) -> float:
        """The score itself, or of several the one that ``refit`` names, or the first."""
        if scores is None:
            return self._search.error_score
        if isinstance(scores, dict):
            named = self._search.refit if isinstance(self._search.refit, str) else None
            return scores[named or next(iter(scores))]
        return scores


class _FrozenSplits:
    """A splitter that splits once and repeats itself."""

    def __init__(self, cv: Any) -> None:
        self.cv = cv
        self.splits: list = []

    def split(self, X: Any, y: Any = None, **params: Any) -> list:
        if not self.splits:
            self.splits = list(self.cv.split(X, y, **params))
        return self.splits


class _Contexts:
    """Hands the fits of a round, which scikit-learn counts through, to their candidates."""

    def __init__(self, candidates: list, n_splits: int) -> None:
        self.candidates = candidates
        self.n_splits = n_splits

    def subcontext(self, task_name: str, task_id: int) -> Any:
        candidate, split = divmod(task_id, self.n_splits)
        return self.candidates[candidate].subcontext(task_name=task_name, task_id=split)


def _failed(fit: dict) -> bool:
    return "test_scores" not in fit or fit.get("fit_error") is not None


def _count(rows: np.ndarray) -> int:
    """How many rows there are in indices or in a mask."""
    return int(np.count_nonzero(rows)) if np.asarray(rows).dtype == bool else len(rows)


def _replaced(scores: Any, value: float) -> Any:
    """The value, for each metric if there are several."""
    return dict.fromkeys(scores, value) if isinstance(scores, dict) else value


def _averaged(fits: list[dict]) -> dict:
    """The record of one split, from those of all evaluations of it."""
    if len(fits) == 1:
        return fits[0]
    first, mean = fits[0], {}
    for key in ("fit_time", "score_time", "test_scores", "train_scores"):
        if isinstance(first.get(key), dict):
            mean[key] = {name: np.mean([fit[key][name] for fit in fits]) for name in first[key]}
        elif key in first:
            mean[key] = np.mean([fit[key] for fit in fits])
    return first | mean
