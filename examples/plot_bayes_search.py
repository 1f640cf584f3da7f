"""
A pipeline tuned
================

Two numbers of a support vector machine decide over all: the width of its kernel, and how much it
minds errors. A grid shows where good ones lie, at the price of hundreds of fits. A Bayesian search
asks for a few dozen, each where what it has learnt so far promises most.

What to notice: the first points of the search fill the square, the later ones gather where scores
are good; random points keep falling elsewhere. So the search is soon ahead, here by the mean of
five seeds. The grid in the background is there to look at only; no search has seen it.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import loguniform
from sklearn.datasets import load_diabetes
from sklearn.model_selection import GridSearchCV, KFold, RandomizedSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from skdeep import BayesSearchCV

X, y = load_diabetes(return_X_y=True)
X, y = X[:250], y[:250]
pipe = make_pipeline(StandardScaler(), SVR())
folds = KFold(3, shuffle=True, random_state=0)
ends = {"svr__C": (1e-2, 1e4), "svr__gamma": (1e-5, 1e1)}

# %%
# The search fits, predicts and scores like any model.

space = {name: (*pair, "log") for name, pair in ends.items()}
search = BayesSearchCV(pipe, space, n_iter=30, cv=folds, random_state=0).fit(X, y)
print(f"R2 as it is {cross_val_score(pipe, X, y, cv=folds).mean():.2f}")
print(f"R2 tuned    {search.best_score_:.2f}, with {search.best_params_}")

# %%
# Five of these, and five random searches.

draws = {name: loguniform(*pair) for name, pair in ends.items()}
results = {"BayesSearchCV": [], "RandomizedSearchCV": []}
for seed in range(5):
    settings = {"n_iter": 30, "cv": folds, "random_state": seed}
    for each in (
        BayesSearchCV(pipe, space, **settings),
        RandomizedSearchCV(pipe, draws, **settings),
    ):
        results[type(each).__name__].append(each.fit(X, y).cv_results_)

# %%
# Where both have looked, on the scores of a grid.

levels = {name: np.geomspace(*pair, 15) for name, pair in ends.items()}
grid = GridSearchCV(pipe, levels, cv=folds).fit(X, y).cv_results_["mean_test_score"]
landscape = grid.reshape(15, 15).T.clip(0)
figure, axes = plt.subplots(1, 3, figsize=(13, 3.8), layout="constrained")
for ax, (name, found) in zip(axes, results.items(), strict=False):
    ax.contourf(*levels.values(), landscape, levels=25, cmap="Greys_r")
    C, gamma = ([row[key] for row in found[0]["params"]] for key in ends)
    order = ax.scatter(C, gamma, c=range(30), cmap="plasma", edgecolor="white")
    ax.set(xscale="log", yscale="log", xlabel="C", ylabel="gamma", title=name)
figure.colorbar(order, ax=axes[1], label="candidate")
top = max(
    grid.max(), *(run["mean_test_score"].max() for found in results.values() for run in found)
)
for name, found in results.items():
    scores = np.array([run["mean_test_score"] for run in found])
    below = (top - np.maximum.accumulate(scores, axis=1)).mean(axis=0)
    axes[2].plot(range(1, 31), below, label=name)
axes[2].set(yscale="log", xlabel="candidates", ylabel="R2 below the best of all")
axes[2].legend()
plt.show()
