"""A batch of several rows, of which a score for each alone knows nothing.

The k highest scores may be k times the same question, and a score that is high for outliers fills a
batch with them. Two remedies, both simple:

    clusters   the rows next to the centres of k clusters of the 10 k highest scores, by k-means in
               which each row counts by its score [1]_
    power      k rows drawn one after another without replacement, each with a probability
               proportional to its score [2]_: those with the k highest log s_i + g_i, where g_i are
               drawn from the Gumbel distribution

.. [1] Zhdanov. Diverse mini-batch active learning. arXiv:1901.05954, 2019.
.. [2] Kirsch, Farquhar, Atighehchian, Jesson, Branchaud-Charron, Gal. Stochastic batch acquisition:
   a simple baseline for deep active learning. Transactions on Machine Learning Research, 2023.
"""

from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.cluster import KMeans
from sklearn.metrics import pairwise_distances

PREFILTER = 10  # times the batch, as in [1]_


def top(scores: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Numbers of the n highest scores, highest first; equal ones in random order."""
    return np.lexsort([rng.random(len(scores)), -scores])[:n]


def power(scores: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Numbers of n rows drawn by their scores, which are at least 0; the first is the highest."""
    first = top(scores, 1, rng)
    with np.errstate(divide="ignore"):
        keys = np.log(scores) + rng.gumbel(size=len(scores))
    keys[first] = np.inf
    return top(keys, n, rng)


def clustered(features: Any, scores: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Which n of some rows, (n_rows, n_features), stand for all of them, highest scores first.

    Scores are at least 0. Of rows that are equal one will do, unless all others are picked.
    """
    weights = np.maximum(scores, 1e-12 * scores.max())
    if not weights.any():
        weights = np.ones(len(scores))
    dense = features.toarray() if sp.issparse(features) else features
    n_distinct = len(np.unique(dense, axis=0))
    means = KMeans(min(n, n_distinct), n_init=1, random_state=int(rng.integers(2**31)))
    means.fit(features, sample_weight=weights)
    # Two centres may be next to one row.
    picked = np.unique(pairwise_distances(means.cluster_centers_, features).argmin(axis=1))
    others = np.setdiff1d(top(scores, len(scores), rng), picked, assume_unique=True)
    first = picked[np.argsort(-scores[picked], kind="stable")]
    return np.concatenate([first, others])[:n]
