"""The networks for series are those of their papers."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import softmax
from sklearn.base import clone

from skdeep import CNNClassifier, CNNRegressor
from skdeep.callbacks import GradientNorms
from skdeep.engine import entered
from skdeep.engine.network import Scope

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
    maps = keras.Model(network.input, network.get_layer("activation_2").output)(X)
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


ENSEMBLE = CNNClassifier(
    architecture=(4,),
    image_shape=(8, 8),
    ensemble_size=3,
    optimizer="sgd",
    epochs=1,
    random_state=0,
)
IMAGES = RNG.normal(size=(90, 64)).astype(np.float32)
THREE = np.arange(90) % 3


def test_members_of_an_ensemble_train_as_each_would_alone():
    before = clone(ENSEMBLE).set_params(learning_rate=1e-12).fit(IMAGES, THREE).network_
    after = clone(ENSEMBLE).set_params(learning_rate=0.1).fit(IMAGES, THREE).network_
    for i in range(3):
        alone, trained = (model.get_layer(f"member_{i}").model for model in (before, after))
        kernel = alone.get_layer("head").kernel
        with tf.GradientTape() as tape:
            # Normalisation by the batch, as in training: no moving averages.
            logits = alone(IMAGES.reshape(-1, 8, 8, 1), training=True)["output"]
            loss = tf.nn.sparse_softmax_cross_entropy_with_logits(THREE, logits)
            loss = tf.reduce_mean(loss)
        step = 0.1 * tape.gradient(loss, kernel.value)
        np.testing.assert_allclose(
            trained.get_layer("head").kernel, kernel - step, rtol=1e-4, atol=1e-6
        )


@pytest.mark.parametrize("n_classes", [2, 3])
def test_an_ensemble_predicts_the_mean_of_its_members_probabilities(n_classes):
    model = clone(ENSEMBLE).set_params(learning_rate=0.3, epochs=5)
    model.fit(IMAGES, np.arange(90) % n_classes)
    logits = model.network_(IMAGES.reshape(-1, 8, 8, 1))["output"].numpy().astype(np.float64)
    if n_classes == 2:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=-1)
    wanted = softmax(logits, axis=2)
    assert np.abs(wanted[:, 0] - wanted[:, 1]).max() > 0.05  # the members differ
    np.testing.assert_allclose(
        model.predict_proba(IMAGES), wanted.mean(axis=1), rtol=1e-4, atol=1e-6
    )


def test_an_ensemble_of_normal_distributions_has_the_moments_of_their_mixture():
    y = IMAGES[:, 0] + RNG.normal(size=90)
    model = CNNRegressor(
        architecture=(4,), image_shape=(8, 8), ensemble_size=3, loss="gaussian", epochs=5
    ).fit(IMAGES, y)
    mean, std = model.predict(IMAGES, return_std=True)
    raw = model.network_(IMAGES.reshape(-1, 8, 8, 1))["output"].numpy().astype(np.float64)
    means, variances = raw[..., 0], np.logaddexp(0, raw[..., 1]) + 1e-6
    np.testing.assert_allclose(mean, means.mean(axis=1) * y.std() + y.mean(), rtol=1e-4, atol=1e-5)
    variance = variances.mean(axis=1) + means.var(axis=1)
    np.testing.assert_allclose(std, np.sqrt(variance) * y.std(), rtol=1e-3)


def test_members_have_dropout_masks_of_their_own():
    parameters = {"dropout": 0.5, "learning_rate": 1e-12, "epochs": 1}
    model = clone(ENSEMBLE).set_params(**parameters).fit(IMAGES, THREE)
    same = model.network_
    weights = same.get_layer("member_0").get_weights()
    for i in (1, 2):
        same.get_layer(f"member_{i}").set_weights(weights)
    scope = Scope(
        training=True, key=tf.constant([1, 2], tf.uint32), hyper={"dropout": 0.5}, weight=None
    )
    with entered(scope):
        features = same(IMAGES.reshape(-1, 8, 8, 1), training=True)["features"].numpy()
    first, second, third = np.split(features == 0, 3, axis=1)
    assert 0.2 < (first != second).mean() < 0.8
    assert 0.2 < (second != third).mean() < 0.8


def test_the_layers_of_an_ensemble_have_one_name_everywhere():
    X, y = np.random.default_rng(0).random((40, 8, 8)), np.arange(40) % 2
    model = CNNClassifier(
        architecture=(4,), ensemble_size=2, epochs=1, callbacks=[GradientNorms()], random_state=0
    ).fit(X, y)
    table = model.summary()
    recorded = {name[9:] for name in model.history_ if name.startswith("gradient/")}
    assert recorded == set(table.index[table["trained"] > 0])
    assert "member_1/conv_0" in recorded
    assert table["parameters"].sum() == model.n_parameters_
    alone, other = (model.history_[f"gradient/member_{i}/conv_0"][0] for i in (0, 1))
    assert alone != other
