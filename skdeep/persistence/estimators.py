"""Estimators as parts of a file: scikit-learn's by skops, what our fits have learnt by our codec.

skops writes a tree of nodes as JSON, each with the class of an object and how to make it, and makes
objects of classes that it is told to trust. Our estimators are ordinary objects in that tree; their
``_fitted`` is handed over here and leaves a number in its place (see :func:`hand_over`), so that
containers of any kind need no code of ours.
"""

import json
import sys
from contextvars import ContextVar
from importlib import metadata
from io import BytesIO
from numbers import Number
from typing import Any
from zipfile import ZIP_STORED, ZipFile

from skdeep.exceptions import LoadError
from skdeep.persistence.audit import Audit, full_name, nodes_of, substitutes, without_doubles
from skdeep.persistence.codec import Custom, Encoder, from_parts, name_of
from skdeep.persistence.constructors import teach_skops
from skdeep.persistence.files import unzip

_LIVE = ("keras.", "tensorflow.", "tf_keras.", "torch.")


class _Collector:
    """Fits that a save meets, each once."""

    def __init__(self) -> None:
        self.encoder = Encoder()
        self.fits: list[Any] = []
        self.checked: set[int] = set()  # estimators whose parameters were looked at, by id()
        self._numbers: dict[int, int] = {}

    def number(self, fitted: Any) -> int:
        if id(fitted) not in self._numbers:
            self._numbers[id(fitted)] = len(self.fits)
            self.fits.append(self.encoder.encode(fitted, "a fitted estimator"))
        return self._numbers[id(fitted)]


_saving: ContextVar[_Collector | None] = ContextVar("skdeep_saving", default=None)
_loading: ContextVar[list | None] = ContextVar("skdeep_loading", default=None)


def is_saving() -> bool:
    """Whether :func:`skdeep.save` is asking for an object's state, not pickle or copy."""
    return _saving.get() is not None


def is_loading() -> bool:
    """Whether :func:`skdeep.load` is setting an object's state, not pickle or copy."""
    return _loading.get() is not None


def hand_over(estimator: Any, state: dict) -> dict:
    """An estimator's state; while it is being saved, with a number in place of its fit.

    Raises
    ------
    TypeError
        While it is being saved, if a parameter cannot be.
    """
    collector = _saving.get()
    if collector is None:
        return state
    # Once: where an estimator leads back to itself, deep down each parameter seems to hold itself.
    if id(estimator) not in collector.checked:
        collector.checked.add(id(estimator))
        _check_parameters(estimator)
    return {
        name: collector.number(value) if name == "_fitted" else value
        for name, value in state.items()
    }


def take_back(state: dict) -> dict:
    """An estimator's state; while it is being loaded, with its fit in place of a number."""
    fits = _loading.get()
    if fits is None or "_fitted" not in state:
        return state
    return state | {"_fitted": fits[state["_fitted"]]}


def _check_parameters(estimator: Any) -> None:
    """Refuse parameters that hold what no file can; by name, which skops does not know."""
    import skops.io

    kind = type(estimator).__name__
    if hasattr(estimator, "_skl_callbacks"):
        raise TypeError(
            f"{kind} has callbacks of scikit-learn's, which are not saved; take them off by "
            f"set_callbacks() before, and set them again after loading."
        )
    for name, value in estimator.get_params(deep=False).items():
        if value is None or isinstance(value, str | Number):
            continue
        try:
            for part in value if isinstance(value, list | tuple) else [value]:
                for cls in type(part).__mro__:  # skops would follow them until they came round
                    if f"{cls.__module__}.".startswith(_LIVE):
                        raise TypeError(f"it holds a {name_of(cls)}, which lives in a process")
            for node in nodes_of(json.loads(unzip(skops.io.dumps(value))["schema.json"])):
                if f"{node['__module__']}.".startswith(_LIVE):
                    raise TypeError(f"it holds {full_name(node)}, which lives in a process")
        except (TypeError, RecursionError) as error:
            reason = error if isinstance(error, TypeError) else "something in it holds itself"
            raise TypeError(
                f"{name} of {kind} cannot be saved: {reason}. Take it out by "
                f"set_params({name}=...) before."
            ) from error


def dump(estimator: Any) -> dict[str, bytes]:
    """An estimator as the parts of a file.

    Raises
    ------
    TypeError
        If something in it cannot be saved.
    """
    import skops.io

    teach_skops(is_saving, "skopt.space.space" in sys.modules)
    collector = _Collector()
    token = _saving.set(collector)
    try:
        members = unzip(skops.io.dumps(estimator))
        schema = json.loads(members.pop("schema.json"), object_pairs_hook=without_doubles)
        Audit(schema, members, Custom())
    except RecursionError:
        raise TypeError(
            f"{type(estimator).__name__} cannot be saved: something in it refers to itself."
        ) from None
    except LoadError as error:
        raise TypeError(f"{type(estimator).__name__} cannot be saved: {error}") from error
    finally:
        _saving.reset(token)
    members["schema.json"] = _json(schema)
    return {
        "manifest.json": manifest(estimator),
        **collector.encoder.parts("fits", collector.fits),
    } | {f"estimator/{name}": part for name, part in members.items()}


def restore(parts: dict[str, bytes], custom: Custom) -> Any:
    """The estimator in the parts of a file.

    Raises
    ------
    LoadError
        If the file has what neither skdeep, scikit-learn nor the user vouches for.
    Exception
        Of any kind, if it makes no sense.
    """
    import skops.io

    fits = from_parts(parts, "fits", custom)
    members = {
        name.removeprefix("estimator/"): part
        for name, part in parts.items()
        if name.startswith("estimator/")
    }
    audit = Audit(json.loads(members.pop("schema.json")), members, custom)
    buffer = BytesIO()
    with ZipFile(buffer, "w", ZIP_STORED) as archive:
        for name, part in {**members, "schema.json": _json(audit.schema)}.items():
            archive.writestr(name, part)
    data = buffer.getvalue()
    for name in set(skops.io.get_untrusted_types(data=data)) - audit.trusted:
        custom.missing.setdefault(name, audit.places.get(name, "the estimator"))
    if custom.missing:
        return None
    tokens = _loading.set(fits), substitutes.set(audit.substitutes)
    try:
        return skops.io.loads(data, trusted=sorted(audit.trusted))
    finally:
        _loading.reset(tokens[0])
        substitutes.reset(tokens[1])


def manifest(thing: Any) -> bytes:
    """What a file tells about itself to a reader without skdeep."""
    versions = {}
    for package in ("skdeep", "scikit-learn", "skops", "numpy", "tensorflow", "keras"):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:  # under another name, as tensorflow-cpu
            continue
    return _json({"holds": name_of(type(thing)), "versions": versions})


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()
