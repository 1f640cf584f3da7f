import threading

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.stats import multivariate_normal
from threadpoolctl import threadpool_info

from skdeep.gaussian_process import exact
from skdeep.gaussian_process.blas import one_blas_thread
from skdeep.gaussian_process.kernels import RBF, Exponential, Matern52


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    Z = rng.random((12, 3))
    return Z, np.sin(4 * Z[:, 0]) + Z[:, 1] ** 2 + 0.05 * rng.normal(size=12)


@pytest.fixture
def theta():
    return np.log([0.4, 0.8, 3.0, 1.5, 0.01])


@pytest.mark.parametrize("kernel", [Matern52, RBF, Exponential])
def test_evidence_is_a_normal_density_and_its_gradient_its_slope(kernel, data, theta):
    kernel, (Z, t) = kernel(range(3)), data
    value, gradient = exact.evidence(kernel, theta, Z, t)
    K = kernel(theta[:-1], Z, Z).matrix + 0.01 * np.eye(12)
    assert value == pytest.approx(multivariate_normal(cov=K).logpdf(t), rel=1e-10)
    numeric = approx_fprime(theta, lambda theta: exact.evidence(kernel, theta, Z, t)[0], 1e-7)
    np.testing.assert_allclose(gradient, numeric, rtol=1e-5, atol=1e-5)


def test_posterior_gradient_agrees_with_finite_differences(data, theta):
    posterior = exact.condition(Matern52(range(3)), theta, *data)
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


def test_fit_finds_a_better_theta_than_random_search_of_the_same_posterior(data):
    kernel, (Z, t) = Matern52(range(3)), data
    median, scale = exact.prior(kernel)

    def density(theta):
        return exact.evidence(kernel, theta, Z, t)[0] - 0.5 * np.sum(
            ((theta - median) / scale) ** 2
        )

    found = exact.fit(kernel, Z, t, n_restarts=2, rng=np.random.default_rng(0))
    draws = median + scale * np.random.default_rng(1).normal(size=(300, 5))
    assert density(found.theta) > max(map(density, draws))
    numeric = approx_fprime(found.theta, density, 1e-6)
    np.testing.assert_allclose(numeric, 0, atol=0.05)  # a stationary point


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
