"""
A search that is killed, and goes on
====================================

An overnight search dies: someone restarts the machine. With ``storage=`` every fit is noted as it
ends, so that the same call finds all of them and goes on where there are no more.

Here the search runs in a process of its own, which is killed twice, without a chance to say
goodbye. What to notice: the candidates of the three processes line up as if nothing had happened,
and are, to the last digit, those of a search that was never disturbed.
"""

import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from skdeep.model_selection import load_search

program = """
import sys, time
from sklearn.datasets import load_breast_cancer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from skdeep import BayesSearchCV

model = make_pipeline(StandardScaler(), SVC())
space = {"svc__C": (1e-2, 1e4, "log"), "svc__gamma": (1e-5, 1e1, "log")}
search = BayesSearchCV(model, space, n_iter=40, cv=10, random_state=0)
search.set_params(storage=sys.argv[1]).fit(*load_breast_cancer(return_X_y=True))
"""


def search(path):
    return subprocess.Popen([sys.executable, "-c", program, str(path)])


def n_candidates(path):
    return len(load_search(path).trials) if path.exists() else 0


# %%
# Killed at 12 candidates and at 25; then it may end.

folder = Path(tempfile.mkdtemp())
kills = []
for n in (12, 25):
    process = search(folder / "killed.db")
    while n_candidates(folder / "killed.db") < n:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kills.append(len(load_search(folder / "killed.db").trials))
    print(f"killed at candidate {kills[-1]}")
search(folder / "killed.db").wait()
search(folder / "whole.db").wait()

# %%
# What the journals tell.

killed, whole = (load_search(folder / name).trials for name in ("killed.db", "whole.db"))
same = killed["mean_test_score"].equals(whole["mean_test_score"])
print(
    f"{len(killed)} candidates, best {killed['mean_test_score'].max():.4f}, as undisturbed: {same}"
)

figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained", sharey=True)
for ax, (title, trials) in zip(axes, {"killed twice": killed, "undisturbed": whole}.items()):
    seconds = (trials["begun"] - trials["begun"].iloc[0]).dt.total_seconds()
    part = np.searchsorted(kills, trials.index, side="right") if title != "undisturbed" else 0
    score = trials["mean_test_score"]
    ax.scatter(seconds, score, c=np.broadcast_to(part, len(trials)), cmap="viridis", vmax=2, vmin=0)
    ax.step(seconds, score.cummax(), where="post", color="grey", label="best so far")
    for kill in kills if title != "undisturbed" else []:
        ax.axvspan(seconds[kill - 1], seconds[kill], color="tab:red", alpha=0.15, linewidth=0)
    ax.set(xlabel="seconds", title=title)
axes[0].set(ylabel="accuracy, 10 folds", ylim=(0.9, 0.985))
axes[1].legend(loc="lower right")
plt.show()
