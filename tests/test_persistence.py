"""One file for estimators and their containers: equal predictions, and no code from a file."""

import copy
import dataclasses
import hashlib
import io
import json
import os
import pickle
import pickletools
import re
import subprocess
import sys
import time
import warnings
import zipfile
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import safetensors.numpy
import scipy.sparse as sp
import scipy.stats
import sklearn
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import (
    TransformedTargetRegressor,
    make_column_selector,
    make_column_transformer,
)
from sklearn.covariance import EllipticEnvelope, EmpiricalCovariance
from sklearn.datasets import load_iris
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.exceptions import InconsistentVersionWarning, UnsetMetadataPassedError
from sklearn.feature_extraction import DictVectorizer, FeatureHasher
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, make_scorer
from sklearn.model_selection import GridSearchCV, KFold, RandomizedSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    SplineTransformer,
    StandardScaler,
)
from sklearn.svm import SVC, SVR, NuSVC, NuSVR, OneClassSVM
from sklearn.tree import DecisionTreeClassifier
from skopt.space import Categorical, Integer, Real

import skdeep
from skdeep import (
    BayesSearchCV,
    CNNClassifier,
    CNNRegressor,
    GaussianProcessRegressor,
    LoadError,
    MLPClassifier,
    MLPRegressor,
    NetworkClassifier,
    RNNClassifier,
)
from skdeep.callbacks import GradientNorms
from skdeep.gaussian_process import RBF, Exponential, LogNormal, Matern52, Warped
from skdeep.optimizers import SGD, AdamW
from skdeep.persistence import Encoder, files
from skdeep.persistence.audit import Audit
from skdeep.schedules import Cosine

X, y = load_iris(return_X_y=True)
X = X.astype(np.float32)
QUICK = {"epochs": 2, "hidden_layer_sizes": (5,), "random_state": 0}


def mlp(**parameters):
    return MLPClassifier(**(QUICK | parameters))


def halve(state):
    """A callback of the user's."""
    state.learning_rate_factor *= 0.5


def decay(epoch):
    """A schedule of the user's."""
    return 0.9**epoch


def doubled(X):
    """A transformation of the user's."""
    return 2 * X


class Shift(TransformerMixin, BaseEstimator):
    """A transformer of the user's."""

    def __init__(self, by=1.0):
        self.by = by

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return X + self.by


class Watch:
    """A callback of the user's, with a state."""

    def __init__(self):
        self.losses = []

    def on_epoch_end(self, state):
        self.losses.append(state.logs["loss"])


class Deep(MLPClassifier):
    """An estimator of the user's."""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.skdeep"


@pytest.fixture(scope="module")
def fitted():
    return mlp().fit(X, y)


def reloaded(model, path, **options):
    skdeep.save(model, path)
    return skdeep.load(path, **options)


def answers(model, X):
    """All that a model tells of rows, as a list of arrays."""
    told = [model.predict(X)]
    for name in ("predict_proba", "decision_function", "transform"):
        if hasattr(model, name):
            found = getattr(model, name)(X)
            told += found if isinstance(found, list) else [found]
    if hasattr(model, "leave_one_out"):
        told += [*model.predict(X, return_std=True), model.sample_y(X), *model.leave_one_out()]
    return [np.asarray(part.toarray() if sp.issparse(part) else part) for part in told]


def assert_same_answers(loaded, model, X):
    for found, expected in zip(answers(loaded, X), answers(model, X), strict=True):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


# Equal predictions ----------------------------------------------------------------------------

NAMES = np.array(["setosa", "versicolor", "virginica"])
TARGETS = {
    "str": NAMES[y],
    "object": NAMES.astype(object)[y],
    "bool": y == 1,
    "int8": y.astype(np.int8),
    "uint64": y.astype(np.uint64) + 2**63,
    "float": y + 1.0,
    "big-endian": y.astype(">i4"),
}


@pytest.mark.parametrize("kind", TARGETS)
def test_labels_come_back_as_they_were(kind, path):
    model = mlp().fit(X, TARGETS[kind])
    loaded = reloaded(model, path)
    assert loaded.classes_.dtype == model.classes_.dtype
    assert [type(c) for c in loaded.classes_] == [type(c) for c in model.classes_]
    assert_same_answers(loaded, model, X)


two_columns = np.column_stack([y, y % 2])
REGRESSION = {"epochs": 2, "random_state": 0}
OURS = {
    "stopping": (mlp(early_stopping=True, patience=1), X, y),
    "scorer": (mlp(early_stopping="accuracy", epochs=3), X, y),
    "optimizer": (mlp(optimizer=SGD(momentum=0.9), learning_rate_schedule="cosine"), X, y),
    "schedule": (mlp(optimizer=AdamW(), learning_rate_schedule=Cosine(epochs=3)), X, y),
    "list": (mlp(hidden_layer_sizes=[6, 5], normalization="batch", dropout=0.1), X, y),
    "numpy parameters": (mlp(learning_rate=np.float32(0.02), epochs=np.int64(3)), X, y),
    "weights of classes": (mlp(class_weight={0: 1, 1: 2, 2: 0.5}), X, y),
    "weights of truths": (mlp(class_weight={False: 1, True: 9}), X, y == 1),
    "weights of names": (mlp(class_weight={"setosa": 3}), X, NAMES[y]),
    "multilabel": (mlp(), X, np.column_stack([y == 0, y == 1]).astype(int)),
    "multioutput": (mlp(), X, two_columns),
    "wide": (mlp(), sp.random(150, 5000, 0.01, "csr", np.float32, random_state=0), y),
    "frame": (mlp(), pd.DataFrame(X, columns=list("abcd")), y),
    "mlp regressor": (MLPRegressor(**REGRESSION), X, X[:, 0]),
    "regressor of two": (MLPRegressor(**REGRESSION), X, X[:, :2]),
    "cnn": (CNNClassifier(architecture=(3,), **REGRESSION), X, y),
    "cnn of bytes": (CNNClassifier(**REGRESSION), (25 * X).astype(np.uint8), y),
    "cnn regressor": (CNNRegressor(augment=["shift"], **REGRESSION), X, X[:, 0]),
    "gaussian": (MLPRegressor(loss="gaussian", **REGRESSION), X, X[:, 0]),
    "quantiles": (MLPRegressor(loss="quantile", **REGRESSION), X, X[:, 0]),
    "temperature": (mlp(calibrate=True), X, y),
    "ensemble": (CNNClassifier(architecture="fcn", ensemble_size=2, **REGRESSION), X, y),
    "sequences": (
        RNNClassifier(**REGRESSION),
        [list(row[: 2 + i % 3]) for i, row in enumerate(X)],
        y,
    ),
    "texts": (
        RNNClassifier(**REGRESSION),
        [" ".join(["good", "bad", "ugly"][: 1 + n]) for n in y],
        y,
    ),
    "callbacks of ours": (mlp(callbacks=[GradientNorms()]), X, y),
    "process": (GaussianProcessRegressor(random_state=0), X[:30], X[:30, 0]),
    "process of parts": (
        GaussianProcessRegressor(
            kernel=Warped(Matern52(columns=[0]))
            + RBF(columns=[1, 2], lengthscale=[0.5, LogNormal(1.0, 0.5)])
            * Exponential(columns=[3], categorical=(3,), variance=1.0),
            prior_mean=3.0,
            noise=LogNormal(0.1, 1.0),
            y_transform="power",
            random_state=0,
        ),
        X[:30].round(),
        X[:30, 0],
    ),
}


@pytest.mark.parametrize("name", OURS)
def test_our_estimators_come_back_to_the_bit(name, path):
    model, rows, target = OURS[name]
    model = clone(model).fit(rows, target)
    loaded = reloaded(model, path)
    assert_same_answers(loaded, model, rows)
    assert repr(loaded) == repr(model)
    if hasattr(model, "history_"):
        pd.testing.assert_frame_equal(loaded.history_, model.history_)
        assert (loaded.n_iter_, loaded.best_epoch_) == (model.n_iter_, model.best_epoch_)
    if hasattr(model, "feature_names_in_"):
        assert loaded.feature_names_in_.tolist() == list("abcd")


def test_precision_of_a_fit_comes_back(path):
    with skdeep.config_context(precision="float64"):
        model = mlp().fit(X, y)
    assert_same_answers(reloaded(model, path), model, X)


def test_an_unfitted_estimator_comes_back_unfitted(path):
    loaded = reloaded(mlp(optimizer=SGD(momentum=0.5)), path)
    assert loaded.optimizer.momentum == 0.5
    assert_same_answers(loaded.fit(X, y), mlp(optimizer=SGD(momentum=0.5)).fit(X, y), X)


@pytest.mark.parametrize("rows", [X, sp.random(150, 5000, 0.01, "csr", np.float32)])
def test_a_loaded_estimator_goes_on_to_the_same_bits(rows, path):
    model = mlp(warm_start=True, dropout=0.2, batch_size=50).fit(rows, y)
    loaded = reloaded(model, path)
    assert_same_answers(loaded.fit(rows, y), model.fit(rows, y), rows)


frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "kind": NAMES[y[::-1]]})
selected = make_column_transformer(
    (
        make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()),
        make_column_selector(dtype_include="number"),
    ),
    (
        OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=2),
        make_column_selector(dtype_exclude="number"),
    ),
)
columns = make_column_transformer(
    (make_pipeline(StandardScaler(), mlp(epochs=1)), ["a", "b"]),
    (OneHotEncoder(handle_unknown="ignore"), ["kind"]),
)
forest = RandomForestClassifier(3, random_state=0)
CONTAINERS = {
    "pipeline": (make_pipeline(StandardScaler(), SelectKBest(k=2), mlp()), X),
    "columns": (make_pipeline(columns, mlp()), frame),
    "selected": (make_pipeline(selected, mlp()), frame),
    "stack": (
        StackingClassifier(
            [
                ("network", mlp()),
                ("forest", forest),
                ("extra", ExtraTreesClassifier(3, random_state=0)),
                ("boosted", GradientBoostingClassifier(n_estimators=2)),
                ("histogram", HistGradientBoostingClassifier(max_iter=2)),
                ("ada", AdaBoostClassifier(n_estimators=2)),
                ("bags", BaggingClassifier(n_estimators=2, max_features=0.5, random_state=0)),
            ],
            make_pipeline(StandardScaler(), mlp()),
            cv=2,
        ),
        X,
    ),
    "neighbours": (
        StackingClassifier(
            [
                ("network", mlp()),
                ("tree", KNeighborsClassifier()),
                ("balls", KNeighborsClassifier(algorithm="ball_tree", p=1)),
                ("splines", make_pipeline(SplineTransformer(), LogisticRegression())),
            ],
            cv=2,
        ),
        X,
    ),
    "vote": (VotingClassifier([("a", mlp()), ("b", LogisticRegression())], voting="soft"), X),
    "bags": (BaggingClassifier(mlp(), n_estimators=2, max_features=0.5, random_state=0), X),
    "grid": (
        GridSearchCV(
            make_pipeline(StandardScaler(), mlp()),
            {"mlpclassifier__dropout": [0.0, 0.1]},
            scoring="accuracy",
            cv=KFold(2, shuffle=True, random_state=0),
        ),
        X,
    ),
    "several scores": (
        GridSearchCV(
            mlp(),
            {"epochs": [1, 2]},
            scoring={"f1": make_scorer(f1_score, average="macro"), "loss": "neg_log_loss"},
            refit="f1",
            cv=2,
        ),
        X,
    ),
    "distributions": (
        RandomizedSearchCV(
            mlp(),
            {
                "learning_rate": scipy.stats.loguniform(1e-3, 1e-1),
                "batch_size": scipy.stats.randint(20, high=60),
            },
            n_iter=2,
            cv=2,
            random_state=0,
        ),
        X,
    ),
    "declared space": (BayesSearchCV(mlp(), n_iter=2, cv=2, random_state=0), X),
    "dimensions": (
        BayesSearchCV(
            mlp(),
            {
                "learning_rate": Real(1e-3, 1e-1, prior="log-uniform"),
                "batch_size": Integer(20, 60),
                "activation": Categorical(["relu", "tanh"], prior=[0.3, 0.7]),
            },
            n_iter=2,
            cv=2,
            random_state=0,
        ),
        X,
    ),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_containers_come_back_to_the_bit(name, path):
    model, rows = CONTAINERS[name]
    model = clone(model).fit(rows, y)
    loaded = reloaded(model, path)
    assert_same_answers(loaded, model, rows)
    if hasattr(model, "cv_results_"):
        assert loaded.best_params_ == model.best_params_
        scores = {k: v for k, v in model.cv_results_.items() if "score" in k}
        for key, values in scores.items():
            np.testing.assert_array_equal(loaded.cv_results_[key], values)


@pytest.mark.parametrize("name", ["distributions", "dimensions"])
def test_a_loaded_search_searches_as_before(name, path):
    model, rows = CONTAINERS[name]
    found = reloaded(model, path).fit(rows, y)
    expected = clone(model).fit(rows, y)
    assert found.cv_results_["params"] == expected.cv_results_["params"]


def test_a_transformed_target_comes_back(path):
    inner = make_pipeline(StandardScaler(), MLPRegressor(**REGRESSION))
    functions = {"func": np.log1p, "inverse_func": np.expm1, "check_inverse": False}
    model = TransformedTargetRegressor(inner, **functions)
    model.fit(X, X[:, 0])
    assert_same_answers(reloaded(model, path), model, X)


def test_one_estimator_at_two_places_is_one_and_saved_once(path, fitted):
    stack = StackingClassifier([("a", fitted)], cv="prefit").fit(X, y)
    loaded = reloaded(stack, path)
    assert loaded.estimators_[0] is loaded.named_estimators_["a"]
    assert len(json.loads(files.read(path, "estimator")["fits.json"])) == 1


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def with_validation_rows():
    """The Pipeline that the docstring of fit tells of."""
    model = mlp(early_stopping=True).set_fit_request(X_val=True, y_val=True, sample_weight="w")
    return Pipeline([("scale", StandardScaler()), ("model", model)], transform_input=["X_val"])


@pytest.mark.usefixtures("routing")
def test_requests_of_metadata_come_back_and_route(path):
    rows = {"X_val": 3 * X[::2], "y_val": y[::2], "w": 1.0 + y}
    model = with_validation_rows().fit(X, y, **rows)
    loaded = reloaded(model, path)
    assert_same_answers(loaded, model, X)
    assert repr(loaded.get_metadata_routing()) == repr(model.get_metadata_routing())
    again = loaded.fit(X, y, **rows)
    assert_same_answers(again, model, X)
    assert "val_loss" in again[-1].history_
    assert again[-1].get_metadata_routing().fit.requests["sample_weight"] == "w"
    changed = again[-1].set_fit_request(sample_weight=False).get_metadata_routing()
    assert changed.fit.requests["sample_weight"] is False


@pytest.mark.usefixtures("routing")
def test_requests_of_scikit_learns_estimators_and_scorers_come_back(path):
    line = LogisticRegression().set_fit_request(sample_weight=True)
    scorer = make_scorer(f1_score, average="macro").set_score_request(sample_weight="w")
    model = GridSearchCV(make_pipeline(StandardScaler(), line), {}, scoring=scorer, cv=2)
    weights = {"sample_weight": 1.0 + y, "w": 3.0 - y}
    model.estimator[0].set_fit_request(sample_weight=False)
    loaded = reloaded(model, path).fit(X, y, **weights)
    model.fit(X, y, **weights)
    assert_same_answers(loaded, model, X)
    assert loaded.best_score_ == model.best_score_


@pytest.mark.usefixtures("routing")
def test_what_a_loaded_estimator_did_not_request_is_told_with_its_name(path):
    model = make_pipeline(mlp().set_fit_request(sample_weight=None))
    with pytest.raises(UnsetMetadataPassedError, match="MLPClassifier") as error:
        model.fit(X, y, sample_weight=1.0 + y)
    with pytest.raises(UnsetMetadataPassedError, match=re.escape(str(error.value))):
        reloaded(model, path).fit(X, y, sample_weight=1.0 + y)


def test_a_cycle_through_an_estimator_blames_what_closes_it(path):
    watch = Watch()
    watch.model = mlp(callbacks=[watch])
    with pytest.raises(TypeError, match=r"callbacks of MLPClassifier .* in it holds itself"):
        skdeep.save(watch.model, path)
    model = mlp()
    model.itself = model
    with pytest.raises(TypeError, match="MLPClassifier cannot be saved: something in it refers to"):
        skdeep.save(model, path)


# Functions and classes of the user's ----------------------------------------------------------

CUSTOM = {
    "callbacks": (mlp(callbacks=[halve]), {"halve": halve}),
    "schedule": (mlp(learning_rate_schedule=decay), {"decay": decay}),
    "step": (make_pipeline(FunctionTransformer(doubled), mlp()), {"doubled": doubled}),
    "transformer": (make_pipeline(Shift(by=3.0), mlp()), {"Shift": Shift}),
    "object": (mlp(callbacks=[Watch()]), {"Watch": Watch}),
    "method": (mlp(callbacks=[Watch().on_epoch_end]), {"Watch": Watch}),
    "lambda": (mlp(callbacks=[lambda state: None]), {"<lambda>": halve}),
    "partial": (
        make_pipeline(FunctionTransformer(partial(np.multiply, 2)), mlp()),
        {"functools.partial": partial},
    ),
    "subclass": (Deep(epochs=2), {"Deep": Deep}),
}


@pytest.mark.parametrize("case", CUSTOM)
def test_what_is_the_users_is_refused_by_name_unless_it_is_passed(case, path):
    model, given = CUSTOM[case]
    model = clone(model).fit(X, y)
    skdeep.save(model, path)
    (short,) = given
    with pytest.raises(LoadError, match=rf"vouch for: .*{short}.*custom_objects") as told:
        skdeep.load(path)
    full = next(word for word in str(told.value).split() if word.endswith(short))
    for objects in (given, {full: given[short]}):
        assert_same_answers(skdeep.load(path, custom_objects=objects), model, X)


def test_all_missing_objects_are_told_at_once_with_their_place(path):
    model = make_pipeline(FunctionTransformer(doubled), mlp(callbacks=[halve]))
    skdeep.save(model.fit(X, y), path)
    steps = r"Pipeline\.steps\[{}\]\[1\]\.{}"
    with pytest.raises(LoadError) as told:
        skdeep.load(path)
    assert re.search(r"doubled \(" + steps.format(0, "func"), str(told.value))
    assert re.search(r"halve \(" + steps.format(1, r"callbacks\[0\]"), str(told.value))


def test_the_function_that_was_passed_is_the_one_that_is_used(path):
    model = make_pipeline(FunctionTransformer(doubled), mlp()).fit(X, y)
    loaded = reloaded(model, path, custom_objects={"doubled": lambda rows: 2 * rows + 1})
    np.testing.assert_array_equal(
        loaded.predict_proba(X), model[-1].predict_proba((2 * X + 1).astype(np.float32))
    )


def test_functions_that_share_a_name_cannot_be_saved(path):
    model = mlp(callbacks=[lambda state: None, lambda state: 1])
    with pytest.raises(TypeError, match=r"callbacks.* different functions of one name.*<lambda>"):
        skdeep.save(model, path)
    assert not path.exists()


def test_a_function_is_never_called_while_loading(path):
    calls = []
    skdeep.save(make_pipeline(FunctionTransformer(doubled), mlp()), path)
    skdeep.load(path, custom_objects={"doubled": lambda *a, **k: calls.append(a)})
    assert not calls


def with_open_file():
    watch = Watch()
    watch.file = Path(__file__).open()
    return watch


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"callbacks": [keras.callbacks.CSVLogger("x")]}, r"callbacks of MLPClassifier .*keras"),
        ({"callbacks": [with_open_file()]}, r"callbacks of MLPClassifier cannot be .*TextIO"),
        ({"callbacks": [{None: 1}]}, r"key None"),
        ({"class_weight": {1: 1, "1": 2}}, r"two keys that read the same"),
    ],
)
def test_what_no_file_can_hold_is_refused_with_its_parameter(parameters, told, path):
    with pytest.raises(TypeError, match=told):
        skdeep.save(mlp(**parameters), path)
    assert not path.exists()


def test_keras_callbacks_that_have_seen_a_fit_are_refused_by_name(path):
    model = mlp(callbacks=[keras.callbacks.EarlyStopping("loss")]).fit(X, y)
    with pytest.raises(TypeError, match=r"callbacks .*EarlyStopping, which lives in a process"):
        skdeep.save(model, path)


def test_callbacks_of_scikit_learns_are_to_be_taken_off(path):
    model = mlp().set_callbacks(sklearn.callback.ScoringMonitor(scoring="accuracy"))
    with pytest.raises(TypeError, match=r"set_callbacks\(\) before"):
        skdeep.save(model, path)


def test_what_refers_to_itself_is_refused(path):
    model = make_pipeline(FunctionTransformer(kw_args={}), mlp())
    model[0].kw_args["again"] = model[0].kw_args
    with pytest.raises(TypeError, match="refers to itself"):
        skdeep.save(model, path)


@pytest.mark.parametrize("thing", [MLPClassifier, {"a": 1}, None])
def test_only_estimators_are_saved(thing, path):
    with pytest.raises(TypeError, match="save takes an estimator"):
        skdeep.save(thing, path)


# Files that are not as they were --------------------------------------------------------------


@pytest.fixture
def data(path, fitted):
    skdeep.save(fitted, path)
    return path.read_bytes()


def header(**changes):
    def change(data):
        line, body = data.split(b"\n", 1)
        words = dict(zip(["magic", "kind", "format", "length", "sha"], line.decode().split()))
        return " ".join((words | changes).values()).encode() + b"\n" + body

    return change


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda data: b"", "no file of skdeep.save"),
        (lambda data: pickle.dumps(1), "no file of skdeep.save"),
        (lambda data: data[:20], "cut off in its first line"),
        (lambda data: data[:-1], r"cut off: it has \d+ bytes of data, but \d+ were saved"),
        (lambda data: data + b"x", "something appended"),
        (lambda data: data[:-40] + b"x" + data[-39:], "altered"),
        (header(format="2"), "format 2, .* reads up to 1; .* upgrade skdeep"),
        (header(format="0"), "first line .* damaged"),
        (header(kind="checkpoint"), "holds a skdeep 'checkpoint', but 'estimator' is wanted"),
        (header(sha="0" * 64), "altered"),
        (header(length="many"), "damaged"),
    ],
)
def test_a_damaged_file_is_refused_with_the_reason(damage, told, data, path):
    path.write_bytes(damage(data))
    with pytest.raises(LoadError, match=told):
        skdeep.load(path)


def damaged(data, rng):
    """A truncation, or up to four bytes with flipped bits."""
    if rng.random() < 0.3:
        return data[: rng.integers(len(data))]
    changed = bytearray(data)
    # Half of the flips in the first line, where they are most telling.
    end = rng.choice([100, len(data)])
    for position in rng.integers(end, size=rng.integers(1, 5)):
        changed[position] ^= 1 << rng.integers(8)
    return bytes(changed)


def assert_refused_or_equal(path, data, expected):
    """Loading the data is an error of ours, or gives equal predictions, and takes no time."""
    path.write_bytes(data)
    begun = time.perf_counter()
    try:
        loaded = skdeep.load(path)
    except LoadError:
        pass
    else:
        for found, told in zip(answers(loaded, X), expected, strict=True):
            np.testing.assert_array_equal(found, told)
    assert time.perf_counter() - begun < 5


@pytest.mark.parametrize("seed", range(100))
def test_random_damage_is_refused(seed, data, path, fitted):
    rng = np.random.default_rng(seed)
    assert_refused_or_equal(path, damaged(data, rng), answers(fitted, X))


def sealed(parts):
    """A file with a checksum that is right, as somebody with bad intent would make it."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    body = target.getvalue()
    sha = hashlib.sha256(body).hexdigest()
    return f"skdeep estimator 1 {len(body)} {sha}\n".encode() + body


@pytest.fixture(scope="module")
def stack():
    estimators = [("network", mlp()), ("forest", forest), ("line", LogisticRegression())]
    return StackingClassifier(estimators, LogisticRegression(), cv=2).fit(X, y)


def attack(path, parts, rng):
    """Damage one part of a file, seal it again, and load it; whether it was refused."""
    names = [name for name in parts if name != "manifest.json"]
    name = names[rng.integers(len(names))] if rng.random() < 0.5 else "estimator/schema.json"
    path.write_bytes(sealed(parts | {name: damaged(parts[name], rng)}))
    try:
        model = skdeep.load(path)
        model.predict(X)
    except LoadError:
        return True
    except Exception:  # of a model with other numbers in it: but a clean one
        return False
    return False


@pytest.mark.filterwarnings("ignore")  # of numbers that were made absurd
@pytest.mark.parametrize("seed", range(30))
def test_damage_under_a_right_checksum_crashes_nothing(seed, path, stack):
    skdeep.save(stack, path)
    attack(path, files.read(path, "estimator"), np.random.default_rng(seed))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_two_thousand_damaged_files_crash_nothing(path, stack):
    skdeep.save(stack, path)
    data, expected = path.read_bytes(), answers(stack, X)
    rng = np.random.default_rng(0)
    for _ in range(2000):
        assert_refused_or_equal(path, damaged(data, rng), expected)
    path.write_bytes(data)
    parts = files.read(path, "estimator")
    refused = sum(attack(path, parts, rng) for _ in range(300))
    assert refused > 100


# Files made by hand ---------------------------------------------------------------------------


def node(loader, name, content=None, **more):
    module, _, cls = name.rpartition(".")
    made = {"__loader__": loader, "__module__": module, "__class__": cls, **more}
    return made if content is None else made | {"content": content}


def plain(value):
    return node("JsonNode", "builtins.str", json.dumps(value), is_json=True)


def listed(kind, *items):
    return node(f"{kind.title()}Node", f"builtins.{kind}", list(items))


def mapped(content, key_types=None):
    types = [node("TypeNode", "builtins.str")] * len(content) if key_types is None else key_types
    return node("DictNode", "builtins.dict", content, key_types=listed("list", *types))


def transformer(**attributes):
    """A FunctionTransformer with nodes for attributes."""
    name = "sklearn.preprocessing._function_transformer.FunctionTransformer"
    return node("ObjectNode", name, mapped(attributes))


def called(function, *arguments):
    """A node that calls a function when it is made into an object."""
    return node("ConstructorFromReduceNode", function, listed("tuple", *arguments))


EMPTY = {"fits.json": b"[]", "tensors.safetensors": b"\x02\0\0\0\0\0\0\0{}"}


def forge(path, schema, protocol=2, **parts):
    schema = json.dumps(schema | {"protocol": protocol, "_skops_version": "0.15.0"}).encode()
    path.write_bytes(sealed(EMPTY | {"estimator/schema.json": schema} | parts))


def test_a_file_made_by_hand_loads_where_nothing_is_wrong_with_it(path):
    home = getattr(np.log1p, "__module__", "numpy._core._multiarray_umath")  # until numpy 2.4
    forge(
        path,
        transformer(
            func=node("FunctionNode", f"{home}.log1p"), _sklearn_version=plain(sklearn.__version__)
        ),
    )
    assert skdeep.load(path).func is np.log1p


def directory_makers(folder):
    """Trees that make a directory if skops is let make objects of them."""
    there = plain(str(folder))
    popen = mapped({"args": plain(["mkdir", str(folder)])})
    aliased = [
        node("FunctionNode", "os.mkdir", __id__=7),
        mapped({str(folder): plain(1)}, [node("TypeNode", "builtins.str", __id__=7)]),
    ]
    return {
        "function": (transformer(func=node("FunctionNode", "os.mkdir")), "os.mkdir"),
        "call": (called("os.mkdir", there), "os.mkdir"),
        "call of posix": (called("posix.mkdir", there), "posix.mkdir"),
        "object": (node("ObjectNode", "subprocess.Popen", popen), "subprocess.Popen"),
        "partial": (
            node(
                "PartialNode",
                "functools.partial",
                {
                    "func": node("FunctionNode", "os.mkdir"),
                    "args": listed("tuple", there),
                    "kwds": mapped({}),
                    "namespace": plain(None),
                },
            ),
            "functools.partial",
        ),
        "method of a path": (
            node(
                "MethodNode",
                "pathlib.PosixPath",
                {"func": "mkdir", "obj": called("pathlib.PosixPath", there)},
            ),
            "pathlib.PosixPath",
        ),
        "operator": (
            node("OperatorFuncNode", "operator.methodcaller", attrs=listed("tuple", there)),
            "operator.methodcaller",
        ),
        "kinds of keys": (
            mapped({str(folder): plain(1)}, [node("FunctionNode", "os.mkdir")]),
            "keys of kinds",
        ),
        "aliased kinds of keys": (listed("list", *aliased), "keys of kinds"),
        "default of a dict": (
            node(
                "DefaultDictNode",
                "collections.defaultdict",
                {"main": mapped({}), "default_factory": node("FunctionNode", "os.mkdir")},
            ),
            "os.mkdir",
        ),
        "dict": (node("DictNode", "os.mkdir", {}, key_types=listed("list")), "os.mkdir"),
        "our class as what it is not": (
            called("skdeep.persistence.files.write", there),
            "skdeep.persistence.files.write",
        ),
        "a placeholder of ours": (
            called("skdeep.persistence.audit.substitute_0", there),
            "substitute_0",
        ),
        "no distribution": (
            called(
                "skdeep.persistence.constructors.distribution",
                plain("np"),
                listed("tuple"),
                mapped({}),
            ),
            "is no distribution",
        ),
        "no request": (
            called(
                "skdeep.persistence.constructors.requests",
                plain("x"),
                mapped({"__init__": mapped({"owner": plain(True)})}),
            ),
            "requests metadata for __init__",
        ),
        "no tree": (
            called(
                "skdeep.persistence.constructors.search_tree",
                *(plain("os"), plain([[1.0]]), plain(2), plain("euclidean")),
            ),
            "no search tree",
        ),
        "no metric": (
            called(
                "skdeep.persistence.constructors.search_tree",
                *(plain("KDTree"), plain([[1.0]]), plain(2), plain("pyfunc")),
            ),
            "no search tree",
        ),
        "no dimension": (
            called("skdeep.persistence.constructors.dimension", plain("Space"), plain([])),
            "is no dimension",
        ),
    }


@pytest.mark.parametrize("name", directory_makers("x"))
def test_no_tree_makes_skops_call_a_function(name, path, tmp_path):
    tree, told = directory_makers(tmp_path / "made")[name]
    forge(path, tree)
    with pytest.raises(LoadError, match=re.escape(told)):
        skdeep.load(path)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "tree",
    [
        called("halve", plain(1)),
        node("DictNode", ".halve", {}, key_types=listed("list")),
        node("ObjectNode", "m.halve", mapped({})),
        listed("list", node("FunctionNode", "m.halve"), called("m.halve", plain(1))),
        listed(
            "list",
            node("FunctionNode", "m.halve"),
            called("skdeep.persistence.audit.substitute_0", plain(1)),
        ),
        listed(
            "list",
            node("FunctionNode", "m.halve", __id__=7),
            mapped({"x": plain(1)}, [node("TypeNode", "builtins.str", __id__=7)]),
        ),
    ],
)
def test_not_even_a_function_that_the_user_passed_is_called(tree, path):
    calls = []
    forge(path, tree)
    with pytest.raises(LoadError):
        skdeep.load(path, custom_objects={"halve": lambda *given: calls.append(given)})
    assert not calls


def test_a_trusted_name_serves_only_as_what_it_is(path):
    metric = "sklearn.metrics._classification.accuracy_score"
    there = listed("list", plain(1))
    forge(path, listed("list", node("FunctionNode", metric), called(metric, there, there)))
    with pytest.raises(LoadError, match="as what it is not"):
        skdeep.load(path)


def doubling(depth, kind):
    """A tree of few nodes that grows to 2^depth when it is read."""
    inner = plain("lol") | {"__id__": 1}
    for label in range(2, depth + 2):
        again = {"__id__": label - 1, **node("ListNode", "builtins.list", [])}
        inner = listed(kind, inner, again) | {"__id__": label}
    return inner


def nested(depth):
    return '{"__loader__": "ListNode", "content": [' * depth + "]}" * depth


def bomb():
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.npy", bytes(2**29))
    return target.getvalue()


def compressed(parts):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("fits.json", bytes(10**7))
    body = target.getvalue()
    line = f"skdeep estimator 1 {len(body)} {hashlib.sha256(body).hexdigest()}\n"
    return line.encode() + body


header_of_a_petabyte = (
    b'{"a":{"dtype":"F64","shape":[1000000000000000],"data_offsets":[0,8000000000000000]}}'
)
petabyte = io.BytesIO()
np.lib.format.write_array_header_1_0(
    petabyte, {"descr": "<f8", "fortran_order": False, "shape": (10**15,)}
)
array_node = node("NdArrayNode", "numpy.ndarray", type="numpy", file="a.npy")


@pytest.mark.parametrize(
    ("tree", "parts", "told"),
    [
        (doubling(40, "tuple"), {}, "swells"),
        (doubling(40, "list"), {}, "swells"),
        (listed("set", doubling(40, "tuple")), {}, "swells"),
        (listed("list") | {"__id__": 3, "content": [listed("list") | {"__id__": 3}]}, {}, "itself"),
        (node("CachedNode", "a.b", __id__=1), {}, "reference"),
        (plain(1), {"estimator/schema.json": nested(10**5).encode()}, "makes no sense|maximum"),
        (plain(1), {"fits.json": b"[" * 10**6}, "makes no sense"),
        (plain(1), {"fits.json": b"9" * 10**5}, "makes no sense"),
        (plain(1), {"estimator/a.npz": bomb()}, "swells"),
        (plain(1), {"tensors.safetensors": b"\xff" * 8 + b"{}"}, "makes no sense"),
        (
            plain(1),
            {
                "tensors.safetensors": len(header_of_a_petabyte).to_bytes(8, "little")
                + header_of_a_petabyte
            },
            "makes no sense",
        ),
        (array_node, {"estimator/a.npy": petabyte.getvalue()}, "makes no sense"),
        (array_node, {"estimator/a.npy": pickle.dumps(np.arange(3))}, "pickle"),
        (plain(1), {"fits.json": b'[{"object": "os.system", "values": {}}]'}, "os.system"),
        (plain(1), {"fits.json": b'[{"object": "skdeep.targets.np", "values": {}}]'}, "vouch"),
        (plain(1), {"fits.json": b'[{"function": "os.system"}]'}, r"os\.system"),
        (plain(1), {"fits.json": b'[{"tuple": 3}]'}, "where a list belongs"),
        (plain(1), {"fits.json": b'[{"shell": "ls"}]'}, "unknown kind, 'shell'"),
        (plain(1), {"fits.json": b"[{}]"}, "unknown kind"),
        (
            plain(1),
            {"fits.json": b'[{"array": "0", "dtype": "|O", "shape": [1]}]'},
            "makes no sense",
        ),
    ],
)
def test_what_no_writer_writes_is_refused_quickly(tree, parts, told, path):
    forge(path, tree, **parts)
    begun = time.perf_counter()
    with pytest.raises(LoadError, match=told):
        skdeep.load(path)
    assert time.perf_counter() - begun < 5


def test_compressed_parts_are_refused_unread(path):
    path.write_bytes(compressed({}))
    with pytest.raises(LoadError, match="a part is compressed"):
        skdeep.load(path)


@pytest.mark.parametrize("protocol", [0, 1, True, None, "2"])
def test_nodes_of_old_protocols_are_refused(protocol, path):
    forge(path, plain(1), protocol=protocol)
    with pytest.raises(LoadError, match="protocol"):
        skdeep.load(path)


def tampered_tree(path, model, change):
    """Save a model, change the nodes of its tree, seal and load it."""
    skdeep.save(model, path)
    parts = files.read(path, "estimator")
    for name, part in parts.items():
        if name.endswith(".npy"):
            array = np.load(io.BytesIO(part))
            if {"left_child", "left"} & set(array.dtype.names or ()):
                change(array)
                target = io.BytesIO()
                np.save(target, array)
                parts[name] = target.getvalue()
    path.write_bytes(sealed(parts))
    return skdeep.load(path)


def set_field(name, value):
    def change(array):
        array[name][0] = value

    return change


histogram = HistGradientBoostingClassifier(max_iter=1)


@pytest.mark.parametrize(
    ("model", "change"),
    [
        (DecisionTreeClassifier(), set_field("left_child", 10**6)),
        (DecisionTreeClassifier(), set_field("right_child", -7)),
        (DecisionTreeClassifier(), set_field("right_child", 0)),
        (DecisionTreeClassifier(), set_field("feature", 4)),
        (DecisionTreeClassifier(), set_field("feature", -3)),
        (forest, set_field("feature", 10**6)),
        (histogram, set_field("left", 10**6)),
        (histogram, set_field("feature_idx", 4)),
        (histogram, set_field("is_categorical", 1)),
    ],
)
def test_a_tree_that_points_out_of_itself_is_refused(model, change, path):
    model = clone(model).fit(X, y)
    assert_same_answers(tampered_tree(path, model, lambda array: None), model, X)
    with pytest.raises(LoadError, match=r"vouch for: sklearn\..*Tree"):
        tampered_tree(path, model, change)


def test_a_tree_that_lies_about_its_depth_is_refused(path):
    model = DecisionTreeClassifier().fit(X, y)
    state = model.tree_.__getstate__()
    model.tree_.__setstate__(state | {"max_depth": 0})
    skdeep.save(model, path)
    with pytest.raises(LoadError, match=r"vouch for: sklearn\.tree"):
        skdeep.load(path)


def test_a_tree_wider_than_the_rows_of_its_forest_is_refused(path):
    model = clone(forest).fit(np.hstack([X, X]), y)
    for tree in [model, *model.estimators_]:
        tree.n_features_in_ = 4
    skdeep.save(model, path)
    with pytest.raises(LoadError, match=r"vouch for: sklearn\.tree"):
        skdeep.load(path)
    model.estimators_[1].n_features_in_ = 8
    mixed = clone(forest).fit(X, y)
    mixed.estimators_[1] = model.estimators_[1]
    mixed.n_features_in_ = 8
    with pytest.raises(TypeError, match="of rows of unequal length"):
        skdeep.save(mixed, path)


# Support vector machines: what libsvm reads by address ------------------------------------------


def gram(A, B):
    """A kernel of the user's."""
    return np.asarray(A @ B.T)


def machine_on(kind, rows="dense", **parameters):
    model = kind(**parameters)
    data = {"dense": X, "sparse": sp.csr_array(X), "gram": gram(X, X)}[rows].astype(np.float64)
    return model.fit(data, y), data


MACHINES = [
    *((kind, "dense", {}) for kind in (SVC, NuSVC, SVR, NuSVR, OneClassSVM)),
    *((kind, "sparse", {}) for kind in (SVC, SVR)),
    (SVC, "gram", {"kernel": "precomputed"}),
    (SVC, "dense", {"kernel": gram}),
]


@pytest.mark.parametrize("machine", MACHINES, ids=str)
def test_support_vector_machines_come_back_to_the_bit(machine, path):
    kind, rows, parameters = machine
    model, data = machine_on(kind, rows, **parameters)
    skdeep.save(model, path)
    loaded = skdeep.load(path, custom_objects={"gram": gram})
    np.testing.assert_array_equal(loaded.predict(data), model.predict(data))
    skdeep.save(kind(**parameters), path)
    assert not hasattr(skdeep.load(path, custom_objects={"gram": gram}), "support_")


def tampered(name, change, rows="dense", kind=SVC, **parameters):
    return pytest.param(name, change, rows, kind, parameters, id=f"{rows} {name}")


@pytest.mark.parametrize(
    ("name", "change", "rows", "kind", "parameters"),
    [
        tampered("_n_support", lambda n: n + np.int32([9, 0, 0])),
        tampered("_n_support", lambda n: n + np.int32([-90, 90, 0])),
        tampered("_n_support", lambda n: n[:0]),
        tampered("_n_support", lambda n: n - 1, kind=SVR),
        tampered("support_", lambda places: places[:-1]),
        tampered("support_vectors_", lambda vectors: vectors[:-1]),
        tampered("_dual_coef_", lambda dual: dual[:1]),
        tampered("_dual_coef_", lambda dual: dual[:, :-1]),
        tampered("_intercept_", lambda intercept: intercept[:1]),
        tampered("_probA", lambda _: np.zeros(1)),
        tampered("_probB", lambda _: np.zeros(3)),
        tampered("_effective_probability", lambda _: True),
        tampered("_impl", lambda _: "epsilon_svr"),
        tampered("kernel", lambda _: "precomputed"),
        tampered("support_", lambda places: places + 150, "gram", kernel="precomputed"),
        tampered("support_", lambda places: places - 150, "gram", kernel="precomputed"),
        tampered("_BaseLibSVM__Xfit", lambda rows: rows[:5], kernel=gram),
        tampered("support_vectors_", lambda vectors: vectors[:-1], "sparse"),
        tampered("support_vectors_", lambda vectors: vectors.tocsc(), "sparse"),
        tampered("_dual_coef_", lambda dual: dual.multiply(dual > 0).tocsr(), "sparse"),
        tampered("kernel", lambda _: "precomputed", "sparse"),
    ],
)
def test_a_machine_whose_arrays_do_not_fit_is_refused(
    name, change, rows, kind, parameters, path, monkeypatch
):
    model, _ = machine_on(kind, rows, **parameters)
    setattr(model, name, change(getattr(model, name)))
    with monkeypatch.context() as by_hand:
        by_hand.setattr(Audit, "_check_machine", lambda *_: None)
        skdeep.save(make_pipeline(StandardScaler(), model), path)
    with pytest.raises(LoadError, match=r"the arrays of .*, a support vector machine, do not"):
        skdeep.load(path, custom_objects={"gram": gram})


# Other numbers that scikit-learn follows --------------------------------------------------------

WORDS = ["a good one", "a bad one", "an odd one"] * 4
CODES = np.arange(30)[:, None] % [5, 7]
FITTED = {
    "words": lambda: CountVectorizer().fit(WORDS),
    "weights of words": lambda: TfidfVectorizer().fit(WORDS),
    "dicts": lambda: DictVectorizer().fit([{"a": 1.0, "b": "x"}]),
    "hashes": lambda: FeatureHasher(),
    "codes": lambda: OneHotEncoder().fit(CODES),
    "text codes": lambda: OneHotEncoder().fit(CODES.astype(str).astype(object)),
    "codes but one": lambda: OneHotEncoder(drop="first").fit(CODES),
    "frequent codes": lambda: OneHotEncoder(min_frequency=5, drop="first").fit(CODES),
    "bins": lambda: KBinsDiscretizer(3, quantile_method="averaged_inverted_cdf").fit(X),
    "ellipse": lambda: EllipticEnvelope(random_state=0).fit(X),
    "covariance": lambda: EmpiricalCovariance(store_precision=False).fit(X),
    "isolation": lambda: IsolationForest(n_estimators=3, max_features=2, random_state=0).fit(X),
    "stages": lambda: GradientBoostingClassifier(n_estimators=2).fit(X, y),
    "stages from zero": lambda: GradientBoostingClassifier(n_estimators=2, init="zero").fit(X, y),
    "two classes": lambda: GradientBoostingClassifier(n_estimators=2).fit(X, y == y[0]),
    "neighbours": lambda: KNeighborsClassifier(
        metric="mahalanobis", metric_params={"VI": np.eye(4)}, algorithm="brute"
    ).fit(X, y),
    "process": lambda: GaussianProcessRegressor(random_state=0).fit(X[:30], X[:30, 0]),
    "histograms": lambda: HistGradientBoostingClassifier(max_iter=1).fit(X, y),
}


@pytest.mark.parametrize("name", FITTED)
def test_what_scikit_learn_fits_may_be_loaded(name, path):
    model = FITTED[name]()
    skdeep.save(model, path)
    assert type(skdeep.load(path)) is type(model)


def changed(name, **change):
    return pytest.param(name, change, id=f"{name}: {', '.join(change)}")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        changed("words", vocabulary_={"one": 2**30}),
        changed("words", vocabulary_={"one": 0, "good": 0}),
        changed("words", vocabulary_={"one": -1}),
        changed("weights of words", vocabulary_={"one": 1}),
        changed("dicts", vocabulary_={"a": 0, "b=x": 2}),
        changed("hashes", n_features=0),
        changed("codes", _n_features_outs=[5, 2]),
        changed("codes", _n_features_outs=[5]),
        changed("codes", n_features_in_=1),
        changed("codes", categories_=[np.arange(9), np.arange(7)]),
        changed("codes", categories_=[np.arange(5)[::-1], np.arange(7)]),
        changed("text codes", categories_=[np.arange(9).astype(object)] * 2),
        changed("codes but one", _drop_idx_after_grouping=np.array([9, 0], object)),
        changed("codes but one", _drop_idx_after_grouping=None),
        changed("frequent codes", _default_to_infrequent_mappings=[None, np.arange(7)]),
        changed("frequent codes", _default_to_infrequent_mappings=[None, None]),
        changed("ellipse", precision_=np.eye(2)),
        changed("covariance", covariance_=np.eye(2)),
        changed("isolation", estimators_features_=[np.zeros(1, int)] * 3),
        changed("isolation", _max_features=1),
        changed("stages", init_=DummyClassifier(strategy="prior").fit(X, y == y[0])),
        changed("stages from zero", n_trees_per_iteration_=2),
        changed("neighbours", effective_metric_params_={"VI": np.eye(2)}),
        changed("histograms", _preprocessor=FunctionTransformer()),
    ],
)
def test_numbers_that_point_out_of_an_estimator_are_refused(name, change, path, monkeypatch):
    model = FITTED[name]()
    vars(model).update(change)
    with monkeypatch.context() as by_hand:
        by_hand.setattr(Audit, "_check_lookups", lambda *_: None)
        skdeep.save(make_pipeline(StandardScaler(), model), path)
    with pytest.raises(LoadError, match=r"the numbers of .*, sklearn\..*, do not fit together"):
        skdeep.load(path)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("Z", lambda rows: rows[:5]),
        ("Z", lambda rows: rows.astype(np.float32)),
        ("t", lambda targets: targets[:, None]),
        ("weights", lambda weights: weights[:-1]),
        ("cholesky", lambda L: L[:5]),
        ("cholesky", lambda L: L[:5, :5]),
        ("half_basis", lambda basis: basis[:5]),
        ("basis_cholesky", lambda R: np.eye(2)),
        ("coefficients", lambda b: np.zeros(2)),
    ],
)
def test_a_gaussian_process_whose_arrays_do_not_fit_is_refused(name, change, path, monkeypatch):
    model = FITTED["process"]()
    posterior = model._posterior
    model._posterior = dataclasses.replace(posterior, **{name: change(getattr(posterior, name))})
    with monkeypatch.context() as by_hand:
        by_hand.setattr(Audit, "_check_lookups", lambda *_: None)
        skdeep.save(model, path)
    with pytest.raises(LoadError, match=r"the numbers of .*\.Posterior, do not fit together"):
        skdeep.load(path)


def test_an_estimator_that_no_writer_writes_is_refused(path):
    skdeep.save(make_pipeline(LogisticRegression()), path)
    parts = files.read(path, "estimator")
    schema = parts["estimator/schema.json"].replace(b'"LogisticRegression"', b'"Birch"')
    schema = schema.replace(b"sklearn.linear_model._logistic", b"sklearn.cluster._birch")
    path.write_bytes(sealed(parts | {"estimator/schema.json": schema}))
    with pytest.raises(LoadError, match=r"sklearn\.cluster\._birch\.Birch, do not fit together"):
        skdeep.load(path)


class OwnWords(CountVectorizer):
    """The user's, of scikit-learn's."""


def test_numbers_of_a_class_of_the_users_are_looked_at_too(path, monkeypatch):
    model = OwnWords().fit(WORDS)
    skdeep.save(model, path)
    assert skdeep.load(path, custom_objects={"OwnWords": OwnWords}).vocabulary_
    model.vocabulary_["one"] = 2**30
    with monkeypatch.context() as by_hand:
        by_hand.setattr(Audit, "_check_lookups", lambda *_: None)
        skdeep.save(model, path)
    with pytest.raises(LoadError, match="do not fit together"):
        skdeep.load(path, custom_objects={"OwnWords": OwnWords})


@pytest.mark.parametrize("name", ["indices", "indptr"])
def test_a_sparse_matrix_that_points_out_of_itself_is_refused(name, path):
    matrix = sp.csr_array(np.eye(4))
    getattr(matrix, name)[1] = 10**6
    target = io.BytesIO()
    np.savez(
        target,
        format=b"csr",
        shape=matrix.shape,
        **{part: getattr(matrix, part) for part in ("data", "indices", "indptr")},
    )
    skdeep.save(KNeighborsClassifier().fit(sp.csr_array(np.eye(4)), [0, 1, 0, 1]), path)
    parts = files.read(path, "estimator")
    (place,) = (key for key, part in parts.items() if part[:2] == b"PK")
    path.write_bytes(sealed(parts | {place: target.getvalue()}))
    with pytest.raises(LoadError, match=r"ind(ices|ex values) must be < 4|indptr|index pointer"):
        skdeep.load(path)


def change_fit(path, model, change):
    """Save a fitted model, let a function change the JSON of its fit, and seal it again."""
    skdeep.save(model, path)
    parts = files.read(path, "estimator")
    fits = json.loads(parts["fits.json"])
    change(fits[0]["values"])
    path.write_bytes(sealed(parts | {"fits.json": json.dumps(fits).encode()}))


def encoded(value):
    return Encoder().encode(value, "value")


made = []


@keras.saving.register_keras_serializable("test_persistence")
class Named(keras.layers.Layer):
    """A class that is there in the user's process, and that only a file names."""

    def __init__(self, **config):
        super().__init__(**config)
        made.append(self)


CONFIG = {
    "module": "somewhere",
    "class_name": "Named",
    "config": {},
    "registered_name": "test_persistence>Named",
}


def one_layer(input_shape, n_outputs, activation="relu", more=()):
    """A model of the user's."""
    first = keras.layers.Activation(activation)
    return keras.Sequential([keras.Input(input_shape), first, keras.layers.Dense(n_outputs)])


def in_arguments(**arguments):
    def change(fit):
        given = fit["task"]["values"]["model"]["values"]["arguments"]
        given["dict"] = [pair for pair in given["dict"] if pair[0] not in arguments]
        given["dict"] += [[name, encoded(value)] for name, value in arguments.items()]

    return change


def in_twins(**attributes):
    def change(fit):
        for twin in ("twin", "true_twin"):
            fit[twin]["values"] |= {k: encoded(value) for k, value in attributes.items()}

    return change


def in_task(**attributes):
    return lambda fit: fit["task"]["values"].update({k: encoded(v) for k, v in attributes.items()})


def in_template(**attributes):
    def change(fit):
        template = fit["task"]["values"]["model"]["values"]
        template |= {name: encoded(value) for name, value in attributes.items()}

    return change


def in_optimizer(fit):
    fit["twin"]["values"]["optimizer"]["values"]["nesterov"] = encoded(CONFIG)


own = NetworkClassifier(epochs=1, random_state=0)
of_the_users = NetworkClassifier(model=one_layer, epochs=1, random_state=0)
CONFIGS = {
    "default model": (own, in_arguments(activation=CONFIG)),
    "its width": (own, in_arguments(units=CONFIG)),
    "its shape": (own, in_arguments(input_shape=(4, CONFIG))),
    "model of the user's": (of_the_users, in_arguments(activation=CONFIG)),
    "list of it": (of_the_users, in_arguments(more=[({"a": CONFIG},)])),
    "array of it": (of_the_users, in_arguments(more=np.array([CONFIG, None]))),
    "name of no model": (own, in_template(source="os.system")),
    "object as a model": (own, in_template(source=Cosine(epochs=3))),
    "dict as a model": (own, in_template(source=CONFIG)),
    "activation": (mlp(), in_twins(activation=CONFIG)),
    "object as activation": (mlp(), in_twins(activation=Cosine(epochs=3))),
    "list of activations": (mlp(), in_twins(activation=("relu", CONFIG))),
    "normalisation": (mlp(), in_twins(normalization=CONFIG)),
    "dropout": (mlp(), in_twins(dropout=CONFIG)),
    "width": (mlp(), in_twins(hidden_layer_sizes=(CONFIG,))),
    "what is for the host": (mlp(), in_twins(learning_rate=CONFIG)),
    "unknown attribute": (mlp(), in_twins(more=CONFIG)),
    "cell": (RNNClassifier(epochs=1, hidden_layer_sizes=(3,)), in_twins(cell=CONFIG)),
    "filters": (CNNClassifier(architecture=(3,), epochs=1), in_twins(architecture=(CONFIG,))),
    "optimizer": (mlp(optimizer=SGD(momentum=0.9)), in_optimizer),
    "optimizer as a whole": (mlp(), in_twins(optimizer=CONFIG)),
    "dtype": (mlp(), in_task(input_dtype=CONFIG)),
    "precision": (own, in_task(precision=CONFIG)),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_no_file_has_keras_make_what_it_names(name, path):
    model, change = CONFIGS[name]
    change_fit(path, clone(model).fit(X, y), change)
    with pytest.raises(LoadError):
        skdeep.load(path, custom_objects={"one_layer": one_layer})
    assert not made


def test_a_changed_fit_loads_where_nothing_is_wrong_with_it(path):
    model = clone(of_the_users).fit(X, y)
    change_fit(path, model, in_arguments(more=[({"a": np.array([None, "b"])},)]))
    assert_same_answers(skdeep.load(path, custom_objects={"one_layer": one_layer}), model, X)


def test_nor_by_a_parameter_that_waits_for_the_next_fit(path):
    skdeep.save(NetworkClassifier(model_params={"activation": "tanh"}), path)
    parts = files.read(path, "estimator")
    schema = json.loads(parts["estimator/schema.json"])
    params = schema["content"]["content"]["model_params"]["content"]
    params["activation"] = plain(CONFIG)
    path.write_bytes(sealed(parts | {"estimator/schema.json": json.dumps(schema).encode()}))
    with pytest.raises(LoadError, match="of which Keras would make what it names"):
        skdeep.load(path)
    search = GridSearchCV(own, {"model__activation": [CONFIG]}, cv=2, error_score="raise")
    with pytest.raises(TypeError, match="model__activation must be the name"):
        reloaded(search, path).fit(X, y)
    assert not made


def test_what_would_be_refused_is_not_saved(path):
    model = clone(of_the_users).set_params(model__more={"class_name": "x", "config": {}})
    for unsaved in (model, model.fit(X, y)):
        with pytest.raises(TypeError, match=r"cannot be saved: .*'class_name': 'x'"):
            skdeep.save(unsaved, path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (in_twins(activation="evil"), "'activation' parameter of MLPClassifier must be a str"),
        (in_twins(hidden_layer_sizes=(2**20,)), "network of 8,388,611 trainable numbers has "),
        (in_twins(hidden_layer_sizes=(64, 64)), "network of 4,675 trainable numbers has 515 of"),
        (in_twins(hidden_layer_sizes=(0,)), "holds no widths"),
        (lambda fit: fit["twin"].update(fit["twin"]["values"]["optimizer"]), "two networks"),
        (
            lambda fit: fit["true_twin"]["values"].update(hidden_layer_sizes={"tuple": [65]}),
            "two networks",
        ),
        (in_task(input_shape=(5,)), "network of 579 trainable numbers has 515 of"),
        (in_task(n_tokens="many"), "a n_tokens that is no"),
    ],
)
def test_a_network_that_has_not_these_weights_is_refused(change, told, path):
    change_fit(path, mlp().fit(X, y), change)
    with pytest.raises(LoadError, match=told):
        skdeep.load(path)


def test_a_table_for_other_columns_is_refused(path):
    model, rows, target = OURS["wide"]
    change_fit(path, clone(model).fit(rows, target), in_task(input_shape=(6000,)))
    with pytest.raises(LoadError, match=r"a table of \(6000, 64\) has one of \(5000, 64\)"):
        skdeep.load(path)


@pytest.mark.parametrize(
    "model",
    [own, CNNClassifier(architecture=(3,), ensemble_size=2, epochs=1)],
)
def test_weights_that_only_the_built_network_can_judge_are_an_error_of_ours(model, path):
    skdeep.save(clone(model).fit(X, y), path)
    parts = files.read(path, "estimator")
    tensors = safetensors.numpy.load(parts["tensors.safetensors"])
    n = max(map(np.size, tensors.values()))
    short = {name: part[:-1] if part.size == n else part for name, part in tensors.items()}
    parts["tensors.safetensors"] = safetensors.numpy.save(short)
    path.write_bytes(sealed(parts))
    loaded = skdeep.load(path)
    for use in (loaded.predict, lambda X: loaded.network_):
        with pytest.raises(ValueError, match=rf"network of {n:,} numbers has {n - 1:,} of them"):
            use(X)


def test_a_fit_that_is_not_there_is_refused(path, fitted):
    skdeep.save(fitted, path)
    parts = files.read(path, "estimator")
    path.write_bytes(sealed(parts | {"fits.json": b"[]"}))
    with pytest.raises(LoadError, match="IndexError"):
        skdeep.load(path)


# Writing --------------------------------------------------------------------------------------


def failing_write(*_):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("function", ["os.fsync", "pathlib.Path.replace"])
def test_a_failing_write_leaves_the_old_file_and_nothing_else(function, data, path, monkeypatch):
    monkeypatch.setattr(function, failing_write)
    with pytest.raises(OSError, match="No space left"):
        skdeep.save(mlp(), path)
    assert path.read_bytes() == data
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_an_estimator_that_cannot_be_saved_leaves_the_old_file(data, path):
    with pytest.raises(TypeError):
        skdeep.save(mlp(callbacks=[keras.callbacks.History()]), path)
    assert path.read_bytes() == data


def test_a_file_is_readable_by_those_whom_the_umask_lets(path, fitted):
    skdeep.save(fitted, path)
    (path.parent / "ordinary").touch()
    assert path.stat().st_mode == (path.parent / "ordinary").stat().st_mode


@pytest.mark.parametrize("mode", [0o600, 0o664])
def test_an_older_file_keeps_its_mode(mode, path, fitted):
    path.touch()
    path.chmod(mode)
    skdeep.save(fitted, path)
    assert path.stat().st_mode & 0o777 == mode
    assert_same_answers(skdeep.load(path), fitted, X)


@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_followed(there, tmp_path, path, fitted):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    target = folder / "model"
    if there:
        target.write_bytes(b"older")
    path.symlink_to(Path("elsewhere", "model"))
    skdeep.save(fitted, path)
    assert path.is_symlink()
    assert [p.name for p in folder.iterdir()] == ["model"]
    assert_same_answers(skdeep.load(target), fitted, X)


def test_what_a_crash_leaves_is_in_nobodys_way(path, fitted):
    crash = (
        "import os, sys\n"
        "from skdeep.persistence import files\n"
        "files.os.fsync = lambda file: os._exit(9)\n"
        "files.write(sys.argv[1], 'estimator', {'part': b'content'})\n"
    )
    for _ in range(2):
        assert subprocess.run([sys.executable, "-c", crash, str(path)]).returncode == 9
    assert len([*path.parent.iterdir()]) == 2  # names of their own
    assert [*path.parent.glob(f"*{path.suffix}")] == []
    skdeep.save(fitted, path)
    assert [*path.parent.glob(f"*{path.suffix}")] == [path]
    assert_same_answers(skdeep.load(path), fitted, X)


def test_a_path_may_be_text_and_must_exist(path, fitted):
    skdeep.save(fitted, str(path))
    assert_same_answers(skdeep.load(str(path)), fitted, X)
    with pytest.raises(FileNotFoundError):
        skdeep.load(path.parent / "nowhere.skdeep")


def test_tensors_are_legible_to_others(path, fitted):
    skdeep.save(fitted, path)
    parts = files.read(path, "estimator")
    tensors = safetensors.numpy.load(parts["tensors.safetensors"]).values()
    weights = fitted._fitted.progress.weights["trainable"]
    assert any(np.array_equal(tensor, weights) for tensor in tensors)
    assert json.loads(parts["manifest.json"])["holds"].endswith("MLPClassifier")


# Versions -------------------------------------------------------------------------------------


def test_another_version_of_scikit_learn_is_told_once(path, monkeypatch):
    pipeline = make_pipeline(StandardScaler(), SelectKBest(k=2), mlp()).fit(X, y)
    monkeypatch.setattr("sklearn.base.__version__", "1.8.2")
    skdeep.save(pipeline, path)
    monkeypatch.undo()
    with pytest.warns(InconsistentVersionWarning, match=r"version 1\.8\.2") as caught:
        loaded = skdeep.load(path)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert_same_answers(loaded, pipeline, X)


def test_other_warnings_pass_while_loading(path):
    class Loud(Shift):
        def __setstate__(self, state):
            warnings.warn("loud", DeprecationWarning, stacklevel=2)
            super().__setstate__(state)

    skdeep.save(Loud(), path)
    with pytest.warns(DeprecationWarning, match="loud"):
        skdeep.load(path, custom_objects={"Loud": Loud})


# The codec ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, 1, 1.0, -0.0, np.inf, 1e-320, 2**70, "é\ud7ff", b"\x00\xff", (), [], {}),
        *((1, (2.0, [True])), {1: "a", (2, "b"): None, False: b"c"}),
        *(np.float32(0.1), np.int8(-3), np.bool_(True), np.str_("a")),
        *(np.zeros((0, 3)), np.array(5), np.arange(6.0).reshape(2, 3).T),
        *(np.array(["a", "bcd"]), np.array([b"a", b"b\x00c"]), np.array([1, 2], ">i4")),
        *(np.array([1 + 2j]), np.array(["2020-01-01"], "M8[D]"), np.array([3], "m8[s]")),
        np.array([1, "a", None, (1, 2), b"x"], dtype=object).reshape(5, 1),
        Cosine(epochs=3),
    ],
    ids=repr,
)
def test_values_come_back_with_their_types(value):
    encoder = skdeep.persistence.Encoder()
    encoded = json.loads(json.dumps(encoder.encode(value, "value")))
    custom = skdeep.persistence.codec.Custom()
    found = skdeep.persistence.Decoder(encoder.tensors, custom).decode(encoded)
    assert type(found) is type(value)
    assert getattr(found, "dtype", None) == getattr(value, "dtype", None)
    assert repr(found) == repr(value)
    if isinstance(value, np.ndarray):
        np.testing.assert_array_equal(found, value)


def test_nan_comes_back():
    encoded = json.loads(json.dumps(skdeep.persistence.Encoder().encode(np.nan, "value")))
    assert np.isnan(encoded)


@pytest.mark.parametrize("value", [{1, 2}, object(), np.zeros(1, [("a", int)]), iter([])])
def test_a_value_of_another_kind_is_refused_by_its_place(value):
    with pytest.raises(TypeError, match=r"thing\[1\]\['a'\] is .*cannot be saved"):
        skdeep.persistence.Encoder().encode([0, {"a": value}], "thing")


# Pickles --------------------------------------------------------------------------------------


def globals_of(data):
    """Modules that a pickle names."""
    strings, found = [], set()
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name == "GLOBAL":
            found.add(argument.split()[0])
        if opcode.name == "STACK_GLOBAL":
            found.add(strings[-2])
        if isinstance(argument, str):
            strings.append(argument)
    return found


@pytest.mark.parametrize("name", ["stopping", "optimizer", "wide", "cnn", "mlp regressor"])
def test_a_pickle_names_no_device_and_nothing_of_tensorflow(name):
    model, rows, target = OURS[name]
    data = pickle.dumps(clone(model).fit(rows, target), protocol=2)
    assert {module.partition(".")[0] for module in globals_of(data)} <= {
        *("skdeep", "numpy", "copyreg", "copy_reg", "_codecs", "__builtin__"),
    }
    assert b"GPU" not in data
    assert b"/device:" not in data


ELSEWHERE = """
import pickle, sys, numpy as np, skdeep
pickled, saved, rows, device, out = sys.argv[1:]
X = np.load(rows)
with skdeep.config_context(device=device):
    models = [pickle.load(open(pickled, "rb")), skdeep.load(saved)]
    np.save(out, [model.predict_proba(X) for model in models])
"""


def test_a_pickle_and_a_file_load_in_a_process_without_gpus_and_on_a_named_device(tmp_path, fitted):
    np.save(tmp_path / "rows.npy", X)
    (tmp_path / "pickled").write_bytes(pickle.dumps(fitted))
    skdeep.save(fitted, tmp_path / "saved")
    names = [tmp_path / name for name in ("pickled", "saved", "rows.npy")]
    command = [sys.executable, "-c", ELSEWHERE, *names, "cpu:0", tmp_path / "out.npy"]
    hidden = os.environ | {"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([str(word) for word in command], check=True, env=hidden)
    for found in np.load(tmp_path / "out.npy"):
        np.testing.assert_array_equal(found, fitted.predict_proba(X))


def test_pickle_and_copies_keep_their_ways_beside_a_save(path, fitted):
    skdeep.save(fitted, path)
    for again in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted)):
        assert_same_answers(again, fitted, X)
    assert fitted.__getstate__()["_fitted"] is fitted._fitted
