"""What surrogates believe before any value."""

import numpy as np
import pytest

from skdeep.model_selection.surrogates import GaussianProcess


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
