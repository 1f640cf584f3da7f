"""Epochs as fidelity: what a search costs and finds if candidates begin with few epochs.

    python benchmarks/search/epochs.py            an hour on one core
    python benchmarks/search/epochs.py --save     and keep benchmarks/results/search_epochs.json

A convolutional network on 10,000 images of Fashion-MNIST, three seeds, 24 candidates of its own
space in three folds: once all with 16 epochs, once with ``fidelity="epochs"``. The scores are those
of cross-validation, after all epochs, of the best candidate.
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
from problems import BENCHMARKS, RESULTS
from threadpoolctl import threadpool_limits

N_ROWS, N_CANDIDATES, N_EPOCHS, N_FOLDS = 10_000, 24, 16, 3


def images(seed: int):
    """Images and labels that a seed draws."""
    sys.path.insert(0, os.environ["SKDEEP_DATA"])
    from load import load

    data = load("fashion_mnist")
    rows = np.random.default_rng(seed).permutation(len(data["y_train"]))[:N_ROWS]
    return data["X_train"][rows], data["y_train"][rows]


def search(seed: int, fidelity: str | None) -> dict[str, float]:
    """One search: its best score, its epochs as a share of all, and the seconds it took."""
    from skdeep import BayesSearchCV, CNNClassifier

    begun = time.perf_counter()
    found = BayesSearchCV(
        CNNClassifier(architecture="lenet5", epochs=N_EPOCHS, random_state=seed),
        n_iter=N_CANDIDATES,
        cv=N_FOLDS,
        fidelity=fidelity,
        refit=False,
        random_state=seed,
    ).fit(*images(seed))
    epochs = found.cv_results_.get("epochs", np.full(N_CANDIDATES, N_EPOCHS))
    return {
        "score": float(found.best_score_),
        "epochs": float(np.mean(epochs) / N_EPOCHS),
        "seconds": time.perf_counter() - begun,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--save", action="store_true", help="keep what was measured")
    arguments = parser.parse_args()
    sys.path.insert(0, str(BENCHMARKS.parent))  # the skdeep of this checkout
    runs: list[dict[str, dict[str, float]]] = []
    for seed in range(arguments.seeds):
        with threadpool_limits(1):
            run = {"epochs": search(seed, "epochs"), "all": search(seed, None)}
        runs.append(run)
        lost, share = run["all"]["score"] - run["epochs"]["score"], run["epochs"]["epochs"]
        print(
            f"seed {seed}: best score {run['all']['score']:.4f}, with few epochs first "
            f"{run['epochs']['score']:.4f} ({100 * lost:+.2f} points lost) by {share:.2f} of the "
            f"epochs, in {run['epochs']['seconds'] / run['all']['seconds']:.2f} of the time",
            flush=True,
        )
    if arguments.save:
        result = {
            "command": "python benchmarks/search/epochs.py --save",
            "date": time.strftime("%Y-%m-%d"),
            "machine": f"{os.cpu_count()} cores, {platform.machine()}",
            "versions": {name: version(name) for name in ("tensorflow", "scikit-learn", "numpy")},
            "runs": runs,
        }
        path = Path(RESULTS) / "search_epochs.json"
        path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        print(f"kept {path.name}")


if __name__ == "__main__":
    main()
