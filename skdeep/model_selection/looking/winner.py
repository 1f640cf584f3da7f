"""The best configuration as Python code that builds it again."""

import inspect
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from textwrap import indent
from types import BuiltinFunctionType, FunctionType
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils._pprint import _changed_params

from skdeep.model_selection.looking.content import Content

WIDTH = 84
MOST_NUMBERS = 50  # of an array that is written out


def winner_code(content: Content) -> str:
    """Code that makes the chosen candidate; of a search, the whole estimator.

    What has no code, such as an open generator, is a variable to be filled in.
    """
    if content.best is None:
        return "# No trial has a score yet."
    point = content.points[content.best]
    writer = _Writer()
    if content.estimator is not None:
        model = clone(content.estimator).set_params(**clone(point, safe=False))
        body = f"model = {writer.code(model)}\n# model.fit(X, y)"
    elif content.greater_is_better:  # a journal, which has the estimator in words only
        body = f"params = {writer.code(point)}\n# model.set_params(**params).fit(X, y)"
    else:
        given: Any = [*point.values()] if content.space.unnamed else point
        body = f"point = {writer.code(given)}"
    return "\n".join([*writer.preamble(), body]) + "\n"


class _Writer:
    """Writes values, and remembers what must be imported for them."""

    def __init__(self) -> None:
        self.imports: dict[str, set[str]] = {}
        self.lacking: dict[str, str] = {}

    def preamble(self) -> list[str]:
        """Lines that come first."""
        lines = ["import numpy as np"] * ("" in self.imports)
        named = sorted(self.imports.keys() - {""})
        lines += [f"from {m} import {', '.join(sorted(self.imports[m]))}" for m in named]
        lacking = [f"{name} = ...  # fill in: {text}" for name, text in self.lacking.items()]
        return [*lines, *[""] * bool(lines), *lacking]

    def code(self, value: Any) -> str:
        """An expression that is equal to the value."""
        if value is None or value is ... or isinstance(value, bool | str | bytes | range):
            return repr(value) if type(value).__module__ == "builtins" else self._lack(value)
        if isinstance(value, np.generic):
            return self.code(value.item())
        if isinstance(value, int | float) and type(value) in (int, float):
            return repr(value) if math.isfinite(value) else f'float("{value}")'
        if isinstance(value, np.ndarray) and value.size <= MOST_NUMBERS and value.dtype != object:
            self.imports.setdefault("", set())
            return f"np.array({self.code(value.tolist())}, dtype={value.dtype.name!r})"
        if isinstance(value, np.ufunc):
            self.imports.setdefault("", set())
            return f"np.{value.__name__}"
        if isinstance(value, type | FunctionType | BuiltinFunctionType):
            return self._named(value)
        if hasattr(value, "get_params"):
            return self._call(type(value), _changed_params(value))
        if is_dataclass(value):
            return self._call(type(value), {f.name: getattr(value, f.name) for f in fields(value)})
        return self._container(value)

    def _container(self, value: Any) -> str:
        if type(value) in (list, tuple, set, frozenset):
            items = [self.code(each) for each in value]
            if type(value) is tuple:
                return _block("(", items, ")") if len(items) != 1 else f"({items[0]},)"
            if type(value) is list:
                return _block("[", items, "]")
            return _block(f"{type(value).__name__}([", items, "])")
        if isinstance(value, slice):
            return f"slice({', '.join(map(self.code, (value.start, value.stop, value.step)))})"
        if type(value) is dict:
            items = [f"{self.code(key)}: {self.code(each)}" for key, each in value.items()]
            return _block("{", items, "}")
        return self._lack(value)

    def _call(self, cls: type, given: Mapping[str, Any]) -> str:
        """A call of a class by keywords, without those that have their defaults."""
        parameters = inspect.signature(cls).parameters
        items = []
        for name, value in given.items():
            default = parameters[name].default if name in parameters else inspect.Parameter.empty
            if value is default or (type(value) is type(default) and repr(value) == repr(default)):
                continue
            items.append(f"{name}={self.code(value)}")
        return _block(f"{self._named(cls)}(", items, ")")

    def _named(self, thing: Any) -> str:
        """A class or function by the shortest module that has it."""
        name = thing.__name__
        if thing.__module__ == "builtins":
            return name
        parts = (thing.__module__ or "").split(".")
        for n in range(1, len(parts) + 1):
            module = ".".join(parts[:n])
            found = getattr(sys.modules.get(module), name, None)
            if found is thing and module != "__main__":
                taken = {each for m, names in self.imports.items() if m != module for each in names}
                if name in taken:
                    break
                self.imports.setdefault(module, set()).add(name)
                return name
        return self._lack(thing)

    def _lack(self, value: Any) -> str:
        """A variable that stands for what has no code; of a class or function, its name."""
        name = getattr(value, "__name__", "")
        words = " ".join(repr(value).split())[:200]
        if not name.isidentifier() or self.lacking.get(name, words) != words:
            name = f"value_{len(self.lacking) + 1}"
        self.lacking[name] = words
        return name


def _block(head: str, items: Sequence[str], tail: str) -> str:
    """A bracket on one line, or with a line for each item."""
    line = f"{head}{', '.join(items)}{tail}"
    if "\n" not in line and len(line) <= WIDTH:
        return line
    body = indent(",\n".join(items), "    ")
    return f"{head}\n{body},\n{tail}"
