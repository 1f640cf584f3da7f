"""A model that asks for the labels it learns most from."""

from copy import deepcopy
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.base import (
    BaseEstimator,
    MetaEstimatorMixin,
    _fit_context,
    clone,
    is_classifier,
    is_regressor,
)
from sklearn.utils import check_random_state, get_tags
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import (
    _estimator_has,
    _num_samples,
    check_consistent_length,
    check_is_fitted,
)

from skdeep.active_learning.choosing import STRATEGIES, Question, default_strategy, pick
from skdeep.active_learning.labels import joined, split_labels
from skdeep.active_learning.pools import check_alike, rows_of, stack, take
from skdeep.persistence import saved
from skdeep.persistence.estimators import is_saving
from skdeep.validation import unchanged_on_error


@saved
class ActiveLearner(MetaEstimatorMixin, BaseEstimator):
    """A model that asks for the labels it learns most from.

    Labels cost time and money, rows often nothing. Fit on a few labelled rows, ask a pool of others
    by :meth:`query` which to label next, :meth:`teach` their labels, and so on. In between it is
    the estimator that it holds: ``predict``, ``predict_proba``, ``decision_function`` and ``score``
    are the estimator's, where it has them.

    Parameters
    ----------
    estimator : estimator object
        A classifier or a regressor: a network, a Gaussian process, a Pipeline, any of
        scikit-learn's.
    strategy : str, callable or None, default=None
        What rows are asked for. For classifiers ``'margin'``, where the two likeliest classes
        differ least; ``'entropy'`` and ``'least_confidence'``, where probabilities are least
        sure; ``'disagreement'``, where models that fit the labels disagree (BALD). For regressors
        ``'variance_reduction'``, whose labels take most variance from all the pool, and
        ``'deviation'``, of largest standard deviation, of Gaussian processes;
        ``'disagreement'`` of all others. For both ``'core_set'``, rows that cover the pool, and
        ``'random'``. A function ``f(estimator, X_pool)`` returns a score for each row, larger for
        those that are wanted. None stands for the first that the estimator can do: of classifiers
        ``'margin'``, else ``'core_set'``; of regressors ``'variance_reduction'``, ``'deviation'``,
        else ``'disagreement'``.
    batch_size : int in [1, inf), default=1
        Rows that :meth:`query` asks for at once. More save refits, and tell less each.
    n_members : int in [2, inf) or None, default=None
        Models whose disagreement counts: networks thinned by dropout, None being 50, or, of an
        estimator without dropout, refits on rows drawn with replacement, None being 5, which each
        :meth:`query` fits. Forests, bagged and voting ensembles have members of their own.
    random_state : int, RandomState instance or None, default=None
        Seed of all that is random in the choice. Under an integer a query that is made twice
        between two lessons has one answer.

    Attributes
    ----------
    estimator_ : estimator
        Fitted on all labelled rows.
    strategy_ : str or callable
        The strategy in use.
    X_ : array-like of shape (n_labelled, ...)
        The labelled rows, as given.
    y_ : ndarray of shape (n_labelled,)
        Their labels.
    unlabelled_ : ndarray of shape (n_unlabelled,)
        Numbers of the rows that ``fit`` got without a label, and which have none yet.
    classes_ : ndarray of shape (n_classes,)
        Classes seen so far; only of classifiers.
    n_features_in_ : int
        The estimator's, where it has it.
    feature_names_in_ : ndarray of shape (n_features,)
        The estimator's, where it has it.

    See Also
    --------
    label_budget_curve : Which strategy pays on data of which all labels are known.

    Notes
    -----
    Each lesson fits the estimator anew on all labelled rows, or, if its ``warm_start`` is True,
    from the last fit on; a class that is seen for the first time makes it anew in any case.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import train_test_split
    >>> from skdeep.active_learning import ActiveLearner
    >>> X, y = load_digits(return_X_y=True)
    >>> X, X_test, y, y_test = train_test_split(X / 16, y, random_state=0)
    >>> learner = ActiveLearner(LogisticRegression(), batch_size=10, random_state=0)
    >>> learner = learner.fit(X[:20], y[:20])
    >>> print(f"{learner.score(X_test, y_test):.2f} of {len(learner.y_)} labels")
    0.62 of 20 labels
    >>> for _ in range(8):
    ...     rows = learner.query(X)
    ...     learner = learner.teach(X[rows], y[rows])
    >>> print(f"{learner.score(X_test, y_test):.2f} of {len(learner.y_)} labels")
    0.92 of 100 labels
    """

    _parameter_constraints: ClassVar[dict] = {
        "estimator": [HasMethods(["fit", "predict"])],
        "strategy": [StrOptions(set(STRATEGIES)), callable, None],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "n_members": [Interval(Integral, 2, None, closed="left"), None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        strategy: Any = None,
        batch_size: int = 1,
        n_members: int | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.estimator = estimator
        self.strategy = strategy
        self.batch_size = batch_size
        self.n_members = n_members
        self.random_state = random_state

    def __sklearn_tags__(self):
        tags, inner = super().__sklearn_tags__(), deepcopy(get_tags(self.estimator))
        tags.estimator_type, tags.input_tags = inner.estimator_type, inner.input_tags
        tags.classifier_tags, tags.regressor_tags = inner.classifier_tags, inner.regressor_tags
        tags.target_tags.required = True
        return tags

    def __getstate__(self):
        if is_saving() and hasattr(getattr(self, "X_", None), "columns"):
            raise TypeError(
                "an ActiveLearner keeps its rows, and save takes no DataFrame; pickle it, fit it "
                "on an array, or save its estimator_ alone."
            )
        return super().__getstate__()

    @_fit_context(prefer_skip_nested_validation=False)  # the estimator checks its own
    def fit(self, X, y):
        """Learn from the rows that have labels, and keep the others to ask for.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows, of a kind that the estimator takes.
        y : array-like of shape (n_samples,)
            Labels. None or nan marks a row without one, and so does -1 among classes that are
            whole numbers, of any dtype.

        Returns
        -------
        self : ActiveLearner
            As it was, if the fit fails.

        Raises
        ------
        ValueError
            If no row has a label, all have one class, or the estimator cannot carry the strategy
            out; besides, what the estimator raises.
        """
        with unchanged_on_error(self):
            self.strategy_ = self._chosen_strategy()
            X = rows_of(X)
            y, known = split_labels(y, is_classifier(self.estimator))
            check_consistent_length(X, known)
            if not len(y):
                raise ValueError(
                    f"y has no label for any of {len(known)} rows, with which to begin; label a "
                    f"few of them, drawn at random."
                )
            self._seed = check_random_state(self.random_state).randint(2**31)
            self.unlabelled_ = np.flatnonzero(~known)
            self._pool = take(X, self.unlabelled_)
            return self._learn(take(X, np.flatnonzero(known)), y, clone(self.estimator))

    def query(self, X_pool=None):
        """Which rows to label next, most wanted first.

        Parameters
        ----------
        X_pool : array-like of shape (n_pool, ...), default=None
            Rows without labels. None takes those that ``fit`` got and that have none yet.

        Returns
        -------
        rows : ndarray of shape (batch_size,)
            Numbers of rows of ``X_pool``, or of the X that ``fit`` got. All that there are, if
            these are fewer.

        Raises
        ------
        ValueError
            If the pool is empty, or its rows are not like those that ``fit`` got.
        """
        check_is_fitted(self)
        own = X_pool is None
        pool = self._pool if own else rows_of(X_pool, "X_pool")
        n_pool = _num_samples(pool)
        if n_pool == 0:
            left = "all rows that fit got have labels; pass X_pool" if own else "it has no rows"
            raise ValueError(f"there is nothing to ask for in X_pool: {left}.")
        check_alike(pool, self.X_, "X_pool")
        question = Question(
            self.estimator_,
            self.X_,
            self.y_,
            pool,
            min(int(self.batch_size), n_pool),
            np.random.default_rng([self._seed, len(self.y_)]),
            self.n_members,
        )
        rows = pick(self.strategy_, question)
        return self.unlabelled_[rows] if own else rows

    def teach(self, X, y):
        """Learn from more rows, which become the learner's own.

        For rows of a pool of yours, or from anywhere. Of rows that ``fit`` got without labels, give
        the numbers to :meth:`label`, or they will be asked for again.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows.
        y : array-like of shape (n_samples,)
            Their labels, all known. A class may be new.

        Returns
        -------
        self : ActiveLearner
            As it was, if the lesson fails.
        """
        check_is_fitted(self)
        X = rows_of(X)
        check_alike(X, self.X_, "X")
        y = self._checked_labels(y, _num_samples(X))
        with unchanged_on_error(self):
            return self._learn(stack(self.X_, X), y, self._next_model(y))

    def label(self, rows, y):
        """Learn the labels of rows that ``fit`` got without.

        Parameters
        ----------
        rows : array-like of shape (n_samples,), int
            Their numbers in the X that ``fit`` got, as :meth:`query` gives them.
        y : array-like of shape (n_samples,)
            Their labels, all known. A class may be new.

        Returns
        -------
        self : ActiveLearner
            As it was, if the lesson fails.
        """
        check_is_fitted(self)
        rows = self._checked_numbers(rows)
        y = self._checked_labels(y, len(rows))
        places = np.searchsorted(self.unlabelled_, rows)
        with unchanged_on_error(self):
            X = stack(self.X_, take(self._pool, places))
            left = np.delete(np.arange(len(self.unlabelled_)), places)
            self.unlabelled_, self._pool = self.unlabelled_[left], take(self._pool, left)
            return self._learn(X, y, self._next_model(y))

    @available_if(_estimator_has("predict"))
    def predict(self, X, **params):
        """The estimator's predictions of rows X; it gets the ``params``."""
        check_is_fitted(self)
        return self.estimator_.predict(X, **params)

    @available_if(_estimator_has("predict_proba"))
    def predict_proba(self, X, **params):
        """The estimator's probabilities of rows X; it gets the ``params``."""
        check_is_fitted(self)
        return self.estimator_.predict_proba(X, **params)

    @available_if(_estimator_has("decision_function"))
    def decision_function(self, X):
        """The estimator's decision function at rows X."""
        check_is_fitted(self)
        return self.estimator_.decision_function(X)

    @available_if(_estimator_has("score"))
    def score(self, X, y):
        """The estimator's score on rows X and their labels y."""
        check_is_fitted(self)
        return self.estimator_.score(X, y)

    @property
    def classes_(self):
        """Classes seen so far."""
        return self._of_estimator("classes_")

    @property
    def n_features_in_(self):
        """Columns of X."""
        return self._of_estimator("n_features_in_")

    @property
    def feature_names_in_(self):
        """Names of the columns of X, where it had names."""
        return self._of_estimator("feature_names_in_")

    def _of_estimator(self, name: str) -> Any:
        if not hasattr(self, "estimator_"):
            raise AttributeError(f"{type(self).__name__} has no {name} before fit.")
        return getattr(self.estimator_, name)

    def _chosen_strategy(self) -> Any:
        """The strategy; refused if the estimator lacks what it takes."""
        estimator = self.estimator
        if not (is_classifier(estimator) or is_regressor(estimator)):
            raise TypeError(
                f"estimator must be a classifier or a regressor, but {type(estimator).__name__} is "
                f"neither."
            )
        if self.strategy is None:
            return default_strategy(estimator)
        if callable(self.strategy):
            return self.strategy
        if lack := STRATEGIES[self.strategy].lacks(estimator):
            able = [name for name, other in STRATEGIES.items() if not other.lacks(estimator)]
            raise ValueError(
                f"strategy={self.strategy!r} is not for this {type(estimator).__name__}: {lack}. "
                f"It can do {', '.join(map(repr, able))}."
            )
        return self.strategy

    def _checked_numbers(self, rows: Any) -> np.ndarray:
        """Numbers of different rows without labels, (n_rows,)."""
        rows = np.atleast_1d(np.asarray(rows))
        if rows.ndim > 1 or rows.dtype.kind not in "iu":
            raise ValueError(
                f"rows must be the numbers of rows, as query gives them, but has shape "
                f"{rows.shape} and dtype {rows.dtype}."
            )
        numbers, counts = np.unique(rows, return_counts=True)
        if (counts > 1).any():
            raise ValueError(f"rows must be different, but has {numbers[counts.argmax()]} twice.")
        if len(known := np.setdiff1d(rows, self.unlabelled_)):
            raise ValueError(
                f"rows must be of those in unlabelled_, of which there are "
                f"{len(self.unlabelled_)}, but row {known[0]} has a label already, or fit got no "
                f"such row; rows of another pool are for teach."
            )
        return rows

    def _checked_labels(self, y: Any, n: int) -> np.ndarray:
        """All labels, (n_labelled + n,): those before, and those of n rows more."""
        y, known = split_labels(y, is_classifier(self.estimator))
        if len(known) != n or not n:
            raise ValueError(
                f"y must have a label for each of the rows, at least one, but there are {n} rows "
                f"and {len(known)} labels."
            )
        if not known.all():
            raise ValueError(
                f"y has no label (None, nan, or -1 among integers) at {np.flatnonzero(~known)}; "
                f"leave out rows that nobody could label."
            )
        return joined(self.y_, y)

    def _next_model(self, y: np.ndarray) -> Any:
        """What learns the labels y: a new clone, or the last fit under ``warm_start``."""
        parameters = self.estimator.get_params().items()
        is_warm = any(name.rpartition("__")[2] == "warm_start" and on for name, on in parameters)
        if not is_warm or (is_classifier(self.estimator) and len(np.setdiff1d(y, self.y_))):
            return clone(self.estimator)
        return deepcopy(self.estimator_)  # so that a failing fit leaves the last one as it is

    def _learn(self, X: Any, y: np.ndarray, model: Any) -> "ActiveLearner":
        """Fit a model on labelled rows."""
        if is_classifier(self.estimator) and len(classes := np.unique(y)) < 2:
            raise ValueError(
                f"the labelled rows have one class only, {classes.tolist()[0]!r}; label rows of "
                f"another class too. Of integers, -1 is no class but stands for a missing label."
            )
        self.estimator_ = model.fit(X, y)
        self.X_, self.y_ = X, y
        return self
