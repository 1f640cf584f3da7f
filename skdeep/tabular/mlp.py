"""Multilayer perceptrons: dense layers over the columns of a table.

    h_0 = x,   h_i = dropout(activation(normalize(h_{i-1} W_i + b_i))),   output = h_L W + b

Without hidden layers this is logistic regression, or ridge regression: a weight decay of
1 / (C n), or 2 alpha / n, has their optimum [1]_. Plain on purpose.

.. [1] Hastie, Tibshirani, Friedman. The elements of statistical learning, 2009, section 11.3.
"""

from functools import partial
from numbers import Real
from typing import Any

from sklearn.utils._param_validation import Interval, StrOptions

from skdeep.base import BaseNetworkClassifier, BaseNetworkRegressor
from skdeep.hyperparameters import Declared, Padded, are_counts, hyperparameter

ACTIVATIONS = frozenset({"relu", "tanh", "sigmoid", "linear", "elu", "gelu", "silu", "leaky_relu"})


def width_bucket(width: int) -> int:
    """The width that a graph is built for: 64, 128, 256, 512, then multiples of 256."""
    return max(64, 1 << (width - 1).bit_length()) if width <= 512 else -(-width // 256) * 256


class _MLP(Declared):
    """What MLPClassifier and MLPRegressor share."""

    hidden_layer_sizes: Any = hyperparameter(
        default=(100,),
        doc="Units of each hidden layer; ``()`` is a linear model.",
        constraint=["array-like"],
        structural=Padded(width_bucket),
    )
    activation: str = hyperparameter(
        default="relu",
        doc="Of the hidden units.",
        constraint=StrOptions(set(ACTIVATIONS)),
        structural=True,
    )
    dropout: float = hyperparameter(
        default=0.0,
        doc="Probability that a step ignores a hidden unit; more regularises more.",
        constraint=Interval(Real, 0, 1, closed="left"),
        search=(0.0, 0.5),
        structural=bool,
    )
    normalization: str | None = hyperparameter(
        default=None,
        doc="Of the hidden units, before the activation: over the batch, or over the layer.",
        constraint=[StrOptions({"batch", "layer"}), None],
        structural=True,
    )
    _sparse_rows = True

    def _check_parameters(self):
        sizes = self.hidden_layer_sizes
        if not are_counts(sizes):
            raise ValueError(
                f"hidden_layer_sizes must hold positive integers, one for each hidden layer, but "
                f"is {sizes!r}; () is a linear model."
            )
        if self.normalization == "batch" and self.batch_size == 1:
            raise ValueError(
                "normalization='batch' needs batch_size of 2 or more: one row has no variance."
            )

    def _is_noisy(self, task):
        return self.dropout > 0

    def _table_width(self, task):
        return (*self.hidden_layer_sizes, task.head.n_outputs)[0]

    def _features(self, inputs, task):
        import keras

        from skdeep import layers

        x = inputs
        for i, width in enumerate(self.hidden_layer_sizes):
            units = ("hidden_layer_sizes", i)
            given = task.wide and i == 0  # the product with the first kernel
            x = (layers.Bias if given else partial(keras.layers.Dense, width))(name=f"hidden_{i}")(
                x
            )
            if self.normalization == "batch":
                x = layers.BatchNormalization(name=f"normalization_{i}")(x)
            if self.normalization == "layer":
                x = layers.LayerNormalization(units, name=f"normalization_{i}")(x)
            x = keras.layers.Activation(self.activation, name=f"activation_{i}")(x)
            if self.activation == "sigmoid":  # the only one that makes zeros something else
                x = layers.KeepUnits(units, name=f"units_{i}")(x)
            if self.dropout:
                x = layers.Dropout("dropout", name=f"dropout_{i}")(x)
        return x


class MLPClassifier(_MLP, BaseNetworkClassifier):
    """Multilayer perceptron for classes.

    X is an array or DataFrame of numbers, (n_samples, n_features), or a CSR matrix: one with
    more than 4,096 columns is never densified; of its first kernel a step updates only the rows
    that the batch touches (weight decay too). Scale the columns, as by ``StandardScaler``: at the
    default learning rate large values switch units off for good, and one class is predicted.

    Parameters
    ----------
    hidden_layer_sizes : array-like, default=(100,)
        Units of each hidden layer; ``()`` is a linear model.
    activation : str, default='relu'
        Of the hidden units.

        One of 'elu', 'gelu', 'leaky_relu', 'linear', 'relu', 'sigmoid', 'silu', 'tanh'.
    dropout : float in [0, 1), default=0.0
        Probability that a step ignores a hidden unit; more regularises more.
    normalization : {'batch', 'layer'} or None, default=None
        Of the hidden units, before the activation: over the batch, or over the layer.
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
        Columns of X.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns, where X had names.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skdeep import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier(batch_size=50, random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.95
    True
    """


class MLPRegressor(_MLP, BaseNetworkRegressor):
    """Multilayer perceptron for numbers.

    X is an array or DataFrame of numbers, (n_samples, n_features), or a CSR matrix: one with
    more than 4,096 columns is never densified; of its first kernel a step updates only the rows
    that the batch touches.

    y is standardised inside, so that the learning rate and the loss mean the same in all units.

    Parameters
    ----------
    hidden_layer_sizes : array-like, default=(100,)
        Units of each hidden layer; ``()`` is a linear model.
    activation : str, default='relu'
        Of the hidden units.

        One of 'elu', 'gelu', 'leaky_relu', 'linear', 'relu', 'sigmoid', 'silu', 'tanh'.
    dropout : float in [0, 1), default=0.0
        Probability that a step ignores a hidden unit; more regularises more.
    normalization : {'batch', 'layer'} or None, default=None
        Of the hidden units, before the activation: over the batch, or over the layer.
    loss : {'gaussian', 'quantile', 'squared'}, default='squared'
        What the network learns of y: its mean ('squared'), mean and variance of a normal
        distribution ('gaussian'), or quantiles ('quantile').
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
        Columns of X.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns, where X had names.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skdeep import MLPRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = MLPRegressor(hidden_layer_sizes=(20,), random_state=0).fit(X, y)
    >>> 0.4 < model.score(X, y) < 0.7
    True
    """
