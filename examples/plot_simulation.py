"""
A simulation calibrated
=======================

Hares breed, lynxes eat hares, lynxes starve: four rates of the equations of Lotka and Volterra are
unknown, and two series of counts were observed. Which rates reproduce them? The misfit is a
function of four numbers, has no formula and no gradient, and would take minutes for a real
simulation. So it is learnt from few evaluations, and the next is made where most is to be gained.

What to notice: ``minimize`` finds rates as good as the true ones in some fifty evaluations, where
random ones are far off after hundreds. With a crude version of the simulation that takes a tenth of
the time, half the cost is enough. And all evaluations together tell how well the counts fix the
rates: how far the dark valley reaches.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.integrate import solve_ivp

from skdeep import minimize
from skdeep.gaussian_process import GaussianProcessRegressor

years = np.arange(0, 21)
truth = {"birth": 0.55, "hunting": 0.028, "feeding": 0.026, "death": 0.84}
ranges = {
    "birth": (0.2, 1.2, "log"),
    "hunting": (0.01, 0.08, "log"),
    "feeding": (0.01, 0.08, "log"),
    "death": (0.3, 2.0, "log"),
}


def simulate(birth, hunting, feeding, death, times=years, version="fine"):
    """Hares and lynxes, (2, n_times), in thousands."""

    def change(t, animals):
        hares, lynxes = animals
        return [(birth - hunting * lynxes) * hares, (feeding * hares - death) * lynxes]

    if version == "fine":
        return solve_ivp(change, (0, 20), [30.0, 4.0], t_eval=times, rtol=1e-6).y
    animals, series = np.array([30.0, 4.0]), [[30.0, 4.0]]
    for _ in years[1:]:  # a step of a quarter of a year, at the mean rates of that time
        for _ in range(4):
            middle = animals + 0.125 * np.array(change(0, animals))
            animals = np.maximum(animals + 0.25 * np.array(change(0, middle)), 1e-3)
        series.append(animals)
    return np.array(series).T


noise = np.random.default_rng(0).normal(0, 0.15, size=(2, len(years)))
observed = simulate(**truth) * np.exp(noise)


def misfit(rates, version="fine"):
    """Mean square of the error in the logarithm; 0.15 squared is the noise's."""
    return np.mean(np.log(simulate(**rates, version=version) / observed) ** 2)


# %%
# Sixty evaluations; as many random ones; and half the cost with two versions.

result = minimize(misfit, ranges, n_calls=60, random_state=0)
both = minimize(misfit, ranges, n_calls=30, fidelity={"coarse": 0.1, "fine": 1.0}, random_state=0)
random = minimize(misfit, ranges, n_calls=300, surrogate="random", random_state=0)
print(f"true rates {misfit(truth):.4f}")
print(f"60 evaluations {result.fun:.4f}, both versions at half the cost {both.fun:.4f}")
print(f"300 random evaluations {random.fun:.4f}")
for name, rate in result.x.items():
    print(f"{name:8} {rate:.3f}, truly {truth[name]}")

# %%
# The counts, and what was found. A Gaussian process of all evaluations tells the misfit over two of
# the rates, the others held at the best; dots are evaluations, wherever their other rates were.

figure, axes = plt.subplots(1, 3, figsize=(13.5, 3.8), layout="constrained")
times = np.linspace(0, 20, 400)
calibrated, drawn = (simulate(**found.x, times=times) for found in (result, random))
for k, (animals, color) in enumerate([("hares", "C0"), ("lynxes", "C1")]):
    axes[0].plot(years, observed[k], "o", color=color, label=f"{animals}, observed")
    axes[0].plot(times, calibrated[k], color=color)
    axes[0].plot(times, drawn[k], color=color, linestyle=":")
axes[0].set(xlabel="years", ylabel="thousands", title="calibrated (dotted: random)", ylim=(0, 100))
axes[0].legend(loc="upper center", ncols=2)

for found, label in [(result, "minimize"), (random, "random"), (both, "two versions")]:
    fine = np.array(found.get("fidelities", ["fine"] * found.nfev)) == "fine"
    cost = np.cumsum(np.where(fine, 1.0, 0.1))
    axes[1].step(
        cost[fine], np.minimum.accumulate(found.func_vals[fine]), where="post", label=label
    )
axes[1].axhline(misfit(truth), color="0.6", linestyle=":", label="true rates")
axes[1].set(xlim=(0, 60), yscale="log", xlabel="cost, in fine simulations", ylabel="lowest misfit")
axes[1].legend()

rates = np.log([[*point.values()] for point in result.x_iters])
model = GaussianProcessRegressor(y_transform="power", random_state=0)
model.fit(rates, np.log(result.func_vals))
best = np.log([*result.x.values()])
grid = np.linspace(-0.4, 0.4, 60)
plane = np.tile(best, (60, 60, 1))
plane[..., 2] += grid[:, None]  # feeding
plane[..., 3] += grid  # death
mean = model.predict(plane.reshape(-1, 4)).reshape(60, 60)
feeding, death = np.exp(best[2] + grid), np.exp(best[3] + grid)
shades = axes[2].contourf(
    death, feeding, np.exp(mean), levels=np.geomspace(0.012, 3, 25), norm="log", extend="both"
)
axes[2].plot(*[[each[rate] for each in result.x_iters] for rate in ("death", "feeding")], "w.")
axes[2].plot(truth["death"], truth["feeding"], "r*", markersize=12, label="true rates")
axes[2].set(xlim=death[[0, -1]], ylim=feeding[[0, -1]], xlabel="death", ylabel="feeding")
axes[2].set(title="misfit, as the model sees it")
axes[2].legend()
figure.colorbar(shades, ax=axes[2], format="%.2g")
plt.show()
