"""Errors of skdeep and its peers on the tables, kept in benchmarks/results; and times.

    python benchmarks/tables/peers.py --save                      whatever is not there yet
    python benchmarks/tables/peers.py skdeep --anew --save        skdeep's, after a change
    python benchmarks/tables/peers.py lightgbm --tables adult     this peer there; kept only with
                                                                  --save
    python benchmarks/tables/peers.py --show                      what is kept, and mean ranks
    python benchmarks/tables/peers.py --time realmlp mlp          seconds, side by side

The peers' environment, whose versions are in benchmarks/peers/tables.txt, is made at first use,
under benchmarks/.venvs; skdeep is that of this checkout, in the environment that runs the command.
Hours on two cores: each fit has a process of its own, is written as it ends, and a computation that
was broken off goes on where it stopped.

All are given the same training and validation rows of ``data.py``, two threads, the seed, and have
their own defaults; none sees the test rows, and none is fitted again with the validation rows.

- skdeep: ``TabularClassifier`` and ``TabularRegressor``; the epoch that is best on the validation
  rows is kept.
- hist_gradient_boosting (scikit-learn): categories by dtype, as by default, and early stopping as
  by default where validation rows are given; these it gets.
- lightgbm, catboost: 50 rounds without gain on the validation rows end a fit, of at most 1,000
  (CatBoost's default; of LightGBM 100 is, which early stopping would rarely end). Categories are
  handed over as such; CatBoost wants missing ones as a text.
- realmlp, tabm: RealMLP-TD [1]_ and TabM-D [2]_ of pytabkit; both keep the epoch that is best on
  the validation rows. They take categories but no missing numbers: for these the median of the
  training rows and a column that says so.
- mlp: scikit-learn's, 200 epochs at most, without early stopping, as by default: it has no use for
  the validation rows. Medians as above, standardized numbers and target, categories one-hot.

**Rows.** On a table of more than 8,000 training rows each is fitted on 8,000 of them, and on all if
that would take less than 10 minutes: as many times as long as there are more rows, from the
processor time of its fit at seed 0 over the threads. That is the least it can take, and busy
neighbours hardly lengthen it. So where a peer lacks a result on all rows, it is to be compared on
8,000, ours too. ``--capped`` leaves the fits on all rows for another time.

**Times** of these fits stand in the file but compare nothing: others may be at work at the machine
(``"timed": false``). ``--time`` fits those named in turn, in rounds, on 8,000 rows of three tables,
and keeps the median over rounds of the seconds, and of their ratio to the first one named.

A class has an error, 1 - accuracy; the area under the ROC curve (of more than two classes the mean
of each against the rest); the log loss; and the expected calibration error of ``skdeep.metrics``. A
number has the root mean square error, in the units of ``data.py``.

.. [1] Holzmueller, Grinsztajn, Steinwart. Better by default: strong pre-tuned MLPs and boosted
   trees on tabular data. NeurIPS, 2024.
.. [2] Gorishniy, Kotelnikov, Babenko. TabM: advancing tabular deep learning with
   parameter-efficient ensembling. ICLR, 2025.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
from data import SPOILT, TABLES, Table, read, split

INSIDE, OURS = "SKDEEP_TABLES_PEERS", "skdeep"  # holds the interpreter that has skdeep
BENCHMARKS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(BENCHMARKS.parent))  # the skdeep of this checkout
RESULTS = BENCHMARKS / "results"
THREADS, CAP, MOST_SECONDS, PATIENCE = 2, 8_000, 600, 50
TIMED = ("california_housing", "magic_gamma", "adult")


@dataclass
class Behind:
    """A fitted model behind what prepares its rows."""

    prepare: Callable
    model: Any

    def predict(self, X):
        return self.model.predict(self.prepare(X))

    def predict_proba(self, X):
        return self.model.predict_proba(self.prepare(X))


def ours(X, y, X_val, y_val, task: str, seed: int):
    from skdeep import TabularClassifier, TabularRegressor

    kind = TabularClassifier if task == "classification" else TabularRegressor
    return kind(random_state=seed).fit(X, y, X_val=X_val, y_val=y_val)


def hist_gradient_boosting(X, y, X_val, y_val, task: str, seed: int):
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    classes = task == "classification"
    kind = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    return kind(random_state=seed).fit(X, y, X_val=X_val, y_val=y_val)


def lightgbm(X, y, X_val, y_val, task: str, seed: int):
    from lightgbm import LGBMClassifier, LGBMRegressor, early_stopping

    kind = LGBMClassifier if task == "classification" else LGBMRegressor
    model = kind(n_estimators=1000, random_state=seed, n_jobs=THREADS, verbose=-1)
    stop = early_stopping(PATIENCE, verbose=False)
    return model.fit(X, y, eval_X=X_val, eval_y=y_val, callbacks=[stop])


def catboost(X, y, X_val, y_val, task: str, seed: int):
    from catboost import CatBoostClassifier, CatBoostRegressor

    kind = CatBoostClassifier if task == "classification" else CatBoostRegressor
    categories = categories_of(X)

    def prepare(X):
        texts = X[categories].astype("str").fillna("missing")
        return X.assign(**{column: texts[column].astype(object) for column in categories})

    model = kind(
        random_seed=seed,
        thread_count=THREADS,
        cat_features=categories,
        early_stopping_rounds=PATIENCE,
        verbose=False,
        allow_writing_files=False,
    )
    return Behind(prepare, model.fit(prepare(X), y, eval_set=(prepare(X_val), y_val)))


def realmlp(X, y, X_val, y_val, task: str, seed: int):
    from pytabkit import RealMLP_TD_Classifier, RealMLP_TD_Regressor

    kind = RealMLP_TD_Classifier if task == "classification" else RealMLP_TD_Regressor
    return of_pytabkit(kind, X, y, X_val, y_val, seed)


def tabm(X, y, X_val, y_val, task: str, seed: int):
    from pytabkit import TabM_D_Classifier, TabM_D_Regressor

    kind = TabM_D_Classifier if task == "classification" else TabM_D_Regressor
    return of_pytabkit(kind, X, y, X_val, y_val, seed)


def of_pytabkit(kind: type, X, y, X_val, y_val, seed: int) -> Behind:
    """Fitted on a CPU, without missing numbers."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer

    filled = ColumnTransformer(
        [("numbers", SimpleImputer(strategy="median", add_indicator=True), numbers_of(X))],
        remainder="passthrough",
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    X = filled.fit_transform(X)
    model = kind(device="cpu", n_threads=THREADS, random_state=seed)
    return Behind(filled.transform, model.fit(X, y, X_val=filled.transform(X_val), y_val=y_val))


def mlp(X, y, X_val, y_val, task: str, seed: int):
    from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
    from sklearn.impute import SimpleImputer
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    columns = ColumnTransformer(
        [
            ("numbers", numbers, numbers_of(X)),
            (
                "categories",
                OneHotEncoder(handle_unknown="ignore", sparse_output=False),
                categories_of(X),
            ),
        ]
    )
    if task == "classification":
        return make_pipeline(columns, MLPClassifier(random_state=seed)).fit(X, y)
    model = TransformedTargetRegressor(
        MLPRegressor(random_state=seed), transformer=StandardScaler()
    )
    return make_pipeline(columns, model).fit(X, y)


def categories_of(X) -> list[str]:
    return list(X.select_dtypes("category"))


def numbers_of(X) -> list[str]:
    return list(X.select_dtypes("number"))


# Of each its function and the packages that matter.
PEERS: dict[str, tuple[Callable, tuple[str, ...]]] = {
    OURS: (ours, ()),
    "hist_gradient_boosting": (hist_gradient_boosting, ("scikit-learn",)),
    "lightgbm": (lightgbm, ("lightgbm",)),
    "catboost": (catboost, ("catboost",)),
    "mlp": (mlp, ("scikit-learn",)),
    "realmlp": (realmlp, ("pytabkit", "torch")),
    "tabm": (tabm, ("pytabkit", "torch")),
}


def measure(fit: Callable, table: Table, seed: int, rows: int | None = None) -> dict:
    """What a model does on the test rows, and its time.

    Parameters
    ----------
    fit : callable
        From X, y, X_val, y_val, task, seed to a fitted model: with ``predict_proba`` for classes,
        whose columns are in the order of the classes, with ``predict`` otherwise.
    table : Table
    seed : int
        Of the split and of the model.
    rows : int, default=None
        At most so many training rows.
    """
    train, validation, test = split(table, seed, rows)
    X, y = table.X, table.y
    inside = [part for part in (train, validation) for part in (X.iloc[part], y[part])]
    begun, used = time.perf_counter(), time.process_time()
    model = fit(*inside, table.task, seed)
    times = {
        "seconds": round(time.perf_counter() - begun, 2),
        "processor_seconds": round(time.process_time() - used, 2),
    }
    y, X = y[test], X.iloc[test]
    if table.task == "classification":
        scores = scores_of_classes(y, np.asarray(model.predict_proba(X), dtype=float))
    else:
        scores = {"error": np.sqrt(np.mean((np.ravel(model.predict(X)) - y) ** 2))}
    return {"rows": len(train)} | {n: round(float(v), 6) for n, v in scores.items()} | times


def scores_of_classes(y: np.ndarray, P: np.ndarray) -> dict[str, float]:
    """From classes and probabilities (n_rows, n_classes), which float32 leaves short of sum 1."""
    from sklearn.metrics import log_loss, roc_auc_score

    from skdeep.metrics import expected_calibration_error

    P = P / P.sum(axis=1, keepdims=True)
    return {
        "error": np.mean(P.argmax(axis=1) != y),
        "auc": roc_auc_score(y, P[:, 1] if P.shape[1] == 2 else P, multi_class="ovr"),
        "log_loss": log_loss(y, P),
        "calibration_error": expected_calibration_error(y, P),
    }


def versions(peer: str) -> dict[str, str]:
    if peer == OURS:
        from skdeep import __version__

        return {"skdeep": __version__}
    names = {*PEERS[peer][1], "scikit-learn", "numpy", "pandas"}
    return {n: version(n) for n in sorted(names)} | {"python": platform.python_version()}


def apart(
    peer: str, table: str, seed: int, rows: int, limit: float, timed: bool = False
) -> dict | None:
    """``measure`` in a process of its own; None if it ran longer than the limit, or failed."""
    names = ("OMP", "MKL", "OPENBLAS")
    environment = os.environ | {f"{n}_NUM_THREADS": str(THREADS) for n in names}
    if not timed:  # where others want the cores, threads that wait should sleep; OpenBLAS's cannot
        environment |= {"OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_NUM_THREADS": "1"}
    python = os.environ[INSIDE] if peer == OURS else sys.executable
    command = [python, __file__, "--fit", json.dumps([peer, table, seed, rows])]
    try:
        found = subprocess.run(
            command, stdout=subprocess.PIPE, text=True, env=environment, timeout=limit
        )
    except subprocess.TimeoutExpired:
        return None
    return None if found.returncode else json.loads(found.stdout.splitlines()[-1])


def path() -> Path:
    return RESULTS / "tables_peers.json"


def stored() -> dict:
    """What is kept: versions by peer, and fits."""
    if path().exists():
        return json.loads(path().read_text())
    return {
        "command": "python benchmarks/tables/peers.py --save",
        "machine": f"{os.cpu_count()} cores, {platform.machine()}; {THREADS} threads",
        "timed": False,
        "rule": f"all training rows where {CAP} and their number promise at most {MOST_SECONDS} s",
        "versions": {},
        "fits": [],
    }


def store(result: dict) -> None:
    """Keep all or nothing, whenever the process ends; a line for a fit."""
    lines = ",\n  ".join(json.dumps(fit) for fit in result["fits"])
    head = json.dumps({n: v for n, v in result.items() if n != "fits"}, indent=1)
    new = path().with_suffix(".new")
    new.write_text(f'{head[:-2]},\n "fits": [\n  {lines}\n ]\n}}\n', encoding="utf-8")
    os.replace(new, path())


def forget(peers: list[str], tables: list[str]) -> None:
    """Drop what is kept of these peers on these tables, and the versions of what is gone."""
    result = stored()
    of_these = lambda fit: fit["peer"] in peers and fit["table"] in tables  # noqa: E731
    result["fits"] = [fit for fit in result["fits"] if not of_these(fit)]
    left = {fit["peer"] for fit in result["fits"]}
    result["versions"] = {n: known for n, known in result["versions"].items() if n in left}
    store(result)


def compute(peer: str, name: str, seed: int, limit: float, capped: bool, save: bool) -> None:
    """The fits that are missing of a peer, a table and a seed, on 8,000 rows and then on all."""
    known, fits = versions(peer), stored()["fits"] if save else []
    if save and stored()["versions"].get(peer, known) != known:
        sys.exit(f"{path().name} has fits of {peer} with other versions; begin --anew.")
    mine = {(f["seed"], f["rows"]): f for f in fits if (f["peer"], f["table"]) == (peer, name)}
    n, about = len(split(read(name), seed)[0]), f"{peer:22} {name:18} {seed}"
    for rows in (n,) if n <= CAP else (CAP,) if capped else (CAP, n):
        if (seed, rows) in mine:
            continue
        if rows > CAP:
            fit = mine.get((0, CAP)) or mine[seed, CAP]
            promised = fit["processor_seconds"] / THREADS * rows / CAP
            if promised > MOST_SECONDS:
                print(f"{about}: {rows} rows promise {promised:.0f} s", flush=True)
                return
        found = apart(peer, name, seed, rows, limit)
        if found is None:
            print(f"{about}: nothing within {limit:g} s", flush=True)
            return
        print(f"{about}: {found}", flush=True)
        mine[seed, rows] = found
        if save:
            result = stored()  # anew: another part may have run meanwhile
            result["versions"][peer] = known
            result["fits"].append({"peer": peer, "table": name, "seed": seed} | found)
            store(result)


def show(peers: list[str]) -> None:
    """Mean errors of what is kept, and mean ranks over tables where all have the same fits.

    A table's ranks are of the seeds that all have, on all training rows if all have these, and on
    8,000 otherwise; those of adult's three forms do not count.
    """
    fits, ranks = pd.DataFrame(stored()["fits"]), {}
    fits = fits[fits["peer"].isin(peers)]
    for name in TABLES + SPOILT:
        each = fits[fits["table"] == name].pivot(
            index=["rows", "seed"], columns="peer", values="error"
        )
        each = each.reindex(columns=peers)
        if each.empty:
            continue
        print(f"\n{name}\n{each.groupby('rows').mean().round(4).to_string()}")
        common = each.dropna().groupby("rows").mean()
        if len(common) and not name.startswith("adult"):
            ranks[name] = common.iloc[-1].rank()
    if ranks:
        mean = pd.DataFrame(ranks).mean(axis=1).sort_values()
        print(f"\nmean rank over {', '.join(ranks)}\n{mean.round(2).to_string()}")


def compare_times(peers: list[str], rounds: int, limit: float, save: bool) -> None:
    """Seconds of each, and their ratio to those of the first, medians over rounds."""
    tables = {}
    for name in TIMED:
        load = os.getloadavg()[0]
        seconds: dict[str, list[float]] = {peer: [] for peer in peers}
        for seed in range(rounds):
            for peer in peers:
                found = apart(peer, name, seed, CAP, limit, timed=True)
                if found is None:
                    sys.exit(f"{peer} gave nothing on {name} within {limit:g} s.")
                seconds[peer].append(found["seconds"])
        first = seconds[peers[0]]
        ratios = {
            peer: round(median(other / own for other, own in zip(seconds[peer], first)), 3)
            for peer in peers[1:]
        }
        print(f"{name:18} {seconds}; over {peers[0]}: {ratios}", flush=True)
        tables[name] = {"load_before": round(load, 1), "seconds": seconds, "ratios": ratios}
    if save:
        result = {
            "command": f"python benchmarks/tables/peers.py --time {' '.join(peers)} "
            f"--seeds {rounds} --save",
            "date": time.strftime("%Y-%m-%d"),
            "machine": f"{os.cpu_count()} cores, {platform.machine()}; {THREADS} threads",
            "versions": {peer: versions(peer) for peer in peers},
            "rows": CAP,
            "tables": tables,
        }
        (RESULTS / "tables_time.json").write_text(json.dumps(result, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("peers", nargs="*", metavar="peer", help=", ".join(PEERS))
    parser.add_argument("--tables", nargs="+", default=TABLES + SPOILT, choices=TABLES + SPOILT)
    parser.add_argument("--seeds", type=int, default=3, help="the first ones; rounds of --time")
    parser.add_argument("--limit", type=float, default=3600, help="seconds of a fit, at most")
    parser.add_argument("--capped", action="store_true", help="on at most 8,000 rows only")
    parser.add_argument("--anew", action="store_true", help="forget what is kept of those named")
    parser.add_argument("--time", action="store_true", help="compare seconds, not errors")
    parser.add_argument("--show", action="store_true", help="only say what is kept")
    parser.add_argument("--save", action="store_true", help="keep what was measured")
    parser.add_argument("--fit", help=argparse.SUPPRESS)  # one fit, in a process of its own
    arguments = parser.parse_args()
    if unknown := set(arguments.peers) - set(PEERS):
        parser.error(f"no peer is called {', '.join(unknown)}; there are {', '.join(PEERS)}.")
    if arguments.fit:
        peer, name, seed, rows = json.loads(arguments.fit)
        print(json.dumps(measure(PEERS[peer][0], read(name, seed), seed, rows)))
        return
    if INSIDE not in os.environ:
        sys.path.insert(0, str(BENCHMARKS))
        from run import python_of

        command = [python_of("tables"), *sys.argv]
        sys.exit(subprocess.run(command, env=os.environ | {INSIDE: sys.executable}).returncode)
    peers = arguments.peers or list(PEERS)
    if arguments.show:
        show(peers)
        return
    if arguments.time:
        compare_times(peers, arguments.seeds, arguments.limit, arguments.save)
        return
    if arguments.anew and arguments.save:
        forget(arguments.peers, arguments.tables)
    for seed in range(arguments.seeds):
        for name in arguments.tables:
            for peer in peers:
                compute(peer, name, seed, arguments.limit, arguments.capped, arguments.save)


if __name__ == "__main__":
    main()
