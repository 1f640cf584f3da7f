"""Columns of tables as numbers that can be watched: dates in days, words by how often they come.

A value that is no number becomes its place among those of ``fit``, the most frequent first; all
that ``fit`` had not met share the place after the last. What is rare, new or missing is thereby
large. Places are counted in the first half of the rows of ``fit``, and new rows rank among the
second: values that were met once would seem to be more frequent where they were counted than they
ever will be.
"""

from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_datetime64_any_dtype, is_numeric_dtype, is_timedelta64_dtype
from scipy.stats import ks_2samp

# Of a column: its places by value, the unit of its dates, or None for numbers.
Kind = pd.Series | str | None


def kinds_of(X: Any) -> tuple[list[Kind], int]:
    """The kind of each column, and the first of the rows to rank among."""
    if not isinstance(X, pd.DataFrame):
        return [None] * X.shape[1] if getattr(X, "ndim", 0) == 2 else [], 0
    half = len(X) // 2
    kinds = [_kind(X.iloc[:, j].infer_objects(), half) for j in range(X.shape[1])]
    return kinds, half if any(isinstance(kind, pd.Series) for kind in kinds) else 0


def numbers_of(X: Any, kinds: list[Kind]) -> np.ndarray | None:
    """What is watched of X, (n_samples, n_features) of float64; None where that is no table.

    What is missing counts as the largest.
    """
    if isinstance(X, pd.DataFrame):
        numbers = np.stack([_numbers(X.iloc[:, j], kind) for j, kind in enumerate(kinds)], axis=1)
    elif isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.kind in "biuf":
        numbers = X.astype(float)
    else:
        return None
    return np.where(np.isnan(numbers), np.inf, numbers)


def difference(before: np.ndarray, after: np.ndarray, kind: Kind = None) -> dict[str, Any]:
    """What a column, (n_before,) and (n_after,), was and is, for a person to read."""
    value: Any = None
    size = float(ks_2samp(before, after, method="asymp").statistic)
    if isinstance(kind, pd.Series):
        shares = [
            np.bincount(rows.astype(int), minlength=len(kind) + 1) / len(rows)
            for rows in (before, after)
        ]
        most = int(np.abs(shares[1] - shares[0]).argmax())
        value = kind.index[most] if most < len(kind) else None
        means = [float(share[most]) for share in shares]
    else:
        finite = (rows[np.isfinite(rows)] for rows in (before, after))
        means = [float(rows.mean()) if len(rows) else np.nan for rows in finite]
    return {"value": value, "before": means[0], "after": means[1], "size": size}


def _kind(column: pd.Series, half: int) -> Kind:
    if is_datetime64_any_dtype(column.dtype):
        return "datetime64[us]"
    if is_timedelta64_dtype(column.dtype):
        return "timedelta64[us]"
    if is_numeric_dtype(column.dtype):
        return None
    values = column[:half].astype(object).value_counts().index
    return pd.Series(np.arange(len(values)), index=values)


def _numbers(column: pd.Series, kind: Kind) -> np.ndarray:
    if isinstance(kind, pd.Series):
        return column.astype(object).map(kind).fillna(len(kind)).to_numpy(dtype=float)
    if kind is None:
        return column.to_numpy(dtype=float, na_value=np.nan)
    since = np.array(0, dtype=kind) if kind[0] == "d" else np.timedelta64(0)
    return (column.to_numpy(dtype=kind) - since) / np.timedelta64(1, "D")
