"""Searches, journals and results of minimisation as one :class:`Content`."""

import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult
from sklearn.base import is_classifier, is_regressor
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils.validation import check_is_fitted

from skdeep.hyperparameters import search_space
from skdeep.model_selection.looking.content import (
    FAILED,
    SCORED,
    STOPPED,
    Content,
    expected_by_epochs,
    expected_by_folds,
)
from skdeep.model_selection.looking.scales import text_of
from skdeep.model_selection.looking.tried import space_of
from skdeep.model_selection.spaces import Space
from skdeep.model_selection.trials.records import SearchRecord, load_search

LIBRARIES = ("skdeep", "scikit-learn", "numpy")
MOST_WORDS = 400
SETTINGS = (
    "surrogate", "acquisition", "racing", "fidelity", "resampling", "selection", "holdout",
    "random_state",
)  # fmt: skip
HONEST = {"corrected": "best_score_corrected_", "held out": "holdout_score_"}


def content_of(source: Any) -> Content:
    """What there is to look at in a search, a journal or a result.

    Raises
    ------
    TypeError
        If it is none of these.
    IsADirectoryError
        If it is the path of a folder.
    """
    if isinstance(source, BaseSearchCV):
        return _of_search(source)
    if isinstance(source, str | Path):
        return _of_journal(load_search(source))
    if isinstance(source, SearchRecord):
        return _of_journal(source)
    if isinstance(source, OptimizeResult) and {"space", "x_iters", "func_vals"} <= set(source):
        return _of_result(source)
    raise TypeError(
        "what is looked at must be a fitted search, the path of a search's journal, what "
        f"load_search or minimize returned, or a result of scikit-optimize, but is {source!r}."
    )


def _of_search(search: BaseSearchCV) -> Content:
    check_is_fitted(search, "cv_results_")
    table = search.cv_results_
    points = [dict(point) for point in table["params"]]
    n = len(points)
    metric = _metric(search)
    scores = np.asarray(table[f"mean_test_{metric}"], dtype=float)
    columns = [f"split{i}_test_{metric}" for i in range(search.n_splits_)]
    folds = np.array([table[name] for name in columns], dtype=float).reshape(-1, n).T
    failures = [str(failure) for failure in table.get("failure", [""] * n)]
    made = np.asarray(table.get("n_splits", np.full(n, search.n_splits_)))
    epochs = np.asarray(table.get("epochs", np.full(n, np.nan)), dtype=float)
    if "failure" not in table:  # a search of scikit-learn, which makes all folds of each
        lacking = np.isnan(folds).sum(axis=1)
        failures = [
            "" if np.isfinite(score) else f"{k} of {search.n_splits_} folds have no score"
            for score, k in zip(scores, lacking)
        ]
    states, notes = _states(scores, failures, made, search.n_splits_, epochs)
    honest: dict[str, float] = {}
    caveats: list[str] = []
    for name, attribute in HONEST.items():
        try:
            score = float(getattr(search, attribute))
            honest |= {name: score} if np.isfinite(score) else {}
        except AttributeError as error:
            if name == "corrected" and " is absent: " in str(error):
                caveats.append(str(error))  # it says why
    space, ours = _space_of_search(search, points)
    partial, failed = _partial(table, n), np.array([state == FAILED for state in states])
    if partial:
        expected = expected_by_epochs(scores, partial)
    else:
        expected = expected_by_folds(scores, folds)
    return Content(
        space=space,
        points=points,
        scores=scores,
        expected=np.where(failed, scores, expected),
        states=states,
        notes=notes,
        folds=folds,
        seconds=np.asarray(table["mean_fit_time"]) * made,
        is_default=np.asarray(table.get("is_default", np.zeros(n, dtype=bool))),
        best=_best(search, scores),
        greater_is_better=True,
        score_name=_score_name(search, metric),
        facts=_facts(search, space if ours else None),
        partial=partial,
        losses=_losses(table, n),
        honest=honest,
        interval=getattr(search, "best_score_interval_", None) if "corrected" in honest else None,
        caveats=caveats,
        overtuning=getattr(search, "overtuning_", None),
        estimator=search.estimator,
    )


def _states(
    scores: np.ndarray, failures: Iterable[str], made: Iterable, n_splits: int, epochs: np.ndarray
) -> tuple[list[str], list[str]]:
    """States of trials, and why they failed or how far they came: by folds, or by epochs."""
    states, notes = [], []
    for score, failure, n_made, n_epochs in zip(scores, failures, made, epochs):
        states.append(FAILED if failure else SCORED if np.isfinite(score) else STOPPED)
        far = f"{n_made} of {n_splits} folds" if np.isnan(n_epochs) else f"{n_epochs:g} epochs"
        notes.append(far if states[-1] == STOPPED else failure)
    return states, notes


def _metric(search: BaseSearchCV) -> str:
    """The metric that was optimised: the one that refit names, or the first."""
    table = search.cv_results_
    if f"mean_test_{search.refit}" in table:
        return search.refit
    first = next(name for name in table if name.startswith("mean_test_"))
    return first.removeprefix("mean_test_")


def _score_name(search: BaseSearchCV, metric: str) -> str:
    if metric != "score":
        return metric
    if isinstance(search.scoring, str):
        return search.scoring
    if search.scoring is None and is_classifier(search.estimator):
        return "accuracy"
    if search.scoring is None and is_regressor(search.estimator):
        return "R2"
    return "score"


def _best(search: BaseSearchCV, scores: np.ndarray) -> int | None:
    """The trial that was chosen; scikit-learn chooses one even if none has a score."""
    if not hasattr(search, "best_index_"):
        return int(np.nanargmax(scores)) if np.isfinite(scores).any() else None
    return int(search.best_index_) if np.isfinite(scores[search.best_index_]) else None


def _partial(table: Mapping[str, Any], n: int) -> dict[int, np.ndarray]:
    """Scores after few epochs, by trial, as far as each came."""
    prefix, suffix = "score_after_", "_epochs"
    names = [name for name in table if name.startswith(prefix) and name.endswith(suffix)]
    epochs = [int(name[len(prefix) : -len(suffix)]) for name in names]
    curves = [np.array([[e, table[name][i]] for e, name in zip(epochs, names)]) for i in range(n)]
    curves = [curve[np.isfinite(curve[:, 1])] if len(curve) else curve for curve in curves]
    return {i: curve for i, curve in enumerate(curves) if len(curve)}


def _losses(table: Mapping[str, Any], n: int) -> dict[int, np.ndarray]:
    """Losses by epoch, of trials that have some; of rows held out if the network had any."""
    given = table.get("learning_curve", [None] * n)
    curves = {i: np.asarray(c, dtype=float) for i, c in enumerate(given) if c is not None}
    return {i: curve for i, curve in curves.items() if np.isfinite(curve).any()}


def _facts(search: BaseSearchCV, space: Space | None) -> dict[str, str]:
    """What was searched and how, in words."""
    settings = search.get_params(deep=False)
    given = {name: settings.get(name) for name in ("n_iter", "max_time", "stop")}
    budget = [f"{name}={value!r}" for name, value in given.items() if value is not None]
    how = [
        f"{name}={settings[name]!r}"
        for name in SETTINGS
        if name in settings and settings[name] not in (None, False, "max", "fixed")
    ]
    table = search.cv_results_
    made = np.asarray(table.get("n_splits", np.full(len(table["params"]), search.n_splits_)))
    seconds = float(np.nansum(np.asarray(table["mean_fit_time"]) * made))
    facts = {
        "Search": f"{type(search).__name__}({', '.join(how)})",
        "Estimator": search.estimator.__repr__(N_CHAR_MAX=10_000),
        "Cross-validation": _splits(search),
        "Scoring": _scoring(search),
        "Budget": ", ".join(budget) or f"{len(table['params'])} candidates",
        "Ended by": str(getattr(search, "stop_reason_", "")),
        "Time": f"{_duration(seconds)} of fits"
        + (f", {_duration(search.refit_time_)} to refit" if hasattr(search, "refit_time_") else ""),
        "Versions": _versions(),
    }
    return {name: value for name, value in facts.items() if value}


def _splits(search: BaseSearchCV) -> str:
    """The splitter, or how many splits were given."""
    splitter = text_of(getattr(search, "_checked_cv_orig", search.cv), MOST_WORDS)
    is_given = splitter.startswith("_") or " object at 0x" in splitter
    return f"as given, {search.n_splits_} in number" if is_given else splitter


def _scoring(search: BaseSearchCV) -> str:
    if search.scoring is None:
        return "the estimator's own"
    return text_of(search.scoring, MOST_WORDS)


def _versions() -> str:
    return ", ".join(
        [f"Python {platform.python_version()}", *(f"{n} {version(n)}" for n in LIBRARIES)]
    )


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.3g} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"


def _of_journal(record: SearchRecord) -> Content:
    trials, identity = record.trials, record.identity
    points = [dict(point) for point in trials["params"]]
    scores = np.full(len(points), np.nan)
    metric = "score"
    if len(record.means):
        scores = record.means.to_numpy(dtype=float)
        metric = str(record.means.name).removeprefix("mean_test_")
    n_splits = int(identity.get("n_splits", 0))
    columns = [f"split{i}_test_{metric}" for i in range(n_splits)]
    folds = trials.reindex(columns=columns).to_numpy(dtype=float)
    epochs = trials.reindex(columns=["mean_epochs"]).to_numpy(dtype=float)[:, 0]
    states, notes = _states(scores, trials["failure"], trials["n_splits"], n_splits, epochs)
    space = space_of(points)
    facts = {
        "Estimator": identity.get("estimator", ""),
        "Space": identity.get("search_spaces", ""),
        "Scoring": "the estimator's own"
        if identity.get("scoring") in (None, "None")
        else identity["scoring"],
        "Splits": str(n_splits),
        "Under way": f"{record.n_running} fits" if record.n_running else "",
        "Time": f"{_duration(float(trials['fit_time'].sum()))} of fits",
        "Versions": _versions(),
    }
    return Content(
        space=space,
        points=points,
        scores=scores,
        expected=np.where(trials["failure"] == "", expected_by_folds(scores, folds), scores),
        states=states,
        notes=notes,
        folds=folds,
        seconds=trials["fit_time"].to_numpy(dtype=float),
        is_default=np.zeros(len(points), dtype=bool),  # which the journal does not tell
        best=int(np.nanargmax(scores)) if np.isfinite(scores).any() else None,
        greater_is_better=True,
        score_name=metric,
        facts={name: value for name, value in facts.items() if value},
    )


def _of_result(result: OptimizeResult) -> Content:
    """What minimize or scikit-optimize returned: of its values less is better."""
    space = result.space if isinstance(result.space, Space) else Space(result.space)
    rows = [*result.x_iters]
    points = [dict(zip(space.names, row)) if space.unnamed else dict(row) for row in rows]
    values = np.array(result.func_vals, dtype=float)
    scores = np.where(np.isfinite(values), values, np.nan)
    failed = np.isnan(scores)
    states = [FAILED if each else SCORED for each in failed]
    notes = [f"the value is {value}" if each else "" for each, value in zip(failed, values)]
    if "fidelities" in result:
        for i, name in enumerate(result.fidelities):
            if name != result.version and states[i] == SCORED:
                states[i], notes[i], scores[i] = STOPPED, f"{name}: {values[i]:.4g}", np.nan
    facts = {
        "Evaluations": str(len(points)),
        "Ended because": str(result.get("message", "")),
        "Versions": _versions(),
    }
    return Content(
        space=space,
        points=points,
        scores=scores,
        expected=scores,
        states=states,
        notes=notes,
        folds=np.empty((len(points), 0)),
        seconds=np.full(len(points), np.nan),
        is_default=np.zeros(len(points), dtype=bool),
        best=int(np.nanargmin(scores)) if np.isfinite(scores).any() else None,
        greater_is_better=False,
        score_name="value",
        facts={name: value for name, value in facts.items() if value},
    )


def _space_of_search(search: BaseSearchCV, points: list[dict]) -> tuple[Space, bool]:
    """The search's own space, and True; where it has none of ours, that of what it tried."""
    if not hasattr(search, "search_spaces") or not hasattr(search, "stop_reason_"):
        return space_of(points), False
    given = search.search_spaces
    return Space(search_space(search.estimator) if given is None else given), True
