"""Compute the two tables that are searched: every point of a grid, once, from bundled data.

    python benchmarks/search/tables.py              both, some minutes each on one core
    python benchmarks/search/tables.py boosting     this one

One fit gives all points that differ only in its length (boosting iterations, epochs), since a
longer fit passes through the shorter ones.
"""

import argparse
import gzip
import itertools
import json
import platform
import time
import warnings
from importlib.metadata import version

import numpy as np
from problems import RESULTS
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

# The last coordinate of a grid is the length of a fit.
BOOSTING = {
    "learning_rate": [0.01, 0.03, 0.1, 0.2, 0.4, 0.8],
    "max_leaf_nodes": [2, 3, 5, 8, 16, 31],
    "min_samples_leaf": [1, 5, 20, 50],
    "l2_regularization": [0.0, 1.0, 10.0],
    "max_iter": [25, 50, 100],
}
MLP = {
    "activation": ["logistic", "relu", "tanh"],
    "hidden_units": [8, 16, 32, 64],
    "learning_rate_init": [0.0003, 0.001, 0.003, 0.01, 0.03, 0.1],
    "alpha": [0.0001, 0.01, 1.0],
    "batch_size": [16, 64],
    "epochs": [3, 10, 30],
}


def boosting(max_iter, **settings):
    """Log loss over three folds of the breast cancer data."""
    X, y = load_breast_cancer(return_X_y=True)
    losses = []
    for train, test in StratifiedKFold(3, shuffle=True, random_state=0).split(X, y):
        model = HistGradientBoostingClassifier(
            max_iter=max_iter[-1], early_stopping=False, random_state=0, **settings
        ).fit(X[train], y[train])
        staged = list(model.staged_predict_proba(X[test]))
        losses.append([log_loss(y[test], staged[n - 1]) for n in max_iter])
    return np.mean(losses, axis=0)


def mlp(epochs, hidden_units, **settings):
    """Error on half of the digits."""
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X / 16, y, test_size=0.5, stratify=y, random_state=0)
    model = MLPClassifier((hidden_units,), random_state=0, **settings)
    errors = []
    for epoch in range(1, epochs[-1] + 1):
        model.partial_fit(X, y, classes=np.arange(10))
        if epoch in epochs:
            errors.append(1 - model.score(X_test, y_test))
    return errors


GRIDS = {"boosting": (boosting, BOOSTING), "mlp": (mlp, MLP)}


def compute(name: str) -> None:
    """Fit all, and store the values in the order of itertools.product."""
    function, levels = GRIDS[name]
    *names, length = levels
    begun, values = time.perf_counter(), []
    for point in itertools.product(*(levels[n] for n in names)):
        found = function(levels[length], **dict(zip(names, point)))
        values += [round(float(v), 6) for v in found]
    minutes = (time.perf_counter() - begun) / 60
    result = {
        "title": function.__doc__,
        "command": f"python benchmarks/search/tables.py {name}",
        "versions": {p: version(p) for p in ("scikit-learn", "numpy")}
        | {"python": platform.python_version()},
        "minutes": round(minutes, 1),
        "levels": levels,
        "values": values,
    }
    with gzip.open(RESULTS / f"search_table_{name}.json.gz", "wt") as file:
        json.dump(result, file)
    print(f"{name}: {len(values)} points in {minutes:.1f} minutes, best {min(values)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="table", help=", ".join(GRIDS))
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(GRIDS):
        parser.error(f"no table is called {', '.join(unknown)}; there are {', '.join(GRIDS)}.")
    warnings.simplefilter("ignore", RuntimeWarning)  # a diverged network is a point like others
    with threadpool_limits(1):
        for name in arguments.names or GRIDS:
            compute(name)


if __name__ == "__main__":
    main()
