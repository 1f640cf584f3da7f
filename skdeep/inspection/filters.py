"""What the units of a network look for: their weights, what they answer, what excites them most.

An input that excites unit u is found by gradient ascent on a sphere [1]_:

    x* = argmax h_u(x)   subject to   ||x|| = rho,

begun at the row that excites u most. For a linear unit x* is rho w / ||w||; our tests lean on that.

.. [1] Erhan, Bengio, Courville, Vincent. Visualizing higher-layer features of a deep network.
   Technical report 1341, Université de Montréal, 2009, section 3.1.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np

from skdeep import blueprint
from skdeep.inspection.parts import network_of, transformed

_STEPS = 100
_FIRST_STEP = 0.2  # of the radius; it falls to zero


class FilterDisplay:
    """A grid of small pictures: filters, activations, or inputs that excite a unit.

    Parameters
    ----------
    images : ndarray (n_rows, n_columns, height, width) or (..., 3)
        The pictures; with three channels they are shown in colour.
    titles : list of str
        Of the pictures, row by row; of a shorter list, the first ones'.
    values : ndarray (n_rows, n_columns), default=None
        Activations that belong to the pictures.
    one_scale : bool, default=True
        Whether equal shades are equal numbers in all pictures; else each has a scale of its own.

    Attributes
    ----------
    figure_ : matplotlib Figure
    axes_ : ndarray of matplotlib Axes, (n_rows, n_columns)

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skdeep import CNNClassifier
    >>> from skdeep.inspection import FilterDisplay
    >>> digits = load_digits()
    >>> model = CNNClassifier(epochs=3, random_state=0).fit(digits.images / 16, digits.target)
    >>> FilterDisplay.from_estimator(model, units=12).images.shape
    (3, 5, 3, 3)
    >>> excited = FilterDisplay.from_excitation(model, digits.images / 16, units=[3], n_rows=1)
    >>> synthetic, row = excited.values[0]
    >>> bool(synthetic > row)
    True
    """

    def __init__(
        self,
        images: np.ndarray,
        titles: Sequence[str] = (),
        values: np.ndarray | None = None,
        one_scale: bool = True,
    ):
        self.images = images
        self.titles = titles
        self.values = values
        self.one_scale = one_scale

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, units: Any = 32, image_shape: tuple | None = None, ax: Any = None
    ) -> "FilterDisplay":
        """Draw the first layer's weights: a CNN's kernels, or an MLP's columns as images.

        A kernel over series is drawn with its steps from left to right, a line for each feature.

        Parameters
        ----------
        estimator : estimator
            A fitted network of skdeep, or a Pipeline or search that ends in one.
        units : int or sequence of int, default=32
            How many of the layer's units, or which.
        image_shape : tuple, default=None
            Of the rows, (height, width) or (height, width, channels). None takes the shape of a
            CNN's images; else a square, where the number of columns is one, or a line.
        ax : Axes, default=None
            Where to draw the grid; None makes a figure.

        Returns
        -------
        display : FilterDisplay
        """
        _, network = network_of(estimator)
        filters = np.moveaxis(_first_kernel(_float_model(network)), -1, 0)  # (n_units, ...)
        if filters.ndim == 2:
            shape = _image_shape(network, image_shape)
            if filters.shape[1] != math.prod(shape):
                raise ValueError(
                    f"the first layer has a weight for each of {filters.shape[1]} numbers, but a "
                    f"row has {math.prod(shape)}; FilterDisplay needs a network whose first layer "
                    f"with weights sees the rows themselves."
                )
            filters = filters.reshape(-1, *shape)
        elif filters.ndim == 3:  # of series: steps from left to right, a line for each feature
            filters = np.swapaxes(filters, 1, 2)[..., None]
        chosen = _chosen(units, len(filters))
        images = _pictures(filters[chosen])
        n_columns = math.ceil(math.sqrt(len(images) * 2))
        return cls(_grid(images, n_columns), [f"{i}" for i in chosen]).plot(ax)

    @classmethod
    def from_activations(
        cls, estimator: Any, X: Any, layer: str, *, units: Any = 12, ax: Any = None
    ) -> "FilterDisplay":
        """Draw what the units of a layer answer to rows X: a row of pictures for each row.

        Parameters
        ----------
        estimator : estimator
            A fitted network of skdeep, or a Pipeline or search that ends in one.
        X : array-like of shape (n_samples, ...)
            A few rows.
        layer : str
            A name of ``summary()``. Of a layer without pixels all units are one picture, of
            n_samples lines.
        units : int or sequence of int, default=12
            How many channels of the layer, or which; a layer without pixels shows all.
        ax : Axes, default=None
            Where to draw the grid; None makes a figure.

        Returns
        -------
        display : FilterDisplay
        """
        steps, network = network_of(estimator)
        model = _float_model(network)
        values = np.asarray(_layer_of(model, layer)(_float_rows(network, transformed(steps, X))))
        if values.ndim != 4:
            return cls(values.reshape(1, 1, len(values), -1), [layer]).plot(ax)
        chosen = _chosen(units, values.shape[-1])
        images = np.moveaxis(values[..., chosen], -1, 1)
        return cls(images, [f"{i}" for i in chosen]).plot(ax)

    @classmethod
    def from_excitation(
        cls,
        estimator: Any,
        X: Any,
        layer: str | None = None,
        *,
        units: Any = 10,
        n_rows: int = 3,
        image_shape: tuple | None = None,
        ax: Any = None,
    ) -> "FilterDisplay":
        """Draw what excites units: a synthetic input, and the rows of X that do so most.

        The synthetic input is found by gradient ascent at the mean length of X's rows, begun at the
        row that excites the unit most. The numbers are activations; a channel's is its mean over
        pixels.

        Parameters
        ----------
        estimator : estimator
            A fitted network of skdeep, or a Pipeline or search that ends in one.
        X : array-like of shape (n_samples, ...)
            Rows.
        layer : str, default=None
            A name of ``summary()``; None is the output (logits, of a classifier).
        units : int or sequence of int, default=10
            How many of the layer's units, or which.
        n_rows : int, default=3
            How many rows of X to show beside the synthetic one.
        image_shape : tuple, default=None
            As in :meth:`from_estimator`.
        ax : Axes, default=None
            Where to draw the grid; None makes a figure.

        Returns
        -------
        display : FilterDisplay
        """
        steps, network = network_of(estimator)
        model = _float_model(network)
        if not (dtype := _ends(model)[0].dtype).startswith("float"):
            raise ValueError(
                f"the model takes {dtype}, by which there is no gradient to climb; begin it with "
                f"a keras.Input of floating numbers."
            )
        of_layer = _layer_of(model, layer)
        X = _float_rows(network, transformed(steps, X))
        activations = _activations(of_layer, X)
        chosen = _chosen(units, activations.shape[1])
        most = np.argsort(-activations[:, chosen], axis=0)[:n_rows].T  # (n_units, n_rows)
        radius = np.linalg.norm(X.reshape(len(X), -1), axis=1).mean()
        synthetic, values = _ascend(of_layer, X[most[:, 0]], chosen, radius)
        values = np.column_stack([values, activations[most, np.array(chosen)[:, None]]])
        images = np.concatenate([synthetic[:, None], X[most]], axis=1)
        n_columns = images.shape[1]
        images = _pictures(images.reshape(-1, *_image_shape(network, image_shape)))
        titles = [f"{value:.3g}" for value in values.flat]
        for i, name in enumerate(_unit_names(network, layer, chosen)):
            titles[i * n_columns] = f"{name}: {titles[i * n_columns]}"
        return cls(_grid(images, n_columns), titles, values, one_scale=False).plot(ax)

    def plot(self, ax: Any = None, *, cmap: str | None = None) -> "FilterDisplay":
        """Draw in the place of ``ax``; None makes a figure.

        ``cmap`` defaults to greys, or to blue and red about zero where there are negative numbers.
        """
        import matplotlib.pyplot as plt

        n_rows, n_columns, height, width = self.images.shape[:4]
        one = n_rows * n_columns == 1
        if ax is None:
            cell = (1.2, 1.2 + 0.25 * bool(self.titles))
            size = (6.4, 3.2) if one else (cell[0] * n_columns + 0.4, cell[1] * n_rows + 0.4)
            self.figure_ = plt.figure(figsize=size, layout="constrained")
            grid = self.figure_.add_gridspec(n_rows, n_columns)
        else:
            self.figure_ = ax.figure
            ax.set_axis_off()
            grid = ax.get_subplotspec().subgridspec(n_rows, n_columns)
        self.axes_ = grid.subplots(squeeze=False)
        cells = self.images.reshape(-1, *self.images.shape[2:])
        signed = np.nanmin(cells) < 0
        for i, (ax, image) in enumerate(zip(self.axes_.flat, cells, strict=True)):
            if not one:
                ax.set_axis_off()
            if np.isnan(image).all():  # the grid is not full
                continue
            shown = cells if self.one_scale else image
            low, high = np.nanmin(shown), np.nanmax(shown)
            if image.ndim == 3:
                image = (image - low) / (high - low or 1)
            elif signed:
                low, high = -max(-low, high), max(-low, high)
            ax.imshow(
                image,
                cmap=cmap or ("RdBu_r" if signed else "gray"),
                vmin=low,
                vmax=high,
                aspect="auto" if max(height, width) > 4 * min(height, width) else "equal",
            )
            if i < len(self.titles):
                ax.set_title(self.titles[i], fontsize="small")
        return self


def _float_model(network: Any) -> Any:
    """The fitted network as a Keras model of floating rows: there is no gradient by an integer.

    A user's own model is a copy that takes rows as his does.
    """
    from skdeep import engine

    fitted = network._fitted
    if fitted.task.wide or None in fitted.task.input_shape:
        rows = "wide and sparse" if fitted.task.wide else "sequences"
        raise ValueError(f"rows are {rows}; FilterDisplay needs images, or columns of a table.")
    if fitted.task.model is not None:
        return network.network_
    task = replace(fitted.task, input_dtype=_float_dtype(fitted.task))
    model = engine.build_apart(
        lambda: blueprint.keras_model(fitted.true_twin, task), task.precision
    )
    model.set_weights(network.network_.get_weights())
    return model


def _float_dtype(task: blueprint.Task) -> str:
    return "float32" if task.input_dtype == "uint8" else task.input_dtype


def _float_rows(network: Any, X: Any) -> np.ndarray:
    """Rows X as that model takes them.

    Our networks divide whole numbers from 0 to 255 by 255; a user's own model takes them as they
    are.
    """
    task, X = network._fitted.task, network._check_X(X, reset=False)
    X = X.toarray() if hasattr(X, "toarray") else X
    if task.model is not None:
        return X.astype(task.input_dtype, copy=False)
    return X / np.float32(255) if X.dtype == np.uint8 else X


def _first_kernel(model: Any) -> np.ndarray:
    """The first weights with more than one axis, (..., n_units)."""
    for weight in model.weights:
        if len(weight.shape) > 1:
            return weight.numpy()
    raise ValueError("the network has no weights that could be drawn: none has two axes.")


def _layer_of(model: Any, name: str | None) -> Callable:
    """A function from rows to what a layer makes of them; None is the network's output."""
    import keras

    names = [layer.name for layer in model.layers]
    rows, output = _ends(model)
    if name is None:
        output = output["output"] if isinstance(output, dict) else output
    elif name in names:
        output = getattr(model.get_layer(name), "output", None)
    else:
        raise ValueError(f"layer {name!r} is not there; the layers are {', '.join(names)}.")
    if output is None:
        raise ValueError(
            f"what layer {name!r} makes of rows cannot be told, for the model is of a class of its "
            f"own; use a functional model."
        )
    part = keras.Model(rows, output)
    return lambda rows: part(rows, training=False)


def _ends(model: Any) -> tuple[Any, Any]:
    """Keras's tensors of a model's rows and of what it makes of them."""
    if type(model).__name__ == "Sequential":  # whose own nodes are of what it is called on
        return model.inputs[0], model.outputs[0]
    rows = model.input
    return rows[0] if isinstance(rows, list) else rows, model.output


def _activation(outputs: Any) -> Any:
    """One number for each row and unit, (n, n_units): of a channel the mean over its pixels."""
    from keras import ops

    axes = tuple(range(1, len(outputs.shape) - 1))
    return ops.mean(outputs, axis=axes) if axes else outputs


def _activations(of_layer: Callable, X: np.ndarray) -> np.ndarray:
    """Activations of all rows, (n_samples, n_units), in pieces that fit the memory."""
    pieces = np.array_split(X, math.ceil(len(X) / 256))
    return np.concatenate([np.asarray(_activation(of_layer(piece))) for piece in pieces])


def _ascend(
    of_layer: Callable, start: np.ndarray, units: list[int], radius: float
) -> tuple[np.ndarray, np.ndarray]:
    """Inputs of a given norm that excite units, one each, and their activations."""
    from keras import ops

    from skdeep.engine import value_and_gradient
    from skdeep.engine.runtime import tf  # a hundred eager passes would take seconds

    def excitement(x):
        values = ops.diagonal(ops.take(_activation(of_layer(x)), units, axis=1))
        return ops.sum(values), values

    @tf.function(autograph=False)
    def values_and_gradient(x):
        return value_and_gradient(excitement, None, x)[1:]

    def with_norm(x, norm):
        norms = np.linalg.norm(x.reshape(len(x), -1), axis=1)
        return x * (norm / np.maximum(norms, 1e-30)).reshape(-1, *[1] * (x.ndim - 1)).astype(
            x.dtype
        )

    x = with_norm(start, radius)
    for step in range(_STEPS):
        _, gradient = values_and_gradient(tf.constant(x))
        uphill = with_norm(np.asarray(gradient), radius * _FIRST_STEP * (1 - step / _STEPS))
        x = with_norm(x + uphill, radius)
    values, _ = values_and_gradient(tf.constant(x))
    return x, np.asarray(values)


def _chosen(units: Any, n: int) -> list[int]:
    """Numbers of units: the first so many of n, or those given."""
    if isinstance(units, Integral):
        return list(range(min(int(units), n)))
    if not all(isinstance(unit, Integral) and 0 <= int(unit) < n for unit in units):
        raise ValueError(f"units must lie in [0, {n - 1}], but are {list(units)}.")
    return [int(unit) for unit in units]


def _image_shape(network: Any, asked: tuple | None) -> tuple[int, int, int]:
    """(height, width, channels) of rows as images."""
    given = network._fitted.task.input_shape
    if len(given) == 3 and asked is None:
        return given
    n = math.prod(given)
    if asked is None:
        side = math.isqrt(n)
        return (side, side, 1) if side * side == n else (1, n, 1)
    shape = (*asked, 1) if len(asked) == 2 else tuple(asked)
    if len(shape) != 3 or math.prod(shape) != n:
        raise ValueError(f"image_shape is {asked}, but a row has {n} values.")
    return shape


def _pictures(images: np.ndarray) -> np.ndarray:
    """Images (n, height, width, channels) as they can be shown: in colour, or channels' mean."""
    return images if images.shape[-1] == 3 else images.mean(axis=-1)


def _grid(images: np.ndarray, n_columns: int) -> np.ndarray:
    """Images (n, ...) in rows of n_columns, the last filled up with NaN."""
    n_rows = math.ceil(len(images) / n_columns)
    grid = np.full((n_rows * n_columns, *images.shape[1:]), np.nan, images.dtype)
    grid[: len(images)] = images
    return grid.reshape(n_rows, n_columns, *images.shape[1:])


def _unit_names(network: Any, layer: str | None, units: list[int]) -> list[str]:
    """What to call units: by their class, of the output of a classifier."""
    classes = getattr(network, "classes_", None)
    if layer is None and isinstance(classes, np.ndarray):
        head = network._fitted.task.head
        if len(head.groups) == 1:
            names = classes[-head.n_outputs :]  # of two classes the second has the output
            return [str(names[unit]) for unit in units]
    return [f"unit {unit}" for unit in units]
