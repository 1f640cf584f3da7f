"""Deep features stacked with gradient boosting, beside each alone, on five tables.

    python benchmarks/tables/stacking.py            an hour on one core
    python benchmarks/tables/stacking.py --save     and keep its result, table by table

SKDEEP_DATA names the folder that has load.py and the data sets. Of each table the first rows of a
random order are split into ten folds, the same for all models: HistGradientBoosting with its
defaults; a network with its own, but for the epochs (``TabularClassifier.fast(epochs=32)``);
a linear model of the outputs of both out of fold (``DeepFeatures(model, cv=5)``); and, to see what
the folds are worth, of outputs for rows that they have seen (``cv=None``). Scores are areas under
the ROC curve, or R2; standard errors of paired differences are corrected for the rows that training
parts share [1]_. The control is the same on shuffled labels.

.. [1] Nadeau, Bengio. Inference for the generalization error. Machine Learning 52, 2003.
"""

import argparse
import json
import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
from sklearn.pipeline import FeatureUnion, make_pipeline
from threadpoolctl import threadpool_limits

BENCHMARKS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(BENCHMARKS.parent))  # the skdeep of this checkout
EPOCHS = 32  # a fit of 9,000 rows takes some 3 s
PACKAGES = ("numpy", "scipy", "scikit-learn", "tensorflow")

# The file of each table, its target, columns that are none, and the scale of the target.
TABLES = {
    "adult": ("adult/train", "income", [], None),
    "magic_gamma": ("magic_gamma", "class", [], None),
    "california_housing": ("california_housing", "median_house_value", [], np.asarray),
    "diamonds": ("diamonds", "price", [], np.log),
    "bike_sharing": ("bike_sharing", "cnt", ["dteday", "casual", "registered"], np.asarray),
}


def table(name: str, n_rows: int):
    """Columns and target of a table; strings are pandas' categories."""
    from load import load

    path, target, others, scale = TABLES[name]
    frame = load(path)
    if isinstance(frame, dict):
        (frame,) = frame.values()
    frame = frame.sample(min(n_rows, len(frame)), random_state=0).reset_index(drop=True)
    X = frame.drop(columns=[target, *others])
    X = X.astype(dict.fromkeys(X.select_dtypes(exclude="number"), "category"))
    if scale is None:
        return X, (frame[target] == frame[target].unique()[0]).to_numpy(int)
    return X, scale(frame[target].to_numpy(float))


def models(X, is_classes: bool) -> dict:
    """The contenders."""
    from skdeep import DeepFeatures, TabularClassifier, TabularRegressor

    network = (TabularClassifier if is_classes else TabularRegressor).fast(
        epochs=EPOCHS, random_state=0
    )
    boosting = (HistGradientBoostingClassifier if is_classes else HistGradientBoostingRegressor)(
        random_state=0
    )
    output = "decision_function" if is_classes else "predict"

    def stacked(cv):
        members = {"boosting": boosting, "network": network}
        columns = FeatureUnion(
            [(name, DeepFeatures(m, output=output, cv=cv)) for name, m in members.items()]
        )
        return make_pipeline(columns, LogisticRegression() if is_classes else LinearRegression())

    return {
        "boosting": boosting,
        "network": network,
        "stacked": stacked(5),
        "leaking": stacked(None),
    }


def scores_of(X, y, names, n_folds: int) -> dict[str, np.ndarray]:
    """Scores of each model in each fold."""
    is_classes = y.dtype.kind == "i"
    folds = (StratifiedKFold if is_classes else KFold)(n_folds, shuffle=True, random_state=0)
    scoring = "roc_auc" if is_classes else "r2"
    contenders = models(X, is_classes)
    found = {}
    for name in names:
        begun = time.perf_counter()
        found[name] = cross_val_score(contenders[name], X, y, cv=folds, scoring=scoring)
        seconds = time.perf_counter() - begun
        print(f"    {name:10} {found[name].mean():.4f}   {seconds:4.0f} s", flush=True)
    return found


def gains_of(scores: dict[str, np.ndarray], n_folds: int) -> dict[str, dict[str, float]]:
    """What the stack gains on each of the others, with corrected standard errors."""
    found = {}
    for name in scores.keys() - {"stacked"}:
        difference = scores["stacked"] - scores[name]
        error = difference.std(ddof=1) * np.sqrt(1 / n_folds + 1 / (n_folds - 1))
        found[name] = {
            "gain": round(difference.mean(), 5),
            "error": round(error, 5),
            "folds_won": int((difference > 0).sum()),
        }
        print(
            f"    stacked - {name:10} {difference.mean():+.4f} (corrected standard error "
            f"{error:.4f}), better in {(difference > 0).sum()} of {n_folds} folds",
            flush=True,
        )
    return found


def keep(name: str, result: dict) -> None:
    """Put the result of a table beside those of the others."""
    path = BENCHMARKS / "results" / "tables_stacking.json"
    tables = json.loads(path.read_text(encoding="utf-8"))["tables"] if path.exists() else {}
    kept = {
        "command": "python benchmarks/tables/stacking.py --save" + f" --rows {result['rows']}",
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "versions": {package: version(package) for package in PACKAGES}
        | {"python": platform.python_version()},
        "tables": tables | {name: result},
    }
    path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    print(f"kept {name} in {path.name}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("tables", nargs="*", default=list(TABLES), help=", ".join(TABLES))
    parser.add_argument("--rows", type=int, default=10_000, help="of each table, at most")
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--save", action="store_true", help="keep what was measured")
    arguments = parser.parse_args()
    if "SKDEEP_DATA" not in os.environ:
        sys.exit("set SKDEEP_DATA to the folder that has load.py and the data sets.")
    sys.path.insert(0, os.environ["SKDEEP_DATA"])
    with threadpool_limits(1):
        for name in arguments.tables:
            X, y = table(name, arguments.rows)
            print(f"{name}, {X.shape[0]} rows of {X.shape[1]} columns", flush=True)
            names = ("boosting", "network", "stacked", "leaking")
            scores = scores_of(X, y, names, arguments.folds)
            gains = gains_of(scores, arguments.folds)
            print("  labels shuffled", flush=True)
            shuffled = np.random.default_rng(0).permutation(y)
            control = scores_of(X, shuffled, names[:3], arguments.folds)
            result = {
                "rows": len(y),
                "scores": {model: s.round(5).tolist() for model, s in scores.items()},
                "gains": gains,
                "shuffled": {model: s.round(5).tolist() for model, s in control.items()},
            }
            if arguments.save:
                keep(name, result)


if __name__ == "__main__":
    main()
