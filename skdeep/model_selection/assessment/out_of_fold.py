"""What candidates predict for rows that their models had not seen, and its score on any of them.

The score of candidate c with weights w of rows (in a bootstrap, how often each was drawn) is that
of each split's test rows, a mean over the splits, as in the search: different models put their
predictions on different scales, and what is pooled is another score [1]_. Splits count by the mean
weight of their rows, all the same in the search; so a mean over rows stays one, however few there
are in a split.

.. [1] Forman, Scholz. Apples-to-apples in cross-validation studies: pitfalls in classifier
   performance measurement. ACM SIGKDD Explorations 12(1), 2010.
"""

import tempfile
import warnings
import weakref
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sklearn
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics._scorer import _Scorer
from sklearn.utils.multiclass import type_of_target

from skdeep.model_selection.assessment.many_resamples import (
    bounds,
    is_of_rows,
    mean_of_known,
    n_sorts,
    quick,
)

IN_MEMORY = 2**26  # bytes; predictions beyond are kept in a temporary file


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

    Attributes
    ----------
    is_quick : bool
        Whether many resamples are scored at once.
    n_sorts : int
        How often each row is sorted for that.
    bounds : tuple of float
        Between which the score lies.
    """

    def __init__(self, scorer: _Scorer, y: np.ndarray, sample_weight: Any = None) -> None:
        self.y = _flat(np.asarray(y))
        self.bounds = bounds(scorer)
        self._scorer = scorer
        self._sample_weight = None if sample_weight is None else np.asarray(sample_weight, float)
        self._parts: dict[int, list[tuple[np.ndarray, np.ndarray | _OnDisk]]] = defaultdict(list)
        self._n_bytes = 0
        self._file: Any = None
        self._quick = quick(scorer, self.y)
        self.is_quick = self._quick is not None
        self.n_sorts = n_sorts(scorer, self.y)
        self._needs_classes = not (self.is_quick and is_of_rows(scorer)) and (
            type_of_target(self.y) in ("binary", "multiclass")
        )

    def add(self, candidate: int, rows: np.ndarray, predictions: np.ndarray) -> None:
        """Keep a candidate's predictions for the test rows of one more split."""
        predictions = _flat(predictions)
        self._n_bytes += predictions.nbytes
        kept = predictions if self._n_bytes <= IN_MEMORY else self._on_disk(predictions)
        self._parts[candidate].append((rows, kept))

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
        n_parts = max(map(self.n_parts, candidates))
        found = np.full((n_parts, len(weights), len(candidates)), np.nan)
        shares = np.zeros(found.shape)
        for part in range(n_parts):
            here: _Drawn | None = None
            for column, candidate in enumerate(candidates):
                if part < self.n_parts(candidate):
                    rows, predictions = self._parts[candidate][part]
                    # Of most searches all candidates have the same splits.
                    if here is None or not np.array_equal(here.rows, rows):
                        here = self._drawn(rows, weights)
                    found[part, :, column] = self._score(here, np.asarray(predictions))
                    shares[part, :, column] = here.counts.mean(axis=1)
        return mean_of_known(found, shares)

    def _drawn(self, rows: np.ndarray, weights: np.ndarray) -> "_Drawn":
        """What all candidates with these test rows have in common."""
        y, here = self.y[rows], weights[:, rows]
        enough = np.any(here, axis=1)
        if self._needs_classes:
            # Without half of its classes a part has no such score, or another one.
            is_class = y[:, None] == np.unique(y)
            enough &= 2 * ((here > 0) @ is_class > 0).sum(axis=1) > is_class.shape[1]
        own = np.ones(len(rows)) if self._sample_weight is None else self._sample_weight[rows]
        return _Drawn(rows, y, own, here, here * own, enough)

    def _score(self, drawn: "_Drawn", predictions: np.ndarray) -> np.ndarray:
        """Scores of one candidate on the test rows of one split, (n_resamples,)."""
        if self._quick is not None:
            found = self._quick(drawn.y, predictions, drawn.own, drawn.weights)
            return np.where(drawn.enough, found, np.nan)
        scores = np.full(len(drawn.counts), np.nan)
        quickly = sklearn.config_context(assume_finite=True, skip_parameter_validation=True)
        with warnings.catch_warnings(), quickly:
            # That a resample lacks what the metric divides by is no news of the user's data.
            warnings.simplefilter("ignore", UndefinedMetricWarning)
            for i in np.flatnonzero(drawn.enough):
                rows = np.repeat(np.arange(len(drawn.rows)), drawn.counts[i].astype(int))
                given = dict(self._scorer._kwargs)
                if self._sample_weight is not None:
                    given["sample_weight"] = drawn.own[rows]
                try:
                    score = self._scorer._score_func(drawn.y[rows], predictions[rows], **given)
                except Exception:  # of too few rows: a metric of the user's may do so
                    continue
                scores[i] = self._scorer._sign * score
        return scores

    def _on_disk(self, predictions: np.ndarray) -> "_OnDisk":
        if self._file is None:
            self._file = tempfile.TemporaryFile()
            weakref.finalize(self, self._file.close)
        offset = self._file.seek(0, 2)
        self._file.write(predictions.tobytes())
        return _OnDisk(self._file, offset, predictions.dtype, predictions.shape)


@dataclass(frozen=True)
class _Drawn:
    """The test rows of a split, their targets and weights, and how often resamples have them."""

    rows: np.ndarray
    y: np.ndarray
    own: np.ndarray  # weights with which rows are scored
    counts: np.ndarray  # (n_resamples, n_rows)
    weights: np.ndarray  # both together
    enough: np.ndarray  # whether there is what a score needs, (n_resamples,)


@dataclass(frozen=True)
class _OnDisk:
    """An array in a file: where, and of what kind. One open file is enough for all."""

    file: Any
    offset: int
    dtype: np.dtype
    shape: tuple[int, ...]

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        self.file.seek(self.offset)
        n_bytes = self.dtype.itemsize * int(np.prod(self.shape))
        return np.frombuffer(self.file.read(n_bytes), self.dtype).reshape(self.shape)


def _flat(values: np.ndarray) -> np.ndarray:
    """One column as scikit-learn's metrics take it: as values of rows."""
    return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
