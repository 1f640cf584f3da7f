"""Which candidates should go on, after a part of their epochs? Rules on kept learning curves.

    python benchmarks/search/curves.py              some minutes on one core
    python benchmarks/search/curves.py --save       and keep benchmarks/results/search_curves.json
    python benchmarks/search/curves.py --compute    train the networks anew, two hours on one core

Five tables of random candidates, each trained to its end: what a rule stops is never known better
than here. Of 24 candidates in random orders, later ones better than earlier ones as in a search, a
rule decides after 1/8, 1/4 and 1/2 of the epochs. Reported are the points of the score that the
best survivor lacks to the best of all, a mean over orders, and the epochs as a share of all.

halving            the best 1/2, 1/4, 1/8 go on: skdeep's
upper half         of those that had as many epochs: asynchronous halving, as a stopping rule
gain > ...         a Gaussian process over parameters and parts (autoregressive, as for versions
                   of an experiment) expects more than a gain over the best, in deviations
"""

import argparse
import gzip
import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from problems import BENCHMARKS, RESULTS, keep
from scipy.stats import norm
from threadpoolctl import threadpool_limits

N_CANDIDATES, DRIFT = 24, 3.0
KEPT = Path(RESULTS) / "search_learning_curves.json.gz"
# Rows, candidates, epochs, folds.
TABLES = {
    "digits": (1797, 100, 27, 3),
    "magic": (4000, 100, 27, 3),
    "covtype": (4000, 100, 27, 3),
    "fashion": (4000, 100, 27, 3),
    "cnn": (10_000, 60, 18, 1),
}
SPACE = {
    "learning_rate": (1e-4, 1e-1, "log"),
    "dropout": (0.0, 0.5),
    "weight_decay": (1e-6, 1e-1, "log"),
    "batch_size": (32, 512, "log"),
}


def rows_of(name: str, n: int):
    """Rows and classes of a table."""
    sys.path.insert(0, os.environ["SKDEEP_DATA"])
    from load import load
    from sklearn.datasets import load_digits
    from sklearn.preprocessing import StandardScaler

    if name == "digits":
        X, y = load_digits(return_X_y=True)
        return X / 16, y
    if name == "magic":
        frame = load("magic_gamma/magic04")
        X, y = frame.drop(columns="class").to_numpy(float), frame["class"].to_numpy()
    elif name == "covtype":
        data = load("covtype")
        X, y = data["X"].astype(float), data["y"]
    else:
        data = load("fashion_mnist")
        X, y = data["X_train"], data["y_train"]
    rows = np.random.default_rng(0).permutation(len(X))[:n]
    X, y = X[rows], y[rows]
    if name == "fashion":
        return X.reshape(n, -1).astype("float32") / 255, y
    return (X if name == "cnn" else StandardScaler().fit_transform(X)), y


def draw(name: str, rng: np.random.Generator) -> dict:
    """A candidate."""
    candidate = {
        "learning_rate": float(10 ** rng.uniform(-4, -1)),
        "dropout": float(rng.choice([0, 0.2, 0.5])),
        "weight_decay": float(10 ** rng.uniform(-6, -1)),
        "batch_size": int(rng.choice([32, 128, 512])),
    }
    if name == "cnn":
        return candidate | {"architecture": ("small", "lenet1", "lenet5")[rng.integers(3)]}
    return candidate | {"width": int(rng.choice([16, 64, 256])), "depth": int(rng.integers(1, 3))}


def train(name: str) -> list:
    """Candidates of a table, and their scores after each epoch, (n_folds, n_epochs)."""
    from sklearn.model_selection import StratifiedKFold

    from skdeep import CNNClassifier, MLPClassifier
    from skdeep.exceptions import FitDivergedError

    n, n_candidates, epochs, n_folds = TABLES[name]
    X, y = rows_of(name, n)
    rng = np.random.default_rng(1)
    splits = [*StratifiedKFold(3, shuffle=True, random_state=0).split(X, y)][:n_folds]
    found = []
    for i in range(n_candidates):
        candidate, curves = draw(name, rng), []
        settings = dict(candidate)
        if name != "cnn":
            settings["hidden_layer_sizes"] = (settings.pop("width"),) * settings.pop("depth")
        cls = CNNClassifier if name == "cnn" else MLPClassifier
        for fit, held in splits:
            model = cls(
                epochs=epochs,
                early_stopping="accuracy",
                patience=epochs,
                random_state=0,
                **settings,
            )
            try:
                model.fit(X[fit], y[fit], X_val=X[held], y_val=y[held])
                curves.append(model.history_["val_score"].round(5).tolist())
            except FitDivergedError:
                curves.append([0.0] * epochs)
        found.append([candidate, curves])
        print(f"{name}: {i + 1} of {n_candidates}, {np.mean(curves, axis=0)[-1]:.4f}", flush=True)
    return found


def levels_of(name: str) -> list[int]:
    from skdeep.model_selection.trials.epochs import SHARES

    return sorted({-(-TABLES[name][2] // share) for share in SHARES})


class Table:
    """Candidates and their mean scores after each part, (n_candidates, n_parts)."""

    def __init__(self, name: str, kept: list) -> None:
        from skdeep.model_selection.spaces import Space

        own = {"architecture": ["small", "lenet1", "lenet5"]}
        if name != "cnn":
            own = {"width": (16, 256, "log"), "depth": (1, 2)}
        self.levels = levels_of(name)
        self.space = Space(SPACE | own)
        self.candidates = [candidate for candidate, _ in kept]
        curves = np.array([np.mean(curves, axis=0) for _, curves in kept])
        self.curves = curves[:, np.array(self.levels) - 1]

    def orders(self, n: int) -> list[list[int]]:
        """Candidates in orders in which good ones come later."""
        rng = np.random.default_rng(0)
        rank = self.curves[:, -1].argsort().argsort() / len(self.curves)
        found = []
        for _ in range(n):
            left, order = [*range(len(rank))], []
            for t in range(N_CANDIDATES):
                p = np.exp(DRIFT * t / N_CANDIDATES * rank[left])
                order.append(left.pop(rng.choice(len(left), p=p / p.sum())))
            found.append(order)
        return found


class Halves:
    """skdeep's rule."""

    def __init__(self, table: Table) -> None:
        self.curves: list[np.ndarray] = []
        self.n_parts = len(table.levels)

    def goes_on(self, i: int, curve: np.ndarray) -> bool:
        from skdeep.model_selection.trials.epochs import Halving

        return not Halving.against(self.curves, self.n_parts).is_lost(curve[:, None])

    def ended(self, i: int, curve: np.ndarray) -> None:
        self.curves.append(curve)


class UpperHalf(Halves):
    """Of those that had as many epochs, once two had all."""

    def goes_on(self, i, curve):
        if sum(len(other) == self.n_parts for other in self.curves) < 2:
            return True
        there = [c[len(curve) - 1] for c in self.curves if len(c) >= len(curve)]
        return sum(other > curve[-1] for other in there) < max(1, (len(there) + 1) // 2)


class Gain:
    """What a model of all parts expects of the end, once three had all."""

    def __init__(self, table: Table, least: float) -> None:
        from skdeep.model_selection.fidelity import MultiFidelityOptimizer

        self.table, self.least, self.n_complete = table, least, 0
        costs = {str(level): level for level in table.levels}
        self.model = MultiFidelityOptimizer(table.space, costs, random_state=0)

    def goes_on(self, i, curve):
        from skdeep.model_selection.fidelity import OneVersion

        self._tell(i, curve)
        if self.n_complete < 3:
            return True
        last = len(self.table.levels) - 1
        view = OneVersion(self.model._fit(), last)
        point = self.table.space.check(self.table.candidates[i])
        told = self.model._points[self.model._versions == last]
        mean, variance, _ = view.mean_and_variance(self.table.space.columns(point[None]))
        spread = np.sqrt(variance[0])
        z = (view.mean(self.table.space.columns(told)).min() - mean[0]) / spread
        return spread * (norm.pdf(z) + z * norm.cdf(z)) > self.least

    def ended(self, i, curve):
        if len(curve) == len(self.table.levels):
            self._tell(i, curve)
            self.n_complete += 1

    def _tell(self, i, curve):
        level = self.table.levels[len(curve) - 1]
        self.model.tell(self.table.candidates[i], -curve[-1], str(level))


RULES: dict[str, Callable] = {
    "halving": Halves,
    "upper half": UpperHalf,
    "gain > 1e-4": partial(Gain, least=1e-4),
    "gain > 1e-3": partial(Gain, least=1e-3),
    "gain > 1e-2": partial(Gain, least=1e-2),
}


def outcome(table: Table, order: list[int], rule: Halves | Gain) -> tuple[float, float]:
    """Points that the best survivor lacks, and the epochs as a share of all."""
    n_epochs, best = 0, -np.inf
    for i in order:
        whole, n = table.curves[i], 1
        while n < len(whole) and rule.goes_on(i, whole[:n]):
            n += 1
        rule.ended(i, whole[:n])
        n_epochs += table.levels[n - 1]
        best = max(best, whole[-1]) if n == len(whole) else best
    share = n_epochs / len(order) / table.levels[-1]
    return 100 * (table.curves[order, -1].max() - best), share


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--orders", type=int, default=20)
    parser.add_argument("--compute", action="store_true", help="train the networks anew")
    parser.add_argument("--save", action="store_true", help="keep what was measured")
    arguments = parser.parse_args()
    sys.path.insert(0, str(BENCHMARKS.parent))  # the skdeep of this checkout
    if arguments.compute:
        with threadpool_limits(1), gzip.open(KEPT, "wt") as file:
            json.dump({name: train(name) for name in TABLES}, file, separators=(",", ":"))
    with gzip.open(KEPT, "rt") as file:
        kept = json.load(file)
    tables = {name: Table(name, kept[name]) for name in TABLES}
    orders = {name: table.orders(arguments.orders) for name, table in tables.items()}
    runs: dict[str, dict[str, list]] = {}
    for label, rule in RULES.items():
        with threadpool_limits(1):
            runs[label] = {
                name: np.mean([outcome(t, o, rule(t)) for o in orders[name]], axis=0).tolist()
                for name, t in tables.items()
            }
        lacks, share = np.mean([*runs[label].values()], axis=0)
        each = ", ".join(f"{name} {a:.2f}" for name, (a, _) in runs[label].items())
        print(
            f"{label:12} lacks {lacks:.3f} points ({each}), {share:.2f} of the epochs", flush=True
        )
    if arguments.save:
        keep("curves", orders=arguments.orders, runs=runs)


if __name__ == "__main__":
    main()
