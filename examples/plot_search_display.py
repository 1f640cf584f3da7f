"""
What a search has seen
======================

A search is more than its best candidate: it has scored dozens of models, and a Gaussian process
can learn from them how the score depends on the parameters. Five pictures tell what came of it, and
one page holds them all, with every trial in a table.

What to notice: a support vector machine's two numbers act together. Alone C does little; with gamma
it makes a ridge of good models across the map, as a wide kernel needs a large C. Away from the best
the model's mean falls and its band widens, and the expected gain below tells that looking there
would hardly pay.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
from sklearn.datasets import load_diabetes
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVR

from skdeep import BayesSearchCV
from skdeep.model_selection import SearchDisplay, When

X, y = load_diabetes(return_X_y=True)
model = Pipeline([("scale", StandardScaler()), ("svr", SVR(gamma=0.1, epsilon=10))])
space = {
    "scale": [StandardScaler(), MinMaxScaler()],
    "svr__C": (1e-1, 1e4, "log"),
    "svr__gamma": (1e-4, 10.0, "log"),
    "svr__epsilon": (1.0, 100.0, "log"),
    "svr__kernel": ["rbf", "sigmoid"],
    "svr__coef0": When("svr__kernel", "sigmoid", (-1.0, 1.0)),
}
folds = KFold(4, shuffle=True, random_state=0)
search = BayesSearchCV(model, space, n_iter=60, cv=folds, random_state=0).fit(X, y)
display = SearchDisplay.from_search(search)
print(f"R2 {search.best_score_:.3f} with {search.best_params_}")

# %%
# The score of each trial, in order. The first few fill the space, the later ones gather near the
# best; what is far worse stands at the edge, so that the good ones can be told apart.

display.plot("convergence")
plt.show()

# %%
# A line for each trial through all of its values, the better the brighter. The last parameter is
# there only where the kernel is a sigmoid; other lines pass below its axis.

display.plot("parallel")
plt.show()

# %%
# Whose doing are the scores? Shares of their variance over the whole space, of each parameter by
# itself and of each pair beyond that. Above the bars stands how far the model is to be trusted.

display.plot("importance")
print(display.importance().head(8).round(3).to_string(index=False))
plt.show()

# %%
# How the mean score depends on those that matter most, and on pairs: a map, or a line for each
# choice. Means are over all else, bad values included, so that they lie below the best trials.

display.plot("dependence")
plt.show()

# %%
# And near the best? Slices through it: the model's mean and its band of 95%, trials (the fainter,
# the further from the slice), and below, what another trial there is expected to gain.

display.plot("slice", parameters=["svr__gamma", "svr__C", "scale"])
plt.show()

# %%
# One page with all of it, to sort, to filter and to point at, and code that builds the winner.

with tempfile.TemporaryDirectory() as folder:
    report = Path(folder, "report.html")
    search.report(report)
    print(f"the report has {report.stat().st_size / 1000:.0f} kB")
