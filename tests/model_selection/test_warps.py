import numpy as np
import pytest
from scipy.optimize import approx_fprime

from skdeep.model_selection.surrogates import GaussianProcess
from skdeep.model_selection.warps import CURVATURES, Warp, largest_curvature

VALUES = np.random.default_rng(0).normal(size=30) ** 3


@pytest.mark.parametrize("curvature", CURVATURES)
def test_warped_values_are_standardised_in_order_and_come_back(curvature):
    warp = Warp.of(VALUES, curvature)
    t = warp(VALUES)
    assert t.mean() == pytest.approx(0, abs=1e-12)
    assert t.std() == pytest.approx(1)
    np.testing.assert_array_equal(np.argsort(t), np.argsort(VALUES))
    np.testing.assert_allclose(warp.inverse(t), VALUES, rtol=1e-10)


@pytest.mark.parametrize("curvature", CURVATURES)
def test_slope_agrees_with_finite_differences(curvature):
    warp = Warp.of(VALUES, curvature)
    at = VALUES[VALUES > VALUES.min()]
    slopes = [approx_fprime([v], lambda v: warp(v)[0], 1e-7)[0] for v in at]
    np.testing.assert_allclose(np.exp(warp.log_slope(at)), slopes, rtol=1e-5)


@pytest.mark.parametrize("curvature", CURVATURES)
def test_noise_is_warped_as_differences_of_values_are(curvature):
    warp = Warp.of(VALUES, curvature)
    at = VALUES[VALUES > VALUES.min()]
    std = 1e-6 * np.arange(len(at))
    expected = (warp(at + std) - warp(at)) ** 2
    np.testing.assert_allclose(warp.noise(at, std**2), expected, rtol=1e-3, atol=0)


def test_warps_are_straight_over_known_noise():
    """At the lowest value, where they bend most, over a deviation."""
    values = np.linspace(0.0, 10.0, 21)
    for std in (1e-4, 1e-2, 0.5):
        largest = largest_curvature(values, np.array([std**2, 0.0]))
        warp = Warp.of(values, largest)
        ratio = (
            (warp(np.array([std])) - warp(np.zeros(1))) / std / np.exp(warp.log_slope(np.zeros(1)))
        )
        assert 0.8 < ratio[0] < 0.95
    assert largest_curvature(values, np.zeros(21)) == np.inf


def test_equal_values_and_values_out_of_all_proportion_are_warped_to_finite_ones():
    np.testing.assert_array_equal(Warp.of(np.full(4, 3.0), 1.0)(np.full(4, 3.0)), 0)
    values = np.append(VALUES, 1e300)
    for curvature in CURVATURES:
        warped = Warp.of(values, curvature)(values)
        assert np.isfinite(warped).all()


@pytest.mark.parametrize("bent", [False, True])
def test_evidence_bends_what_grows_like_an_exponential_and_nothing_else(bent):
    Z = np.random.default_rng(0).random((40, 2))
    smooth = np.sin(3 * Z[:, 0]) + np.cos(4 * Z[:, 1])
    values = np.exp(3 * smooth) if bent else smooth
    surrogate = GaussianProcess(np.zeros(2, dtype=bool))
    _, warp = surrogate.fit(Z, values, np.zeros(40), np.random.default_rng(0))
    assert (warp.curvature > 0) == bent


@pytest.mark.parametrize("ulp", [0.0, 1e-16])
def test_rounding_on_a_plateau_is_no_scale(ulp):
    values = np.append(np.full(20, -0.96), [-0.5, -0.6, -0.7])
    values[0] -= ulp
    for curvature in CURVATURES:
        t = Warp.of(values, curvature)(values)
        assert t[-3] > t[-2] + 0.01 > t[-1] + 0.02
