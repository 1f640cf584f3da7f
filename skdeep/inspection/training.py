"""Learning curves."""

from typing import Any

import pandas as pd

from skdeep.inspection.parts import network_of, panels


class TrainingDisplay:
    """Learning curves: the losses by epoch, and a panel for the scores that were watched.

    Parameters
    ----------
    history : DataFrame
        As ``history_``: ``loss``, and ``val_loss`` and ``val_score`` if they are there.
    best_epoch : int, default=-1
        The epoch whose weights were kept, which is marked; -1 for none.
    name : str, default=None
        Of the estimator, for the legend.

    Attributes
    ----------
    figure_ : matplotlib Figure
    axes_ : ndarray of matplotlib Axes
        Of the losses, and of the scores if there are any.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skdeep import MLPClassifier
    >>> from skdeep.inspection import TrainingDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier(early_stopping=True, random_state=0).fit(X, y)
    >>> display = TrainingDisplay.from_estimator(model)
    >>> [line.get_label() for line in display.axes_[0].lines]
    ['loss', 'val_loss', 'kept: epoch 19']
    """

    def __init__(self, history: pd.DataFrame, *, best_epoch: int = -1, name: str | None = None):
        self.history = history
        self.best_epoch = best_epoch
        self.name = name

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, name: str | None = None, ax: Any = None
    ) -> "TrainingDisplay":
        """Draw the learning curves of a fitted network.

        Parameters
        ----------
        estimator : estimator
            A network of skdeep, or a Pipeline or search that ends in one.
        name : str, default=None
            Stands before the labels in the legend, to tell several networks apart.
        ax : Axes or array of Axes, default=None
            Where to draw: ``axes_`` of another display draws over it. None makes a figure.

        Returns
        -------
        display : TrainingDisplay
        """
        _, network = network_of(estimator)
        display = cls(network.history_, best_epoch=network.best_epoch_, name=name)
        return display.plot(ax)

    def plot(self, ax: Any = None) -> "TrainingDisplay":
        """Draw on ``ax``, an Axes or one for losses and one for scores; None makes a figure."""
        scored = "val_score" in self.history
        self.figure_, self.axes_ = panels(ax, 1 + scored)
        losses = [name for name in ("loss", "val_loss") if name in self.history]
        self._draw(self.axes_[0], losses, "loss", mark=not scored)
        if scored:
            self._draw(self.axes_[1], ["val_score"], "score", mark=True)
        return self

    def _draw(self, ax: Any, columns: list[str], label: str, mark: bool) -> None:
        prefix = "" if self.name is None else f"{self.name}: "
        colour = None
        for column, style in zip(columns, ("-", "--"), strict=False):
            (line,) = ax.plot(
                self.history[column], style, color=colour, marker=".", label=prefix + column
            )
            colour = line.get_color()
        if mark and self.best_epoch >= 0:
            ax.plot(
                self.best_epoch,
                self.history[columns[-1]].loc[self.best_epoch],
                "o",
                color=colour,
                markersize=9,
                fillstyle="none",
                label=f"{prefix}kept: epoch {self.best_epoch}",
            )
        ax.set(xlabel="epoch", ylabel=label)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.legend()
