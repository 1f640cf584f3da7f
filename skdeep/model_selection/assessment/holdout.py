"""Rows that a search does not see, taken as its splitter takes test rows."""

from typing import Any

import numpy as np
from sklearn.model_selection import (
    GroupShuffleSplit,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedShuffleSplit,
    TimeSeriesSplit,
)
from sklearn.model_selection._split import _CVIterableWrapper, _UnsupportedGroupCVMixin
from sklearn.utils.validation import _num_samples


def hold_out(
    share: float, splitter: Any, X: Any, y: Any, groups: Any, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows for a search, and rows held out from it.

    The last ones where the splitter goes by time; whole groups where it keeps them together; the
    classes in proportion where it does so.

    Raises
    ------
    ValueError
        If the splitter is a list of splits, or there are too few rows, classes or groups.
    """
    n = _num_samples(X)
    if isinstance(splitter, _CVIterableWrapper):
        raise ValueError(
            "holdout takes rows away before they are split, but cv is a list of splits, which "
            "has them; pass a splitter as cv."
        )
    name = type(splitter).__name__
    if isinstance(splitter, TimeSeriesSplit) or "TimeSeries" in name:
        n_kept = n - max(round(share * n), 1)
        return np.arange(n_kept), np.arange(n_kept, n)
    stratified = name.startswith(("Stratified", "RepeatedStratified"))
    if groups is not None and not isinstance(splitter, _UnsupportedGroupCVMixin):
        if stratified:
            n_parts = max(round(1 / share), 2)
            chosen: Any = StratifiedGroupKFold(n_parts, shuffle=True, random_state=seed)
        else:
            chosen = GroupShuffleSplit(1, test_size=share, random_state=seed)
        return next(chosen.split(X, y, groups))
    make = StratifiedShuffleSplit if stratified else ShuffleSplit
    kept, held = next(make(1, test_size=share, random_state=seed).split(X, y))
    return np.sort(kept), np.sort(held)
