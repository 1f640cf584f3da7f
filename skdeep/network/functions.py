"""Functions that build a model: their arguments, and those that serve where none is given."""

import inspect
import math
from collections.abc import Callable
from typing import Any

from skdeep import engine  # noqa: F401  first: who loads TensorFlow first sets it up

# isort: split
import keras
import numpy as np

from skdeep.exceptions import LoadError
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
