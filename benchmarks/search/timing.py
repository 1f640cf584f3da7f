"""Seconds per ask in six dimensions, ours and the peers', on one thread.

    python benchmarks/search/timing.py            on a quiet machine
    python benchmarks/search/timing.py --save     and write benchmarks/results/search_timing.json

An ask is a full turn, telling one value and getting the next point, since skopt computes when it is
told and the others when they are asked; 100 values are known. A batch is four values told and four
points asked for, with 50 values known: GPSampler takes its running trials into account. All start
from the same random points of Hartmann6, in rounds one after another, so that a busy moment hits
all alike; medians over all turns are compared.
"""

import argparse
import json
import os
import platform
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
TASKS += [("batch", "gpsampler")]
AIMS = [("ask", "skopt", 12), ("ask", "gpsampler", 2.5), ("batch", "gpsampler", 3)]


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


def work(what: str, name: str, seed: int) -> None:
    """One round, in a process of its own: a line of JSON."""
    warnings.simplefilter("ignore")
    if name == OURS:
        from ours import Ours

        sys.path.insert(0, str(BENCHMARKS.parent))
        optimizer = Ours
    else:
        optimizer = PEERS[name]
    seconds = turns(optimizer(PROBLEMS["hartmann6"](), seed), seed, *SIZES[what])
    packages = ("numpy", "scipy") if name == OURS else PACKAGES
    print(json.dumps({"seconds": seconds, "versions": {p: version(p) for p in packages}}))


def measure(rounds: int) -> dict:
    """Seconds of all turns, by what and whose."""
    from run import python_of

    found = {f"{what} {name}": {"seconds": []} for what, name in TASKS}
    for seed in range(rounds):
        for what, name in TASKS:
            python = sys.executable if name == OURS else python_of("search")
            command = [python, Path(__file__), "--worker", what, name, str(seed)]
            said = subprocess.run(
                command, env=one_thread(), check=True, stdout=subprocess.PIPE, text=True
            )
            answer = json.loads(said.stdout.splitlines()[-1])
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
    result["targets"] = []
    for what, peer, times in AIMS:
        ratio = medians[f"{what} {peer}"] / medians[f"{what} {OURS}"]
        text = f"{what}: {peer} / {OURS} at least {times}"
        result["targets"].append({"text": text, "measured": ratio, "met": ratio >= times})
        print(f"  {'met   ' if ratio >= times else 'MISSED'}  {text}: {ratio:.1f}")
    if arguments.save:
        (RESULTS / "search_timing.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
