"""Labels, all of one kind, and which rows have none: nan, None, -1 among integer classes."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import assert_all_finite, column_or_1d

from skdeep.validation import naming, refuse_dates


def split_labels(y: Any, classes: bool, name: str = "y") -> tuple[np.ndarray, np.ndarray]:
    """The labels that are known, (n_known,), and which those are, (n_samples,) of bool.

    ``classes`` says whether they are classes; else they are numbers, of which only nan is none.
    """
    if y is None:
        raise ValueError(f"ActiveLearner requires {name} to be passed, but the target y is None.")
    with naming(name):
        refuse_dates(y)
        mixed = isinstance(y, list | tuple) and any(_is_none(label) for label in y)
        if mixed or isinstance(getattr(y, "dtype", None), pd.api.extensions.ExtensionDtype):
            # NumPy would write nan among words as a word, and integers with gaps as floats.
            y = np.array(y, dtype=object)
        y = column_or_1d(y, warn=True)
        if not classes:
            y = y.astype(np.float64)
        known = ~np.asarray(pd.isna(y))
        labels = np.array(y[known].tolist()) if y.dtype == object else y[known]
        if classes and _are_integers(labels):
            known[known] = labels != -1
            labels = labels[labels != -1]
    return labels, known


def all_labels(y: Any, name: str) -> np.ndarray:
    """Labels, (n_samples,) of numbers or of strings, where every row must have one."""
    with naming(name):
        refuse_dates(y)
        if isinstance(y, list | tuple):
            y = np.array(y, dtype=object)  # NumPy would write numbers among words as words
        y = column_or_1d(y, warn=True)
        if (missing := np.asarray(pd.isna(y))).any():
            raise ValueError(
                f"Input {name} contains NaN or None, at {np.flatnonzero(missing)[:5].tolist()}; "
                f"leave out rows of which it is not known."
            )
        if len({isinstance(label, str | bytes) for label in y.tolist()}) > 1:
            raise ValueError(f"{name} has both strings and numbers; pass labels of one kind.")
        y = np.array(y.tolist()) if y.dtype == object else y
        if y.dtype.kind not in "biufUST":
            raise TypeError(f"{name} must be of numbers or strings, but is of {y.dtype}.")
        assert_all_finite(y, input_name=name)
    return y


def joined(labels: np.ndarray, more: np.ndarray, name: str = "y") -> np.ndarray:
    """All labels, of one kind; a string and a number are none."""
    kinds = {"U" if array.dtype.kind in "OUST" else "number" for array in (labels, more)}
    if len(kinds) > 1:
        one, other = more[:1].tolist()[0], labels[:1].tolist()[0]
        raise ValueError(
            f"{name} has labels such as {one!r}, but those before are such as {other!r}; pass "
            f"labels of one kind."
        )
    return np.concatenate([labels, more])


def _are_integers(labels: np.ndarray) -> bool:
    """Whether they are whole numbers, of any dtype: a gap makes floats of integers."""
    kind = labels.dtype.kind
    return kind == "i" or (kind == "f" and bool((labels == np.round(labels)).all()))


def _is_none(label: Any) -> bool:
    return label is None or label is pd.NA or (isinstance(label, float) and np.isnan(label))
