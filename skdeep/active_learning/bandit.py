"""Choose actions and learn from their rewards: contextual bandits over regressors that have doubts.

One model for each action predicts its reward at x: the mean m_a(x), and s_a(x), how far that may be
off. A policy gives each action a probability:

    thompson      P(F_a > F_b for all b), independent F_a ~ N(m_a, s_a^2)                     [1]_
    upper_bound   1 where m_a + width s_a is largest                                          [2]_
    epsilon       1 - epsilon where m_a is largest, and epsilon over all, evenly

Those of Thompson's are integrals, over quantiles x of F_a the mean of prod_b F((x - m_b) / s_b).
As they are known, not drawn, other policies can be judged by what was logged [3]_.

.. [1] Thompson. On the likelihood that one unknown probability exceeds another in view of the
   evidence of two samples. Biometrika 25, 1933.
.. [2] Li, Chu, Langford, Schapire. A contextual-bandit approach to personalized news article
   recommendation. WWW, 2010.
.. [3] Dudik, Langford, Li. Doubly robust policy evaluation and learning. ICML, 2011.
"""

from copy import deepcopy
from inspect import signature
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone, is_regressor
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing, assert_all_finite, check_random_state, column_or_1d
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import (
    _num_samples,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from skdeep.active_learning.labels import all_labels, joined
from skdeep.active_learning.pools import check_alike, rows_of, stack
from skdeep.validation import unchanged_on_error

LEAST_ROWS = 10  # of an action, before a model is fitted to them
N_NETWORKS = 50  # thinned by dropout
QUANTILES = ndtri((np.arange(128) + 0.5) / 128)
CHUNK = 4096  # rows at a time


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
        be the best; or any at random, now and then.
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
            actions, rewards = _checked(X, actions, rewards)
            self._rng = check_random_state(self.random_state)
            self._arms = {action: _Arm() for action in np.unique(actions).tolist()}
            self._kind = None
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
        self._arms = self._arms | {action: _Arm()}
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
            validate_data(self, X, reset=False, skip_check_array=True)
            actions, rewards = _checked(X, actions, rewards, self.actions_)
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

        Returns
        -------
        mean, deviation : ndarray of shape (n_samples, n_actions)
            Under ``strategy='epsilon'``, which needs none, the deviation by a model is 0.
        """
        check_is_fitted(self)
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
                mean[:, j], doubt = _belief(arm.model, X, len(arm.rewards))
                deviation[:, j] = np.maximum(doubt, np.sqrt(self._noise / len(arm.rewards)))
        return mean, deviation

    def _learn(self, X, actions, rewards):
        """Add rows to their actions, and fit the models of these anew."""
        if self._kind is None:
            self._kind = _safe_indexing(X, np.arange(0))
        check_alike(X, self._kind, "X")
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
            arms[action] = _Arm(kept, values, model, noise)
        self._arms = arms
        with_model = [arm for arm in arms.values() if arm.model is not None]
        n = sum(len(arm.rewards) for arm in with_model)
        self._noise = sum(len(arm.rewards) * arm.noise for arm in with_model) / max(n, 1)
        every = np.concatenate([arm.rewards for arm in arms.values()])
        self._mean, self._variance = every.mean(), every.var()


class _Arm(NamedTuple):
    """Rows of one action, its model, and the mean square of what that leaves unexplained."""

    X: Any = None
    rewards: np.ndarray = np.empty(0)
    model: Any = None
    noise: float = 0.0


class Value(NamedTuple):
    """What a policy is worth: mean reward of a row, its standard error, and rows it rests on.

    ``n_effective`` is ``sum(w)^2 / sum(w^2)`` of the weights, or how many rows matched.
    """

    value: float
    error: float
    n_effective: float


def replay_value(policy, X, actions, rewards, propensities=None, *, method="dr"):
    """What a policy would have earned on rows that another one chose for.

    With w = p(a | x) / q, p the policy's probability of the logged action a and q that with which
    it was chosen, r its reward, and m_a(x) what the policy believes of it [1]_:

        ips      mean of w r                                unbiased, wide where w is large
        snips    sum of w r over sum of w                   narrower, biased by O(1 / n)
        dr       mean of sum_a p(a | x) m_a(x) + w (r - m_a(x))     unbiased, narrow where m is good
        replay   mean of r where a policy that learns on the way chooses as was logged     [2]_

    Parameters
    ----------
    policy : BanditPolicy
        The policy; it stays as it is. All but ``'replay'`` need rows that it was not fitted on.
    X : array-like of shape (n_samples, ...)
        Logged rows.
    actions : array-like of shape (n_samples,)
        What was chosen, of the policy's actions.
    rewards : array-like of shape (n_samples,)
        What came of it.
    propensities : array-like of shape (n_samples,), default=None
        With which probability it was chosen, in (0, 1]; None where all actions of the policy were
        equally likely.
    method : {'dr', 'ips', 'snips', 'replay'}, default='dr'
        ``'replay'`` needs rows whose actions were equally likely; the policy learns after every
        tenth match.

    Returns
    -------
    value : Value
        A named tuple: ``value``, ``error``, ``n_effective``.

    References
    ----------
    .. [1] Dudik, Langford, Li. Doubly robust policy evaluation and learning. ICML, 2011: equation
       2.
    .. [2] Li, Chu, Langford, Wang. Unbiased offline evaluation of contextual-bandit-based news
       article recommendation algorithms. WSDM, 2011, algorithm 3.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import BayesianRidge
    >>> from skdeep.active_learning import BanditPolicy, replay_value
    >>> rng = np.random.default_rng(0)
    >>> X, actions = rng.normal(size=(2000, 1)), rng.integers(2, size=2000)
    >>> rewards = np.where(actions == 1, X[:, 0], -X[:, 0]) + rng.normal(size=2000)
    >>> first, last = slice(1000), slice(1000, None)
    >>> policy = BanditPolicy(BayesianRidge()).fit(X[first], actions[first], rewards[first])
    >>> found = replay_value(policy, X[last], actions[last], rewards[last])
    >>> print(f"{found.value:.2f} +- {found.error:.2f}, of {(2 / np.pi) ** 0.5:.2f} at best")
    0.88 +- 0.05, of 0.80 at best
    """
    check_is_fitted(policy)
    if method not in ("dr", "ips", "snips", "replay"):
        raise ValueError(f"method must be 'dr', 'ips', 'snips' or 'replay', but is {method!r}.")
    actions, rewards = _checked(X, actions, rewards, policy.actions_)
    place = {action: j for j, action in enumerate(policy.actions_.tolist())}
    if method == "replay":
        if propensities is not None:
            raise ValueError("method='replay' is for actions that were equally likely; use 'dr'.")
        return _replayed(deepcopy(policy), X, actions, rewards)
    n, chosen = len(actions), np.array([place[action] for action in actions.tolist()])
    q = np.full(n, 1 / len(place)) if propensities is None else column_or_1d(propensities)
    check_consistent_length(q, actions)
    if not ((q > 0) & (q <= 1)).all():
        raise ValueError(f"propensities must lie in (0, 1], but go from {q.min()} to {q.max()}.")
    p = policy.propensities(X)
    w = p[np.arange(n), chosen] / q
    effective = float(w.sum() ** 2 / (w**2).sum()) if w.any() else 0.0
    if method == "snips":
        value = (w @ rewards) / w.sum() if w.any() else np.nan
        error = np.sqrt((w**2) @ (rewards - value) ** 2) / w.sum() if w.any() else np.nan
        return Value(float(value), float(error), effective)
    parts = w * rewards
    if method == "dr":
        mean, _ = policy.beliefs(X)
        parts = (p * mean).sum(axis=1) + w * (rewards - mean[np.arange(n), chosen])
    return Value(float(parts.mean()), float(parts.std(ddof=1) / np.sqrt(n)), effective)


def _replayed(policy, X, actions, rewards):
    """Replay: rows on which the policy, which learns from them, chooses as was logged."""
    matches, learnt = [], 0
    for start in range(0, len(actions), LEAST_ROWS):
        rows = np.arange(start, min(start + LEAST_ROWS, len(actions)))
        matches += rows[policy.choose(_safe_indexing(X, rows)) == actions[rows]].tolist()
        if len(matches) - learnt >= LEAST_ROWS:
            new = matches[learnt:]
            policy.update(_safe_indexing(X, new), actions[new], rewards[new])
            learnt = len(matches)
    if len(matches) < 2:
        return Value(np.nan, np.nan, float(len(matches)))
    earned = rewards[matches]
    return Value(
        float(earned.mean()),
        float(earned.std(ddof=1) / np.sqrt(len(earned))),
        float(len(earned)),
    )


def _checked(X, actions, rewards, known=None):
    """Actions, of those that are known, and rewards, one of each for each row of X."""
    actions, rewards = all_labels(actions, "actions"), column_or_1d(rewards).astype(float)
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
    if isinstance(model, Pipeline):
        return _belief(model[-1], model[:-1].transform(X), n)
    parameters = signature(model.predict).parameters
    if hasattr(model, "alpha_") and hasattr(model, "sigma_"):  # BayesianRidge, ARDRegression
        mean, deviation = model.predict(X, return_std=True)
        noise = 1 / model.alpha_
        return mean, np.sqrt(np.maximum(deviation**2 - noise, 0.0) + noise / n)
    if "n_samples" in parameters and getattr(model, "dropout", None):
        return model.predict(X, return_std=True, n_samples=N_NETWORKS)
    if isinstance(model, RandomForestRegressor | ExtraTreesRegressor):
        return model.predict(X), np.std([tree.predict(X) for tree in model.estimators_], axis=0)
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
