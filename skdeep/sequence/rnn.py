"""Recurrent networks: one state carried along the steps of a row.

    h_t = cell(x_t, h_{t-1}),   output = W pool(h_1, ..., h_T) + b

With one label or number for a row, or one for each step: output_t = W h_t + b. Bidirectional layers
read the row from its end too, and put both states side by side [2]_.

.. [1] Hochreiter, Schmidhuber. Long short-term memory. Neural Computation 9(8), 1997.
.. [2] Schuster, Paliwal. Bidirectional recurrent neural networks. IEEE Transactions on Signal
   Processing 45(11), 1997.
"""

import warnings
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from skdeep._config import get_config
from skdeep.base import BaseNetworkClassifier, BaseNetworkRegressor
from skdeep.blueprint import Task, float_dtype, task_of
from skdeep.hyperparameters import Declared, are_counts, hyperparameter
from skdeep.preprocessing import sequences
from skdeep.targets import PerStep
from skdeep.validation import naming


class _RNN(Declared):
    """What RNNClassifier and RNNRegressor share."""

    cell: str = hyperparameter(
        default="lstm",
        doc="Recurrent unit: long short-term memory, gated recurrent unit, or plain tanh.",
        constraint=StrOptions({"lstm", "gru", "simple"}),
        structural=True,
    )
    hidden_layer_sizes: Any = hyperparameter(
        default=(64,),
        doc="Units of each recurrent layer, in each direction.",
        constraint=["array-like"],
        structural=True,
    )
    bidirectional: bool = hyperparameter(
        default=False,
        doc="Whether each layer also reads the rows from their end.",
        structural=True,
    )
    pooling: str = hyperparameter(
        default="last",
        doc="What of the steps makes the row: the last state, the mean or the maximum over steps, "
        "or a mean with learnt weights. Without effect where each step has a target.",
        constraint=StrOptions({"last", "mean", "max", "attention"}),
        structural=True,
    )
    dropout: float = hyperparameter(
        default=0.0,
        doc="Probability that a step of the training ignores a unit, between layers and under the "
        "last; not from one step of a row to the next.",
        constraint=Interval(Real, 0, 1, closed="left"),
        search=(0.0, 0.5),
        structural=bool,
    )
    n_steps: int | None = hyperparameter(
        default=None,
        doc="Steps of the rows where X is flat, (n_samples, n_steps * n_features), the features "
        "of a step side by side. None takes each column for a step.",
        constraint=[Interval(Integral, 1, None, closed="left"), None],
        structural=None,
    )
    embedding_size: int | None = hyperparameter(
        default=None,
        doc="Length of the learnt vectors that stand for tokens. Strings always are tokens, with "
        "64 for None; integers are if it is set.",
        constraint=[Interval(Integral, 1, None, closed="left"), None],
        structural=True,
    )
    max_vocabulary: int = hyperparameter(
        default=20_000,
        doc="How many of the most frequent tokens have vectors of their own; the others, and those "
        "that ``fit`` has not seen, share one.",
        constraint=Interval(Integral, 1, None, closed="left"),
        structural=None,
    )
    epochs: int = hyperparameter(
        default=30,
        doc="Passes over the rows.",
        constraint=Interval(Integral, 1, None, closed="left"),
        structural=None,
    )
    batch_size: int = hyperparameter(
        default=32,
        doc="Rows in a step; larger is faster an epoch, but takes fewer steps. Where rows differ "
        "in length, those of a batch are alike.",
        constraint=Interval(Integral, 1, None, closed="left"),
        structural=None,
    )
    learning_rate: float = hyperparameter(
        default=1e-2,
        doc="The optimizer's step size; larger is faster until the loss oscillates or diverges.",
        constraint=Interval(Real, 0, None, closed="neither"),
        search=(1e-4, 1e-1, "log"),
    )
    clip_norm: float | None = hyperparameter(
        default=1.0,
        doc="Longest gradient; a longer one is shortened to it. None leaves all as they are.",
        constraint=[Interval(Real, 0, None, closed="neither"), None],
    )

    def transform(self, X):
        """Features of rows X: what is under the last layer. Of each step, where each has a target.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...) or list
            Rows.

        Returns
        -------
        features : ndarray of shape (n_samples, n_features_out), float32
            Of steps a list of arrays (n_steps, n_features_out), or an array, as predictions are.

        Raises
        ------
        ValueError
            If ``set_output`` asks for tables, and the features are those of steps.
        """
        container = _get_output_config("transform", self)["dense"]
        if container != "default" and self._is_per_step():
            raise ValueError(
                f"transform gives features of each step of a row, of which set_output(transform="
                f"{container!r}) can make no table; call set_output(transform='default')."
            )
        return super().transform(X)

    def _uses_xla(self, device):
        return device == "cpu" and self.cell != "lstm"  # whose fused operation XLA does not have

    def _check_parameters(self):
        sizes = self.hidden_layer_sizes
        if not are_counts(sizes) or len(sizes) == 0:
            raise ValueError(
                f"hidden_layer_sizes must hold positive integers, one for each recurrent layer, "
                f"but is {sizes!r}."
            )

        if self.cell == "lstm" and get_config()["compile"] == "xla":
            raise ValueError(
                "cell='lstm' is one operation of TensorFlow's, which config_context(compile='xla') "
                "cannot compile; leave compile at None, or take cell='gru'."
            )

    def _is_noisy(self, task):
        return self.dropout > 0

    def _check_X(self, X, reset):
        """Sequences (n, None, n_features) of floats or (n, None) of tokens; or floats (n, T, F)."""
        fitted = None if reset else self._fitted.task
        X = sequences.without_column(X)
        strings = sequences.has_strings(X)
        if fitted.n_tokens if fitted else strings or self.embedding_size:
            return self._check_tokens(X, reset)
        if strings and fitted:
            raise TypeError("X holds strings, but fit has seen numbers; pass numbers.")
        X = self._check_numbers(X, float_dtype() if reset else fitted.input_dtype, reset)
        if reset:
            self.__dict__.pop("vocabulary_", None)
        elif X.shape[-1] != fitted.input_shape[-1]:
            raise ValueError(
                f"X has {X.shape[-1]} features in each step, but {type(self).__name__} is "
                f"expecting {fitted.input_shape[-1]} features."
            )
        return X

    def _check_numbers(self, X, dtype, reset):
        """Numbers as sequences or as an array (n, n_steps, n_features)."""
        if flat := sequences.is_table(X) and (reset or self._may_be_flat(X)):
            if reset or self._flat:
                X = validate_data(self, X, dtype=dtype, reset=reset)
            else:
                X = check_array(X, dtype=dtype, input_name="X", estimator=self)
                self._check_not_one_sequence(X)
            X = X.reshape(len(X), -1, self._n_features(X.shape[1], reset))
        else:
            X = sequences.padded(X) if getattr(X, "ndim", 0) == 3 else X
            if isinstance(X, np.ndarray) and X.ndim == 3:
                X = sequences.finite(X, dtype)
                if 0 in X.shape:
                    raise ValueError(
                        f"X has {X.shape[1]} steps of {X.shape[2]} features; each needs one or "
                        f"more."
                    )
            else:
                X = sequences.number_sequences(X, dtype)
        if reset:
            self._flat = flat
            if not flat:
                self.n_features_in_ = X.shape[-1]
                self.__dict__.pop("feature_names_in_", None)
        return X

    def _may_be_flat(self, X):
        """Whether a table can have flat rows at predict: a list rather has rows of any length."""
        first = next(iter(X), None) if sequences.is_list(X) else None
        if not hasattr(first, "__len__"):
            return True
        one_feature = self._fitted.task.input_shape[-1] == 1
        return self._flat and not (one_feature and len(first) != self.n_features_in_)

    def _check_not_one_sequence(self, X):
        """Refuse a table where fit has seen sequences, unless its rows can only be such."""
        n_features, n_columns = self._fitted.task.input_shape[-1], X.shape[1]
        if self.n_steps is not None and n_columns == self.n_steps * n_features:
            return
        if n_features == 1 and n_columns > 1:
            return
        raise ValueError(
            f"X is a table of shape {X.shape}, but fit has seen sequences, of {n_features} "
            f"features a step; if X is one of them pass X[np.newaxis] or [X], if its rows are "
            f"flat pass X.reshape(len(X), -1, {n_features})."
        )

    def _n_features(self, n_columns, reset):
        """Features of a step in rows of a table."""
        if not reset:
            return self._fitted.task.input_shape[-1]
        if self.n_steps is None:
            return 1
        if n_columns % int(self.n_steps):
            raise ValueError(
                f"n_steps={self.n_steps} does not divide the {n_columns} columns of X; a flat row "
                f"has n_steps * n_features of them."
            )
        return n_columns // int(self.n_steps)

    def _check_tokens(self, X, reset):
        """Tokens as sequences of their numbers; their vocabulary is learnt at reset."""
        rows = sequences.token_sequences(X)
        if reset:
            for name in ("n_features_in_", "feature_names_in_"):
                self.__dict__.pop(name, None)
            self.vocabulary_ = sequences.vocabulary_of(rows.values, self.max_vocabulary)
        integers = self.vocabulary_.dtype.kind in "iu"
        if integers != (rows.dtype.kind in "iu"):
            given, seen = ("strings", "integers") if integers else ("integers", "strings")
            raise TypeError(f"X holds {given} as tokens, but fit has seen {seen}.")
        return rows.with_values(sequences.token_numbers(rows.values, self.vocabulary_))

    def _check_rows(self, X, y, sample_weight, *, reset, suffix=""):
        from skdeep.engine import Sequences

        with naming(f"y{suffix}"):
            per_step = not reset and isinstance(self._fitted.target, PerStep)
            if getattr(y, "ndim", 1) > 1 and (per_step or sequences.is_awkward(y)):
                y = [np.asarray(row) for row in y]  # also what predict gives for an array
            lengths = _steps_of(y)
            if lengths is not None and sequences.is_table(X) and np.ptp(lengths) == 0:
                if not (sequences.is_list(X) and sequences.first_length(X) == lengths[0]):
                    lengths = None  # several targets for each row of a table, or for each text
            if not reset and per_step != (lengths is not None):
                seen, given = ("step", "row") if per_step else ("row", "step")
                raise ValueError(
                    f"y{suffix} has targets for each {given}, but those that fit has seen were of "
                    f"each {seen}."
                )
            if lengths is not None:
                y = Sequences.of(np.concatenate([np.asarray(part) for part in y]), lengths)
        X, y, weight = super()._check_rows(X, y, sample_weight, reset=reset, suffix=suffix)
        steps = X.lengths if isinstance(X, Sequences) else np.full(len(X), X.shape[1])
        if lengths is None:
            if reset and not suffix:
                self._warn_of_columns(steps, y)
            return X, y, weight
        if (other := np.flatnonzero(steps != lengths)).size:
            i, step = other[0], "token" if hasattr(self, "vocabulary_") else "step"
            raise ValueError(
                f"y{suffix}[{i}] has {lengths[i]} targets, but X{suffix}[{i}] has {steps[i]} "
                f"{step}s; give a list with one for each {step}, or an array with those of a row."
            )
        if not isinstance(self.early_stopping, bool | np.bool_):
            raise ValueError(
                "early_stopping by a scorer needs one target for each row, but y has one for each "
                "step; early_stopping=True watches the loss."
            )
        return X, y, weight

    def _warn_of_columns(self, steps, y):
        """Warn that columns of y, as many as X has steps, are not taken for targets of steps."""
        n_targets = y.shape[1] if np.ndim(y) == 2 else 1
        flat = not hasattr(self, "vocabulary_") and self._flat
        if n_targets > 1 and not flat and (steps == n_targets).all():
            warnings.warn(
                f"y has {n_targets} columns, and each row of X {n_targets} steps; the columns are "
                f"learnt as targets of the row. If each belongs to a step, pass a list, y=[*y].",
                UserWarning,
                stacklevel=8,  # from here to the line that calls fit
            )

    def _check_y(self, y):
        from skdeep.engine import Sequences

        if not isinstance(y, Sequences):
            return super()._check_y(y)
        checked = super()._check_y(y.values)
        if isinstance(self, BaseNetworkClassifier) and checked.ndim > 1:
            raise ValueError(
                f"y has {checked.shape[1]} labels for each step; give one, as arrays (n_steps,)."
            )
        return y.with_values(checked)

    def _make_target(self, y, weight, classes):
        from skdeep.engine import Sequences

        if not isinstance(y, Sequences):
            return super()._make_target(y, weight, classes)
        return PerStep(super()._make_target(y.values, np.repeat(weight, y.lengths), classes))

    def _task(self, X, head):
        task = task_of(X, head)
        shape = (None, *task.input_shape[1:])
        n_tokens = len(self.vocabulary_) + 1 if hasattr(self, "vocabulary_") else 0
        return Task(shape, task.input_dtype, head, task.precision, n_tokens=n_tokens)

    def _features(self, inputs, task):
        import keras

        from skdeep import layers

        x = inputs
        if task.n_tokens:
            size = self.embedding_size or 64
            x = keras.layers.Embedding(task.n_tokens, size, name="embedding")(x)
            x = self._dropped(x, "embedding_dropout")
        cell = {"lstm": layers.LSTM, "gru": layers.GRU, "simple": layers.SimpleRNN}[self.cell]
        for i, units in enumerate(self.hidden_layer_sizes):
            pooled = not task.head.per_step and i + 1 == len(self.hidden_layer_sizes)
            last = pooled and self.pooling == "last"
            states = cell(units, return_sequences=True, name=f"{self.cell}_{i}")(x)
            parts = [layers.PoolSteps("last", name="last")(states) if last else states]
            if self.bidirectional:
                x = layers.ReverseSteps(name=f"reverse_{i}")(x)
                states = cell(units, return_sequences=True, name=f"{self.cell}_{i}_backward")(x)
                restore = layers.ReverseSteps(name=f"restore_{i}")
                parts.append(
                    layers.PoolSteps("last", name="first")(states) if last else restore(states)
                )
            x = keras.layers.Concatenate(name=f"directions_{i}")(parts) if parts[1:] else parts[0]
            if pooled and not last:
                attention = self.pooling == "attention"
                pool = layers.AttentionPooling if attention else layers.PoolSteps
                x = pool(*[] if attention else [self.pooling], name=self.pooling)(x)
            x = self._dropped(x, f"dropout_{i}")
        return x

    def _dropped(self, x, name):
        from skdeep import layers

        return layers.Dropout("dropout", name=name)(x) if self.dropout else x

    def _as_given(self, X, task):
        from skdeep.engine import Sequences

        if not isinstance(X, Sequences):
            return X
        if task.n_tokens:
            X = X.with_values(sequences.tokens_of(X.values, self.vocabulary_))
        return X.arrays()

    def _all_steps(self, X, y, sample_weight):
        """Targets, predictions and weights of the steps of all rows."""
        _, y, weight = self._check_rows(X, y, sample_weight, reset=False)
        return y.values, np.concatenate([*self.predict(X)]), np.repeat(weight, y.lengths)

    def _is_per_step(self):
        check_is_fitted(self)
        return isinstance(self._fitted.target, PerStep)


class RNNClassifier(_RNN, BaseNetworkClassifier):
    """Recurrent network for classes of sequences, or of their steps.

    X holds numbers: an array (n_samples, n_steps, n_features), whose rows may end in steps of NaN,
    which are padding; a list of arrays (n_steps, n_features) or (n_steps,) of any lengths, or an
    awkward array; or flat rows (n_samples, n_columns) with ``n_steps``. Or it holds tokens: texts,
    which are split into lower-case words and punctuation; lists of strings; or, with
    ``embedding_size``, lists of integers.

    y has a label for each row; or, as a list of arrays or lists (n_steps,), one for each step of
    sequences. Predictions then are lists of arrays too, each as long as its row without padding; of
    an array X none of whose rows ends in padding they are one array. A two-dimensional array y has
    several labels for each row.

    Parameters
    ----------
    cell : {'gru', 'lstm', 'simple'}, default='lstm'
        Recurrent unit: long short-term memory, gated recurrent unit, or plain tanh.
    hidden_layer_sizes : array-like, default=(64,)
        Units of each recurrent layer, in each direction.
    bidirectional : bool, default=False
        Whether each layer also reads the rows from their end.
    pooling : {'attention', 'last', 'max', 'mean'}, default='last'
        What of the steps makes the row: the last state, the mean or the maximum over steps, or a
        mean with learnt weights. Without effect where each step has a target.
    dropout : float in [0, 1), default=0.0
        Probability that a step of the training ignores a unit, between layers and under the last;
        not from one step of a row to the next.
    n_steps : int in [1, inf) or None, default=None
        Steps of the rows where X is flat, (n_samples, n_steps * n_features), the features of a step
        side by side. None takes each column for a step.
    embedding_size : int in [1, inf) or None, default=None
        Length of the learnt vectors that stand for tokens. Strings always are tokens, with 64 for
        None; integers are if it is set.
    max_vocabulary : int in [1, inf), default=20000
        How many of the most frequent tokens have vectors of their own; the others, and those that
        ``fit`` has not seen, share one.
    epochs : int in [1, inf), default=30
        Passes over the rows.
    batch_size : int in [1, inf), default=32
        Rows in a step; larger is faster an epoch, but takes fewer steps. Where rows differ in
        length, those of a batch are alike.
    learning_rate : float in (0, inf), default=0.01
        The optimizer's step size; larger is faster until the loss oscillates or diverges.
    clip_norm : float in (0, inf) or None, default=1.0
        Longest gradient; a longer one is shortened to it. None leaves all as they are.
    class_weight : dict, {'balanced'} or None, default=None
        Weight of each class in the loss: a dict, or 'balanced' for equal sums; None is one.
    label_smoothing : float in [0, 1), default=0.0
        Share of the uniform distribution that is mixed into the labels; it keeps probabilities from
        0 and 1.
    calibrate : bool, default=False
        Whether to divide the logits, after training, by the temperature at which probabilities tell
        the truth about validation rows; it changes no ranking.
    learning_rate_schedule : {'cosine', 'linear'}, callable or None, default=None
        Factor of the learning rate by epoch: a name falls to 0 over the epochs; or a function, see
        ``skdeep.schedules``. None is constant.
    optimizer : {'adagrad', 'adam', 'adamw', 'rmsprop', 'sgd'} or Optimizer, default='adam'
        A name, or an object of ``skdeep.optimizers`` with settings of its own.
    weight_decay : float in [0, inf), default=0.0
        L2 penalty: half of it times the squared kernels is added to the mean loss. AdamW shrinks
        the kernels directly.
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
    vocabulary_ : ndarray of shape (n_tokens,)
        Tokens with vectors of their own, most frequent first, where X holds tokens.
    history_ : DataFrame
        ``loss`` of each epoch, and ``val_loss`` and ``val_score`` where rows were validated.
    n_iter_ : int
        Epochs trained.
    n_parameters_ : int
        Numbers that the network has learnt.
    best_epoch_ : int
        The epoch, from 0, whose weights early stopping kept; -1 without it.
    network_ : keras.Model
        A copy of the fitted network, to look at. It takes all steps for real.
    n_features_in_ : int
        Columns of X where rows are flat, else features of a step; not there for tokens.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns, where X had names.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeep import RNNClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(size=n) for n in rng.integers(5, 15, size=200)]
    >>> y = [x[0] > 0 for x in X]  # what the first step said, remembered to the last
    >>> RNNClassifier(random_state=0).fit(X, y).score(X, y) > 0.9
    True
    """

    def score(self, X, y, sample_weight=None):
        """Share of right labels; where each step has one, of the steps of all rows.

        Parameters
        ----------
        X, y, sample_weight : array-likes
            As for ``fit``.

        Returns
        -------
        score : float
        """
        if not self._is_per_step():
            if _steps_of(y) is not None:
                self._check_rows(X, y, sample_weight, reset=False)
            return super().score(X, y, sample_weight)
        true, predicted, weight = self._all_steps(X, y, sample_weight)
        return accuracy_score(true, predicted, sample_weight=weight)


class RNNRegressor(_RNN, BaseNetworkRegressor):
    """Recurrent network for numbers that belong to sequences, or to their steps.

    X is as for :class:`RNNClassifier`. y has one number for each row; or, as a list of arrays or
    lists (n_steps,) or (n_steps, n_outputs), as much for each step of sequences. Predictions then
    are lists of arrays too, each as long as its row without padding; of an array X none of whose
    rows ends in padding they are one array. A two-dimensional array y has several numbers for each
    row.

    Parameters
    ----------
    cell : {'gru', 'lstm', 'simple'}, default='lstm'
        Recurrent unit: long short-term memory, gated recurrent unit, or plain tanh.
    hidden_layer_sizes : array-like, default=(64,)
        Units of each recurrent layer, in each direction.
    bidirectional : bool, default=False
        Whether each layer also reads the rows from their end.
    pooling : {'attention', 'last', 'max', 'mean'}, default='last'
        What of the steps makes the row: the last state, the mean or the maximum over steps, or a
        mean with learnt weights. Without effect where each step has a target.
    dropout : float in [0, 1), default=0.0
        Probability that a step of the training ignores a unit, between layers and under the last;
        not from one step of a row to the next.
    n_steps : int in [1, inf) or None, default=None
        Steps of the rows where X is flat, (n_samples, n_steps * n_features), the features of a step
        side by side. None takes each column for a step.
    embedding_size : int in [1, inf) or None, default=None
        Length of the learnt vectors that stand for tokens. Strings always are tokens, with 64 for
        None; integers are if it is set.
    max_vocabulary : int in [1, inf), default=20000
        How many of the most frequent tokens have vectors of their own; the others, and those that
        ``fit`` has not seen, share one.
    epochs : int in [1, inf), default=30
        Passes over the rows.
    batch_size : int in [1, inf), default=32
        Rows in a step; larger is faster an epoch, but takes fewer steps. Where rows differ in
        length, those of a batch are alike.
    learning_rate : float in (0, inf), default=0.01
        The optimizer's step size; larger is faster until the loss oscillates or diverges.
    clip_norm : float in (0, inf) or None, default=1.0
        Longest gradient; a longer one is shortened to it. None leaves all as they are.
    loss : {'gaussian', 'quantile', 'squared'}, default='squared'
        What the network learns of y: its mean ('squared'), mean and variance of a normal
        distribution ('gaussian'), or quantiles ('quantile').
    learning_rate_schedule : {'cosine', 'linear'}, callable or None, default=None
        Factor of the learning rate by epoch: a name falls to 0 over the epochs; or a function, see
        ``skdeep.schedules``. None is constant.
    optimizer : {'adagrad', 'adam', 'adamw', 'rmsprop', 'sgd'} or Optimizer, default='adam'
        A name, or an object of ``skdeep.optimizers`` with settings of its own.
    weight_decay : float in [0, inf), default=0.0
        L2 penalty: half of it times the squared kernels is added to the mean loss. AdamW shrinks
        the kernels directly.
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
    vocabulary_ : ndarray of shape (n_tokens,)
        Tokens with vectors of their own, most frequent first, where X holds tokens.
    history_ : DataFrame
        ``loss`` of each epoch, and ``val_loss`` and ``val_score`` where rows were validated.
    n_iter_ : int
        Epochs trained.
    n_parameters_ : int
        Numbers that the network has learnt.
    best_epoch_ : int
        The epoch, from 0, whose weights early stopping kept; -1 without it.
    network_ : keras.Model
        A copy of the fitted network, to look at. It takes all steps for real.
    n_features_in_ : int
        Columns of X where rows are flat, else features of a step; not there for tokens.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns, where X had names.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeep import RNNRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(size=n) for n in rng.integers(5, 15, size=200)]
    >>> y = [np.cumsum(x) for x in X]  # a number for each step
    >>> RNNRegressor(random_state=0).fit(X, y).score(X, y) > 0.9
    True
    """

    def score(self, X, y, sample_weight=None):
        """Coefficient of determination R^2; where each step has a target, over all steps.

        Parameters
        ----------
        X, y, sample_weight : array-likes
            As for ``fit``.

        Returns
        -------
        score : float
        """
        if not self._is_per_step():
            if _steps_of(y) is not None:
                self._check_rows(X, y, sample_weight, reset=False)
            return super().score(X, y, sample_weight)
        true, predicted, weight = self._all_steps(X, y, sample_weight)
        return r2_score(true, predicted, sample_weight=weight)


def _steps_of(y: Any) -> np.ndarray | None:
    """Lengths of the rows of y where it has targets for each step, else None."""
    if not sequences.is_list(y) or not len(y):
        return None
    if not all(isinstance(part, list | tuple | np.ndarray) and np.ndim(part) > 0 for part in y):
        return None
    return np.array([len(part) for part in y])
