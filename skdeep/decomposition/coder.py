"""What autoencoders share: their layers, the scale of their rows, images as rows."""

import math
from typing import Any

import numpy as np
from sklearn.utils import gen_batches
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_array, check_is_fitted

from skdeep.base import BaseNetworkTransformer
from skdeep.hyperparameters import are_counts, hyperparameter

ACTIVATIONS = frozenset({"relu", "tanh", "sigmoid", "linear", "elu", "gelu", "silu", "selu"})


class Coder(BaseNetworkTransformer):
    """Base of networks from rows to codes and back.

    Rows of numbers are centred, and divided by one scale for all columns; those in [0, 1], of a
    Bernoulli distribution, are left as they are.

    Parameters
    ----------
    hidden_layer_sizes : array-like, default=(256, 128)
        Units of the encoder's hidden layers, which the decoder has in reverse; ``()`` is a linear
        model. With ``image_shape`` filters of convolutions, each of which halves the image.
    activation : str, default='relu'
        Of the hidden units.

        One of 'elu', 'gelu', 'linear', 'relu', 'selu', 'sigmoid', 'silu', 'tanh'.
    image_shape : tuple, list or None, default=None
        (height, width) or (height, width, channels) of rows that are images, for convolutions. None
        takes rows as they are.
    epochs : int in [1, inf), default=20
        Passes over the rows.
    batch_size : int in [1, inf), default=200
        Rows in a step; larger is faster an epoch, but takes fewer steps.
    learning_rate : float in (0, inf), default=0.01
        The optimizer's step size; larger is faster until the loss oscillates or diverges.
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
    """

    hidden_layer_sizes: Any = hyperparameter(
        default=(256, 128),
        doc="Units of the encoder's hidden layers, which the decoder has in reverse; ``()`` is a "
        "linear model. With ``image_shape`` filters of convolutions, each of which halves the "
        "image.",
        constraint=["array-like"],
        structural=True,
    )
    activation: str = hyperparameter(
        default="relu",
        doc="Of the hidden units.",
        constraint=StrOptions(set(ACTIVATIONS)),
        structural=True,
    )
    image_shape: Any = hyperparameter(
        default=None,
        doc="(height, width) or (height, width, channels) of rows that are images, for "
        "convolutions. None takes rows as they are.",
        constraint=[tuple, list, None],
        structural=True,
    )

    def _distribution(self) -> tuple[str, str]:
        """The name and the value of the hyper-parameter that may be "bernoulli"."""
        raise NotImplementedError

    def _check_parameters(self):
        if not are_counts(self.hidden_layer_sizes):
            raise ValueError(
                f"hidden_layer_sizes must hold positive integers, one for each hidden layer, but "
                f"is {self.hidden_layer_sizes!r}; () is a linear model."
            )
        shape = self.image_shape
        if shape is not None and not (are_counts(shape) and len(shape) in (2, 3)):
            raise ValueError(
                f"image_shape must be (height, width) or (height, width, channels), but is "
                f"{shape!r}."
            )

    def _check_X(self, X, reset):
        row_shape = np.shape(X)[1:] if getattr(X, "ndim", 2) > 2 else None
        if row_shape is not None:
            if not reset and row_shape != self._row_shape:
                raise ValueError(
                    f"X has rows of shape {row_shape}, but fit has seen {self._row_shape}."
                )
            X = np.asarray(X).reshape(len(X), -1)
        X = super()._check_X(X, reset)
        name, value = self._distribution()
        if value == "bernoulli" and (X.min() < 0 or X.max() > 1):
            hint = "divide it by 255" if X.min() >= 0 and 100 < X.max() <= 255 else "scale it"
            raise ValueError(
                f"{name}='bernoulli' is for numbers in [0, 1], but X lies in [{X.min():g}, "
                f"{X.max():g}]; {hint}, or take another {name}."
            )
        if not reset:
            return X
        n_features = X.shape[1]
        if self.n_components > n_features:
            raise ValueError(
                f"n_components={self.n_components} must be at most n_features={n_features}, the "
                f"columns of X; lower it."
            )
        if self.image_shape is not None and math.prod(self.image_shape) != n_features:
            raise ValueError(
                f"image_shape={tuple(self.image_shape)} has "
                f"{math.prod(self.image_shape)} numbers, but X has {n_features} columns."
            )
        self._row_shape = row_shape or X.shape[1:]
        return X

    def _uses_xla(self, device):
        return device != "cpu" or self.image_shape is None

    def _design(self, task, target, before):
        return task, target, self._first_weights

    def _first_weights(self, network: Any, rng: np.random.Generator, X, weight) -> dict:
        """Drawn weights, with the mean and the scale of rows X."""
        layer = network.model.get_layer("standardize")
        X = X[:, : layer.location.shape[0]]
        self.mean_, self.scale_ = np.zeros(X.shape[1]), 1.0
        if self._distribution()[1] != "bernoulli":
            self.mean_ = np.einsum("i,ij->j", weight / weight.sum(), X, dtype=np.float64)
            with np.errstate(over="ignore"):
                squares = [
                    ((X[part] - self.mean_) ** 2).mean(axis=1) for part in gen_batches(len(X), 4096)
                ]
                variance = np.average(np.concatenate(squares), weights=weight)
            if not np.isfinite(variance):
                raise ValueError(
                    f"X reaches {np.abs(X).max():g}, whose square is no number; scale X."
                )
            # Negative weights can make it negative; a constant X has none.
            self.scale_ = float(np.sqrt(variance)) if variance > np.finfo(float).tiny else 1.0
        given = {id(layer.location): self.mean_, id(layer.scale): np.array(1 / self.scale_)}
        return network.initial(rng, given=given)

    def _checked_codes(self, codes: Any) -> np.ndarray:
        """Codes as ``transform`` gives them, (n, n_components)."""
        check_is_fitted(self)
        codes = check_array(codes, dtype=self._fitted.task.input_dtype)
        if codes.shape[1] != self._n_features_out:
            raise ValueError(
                f"inverse_transform takes codes of {self._n_features_out} columns, as transform "
                f"gives them, but X has {codes.shape[1]}."
            )
        return codes

    def _in_units(self, rows: np.ndarray) -> np.ndarray:
        """Rows as the network has them, in the unit and the shape of X."""
        rows = (rows * self.scale_ + self.mean_).astype(rows.dtype)
        return rows.reshape(len(rows), *self._row_shape)
