"""Each Keras layer's nodes compute, by onnxruntime, what the layer does."""

import keras
import numpy as np
import pytest
from keras import layers as kl
from keras import ops

from skdeep import layers
from skdeep.engine.network import Scope, entered
from skdeep.engine.runtime import tf
from skdeep.image.architectures import ARCHITECTURES
from skdeep.tabular.mlp import ACTIVATIONS

onnx_model = pytest.importorskip("skdeep.serving.onnx_model", exc_type=ImportError)
onnxruntime = pytest.importorskip("onnxruntime")
from skdeep.serving import onnx_layers  # noqa: E402  needs onnx

ROW, SERIES, IMAGE = (6,), (11, 3), (9, 8, 2)


def compare(model, x, lengths=None, weights=None):
    """Assert that both say the same of rows x, with random weights if none are given."""
    rng = np.random.default_rng(0)
    model.set_weights(
        weights
        or [
            rng.normal(size=w.shape) / np.sqrt(np.prod(w.shape[:-1])) * 1.5
            if len(w.shape) > 1
            else rng.uniform(0.1, 0.9, w.shape)
            for w in model.weights
        ]
    )
    scope = Scope(training=False, key=None, hyper={}, weight=None, lengths=lengths)
    with entered(scope):
        wanted = np.asarray(model(x, training=False))
    graph = onnx_model.Operations(None)
    rows = onnx_model.Value(graph, "rows", x.dtype.name)
    inputs, feed = [rows], {"rows": x}
    if lengths is not None:
        inputs.append(onnx_model.Value(graph, "lengths", "int64"))
        feed["lengths"] = lengths.numpy().astype("int64")
    output = onnx_layers.nodes_of(graph, model, rows, inputs[-1] if lengths is not None else None)
    shapes = [(None, *array.shape[1:]) for array in feed.values()]
    proto = onnx_model.model_of(graph, inputs, shapes, {"output": output})
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    found = session.run(None, feed)[0]
    assert wanted.std() > 1e-3  # a constant would prove nothing
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def rows_of(shape, dtype="float32"):
    return (np.random.default_rng(1).normal(size=(4, *shape)) * 3).astype(dtype)


def chain(shape, *parts):
    return keras.Sequential([keras.Input(shape), *parts])


@pytest.mark.parametrize("name", sorted(ACTIVATIONS | {"softmax", "softplus"}))
def test_activations(name):
    compare(chain(ROW, kl.Dense(5, activation=name), kl.Activation(name)), rows_of(ROW))


@pytest.mark.parametrize("name", sorted(ACTIVATIONS | {"softplus"}))
def test_activations_of_large_numbers(name):
    compare(chain(ROW, kl.Activation(name)), rows_of(ROW) * 100)


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
    (IMAGE, kl.Flatten(data_format="channels_first")),
    (ROW, kl.Dense(4, dtype="float64")),
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


@pytest.mark.parametrize("gate", sorted(onnx_layers._GATES))
def test_gates_of_large_numbers(gate):
    model = chain((1, 1), kl.LSTM(1, recurrent_activation=gate))
    rows = np.array([-120, -95, -1, 1, 50, 95, 120], "float32").reshape(-1, 1, 1)
    # The input gate's are large, and times what comes in about 1.
    weights = [np.array([[1, 0, 1e-4, 0]]), np.zeros((1, 4)), np.array([0, 0, 0, 0.5])]
    compare(model, rows, weights=weights)


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


OPERATIONS = {
    "x + shortcut": lambda x, z: z + x,
    "with constants": lambda x, z: (1 - x) * 0.5 + z / np.arange(1.0, 4.0),
    "of unequal shapes": lambda x, z: x - kl.Dense(1)(z),
    "of two dtypes": lambda x, z: x * kl.Dense(3, dtype="float64")(z),
    "activations": lambda x, z: ops.relu(x) + ops.sigmoid(z) * ops.tanh(z) - ops.softmax(x),
    "joined": lambda x, z: ops.concatenate([x, z], axis=1),
    "divided": lambda x, z: ops.divide(x, 2 + ops.sigmoid(z)),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_between_layers(name):
    inputs = keras.Input(SERIES)
    output = OPERATIONS[name](inputs, kl.Dense(3)(inputs))
    compare(keras.Model(inputs, output), rows_of(SERIES))


def test_operations_on_integers():
    inputs = keras.Input(IMAGE, dtype="uint8")
    output = inputs / 255 - 0.5
    compare(keras.Model(inputs, output), rows_of(IMAGE).astype("uint8"))


@pytest.mark.parametrize("kind", [kl.Add, kl.Maximum, kl.Minimum, kl.Multiply, kl.Subtract])
def test_merging_layers_of_unequal_rank(kind):
    inputs = keras.Input((3, 3))  # with the rows last, 3 steps would be taken for 3 rows
    output = kind()([inputs, kl.Dense(3)(kl.Flatten()(inputs))])
    compare(keras.Model(inputs, output), rows_of((3, 3)))


def test_one_layer_for_two_shapes():
    inputs = keras.Input(SERIES)
    shapes, flat = kl.Reshape((-1, 1)), kl.Flatten()
    parts = [inputs, kl.MaxPooling1D(2)(inputs)]
    output = kl.Concatenate()([*(flat(part) for part in parts), *(flat(shapes(p)) for p in parts)])
    model = keras.Model(inputs, output)
    try:
        model(rows_of(SERIES))
    except tf.errors.InvalidArgumentError:
        pytest.skip("the Reshape of Keras 3.10 cannot be called on two shapes")
    compare(model, rows_of(SERIES))


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


class OwnChain(keras.Sequential):
    def call(self, x, training=None, mask=None):
        return super().call(x) * 2


class OwnGraph(keras.Model):
    def call(self, x, training=None, mask=None):
        return super().call(x) * 2


def rms_scaled():
    layer = kl.LayerNormalization(name="mine")
    layer.rms_scaling = True  # the argument is deprecated
    return layer


def own_graph(shape):
    inputs = keras.Input(shape)
    return OwnGraph(inputs, kl.Dense(2)(inputs), name="mine")


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
        (ROW, rms_scaled(), "rms_scaling.*'mine'"),
        (ROW, kl.Dense(2, dtype="mixed_float16", name="mine"), "'mixed_float16' of .*'mine'"),
        (SERIES, kl.Bidirectional(kl.LSTM(2, dtype="float16"), name="mine"), "dtype.*'mine'"),
        (SERIES, kl.LSTM(2, recurrent_activation="softplus", name="mine"), "softplus.*'mine'"),
        (ROW, OwnChain([keras.Input(ROW), kl.Dense(2)], name="mine"), "'mine' is a class of its"),
        (ROW, own_graph(ROW), "'mine' is a class of its"),
    ],
)
def test_what_has_no_counterpart_is_named(shape, layer, message):
    graph = onnx_model.Operations(None)
    rows = onnx_model.Value(graph, "rows", "float32")
    with pytest.raises(TypeError, match=f"{message}.*'saved_model'"):
        onnx_layers.nodes_of(graph, chain(shape, layer), rows, None)


def named(kind):
    return kind(SERIES[0], name="mine")


def numbers(x):
    return kl.Dense(SERIES[0])(kl.Flatten()(x))


@pytest.mark.parametrize(
    ("message", "call"),
    [
        ("'mine' with initial_state", lambda x: named(kl.GRU)(x, initial_state=numbers(x))),
        ("'mine' with more", lambda x: named(kl.GRU)(x, numbers(x))),
        ("'mine' with mask", lambda x: kl.GlobalAveragePooling1D(name="mine")(x, mask=numbers(x))),
        ("'mine' with training", lambda x: kl.Dropout(0.5, name="mine")(x, training=True)),
        ("a Sin in float32", ops.sin),
        ("a Cast in float16", lambda x: ops.cast(x, "float16")),
    ],
)
def test_arguments_of_calls_that_have_no_counterpart_are_named(message, call):
    inputs = keras.Input(SERIES)
    graph = onnx_model.Operations(None)
    rows = onnx_model.Value(graph, "rows", "float32")
    with pytest.raises(TypeError, match=f"{message}.*'saved_model'"):
        onnx_layers.nodes_of(graph, keras.Model(inputs, call(inputs)), rows, None)


def test_what_a_call_says_of_predict_changes_nothing():
    inputs = keras.Input(ROW)
    output = chain(ROW, kl.Dense(3), kl.Dropout(0.5))(inputs, training=False)
    compare(keras.Model(inputs, kl.BatchNormalization()(output, training=False)), rows_of(ROW))
