"""The optimizer's acquisitions and surrogates side by side.

    python benchmarks/search/choices.py             a quarter of an hour on one core
    python benchmarks/search/choices.py --save      and keep benchmarks/results/search_choices.json

Medians over the seeds of the distance from the minimum, after all evaluations of a problem; under
noise that of the recommended point. One thread.
"""

import argparse
import sys

import numpy as np
from problems import BENCHMARKS, keep, problems, regret, run
from threadpoolctl import threadpool_limits

PROBLEMS = ("branin", "hartmann6", "noisy_branin")
CHOICES = {
    "gp, logei": {},
    "gp, mes": {"acquisition": "mes"},
    "gp, ei": {"acquisition": "ei"},
    "gp, pi": {"acquisition": "pi"},
    "gp, lcb": {"acquisition": "lcb"},
    "gp, thompson": {"acquisition": "thompson"},
    "forest, logei": {"surrogate": "forest"},
    "quasirandom": {"surrogate": "quasirandom"},
    "random": {"surrogate": "random"},
}


def regrets(problem, seeds: int, settings: dict) -> list[float]:
    """Distances from the minimum, one for each seed."""
    from ours import Ours

    return [
        float(regret(run(Ours(problem, s, **settings), problem, s), problem)) for s in range(seeds)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--save", action="store_true", help="keep what was measured")
    arguments = parser.parse_args()
    sys.path.insert(0, str(BENCHMARKS.parent))  # the skdeep of this checkout
    found: dict[str, dict[str, list[float]]] = {label: {} for label in CHOICES}
    for problem in problems(PROBLEMS):
        print(f"{problem.name}: {problem.calls} evaluations, {arguments.seeds} seeds")
        for label, settings in CHOICES.items():
            with threadpool_limits(1):
                found[label][problem.name] = regrets(problem, arguments.seeds, settings)
            print(f"  {label:14} {np.median(found[label][problem.name]):.4g}", flush=True)
    if arguments.save:
        keep("choices", regrets=found)


if __name__ == "__main__":
    main()
