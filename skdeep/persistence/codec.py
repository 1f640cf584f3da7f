"""Values as JSON and tensors, of a closed list of kinds; what else there is, is an error.

Plain values stand for themselves; all others are a dict with one key, their kind::

    {"tuple": [1, 2]}   {"array": "3"}   {"object": "skdeep.targets.heads.Head", "values": {...}}

Numbers live in ``tensors.safetensors`` by name. Of objects there are those of skdeep's classes that
are marked by :func:`saved`; reading one sets attributes and runs no code of a file's choice.
"""

import base64
import importlib
import json
import math
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from numbers import Integral, Real
from types import FunctionType, UnionType
from typing import Any

import numpy as np

from skdeep.exceptions import LoadError

_PLAIN = (type(None), bool, int, float, str)
_TENSORS = {
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64"),
}
_RAW = "biufcUSMm"  # kinds of dtype that any bytes are values of


def saved(cls: type) -> type:
    """Class decorator: objects of this class may be part of a saved file.

    Their attributes are saved, so these must be of kinds that this module knows. A dataclass is
    made anew from its fields, whose values must be of the annotated types: give a field that is
    added later a default, and older files load. A method ``_check_part``, if there is one, raises a
    LoadError for an object that only a file made by hand can hold. Subclasses inherit it; those
    outside skdeep are loaded only as ``custom_objects``.
    """
    cls._saved = True  # type: ignore[attr-defined]
    return cls


def name_of(thing: Any) -> str:
    """What a function or class is called in a file."""
    return f"{thing.__module__}.{thing.__name__}"


class Custom:
    """The functions and classes of the user's that a file may name, and those that it lacked."""

    def __init__(self, objects: Mapping[str, Any] | None = None) -> None:
        self.objects = dict(objects or {})
        self.missing: dict[str, str] = {}  # name -> where it stands in the file

    def __contains__(self, name: str) -> bool:
        return name in self.objects or name.rpartition(".")[2] in self.objects

    def __getitem__(self, name: str) -> Any:
        return self.objects[name if name in self.objects else name.rpartition(".")[2]]


def own_class(name: str) -> type | None:
    """The class of skdeep's of this name, if its objects may be saved; else None."""
    module, _, attribute = name.rpartition(".")
    if not module.startswith("skdeep."):
        return None
    try:
        found = vars(importlib.import_module(module)).get(attribute)
    except ImportError:
        return None
    usable = isinstance(found, type) and getattr(found, "_saved", False)
    return found if usable and name_of(found) == name else None


class Encoder:
    """Turns values into JSON, and collects their tensors."""

    def __init__(self) -> None:
        self.tensors: dict[str, np.ndarray] = {}

    def encode(self, value: Any, where: str) -> Any:
        """JSON of a value; ``where`` is what an error calls it."""
        if type(value) in _PLAIN:
            return value
        if type(value) in (list, tuple):
            items = [self.encode(item, f"{where}[{i}]") for i, item in enumerate(value)]
            return items if type(value) is list else {"tuple": items}
        if type(value) is dict:
            return {
                "dict": [
                    [self.encode(key, f"a key of {where}"), self.encode(item, f"{where}[{key!r}]")]
                    for key, item in value.items()
                ]
            }
        if type(value) is bytes:
            return {"bytes": base64.b64encode(value).decode()}
        if isinstance(value, np.generic):
            return {"scalar": self.encode(np.asarray(value), where)}
        if type(value) is np.ndarray:
            return self._array(value, where)
        if getattr(value, "_saved", False) and not isinstance(value, type):
            values = vars(value)
            if is_dataclass(value):
                values = {field.name: getattr(value, field.name) for field in fields(value)}
            name = name_of(type(value))
            _check_part(value)  # what is written can be read
            encoded = {key: self.encode(v, f"{name}.{key}") for key, v in values.items()}
            return {"object": name, "values": encoded}
        if isinstance(value, FunctionType):
            return {"function": name_of(value)}
        raise TypeError(
            f"{where} is a {type(value).__module__}.{type(value).__qualname__}, which cannot be "
            f"saved; a class of skdeep's is made so by skdeep.persistence.saved."
        )

    def _array(self, array: np.ndarray, where: str) -> Any:
        if array.dtype.kind == "O":
            return {"objects": self.encode(array.ravel().tolist(), where), "shape": array.shape}
        if array.dtype.kind not in _RAW or array.dtype.hasobject:
            raise TypeError(f"{where} is an array of {array.dtype}, which cannot be saved.")
        name = str(len(self.tensors))
        if array.dtype.name in _TENSORS and array.dtype.isnative:
            self.tensors[name] = np.asarray(array, order="C")
            return {"array": name}
        self.tensors[name] = np.frombuffer(array.tobytes(), np.uint8)
        return {"array": name, "dtype": array.dtype.str, "shape": array.shape}

    def parts(self, name: str, encoded: Any) -> dict[str, bytes]:
        """JSON, and the tensors that it refers to, as the parts of a file."""
        import safetensors.numpy

        return {
            f"{name}.json": json.dumps(encoded).encode(),
            "tensors.safetensors": safetensors.numpy.save(self.tensors),
        }


class Decoder:
    """Turns what an :class:`Encoder` made back into values.

    Raises
    ------
    LoadError
        For what no encoder makes. Names of the user's that ``custom`` lacks are noted there, with
        None in their place, so that all are told at once.
    """

    def __init__(self, tensors: Mapping[str, np.ndarray], custom: Custom) -> None:
        self.tensors, self.custom = tensors, custom

    def decode(self, value: Any) -> Any:
        if type(value) in _PLAIN:
            return value
        if type(value) is list:
            return [self.decode(item) for item in value]
        kind = next(iter(value), "")
        content: Any = value.get(kind)
        match sorted(value):
            case ["tuple"]:
                return tuple(self.decode(item) for item in _list(content))
            case ["dict"]:
                return {self.decode(key): self.decode(item) for key, item in _list(content)}
            case ["bytes"]:
                return base64.b64decode(content, validate=True)
            case ["scalar"]:
                return self.decode(content)[()]
            case ["array"] | ["array", "dtype", "shape"]:
                return self._array(**value)
            case ["objects", "shape"]:
                array = np.empty(len(_list(value["objects"])), object)
                for i, item in enumerate(value["objects"]):
                    array[i] = self.decode(item)
                return array.reshape(value["shape"])
            case ["function"]:
                return self._custom(content)
            case ["object", "values"]:
                return self._object(value["object"], value["values"])
        raise LoadError(f"the file has a value of an unknown kind, {kind!r}.")

    def _array(self, array: str, dtype: str | None = None, shape: Any = None) -> np.ndarray:
        tensor = self.tensors[array]
        if dtype is None:
            return tensor
        if (kind := np.dtype(dtype)).kind not in _RAW:
            raise LoadError(f"the file has an array of {dtype!r}, which skdeep does not save.")
        if kind.itemsize * math.prod(shape) != tensor.size:
            raise LoadError(f"the file has an array of {shape} {dtype!r} in {tensor.size} bytes.")
        return np.frombuffer(tensor.tobytes(), kind).reshape(shape).copy()

    def _custom(self, name: str) -> Any:
        if name in self.custom:
            return self.custom[name]
        self.custom.missing.setdefault(name, "a fitted estimator")
        return None

    def _object(self, name: str, encoded: Any) -> Any:
        values = {str(key): self.decode(value) for key, value in encoded.items()}
        cls = own_class(name) or self._custom(name)
        if cls is None or self.custom.missing:  # nothing is made of what is not whole
            return None
        if is_dataclass(cls):
            for field in fields(cls):
                if field.name in values and not _is_of(values[field.name], field.type):
                    raise LoadError(f"{name} has a {field.name} that is no {field.type}.")
            made: Any = cls(**values)
        else:
            made = object.__new__(cls)
            vars(made).update(values)
        _check_part(made)
        return made


def from_parts(parts: Mapping[str, bytes], name: str, custom: Custom | None = None) -> Any:
    """The value in the parts that an encoder has made.

    Without ``custom`` nothing of the user's may be in it; with it, ``custom.missing`` tells.
    """
    import safetensors.numpy

    tensors = safetensors.numpy.load(parts["tensors.safetensors"])
    known = Custom() if custom is None else custom
    value = Decoder(tensors, known).decode(json.loads(parts[f"{name}.json"]))
    if custom is None and known.missing:
        raise LoadError(f"the file names {', '.join(sorted(known.missing))}, which it may not.")
    return value


def is_plain(value: Any) -> bool:
    """Whether a value is None, a number, text, a function, or a tuple of such.

    Keras takes these as what they are; of a dict it would make what that names.
    """
    if isinstance(value, tuple):
        return all(is_plain(part) for part in value)
    return type(value) in _PLAIN or isinstance(value, FunctionType)


def _check_part(part: Any) -> None:
    if hasattr(part, "_check_part"):
        part._check_part()


def _is_of(value: Any, annotation: Any) -> bool:
    """Whether a value is of a type, as far as its outermost kind tells."""
    kind: Any = typing.get_origin(annotation) or annotation
    if kind in (typing.Union, UnionType):
        return any(_is_of(value, choice) for choice in typing.get_args(annotation))
    numbers: dict[Any, Any] = {int: Integral, float: Real, bool: (bool, np.bool_)}
    return not isinstance(kind, type) or kind is Any or isinstance(value, numbers.get(kind, kind))


def _list(value: Any) -> list:
    if type(value) is not list:
        raise LoadError(f"the file has a {type(value).__name__} where a list belongs.")
    return value
