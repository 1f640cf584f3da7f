"""What best scores are worth: raw ones, corrected ones, and the truth.

    python benchmarks/search/honest.py            a quarter of an hour on one core
    python benchmarks/search/honest.py --save     and keep benchmarks/results/search_honest.json

50 candidates of a support vector machine, 5 folds, on generated tables, 40 of each kind. The truth
is the score of the refitted winner on 20,000 rows of the same distribution; for labels without
any pattern it is one half. ``within`` is how often the interval, of nine in ten, holds it.

R2 is lower on few rows than on many, as it divides by a variance that they estimate; and a search
knows those of folds. Hence the truth ``of_folds``: the mean over parts of the new rows, each as
large as a fold.
"""

import argparse

import numpy as np
from problems import keep
from threadpoolctl import threadpool_limits

N_NEW = 20_000
N_FEATURES = 20
# Kind of target, scoring and rows of each table.
TABLES = {
    "noise": ("noise", "accuracy", 120),
    "accuracy, 120 rows": ("classes", "accuracy", 120),
    "accuracy, 400 rows": ("classes", "accuracy", 400),
    "ROC AUC, 120 rows": ("classes", "roc_auc", 120),
    "ROC AUC, one in seven, 120 rows": ("rare", "roc_auc", 120),
    "R2, 120 rows": ("numbers", "r2", 120),
    "R2, 300 rows": ("numbers", "r2", 300),
}


def rows_of(kind: str, n: int, seed: int):
    """A table of n rows, and N_NEW others of the same distribution."""
    from sklearn.datasets import make_classification, make_friedman1

    total = n + N_NEW
    if kind == "numbers":
        X, y = make_friedman1(total, N_FEATURES, noise=3.0, random_state=seed)
    elif kind == "noise":
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(total, N_FEATURES))
        y = np.append(rng.permutation(n) % 2, rng.integers(2, size=N_NEW))
    else:
        shares = [6 / 7] if kind == "rare" else None
        X, y = make_classification(
            total,
            N_FEATURES,
            n_informative=5,
            class_sep=0.6,
            flip_y=0.1,
            weights=shares,
            random_state=seed,
        )
    return X[:n], y[:n], X[n:], y[n:]


def measure(kind: str, scoring: str, n: int, seed: int) -> dict[str, float]:
    """What one search says of its winner, and what that is worth."""
    from sklearn.metrics import get_scorer
    from sklearn.model_selection import KFold, StratifiedKFold
    from sklearn.svm import SVC, SVR

    from skdeep import BayesSearchCV

    X, y, X_new, y_new = rows_of(kind, n, seed)
    space = {"C": (1e-2, 1e3, "log"), "gamma": (1e-4, 1e1, "log")}
    splits = (KFold if kind == "numbers" else StratifiedKFold)(5, shuffle=True, random_state=seed)
    model = SVR() if kind == "numbers" else SVC()
    search = BayesSearchCV(
        model, space, n_iter=50, scoring=scoring, cv=splits, random_state=seed
    ).fit(X, y)
    low, high = search.best_score_interval_
    scorer, parts = get_scorer(scoring), np.array_split(np.arange(N_NEW), 5 * N_NEW // n)
    if kind == "noise":
        truths = {"": 0.5}
    else:
        truths = {"": scorer(search, X_new, y_new)}
    if kind == "numbers":
        truths["_of_folds"] = np.mean([scorer(search, X_new[part], y_new[part]) for part in parts])
    found = {"raw": search.best_score_, "corrected": search.best_score_corrected_}
    for name, truth in truths.items():
        found |= {
            f"truth{name}": truth,
            f"raw_error{name}": abs(found["raw"] - truth),
            f"corrected_error{name}": abs(found["corrected"] - truth),
            f"within{name}": float(low <= truth <= high),
        }
    return found | {"width": high - low}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--save", action="store_true")
    parser.add_argument("--seeds", type=int, default=40)
    args = parser.parse_args()
    found = {}
    for name, (kind, scoring, n) in TABLES.items():
        with threadpool_limits(1):
            runs = [measure(kind, scoring, n, seed) for seed in range(args.seeds)]
        found[name] = {key: float(np.mean([run[key] for run in runs])) for key in runs[0]}
        gain = [run["raw_error"] - run["corrected_error"] for run in runs]
        found[name]["gain_error"] = float(np.std(gain, ddof=1) / np.sqrt(len(gain)))
        print(f"{name}: " + ", ".join(f"{k} {v:.4f}" for k, v in found[name].items()), flush=True)
    if args.save:
        keep("honest", seeds=args.seeds, tables=found)


if __name__ == "__main__":
    main()
