"""Measure skdeep beside its peers, each peer in an environment of its own.

    python benchmarks/run.py                 all figures but the slow ones
    python benchmarks/run.py iris search     these
    python benchmarks/run.py --slow          all, trainings to an accuracy too
    python benchmarks/run.py --table         only write docs/benchmarks.rst from the results

The environments are made at first use, under benchmarks/.venvs. Peers run in rounds, one after
another, so that a busy moment hits all alike; medians over rounds are compared. Results go to
benchmarks/results, one file for each figure.
"""

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import numpy as np
from figures import FIGURES, Figure, NoData

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
TABLE = HERE.parent / "docs" / "benchmarks.rst"
HEAD = """\
Benchmarks
==========

Written by ``python benchmarks/run.py --table`` from the last runs. Each figure comes from one
command, which makes its peers' environments by itself; ratios are of medians over rounds in which
the peers ran one after another, with the same number of threads. What is not listed was not
measured; in particular, nothing here ran on a GPU.

.. list-table::
   :header-rows: 1
   :widths: 40 34 13 13

   * - Figure
     - Target
     - Measured
     - Met
"""


class Peer:
    """A process that runs one peer's tasks; a context manager."""

    def __init__(self, name: str, threads: int) -> None:
        limits = ["OMP", "MKL", "OPENBLAS", "TF_INTRAOP", "TF_INTEROP"]
        names = [f"TF_NUM_{n[3:]}_THREADS" if "TF" in n else f"{n}_NUM_THREADS" for n in limits]
        environment = os.environ | {n: str(threads) for n in names}
        environment |= {"PYTHONPATH": str(HERE.parent)}
        self.name, self._begun = name, time.perf_counter()
        self._said = tempfile.TemporaryFile("w+")  # shown only if something fails
        self._process = subprocess.Popen(
            [python_of(name), HERE / "peers" / f"{name}_peer.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            env=environment,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()

    def ask(self, **request) -> dict:
        """What a task measured."""
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            self._said.seek(0)
            raise RuntimeError(f"{self.name} died in {request['task']}:\n{self._said.read()}")
        answer = json.loads(answer)
        if "error" in answer:
            raise RuntimeError(f"{self.name} failed in {request['task']}:\n{answer['error']}")
        return answer | {"process_seconds": time.perf_counter() - self._begun}


def python_of(peer: str) -> str:
    """The interpreter of a peer, whose environment is made if it is missing or out of date.

    A peer without a requirements file is part of skdeep's own environment.
    """
    requirements = HERE / "peers" / f"{peer}.txt"
    if not requirements.exists():
        return sys.executable
    folder = HERE / ".venvs" / peer
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    stamp, wanted = folder / "made-from", hashlib.sha256(requirements.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"making the environment of {peer}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "-r", requirements], check=True)
        stamp.write_text(wanted)
    return str(python)


def measure(figure: Figure, threads: int, quick: bool, only: list[str] | None) -> dict:
    """The measurements of each label, and the versions that made them."""
    tasks = {label: t for label, t in figure.tasks.items() if only is None or t[0] in only}
    settings = figure.settings | (figure.quick if quick else {})
    found: dict[str, list[dict]] = {label: [] for label in tasks}
    versions = {}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        data = os.path.join(folder, "data.npz")
        np.savez(data, **figure.data())
        peers: dict[str, Peer] = {}
        for name, *_ in tasks.values():
            python_of(name)
        for _ in range(1 if quick else figure.repeats):
            for label, (name, task, *own) in tasks.items():
                request = {
                    "task": task,
                    "data": data,
                    "settings": settings | (own[0] if own else {}),
                    "warm_up": figure.warm_up,
                    "at_least_seconds": figure.at_least_seconds,
                }
                if figure.fresh:
                    with Peer(name, threads) as peer:
                        answer = peer.ask(**request)
                else:
                    if label not in peers:
                        peers[label] = running.enter_context(Peer(name, threads))
                    answer = peers[label].ask(**request)
                versions[label] = answer.pop("versions")
                found[label].append(answer)
    return {"measurements": found, "versions": versions}


def run(name: str, threads: int, quick: bool, only: list[str] | None) -> dict:
    """Measure a figure, say and store what came out."""
    figure, load = FIGURES[name], os.getloadavg()[0]
    result = {
        "title": figure.title,
        "command": f"python benchmarks/run.py {name} --threads {threads}",
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python "
        f"{platform.python_version()}",
        "load_before": round(load, 1),
        "date": time.strftime("%Y-%m-%d"),
        **measure(figure, threads, quick, only),
    }
    result["targets"] = []
    for target in figure.targets:
        if target.versus is None or target.versus in result["measurements"]:
            value = target.measured(result["measurements"])
            result["targets"].append(
                {"text": target.text, "measured": value, "met": bool(target.met(value))}
            )
    if not quick and only is None:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
    return result


def show(result: dict) -> None:
    """A small table."""
    print(f"\n{result['title']}   (load before: {result['load_before']})")
    for label, measurements in result["measurements"].items():
        print(f"  {label:24} {summary(measurements)}")
    for target in result["targets"]:
        print(f"  {'met ' if target['met'] else 'MISSED'}  {target['text']}: {number(target)}")
    sys.stdout.flush()


def summary(measurements: list[dict]) -> str:
    """The medians over rounds, and the spread of what was timed."""
    parts = []
    for name in measurements[0]:
        values = [m[name] for m in measurements]
        spread = f" ({min(values):.4g} to {max(values):.4g})" if len(values) > 1 else ""
        parts.append(f"{name} {median(values):.4g}{spread}")
    return "; ".join(parts)


def number(target: dict) -> str:
    return f"{target['measured']:.4g}"


def write_table() -> None:
    """docs/benchmarks.rst, from the stored results."""
    results = [
        json.loads(path.read_text())
        for path in (RESULTS / f"{name}.json" for name in FIGURES)
        if path.exists()
    ]
    lines = HEAD.splitlines()
    for result in results:
        for i, target in enumerate(result["targets"]):
            met = "yes" if target["met"] else "no"
            first = result["title"] if i == 0 else ""
            lines += [f"   * - {first}", f"     - {target['text']}"]
            lines += [f"     - {number(target)}", f"     - {met}"]
    lines = [line.rstrip() for line in lines] + ["", "The runs", "--------", ""]
    for result in results:
        lines += [f"``{result['command']}``", f"   {about(result)}", ""]
        for label, measurements in result["measurements"].items():
            versions = ", ".join(f"{k} {v}" for k, v in result["versions"][label].items())
            lines += [f"   - {label} ({versions}): {times(measurements)}"]
        lines += [""]
    TABLE.write_text("\n".join(lines))
    print(f"wrote {TABLE.relative_to(HERE.parent)}")


def about(result: dict) -> str:
    """Where and when; a load near the number of cores says that others were at work."""
    return f"{result['date']}; {result['machine']}; load before the run {result['load_before']}."


def times(measurements: list[dict]) -> str:
    """All measurements but the preparing, as medians."""
    names = [n for n in measurements[0] if n not in ("prepare_seconds", "process_seconds")]
    return ", ".join(
        f"{name.replace('_', ' ')} {median(m[name] for m in measurements):.4g}" for name in names
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="figure", help=", ".join(FIGURES))
    parser.add_argument("--threads", type=int, default=1, help="of every peer (default: 1)")
    parser.add_argument("--slow", action="store_true", help="train to accuracies too")
    parser.add_argument("--quick", action="store_true", help="one small round; stores nothing")
    parser.add_argument("--only", nargs="+", metavar="peer", help="of these peers; stores nothing")
    parser.add_argument("--table", action="store_true", help="write docs/benchmarks.rst")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(FIGURES):
        parser.error(f"no figure is called {', '.join(unknown)}; there are {', '.join(FIGURES)}.")
    names = arguments.names
    if not names and not (arguments.table and not arguments.slow):
        names = [name for name, figure in FIGURES.items() if arguments.slow or not figure.slow]
    for name in names:
        try:
            show(run(name, arguments.threads, arguments.quick, arguments.only))
        except NoData as reason:
            print(f"\n{name}: skipped, {reason}")
    if arguments.table:
        write_table()


if __name__ == "__main__":
    main()
