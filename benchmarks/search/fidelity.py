"""Two versions of an experiment at half the cost, against the last version alone.

    python benchmarks/search/fidelity.py           both problems, 40 seeds
    python benchmarks/search/fidelity.py --save    and keep benchmarks/results/search_fidelity.json

Medians over the seeds of the lowest value of the last version: with ``fidelity`` for half of the
budget, without it for half and for the whole.

- *branin*: Branin's function, and itself with other coefficients [1]_ at a tenth of the cost.
- *wing*: the sink rate of a glider, measured on a model in a wind tunnel, or computed at a
  twentieth of the cost by Prandtl's lifting line of four terms with the profile drag of one
  Reynolds number. The tunnel, simulated here by a line of 40 terms, has what the computation lacks:
  drag and stall change with the chord and the speed, and the fuselage costs more. So the two have
  their optima apart.

.. [1] Kandasamy, Dasarathy, Schneider, Poczos. Multi-fidelity Bayesian optimisation with continuous
   approximations. ICML, 2017, section 4: at z = (0, 0, 0).
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
from problems import BENCHMARKS, RESULTS
from problems import branin as whole_branin

AREA, AIR, VISCOSITY = 10.0, 1.225, 1.5e-5  # m^2, kg/m^3, m^2/s


def branin(x, y, version):
    if version == "whole":
        return whole_branin(x, y)
    b, c, t = 5.1 / (4 * np.pi**2) - 0.01, 5 / np.pi - 0.1, 1 / (8 * np.pi) + 0.05
    return (y - b * x**2 + c * x - 6) ** 2 + 10 * (1 - t) * np.cos(x) + 10


def wing(aspect_ratio, taper, washout, incidence, version):
    """Sink rate of a glider in still air, m/s; angles in degrees.

    With the circulation 2 b V sum_n A_n sin(n t) at y = b cos(t) / 2, lifting-line theory has

        mu (angle) = sum_n A_n sin(n t) (1 + mu n / sin t),   mu = pi chord / (2 b),
        C_L = pi AR A_1,   C_Di = pi AR sum_n n A_n^2.
    """
    tunnel = version == "tunnel"
    span = np.sqrt(aspect_ratio * AREA)
    n = np.arange(1, 80, 2) if tunnel else np.arange(1, 8, 2)  # of a symmetric wing
    t = np.pi / 2 * np.arange(1, len(n) + 1) / len(n)
    y = np.cos(t)
    chord = 2 * AREA / (span * (1 + taper)) * (1 - (1 - taper) * y)
    angle = np.deg2rad(incidence + 2 - washout * y)  # a cambered section lifts from -2 degrees
    mu = np.pi * chord / (2 * span)
    waves = np.sin(np.outer(t, n))
    A = np.linalg.solve(waves * (1 + np.outer(mu / np.sin(t), n)), mu * angle)
    lift = max(np.pi * aspect_ratio * A[0], 0.05)
    induced = np.pi * aspect_ratio * n @ A**2
    weight = 1500 + 0.8 * span**3  # N: longer spars are heavier
    speed = np.sqrt(2 * weight / (AIR * AREA * lift))
    local = 4 * span / chord * (waves @ A)
    reynolds = speed * chord / VISCOSITY / 1e6 if tunnel else np.ones(len(n))
    stalled = 0.0075 * np.logaddexp(0, (local - 1.3 * reynolds**0.1) / 0.05)
    section = 0.0065 / reynolds**0.3 + 0.008 * (local - 0.5) ** 2 + stalled
    strips = chord * np.sin(t)
    profile = section @ strips / strips.sum() + (0.006 if tunnel else 0.004)
    return float(speed * (induced + profile) / lift)


@dataclass(frozen=True)
class Experiment:
    """A function in two versions, their costs, and the budget in evaluations of the last one."""

    function: Callable[..., float]
    space: dict[str, Any]
    costs: dict[str, float]
    budget: int


EXPERIMENTS = {
    "branin": Experiment(
        branin, {"x": (-5.0, 10.0), "y": (0.0, 15.0)}, {"altered": 0.1, "whole": 1.0}, 30
    ),
    "wing": Experiment(
        wing,
        {
            "aspect_ratio": (6.0, 36.0),
            "taper": (0.2, 1.0),
            "washout": (0.0, 6.0),
            "incidence": (2.0, 14.0),
        },
        {"computed": 0.05, "tunnel": 1.0},
        24,
    ),
}


def lowest(name: str, share: float, both: bool, seed: int) -> float:
    """The lowest value of the last version for a share of the budget, with both or without."""
    from skdeep.model_selection import minimize

    experiment = EXPERIMENTS[name]
    *_, last = experiment.costs

    def f(point, version=last):
        return experiment.function(**point, version=version)

    fidelity = experiment.costs if both else None
    n_calls = int(share * experiment.budget)
    return minimize(f, experiment.space, n_calls=n_calls, fidelity=fidelity, random_state=seed).fun


RUNS = {
    "both versions, half the budget": (0.5, True),
    "the last alone, half the budget": (0.5, False),
    "the last alone, all of it": (1.0, False),
}


def measure(name: str, seeds: int, pool: ProcessPoolExecutor) -> dict:
    """Lowest values of all seeds, by what was run."""
    print(f"{name}: {EXPERIMENTS[name].budget} evaluations, {seeds} seeds")
    found = {}
    for label, (share, both) in RUNS.items():
        found[label] = [*pool.map(partial(lowest, name, share, both), range(seeds))]
        low, middle, high = np.quantile(found[label], [0.25, 0.5, 0.75])
        print(f"  {label:34} median {middle:.5f}, quartiles {low:.5f} and {high:.5f}", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="experiment", help=", ".join(EXPERIMENTS))
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--save", action="store_true", help="keep what was measured")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(EXPERIMENTS):
        known = ", ".join(EXPERIMENTS)
        parser.error(f"no experiment is called {', '.join(unknown)}; there are {known}.")
    if arguments.save and (arguments.names or arguments.seeds < 40):
        parser.error("--save keeps 40 seeds of both: leave out the names and --seeds.")
    os.environ["OMP_NUM_THREADS"] = "1"
    sys.path.insert(0, str(BENCHMARKS.parent))  # the skdeep of this checkout
    with ProcessPoolExecutor(
        os.cpu_count(), initializer=sys.path.insert, initargs=(0, str(BENCHMARKS.parent))
    ) as pool:
        found = {n: measure(n, arguments.seeds, pool) for n in arguments.names or EXPERIMENTS}
    result = {
        "command": "python benchmarks/search/fidelity.py --save",
        "date": time.strftime("%Y-%m-%d"),
        "versions": {p: version(p) for p in ("numpy", "scipy")}
        | {"python": platform.python_version()},
        "measurements": found,
        "targets": [],
    }
    for name, by_label in found.items():
        half, _, whole = (float(np.median(values)) for values in by_label.values())
        text = f"{name}: both versions at half the cost no worse than the last alone"
        measured = f"{half:.6f} against {whole:.6f}"
        result["targets"].append({"text": text, "measured": measured, "met": half <= whole})
        print(f"  {'met   ' if half <= whole else 'MISSED'}  {text}: {measured}")
    if arguments.save:
        (RESULTS / "search_fidelity.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
