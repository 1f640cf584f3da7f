"""Dimensions of scikit-optimize, as they are written here.

They exist only where it is imported already, so that to read them imports nothing.
"""

import sys
from typing import Any


def is_dimension(given: Any) -> bool:
    """Whether an object is a dimension of scikit-optimize."""
    skopt = sys.modules.get("skopt.space")
    return skopt is not None and isinstance(given, skopt.Real | skopt.Integer | skopt.Categorical)


def is_space(given: Any) -> bool:
    """Whether an object is a space of scikit-optimize."""
    skopt = sys.modules.get("skopt.space")
    return skopt is not None and isinstance(given, skopt.Space)


def plain(dimension: Any) -> tuple[tuple | list, list[float] | None]:
    """A dimension as it is written here, and the weights of its choices; it is not changed.

    A prior is uniform in the logarithm of any base alike, so the base is of no account.
    """
    if hasattr(dimension, "categories"):
        weights = dimension.prior
        return list(dimension.categories), None if weights is None else [float(w) for w in weights]
    kind = int if isinstance(dimension, sys.modules["skopt.space"].Integer) else float
    return (kind(dimension.low), kind(dimension.high), dimension.prior), None
