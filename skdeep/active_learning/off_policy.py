"""Off-policy evaluation: what a policy would have earned on rows that another one chose for."""

import warnings
from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from skdeep.active_learning.bandit import BanditPolicy, checked
from skdeep.active_learning.pools import rows_of

LEARNING_EVERY = 10  # matches, in a replay


class Value(NamedTuple):
    """What a policy is worth: mean reward of a row, its standard error, and rows it rests on.

    ``n_effective`` is ``sum(w)^2 / sum(w^2)`` of the weights, or how many rows matched. ``error``
    is NaN where that rests on one row, and so are both on none.
    """

    value: float
    error: float
    n_effective: float


def replay_value(policy, X, actions, rewards, propensities=None, *, method="dr"):
    """What a policy would have earned on rows that another one chose for: off-policy evaluation.

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

    Raises
    ------
    TypeError
        If the policy is none.
    ValueError
        If there are no rows, an action is none of the policy's, a propensity does not lie in
        (0, 1], or ``'replay'`` gets propensities.

    Warns
    -----
    UserWarning
        If the policy takes none of the logged actions, so that they tell nothing of it: all is NaN.

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
    if not isinstance(policy, BanditPolicy):
        raise TypeError(f"policy must be a BanditPolicy, but is a {type(policy).__name__}.")
    check_is_fitted(policy)
    if method not in ("dr", "ips", "snips", "replay"):
        raise ValueError(f"method must be 'dr', 'ips', 'snips' or 'replay', but is {method!r}.")
    X, known = rows_of(X), policy.actions_
    actions, rewards = checked(X, actions, rewards, known)
    if method == "replay":
        if propensities is not None:
            raise ValueError("method='replay' is for actions that were equally likely; use 'dr'.")
        found = _replayed(deepcopy(policy), X, actions, rewards)
    else:
        q = np.full(len(actions), 1 / len(known)) if propensities is None else propensities
        found = _weighted(policy, X, actions, rewards, _checked_propensities(q, actions), method)
    if not found.n_effective:
        warnings.warn(
            "the policy takes none of the logged actions on these rows, so that they tell nothing "
            "of what it would have earned.",
            stacklevel=2,
        )
    return found


def _weighted(
    policy: Any, X: Any, actions: np.ndarray, rewards: np.ndarray, q: np.ndarray, method: str
) -> Value:
    """Value by the weights of rows; ``ips`` is ``dr`` by a model that believes in 0."""
    n, chosen = len(actions), (actions[:, None] == policy.actions_).argmax(axis=1)
    p = policy.propensities(X)
    w = p[np.arange(n), chosen] / q
    if not w.any():
        return Value(np.nan, np.nan, 0.0)
    effective = float(w.sum() ** 2 / (w**2).sum())
    if method == "snips":
        value = (w @ rewards) / w.sum()
        error = np.sqrt((w**2) @ (rewards - value) ** 2) / w.sum() if n > 1 else np.nan
        return Value(float(value), float(error), effective)
    mean = policy.beliefs(X)[0] if method == "dr" else np.zeros_like(p)
    parts = (p * mean).sum(axis=1) + w * (rewards - mean[np.arange(n), chosen])
    return _mean_of(parts, effective)


def _replayed(policy: Any, X: Any, actions: np.ndarray, rewards: np.ndarray) -> Value:
    """Value on rows on which the policy, which learns from them, chooses as was logged."""
    matches: list[int] = []
    n_learnt = 0
    for start in range(0, len(actions), LEARNING_EVERY):
        rows = np.arange(start, min(start + LEARNING_EVERY, len(actions)))
        matches += rows[policy.choose(_safe_indexing(X, rows)) == actions[rows]].tolist()
        if len(matches) - n_learnt >= LEARNING_EVERY:
            new = matches[n_learnt:]
            policy.update(_safe_indexing(X, new), actions[new], rewards[new])
            n_learnt = len(matches)
    return _mean_of(rewards[matches], float(len(matches)))


def _mean_of(parts: np.ndarray, n_effective: float) -> Value:
    """Mean of (n,) and its standard error, NaN of too few."""
    value = parts.mean() if len(parts) else np.nan
    error = parts.std(ddof=1) / np.sqrt(len(parts)) if len(parts) > 1 else np.nan
    return Value(float(value), float(error), n_effective)


def _checked_propensities(propensities: Any, actions: np.ndarray) -> np.ndarray:
    """One for each row, (n_samples,)."""
    q = np.asarray(propensities, dtype=float)
    if q.ndim != 1:
        raise ValueError(
            f"propensities must be one number for each row, that of the logged action, but have "
            f"shape {q.shape}."
        )
    check_consistent_length(q, actions)
    if not ((q > 0) & (q <= 1)).all():
        raise ValueError(f"propensities must lie in (0, 1], but go from {q.min()} to {q.max()}.")
    return q
