"""Objects that a file holds as a function of this module and its arguments.

skops would make them by running code (SciPy's distributions compile text that they hold), would
never come to an end (scikit-optimize's dimensions, requests of metadata), or would fill memory that
is then followed blindly (search trees, splines). Here they are made as a user makes them, with
their checks.
"""

import sys
from collections.abc import Callable
from functools import cache
from numbers import Number
from typing import Any

import scipy.stats
from scipy.interpolate import BSpline
from scipy.stats.distributions import rv_frozen
from sklearn.utils._metadata_requests import SIMPLE_METHODS, _routing_repr
from sklearn.utils.metadata_routing import MetadataRequest

from skdeep.exceptions import LoadError

NAMES = ("dimension", "distribution", "requests", "search_tree", "spline")
# The arguments of scikit-optimize's dimensions, as their attributes.
_DIMENSIONS = {
    "Real": ("low", "high", "prior", "base", "transform_", "name"),
    "Integer": ("low", "high", "prior", "base", "transform_", "name"),
    "Categorical": ("categories", "prior", "transform_", "name"),
}
_METRICS = ("chebyshev", "euclidean", "manhattan")  # those without parameters


def distribution(name: str, args: tuple, kwds: dict) -> Any:
    """A frozen distribution of ``scipy.stats``, by the name of its family and its numbers."""
    family = getattr(scipy.stats, name, None)
    numbers = [*args, *kwds.values()]
    if not (
        isinstance(family, scipy.stats.rv_continuous | scipy.stats.rv_discrete)
        and all(isinstance(number, Number) for number in numbers)
    ):
        raise LoadError(f"{name!r} with {numbers} is no distribution of scipy.stats.")
    return family(*args, **kwds)


def dimension(kind: str, *arguments: Any) -> Any:
    """A dimension of scikit-optimize's."""
    import skopt.space

    if kind not in _DIMENSIONS:
        raise LoadError(f"{kind!r} is no dimension of scikit-optimize.")
    return getattr(skopt.space, kind)(
        **{name.rstrip("_"): value for name, value in zip(_DIMENSIONS[kind], arguments)}
    )


def requests(owner: str, by_method: dict[str, dict]) -> MetadataRequest:
    """What an estimator requests of metadata, by method.

    In place of the estimator, which has them, they know its name: scikit-learn tells no more.
    """
    if not isinstance(owner, str) or not set(by_method) <= set(SIMPLE_METHODS):
        raise LoadError(f"{owner!r} requests metadata for {', '.join(by_method)}.")
    made = MetadataRequest(owner=owner)
    for method, wanted in by_method.items():
        for param, alias in wanted.items():
            getattr(made, method).add_request(param=param, alias=alias)
    return made


def search_tree(kind: str, data: Any, leaf_size: int, metric: str) -> Any:
    """A tree of scikit-learn's for nearest neighbours, built anew: the same from the same rows."""
    from sklearn import neighbors

    if kind not in ("BallTree", "KDTree") or metric not in _METRICS:
        raise LoadError(f"{kind!r} with {metric!r} is no search tree of scikit-learn.")
    return getattr(neighbors, kind)(data, leaf_size=leaf_size, metric=metric)


def spline(t: Any, c: Any, k: int, extrapolate: Any, axis: int) -> BSpline:
    """A spline of SciPy's."""
    return BSpline(t, c, k, extrapolate, axis)


def _arguments(thing: Any) -> tuple[str, tuple] | None:
    """The function that makes a thing, by name, and its arguments; None if there is none."""
    if isinstance(thing, rv_frozen):
        return "distribution", (thing.dist.name, thing.args, thing.kwds)
    if isinstance(thing, BSpline):
        return "spline", (thing.t, thing.c, thing.k, thing.extrapolate, thing.axis)
    if isinstance(thing, MetadataRequest):
        by_method = {name: getattr(thing, name).requests for name in SIMPLE_METHODS}
        by_method = {name: wanted for name, wanted in by_method.items() if wanted}
        return "requests", (_routing_repr(thing.owner), by_method)
    kind = type(thing).__name__
    if kind in _DIMENSIONS:
        return "dimension", (kind, *(getattr(thing, name) for name in _DIMENSIONS[kind]))
    state = thing.__getstate__()
    leaf_size, metric, weights = state[4], state[11], state[12]
    name = type(metric).__name__.removesuffix("Distance64").lower()
    if name not in _METRICS or weights is not None:
        return None
    return "search_tree", (kind, thing.get_arrays()[0], leaf_size, name)


@cache
def teach_skops(is_saving: Callable[[], bool], and_skopt: bool) -> None:
    """Have skops write these objects so, while a save is under way."""
    from sklearn.neighbors import BallTree, KDTree
    from skops.io._general import object_get_state
    from skops.io._utils import _get_state, get_state

    def state_of(thing: Any, context: Any) -> dict:
        if not is_saving() or (found := _arguments(thing)) is None:
            return object_get_state(thing, context)
        name, arguments = found
        return {
            "__class__": name,
            "__module__": __name__,
            "__loader__": "ConstructorFromReduceNode",
            "content": get_state(arguments, context),
        }

    kinds = [rv_frozen, BSpline, BallTree, KDTree, MetadataRequest]
    if and_skopt:
        kinds += [getattr(sys.modules["skopt.space.space"], name) for name in _DIMENSIONS]
    for kind in kinds:
        _get_state.register(kind)(state_of)
