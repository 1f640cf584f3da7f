"""Malformed calls, made up by hypothesis: each refused at once, by name, and without effect.

``test_bad_input.py`` has the errors that a person thinks of; here stand the ways to damage data and
hyper-parameters, and each public estimator meets all of them.
"""

import datetime
import functools
import re
import time
import warnings
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, is_classifier
from sklearn.utils._param_validation import Interval, StrOptions

import skdeep
from skdeep import engine

N = 12
SECONDS = 1.0  # of this process, on all its threads

# Good data --------------------------------------------------------------------------------

rng = np.random.default_rng(0)
table = rng.random((N, 16)).astype(np.float32)
frame = pd.DataFrame(table[:, :4], columns=["a", "b", "c", "d"])
sparse = sp.csr_array(table * (table > 0.5))
images = table.reshape(N, 4, 4)
series = table.reshape(N, 8, 2)
lengths = np.arange(N) % 4 + 2
sequences = [rng.random((n, 2)) for n in lengths]
texts = [" ".join("abcde"[:n]) for n in lengths]
tokens = [list(range(n)) for n in lengths]
labels = np.arange(N) % 2
words = np.array(["ham", "spam", "eggs"])[np.arange(N) % 3]
pairs = np.stack([labels, np.arange(N) // 2 % 3], axis=1)
numbers = rng.normal(size=N)
columns = rng.normal(size=(N, 2))
labels_of_steps = [np.arange(n) % 2 for n in lengths]
numbers_of_steps = [rng.normal(size=n) for n in lengths]


def search(cls=skdeep.BayesSearchCV):
    """A search around an MLP, whose fits raise what they find."""
    return cls(
        skdeep.MLPClassifier(epochs=1, random_state=0),
        {"learning_rate": (1e-3, 1e-1, "log")},
        n_iter=2,
        cv=2,
        error_score="raise",
        random_state=0,
    )


def annealing():
    """The same by annealing."""
    return search(skdeep.AnnealingSearchCV)


def bagged_classes():
    """Networks of two folds."""
    return skdeep.BaggedFoldsClassifier(skdeep.MLPClassifier(epochs=1), cv=2, random_state=0)


def bagged_numbers():
    """The same of numbers."""
    return skdeep.BaggedFoldsRegressor(skdeep.MLPRegressor(epochs=1), cv=2, random_state=0)


def deep_features():
    """Columns of an MLP, which finds what is wrong."""
    return skdeep.DeepFeatures(skdeep.MLPRegressor(epochs=1, random_state=0))


# Each public estimator, and each kind of data that it takes.
SUBJECTS = [
    (skdeep.MLPClassifier, {}, table, labels),
    (skdeep.MLPClassifier, {}, frame, words),
    (skdeep.MLPClassifier, {}, sparse, pairs),
    (skdeep.MLPRegressor, {"dropout": 0.1}, table, numbers),
    (skdeep.MLPRegressor, {"loss": "gaussian"}, frame, columns),
    (skdeep.KernelClassifier, {"n_components": 20, "loss": "hinge"}, table, labels),
    (skdeep.KernelClassifier, {"n_components": 20, "method": "nystroem"}, frame, words),
    (skdeep.KernelRegressor, {"n_components": 20, "kernel": "polynomial"}, table, numbers),
    (skdeep.TabularClassifier, {}, table, labels),
    (skdeep.TabularClassifier, {"ensemble_size": 2}, frame, words),
    (skdeep.TabularRegressor, {}, frame, numbers),
    (bagged_classes, {}, frame, words),
    (bagged_numbers, {}, table, numbers),
    (skdeep.CNNClassifier, {}, images, labels),
    (skdeep.CNNClassifier, {"architecture": "fcn"}, series, words),
    (skdeep.CNNRegressor, {}, table, columns),
    (skdeep.CNNRegressor, {"architecture": "fcn"}, series, numbers),
    (skdeep.RNNClassifier, {}, series, labels),
    (skdeep.RNNClassifier, {}, sequences, words),
    (skdeep.RNNClassifier, {}, texts, labels),
    (skdeep.RNNClassifier, {"embedding_size": 3}, tokens, pairs),
    (skdeep.RNNClassifier, {}, sequences, labels_of_steps),
    (skdeep.RNNRegressor, {"n_steps": 4, "loss": "quantile"}, table, numbers),
    (skdeep.RNNRegressor, {}, sequences, columns),
    (skdeep.RNNRegressor, {}, texts, numbers_of_steps),
    (skdeep.NetworkClassifier, {}, table, words),
    (skdeep.NetworkRegressor, {}, frame, columns),
    (skdeep.NetworkTransformer, {"target": "y"}, table, table),
    (skdeep.GaussianProcessRegressor, {}, table, numbers),
    (deep_features, {}, table, numbers),
    (skdeep.EntityEmbedding, {"target_type": "numbers"}, frame, numbers),
    (skdeep.Autoencoder, {}, table, None),
    (skdeep.Autoencoder, {"noise": "gaussian"}, frame, None),
    (skdeep.Autoencoder, {"hidden_layer_sizes": (3,)}, images, None),
    (skdeep.VariationalAutoencoder, {"likelihood": "bernoulli"}, table, None),
    (skdeep.VariationalAutoencoder, {"hidden_layer_sizes": (9,)}, images, None),
    (search, {}, table, labels),
    (annealing, {}, table, labels),
]


def test_each_public_estimator_is_a_subject():
    public = {value for name in skdeep.__all__ if isinstance(value := getattr(skdeep, name), type)}
    subjects = {type(make(**parameters)) for make, parameters, _, _ in SUBJECTS}
    assert subjects == {value for value in public if issubclass(value, BaseEstimator)}


@functools.cache
def made(subject: int, fitted: bool) -> Any:
    """The estimator of a subject. A network without training will do: what counts is its state."""
    make, parameters, X, y = SUBJECTS[subject]
    model = make(**parameters)
    if "epochs" in model.get_params():
        model.set_params(epochs=1, random_state=0)
    if not fitted:
        return model
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "train", lambda program, progress, *args, **kwargs: progress)
        return model.fit(X, y)


# Damage -----------------------------------------------------------------------------------

NOTHING_LIKE_DATA = {
    "None": lambda: None,
    "a number": lambda: 3.5,
    "True": lambda: True,
    "NaN": lambda: np.nan,
    "a text": lambda: "one text",
    "no text": lambda: "",
    "bytes": lambda: b"bytes",
    "a set": lambda: {1, 2, 3},
    "a set of texts": lambda: {"a b", "c", "d e"},
    "a dict": lambda: dict(zip("abcdefghijkl", range(N))),
    "a dict of rows": lambda: {i: [1.0, 2.0] for i in range(N)},
    "a generator": lambda: (row for row in table),
    "a generator of texts": lambda: (text for text in texts),
    "an iterator": lambda: iter(sequences),
    "an object": object,
    "a function": lambda: len,
    "a class": lambda: np.ndarray,
    "a scalar array": lambda: np.array(3.0),
    "an array of one text": lambda: np.array("text"),
    "an empty list": list,
    "an empty tuple": tuple,
    "an empty array": lambda: np.array([]),
    "an empty DataFrame": pd.DataFrame,
    "a list of None": lambda: [None] * N,
    "a list of dicts": lambda: [{"a": 1}] * N,
    "a list of objects": lambda: [object() for _ in range(N)],
    "a list of sets": lambda: [{1, 2} for _ in range(N)],
    "a ragged list": lambda: [[[1.0]] * (1 + i % 3) + [2.0] for i in range(N)],
    "dates": lambda: np.full((N, 16), np.datetime64("2020-01-01")),
    "complex numbers": lambda: np.full((N, 16), 1j),
    "bytes in an array": lambda: np.full((N, 16), b"a"),
    "records": lambda: np.zeros(N, [("a", float), ("b", int)]),
    "five axes": lambda: np.ones((N, 1, 2, 2, 1)),
}
CELLS = {
    "NaN": np.nan,
    "infinity": np.inf,
    "minus infinity": -np.inf,
    "1e300": 1e300,
    "a huge integer": 10**400,
    "None": None,
    "a word": "word",
    "bytes": b"bytes",
    "a dict": {},
    "a list": [1.0, 2.0],
    "an object": object(),
    "complex": 1j,
    "a date": datetime.date(2020, 1, 1),
    "NaT": pd.NaT,
    "NA": pd.NA,
}
cells = st.sampled_from(sorted(CELLS))
row_numbers = st.integers(0, N - 1)


@dataclass(frozen=True)
class Damaged:
    """A value that must be refused, and in words what is wrong with it."""

    what: str
    value: Any

    def __repr__(self) -> str:
        return self.what


def one_of(values: Any) -> st.SearchStrategy:
    """Any of some values; of a dict, what a function by its name returns."""
    if isinstance(values, dict):
        return st.sampled_from(sorted(values)).map(lambda name: Damaged(name, values[name]()))
    return st.sampled_from(values).map(lambda value: Damaged(repr(value), value))


def with_cell(array: np.ndarray, position: tuple, value: Any) -> np.ndarray:
    """A copy of an array with one other value."""
    damaged = np.array(array, dtype=np.float64 if isinstance(value, float) else object)
    damaged[position] = value
    return damaged


@st.composite
def bad_arrays(draw, good: Any, known: bool):
    """Damage to rows in one array; ``known`` if an earlier fit has seen such rows."""
    array = good.toarray() if sp.issparse(good) else np.asarray(good)
    ways = ["cell", "no rows", "no columns", *["no steps"] * (array.ndim > 2)]
    if known:
        ways += ["a column less", "a column more"]
        if isinstance(good, pd.DataFrame):
            ways += ["other names", "another order", "twice a name"]
    if isinstance(good, pd.DataFrame):
        ways += ["names of two kinds"]
    way = draw(st.sampled_from(ways))
    if way == "cell":
        name, container = draw(cells), draw(st.sampled_from(["array", "lists", "DataFrame"]))
        value: Any = with_cell(array, (draw(row_numbers), *(0,) * (array.ndim - 1)), CELLS[name])
        if container == "lists":
            value = value.tolist()
        elif container == "DataFrame" and array.ndim == 2:
            value = pd.DataFrame(value, columns=getattr(good, "columns", None))
        return Damaged(f"{name} among the numbers, as {container}", value)
    if way == "other names":
        return Damaged(way, good.rename(columns={"a": "z"}))
    if way == "another order":
        return Damaged(way, good[["b", "a", "c", "d"]])
    if way == "twice a name":
        return Damaged(way, good[["a", "a", "c", "d"]])
    if way == "names of two kinds":
        return Damaged(way, good.rename(columns={"a": 1}))
    changed = {
        "no rows": lambda: array[:0],
        "no columns": lambda: array[..., :0],
        "no steps": lambda: array[:, :0],
        "a column less": lambda: array[..., :-1],
        "a column more": lambda: np.concatenate([array, array[..., :1]], axis=-1),
    }[way]()
    return Damaged(way, changed)


BAD_SEQUENCES = {
    "no steps": lambda row: row[:0],
    "an empty list": lambda row: [],
    "None": lambda row: None,
    "a number": lambda row: 3.0,
    "a word": lambda row: "word",
    "a dict": lambda row: {"a": 1},
    "a set": lambda row: {1, 2},
    "a generator": lambda row: (step for step in row),
    "three axes": lambda row: row[:, :, None],
    "one axis": lambda row: row[:, 0],
    "a feature more": lambda row: np.hstack([row, row]),
    "no features": lambda row: row[:, :0],
    "complex": lambda row: row + 1j,
    "dates": lambda row: np.full(row.shape, np.datetime64("2020-01-01")),
    "words": lambda row: row.astype(str),
    "NaN": lambda row: np.full_like(row, np.nan),
    "infinity": lambda row: row + np.inf,
    "1e300": lambda row: row + 1e300,
    "a ragged list": lambda row: [[1.0, 2.0], [1.0]],
    "None among numbers": lambda row: [[1.0, None]] * len(row),
    "a sparse matrix": lambda row: sp.csr_array(row),
}
BAD_TOKENS = {
    "an empty text": lambda row: "",
    "spaces": lambda row: "  \n",
    "an empty list": lambda row: [],
    "None": lambda row: None,
    "a number": lambda row: 3.5,
    "a dict": lambda row: {"a": 1},
    "a set": lambda row: {"a", "b"},
    "a generator": lambda row: (token for token in row),
    "bytes": lambda row: b"bytes",
    "fractions": lambda row: [1.5, 2.5],
    "None among tokens": lambda row: ["a", None],
    "NaN among tokens": lambda row: ["a", np.nan],
    "both kinds": lambda row: ["a", 1],
    "the other kind": lambda row: [1, 2] if isinstance(row, str) else ["a", "b"],
    "truths": lambda row: [True, False],
    "lists": lambda row: [["a"], ["b"]],
    "a table": lambda row: np.ones((2, 2), int),
    "a huge integer": lambda row: [10**400],
    "dates": lambda row: np.full(3, np.datetime64("2020-01-01")),
}


@st.composite
def bad_lists(draw, good: list):
    """Damage to one row of a list of rows."""
    ways = BAD_SEQUENCES if isinstance(good[0], np.ndarray) else BAD_TOKENS
    way, i = draw(st.sampled_from(sorted(ways))), draw(row_numbers)
    damaged = [*good]
    damaged[i] = ways[way](good[i])
    return Damaged(f"{way} for row {i}", damaged)


def bad_rows(good: Any, known: bool):
    """Damage to X."""
    strange = one_of(NOTHING_LIKE_DATA)
    if isinstance(good, list):
        return st.one_of(strange, bad_lists(good))
    other = (
        []
        if sp.issparse(good) or good.ndim != 2
        else [Damaged("COO", sp.coo_array(np.full((N, 1), 1j)))]
    )
    return st.one_of(strange, bad_arrays(good, known), *map(st.just, other))


STRANGE_TARGETS = [
    *("a number", "True", "NaN", "a text", "no text", "bytes", "a set", "a set of texts", "a dict"),
    *("a dict of rows", "a generator", "an iterator", "an object", "a function", "a class"),
    *("a scalar array", "an array of one text", "an empty list", "an empty tuple"),
    *("an empty array", "an empty DataFrame", "a list of None", "a list of dicts"),
    *("None", "a list of objects", "a list of sets", "a ragged list", "complex numbers"),
    *("bytes in an array", "records", "five axes"),
]


@st.composite
def bad_targets(draw, good: Any, classifier: bool, known: bool):
    """Damage to y; ``known`` if an earlier fit has seen such targets."""
    if draw(st.integers(0, 2)) == 0:
        names = STRANGE_TARGETS if classifier else [*STRANGE_TARGETS, "dates"]
        return draw(one_of({name: NOTHING_LIKE_DATA[name] for name in names}))
    by_step = isinstance(good, list)
    ways = ["one less", "one more", "none", "cell", "three axes"]
    if by_step:
        ways = ["one less", "one more", "none", "cell", "a step less"]
    if classifier:
        ways += ["fractions", "one class"] if not known else ["fractions", "an unknown class"]
    if known and not by_step:
        ways += ["another column"]
    way = draw(st.sampled_from(ways))
    if way == "one less":
        return Damaged(way, good[:-1])
    if way == "one more":
        more = [*good, good[0]]
        return Damaged(way, more if by_step else np.array(more))
    if way == "none":
        return Damaged(way, good[:0])
    i = draw(row_numbers)
    if way == "a step less":
        return Damaged(f"{way} in row {i}", [part[j == i :] for j, part in enumerate(good)])
    if way == "cell":
        name = draw(st.sampled_from([n for n in sorted(CELLS) if not classifier or n != "a word"]))
        part = good[i] if by_step else good
        if part.dtype.kind == "U":
            part = part.astype(object)
        position, value = (
            (0,) * part.ndim if by_step else (i,) + (0,) * (part.ndim - 1),
            CELLS[name],
        )
        if part.dtype.kind == "O":
            part[position] = value
        else:
            part = with_cell(part, position, value)
        if by_step:
            return Damaged(f"{name} in row {i}", [*good[:i], part, *good[i + 1 :]])
        return Damaged(f"{name} in row {i}", part.tolist() if draw(st.booleans()) else part)
    flat = lambda array: np.linspace(0, 1, len(array)) + 0.01  # noqa: E731
    if by_step:
        return {
            "fractions": lambda: Damaged(way, [flat(part) for part in good]),
            "one class": lambda: Damaged(way, [np.ones(len(part), int) for part in good]),
            "an unknown class": lambda: Damaged(way, [np.full(len(part), 7) for part in good]),
        }[way]()
    return {
        "three axes": lambda: Damaged(way, np.zeros((N, 2, 2))),
        "fractions": lambda: Damaged(way, flat(good)),
        "one class": lambda: Damaged(way, np.ones(N, int)),
        "an unknown class": lambda: Damaged(
            way,
            np.where(good == good[0], good[1], good * 0 + 7)
            if good.dtype.kind != "U"
            else np.full(N, "tofu"),
        ),
        "another column": lambda: Damaged(way, np.column_stack([good, good])),
    }[way]()


BAD_WEIGHTS = {
    "one less": lambda: np.ones(N - 1),
    "one more": lambda: np.ones(N + 1),
    "no weights": lambda: [],
    "two axes": lambda: np.ones((N, 2)),
    "zeros": lambda: np.zeros(N),
    "a negative sum": lambda: -np.ones(N),
    "a sum of zero": lambda: np.where(np.arange(N) < N // 2, 1.0, -1.0),
    "an infinite sum": lambda: np.full(N, 1e308),
    "NaN": lambda: np.full(N, np.nan),
    "one NaN": lambda: [np.nan, *[1.0] * (N - 1)],
    "infinity": lambda: np.full(N, np.inf),
    "words": lambda: ["heavy"] * N,
    "one None": lambda: np.array([None, *[1.0] * (N - 1)], dtype=object),
    "complex": lambda: np.ones(N) * 1j,
    "dates": lambda: np.full(N, np.datetime64("2020-01-01")),
    "a text": lambda: "balanced",
    "a dict": lambda: {0: 1.0, 1: 2.0},
    "a set": lambda: {1.0, 2.0},
    "a generator": lambda: (1.0 for _ in range(N)),
    "an object": object,
    "a scalar of no weight": lambda: 0.0,
    "a negative scalar": lambda: -1,
    "a ragged list": lambda: [[1.0], *[1.0] * (N - 1)],
    "a sparse column": lambda: sp.csr_array(np.ones((N, 1))),
}
BAD_CLASSES = {
    "none": lambda: [],
    "one": lambda: [0],
    "NaN": lambda: [0, np.nan],
    "None": lambda: [0, None],
    "a dict": lambda: {0: 1, 1: 1},
    "a set": lambda: {0, 1},
    "a number": lambda: 2,
    "a text": lambda: "01",
    "two axes": lambda: [[0, 1], [2, 3]],
    "both kinds": lambda: [0, "a"],
    "an object": object,
    "others": lambda: [7, 8],
    "a generator": lambda: (i for i in range(2)),
}
BAD_N_SAMPLES = [0, -1, 2.5, True, "ten", np.nan, [3], np.array([2])]
BAD_COVERAGES = [None, 0.0, 1.0, -1, 90, "most", np.nan, [0.9], True, 1j, np.array(0.5), object()]
BAD_QUANTILES = [
    *(None, 0.5, "median", [], [0.0], [1.0], [0.5, np.nan], [-1], [2], [[0.5]], ["a"], [None]),
    *({0.5}, {0.5: 1}, [1j], [0.5, [0.5]], np.array(0.5), object()),
]


# Hyper-parameters -------------------------------------------------------------------------

STRANGE_PARAMETERS = [
    *(None, True, "word", b"bytes", np.nan, np.inf, -np.inf, -1, -1e-9, 0, 0.0, 1.0, 2.5, 1j),
    *((), [], {}, {1, 2}, object(), np.array([1, 2]), np.array(1), np.array("a"), len, int),
    *(10**400, -(10**400), np.float32("nan"), np.int64(-3), np.bool_(True), np.str_("word")),
    *(datetime.date(2020, 1, 1), pd.NA, pd.NaT, np.datetime64("2020-01-01"), range(3), float),
    *(("a",), (None,), (0,), (-1,), (2.5,), (np.nan,), (True,), ((1,),), ({},), (10**400,), [[2]]),
    *({0: -1}, {0: "a"}, {0: None}, {0: np.nan}, {"no such": 1}, {None: 1}, {0: [1]}, {0: 1j}),
    *(skdeep.MLPClassifier(), skdeep.MLPClassifier, iter([1]), "", " ", "Adam", ["flip"] * 2),
]
BAD_SEARCHES = {
    "estimator": [None, 3, "svc", object(), skdeep.MLPClassifier],
    "search_spaces": [
        *({}, [], "auto", 3, {"no_such": (0, 1)}, {"epochs": ()}, {"epochs": (2, 1)}),
        *({"epochs": (1, np.nan)}, {"epochs": "words"}, {"epochs": None}, {"epochs": []}),
        *({"learning_rate": (0, 1, "log")}, {"learning_rate": (1, 2, "lin")}, {3: (0, 1)}),
        *({"epochs": (1, 2, 3, 4)}, {"epochs": {1, 2}}, {"learning_rate": ("a", "b")}),
        *({"epochs": (True, 3)}, {"learning_rate": (1j, 2j)}, {"epochs": (1, 10**400)}),
        *({"learning_rate": (1, 2, [])}, {"learning_rate": (1, 2, None)}),
    ],
    "n_iter": [0, -1, 2.5, "ten", None, np.nan],
    "scoring": ["beauty", 3, {"a": "beauty"}, [], ["beauty"], b"accuracy"],
    "cv": [0, 1, -1, "five", 2.5, object()],
    "refit": [3, None],
    "n_jobs": ["two", 2.5],
    "error_score": ["rise", None, []],
    "return_train_score": ["yes", None, 3],
    "random_state": ["seed", -1, 2.5, [1], 2**32],
    "verbose": ["much", -1, None],
}


BAD_DEEP_FEATURES = {
    "estimator": [None, 3, "mlp", object()],
    "output": ["beauty", None, 3, [], b"features", ["features"]],
    "cv": BAD_SEARCHES["cv"],
}
BAD_BAGGED_FOLDS = {"estimator": BAD_DEEP_FEATURES["estimator"]} | {
    name: BAD_SEARCHES[name] for name in ("cv", "n_jobs", "random_state", "verbose")
}
# What marks a missing value, or is a number like others: categories have no wrong ones.
CATEGORIES = ("NaN", "1e300", "None", "NaT", "NA")


def allowed(name: str, value: Any, constraints: list, model: Any) -> bool:
    """Whether a hyper-parameter may have a value, as its declaration and its text have it."""
    if name in ("hidden_layer_sizes", "architecture", "image_shape", "augment", "callbacks"):
        return allowed_sequence(name, value, model)
    if name in ("class_weight", "model_params") and isinstance(value, dict):
        return not value
    for constraint in constraints:
        if constraint is None and value is None:
            return True
        if constraint == "boolean" and isinstance(value, bool | np.bool_):
            return True
        if constraint == "random_state":
            number = isinstance(value, Integral) and not isinstance(value, bool)
            if value is None or (number and 0 <= value < 2**32):
                return True
        if constraint == "cv_object":
            if isinstance(value, Integral):
                return value >= 2
            return value is None or (np.iterable(value) and not isinstance(value, str))
        if constraint == "verbose":
            if isinstance(value, bool | np.bool_) or (isinstance(value, Integral) and value >= 0):
                return True
        if constraint is callable and callable(value):
            return True
        if isinstance(constraint, StrOptions) and isinstance(value, str):
            return value in constraint.options
        if isinstance(constraint, Interval) and not isinstance(value, bool):
            if isinstance(value, constraint.type) and value in constraint:
                return True
    return False


def allowed_sequence(name: str, value: Any, model: Any) -> bool:
    if name == "callbacks":
        return isinstance(value, tuple | list) and all(map(callable, value))
    if name == "augment":
        return isinstance(value, tuple | list) and set(map(str, value)) <= {"flip"}
    if name == "image_shape":
        return value is None
    if name == "architecture":
        return isinstance(value, tuple | list) and len(value) == 0
    takes_empty = skdeep.MLPClassifier, skdeep.MLPRegressor, skdeep.EntityEmbedding
    coders = skdeep.Autoencoder, skdeep.VariationalAutoencoder
    empty = isinstance(model, (*takes_empty, *coders))
    if isinstance(value, np.ndarray):
        return value.ndim == 1
    return isinstance(value, tuple | list | range) and empty and len(value) == 0


@st.composite
def bad_parameters(draw, model: Any):
    """One hyper-parameter and a value that it must not have."""
    listed = BAD_DEEP_FEATURES if isinstance(model, skdeep.DeepFeatures) else BAD_SEARCHES
    if isinstance(model, skdeep.BaggedFoldsClassifier | skdeep.BaggedFoldsRegressor):
        listed = BAD_BAGGED_FOLDS
    declared = getattr(model, "_hyperparameters", listed)
    name = draw(st.sampled_from(sorted(declared)))
    if declared is listed:
        wrong = listed[name]
    else:
        constraint = declared[name].constraint
        wrong = [v for v in STRANGE_PARAMETERS if not allowed(name, v, constraint, model)]
    return name, draw(one_of(wrong))


# Calls ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Call:
    """A method of a subject with good arguments but one, which may be a hyper-parameter."""

    subject: int
    fitted: bool
    method: str
    argument: str
    damaged: Damaged
    is_parameter: bool = False

    def __repr__(self) -> str:
        make, parameters, X, _ = SUBJECTS[self.subject]
        return (
            f"{make.__name__}({parameters}){' fitted' * self.fitted}.{self.method} of "
            f"{type(X).__name__} with {self.argument}: {self.damaged}"
        )

    def _repr_pretty_(self, printer, cycle) -> None:
        printer.text(repr(self))  # or hypothesis writes all fields


OF_ROWS = ["predict", "predict_proba", "predict_log_proba", "decision_function", "transform"]
COUNTS = {"one less": N - 1, "one more": N + 1, "none": 0}
# What a search does not look into: that is for its splits and its fits.
OF_SEARCH = {
    name: NOTHING_LIKE_DATA[name]
    for name in (
        *("None", "a number", "a text", "bytes", "a set", "a generator", "an object", "a function"),
        *("a scalar array", "an empty list", "an empty array", "no text"),
    )
}


@st.composite
def calls(draw):
    """A call with one damaged argument."""
    subject = draw(st.integers(0, len(SUBJECTS) - 1))
    _, _, X, y = SUBJECTS[subject]  # y is None for what has no use for labels
    fitted = draw(st.booleans())
    model = made(subject, fitted)
    call = functools.partial(Call, subject, fitted)
    if draw(st.integers(0, 3)) == 0:
        return call("fit", *draw(bad_parameters(model)), is_parameter=True)
    classifier = is_classifier(model)
    if isinstance(model, skdeep.BayesSearchCV | skdeep.AnnealingSearchCV):
        return call("fit", draw(st.sampled_from(["X", "y"])), draw(one_of(OF_SEARCH)))
    if not hasattr(model, "partial_fit"):
        methods = ["fit", *["predict"] * fitted, *["score"] * (fitted and hasattr(model, "score"))]
    else:
        methods = ["fit", "fit", "partial_fit", *["predict"] * fitted]
        if hasattr(model, "predict"):
            methods += ["score", *["uncertainty"] * (y is not None)] * fitted
    method = draw(st.sampled_from(methods))
    if method == "predict":
        method = draw(st.sampled_from([name for name in OF_ROWS if hasattr(model, name)]))
        damaged = draw(bad_rows(X, known=True))
        if isinstance(model, skdeep.EntityEmbedding):
            assume(damaged.what.partition(" among the numbers")[0] not in CATEGORIES)
        return call(method, "X", damaged)
    if method == "uncertainty":
        if classifier:
            assume(hasattr(model, "predict_proba"))
            return call("predict_proba", "n_samples", draw(one_of(BAD_N_SAMPLES)))
        learnt = ["predict_quantiles"] if model.loss in ("gaussian", "quantile") else []
        method = draw(st.sampled_from(["predict", "predict_interval", *learnt]))
        if method == "predict_interval":
            return call(method, "coverage", draw(one_of(BAD_COVERAGES)))
        if method == "predict_quantiles":
            return call(method, "quantiles", draw(one_of(BAD_QUANTILES)))
        return call(method, "n_samples", draw(one_of(BAD_N_SAMPLES)))
    of_y = ["y"] * (y is not None)
    arguments = ["X", *of_y]
    if hasattr(model, "partial_fit") and method != "score":
        arguments += ["sample_weight"]
        if method == "fit":
            arguments += ["X_val", *(f"{name}_val" for name in of_y), "sample_weight_val"]
        elif classifier and not fitted and isinstance(y, np.ndarray) and y.ndim == 1:
            arguments += ["classes"]
    argument = draw(st.sampled_from(arguments))
    known = argument.endswith("_val") or method == "score" or (method == "partial_fit" and fitted)
    if argument.startswith("X"):
        damaged = draw(bad_rows(X, known))
        if isinstance(model, skdeep.EntityEmbedding):
            assume(damaged.what.partition(" among the numbers")[0] not in CATEGORIES)
        assume(damaged.what != "five axes" or known or "model" not in model.get_params())
        return call(method, argument, damaged)
    if argument.startswith("sample_weight"):
        return call(method, argument, draw(one_of(BAD_WEIGHTS)))
    if argument == "classes":
        return call(method, argument, draw(one_of(BAD_CLASSES)))
    if method == "score":
        name = draw(st.sampled_from(sorted(COUNTS)))
        value = [y[i % N] for i in range(COUNTS[name])]
        return call(method, argument, Damaged(name, value))
    return call(method, argument, draw(bad_targets(y, classifier, known)))


def made_call(call: Call, model: Any) -> None:
    """Make the call."""
    _, _, X, y = SUBJECTS[call.subject]
    arguments = {"X": X}
    if call.method in ("fit", "partial_fit", "score"):
        arguments["y"] = y
    if call.argument.endswith("_val"):
        arguments |= {"X_val": X} if y is None else {"X_val": X, "y_val": y}
    if not call.is_parameter:
        arguments[call.argument] = call.damaged.value
    getattr(model, call.method)(**arguments)


def state(model: Any) -> dict:
    return {name: id(value) for name, value in vars(model).items()}


def answer(call: Call, model: Any) -> Any:
    """What the model predicts of its good rows, in one array."""
    predict = model.predict if hasattr(model, "predict") else model.transform
    predicted = predict(SUBJECTS[call.subject][2])
    return np.concatenate(predicted) if isinstance(predicted, list) else predicted


def is_named(call: Call, message: str) -> bool:
    """Whether an error names the damaged argument, or says what scikit-learn says of it."""
    names = [re.escape(call.argument)]
    if call.method == "score" or SUBJECTS[call.subject][0] in (search, annealing):
        names += ["y_true", "inconsistent numbers of samples", "Input should have at least 1"]
        names += ["different number of", "sequence or array-like", "scoring", "scorers"]
    return re.search(rf"(?<!\w)({'|'.join(names)})(?!\w)", message) is not None


def check(call: Call) -> None:
    """Assert that a call is refused as it should be, and changes nothing."""
    model = made(call.subject, call.fitted)
    original = model.get_params(deep=False)
    expected = answer(call, model) if call.fitted else None
    if call.is_parameter:
        model.set_params(**{call.argument: call.damaged.value})
    before, begun = state(model), time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "X does not have valid feature names")
            made_call(call, model)
    except (ValueError, TypeError) as error:
        seconds, message = time.process_time() - begun, str(error)
        after = state(model)
    else:
        pytest.fail("accepted")
    finally:
        model.set_params(**original)
    assert is_named(call, message), f"{call.argument} is not named in {message!r}"
    assert after == before
    if call.fitted:
        np.testing.assert_array_equal(answer(call, model), expected)
    assert seconds < SECONDS


@pytest.fixture(scope="module")
def no_training():
    """Fail where training begins."""

    def never(*args, **kwargs):
        pytest.fail("training had begun")

    for subject in range(len(SUBJECTS)):
        made(subject, True)  # as the calls ask for it, or it would be made anew
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "train", never)
        yield


@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(call=calls())
def test_a_malformed_call_is_refused_by_name_at_once_and_changes_nothing(call, no_training):
    check(call)


@pytest.mark.slow
@settings(max_examples=5000, suppress_health_check=list(HealthCheck))
@given(call=calls())
def test_thousands_of_malformed_calls_are_refused(call, no_training):
    check(call)
