"""Sequences as users have them: lists, arrays, texts, awkward arrays.

All become :class:`~skdeep.engine.Sequences`: the steps of all rows behind each other, and where
each row begins.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from itertools import count
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_array

from skdeep.engine.rows import Sequences

_TOKEN = re.compile(r"\w+|[^\w\s]")


def is_list(X: Any) -> bool:
    """Whether X is a list, a one-dimensional array or Series; or a text, to be refused as such."""
    if isinstance(X, list | tuple | str):
        return True
    return getattr(X, "ndim", 0) == 1 and getattr(X, "dtype", None) is not None


def is_table(X: Any) -> bool:
    """Whether X is a table of numbers or what scikit-learn refuses as one; not sequences.

    A list of lists is a table where all have one length, but for strings; a list of arrays is none.
    """
    if is_awkward(X) or getattr(X, "ndim", 0) == 3:
        return False
    if not is_list(X) or not len(X):
        return True
    if not all(hasattr(row, "__len__") and not isinstance(row, str) for row in X):
        return True
    if not isinstance(X, list | tuple) or not all(isinstance(row, list | tuple) for row in X):
        return False
    first = next(iter(X[0]), 0)
    return len({len(row) for row in X}) == 1 and np.ndim(first) == 0 and not isinstance(first, str)


def without_column(X: Any) -> Any:
    """The column of a table that has only one, of texts; anything else as it is."""
    if len(getattr(X, "shape", ())) != 2 or X.shape[1] != 1:
        return X
    column = np.asarray(X)
    if column.ndim != 2 or column.dtype.kind not in "OUT":
        return X
    return [*column[:, 0]] if any(isinstance(value, str) for value in column[:, 0]) else X


def without_frames(X: Any) -> tuple[Any, Any]:
    """A list of DataFrames as arrays, and the first of them; anything else as it is, and None.

    Raises
    ------
    ValueError
        If their columns differ.
    """
    rows = [*X] if is_list(X) and not isinstance(X, str) else []
    columns = [[*row.columns] if hasattr(row, "columns") else None for row in rows]
    if not any(columns):
        return X, None
    if (other := next((i for i, names in enumerate(columns) if names != columns[0]), None)) is None:
        return [row.to_numpy() for row in rows], rows[0]
    raise ValueError(
        f"X[{other}] has the columns {columns[other]}, but X[0] has {columns[0]}; all sequences "
        f"need the same, in one order."
    )


def first_length(X: Any) -> int:
    """Steps of the first row of a list; of a text its tokens."""
    row = next(iter(X), ())
    return len(_TOKEN.findall(row)) if isinstance(row, str) else np.size(row)


def is_awkward(X: Any) -> bool:
    """Whether X is an array of the awkward library."""
    return type(X).__module__.partition(".")[0] == "awkward" and hasattr(X, "layout")


def number_sequences(X: Any, dtype: Any, name: str = "X") -> Sequences:
    """Rows of steps as float sequences, values (n_steps_in_all, n_features).

    Parameters
    ----------
    X : list of array-likes (n_steps,) or (n_steps, n_features), or awkward array
    dtype : dtype
    name : str
        What errors call X.

    Raises
    ------
    TypeError, ValueError
        Where a row is no sequence of finite numbers, has no steps, or another number of features.
    """
    if is_awkward(X):
        values, lengths = _awkward(X, name)
    else:
        rows = [_row(row, f"{name}[{i}]") for i, row in enumerate(X)]
        widths = [row.shape[1:] for row in rows]
        if not rows:
            raise ValueError(f"{name} has no rows; at least one is needed.")
        if len(set(widths)) > 1:
            i = next(i for i, width in enumerate(widths) if width != widths[0])
            raise ValueError(
                f"{name}[{i}] has steps of shape {widths[i]}, but those of {name}[0] have "
                f"{widths[0]}; all steps need the same features."
            )
        values, lengths = np.concatenate(rows), np.array([len(row) for row in rows])
    values = values[:, None] if values.ndim == 1 else values
    return _checked(Sequences.of(finite(values, dtype, lengths, name), lengths), name)


def finite(values: Any, dtype: Any, lengths: Any = None, name: str = "X") -> np.ndarray:
    """Numbers as finite ones of a dtype; an error names the row and the step of another.

    Parameters
    ----------
    values : array (n, n_steps, n_features), or with ``lengths`` (n_steps_in_all, n_features)
    dtype : dtype
    lengths : array (n,), optional
        Steps of each row.
    name : str
        What errors call the rows.
    """
    try:
        return check_array(values, dtype=dtype, allow_nd=True, input_name=name)
    except ValueError as error:
        if "contains" not in str(error):  # NaN or infinity
            raise
        what = str(error).partition("\n")[0].rstrip(".")
    row, step, *_ = np.argwhere(~np.isfinite(np.asarray(values, dtype)))[0]
    if lengths is not None:
        step, ends = row, np.cumsum(lengths)
        row = np.searchsorted(ends, step, side="right")
        step -= ends[row] - lengths[row]
    raise ValueError(
        f"{what}, first in {name}[{row}] at step {step}; fill it in, or drop the step. Only "
        f"steps at the end of an array's row, of which all features are NaN, are padding."
    )


@contextmanager
def telling_of_padding() -> Iterator[None]:
    """An error inside about NaN in a table says how rows of unequal length are given."""
    try:
        yield
    except ValueError as error:
        if "contains NaN" not in str(error):
            raise
        raise ValueError(
            f"{str(error).partition(chr(10))[0]} If rows end in NaN because they are of unequal "
            f"length, pass RNNClassifier or RNNRegressor an array of (n_samples, n_steps, "
            f"n_features), X[..., np.newaxis] for one feature, or a list of rows without them; if "
            f"values are missing, fill them in before, as scikit-learn's SimpleImputer does."
        ) from error


def _row(row: Any, name: str) -> np.ndarray:
    """One sequence as an array of numbers, (n_steps,) or (n_steps, n_features)."""
    try:
        array = np.asarray(row)
    except ValueError as error:
        raise ValueError(f"{name} is no sequence of steps alike: {error}.") from None
    if array.ndim not in (1, 2):
        raise ValueError(
            f"{name} has {array.ndim} dimensions; a sequence is (n_steps,) or (n_steps, "
            f"n_features). Expected 2D array or 3D array, or a list of sequences."
        )
    if array.dtype.kind not in "fiub":
        if array.dtype.kind == "O":
            return _numbers(array, name)
        raise TypeError(f"{name} must hold numbers, but has dtype {array.dtype}.")
    return array


def _numbers(array: np.ndarray, name: str) -> np.ndarray:
    """An array of objects as floats."""
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name} must hold numbers: {error}.") from None


def _awkward(X: Any, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Values and lengths of an awkward array ``n * var * number``, records of numbers, or lists."""
    import awkward as ak

    try:
        lengths = ak.to_numpy(ak.num(X, axis=1))
        flat = ak.flatten(X, axis=1)
        if fields := ak.fields(flat):
            parts = [ak.to_numpy(flat[field], allow_missing=False) for field in fields]
            return np.stack(parts, axis=1), lengths
        return ak.to_numpy(flat, allow_missing=False), lengths
    except (TypeError, ValueError, IndexError) as error:
        raise ValueError(
            f"{name} must be an awkward array of rows of steps, n * var * number (or records of "
            f"numbers), but has type {X.type}: {error}"
        ) from None


def token_sequences(X: Any, name: str = "X") -> Sequences:
    """Rows of tokens, values (n_tokens_in_all,) of integers or objects.

    Parameters
    ----------
    X : list of str, or of sequences of str or int; or integer array or DataFrame (n, n_steps)
        A str is a text: lower-case words and punctuation marks are its tokens.

    Raises
    ------
    TypeError, ValueError
        Where a row is neither text nor a sequence of tokens, or has none.
    """
    if isinstance(X, str):
        raise ValueError(f"{name} is one text; pass a list of texts, [{name}].")
    if not _is_ordered(X):
        raise TypeError(f"{name} must be a list of texts or of sequences of tokens, but is {X!r}.")
    X = X.to_numpy() if isinstance(X, pd.DataFrame) else X
    rows = [_tokens(row, f"{name}[{i}]") for i, row in enumerate(X)]
    if not rows:
        raise ValueError(f"{name} has no rows; at least one is needed.")
    integers = {row.dtype.kind in "iu" for row in rows if len(row)}
    if len(integers) > 1:
        raise TypeError(f"{name} mixes integers and strings; tokens must be all of one kind.")
    return _checked(Sequences.of(np.concatenate(rows), [len(row) for row in rows]), name, "tokens")


def _tokens(row: Any, name: str) -> np.ndarray:
    """Tokens of one row, as integers or as objects."""
    if isinstance(row, str):
        return np.array(_TOKEN.findall(row.lower()), dtype=object)
    if not _is_ordered(row):
        raise TypeError(
            f"{name} must be a text or a sequence of tokens, but is {row!r}, of type "
            f"{type(row).__name__}."
        )
    array = np.asarray(row) if isinstance(row, np.ndarray) else np.array([*row], dtype=object)
    if array.ndim != 1:
        raise ValueError(f"{name} has {array.ndim} dimensions; a sequence of tokens has one.")
    if array.dtype.kind in "iu":
        return array.astype(np.int64)
    kinds = {type(token) for token in array.tolist()}
    if all(issubclass(kind, str) for kind in kinds):
        return array.astype(object)
    if all(issubclass(kind, int | np.integer) and kind is not bool for kind in kinds):
        return array.astype(np.int64)
    raise TypeError(
        f"{name} must hold strings or integers, but holds "
        f"{', '.join(sorted(kind.__name__ for kind in kinds))}."
    )


def _is_ordered(values: Any) -> bool:
    """Whether values have a length and an order, and are no bytes."""
    ordered = isinstance(values, Iterable) and hasattr(values, "__len__")
    return ordered and not isinstance(values, Mapping | Set | bytes | bytearray)


def has_strings(X: Any) -> bool:
    """Whether the first row that has anything is a text, or begins with a string."""
    if isinstance(X, np.ndarray):
        if X.ndim not in (1, 2) or X.dtype.kind not in "OUT":
            return False
    elif not is_list(X) and not is_awkward(X):
        return False
    for row in X:
        if isinstance(row, str):
            return True
        if isinstance(row, Iterable):
            for token in row:
                return isinstance(token, str)
    return False


def vocabulary_of(tokens: np.ndarray, size: int) -> np.ndarray:
    """The ``size`` most frequent tokens, most frequent first; of equal ones the first to come."""
    counts = pd.Series(tokens).value_counts(sort=False)  # in the order of coming
    return counts.sort_values(ascending=False, kind="stable").index[:size].to_numpy()


def token_numbers(tokens: np.ndarray, vocabulary: np.ndarray) -> np.ndarray:
    """Places in the vocabulary counted from 1, int32; 0 for what it lacks."""
    return (pd.Index(vocabulary).get_indexer(pd.Index(tokens)) + 1).astype(np.int32)


def tokens_of(numbers: np.ndarray, vocabulary: np.ndarray) -> np.ndarray:
    """Tokens by their numbers: :func:`token_numbers` back; for 0 one that the vocabulary lacks."""
    known = set(vocabulary.tolist())
    tokens: Iterable = (
        count() if vocabulary.dtype.kind in "iu" else map("unknown{}".format, count())
    )
    unknown = next(token for token in tokens if token not in known)
    return np.array([unknown, *vocabulary.tolist()], vocabulary.dtype)[numbers]


def _checked(rows: Sequences, name: str, steps: str = "steps") -> Sequences:
    """Sequences of which none is empty."""
    if (empty := np.flatnonzero(rows.lengths == 0)).size:
        raise ValueError(
            f"{name}[{empty[0]}] has no {steps} (nor have {empty.size - 1} others); drop such rows."
            if empty.size > 1
            else f"{name}[{empty[0]}] has no {steps}; drop the row."
        )
    return rows


def padded(X: Any) -> Any:
    """An array (n, n_steps, n_features) as a list of rows less the steps of NaN at their ends.

    X as an array, if there are none; an awkward array as it is, for it needs no padding.
    """
    if is_awkward(X):
        return X
    X = np.asarray(X)
    if X.dtype.kind != "f" or X.size == 0 or not np.isnan(X[:, -1]).all(axis=1).any():
        return X
    real = ~np.isnan(X).all(axis=2)
    lengths = np.where(real.any(axis=1), X.shape[1] - real[:, ::-1].argmax(axis=1), 0)
    return [row[:n] for row, n in zip(X, lengths)]
