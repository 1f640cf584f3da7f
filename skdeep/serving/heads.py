"""From a network's outputs to probabilities, labels, values: ``skdeep.targets``, in tensors.

All in float64, as there: a target of mean 1e6 and scale 1 has no room for both in float32.
"""

from typing import Any

import numpy as np
from scipy.interpolate import make_interp_spline
from scipy.special import ndtri

from skdeep.network.losses import kind_of_outputs, logits_of
from skdeep.targets import LEAST_VARIANCE, QUANTILE_LEVELS, Labels


def results(ops: Any, fitted: Any, outputs: Any, valid: Any) -> dict[str, Any]:
    """The outputs by name; those of rows (or steps) that are not valid are NaN."""
    target = getattr(fitted.target, "each", fitted.target)
    if fitted.task.model is not None:
        outputs = logits_of(outputs, fitted.task.head, target.head.n_outputs, ops)
    if fitted.true_twin._n_members() > 1:
        outputs = target.head.mean_of_members(outputs, ops)
    if isinstance(target, Labels):
        named = _classes(ops, target, fitted.temperatures, outputs, valid)
        if kind_of_outputs(fitted.task.head) == "scores":
            del named["probabilities"]
        return named
    return _reals(ops, target, outputs, valid)


def _classes(ops: Any, target: Labels, temperatures: Any, outputs: Any, valid: Any) -> dict:
    logits = outputs
    if temperatures is not None:
        logits = outputs / np.repeat(temperatures, target.head.groups)
    if target.head.loss == "sigmoid":
        positive = ops.sigmoid(logits)
        yes = ops.cast(outputs > 0, "int64")
        if target.kind == "multilabel":
            return {"probabilities": _or_nan(ops, valid, positive), "labels": yes}
        both = ops.concatenate([1 - positive, positive])
        labels = ops.lookup_place(_plain(target.classes[0]), ops.take(yes, 0))
        return {"probabilities": _or_nan(ops, valid, both), "labels": labels}
    named = {}
    groups = zip(target.head.split(logits, ops), target.classes, strict=True)
    for i, (part, classes) in enumerate(groups):
        end = f"_{i}" if target.kind == "multioutput" else ""
        named[f"probabilities{end}"] = _or_nan(ops, valid, ops.softmax(part))
        named[f"labels{end}"] = ops.lookup_place(_plain(classes), ops.argmax(part))
    return named


def _reals(ops: Any, target: Any, outputs: Any, valid: Any) -> dict:
    deviation = None
    if target.loss == "squared":
        mean = outputs
    elif target.loss == "gaussian":
        n = target.head.n_outputs
        mean = ops.take(outputs, np.arange(0, n, 2))
        spread = ops.take(outputs, np.arange(1, n, 2))
        deviation = ops.sqrt(ops.softplus(spread) + LEAST_VARIANCE)
    else:
        # Of a linear spline through sorted quantiles the values are products with constants.
        spline = make_interp_spline(ndtri(QUANTILE_LEVELS), np.eye(len(QUANTILE_LEVELS)), k=1)
        low, median, high = spline([-1, 0, 1])
        weights = np.column_stack([median, (high - low) / 2])
        parts = [ops.matmul(ops.sort(p), weights) for p in target.head.split(outputs, ops)]
        mean = ops.concatenate([ops.take(part, [0]) for part in parts])
        deviation = ops.concatenate([ops.take(part, [1]) for part in parts])
    named = {"values": mean * target.scale + target.mean}
    if deviation is not None:
        named["std"] = deviation * target.scale
    named = {name: _or_nan(ops, valid, value) for name, value in named.items()}
    return {name: ops.take(value, 0) for name, value in named.items()} if target.flat else named


def _or_nan(ops: Any, valid: Any, values: Any) -> Any:
    if valid is None:
        return values
    return ops.where(ops.expand_last(valid), values, np.float64(np.nan))


def _plain(classes: np.ndarray) -> np.ndarray:
    """Classes in a dtype that both formats have: strings as objects, else as they are."""
    plain = np.asarray(classes.tolist())
    if plain.dtype.kind == "U":
        return plain.astype(object)
    if plain.dtype.kind not in "iufb":
        raise TypeError(
            f"the classes are of type {type(classes.tolist()[0]).__name__}, which no tensor holds; "
            f"fit on strings or numbers."
        )
    return plain
