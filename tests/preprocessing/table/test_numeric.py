"""Scaling of numbers, beside NumPy's, SciPy's and scikit-learn's."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.preprocessing import QuantileTransformer, RobustScaler

from skdeep.preprocessing.table.numeric import (
    AsIs,
    Quantile,
    Robust,
    weighted_quantiles,
)

RNG = np.random.default_rng(0)
SCALERS = [Robust, Quantile]
each_scaler = pytest.mark.parametrize("scaler", SCALERS)


def ones(n):
    return np.ones(n)


@pytest.mark.parametrize("n", [1, 2, 7, 100, 1001])
def test_quantiles_of_equal_weights_are_numpys(n):
    values, levels = RNG.normal(size=n).round(1), np.arange(65) / 64  # floats are exact
    expected = np.quantile(values, levels, method="averaged_inverted_cdf")
    np.testing.assert_allclose(weighted_quantiles(values, ones(n), levels), expected, atol=1e-15)


@pytest.mark.parametrize("factor", [1, 0.1, 1e-12, 1e9])
def test_a_weight_is_a_number_of_rows_whatever_its_unit(factor):
    values, weight = RNG.normal(size=50).round(1), RNG.integers(1, 4, size=50)
    levels = np.linspace(0, 1, 21)
    repeated = np.repeat(values, weight)
    np.testing.assert_array_equal(
        weighted_quantiles(values, factor * weight, levels),
        weighted_quantiles(repeated, ones(len(repeated)), levels),
    )


def test_robust_scaling_is_scikit_learns_with_a_smooth_clip():
    X = RNG.standard_cauchy(size=(4 * 25 + 1, 3))  # quartiles are rows, however interpolated
    z = RobustScaler().fit_transform(X)
    expected = z / np.sqrt(1 + (z / 3) ** 2)
    found = Robust.fit(list(X.T), ones(len(X))).encode(X)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert np.abs(found).max() < 3


def test_with_equal_quartiles_half_the_range_is_the_unit():
    x = np.array([0.0] * 8 + [1.0, 5.0])
    found = Robust.fit([x], ones(10)).encode(np.array([[0.0], [2.5], [5.0]]))[:, 0]
    np.testing.assert_allclose(found, [0, 1 / np.hypot(1, 1 / 3), 2 / np.hypot(1, 2 / 3)])


@pytest.mark.parametrize("huge", [1e30, 1e200, 1.7e308])
def test_the_largest_numbers_are_no_overflow(huge):
    x = np.array([-huge, -1.0, 0.0, 1.0, huge])
    scaler = Robust.fit([x], ones(5))
    np.testing.assert_allclose(scaler.encode(x[:, None])[[0, 2, 4], 0], [-3, 0, 3])
    wide = Robust.fit([np.array([-huge, 0, huge])], ones(3))  # the quartiles themselves
    np.testing.assert_allclose(
        wide.encode(np.array([[-huge], [0], [huge]]))[:, 0],
        np.array([-0.5, 0, 0.5]) / np.hypot(1, 1 / 6),
    )


def test_quantile_scaling_is_normal_and_near_scikit_learns():
    X = RNG.exponential(size=(5000, 2))
    found = Quantile.fit(list(X.T), ones(5000)).encode(X)
    theirs = QuantileTransformer(output_distribution="normal", n_quantiles=1000).fit_transform(X)
    inside = np.abs(theirs) < 2.5
    np.testing.assert_allclose(found[inside], theirs[inside], atol=0.02)
    ranks = X.argsort(axis=0).argsort(axis=0)
    np.testing.assert_allclose(found[inside], norm.ppf((ranks + 0.5) / 5000)[inside], atol=0.03)


def test_quantile_scaling_of_a_few_values_is_the_middle_of_their_steps():
    x = np.array([2.0, 2.0, 2.0, 7.0])
    scaler = Quantile.fit([x], ones(4))
    points = np.array([[-9.0], [2.0], [4.5], [7.0], [99.0]])
    expected = norm.ppf([3 / 8, 3 / 8, 5 / 8, 7 / 8, 7 / 8])
    np.testing.assert_allclose(scaler.encode(points)[:, 0], expected)


@each_scaler
def test_a_weight_of_two_is_two_rows_and_nan_is_none(scaler):
    X, weight = RNG.normal(size=(40, 2)), RNG.integers(1, 4, size=40)
    X[::7, 0] = np.nan
    repeated = np.repeat(X, weight, axis=0)
    by_weight = scaler.fit(list(X.T), weight.astype(float)).encode(X)
    by_rows = scaler.fit(list(repeated.T), ones(len(repeated))).encode(X)
    np.testing.assert_allclose(by_weight, by_rows, rtol=1e-12)
    known = X[~np.isnan(X[:, 0]), :1]
    without = scaler.fit([known[:, 0]], weight[~np.isnan(X[:, 0])].astype(float))
    np.testing.assert_array_equal(without.encode(X[:, :1]), by_weight[:, :1])
    assert (by_weight[::7, 0] == 0).all()


@each_scaler
def test_scaling_grows_with_the_number_and_comes_back(scaler):
    x = np.sort(RNG.standard_cauchy(size=300))
    fitted = scaler.fit([x], ones(300))
    encoded = fitted.encode(x[:, None])
    assert (np.diff(encoded[:, 0]) > 0).all()
    np.testing.assert_allclose(fitted.decode(encoded)[:, 0], x, rtol=1e-6, atol=1e-9)
    in_float32 = fitted.decode(encoded.astype(np.float32))[:, 0]
    middle = slice(30, -30)
    np.testing.assert_allclose(in_float32[middle], x[middle], atol=1e-4)


@each_scaler
def test_nothing_comes_back_from_beyond_the_training_column(scaler):
    fitted = scaler.fit([np.array([1.0, 2.0, 3.0, 10.0])], ones(4))
    found = fitted.decode(np.array([[-9.0], [9.0], [3.0], [-3.0]]))
    np.testing.assert_allclose(found[:, 0], [1, 10, 10, 1])


def test_a_missing_boolean_is_the_more_frequent_by_weight():
    x = np.array([0.0, 0.0, 1.0, np.nan])
    assert AsIs.fit([x], ones(4)).encode(x[:, None])[3, 0] == 0
    assert AsIs.fit([x], np.array([1.0, 1.0, 3.0, 9.0])).encode(x[:, None])[3, 0] == 1
