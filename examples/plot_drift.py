"""
A model whose world changes
===========================

A model predicts, every half hour, whether a price lies above its average: from demand, wind, the
hour and the weekend. Nights and weekends are harder than days, week after week. Then, one day, a
cable to a neighbour opens who buys wind power: wind, which has lowered the price, now raises it.

What to notice: the weekly ups and downs of the loss raise no alarm, as they are no news. The change
is found within a day, and dated to the hour. The first new model, fitted to 96 rows, is better than
the old one but poor; as rows since the change double it gets as good as the old one was before. The
columns of X are as they were all along, so that nothing but labels could have told.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.signal import lfilter
from sklearn.linear_model import LogisticRegression

from skdeep.active_learning import DriftMonitor

rng = np.random.default_rng(0)
n, n_first, change = 48 * 140, 48 * 42, 48 * 91
t = np.arange(n)
hour, weekend = 2 * np.pi * (t % 48) / 48, (t // 48) % 7 >= 5
demand = np.sin(hour - 1) - 0.6 * weekend + 0.5 * rng.normal(size=n)
wind = lfilter([1], [1, -0.9], rng.normal(size=n)) * np.sqrt(1 - 0.9**2)
weight = np.where(t < change, -1.5, 1.5)
noise = (0.4 + 0.3 * np.cos(hour) + 0.8 * weekend) * rng.logistic(size=n)
y = (1.5 * demand + weight * wind + noise > 0.25).astype(int)
X = pd.DataFrame({"demand": demand, "wind": wind, "weekend": weekend})
X["sine"], X["cosine"] = np.sin(hour), np.cos(hour)


def run(policy):
    """A monitor after the whole stream, a day at a time."""
    monitor = DriftMonitor(LogisticRegression(), policy=policy).fit(X[:n_first], y[:n_first])
    for day in range(n_first, n, 48):
        monitor.update(X[day : day + 48], y[day : day + 48])
    return monitor


frozen, adapting = run(None), run("refit")
print(adapting.alarms_.round(3).to_string(index=False))
print(
    adapting.history_.query("action != ''")[["n_rows", "action", "learnt"]].to_string(index=False)
)
after = adapting.history_["n_rows"] > change - n_first
for name, monitor in {"frozen": frozen, "adapting": adapting}.items():
    loss = monitor.history_["loss"]
    print(f"{name}: mean loss {loss[~after].mean():.3f} before, {loss[after].mean():.3f} after")

# %%
# Above: the loss of each day and its mean over a week. Below: the evidence of a change, against a
# logarithmic axis. It rises steeply, as on average a true bet multiplies what it pays.

figure, (top, below) = plt.subplots(
    2, 1, figsize=(9, 6), sharex=True, layout="constrained", height_ratios=[2, 1]
)
days = np.arange(n_first, n, 48) / 48
alarms = adapting.alarms_.query("what == 'loss'")
for name, monitor in {"frozen": frozen, "adapting": adapting}.items():
    loss = monitor.history_["loss"]
    (line,) = top.plot(days, loss, alpha=0.25)
    top.plot(days, loss.rolling(7).mean(), color=line.get_color(), linewidth=2, label=name)
refits = (adapting.history_["action"] == "refit").to_numpy()
top.plot(days[refits], np.full(refits.sum(), 0.02), "k^", label="refit")
top.set(ylabel="Brier score", ylim=(0, None), title="A rule changes, and a model follows")
for name, monitor in {"frozen": frozen, "adapting": adapting}.items():
    below.plot(days, monitor.history_["loss_drift"].clip(lower=1e-5), label=name)
below.axhline(1, color="k", linewidth=1, linestyle=":")
below.set(yscale="log", ylim=(1e-5, 1e3), ylabel="evidence of drift", xlabel="day")
for ax in (top, below):
    ax.axvline(change / 48, color="k", linestyle="--", linewidth=1, label="the change")
    for row in alarms["when"]:
        ax.axvline((n_first + row) / 48, color="tab:red", linewidth=1, label="alarm")
top.legend(loc="upper left")
plt.show()
