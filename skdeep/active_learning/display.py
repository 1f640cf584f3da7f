"""Label budgets as a picture: a curve for each strategy."""

from typing import Any

import pandas as pd

from skdeep.active_learning.curve import label_budget_area, label_budget_curve


class LabelBudgetDisplay:
    """Score against the number of labels: the mean of each strategy, and how sure it is.

    Made by :meth:`from_estimator`, or of a curve that was computed before; all parameters are
    attributes.

    Parameters
    ----------
    curve : DataFrame
        Of :func:`label_budget_curve`.
    score_name : str, default=None
        What the axis calls the score; None is "Score".

    Attributes
    ----------
    areas_ : DataFrame
        Mean score of each course: a row for each repeat, a column for each strategy. Their means
        stand in the legend.
    lines_ : dict of str to matplotlib Line2D
        The mean over the repeats, by strategy.
    bands_ : dict of str to matplotlib PolyCollection
        One standard error of that mean to either side; none of a single repeat.
    ax_ : matplotlib Axes
        What it is drawn on.
    figure_ : matplotlib Figure
        The figure of ``ax_``.

    See Also
    --------
    label_budget_curve : The numbers.
    sklearn.model_selection.LearningCurveDisplay : The same for rows in random order.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.preprocessing import scale
    >>> from skdeep.active_learning import LabelBudgetDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> display = LabelBudgetDisplay.from_estimator(
    ...     LogisticRegression(), X, y, n_initial=5, batch_size=5, n_labels=25, random_state=0
    ... )
    >>> print(display.areas_.mean().round(2).to_dict())
    {'random': 0.8, 'margin': 0.9}
    """

    def __init__(self, *, curve: pd.DataFrame, score_name: str | None = None):
        self.curve = curve
        self.score_name = score_name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        scoring: Any = None,
        score_name: str | None = None,
        ax: Any = None,
        **settings: Any,
    ) -> "LabelBudgetDisplay":
        """Compute the curve of an estimator, and draw it.

        Parameters
        ----------
        estimator : estimator object
            A classifier or a regressor.
        X : array-like of shape (n_samples, ...)
            Rows.
        y : array-like of shape (n_samples,)
            Their labels.
        scoring : str, callable or None, default=None
            As in :func:`label_budget_curve`.
        score_name : str, default=None
            What the axis calls the score; None is the name of ``scoring``, or "Score".
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **settings : dict
            All other parameters of :func:`label_budget_curve`.

        Returns
        -------
        display : LabelBudgetDisplay
        """
        curve = label_budget_curve(estimator, X, y, scoring=scoring, **settings)
        if score_name is None and isinstance(scoring, str):
            score_name = scoring.replace("neg_", "negative ").replace("_", " ").capitalize()
        return cls(curve=curve, score_name=score_name).plot(ax)

    def plot(self, ax: Any = None) -> "LabelBudgetDisplay":
        """Draw the curves and their bands.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        self : LabelBudgetDisplay
        """
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots()
        self.areas_ = label_budget_area(self.curve)
        self.lines_, self.bands_ = {}, {}
        for strategy, courses in self.curve.groupby("strategy", sort=False):
            at = courses.groupby("n_labels")["score"]
            mean, error = at.mean(), at.sem()
            label = f"{strategy} (area {self.areas_[strategy].mean():.3f})"
            (line,) = ax.plot(mean.index, mean, label=label)
            self.lines_[strategy] = line
            if error.notna().all():
                self.bands_[strategy] = ax.fill_between(
                    mean.index,
                    mean - error,
                    mean + error,
                    color=line.get_color(),
                    alpha=0.2,
                    linewidth=0,
                )
        ax.set(xlabel="Labels", ylabel=self.score_name or "Score")
        ax.legend(loc="lower right")
        self.ax_, self.figure_ = ax, ax.figure
        return self
