"""Sparse tables of numbers: each column divided by its spread and clipped smoothly; zeros stay.

As :class:`~skdeep.preprocessing.table.numeric.Robust`, but nothing is subtracted.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils.sparsefuncs import inplace_column_scale, min_max_axis

from skdeep.persistence import saved
from skdeep.preprocessing.table.columns import Column
from skdeep.preprocessing.table.numeric import LIMIT, scale_of, weighted_quantiles


@saved
@dataclass(frozen=True)
class SparseTable:
    """All columns of a sparse matrix: factors and largest absolute values, arrays (n_features,)."""

    names: tuple
    dtype: str
    scale: np.ndarray
    largest: np.ndarray

    container = "sparse"

    @classmethod
    def fit(cls, X: Any, names: list[str], weight: np.ndarray) -> "SparseTable":
        """Of a CSR matrix of finite numbers (n, n_features); explicit zeros are zeros."""
        X = X.tocsc()
        low, high = (extreme.astype(np.float64) for extreme in min_max_axis(X, axis=0))
        first, third = np.zeros(X.shape[1]), np.zeros(X.shape[1])
        shares = abs(X).sign().T @ weight / weight.sum()
        # With a quarter of the weight or less on numbers that are not 0, both quartiles are 0.
        for j in np.flatnonzero(shares > 0.25):
            column = slice(X.indptr[j], X.indptr[j + 1])
            values, weights = X.data[column], weight[X.indices[column]]
            rest = weight.sum() - weights.sum()
            if len(values) < X.shape[0]:
                values, weights = np.append(values, 0.0), np.append(weights, rest)
            first[j], third[j] = weighted_quantiles(values, weights, np.array([0.25, 0.75]))
        largest = np.maximum(np.abs(low), np.abs(high))
        return cls(tuple(names), str(X.dtype), scale_of(low, first, third, high), largest)

    @property
    def columns(self) -> tuple[Column, ...]:
        """A record of each."""
        return tuple(
            Column(name, self.dtype, "number", "numeric", suffixes=("",)) for name in self.names
        )

    @cached_property
    def cardinalities(self) -> np.ndarray:
        """No output is a code."""
        return np.zeros(len(self.names), np.int64)

    def encode(self, X: Any) -> Any:
        """A CSR matrix of finite numbers as one of float32."""
        out = sp.csr_array(X, dtype=np.float64, copy=True)
        with np.errstate(over="ignore"):
            inplace_column_scale(out, self.scale)
            z = np.nan_to_num(out.data)
        out.data = z / np.hypot(1, z / LIMIT)
        return out.astype(np.float32)

    def decode(self, Z: Any) -> Any:
        """Back, as far as the training columns reached."""
        out = sp.csr_array(Z, dtype=np.float64, copy=True)
        y = np.clip(out.data, -LIMIT, LIMIT)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            out.data = y / np.sqrt((1 - y / LIMIT) * (1 + y / LIMIT))
            inplace_column_scale(out, 1 / np.where(self.scale, self.scale, np.inf))
        most = self.largest[out.indices]
        out.data = np.clip(out.data, -most, most)
        return out
