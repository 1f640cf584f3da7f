import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesRegressor, GradientBoostingRegressor, RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import BayesianRidge, LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

import skdeep
from skdeep import GaussianProcessRegressor, MLPRegressor
from skdeep.active_learning import BanditPolicy
from skdeep.active_learning.bandit import _probabilities_of_best


def log(n=400, n_actions=3, seed=0):
    """Rows, actions drawn evenly, rewards, and the mean reward of each action."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    weights = np.random.default_rng(99).normal(size=(2, n_actions))
    actions, mean = rng.integers(n_actions, size=n), X @ weights
    return X, actions, mean[np.arange(n), actions] + rng.normal(size=n), mean


def state(policy):
    return {name: id(value) for name, value in vars(policy).items()}


def test_thompson_chooses_as_often_as_the_posterior_says_for_two_gaussian_arms():
    """Of n rewards, of mean m and variance v, F is N(m, v / n): flat prior, known variance."""
    rng = np.random.default_rng(0)
    X, actions = np.zeros((60, 1)), np.repeat([0, 1], [20, 40])
    rewards = rng.normal(size=60) + 0.3 * actions
    policy = BanditPolicy(BayesianRidge(), random_state=0).fit(X, actions, rewards)
    m = [rewards[actions == a].mean() for a in (0, 1)]
    v = [1 / arm.model.alpha_ for arm in policy._arms.values()]
    noise = np.average([rewards[actions == a].var() for a in (0, 1)], weights=[20, 40])
    v = np.maximum(v, noise)  # no arm's noise is taken to be less than that of all
    p = norm.cdf((m[1] - m[0]) / np.sqrt(v[0] / 20 + v[1] / 40))
    assert policy.propensities([[0.0]])[0, 1] == pytest.approx(p, abs=1e-6)
    chosen = policy.choose(np.zeros((20_000, 1)))
    assert chosen.mean() == pytest.approx(p, abs=4 * np.sqrt(p * (1 - p) / 20_000))


@pytest.mark.parametrize("n_actions", [3, 6])
def test_the_probability_of_the_best_is_how_often_it_is_the_best(n_actions):
    rng = np.random.default_rng(0)
    mean, deviation = rng.normal(size=(4, n_actions)), rng.uniform(0.01, 2, (4, n_actions))
    drawn = mean[..., None] + deviation[..., None] * rng.normal(size=(4, n_actions, 200_000))
    often = (drawn.argmax(axis=1)[:, None] == np.arange(n_actions)[:, None]).mean(axis=2)
    np.testing.assert_allclose(_probabilities_of_best(mean, deviation), often, atol=0.008)


def test_equal_beliefs_are_equally_likely_and_certain_ones_certain():
    nothing = np.zeros((1, 4))
    np.testing.assert_allclose(_probabilities_of_best(nothing, nothing), 0.25)
    np.testing.assert_allclose(_probabilities_of_best(nothing + 7, nothing + 2), 0.25)
    certain = _probabilities_of_best(np.array([[0.0, 1.0, 0.5]]), np.zeros((1, 3)))
    np.testing.assert_array_equal(certain, [[0, 1, 0]])


@pytest.mark.parametrize(
    "settings",
    [
        {"strategy": "thompson"},
        {"strategy": "upper_bound"},
        {"strategy": "epsilon", "epsilon": 0.3},
    ],
    ids=lambda settings: settings["strategy"],
)
def test_propensities_add_up_to_one_and_are_how_often_actions_are_chosen(settings):
    X, actions, rewards, _ = log(60)
    policy = BanditPolicy(BayesianRidge(), random_state=0, **settings).fit(X, actions, rewards)
    p = policy.propensities(X[:5])
    np.testing.assert_allclose(p.sum(axis=1), 1)
    chosen, logged = policy.choose(np.repeat(X[:5], 5000, axis=0), return_propensity=True)
    often = (chosen.reshape(5, -1, 1) == policy.actions_).mean(axis=1)
    np.testing.assert_allclose(often, p, atol=0.025)
    np.testing.assert_allclose(logged, p[np.repeat(np.arange(5), 5000), chosen])


def test_epsilon_goes_from_greedy_to_even():
    X, actions, rewards, _ = log()
    greedy, even, between = (
        BanditPolicy(LinearRegression(), strategy="epsilon", epsilon=epsilon).fit(
            X, actions, rewards
        )
        for epsilon in (0, 1, 0.3)
    )
    models = [LinearRegression().fit(X[actions == a], rewards[actions == a]) for a in range(3)]
    best = np.argmax([model.predict(X) for model in models], axis=0)
    np.testing.assert_array_equal(greedy.choose(X), best)
    np.testing.assert_array_equal(greedy.propensities(X), np.eye(3)[best])
    np.testing.assert_allclose(even.propensities(X), 1 / 3)
    np.testing.assert_allclose(between.propensities(X).max(axis=1), 0.7 + 0.1)


def test_an_upper_bound_is_mean_plus_width_deviations():
    X, actions, rewards, _ = log(60)
    for width in (0.0, 2.0):
        policy = BanditPolicy(BayesianRidge(), strategy="upper_bound", width=width)
        mean, deviation = policy.fit(X, actions, rewards).beliefs(X)
        expected = (mean + width * deviation).argmax(axis=1)
        np.testing.assert_array_equal(policy.choose(X), expected)


def test_the_doubt_of_a_bayesian_ridge_is_that_of_a_linear_regression():
    """With large weights its prior is weak: s^2 (1 + (x - m)' S^-1 (x - m)) / n, without noise."""
    X, actions, rewards, mean = log(3000, n_actions=2)
    rewards += 20 * mean[np.arange(3000), actions]
    policy = BanditPolicy(BayesianRidge()).fit(X, actions, rewards)
    mean, deviation = policy.beliefs(X[:20])
    for a in (0, 1):
        own, y = X[actions == a], rewards[actions == a]
        model = LinearRegression().fit(own, y)
        variance, centred = np.mean((y - model.predict(own)) ** 2), X[:20] - own.mean(axis=0)
        inverse = np.linalg.inv(np.cov(own.T, bias=True))
        leverage = 1 + np.einsum("ij,jk,ik->i", centred, inverse, centred)
        np.testing.assert_allclose(mean[:, a], model.predict(X[:20]), atol=0.01)
        expected = np.sqrt(variance * leverage / len(y))
        np.testing.assert_allclose(deviation[:, a], expected, rtol=0.03)


MODELS = {
    "Gaussian process": GaussianProcessRegressor(n_restarts=0, random_state=0),
    "forest": RandomForestRegressor(20, random_state=0),
    "network": MLPRegressor(hidden_layer_sizes=(16,), dropout=0.2, random_state=0),
}


@pytest.mark.parametrize("name", MODELS)
def test_models_of_all_kinds_tell_how_unsure_they_are(name):
    X, actions, rewards, _ = log(120, n_actions=2)
    policy = BanditPolicy(MODELS[name], random_state=0).fit(X, actions, rewards)
    model = policy._arms[0].model
    if name == "forest":
        expected = np.std([tree.predict(X) for tree in model.estimators_], axis=0)
    else:
        several = {"n_samples": 50} if name == "network" else {}
        expected = model.predict(X, return_std=True, **several)[1]
    mean, deviation = policy.beliefs(X)
    np.testing.assert_allclose(mean[:, 0], model.predict(X), atol=0.2)
    least = np.sqrt(policy._noise / (actions == 0).sum())
    np.testing.assert_allclose(deviation[:, 0], np.maximum(expected, least), rtol=1e-6)
    assert policy.propensities(X).min() < 0.1


def test_in_a_pipeline_a_model_is_as_unsure_as_alone():
    X, actions, rewards, _ = log()
    policy = BanditPolicy(make_pipeline(StandardScaler(), BayesianRidge()))
    policy.fit(X * [1e3, 1e-3], actions, rewards)
    alone = BanditPolicy(BayesianRidge()).fit(X, actions, rewards)
    for found, expected in zip(policy.beliefs(X * [1e3, 1e-3]), alone.beliefs(X)):
        np.testing.assert_allclose(found, expected, atol=0.03)


def test_a_new_action_is_tried_soon_and_found_to_be_the_best():
    X, actions, rewards, _ = log()
    policy = BanditPolicy(BayesianRidge(), random_state=0).fit(X, actions, rewards).add(3)
    np.testing.assert_array_equal(policy.actions_, [0, 1, 2, 3])
    mean, deviation = policy.beliefs(X[:2])
    np.testing.assert_allclose(mean[:, 3], rewards.mean())  # like the others
    np.testing.assert_allclose(deviation[:, 3], rewards.std())
    rng, share = np.random.default_rng(0), []
    for _ in range(20):
        rows = rng.normal(size=(25, 2))
        chosen = policy.choose(rows)
        policy.update(rows, chosen, np.where(chosen == 3, 6.0, 0.0) + rng.normal(size=25))
        share.append(np.mean(chosen == 3))
    assert share[0] > 0
    assert share[-1] == 1


def test_rewards_may_come_late_in_any_parts():
    X, actions, rewards, _ = log()
    whole = BanditPolicy(BayesianRidge()).fit(X, actions, rewards)
    parts = BanditPolicy(BayesianRidge()).fit(X[:100], actions[:100], rewards[:100])
    for rows in np.split(np.arange(100, 400), [7, 150, 151]):
        parts.update(X[rows], actions[rows], rewards[rows])
    np.testing.assert_allclose(parts.propensities(X), whole.propensities(X))


def test_a_window_keeps_the_last_rows_of_each_action():
    X, actions, rewards, _ = log()
    policy = BanditPolicy(BayesianRidge(), window=50).fit(X, actions, rewards)
    for a, arm in policy._arms.items():
        np.testing.assert_array_equal(arm.X, X[actions == a][-50:])
        np.testing.assert_array_equal(arm.rewards, rewards[actions == a][-50:])


def test_actions_may_have_names_and_rows_may_be_a_frame():
    X, actions, rewards, _ = log()
    names, frame = np.array(["c", "a", "b"]), pd.DataFrame(X, columns=["u", "v"])
    numbered = BanditPolicy(BayesianRidge(), random_state=0).fit(X, actions, rewards)
    named = BanditPolicy(BayesianRidge(), random_state=0).fit(frame, names[actions], rewards)
    np.testing.assert_array_equal(named.actions_, ["a", "b", "c"])
    order = np.argsort(names)
    np.testing.assert_allclose(named.propensities(frame), numbered.propensities(X)[:, order])
    assert set(named.add("a long name").choose(frame)) <= {"a", "b", "c", "a long name"}


@pytest.mark.parametrize(
    ("kind", "wrong", "right"),
    [
        (int, ["1", "x", None, np.nan, np.datetime64("2026-01-01")], [5, np.int32(6), 2.5]),
        (str, [5, True, None, np.nan], ["a longer name", np.str_("x")]),
    ],
)
def test_all_actions_are_of_one_kind(kind, wrong, right):
    X, actions, rewards, _ = log(60)
    actions = actions.astype(kind)
    policy = BanditPolicy(BayesianRidge(), random_state=0).fit(X, actions, rewards)
    before = state(policy)
    for action in wrong:
        with pytest.raises((ValueError, TypeError), match=r"^actions?[: ]|Input actions? contains"):
            policy.add(action)
        mixed = np.append(actions[1:].astype(object), [action])
        with pytest.raises((ValueError, TypeError), match=r"^actions[: ]|Input actions contains"):
            policy.update(X, mixed, rewards)
        with pytest.raises((ValueError, TypeError), match=r"^actions[: ]|Input actions contains"):
            policy.fit(X, mixed.tolist(), rewards)
    assert state(policy) == before
    for action in right:
        policy.add(action)
        with pytest.raises(ValueError, match="is there already"):
            policy.add(action)
    assert policy.actions_.tolist() == np.unique(actions).tolist() + right
    chosen = policy.choose(np.repeat(X, 10, axis=0))
    assert set(chosen.tolist()) > set(actions.tolist())
    policy.update(X, chosen[:60], rewards)
    assert policy.propensities(X[:1]).shape == (1, 3 + len(right))


def test_a_misspelt_action_is_no_new_one():
    X, actions, rewards, _ = log(60)
    names = np.array(["a", "b", "c"])[actions]
    policy = BanditPolicy(BayesianRidge()).fit(X, names, rewards)
    before = state(policy)
    message = (
        r"actions \['B'\] are none of the policy's, \['a', 'b', 'c'\]; give new ones to .* add"
    )
    with pytest.raises(ValueError, match=message):
        policy.update(X[:2], ["a", "B"], rewards[:2])
    assert state(policy) == before
    # A column of a table may hold them, too, as objects.
    policy.update(X, pd.Series(names, dtype=object), pd.Series(rewards))


@pytest.mark.parametrize(
    "model", [RandomForestRegressor(5, random_state=0), ExtraTreesRegressor(5, random_state=0)]
)
def test_a_forest_of_a_frame_is_as_unsure_as_of_an_array(model):
    X, actions, rewards, _ = log(100)
    frame = pd.DataFrame(X, columns=["u", "v"])
    policy, other = (BanditPolicy(model).fit(rows, actions, rewards) for rows in (frame, X))
    for found, expected in zip(policy.beliefs(frame), other.beliefs(X)):
        np.testing.assert_array_equal(found, expected)


def test_an_action_whose_rewards_are_all_equal_is_less_in_doubt_the_more_there_are():
    X, actions, rewards, _ = log(200, n_actions=2)
    rewards[actions == 0] = 3.0
    mean, deviation = BanditPolicy(BayesianRidge()).fit(X, actions, rewards).beliefs(X[:1])
    n = (actions == 0).sum()
    assert n > 80
    assert mean[0, 0] == pytest.approx((3 * n + rewards.mean()) / (n + 1))
    assert deviation[0, 0] == pytest.approx(rewards.std() / np.sqrt(n - 9))


def test_another_fit_may_be_on_rows_without_columns():
    X, actions, rewards, _ = log(60)
    policy = BanditPolicy(BayesianRidge()).fit(
        pd.DataFrame(X, columns=["u", "v"]), actions, rewards
    )
    texts = [f"row {int(10 * x)}" for x in X[:, 0]]
    model = make_pipeline(CountVectorizer(), LinearRegression())
    policy.set_params(estimator=model, strategy="epsilon").fit(texts, actions, rewards)
    assert not hasattr(policy, "n_features_in_")
    assert not hasattr(policy, "feature_names_in_")
    assert policy.update(texts, actions, rewards).choose(texts).shape == (60,)


AGAIN = """
import numpy as np, sys, skdeep
policy, rows = skdeep.load(sys.argv[1]), np.load(sys.argv[2])
policy.update(rows["X"], rows["actions"], rows["rewards"])
np.savez(sys.argv[3], p=policy.propensities(rows["X"]), chosen=policy.choose(rows["X"]))
"""


def test_a_saved_policy_goes_on_elsewhere_as_the_original_does(tmp_path):
    X, actions, rewards, _ = log(120)
    names = np.array(["a", "b", "c"])[actions]
    policy = BanditPolicy(BayesianRidge(), random_state=0).fit(X, names, rewards).add("d")
    policy.choose(X)
    model, rows, found = (tmp_path / name for name in ("p.skdeep", "rows.npz", "found.npz"))
    skdeep.save(policy, model)
    np.savez(rows, X=X, actions=names, rewards=rewards)
    subprocess.run([sys.executable, "-c", AGAIN, model, rows, found], check=True)
    policy.update(X, names, rewards)
    with np.load(found) as other:
        np.testing.assert_array_equal(other["p"], policy.propensities(X))
        np.testing.assert_array_equal(other["chosen"], policy.choose(X))
    with pytest.raises(TypeError, match="save takes no DataFrame; pickle it"):
        skdeep.save(policy.fit(pd.DataFrame(X), names, rewards), model)


@pytest.mark.parametrize("strategy", ["thompson", "upper_bound"])
def test_regret_grows_like_a_logarithm(strategy):
    """Two arms without context, 1 apart: ever fewer wrong choices, about 2 log(t) in all."""
    regrets = []
    for seed in range(8):
        rng, wrong = np.random.default_rng(seed), []
        policy = BanditPolicy(BayesianRidge(), strategy=strategy, random_state=seed, width=2.0)
        actions = np.arange(20) % 2
        policy.fit(np.zeros((20, 1)), actions, actions + rng.normal(size=20))
        for _ in range(64):
            chosen = policy.choose(np.zeros((10, 1)))
            wrong.append(np.sum(chosen == 0))
            policy.update(np.zeros((10, 1)), chosen, chosen + rng.normal(size=10))
        regrets.append(np.cumsum(wrong)[[15, 63]])
    early, late = np.mean(regrets, axis=0)
    assert late < 2 * np.log(640) / 1.0**2 + 10
    assert late < 1.8 * early + 1  # four times the rows; a linear regret would grow fourfold


def test_the_same_seed_makes_the_same_choices_and_pickles_go_on():
    X, actions, rewards, _ = log()
    first, second = (
        BanditPolicy(BayesianRidge(), random_state=0).fit(X, actions, rewards) for _ in range(2)
    )
    np.testing.assert_array_equal(first.choose(X), second.choose(X))
    copy = pickle.loads(pickle.dumps(first))
    np.testing.assert_array_equal(copy.choose(X), first.choose(X))
    assert clone(first).get_params()["estimator"].get_params() == BayesianRidge().get_params()


X, actions, rewards, _ = log(100)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((X[:, :1], actions, rewards), "X has 1 features"),
        ((X[:50], actions, rewards), "inconsistent numbers of samples"),
        ((X, actions, np.where(rewards > 1, np.nan, rewards)), "rewards contains NaN"),
        ((X, np.where(actions == 1, np.nan, actions), rewards), "actions contains NaN"),
        ((X[:0], actions[:0], rewards[:0]), "X has no rows"),
        ((X, actions, rewards.astype("datetime64[D]")), r"rewards: dates .* are no numbers"),
        ((X, actions, ["much"] * 100), "rewards: could not convert string to float: 'much'"),
        ((X * np.nan, actions, rewards), "Input X contains NaN"),
        ((X.tolist(), actions, rewards), "X is of type list, but fit got ndarray"),
        ((X[0], actions[:1], rewards[:1]), r"must hold rows, but is one, of shape \(2,\)"),
    ],
)
def test_a_bad_update_is_refused_and_changes_nothing(arguments, message):
    policy = BanditPolicy(BayesianRidge()).fit(X, actions, rewards)
    before = state(policy)
    with pytest.raises((ValueError, TypeError), match=message):
        policy.update(*arguments)
    assert state(policy) == before


def test_what_makes_no_sense_is_refused():
    policy = BanditPolicy(BayesianRidge())
    for method in (policy.choose, policy.propensities, policy.beliefs, policy.add):
        with pytest.raises(NotFittedError):
            method(X)
    with pytest.raises(TypeError, match="SVR does not tell how unsure it is; take one that has"):
        BanditPolicy(SVR()).fit(X, actions, rewards)
    with pytest.raises(TypeError, match="GradientBoostingRegressor does not tell how unsure"):
        BanditPolicy(GradientBoostingRegressor()).fit(X, actions, rewards)
    with pytest.raises(TypeError, match=r"must be a regressor, .* but is LogisticRegression"):
        BanditPolicy(LogisticRegression()).fit(X, actions, rewards)
    with pytest.raises(ValueError, match="'strategy' parameter"):
        BanditPolicy(BayesianRidge(), strategy="greedy").fit(X, actions, rewards)
    policy.fit(X, actions, rewards)
    with pytest.raises(ValueError, match="action 1 is there already"):
        policy.add(np.int64(1))
    with pytest.raises(
        ValueError, match=r"has labels such as 'zzz', but those before .* such as 0"
    ):
        policy.add(np.str_("zzz"))
    for method in (policy.choose, policy.propensities, policy.beliefs):
        with pytest.raises(ValueError, match=r"X must hold rows, but is one, .* axis, \(1, 2\)"):
            method(X[0])
        with pytest.raises(ValueError, match="X has no rows"):
            method(X[:0])
