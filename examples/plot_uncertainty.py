"""
How sure is a prediction?
=========================

Three answers. A regressor that learns quantiles, or a normal distribution, knows the noise in its
targets. A classifier whose logits are divided by a temperature, found on rows that it was not
trained on, says 70 percent where it is right in 70 of 100 cases. And networks thinned by dropout
disagree far from the rows that they have learnt from.

What to notice: both kinds of interval widen with the noise and cover what they promise, but the
quantiles follow its lopsided shape as well; the temperature mends probabilities without changing
one decision; and the disagreement of thinned networks grows away from the data, but is no interval
for the next target.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.calibration import CalibrationDisplay
from sklearn.datasets import make_classification

from skdeep import MLPClassifier, MLPRegressor
from skdeep.metrics import expected_calibration_error


def lopsided(n, seed):
    """A sine whose noise grows to the right, and is longer upwards."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2, 2, size=(n, 1))
    noise = rng.gamma(2.0, size=n) - 2
    return x, np.sin(2 * x[:, 0]) + (0.3 + 0.12 * x[:, 0]) * noise


X, y = lopsided(4000, 0)
X_new, y_new = lopsided(20_000, 1)
grid = np.linspace(-2, 2, 200)[:, None]
figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained", sharey=True)
for ax, loss in zip(axes, ["gaussian", "quantile"], strict=True):
    model = MLPRegressor(
        loss=loss,
        hidden_layer_sizes=(64, 64),
        epochs=40,
        learning_rate_schedule="cosine",
        random_state=0,
    ).fit(X, y)
    low, _, high = model.predict_quantiles(X_new, [0.05, 0.5, 0.95]).T
    below, above = np.mean(y_new < low), np.mean(y_new > high)
    print(f"{loss:8}: {1 - below - above:.1%} inside, {below:.1%} below, {above:.1%} above")
    low, _, high = model.predict_quantiles(grid, [0.05, 0.5, 0.95]).T
    ax.plot(X[:800], y[:800], ".", color="0.6", markersize=3)
    ax.fill_between(grid[:, 0], low, high, alpha=0.35)
    ax.plot(grid, model.predict(grid))
    ax.set(xlabel="x", title=f'loss="{loss}", interval of 90%')
axes[0].set_ylabel("y")
plt.show()

# %%
# A classifier that has learnt its few rows by heart is far too sure of others. Its reliability
# diagram shows how often the second class came true where it got this or that probability.

X, y = make_classification(
    4500, 20, n_informative=6, n_clusters_per_class=2, class_sep=0.5, flip_y=0.05, random_state=0
)
train, validation, test = slice(500), slice(500, 1500), slice(1500, None)
figure, ax = plt.subplots(figsize=(4.6, 4.6), layout="constrained")
for calibrate in (False, True):
    model = MLPClassifier(epochs=60, calibrate=calibrate, random_state=0)
    model.fit(X[train], y[train], X_val=X[validation], y_val=y[validation])
    p = model.predict_proba(X[test])
    error, accuracy = expected_calibration_error(y[test], p), model.score(X[test], y[test])
    print(f"temperature {model.temperature_:.2f}: error {error:.3f}, accuracy {accuracy:.3f}")
    name = f"temperature {model.temperature_:.1f}, error {error:.3f}"
    CalibrationDisplay.from_predictions(y[test], p[:, 1], n_bins=10, name=name, ax=ax)
ax.set(xlabel="probability of the second class", ylabel="how often it came true")
plt.show()

# %%
# Thinned networks agree where there were rows to learn from, and part beyond them; in the gap they
# have more faith in a smooth curve than rows could give. There is no noise in their spread.

rng = np.random.default_rng(0)
x = np.sort(np.concatenate([rng.uniform(-2, -0.5, 300), rng.uniform(0.5, 2, 300)]))
y = np.sin(2 * x) + 0.1 * rng.normal(size=len(x))
model = MLPRegressor(
    hidden_layer_sizes=(128, 128),
    dropout=0.1,
    epochs=150,
    learning_rate_schedule="cosine",
    random_state=0,
).fit(x[:, None], y)
grid = np.linspace(-4, 4, 300)[:, None]
mean, deviation = model.predict(grid, return_std=True, n_samples=200)
seen = (abs(grid[:, 0]) > 0.5) & (abs(grid[:, 0]) < 2)
print(f"spread where there were rows {deviation[seen].mean():.2f}", end=", ")
print(f"beyond them {deviation[abs(grid[:, 0]) > 3].mean():.2f}")
figure, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
ax.plot(x, y, ".", color="0.6", markersize=3)
ax.fill_between(grid[:, 0], mean - 2 * deviation, mean + 2 * deviation, alpha=0.35)
ax.plot(grid, mean, label="predicted")
ax.plot(grid, np.sin(2 * grid), "k:", linewidth=1, label="truth")
ax.legend(loc="upper right")
ax.set(xlabel="x", ylabel="y", title="200 thinned networks: mean and two deviations")
plt.show()
