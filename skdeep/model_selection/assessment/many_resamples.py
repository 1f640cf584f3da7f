"""Metrics of many bootstrap resamples at once: each is a weight for every row.

Scores are those of scikit-learn on rows that are repeated as often as their weights say, in matrix
products in place of a call for each resample, but for R2, which is linear in its rows here: with M
the mean squared error on all rows of a part, V the variance of their targets and e, d the error and
the deviation of one of them, its share is [1]_

    1 - e^2 / V + (M / V) (d^2 / V - 1).

On all rows that is R2; on the few of a resample R2 itself has a variance in the denominator that
may be next to nothing.

.. [1] Hampel. The influence curve and its role in robust estimation. JASA 69, 1974.
"""

from collections.abc import Callable
from functools import partial
from itertools import combinations
from types import FunctionType
from typing import Any

import numpy as np
from sklearn import metrics
from sklearn.metrics._scorer import _Scorer

# Targets and predictions of the rows of a part, (n_rows, ...), the weights of all, (n_rows,), and
# of resamples, (n_resamples, n_rows): scores, (n_resamples,), nan where there is none.
Metric = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]
UNIT, AT_MOST_1, LOSS = (0.0, 1.0), (-np.inf, 1.0), (-np.inf, 0.0)


def quick(scorer: _Scorer, y: np.ndarray) -> Metric | None:
    """A scorer's metric, greater for better; None if it has to be computed one by one."""
    metric, given = scorer._score_func, scorer._kwargs
    average, two = given.get("average"), y.ndim == 1 and len(np.unique(y)) == 2
    found: Any = None
    if y.ndim > 1 or not isinstance(metric, FunctionType):  # others need have no hash
        return None
    if metric in OF_ROWS and not given:
        found = partial(_mean, *OF_ROWS[metric])
    elif metric in OF_COUNTS and set(given) <= {"average", "pos_label", "beta"}:
        positive, average = given.get("pos_label", 1), average or "binary"
        if (average != "samples" and metric is not metrics.fbeta_score) or "beta" in given:
            found = partial(_of_counts, OF_COUNTS[metric], given.get("beta", 1), average, positive)
    elif metric in (metrics.balanced_accuracy_score, metrics.matthews_corrcoef) and not given:
        found = _balanced if metric is metrics.balanced_accuracy_score else _matthews
    elif metric is metrics.roc_auc_score and set(given) <= {"average", "multi_class"}:
        if two or average in (None, "macro", "weighted"):
            found = partial(_auc, given.get("multi_class") == "ovo", average == "weighted")
    elif metric is metrics.average_precision_score and two and set(given) <= {"pos_label"}:
        found = partial(_average_precision, given.get("pos_label", 1))
    if found is None:
        return None

    def signed(*args: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):  # no rows: nan
            return scorer._sign * found(*args)

    return signed


def is_of_rows(scorer: _Scorer) -> bool:
    """Whether a metric is a mean over rows, so that any of them will do."""
    return scorer._score_func in OF_ROWS


def n_sorts(scorer: _Scorer, y: np.ndarray) -> int:
    """How often a metric sorts each row of a resample, which is what takes its time."""
    if scorer._score_func not in (metrics.roc_auc_score, metrics.average_precision_score):
        return 0
    n = len(np.unique(y))
    in_pairs = scorer._kwargs.get("multi_class") == "ovo"
    return 1 if n == 2 else 2 * (n - 1) if in_pairs else n


def bounds(scorer: _Scorer) -> tuple[float, float]:
    """Between which values a score lies, as far as that is known."""
    metric = scorer._score_func
    if not isinstance(metric, FunctionType):
        return -np.inf, np.inf
    if metric in IN_UNIT and not scorer._kwargs.get("adjusted"):
        return UNIT
    if metric in UP_TO_ONE:
        return AT_MOST_1
    is_known = (metric.__module__ or "").startswith("sklearn.metrics")
    return LOSS if is_known and scorer._sign < 0 else (-np.inf, np.inf)


def _mean(
    of_row: Callable, of_mean: Callable, y: np.ndarray, p: np.ndarray, w: np.ndarray, W: np.ndarray
) -> np.ndarray:
    return of_mean(W @ of_row(y, p, w) / W.sum(axis=1))


def _log_loss(y: np.ndarray, p: np.ndarray, w: np.ndarray) -> np.ndarray:
    shares, is_class = _shares(y, p)
    tiny = np.finfo(p.dtype).eps
    return -np.log(shares.clip(tiny, 1 - tiny)[is_class])


def _brier(y: np.ndarray, p: np.ndarray, w: np.ndarray) -> np.ndarray:
    shares, is_class = _shares(y, p)
    return ((shares - is_class) ** 2).sum(axis=1) / (2 if shares.shape[1] == 2 else 1)


def _shares(y: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of classes, and which of them it is, (n_rows, n_classes)."""
    return np.column_stack([1 - p, p]) if p.ndim == 1 else p, y[:, None] == np.unique(y)


def _r2(y: np.ndarray, p: np.ndarray, w: np.ndarray) -> np.ndarray:
    squares, deviations = (y - p) ** 2, (y - np.average(y, weights=w)) ** 2
    error, variance = np.average(squares, weights=w), np.average(deviations, weights=w)
    if variance == 0:  # as scikit-learn has it, which has none for one row
        return np.full(len(y), np.nan if len(y) < 2 else float(error == 0))
    return 1 - squares / variance + error / variance * (deviations / variance - 1)


def _same(mean: np.ndarray) -> np.ndarray:
    return mean


def _squares(y: np.ndarray, p: np.ndarray, w: np.ndarray) -> np.ndarray:
    return (y - p) ** 2


def _squares_of_logs(y: np.ndarray, p: np.ndarray, w: np.ndarray) -> np.ndarray:
    return (np.log1p(y) - np.log1p(p)) ** 2


# What is averaged over rows, by (y, p, w); and what becomes of the mean.
OF_ROWS: dict[Any, tuple[Callable, Callable]] = {
    metrics.accuracy_score: (lambda y, p, w: (y == p).astype(float), _same),
    metrics.mean_absolute_error: (lambda y, p, w: abs(y - p), _same),
    metrics.mean_absolute_percentage_error: (
        lambda y, p, w: abs(y - p) / np.maximum(abs(y), np.finfo(float).eps),
        _same,
    ),
    metrics.mean_squared_error: (_squares, _same),
    metrics.root_mean_squared_error: (_squares, np.sqrt),
    metrics.mean_squared_log_error: (_squares_of_logs, _same),
    metrics.root_mean_squared_log_error: (_squares_of_logs, np.sqrt),
    metrics.r2_score: (_r2, _same),
    metrics.log_loss: (_log_loss, _same),
    metrics.brier_score_loss: (_brier, _same),
}


# Of rows of a class, rows predicted to be, rows that are both, and beta.
OF_COUNTS: dict[Any, Callable] = {
    metrics.precision_score: lambda true, told, hits, beta: _ratio(hits, told),
    metrics.recall_score: lambda true, told, hits, beta: _ratio(hits, true),
    metrics.f1_score: lambda true, told, hits, beta: _ratio(2 * hits, true + told),
    metrics.fbeta_score: lambda true, told, hits, beta: _ratio(
        (1 + beta**2) * hits, beta**2 * true + told
    ),
    metrics.jaccard_score: lambda true, told, hits, beta: _ratio(hits, true + told - hits),
}


def _of_counts(
    score: Callable,
    beta: float,
    average: str,
    positive: Any,
    y: np.ndarray,
    p: np.ndarray,
    w: np.ndarray,
    W: np.ndarray,
) -> np.ndarray:
    classes, true, told, hits = _counts(y, p, W)
    if average == "micro":
        return score(true.sum(axis=1), told.sum(axis=1), hits.sum(axis=1), beta)
    scores = score(true, told, hits, beta)
    if average == "binary":
        return scores[:, classes == positive].sum(axis=1)
    shares = true if average == "weighted" else true + told > 0
    return (scores * shares).sum(axis=1) / shares.sum(axis=1)


def _balanced(y: np.ndarray, p: np.ndarray, w: np.ndarray, W: np.ndarray) -> np.ndarray:
    _, true, _, hits = _counts(y, p, W)
    return _ratio(hits, true).sum(axis=1) / (true > 0).sum(axis=1)


def _matthews(y: np.ndarray, p: np.ndarray, w: np.ndarray, W: np.ndarray) -> np.ndarray:
    _, true, told, hits = _counts(y, p, W)
    n = true.sum(axis=1)
    both = hits.sum(axis=1) * n - (true * told).sum(axis=1)
    return _ratio(both, np.sqrt((n**2 - (true**2).sum(axis=1)) * (n**2 - (told**2).sum(axis=1))))


def _counts(y: np.ndarray, p: np.ndarray, W: np.ndarray) -> tuple[np.ndarray, ...]:
    """Classes; and of resamples and classes, rows of it, predicted to be, and both."""
    classes = np.unique(np.concatenate([y, p]))
    true, told = y[:, None] == classes, p[:, None] == classes
    return classes, W @ true, W @ told, W @ (true & told)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """0 where both are."""
    return np.divide(part, whole, out=np.zeros_like(part, dtype=float), where=whole != 0)


def _auc(
    in_pairs: bool,
    is_weighted: bool,
    y: np.ndarray,
    p: np.ndarray,
    w: np.ndarray,
    W: np.ndarray,
) -> np.ndarray:
    """Areas under ROC curves, of more than two classes a mean over each or over pairs."""
    classes = np.unique(y)
    if p.ndim == 1:
        return _area(y == classes[-1], p, W)
    areas, shares = [], []
    if in_pairs:
        for a, b in combinations(range(len(classes)), 2):
            here = np.isin(y, classes[[a, b]])
            both = [_area(y[here] == classes[c], p[here, c], W[:, here]) for c in (a, b)]
            areas.append(np.mean(both, axis=0))
            shares.append(W[:, here].sum(axis=1))
    else:
        for c, own in enumerate(classes):
            areas.append(_area(y == own, p[:, c], W))
            shares.append(W[:, y == own].sum(axis=1))
    return mean_of_known(np.array(areas), np.array(shares) if is_weighted else None)


def _area(is_positive: np.ndarray, p: np.ndarray, W: np.ndarray) -> np.ndarray:
    """Pairs in the right order, ties half, of all; nan if there are none."""
    order = np.argsort(p)
    starts = np.unique(p[order], return_index=True)[1]
    here = W[:, order]
    positive = np.add.reduceat(here * is_positive[order], starts, axis=1)
    negative = np.add.reduceat(here * ~is_positive[order], starts, axis=1)
    below = negative.cumsum(axis=1) - negative / 2
    return (positive * below).sum(axis=1) / (positive.sum(axis=1) * negative.sum(axis=1))


def _average_precision(
    label: Any, y: np.ndarray, p: np.ndarray, w: np.ndarray, W: np.ndarray
) -> np.ndarray:
    order = np.argsort(-p)
    starts = np.unique(-p[order], return_index=True)[1]
    here = W[:, order]
    positive = np.add.reduceat(here * (y[order] == label), starts, axis=1)
    so_far = np.add.reduceat(here, starts, axis=1).cumsum(axis=1)
    precision = _ratio(positive.cumsum(axis=1), so_far)
    return (positive * precision).sum(axis=1) / positive.sum(axis=1)


def mean_of_known(scores: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Means over the first axis of what is not nan; nan where nothing is."""
    known = ~np.isnan(scores)
    shares = known if weights is None else known * weights
    with np.errstate(invalid="ignore"):
        return (np.where(known, scores, 0) * shares).sum(axis=0) / shares.sum(axis=0)


IN_UNIT = {
    metrics.accuracy_score,
    metrics.balanced_accuracy_score,
    metrics.top_k_accuracy_score,
    metrics.roc_auc_score,
    metrics.average_precision_score,
    *OF_COUNTS,
}
UP_TO_ONE = {
    metrics.r2_score,
    metrics.explained_variance_score,
    metrics.d2_absolute_error_score,
    metrics.d2_log_loss_score,
    metrics.d2_brier_score,
    metrics.matthews_corrcoef,
    metrics.cohen_kappa_score,
}
