"""Ask where labels take most variance away: for models whose variance does not depend on y.

Of a Gaussian process that has seen some labels, let C be the covariance of f between the rows of
the pool, and v_j the variance of the noise of a label of row j. One more label, whatever it is,
leaves [1]_

    C  <-  C - c_j c_j' / (C_jj + v_j),      c_j the column j of C,

and so takes from the variances' sum over the pool

    sum_i C_ij^2 / (C_jj + v_j)                                   variance reduction [2]_ [3]_

As no label need be known for that, a batch is picked exactly as one by one would be, under equal
hyper-parameters.

Those are not known either: under others that the labels leave possible the mean is another. For
variance reduction the covariance of these means is added to C [4]_, three times: what a label tells
about lengthscales makes all later labels worth more. Once they are known there is nothing to add.
The weight hardly matters on functions that ``benchmarks/active/regression.py`` keeps to choose it
by: with 0, 1, 3 and 10 they save 32%, 34%, 31% and 29% of the labels, mean (``--tuning``), and in
an earlier run with other random rows 29%, 31%, 32% and 30%. It does where hyper-parameters are
hardly known, as of Hartmann's function.

The largest variance itself, C_jj, is the other choice (``deviation``, maximum entropy sampling
[5]_): it seeks the edges, where a label tells about few other rows.

.. [1] Rasmussen, Williams. Gaussian Processes for Machine Learning. MIT Press, 2006, equation 2.26.
.. [2] Sacks, Welch, Mitchell, Wynn. Design and analysis of computer experiments. Statistical
   Science 4, 1989, section 4: integrated mean squared error.
.. [3] Cohn, Ghahramani, Jordan. Active learning with statistical models. Journal of Artificial
   Intelligence Research 4, 1996.
.. [4] Riis, Antunes, Huttel, Azevedo, Pereira. Bayesian active learning with fully Bayesian
   Gaussian processes. NeurIPS, 2022: their QB-MGP adds both at the row itself, once.
.. [5] Shewry, Wynn. Maximum entropy sampling. Journal of Applied Statistics 14, 1987.
"""

from collections.abc import Callable

import numpy as np

DOUBT = 3.0  # the weight of what hyper-parameters leave open
LEAST = 1e-12  # of the largest variance, below which it is rounding


def variance_reduction(covariance: np.ndarray, noise: np.ndarray, n: int) -> np.ndarray:
    """Numbers of the n rows whose labels take away the most variance, greedily.

    ``covariance`` is that of f, (n_pool, n_pool); ``noise``, (n_pool,), the variance of a label.
    """

    def reduction(C: np.ndarray, of_label: np.ndarray) -> np.ndarray:
        return np.einsum("ij,ij->j", C, C) / of_label

    return _one_by_one(covariance, noise, n, reduction)


def largest_variance(covariance: np.ndarray, noise: np.ndarray, n: int) -> np.ndarray:
    """Numbers of n rows, each where those before it leave the largest variance of f."""
    return _one_by_one(covariance, noise, n, lambda C, of_label: C.diagonal().copy())


def _one_by_one(covariance: np.ndarray, noise: np.ndarray, n: int, gain: Callable) -> np.ndarray:
    """The rows of highest gain, a function of C and of the variances of labels, (n_pool,)."""
    C, picked = covariance.copy(), np.empty(n, dtype=np.intp)
    least = max(LEAST * C.diagonal().max(), np.finfo(float).tiny)
    for k in range(n):
        of_label = np.maximum(C.diagonal() + noise, least)
        value = gain(C, of_label)
        value[picked[:k]] = -np.inf
        picked[k] = j = value.argmax()
        C -= np.outer(C[j], C[j]) / of_label[j]
    return picked
