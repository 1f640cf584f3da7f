"""What candidates predict for rows that their models had not seen, and its score on any of them.

The score of candidate c with weights w of rows (in a bootstrap, how often each was drawn) is that
of all its predictions together if they are labels or numbers, and a mean over the splits if they
are probabilities or decisions, which different models put on different scales [1]_.

.. [1] Forman, Scholz. Apples-to-apples in cross-validation studies: pitfalls in classifier
   performance measurement. ACM SIGKDD Explorations 12(1), 2010.
"""

import tempfile
import warnings
import weakref
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import sklearn
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import (
    accuracy_score,
    mean_absolute_error,
    mean_squared_error,
    r2_score,
    roc_auc_score,
    root_mean_squared_error,
)
from sklearn.metrics._scorer import _Scorer

IN_MEMORY = 2**26  # bytes; predictions beyond are kept in a temporary file

# Scores that follow from a mean over rows, and from the variance of y: many resamples at once.
Rowwise = Callable[[np.ndarray, np.ndarray], np.ndarray]
BY_ROWS: dict[Any, tuple[Rowwise, Rowwise]] = {
    accuracy_score: (lambda y, p: y == p, lambda mean, variance: mean),
    mean_absolute_error: (lambda y, p: abs(y - p), lambda mean, variance: mean),
    mean_squared_error: (lambda y, p: (y - p) ** 2, lambda mean, variance: mean),
    root_mean_squared_error: (lambda y, p: (y - p) ** 2, lambda mean, variance: np.sqrt(mean)),
    r2_score: (lambda y, p: (y - p) ** 2, lambda mean, variance: 1 - mean / variance),
}


class OutOfFold:
    """Predictions of candidates on the test rows of their splits.

    Parameters
    ----------
    scorer : _Scorer
        Of targets and predictions.
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Targets.
    sample_weight : ndarray of shape (n_samples,) or None
        Weights with which rows are scored.
    """

    def __init__(self, scorer: _Scorer, y: np.ndarray, sample_weight: Any = None) -> None:
        self.y = np.asarray(y)
        self._scorer = scorer
        self._sample_weight = None if sample_weight is None else np.asarray(sample_weight, float)
        self._parts: dict[int, list[tuple[np.ndarray, np.ndarray]]] = defaultdict(list)
        self._n_bytes = 0
        self._file: Any = None
        self.is_pooled = scorer._response_method == "predict"
        plain = self.y.ndim == 1 and not scorer._kwargs
        self._rowwise = BY_ROWS.get(scorer._score_func) if plain else None
        self._is_auc = plain and scorer._score_func is roc_auc_score and len(np.unique(y)) == 2
        self.is_quick = self._rowwise is not None or self._is_auc

    def add(self, candidate: int, rows: np.ndarray, predictions: np.ndarray) -> None:
        """Keep a candidate's predictions for the test rows of one more split."""
        self._n_bytes += predictions.nbytes
        if self._n_bytes > IN_MEMORY:
            predictions = self._on_disk(predictions)
        self._parts[candidate].append((rows, predictions))

    def n_parts(self, candidate: int) -> int:
        """How many splits of a candidate are here."""
        return len(self._parts[candidate])

    def scores(self, candidates: Sequence[int], weights: np.ndarray) -> np.ndarray:
        """Scores of candidates with weights of rows, (n_resamples, n_samples).

        Returns
        -------
        scores : ndarray of shape (n_resamples, n_candidates)
            nan where the score is not defined, as for too few rows.
        """
        if self.is_quick:
            one = self._auc if self._is_auc else self._by_rows
            return np.stack([one(c, weights) for c in candidates], axis=1)
        quickly = sklearn.config_context(assume_finite=True, skip_parameter_validation=True)
        with warnings.catch_warnings(), quickly:
            # That a resample lacks a class is no news of the user's data.
            warnings.simplefilter("ignore", UndefinedMetricWarning)
            return np.array([[self._score(c, w) for c in candidates] for w in weights])

    def _by_rows(self, candidate: int, weights: np.ndarray) -> np.ndarray:
        """Scores, (n_resamples,), of one candidate."""
        assert self._rowwise is not None
        rowwise, score = self._rowwise
        total, count = np.zeros((2, len(self.y)))
        for rows, predictions in self._parts[candidate]:
            total[rows] += rowwise(self.y[rows], predictions)
            count[rows] += 1
        if self._sample_weight is not None:
            total, count = total * self._sample_weight, count * self._sample_weight
        variance = np.array(np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):  # no rows: nan
            n = weights @ count
            if self._scorer._score_func is r2_score:
                centred = self.y - self.y.mean()
                mean = weights @ (count * centred) / n
                variance = weights @ (count * centred**2) / n - mean**2
            return self._scorer._sign * score(weights @ total / n, variance)

    def _auc(self, candidate: int, weights: np.ndarray) -> np.ndarray:
        """Areas under ROC curves, (n_resamples,): pairs in the right order, ties half, of all."""
        if self._sample_weight is not None:
            weights = weights * self._sample_weight
        is_positive = self.y == np.unique(self.y)[1]
        areas = []
        for rows, predictions in self._parts[candidate]:
            order = np.argsort(predictions)
            starts = np.unique(predictions[order], return_index=True)[1]
            here = weights[:, rows[order]]
            positive = np.add.reduceat(here * is_positive[rows[order]], starts, axis=1)
            negative = np.add.reduceat(here * ~is_positive[rows[order]], starts, axis=1)
            below = negative.cumsum(axis=1) - negative / 2
            with np.errstate(invalid="ignore"):  # one class only: nan
                pairs = positive.sum(axis=1) * negative.sum(axis=1)
                areas.append((positive * below).sum(axis=1) / pairs)
        return _mean_of_known(np.array(areas))

    def _score(self, candidate: int, weights: np.ndarray) -> float:
        """Score of one candidate, with whole numbers as weights."""
        parts = self._parts[candidate]
        if self.is_pooled:
            rows, predictions = map(np.concatenate, zip(*parts))
            parts = [(rows, predictions)]
        found = []
        for rows, predictions in parts:
            drawn = np.repeat(np.arange(len(rows)), weights[rows].astype(int))
            given = dict(self._scorer._kwargs)
            if self._sample_weight is not None:
                given["sample_weight"] = self._sample_weight[rows[drawn]]
            try:
                score = self._scorer._score_func(self.y[rows[drawn]], predictions[drawn], **given)
            except Exception:  # of no rows, or of one class only: a metric of the user's may do so
                continue
            found.append(self._scorer._sign * score)
        return float(_mean_of_known(np.array(found))) if found else np.nan

    def _on_disk(self, predictions: np.ndarray) -> np.ndarray:
        if self._file is None:
            self._file = tempfile.TemporaryFile()
            weakref.finalize(self, self._file.close)
        offset = self._file.seek(0, 2)
        self._file.write(predictions.tobytes())
        self._file.flush()
        return np.memmap(self._file, predictions.dtype, "r", offset, predictions.shape)


def _mean_of_known(scores: np.ndarray) -> np.ndarray:
    """Means over the first axis of what is not nan; nan where nothing is."""
    known = ~np.isnan(scores)
    with np.errstate(invalid="ignore"):
        return np.where(known, scores, 0).sum(axis=0) / known.sum(axis=0)
