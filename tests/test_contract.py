"""What scikit-learn's checks ask of flat rows, asked of the kinds of X that networks are for."""

import copy
import pickle

import keras
import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError

import skdeep
from skdeep import (
    CNNClassifier,
    CNNRegressor,
    NetworkClassifier,
    NetworkRegressor,
    NetworkTransformer,
    RNNClassifier,
    RNNRegressor,
)

RNG = np.random.default_rng(0)
N = 40
LABELS = np.array(["a", "b", "c"])[np.arange(N) % 3]
NUMBERS = RNG.normal(size=N)
LENGTHS = RNG.integers(2, 9, size=N)
LISTS = [RNG.normal(size=(n, 2)).astype(np.float32) for n in LENGTHS]
SERIES = RNG.normal(size=(N, 12, 2)).astype(np.float32)
BYTES = RNG.integers(0, 256, size=(N, 8, 8), dtype=np.uint8)
TEXTS = [" ".join(RNG.choice(["up", "down", "left"], size=n)) for n in LENGTHS]
TOKENS = [RNG.integers(0, 5, size=n) for n in LENGTHS]


def build(input_shape, n_outputs):
    """A convolution over images, and a dense layer."""
    return keras.Sequential(
        [
            keras.Input(input_shape),
            keras.layers.Conv2D(3, 3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(n_outputs),
        ]
    )


def encoder(input_shape):
    return keras.Sequential(
        [keras.Input(input_shape), keras.layers.Flatten(), keras.layers.Dense(24)]
    )


SMALL = {"epochs": 2, "batch_size": 16, "random_state": 0}
RNN = {**SMALL, "hidden_layer_sizes": (4,)}
CASES = {
    "RNN, arrays": (RNNClassifier(**RNN), SERIES, LABELS),
    "RNN, lists": (RNNClassifier(**RNN, bidirectional=True, dropout=0.2), LISTS, LABELS),
    "RNN, texts": (RNNClassifier(**RNN, cell="gru", pooling="attention"), TEXTS, LABELS),
    "RNN, tokens": (RNNRegressor(**RNN, embedding_size=3), TOKENS, NUMBERS),
    "RNN, a label for each step": (
        RNNClassifier(**RNN),
        LISTS,
        [row[:, 0] > row[:, 1] for row in LISTS],
    ),
    "RNN, a number for each step": (RNNRegressor(**RNN), LISTS, [row[:, 0] for row in LISTS]),
    "CNN, bytes": (CNNClassifier(**SMALL, architecture=(3,)), BYTES, LABELS),
    "CNN, series": (CNNRegressor(**SMALL, architecture="fcn"), SERIES, NUMBERS),
    "CNN, several": (
        CNNClassifier(**SMALL, architecture=(3,), ensemble_size=2, dropout=0.2),
        BYTES,
        LABELS,
    ),
    "own, images": (NetworkClassifier(**SMALL, model=build), BYTES[..., None] / 255, LABELS),
    "own, numbers": (NetworkRegressor(**SMALL, model=build), BYTES[..., None] / 255, NUMBERS),
}
each_case = pytest.mark.parametrize("case", CASES)


def flat(parts):
    """What a method returned as one array, whatever its form."""
    return np.concatenate([np.ravel(part) for part in parts])


def answers(model, X):
    methods = ["predict", "transform"] + ["predict_proba"] * is_classifier(model)
    return [flat(getattr(model, method)(X)) for method in methods]


def assert_same(model, other, X):
    for one, two in zip(answers(model, X), answers(other, X), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.fixture(scope="module")
def fitted():
    return {name: clone(model).fit(X, y) for name, (model, X, y) in CASES.items()}


@each_case
def test_before_fit_there_is_nothing(case):
    model, X, _ = CASES[case]
    assert not [name for name in vars(clone(model)) if name.endswith("_")]
    with pytest.raises(NotFittedError):
        clone(model).predict(X)


@each_case
def test_fit_returns_itself_and_changes_neither_parameters_nor_data(case):
    model, X, y = clone(CASES[case][0]), *copy.deepcopy(CASES[case][1:])
    before = model.get_params()
    assert model.fit(X, y) is model
    assert model.get_params() == before
    assert flat(X).tobytes() == flat(CASES[case][1]).tobytes()
    assert flat(y).tobytes() == flat(CASES[case][2]).tobytes()


@each_case
def test_a_clone_and_a_second_fit_have_the_same_bits(case, fitted):
    _, X, y = CASES[case]
    again = clone(fitted[case]).fit(X, y)
    assert_same(again, fitted[case], X)
    assert_same(again.fit(X, y), fitted[case], X)


@each_case
def test_a_pickle_and_a_saved_file_predict_the_same_bits(case, fitted, tmp_path):
    X = CASES[case][1]
    assert_same(pickle.loads(pickle.dumps(fitted[case])), fitted[case], X)
    skdeep.save(fitted[case], tmp_path / "model")
    own = {"build": build} if case.startswith("own") else None
    assert_same(skdeep.load(tmp_path / "model", custom_objects=own), fitted[case], X)


@each_case
def test_a_row_is_predicted_alike_alone_and_among_others(case, fitted):
    model, X = fitted[case], CASES[case][1]
    for i in (0, N - 1):
        for method in ("predict", "transform"):
            alone = getattr(model, method)(X[i : i + 1])[0]
            np.testing.assert_array_equal(alone, getattr(model, method)(X)[i])


@each_case
def test_five_epochs_and_five_more_are_ten(case):
    model, X, y = CASES[case]
    ten = clone(model).set_params(epochs=10).fit(X, y)
    five = clone(model).set_params(epochs=5, warm_start=True).fit(X, y)
    assert_same(five.fit(X, y), ten, X)


@each_case
def test_the_order_of_predicted_rows_does_not_matter(case, fitted):
    model, X = fitted[case], CASES[case][1]
    backwards = X[::-1]
    for one, two in zip(model.predict(X), model.predict(backwards)[::-1], strict=True):
        np.testing.assert_array_equal(one, two)


@each_case
def test_features_have_names(case, fitted):
    names = fitted[case].get_feature_names_out()
    width = np.shape(fitted[case].transform(CASES[case][1])[0])[-1]
    prefix = type(fitted[case]).__name__.lower()
    assert [*names] == [f"{prefix}{i}" for i in range(width)]


def test_a_network_of_ones_own_transforms_images_it_was_fitted_to_rebuild(tmp_path):
    X = SERIES
    model = NetworkTransformer(model=encoder, **SMALL)
    with pytest.raises(ValueError, match="24"):
        model.fit(X)  # 24 outputs in a row, X has 12 x 2
    rows = X.reshape(N, 24)
    model.fit(rows)
    np.testing.assert_array_equal(
        model.transform(rows), pickle.loads(pickle.dumps(model)).transform(rows)
    )
    np.testing.assert_array_equal(model.transform(rows)[:1], model.transform(rows[:1]))
