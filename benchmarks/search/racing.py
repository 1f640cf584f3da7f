"""Races: how many candidates an equal time buys, and what their best is worth on other rows.

    python benchmarks/search/racing.py            a quarter of an hour on one core
    python benchmarks/search/racing.py --save     and keep benchmarks/results/search_racing.json

For each of three tables and ten seeds, 500 rows and 10 folds: 30 candidates, and, in the time that
these took, as many as a race gets through. The true score is that of the winner, refitted, on 5,000
rows that no fold saw; the error of a difference is that of its mean over tables and seeds.
"""

import argparse
import os
import sys
import time

import numpy as np
from problems import BENCHMARKS, keep
from threadpoolctl import threadpool_limits

# Files of shared/data and their targets.
TABLES = {
    "magic_gamma": ("magic04", "class"),
    "higgs": ("", ""),
    "wine_quality": ("wine", "quality"),
}
N_ROWS, N_TEST = 500, 5000
SPACE = {
    "svc__C": (1e-2, 1e3, "log"),
    "svc__gamma": (1e-6, 1e1, "log"),
    "svc__kernel": ["rbf", "sigmoid"],
}


def rows_of(name: str, seed: int):
    """Training and test rows of a table."""
    sys.path.insert(0, os.environ["SKDEEP_DATA"])
    from load import load

    if name == "higgs":
        data = load(name)
        X, y = (np.concatenate([data[f"{part}_train"], data[f"{part}_test"]]) for part in "Xy")
    else:
        file, target = TABLES[name]
        frame = load(f"{name}/{file}")
        X = frame.drop(columns=target).select_dtypes("number").to_numpy(dtype=float)
        y = frame[target].to_numpy()
    if name == "wine_quality":
        y = y >= 6
    order = np.random.default_rng(seed).permutation(len(X))
    train, test = order[:N_ROWS], order[N_ROWS : N_ROWS + N_TEST]
    return X[train], y[train], X[test], y[test]


def compare(name: str, seed: int) -> dict[str, float]:
    """One search without and one with a race, in equal time."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    from skdeep import BayesSearchCV

    X, y, X_test, y_test = rows_of(name, seed)
    settings = {"cv": 10, "random_state": seed, "refit": False}
    model = make_pipeline(StandardScaler(), SVC())
    start = time.perf_counter()
    plain = BayesSearchCV(model, SPACE, n_iter=30, **settings).fit(X, y)
    seconds = time.perf_counter() - start
    raced = BayesSearchCV(model, SPACE, n_iter=1000, racing=True, max_time=seconds, **settings).fit(
        X, y
    )
    found = {
        label: model.set_params(**search.best_params_).fit(X, y).score(X_test, y_test)
        for label, search in {"plain": plain, "raced": raced}.items()
    }
    n = len(raced.cv_results_["params"])
    return {**found, "candidates": n / 30, "folds": float(raced.cv_results_["n_splits"].mean())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--save", action="store_true", help="keep what was measured")
    arguments = parser.parse_args()
    sys.path.insert(0, str(BENCHMARKS.parent))  # the skdeep of this checkout
    runs: dict[str, list[dict[str, float]]] = {}
    for name in TABLES:
        with threadpool_limits(1):
            runs[name] = [compare(name, seed) for seed in range(arguments.seeds)]
        median = {key: np.median([run[key] for run in runs[name]]) for key in runs[name][0]}
        print(
            f"{name:14} candidates {median['candidates']:.2f} times as many, of "
            f"{median['folds']:.1f} folds; true score {median['plain']:.4f}, raced "
            f"{median['raced']:.4f}",
            flush=True,
        )
    every = [run for each in runs.values() for run in each]
    differences = np.array([run["raced"] - run["plain"] for run in every])
    error = differences.std(ddof=1) / np.sqrt(len(differences))
    print(
        f"candidates, mean: {np.mean([run['candidates'] for run in every]):.2f} times as many; "
        f"true score {differences.mean():+.4f}, standard error {error:.4f}"
    )
    if arguments.save:
        keep("racing", runs=runs)


if __name__ == "__main__":
    main()
