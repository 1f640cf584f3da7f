"""Write docs/search_benchmarks.rst from the kept runs.

    python benchmarks/search/page.py

It runs nothing but reads what these have kept in benchmarks/results: peers.py, ours.py --save,
and timing.py, choices.py, fidelity.py, racing.py, epochs.py, curves.py, engines.py, honest.py and
stability.py, each with --save.
"""

import json
from statistics import median

import numpy as np
from fidelity import EXPERIMENTS, RUNS
from ours import EARLY, OURS, kept, normalised, ranks, targets
from peers import PEERS, stored
from problems import BENCHMARKS, MEDIANS, PROBLEMS, RANKED, RESULTS, TABLES, problems, regret

PAGE = BENCHMARKS.parent / "docs" / "search_benchmarks.rst"
LABELS = (OURS, *reversed(PEERS))
NAMES = {
    OURS: "skdeep",
    "skopt": "scikit-optimize",
    "gpsampler": "Optuna's GPSampler",
    "tpe": "Optuna's TPE",
    "random": "random",
}
HEAD = """\
Benchmarks of the search
========================

Written by ``python benchmarks/search/page.py`` from kept runs, which the commands below compute
anew. Every optimiser has its defaults, one thread, and the form of the space that suits it best.
"""


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """A list-table."""
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in [head, *rows]:
        lines += [f"   {'* -' if i == 0 else '  -'} {cell}".rstrip() for i, cell in enumerate(row)]
    return [*lines, ""]


def section(title: str, text: str) -> list[str]:
    return [title, "-" * len(title), "", text, ""]


def aims(runs: dict) -> list[str]:
    """What is aimed at, all of it."""
    found = [(t["text"], t["measured"], t["met"]) for t in targets(runs)]
    for name in ("timing", "fidelity"):
        for t in read(name)["targets"]:
            measured = t["measured"]
            text = measured if isinstance(measured, str) else f"{measured:.3g}"
            found.append((t["text"], text, t["met"]))
    rows = [[text, measured, "yes" if met else "no"] for text, measured, met in found]
    return table(["Target", "Measured", "Met"], rows)


def functions(runs: dict) -> list[str]:
    """How far from the minimum, and who is first."""
    rows = []
    for name in (*MEDIANS, *RANKED):
        problem, found = runs[name]
        by_rank = ranks(found, problem)
        for peer in LABELS:
            if found.get(peer):
                regrets = [regret(f, problem) for f in found[peer].values()]
                low, middle, high = np.quantile(regrets, [0.25, 0.5, 0.75])
                title = f"{name}, {problem.calls} evaluations" if peer == OURS else ""
                rank = f"{by_rank[peer]:.2f}" if peer in by_rank else ""
                row = [title, NAMES[peer], f"{middle:.3g}", f"{low:.3g} to {high:.3g}"]
                rows.append([*row, rank, str(len(regrets))])
    head = ["Function", "Optimiser", "Median", "Quartiles", "Mean rank", "Seeds"]
    return table(head, rows)


def tables(runs: dict) -> list[str]:
    """Regret in the tables, as a share of their range."""
    rows = []
    for calls in (EARLY, 50):
        for peer in LABELS:
            if all(runs[name][1].get(peer) for name in TABLES):
                shares = [normalised(runs[n][1][peer], runs[n][0], calls) for n in TABLES]
                title = f"after {calls}" if peer == OURS else ""
                cells = [f"{share:.2g}" for share in [*shares, np.mean(shares)]]
                rows.append([title, NAMES[peer], *cells])
    return table(["Evaluations", "Optimiser", *TABLES, "mean"], rows)


def timing() -> list[str]:
    rows = []
    for label, measured in read("timing")["measurements"].items():
        what, peer = label.split()
        seconds = measured["seconds"]
        spread = f"{min(seconds):.3f} to {max(seconds):.3f}"
        rows.append([what, NAMES[peer], f"{median(seconds):.3f}", spread])
    return table(["Turn", "Optimiser", "Median, s", "All, s"], rows)


def choices() -> list[str]:
    found = read("choices")["regrets"]
    names = list(next(iter(found.values())))
    rows = [[label, *(f"{median(by[n]):.2g}" for n in names)] for label, by in found.items()]
    return table(["Surrogate, acquisition", *names], rows)


def versions() -> list[str]:
    rows = []
    for name, found in read("fidelity")["measurements"].items():
        for label in RUNS:
            low, middle, high = np.quantile(found[label], [0.25, 0.5, 0.75])
            title = f"{name}, {EXPERIMENTS[name].budget}" if label == next(iter(RUNS)) else ""
            rows.append([title, label, f"{middle:.5f}", f"{low:.5f} to {high:.5f}"])
    return table(["Experiment, budget", "Evaluated", "Median", "Quartiles"], rows)


def races() -> list[str]:
    runs = read("racing")["runs"]
    every = [run for found in runs.values() for run in found]
    rows = []
    for name, found in {**runs, "all": every}.items():
        gains = np.array([run["raced"] - run["plain"] for run in found])
        error = gains.std(ddof=1) / np.sqrt(len(gains))
        times = np.mean([run["candidates"] for run in found])
        rows.append([name, f"{times:.2f}", f"{gains.mean():+.4f}", f"{error:.4f}", str(len(found))])
    return table(["Table", "Candidates, times", "True score", "Its error", "Runs"], rows)


def parts() -> list[str]:
    rows = [
        [
            str(seed),
            f"{run['all']['score']:.4f}",
            f"{run['epochs']['score']:.4f}",
            f"{run['epochs']['epochs']:.2f}",
        ]
        for seed, run in enumerate(read("epochs")["runs"])
    ]
    return table(["Seed", "All epochs", "In parts", "Epochs, share"], rows)


def rules() -> list[str]:
    runs = read("curves")["runs"]
    rows = []
    for rule, found in runs.items():
        lacks, share = np.mean([*found.values()], axis=0)
        rows.append(
            [rule, *(f"{a:.2f}" for a, _ in found.values()), f"{lacks:.3f}", f"{share:.2f}"]
        )
    return table(["Rule", *next(iter(runs.values())), "mean", "Epochs, share"], rows)


def engines() -> list[str]:
    seconds = read("engines")["seconds"]
    serial = median(seconds["serial"])
    rows = [
        [engine, f"{median(taken):.1f}", f"{serial / median(taken):.2f}"]
        for engine, taken in seconds.items()
    ]
    return table(["Engine", "Median, s", "Times as fast"], rows)


def worths() -> list[str]:
    rows = []
    for name, found in read("honest")["tables"].items():
        for suffix, label in {"": name, "_of_folds": f"{name}; of folds as large"}.items():
            if f"truth{suffix}" in found:
                values = [found[f"truth{suffix}"], found["raw"], found["corrected"]]
                errors = [found[f"{key}_error{suffix}"] for key in ("raw", "corrected")]
                rows.append([label, *(f"{value:.3f}" for value in values)])
                rows[-1] += [f"{error:.4f}" for error in errors]
                rows[-1].append(f"{found[f'within{suffix}']:.0%}")
    head = ["Table", "Truth", "Best", "Corrected", "Error of best", "Of corrected", "Within"]
    return table(head, rows)


def noises() -> list[str]:
    rows = [
        [name, f"{found['observed']:.4f}", *(f"{found[k]:.2f}" for k in ("median", "low", "high"))]
        for name, found in read("stability")["tables"].items()
    ]
    return table(["Model, score, rows", "Observed", "Median", "Lowest tenth", "Highest"], rows)


def sources() -> list[str]:
    """Commands, dates and versions of all that is shown."""
    lines = []
    for label in LABELS:
        lines.append(described(stored(label)))
    for name in (
        "timing",
        "choices",
        "fidelity",
        "racing",
        "epochs",
        "curves",
        "engines",
        "honest",
        "stability",
    ):
        lines.append(described(read(name)))
    return [*lines, ""]


def described(result: dict) -> str:
    found = ", ".join(f"{name} {number}" for name, number in result.get("versions", {}).items())
    parts = [result.get("date"), result.get("commit"), result.get("machine"), found]
    return f"- ``{result['command']}``: {'; '.join(part for part in parts if part)}."


def read(name: str) -> dict:
    return json.loads((RESULTS / f"search_{name}.json").read_text())


def main() -> None:
    runs = {}
    for problem in problems(list(PROBLEMS)):
        found = {label: kept(label, problem.name, problem.seeds) for label in LABELS}
        runs[problem.name] = problem, {label: each for label, each in found.items() if each}
    lines = [HEAD, *aims(runs)]
    lines += section(
        "Functions",
        "Distance from the minimum, over all seeds; under noise (standard deviation 1) that of the "
        "point which the optimiser recommends. Ranks are over the seeds that all optimisers have.",
    )
    lines += functions(runs)
    lines += section(
        "Tuning, from tables",
        "Three published grids (a support vector machine, topic models, logistic regression) and "
        "two of bundled data (boosting, a network). Mean distance from the best of the table, as a "
        "share of its range.",
    )
    lines += tables(runs)
    lines += section(
        "Time",
        "Hartmann's function in six dimensions: one value told and one point asked for, with 100 "
        "known; a batch is four of both, with 50 known.",
    )
    lines += timing()
    lines += section(
        "Acquisitions and surrogates", "Median distance from the minimum, over ten seeds."
    )
    lines += choices()
    lines += section("Two versions", "Lowest value of the last version, over forty seeds.")
    lines += versions()
    lines += section(
        "Races",
        "Three tables, ten seeds, 500 rows in ten folds: candidates in equal time, as multiples of "
        "those without a race; and how much better the winner is on 5,000 rows that no fold saw.",
    )
    lines += races()
    lines += section(
        "Few epochs first",
        "Fashion-MNIST, 10,000 images, a convolutional network, 24 candidates in three folds: the "
        'best score after all epochs, without and with ``fidelity="epochs"``.',
    )
    lines += parts()
    lines += section(
        "Who goes on",
        "Kept learning curves of five tables: points that the best survivor of 24 lacks to the "
        "best of all, and the epochs spent. ``halving`` is skdeep's rule; the gain is what a "
        "Gaussian process over parameters and parts expects.",
    )
    lines += rules()
    lines += section(
        "Engines", "40 candidates of an MLP on the digits, five folds, ``n_points=2``, two cores."
    )
    lines += engines()
    lines += section(
        "What best scores are worth",
        "50 candidates of a support vector machine, five folds, 40 generated tables of each kind: "
        "means of the truth (of the winner, on 20,000 other rows), of the best score and of the "
        "corrected one, their mean absolute errors, and how often the interval, of nine in ten, "
        "holds the truth.",
    )
    lines += worths()
    lines += section(
        "Noise of scores",
        "The standard error of a score over 200 fresh data sets, and by how much that which "
        "``metric_stability`` predicts from one data set is larger, on twenty others.",
    )
    lines += noises()
    lines += section("The runs", "Results are in benchmarks/results.")
    lines += sources()
    PAGE.write_text("\n".join(lines))
    print(f"wrote {PAGE.relative_to(BENCHMARKS.parent)}")


if __name__ == "__main__":
    main()
