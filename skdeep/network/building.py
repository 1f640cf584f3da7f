"""A model built anew, or copied, apart from the user's Keras."""

import copy
import json
import tempfile
import threading
import zipfile
from collections.abc import Iterable
from typing import Any

from skdeep import engine  # first: who loads TensorFlow first sets it up

# isort: split
import keras

from skdeep import blueprint
from skdeep.network.functions import DEFAULTS, listed
from skdeep.network.graphs import Graph, graph_of, refuse_own_steps


class LayersFromOutside:
    """Context in which a function is called that may use layers made outside of it.

    Keras notes each call in the layer, so that one thread at a time may build and forget.
    """

    _lock = threading.RLock()

    def __init__(self, source: Any, arguments: dict) -> None:
        is_model = isinstance(source, keras.Model)
        self._layers = [] if is_model else engine.layers_within(source, arguments)

    def __enter__(self) -> "LayersFromOutside":
        self._lock.acquire()
        lists = [[part._inbound_nodes, part._outbound_nodes] for part in self._layers]
        self._calls = [(nodes, len(nodes)) for pair in lists for nodes in pair]
        return self

    def __exit__(self, *error: Any) -> None:
        self._lock.release()

    def forget_calls(self) -> None:
        """Take back what the calls since then have left in the layers."""
        for nodes, n_before in self._calls:
            del nodes[n_before:]


def built_apart(source: Any, arguments: dict, task: blueprint.Task) -> Graph:
    """A model and its ends; without memory for weights, unless it comes with them."""
    found = []
    outside = [] if isinstance(source, keras.Model) else engine.layers_within(source, arguments)
    unbuilt = [layer for layer in outside if not layer.built]

    def build():
        _take_names(layer.name for layer in outside)
        found.append(graph_of(new_model(source, arguments), task))
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


def values_of(model: Any) -> list:
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


def of_its_own(graph: Graph, task: blueprint.Task) -> Graph:
    """A copy of a model that has layers of the user's; what was made with it keeps initialisers."""
    found = []

    def copied():
        initializers = [variable._initializer for variable in graph.model.weights]
        _give_memory(graph.model)
        found.append(graph_of(copy_of(graph.model), task))
        for variable, initializer in zip(found[0].model.weights, initializers, strict=True):
            variable._initializer = initializer
        return found[0].model

    engine.build_apart(copied, task.precision)
    return found[0]


def refuse_kept_layers(source: Any, arguments: dict, task: blueprint.Task, graph: Graph) -> None:
    """Refuse a function that makes layers when it is first called, and uses them ever after."""
    before = {id(layer) for layer in graph.model._flatten_layers()}
    again = built_apart(source, arguments, task).model._flatten_layers()
    # Those from outside have memory; these get it, so that the user's cache works.
    kept = [layer.name for layer in again if id(layer) in before and _give_memory(layer)]
    if kept:
        raise ValueError(
            f"{getattr(source, '__name__', source)} made {listed(kept)} when it was first called, "
            f"and uses it again in each further call, so that each fit would start from what the "
            f"last one drew; make or load the layer anew in each call, or before the first one."
        )


def copy_of(model: keras.Model) -> keras.Model:
    """A copy of a model, by its configuration, that is not compiled."""
    copied = _copied(model)
    pairs = list(zip(model._flatten_layers(), copied._flatten_layers(), strict=True))
    for old, new in pairs:  # from the outermost on: a layer sets those within it
        if new.trainable != old.trainable:  # that stands in few configurations
            new.trainable = old.trainable
    if any(type(old) is not type(new) or old.trainable != new.trainable for old, new in pairs):
        raise ValueError(
            f"a copy of {model.name}, made by its configuration, has other layers than it; mend "
            f"get_config of your own classes, or pass a function that builds the model."
        )
    return copied


def _copied(model: keras.Model) -> keras.Model:
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


def new_model(source: Any, arguments: dict) -> Any:
    """What a function returns, or a copy of a Keras model."""
    if isinstance(source, keras.Model):
        return copy_of(source)
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
