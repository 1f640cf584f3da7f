"""ONNX: the function as a graph of standard operators, its weights inside."""

from typing import Any

import keras
import numpy as np

from skdeep.engine.runtime import tf
from skdeep.serving import saved_model
from skdeep.serving.function import Function
from skdeep.serving.onnx_layers import nodes_of
from skdeep.serving.onnx_operations import TYPES, Operations, Value, onnx

_OPSETS = {"": 19, "ai.onnx.ml": 2}  # 19: strings may be compared
_TOLERANCE = 1e-5  # of a network's outputs, in units of their largest if that is above 1


class _Export(Operations):
    """Operations among which is a whole network."""

    def network(self, model: Any, x: Value, lengths: Value | None) -> Any:
        return nodes_of(self, model, x, lengths)


def serialized(function: Function) -> bytes:
    """A function as an ONNX file, checked, its network also by onnxruntime where that is."""
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
    model = model_of(ops, inputs, shapes, results)
    _check_network(function)
    return model.SerializeToString()


def _check_network(function: Function) -> None:
    """Refuse a network that onnxruntime, where it is, computes otherwise than Keras.

    Of the network alone are there rows that it surely takes; the rest is written once for both.
    """
    try:
        import onnxruntime
    except ImportError:
        return
    feed, ops = _network_rows(function), _Export(None)
    inputs = [Value(ops, name, array.dtype.name) for name, array in feed.items()]
    named = _named(ops.network(function.model, inputs[0], inputs[1] if inputs[1:] else None))
    model = model_of(ops, inputs, [array.shape for array in feed.values()], named)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # it writes its errors too, though it raises them
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options)
        found = session.run([*named], feed)
    except Exception as error:  # its errors have no class in common
        raise ValueError(
            f"onnxruntime cannot run the network ({error}); export it as 'saved_model'."
        ) from error
    rows, lengths = feed["rows"], feed.get("lengths")
    with tf.device("CPU:0"):
        outputs = saved_model.Operations(None).network(function.model, tf.constant(rows), lengths)
    for part, wanted in zip(found, map(np.asarray, _named(outputs).values()), strict=True):
        largest = np.abs(wanted[np.isfinite(wanted)]).max(initial=1)
        if not np.allclose(part, wanted, rtol=0, atol=_TOLERANCE * largest, equal_nan=True):
            raise ValueError(
                f"onnxruntime computes other outputs of the network than Keras, by more than "
                f"{_TOLERANCE} of the largest: one of its layers has another meaning in ONNX; "
                f"export it as 'saved_model'."
            )


def _network_rows(function: Function) -> dict[str, np.ndarray]:
    """Some rows that the network takes, and their lengths if it asks for them."""
    (x,), task = function.model.inputs, function.network._fitted.task
    n_rows, n_steps = 3, 8
    known = task.input_shape if len(task.input_shape) == len(x.shape) - 1 else x.shape[1:]
    shape = (n_rows, *(n or m or n_steps for n, m in zip(x.shape[1:], known, strict=True)))
    rng = np.random.default_rng(0)
    if x.dtype.startswith("float"):
        feed = {"rows": rng.normal(size=shape).astype(x.dtype)}
    else:  # of the smallest table there are places 0 and 1
        feed = {"rows": rng.integers(256 if x.dtype == "uint8" else 2, size=shape).astype(x.dtype)}
    if task.n_tokens or (task.input_shape and task.input_shape[0] is None):
        feed["lengths"] = np.array([n_steps, 1, 5])
    return feed


def _named(outputs: Any) -> dict[str, Any]:
    return {f"output_{i}": part for i, part in enumerate(keras.tree.flatten(outputs))}


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
