"""Gradients by layer and epoch, and what the optimizer made of them."""

from typing import Any

import pandas as pd

from skdeep.inspection.parts import network_of, panels


class GradientDisplay:
    """How large the gradient of each layer is, and how far the optimizer moved the layer for it.

    In a deep network gradients differ by orders of magnitude between layers: each layer that they
    pass on the way back multiplies them [1]_. Plain gradient descent moves the layers as unequally;
    optimizers that divide by the gradient's running size, as Adam does, move them alike.

    Parameters
    ----------
    gradients : DataFrame (n_epochs, n_layers)
        Norms of the gradient where each epoch begins.
    updates : DataFrame (n_epochs, n_layers)
        Norms of what each epoch changed, over those of the weights.

    Attributes
    ----------
    figure_ : matplotlib Figure
    axes_ : ndarray of two matplotlib Axes

    References
    ----------
    .. [1] Glorot, Bengio. Understanding the difficulty of training deep feedforward neural
       networks. AISTATS, 2010.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skdeep import MLPClassifier
    >>> from skdeep.callbacks import GradientNorms
    >>> from skdeep.inspection import GradientDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier(
    ...     hidden_layer_sizes=(20,) * 6,
    ...     activation="sigmoid",
    ...     callbacks=[GradientNorms()],
    ...     random_state=0,
    ... )
    >>> display = GradientDisplay.from_estimator(model.fit(X, y))
    >>> first = display.gradients.loc[0]
    >>> bool(first["head"] > 1000 * first["hidden_0"])
    True
    """

    def __init__(self, gradients: pd.DataFrame, updates: pd.DataFrame):
        self.gradients = gradients
        self.updates = updates

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None) -> "GradientDisplay":
        """Draw what ``skdeep.callbacks.GradientNorms`` has recorded.

        Parameters
        ----------
        estimator : estimator
            A network of skdeep that was fitted with this callback, or a Pipeline or search that
            ends in one.
        ax : array of two Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : GradientDisplay

        Raises
        ------
        ValueError
            If nothing was recorded.
        """
        _, network = network_of(estimator)
        found = {kind: _columns(network.history_, kind) for kind in ("gradient", "update")}
        if found["gradient"].empty:
            raise ValueError(
                "the fit has recorded no gradients; fit with "
                "callbacks=[skdeep.callbacks.GradientNorms()]."
            )
        return cls(found["gradient"], found["update"]).plot(ax)

    def plot(self, ax: Any = None) -> "GradientDisplay":
        """Draw on two Axes; None makes a figure."""
        import matplotlib.pyplot as plt

        self.figure_, self.axes_ = panels(ax, 2)
        colours = plt.get_cmap("viridis")
        labels = ("gradient's norm", "epoch's update / weights")
        for ax, values, label in zip(
            self.axes_, (self.gradients, self.updates), labels, strict=True
        ):
            for i, layer in enumerate(values):
                colour = colours(0.95 * i / max(len(values.columns) - 1, 1))
                ax.semilogy(values[layer], ".-", color=colour, label=layer)
            ax.set(xlabel="epoch", ylabel=label)
            ax.xaxis.get_major_locator().set_params(integer=True)
        # On top is what lies on top: gradients mostly grow towards the output.
        handles, names = self.axes_[1].get_legend_handles_labels()
        self.axes_[1].legend(handles[::-1], names[::-1], loc="upper left", bbox_to_anchor=(1, 1))
        return self


def _columns(history: pd.DataFrame, kind: str) -> pd.DataFrame:
    """The columns "kind/layer" of a history, by layer, without epochs that have none."""
    chosen = history.filter(regex=f"^{kind}/").dropna(how="all")
    return chosen.rename(columns=lambda name: name.removeprefix(f"{kind}/"))
