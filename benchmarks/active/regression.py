"""Active regression: how many labels a Gaussian process saves on five functions.

    python benchmarks/active/regression.py            a quarter of an hour on one core
    python benchmarks/active/regression.py --save     and keep its result
    python benchmarks/active/regression.py --tuning 3     other functions, and a weight of doubt

Forrester's function [1]_ in one dimension, Branin's in two, Ishigami's in three, Friedman's first
in five [2]_, Hartmann's in six, on their usual domains [3]_: chosen before any was run. A label has
noise of 1% of the function's standard deviation. The pool is 500 uniform points, the score the root
mean square error at 2,000 others; both change with the seed. All strategies begin with the same 2 d
random labels. They ask for one at a time up to N = 10 d + 20, which was chosen before any was run;
and, as random labels have not begun to learn Ishigami's and Hartmann's function there, in batches
of d up to N = 20 d + 20.

What is saved: random labels have some error at N. The labels with which the other strategy has that
error, or less, for the first time (interpolated in the logarithm of the error), over N; where that
is not before N, it saves nothing. A median over seeds for each function, and of those the median.

The weight of what hyper-parameters leave open was chosen on five other functions: the six-hump
camel's, Currin's, Sobol's g, the OTL circuit and the borehole [3]_, on seeds 200 to 211, by the
mean of what is saved.

.. [1] Forrester, Sobester, Keane. Engineering design via surrogate modelling. Wiley, 2008.
.. [2] Friedman. Multivariate adaptive regression splines. Annals of Statistics 19(1), 1991.
.. [3] Surjanovic, Bingham. Virtual library of simulation experiments: test functions and datasets.
   Simon Fraser University.
"""

import argparse

import numpy as np
from common import keep
from threadpoolctl import threadpool_limits

STRATEGIES = ("random", "deviation", "variance_reduction")
N_POOL, N_TEST, NOISE = 500, 2000, 0.01


def forrester(U):
    x = U[:, 0]
    return (6 * x - 2) ** 2 * np.sin(12 * x - 4)


def branin(U):
    x, y = 15 * U[:, 0] - 5, 15 * U[:, 1]
    b, c, t = 5.1 / (4 * np.pi**2), 5 / np.pi, 1 / (8 * np.pi)
    return (y - b * x**2 + c * x - 6) ** 2 + 10 * (1 - t) * np.cos(x) + 10


def ishigami(U):
    x, y, z = np.pi * (2 * U.T - 1)
    return np.sin(x) + 7 * np.sin(y) ** 2 + 0.1 * z**4 * np.sin(x)


def friedman(U):
    a, b, c, d, e = U.T
    return 10 * np.sin(np.pi * a * b) + 20 * (c - 0.5) ** 2 + 10 * d + 5 * e


def hartmann(U):
    alpha = np.array([1.0, 1.2, 3.0, 3.2])
    A = [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14]]
    A += [[3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
    P = [[1312, 1696, 5569, 124, 8283, 5886], [2329, 4135, 8307, 3736, 1004, 9991]]
    P += [[2348, 1451, 3522, 2883, 3047, 6650], [4047, 8828, 8732, 5743, 1091, 381]]
    apart = (U[:, None] - 1e-4 * np.array(P)) ** 2
    return -np.exp(-(apart * np.array(A)).sum(axis=2)) @ alpha


def camel(U):
    x, y = 6 * U[:, 0] - 3, 4 * U[:, 1] - 2
    return (4 - 2.1 * x**2 + x**4 / 3) * x**2 + x * y + 4 * (y**2 - 1) * y**2


def currin(U):
    x, y = U.T
    high = 2300 * x**3 + 1900 * x**2 + 2092 * x + 60
    return -np.expm1(-1 / (2 * y)) * high / (100 * x**3 + 500 * x**2 + 4 * x + 20)


def sobol(U):
    a = np.array([0, 1, 4.5, 9])
    return np.prod((np.abs(4 * U - 2) + a) / (1 + a), axis=1)


def circuit(U):
    low = np.array([50, 25, 0.5, 1.2, 0.25, 50])
    b1, b2, f, c1, c2, beta = (low + (np.array([150, 70, 3, 2.5, 1.2, 300]) - low) * U).T
    gain = beta * (c2 + 9)
    middle = 12 * b2 / (b1 + b2) + 0.74
    return (middle * gain + 11.35 * f + 0.74 * f * gain / c1) / (gain + f)


def borehole(U):
    low = np.array([0.05, 100, 63070, 990, 63.1, 700, 1120, 9855])
    high = np.array([0.15, 50000, 115600, 1110, 116, 820, 1680, 12045])
    rw, r, tu, hu, tl, hl, length, kw = (low + (high - low) * U).T
    ratio = np.log(r / rw)
    return 2 * np.pi * tu * (hu - hl) / (ratio + 2 * length * tu / (rw**2 * kw) + ratio * tu / tl)


TUNING = {camel: 2, currin: 2, sobol: 4, circuit: 6, borehole: 8}
FUNCTIONS = {forrester: 1, branin: 2, ishigami: 3, friedman: 5, hartmann: 6}


def course(
    function, d: int, strategy: str, seed: int, batch_size: int, n_labels: int
) -> list[tuple[int, float]]:
    """(labels, error) of one strategy."""
    from skdeep import GaussianProcessRegressor
    from skdeep.active_learning import ActiveLearner

    rng = np.random.default_rng([seed, d])
    X, X_test = rng.random((N_POOL, d)), rng.random((N_TEST, d))
    truth = function(X_test)
    y = function(X) + NOISE * truth.std() * rng.standard_normal(N_POOL)
    partly = np.where(np.arange(N_POOL) < 2 * d, y, np.nan)
    model = GaussianProcessRegressor(random_state=0)
    learner = ActiveLearner(model, strategy=strategy, batch_size=batch_size, random_state=seed)
    learner.fit(X, partly)
    found = []
    while True:
        error = np.sqrt(np.mean((learner.predict(X_test) - truth) ** 2))
        found.append((len(learner.y_), float(error)))
        if len(learner.y_) == n_labels:
            return found
        learner.set_params(batch_size=min(batch_size, n_labels - len(learner.y_)))
        rows = learner.query()
        learner.label(rows, y[rows])


def labels_until(found: list[tuple[int, float]], error: float) -> float:
    """Labels with which the error is reached first; infinite if it never is."""
    n, errors = map(np.array, zip(*found))
    below = np.flatnonzero(errors <= error)
    if not len(below):
        return np.inf
    k = below[0]
    if k == 0:
        return float(n[0])
    share = np.log(errors[k - 1] / error) / np.log(errors[k - 1] / errors[k])
    return float(n[k - 1] + share * (n[k] - n[k - 1]))


def compare(functions: dict, seeds: range, times: int, in_batches: bool) -> tuple[dict, dict]:
    """Labels saved, by strategy and function, up to times d + 20; and all courses."""
    saved: dict[str, dict[str, float]] = {strategy: {} for strategy in STRATEGIES[1:]}
    runs: dict[str, dict[str, list]] = {}
    for function, d in functions.items():
        name, n = function.__name__, times * d + 20
        with threadpool_limits(1):
            runs[name] = {
                strategy: [
                    course(function, d, strategy, seed, d if in_batches else 1, n) for seed in seeds
                ]
                for strategy in STRATEGIES
            }
        for strategy, shares in saved.items():
            each = [
                max(1 - labels_until(found, random[-1][1]) / n, 0)
                for found, random in zip(runs[name][strategy], runs[name]["random"])
            ]
            shares[name] = float(np.median(each))
        errors = {s: np.median([found[-1][1] for found in runs[name][s]]) for s in STRATEGIES}
        print(
            f"{name:10} N {n:3}; labels saved: "
            + ", ".join(f"{strategy} {shares[name]:4.0%}" for strategy, shares in saved.items())
            + "; error at N: "
            + ", ".join(f"{strategy} {error:.3g}" for strategy, error in errors.items()),
            flush=True,
        )
    for strategy, shares in saved.items():
        middle, mean = np.median([*shares.values()]), np.mean([*shares.values()])
        print(f"N = {times} d + 20: {strategy} saves {middle:.0%}, median; {mean:.1%}, mean")
    return saved, runs


def middle_course(courses: list[list[tuple[int, float]]]) -> str:
    """Medians over seeds of the errors, one for each number of labels."""
    middle = np.median([[error for _, error in found] for found in courses], axis=0)
    return " ".join(f"{error:.3g}" for error in middle)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--save", action="store_true", help="keep what was measured")
    parser.add_argument("--tuning", type=float, metavar="WEIGHT", help="on the other functions")
    arguments = parser.parse_args()
    if arguments.tuning is not None:
        from skdeep.active_learning import choosing

        choosing.STRATEGIES["variance_reduction"] = choosing.Strategy(
            choosing._by_covariance(choosing.variance_reduction, arguments.tuning),
            choosing._covariance,
        )
        compare(TUNING, range(200, 212), 10, False)
        return
    results = {}
    for times, in_batches in ((20, True), (10, False)):
        saved, runs = compare(FUNCTIONS, range(arguments.seeds), times, in_batches)
        errors = {
            name: {strategy: middle_course(courses[strategy]) for strategy in STRATEGIES}
            for name, courses in runs.items()
        }
        results[f"{times} d + 20"] = {"saved": saved, "errors": errors}
    if arguments.save:
        keep("regression", **{"up to": results})


if __name__ == "__main__":
    main()
