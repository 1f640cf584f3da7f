"""Wide sparse layers: a table whose touched rows alone are read, trained and written.

With 100,000 columns a batch touches a few thousand rows of the first kernel. To update the others
would cost twenty times the step, so the kernel and its optimizer slots live in TensorFlow
variables for the time of a fit (a loop-carried array would be copied by each step), and a step
writes what it touched: the optimizer is *lazy*, an untouched row's running means stay as they are.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import scipy.sparse as sp

from skdeep.engine.rows import SparseRows
from skdeep.engine.runtime import tf


class Tables:
    """The variables of one program's table; a fit uses them alone, and holds ``lock``.

    Parameters
    ----------
    names : tuple of str
        "weights", and the optimizer's slots.
    width : int
        Numbers in a row.
    dtype : str
    """

    def __init__(self, names: tuple[str, ...], width: int, dtype: str) -> None:
        self.lock = threading.Lock()
        empty = np.zeros((0, width), dtype)
        make = lambda: tf.Variable(empty, shape=(None, width), trainable=False)  # noqa: E731
        self._parts = {name: make() for name in names}
        self._best = make()

    @contextmanager
    def in_use(self, progress: Any) -> Iterator[None]:
        """Hold a fit's arrays while it runs; then free the memory, and the lock that it took."""
        try:
            for name, variable in self._parts.items():
                variable.assign(progress.state["tables"][name])
            if progress.best is not None:
                self._best.assign(progress.best["table"])
            yield
        finally:
            for variable in (*self._parts.values(), self._best):
                variable.assign(np.zeros((0, variable.shape[1]), variable.dtype.name))
            self.lock.release()

    def unload(self) -> dict[str, np.ndarray]:
        """Copies of all parts."""
        return {name: np.array(variable.read_value()) for name, variable in self._parts.items()}

    def unload_best(self) -> np.ndarray:
        """A copy of the best weights."""
        return np.array(self._best.read_value())

    def read(self, ids: Any) -> dict[str, Any]:
        """Rows of each part, (n_ids, width)."""
        return {name: variable.sparse_read(ids) for name, variable in self._parts.items()}

    def write(self, ids: Any, rows: dict[str, Any]) -> None:
        """Replace rows; ``ids`` are distinct."""
        for name, variable in self._parts.items():
            variable.scatter_update(tf.IndexedSlices(rows[name], ids))

    def keep_best(self) -> Any:
        """Remember the weights as they are; True, for ``tf.cond``."""
        self._best.assign(self._parts["weights"])
        return tf.constant(True)


def initial(
    shape: tuple[int, int], padded_width: int, dtype: str, rng: np.random.Generator
) -> np.ndarray:
    """A first layer's kernel (Glorot, uniform) of some shape, padded with zeros to a width."""
    table = np.zeros((shape[0], padded_width), dtype)
    bound = np.sqrt(6 / sum(shape))
    for block in range(0, shape[0], 4096):  # blocks, as the draws are float64
        rows = table[block : block + 4096, : shape[1]]
        rows[:] = rng.uniform(-bound, bound, rows.shape)
    return table


def compact(x: sp.csr_matrix, table: np.ndarray) -> tuple[sp.csr_matrix, np.ndarray]:
    """Rows x in the columns that they touch, and the table's rows for these columns."""
    columns, local = np.unique(x.indices, return_inverse=True)
    narrow = sp.csr_matrix((x.data, local, x.indptr), shape=(x.shape[0], max(len(columns), 1)))
    return narrow, table[columns] if len(columns) else table[:1]


def product(x: SparseRows, local: Any, touched: Any) -> Any:
    """X W, (n, width), from the touched rows of W: column j of X is row ``local[j]`` of them."""
    cells = tf.cast(tf.stack([x.row, local], axis=1), tf.int64)
    shape = tf.cast(tf.stack([x.n_rows, tf.shape(touched)[0]]), tf.int64)
    return tf.sparse.sparse_dense_matmul(tf.SparseTensor(cells, x.value, shape), touched)


def product_with(table: Any, x: SparseRows) -> Any:
    """X W, (n, width), from the :class:`Tables` of a fit or a tensor (n_columns, width)."""
    ids, local = tf.unique(x.column)
    touched = table.read(ids)["weights"] if isinstance(table, Tables) else tf.gather(table, ids)
    return product(x, local, touched)
