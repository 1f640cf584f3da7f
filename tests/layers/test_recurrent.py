"""Recurrent layers are Keras's, weight for weight; pooling leaves padding out."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from skdeep import layers
from skdeep.engine import Network, Steps

N, T, UNITS = 5, 9, 6
CELLS = {
    "lstm": (layers.LSTM, keras.layers.LSTM),
    "gru": (layers.GRU, keras.layers.GRU),
    "simple": (layers.SimpleRNN, keras.layers.SimpleRNN),
}


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def outputs_and_gradients(layer, x, seed, training):
    """What a layer computes, and the gradients of a random projection by x and all weights."""
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = layer(x, training=training)
        projection = tf.reduce_sum(outputs * normal(*outputs.shape, seed=seed))
    return [outputs, *tape.gradient(projection, [x, *[w.value for w in layer.weights]])]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("n_features", [4, 1, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("n", "training"), [(N, False), (N, True), (1, True)])
def test_outputs_and_gradients_are_those_of_keras(cell, n_features, dtype, n, training):
    ours, reference = (kind(UNITS, return_sequences=True, dtype=dtype) for kind in CELLS[cell])
    x = normal(n, T, n_features).astype(dtype)
    ours.build(x.shape)
    reference.build(x.shape)
    weights = [normal(*w.shape, seed=i) / 2 for i, w in enumerate(reference.weights)]
    ours.set_weights(weights)
    reference.set_weights(weights)
    wanted = outputs_and_gradients(reference, x, 9, training)
    for mine, other in zip(outputs_and_gradients(ours, x, 9, training), wanted, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("cell", "settings"),
    [
        *((cell, {"activation": "relu"}) for cell in CELLS),
        *((cell, {"use_bias": False}) for cell in CELLS),
        *((cell, {"go_backwards": True}) for cell in CELLS),
        ("lstm", {"recurrent_activation": "hard_sigmoid"}),
        ("gru", {"recurrent_activation": "hard_sigmoid"}),
        ("gru", {"reset_after": False}),
    ],
)
def test_other_settings_are_those_of_keras(cell, settings):
    ours, reference = (kind(UNITS, return_sequences=True, **settings) for kind in CELLS[cell])
    x = normal(N, T, 3)
    wanted = reference(x)
    ours.build(x.shape)
    ours.set_weights(reference.get_weights())
    np.testing.assert_allclose(ours(x), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_masked_steps_are_left_out(cell):
    ours, reference = (kind(UNITS) for kind in CELLS[cell])
    x = normal(N, T, 3)
    x[0, 2:5] = x[1, 6:] = 0
    masked = keras.layers.Masking()(x)
    wanted = reference(masked)
    ours.build(x.shape)
    ours.set_weights(reference.get_weights())
    np.testing.assert_allclose(ours(masked), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("setting", ["dropout", "recurrent_dropout"])
@pytest.mark.parametrize("cell", CELLS)
def test_dropout_drops_in_training_alone(cell, setting):
    layer, x = CELLS[cell][0](UNITS, **{setting: 0.5}, seed=0), normal(N, T, 3)
    predicted = layer(x, training=False)
    np.testing.assert_array_equal(layer(x, training=False), predicted)
    assert np.abs(layer(x, training=True) - predicted).max() > 1e-2


def applied(build, x, lengths=None, seed=0):
    """Outputs of a model of some layers for rows of given lengths, in a compiled function."""
    inputs = keras.Input((None, x.shape[-1]))
    network = Network(lambda: keras.Model(inputs, build(inputs)))
    weights = network.initial(np.random.default_rng(seed))
    weights = {name: tf.constant(w) for name, w in weights.items()}
    x = tf.constant(x) if lengths is None else Steps(tf.constant(x), tf.constant(lengths))
    return network.apply(weights, x, training=False)[0].numpy()


def block(name):
    """A layer by the name that RNNs have for it."""
    return layers.AttentionPooling() if name == "attention" else layers.PoolSteps(name)


@pytest.mark.parametrize("name", ["last", "mean", "max", "attention"])
def test_pooling_leaves_padding_out(name):
    lengths, x = np.array([9, 4, 1], np.int32), normal(3, T, 4)
    pooled = applied(block(name), x, lengths)
    for row, n, values in zip(x, lengths, pooled, strict=True):
        alone = applied(block(name), row[None, :n])
        np.testing.assert_allclose(values, alone[0], rtol=1e-5, atol=1e-6)


def test_pooling_is_the_last_the_mean_and_the_maximum_of_steps():
    x = normal(3, T, 4)
    for name, wanted in {"last": x[:, -1], "mean": x.mean(axis=1), "max": x.max(axis=1)}.items():
        np.testing.assert_allclose(applied(block(name), x), wanted, rtol=1e-5, atol=1e-6)


def test_attention_weighs_steps_by_their_scores():
    x = normal(2, T, 3)
    layer = layers.AttentionPooling()
    layer.build(x.shape)
    kernel, bias, context = (normal(3, 3, seed=1), normal(3, seed=2), normal(3, 1, seed=3))
    layer.set_weights([kernel, bias, context])
    score = np.exp(np.tanh(x @ kernel + bias) @ context)
    wanted = (score / score.sum(axis=1, keepdims=True) * x).sum(axis=1)
    np.testing.assert_allclose(layer(x), wanted, rtol=1e-5)


def test_reversing_turns_the_real_steps_of_each_row_round():
    lengths, x = np.array([9, 4, 1], np.int32), normal(3, T, 2)
    reversed_ = applied(layers.ReverseSteps(), x, lengths)
    for row, n, values in zip(x, lengths, reversed_, strict=True):
        np.testing.assert_array_equal(values[:n], row[:n][::-1])
    np.testing.assert_array_equal(applied(layers.ReverseSteps(), x), x[:, ::-1])


@pytest.mark.parametrize("cell", ["gru", "simple"])
def test_under_xla_a_loop_ends_with_the_longest_row(cell):
    kind = CELLS[cell][0]
    x, lengths = normal(3, 16, 4), np.array([9, 4, 1], np.int32)

    def build(inputs):
        return layers.PoolSteps("last")(kind(UNITS, return_sequences=True)(inputs))

    inputs = keras.Input((None, 4))
    network = Network(lambda: keras.Model(inputs, build(inputs)))
    weights = network.initial(np.random.default_rng(0))

    @tf.function(jit_compile=True)
    def compiled(x, lengths):
        return network.apply(weights, Steps(x, lengths), training=False)[0]

    np.testing.assert_allclose(
        compiled(tf.constant(x), tf.constant(lengths)),
        applied(build, x, lengths),
        rtol=1e-5,
        atol=1e-6,
    )
