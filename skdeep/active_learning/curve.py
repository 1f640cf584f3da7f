"""What labels are worth: the score on held-out rows against their number, by strategy.

Of data whose labels are all known, so that asking costs nothing. In each repeat, a split of ``cv``,
all strategies begin with the same rows and are scored on the same others, so that of two curves
their difference counts: between repeats it varies far less than the curves do.
"""

from collections.abc import Iterable, Iterator, Sequence
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import clone, is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, validate_params
from sklearn.utils.validation import check_consistent_length
from tqdm.auto import tqdm

from skdeep.active_learning.labels import split_labels
from skdeep.active_learning.learner import ActiveLearner
from skdeep.active_learning.pools import rows_of, take

COLUMNS = ["strategy", "repeat", "n_labels", "score"]
_COUNT = Interval(Integral, 1, None, closed="left")


@validate_params(
    {
        "estimator": [HasMethods(["fit", "predict"])],
        "strategies": [list, tuple],
        "n_initial": [_COUNT],
        "batch_size": [_COUNT],
        "n_labels": [_COUNT],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=False,
)
def label_budget_curve(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    strategies: Sequence[Any] = ("random", None),
    n_initial: int = 10,
    batch_size: int = 10,
    n_labels: int = 100,
    scoring: Any = None,
    cv: Any = 5,
    n_jobs: int | None = None,
    random_state: int | np.random.RandomState | None = None,
    verbose: int = 0,
) -> pd.DataFrame:
    """Score of an active learner on held-out rows, against the number of labels.

    Parameters
    ----------
    estimator : estimator object
        A classifier or a regressor, as in :class:`ActiveLearner`.
    X : array-like of shape (n_samples, ...)
        Rows.
    y : array-like of shape (n_samples,)
        Their labels, all of them, of which each learner sees those that it asks for.
    strategies : list or tuple, default=("random", None)
        To compare, as in :class:`ActiveLearner`; None is the default for the estimator.
    n_initial : int in [1, inf), default=10
        Labels to begin with: of random rows, and for classifiers one of each class among them, or
        of as many classes as there are rows.
    batch_size : int in [1, inf), default=10
        Labels between two fits.
    n_labels : int in [1, inf), default=100
        Labels at the end.
    scoring : str, callable or None, default=None
        As in scikit-learn's ``learning_curve``; None is the estimator's ``score``.
    cv : int, cross-validation generator or iterable, default=5
        As in scikit-learn's ``learning_curve``: a repeat for each split. The training rows are the
        pool, the others are scored. ``ShuffleSplit(10, test_size=0.3)`` makes ten repeats.
    n_jobs : int or None, default=None
        Courses of one strategy on one split that run side by side, in threads unless
        ``joblib.parallel_config`` has it otherwise.
    random_state : int, RandomState instance or None, default=None
        Seed of the first rows and of the strategies.
    verbose : int, default=0
        1: a progress bar, which counts courses.

    Returns
    -------
    curve : DataFrame
        ``strategy`` (its name), ``repeat`` (from 0), ``n_labels`` and ``score``.

    Raises
    ------
    ValueError
        If a split has fewer training rows than ``n_labels``, a label is missing, or the estimator
        cannot carry a strategy out.

    See Also
    --------
    LabelBudgetDisplay : The same as a picture.
    label_budget_area : The mean score of each course.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.preprocessing import scale
    >>> from skdeep.active_learning import label_budget_curve
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> curve = label_budget_curve(
    ...     LogisticRegression(), X, y, n_initial=5, batch_size=5, n_labels=25, random_state=0
    ... )
    >>> print(curve.groupby(["strategy", "n_labels"])["score"].mean().unstack(0).round(2))
    strategy  margin  random
    n_labels
    5           0.77    0.77
    10          0.89    0.77
    15          0.91    0.79
    20          0.93    0.83
    25          0.95    0.87
    """
    X = rows_of(X)
    y, known = split_labels(y, is_classifier(estimator))
    check_consistent_length(X, known)
    if not known.all():
        raise ValueError(
            f"y has no label (None, nan, or -1 among integers) at {np.flatnonzero(~known)}, but a "
            f"curve needs all of them; leave these rows out."
        )
    learners = _learners(estimator, strategies)
    scorer = check_scoring(next(iter(learners.values())), scoring)
    splits = [*check_cv(cv, y, classifier=is_classifier(estimator)).split(X, y)]
    fewest = min(len(train) for train, _ in splits)
    if not n_initial <= n_labels <= fewest:
        raise ValueError(
            f"n_labels must be at least n_initial, {n_initial}, and at most {fewest}, the fewest "
            f"training rows of a split, but is {n_labels}."
        )
    seeds = check_random_state(random_state).randint(2**31, size=len(splits))
    jobs, names = [], []
    for repeat, (train, test) in enumerate(splits):
        rng = np.random.default_rng(seeds[repeat])
        order = _beginning(y[train], n_initial, is_classifier(estimator), rng)
        for name, learner in learners.items():
            learner = clone(learner).set_params(random_state=int(seeds[repeat]))
            course = delayed(_course)(
                learner, X, y, train[order], test, n_initial, batch_size, n_labels, scorer
            )
            jobs.append(course)
            names.append((name, repeat))
    courses = Parallel(n_jobs=n_jobs, prefer="threads", return_as="generator")(jobs)
    bar = tqdm(courses, total=len(jobs), unit="course", disable=not verbose)
    found = [(*name, *point) for course, name in zip(bar, names) for point in course]
    return pd.DataFrame(found, columns=COLUMNS)


def label_budget_area(curve: pd.DataFrame) -> pd.DataFrame:
    """The mean score of each course, by trapezoids: the area under it over its width.

    Parameters
    ----------
    curve : DataFrame
        Of :func:`label_budget_curve`.

    Returns
    -------
    areas : DataFrame
        A row for each repeat, a column for each strategy.

    Examples
    --------
    >>> import pandas as pd
    >>> from skdeep.active_learning import label_budget_area
    >>> points = [("margin", 0, 10, 0.5), ("margin", 0, 20, 0.7), ("margin", 0, 40, 0.9)]
    >>> curve = pd.DataFrame(points, columns=["strategy", "repeat", "n_labels", "score"])
    >>> print(label_budget_area(curve).round(3))
    strategy  margin
    repeat
    0          0.733
    """
    if lacking := [name for name in COLUMNS if name not in curve]:
        raise ValueError(
            f"curve must be a DataFrame of label_budget_curve, but has no {', '.join(lacking)}."
        )

    def area(course: pd.DataFrame) -> float:
        n, score = course["n_labels"].to_numpy(), course["score"].to_numpy()
        return float(np.trapezoid(score, n) / np.ptp(n)) if len(n) > 1 else float(score[0])

    courses = curve.groupby(["repeat", "strategy"], sort=False)[["n_labels", "score"]]
    return courses.apply(area).unstack("strategy")


def _learners(estimator: Any, strategies: Iterable[Any]) -> dict[str, ActiveLearner]:
    """A learner for each strategy, by the strategy's name."""
    learners = {}
    for strategy in strategies:
        learner = ActiveLearner(estimator, strategy=strategy)
        learner._validate_params()
        chosen = learner._chosen_strategy()
        name = chosen if isinstance(chosen, str) else getattr(chosen, "__name__", repr(chosen))
        if name in learners:
            raise ValueError(f"strategies has {name!r} twice; give functions different names.")
        learners[name] = learner
    if not learners:
        raise ValueError("strategies is empty; pass at least one, as 'random'.")
    return learners


def _beginning(y: np.ndarray, n: int, classes: bool, rng: np.random.Generator) -> np.ndarray:
    """All rows, (n_rows,), in the order in which to begin with them."""
    order = rng.permutation(len(y))
    if classes:
        firsts = np.sort(np.unique(y[order], return_index=True)[1])[:n]
        order = np.concatenate([order[firsts], np.delete(order, firsts)])
    return order


def _course(
    learner: ActiveLearner,
    X: Any,
    y: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    n_initial: int,
    batch_size: int,
    n_labels: int,
    scorer: Any,
) -> list[tuple[int, float]]:
    """(number of labels, score) after each fit."""

    def lessons() -> Iterator[int]:
        learner.fit(take(X, train[:n_initial]), y[train[:n_initial]])
        pool = train[n_initial:]
        while (n := len(learner.y_)) < n_labels:
            yield n
            learner.set_params(batch_size=min(batch_size, n_labels - n))
            rows = learner.query(take(X, pool))
            learner.teach(take(X, pool[rows]), y[pool[rows]])
            pool = np.delete(pool, rows)
        yield n

    X_test, y_test = take(X, test), y[test]
    return [(n, float(scorer(learner, X_test, y_test))) for n in lessons()]
