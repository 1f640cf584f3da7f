import pickle
import re
from collections import Counter

import numpy as np
import pytest
import sklearn
from scipy.optimize import approx_fprime
from scipy.stats import multivariate_normal, norm, yeojohnson, yeojohnson_normmax
from sklearn.base import clone
from sklearn.gaussian_process import GaussianProcessRegressor as Reference
from sklearn.gaussian_process import kernels as reference
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict
from sklearn.utils.estimator_checks import check_estimator

from skdeep.gaussian_process import (
    RBF,
    Exponential,
    GaussianProcessRegressor,
    LogNormal,
    Matern32,
    Matern52,
    Warped,
)

PEERS = {
    "matern52": reference.Matern(nu=2.5),
    "matern32": reference.Matern(nu=1.5),
    "rbf": reference.RBF(),
    "exponential": reference.Matern(nu=0.5),
}
# Held numbers, in the units of the data below.
HELD = Matern52(lengthscale=[0.3, 40.0, 0.02], variance=5e5)
COMPOSITE = RBF(lengthscale=[0.5, 80.0, 0.01], variance=3e5) + HELD * Matern32(
    lengthscale=[2.0, 50.0, 0.05], variance=1.0
)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.random((30, 3)) * [1, 100, 0.01] + [0, 1000, 0]
    y = 1e3 * np.sin(5 * X[:, 0]) + 5 * X[:, 1] + rng.normal(size=30)
    return X, y


@pytest.fixture(scope="module")
def elsewhere():
    return np.random.default_rng(1).random((20, 3)) * [1.5, 150, 0.015] + [0, 1000, 0]


@pytest.fixture(scope="module")
def known():
    """Known variances of noise in the data."""
    return np.random.default_rng(3).uniform(1, 2e4, size=30)


def process(**settings):
    return GaussianProcessRegressor(**({"random_state": 0} | settings))


def held(**settings):
    """A process that has nothing to search for."""
    return process(**({"kernel": HELD, "noise": 50.0} | settings))


# Against scikit-learn's ------------------------------------------------------------------------


def assert_equal_to(other, model, X, scale):
    """Posterior and evidence of ours equal those of a fitted process of scikit-learn's."""
    mean, std = model.predict(X, return_std=True)
    other_mean, other_std = other.predict(X, return_std=True)
    np.testing.assert_allclose(mean, other_mean, rtol=1e-6, atol=1e-6 * scale)
    np.testing.assert_allclose(std, other_std, rtol=1e-6)
    np.testing.assert_allclose(model.predict(X), mean, rtol=1e-12)
    mean_again, cov = model.predict(X, return_cov=True)
    np.testing.assert_allclose(mean_again, mean, rtol=1e-12)
    expected = other.predict(X, return_cov=True)[1]
    np.testing.assert_allclose(cov, expected, rtol=1e-6, atol=1e-6 * expected.max())
    expected = other.log_marginal_likelihood_value_
    assert model.log_marginal_likelihood_ == pytest.approx(expected, rel=1e-6)
    assert model.log_marginal_likelihood() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("kernel", sorted(PEERS))
def test_posterior_and_evidence_equal_scikit_learns_at_equal_hyperparameters(
    kernel, data, elsewhere
):
    X, y = data
    model = process(kernel=kernel, prior_mean=0).fit(X, y)
    peer = clone(PEERS[kernel]).set_params(length_scale=model.kernel_.lengthscale)
    other = Reference(model.kernel_.variance * peer, alpha=model.noise_variance_, optimizer=None)
    assert_equal_to(other.fit(X, y), model, elsewhere, y.std())


def test_sums_products_and_known_noise_equal_scikit_learns(data, elsewhere, known):
    X, y = data
    model = held(kernel=COMPOSITE, prior_mean=0).fit(X, y, noise_variance=known)
    kernel = 3e5 * reference.RBF([0.5, 80.0, 0.01]) + 5e5 * reference.Matern(
        [0.3, 40.0, 0.02], nu=2.5
    ) * reference.Matern([2.0, 50.0, 0.05], nu=1.5)
    other = Reference(kernel, alpha=known + 50, optimizer=None).fit(X, y)
    assert_equal_to(other, model, elsewhere, y.std())
    assert model.noise_variance_ == pytest.approx(50)


def test_evidence_elsewhere_and_its_gradient_equal_scikit_learns(data):
    X, y = data
    model = process(kernel="rbf", prior_mean=0.0).fit(X, y)
    theta = model.theta_ + np.random.default_rng(2).normal(size=5)
    # The noise as a kernel, so that scikit-learn differentiates by it; its constant comes first.
    kernel = reference.ConstantKernel() * reference.RBF(np.ones(3)) + reference.WhiteKernel()
    other = Reference(kernel, alpha=0, optimizer=None).fit(X, y)
    expected, gradient = other.log_marginal_likelihood(
        [*np.roll(theta[:-1], 1).tolist(), theta[-1]], eval_gradient=True
    )
    value, ours = model.log_marginal_likelihood(theta, eval_gradient=True)
    assert value == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(ours, [*gradient[1:4], gradient[0], gradient[4]], rtol=1e-6)


def test_a_constant_mean_is_the_limit_of_a_wide_prior_of_it(data, elsewhere):
    X, y = data
    model = held().fit(X, y)
    wide = 1e9 * reference.ConstantKernel(1.0, "fixed")
    kernel = wide + 5e5 * reference.Matern([0.3, 40.0, 0.02], nu=2.5)
    other = Reference(kernel, alpha=50, optimizer=None).fit(X, y - y.mean())
    mean, std = model.predict(elsewhere, return_std=True)
    other_mean, other_std = other.predict(elsewhere, return_std=True)
    np.testing.assert_allclose(mean, other_mean + y.mean(), rtol=1e-3)
    np.testing.assert_allclose(std, other_std, rtol=1e-3)
    density = other.log_marginal_likelihood_value_ + 0.5 * np.log(2 * np.pi * 1e9)
    assert model.log_marginal_likelihood_ == pytest.approx(density, abs=1e-2)


# The gradient of the evidence ------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"prior_mean": "linear", "kernel": "exponential"},
        {"prior_mean": 5000.0, "kernel": "matern32"},
        {"kernel": RBF(columns=[1, 0]) + Matern32() * Exponential(columns=[2], variance=1.0)},
        {"kernel": Warped(Matern52())},
        {"kernel": Warped(RBF(columns=[0])) + Matern52(), "prior_mean": "linear"},
        {"y_transform": "power"},
    ],
    ids=str,
)
def test_gradient_of_the_evidence_agrees_with_finite_differences(settings, data, known):
    noise = None if "y_transform" in settings else known
    model = process(**settings).fit(*data, noise_variance=noise)
    # Near the start, for at a noise next to none the evidence has no ten digits.
    theta = model.theta_ + np.random.default_rng(0).normal(scale=0.3, size=len(model.theta_))
    theta[-1] += 5
    numeric = approx_fprime(theta, model.log_marginal_likelihood, 1e-6)
    _, gradient = model.log_marginal_likelihood(theta, eval_gradient=True)
    np.testing.assert_allclose(gradient, numeric, rtol=1e-5, atol=1e-4)


# Units, and numbers that are held --------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"prior_mean": "linear"},
        {"kernel": Warped(Matern52(columns=[0])) + RBF(columns=[1, 2])},
        {"y_transform": "power"},
    ],
    ids=str,
)
def test_units_of_x_and_y_change_units_only(settings, data):
    X, y = data
    model = process(**settings).fit(X, y)
    scaled = process(**settings).fit(X * 1e3, y * 1e-5 + 7)
    np.testing.assert_allclose(scaled.predict(X * 1e3), model.predict(X) * 1e-5 + 7, rtol=1e-4)
    density = scaled.log_marginal_likelihood_ + (30 - model._posterior.half_basis.shape[1]) * (
        np.log(1e-5)
    )
    if "y_transform" not in settings:
        assert density == pytest.approx(model.log_marginal_likelihood_, abs=1e-2)


def test_lengthscales_and_variances_are_in_the_units_of_the_data(data):
    X, y = data
    model, scaled = process().fit(X, y), process().fit(X * 1e3, y * 10)
    np.testing.assert_allclose(
        scaled.kernel_.lengthscale, np.multiply(model.kernel_.lengthscale, 1e3), rtol=1e-2
    )
    assert scaled.kernel_.variance == pytest.approx(100 * model.kernel_.variance, rel=0.05)
    expected = [*model.kernel_.lengthscale, model.kernel_.variance, model.noise_variance_]
    np.testing.assert_allclose(np.exp(model.theta_), expected)


def test_numbers_are_held_in_the_units_of_the_data(data):
    mixed = Matern52(lengthscale=[0.3, LogNormal(1.0, 1.0), 0.02], variance=5e5)
    model = process(kernel=mixed, noise=50.0).fit(*data)
    found = np.exp(model.theta_)
    np.testing.assert_allclose(found[[0, 2, 3, 4]], [0.3, 0.02, 5e5, 50])
    # and the free one is where the posterior density is highest
    grid = found[1] * np.array([0.97, 1.0, 1.03])
    densities = []
    for value in grid:
        theta = np.log([0.3, value, 0.02, 5e5, 50])
        z = np.log(value / (data[0][:, 1].std() * np.sqrt(12)))
        densities.append(model.log_marginal_likelihood(theta) - 0.5 * z**2)
    assert np.argmax(densities) == 1


@pytest.mark.parametrize(
    "settings",
    [
        {"kernel": "rbf"},
        {"kernel": Matern52(columns=[0]) + RBF(columns=[1, 2]), "prior_mean": "linear"},
        {"kernel": Warped(Matern52(categorical=[2])) * RBF(columns=[1], variance=1.0)},
        {"y_transform": "power"},
    ],
    ids=str,
)
def test_the_fitted_kernel_is_one_to_fit_with(settings, data, elsewhere):
    model = process(**settings).fit(*data)
    again = process(**settings | {"kernel": model.kernel_, "noise": model.noise_variance_})
    again.fit(*data)
    np.testing.assert_allclose(again.theta_, model.theta_, atol=1e-9)
    for found, expected in zip(
        again.predict(elsewhere, return_std=True), model.predict(elsewhere, return_std=True)
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_priors_pull_the_parameters_where_they_say(data):
    for median in (0.1, 10.0):
        kernel = Matern52(lengthscale=LogNormal(median, 1e-3), variance=LogNormal(2.0, 1e-3))
        model = process(kernel=kernel, noise=LogNormal(0.1, 1e-3)).fit(*data)
        width = data[0].std(axis=0) * np.sqrt(12)
        np.testing.assert_allclose(model.kernel_.lengthscale, median * width, rtol=1e-2)
        assert model.kernel_.variance == pytest.approx(2 * data[1].var(), rel=1e-2)
        assert model.noise_variance_ == pytest.approx(0.1 * data[1].var(), rel=1e-2)


def test_irrelevant_feature_gets_the_longest_lengthscale(data):
    model = process().fit(*data)
    assert np.argmax(model.kernel_.lengthscale / data[0].std(axis=0)) == 2


def test_what_is_set_after_a_fit_waits_for_the_next(data, elsewhere):
    kernel = RBF()
    model = process(kernel=kernel).fit(*data)
    before, evidence = model.predict(elsewhere), model.log_marginal_likelihood()
    model.set_params(kernel__variance=1.0, prior_mean=0.0, y_transform="power", noise=3.0)
    np.testing.assert_array_equal(model.predict(elsewhere), before)
    assert model.log_marginal_likelihood() == evidence
    assert kernel.variance == 1.0  # the user's own object is the parameter, and no copy


def test_parameters_of_a_kernel_are_tuned_by_their_names(data):
    grid = {"kernel__left__lengthscale": [1e-6, 0.3], "noise": [50.0]}
    search = GridSearchCV(process(kernel=RBF(columns=[0]) + RBF(columns=[1])), grid, cv=3)
    assert search.fit(*data).best_params_["kernel__left__lengthscale"] == 0.3


# Noise -----------------------------------------------------------------------------------------


def test_noise_is_found_where_there_is_some_and_none_where_there_is_none():
    rng = np.random.default_rng(0)
    X = rng.random((200, 1))
    y = np.sin(6 * X[:, 0]) + 0.3 * rng.normal(size=200)
    assert process().fit(X, y).noise_variance_ == pytest.approx(0.09, rel=0.25)
    assert process().fit(X, np.sin(6 * X[:, 0])).noise_variance_ < 1e-5


def test_clean_data_are_interpolated_with_honest_uncertainty():
    X = np.linspace(0, 1, 15)[:, None]
    model = process(kernel="rbf").fit(X, np.cos(8 * X[:, 0]))
    between = np.linspace(0, 1, 60)[:, None]
    mean, std = model.predict(between, return_std=True)
    np.testing.assert_allclose(mean, np.cos(8 * between[:, 0]), atol=1e-2)
    assert model.predict([[9.0]], return_std=True)[1] > 10 * std.max()


@pytest.mark.parametrize("kernel", sorted(PEERS))
def test_without_noise_f_goes_through_all_targets(kernel, data):
    model = process(kernel=kernel, noise=0).fit(*data)
    mean, std = model.predict(data[0], return_std=True)
    np.testing.assert_allclose(mean, data[1], atol=1e-4 * data[1].std())
    np.testing.assert_allclose(std, 0, atol=1e-4 * data[1].std())
    assert model.noise_variance_ == 0
    np.testing.assert_allclose(model.sample_y(data[0])[:, 0], data[1], atol=0.01 * data[1].std())


def test_two_noisy_targets_at_one_place_count_as_their_mean(data, elsewhere):
    X, y = data
    model = held(noise=0).fit(
        np.vstack([X, X[:3]]), np.append(y, y[:3] + 200), [*[400.0] * 30, *[400.0] * 3]
    )
    merged = held(noise=0).fit(X, np.append(y[:3] + 100, y[3:]), [*[200.0] * 3, *[400.0] * 27])
    for found, expected in zip(
        model.predict(elsewhere, return_std=True), merged.predict(elsewhere, return_std=True)
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-8)


def test_two_exact_targets_at_one_place_are_refused(data):
    X, y = data
    twice = np.vstack([X, X[4:5]]), np.append(y, y[4] + 1)
    message = f"rows 4 and 30 of X are equal and their targets are {y[4]} and {y[4] + 1}"
    with pytest.raises(ValueError, match=re.escape(message)):
        process(noise=0).fit(*twice)
    process(noise=0).fit(twice[0], np.append(y, y[4]))  # the same target twice
    process(noise=0).fit(*twice, np.where(np.arange(31) == 4, 1.0, 0.0))


def test_a_target_of_huge_noise_counts_for_nothing(data, elsewhere):
    X, y = data
    wrong = y.copy()
    wrong[4] += 1e5
    noise = np.where(np.arange(30) == 4, 1e16, 0.0)
    model, rest = held().fit(X, wrong, noise), held().fit(np.delete(X, 4, 0), np.delete(y, 4))
    np.testing.assert_allclose(model.predict(elsewhere), rest.predict(elsewhere), rtol=1e-6)


def test_known_noise_is_not_learnt_once_more():
    rng = np.random.default_rng(0)
    X, variance = rng.random((150, 1)), rng.choice([0.01, 0.3], 150)
    y = np.sin(6 * X[:, 0]) + np.sqrt(variance) * rng.normal(size=150)
    assert process().fit(X, y).noise_variance_ > 0.1
    assert process().fit(X, y, variance).noise_variance_ < 0.02


def test_known_noise_is_routed_through_cross_validation(data, known):
    X, y = data
    cv = KFold(3)
    expected = np.empty(30)
    for train, test in cv.split(X):
        expected[test] = held().fit(X[train], y[train], known[train]).predict(X[test])
    with sklearn.config_context(enable_metadata_routing=True):
        model = held().set_fit_request(noise_variance=True)
        found = cross_val_predict(model, X, y, cv=cv, params={"noise_variance": known})
    np.testing.assert_array_equal(found, expected)


def test_one_row_constant_targets_and_duplicated_rows_are_fitted():
    one = process().fit([[1.0, 2.0]], [3.0])
    assert one.predict([[1.0, 2.0]]) == pytest.approx(3)

    X = np.random.default_rng(0).random((8, 2))
    for settings in ({}, {"y_transform": "power"}):
        np.testing.assert_allclose(process(**settings).fit(X, np.full(8, 0.1)).predict(X), 0.1)
    given = process(prior_mean=5.0).fit(X, np.full(8, 0.1))
    np.testing.assert_allclose(given.predict(X), 0.1, atol=0.01)

    twice = process().fit(np.repeat(X, 3, axis=0), np.repeat(X[:, 0], 3))
    np.testing.assert_allclose(twice.predict(X), X[:, 0], atol=1e-2)


def test_contradicting_duplicates_are_averaged():
    X, y = [[0.0], [0.0], [1.0], [1.0]], [1.0, 3.0, 5.0, 7.0]
    model = process().fit(X * 10, y * 10)
    np.testing.assert_allclose(model.predict([[0.0], [1.0]]), [2, 6], atol=0.2)


# The prior mean --------------------------------------------------------------------------------


def plane(X):
    return 3 * X[:, 0] - 0.5 * X[:, 1]


@pytest.mark.parametrize(
    ("prior_mean", "more"), [("constant", lambda X: 1e4), ("linear", lambda X: 1e4 + plane(X))]
)
def test_what_a_vague_mean_can_be_is_added_to_predictions_as_it_is(
    prior_mean, more, data, elsewhere
):
    X, y = data
    model = held(prior_mean=prior_mean).fit(X, y)
    other = held(prior_mean=prior_mean).fit(X, y + more(X))
    mean, std = model.predict(elsewhere, return_std=True)
    found, found_std = other.predict(elsewhere, return_std=True)
    np.testing.assert_allclose(found, mean + more(elsewhere), rtol=1e-8)
    np.testing.assert_allclose(found_std, std, rtol=1e-6)


def test_a_linear_mean_goes_on_where_a_constant_one_returns():
    X = np.linspace(0, 1, 20)[:, None]
    y = 3 * X[:, 0] + 0.01 * np.sin(20 * X[:, 0])
    assert process(prior_mean="linear").fit(X, y).predict([[5.0]]) == pytest.approx(15, abs=1)
    assert process(prior_mean=0).fit(X, y).predict([[50.0]]) == pytest.approx(0, abs=1e-3)
    assert process(prior_mean=lambda X: 3 * X[:, 0]).fit(X, y).predict([[50.0]]) == pytest.approx(
        150, abs=1
    )


def test_a_known_mean_is_taken_off_and_put_back(data, elsewhere):
    X, y = data
    model, rest = process(prior_mean=plane).fit(X, y), process(prior_mean=0).fit(X, y - plane(X))
    np.testing.assert_array_equal(model.theta_, rest.theta_)
    np.testing.assert_allclose(
        model.predict(elsewhere), rest.predict(elsewhere) + plane(elsewhere), rtol=1e-12
    )
    assert model.log_marginal_likelihood_ == rest.log_marginal_likelihood_
    draws = rest.sample_y(elsewhere, 3) + plane(elsewhere)[:, None]
    np.testing.assert_allclose(model.sample_y(elsewhere, 3), draws, rtol=1e-12)
    left_out = rest.leave_one_out()[0] + plane(X)
    np.testing.assert_allclose(model.leave_one_out()[0], left_out, rtol=1e-12)


@pytest.mark.parametrize(
    ("prior_mean", "message"),
    [
        (lambda X: X, r"a finite number for each of 30 rows, in shape \(30,\)"),
        (lambda X: np.full(len(X), np.nan), "prior_mean must return a finite number"),
    ],
)
def test_a_mean_of_another_shape_is_refused(prior_mean, message, data):
    with pytest.raises(ValueError, match=message):
        process(prior_mean=prior_mean).fit(*data)


@pytest.mark.parametrize(
    ("X", "kernel", "message"),
    [
        (np.eye(3), "rbf", "has 4 coefficients, which 3 rows do not determine"),
        (np.ones((9, 1)), "rbf", "columns of X are constant"),
        (np.eye(9)[:, :2], Matern52(categorical=[1]), "would take the codes of categories"),
    ],
)
def test_a_linear_mean_that_the_rows_do_not_determine_is_refused(X, kernel, message):
    with pytest.raises(ValueError, match=message):
        process(prior_mean="linear", kernel=kernel).fit(X, np.arange(len(X)))


# Categories ------------------------------------------------------------------------------------


def test_codes_of_categories_are_names_and_no_numbers():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.random(60), rng.integers(4, size=60)])
    y = np.sin(6 * X[:, 0]) + np.array([0.0, 3.0, -2.0, 5.0])[X[:, 1].astype(int)]
    X_new = np.column_stack([rng.random(40), rng.integers(4, size=40)])

    def codes(X):
        return np.column_stack([X[:, 0], np.array([700, -3, 12, 5])[X[:, 1].astype(int)]])

    for kernel in (Matern52(categorical=[1]), Warped(Matern52(categorical=[1]))):
        model = process(kernel=kernel).fit(X, y)
        other = process(kernel=kernel).fit(codes(X), y)
        np.testing.assert_allclose(other.theta_, model.theta_, atol=1e-2)
        np.testing.assert_allclose(other.predict(codes(X_new)), model.predict(X_new), atol=1e-2)
        truth = np.sin(6 * X_new[:, 0]) + np.array([0.0, 3.0, -2.0, 5.0])[X_new[:, 1].astype(int)]
        np.testing.assert_allclose(model.predict(X_new), truth, atol=0.15)


# Leaving one out, and drawing ------------------------------------------------------------------


@pytest.mark.parametrize("prior_mean", ["constant", "linear", 5000.0, plane])
def test_leave_one_out_equals_brute_force(prior_mean, data, known):
    X, y = data
    model = held(kernel=COMPOSITE, prior_mean=prior_mean).fit(X, y, known)
    mean, std = model.leave_one_out()
    for i in range(30):
        others = np.arange(30) != i
        rest = clone(model).fit(X[others], y[others], known[others])
        expected, of_f = rest.predict(X[[i]], return_std=True)
        np.testing.assert_allclose(mean[i], expected[0], rtol=1e-8)
        np.testing.assert_allclose(std[i], np.sqrt(of_f[0] ** 2 + 50 + known[i]), rtol=1e-8)


def test_the_others_predict_nothing_of_a_row_that_alone_tells_of_a_coefficient(data):
    X, y = data[0].copy(), data[1]
    X[:, 2] = np.arange(30) == 4
    model = process(kernel=RBF(), prior_mean="linear").fit(X, y)
    mean, std = model.leave_one_out()
    assert np.isnan(mean[4])
    assert np.isinf(std[4])
    # The others are predicted as if it were not there: it can only serve its own coefficient.
    others = np.arange(30) != 4
    kernel = RBF(
        columns=[0, 1],
        lengthscale=model.kernel_.lengthscale[:2],
        variance=model.kernel_.variance,
    )
    rest = process(kernel=kernel, noise=model.noise_variance_, prior_mean="linear")
    found = rest.fit(X[others, :2], y[others]).leave_one_out()
    np.testing.assert_allclose(found, [mean[others], std[others]], rtol=1e-6)


def test_leaving_out_the_only_row_is_refused():
    with pytest.raises(ValueError, match="needs more rows than the prior mean has coefficients, 1"):
        process().fit([[0.0]], [1.0]).leave_one_out()


@pytest.mark.parametrize("settings", [{}, {"prior_mean": "linear"}, {"y_transform": "power"}])
def test_many_draws_have_the_moments_that_are_predicted(settings, data, elsewhere):
    model = process(**settings).fit(*data)
    draws = model.sample_y(elsewhere[:6], n_samples=20_000, random_state=1)
    assert draws.shape == (6, 20_000)
    mean, std = model.predict(elsewhere[:6], return_std=True)
    np.testing.assert_allclose(draws.mean(axis=1), mean, atol=0.03 * std.max())
    np.testing.assert_allclose(draws.std(axis=1), std, rtol=0.03)
    if "y_transform" not in settings:
        _, cov = model.predict(elsewhere[:6], return_cov=True)
        np.testing.assert_allclose(np.cov(draws), cov, atol=0.05 * cov.max())


def test_draws_depend_on_their_seed_alone(data, elsewhere):
    model = process().fit(*data)
    first = model.sample_y(elsewhere, 2, random_state=5)
    np.testing.assert_array_equal(model.sample_y(elsewhere, 2, random_state=5), first)
    assert not np.array_equal(model.sample_y(elsewhere, 2, random_state=6), first)


# Transformed targets ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def skewed():
    rng = np.random.default_rng(0)
    X = rng.random((80, 1))
    return X, 3 * np.exp(2 * np.sin(6 * X[:, 0]) + 0.3 * rng.normal(size=80))


def test_a_power_transform_is_the_same_process_of_transformed_targets(skewed):
    X, y = skewed
    kernel = RBF(lengthscale=0.3, variance=0.8)
    model = process(kernel=kernel, noise=0.05, prior_mean=2.0, y_transform="power").fit(X, y)
    low, centre, high = np.quantile(y, [0.25, 0.5, 0.75])
    width = (high - low) / 4
    z, of_mean = (y - centre) / width, (2 - centre) / width
    exponent = yeojohnson_normmax(z, brack=(0, 2))
    v = yeojohnson(z, exponent)
    at_mean = (yeojohnson(np.array([of_mean]), exponent)[0] - v.mean()) / v.std()
    K = 0.8 * reference.RBF(0.3)(X) + 0.05 * np.eye(80)
    slope = (1 + np.abs(z)) ** (np.sign(z) * (exponent - 1)) / width / v.std()
    u = (v - v.mean()) / v.std() - at_mean
    expected = multivariate_normal(cov=K).logpdf(u) + np.log(slope).sum()
    assert model.log_marginal_likelihood_ == pytest.approx(expected, rel=1e-4)


def test_predictions_of_transformed_targets_are_averages_of_what_may_come(skewed):
    X, y = skewed
    model = process(y_transform="power").fit(X, y)
    X_new = np.array([[0.1], [0.25], [0.8], [1.05]])
    posterior, shift, scale = model._posterior, model._y_shift, model._y_scale
    mean, variance, _ = posterior.mean_and_variance(model._standardised(X_new))
    # Over f outside, over noise inside: the expected target is what is predicted.
    outside, inside = (norm.ppf((np.arange(n) + 0.5) / n) for n in (2000, 300))
    f = shift + scale * (mean + np.sqrt(variance) * outside[:, None, None])
    noise = np.sqrt(model.noise_variance_) * inside[:, None]
    expected = model._power.inverse(f + noise).mean(axis=1)
    found, std = model.predict(X_new, return_std=True)
    np.testing.assert_allclose(found, expected.mean(axis=0), rtol=0.02)
    np.testing.assert_allclose(std, expected.std(axis=0), rtol=0.05)
    np.testing.assert_array_equal(model.predict(X_new), found)


def test_skewed_targets_are_likelier_and_better_covered_when_transformed(skewed):
    plain, bent = process().fit(*skewed), process(y_transform="power").fit(*skewed)
    assert bent.log_marginal_likelihood_ > plain.log_marginal_likelihood_ + 20
    # The noise grows with y, and so do the deviations that are told.
    std = bent.leave_one_out()[1]
    low, high = np.argsort(skewed[1])[[5, -5]]
    assert std[high] > 5 * std[low]
    mean, std = bent.leave_one_out()
    assert 0.8 < np.sqrt(np.mean(((skewed[1] - mean) / std) ** 2)) < 1.3


def test_a_covariance_and_known_noise_of_transformed_targets_are_refused(skewed):
    model = process(y_transform="power").fit(*skewed)
    with pytest.raises(ValueError, match="return_cov=True is not for y_transform='power'"):
        model.predict(skewed[0], return_cov=True)
    with pytest.raises(ValueError, match="noise_variance is known for y, not for the y"):
        model.fit(*skewed, noise_variance=np.ones(80))


# Warm starts -----------------------------------------------------------------------------------


def test_a_warm_start_searches_from_where_the_last_fit_ended():
    # Two explanations: a quick wave with little noise, or a slow one with much.
    rng = np.random.default_rng(3)
    X = np.linspace(0, 1, 12)[:, None]
    y = np.sin(12 * X[:, 0]) + 0.5 * rng.normal(size=12)
    free = RBF(lengthscale=LogNormal(1.0, 3.0), variance=1.0)
    cold = process(kernel=free, noise=LogNormal(0.1, 3.0), n_restarts=0)
    quick = clone(cold).set_params(kernel__lengthscale=0.03, noise=1e-4)
    slow = clone(cold).set_params(kernel__lengthscale=3.0, noise=1.0)
    found = []
    for model in (quick, slow):
        model.set_params(warm_start=True).fit(X, y)
        model.set_params(kernel__lengthscale=LogNormal(1.0, 3.0), noise=LogNormal(0.1, 3.0))
        found.append(model.fit(X, y).kernel_.lengthscale[0])
        again = model.fit(X, y)  # from its own end it goes nowhere
        assert again.kernel_.lengthscale[0] == pytest.approx(found[-1], rel=0.05)
    assert found[0] < 0.2 < found[1]


def test_a_warm_start_with_another_kernel_is_a_cold_one(data):
    model = process(warm_start=True, kernel=RBF(columns=[0])).fit(*data).set_params(kernel="rbf")
    cold = process(kernel="rbf").fit(*data)
    np.testing.assert_array_equal(model.fit(*data).theta_, cold.theta_)


# The contract ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings", [{}, {"kernel": Warped(Matern52()) + RBF(), "y_transform": "power"}], ids=str
)
def test_refit_clone_and_pickle_predict_the_same_bits(settings, data):
    X, y = data
    model = process(**settings).fit(X, y)
    expected = model.predict(X)
    np.testing.assert_array_equal(clone(model).fit(X, y).predict(X), expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), expected)


def test_what_happens_to_the_users_arrays_after_a_fit_is_no_matter(data, elsewhere):
    X, y = data[0].copy(), data[1].copy()
    model = process(prior_mean=plane).fit(X, y)
    expected, left_out = model.predict(elsewhere), model.leave_one_out()[0]
    X[:], y[:] = 0, 0
    np.testing.assert_array_equal(model.predict(elsewhere), expected)
    np.testing.assert_array_equal(model.leave_one_out()[0], left_out)


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


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kernel", "cubic"),
        ("kernel", Matern52),
        ("kernel", reference.RBF()),
        ("n_restarts", -1),
        ("noise", -1.0),
        ("noise", True),
        ("prior_mean", "quadratic"),
        ("prior_mean", np.nan),
        ("y_transform", "log"),
        ("warm_start", 2),
    ],
)
def test_wrong_parameters_are_refused_in_fit(name, value, data):
    with pytest.raises(ValueError, match=f"The {name!r} parameter"):
        GaussianProcessRegressor(**{name: value}).fit(*data)


@pytest.mark.parametrize(
    ("kernel", "error", "message"),
    [
        (RBF(variance=-1.0), ValueError, "The 'variance' parameter of RBF"),
        (RBF(lengthscale=0), ValueError, "The 'lengthscale' parameter of RBF"),
        (RBF() + RBF(variance=-1.0), ValueError, "The 'variance' parameter of RBF"),
        (Warped(RBF(), a=0.0), ValueError, "The 'a' parameter of Warped"),
        (Warped(RBF(variance=-1.0)), ValueError, "The 'variance' parameter of RBF"),
        (RBF(lengthscale=[1.0, -1.0, 1.0]), ValueError, "lengthscale must be positive .* has -1"),
        (RBF(lengthscale=[1.0]), ValueError, "number or prior for each of 3 columns, but has 1"),
        (RBF(columns=[3]), ValueError, "integers from 0 to 2, the columns of X, but has 3"),
        (Warped("rbf"), TypeError, "kernel of Warped must be a kernel of skdeep's, but is 'rbf'"),
    ],
    ids=str,
)
def test_kernels_that_cannot_be_are_refused_in_fit(kernel, error, message, data):
    model = process().fit(*data)
    before = dict(vars(model))
    with pytest.raises(error, match=message):
        model.set_params(kernel=kernel).fit(*data)
    assert vars(model) == before | {"kernel": kernel}


@pytest.mark.parametrize(
    ("noise", "message"),
    [
        (-np.ones(30), "at least 0, for each of 30 targets, but .* minimum of -1"),
        (np.ones(29), r"for each of 30 targets, but has shape \(29,\)"),
        (np.ones((30, 1)), r"has shape \(30, 1\)"),
        (np.full(30, np.nan), "noise_variance.* NaN"),
    ],
)
def test_known_noise_that_is_none_is_refused(noise, message, data):
    with pytest.raises(ValueError, match=message):
        process().fit(*data, noise_variance=noise)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_targets_that_are_not_finite_are_refused(value, data):
    y = data[1].copy()
    y[3] = value
    with pytest.raises(ValueError, match=r"Input y contains (NaN|infinity)"):
        process().fit(data[0], y)


def test_std_and_cov_at_once_and_theta_of_wrong_length_are_refused(data):
    model = process().fit(*data)
    with pytest.raises(ValueError, match="one at a time"):
        model.predict(data[0], return_std=True, return_cov=True)
    with pytest.raises(ValueError, match=r"must have shape \(5,\)"):
        model.log_marginal_likelihood([0.0, 0.0])
