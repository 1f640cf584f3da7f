"""What the columns of a table are for a search: features, targets, weights; how rows are split."""

import argparse
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skdeep.cli.tables import Refused, check_columns, listed, one_line, read_table

if TYPE_CHECKING:
    import pandas as pd

TASKS = ("classification", "regression")
MOST_CLASSES = 20  # of whole numbers, unless --task says so
ROWS_PER_CLASS = 10  # so many on average, for whole numbers to be classes
FOLDS = 5
NAMELESS = "Unnamed: "  # as pandas calls a column without a name
MOST_ROWS_IN_FOLDS = 5000  # more are split once


@dataclass(frozen=True)
class Data:
    """What a table is for a search.

    Attributes
    ----------
    X : DataFrame
        Features.
    y : ndarray of shape (n_samples,)
        Classes or numbers.
    target : str
        Their name.
    task : str
        One of ``TASKS``.
    splits : list of tuple of ndarray
        Training and test rows.
    kinds : dict of str to str
        Of columns whose kind their dtype does not tell, as ``TableEncoder`` takes them.
    weight, groups : ndarray of shape (n_samples,) or None
    """

    X: "pd.DataFrame"
    y: np.ndarray
    target: str
    task: str
    splits: list
    kinds: dict[str, str]
    weight: np.ndarray | None = None
    groups: np.ndarray | None = None

    @classmethod
    def read(cls, options: argparse.Namespace) -> "Data":
        """Read a table by its columns' parts.

        Raises
        ------
        Refused
            If it lacks some, or they cannot have these parts.
        """
        table = read_table(options.table)
        parts = [options.target, options.weight, options.group, options.time, *options.drop]
        named = [name for name in parts if name is not None]
        check_columns([*named, *options.categorical], table, options.table)
        twice = {name for name in named if [*named, *options.categorical].count(name) > 1}
        if twice:
            raise Refused(
                f"{listed(sorted(twice))} can be one of target, weight, group, time, drop, "
                "categorical only."
            )
        for name in named[: len(named) - len(options.drop)]:
            _refuse_gaps(table[name], options.table)
        if options.time is not None:
            order = np.argsort(_moments(table[options.time]), kind="stable")
            table = table.iloc[order].reset_index(drop=True)
        X = table.drop(columns=named)
        if not X.shape[1]:
            raise Refused(f"{options.table} has no column left to predict from.")
        task, y = _targets(table[options.target], options.task)
        nameless = [name for name in X if str(name).startswith(NAMELESS)]
        if nameless:
            warnings.warn(
                f"{listed(nameless)} has no name in {options.table}; if it has row numbers, --drop "
                "it.",
                stacklevel=2,
            )
        groups = None if options.group is None else table[options.group].to_numpy()
        weight = None if options.weight is None else _weights(table[options.weight])
        kinds = dict.fromkeys(_dates(X), "date") | dict.fromkeys(options.categorical, "categorical")
        splits = _splits(y, task, groups, options)
        return cls(X, y, options.target, task, splits, kinds, weight, groups)

    def __str__(self) -> str:
        train, test = self.splits[0]
        what = "numbers"
        if self.task == "classification":
            labels, counts = np.unique(self.y, return_counts=True)
            shares = [f"{label} {count / len(self.y):.0%}" for label, count in zip(labels, counts)]
            what = f"{len(labels)} classes ({', '.join(shares[:4])}{', ...' * (len(shares) > 4)})"
        n = len(self.splits)
        return (
            f"{self.target}: {what}, so {self.task}; {len(self.y):,} rows, {self.X.shape[1]} "
            f"columns; {n} split{'s' * (n > 1)}, {len(train):,} rows to train on and {len(test):,} "
            "to score"
        )

    @property
    def test_to_train(self) -> float:
        """Test rows for each training row, a mean over the splits."""
        return float(np.mean([len(test) / len(train) for train, test in self.splits]))

    @property
    def fit_params(self) -> dict[str, np.ndarray]:
        """What fits and scores take besides."""
        return {} if self.weight is None else {"sample_weight": self.weight}

    @property
    def group_params(self) -> dict[str, np.ndarray]:
        """What the search takes besides: it draws whole groups to judge its best score."""
        return {} if self.groups is None else {"groups": self.groups}

    def estimator(self, options: argparse.Namespace) -> Any:
        """A network that can be fitted to these columns, with the defaults of its kind.

        Raises
        ------
        Refused
            If a column cannot be encoded.
        """
        from sklearn.base import clone

        from skdeep.tabular.recipe import TabularClassifier, TabularRegressor, default_encoder

        kind = TabularClassifier if self.task == "classification" else TabularRegressor
        encoder = default_encoder().set_params(kinds=self.kinds) if self.kinds else None
        try:
            found = clone(encoder or default_encoder()).fit(self.X)
        except (ValueError, TypeError) as error:
            raise Refused(f"{options.table} cannot be encoded: {one_line(error)}") from error
        if not len(found.cardinalities_):
            raise Refused(f"{options.table} has only constant columns beside {self.target!r}.")
        return kind(encoder=encoder, random_state=options.seed)


def _refuse_gaps(column: "pd.Series", path: Path) -> None:
    n = int(column.isna().sum())
    if n:
        raise Refused(
            f"{path} lacks {column.name!r} in {n:,} of {len(column):,} rows; fill it in, or leave "
            "these rows out."
        )


def _targets(column: "pd.Series", task: str | None) -> tuple[str, np.ndarray]:
    """The task, as it is given or told by the targets, and these as an array."""
    from pandas.api import types

    name, is_number = column.name, types.is_numeric_dtype(column)
    if types.is_datetime64_any_dtype(column) or types.is_timedelta64_dtype(column):
        raise Refused(f"{name!r} has dates or durations; make numbers of them before, as days.")
    if types.is_bool_dtype(column) or not is_number:
        if task == "regression":
            raise Refused(
                f"{name!r} has {column.dtype} values, but --task regression takes numbers."
            )
        return "classification", _checked_classes(np.asarray(column, object), name)
    dtype: Any = column.dtype
    y = column.to_numpy(getattr(dtype, "numpy_dtype", dtype))
    if not np.isfinite(y).all():
        raise Refused(f"{name!r} has infinite values; leave these rows out.")
    n_distinct, is_whole = len(np.unique(y)), bool((y == np.rint(y)).all())
    few = n_distinct <= max(2, min(MOST_CLASSES, len(y) // ROWS_PER_CLASS))
    task = task or TASKS[not (is_whole and few)]
    if task == "regression":
        if n_distinct == 1:
            raise Refused(f"{name!r} is {y[0]:g} in all rows; there is nothing to predict.")
        return task, y.astype(np.float64)
    if not is_whole:
        raise Refused(f"{name!r} has fractions, which are no classes; give --task regression.")
    return task, _checked_classes(y, name)


def _checked_classes(y: np.ndarray, name: Any) -> np.ndarray:
    """Classes, if there are enough rows of two of them."""
    labels, counts = np.unique(y, return_counts=True)
    if len(labels) == 1:
        raise Refused(f"{name!r} is {labels[0]!r} in all rows; there is nothing to tell apart.")
    if (counts >= FOLDS).sum() < 2:
        raise Refused(
            f"{name!r} has {len(labels):,} different values in {len(y):,} rows, but two classes "
            f"at least must have {FOLDS} rows each."
        )
    return y


def _weights(column: "pd.Series") -> np.ndarray:
    from pandas.api import types

    if types.is_numeric_dtype(column):
        weight = column.to_numpy(np.float64)
        if np.isfinite(weight).all() and (weight >= 0).all() and weight.any():
            return weight
    raise Refused(
        f"{column.name!r} must have numbers that are not negative, and finite, as weights."
    )


def _moments(column: "pd.Series") -> np.ndarray:
    """What rows are sorted by: numbers, or dates."""
    from pandas.api import types

    from skdeep.preprocessing.table.reading import parsed

    if types.is_numeric_dtype(column) or types.is_datetime64_any_dtype(column):
        return column.to_numpy()
    try:
        return parsed(np.asarray(column, object), str(column.name), "").values
    except (ValueError, TypeError) as error:
        raise Refused(one_line(error)) from error


def _dates(X: "pd.DataFrame") -> list[str]:
    """Columns of strings all of which are dates, as 2026-01-31 or 2026-01-31T12:00."""
    from pandas.api import types

    from skdeep.preprocessing.table.reading import parsed

    found = []
    for name in X.columns.tolist():
        column = X[name].dropna()
        if types.is_numeric_dtype(column) or not types.is_string_dtype(column) or column.empty:
            continue
        if column.str.fullmatch(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?").all():
            try:
                parsed(np.asarray(column, object), name, "")
            except ValueError:
                continue
            found.append(name)
    return found


def _splits(
    y: np.ndarray, task: str, groups: np.ndarray | None, options: argparse.Namespace
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Training and test rows: of folds all, or one alone.

    Classes of fewer rows than there are folds are in training only.
    """
    from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold, TimeSeriesSplit

    rows = np.arange(len(y))
    wanted = options.folds or (FOLDS if len(y) <= MOST_ROWS_IN_FOLDS else 1)
    n = wanted if wanted > 1 else FOLDS
    random = {"shuffle": True, "random_state": options.seed}
    try:
        if options.time is not None:
            return [*TimeSeriesSplit(n).split(rows)][-wanted:]
        if groups is not None:
            n = min(n, len(np.unique(groups)))
            return [*GroupKFold(n, **random).split(rows, groups=groups)][:wanted]
        if task == "regression":
            return [*KFold(n, **random).split(rows)][:wanted]
        _, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
        common = rows[counts[codes] >= n]
        rare = np.setdiff1d(rows, common)
        folds = StratifiedKFold(n, **random).split(common, codes[common])
        return [(np.union1d(common[train], rare), common[test]) for train, test in folds][:wanted]
    except ValueError as error:
        raise Refused(f"{len(y):,} rows cannot be split: {one_line(error)}") from error
