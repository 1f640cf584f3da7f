"""
A table as it comes, with intervals
===================================

Two years of bicycles rented in a city, hour by hour: a date, the weather in words, temperatures
with gaps, a flag. The rows are made here, so that the truth is known: demand follows the hour of
the day, differently on working days, rises with the temperature until it is too hot, drops in the
rain, and its noise grows with it.

``TabularRegressor`` takes the table without a pipeline before it, and says by ``encoder_.summary_``
what it took each column for. With ``loss="quantile"`` and ``predict_interval`` it tells how sure it
is: intervals that are wide where demand is, and that hold 90% of new rows, because they were
widened by as much as the validation rows say.

What to notice: the interval is narrow at night and wide at rush hour; nobody told the network of
either. It was trained on rows of all months but the hours it is asked for.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split

from skdeep import TabularRegressor


def rentals(n, rng):
    """A table of n hours and the bicycles rented in each."""
    when = pd.date_range("2024-01-01", "2025-12-31 23:00", freq="h").to_series(index=range(17_544))
    when = when.sample(n, random_state=0).sort_values(ignore_index=True)
    hour, day = when.dt.hour, when.dt.day_of_year
    working = (when.dt.day_of_week < 5) & (rng.random(n) > 0.03)
    temperature = 11 - 11 * np.cos(2 * np.pi * (day - 20) / 365) + rng.normal(0, 4, n)
    weather = rng.choice(["clear", "clouds", "rain", "snow"], n, p=[0.55, 0.3, 0.13, 0.02])
    rush = np.exp(-((hour - 8) ** 2) / 2) + 1.2 * np.exp(-((hour - 17.5) ** 2) / 4)
    leisure = 0.9 * np.exp(-((hour - 14) ** 2) / 18)
    mood = pd.Series(weather).map({"clear": 1.0, "clouds": 0.85, "rain": 0.4, "snow": 0.15})
    warmth = np.exp(-((temperature - 24) ** 2) / 350)
    mean = 20 + 700 * (0.05 + np.where(working, rush, leisure)) * mood * warmth
    count = rng.negative_binomial(12, 12 / (12 + mean))
    table = pd.DataFrame(
        {
            "when": when,
            "hour": hour,
            "working_day": working,
            "weather": pd.Categorical(weather),
            "temperature": np.where(rng.random(n) < 0.1, np.nan, temperature),
        }
    )
    return table, count.astype(float)


X, y = rentals(8_000, np.random.default_rng(0))
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=0)

model = TabularRegressor(loss="quantile", ensemble_size=2, epochs=64, random_state=0)
model.fit(X_train, y_train)
print(model.encoder_.summary_)

low, high = model.predict_interval(X_test, coverage=0.9).T
inside = (low <= y_test) & (y_test <= high)
numbers = [X.assign(when=X["when"].astype("int64")) for X in (X_train, X_test)]  # no dates for it
trees = HistGradientBoostingRegressor(random_state=0).fit(numbers[0], y_train)
print(f"R2: network {r2_score(y_test, model.predict(X_test)):.3f}, ", end="")
print(f"boosted trees {trees.score(numbers[1], y_test):.3f}")
print(f"90% intervals hold {inside.mean():.1%} of the test rows")

# %%
# Intervals by the hour
# ---------------------

fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for axes, working in ((left, True), (right, False)):
    rows = (X_test["working_day"] == working).to_numpy() & (X_test["weather"] != "snow").to_numpy()
    hours = X_test["hour"][rows] + np.random.default_rng(1).uniform(-0.3, 0.3, rows.sum())
    axes.scatter(hours, y_test[rows], s=6, color="0.6", label="test rows")
    by_hour = pd.DataFrame({"hour": X_test["hour"], "low": low, "high": high})[rows]
    by_hour["median"] = model.predict(X_test)[rows]
    mean = by_hour.groupby("hour").mean()
    axes.fill_between(mean.index, mean["low"], mean["high"], alpha=0.3, label="90% interval, mean")
    axes.plot(mean.index, mean["median"], label="prediction, mean")
    axes.set(
        title="working days" if working else "other days", xlabel="hour", xticks=range(0, 24, 4)
    )
left.set_ylabel("bicycles rented")
left.legend(loc="upper left")
plt.show()
