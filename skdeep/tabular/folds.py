"""Bagged folds: a network for each fold of cross-validation, and the mean of all.

A fit with early stopping needs rows that it does not train on. With folds S_1, ..., S_k of the rows

    f(x) = 1/k sum_i f_i(x),   f_i trained on all rows but S_i, and stopped by S_i,

so that each row is trained on k - 1 times and validated on once, and none is lost [1]_. Averaging
takes off a part of the variance of the networks as well. Row j of fold S_i has the out-of-fold
prediction f_i(x_j).

.. [1] Erickson et al. AutoGluon-Tabular: robust and accurate AutoML for structured data. arXiv
   2003.06505, 2020, on k-fold bagging.
"""

from copy import deepcopy
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    MetaEstimatorMixin,
    RegressorMixin,
    _fit_context,
    clone,
    is_classifier,
    is_regressor,
)
from sklearn.ensemble._base import _set_random_states
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    check_cv,
)
from sklearn.utils import _safe_indexing, check_random_state, get_tags, indexable
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import (
    _num_samples,
    check_is_fitted,
    has_fit_parameter,
)
from tqdm.auto import tqdm

from skdeep._config import config_context, get_config
from skdeep.base import NetworkEstimator
from skdeep.hyperparameters import is_ours
from skdeep.persistence import saved
from skdeep.targets import check_labels, check_reals
from skdeep.validation import naming, rows_of, unchanged_on_error, weights_for

N_FOLDS = 5


class _BaggedFolds(MetaEstimatorMixin, BaseEstimator):
    """What BaggedFoldsClassifier and BaggedFoldsRegressor share."""

    _parameter_constraints: ClassVar[dict] = {
        "estimator": [HasMethods(["fit", "predict"])],
        "cv": ["cv_object"],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        estimator: Any,
        cv: Any = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int | bool = 0,
    ) -> None:
        self.estimator = estimator
        self.cv = cv
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=False)  # the estimators check their own
    def fit(self, X, y, sample_weight=None, groups=None):
        """Fit an estimator for each fold, on the rows of the others.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows, of a kind that the estimator takes; DataFrames stay such.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets; of a classifier one for each row.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, in training and in validation.
        groups : array-like of shape (n_samples,), default=None
            Rows of a group stay together, if ``cv`` splits by groups or is None or an integer.

        Returns
        -------
        self : object
            The fitted ensemble; as it was, if the fit fails.

        Raises
        ------
        ValueError
            If the estimator is of the wrong kind; if the test folds are no partition of the rows,
            or one shares rows with its training rows; besides, what the estimator raises.
        TypeError
            If there are weights, and the estimator takes none.
        """
        with unchanged_on_error(self):
            self._check_estimator()
            if y is None:
                raise ValueError(
                    f"{type(self).__name__} requires y to be passed, but the target y is None."
                )
            with naming("y"):
                y = self._check_y(y)
            X = rows_of(X)
            with naming("y"):
                X, y, groups = indexable(X, y, groups)
            weight = weights_for(self.estimator, X, sample_weight)
            rng = check_random_state(self.random_state)
            splits = self._splits(X, y, groups, rng)
            models = [clone(self.estimator) for _ in splits]
            if self.random_state is not None:
                for model in models:
                    _set_random_states(model, rng)
            settings = get_config()
            prefer = "threads" if is_ours(self.estimator) else None
            fits = Parallel(n_jobs=self.n_jobs, prefer=prefer, return_as="generator")(
                delayed(_fit_fold)(model, X, y, weight, *split, self._method, settings)
                for model, split in zip(models, splits, strict=True)
            )
            bar = tqdm(fits, total=len(splits), unit="fold", disable=not self.verbose)
            fitted = [*bar]
            self.estimators_ = [model for model, _ in fitted]
            order = np.argsort(np.concatenate([test for _, test in splits]))
            self.oof_prediction_ = np.concatenate([self._aligned(*each) for each in fitted])[order]
        return self

    @property
    def n_features_in_(self):
        """Columns of X."""
        return self._of_estimators("n_features_in_")

    @property
    def feature_names_in_(self):
        """Names of the columns of X, where it had names."""
        return self._of_estimators("feature_names_in_")

    def __sklearn_is_fitted__(self):
        return hasattr(self, "estimators_")

    def __sklearn_tags__(self):
        tags, inner = super().__sklearn_tags__(), deepcopy(get_tags(self.estimator))
        tags.input_tags, tags.target_tags = inner.input_tags, inner.target_tags
        tags.input_tags.pairwise = False
        return tags

    # What the two kinds say ---------------------------------------------------------------

    _method: ClassVar[str]  # whose results are averaged

    def _check_estimator(self) -> None:
        """Refuse an estimator of the wrong kind."""
        if isinstance(self.estimator, FrozenEstimator):
            raise ValueError(
                "estimator is frozen, but has to be fitted on folds; pass what it holds, "
                "estimator.estimator."
            )
        if get_tags(self.estimator).input_tags.pairwise:
            raise ValueError(
                f"this {type(self.estimator).__name__} takes distances or kernels between rows "
                f"instead of rows, which differ by fold; pass one that takes rows."
            )

    def _check_y(self, y: Any) -> np.ndarray:
        """Targets as an array."""
        raise NotImplementedError

    def _folds(self, is_grouped: bool) -> type:
        """The splitter where ``cv`` is no more than a number."""
        raise NotImplementedError

    def _aligned(self, model: Any, found: np.ndarray) -> np.ndarray:
        """A fold's results, in the columns of all folds'."""
        return found

    def _mean(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        found = [self._aligned(m, getattr(m, self._method)(X)) for m in self.estimators_]
        return np.mean(found, axis=0)

    def _of_estimators(self, name: str) -> Any:
        if not hasattr(self, "estimators_"):
            raise AttributeError(f"{type(self).__name__} has no {name} before fit.")
        return getattr(self.estimators_[0], name)

    def _splits(
        self, X: Any, y: np.ndarray, groups: Any, rng: np.random.RandomState
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Numbers of the training rows and of the test rows of each fold."""
        rows, cv = np.arange(_num_samples(X)), self.cv
        if cv is None or isinstance(cv, Integral):
            n_splits = N_FOLDS if cv is None else int(cv)
            if n_splits > len(rows):
                raise ValueError(
                    f"cv={self.cv!r} makes {n_splits} folds, but X has n_samples={len(rows)}; "
                    f"pass more rows, or a smaller number."
                )
            seed = rng.randint(np.iinfo(np.int32).max)
            cv = self._folds(groups is not None)(n_splits, shuffle=True, random_state=seed)
        with naming("cv"):
            given = [*check_cv(cv).split(X, y, groups)]
            try:
                splits = [(rows[train], rows[test]) for train, test in given]
            except IndexError as error:
                raise ValueError(f"X has no such rows as it names: {error}.") from None
        tested = np.concatenate([rows[:0], *(test for _, test in splits)])
        n_tests = np.bincount(tested, minlength=len(rows))
        if (n_tests != 1).any():
            raise ValueError(
                f"cv puts {np.sum(n_tests == 0)} of {len(rows)} rows into no test fold and "
                f"{np.sum(n_tests > 1)} into several, but each needs one, for its out-of-fold "
                f"prediction; take KFold or another partition."
            )
        for i, (train, test) in enumerate(splits):
            n_common = np.isin(test, train).sum()
            if not len(train) or not len(test) or n_common:
                raise ValueError(
                    f"cv has {len(train)} training rows and {len(test)} test rows in fold {i}, "
                    f"{n_common} of which are both, but a fold needs rows of each kind; take "
                    f"fewer folds, or KFold."
                )
        return splits


def _fit_fold(
    model: Any,
    X: Any,
    y: np.ndarray,
    weight: np.ndarray | None,
    train: np.ndarray,
    test: np.ndarray,
    method: str,
    settings: dict,
) -> tuple[Any, np.ndarray]:
    """A model fitted on the training rows, validated on the test rows; its results for these.

    A worker has the ``settings`` of the thread that calls ``fit``.
    """
    given = {} if weight is None else {"sample_weight": weight[train]}
    X_test, held = _safe_indexing(X, test), test
    if is_classifier(model):  # none can tell how likely a class is that it has not met
        known = np.unique(y[train])
        held = test[np.isin(y[test], known)]
    if _validates(model) and len(held):
        X_val = X_test if len(held) == len(test) else _safe_indexing(X, held)
        given |= {"X_val": X_val, "y_val": y[held]}
        if weight is not None and has_fit_parameter(model, "sample_weight_val"):
            given["sample_weight_val"] = weight[held]
            if not (total := weight[held].sum()) > 0:
                raise ValueError(
                    f"sample_weight sums to {total:g} over the rows of a fold, which is to be "
                    f"validated on; leave out rows without weight, or take fewer folds."
                )
    try:
        with config_context(**settings):
            model.fit(_safe_indexing(X, train), y[train], **given)
    except ValueError as error:
        if not is_classifier(model) or len(known) > 1 or (y == known[0]).all():
            raise
        raise ValueError(
            f"a fold leaves the class {known.tolist()[0]!r} alone to train on, which "
            f"{type(model).__name__} refuses ({error}); pass more rows of the other classes, or "
            f"folds that divide each class."
        ) from error
    return model, getattr(model, method)(X_test)


def _validates(model: Any) -> bool:
    """Whether a model's fit takes rows to validate on.

    scikit-learn's boosting refuses them where it does not stop early; networks have other uses.
    """
    if not has_fit_parameter(model, "X_val"):
        return False
    stops = getattr(model, "early_stopping", True) is not False
    return stops or isinstance(model, NetworkEstimator)


@saved
class BaggedFoldsClassifier(ClassifierMixin, _BaggedFolds):
    """The mean of classifiers, each fitted without one fold and validated on it.

    Parameters
    ----------
    estimator : classifier
        With ``predict_proba``. One whose ``fit`` takes ``X_val`` validates on the fold, as networks
        do for early stopping or calibration, and scikit-learn's gradient boosting; any other is
        fitted on the other folds alone.
    cv : int, splitter, iterable or None, default=None
        Folds, each row in one. An integer counts shuffled ones with like shares of the classes, of
        whole groups where ``fit`` gets any; None is 5.
    n_jobs : int or None, default=None
        Fits under way at once: of networks in threads, which share programs, of others in
        processes, unless ``joblib.parallel_config`` has it otherwise. Results do not depend on it.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds that an integer or None counts, and of the estimators, each of which gets
        a seed of its own. With None the folds are random, and the estimators keep theirs.
    verbose : int or bool, default=0
        Whether to show a progress bar over the folds; the estimators' is their own.

    Attributes
    ----------
    estimators_ : list of classifier
        One for each fold.
    classes_ : ndarray of shape (n_classes,)
        All classes of y.
    oof_prediction_ : ndarray of shape (n_samples, n_classes)
        Probabilities of each training row by the estimator that was not trained on it.
    n_features_in_ : int
        The estimators', where they have it.
    feature_names_in_ : ndarray of shape (n_features,)
        The estimators', where they have it.

    See Also
    --------
    sklearn.ensemble.BaggingClassifier : Members on random rows, without validation.
    sklearn.calibration.CalibratedClassifierCV : Folds to calibrate on.

    Notes
    -----
    It costs as much as cross-validation, in predicting too. All folds of networks share one
    compiled program, if their encoded rows have the same shape.

    No network was trained on its fold, but the fold has chosen the network's epoch, and its
    temperature under ``calibrate``: out-of-fold predictions flatter, the more so the smaller the
    folds. Judge the ensemble on rows apart.

    A network in a ``Pipeline`` does not validate on the fold, which would not pass the steps before
    it; it holds rows out by itself, if it stops early. Take one that encodes by itself.

    A class that has no row outside a fold has probability 0 by that fold's estimator, and the
    fold's rows of it are not validated on.

    References
    ----------
    Erickson et al. AutoGluon-Tabular: robust and accurate AutoML for structured data. arXiv
    2003.06505, 2020, on k-fold bagging.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from skdeep import MLPClassifier
    >>> from skdeep.tabular.folds import BaggedFoldsClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> network = MLPClassifier(early_stopping=True, learning_rate=0.05)
    >>> model = BaggedFoldsClassifier(network, random_state=0).fit(scale(X), y)
    >>> len(model.estimators_), model.oof_prediction_.shape
    (5, (150, 3))
    >>> bool((model.oof_prediction_.argmax(axis=1) == y).mean() > 0.9)
    True
    """

    _method = "predict_proba"

    def predict(self, X):
        """The likeliest class of each row, by the mean of the probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        likeliest = self.predict_proba(X).argmax(axis=1)
        return self.classes_[likeliest]

    def predict_proba(self, X):
        """Probabilities of the classes: the mean of the estimators'.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        return self._mean(X)

    def __sklearn_tags__(self):
        tags, inner = super().__sklearn_tags__(), get_tags(self.estimator)
        tags.target_tags.multi_output = False
        if inner.classifier_tags is not None:
            tags.classifier_tags = deepcopy(inner.classifier_tags)
            tags.classifier_tags.multi_label = False
        return tags

    def _check_estimator(self):
        super()._check_estimator()
        name = type(self.estimator).__name__
        if not is_classifier(self.estimator):
            raise ValueError(
                f"estimator must be a classifier, but {name} is none; for numbers take "
                f"BaggedFoldsRegressor."
            )
        if not hasattr(self.estimator, "predict_proba"):
            raise ValueError(
                f"estimator must have predict_proba, whose results are averaged, but this {name} "
                f"has none; wrap it in scikit-learn's CalibratedClassifierCV."
            )

    def _check_y(self, y):
        y = check_labels(y)
        if y.ndim == 2:
            raise ValueError(
                f"y has {y.shape[1]} columns, but folds are balanced for one; wrap this in "
                f"scikit-learn's MultiOutputClassifier, which fits one for each column."
            )
        self.classes_ = np.unique(y)
        return y

    def _folds(self, is_grouped):
        return StratifiedGroupKFold if is_grouped else StratifiedKFold

    def _aligned(self, model, found):
        if len(model.classes_) == len(self.classes_):
            return found
        full = np.zeros((len(found), len(self.classes_)), found.dtype)
        full[:, np.searchsorted(self.classes_, model.classes_)] = found
        return full


@saved
class BaggedFoldsRegressor(RegressorMixin, _BaggedFolds):
    """The mean of regressors, each fitted without one fold and validated on it.

    Parameters
    ----------
    estimator : regressor
        One whose ``fit`` takes ``X_val`` validates on the fold, as networks do for early stopping,
        and scikit-learn's gradient boosting; any other is fitted on the other folds alone.
    cv : int, splitter, iterable or None, default=None
        Folds, each row in one. An integer counts shuffled ones, of whole groups where ``fit`` gets
        any; None is 5.
    n_jobs : int or None, default=None
        Fits under way at once: of networks in threads, which share programs, of others in
        processes, unless ``joblib.parallel_config`` has it otherwise. Results do not depend on it.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds that an integer or None counts, and of the estimators, each of which gets
        a seed of its own. With None the folds are random, and the estimators keep theirs.
    verbose : int or bool, default=0
        Whether to show a progress bar over the folds; the estimators' is their own.

    Attributes
    ----------
    estimators_ : list of regressor
        One for each fold.
    oof_prediction_ : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Prediction of each training row by the estimator that was not trained on it.
    n_features_in_ : int
        The estimators', where they have it.
    feature_names_in_ : ndarray of shape (n_features,)
        The estimators', where they have it.

    See Also
    --------
    sklearn.ensemble.BaggingRegressor : Members on random rows, without validation.

    Notes
    -----
    As of :class:`BaggedFoldsClassifier`: it costs as much as cross-validation, in predicting too;
    out-of-fold predictions flatter where a fold has chosen its network's epoch; and a network in a
    ``Pipeline`` does not validate on the fold.

    References
    ----------
    Erickson et al. AutoGluon-Tabular: robust and accurate AutoML for structured data. arXiv
    2003.06505, 2020, on k-fold bagging.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skdeep import MLPRegressor
    >>> from skdeep.tabular.folds import BaggedFoldsRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> network = MLPRegressor(early_stopping=True)
    >>> model = BaggedFoldsRegressor(network, cv=3, random_state=0).fit(X[::2] * 20, y[::2])
    >>> model.score(X[1::2] * 20, y[1::2]) > 0.4
    True
    """

    _method = "predict"

    def predict(self, X):
        """Targets of rows X: the mean of the estimators' predictions.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        """
        return self._mean(X)

    def __sklearn_tags__(self):
        tags, inner = super().__sklearn_tags__(), get_tags(self.estimator)
        if inner.regressor_tags is not None:
            tags.regressor_tags = deepcopy(inner.regressor_tags)
        return tags

    def _check_estimator(self):
        super()._check_estimator()
        if not is_regressor(self.estimator):
            raise ValueError(
                f"estimator must be a regressor, but {type(self.estimator).__name__} is none; for "
                f"classes take BaggedFoldsClassifier."
            )

    def _check_y(self, y):
        return check_reals(y)

    def _folds(self, is_grouped):
        return GroupKFold if is_grouped else KFold
