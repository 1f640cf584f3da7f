import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import beta, norm, truncnorm

from skdeep.gaussian_process import exact
from skdeep.gaussian_process.kernels import Matern52
from skdeep.model_selection import When, minimize
from skdeep.model_selection.fidelity import (
    Information,
    MultiFidelityOptimizer,
    Versions,
    versions_process,
)
from skdeep.model_selection.information import log_information
from skdeep.model_selection.spaces import Space

RHO = [0.8, -0.5]
VARIANCES = [2.0, 0.3, 0.7]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def columns(rng, n, n_versions, d=2):
    """Points of a square, each with a version."""
    return np.column_stack([rng.random((n, d)), rng.integers(n_versions, size=n)])


def theta_of(process, rng, d):
    """Some parameters, likely ones."""
    mean, sigma = process.prior(d)
    theta = mean + 0.5 * sigma * rng.standard_normal(len(mean))
    return np.append(theta[:-1], np.log(0.01))  # noise at which rounding is small


# --- the model


def test_covariance_is_that_of_functions_added_up_by_hand(rng):
    theta = np.append(np.log(VARIANCES), RHO)
    A, B = columns(rng, 9, 3), columns(rng, 7, 3)
    expected = np.empty((9, 7))
    # Each version as a sum of independent g_r, with what each g_r counts there.
    weights = {0: [1, 0, 0], 1: [RHO[0], 1, 0], 2: [RHO[1] * RHO[0], RHO[1], 1]}
    for i, j in np.ndindex(9, 7):
        s, q = weights[A[i, -1]], weights[B[j, -1]]
        expected[i, j] = sum(a * b * v for a, b, v in zip(s, q, VARIANCES))
    found = Versions(3)(theta, A, B)
    np.testing.assert_allclose(found.matrix, expected, rtol=1e-12)
    same = Versions(3)(theta, A, A)
    np.testing.assert_allclose(same.variance, same.matrix.diagonal(), rtol=1e-12)


@pytest.mark.parametrize("n_versions", [2, 3, 4])
def test_evidence_has_the_gradient_of_finite_differences(n_versions, rng):
    process = versions_process(np.array([False, True]), n_versions)
    Z = columns(rng, 20, n_versions)
    Z[:, 1] = rng.integers(3, size=20)
    t = rng.standard_normal(20)
    theta = theta_of(process, rng, 3)
    _, gradient = exact.evidence(process, theta, Z, t)
    steps = 1e-5 * np.eye(len(theta))
    numeric = [
        (exact.evidence(process, theta + h, Z, t)[0] - exact.evidence(process, theta - h, Z, t)[0])
        / 2e-5
        for h in steps
    ]
    np.testing.assert_allclose(gradient, numeric, rtol=1e-5, atol=1e-6)


def test_unrelated_versions_are_two_processes(rng):
    process = versions_process(np.zeros(2, dtype=bool), 2)
    alone = exact.Process(Matern52(), basis="constant")
    theta = np.array([-0.5, 0.2, 0.0, 0.4, -1.0, 0.0, -6.0])  # l, log 1, v_0, v_1, rho, noise
    Z, t, X = columns(rng, 24, 2), rng.standard_normal(24), rng.random((6, 2))
    together = exact.condition(process, theta, Z, t)
    logs = []
    for version, variance in enumerate(theta[3:5]):
        here = Z[:, -1] == version
        own = exact.condition(alone, np.array([-0.5, 0.2, variance, -6.0]), Z[here, :2], t[here])
        expected = own.mean_and_variance(X)[:2]
        found = together.mean_and_variance(np.column_stack([X, np.full(6, version)]))[:2]
        np.testing.assert_allclose(found, expected, rtol=1e-8)
        logs.append(own.evidence)
    assert together.evidence == pytest.approx(sum(logs), rel=1e-10)


def test_equal_versions_are_one_process(rng):
    """With rho = 1 and nothing of its own, the last version is the first, but for its mean."""
    process = versions_process(np.zeros(2, dtype=bool), 2)
    theta = np.array([-0.5, 0.2, 0.0, 0.4, -30.0, 1.0, -6.0])
    X, f = rng.random((20, 2)), rng.standard_normal(20)
    last = np.arange(20) < 5
    model = exact.condition(process, theta, np.column_stack([X, last]), f + 3 * last)
    alone = exact.condition(
        exact.Process(Matern52(), basis="constant"), theta[[0, 1, 3, 6]], X[~last], f[~last]
    )
    ends = np.array([[0.0, 0.0, 1.0], [1.0, 1.0, 1.0]])
    difference = np.diff(model.mean(ends))
    offset = np.mean(f[last] - alone.mean(X[last]))
    assert abs(offset) > 0  # so that the next line compares what was learnt of the last version
    assert difference == pytest.approx(np.diff(model.mean(ends * [1, 1, 0])), rel=1e-6)


def test_each_version_has_a_mean_of_its_own(rng):
    process = versions_process(np.zeros(2, dtype=bool), 3)
    Z, t = columns(rng, 30, 3), rng.standard_normal(30)
    theta, shift = theta_of(process, rng, 3), np.array([5.0, -70.0, 900.0])
    model = exact.condition(process, theta, Z, t)
    moved = exact.condition(process, theta, Z, t + shift[Z[:, -1].astype(int)])
    X = columns(rng, 8, 3)
    np.testing.assert_allclose(
        moved.mean(X), model.mean(X) + shift[X[:, -1].astype(int)], rtol=1e-8
    )
    assert moved.evidence == pytest.approx(model.evidence, rel=1e-6)


def test_covariance_of_pairs_is_the_diagonal_of_all(rng):
    process = versions_process(np.zeros(2, dtype=bool), 2)
    Z, X = columns(rng, 15, 2), rng.random((6, 2))
    theta = theta_of(process, rng, 3)
    model = exact.condition(process, theta, Z, rng.standard_normal(15))
    A, B = (np.column_stack([X, np.full(6, version)]) for version in (0, 1))
    prior = process.kernel(theta[:-1], A, B).matrix[0, 0]
    expected = model.covariance(np.vstack([A, B]))[:6, 6:].diagonal()
    np.testing.assert_allclose(model.paired_covariance(A, B, prior), expected, rtol=1e-8)


# --- the information


def test_shares_taken_are_those_of_truncated_normals(rng):
    mean, std, minima = rng.normal(size=5), rng.uniform(0.1, 2, size=5), rng.normal(size=4)
    share = rng.random(5)
    expected = [
        np.mean(
            [
                -0.5 * np.log(1 - r2 * (1 - truncnorm((low - m) / s, np.inf, m, s).var() / s**2))
                for low in minima
            ]
        )
        for m, s, r2 in zip(mean, std, share)
    ]
    found = np.exp(log_information(mean, std, minima, share)[0])
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("r", [0.3, 0.9])
@pytest.mark.parametrize("t", [-1.0, 0.5, 2.0])
def test_information_is_a_lower_bound_that_is_nearly_reached(r, t):
    """Entropy of y, r-correlated with f ~ N(t, 1), less that where f >= 0, by quadrature."""

    def density(y):  # of y given f >= 0
        return norm.pdf(y) * norm.cdf((t + r * y) / np.sqrt(1 - r**2)) / norm.cdf(t)

    entropy = quad(lambda y: -density(y) * np.log(density(y) + 1e-300), -9, 9)[0]
    exact_gain = 0.5 * np.log(2 * np.pi * np.e) - entropy
    bound = np.exp(log_information(np.array([t]), np.ones(1), np.zeros(1), np.array([r**2]))[0])
    assert 0.6 * exact_gain < bound[0] <= exact_gain + 1e-9


def test_information_has_the_gradient_of_finite_differences(rng):
    mean, std, share = rng.normal(size=6), rng.uniform(0.1, 2, size=6), rng.uniform(0, 1, size=6)
    minima = rng.normal(size=5)
    given = [mean, std, share]
    _, *slopes = log_information(mean, std, minima, share)
    for k, slope in enumerate(slopes):
        high, low = list(given), list(given)
        high[k], low[k] = given[k] + 1e-6, given[k] - 1e-6
        difference = (
            log_information(high[0], high[1], minima, high[2])[0]
            - log_information(low[0], low[1], minima, low[2])[0]
        )
        np.testing.assert_allclose(slope, difference / 2e-6, rtol=1e-5, atol=1e-7)


def test_information_stays_finite_far_from_all_minima():
    mean, std = np.array([-1e3, 0.0, 1e3, 1e8]), np.full(4, 1e-3)
    for found in log_information(mean, std, np.zeros(1), np.full(4, 1 - 1e-9)):
        assert np.isfinite(found).all()


@pytest.fixture
def model(rng):
    process = versions_process(np.zeros(2, dtype=bool), 2)
    Z = columns(rng, 16, 2)
    theta = np.array([-1.0, -1.0, 0.0, 0.0, -1.5, 0.9, -7.0])
    t = np.sin(5 * Z[:, 0]) + Z[:, 1] ** 2 + 0.3 * Z[:, 2]
    return exact.condition(process, theta, Z, t)


MINIMA = np.array([-1.2, -1.0, -1.3])


def test_what_is_known_tells_little_and_the_last_version_tells_more(model, rng):
    cheap, dear = (Information(model, version, 1, MINIMA) for version in (0, 1))
    X = rng.random((50, 2))
    assert (dear(X)[0] >= cheap(X)[0]).all()
    assert (dear(X)[0] > cheap(X)[0]).any()
    for version, information in enumerate((cheap, dear)):
        told = model.Z[model.Z[:, -1] == version, :2]
        beside = (told + 0.1).clip(0, 1)
        assert np.exp(information(told)[0]).max() < 0.1 * np.exp(information(beside)[0]).max()


# --- the optimizer


def run(space, f, costs, n, seed=0):
    """Points and versions of n evaluations."""
    optimizer = MultiFidelityOptimizer(Space(space), costs, budget=n, random_state=seed)
    asked = []
    for _ in range(n):
        asked.append(optimizer.ask())
        optimizer.tell(asked[-1][0], f(*asked[-1]), asked[-1][1])
    return asked, optimizer


LINE = [(0.0, 1.0)]


def wave(x, version):
    return np.sin(9 * x[0]) + x[0] if version == "dear" else 3 * np.sin(9 * x[0]) + 7


def test_cheap_version_is_used_the_more_the_cheaper_it_is():
    counts = []
    for cost in (0.9, 0.1):
        asked, _ = run(LINE, wave, {"cheap": cost, "dear": 1.0}, 16)
        counts.append([version for _, version in asked].count("cheap"))
    assert counts[0] < counts[1]


@pytest.mark.parametrize("seed", range(4))
def test_cheap_version_that_tells_nothing_is_left_alone(seed):
    def f(x, version):
        return wave(x, version) if version == "dear" else np.cos(14 * x[0] + seed)

    asked, _ = run(LINE, f, {"cheap": 0.2, "dear": 1.0}, 24, seed=seed)
    assert [version for _, version in asked[16:]].count("dear") >= 7


def test_no_point_of_a_version_is_asked_for_twice():
    space = {"n": (1, 4), "kind": ["a", "b"], "deep": When("kind", "a", [1, 2])}
    asked, optimizer = run(
        space, lambda p, v: p["n"] + p.get("deep", 0), {"c": 0.2, "d": 1}, 18, seed=1
    )
    keys = [(version, *map(str, point.items())) for point, version in asked]
    assert len(set(keys)) == 18
    while not optimizer.exhausted:
        point, version = optimizer.ask()
        optimizer.tell(point, 0.0, version)
    assert Space(space).size == 12


def test_planned_points_are_asked_for_once_in_any_units():
    space = {"a": (6.0, 36.0), "b": (0.2, 1.0), "c": (1e-5, 3e2, "log")}
    asked, _ = run(space, lambda p, v: p["a"] * p["b"], {"c": 0.2, "d": 1}, 12)
    assert len({(version, *point.values()) for point, version in asked}) == 12


def test_three_versions():
    costs = {"sketch": 0.02, "model": 0.2, "real": 1.0}
    offsets = {"sketch": 0.3, "model": 0.1, "real": 0.0}
    result = minimize(
        lambda x, version: (x[0] - 0.4) ** 2 * (1 + offsets[version]) + offsets[version] * x[0],
        LINE,
        n_calls=7,
        fidelity=costs,
        random_state=0,
    )
    assert result.fun < 1e-3
    assert set(result.fidelities) == set(costs)


@pytest.mark.parametrize("seed", range(4))
def test_last_evaluation_is_of_the_version_that_counts(seed):
    for cheap in (0.1, 0.3):
        costs = {"cheap": cheap, "dear": 1.0}
        result = minimize(wave, LINE, n_calls=6, fidelity=costs, random_state=seed)
        assert result.fidelities[-1] == "dear"


@pytest.mark.parametrize("failing", ["cheap", "dear"])
def test_version_that_always_fails_ends_nothing(failing):
    asked, _ = run(
        LINE,
        lambda x, version: np.nan if version == failing else wave(x, version),
        {"cheap": 0.5, "dear": 1.0},
        12,
    )
    assert len(asked) == 12
    assert [version for _, version in asked].count("dear") >= 6


def test_versions_that_are_alike_are_warped_in_units_alike():
    def f(x, version):
        value = 100 * (x[0] - 0.3) ** 2 + np.sin(9 * x[0])
        return 3 * value + 7 if version == "cheap" else value

    _, optimizer = run(LINE, f, {"cheap": 0.2, "dear": 1.0}, 14)
    cheap, dear = optimizer._spreads()
    assert cheap / dear == pytest.approx(3, rel=1e-9)


def test_minimum_is_found_to_many_digits():
    def f(x, version):
        return np.sin(9 * x[0]) + x[0] + (0.5 * x[0] if version == "cheap" else 0.0)

    minimum = min(f([x], "dear") for x in np.linspace(0.4, 0.6, 200001))
    result = minimize(f, LINE, n_calls=8, fidelity={"cheap": 0.1, "dear": 1.0}, random_state=0)
    assert result.fun - minimum < 1e-6


def test_wide_values_do_not_hide_the_valley():
    def f(x, version):
        return 10 ** (8 * abs(x[0] - 0.3)) + (version == "cheap")

    result = minimize(f, LINE, n_calls=8, fidelity={"cheap": 0.2, "dear": 1.0}, random_state=0)
    assert result.x[0] == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize(
    "space",
    [
        [{"x": (0.0, 1.0)}, {"x": (0.2, 0.9)}],
        [{"x": (0, 12)}, {"x": (3, 20)}],
        {"x": beta(0.05, 0.05)},
        {"x": (1e12, 1e12 + 1e-3)},
    ],
)
def test_no_point_is_repeated_where_two_u_are_one_point(space):
    asked, _ = run(space, lambda p, v: (p["x"] - 0.3) ** 2, {"c": 0.2, "d": 1}, 14)
    assert len({(version, point["x"]) for point, version in asked}) == 14


def test_versions_begin_with_the_cheap_one_and_half_the_budget_is_not_spent_blindly():
    space = dict.fromkeys("abc", (0.0, 1.0))
    optimizer = MultiFidelityOptimizer(Space(space), {"c": 0.01, "d": 1}, 4, 0)
    planned = [version for version, _ in optimizer._initial]
    assert planned == [0] * 4 + [1] * 2


def test_all_of_a_wide_finite_space_is_reached(monkeypatch):
    monkeypatch.setattr("skdeep.model_selection.acquisition.N_RANDOM", 5)
    monkeypatch.setattr("skdeep.model_selection.acquisition.N_NEAR", 5)
    _, optimizer = run({"n": (1, 40)}, lambda p, v: p["n"], {"c": 0.9, "d": 1}, 45)
    while not optimizer.exhausted:
        point, version = optimizer.ask()
        optimizer.tell(point, 0.0, version)


def test_the_last_evaluation_is_where_the_mean_is_lowest():
    """And one that leaves less than another is not for a cheap version."""
    space = Space({"x": (0.0, 1.0)})
    optimizer = MultiFidelityOptimizer(space, {"cheap": 0.2, "last": 1.0}, 4.5, random_state=0)
    spent = 0.0
    while spent < 3.3:
        point, version = optimizer.ask()
        spent += {"cheap": 0.2, "last": 1.0}[version]
        optimizer.tell(point, np.sin(7 * point["x"]) + (version == "cheap") * point["x"], version)
    point, version = optimizer.ask()
    while version == "cheap":
        optimizer.tell(point, np.sin(7 * point["x"]) + point["x"], version)
        point, version = optimizer.ask()
    model = optimizer._fit()
    at = np.column_stack([np.append(np.linspace(0, 1, 2001), point["x"]), np.ones(2002)])
    mean = model.mean(at)
    assert mean[-1] <= mean.min() + 1e-4
