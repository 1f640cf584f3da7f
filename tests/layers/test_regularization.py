"""Dropout and normalisation, against Keras's layers where there are any."""

import keras
import numpy as np
import pytest

from skdeep.engine import Network
from skdeep.engine.runtime import tf
from skdeep.layers import BatchNormalization, Bias, Dropout, KeepUnits, LayerNormalization


def network(*stack, shape):
    def build():
        inputs = x = keras.Input(shape)
        for layer in stack:
            x = layer(x)
        return keras.Model(inputs, x)

    return Network(build)


def key(seed=0):
    return tf.constant([seed, 7], tf.uint32)


def call(net, x, *, training=True, weights=None, seed=0, **scope):
    """Outputs and the fixed weights after the pass, as NumPy arrays."""
    weights = net.initial(np.random.default_rng(0)) | (weights or {})
    weights = {name: tf.constant(vector) for name, vector in weights.items()}
    hyper = {
        name: tuple(tf.constant(v, tf.float32) for v in value)
        if isinstance(value, tuple)
        else tf.constant(value, tf.float32)
        for name, value in scope.pop("hyper", {}).items()
    }
    if (weight := scope.pop("weight", None)) is not None:
        weight = tf.constant(weight, tf.float32)
    x = tf.constant(x, tf.float32)
    a_key = None if seed is None else key(seed)
    outputs, fixed = net.apply(weights, x, training=training, key=a_key, hyper=hyper, weight=weight)
    return outputs.numpy(), fixed.numpy()


@pytest.fixture
def rng():
    return np.random.default_rng(0)


# Dropout --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dropout():
    return network(Dropout("p", name="dropout"), shape=(100,))


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9])
def test_dropout_keeps_its_share_of_units_and_the_mean(dropout, rng, p):
    x = rng.uniform(1, 2, size=(200, 100))
    found, _ = call(dropout, x, hyper={"p": p})
    kept = found != 0
    assert kept.mean() == pytest.approx(1 - p, abs=5 * np.sqrt(p * (1 - p) / x.size))
    np.testing.assert_allclose(found[kept], x[kept] / (1 - p), rtol=1e-5)
    # Rows and columns are dropped alike: no pattern.
    for axis in (0, 1):
        n = x.shape[axis]
        assert np.all(np.abs(kept.mean(axis=axis) - (1 - p)) <= 5 * np.sqrt(p * (1 - p) / n))


def test_dropout_takes_its_probability_as_a_number_too(dropout, rng):
    x = rng.uniform(1, 2, size=(20, 100)).astype(np.float32)
    fixed, _ = call(network(Dropout(0.3, name="dropout"), shape=(100,)), x)
    np.testing.assert_allclose(fixed, call(dropout, x, hyper={"p": 0.3})[0], rtol=1e-6)
    with pytest.raises(ValueError, match=r"rate must be a number in \[0, 1\), but is 1.0"):
        Dropout(1.0)


def test_dropout_draws_anew_for_each_key_and_layer(rng):
    both = network(Dropout("p", name="one"), Dropout("p", name="two"), shape=(100,))
    single = network(Dropout("p", name="one"), shape=(100,))
    x, hyper = np.ones((50, 100)), {"p": 0.5}
    first, _ = call(single, x, hyper=hyper)
    np.testing.assert_array_equal(call(single, x, hyper=hyper)[0], first)
    assert np.mean((call(single, x, hyper=hyper, seed=1)[0] != 0) == (first != 0)) < 0.55
    # Two masks that were equal would keep a half.
    assert np.mean(call(both, x, hyper=hyper)[0] != 0) == pytest.approx(0.25, abs=0.03)


def test_dropout_is_nothing_at_predict_and_outside_of_the_engine(dropout, rng):
    x = rng.normal(size=(5, 100)).astype(np.float32)
    found, _ = call(dropout, x, training=False, seed=None, hyper={"p": 0.9})
    np.testing.assert_array_equal(found, x)
    np.testing.assert_array_equal(Dropout("p")(x), x)


def test_dropout_with_a_key_at_predict_drops_the_same_units_of_all_rows(dropout, rng):
    x = rng.uniform(1, 2, size=(5, 100)).astype(np.float32)
    kept = []
    for seed in range(50):
        found, _ = call(dropout, x, training=False, seed=seed, hyper={"p": 0.3})
        kept.append(found[0] != 0)
        np.testing.assert_allclose(found, x * kept[-1] / 0.7, rtol=1e-6)
    assert np.mean(kept) == pytest.approx(0.7, abs=5 * np.sqrt(0.21 / 5000))
    assert np.all(np.std(kept, axis=0) > 0)  # no unit is always kept, or never


# Normalisation --------------------------------------------------------------------------------


def batch_pair(shape, momentum, epsilon):
    """Our layer and Keras's, with the same weights."""
    ours = network(BatchNormalization(momentum, epsilon, name="normalization"), shape=shape)
    theirs = keras.layers.BatchNormalization(momentum=momentum, epsilon=epsilon)
    theirs.build((None, *shape))
    rng = np.random.default_rng(1)
    channels = shape[-1]
    gamma, beta, mean = rng.normal(size=(3, channels))
    variance = rng.uniform(0.5, 2, channels)
    theirs.set_weights([gamma, beta, mean, variance])
    weights = {
        "trainable": np.concatenate([gamma, beta]).astype(np.float32),
        "fixed": np.concatenate([mean, variance]).astype(np.float32),
    }
    return ours, theirs, weights


@pytest.mark.parametrize("shape", [(4,), (5, 6, 3)], ids=["columns", "images"])
@pytest.mark.parametrize("training", [True, False])
def test_batch_normalization_is_that_of_keras(rng, shape, training):
    ours, theirs, weights = batch_pair(shape, 0.8, 1e-2)
    x = 3 + 2 * rng.normal(size=(12, *shape)).astype(np.float32)
    found, fixed = call(ours, x, training=training, weights=weights, weight=np.ones(12))
    np.testing.assert_allclose(found, theirs(x, training=training), rtol=1e-4, atol=1e-4)
    moved = [theirs.moving_mean.value.numpy(), theirs.moving_variance.value.numpy()]
    np.testing.assert_allclose(fixed, np.concatenate(moved), rtol=1e-5)
    assert np.array_equal(fixed, weights["fixed"]) != training


@pytest.mark.parametrize("shape", [(4,), (5, 6, 3)], ids=["columns", "images"])
def test_weight_of_a_row_is_its_repetition_and_padding_does_not_count(rng, shape):
    ours, _, weights = batch_pair(shape, 0.9, 1e-3)
    x = rng.normal(size=(6, *shape))
    counts = np.array([2, 1, 0, 3, 1, 0])
    x[counts == 0] = 1e3
    weighted, fixed = call(ours, x, weights=weights, weight=1.3 * counts)
    repeated = np.repeat(np.arange(6), counts)
    plain, same = call(ours, x[repeated], weights=weights, weight=np.ones(7))
    np.testing.assert_allclose(weighted[repeated], plain, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(fixed, same, rtol=1e-4)


def test_a_batch_that_is_mostly_padding_moves_the_averages_little(rng):
    ours, _, weights = batch_pair((4,), 0.9, 1e-3)
    x, before = rng.normal(size=(8, 4)), weights["fixed"]
    _, quarter = call(ours, x, weights=weights, weight=np.array([1, 1, *[0] * 6]))
    _, whole = call(ours, x[:2], weights=weights, weight=np.ones(2))
    np.testing.assert_allclose(quarter - before, (whole - before) / 4, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("steps", "taken"), [(1, 1.0), (4, 0.25), (50, 0.1)])
def test_averages_run_over_an_epoch_or_less(rng, steps, taken):
    ours, _, weights = batch_pair((4,), 0.9, 1e-3)
    x = rng.normal(size=(8, 4))
    hyper = {"steps_per_epoch": steps}
    _, fixed = call(ours, x, weights=weights, weight=np.ones(8), hyper=hyper)
    old, now = weights["fixed"], np.concatenate([x.mean(axis=0), x.var(axis=0)])
    np.testing.assert_allclose(fixed, old + taken * (now - old), rtol=1e-4, atol=1e-6)


def test_negative_weights_do_not_count_in_the_moments(rng):
    ours, _, weights = batch_pair((4,), 0.9, 1e-3)
    x = rng.normal(size=(3, 4))
    found, fixed = call(ours, x, weights=weights, weight=[1, 2, -5])
    expected, same = call(ours, x, weights=weights, weight=[1, 2, 0])
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(fixed, same)


def layer_weights(rng, n):
    return {"trainable": rng.normal(size=2 * n).astype(np.float32)}


@pytest.mark.parametrize("shape", [(6,), (4, 6)])
def test_layer_normalization_is_that_of_keras(rng, shape):
    ours = network(LayerNormalization(epsilon=1e-2, name="normalization"), shape=shape)
    theirs = keras.layers.LayerNormalization(epsilon=1e-2)
    theirs.build((None, *shape))
    weights = layer_weights(rng, 6)
    theirs.set_weights(np.split(weights["trainable"], 2))
    x = 5 + rng.normal(size=(7, *shape)).astype(np.float32)
    np.testing.assert_allclose(call(ours, x, weights=weights)[0], theirs(x), rtol=1e-4, atol=1e-5)


def test_layer_normalization_sees_real_units_only(rng):
    ours = network(LayerNormalization(("widths", 1), name="normalization"), shape=(6,))
    narrow = network(LayerNormalization(name="normalization"), shape=(4,))
    gamma, beta = rng.normal(size=(2, 4)).astype(np.float32)
    zeros = np.zeros(2, np.float32)
    padded = {"trainable": np.concatenate([gamma, zeros, beta, zeros])}
    x = rng.normal(size=(5, 4))
    wide = np.hstack([x, np.full((5, 2), 9.0)])  # whatever the padding holds
    found, _ = call(ours, wide, weights=padded, hyper={"widths": (99, 4)})
    expected, _ = call(narrow, x, weights={"trainable": np.concatenate([gamma, beta])})
    np.testing.assert_allclose(found[:, :4], expected, rtol=1e-4, atol=1e-5)
    assert not found[:, 4:].any()


# Padded units ---------------------------------------------------------------------------------


def test_keep_units_zeroes_the_padding(rng):
    keep = network(KeepUnits(("widths", 0), name="units"), shape=(5,))
    x = rng.normal(size=(3, 5)).astype(np.float32)
    found, _ = call(keep, x, hyper={"widths": (2, 4)})
    np.testing.assert_array_equal(found, x * [1, 1, 0, 0, 0])
    np.testing.assert_array_equal(call(keep, x)[0], x)  # without the number nothing is padded


def test_bias_is_added(rng):
    net = network(Bias(name="bias"), shape=(3,))
    x, bias = rng.normal(size=(4, 3)).astype(np.float32), np.array([1, 2, 3], np.float32)
    np.testing.assert_array_equal(call(net, x, weights={"trainable": bias})[0], x + bias)
    np.testing.assert_array_equal(call(net, x)[0], x)
