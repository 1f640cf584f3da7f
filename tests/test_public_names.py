import ast
import inspect
import re
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
import skopt
from sklearn.model_selection import RandomizedSearchCV
from sklearn.model_selection._search import BaseSearchCV

import skdeep
from skdeep.base import NetworkEstimator

ROOT = Path(__file__).parents[1]
PUBLIC = [name for name in skdeep.__all__ if not name.startswith("__")]
ESTIMATORS = [
    value
    for name in skdeep.__all__
    if hasattr(value := getattr(skdeep, name), "fit") and value is not NetworkEstimator
]


def in_fresh_process(code):
    command = [sys.executable, "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_names_are_sorted_unique_and_at_most_sixty():
    assert list(skdeep.__all__) == sorted(set(skdeep.__all__))
    assert len(skdeep.__all__) <= 60


def test_every_name_exists_and_dir_shows_it():
    missing = [name for name in skdeep.__all__ if not hasattr(skdeep, name)]
    assert not missing
    assert set(skdeep.__all__) <= set(dir(skdeep))


def test_editors_are_told_of_exactly_the_public_names():
    tree = ast.parse(Path(skdeep.__file__).read_text(encoding="utf-8"))
    imported = [
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module.startswith("skdeep")
        for alias in node.names
    ]
    assert sorted(imported) == PUBLIC


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        skdeep.no_such_name  # noqa: B018


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("skdeep", {"tensorflow", "keras", "skopt"}),
        ("skdeep.model_selection", {"tensorflow", "keras"}),
        ("skdeep.active_learning", {"tensorflow", "keras", "skopt", "matplotlib"}),
        ("skdeep.gaussian_process", {"tensorflow", "keras", "skopt"}),
        ("skdeep.inspection", {"tensorflow", "keras", "matplotlib"}),
        ("skdeep.metrics", {"tensorflow", "keras", "matplotlib"}),
    ],
)
def test_import_loads_no_more_than_it_needs(module, unwanted):
    loaded = in_fresh_process(f"import sys, {module}; print(*sys.modules)").split()
    assert unwanted.isdisjoint(loaded)


def test_import_takes_less_than_half_a_second():
    code = "import time; t = time.perf_counter(); import skdeep; print(time.perf_counter() - t)"
    assert statistics.median(float(in_fresh_process(code)) for _ in range(5)) < 0.5


@pytest.mark.parametrize("cls", ESTIMATORS, ids=lambda cls: cls.__name__)
def test_a_class_has_at_most_ten_parameters_of_its_own(cls):
    shared = [
        base
        for base in cls.__mro__[1:]
        if base.__module__.startswith("skdeep.base") or not base.__module__.startswith("skdeep")
    ]
    inherited = {name for base in shared for name in inspect.signature(base).parameters}
    if issubclass(cls, BaseSearchCV):
        # What the classes have that a search stands in for, it must have.
        for base in (RandomizedSearchCV, skopt.BayesSearchCV):
            inherited |= inspect.signature(base).parameters.keys()
        # And what all searches have is theirs together, as skdeep.base's is all networks'.
        searches = [each for each in ESTIMATORS if issubclass(each, BaseSearchCV)]
        inherited |= set.intersection(*(set(inspect.signature(s).parameters) for s in searches))
    own = [name for name in inspect.signature(cls).parameters if name not in inherited]
    assert len(own) <= 10, own


def test_the_api_page_lists_every_public_name_once():
    page = (ROOT / "docs" / "api.rst").read_text(encoding="utf-8")
    _, *parts = page.split(".. currentmodule:: ")
    (ours,) = [part for part in parts if part.startswith("skdeep\n")]
    assert sorted(re.findall(r"^ {4}(\w+)$", ours, flags=re.MULTILINE)) == PUBLIC
