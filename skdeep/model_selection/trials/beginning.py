"""What a search knows before its first proposal: points of the user's, and earlier journals.

Scores of an earlier search are taken as they are if nothing differs but the space and how it was
searched. Of one whose scores are of something else (other data, another estimator) only the best
candidates are taken, to be evaluated first.
"""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.base import BaseEstimator

from skdeep.model_selection.spaces import Space
from skdeep.model_selection.spaces.dimensions import Choice
from skdeep.model_selection.trials.journal import as_json
from skdeep.model_selection.trials.records import load_search
from skdeep.validation import did_you_mean

N_BEST = 5  # of a journal of something else
N_KNOWN = 200  # of one of the same, the best
# What may differ where scores are the same.
SPACE_ONLY = {
    "format", "seeds", "search_spaces", "random_state", "n_points", "surrogate", "acquisition",
    "racing", "fidelity", "x0", "candidate_timeout",
}  # fmt: skip


class Beginning:
    """Points to evaluate first, and points whose values are known.

    Parameters
    ----------
    given : dict, list, DataFrame, str, Path or None
        Points, or journals.
    spaces : list of Space
        Those that will be searched.
    identity : dict of str to str
        What the search is.
    estimator : BaseEstimator
        Its own values stand for what an earlier search did not vary.

    Attributes
    ----------
    first : list of dict
        Points that lie in one of the spaces.
    known : list of tuple
        Points, and what is minimised there.
    """

    def __init__(
        self, given: Any, spaces: list[Space], identity: Mapping[str, str], estimator: BaseEstimator
    ) -> None:
        self.first: list[dict[str, Any]] = []
        self.known: list[tuple[dict[str, Any], float]] = []
        self._spaces, self._identity = spaces, identity
        self._own = estimator.get_params()
        if given is None:
            return
        parts = given if isinstance(given, list) else [given]
        for part in parts:
            if isinstance(part, str | Path):
                self._read(part)
            elif hasattr(part, "to_dict"):
                table = spaces[0].points_of(_parameters(part))
                self.first += table if isinstance(table, list) else [table]
            else:
                self.first.append(part)
        self.first = [self._checked(point) for point in self.first]

    @property
    def digest(self) -> str:
        return joblib.hash([self.first, self.known]) if self.first or self.known else "None"

    def _checked(self, point: Any) -> Any:
        """A point of the user's, with the estimator's own values where it lacks some.

        A value of its own that lies outside the space gives way to the nearest one there.
        """
        if any(space.holds(point) for space in self._spaces):
            return point
        if not isinstance(point, Mapping):
            self._spaces[-1].check(point)  # which says what is wrong with it
        names = [name for space in self._spaces for name in space.names]
        for name in point:
            if name not in names:
                raise ValueError(
                    f"x0 has the unknown parameter {name!r}{did_you_mean(str(name), names)}"
                )
        for space in self._spaces:
            values = self._own_in(space) | dict(point)
            nearest = _nearest(space, values)
            exact = {name: values[name] for name in nearest}
            for filled in (exact, nearest | dict(point)):
                if filled.keys() >= point.keys() and space.holds(filled):
                    return filled
        last = self._spaces[-1]
        last.check(_nearest(last, self._own_in(last)) | dict(point))
        return point

    def _own_in(self, space: Space) -> dict[str, Any]:
        """What the estimator has of a space's parameters."""
        return {name: self._own[name] for name in space.names if name in self._own}

    def _read(self, path: str | Path) -> None:
        record = load_search(path)
        means = record.means.dropna().sort_values(ascending=False, kind="stable")
        found = [
            (point, -float(mean))
            for params, mean in zip(record.trials["params"].loc[means.index], means)
            for point in [self._point(params)]
            if point is not None
        ]
        if not found:
            warnings.warn(
                f"x0: of the {len(record.trials)} candidates in {str(path)!r} none has a score and "
                "a place in search_spaces; the search begins without them.",
                stacklevel=6,
            )
        differing = {
            name
            for name in {*record.identity, *self._identity} - SPACE_ONLY
            if record.identity.get(name) != self._identity.get(name)
        }
        if differing:
            self.first += [point for point, _ in found[:N_BEST]]
        else:
            self.known += found[:N_KNOWN]

    def _point(self, params: Mapping[str, Any]) -> dict[str, Any] | None:
        """A candidate of another search as a point of a space; None if it has no place there."""
        for space in self._spaces:
            values = self._own_in(space)
            others = {name for name in params if name not in space.names}
            if any(as_json(params[name]) != as_json(self._own.get(name)) for name in others):
                continue
            values |= {
                name: _value(space, name, params[name]) for name in params if name in space.names
            }
            point = {name: values[name] for name in _nearest(space, values)}
            if point and space.holds(point):
                return point
        return None


def _nearest(space: Space, values: Mapping[str, Any]) -> dict[str, Any]:
    """The point of a space that is nearest to values; empty if they have no place there."""
    u = space.encode(values)
    return {} if np.isnan(u).any() else space.decode(u.clip(0, 1))


def _parameters(table: Any) -> Any:
    """Of a table of results, what search_spaces names."""
    names = [name for name in getattr(table, "columns", ()) if str(name).startswith("param_")]
    return table[names].rename(columns=lambda name: name[len("param_") :]) if names else table


def _value(space: Space, name: str, noted: Any) -> Any:
    """A value as it was before it was noted: the level of a choice that is written so."""
    levels = [
        level
        for key, dimension in space.dimensions.items()
        if isinstance(dimension, Choice) and (key == name or key.startswith(f"{name} ["))
        for level in dimension.levels
    ]
    return next((level for level in levels if as_json(level) == as_json(noted)), noted)
