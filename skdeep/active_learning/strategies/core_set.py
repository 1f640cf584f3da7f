"""Ask for rows that cover the pool: no row is to be far from all labelled ones.

The k-center problem, greedily [1]_: with s the rows that are labelled or picked already,

    next = argmax_i min_{j in s} || z_i - z_j ||,                              algorithm 1

within a factor of two of the smallest radius that so many centres allow. z are the features under a
network's last layer, in which close rows have close outputs; the loss on the pool is bounded by the
radius [1]_, theorem 1. It looks at no label but through these features, so that it is for large
batches and for first labels rather than for the border between two classes.

.. [1] Sener, Savarese. Active learning for convolutional neural networks: a core-set approach.
   ICLR, 2018.
"""

from typing import Any

import numpy as np
from sklearn.metrics import pairwise_distances, pairwise_distances_argmin_min


def farthest_first(pool: Any, labelled: Any, n: int) -> np.ndarray:
    """Numbers of n rows of the pool, (n_pool, n_features), farthest from (n, n_features)."""
    distance = pairwise_distances_argmin_min(pool, labelled)[1].astype(np.float64)
    picked: list[int] = []
    for _ in range(n):
        distance[picked[-1:]] = -1.0  # not even where all rows left are doubles
        picked.append(int(distance.argmax()))
        newest = pairwise_distances(pool, pool[picked[-1:]])[:, 0]
        distance = np.where(distance < 0, distance, np.minimum(distance, newest))
    return np.array(picked)
