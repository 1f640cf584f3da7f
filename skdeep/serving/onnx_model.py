"""ONNX: the function as a graph of standard operators, its weights inside."""

from typing import Any

from skdeep.serving.function import Function
from skdeep.serving.onnx_layers import nodes_of
from skdeep.serving.onnx_operations import TYPES, Operations, Value, onnx

_OPSETS = {"": 19, "ai.onnx.ml": 2}  # 19: strings may be compared


class _Export(Operations):
    """Operations among which is a whole network."""

    def network(self, model: Any, x: Value, lengths: Value | None) -> Any:
        return nodes_of(self, model, x, lengths)


def serialized(function: Function) -> bytes:
    """A function as an ONNX file, checked."""
    precision = function.network._fitted.task.precision
    if precision == "mixed_bfloat16":
        raise ValueError(
            f"the network was fitted in precision {precision!r}, which ONNX's runtimes do not "
            f"compute alike; export it as 'saved_model'."
        )
    ops = _Export(function.table)
    inputs = [Value(ops, part.name, part.dtype) for part in function.inputs]
    results = function(ops, inputs)
    shapes = [part.shape for part in function.inputs]
    return model_of(ops, inputs, shapes, results).SerializeToString()


def model_of(ops: Operations, inputs: list[Value], shapes: list[tuple], results: dict) -> Any:
    """The model of a graph from inputs of some shapes (None is free) to outputs by name."""
    named = [onnx.helper.make_node("Identity", [v.name], [name]) for name, v in results.items()]
    graph = onnx.helper.make_graph(
        [*ops.nodes, *named],
        "skdeep",
        [_info(x.name, x.dtype, ("n", *s[1:])) for x, s in zip(inputs, shapes, strict=True)],
        [_info(name, value.dtype, None) for name, value in results.items()],
        ops.constants,
    )
    opsets = [onnx.helper.make_opsetid(domain, version) for domain, version in _OPSETS.items()]
    model = onnx.helper.make_model(
        graph,
        producer_name="skdeep",
        opset_imports=opsets,
        # The oldest that has these operators, so that older runtimes read it.
        ir_version=onnx.helper.find_min_ir_version_for(opsets),
    )
    model = onnx.shape_inference.infer_shapes(model, data_prop=True)  # of the outputs
    onnx.checker.check_model(model, full_check=True)
    return model


def _info(name: str, dtype: str, shape: Any) -> Any:
    return onnx.helper.make_tensor_value_info(name, TYPES[dtype], shape)
