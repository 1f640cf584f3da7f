"""Which rows have a label: scikit-learn's -1 among integer classes, nan and None."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import column_or_1d

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


def joined(labels: np.ndarray, more: np.ndarray) -> np.ndarray:
    """All labels, of one kind; a string and a number are none."""
    kinds = {"U" if array.dtype.kind in "OUST" else "number" for array in (labels, more)}
    if len(kinds) > 1:
        raise ValueError(
            f"y has labels such as {more.tolist()[0]!r}, but those before are such as "
            f"{labels.tolist()[0]!r}; pass labels of one kind."
        )
    return np.concatenate([labels, more])


def _are_integers(labels: np.ndarray) -> bool:
    """Whether they are whole numbers, of any dtype: a gap makes floats of integers."""
    kind = labels.dtype.kind
    return kind == "i" or (kind == "f" and bool((labels == np.round(labels)).all()))


def _is_none(label: Any) -> bool:
    return label is None or label is pd.NA or (isinstance(label, float) and np.isnan(label))
