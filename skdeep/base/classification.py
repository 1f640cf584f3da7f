"""Classifiers: two or more classes, labels that exclude each other or not."""

from functools import reduce
from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from skdeep import blueprint
from skdeep.base.estimator import NetworkEstimator
from skdeep.base.fitting import fit_method, fit_on
from skdeep.hyperparameters import hyperparameter
from skdeep.targets import Labels, check_labels


class BaseNetworkClassifier(ClassifierMixin, NetworkEstimator):
    """Base of classifiers: two or more classes, labels that exclude each other or not."""

    class_weight: Any = hyperparameter(
        default=None,
        doc="Weight of each class in the loss: a dict, or 'balanced' for equal sums; None is one.",
        constraint=[dict, StrOptions({"balanced"}), None],
        structural=None,
    )
    label_smoothing: float = hyperparameter(
        default=0.0,
        doc="Share of the uniform distribution that is mixed into the labels; it keeps "
        "probabilities from 0 and 1.",
        constraint=Interval(Real, 0, 1, closed="left"),
    )
    calibrate: bool = hyperparameter(
        default=False,
        doc="Whether to divide the logits, after training, by the temperature at which "
        "probabilities tell the truth about validation rows; it changes no ranking. Not beside "
        "``class_weight``, whose shift of all probabilities no temperature takes back.",
        structural=None,
    )

    _absent = {  # noqa: RUF012
        "loss": "a classifier learns by the cross-entropy; NetworkClassifier takes Keras's losses"
    }

    @fit_method
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train one epoch more on rows X, going on from the last fit.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        classes : array-like of shape (n_classes,) or list of such, default=None
            All classes that will ever come; needed at the first call if y lacks some. A list with
            those of each column makes y a multi-output target, whatever its first rows hold.
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        self : object
        """
        if self.calibrate:
            raise ValueError(
                "partial_fit holds out no rows to calibrate on; set calibrate=False, or call fit."
            )
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' needs all rows at once; pass partial_fit a dict of "
                "weights, as sklearn.utils.compute_class_weight gives."
            )
        return fit_on(self, X, y, sample_weight, classes)

    def predict(self, X):
        """The likeliest class of each row, (n_samples,) or (n_samples, n_outputs)."""
        outputs = self._outputs(X)["output"]
        return self._fitted.target.labels(outputs)

    def predict_proba(self, X, n_samples=None):
        """Probabilities of the classes, (n_samples, n_classes), float64.

        For a multilabel target those of each label, (n_samples, n_labels); for a multi-output one
        a list of arrays.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows.
        n_samples : int, default=None
            Average the probabilities of so many networks, each thinned by dropout as in a step of
            training [1]_: less sure where they disagree. The same ones for all rows, in each call.
            None is one network without dropout.

        References
        ----------
        .. [1] Gal, Ghahramani. Dropout as a Bayesian approximation: representing model uncertainty
           in deep learning. ICML, 2016, section 4.
        """
        check_is_fitted(self)
        target, temperatures = self._fitted.target, self._fitted.temperatures
        if n_samples is None:
            return target.probabilities(self._outputs(X)["output"], temperatures)
        samples = (target.probabilities(s, temperatures) for s in self._sampled(X, n_samples))
        total = reduce(_sum, samples)
        if isinstance(total, list):
            return [part / n_samples for part in total]
        return total / n_samples

    def predict_log_proba(self, X):
        """Logarithm of :meth:`predict_proba`."""
        probabilities = self.predict_proba(X)
        with np.errstate(divide="ignore"):
            if isinstance(probabilities, list):
                return [np.log(part) for part in probabilities]
            return np.log(probabilities)

    def decision_function(self, X):
        """Logits: (n_samples,) for two classes, else (n_samples, n_classes).

        They are the network's own: ``predict_proba`` divides them by ``temperature_`` first.
        """
        outputs = self._outputs(X)["output"]
        return self._fitted.target.decision(outputs)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def _validate_params(self):
        super()._validate_params()
        if self.calibrate and self.class_weight is not None:
            raise ValueError(
                f"calibrate=True is to make probabilities true, but class_weight="
                f"{self.class_weight!r} teaches those of other shares of the classes, which a "
                f"temperature cannot take back. Leave class_weight None, and let scikit-learn's "
                f"TunedThresholdClassifierCV decide where a rare class begins; or set "
                f"calibrate=False."
            )

    def _check_y(self, y):
        return check_labels(y)

    def _make_target(self, y, weight, classes):
        return Labels.of(y, classes)

    def _class_factors(self, target, encoded, weight):
        return target.factors(self.class_weight, encoded, weight)

    def _watches_rows(self):
        return super()._watches_rows() or self.calibrate

    def _temperatures(self, fitted, validation):
        from skdeep import engine

        if not self.calibrate:
            return None
        X, encoded, weight = validation
        program = blueprint.program(fitted.twin, fitted.task)
        outputs = engine.predict(program, fitted.progress.weights, X, fitted.hyper)["output"]
        return fitted.target.temperatures(self._canonical(outputs, fitted), encoded, weight)

    def _public_attributes(self, fitted):
        target = getattr(fitted.target, "each", fitted.target)  # of each step, or of a row
        temperature = fitted.temperatures
        classes = {
            "single": target.classes[0],
            "multilabel": np.arange(len(target.classes)),
            "multioutput": target.classes,
        }[target.kind]
        if temperature is None:
            temperature = 1.0
        elif target.kind == "single":
            temperature = float(temperature[0])
        own = {"classes_": classes, "temperature_": temperature}
        return super()._public_attributes(fitted) | own


def _sum(one: Any, other: Any) -> Any:
    """The sum of two arrays, or of the arrays of two lists, pair by pair."""
    if isinstance(one, list):
        return [a + b for a, b in zip(one, other, strict=True)]
    return one + other
