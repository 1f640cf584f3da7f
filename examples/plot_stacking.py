r"""
Deep features stacked with gradient boosting
============================================

Trees and networks see different things in a table. Here two particles are measured, by three
components of momentum and the energy of each, and the signal are those pairs that come from the
decay of a heavier particle. What tells them is the pair's invariant mass,

.. math::

    m^2 = (E_1 + E_2)^2 - \|p_1 + p_2\|^2,

a smooth function of eight columns, which trees can only approximate by steps. The ninth column is
the number of the detector's module; some modules are noisy, which trees find at once and networks
hardly. How much does a boosted forest gain from a network's output as one more column?

What to notice: together they see more than either. And scikit-learn's ``StackingClassifier`` fits
the network six times, once for each fold that gives the forest its out-of-fold column and once on
all rows, which takes little longer than one fit.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, StackingClassifier
from sklearn.metrics import RocCurveDisplay, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdeep import MLPClassifier


def decays(n, rng):
    """Momenta, energies and modules (n, 9) of particle pairs, and whether they share a parent.

    Units of GeV. The parent has a mass of 3.1 with a resolution of 0.1; a background pair has any
    mass from 1 to 6. Both fly apart in a random direction and are boosted along a random axis.
    Of 40 modules every third is noisy: one pair in ten there is signal, elsewhere one in two.
    """
    module = rng.integers(40, size=n)
    signal = rng.random(n) < np.where(module % 3 == 0, 0.1, 0.5)
    mass = np.where(signal, rng.normal(3.1, 0.1, n), rng.uniform(1, 6, n))
    direction = rng.normal(size=(n, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    momentum = direction * mass[:, None] / 2  # light particles: E = |p| at rest
    velocity = rng.normal(size=(n, 3))
    velocity *= (rng.uniform(0, 0.9, n) / np.linalg.norm(velocity, axis=1))[:, None]
    gamma = 1 / np.sqrt(1 - np.sum(velocity**2, axis=1, keepdims=True))
    columns = []
    for p in (momentum, -momentum):
        energy = np.linalg.norm(p, axis=1, keepdims=True)
        along = np.sum(velocity * p, axis=1, keepdims=True)
        factor = gamma**2 / (gamma + 1) * along + gamma * energy
        columns += [p + factor * velocity, gamma * (energy + along)]
    return np.column_stack([*columns, module]), signal.astype(int)


X, y = decays(20_000, np.random.default_rng(0))
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)

forest = HistGradientBoostingClassifier(random_state=0)
network = make_pipeline(
    StandardScaler(),
    MLPClassifier(
        hidden_layer_sizes=(64, 64), epochs=40, learning_rate_schedule="cosine", random_state=0
    ),
)
models = {
    "gradient boosting": forest,
    "network": network,
    "stacked": StackingClassifier([("network", network)], forest, passthrough=True, cv=5),
}
for name, model in models.items():
    started = time.perf_counter()
    probability = model.fit(X_train, y_train).predict_proba(X_test)[:, 1]
    area = roc_auc_score(y_test, probability)
    print(f"{name:18} area under the ROC curve {area:.4f}, {time.perf_counter() - started:4.1f} s")

# %%
# The share of background that each model lets through, for a share of signal that it keeps.

figure, ax = plt.subplots(figsize=(5.5, 4.2), layout="constrained")
for name, model in models.items():
    RocCurveDisplay.from_estimator(model, X_test, y_test, name=name, ax=ax)
ax.set(xlabel="background accepted", ylabel="signal accepted", title="Decays of a resonance")
ax.set(xlim=(0, 0.3), ylim=(0, 1.02), aspect="auto")  # beyond, all keep nearly all signal
plt.show()
