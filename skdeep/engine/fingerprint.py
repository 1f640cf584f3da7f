"""What a Keras model, a function or any object *does*, as a short text.

Equal fingerprints let two models share one compiled program, so that they must never be equal by
accident: a fingerprint covers all that shapes what a model computes. That is the layers, their
settings and how they are joined; the code of your own classes and functions, with the values that
they take from closures, defaults and global names, however deep; arrays inside of layers. It does
not cover the values of weights, nor where an object lies in memory, so that copies, workers and a
function written twice agree. Code of installed packages counts by its name, as it does not change
while a process runs. What cannot be looked into gets a fingerprint that nothing else has: its
program is then compiled anew, which is slow but never wrong.
"""

import dis
import functools
import hashlib
import importlib.util
import sys
import sysconfig
import types
import uuid
from collections.abc import Mapping, Set
from typing import Any

import keras
import numpy as np

from skdeep.engine.runtime import tf

_INSTALLED = tuple(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))
_OWN = frozenset({"skdeep", "keras", "tensorflow", "numpy"})  # wherever they are installed
_PLAIN = (bool, int, float, complex, str, bytes, type(None), type(...), slice, range, np.dtype)
# Of a layer: what Keras keeps for itself but matters, and what does not although it is elsewhere.
_KEPT = frozenset(
    {"activity_regularizer", "autocast", "name", "_dtype_policy", "_layers", "_trainable"}
)
_SKIPPED = frozenset({"_auto_config", "_compile_config", "_nodes", "_tracker", "optimizer", "seed"})
_OF_CLASSES = frozenset(
    {"__annotations__", "__dict__", "__doc__", "__firstlineno__", "__module__", "__qualname__"}
    | {"__static_attributes__", "__weakref__", "_abc_impl"}
)


def fingerprint(thing: Any) -> str:
    """A text that tells what ``thing`` does; see the top of this module.

    What is before its hyphen does not tell the names of Keras's layers: "dense_1" is what "dense"
    is called if it is made a second time in one process.
    """
    walk = _Walk()
    try:
        walk.visit(thing)
    except RecursionError:
        walk.opaque = True
    return (
        f"opaque {uuid.uuid4().hex}"
        if walk.opaque
        else f"{walk.hash.hexdigest()}-{walk.names.hexdigest()}"
    )


def layers_within(*things: Any) -> list:
    """The Keras layers that code and values refer to, as far as a fingerprint sees them.

    Raises
    ------
    ValueError
        If they refer to each other too deep to be followed.
    """
    search = _Search()
    try:
        search.visit(*things)
    except RecursionError:
        raise ValueError(
            "the function refers to objects that lead on to others, too deep to search for Keras "
            "layers; pass what it needs of them as arguments."
        ) from None
    return [thing for thing in search._alive if isinstance(thing, keras.Layer)]


class _Walk:
    """One pass over all that can be reached from an object, fed to a hash in a fixed order."""

    def __init__(self) -> None:
        self.hash = hashlib.blake2b(digest_size=16)
        self.names = hashlib.blake2b(digest_size=8)  # of Keras's layers
        self.opaque = False
        self._inputs: set[int] = set()
        self._seen: dict[int, int] = {}
        self._calls: dict[int, dict[int, int]] = {}  # of operations
        self._alive: list = []  # or a new object might get the id of one that was seen

    def write(self, *words: Any) -> None:
        for word in words:
            part = word if isinstance(word, bytes) else str(word).encode()
            self.hash.update(len(part).to_bytes(8, "little") + part)

    def visit(self, *things: Any) -> None:
        for thing in things:
            if type(thing) in _PLAIN or isinstance(thing, np.dtype):
                self.write(type(thing).__name__, repr(thing))
                continue
            look = next((look for kind, look in _LOOKS if isinstance(thing, kind)), _Walk.instance)
            if look not in _REPEATED:
                if id(thing) in self._seen:
                    self.write("again", self._seen[id(thing)])
                    continue
                self._seen[id(thing)] = len(self._seen)
                self._alive.append(thing)
            look(self, thing)

    # Data ----------------------------------------------------------------------------------

    def array(self, array: Any) -> None:
        self.write("array", array.dtype, array.shape)
        if array.dtype.hasobject:
            self.visit(array.tolist())
        else:
            self.write(np.ascontiguousarray(array).tobytes())

    def tensor(self, tensor: Any) -> None:
        if not hasattr(tensor, "numpy") or tensor.dtype in (tf.resource, tf.variant):
            self.opaque = True
        else:
            self.array(np.asarray(tensor))

    def sequence(self, values: Any) -> None:
        self.write(len(values))
        self.visit(*values)

    def mapping(self, values: Any) -> None:
        self.sequence([part for item in values.items() for part in item])

    def unordered(self, values: Any) -> None:
        texts = sorted(fingerprint(value) for value in values)
        self.opaque |= any(text.startswith("opaque") for text in texts)
        self.write(len(texts), *texts)

    # Code ----------------------------------------------------------------------------------

    def module(self, module: Any) -> None:
        self.write("module", module.__name__)

    def function(self, function: Any) -> None:
        if _is_installed(function.__module__):
            self.write("function", function.__module__, function.__qualname__)
        else:
            self.code(function.__code__, function.__globals__)
            self.visit(function.__defaults__, function.__kwdefaults__, vars(function))
        for cell in function.__closure__ or ():
            self.visit(None if cell == types.CellType() else cell.cell_contents)

    def code(self, code: Any, names: dict) -> None:
        """Bytecode, its constants, and the values that it names: global, imported, in modules."""
        self.write("code", code.co_code, code.co_varnames, code.co_freevars, code.co_flags)
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                self.code(constant, names)
            else:
                self.visit(constant)
        for name in code.co_names:
            self.write(name)
            self.visit(names.get(name))
        modules: list[Any] = [names[name] for name in code.co_names if _is_own(names.get(name))]
        for name in _imported(code, names.get("__package__")):
            self.opaque |= name not in sys.modules  # what it will be is not known yet
            modules += [value] if _is_own(value := sys.modules.get(name)) else []
        for module in modules:  # and those that are found in them
            for name in sorted(set(code.co_names) & set(vars(module))):
                value = getattr(module, name)
                self.write(module.__name__, name)
                self.visit(value)
                if _is_own(value) and value not in modules:
                    modules.append(value)

    def method(self, method: Any) -> None:
        self.visit(method.__func__, getattr(method, "__self__", None))

    def partial(self, partial: Any) -> None:
        self.visit(partial.func, partial.args, partial.keywords)

    def property(self, prop: Any) -> None:
        self.visit(prop.fget, prop.fset)

    def type(self, cls: Any) -> None:
        self.write("class", cls.__module__ if _is_installed(cls.__module__) else "", cls.__name__)
        if not _is_installed(cls.__module__):
            self.visit(cls.__bases__)
            for name, value in vars(cls).items():
                if name not in _OF_CLASSES and not isinstance(value, types.MemberDescriptorType):
                    self.write(name)
                    self.visit(value)

    # Keras ---------------------------------------------------------------------------------

    def layer(self, layer: Any) -> None:
        self.visit(type(layer))
        self._inputs.update(id(variable) for variable in layer.variables)
        for name, value in sorted(vars(layer).items()):
            its_own = name in _bookkeeping() and name not in _KEPT
            if its_own or name in _SKIPPED or name.startswith("_self_"):
                continue
            if isinstance(layer, keras.Model) and name in ("name", "output_names"):
                continue  # counted up by Keras; those of layers count, as their noise depends on it
            if name.endswith("_calibrated") and value is False:
                continue  # which Keras 3.15 sets where weights are loaded from a file
            # The noise of our own layers depends on their names.
            if name == "name" and not type(layer).__module__.startswith("skdeep."):
                self.names.update(f"{value}\0".encode())
                continue
            self.write(name)
            self.visit(value)

    def variable(self, variable: Any) -> None:
        """A weight without its value, which is an input of the program; no other's is."""
        self.opaque |= id(variable) not in self._inputs
        self.write("variable", variable.shape, variable.dtype, variable.trainable)
        self.visit(getattr(variable, "regularizer", None), getattr(variable, "constraint", None))

    def symbol(self, tensor: Any) -> None:
        self.write("symbol", tensor.shape, tensor.dtype)
        operation, call, place = getattr(tensor, "_keras_history", (None, 0, 0))
        # Which of the calls that this model makes: others may have called the layer before.
        calls = self._calls.setdefault(id(operation), {})
        self.write(calls.setdefault(call, len(calls)), place)
        self.visit(operation)

    def kind(self, thing: Any) -> None:
        """What draws values: the values are inputs."""
        self.write(type(thing).__name__)

    def policy(self, policy: Any) -> None:
        self.write(type(policy).__name__, policy.name)

    # Anything else -------------------------------------------------------------------------

    def instance(self, thing: Any) -> None:
        """By its name if it is part of an installed module; else by class and attributes."""
        module, name = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
        if module in sys.modules and name is not None and _is_installed(module):
            if getattr(sys.modules[module], name, None) is thing:
                self.write("object", module, name)
                return
        slots = [slot for base in type(thing).__mro__ for slot in _slots(base)]
        if not hasattr(thing, "__dict__") and not slots:
            self.opaque = True
            return
        self.visit(type(thing))
        attributes = getattr(thing, "__dict__", {})
        for name in sorted(name for name in attributes if not name.startswith("_self_")):
            self.write(name)
            self.visit(attributes[name])
        self.visit(*(getattr(thing, slot, None) for slot in slots))


class _Search(_Walk):
    """The same pass without its hash, which data would take long for."""

    def write(self, *words: Any) -> None:
        pass

    def visit(self, *things: Any) -> None:
        data = (*_PLAIN, np.ndarray, np.generic, tf.Tensor)
        for thing in things:
            parts = (*thing, *thing.values()) if type(thing) is dict else thing
            plain = type(thing) in (dict, list, tuple, set, frozenset) and all(
                type(part) in _PLAIN for part in parts
            )
            if not plain and not isinstance(thing, data):
                super().visit(thing)


def _imported(code: Any, package: str | None) -> list[str]:
    """Full names of the modules that code imports; as they stand where there is no package."""
    steps = list(dis.get_instructions(code))
    names = []
    for i, step in enumerate(steps):
        if step.opname == "IMPORT_NAME":
            name = "." * steps[i - 2].argval + step.argval  # after its level and what is taken
            relative = name.startswith(".") and package
            names.append(importlib.util.resolve_name(name, package) if relative else name)
    return names


def _is_own(value: Any) -> bool:
    """Whether a value is a module of the user's."""
    return isinstance(value, types.ModuleType) and not _is_installed(value.__name__)


def _slots(cls: type) -> list[str]:
    slots = vars(cls).get("__slots__", ())
    names = [slots] if isinstance(slots, str) else list(slots)
    return [name for name in names if name not in ("__dict__", "__weakref__")]


@functools.cache
def _bookkeeping() -> frozenset[str]:
    """Attributes that Keras keeps in each layer and model for itself."""
    return frozenset(vars(keras.Model()))


@functools.lru_cache(maxsize=4096)
def _is_installed(module: str | None) -> bool:
    """Whether a module is of a package that does not change while a process runs."""
    if module is None or module.partition(".")[0] in _OWN:
        return True
    if module == "__main__" or module not in sys.modules:
        return False
    path = getattr(sys.modules[module], "__file__", None)
    if path is None:  # built in, or made by hand, or a folder of modules
        origin = getattr(getattr(sys.modules[module], "__spec__", None), "origin", None)
        return origin in ("built-in", "frozen")
    return path.startswith(_INSTALLED)


_LOOKS: tuple = (
    (keras.Layer, _Walk.layer),
    (keras.Variable, _Walk.variable),
    (keras.KerasTensor, _Walk.symbol),
    (keras.dtype_policies.DTypePolicy, _Walk.policy),
    ((keras.initializers.Initializer, keras.random.SeedGenerator), _Walk.kind),
    ((np.ndarray, np.generic), _Walk.array),
    (tf.Tensor, _Walk.tensor),
    (tf.Variable, lambda walk, _: setattr(walk, "opaque", True)),
    ((list, tuple), _Walk.sequence),
    (Mapping, _Walk.mapping),
    (Set, _Walk.unordered),
    (types.ModuleType, _Walk.module),
    (types.FunctionType, _Walk.function),
    ((types.MethodType, staticmethod, classmethod), _Walk.method),
    (functools.partial, _Walk.partial),
    (property, _Walk.property),
    (type, _Walk.type),
)
# Written out each time, for whether two places hold one list or two equal ones is no difference.
_REPEATED = {_Walk.sequence, _Walk.mapping, _Walk.unordered, _Walk.array, _Walk.tensor}
_REPEATED |= {_Walk.policy, _Walk.kind}
