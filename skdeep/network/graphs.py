"""A built Keras model and its ends: what it takes, what it gives, and what is refused."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from skdeep import engine  # noqa: F401  first: who loads TensorFlow first sets it up

# isort: split
import keras

from skdeep import blueprint
from skdeep.network.functions import listed


class Graph(NamedTuple):
    """A built model and its ends.

    Attributes
    ----------
    model : keras.Model
        As the user made it.
    inputs : list of one KerasTensor
    output : KerasTensor
    """

    model: Any
    inputs: list
    output: Any

    @property
    def ending(self) -> str | None:
        """The activation whose values the output has: "linear", "softmax", "sigmoid", "relu".

        Another word if it is none, such as the name of an operation; None if the class of a layer
        of the user's does not tell it.
        """
        return _ending(self.output)

    def with_features(self, layer: int | None) -> Any:
        """A Keras model with a dict of "output" and "features", of a layer as in Template."""
        features = self.features(layer)
        output = self.output
        if output.dtype in ("bfloat16", "float16"):
            output = keras.ops.cast(output, "float32")
        features = output if features is None else features
        return keras.Model(self.inputs, {"output": output, "features": features})

    def features(self, layer: int | None) -> Any:
        """The tensor of the features; None if it is the output, or cannot be told."""
        if layer is None:
            return None
        if layer >= 0:
            return self.model.layers[layer].output
        tensor = self.output
        while True:
            operation, node, _ = tensor._keras_history
            inputs = operation._inbound_nodes[node].input_tensors if operation else []
            if len(inputs) != 1 or isinstance(operation, keras.Model):
                return None
            (tensor,) = inputs
            if getattr(operation, "weights", ()):
                return tensor

    def position(self, layer: str) -> int:
        """The place of a named layer."""
        names = [part.name for part in self.model.layers]
        if layer not in names or not is_graph(self.model):
            raise ValueError(
                f"layer={layer!r} is no layer of the model, whose layers are {listed(names)}"
                + ("." if is_graph(self.model) else "; pass a functional model.")
            )
        return names.index(layer)


_KEEP_VALUES = {
    *("Average", "Concatenate", "Cropping1D", "Cropping2D", "Dropout", "ExpandDims", "Flatten"),
    *("GetItem", "GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalAveragePooling3D"),
    *("Identity", "Mean", "Permute", "Reshape", "Squeeze", "Transpose"),
}
_LINEAR = {
    *("BatchNormalization", "Embedding", "GroupNormalization", "InputLayer"),
    *("LayerNormalization", "Normalization", "Rescaling"),
}
_ACTIVATIONS = {"Elu", "ELU", "LeakyReLU", "PReLU", "ReLU", "Relu", "Sigmoid", "Softmax", "Tanh"}


def _ending(tensor: Any) -> str | None:
    """As :meth:`Graph.ending`, of a tensor in a graph of Keras's."""
    operation, node, index = tensor._keras_history
    if is_graph(operation):
        return _ending(operation.outputs[index])
    if not is_keras(operation):
        return None
    name = type(operation).__name__
    inputs = operation._inbound_nodes[node].input_tensors
    if name in _ACTIVATIONS:
        return name.lower()
    if name in _LINEAR:
        return "linear"
    if name in _KEEP_VALUES:
        endings = {_ending(part) for part in inputs}
        return endings.pop() if len(endings) == 1 else name.lower()
    if name in ("Add", "Subtract"):  # of a number of either sign and something
        return "linear" if "linear" in map(_ending, inputs) else name.lower()
    if (activation := getattr(operation, "activation", None)) is not None:
        return getattr(activation, "__name__", name.lower())
    return None if name == "Lambda" else name.lower()


def graph_of(model: Any, task: blueprint.Task) -> Graph:
    """The ends of a model, built for rows of the task's shape."""
    shape = task.input_shape
    if is_graph(model):
        if not model.built:
            model.build((None, *shape))
        inputs, outputs = model.inputs, model.outputs
    else:
        dtype = "float64" if task.precision == "float64" else "float32"
        inputs = [keras.Input(shape, dtype=dtype)]
        outputs = keras.tree.flatten(model(inputs[0]))
    check_ends(inputs, outputs)
    n_rows, *takes = inputs[0].shape
    if n_rows is not None:
        raise ValueError(
            f"the model takes {n_rows} rows at a time, as stateful layers do, but batches have any "
            f"number; give keras.Input a shape without a batch_size."
        )
    if len(takes) != len(shape) or any(n not in (None, m) for n, m in zip(takes, shape)):
        raise ValueError(
            f"the model takes rows of shape {tuple(takes)}, but those of X have {shape}; use "
            f"input_shape, which the function is given, or begin with keras.layers.Reshape."
        )
    return Graph(model, inputs, outputs[0])


def check_ends(inputs: list, outputs: list) -> None:
    """Refuse a model with several inputs or outputs, or one of strings."""
    if len(inputs) != 1 or len(outputs) != 1:
        raise ValueError(
            f"the model has {len(inputs)} inputs and {len(outputs)} outputs, but must have one of "
            f"each: take the columns of X apart, and join outputs, within the model."
        )
    if inputs[0].dtype == "string":
        raise ValueError(
            "the model takes strings, but X must be numbers; put scikit-learn's TfidfVectorizer or "
            "the like before it in a Pipeline, or use RNNClassifier, which reads texts."
        )


def refuse_own_steps(model: keras.Model) -> None:
    """Refuse a model that says itself how it is trained, for Keras's loop alone asks it."""
    own = [
        name
        for name in ("train_step", "compute_loss", "predict_step")
        if name in vars(model) or getattr(type(model), name) is not getattr(keras.Model, name)
    ]
    if own:
        raise ValueError(
            f"{type(model).__name__} overrides {listed(own)}, which skdeep's loop would not call; "
            f"leave it out: pass loss= to the estimator, add further losses by self.add_loss in "
            f"call, and compute outputs in call."
        )


def refuse_parts(X: Any, y: Any) -> None:
    """Refuse X in parts, as Keras models of several inputs take it."""
    parts = X if isinstance(X, list | tuple) else ()
    shapes: list[tuple] = [getattr(part, "shape", ()) for part in parts]
    in_parts = isinstance(X, Mapping) and not hasattr(X, "shape")  # as SciPy's dict of keys has
    if len(parts) > 1 and all(len(shape) > 1 for shape in shapes):
        lengths = {shape[0] for shape in shapes}
        by_y = hasattr(y, "__len__") and lengths == {len(y)} != {len(parts)}
        in_parts = by_y or (len(lengths) == 1 < len({shape[1:] for shape in shapes}))
    if in_parts:
        raise ValueError(
            f"got {len(X)} parts, but it must be one array of rows, for one input of the model; "
            f"join the parts along the columns, and take them apart within the model."
        )


def check_precision(model: keras.Model, values: list, precision: str) -> None:
    """Refuse weights from before in single precision in a double one, and the other way round."""
    for variable, value in zip(model.weights, values, strict=True):
        if value is None or value.dtype.kind != "f":
            continue
        if (variable.dtype == "float64") != (precision == "float64"):
            raise ValueError(
                f"the model comes with weights of {variable.dtype} ({variable.path}), but "
                f"precision={precision!r} is set; fit under another config_context(precision=...), "
                f"or pass a function that makes the layers, which then have that precision."
            )


def is_graph(model: Any) -> bool:
    """Whether a model is what its layers' graph says: functional or sequential."""
    homes = ("keras.src.models.functional", "keras.src.models.sequential")
    return isinstance(model, keras.Model) and type(model).call.__module__ in homes


def is_keras(part: Any) -> bool:
    """Whether a layer's class is one of Keras's own."""
    return type(part).__module__.startswith("keras.src.")
