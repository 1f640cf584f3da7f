import numpy as np
import pytest
from scipy.optimize import approx_fprime
from sklearn.gaussian_process import kernels as reference

from skdeep.gaussian_process.kernels import RBF, Exponential, LogNormal, Matern32, Matern52

PAIRS = [
    (Matern52, reference.Matern(nu=2.5)),
    (Matern32, reference.Matern(nu=1.5)),
    (RBF, reference.RBF()),
    (Exponential, reference.Matern(nu=0.5)),
]
KERNELS = [kernel for kernel, _ in PAIRS]


@pytest.fixture
def points():
    rng = np.random.default_rng(0)
    return rng.normal(size=(7, 3)), rng.normal(size=(5, 3))


@pytest.mark.parametrize(("kernel", "other"), PAIRS)
def test_matrix_equals_scikit_learns(kernel, other, points):
    A, B = points
    lengthscales = np.array([0.3, 1.0, 4.0])
    other = 2.5 * other.set_params(length_scale=lengthscales)
    theta = np.log([*lengthscales, 2.5])
    np.testing.assert_allclose(kernel()(theta, A, B).matrix, other(A, B), rtol=1e-12)


COMPOSITE = [
    *[kernel() for kernel in KERNELS],
    Matern52(categorical=[1]),
    Matern52(columns=[0]) + RBF(columns=[1, 2], categorical=[1]),
    (Matern32(columns=[2]) + RBF()) * Matern52(columns=[0, 1], variance=1.0),
]


@pytest.mark.parametrize("kernel", COMPOSITE, ids=repr)
def test_gradients_agree_with_finite_differences(kernel, points):
    A, B = points
    A[:, 1], B[:, 1] = np.arange(7) % 3, np.arange(5) % 3  # categories, of which some are equal
    theta = np.random.default_rng(1).normal(size=len(kernel.prior(3)[0]))
    W = np.random.default_rng(2).normal(size=(7, 5))
    covariance = kernel(theta, A, B)

    numeric = approx_fprime(theta, lambda theta: np.vdot(W, kernel(theta, A, B).matrix), 1e-7)
    np.testing.assert_allclose(covariance.theta_gradient(W), numeric, rtol=1e-5, atol=1e-6)

    A[:, 1] += 0.1  # where numbers have a slope, and categories are different and stay so
    numeric = approx_fprime(
        A.ravel(), lambda flat: np.vdot(W, kernel(theta, flat.reshape(A.shape), B).matrix), 1e-7
    )
    found = kernel(theta, A, B).points_gradient(W).ravel()
    np.testing.assert_allclose(found, numeric, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kernel", KERNELS)
def test_gradients_are_finite_where_points_coincide(kernel, points):
    A, _ = points
    covariance = kernel()(np.zeros(4), A, A)
    assert np.isfinite(covariance.theta_gradient(np.ones((7, 7)))).all()
    assert np.isfinite(covariance.points_gradient(np.ones((7, 7)))).all()


@pytest.mark.parametrize("kernel", KERNELS)
def test_categories_are_as_far_apart_as_one_hot_columns(kernel, points):
    A, B = points
    A[:, 2], B[:, 2] = np.arange(7) % 4, np.arange(5) % 4
    lengthscales = np.array([0.3, 1.0, 4.0])

    def one_hot(X):
        return np.hstack([X[:, :2], np.eye(4)[X[:, 2].astype(int)] / np.sqrt(2)])

    ours = kernel(categorical=[2])(np.log([*lengthscales, 2.5]), A, B).matrix
    theta = np.log([*lengthscales[[0, 1, 2, 2, 2, 2]], 2.5])
    np.testing.assert_allclose(ours, kernel()(theta, one_hot(A), one_hot(B)).matrix, rtol=1e-12)


def test_sums_and_products_are_those_of_scikit_learn(points):
    A, B = points
    ours = RBF(lengthscale=0.5, variance=2.0) + Matern52(lengthscale=2.0) * Matern32(variance=1.0)
    theta = ours.prior(3)[0]
    other = 2.0 * reference.RBF(0.5) + reference.Matern(2.0, nu=2.5) * reference.Matern(1.0, nu=1.5)
    np.testing.assert_allclose(ours(theta, A, B).matrix, other(A, B), rtol=1e-12)
    assert ours(theta, A, B).variance == pytest.approx(other(A[:1])[0, 0])


def test_kernels_of_single_columns_read_these(points):
    A, B = points
    theta = np.log([0.7, 1.0])
    np.testing.assert_array_equal(
        Matern52(columns=[2])(theta, A, B).matrix, Matern52()(theta, A[:, [2]], B[:, [2]]).matrix
    )


@pytest.mark.parametrize("kernel", COMPOSITE, ids=repr)
def test_a_kernel_at_a_theta_is_held_there(kernel):
    theta = np.random.default_rng(1).normal(size=len(kernel.prior(3)[0]))
    mean, sigma = kernel.at(theta, 3).prior(3)
    np.testing.assert_allclose(mean, theta)
    np.testing.assert_array_equal(sigma, 0)
    assert kernel.prior(3)[1].any()  # of the kernel itself, beliefs are left as they were


def test_a_list_of_lengthscales_mixes_numbers_and_priors():
    mean, sigma = RBF(lengthscale=[2.0, LogNormal(3.0, 0.5)], variance=1.0).prior(2)
    np.testing.assert_allclose(mean, np.log([2, 3, 1]))
    np.testing.assert_array_equal(sigma, [0, 0.5, 0])


@pytest.mark.parametrize("kernel", COMPOSITE, ids=repr)
def test_rescaled_columns_and_targets_are_rescaled_parameters(kernel, points):
    A, B = points
    A[:, 1], B[:, 1] = np.arange(7) % 3, np.arange(5) % 3
    theta = np.random.default_rng(1).normal(size=len(kernel.prior(3)[0]))
    scale = np.array([3.0, 1e4, 0.2])
    shifted = theta + kernel.units(np.log(scale), np.log(25.0))
    np.testing.assert_allclose(
        kernel(shifted, A * scale, B * scale).matrix, 25 * kernel(theta, A, B).matrix, rtol=1e-9
    )


@pytest.mark.parametrize(
    ("lengthscale", "distance", "lectures"),
    [
        (RBF(lengthscale=2 / np.sqrt(2), variance=1.0), 3.0, np.exp(-(3.0**2) / 2**2)),
        (Exponential(lengthscale=2.0, variance=1.0), 3.0, np.exp(-3.0 / 2)),
    ],
    ids=str,
)
def test_the_lectures_kernels_of_width_2_have_these_lengthscales(lengthscale, distance, lectures):
    theta, _ = lengthscale.prior(1)
    K = lengthscale(theta, np.zeros((1, 1)), np.array([[distance]])).matrix
    np.testing.assert_allclose(K, lectures)


def test_kernels_are_joined_with_kernels_only():
    with pytest.raises(TypeError, match="unsupported operand"):
        RBF() + 1.0
    with pytest.raises(TypeError, match="unsupported operand"):
        RBF() * 2.0


@pytest.mark.parametrize(("median", "sigma"), [(0, 1), (1, -1), (np.inf, 1), (True, 1), ("1", 1)])
def test_a_belief_in_what_cannot_be_is_refused(median, sigma):
    with pytest.raises(ValueError, match="of a LogNormal must be positive"):
        LogNormal(median, sigma)


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (Matern52(columns=[1, 1]), r"columns of Matern52 names one twice: \[1, 1\]"),
        (Matern52(lengthscale=[1.0, "x", 2.0]), "lengthscale must be positive .* has 'x'"),
        (Matern52(columns=[3]), "columns of Matern52 must be integers from 0 to 2.* has 3"),
        (Matern52(categorical=[-1]), "categorical of Matern52 must be .* has -1"),
        (Matern52(lengthscale=[1.0, 2.0]), "number or prior for each of 3 columns, but has 2"),
    ],
)
def test_kernels_that_do_not_fit_the_columns_are_refused(kernel, message):
    with pytest.raises(ValueError, match=message):
        kernel.prior(3)
