"""Conditions: which parts of a space are there, and where.

A list of sub-spaces becomes one hidden choice, the *branch*, which their dimensions depend on. So
a space is always a list of parts, each after the parts that it depends on.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from skdeep.model_selection.spaces.dimensions import Choice, Dimension
from skdeep.model_selection.spaces.reading import read_dimension
from skdeep.persistence import saved
from skdeep.validation import did_you_mean

BRANCH = ""  # name of the hidden choice; a user's names are not empty

# (parent, allowed): the parent, by its place among all parts, must be there and stand at a level
# whose index is allowed.
Condition = tuple[int, frozenset[int]]


@saved
@dataclass(frozen=True)
class When:
    """A dimension that is there only where another parameter has certain values.

    Where it is not, points leave it out.

    Parameters
    ----------
    parameter : str
        Name of the other parameter, which has choices, integers or steps. It may be conditional
        itself.
    values : object
        The value of it at which the dimension is there, or a list, array or ``range`` of such
        values. A tuple is one value.
    dimension : object
        A dimension as in any space. Another ``When`` adds a second condition.

    Examples
    --------
    A third layer's width, only where there are three layers or more:

    >>> from skdeep.model_selection import When
    >>> space = {
    ...     "n_layers": (1, 4),
    ...     "units_3": When("n_layers", [3, 4], (16, 256, "log")),
    ... }
    """

    parameter: str
    values: Any
    dimension: Any


@dataclass
class Part:
    """A dimension, its name in points, and where it is there: where all conditions are met.

    ``branches`` are the sub-spaces that have the part.
    """

    name: str
    dimension: Dimension
    conditions: list[Condition] = field(default_factory=list)
    branches: set[int] = field(default_factory=set)


def join(branches: list[dict[str, Any]]) -> list[Part]:
    """Parts of all sub-spaces, of which each has a written dimension for each name.

    Those of equal name, dimension and conditions are one.
    """
    parts: list[Part] = []
    if len(branches) > 1:
        parts.append(Part(BRANCH, Choice(list(range(len(branches))))))
    for branch, space in enumerate(branches):
        places: dict[str, int] = {}
        for name, conditions, written in _in_order(space):
            resolved = [
                (places[when.parameter], _allowed(name, when, parts[places[when.parameter]]))
                for when in conditions
            ]
            places[name] = _add(parts, Part(name, read_dimension(name, written), resolved))
            parts[places[name]].branches.add(branch)
    for part in parts:
        if 0 < len(part.branches) < len(branches):
            part.conditions.insert(0, (0, frozenset(part.branches)))
    return parts


def n_points(parts: list[Part]) -> float:
    """How many points the parts make."""
    sizes = [part.dimension.size for part in parts]
    return _n_points({j: part.conditions for j, part in enumerate(parts)}, sizes)


def _in_order(space: Mapping[str, Any]) -> list[tuple[str, list[When], Any]]:
    """(name, conditions, dimension) in an order in which parents come first."""
    pending = {}
    for name, written in space.items():
        conditions = []
        while isinstance(written, When):
            conditions.append(written)
            written = written.dimension
        pending[name] = (name, conditions, written)
        for when in conditions:
            if not isinstance(when.parameter, str) or when.parameter not in space:
                raise ValueError(
                    f"{name!r} depends on {when.parameter!r}, which is not in its space"
                    f"{did_you_mean(str(when.parameter), space)}"
                )
    ordered: list[tuple[str, list[When], Any]] = []
    while pending:
        ready = [
            name
            for name, (_, conditions, _) in pending.items()
            if not any(when.parameter in pending for when in conditions)
        ]
        if not ready:
            raise ValueError(
                f"the conditions of {', '.join(map(repr, pending))} go round in a circle; at "
                f"least one of them must depend on none of the others."
            )
        ordered += [pending.pop(name) for name in ready]
    return ordered


def _allowed(name: str, when: When, parent: Part) -> frozenset[int]:
    """Levels of the parent, by index, that a condition allows."""
    if parent.dimension.is_real:
        raise ValueError(
            f"{name!r} depends on {parent.name!r}, which is continuous; only choices, integers "
            f"and steps can decide over others."
        )
    several = isinstance(when.values, list | range | np.ndarray)
    values = list(when.values) if several else [when.values]
    if not values:
        raise ValueError(f"{name!r} depends on no value of {parent.name!r}; give at least one.")
    for value in values:
        if not parent.dimension.holds(value):
            raise ValueError(
                f"{name!r} depends on {parent.name!r} being {value!r}, but that is "
                f"{parent.dimension}; write several values as a list."
            )
    index = parent.dimension.index(np.array([parent.dimension.encode(v) for v in values]))
    return frozenset(index.tolist())


def _add(parts: list[Part], new: Part) -> int:
    """Place of a part among the others; one that is there already is not added again."""
    for j, part in enumerate(parts):
        if (
            part.name == new.name
            and part.conditions == new.conditions
            and part.dimension.equals(new.dimension)
        ):
            return j
    parts.append(new)
    return len(parts) - 1


def _n_points(conditions: dict[int, list[Condition]], sizes: list[float]) -> float:
    """How many points some parts make, by the conditions among them.

    Parts that do not hang together multiply. Of those that do, the first depends on no other: we
    add up over the kinds of its levels, which decide the conditions on it.
    """
    n: float = 1
    while conditions:
        root = next(iter(conditions))
        tied = _connected(root, conditions)
        if len(tied) == 1:
            n *= sizes[root]
        else:
            n *= sum(
                n_levels * _n_points(_decided(tied, root, met), sizes)
                for met, n_levels in _kinds(tied, root, sizes[root])
            )
        conditions = {j: each for j, each in conditions.items() if j not in tied}
    return n


def _connected(root: int, conditions: dict[int, list[Condition]]) -> dict[int, list[Condition]]:
    """Those of the parts that hang together with the root, itself included."""
    found, before = {root}, 0
    while len(found) > before:
        before = len(found)
        for j, each in conditions.items():
            linked = {j, *(parent for parent, _ in each)}
            if linked & found:
                found |= linked
    return {j: each for j, each in conditions.items() if j in found}


def _kinds(
    conditions: dict[int, list[Condition]], root: int, size: float
) -> list[tuple[frozenset, float]]:
    """Kinds of the root's levels: the sets of allowed levels that hold them, and their number."""
    sets = {allowed for each in conditions.values() for parent, allowed in each if parent == root}
    named = frozenset().union(*sets)
    kinds: Counter = Counter(frozenset(s for s in sets if level in s) for level in named)
    rest = size - len(named)
    return [*kinds.items(), *([(frozenset(), rest)] if rest else [])]


def _decided(
    conditions: dict[int, list[Condition]], root: int, met: frozenset
) -> dict[int, list[Condition]]:
    """The other parts and their other conditions, once it is known which on the root are met."""
    left: dict[int, list[Condition]] = {}
    for j, each in conditions.items():
        there = all(s in met if parent == root else parent in left for parent, s in each)
        if j != root and there:
            left[j] = [condition for condition in each if condition[0] != root]
    return left
