"""Candidates through cross-validation, as scikit-learn does it, fit by fit.

``Work`` is what the fits of a search share; it travels to where they run. ``History`` is what has
come back. Scoring, routing, callbacks and the columns of ``cv_results_`` are scikit-learn's own.
"""

import warnings
from copy import copy
from itertools import chain, dropwhile
from numbers import Integral
from typing import Any

import numpy as np
from scipy.stats import rankdata
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.exceptions import FitFailedWarning
from sklearn.metrics._scorer import _MultimetricScorer
from sklearn.model_selection import check_cv
from sklearn.model_selection._search import BaseSearchCV
from sklearn.model_selection._validation import (
    _fit_and_score,
    _insert_error_scores,
    _score,
    _warn_or_raise_about_fit_failures,
)
from sklearn.utils import _safe_indexing, check_random_state, indexable
from sklearn.utils.validation import _check_method_params, _num_samples

from skdeep.exceptions import FitFailedError
from skdeep.hyperparameters import Declared
from skdeep.model_selection.assessment.holdout import hold_out
from skdeep.model_selection.assessment.out_of_fold import OutOfFold
from skdeep.model_selection.assessment.recording import (
    as_array,
    last_step,
    of_predictions,
    recording,
)
from skdeep.model_selection.assessment.splits import Splits
from skdeep.model_selection.trials.epochs import Epochs


class Work:
    """What the fits of a search share.

    Parameters
    ----------
    search : BaseSearchCV
        The search whose ``fit`` is running.
    X, y
        Data as they were given.
    params : dict
        What ``fit`` was given besides.

    Attributes
    ----------
    scorer : callable
        Of one metric or of several.
    refit_metric : str
        The column of ``cv_results_`` that decides.
    splits : Splits
        Training and test rows of each candidate.
    kept, held : ndarray of int or None
        Rows that are searched, and rows held out; None if all are searched.
    groups : array-like or None
        Groups of the rows, if the splitter was given any.
    predictive : _Scorer or str
        The metric that is optimised, as one of predictions; or why it is not.
    fit_params : dict
        What the estimator's ``fit`` takes besides.
    epochs : Epochs or None
        The parts in which a candidate's networks are trained, if they are.
    """

    def __init__(self, search: BaseSearchCV, X: Any, y: Any, params: dict[str, Any]) -> None:
        self.scorer, self.refit_metric = search._get_scorers()
        self.X, self.y = indexable(X, y)
        self.n_rows = _num_samples(self.X)
        params = _check_method_params(self.X, params=params)
        routed = search._get_routed_params_for_fit(params)
        splitter = check_cv(search.cv, self.y, classifier=is_classifier(search.estimator))
        search._checked_cv_orig = splitter
        search._check_input_parameters(X=self.X, y=self.y, split_params=routed.splitter.split)
        self.kept = self.held = None
        if search.holdout is not None:
            groups, seed = routed.splitter.split.get("groups"), _holdout_seed(search)
            self.kept, self.held = hold_out(search.holdout, splitter, self.X, self.y, groups, seed)
        given = self.X, self.y, routed.splitter.split, self.kept, search.resampling
        try:
            self.splits = Splits(splitter, *given)
        except ValueError as error:
            if self.kept is None:
                raise
            raise ValueError(
                f"{error} holdout={search.holdout} leaves {len(self.kept)} of {self.n_rows} rows "
                "to search; lower it if cv needs more."
            ) from error
        self.n_splits = self.splits.n
        self.groups = routed.splitter.split.get("groups")
        self.estimator = clone(search.estimator)
        self.fit_params = routed.estimator.fit
        self.score_params = routed.scorer.score
        self.epochs: Epochs | None = None
        self.error_score = search.error_score
        self.optimised = search.refit if isinstance(search.refit, str) else None
        self.predictive = of_predictions(self.scorer, self.optimised, self.estimator)
        if self.y is None:
            self.predictive = "there is no y"
        elif set(self.score_params) - {"sample_weight"}:
            self.predictive = "the scorer takes metadata"
        self.sample_weight = params.get("sample_weight")
        caller = copy(search)  # which travels, as executors cannot
        caller.executor = None
        self._settings = {
            "scorer": self.scorer,
            "fit_params": self.fit_params,
            "score_params": self.score_params,
            "return_train_score": search.return_train_score,
            "return_n_test_samples": True,
            "return_times": True,
            "return_parameters": False,
            "error_score": self.error_score,
            "verbose": search.verbose if search.verbose > 1 else 0,  # 1 is our own bar
            "caller": caller,
        }

    @property
    def searched(self) -> tuple[Any, tuple, dict[str, Any]]:
        """What the best candidate is fitted on: X, y if there is one, and what else fit takes."""
        X, y, params = self.X, () if self.y is None else (self.y,), self.fit_params
        if self.kept is None:
            return X, y, params
        parts = tuple(_safe_indexing(part, self.kept) for part in (X, *y))
        return parts[0], parts[1:], _check_method_params(X, params, indices=self.kept)

    @property
    def units(self) -> np.ndarray:
        """What a bootstrap draws, for each row: the row itself, or its group."""
        return (
            np.arange(self.n_rows)
            if self.groups is None
            else np.unique(self.groups, return_inverse=True)[1]
        )

    @property
    def for_callbacks(self) -> dict[str, Any]:
        """The data, as scikit-learn's callbacks are told of them."""
        weight = self.sample_weight
        metadata = None if weight is None else {"sample_weight": weight}
        return {"X": self.X, "y": self.y, "metadata": metadata}

    @property
    def n_parts(self) -> int:
        """How many fits a candidate has on a split, one after another."""
        return 1 if self.epochs is None else len(self.epochs.levels)

    @property
    def test_to_train(self) -> float:
        """Test rows for each training row, a mean over the splits."""
        splits = self.splits.of(0)
        return float(np.mean([_count(test) / _count(train) for train, test in splits]))

    def score_of(self, fit: dict[str, Any]) -> float:
        """The score that is optimised: of several the one that ``refit`` names, or the first.

        nan for a fit that was not made.
        """
        scores = fit.get("test_scores", np.nan)
        return scores[self.optimised or next(iter(scores))] if isinstance(scores, dict) else scores

    def failed(self, step: int, reason: str, seconds: float = 0.0) -> dict[str, Any]:
        """The record of a fit that ended without one."""
        if self.error_score == "raise":
            raise FitFailedError(f"a fit failed: {reason}")
        part, split = divmod(step, self.n_splits)
        scores = self.error_score
        if isinstance(self.scorer, _MultimetricScorer):
            scores = dict.fromkeys(self.scorer._scorers, scores)
        record = {
            "fit_error": reason,
            "test_scores": scores,
            "n_test_samples": _count(self.splits.of(0)[split][1]),
            "fit_time": seconds,
            "score_time": 0.0,
        }
        if self._settings["return_train_score"]:
            record["train_scores"] = scores
        return record if self.epochs is None else self.epochs.marked(record, split, part)

    def fit(
        self, trial: int, candidate: dict[str, Any], shuffle: int, step: int, context: Any
    ) -> dict[str, Any]:
        """The record of one fit: scores and times, as scikit-learn's, and predictions.

        The steps of a trial go through the splits, and then through those of the next part.
        """
        part, split = divmod(step, self.n_splits)
        rows = self.splits.of(shuffle)[split]
        if self.epochs is None:
            return self.fit_to(clone(self.estimator), candidate, split, rows, context)
        return self.epochs.fit(self, trial, candidate, split, part, rows, context)

    def fit_to(
        self,
        estimator: BaseEstimator,
        candidate: dict[str, Any],
        split: int,
        rows: tuple[np.ndarray, np.ndarray],
        context: Any,
    ) -> dict[str, Any]:
        """Fit an estimator with a candidate's parameters to training rows, and score it."""
        return self._fitted_and_scored(estimator, candidate, rows, (split, self.n_splits), context)

    def score_held(self, estimator: BaseEstimator) -> dict[str, Any]:
        """The scores of a fitted estimator on rows held out."""
        X, *y = (_safe_indexing(part, self.held) for part in (self.X, self.y) if part is not None)
        params = _check_method_params(self.X, self.score_params, indices=self.held)
        scores = _score(estimator, X, *(y or [None]), self.scorer, params, self.error_score)
        return {"test_scores": scores}

    def fit_held(self, candidate: dict[str, Any]) -> dict[str, Any]:
        """The record of a fit to the rows that are searched, scored on those held out."""
        rows = self.kept, self.held
        return self._fitted_and_scored(clone(self.estimator), candidate, rows, None, None)

    def _fitted_and_scored(
        self, estimator: BaseEstimator, candidate: Any, rows: Any, progress: Any, context: Any
    ) -> dict[str, Any]:
        train, test = rows
        settings, kept = self._settings, None
        if not isinstance(self.predictive, str):
            scorer, kept = recording(self.scorer, self.optimised, self.predictive)
            settings = settings | {"scorer": scorer}
        record = _fit_and_score(
            estimator,
            self.X,
            self.y,
            train=train,
            test=test,
            parameters=candidate,
            split_progress=progress,
            callback_ctx=context,
            **settings,
        )
        if kept is not None and kept.predictions is not None:
            record["predictions"] = as_array(kept.predictions)
        curve = _learning_curve(estimator)
        if curve:
            record["learning_curve"] = curve
        return record


class History:
    """What a search has seen.

    Parameters
    ----------
    search : BaseSearchCV
        The search.
    work : Work
        What its fits share.

    Attributes
    ----------
    candidates : list of dict
        In order of evaluation.
    scores : list of float
        Their mean test scores.
    curves : list of ndarray
        Their mean test scores after each part of the epochs that they had.
    n_splits : int
        Number of splits.
    test_to_train : float
        Test rows for each training row.
    default : dict or None
        The candidate that is the estimator's own configuration; None if it lies outside the space.
    predictions : OutOfFold or str
        What candidates predicted for the test rows of splits that count; or why it is not kept.
    """

    def __init__(self, search: BaseSearchCV, work: Work) -> None:
        self.candidates: list[dict[str, Any]] = []
        self.scores: list[float] = []
        self.curves: list[np.ndarray] = []
        self.n_splits = work.n_splits
        self.test_to_train = work.test_to_train
        self.default: dict[str, Any] | None = None
        self.predictions: OutOfFold | str = work.predictive
        if not isinstance(work.predictive, str):
            y, weight = as_array(work.y), work.score_params.get("sample_weight")
            self.predictions = "y holds neither numbers nor words only"
            if y is not None:
                self.predictions = OutOfFold(work.predictive, y, weight)
        self._search, self._work = search, work
        self._fits: list[list[dict]] = []  # of each candidate: its splits, again if evaluated again
        self._learning_curves: list[list[list[float] | None]] = []  # of each candidate's fits
        self._rows: dict[int, int] = {}  # by the candidate's identity
        self._error: ValueError | None = None

    @property
    def n_evaluations(self) -> list[int]:
        """How often each candidate was evaluated."""
        return [len(fits) // self.n_splits for fits in self._fits]

    def has_failed(self, row: int) -> bool:
        """Whether a fit of a candidate has, so that it has no predictions."""
        return any(map(_failed, self._fits[row]))

    @property
    def fold_scores(self) -> np.ndarray:
        """Test scores, (n_candidates, n_splits)."""
        rows = [self._of_splits(fits).mean(axis=0) for fits in self._fits]
        return np.array(rows).reshape(-1, self.n_splits)

    @property
    def fit_seconds(self) -> np.ndarray:
        """Seconds that fits have taken, (n_candidates, n_splits), means of what was made again.

        nan for those that were not made.
        """
        seconds = [[fit.get("fit_time", np.nan) for fit in fits] for fits in self._fits]
        rows = [np.reshape(row, (-1, self.n_splits)).mean(axis=0) for row in seconds]
        return np.array(rows).reshape(-1, self.n_splits)

    def add(self, candidate: dict[str, Any], steps: list[dict], shuffle: int = 0) -> float:
        """A candidate's mean test score by the records of its fits; nan if a fold failed.

        A record that is empty is of a fit that it lost, and then there is no mean.
        A dict that was added before was evaluated again, and its row becomes the mean.
        """
        fits = [_in_all(steps[split :: self.n_splits]) for split in range(self.n_splits)]
        if self._work.epochs is not None and any(_failed(fit) for fit in fits if fit):
            # Failing in the last part is no better than before, where error_score cannot stand in.
            fits = [fit | {"is_last": False} for fit in fits]
        self._look_at([fit for fit in fits if fit])
        row = self._rows.setdefault(id(candidate), len(self._rows))
        if row == len(self._fits):
            self.candidates.append(candidate)
            self._fits.append([])
            self.scores.append(np.nan)
            self._learning_curves.append([])
            self.curves.append(self._after_parts(steps))
        for (_, test), fit in zip(self._work.splits.of(shuffle), fits):
            self._learning_curves[row].append(fit.pop("learning_curve", None))
            predictions = fit.pop("predictions", None)
            if predictions is not None and isinstance(self.predictions, OutOfFold):
                self.predictions.add(row, np.arange(self._work.n_rows)[test], predictions)
        self._fits[row].extend(fits)
        self.scores[row] = float(self._of_splits(self._fits[row]).mean())
        return float(self._of_splits(fits).mean())

    def results(self) -> dict[str, np.ndarray]:
        """``cv_results_``."""
        made = [fit for fit in chain(*self._fits) if fit]
        if self._error and (
            all(map(_failed, made)) or (self._work.epochs and np.isnan(self.scores).all())
        ):
            raise self._error
        if callable(self._search.scoring):  # only its results tell which metrics there are
            _insert_error_scores(made, self._search.error_score)
        n_splits = self.n_splits
        fits = [
            _averaged(fits[split::n_splits])
            for fits in map(_completed, self._fits)
            for split in range(n_splits)
        ]
        with np.errstate(invalid="ignore"):  # infinite scores have no deviation
            results = BaseSearchCV._format_results(self._search, self.candidates, n_splits, fits)
        lost = np.array([[_is_lost(fit) for fit in fits[:n_splits]] for fits in self._fits])
        if lost.any():
            _mask(results, lost)
        results["n_splits"] = np.array([sum(map(bool, fits[:n_splits])) for fits in self._fits])
        reasons = [next(filter(None, map(reason, filter(None, fits))), "") for fits in self._fits]
        results["failure"] = np.array(reasons, dtype=object)
        if max(self.n_evaluations) > 1:
            results["n_evaluations"] = np.array(self.n_evaluations)
        curves = [_mean_curve(curves) for curves in self._learning_curves]
        if any(curve is not None for curve in curves):
            results["learning_curve"] = np.empty(len(curves), dtype=object)
            results["learning_curve"][:] = curves
        results["is_default"] = np.array([c is self.default for c in self.candidates])
        if self._work.epochs is not None:
            results |= self._by_epochs(self._work.epochs.levels)
        return results

    def _by_epochs(self, levels: list[int]) -> dict[str, np.ndarray]:
        """Columns of a search whose candidates had different numbers of epochs."""
        curves = np.full((len(self.curves), len(levels)), np.nan)
        for row, curve in zip(curves, self.curves):
            row[: len(curve)] = curve
        columns = {f"score_after_{n}_epochs": column for n, column in zip(levels, curves.T)}
        return {
            "epochs": np.array([np.mean([fit["epochs"] for fit in fits]) for fits in self._fits]),
            **columns,
        }

    def _after_parts(self, steps: list[dict]) -> np.ndarray:
        """Mean scores after each part that all splits had; nan where a fit failed."""
        scores = [np.nan if _failed(fit) else self._work.score_of(fit) for fit in steps if fit]
        n_parts = len(scores) // self.n_splits
        whole = scores[: n_parts * self.n_splits]
        return np.reshape(whole, (n_parts, self.n_splits)).mean(axis=1)

    def _look_at(self, fits: list[dict]) -> None:
        """Say which fits of a candidate failed, and refuse scores that ``refit`` is not for."""
        try:
            _warn_or_raise_about_fit_failures(fits, self._search.error_score)
        except ValueError as error:
            warnings.warn(str(error), FitFailedWarning, stacklevel=2)
            self._error = self._error or error
        if callable(self._search.scoring):
            _insert_error_scores(fits, self._search.error_score)
            scores = next((fit["test_scores"] for fit in fits if not _failed(fit)), None)
            if isinstance(scores, dict):  # not known to fit until now
                self._search._check_refit_for_multimetric(scores)

    def _of_splits(self, fits: list[dict]) -> np.ndarray:
        """Scores to optimise, (n_evaluations, n_splits)."""
        scores = [np.nan if _is_lost(fit) else self._work.score_of(fit) for fit in fits]
        return np.array(scores, dtype="float64").reshape(-1, self.n_splits)


def reason(fit: dict) -> str:
    """Why a fit has no score, in one line: its exception without the way there; or ""."""
    if fit["fit_error"]:
        lines = fit["fit_error"].strip().splitlines()
        frames = [i for i, line in enumerate(lines) if line.startswith('  File "')]
        if frames:
            lines = [*dropwhile(lambda line: line.startswith("    "), lines[frames[-1] + 1 :])]
        return " ".join(line.strip() for line in lines)
    scores = fit["test_scores"]
    scores = [*scores.values()] if isinstance(scores, dict) else [scores]
    return next((f"the score is {score}" for score in scores if not np.isfinite(score)), "")


def _failed(fit: dict) -> bool:
    return fit["fit_error"] is not None


def _is_lost(fit: dict) -> bool:
    """Whether there is no score that counts: the fit was not made, or not to its end."""
    return not fit or not fit.get("is_last", True)


def _in_all(parts: list[dict]) -> dict:
    """The record of a split: of its last part that was made, with the time of all."""
    made = [part for part in parts if part]
    if len(made) < 2:
        return parts[0]
    times = {key: sum(part[key] for part in made) for key in ("fit_time", "score_time")}
    return made[-1] | times


def _learning_curve(estimator: Any) -> list[float]:
    """The loss after each epoch, of held-out rows if there are any; empty if it is no network."""
    estimator = last_step(estimator)
    history = getattr(estimator, "history_", None) if isinstance(estimator, Declared) else None
    if history is None:
        return []
    losses = history.get("val_loss", history.get("loss", ()))
    return [float(f"{loss:.5g}") for loss in losses]


def _mean_curve(curves: list[list[float] | None]) -> tuple[float, ...] | None:
    """The mean over fits, for as long as all of them went on; None if there is none."""
    known = [curve for curve in curves if curve]
    n = min(map(len, known), default=0)
    return tuple(np.mean([curve[:n] for curve in known], axis=0).tolist()) if n else None


def _holdout_seed(search: Any) -> int:
    """Seed of the rows held out."""
    if isinstance(search.random_state, Integral):
        return int(search.random_state)
    if search.storage is not None:
        raise ValueError(
            "holdout with storage needs an integer random_state, so that the call that goes on "
            "holds out the same rows."
        )
    return check_random_state(search.random_state).randint(2**31)


def _count(rows: np.ndarray) -> int:
    """How many rows there are in indices or in a mask."""
    return int(np.count_nonzero(rows)) if np.asarray(rows).dtype == bool else len(rows)


def _completed(fits: list[dict]) -> list[dict]:
    """Records of a candidate, in which folds that it lost have the means of the others."""
    if all(fits):
        return fits
    made = [fit for fit in fits if fit]
    mean = _averaged(made) | {"fit_error": None}
    return [fit or mean for fit in fits]


def _mask(results: dict[str, np.ndarray], lost: np.ndarray) -> None:
    """Take out what is not known of candidates that lost folds, (n_candidates, n_splits)."""
    raced = lost.any(axis=1)
    for name in results:
        kind, _, rest = name.partition("_")
        if kind != "rank" and rest.startswith(("test_", "train_")):  # split0_, mean_, std_
            unknown = lost[:, int(kind[5:])] if kind.startswith("split") else raced
            results[name] = np.where(unknown, np.nan, results[name])
    for name in [name for name in results if name.startswith("rank_test_")]:
        mean = results[f"mean_{name.removeprefix('rank_')}"]
        worst = np.nanmin(mean, initial=0.0) - 1
        ranks = rankdata(-np.nan_to_num(mean, nan=worst), method="min")
        results[name] = ranks.astype(np.int32)


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
