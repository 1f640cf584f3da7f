"""Gaussian-process regression: a mean, and how sure it is.

With y = m(x) + f(x) + noise, m the prior mean, f a Gaussian process of kernel k and v the variance
of the noise, the prediction at x is normal [1]_ with

    mean      m(x) + k(x, X) (k(X, X) + v I)^-1 (y - m(X))              equation 2.25
    variance  k(x, x) - k(x, X) (k(X, X) + v I)^-1 k(X, x)              equation 2.26

and, where m is a constant or a plane that the data find, what these do not know in addition
(``exact.py``). The kernel's parameters and v maximise their posterior density, evidence times
prior, found with analytic gradients.

.. [1] Rasmussen, Williams. Gaussian Processes for Machine Learning. MIT Press, 2006.
"""

from collections.abc import Callable
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.utils import check_array, check_random_state, column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from skdeep.gaussian_process import exact, power
from skdeep.gaussian_process.blas import one_blas_thread
from skdeep.gaussian_process.kernels import KERNELS, Belief, Kernel, LogNormal
from skdeep.gaussian_process.warping import Warped
from skdeep.hyperparameters import Declared, hyperparameter
from skdeep.validation import naming, refuse_dates, unchanged_on_error

# Wider than what the search believes, whose functions are mostly exact: tables are mostly noisy.
NOISE = LogNormal(0.01, 3.0)


class GaussianProcessRegressor(Declared, RegressorMixin, BaseEstimator):
    """Gaussian-process regression with a lengthscale for each feature.

    Neither X nor y needs scaling. Numbers among the parameters are in the units of X and y, and so
    are the attributes; priors are relative to the width of each column of X (sqrt(12) standard
    deviations, or its range under ``Warped``) and to the standard deviation of y.

    Parameters
    ----------
    kernel : {'exponential', 'matern32', 'matern52', 'rbf'} or Kernel, default='matern52'
        Covariance of f, from infinitely smooth (``'rbf'``) over twice and once differentiable to
        merely continuous (``'exponential'``), with lengthscales of LogNormal(sqrt(n_features), 1),
        for distances grow with the number of features; or a kernel object, as in
        ``Matern52(lengthscale=LogNormal(0.5, 1.0)) + RBF(columns=[2])``.
    prior_mean : {'constant', 'linear'}, float or callable, default='constant'
        What y is far from all data: a constant or a linear function that the data find (with vague
        priors of its coefficients), a known number, or a known function of X, (n_samples,
        n_features), that returns (n_samples,).
    noise : LogNormal, float in [0, inf) or None, default=None
        Variance of y around f: a prior, or a number; with 0, f goes through all targets. None
        stands for LogNormal(0.01, 3).
    y_transform : {'power'} or None, default=None
        ``'power'`` bends y towards a normal distribution by a Yeo-Johnson transform of maximum
        likelihood, so that noise and f may grow with y. Variances of kernel and noise are then
        those of the bent y, which has variance 1; predictions are of y.
    n_restarts : int in [0, inf), default=1
        Searches for the hyper-parameters from random starts, besides the one from the prior's
        median. The cost of ``fit`` grows in proportion.
    warm_start : bool, default=False
        Whether the first search starts from the ``theta_`` of the last fit, if it has the length
        for it, not from the prior's median.
    random_state : int, RandomState instance or None, default=None
        Seed of the random starts.

    Attributes
    ----------
    kernel_ : Kernel
        The kernel with the numbers that were found. A long ``lengthscale`` marks an irrelevant
        feature; those under ``Warped`` are over the unit interval.
    noise_variance_ : float
        Variance of y around f, besides what ``fit`` was told.
    theta_ : ndarray of shape (n_parameters + 1,)
        Logarithms of the kernel's parameters, in their order, and of the noise variance.
    log_marginal_likelihood_ : float
        Log evidence of y at ``theta_``.
    X_train_ : ndarray of shape (n_samples, n_features)
        The training points.
    y_train_ : ndarray of shape (n_samples,)
        The training targets.
    n_features_in_ : int
        Number of features.

    Notes
    -----
    ``fit`` takes O(n_samples^3) time for each step of the search and O(n_samples^2) memory:
    comfortable to about 1000 rows. BLAS is held to one thread while it runs.

    References
    ----------
    Rasmussen, Williams. Gaussian Processes for Machine Learning. MIT Press, 2006: algorithm 2.1
    and equations 2.41, 2.42, 2.45, 5.9 and 5.12.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeep.gaussian_process import RBF, GaussianProcessRegressor
    >>> X = np.linspace(0, 6, 12)[:, None]
    >>> model = GaussianProcessRegressor(kernel="rbf", random_state=0).fit(X, np.sin(X[:, 0]))
    >>> mean, std = model.predict([[1.5], [12.0]], return_std=True)
    >>> print(mean.round(2)[0], std.round(2))
    1.0 [0.  1.4]

    Quick waves on a slow one, each with a lengthscale of its own:

    >>> from skdeep.gaussian_process import LogNormal
    >>> X = np.linspace(0, 6, 60)[:, None]
    >>> y = np.sin(X[:, 0]) + 0.1 * np.sin(12 * X[:, 0])
    >>> slow, quick = (RBF(lengthscale=LogNormal(x, 0.5)) for x in (0.5, 0.05))
    >>> model = GaussianProcessRegressor(kernel=slow + quick, random_state=0).fit(X, y)
    >>> [round(k.lengthscale[0], 1) for k in (model.kernel_.left, model.kernel_.right)]
    [3.0, 0.3]
    """

    kernel: str | Kernel = hyperparameter(
        default="matern52",
        doc="Covariance of f, from infinitely smooth (``'rbf'``) over twice and once "
        "differentiable to merely continuous (``'exponential'``), with lengthscales of "
        "LogNormal(sqrt(n_features), 1), for distances grow with the number of features; or a "
        "kernel object, as in ``Matern52(lengthscale=LogNormal(0.5, 1.0)) + RBF(columns=[2])``.",
        constraint=[StrOptions(set(KERNELS)), Kernel],
    )
    prior_mean: str | float | Callable = hyperparameter(
        default="constant",
        doc="What y is far from all data: a constant or a linear function that the data find (with "
        "vague priors of its coefficients), a known number, or a known function of X, "
        "(n_samples, n_features), that returns (n_samples,).",
        constraint=[
            StrOptions({"constant", "linear"}),
            Interval(Real, None, None, closed="neither"),
            callable,
        ],
    )
    noise: Belief | None = hyperparameter(
        default=None,
        doc="Variance of y around f: a prior, or a number; with 0, f goes through all targets. "
        "None stands for LogNormal(0.01, 3).",
        constraint=[LogNormal, Interval(Real, 0, None, closed="left"), None],
    )
    y_transform: str | None = hyperparameter(
        default=None,
        doc="``'power'`` bends y towards a normal distribution by a Yeo-Johnson transform of "
        "maximum likelihood, so that noise and f may grow with y. Variances of kernel and noise "
        "are then those of the bent y, which has variance 1; predictions are of y.",
        constraint=[StrOptions({"power"}), None],
    )
    n_restarts: int = hyperparameter(
        default=1,
        doc="Searches for the hyper-parameters from random starts, besides the one from the "
        "prior's median. The cost of ``fit`` grows in proportion.",
        constraint=Interval(Integral, 0, None, closed="left"),
    )
    warm_start: bool = hyperparameter(
        default=False,
        doc="Whether the first search starts from the ``theta_`` of the last fit, if it has the "
        "length for it, not from the prior's median.",
    )
    random_state: int | np.random.RandomState | None = hyperparameter(
        default=None, doc="Seed of the random starts.", constraint="random_state"
    )

    def fit(self, X, y, noise_variance=None):
        """Find the hyper-parameters and condition on the data.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training points.
        y : array-like of shape (n_samples,)
            Targets.
        noise_variance : array-like of shape (n_samples,), default=None
            What is known of the noise: a variance for each target, in squared units of y. The
            variance that ``noise`` stands for comes on top.

        Returns
        -------
        self : GaussianProcessRegressor
            The fitted estimator.

        Raises
        ------
        ValueError
            If X or y is not finite, ``noise_variance`` has another length or is negative, a kernel
            or the prior mean does not fit X, ``noise_variance`` and ``y_transform`` are both
            given, or rows of equal X have different targets and ``noise`` is 0.
        """
        self._validate_params()
        with unchanged_on_error(self):
            return self._fit(X, y, noise_variance)

    def _fit(self, X, y, noise_variance):
        last = getattr(self, "theta_", None) if self.warm_start else None
        X = self._checked_X(X, reset=True)
        y = self._checked_y(X, y)
        noise_variance = self._checked_noise(noise_variance, y)
        if self.noise == 0:
            _check_one_target_each(X, y, noise_variance)
        # Copies: what the user does with his own afterwards is no matter of this fit.
        self.X_train_, self.y_train_ = X.copy(), y.copy()
        kernel = self._new_kernel(X.shape[1])
        self._X_shift, self._X_scale = _scale_of(X, kernel)
        Z = self._standardised(X)
        t = self._standardise_y(X, y)
        process = self._process(kernel, Z)
        shift = self._theta_shift(kernel)
        mean, sigma = process.prior(X.shape[1])
        prior = np.where(sigma > 0, mean, mean - shift), sigma
        rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31))
        starts = exact.starting_points(prior, self.n_restarts, rng)
        if last is not None and last.shape == mean.shape:
            starts[0] = last - shift
        self._known_noise = noise_variance / self._y_scale**2
        with one_blas_thread():
            self._posterior = exact.fit(process, Z, t, starts, prior, self._known_noise)
        self.theta_ = self._posterior.theta + shift
        self.kernel_ = kernel.at(self.theta_[:-1], X.shape[1])
        self.noise_variance_ = float(np.exp(self.theta_[-1]))
        self.log_marginal_likelihood_ = self._density_of_y(self._posterior.evidence)
        return self

    def predict(self, X, return_std=False, return_cov=False):
        """Posterior of f at X; the variance of a new y adds ``noise_variance_``.

        With ``y_transform="power"``, f is what y is on average over the noise, by Gauss-Hermite
        quadrature.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Query points.
        return_std : bool, default=False
            Whether to return the standard deviation of f too.
        return_cov : bool, default=False
            Whether to return the covariance of f between all points too.

        Returns
        -------
        mean : ndarray of shape (n_samples,)
            Posterior mean.
        std : ndarray of shape (n_samples,)
            Only with ``return_std``.
        cov : ndarray of shape (n_samples, n_samples)
            Only with ``return_cov``.
        """
        if return_std and return_cov:
            raise ValueError(
                "return_std and return_cov are both True, but one at a time is given; the "
                "standard deviations are the square roots of the covariance's diagonal."
            )
        check_is_fitted(self)
        if return_cov and self._power is not None:
            raise ValueError(
                "return_cov=True is not for y_transform='power', under which f has no normal "
                "distribution that a covariance describes; use return_std=True or sample_y."
            )
        X, Z, offset = self._query(X)
        with one_blas_thread():
            if return_cov:
                cov = self._y_scale**2 * self._posterior.covariance(Z)
                np.fill_diagonal(cov, np.maximum(cov.diagonal(), 0.0))  # of rounding
                return offset + self._y_scale * self._posterior.mean(Z), cov
            if not return_std and self._power is None:
                return offset + self._y_scale * self._posterior.mean(Z)
            mean, variance, _ = self._posterior.mean_and_variance(Z)
        mean, std = offset + self._y_scale * mean, self._y_scale * np.sqrt(variance)
        if self._power is not None:
            mean, std = power.moments(self._expected, mean, std)
        return (mean, std) if return_std else mean

    def sample_y(self, X, n_samples=1, random_state=0):
        """Functions f that the posterior believes possible, at X.

        Parameters
        ----------
        X : array-like of shape (n_points, n_features)
            Query points.
        n_samples : int, default=1
            How many functions.
        random_state : int, RandomState instance or None, default=0
            Seed of the draws.

        Returns
        -------
        f : ndarray of shape (n_points, n_samples)
            One function a column, without noise.
        """
        check_is_fitted(self)
        X, Z, offset = self._query(X)
        rng = check_random_state(random_state)
        with one_blas_thread():
            draws = self._posterior.sample(Z, rng, n_samples)
        draws = np.reshape(offset, (-1, 1)) + self._y_scale * draws
        return draws if self._power is None else self._expected(draws)

    def leave_one_out(self):
        """What the other targets predict of each y, noise included; at ``theta_``.

        Where they do not determine a linear prior mean, they predict NaN with infinite deviation.

        One factorization gives them all [1]_, so that this costs no more than one step of
        ``fit``.

        Returns
        -------
        mean : ndarray of shape (n_samples,)
            Predictions of ``y_train_``.
        std : ndarray of shape (n_samples,)
            Standard deviation of y around them: of f and of the noise.

        References
        ----------
        .. [1] Rasmussen, Williams. Gaussian Processes for Machine Learning. MIT Press, 2006:
           equation 5.12.
        """
        check_is_fitted(self)
        n, p = self._posterior.half_basis.shape
        if n <= p:
            raise ValueError(
                f"leave_one_out needs more rows than the prior mean has coefficients, {p}, but "
                f"there are {n}; fit on more rows, or with a number as prior_mean."
            )
        with one_blas_thread():
            mean, variance = self._posterior.leave_one_out()
        mean = self._offset(self.X_train_) + self._y_scale * mean
        std = self._y_scale * np.sqrt(variance)
        return (mean, std) if self._power is None else power.moments(self._power.inverse, mean, std)

    def log_marginal_likelihood(self, theta=None, eval_gradient=False):
        """Log evidence of the training targets.

        A prior mean that the data find has vague coefficients: its evidence is that of what the
        targets tell besides them.

        Parameters
        ----------
        theta : array-like of shape (n_parameters + 1,), default=None
            Where to evaluate it; None stands for ``theta_``.
        eval_gradient : bool, default=False
            Whether to return the gradient too.

        Returns
        -------
        value : float
            Rasmussen and Williams, equation 2.45.
        gradient : ndarray of shape (n_parameters + 1,)
            Derivative by theta, equation 5.9; only with ``eval_gradient``.
        """
        check_is_fitted(self)
        theta = self.theta_ if theta is None else np.asarray(theta, dtype="float64")
        if theta.shape != self.theta_.shape:
            raise ValueError(
                f"theta must have shape {self.theta_.shape}, one logarithm for each parameter of "
                f"the kernel and for the noise variance, but has {theta.shape}."
            )
        fitted = self._posterior
        theta = theta - self._theta_shift(fitted.process.kernel)
        with one_blas_thread():
            value, gradient = exact.evidence(
                fitted.process, theta, fitted.Z, fitted.t, self._known_noise
            )
        value = self._density_of_y(value)
        return (value, gradient) if eval_gradient else value

    def _possible_means(self, X, n, rng):
        """Posterior means at X, (n, n_points), each under hyper-parameters that y leaves possible.

        Not for ``y_transform="power"``.
        """
        _, Z, offset = self._query(X)
        with one_blas_thread():
            draws = exact.draws(self._posterior, n, rng, self._known_noise)
            means = np.array([draw.mean(Z) for draw in draws])
        return offset + self._y_scale * means

    def _checked_X(self, X, reset):
        with naming("X"):
            refuse_dates(X)
            return validate_data(self, X, dtype="float64", reset=reset)

    def _checked_y(self, X, y):
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None."
            )
        with naming("y"):
            refuse_dates(y)
            y = check_array(y, ensure_2d=False, dtype="float64", input_name="y")
            y = column_or_1d(y, warn=True)
            check_consistent_length(X, y)
        return y

    def _checked_noise(self, noise_variance, y):
        if noise_variance is None:
            return np.zeros(len(y))
        if self.y_transform is not None:
            raise ValueError(
                "noise_variance is known for y, not for the y that y_transform='power' bends; "
                "pass one of them."
            )
        if np.ndim(noise_variance) == 0:
            raise ValueError(
                f"noise_variance must be one variance for each of {len(y)} targets, but is "
                f"{noise_variance!r}; one for all is the parameter noise."
            )
        with naming("noise_variance"):
            noise_variance = check_array(
                noise_variance, ensure_2d=False, dtype="float64", input_name="noise_variance"
            )
        if noise_variance.shape != y.shape or noise_variance.min() < 0:
            raise ValueError(
                f"noise_variance must be one variance, at least 0, for each of {len(y)} targets, "
                f"but has shape {noise_variance.shape} and a minimum of {noise_variance.min():g}."
            )
        return noise_variance

    def _new_kernel(self, d):
        """A kernel of this fit's own, so that setting the user's afterwards is no matter of it."""
        if isinstance(self.kernel, str):
            return KERNELS[self.kernel](lengthscale=LogNormal(d**0.5, 1.0))
        self.kernel._validate_params()
        return clone(self.kernel)

    def _process(self, kernel, Z):
        """What is believed before any data."""
        basis = self.prior_mean if isinstance(self.prior_mean, str) else "zero"
        noise = NOISE if self.noise is None else self.noise
        process = exact.Process(kernel, basis, noise)
        if basis != "linear":
            return process
        if kernel.columns_read(Z.shape[1])[1].any():
            raise ValueError(
                "prior_mean='linear' would take the codes of categories for numbers; use "
                "'constant', or a function of X."
            )
        if np.linalg.matrix_rank(H := process.h(Z)) < H.shape[1]:
            raise ValueError(
                f"prior_mean='linear' has {H.shape[1]} coefficients, which {len(Z)} rows do not "
                f"determine: columns of X are constant or depend on each other, or rows are too "
                f"few; drop such columns, or use 'constant'."
            )
        return process

    def _standardise_y(self, X, y):
        """Targets of zero prior mean and about unit variance; notes how they become so."""
        self._power = None
        if self.y_transform == "power":
            self._power = power.fit(y, _centre_and_spread(y, "y")[1])
        self._known_mean = self.prior_mean if callable(self.prior_mean) else None
        bent = self._bent(y)
        if isinstance(self.prior_mean, str):
            self._y_shift, self._y_scale = _centre_and_spread(bent, "y")
        else:
            self._y_shift = 0.0 if callable(self.prior_mean) else self._bent(self.prior_mean)
            _, self._y_scale = _centre_and_spread(bent, "y", self._offset(X))
        return (bent - self._offset(X)) / self._y_scale

    def _standardised(self, X):
        """Points of about unit width."""
        with np.errstate(over="ignore"):
            Z = (X - self._X_shift) / self._X_scale
        if np.abs(Z).max() > 1e150:
            raise ValueError(
                f"X reaches {np.abs(X).max():g}, whose squared distance from the training points "
                f"is no number; remove such points."
            )
        return Z

    def _query(self, X):
        """Points, checked, standardised, and what was taken off the target there."""
        X = self._checked_X(X, reset=False)
        return X, self._standardised(X), self._offset(X)

    def _offset(self, X):
        """What is taken off the target: a number, or one for each row."""
        if self._known_mean is None:
            return self._y_shift
        mean = np.asarray(self._known_mean(X.copy()), dtype="float64")
        if mean.shape != (len(X),) or not np.isfinite(mean).all():
            raise ValueError(
                f"prior_mean must return a finite number for each of {len(X)} rows, in shape "
                f"({len(X)},), but returned {mean!r}."
            )
        return self._bent(mean)

    def _bent(self, y):
        return y if self._power is None else self._power.forward(y)

    def _expected(self, u):
        """y on average over the noise, for the bent y without noise, of any shape."""
        return power.moments(self._power.inverse, u, np.sqrt(self.noise_variance_))[0]

    def _theta_shift(self, kernel):
        """What takes theta from standardised data to the user's units."""
        log_y = 2 * np.log(self._y_scale)
        return np.append(kernel.units(np.log(self._X_scale), log_y), log_y)

    def _density_of_y(self, evidence):
        """Log density of y, given that of standardised targets."""
        n, p = self._posterior.half_basis.shape
        bending = 0.0 if self._power is None else self._power.log_slope(self.y_train_).sum()
        return float(evidence - (n - p) * np.log(self._y_scale) + bending)


def _scale_of(X, kernel):
    """What to take off columns and to divide them by, (n_features,) each, for about unit width."""
    parts = [kernel, *kernel.get_params().values()]
    shift, scale = np.zeros(X.shape[1]), np.ones(X.shape[1])
    measured, _ = kernel.columns_read(X.shape[1])  # codes of categories are compared as they are
    numbers = X[:, measured]
    if any(isinstance(part, Warped) for part in parts):
        low = numbers.min(axis=0, initial=np.inf)
        with np.errstate(over="ignore"):
            width = numbers.max(axis=0, initial=-np.inf) - low
        shift[measured], scale[measured] = low, _usable(width, width == 0, numbers, "X")
    elif measured.any():
        # A uniform column of standard deviation 1 / sqrt(12) has width 1, which the priors expect.
        shift[measured], spread = _centre_and_spread(numbers, "X")
        scale[measured] = spread * np.sqrt(12)
    return shift, scale


def _centre_and_spread(columns, name, centre=None):
    """Means, or ``centre``, and root mean squares about it; with 1 for a constant column."""
    with np.errstate(over="ignore", invalid="ignore"):
        if centre is None:
            centre = columns.mean(axis=0)
        far = np.abs(columns - centre).max(axis=0)
        unit = np.where(far > 0, far, 1.0)  # squares of tiny numbers would be 0
        spread = unit * np.sqrt(np.mean(((columns - centre) / unit) ** 2, axis=0))
    constant = spread <= 1e-14 * np.abs(columns).max(axis=0)
    return centre, _usable(spread, constant, columns, name)


def _usable(scale, is_zero, columns, name):
    """Scales to divide by, with 1 for those that are zero."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        squared = np.where(is_zero, 1.0, scale) ** 2
    if not np.isfinite(squared).all() or (squared < np.finfo(float).tiny).any():
        raise ValueError(
            f"{name} reaches {np.abs(columns).max():g} and spreads by as little as "
            f"{np.min(scale):g}, of which a square is no number; scale {name}."
        )
    return np.where(is_zero, 1.0, scale)


def _check_one_target_each(X, y, noise_variance):
    """Where there is no noise at all, equal rows of X have equal targets."""
    _, place = np.unique(X, axis=0, return_inverse=True)
    order = np.lexsort([noise_variance > 0, place.ravel()])
    first, second = order[:-1], order[1:]
    exact_twice = (place.flat[first] == place.flat[second]) & (noise_variance[second] == 0)
    clash = np.flatnonzero(exact_twice & (y[first] != y[second]))
    if len(clash):
        i, j = sorted([first[clash[0]], second[clash[0]]])
        raise ValueError(
            f"with noise=0, f goes through all targets, but rows {i} and {j} of X are equal and "
            f"their targets are {y[i]} and {y[j]}; leave noise to be found, or give it."
        )
