"""The networks for series are those of their papers."""

import keras
import numpy as np
import pytest

from skdeep import CNNClassifier, CNNRegressor

RNG = np.random.default_rng(0)


def waves(n, n_steps=64):
    """Series of noise with a burst of one of two frequencies somewhere, (n, n_steps, 1)."""
    y, start = np.arange(n) % 2, RNG.integers(0, n_steps - 24, size=n)
    X = RNG.normal(scale=0.3, size=(n, n_steps))
    for row, label, first in zip(X, y, start):
        row[first : first + 24] += np.sin(np.arange(24) * (0.8 if label else 1.6))
    return X[..., None].astype(np.float32), y


X, Y = waves(80)


@pytest.mark.parametrize("architecture", ["fcn", "inception"])
def test_a_burst_is_found_wherever_it_stands(architecture):
    model = CNNClassifier(architecture=architecture, batch_size=16, epochs=8, random_state=0)
    model.fit(X, Y)
    assert model.score(*waves(200)) > 0.9


@pytest.mark.parametrize(
    ("architecture", "n_parameters"),
    [
        # Kernels, two numbers of each normalised channel, and the dense layer.
        ("fcn", 8 * 3 * 128 + 5 * 128 * 256 + 3 * 256 * 128 + 2 * (128 + 256 + 128) + 129),
        (
            "inception",
            3 * 32 + 3 * 32  # of the first block: bottleneck and pooled
            + 5 * (128 * 32 + 128 * 32)
            + 6 * (70 * 32 * 32 + 2 * 128)
            + (3 + 128) * 128 + 2 * 2 * 128  # shortcuts
            + 129,
        ),
    ],
)  # fmt: skip
def test_parameters_are_those_counted_by_hand(architecture, n_parameters):
    model = CNNClassifier(architecture=architecture, epochs=1).fit(np.repeat(X, 3, axis=2), Y)
    assert sum(w.size for w in map(np.asarray, model.network_.trainable_weights)) == n_parameters


def test_features_are_means_over_the_steps_of_the_last_maps():
    model = CNNRegressor(architecture="fcn", epochs=1, random_state=0).fit(X, Y)
    network = model.network_
    maps = keras.Model(network.inputs, network.get_layer("activation_2").output)(X)
    np.testing.assert_allclose(model.transform(X), np.mean(maps, axis=1), rtol=1e-4, atol=1e-5)


def test_flat_rows_are_series_of_one_feature_or_of_the_shape_given():
    model = CNNClassifier(architecture="fcn", epochs=1, random_state=0)
    flat = model.fit(X[..., 0], Y).predict_proba(X[..., 0])
    np.testing.assert_array_equal(flat, model.fit(X, Y).predict_proba(X))
    both = X.reshape(80, 32, 2)
    model.set_params(image_shape=(32, 2))
    flat = model.fit(both.reshape(80, 64), Y).predict_proba(both.reshape(80, 64))
    np.testing.assert_array_equal(flat, model.fit(both, Y).predict_proba(both))


@pytest.mark.parametrize(
    ("parameters", "X", "message"),
    [
        ({"augment": ("flip",)}, X, "augment=.* changes images"),
        ({"image_shape": (8, 8, 1)}, X[..., 0], r"image_shape must be \(n_steps, n_features\)"),
        ({"image_shape": (32, 2)}, X, r"X has series of \(64, 1\), but image_shape is \(32, 2\)"),
        ({"image_shape": (30,)}, X[..., 0], r"image_shape \(30, 1\) has 30 values"),
        ({}, X[..., None], "dim 4"),
    ],
)
def test_what_are_no_series_is_refused(parameters, X, message):
    with pytest.raises(ValueError, match=message):
        CNNClassifier(architecture="fcn", **parameters).fit(X, Y)
