"""Scorers that keep the predictions which they score, for what is to be computed from them later.

Only scores that are functions of targets and predictions can be computed anew from stored
predictions. Most of scikit-learn's are; a function of the estimator, or an estimator's own
``score``, can be anything.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import get_scorer
from sklearn.metrics._scorer import _MultimetricScorer, _PassthroughScorer, _Scorer
from sklearn.neighbors import KNeighborsClassifier, RadiusNeighborsClassifier
from sklearn.pipeline import Pipeline

KNOWN_SCORES: dict[Any, str] = dict.fromkeys(
    [
        ClassifierMixin.score,
        DummyClassifier.score,
        KNeighborsClassifier.score,
        RadiusNeighborsClassifier.score,
    ],
    "accuracy",
) | dict.fromkeys([RegressorMixin.score, DummyRegressor.score], "r2")


class Recording(_Scorer):
    """A scorer that keeps the first predictions which it is called with.

    Parameters
    ----------
    scorer : _Scorer
        What it does otherwise.

    Attributes
    ----------
    predictions : ndarray or None
        Labels, numbers, probabilities or scores of each row, as the score function takes them.
    """

    def __init__(self, scorer: _Scorer) -> None:
        self.__dict__.update(vars(scorer))
        self.predictions: Any = None

    def _score(
        self, method_caller: Callable, estimator: Any, X: Any, y_true: Any, **kwargs: Any
    ) -> float:
        def caller(*args: Any, **options: Any) -> Any:
            predictions = method_caller(*args, **options)
            if self.predictions is None:
                self.predictions = predictions
            return predictions

        return super()._score(caller, estimator, X, y_true, **kwargs)


def of_predictions(scorer: Any, optimised: str | None, estimator: BaseEstimator) -> _Scorer | str:
    """A search's scorer, of several the one that is optimised; or why it is not of predictions."""
    if isinstance(scorer, _MultimetricScorer):
        scorer = scorer._scorers[optimised or next(iter(scorer._scorers))]
    if isinstance(scorer, _PassthroughScorer):
        last = last_step(estimator)
        known = KNOWN_SCORES.get(getattr(type(last), "score", None))
        if known is None:
            return f"{type(last).__name__} has a score of its own; name a metric as scoring"
        return get_scorer(known)
    if not isinstance(scorer, _Scorer):
        return "scoring is a function of the estimator; make_scorer makes one of predictions"
    return scorer


def recording(scorer: Any, optimised: str | None, predictive: _Scorer) -> tuple[Any, Recording]:
    """A search's scorer, of one metric or of several, that records; and what records."""
    record = Recording(predictive)
    if not isinstance(scorer, _MultimetricScorer):
        return record, record
    name = optimised or next(iter(scorer._scorers))
    scorers = scorer._scorers | {name: record}
    return _MultimetricScorer(scorers=scorers, raise_exc=scorer._raise_exc), record


def as_array(predictions: Any) -> np.ndarray | None:
    """Predictions or targets as a file can hold them; None if it cannot."""
    try:
        array = np.asarray(predictions)
        if array.dtype == object:
            array = np.array(array.tolist())
    except ValueError:  # sequences of unequal length
        return None
    return None if array.dtype == object else array


def last_step(estimator: Any) -> Any:
    """The estimator itself, or the last step of a Pipeline."""
    while isinstance(estimator, Pipeline):
        estimator = estimator.steps[-1][1]
    return estimator
