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
    if isinstance(first, np.ndarray):
        return np.concatenate([first, second])
    if isinstance(first, list):
        return first + second
    raise TypeError(
        f"rows must be a DataFrame of pandas, a NumPy array, a sparse matrix or a list, to be "
        f"kept, but are {type(first).__name__}; convert them."
    )


def check_same_kind(kept: Any, X: Any) -> None:
    """Refuse rows that cannot be joined to those of ``fit``."""
    if type(X) is not type(kept):
        raise TypeError(
            f"X was of type {type(kept).__name__} in fit, but is {type(X).__name__}; pass the same."
        )
