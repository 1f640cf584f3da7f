"""What is exported says what predict says, in a process that has no skdeep."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import is_classifier
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    PowerTransformer,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)

from skdeep import (
    CNNClassifier,
    CNNRegressor,
    MLPClassifier,
    MLPRegressor,
    NetworkClassifier,
    NetworkRegressor,
    NetworkTransformer,
    RNNClassifier,
    RNNRegressor,
    config_context,
    export,
)

HAS_ONNX = all(map(importlib.util.find_spec, ("onnx", "onnxruntime")))
needs_onnx = pytest.mark.skipif(not HAS_ONNX, reason="needs onnx and onnxruntime")
FORMATS = ["saved_model", pytest.param("onnx", marks=needs_onnx)]
N = 40
RNG = np.random.default_rng(0)


def padded(rows, padding, dtype=None):
    """Rows of unequal length as one array."""
    array = np.full((len(rows), max(map(len, rows)), *np.shape(rows[0])[1:]), padding, dtype)
    for filled, row in zip(array, rows, strict=True):
        filled[: len(row)] = row
    return array


def small(kind, **settings):
    return kind(**{"epochs": 1, "random_state": 0} | settings)


TABLE = RNG.normal(size=(N, 5))
THREE, NAMED = RNG.integers(0, 3, N), np.array(["no", "yes"])[RNG.integers(0, 2, N)]
LABELS = RNG.integers(0, 2, (N, 3))
COLUMNS = np.column_stack([THREE, LABELS[:, 0]])
NUMBER = 1e6 + RNG.normal(size=N)  # in float32 nothing of its variation is left
NUMBERS = np.column_stack([NUMBER, RNG.normal(size=N)])
WIDE = sp.random(N, 5000, 0.01, format="csr", random_state=0)
IMAGES = RNG.integers(0, 256, (N, 9, 9), dtype=np.uint8)
SERIES = RNG.normal(size=(N, 12, 3))
ROWS = [RNG.normal(size=(n, 2)) for n in RNG.integers(1, 8, N)]
TEXTS = ["the cat sat", "a dog, and the cat", "birds fly far away", "a dog!"] * (N // 4)
WORDS = [re.findall(r"\w+|[^\w\s]", text) for text in TEXTS]
TOKENS = [RNG.integers(0, 30, n) for n in RNG.integers(1, 8, N)]

# By name: estimator, what it is fitted on, targets, and what is served (X, if nothing else).
NETWORKS = {
    "softmax": (
        small(MLPClassifier, activation="gelu", normalization="layer", dropout=0.2),
        TABLE,
        THREE,
    ),
    "sigmoid": (
        small(MLPClassifier, activation="sigmoid", normalization="batch", calibrate=True),
        TABLE,
        NAMED,
    ),
    "labels": (small(MLPClassifier), TABLE, LABELS),
    "columns": (small(MLPClassifier, calibrate=True), TABLE, COLUMNS),
    "squared": (small(MLPRegressor, activation="tanh"), TABLE, NUMBER),
    "gaussian": (small(MLPRegressor, loss="gaussian"), TABLE, NUMBERS),
    "quantile": (small(MLPRegressor, loss="quantile"), TABLE, NUMBERS),
    "wide": (small(MLPClassifier), WIDE, THREE, WIDE.toarray()),
    "images": (small(CNNClassifier), IMAGES, NAMED),
    "flat images": (
        small(CNNRegressor, architecture=(3,), image_shape=(6, 5, 2)),
        RNG.normal(size=(N, 6 * 5 * 2)),
        NUMBER,
    ),
    "members": (
        small(CNNClassifier, architecture=(3,), ensemble_size=2, calibrate=True),
        IMAGES,
        THREE,
    ),
    "fcn": (small(CNNClassifier, architecture="fcn"), SERIES, THREE),
    "last": (
        small(RNNClassifier, hidden_layer_sizes=(5, 4), bidirectional=True, dropout=0.2),
        ROWS,
        NAMED,
        padded(ROWS, np.nan),
    ),
    "attention": (
        small(RNNClassifier, cell="simple", pooling="attention"),
        ROWS,
        THREE,
        padded(ROWS, np.nan),
    ),
    "mean": (
        small(RNNRegressor, cell="gru", pooling="mean", bidirectional=True),
        ROWS,
        NUMBER,
        padded(ROWS, np.nan),
    ),
    "equal rows": (small(RNNClassifier), SERIES, THREE),
    "flat rows": (small(RNNRegressor, n_steps=4), SERIES.reshape(N, -1), NUMBER),
    "a label for each step": (
        small(RNNClassifier, bidirectional=True),
        ROWS,
        [RNG.integers(0, 3, len(row)) for row in ROWS],
        padded(ROWS, np.nan),
    ),
    "numbers for each step": (
        small(RNNRegressor, loss="gaussian"),
        ROWS,
        [1e6 + row for row in ROWS],
        padded(ROWS, np.nan),
    ),
    "texts": (small(RNNClassifier, max_vocabulary=8), TEXTS, NAMED, padded(WORDS, "", object)),
    "tokens": (
        small(RNNClassifier, embedding_size=3, max_vocabulary=20),
        TOKENS,
        THREE,
        padded(TOKENS, -1),
    ),
}


def own_model(input_shape, n_outputs, activation="linear", width=None):
    rows = keras.Input(input_shape)
    x = keras.layers.Dense(4, activation="tanh")(rows)
    return keras.Model(rows, keras.layers.Dense(width or n_outputs, activation=activation)(x))


def own_texts(n_outputs):
    parts = [keras.Input((6,), dtype="int32"), keras.layers.Embedding(9, 3)]
    return keras.Sequential([*parts, keras.layers.LSTM(4), keras.layers.Dense(n_outputs)])


def own_ends(input_shape, n_outputs, wrap):
    model = own_model(input_shape, n_outputs)
    return keras.Model(model.inputs, wrap(model.outputs[0]))


def in_a_dict(output):
    return {"mine": output}


def in_a_list(output):
    return [output]


def own(kind, **settings):
    return small(kind, **{"model": own_model} | settings)


OWN_MODELS = {
    "own logits": (own(NetworkClassifier), TABLE, THREE),
    "own probabilities of two": (
        own(NetworkClassifier, model__activation="softmax", model__width=2, calibrate=True),
        TABLE,
        NAMED,
    ),
    "own sigmoid": (own(NetworkClassifier, model__activation="sigmoid"), TABLE, NAMED),
    "own scores": (own(NetworkClassifier, loss="categorical_hinge"), TABLE, THREE),
    "own numbers": (own(NetworkRegressor, loss="huber"), TABLE, NUMBERS),
    "own dict": (own(NetworkClassifier, model=own_ends, model__wrap=in_a_dict), TABLE, THREE),
    "own list": (own(NetworkRegressor, model=own_ends, model__wrap=in_a_list), TABLE, NUMBER),
    "own texts": (own(NetworkClassifier, model=own_texts), RNG.integers(0, 9, (N, 6)), NAMED),
}
NETWORKS |= OWN_MODELS

GAPS = np.where(RNG.random((N, 5)) < 0.2, np.nan, TABLE)
CITIES = RNG.choice(["Oslo", "Rom", "Köln"], (N, 2)).astype(object)
CODES = RNG.integers(0, 3, (N, 2)).astype(float)
PEOPLE = pd.DataFrame(
    {
        "age (years)": RNG.normal(40, 10, N),
        "city": CITIES[:, 0].copy(),
        "class": CODES[:, 0],
        "fare": GAPS[:, 0],
    }
)
PEOPLE.loc[::7, "city"] = np.nan
SERVED_PEOPLE = {
    "age__years_": PEOPLE["age (years)"].to_numpy(),
    "city": PEOPLE["city"].fillna("").to_numpy(dtype=object),
    "x_class": PEOPLE["class"].to_numpy(),
    "fare": PEOPLE["fare"].to_numpy(),
}


def before(*steps):
    return make_pipeline(*steps, small(MLPClassifier))


PIPELINES = {
    # Cancellation: in float32 all rows would be alike.
    "numbers of a large mean": (before(StandardScaler()), TABLE + 1e9),
    "strings": (before(OneHotEncoder()), CITIES),
    "strings by target": (before(TargetEncoder(), PowerTransformer()), CITIES),
    "strings beside numbers": (
        before(
            make_column_transformer(
                (make_pipeline(SimpleImputer(), StandardScaler()), ["fare", "age (years)"]),
                (
                    make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder()),
                    ["city"],
                ),
                remainder="passthrough",
            )
        ),
        PEOPLE,
        SERVED_PEOPLE,
    ),
    "search of a nested Pipeline": (
        GridSearchCV(
            make_pipeline("passthrough", before(PCA(3))), {"passthrough": [StandardScaler()]}, cv=2
        ),
        TABLE,
    ),
}
REFUSED = {  # by predict are all rows but the first
    "NaN": (
        small(MLPClassifier),
        TABLE,
        THREE,
        [[0.0] * 5, [np.nan] * 5, [0.0, 0.0, np.inf, 0.0, 0.0]],
    ),
    "infinity that is clipped": (
        before(MinMaxScaler(clip=True)),
        TABLE,
        THREE,
        [[9.0] * 5, [0.0, np.inf, 0.0, 0.0, 0.0]],
    ),
    "an unknown category": (before(OneHotEncoder()), CITIES, THREE, [["Rom"] * 2, ["Rom", "Bonn"]]),
    "no integers": (
        make_pipeline(SimpleImputer(), own(NetworkClassifier, model=own_texts)),
        RNG.integers(0, 9, (N, 6)).astype(float),
        NAMED,
        [[1.0] * 6, [1.5] * 6, [1.0] * 5 + [2.0**31], [-(2.0**31) - 1] + [1.0] * 5],
    ),
    "no bytes": (
        make_pipeline(FunctionTransformer(), small(CNNClassifier, image_shape=(9, 9, 1))),
        IMAGES.reshape(N, -1),
        NAMED,
        [[255.0] * 81, [256.0] * 81, [-1.0] * 81, [0.5] * 81],
    ),
    "no steps": (small(RNNClassifier), ROWS, THREE, [[[0.0, 0.0]], [[np.nan, 0.0]]]),
    "no tokens": (small(RNNClassifier), TEXTS, NAMED, [["cat"], [""]]),
}
CASES = NETWORKS | {name: (*case[:2], THREE, *case[2:]) for name, case in PIPELINES.items()}


@pytest.fixture(scope="module")
def models():
    return {name: case[0].fit(*case[1:3]) for name, case in (CASES | REFUSED).items()}


@pytest.fixture(scope="module")
def judged(models, tmp_path_factory):
    """A function from a format to the folder of all cases, with what the judge made of them."""
    folders = {}

    def judge(form):
        if form in folders:
            return folders[form]
        folders[form] = folder = tmp_path_factory.mktemp(form)
        for name, model in models.items():
            (folder / name).mkdir()
            export(model, folder / name / "export", format=form)
            np.savez(folder / name / "rows.npz", **served(name))
        command = [sys.executable, Path(__file__).with_name("judge.py"), form, folder]
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return folder

    return judge


def served(name):
    """The inputs of a case by name, in the dtypes that its export asks for."""
    case = (CASES | REFUSED)[name]
    rows = case[-1] if len(case) > 3 else case[1]
    if isinstance(rows, dict):
        return {k: a.astype("U") if a.dtype == object else a for k, a in rows.items()}
    rows = np.asarray(rows)
    if rows.dtype.kind == "O":
        rows = rows.astype("U")
    elif name == "own texts":
        rows = rows.astype("int32")
    elif rows.dtype.kind == "f" and not isinstance(case[0], Pipeline | GridSearchCV):
        rows = rows.astype("float32")
    return {"rows": rows}


def expected(name, model):
    """What an export is to say, by name."""
    as_fitted = name in NETWORKS or CASES[name][1] is PEOPLE
    X = CASES[name][1] if as_fitted else served(name)["rows"].astype(CASES[name][1].dtype)
    if not is_classifier(model):
        if name in ("gaussian", "quantile", "numbers for each step"):
            return dict(zip(("values", "std"), model.predict(X, return_std=True), strict=True))
        return {"values": model.predict(X)}
    if name == "own scores":
        return {"labels": model.predict(X)}
    probabilities, labels = model.predict_proba(X), model.predict(X)
    if name != "columns":
        return {"probabilities": probabilities, "labels": labels}
    named = {f"probabilities_{i}": part for i, part in enumerate(probabilities)}
    return named | {f"labels_{i}": part for i, part in enumerate(labels.T)}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("form", FORMATS)
def test_an_export_says_what_predict_says(judged, models, form, name):
    folder, wanted = judged(form) / name, expected(name, models[name])
    with np.load(folder / "all.npz") as found, np.load(folder / "one.npz") as first:
        assert set(found) == set(wanted)
        for output, values in wanted.items():
            for outputs, rows in ((found[output], values), (first[output], values[:1])):
                if isinstance(rows, list):  # of steps
                    outputs = np.concatenate([o[: len(r)] for o, r in zip(outputs, rows)])
                    rows = np.concatenate(rows)
                assert outputs.shape == rows.shape
                if output.startswith("labels"):
                    np.testing.assert_array_equal(outputs, rows)
                else:
                    np.testing.assert_allclose(outputs, rows, rtol=0, atol=1e-5)


@pytest.fixture(scope="module")
def model():
    return before(StandardScaler()).fit(TABLE, NAMED)


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("form", FORMATS)
def test_rows_that_predict_refuses_have_nan(judged, form, name):
    with np.load(judged(form) / name / "all.npz") as found:
        refused = np.isnan(found["probabilities"]).all(axis=1)
        assert not refused[0]
        assert refused[1:].all()


def test_an_export_is_replaced_whole_and_only_by_a_whole_one(model, tmp_path):
    place = tmp_path / "served"
    export(model, place)
    (place / "saved_model.pb").write_bytes(b"old")
    with pytest.raises(TypeError, match="SplineTransformer"):
        export(before(SplineTransformer()).fit(TABLE, NAMED), place)
    assert (place / "saved_model.pb").read_bytes() == b"old"
    export(model, place)
    assert len((place / "saved_model.pb").read_bytes()) > 1000
    assert [part.name for part in tmp_path.iterdir()] == ["served"]


def test_an_export_that_cannot_be_put_in_place_leaves_the_old_one(model, tmp_path, monkeypatch):
    place, replace = tmp_path / "served", os.replace
    export(model, place)
    (place / "saved_model.pb").write_bytes(b"old")

    def refuse(source, target):
        if Path(source).name == "new":
            raise OSError("no room")
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="no room"):
        export(model, place)
    assert (place / "saved_model.pb").read_bytes() == b"old"
    assert [part.name for part in tmp_path.iterdir()] == ["served"]


@pytest.mark.parametrize("form", FORMATS)
def test_a_link_stays_one(model, tmp_path, form):
    place, link = tmp_path / "folder" / "served", tmp_path / "link"
    place.parent.mkdir()
    link.symlink_to(place)
    for _ in range(2):  # to nothing yet, and to an export
        export(model, link, format=form)
        assert link.is_symlink()
        assert list(place.parent.iterdir()) == [place]
        assert place.is_dir() == (form == "saved_model")


def test_what_is_no_export_is_never_replaced(model, tmp_path):
    notes = tmp_path / "notes.txt"
    notes.write_text("mine", encoding="utf-8")
    for place in (tmp_path, notes):
        with pytest.raises(FileExistsError, match="give another path"):
            export(model, place)
    assert notes.read_text(encoding="utf-8") == "mine"


@needs_onnx
def test_the_path_says_the_format(model, tmp_path):
    for name in ("a.onnx", "b"):
        export(model, tmp_path / name)
    assert (tmp_path / "a.onnx").is_file()
    assert (tmp_path / "b" / "saved_model.pb").is_file()


@needs_onnx
def test_a_folder_is_no_place_for_onnx(model, tmp_path):
    with pytest.raises(IsADirectoryError, match="a file"):
        export(model, tmp_path, format="onnx")


def test_without_onnx_the_error_says_what_to_install(model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    for name in ("onnx_model", "onnx_layers", "onnx_operations"):
        monkeypatch.delitem(sys.modules, f"skdeep.serving.{name}", raising=False)
        monkeypatch.delattr(f"skdeep.serving.{name}", raising=False)
    with pytest.raises(ImportError, match=r'pip install "skdeep\[onnx\]"'):
        export(model, tmp_path / "served.onnx", format="onnx")


@pytest.mark.parametrize(
    ("estimator", "error", "message"),
    [
        (MLPClassifier(), NotFittedError, "not fitted"),
        (own(NetworkTransformer, model=None).fit(TABLE), TypeError, "NetworkTransformer does not"),
        (LinearRegression().fit(TABLE, NUMBER), TypeError, "network of skdeep is needed"),
    ],
)
def test_what_is_no_fitted_network_is_refused(tmp_path, estimator, error, message):
    with pytest.raises(error, match=message):
        export(estimator, tmp_path / "served")


def test_other_formats_are_refused(model, tmp_path):
    with pytest.raises(ValueError, match="format must be 'saved_model' or 'onnx', but is 'h5'"):
        export(model, tmp_path / "served", format="h5")


@pytest.mark.parametrize("padding", ["", -1])
def test_a_vocabulary_that_has_the_padding_is_refused(tmp_path, padding):
    other = "b" if padding == "" else 2
    model = small(RNNClassifier, embedding_size=2).fit([[padding], [other]] * 4, [0, 1] * 4)
    with pytest.raises(ValueError, match=f"has the token {padding!r}"):
        export(model, tmp_path / "served")


def test_columns_that_would_share_a_name_are_refused(tmp_path):
    X = pd.DataFrame({"a b": CITIES[:, 0], "a-b": TABLE[:, 0]})
    model = before(make_column_transformer((OneHotEncoder(), ["a b"]), remainder="passthrough"))
    with pytest.raises(ValueError, match="names that are equal"):
        export(model.fit(X, NAMED), tmp_path / "served")


@needs_onnx
@pytest.mark.parametrize(
    "name", ["softmax", "wide", "images", "mean", "tokens", "own scores", "own texts", "strings"]
)
def test_a_network_that_onnxruntime_computes_otherwise_is_refused(
    models, tmp_path, monkeypatch, name
):
    from skdeep.serving import onnx_layers

    def almost(ops, layer, x):
        return onnx_layers._dense(ops, layer, x) * 1.01

    monkeypatch.setitem(onnx_layers._LAYERS, keras.layers.Dense, almost)
    place = tmp_path / "served.onnx"
    place.write_bytes(b"old")
    with pytest.raises(ValueError, match=r"other outputs .*'saved_model'"):
        export(models[name], place)
    assert place.read_bytes() == b"old"


@needs_onnx
def test_a_network_that_onnxruntime_cannot_run_is_refused(tmp_path):
    with config_context(precision="float64"):
        model = small(RNNClassifier).fit(SERIES, THREE)
    with pytest.raises(ValueError, match=r"cannot run .*'saved_model'"):
        export(model, tmp_path / "served.onnx")


@needs_onnx
def test_bfloat16_is_not_for_onnx(tmp_path):
    with config_context(precision="mixed_bfloat16"):
        model = small(MLPClassifier).fit(TABLE, THREE)
    with pytest.raises(ValueError, match=r"'mixed_bfloat16'.*'saved_model'"):
        export(model, tmp_path / "served.onnx", format="onnx")
