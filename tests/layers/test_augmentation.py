"""Augmentation, against scipy.ndimage's affine maps and by what each kind keeps."""

import keras
import numpy as np
import pytest
from scipy import ndimage

from skdeep import CNNClassifier
from skdeep.engine import Network
from skdeep.engine.runtime import tf
from skdeep.layers import Augment
from skdeep.layers.augmentation import _resample


def augmented(kinds, images, seed=0, training=True):
    def build():
        inputs = keras.Input(images.shape[1:])
        return keras.Model(inputs, Augment(kinds, name="augment")(inputs))

    nothing = {"trainable": tf.zeros((0,)), "fixed": tf.zeros((0,))}
    key = tf.constant([seed, 1], tf.uint32)
    outputs, _ = Network(build).apply(nothing, tf.constant(images), training=training, key=key)
    return outputs.numpy()


@pytest.fixture(scope="module")
def images():
    """200 smooth images of 16 x 12 pixels and two channels."""
    noise = np.random.default_rng(0).normal(size=(200, 16, 12, 2))
    return ndimage.gaussian_filter(noise, (0, 1.5, 1.5, 0)).astype(np.float32)


def blobs(n=400, size=24):
    """One round spot of mass one in the middle of each image."""
    row, column = np.mgrid[:size, :size] - (size - 1) / 2
    spot = np.exp(-(row**2 + column**2) / 8)
    return np.tile(spot / spot.sum(), (n, 1, 1)).astype(np.float32)[..., None]


def centres(images):
    """Centre of mass of each image, from its middle: (n, 2)."""
    found = [ndimage.center_of_mass(image[..., 0]) for image in images]
    return np.array(found) - (images.shape[1] - 1) / 2


@pytest.mark.parametrize("kinds", [("flip",), ("flip", "shift", "rotate", "crop")])
def test_predict_sees_the_images_as_they_are(images, kinds):
    np.testing.assert_array_equal(augmented(kinds, images, training=False), images)


def test_nothing_asked_changes_nothing(images):
    np.testing.assert_array_equal(augmented((), images), images)


def test_flips_are_exact_mirrors_of_half_of_the_images(images):
    found = augmented(("flip",), images)
    same = np.array([np.array_equal(a, b) for a, b in zip(found, images, strict=True)])
    mirrored = np.array([np.array_equal(a, b[:, ::-1]) for a, b in zip(found, images, strict=True)])
    assert np.all(same ^ mirrored)
    assert abs(same.sum() - 100) < 5 * np.sqrt(50)


def test_shift_moves_the_mass_up_to_an_eighth_of_the_side():
    before = blobs()
    found = augmented(("shift",), before)
    moved = centres(found)
    assert 0.95 * 3 < np.abs(moved).max(axis=0).min()
    assert np.abs(moved).max() <= 3 + 1e-3
    np.testing.assert_allclose(moved.mean(axis=0), 0, atol=5 * 3 / np.sqrt(3 * 400))
    assert abs(np.corrcoef(moved.T)[0, 1]) < 5 / 20
    np.testing.assert_allclose(found.sum(axis=(1, 2, 3)), 1, rtol=1e-3)


def test_shift_brings_in_zeros():
    found = augmented(("shift",), np.ones((100, 16, 16, 1), np.float32))
    assert found.max() == pytest.approx(1)
    np.testing.assert_allclose(found[:, 4:-4, 4:-4], 1, rtol=1e-6)
    zero_borders = sum((found[:, edge] == 0).all(axis=(1, 2)).mean() for edge in (0, -1))
    assert zero_borders == pytest.approx(0.5, abs=0.25)  # shifts of more than a pixel, down or up


def test_rotation_is_about_the_middle_by_up_to_fifteen_degrees():
    size, reach = 33, 12.0
    row, column = np.mgrid[:size, :size] - (size - 1) / 2
    spot = np.exp(-(row**2 + (column - reach) ** 2) / 8)  # to the right of the middle
    before = np.tile(spot / spot.sum(), (300, 1, 1)).astype(np.float32)[..., None]
    moved = centres(augmented(("rotate",), before))
    np.testing.assert_allclose(np.hypot(*moved.T), reach, rtol=0.02)
    angle = np.degrees(np.arctan2(moved[:, 0], moved[:, 1]))
    assert 14 < np.abs(angle).max() < 15.2
    assert abs(angle.mean()) < 5 * 15 / np.sqrt(3 * 300)


def test_crop_enlarges_up_to_four_thirds_and_stays_inside():
    ones = augmented(("crop",), np.ones((50, 16, 16, 1), np.float32))
    np.testing.assert_allclose(ones, 1, rtol=1e-5)  # no zeros come in
    found = augmented(("crop",), blobs())
    area = found.sum(axis=(1, 2, 3))  # 1 / scale^2
    assert 1 - 1e-3 < area.min() < 1.02
    assert 1.70 < area.max() < 16 / 9 + 1e-2


def test_each_image_and_step_has_its_own_map(images):
    first, second = (augmented(("rotate",), np.repeat(images[:1], 50, axis=0), s) for s in (0, 1))
    both = np.concatenate([first, second]).reshape(100, -1)
    assert len(np.unique(both, axis=0)) == 100
    np.testing.assert_array_equal(
        augmented(("rotate",), images, 3), augmented(("rotate",), images, 3)
    )


def test_resampling_is_the_affine_map_of_scipy(images):
    rng = np.random.default_rng(1)
    x = images[:20]
    matrix = np.eye(2) + 0.3 * rng.normal(size=(20, 2, 2))
    offset = 2 * rng.normal(size=(20, 2))
    found = _resample(
        tf.constant(x), tf.constant(matrix, tf.float32), tf.constant(offset, tf.float32)
    ).numpy()
    centre = np.array([7.5, 5.5])
    padded = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])  # scipy cuts off half pixels at the edge
    for i in range(20):
        for channel in range(2):
            expected = ndimage.affine_transform(
                padded[i, ..., channel],
                matrix[i],
                offset=centre + 1 + offset[i] - matrix[i] @ centre,
                output_shape=(16, 12),
                order=1,
            )
            np.testing.assert_allclose(found[i, ..., channel], expected, atol=1e-4)


def test_all_kinds_together_map_a_linear_image_linearly():
    """An affine map of coordinates keeps a plane a plane: bilinear reading is exact on it."""
    size = 20
    row, column = np.mgrid[:size, :size].astype(np.float32)
    plane = np.tile(5 + 2 * row + 3 * column, (100, 1, 1))[..., None]
    middle = augmented(("flip", "shift", "rotate", "crop"), plane)[:, 7:13, 7:13, 0]
    for axis in (1, 2):
        np.testing.assert_allclose(np.diff(middle, 2, axis=axis), 0, atol=1e-3)
    # The slopes tell the map: length sqrt(13) times the scale, and its sign across the flip.
    down, right = (
        np.diff(middle, axis=1).mean(axis=(1, 2)),
        np.diff(middle, axis=2).mean(axis=(1, 2)),
    )
    scale = np.hypot(down, right) / np.sqrt(13)
    assert 0.75 <= scale.min() < 0.78
    assert 0.97 < scale.max() <= 1 + 1e-5
    assert 30 < (right < 0).sum() < 70


def test_augmented_training_differs_and_predicts_plainly():
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 255, size=(30, 8, 8), dtype=np.uint8), np.arange(30) % 2
    how = {"architecture": (2,), "epochs": 1, "batch_size": 15, "random_state": 0}
    plain = CNNClassifier(**how).fit(X, y)
    varied = CNNClassifier(augment=("shift", "rotate"), **how).fit(X, y)
    again = CNNClassifier(augment=("shift", "rotate"), **how).fit(X, y)
    np.testing.assert_array_equal(varied.predict_proba(X), again.predict_proba(X))
    assert not np.allclose(varied.predict_proba(X), plain.predict_proba(X))
    np.testing.assert_array_equal(varied.predict_proba(X), varied.predict_proba(X))
