"""Networks that learn from rows alone, without targets."""

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skdeep import blueprint
from skdeep.base.estimator import NetworkEstimator
from skdeep.base.fitting import fit_epochs, fit_method, fit_on, validation_rows
from skdeep.targets import Unlabelled


class BaseNetworkTransformer(NetworkEstimator):
    """Base of estimators that have no use for labels: y is ignored, as in a Pipeline.

    A family says by ``_functions`` what its network learns, and scores rows by ``score_samples``.
    """

    _absent = {  # noqa: RUF012
        "calibrate": "it is for classifiers",
        "class_weight": "it is for classifiers; fit takes sample_weight",
        "label_smoothing": "it is for classifiers",
    }

    @fit_method
    def fit(self, X, y=None, sample_weight=None, X_val=None, sample_weight_val=None):
        """Train on rows X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, of the kinds said above.
        y : object, default=None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the loss; their ratios matter. Negative ones are legal.
        X_val, sample_weight_val : array-likes, default=None
            Rows to validate on after each epoch, without training on them.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If the data cannot be used; the estimator is as it was.
        FitDivergedError
            If the loss becomes NaN or infinite; the estimator is as it was.
        """
        return fit_epochs(
            self, X, None, sample_weight, validation_rows(X_val, None, sample_weight_val)
        )

    @fit_method
    def partial_fit(self, X, y=None, sample_weight=None):
        """Train one epoch more on rows X, going on from the last fit.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : object, default=None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        self : object
        """
        return fit_on(self, X, None, sample_weight)

    def transform(self, X):
        """Codes of rows X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        codes : ndarray of shape (n_samples, n_components), float32
        """
        check_is_fitted(self)
        return self._computed("encode", self._checked_X(X, reset=False))

    def score(self, X, y=None):
        """Mean of ``score_samples``: larger is better, as a search wants it.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : object, default=None
            Ignored.

        Returns
        -------
        score : float
        """
        return float(np.mean(self.score_samples(X)))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = False
        tags.target_tags.required = False
        return tags

    def _computed(self, use: str, rows: Any, **numbers: float) -> Any:
        """What the function of that name, of ``_functions``, makes of rows.

        ``numbers`` it finds among the run-time ones.
        """
        from skdeep import engine

        fitted = self._fitted
        program = blueprint.program(fitted.twin, fitted.task, use)
        hyper = {**fitted.hyper, **numbers}
        found = engine.predict(program, fitted.progress.weights, rows, hyper)
        return found if found.dtype == np.float64 else found.astype(np.float32, copy=False)

    def _check_rows(self, X, y, sample_weight, *, reset, suffix=""):
        X = self._checked_X(X, reset=reset, name=f"X{suffix}")
        return X, np.zeros((len(X), 0)), self._checked_weight(X, sample_weight, suffix)

    def _make_target(self, y, weight, classes):
        return Unlabelled()
