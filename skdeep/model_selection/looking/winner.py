"""The best configuration as Python code that builds it again."""

import builtins
import inspect
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from itertools import chain, count
from keyword import iskeyword
from textwrap import indent
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils._pprint import _changed_params

from skdeep.model_selection.looking.content import Content

WIDTH = 84
MOST_NUMBERS = 50  # of an array that is written out
RESERVED = ("np", "model", "params", "point", "X", "y")  # what the code itself calls so


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
        self.imports: dict[str, dict[str, str]] = {}  # by module, what each thing is called here
        self.lacking: dict[str, Any] = {}
        self.has_numpy = False

    def preamble(self) -> list[str]:
        """Lines that come first."""
        lines = ["import numpy as np"] * self.has_numpy
        for module, names in sorted(self.imports.items()):
            things = [n if n == own else f"{n} as {own}" for n, own in sorted(names.items())]
            lines.append(f"from {module} import {', '.join(things)}")
        lacking = [f"{name} = ...  # fill in: {_words(v)}" for name, v in self.lacking.items()]
        return [*lines, *[""] * bool(lines), *lacking]

    def code(self, value: Any) -> str:
        """An expression that is equal to the value."""
        if isinstance(value, np.generic):  # first, as np.str_ is a str, and np.float64 a float
            return self._scalar(value)
        if value is None or value is ... or type(value) in (bool, str, bytes, range):
            return repr(value)
        if type(value) in (int, float):
            return repr(value) if math.isfinite(value) else f'float("{value}")'
        if (
            type(value) is np.ndarray
            and value.size <= MOST_NUMBERS
            and value.dtype.kind in "biufUS"
        ):
            return self._array(value)
        if isinstance(getattr(value, "__name__", None), str):  # a class, a function, a ufunc
            return self._named(value)
        if hasattr(value, "get_params"):
            return self._call(type(value), _changed_params(value))
        if is_dataclass(value):
            given = {f.name: getattr(value, f.name) for f in fields(value) if f.init}
            return self._call(type(value), given)
        return self._container(value)

    def _scalar(self, value: np.generic) -> str:
        """A number or text as Python has it; what Python has not, as numpy writes it."""
        item = value.item()
        if isinstance(item, bool | int | float | str | bytes):
            return self.code(item)
        if value.dtype.kind not in "fmM":
            return self._lack(value)
        self.has_numpy = True
        return repr(value)

    def _array(self, value: np.ndarray) -> str:
        items, kind = value.tolist(), value.dtype.str
        again = np.array(items, dtype=kind)
        if again.shape != value.shape:  # of no rows
            return self._lack(value)
        self.has_numpy = True
        default = np.array(items).dtype == value.dtype
        return f"np.array({self.code(items)}{'' if default else f', dtype={kind!r}'})"

    def _container(self, value: Any) -> str:
        if type(value) in (list, tuple, set, frozenset):
            items = [self.code(each) for each in value]
            if type(value) is tuple:
                return _block("(", items, ")") if len(items) != 1 else f"({items[0]},)"
            if type(value) is list:
                return _block("[", items, "]")
            return _block(f"{type(value).__name__}([", sorted(items), "])")
        if isinstance(value, slice):
            return f"slice({', '.join(map(self.code, (value.start, value.stop, value.step)))})"
        if type(value) is dict:
            return _block("{", self._pairs(value), "}")
        return self._lack(value)

    def _pairs(self, value: Mapping) -> list[str]:
        return [f"{self.code(key)}: {self.code(each)}" for key, each in value.items()]

    def _call(self, cls: type, given: Mapping[str, Any]) -> str:
        """A call of a class by keywords, without those that have their defaults."""
        parameters = inspect.signature(cls).parameters
        changed = {}
        for name, value in given.items():
            default = parameters[name].default if name in parameters else inspect.Parameter.empty
            if value is default or (type(value) is type(default) and repr(value) == repr(default)):
                continue
            changed[name] = value
        odd = {name: value for name, value in changed.items() if not _is_name(name)}
        items = [f"{name}={self.code(value)}" for name, value in changed.items() if name not in odd]
        items += [_block("**{", self._pairs(odd), "}")] * bool(odd)
        return _block(f"{self._named(cls)}(", items, ")")

    def _named(self, thing: Any) -> str:
        """A class or function by the shortest module that has it, under a name of its own."""
        name = thing.__name__
        if getattr(builtins, name, None) is thing:
            return name
        if isinstance(thing, np.ufunc) and getattr(np, name, None) is thing:
            self.has_numpy = True
            return f"np.{name}"
        # Not each ufunc tells where it is from.
        path = getattr(thing, "__module__", None) or (
            "scipy.special" if isinstance(thing, np.ufunc) else ""
        )
        parts = path.split(".")
        importable = path != "__main__" and all(map(_is_name, [*parts, name]))
        for n in range(1, len(parts) + 1 if importable else 0):
            module = ".".join(parts[:n])
            if getattr(sys.modules.get(module), name, None) is thing:
                names = self.imports.setdefault(module, {})
                return names.get(name) or names.setdefault(name, self._free(name))
        return self._lack(thing)

    def _lack(self, value: Any) -> str:
        """A variable that stands for what has no code; of a class or function, its name."""
        known = next((name for name, each in self.lacking.items() if each is value), None)
        if known is not None:
            return known
        own = getattr(value, "__name__", None)
        is_name = isinstance(own, str) and _is_name(own)
        name = self._free(str(own) if is_name else f"value_{len(self.lacking) + 1}")
        self.lacking[name] = value
        return name

    def _free(self, name: str) -> str:
        """A name that means nothing else in the code: the one that is wished, or with a number."""
        taken = {*dir(builtins), *RESERVED, *self.lacking}.union(
            *(names.values() for names in self.imports.values())
        )
        numbered = (f"{name}_{k}" for k in count(2))
        return next(each for each in chain([name], numbered) if each not in taken)


def _is_name(text: str) -> bool:
    return text.isidentifier() and not iskeyword(text)


def _words(value: Any) -> str:
    """What a value is, for a comment: on one line, without what a source cannot hold."""
    words = " ".join(repr(value).split())[:200]
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in words)


def _block(head: str, items: Sequence[str], tail: str) -> str:
    """A bracket on one line, or with a line for each item."""
    line = f"{head}{', '.join(items)}{tail}"
    if "\n" not in line and len(line) <= WIDTH:
        return line
    body = indent(",\n".join(items), "    ")
    return f"{head}\n{body},\n{tail}"
