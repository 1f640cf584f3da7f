"""Autoencoders on MNIST, beside principal components: codes, denoising, likelihood.

    python benchmarks/decomposition/mnist.py                    all, over three seeds
    python benchmarks/decomposition/mnist.py codes --seeds 1
    python benchmarks/decomposition/mnist.py --save             and keep the medians

SKDEEP_DATA names the folder that has load.py and the data sets.

- codes: two components. The squared error of test images over that of PCA, and the accuracy of the
  five nearest neighbours among the training images' codes, for test images, over that by PCA.
- denoising: normal noise of 0.5 on images in [0, 1]; the peak signal-to-noise ratio of what comes
  back, in dB, less that of the best projection on k principal components of clean images, the best
  k chosen on the test images themselves.
- likelihood: 500-500-20, bits drawn anew in each step of training and once for the test images: the
  bound of test images in nats, and the importance-weighted likelihood of 500 samples.

Seconds are of the fits.
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
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier

BENCHMARKS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(BENCHMARKS.parent))  # the skdeep of this checkout
PACKAGES = ("numpy", "scikit-learn", "tensorflow")
SIGMA = 0.5


def images():
    """Training images, labels, test images, labels; rows of 784 numbers in [0, 1], float32."""
    from load import load

    data = load("mnist")
    parts = [data[f"X_{name}"].reshape(-1, 784) / np.float32(255) for name in ("train", "test")]
    return parts[0], data["y_train"], parts[1], data["y_test"]


def fitted(model, X):
    """A fitted model, and the seconds of the fit."""
    begun = time.perf_counter()
    model.fit(X)
    return model, time.perf_counter() - begun


def codes(seed: int) -> dict[str, float]:
    from skdeep import Autoencoder

    X, y, X_test, y_test = images()
    model, seconds = fitted(
        Autoencoder(
            hidden_layer_sizes=(512, 256, 128),
            epochs=20,
            learning_rate_schedule="cosine",
            random_state=seed,
        ),
        X,
    )
    found = {}
    for name, each in {"pca": PCA(2, random_state=seed).fit(X), "ours": model}.items():
        Z, Z_test = each.transform(X), each.transform(X_test)
        found[name] = (
            float(np.mean((X_test - each.inverse_transform(Z_test)) ** 2)),
            KNeighborsClassifier(5).fit(Z, y).score(Z_test, y_test),
        )
    return {
        "error over PCA's": found["ours"][0] / found["pca"][0],
        "neighbours' accuracy over PCA's": found["ours"][1] / found["pca"][1],
        "neighbours' accuracy": found["ours"][1],
        "seconds": seconds,
    }


def denoising(seed: int) -> dict[str, float]:
    from skdeep import Autoencoder

    X, _, X_test, _ = images()
    noise = np.random.default_rng(seed).normal(0, SIGMA, X_test.shape)
    noisy = (X_test + noise).astype(np.float32)
    model, seconds = fitted(
        Autoencoder(
            n_components=128,
            hidden_layer_sizes=(1000, 500),
            noise="gaussian",
            noise_level=SIGMA,
            epochs=20,
            learning_rate_schedule="cosine",
            random_state=seed,
        ),
        X,
    )

    def ratio(rows):
        """Peak signal-to-noise ratio, in dB, of images in [0, 1]."""
        return -10 * np.log10(np.mean((np.clip(rows, 0, 1) - X_test) ** 2))

    pca = PCA(100, random_state=seed).fit(X)
    Z = pca.transform(noisy)
    linear = [
        ratio(Z[:, :k] @ pca.components_[:k] + pca.mean_) for k in range(5, len(pca.components_))
    ]
    ours = ratio(model.inverse_transform(model.transform(noisy)))
    return {"dB": ours, "dB above PCA": ours - max(linear), "seconds": seconds}


def likelihood(seed: int, epochs: int = 20) -> dict[str, float]:
    from skdeep import VariationalAutoencoder

    X, _, X_test, _ = images()
    bits = (np.random.default_rng(seed).random(X_test.shape) < X_test).astype(np.float32)
    model, seconds = fitted(
        VariationalAutoencoder(
            n_components=20,
            hidden_layer_sizes=(500, 500),
            likelihood="bernoulli",
            epochs=epochs,
            learning_rate_schedule="cosine",
            random_state=seed,
        ),
        X,
    )
    return {
        "bound of test images": float(model.score_samples(bits, n_samples=1).mean()),
        "log-likelihood, 500 samples": float(model.score_samples(bits, n_samples=500).mean()),
        "active components": float((model.kl_per_component_ > 0.1).sum()),
        "seconds": seconds,
    }


PARTS = {"codes": codes, "denoising": denoising, "likelihood": likelihood}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="part", help=", ".join(PARTS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--save", action="store_true", help="keep what was measured")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"no part is called {', '.join(unknown)}; there are {', '.join(PARTS)}.")
    if "SKDEEP_DATA" not in os.environ:
        sys.exit("set SKDEEP_DATA to the folder that has load.py and the data sets.")
    sys.path.insert(0, os.environ["SKDEEP_DATA"])
    path = BENCHMARKS / "results" / "decomposition_mnist.json"
    for name in arguments.parts or PARTS:
        runs = []
        for seed in range(arguments.seeds):
            runs.append({key: round(float(value), 4) for key, value in PARTS[name](seed).items()})
            print(name, seed, runs[-1], flush=True)
        medians = {key: round(float(np.median([run[key] for run in runs])), 4) for key in runs[0]}
        print(name, "medians", medians, flush=True)
        if arguments.save:
            kept = json.loads(path.read_text()) if path.exists() else {}
            kept[name] = {
                "command": f"python benchmarks/decomposition/mnist.py {name} --save",
                "date": time.strftime("%Y-%m-%d"),
                "machine": f"{os.cpu_count()} cores, {platform.machine()}",
                "versions": {p: version(p) for p in PACKAGES}
                | {"python": platform.python_version()},
                "medians": medians,
                "runs": runs,
            }
            path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
