"""Rows that a search does not see, taken as its splitter takes test rows."""

from itertools import islice
from typing import Any

import numpy as np
from sklearn.model_selection import (
    GroupShuffleSplit,
    PredefinedSplit,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedShuffleSplit,
    TimeSeriesSplit,
)
from sklearn.model_selection._split import _CVIterableWrapper, _UnsupportedGroupCVMixin
from sklearn.utils.validation import _num_samples

FINEST = 20  # folds, of which some are held out
NEAR = 0.01  # to the share


def hold_out(
    share: float, splitter: Any, X: Any, y: Any, groups: Any, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows for a search, and rows held out from it.

    The last ones where the splitter goes by time; whole groups where it keeps them together; the
    classes in proportion where it does so.

    Raises
    ------
    ValueError
        If the splitter has the splits already, or there are too few rows, classes or groups.
    """
    n = _num_samples(X)
    if isinstance(splitter, _CVIterableWrapper | PredefinedSplit):
        what = "a list of splits" if isinstance(splitter, _CVIterableWrapper) else "PredefinedSplit"
        raise ValueError(
            f"holdout takes rows away before they are split, but cv is {what}, which "
            "has them; pass a splitter as cv, or hold rows out beforehand."
        )
    name = type(splitter).__name__
    if isinstance(splitter, TimeSeriesSplit) or "TimeSeries" in name:
        n_kept = n - max(round(share * n), 1)
        return np.arange(n_kept), np.arange(n_kept, n)
    stratified = name.startswith(("Stratified", "RepeatedStratified"))
    try:
        if groups is not None and not isinstance(splitter, _UnsupportedGroupCVMixin):
            if stratified:
                return _whole_groups(share, X, y, groups, seed)
            kept, held = next(
                GroupShuffleSplit(1, test_size=share, random_state=seed).split(X, y, groups)
            )
        else:
            make = StratifiedShuffleSplit if stratified else ShuffleSplit
            kept, held = next(make(1, test_size=share, random_state=seed).split(X, y))
    except ValueError as error:
        raise ValueError(
            f"holdout={share} of {n} rows cannot be taken as {name} takes its test rows: {error} "
            "Pass another share, or cv=KFold(shuffle=True) where a class has too few rows."
        ) from error
    return np.sort(kept), np.sort(held)


def _whole_groups(
    share: float, X: Any, y: Any, groups: Any, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Some of the fewest folds that come near to the share, or nearest: fine ones balance less."""
    rarest = np.unique(y, return_counts=True)[1].min()
    most = int(min(FINEST, len(np.unique(groups)), rarest))
    choices = [
        (max(abs(k / n - share), NEAR), n, k) for n in range(2, most + 1) for k in range(1, n)
    ]
    if not choices:
        raise ValueError("there are fewer than two groups, or two rows of a class.")
    _, n_parts, n_held = min(choices)
    folds = StratifiedGroupKFold(n_parts, shuffle=True, random_state=seed).split(X, y, groups)
    held = np.sort(np.concatenate([test for _, test in islice(folds, n_held)]))
    return np.setdiff1d(np.arange(_num_samples(X)), held), held
