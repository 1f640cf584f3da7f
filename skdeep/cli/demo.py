"""``skdeep demo``: a network tuned, trained, compared, saved and loaded, in a minute."""

import argparse
import subprocess
import sys
import time
from itertools import count
from pathlib import Path
from typing import Any

N_ITER = 12
_PREDICT_ELSEWHERE = """
import sys, numpy as np, skdeep
model, rows, out = sys.argv[1:]
np.save(out, skdeep.load(model).predict_proba(np.load(rows)))
"""


def add(commands: Any) -> None:
    """Add the command to the parsers of all commands."""
    command = commands.add_parser(
        "demo",
        help="tune and train a convolutional network on images of digits, in a minute",
        description="Tunes and trains a convolutional network on scikit-learn's digits; writes "
        "a picture and the model into the current directory.",
    )
    command.set_defaults(run=demo)


def demo(options: argparse.Namespace) -> int:
    """Tune a pipeline that ends in a CNN, compare it on unseen images, save and load it."""
    import numpy as np
    from sklearn.base import clone
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import Normalizer

    from skdeep.image.cnn import CNNClassifier
    from skdeep.model_selection import BayesSearchCV
    from skdeep.persistence import save

    started = time.perf_counter()
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)
    print(
        f"Tuning a convolutional network on {len(X)} images of digits, 8 x 8 pixels: "
        f"{N_ITER} candidates, 3 folds each."
    )
    scale = Normalizer("max")  # the brightest pixel of an image is 1
    default = make_pipeline(scale, CNNClassifier(image_shape=(8, 8), random_state=0))
    search = BayesSearchCV(default, n_iter=N_ITER, cv=3, random_state=0, verbose=1).fit(X, y)

    linear = make_pipeline(scale, LogisticRegression(max_iter=1000))
    rivals = {
        "logistic regression": linear.fit(X, y),
        "CNN as it comes": clone(default).fit(X, y),
        "CNN tuned": search,
    }
    scores = {name: model.score(X_test, y_test) for name, model in rivals.items()}
    print(f"\nAccuracy on {len(X_test)} images that the search never saw:")
    for name, score in scores.items():
        print(f"  {name:20} {score:.4f}")
    print("Best of the search:")
    for name, value in search.best_params_.items():
        print(f"  {name.split('__')[-1]:20} {value:.3g}")

    model_file = _free_name("skdeep-demo.skdeep")
    save(search.best_estimator_, model_file)
    same = np.array_equal(_predicted_elsewhere(model_file, X_test), search.predict_proba(X_test))
    if not same:
        raise RuntimeError(f"{model_file} predicts otherwise in a fresh process.")
    picture = _free_name("skdeep-demo.png")
    _draw(search, scores, X_test, y_test).savefig(picture, dpi=120)
    print(
        f"\nSaved {model_file} (a fresh process loads it and predicts the same) and {picture}.\n"
        f"{time.perf_counter() - started:.0f} seconds in all."
    )
    return 0


def _free_name(name: str) -> Path:
    """``name``, or the first of name-2, name-3, ... that does not exist yet."""
    path = Path(name)
    numbered = (path.with_stem(f"{path.stem}-{i}") for i in count(2))
    while path.exists():
        path = next(numbered)
    return path


def _predicted_elsewhere(model_file: Path, X: Any) -> Any:
    """Probabilities for rows X from the saved model, computed by a fresh process."""
    import tempfile

    import numpy as np

    with tempfile.TemporaryDirectory() as folder:
        rows, out = Path(folder, "rows.npy"), Path(folder, "out.npy")
        np.save(rows, X)
        command = [sys.executable, "-c", _PREDICT_ELSEWHERE, model_file, rows, out]
        subprocess.run([str(word) for word in command], check=True)
        return np.load(out)


def _draw(search: Any, scores: dict[str, float], X: Any, y: Any) -> Any:
    """A figure: the search's course, the learning curve, the hardest images."""
    import numpy as np
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.6), layout="constrained")
    panels: Any = figure.subfigures(1, 3)
    left, middle, right = panels

    axes = left.subplots()
    found = np.asarray(search.cv_results_["mean_test_score"])
    candidates = np.arange(1, len(found) + 1)
    axes.plot(candidates, 1 - found, "o", color="0.6", label="candidate")
    axes.step(candidates, np.minimum.accumulate(1 - found), where="post", label="best so far")
    axes.set(title="Search", xlabel="candidate (the first is the default)", yscale="log")
    axes.set(ylabel="error rate, 3 folds", xticks=candidates[::2])
    axes.legend(frameon=False)

    axes = middle.subplots()
    axes.semilogy(search.best_estimator_[-1].history_["loss"], color="C1")
    axes.set(title="Learning curve of the best", xlabel="epoch", ylabel="cross-entropy, nats")

    probabilities = search.predict_proba(X)
    predicted, own = probabilities.argmax(axis=1), probabilities[np.arange(len(y)), y]
    right.suptitle(f"{np.count_nonzero(predicted != y)} mistakes in {len(y)}, and the least sure")
    for axes, i in zip(right.subplots(3, 3).flat, np.argsort(own), strict=False):
        axes.set_axis_off()
        axes.imshow(X[i].reshape(8, 8), cmap="gray_r")
        wrong = predicted[i] != y[i]
        axes.set_title(
            f"{y[i]}, taken for {predicted[i]}" if wrong else f"{y[i]}, p = {own[i]:.2f}",
            fontsize=8,
            color="C3" if wrong else "0.3",
        )
    return figure
