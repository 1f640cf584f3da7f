"""Whose doing the scores are: shares of variance, of each parameter and each pair.

For independent u_1, ..., u_d, uniform as the space has them, a function f splits into

    f(u) = f_0 + sum_i f_i(u_i) + sum_i<j f_ij(u_i, u_j) + ...,

whose parts have mean 0 and no correlation, so that their variances V_i, V_ij, ... add up to that
of f, V [1]_. The share V_i / V is what parameter i does by itself; V_ij / V is what i and j do
together beyond that: Sobol's first-order and second-order indices; with all that i takes part in
they make its total index. With A and B two tables of n rows, A_i that of A but for column i, from
B, and B_i the other way round [2]_, for f of mean 0:

    V_i         ~ mean of f(B) (f(A_i) - f(A))                       [2]_, equation 14
    V_i + ...   ~ mean of (f(A) - f(A_i))^2 / 2, all that i is in    [3]_
    V_i + V_j + V_ij  ~ mean of f(B_i) f(A_j) - f(A) f(B)            [2]_, equation 10

Here f is what a Gaussian process expects, and (A, B) a scrambled Sobol sequence. A parameter that
is not there in some points does nothing there: of a condition, parent and child are a pair.

.. [1] Hutter, Hoos, Leyton-Brown. An efficient approach for assessing hyperparameter importance.
   ICML, 2014.
.. [2] Saltelli, Annoni, Azzini, Campolongo, Ratto, Tarantola. Variance based sensitivity analysis
   of model output. Computer Physics Communications 181, 2010.
.. [3] Jansen. Analysis of variance designs for model output. Computer Physics Communications
   117, 1999.
"""

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import qmc

LOG2_ROWS = 12
LEAST_SHARE = 0.005  # of a pair that is shown


def shares(
    f: Callable[[np.ndarray], np.ndarray], d: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shares of the variance of f over the unit cube of d dimensions.

    Parameters
    ----------
    f : callable
        From (n, d) to (n,).
    d : int
        Dimensions.
    seed : int
        Of the rows.

    Returns
    -------
    alone, total : ndarray of shape (d,)
        V_i / V, and the same with all that i takes part in.
    pairs : ndarray of shape (d, d)
        V_ij / V; 0 on the diagonal. All are 0 where f is constant.
    """
    rows = qmc.Sobol(2 * d, seed=np.random.default_rng(seed)).random_base2(LOG2_ROWS)
    A, B = rows[:, :d], rows[:, d:]
    of_A, of_B = f(A), f(B)
    mean, variance = np.concatenate([of_A, of_B]).mean(), np.concatenate([of_A, of_B]).var()
    if variance == 0:
        return np.zeros(d), np.zeros(d), np.zeros((d, d))
    of_A, of_B = of_A - mean, of_B - mean
    from_A = np.array([f(_exchanged(A, B, j)) for j in range(d)]) - mean  # column j from B
    from_B = np.array([f(_exchanged(B, A, j)) for j in range(d)]) - mean
    # Each by A and by B, which halves the error.
    alone = ((of_B * (from_A - of_A)).mean(axis=1) + (of_A * (from_B - of_B)).mean(axis=1)) / 2
    total = (((of_A - from_A) ** 2).mean(axis=1) + ((of_B - from_B) ** 2).mean(axis=1)) / 4
    both = from_B @ from_A.T / len(A) - (of_A * of_B).mean()
    pairs = (both + both.T) / 2 - alone[:, None] - alone
    np.fill_diagonal(pairs, 0.0)
    alone, total, pairs = (part / variance for part in (alone, total, pairs))
    return alone.clip(0, 1), total.clip(0, 1), pairs.clip(0, 1)


def importance_table(names: Sequence[str], f: Callable[[np.ndarray], np.ndarray]) -> pd.DataFrame:
    """Shares of variance, the largest first: a row for each of d parameters and each pair.

    Columns ``parameter``, ``partner`` (of a pair, else ""), ``share``, and ``total`` of parameters:
    their share with that of all pairs and larger groups that they are in.
    """
    alone, total, pairs = shares(f, len(names))
    rows = [(name, "", alone[j], total[j]) for j, name in enumerate(names)]
    rows += [
        (names[i], names[j], pairs[i, j], np.nan) for i, j in combinations(range(len(names)), 2)
    ]
    # Names may hold what strings of pyarrow's cannot, so they stay objects.
    table = pd.DataFrame(rows, columns=["parameter", "partner", "share", "total"], dtype=object)
    table = table.astype({"share": np.float64, "total": np.float64})
    return table.sort_values("share", ascending=False, kind="stable", ignore_index=True)


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """The rows for pictures, by all that they take part in: parameters, and pairs that count."""
    rows = table[(table["partner"] == "") | (table["share"] >= LEAST_SHARE)]
    total = rows["total"].fillna(rows["share"])
    return rows.loc[total.sort_values(ascending=False, kind="stable").index]


def _exchanged(A: np.ndarray, B: np.ndarray, j: int) -> np.ndarray:
    """A with column j of B."""
    mixed = A.copy()
    mixed[:, j] = B[:, j]
    return mixed
