"""Dimensions from what a user writes: tuples, lists, distributions, scikit-optimize's objects."""

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from numbers import Integral, Number, Real
from typing import Any

import numpy as np
from scipy.stats import rv_discrete

from skdeep.model_selection.skopt import dimensions as skopt
from skdeep.model_selection.spaces.dimensions import (
    TAIL,
    Choice,
    Dimension,
    Distribution,
    Range,
    as_number,
    same,
)

LARGEST = 2**53  # up to here each integer is a float
MOST_TERMS = 1_000_000


def read_branches(given: Any) -> tuple[list[dict[str, Any]], list[int | None], bool]:
    """Sub-spaces as a user wrote them, the cap of each, and whether points are lists."""
    if skopt.is_space(given):
        given = list(given.dimensions)
    if isinstance(given, list) and not any(map(_is_sub_space, given)):
        names = [getattr(v, "name", None) if skopt.is_dimension(v) else None for v in given]
        names = [f"x{i}" if name is None else name for i, name in enumerate(names)]
        if len(set(names)) < len(names):
            raise ValueError(f"dimensions must have different names, but these have {names}.")
        return [_checked(dict(zip(names, given)))], [None], True
    pairs = [
        pair if isinstance(pair, tuple) and len(pair) == 2 else (pair, None)
        for pair in (given if isinstance(given, list) else [given])
    ]
    if not all(isinstance(pair[0], Mapping) for pair in pairs):
        raise TypeError(
            f"a space must be a dict of dimensions, or a list of such dicts, of (dict, number) or "
            f"of dimensions, but is {given!r}."
        )
    for _, budget in pairs:
        if budget is not None and not (isinstance(budget, Integral) and int(budget) >= 1):
            raise ValueError(
                f"the number beside a sub-space, how many candidates may come from it, must be an "
                f"integer of at least 1, but is {budget!r}."
            )
    return [_checked(dict(space)) for space, _ in pairs], [budget for _, budget in pairs], False


def _is_sub_space(given: Any) -> bool:
    return isinstance(given[0] if isinstance(given, tuple) and given else given, Mapping)


def _checked(space: dict) -> dict[str, Any]:
    """The space, if it has names and they are names."""
    if not space:
        raise ValueError("the search space is empty; give at least one dimension.")
    for name in space:
        if not isinstance(name, str) or not name:
            raise ValueError(f"names of dimensions must be words, but one is {name!r}.")
    return space


def read_dimension(name: str, given: Any) -> Dimension:
    """The dimension that a user wrote, in any of the accepted ways; what he wrote stays as is."""
    weights = None
    if skopt.is_dimension(given):
        given, weights = skopt.plain(given)
    if isinstance(given, np.ndarray) and given.ndim == 1:
        given = given.tolist()
    if isinstance(given, range):
        given = _plain_range(given)
    if isinstance(given, list):
        return _choice(name, given, weights)
    if isinstance(given, tuple) and 2 <= len(given) <= 4:
        return _range(name, *given)
    if hasattr(given, "ppf") and hasattr(given, "cdf"):
        return _distribution(name, given)
    raise TypeError(
        f"the dimension of {name!r} must be a tuple (low, high), (low, high, 'log') or (low, high, "
        f"step) for a range, a list for choices, a distribution with ppf and cdf such as those of "
        f"scipy.stats, or a dimension of scikit-optimize, but is {given!r}."
    )


def _choice(name: str, given: list, weights: Sequence[float] | None) -> Choice:
    """Choices, each held once, and numbers in their order; one of weight 0 is none."""
    if not given:
        raise ValueError(f"{name!r} has no choices; give a non-empty list.")
    if any(map(_has_nan, given)):
        raise ValueError(
            f"the choices of {name!r} must be without NaN, which equals nothing and so is never "
            f"found again, but are {given!r}."
        )
    levels: list = []
    totals: list[float] = []
    plain: dict[tuple, int] = {}  # where they stand: thousands of them are told apart fast
    for value, weight in zip(given, [1.0] * len(given) if weights is None else weights):
        typed = _typed(value)
        if typed is not None:
            place = plain.get(typed)
        else:
            place = next((i for i, level in enumerate(levels) if same(level, value)), None)
        if place is None and weight:
            if typed is not None:
                plain[typed] = len(levels)
            levels.append(value)
            totals.append(weight)
        elif place is not None:
            totals[place] += weight
    ordered = all(isinstance(v, Real) and not isinstance(v, bool) for v in levels)
    if ordered:
        order = sorted(range(len(levels)), key=levels.__getitem__)
        levels, totals = [levels[i] for i in order], [totals[i] for i in order]
    return Choice(levels, None if weights is None else totals, ordered)


def _typed(value: Any) -> tuple | None:
    """What words, numbers and tuples of these are one by: type and value; None for all else."""
    if isinstance(value, str | Number):
        return type(value), value
    if type(value) is tuple:
        parts = tuple(map(_typed, value))
        return None if None in parts else (tuple, *parts)
    return None


def _has_nan(value: Any) -> bool:
    """Whether a value is NaN, or a sequence or array that has one."""
    if isinstance(value, list | tuple):
        return any(map(_has_nan, value))
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "fcmM" and bool((value != value).any())
    return isinstance(value, Number | np.generic) and bool(value != value)


def _plain_range(given: range) -> tuple | list:
    """Python's range as a tuple with a step; which way it runs is of no account."""
    if len(given) < 2:
        return list(given)
    return min(given[0], given[-1]), max(given[0], given[-1]), abs(given.step)


def _range(name: str, low: Any, high: Any, *rest: Any) -> Range:
    """A range whose ends make sense, and its prior or step.

    A fourth is the base of scikit-optimize's logarithms: the prior is the same by any.
    """
    for end in (low, high):
        if np.isnan(as_number(end)):
            raise ValueError(
                f"the range of {name!r} must have finite numbers for ends, but has {end!r}; "
                f"write choices as a list."
            )
    low, high = _plain(low), _plain(high)
    if low >= high:
        raise ValueError(f"the range of {name!r} must have low < high, but is ({low}, {high}).")
    if not math.isfinite(float(high) - float(low)):
        raise ValueError(f"the range of {name!r}, ({low}, {high}), is too wide for floats.")
    if len(rest) == 1 and as_number(rest[0]) > 0:
        return _steps(name, low, high, _plain(rest[0]))
    prior = rest[0] if rest else "uniform"
    valid = isinstance(prior, str) and prior in ("uniform", "log", "log-uniform")
    if not valid or not all(isinstance(base, Integral) for base in rest[1:]):
        raise ValueError(
            f"the range of {name!r} must end in a prior, 'uniform', 'log' or 'log-uniform', or a "
            f"step above 0, but is {(low, high, *rest)!r}; write choices as a list."
        )
    log = prior != "uniform"
    if log and low <= 0:
        raise ValueError(
            f"the range of {name!r} is logarithmic, so low must be positive, but is {low}."
        )
    if isinstance(low, int) and isinstance(high, int):
        return _countable(name, Range(low, high, log, step=1))
    return Range(float(low), float(high), log)


def _steps(name: str, low: float, high: float, step: float) -> Range:
    """A range by steps, up to the last that is not above ``high``, reckoned in decimals."""
    first, last, width = (Decimal(repr(number)) for number in (low, high, step))
    n_steps = int((last - first) / width)
    if n_steps < 1:
        raise ValueError(
            f"the step of {name!r} must be no wider than its range, but is {step} in "
            f"({low}, {high})."
        )
    if isinstance(low, int) and isinstance(step, int):
        return _countable(name, Range(low, low + n_steps * step, step=step))
    highest = float(first + n_steps * width)
    return _countable(name, Range(float(low), highest, step=float(step)))


def _countable(name: str, found: Range) -> Range:
    """The range, if floats tell its integers or steps apart."""
    if max(abs(found.low), abs(found.high), found.size) > LARGEST:
        raise ValueError(
            f"the range of {name!r}, {found.low} to {found.high} by {found.step}, goes beyond "
            f"2**53, where floats do not tell integers apart; make its ends floats, or narrower."
        )
    return found


def _plain(number: Any) -> int | float:
    return int(number) if isinstance(number, Integral) else float(number)


def _distribution(name: str, given: Any) -> Dimension:
    """A distribution; where it is uniform it is a range, and where it is a table choices."""
    shares = (np.arange(64) + math.sqrt(0.5)) / 64  # irrational: at no edge of a bin
    try:
        _check_sums(given)
        quantiles = np.asarray(given.ppf(shares), dtype=float)
        found = Distribution(given, integer=hasattr(given, "pmf"))
        finite = np.isfinite([*quantiles, found.low, found.high]).all()
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise ValueError(
            f"the distribution of {name!r} has no quantiles ({error}); freeze it with all of its "
            f"parameters, as in scipy.stats.gamma(2.0), or write a range."
        ) from error
    if quantiles.shape != shares.shape or not finite:
        raise ValueError(
            f"the distribution of {name!r} must have one finite quantile for each share, but "
            f"ppf([0.01, 0.5, 0.99]) is {given.ppf(np.array([0.01, 0.5, 0.99]))}."
        )
    if found.integer and found.high - found.low > LARGEST:
        raise ValueError(f"the distribution of {name!r} reaches to {found.high}; cut its tail.")
    table = getattr(given, "dist", given)
    if hasattr(table, "xk"):
        levels = table.xk + (given.support()[0] - table.xk[0])
        whole = all(level % 1 == 0 for level in levels)
        return _choice(name, [int(v) if whole else float(v) for v in levels], table.pk.tolist())
    return _uniform(found, shares) or found


def _check_sums(given: Any) -> None:
    """Refuse a distribution whose quantiles scipy would find by adding up its terms for ever."""
    dist = getattr(given, "dist", None)
    if not isinstance(dist, rv_discrete) or type(dist)._cdf is not rv_discrete._cdf:
        return
    if not hasattr(dist, "xk") and given.cdf(MOST_TERMS) < 1 - TAIL:
        raise ValueError(f"one in a thousand is larger than {MOST_TERMS:,}")


def _uniform(found: Distribution, shares: np.ndarray) -> Range | None:
    """The range that a distribution amounts to, as told from some shares, if there is one."""
    low, high = (float(found.given.ppf(share)) for share in (1e-300 * found.integer, 1.0))
    if not low < high or not math.isfinite(high - low):
        return None
    if found.integer:
        candidate = Range(int(low), int(high), step=1)
        index = candidate.index(shares)
        uniform = np.allclose(
            found.given.cdf(int(low) + index), (index + 1) / candidate.size, 0, 1e-9
        )
        return candidate if uniform else None
    for log in (False, True) if low > 0 else (False,):
        candidate = Range(low, high, log)
        if np.allclose(found.given.cdf(candidate.values(shares)), shares, 0, 1e-9):
            return candidate
    return None
