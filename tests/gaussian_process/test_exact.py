import threading

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.stats import multivariate_normal, norm
from threadpoolctl import threadpool_info

from skdeep.gaussian_process import exact
from skdeep.gaussian_process.blas import one_blas_thread
from skdeep.gaussian_process.kernels import RBF, Exponential, LogNormal, Matern52


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    Z = rng.random((12, 3))
    return Z, np.sin(4 * Z[:, 0]) + Z[:, 1] ** 2 + 0.05 * rng.normal(size=12)


@pytest.fixture
def theta():
    return np.log([0.4, 0.8, 3.0, 1.5, 0.01])


BASES = ["zero", "constant", "linear"]


def process(kernel=Matern52, **settings):
    return exact.Process(kernel(), **settings)


@pytest.mark.parametrize("kernel", [Matern52, RBF, Exponential])
def test_evidence_is_a_normal_density_and_its_gradient_its_slope(kernel, data, theta):
    Z, t = data
    value, gradient = exact.evidence(process(kernel), theta, Z, t)
    K = kernel()(theta[:-1], Z, Z).matrix + 0.01 * np.eye(12)
    assert value == pytest.approx(multivariate_normal(cov=K).logpdf(t), rel=1e-10)
    numeric = approx_fprime(
        theta, lambda theta: exact.evidence(process(kernel), theta, Z, t)[0], 1e-7
    )
    np.testing.assert_allclose(gradient, numeric, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("basis", BASES)
def test_gradient_of_the_evidence_agrees_with_finite_differences(basis, data, theta):
    Z, t = data
    noise = np.linspace(0, 0.1, 12)

    def value(theta):
        return exact.evidence(process(basis=basis), theta, Z, t, noise)

    numeric = approx_fprime(theta, lambda theta: value(theta)[0], 1e-7)
    np.testing.assert_allclose(value(theta)[1], numeric, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("basis", BASES[1:])
def test_a_basis_is_the_limit_of_wide_priors_of_its_coefficients(basis, data, theta):
    Z, t = data
    X = np.random.default_rng(1).random((4, 3))
    ours = exact.condition(process(basis=basis), theta, Z, t)
    p = 1 if basis == "constant" else 4
    wide = 1e6

    def h(X):
        return np.hstack([np.ones((len(X), 1)), X])[:, :p]

    def k(A, B):
        return Matern52()(theta[:-1], A, B).matrix + wide * h(A) @ h(B).T

    K = k(Z, Z) + 0.01 * np.eye(12)
    mean, variance, _ = ours.mean_and_variance(X)
    np.testing.assert_allclose(mean, k(X, Z) @ np.linalg.solve(K, t), rtol=1e-5)
    expected = k(X, X) - k(X, Z) @ np.linalg.solve(K, k(Z, X))
    np.testing.assert_allclose(ours.covariance(X), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(variance, expected.diagonal(), rtol=1e-4, atol=1e-6)
    density = multivariate_normal(cov=K).logpdf(t) + 0.5 * p * np.log(2 * np.pi * wide)
    assert ours.evidence == pytest.approx(density, abs=1e-3)


@pytest.mark.parametrize("basis", BASES)
def test_posterior_gradient_agrees_with_finite_differences(basis, data, theta):
    posterior = exact.condition(process(basis=basis), theta, *data)
    X = np.random.default_rng(1).random((4, 3))
    by_mean, by_variance = np.random.default_rng(2).normal(size=(2, 4))

    def objective(flat):
        mean, variance, _ = posterior.mean_and_variance(flat.reshape(X.shape))
        return by_mean @ mean + by_variance @ variance

    _, _, gradient = posterior.mean_and_variance(X)
    np.testing.assert_allclose(
        gradient(by_mean, by_variance).ravel(),
        approx_fprime(X.ravel(), objective, 1e-7),
        rtol=1e-5,
        atol=1e-6,
    )


@pytest.mark.parametrize("basis", BASES)
def test_leave_one_out_equals_brute_force(basis, data, theta):
    Z, t = data
    noise = np.linspace(0, 0.1, 12)
    mean, variance = exact.condition(process(basis=basis), theta, Z, t, noise).leave_one_out()
    for i in range(12):
        others = np.arange(12) != i
        rest = exact.condition(process(basis=basis), theta, Z[others], t[others], noise[others])
        expected, of_f, _ = rest.mean_and_variance(Z[[i]])
        np.testing.assert_allclose(mean[i], expected[0], rtol=1e-8)
        np.testing.assert_allclose(variance[i], of_f[0] + 0.01 + noise[i], rtol=1e-8)


@pytest.mark.parametrize("basis", BASES)
def test_more_points_extend_a_posterior_as_if_they_had_been_there(basis, data, theta):
    Z, t = data
    whole = exact.condition(process(basis=basis), theta, Z, t)
    grown = exact.condition(process(basis=basis), theta, Z[:9], t[:9]).extended(Z[9:], t[9:])
    X = np.random.default_rng(1).random((4, 3))
    for ours, expected in zip(grown.mean_and_variance(X)[:2], whole.mean_and_variance(X)[:2]):
        np.testing.assert_allclose(ours, expected, rtol=1e-9)
    assert grown.evidence == pytest.approx(whole.evidence, rel=1e-10)


def test_points_without_targets_leave_the_mean_and_shrink_the_variance(data, theta):
    posterior = exact.condition(process(basis="constant"), theta, *data)
    X = np.random.default_rng(1).random((4, 3))
    (mean, variance, _), after = posterior.mean_and_variance(X), posterior.extended(X[:2])
    np.testing.assert_allclose(after.mean_and_variance(X)[0], mean, atol=1e-10)
    assert (after.mean_and_variance(X)[1] < variance).all()


@pytest.mark.parametrize("basis", BASES)
def test_draws_have_the_moments_of_the_posterior(basis, data, theta):
    posterior = exact.condition(process(basis=basis), theta, *data)
    X = np.random.default_rng(1).random((4, 3))
    draws = posterior.sample(X, np.random.default_rng(0), 100_000)
    mean, covariance = posterior.mean(X), posterior.covariance(X)
    np.testing.assert_allclose(mean, posterior.mean_and_variance(X)[0], rtol=1e-12)
    np.testing.assert_allclose(draws.mean(axis=1), mean, atol=5e-3)
    np.testing.assert_allclose(np.cov(draws), covariance, atol=0.02 * covariance.max())


def test_draws_go_through_targets_without_noise(data, theta):
    Z, t = data
    theta[-1] = -np.inf
    draws = exact.condition(process(RBF), theta, Z, t).sample(Z, np.random.default_rng(0), 3)
    np.testing.assert_allclose(draws, np.tile(t[:, None], 3), atol=1e-3)


def test_fit_finds_a_better_theta_than_random_search_of_the_same_posterior(data):
    Z, t = data
    median, scale = process().prior(3)

    def density(theta):
        return exact.evidence(process(), theta, Z, t)[0] - 0.5 * np.sum(
            ((theta - median) / scale) ** 2
        )

    starts = exact.starting_points((median, scale), 2, np.random.default_rng(0))
    found = exact.fit(process(), Z, t, starts)
    draws = median + scale * np.random.default_rng(1).normal(size=(300, 5))
    assert density(found.theta) > max(map(density, draws))
    numeric = approx_fprime(found.theta, density, 1e-6)
    np.testing.assert_allclose(numeric, 0, atol=0.05)  # a stationary point


def test_draws_of_theta_have_the_curvature_of_its_density(data):
    Z, t = data
    # Of the two that are free, the data know the first lengthscale and nothing of the last one.
    kernel = Matern52(lengthscale=[LogNormal(1.0, 1.0), 1.0, LogNormal(1e4, 1.0)], variance=1.0)
    free = exact.Process(kernel, noise=0.01)
    fitted = exact.fit(free, Z, t, free.prior(3)[0][None])

    def density(log_lengthscale):
        theta = np.append(log_lengthscale, fitted.theta[1:])
        return exact.condition(free, theta, Z, t).log_density

    at, h = fitted.theta[0], 1e-3
    curvature = (density(at + h) - 2 * density(at) + density(at - h)) / h**2
    draws = exact.draws(fitted, 2000, np.random.default_rng(0))
    thetas = np.array([draw.theta for draw in draws])
    np.testing.assert_allclose(thetas.mean(axis=0), fitted.theta)  # one on either side
    assert thetas[:, 0].std() == pytest.approx(1 / np.sqrt(-curvature), rel=0.05)
    assert thetas[:, 2].std() == pytest.approx(1.0, rel=0.05)  # the prior's
    assert (thetas[:, [1, 3, 4]] == fitted.theta[[1, 3, 4]]).all()
    np.testing.assert_allclose(
        draws[3].mean(Z), exact.condition(free, thetas[3], Z, t).mean(Z), rtol=1e-12
    )


def test_where_the_evidence_bends_upwards_draws_are_no_wider_than_the_prior():
    Z, t = np.array([[0.0], [1.0]]), np.array([1.0, -1.0])
    free = process()
    at = exact.condition(free, free.prior(1)[0] + [3.0, 1.0, 0.0], Z, t)  # no maximum
    thetas = np.array([draw.theta for draw in exact.draws(at, 2001, np.random.default_rng(0))])
    assert len(thetas) == 2001
    spread = np.cov((thetas - at.theta).T / free.prior(1)[1][:, None])
    assert np.linalg.eigvalsh(spread).max() < 1.1


def test_draws_know_the_noise_that_is_known(data):
    Z, t = data
    known = np.linspace(0.0, 1.0, 12)
    fitted = exact.fit(process(), Z, t, process().prior(3)[0][None], known_noise=known)
    (draw,) = exact.draws(fitted, 1, np.random.default_rng(0), known_noise=known)
    expected = exact.condition(process(), draw.theta, Z, t, known)
    np.testing.assert_allclose(draw.mean(Z), expected.mean(Z))


def test_what_is_a_number_is_held(data):
    held = exact.Process(Matern52(lengthscale=[0.3, 1.0, 2.0]), noise=0.04)
    found = exact.fit(held, *data, np.zeros((1, 5)))
    np.testing.assert_allclose(np.exp(found.theta)[[0, 1, 2, 4]], [0.3, 1.0, 2.0, 0.04])
    assert found.theta[3] != 0  # the variance of f is sought
    everything = exact.Process(Matern52(lengthscale=0.3, variance=2.0), noise=0.04)
    found = exact.fit(everything, *data, np.zeros((1, 5)))
    np.testing.assert_allclose(np.exp(found.theta), [0.3, 0.3, 0.3, 2.0, 0.04])


def test_cholesky_of_a_singular_matrix_gets_the_jitter_it_needs():
    L = exact.cholesky(np.ones((5, 5)), noise_variance=0.0)
    np.testing.assert_allclose(L @ L.T, np.ones((5, 5)), atol=1e-9)


def test_cholesky_of_an_indefinite_matrix_is_an_error():
    with pytest.raises(np.linalg.LinAlgError, match="far from positive definite"):
        exact.cholesky(np.array([[1.0, 5.0], [5.0, 1.0]]), noise_variance=0.0)


def blas_threads():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_blas_limit_nests_and_is_lifted_at_the_end():
    before = blas_threads()
    with one_blas_thread():
        with one_blas_thread():
            pass
        assert set(blas_threads()) == {1}
    assert blas_threads() == before


def test_blas_limit_holds_in_threads_side_by_side():
    before, seen = blas_threads(), []

    def compute():
        for _ in range(50):
            with one_blas_thread():
                seen.extend(blas_threads())

    threads = [threading.Thread(target=compute) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(seen) == {1}
    assert blas_threads() == before


def test_log_density_is_the_posterior_of_theta_but_for_a_constant(data):
    """Compared at two theta, where the constant cancels."""
    Z, t = data
    own = process(noise=LogNormal(0.1, 1.5))
    mean, sigma = own.prior(3)
    thetas = [mean + shift * sigma for shift in (0.3, -0.7)]
    densities = []
    for theta in thetas:
        K = own.kernel(theta[:-1], Z, Z).matrix + np.exp(theta[-1]) * np.eye(12)
        log_prior = norm(mean, sigma).logpdf(theta).sum()
        densities.append(multivariate_normal(cov=K).logpdf(t) + log_prior)
    found = [exact.condition(own, theta, Z, t).log_density for theta in thetas]
    assert found[0] - found[1] == pytest.approx(densities[0] - densities[1])


def test_a_covariance_of_nan_is_refused():
    with pytest.raises(np.linalg.LinAlgError):
        exact.cholesky(np.full((2, 2), np.nan), 0.0)
