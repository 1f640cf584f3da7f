"""
Sequences of unequal length
===========================

A detector records until it is read out, so that its traces differ in length. Some hold a chirp,
whose pitch rises; some a glitch, whose pitch falls; all hold noise. Which is it, and where?

What to notice: a list of arrays is all that ``fit`` needs, and rows of like length share a batch. A
linear model on summaries of the traces sees how loud they are, not which way the pitch goes. With
a label for each step the same network says where, and, reading from both ends, dates the onset
before it could have been sure.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdeep import RNNClassifier

rng = np.random.default_rng(0)
KINDS = np.array(["noise", "chirp", "glitch"])


def trace():
    """One trace, what it holds, and a label for each step."""
    n = rng.integers(40, 120)
    kind = rng.integers(3)
    signal, labels = rng.normal(scale=0.3, size=n), np.zeros(n, int)
    if kind:
        start, duration = rng.integers(0, n - 32), 32
        pitch = np.linspace(0.3, 1.5, duration)
        wave = np.sin(np.cumsum(pitch if kind == 1 else pitch[::-1]) + rng.uniform(0, 2 * np.pi))
        signal[start : start + duration] += np.hanning(duration) * wave
        labels[start : start + duration] = kind
    return signal.astype(np.float32), KINDS[kind], labels


traces, kinds, labels = zip(*[trace() for _ in range(1600)])
parts = train_test_split(list(traces), kinds, list(labels), test_size=400, random_state=0)
X, X_test, y, y_test, steps, steps_test = parts
print(f"{len(X)} traces of {min(map(len, X))} to {max(map(len, X))} steps")


def summaries(rows):
    """Numbers that one would think of, for the linear model."""
    return [[x.mean(), x.std(), x.min(), x.max(), np.abs(np.diff(x)).mean(), len(x)] for x in rows]


linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
linear.fit(summaries(X), y)
print(f"accuracy of a linear model on summaries: {linear.score(summaries(X_test), y_test):.3f}")

network = RNNClassifier(hidden_layer_sizes=(32,), pooling="max", epochs=15, random_state=0)
network.fit(X, y)
print(f"accuracy of the network on traces:       {network.score(X_test, y_test):.3f}")

# %%
# The same with a label for each step: what is going on at this moment?

tagger = RNNClassifier(hidden_layer_sizes=(32,), bidirectional=True, epochs=20, random_state=0)
tagger.fit(X, steps)
print(f"accuracy of the steps:                   {tagger.score(X_test, steps_test):.3f}")

chosen = [np.flatnonzero(np.array(y_test) == kind)[0] for kind in KINDS]
figure, axes = plt.subplots(2, 3, figsize=(10, 4), sharex="col", sharey="row", layout="constrained")
for (above, below), i in zip(axes.T, chosen):
    above.plot(X_test[i], color="0.3", linewidth=1)
    above.set_title(f"{y_test[i]}, {len(X_test[i])} steps", fontsize=10)
    probabilities = tagger.predict_proba([X_test[i]])[0]
    for kind, color in ((1, "tab:blue"), (2, "tab:orange")):
        below.plot(probabilities[:, kind], color=color, label=KINDS[kind])
        where = steps_test[i] == kind
        below.fill_between(np.arange(len(where)), where, color=color, alpha=0.2, step="mid")
    below.set_xlabel("step")
axes[0, 0].set_ylabel("signal")
axes[1, 0].set_ylabel("probability\n(shaded: truth)")
axes[1, 0].legend(loc="center left", fontsize=9)
figure.suptitle("What is it, and where? By step, from both ends")
plt.show()
