"""Columns of arrays and DataFrames, as values of five families; all that knows of dtypes is here.

A family is what the values are: numbers, booleans, strings, dates or durations. What is made of
them, a column's kind, follows from it unless the user says otherwise.
"""

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils._dataframe import is_polars_df

# What may be made of which family, the first by default.
KINDS = {
    "number": ("numeric", "categorical", "hashed"),
    "boolean": ("boolean", "numeric", "categorical", "hashed"),
    "string": ("categorical", "hashed", "date"),
    "date": ("date",),
    "duration": ("numeric",),
    "empty": ("numeric", "boolean", "categorical", "hashed", "date"),
}
_OF_OBJECTS = {
    "string": "string",
    "boolean": "boolean",
    "integer": "number",
    "floating": "number",
    "mixed-integer-float": "number",
    "decimal": "number",
    "datetime": "date",
    "datetime64": "date",
    "date": "date",
    "timedelta": "duration",
    "timedelta64": "duration",
    "empty": "empty",
}
_ZONE = re.compile(r"[T ]\d.*(Z|[+-]\d\d(:?\d\d)?)$")  # behind a time: a date ends alike
_COARSE = ("Y", "M", "W", "D", "h", "m", "s", "ms")  # units that microseconds may not reach as far


@dataclass(frozen=True)
class Values:
    """The values of a column.

    Attributes
    ----------
    family : str
        A key of ``KINDS``; "empty" where all are missing.
    values : ndarray of shape (n_samples,)
        Numbers as integers or floats; booleans as floats 0 and 1; durations as floats, in
        microseconds; dates as datetime64[us], in UTC if they have a zone; strings as objects.
        NaN and NaT are missing; among strings whatever pandas says is.
    dtype : str
        As given.
    kind : str
        By dtype.
    zone : str
        Time zone of dates; "" without.
    """

    family: str
    values: np.ndarray
    dtype: str
    kind: str
    zone: str = ""

    @property
    def missing(self) -> np.ndarray:
        """Which are missing, (n_samples,) bool."""
        return pd.isna(self.values)

    def or_empty(self) -> "Values":
        """The same, or of the family "empty" if all are missing."""
        return replace(self, family="empty") if self.missing.all() else self

    def floats(self) -> np.ndarray:
        """Numbers, booleans, durations or nothing as float64."""
        if self.family == "empty":
            return np.full(len(self.values), np.nan)
        return self.values.astype(np.float64, copy=False)


def columns_of(X: Any) -> list[Any]:
    """Columns as one-dimensional arrays of NumPy or pandas."""
    if isinstance(X, pd.DataFrame):
        return [
            column.to_numpy() if isinstance(column.dtype, np.dtype) else column.array
            for _, column in X.items()
        ]
    if is_polars_df(X):
        return [_from_polars(column) for column in X.get_columns()]
    return list(X.T)


def _from_polars(column: Any) -> Any:
    values, zone = column.to_numpy(), getattr(column.dtype, "time_zone", None)
    if values.ndim != 1:
        raise TypeError(f"column {column.name!r} has dtype {column.dtype}, {_EXPECTED}.")
    if zone is None:
        return values
    return pd.DatetimeIndex(values).tz_localize("UTC").tz_convert(zone).array


def read(array: Any, name: str) -> Values:
    """The values of a column.

    Raises
    ------
    TypeError, ValueError
        If they are of no family, or of several; if dates are out of range.
    """
    dtype = array.dtype
    if not isinstance(dtype, np.dtype):
        return _extension(array, name)
    label, kind = str(dtype), dtype.kind
    if kind in "iuf":
        return Values("number", array, label, "numeric")
    if kind == "b":
        return Values("boolean", array.astype(np.float64), label, "boolean")
    if kind in "UT":
        return Values("string", array.astype(object), label, "categorical")
    if kind == "M":
        return Values("date", _microseconds(array, name), label, "date")
    if kind == "m":
        return Values("duration", _durations(array, name), label, "numeric")
    if kind == "O":
        return _objects(array, name)
    if kind == "c":
        raise ValueError(f"Complex data not supported: column {name!r} has dtype {dtype}.")
    raise TypeError(f"column {name!r} has dtype {dtype}, {_EXPECTED}.")


_EXPECTED = "but must hold numbers, booleans, strings, dates or durations, of one kind"


def _extension(array: Any, name: str) -> Values:
    """Of the dtypes that are pandas' own."""
    dtype, label = array.dtype, str(array.dtype)
    if isinstance(dtype, pd.StringDtype):
        return Values("string", np.asarray(array, object), label, "categorical")
    if isinstance(dtype, pd.PeriodDtype):
        return replace(read(array.to_timestamp().to_numpy(), name), dtype=label)
    if isinstance(dtype, pd.CategoricalDtype):
        if isinstance(dtype.categories.dtype, pd.IntervalDtype | pd.PeriodDtype):
            array = array.rename_categories(dtype.categories.astype(str))  # as of pandas' cut
        found = read(np.asarray(array), name)
        kind = "categorical" if "categorical" in KINDS[found.family] else found.kind
        return Values(found.family, found.values, label, kind, found.zone)
    if isinstance(dtype, pd.DatetimeTZDtype):
        values = array.tz_convert("UTC").tz_localize(None).to_numpy()
        return Values("date", _microseconds(values, name), label, "date", _name_of_zone(dtype.tz))
    if isinstance(dtype, pd.SparseDtype):
        return read(np.asarray(array), name)
    if dtype.kind in "iufb" and hasattr(array, "isna"):
        if not array.isna().any():
            return read(array.to_numpy(dtype.numpy_dtype), name)
        found = array.to_numpy(np.float64, na_value=np.nan)
        family = "boolean" if dtype.kind == "b" else "number"
        return Values(family, found, label, KINDS[family][0])
    return _objects(np.asarray(array, object), name)


def _objects(array: np.ndarray, name: str) -> Values:
    """Of Python objects, which must all be of one family."""
    inferred = pd.api.types.infer_dtype(array, skipna=True)
    if inferred == "complex":
        raise ValueError(f"Complex data not supported: column {name!r} has complex numbers.")
    if inferred not in _OF_OBJECTS:
        kinds = sorted({type(value).__name__ for value in array[~pd.isna(array)]})
        raise TypeError(
            f"column {name!r} holds objects of type {', '.join(kinds)}, {_EXPECTED}; each argument "
            f"must be a string or a number."
        )
    family = _OF_OBJECTS[inferred]
    if family == "date":
        return parsed(array, name, "object")
    if family == "duration":
        try:
            array = _durations(pd.to_timedelta(array).to_numpy(), name)
        except (ValueError, OverflowError) as error:
            raise ValueError(f"column {name!r} cannot be read as durations: {error}.") from error
    elif family in ("number", "boolean"):
        array = _numbers(array, family, name)
    return Values(family, array, "object", KINDS[family][0])


def _numbers(array: np.ndarray, family: str, name: str) -> np.ndarray:
    """Objects as integers where all are, else as floats."""
    missing = pd.isna(array)
    if family == "number" and not missing.any():
        found = np.array(array.tolist())
        if found.dtype.kind in "iu":
            return found
    found = np.full(len(array), np.nan)
    try:
        found[~missing] = array[~missing].astype(np.float64)
    except OverflowError:
        raise ValueError(
            f"column {name!r} has an integer that is too large for float64; take its logarithm, or "
            f"make it a string."
        ) from None
    return found


def parsed(array: np.ndarray, name: str, dtype: str) -> Values:
    """Objects or ISO 8601 strings as dates.

    Raises
    ------
    ValueError
        If one is no date, or they differ in having a time zone.
    """
    zones = {_zone(value) for value in pd.unique(array[~pd.isna(array)])}
    several = len(zones) > 1 and None not in zones
    try:
        if len(zones) > 1 and not several:
            raise ValueError("some have a time zone, and others none.")
        dates = pd.to_datetime(array, format="ISO8601", utc=several)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(
            f"column {name!r} cannot be read as dates: {str(error).partition(chr(10))[0]} Strings "
            f"must be dates in ISO 8601, as 2026-01-31, all with a time zone or none."
        ) from error
    dates = pd.DatetimeIndex(dates)
    found = read(dates.array, name) if dates.tz else read(dates.to_numpy(), name)
    return Values("date", found.values, dtype, "date", found.zone)


def _zone(value: Any) -> Any:
    """The time zone that a date, or a string of one, says; None without."""
    if isinstance(value, str):
        found = _ZONE.search(value)
        return None if found is None else found.group()
    return getattr(value, "tzinfo", None)


def _name_of_zone(zone: Any) -> str:
    """What pandas calls a time zone; UTC, whose instants are the same, for one without a name."""
    try:
        return str(pd.DatetimeTZDtype(tz=str(zone)).tz)
    except (KeyError, TypeError, ValueError):  # as dateutil's
        return "UTC"


def _microseconds(array: np.ndarray, name: str) -> np.ndarray:
    """Dates as datetime64[us]."""
    dates = array.astype("M8[us]")
    if np.datetime_data(array.dtype)[0] in _COARSE:
        back = dates.astype(array.dtype)
        if (beyond := (back != array) & ~np.isnat(array)).any():
            raise ValueError(
                f"column {name!r} has the date {array[beyond][0]}, out of the range of "
                f"microseconds, some 292,000 years around 1970; write NaT for what is no date."
            )
    return dates


def _durations(array: np.ndarray, name: str) -> np.ndarray:
    """Durations as float microseconds, NaN for NaT."""
    if np.datetime_data(array.dtype)[0] in ("Y", "M"):
        raise TypeError(
            f"column {name!r} has dtype {array.dtype}, of months and years that differ in length; "
            f"give days."
        )
    return np.where(np.isnat(array), np.nan, array / np.timedelta64(1, "us"))
