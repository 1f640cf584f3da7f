from decimal import Decimal, getcontext

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.stats import ks_2samp, norm

from skdeep.gaussian_process import exact
from skdeep.gaussian_process.kernels import Matern52
from skdeep.model_selection.acquisition import (
    ACQUISITIONS,
    AugmentedImprovement,
    Objective,
    ProbabilityOfImprovement,
    draw,
    log_h,
    maximise,
)
from skdeep.model_selection.information import MinimumInformation, draw_minima
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


def normal(n=5):
    rng = np.random.default_rng(1)
    return rng.normal(size=n), rng.uniform(0.5, 2, size=n)


TERMS = [
    *[(name, best) for name in ACQUISITIONS for best in (-1.0, 0.5)],
    ("logei", -60.0),
    ("pi", -60.0),
]


@pytest.mark.parametrize(("name", "best"), TERMS)
def test_derivatives_by_mean_and_deviation_agree_with_finite_differences(name, best):
    mean, std = normal()
    _, *slopes = ACQUISITIONS[name](mean, std, best)
    for slope, step in zip(slopes, ([1e-6, 0], [0, 1e-6])):
        (up, *_), (down, *_) = (
            ACQUISITIONS[name](mean + sign * step[0], std + sign * step[1], best)
            for sign in (1, -1)
        )
        np.testing.assert_allclose(slope, (up - down) / 2e-6, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("noise", [1e-8, 0.3, 50.0])
def test_improvement_is_augmented_by_what_a_noisy_value_tells(noise):
    """A value of noise v takes s to s sqrt(v / (s^2 + v)): [Huang et al., 2006], equation 12."""
    mean, std = normal()
    log_ei = ACQUISITIONS["logei"](mean, std, 0.3)[0]
    found = AugmentedImprovement(noise)(mean, std, 0.3)
    left = np.sqrt(1 / (1 / std**2 + 1 / noise))  # the deviation after the value
    expected = log_ei + np.log1p(-left / std)
    np.testing.assert_allclose(found[0], expected, rtol=1e-7, atol=1e-7)
    for slope, step in zip(found[1:], ([1e-6, 0], [0, 1e-6])):
        (up, *_), (down, *_) = (
            AugmentedImprovement(noise)(mean + sign * step[0], std + sign * step[1], 0.3)
            for sign in (1, -1)
        )
        np.testing.assert_allclose(slope, (up - down) / 2e-6, rtol=1e-5, atol=1e-6)


def test_improvement_without_noise_is_not_augmented():
    mean, std = normal()
    for found, expected in zip(
        AugmentedImprovement(0.0)(mean, std, 0.3), ACQUISITIONS["logei"](mean, std, 0.3)
    ):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("met", [True, False])
def test_points_under_way_count_for_constraints_as_well(met, posterior):
    """Their own uncertainty shrinks there, and those that are infeasible are no incumbent."""
    limit = 10.0 if met else -10.0
    constraint = exact.condition(posterior.process, posterior.theta, posterior.Z, posterior.t[::-1])
    Z = np.array([[0.1, 0.2, 0.3], [0.9, 0.1, 0.5]])
    mean = posterior.mean(Z)
    objective = objective_of(posterior, best=5.0, constraints=[constraint], limits=[limit])
    extended = objective.extended(Z)
    assert extended.best == (min(mean) if met else 5.0)
    before, after = (
        model.mean_and_variance(Z)[1] for model in (constraint, extended.constraints[0])
    )
    assert (after < 0.01 * before).all()


def test_acquisitions_equal_the_means_of_draws():
    mean, std = normal()
    draws = np.random.default_rng(0).normal(mean, std, size=(400_000, 5))
    improvement = np.maximum(0.3 - draws, 0)
    expected = {"ei": improvement.mean(axis=0), "logei": np.log(improvement.mean(axis=0))}
    expected["pi"] = np.log((improvement > 0.03).mean(axis=0))
    expected["lcb"] = -np.quantile(draws, 0.025, axis=0)
    for name, values in expected.items():
        found = ACQUISITIONS[name](mean, std, 0.3)[0]
        np.testing.assert_allclose(found, values, rtol=0.02, atol=0.02)


def test_far_tail_of_the_probability_of_improvement_equals_arithmetic_of_many_digits():
    for z in (-3e3, -50.0, -9.0):
        log_h_exact, ratio = exact_log_h(z)
        value, by_mean, _ = ProbabilityOfImprovement(0.0)(np.array([-z]), np.ones(1), 0.0)
        # Phi = h times (Phi / h), and d log Phi / d mean = -phi / Phi.
        assert value[0] == pytest.approx(log_h_exact + np.log(ratio), rel=1e-10)
        log_density = -z * z / 2 - np.log(2 * np.pi) / 2
        assert by_mean[0] == pytest.approx(-np.exp(log_density - value[0]), rel=1e-6)


def objective_of(posterior, best=-0.5, **settings):
    return Objective(ACQUISITIONS["logei"], posterior, best, **settings)


def test_gradient_of_all_terms_together_agrees_with_finite_differences(posterior):
    other = exact.condition(posterior.process, posterior.theta, posterior.Z, posterior.t[::-1])
    objective = objective_of(posterior, constraints=[other], limits=[0.2], log_cost=other)
    X = np.random.default_rng(1).random((4, 3))
    numeric = approx_fprime(X.ravel(), lambda x: objective(x.reshape(4, 3))[0].sum(), 1e-7)
    np.testing.assert_allclose(objective(X)[1]().ravel(), numeric, rtol=1e-5, atol=1e-5)


def test_information_beside_points_under_way_agrees_with_finite_differences(posterior):
    information = MinimumInformation(np.array([-1.0, -1.3]), noise=0.01)
    alone = Objective(information, posterior, -0.5)
    rng = np.random.default_rng(1)
    Z, X = rng.random((2, 3)), rng.random((4, 3))
    beside = alone.extended(Z[:1]).extended(Z[1:])
    numeric = approx_fprime(X.ravel(), lambda x: beside(x.reshape(4, 3))[0].sum(), 1e-7)
    np.testing.assert_allclose(beside(X)[1]().ravel(), numeric, rtol=1e-5, atol=1e-5)
    # By the definition: the deviation of a measurement that the points under way leave.
    left = posterior.extended(Z).mean_and_variance(X)[1] + 0.01
    whole = posterior.mean_and_variance(X)[1] + 0.01
    np.testing.assert_allclose(beside(X)[0], alone(X)[0] + 0.5 * np.log(left / whole), rtol=1e-6)


def test_drawn_minima_are_distributed_as_those_of_draws_everywhere(posterior):
    columns = np.random.default_rng(2).random((300, 3))
    draws = [draw_minima(posterior, columns, np.random.default_rng(s)) for s in range(40)]
    everywhere = posterior.sample(columns, np.random.default_rng(3), 640).min(axis=0)
    assert ks_2samp(np.concatenate(draws), everywhere).pvalue > 1e-3


def test_drawn_minima_meet_the_constraints(posterior):
    columns = np.random.default_rng(2).random((50, 3))
    other = exact.condition(posterior.process, posterior.theta, posterior.Z, -posterior.t)
    rng = np.random.default_rng(0)
    free, bound = (draw_minima(posterior, columns, rng, *c) for c in ((), ([other], [0.2])))
    assert np.median(bound) > np.median(free)  # where -f <= 0.2
    assert not len(draw_minima(posterior, columns, rng, [other], [-1e9]))


def test_terms_are_feasibility_and_cost(posterior):
    X = np.random.default_rng(1).random((4, 3))
    mean, variance, _ = posterior.mean_and_variance(X)
    plain = objective_of(posterior)(X)[0]
    constrained = objective_of(posterior, constraints=[posterior], limits=[0.2])(X)[0]
    np.testing.assert_allclose(constrained - plain, norm.logcdf(0.2, mean, np.sqrt(variance)))
    np.testing.assert_allclose(plain - objective_of(posterior, log_cost=posterior)(X)[0], mean)


def test_maximum_is_no_worse_than_a_dense_grid(posterior):
    space = Space(dict.fromkeys("abc", (0.0, 1.0)))
    axis = np.linspace(0, 1, 25)
    grid = np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(-1, 3)
    objective = objective_of(posterior)
    found = maximise(objective, space, posterior.Z[:2], np.random.default_rng(0))
    assert ((found >= 0) & (found <= 1)).all()
    value, _ = objective(found)
    assert (np.diff(value) <= 1e-9).all()  # best first
    assert value[0] >= objective(grid)[0].max()


def test_maximum_of_a_mixed_space_is_of_its_values(posterior):
    space = Space({"a": (0.0, 1.0), "b": (1, 4), "c": [1, 2, 3]})
    found = maximise(objective_of(posterior), space, posterior.Z[:2], np.random.default_rng(0))
    np.testing.assert_allclose(found, space.snap(found), atol=1e-12)


def test_maximum_of_a_large_grid_is_found_by_its_neighbours(posterior):
    space = Space(dict.fromkeys("abc", (0, 400)))  # 64 million points
    objective = objective_of(posterior)
    found = maximise(objective, space, posterior.Z[:2], np.random.default_rng(0))[:1]
    real = Space(dict.fromkeys("abc", (0.0, 1.0)))
    best = maximise(objective, real, posterior.Z[:2], np.random.default_rng(0))[:1]
    assert objective(found)[0] == pytest.approx(objective(best)[0], abs=0.01)


def test_thompson_draws_the_minimum_as_often_as_the_posterior_believes(posterior):
    space = Space({"a": (0.2, 0.2001), "b": (0.5, 0.5001), "c": [0.0, 1.0]})
    columns = space.columns(space.snap(np.array([[0.5, 0.5, 0.25], [0.5, 0.5, 0.75]])))
    mean, cov = posterior.mean_and_variance(columns)[0], posterior.covariance(columns)
    spread = np.sqrt(cov[0, 0] + cov[1, 1] - 2 * cov[0, 1])
    first = [
        draw(objective_of(posterior), space, posterior.Z[:1] * 0, np.random.default_rng(seed))[0, 2]
        for seed in range(60)
    ]
    expected = norm.cdf((mean[1] - mean[0]) / spread)  # of the level at 0.25
    assert np.mean(np.array(first) == 0.25) == pytest.approx(expected, abs=0.2)
