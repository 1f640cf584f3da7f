"""
What a Gaussian process believes
================================

Before any data it believes in functions: some are likely, others are not, as its kernel says. Each
target rules out the functions that miss it. What is left, at every x, is a normal distribution: a
mean and a deviation.

What to notice: the band is narrow at the points and wide between and beyond them; the kernel
decides how rough functions are, and its lengthscale how far a point reaches; and of several
explanations the evidence, the probability of the targets, prefers the one that is neither too stiff
nor too loose, which ``fit`` finds by itself.
"""

import matplotlib.pyplot as plt
import numpy as np

from skdeep.gaussian_process import (
    RBF,
    Exponential,
    GaussianProcessRegressor,
    Matern32,
    Matern52,
)

grid = np.linspace(0, 10, 300)[:, None]


def truth(x):
    """What is measured, without noise."""
    return np.sin(x) + 0.15 * x


def prior_draws(kernel, n, seed=2):
    """Functions of the prior, whose kernel has numbers for its parameters."""
    theta, _ = kernel.prior(1)
    K = kernel(theta, grid, grid).matrix
    return np.random.default_rng(seed).multivariate_normal(np.zeros(len(grid)), K, n).T


def show(ax, mean, std, draws, title):
    """A belief: mean, two deviations, and functions that it holds possible."""
    ax.fill_between(grid[:, 0], mean - 2 * std, mean + 2 * std, color="C0", alpha=0.2, linewidth=0)
    ax.plot(grid, draws, color="C0", linewidth=0.7, alpha=0.7)
    ax.plot(grid, mean, color="C0", linewidth=2)
    ax.set(title=title, xlabel="x", ylim=(-3.2, 4.2))


# %%
# The same belief before any point, and after 1, 3 and 10. All numbers are held, so that nothing but
# the points changes.

kernel = RBF(lengthscale=1.2, variance=1.0)
points = np.random.default_rng(1).permutation(np.linspace(0.5, 8.5, 10))[:, None]
figure, axes = plt.subplots(1, 4, figsize=(13, 3), layout="constrained", sharey=True)
zero, one = np.zeros(len(grid)), np.ones(len(grid))
show(axes[0], zero, one, prior_draws(kernel, 5), "no point")
for ax, n in zip(axes[1:], (1, 3, 10), strict=True):
    model = GaussianProcessRegressor(kernel=kernel, noise=0, prior_mean=0)
    model.fit(points[:n], truth(points[:n, 0]))
    mean, std = model.predict(grid, return_std=True)
    title = f"{n} point{'s' * (n > 1)}"
    print(f"{title:9}: deviation {std.mean():.3f} on average, at most {std.max():.3f}")
    show(ax, mean, std, model.sample_y(grid, 5), title)
    ax.plot(grid, truth(grid), "k:", linewidth=1)
    ax.plot(points[:n], truth(points[:n]), "ko", markersize=4)
plt.show()

# %%
# The kernel says how rough the functions are, all with the lengthscale 1.2: merely continuous,
# once, twice and infinitely often differentiable.

figure, axes = plt.subplots(1, 4, figsize=(13, 3), layout="constrained", sharey=True)
for ax, kind in zip(axes, (Exponential, Matern32, Matern52, RBF), strict=True):
    show(ax, zero, one, prior_draws(kind(lengthscale=1.2, variance=1.0), 3), kind.__name__)
plt.show()

# %%
# Four explanations of the same 25 noisy points. A short lengthscale takes noise for a function, a
# long one the function for noise. The evidence tells them apart without another point, and so does
# how well each point is predicted by the others.

rng = np.random.default_rng(0)
X = rng.uniform(0, 10, size=(25, 1))
y = truth(X[:, 0]) + 0.3 * rng.normal(size=25)
explanations = {
    "short lengthscale": {"kernel": RBF(lengthscale=0.15, variance=2.0), "noise": 0.01},
    "long lengthscale": {"kernel": RBF(lengthscale=8.0, variance=2.0), "noise": 0.5},
    "little noise": {"kernel": RBF(lengthscale=1.5, variance=2.0), "noise": 0.005},
    "found by fit": {"kernel": "rbf", "random_state": 0},
}
figure, axes = plt.subplots(1, 4, figsize=(13, 3), layout="constrained", sharey=True)
for ax, (name, settings) in zip(axes, explanations.items(), strict=True):
    model = GaussianProcessRegressor(**settings).fit(X, y)
    left_out, deviation = model.leave_one_out()
    error = np.sqrt(np.mean((y - left_out) ** 2))
    inside = np.mean(np.abs(y - left_out) < 2 * deviation)
    print(
        f"{name:17}: log evidence {model.log_marginal_likelihood_:7.1f}, "
        f"error of points left out {error:.2f}, {inside:4.0%} within two deviations"
    )
    mean, std = model.predict(grid, return_std=True)
    show(ax, mean, std, model.sample_y(grid, 3), name)
    ax.plot(grid, truth(grid), "k:", linewidth=1)
    ax.plot(X, y, "ko", markersize=3)
print(f"found: {model.kernel_}, noise {np.sqrt(model.noise_variance_):.2f}")
plt.show()
