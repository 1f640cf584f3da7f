"""Several models that fit the labels about as well: members, thinned networks, or refits.

A forest, a bagged or a voting ensemble has them. A network of skdeep's that was fitted with dropout
is many networks [1]_. Of all else a committee is fitted: clones with other seeds, on labelled rows
drawn with replacement [2]_, of each class as many as there are.

.. [1] Gal, Ghahramani. Dropout as a Bayesian approximation: representing model uncertainty in deep
   learning. ICML, 2016.
.. [2] Abe, Mamitsuka. Query learning strategies using boosting and bagging. ICML, 1998.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.ensemble._base import _set_random_states
from sklearn.ensemble._forest import BaseForest
from sklearn.pipeline import Pipeline
from sklearn.utils import resample

from skdeep import blueprint
from skdeep.active_learning.pools import take
from skdeep.base import NetworkEstimator

N_THINNED, N_REFITS = 50, 5


def member_predictions(
    model: Any, X: Any, y: np.ndarray, pool: Any, n_members: int | None, rng: np.random.Generator
) -> np.ndarray:
    """What members that know the labels y of X predict of the pool.

    Probabilities, (n_members, n_pool, n_classes), of classifiers; numbers, (n_members, n_pool), of
    regressors. ``model`` is fitted on X and y already. An ensemble has as many members as it has.
    """
    last, rows = last_step(model, pool)
    if isinstance(last, BaseForest | BaggingClassifier | BaggingRegressor):
        found = predictions_of_members(last, rows)
    elif isinstance(last, VotingClassifier | VotingRegressor):
        found = (_predicted(member, rows, last) for member in last.estimators_)
    elif isinstance(last, NetworkEstimator) and _is_thinned(last):
        found = _thinned(last, rows, n_members or N_THINNED)
    else:
        found = _committee(model, X, y, pool, n_members or N_REFITS, rng)
    return np.array([*found])


def last_step(model: Any, rows: Any) -> tuple[Any, Any]:
    """The last step of a Pipeline, and the rows as they come to it."""
    while isinstance(model, Pipeline):
        rows, model = model[:-1].transform(rows) if len(model) > 1 else rows, model[-1]
    return model, rows


def predictions_of_members(ensemble: Any, rows: Any) -> Iterator[np.ndarray]:
    """What each member of a fitted forest or bagged ensemble predicts; a member knows no names."""
    rows = np.asarray(rows) if hasattr(rows, "columns") else rows
    features = getattr(ensemble, "estimators_features_", None)
    for i, member in enumerate(ensemble.estimators_):
        seen = rows if features is None else rows[:, features[i]]
        yield _predicted(member, seen, ensemble)


def _predicted(member: Any, rows: Any, whole: Any) -> np.ndarray:
    """Predictions of a member, whose classes are numbers of the whole's."""
    if not is_classifier(whole):
        return member.predict(rows)
    classes = np.arange(len(whole.classes_))
    if not hasattr(member, "predict_proba"):
        return (member.predict(rows)[:, None] == classes).astype(np.float64)
    return _aligned(member.predict_proba(rows), member.classes_, classes)


def _is_thinned(network: NetworkEstimator) -> bool:
    return blueprint.has_dropout(network._fitted.twin, network._fitted.task)


def _thinned(network: NetworkEstimator, rows: Any, n: int) -> Iterator[np.ndarray]:
    """Predictions of n networks thinned by dropout, without the noise that each expects."""
    target, temperatures = network._fitted.target, network._fitted.temperatures
    for outputs in network._sampled(rows, n):
        if is_classifier(network):
            yield target.probabilities(outputs, temperatures)
        else:
            yield target.mixture(iter([outputs]))[0]


def _committee(
    model: Any, X: Any, y: np.ndarray, pool: Any, n: int, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    classifier = is_classifier(model)
    for _ in range(n):
        seed = int(rng.integers(2**31))
        strata = y if classifier else None
        rows = resample(np.arange(len(y)), stratify=strata, random_state=seed)
        member = clone(model)
        _set_random_states(member, np.random.RandomState(seed))
        member.fit(take(X, rows), y[rows])
        if classifier:
            yield _aligned(member.predict_proba(pool), member.classes_, model.classes_)
        else:
            yield member.predict(pool)


def _aligned(probabilities: np.ndarray, known: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Columns for all classes, (n_samples, n_classes); 0 for those that a member never saw."""
    full = np.zeros((len(probabilities), len(classes)))
    full[:, np.searchsorted(classes, known)] = probabilities
    return full
