"""Variational autoencoders: codes with a distribution, from which new rows come.

    p(x) = int p(x|z) p(z) dz,   p(z) = N(0, 1),   q(z|x) = N(mean(x), diag var(x))

    log p(x) >= E_q[log p(x|z)] - beta KL(q(z|x) || p(z)),                     beta = 1     (ELBO)
    log p(x) >= E_q[log 1/K sum_k p(x|z_k) p(z_k) / q(z_k|x)],                 K samples

Network and bound are [1]_'s, the samples [2]_'s. Sums are over the columns of a row and over
components, means over rows alone. Of a linear network with normal rows the maximum is
probabilistic principal component analysis [3]_, which our tests lean on.

.. [1] Kingma, Welling. Auto-encoding variational Bayes. ICLR, 2014.
.. [2] Burda, Grosse, Salakhutdinov. Importance weighted autoencoders. ICLR, 2016.
.. [3] Lucas, Tucker, Grosse, Norouzi. Don't blame the ELBO! A linear VAE perspective on posterior
   collapse. NeurIPS, 2019.
"""

import math
import warnings
from dataclasses import replace
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state, check_scalar
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from skdeep import blueprint
from skdeep.base import fit_method, fit_on
from skdeep.base.fitting import fit_epochs, validation_rows
from skdeep.decomposition import networks
from skdeep.decomposition.coder import Coder
from skdeep.decomposition.conditions import Conditions
from skdeep.hyperparameters import hyperparameter
from skdeep.validation import unchanged_on_error

DEAD = 0.01  # nats: a component that says less of the rows has collapsed
_AT_ONCE = 10  # samples of each row that are decoded together
_LOG_2_PI = math.log(2 * math.pi)


class VariationalAutoencoder(Coder):
    """Codes that fill a normal distribution, new rows, and the likelihood of rows.

    X is an array or DataFrame of numbers, (n_samples, n_features), or images (n_samples, height,
    width) or (n_samples, height, width, channels).

    Parameters
    ----------
    n_components : int in [1, inf), default=2
        Numbers of a code, from 1 to the number of columns.
    likelihood : {'bernoulli', 'gaussian'}, default='gaussian'
        p(x|z): normal, with one variance for all columns, which is learnt ('gaussian'); or of bits
        ('bernoulli'), where a number between 0 and 1 is the probability by which each step draws
        one.
    beta : float in [0, inf), default=1.0
        Weight of the divergence from p(z) in the loss: larger, and codes are simpler and rows worse
        [1]_.
    n_importance_samples : int in [1, 1000], default=1
        K: codes that a step draws for each row; more make the bound tighter, and a step as many
        times as long.
    conditional : bool, default=False
        Whether all is modelled given y: labels, or numbers, which codes then need not tell.
        Without, y is ignored.
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
    elbo_ : float
        Mean over the rows of the last fit of what is maximised, with ``beta=1``, in nats: a lower
        bound of their mean log-likelihood.
    kl_per_component_ : ndarray of shape (n_components,)
        What each component says of a row of the last fit, on average, in nats: near 0 it has
        collapsed, and is noise.
    collapsed_components_ : ndarray of shape (n_collapsed,)
        Those of less than 0.01 nats. A fit in which all have collapsed warns.
    sigma_ : float
        Standard deviation of rows around what codes give, in the unit of X; under
        ``likelihood="gaussian"``.
    mean_ : ndarray of shape (n_features,)
        Means of the columns in training; zeros under ``likelihood="bernoulli"``.
    scale_ : float
        Root of the mean variance of the columns in training, in units of which the rows are
        modelled; 1 under ``likelihood="bernoulli"``.
    history_ : DataFrame
        ``loss`` of each epoch, minus the bound in nats of the scaled rows, and ``val_loss`` and
        ``val_score`` where rows were validated.
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
    Autoencoder : Codes without a distribution, by a smaller error.
    sklearn.mixture.GaussianMixture : Likelihoods and new rows of few columns.

    References
    ----------
    .. [1] Higgins et al. beta-VAE: learning basic visual concepts with a constrained variational
       framework. ICLR, 2017.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skdeep import VariationalAutoencoder
    >>> X = (load_digits().images > 7).astype(float)
    >>> model = VariationalAutoencoder(
    ...     n_components=4, likelihood="bernoulli", epochs=30, random_state=0
    ... ).fit(X)
    >>> model.sample(3, random_state=0).shape
    (3, 8, 8)
    >>> bool(model.score(X) > model.elbo_)
    True
    """

    n_components: int = hyperparameter(
        default=2,
        doc="Numbers of a code, from 1 to the number of columns.",
        constraint=Interval(Integral, 1, None, closed="left"),
        structural=True,
    )
    likelihood: str = hyperparameter(
        default="gaussian",
        doc="p(x|z): normal, with one variance for all columns, which is learnt ('gaussian'); or "
        "of bits ('bernoulli'), where a number between 0 and 1 is the probability by which each "
        "step draws one.",
        constraint=StrOptions({"bernoulli", "gaussian"}),
        structural=True,
    )
    beta: float = hyperparameter(
        default=1.0,
        doc="Weight of the divergence from p(z) in the loss: larger, and codes are simpler and "
        "rows worse [1]_.",
        constraint=Interval(Real, 0, None, closed="left"),
        search=(0.1, 10.0, "log"),
    )
    n_importance_samples: int = hyperparameter(
        default=1,
        doc="K: codes that a step draws for each row; more make the bound tighter, and a step as "
        "many times as long.",
        constraint=Interval(Integral, 1, 1000, closed="both"),
        structural=True,
    )
    conditional: bool = hyperparameter(
        default=False,
        doc="Whether all is modelled given y: labels, or numbers, which codes then need not tell. "
        "Without, y is ignored.",
        structural=True,
    )
    learning_rate: float = hyperparameter(
        default=1e-3,
        doc="The optimizer's step size; larger is faster until the loss oscillates or diverges.",
        constraint=Interval(Real, 0, None, closed="neither"),
        search=(1e-4, 1e-2, "log"),
    )

    @fit_method
    def fit(self, X, y=None, sample_weight=None, X_val=None, y_val=None, sample_weight_val=None):
        """Train on rows X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, or images, of the kinds said above.
        y : array-like of shape (n_samples,) or (n_samples, n_numbers), default=None
            What is known of each row, if ``conditional``: labels, or real numbers; else ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the loss; their ratios matter. Negative ones are legal.
        X_val, y_val, sample_weight_val : array-likes, default=None
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
            validation = validation_rows(X_val, y_val, sample_weight_val)
            fit_epochs(self, X, y, sample_weight, validation)
            return self._look_at(X, y, sample_weight)

    @fit_method
    def partial_fit(self, X, y=None, sample_weight=None):
        """Train one epoch more on rows X, going on from the last fit.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like, default=None
            As in :meth:`fit`.
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        self : object
        """
        with unchanged_on_error(self):
            fit_on(self, X, y, sample_weight)
            return self._look_at(X, y, sample_weight)

    def fit_transform(self, X, y=None, **fit_params):
        """Fit, and the codes of the same rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like, default=None
            As in :meth:`fit`.
        **fit_params
            Of :meth:`fit`.

        Returns
        -------
        codes : ndarray of shape (n_samples, n_components), float32
        """
        return self.fit(X, y, **fit_params).transform(X, y)

    def transform(self, X, y=None):
        """Codes of rows X: the means of q(z|x).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : array-like, default=None
            What is known of each, if ``conditional``.

        Returns
        -------
        codes : ndarray of shape (n_samples, n_components), float32
        """
        check_is_fitted(self)
        return self._computed("encode", self._checked_rows(X, y))

    def inverse_transform(self, X, y=None):
        """Rows of codes: the means of p(x|z).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Codes.
        y : array-like, default=None
            What is known of each row, if ``conditional``; other than it was is legal.

        Returns
        -------
        rows : ndarray of shape (n_samples, n_features), float32
            In the unit of the rows of ``fit``, and of their shape where these were images.
        """
        codes = self._checked_codes(X)
        return self._in_units(self._computed("decode", self._beside(codes, y)))

    def sample(self, n_samples=1, y=None, noisy=False, random_state=None):
        """New rows: of codes drawn from p(z) the means of p(x|z).

        Parameters
        ----------
        n_samples : int, default=1
        y : array-like of n_samples rows, default=None
            What they are to be, if ``conditional``.
        noisy : bool, default=False
            Whether to draw from p(x|z), as the training rows were: bits, or normal noise added.
        random_state : int, RandomState instance or None, default=None

        Returns
        -------
        rows : ndarray of shape (n_samples, n_features), float32
            Of the shape of the rows of ``fit`` where these were images.
        """
        check_is_fitted(self)
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        rng = check_random_state(random_state)
        rows = self.inverse_transform(rng.normal(size=(n_samples, self._n_features_out)), y)
        if not noisy:
            return rows
        if self.likelihood == "bernoulli":
            return (rng.random(rows.shape) < rows).astype(rows.dtype)
        return (rows + self.sigma_ * rng.normal(size=rows.shape)).astype(rows.dtype)

    def interpolate(self, a, b, n=10, y=None):
        """Rows on the way from row a to row b, through codes at equal distances.

        Parameters
        ----------
        a, b : array-likes of shape (n_features,), or images
        n : int, default=10
            How many, the ends included.
        y : label or number, default=None
            What both rows are, if ``conditional``.

        Returns
        -------
        rows : ndarray of shape (n, n_features), float32
            The first and the last are not a and b, but what comes back of them.
        """
        check_is_fitted(self)
        check_scalar(n, "n", Integral, min_val=2)
        known = [None if y is None else np.repeat(np.asarray(y)[None], m, axis=0) for m in (2, n)]
        ends = self._computed(
            "encode", self._checked_rows(np.stack([np.asarray(a), np.asarray(b)]), known[0])
        )
        share = np.linspace(0, 1, n)[:, None]
        return self.inverse_transform((1 - share) * ends[0] + share * ends[1], known[1])

    def score_samples(self, X, y=None, n_samples=100):
        """Log-likelihood of rows X, in nats, by importance sampling.

        log 1/S sum_s p(x|z_s) p(z_s) / q(z_s|x): a lower bound on average, which rises with S to
        log p(x) [1]_, theorem 1.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows; bits under ``likelihood="bernoulli"``.
        y : array-like, default=None
            What is known of each, if ``conditional``.
        n_samples : int, default=100
            S: codes drawn for each row; the same for equal rows, in each call.

        Returns
        -------
        log_likelihood : ndarray of shape (n_samples,), float64
            Of densities per unit of X under ``likelihood="gaussian"``.

        References
        ----------
        .. [1] Burda, Grosse, Salakhutdinov. Importance weighted autoencoders. ICLR, 2016.
        """
        check_is_fitted(self)
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        rows = self._checked_rows(X, y)
        found = self._computed("log_likelihood", rows, n_samples=n_samples)
        return found.astype(np.float64) - self.n_features_in_ * math.log(self.scale_)

    def score(self, X, y=None):
        """Mean of ``score_samples``: larger is better, as a search wants it.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like, default=None
            What is known of each row, if ``conditional``.

        Returns
        -------
        score : float
        """
        return float(np.mean(self.score_samples(X, y)))

    # Rows and what is known of them -----------------------------------------------------------

    def _checked_rows(self, X: Any, y: Any) -> np.ndarray:
        """Rows of a fitted model, with what is known of them beside."""
        return self._beside(self._checked_X(X, reset=False), y)

    def _beside(self, rows: np.ndarray, y: Any, name: str = "y") -> np.ndarray:
        """Rows, or codes, with the columns of conditions y behind theirs."""
        if not self.conditional:
            return rows
        if y is None:
            raise ValueError(
                f"conditional=True models rows given {name}, but {name} is None; pass it."
            )
        known = self._conditions.encode(y, name)
        if len(known) != len(rows):
            raise ValueError(f"{name} has {len(known)} rows, but there are {len(rows)} of X.")
        return np.hstack([rows, known.astype(rows.dtype)])

    def _check_rows(self, X, y, sample_weight, *, reset, suffix=""):
        X, nothing, weight = super()._check_rows(X, y, sample_weight, reset=reset, suffix=suffix)
        if reset and self.conditional and y is not None:
            self._conditions = Conditions.of(y, weight)
        return self._beside(X, y, f"y{suffix}"), nothing, weight

    def _look_at(self, X: Any, y: Any, sample_weight: Any) -> "VariationalAutoencoder":
        """Set what the fit has made of its rows, and warn if that is nothing."""
        rows = self._checked_rows(X, y)
        found = self._computed("bound", rows).astype(np.float64)
        weight = _check_sample_weight(sample_weight, found, dtype=np.float64)
        bound, *divergences = np.average(found, axis=0, weights=weight)
        self.elbo_ = bound - self.n_features_in_ * math.log(self.scale_)
        self.kl_per_component_ = np.array(divergences)
        self.collapsed_components_ = np.flatnonzero(self.kl_per_component_ < DEAD)
        if self.likelihood == "gaussian":
            log_variance = self._computed("spread", rows[:1]).item()
            self.sigma_ = math.exp(log_variance / 2) * self.scale_
        if len(self.collapsed_components_) == len(divergences):
            warnings.warn(
                f"all {len(divergences)} components have collapsed: codes say nothing of the rows. "
                f"Lower beta ({self.beta:g}), train longer (epochs={self.epochs}), or take a "
                f"smaller decoder.",
                ConvergenceWarning,
                stacklevel=5,
            )
        return self

    # What the engine asks ---------------------------------------------------------------------

    def _distribution(self):
        return "likelihood", self.likelihood

    def _task(self, X, head):
        n_conditions = self._conditions.n_columns if self.conditional else 0
        return replace(super()._task(X, head), n_conditions=n_conditions)

    def _network(self, inputs, task):
        from keras import ops

        from skdeep import layers

        dtype = "float64" if task.precision == "float64" else "float32"
        (n_columns,), n_conditions = task.input_shape, task.n_conditions
        n_features = n_columns - n_conditions
        shape = self.hidden_layer_sizes, self.activation, self.image_shape
        x, known = inputs[:, :n_features], inputs[:, n_features:]
        if self.likelihood == "bernoulli":
            x = layers.DrawBits(name="bits", dtype=dtype)(x)
        wanted = layers.Standardize(name="standardize", dtype=dtype)(x)
        rows = ops.concatenate([wanted, known], axis=1) if n_conditions else wanted
        encoder = networks.encoder(n_features, [self.n_components] * 2, *shape, n_conditions)
        mean, log_variance = encoder(rows)
        log_variance = ops.clip(log_variance, -20.0, 20.0)
        codes = layers.DrawNormal(self.n_importance_samples, name="codes", dtype=dtype)(
            [rows, mean, log_variance]
        )
        flat = ops.reshape(codes, (-1, self.n_components))
        if n_conditions:
            repeated = ops.repeat(known, self.n_importance_samples, axis=0)
            flat = ops.concatenate([flat, repeated], axis=1)
        decoder = networks.decoder(
            self.n_components + n_conditions, n_features, *shape, dtype=dtype
        )
        decoded = ops.reshape(decoder(flat), (-1, self.n_importance_samples, n_features))
        found = {
            "output": decoded,
            "features": mean,
            "log_variance": log_variance,
            "codes": codes,
            "rows": rows,
        }
        if self.likelihood == "gaussian":
            found["spread"] = layers.Spread(name="spread", dtype=dtype)(wanted)
        return found

    def _functions(self, network, task):
        from keras import ops

        from skdeep.engine import random

        n_features = task.input_shape[0] - task.n_conditions
        always = ops.convert_to_tensor(np.array([1, 2], np.uint32))  # the key outside of training

        def log_likelihoods(found, decoded):
            """log p(x|z) of what codes have become, (n, n_codes, n_features): (n, n_codes)."""
            wanted = found["rows"][:, None, :n_features]
            if self.likelihood == "bernoulli":
                return ops.sum(wanted * decoded - ops.softplus(decoded), axis=-1)
            log_variance = found["spread"][:, :, None]
            squares = ops.square(wanted - decoded) / ops.exp(log_variance)
            return -0.5 * ops.sum(squares + log_variance + _LOG_2_PI, axis=-1)

        def log_ratios(found, codes):
            """log p(z) / q(z|x) of codes (n, n_codes, n_components): (n, n_codes)."""
            mean, log_variance = found["features"][:, None], found["log_variance"][:, None]
            squares = ops.square(codes - mean) / ops.exp(log_variance)
            return 0.5 * ops.sum(squares + log_variance - ops.square(codes), axis=-1)

        def divergences(found):
            """KL(q(z|x) || p(z)) of each component, (n, n_components)."""
            mean, log_variance = found["features"], found["log_variance"]
            return 0.5 * (ops.exp(log_variance) + ops.square(mean) - 1 - log_variance)

        def bound(found, beta):
            values = log_likelihoods(found, found["output"])
            if self.n_importance_samples == 1:
                return values[:, 0] - beta * ops.sum(divergences(found), axis=1)
            values += beta * log_ratios(found, found["codes"])
            return ops.logsumexp(values, axis=1) - math.log(self.n_importance_samples)

        def drawn(weights, x, hyper):
            return network.apply(weights, x, training=False, key=always, hyper=hyper)[0]

        def outputs(weights, x, hyper):
            return network.apply(weights, x, training=False, hyper=hyper)[0]

        def decode(weights, codes, hyper):
            decoded = network.apply(weights, codes, training=False, part="decoder")[0]
            return ops.sigmoid(decoded) if self.likelihood == "bernoulli" else decoded

        def log_likelihood(weights, x, hyper):
            """log p(x) by importance sampling, (n,)."""
            found = outputs(weights, x, hyper)
            mean, log_variance = found["features"], found["log_variance"]
            shape = (ops.shape(x)[0], _AT_ONCE, self.n_components)
            known = ops.repeat(x[:, n_features:], _AT_ONCE, axis=0)

            def add(i, sum_):
                noise = random.normal(random.row_keys(random.fold(always, i), x), shape)
                codes = mean[:, None] + ops.exp(log_variance / 2)[:, None] * ops.cast(
                    noise, mean.dtype
                )
                flat = ops.reshape(codes, (-1, self.n_components))
                flat = ops.concatenate([flat, ops.cast(known, flat.dtype)], axis=1)
                decoded = network.apply(weights, flat, training=False, part="decoder")[0]
                decoded = ops.reshape(decoded, (-1, _AT_ONCE, n_features))
                values = log_likelihoods(found, decoded) + log_ratios(found, codes)
                there = i * _AT_ONCE + ops.arange(_AT_ONCE) < n_samples
                values = ops.where(there, values, -np.inf)
                return ops.logaddexp(sum_, ops.logsumexp(values, axis=1))

            n_samples = ops.cast(hyper["n_samples"], "int32")
            n_rounds = (n_samples + _AT_ONCE - 1) // _AT_ONCE
            nothing = ops.zeros_like(mean[:, 0]) - np.inf
            total = ops.fori_loop(0, n_rounds, add, nothing)
            return total - ops.log(ops.cast(n_samples, total.dtype))

        def bound_and_divergences(weights, x, hyper):
            found = drawn(weights, x, hyper)
            return ops.concatenate([bound(found, 1.0)[:, None], divergences(found)], axis=1)

        def loss(found, batch, hyper):
            return -bound(found, hyper["beta"])

        return {
            **blueprint.descent(network, self, task, loss),
            "evaluate": lambda weights, batch, hyper: loss(
                drawn(weights, batch.x, hyper), batch, hyper
            ),
            "predict": {
                "": outputs,
                "encode": lambda *given: outputs(*given)["features"],
                "decode": decode,
                "bound": bound_and_divergences,
                "log_likelihood": log_likelihood,
                "spread": lambda *given: outputs(*given)["spread"],
            },
        }
