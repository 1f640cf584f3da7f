"""The strategies, as functions of arrays, against other ways to the same numbers."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.stats import entropy as scipy_entropy
from sklearn.base import clone
from sklearn.gaussian_process import GaussianProcessRegressor as ScikitLearnGP
from sklearn.gaussian_process.kernels import RBF as ScikitLearnRBF
from sklearn.gaussian_process.kernels import ConstantKernel, WhiteKernel
from sklearn.metrics import mutual_info_score, pairwise_distances
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdeep.active_learning import ActiveLearner
from skdeep.active_learning.choosing import posterior_covariance
from skdeep.active_learning.strategies.batches import clustered, power
from skdeep.active_learning.strategies.core_set import farthest_first
from skdeep.active_learning.strategies.disagreement import member_covariance, mutual_information
from skdeep.active_learning.strategies.uncertainty import (
    entropy,
    least_confidence,
    margin,
    nearness,
)
from skdeep.active_learning.strategies.variance import largest_variance, variance_reduction
from skdeep.gaussian_process import RBF, GaussianProcessRegressor, Matern52, exact


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_uncertainties_are_those_worked_by_hand():
    p = np.array([[0.5, 0.3, 0.2], [1.0, 0.0, 0.0], [0.4, 0.4, 0.2]])
    np.testing.assert_allclose(entropy(p), [scipy_entropy(row) for row in p])
    np.testing.assert_allclose(least_confidence(p), [0.5, 0.0, 0.6])
    np.testing.assert_allclose(margin(p), [0.8, 0.0, 1.0])
    np.testing.assert_array_equal(nearness(np.array([-3.0, 0.25])), [0.25, 0.8])
    np.testing.assert_array_equal(nearness(np.array([[-1.0, 2.0, 1.0]])), [0.5])


def test_for_two_classes_all_uncertainties_rank_alike(rng):
    p = rng.random(50)
    p = np.stack([p, 1 - p], axis=1)
    order = np.argsort(entropy(p))
    np.testing.assert_array_equal(np.argsort(least_confidence(p)), order)
    np.testing.assert_array_equal(np.argsort(margin(p)), order)


def test_mutual_information_is_that_of_members_and_labels_in_their_joint_table(rng):
    counts = np.array([rng.multinomial(1000, p, size=4) for p in rng.dirichlet([0.5] * 3, size=20)])
    expected = [mutual_info_score(None, None, contingency=table) for table in counts]
    found = mutual_information(counts.transpose(1, 0, 2) / 1000)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_mutual_information_leaves_out_what_is_noise():
    noise = np.full((5, 1, 2), 0.5)
    doubt = np.array([[[1.0, 0.0]], [[0.0, 1.0]]])
    assert mutual_information(noise)[0] == 0
    assert mutual_information(doubt)[0] == pytest.approx(np.log(2))


def test_the_core_set_is_that_of_exhaustive_search_one_by_one(rng):
    pool, labelled = rng.normal(size=(30, 3)), rng.normal(size=(4, 3))
    centres, expected = labelled, []
    for _ in range(6):
        radius = pairwise_distances(pool, centres).min(axis=1)
        expected.append(int(radius.argmax()))
        centres = np.vstack([centres, pool[expected[-1:]]])
    assert farthest_first(pool, labelled, 6).tolist() == expected


def test_of_equal_rows_the_core_set_has_each_once():
    pool = np.zeros((4, 2))
    assert sorted(farthest_first(pool, pool[:1], 4)) == [0, 1, 2, 3]


GPS = {
    "skdeep": GaussianProcessRegressor(
        kernel=Matern52(lengthscale=0.4, variance=2.0), noise=1.0, random_state=0
    ),
    "no noise": GaussianProcessRegressor(
        kernel=RBF(lengthscale=0.4, variance=1.0), noise=0.0, prior_mean=0.0
    ),
    "linear mean": GaussianProcessRegressor(
        kernel=RBF(lengthscale=0.4, variance=1.0), noise=0.1, prior_mean="linear"
    ),
    "scikit-learn": ScikitLearnGP(
        ConstantKernel(2.0, "fixed") * ScikitLearnRBF(0.4, "fixed") + WhiteKernel(0.05, "fixed"),
        alpha=0.02,
    ),
}


def summed_variance(model, X, y, pool):
    """Variances of f over the pool after a fit, summed; without the noise."""
    model.fit(X, y)
    std = model.predict(pool, return_std=True)[1]
    white = 0.05 if isinstance(model, ScikitLearnGP) else 0.0
    return np.sum(std**2 - white)


@pytest.mark.parametrize("name", GPS)
def test_variance_reduction_picks_what_refits_by_brute_force_pick(rng, name):
    model = GPS[name]
    X, pool = rng.random((6, 2)), rng.random((25, 2))
    y = np.sin(5 * X[:, 0])
    covariance, noise = posterior_covariance(model.fit(X, y), pool)
    assert np.trace(covariance) == pytest.approx(summed_variance(model, X, y, pool))
    seen, expected = X, []
    for _ in range(4):  # whatever the labels are: here 7
        left = [
            summed_variance(
                model,
                np.vstack([seen, pool[[i]]]),
                np.append(y, [7.0] * (len(expected) + 1)),
                pool,
            )
            if i not in expected
            else np.inf
            for i in range(len(pool))
        ]
        expected.append(int(np.argmin(left)))
        seen = np.vstack([seen, pool[expected[-1:]]])
    assert variance_reduction(covariance, noise, 4).tolist() == expected


def test_variance_reduction_minds_what_hyper_parameters_leave_open(rng):
    X, pool = rng.random((8, 2)), rng.random((40, 2))
    y = 100 * np.sin(5 * X[:, 0])
    learner = ActiveLearner(GaussianProcessRegressor(random_state=0), batch_size=3, random_state=0)
    model = learner.fit(X, y).estimator_
    draws = exact.draws(model._posterior, 16, np.random.default_rng([learner._seed, 8]))
    means = []
    for theta in (draw.theta + model.theta_ - model._posterior.theta for draw in draws):
        *lengthscales, variance, noise = np.exp(theta)
        held = GaussianProcessRegressor(
            kernel=Matern52(lengthscale=lengthscales, variance=variance), noise=noise
        )
        means.append(held.fit(X, y).predict(pool))
    covariance, noise = posterior_covariance(model, pool)
    expected = variance_reduction(covariance + 3 * np.cov(np.transpose(means), bias=True), noise, 3)
    assert learner.query(pool).tolist() == expected.tolist()
    assert expected.tolist() != variance_reduction(covariance, noise, 3).tolist()
    kernel = Matern52(lengthscale=[0.5, 0.5], variance=5e3)
    known = clone(model).set_params(kernel=kernel, noise=1.0)
    learner = learner.set_params(estimator=known).fit(X, y)
    expected = variance_reduction(*posterior_covariance(learner.estimator_, pool), 3)
    assert learner.query(pool).tolist() == expected.tolist()


def test_the_largest_variance_is_that_after_refits(rng):
    model = GPS["skdeep"]
    X, pool = rng.random((6, 2)), rng.random((25, 2))
    covariance, noise = posterior_covariance(model.fit(X, X[:, 0]), pool)
    picked = largest_variance(covariance, noise, 4)
    for k in range(4):
        seen = np.vstack([X, pool[picked[:k]]])
        std = model.fit(seen, seen[:, 1]).predict(pool, return_std=True)[1]
        assert picked[k] == std.argmax()


def test_a_pipelines_covariance_is_that_of_scaled_rows(rng):
    X, pool = rng.random((6, 2)) * [1, 100], rng.random((5, 2)) * [1, 100]
    y = X[:, 0]
    for model in GPS.values():
        pipe = make_pipeline(StandardScaler(), model).fit(X, y)
        scaler = StandardScaler().fit(X)
        expected = posterior_covariance(model.fit(scaler.transform(X), y), scaler.transform(pool))
        found = posterior_covariance(pipe, pool)
        np.testing.assert_allclose(found[0], expected[0], atol=1e-12)
        np.testing.assert_allclose(found[1], expected[1], atol=1e-12)


def test_scikit_learns_noise_is_in_the_units_of_y(rng):
    X, pool = rng.random((6, 2)), rng.random((5, 2))
    y = 10 * X[:, 0]
    model = clone(GPS["scikit-learn"]).set_params(normalize_y=True).fit(X, y)
    covariance, noise = posterior_covariance(model, pool)
    np.testing.assert_allclose(noise, 0.07 * y.var())
    std = model.predict(pool, return_std=True)[1]
    np.testing.assert_allclose(covariance.diagonal() + 0.05 * y.var(), std**2)


def test_a_row_and_its_double_are_not_both_asked_of_members(rng):
    predictions = rng.normal(size=(10, 6))
    predictions[:, 1] = predictions[:, 0] = 3 * predictions[:, 0]
    covariance = member_covariance(predictions)
    np.testing.assert_allclose(covariance, np.cov(predictions.T, bias=True))
    picked = largest_variance(covariance, np.full(6, 0.1), 5)
    assert picked[0] == 0
    assert 1 not in picked


def test_rows_that_are_known_without_noise_are_never_wanted(rng):
    C = np.diag([0.0, 1.0, 0.0, 2.0])
    assert set(variance_reduction(C, np.zeros(4), 2)) == {1, 3}
    assert sorted(variance_reduction(C, np.zeros(4), 4)) == [0, 1, 2, 3]


@pytest.mark.parametrize("sparse", [False, True])
def test_clusters_are_asked_for_once_each_at_their_heaviest(rng, sparse):
    centres = np.array([[0, 0], [9, 0], [0, 9], [9, 9]])
    Z = np.repeat(centres, 10, axis=0) + 0.1 * rng.normal(size=(40, 2))
    scores = np.where(np.arange(40) % 10 == 3, 1.0, 1e-9)  # the means are at the fourth rows
    found = clustered(sp.csr_array(Z) if sparse else Z, scores, 4, rng)
    assert sorted(found) == [3, 13, 23, 33]
    scores[[3, 13]] = [0.5, 0.7]
    assert clustered(Z, scores, 4, rng)[2:].tolist() == [13, 3]


def test_of_fewer_different_rows_than_are_asked_for_each_comes_first(rng):
    Z = np.array([[0.0], [0.0], [1.0], [1.0], [1.0]])
    found = clustered(Z, np.array([0.1, 0.1, 0.3, 0.4, 0.2]), 4, rng)
    assert len(set(found)) == 4
    assert set(Z[found[:2], 0]) == {0.0, 1.0}
    assert len(set(clustered(Z, np.zeros(5), 5, rng))) == 5
    signed = np.array([[0.0], [-0.0], [1.0]])  # two rows, not three
    assert set(signed[clustered(signed, np.ones(3), 2, rng), 0]) == {0.0, 1.0}


def test_two_centres_next_to_one_row_ask_for_two(rng):
    for _ in range(20):  # in many dimensions the row at the origin is next to most centres
        Z = np.vstack([np.zeros(30), rng.normal(size=(60, 30))])
        assert len(set(clustered(Z, np.ones(61), 4, rng))) == 4


def test_rows_are_drawn_by_their_scores_without_replacement():
    scores = np.array([0.0, 1.0, 2.0, 5.0, 0.0])
    second = []
    for seed in range(2000):
        found = power(scores, 4, np.random.default_rng(seed))
        assert found[0] == 3  # the highest is not left to chance
        assert set(found[:3]) == {1, 2, 3}
        second.append(found[1])
    assert np.mean(np.array(second) == 2) == pytest.approx(2 / 3, abs=0.04)
