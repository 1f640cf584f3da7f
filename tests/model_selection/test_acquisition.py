from decimal import Decimal, getcontext

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from skdeep.gaussian_process import exact
from skdeep.gaussian_process.kernels import Matern52
from skdeep.model_selection.acquisition import log_expected_improvement, log_h, maximise
from skdeep.model_selection.spaces import Space

PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459")


def exact_log_h(z):
    """log(phi(z) + z Phi(z)) and Phi(z) / h(z) in decimal arithmetic."""
    getcontext().prec = 100
    z = Decimal(z)
    log_density = -z * z / 2 - (2 * PI).ln() / 2
    if z < -40:  # the asymptotic series of h / phi and Phi / phi, with errors below 1e-40
        terms = [Decimal(1)]
        for k in range(1, 30):
            terms.append(terms[-1] * -(2 * k - 1) / (z * z))
        h, mass = -sum(terms[1:]), sum(terms) / -z
    else:  # Phi / phi = 1 / (2 phi) + z + z^3 / 3 + z^5 / 15 + ...
        terms = [z]
        for k in range(1, 500):
            terms.append(terms[-1] * z * z / (2 * k + 1))
        mass = 1 / (2 * log_density.exp()) + sum(terms)
        h = 1 + z * mass
    return float(h.ln() + log_density), float(mass / h)


@pytest.mark.parametrize(
    "z", [-1e5, -3e3, -1001.0, -999.0, -50.0, -9.0, -1.01, -0.99, 0.0, 1.0, 7.0]
)
def test_log_h_equals_arithmetic_of_many_digits(z):
    value, slope = log_h(np.array([z]))
    expected_value, expected_slope = exact_log_h(z)
    assert value[0] == pytest.approx(expected_value, rel=1e-10)
    assert slope[0] == pytest.approx(expected_slope, rel=1e-9)


@pytest.fixture
def posterior():
    rng = np.random.default_rng(0)
    Z = rng.random((15, 3))
    t = np.sin(6 * Z[:, 0]) + Z[:, 1] * Z[:, 2]
    return exact.condition(exact.Process(Matern52()), np.log([0.4, 0.7, 1, 1, 1e-4]), Z, t)


@pytest.mark.parametrize("best", [-1.0, 0.5, -60.0])
def test_log_ei_gradient_agrees_with_finite_differences(best, posterior):
    X = np.random.default_rng(1).random((4, 3))
    _, gradient = log_expected_improvement(posterior, X, best)
    numeric = approx_fprime(
        X.ravel(),
        lambda flat: log_expected_improvement(posterior, flat.reshape(4, 3), best)[0].sum(),
        1e-7,
    )
    np.testing.assert_allclose(gradient().ravel(), numeric, rtol=1e-5, atol=1e-5)


def test_log_ei_equals_the_mean_improvement_of_draws(posterior):
    X = np.array([[0.5, 0.5, 0.5]])
    mean, variance, _ = posterior.mean_and_variance(X)
    draws = np.random.default_rng(0).normal(mean, np.sqrt(variance), size=400_000)
    best = float(mean[0])
    value, _ = log_expected_improvement(posterior, X, best)
    assert np.exp(value[0]) == pytest.approx(np.maximum(best - draws, 0).mean(), rel=0.01)


def test_maximum_is_no_worse_than_a_dense_grid(posterior):
    space = Space(dict.fromkeys("abc", (0.0, 1.0)))
    best = -0.5
    axis = np.linspace(0, 1, 25)
    grid = np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(-1, 3)
    rng = np.random.default_rng(0)
    found = maximise(posterior, space, posterior.Z[:2], best, rng)
    assert ((found >= 0) & (found <= 1)).all()
    value, _ = log_expected_improvement(posterior, found, best)
    assert (np.diff(value) <= 1e-9).all()  # best first
    assert value[0] >= log_expected_improvement(posterior, grid, best)[0].max()


def test_maximum_of_a_mixed_space_is_of_its_values(posterior):
    space = Space({"a": (0.0, 1.0), "b": (1, 4), "c": [1, 2, 3]})
    found = maximise(posterior, space, posterior.Z[:2], -0.5, np.random.default_rng(0))
    np.testing.assert_allclose(found, space.snap(found), atol=1e-12)
