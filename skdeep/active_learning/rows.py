"""Rows that are kept, of whatever kind X is."""

from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp


def joined(first: Any, second: Any) -> Any:
    """Rows after rows of the same kind: DataFrames, arrays, sparse matrices or lists."""
    if isinstance(first, pd.DataFrame):
        return pd.concat([first, second], ignore_index=True)
    if sp.issparse(first):
        return sp.vstack([first, second], format="csr")
    return np.concatenate([first, second]) if isinstance(first, np.ndarray) else first + second


def as_rows(X: Any) -> Any:
    """X in a form of which rows can be taken and joined."""
    if isinstance(X, pd.DataFrame | np.ndarray | list):
        return X
    if sp.issparse(X):
        return X.tocsr()
    if hasattr(X, "__array__"):
        return np.asarray(X)
    raise TypeError(
        f"X must be a DataFrame of pandas, an array, a sparse matrix or a list, of which rows can "
        f"be kept, but is {type(X).__name__}; convert it."
    )


def check_same_kind(kept: Any, X: Any) -> None:
    """Refuse rows that cannot be joined to those of ``fit``."""
    if type(X) is not type(kept):
        raise TypeError(
            f"X was of type {type(kept).__name__} in fit, but is {type(X).__name__}; pass the same."
        )
