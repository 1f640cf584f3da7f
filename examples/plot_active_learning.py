"""
Which rows are worth a label?
=============================

Rows are often cheap, and labels dear: somebody must look, or measure. A learner that may choose
what it is told needs fewer of them. Here a classifier asks for the rows that lie between two
classes, and a Gaussian process for those that tell most about all others.

What to notice: the classifier's questions gather where the classes touch, and leave the insides of
the clusters alone; the Gaussian process spreads its questions, more evenly than chance would.
Both reach with fewer labels what random ones give, as the budget curves show, which repeat the
course on several splits.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons
from sklearn.model_selection import ShuffleSplit

from skdeep import GaussianProcessRegressor, MLPClassifier
from skdeep.active_learning import ActiveLearner, LabelBudgetDisplay, label_budget_area

X, y = make_moons(1500, noise=0.17, random_state=0)
X_pool, y_pool = X[:800], y[:800]
network = MLPClassifier(hidden_layer_sizes=(64, 64), batch_size=10, epochs=60, random_state=0)
learner = ActiveLearner(network, batch_size=5, random_state=0)
first = np.arange(10)
learner.fit(X_pool[first], y_pool[first])
for _ in range(10):
    rows = learner.query(X_pool)
    learner.teach(X_pool[rows], y_pool[rows])
asked = learner.X_[len(first) :]
print(f"accuracy after {len(learner.y_)} labels: {learner.score(X[800:], y[800:]):.3f}")

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
side = np.linspace(-1.8, 2.8, 150), np.linspace(-1.3, 1.8, 150)
grid = np.stack(np.meshgrid(*side), axis=-1)
p = learner.predict_proba(grid.reshape(-1, 2))[:, 1].reshape(150, 150)
left.contourf(*side, p, levels=np.linspace(0, 1, 11), cmap="RdBu", alpha=0.4)
left.scatter(*X_pool.T, c=np.where(y_pool, "tab:blue", "tab:red"), s=3, alpha=0.4)
left.scatter(*X_pool[first].T, c="k", marker="x", s=30, label="10 to begin with")
order = np.arange(len(asked))
points = left.scatter(*asked.T, c=order, cmap="viridis", edgecolors="k", s=40, label="asked for")
figure.colorbar(points, ax=left, label="order of the questions")
left.legend(loc="lower left")
left.set(title="what it asks", xlabel="$x_1$", ylabel="$x_2$")
display = LabelBudgetDisplay.from_estimator(
    network,
    X,
    y,
    n_initial=10,
    batch_size=5,
    n_labels=60,
    cv=ShuffleSplit(6, test_size=0.4, random_state=0),
    random_state=0,
    score_name="Accuracy on other rows",
    ax=right,
)
right.set_title("what that is worth")
print(display.areas_.mean().round(3).to_dict())
plt.show()

# %%
# A regressor's questions depend on its own uncertainty alone, not on what the labels turn out to
# be. So a Gaussian process can plan a batch exactly: each row after what the rows before it will
# tell. The function is Branin's, the score the negative error at points that nobody asked for.


def branin(X):
    x, y = 15 * X[:, 0] - 5, 15 * X[:, 1]
    bowl = (y - 5.1 / (4 * np.pi**2) * x**2 + 5 / np.pi * x - 6) ** 2
    return bowl + 10 * (1 - 1 / (8 * np.pi)) * np.cos(x) + 10


rng = np.random.default_rng(0)
X = rng.random((600, 2))
y = branin(X)
process = GaussianProcessRegressor(random_state=0)
learner = ActiveLearner(process, batch_size=4, random_state=0)
learner.fit(X, np.where(np.arange(len(y)) < 6, y, np.nan))  # nan: not labelled
for _ in range(6):
    rows = learner.query()
    learner.label(rows, y[rows])
asked = learner.X_[6:]

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
side = np.linspace(0, 1, 80)
grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
left.contourf(side, side, learner.predict(grid).reshape(80, 80), levels=20, cmap="Greys", alpha=0.6)
left.plot(*X.T, ".", color="0.4", markersize=2)
left.scatter(*X[:6].T, c="k", marker="x", s=30)
points = left.scatter(*asked.T, c=np.arange(len(asked)), cmap="viridis", edgecolors="k", s=40)
figure.colorbar(points, ax=left, label="order of the questions")
left.set(title="what a Gaussian process asks", xlabel="$x_1$", ylabel="$x_2$")
display = LabelBudgetDisplay.from_estimator(
    process,
    X,
    y,
    strategies=["random", "deviation", "variance_reduction"],
    scoring="neg_root_mean_squared_error",
    n_initial=6,
    batch_size=4,
    n_labels=42,
    cv=ShuffleSplit(6, test_size=0.5, random_state=0),
    random_state=0,
    ax=right,
)
right.set_title("what that is worth")
gain = label_budget_area(display.curve)
better = (gain["variance_reduction"] > gain["random"]).sum()
print(f"variance reduction is ahead of random in {better} of {len(gain)} splits")
plt.show()
