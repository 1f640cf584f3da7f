"""From a function or a Keras model to what a program is made of.

A model is built in each fit, apart from the user's Keras and without memory for its weights: 10 ms
for a small one. Its fingerprint then finds the network and the programs that are there already.
"""

import copy
import inspect
import json
import math
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from skdeep import engine  # first: who loads TensorFlow first sets it up

# isort: split
import keras
import numpy as np

from skdeep import blueprint
from skdeep.exceptions import LoadError
from skdeep.persistence import is_plain, saved
from skdeep.validation import did_you_mean, naming

GIVEN = ("input_shape", "n_outputs", "meta")


def listed(names: Any) -> str:
    """Names with commas."""
    return ", ".join(map(str, names)) or "nothing"


def own_arguments(function: Any) -> dict[str, Any]:
    """A function's own arguments that have a default."""
    if not callable(function):
        return {}
    parameters = inspect.signature(function).parameters
    return {
        name: p.default
        for name, p in parameters.items()
        if name not in GIVEN and p.default is not p.empty
    }


def check_names(function: Any, names: Any) -> None:
    """Refuse arguments that a function does not take."""
    parameters = inspect.signature(function).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    own = [name for name in parameters if name not in GIVEN]
    if unknown := [name for name in names if name not in parameters]:
        raise ValueError(
            f"Invalid parameter {listed(unknown)} of model: "
            f"{getattr(function, '__name__', function)} takes "
            f"{listed(own)} and is given {listed(name for name in GIVEN if name in parameters)}"
            f"{did_you_mean(unknown[0], own)}"
        )


def arguments_of(function: Any, params: dict | None, given: dict) -> dict[str, Any]:
    """What a function is called with."""
    params = params or {}
    with naming("model_params"):
        check_names(function, params)
    parameters = inspect.signature(function).parameters
    arguments = {name: value for name, value in given.items() if name in parameters} | params
    missing = [
        name
        for name, p in parameters.items()
        if p.default is p.empty
        and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
        and name not in arguments
    ]
    if missing:
        raise ValueError(
            f"{getattr(function, '__name__', function)} needs {listed(missing)}, which "
            f"model_params lacks; pass model__{missing[0]}=..., give it a default, or use what "
            f"functions are given: {listed(GIVEN)}."
        )
    return arguments


def refuse_configs(value: Any, name: str) -> None:
    """Refuse dicts of which Keras makes objects of the classes that they name, however deep."""
    if isinstance(value, dict):
        if "class_name" in value:
            raise LoadError(f"{name} holds {value!r}, of which Keras would make what it names.")
        value = [*value.values()]
    if isinstance(value, np.ndarray) and value.dtype.kind == "O":
        value = value.ravel().tolist()
    if isinstance(value, list | tuple):
        for part in value:
            refuse_configs(part, name)


def perceptron(input_shape, n_outputs, units=100, activation="relu"):
    """One hidden layer."""
    _check_activation(activation)
    rows = keras.Input(input_shape)
    x = keras.layers.Flatten()(rows) if len(input_shape) > 1 else rows
    x = keras.layers.Dense(units, activation=activation, name="hidden")(x)
    return keras.Model(rows, keras.layers.Dense(n_outputs, name="head")(x))


def autoencoder(input_shape, units=2, activation="linear"):
    """An autoencoder of one hidden layer."""
    _check_activation(activation)
    rows = keras.Input(input_shape)
    x = keras.layers.Flatten()(rows) if len(input_shape) > 1 else rows
    x = keras.layers.Dense(units, activation=activation, name="code")(x)
    x = keras.layers.Dense(math.prod(input_shape), name="decoder")(x)
    if len(input_shape) > 1:
        x = keras.layers.Reshape(input_shape)(x)
    return keras.Model(rows, x)


def _check_activation(activation: Any) -> None:
    if not (isinstance(activation, str) or callable(activation)):
        raise TypeError(
            f"model__activation must be the name of an activation of Keras's or a function, but "
            f"is {activation!r}."
        )


DEFAULTS: dict[str, Callable] = {"perceptron": perceptron, "autoencoder": autoencoder}


@saved
@dataclass(frozen=True, eq=False, repr=False)
class Template:
    """The model of a fit without its weights: where it comes from, and what it computes.

    Attributes
    ----------
    source : callable, str or keras.Model
        What builds it, a name of ``DEFAULTS``, or a copy of it that nobody else has: of a Keras
        model, or of what a function makes with layers from outside.
    arguments : dict
        Of the function.
    layer : int or None
        Whose output the features are, of ``model.layers``; -1 is what is under the last layer with
        weights, None is the model's output.
    key : str
        The model's fingerprint.
    rowwise : bool
        Whether no row's output depends on the other rows of a batch, also in training.
    fast_under_xla : dict of bool
        By device, whether XLA is no slower than TensorFlow's graph mode.
    noisy : bool
        Whether layers draw numbers.
    has_features : bool
        Whether what the features are could be told.
    """

    source: Any
    arguments: dict
    layer: int | None
    key: str
    rowwise: bool
    fast_under_xla: dict[str, bool]
    noisy: bool
    has_features: bool

    def _check_part(self) -> None:
        """Refuse a template of a file's that has Keras make more than a model, see ``saved``."""
        if isinstance(self.source, str):
            if self.source not in DEFAULTS or not all(map(is_plain, self.arguments.values())):
                raise LoadError(f"there is no model {self.source!r} of {self.arguments!r}.")
        elif not callable(self.source) or getattr(type(self.source), "_saved", False):
            raise LoadError(f"no model is made by {self.source!r}.")
        refuse_configs(self.arguments, "a model's arguments")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Template):
            return NotImplemented
        return (self.key, self.layer) == (other.key, other.layer)

    def __hash__(self) -> int:
        return hash((self.key, self.layer))

    def __repr__(self) -> str:
        return f"<model {self.key[:8]}>"

    def _uses_xla(self, device: str) -> bool:
        return self.fast_under_xla[device]

    def new_graph(self, task: blueprint.Task) -> "Graph":
        """The model, built anew: to be called within ``engine.build_apart``."""
        return _graph(_new_model(self.source, self.arguments), task)

    def graph(self, task: blueprint.Task) -> "Graph":
        """The model, from the process-wide store."""

        def build():
            graph = _build_apart(self.source, self.arguments, task)
            if not self.key.startswith("opaque") and self._key_of(graph) != self.key:
                raise ValueError(
                    "model builds another network now than in fit, so that its weights do not "
                    "belong to it; put the function back, or fit again."
                )
            return graph

        return engine.programs.get("model", self._store_key(task), build)

    def keep(self, graph: "Graph", task: blueprint.Task) -> None:
        """Put a model that was built already into the store."""
        engine.programs.get("model", self._store_key(task), lambda: graph)

    def with_features(self, task: blueprint.Task) -> Any:
        """The Keras model with a dict of "output" and "features"."""
        return self.graph(task).with_features(self.layer)

    def _key_of(self, graph: "Graph") -> str:
        return self.key if isinstance(self.source, keras.Model) else engine.fingerprint(graph.model)

    def _store_key(self, task: blueprint.Task) -> tuple:
        return _store_key(self.source, self.key, task)


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
    def activation(self) -> str | None:
        """Name of the last activation; None if a layer's class does not tell it."""
        tensor = self.output
        while True:
            operation, node, index = tensor._keras_history
            if _is_graph(operation):
                tensor = operation.outputs[index]
                continue
            name = type(operation).__name__
            if name in ("Dropout", "Flatten", "Identity", "Reshape"):
                tensor = operation._inbound_nodes[node].input_tensors[0]
                continue
            if name in ("ReLU", "LeakyReLU", "ELU", "PReLU", "Softmax", "Sigmoid"):
                return name.lower()
            if (activation := getattr(operation, "activation", None)) is not None:
                return getattr(activation, "__name__", None)
            return "linear" if _is_keras(operation) and name != "Lambda" else None

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
        if layer not in names or not _is_graph(self.model):
            raise ValueError(
                f"layer={layer!r} is no layer of the model, whose layers are {listed(names)}"
                + ("." if _is_graph(self.model) else "; pass a functional model.")
            )
        return names.index(layer)


def template_of(
    source: Any, arguments: dict, layer: str | int | None, task: blueprint.Task
) -> tuple[Template, Graph, dict[int, np.ndarray]]:
    """What a fit's model is, and the model, newly built; a layer may be named.

    The last are the values, by the variables' id, of weights that had one before.
    """
    # One copy serves all fits, so that only the first one waits for Keras to make it.
    if isinstance(source, keras.Model) and source.built:
        key, values = engine.fingerprint(source), source.get_weights()
        check_precision(source, values, task.precision)
        graph = engine.programs.get(
            "model", _store_key(source, key, task), lambda: _build_apart(source, {}, task)
        )
        source = graph.model
    else:
        source = _copy(source) if isinstance(source, keras.Model) else source
        built = _build_apart(source, arguments, task)
        key, values = engine.fingerprint(built.model), _values(built.model)
        check_precision(built.model, values, task.precision)
        graph = built
        if any(value is not None for value in values):
            place_of_copy = ("copy", *_store_key(source, key, task))
            graph = engine.programs.get("model", place_of_copy, lambda: _of_its_own(built, task))
            source, arguments = graph.model, {}
    pairs = zip(graph.model.weights, values, strict=True)
    start = {id(variable): value for variable, value in pairs if value is not None}
    place = graph.position(layer) if isinstance(layer, str) else layer
    parts = _parts(graph.model)
    template = Template(
        source,
        arguments,
        place,
        key,
        rowwise=all(_is_rowwise(part) for part in parts),
        fast_under_xla={
            "cpu": all(type(part).__name__ in _FAST and _is_keras(part) for part in parts),
            "gpu": not any(isinstance(part, keras.layers.RNN) for part in parts),
        },
        noisy=any(getattr(part, "_seed_generators", ()) for part in parts),
        has_features=graph.features(place) is not None or place is None,
    )
    template.keep(graph, task)
    return template, graph, start


def _store_key(source: Any, key: str, task: blueprint.Task) -> tuple:
    """Where a built model is kept; one with weights is a copy, one without cannot be copied."""
    return isinstance(source, keras.Model), key, task.input_shape, task.precision


def _build_apart(source: Any, arguments: dict, task: blueprint.Task) -> Graph:
    """A model and its ends; without memory for weights, unless it comes with them."""
    found = []
    outside = [] if isinstance(source, keras.Model) else engine.layers_within(source, arguments)
    unbuilt = [layer for layer in outside if not layer.built]

    def build():
        _take_names(layer.name for layer in outside)
        found.append(_graph(_new_model(source, arguments), task))
        return found[0].model

    with_weights = isinstance(source, keras.Model) and source.built
    try:
        engine.build_apart(build, task.precision, empty=not with_weights)
    finally:
        # As Keras leaves a layer that is called for the first time.
        first_built = [layer.name for layer in unbuilt if _give_memory(layer)]
    if first_built:
        raise ValueError(
            f"{getattr(source, '__name__', source)} uses {listed(first_built)}, made outside of it "
            f"and without weights until now, so that each fit would start from what the last one "
            f"drew; make the layer inside of the function, or build it before."
        )
    return found[0]


def _take_names(names: Iterable[str]) -> None:
    """Have Keras give new layers other names than these, in this thread."""
    for name in names:
        stem, _, number = name.rpartition("_")
        if not (stem and number.isdigit() and len(number) < 5):
            stem, number = name, "0"
        for _ in range(int(number) + 1):
            keras.backend.get_uid(stem)


def _values(model: Any) -> list:
    """What the weights hold; None for those without memory."""
    return [
        None if variable._value is None else keras.ops.convert_to_numpy(variable)
        for variable in model.weights
    ]


def _give_memory(part: Any) -> bool:
    """Give all variables their memory; whether one had none."""
    without = [variable for variable in part.variables if variable._value is None]
    for variable in without:
        variable._deferred_initialize()
    return bool(without)


def _of_its_own(graph: Graph, task: blueprint.Task) -> Graph:
    """A copy of a model that has layers of the user's; what was made with it keeps initialisers."""
    found = []

    def copied():
        initializers = [variable._initializer for variable in graph.model.weights]
        _give_memory(graph.model)
        found.append(_graph(_copy(graph.model), task))
        for variable, initializer in zip(found[0].model.weights, initializers, strict=True):
            variable._initializer = initializer
        return found[0].model

    engine.build_apart(copied, task.precision)
    return found[0]


def _copy(model: keras.Model) -> keras.Model:
    """A copy of a model, by its configuration, that is not compiled."""
    try:
        if not any(getattr(part, "compiled", False) for part in model._flatten_layers()):
            return copy.deepcopy(model)
        # Compiled, Keras would make an optimizer whose variables are not those of the model's.
        _, (archive,) = model.__reduce__()
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/model.keras"
            with zipfile.ZipFile(archive) as old, zipfile.ZipFile(path, "w") as new:
                for name in old.namelist():
                    content = old.read(name)
                    if name == "config.json":
                        content = json.dumps(_uncompiled(json.loads(content))).encode()
                    new.writestr(name, content)
            return keras.saving.load_model(path, compile=False, safe_mode=False)
    except Exception as error:
        error.add_note(
            "skdeep trains a copy of a Keras model, and of layers that a function takes from "
            "outside; Keras makes it by their configuration: register your own classes by "
            "keras.saving.register_keras_serializable and give them get_config, or pass a "
            "function that builds the model with all its layers."
        )
        raise


def _uncompiled(config: Any) -> Any:
    """A configuration without what compile was told, however deep."""
    if isinstance(config, list):
        return [_uncompiled(part) for part in config]
    if not isinstance(config, dict):
        return config
    return {name: _uncompiled(part) for name, part in config.items() if name != "compile_config"}


def _new_model(source: Any, arguments: dict) -> Any:
    """What a function returns, or a copy of a Keras model."""
    if isinstance(source, keras.Model):
        return _copy(source)
    source = DEFAULTS[source] if isinstance(source, str) else source
    name = getattr(source, "__name__", source)
    compiled = (
        f"leave compile and optimizers out of {name}, for another loop trains its model, and pass "
        f"optimizer, learning_rate and loss to the estimator"
    )
    try:
        model = source(**arguments)
    except ValueError as error:
        if "stateless scope" not in str(error):
            raise
        raise ValueError(
            f"{name} makes a variable with a value, which no program can take as an input; "
            f"{compiled}. Layers make their weights by self.add_weight."
        ) from error
    if not isinstance(model, keras.Model):
        raise TypeError(f"{name} must return a keras.Model, but returned {model!r}.")
    if model.compiled:
        raise ValueError(f"{name} returns a compiled model; {compiled}.")
    refuse_own_steps(model)
    return model


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


def _graph(model: Any, task: blueprint.Task) -> Graph:
    """The ends of a model, built for rows of the task's shape."""
    shape = task.input_shape
    if _is_graph(model):
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


def traced_activation(graph: Graph, task: blueprint.Task) -> str:
    """The last activation by the operation that TensorFlow runs; linear if it is another."""
    network = engine.Network(lambda: graph.with_features(None), task.precision)
    name = network.last_operation().lower()
    return name if name in ("softmax", "sigmoid") else "linear"


def _is_graph(model: Any) -> bool:
    """Whether a model is what its layers' graph says: functional or sequential."""
    homes = ("keras.src.models.functional", "keras.src.models.sequential")
    return isinstance(model, keras.Model) and type(model).call.__module__ in homes


def _is_keras(part: Any) -> bool:
    return type(part).__module__.startswith("keras.src.")


def _parts(model: Any) -> list:
    """All layers of a model, and operations between them, however nested."""
    layers = list(model._flatten_layers())
    graphs = [part for part in layers if _is_graph(part)]
    operations = [op for part in graphs for op in getattr(part, "operations", ())]
    return [*layers, *(op for op in operations if not hasattr(op, "_flatten_layers"))]


_FAST = {
    *("Activation", "Add", "Average", "Concatenate", "Dense", "ELU", "Flatten", "Functional"),
    *("Identity", "InputLayer", "LayerNormalization", "LeakyReLU", "Maximum", "Minimum"),
    *("Multiply", "Normalization", "PReLU", "ReLU", "Rescaling", "Reshape", "Sequential"),
    *("Softmax", "Subtract"),
}
_OF_BATCHES = {"BatchNormalization", "CutMix", "Lambda", "MixUp"}
_ROWWISE_OPERATIONS = {"Add", "Concatenate", "Divide", "Multiply", "Relu", "Softmax", "Subtract"}


def _is_rowwise(part: Any) -> bool:
    """Whether a layer is known to compute each row by itself."""
    name = type(part).__name__
    if not _is_keras(part):
        return False
    if not hasattr(part, "_flatten_layers"):
        return name in _ROWWISE_OPERATIONS
    return name not in _OF_BATCHES and part.activity_regularizer is None
