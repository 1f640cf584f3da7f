r"""
Columns that jump: what a number is made of
===========================================

Why are trees so strong on tables? Part of the answer: a column may mean something else above a
threshold, and a network that sees it as one number has to build each jump from smooth pieces. The
remedy is to give it more than the number. Here the target is a function of one column with a jump,
a spike and a smooth part, seen through noise, beside four columns that mean nothing:

``numeric_embedding=None``
    The number alone.
``"piecewise_linear"``
    And learnt piecewise linear functions, which bend at quantiles of the rows.
``"periodic"``, the default
    And learnt sums of waves, of all lengths. Their amplitudes begin as those of a jump,

    .. math::

        \text{step}(x) = \frac12 + \frac2\pi \sum_{k = 1, 3, 5, \dots} \frac{\sin(2 \pi k x)}{k},

    which fall as 1 over the frequency: slow waves come first, and fast ones where the rows insist.

What to notice: the number alone cuts the corners of the jump and rounds off the spike. Pieces and
waves have both, with the same error; the waves pay with a ripple where no jump is.
"""

import matplotlib.pyplot as plt
import numpy as np

from skdeep import TabularRegressor


def truth(x):
    """A jump at 1/4, a spike around 0.6, and a slow wave."""
    return np.where(x > 0.25, 1.0, 0.0) + 2.0 * (np.abs(x - 0.6) < 0.02) + 0.5 * np.sin(4 * x)


rng = np.random.default_rng(0)
X = rng.uniform(size=(4_000, 5))
y = truth(X[:, 0]) + rng.normal(0, 0.5, len(X))

grid = np.full((500, 5), 0.5)
grid[:, 0] = np.linspace(0, 1, len(grid))

fig, panels = plt.subplots(1, 3, figsize=(12, 3.8), sharey=True, layout="constrained")
for axes, embedding in zip(panels, (None, "piecewise_linear", "periodic")):
    model = TabularRegressor(numeric_embedding=embedding, epochs=64, random_state=0).fit(X, y)
    predicted = model.predict(grid)
    error = np.sqrt(np.mean((predicted - truth(grid[:, 0])) ** 2))
    print(f"{embedding!s:17} root mean square error {error:.3f}")
    axes.plot(X[:, 0], y, ".", color="0.85", markersize=2)
    axes.plot(grid[:, 0], truth(grid[:, 0]), color="0.3", label="truth")
    axes.plot(grid[:, 0], predicted, color="C3", label="network")
    axes.set(title=f"numeric_embedding={embedding!r}\nerror {error:.2f}", xlabel="column 0")
panels[0].set_ylabel("target")
panels[0].legend(loc="upper right")
plt.show()
