"""What all displays need: the network inside of a pipeline or a search, and axes to draw on."""

from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skdeep.base import NetworkEstimator


def network_of(estimator: Any) -> tuple[list, NetworkEstimator]:
    """The fitted steps before the network, and the network: of a Pipeline its last step.

    A search stands for its best estimator.

    Raises
    ------
    NotFittedError
        Before fit.
    TypeError
        If there is no network at the end.
    """
    check_is_fitted(estimator)
    if hasattr(estimator, "best_estimator_"):
        return network_of(estimator.best_estimator_)
    if isinstance(estimator, Pipeline):
        before, network = network_of(estimator.steps[-1][1])
        return [*(step for _, step in estimator.steps[:-1]), *before], network
    if not isinstance(estimator, NetworkEstimator):
        raise TypeError(
            f"a network of skdeep is needed, or a Pipeline or a search that ends in one, but "
            f"this is {type(estimator).__name__}."
        )
    return [], estimator


def transformed(steps: list, X: Any) -> Any:
    """X as the network sees it, after the fitted steps before it."""
    for step in steps:
        if step is not None and step != "passthrough":
            X = step.transform(X)
    return X


def panels(ax: Any, n: int) -> tuple[Any, np.ndarray]:
    """A figure and n Axes in it: those given, or new ones side by side."""
    if ax is None:
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(
            1, n, figsize=(6.4 * n, 4.8), squeeze=False, layout="constrained"
        )
        return figure, axes[0]
    axes = np.ravel(ax)
    if len(axes) != n:
        raise ValueError(f"ax must hold {n} Axes, one for each panel, but holds {len(axes)}.")
    return axes[0].figure, axes
