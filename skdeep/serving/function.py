"""The exported function: from arrays as ``predict`` takes them to what ``predict`` says.

It is written in operations that a format lends (``saved_model.Operations``,
``onnx_operations.Operations``), so that both have the same.
"""

import math
import re
from dataclasses import dataclass
from keyword import kwlist
from typing import Any

import keras
import numpy as np
from sklearn.base import is_classifier, is_regressor

from skdeep.base import NetworkEstimator
from skdeep.inspection.parts import network_of
from skdeep.serving import heads
from skdeep.serving.steps import applied, holds_strings

_PADDING: dict[str, Any] = {"O": "", "i": -1}  # of rows of tokens, by the kind of their vocabulary


@dataclass(frozen=True)
class Input:
    """One input: its name, its dtype ("string" for text) and its shape, None where it is free."""

    name: str
    dtype: str
    shape: tuple


@dataclass(frozen=True)
class Function:
    """What is exported.

    Attributes
    ----------
    inputs : list of Input
        "rows", or one for each column where they are of two kinds.
    steps : list
        Fitted, of scikit-learn.
    network : NetworkEstimator
    model : keras.Model
        Its true network.
    table : ndarray (n_columns, width) or None
        What wide sparse rows are multiplied with before it.
    """

    inputs: list[Input]
    steps: list
    network: NetworkEstimator
    model: Any
    table: np.ndarray | None

    def __call__(self, ops: Any, values: list) -> dict[str, Any]:
        """The outputs by name, of tensors in the order of the inputs."""
        x = values[0]
        if len(values) > 1:
            x = [ops.reshape(column, (-1, 1)) for column in values]
        x, taken = applied(ops, self.steps, x)
        x, lengths, valid = _rows(ops, self.network, x)
        if taken is not None:
            taken = ops.expand_last(taken) if self.network._fitted.task.head.per_step else taken
            valid = taken if valid is None else ops.logical_and(valid, taken)
        fitted = self.network._fitted
        if self.table is not None:
            x = ops.matmul(x, ops.table)
        outputs = ops.network(self.model, x, lengths)
        if fitted.task.model is not None:  # of a user's own, with one output
            (outputs,) = keras.tree.flatten(outputs)
        elif isinstance(outputs, dict):
            outputs = outputs["output"]
        return heads.results(ops, fitted, ops.cast(outputs, "float64"), valid)


def function_of(estimator: Any) -> Function:
    """The function of a fitted network, or of a Pipeline or a search that ends in one."""
    steps, network = network_of(estimator)
    steps = [step for step in steps if step is not None and step != "passthrough"]
    if not (is_classifier(network) or is_regressor(network)):
        raise TypeError(
            f"{type(network).__name__} does not predict; export takes classifiers and regressors."
        )
    network._served_rows()  # refuses a network that reads more than arrays
    fitted, table = network._fitted, None
    if fitted.task.wide:
        width = fitted.true_twin._table_width(fitted.task)
        table = fitted.progress.weights["table"][:, :width]
    return Function(_inputs(steps, network), steps, network, network.network_, table)


def _inputs(steps: list, network: NetworkEstimator) -> list[Input]:
    if not steps:
        return [Input("rows", *network._served_rows())]
    n = steps[0].n_features_in_
    strings = holds_strings(steps[0], n)
    if all(strings) or not any(strings):
        return [Input("rows", "string" if strings[0] else "float64", (None, n))]
    names = _plain_names(getattr(steps[0], "feature_names_in_", [f"x{i}" for i in range(n)]))
    pairs = zip(names, strings, strict=True)
    return [Input(name, "string" if text else "float64", (None,)) for name, text in pairs]


def _plain_names(names: Any) -> list[str]:
    """Names of columns as names of Python's arguments, which TensorFlow asks for."""
    plain = [re.sub(r"[^A-Za-z0-9_]", "_", name) for name in names]
    taken = {*kwlist, "self"}
    plain = [f"x_{n}" if n in taken or not n[:1].isalpha() else n for n in plain]
    if len(set(plain)) < len(plain):
        raise ValueError(
            f"the columns {list(names)} have names that are equal once all but letters and digits "
            f"are underscores; fit on others."
        )
    return plain


def _rows(ops: Any, network: NetworkEstimator, x: Any) -> tuple[Any, Any, Any]:
    """Rows as the network takes them, the lengths of rows of steps, and what predict would take.

    The last is (n,), or (n, n_steps) where each step has a target; None where all is right.
    """
    task = network._fitted.task
    if task.n_tokens:
        return _tokens(ops, network, x)
    given, x = x, ops.cast(x, task.input_dtype)
    shape = task.input_shape
    if not shape or shape[0] is not None:
        if task.input_dtype.startswith("float"):
            fine = ops.isfinite(x)
        elif given.dtype == task.input_dtype:
            return ops.reshape(x, (-1, *shape)), None, None
        else:  # what comes back is an integer, and in range; no table may be asked for another
            fine = ops.equal(ops.cast(x, given.dtype), given)
            x = ops.where(fine, x, np.zeros((), task.input_dtype))
        valid = ops.all(ops.reshape(fine, (-1, math.prod(shape))), -1)
        return ops.reshape(x, (-1, *shape)), None, valid
    flat = len(network._served_rows()[1]) == 2
    if flat:
        x = ops.reshape(x, (-1, network.n_features_in_ // shape[-1], shape[-1]))
    real, lengths = _real(ops, ops.logical_not(ops.all(ops.isnan(x), -1)))
    # Steps that are padding must not be NaN: the sum of a mean has them times zero.
    filled = ops.where(ops.expand_last(real), x, np.zeros((), task.input_dtype))
    finite = ops.all(ops.isfinite(x if flat else filled), -1)
    valid = ops.logical_and(ops.all(finite, -1), lengths > 0)
    return filled, ops.maximum(lengths, 1), _by_step(ops, network, valid, real)


def _tokens(ops: Any, network: NetworkEstimator, x: Any) -> tuple[Any, Any, Any]:
    vocabulary = network.vocabulary_
    padding = _PADDING[vocabulary.dtype.kind]
    if np.any(vocabulary == padding):
        raise ValueError(
            f"the vocabulary has the token {padding!r}, which an exported function takes for the "
            f"end of a row; fit with another token in its place."
        )
    real, lengths = _real(ops, ops.logical_not(ops.equal(x, np.asarray(padding, vocabulary.dtype))))
    valid = _by_step(ops, network, lengths > 0, real)
    return ops.lookup(x, vocabulary), ops.maximum(lengths, 1), valid


def _real(ops: Any, given: Any) -> tuple[Any, Any]:
    """Steps (n, n_steps) up to the last that is given, and their number (n,)."""
    steps = ops.positions(given)
    lengths = ops.max(ops.where(given, steps + 1, np.int64(0)), -1)
    return steps < ops.expand_last(lengths), lengths


def _by_step(ops: Any, network: NetworkEstimator, valid: Any, real: Any) -> Any:
    if not network._fitted.task.head.per_step:
        return valid
    return ops.logical_and(ops.expand_last(valid), real)
