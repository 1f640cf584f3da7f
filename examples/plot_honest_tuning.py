"""
What is the best score worth?
=============================

Twenty tables whose labels have no pattern, 160 rows each and 24 candidates: the truth is one half,
whatever is chosen. Then twenty in which there is something to find. A third as many rows were put
aside in all of them, and the truth is the score of the winner on 20,000 others.

What to notice: the best score is above the truth, by more where there is nothing to find. The
corrected one, which costs no fit, takes most of that out. Rows put aside are right on average, and
say it with an error of their own, for they are few.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_classification
from sklearn.svm import SVC

from skdeep import BayesSearchCV
from skdeep.exceptions import WithinNoiseWarning
from skdeep.model_selection import metric_stability

N_ROWS, N_NEW = 240, 20_000
SPACE = {"C": (1e-2, 1e3, "log"), "gamma": (1e-4, 1e1, "log")}
NAMES = ["best score", "corrected", "on rows put aside"]


def table(kind, seed):
    if kind == "a pattern":
        return make_classification(
            N_ROWS + N_NEW, 20, n_informative=5, class_sep=0.7, random_state=seed
        )
    rng = np.random.default_rng(seed)
    y = np.append(rng.permutation(N_ROWS) % 2, rng.integers(2, size=N_NEW))
    return rng.normal(size=(N_ROWS + N_NEW, 20)), y


figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained", sharey=True)
for ax, kind in zip(axes, ["no pattern", "a pattern"], strict=True):
    errors, covered = [], []
    for seed in range(20):
        X, y = table(kind, seed)
        search = BayesSearchCV(SVC(), SPACE, n_iter=24, holdout=1 / 3, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", WithinNoiseWarning)  # which is the point of this page
            search.fit(X[:N_ROWS], y[:N_ROWS])
        truth = search.score(X[N_ROWS:], y[N_ROWS:])
        told = [search.best_score_, search.best_score_corrected_, search.holdout_score_]
        errors.append(np.subtract(told, truth))
        low, high = search.best_score_interval_
        covered.append(low <= truth <= high)
    errors = np.array(errors)
    ax.axhline(0, color="black", linewidth=1)
    for place, column in enumerate(errors.T):
        ax.plot(place + np.linspace(-0.2, 0.2, 20), np.sort(column), "o", alpha=0.6)
        ax.plot([place - 0.3, place + 0.3], 2 * [column.mean()], color=f"C{place}", linewidth=3)
    ax.set(xticks=range(3), xticklabels=NAMES, title=kind)
    print(f"{kind}: of the intervals {np.mean(covered):.0%} hold the truth; mean errors")
    for name, column in zip(NAMES, errors.T, strict=True):
        print(f"  {name:17} {column.mean():+.3f}, without sign {np.abs(column).mean():.3f}")
axes[0].set_ylabel("score minus truth")
plt.show()

# %%
# Had one looked before, the noise would have been known: candidates that differ by less than folds
# and seeds alone do are the same.

stability = metric_stability(SVC(), X[:N_ROWS], y[:N_ROWS], cv=[3, 5, 10], random_state=0)
print(stability.noise.round(3))
stability.plot()
plt.show()
