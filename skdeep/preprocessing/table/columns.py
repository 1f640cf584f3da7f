"""What a fit has learnt of a table: a record of each column, and the encoders that write them.

Encoders are of one column (``Categories``, ``Dates``) or of all that are numbers (``Numbers``).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from skdeep.persistence import saved
from skdeep.preprocessing.table.categorical import Categories
from skdeep.preprocessing.table.numeric import Numbers
from skdeep.preprocessing.table.reading import Values, parsed, read


@saved
@dataclass(frozen=True)
class Column:
    """A column of the table.

    Attributes
    ----------
    name : str
        ``x0``, ``x1``, ... without names.
    dtype : str
        In ``fit``.
    family : str
        What its values are: "number", "boolean", "string", "date", "duration", or "empty".
    kind : str
        What is made of it: "numeric", "boolean", "categorical", "hashed", "date" or "drop".
    n_categories : int
        Those with a code of their own.
    missing : float
        Share of the training rows, by weight, in which it is missing.
    suffixes : tuple of str
        Of its columns in the output, behind its name.
    constant : object
        The value of a column that has no other, and therefore no output.
    zone : str
        Time zone of dates.
    is_whole : bool
        Whether all its numbers are whole.
    """

    name: str
    dtype: str
    family: str
    kind: str
    n_categories: int = 0
    missing: float = 0.0
    suffixes: tuple = ()
    constant: Any = None
    zone: str = ""
    is_whole: bool = False

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of its columns in the output."""
        return tuple(self.name + suffix for suffix in self.suffixes)

    def read(self, array: Any) -> Values:
        """Values of new rows, which must be as those of the training rows were.

        Raises
        ------
        TypeError, ValueError
            If they are not.
        """
        found = read(array, self.name)
        if "empty" in (self.family, found.family):
            return found
        if found.family == self.family:
            if self.kind == "date" and found.family == "string":
                found = parsed(found.values, self.name, found.dtype)
            if bool(found.zone) != bool(self.zone) and found.family == "date":
                one, other = ("without a", "with one") if self.zone else ("with a", "without")
                raise TypeError(
                    f"column {self.name!r} has dates {one} time zone, but in fit it had dates "
                    f"{other}; localise them by pandas' tz_localize."
                )
            return found
        if {self.family, found.family} == {"number", "boolean"}:
            values = found.floats()
            if self.family == "number" or np.isin(values[~np.isnan(values)], (0, 1)).all():
                return found
        if (nothing := found.or_empty()).family == "empty":
            return nothing
        raise TypeError(
            f"column {self.name!r} holds {found.family}s ({found.dtype}), but in fit it held "
            f"{self.family}s ({self.dtype}), of kind {self.kind!r}; convert it, or fit anew."
        )


@saved
@dataclass(frozen=True)
class Table:
    """All columns of a table, and what writes them.

    Attributes
    ----------
    container : str
        What X was: "pandas", "polars" or "array".
    columns : tuple of Column
    blocks : tuple of Numbers
    encoders : dict of int to Categories or Dates
        By the position of the column.
    """

    container: str
    columns: tuple
    blocks: tuple
    encoders: dict

    @cached_property
    def starts(self) -> np.ndarray:
        """Where the outputs of each column begin, and the width: (n_columns + 1,)."""
        return np.cumsum([0, *(len(column.suffixes) for column in self.columns)])

    @cached_property
    def cardinalities(self) -> np.ndarray:
        """How many codes an output has, (n_outputs,); 0 if it is none."""
        found = np.zeros(self.starts[-1], np.int64)
        for position, encoder in self.encoders.items():
            if isinstance(encoder, Categories) and not encoder.one_hot:
                found[self.starts[position]] = encoder.cardinality
        return found

    def encode(self, arrays: list[Any], matrix: np.ndarray | None) -> np.ndarray:
        """Outputs (n, n_outputs) of columns (n,), which may all be columns of one numeric array."""
        out = np.zeros((len(arrays[0]), self.starts[-1]), np.float32)
        for block in self.blocks:
            if matrix is not None and all(self._are_numbers[block.positions]):
                numbers = matrix[:, block.positions].astype(np.float64, copy=False)
            else:
                numbers = np.empty((len(out), len(block.positions)))
                for j, i in enumerate(block.positions.tolist()):
                    numbers[:, j] = self.columns[i].read(arrays[i]).floats()
            self._check_finite(numbers, block)
            block.encode(numbers, out)
        for i, encoder in self.encoders.items():
            found = self.columns[i].read(arrays[i])
            encoder.encode(values_for(found, self.columns[i].kind), self.part(out, i))
        for i in self._idle:
            if matrix is None or not self._are_numbers[i]:
                self.columns[i].read(arrays[i])  # no output, but of another family it is wrong
        return out

    @property
    def is_plain(self) -> bool:
        """Whether all columns are numbers, as one array of numbers has them too."""
        return not self.encoders and bool(self._are_numbers.all())

    @cached_property
    def _are_numbers(self) -> np.ndarray:
        return np.array([column.family == "number" for column in self.columns])

    @cached_property
    def _idle(self) -> list[int]:
        """Positions of columns without outputs that are not dropped."""
        columns = enumerate(self.columns)
        return [i for i, column in columns if column.kind != "drop" and not column.suffixes]

    def part(self, out: np.ndarray, position: int) -> np.ndarray:
        """The outputs of a column, a view."""
        return out[:, self.starts[position] : self.starts[position + 1]]

    def _check_finite(self, numbers: np.ndarray, block: Numbers) -> None:
        infinite = np.isinf(numbers)
        if infinite.any():
            names = [self.columns[i].name for i in block.positions[infinite.any(axis=0)]]
            refuse_infinity(names)

    def decode(self, Z: np.ndarray) -> dict[int, Any]:
        """Columns (n,) by their positions, less those dropped; NaN, NaT and None are missing."""
        found: dict[int, Any] = {}
        for block in self.blocks:
            found |= zip(block.positions.tolist(), block.decode(Z).T)
        for i, encoder in self.encoders.items():
            decoded = encoder.decode(self.part(Z, i))
            found[i] = decoded[0] if isinstance(encoder, Categories) else decoded
        for i, column in enumerate(self.columns):
            if i not in found and column.kind != "drop":
                found[i] = np.full(len(Z), column.constant)
        return dict(sorted(found.items()))


def refuse_infinity(names: list[str]) -> None:
    """Raise for columns that are not finite."""
    raise ValueError(
        f"X contains infinity, in the columns {names}; write NaN for what is missing, or the "
        f"largest value that is meant."
    )


def values_for(found: Values, kind: str) -> np.ndarray:
    """Values as the encoder of a kind takes them."""
    if kind == "date":
        missing = found.family == "empty"
        return np.full(len(found.values), "NaT", "M8[us]") if missing else found.values
    if found.family == "boolean" and kind in ("categorical", "hashed"):
        named = np.array([False, True, None], object)
        return named[np.where(np.isnan(found.values), 2, found.values).astype(int)]
    if found.family == "empty":
        return np.full(len(found.values), None, object)
    return found.values
