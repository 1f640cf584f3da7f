"""Regressors: one target or several, their means, spreads or quantiles."""

from numbers import Real

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted

from skdeep import blueprint
from skdeep.base.estimator import NetworkEstimator
from skdeep.base.fitting import fit_method, fit_on
from skdeep.hyperparameters import hyperparameter
from skdeep.targets import N_KEPT, QUANTILE_LEVELS, Reals, check_reals
from skdeep.validation import naming


class BaseNetworkRegressor(RegressorMixin, NetworkEstimator):
    """Base of regressors, of one or several targets.

    Targets are standardised inside, so that the learning rate and the loss mean the same in all
    units; predictions are in the units of y.
    """

    loss: str = hyperparameter(
        default="squared",
        doc="What the network learns of y: its mean ('squared'), mean and variance of a normal "
        "distribution ('gaussian'), or quantiles ('quantile').",
        constraint=StrOptions({"squared", "gaussian", "quantile"}),
        structural=True,
    )

    _absent = {  # noqa: RUF012
        "calibrate": "it is for classifiers; MLPRegressor, CNNRegressor and RNNRegressor learn how "
        "sure they are by loss='gaussian' or 'quantile'",
        "class_weight": "it is for classifiers; a regressor's fit takes sample_weight",
        "label_smoothing": "it is for classifiers",
    }

    @fit_method
    def partial_fit(self, X, y, sample_weight=None):
        """Train one epoch more on rows X, going on from the last fit.

        The first call's y sets the scale of the targets.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        self : object
        """
        return fit_on(self, X, y, sample_weight)

    def predict(self, X, return_std=False, n_samples=None):
        """Targets of rows X, (n_samples,) or (n_samples, n_outputs), float64.

        They are means, or medians under ``loss="quantile"``.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows.
        return_std : bool, default=False
            Whether to return standard deviations as well: of the noise in y under
            ``loss="gaussian"``, under ``loss="quantile"`` half the distance of the quantiles that
            a normal distribution has one deviation below and above its mean. Under
            ``loss="squared"`` an ensemble has those of its members' predictions: of what the rows
            have left open, without the noise.
        n_samples : int, default=None
            Average so many networks, each thinned by dropout as in a step of training [1]_. The
            variance of their predictions adds to that of the noise [2]_. The same networks for
            all rows, in each call. None is one network without dropout.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs), float64
        std : ndarray of the same shape, float64
            Only if ``return_std``.

        References
        ----------
        .. [1] Gal, Ghahramani. Dropout as a Bayesian approximation: representing model uncertainty
           in deep learning. ICML, 2016, section 4.
        .. [2] Kendall, Gal. What uncertainties do we need in Bayesian deep learning for computer
           vision? NeurIPS, 2017, equation 9.
        """
        check_is_fitted(self)
        target = self._fitted.target
        if n_samples is not None:
            values, deviations = target.mixture(self._sampled(X, n_samples))
        else:
            outputs = self._outputs(X)
            values, deviations = target.mixture(iter([outputs["output"]]))
            if return_std and target.head.loss == "squared":
                if "members" not in outputs:
                    raise ValueError(
                        "return_std=True needs a network that knows its uncertainty: fit with "
                        "loss='gaussian' or 'quantile', give n_samples to one that has dropout, or "
                        "take an ensemble."
                    )
                _, deviations = target.mixture(iter(np.moveaxis(outputs["members"], 1, 0)))
        return (values, deviations) if return_std else values

    def predict_quantiles(self, X, quantiles=(0.05, 0.5, 0.95)):
        """Quantiles of the targets of rows X, float64.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows.
        quantiles : array-like of shape (n_quantiles,), default=(0.05, 0.5, 0.95)
            Their levels, in (0, 1); in [0.01, 0.99] under ``loss="quantile"``. The default is a
            median and an interval of 90%.

        Returns
        -------
        quantiles : ndarray of shape (n_samples, n_quantiles) or (n_samples, n_outputs, n_quantiles)
            They do not cross.

        Raises
        ------
        ValueError
            If the fit had ``loss="squared"``, or a level is out of range.
        """
        check_is_fitted(self)
        target = self._fitted.target
        if target.head.loss == "squared":
            raise ValueError(
                "predict_quantiles needs a fit with loss='gaussian' or 'quantile', but this one "
                "had loss='squared'."
            )
        with naming("quantiles"):
            levels = np.asarray(quantiles, dtype=np.float64)
        inside = (levels > 0) & (levels < 1)
        if target.head.loss == "quantile":
            inside = (levels >= QUANTILE_LEVELS[0]) & (levels <= QUANTILE_LEVELS[-1])
        if levels.ndim != 1 or not levels.size or not inside.all():
            known = "[0.01, 0.99], where loss='quantile' learns them"
            raise ValueError(
                f"quantiles must be a list of levels in "
                f"{known if target.head.loss == 'quantile' else '(0, 1)'}, but is {quantiles!r}."
            )
        return target.quantiles(self._outputs(X)["output"], levels)

    def predict_interval(self, X, coverage=0.9):
        """Intervals that hold a share of the targets of rows X, float64.

        What the network says of its own is widened, or narrowed, by how far the targets of the
        validation rows lay outside (split conformal prediction). With probability ``coverage`` or
        more, over the draw of the validation rows and of a new row like them, the new target lies
        inside, whatever the network has learnt.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows.
        coverage : float in (0, 1), default=0.9
            The share.

        Returns
        -------
        interval : ndarray of shape (n_samples, 2) or (n_samples, n_outputs, 2)
            Lower and upper ends, in the units of y. Each target has its own interval, and the share
            is of each target, not of all at once.

        Raises
        ------
        ValueError
            If the fit had no validation rows, or too few for this coverage: n rows allow for
            n / (n + 1).

        Notes
        -----
        Under ``loss="quantile"`` and ``"gaussian"`` an interval begins as that of
        :meth:`predict_quantiles`, and is wide where the targets are noisy [1]_; under
        ``loss="squared"`` all intervals have one width [2]_. The share is one over all rows, not
        among those of one kind.

        Validation rows are those of ``X_val``, or those held out for early stopping; of more than
        10,000 as many, drawn by the seed; their targets and outputs stay with the network, in its
        file too. Early stopping has chosen the best of the epochs on the same rows, so that the
        promise is kept nearly; without ``early_stopping``, rows in ``X_val`` choose nothing.

        Weights of validation rows say how often such rows are to come, relative to those there
        [3]_; they must not be negative. Where each step of a row has a target, the share is that of
        a step drawn from a row drawn.

        References
        ----------
        .. [1] Romano, Patterson, Candes. Conformalized quantile regression. NeurIPS, 2019,
           equations 5-8.
        .. [2] Lei, G'Sell, Rinaldo, Tibshirani, Wasserman. Distribution-free predictive inference
           for regression. JASA 113(523), 2018, algorithm 2.
        .. [3] Tibshirani, Barber, Candes, Ramdas. Conformal prediction under covariate shift.
           NeurIPS, 2019, equation 7.
        """
        check_is_fitted(self)
        if not isinstance(coverage, Real) or not 0 < coverage < 1:
            raise ValueError(f"coverage must be a number in (0, 1), but is {coverage!r}.")
        kept, coverage = self._fitted.conformity, float(coverage)
        if kept is None:
            raise ValueError(
                "predict_interval needs a fit with validation rows, but the last had none; set "
                "early_stopping=True, or pass X_val and y_val to fit."
            )
        kept.check(coverage)
        outputs = self._outputs(X)["output"]
        return self._fitted.target.intervals(outputs, kept, coverage)

    def _check_y(self, y):
        return check_reals(y)

    def _make_target(self, y, weight, classes):
        return Reals.of(y, weight, self.loss)

    def _conformity(self, fitted, validation):
        from skdeep import engine

        if validation is None:
            return None
        X, encoded, weight = validation
        rng = np.random.default_rng([fitted.progress.seed, 3])
        rows = np.flatnonzero(weight)
        if len(rows) > N_KEPT:
            rows = rng.choice(rows, N_KEPT, replace=False)
        if len(rows) < len(weight):
            X, encoded, weight = X[rows], encoded[rows], weight[rows]
        program = blueprint.program(fitted.twin, fitted.task)
        outputs = engine.predict(program, fitted.progress.weights, X, fitted.hyper)["output"]
        return fitted.target.conformity(self._canonical(outputs, fitted), encoded, weight, rng)
