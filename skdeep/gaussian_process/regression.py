"""Gaussian-process regression: a mean, and how sure it is.

With y = m + f(x) + noise, m the mean of y, f a Gaussian process of kernel k and v the variance of
the noise, the prediction at x is normal [1]_ with

    mean      m + k(x, X) (k(X, X) + v I)^-1 (y - m)                    equation 2.25
    variance  k(x, x) - k(x, X) (k(X, X) + v I)^-1 k(X, x)              equation 2.26

Lengthscales, signal variance and v maximise their posterior density (evidence times prior,
``exact.py``), found with analytic gradients.

.. [1] Rasmussen, Williams. Gaussian Processes for Machine Learning. MIT Press, 2006.
"""

from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import check_array, check_random_state, column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from skdeep.gaussian_process import exact
from skdeep.gaussian_process.blas import one_blas_thread
from skdeep.gaussian_process.kernels import KERNELS
from skdeep.hyperparameters import Declared, hyperparameter
from skdeep.validation import naming, refuse_dates, unchanged_on_error


class GaussianProcessRegressor(Declared, RegressorMixin, BaseEstimator):
    """Gaussian-process regression with a lengthscale for each feature.

    Neither X nor y needs scaling: the priors of the hyper-parameters are relative to the spread
    of each column of X and of y. Attributes are in the units of X and y.

    Parameters
    ----------
    kernel : {'exponential', 'matern32', 'matern52', 'rbf'}, default='matern52'
        Covariance of f, from twice differentiable over smooth to merely continuous.
    n_restarts : int in [0, inf), default=1
        Searches for the hyper-parameters from random starts, besides the one from the prior's
        median. The cost of ``fit`` grows in proportion.
    random_state : int, RandomState instance or None, default=None
        Seed of the random starts.

    Attributes
    ----------
    theta_ : ndarray of shape (n_features + 2,)
        Logarithms of the lengthscales, of the signal variance and of the noise variance.
    lengthscales_ : ndarray of shape (n_features,)
        Distance in each feature over which f changes; a long one marks an irrelevant feature.
    signal_variance_ : float
        Prior variance of f.
    noise_variance_ : float
        Variance of y around f.
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
    comfortable to about 2000 rows. BLAS is held to one thread while it runs.

    References
    ----------
    Rasmussen, Williams. Gaussian Processes for Machine Learning. MIT Press, 2006: algorithm 2.1
    and equation 5.9.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeep.gaussian_process import GaussianProcessRegressor
    >>> X = np.linspace(0, 6, 12)[:, None]
    >>> model = GaussianProcessRegressor(kernel="rbf", random_state=0).fit(X, np.sin(X[:, 0]))
    >>> mean, std = model.predict([[1.5], [12.0]], return_std=True)
    >>> print(mean.round(2)[0], std.round(2))
    1.0 [0.   1.17]
    """

    kernel: str = hyperparameter(
        default="matern52",
        doc="Covariance of f, from twice differentiable over smooth to merely continuous.",
        constraint=StrOptions(set(KERNELS)),
    )
    n_restarts: int = hyperparameter(
        default=1,
        doc="Searches for the hyper-parameters from random starts, besides the one from the "
        "prior's median. The cost of ``fit`` grows in proportion.",
        constraint=Interval(Integral, 0, None, closed="left"),
    )
    random_state: int | np.random.RandomState | None = hyperparameter(
        default=None, doc="Seed of the random starts.", constraint="random_state"
    )

    def fit(self, X, y):
        """Find the hyper-parameters and condition on the data.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training points.
        y : array-like of shape (n_samples,)
            Targets.

        Returns
        -------
        self : GaussianProcessRegressor
            The fitted estimator.
        """
        self._validate_params()
        with unchanged_on_error(self):
            return self._fit(X, y)

    def _fit(self, X, y):
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None."
            )
        X = self._checked_X(X, reset=True)
        with naming("y"):
            refuse_dates(y)
            y = check_array(y, ensure_2d=False, dtype="float64", input_name="y")
            y = column_or_1d(y, warn=True)
            check_consistent_length(X, y)
        self.X_train_, self.y_train_ = X, y
        # A uniform column of standard deviation 1 / sqrt(12) has width 1, which the priors expect.
        self._X_mean, self._X_scale = X.mean(axis=0), _spread(X, "X") * np.sqrt(12)
        self._y_mean, self._y_scale = y.mean(), _spread(y, "y")
        seed = check_random_state(self.random_state).randint(2**31)
        with one_blas_thread():
            process = self._process()
            starts = exact.starting_points(
                process.prior(X.shape[1]), self.n_restarts, np.random.default_rng(seed)
            )
            self._posterior = exact.fit(process, *self._standardised(), starts)
        self.theta_ = self._posterior.theta + self._theta_shift()
        *self.lengthscales_, self.signal_variance_, self.noise_variance_ = np.exp(self.theta_)
        self.lengthscales_ = np.array(self.lengthscales_)
        self.log_marginal_likelihood_ = self._posterior.evidence - len(y) * np.log(self._y_scale)
        return self

    def predict(self, X, return_std=False, return_cov=False):
        """Posterior of f at X; the variance of a new y adds ``noise_variance_``.

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
        X = self._checked_X(X, reset=False)
        with np.errstate(over="ignore"):
            Z = (X - self._X_mean) / self._X_scale
        if np.abs(Z).max() > 1e150:
            raise ValueError(
                f"X reaches {np.abs(X).max():g}, whose squared distance from the training points "
                f"is no number; remove such points."
            )
        with one_blas_thread():
            mean, variance, _ = self._posterior.mean_and_variance(Z)
            mean = self._y_mean + self._y_scale * mean
            if return_std:
                return mean, self._y_scale * np.sqrt(variance)
            if return_cov:
                return mean, self._y_scale**2 * self._posterior.covariance(Z)
        return mean

    def log_marginal_likelihood(self, theta=None, eval_gradient=False):
        """Log evidence of the training data, its mean taken off.

        Parameters
        ----------
        theta : array-like of shape (n_features + 2,), default=None
            Where to evaluate it; None stands for ``theta_``.
        eval_gradient : bool, default=False
            Whether to return the gradient too.

        Returns
        -------
        value : float
            Rasmussen and Williams, equation 2.30.
        gradient : ndarray of shape (n_features + 2,)
            Derivative by theta, equation 5.9; only with ``eval_gradient``.
        """
        check_is_fitted(self)
        theta = self.theta_ if theta is None else np.asarray(theta, dtype="float64")
        if theta.shape != self.theta_.shape:
            raise ValueError(
                f"theta must have shape {self.theta_.shape}, one logarithm for each lengthscale, "
                f"the signal and the noise variance, but has {theta.shape}."
            )
        with one_blas_thread():
            value, gradient = exact.evidence(
                self._process(), theta - self._theta_shift(), *self._standardised()
            )
        value -= len(self.y_train_) * np.log(self._y_scale)
        return (value, gradient) if eval_gradient else value

    def _checked_X(self, X, reset):
        with naming("X"):
            refuse_dates(X)
            return validate_data(self, X, dtype="float64", reset=reset)

    def _process(self):
        return exact.Process(KERNELS[self.kernel]())

    def _standardised(self):
        """Training points of about unit width and targets of unit variance."""
        return (
            (self.X_train_ - self._X_mean) / self._X_scale,
            (self.y_train_ - self._y_mean) / self._y_scale,
        )

    def _theta_shift(self):
        """What takes theta from standardised data to the user's units."""
        log_y = 2 * np.log(self._y_scale)
        return np.concatenate([np.log(self._X_scale), [log_y, log_y]])


def _spread(columns, name):
    """Standard deviations, (n_features,), with 1 for a column that is constant."""
    with np.errstate(over="ignore", invalid="ignore"):
        std = np.std(columns, axis=0)
    largest = np.abs(columns).max(axis=0)
    if not np.isfinite(std).all():
        raise ValueError(
            f"{name} reaches {largest.max():g}, whose square is no number; scale {name}."
        )
    constant = std <= 1e-14 * largest
    return np.where(constant, 1.0, std)
