import itertools
import json
import pickle
from functools import cache, partial

import keras
import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from joblib.externals.loky.backend.reduction import dumps  # cloudpickle, as joblib ships it
from keras import layers, ops
from keras.constraints import MaxNorm
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import nnls
from scipy.special import expit
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss, make_scorer, mean_squared_error
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdeep import (
    BayesSearchCV,
    NetworkClassifier,
    NetworkRegressor,
    NetworkTransformer,
    config_context,
    engine,
    load,
    save,
)
from skdeep.callbacks import Checkpoint
from skdeep.exceptions import LoadError
from skdeep.layers import Dropout as OurDropout
from skdeep.optimizers import SGD
from skdeep.persistence import files

# Keras's own saving, which copies models, converts variables in a way that NumPy deprecates.
copies_by_keras = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")

FAST = {"epochs": 3, "random_state": 0}
PLAIN = SGD(momentum=0.0)


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(X).astype(np.float32), y


def dense(input_shape, n_outputs, units=8, activation="softmax", **settings):
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Dense(units, "relu", **settings),
            layers.Dense(n_outputs, activation),
        ]
    )


def narrow(input_shape, n_outputs, units=2):
    return dense(input_shape, n_outputs, units)


def linear(input_shape, n_outputs):
    return keras.Sequential([keras.Input(input_shape), layers.Dense(n_outputs)])


def trained(X, y, **parameters):
    return NetworkClassifier(**FAST | parameters).fit(X, y)


def misses(kind="train"):
    """How many programs of a kind were compiled."""
    return sum(n for name, n in engine.cache_info().kinds.items() if name.startswith(kind))


# Beside Keras itself --------------------------------------------------------------------------


class Penalised(layers.Layer):
    """Adds a loss of its own, which depends on the weights below."""

    def call(self, x):
        self.add_loss(0.1 * ops.mean(ops.square(x)))
        return x


class Scaled(layers.Layer):
    """A layer of the user's own."""

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), initializer="ones")

    def call(self, x):
        return x * self.scale


class Clipped(layers.Layer):
    """Assigns to its weights while it trains, and computes with them before and after."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 4))

    def call(self, x, training=False):
        before = x @ self.kernel
        if training:
            self.kernel.assign(ops.clip(self.kernel, -0.3, 0.3))
            self.kernel.assign(1.1 * self.kernel)
        return before + x @ self.kernel


class TwoLayers(keras.Model):
    """A model of the user's own class."""

    def __init__(self, n_outputs):
        super().__init__()
        self.hidden = layers.Dense(5, "tanh")
        self.head = layers.Dense(n_outputs, "softmax")

    def call(self, x):
        return self.head(self.hidden(x))


def stacked(*parts):
    """A function that builds a sequential model of new layers with a softmax at the end."""

    def build(input_shape, n_outputs):
        made = [part() for part in parts]
        return keras.Sequential(
            [keras.Input(input_shape), *made, layers.Dense(n_outputs, "softmax")]
        )

    return build


def attention(input_shape, n_outputs):
    rows = keras.Input(input_shape)
    x = layers.LayerNormalization()(rows + layers.MultiHeadAttention(2, 4)(rows, rows))
    x = layers.GlobalAveragePooling1D()(x)
    return keras.Model(rows, layers.Dense(n_outputs, "softmax")(x))


def embedding(input_shape, n_outputs):
    return keras.Sequential(
        [
            keras.Input(input_shape, dtype="int32"),
            layers.Embedding(10, 4),
            layers.Flatten(),
            layers.Dense(n_outputs, "softmax"),
        ]
    )


MODELS = {
    "dense": ((6,), dense),
    "without input": (
        (6,),
        lambda n_outputs: keras.Sequential([layers.Dense(n_outputs, "softmax")]),
    ),
    "kernel penalty": ((6,), partial(dense, kernel_regularizer=keras.regularizers.L2(0.1))),
    "bias penalty": ((6,), partial(dense, bias_regularizer="l1", bias_initializer="ones")),
    "activity penalty": ((6,), partial(dense, activity_regularizer=keras.regularizers.L2(0.1))),
    "loss of a layer": ((6,), stacked(partial(layers.Dense, 4), Penalised)),
    "batch normalisation": ((6,), stacked(partial(layers.Dense, 4), layers.BatchNormalization)),
    "convolution": ((8, 8, 1), stacked(partial(layers.Conv2D, 4, 3), layers.Flatten)),
    "lstm": ((7, 3), stacked(partial(layers.LSTM, 5))),
    "gru": ((7, 3), stacked(lambda: layers.Bidirectional(layers.GRU(4)))),
    "attention": ((7, 3), attention),
    "embedding": ((7,), embedding),
    "own layer": ((6,), stacked(Scaled)),
    "assigned weights": ((6,), stacked(Clipped)),
    "spectral normalisation": (
        (6,),
        stacked(lambda: layers.SpectralNormalization(layers.Dense(4)), partial(layers.Dense, 5)),
    ),
    "weights of one sign": (
        (6,),
        partial(dense, kernel_constraint="non_neg", bias_constraint=lambda w: ops.minimum(w, 0)),
    ),
    "weights of bounded norm": ((6,), partial(dense, kernel_constraint=MaxNorm(0.5))),
    "weights of norm one": ((6,), partial(dense, kernel_constraint="unit_norm")),
    "own class": ((6,), lambda n_outputs: TwoLayers(n_outputs)),
}


def starting_from(build, start):
    """``build``, with weights of ours."""

    def with_weights(input_shape, n_outputs):
        given = {"input_shape": input_shape, "n_outputs": n_outputs}
        names = build.__code__.co_varnames if hasattr(build, "__code__") else given
        model = build(**{name: value for name, value in given.items() if name in names})
        model(keras.Input(input_shape, dtype=model.inputs[0].dtype if model.built else None))
        if start is not None:
            model.set_weights(start)
        return model

    return with_weights


@pytest.mark.parametrize("name", MODELS)
def test_steps_on_a_full_batch_are_those_of_train_on_batch(name):
    shape, build = MODELS[name]
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, *shape)).astype(np.float32)
    X = rng.integers(0, 10, size=X.shape) if name == "embedding" else X
    y = rng.integers(0, 3, size=30)
    weight = rng.uniform(0.5, 2, size=30)
    weight /= weight.mean()  # Keras divides by the number of rows, skdeep by the mean weight too
    theirs = starting_from(build, None)(shape, 3)
    start = theirs.get_weights()
    theirs.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", run_eagerly=True)
    for _ in range(2):
        theirs.train_on_batch(X, y, sample_weight=weight)
    ours = NetworkClassifier(
        model=starting_from(build, start), optimizer=PLAIN, learning_rate=0.1, epochs=2
    ).fit(X, y, sample_weight=weight)
    for a, b in zip(theirs.get_weights(), ours.network_.get_weights(), strict=True):
        assert_allclose(b, a, atol=3e-7)
    moved = max(np.abs(a - b).max() for a, b in zip(start, theirs.get_weights(), strict=True))
    assert moved > 1e-2
    assert_allclose(ours.predict_proba(X), theirs(X), atol=1e-6)
    assert not ours._fitted.task.model.key.startswith("opaque")


def test_what_a_layer_assigns_in_training_is_what_predict_uses():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 5))
    normalised = lambda: layers.SpectralNormalization(layers.Dense(8), power_iterations=20)  # noqa: E731
    model = NetworkRegressor(
        model=lambda n_outputs: keras.Sequential([normalised(), layers.Dense(n_outputs)]),
        epochs=300,
        learning_rate=0.05,
        random_state=0,
    ).fit(X, 3 * X @ np.arange(5))
    assert model.score(X, 3 * X @ np.arange(5)) > 0.95
    kernel = model.network_.layers[0].layer.get_weights()[0]
    assert np.linalg.norm(kernel, 2) < 1.2  # one, and a step of the optimizer


@pytest.mark.parametrize("batch_size", [50, 200])  # under XLA, and not
def test_a_linear_model_with_non_negative_weights_is_that_of_nnls(batch_size):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 5)) + 0.5 * rng.normal(size=(200, 1))
    y = X @ [1, -2, 0.5, -1, 2] + 0.1 * rng.normal(size=200)

    def build(kernel_constraint):
        layer = layers.Dense(1, use_bias=False, kernel_constraint=kernel_constraint)
        return keras.Sequential([keras.Input((5,)), layer])

    settings = {"epochs": 300, "batch_size": batch_size, "random_state": 0}
    settings |= {"learning_rate": 0.1, "learning_rate_schedule": "cosine"}
    free, bound = (
        NetworkRegressor(model=build, loss="mse", model__kernel_constraint=given, **settings)
        .fit(X, y)
        .network_.get_weights()[0][:, 0]
        for given in (None, "non_neg")
    )
    assert_allclose(free, np.linalg.lstsq(X, y)[0], atol=2e-3)
    assert_allclose(bound, nnls(X, y)[0], atol=2e-3)
    assert bound.min() == 0


LOSSES = {
    "mean_squared_error": "linear",
    "mean_absolute_error": "linear",
    "huber": "linear",
    "log_cosh": "linear",
    "poisson": "softplus",
    "mean_squared_logarithmic_error": "softplus",
}


@pytest.mark.parametrize("name", LOSSES)
def test_a_regression_with_a_loss_of_keras_is_fitted_as_keras_does(name):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3)).astype(np.float32)
    y = rng.poisson(np.exp(X[:, 0])).astype(float)
    theirs = dense((3,), 1, activation=LOSSES[name])
    # Where a residual is 0 but for rounding, an absolute error's gradient is either sign.
    start = [0.3 * rng.normal(size=weights.shape) for weights in theirs.get_weights()]
    theirs.set_weights(start)
    theirs.compile(keras.optimizers.SGD(0.05), name)
    losses = theirs.fit(X, y, epochs=5, batch_size=40, verbose=0).history["loss"]
    build = partial(dense, activation=LOSSES[name])
    ours = NetworkRegressor(
        model=starting_from(build, start), loss=name, optimizer=PLAIN, learning_rate=0.05, epochs=5
    ).fit(X, y)
    assert_allclose(ours.history_["loss"], losses, rtol=1e-5)
    assert_allclose(ours.predict(X), theirs.predict(X, verbose=0)[:, 0], atol=1e-5)


@pytest.mark.parametrize(
    ("n_classes", "width", "activation", "loss"),
    [
        (3, 3, "softmax", "sparse_categorical_crossentropy"),
        (3, 3, "softmax", "categorical_crossentropy"),
        (3, 3, "softmax", keras.losses.CategoricalFocalCrossentropy()),
        (3, 3, "softmax", keras.losses.CategoricalGeneralizedCrossEntropy(q=0.7)),
        (3, 3, "linear", keras.losses.SparseCategoricalCrossentropy(from_logits=True)),
        (3, 3, "linear", "categorical_hinge"),
        (3, 3, "softmax", lambda t, p: ops.square(t - p)),
        (2, 1, "sigmoid", "binary_crossentropy"),
        (2, 1, "linear", keras.losses.BinaryCrossentropy(from_logits=True)),
        (2, 1, "tanh", "hinge"),
        (2, 2, "softmax", "sparse_categorical_crossentropy"),
    ],
)
def test_a_classification_with_a_loss_of_keras_is_fitted_as_keras_does(
    n_classes, width, activation, loss
):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3)).astype(np.float32)
    y = rng.integers(0, n_classes, size=40)
    theirs = dense((3,), width, activation=activation)
    start = theirs.get_weights()
    theirs.compile(keras.optimizers.SGD(0.05), loss)
    one_hot = np.eye(n_classes)[y]
    positions = "parse" in str(loss) or "generalized" in str(loss)
    encoded = y if positions or width == 1 else one_hot
    losses = theirs.fit(X, encoded, epochs=4, batch_size=40, verbose=0).history["loss"]
    ours = NetworkClassifier(
        model=lambda input_shape: starting_from(partial(dense, activation=activation), start)(
            input_shape, width
        ),
        loss=loss,
        optimizer=PLAIN,
        learning_rate=0.05,
        epochs=4,
    ).fit(X, np.array(list("abc"))[y])
    assert_allclose(ours.history_["loss"], losses, rtol=1e-5)
    outputs = theirs.predict(X, verbose=0)
    likeliest = (
        outputs.argmax(axis=1) if width > 1 else outputs[:, 0] > (activation == "sigmoid") / 2
    )
    assert_array_equal(ours.predict(X), np.array(list("abc"))[likeliest.astype(int)])


@pytest.mark.parametrize("activation", ["softmax", "linear"])
def test_a_linear_model_with_weight_decay_is_logistic_regression(activation, iris):
    X, y = iris
    model = NetworkClassifier(
        model=lambda input_shape, n_outputs: keras.Sequential(
            [keras.Input(input_shape), layers.Dense(n_outputs, activation)]
        ),
        weight_decay=1 / 150,
        learning_rate=0.2,
        learning_rate_schedule="cosine",
        epochs=300,
        random_state=0,
    ).fit(X, y)
    theirs = LogisticRegression(tol=1e-8).fit(X, y)
    assert_allclose(model.predict_proba(X), theirs.predict_proba(X), atol=2e-3)


def test_a_linear_regression_standardises_the_target_by_default():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 3))
    y = 1e4 + 300 * X @ [1, 2, 3] + rng.normal(size=100)
    model = NetworkRegressor(
        model=linear, epochs=300, learning_rate=0.1, learning_rate_schedule="cosine", random_state=0
    ).fit(X, y)
    assert_allclose(model.predict(X), Ridge(alpha=0).fit(X, y).predict(X), rtol=1e-3)
    assert model.history_["loss"].iloc[0] < 10


# Parameters -----------------------------------------------------------------------------------


def test_nested_names_reach_the_function(iris):
    model = NetworkClassifier(model=dense, model__units=3, **FAST)
    assert model.model_params == {"units": 3}
    names = {name: value for name, value in model.get_params().items() if "__" in name}
    assert names == {"model__units": 3, "model__activation": "softmax"}
    assert model.set_params(model__units=5).fit(*iris).network_.layers[0].units == 5
    assert clone(model).get_params() == model.get_params()
    assert "model__units" not in model.get_params(deep=False)


def test_setting_a_nested_name_leaves_the_given_dict_alone():
    given = {"units": 3}
    model = NetworkClassifier(model=dense, model_params=given).set_params(model__units=9)
    assert (given, model.model_params) == ({"units": 3}, {"units": 9})


def test_the_default_network_is_tuned_by_nested_names_too(iris):
    assert NetworkClassifier().get_params()["model__units"] == 100
    model = NetworkClassifier(model__units=7, **FAST).fit(*iris)
    assert model.network_.get_layer("hidden").units == 7


def test_a_function_is_given_what_it_names(iris):
    seen = {}

    def build(meta, n_outputs, input_shape):
        seen.update(meta, n_outputs=n_outputs, input_shape=input_shape)
        return linear(input_shape, n_outputs)

    X, y = iris
    trained(X, np.array(list("abc"))[y], model=build)
    assert_array_equal(seen.pop("classes_"), list("abc"))
    assert seen == {
        "n_classes_": 3,
        "target_type_": "multiclass",
        "n_features_in_": 4,
        "X_shape_": (None, 4),
        "n_outputs_": 3,
        "n_outputs": 3,
        "input_shape": (4,),
    }


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_a_grid_search_over_the_functions_arguments(backend, iris):
    pipeline = make_pipeline(
        StandardScaler(), NetworkClassifier(model=dense, epochs=20, random_state=0)
    )
    grid = {"networkclassifier__model__units": [1, 32]}
    with parallel_config(backend, n_jobs=2):
        search = GridSearchCV(pipeline, grid, cv=3).fit(*iris)
    assert search.best_params_ == {"networkclassifier__model__units": 32}
    assert search.best_estimator_[-1].network_.layers[0].units == 32


def test_a_bayesian_search_over_the_functions_arguments(iris):
    model = NetworkClassifier(model=dense, epochs=5, random_state=0)
    search = BayesSearchCV(model, {"model__units": (2, 64)}, n_iter=4, cv=2, random_state=0)
    search.fit(*iris)
    assert 2 <= search.best_estimator_.network_.layers[0].units <= 64


def compiled(input_shape, n_outputs):
    model = linear(input_shape, n_outputs)
    model.compile("adam", "mse")
    return model


def words():
    to_numbers = layers.TextVectorization(vocabulary=["a", "b"], output_sequence_length=2)
    return keras.Sequential([keras.Input((), dtype="string"), to_numbers, layers.Dense(3)])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"model": 3}, "a function that returns a Keras model, a Keras model or None, but is 3"),
        ({"model": lambda: 3}, "must return a keras.Model, but returned 3"),
        ({"model": lambda units: 3}, "needs units, which model_params lacks; pass model__units="),
        ({"model": narrow, "model_params": {"unit": 1}}, "Invalid parameter unit of model: narrow"),
        ({"model": compiled}, "leave compile and optimizers out of compiled"),
        ({"model": lambda: linear((4,), 7)}, "has 7 outputs, but the target needs 3; .* n_outputs"),
        ({"model": lambda: linear((9,), 3)}, r"rows of shape \(9,\), but those of X have \(4,\)"),
        (
            {"model": partial(dense, activation="relu")},
            "ends in relu, .* must be softmax or linear",
        ),
        ({"model": partial(dense, activation="sigmoid")}, "ends in sigmoid, .* softmax or linear"),
        (
            {"model": linear, "loss": "categorical_crossentropy"},
            "compares probabilities, .* linear",
        ),
        (
            {"model": dense, "loss": keras.losses.CategoricalCrossentropy(from_logits=True)},
            "takes logits, but the model ends in softmax",
        ),
        (
            {"model": dense, "loss": "sparse_categorical_crossentropy", "label_smoothing": 0.1},
            "label_smoothing=0.1 mixes labels",
        ),
        (
            {"model": lambda: keras.Sequential([keras.Input((4,), batch_size=5), layers.Dense(3)])},
            "takes 5 rows at a time",
        ),
        ({"model": dense, "loss": "circle"}, "compares the rows of a batch with each other"),
        ({"model": dense, "loss": keras.losses.Circle()}, "a number for each row by itself"),
        ({"model": dense, "loss": "dice"}, "one number for each row"),
        ({"model": words}, "takes strings, but X must be numbers; .* TfidfVectorizer"),
        ({"model": words()}, "takes strings, but X must be numbers; .* TfidfVectorizer"),
        ({"loss": "no_loss"}, "loss='no_loss' is no loss of Keras"),
        ({"loss": lambda t, p: ops.mean(t - p)}, r"one number for each row, .* has shape \(\)"),
        (
            {"model": lambda: keras.Sequential([layers.Reshape((4, 1))])},
            r"must have the shape .None, n_o",
        ),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_changed(parameters, message, iris):
    model = NetworkClassifier(**FAST | parameters)
    before = dict(vars(model))
    with pytest.raises((ValueError, TypeError), match=message):
        model.fit(*iris)
    assert vars(model) == before


@pytest.mark.parametrize(
    ("build", "loss", "message"),
    [
        (
            partial(dense, activation="softmax"),
            None,
            "ends in softmax, .* must be sigmoid or linear",
        ),
        (
            partial(dense, activation="sigmoid"),
            "sparse_categorical_crossentropy",
            "needs an output for each of the two classes, but the model has one",
        ),
    ],
)
def test_two_classes_with_one_output_need_a_loss_for_one(build, loss, message, iris):
    X, y = iris
    with pytest.raises(ValueError, match=message):
        NetworkClassifier(model=build, loss=loss).fit(X, y > 0)


def test_names_that_the_function_does_not_take_are_refused_at_once():
    with pytest.raises(ValueError, match=r"narrow takes units and .*; did you mean units\?"):
        NetworkClassifier(model=narrow, model__unit=3)
    with pytest.raises(TypeError, match="unexpected parameter 'unit'"):
        NetworkClassifier(model=dense, unit=3)
    with pytest.raises(ValueError, match="is a Keras model, which takes no units"):
        NetworkClassifier(model=linear((4,), 3), model__units=3)


def test_a_model_with_two_inputs_and_X_in_parts_are_refused(iris):
    X, y = iris

    def build():
        one, two = keras.Input((2,)), keras.Input((2,))
        return keras.Model([one, two], layers.Dense(3)(one + two))

    in_parts = [X[:, :2], X[:, 2:]]
    for model, rows in [(build, X), (build(), X), (build(), in_parts)]:
        with pytest.raises(ValueError, match="has 2 inputs and 1 outputs, but must have one of"):
            trained(rows, y, model=model)
    uneven = [X[:, :1], X[:, 1:]]
    for rows in (in_parts, tuple(uneven), {"one": X[:, :2], "two": X[:, 2:]}):
        with pytest.raises(ValueError, match="X: got 2 parts, but it must be one array"):
            trained(rows, y, model=build)
    with pytest.raises(ValueError, match="X: got 2 parts"):
        NetworkTransformer(model=build).fit(uneven)
    with pytest.raises(ValueError, match="X_val: got 2 parts"):
        NetworkClassifier(model=dense).fit(X, y, X_val=uneven, y_val=y)
    images = [np.full((2, 2), value) for value in (0.0, 1.0, 1.0)]  # which are rows
    flat = stacked(layers.Flatten)
    assert NetworkClassifier(model=flat, **FAST).fit(images, [0, 1, 2]).n_iter_ == 3


@pytest.mark.parametrize("name", ["train_step", "compute_loss", "predict_step"])
@pytest.mark.parametrize("given", ["function", "model"])
def test_a_model_that_says_how_it_is_trained_is_refused(name, given, iris):
    kind = type("Own", (TwoLayers,), {name: lambda self, *args, **kwargs: 1 / 0})
    model = kind(3) if given == "model" else lambda: kind(3)
    with pytest.raises(ValueError, match=f"Own overrides {name}, .* pass loss= to the estimator"):
        trained(*iris, model=model)


# Targets and outputs --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("width", "activation"), [(1, "linear"), (1, "sigmoid"), (2, "linear"), (2, "softmax")]
)
def test_two_classes_may_have_one_output_or_two(width, activation, iris):
    X, y = iris[0][50:], np.array(["no", "yes"])[iris[1][50:] - 1]
    model = NetworkClassifier(
        model=lambda input_shape: keras.Sequential(
            [keras.Input(input_shape), layers.Dense(width, activation)]
        ),
        weight_decay=0.01 / width,
        learning_rate=0.2,
        learning_rate_schedule="cosine",
        epochs=300,
        random_state=0,
    ).fit(X, y)
    # The penalty of two outputs is that of their difference, halved.
    theirs = LogisticRegression(C=1 / (0.01 / width * 100) * (2 if width == 2 else 1) / width).fit(
        X, y
    )
    assert model.predict_proba(X).shape == (100, 2)
    assert model.decision_function(X).shape == (100,)
    assert np.mean(model.predict(X) == theirs.predict(X)) > 0.97
    assert log_loss(y, model.predict_proba(X)) < 0.3
    odds = model.predict_proba(X)
    assert_allclose(model.decision_function(X), np.log(odds[:, 1] / odds[:, 0]), atol=1e-4)


def test_labels_that_do_not_exclude_each_other():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    Y = (X @ rng.normal(size=(3, 4)) > 0).astype(int)
    expected = None
    for activation in ("linear", "sigmoid"):
        model = NetworkClassifier(
            model=partial(dense, activation=activation), epochs=100, random_state=0
        ).fit(X, Y)
        assert model.score(X, Y) > 0.8
        if expected is not None:
            assert_allclose(model.predict_proba(X), expected, atol=1e-3)
        expected = model.predict_proba(X)


def test_several_columns_of_classes_take_logits(iris):
    X, y = iris
    Y = np.column_stack([y, y > 0])
    model = NetworkClassifier(model=linear, epochs=60, learning_rate=0.1, random_state=0).fit(X, Y)
    assert [p.shape for p in model.predict_proba(X)] == [(150, 3), (150, 2)]
    assert np.mean(model.predict(X) == Y) > 0.9
    with pytest.raises(ValueError, match="must be linear"):
        NetworkClassifier(model=dense).fit(X, Y)


def test_scores_are_not_passed_off_as_probabilities(iris):
    X, y = iris
    model = trained(X, y > 0, model=linear, loss="hinge", epochs=50)
    assert model.score(X, y > 0) > 0.95
    with pytest.raises(ValueError, match="scores, which are no probabilities"):
        model.predict_proba(X)


def test_label_smoothing_keeps_probabilities_from_one(iris):
    settings = {"model": dense, "epochs": 300, "learning_rate": 0.05}
    sharp = trained(*iris, **settings).predict_proba(iris[0]).max()
    smooth = trained(*iris, label_smoothing=0.3, **settings).predict_proba(iris[0]).max()
    assert smooth < 0.95 < sharp


class Applied(layers.Layer):
    """A layer of the user's, whose class tells nothing."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def call(self, *inputs):
        return self.function(*inputs)


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize(
    ("end", "activations", "learnt"),
    [
        (lambda a, b: (a + b) / 2, ("softmax", "softmax"), "asked"),
        (lambda a, b: ops.relu(a) - b, (None, None), "logits"),
        (lambda a: ops.concatenate([a[:, :1], a[:, 1:]], axis=-1), ("softmax",), "probabilities"),
        (lambda a: ops.softmax(a), (None,), "probabilities"),
        (lambda a: ops.expand_dims(a, 1)[:, 0], (None,), "logits"),
        (lambda a: ops.exp(a), (None,), "asked"),
        (lambda a: ops.softplus(a), (None,), "asked"),
        (lambda a, b: a * b, (None, "sigmoid"), "asked"),
        (lambda a, b: ops.concatenate([a[:, :1], b[:, 1:]], axis=-1), ("softmax", None), "asked"),
    ],
)
def test_what_outputs_are_is_told_or_asked(end, activations, learnt, wrapped, iris):
    def build(input_shape):
        rows = keras.Input(input_shape)
        parts = [layers.Dense(3, activation)(rows) for activation in activations]
        return keras.Model(rows, Applied(end)(*parts) if wrapped else end(*parts))

    model = NetworkClassifier(model=build, epochs=1, random_state=0)
    if learnt == "asked":
        with pytest.raises(ValueError, match=r"the model ends in .* change it, or pass a loss"):
            model.fit(*iris)
        model.set_params(loss=keras.losses.CategoricalCrossentropy(from_logits=True))
        learnt = "logits"
    probabilities = model.fit(*iris).predict_proba(iris[0])
    outputs = model.network_(iris[0])
    outputs = ops.softmax(outputs) if learnt == "logits" else outputs
    assert_allclose(probabilities, outputs, atol=1e-6)


def test_a_loss_that_compares_rows_with_each_other_is_refused(iris):
    def of_all_pairs(y_true, y_pred):
        return ops.abs(y_true[:, 0] - y_pred)

    def of_one_column(y_true, y_pred):
        return ops.abs(y_true - y_pred)[:, :1]

    model = NetworkRegressor(loss=of_all_pairs, epochs=1)
    with pytest.raises(ValueError, match=r"loss gives numbers of the shape .* with other rows"):
        model.fit(iris[0], iris[0][:, 0])
    model.set_params(loss=of_one_column).fit(iris[0], iris[0][:, :2])


def test_a_loss_in_numpy_is_told_to_use_keras(iris):
    def loss(y_true, y_pred):
        return np.square(np.asarray(y_true) - np.asarray(y_pred))

    with pytest.raises(TypeError, match=r"loss computes with NumPy.*keras.ops"):
        NetworkRegressor(loss=loss, epochs=1).fit(iris[0], iris[0][:, 0])


def test_labels_may_have_a_layer_each():
    X = np.random.default_rng(0).normal(size=(400, 4)).astype(np.float32)
    Y = (X[:, :3] > 0).astype(int)

    def build(input_shape, n_outputs):
        rows = keras.Input(input_shape)
        heads = [layers.Dense(1, "sigmoid")(rows) for _ in range(n_outputs)]
        return keras.Model(rows, layers.Concatenate()(heads))

    model = NetworkClassifier(model=build, epochs=60, learning_rate=0.03, random_state=0)
    assert model.fit(X, Y).score(X, Y) > 0.9
    assert_allclose(model.predict_proba(X), model.network_(X), atol=1e-6)


def test_an_operation_at_the_end_is_as_good_as_an_activation():
    X = np.random.default_rng(0).normal(size=(100, 4)).astype(np.float32)
    y = np.exp(X[:, 0] / 2)

    def operation(input_shape):
        rows = keras.Input(input_shape)
        return keras.Model(rows, ops.exp(layers.Dense(1)(rows)))

    def activation(input_shape):
        return keras.Sequential([keras.Input(input_shape), layers.Dense(1, "exponential")])

    settings = {"epochs": 5, "learning_rate": 0.1, "random_state": 0}
    one, other = (NetworkRegressor(model=f, **settings).fit(X, y) for f in (operation, activation))
    assert_allclose(one.predict(X), other.predict(X), rtol=1e-5)


def test_the_last_activation_of_a_model_of_ones_own_class_is_found(iris):
    probabilities = trained(*iris, model=lambda n_outputs: TwoLayers(n_outputs), epochs=50)
    assert_allclose(
        probabilities.predict_proba(iris[0]), probabilities.network_(iris[0]), atol=1e-6
    )
    assert probabilities.score(*iris) > 0.85
    with pytest.raises(ValueError, match="cannot be told here"):
        probabilities.transform(iris[0])


def test_features_are_what_the_last_layer_sees(iris):
    model = trained(*iris, model=dense)
    hidden, head = model.network_.layers
    assert_allclose(model.transform(iris[0]), hidden(iris[0]), atol=1e-6)
    expected = ops.softmax(model.transform(iris[0]) @ head.kernel + head.bias)
    assert_allclose(model.predict_proba(iris[0]), expected, atol=1e-6)


# Rows of many kinds ---------------------------------------------------------------------------


def test_images_keep_their_shape_and_integers():
    images, y = load_digits(return_X_y=True)
    images = images[:300].reshape(-1, 8, 8, 1).astype(np.uint8)

    def build(input_shape, n_outputs):
        return keras.Sequential(
            [
                keras.Input(input_shape),
                layers.Rescaling(1 / 16),
                layers.Conv2D(8, 3, activation="relu"),
                layers.Flatten(),
                layers.Dense(n_outputs),
            ]
        )

    model = trained(images, y[:300], model=build, epochs=15, batch_size=32)
    assert model.score(images, y[:300]) > 0.95
    assert_allclose(
        model.predict_proba(images.astype(float)), model.predict_proba(images), rtol=1e-5
    )
    with pytest.raises(ValueError, match=r"rows of shape \(8, 9, 1\), but fit has seen"):
        model.predict(np.zeros((2, 8, 9, 1)))


def test_an_embedding_gets_integers_and_refuses_others():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 10, size=(200, 3))
    y = np.isin(X[:, 0], [1, 4, 7])
    build = partial(embedding)
    model = NetworkClassifier(
        model=lambda input_shape: build(input_shape, 2),
        epochs=40,
        learning_rate=0.05,
        random_state=0,
    ).fit(X, y)
    assert model.score(X, y) == 1
    assert_array_equal(model.predict_proba(X.astype(float)), model.predict_proba(X))
    with pytest.raises(ValueError, match="takes integers"):
        model.predict(X + 0.5)


def test_a_table_has_names(iris):
    X = pd.DataFrame(iris[0], columns=list("abcd"))
    model = NetworkClassifier(model=dense, **FAST).fit(X, iris[1])
    assert_array_equal(model.feature_names_in_, list("abcd"))
    with pytest.raises(ValueError, match="feature names"):
        model.predict(X[["b", "a", "c", "d"]])


# Keras models with weights --------------------------------------------------------------------


@copies_by_keras
def test_a_fit_starts_from_the_weights_of_a_model_and_leaves_it_alone(iris):
    theirs = dense((4,), 3)
    before = theirs.get_weights()
    model = NetworkClassifier(model=theirs, epochs=1, learning_rate=1e-12, random_state=0)
    model.fit(*iris)
    assert_allclose(model.predict_proba(iris[0]), theirs(iris[0]), atol=1e-6)
    model.set_params(epochs=150, learning_rate=0.05).fit(*iris)
    assert model.score(*iris) > 0.95
    for a, b in zip(before, theirs.get_weights(), strict=True):
        assert_array_equal(a, b)
    assert not theirs.compiled


@copies_by_keras
def test_frozen_layers_stay_as_they_are_to_the_bit(iris):
    theirs = keras.Sequential(
        [keras.Input((4,)), layers.Dense(8), layers.BatchNormalization(), layers.Dense(3)]
    )
    theirs.layers[0].trainable = theirs.layers[1].trainable = False
    model = NetworkClassifier(model=theirs, weight_decay=0.1, **FAST).fit(*iris)
    for ours, own in zip(model.network_.layers, theirs.layers, strict=True):
        for a, b in zip(ours.get_weights(), own.get_weights(), strict=True):
            assert np.array_equal(a, b) == (own is not theirs.layers[2])


@copies_by_keras
def test_models_of_other_weights_share_a_program_and_not_their_weights(iris):
    one = dense((4,), 3)
    other = keras.models.clone_model(one)  # of the same names, and with new weights
    first = NetworkClassifier(model=one, learning_rate=1e-12, **FAST).fit(*iris)
    before = misses()
    second = NetworkClassifier(model=other, learning_rate=1e-12, **FAST).fit(*iris)
    assert_allclose(first.predict_proba(iris[0]), one(iris[0]), atol=1e-6)
    assert_allclose(second.predict_proba(iris[0]), other(iris[0]), atol=1e-6)
    assert misses() == before


@copies_by_keras
def test_a_model_of_the_structure_and_names_that_a_function_gives_keeps_its_weights(iris):
    drawn = trained(*iris, model=linear)
    theirs = keras.models.clone_model(drawn.network_)
    theirs.layers[0].set_weights([np.ones((4, 3)), np.zeros(3)])
    model = trained(*iris, model=theirs, learning_rate=1e-12)
    assert_allclose(model.network_.get_weights()[0], 1, rtol=1e-6)
    again = trained(*iris, model=linear)
    assert_array_equal(again.predict_proba(iris[0]), drawn.predict_proba(iris[0]))


@copies_by_keras
def test_an_unbuilt_model_is_built_by_the_rows_with_weights_of_the_seed(iris):
    theirs = keras.Sequential([layers.Dense(3)])
    model = trained(*iris, model=theirs)
    assert not theirs.built
    assert_array_equal(clone(model).fit(*iris).predict_proba(iris[0]), model.predict_proba(iris[0]))
    assert not np.array_equal(
        clone(model).set_params(random_state=1).fit(*iris).predict(iris[0]), model.predict(iris[0])
    )


@copies_by_keras
def test_a_model_that_keras_cannot_copy_is_refused_with_what_to_do(iris):
    theirs = TwoLayers(3)
    theirs(iris[0])
    with pytest.raises(NotImplementedError) as error:
        trained(*iris, model=theirs)
    assert "or pass a function that builds the model" in error.value.__notes__[0]


@copies_by_keras
def test_clones_share_the_model_and_pickles_keep_it(iris):
    model = NetworkClassifier(model=dense((4,), 3), **FAST).fit(*iris)
    assert clone(model).model is model.model
    again = pickle.loads(pickle.dumps(model))
    engine.cache_clear()
    assert_array_equal(again.predict_proba(iris[0]), model.predict_proba(iris[0]))
    assert_array_equal(again.fit(*iris).predict_proba(iris[0]), model.predict_proba(iris[0]))


@copies_by_keras
def test_changing_the_model_later_changes_later_fits_alone(iris):
    theirs = dense((4,), 3)
    model = NetworkClassifier(model=theirs, **FAST).fit(*iris)
    before = model.predict_proba(iris[0])
    theirs.layers[0].trainable = False
    theirs.set_weights([a + 1 for a in theirs.get_weights()])
    assert_array_equal(model.predict_proba(iris[0]), before)
    again = clone(model).fit(*iris)
    assert_array_equal(again.network_.layers[0].get_weights()[0], theirs.layers[0].get_weights()[0])


# Layers with weights from outside of the function ----------------------------------------------


def backbone(seed=0, trainable=True):
    """A model with weights of its own, and buffers and constants that were adapted."""
    rng = np.random.default_rng(seed)
    scale = layers.Normalization()
    scale.adapt(rng.normal(5, 3, size=(50, 4)))
    model = keras.Sequential(
        [keras.Input((4,)), scale, layers.Dense(6, "relu"), layers.BatchNormalization()]
    )
    kernel, mean = rng.normal(size=(4, 6)), rng.normal(size=6)
    model.layers[1].set_weights([kernel, np.ones(6)])
    model.layers[2].set_weights([np.ones(6), np.zeros(6), mean, 1 + mean**2])
    model.trainable = trainable
    return model


def on_top_of(back, idiom="called", **settings):
    def build(input_shape, n_outputs):
        head = layers.Dense(n_outputs, "softmax", **settings)
        if idiom == "sequential":
            return keras.Sequential([back, head])
        if idiom == "tensor":
            return keras.Model(back.inputs, head(back.outputs[0]))
        rows = keras.Input(input_shape)
        return keras.Model(rows, head(back(rows)))

    return build


def equal(one, other):
    return [np.array_equal(a, b) for a, b in zip(one, other, strict=True)]


@copies_by_keras
@pytest.mark.parametrize("idiom", ["called", "sequential", "tensor"])
def test_a_backbone_from_outside_is_trained_from_its_weights_as_by_keras(idiom, iris):
    X, y = iris
    theirs, back = backbone(), backbone()
    before = back.get_weights()
    build = on_top_of(back, idiom, kernel_initializer="identity")
    model = NetworkClassifier(model=build, optimizer=PLAIN, learning_rate=0.1, epochs=2)
    model.fit(X, y)
    reference = on_top_of(theirs, idiom, kernel_initializer="identity")((4,), 3)
    reference.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    for _ in range(2):
        reference.train_on_batch(X, y)
    for a, b in zip(reference.get_weights(), model.network_.get_weights(), strict=True):
        assert_allclose(b, a, atol=1e-5)
    assert not all(equal(before, theirs.get_weights()))
    assert all(equal(before, back.get_weights()))
    assert_allclose(model.predict_proba(X), reference.predict(X, verbose=0), atol=1e-5)


@copies_by_keras
def test_a_frozen_backbone_from_outside_stays_as_it_is(iris):
    back = backbone(trainable=False)
    model = NetworkClassifier(model=on_top_of(back), **FAST).fit(*iris)
    assert all(equal(model.network_.layers[1].get_weights(), back.get_weights()))
    features = back.predict(iris[0], verbose=0)
    assert_allclose(model.transform(iris[0]), features, atol=1e-5)
    transformer = NetworkTransformer(model=on_top_of(back), layer=back.name, target="y", **FAST)
    for _ in range(2):
        transformer.fit(iris[0], np.eye(3)[iris[1]])
        assert_allclose(transformer.transform(iris[0]), features, atol=1e-5)


@copies_by_keras
def test_backbones_of_one_architecture_share_programs_and_no_weights(iris):
    one = backbone(0)
    other = keras.models.clone_model(one)
    other.set_weights([a + 1 for a in one.get_weights()])
    for part in other.layers:
        if isinstance(part, layers.Normalization):
            part.finalize_state()
    settings = {"learning_rate": 1e-12, **FAST}
    models = [NetworkClassifier(model=on_top_of(b), **settings).fit(*iris) for b in (one, other)]
    for model, back in zip(models, (one, other), strict=True):
        for again in (model, clone(model).fit(*iris), pickle.loads(dumps(model))):
            engine.cache_clear()
            assert_allclose(again.transform(iris[0]), model.transform(iris[0]), rtol=1e-6)
            kernel = again.network_.layers[1].layers[1].get_weights()[0]
            assert_allclose(kernel, back.layers[1].get_weights()[0], rtol=1e-6)
    assert_array_equal(
        models[0].network_.layers[-1].get_weights()[0],
        models[1].network_.layers[-1].get_weights()[0],
    )


@keras.saving.register_keras_serializable("tests")
class Encoder(keras.Model):
    """A model of the user's class, whose configuration tells nothing of what is frozen."""

    def __init__(self, units=6, **settings):
        super().__init__(**settings)
        self.units = units
        self.encoder = layers.Dense(units, "relu")
        self.head = layers.Dense(3, "softmax")

    def call(self, x):
        return self.head(self.encoder(x))

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@copies_by_keras
@pytest.mark.parametrize("outside", [False, True])
def test_layers_within_a_class_of_ones_own_stay_frozen(outside, iris):
    model = Encoder()
    model(iris[0])
    model.encoder.trainable = False
    before = model.encoder.get_weights()
    fitted = trained(*iris, model=on_top_of(model) if outside else model, learning_rate=0.1)
    network = fitted.network_.layers[1] if outside else fitted.network_
    assert all(equal(network.encoder.get_weights(), before))
    assert not all(equal(network.head.get_weights(), model.head.get_weights()))


@copies_by_keras
def test_fits_leave_no_calls_in_a_backbone(iris):
    back = backbone()
    before = [len(layer._inbound_nodes) for layer in back._flatten_layers()]
    for _ in range(2):
        NetworkClassifier(model=on_top_of(back, "tensor"), **FAST).fit(*iris)
    assert [len(layer._inbound_nodes) for layer in back._flatten_layers()] == before
    assert on_top_of(back)((4,), 3)(iris[0]).shape == (150, 3)  # still usable


@copies_by_keras
def test_a_backbone_among_the_parameters_is_shared_by_clones(iris):
    back = backbone(trainable=False)

    def build(input_shape, n_outputs, backbone):
        return on_top_of(backbone)(input_shape, n_outputs)

    model = NetworkClassifier(model=build, model__backbone=back, **FAST)
    twin = clone(model)
    assert twin.model_params["backbone"] is back
    assert model.model_params["backbone"] is back
    assert_array_equal(twin.fit(*iris).predict(iris[0]), model.fit(*iris).predict(iris[0]))


def test_a_layer_that_the_function_keeps_from_its_first_call_is_refused_and_usable(iris):
    @cache
    def kept():
        model = keras.Sequential([keras.Input((4,)), layers.Dense(6, name="kept")])
        model.set_weights([np.full((4, 6), 0.5), np.zeros(6)])
        return model

    def build(input_shape, n_outputs):
        return on_top_of(kept())(input_shape, n_outputs)

    with pytest.raises(ValueError, match=r"build made .* when it was first called"):
        trained(*iris, model=build)
    assert_array_equal(kept().get_weights()[0], np.full((4, 6), 0.5))


@copies_by_keras
def test_a_second_fit_with_other_weights_outside_compiles_nothing(iris):
    back = backbone()
    model = NetworkClassifier(model=on_top_of(back), **FAST).fit(*iris)
    expected, before = model.predict_proba(iris[0]), misses()
    back.layers[1].set_weights([np.zeros((4, 6)), np.zeros(6)])
    other = clone(model).fit(*iris)
    assert misses() == before
    assert_array_equal(model.predict_proba(iris[0]), expected)
    assert not np.allclose(other.predict_proba(iris[0]), expected, atol=1e-3)


@copies_by_keras
def test_thawing_a_backbone_later_changes_later_fits_alone(iris):
    back = backbone(trainable=False)
    frozen = NetworkClassifier(model=on_top_of(back), **FAST).fit(*iris)
    expected = frozen.predict_proba(iris[0])
    back.trainable = True
    thawed = clone(frozen).fit(*iris)
    assert_array_equal(frozen.predict_proba(iris[0]), expected)
    kernels = [m.network_.layers[1].layers[1].get_weights()[0] for m in (frozen, thawed)]
    own = back.layers[1].get_weights()[0]
    assert [np.array_equal(kernel, own) for kernel in kernels] == [True, False]


@copies_by_keras
def test_a_backbone_that_was_trained_by_keras_brings_no_optimizer_along(iris):
    theirs = dense((4,), 3)
    theirs.compile("adam", "sparse_categorical_crossentropy")
    theirs.fit(*iris, verbose=0)
    theirs.layers[0].trainable = False
    alone = NetworkClassifier(model=theirs, learning_rate=1e-12, **FAST).fit(*iris)
    assert_allclose(alone.predict_proba(iris[0]), theirs(iris[0]), atol=1e-6)
    model = NetworkClassifier(model=on_top_of(theirs), **FAST).fit(*iris)
    assert_allclose(model.transform(iris[0]), theirs(iris[0]), atol=0.2)
    assert theirs.compiled
    assert not model.network_.compiled


@copies_by_keras
def test_a_model_with_a_backbone_from_outside_is_saved_by_its_function(iris, tmp_path):
    model = trained(*iris, model=on_top_of(backbone(0)))
    save(model, tmp_path / "model")
    with pytest.raises(LoadError, match="build"):
        load(tmp_path / "model")
    back = backbone(0)
    back.layers[1].set_weights([np.zeros((4, 6)), np.zeros(6)])  # the file has what was learnt
    before = back.get_weights()
    loaded = load(tmp_path / "model", custom_objects={"build": on_top_of(back)})
    engine.cache_clear()
    assert_array_equal(loaded.predict_proba(iris[0]), model.predict_proba(iris[0]))
    assert_array_equal(loaded.transform(iris[0]), model.transform(iris[0]))
    for mine, theirs in zip(loaded.network_.weights, model.network_.weights, strict=True):
        assert_array_equal(mine, theirs)
    assert all(equal(back.get_weights(), before))
    other = keras.Sequential([keras.Input((4,)), layers.Dense(6)])
    wrong = load(tmp_path / "model", custom_objects={"build": on_top_of(other)})
    engine.cache_clear()
    with pytest.raises(ValueError, match="builds another network now"):
        wrong.predict(iris[0])


def test_a_layer_from_outside_without_weights_is_refused_and_left_usable(iris):
    mine = layers.Dense(6, name="mine")
    with pytest.raises(ValueError, match="uses mine, made outside of it and without weights"):
        trained(*iris, model=on_top_of(mine))
    assert mine(iris[0]).shape == (150, 6)


def test_a_function_that_sets_weights_outside_of_it_is_refused(iris):
    back = backbone()

    def build(input_shape, n_outputs):
        back.layers[1].set_weights([np.zeros((4, 6)), np.zeros(6)])
        return on_top_of(back)(input_shape, n_outputs)

    with pytest.raises(ValueError, match=r"function sets .*kernel, a weight that was there before"):
        trained(*iris, model=build)
    assert back.layers[1].get_weights()[0].any()


def test_weights_that_the_function_sets_are_kept_and_the_others_drawn(iris):
    kernel = np.full((4, 8), 0.1, np.float32)

    def build(input_shape, n_outputs):
        model = dense(input_shape, n_outputs)
        model.layers[0].set_weights([kernel, np.zeros(8)])
        model.layers[0].trainable = False
        return model

    model = trained(*iris, model=build)
    assert_array_equal(model.network_.layers[0].get_weights()[0], kernel)
    assert np.ptp(model.network_.layers[1].get_weights()[0]) > 0.1


def test_a_layer_that_is_adapted_in_the_function_keeps_what_it_learnt(iris):
    X, y = iris

    def build(n_outputs, shift=0.0):
        scale = layers.Normalization()
        scale.adapt(X * 3 + shift)
        return keras.Sequential([keras.Input((4,)), scale, layers.Dense(n_outputs)])

    model = NetworkClassifier(model=build, model__shift=100.0, **FAST).fit(X * 3 + 100, y)
    trained(X, y, model=build)  # another constant, hence another program
    expected = trained(X, y, model=linear)
    assert_allclose(model.predict_proba(X * 3 + 100), expected.predict_proba(X), atol=1e-4)


# Programs -------------------------------------------------------------------------------------


def test_clones_lambdas_and_rewritten_functions_share_a_program(iris):
    def build(input_shape, n_outputs):
        return dense(input_shape, n_outputs, 6)

    first = trained(*iris, model=build)
    expected = first.predict_proba(iris[0])
    before = engine.cache_info().misses
    same = [clone(first), NetworkClassifier(model=dense, model__units=6, **FAST)]
    same.append(
        NetworkClassifier(model=lambda input_shape, n_outputs: build(input_shape, n_outputs))
    )
    for model in same:
        model.set_params(**FAST).fit(*iris)
        assert_array_equal(model.predict_proba(iris[0]), expected)
    assert engine.cache_info().misses == before


def test_an_edited_helper_gives_a_new_program(iris):
    factor = [1.0]

    def activation(x):
        return factor[0] * ops.relu(x)

    def build(input_shape, n_outputs):
        rows = keras.Input(input_shape)
        return keras.Model(rows, layers.Dense(n_outputs)(layers.Activation(activation)(rows)))

    first = trained(*iris, model=build).transform(iris[0])
    factor[0] = 2.0
    assert_allclose(trained(*iris, model=build).transform(iris[0]), 2 * first, atol=1e-6)


def test_fits_are_equal_to_the_bit_with_the_layers_own_noise(iris):
    build = stacked(
        partial(layers.Dense, 8), partial(layers.Dropout, 0.5), partial(layers.GaussianNoise, 1.0)
    )
    first, again = (trained(*iris, model=build, batch_size=32) for _ in range(2))
    assert_array_equal(first.predict_proba(iris[0]), again.predict_proba(iris[0]))
    other = trained(*iris, model=build, batch_size=32, random_state=1)
    assert not np.array_equal(first.predict_proba(iris[0]), other.predict_proba(iris[0]))
    # Noise of some seed is drawn anew in each step: without it the fit is another.
    calm = trained(*iris, model=stacked(partial(layers.Dense, 8)), batch_size=32)
    assert not np.allclose(calm.predict_proba(iris[0]), first.predict_proba(iris[0]), atol=1e-2)


def test_five_epochs_and_five_more_are_ten(iris):
    build = stacked(
        partial(layers.Dense, 8), layers.BatchNormalization, partial(layers.Dropout, 0.2)
    )
    five = NetworkClassifier(model=build, epochs=5, batch_size=32, warm_start=True, random_state=0)
    five.fit(*iris).fit(*iris)
    ten = NetworkClassifier(model=build, epochs=10, batch_size=32, random_state=0).fit(*iris)
    assert_array_equal(five.predict_proba(iris[0]), ten.predict_proba(iris[0]))
    with pytest.raises(ValueError, match="model builds another one now"):
        five.set_params(model=dense).partial_fit(*iris)


def test_the_last_batch_of_an_epoch_has_no_padding_under_batch_normalisation(iris):
    X, y = iris[0][:101], iris[1][:101]
    build = stacked(partial(layers.BatchNormalization, momentum=0.0))
    model = NetworkClassifier(model=build, epochs=1, batch_size=100, random_state=3).fit(X, y)
    _, _, mean, variance = model.network_.layers[0].get_weights()
    assert_allclose(variance, 0, atol=1e-12)  # of the one row that was left
    assert np.any(np.all(np.isclose(mean, X), axis=1))


def test_a_pickle_works_in_an_empty_process_store_and_tells_of_an_edited_function(iris):
    model = trained(*iris, model=dense)
    again = pickle.loads(pickle.dumps(model))
    engine.cache_clear()
    assert_array_equal(again.predict_proba(iris[0]), model.predict_proba(iris[0]))
    lambdas = trained(*iris, model=lambda n_outputs: linear((4,), n_outputs))
    assert_array_equal(
        pickle.loads(dumps(lambdas)).predict_proba(iris[0]), lambdas.predict_proba(iris[0])
    )
    object.__setattr__(again._fitted.task.model, "arguments", {"input_shape": (4,), "n_outputs": 2})
    engine.cache_clear()
    with pytest.raises(ValueError, match="builds another network now"):
        again.predict(iris[0])


class Absolute(keras.losses.Loss):
    """A loss of the user's own class, which Keras can pickle no more than clone."""

    def call(self, y_true, y_pred):
        return ops.mean(ops.abs(y_true - y_pred), axis=-1)


def test_a_loss_of_ones_own_class_clones_and_pickles(iris):
    model = trained(*iris, model=dense, loss=Absolute())
    for again in (clone(model), pickle.loads(pickle.dumps(model))):
        assert_array_equal(again.fit(*iris).predict_proba(iris[0]), model.predict_proba(iris[0]))


def test_double_precision_reaches_the_users_layers(iris):
    X = iris[0].astype(float)
    with config_context(precision="float64"):
        model = trained(
            X, iris[1], model=lambda n_outputs: keras.Sequential([layers.Dense(n_outputs)])
        )
        assert model.network_.weights[0].dtype == "float64"
        assert_allclose(model.transform(X), X, rtol=1e-15)


@copies_by_keras
@pytest.mark.parametrize("model", [dense((4,), 3), on_top_of(dense((4,), 3))], ids=["model", "in"])
def test_weights_of_another_precision_are_refused(model, iris):
    with config_context(precision="float64"):
        with pytest.raises(ValueError, match=r"weights of float32 \(.*\), but precision='float64'"):
            trained(*iris, model=model)
    assert trained(*iris, model=model).n_iter_ == 3


def test_early_stopping_keeps_the_best_weights(iris):
    model = NetworkClassifier(
        model=dense, epochs=200, early_stopping=True, patience=3, learning_rate=0.1, random_state=0
    ).fit(*iris)
    losses = model.history_["val_loss"]
    assert model.best_epoch_ == losses.argmin() < len(losses) - 1 < 199


def thinned(input_shape, n_outputs, dropout=OurDropout, rate=0.4):
    rows = keras.Input(input_shape)
    drawn = keras.initializers.GlorotUniform(seed=0)
    x = layers.Dense(3, "relu", kernel_initializer=drawn, name="hidden")(rows)
    head = layers.Dense(n_outputs, kernel_initializer=drawn, name="head")
    return keras.Model(rows, head(dropout(rate)(x)))


@copies_by_keras
@pytest.mark.parametrize("given", ["function", "model"])
def test_samples_of_an_own_model_approach_the_mean_over_all_thinned_networks(iris, given):
    X, y, n = iris[0], iris[1] > 0, 1500
    build = thinned if given == "function" else thinned((4,), 1)
    model = NetworkClassifier(model=build, epochs=10, learning_rate=0.1, random_state=0).fit(X, y)
    kernel, bias = model.network_.get_layer("head").get_weights()
    exact, square = 0, 0
    for kept in itertools.product([0, 1], repeat=3):
        weight = np.prod([0.6 if k else 0.4 for k in kept])
        one = expit(model.transform(X) * kept / 0.6 @ kernel + bias)[:, 0]
        exact, square = exact + weight * one, square + weight * one**2
    error = np.sqrt(np.maximum(square - exact**2, 0) / n)
    found = model.predict_proba(X, n_samples=n)[:, 1]
    assert np.all(np.abs(found - exact) < 5 * error + 1e-6)
    assert np.abs(model.predict_proba(X)[:, 1] - exact).max() > 0.02  # which is another thing


def test_samples_of_a_model_without_our_dropout_are_refused_with_the_way_out(iris):
    model = trained(*iris, model=thinned, model__dropout=layers.Dropout)
    with pytest.raises(ValueError, match=r"put skdeep\.layers\.Dropout\(rate\) in its place"):
        model.predict_proba(iris[0], n_samples=5)


# Transformers ---------------------------------------------------------------------------------


def test_a_linear_autoencoder_finds_the_principal_subspace():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 6)) * [4, 3, 2, 1, 0.5, 0.25]
    X -= X.mean(axis=0)
    pca = PCA(2).fit(X)
    best = np.mean((X - pca.inverse_transform(pca.transform(X))) ** 2)
    model = NetworkTransformer(
        epochs=300, learning_rate=0.05, learning_rate_schedule="cosine", random_state=0
    )
    error = np.mean((X - model.fit_transform(X)) ** 2)
    assert 0.999 * best <= error <= 1.02 * best
    code = model.set_params(layer="code").fit_transform(X)
    assert code.shape == (300, 2)
    theirs = pca.transform(X)
    explained = theirs - code @ np.linalg.lstsq(code, theirs)[0]
    assert np.mean(explained**2) < 0.01 * np.mean(theirs**2)


@pytest.mark.parametrize("scorer", ["accuracy", make_scorer(mean_squared_error)], ids=str)
def test_a_transformer_refuses_scorers_that_need_predict(scorer, iris):
    with pytest.raises(ValueError, match=r"early_stopping=.* needs predict, which a transformer"):
        NetworkTransformer(early_stopping=scorer).fit(iris[0])


def test_a_transformer_is_watched_by_a_function_that_transforms(iris):
    def score(model, X, y):
        return -np.mean((model.transform(X) - y) ** 2)

    stopped = {"epochs": 30, "learning_rate": 0.5, "patience": 3, "random_state": 0}
    by_score, by_loss = (
        NetworkTransformer(early_stopping=watched, **stopped).fit(iris[0])
        for watched in (score, True)
    )
    history = by_score.history_
    assert_allclose(history["val_score"], -history["val_loss"], rtol=1e-5)
    assert_array_equal(by_score.transform(iris[0]), by_loss.transform(iris[0]))


def test_a_pipelines_labels_do_not_reach_an_autoencoder(iris):
    X, y = iris
    steps = NetworkTransformer(
        layer="code", model__units=3, epochs=60, learning_rate=0.05, random_state=0
    )
    assert make_pipeline(steps, LogisticRegression()).fit(X, y).score(X, y) > 0.9
    assert_array_equal(clone(steps).fit(X, y).transform(X), clone(steps).fit(X).transform(X))


def test_rows_are_denoised_by_clean_ones():
    rng = np.random.default_rng(0)
    clean = np.outer(rng.normal(size=500), [1, -1, 2, 1])
    noisy = clean + 0.5 * rng.normal(size=clean.shape)
    model = NetworkTransformer(
        target="y", model__units=1, epochs=300, learning_rate=0.02, random_state=0
    ).fit(noisy, clean)
    assert np.mean((model.transform(noisy) - clean) ** 2) < 0.3 * np.mean((noisy - clean) ** 2)
    with pytest.raises(ValueError, match="requires y"):
        model.fit(noisy)


def test_images_are_transformed_in_their_shape():
    images = load_digits().images[:200, ..., None] / 16
    model = NetworkTransformer(model__units=20, epochs=80, learning_rate=0.01, random_state=0)
    restored = model.fit_transform(images)
    assert restored.shape == images.shape
    assert np.mean((restored - images) ** 2) < 0.3 * images.var()


def test_series_are_transformed_step_by_step():
    phase = np.random.default_rng(0).uniform(0, 6, size=(100, 1, 1))
    series = np.sin(phase + 0.5 * np.arange(12)[:, None]).astype(np.float32)

    def build():
        rows = keras.Input((None, 1))  # of any length
        x = layers.LSTM(6, return_sequences=True, name="states")(rows)
        return keras.Model(rows, layers.Dense(1)(x))

    model = NetworkTransformer(
        model=build, layer="states", epochs=60, learning_rate=0.05, random_state=0
    ).fit(series)
    states = model.transform(series)
    assert states.shape == (100, 12, 6)
    restored = model.network_(series)
    assert_allclose(
        restored,
        states @ model.network_.layers[-1].get_weights()[0]
        + model.network_.layers[-1].get_weights()[1],
        atol=1e-5,
    )
    assert np.mean((restored - series) ** 2) < 0.1 * series.var()


@copies_by_keras
def test_a_frozen_model_transforms_as_it_is(iris):
    theirs = dense((4,), 3)
    theirs.trainable = False
    model = NetworkTransformer(model=theirs, layer=theirs.layers[0].name).fit(iris[0])
    assert model.n_iter_ == 0
    assert_allclose(model.transform(iris[0]), theirs.layers[0](iris[0]), atol=1e-6)


def test_a_layer_that_is_not_there_is_refused_and_those_that_are_named(iris):
    with pytest.raises(ValueError, match=r"layer='cod' is no layer of the model, .* code, decoder"):
        NetworkTransformer(layer="cod").fit(iris[0])


def test_an_output_that_cannot_be_the_rows_is_refused(iris):
    with pytest.raises(
        ValueError, match=r"has the shape \(2,\), but is to be as rows of X, \(4,\)"
    ):
        NetworkTransformer(model=lambda: linear((4,), 2)).fit(iris[0])


# What all networks have -----------------------------------------------------------------------


def test_a_saved_model_needs_the_function_to_load_and_predicts_equally(iris, tmp_path):
    model = trained(*iris, model=narrow, model__units=5, loss="sparse_categorical_crossentropy")
    save(model, tmp_path / "model")
    with pytest.raises(LoadError, match="narrow"):
        load(tmp_path / "model")
    again = load(tmp_path / "model", custom_objects={"narrow": narrow})
    engine.cache_clear()
    assert_array_equal(again.predict_proba(iris[0]), model.predict_proba(iris[0]))
    assert_array_equal(again.fit(*iris).predict_proba(iris[0]), model.predict_proba(iris[0]))


@pytest.mark.parametrize(
    "model",
    [
        NetworkClassifier(
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), **FAST
        ),
        NetworkClassifier(model=linear((4,), 3)),
    ],
    ids=["loss", "model"],
)
def test_objects_of_keras_are_not_saved_and_named(model, tmp_path):
    with pytest.raises(
        TypeError, match=r"(loss|model) of NetworkClassifier cannot be saved, .* pass a function"
    ):
        save(model, tmp_path / "model")


@pytest.mark.parametrize("kind", [NetworkClassifier, NetworkRegressor, NetworkTransformer])
def test_default_networks_are_saved_as_they_are(kind, iris, tmp_path):
    model = kind(**FAST).fit(*iris)
    save(model, tmp_path / "model")
    again = load(tmp_path / "model")
    engine.cache_clear()
    assert_array_equal(again.transform(iris[0]), model.transform(iris[0]))


def by_file(row):
    """A loss of the user's."""


def reloaded_with_loss(loss, iris, path, **options):
    """A model whose file was made by hand: its fit says ``loss``."""
    save(NetworkRegressor(loss="mean_squared_error", **FAST).fit(*iris), path)
    parts = files.read(path, "estimator")
    fits = json.loads(parts["fits.json"])
    given = fits[0]["values"]["task"]["values"]["head"]["values"]["keras_loss"]["values"]
    assert given["given"] == "mean_squared_error"
    parts["fits.json"] = json.dumps(fits).replace('"mean_squared_error"', json.dumps(loss)).encode()
    files.write(path, "estimator", parts)
    return load(path, **options)


@pytest.mark.parametrize(
    ("loss", "told"),
    [
        (3, "a loss must be a name or a function, but is 3"),
        (None, "must be a name or a function"),
        (["mean_squared_error"], "must be a name or a function"),
        (
            {"dict": [["class_name", "MeanSquaredError"], ["config", {"dict": []}]]},
            "must be a name",
        ),
        ({"object": "skdeep.schedules.Cosine", "values": {"epochs": 3}}, "must be a name"),
        ("no_loss", "loss='no_loss' is no loss of Keras"),
        (
            {"function": "module.function"},
            r"needs what skdeep does not vouch for: module\.function",
        ),
    ],
)
def test_a_file_holds_no_loss_but_a_name_or_what_is_passed(loss, told, iris, tmp_path):
    with pytest.raises(LoadError, match=told):
        reloaded_with_loss(loss, iris, tmp_path / "model")


def test_a_file_does_not_decide_with_whom_its_loss_shares_a_program(iris, tmp_path):
    path = tmp_path / "model"
    other = reloaded_with_loss("mean_absolute_error", iris, path)
    true = NetworkRegressor(loss="mean_absolute_error", **FAST).fit(*iris)
    heads = [model._fitted.task.head for model in (other, true)]
    assert heads[0] == heads[1]
    mine = {"function": "module.by_file"}
    model = reloaded_with_loss(mine, iris, path, custom_objects={"by_file": by_file})
    assert model._fitted.task.head.keras_loss.given is by_file


def test_a_killed_fit_goes_on_and_an_edited_model_does_not(iris, tmp_path):
    build = stacked(partial(layers.Dense, 8), partial(layers.Dropout, 0.2))
    settings = {"model": build, "epochs": 6, "batch_size": 32, "random_state": 0}
    whole = NetworkClassifier(**settings).fit(*iris)
    keep = [Checkpoint(tmp_path / "fit")]
    NetworkClassifier(**settings | {"epochs": 2, "callbacks": keep}).fit(*iris)
    resumed = NetworkClassifier(**settings | {"callbacks": keep}).fit(*iris)
    assert_array_equal(resumed.predict_proba(iris[0]), whole.predict_proba(iris[0]))
    other = stacked(partial(layers.Dense, 8), partial(layers.Dropout, 0.3))
    with pytest.raises(ValueError, match="the checkpoint of another fit: task"):
        NetworkClassifier(**settings | {"model": other, "callbacks": keep}).fit(*iris)


@pytest.mark.parametrize(("width", "activation"), [(1, "sigmoid"), (2, "softmax"), (1, "linear")])
def test_a_temperature_makes_probabilities_truthful(width, activation, iris):
    X, y = iris[0][50:], iris[1][50:] - 1
    model = NetworkClassifier(
        model=lambda: keras.Sequential([layers.Dense(30, "relu"), layers.Dense(width, activation)]),
        epochs=100,
        learning_rate=0.05,
        calibrate=True,
        random_state=0,
    ).fit(X[::2], y[::2], X_val=X[1::2], y_val=y[1::2])
    logits = model.decision_function(X[1::2])
    at = lambda temperature: log_loss(y[1::2], expit(logits / temperature))  # noqa: E731
    best = model.temperature_
    assert best > 1.1
    assert at(best) < min(at(1), at(0.8 * best), at(1.3 * best))
    assert_allclose(model.predict_proba(X[1::2])[:, 1], expit(logits / best), atol=1e-6)


def test_a_regression_tells_its_uncertainty():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(2000, 1))
    y = 100 * X[:, 0] + 5 * np.exp(X[:, 0]) * rng.normal(size=2000)
    settings = {"epochs": 60, "learning_rate": 0.02, "random_state": 0}
    build = partial(dense, units=16, activation="linear")
    for loss in ("gaussian", "quantile"):
        model = NetworkRegressor(model=build, loss=loss, **settings).fit(X, y)
        _, deviation = model.predict(np.array([[-0.5], [0.5]]), return_std=True)
        assert_allclose(deviation, 5 * np.exp([-0.5, 0.5]), rtol=0.3)
        low, high = model.predict_quantiles(X, [0.1, 0.9]).T
        assert abs(np.mean((low < y) & (y < high)) - 0.8) < 0.04
    with pytest.raises(ValueError, match="outputs of any value; end it in a linear layer"):
        NetworkRegressor(model=dense, loss="gaussian").fit(X, y)


def test_layers_and_numbers_are_counted_as_keras_does(iris):
    for build in (dense, lambda n_outputs: TwoLayers(n_outputs)):
        model = trained(*iris, model=build)
        assert model.n_parameters_ == model.network_.count_params()
        assert model.summary()["parameters"].sum() == model.n_parameters_


def test_scores_are_not_calibrated(iris):
    with pytest.raises(ValueError, match="calibrate=True divides logits, but loss='hinge'"):
        trained(iris[0], iris[1] > 0, model=linear, loss="hinge", calibrate=True)
