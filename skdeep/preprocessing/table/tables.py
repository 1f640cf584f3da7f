"""Decoded columns as the table that they were: dtypes, containers, names."""

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from skdeep.preprocessing.table.columns import Column, Table


def made_back(table: Table, columns: dict[int, np.ndarray]) -> Any:
    """A DataFrame or an array of columns by their positions."""
    values = {i: _typed(column, table.columns[i]) for i, column in columns.items()}
    if table.container == "array":
        arrays = [np.asarray(v) for v in values.values()]
        kinds = {array.dtype.kind for array in arrays}
        same = len(kinds) == 1 or kinds <= set("iuf")
        arrays = arrays if same else [array.astype(object) for array in arrays]
        return np.stack(arrays, axis=1)
    names = unique(table.columns[i].name for i in values)
    if table.container == "pandas":
        return pd.DataFrame(dict(zip(names, values.values())))
    import polars  # as the user has, whose table it was

    return polars.DataFrame(
        [_to_polars(v, name, polars) for v, name in zip(values.values(), names)]
    )


def _typed(values: np.ndarray, column: Column) -> Any:
    """Decoded values in the dtype of the column, as far as it has place for missing ones."""
    missing = pd.isna(values)
    if column.kind == "date":
        dates = _in_unit(values.astype("M8[us]"), column.dtype)
        if column.zone:
            return pd.DatetimeIndex(dates).tz_localize("UTC").tz_convert(column.zone)
        return dates
    if column.family == "duration":
        values = np.where(missing, np.nan, values.astype(np.float64))
        return np.where(missing, np.timedelta64("NaT"), np.rint(values).astype("m8[us]"))
    if column.family == "number":
        numbers = np.full(len(values), np.nan)
        numbers[~missing] = values[~missing].astype(np.float64)
        numbers = np.rint(numbers) if column.is_whole else numbers
        dtype = column.dtype.lower()  # of NumPy's; pandas' have capitals
        if "int" in dtype and not missing.any():
            return _integers(numbers, dtype)
        return numbers.astype(dtype) if dtype.startswith("float") else numbers
    if column.family == "boolean" and not missing.any():
        return values.astype(bool)
    if column.family == "boolean":
        values = values.astype(object)
        values[~missing] = values[~missing].astype(bool)
    values = values.astype(object)
    values[missing] = None
    return values


def _in_unit(dates: np.ndarray, dtype: str) -> np.ndarray:
    """Dates, which lie between those of the training rows, in the unit of pandas' dtype."""
    unit = re.match(r"datetime64\[(s|ms|ns)\b", dtype)
    return dates if unit is None else dates.astype(f"M8[{unit[1]}]")


def _integers(numbers: np.ndarray, dtype: str) -> np.ndarray:
    """Whole numbers as integers, those beyond the dtype's as its largest."""
    info = np.iinfo(dtype)
    most = np.float64(info.max)
    if int(most) > info.max:
        most = np.nextafter(most, 0)
    return numbers.clip(info.min, most).astype(dtype)


def _to_polars(values: Any, name: str, polars: Any) -> Any:
    """A series; NaN of floats is null."""
    if isinstance(values, pd.DatetimeIndex):
        naive = values.tz_convert("UTC").tz_localize(None).to_numpy()
        series = polars.Series(name, naive).dt.replace_time_zone("UTC")
        return series.dt.convert_time_zone(str(values.tz))
    if values.dtype.kind == "O":
        return polars.Series(name, values.tolist())
    return polars.Series(name, values, nan_to_null=True)


def unique(names: Iterable[str]) -> np.ndarray:
    """Names as an array of objects; one that is there already gets a number."""
    found: dict[str, None] = {}
    for name in names:
        number, candidate = 2, name
        while candidate in found:
            number, candidate = number + 1, f"{name}_{number}"
        found[candidate] = None
    return np.array([*found], dtype=object)
