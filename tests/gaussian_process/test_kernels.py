import numpy as np
import pytest
from scipy.optimize import approx_fprime
from sklearn.gaussian_process import kernels as reference

from skdeep.gaussian_process.kernels import RBF, Exponential, Matern52

PAIRS = [
    (Matern52, reference.Matern(nu=2.5)),
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
    np.testing.assert_allclose(kernel(range(3))(theta, A, B).matrix, other(A, B), rtol=1e-12)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("groups", [[0, 1, 2], [0, 1, 1]])
def test_gradients_agree_with_finite_differences(kernel, groups, points):
    A, B = points
    kernel = kernel(groups)
    theta = np.random.default_rng(1).normal(size=kernel.n_lengthscales + 1)
    W = np.random.default_rng(2).normal(size=(7, 5))
    covariance = kernel(theta, A, B)

    numeric = approx_fprime(theta, lambda theta: np.vdot(W, kernel(theta, A, B).matrix), 1e-7)
    np.testing.assert_allclose(covariance.theta_gradient(W), numeric, rtol=1e-5, atol=1e-6)

    numeric = approx_fprime(
        A.ravel(), lambda flat: np.vdot(W, kernel(theta, flat.reshape(A.shape), B).matrix), 1e-7
    )
    np.testing.assert_allclose(covariance.points_gradient(W).ravel(), numeric, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kernel", KERNELS)
def test_gradients_are_finite_where_points_coincide(kernel, points):
    A, _ = points
    covariance = kernel(range(3))(np.zeros(4), A, A)
    assert np.isfinite(covariance.theta_gradient(np.ones((7, 7)))).all()
    assert np.isfinite(covariance.points_gradient(np.ones((7, 7)))).all()
