"""Operations by name as nodes of an ONNX graph.

.. [1] https://onnx.ai/onnx/operators, of the operators' meaning.
.. [2] Goldberg. What every computer scientist should know about floating-point arithmetic.
   Computing Surveys 23(1), 1991, theorem 4.
"""

from itertools import pairwise
from typing import Any

import numpy as np

try:
    import onnx
except ImportError as error:
    raise ImportError(
        'format="onnx" needs the package onnx: pip install "skdeep[onnx]" (or export as '
        '"saved_model").'
    ) from error

TYPES = {
    "bool": onnx.TensorProto.BOOL,
    "float32": onnx.TensorProto.FLOAT,
    "float64": onnx.TensorProto.DOUBLE,
    "int32": onnx.TensorProto.INT32,
    "int64": onnx.TensorProto.INT64,
    "string": onnx.TensorProto.STRING,
    "uint8": onnx.TensorProto.UINT8,
}


class Value:
    """A tensor of the graph; Python's operators add nodes.

    Attributes
    ----------
    graph : Operations
    name, dtype : str
    """

    __array_ufunc__ = None  # so that numpy leaves ``array - value`` to us

    def __init__(self, graph: "Operations", name: str, dtype: str) -> None:
        self.graph, self.name, self.dtype = graph, name, dtype

    def __add__(self, other: Any) -> "Value":
        return self.graph.binary("Add", self, other)

    def __sub__(self, other: Any) -> "Value":
        return self.graph.binary("Sub", self, other)

    def __rsub__(self, other: Any) -> "Value":
        return self.graph.binary("Sub", other, self)

    def __mul__(self, other: Any) -> "Value":
        return self.graph.binary("Mul", self, other)

    def __truediv__(self, other: Any) -> "Value":
        return self.graph.binary("Div", self, other)

    def __neg__(self) -> "Value":
        return self.graph.node("Neg", self)

    def __lt__(self, other: Any) -> "Value":
        return self.graph.binary("Less", self, other, dtype="bool")

    def __gt__(self, other: Any) -> "Value":
        return self.graph.binary("Greater", self, other, dtype="bool")


class Operations:
    """The operations of an exported function, as nodes of a graph."""

    def __init__(self, table: np.ndarray | None) -> None:
        self.nodes: list = []
        self.constants: list = []
        self.table = None if table is None else self.constant(table)

    # Making nodes --------------------------------------------------------------------------

    def node(self, kind: str, *inputs: Any, dtype: str | None = None, **attributes: Any) -> Value:
        """A node's first output; of the dtype of its first input, unless said."""
        return self.outputs(kind, *inputs, n=1, dtype=dtype, **attributes)[0]

    def outputs(
        self, kind: str, *inputs: Any, n: int, dtype: str | None = None, **attributes: Any
    ) -> list[Value]:
        """The first n outputs of a node. None stands for an input that is left out."""
        dtype = dtype or inputs[0].dtype
        values = [Value(self, f"{kind}_{len(self.nodes)}_{i}", dtype) for i in range(n)]
        given = ["" if part is None else part.name for part in inputs]
        made = onnx.helper.make_node(kind, given, [value.name for value in values], **attributes)
        self.nodes.append(made)
        return values

    def constant(self, array: Any, dtype: str | None = None) -> Value:
        """An array of numbers, or of objects that are strings, as a tensor."""
        array = np.asarray(array)
        if array.dtype.kind not in "OU":
            array = array.astype(dtype or array.dtype)
        name = f"constant_{len(self.constants)}"
        kind = "string" if array.dtype.kind in "OU" else array.dtype.name
        self.constants.append(onnx.numpy_helper.from_array(np.ascontiguousarray(array), name))
        if array.ndim == 0:  # of which ascontiguousarray makes one axis
            del self.constants[-1].dims[:]
        return Value(self, name, kind)

    def binary(self, kind: str, one: Any, other: Any, dtype: str | None = None) -> Value:
        """A node of two inputs, of which one may be a number or an array."""
        like = one if isinstance(one, Value) else other
        one, other = (
            part if isinstance(part, Value) else self.constant(part, like.dtype)
            for part in (one, other)
        )
        return self.node(kind, one, other, dtype=dtype)

    # What an exported function calls -------------------------------------------------------

    def is_string(self, x: Value) -> bool:
        return x.dtype == "string"

    def cast(self, x: Value, dtype: str) -> Value:
        return x if x.dtype == dtype else self.node("Cast", x, dtype=dtype, to=TYPES[dtype])

    def equal(self, one: Value, other: Any) -> Value:
        return self.binary("Equal", one, other, dtype="bool")

    def logical_and(self, one: Value, other: Any) -> Value:
        return self.binary("And", one, other)

    def logical_or(self, one: Value, other: Any) -> Value:
        return self.binary("Or", one, other)

    def logical_not(self, x: Value) -> Value:
        return self.node("Not", x)

    def where(self, condition: Value, one: Any, other: Any) -> Value:
        like = one if isinstance(one, Value) else other
        one, other = (
            part if isinstance(part, Value) else self.constant(part, like.dtype)
            for part in (one, other)
        )
        return self.node("Where", condition, one, other, dtype=like.dtype)

    def isnan(self, x: Value) -> Value:
        return self.node("IsNaN", x, dtype="bool")

    def isfinite(self, x: Value) -> Value:
        infinite = self.node("IsInf", x, dtype="bool")
        return self.logical_not(self.logical_or(self.isnan(x), infinite))

    def matmul(self, x: Value, other: Any) -> Value:
        return self.binary("MatMul", x, other)

    def abs(self, x: Value) -> Value:
        return self.node("Abs", x)

    def sqrt(self, x: Value) -> Value:
        return self.node("Sqrt", x)

    def exp(self, x: Value) -> Value:
        return self.node("Exp", x)

    def log(self, x: Value) -> Value:
        return self.node("Log", x)

    def log_sigmoid(self, x: Value) -> Value:
        return -self.softplus(-x)

    def log_softmax(self, x: Value, axis: int) -> Value:
        return self.node("LogSoftmax", x, axis=axis)

    def logsumexp(self, x: Value, axis: int) -> Value:
        return self.reduced("ReduceLogSumExp", x, axis)

    def log1p(self, x: Value) -> Value:
        # As exact as x is: (u - 1) / log(u) errs for u = 1 + x as its logarithm does [2]_.
        u = x + 1
        small = self.equal(u, 1)
        step = self.where(small, 1, u - 1)
        return x * self.where(small, 1, self.log(u) / step)

    def expm1(self, x: Value) -> Value:
        return self.node("Tanh", x * 0.5) * (self.exp(x) + 1)

    def ndtri(self, x: Value) -> Value:
        raise ValueError(
            "QuantileTransformer(output_distribution='normal') needs the normal distribution's "
            "quantiles, which ONNX lacks; set 'uniform', or export as 'saved_model'."
        )

    def sigmoid(self, x: Value) -> Value:
        return self.node("Sigmoid", x)

    def softmax(self, x: Value) -> Value:
        return self.node("Softmax", x, axis=-1)

    def softplus(self, x: Value) -> Value:
        # onnxruntime has Softplus in float32 alone; exp(-|x|) cannot overflow.
        return self.node("Relu", x) + self.log(self.exp(-self.abs(x)) + 1)

    def reduced(self, kind: str, x: Value, *axes: int) -> Value:
        return self.node(kind, x, self.constant(axes, "int64"), keepdims=0)

    def all(self, x: Value, axis: int) -> Value:
        return self.reduced("ReduceMin", self.cast(x, "int32"), axis) > 0

    def max(self, x: Value, axis: int) -> Value:
        return self.reduced("ReduceMax", x, axis)

    def mean(self, x: Value, axis: int) -> Value:
        return self.reduced("ReduceMean", x, axis)

    def sum(self, x: Value, axis: int) -> Value:
        return self.reduced("ReduceSum", x, axis)

    def maximum(self, x: Value, least: float) -> Value:
        return self.binary("Max", x, least)

    def argmax(self, x: Value) -> Value:
        return self.node("ArgMax", x, dtype="int64", axis=-1, keepdims=0)

    def sort(self, x: Value) -> Value:
        last = self.node("Shape", x, dtype="int64", start=-1)
        return self.outputs("TopK", x, last, n=2, axis=-1, largest=0)[0]

    def concatenate(self, parts: list, axis: int = -1) -> Value:
        return parts[0] if len(parts) == 1 else self.node("Concat", *parts, axis=axis)

    def split(self, x: Value, places: list, axis: int) -> list[Value]:
        bounds = [0, *places, np.iinfo(np.int64).max]
        ends = [self.constant([place], "int64") for place in bounds]
        along = self.constant([axis], "int64")
        return [self.node("Slice", x, *pair, along) for pair in pairwise(ends)]

    def take(self, x: Value, places: Any, axis: int = -1) -> Value:
        return self.node("Gather", x, self.constant(places, "int64"), axis=axis)

    def reshape(self, x: Value, shape: tuple) -> Value:
        return self.node("Reshape", x, self.constant(shape, "int64"))

    def expand_dims(self, x: Value, axis: int) -> Value:
        return self.node("Unsqueeze", x, self.constant([axis], "int64"))

    def expand_last(self, x: Value) -> Value:
        return self.expand_dims(x, -1)

    def transpose(self, x: Value, order: tuple) -> Value:
        return self.node("Transpose", x, perm=order)

    def positions(self, x: Value) -> Value:
        n_steps = self.node("Shape", x, dtype="int64", start=1, end=2)
        zero, one = self.constant(np.int64(0)), self.constant(np.int64(1))
        return self.node("Range", zero, self.reshape(n_steps, ()), one)

    def lookup_place(self, values: np.ndarray, places: Value) -> Value:
        return self.node("Gather", self.constant(values), places)

    def lookup(self, tokens: Value, vocabulary: np.ndarray) -> Value:
        keys = "keys_strings" if self.is_string(tokens) else "keys_int64s"
        attributes = {
            keys: vocabulary.tolist(),
            "values_int64s": range(1, len(vocabulary) + 1),
            "default_int64": 0,
        }
        return self.node("LabelEncoder", tokens, dtype="int64", domain="ai.onnx.ml", **attributes)
