"""Each Keras layer's nodes compute, by onnxruntime, what the layer does."""

import keras
import numpy as np
import pytest
from keras import layers as kl

from skdeep import layers
from skdeep.engine.network import Scope, entered
from skdeep.engine.runtime import tf
from skdeep.image.architectures import ARCHITECTURES
from skdeep.tabular.mlp import ACTIVATIONS

onnx_model = pytest.importorskip("skdeep.serving.onnx_model", exc_type=ImportError)
onnxruntime = pytest.importorskip("onnxruntime")
from skdeep.serving import onnx_layers  # noqa: E402  needs onnx

ROW, SERIES, IMAGE = (6,), (11, 3), (9, 8, 2)


def compare(model, x, lengths=None):
    """Assert that both say the same of rows x."""
    rng = np.random.default_rng(0)
    model.set_weights(
        [
            rng.normal(size=w.shape) / np.sqrt(np.prod(w.shape[:-1])) * 1.5
            if len(w.shape) > 1
            else rng.uniform(0.1, 0.9, w.shape)
            for w in model.weights
        ]
    )
    scope = Scope(training=False, key=None, hyper={}, weight=None, lengths=lengths)
    with entered(scope):
        wanted = np.asarray(model(x, training=False))
    ops = onnx_model.Operations(None)
    rows = onnx_model.Value(ops, "rows", x.dtype.name)
    inputs, feed = [rows], {"rows": x}
    if lengths is not None:
        inputs.append(onnx_model.Value(ops, "lengths", "int64"))
        feed["lengths"] = lengths.numpy().astype("int64")
    output = onnx_layers.nodes_of(ops, model, rows, inputs[-1] if lengths is not None else None)
    shapes = [(None, *array.shape[1:]) for array in feed.values()]
    proto = onnx_model.model_of(ops, inputs, shapes, {"output": output})
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    found = session.run(None, feed)[0]
    assert wanted.std() > 1e-3  # a constant would prove nothing
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def rows_of(shape, dtype="float32"):
    return (np.random.default_rng(1).normal(size=(4, *shape)) * 3).astype(dtype)


def chain(shape, *parts):
    return keras.Sequential([keras.Input(shape), *parts])


@pytest.mark.parametrize("name", sorted(ACTIVATIONS | {"softmax"}))
def test_activations(name):
    compare(chain(ROW, kl.Dense(5, activation=name), kl.Activation(name)), rows_of(ROW))


LAYERS = [
    (ROW, kl.Dense(4, use_bias=False)),
    (ROW, kl.BatchNormalization()),
    (ROW, kl.BatchNormalization(center=False, scale=False)),
    (ROW, kl.LayerNormalization()),
    (ROW, kl.LayerNormalization(center=False, scale=False)),
    (ROW, kl.LeakyReLU(negative_slope=0.3)),
    (ROW, kl.ReLU()),
    (ROW, kl.Softmax()),
    (ROW, kl.Dropout(0.5)),
    (ROW, kl.Reshape((2, 3))),
    (ROW, kl.Rescaling(0.5, 2.0)),
    (ROW, layers.BatchNormalization()),
    (ROW, layers.LayerNormalization()),
    (ROW, layers.Bias()),
    (ROW, layers.Dropout("dropout")),
    (ROW, layers.KeepUnits(("hidden_layer_sizes", 0))),
    (SERIES, kl.Dense(4)),
    (SERIES, kl.Conv1D(4, 4, padding="same")),
    (SERIES, kl.Conv1D(4, 3, strides=2, activation="tanh")),
    (SERIES, kl.Conv1D(4, 3, dilation_rate=2)),
    (SERIES, kl.Conv1D(4, 4, dilation_rate=3, padding="same")),
    (SERIES, kl.Conv1D(4, 3, dilation_rate=2, padding="causal")),
    (SERIES, kl.Conv1D(4, 4, strides=3, padding="causal")),
    *((SERIES, kl.Conv1D(4, 4, strides=s, padding="same")) for s in (2, 3)),
    *((SERIES, kl.AveragePooling1D(4, s, "same")) for s in (2, 3)),
    (SERIES, kl.MaxPooling1D(3, 1, "same")),
    (SERIES, kl.AveragePooling1D(2)),
    (SERIES, kl.GlobalAveragePooling1D()),
    (SERIES, kl.GlobalMaxPooling1D()),
    (SERIES, kl.Flatten()),
    *((SERIES, kind(5)) for kind in (kl.LSTM, kl.GRU, kl.SimpleRNN)),
    *((SERIES, kind(5, use_bias=False, return_sequences=True)) for kind in (kl.LSTM, kl.GRU)),
    (SERIES, kl.GRU(5, reset_after=False)),
    (SERIES, kl.Bidirectional(kl.LSTM(5))),
    (SERIES, kl.Bidirectional(kl.GRU(5, return_sequences=True))),
    (IMAGE, kl.Conv2D(4, (3, 2), padding="same", strides=2)),
    (IMAGE, kl.Conv2D(4, 3, groups=2, use_bias=False)),
    (IMAGE, kl.Conv2D(4, (2, 3), groups=2, dilation_rate=(3, 1), padding="same")),
    (IMAGE, kl.MaxPooling2D((3, 2), (2, 3), "same")),
    (IMAGE, kl.MaxPooling2D(2, padding="same")),
    (IMAGE, kl.AveragePooling2D(2, padding="same")),
    (IMAGE, kl.GlobalAveragePooling2D()),
    (IMAGE, kl.GlobalMaxPooling2D()),
    (IMAGE, layers.Augment(("flip",))),
]


@pytest.mark.parametrize(("shape", "layer"), LAYERS)
def test_layers(shape, layer):
    compare(chain(shape, layer), rows_of(shape))


@pytest.mark.parametrize("gate", ["hard_sigmoid", "sigmoid", "tanh"])
@pytest.mark.parametrize("activation", sorted(onnx_layers._GATES))
def test_activations_of_gates(activation, gate):
    layer = kl.SimpleRNN(5, activation=activation, return_sequences=True)
    parts = [
        kind(5, activation=activation, recurrent_activation=gate) for kind in (kl.LSTM, kl.GRU)
    ]
    inputs = keras.Input((3, 3))
    joined = kl.Concatenate()([part(layer(inputs)) for part in parts])
    compare(keras.Model(inputs, joined), rows_of((3, 3)) / 5)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_architectures(name):
    shape = (28, 28, 1) if name.startswith("lenet") else IMAGE if name == "small" else SERIES
    inputs = keras.Input(shape)
    compare(keras.Model(inputs, ARCHITECTURES[name](inputs)), rows_of(shape) / 10)


def test_embeddings_and_joins():
    inputs = keras.Input((5,), dtype="int32")
    parts = [kl.Embedding(9, 4)(inputs) for _ in range(4)]
    joined = kl.Concatenate()([kl.Add()(parts[:3]), kl.Multiply()(parts[1:])])
    compare(keras.Model(inputs, joined), np.random.default_rng(0).integers(0, 9, (3, 5), "int32"))


def test_models_inside_of_models():
    inner = chain(ROW, kl.Dense(3, activation="tanh"))
    inputs = keras.Input(ROW)
    member = layers.Member(inner, 0)(inputs)
    output = keras.ops.stack([inner(inputs), member], axis=1)
    compare(keras.Model(inputs, output), rows_of(ROW))


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
@pytest.mark.parametrize("cell", [layers.LSTM, layers.GRU, layers.SimpleRNN])
def test_rows_of_unequal_length(cell, pooling):
    inputs = keras.Input((None, 3))
    back = cell(4, return_sequences=True)(layers.ReverseSteps()(inputs))
    ahead = cell(4, return_sequences=True)(inputs)
    states = kl.Concatenate()([ahead, layers.ReverseSteps()(back)])
    pool = layers.AttentionPooling() if pooling == "attention" else layers.PoolSteps(pooling)
    compare(keras.Model(inputs, pool(states)), rows_of(SERIES), tf.constant([11, 1, 5, 8]))


class OwnLayer(kl.Layer):
    def call(self, x):
        return x * 2


@pytest.mark.parametrize(
    ("shape", "layer", "message"),
    [
        (ROW, OwnLayer(name="mine"), "the layer 'mine', a OwnLayer, has no counterpart"),
        (ROW, kl.Dense(2, activation="mish", name="mine"), "mish.* of 'mine'"),
        (ROW, kl.ReLU(max_value=6, name="mine"), "'mine'"),
        (IMAGE, kl.BatchNormalization(axis=1, name="mine"), "axis=.*'mine'"),
        (IMAGE, kl.GlobalMaxPooling2D(keepdims=True, name="mine"), "'mine'"),
        (IMAGE, kl.DepthwiseConv2D(3, name="mine"), "'mine', a DepthwiseConv2D"),
        (SERIES, kl.LSTM(2, activation="gelu", name="mine"), "gelu.* of 'mine'"),
        (SERIES, kl.GRU(2, recurrent_activation="silu", name="mine"), "silu.* of 'mine'"),
        (SERIES, kl.LSTM(2, return_state=True, name="mine"), "'mine'"),
        (SERIES, kl.GRU(2, go_backwards=True, name="mine"), "'mine'"),
        (SERIES, kl.Bidirectional(kl.LSTM(2), merge_mode="sum", name="mine"), "'mine'"),
        ((5,), kl.Embedding(9, 2, mask_zero=True, name="mine"), "mask_zero.*'mine'"),
    ],
)
def test_what_has_no_counterpart_is_named(shape, layer, message):
    ops = onnx_model.Operations(None)
    rows = onnx_model.Value(ops, "rows", "float32")
    with pytest.raises(TypeError, match=f"{message}.*'saved_model'"):
        onnx_layers.nodes_of(ops, chain(shape, layer), rows, None)
