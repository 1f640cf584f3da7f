import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.stats import beta

from skdeep.gaussian_process import RBF, Exponential, Matern52, Warped, exact
from skdeep.gaussian_process.warping import kumaraswamy

KERNELS = [
    Warped(Matern52()),
    Warped(RBF(columns=[2, 0])),
    Warped(Matern52(categorical=[1])),
    Warped(Matern52(columns=[0]) + RBF(columns=[1, 2], categorical=[1])),
    Warped(Matern52(columns=[0])) + Exponential() * Warped(RBF(columns=[2], variance=1.0)),
    Warped(Warped(Matern52())),
]


@pytest.fixture
def points():
    rng = np.random.default_rng(0)
    A, B = rng.uniform(0.02, 0.98, size=(7, 3)), rng.uniform(0.02, 0.98, size=(5, 3))
    A[0, 0], A[1, 0], A[2, 2], B[0, 2], B[1, 2] = 0, 1, 1, 0, 1  # both ends
    return A, B


def with_categories(points):
    A, B = points
    A[:, 1], B[:, 1] = np.arange(7) % 3, np.arange(5) % 3
    return A, B


def theta_of(kernel):
    mean = kernel.prior(3)[0]
    return mean + np.random.default_rng(1).normal(scale=0.7, size=len(mean))


def test_the_warping_is_a_distribution_function():
    x = np.linspace(0, 1, 11)[:, None]
    # a power of x is the distribution of the largest of some, 1 - (1 - x)^b that of the smallest
    np.testing.assert_allclose(kumaraswamy(x, 3.0, 1.0), beta(3, 1).cdf(x), atol=1e-12)
    np.testing.assert_allclose(kumaraswamy(x, 1.0, 0.5), beta(1, 0.5).cdf(x), atol=1e-12)
    np.testing.assert_allclose(kumaraswamy(x, 1.0, 1.0), x, atol=1e-15)
    # by hand: 1 - (1 - 0.25)^3
    np.testing.assert_allclose(kumaraswamy(np.array([[0.5]]), 2.0, 3.0), 0.578125)


def test_a_straight_warping_changes_nothing(points):
    A, B = points
    theta = np.log([0.3, 1.0, 4.0, 2.5])
    warped, plain = Warped(Matern52())(np.append(theta, np.zeros(6)), A, B), Matern52()(theta, A, B)
    np.testing.assert_allclose(warped.matrix, plain.matrix, rtol=1e-12)
    W = np.random.default_rng(2).normal(size=(7, 5))
    np.testing.assert_allclose(warped.points_gradient(W), plain.points_gradient(W), rtol=1e-12)
    np.testing.assert_allclose(warped.theta_gradient(W)[:4], plain.theta_gradient(W), rtol=1e-12)


def test_a_warped_kernel_is_the_kernel_of_warped_points(points):
    A, B = points
    a, b = np.array([0.5, 1.5, 3.0]), np.array([2.0, 0.7, 1.0])
    theta = np.log([0.3, 1.0, 4.0, 2.5])
    K = Warped(Matern52())(np.concatenate([theta, np.log(a), np.log(b)]), A, B).matrix
    expected = Matern52()(theta, 1 - (1 - A**a) ** b, 1 - (1 - B**a) ** b).matrix
    np.testing.assert_allclose(K, expected, rtol=1e-12)


@pytest.mark.parametrize("square", [False, True])
@pytest.mark.parametrize("kernel", KERNELS, ids=repr)
def test_theta_gradients_agree_with_finite_differences(kernel, square, points):
    A, B = with_categories(points)
    B = A if square else B  # a matrix of one set of points is a case of its own
    theta, W = theta_of(kernel), np.random.default_rng(2).normal(size=(7, len(B)))
    numeric = approx_fprime(theta, lambda theta: np.vdot(W, kernel(theta, A, B).matrix), 1e-7)
    found = kernel(theta, A, B).theta_gradient(W)
    np.testing.assert_allclose(found, numeric, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("kernel", KERNELS, ids=repr)
def test_points_gradients_agree_with_finite_differences(kernel, points):
    A, B = with_categories(points)
    A[:3] = np.random.default_rng(3).uniform(0.02, 0.98, size=(3, 3))  # inside, where it is smooth
    A[:, 1] = np.arange(7) % 3 + 0.1
    theta, W = theta_of(kernel), np.random.default_rng(2).normal(size=(7, 5))
    numeric = approx_fprime(
        A.ravel(), lambda flat: np.vdot(W, kernel(theta, flat.reshape(A.shape), B).matrix), 1e-8
    )
    found = kernel(theta, A, B).points_gradient(W).ravel()
    np.testing.assert_allclose(found, numeric, rtol=1e-5, atol=2e-6)


def test_gradients_are_finite_at_the_ends_and_zero_beyond_them():
    A = np.array([[0.0], [1.0], [-0.5], [1.5], [0.4]])
    B = np.linspace(0, 1, 6)[:, None]
    for a, b in ((0.1, 0.1), (5.0, 5.0)):
        covariance = Warped(Matern52())(np.log([0.5, 1.0, a, b]), A, B)
        assert np.isfinite(covariance.theta_gradient(np.ones((5, 6)))).all()
        gradient = covariance.points_gradient(np.ones((5, 6)))
        assert np.isfinite(gradient).all()
        np.testing.assert_array_equal(gradient[2:4], 0)
        assert (covariance.matrix[[2, 3]] == covariance.matrix[[0, 1]]).all()  # clipped


def test_categories_stay_what_they_are(points):
    A, B = with_categories(points)
    theta = np.log([0.3, 1.0, 4.0, 2.5])
    kernel = Matern52(categorical=[1])
    straight = Warped(kernel)(np.append(theta, np.zeros(4)), A, B).matrix
    np.testing.assert_allclose(straight, kernel(theta, A, B).matrix, rtol=1e-12)
    assert len(Warped(kernel).prior(3)[0]) == 4 + 2 * 2


@pytest.mark.parametrize("kernel", KERNELS, ids=repr)
def test_a_warped_kernel_at_a_theta_is_held_there(kernel):
    theta = theta_of(kernel)
    mean, sigma = kernel.at(theta, 3).prior(3)
    np.testing.assert_allclose(mean, theta)
    np.testing.assert_array_equal(sigma, 0)


def test_the_posterior_of_a_warped_process_has_the_gradient_of_its_mean_and_variance():
    rng = np.random.default_rng(0)
    Z, X = rng.random((12, 2)), rng.uniform(0.05, 0.95, size=(4, 2))
    process = exact.Process(Warped(Matern52()), basis="constant")
    theta = np.append(theta_of(process.kernel)[[0, 1, 3, 4, 5, 6, 7]], np.log(0.01))
    posterior = exact.condition(process, theta, Z, np.sin(5 * Z[:, 0]))
    by_mean, by_variance = rng.normal(size=(2, 4))

    def objective(flat):
        mean, variance, _ = posterior.mean_and_variance(flat.reshape(X.shape))
        return by_mean @ mean + by_variance @ variance

    _, _, gradient = posterior.mean_and_variance(X)
    numeric = approx_fprime(X.ravel(), objective, 1e-7)
    np.testing.assert_allclose(
        gradient(by_mean, by_variance).ravel(), numeric, rtol=1e-5, atol=1e-6
    )


def test_a_warping_is_found_where_a_function_needs_one():
    # A wave in the logarithm of x: steep at the left only.
    Z = np.random.default_rng(0).random((40, 1))
    t = np.sin(4 * np.log(Z[:, 0] + 0.02))
    t = (t - t.mean()) / t.std()
    found = {}
    for kernel in (Matern52(), Warped(Matern52())):
        process = exact.Process(kernel)
        starts = exact.starting_points(process.prior(1), 2, np.random.default_rng(0))
        found[type(kernel)] = exact.fit(process, Z, t, starts)
    assert found[Warped].evidence > found[Matern52].evidence + 20
    a, b = np.exp(found[Warped].theta[2:4])
    assert kumaraswamy(np.array([0.1]), a, b) > 0.3  # a tenth of x takes up more than that
    X = np.linspace(0.03, 0.97, 50)[:, None]
    truth = np.sin(4 * np.log(X[:, 0] + 0.02))
    truth = (truth - np.sin(4 * np.log(Z[:, 0] + 0.02)).mean()) / np.sin(
        4 * np.log(Z[:, 0] + 0.02)
    ).std()
    error = {kind: np.abs(p.mean(X) - truth).mean() for kind, p in found.items()}
    assert error[Warped] < 0.5 * error[Matern52]
