"""Rows on the device: whole data sets, the batches gathered from them, and their order.

A data set is a nest (array, tuple, dict) of arrays with one leading axis, SciPy CSR matrices, and
:class:`Sequences`. It is put on the device once; a step gathers its batch by row number, and row -1
is padding: some row of weight zero.
"""

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from skdeep.engine import random
from skdeep.engine.runtime import tf

_WINDOW_BATCHES = 32  # among whose rows those of a batch are alike in length


class Batch(NamedTuple):
    """What a step sees of the data.

    Attributes
    ----------
    x, y : nests of tensors, each (batch_size, ...)
        Inputs and targets; y is () where there are none. CSR inputs come densified, or as
        :class:`SparseRows` if they are wide; sequences come as :class:`Steps`.
    weight : tensor (batch_size,), float32
        Row weights with mean one over the data set; zero for padding.
    size : scalar tensor, float32
        The number of rows that are not padding.
    """

    x: Any
    y: Any
    weight: Any
    size: Any


class Sequences:
    """Rows of unequal length: ``values[offsets[i]:offsets[i + 1]]`` are the steps of row i.

    Parameters
    ----------
    values : ndarray (n_steps_in_all, ...)
    offsets : ndarray (n + 1,), int64
        From 0 to the number of all steps.
    """

    def __init__(self, values: np.ndarray, offsets: np.ndarray) -> None:
        self.values, self.offsets = values, np.asarray(offsets, np.int64)

    @classmethod
    def of(cls, values: np.ndarray, lengths: Any) -> "Sequences":
        """Rows of the given lengths, (n,), one after another in ``values``."""
        return cls(values, np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]))

    @property
    def lengths(self) -> np.ndarray:
        """Steps of each row, (n,)."""
        return np.diff(self.offsets)

    @property
    def shape(self) -> tuple:
        """As an array's, with None for the steps: (n, None, ...)."""
        return (len(self), None, *self.values.shape[1:])

    @property
    def dtype(self) -> np.dtype:
        """Of the values."""
        return self.values.dtype

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, rows: Any) -> "Sequences":
        numbers = np.arange(len(self))[rows]
        lengths = self.lengths[numbers]
        return Sequences.of(self.values[positions(self.offsets[numbers], lengths)], lengths)

    def with_values(self, values: np.ndarray) -> "Sequences":
        """Rows of the same lengths."""
        return Sequences(values, self.offsets)

    def arrays(self) -> list[np.ndarray]:
        """The rows, a list of n arrays (n_steps, ...)."""
        return np.split(self.values, self.offsets[1:-1])


def positions(first: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """[first[0], first[0] + 1, ..., first[1], ...]: lengths[i] numbers from first[i] on."""
    ends = np.cumsum(lengths)
    return np.repeat(first - ends + lengths, lengths) + np.arange(ends[-1] if len(ends) else 0)


class Steps(NamedTuple):
    """A batch of sequences, padded to the longest, or to a length that holds it.

    Attributes
    ----------
    values : tensor (batch_size, n_steps, ...)
        Zeros beyond a row's length.
    lengths : tensor (batch_size,), int32
    """

    values: Any
    lengths: Any


class Ragged(NamedTuple):
    """:class:`Sequences` on the device; ``steps`` is the range up to their greatest length."""

    values: Any
    offsets: Any
    steps: Any


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


def length_bucket(n: Any) -> Any:
    """A number of steps that holds n, of few: at most an eighth more, or a multiple of 8."""
    sixteenth = 2.0 ** np.ceil(np.log2(np.maximum(n, 1) / 16))
    unit = np.maximum(8, sixteenth).astype(int)
    return -(-n // unit) * unit


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
        if isinstance(part, Sequences):
            return _ragged(part, padded_to)
        if padded_to is not None and padded_to > len(part):
            part = pad(part, padded_to)
        return tf.constant(part)

    return tf.nest.map_structure(put, x)


def _ragged(part: Sequences, padded_to: int | None) -> Ragged:
    """Sequences on the device, their shapes rounded up where rows are padded."""
    values, offsets, longest = part.values, part.offsets, max(part.lengths, default=1)
    if padded_to is not None:
        values = pad(values, row_bucket(len(values)))
        offsets = np.append(offsets, np.full(padded_to - len(part), offsets[-1]))
        longest = int(length_bucket(longest))
    index_type = np.int32 if len(values) < 2**31 else np.int64
    steps = np.arange(longest, dtype=index_type)
    return Ragged(*map(tf.constant, (values, offsets.astype(index_type), steps)))


def _take_steps(part: Ragged, rows, n_steps=None) -> Steps:
    """Rows of sequences, padded to the longest of them, or to ``n_steps``."""
    first = tf.gather(part.offsets, rows)
    lengths = tf.gather(part.offsets, rows + 1) - first
    steps = part.steps
    if n_steps is not None:
        lengths = tf.minimum(lengths, tf.cast(n_steps, lengths.dtype))
        steps = tf.range(tf.cast(n_steps, steps.dtype))
    elif steps.shape[0] is None:  # not under XLA, whose shapes are fixed
        steps = tf.range(tf.reduce_max(lengths))
    real = steps < lengths[:, None]
    values = tf.gather(part.values, tf.where(real, first[:, None] + steps, 0))
    real = tf.reshape(real, tf.concat([tf.shape(real), [1] * (values.shape.rank - 2)], axis=0))
    values = tf.where(real, values, tf.zeros((), values.dtype))
    return Steps(values, tf.cast(lengths, tf.int32))


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


def take(data, rows, n_steps=None):
    """Rows of a data set on the device, by number, (batch_size,); sequences to ``n_steps``."""
    if isinstance(data, CSR):
        return _take(data, rows)
    if isinstance(data, Ragged):
        return _take_steps(data, rows, n_steps)
    if isinstance(data, dict):
        return {name: take(part, rows, n_steps) for name, part in data.items()}
    if isinstance(data, tuple | list):
        return type(data)(take(part, rows, n_steps) for part in data)
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
    lengths : ndarray (n,), optional
        Of rows of unequal length: those of a batch are then alike, so that it needs little padding.
    """

    def __init__(
        self,
        n: int,
        batch_size: int,
        seed: int,
        shuffle: bool = True,
        lengths: np.ndarray | None = None,
    ) -> None:
        self.n, self.batch_size, self.seed, self.lengths = n, batch_size, seed, lengths
        self.shuffle = shuffle and n > batch_size
        self.steps_per_epoch = -(-n // batch_size)
        self._epochs, self._rows = range(0), np.empty((0, batch_size), np.int32)

    def _rows_of(self, epochs: range) -> np.ndarray:
        """Row numbers of some epochs, (n_epochs * steps_per_epoch, batch_size) int32."""
        if self._epochs != epochs:
            rows = np.full((len(epochs), self.steps_per_epoch * self.batch_size), -1, np.int32)
            if self.shuffle:
                rows[:, : self.n] = random.permutations(self.seed, np.array(epochs), self.n)
                if self.lengths is not None and np.ptp(self.lengths) > 0:
                    rows = self._by_length(rows, np.array(epochs))
            else:
                rows[:, : self.n] = np.arange(self.n)
            self._epochs, self._rows = epochs, rows.reshape(-1, self.batch_size)
        return self._rows

    def _by_length(self, rows: np.ndarray, epochs: np.ndarray) -> np.ndarray:
        """Rows sorted by length within windows of batches, and the batches shuffled."""
        longest = np.iinfo(np.int64).max
        lengths = np.append(np.asarray(self.lengths), longest)  # [-1], of padding, comes last
        size = _WINDOW_BATCHES * self.batch_size
        for start in range(0, rows.shape[1], size):
            window = rows[:, start : start + size]
            order = np.argsort(lengths[window], axis=1, kind="stable")
            rows[:, start : start + size] = np.take_along_axis(window, order, axis=1)
        batches = rows.reshape(len(epochs), self.steps_per_epoch, self.batch_size)
        order = random.permutations(self.seed ^ 1, epochs, self.steps_per_epoch)
        return np.take_along_axis(batches, order[:, :, None], axis=1)

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
    if isinstance(part, Sequences):
        row = part.values[part.offsets[i] : part.offsets[i + 1]]
        return len(row).to_bytes(8) + (row + row.dtype.type(0)).tobytes()
    if sp.issparse(part):
        cut = slice(part.indptr[i], part.indptr[i + 1])
        stored = part.indices[cut], part.data[cut]
        filled = stored[1] != 0
        return b"".join(s[filled].tobytes() for s in stored)
    row = part[i]
    return (row + row.dtype.type(0)).tobytes()
