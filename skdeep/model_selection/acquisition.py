"""Where to look next: acquisition functions, and their maximum over a search space.

A model predicts mean m and standard deviation s of the objective at x; the best value so far is
b. With z = (b - m) / s:

    expected improvement         EI = s h(z),  h(z) = phi(z) + z Phi(z)       [1]_, equation 15
    its logarithm                log s + log h(z)                             [2]_, equation 9
    probability of improvement   Phi(z), of which the logarithm is taken
    confidence bound             kappa s - m                                  [3]_, equation 6

Far from the best point h underflows and its gradient with it: EI is flat there, log EI is not,
whose tails come from the scaled complementary error function. Where the point must also meet
constraints c_k(x) <= 0, EI is multiplied by their probability [4]_; where it costs time, EI is
divided by it [5]_. Both are sums of logarithms here. What a point tells about the minimum is in
:mod:`~skdeep.model_selection.information`; beside points under way it counts less, by the share of
its deviation that they leave, as points of a determinantal process repel each other [6]_.

.. [1] Jones, Schonlau, Welch. Efficient global optimization of expensive black-box functions.
   Journal of Global Optimization 13, 1998.
.. [2] Ament, Daulton, Eriksson, Balandat, Bakshy. Unexpected improvements to expected improvement
   for Bayesian optimization. NeurIPS, 2023.
.. [3] Srinivas, Krause, Kakade, Seeger. Gaussian process optimization in the bandit setting.
   ICML, 2010.
.. [4] Gardner, Kusner, Xu, Weinberger, Cunningham. Bayesian optimization with inequality
   constraints. ICML, 2014.
.. [5] Snoek, Larochelle, Adams. Practical Bayesian optimization of machine learning algorithms.
   NeurIPS, 2012, section 3.2.
.. [6] Moss, Leslie, Gonzalez, Rayson. GIBBON: general-purpose information-based Bayesian
   optimisation. Journal of Machine Learning Research 22, 2021, section 5.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import erfcx, log_ndtr, ndtr

from skdeep.model_selection.information import LOG_SQRT_2PI, MinimumInformation
from skdeep.model_selection.spaces import Space
from skdeep.model_selection.surrogates import Model

N_RANDOM = 1000
N_NEAR = 300
N_STARTS = 5
N_ROUNDS = 3

# Value, and its derivatives by mean and by standard deviation, from mean, deviation and best.
Acquisition = Callable[[np.ndarray, np.ndarray, float], tuple[np.ndarray, np.ndarray, np.ndarray]]


def log_expected_improvement(mean, std, best):
    """log EI below ``best``."""
    z = (best - mean) / std
    value, slope = log_h(z)
    return np.log(std) + value, -slope / std, (1 - slope * z) / std


@dataclass(frozen=True)
class AugmentedImprovement:
    """log EI where values have noise of variance v: times 1 - sqrt(v / (s^2 + v)).

    Where s is small beside the noise, one more value tells next to nothing. EI counts it as if it
    were exact, and would have the best point evaluated again and again [1]_.

    References
    ----------
    .. [1] Huang, Allen, Notz, Zeng. Global optimization of stochastic black-box systems via
       sequential kriging meta-models. Journal of Global Optimization 34, 2006, equation 12.
    """

    noise: float

    def __call__(self, mean, std, best):
        value, by_mean, by_std = log_expected_improvement(mean, std, best)
        if self.noise == 0:
            return value, by_mean, by_std
        h, root = np.sqrt(std**2 + self.noise), np.sqrt(self.noise)
        # 1 - root / h, without the difference of numbers that are alike.
        value = value + 2 * np.log(std) - np.log(h * (h + root))
        return value, by_mean, by_std + 2 / std - std / h**2 - std / (h * (h + root))


def expected_improvement(mean, std, best):
    """EI below ``best``, which is flat where it underflows."""
    z = (best - mean) / std
    density, mass = np.exp(-0.5 * z**2 - LOG_SQRT_2PI), ndtr(z)
    return std * (density + z * mass), -mass, density


def _check_not_negative(name: str, given: float) -> None:
    if not isinstance(given, Real) or not 0 <= float(given) < np.inf:
        raise ValueError(f"{name} must be a number of at least 0, but is {given!r}.")


@dataclass(frozen=True)
class ProbabilityOfImprovement:
    """log Phi(z - margin / s): how likely it is to get below the best value by a margin.

    Parameters
    ----------
    margin : float in [0, inf), default=0.03
        In standard deviations of the values as the model sees them. Without a margin the next step
        is infinitesimal.
    """

    margin: float = 0.03

    def __post_init__(self) -> None:
        _check_not_negative("margin", self.margin)

    def __call__(self, mean, std, best):
        z = (best - self.margin - mean) / std
        slope = np.sqrt(2 / np.pi) / erfcx(-z / np.sqrt(2))  # phi / Phi
        return log_ndtr(z), -slope / std, -slope * z / std


@dataclass(frozen=True)
class ConfidenceBound:
    """kappa s - m: how low the objective may plausibly be, turned over.

    Parameters
    ----------
    kappa : float in [0, inf), default=1.96
        Standard deviations below the mean. 0 exploits only, more explores.
    """

    kappa: float = 1.96

    def __post_init__(self) -> None:
        _check_not_negative("kappa", self.kappa)

    def __call__(self, mean, std, best):
        return self.kappa * std - mean, -np.ones_like(mean), np.full_like(std, self.kappa)


ACQUISITIONS: dict[str, Acquisition] = {
    "logei": log_expected_improvement,
    "ei": expected_improvement,
    "pi": ProbabilityOfImprovement(),
    "lcb": ConfidenceBound(),
}


def checked(acquisition: Acquisition) -> Acquisition:
    """An acquisition of a user's, which says so if it returns what it must not."""

    def call(mean, std, best):
        found = acquisition(mean, std, best)
        if not isinstance(found, tuple | list) or [np.shape(p) for p in found] != [mean.shape] * 3:
            raise ValueError(
                "acquisition must return values and their derivatives by mean and by deviation, "
                f"three arrays of shape {mean.shape}, but returned {found!r}."
            )
        if np.isnan(found).any():
            raise ValueError(
                f"acquisition must return numbers, but of means {mean!r}, deviations {std!r} and "
                f"the best value {best!r} it made {found!r}."
            )
        return found

    return call


def log_h(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """log(phi(z) + z Phi(z)) and its derivative Phi(z) / h(z), elementwise."""
    value, slope = np.empty_like(z), np.empty_like(z)
    right, left = z > -1, z < -1e3
    middle = ~(right | left)

    density, mass = np.exp(-0.5 * z[right] ** 2 - LOG_SQRT_2PI), ndtr(z[right])
    h = density + z[right] * mass
    value[right], slope[right] = np.log(h), mass / h

    # h = phi(z) (1 - |z| R) with Mills's ratio R = Phi(z) / phi(z).
    mills = np.sqrt(np.pi / 2) * erfcx(-z[middle] / np.sqrt(2))
    rest = 1 + z[middle] * mills
    value[middle] = np.log(rest) - 0.5 * z[middle] ** 2 - LOG_SQRT_2PI
    slope[middle] = mills / rest

    # There 1 - |z| R = 1 / z^2 - 3 / z^4 + ..., which subtraction would lose.
    inverse_square = z[left] ** -2.0
    value[left] = (
        np.log(inverse_square) + np.log1p(-3 * inverse_square)
        - 0.5 * z[left] ** 2 - LOG_SQRT_2PI
    )  # fmt: skip
    slope[left] = -z[left] * (1 + 2 * inverse_square)
    return value, slope


@dataclass(frozen=True)
class Objective:
    """What is maximised: an acquisition, where the constraints hold, over the cost.

    Parameters
    ----------
    acquisition : callable or None
        None where no point is feasible yet: then feasibility alone counts.
    model : Model
        Of the objective.
    best : float
        The incumbent.
    constraints : sequence of Model
        Each of a quantity that must not exceed its limit.
    limits : sequence of float
    log_cost : Model or None
        Of the logarithm of the cost, standardised.
    log_cost_unit : float
        What 1 in that model is.
    alone : Model or None
        Of the objective without the points under way, if there are any.
    """

    acquisition: Acquisition | None
    model: Model
    best: float
    constraints: Sequence[Model] = ()
    limits: Sequence[float] = ()
    log_cost: Model | None = None
    log_cost_unit: float = 1.0
    alone: Model | None = None

    def __call__(self, columns: np.ndarray) -> tuple[np.ndarray, Callable[[], np.ndarray] | None]:
        """Values at columns, (n, d): (n,), and a function for the gradient, (n, d), if any."""
        values, gradients = zip(*self._parts(columns))
        if None in gradients:
            return np.sum(values, axis=0), None
        return np.sum(values, axis=0), lambda: np.sum([by() for by in gradients], axis=0)

    def _parts(self, columns: np.ndarray) -> Iterator[tuple[np.ndarray, Callable | None]]:
        """What is added up: values, (n,), and functions for their gradients, if there are any."""
        if self.alone is not None and isinstance(self.acquisition, MinimumInformation):
            yield self._beside(self.acquisition, self.alone, columns)
        elif self.acquisition is not None:
            yield _part(self.model, self.acquisition, self.best, columns)
        for model, limit in zip(self.constraints, self.limits):
            yield _part(model, ProbabilityOfImprovement(0.0), limit, columns)
        if self.log_cost is not None:
            yield _part(self.log_cost, self._minus_log_cost, 0.0, columns)

    def _beside(
        self, information: MinimumInformation, alone: Any, columns: np.ndarray
    ) -> tuple[np.ndarray, Callable]:
        """What a point tells alone, times the share of its deviation that the others leave."""
        model: Any = self.model
        mean, (left, whole), gradient = model.mean_and_variances(columns, alone)
        std, noise = np.sqrt(whole), information.noise
        value, by_mean, by_std = information(mean, std, self.best)
        by_left, by_whole = 0.5 / (left + noise), by_std / (2 * std) - 0.5 / (whole + noise)
        value = value + 0.5 * np.log((left + noise) / (whole + noise))
        return value, lambda: gradient(by_mean, by_left, by_whole)

    def _minus_log_cost(self, mean, std, best):
        unit = np.full_like(mean, self.log_cost_unit)
        return -unit * mean, -unit, np.zeros_like(std)

    def extended(self, Z: np.ndarray) -> "Objective":
        """The objective if columns Z, (m, d), were evaluated and came out as expected."""
        mean = self.model.mean_and_variance(Z)[0]
        for model, limit in zip(self.constraints, self.limits):
            mean = np.where(model.mean_and_variance(Z)[0] <= limit, mean, np.inf)
        return replace(
            self,
            model=self.model.extended(Z),
            alone=self.model if self.alone is None else self.alone,
            best=min(self.best, mean.min()),
            constraints=[model.extended(Z) for model in self.constraints],
        )


def _part(
    model: Model, term: Acquisition, best: float, columns: np.ndarray
) -> tuple[np.ndarray, Callable | None]:
    """A function of one model's mean and deviation, (n,), and one for its gradient, if any."""
    mean, variance, gradient = model.mean_and_variance(columns)
    std = np.sqrt(variance)
    value, by_mean, by_std = term(mean, std, best)
    return value, None if gradient is None else lambda: gradient(by_mean, by_std / (2 * std))


def maximise(
    objective: Callable, space: Space, centres: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Points of a high objective, best first: (n, n_dimensions).

    Candidates are random points (the whole space if it is small) and steps from ``centres``,
    (n_centres, n_dimensions), the best points so far. From the best candidates it goes uphill:
    along the real dimensions by L-BFGS-B, along the others to the best neighbour, in turns.
    """
    U = candidates(space, centres, rng)
    value, gradient = objective(space.columns(U))
    order = np.argsort(-value, kind="stable")
    top, height = U[order[:N_STARTS]], value[order[:N_STARTS]]
    for _ in range(N_ROUNDS):
        before = height
        if gradient and space.is_real.any():
            climbed = _climb(objective, space, top)
            top, height = _better(objective, space, top, height, [*climbed[:, None]])
        elif space.is_real.any():
            near = [_scatter(space, u, rng) for u in top]
            top, height = _better(objective, space, top, height, near)
        if not space.is_real.all():
            top, height = _better(objective, space, top, height, [*map(space.neighbours, top)])
        elif gradient:
            break  # where there is nothing to turn to, it is up there
        if (height <= before + 1e-6).all():
            break
    U, value = np.vstack([top, U]), np.concatenate([height, value])
    return U[np.argsort(-value, kind="stable")]


def draw(
    objective: Objective, space: Space, centres: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Thompson's choice: candidates, best first by functions drawn from the models.

    Those that meet the constraints come before those that do not.

    References
    ----------
    .. [1] Thompson. On the likelihood that one unknown probability exceeds another in view of
       the evidence of two samples. Biometrika 25, 1933.
    """
    U = candidates(space, centres, rng)
    columns = space.columns(U)
    excess = np.zeros(len(U))
    for model, limit in zip(objective.constraints, objective.limits):
        excess += np.maximum(model.sample(columns, rng)[:, 0] - limit, 0)
    return U[np.lexsort([objective.model.sample(columns, rng)[:, 0], excess])]


def candidates(space: Space, centres: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Random points, or the whole space if it is small, and steps from the centres."""
    return space.snap(np.vstack([space.sample(N_RANDOM, rng), _near(centres, rng)]))


def _near(centres: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Random steps from the centres, short and long, in some of the dimensions."""
    start = centres[rng.integers(len(centres), size=N_NEAR)]
    length = 10 ** rng.uniform(-3, -0.5, size=(N_NEAR, 1))
    moves = rng.random(start.shape) < max(0.5, 1 / start.shape[1])
    return np.clip(start + moves * length * rng.standard_normal(start.shape), 0, 1)


def _climb(objective: Callable, space: Space, U: np.ndarray) -> np.ndarray:
    """U, (n, d), after L-BFGS-B on the sum of all rows' objectives along active real dimensions."""
    free = space.is_real & space.active(U)
    columns = space.columns(U)

    def negative(flat: np.ndarray) -> tuple[float, np.ndarray]:
        columns[free] = flat
        value, gradient = objective(columns)
        return -value.sum(), -gradient()[free]

    start = columns[free]
    if not len(start):
        return U
    settings = {
        "method": "L-BFGS-B",
        "bounds": [(0, 1)] * len(start),
        "options": {"maxiter": 30, "ftol": 1e-6},
    }
    climbed = U.copy()
    climbed[free] = minimize(negative, start, jac=True, **settings).x
    return climbed


def _scatter(space: Space, u: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Random steps from u, (d,), for a model without a gradient."""
    return space.snap(_near(u[None], rng))


def _better(
    objective: Callable,
    space: Space,
    top: np.ndarray,
    height: np.ndarray,
    proposals: Sequence[np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """Each row of ``top``, (n, d), or the highest of its own proposals, (any number, d)."""
    owner = np.repeat(np.arange(len(top)), [len(rows) for rows in proposals])
    if not len(owner):
        return top, height
    rows = np.vstack([top, *proposals])
    owner = np.append(np.arange(len(top)), owner)
    value = np.append(height, objective(space.columns(rows[len(top) :]))[0])
    order = np.lexsort([-value, owner])  # by owner, and of each the highest first
    best = order[np.searchsorted(owner[order], np.arange(len(top)))]
    return rows[best], value[best]
