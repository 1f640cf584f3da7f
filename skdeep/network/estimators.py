"""Bring your own Keras model.

A function that returns a Keras model, or a model with weights of its own, becomes an estimator: it
is trained by the loop that trains every network here, with any loss of Keras, and its compiled
program is shared by all fits whose models compute the same (see ``skdeep.engine.fingerprint``).

Losses are per row: L = sum_i w_i l(y_i, f(x_i)) / n + what the layers add by their regularisers.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.metrics._scorer import _BaseScorer
from sklearn.utils import check_array
from sklearn.utils._param_validation import StrOptions

from skdeep.base import (
    BaseNetworkClassifier,
    BaseNetworkRegressor,
    NetworkEstimator,
    fit_method,
    fit_on,
)
from skdeep.hyperparameters import hyperparameter
from skdeep.network.losses import (
    KeyedLoss,
    LossHead,
    Rows,
    chosen_head,
    head_of_loss,
    kind_of_outputs,
    logits_of,
    width_of,
)
from skdeep.network.own_model import OwnModel
from skdeep.targets import Head, Reals
from skdeep.validation import refuse_dates


class NetworkClassifier(OwnModel, BaseNetworkClassifier):
    """Your own Keras model, as a classifier.

    X is an array of any rank or a DataFrame of numbers. It reaches the model in the dtype of the
    model's input: integers for an ``Embedding`` stay integers.

    The model's outputs are (n_samples, n_outputs): one for each class, or a single one for two
    classes, or one for each label of a multilabel target. ``n_outputs`` is one for two classes.
    With ``loss=None`` they may be logits (the last layer is linear) or probabilities (softmax, or
    sigmoid where there is one output, or one for each label), and the loss is their cross-entropy.
    Other losses get y_true of the shape of the outputs, with ones for the classes that are there;
    ``"sparse_categorical_crossentropy"`` gets positions in ``classes_``.

    ``meta`` is a dict: ``n_classes_``, ``classes_``, ``target_type_``, ``n_features_in_``,
    ``X_shape_`` (None for the number of rows), ``n_outputs_``.

    Parameters
    ----------
    model : Any, default=None
        A function that returns a Keras model, called with those of ``input_shape``, ``n_outputs``
        and ``meta`` that it names, and with ``model_params``; or a Keras model, whose weights a fit
        starts from. None is one hidden layer of ``units`` (100) with an ``activation`` ('relu').
    model_params : dict or None, default=None
        Arguments of that function, by name; ``model__<name>`` sets one, in the constructor too.
    loss : str, callable or None, default=None
        A Keras loss: its name, an object or a function of (y_true, y_pred) that gives a number for
        each row. None chooses by the target and the model's last activation.
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
    history_ : DataFrame
        ``loss`` of each epoch, and ``val_loss`` and ``val_score`` where rows were validated.
    n_iter_ : int
        Epochs trained.
    best_epoch_ : int
        The epoch, from 0, whose weights early stopping kept; -1 without it.
    network_ : keras.Model
        A copy of the fitted model.
    n_features_in_ : int
        Length of the second axis of X.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns, where X had names.

    See Also
    --------
    skdeep.MLPClassifier : A network whose widths share compiled programs.

    Notes
    -----
    A function's model gets new weights in each fit, drawn from the layers' initialisers by
    ``random_state``; weights that the function sets itself are kept. A Keras model is never
    changed; its frozen layers stay as they are to the bit, and one whose layers are all frozen is
    not trained at all. Layers' own regularisers count in the loss that is minimised, not in
    ``history_``. Under Keras's ``BatchNormalization``, which ignores weights of rows, an epoch's
    last batch is the rows that are left, as in Keras.

    A function of one's own is pickled by reference: by joblib and parallel workers also from a
    notebook.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skdeep import NetworkClassifier
    >>> import keras
    >>> def build(input_shape, n_outputs, units=32):
    ...     return keras.Sequential(
    ...         [
    ...             keras.Input(input_shape),
    ...             keras.layers.Dense(units, activation="relu"),
    ...             keras.layers.Dense(n_outputs, activation="softmax"),
    ...         ]
    ...     )
    >>> X, y = load_iris(return_X_y=True)
    >>> model = NetworkClassifier(model=build, model__units=64, batch_size=50, random_state=0)
    >>> model.fit(X, y).score(X, y) > 0.95
    True
    """

    def predict_proba(self, X, n_samples=None):
        if getattr(self, "_fitted", None) and kind_of_outputs(self._fitted.task.head) == "scores":
            raise ValueError(
                "the loss teaches scores, which are no probabilities; use decision_function, or "
                "scikit-learn's CalibratedClassifierCV."
            )
        return super().predict_proba(X, n_samples)

    def transform(self, X):
        """Features of rows X: what the model computes under its last layer with weights.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows.

        Returns
        -------
        features : ndarray of shape (n_samples, ..., n_features_out), float32
        """
        return _features_of(self, super().transform, X)

    def _meta_of_target(self, target):
        single = target.kind == "single"
        classes = target.classes[0] if single else target.classes
        n_classes = [len(c) for c in target.classes]
        kinds = {
            "single": "binary" if n_classes[0] == 2 else "multiclass",
            "multilabel": "multilabel-indicator",
            "multioutput": "multiclass-multioutput",
        }
        return {
            "classes_": classes,
            "n_classes_": n_classes[0] if single else n_classes,
            "target_type_": kinds[target.kind],
        }

    def _target_and_head(self, target, shape, ending, trained):
        width = width_of(shape)
        canonical = target.head
        forms = {canonical.n_outputs: (canonical.loss, canonical.groups)}
        if canonical == Head("sigmoid", (1,)) and target.kind == "single":
            forms[2] = ("softmax", (2,))
        if width not in forms:
            raise ValueError(
                f"the model has {width} outputs, but the target needs "
                f"{' or '.join(map(str, forms))}; let its last layer have n_outputs units, which "
                f"the function is given."
            )
        form, groups = forms[width]
        if self.loss is None:
            return target, chosen_head(form, groups, ending)
        head = head_of_loss(self.loss, form, groups, ending)
        if self.calibrate and head.outputs == "scores":
            raise ValueError(
                f"calibrate=True divides logits, but loss={self.loss!r} teaches scores, which are "
                f"none; set calibrate=False, or pass a cross-entropy."
            )
        if self.label_smoothing and (head.as_integers or head.outputs == "scores"):
            raise ValueError(
                f"label_smoothing={self.label_smoothing:g} mixes labels, which this loss takes as "
                f"they are; set it to 0, or pass a cross-entropy of labels that are not sparse."
            )
        return target, head

    def _canonical(self, output, fitted):
        n_logits = fitted.target.head.n_outputs
        return logits_of(output.astype(np.float64), fitted.task.head, n_logits)


class NetworkRegressor(OwnModel, BaseNetworkRegressor):
    """Your own Keras model, as a regressor.

    X is an array of any rank or a DataFrame of numbers. It reaches the model in the dtype of the
    model's input: integers for an ``Embedding`` stay integers.

    The model's outputs are (n_samples, n_outputs), one for each target. With ``loss=None`` the loss
    is the squared error, and where a function's model ends in a linear layer the targets are
    standardised inside, so that the learning rate and the loss mean the same in all units. A loss
    that is given, or a Keras model, which comes with weights, is for targets in their own units.
    ``loss="gaussian"`` and ``"quantile"`` are those of MLPRegressor, of standardised targets, with
    2 and 15 outputs for each target (``n_outputs`` counts them) and a linear layer at the end.

    ``meta`` is a dict: ``n_features_in_``, ``X_shape_``, ``n_outputs_``, ``target_type_``.

    Parameters
    ----------
    model : Any, default=None
        A function that returns a Keras model, called with those of ``input_shape``, ``n_outputs``
        and ``meta`` that it names, and with ``model_params``; or a Keras model, whose weights a fit
        starts from. None is one hidden layer of ``units`` (100) with an ``activation`` ('relu').
    model_params : dict or None, default=None
        Arguments of that function, by name; ``model__<name>`` sets one, in the constructor too.
    loss : str, callable or None, default=None
        A Keras loss: its name, an object or a function of (y_true, y_pred) that gives a number for
        each row. None chooses by the target and the model's last activation.
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
    best_epoch_ : int
        The epoch, from 0, whose weights early stopping kept; -1 without it.
    network_ : keras.Model
        A copy of the fitted model.
    n_features_in_ : int
        Length of the second axis of X.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns, where X had names.

    See Also
    --------
    skdeep.NetworkClassifier : Its notes on models hold here too.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skdeep import NetworkRegressor
    >>> import keras
    >>> def build(input_shape, n_outputs):
    ...     return keras.Sequential([keras.Input(input_shape), keras.layers.Dense(n_outputs)])
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = NetworkRegressor(model=build, epochs=100, learning_rate=0.1, random_state=0)
    >>> 0.4 < model.fit(X, y).score(X, y) < 0.6
    True
    """

    def transform(self, X):
        """Features of rows X: what the model computes under its last layer with weights.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows.

        Returns
        -------
        features : ndarray of shape (n_samples, ..., n_features_out), float32
        """
        return _features_of(self, super().transform, X)

    def _meta_of_target(self, target):
        kind = "continuous" if target.flat else "continuous-multioutput"
        return {"target_type_": kind}

    def _make_target(self, y, weight, classes):
        loss = self.loss if self.loss in ("gaussian", "quantile") else "squared"
        return Reals.of(y, weight, loss)

    def _target_and_head(self, target, shape, ending, trained):
        width, head = width_of(shape), target.head
        if width != head.n_outputs:
            raise ValueError(
                f"the model has {width} outputs, but y needs {head.n_outputs}; let its last layer "
                f"have n_outputs units, which the function is given."
            )
        is_free = ending == "linear"
        if head.loss != "squared":
            if not is_free:
                raise ValueError(
                    f"the model ends in {ending}, but loss={self.loss!r} needs outputs of any "
                    f"value; end it in a linear layer."
                )
            return target, head
        if self.loss in (None, "squared") and is_free and not self._has_model():
            return target, head
        as_it_is = Reals(np.zeros(width), np.ones(width), target.flat)
        if self.loss in (None, "squared"):
            return as_it_is, head
        return as_it_is, LossHead(KeyedLoss(self.loss), "numbers", head.groups)


class NetworkTransformer(OwnModel, NetworkEstimator):
    """Your own Keras model, as a transformer.

    It learns to give back its rows, as autoencoders do, or y (``target="y"``), and transforms by
    the output of one of its layers. A Keras model whose layers are all frozen is not trained: it
    transforms as it is.

    X is an array of any rank or a DataFrame of numbers. It reaches the model in the dtype of the
    model's input: integers for an ``Embedding`` stay integers.

    ``meta`` is a dict: ``n_features_in_``, ``X_shape_``, ``n_outputs_``.

    Parameters
    ----------
    model : Any, default=None
        A function that returns a Keras model, called with those of ``input_shape``, ``n_outputs``
        and ``meta`` that it names, and with ``model_params``; or a Keras model, whose weights a fit
        starts from. None is an autoencoder of one hidden layer, 'code', of ``units`` (2) with an
        ``activation`` ('linear').
    layer : str or None, default=None
        Name of the layer whose output ``transform`` gives. None is the model's output.
    target : {'X', 'y'}, default='X'
        What the model's output learns to be: the rows, and y is ignored, as a Pipeline hands it to
        all its steps; or y, numbers of the shape of the output.
    model_params : dict or None, default=None
        Arguments of that function, by name; ``model__<name>`` sets one, in the constructor too.
    loss : str, callable or None, default=None
        A Keras loss: its name, an object or a function of (y_true, y_pred) that gives a number for
        each row. None chooses by the target and the model's last activation.
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
        ``loss`` of each epoch, and ``val_loss`` where rows were validated.
    n_iter_ : int
        Epochs trained.
    best_epoch_ : int
        The epoch, from 0, whose weights early stopping kept; -1 without it.
    network_ : keras.Model
        A copy of the fitted model.
    n_features_in_ : int
        Length of the second axis of X.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns, where X had names.

    See Also
    --------
    skdeep.NetworkClassifier : Its notes on models hold here too. Its ``transform`` gives features
        that were learnt from labels.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skdeep import NetworkTransformer
    >>> X, _ = load_iris(return_X_y=True)
    >>> model = NetworkTransformer(layer="code", model__units=2, epochs=200, random_state=0)
    >>> model.fit_transform(X).shape
    (150, 2)
    """

    model: Any = hyperparameter(
        default=None,
        doc="A function that returns a Keras model, called with those of ``input_shape``, "
        "``n_outputs`` and ``meta`` that it names, and with ``model_params``; or a Keras model, "
        "whose weights a fit starts from. None is an autoencoder of one hidden layer, 'code', of "
        "``units`` (2) with an ``activation`` ('linear').",
        structural=None,
    )
    layer: str | None = hyperparameter(
        default=None,
        doc="Name of the layer whose output ``transform`` gives. None is the model's output.",
        constraint=[str, None],
        structural=None,
    )
    target: str = hyperparameter(
        default="X",
        doc="What the model's output learns to be: the rows, and y is ignored, as a Pipeline hands "
        "it to all its steps; or y, numbers of the shape of the output.",
        constraint=StrOptions({"X", "y"}),
        structural=True,
    )

    _default_model = "autoencoder"

    @fit_method
    def fit(self, X, y=None, sample_weight=None, X_val=None, y_val=None, sample_weight_val=None):
        """Train on rows X.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows.
        y : array-like of shape (n_samples, ...), default=None
            What the output learns to be, if ``target="y"``; else ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the loss; their ratios matter. Negative ones are legal.
        X_val, y_val, sample_weight_val : array-likes, default=None
            Rows to validate on after each epoch, without training on them.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        if self.target == "X":
            y, y_val = X, X_val
        return super().fit(X, y, sample_weight, X_val, y_val, sample_weight_val)

    @fit_method
    def partial_fit(self, X, y=None, sample_weight=None):
        """Train one epoch more on rows X, going on from the last fit.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
        y : array-like of shape (n_samples, ...), default=None
            As in :meth:`fit`.
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        self : object
        """
        y = X if self.target == "X" else y
        return fit_on(self, X, y, sample_weight)

    def transform(self, X):
        """The output of ``layer`` for rows X.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows.

        Returns
        -------
        features : ndarray of shape (n_samples, ..., n_features_out), float32
        """
        return super().transform(X)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = self.target == "y"
        return tags

    def _check_parameters(self):
        super()._check_parameters()
        if isinstance(self.early_stopping, str | _BaseScorer):
            raise ValueError(
                f"early_stopping={self.early_stopping!r} is a scorer that needs predict, which a "
                f"transformer has not; early_stopping=True watches the loss, and a function of "
                f"(estimator, X, y) may use estimator.transform."
            )

    def _feature_layer(self):
        return self.layer

    def _check_y(self, y):
        refuse_dates(y)
        y = check_array(y, ensure_2d=False, allow_nd=True, dtype=np.float64, input_name="y")
        return y[:, None] if y.ndim == 1 else y

    def _make_target(self, y, weight, classes):
        return Rows(y.shape[1:])

    def _target_and_head(self, target, shape, ending, trained):
        if not trained:
            return target, LossHead(None, "numbers", target.head.groups)
        if any(n not in (None, m) for n, m in zip(shape[1:], target.shape, strict=False)) or len(
            shape[1:]
        ) != len(target.shape):
            wanted = "rows of X" if self.target == "X" else "y"
            raise ValueError(
                f"the model's output has the shape {shape[1:]}, but is to be as {wanted}, "
                f"{target.shape}; change the model, target, or freeze its layers to use it "
                f"untrained."
            )
        loss = "mean_squared_error" if self.loss is None else self.loss
        return target, LossHead(KeyedLoss(loss), "numbers", target.head.groups)


def _features_of(estimator: Any, transform: Callable, X: Any) -> np.ndarray:
    """What is under the last layer, where that can be told."""
    fitted = getattr(estimator, "_fitted", None)
    if fitted is not None and not fitted.task.model.has_features:
        raise ValueError(
            "transform gives what is under the model's last layer, which cannot be told here: the "
            "model is of a class of its own, or ends in a nested one. Use NetworkTransformer and "
            "its layer, or a functional model."
        )
    return transform(X)
