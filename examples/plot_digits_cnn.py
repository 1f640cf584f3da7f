"""
Digits by a convolutional network in a pipeline
===============================================

Can a convolutional network sit where a linear model sat? It scales pixels in a pipeline, is
cross-validated beside a logistic regression and a multilayer perceptron, and shows which images it
is least sure of.

What to notice: five folds of each network take seconds, because all folds share one compiled
program; and how sure the network is of its worst mistakes, which label smoothing would temper.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skdeep import CNNClassifier, MLPClassifier


def brightness(pixels):
    """Pixels from 0 to 1, all by one scale, as dark corners have none of their own."""
    return pixels / 16


X, y = load_digits(return_X_y=True)
models = {
    "logistic regression": LogisticRegression(max_iter=1000),
    "MLP": MLPClassifier(random_state=0),
    "CNN": CNNClassifier(image_shape=(8, 8), random_state=0),
}
probabilities = {}
for name, model in models.items():
    started = time.perf_counter()
    pipeline = make_pipeline(FunctionTransformer(brightness), model)
    probabilities[name] = cross_val_predict(pipeline, X, y, cv=5, method="predict_proba")
    wrong = np.count_nonzero(probabilities[name].argmax(axis=1) != y)
    seconds = time.perf_counter() - started
    print(f"{name:20} {wrong:3} of {len(y)} wrong in 5 folds, {seconds:4.1f} s")

# %%
# The dozen images whose true class got the least probability, each predicted by a network that
# had not seen it.

own = probabilities["CNN"][np.arange(len(y)), y]
hardest = np.argsort(own)[:12]
figure, axes = plt.subplots(2, 6, figsize=(9, 3.6), layout="constrained")
for ax, i in zip(axes.flat, hardest, strict=True):
    guess = probabilities["CNN"][i].argmax()
    p = probabilities["CNN"][i, guess]
    ax.imshow(X[i].reshape(8, 8), cmap="gray_r")
    ax.set_title(f"a {y[i]}, taken for {guess}\nwith p = {p:.2f}", fontsize=9)
    ax.set_axis_off()
figure.suptitle("Hardest digits for the CNN")
plt.show()
