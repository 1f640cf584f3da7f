"""What surrogates believe before any value."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor

from skdeep.model_selection.surrogates import GaussianProcess, Regressor
from skdeep.model_selection.told import filled


@pytest.mark.parametrize("d", [10, 50])
def test_random_points_tell_as_much_of_each_other_in_any_number_of_dimensions(d):
    assert typical_correlation(d) == pytest.approx(typical_correlation(2), abs=0.1)


def typical_correlation(d):
    """Of a function's values at two random points of the unit cube, at the prior's medians."""
    X = np.random.default_rng(0).random((200, d))
    surrogate = GaussianProcess(np.zeros(d, dtype=bool))
    covariance = surrogate.process.kernel(surrogate.median[:-1], X, X)
    correlations = covariance.matrix / covariance.variance
    return np.median(correlations[np.triu_indices(200, 1)])


def test_a_forest_knows_the_spread_in_its_leaves():
    rng = np.random.default_rng(0)
    Z, values = rng.random((2000, 1)), 3 * rng.standard_normal(2000)
    forest = RandomForestRegressor(20, max_depth=1, min_samples_leaf=200, random_state=0)
    model, warp = Regressor(forest).fit(Z, values, np.zeros(2000), rng)
    _, variance, _ = model.mean_and_variance(rng.random((50, 1)))
    np.testing.assert_allclose(variance * (warp.std * warp.spread) ** 2, 9, rtol=0.1)


@pytest.mark.parametrize("scale", [1e-170, 1.0, 1e200])
def test_values_of_any_size_are_modelled_alike(scale):
    Z = np.random.default_rng(0).random((15, 2))
    surrogate = GaussianProcess(np.zeros(2, dtype=bool))
    values = scale * (1 + (Z[:, 0] - 0.3) ** 2)
    model, warp = surrogate.fit(Z, values, np.zeros(15), np.random.default_rng(0))
    found = warp.inverse(model.mean_and_variance(Z)[0])
    np.testing.assert_allclose(found / scale, values / scale, atol=1e-2)


def test_failures_count_as_the_worst_value():
    values = np.array([3.0, np.nan, -np.inf, 7.0, np.inf])
    assert filled(values).tolist() == [3, 7, 7, 7, 7]
    assert filled(np.array([np.nan])).tolist() == [0]
