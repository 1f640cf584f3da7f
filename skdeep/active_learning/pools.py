"""Rows of whatever kind an estimator takes: arrays, images, sparse matrices, tables, lists."""

from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils import _safe_indexing, indexable
from sklearn.utils.validation import _num_samples

from skdeep.validation import naming


def rows_of(X: Any, name: str = "X") -> Any:
    """X in a form whose rows can be taken: sparse matrices as CSR, else as given."""
    with naming(name):
        _num_samples(X)
        return indexable([*X] if isinstance(X, tuple) else X)[0]


def take(X: Any, rows: np.ndarray) -> Any:
    """A copy of some rows, (n_rows,) of their numbers, of the kind that X is."""
    return _safe_indexing(X, rows)


def stack(first: Any, second: Any) -> Any:
    """The rows of one below those of the other."""
    if sp.issparse(first) or sp.issparse(second):
        return sp.vstack([first, second], format="csr")
    if hasattr(first, "iloc"):
        import pandas as pd

        return pd.concat([first, second], ignore_index=True)
    if hasattr(first, "vstack"):  # polars
        return first.vstack(second)
    if isinstance(first, np.ndarray):
        return np.concatenate([first, np.asarray(second)])
    return [*first, *second]


def check_rows(X: Any, known: Any, name: str) -> None:
    """Refuse one row that lacks its axis, by the rows that ``fit`` got, and none at all."""
    shape, wanted = (getattr(rows, "shape", ()) for rows in (X, known))
    if shape and shape == wanted[1:]:
        raise ValueError(
            f"{name} must hold rows, but is one, of shape {shape}; give it a first axis, "
            f"{(1, *shape)}."
        )
    if _num_samples(X) == 0:
        raise ValueError(f"{name} has no rows; leave out a call without any.")


def check_alike(X: Any, known: Any, name: str) -> None:
    """Refuse rows of another kind than those that ``fit`` got."""
    if _kind(X) != _kind(known):
        raise TypeError(
            f"{name} is of type {type(X).__name__}, but fit got {type(known).__name__}; pass rows "
            f"of the same kind."
        )
    columns, expected = (getattr(table, "columns", None) for table in (X, known))
    if columns is not None and expected is not None and list(columns) != list(expected):
        raise ValueError(
            f"{name} has the columns {list(columns)}, but fit got {list(expected)}; pass the same "
            f"ones in the same order."
        )
    shape, wanted = (np.shape(rows)[1:] if hasattr(rows, "shape") else None for rows in (X, known))
    if shape is not None and wanted is not None and shape != wanted:
        raise ValueError(
            f"{name} has rows of shape {shape}, but those that fit got have {wanted}; pass rows "
            f"with the same features, and a single one as {name}.reshape(1, -1)."
        )


def _kind(X: Any) -> str:
    """What rows can be joined to."""
    if hasattr(X, "columns"):
        return type(X).__module__.partition(".")[0]  # pandas or polars
    return "sparse" if sp.issparse(X) else "array" if hasattr(X, "__array__") else "list"
