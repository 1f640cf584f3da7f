r"""
A small signal in a large background, with weights
==================================================

Which classifier finds a rare decay best, and how sure would its discovery be? The signal are
particles of mass 120 GeV that decay into two jets, beside a heavy boson; the background has pairs
of jets of any mass. No column holds the mass: for jets of transverse momenta :math:`p_1, p_2` at a
distance :math:`\Delta R` it is about

.. math::

    m = \sqrt{p_1 p_2} \, \Delta R.

The weights of the simulated events say how many are expected in the data. As in calculations
beyond leading order, one background event in five has a negative weight: it takes off what the
others count too often, here of events with many further jets.

What to notice: the linear model cannot see the mass, boosted trees see it in steps, and the network
rejects the most background. It trains on negative weights as they are; boosted trees do better on
their sizes, as the weights in a leaf may sum to nothing. And there is no best cut as such: if the
background is uncertain by a tenth, a much tighter one is best, and the discovery less sure.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdeep import MLPClassifier
from skdeep.inspection import RejectionDisplay
from skdeep.metrics import background_rejection, significance

SIGNAL_EVENTS, BACKGROUND_EVENTS = 250, 20_000  # expected in the data, before any cut


def simulate(n, rng):
    """Columns (n, 6) in GeV and radians, whether a row is signal, and its expected events."""
    signal = np.arange(n) % 2 == 0
    negative = ~signal & (rng.random(n) < 0.2)
    mass = np.where(signal, rng.normal(120, 12, n), 30 + rng.exponential(80, n))
    boson = 80 + rng.exponential(np.where(signal, 80, 55))  # transverse momentum
    pair = boson * rng.normal(1, 0.15, n).clip(0.4)
    share = rng.uniform(0.5, 0.8, n)
    first, second = share * pair, (1 - share) * pair
    distance = mass / np.sqrt(first * second)
    angle = np.pi - np.abs(rng.normal(0, np.where(signal, 0.2, 0.35)))  # from boson to pair
    jets = rng.poisson(np.where(signal, 0.6, np.where(negative, 1.8, 1.2)))
    weight = np.where(negative, -1.0, 1.0)
    weight[signal] *= SIGNAL_EVENTS / weight[signal].sum()
    weight[~signal] *= BACKGROUND_EVENTS / weight[~signal].sum()
    return np.column_stack([boson, first, second, distance, angle, jets]), signal, weight


def share_of(part, whole):
    """Weights of a part of the rows, scaled so that it stands for all of them."""
    return part * len(whole) / len(part)


X, y, weight = simulate(150_000, np.random.default_rng(0))
X_train, X_rest, y_train, y_rest, weight_train, weight_rest = train_test_split(
    X, y, weight, train_size=30_000, stratify=y, random_state=0
)
X_choose, X_test, y_choose, y_test, weight_choose, weight_test = train_test_split(
    X_rest, y_rest, weight_rest, train_size=0.5, stratify=y_rest, random_state=0
)
weight_choose, weight_test = share_of(weight_choose, weight), share_of(weight_test, weight)

# To learn, both classes weigh the same.
balanced = weight_train / np.where(y_train, SIGNAL_EVENTS, BACKGROUND_EVENTS)
balanced *= len(X_train) / np.abs(balanced).sum()

models = {
    "linear": (LogisticRegression(), balanced),
    "boosted trees": (HistGradientBoostingClassifier(random_state=0), np.abs(balanced)),
    "boosted trees, w < 0": (HistGradientBoostingClassifier(random_state=0), balanced),
    "network": (
        MLPClassifier(hidden_layer_sizes=(64, 64), learning_rate_schedule="cosine", random_state=0),
        balanced,
    ),
}
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
pipelines = {}
for name, (model, training_weight) in models.items():
    started = time.perf_counter()
    pipeline = make_pipeline(StandardScaler(), model)
    pipeline.fit(X_train, y_train, **{f"{pipeline.steps[-1][0]}__sample_weight": training_weight})
    seconds = time.perf_counter() - started
    score = pipeline.predict_proba(X_test)[:, 1]
    rejection, error = background_rejection(
        y_test, score, sample_weight=weight_test, return_error=True
    )
    print(
        f"{name:21} keeps half of the signal and one background event in "
        f"{rejection:4.1f} +- {error:.1f}, {seconds:4.1f} s"
    )
    RejectionDisplay.from_predictions(y_test, score, sample_weight=weight_test, name=name, ax=left)
    pipelines[name] = pipeline

# %%
# The significance of cuts on the network's and the trees' score.

for colour, name in zip(["C1", "C3"], ["boosted trees", "network"], strict=True):
    chosen, score = (pipelines[name].predict_proba(rows)[:, 1] for rows in (X_choose, X_test))
    for style, uncertainty in zip(["-", "--"], [0, 0.1], strict=True):
        settings = {"relative_uncertainty": uncertainty, "return_details": True}
        best = significance(y_choose, chosen, sample_weight=weight_choose, **settings)
        found = significance(
            y_test, score, threshold=best.threshold, sample_weight=weight_test, **settings
        )
        print(
            f"{name:13} background +- {uncertainty:3.0%}: above {best.threshold:.3f} "
            f"{found.signal:5.1f} signal, {found.background:6.1f} background, "
            f"Z = {found.significance:.2f} +- {found.error:.2f}"
        )
        thresholds = np.quantile(score[y_test], np.linspace(0, 0.99, 100))
        scan = significance(
            y_test, score, threshold=thresholds, sample_weight=weight_test, **settings
        )
        efficiency = scan.signal / SIGNAL_EVENTS
        lower, upper = scan.significance - scan.error, scan.significance + scan.error
        right.plot(
            efficiency, scan.significance, style, color=colour, label=f"{name}, {uncertainty:.0%}"
        )
        right.fill_between(efficiency, lower, upper, color=colour, alpha=0.2, linewidth=0)
        right.plot(found.signal / SIGNAL_EVENTS, found.significance, "o", color=colour)
right.set(xlabel="Signal efficiency", xlim=(0, 1), ylabel="Significance", ylim=(0, None))
right.legend(title="Background uncertainty", loc="center right")
plt.show()
