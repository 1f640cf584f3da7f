"""What an optimizer was told: points, values, and what came with them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from skdeep.model_selection.spaces import Space

LARGEST = 1e300  # values beyond count as this


@dataclass(frozen=True)
class Told:
    """What n points were told to have.

    Parameters
    ----------
    points : ndarray of shape (n, n_dimensions)
        Coordinates in the space.
    values : ndarray of shape (n,)
        Not finite where the evaluation failed.
    noise : ndarray of shape (n,)
        Known variance of the values.
    costs : ndarray of shape (n,)
        NaN where none was told.
    constraints : ndarray of shape (n, n_constraints) or None
        Feasible is what has no positive one.
    """

    points: np.ndarray
    values: np.ndarray
    noise: np.ndarray
    costs: np.ndarray
    constraints: np.ndarray | None = None

    @classmethod
    def nothing(cls, n_dimensions: int) -> "Told":
        return cls(np.empty((0, n_dimensions)), *(np.empty(0) for _ in range(3)))

    def __len__(self) -> int:
        return len(self.values)

    def __add__(self, more: "Told") -> "Told":
        constraints = more.constraints
        if self.constraints is not None and constraints is not None:
            constraints = np.vstack([self.constraints, constraints])
        return Told(
            np.vstack([self.points, more.points]),
            np.append(self.values, more.values),
            np.append(self.noise, more.noise),
            np.append(self.costs, more.costs),
            constraints,
        )

    @property
    def feasible(self) -> np.ndarray:
        """Which points have a value and meet all constraints, (n,)."""
        finite = np.isfinite(self.values)
        return finite if self.constraints is None else finite & (self.constraints <= 0).all(axis=1)

    def checked(
        self, space: Space, points: Any, values: Any, noise: Any, costs: Any, constraints: Any
    ) -> "Told":
        """What a user tells next, as :meth:`BayesianOptimizer.tell` has it.

        Raises
        ------
        TypeError, ValueError
            If it is not of this space, or not as much as there are points.
        """
        single = np.ndim(values) == 0
        if hasattr(points, "to_dict"):
            points = space.points_of(points)
        if isinstance(points, Mapping) and not single:
            raise ValueError(f"one point has one value, not a list of them, but it is {values!r}.")
        if single and isinstance(points, list) and points and isinstance(points[0], Mapping):
            raise ValueError(f"{len(points)} points need as many values, but there is {values!r}.")
        points = [points] if single else list(points)
        n = len(points)
        if not n:
            raise ValueError("no point was told: points is empty.")
        values = _numbers("values", values, n, single)
        U = np.array([space.check(point) for point in points]).reshape(n, -1)
        return Told(
            U,
            values,
            _numbers("noise", 0.0 if noise is None else noise, n, True, low=0.0),
            np.full(n, np.nan) if costs is None else _numbers("costs", costs, n, single, 1e-300),
            self._checked_constraints(constraints, values, single),
        )

    def _checked_constraints(
        self, given: Any, values: np.ndarray, single: bool
    ) -> np.ndarray | None:
        """Constraints, (n_points, n_constraints), as many as were told before."""
        if given is None and self.constraints is None:
            return None
        constraints = np.asarray(np.nan if given is None else given, dtype=float)
        constraints = constraints[None] if single else constraints
        if constraints.ndim != 2 or len(constraints) != len(values):
            raise ValueError(
                "constraints must hold one sequence of numbers for each point, at every tell, but "
                f"is {given!r}."
            )
        if self.constraints is None and len(self):
            raise ValueError("constraints must be told of all points, from the first one.")
        width = constraints.shape[1] if self.constraints is None else self.constraints.shape[1]
        if constraints.shape[1] != width:
            raise ValueError(
                f"constraints must be {width} numbers for each point, as they were before, but "
                f"are {constraints.shape[1]}."
            )
        if not np.isfinite(constraints[np.isfinite(values)]).all():
            raise ValueError(f"constraints must be finite where the value is, but are {given!r}.")
        return constraints


def filled(values: np.ndarray) -> np.ndarray:
    """Values, (n,), in which a failure counts as the worst of the others."""
    finite = np.isfinite(values)
    worst = values[finite].max() if finite.any() else 0.0
    return np.where(finite, values, worst).clip(-LARGEST, LARGEST)


def _numbers(name: str, given: Any, n: int, single: bool, low: float = -np.inf) -> np.ndarray:
    """Numbers, (n,), as they were told of n points, or one for all."""
    if np.asarray(given).dtype.kind not in "biuf":  # None is no nan, and words are no numbers
        raise TypeError(f"{name} must be numbers, but is {given!r}.")
    numbers = np.asarray(given, dtype=float)
    if numbers.shape != (() if single else (n,)) and numbers.shape != (n,):
        raise ValueError(
            f"{name} must be one number for each of {n} points, but has shape {numbers.shape}."
        )
    if low > -np.inf and not (np.isfinite(numbers) & (numbers >= low)).all():
        kind = "positive" if low > 0 else "not negative"
        raise ValueError(f"{name} must be finite and {kind}, but is {given!r}.")
    return np.broadcast_to(numbers, n)
