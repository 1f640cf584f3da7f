"""Keras models as pure functions, against Keras's own calls and initialisers."""

import keras
import numpy as np
import pytest
from scipy import stats

from skdeep import MLPClassifier, MLPRegressor, engine
from skdeep.engine.network import Layout, Network, current_scope
from skdeep.engine.runtime import tf


def dense(width=5, outputs=2):
    inputs = keras.Input((3,))
    hidden = keras.layers.Dense(width, activation="relu", name="hidden")(inputs)
    hidden = keras.layers.BatchNormalization(name="normalization")(hidden)
    return keras.Model(inputs, keras.layers.Dense(outputs, name="head")(hidden))


def convolutional():
    inputs = keras.Input((8, 8, 2))
    x = keras.layers.Conv2D(4, 3, name="conv")(inputs)
    x = keras.layers.MaxPooling2D(2, name="pool")(x)
    x = keras.layers.BatchNormalization(name="normalization")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    return keras.Model(inputs, keras.layers.Dense(3, name="head")(x))


def random_weights(network):
    rng = np.random.default_rng(1)
    return {
        name: rng.uniform(0.1, 1, getattr(network, name).size).astype(np.float32)
        for name in ("trainable", "fixed")
    }


def tensors(weights):
    return {name: tf.constant(vector) for name, vector in weights.items()}


# Layout ---------------------------------------------------------------------------------------


def test_layout_splits_and_joins_to_the_same_vector():
    layout = Layout([np.empty(shape) for shape in [(2, 3), (), (4,), (1, 2, 2)]])
    assert layout.size == 15
    vector = np.arange(15.0)
    arrays, traced = layout.split(vector), layout.split(tf.constant(vector))
    assert [a.shape for a in arrays] == layout.shapes
    np.testing.assert_array_equal(arrays[0], [[0, 1, 2], [3, 4, 5]])
    for ours, tensor in zip(arrays, traced, strict=True):
        np.testing.assert_array_equal(ours, tensor)
    np.testing.assert_array_equal(layout.join(traced), vector)


def test_empty_layout_is_an_empty_vector():
    layout = Layout([])
    assert layout.split(np.empty(0)) == layout.split(tf.zeros((0,))) == []
    assert layout.join([]).shape == (0,)


# Calls ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("build", [dense, convolutional])
def test_predict_is_the_keras_models(build):
    network, model = Network(build), build()
    weights = random_weights(network)
    model.set_weights(network.arrays(weights))
    x = np.random.default_rng(0).normal(size=(6, *model.input_shape[1:])).astype(np.float32)
    ours, fixed = network.apply(tensors(weights), tf.constant(x), training=False)
    np.testing.assert_allclose(ours, model(x, training=False), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(fixed, weights["fixed"])


def test_fixed_weights_that_no_layer_moves_are_not_copied():
    network = Network(dense)
    weights = tensors(random_weights(network))
    x = tf.zeros((4, 3))
    assert network.apply(weights, x, training=False)[1] is weights["fixed"]
    assert network.apply(weights, x, training=True)[1] is not weights["fixed"]


@pytest.mark.parametrize("build", [dense, convolutional])
def test_training_call_moves_the_averages_as_keras_does(build):
    network, model = Network(build), build()
    weights = random_weights(network)
    model.set_weights(network.arrays(weights))
    x = np.random.default_rng(0).normal(size=(6, *model.input_shape[1:])).astype(np.float32)
    ours, fixed = network.apply(tensors(weights), tf.constant(x), training=True)
    np.testing.assert_allclose(ours, model(x, training=True), rtol=1e-4, atol=1e-5)
    moved = np.concatenate([v.numpy().ravel() for v in model.non_trainable_variables])
    np.testing.assert_allclose(fixed, moved, rtol=1e-5)
    assert not np.allclose(moved, weights["fixed"])


def test_a_build_allocates_nothing_and_leaves_keras_as_it_was():
    network = Network(dense, "float64")
    assert keras.config.dtype_policy().name == "float32"
    assert network.dtype == "float64"
    assert all(v._value is None for v in network.model.weights)
    assert keras.layers.Dense(1).dtype_policy.name == "float32"


def test_keras_dropout_takes_its_numbers_from_our_key():
    def build():
        inputs = keras.Input((200,))
        return keras.Model(inputs, keras.layers.Dropout(0.5, name="dropout")(inputs))

    network, x = Network(build), tf.ones((4, 200))
    weights = tensors(network.initial(np.random.default_rng(0)))

    def call(key):
        key = tf.constant(key, tf.uint32)
        return network.apply(weights, x, training=True, key=key)[0].numpy()

    np.testing.assert_array_equal(call([1, 2]), call([1, 2]))
    assert np.mean(call([1, 2]) == call([1, 3])) == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(800))
    assert network.fixed.size == 0


def test_scope_is_there_while_the_network_is_applied_only():
    seen = []

    class Look(keras.layers.Layer):
        def call(self, x, training=False):
            seen.append((training, current_scope()))
            return x

    def build():
        inputs = keras.Input((2,))
        return keras.Model(inputs, Look(name="look")(inputs))

    network = Network(build)
    weights = {"trainable": tf.zeros((0,)), "fixed": tf.zeros((0,))}
    weight, hyper = tf.constant([1.0]), {"rate": tf.constant(0.5)}
    network.apply(weights, tf.ones((1, 2)), training=True, hyper=hyper, weight=weight)
    training, scope = seen[-1]
    assert training is scope.training is True
    assert scope.hyper is hyper
    assert scope.weight is weight
    assert current_scope() == engine.current_scope()
    assert current_scope().hyper == {}


def test_inputs_of_a_layer_are_those_in_kerass_own_model():
    network, theirs = Network(dense), dense()
    weights = random_weights(network)
    theirs.set_weights(network.arrays(weights))
    X = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
    for name in ("hidden", "normalization", "head"):
        expected = keras.Model(theirs.input, theirs.get_layer(name).input)(X)
        np.testing.assert_allclose(network.inputs_of(name, weights, X), expected, rtol=1e-5)


def test_kernels_decay_and_biases_and_scales_do_not():
    network = Network(convolutional)
    marks = {
        "trainable": network.decayed(tf.ones(network.trainable.size)),
        "fixed": np.zeros(network.fixed.size),
    }
    for variable, mark in zip(network.model.weights, network.arrays(marks), strict=True):
        assert np.all(mark == (variable.name == "kernel")), variable.path


def test_a_network_without_constraints_keeps_its_vector_as_it_is():
    vector = tf.ones(Network(dense).trainable.size)
    assert Network(dense).constrained(vector) is vector


# Initial weights ------------------------------------------------------------------------------


def draw(initializer, shape):
    """Our initial values of one weight of that initialiser."""

    class OneWeight(keras.layers.Layer):
        def build(self, _):
            self.weight = self.add_weight(shape=shape, initializer=initializer, name="w")

        def call(self, x):
            return x

    def build():
        inputs = keras.Input((2,))
        return keras.Model(inputs, OneWeight(name="layer")(inputs))

    return Network(build).initial(np.random.default_rng(0))["trainable"]


@pytest.mark.parametrize("shape", [(60, 100), (3, 3, 16, 40), (5000,)])
@pytest.mark.parametrize(
    "initializer",
    [
        "glorot_uniform",
        "glorot_normal",
        "he_normal",
        "he_uniform",
        "lecun_normal",
        keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal"),
        "random_normal",
    ],
    ids=str,
)
def test_initial_weights_have_the_distribution_of_keras(initializer, shape):
    theirs = keras.initializers.get(initializer)
    theirs = type(theirs).from_config(theirs.get_config() | {"seed": 3})
    theirs, ours = keras.ops.convert_to_numpy(theirs(shape)).ravel(), draw(initializer, shape)
    assert stats.ks_2samp(ours, theirs).pvalue > 1e-3
    assert np.abs(ours).max() == pytest.approx(np.abs(theirs).max(), rel=0.2)


def test_glorot_bound_and_he_deviation_by_formula():
    glorot, he = draw("glorot_uniform", (60, 100)), draw("he_normal", (3, 3, 16, 40))
    bound = np.sqrt(6 / 160)
    assert 0.995 * bound < np.abs(glorot).max() <= bound
    assert he.std() == pytest.approx(np.sqrt(2 / (9 * 16)), rel=0.05)


@pytest.mark.parametrize(("initializer", "value"), [("zeros", 0), ("ones", 1)])
def test_constant_initialisers_are_constant(initializer, value):
    np.testing.assert_array_equal(draw(initializer, (3, 2)), np.full(6, value))


def test_padded_weights_are_those_of_the_true_network_and_zeros():
    wide, true = Network(lambda: dense(8)), Network(dense)
    padded = wide.initial(np.random.default_rng(4), true)
    alone = true.initial(np.random.default_rng(4))
    for array, own in zip(
        wide.trainable.split(padded["trainable"]),
        true.trainable.split(alone["trainable"]),
        strict=True,
    ):
        inside = tuple(slice(n) for n in own.shape)
        np.testing.assert_array_equal(array[inside], own)
        assert np.count_nonzero(array) == np.count_nonzero(own)
    for ours, own in zip(wide.arrays(padded, true), true.arrays(alone), strict=True):
        np.testing.assert_array_equal(ours, own)


@pytest.mark.parametrize("normalization", [None, "batch", "layer"])
def test_padded_widths_train_as_the_true_ones(normalization, monkeypatch):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 4)), rng.integers(3, size=60)
    model = MLPClassifier(
        hidden_layer_sizes=(5, 7),
        normalization=normalization,
        epochs=6,
        batch_size=20,
        weight_decay=0.01,
        clip_norm=0.5,
        optimizer="sgd",  # Adam makes a step of a gradient that is rounding alone
        learning_rate=0.3,
        random_state=0,
    )
    padded = model.fit(X, y)
    assert padded._fitted.twin.hidden_layer_sizes == (64, 64)
    losses, outputs = padded.history_["loss"], padded.decision_function(X)
    padding = type(model)._hyperparameters["hidden_layer_sizes"].structural
    monkeypatch.setattr(type(padding), "__call__", lambda self, widths: tuple(widths))
    unpadded = model.fit(X, y)
    assert unpadded._fitted.twin.hidden_layer_sizes == (5, 7)
    np.testing.assert_allclose(losses, unpadded.history_["loss"], rtol=1e-4)
    np.testing.assert_allclose(outputs, unpadded.decision_function(X), rtol=1e-4, atol=1e-5)


def test_network_to_look_at_predicts_as_the_estimator():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 4)).astype(np.float32), rng.normal(size=(40, 2))
    model = MLPRegressor(hidden_layer_sizes=(5,), epochs=3, random_state=0).fit(X, y)
    network = model.network_
    assert network.get_layer("hidden_0").kernel.shape == (4, 5)
    outputs = network(X)
    np.testing.assert_allclose(
        outputs["output"] * y.std(axis=0) + y.mean(axis=0), model.predict(X), atol=1e-5
    )
    np.testing.assert_allclose(outputs["features"], model.transform(X), atol=1e-5)
