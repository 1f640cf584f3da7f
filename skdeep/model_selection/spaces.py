"""Search spaces: what a user writes, points of the unit cube, and columns for a model.

A space maps names to dimensions. A *point* is a dict from names to values; *u* is the same as one
number in [0, 1] for each dimension, uniform where the user's prior is; *columns* are what a
Gaussian process sees. Integers and choices are bins of the unit interval: u anywhere in a bin
decodes to its value, and ``snap`` moves it to the middle, so that a model sees what is evaluated.
"""

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from numbers import Integral, Real
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Range:
    """Numbers from low to high, both included."""

    low: float
    high: float
    log: bool = False
    integer: bool = False

    @property
    def is_category(self) -> bool:
        """Whether the values have no order."""
        return False

    @property
    def size(self) -> float:
        """How many values there are."""
        return self.high - self.low + 1 if self.integer else np.inf

    @property
    def levels(self) -> list:
        return list(range(int(self.low), int(self.high) + 1))

    def encode(self, value: Any) -> float:
        """u of a value, outside [0, 1] for one beyond the ends; nan if it has none.

        Zero, in a logarithmic range at minus infinity, is taken to lie just below the low end.
        """
        if not isinstance(value, Real) or isinstance(value, bool) or (self.log and value < 0):
            return np.nan
        if self.log and value == 0:
            return -0.1
        start, stop = self._ends()
        return float((self._scale(value) - start) / (stop - start))

    def decode(self, u: float) -> float | int:
        value = float(self._values(np.asarray(u)))
        return int(value) if self.integer else value

    def snap(self, u: np.ndarray) -> np.ndarray:
        """The u that encodes the decoded value, elementwise."""
        if not self.integer:
            return u
        start, stop = self._ends()
        return (self._scale(self._values(u)) - start) / (stop - start)

    def columns(self, u: np.ndarray) -> np.ndarray:
        """What a model sees: the number itself."""
        return u

    def _values(self, u: np.ndarray) -> np.ndarray:
        start, stop = self._ends()
        scaled = start + u * (stop - start)
        values = np.exp(scaled) if self.log else scaled
        return np.clip(np.round(values) if self.integer else values, self.low, self.high)

    def _scale(self, values: Any) -> Any:
        return np.log(values) if self.log else values

    def _ends(self) -> tuple[float, float]:
        """Scaled ends of the interval; integers own half a unit on either side."""
        half = 0.5 if self.integer else 0.0
        return self._scale(self.low - half), self._scale(self.high + half)


@dataclass(frozen=True)
class Choice:
    """One of several values, equally likely or as ``weights`` have it."""

    levels: list
    weights: Sequence[float] | None = None

    @property
    def size(self) -> float:
        return len(self.levels)

    def encode(self, value: Any) -> float:
        """The middle of the value's bin; nan if it is no level."""
        alike = (lambda v: _same(v, value), lambda v: np.array_equal(v, value))
        for found in alike:  # the very value, else one that equals it
            for index, level in enumerate(self.levels):
                if found(level):
                    return float(self._middles()[index])
        return np.nan

    def decode(self, u: float) -> Any:
        return self.levels[int(self._index(np.asarray(u)))]

    def snap(self, u: np.ndarray) -> np.ndarray:
        return self._middles()[self._index(u)]

    def columns(self, u: np.ndarray) -> np.ndarray:
        """What a model sees: the rank of numbers in [0, 1], the index of other levels."""
        index = self._index(u)
        if self.is_category:
            return index.astype(float)
        rank = np.argsort(np.argsort(self.levels)) / max(len(self.levels) - 1, 1)
        return rank[index]

    @property
    def is_category(self) -> bool:
        """Whether the levels have no order."""
        return not all(isinstance(v, Real) and not isinstance(v, bool) for v in self.levels)

    def _edges(self) -> np.ndarray:
        weights = np.ones(len(self.levels)) if self.weights is None else np.array(self.weights)
        return np.concatenate([[0.0], np.cumsum(weights / weights.sum())])

    def _middles(self) -> np.ndarray:
        edges = self._edges()
        return (edges[1:] + edges[:-1]) / 2

    def _index(self, u: np.ndarray) -> np.ndarray:
        return np.searchsorted(self._edges()[1:-1], u, side="right")


class Space:
    """Named dimensions.

    Parameters
    ----------
    space : mapping of str to dimension
        A dimension is ``(low, high)`` or ``(low, high, "log")``, a range, of integers if both
        ends are; a list of choices; or ``Real``, ``Integer`` or ``Categorical`` of
        scikit-optimize, which is read and never changed.
    """

    def __init__(self, space: Mapping[str, Any]) -> None:
        if not space:
            raise ValueError("the search space is empty; give at least one dimension.")
        self.dimensions = {name: _parse(name, given) for name, given in space.items()}
        self.size = math.prod(d.size for d in self.dimensions.values())
        self.is_category = np.array([d.is_category for d in self.dimensions.values()])
        self.is_real = np.array([d.size == np.inf for d in self.dimensions.values()])

    def encode(self, point: Mapping[str, Any]) -> np.ndarray:
        """u, (n_dimensions,), with nan for each value that has no place in its dimension."""
        return np.array([d.encode(point[name]) for name, d in self.dimensions.items()])

    def decode(self, u: np.ndarray) -> dict[str, Any]:
        """The point at u, (n_dimensions,)."""
        return {name: d.decode(u[j]) for j, (name, d) in enumerate(self.dimensions.items())}

    def snap(self, U: np.ndarray) -> np.ndarray:
        """Points U, (n, n_dimensions), with integers and choices at the middle of their bins."""
        parts = [d.snap(U[:, j]) for j, d in enumerate(self.dimensions.values())]
        return np.column_stack(parts)

    def columns(self, U: np.ndarray) -> np.ndarray:
        """What a model sees of U, (n, n_dimensions): one column for each dimension."""
        parts = [d.columns(U[:, j]) for j, d in enumerate(self.dimensions.values())]
        return np.column_stack(parts)

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """n random points, or the whole space in random order if it has no more: (<= n, d)."""
        if self.size <= n:
            return rng.permutation(self._grid)
        return self.snap(rng.random((n, len(self.dimensions))))

    @cached_property
    def _grid(self) -> np.ndarray:
        """All points of a finite space, (size, n_dimensions)."""
        dimensions = self.dimensions.values()
        return np.array(list(product(*([d.encode(v) for v in d.levels] for d in dimensions))))


def _same(a: Any, b: Any) -> bool:
    """Whether two values are one category: 1, 1.0 and True are three; == may give an array."""
    return a is b or (type(a) is type(b) and bool(np.array_equal(a, b)))


def _parse(name: str, given: Any) -> Range | Choice:
    """The dimension that a user wrote, in any of the accepted ways."""
    skopt = sys.modules.get("skopt.space")  # its objects exist only where it is imported already
    if skopt and isinstance(given, skopt.Categorical):
        return Choice(list(given.categories), given.prior)
    if skopt and isinstance(given, skopt.Real | skopt.Integer):
        integer = isinstance(given, skopt.Integer)
        return _range(name, given.low, given.high, given.prior, integer)
    if isinstance(given, tuple) and len(given) in (2, 3):
        low, high, *prior = given
        integer = isinstance(low, Integral) and isinstance(high, Integral)
        return _range(name, low, high, prior[0] if prior else "uniform", integer)
    if isinstance(given, np.ndarray):
        given = given.tolist()
    if isinstance(given, list) and given:
        return Choice([v for i, v in enumerate(given) if not any(_same(v, u) for u in given[:i])])
    raise ValueError(
        f"the dimension of {name!r} must be a tuple (low, high) or (low, high, 'log') for a "
        f"range, a non-empty list for choices, or a dimension of scikit-optimize, but is "
        f"{given!r}."
    )


def _range(name: str, low: Any, high: Any, prior: Any, integer: bool) -> Range:
    """A range whose ends and prior make sense."""
    for end in (low, high):
        if not isinstance(end, Real) or isinstance(end, bool) or not math.isfinite(end):
            raise ValueError(
                f"the range of {name!r} must have finite numbers for ends, but has {end!r}; "
                f"write choices as a list."
            )
    if prior not in ("uniform", "log", "log-uniform"):
        raise ValueError(
            f"the prior of {name!r} must be 'uniform', 'log' or 'log-uniform', but is {prior!r}."
        )
    log = prior != "uniform"
    if low >= high:
        raise ValueError(f"the range of {name!r} must have low < high, but is ({low}, {high}).")
    if log and low <= 0:
        raise ValueError(
            f"the range of {name!r} is logarithmic, so low must be positive, but is {low}."
        )
    return Range(low, high, log, integer)
