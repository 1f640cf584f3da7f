"""A space: all of its dimensions together, points and rows of u."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain, count
from typing import Any

import numpy as np

from skdeep.model_selection.spaces.conditions import Part, join, n_points
from skdeep.model_selection.spaces.dimensions import Dimension
from skdeep.model_selection.spaces.reading import read_branches
from skdeep.validation import did_you_mean

ABSENT = 0.5  # u, and column, of a number that is not there
ABSENT_CATEGORY = -1.0  # column of a category that is not there

# A name, and the part that its value, or lack of one, does not fit; none if the name does not.
Fault = tuple[str, Part | None]


class Space:
    """Named dimensions.

    Parameters
    ----------
    given : dict, or list of dict, of (dict, int) or of dimensions
        A dict has a dimension for each name. In a list of dicts each is a sub-space; the number
        caps how many candidates come from it. A list of dimensions, as in scikit-optimize, makes
        points that are lists. A dimension is a tuple ``(low, high)``, ``(low, high, "log")`` or
        ``(low, high, step)``, a range, of integers if all of its numbers are; a list of choices;
        a Python ``range``; a distribution of ``scipy.stats``; a dimension of scikit-optimize; or
        a :class:`When` of any of these. What is given is never changed.

    Attributes
    ----------
    names : list of str
        Names in a point, as they were given.
    unnamed : bool
        Whether points are lists.
    dimensions : dict of str to Dimension
        One for each column, the hidden choice between sub-spaces included.
    budgets : list of int or None
        How many candidates may come from each sub-space; None for any number.
    is_real : ndarray of shape (n_dimensions,), bool
        Whether values are continuous.
    is_category : ndarray of shape (n_dimensions,), bool
        Whether values have no order.
    is_conditional : bool
        Whether some dimensions are there in some points only.
    """

    def __init__(self, given: Any) -> None:
        branches, self.budgets, self.unnamed = read_branches(given)
        self.names = list(dict.fromkeys(chain.from_iterable(branches)))
        self._parts = join(branches)
        self.dimensions: dict[str, Dimension] = {}
        for part in self._parts:  # of two sub-spaces, a name may have two dimensions
            keys = chain([part.name], (f"{part.name} [{i}]" for i in count(2)))
            self.dimensions[next(k for k in keys if k not in self.dimensions)] = part.dimension
        self.is_real = np.array([part.dimension.is_real for part in self._parts])
        self.is_category = np.array([part.dimension.is_category for part in self._parts])
        self.is_conditional = any(part.conditions for part in self._parts)
        if self.unnamed and self.is_conditional:
            raise ValueError("conditions need names: write the space as a dict, not as a list.")

    @cached_property
    def size(self) -> float:
        """How many points there are, one that lies in two sub-spaces counted twice."""
        return n_points(self._parts)

    def encode(self, point: Mapping[str, Any] | Sequence) -> np.ndarray:
        """u, (n_dimensions,), with nan for each value that has no place in its dimension.

        Numbers beyond the ends of a range lie beyond [0, 1]. Of sub-spaces it is the first that
        has a place for all values, else for most; names that are not in it are left out.
        """
        return self._nearest(point)[0]

    def check(self, point: Mapping[str, Any] | Sequence) -> np.ndarray:
        """u of a point that lies in the space, (n_dimensions,).

        Raises
        ------
        ValueError
            If it lies outside: a name is unknown or lacking, or a value has no place.
        """
        u, faults = self._nearest(point)
        if faults:
            name, part = faults[0]
            raise ValueError(
                f"the point {point!r} lies outside the space: {self._words(name, part, point)}"
            )
        return u

    def holds(self, point: Mapping[str, Any] | Sequence) -> bool:
        """Whether a point lies in the space."""
        return not self._nearest(point)[1]

    def decode(self, u: np.ndarray) -> Any:
        """The point at u, (n_dimensions,): a dict of what is there, or a list without names."""
        active = self.active(u[None])[0]
        there = {
            part.name: part.dimension.decode(u[j])
            for j, part in enumerate(self._parts)
            if active[j]
        }
        values = {name: there[name] for name in self.names if name in there}
        return list(values.values()) if self.unnamed else values

    def points_of(self, table: Any) -> Any:
        """Points of a DataFrame, or the one of a Series, in which nan is what is not there.

        Where a list's dimensions have names, columns of these names may stand in any order.
        """
        rows = table.to_dict("records") if table.ndim == 2 else [table.to_dict()]
        points: list = [{k: v for k, v in row.items() if v == v} for row in rows]
        if self.unnamed:
            points = [self._in_order(point) for point in points]
        return points if table.ndim == 2 else points[0]

    def _in_order(self, row: Mapping[str, Any]) -> list[Any]:
        """Values of a row as a point of a list of dimensions."""
        if not set(self.names) & set(row):
            return [*row.values()]
        if set(self.names) != set(row):
            raise ValueError(f"a point must have values of {self.names}, but has {dict(row)!r}.")
        return [row[name] for name in self.names]

    def own(self, point: Mapping[str, Any] | Sequence) -> Any:
        """A point that lies in the space, with its choices and steps as the space has them.

        What a table made a float of is an integer again.
        """
        named = self._by_name(point)
        found = self.decode(self.check(point))
        own = dict(zip(self.names, found)) if self.unnamed else found
        real = {part.name for part in self._parts if part.dimension.is_real}
        own |= {name: value for name, value in named.items() if name in real}
        return [*own.values()] if self.unnamed else own

    def active(self, U: np.ndarray) -> np.ndarray:
        """Which dimensions are there at U, (n, n_dimensions): bools of the same shape."""
        active = np.ones(U.shape, dtype=bool)
        levels: dict[int, np.ndarray] = {}
        for j, part in enumerate(self._parts):
            for parent, allowed in part.conditions:
                if parent not in levels:
                    levels[parent] = self._parts[parent].dimension.index(U[:, parent])
                met = np.isin(levels[parent], list(allowed))
                active[:, j] &= active[:, parent] & met
        return active

    def snap(self, U: np.ndarray) -> np.ndarray:
        """Points U, (n, n_dimensions), with levels at the middle of their bins.

        What is not there stands at 1/2, so that equal points have equal rows.
        """
        snapped = np.column_stack(
            [part.dimension.snap(U[:, j]) for j, part in enumerate(self._parts)]
        )
        return np.where(self.active(U), snapped, ABSENT) if self.is_conditional else snapped

    def canonical(self, u: np.ndarray) -> np.ndarray:
        """u, (n_dimensions,), of the point to which u decodes: that of its first sub-space.

        It differs in the last digits, too, and where a distribution is so dense that many u decode
        to one value.
        """
        if len(self.budgets) > 1:
            return self.encode(self.decode(u))
        u = self.snap(u[None])[0]
        for j in np.flatnonzero(self.is_real & self.active(u[None])[0]):
            dimension = self._parts[j].dimension
            u[j] = dimension.encode(dimension.decode(u[j]))
        return u

    def key(self, u: np.ndarray) -> bytes:
        """What two u, (n_dimensions,), have in common if they are one point."""
        return (np.round(self.canonical(u), 12) + 0.0).tobytes()  # without negative zeros

    def columns(self, U: np.ndarray) -> np.ndarray:
        """What a model sees of U, (n, n_dimensions), in the same shape.

        Numbers are u, or ranks in [0, 1] of choices; categories are the index of their level.
        What is not there is 1/2 or, of categories, -1.
        """
        columns = np.column_stack(
            [part.dimension.column(U[:, j]) for j, part in enumerate(self._parts)]
        )
        if not self.is_conditional:
            return columns
        absent = np.where(self.is_category, ABSENT_CATEGORY, ABSENT)
        return np.where(self.active(U), columns, absent)

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """n random points, or the whole space in random order if it has no more: (<= n, d)."""
        if self.size <= n:
            return rng.permutation(self._grid)
        return self.snap(rng.random((n, len(self._parts))))

    def sample_levels(self, rng: np.random.Generator) -> np.ndarray:
        """A random point, (n_dimensions,), at which all levels are equally likely."""
        u = rng.random(len(self._parts))
        for j in np.flatnonzero(~self.is_real):
            dimension = self._parts[j].dimension
            u[j] = dimension.middle(np.asarray(rng.integers(int(dimension.size))))
        return self.snap(u[None])[0]

    def neighbours(self, u: np.ndarray) -> np.ndarray:
        """Points that differ from snapped u, (n_dimensions,), in one level: (m, n_dimensions).

        Of each dimension there are at most 8. What a new level brings along stands at its middle.
        """
        active = self.active(u[None])[0]
        rows = [np.empty((0, len(u)))]
        for j in np.flatnonzero(active & ~self.is_real):
            levels = self._parts[j].dimension.neighbours(u[j])
            rows.append(np.tile(u, (len(levels), 1)))
            rows[-1][:, j] = levels
        return self.snap(np.vstack(rows))

    def check_names(self, estimator: Any) -> None:
        """Refuse names that are no parameters of an estimator.

        Where a part of it is searched as well, a name of that part's must belong to its values.

        Raises
        ------
        ValueError
            If a name is unknown; it says what may have been meant.
        """
        valid = estimator.get_params()
        for branch in range(len(self.budgets)):
            places = {part.name: j for j, part in enumerate(self._parts) if branch in part.branches}
            for name, j in places.items():
                holder = next((h for h in _holders(name) if h in places), None)
                if holder is not None:
                    self._check_held(self._parts[j], places[holder], valid)
                elif name not in valid:
                    raise ValueError(
                        f"{name!r} in search_spaces is no parameter of "
                        f"{type(estimator).__name__}{did_you_mean(name, valid)}"
                    )

    def _check_held(self, part: Part, holder: int, valid: Mapping[str, Any]) -> None:
        """Refuse a name that is no parameter of the values that its holder may have."""
        held_by = self._parts[holder]
        levels = getattr(held_by.dimension, "levels", [])
        for parent, allowed in part.conditions:
            if parent == holder:
                levels = [level for i, level in enumerate(levels) if i in allowed]
        nested = [_nested_names(held_by.name, level) for level in levels]
        lacking = [level for level, names in zip(levels, nested) if part.name not in names]
        if len(lacking) == len(levels):
            hint = did_you_mean(part.name, {*valid, *chain.from_iterable(nested)} - {part.name})
            raise ValueError(
                f"{part.name!r} in search_spaces is no parameter of what {held_by.name!r} can "
                f"be{hint}"
            )
        if lacking:
            raise ValueError(
                f"{part.name!r} in search_spaces is no parameter where {held_by.name!r} is "
                f"{lacking[0]!r}; say where it is one: When({held_by.name!r}, [...], ...)."
            )

    def _nearest(self, point: Any) -> tuple[np.ndarray, list[Fault]]:
        """u of a point, (n_dimensions,), and its faults, in the sub-space that has the fewest."""
        values = self._by_name(point)
        found = [self._place(branch, values) for branch in range(len(self.budgets))]
        return min(found, key=lambda place: (np.isnan(place[0]).sum(), len(place[1])))

    def _by_name(self, point: Any) -> Mapping[str, Any]:
        """A point as a mapping from names to values."""
        if not self.unnamed:
            if isinstance(point, Mapping):
                return point
            raise TypeError(f"a point must be a dict, with values by name, but is {point!r}.")
        if not isinstance(point, list | tuple | np.ndarray):
            raise TypeError(f"a point must be a list, as the space is, but is {point!r}.")
        if len(point) != len(self.names):
            raise ValueError(
                f"a point must have {len(self.names)} values, one for each dimension, but "
                f"{point!r} has {len(point)}."
            )
        return dict(zip(self.names, point))

    def _place(self, branch: int, point: Mapping[str, Any]) -> tuple[np.ndarray, list[Fault]]:
        """u of a point in a sub-space, (n_dimensions,), and its faults."""
        u = np.full(len(self._parts), ABSENT)
        there: dict[int, int] = {}  # level by part
        if len(self.budgets) > 1:
            u[0], there[0] = self._parts[0].dimension.middle(np.asarray(branch)), branch
        faults: list[Fault] = []
        expected = set()
        for j, part in enumerate(self._parts):
            met = all(there.get(parent) in allowed for parent, allowed in part.conditions)
            if branch not in part.branches or not met:
                continue
            dimension, name = part.dimension, part.name
            expected.add(name)
            u[j] = dimension.encode(point[name]) if name in point else np.nan
            if np.isnan(u[j]) or not dimension.holds(point[name]):
                faults.append((name, part))
            if not np.isnan(u[j]):
                there[j] = -1 if dimension.is_real else int(dimension.index(u[j]))
        return u, faults + [(name, None) for name in point if name not in expected]

    def _words(self, name: str, part: Part | None, point: Any) -> str:
        """What is wrong with a point, at a name."""
        values = self._by_name(point)
        if name not in values:
            return f"{name!r} is lacking."
        if part is not None:
            return f"{name!r} is {values[name]!r}, but must be {part.dimension}."
        if name in self.names:
            return f"{name!r} has no place beside the other values."
        return f"{name!r} is unknown{did_you_mean(str(name), self.names)}"

    @cached_property
    def _grid(self) -> np.ndarray:
        """All points of a finite space, (size, n_dimensions)."""
        U = np.full((1, len(self._parts)), ABSENT)
        for j, part in enumerate(self._parts):
            active = self.active(U)[:, j]
            levels = part.dimension.middle(np.arange(int(part.dimension.size)))
            grown = np.repeat(U[active], len(levels), axis=0)
            grown[:, j] = np.tile(levels, active.sum())
            U = np.vstack([U[~active], grown])
        return U


def _holders(name: str) -> Iterator[str]:
    """Names of the parts of an estimator that a nested name leads through, innermost first."""
    while "__" in name:
        name = name.rpartition("__")[0]
        yield name


def _nested_names(name: str, value: Any) -> list[str]:
    """Names of a value's own parameters, as parameters of the estimator that has it."""
    if isinstance(value, type) or not hasattr(value, "get_params"):
        return []
    return [f"{name}__{own}" for own in value.get_params()]
