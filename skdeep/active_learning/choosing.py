"""The strategies by name: for which estimators each is, and how it gets the arrays it works on."""

from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.gaussian_process import GaussianProcessRegressor as ScikitLearnGP
from sklearn.pipeline import Pipeline
from sklearn.utils import check_array
from sklearn.utils.validation import _num_samples

from skdeep.active_learning.members import last_step, member_predictions
from skdeep.active_learning.pools import take
from skdeep.active_learning.strategies.batches import PREFILTER, clustered, power, top
from skdeep.active_learning.strategies.core_set import farthest_first
from skdeep.active_learning.strategies.disagreement import member_covariance, mutual_information
from skdeep.active_learning.strategies.uncertainty import (
    entropy,
    least_confidence,
    margin,
    nearness,
)
from skdeep.active_learning.strategies.variance import (
    DOUBT,
    largest_variance,
    variance_reduction,
)
from skdeep.base import NetworkEstimator
from skdeep.gaussian_process import GaussianProcessRegressor

N_DRAWS = 16  # of hyper-parameters
MOST_ROWS = 2000  # whose covariance, 32 MB, takes the place of a larger pool's


@dataclass(frozen=True)
class Question:
    """What a strategy may look at, to pick n rows of a pool.

    Attributes
    ----------
    model : estimator
        Fitted on X and y, the rows that are labelled.
    pool : array-like of shape (n_pool, ...)
    n : int
        From 1 to n_pool.
    rng : Generator
    n_members : int or None
        Of a committee, or networks thinned by dropout.
    """

    model: Any
    X: Any
    y: np.ndarray
    pool: Any
    n: int
    rng: np.random.Generator
    n_members: int | None = None

    def members(self) -> np.ndarray:
        """What members that know the labels predict of the pool, see ``members.py``."""
        return member_predictions(self.model, self.X, self.y, self.pool, self.n_members, self.rng)


@dataclass(frozen=True)
class Strategy:
    """A way to pick rows, most wanted first, and what an estimator lacks for it ("" is nothing)."""

    pick: Callable[[Question], np.ndarray]
    lacks: Callable[[Any], str]


def default_strategy(estimator: Any) -> str:
    """The name of the strategy that None stands for."""
    names = ["variance_reduction", "deviation", "disagreement"]
    if is_classifier(estimator):
        names = ["margin", "core_set"]
    return next(name for name in names if not STRATEGIES[name].lacks(estimator))


def pick(strategy: Any, question: Question) -> np.ndarray:
    """Numbers of the rows that a strategy, a name or a function, wants, (n,)."""
    if isinstance(strategy, str):
        return STRATEGIES[strategy].pick(question)
    found, n_pool = np.asarray(strategy(question.model, question.pool)), _num_samples(question.pool)
    if found.dtype.kind not in "biuf" or found.shape != (n_pool,):
        raise ValueError(
            f"strategy must return an array of numbers, one for each of {n_pool} rows, but "
            f"returned one of shape {found.shape} and dtype {found.dtype}."
        )
    if len(without := np.flatnonzero(np.isnan(found))):
        raise ValueError(
            f"strategy must return a number for each row, but returned nan for {len(without)} of "
            f"{n_pool}, the first of them row {without[0]}."
        )
    return top(found.astype(np.float64), question.n, question.rng)


# How each gets its arrays ---------------------------------------------------------------------


def _at_random(question: Question) -> np.ndarray:
    return question.rng.permutation(_num_samples(question.pool))[: question.n]


def _by_probabilities(score: Callable) -> Callable[[Question], np.ndarray]:
    def picked(question: Question) -> np.ndarray:
        return _spread_out(question, score(question.model.predict_proba(question.pool)))

    return picked


def _by_margin(question: Question) -> np.ndarray:
    if hasattr(question.model, "predict_proba"):
        return _by_probabilities(margin)(question)
    return _spread_out(question, nearness(question.model.decision_function(question.pool)))


def _spread_out(question: Question, scores: np.ndarray) -> np.ndarray:
    """A batch of high scores in different places, where rows have places."""
    n, rng = question.n, question.rng
    candidates = top(scores, PREFILTER * n, rng)
    if n == 1 or n == len(candidates):
        return candidates[:n]
    try:
        features = _features(question.model, take(question.pool, candidates))
    except (ValueError, TypeError):  # words or missing values, which an estimator may take
        return candidates[:n]
    return candidates[clustered(features, scores[candidates], n, rng)]


def _by_disagreement(question: Question) -> np.ndarray:
    predictions = question.members()
    if is_classifier(question.model):
        return power(mutual_information(predictions), question.n, question.rng)
    size = max(MOST_ROWS, question.n)
    candidates = top(predictions.var(axis=0), size, question.rng)
    covariance = member_covariance(predictions[:, candidates])
    # Few members span few rows; with noise like what is in doubt, all rows stay in the race.
    noise = np.full(len(candidates), covariance.diagonal().mean())
    return candidates[largest_variance(covariance, noise, question.n)]


def _by_coverage(question: Question) -> np.ndarray:
    pool, labelled = (_features(question.model, rows) for rows in (question.pool, question.X))
    return farthest_first(pool, labelled, question.n)


def _by_covariance(choose: Callable, doubt: float) -> Callable[[Question], np.ndarray]:
    """``doubt`` is the weight of what hyper-parameters leave open."""

    def picked(question: Question) -> np.ndarray:
        n_pool = _num_samples(question.pool)
        size = max(MOST_ROWS, question.n)
        rows = np.arange(n_pool)
        if n_pool > size:
            rows = question.rng.choice(n_pool, size, replace=False)
        pool = take(question.pool, rows)
        covariance, noise = posterior_covariance(question.model, pool)
        if doubt:
            covariance += doubt * _parameters_covariance(question.model, pool, question.rng)
        return rows[choose(covariance, noise, question.n)]

    return picked


def _by_deviation(question: Question) -> np.ndarray:
    if not _covariance(question.model):
        return _by_covariance(largest_variance, 0.0)(question)
    deviation = question.model.predict(question.pool, return_std=True)[1]
    return top(deviation, question.n, question.rng)


def _features(model: Any, rows: Any) -> Any:
    """Rows as a network's layer under the last sees them, or the last step of a Pipeline: 2-d."""
    last, rows = last_step(model, rows)
    if isinstance(last, NetworkEstimator):  # what others transform to need not be features
        rows = last.transform(rows)
    rows = check_array(rows, accept_sparse="csr", allow_nd=True, input_name="X")
    return rows if rows.ndim == 2 else rows.reshape(len(rows), -1)


def posterior_covariance(model: Any, rows: Any) -> tuple[np.ndarray, np.ndarray]:
    """Covariance of f between rows, (n, n), and the variance of each label's noise, (n,)."""
    covariance = model.predict(rows, return_cov=True)[1]
    last, Z = last_step(model, rows)
    if isinstance(last, GaussianProcessRegressor):
        return covariance, np.full(len(covariance), last.noise_variance_)
    Z = np.asarray(Z)
    scale = np.ravel(last._y_train_std)[0] ** 2
    # A kernel takes equal rows of two arrays for two rows, whose white noise is not shared.
    white = last.kernel_.diag(Z) - [last.kernel_(z[None], z[None].copy())[0, 0] for z in Z]
    covariance[np.diag_indices_from(covariance)] -= scale * white
    return covariance, scale * (white + np.mean(last.alpha))


def _parameters_covariance(model: Any, rows: Any, rng: np.random.Generator) -> np.ndarray | float:
    """Covariance of f between rows, (n, n), that comes of hyper-parameters: 0 without priors."""
    last, Z = last_step(model, rows)
    if not isinstance(last, GaussianProcessRegressor):
        return 0.0
    return member_covariance(last._possible_means(Z, N_DRAWS, rng))


# What each needs ------------------------------------------------------------------------------


def _nothing(estimator: Any) -> str:
    return ""


def _probabilities(estimator: Any) -> str:
    if not is_classifier(estimator):
        return "it is for classifiers"
    return "" if hasattr(estimator, "predict_proba") else "it needs predict_proba"


def _scores(estimator: Any) -> str:
    if not is_classifier(estimator):
        return "it is for classifiers"
    known = hasattr(estimator, "predict_proba") or hasattr(estimator, "decision_function")
    return "" if known else "it needs predict_proba or decision_function"


def _opinions(estimator: Any) -> str:
    return _probabilities(estimator) if is_classifier(estimator) else ""


def _last(estimator: Any) -> Any:
    return _last(estimator[-1]) if isinstance(estimator, Pipeline) else estimator


def _deviation(estimator: Any) -> str:
    last = _last(estimator)
    if isinstance(last, NetworkEstimator):
        return "a network's deviation is the noise of y, which labels do not take away"
    if is_classifier(estimator) or "return_std" not in signature(last.predict).parameters:
        return "it needs a predict that takes return_std"
    return ""


def _covariance(estimator: Any) -> str:
    last = _last(estimator)
    if not isinstance(last, GaussianProcessRegressor | ScikitLearnGP):
        return "it is for Gaussian processes"
    if getattr(last, "y_transform", None) is not None:
        return "it is not for y_transform='power', under which the variance depends on y"
    return ""


STRATEGIES = {
    "random": Strategy(_at_random, _nothing),
    "margin": Strategy(_by_margin, _scores),
    "entropy": Strategy(_by_probabilities(entropy), _probabilities),
    "least_confidence": Strategy(_by_probabilities(least_confidence), _probabilities),
    "disagreement": Strategy(_by_disagreement, _opinions),
    "core_set": Strategy(_by_coverage, _nothing),
    "deviation": Strategy(_by_deviation, _deviation),
    "variance_reduction": Strategy(_by_covariance(variance_reduction, DOUBT), _covariance),
}
