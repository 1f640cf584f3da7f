"""Autoencoders: rows through a bottleneck, and back.

    minimise over encoder f and decoder g   mean_i loss(x_i, g(f(c(x_i)))),

with f(x) of ``n_components`` numbers, and c nothing, or a random change that the network learns to
undo [2]_. Without hidden layers and under the squared loss the minimum is the subspace of
principal components [1]_.

.. [1] Baldi, Hornik. Neural networks and principal component analysis: learning from examples
   without local minima. Neural Networks 2(1), 1989.
.. [2] Vincent, Larochelle, Bengio, Manzagol. Extracting and composing robust features with
   denoising autoencoders. ICML, 2008.
"""

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import OutlierMixin
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from skdeep import blueprint
from skdeep.base import fit_method
from skdeep.decomposition import networks
from skdeep.decomposition.coder import Coder
from skdeep.hyperparameters import hyperparameter
from skdeep.preprocessing.table.numeric import weighted_quantiles
from skdeep.validation import unchanged_on_error


class Autoencoder(OutlierMixin, Coder):
    """Compress rows to a few numbers, and tell rows that do not come back.

    X is an array or DataFrame of numbers, (n_samples, n_features), or images (n_samples, height,
    width) or (n_samples, height, width, channels). Its columns are centred, and divided by one
    scale for all, inside. Columns of different units are to be scaled first, as by
    ``StandardScaler``, and mixed ones encoded, as by :class:`~skdeep.preprocessing.TableEncoder`.

    Parameters
    ----------
    n_components : int in [1, inf), default=2
        Numbers that a row is compressed to, from 1 to the number of columns.
    loss : {'bernoulli', 'squared'}, default='squared'
        The mean of squared errors over the columns; or of the cross-entropy of each, of numbers in
        [0, 1] ('bernoulli'), in nats.
    noise : {'gaussian', 'mask'} or None, default=None
        What training adds to a row for the network to take off: normal noise ('gaussian'), or
        numbers replaced by their column's mean, under ``loss='bernoulli'`` by 0 ('mask').
    noise_level : float in [0, inf), default=0.3
        Standard deviation of the noise, in the unit of X; or the share that is replaced.
    contamination : float in (0, 0.5], default=0.1
        Share of the training rows that ``predict`` calls outliers.
    learning_rate : float in (0, inf), default=0.001
        The optimizer's step size; larger is faster until the loss oscillates or diverges.
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
    offset_ : float
        What ``decision_function`` takes off the scores: that of which a share ``contamination`` of
        the rows of the last fit is below.
    mean_ : ndarray of shape (n_features,)
        Means of the columns in training; zeros under ``loss="bernoulli"``.
    scale_ : float
        Root of the mean variance of the columns in training; 1 under ``loss="bernoulli"``.
    history_ : DataFrame
        ``loss`` of each epoch, and ``val_loss`` and ``val_score`` where rows were validated.
    n_iter_ : int
        Epochs trained.
    n_parameters_ : int
        Numbers that the network has learnt, mean and scale included.
    best_epoch_ : int
        The epoch, from 0, whose weights early stopping kept; -1 without it.
    network_ : keras.Model
        A copy of the fitted network, to look at.
    n_features_in_ : int
        Columns of X.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns, where X had names.

    See Also
    --------
    sklearn.decomposition.PCA : The best linear codes, at once.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from skdeep import Autoencoder
    >>> X, _ = load_digits(return_X_y=True)
    >>> model = Autoencoder(n_components=2, epochs=30, random_state=0).fit(X)
    >>> pca = PCA(2).fit(X)
    >>> error, linear = (
    ...     ((X - m.inverse_transform(m.transform(X))) ** 2).mean() for m in (model, pca)
    ... )
    >>> bool(error < 0.8 * linear)
    True
    """

    n_components: int = hyperparameter(
        default=2,
        doc="Numbers that a row is compressed to, from 1 to the number of columns.",
        constraint=Interval(Integral, 1, None, closed="left"),
        structural=True,
    )
    loss: str = hyperparameter(
        default="squared",
        doc="The mean of squared errors over the columns; or of the cross-entropy of each, of "
        "numbers in [0, 1] ('bernoulli'), in nats.",
        constraint=StrOptions({"squared", "bernoulli"}),
        structural=True,
    )
    noise: str | None = hyperparameter(
        default=None,
        doc="What training adds to a row for the network to take off: normal noise ('gaussian'), "
        "or numbers replaced by their column's mean, under ``loss='bernoulli'`` by 0 ('mask').",
        constraint=[StrOptions({"gaussian", "mask"}), None],
        structural=True,
    )
    noise_level: float = hyperparameter(
        default=0.3,
        doc="Standard deviation of the noise, in the unit of X; or the share that is replaced.",
        constraint=Interval(Real, 0, None, closed="left"),
    )
    contamination: float = hyperparameter(
        default=0.1,
        doc="Share of the training rows that ``predict`` calls outliers.",
        constraint=Interval(Real, 0, 0.5, closed="right"),
        structural=None,
    )
    learning_rate: float = hyperparameter(
        default=1e-3,
        doc="The optimizer's step size; larger is faster until the loss oscillates or diverges.",
        constraint=Interval(Real, 0, None, closed="neither"),
        search=(1e-4, 1e-2, "log"),
    )

    @fit_method
    def fit(self, X, y=None, sample_weight=None, X_val=None, sample_weight_val=None):
        """Train on rows X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, or images, of the kinds said above.
        y : object, default=None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the loss; their ratios matter. Negative ones are legal.
        X_val, sample_weight_val : array-likes, default=None
            Rows to validate on after each epoch, without training on them.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If the data cannot be used; the estimator is as it was.
        FitDivergedError
            If the loss becomes NaN or infinite; the estimator is as it was.
        """
        with unchanged_on_error(self):
            super().fit(X, None, sample_weight, X_val, sample_weight_val)
            return self._set_offset(X, sample_weight)

    @fit_method
    def partial_fit(self, X, y=None, sample_weight=None):
        """Train one epoch more on rows X, going on from the last fit.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : object, default=None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        self : object
        """
        with unchanged_on_error(self):
            super().partial_fit(X, None, sample_weight)
            return self._set_offset(X, sample_weight)

    def inverse_transform(self, X):
        """Rows of codes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Codes.

        Returns
        -------
        rows : ndarray of shape (n_samples, n_features), float32
            In the unit of the rows of ``fit``, and of their shape where these were images.
        """
        return self._in_units(self._computed("decode", self._checked_codes(X)))

    def score_samples(self, X):
        """How well rows come back: minus the loss of each.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        scores : ndarray of shape (n_samples,), float64
            Minus the mean over columns of the squared error, in the squared unit of X, or of the
            cross-entropy in nats; larger is more like the training rows.
        """
        check_is_fitted(self)
        losses = self._computed("losses", self._checked_X(X, reset=False))
        return -losses.astype(np.float64) * self.scale_**2

    def decision_function(self, X):
        """Scores less ``offset_``: negative for outliers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        scores : ndarray of shape (n_samples,), float64
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X):
        """Outliers among rows X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        labels : ndarray of shape (n_samples,), int
            -1 for outliers, 1 for others.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    def _set_offset(self, X: Any, sample_weight: Any) -> "Autoencoder":
        """Find the score below which rows are outliers."""
        scores = self.score_samples(X)
        weight = np.abs(_check_sample_weight(sample_weight, scores, dtype=np.float64))
        (self.offset_,) = weighted_quantiles(scores, weight, np.array([self.contamination]))
        return self

    # What the engine asks ---------------------------------------------------------------------

    def _distribution(self):
        return "loss", self.loss

    def _check_parameters(self):
        super()._check_parameters()
        if self.noise == "mask" and not self.noise_level < 1:
            raise ValueError(
                f"noise='mask' replaces a share noise_level of the numbers, which must be below 1, "
                f"but is {self.noise_level!r}."
            )

    def _is_noisy(self, task):
        return self.noise is not None

    def _network(self, inputs, task):
        from skdeep import layers

        dtype = "float64" if task.precision == "float64" else "float32"
        standardize = layers.Standardize(name="standardize", dtype=dtype)
        wanted = x = standardize(inputs)
        if self.noise == "gaussian":
            x = standardize(layers.Corrupt("gaussian", "noise_level", name="noise")(inputs))
        elif self.noise == "mask":
            x = layers.Corrupt("mask", "noise_level", name="noise")(x)
        (n_features,) = task.input_shape
        shape = self.hidden_layer_sizes, self.activation, self.image_shape
        codes = networks.encoder(n_features, self.n_components, *shape)(x)
        decoded = networks.decoder(self.n_components, n_features, *shape, dtype)(codes)
        return {"output": decoded, "features": codes, "wanted": wanted}

    def _functions(self, network, task):
        from keras import ops

        def losses(outputs):
            decoded, wanted = outputs["output"], outputs["wanted"]
            if self.loss == "squared":
                return ops.mean(ops.square(decoded - wanted), axis=1)
            return ops.mean(ops.softplus(decoded) - wanted * decoded, axis=1)

        def outputs(weights, x, hyper):
            return network.apply(weights, x, training=False, hyper=hyper)[0]

        def decode(weights, codes, hyper):
            decoded = network.apply(weights, codes, training=False, part="decoder")[0]
            return ops.sigmoid(decoded) if self.loss == "bernoulli" else decoded

        return {
            **blueprint.descent(network, self, task, lambda found, *_: losses(found)),
            "evaluate": lambda weights, batch, hyper: losses(outputs(weights, batch.x, hyper)),
            "predict": {
                "": outputs,
                "encode": lambda *given: outputs(*given)["features"],
                "losses": lambda *given: losses(outputs(*given)),
                "decode": decode,
            },
        }
