"""One candidate at a time through scikit-learn's cross-validation of many.

scikit-learn raises where all fits of one call fail, and leaves these candidates out of its results.
Here a call is one candidate, whose failure must not end the search: its row is put back at the end.
"""

import re
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from scipy.stats import rankdata
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection._search import BaseSearchCV, _yield_masked_array_for_each_param


class Evaluation:
    """Scores of candidates, for a running search.

    Parameters
    ----------
    search : BaseSearchCV
        The search whose ``fit`` is running.
    evaluate_candidates : callable
        What ``fit`` handed to ``_run_search``.
    context : CallbackContext
        Parent of the candidates' contexts.
    """

    def __init__(
        self, search: BaseSearchCV, evaluate_candidates: Callable[..., dict], context: Any
    ) -> None:
        self.search = search
        self.evaluate_candidates = evaluate_candidates
        self.context = context
        self.splits = _FrozenSplits(search._checked_cv_orig)
        self.results: dict[str, Any] = {}
        self.scores: list[float] = []
        self.failed: dict[int, tuple[dict, float]] = {}  # row: candidate, seconds a fold
        self.error: ValueError | None = None

    def score(self, candidate: dict[str, Any]) -> float:
        """Mean test score of a candidate; nan if a fold failed."""
        search, verbose = self.search, self.search.verbose
        context = self.context.subcontext(
            task_name="candidate", max_subtasks=search.n_splits_, sequential_subtasks=False
        ).call_on_fit_task_begin(estimator=search)
        start = time.perf_counter()
        search.verbose = 0  # scikit-learn would print a line for each call, through the bar
        try:
            with self._warn_of_nan_once():
                self.results = self.evaluate_candidates(
                    [candidate], cv=self.splits, callback_ctx=context
                )
            self.scores.append(self.results[self._metric()][-1])
        except ValueError as error:
            if search.error_score == "raise" or not re.match(
                r"\s*All the \d+ fits failed", str(error)
            ):
                raise
            warnings.warn(str(error), FitFailedWarning, stacklevel=2)
            seconds = (time.perf_counter() - start) / search.n_splits_
            self.failed[len(self.scores)] = candidate, seconds
            self.scores.append(np.nan)
            self.error = self.error or error
        finally:
            search.verbose = verbose
            context.call_on_fit_task_end(estimator=search)
        return self.scores[-1]

    def finish(self) -> None:
        """Complete the results in place, for ``fit`` holds them already."""
        if self.error and not self.results:
            raise self.error
        if self.failed:
            _insert_failures(self.results, self.failed, float(self.search.error_score))
        self.results["is_default"] = np.arange(len(self.results["params"])) == 0

    def _metric(self) -> str:
        """The column to optimise: of the metric that ``refit`` names, else of the first."""
        named = f"mean_test_{self.search.refit}"
        first = next(key for key in self.results if key.startswith("mean_test_"))
        return named if named in self.results else first

    @contextmanager
    def _warn_of_nan_once(self) -> Iterator[None]:
        """Each call of scikit-learn's warns of all scores so far that are not finite."""
        if np.isfinite(self.scores).all():
            yield  # the warning is due, or a change of filters not worth its side effects
            return
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "One or more of the test scores are non-finite")
            yield


class _FrozenSplits:
    """A splitter that splits once and repeats itself."""

    def __init__(self, cv: Any) -> None:
        self.cv = cv
        self.splits: list | None = None

    def split(self, X: Any, y: Any = None, **params: Any) -> list:
        if self.splits is None:
            self.splits = list(self.cv.split(X, y, **params))
        return self.splits


def _insert_failures(
    results: dict[str, Any], failed: dict[int, tuple[dict, float]], error_score: float
) -> None:
    """Add the rows of failed candidates to ``cv_results_``, in place."""
    before = [row - n_earlier for n_earlier, row in enumerate(failed)]  # as np.insert counts
    for row, (candidate, _) in failed.items():
        results["params"].insert(row, candidate)
    for key, column in results.items():
        if key == "mean_fit_time":
            filler: Any = [seconds for _, seconds in failed.values()]
        elif key.endswith("_time"):
            filler = 0.0
        elif key.startswith("std_"):
            filler = 0 * error_score
        elif key.startswith(("mean_", "split")):
            filler = error_score
        else:
            continue
        results[key] = np.insert(column, before, filler)
    results.update(_yield_masked_array_for_each_param(results["params"]))
    for key in [key for key in results if key.startswith("rank_")]:
        means = results[key.replace("rank_", "mean_", 1)]
        ranks = rankdata(-np.where(np.isnan(means), -np.inf, means), method="min")
        results[key] = ranks.astype(np.int32)
