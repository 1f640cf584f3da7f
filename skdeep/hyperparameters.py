"""Hyper-parameters, declared once.

A class body lists its hyper-parameters:

    class Ridge(Declared, RegressorMixin, BaseEstimator):
        alpha: float = hyperparameter(
            default=1.0,
            doc="Strength of the penalty.",
            constraint=Interval(Real, 0, None, closed="left"),
            search=(1e-3, 1e3, "log"),
        )

From one declaration come the keyword-only constructor and its default, the check made in
``fit`` with scikit-learn's wording, the Parameters section of the docstring (written into the
source by ``docs/parameters.py``), the default search dimension, and what a new value means for a
compiled program: a *structural* value changes the graph, every other number enters the graph as
an input.
"""

import inspect
import typing
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from numbers import Integral, Number
from types import MappingProxyType
from typing import Any

import numpy as np
from sklearn.utils._param_validation import (
    Interval,
    InvalidParameterError,
    validate_parameter_constraints,
)

from skdeep.exceptions import LoadError
from skdeep.persistence import is_plain, saved
from skdeep.validation import did_you_mean

Structural = bool | None | Callable[[Any], Hashable]


@dataclass(frozen=True)
class Hyperparameter:
    """One declaration; made by :func:`hyperparameter`, whose arguments it holds."""

    default: Any
    doc: str
    constraint: list | str
    search: tuple | list | None
    structural: Structural


def hyperparameter(
    default: Any,
    doc: str,
    constraint: Any = None,
    *,
    search: tuple | list | None = None,
    structural: Structural = False,
) -> Any:
    """Declare a hyper-parameter in the body of a :class:`Declared` class.

    Write ``default=``, for only so do type checkers see that there is one (PEP 681).

    Parameters
    ----------
    default : immutable object
        The constructor's default. It is shared by all instances, hence must be hashable.
    doc : str
        What the value is, its unit and range, and what raising it does.
    constraint : constraint or list of constraints, default=None
        As in scikit-learn's ``_parameter_constraints``: ``Interval(Real, 0, 1, closed="left")``,
        ``StrOptions({"a", "b"})``, a type, ``"boolean"``, None, ... ``None`` alone stands for
        ``"boolean"`` where the default is a bool, and for no check elsewhere.
    search : tuple, list or None, default=None
        Default search dimension: ``(low, high)`` or ``(low, high, "log")`` is a range (of
        integers if both ends are), a list is a choice; None keeps it out of the default space.
    structural : bool, callable or None, default=False
        What of a value shapes the compiled graph. True: all of it. False: only whether it is
        None; numbers enter the graph as inputs. A function maps the value to the part that
        does (``bool``: whether it is zero), while the value itself is an input. None: it is
        for the host alone (``epochs``).
    """
    try:
        hash(default)
    except TypeError:
        raise TypeError(
            f"the default of a hyper-parameter is shared by all instances, hence must be "
            f"immutable, but is {default!r}; use a tuple, or None and replace it in fit."
        ) from None
    if constraint is None:
        constraint = "boolean" if isinstance(default, bool) else "no_validation"
    if constraint != "no_validation" and not isinstance(constraint, list):
        constraint = [constraint]
    return Hyperparameter(default, doc, constraint, search, structural)


@dataclass(frozen=True)
class Padded:
    """Structural part of layer widths: the graph is built for the next larger bucket.

    The units beyond the true width hold zeros, so that a search over widths needs few graphs.
    """

    bucket: Callable[[int], int]

    def __call__(self, widths: tuple[int, ...]) -> tuple[int, ...]:
        """Widths of the graph for the true widths."""
        return tuple(self.bucket(width) for width in widths)


@saved
@typing.dataclass_transform(kw_only_default=True, field_specifiers=(hyperparameter,))
class Declared:
    """Root of all classes with declared hyper-parameters.

    A subclass gets a keyword-only ``__init__`` from its own and inherited declarations, unless
    it writes one by hand; its parameters without a declaration then count as structural.
    """

    _hyperparameters: typing.ClassVar[Mapping[str, Hyperparameter]] = MappingProxyType({})
    _own_hyperparameters: typing.ClassVar[Mapping[str, Hyperparameter]] = MappingProxyType({})
    _parameter_constraints: typing.ClassVar[dict[str, Any]] = {}
    _renamed: typing.ClassVar[Mapping[str, str]] = MappingProxyType({})
    _absent: typing.ClassVar[Mapping[str, str]] = MappingProxyType({})  # and what to do without
    _routes: typing.ClassVar[tuple[str, ...]] = ()  # nested names that the constructor takes too

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = {k: v for k, v in vars(cls).items() if isinstance(v, Hyperparameter)}
        for name in own:
            delattr(cls, name)  # a default on the class would hide a forgotten __init__
        fields: dict[str, Hyperparameter] = {}
        cls._own_hyperparameters = MappingProxyType(own)
        for base in reversed(cls.__mro__):
            fields |= vars(base).get("_own_hyperparameters", {})
        cls._hyperparameters = MappingProxyType(fields)
        cls._parameter_constraints = {name: f.constraint for name, f in fields.items()}
        if "__init__" in vars(cls):
            return
        by_hand = _hand_written_init(cls)
        if by_hand is None:
            cls.__init__ = _make_init(cls, fields)  # type: ignore[method-assign]
        elif own:
            raise TypeError(
                f"{cls.__name__} declares {', '.join(own)}, but inherits the hand-written "
                f"__init__ of {by_hand.__name__}, which does not know them; "
                f"write {cls.__name__}.__init__ by hand too, or declare all parameters."
            )

    def _validate_params(self) -> None:
        """As scikit-learn's, to which True is 1; a value that is none of several is told so."""
        for name, field in self._hyperparameters.items():
            value = getattr(self, name)
            alone = isinstance(value, str) or not isinstance(value, Iterable)
            if isinstance(field.default, tuple) and alone and value is not None:
                listed = f"({value!r},)" if isinstance(value, Number) else "[...]"
                raise InvalidParameterError(
                    f"The {name!r} parameter of {type(self).__name__} must be a tuple or a list. "
                    f"Got {value!r} instead; for one alone write {name}={listed}."
                )
            if isinstance(value, bool) and _is_number(field.constraint):
                raise InvalidParameterError(
                    f"The {name!r} parameter of {type(self).__name__} must be a number, not a "
                    f"bool. Got {value} instead."
                )
        super()._validate_params()  # type: ignore[misc]

    def _check_part(self) -> None:
        """Refuse the structural twin of no instance, see ``persistence.saved``."""
        name = type(self).__name__
        for key, value in vars(self).items():
            field = self._hyperparameters.get(key)
            structural = True if field is None else field.structural
            if not isinstance(value, Declared) and not is_plain(value):
                raise LoadError(f"the {key} of a {name} is {value!r}.")
            if structural is True or isinstance(structural, Padded):
                constraints = {} if field is None else {key: field.constraint}
                validate_parameter_constraints(constraints, {key: value}, caller_name=name)
            if isinstance(structural, Padded) and not are_counts(value):
                raise LoadError(f"the {key} of a {name} holds no widths, but {value!r}.")

    def set_params(self, **params: Any) -> Any:
        """As scikit-learn's, with a hint where the name is another's or misspelled."""
        valid = self.get_params(deep=False)  # type: ignore[attr-defined]
        for name in params:
            own, _, inner = name.partition("__")
            value = params.get(own, getattr(self, own, None))
            nested = inner and own in self._hyperparameters and not name.startswith(self._routes)
            if nested and not hasattr(value, "set_params"):
                raise ValueError(
                    f"{name!r} would set {inner} of {own}, but {own} is {value!r}, which has no "
                    f"parameters; pass an object as {own} first."
                )
            if own not in valid and (hint := _hint(type(self), own, valid)) != ".":
                raise ValueError(
                    f"Invalid parameter {own!r} for estimator {type(self).__name__}{hint}"
                )
        return super().set_params(**params)  # type: ignore[misc]


def _is_number(constraint: list | str) -> bool:
    """Whether a constraint asks for a number, and allows no bool."""
    if "boolean" in constraint or "verbose" in constraint:
        return False
    return any(isinstance(part, Interval) or part == "random_state" for part in constraint)


def is_ours(estimator: Any) -> bool:
    """Whether an estimator, or any part of it, is one of skdeep's."""
    return any(isinstance(part, Declared) for part in [estimator, *estimator.get_params().values()])


def are_counts(values: Any) -> bool:
    """Whether values are positive integers in an order, none too large for an axis."""
    if isinstance(values, Mapping | Set) or getattr(values, "ndim", 1) != 1:
        return False
    return all(
        isinstance(n, Integral) and not isinstance(n, bool) and 0 < int(n) < 2**31 for n in values
    )


def _hint(cls: Any, name: str, valid: Iterable[str]) -> str:
    """How an error about an unknown parameter ends: with what it is called here, if anything."""
    if name in cls._renamed:
        return f"; here it is called {cls._renamed[name]}."
    if name in cls._absent:
        return f"; {cls._absent[name]}."
    return did_you_mean(name, valid)


def _hand_written_init(cls: type) -> type | None:
    """The class whose hand-written ``__init__`` a new subclass would inherit, if any."""
    for base in cls.__mro__[1:]:
        if "__init__" in vars(base):
            written = not getattr(vars(base)["__init__"], "_from_declarations", False)
            return base if written and base is not object else None
    return None


def _make_init(cls: type, fields: Mapping[str, Hyperparameter]) -> Callable:
    """A keyword-only ``__init__`` that stores its arguments and nothing else."""

    def __init__(self, **parameters):
        for name, field in fields.items():
            setattr(self, name, parameters.pop(name, field.default))
        for name in parameters:
            if not name.startswith(cls._routes):
                hint = _hint(cls, name, fields)
                raise TypeError(f"{cls.__name__} got an unexpected parameter {name!r}{hint}")
        if parameters:
            self.set_params(**parameters)

    keyword = inspect.Parameter.KEYWORD_ONLY
    own_and_inherited = [
        inspect.Parameter(name, keyword, default=field.default) for name, field in fields.items()
    ]
    myself = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    __init__.__signature__ = inspect.Signature([myself, *own_and_inherited])  # type: ignore[attr-defined]
    __init__.__qualname__ = f"{cls.__qualname__}.__init__"
    __init__.__module__ = cls.__module__
    __init__._from_declarations = True  # type: ignore[attr-defined]
    return __init__


def _freeze(value: Any) -> Hashable:
    """A hashable equivalent of a parameter value: lists become tuples, arrays too."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return tuple(_freeze(v) for v in value)
    if isinstance(value, Mapping):
        return tuple((k, _freeze(v)) for k, v in value.items())
    if isinstance(value, np.generic):
        return value.item()
    return value


def _parameters(instance: Any) -> Iterator[tuple[str, Any, Structural]]:
    """(name, value, structural) of every parameter, declared or of a hand-written __init__."""
    declared = type(instance)._hyperparameters
    for name, field in declared.items():
        yield name, getattr(instance, name), field.structural
    for name, value in instance.get_params(deep=False).items():
        if name not in declared:
            yield name, value, True


def structural_twin(instance: Any, *, padded: bool = True) -> Any:
    """An object of the same class that has its structural values and nothing else.

    Programs are built from the twin, so that nothing outside the program's key can shape them:
    reading a run-time value from it is an AttributeError. ``padded=False`` keeps true widths.
    """
    twin = object.__new__(type(instance))
    for name, value, structural in _parameters(instance):
        if isinstance(value, Declared):
            setattr(twin, name, structural_twin(value, padded=padded))
        elif structural is True or (isinstance(structural, Padded) and not padded):
            setattr(twin, name, _freeze(value))
        elif callable(structural):
            setattr(twin, name, structural(_freeze(value)))
        elif structural is False and value is None:
            setattr(twin, name, None)  # absence shapes the graph
    return twin


def padded_twin(true_twin: Any) -> Any:
    """The twin whose widths are buckets, of the one that has true widths."""
    twin = object.__new__(type(true_twin))
    vars(twin).update(vars(true_twin))
    for name, field in type(twin)._hyperparameters.items():
        if isinstance(field.structural, Padded):
            setattr(twin, name, field.structural(getattr(true_twin, name)))
    return twin


def structural_key(twin: Any) -> Hashable:
    """What makes two twins interchangeable, as a hashable key."""
    return type(twin), tuple((name, _typed(v)) for name, v in sorted(vars(twin).items()))


def _typed(value: Any) -> Hashable:
    """A frozen value with its types, for 1, 1.0 and True are equal and make other networks."""
    if isinstance(value, Declared):
        return structural_key(value)
    if isinstance(value, tuple):
        return tuple(_typed(v) for v in value)
    return type(value), value


def runtime_values(instance: Any) -> dict[str, Any]:
    """Numbers (and nested dicts of them) that a compiled program takes as inputs."""
    values: dict[str, Any] = {}
    for name, value, structural in _parameters(instance):
        if isinstance(value, Declared):
            values[name] = runtime_values(value)
        elif structural is False or callable(structural):
            frozen = _freeze(value)
            numbers = frozen if isinstance(frozen, tuple) else (frozen,)
            if all(isinstance(v, Number) and not isinstance(v, bool) for v in numbers):
                values[name] = frozen
    return values


def search_space(estimator: Any) -> dict[str, tuple | list]:
    """Declared search dimensions of an estimator and all that it contains, by nested name.

    Names are those of ``get_params``: ``learning_rate``, ``optimizer__beta_2``, or
    ``mlpclassifier__dropout`` for a Pipeline. Values are as declared: ``(low, high)``,
    ``(low, high, "log")`` or a list of choices.
    """
    found: dict[str, tuple | list] = {}
    parts = {"": estimator} | {
        f"{name}__": value for name, value in estimator.get_params(deep=True).items()
    }
    for prefix, part in parts.items():
        if isinstance(part, Declared):
            for name, field in part._hyperparameters.items():
                if field.search is not None:
                    found[prefix + name] = field.search
    return found
