"""Choose actions and learn from their rewards: contextual bandits over regressors that have doubts.

One model for each action predicts its reward at x: the mean m_a(x), and s_a(x), how far that may be
off. A policy gives each action a probability:

    thompson      P(F_a > F_b for all b), independent F_a ~ N(m_a, s_a^2)                     [1]_
    upper_bound   1 where m_a + width s_a is largest (UCB)                                    [2]_
    epsilon       1 - epsilon where m_a is largest, and epsilon over all, evenly

Those of Thompson's are integrals, over quantiles x of F_a the mean of prod_b F((x - m_b) / s_b).
As they are known, not drawn, other policies can be judged by what was logged (``off_policy.py``).

.. [1] Thompson. On the likelihood that one unknown probability exceeds another in view of the
   evidence of two samples. Biometrika 25, 1933.
.. [2] Li, Chu, Langford, Schapire. A contextual-bandit approach to personalized news article
   recommendation. WWW, 2010.
"""

from dataclasses import dataclass, field
from inspect import signature
from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone, is_regressor
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
from sklearn.utils import _safe_indexing, assert_all_finite, check_random_state, column_or_1d
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import (
    _num_samples,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from skdeep.active_learning.labels import all_labels, joined
from skdeep.active_learning.members import last_step, predictions_of_members
from skdeep.active_learning.pools import check_alike, check_rows, rows_of, stack
from skdeep.persistence import saved
from skdeep.persistence.estimators import is_saving
from skdeep.validation import naming, refuse_dates, unchanged_on_error

LEAST_ROWS = 10  # of an action, before it has a model, whose doubts then speak for themselves
N_NETWORKS = 50  # thinned by dropout
QUANTILES = ndtri((np.arange(128) + 0.5) / 128)
CHUNK = 4096  # rows at a time


@saved
@dataclass(frozen=True)
class Arm:
    """Rows of one action, its model, and the mean square of what that leaves unexplained."""

    X: Any = None
    rewards: np.ndarray = field(default_factory=lambda: np.empty(0))
    model: Any = None
    noise: float = 0.0


@saved
class BanditPolicy(MetaEstimatorMixin, BaseEstimator):
    """Choose the action of the highest reward for each row, and explore where it is in doubt.

    Parameters
    ----------
    estimator : regressor
        Model of the reward, a clone of which is fitted for each action. How far its mean may be
        off is known of those that have ``predict(X, return_std=True)``, as
        :class:`~skdeep.GaussianProcessRegressor` and scikit-learn's ``BayesianRidge``, of networks
        with dropout, and of ``RandomForestRegressor`` and ``ExtraTreesRegressor``, by how far
        their trees part; in a pipeline, too. For ``strategy='epsilon'`` any regressor will do.
    strategy : {'thompson', 'upper_bound', 'epsilon'}, default='thompson'
        How to explore: each action as often as it is likely to be the best; the action that may
        be the best (UCB); or any at random, now and then.
    width : float in [0, inf), default=1.0
        For ``'upper_bound'``: how many standard deviations above the mean. Raising it explores
        more.
    epsilon : float in [0, 1], default=0.1
        For ``'epsilon'``: share of rows whose action is drawn at random.
    window : int in [10, inf) or None, default=None
        Rows of each action that are kept and fitted to, the last ones; None keeps all. A Gaussian
        process is comfortable to 1000.
    random_state : int, RandomState instance or None, default=None
        Seed of the choices.

    Attributes
    ----------
    actions_ : ndarray of shape (n_actions,)
        All actions, in the order in which they came; those of ``fit`` are sorted.
    n_features_in_ : int
        Number of columns of X.

    Notes
    -----
    An action of fewer than ten rewards, or of equal ones, has no model yet. Its reward is believed
    to be N((n m + M) / (n + 1), V / max(n - 9, 1)), of its own mean m over n rewards, and the mean
    M and the variance V of all: a new action is thought to be like the others. A model of n rewards
    is taken to be off by no less than the noise over sqrt(n), with the noise that the models of all
    actions leave unexplained, as a model of ten may take itself for certain.

    Standard deviations that include the noise of a reward, as those of networks with
    ``loss='gaussian'``, explore for ever; of ``BayesianRidge`` the noise is taken off, and the
    doubt about its intercept is added.

    ``upper_bound`` chooses without chance: what it logs is no basis to judge other policies by.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import BayesianRidge
    >>> from skdeep.active_learning import BanditPolicy
    >>> rng = np.random.default_rng(0)
    >>> X, actions = rng.normal(size=(60, 2)), rng.choice(["news", "sport"], 60)
    >>> rewards = np.where(actions == "news", X[:, 0], X[:, 1]) + rng.normal(size=60)
    >>> policy = BanditPolicy(BayesianRidge(), random_state=0).fit(X, actions, rewards)
    >>> print(policy.propensities([[1.0, -1.0], [0.1, 0.0], [-1.0, 1.0]]).round(2))
    [[1.   0.  ]
     [0.93 0.07]
     [0.   1.  ]]
    >>> policy.choose([[1.0, -1.0], [-1.0, 1.0]])
    array(['news', 'sport'], dtype='<U5')
    """

    _parameter_constraints = {  # noqa: RUF012
        "estimator": [HasMethods(["fit", "predict"])],
        "strategy": [StrOptions({"thompson", "upper_bound", "epsilon"})],
        "width": [Interval(Real, 0, None, closed="left")],
        "epsilon": [Interval(Real, 0, 1, closed="both")],
        "window": [Interval(Integral, 10, None, closed="left"), None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator,
        *,
        strategy="thompson",
        width=1.0,
        epsilon=0.1,
        window=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.strategy = strategy
        self.width = width
        self.epsilon = epsilon
        self.window = window
        self.random_state = random_state

    def fit(self, X, actions, rewards):
        """Learn from logged choices.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            What was known when an action was chosen.
        actions : array-like of shape (n_samples,)
            What was chosen: strings, or numbers.
        rewards : array-like of shape (n_samples,)
            What came of it; larger is better.

        Returns
        -------
        self : BanditPolicy

        Raises
        ------
        TypeError
            If the estimator is no regressor, or nobody knows how unsure it is.
        ValueError
            If there are no rows, an action or a reward is missing, or some actions are strings and
            others numbers.
        """
        self._validate_params()
        if not is_regressor(self.estimator):
            raise TypeError(
                f"estimator must be a regressor, as rewards are numbers, but is "
                f"{type(self.estimator).__name__}; of rewards 0 and 1 it predicts the probability."
            )
        with unchanged_on_error(self):
            for name in ("n_features_in_", "feature_names_in_"):
                vars(self).pop(name, None)
            X = rows_of(X)
            validate_data(self, X, skip_check_array=True)
            actions, rewards = checked(X, actions, rewards)
            self._rng = check_random_state(self.random_state)
            self._arms = {action: Arm() for action in np.unique(actions).tolist()}
            self._kind = _safe_indexing(X, np.arange(0))  # what rows of later calls must be like
            self._learn(X, actions, rewards)
        return self

    @property
    def actions_(self):
        check_is_fitted(self)
        return np.array([*self._arms])

    def add(self, action):
        """Add an action of which nothing is known yet.

        Parameters
        ----------
        action : str, int, float or bool
            Of the kind of those that are there: a string, or a number.

        Returns
        -------
        self : BanditPolicy

        Raises
        ------
        ValueError
            If it is there already, or of another kind.
        """
        check_is_fitted(self)
        new = all_labels([action], "action")
        joined(self.actions_, new, "action")
        (action,) = new.tolist()
        if action in self._arms:
            raise ValueError(f"action {action!r} is there already.")
        self._arms = self._arms | {action: Arm()}
        return self

    def update(self, X, actions, rewards):
        """Learn from further rewards, whenever they come.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            What was known when an action was chosen.
        actions : array-like of shape (n_samples,)
            What was chosen, of ``actions_``. New ones must be given to :meth:`add` before, lest one
            that is misspelt be taken for new, and tried.
        rewards : array-like of shape (n_samples,)
            What came of it.

        Returns
        -------
        self : BanditPolicy
            As it was, if the update fails.

        Raises
        ------
        ValueError
            If there are no rows, they have other columns than those of ``fit``, or an action is
            unknown.
        """
        check_is_fitted(self)
        with unchanged_on_error(self):
            X = rows_of(X)
            check_rows(X, self._kind, "X")
            validate_data(self, X, reset=False, skip_check_array=True)
            check_alike(X, self._kind, "X")
            actions, rewards = checked(X, actions, rewards, self.actions_)
            self._learn(X, actions, rewards)
        return self

    def choose(self, X, return_propensity=False):
        """An action for each row, drawn by its probability.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows.
        return_propensity : bool, default=False
            Whether to return the probabilities of the chosen actions, too, which belong in the log.

        Returns
        -------
        actions : ndarray of shape (n_samples,)
        propensity : ndarray of shape (n_samples,)
            Only with ``return_propensity``.

        Raises
        ------
        ValueError
            If there are no rows, or they have other columns than those of ``fit``.
        """
        p = self.propensities(X)
        drawn = self._rng.random_sample((len(p), 1)) * p.sum(axis=1, keepdims=True)
        chosen = np.minimum((np.cumsum(p, axis=1) <= drawn).sum(axis=1), p.shape[1] - 1)
        if return_propensity:
            return self.actions_[chosen], p[np.arange(len(p)), chosen]
        return self.actions_[chosen]

    def propensities(self, X):
        """Probability of each action, (n_samples, n_actions), in the order of ``actions_``."""
        mean, deviation = self.beliefs(X)
        if self.strategy == "thompson":
            return _probabilities_of_best(mean, deviation)
        value = mean + self.width * deviation if self.strategy == "upper_bound" else mean
        best = value == value.max(axis=1, keepdims=True)
        greedy = best / best.sum(axis=1, keepdims=True)
        if self.strategy == "upper_bound":
            return greedy
        return (1 - self.epsilon) * greedy + self.epsilon / value.shape[1]

    def beliefs(self, X):
        """Mean reward of each action and how far that may be off.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows.

        Returns
        -------
        mean, deviation : ndarray of shape (n_samples, n_actions)
            Under ``strategy='epsilon'``, which needs none, the deviation by a model is 0.
        """
        check_is_fitted(self)
        X = rows_of(X)
        check_rows(X, self._kind, "X")
        validate_data(self, X, reset=False, skip_check_array=True)
        M, V = self._mean, self._variance
        mean = np.empty((_num_samples(X), len(self.actions_)))
        deviation = np.zeros_like(mean)
        for j, arm in enumerate(self._arms.values()):
            if arm.model is None:
                n = len(arm.rewards)
                mean[:, j] = (arm.rewards.sum() + M) / (n + 1)
                deviation[:, j] = np.sqrt(V / max(n - LEAST_ROWS + 1, 1))
            elif self.strategy == "epsilon":
                mean[:, j] = arm.model.predict(X)
            else:
                mean[:, j], by_model = _belief(arm.model, X, len(arm.rewards))
                least = np.sqrt(self._noise / len(arm.rewards))
                deviation[:, j] = np.maximum(by_model, least)
        return mean, deviation

    def __sklearn_is_fitted__(self):
        return hasattr(self, "_arms")

    def __getstate__(self):
        if is_saving() and hasattr(getattr(self, "_kind", None), "columns"):
            raise TypeError(
                "a BanditPolicy keeps its rows, and save takes no DataFrame; pickle it, or fit it "
                "on an array."
            )
        return super().__getstate__()

    def _learn(self, X, actions, rewards):
        """Add rows to their actions, and fit the models of these anew."""
        arms = dict(self._arms)
        for action in np.unique(actions).tolist():
            rows, old = np.flatnonzero(actions == action), arms[action]
            new = _safe_indexing(X, rows)
            kept = new if old.X is None else stack(old.X, new)
            values = np.concatenate([old.rewards, rewards[rows]])
            if self.window is not None and len(values) > self.window:
                last = np.arange(len(values))[-self.window :]
                kept, values = _safe_indexing(kept, last), values[last]
            model, noise = None, 0.0
            if len(values) >= LEAST_ROWS and np.ptp(values) > 0:
                model = clone(self.estimator).fit(kept, values)
                noise = float(np.mean((values - model.predict(kept)) ** 2))
                if self.strategy != "epsilon":
                    _belief(model, _safe_indexing(kept, [0]), len(values))  # or raises
            arms[action] = Arm(kept, values, model, noise)
        self._arms = arms
        with_model = [arm for arm in arms.values() if arm.model is not None]
        n = sum(len(arm.rewards) for arm in with_model)
        self._noise = sum(len(arm.rewards) * arm.noise for arm in with_model) / max(n, 1)
        every = np.concatenate([arm.rewards for arm in arms.values()])
        self._mean, self._variance = every.mean(), every.var()


def checked(X, actions, rewards, known=None):
    """Actions, of those that are known, and rewards, one of each for each row of X."""
    with naming("rewards"):
        refuse_dates(rewards)
        rewards = column_or_1d(rewards, dtype=np.float64)
    actions = all_labels(actions, "actions")
    check_consistent_length(X, actions, rewards)
    if not len(actions):
        raise ValueError("X has no rows; leave out an update without any.")
    assert_all_finite(rewards, input_name="rewards")
    if known is not None:
        joined(known, actions, "actions")
        if unknown := sorted({*actions.tolist()} - {*known.tolist()}):
            raise ValueError(
                f"actions {unknown} are none of the policy's, {known.tolist()}; give new ones to "
                f"its method add before."
            )
    return actions, rewards


def _belief(model: Any, X: Any, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean reward of rows, and how far it may be off, each (n_samples,), by a model of n rows."""
    model, X = last_step(model, X)
    parameters = signature(model.predict).parameters
    if hasattr(model, "alpha_") and hasattr(model, "sigma_"):  # BayesianRidge, ARDRegression
        mean, deviation = model.predict(X, return_std=True)
        noise = 1 / model.alpha_
        return mean, np.sqrt(np.maximum(deviation**2 - noise, 0.0) + noise / n)
    if "n_samples" in parameters and getattr(model, "dropout", None):
        return model.predict(X, return_std=True, n_samples=N_NETWORKS)
    if isinstance(model, RandomForestRegressor | ExtraTreesRegressor):
        return model.predict(X), np.std([*predictions_of_members(model, X)], axis=0)
    if "return_std" in parameters and "n_samples" not in parameters:
        return model.predict(X, return_std=True)
    raise TypeError(
        f"{type(model).__name__} does not tell how unsure it is; take one that has "
        f"predict(X, return_std=True), a network with dropout, a forest, or "
        f"strategy='epsilon'."
    )


def _probabilities_of_best(mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """P(F_a > F_b for all b) for independent F_a ~ N(mean, deviation^2), (n, n_actions)."""
    least = 1e-9 * (np.ptp(mean, axis=1, keepdims=True) + np.abs(mean).max() + 1e-300)
    deviation = np.maximum(deviation, least)
    n, k = mean.shape
    if k == 2:
        first = ndtr((mean[:, 0] - mean[:, 1]) / np.hypot(*deviation.T))
        return np.stack([first, 1 - first], axis=1)
    p = np.ones((n, k))
    for i in range(0, n, CHUNK):
        m, s = mean[i : i + CHUNK, :, None], deviation[i : i + CHUNK, :, None]
        for a in range(k):
            x = m[:, a] + s[:, a] * QUANTILES
            below = np.ones_like(x)
            for b in range(k):
                if b != a:
                    below *= ndtr((x - m[:, b]) / s[:, b])
            p[i : i + CHUNK, a] = below.mean(axis=1)
    return p / p.sum(axis=1, keepdims=True)
