import ast
import importlib
import inspect
import re
import sys
from numbers import Integral, Real
from pathlib import Path

import parameters
import pytest
from sklearn.utils._param_validation import Interval, Options, StrOptions

import skdeep
from skdeep.hyperparameters import hyperparameter

ESTIMATORS = [
    value
    for name in skdeep.__all__
    if inspect.isclass(value := getattr(skdeep, name)) and hasattr(value, "fit")
]

MODULE = '''
from numbers import Integral

from skdeep.hyperparameters import Declared, hyperparameter


class Shared(Declared):
    """Declares what its children share.

    Attributes
    ----------
    seen_ : int
        Untouched.
    """

    epochs: int = hyperparameter(20, "Passes over the data.")
    seed: int | None = hyperparameter(None, "Seed.")


class Child(Shared):
    """A — one-line docstring."""

    width: int = hyperparameter(8, "Units.")
    seed: int | None = hyperparameter(3, "Seed, of its own default.")
'''


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module on disk with two classes whose docstrings lack the section."""
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "declares.py"
    path.write_text(MODULE, encoding="utf-8")
    yield importlib.import_module("declares")
    del sys.modules["declares"]


def read(module):
    return Path(module.__file__).read_text(encoding="utf-8")


def test_parameters_sections_are_what_the_declarations_say(capsys):
    assert parameters.main(["--check"]) == 0, capsys.readouterr().out


def test_check_names_stale_classes_and_changes_nothing(module):
    assert parameters.update(module, check=True) == ["declares.Shared", "declares.Child"]
    assert read(module) == MODULE


def test_writing_adds_the_section_alone_and_twice_is_once(module):
    parameters.update(module, check=False)
    assert parameters.update(module, check=True) == []
    classes = [node for node in ast.parse(read(module)).body if isinstance(node, ast.ClassDef)]
    assert ast.get_docstring(classes[0]) == (
        "Declares what its children share.\n\n"
        "Parameters\n----------\n"
        "epochs : int, default=20\n    Passes over the data.\n"
        "seed : int or None, default=None\n    Seed.\n\n"
        "Attributes\n----------\n"
        "seen_ : int\n    Untouched."
    )
    assert ast.get_docstring(classes[1]) == (
        "A — one-line docstring.\n\n"
        "Parameters\n----------\n"
        "width : int, default=8\n    Units.\n"
        "seed : int or None, default=3\n    Seed, of its own default.\n"
        "epochs : int, default=20\n    Passes over the data."
    )


def test_a_stale_entry_is_replaced(module):
    parameters.update(module, check=False)
    fresh = read(module)
    stale = fresh.replace("width : int, default=8", "width : int, default=7")
    assert stale != fresh
    assert parameters.with_parameters(stale, module.Child) == fresh


@pytest.mark.parametrize(
    ("constraint", "value", "expected"),
    [
        (Interval(Integral, 1, None, closed="left"), 20, "int in [1, inf), default=20"),
        (Interval(Real, 0, 1, closed="left"), 0.5, "float in [0, 1), default=0.5"),
        ([None, Interval(Real, None, 0, closed="both")], None, "float in (-inf, 0] or None"),
        (StrOptions({"relu", "gelu"}), "relu", "{'gelu', 'relu'}, default='relu'"),
        (Options(Integral, {1, 2}), 1, "{1, 2}, default=1"),
        (None, True, "bool, default=True"),
        ("random_state", None, "int, RandomState instance or None, default=None"),
        ([tuple, callable, "array-like"], (), "tuple, callable or array-like, default=()"),
        (None, 1, "object, default=1"),
    ],
)
def test_types_read_as_in_numpydoc(constraint, value, expected):
    field = hyperparameter(value, "Doc.", constraint)
    assert parameters.entry("x", field, "object")[0].startswith(f"x : {expected}")


def test_lines_keep_to_the_width_and_long_choices_move_to_the_description():
    choices = {f"choice_number_{i}" for i in range(9)}
    field = hyperparameter("choice_number_3", "Long. " * 40, StrOptions(choices))
    head, *description = parameters.entry("x", field, "str")
    assert head == "x : str, default='choice_number_3'"
    assert all(len(line) <= 96 for line in description)
    assert set(re.findall(r"'(\w+)'", "\n".join(description))) == choices


@pytest.mark.parametrize("cls", ESTIMATORS, ids=lambda cls: cls.__name__)
def test_estimators_document_what_they_take_and_learn_with_an_example(cls):
    doc = inspect.cleandoc(vars(cls)["__doc__"])
    titles = re.findall(r"^(\w[\w ]*)\n-{3,}$", doc, flags=re.MULTILINE)
    wanted = ["Parameters", "Attributes", "Examples"]
    assert [title for title in titles if title in wanted] == wanted
    documented = re.findall(r"^([\w, ]+) : ", doc, flags=re.MULTILINE)
    assert set(inspect.signature(cls).parameters) <= set(", ".join(documented).split(", "))
