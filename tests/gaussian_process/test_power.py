from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm, skew, yeojohnson, yeojohnson_normmax

from skdeep.gaussian_process import power

RNG = np.random.default_rng(0)
SAMPLES = {
    "normal": RNG.normal(size=200),
    "log-normal": np.exp(1.5 * RNG.normal(size=200)),
    "long to the left": 40 - np.exp(RNG.normal(size=200)),
}


@pytest.fixture(params=SAMPLES)
def y(request):
    return SAMPLES[request.param]


@pytest.fixture
def transform(y):
    return power.fit(y, y.std())


def test_forward_is_scipys_transform_of_largest_likelihood(y, transform):
    low, centre, high = np.quantile(y, [0.25, 0.5, 0.75])
    z = (y - centre) / ((high - low) / 4)
    best = yeojohnson_normmax(z, brack=(0, 2))
    assert transform.exponent == pytest.approx(np.clip(best, 0, 2), abs=1e-4)
    v = yeojohnson(z, transform.exponent)
    np.testing.assert_allclose(transform.forward(y), (v - v.mean()) / v.std(), atol=1e-10)


def test_what_is_bent_is_symmetric(y, transform):
    u = transform.forward(y)
    assert abs(skew(u)) < max(0.1, 0.1 * abs(skew(y)))
    assert (np.diff(u[np.argsort(y)]) > 0).all()  # in the order of y


@pytest.mark.parametrize("exponent", [0.0, 0.4, 1.0, 2.0])
def test_inverse_undoes_forward_and_the_slope_is_that_of_forward(exponent):
    transform = power.PowerTransform(3.0, 2.0, exponent, 0.5, 1.5)
    y = np.linspace(-20, 30, 41)
    u = transform.forward(y)
    np.testing.assert_allclose(transform.inverse(u), y, rtol=1e-10)
    numeric = (transform.forward(y + 1e-6) - transform.forward(y - 1e-6)) / 2e-6
    np.testing.assert_allclose(np.exp(transform.log_slope(y)), numeric, rtol=1e-6)


def test_every_number_has_an_inverse_that_is_finite(transform):
    y = transform.inverse(np.linspace(-8, 8, 50))
    assert np.isfinite(y).all()
    assert (np.diff(y) > 0).all()


def test_targets_that_are_equal_stay_as_they_are():
    transform = power.fit(np.full(4, 7.0), 1.0)
    np.testing.assert_allclose(transform.inverse(transform.forward(np.array([7.0, 9]))), [7, 9])


def test_targets_of_which_most_are_equal_are_bent_by_the_others():
    y = np.append(np.zeros(20), [1.0, 2, 4, 8])
    transform = power.fit(y, y.std())
    assert 0 <= transform.exponent < 1
    np.testing.assert_allclose(transform.inverse(transform.forward(y)), y, atol=1e-12)


@pytest.mark.parametrize(("mean", "std"), [(-1.0, 0.3), (0.2, 1.0), (1.5, 0.05), (0.4, 0.0)])
def test_moments_are_integrals(mean, std, transform):
    found = power.moments(transform.inverse, np.array([mean]), std)
    if std == 0:
        expected = transform.inverse(mean), 0.0
    else:

        def average(function):
            # the transform has a kink in its second derivative where v is zero
            kink = -transform.mean / transform.spread
            ends = np.clip([mean - 9 * std, kink, mean + 9 * std], mean - 9 * std, mean + 9 * std)
            return sum(
                quad(lambda u: function(u) * norm.pdf(u, mean, std), a, b, epsabs=1e-10)[0]
                for a, b in pairwise(ends)
            )

        first = average(transform.inverse)
        second = average(lambda u: (transform.inverse(u) - first) ** 2)
        expected = first, np.sqrt(second)
    scale = max(abs(expected[0]), expected[1])
    np.testing.assert_allclose(np.ravel(found), expected, rtol=1e-3, atol=1e-3 * scale)
