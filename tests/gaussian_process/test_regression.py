import pickle
from collections import Counter

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.gaussian_process import GaussianProcessRegressor as Reference
from sklearn.gaussian_process import kernels
from sklearn.utils.estimator_checks import check_estimator

from skdeep.gaussian_process import GaussianProcessRegressor

REFERENCE_KERNELS = {
    "matern52": kernels.Matern(nu=2.5),
    "rbf": kernels.RBF(),
    "exponential": kernels.Matern(nu=0.5),
}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.random((30, 3)) * [1, 100, 0.01] + [0, 1000, 0]
    y = 1e3 * np.sin(5 * X[:, 0]) + 5 * X[:, 1] + rng.normal(size=30)
    return X, y


def reference(model):
    """scikit-learn's Gaussian process with the hyper-parameters of a fitted one of ours."""
    kernel = REFERENCE_KERNELS[model.kernel].set_params(length_scale=model.lengthscales_)
    other = Reference(model.signal_variance_ * kernel, alpha=model.noise_variance_, optimizer=None)
    return other.fit(model.X_train_, model.y_train_ - model.y_train_.mean())


@pytest.mark.parametrize("kernel", sorted(REFERENCE_KERNELS))
def test_posterior_and_evidence_equal_scikit_learns_at_equal_hyperparameters(kernel, data):
    model = GaussianProcessRegressor(kernel=kernel, random_state=0).fit(*data)
    other = reference(model)
    X = np.random.default_rng(1).random((20, 3)) * [1.5, 150, 0.015] + [0, 1000, 0]
    offset = data[1].mean()

    mean, std = model.predict(X, return_std=True)
    other_mean, other_std = other.predict(X, return_std=True)
    np.testing.assert_allclose(mean - offset, other_mean, rtol=1e-6, atol=1e-6 * data[1].std())
    np.testing.assert_allclose(std, other_std, rtol=1e-6)
    _, cov = model.predict(X, return_cov=True)
    np.testing.assert_allclose(cov, other.predict(X, return_cov=True)[1], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(np.sqrt(cov.diagonal()), std, rtol=1e-6)

    expected = other.log_marginal_likelihood_value_
    assert model.log_marginal_likelihood_ == pytest.approx(expected, rel=1e-6)
    assert model.log_marginal_likelihood() == pytest.approx(expected, rel=1e-6)


def test_evidence_elsewhere_and_its_gradient_equal_scikit_learns(data):
    model = GaussianProcessRegressor(kernel="rbf", random_state=0).fit(*data)
    theta = model.theta_ + np.random.default_rng(2).normal(size=5)
    # The noise as a kernel, so that scikit-learn differentiates by it; its constant comes first.
    kernel = kernels.ConstantKernel() * kernels.RBF(np.ones(3)) + kernels.WhiteKernel()
    other = Reference(kernel, alpha=0, optimizer=None).fit(data[0], data[1] - data[1].mean())
    expected, gradient = other.log_marginal_likelihood(
        [*np.roll(theta[:-1], 1).tolist(), theta[-1]], eval_gradient=True
    )
    value, ours = model.log_marginal_likelihood(theta, eval_gradient=True)
    assert value == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(ours, [*gradient[1:4], gradient[0], gradient[4]], rtol=1e-6)


def test_units_of_x_and_y_change_units_only(data):
    X, y = data
    model = GaussianProcessRegressor(random_state=0).fit(X, y)
    scaled = GaussianProcessRegressor(random_state=0).fit(X * 1e3, y * 1e-5 + 7)
    np.testing.assert_allclose(scaled.predict(X * 1e3), model.predict(X) * 1e-5 + 7, rtol=1e-4)
    np.testing.assert_allclose(scaled.lengthscales_, model.lengthscales_ * 1e3, rtol=1e-2)


def test_irrelevant_feature_gets_the_longest_lengthscale(data):
    model = GaussianProcessRegressor(random_state=0).fit(*data)
    assert np.argmax(model.lengthscales_ / data[0].std(axis=0)) == 2


def test_noise_variance_is_found():
    rng = np.random.default_rng(0)
    X = rng.random((200, 1))
    y = np.sin(6 * X[:, 0]) + 0.3 * rng.normal(size=200)
    model = GaussianProcessRegressor(random_state=0).fit(X, y)
    assert model.noise_variance_ == pytest.approx(0.09, rel=0.25)


def test_clean_data_are_interpolated_with_honest_uncertainty():
    X = np.linspace(0, 1, 15)[:, None]
    model = GaussianProcessRegressor(kernel="rbf", random_state=0).fit(X, np.cos(8 * X[:, 0]))
    between = np.linspace(0, 1, 60)[:, None]
    mean, std = model.predict(between, return_std=True)
    np.testing.assert_allclose(mean, np.cos(8 * between[:, 0]), atol=1e-2)
    assert model.predict([[9.0]], return_std=True)[1] > 10 * std.max()


def test_one_row_constant_targets_and_duplicated_rows_are_fitted():
    one = GaussianProcessRegressor(random_state=0).fit([[1.0, 2.0]], [3.0])
    assert one.predict([[1.0, 2.0]]) == pytest.approx(3)

    X = np.random.default_rng(0).random((8, 2))
    constant = GaussianProcessRegressor(random_state=0).fit(X, np.full(8, 0.1))
    np.testing.assert_allclose(constant.predict(X), 0.1)

    twice = GaussianProcessRegressor(random_state=0).fit(
        np.repeat(X, 3, axis=0), np.repeat(X[:, 0], 3)
    )
    np.testing.assert_allclose(twice.predict(X), X[:, 0], atol=1e-2)


def test_contradicting_duplicates_are_averaged():
    X, y = [[0.0], [0.0], [1.0], [1.0]], [1.0, 3.0, 5.0, 7.0]
    model = GaussianProcessRegressor(random_state=0).fit(X * 10, y * 10)
    np.testing.assert_allclose(model.predict([[0.0], [1.0]]), [2, 6], atol=0.2)


def test_refit_clone_and_pickle_predict_the_same_bits(data):
    X, y = data
    model = GaussianProcessRegressor(random_state=0).fit(X, y)
    expected = model.predict(X)
    np.testing.assert_array_equal(clone(model).fit(X, y).predict(X), expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), expected)


def test_scikit_learns_checks_pass_with_nothing_excused():
    results = check_estimator(GaussianProcessRegressor(), on_skip=None)
    statuses = Counter(result["status"] for result in results)
    skipped = {result["check_name"] for result in results if result["status"] == "skipped"}
    assert statuses["passed"] >= 50
    assert set(statuses) <= {"passed", "skipped"}
    assert skipped <= {"check_array_api_input"}  # it needs SCIPY_ARRAY_API=1


def test_sample_weight_is_not_accepted(data):
    with pytest.raises(TypeError, match="sample_weight"):
        GaussianProcessRegressor().fit(*data, sample_weight=np.ones(30))


@pytest.mark.parametrize(("name", "value"), [("kernel", "cubic"), ("n_restarts", -1)])
def test_wrong_parameters_are_refused_in_fit(name, value, data):
    with pytest.raises(ValueError, match=f"The {name!r} parameter"):
        GaussianProcessRegressor(**{name: value}).fit(*data)


def test_std_and_cov_at_once_and_theta_of_wrong_length_are_refused(data):
    model = GaussianProcessRegressor(random_state=0).fit(*data)
    with pytest.raises(ValueError, match="one at a time"):
        model.predict(data[0], return_std=True, return_cov=True)
    with pytest.raises(ValueError, match=r"must have shape \(5,\)"):
        model.log_marginal_likelihood([0.0, 0.0])
