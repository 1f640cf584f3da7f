"""The standard error that metric_stability predicts, and the one over 200 fresh data sets.

    python benchmarks/search/stability.py            half an hour on one core
    python benchmarks/search/stability.py --save     and keep search_stability.json

Each data set is drawn from 40,000 generated rows; the prediction is made on 20 other ones, of each
of which it knows nothing but its own rows. The figure is predicted over observed: its median and
the range of eight in ten.
"""

import argparse
import time

import numpy as np
from problems import keep
from threadpoolctl import threadpool_limits

N_FRESH, N_PREDICTED = 200, 20


def tables() -> dict[str, tuple]:
    """Kind of rows, model, rows and scoring of each table."""
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC, SVR
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    from skdeep import MLPClassifier

    linear = make_pipeline(StandardScaler(), LogisticRegression())
    network = make_pipeline(StandardScaler(), MLPClassifier())
    support = make_pipeline(StandardScaler(), SVR(C=10))
    return {
        "logistic regression, accuracy, 100 rows": ("classes", linear, 100, "accuracy"),
        "logistic regression, accuracy, 1000 rows": ("classes", linear, 1000, "accuracy"),
        "logistic regression, AUC, 100 rows": ("classes", linear, 100, "roc_auc"),
        "SVC, accuracy, 100 rows": ("classes", SVC(), 100, "accuracy"),
        "SVC, AUC, 400 rows": ("classes", SVC(), 400, "roc_auc"),
        "tree, accuracy, 100 rows": ("classes", DecisionTreeClassifier(), 100, "accuracy"),
        "neighbours, accuracy, 400 rows": ("classes", KNeighborsClassifier(), 400, "accuracy"),
        "network, accuracy, 300 rows": ("classes", network, 300, "accuracy"),
        "logistic regression, log loss, one in five": ("rare", linear, 200, "neg_log_loss"),
        "SVC, F1, one in five, 200 rows": ("rare", SVC(), 200, "f1"),
        "ridge, R2, 100 rows": ("numbers", Ridge(), 100, "r2"),
        "ridge, squared error, 100 rows": ("numbers", Ridge(), 100, "neg_mean_squared_error"),
        "ridge, R2, 30 rows": ("numbers", Ridge(), 30, "r2"),
        "tree, R2, 200 rows": ("numbers", DecisionTreeRegressor(), 200, "r2"),
        "SVR, R2, 200 rows": ("numbers", support, 200, "r2"),
    }


def pool(kind: str):
    """Rows to draw data sets from."""
    from sklearn.datasets import make_classification, make_friedman1

    if kind == "numbers":
        return make_friedman1(40_000, 10, noise=2.0, random_state=7)
    rare = kind == "rare"
    return make_classification(
        40_000,
        20,
        n_informative=5,
        class_sep=1.0 if rare else 0.7,
        flip_y=0.01 if rare else 0.05,
        weights=[0.8] if rare else None,
        random_state=7,
    )


def compare(kind: str, model, n: int, scoring: str) -> dict[str, float]:
    """Predicted over observed standard error."""
    from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score

    from skdeep.model_selection import metric_stability

    X, y = pool(kind)
    splitter = KFold if kind == "numbers" else StratifiedKFold
    seeds = {name: 0 for name in model.get_params() if name.endswith("random_state")}

    def drawn(seed: int):
        return np.random.default_rng(seed).choice(len(y), n, replace=False)

    def score(seed: int) -> float:
        rows, cv = drawn(seed), splitter(5, shuffle=True, random_state=seed)
        model.set_params(**dict.fromkeys(seeds, seed))
        return cross_val_score(model, X[rows], y[rows], cv=cv, scoring=scoring).mean()

    observed = np.std([score(seed) for seed in range(N_FRESH)], ddof=1)
    ratios = []
    for seed in range(N_FRESH, N_FRESH + N_PREDICTED):
        rows = drawn(seed)
        found = metric_stability(model, X[rows], y[rows], cv=5, scoring=scoring, random_state=seed)
        ratios.append(found.noise["standard_error"].iloc[0] / observed)
    low, middle, high = np.quantile(ratios, [0.1, 0.5, 0.9])
    return {"observed": float(observed), "low": low, "median": middle, "high": high}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--save", action="store_true")
    args = parser.parse_args()
    found = {}
    for name, table in tables().items():
        start = time.perf_counter()
        with threadpool_limits(1):
            found[name] = compare(*table)
        print(
            "{}: observed {observed:.4f}; predicted over observed {median:.2f}, {low:.2f} to "
            "{high:.2f}  ({:.0f} s)".format(name, time.perf_counter() - start, **found[name]),
            flush=True,
        )
    if args.save:
        keep("stability", tables=found)


if __name__ == "__main__":
    main()
