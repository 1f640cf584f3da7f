"""Networks for tables as they come: the recipe that does best before any tuning.

The table is encoded by :class:`TableEncoder`, fitted on the training rows. Then

    h_0 = scale * (embedded numbers, embedded categories)
    h_i = dropout(activation(h_{i-1} W_i / sqrt(n_{i-1}) + b_i)),   output = h_L W / sqrt(n_L) + b

with numbers embedded by waves, activations mixed with none, first weights under which each unit
has unit variance over the training rows and its kink among them, and learning rate, dropout and
weight decay on schedules: RealMLP [1]_. Of all epochs the one is kept that was best on validation
rows.

.. [1] Holzmuller, Grinsztajn, Steinwart. Better by default: strong pre-tuned MLPs and boosted trees
   on tabular data. NeurIPS, 2024, section 3 and appendix A.
"""

import math
from dataclasses import replace
from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.base import clone, is_classifier
from sklearn.utils import _safe_indexing, check_random_state, get_tags
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import (
    _check_sample_weight,
    _num_samples,
    check_consistent_length,
    validate_data,
)

from skdeep import blueprint, optimizers, schedules
from skdeep.base import BaseNetworkClassifier, BaseNetworkRegressor, NetworkEstimator
from skdeep.base.fitting import fit_epochs, fit_method, held_out_rows, validation_rows
from skdeep.hyperparameters import are_counts, hyperparameter
from skdeep.preprocessing import TableEncoder
from skdeep.preprocessing.table.numeric import weighted_quantiles
from skdeep.schedules import FlatCosine
from skdeep.validation import naming, rows_of, unchanged_on_error

ACTIVATIONS = frozenset({"gelu", "mish", "relu", "selu", "silu"})
MOST_CATEGORIES = 10_000  # of a column, that have vectors of their own
N_FIRST = 4096  # rows that first weights are fitted to
FORGET = 0.05  # probability that a step takes a category for one that was never seen


def default_encoder(sparse: bool = False) -> TableEncoder:
    """What encodes a table, or a sparse matrix, unless the user gives an encoder."""
    scaling = "robust" if sparse else "quantile"
    return TableEncoder(
        scaling=scaling, categories="codes", min_frequency=2, max_categories=MOST_CATEGORIES
    )


class _Tabular(NetworkEstimator):
    """What TabularClassifier and TabularRegressor share."""

    encoder: TableEncoder | None = hyperparameter(
        default=None,
        doc="How columns become numbers and codes. None is ``TableEncoder(scaling='quantile', "
        "categories='codes', min_frequency=2, max_categories=10_000)``, of a sparse X with "
        "``scaling='robust'``.",
        constraint=[TableEncoder, None],
        structural=None,
    )
    hidden_layer_sizes: Any = hyperparameter(
        default=(256, 256, 256),
        doc="Units of each hidden layer.",
        constraint=["array-like"],
        structural=True,
    )
    activation: str = hyperparameter(
        default="selu",
        doc="Of the hidden units.",
        constraint=StrOptions(set(ACTIVATIONS)),
        structural=True,
    )
    dropout: float = hyperparameter(
        default=0.15,
        doc="Probability that a step ignores a hidden unit; it falls to 0 in the last half of the "
        "epochs.",
        constraint=Interval(Real, 0, 1, closed="left"),
        search=(0.0, 0.5),
        structural=bool,
    )
    numeric_embedding: str | None = hyperparameter(
        default="periodic",
        doc="What a number is made of, beside itself: learnt sums of waves, or learnt piecewise "
        "linear functions, which bend at quantiles. None leaves numbers as they are.",
        constraint=[StrOptions({"periodic", "piecewise_linear"}), None],
        structural=True,
    )
    ensemble_size: int = hyperparameter(
        default=4,
        doc="Networks that are trained side by side, each from weights of its own, and averaged "
        "[2]_; a step costs as many times as much. Features are those of all.",
        constraint=Interval(Integral, 1, 100, closed="both"),
        structural=True,
    )
    epochs: int = hyperparameter(
        default=128,
        doc="Passes over the rows.",
        constraint=Interval(Integral, 1, None, closed="left"),
        structural=None,
    )
    batch_size: int = hyperparameter(
        default=256,
        doc="Rows in a step; larger is faster an epoch, but takes fewer steps.",
        constraint=Interval(Integral, 1, None, closed="left"),
        structural=None,
    )
    learning_rate: float = hyperparameter(
        default=0.04,
        doc="The optimizer's step size, of kernels of unit scale: larger than that of other "
        "networks.",
        constraint=Interval(Real, 0, None, closed="neither"),
        search=(1e-2, 0.5, "log"),
    )
    learning_rate_schedule: Any = hyperparameter(
        default="coslog4",
        doc="Factor of the learning rate by epoch: a name falls to 0 over the epochs; or a "
        "function, see ``skdeep.schedules``. None is constant.",
        constraint=[StrOptions(set(schedules.NAMES)), callable, None],
        structural=None,
    )
    optimizer: Any = hyperparameter(
        default=None,
        doc="A name, or an object of ``skdeep.optimizers``. None is ``AdamW(beta_2=0.95)``.",
        constraint=[StrOptions(set(optimizers.NAMES)), optimizers.Optimizer, None],
        structural=True,
    )
    weight_decay: float = hyperparameter(
        default=0.02,
        doc="What a step takes off the weights, times the learning rate; it falls to 0 in the last "
        "half of the epochs. Under an optimizer other than AdamW an L2 penalty.",
        constraint=Interval(Real, 0, None, closed="left"),
        search=(1e-4, 0.2, "log"),
    )
    early_stopping: Any = hyperparameter(
        default=True,
        doc="Whether to hold rows out, and to keep the weights of the epoch that is best on them. "
        "True watches their loss; a scikit-learn scorer, or its name, is watched instead.",
        constraint=["boolean", str, callable],
        structural=None,
    )
    validation_fraction: float = hyperparameter(
        default=0.2,
        doc="Share of the rows that are held out to validate on, where that is needed and ``fit`` "
        "gets no ``X_val``.",
        constraint=Interval(Real, 0, 1, closed="neither"),
        structural=None,
    )
    patience: int = hyperparameter(
        default=128,
        doc="Epochs without improvement that end the fit, under early stopping. A waved schedule "
        "is best at its end.",
        constraint=Interval(Integral, 1, None, closed="left"),
        structural=None,
    )

    @classmethod
    def fast(cls, **parameters):
        """One network and an eighth of the epochs: to look at a table, or for large ones.

        Below some thousand rows its steps are too few; there the default is fast.

        Parameters
        ----------
        **parameters
            Of the estimator, which go before.

        Returns
        -------
        estimator : object
            Not fitted.
        """
        epochs = max(1, cls._hyperparameters["epochs"].default // 8)
        return cls(**{"ensemble_size": 1, "epochs": epochs, **parameters})

    @classmethod
    def default(cls, **parameters):
        """The estimator as it is without parameters.

        Parameters
        ----------
        **parameters
            Of the estimator, which go before.

        Returns
        -------
        estimator : object
            Not fitted.
        """
        return cls(**parameters)

    @classmethod
    def best(cls, cv=None, n_jobs=None, **parameters):
        """As many networks for each fold of cross-validation: some five times as long.

        Each fold's networks validate on that fold, so that all rows are trained on; the out-of-fold
        predictions are kept. It predicts, with probabilities, but has no intervals.

        Parameters
        ----------
        cv, n_jobs
            As of :class:`BaggedFoldsClassifier`; None is five folds, one after another.
        **parameters
            Of the estimator, which go before.

        Returns
        -------
        ensemble : BaggedFoldsClassifier or BaggedFoldsRegressor
            Not fitted.
        """
        from skdeep.tabular import folds

        network = cls(**parameters)
        kind = folds.BaggedFoldsClassifier if is_classifier(network) else folds.BaggedFoldsRegressor
        state, verbose = network.random_state, network.verbose
        return kind(network, cv=cv, n_jobs=n_jobs, random_state=state, verbose=verbose)

    @fit_method
    def fit(self, X, y, sample_weight=None, X_val=None, y_val=None, sample_weight_val=None):
        """Train on rows of a table and their targets.

        The encoder is fitted on those that are trained on.

        Parameters
        ----------
        X : DataFrame, array-like or sparse matrix of shape (n_samples, n_features)
            Rows, with columns of the kinds that :class:`TableEncoder` knows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the loss; their ratios matter. Negative ones are legal, and
            count as positive for the encoder.
        X_val, y_val, sample_weight_val : array-likes, default=None
            Rows to validate on after each epoch, without training on them. None holds some out.

        Returns
        -------
        self : object
            The fitted estimator; as it was, if the fit fails.
        """
        validation = validation_rows(X_val, y_val, sample_weight_val)
        if y is None:
            return fit_epochs(self, X, y, sample_weight, validation)
        first = not (self.warm_start and hasattr(self, "_fitted"))
        with unchanged_on_error(self):
            if first:  # a fit that goes on holds the same rows out
                self._split_seed = check_random_state(self.random_state).randint(2**31)
            if validation is None and self._watches_rows():
                X, y, sample_weight, validation = self._split(X, y, sample_weight)
            if first:
                self._fit_encoder(X, sample_weight)
            return fit_epochs(self, X, y, sample_weight, validation)

    @property
    def partial_fit(self):
        """Absent: scales, categories and schedules need all rows at once."""
        raise AttributeError(
            f"{type(self).__name__} has no partial_fit, as its encoder and schedules need all "
            f"rows at once; put a TableEncoder before an MLPClassifier or MLPRegressor."
        )

    def _split(self, X: Any, y: Any, sample_weight: Any) -> tuple:
        """Rows to train on, with targets and weights, and the same of rows to validate on."""
        with naming("y"):
            y = self._check_y(y)
        X = rows_of(X)
        with naming("y"):
            check_consistent_length(X, y)
        with naming("sample_weight"):
            weight = _check_sample_weight(sample_weight, y, dtype=np.float64)
        columns = y.reshape(len(y), -1).T if is_classifier(self) else []
        labels = [np.unique(column, return_inverse=True)[1] for column in columns]
        stratify = labels[0] if len(labels) == 1 else None
        kept, held = held_out_rows(self, stratify, weight, self._split_seed)
        known = np.ones(len(held), dtype=bool)
        for each in labels:  # a class of which one row is there has it in training
            known &= np.isin(each[held], each[kept])
        kept, held = np.append(kept, held[~known]), held[known]
        if not len(held):
            raise ValueError(
                f"early_stopping holds out validation_fraction={self.validation_fraction:g} of "
                f"{len(y)} rows, but no class has a row to spare; pass X_val and y_val, or set "
                f"early_stopping=False."
            )
        parts = [(_safe_indexing(X, rows), y[rows], weight[rows]) for rows in (kept, held)]
        return *parts[0], parts[1]

    def _fit_encoder(self, X: Any, sample_weight: Any) -> None:
        """Fit the encoder to the training rows."""
        weight = None
        if sample_weight is not None:
            with naming("sample_weight"):
                weight = np.abs(_check_sample_weight(sample_weight, X, dtype=np.float64))
            weight *= np.count_nonzero(weight) / max(weight.sum(), np.finfo(float).tiny)
        encoder = self.encoder or default_encoder(sp.issparse(X))
        with naming("X"):
            self.encoder_ = clone(encoder).fit(X, sample_weight=weight)
        if not len(self.encoder_.cardinalities_):
            raise ValueError(
                f"all columns of X are constant in the {_num_samples(X)} rows to train on; there "
                f"is nothing to learn from."
            )
        validate_data(self, X, skip_check_array=True, reset=True)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.encoder or default_encoder(sparse=True)).input_tags
        return tags

    # What the engine asks ---------------------------------------------------------------------

    def _check_parameters(self):
        if not are_counts(self.hidden_layer_sizes) or not len(self.hidden_layer_sizes):
            raise ValueError(
                f"hidden_layer_sizes must hold positive integers, one for each hidden layer, but "
                f"is {self.hidden_layer_sizes!r}."
            )

    def _checked_X(self, X, *, reset, name="X"):
        with naming(name):
            return self._check_X(X, reset=reset)  # words and dates too, which others refuse

    def _check_X(self, X, reset):
        encoded = self.encoder_.transform(X)
        encoded = encoded.toarray() if sp.issparse(encoded) else np.asarray(encoded)
        return encoded.astype(blueprint.float_dtype(), copy=False)

    def _served_rows(self):
        raise TypeError(
            f"export cannot write the TableEncoder inside {type(self).__name__}; keep the model by "
            f"skdeep.save, or export a Pipeline of scikit-learn's encoders and a network behind "
            f"them, such as an MLPClassifier."
        )

    def _task(self, X, head):
        of_two = np.all((X == X.min(axis=0)) | (X == X.max(axis=0)), axis=0)
        codes = self.encoder_.cardinalities_
        cardinalities = np.where((codes == 0) & of_two, 1, codes)
        return replace(super()._task(X, head), cardinalities=tuple(cardinalities.tolist()))

    def _is_noisy(self, task):
        return self.dropout > 0 or max(task.cardinalities) > 1  # or categories are forgotten

    def _chosen_optimizer(self):
        return (
            optimizers.AdamW(beta_2=0.95) if self.optimizer is None else super()._chosen_optimizer()
        )

    def _schedules(self, last_epoch):
        found = super()._schedules(last_epoch)
        end = getattr(found.get("learning_rate"), "epochs", last_epoch)
        falling = dict.fromkeys(
            ["weight_decay", *["dropout"] * bool(self.dropout)], FlatCosine(end)
        )
        return found | falling

    def _n_members(self):
        return self.ensemble_size

    def _last_layer(self, units, **named):
        from skdeep import layers

        return layers.ScaledDense(units, **named)

    def _design(self, task, target, before):
        if before is not None:  # columns of two numbers in all rows, then and now
            task = replace(task, cardinalities=before.task.cardinalities)
        numbers = np.flatnonzero(np.array(task.cardinalities) == 0)
        return task, target, partial(_first_weights, numbers=numbers)

    def _features(self, inputs, task):
        from keras import ops

        from skdeep import layers

        sizes = np.array(task.cardinalities)
        kinds = (sizes == 0, sizes == 1, sizes > 1)
        numbers, flags, codes = (np.flatnonzero(kind).tolist() for kind in kinds)
        parts = []
        if numbers:
            x = ops.take(inputs, numbers, axis=1)
            if self.numeric_embedding == "periodic":
                x = layers.PeriodicEmbedding(name="numbers")(x)
            elif self.numeric_embedding is not None:
                x = layers.PiecewiseLinearEmbedding(name="numbers")(x)
            parts.append(x)
        if flags:  # a number of two values is not bent
            parts.append(ops.take(inputs, flags, axis=1))
        if codes:
            embedding = layers.CategoryEmbedding(
                sizes[codes].tolist(), forget=FORGET, name="categories"
            )
            parts.append(embedding(ops.take(inputs, codes, axis=1)))
        x = parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=1)
        x = layers.Scale(name="scale")(x)
        for i, width in enumerate(self.hidden_layer_sizes):
            x = layers.ScaledDense(width, name=f"hidden_{i}")(x)
            x = layers.ParametricActivation(self.activation, name=f"activation_{i}")(x)
            if self.dropout:
                x = layers.Dropout("dropout", name=f"dropout_{i}")(x)
        return x


def _first_weights(
    network: Any, rng: np.random.Generator, X: np.ndarray, weight: np.ndarray, numbers: np.ndarray
) -> dict:
    """Weights under which each unit has unit variance, and its kink among the rows.

    A unit's bias is minus a random average of what it is at five rows [1]_, he+5. ``numbers`` are
    the columns that are embedded.
    """
    from skdeep import engine, layers

    present, edges = np.flatnonzero(weight), {}
    named = engine.named_layers(network.model)
    for _, layer in named:
        if isinstance(layer, layers.PiecewiseLinearEmbedding):
            levels, weights = np.linspace(0, 1, layer.n_bins + 1), np.abs(weight[present])
            columns = X[np.ix_(present, numbers)].T
            found = [weighted_quantiles(column, weights, levels) for column in columns]
            edges[id(layer.edges)] = np.stack(found)
    weights = network.initial(rng, given=edges)
    arrays = network.by_layer(weights["trainable"])  # views, which are written to
    rows = X[rng.permutation(present)[:N_FIRST]]
    for name, layer in named:
        if isinstance(layer, layers.CategoryEmbedding) and layer.many:
            arrays[name][0][layer.starts] = 0.0  # of what may never be seen
        if isinstance(layer, layers.ScaledDense):
            kernel, bias = arrays[name]
            units = network.inputs_of(name, weights, rows) @ kernel / math.sqrt(len(kernel))
            spread = units.std(axis=0)
            spread[spread == 0] = 1.0
            kernel /= spread
            shares = rng.exponential(size=(5, len(bias)))
            picked = rng.integers(len(rows), size=shares.shape)
            values = np.take_along_axis(units / spread, picked, axis=0)
            bias[:] = -np.average(values, axis=0, weights=shares)
    return weights


class TabularClassifier(_Tabular, BaseNetworkClassifier):
    """Classes of the rows of a table, as it comes.

    X is a DataFrame of pandas or polars, an array or a sparse matrix, of numbers, texts,
    categories, booleans and dates as they are, missing values among them. The recipe is RealMLP's
    [1]_, with faster waves and several networks [2]_, and is meant to be good before any tuning.

    Parameters
    ----------
    encoder : TableEncoder or None, default=None
        How columns become numbers and codes. None is ``TableEncoder(scaling='quantile',
        categories='codes', min_frequency=2, max_categories=10_000)``, of a sparse X with
        ``scaling='robust'``.
    hidden_layer_sizes : array-like, default=(256, 256, 256)
        Units of each hidden layer.
    activation : {'gelu', 'mish', 'relu', 'selu', 'silu'}, default='selu'
        Of the hidden units.
    dropout : float in [0, 1), default=0.15
        Probability that a step ignores a hidden unit; it falls to 0 in the last half of the epochs.
    numeric_embedding : {'periodic', 'piecewise_linear'} or None, default='periodic'
        What a number is made of, beside itself: learnt sums of waves, or learnt piecewise linear
        functions, which bend at quantiles. None leaves numbers as they are.
    ensemble_size : int in [1, 100], default=4
        Networks that are trained side by side, each from weights of its own, and averaged [2]_; a
        step costs as many times as much. Features are those of all.
    epochs : int in [1, inf), default=128
        Passes over the rows.
    batch_size : int in [1, inf), default=256
        Rows in a step; larger is faster an epoch, but takes fewer steps.
    learning_rate : float in (0, inf), default=0.04
        The optimizer's step size, of kernels of unit scale: larger than that of other networks.
    learning_rate_schedule : str, callable or None, default='coslog4'
        Factor of the learning rate by epoch: a name falls to 0 over the epochs; or a function, see
        ``skdeep.schedules``. None is constant.

        One of 'cosine', 'coslog4', 'flat_cos', 'linear'.
    optimizer : {'adagrad', 'adam', 'adamw', 'rmsprop', 'sgd'}, Optimizer or None, default=None
        A name, or an object of ``skdeep.optimizers``. None is ``AdamW(beta_2=0.95)``.
    weight_decay : float in [0, inf), default=0.02
        What a step takes off the weights, times the learning rate; it falls to 0 in the last half
        of the epochs. Under an optimizer other than AdamW an L2 penalty.
    early_stopping : bool, str or callable, default=True
        Whether to hold rows out, and to keep the weights of the epoch that is best on them. True
        watches their loss; a scikit-learn scorer, or its name, is watched instead.
    validation_fraction : float in (0, 1), default=0.2
        Share of the rows that are held out to validate on, where that is needed and ``fit`` gets no
        ``X_val``.
    patience : int in [1, inf), default=128
        Epochs without improvement that end the fit, under early stopping. A waved schedule is best
        at its end.
    class_weight : dict, {'balanced'} or None, default=None
        Weight of each class in the loss: a dict, or 'balanced' for equal sums; None is one.
    label_smoothing : float in [0, 1), default=0.0
        Share of the uniform distribution that is mixed into the labels; it keeps probabilities from
        0 and 1.
    calibrate : bool, default=False
        Whether to divide the logits, after training, by the temperature at which probabilities tell
        the truth about validation rows; it changes no ranking. Not beside ``class_weight``, whose
        shift of all probabilities no temperature takes back.
    clip_norm : float in (0, inf) or None, default=None
        Longest gradient; a longer one is shortened to it. None leaves all as they are.
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
    encoder_ : TableEncoder
        As fitted to the rows that were trained on; its ``summary_`` shows what the columns are.
    classes_ : ndarray of shape (n_classes,)
        Labels, in the order of the probabilities.
    temperature_ : float
        What divides the logits in probabilities; 1 without ``calibrate``.
    history_ : DataFrame
        ``loss`` of each epoch, and ``val_loss`` and ``val_score`` of the rows validated on.
    n_iter_ : int
        Epochs trained.
    n_parameters_ : int
        Numbers that the network has learnt.
    best_epoch_ : int
        The epoch, from 0, whose weights early stopping kept; -1 without it.
    network_ : keras.Model
        A copy of the fitted network, to look at; its input is what ``encoder_`` makes of rows.
    n_features_in_ : int
        Columns of X.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns, where X had names.

    Notes
    -----
    Three estimators from one: ``fast()`` for a look, ``default()``, and ``best()``, a network for
    each of five folds, for the last percent.

    References
    ----------
    .. [1] Holzmuller, Grinsztajn, Steinwart. Better by default: strong pre-tuned MLPs and boosted
       trees on tabular data. NeurIPS, 2024.
    .. [2] Lakshminarayanan, Pritzel, Blundell. Simple and scalable predictive uncertainty
       estimation using deep ensembles. NeurIPS, 2017.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skdeep import TabularClassifier
    >>> rng = np.random.default_rng(0)
    >>> table = pd.DataFrame({"size": rng.normal(size=300), "kind": rng.choice(["a", "b"], 300)})
    >>> y = np.where((table["kind"] == "a") ^ (table["size"] > 0), "yes", "no")
    >>> table.loc[::10, "size"] = np.nan
    >>> model = TabularClassifier(random_state=0).fit(table, y)
    >>> model.score(table[1:10], y[1:10]) > 0.8
    True
    """


class TabularRegressor(_Tabular, BaseNetworkRegressor):
    """Numbers that belong to the rows of a table, as it comes.

    X is a DataFrame of pandas or polars, an array or a sparse matrix, of numbers, texts,
    categories, booleans and dates as they are, missing values among them. The recipe is RealMLP's
    [1]_, with faster waves and several networks [2]_, and is meant to be good before any tuning.

    Parameters
    ----------
    activation : {'gelu', 'mish', 'relu', 'selu', 'silu'}, default='mish'
        Of the hidden units.
    learning_rate : float in (0, inf), default=0.2
        The optimizer's step size, of kernels of unit scale: larger than that of other networks.
    encoder : TableEncoder or None, default=None
        How columns become numbers and codes. None is ``TableEncoder(scaling='quantile',
        categories='codes', min_frequency=2, max_categories=10_000)``, of a sparse X with
        ``scaling='robust'``.
    hidden_layer_sizes : array-like, default=(256, 256, 256)
        Units of each hidden layer.
    dropout : float in [0, 1), default=0.15
        Probability that a step ignores a hidden unit; it falls to 0 in the last half of the epochs.
    numeric_embedding : {'periodic', 'piecewise_linear'} or None, default='periodic'
        What a number is made of, beside itself: learnt sums of waves, or learnt piecewise linear
        functions, which bend at quantiles. None leaves numbers as they are.
    ensemble_size : int in [1, 100], default=4
        Networks that are trained side by side, each from weights of its own, and averaged [2]_; a
        step costs as many times as much. Features are those of all.
    epochs : int in [1, inf), default=128
        Passes over the rows.
    batch_size : int in [1, inf), default=256
        Rows in a step; larger is faster an epoch, but takes fewer steps.
    learning_rate_schedule : str, callable or None, default='coslog4'
        Factor of the learning rate by epoch: a name falls to 0 over the epochs; or a function, see
        ``skdeep.schedules``. None is constant.

        One of 'cosine', 'coslog4', 'flat_cos', 'linear'.
    optimizer : {'adagrad', 'adam', 'adamw', 'rmsprop', 'sgd'}, Optimizer or None, default=None
        A name, or an object of ``skdeep.optimizers``. None is ``AdamW(beta_2=0.95)``.
    weight_decay : float in [0, inf), default=0.02
        What a step takes off the weights, times the learning rate; it falls to 0 in the last half
        of the epochs. Under an optimizer other than AdamW an L2 penalty.
    early_stopping : bool, str or callable, default=True
        Whether to hold rows out, and to keep the weights of the epoch that is best on them. True
        watches their loss; a scikit-learn scorer, or its name, is watched instead.
    validation_fraction : float in (0, 1), default=0.2
        Share of the rows that are held out to validate on, where that is needed and ``fit`` gets no
        ``X_val``.
    patience : int in [1, inf), default=128
        Epochs without improvement that end the fit, under early stopping. A waved schedule is best
        at its end.
    loss : {'gaussian', 'quantile', 'squared'}, default='squared'
        What the network learns of y: its mean ('squared'), mean and variance of a normal
        distribution ('gaussian'), or quantiles ('quantile').
    clip_norm : float in (0, inf) or None, default=None
        Longest gradient; a longer one is shortened to it. None leaves all as they are.
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
    encoder_ : TableEncoder
        As fitted to the rows that were trained on; its ``summary_`` shows what the columns are.
    history_ : DataFrame
        ``loss`` of each epoch, and ``val_loss`` and ``val_score`` of the rows validated on.
    n_iter_ : int
        Epochs trained.
    n_parameters_ : int
        Numbers that the network has learnt.
    best_epoch_ : int
        The epoch, from 0, whose weights early stopping kept; -1 without it.
    network_ : keras.Model
        A copy of the fitted network, to look at; its input is what ``encoder_`` makes of rows.
    n_features_in_ : int
        Columns of X.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns, where X had names.

    Notes
    -----
    Three estimators from one: ``fast()`` for a look, ``default()``, and ``best()``, a network for
    each of five folds, for the last percent.

    References
    ----------
    .. [1] Holzmuller, Grinsztajn, Steinwart. Better by default: strong pre-tuned MLPs and boosted
       trees on tabular data. NeurIPS, 2024.
    .. [2] Lakshminarayanan, Pritzel, Blundell. Simple and scalable predictive uncertainty
       estimation using deep ensembles. NeurIPS, 2017.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skdeep import TabularRegressor
    >>> rng = np.random.default_rng(0)
    >>> table = pd.DataFrame({"size": rng.normal(size=300), "kind": rng.choice(["a", "b"], 300)})
    >>> y = np.where(table["kind"] == "a", 1.0, -1.0) * table["size"].to_numpy()
    >>> table.loc[::10, "size"] = np.nan
    >>> model = TabularRegressor(random_state=0).fit(table, y)
    >>> model.score(table[1:10], y[1:10]) > 0.8
    True
    """

    activation: str = hyperparameter(
        default="mish",
        doc="Of the hidden units.",
        constraint=StrOptions(set(ACTIVATIONS)),
        structural=True,
    )
    learning_rate: float = hyperparameter(
        default=0.2,
        doc="The optimizer's step size, of kernels of unit scale: larger than that of other "
        "networks.",
        constraint=Interval(Real, 0, None, closed="neither"),
        search=(1e-2, 0.5, "log"),
    )
