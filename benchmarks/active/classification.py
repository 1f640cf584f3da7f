"""Active classification: what strategies are worth on digits and MNIST.

    python benchmarks/active/classification.py            a quarter of an hour on one core
    python benchmarks/active/classification.py --save     and keep its result

The score is the accuracy on held-out rows against the number of labels, and what counts its mean
over the labels, the area under the curve (``label_budget_area``). All strategies of a seed begin
with the same 20 labels, at least one of each class, and are asked for 20 more at a time up to 300.
digits: 1,000 rows are the pool and the others held out. MNIST: a pool of 10,000, and the 10,000
test images. The network is an MLP of 128 units with dropout, whose settings were fixed before any
strategy was run; ``choices.py`` has the data on which the strategies themselves were chosen.
"""

import argparse

import numpy as np
from common import keep, shared
from threadpoolctl import threadpool_limits

STRATEGIES = ("random", "margin", "entropy", "disagreement", "core_set")


def rows_of(name: str, seed: int):
    """Rows and classes, and which of them are the pool and which are held out."""
    rng = np.random.default_rng(seed)
    if name == "digits":
        from sklearn.datasets import load_digits

        X, y = load_digits(return_X_y=True)
        order = rng.permutation(len(X))
        return X.astype(np.float32) / 16, y, order[:1000], order[1000:]
    data = shared(name)
    if name == "covtype":
        order = rng.permutation(len(data["X"]))
        X = data["X"].astype(np.float32)
        X = (X - X.mean(axis=0)) / np.maximum(X.std(axis=0), 0.1)
        return X, data["y"], order[:10_000], order[10_000:]
    pool = rng.permutation(len(data["X_train"]))[:10_000]
    X = np.concatenate([data["X_train"][pool], data["X_test"]])
    y = np.concatenate([data["y_train"][pool], data["y_test"]])
    X = X.reshape(len(X), -1).astype(np.float32) / 255
    return X, y, np.arange(10_000), np.arange(10_000, len(X))


def areas_of(name: str, strategies, n_seeds: int, batch_size: int = 20):
    """Areas, a row for each seed, and the mean curve of each strategy."""
    import pandas as pd

    from skdeep import MLPClassifier
    from skdeep.active_learning import label_budget_area, label_budget_curve

    curves = []
    for seed in range(n_seeds):
        X, y, pool, held_out = rows_of(name, seed)
        network = MLPClassifier(
            hidden_layer_sizes=(128,),
            dropout=0.2,
            epochs=60,
            batch_size=20,
            learning_rate=1e-3,
            random_state=seed,
        )
        with threadpool_limits(1):
            curve = label_budget_curve(
                network,
                X,
                y,
                strategies=strategies,
                n_initial=20,
                batch_size=batch_size,
                n_labels=300,
                cv=[(pool, held_out)],
                random_state=seed,
            )
        curves.append(curve.assign(repeat=seed))
    curve = pd.concat(curves)
    return label_budget_area(curve), curve.groupby(["strategy", "n_labels"])["score"].mean()


def told(name: str, areas) -> dict[str, dict[str, float]]:
    """Print the areas and their differences from random's, and return them."""
    gains = areas.sub(areas["random"], axis=0)
    error = gains.std(ddof=1) / np.sqrt(len(gains))
    for strategy in areas:
        print(
            f"{name:14} {strategy:16} area {areas[strategy].mean():.4f}, above random's by "
            f"{gains[strategy].mean():+.4f} (standard error {error[strategy]:.4f}), in "
            f"{(gains[strategy] > 0).sum()} of {len(gains)} seeds",
            flush=True,
        )
    return areas.round(5).to_dict("list")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--save", action="store_true", help="keep what was measured")
    arguments = parser.parse_args()
    areas, curves = {}, {}
    for name in ("digits", "mnist"):
        found, curve = areas_of(name, STRATEGIES, arguments.seeds)
        areas[name] = told(name, found)
        curves[name] = {strategy: curve[strategy].round(4).to_dict() for strategy in STRATEGIES}
    if arguments.save:
        keep("classification", areas=areas, mean_curves=curves)


if __name__ == "__main__":
    main()
