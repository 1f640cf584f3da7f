"""
Your own Keras model in a grid search
=====================================

How deep and how wide should a network for handwritten digits be, and does it need dropout? The
network is a function that returns a Keras model; its arguments are tuned like any other parameter.

What to notice: the 18 candidates make 54 fits, of which those of one architecture share a compiled
program; width gains more than depth; dropout, and depth without width, cost most where units are
few.
"""

from skdeep import NetworkClassifier, engine  # before Keras: who loads TensorFlow first sets it up

# isort: split
import time

import keras
import matplotlib.pyplot as plt
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler


def build(input_shape, n_outputs, units=32, depth=1, dropout=0.0):
    """Hidden layers of equal width, with dropout after each."""
    model = keras.Sequential([keras.Input(input_shape)])
    for _ in range(depth):
        model.add(keras.layers.Dense(units, activation="relu"))
        if dropout:
            model.add(keras.layers.Dropout(dropout))
    model.add(keras.layers.Dense(n_outputs, activation="softmax"))
    return model


X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
grid = {
    "networkclassifier__model__units": [8, 32, 128],
    "networkclassifier__model__depth": [1, 2, 3],
    "networkclassifier__model__dropout": [0.0, 0.3],
}
network = NetworkClassifier(model=build, batch_size=64, learning_rate=3e-3, random_state=0)
started = time.perf_counter()
search = GridSearchCV(make_pipeline(MinMaxScaler(), network), grid, cv=3)
search.fit(X_train, y_train)
seconds = time.perf_counter() - started

results = pd.DataFrame(search.cv_results_["params"]).rename(
    columns=lambda name: name.split("__")[-1]
)
results["accuracy"] = search.cv_results_["mean_test_score"]
programs = sum(n for kind, n in engine.cache_info().kinds.items() if kind.startswith("train"))
print(
    f"{len(results)} candidates, {3 * len(results) + 1} fits, {programs} programs: {seconds:.0f} s"
)
print(f"best in cross-validation: {search.best_params_}")
print(f"accuracy of the best on test rows: {search.score(X_test, y_test):.3f}")
search.best_estimator_[-1].network_.summary()

# %%
# Accuracy in cross-validation, by width and depth.

figure, axes = plt.subplots(1, 2, figsize=(8, 3.4), sharey=True, layout="constrained")
for ax, (dropout, part) in zip(axes, results.groupby("dropout"), strict=True):
    for depth, line in part.groupby("depth"):
        ax.plot(line["units"], line["accuracy"], "o-", label=f"{depth} hidden")
    ax.set(xscale="log", xlabel="units in a layer", title=f"dropout {dropout:g}")
    ax.set_xticks([8, 32, 128], [8, 32, 128])
    ax.minorticks_off()
axes[0].set_ylabel("accuracy, 3 folds")
axes[1].legend(loc="lower right")
plt.show()
