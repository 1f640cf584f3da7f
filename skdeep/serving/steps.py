"""scikit-learn's scalers, encoders and projections, in tensors.

Rows are a tensor (n, n_features), or a list of columns (n, 1) where some are strings and some
numbers. Numbers are float64, as scikit-learn computes. Tensors cannot raise: which rows each step
takes is said beside what it makes of them.
"""

from collections.abc import Callable
from functools import reduce
from operator import mul
from typing import Any

import numpy as np
from scipy.special import ndtri
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)
from sklearn.utils import get_tags

_MARGIN = 1e-7  # of QuantileTransformer's normal distribution: what is nearer to an end is at it
_NORMAL_BOUND = _MARGIN - np.spacing(1)
_LEAST_SCALE = 1e-10  # of a whitened component, in units of the first's: rounding is 1e-16 of it


def applied(ops: Any, steps: list, x: Any) -> tuple[Any, Any]:
    """What fitted steps make of rows x, and which rows (n,) they take; None where there are none.

    Raises
    ------
    TypeError
        If a step has no counterpart.
    ValueError
        If one of its settings has none.
    """
    taken: list = []
    for step in steps:
        x = _apply(ops, step, x, taken)
    return x, reduce(ops.logical_and, taken) if taken else None


def _apply(ops: Any, step: Any, x: Any, taken: list) -> Any:
    if step is None or (isinstance(step, str) and step == "passthrough"):
        return x
    if type(step) not in _STEPS:
        raise TypeError(
            f"{type(step).__name__} has no counterpart outside of Python; those that have are "
            f"{', '.join(sorted(kind.__name__ for kind in _STEPS))}. Apply it before, and export "
            f"the rest: export(pipeline[1:], ...)."
        )
    tags = get_tags(step)
    if not (isinstance(step, ColumnTransformer | Pipeline) or tags.no_validation):
        for part in x if isinstance(x, list) else [x]:
            if not ops.is_string(part):
                fine = ops.isfinite(part)
                if tags.input_tags.allow_nan:
                    fine = ops.logical_or(fine, ops.isnan(part))
                taken.append(ops.all(fine, -1))
    return _STEPS[type(step)](ops, step, x, taken)


def holds_strings(step: Any, n_features: int) -> list[bool]:
    """Of which of its columns a fitted step expects strings."""
    if isinstance(step, Pipeline):
        inner = [s for _, s in step.steps if s is not None and s != "passthrough"]
        return holds_strings(inner[0], n_features) if inner else [False] * n_features
    if isinstance(step, ColumnTransformer):
        strings = [False] * n_features
        for part, columns in _parts(step):
            for i, text in zip(columns, holds_strings(part, len(columns)), strict=True):
                strings[i] |= text
        return strings
    if isinstance(step, OneHotEncoder | OrdinalEncoder | TargetEncoder):
        return [any(isinstance(c, str) for c in each.tolist()) for each in step.categories_]
    if isinstance(step, SimpleImputer):
        return [isinstance(value, str) for value in np.asarray(step.statistics_).tolist()]
    return [False] * n_features


def _parts(step: ColumnTransformer) -> list[tuple[Any, list[int]]]:
    """Fitted transformers and the columns that they take, in the order of the output."""
    columns = step._transformer_to_input_indices
    return [(part, list(columns[name])) for name, part, _ in step.transformers_ if part != "drop"]


def _chosen(ops: Any, x: Any, columns: list[int]) -> Any:
    if not isinstance(x, list):
        return ops.take(x, np.asarray(columns))
    chosen = [x[i] for i in columns]
    alike = len({ops.is_string(column) for column in chosen}) == 1
    return ops.concatenate(chosen) if alike else chosen


def _column(ops: Any, x: Any, i: int) -> Any:
    return x[i] if isinstance(x, list) else ops.take(x, np.array([i]))


def _columns(ops: Any, x: Any, n: int) -> list:
    return [_column(ops, x, i) for i in range(n)]


def _pipeline(ops: Any, step: Pipeline, x: Any, taken: list) -> Any:
    for _, part in step.steps:
        x = _apply(ops, part, x, taken)
    return x


def _column_transformer(ops: Any, step: ColumnTransformer, x: Any, taken: list) -> Any:
    if any(step.transformer_weights or ()):
        raise ValueError("ColumnTransformer's transformer_weights cannot be exported; leave None.")
    parts = [(part, columns) for part, columns in _parts(step) if columns]
    return ops.concatenate(
        [_apply(ops, part, _chosen(ops, x, columns), taken) for part, columns in parts]
    )


def _standard(ops: Any, step: StandardScaler, x: Any, taken: list) -> Any:
    if step.with_mean:
        x = x - step.mean_
    return x / step.scale_ if step.with_std else x


def _robust(ops: Any, step: RobustScaler, x: Any, taken: list) -> Any:
    if step.with_centering:
        x = x - step.center_
    return x / step.scale_ if step.with_scaling else x


def _min_max(ops: Any, step: MinMaxScaler, x: Any, taken: list) -> Any:
    x = x * step.scale_ + step.min_
    return _clipped(ops, x, *step.feature_range) if step.clip else x


def _max_abs(ops: Any, step: MaxAbsScaler, x: Any, taken: list) -> Any:
    x = x / step.scale_
    return _clipped(ops, x, -1, 1) if getattr(step, "clip", False) else x


def _clipped(ops: Any, x: Any, low: float, high: float) -> Any:
    low, high = np.float64(low), np.float64(high)
    x = ops.where(x < low, low, x)  # and NaN stays NaN
    return ops.where(x > high, high, x)


def _power(ops: Any, step: PowerTransformer, x: Any, taken: list) -> Any:
    if step.method == "box-cox":
        taken.append(ops.all(ops.logical_or(x > 0, ops.isnan(x)), -1))
        x = _box_cox(ops, ops.log(x), step.lambdas_)
    else:
        zero = np.float64(0)
        above, below = ops.where(x < 0, zero, x), ops.where(x < 0, -x, zero)
        x = _box_cox(ops, ops.log1p(above), step.lambdas_)
        x = x - _box_cox(ops, ops.log1p(below), 2 - step.lambdas_)
    return _standard(ops, step._scaler, x, taken) if step.standardize else x


def _box_cox(ops: Any, logs: Any, exponents: np.ndarray) -> Any:
    """(z^exponent - 1) / exponent for log z, which for exponent 0 tends to log z."""
    exponents = np.where(np.abs(exponents) < 1e-18, 1e-18, exponents)
    return ops.expm1(logs * exponents) / exponents


def _quantile(ops: Any, step: QuantileTransformer, x: Any, taken: list) -> Any:
    columns = zip(_columns(ops, x, step.n_features_in_), step.quantiles_.T, strict=True)
    x = ops.concatenate([_share_below(ops, column, q, step) for column, q in columns])
    if step.output_distribution == "uniform":
        return x
    return _clipped(ops, ops.ndtri(x), *ndtri([_NORMAL_BOUND, 1 - _NORMAL_BOUND]))


def _share_below(ops: Any, x: Any, quantiles: np.ndarray, step: QuantileTransformer) -> Any:
    """The share of the distribution below x (n, 1): linear between quantiles, which may repeat."""
    shares, last = np.append(step.references_, 1.0), len(quantiles) - 1
    below = ops.expand_last(ops.sum(ops.cast(x > quantiles, "int64"), -1))
    above = ops.expand_last(ops.sum(ops.cast(x < quantiles, "int64"), -1))
    start = ops.maximum(below - 1, 0)  # the quantile before x, of several that are equal the last
    gaps = np.diff(quantiles, append=np.inf)
    slopes = np.diff(shares) / np.where(gaps > 0, gaps, np.inf)
    beyond = x - ops.lookup_place(quantiles, start)
    between = ops.lookup_place(shares, start) + beyond * ops.lookup_place(slopes, start)
    # On quantiles it is the middle of their shares.
    end = ops.maximum(last - above, 0)
    on = (ops.lookup_place(shares, end) + ops.lookup_place(shares, below)) / 2
    share = ops.where(ops.equal(below + above, np.int64(last + 1)), between, on)
    margin = _MARGIN if step.output_distribution == "normal" else 0.0
    share = ops.where(x < quantiles[-1] - margin, share, np.float64(1))
    share = ops.where(x > quantiles[0] + margin, share, np.float64(0))
    return ops.where(ops.isnan(x), x, share)


def _bins(ops: Any, step: KBinsDiscretizer, x: Any, taken: list) -> Any:
    columns = []
    for column, edges in zip(_columns(ops, x, step.n_features_in_), step.bin_edges_, strict=True):
        passed = ops.logical_not(column < edges[1:-1])
        columns.append(ops.expand_last(ops.sum(ops.cast(passed, "float64"), -1)))
    bins = ops.concatenate(columns)
    return bins if step.encode == "ordinal" else _one_hot(ops, step._encoder, bins, taken)


def _binarizer(ops: Any, step: Binarizer, x: Any, taken: list) -> Any:
    return ops.cast(x > np.float64(step.threshold), "float64")


def _polynomial(ops: Any, step: PolynomialFeatures, x: Any, taken: list) -> Any:
    powers = step.powers_
    n, degree = powers.shape[1], max(1, powers.sum(axis=1).max())
    # Of each product its factors, filled up with ones, which stand after the columns.
    factors = np.full((len(powers), degree), n)
    for row, power in zip(factors, powers, strict=True):
        row[: power.sum()] = np.repeat(np.arange(n), power)
    x = ops.concatenate([x, ops.take(x, [0]) * 0 + 1])
    return reduce(mul, [ops.take(x, places) for places in factors.T])


def _normalizer(ops: Any, step: Normalizer, x: Any, taken: list) -> Any:
    size = ops.abs(x)
    norm = {
        "l1": lambda: ops.sum(size, -1),
        "l2": lambda: ops.sqrt(ops.sum(x * x, -1)),
        "max": lambda: ops.max(size, -1),
    }[step.norm]()
    norm = ops.expand_last(norm)
    # Rows of rounding errors stay as they are, as in scikit-learn's _handle_zeros_in_scale.
    return x / ops.where(norm < 10 * np.finfo(np.float64).eps, np.float64(1), norm)


def _imputer(ops: Any, step: SimpleImputer, x: Any, taken: list) -> Any:
    marks = step.missing_values
    columns, gaps = [], []
    for i, value in enumerate(np.asarray(step.statistics_).tolist()):
        column = _column(ops, x, i)
        if isinstance(value, str):
            # A tensor of strings has nothing else for what is missing.
            sought, value = (marks if isinstance(marks, str) else ""), np.asarray(value, object)
            missing = ops.equal(column, np.asarray(sought, object))
        else:
            missing = (
                ops.isnan(column) if _is_missing(marks) else ops.equal(column, np.float64(marks))
            )
            gaps.append(ops.cast(missing, "float64"))
            if _is_missing(value) and not step.keep_empty_features:
                continue  # a column that fit has found empty is dropped
            value = np.float64(value)
        columns.append(ops.where(missing, value, column))
    if step.add_indicator:
        if len(gaps) < len(step.statistics_):
            raise ValueError(
                "SimpleImputer(add_indicator=True) of strings cannot be exported; set it to False."
            )
        columns += [gaps[i] for i in step.indicator_.features_]
    alike = len({ops.is_string(column) for column in columns}) == 1
    return ops.concatenate(columns) if alike else columns


def _one_hot(ops: Any, step: OneHotEncoder, x: Any, taken: list) -> Any:
    n = len(step.categories_)
    groups: Any = step._default_to_infrequent_mappings if step._infrequent_enabled else [None] * n
    dropped: Any = [None] * n if step.drop_idx_ is None else step._drop_idx_after_grouping
    parts = []
    for i, categories in enumerate(step.categories_):
        ones, known = _matches(ops, _column(ops, x, i), categories)
        if step.handle_unknown == "error":
            taken.append(ops.all(known, -1))
        n_columns = len(categories)
        if groups[i] is not None:  # the rare ones share the last column
            columns = np.eye(groups[i].max() + 1)
            ones, n_columns = ops.matmul(ones, columns[groups[i]]), len(columns)
            if step.handle_unknown in ("infrequent_if_exist", "warn"):
                ones = ops.where(known, ones, columns[-1:])
        if dropped[i] is not None:
            ones = ops.take(ones, np.delete(np.arange(n_columns), int(dropped[i])))
        parts.append(ones)
    return ops.concatenate(parts)


def _ordinal(ops: Any, step: OrdinalEncoder, x: Any, taken: list) -> Any:
    if step._infrequent_enabled and any(each is not None for each in step.infrequent_categories_):
        raise ValueError(
            "OrdinalEncoder with min_frequency or max_categories cannot be exported; leave both "
            "None."
        )
    parts = []
    for i, categories in enumerate(step.categories_):
        ones, known = _matches(ops, _column(ops, x, i), categories)
        values = np.arange(len(categories), dtype=np.float64)
        absent = [j for j, c in enumerate(categories.tolist()) if _is_missing(c)]
        place = ops.matmul(ones, values[:, None])
        if absent:  # NaN times zero would be NaN
            is_absent = ops.take(ones, np.asarray(absent)) > 0
            place = ops.where(is_absent, np.float64(step.encoded_missing_value), place)
        if step.handle_unknown == "error":
            taken.append(ops.all(known, -1))
        else:
            place = ops.where(known, place, np.float64(step.unknown_value))
        parts.append(place)
    return ops.concatenate(parts)


def _target(ops: Any, step: TargetEncoder, x: Any, taken: list) -> Any:
    n = len(step.encodings_) // len(step.categories_)  # one for each class, or one
    parts = []
    for i, categories in enumerate(step.categories_):
        ones, known = _matches(ops, _column(ops, x, i), categories)
        values = ops.matmul(ones, np.column_stack(step.encodings_[n * i : n * (i + 1)]))
        parts.append(ops.where(known, values, np.atleast_1d(step.target_mean_)))
    return ops.concatenate(parts)


def _matches(ops: Any, column: Any, categories: np.ndarray) -> tuple[Any, Any]:
    """Ones where a column (n, 1) has a category, (n, n_categories), and whether it has any."""
    values = categories.tolist()
    absent = np.array([[_is_missing(c) for c in values]])
    if ops.is_string(column):
        sought = np.where(absent, "", np.array([values], dtype=object))
    else:
        sought = np.array([values], dtype=np.float64)
    different, counts = np.unique(sought, return_counts=True)
    if counts.max(initial=0) > 1:
        raise ValueError(
            f"several of an encoder's categories would be {different[counts > 1].tolist()} in a "
            f"tensor, where '' among strings and NaN among numbers stands for all that is missing; "
            f"replace them by one in X, and fit again."
        )
    same = ops.equal(column, sought)
    if absent.any() and not ops.is_string(column):
        same = ops.logical_or(same, ops.logical_and(ops.isnan(column), absent))
    ones = ops.cast(same, "float64")
    return ones, ops.expand_last(ops.sum(ones, -1)) > 0


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value))


def _pca(ops: Any, step: PCA, x: Any, taken: list) -> Any:
    x = ops.matmul(x - step.mean_, step.components_.T)
    if not step.whiten:
        return x
    scale = np.sqrt(step.explained_variance_)
    if noise := np.count_nonzero(scale <= _LEAST_SCALE * scale[0]):
        raise ValueError(
            f"the last {noise} of {len(scale)} components of PCA(whiten=True) have no variance: "
            f"whitened they are rounding errors, which differ from one machine to another. Fit "
            f"with n_components={len(scale) - noise}."
        )
    return x / scale


def _svd(ops: Any, step: TruncatedSVD, x: Any, taken: list) -> Any:
    return ops.matmul(x, step.components_.T)


def _function(ops: Any, step: FunctionTransformer, x: Any, taken: list) -> Any:
    if step.func is not None:
        raise TypeError(
            f"FunctionTransformer calls {step.func!r}, which is Python's; apply it before, and "
            f"export the rest of the Pipeline."
        )
    return x


_STEPS: dict[type, Callable[[Any, Any, Any, list], Any]] = {
    Binarizer: _binarizer,
    ColumnTransformer: _column_transformer,
    FunctionTransformer: _function,
    KBinsDiscretizer: _bins,
    MaxAbsScaler: _max_abs,
    MinMaxScaler: _min_max,
    Normalizer: _normalizer,
    OneHotEncoder: _one_hot,
    OrdinalEncoder: _ordinal,
    PCA: _pca,
    Pipeline: _pipeline,
    PolynomialFeatures: _polynomial,
    PowerTransformer: _power,
    QuantileTransformer: _quantile,
    RobustScaler: _robust,
    SimpleImputer: _imputer,
    StandardScaler: _standard,
    TargetEncoder: _target,
    TruncatedSVD: _svd,
}
