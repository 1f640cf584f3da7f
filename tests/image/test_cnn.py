import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from skdeep import CNNClassifier, CNNRegressor, config_context, engine

FEW = {"architecture": (4, 6), "epochs": 2, "random_state": 0}


@pytest.fixture(scope="module")
def digits():
    """scikit-learn's digits, 1797 x 8 x 8 in [0, 1], and their classes."""
    data = load_digits()
    return (data.images / 16).astype(np.float32), data.target


def enlarged(images):
    """Each pixel twice: 16 x 16."""
    return images.repeat(2, axis=1).repeat(2, axis=2)


# What an image may look like ------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(-1, 8, 8), (-1, 8, 8, 1), (-1, 64)], ids=len)
@pytest.mark.parametrize("cnn", [CNNClassifier, CNNRegressor])
def test_flat_rows_and_images_give_the_same(cnn, shape, digits):
    X, y = digits[0][:100], digits[1][:100]
    expected = cnn(**FEW).fit(X, y)
    image_shape = (8, 8) if shape == (-1, 64) else None
    model = cnn(image_shape=image_shape, **FEW).fit(X.reshape(shape), y)
    for seen in (X, X.reshape(-1, 64), X[..., None]):
        assert_array_equal(model.predict(seen), expected.predict(X))
    assert model.n_features_in_ == 64


def test_flat_rows_are_square_images_where_they_can_be_and_lines_otherwise(digits):
    X, y = digits[0][:100].reshape(100, 64), digits[1][:100]
    square = CNNClassifier(**FEW).fit(X, y)
    assert square.network_.input_shape == (None, 8, 8, 1)
    line = CNNClassifier(**FEW).fit(X[:, :50], y)
    assert line.network_.input_shape == (None, 1, 50, 1)


def test_flat_rows_with_channels_are_images_with_channels_last():
    rng = np.random.default_rng(0)
    X, y = rng.random((60, 6, 4, 3)), np.arange(60) % 2
    expected = CNNClassifier(**FEW).fit(X, y).predict_proba(X)
    model = CNNClassifier(image_shape=(6, 4, 3), **FEW).fit(X.reshape(60, -1), y)
    assert_array_equal(model.predict_proba(X.reshape(60, -1)), expected)


@pytest.mark.parametrize("augment", [(), ("shift",)])
def test_bytes_give_what_their_255ths_give(augment, digits):
    X, y = (digits[0][:200] * 255).astype(np.uint8), digits[1][:200]
    floats = X.astype(np.float32) / 255
    expected = CNNClassifier(augment=augment, **FEW).fit(floats, y).predict_proba(floats)
    model = CNNClassifier(augment=augment, **FEW).fit(X, y)
    assert_allclose(model.predict_proba(X), expected, atol=1e-4)
    assert model.network_.input.dtype == "uint8"


def test_every_channel_is_used():
    rng = np.random.default_rng(0)
    X = rng.random((200, 4, 4, 3)).astype(np.float32)
    y = X[..., 2].mean(axis=(1, 2)) > 0.5
    model = CNNClassifier(architecture=(8,), epochs=40, random_state=0).fit(X, y)
    assert model.score(X, y) > 0.95
    before = model.predict_proba(X)
    X[..., 2] = 0.5
    assert np.abs(model.predict_proba(X) - before).max() > 0.2


# What it computes -----------------------------------------------------------------------------


def parameters(model):
    return model.network_.count_params()


def test_lenet_1_is_the_network_of_1990(digits):
    X, y = np.zeros((20, 28, 28)), np.arange(20) % 10
    model = CNNClassifier(architecture="lenet1", epochs=1).fit(X, y)
    # H1: 4 maps of 24 x 24 from 5 x 5; H2 halves; H3: 12 maps of 8 x 8; H4 halves to 12 x 4 x 4.
    # (The paper's H3 sees some of the four maps only, ours all of them; its 10 units see H4.)
    layers = {layer.name: layer for layer in model.network_.layers}
    maps = [layers[name].output.shape[1:] for name in ("conv_0", "pool_0", "conv_1", "pool_1")]
    assert maps == [(24, 24, 4), (12, 12, 4), (8, 8, 12), (4, 4, 12)]
    assert parameters(model) == 4 * (25 + 1) + 12 * (4 * 25 + 1) + 10 * (12 * 4 * 4 + 1)
    assert model.transform(X[:1]).shape == (1, 192)


def test_lenet_5_is_the_network_of_1998():
    X, y = np.zeros((20, 28, 28)), np.arange(20) % 10
    model = CNNClassifier(architecture="lenet5", epochs=1).fit(X, y)
    # C1: 6 maps of 28 x 28 (the paper pads the images to 32); S2; C3: 16 of 10 x 10; S4: 16 of
    # 5 x 5; C5: 120 units, which see all of S4; F6: 84.
    layers = {layer.name: layer for layer in model.network_.layers}
    maps = [layers[name].output.shape[1:] for name in ("conv_0", "pool_0", "conv_1", "pool_1")]
    assert maps == [(28, 28, 6), (14, 14, 6), (10, 10, 16), (5, 5, 16)]
    assert layers["conv_0"].count_params() == 156  # the paper's figures for C1, C5 and F6
    assert layers["conv_1"].count_params() == 16 * (6 * 25 + 1)
    assert layers["dense_0"].count_params() == 48_120
    assert layers["dense_1"].count_params() == 10_164
    assert parameters(model) == 61_706
    assert model.transform(X[:1]).shape == (1, 84)


def test_small_has_the_parameters_counted_by_hand(digits):
    model = CNNClassifier(epochs=1).fit(digits[0][:50], digits[1][:50])
    # Convolutions without bias, four numbers of normalisation a channel; 8 x 8 pools to 2 x 2.
    convolutions = 9 * 32 + 4 * 32 + 9 * 32 * 64 + 4 * 64
    assert parameters(model) == convolutions + (2 * 2 * 64 + 1) * 128 + (128 + 1) * 10
    assert_array_equal(
        CNNClassifier(architecture=(32, 64), epochs=1, random_state=0)
        .fit(*digits)
        .predict_proba(digits[0][:20]),
        CNNClassifier(epochs=1, random_state=0).fit(*digits).predict_proba(digits[0][:20]),
    )


def test_the_network_to_look_at_predicts_the_same(digits):
    X, y = digits
    model = CNNClassifier(**FEW, dropout=0.2).fit(X, y)
    outputs = model.network_(X[:50, ..., None])
    assert_allclose(outputs["output"], model.decision_function(X[:50]), atol=1e-4)
    features = model.transform(X[:50])
    assert_allclose(outputs["features"], features, atol=1e-4)
    kernel, bias = model.network_.get_layer("head").get_weights()
    assert_allclose(features @ kernel + bias, model.decision_function(X[:50]), atol=1e-4)


def convolve(images, kernel, bias):
    """A valid convolution by hand, (n, h, w, c) with (kh, kw, c, filters)."""
    height, width = kernel.shape[:2]
    windows = np.lib.stride_tricks.sliding_window_view(images, (height, width), axis=(1, 2))
    return np.einsum("nijcyx,yxcf->nijf", windows, kernel) + bias


def halved(maps):
    """Means over blocks of 2 x 2."""
    n, height, width, channels = maps.shape
    return maps.reshape(n, height // 2, 2, width // 2, 2, channels).mean(axis=(2, 4))


def test_lenet_1_by_hand_predicts_the_same(digits):
    X, y = enlarged(digits[0][:60]), digits[1][:60]
    model = CNNClassifier(architecture="lenet1", epochs=2, random_state=0).fit(X, y)
    K1, b1, K2, b2, W, b = (w.astype(float) for w in model.network_.get_weights())
    h = halved(np.tanh(convolve(X[..., None], K1, b1)))
    h = halved(np.tanh(convolve(h, K2, b2))).reshape(len(X), -1)
    assert_allclose(h @ W + b, model.decision_function(X), atol=1e-4)


def test_an_image_moved_by_the_pools_stride_moves_the_maps():
    rng = np.random.default_rng(0)
    X = np.zeros((2, 24, 24), np.float32)
    patch = rng.random((6, 6))
    X[0, 6:12, 6:12] = X[1, 10:16, 6:12] = patch  # four pixels: one step of two pools
    model = CNNClassifier(architecture="lenet1", epochs=1, random_state=0).fit(X, [0, 1])
    maps = model.transform(X).reshape(2, 3, 3, 12)
    assert np.abs(maps[0, :2] - maps[0, 1:]).max() > 0.01
    assert_allclose(maps[1, 1:], maps[0, :2], atol=1e-6)


# What it learns -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("architecture", "epochs", "floor"),
    [("small", 6, 0.95), ((8, 16), 10, 0.93), ("lenet1", 30, 0.90), ("lenet5", 12, 0.90)],
)
def test_digits_are_learnt(architecture, epochs, floor, digits):
    X, y = digits
    X = enlarged(X) if str(architecture).startswith("lenet") else X
    model = CNNClassifier(architecture=architecture, epochs=epochs, random_state=0, batch_size=64)
    assert model.fit(X[:1200], y[:1200]).score(X[1200:], y[1200:]) > floor


def test_a_convolution_finds_a_mark_anywhere_where_a_linear_model_is_lost():
    # An upright or a lying stroke, anywhere: all pixels have the same mean in both classes.
    rng = np.random.default_rng(0)
    X, y = np.zeros((600, 9, 9), np.float32), np.arange(600) % 2
    for image, lying in zip(X, y):
        row, column = rng.integers(1, 8, 2)
        image[
            (row, slice(column - 1, column + 2)) if lying else (slice(row - 1, row + 2), column)
        ] = 1
    model = CNNClassifier(architecture=(8, 16), epochs=15, batch_size=50, random_state=0)
    ours = model.fit(X[:400], y[:400]).score(X[400:], y[400:])
    flat = X.reshape(600, -1)
    linear = LogisticRegression().fit(flat[:400], y[:400]).score(flat[400:], y[400:])
    assert ours > 0.97 > 0.75 > linear


@pytest.mark.parametrize(
    "quantity",
    [
        lambda X: X.mean(axis=(1, 2)),
        lambda X: 50 + 100 * (X.sum(axis=1) @ np.arange(8)) / X.sum(axis=(1, 2)),
        lambda X: np.column_stack([X[:, :4].mean(axis=(1, 2)), 1e-3 * X[:, :, :4].mean((1, 2))]),
    ],
    ids=["brightness", "centre", "halves"],
)
def test_a_regressor_learns_a_quantity_of_the_image(quantity, digits):
    X, _ = digits
    y = quantity(X)
    model = CNNRegressor(
        architecture=(8, 16),
        epochs=25,
        batch_size=64,
        learning_rate_schedule="cosine",
        random_state=0,
    ).fit(X[:1200], y[:1200])
    assert model.score(X[1200:], y[1200:]) > 0.9
    assert model.predict(X[:5]).shape == y[:5].shape


# Augmentation ---------------------------------------------------------------------------------


def test_augmentation_is_of_training_only(digits):
    X, y = digits[0][:200], digits[1][:200]
    every = ("flip", "shift", "rotate", "crop")
    model = CNNClassifier(augment=every, **FEW).fit(X, y, X_val=X, y_val=y)
    assert_array_equal(model.predict_proba(X), model.predict_proba(X))
    assert_allclose(
        model.history_["val_loss"].iloc[-1], log_loss(y, model.predict_proba(X)), rtol=1e-4
    )
    plain = CNNClassifier(**FEW).fit(X, y)
    assert not np.allclose(plain.predict_proba(X), model.predict_proba(X), atol=1e-3)


def test_flips_teach_what_mirrored_images_mean():
    # Classes differ by their upper half alone; the test images are mirrored.
    rng = np.random.default_rng(0)
    shapes = rng.random((4, 8, 8)) > 0.5
    y = np.arange(400) % 4
    X = (shapes[y] + rng.normal(scale=0.3, size=(400, 8, 8))).astype(np.float32)
    model = CNNClassifier(architecture=(8,), epochs=15, batch_size=50, random_state=0)
    mirrored = X[:, :, ::-1]
    without = model.fit(X, y).score(mirrored, y)
    assert model.set_params(augment=("flip",)).fit(X, y).score(mirrored, y) > max(0.95, without)
    assert without < 0.8


def test_shifts_teach_what_moved_images_mean(digits):
    X, y = digits
    moved = np.roll(X[1200:], 1, axis=2)
    moved[:, :, 0] = 0
    model = CNNClassifier(architecture=(8, 16), epochs=15, batch_size=64, random_state=0)
    without = model.fit(X[:1200], y[:1200]).score(moved, y[1200:])
    assert model.set_params(augment=["shift"]).fit(X[:1200], y[:1200]).score(moved, y[1200:]) > max(
        0.85, without + 0.05
    )


def test_keras_image_data_format_changes_nothing(digits):
    X, y = digits[0][:100], digits[1][:100]
    expected = CNNClassifier(**FEW).fit(X, y).predict_proba(X)
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    try:
        engine.cache_clear()
        found = CNNClassifier(**FEW).fit(X, y).predict_proba(X)
    finally:
        keras.config.set_image_data_format(before)
        engine.cache_clear()
    assert_array_equal(found, expected)


def test_images_may_be_nested_lists(digits):
    X, y = digits[0][:50], digits[1][:50]
    expected = CNNClassifier(**FEW).fit(X, y).predict(X)
    assert_array_equal(CNNClassifier(**FEW).fit(X.tolist(), y).predict(X.tolist()), expected)


def test_predict_outside_a_double_precision_context_rounds_nothing(digits):
    X, y = digits[0][:50].astype(float) + 1e-9, digits[1][:50]
    with config_context(precision="float64"):
        model = CNNClassifier(**FEW).fit(X, y)
        expected = model.predict_proba(X)
    assert_array_equal(model.predict_proba(X), expected)


def test_a_fit_of_few_steps_predicts_as_it_trained():
    """Its running averages are those of the network that it ends with, not of the steps before."""
    X, y = load_digits(return_X_y=True)
    model = CNNClassifier(random_state=0).fit(X[:100] / 16, y[:100])  # a step for each epoch
    assert model.history_["loss"].iloc[-1] < 0.01
    assert model.score(X[:100] / 16, y[:100]) == 1.0


def test_parameters_set_after_fit_do_not_change_predict(digits):
    X, y = digits
    model = CNNClassifier(epochs=1, random_state=0).fit(X[:64], y[:64])
    before = model.predict_proba(X[:9])
    model.set_params(architecture="fcn")  # which is for series
    np.testing.assert_array_equal(model.predict_proba(X[:9]), before)
