"""Deep features: what a network makes of rows, as columns for another model.

Two kinds, with two remedies against leaks. *Outputs* (probabilities, predictions) mean the same in
every fit, so that those of a training row can come from a network that has not seen it: stacked
generalisation [1]_. *Hidden units* mean something else in every fit, even of equal seed, as units
can swap places and signs [2]_; out-of-fold units of several networks are no columns. They come from
one network, which should be fitted on rows apart.

.. [1] Wolpert. Stacked generalization. Neural Networks 5(2), 1992.
.. [2] Hecht-Nielsen. On the algebraic structure of feedforward network weight spaces. Advanced
   Neural Computers, 1990.
"""

from collections.abc import Iterable
from copy import deepcopy
from typing import Any, ClassVar

import numpy as np
from sklearn.base import (
    BaseEstimator,
    MetaEstimatorMixin,
    TransformerMixin,
    _fit_context,
    clone,
    is_classifier,
)
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import check_cv
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils._param_validation import HasMethods, StrOptions
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.validation import _num_samples, check_is_fitted, indexable

from skdeep.persistence import saved
from skdeep.validation import unchanged_on_error, weights_for

METHODS = {
    "features": "transform",
    "predict_proba": "predict_proba",
    "decision_function": "decision_function",
    "predict": "predict",
}


@saved
class DeepFeatures(MetaEstimatorMixin, TransformerMixin, BaseEstimator):
    """What a network makes of rows, as columns for another model, without leaks.

    As a step of a Pipeline, in a ``FeatureUnion`` or ``ColumnTransformer`` beside the columns
    themselves, and with them in a stack.

    Parameters
    ----------
    estimator : estimator object
        A network of skdeep's, a Pipeline that ends in one, or, for outputs, any classifier or
        regressor.
    output : {'auto', 'features', 'predict_proba', 'decision_function', 'predict'}, default='auto'
        What of it the columns are: ``'features'`` is its ``transform``, of networks the last hidden
        layer; the others are the methods of that name. ``'predict'`` is for numbers. ``'auto'`` is
        ``'features'`` without ``cv``, and with it the first of the others that there is.
    cv : int, splitter, iterable or None, default=None
        With it, :meth:`fit_transform` gives each training row the output of an estimator that was
        fitted without the row's fold. An integer counts folds, stratified by class. Not for
        ``'features'``, which mean something else in each fold's fit.

    Attributes
    ----------
    estimator_ : estimator
        Fitted on all rows.
    output_ : str
        The output in use.
    classes_ : ndarray of shape (n_classes,)
        The estimator's, where it has them.
    n_features_in_ : int
        The estimator's, where it has it.
    feature_names_in_ : ndarray of shape (n_features,)
        The estimator's, where it has it.

    See Also
    --------
    sklearn.ensemble.StackingClassifier : Several estimators' outputs, and the model on top.

    Notes
    -----
    **Without cv the columns of training rows leak**: the network has seen their targets, so that
    they tell more of these than they will of new rows, and a model fitted on both the columns and
    the same targets trusts them too much. It is worst where the network overfits. With ``cv`` they
    do not, but note that ``fit_transform(X, y)`` is then another matrix than
    ``fit(X, y).transform(X)``, as scikit-learn's ``TargetEncoder`` has it: pipelines call the
    former on training rows.

    Hidden units without a leak take a network fitted on rows apart from those that the next model
    learns from: ``DeepFeatures(FrozenEstimator(network.fit(X_apart, y_apart)))``, which no later
    fit changes. A transformer cannot put rows apart by itself, for the next model would get them
    too.

    A fit with ``cv`` fits the estimator once, ``fit_transform`` once more for each fold; all folds
    share one compiled program. A class that has no row outside a fold has probability 0 in it.

    References
    ----------
    Wolpert. Stacked generalization. Neural Networks 5(2), 1992.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.ensemble import HistGradientBoostingClassifier
    >>> from sklearn.pipeline import make_pipeline, make_union
    >>> from sklearn.preprocessing import FunctionTransformer, StandardScaler
    >>> from skdeep import DeepFeatures, MLPClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> network = make_pipeline(StandardScaler(), MLPClassifier(random_state=0))
    >>> deep = DeepFeatures(network, output="predict_proba", cv=5)
    >>> deep.fit_transform(X, y).shape
    (569, 2)
    >>> deep.get_feature_names_out()
    array(['mlpclassifier_0', 'mlpclassifier_1'], dtype=object)
    >>> columns = make_union(FunctionTransformer(feature_names_out="one-to-one"), deep)
    >>> model = make_pipeline(columns, HistGradientBoostingClassifier(max_iter=20))
    >>> model.fit(X[::2], y[::2]).score(X[1::2], y[1::2]) > 0.94
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        "estimator": [HasMethods(["fit"])],
        "output": [StrOptions({"auto", *METHODS})],
        "cv": ["cv_object"],
    }

    def __init__(self, estimator: Any, output: str = "auto", cv: Any = None) -> None:
        self.estimator = estimator
        self.output = output
        self.cv = cv

    @_fit_context(prefer_skip_nested_validation=False)  # the estimator checks its own
    def fit(self, X, y=None, sample_weight=None):
        """Fit the estimator on all rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows, of a kind that the estimator takes.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets, if the estimator takes any.
        sample_weight : array-like of shape (n_samples,), default=None
            Handed on to the estimator.

        Returns
        -------
        self : DeepFeatures
            As it was, if the fit fails.

        Raises
        ------
        ValueError
            If the estimator lacks the output, or hidden units are wanted out of fold; besides, what
            the estimator raises.
        TypeError
            If there are weights, and the estimator takes none.
        """
        with unchanged_on_error(self):
            self._fit_and_look(X, y, sample_weight)
        return self

    @_fit_context(prefer_skip_nested_validation=False)
    def fit_transform(self, X, y=None, sample_weight=None, groups=None):
        """Fit, and give the columns of the training rows: with ``cv`` those out of fold.

        Parameters
        ----------
        X, y, sample_weight : array-likes
            As in :meth:`fit`.
        groups : array-like of shape (n_samples,), default=None
            For ``cv``, if it splits by groups. In a Pipeline ``fit(X, y, <step>__groups=groups)``.

        Returns
        -------
        columns : ndarray of shape (n_samples, n_features_out)

        Raises
        ------
        ValueError, TypeError
            As :meth:`fit`; or if the test folds are no partition of the rows.
        """
        with unchanged_on_error(self):
            columns = self._fit_and_look(X, y, sample_weight)
            return columns if self.cv is None else self._out_of_fold(X, y, sample_weight, groups)

    def transform(self, X):
        """Columns of rows X by the estimator that was fitted on all training rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows as in ``fit``; of the training rows themselves the columns leak.

        Returns
        -------
        columns : ndarray of shape (n_samples, n_features_out)
        """
        check_is_fitted(self)
        return self._columns(self.estimator_, X)

    def get_feature_names_out(self, input_features=None):
        """Names of the columns: the estimator's class, and a number or the class of the rows.

        Parameters
        ----------
        input_features : object
            Ignored.

        Returns
        -------
        names : ndarray of shape (n_features_out,) of object
        """
        check_is_fitted(self)
        parts: Iterable = range(self._n_features_out)
        classes = _classes(self.estimator_)
        # A decision between two classes is one column, and one between pairs of them has more.
        of_classes = self.output_ in ("predict_proba", "decision_function")
        if of_classes and len(classes) == self._n_features_out:
            parts = classes
        name = type(_last(self.estimator_)).__name__.lower()
        return np.array([f"{name}_{part}" for part in parts], dtype=object)

    @property
    def classes_(self):
        """Classes that the estimator has seen."""
        return self._of_estimator("classes_")

    @property
    def n_features_in_(self):
        """Columns of X."""
        return self._of_estimator("n_features_in_")

    @property
    def feature_names_in_(self):
        """Names of the columns of X, where it had names."""
        return self._of_estimator("feature_names_in_")

    def __sklearn_is_fitted__(self):
        return hasattr(self, "estimator_")

    def __sklearn_tags__(self):
        tags, inner = super().__sklearn_tags__(), deepcopy(get_tags(self.estimator))
        tags.input_tags, tags.target_tags = inner.input_tags, inner.target_tags
        # Its targets may have to be classes, but it is no classifier.
        tags.transformer_tags.preserves_dtype = []
        return tags

    def _of_estimator(self, name: str) -> Any:
        if not hasattr(self, "estimator_"):
            raise AttributeError(f"{type(self).__name__} has no {name} before fit.")
        return getattr(self.estimator_, name)

    def _fit_and_look(self, X: Any, y: Any, weight: Any) -> np.ndarray:
        """Fit on all rows; their columns, by the same fit."""
        self.output_ = self._chosen_output()
        self.estimator_ = self._fitted(X, y, self._weights(X, weight))
        columns = self._columns(self.estimator_, X)
        self._n_features_out = columns.shape[1]
        return columns

    def _chosen_output(self) -> str:
        """The output; refused if the estimator lacks it, or it has no meaning out of fold."""
        able = [name for name, method in METHODS.items() if hasattr(self.estimator, method)]
        output = self.output
        if output == "auto" and self.cv is None:
            output = "features"
        elif output == "auto":
            output = next((name for name in able if name != "features"), "predict")
        if self.output == "features" and self.cv is not None:
            raise ValueError(
                f"output='features' are hidden units, which mean something else in each fold's "
                f"fit, so that cv={self.cv!r} would mix columns that have only their places in "
                f"common. Set output='predict_proba' or 'predict', whose columns mean the same in "
                f"each fold, or cv=None and a network fitted on rows apart, "
                f"DeepFeatures(FrozenEstimator(network))."
            )
        if output not in able:
            raise ValueError(
                f"output={self.output!r} takes an estimator with the method {METHODS[output]}, "
                f"which this {type(_last(self.estimator)).__name__} has not; of it can be taken "
                f"{', '.join(map(repr, able)) or 'nothing'}."
            )
        if self.cv is not None and isinstance(self.estimator, FrozenEstimator):
            raise ValueError(
                f"cv={self.cv!r} fits the estimator on folds, but it is frozen; set cv=None, and "
                f"pass rows that it was not fitted on."
            )
        return output

    def _weights(self, X: Any, weight: Any) -> dict[str, np.ndarray]:
        """What the estimator's fit takes besides X and y, by name."""
        checked = weights_for(self.estimator, X, weight)
        return {} if checked is None else {"sample_weight": checked}

    def _fitted(self, X: Any, y: Any, weights: dict[str, np.ndarray]) -> Any:
        return clone(self.estimator).fit(X, y, **weights)

    def _out_of_fold(self, X: Any, y: Any, weight: Any, groups: Any) -> np.ndarray:
        """Columns of each row by an estimator that was fitted without its fold."""
        weights = self._weights(X, weight)
        X, y, groups = indexable(X, y, groups)
        splitter = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        places, parts = [], []
        for train, test in splitter.split(X, y, groups):
            X_train, y_train = _safe_split(self.estimator, X, y, train)
            X_test, _ = _safe_split(self.estimator, X, y, test, train)
            seen = {name: values[train] for name, values in weights.items()}
            model = self._fitted(X_train, y_train, seen)
            parts.append(self._aligned(self._columns(model, X_test), model))
            places.append(test)
        order = np.concatenate(places)
        if not np.array_equal(np.sort(order), np.arange(_num_samples(X))):
            raise ValueError(
                f"cv={self.cv!r} does not put each row into exactly one test fold, as it must to "
                f"give each its columns; take KFold or another partition."
            )
        return np.concatenate(parts)[np.argsort(order)]

    def _aligned(self, columns: np.ndarray, model: Any) -> np.ndarray:
        """Columns of a fold's fit in the places of those of the fit on all rows."""
        ours, its = _classes(self.estimator_), _classes(model)
        if self.output_ == "predict_proba" and len(its) < len(ours):
            found = np.zeros((len(columns), len(ours)), columns.dtype)
            found[:, np.searchsorted(ours, its)] = columns
            return found
        if self.output_ == "decision_function" and len(its) < len(ours):
            raise ValueError(
                f"y has the classes {np.setdiff1d(ours, its).tolist()} in one fold only, without "
                f"which the decision function means something else; take fewer folds, "
                f"output='predict_proba', or join rare classes."
            )
        if columns.shape[1] != self._n_features_out:
            raise ValueError(
                f"y has a class that is rarer than the folds: the estimator gives "
                f"{columns.shape[1]} columns in one of them, of all rows {self._n_features_out}. "
                f"Take fewer folds, or join rare classes."
            )
        return columns

    def _columns(self, model: Any, X: Any) -> np.ndarray:
        """The output of a fitted estimator as columns, (n, n_features_out)."""
        found = getattr(model, METHODS[self.output_])(X)
        if isinstance(found, list):  # of several targets' classes
            found = np.concatenate(found, axis=1)
        found = np.asarray(found)
        found = found[:, None] if found.ndim == 1 else found
        if found.ndim != 2:
            raise ValueError(
                f"output={self.output_!r} of {type(_last(model)).__name__} has the shape "
                f"{found.shape}, but columns take two axes, (n_samples, n_columns); let the "
                f"estimator end in a pooling layer, or in a dense one."
            )
        if found.dtype.kind not in "biuf":
            raise ValueError(
                f"output='predict' gives {found.dtype} values as {found.flat[0]!r}, which are no "
                f"columns of numbers; set output='predict_proba'."
            )
        return found


def _classes(model: Any) -> np.ndarray:
    """The classes of an estimator of one target; none of another."""
    classes = getattr(model, "classes_", ())
    return classes if isinstance(classes, np.ndarray) and classes.ndim == 1 else np.array([])


def _last(estimator: Any) -> Any:
    """What does the work: a Pipeline's last step, what a frozen estimator holds."""
    while isinstance(estimator, Pipeline | FrozenEstimator):
        frozen = isinstance(estimator, FrozenEstimator)
        estimator = estimator.estimator if frozen else estimator.steps[-1][1]
    return estimator
