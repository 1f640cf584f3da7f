"""skdeep's search beside the kept runs of its peers.

    python benchmarks/search/ours.py                                  everything
    python benchmarks/search/ours.py branin hartmann6 --seeds 5       while tuning the optimizer
    python benchmarks/search/ours.py functions                        or medians, tables: a row
    python benchmarks/search/ours.py --save                           keep our runs as well
    python benchmarks/search/ours.py --stored                       show the kept, run nothing

Everything runs in this process, on one thread. Only seeds that are compared count: a peer that is
not computed for all of them says for how many it is, and ranks are taken over those that all have.
Under noise, what counts is the true value at the point that the optimizer recommends, of ours its
`expected_minimum` if it has a model; peers.py says what the peers recommend.
Kept runs of ours are a row of their own, to see what a change brought. Seconds per ask of kept runs
were taken when the machine may have been busy: timing.py is for comparing them.
"""

import argparse
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from typing import Any

import numpy as np
from peers import PEERS, store, stored
from problems import (
    BENCHMARKS,
    MEDIANS,
    MOST,
    PROBLEMS,
    RANKED,
    TABLES,
    Problem,
    Range,
    problems,
    regret,
    run,
)
from scipy.stats import rankdata
from threadpoolctl import threadpool_limits

OURS, KEPT = "skdeep", "skdeep, kept"
ROWS = {"medians": MEDIANS, "functions": RANKED, "tables": TABLES}
AT_MOST = {"branin": 0.400, "hartmann6": -3.31}  # medians
EARLY = 25  # evaluations in a table
Runs = dict[str, dict[int, dict]]  # by label and seed


class Ours:
    """skdeep's optimizer; it sees levels as a list, and conditions."""

    def __init__(self, problem: Problem, seed: int, **settings: Any) -> None:
        from skdeep.model_selection.optimizer import BayesianOptimizer

        self._optimizer = BayesianOptimizer(written(problem), random_state=seed, **settings)
        self._has_model = self._optimizer.surrogate not in ("random", "quasirandom")
        self.ask = self.ask_many = self._optimizer.ask
        self.tell = self.learn = self._optimizer.tell

    def recommend(self) -> dict:
        optimizer = self._optimizer
        return optimizer.expected_minimum()[0] if self._has_model else optimizer.best()


def written(problem: Problem) -> dict[str, Any]:
    """A space as a user of skdeep writes it."""
    space: dict[str, Any] = {}
    for name, dimension in problem.space.items():
        if isinstance(dimension, Range):
            space[name] = (float(dimension.low), float(dimension.high))
        else:
            space[name] = list(dimension.values)
        for parent, value in problem.conditions.get(name, {}).items():
            from skdeep.model_selection import When

            space[name] = When(parent, value, space[name])
    return space


def ours(problem: Problem, seeds: int) -> dict[int, dict]:
    """Our runs, by seed."""
    found = {}
    for seed in range(seeds):
        found[seed] = run(Ours(problem, seed), problem, seed)
        if sys.stderr.isatty():
            print(f"\r{problem.name} {seed + 1} / {seeds}", end="\r", file=sys.stderr)
    return found


def kept(optimizer: str, name: str, seeds: int) -> dict[int, dict]:
    """The kept runs of a peer, or of ours."""
    runs = KEPT_RUNS.setdefault(optimizer, stored(optimizer)["runs"])
    return {int(seed): found for seed, found in runs.get(name, {}).items() if int(seed) < seeds}


KEPT_RUNS: dict[str, dict] = {}


def ranks(runs: Runs, problem: Problem) -> dict[str, float]:
    """Mean rank of each label, over the seeds that all have; ties share a rank."""
    compared = {label: found for label, found in runs.items() if label != KEPT}
    seeds = set.intersection(*(set(found) for found in compared.values()))
    if not seeds or len(compared) == 1:
        return {}
    regrets = [[regret(found[seed], problem) for seed in seeds] for found in compared.values()]
    return dict(zip(compared, rankdata(regrets, axis=0).mean(axis=1)))


def normalised(runs: dict[int, dict], problem: Problem, calls: int) -> float:
    """Mean regret after some calls, as a share of the table's range."""
    regrets = [regret(found, problem, calls) for found in runs.values()]
    return float(np.mean(regrets) / (problem.maximum - problem.minimum))


def show(problem: Problem, runs: Runs, seeds: int) -> None:
    """One problem: what each label found."""
    of_table = problem.name in TABLES
    judged = "; judged at the recommended point" if problem.noise else ""
    print(
        f"\n{problem.name}: {problem.calls} evaluations, {seeds} seeds, "
        f"minimum {problem.minimum:.6g}{judged}"
    )
    head = ["median", "quartiles", "", f"regret at {EARLY}", "at 50"][: 5 if of_table else 3]
    print(f"  {'':14}" + "".join(f"{h:>13}" for h in head) + f"{'rank':>8}{'s / ask':>9}")
    by_rank = ranks(runs, problem)
    for label, found in runs.items():
        if not found:
            continue
        best = [problem.minimum + regret(f, problem) for f in found.values()]
        numbers = np.quantile(best, [0.5, 0.25, 0.75]).tolist()
        if of_table:
            numbers += [normalised(found, problem, n) for n in (EARLY, problem.calls)]
        rank = f"{by_rank[label]:8.2f}" if label in by_rank else f"{'':8}"
        pace = np.median([f["seconds"] for f in found.values()]) / problem.calls
        fewer = f"  ({len(found)} seeds)" if len(found) < seeds else ""
        print(
            f"  {label:14}" + "".join(f"{n:13.6g}" for n in numbers) + f"{rank}{pace:9.3f}{fewer}"
        )
    sys.stdout.flush()


def targets(results: dict[str, tuple[Problem, Runs]]) -> list[dict]:
    """What is aimed at, what was measured, and whether it was met."""
    aims: list[dict] = []

    def aim(text, measured, met):
        aims.append({"text": text, "measured": measured, "met": bool(met)})

    for name in [name for name in MEDIANS if name in results]:
        problem, runs = results[name]
        values = {
            label: [problem.minimum + regret(f, problem) for f in found.values()]
            for label, found in runs.items()
            if found
        }
        middle = float(np.median(values[OURS]))
        aim(f"{name}: median at most {AT_MOST[name]}", f"{middle:.6g}", middle <= AT_MOST[name])
        if "gpsampler" in values:
            mine, its = (np.quantile(values[label], 0.25) for label in (OURS, "gpsampler"))
            text = f"{name}: lower quartile no worse than gpsampler's"
            aim(text, f"{mine:.6f} against {its:.6f}", mine <= its)

    by_problem = {name: ranks(runs, problem) for name, (problem, runs) in results.items()}
    by_problem = {name: r for name, r in by_problem.items() if name in RANKED and len(r) > 1}
    if by_problem:
        labels = set.intersection(*(set(r) for r in by_problem.values()))
        means = {label: float(np.mean([r[label] for r in by_problem.values()])) for label in labels}
        measured = ", ".join(f"{n} {r:.2f}" for n, r in sorted(means.items(), key=lambda m: m[1]))
        text = f"mean rank first on {len(by_problem)} of {len(RANKED)} functions"
        aim(text, measured, means[OURS] == min(means.values()))
        places = {n: 1 + sum(v < r[OURS] for v in r.values()) for n, r in by_problem.items()}
        behind = {name: place for name, place in places.items() if place > 2}
        measured = ", ".join(f"{name} is {place}." for name, place in behind.items()) or "none"
        aim("worse than second on none", measured, not behind)

    tables = [name for name in TABLES if name in results]
    for calls in (EARLY, 50) if tables else ():
        means = {}
        for label in PEERS.keys() | {OURS}:
            if all(results[name][1].get(label) for name in tables):
                found = [normalised(results[n][1][label], results[n][0], calls) for n in tables]
                means[label] = float(np.mean(found))
        if len(means) == 1:
            continue
        measured = ", ".join(f"{n} {r:.3g}" for n, r in sorted(means.items(), key=lambda m: m[1]))
        text = f"normalised regret at {calls} lowest, mean of {len(tables)} of {len(TABLES)} tables"
        aim(text, measured, means[OURS] == min(means.values()))
    return aims


def keep(results: dict[str, tuple[Problem, Runs]]) -> None:
    """Store our runs beside the peers', in place of those of the same problems."""
    described = {
        "command": "python benchmarks/search/ours.py --save",
        "commit": subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=BENCHMARKS,
            capture_output=True,
            text=True,
        ).stdout.strip(),
        "date": time.strftime("%Y-%m-%d"),
        "versions": {p: version(p) for p in ("numpy", "scipy")}
        | {"python": platform.python_version()},
    }
    runs = {name: {str(s): f for s, f in r[OURS].items()} for name, (_, r) in results.items()}
    store(OURS, described | {"runs": stored(OURS)["runs"] | runs})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "names",
        nargs="*",
        metavar="problem",
        help=", ".join([*ROWS, *PROBLEMS]) + " (default: all)",
    )
    parser.add_argument("--seeds", type=int, default=MOST, help="the first ones only")
    parser.add_argument("--save", action="store_true", help="keep our runs")
    parser.add_argument("--stored", action="store_true", help="show kept runs, run nothing")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(PROBLEMS) - set(ROWS):
        known = ", ".join([*ROWS, *PROBLEMS])
        parser.error(f"no problem is called {', '.join(unknown)}; there are {known}.")
    if arguments.save and (arguments.stored or arguments.seeds < MOST):
        parser.error("--save keeps all seeds of a fresh run: leave out --seeds and --stored.")
    sys.path.insert(0, str(BENCHMARKS.parent))  # the skdeep of this checkout
    wanted = {n for name in arguments.names for n in ROWS.get(name, [name])} or set(PROBLEMS)
    results = {}
    for problem in problems(wanted):
        name = problem.name
        seeds = min(arguments.seeds, problem.seeds)
        runs: Runs = {}
        if arguments.stored:
            runs[OURS] = kept(OURS, name, seeds)
        else:
            with threadpool_limits(1):
                runs[OURS] = ours(problem, seeds)
            runs[KEPT] = kept(OURS, name, seeds)
        if not runs[OURS]:
            continue
        runs |= {peer: found for peer in PEERS if (found := kept(peer, name, seeds))}
        show(problem, runs, seeds)
        results[name] = problem, runs
    print()
    for t in targets(results):
        print(f"  {'met   ' if t['met'] else 'MISSED'}  {t['text']}: {t['measured']}")
    if arguments.save:
        keep(results)


if __name__ == "__main__":
    main()
