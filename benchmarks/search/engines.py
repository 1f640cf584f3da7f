"""What two threads, and two processes, save a search: an MLP on the digits.

    python benchmarks/search/engines.py            some minutes on two cores
    python benchmarks/search/engines.py --save     and keep benchmarks/results/search_engines.json

40 candidates in five folds, ``n_points=2``, one by one, in two threads and in two processes
(loky), in turns; medians of the times. Each was there once before: programs are compiled, processes
have begun. Results are compared, too.
"""

import argparse
import sys
import time
from contextlib import nullcontext

import numpy as np
from joblib import parallel_config
from problems import BENCHMARKS, keep

ENGINES = {"serial": None, "threads": "threading", "processes": "loky"}


def search(engine: str, n_iter: int) -> tuple[float, np.ndarray]:
    """Seconds, and the mean scores of all candidates."""
    from sklearn.datasets import load_digits

    from skdeep import BayesSearchCV, MLPClassifier

    X, y = load_digits(return_X_y=True)
    backend = ENGINES[engine]
    settings = {"n_points": 2, "n_jobs": None if backend is None else 2, "refit": False}
    begun = time.perf_counter()
    with nullcontext() if backend is None else parallel_config(backend):
        found = BayesSearchCV(
            MLPClassifier(random_state=0), n_iter=n_iter, cv=5, random_state=0, **settings
        ).fit(X / 16, y)
    return time.perf_counter() - begun, found.cv_results_["mean_test_score"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--save", action="store_true", help="keep what was measured")
    arguments = parser.parse_args()
    sys.path.insert(0, str(BENCHMARKS.parent))  # the skdeep of this checkout
    for engine in ENGINES:
        search(engine, 4)
    seconds: dict[str, list[float]] = {engine: [] for engine in ENGINES}
    for _ in range(arguments.repeats):
        runs = {engine: search(engine, 40) for engine in ENGINES}
        for engine, (taken, scores) in runs.items():
            seconds[engine].append(taken)
            np.testing.assert_array_equal(scores, runs["serial"][1])
    medians = {engine: float(np.median(taken)) for engine, taken in seconds.items()}
    for engine, taken in medians.items():
        print(f"{engine:10} {taken:.1f} s, {medians['serial'] / taken:.2f} times as fast")
    if arguments.save:
        keep("engines", seconds=seconds)


if __name__ == "__main__":
    main()
