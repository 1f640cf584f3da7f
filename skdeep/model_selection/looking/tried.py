"""The space of a search that does not tell it, from what was tried."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import kstest

from skdeep.model_selection.spaces import Space, When
from skdeep.model_selection.spaces.dimensions import as_number, same


def space_of(points: Sequence[Mapping[str, Any]]) -> Space:
    """The space that points seem to come from.

    Numbers span a range, logarithmic if they are spread more evenly so; all else are choices. What
    lacks in some points depends on another parameter, if one decides over it; if none does, the
    points that have the same parameters are a sub-space.
    """
    names = list(dict.fromkeys(name for point in points for name in point))
    if not names:
        raise ValueError("no candidate has a parameter yet: there is nothing to look at.")
    dimensions = {name: _dimension([p[name] for p in points if name in p]) for name in names}
    parents = {n: _parent(n, names, points) for n in names if not all(n in p for p in points)}
    if None not in parents.values():
        conditions = {
            name: When(parameter, values, dimensions[name])
            for name, (parameter, values) in parents.items()
        }
        return Space(dimensions | conditions)
    patterns = dict.fromkeys(tuple(name for name in names if name in p) for p in points)
    return Space([{name: dimensions[name] for name in pattern} for pattern in patterns if pattern])


def _dimension(values: list[Any]) -> Any:
    """A dimension, as a user writes it, that has the values."""
    numbers = np.array([as_number(value) for value in values])
    if np.isnan(numbers).any() or numbers.min() == numbers.max():
        return _distinct(values)
    low, high = min(values), max(values)
    integers = all(float(number).is_integer() for number in numbers) and not any(
        isinstance(value, float) for value in values
    )
    low, high = (int(low), int(high)) if integers else (float(low), float(high))
    return (low, high, "log") if _is_logarithmic(np.unique(numbers)) else (low, high)


def _distinct(values: list[Any]) -> list[Any]:
    """The values without repeats, in order."""
    distinct: list[Any] = []
    plain: set[Any] = set()  # of many numbers, each is looked up at once
    others: list[Any] = []
    for value in values:
        if type(value) in (str, int, float, bool):
            is_new = (type(value), value) not in plain
            plain.add((type(value), value))
        else:
            is_new = not any(same(value, each) for each in others)
            others += [value] * is_new
        distinct += [value] * is_new
    return distinct


def _is_logarithmic(numbers: np.ndarray) -> bool:
    """Whether numbers, over more than a decade, are spread more evenly in the logarithm."""
    low, high = numbers.min(), numbers.max()
    if low <= 0 or high < 10 * low:
        return False
    linear = (numbers - low) / (high - low)
    logarithmic = np.log(numbers / low) / np.log(high / low)
    return kstest(logarithmic, "uniform").statistic < kstest(linear, "uniform").statistic


def _parent(name: str, names: list[str], points: Sequence[Mapping[str, Any]]) -> Any:
    """(parameter, its values) where a name is there, if there is one that decides; or None."""
    for other in names:
        if not all(other in point for point in points):
            continue
        values = [point[other] for point in points if name in point]
        if any(isinstance(value, float) for value in values):
            continue
        values = _distinct(values)
        others = _distinct([point[other] for point in points if name not in point])
        if len(_distinct(values + others)) == len(values) + len(others):  # they share none
            return other, values
    return None
