"""What is searched: test functions with known minima, and tables of real tunings.

    python benchmarks/search/problems.py --check     the functions against their published minima

A problem is a space, in a form that each library's adapter translates, and a function of a point,
a dict from names to values. The functions of real variables are those of Surjanovic and Bingham,
on their usual domains [1]_; the mixed one is Func3C [2]_, the conditional one a tree of four
leaves [3]_. The tables hold every point of a grid: three were published with HPOlib, two are
computed by tables.py.

.. [1] Surjanovic, Bingham. Virtual library of simulation experiments: test functions and datasets.
   Simon Fraser University.
.. [2] Ru, Alvi, Nguyen, Osborne, Roberts. Bayesian optimisation over multiple continuous and
   categorical inputs. ICML 2020.
.. [3] Jenatton, Archambeau, Gonzalez, Seeger. Bayesian optimization with tree-structured
   dependencies. ICML 2017.
"""

import gzip
import itertools
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

BENCHMARKS = Path(__file__).resolve().parents[1]
sys.path.append(str(BENCHMARKS))  # for figures.py and run.py, which lie beside this folder
RESULTS = BENCHMARKS / "results"
PACKAGES = ("numpy", "scipy", "scikit-learn", "tensorflow")
FEW, MANY = 10, 20  # seeds
MOST = 60  # where four of ten runs end at the second lowest minimum: 20 would toss a coin


def keep(script: str, **content: Any) -> None:
    """Keep what a script has measured, with what it takes to measure it again."""
    result = {
        "command": f"python benchmarks/search/{script}.py --save",
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "versions": {name: version(name) for name in PACKAGES}
        | {"python": platform.python_version()},
    }
    path = RESULTS / f"search_{script}.json"
    path.write_text(json.dumps(result | content, indent=1) + "\n", encoding="utf-8")
    print(f"kept {path.name}")


@dataclass(frozen=True)
class Range:
    """Real numbers from low to high."""

    low: float
    high: float


@dataclass(frozen=True)
class Levels:
    """Numbers in order, of which only these are allowed."""

    values: tuple


@dataclass(frozen=True)
class Choice:
    """Values without an order."""

    values: tuple


@dataclass(frozen=True)
class Problem:
    """What to minimise, how often it may be evaluated, and what is known of it.

    Parameters
    ----------
    name : str
    space : dict of str to Range, Levels or Choice
    function : callable
        The value of a point; it never looks at a coordinate that does not apply.
    minimum, maximum : float
        Of the function; the maximum only of a table.
    calls : int
        Evaluations in one run.
    seeds : int
        Runs, with the seeds 0, 1, ...
    noise : float, default=0
        Standard deviation of what is added to each value. A run is then judged by the true value
        at the point that the optimizer recommends.
    conditions : dict
        For a coordinate that does not always apply, the choices that it depends on, as
        ``{name: {parent: value}}``.
    minimiser : dict, default=None
    """

    name: str
    space: dict[str, Range | Levels | Choice]
    function: Callable[[dict], float]
    minimum: float
    calls: int
    seeds: int
    maximum: float = np.nan
    noise: float = 0.0
    conditions: dict[str, dict[str, Any]] = field(default_factory=dict)
    minimiser: dict | None = None


def run(optimizer, problem: Problem, seed: int) -> dict:
    """Minimise with ``ask()``, ``tell(point, value)`` and, under noise, ``recommend()``.

    All optimizers meet the same noise. Returned are the values without noise in the order of
    asking, the seconds spent in the optimizer, and under noise the true value at the
    recommended point.
    """
    noise = np.random.default_rng([seed, 1]).normal(scale=problem.noise, size=problem.calls)
    values, seconds = [], 0.0
    for extra in noise:
        start = time.perf_counter()
        point = optimizer.ask()
        seconds += time.perf_counter() - start
        values.append(float(problem.function(point)))
        start = time.perf_counter()
        optimizer.tell(point, values[-1] + extra if problem.noise else values[-1])
        seconds += time.perf_counter() - start
    found = {"values": values, "seconds": round(seconds, 3)}
    if problem.noise:
        found["recommended"] = float(problem.function(optimizer.recommend()))
    return found


def regret(found: dict, problem: Problem, calls: int | None = None) -> float:
    """How far the result of a run lies above the minimum, after all or the first few calls."""
    best = found.get("recommended", min(found["values"][:calls]))
    return best - problem.minimum


def branin(x, y):
    return (
        (y - 5.1 / (4 * np.pi**2) * x**2 + 5 / np.pi * x - 6) ** 2
        + 10 * (1 - 1 / (8 * np.pi)) * np.cos(x)
        + 10
    )


def hartmann6(*x):
    alpha = np.array([1.0, 1.2, 3.0, 3.2])
    A = np.array(
        [
            [10, 3, 17, 3.5, 1.7, 8],
            [0.05, 10, 17, 0.1, 8, 14],
            [3, 3.5, 1.7, 10, 17, 8],
            [17, 8, 0.05, 10, 0.1, 14],
        ]
    )
    P = 1e-4 * np.array(
        [
            [1312, 1696, 5569, 124, 8283, 5886],
            [2329, 4135, 8307, 3736, 1004, 9991],
            [2348, 1451, 3522, 2883, 3047, 6650],
            [4047, 8828, 8732, 5743, 1091, 381],
        ]
    )
    return -alpha @ np.exp(-(A * (np.array(x) - P) ** 2).sum(axis=1))


def ackley(*x):
    x = np.array(x)
    return (
        -20 * np.exp(-0.2 * np.sqrt(np.mean(x**2)))
        - np.exp(np.mean(np.cos(2 * np.pi * x)))
        + 20
        + np.e
    )


def levy(*x):
    w = 1 + (np.array(x) - 1) / 4
    middle = (w[:-1] - 1) ** 2 * (1 + 10 * np.sin(np.pi * w[:-1] + 1) ** 2)
    last = (w[-1] - 1) ** 2 * (1 + np.sin(2 * np.pi * w[-1]) ** 2)
    return np.sin(np.pi * w[0]) ** 2 + middle.sum() + last


def rosenbrock(*x):
    x = np.array(x)
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def styblinski_tang(*x):
    x = np.array(x)
    return (x**4 - 16 * x**2 + 5 * x).sum() / 2


def camel(x, y):
    """Six-hump camel."""
    return (4 - 2.1 * x**2 + x**4 / 3) * x**2 + x * y + 4 * (y**2 - 1) * y**2


def beale(x, y):
    return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2


def func3c(h1, h2, h3, x1, x2):
    """Func3C [2]_: three choices of what is added up, in variables from -2 to 2."""
    x, y = 2 * x1, 2 * x2
    terms = {"rosenbrock": rosenbrock(x, y) / 300, "camel": camel(x, y) / 10}
    terms["beale"] = beale(x, y) / 50
    third = {"5 camel": 5 * terms["camel"], "2 rosenbrock": 2 * terms["rosenbrock"]}
    third |= {"2 beale": 2 * terms["beale"], "3 beale": 3 * terms["beale"]}
    return terms[h1] + terms[h2.split("'")[0]] + third[h3]  # beale, beale' and beale'' are one


def tree(x1, x2=None, x3=None, x4=None, x5=None, x6=None, x7=None, r8=None, r9=None):
    """The tree of [3]_: two choices lead to a leaf, whose sides share a number."""
    if x1 == 0:
        return (x4**2 + 0.1 if x2 == 0 else x5**2 + 0.2) + r8
    return (x6**2 + 0.3 if x3 == 0 else x7**2 + 0.4) + r9


def real(name, function, domains, minimum, at, **settings) -> Problem:
    """A problem with variables x1, x2, ..."""
    names = [f"x{i + 1}" for i in range(len(domains))]
    return Problem(
        name,
        {n: Range(*domain) for n, domain in zip(names, domains)},
        lambda point: function(*(point[n] for n in names)),
        minimum,
        minimiser=dict(zip(names, at)),
        **{"calls": 100, "seeds": FEW} | settings,
    )


def mixed() -> Problem:
    space = {
        "h1": Choice(("rosenbrock", "camel", "beale")),
        "h2": Choice(("rosenbrock", "camel", "beale", "beale'", "beale''")),
        "h3": Choice(("5 camel", "2 rosenbrock", "2 beale", "3 beale")),
        "x1": Range(-1, 1),
        "x2": Range(-1, 1),
    }
    at = {"h1": "camel", "h2": "camel", "h3": "5 camel", "x1": 0.0449210, "x2": -0.3563282}
    return Problem(
        "mixed", space, lambda p: func3c(**p), -0.7221400, calls=100, seeds=FEW, minimiser=at
    )


def conditional() -> Problem:
    space = {n: Choice((0, 1)) for n in ("x1", "x2", "x3")}
    space |= {n: Range(-1, 1) for n in ("x4", "x5", "x6", "x7")}
    space |= {n: Range(0, 1) for n in ("r8", "r9")}
    conditions = {"x2": {"x1": 0}, "x3": {"x1": 1}, "r8": {"x1": 0}, "r9": {"x1": 1}}
    conditions |= {"x4": {"x1": 0, "x2": 0}, "x5": {"x1": 0, "x2": 1}}
    conditions |= {"x6": {"x1": 1, "x3": 0}, "x7": {"x1": 1, "x3": 1}}
    at = {"x1": 0, "x2": 0, "x4": 0.0, "r8": 0.0}
    return Problem(
        "conditional",
        space,
        lambda p: tree(**p),
        0.1,
        calls=100,
        seeds=FEW,
        conditions=conditions,
        minimiser=at,
    )


def table(name: str, space: dict, values: np.ndarray) -> Problem:
    """Every point of a grid; values in the order of itertools.product."""
    points = itertools.product(*(d.values for d in space.values()))
    known = dict(zip(points, map(float, values), strict=True))
    return Problem(
        name,
        space,
        lambda point: known[tuple(point[n] for n in space)],
        min(known.values()),
        calls=50,
        seeds=MANY,
        maximum=max(known.values()),
    )


def published(name: str, file: str, value: str) -> Problem:
    """A grid of HPOlib's, from the kept data."""
    from figures import kept

    frame = kept("hpo_grids")()[file]
    names = list(frame.columns[: list(frame.columns).index("time_s")])
    names = [n for n in names if n not in (value, "test_error")]
    space = {n: Levels(tuple(sorted(set(frame[n].tolist())))) for n in names}
    return table(name, space, frame.sort_values(names)[value].to_numpy())


def computed(name: str) -> Problem:
    """A grid that tables.py computed."""
    with gzip.open(RESULTS / f"search_table_{name}.json.gz", "rt") as file:
        stored = json.load(file)
    space = {
        n: (Choice if isinstance(levels[0], str) else Levels)(tuple(levels))
        for n, levels in stored["levels"].items()
    }
    return table(name, space, stored["values"])


BRANIN = partial(real, domains=((-5, 10), (0, 15)), minimum=0.39788736, at=(np.pi, 2.275))
H6_AT = (0.20168952, 0.15001069, 0.47687398, 0.27533243, 0.31165162, 0.65730053)
SIX = ((0, 1),) * 6
PROBLEMS: dict[str, Callable[[], Problem]] = {
    "branin": partial(BRANIN, "branin", branin, calls=30, seeds=MOST),
    "hartmann6": partial(
        real, "hartmann6", hartmann6, SIX, -3.32236801, H6_AT, calls=60, seeds=MOST
    ),
    "ackley5": partial(real, "ackley5", ackley, ((-32.768, 32.768),) * 5, 0.0, (0,) * 5),
    "levy10": partial(real, "levy10", levy, ((-10, 10),) * 10, 0.0, (1,) * 10),
    "rosenbrock5": partial(real, "rosenbrock5", rosenbrock, ((-5, 10),) * 5, 0.0, (1,) * 5),
    "styblinski5": partial(
        real, "styblinski5", styblinski_tang, ((-5, 5),) * 5, -195.83082852, (-2.90353403,) * 5
    ),
    "mixed": mixed,
    "conditional": conditional,
    "noisy_branin": partial(BRANIN, "noisy_branin", branin, noise=1.0),
    "svm": partial(published, "svm", "svm_on_grid", "error"),
    "lda": partial(published, "lda", "lda_on_grid", "perplexity"),
    "logistic": partial(published, "logistic", "logreg_on_grid", "val_error"),
    "boosting": partial(computed, "boosting"),
    "mlp": partial(computed, "mlp"),
}
MEDIANS = ("branin", "hartmann6")
RANKED = tuple(PROBLEMS)[2:9]
TABLES = tuple(PROBLEMS)[9:]


def problems(names: Collection[str]) -> list[Problem]:
    """Those of these names, in their usual order, whose data are on this machine."""
    from figures import NoData

    found = []
    for name in PROBLEMS:
        if name in names:
            try:
                found.append(PROBLEMS[name]())
            except NoData as reason:
                print(f"{name}: skipped, {reason}")
    return found


def applies(problem: Problem, name: str, point: dict) -> bool:
    """Whether a coordinate applies, given the choices already in the point."""
    return all(point.get(n) == v for n, v in problem.conditions.get(name, {}).items())


def random_point(problem: Problem, rng: np.random.Generator) -> dict:
    """A point of independent uniform coordinates."""
    point: dict = {}
    for name, dimension in problem.space.items():
        if not applies(problem, name, point):
            continue
        if isinstance(dimension, Range):
            point[name] = float(rng.uniform(dimension.low, dimension.high))
        else:
            point[name] = dimension.values[rng.integers(len(dimension.values))]
    return point


def check(problem: Problem) -> None:
    """The minimum is taken where it is said to be, and no descent gets below it."""
    from scipy.optimize import minimize

    at_minimiser = problem.function(problem.minimiser)
    assert abs(at_minimiser - problem.minimum) < 1e-7, (problem.name, at_minimiser)
    rng = np.random.default_rng(0)
    lowest = np.inf
    points = sorted((random_point(problem, rng) for _ in range(10_000)), key=problem.function)
    for point in [*points[:20], problem.minimiser]:
        reals = [n for n in point if isinstance(problem.space[n], Range)]
        found = minimize(
            lambda u, point=point, reals=reals: problem.function(point | dict(zip(reals, u))),
            [point[n] for n in reals],
            bounds=[(problem.space[n].low, problem.space[n].high) for n in reals],
        )
        lowest = min(lowest, found.fun)
    assert lowest > problem.minimum - 1e-7, (problem.name, lowest)
    print(f"{problem.name}: minimum {problem.minimum:.7g}, lowest descent {lowest:.7g}")


if __name__ == "__main__":
    if sys.argv[1:] != ["--check"]:
        sys.exit("usage: python benchmarks/search/problems.py --check")
    for one in problems(PROBLEMS):
        if one.minimiser is None:
            print(f"{one.name}: from {one.minimum} to {one.maximum}")
        else:
            check(one)
