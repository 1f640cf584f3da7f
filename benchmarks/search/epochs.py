"""Epochs as fidelity: what a search costs and finds if candidates begin with few epochs.

    python benchmarks/search/epochs.py            an hour on one core
    python benchmarks/search/epochs.py --save     and keep benchmarks/results/search_epochs.json

A convolutional network on 10,000 images of Fashion-MNIST, three seeds, 24 candidates of its own
space in three folds: once all with 16 epochs, once with ``fidelity="epochs"``. The scores are those
of cross-validation, after all epochs, of the best candidate. Each search has a process of its own.
"""

import argparse
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
from problems import BENCHMARKS, keep

N_ROWS, N_CANDIDATES, N_EPOCHS, N_FOLDS = 10_000, 24, 16, 3


def images(seed: int):
    """Images and labels that a seed draws."""
    sys.path.insert(0, os.environ["SKDEEP_DATA"])
    from load import load

    data = load("fashion_mnist")
    rows = np.random.default_rng(seed).permutation(len(data["y_train"]))[:N_ROWS]
    return data["X_train"][rows], data["y_train"][rows]


def search(seed: int, fidelity: str | None) -> dict[str, float]:
    """One search: its best score, and its epochs as a share of all."""
    sys.path.insert(0, str(BENCHMARKS.parent))  # the skdeep of this checkout
    from skdeep import BayesSearchCV, CNNClassifier

    found = BayesSearchCV(
        CNNClassifier(architecture="lenet5", epochs=N_EPOCHS, random_state=seed),
        n_iter=N_CANDIDATES,
        cv=N_FOLDS,
        fidelity=fidelity,
        refit=False,
        random_state=seed,
    ).fit(*images(seed))
    epochs = found.cv_results_.get("epochs", np.full(N_CANDIDATES, N_EPOCHS))
    return {"score": float(found.best_score_), "epochs": float(np.mean(epochs) / N_EPOCHS)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--save", action="store_true", help="keep what was measured")
    arguments = parser.parse_args()
    seeds = range(arguments.seeds)
    os.environ["OMP_NUM_THREADS"] = os.environ["TF_NUM_INTRAOP_THREADS"] = "1"
    runs: list[dict[str, dict[str, float]]] = [{} for _ in seeds]
    context = get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, max_tasks_per_child=1) as pool:
        for label, fidelity in {"all": None, "epochs": "epochs"}.items():
            for seed in seeds:
                runs[seed][label] = pool.submit(search, seed, fidelity).result()
                print(f"seed {seed}, {label}: {runs[seed][label]}", flush=True)
    for seed, run in enumerate(runs):
        lost, share = run["all"]["score"] - run["epochs"]["score"], run["epochs"]["epochs"]
        print(
            f"seed {seed}: best score {run['all']['score']:.4f}, with few epochs first "
            f"{run['epochs']['score']:.4f} ({100 * lost:+.2f} points lost) by {share:.2f} of the "
            "epochs"
        )
    if arguments.save:
        keep("epochs", runs=runs)


if __name__ == "__main__":
    main()
