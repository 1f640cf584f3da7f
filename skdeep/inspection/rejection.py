"""Background rejection against signal efficiency: the ROC curve as particle physics draws it.

On a logarithmic axis, as the models that matter differ where little background is left.
"""

from typing import Any

import numpy as np
from sklearn.utils._response import _get_response_values_binary
from sklearn.utils.validation import _check_pos_label_consistency

from skdeep.metrics import background_rejection


class RejectionDisplay:
    """Background rejection against signal efficiency, with its statistical error.

    Made by :meth:`from_estimator` or :meth:`from_predictions`; all parameters are attributes.

    Parameters
    ----------
    signal_efficiency : ndarray of shape (n_points,)
        Shares of the signal that pass a cut on the score.
    rejection : ndarray of shape (n_points,)
        One over the shares of the background that pass. Where they are infinite, the curve has a
        gap.
    error : ndarray of shape (n_points,), default=None
        Standard errors of ``rejection``; None draws no band.
    name : str, default=None
        Name of the curve in the legend; None makes no entry.
    pos_label : int, float, bool or str, default=None
        The signal's label, which the axis shows unless it is None.

    Attributes
    ----------
    line_ : matplotlib Line2D
        The curve.
    band_ : matplotlib PolyCollection or None
        One standard error to either side, of the logarithm of the rejection.
    ax_ : matplotlib Axes
        What it is drawn on.
    figure_ : matplotlib Figure
        The figure of ``ax_``.

    See Also
    --------
    skdeep.metrics.background_rejection : The numbers, and how weights enter.
    sklearn.metrics.RocCurveDisplay : The same on linear axes, without errors.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skdeep.inspection import RejectionDisplay
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), LogisticRegression(C=1e-3)).fit(X, y)
    >>> display = RejectionDisplay.from_estimator(model, X, y, name="logistic regression")
    >>> display.ax_.get_ylabel()
    'Background rejection'
    """

    def __init__(
        self,
        *,
        signal_efficiency: np.ndarray,
        rejection: np.ndarray,
        error: np.ndarray | None = None,
        name: str | None = None,
        pos_label: Any = None,
    ):
        self.signal_efficiency = signal_efficiency
        self.rejection = rejection
        self.error = error
        self.name = name
        self.pos_label = pos_label

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        sample_weight: Any = None,
        response_method: str = "auto",
        pos_label: Any = None,
        name: str | None = None,
        ax: Any = None,
        curve_kwargs: dict[str, Any] | None = None,
    ) -> "RejectionDisplay":
        """The curve of a fitted classifier on rows that it should not have seen.

        Parameters
        ----------
        estimator : estimator
            A fitted classifier of two classes, or a pipeline that ends in one.
        X : array-like of shape (n_samples, ...)
            Rows.
        y : array-like of shape (n_samples,)
            Their classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows; negative ones are legal.
        response_method : {'auto', 'predict_proba', 'decision_function'}, default='auto'
            Where the score comes from; 'auto' takes the first that there is.
        pos_label : int, float, bool or str, default=None
            The signal's label; None is the second of the estimator's classes.
        name : str, default=None
            Name in the legend; None is that of the estimator's class.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        curve_kwargs : dict, default=None
            Passed to matplotlib's ``plot``; the band takes its colour from the line.

        Returns
        -------
        display : RejectionDisplay
        """
        score, pos_label = _get_response_values_binary(
            estimator, X, response_method=response_method, pos_label=pos_label
        )
        return cls.from_predictions(
            y,
            score,
            sample_weight=sample_weight,
            pos_label=pos_label,
            name=type(estimator).__name__ if name is None else name,
            ax=ax,
            curve_kwargs=curve_kwargs,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_score: Any,
        *,
        sample_weight: Any = None,
        pos_label: Any = None,
        name: str | None = None,
        ax: Any = None,
        curve_kwargs: dict[str, Any] | None = None,
    ) -> "RejectionDisplay":
        """The curve of scores, at 200 signal efficiencies.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            Signal or background.
        y_score : array-like of shape (n_samples,)
            Score, larger for signal.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows; negative ones are legal.
        pos_label : int, float, bool or str, default=None
            The signal's label in ``y_true``; None is 1 where the labels are {0, 1} or {-1, 1}.
        name : str, default=None
            Name in the legend; None makes no entry.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        curve_kwargs : dict, default=None
            Passed to matplotlib's ``plot``; the band takes its colour from the line.

        Returns
        -------
        display : RejectionDisplay
        """
        efficiency = np.arange(1, 201) / 200
        rejection, error = background_rejection(
            y_true,
            y_score,
            signal_efficiency=efficiency,
            pos_label=pos_label,
            sample_weight=sample_weight,
            return_error=True,
        )
        display = cls(
            signal_efficiency=efficiency,
            rejection=rejection,
            error=error,
            name=name,
            pos_label=_check_pos_label_consistency(pos_label, y_true),
        )
        return display.plot(ax=ax, curve_kwargs=curve_kwargs)

    def plot(
        self,
        ax: Any = None,
        *,
        name: str | None = None,
        curve_kwargs: dict[str, Any] | None = None,
    ) -> "RejectionDisplay":
        """Draw the curve and its band.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw, as on that of another display, to compare; None makes a new figure.
        name : str, default=None
            Name in the legend; None is that of the display.
        curve_kwargs : dict, default=None
            Passed to matplotlib's ``plot``; the band takes its colour from the line.

        Returns
        -------
        self : RejectionDisplay
        """
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots()
        style = {"label": self.name if name is None else name, **(curve_kwargs or {})}
        rejection = np.where(np.isfinite(self.rejection), self.rejection, np.nan)
        (self.line_,) = ax.plot(self.signal_efficiency, rejection, **style)
        self.band_ = None
        if self.error is not None:
            factor = np.exp(self.error / rejection)
            self.band_ = ax.fill_between(
                self.signal_efficiency,
                rejection / factor,
                rejection * factor,
                color=self.line_.get_color(),
                alpha=0.2,
                linewidth=0,
            )
        signal = "" if self.pos_label is None else f" (Positive label: {self.pos_label})"
        ax.set(
            xlabel=f"Signal efficiency{signal}",
            xlim=(0, 1),
            ylabel="Background rejection",
            yscale="log",
        )
        ax.set_ylim(bottom=1, auto=None)  # leaves room for further curves
        if style["label"] is not None:
            ax.legend(loc="upper right")
        self.ax_, self.figure_ = ax, ax.figure
        return self
