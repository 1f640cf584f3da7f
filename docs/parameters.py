"""Write the Parameters section of each public class into its source, from its declarations.

    python docs/parameters.py           rewrites what is stale
    python docs/parameters.py --check   names what is stale, and exits 1 if anything is

A class's own hyper-parameters come first, then those of its bases, nearest first.
"""

import argparse
import ast
import importlib
import inspect
import pkgutil
import re
import sys
import textwrap
from collections.abc import Iterator
from numbers import Integral, Real
from pathlib import Path
from types import ModuleType
from typing import Any

from sklearn.utils._param_validation import Interval, Options, RealNotInt, StrOptions

import skdeep
from skdeep.hyperparameters import Declared, Hyperparameter

WIDTH = 100
NUMBERS: dict[type, str] = {Integral: "int", Real: "float", RealNotInt: "float"}
COMPOUND: dict[Any, tuple[str, ...]] = {
    callable: ("callable",),
    "boolean": ("bool",),
    "cv_object": ("int", "splitter", "iterable", "None"),
    "random_state": ("int", "RandomState instance", "None"),
    "verbose": ("int", "bool"),
}


def main(argv: list[str]) -> int:
    """Rewrite the docstrings, or only check them; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing")
    check = parser.parse_args(argv).check
    stale = [name for module in modules() for name in update(module, check=check)]
    for name in stale:
        print(f"{name}: {'stale; run python docs/parameters.py' if check else 'rewritten'}")
    return int(check and bool(stale))


def modules() -> Iterator[ModuleType]:
    """Every module of skdeep but ``base``, whose children repeat what it declares."""
    for info in pkgutil.walk_packages(skdeep.__path__, "skdeep."):
        if not info.name.startswith("skdeep.base"):
            yield importlib.import_module(info.name)


def update(module: ModuleType, *, check: bool) -> list[str]:
    """Names of the classes of a module whose section is stale; writes the file unless ``check``."""
    path = Path(inspect.getfile(module))
    old = source = path.read_text(encoding="utf-8")
    stale = []
    for cls in declared_classes(module):
        written = with_parameters(source, cls)
        if written != source:
            stale.append(f"{module.__name__}.{cls.__name__}")
            source = written
    if source != old and not check:
        path.write_text(source, encoding="utf-8")
    return stale


def declared_classes(module: ModuleType) -> list[type[Declared]]:
    """Public classes defined in a module whose constructor comes from declarations."""
    return [
        cls
        for name, cls in vars(module).items()
        if inspect.isclass(cls)
        and cls.__module__ == module.__name__
        and issubclass(cls, Declared)
        and hasattr(cls.__init__, "_from_declarations")
        and not name.startswith("_")
    ]


def with_parameters(source: str, cls: type[Declared]) -> str:
    """A module's source in which the docstring of one class has its Parameters section."""
    node = next(
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef) and node.name == cls.__name__
    )
    if ast.get_docstring(node) is None:
        raise ValueError(f"{cls.__module__}.{cls.__name__} has no docstring; write its summary.")
    literal = node.body[0].value  # type: ignore[attr-defined]
    text = ast.get_source_segment(source, literal)
    assert text is not None
    opening = re.match('[rR]?"""', text)
    if opening is None:
        raise ValueError(f'write the docstring of {cls.__module__}.{cls.__name__} in """.')
    margin = " " * literal.col_offset
    lines = text[opening.end() : -3].rstrip().split("\n")
    lines = replace_section(lines, [margin + line if line else "" for line in section(cls)])
    new = opening[0] + "\n".join(lines) + (f'\n{margin}"""' if len(lines) > 1 else '"""')
    start = sum(len(line) for line in source.splitlines(keepends=True)[: literal.lineno - 1])
    start += literal.col_offset
    source = source[:start] + new + source[start + len(text) :]
    ast.parse(source)
    return source


def replace_section(lines: list[str], parameters: list[str]) -> list[str]:
    """Lines of a docstring with ``parameters`` in place of its Parameters section, if any."""
    heads = [
        i for i in range(len(lines) - 1) if lines[i].strip() and set(lines[i + 1].strip()) == {"-"}
    ]
    start = next((i for i in heads if lines[i].strip() == "Parameters"), None)
    if start is None:
        start = end = heads[0] if heads else len(lines)
    else:
        end = next((i for i in heads if i > start), len(lines))
    before = "\n".join(lines[:start]).rstrip().split("\n")
    parts = [part for part in (before, parameters, lines[end:]) if part]
    return [line for part in parts for line in ["", *part]][1:]


def section(cls: type[Declared]) -> list[str]:
    """The Parameters section of a class, unindented lines; empty if it declares nothing."""
    if not cls._hyperparameters:
        return []
    lines = ["Parameters", "----------"]
    for name in in_order(cls):
        lines += entry(name, cls._hyperparameters[name], annotation(cls, name))
    return lines


def in_order(cls: type[Declared]) -> list[str]:
    """Names of the hyper-parameters: those a class lists, then those of its bases."""
    names = [name for base in cls.__mro__ for name in getattr(base, "_own_hyperparameters", ())]
    return list(dict.fromkeys(names))


def annotation(cls: type, name: str) -> str:
    """The type hint of a hyper-parameter, as numpydoc writes types."""
    for base in cls.__mro__:
        if name in vars(base).get("__annotations__", {}):
            hint = inspect.formatannotation(base.__annotations__[name])
            return hint.strip("'").replace(" | ", " or ")
    return "object"


def entry(name: str, field: Hyperparameter, hint: str) -> list[str]:
    """One parameter: its line of types and its description."""
    doc = inspect.cleandoc(field.doc)
    if "\\" in doc or '"""' in doc:
        raise ValueError(f'the doc of {name} holds a backslash or """, which would need escaping.')
    head = f"{name} : {types(field, hint)}, default={default(field.default)}"
    for constraint in field.constraint:
        # numpydoc wants one line; where the choices do not fit, the description lists them.
        if isinstance(constraint, StrOptions) and len(head) > WIDTH - 4:
            head = head.replace(words(constraint)[0], "str")
            doc += f"\n\nOne of {', '.join(repr(o) for o in sorted(constraint.options))}."
    filled = [textwrap.fill(paragraph, WIDTH - 8) for paragraph in doc.split("\n\n")]
    return [head, *textwrap.indent("\n\n".join(filled), "    ").split("\n")]


def types(field: Hyperparameter, hint: str) -> str:
    """What a parameter may be: 'int in [1, inf) or None'; the type hint if nothing checks it."""
    if "no_validation" in field.constraint:
        return hint
    spelled = list(dict.fromkeys(word for c in field.constraint for word in words(c)))
    spelled.sort(key="None".__eq__)  # None comes last, as one says it
    return " or ".join(filter(None, [", ".join(spelled[:-1]), spelled[-1]]))


def words(constraint: Any) -> tuple[str, ...]:
    """The kinds of value that a constraint admits: 'float in [0, 1)', "{'a', 'b'}"."""
    if isinstance(constraint, Interval):
        return (interval(constraint),)
    if isinstance(constraint, Options):
        return ("{" + ", ".join(sorted(repr(option) for option in constraint.options)) + "}",)
    if isinstance(constraint, type):
        return (NUMBERS.get(constraint, constraint.__name__),)
    return COMPOUND.get(constraint, (str(constraint).removeprefix("a ").removeprefix("an "),))


def interval(constraint: Interval) -> str:
    """A range of numbers, as in 'int in [1, inf)'."""
    kind = NUMBERS[constraint.type]
    left, right = constraint.left, constraint.right
    if left is None and right is None:
        return kind
    opening = "[" if constraint.closed in ("left", "both") and left is not None else "("
    closing = "]" if constraint.closed in ("right", "both") and right is not None else ")"
    low = "-inf" if left is None else f"{left:g}"
    high = "inf" if right is None else f"{right:g}"
    return f"{kind} in {opening}{low}, {high}{closing}"


def default(value: Any) -> str:
    """The default as one would type it."""
    if inspect.isroutine(value) or inspect.isclass(value):
        return value.__name__
    return " ".join(repr(value).split())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
