"""One dimension of a space: values on one side, u in [0, 1] on the other."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from decimal import Decimal
from functools import cached_property
from numbers import Real
from typing import Any

import numpy as np

N_NEIGHBOURS = 8
TAIL = 1e-3  # share of a distribution that is cut off on either side


class Dimension(ABC):
    """Values and their u. All but the continuous have levels: values with an index and a bin."""

    @property
    @abstractmethod
    def size(self) -> float:
        """How many values there are."""

    @property
    def is_real(self) -> bool:
        """Whether values are continuous."""
        return self.size == np.inf

    @property
    def is_category(self) -> bool:
        """Whether levels have no order."""
        return False

    @abstractmethod
    def encode(self, value: Any) -> float:
        """u of a value, outside [0, 1] for one beyond the ends; nan if it has none."""

    @abstractmethod
    def decode(self, u: float) -> Any:
        """The value at u."""

    @abstractmethod
    def holds(self, value: Any) -> bool:
        """Whether a value is one of the dimension's."""

    @abstractmethod
    def index(self, u: np.ndarray) -> np.ndarray:
        """Which level's bin u lies in, elementwise: integers below ``size``."""

    @abstractmethod
    def middle(self, index: np.ndarray) -> np.ndarray:
        """u at the middle of the level's bin, elementwise."""

    def snap(self, u: np.ndarray) -> np.ndarray:
        """The u that encodes the decoded value, elementwise."""
        return u if self.is_real else self.middle(self.index(u))

    def column(self, u: np.ndarray) -> np.ndarray:
        """What a model sees, elementwise."""
        return u

    def neighbours(self, u: float) -> np.ndarray:
        """u of other levels, at most 8: all, of few categories; near and far ones of numbers."""
        n, here = int(self.size), int(self.index(np.asarray(u)))
        if n == 1:
            return np.empty(0)
        if self.is_category:
            others = (here + np.linspace(1, n - 1, min(n - 1, N_NEIGHBOURS)).round()) % n
        else:
            reach = np.unique(np.geomspace(1, n - 1, N_NEIGHBOURS // 2).round())
            others = here + np.concatenate([-reach[::-1], reach])
            others = others[(others >= 0) & (others < n)]
        return self.middle(others.astype(np.int64))

    def equals(self, other: "Dimension") -> bool:
        """Whether two dimensions are the same in all."""
        return type(self) is type(other) and same(self._fields(), other._fields())

    def _fields(self) -> list:
        """What tells dimensions of one kind apart."""
        return [getattr(self, each.name) for each in fields(self)]  # type: ignore[arg-type]


@dataclass(frozen=True)
class Range(Dimension):
    """Numbers from low to high, both included; every ``step``, if it is given.

    Values are integers if low and step are.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None

    @property
    def size(self) -> float:
        return np.inf if self.step is None else round((self.high - self.low) / self.step) + 1

    def encode(self, value: Any) -> float:
        """u of a value, outside [0, 1] for one beyond the ends; nan if it has none.

        Zero, in a logarithmic range at minus infinity, is taken to lie just below the low end.
        """
        number = as_number(value)
        if self.log and number <= 0:
            return -0.1 if number == 0 else np.nan
        start, stop = self._ends
        return float((self._scale(number) - start) / (stop - start))

    def decode(self, u: float) -> float | int:
        if self.step is None:
            return float(self.values(np.asarray(u)))
        index = int(self.index(np.asarray(u)))
        if isinstance(self.low, int) and isinstance(self.step, int):
            return self.low + index * self.step
        return float(Decimal(repr(self.low)) + index * Decimal(repr(self.step)))  # 0.3, not 0.1 * 3

    def holds(self, value: Any) -> bool:
        number = as_number(value)
        if not self.low <= number <= self.high:
            return False
        steps = 0.0 if self.step is None else (number - self.low) / self.step
        return abs(steps - round(steps)) < 1e-9

    def index(self, u: np.ndarray) -> np.ndarray:
        assert self.step is not None
        return np.round((self.values(u) - self.low) / self.step).astype(np.int64)

    def middle(self, index: np.ndarray) -> np.ndarray:
        assert self.step is not None
        start, stop = self._ends
        return (self._scale(self.low + self.step * index) - start) / (stop - start)

    def values(self, u: np.ndarray) -> np.ndarray:
        """Numbers at u, elementwise, not yet rounded to a step."""
        start, stop = self._ends
        scaled = start + np.clip(u, 0, 1) * (stop - start)
        values = np.clip(np.exp(scaled) if self.log else scaled, self.low, self.high)
        # Searches end at the ends, and exp(log(1e-4)) is 1.0000000000000009e-4.
        return np.where(u <= 0, self.low, np.where(u >= 1, self.high, values))

    def _scale(self, values: Any) -> Any:
        return np.log(values) if self.log else values

    @cached_property
    def _ends(self) -> tuple[float, float]:
        """Scaled ends of the interval; levels own half a step on either side."""
        half = (self.step or 0) / 2
        return self._scale(self.low - half), self._scale(self.high + half)

    def __str__(self) -> str:
        scale = ", logarithmic" if self.log else ""
        if self.step is None:
            return f"a number from {self.low} to {self.high}{scale}"
        if isinstance(self.low, int) and self.step == 1:
            return f"an integer from {self.low} to {self.high}{scale}"
        second = self.decode(float(self.middle(np.asarray(1))))
        return f"one of {self.low}, {second}, ..., {self.high}{scale}"


@dataclass(frozen=True)
class Choice(Dimension):
    """One of several values, equally likely or as ``weights`` have it."""

    levels: list
    weights: list[float] | None = None
    ordered: bool = False

    @property
    def is_category(self) -> bool:
        return not self.ordered

    @property
    def size(self) -> float:
        return len(self.levels)

    def encode(self, value: Any) -> float:
        """The middle of the value's bin; nan if it is no level."""
        for found in (same, alike):  # the very value, else one that equals it
            for index, level in enumerate(self.levels):
                if found(level, value):
                    return float(self.middle(np.asarray(index)))
        return np.nan

    def decode(self, u: float) -> Any:
        return self.levels[int(self.index(np.asarray(u)))]

    def holds(self, value: Any) -> bool:
        return not np.isnan(self.encode(value))

    def index(self, u: np.ndarray) -> np.ndarray:
        return np.searchsorted(self._edges[1:-1], u, side="right")

    def middle(self, index: np.ndarray) -> np.ndarray:
        return (self._edges[index] + self._edges[index + 1]) / 2

    def column(self, u: np.ndarray) -> np.ndarray:
        """The level's rank in [0, 1] if there is an order, else its index."""
        return self.index(u) / (max(len(self.levels) - 1, 1) if self.ordered else 1)

    @cached_property
    def _edges(self) -> np.ndarray:
        weights = np.ones(len(self.levels)) if self.weights is None else np.array(self.weights)
        return np.concatenate([[0.0], np.cumsum(weights / weights.sum())])

    def __str__(self) -> str:
        return f"one of {self.levels}"


@dataclass(frozen=True)
class Distribution(Dimension):
    """Quantiles of a distribution, without the outer thousandth on either side.

    A tail may reach to infinity, and often the last value of a support, as 0 for a lognormal
    variable, is no sensible one. ``given`` has ``ppf`` and ``cdf``.
    """

    given: Any
    integer: bool = False

    @property
    def size(self) -> float:
        return self.high - self.low + 1 if self.integer else np.inf

    def encode(self, value: Any) -> float:
        number = as_number(value)
        return float(self._u(np.asarray(number))) if self.holds(number) else np.nan

    def decode(self, u: float) -> float | int:
        if self.integer:
            return self.low + int(self.index(np.asarray(u)))
        return float(np.clip(self._quantiles(np.asarray(u)), self.low, self.high))

    def holds(self, value: Any) -> bool:
        """Whether the distribution can have the value, be it in a tail that is cut off."""
        number = as_number(value)
        if np.isnan(number):
            return False
        if self.integer:
            below, above = self.given.cdf(number - 1), self.given.cdf(number)
            return number % 1 == 0 and bool(below < 1 and above > 0)
        return bool(self.given.ppf(0.0) <= number <= self.given.ppf(1.0))

    def _fields(self) -> list:
        return [self.integer, self._quantiles(np.linspace(0, 1, 65)).tolist()]

    def index(self, u: np.ndarray) -> np.ndarray:
        return np.clip(self._quantiles(u) - self.low, 0, self.size - 1).astype(np.int64)

    def middle(self, index: np.ndarray) -> np.ndarray:
        return self._u(self.low + index)

    def _u(self, values: np.ndarray) -> np.ndarray:
        """u of values, elementwise; of an integer, the middle of its bin."""
        start, stop = self._ends
        below = self.given.cdf(values - 1 if self.integer else values)
        return ((below + self.given.cdf(values)) / 2 - start) / (stop - start)

    def _quantiles(self, u: np.ndarray) -> np.ndarray:
        start, stop = self._ends
        return self.given.ppf(start + np.clip(u, 0, 1) * (stop - start))

    @cached_property
    def low(self) -> Any:
        low = self.given.ppf(TAIL)
        return int(low) if self.integer else float(low)

    @cached_property
    def high(self) -> Any:
        high = self.given.ppf(1 - TAIL)
        return int(high) if self.integer else float(high)

    @cached_property
    def _ends(self) -> tuple[float, float]:
        """Shares below the lowest and up to the highest value."""
        if not self.integer:
            return TAIL, 1 - TAIL
        return self.given.cdf(self.low - 1), self.given.cdf(self.high)

    def __str__(self) -> str:
        kind = "an integer" if self.integer else "a number"
        return f"{kind} of its distribution, such as {self.low:.4g} to {self.high:.4g}"


def as_number(value: Any) -> float:
    """A finite real number as float; nan for all else, bools included."""
    if not isinstance(value, Real) or isinstance(value, bool):
        return np.nan
    try:
        number = float(value)
    except OverflowError:  # an integer of 400 digits
        return np.nan
    return number if math.isfinite(number) else np.nan


def same(a: Any, b: Any) -> bool:
    """Whether two values are one category: of one type, and equal.

    So 1, 1.0 and True are three. Estimators are one if their parameters are.
    """
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if hasattr(a, "get_params") and not isinstance(a, type):
        return same(a.get_params(deep=False), b.get_params(deep=False))
    return alike(a, b)


def alike(a: Any, b: Any) -> bool:
    """Whether two values are equal, of whatever types: 1 and 1.0, a list and a tuple."""
    if isinstance(a, bool | np.bool_) != isinstance(b, bool | np.bool_):
        return False
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return bool(np.array_equal(a, b))
    try:
        return bool(a == b)
    except (TypeError, ValueError):  # tables: equal in each cell or not
        return bool(np.array_equal(a, b))
