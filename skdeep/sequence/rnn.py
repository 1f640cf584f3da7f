"""Recurrent networks: one state carried along the steps of a row.

    h_t = cell(x_t, h_{t-1}),   output = W pool(h_1, ..., h_T) + b

With one label or number for a row, or one for each step: output_t = W h_t + b. Bidirectional layers
read the row from its end too, and put both states side by side [2]_.

.. [1] Hochreiter, Schmidhuber. Long short-term memory. Neural Computation 9(8), 1997.
.. [2] Schuster, Paliwal. Bidirectional recurrent neural networks. IEEE Transactions on Signal
   Processing 45(11), 1997.
"""

from numbers import Integral, Real
from typing import Any

from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils._set_output import _get_output_config

from skdeep._config import get_config
from skdeep.base import BaseNetworkClassifier, BaseNetworkRegressor
from skdeep.hyperparameters import Declared, are_counts, hyperparameter
from skdeep.sequence.rows import SequenceRows, steps_of


class _RNN(SequenceRows, Declared):
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
        the truth about validation rows; it changes no ranking. Not beside ``class_weight``, whose
        shift of all probabilities no temperature takes back.
    learning_rate_schedule : str, callable or None, default=None
        Factor of the learning rate by epoch: a name falls to 0 over the epochs; or a function, see
        ``skdeep.schedules``. None is constant.

        One of 'cosine', 'coslog4', 'flat_cos', 'linear'.
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
            if steps_of(y) is not None:
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
    learning_rate_schedule : str, callable or None, default=None
        Factor of the learning rate by epoch: a name falls to 0 over the epochs; or a function, see
        ``skdeep.schedules``. None is constant.

        One of 'cosine', 'coslog4', 'flat_cos', 'linear'.
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
            if steps_of(y) is not None:
                self._check_rows(X, y, sample_weight, reset=False)
            return super().score(X, y, sample_weight)
        true, predicted, weight = self._all_steps(X, y, sample_weight)
        return r2_score(true, predicted, sample_weight=weight)
