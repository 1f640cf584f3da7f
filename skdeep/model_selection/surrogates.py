"""Models of the objective: what they predict between the points that were evaluated.

The Gaussian process is the default. A forest's deviation is that of its trees' leaves and of
their means [1]_; any regressor of scikit-learn's with ``predict(X, return_std=True)`` serves too.

.. [1] Hutter, Xu, Hoos, Leyton-Brown. Algorithm runtime prediction: methods and evaluation.
   Artificial Intelligence 206, 2014, equation 8.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from sklearn.base import clone
from sklearn.ensemble._forest import BaseForest

from skdeep.gaussian_process import exact
from skdeep.gaussian_process.kernels import LogNormal, Matern52
from skdeep.model_selection.warps import CURVATURES, Curvature, Warp, largest_curvature

SMALLEST_VARIANCE = 1e-12
MOST_TO_COMPARE = 150


def lengthscale(d: int) -> LogNormal:
    """What is believed of the lengthscales of d columns of the unit cube.

    They grow as the distance between two random points does, with the root of d: else
    points would tell the less of each other, the more dimensions they have [1]_.

    References
    ----------
    .. [1] Hvarfner, Hellsten, Nardi. Vanilla Bayesian optimization performs great in high
       dimensions. ICML, 2024.
    """
    return LogNormal(np.sqrt(d / 2), 1.0)


class Model(Protocol):
    """A fitted surrogate of targets with mean 0 and variance 1."""

    def mean_and_variance(
        self, X: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, Callable[[np.ndarray, np.ndarray], np.ndarray] | None]:
        """Mean and variance at X, (n, d), and a function for their gradient, if there is one."""

    def extended(self, Z: np.ndarray) -> "Model":
        """The model if points Z, (m, d), were evaluated as it expects."""

    def sample(self, X: np.ndarray, rng: np.random.Generator, n: int = 1) -> np.ndarray:
        """Functions that the model believes possible, at X: (len(X), n)."""


class GaussianProcess:
    """The default: exact, with a Matern 5/2 kernel, a lengthscale for each column.

    Parameters
    ----------
    is_category : ndarray of bool, (d,)
        Which columns hold categories.
    curvatures : sequence of float
        Of the warps to choose from.
    """

    def __init__(self, is_category: np.ndarray, curvatures: Sequence[float] = CURVATURES) -> None:
        categorical = tuple(np.flatnonzero(is_category).tolist())
        kernel = Matern52(lengthscale=lengthscale(len(is_category)), categorical=categorical)
        self.process = exact.Process(kernel, basis="constant")
        self.median = self.process.prior(len(is_category))[0]
        self.curvature = Curvature(curvatures)
        self._thetas: dict[float, np.ndarray] = {}  # of each warp's last fit

    def fit(
        self, Z: np.ndarray, values: np.ndarray, noise: np.ndarray, rng: np.random.Generator
    ) -> tuple[exact.Posterior, Warp]:
        """The posterior after values, (n,), at Z, (n, d), whose noise has known variances, (n,).

        Where warps are compared, theta is sought from afar; else the search for it goes on from
        where it ended.
        """
        largest = largest_curvature(values, noise)
        if self.curvature.is_due(len(values)) or self.curvature.best > largest:
            some = rng.permutation(len(values))[:MOST_TO_COMPARE]  # enough to tell warps apart
            part, present = (Z[some], values[some], noise[some]), self.curvature.best

            def log_density(curvature: float) -> float:
                starts = [self._thetas.get(curvature, self.median)]
                starts += [self.median] * (curvature == present)
                posterior, warp = self._fit(*part, curvature, np.array(starts))
                return posterior.log_density + warp.log_slope(values[some]).sum()

            self.curvature.choose(len(values), log_density, largest)
        best = self.curvature.best
        return self._fit(Z, values, noise, best, self._thetas[best][None])

    def state(self) -> dict[str, Any]:
        """What the next fit starts from."""
        thetas = [[c, theta.tolist()] for c, theta in self._thetas.items()]
        return {"curvature": self.curvature.state(), "thetas": thetas}

    def restore(self, state: dict[str, Any]) -> None:
        self.curvature.restore(state["curvature"])
        self._thetas = {c: np.array(theta) for c, theta in state["thetas"]}

    def _fit(
        self,
        Z: np.ndarray,
        values: np.ndarray,
        noise: np.ndarray,
        curvature: float,
        starts: np.ndarray,
    ) -> tuple[exact.Posterior, Warp]:
        """The posterior under one warp."""
        warp = Warp.of(values, curvature)
        known_noise = warp.noise(values, noise)
        posterior = exact.fit(self.process, Z, warp(values), starts, known_noise=known_noise)
        self._thetas[curvature] = posterior.theta
        return posterior, warp


class Regressor:
    """Any regressor of scikit-learn's that predicts deviations, or a forest.

    Parameters
    ----------
    regressor : estimator
        Cloned for each fit.
    """

    def __init__(self, regressor: Any) -> None:
        self.regressor = regressor

    def fit(
        self, Z: np.ndarray, values: np.ndarray, noise: np.ndarray, rng: np.random.Generator
    ) -> tuple["RegressorModel", Warp]:
        """The model of values, (n,), at Z, (n, d); the noise is for the regressor to find."""
        warp = Warp.of(values, 0.0)
        seed = int(rng.integers(2**31))
        return RegressorModel(self.regressor, Z, warp(values), seed), warp

    def state(self) -> None:
        """Every fit is from scratch."""

    def restore(self, state: None) -> None:
        pass


class RegressorModel:
    """A regressor that was fitted to targets t, (n,), at Z, (n, d)."""

    def __init__(self, regressor: Any, Z: np.ndarray, t: np.ndarray, seed: int) -> None:
        self.fitted = clone(regressor)
        seeds = {name: seed for name in self.fitted.get_params() if name.endswith("random_state")}
        self.fitted.set_params(**seeds).fit(Z, t)
        self.regressor, self.Z, self.t, self.seed = regressor, Z, t, seed

    def mean_and_variance(self, X):
        if isinstance(self.fitted, BaseForest):
            mean, variance = _forest_moments(self.fitted, X)
        else:
            mean, std = self.fitted.predict(X, return_std=True)
            variance = std**2
        return mean, np.maximum(variance, SMALLEST_VARIANCE), None

    def extended(self, Z):
        t = self.mean_and_variance(Z)[0]
        return RegressorModel(
            self.regressor, np.vstack([self.Z, Z]), np.append(self.t, t), self.seed
        )

    def sample(self, X, rng, n=1):
        # Points by themselves: a regressor tells no covariances.
        mean, variance, _ = self.mean_and_variance(X)
        return mean[:, None] + np.sqrt(variance)[:, None] * rng.standard_normal((len(X), n))


def _forest_moments(forest: Any, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of a forest of regression trees at X, (n, d)."""
    X = X.astype("float32")
    trees = [tree.tree_ for tree in forest.estimators_]
    leaves = [tree.apply(X) for tree in trees]
    means = np.array([tree.value[leaf, 0, 0] for tree, leaf in zip(trees, leaves)])
    within = np.array([tree.impurity[leaf] for tree, leaf in zip(trees, leaves)])
    return means.mean(axis=0), within.mean(axis=0) + means.var(axis=0)
