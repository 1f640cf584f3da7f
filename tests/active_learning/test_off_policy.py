import numpy as np
import pytest
from sklearn.linear_model import BayesianRidge, Ridge

from skdeep.active_learning import BanditPolicy, replay_value


def log(n=400, seed=0):
    """Rows, actions drawn evenly from three, rewards, and the mean reward of each action."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    actions = rng.integers(3, size=n)
    mean = X @ np.random.default_rng(99).normal(size=(2, 3))
    return X, actions, mean[np.arange(n), actions] + rng.normal(size=n), mean


def state(policy):
    return {name: id(value) for name, value in vars(policy).items()}


def logged(seed, n=200):
    """A log of a known policy, which prefers an action by the first column."""
    X, _, _, mean = log(n, seed)
    rng = np.random.default_rng([seed, 1])
    q = np.where(X[:, :1] > 0, [0.6, 0.3, 0.1], [0.2, 0.3, 0.5])
    actions = (rng.random((n, 1)) > np.cumsum(q, axis=1)).sum(axis=1)
    rewards = mean[np.arange(n), actions] + rng.normal(size=n)
    return X, actions, rewards, q[np.arange(n), actions], mean


@pytest.mark.parametrize("method", ["ips", "snips", "dr"])
def test_the_value_of_a_policy_is_estimated_without_bias_and_with_its_error(method):
    X, actions, rewards, _ = log(150, seed=1000)
    policy = BanditPolicy(BayesianRidge()).fit(X, actions, rewards)
    truth, found = [], []
    for seed in range(200, 350):
        X, actions, rewards, q, mean = logged(seed)
        value = replay_value(policy, X, actions, rewards, q, method=method)
        found.append(value)
        truth.append((policy.propensities(X) * mean).sum(axis=1).mean())
    found = np.array(found)
    bias = found[:, 0] - truth
    assert abs(bias.mean()) < 3 * bias.std() / np.sqrt(len(bias))
    off = found[:, 0] - np.mean(truth)  # the error tells of other rows, too
    assert np.sqrt(np.mean(found[:, 1] ** 2)) == pytest.approx(off.std(), rel=0.2)
    inside = np.mean(np.abs(off) < 1.96 * found[:, 1])
    assert inside == pytest.approx(0.95, abs=0.06)


def test_a_good_model_narrows_the_estimate():
    X, actions, rewards, _ = log(600, seed=1000)
    policy = BanditPolicy(BayesianRidge()).fit(X, actions, rewards)
    errors = {
        method: replay_value(policy, *logged(0)[:4], method=method).error
        for method in ("ips", "snips", "dr")
    }
    assert errors["dr"] < errors["snips"] < errors["ips"]


def test_even_choices_need_no_propensities():
    X, actions, rewards, _ = log()
    policy = BanditPolicy(BayesianRidge()).fit(*log(seed=1)[:3])
    one = replay_value(policy, X, actions, rewards)
    np.testing.assert_allclose(one, replay_value(policy, X, actions, rewards, np.full(400, 1 / 3)))


def test_replay_is_what_the_policy_would_have_earned_while_learning():
    replayed, earned = [], []
    for seed in range(10):
        first, (X, actions, rewards, mean) = log(60, seed=seed + 500)[:3], log(600, seed=seed)
        policy = BanditPolicy(BayesianRidge(), random_state=seed).fit(*first)
        before = state(policy)
        value = replay_value(policy, X, actions, rewards, method="replay")
        assert state(policy) == before
        assert value.n_effective == pytest.approx(200, abs=45)
        replayed.append(value.value)
        # And live, over as many rows, learning as often.
        rng, sums = np.random.default_rng([seed, 2]), []
        for start in range(0, 200, 10):
            rows = np.arange(start, start + 10)
            chosen = policy.choose(X[rows])
            got = mean[rows, chosen] + rng.normal(size=10)
            policy.update(X[rows], chosen, got)
            sums.append(got.mean())
        earned.append(np.mean(sums))
    gap = np.subtract(replayed, earned)
    assert abs(gap.mean()) < 3 * gap.std() / np.sqrt(len(gap))
    assert abs(gap.mean()) < 0.1 * np.mean(earned)


def test_estimates_are_the_sums_that_define_them():
    X, actions, rewards, q, _ = logged(3)
    policy = BanditPolicy(BayesianRidge()).fit(*log(200, seed=5)[:3])
    p, mean, n = policy.propensities(X), policy.beliefs(X)[0], len(X)
    w = p[np.arange(n), actions] / q
    ips, dr = w * rewards, (p * mean).sum(axis=1) + w * (rewards - mean[np.arange(n), actions])
    effective = w.sum() ** 2 / (w**2).sum()
    for method, parts in (("ips", ips), ("dr", dr)):
        expected = parts.mean(), parts.std(ddof=1) / np.sqrt(n), effective
        found = replay_value(policy, X, actions, rewards, q, method=method)
        np.testing.assert_allclose(found, expected)
    value = ips.sum() / w.sum()
    # The delta method, for a ratio of two means.
    error = np.sqrt(np.mean(w**2 * (rewards - value) ** 2) / n) / w.mean()
    found = replay_value(policy, X, actions, rewards, q, method="snips")
    np.testing.assert_allclose(found, (value, error, effective))


def certain():
    """A policy that always takes action 1."""
    rng = np.random.default_rng(0)
    X, actions = rng.normal(size=(60, 2)), np.arange(60) % 2
    policy = BanditPolicy(BayesianRidge(), strategy="upper_bound", width=0.0)
    return policy.fit(X, actions, actions * 10 + rng.normal(size=60)), X


@pytest.mark.parametrize("method", ["dr", "ips", "snips", "replay"])
def test_a_log_of_other_actions_tells_nothing(method):
    policy, X = certain()
    with pytest.warns(UserWarning, match="takes none of the logged actions") as caught:
        found = replay_value(policy, X, np.zeros(60, int), np.ones(60), method=method)
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(found, [np.nan, np.nan, 0])


@pytest.mark.parametrize("method", ["dr", "ips", "snips", "replay"])
def test_one_row_has_a_value_but_no_error(method):
    policy, X = certain()
    evenly = {} if method == "replay" else {"propensities": [0.5]}
    found = replay_value(policy, X[:1], [1], [3.0], **evenly, method=method)
    believed = policy.beliefs(X[:1])[0][0, 1]
    expected = {"ips": 6, "dr": 6 - believed, "snips": 3, "replay": 3}
    assert found.value == pytest.approx(expected[method])
    assert np.isnan(found.error)
    assert found.n_effective == 1


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"policy": Ridge()}, TypeError, "policy must be a BanditPolicy, but is a Ridge"),
        ({"method": "best"}, ValueError, "method must be 'dr'"),
        ({"propensities": np.zeros(60)}, ValueError, r"lie in \(0, 1\], but go from 0"),
        ({"propensities": np.ones(3)}, ValueError, "inconsistent numbers of samples"),
        (
            {"propensities": np.ones((60, 2))},
            ValueError,
            r"one number for each row, that of the logged action, but have shape \(60, 2\)",
        ),
        ({"actions": np.arange(60)}, ValueError, r"actions \[2, 3, .* are none of the policy's"),
        ({"actions": ["1"] * 60}, ValueError, "actions has labels such as '1', but"),
        ({"propensities": np.ones(60), "method": "replay"}, ValueError, "likely; use 'dr'"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, error, message):
    policy, X = certain()
    log = {"policy": policy, "X": X, "actions": np.arange(60) % 2, "rewards": np.ones(60)}
    with pytest.raises(error, match=message):
        replay_value(**(log | arguments))
