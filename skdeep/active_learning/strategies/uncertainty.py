"""Ask where a classifier is least sure: entropy, margin, least confidence.

Of a row's class probabilities p_1 >= p_2 >= ..., sorted, a score that is larger where they tell
less:

    entropy            - sum_k p_k log p_k                                   Shannon
    least confidence   1 - p_1                                               Lewis, Gale [1]_
    margin             1 - (p_1 - p_2)                                       Scheffer et al. [2]_

For two classes the three rank rows alike. For more, entropy counts doubt between classes that are
unlikely anyway, and the margin only the doubt that a label would settle; it is the default.

.. [1] Lewis, Gale. A sequential algorithm for training text classifiers. SIGIR, 1994.
.. [2] Scheffer, Decomain, Wrobel. Active hidden Markov models for information extraction. IDA,
   2001. A survey of all three: Settles. Active learning literature survey. University of
   Wisconsin-Madison, 2009, section 3.1.
"""

import numpy as np
from scipy.special import entr


def entropy(probabilities: np.ndarray) -> np.ndarray:
    """Entropy of each row's distribution, (n_samples, n_classes), in nats: (n_samples,)."""
    return entr(np.clip(probabilities, 0.0, 1.0)).sum(axis=1)


def least_confidence(probabilities: np.ndarray) -> np.ndarray:
    """One less the probability of the likeliest class: (n_samples,), in [0, 1)."""
    return 1.0 - probabilities.max(axis=1)


def margin(probabilities: np.ndarray) -> np.ndarray:
    """One less the distance of the two likeliest classes: (n_samples,), in [0, 1]."""
    second, first = np.sort(probabilities, axis=1)[:, -2:].T
    return 1.0 - (first - second)


def nearness(decision: np.ndarray) -> np.ndarray:
    """1 / (1 + d), d the distance from the border between classes, (n_samples,) [1]_.

    ``decision`` is a decision function's: (n_samples,) for two classes, where d is its absolute
    value, else (n_samples, n_classes), where d is by how much the highest leads.

    .. [1] Tong, Koller. Support vector machine active learning with applications to text
       classification. Journal of Machine Learning Research 2, 2001.
    """
    if decision.ndim == 1:
        return 1.0 / (1.0 + np.abs(decision))
    second, first = np.sort(decision, axis=1)[:, -2:].T
    return 1.0 / (1.0 + (first - second))
