"""Keras layers as ONNX nodes.

Keras has channels last, ONNX first: around each convolution stand two transpositions, of which a
runtime removes most.
"""

from collections.abc import Callable, Collection
from functools import reduce
from typing import Any

import keras
import numpy as np

from skdeep import layers
from skdeep.network.graphs import is_graph, is_keras
from skdeep.serving.onnx_operations import TYPES, Operations, Value

_NONE = "has no counterpart in ONNX here; export as 'saved_model', which takes all layers"


def nodes_of(ops: Operations, model: keras.Model, x: Value, lengths: Value | None) -> Any:
    """What a functional Keras model computes of rows x, shaped as its outputs are.

    Raises
    ------
    TypeError
        If a layer has no counterpart here; the message names it.
    """

    def applied(layer: Any) -> Callable:
        if isinstance(layer, layers.Member | keras.Model):
            inner = getattr(layer, "model", layer)
            return _called(layer, lambda x: nodes_of(ops, inner, x, lengths))
        if not isinstance(layer, keras.layers.Layer):
            return lambda *parts, **_: _operation(ops, layer, parts)
        apply = (_LAYERS | _OF_STEPS).get(type(layer))
        if apply is None:
            raise TypeError(f"the layer {layer.name!r}, a {type(layer).__name__}, {_NONE}.")
        more = (lengths,) if type(layer) in _OF_STEPS else ()
        return _called(layer, lambda x: apply(ops, layer, _autocast(ops, layer, x), *more))

    graph = getattr(model, "_functional", model)  # Sequential has one inside
    if not is_graph(model) or graph is None:
        raise TypeError(f"the model {model.name!r} is a class of its own, which {_NONE}.")
    return graph._run_through_graph([x], applied)


def _called(layer: Any, apply: Callable) -> Callable:
    """A layer's nodes, of its one input; refuses what else it may be called with."""

    def called(*inputs: Any, **arguments: Any) -> Any:
        given = [name for name, value in arguments.items() if value is not None]
        if arguments.get("training") is False:  # as all is at predict
            given.remove("training")
        if given or len(inputs) != 1:
            raise TypeError(
                f"a call of the layer {layer.name!r} with {' and '.join(given) or 'more'} beside "
                f"its input {_NONE}."
            )
        return apply(inputs[0])

    return called


def _autocast(ops: Operations, layer: Any, x: Any) -> Any:
    """The inputs of a layer in the dtype that it computes in, as Keras casts them."""
    (dtype, *others) = {part.compute_dtype for part in layer._flatten_layers()}
    if others or dtype not in TYPES:
        raise TypeError(
            f"the dtype {layer.dtype_policy.name!r} of the layer {layer.name!r} {_NONE}."
        )

    def cast(part: Any) -> Any:
        is_real = isinstance(part, Value) and part.dtype.startswith("float")
        return ops.cast(part, dtype) if is_real else part

    return keras.tree.map_structure(cast, x)


def _operation(ops: Operations, operation: Any, parts: tuple) -> Value:
    """One of Keras's operations, such as ``x + shortcut``, on tensors and constants."""
    name, dtype = type(operation).__name__, operation.output.dtype
    if not is_keras(operation) or name not in _OPERATIONS or dtype not in TYPES:
        raise TypeError(f"the operation {operation.name!r}, a {name} in {dtype}, {_NONE}.")
    parts = keras.tree.map_structure(
        lambda x: ops.cast(x, dtype) if isinstance(x, Value) else ops.constant(x, dtype), parts
    )
    return _OPERATIONS[name](ops, operation, *parts)


# Activations -----------------------------------------------------------------------------------


def _leaky(slope: float) -> Callable:
    return lambda ops, x: ops.node("LeakyRelu", x, alpha=slope)


def _gelu(ops: Operations, x: Value) -> Value:
    return x * (ops.node("Erf", x * np.sqrt(0.5)) + 1) * 0.5


_ACTIVATIONS: dict[str, Callable[[Operations, Value], Value]] = {
    "elu": lambda ops, x: ops.node("Elu", x),
    "gelu": _gelu,
    "leaky_relu": _leaky(0.2),
    "linear": lambda ops, x: x,
    "relu": lambda ops, x: ops.node("Relu", x),
    "sigmoid": lambda ops, x: ops.sigmoid(x),
    "silu": lambda ops, x: x * ops.sigmoid(x),
    "softmax": lambda ops, x: ops.softmax(x),
    "softplus": lambda ops, x: ops.softplus(x),
    "tanh": lambda ops, x: ops.node("Tanh", x),
}


def _activation_name(layer: Any, activation: Any, known: Collection[str]) -> str:
    """The name of one of Keras's activations, if it is among those known."""
    name = getattr(activation, "__name__", "")
    if getattr(keras.activations, name, None) is not activation or name not in known:
        raise TypeError(f"the activation {activation!r} of {layer.name!r} {_NONE}.")
    return name


def _activated(ops: Operations, layer: Any, x: Value) -> Value:
    return _ACTIVATIONS[_activation_name(layer, layer.activation, _ACTIVATIONS)](ops, x)


def _relu(ops: Operations, layer: Any, x: Value) -> Value:
    if layer.max_value is not None or layer.negative_slope or layer.threshold:
        raise TypeError(f"the settings of the layer {layer.name!r} {_NONE}.")
    return ops.node("Relu", x)


def _softmax(ops: Operations, layer: Any, x: Value) -> Value:
    _check_last(layer)
    return ops.softmax(x)


# Layers of rows ----------------------------------------------------------------------------------


def _same(ops: Operations, layer: Any, x: Value) -> Value:
    return x


def _array(variable: Any) -> np.ndarray:
    return np.asarray(variable)


def _dense(ops: Operations, layer: Any, x: Value) -> Value:
    x = ops.matmul(x, _array(layer.kernel))
    if layer.use_bias:
        x = x + _array(layer.bias)
    return _activated(ops, layer, x)


def _bias(ops: Operations, layer: Any, x: Value) -> Value:
    return x + _array(layer.bias)


def _batch_normalization(ops: Operations, layer: Any, x: Value) -> Value:
    _check_last(layer)
    scale = 1 / np.sqrt(_array(layer.moving_variance) + layer.epsilon)
    if layer.gamma is not None:
        scale = scale * _array(layer.gamma)
    shift = -_array(layer.moving_mean) * scale
    if layer.beta is not None:
        shift = shift + _array(layer.beta)
    return x * scale + shift


def _check_last(layer: Any) -> None:
    """Refuse a layer that normalises another axis than the last."""
    axis = getattr(layer, "axis", -1)
    if axis not in (-1, [-1], len(layer.input.shape) - 1, [len(layer.input.shape) - 1]):
        raise TypeError(f"axis={axis} of the layer {layer.name!r} {_NONE}.")


def _layer_normalization(ops: Operations, layer: Any, x: Value) -> Value:
    _check_last(layer)
    if getattr(layer, "rms_scaling", False):
        raise TypeError(f"rms_scaling of the layer {layer.name!r} {_NONE}.")
    x = x - ops.expand_last(ops.mean(x, -1))
    variance = ops.expand_last(ops.mean(x * x, -1))
    x = x / ops.sqrt(variance + layer.epsilon)
    if layer.gamma is not None:
        x = x * _array(layer.gamma)
    return x if layer.beta is None else x + _array(layer.beta)


def _rescaling(ops: Operations, layer: Any, x: Value) -> Value:
    return ops.cast(x, layer.compute_dtype) * layer.scale + layer.offset


def _embedding(ops: Operations, layer: Any, x: Value) -> Value:
    if layer.mask_zero:
        raise TypeError(f"mask_zero of the layer {layer.name!r} {_NONE}.")
    return ops.node("Gather", ops.constant(_array(layer.embeddings)), ops.cast(x, "int64"))


def _reshape(ops: Operations, layer: Any, x: Value) -> Value:
    return ops.reshape(x, (0, *layer.target_shape))  # 0: as many rows as there are


def _flatten(ops: Operations, layer: Any, x: Value) -> Value:
    rank = len(layer.input.shape)
    if layer.data_format == "channels_first" and rank > 1:
        x = ops.transpose(x, (0, *range(2, rank), 1))
    return ops.node("Flatten", x)


def _concatenate(ops: Operations, layer: Any, parts: list) -> Value:
    return ops.node("Concat", *parts, axis=layer.axis)


def _merging(kind: str) -> Callable:
    def merged(ops: Operations, layer: Any, parts: list) -> Value:
        ranks = [len(part.shape) for part in layer.input]
        for i, rank in enumerate(ranks):  # rows stay first, other axes are the last ones
            if axes := range(1, 1 + max(ranks) - rank):
                parts[i] = ops.node("Unsqueeze", parts[i], ops.constant(axes))
        return reduce(lambda one, other: ops.node(kind, one, other), parts)

    return merged


def _binary(kind: str) -> Callable:
    return lambda ops, operation, one, other: ops.node(kind, one, other)


def _stack(ops: Operations, layer: Any, parts: list) -> Value:
    return ops.node(
        "Concat", *(ops.expand_dims(part, layer.axis) for part in parts), axis=layer.axis
    )


# Layers of images and series ---------------------------------------------------------------------


def _channels_first(ops: Operations, layer: Any, x: Value, apply: Callable) -> Value:
    if layer.data_format != "channels_last":
        return apply(x)
    rank = len(layer.input.shape)
    x = apply(ops.transpose(x, (0, rank - 1, *range(1, rank - 1))))
    return ops.transpose(x, (0, *range(2, rank), 1))


_PADDINGS = {"same": "SAME_UPPER", "valid": "VALID"}


def _padding(layer: Any) -> dict[str, Any]:
    """The attributes that say a convolution's padding."""
    beyond = [(n - 1) * d for n, d in zip(layer.kernel_size, layer.dilation_rate, strict=True)]
    if layer.padding == "causal":
        return {"pads": [*beyond, 0]}
    if layer.padding == "same" and max(layer.dilation_rate) > 1:
        # onnxruntime has no automatic padding here; without strides, which Keras refuses beside
        # dilation, it is the same for all sizes.
        return {"pads": [*(n // 2 for n in beyond), *(n - n // 2 for n in beyond)]}
    return {"auto_pad": _PADDINGS[layer.padding]}


def _convolution(ops: Operations, layer: Any, x: Value) -> Value:
    rank = layer.rank
    kernel = np.transpose(_array(layer.kernel), (rank + 1, rank, *range(rank)))
    bias = [ops.constant(_array(layer.bias))] if layer.use_bias else []
    settings = {
        "strides": layer.strides,
        "dilations": layer.dilation_rate,
        "group": layer.groups,
        **_padding(layer),
    }

    def apply(x: Value) -> Value:
        return ops.node("Conv", x, ops.constant(kernel), *bias, **settings)

    return _activated(ops, layer, _channels_first(ops, layer, x, apply))


def _pooling(kind: str) -> Callable:
    def pooled(ops: Operations, layer: Any, x: Value) -> Value:
        settings = {
            "auto_pad": _PADDINGS[layer.padding],
            "kernel_shape": layer.pool_size,
            "strides": layer.strides,
        }
        return _channels_first(ops, layer, x, lambda x: ops.node(kind, x, **settings))

    return pooled


def _global_pooling(kind: str) -> Callable:
    def pooled(ops: Operations, layer: Any, x: Value) -> Value:
        if layer.keepdims or layer.data_format != "channels_last":
            raise TypeError(f"keepdims or channels first of the layer {layer.name!r} {_NONE}.")
        return ops.reduced(kind, x, *range(1, len(layer.input.shape) - 1))

    return pooled


# Layers of steps ---------------------------------------------------------------------------------

# ONNX's activations of gates, with their constants alpha and beta. Not Softplus, which overflows
# in onnxruntime.
_GATES: dict[str, tuple] = {
    "elu": ("Elu", 1.0),
    "hard_sigmoid": ("HardSigmoid", 1 / 6, 0.5),
    "leaky_relu": ("LeakyRelu", 0.2),
    "linear": ("Affine", 1.0, 0.0),
    "relu": ("Relu",),
    "sigmoid": ("Sigmoid",),
    "softsign": ("Softsign",),
    "tanh": ("Tanh",),
}


def _activations(layer: Any, kind: str) -> dict[str, list]:
    """The attributes that say a recurrent layer's activations, in ONNX's order."""
    names = [_activation_name(layer, layer.cell.activation, _GATES)]
    if kind != "RNN":  # gates, then what is new, and an LSTM's output
        gate = _activation_name(layer, layer.cell.recurrent_activation, _GATES)
        names = [gate, *names * (2 if kind == "LSTM" else 1)]
    chosen = [_GATES[name] for name in names]
    settings = {"activations": [each[0] for each in chosen]}
    for place, constant in enumerate(("activation_alpha", "activation_beta"), start=1):
        # Of those activations that have it, in their order.
        if values := [each[place] for each in chosen if len(each) > place]:
            settings[constant] = values
    return settings


def _recurrent(kind: str, order: list[int]) -> Callable:
    """A recurrent layer, whose gates ONNX has in another order, and its steps first."""

    def gates(array: np.ndarray) -> np.ndarray:  # (n, gates * units) to (1, gates * units, n)
        parts = np.split(array, len(order), axis=1)
        return np.concatenate([parts[i] for i in order], axis=1).T[None]

    def applied(ops: Operations, layer: Any, x: Value, direction: str = "forward") -> Value:
        cell = layer.cell
        backwards = layer.go_backwards and direction == "forward"
        if backwards or layer.stateful or layer.return_state:
            raise TypeError(f"the settings of the layer {layer.name!r} {_NONE}.")
        settings = {"hidden_size": layer.units, "direction": direction, **_activations(layer, kind)}
        if kind == "GRU":
            settings["linear_before_reset"] = int(cell.reset_after)
        bias = np.zeros((2, len(order) * layer.units), x.dtype)  # of the input, and of the state
        if cell.use_bias:
            given = np.atleast_2d(_array(cell.bias))
            bias[: len(given)] = given
        weights = gates(_array(cell.kernel)), gates(_array(cell.recurrent_kernel))
        rows = np.concatenate([gates(row[None]) for row in bias], axis=1)[..., 0]
        constants = [ops.constant(array) for array in (*weights, rows)]
        steps, last = ops.outputs(kind, ops.transpose(x, (1, 0, 2)), *constants, n=2, **settings)
        if not layer.return_sequences:
            return ops.node("Squeeze", last, ops.constant([0]))
        # (n_steps, 1, n, units)
        return ops.transpose(ops.node("Squeeze", steps, ops.constant([1])), (1, 0, 2))

    return applied


def _bidirectional(ops: Operations, layer: Any, x: Value) -> Value:
    ahead, back = layer.forward_layer, layer.backward_layer
    if layer.merge_mode != "concat" or not {type(ahead), type(back)} <= set(_RECURRENT):
        raise TypeError(f"the settings of the layer {layer.name!r} {_NONE}.")
    parts = _RECURRENT[type(ahead)](ops, ahead, x), _RECURRENT[type(back)](ops, back, x, "reverse")
    return ops.concatenate([*parts])


def _reverse_steps(ops: Operations, layer: Any, x: Value, lengths: Value) -> Value:
    return ops.node("ReverseSequence", x, lengths, batch_axis=0, time_axis=1)


def _real(ops: Operations, x: Value, lengths: Value) -> Value:
    return ops.expand_last(ops.positions(x) < ops.expand_last(lengths))


def _pool_steps(ops: Operations, layer: Any, x: Value, lengths: Value) -> Value:
    if layer.kind == "last":
        return ops.node("GatherND", x, ops.expand_last(lengths - 1), batch_dims=1)
    real = _real(ops, x, lengths)
    if layer.kind == "mean":
        total = ops.sum(ops.where(real, x, 0), 1)
        return total / ops.cast(ops.expand_last(lengths), x.dtype)
    return ops.max(ops.where(real, x, np.finfo(x.dtype).min), 1)


def _attention(ops: Operations, layer: Any, x: Value, lengths: Value) -> Value:
    score = ops.node("Tanh", ops.matmul(x, _array(layer.kernel)) + _array(layer.bias))
    score = ops.matmul(score, _array(layer.context))
    score = ops.where(_real(ops, x, lengths), score, np.finfo(x.dtype).min)
    return ops.sum(ops.node("Softmax", score, axis=1) * x, 1)


_KERAS = keras.layers
_RECURRENT: dict[type, Callable] = {
    **dict.fromkeys((_KERAS.GRU, layers.GRU), _recurrent("GRU", [0, 1, 2])),
    **dict.fromkeys((_KERAS.LSTM, layers.LSTM), _recurrent("LSTM", [0, 3, 1, 2])),
    **dict.fromkeys((_KERAS.SimpleRNN, layers.SimpleRNN), _recurrent("RNN", [0])),
}
_OPERATIONS: dict[str, Callable] = {  # by name, for they have no public class
    "Add": _binary("Add"),
    "Divide": _binary("Div"),
    "Multiply": _binary("Mul"),
    "Subtract": _binary("Sub"),
    "TrueDivide": _binary("Div"),
    "Concatenate": _concatenate,
    "Relu": lambda ops, operation, x: ops.node("Relu", x),
    "Sigmoid": lambda ops, operation, x: ops.sigmoid(x),
    "Softmax": _softmax,
    "Stack": _stack,
    "Tanh": lambda ops, operation, x: ops.node("Tanh", x),
}
_LAYERS: dict[type, Callable] = {
    _KERAS.Activation: _activated,
    _KERAS.BatchNormalization: _batch_normalization,
    _KERAS.Bidirectional: _bidirectional,
    _KERAS.LayerNormalization: _layer_normalization,
    _KERAS.LeakyReLU: lambda ops, layer, x: _leaky(layer.negative_slope)(ops, x),
    _KERAS.Maximum: _merging("Max"),
    _KERAS.Minimum: _merging("Min"),
    _KERAS.Multiply: _merging("Mul"),
    _KERAS.ReLU: _relu,
    _KERAS.Reshape: _reshape,
    _KERAS.Softmax: _softmax,
    _KERAS.Subtract: _merging("Sub"),
    _KERAS.Add: _merging("Add"),
    _KERAS.AveragePooling1D: _pooling("AveragePool"),
    _KERAS.AveragePooling2D: _pooling("AveragePool"),
    _KERAS.Concatenate: _concatenate,
    _KERAS.Conv1D: _convolution,
    _KERAS.Conv2D: _convolution,
    _KERAS.Dense: _dense,
    _KERAS.Dropout: _same,
    _KERAS.Embedding: _embedding,
    _KERAS.Flatten: _flatten,
    _KERAS.GlobalAveragePooling1D: _global_pooling("ReduceMean"),
    _KERAS.GlobalAveragePooling2D: _global_pooling("ReduceMean"),
    _KERAS.GlobalMaxPooling1D: _global_pooling("ReduceMax"),
    _KERAS.GlobalMaxPooling2D: _global_pooling("ReduceMax"),
    _KERAS.MaxPooling1D: _pooling("MaxPool"),
    _KERAS.MaxPooling2D: _pooling("MaxPool"),
    _KERAS.Rescaling: _rescaling,
    layers.Augment: _same,
    layers.BatchNormalization: _batch_normalization,
    layers.Bias: _bias,
    layers.Dropout: _same,
    layers.KeepUnits: _same,
    layers.LayerNormalization: _layer_normalization,
    **_RECURRENT,
}
_OF_STEPS: dict[type, Callable] = {
    layers.AttentionPooling: _attention,
    layers.PoolSteps: _pool_steps,
    layers.ReverseSteps: _reverse_steps,
}
