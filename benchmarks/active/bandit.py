"""Bandits: what exploration costs, against epsilon-greedy, where the truth is known.

    python benchmarks/active/bandit.py            ten minutes on one core
    python benchmarks/active/bandit.py --save     and keep benchmarks/results/active_bandit.json

Ten actions, five standard normal numbers known of each row. The mean reward of an action is linear
in them, with weights from N(0, 1 / 5) and an intercept from N(0, 1 / 4), and comes with noise of
variance 1 ("linear"); or a click comes with the probability of the logistic function of two times
that, less 2 ("clicks"). Each policy begins with 100 rows of a log whose actions were drawn evenly,
and then chooses for 4,000 rows, in batches of 25 whose rewards come one batch late. Regret is what
the best action's mean exceeds that of the chosen one by, summed. All policies meet the same rows,
truths and noise; the model is BayesianRidge.
"""

import argparse

import numpy as np
from common import keep

N_ACTIONS, N_FEATURES, N_FIRST, N, BATCH = 10, 5, 100, 4000, 25
POLICIES = {
    "thompson": {"strategy": "thompson"},
    "upper_bound": {"strategy": "upper_bound"},
    **{
        f"epsilon {epsilon}": {"strategy": "epsilon", "epsilon": epsilon}
        for epsilon in (0.0, 0.01, 0.03, 0.1)
    },
}


def world(seed: int, kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, mean rewards of all actions, and rewards that they would bring."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N_FIRST + N, N_FEATURES))
    weights = rng.normal(size=(N_FEATURES, N_ACTIONS)) / np.sqrt(N_FEATURES)
    mean = X @ weights + rng.normal(size=N_ACTIONS) / 2
    if kind == "linear":
        return X, mean, mean + rng.normal(size=mean.shape)
    mean = 1 / (1 + np.exp(2 - 2 * mean))
    return X, mean, (rng.random(mean.shape) < mean).astype(float)


def regret(seed: int, kind: str, settings: dict) -> np.ndarray:
    """Regret of each row after the first, in their order."""
    from sklearn.linear_model import BayesianRidge

    from skdeep.active_learning import BanditPolicy

    X, mean, rewards = world(seed, kind)
    actions = np.random.default_rng([seed, 1]).integers(N_ACTIONS, size=N_FIRST + N)
    actions[:N_ACTIONS] = np.arange(N_ACTIONS)
    rows = np.arange(N_FIRST)
    policy = BanditPolicy(BayesianRidge(), random_state=seed, **settings)
    policy.fit(X[rows], actions[rows], rewards[rows, actions[rows]])
    late = None
    for start in range(N_FIRST, N_FIRST + N, BATCH):
        rows = np.arange(start, start + BATCH)
        actions[rows] = policy.choose(X[rows])
        if late is not None:
            policy.update(X[late], actions[late], rewards[late, actions[late]])
        late = rows
    every = np.arange(N_FIRST, N_FIRST + N)
    return mean[every].max(axis=1) - mean[every, actions[every]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=16)
    parser.add_argument("--save", action="store_true", help="keep what was measured")
    arguments = parser.parse_args()
    found: dict = {}
    for kind in ("linear", "clicks"):
        totals = {}
        for name, settings in POLICIES.items():
            runs = [regret(seed, kind, settings) for seed in range(arguments.seeds)]
            totals[name] = np.array([run.sum() for run in runs])
            last = np.mean([run[-1000:].sum() for run in runs])
            print(
                f"{kind:8} {name:14} regret {totals[name].mean():7.1f}, median "
                f"{np.median(totals[name]):7.1f}, of the last 1,000 rows {last:6.1f}",
                flush=True,
            )
            found[f"{kind}, {name}"] = totals[name].round(2).tolist()
        rivals = [name for name in totals if "epsilon" in name]
        for name in ("thompson", "upper_bound"):
            for rival in rivals:
                gain = totals[rival] - totals[name]
                error = gain.std(ddof=1) / np.sqrt(len(gain))
                print(
                    f"{kind:8} {name} below {rival} by {gain.mean():.1f}, standard error "
                    f"{error:.1f}, in {(gain > 0).sum()} of {len(gain)}"
                )
    if arguments.save:
        keep("bandit", regret=found)


if __name__ == "__main__":
    main()
