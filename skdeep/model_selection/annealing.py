"""Simulated annealing, ask and tell: a random walk that is ever less willing to get worse.

From a point of value f a step to one of value f' is taken with probability [1]_

    min(1, exp(-(f' - f) / T)).

A step is as likely as the step back, so that at a fixed temperature T the walk visits points in
proportion to exp(-f / T), wherever it began. The temperature falls geometrically from T_0 to T_1
over the evaluations [2]_: at first the walk crosses hills, at last it goes down only.

The walk lives in the unit cube of a space. A step moves some of the dimensions: numbers by a
normal step that is reflected at 0 and 1, categories to a random one. Steps shorten as
sqrt(T / T_0), as does the region around a smooth minimum where the walk stays.

.. [1] Metropolis, Rosenbluth, Rosenbluth, Teller, Teller. Equation of state calculations by fast
   computing machines. Journal of Chemical Physics 21, 1953.
.. [2] Kirkpatrick, Gelatt, Vecchi. Optimization by simulated annealing. Science 220, 1983.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skdeep.model_selection.spaces import Known, Space

COOLING = 1000  # T_0 / T_1, unless told otherwise
MAX_FREE_STEPS = 1000  # among visited points; then a new one is drawn at random


class Annealer:
    """Minimise over a space by Metropolis's walk, one point at a time.

    A point that was visited is known: a step back to it costs no evaluation.

    Parameters
    ----------
    space : Space
        Where to walk.
    n_evaluations : int
        Evaluations over which the temperature falls.
    initial_temperature, final_temperature : float or None, default=None
        T_0 and T_1. None stands for the standard deviation of the values of some random points,
        the best of which begins the walk; and for T_0 / 1000.
    step_size : float, default=0.5
        Standard deviation of the first steps, as a share of a dimension.
    reevaluate : int, default=0
        After as many evaluations elsewhere the current point is asked for again, and its value is
        the mean: where a function is noisy, one lucky value would else hold the walk. 0 stands
        for never.
    random_state : int or None, default=None
        Seed.
    """

    def __init__(
        self,
        space: Space,
        *,
        n_evaluations: int,
        initial_temperature: float | None = None,
        final_temperature: float | None = None,
        step_size: float = 0.5,
        reevaluate: int = 0,
        random_state: int | None = None,
    ) -> None:
        if None not in (initial_temperature, final_temperature):
            if final_temperature > initial_temperature:  # type: ignore[operator]
                raise ValueError(
                    f"final_temperature must be at most initial_temperature, which is "
                    f"{initial_temperature}, but is {final_temperature}; the temperature falls."
                )
        self.space = space
        self.n_evaluations = n_evaluations
        self.initial_temperature = initial_temperature
        self.final_temperature = final_temperature
        self.step_size = step_size
        self.reevaluate = reevaluate
        self._rng = np.random.default_rng(random_state)
        self._n_random = len(space.dimensions) + 2 if initial_temperature is None else 1
        self._first_values: list[float] = []  # their spread is T_0, unless that is given
        self._visits: dict[bytes, _Visit] = {}
        self._known = Known(space)
        self._n_told = 0
        self._n_elsewhere = 0  # evaluations since that of the current point
        self._asked: tuple[dict[str, Any], np.ndarray] | None = None
        self._u: np.ndarray | None = None  # where the walk is
        self._here: _Visit | None = None

    @property
    def current(self) -> dict[str, Any] | None:
        """The point where the walk is; None before the first value."""
        return None if self._here is None else self._here.point

    @property
    def exhausted(self) -> bool:
        """Whether every point of a finite space was told."""
        return self._known.exhausted

    @property
    def temperature(self) -> float:
        """T now; 0, for a walk that goes down only, while T_0 is unknown."""
        return self._first_temperature() * self._cooled()

    def ask(self) -> dict[str, Any]:
        """The next point: a new one, unless it is time to look again or the space is exhausted.

        A point that was told before is the very dict that was told.
        """
        if self._u is None or (self._n_told < self._n_random and not self.exhausted):
            u = self._new()
        elif self.reevaluate and self._n_elsewhere >= self.reevaluate:
            u = self._u
        else:
            u = self._walk()
        visit = self._visit(u)
        point = self.space.decode(u) if visit is None else visit.point
        self._asked = point, u
        return point

    def expect(self, point: dict[str, Any]) -> None:
        """Nothing: it has one point under way at a time."""

    def state(self) -> dict[str, Any]:
        """Nothing: its proposals cost so little that they are made again."""
        return {}

    def adopt(self, u: np.ndarray, state: dict[str, Any]) -> dict[str, Any]:
        """The next point, which is the one at u, (n_dimensions,), if all is as it was."""
        return self.ask()

    def tell(self, point: dict[str, Any], value: float) -> None:
        """What the function was at a point; a value that is not finite marks a failure.

        The walk decides whether to step there if it asked for the point, and begins there if it
        has not begun. A point that has no place in the space is ignored.
        """
        u, asked = self.space.encode(point), False
        if self._asked is not None:
            asked = point is self._asked[0] or self.space.key(u) == self.space.key(self._asked[1])
            u = self._asked[1] if asked else u
        if not ((u >= 0) & (u <= 1)).all():
            return
        visit = self._visit(u)
        if visit is None:
            visit = self._visits[self.space.key(u)] = _Visit(point)
            self._known.add(u)
        visit.total += value if np.isfinite(value) else np.inf
        visit.count += 1
        if np.isfinite(value) and self._first_temperature() == 0:
            self._first_values.append(value)
        self._n_told += 1
        if self._here is None:
            self._u, self._here = u, visit
        elif asked:
            self._decide(u, visit)
        self._asked = None
        self._n_elsewhere = 0 if visit is self._here else self._n_elsewhere + 1

    def _visit(self, u: np.ndarray) -> "_Visit | None":
        """The visit of the point at u; None if there is none."""
        return self._visits.get(self.space.key(u))

    def _walk(self) -> np.ndarray:
        """The next step to a point that is not known, after those between points that are."""
        for _ in range(MAX_FREE_STEPS):
            u = self._step()
            visit = self._visit(u)
            if visit is None or self.exhausted:
                return u
            self._decide(u, visit)
        return self._new()

    def _step(self) -> np.ndarray:
        """Where a random step from here leads."""
        u = self._u
        assert u is not None
        moved = self._rng.random(len(u)) < 0.5
        moved[self._rng.integers(len(u))] = True
        length = self.step_size * np.sqrt(self._cooled())
        numbers = _reflect(u + length * self._rng.standard_normal(len(u)))
        return np.where(
            moved, np.where(self.space.is_category, self._rng.random(len(u)), numbers), u
        )

    def _decide(self, u: np.ndarray, there: "_Visit") -> None:
        """Go there, or stay."""
        assert self._here is not None
        old, new, temperature = self._here.value, there.value, self.temperature
        if new > old:
            if temperature == 0 or self._rng.random() >= np.exp((old - new) / temperature):
                return
        self._u, self._here = u, there

    def _new(self) -> np.ndarray:
        """A random point that was not told, if there is one."""
        points = self.space.sample(len(self._visits) + 1, self._rng)
        new = next((u for u in points if self._visit(u) is None), None)
        if new is None:
            new = self._known.another(self._rng)
        return points[0] if new is None else new

    def _first_temperature(self) -> float:
        """T_0, or 0 as long as it is unknown."""
        if self.initial_temperature is not None:
            return self.initial_temperature
        enough = len(self._first_values) >= self._n_random
        return float(np.std(self._first_values)) if enough else 0.0

    def _cooled(self) -> float:
        """T / T_0."""
        first, last = self._first_temperature(), self.final_temperature
        if first == 0:
            return 1.0
        progress = min(self._n_told / self.n_evaluations, 1)
        return (1 / COOLING if last is None else min(last / first, 1.0)) ** progress


@dataclass
class _Visit:
    """A point and what the function was there, a mean over evaluations."""

    point: dict[str, Any]
    total: float = 0.0
    count: int = 0

    @property
    def value(self) -> float:
        return self.total / self.count


def _reflect(u: np.ndarray) -> np.ndarray:
    """Numbers u on the line folded into [0, 1], as by mirrors at 0 and 1."""
    return 1 - np.abs(1 - u % 2)
