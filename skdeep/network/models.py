"""From a function or a Keras model to what a program is made of.

A model is built in each fit, apart from the user's Keras and without memory for its weights: 10 ms
for a small one. Its fingerprint then finds the network and the programs that are there already.
"""

from dataclasses import dataclass
from typing import Any

from skdeep import engine  # first: who loads TensorFlow first sets it up

# isort: split
import keras
import numpy as np

from skdeep import blueprint
from skdeep.exceptions import LoadError
from skdeep.network.building import (
    LayersFromOutside,
    built_apart,
    copy_of,
    new_model,
    of_its_own,
    refuse_kept_layers,
    values_of,
)
from skdeep.network.functions import DEFAULTS, refuse_configs
from skdeep.network.graphs import Graph, check_precision, graph_of, is_graph, is_keras
from skdeep.persistence import is_plain, saved


@saved
@dataclass(frozen=True, eq=False, repr=False)
class Template:
    """The model of a fit without its weights: where it comes from, and what it computes.

    Attributes
    ----------
    source : callable, str or keras.Model
        What builds it, a name of ``DEFAULTS``, or a copy of it that nobody else has.
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
    copied : keras.Model or None
        A copy of what the function makes with layers from outside, which are the user's. No part
        of a file: the function makes it again.
    """

    source: Any
    arguments: dict
    layer: int | None
    key: str
    rowwise: bool
    fast_under_xla: dict[str, bool]
    noisy: bool
    has_features: bool
    copied = None

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

    def new_graph(self, task: blueprint.Task) -> Graph:
        """The model, built anew: to be called within ``engine.build_apart``."""
        return graph_of(new_model(*self._origin(task)), task)

    def graph(self, task: blueprint.Task) -> Graph:
        """The model, from the process-wide store."""
        source, arguments = self._origin(task)

        def build():
            graph = built_apart(source, arguments, task)
            if not isinstance(source, keras.Model):
                self._check_key(engine.fingerprint(graph.model))
            return graph

        return engine.programs.get("model", self._store_key(task), build)

    def keep(self, graph: Graph, task: blueprint.Task) -> None:
        """Put a model that was built already into the store."""

        def checked():
            if self.copied is None and not isinstance(self.source, str | keras.Model):
                refuse_kept_layers(self.source, self.arguments, task, graph)
            return graph

        engine.programs.get("model", self._store_key(task), checked)

    def with_features(self, task: blueprint.Task) -> Any:
        """The Keras model with a dict of "output" and "features"."""
        return self.graph(task).with_features(self.layer)

    def _origin(self, task: blueprint.Task) -> tuple[Any, dict]:
        """What builds the model without a layer of the user's, and its arguments."""
        if self.copied is not None:
            return self.copied, {}
        is_function = not isinstance(self.source, str | keras.Model)
        if is_function and engine.layers_within(self.source, self.arguments):
            key, _, _, copied = _built(self.source, self.arguments, task)
            self._check_key(key)
            if copied is not None:
                object.__setattr__(self, "copied", copied)
                return copied, {}
        return self.source, self.arguments

    def _check_key(self, key: str) -> None:
        same = key.partition("-")[0] == self.key.partition("-")[0]
        if not self.key.startswith("opaque") and not same:
            raise ValueError(
                "model builds another network now than in fit, so that its weights do not "
                "belong to it; put the function back, or fit again."
            )

    def _store_key(self, task: blueprint.Task) -> tuple:
        return _store_key(self.source if self.copied is None else self.copied, self.key, task)


def template_of(
    source: Any, arguments: dict, layer: str | int | None, task: blueprint.Task
) -> tuple[Template, Graph, dict[int, np.ndarray]]:
    """What a fit's model is, and the model, newly built; a layer may be named.

    The last are the values, by the variables' id, of weights that had one before.
    """
    # One copy serves all fits, so that only the first one waits for Keras to make it.
    copied = None
    if isinstance(source, keras.Model) and source.built:
        key, values = engine.fingerprint(source), source.get_weights()
        check_precision(source, values, task.precision)
        graph = engine.programs.get(
            "model", _store_key(source, key, task), lambda: built_apart(source, {}, task)
        )
        source = graph.model
    else:
        source = copy_of(source) if isinstance(source, keras.Model) else source
        key, values, graph, copied = _built(source, arguments, task)
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
            "cpu": all(type(part).__name__ in _FAST and is_keras(part) for part in parts),
            "gpu": not any(isinstance(part, keras.layers.RNN) for part in parts),
        },
        noisy=any(getattr(part, "_seed_generators", ()) for part in parts),
        has_features=graph.features(place) is not None or place is None,
    )
    object.__setattr__(template, "copied", copied)
    template.keep(graph, task)
    return template, graph, start


def _built(source: Any, arguments: dict, task: blueprint.Task) -> tuple:
    """A function's model: its key, what its weights hold, its graph; and its copy.

    A copy (else None) takes its place where layers are the user's.
    """
    with LayersFromOutside(source, arguments) as outside:
        built = built_apart(source, arguments, task)
        key, values = engine.fingerprint(built.model), values_of(built.model)
        check_precision(built.model, values, task.precision)
        if all(value is None for value in values):
            return key, values, built, None
        place_of_copy = ("copy", *_store_key(source, key, task))
        graph = engine.programs.get("model", place_of_copy, lambda: of_its_own(built, task))
        outside.forget_calls()
        return key, values, graph, graph.model


def _store_key(source: Any, key: str, task: blueprint.Task) -> tuple:
    """Where a built model is kept; one with weights is a copy, one without cannot be copied."""
    return isinstance(source, keras.Model), key, task.input_shape, task.precision


def ending_of(graph: Graph, task: blueprint.Task) -> str:
    """As ``Graph.ending``; where that is None, by the operations that TensorFlow runs."""
    if (ending := graph.ending) is not None:
        return ending
    return engine.Network(lambda: graph.with_features(None), task.precision).ending()


def _parts(model: Any) -> list:
    """All layers of a model, and operations between them, however nested."""
    layers = list(model._flatten_layers())
    graphs = [part for part in layers if is_graph(part)]
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
    if not is_keras(part):
        return False
    if not hasattr(part, "_flatten_layers"):
        return name in _ROWWISE_OPERATIONS
    return name not in _OF_BATCHES and part.activity_regularizer is None
