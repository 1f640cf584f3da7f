"""Convolutional networks: small filters, the same at every place of an image or of a series.

    h_i = activation(normalize(pool(h_{i-1} * K_i + b_i))),   output = W dense(h_L) + b

with K_i * h the convolution. Two historic networks, a batch-normalised one for today, and any
depth by a tuple of filters; for series two that are hard to beat. They stand in
``skdeep.image.architectures``.
"""

import math
import warnings
from contextlib import nullcontext
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import validate_data

from skdeep.base import BaseNetworkClassifier, BaseNetworkRegressor
from skdeep.blueprint import float_dtype
from skdeep.hyperparameters import Declared, are_counts, hyperparameter
from skdeep.preprocessing.sequences import telling_of_padding

SERIES = ("fcn", "inception")
AUGMENTATIONS = ("flip", "shift", "rotate", "crop")


class _CNN(Declared):
    """What CNNClassifier and CNNRegressor share."""

    architecture: Any = hyperparameter(
        default="small",
        doc="``'lenet1'`` (1990, for images of 28 x 28), ``'lenet5'`` (1998), ``'small'``, or the "
        "filters of each convolution, as (32, 64); for series ``'fcn'`` and ``'inception'``.",
        constraint=[
            StrOptions({"lenet1", "lenet5", "small", *SERIES}),
            tuple,
            list,
        ],
        structural=True,
    )
    image_shape: tuple | None = hyperparameter(
        default=None,
        doc="(height, width) or (height, width, channels) of the images in flat rows; of series "
        "(n_steps, n_features). None takes a square of one channel, where the number of columns "
        "is a square, else one line; of series each column for a step.",
        constraint=[tuple, list, None],
        structural=None,
    )
    augment: Any = hyperparameter(
        default=(),
        doc="Random changes of the training images, of 'flip' (left to right), 'shift' (by an "
        "eighth of the side), 'rotate' (by 15 degrees), 'crop' (to three quarters of the side).",
        constraint=[tuple, list],
        structural=True,
    )
    ensemble_size: int = hyperparameter(
        default=1,
        doc="Networks that are trained side by side, each from weights of its own, and averaged; "
        "InceptionTime has five. Features are those of all.",
        constraint=Interval(Integral, 1, 100, closed="both"),
        structural=True,
    )
    dropout: float = hyperparameter(
        default=0.0,
        doc="Probability that a step ignores a feature under the last layer.",
        constraint=Interval(Real, 0, 1, closed="left"),
        search=(0.0, 0.5),
        structural=bool,
    )
    batch_size: int = hyperparameter(
        default=128,
        doc="Images in a step; larger is faster an epoch, but takes fewer steps.",
        constraint=Interval(Integral, 1, None, closed="left"),
        structural=None,
    )
    learning_rate: float = hyperparameter(
        default=3e-3,
        doc="The optimizer's step size; larger is faster until the loss oscillates or diverges.",
        constraint=Interval(Real, 0, None, closed="neither"),
        search=(1e-4, 1e-1, "log"),
    )

    def _n_members(self):
        return self.ensemble_size

    def _uses_xla(self, device):
        return device != "cpu"

    def _check_X(self, X, reset):
        """Images (n, height, width, channels), uint8 as such and anything else as float32.

        Or series (n, n_steps, n_features).
        """
        given, row_shape = None, None
        series = self.architecture in SERIES if reset else len(self._fitted.task.input_shape) == 2
        X = _stacked(X, series)
        if (ndim := getattr(X, "ndim", 2)) > 2:
            row_shape = X.shape[1:]
            _check_axes(X, series)
            given = row_shape if series or ndim == 4 else (*row_shape, 1)
            if reset and self.image_shape is None:
                _warn_of_channels_first(X, series)
        if not reset:
            self._check_as_fitted(getattr(X, "shape", ()), given, series)
        if given is not None:
            X = np.asarray(X).reshape(len(X), math.prod(given))
        floats = float_dtype() if reset else self._fitted.task.input_dtype
        accepted = [np.float32 if floats == "uint8" else floats, np.uint8]
        with telling_of_padding() if series else nullcontext():
            X = validate_data(self, X, dtype=accepted, reset=reset)
        if reset:
            self._row_shape = row_shape or X.shape[1:]  # as the user has them
            shape = _shape(self.image_shape, given, X.shape[1], series)
        else:
            shape = self._fitted.task.input_shape
            X = _as_fitted(X, self._fitted.task.input_dtype)
        return X.reshape(len(X), *shape)

    def _check_as_fitted(self, shape, given, series):
        """Refuse X, of a shape, whose images (or series) are given in another than fit's."""
        seen, kind = self._fitted.task.input_shape, "series" if series else "images"
        if given == seen:
            return
        columns = shape[-1] if shape else None
        if len(shape) > 1 and shape == self._row_shape and columns != self.n_features_in_:
            one = "series" if series else "image"
            raise ValueError(f"X has the shape of one {one}, {shape}; pass X[np.newaxis].")
        if given is not None:
            raise ValueError(f"X has {kind} of {given}, but fit has seen {kind} of {seen}.")

    def _served_rows(self):
        return self._fitted.task.input_dtype, (None, *self._row_shape)

    def _check_parameters(self):
        unknown = [a for a in self.augment if not isinstance(a, str) or a not in AUGMENTATIONS]
        if unknown:
            raise ValueError(f"augment may name {', '.join(AUGMENTATIONS)}, but names {unknown}.")
        filters = () if isinstance(self.architecture, str) else self.architecture
        if not are_counts(filters):
            raise ValueError(
                f"architecture must be a name, or hold a positive number of filters for each "
                f"convolution, but is {self.architecture!r}."
            )

        if self.augment and self.architecture in SERIES:
            raise ValueError(
                f"augment={self.augment!r} changes images, but architecture={self.architecture!r} "
                f"is for series; leave augment empty."
            )

    def _is_noisy(self, task):
        return self.dropout > 0 or len(self.augment) > 0

    def _features(self, inputs, task):
        import keras

        from skdeep import layers
        from skdeep.image import architectures

        x = inputs
        if x.dtype == "uint8":
            x = keras.layers.Rescaling(1 / 255, name="rescaling")(x)
        if self.augment:
            x = layers.Augment(self.augment, name="augment")(x)
        if isinstance(self.architecture, str):
            x = architectures.ARCHITECTURES[self.architecture](x)
        else:
            x = architectures.small(x, self.architecture)
        if self.dropout:
            x = layers.Dropout("dropout", name="dropout")(x)
        return x


class CNNClassifier(_CNN, BaseNetworkClassifier):
    """Convolutional network for classes of images or series.

    X is an array of images, (n_samples, height, width) or (n_samples, height, width, channels), or
    of flat rows (n_samples, n_features) with ``image_shape``. uint8 images stay so in memory, and
    are divided by 255 in each step; other numbers are taken as they are. With the architectures
    for series X is (n_samples, n_steps, n_features), or flat rows. Channels and features come last:
    where they come first, pass ``np.moveaxis(X, 1, -1)``.

    Parameters
    ----------
    architecture : {'fcn', 'inception', 'lenet1', 'lenet5', 'small'}, tuple or list, default='small'
        ``'lenet1'`` (1990, for images of 28 x 28), ``'lenet5'`` (1998), ``'small'``, or the filters
        of each convolution, as (32, 64); for series ``'fcn'`` and ``'inception'``.
    image_shape : tuple, list or None, default=None
        (height, width) or (height, width, channels) of the images in flat rows; of series (n_steps,
        n_features). None takes a square of one channel, where the number of columns is a square,
        else one line; of series each column for a step.
    augment : tuple or list, default=()
        Random changes of the training images, of 'flip' (left to right), 'shift' (by an eighth of
        the side), 'rotate' (by 15 degrees), 'crop' (to three quarters of the side).
    ensemble_size : int in [1, 100], default=1
        Networks that are trained side by side, each from weights of its own, and averaged;
        InceptionTime has five. Features are those of all.
    dropout : float in [0, 1), default=0.0
        Probability that a step ignores a feature under the last layer.
    batch_size : int in [1, inf), default=128
        Images in a step; larger is faster an epoch, but takes fewer steps.
    learning_rate : float in (0, inf), default=0.003
        The optimizer's step size; larger is faster until the loss oscillates or diverges.
    class_weight : dict, {'balanced'} or None, default=None
        Weight of each class in the loss: a dict, or 'balanced' for equal sums; None is one.
    label_smoothing : float in [0, 1), default=0.0
        Share of the uniform distribution that is mixed into the labels; it keeps probabilities from
        0 and 1.
    calibrate : bool, default=False
        Whether to divide the logits, after training, by the temperature at which probabilities tell
        the truth about validation rows; it changes no ranking. Not beside ``class_weight``, whose
        shift of all probabilities no temperature takes back.
    epochs : int in [1, inf), default=20
        Passes over the rows.
    learning_rate_schedule : str, callable or None, default=None
        Factor of the learning rate by epoch: a name falls to 0 over the epochs; or a function, see
        ``skdeep.schedules``. None is constant.

        One of 'cosine', 'coslog4', 'flat_cos', 'linear'.
    optimizer : {'adagrad', 'adam', 'adamw', 'rmsprop', 'sgd'} or Optimizer, default='adam'
        A name, or an object of ``skdeep.optimizers`` with settings of its own.
    weight_decay : float in [0, inf), default=0.0
        L2 penalty: half of it times the squared kernels is added to the mean loss. AdamW shrinks
        the kernels directly.
    clip_norm : float in (0, inf) or None, default=None
        Longest gradient; a longer one is shortened to it. None leaves all as they are.
    early_stopping : bool, str or callable, default=False
        Whether to stop when validation rows no longer improve, and keep the best weights. True
        watches their loss; a scikit-learn scorer, or its name, is watched instead.
    validation_fraction : float in (0, 1), default=0.1
        Share of the rows that are held out to validate on, where that is needed and ``fit`` gets no
        ``X_val``.
    patience : int in [1, inf), default=10
        Epochs without improvement that end the fit, under early stopping.
    callbacks : tuple or list, default=()
        Called at the end of each epoch: functions of an ``EpochState`` (see ``skdeep.callbacks``),
        or Keras callbacks.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the last fit instead of anew.
    random_state : int, RandomState instance or None, default=None
        Seed of initial weights, row order, dropout and augmentation. An integer makes fits equal to
        the bit, on one machine with one number of threads.
    verbose : int or bool, default=0
        Whether to show a progress bar.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted classes; a list of them for a multi-output target.
    temperature_ : float or ndarray of shape (n_outputs,)
        What divides the logits in probabilities: 1 without ``calibrate``. An array for labels and
        for a multi-output target, with one for each column.
    history_ : DataFrame
        ``loss`` of each epoch, and ``val_loss`` and ``val_score`` where rows were validated.
    n_iter_ : int
        Epochs trained.
    n_parameters_ : int
        Numbers that the network has learnt, running averages included.
    best_epoch_ : int
        The epoch, from 0, whose weights early stopping kept; -1 without it.
    network_ : keras.Model
        A copy of the fitted network, to look at.
    n_features_in_ : int
        Values of an image.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns, where X had names.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skdeep import CNNClassifier
    >>> images, y = load_digits(return_X_y=True)
    >>> model = CNNClassifier(image_shape=(8, 8), epochs=5, random_state=0)
    >>> model.fit(images[:1000] / 16, y[:1000]).score(images[1000:] / 16, y[1000:]) > 0.9
    True
    """


class CNNRegressor(_CNN, BaseNetworkRegressor):
    """Convolutional network for numbers that belong to images or series.

    X is an array of images, (n_samples, height, width) or (n_samples, height, width, channels), or
    of flat rows (n_samples, n_features) with ``image_shape``. uint8 images stay so in memory, and
    are divided by 255 in each step; other numbers are taken as they are. With the architectures
    for series X is (n_samples, n_steps, n_features), or flat rows. Channels and features come last:
    where they come first, pass ``np.moveaxis(X, 1, -1)``.

    Parameters
    ----------
    architecture : {'fcn', 'inception', 'lenet1', 'lenet5', 'small'}, tuple or list, default='small'
        ``'lenet1'`` (1990, for images of 28 x 28), ``'lenet5'`` (1998), ``'small'``, or the filters
        of each convolution, as (32, 64); for series ``'fcn'`` and ``'inception'``.
    image_shape : tuple, list or None, default=None
        (height, width) or (height, width, channels) of the images in flat rows; of series (n_steps,
        n_features). None takes a square of one channel, where the number of columns is a square,
        else one line; of series each column for a step.
    augment : tuple or list, default=()
        Random changes of the training images, of 'flip' (left to right), 'shift' (by an eighth of
        the side), 'rotate' (by 15 degrees), 'crop' (to three quarters of the side).
    ensemble_size : int in [1, 100], default=1
        Networks that are trained side by side, each from weights of its own, and averaged;
        InceptionTime has five. Features are those of all.
    dropout : float in [0, 1), default=0.0
        Probability that a step ignores a feature under the last layer.
    batch_size : int in [1, inf), default=128
        Images in a step; larger is faster an epoch, but takes fewer steps.
    learning_rate : float in (0, inf), default=0.003
        The optimizer's step size; larger is faster until the loss oscillates or diverges.
    loss : {'gaussian', 'quantile', 'squared'}, default='squared'
        What the network learns of y: its mean ('squared'), mean and variance of a normal
        distribution ('gaussian'), or quantiles ('quantile').
    epochs : int in [1, inf), default=20
        Passes over the rows.
    learning_rate_schedule : str, callable or None, default=None
        Factor of the learning rate by epoch: a name falls to 0 over the epochs; or a function, see
        ``skdeep.schedules``. None is constant.

        One of 'cosine', 'coslog4', 'flat_cos', 'linear'.
    optimizer : {'adagrad', 'adam', 'adamw', 'rmsprop', 'sgd'} or Optimizer, default='adam'
        A name, or an object of ``skdeep.optimizers`` with settings of its own.
    weight_decay : float in [0, inf), default=0.0
        L2 penalty: half of it times the squared kernels is added to the mean loss. AdamW shrinks
        the kernels directly.
    clip_norm : float in (0, inf) or None, default=None
        Longest gradient; a longer one is shortened to it. None leaves all as they are.
    early_stopping : bool, str or callable, default=False
        Whether to stop when validation rows no longer improve, and keep the best weights. True
        watches their loss; a scikit-learn scorer, or its name, is watched instead.
    validation_fraction : float in (0, 1), default=0.1
        Share of the rows that are held out to validate on, where that is needed and ``fit`` gets no
        ``X_val``.
    patience : int in [1, inf), default=10
        Epochs without improvement that end the fit, under early stopping.
    callbacks : tuple or list, default=()
        Called at the end of each epoch: functions of an ``EpochState`` (see ``skdeep.callbacks``),
        or Keras callbacks.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the last fit instead of anew.
    random_state : int, RandomState instance or None, default=None
        Seed of initial weights, row order, dropout and augmentation. An integer makes fits equal to
        the bit, on one machine with one number of threads.
    verbose : int or bool, default=0
        Whether to show a progress bar.

    Attributes
    ----------
    history_ : DataFrame
        ``loss`` of each epoch, and ``val_loss`` and ``val_score`` where rows were validated.
    n_iter_ : int
        Epochs trained.
    n_parameters_ : int
        Numbers that the network has learnt, running averages included.
    best_epoch_ : int
        The epoch, from 0, whose weights early stopping kept; -1 without it.
    network_ : keras.Model
        A copy of the fitted network, to look at.
    n_features_in_ : int
        Values of an image.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns, where X had names.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skdeep import CNNRegressor
    >>> images = load_digits().images / 16
    >>> ink = images.mean(axis=(1, 2))
    >>> CNNRegressor(epochs=5, random_state=0).fit(images, ink).score(images, ink) > 0.9
    True
    """


def _shape(asked: Any, given: tuple | None, n_columns: int, series: bool) -> tuple[int, ...]:
    """Of images (height, width, channels), of series (n_steps, n_features): from image_shape.

    Or from X's own shape, or from its columns.
    """
    if asked is not None:
        rank = 2 if series else 3
        asked = (*asked, 1) if len(asked) == rank - 1 else tuple(asked)
        if len(asked) != rank or not are_counts(asked):
            wanted = "(height, width) or (height, width, channels)"
            raise ValueError(
                f"image_shape must be {'(n_steps, n_features)' if series else wanted}, of "
                f"positive integers, but is {asked}."
            )
        asked = tuple(map(int, asked))
        if given not in (None, asked):
            kind = "series" if series else "images"
            raise ValueError(f"X has {kind} of {given}, but image_shape is {asked}.")
        if math.prod(asked) != n_columns:
            raise ValueError(
                f"image_shape {asked} has {math.prod(asked)} values, but X has {n_columns} "
                f"columns; give the shape of one {'series' if series else 'image'}."
            )
        return asked
    if given is not None:
        return given
    if series:
        return (n_columns, 1)
    side = math.isqrt(n_columns)
    return (side, side, 1) if side * side == n_columns else (1, n_columns, 1)


def _stacked(X: Any, series: bool) -> Any:
    """A list of images or series as an array, or an array of them as objects; else X as it is."""
    if not (isinstance(X, list) or (getattr(X, "ndim", 0) == 1 and X.dtype == object)):
        return X
    rows = [*X]
    try:
        return np.asarray(rows)
    except ValueError:
        sizes = [getattr(row, "shape", np.size(row)) for row in rows]
        other = next((i for i, size in enumerate(sizes) if size != sizes[0]), None)
        if other is None:
            raise
    remedy = "scale or crop them to one size"
    if series:
        remedy = "pad them to one length, or take RNNClassifier or RNNRegressor, for any lengths"
    raise ValueError(f"X[{other}] has the size {sizes[other]}, but X[0] {sizes[0]}; {remedy}.")


def _check_axes(X: Any, series: bool) -> None:
    """Refuse X of more axes than images, or series, have."""
    if X.ndim <= (3 if series else 4):
        return
    wanted = "series, (n_samples, n_steps, n_features)"
    if not series:
        wanted = "images, (n_samples, height, width) or (n_samples, height, width, channels)"
    raise ValueError(
        f"Found array with dim {X.ndim}, of shape {X.shape}, but X must hold flat rows or {wanted}."
    )


def _warn_of_channels_first(X: Any, series: bool) -> None:
    """Warn of images whose first axis is rather that of channels, and of series of one step."""
    shape = first, *middle, last = X.shape[1:]
    if series and first == 1 < last:
        told = f"series of shape {shape} have one step of {last} features, which come last here"
    elif not series and X.ndim == 4 and first in (1, 3, 4) and middle[0] > first and last > 4:
        told = f"images of shape {shape} have {last} channels, which come last here"
    else:
        return
    warnings.warn(
        f"X: {told}. If yours come first, pass np.moveaxis(X, 1, -1); if not, image_shape={shape} "
        f"says so.",
        UserWarning,
        stacklevel=10,  # from here to the line that calls fit
    )


def _as_fitted(X, dtype: str):
    """X in the dtype that the network was fitted on; it must mean the same."""
    if dtype == "uint8" and X.dtype != np.uint8:
        raise ValueError(
            "fit has seen uint8 images, of values from 0 to 255, but X has other numbers; "
            "pass uint8 images."
        )
    if dtype != "uint8" and X.dtype == np.uint8:
        raise ValueError(
            "fit has seen images of another dtype, taken as they were, but X is uint8; pass "
            "numbers on the scale that fit saw (X / 255, perhaps), or fit on uint8 images."
        )
    return X.astype(dtype, copy=False)
