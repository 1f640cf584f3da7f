"""Layers for tables, against their formulas in numpy and against each other."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from skdeep import layers
from skdeep.engine.network import Network, Scope, entered

CODES = np.array([[0, 0, 3], [1, 11, 0], [2, 5, 1]], dtype=np.float32)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def drawn(layer, width, rng):
    """The initial values of a layer's variables."""

    def build():
        inputs = keras.Input((width,))
        return keras.Model(inputs, layer(inputs))

    network = Network(build)
    vector = network.initial(rng)["trainable"]
    names = [variable.name for variable in network._trainable]
    return dict(zip(names, network.trainable.split(vector))), network


def test_a_scaled_kernel_is_a_dense_layer_of_a_smaller_one(rng):
    X = rng.normal(size=(6, 5)).astype(np.float32)
    layer, dense = layers.ScaledDense(3), keras.layers.Dense(3)
    layer.build((None, 5))
    dense.build((None, 5))
    kernel, bias = rng.normal(size=(5, 3)), rng.normal(size=3)
    layer.set_weights([kernel, bias])
    dense.set_weights([kernel / np.sqrt(5), bias])
    np.testing.assert_allclose(layer(X), dense(X), rtol=1e-5, atol=1e-6)


def test_a_scaled_kernel_begins_as_a_unit_normal_one(rng):
    values, _ = drawn(layers.ScaledDense(60), 50, rng)
    assert stats.kstest(values["kernel"].ravel(), "norm").pvalue > 0.01
    assert not values["bias"].any()


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_parametric_activation_lies_between_none_and_its_function(rng, share):
    x = rng.normal(size=(4, 3)).astype(np.float32)
    layer = layers.ParametricActivation("mish")
    layer.build((None, 3))
    np.testing.assert_allclose(layer(x), keras.activations.mish(x), rtol=1e-5)  # at first
    layer.set_weights([np.full(3, share)])
    expected = (1 - share) * x + share * np.asarray(keras.activations.mish(x))
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-6)


def test_a_scale_is_one_at_first_and_a_factor_of_its_column(rng):
    x = rng.normal(size=(4, 3)).astype(np.float32)
    layer = layers.Scale()
    layer.build((None, 3))
    np.testing.assert_array_equal(layer(x), x)
    layer.set_weights([np.array([1.0, 2.0, 0.0])])
    np.testing.assert_array_equal(layer(x), x * [1, 2, 0])


def test_a_periodic_embedding_is_the_column_and_its_waves(rng):
    x = rng.normal(size=(4, 2)).astype(np.float32)
    layer = layers.PeriodicEmbedding(n_components=3, n_frequencies=5, lowest=0.5)
    layer.build((None, 2))
    w, b, V, c = (rng.normal(size=variable.shape) for variable in layer.weights)
    layer.set_weights([w, b, V, c])
    found = np.asarray(layer(x)).reshape(4, 2, 3)
    for column in range(2):
        waves = np.cos(2 * np.pi * np.outer(x[:, column], w[column]) + b[column])
        waves *= np.where(np.abs(w[column]) < 0.5, 1, 0.5 / np.abs(w[column]))
        np.testing.assert_allclose(found[:, column, 0], x[:, column])
        np.testing.assert_allclose(
            found[:, column, 1:], waves @ V[column] + c[column], rtol=1e-4, atol=1e-5
        )


def test_a_periodic_embedding_begins_with_waves_of_all_lengths(rng):
    layer = layers.PeriodicEmbedding(n_frequencies=25, lowest=0.2, highest=20)
    values, _ = drawn(layer, 40, rng)
    logarithms = np.log10(values["frequencies"].ravel() / 0.2)
    assert stats.kstest(logarithms, "uniform", (0, 2)).pvalue > 0.01
    uniform = {"phases": np.pi, "kernel": 0.2, "bias": 0.2}  # 1 / sqrt(25)
    for name, bound in uniform.items():
        assert stats.kstest(values[name].ravel() / bound, "uniform", (-1, 2)).pvalue > 0.01, name


def test_fast_waves_keep_their_phases_in_bfloat16(rng):
    x = rng.normal(size=(200, 1)).astype(np.float32)
    exact, rough = (
        layers.PeriodicEmbedding(lowest=10.0, dtype=policy)
        for policy in ("float32", "mixed_bfloat16")
    )
    exact.build((None, 1))
    rough.build((None, 1))
    weights = [rng.normal(size=weight.shape) for weight in exact.weights]
    weights[0] = np.full_like(weights[0], 10.0)
    exact.set_weights(weights)
    rough.set_weights(weights)
    found = np.asarray(tf.cast(rough(x), tf.float32))
    assert rough(x).dtype == tf.bfloat16
    np.testing.assert_allclose(found, exact(x), atol=0.05)  # of numbers up to 10


def test_a_piecewise_linear_embedding_interpolates(rng):
    """Weighted by how much a function rises in each bin, the pieces are its interpolation."""
    x = np.sort(rng.normal(size=(50, 2)), axis=0).astype(np.float32)
    layer = layers.PiecewiseLinearEmbedding(n_components=2, n_bins=4)
    layer.build((None, 2))
    edges = np.quantile(x, np.linspace(0.1, 0.9, 5), axis=0).T
    function = rng.normal(size=(2, 5))
    kernel, bias = np.diff(function)[:, :, None], function[:, :1]
    layer.set_weights([kernel, bias, edges])
    found = np.asarray(layer(x)).reshape(50, 2, 2)
    np.testing.assert_array_equal(found[:, :, 0], x)
    for column in range(2):
        expected = np.interp(x[:, column], edges[column], function[column])
        np.testing.assert_allclose(found[:, column, 1], expected, rtol=1e-4, atol=1e-5)


def test_a_piecewise_linear_embedding_steps_where_edges_are_equal():
    layer = layers.PiecewiseLinearEmbedding(n_components=2, n_bins=3)
    layer.build((None, 1))
    layer.set_weights(
        [np.array([[[0.0], [1.0], [0.0]]]), np.zeros((1, 1)), np.array([[0.0, 1.0, 1.0, 2.0]])]
    )
    found = np.asarray(layer(np.array([[0.5], [1.0], [1.5]], np.float32)))
    np.testing.assert_array_equal(found[:, 1], [0, 0, 1])


def test_few_categories_have_indicators_and_many_have_vectors(rng):
    layer = layers.CategoryEmbedding([3, 12, 4], n_components=2, most_indicators=4)
    layer.build((None, 3))
    table = rng.normal(size=(12, 2))
    layer.set_weights([table])
    found = np.asarray(layer(CODES))
    expected = [
        [0, 0, 0, 0, 1, *table[0]],
        [1, 0, 0, 0, 0, *table[11]],
        [0, 1, 1, 0, 0, *table[5]],
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_columns_of_many_categories_share_no_row(rng):
    layer = layers.CategoryEmbedding([12, 11], n_components=4)
    layer.build((None, 2))
    table = rng.normal(size=(23, 4)).astype(np.float32)
    layer.set_weights([table])
    found = np.asarray(layer(np.array([[11.0, 0.0], [0.0, 10.0]], np.float32)))
    np.testing.assert_array_equal(found, table[[[11, 12], [0, 22]]].reshape(2, 8))


def test_rates_and_decay_are_those_of_the_paper():
    def build():
        inputs = keras.Input((2,))
        x = layers.Scale()(layers.PeriodicEmbedding()(inputs))
        codes = layers.CategoryEmbedding([20, 20])(inputs)
        x = keras.ops.concatenate([x, codes, layers.PiecewiseLinearEmbedding()(inputs)], axis=-1)
        x = layers.ParametricActivation("selu")(layers.ScaledDense(3)(x))
        return keras.Model(inputs, x)

    found = {
        (type(layer).__name__, variable.name): (
            variable.learning_rate_factor,
            variable.weight_decay_factor,
        )
        for layer in Network(build).model.layers
        for variable in layer.trainable_variables
    }
    slow = {("PeriodicEmbedding", name) for name in ("phases", "kernel", "bias")}
    assert found == {
        ("Scale", "scale"): (6.0, 6.0),
        ("PeriodicEmbedding", "frequencies"): (0.1, 0.0),
        ("ScaledDense", "kernel"): (1.0, 1.0),
        ("CategoryEmbedding", "table"): (1.0, 1.0),
        ("PiecewiseLinearEmbedding", "kernel"): (0.1, 0.1),
        ("PiecewiseLinearEmbedding", "bias"): (0.1, 0.1),
        ("ScaledDense", "bias"): (0.1, 0.0),
        ("ParametricActivation", "share"): (0.1, 0.1),
        **dict.fromkeys(slow, (0.1, 0.1)),
    }


def test_a_category_is_forgotten_now_and_then_in_training_alone():
    layer = layers.CategoryEmbedding([5, 3], most_indicators=5, forget=0.2)
    codes = tf.constant(np.tile([[3.0, 2.0]], (5000, 1)), tf.float32)
    key = tf.constant([1, 2], tf.uint32)
    with entered(Scope(training=True, key=key, hyper={}, weight=None)):
        found = np.asarray(layer(codes, training=True))
        again = np.asarray(layer(codes, training=False))  # one thinned network
    np.testing.assert_array_equal(again, np.asarray(layer(codes)))
    assert (again[:, [2, 5]] == 1).all()
    for indicator in (2, 5):
        forgotten = int((found[:, indicator] == 0).sum())
        assert stats.binomtest(forgotten, 5000, 0.2).pvalue > 0.01
    assert not np.delete(found, [2, 5], axis=1).any()
