"""Rows on the device: whole data sets, the batches gathered from them, and their order.

A data set is a nest (array, tuple, dict) of arrays with one leading axis, or a SciPy CSR matrix.
It is put on the device once; a step gathers its batch by row number, and row -1 is padding: some
row of weight zero.
"""

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from skdeep.engine import random
from skdeep.engine.runtime import tf


class Batch(NamedTuple):
    """What a step sees of the data.

    Attributes
    ----------
    x, y : nests of tensors, each (batch_size, ...)
        Inputs and targets; y is () where there are none. CSR inputs come densified, or as
        :class:`SparseRows` if they are wide.
    weight : tensor (batch_size,), float32
        Row weights with mean one over the data set; zero for padding.
    size : scalar tensor, float32
        The number of rows that are not padding.
    """

    x: Any
    y: Any
    weight: Any
    size: Any


class CSR(NamedTuple):
    """A compressed sparse row matrix: ``indices[indptr[i]:indptr[i + 1]]`` are row i's columns."""

    indptr: Any
    indices: Any
    values: Any
    n_columns: Any


class WideCSR(CSR):
    """A CSR matrix of so many columns that a batch is not densified, see :func:`is_wide`."""


class SparseRows(NamedTuple):
    """A batch of a wide matrix: its stored entries, by row.

    Attributes
    ----------
    row, column : tensors (n_entries,), int32
    value : tensor (n_entries,)
    n_rows : scalar int32
    """

    row: Any
    column: Any
    value: Any
    n_rows: Any


def is_wide(x: Any) -> bool:
    """Whether rows are sparse and have more than 4,096 columns: too many to densify."""
    return sp.issparse(x) and x.shape[1] > 4096


def weighted_mean(values, batch: Batch):
    """Mean over a batch's rows: sum_i w_i v_i / size; an unbiased piece of the data set's mean."""
    return tf.reduce_sum(per_row(values) * shares(batch))


def shares(batch: Batch):
    """What each row counts in :func:`weighted_mean`, (batch_size,)."""
    return batch.weight / tf.maximum(batch.size, 1.0)


def per_row(values):
    """Values of shape (n,), refused in another shape: it would broadcast with the weights."""
    if values.shape.rank != 1:
        raise ValueError(
            f"a loss must be one number for each row, (batch_size,), but has shape {values.shape}."
        )
    return values


def n_rows(x) -> int:
    """The common length of a nest of arrays."""
    return tf.nest.flatten(x)[0].shape[0]


def row_bucket(n: int) -> int:
    """The smallest 2^k or 3 * 2^k that holds n rows, so that few shapes reach XLA."""
    power = 1 << max(n - 1, 7).bit_length()
    return power * 3 // 4 if n <= power * 3 // 4 else power


def pad(array, n: int):
    """``array`` with zero rows appended up to n rows."""
    missing = n - array.shape[0]
    return np.concatenate([array, np.zeros((missing, *array.shape[1:]), array.dtype)])


def to_device(x, padded_to: int | None = None):
    """A nest of host arrays as tensors, dense ones padded with zero rows to ``padded_to``."""

    def put(part):
        if sp.issparse(part):
            index_type = np.int32 if part.nnz < 2**31 else np.int64
            return (WideCSR if is_wide(part) else CSR)(
                tf.constant(part.indptr.astype(index_type, copy=False)),
                tf.constant(part.indices.astype(np.int32, copy=False)),
                tf.constant(part.data),
                tf.constant(part.shape[1], tf.int32),
            )
        if padded_to is not None and padded_to > len(part):
            part = pad(part, padded_to)
        return tf.constant(part)

    return tf.nest.map_structure(put, x)


def _take(part: CSR, rows):
    """Rows of a CSR matrix: densified, or as :class:`SparseRows` if it is wide."""
    positions = tf.ragged.range(tf.gather(part.indptr, rows), tf.gather(part.indptr, rows + 1))
    row = tf.cast(positions.value_rowids(), tf.int32)
    column = tf.gather(part.indices, positions.values)
    value = tf.gather(part.values, positions.values)
    n = tf.shape(rows)[0]
    if isinstance(part, WideCSR):
        return SparseRows(row, column, value, n)
    return tf.scatter_nd(tf.stack([row, column], axis=1), value, tf.stack([n, part.n_columns]))


def take(data, rows):
    """Rows of a data set on the device, by number, (batch_size,)."""
    if isinstance(data, CSR):
        return _take(data, rows)
    if isinstance(data, dict):
        return {name: take(part, rows) for name, part in data.items()}
    if isinstance(data, tuple | list):
        return type(data)(take(part, rows) for part in data)
    return tf.gather(data, rows)


def take_batch(x, y, weight, rows) -> Batch:
    """The batch of the given row numbers, (batch_size,) int32, of which -1 are padding."""
    real, rows = rows >= 0, tf.maximum(rows, 0)
    return Batch(
        x=take(x, rows),
        y=take(y, rows),
        weight=tf.where(real, take(weight, rows), tf.zeros((), weight.dtype)),
        size=tf.reduce_sum(tf.cast(real, weight.dtype)),
    )


class Order:
    """Which rows make up each step: a new permutation for each epoch, drawn from (seed, epoch).

    Parameters
    ----------
    n : int
        Rows in the data set.
    batch_size : int
        Rows in a step; the last step of an epoch has what is left, padded with -1.
    seed : int
        Of 64 bits.
    shuffle : bool
        False leaves the rows in their order.
    """

    def __init__(self, n: int, batch_size: int, seed: int, shuffle: bool = True) -> None:
        self.n, self.batch_size, self.seed = n, batch_size, seed
        self.shuffle = shuffle and n > batch_size
        self.steps_per_epoch = -(-n // batch_size)
        self._epochs, self._rows = range(0), np.empty((0, batch_size), np.int32)

    def _rows_of(self, epochs: range) -> np.ndarray:
        """Row numbers of some epochs, (n_epochs * steps_per_epoch, batch_size) int32."""
        if self._epochs != epochs:
            rows = np.full((len(epochs), self.steps_per_epoch * self.batch_size), -1, np.int32)
            if self.shuffle:
                rows[:, : self.n] = random.permutations(self.seed, np.array(epochs), self.n)
            else:
                rows[:, : self.n] = np.arange(self.n)
            self._epochs, self._rows = epochs, rows.reshape(-1, self.batch_size)
        return self._rows

    def steps(self, first: int, stop: int) -> np.ndarray:
        """Row numbers of the steps [first, stop), (stop - first, batch_size) int32."""
        if not self.shuffle and self.steps_per_epoch == 1:
            return np.broadcast_to(self._rows_of(range(1)), (stop - first, self.batch_size))
        epochs = range(first // self.steps_per_epoch, (stop - 1) // self.steps_per_epoch + 1)
        start = first - epochs.start * self.steps_per_epoch
        return self._rows_of(epochs)[start : start + stop - first]


def merge_equal_rows(x, y, weight):
    """Rows of a nest with equal ones merged, sorted; their weights added, zero weights dropped.

    A fit whose rows fit one batch depends on the weighted set of its rows alone; in this form
    a weight of three and a row repeated thrice are the same fit to the bit.
    """
    parts = [
        part.sorted_indices() if sp.issparse(part) else part for part in tf.nest.flatten((x, y))
    ]
    keep = np.flatnonzero(weight)
    keys = [b"".join(_row_bytes(part, i) for part in parts) for i in keep]
    order = sorted(range(len(keep)), key=keys.__getitem__)
    first: list[int] = []
    total: list[float] = []
    for i in order:
        if first and keys[i] == keys[first[-1]]:
            total[-1] += float(weight[keep[i]])
        else:
            first.append(i)
            total.append(float(weight[keep[i]]))
    rows = keep[first]
    x, y = tf.nest.map_structure(lambda part: part[rows], (x, y))
    return x, y, np.array(total, weight.dtype)


def _row_bytes(part, i: int) -> bytes:
    """The bytes of row i, equal for equal rows (so -0.0 is made 0.0)."""
    if sp.issparse(part):
        cut = slice(part.indptr[i], part.indptr[i + 1])
        stored = part.indices[cut], part.data[cut]
        filled = stored[1] != 0
        return b"".join(s[filled].tobytes() for s in stored)
    row = part[i]
    return (row + row.dtype.type(0)).tobytes()
