"""Seconds of proposals, ours and the peers', on one thread.

    python benchmarks/search/timing.py            on a quiet machine
    python benchmarks/search/timing.py --save     and write benchmarks/results/search_timing.json

An ask is a full turn, telling one value and getting the next point, since skopt computes when it is
told and the others when they are asked; 100 values are known. A batch is four values told and four
points asked for, with 50 values known: GPSampler takes its running trials into account. All start
from the same random points of Hartmann6, in rounds one after another, so that a busy moment hits
all alike; medians over all turns are compared.

The overhead is what a BayesSearchCV of 20 candidates (a support vector machine on iris, three folds
of 4 ms each) takes besides the fits, by ``cv_results_``; the long run asks for and tells 500
points of Hartmann6, and counts its slowest ask and how much larger the process has become.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from statistics import median

import numpy as np
from peers import PACKAGES, PEERS, one_thread
from problems import BENCHMARKS, PROBLEMS, RESULTS, random_point

OURS, TURNS = "skdeep", 4
SIZES = {"ask": (100, 1), "batch": (50, 4)}  # values known, points in one turn
TASKS = [("ask", OURS), ("ask", "gpsampler"), ("ask", "skopt"), ("batch", OURS)]
TASKS += [("batch", "gpsampler"), ("overhead", OURS), ("overhead", "skopt")]
AIMS = [("ask", "skopt", 12), ("ask", "gpsampler", 2.5), ("batch", "gpsampler", 3)]
AT_MOST = {"overhead skdeep": 0.5, "slowest of 500 asks": 1.0, "MB of 500 points": 100.0}
LONG = 500


def turns(optimizer, seed: int, known: int, batch: int) -> list[float]:
    """Seconds of some turns; the first, which has to load and to compile things, does not count."""
    problem = PROBLEMS["hartmann6"]()
    rng = np.random.default_rng(seed)
    points = [random_point(problem, rng) for _ in range(known - batch)]
    optimizer.learn(points, [float(problem.function(p)) for p in points])
    asked, seconds = ask(optimizer, batch), []
    for _ in range(TURNS):
        values = [float(problem.function(p)) for p in asked]
        start = time.perf_counter()
        for point, value in zip(asked, values):
            optimizer.tell(point, value)
        asked = ask(optimizer, batch)
        seconds.append(time.perf_counter() - start)
    return seconds


def ask(optimizer, n: int) -> list[dict]:
    if n > 1 and hasattr(optimizer, "ask_many"):
        return optimizer.ask_many(n)
    return [optimizer.ask() for _ in range(n)]


def overheads(name: str, seed: int) -> list[float]:
    """Seconds that two searches, after one that loads things, took besides their fits."""
    from sklearn.datasets import load_iris
    from sklearn.svm import SVC

    X, y = load_iris(return_X_y=True)
    if name == OURS:
        from skdeep import BayesSearchCV

        space = {"C": (1e-2, 1e3, "log"), "gamma": (1e-4, 1e1, "log")}
    else:
        from skopt import BayesSearchCV

        space = {"C": (1e-2, 1e3, "log-uniform"), "gamma": (1e-4, 1e1, "log-uniform")}
    found = []
    for k in range(3):
        search = BayesSearchCV(SVC(), space, n_iter=20, cv=3, random_state=10 * seed + k)
        start = time.perf_counter()
        search.fit(X, y)
        seconds = time.perf_counter() - start
        table = search.cv_results_
        fits = 3 * float(np.sum(table["mean_fit_time"]) + np.sum(table["mean_score_time"]))
        found.append(seconds - fits - search.refit_time_)
    return found[1:]


def long_run() -> dict[str, float]:
    """The slowest of many asks, in seconds, and how many MB the process grew by."""
    from ours import Ours

    problem = PROBLEMS["hartmann6"]()
    optimizer = Ours(problem, 0)
    slowest = 0.0
    for n in range(LONG):
        if n == 10:  # what is loaded at first is there whatever comes
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = time.perf_counter()
        point = optimizer.ask()
        slowest = max(slowest, time.perf_counter() - start)
        optimizer.tell(point, float(problem.function(point)))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {f"slowest of {LONG} asks": slowest, f"MB of {LONG} points": grown / 1024}


def work(what: str, name: str, seed: int) -> None:
    """One round, in a process of its own: a line of JSON."""
    warnings.simplefilter("ignore")
    sys.path.insert(0, str(BENCHMARKS.parent))
    packages = ("numpy", "scipy") if name == OURS else PACKAGES
    answer: dict = {"versions": {p: version(p) for p in packages}}
    if what == "long":
        answer |= {"long": long_run()}
    elif what == "overhead":
        answer |= {"seconds": overheads(name, seed)}
    else:
        from ours import Ours

        optimizer = Ours if name == OURS else PEERS[name]
        problem = PROBLEMS["hartmann6"]()
        answer |= {"seconds": turns(optimizer(problem, seed), seed, *SIZES[what])}
    print(json.dumps(answer))


def answer_of(what: str, name: str, seed: int) -> dict:
    """What a process of its own answers."""
    from run import python_of

    python = sys.executable if name == OURS else python_of("search")
    command = [python, Path(__file__), "--worker", what, name, str(seed)]
    said = subprocess.run(command, env=one_thread(), check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(said.stdout.splitlines()[-1])


def measure(rounds: int) -> dict:
    """Seconds of all turns, by what and whose."""
    found = {f"{what} {name}": {"seconds": []} for what, name in TASKS}
    for seed in range(rounds):
        for what, name in TASKS:
            answer = answer_of(what, name, seed)
            found[f"{what} {name}"]["seconds"] += answer["seconds"]
            found[f"{what} {name}"]["versions"] = answer["versions"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--save", action="store_true", help="keep what was measured")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        what, name, seed = arguments.worker
        return work(what, name, int(seed))
    result = {
        "command": "python benchmarks/search/timing.py --save",
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python "
        f"{platform.python_version()}",
        "load_before": round(os.getloadavg()[0], 1),
        "date": time.strftime("%Y-%m-%d"),
        "measurements": measure(arguments.rounds),
    }
    medians = {label: median(m["seconds"]) for label, m in result["measurements"].items()}
    print(f"load before: {result['load_before']}")
    for label, measured in result["measurements"].items():
        seconds = measured["seconds"]
        print(f"  {label:16} {medians[label]:.4f} s ({min(seconds):.4f} to {max(seconds):.4f})")
    long = answer_of("long", OURS, 0)["long"]
    result |= {"long": long, "targets": []}
    for what, peer, times in AIMS:
        ratio = medians[f"{what} {peer}"] / medians[f"{what} {OURS}"]
        text = f"{what}: {peer} / {OURS} at least {times}"
        result["targets"].append({"text": text, "measured": ratio, "met": ratio >= times})
        print(f"  {'met   ' if ratio >= times else 'MISSED'}  {text}: {ratio:.1f}")
    for label, most in AT_MOST.items():
        measured = {**medians, **long}[label]
        text, met = f"{label}: at most {most}", measured <= most
        result["targets"].append({"text": text, "measured": measured, "met": met})
        print(f"  {'met   ' if met else 'MISSED'}  {text}: {measured:.3g}")
    if arguments.save:
        (RESULTS / "search_timing.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
