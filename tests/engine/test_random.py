"""Random keys: uniform, independent, and the same wherever they are computed."""

import numpy as np
import pytest
from scipy import stats

from skdeep.engine import random
from skdeep.engine.runtime import tf

N = 20_000


def key(low=1, high=2):
    return tf.constant([low, high], tf.uint32)


def uniform(a_key, n=N):
    return random.uniform(a_key, (n,)).numpy().astype(float)


def by_step(function, dtype, steps=4000):
    """A function of the keys of the steps 0, 1, 2, ..."""

    @tf.function(autograph=False)
    def run():
        return tf.map_fn(lambda i: function(random.fold(key(), i)), tf.range(steps), dtype)

    return run().numpy()


def assert_uniform(values):
    assert stats.kstest(values, "uniform").pvalue > 1e-3
    assert values.min() >= 0
    assert values.max() < 1


@pytest.mark.parametrize("seed", [(0, 0), (1, 0), (0, 1), (2**32 - 1, 2**31)])
def test_uniform_numbers_are_uniform(seed):
    values = uniform(key(*seed))
    assert_uniform(values)
    assert values.mean() == pytest.approx(1 / 2, abs=5 / np.sqrt(12 * N))
    assert values.var() == pytest.approx(1 / 12, abs=5 / np.sqrt(180 * N))


def test_each_bit_is_set_half_of_the_time():
    drawn = random.bits(key(), (N,)).numpy()
    share = ((drawn[:, None] >> np.arange(32, dtype=np.uint32)) & 1).mean(axis=0)
    np.testing.assert_allclose(share, 0.5, atol=5 * 0.5 / np.sqrt(N))


def test_normal_numbers_are_normal():
    values = random.normal(key(), (N,)).numpy()
    assert stats.kstest(values, "norm").pvalue > 1e-3
    assert stats.kurtosis(values) == pytest.approx(0, abs=5 * np.sqrt(24 / N))


def test_bernoulli_has_its_probability_for_each_cell():
    probability = np.array([0.0, 0.1, 0.5, 0.9, 1.0], np.float32)
    share = random.bernoulli(key(), (N, 5), probability).numpy().mean(axis=0)
    np.testing.assert_allclose(share, probability, atol=5 * 0.5 / np.sqrt(N))
    assert (share[0], share[-1]) == (0, 1)


def test_limits_shift_and_scale():
    values = random.uniform(key(), (N,), -3.0, 5.0).numpy()
    np.testing.assert_allclose(values, 8 * uniform(key()) - 3, atol=1e-6)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (random.fold(key(1, 2), 0), random.fold(key(2, 2), 0)),
        (random.fold(key(1, 2), 0), random.fold(key(1, 3), 0)),
        (random.fold(key(), 0), random.fold(key(), 1)),
        (random.fold(key(), 7), random.fold(key(), 8)),
        (random.fold(random.fold(key(), 1), 2), random.fold(random.fold(key(), 2), 1)),
        (key(), random.fold(key(), 0)),
    ],
    ids=[
        "low word of seeds",
        "high word of seeds",
        "first steps",
        "later steps",
        "order of folds",
        "parent",
    ],
)
def test_neighbouring_keys_are_independent(one, other):
    a, b = uniform(one), uniform(other)
    for lag in (0, 1, 2):
        assert abs(stats.pearsonr(a[lag:], b[: N - lag]).statistic) < 5 / np.sqrt(N)
    joint = np.histogram2d(a, b, bins=8, range=[[0, 1], [0, 1]])[0]
    assert stats.chisquare(joint.ravel()).pvalue > 1e-3
    assert len(np.intersect1d(a, b)) < 0.01 * N  # not one stream that is shifted


def test_neighbouring_numbers_of_a_key_are_independent():
    values = uniform(key(), N + 1)
    joint = np.histogram2d(values[:-1], values[1:], bins=8, range=[[0, 1], [0, 1]])[0]
    assert stats.chisquare(joint.ravel()).pvalue > 1e-3


def test_first_number_of_each_step_is_uniform_and_independent():
    """What a dropout unit sees over a training: number 0 of the keys of steps 0, 1, 2, ..."""
    values = by_step(lambda step_key: random.uniform(step_key, (1,))[0], tf.float32)
    values = values.astype(float)
    assert_uniform(values)
    assert abs(stats.pearsonr(values[1:], values[:-1]).statistic) < 5 / np.sqrt(4000)


def test_no_two_of_many_folds_are_equal():
    folds = by_step(lambda step_key: step_key, tf.uint32)
    assert len(np.unique(folds, axis=0)) == 4000


def test_fold_takes_an_integer_of_32_bits_or_a_tensor():
    largest = 2**32 - 1
    np.testing.assert_array_equal(
        random.fold(key(), largest), random.fold(key(), tf.constant(largest, tf.uint32))
    )
    np.testing.assert_array_equal(random.fold(key(), 5), random.fold(key(), tf.constant(5)))


def test_mixer_is_the_published_one():
    """lowbias32 in Python's integers."""

    def lowbias32(x):
        x ^= x >> 16
        x = x * 0x7FEB352D % 2**32
        x ^= x >> 15
        x = x * 0x846CA68B % 2**32
        return x ^ x >> 16

    a, b = 123456789, 4000000000
    expected = [lowbias32((lowbias32((i + a) % 2**32) + b) % 2**32) for i in range(20)]
    np.testing.assert_array_equal(random.bits(key(a, b), (20,)).numpy(), expected)


@pytest.mark.parametrize("xla", [False, True])
def test_graph_and_xla_give_the_bits_of_eager_mode(xla):
    def draw(a_key):
        return random.bits(random.fold(a_key, 3), (5, 7)), random.uniform(a_key, (100,))

    compiled = tf.function(draw, jit_compile=xla, autograph=False)
    for eager, other in zip(draw(key()), compiled(key()), strict=True):
        np.testing.assert_array_equal(eager, other)


def test_shape_may_be_a_tensor_and_only_lays_numbers_out():
    flat = random.bits(key(), (12,)).numpy()
    shaped = random.bits(key(), tf.constant([3, 4])).numpy()
    np.testing.assert_array_equal(shaped, flat.reshape(3, 4))


def test_keys_of_samples_differ_from_each_other_and_from_those_of_steps():
    seed = 2**63 + 5
    epoch, step = np.divmod(np.arange(20_000), 100)
    steps = random.step_keys(seed, epoch, step)
    samples = random.sample_keys(seed, 5000)
    assert len(np.unique(np.vstack([steps, samples]), axis=0)) == 25_000
    np.testing.assert_array_equal(random.sample_keys(seed, 7), samples[:7])
    assert not np.isin(random.sample_keys(seed + 1, 7), samples).any()
