"""Our optimizers against Keras's, on the same gradients.

Keras 3.15 places each epsilon where ours do: under the root for RMSprop and Adagrad, beside it,
with the bias correction in the step size ("epsilon hat"), for Adam.
"""

import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skdeep import MLPClassifier, engine
from skdeep.engine.runtime import tf
from skdeep.hyperparameters import runtime_values, structural_key, structural_twin
from skdeep.optimizers import NAMES, SGD, Adagrad, Adam, AdamW, RMSprop, resolve

CASES = {
    "sgd": (SGD(), keras.optimizers.SGD, {}),
    "momentum": (SGD(momentum=0.9), keras.optimizers.SGD, {"momentum": 0.9}),
    "nesterov": (
        SGD(momentum=0.8, nesterov=True),
        keras.optimizers.SGD,
        {"momentum": 0.8, "nesterov": True},
    ),
    "rmsprop": (RMSprop(), keras.optimizers.RMSprop, {}),
    "rmsprop, large epsilon": (
        RMSprop(rho=0.7, epsilon=0.3),
        keras.optimizers.RMSprop,
        {"rho": 0.7, "epsilon": 0.3},
    ),
    "adagrad": (Adagrad(), keras.optimizers.Adagrad, {}),
    "adagrad, other start": (
        Adagrad(initial_accumulator=0.5, epsilon=0.2),
        keras.optimizers.Adagrad,
        {"initial_accumulator_value": 0.5, "epsilon": 0.2},
    ),
    "adam": (Adam(), keras.optimizers.Adam, {}),
    "adam, large epsilon": (
        Adam(beta_1=0.8, beta_2=0.95, epsilon=0.1),
        keras.optimizers.Adam,
        {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 0.1},
    ),
    "adamw": (AdamW(beta_2=0.99), keras.optimizers.AdamW, {"beta_2": 0.99, "weight_decay": 0.1}),
}


def keras_path(optimizer, start, gradients):
    """Weights after each update by a Keras optimizer."""
    variable, path = keras.Variable(start), []
    for gradient in gradients:
        optimizer.apply([gradient], [variable])
        path.append(variable.value.numpy().copy())
    return path


@pytest.mark.parametrize(("ours", "theirs", "settings"), CASES.values(), ids=CASES)
def test_updates_are_keras_updates(ours, theirs, settings):
    rng = np.random.default_rng(0)
    start = rng.normal(size=20).astype(np.float32)
    gradients = (rng.normal(size=(8, 20)) * np.logspace(-4, 1, 20)).astype(np.float32)
    expected = keras_path(theirs(learning_rate=0.05, **settings), start, gradients)
    hyper = {"learning_rate": 0.05, "optimizer": runtime_values(ours), "weight_decay": 0.1}
    hyper = tf.nest.map_structure(lambda number: tf.constant(number, tf.float32), hyper)
    decayed = tf.identity if isinstance(ours, AdamW) else None
    weights, slots = tf.constant(start), ours.initial(start)
    for t, (gradient, wanted) in enumerate(zip(gradients, expected, strict=True), start=1):
        weights, slots = engine.descend(ours, weights, tf.constant(gradient), slots, hyper, decayed)
        # Our 1 - beta_2 is of float32, Keras's of float64: 5e-5 of it.
        np.testing.assert_allclose(weights, wanted, rtol=1e-5, atol=2e-6)
        assert slots["t"] == t


@pytest.mark.parametrize("name", sorted(NAMES))
def test_name_and_default_object_are_the_same_program(name):
    by_name, by_object = resolve(name), type(resolve(name))()
    assert structural_key(structural_twin(by_name)) == structural_key(structural_twin(by_object))
    assert runtime_values(by_name) == runtime_values(by_object)


def test_names_of_keras_are_the_same_optimizers():
    for name in NAMES:
        ours, theirs = type(resolve(name)).__name__, type(keras.optimizers.get(name)).__name__
        assert ours == theirs


def key(optimizer):
    return structural_key(structural_twin(optimizer))


def test_numbers_share_a_program_and_nesterov_does_not():
    assert key(SGD(momentum=0.1)) == key(SGD(momentum=0.9))
    assert key(Adam(beta_1=0.5, epsilon=1e-3)) == key(Adam())
    assert key(SGD(nesterov=True)) != key(SGD())
    assert key(Adam()) != key(AdamW())


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    return X, (X[:, 0] > 0).astype(int)


def test_fit_by_name_and_by_object_are_equal_and_compile_once(data):
    how = {"hidden_layer_sizes": (4,), "epochs": 2, "random_state": 0}
    by_name = MLPClassifier(optimizer="rmsprop", **how).fit(*data)
    misses = engine.cache_info().misses
    by_object = MLPClassifier(optimizer=RMSprop(rho=0.9), **how).fit(*data)
    assert engine.cache_info().misses == misses
    np.testing.assert_array_equal(
        by_object.decision_function(data[0]), by_name.decision_function(data[0])
    )


def test_settings_are_tunable_by_nested_names(data):
    model = MLPClassifier(
        hidden_layer_sizes=(4,), epochs=3, optimizer=SGD(), learning_rate=0.1, random_state=0
    )
    copy = clone(model.set_params(optimizer__momentum=0.5))
    assert copy.optimizer is not model.optimizer
    assert copy.get_params()["optimizer__momentum"] == 0.5
    grid = {"optimizer__momentum": [0.0, 0.9], "optimizer": [SGD()]}
    search = GridSearchCV(model, grid, cv=2, scoring="neg_log_loss").fit(*data)
    slow, fast = search.cv_results_["mean_test_score"]
    assert fast > slow  # momentum speeds so short a descent up
    assert model.optimizer.momentum == 0.5


def test_wrong_setting_is_refused_in_fit(data):
    model = MLPClassifier(optimizer=Adam(beta_1=1.5))
    with pytest.raises(ValueError, match=r"'beta_1' parameter of Adam must be .* Got 1.5"):
        model.fit(*data)
