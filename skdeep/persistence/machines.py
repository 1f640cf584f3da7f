"""Checks of what libsvm follows blindly: the sizes of a support vector machine's arrays.

scikit-learn hands libsvm addresses, and how many classes and support vectors there are; in a file
made by hand arrays could be shorter. The names are those of ``sklearn.svm._base.BaseLibSVM``.
"""

from collections.abc import Callable
from typing import Any

import scipy.sparse as sp

from skdeep.persistence.trees import is_within

_ARRAYS = ("_n_support", "support_", "support_vectors_", "_dual_coef_", "_intercept_")


def is_sound(state: dict, is_classifier: bool, fetch: Callable[[Any], Any]) -> bool:
    """Whether all arrays in a fitted machine's attributes are as long as the others say.

    Of k classes and n support vectors there are k - 1 rows of n coefficients, and k (k - 1) / 2
    intercepts; regressors are as of two classes. A kernel that is computed before is looked up by
    the support vectors' row numbers.
    """
    n_support, support, vectors, dual, intercept = (fetch(state[name]) for name in _ARRAYS)
    n_classes, n = len(n_support), len(support)
    n_pairs = n_classes * (n_classes - 1) // 2
    probabilities = {fetch(state[name]).shape for name in ("_probA", "_probB")}
    has_probabilities = bool(fetch(state["_effective_probability"]))
    kernel, n_rows = state["kernel"], fetch(state["shape_fit_"]["content"][0])
    is_function = kernel["__loader__"] != "JsonNode"
    fits = (
        "_impl" not in state  # what is solved, which is the class's to say
        and n_classes > 1
        and n_support.min() >= 0
        and (n_support.sum() if is_classifier else n_support[0]) == n
        and dual.shape == (n_classes - 1, n)
        and intercept.shape == (n_pairs,)
        and (probabilities == {(n_pairs,)} or (probabilities == {(0,)} and not has_probabilities))
    )
    if not fits:
        return False
    is_dense = not sp.issparse(vectors)
    if is_function or fetch(kernel) == "precomputed":
        rows = fetch(state["_BaseLibSVM__Xfit"]).shape[0] if is_function else n_rows
        return is_dense and vectors.size == 0 and rows == n_rows and is_within(support, n_rows)
    if is_dense:
        return vectors.shape[0] == n
    return (vectors.format, vectors.shape[0], dual.nnz) == ("csr", n, (n_classes - 1) * n)
