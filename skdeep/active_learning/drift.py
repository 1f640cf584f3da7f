"""A model in production that notices when the world has changed, and adapts.

Each row is scored before it is learnt. Its loss ranks among those of earlier rows of which the
model was about as sure, so that hard hours and easy seasons are no news; ``evidence.py`` tells when
these ranks have grown, and, of X alone, when columns have. On an alarm new models are fitted to
rows since the change and to all kept rows. One takes over where it beats the old one on the rows
since the change, each predicted by a model that has not seen it, and by more than the standard
error of that: a false alarm costs little. As a model of few rows is a poor one, the contest is
repeated whenever those rows have doubled; successors need not be better by so much.
"""

import warnings
from copy import deepcopy
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone, is_classifier
from sklearn.model_selection import check_cv
from sklearn.utils import _safe_indexing, check_array, get_tags
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import (
    _estimator_has,
    _num_samples,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from skdeep.active_learning.columns import difference, kinds_of, numbers_of
from skdeep.active_learning.evidence import LARGER, OTHER, Evidence
from skdeep.active_learning.labels import all_labels, joined
from skdeep.active_learning.pools import check_alike, check_rows, rows_of, stack
from skdeep.persistence import saved
from skdeep.persistence.estimators import is_saving
from skdeep.validation import naming, refuse_dates, unchanged_on_error

LEAST_ROWS = 50  # since a change, before models contend: what the winner of fewer gains is chance
PASSES = 10  # over those rows, by partial_fit


@saved
class DriftMonitor(MetaEstimatorMixin, BaseEstimator):
    """Watch a model's losses and the columns of X as rows arrive, and adapt the model.

    Parameters
    ----------
    estimator : estimator
        A classifier or a regressor, or a pipeline that ends in one.
    policy : {'refit', 'partial_fit'} or None, default='refit'
        On an alarm, fit anew, by ``fit`` or, from the model as it was, by ``partial_fit`` of ten
        passes over the rows since the change; or only tell.
    false_alarm_every : float in [1, inf), default=10_000
        While nothing changes, alarms come after so many rows or later, on average: those about
        losses, and those about columns. Raising it delays true alarms, by its logarithm.
    window : int in [500, inf), default=5_000
        Rows that are kept, to rank among and to fit on. Among fewer than 500 false alarms would be
        more than promised.
    cv : int in [2, inf) or splitter, default=5
        How the losses of rows that a model is fitted to are found: by models of the other rows. An
        int makes as many blocks of successive rows; a splitter must test each row once, as
        ``KFold`` does and ``TimeSeriesSplit`` does not.

    Attributes
    ----------
    estimator_ : estimator
        The present model.
    alarms_ : DataFrame
        A row for each alarm: ``when`` it came and since when the ``change`` is thought to be,
        counted in rows since ``fit`` (rows with labels, for losses); ``what`` has drifted, "loss"
        or a column; the mean ``before`` and ``after``, of what is not missing, of dates in days
        since 1970; or, of a column of other values, the shares of the ``value`` whose share
        changed most, None being all that is missing or new; and the ``size``, the largest distance
        of the two distribution functions, from 0 to 1.
    history_ : DataFrame
        A row for each update: ``n_rows`` and ``n_labelled`` since ``fit``, mean ``loss`` (NaN
        without labels), the evidence of ``loss_drift`` and ``column_drift`` at its largest (an
        alarm comes at 1), and what was done, ``action``: "" or "refit", "partial_fit", "kept" where
        no new model was better, "failed", and the number of rows ``learnt``.
    classes_ : ndarray of shape (n_classes,)
        Of the present model, if it is a classifier.
    n_features_in_ : int
        Number of columns of X.

    Notes
    -----
    The loss of a row is the Brier score of its probabilities, the sum over classes of
    ``(p - (y == class)) ** 2``; of a classifier that has none it is 0 or 1, of a regressor the
    squared error. Rows count as alike by the Brier score that the model itself expects, or by the
    value that a regressor predicts, in up to eight groups. A model that is rightly unsure of new
    rows is therefore no drift of its losses; that they are new is one of columns.

    ``fit`` makes ``cv`` fits more. An alarm makes up to ``2 * cv + 1``, and so does each doubling
    of the rows since it, up to ``window``. An alarm about a column makes the models contend for the
    rows that come after it.

    Columns are watched in DataFrames of pandas's and in dense two-dimensional arrays of numbers.
    Values that are neither numbers nor dates are taken for how rare they were in the first half of
    the rows of ``fit``; those of names and other keys, which are all new, tell nothing. A column
    that only grows, as a time stamp, drifts all the time: leave it out. For rows whose labels come
    late: ``update(X)`` now, and ``update(X, y, seen=True)`` then.

    References
    ----------
    The evidence is a Shiryaev-Roberts e-detector: Gordon, Pollak. A robust surveillance scheme for
    stochastically ordered alternatives. Annals of Statistics 23(4), 1995; Shin, Ramdas, Rinaldo.
    E-detectors. New England Journal of Statistics in Data Science 2(2), 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skdeep.active_learning import DriftMonitor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(3000, 2))
    >>> y = X @ [2, 1] + rng.logistic(size=3000) > 0
    >>> y[2000:] = X[2000:] @ [-2, 1] > 0  # the rule changes
    >>> monitor = DriftMonitor(LogisticRegression()).fit(X[:1000], y[:1000])
    >>> for i in range(1000, 3000, 50):
    ...     monitor.update(X[i : i + 50], y[i : i + 50])
    DriftMonitor(...)
    >>> monitor.alarms_[["when", "change", "what"]]
       when  change  what
    0  1017     996  loss
    """

    _parameter_constraints = {  # noqa: RUF012
        "estimator": [HasMethods(["fit", "predict"])],
        "policy": [StrOptions({"refit", "partial_fit"}), None],
        "false_alarm_every": [Interval(Real, 1, None, closed="left")],
        "window": [Interval(Integral, 500, None, closed="left")],
        "cv": [Interval(Integral, 2, None, closed="left"), HasMethods(["split", "get_n_splits"])],
    }

    def __init__(self, estimator, *, policy="refit", false_alarm_every=10_000, window=5_000, cv=5):
        self.estimator = estimator
        self.policy = policy
        self.false_alarm_every = false_alarm_every
        self.window = window
        self.cv = cv

    def fit(self, X, y):
        """Fit the first model, and find out what its losses on other rows are.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            First rows, some hundreds at least, in the order of time, over some of whatever cycles
            there are: some weeks, where days of the week differ.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their targets.

        Returns
        -------
        self : DriftMonitor

        Raises
        ------
        ValueError
            If the policy is 'partial_fit' and the estimator has no such method, a classifier has
            several targets, there are fewer rows than folds, or ``cv`` does not test each row once.

        Warns
        -----
        UserWarning
            If the rows are too few, or their losses too dependent on each other, to tell drift from
            chance yet.
        """
        self._validate_params()
        if self.policy == "partial_fit" and not hasattr(self.estimator, "partial_fit"):
            raise ValueError(
                f"policy='partial_fit' needs an estimator that has partial_fit, but "
                f"{type(self.estimator).__name__} has none; use policy='refit'."
            )
        with unchanged_on_error(self):
            for name in ("n_features_in_", "feature_names_in_"):
                vars(self).pop(name, None)
            X = rows_of(X)
            validate_data(self, X, skip_check_array=True)
            y = self._checked_y(X, y)
            self._base = None  # what partial_fit goes on from
            self._X, self._y = X, y
            self._loss, self._expected = self._losses_of_new(0, 0)
            self.estimator_ = self._new(slice(None))
            self._n_rows = self._n_labelled = 0  # since fit
            self._since, self._due = 0, np.inf  # where a change was; the next contest after
            self._watch_loss(None)
            self._kinds, first = kinds_of(X)
            self._columns = numbers_of(X, self._kinds)
            if self._columns is not None:
                self._columns = Evidence.begin(self._columns[first:], OTHER, self.window)
            self._alarms, self._history = [], []
            self._forget()
        needed = int(np.ceil(self._watched.n_needed().max()))
        if (n := _num_samples(X)) < needed:
            warnings.warn(
                f"fit got {n} rows, but it takes {needed}, and a window for them, to tell drift "
                f"of losses from chance; until updates have brought the others, none is noticed.",
                stacklevel=2,
            )
        return self

    def update(self, X, y=None, *, seen=False):
        """Score rows, look for drift, and on an alarm adapt.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            New rows, in the order of time.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Their targets; None where they are not known yet: columns are watched alone.
        seen : bool, default=False
            Whether the columns of these rows were watched in an earlier update, without y.

        Returns
        -------
        self : DriftMonitor

        Raises
        ------
        ValueError
            If there are no rows, they have other columns than those of ``fit``, y is not like that
            of ``fit``, or ``seen`` comes without y or with more rows than wait for labels.
        TypeError
            If the rows are of another type, or y is of dates.

        Warns
        -----
        UserWarning
            Where no new model could be fitted; the old one stays.
        """
        check_is_fitted(self)
        with unchanged_on_error(self):
            X = rows_of(X)
            check_rows(X, self._X, "X")
            validate_data(self, X, reset=False, skip_check_array=True)
            check_alike(X, self._X, "X")
            if seen:
                self._check_waiting(_num_samples(X), y)
            measured = {"loss": np.nan, "loss_drift": np.nan, "column_drift": np.nan}
            reaction = {"action": "", "learnt": 0}
            alarms = []
            if not seen:
                self._n_rows += _num_samples(X)
                if self._columns is not None:
                    self._columns = self._columns.after(numbers_of(X, self._kinds))
                    measured["column_drift"] = self._strength(self._columns)
                    if measured["column_drift"] >= 1:
                        alarms.append(self._column_alarm())
            if y is not None:
                measured["loss"] = self._score(X, self._checked_y(X, y))
                measured["loss_drift"] = self._strength(self._watched)
                if measured["loss_drift"] >= 1:
                    alarms.append(self._loss_alarm())
                self._forget()
                if self.policy is not None and self._n_labelled - self._since >= self._due:
                    reaction = self._contest()
        self._alarms += alarms
        counts = {"n_rows": self._n_rows, "n_labelled": self._n_labelled}
        self._history.append(counts | measured | reaction)
        return self

    @property
    def alarms_(self):
        check_is_fitted(self)
        names = ["when", "change", "what", "value", "before", "after", "size"]
        return pd.DataFrame(self._alarms, columns=names)

    @property
    def history_(self):
        check_is_fitted(self)
        names = ["n_rows", "n_labelled", "loss", "loss_drift", "column_drift", "action", "learnt"]
        return pd.DataFrame(self._history, columns=names)

    @property
    def classes_(self):
        return self.estimator_.classes_

    def predict(self, X):
        """Predictions of the present model, (n_samples,) or (n_samples, n_outputs)."""
        return self._answer("predict", X)

    @available_if(_estimator_has("predict_proba"))
    def predict_proba(self, X):
        """Probabilities of the present model, (n_samples, n_classes)."""
        return self._answer("predict_proba", X)

    def score(self, X, y):
        """The present model's score on X, (n_samples, ...), and y, (n_samples,): a float."""
        check_is_fitted(self)
        return self.estimator_.score(X, y)

    def _answer(self, method, X):
        check_is_fitted(self)
        if getattr(X, "ndim", 2) > 1:  # of one row without its axis the model itself tells
            validate_data(self, X, reset=False, skip_check_array=True)
        return getattr(self.estimator_, method)(X)

    def _checked_y(self, X, y):
        if y is None:
            raise ValueError("DriftMonitor requires y to be passed, but the target y is None.")
        check_consistent_length(X, y)
        if not is_classifier(self.estimator):
            with naming("y"):
                refuse_dates(y)
                return check_array(y, ensure_2d=False, dtype="float64", input_name="y")
        shape = np.asarray(y, dtype=object).shape
        if len(shape) > 1 and shape[1] > 1:
            raise ValueError(
                f"y of a classifier must be one class for each row, but has shape {shape}; "
                f"take a DriftMonitor for each target."
            )
        return all_labels(y, "y")

    def _check_waiting(self, n, y):
        """Refuse late labels of more rows than lack them."""
        if y is None:
            raise ValueError("seen=True tells of labels that came late, but y is None.")
        if n > (waiting := self._n_rows - self._n_labelled):
            raise ValueError(
                f"seen=True tells of labels that came late for {n} rows, but {waiting} of those "
                f"that were seen wait for theirs; leave out labels that came before, or seen."
            )

    def _score(self, X, y):
        """Keep rows and their losses, as evidence too; returns the mean."""
        if y.shape[1:] != self._y.shape[1:]:
            raise ValueError(
                f"y has shape {y.shape}, but that of fit {self._y.shape}; pass the same targets."
            )
        every = joined(self._y, y)
        loss, expected = _losses(self.estimator_, X, y)
        self._watched = self._watched.after(loss[:, None], expected)
        self._X, self._y = stack(self._X, X), every
        self._loss = np.concatenate([self._loss, loss])
        self._expected = np.concatenate([self._expected, expected])
        self._n_labelled += len(y)
        return float(loss.mean())

    def _strength(self, evidence):
        """Largest evidence after one of the last rows; an alarm comes at 1."""
        return float(np.exp(min(evidence.path.max(), 700)) / self.false_alarm_every)

    def _alarm(self, evidence, n, names, kinds):
        """What an alarm after n rows tells, of one of the columns."""
        column, n_since = evidence.change()
        late = len(evidence.path) - 1 - np.argmax(evidence.path >= np.log(self.false_alarm_every))
        return {"when": n - int(late), "change": n - n_since, "what": names[column]} | difference(
            *evidence.before_and_after(n_since, column), kinds[column]
        )

    def _loss_alarm(self):
        """Note the change, and begin anew from it."""
        alarm = self._alarm(self._watched, self._n_labelled, ["loss"], [None])
        self._contend_from(alarm["change"])
        self._watch_loss(self._watched.dependence)
        return alarm

    def _column_alarm(self):
        """The same of a column; rows with labels that come from now on are to be learnt."""
        names = getattr(self, "feature_names_in_", range(len(self._kinds)))
        alarm = self._alarm(self._columns, self._n_rows, names, self._kinds)
        if not np.isfinite(self._due):
            self._contend_from(self._n_labelled)
        self._columns = self._columns.anew(self._n_rows - alarm["change"])
        return alarm

    def _contend_from(self, since):
        """Have models contend for the labelled rows after so many."""
        self._since, self._due, self._base = since, LEAST_ROWS, self.estimator_

    def _watch_loss(self, dependence):
        """Begin anew with the rows since the last change."""
        start = self._position()
        self._watched = Evidence.begin(
            self._loss[start:, None], LARGER, self.window, self._expected[start:], dependence
        )

    def _position(self):
        """Where the rows since the last change begin among those that are kept."""
        return max(self._since - self._n_labelled + len(self._y), 0) if self._n_labelled else 0

    def _forget(self):
        if len(self._y) > self.window:
            kept = np.arange(len(self._y))[-self.window :]
            self._X = _safe_indexing(self._X, kept)
            self._y, self._loss, self._expected = (
                values[kept] for values in (self._y, self._loss, self._expected)
            )

    def _contest(self):
        """Let new models contend with the present one for the rows since the change."""
        start, n = self._position(), self._n_labelled - self._since
        self._due = min(2 * n, self.window) if n < self.window else np.inf
        old, best, action = self._loss[start:], None, "kept"
        is_first = self.estimator_ is self._base  # as before the alarm
        try:
            for first in dict.fromkeys([start, 0] if self.policy == "refit" else [start]):
                losses = self._losses_of_new(first, start)
                gain = old - losses[0]
                least = gain.std(ddof=1) / np.sqrt(len(gain)) if is_first else 0.0
                if gain.mean() > least and (best is None or losses[0].mean() < best[1][0].mean()):
                    best = first, losses
            if best is not None:
                new = self._new(slice(best[0], None))
        except Exception as error:
            warnings.warn(
                f"no new model could be fitted to {len(self._y) - start} rows since a change, as "
                f"{type(error).__name__}: {error} The old one stays.",
                stacklevel=3,
            )
            best, action = None, "failed"
        if best is None:
            return {"action": action, "learnt": 0}
        self.estimator_ = new
        first, (loss, expected) = best
        self._loss = np.concatenate([self._loss[:start], loss])
        self._expected = np.concatenate([self._expected[:start], expected])
        self._watch_loss(self._watched.dependence)
        return {"action": self.policy, "learnt": len(self._y) - first}

    def _new(self, rows):
        """A model of some of the kept rows."""
        rows = np.arange(len(self._y))[rows]
        X, y = _safe_indexing(self._X, rows), self._y[rows]
        if self.policy != "partial_fit" or self._base is None:
            return clone(self.estimator).fit(X, y)
        model = deepcopy(self._base)
        for _ in range(PASSES):
            model.partial_fit(X, y)
        return model

    def _losses_of_new(self, first, start):
        """Losses of new models on kept rows from ``start``, and what they expect, each (n,).

        A model learns the rows from ``first`` but those that it is judged on.
        """
        y = self._y[start:]
        splits = [*check_cv(self.cv).split(np.zeros(len(y)), y)]
        tested = np.bincount(np.concatenate([test for _, test in splits]), minlength=len(y))
        if (tested != 1).any():
            raise ValueError(
                f"cv must test each row once, but {self.cv} tests {(tested == 0).sum()} of "
                f"{len(y)} rows never and {(tested > 1).sum()} more than once; take KFold."
            )
        found = np.empty((2, len(y)))
        for train, test in splits:
            model = self._new(np.concatenate([np.arange(first, start), start + train]))
            found[:, test] = _losses(model, _safe_indexing(self._X, start + test), y[test])
        return found

    def __getstate__(self):
        if is_saving() and hasattr(getattr(self, "_X", None), "columns"):
            raise TypeError(
                "a DriftMonitor keeps its rows, and save takes no DataFrame; pickle it, fit it on "
                "an array, or save its estimator_ alone."
            )
        return super().__getstate__()

    def __sklearn_tags__(self):
        tags, inner = super().__sklearn_tags__(), get_tags(self.estimator)
        for kind in ("classifier", "regressor", "target", "input"):
            setattr(tags, f"{kind}_tags", getattr(inner, f"{kind}_tags"))
        tags.estimator_type = inner.estimator_type
        return tags


def _losses(model: Any, X: Any, y: np.ndarray) -> np.ndarray:
    """Losses of rows, and what makes rows alike, in an array of shape (2, n)."""
    if is_classifier(model) and hasattr(model, "predict_proba"):
        p = model.predict_proba(X)
        expected = 1 - (p**2).sum(axis=1)
        of_class = (p * (y[:, None] == model.classes_)).sum(axis=1)  # 0 of an unknown class
        return np.stack([2 - expected - 2 * of_class, expected])
    predicted = np.asarray(model.predict(X))
    if is_classifier(model):
        return np.stack([predicted != y, np.zeros(len(y))]).astype(float)
    errors = (predicted.reshape(y.shape) - y) ** 2
    if y.ndim > 1 and y.shape[1] > 1:
        return np.stack([errors.mean(axis=1), np.zeros(len(y))])
    return np.stack([errors.ravel(), predicted.ravel()])
