"""Numbers drawn for each row, of the row's own key."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import kstest

from skdeep import layers
from skdeep.engine import random
from skdeep.engine.network import Scope, entered
from skdeep.engine.runtime import tf

KEY = np.array([3, 7], np.uint32)
ROWS = np.random.default_rng(0).integers(0, 2, (500, 40)).astype("float32")


def called(layer, x, key=KEY):
    with entered(Scope(training=True, key=tf.constant(key), hyper={}, weight=None)):
        return np.asarray(layer(x))


def without_key(layer, x):
    with entered(Scope(training=False, key=None, hyper={}, weight=None)):
        return np.asarray(layer(x))


def test_a_rows_numbers_are_its_own_wherever_it_stands():
    order = np.random.default_rng(1).permutation(500)
    keys = random.row_keys(tf.constant(KEY), ROWS).numpy()
    assert_array_equal(random.row_keys(tf.constant(KEY), ROWS[order]).numpy(), keys[order])
    assert_array_equal(
        random.row_keys(tf.constant(KEY), -0.0 * ROWS).numpy()[:1].repeat(500, 0),
        random.row_keys(tf.constant(KEY), 0.0 * ROWS).numpy(),
    )
    assert len(np.unique(keys, axis=0)) == 500
    swapped = ROWS[:, ::-1]  # the same numbers in other places
    assert (random.row_keys(tf.constant(KEY), swapped).numpy() != keys).all(axis=1).mean() > 0.99


def test_rows_draw_independent_normal_numbers():
    keys = random.row_keys(tf.constant(KEY), ROWS)
    noise = random.normal(keys, (500, 40, 5)).numpy()
    assert kstest(noise.ravel(), "norm").pvalue > 0.01
    for flat in (noise.reshape(500, -1), noise.reshape(500, -1).T):
        off = np.corrcoef(flat)[np.triu_indices(len(flat), 1)]
        assert abs(off.std() * np.sqrt(flat.shape[1]) - 1) < 0.05


def test_normal_draws_have_their_mean_and_variance():
    mean = np.tile([[1.0, -2.0]], (500, 1)).astype("float32")
    log_variance = np.tile([[0.0, 2.0]], (500, 1)).astype("float32")
    layer = layers.DrawNormal(50, name="codes")
    drawn = called(layer, [ROWS, mean, log_variance])
    assert drawn.shape == (500, 50, 2)
    assert_allclose(drawn.mean(axis=(0, 1)), [1, -2], atol=0.06)
    assert_allclose(drawn.std(axis=(0, 1)), [1, np.e], rtol=0.02)
    assert (called(layer, [ROWS, mean, log_variance], KEY + 1) != drawn).mean() > 0.99
    assert_array_equal(without_key(layer, [ROWS, mean, log_variance]), mean[:, None].repeat(50, 1))


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_bits_have_their_probability(p):
    x = np.full((2000, 20), p, "float32")
    x[:, 0] = np.arange(2000) / 2000  # else all rows are equal
    bits = called(layers.DrawBits(name="bits"), x)
    assert set(np.unique(bits)) <= {0, 1}
    assert_allclose(bits[:, 1:].mean(), p, atol=0.01)
    assert_allclose(bits[:, 0] @ x[:, 0] / x[:, 0].sum(), 2 / 3, atol=0.03)  # E[x x] / E[x]
    assert_array_equal(without_key(layers.DrawBits(name="bits"), x), x)
