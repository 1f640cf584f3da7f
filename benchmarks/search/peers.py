"""The peers' runs on all problems: computed once, kept in benchmarks/results.

    python benchmarks/search/peers.py                        whatever is not there yet
    python benchmarks/search/peers.py gpsampler skopt        of these peers
    python benchmarks/search/peers.py tpe --problems branin mixed --seeds 2

The peers' environment is made at first use, under benchmarks/.venvs. Hours on one core: each run
is written as it ends, and a computation that was broken off goes on where it stopped. To compute a
peer anew, remove its file.

All peers have their defaults, one thread, and the form of a space that suits them best:

- levels in order are an integer, their index, so that the model keeps the order; choices are
  categorical;
- skopt knows no conditions, and GPSampler draws conditional parameters at random: both see a flat
  space, of which the function ignores what does not apply. TPE sees the conditions, with
  ``group=True``, as its documentation advises;
- under noise, skopt recommends the lowest mean of its model (``expected_minimum``); the others have
  none to ask, so it is the best observed point.
"""

import argparse
import gzip
import json
import os
import platform
import subprocess
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
from problems import (
    MOST,
    PROBLEMS,
    RESULTS,
    Choice,
    Problem,
    Range,
    applies,
    problems,
    random_point,
    run,
)

PACKAGES = ("optuna", "scikit-optimize", "torch", "numpy", "scipy", "scikit-learn")


class BestObserved:
    """Remembers values, and recommends the point of the best."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self._told = problem, []

    def tell(self, point: dict, value: float) -> None:
        self._told.append((value, point))

    def recommend(self) -> dict:
        return min(self._told, key=lambda told: told[0])[1]


class Random(BestObserved):
    def __init__(self, problem: Problem, seed: int) -> None:
        super().__init__(problem)
        self._rng = np.random.default_rng(seed)

    def ask(self) -> dict:
        return random_point(self.problem, self._rng)


class Optuna(BestObserved):
    """A study without a store; ``flat`` asks for coordinates that do not apply as well."""

    def __init__(self, problem: Problem, sampler, flat: bool) -> None:
        import optuna

        super().__init__(problem)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._study = optuna.create_study(sampler=sampler)
        self._flat, self._asked = flat, []

    def ask(self) -> dict:
        trial = self._study.ask()
        point: dict = {}
        for name, dimension in self.problem.space.items():
            if not self._flat and not applies(self.problem, name, point):
                continue
            if isinstance(dimension, Range):
                point[name] = trial.suggest_float(name, dimension.low, dimension.high)
            elif isinstance(dimension, Choice):
                point[name] = trial.suggest_categorical(name, dimension.values)
            else:
                index = trial.suggest_int(name, 0, len(dimension.values) - 1)
                point[name] = dimension.values[index]
        self._asked.append((point, trial))
        return point

    def tell(self, point: dict, value: float) -> None:
        super().tell(point, value)
        trial = next(trial for asked, trial in self._asked if asked is point)
        self._asked = [asked for asked in self._asked if asked[0] is not point]
        self._study.tell(trial, value)

    def learn(self, points: list[dict], values: list[float]) -> None:
        """Take over what was found elsewhere, in real variables."""
        from optuna.distributions import FloatDistribution
        from optuna.trial import create_trial

        ranges = {n: FloatDistribution(d.low, d.high) for n, d in self.problem.space.items()}
        for point, value in zip(points, values):
            trial = create_trial(params=point, distributions=ranges, value=value)
            self._study.add_trial(trial)


class TPE(Optuna):
    def __init__(self, problem: Problem, seed: int) -> None:
        from optuna.samplers import TPESampler

        sampler = TPESampler(seed=seed, group=bool(problem.conditions))
        super().__init__(problem, sampler, flat=False)


class GPSampler(Optuna):
    def __init__(self, problem: Problem, seed: int) -> None:
        import torch
        from optuna.samplers import GPSampler

        torch.set_num_threads(1)
        super().__init__(problem, GPSampler(seed=seed), flat=True)


class Skopt:
    """``skopt.Optimizer`` with a Gaussian process, which is what ``gp_minimize`` runs."""

    def __init__(self, problem: Problem, seed: int) -> None:
        import skopt

        self._problem = problem
        dimensions = []
        for name, d in problem.space.items():
            if isinstance(d, Range):
                dimensions.append(skopt.space.Real(d.low, d.high, name=name))
            elif isinstance(d, Choice):
                dimensions.append(skopt.space.Categorical(d.values, name=name))
            else:
                dimensions.append(skopt.space.Integer(0, len(d.values) - 1, name=name))
        self._optimizer = skopt.Optimizer(dimensions, base_estimator="GP", random_state=seed)

    def ask(self) -> dict:
        return self._decoded(self._optimizer.ask())

    def tell(self, point: dict, value: float) -> None:
        self._result = self._optimizer.tell(self._encoded(point), value)

    def learn(self, points: list[dict], values: list[float]) -> None:
        """Take over what was found elsewhere."""
        self._result = self._optimizer.tell([self._encoded(point) for point in points], values)

    def recommend(self) -> dict:
        from skopt import expected_minimum

        return self._decoded(expected_minimum(self._result, random_state=0)[0])

    def _decoded(self, x: list) -> dict:
        return {
            name: v if isinstance(d, Range | Choice) else d.values[v]
            for (name, d), v in zip(self._problem.space.items(), x)
        }

    def _encoded(self, point: dict) -> list:
        return [
            point[name] if isinstance(d, Range | Choice) else d.values.index(point[name])
            for name, d in self._problem.space.items()
        ]


PEERS = {"random": Random, "tpe": TPE, "gpsampler": GPSampler, "skopt": Skopt}


def path_of(optimizer: str) -> Path:
    """Where the runs of an optimizer are kept."""
    return RESULTS / f"search_runs_{optimizer}.json.gz"


def stored(optimizer: str) -> dict:
    """What is kept of an optimizer: its versions, and runs by problem and seed."""
    if not path_of(optimizer).exists():
        return {"runs": {}}
    with gzip.open(path_of(optimizer), "rt") as file:
        return json.load(file)


def store(optimizer: str, result: dict) -> None:
    """Keep all or nothing, whenever the process ends."""
    path = path_of(optimizer)
    new = path.with_suffix(".new")
    with gzip.open(new, "wt") as file:
        json.dump(result, file)
    os.replace(new, path)


def compute(peer: str, names: list[str], seeds: int) -> None:
    """Every run that is missing, seed after seed."""
    versions = {p: version(p) for p in PACKAGES} | {"python": platform.python_version()}
    command = f"python benchmarks/search/peers.py {peer}"
    result = {"command": command, "versions": versions, **stored(peer)}
    if result["versions"] != versions:
        sys.exit(f"{path_of(peer).name} holds runs of {result['versions']}; remove it to go on.")
    built = problems(names)
    for seed in range(seeds):
        for problem in built:
            runs = result["runs"].setdefault(problem.name, {})
            if seed >= problem.seeds or str(seed) in runs:
                continue
            runs[str(seed)] = found = run(PEERS[peer](problem, seed), problem, seed)
            store(peer, result)
            print(
                f"{time.strftime('%H:%M:%S')} {peer} {problem.name} {seed}: "
                f"{min(found['values']):.6g} in {found['seconds']:.1f} s",
                flush=True,
            )


def one_thread() -> dict:
    """Variables of the environment of a process that is to use one thread."""
    limits = {f"{n}_NUM_THREADS": "1" for n in ("OMP", "MKL", "OPENBLAS")}
    return os.environ | limits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("peers", nargs="*", metavar="peer", help=", ".join(PEERS))
    parser.add_argument("--problems", nargs="+", default=list(PROBLEMS), choices=PROBLEMS)
    parser.add_argument("--seeds", type=int, default=MOST, help="the first ones only")
    arguments = parser.parse_args()
    if unknown := set(arguments.peers) - set(PEERS):
        parser.error(f"no peer is called {', '.join(unknown)}; there are {', '.join(PEERS)}.")
    inside = "SKDEEP_SEARCH_PEERS"
    if inside not in os.environ:
        from run import python_of

        command = [python_of("search"), *sys.argv]
        sys.exit(subprocess.run(command, env=one_thread() | {inside: "1"}).returncode)
    warnings.simplefilter(
        "ignore"
    )  # skopt's many, on points that it asks twice and on scikit-learn
    for peer in arguments.peers or PEERS:
        compute(peer, arguments.problems, arguments.seeds)


if __name__ == "__main__":
    main()
