"""Bayesian optimisation, ask and tell: where to evaluate an expensive function next.

    optimizer = BayesianOptimizer({"x": (0.0, 1.0), "kind": ["a", "b"]}, random_state=0)
    for _ in range(20):
        point = optimizer.ask()
        optimizer.tell(point, experiment(**point))

The first points fill the cube evenly (a scrambled Sobol sequence); then a Gaussian process
learns from all values so far, and the point of highest log expected improvement comes next. Points
that were asked for and not told yet count as if they had come out as the model expects [1]_.

.. [1] Ginsbourger, Le Riche, Carraro. Kriging is well-suited to parallelize optimization.
   Computational Intelligence in Expensive Optimization Problems, 2010: the kriging believer.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from inspect import signature
from numbers import Integral
from typing import Any

import numpy as np
from scipy.stats import norm, qmc
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.ensemble._forest import BaseForest
from sklearn.utils import check_random_state

from skdeep.gaussian_process.blas import one_blas_thread
from skdeep.gaussian_process.exact import NOISE, Posterior
from skdeep.model_selection.acquisition import (
    ACQUISITIONS,
    Acquisition,
    AugmentedImprovement,
    ConfidenceBound,
    Objective,
    candidates,
    checked,
    draw,
    maximise,
)
from skdeep.model_selection.information import MinimumInformation, draw_minima
from skdeep.model_selection.spaces import Known, Space
from skdeep.model_selection.surrogates import GaussianProcess, Model, Regressor
from skdeep.model_selection.told import Told, filled
from skdeep.model_selection.warps import CURVATURES, Warp

N_CENTRES = 5
N_OTHERS = 1000
SAME = 1e-6  # share of a dimension
UNGUIDED = ("random", "quasirandom")
WITH_OTHERS = ("mes", "logei", "ei", "pi")  # whose logarithms add to those of feasibility and cost
VARIANCES = ("squared_error", "friedman_mse")  # criteria of trees whose impurity is one
SURROGATES = ("gp", "forest", *UNGUIDED)


class BayesianOptimizer:
    """Minimise over a space by asking for points and being told values.

    Parameters
    ----------
    space : dict, list or Space
        What each parameter may be, as in :class:`BayesSearchCV`. Points are dicts, or lists
        where the space is a list of dimensions.
    surrogate : {'gp', 'forest', 'random', 'quasirandom'} or regressor, default='gp'
        What learns from the values: a Gaussian process, extremely randomised trees, nothing
        (random points, or a Sobol sequence), or a regressor of scikit-learn's whose ``predict``
        takes ``return_std``.
    acquisition : {'logei', 'mes', 'ei', 'pi', 'lcb', 'thompson'} or callable, default='logei'
        What the next point maximises: the logarithm of the expected improvement (of which noise
        leaves less), what the point tells about the minimum (max-value entropy search, for a
        Gaussian process), the improvement itself, its probability, a confidence bound
        (``ConfidenceBound(kappa)`` sets its width), or, turned over, a draw of the function. A
        callable takes means, deviations and the best value, and returns values and their
        derivatives by mean and by deviation.
    n_initial : int, default=None
        Points, told ones included, before the surrogate decides; None stands for two more than
        there are dimensions.
    per_cost : bool, default=False
        Whether to seek the improvement per cost: ``tell`` then takes costs, whose logarithm is
        learnt.
    random_state : int, RandomState instance or None, default=None
        Seed of all that is random.

    Attributes
    ----------
    space : Space
        The space as it was read.
    exhausted : bool
        Whether every point of a finite space was asked or told.

    Notes
    -----
    A Gaussian process costs O(n^3) for n values: about 0.02 s for each point asked at n = 100 in
    six dimensions, and 0.5 s at n = 500, on one core.

    Examples
    --------
    >>> from skdeep.model_selection import BayesianOptimizer
    >>> optimizer = BayesianOptimizer({"x": (-5.0, 5.0)}, random_state=0)
    >>> for _ in range(12):
    ...     point = optimizer.ask()
    ...     optimizer.tell(point, (point["x"] - 2) ** 2)
    >>> print(f"{optimizer.best()['x']:.2f}")
    2.00
    """

    def __init__(
        self,
        space: Any,
        *,
        surrogate: Any = "gp",
        acquisition: str | Acquisition = "logei",
        n_initial: int | None = None,
        per_cost: bool = False,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.space = space if isinstance(space, Space) else Space(space)
        if any(self.space.budgets):
            raise ValueError(
                "numbers of candidates beside sub-spaces are for BayesSearchCV, which searches "
                "them one after another; give each an optimizer of its own."
            )
        n_dimensions = len(self.space.dimensions)
        self.surrogate = surrogate
        self.acquisition = acquisition
        self.n_initial = n_dimensions + 2 if n_initial is None else n_initial
        self.per_cost = per_cost
        self._check_parameters()
        self._seed = check_random_state(random_state).randint(2**31)
        self._rng = np.random.default_rng(self._seed)
        self._sobol = qmc.Sobol(n_dimensions, seed=self._rng)
        self._n_even = 2 ** int(np.ceil(np.log2(self.n_initial)))
        self._evenly = self.space.snap(self._sobol.random(self._n_even))
        self._n_passed = 0  # of these points, all before are known
        # The models keep what the next fit starts from: of the objective, costs and constraints.
        self._surrogates: dict[Any, Any] = {}
        # To how many values, the model and its warp, and the surrogate that has fitted it.
        self._fitted: tuple[int, tuple[Model, Warp], Any] | None = None
        self._told = Told.nothing(n_dimensions)
        self._known = Known(self.space)  # asked or told
        self._pending: dict[bytes, np.ndarray] = {}
        self._found_none = False  # a range of a few floats is finite, too

    @property
    def exhausted(self) -> bool:
        """Whether every point of a finite space was asked or told."""
        return self._known.exhausted or self._found_none

    def ask(self, n: int | None = None) -> Any:
        """The next point, or a list of the next n.

        Each is new: it was neither asked nor told before. From an exhausted space a list is as
        short as it must be.

        Raises
        ------
        RuntimeError
            If one point is asked for and the space is exhausted.
        """
        if n is not None and not _is_count(n):
            raise ValueError(f"n must be an integer from 1, the number of points, but is {n!r}.")
        with one_blas_thread():
            points = [self.space.decode(u) for u in self._ask(1 if n is None else int(n))]
        if n is not None:
            return points
        if not points:
            raise RuntimeError(
                "the space is exhausted: each of its points was asked or told; see `exhausted`."
            )
        return points[0]

    def tell(
        self,
        points: Any,
        values: Any,
        noise: Any = None,
        *,
        costs: Any = None,
        constraints: Any = None,
    ) -> None:
        """What the function was at a point, or at several.

        Parameters
        ----------
        points : dict, list or DataFrame
            A point, or a list of points, of the space, or a table with a row for each; they need
            not have been asked for, and one that is told again is a second measurement.
        values : float or sequence of float
            What is minimised. A value that is nan or infinite marks a failure, which counts as the
            worst value seen.
        noise : float or sequence of float, default=None
            Known variance of each value's error, in units of the values squared, for the Gaussian
            process. The noise that the values themselves betray is learnt besides.
        costs : float or sequence of float, default=None
            What each evaluation cost, for instance seconds; all positive.
        constraints : sequence of float, or sequence of these for several points, default=None
            Quantities that must be at most 0 at the point that is sought. How they depend on the
            point is learnt. At a failure they may be nan.

        Raises
        ------
        ValueError
            If a point lies outside the space, or lengths differ. Then nothing is learnt.
        """
        if noise is not None and self.surrogate != "gp":
            raise ValueError(
                "noise of known variance is for the Gaussian process, surrogate='gp', but the "
                f"surrogate is {self.surrogate!r}; leave it out."
            )
        if costs is None and self.per_cost:
            raise ValueError("an optimizer with per_cost=True needs costs: what each point took.")
        if costs is not None and not self.per_cost:
            raise ValueError("costs are for an optimizer with per_cost=True; leave them out here.")
        if constraints is not None and self.acquisition not in (*WITH_OTHERS, "thompson"):
            raise ValueError(
                f"constraints need an acquisition among {', '.join(map(repr, WITH_OTHERS))} and "
                f"'thompson', but it is {self.acquisition!r}."
            )
        told = self._told.checked(self.space, points, values, noise, costs, constraints)
        for u in told.points:
            self._known.add(u)
            if self._pending.pop(self.space.key(u), None) is None and self._pending:
                self._forget_near(u)
        self._told += told

    def expect(self, point: Any) -> None:
        """Count a point as under way that was not asked for, and will be told."""
        u = self.space.canonical(self.space.check(point))
        self._known.add(u)
        self._pending[self.space.key(u)] = u

    def state(self) -> dict[str, Any]:
        """What the next proposal depends on besides what was asked and told, for JSON."""
        return {
            "rng": self._rng.bit_generator.state,
            "even": [self._n_even, self._n_passed],
            "surrogates": [[what, s.state()] for what, s in self._surrogates.items()],
        }

    def adopt(self, u: np.ndarray, state: dict[str, Any]) -> Any:
        """The point at u, (n_dimensions,), as if ``ask`` had returned it and left that state."""
        u = self.space.canonical(u)
        self._known.add(u)
        self._pending[self.space.key(u)] = u
        self._rng.bit_generator.state = state["rng"]
        n_even, self._n_passed = state["even"]
        while self._n_even < n_even:
            self._more_even()
        for what, of_surrogate in state["surrogates"]:
            what = tuple(what) if isinstance(what, list) else what
            self._surrogate_of(what).restore(of_surrogate)
        self._fitted = None
        return self.space.decode(u)

    def forget(self, points: Any) -> None:
        """Take back a point, or a list of points, that was asked for and will not be told.

        It may be asked for again.

        Raises
        ------
        ValueError
            If it was not asked for, or told since.
        """
        one = isinstance(points, Mapping) or (self.space.unnamed and self.space.holds(points))
        keys = [self.space.key(self.space.check(point)) for point in ([points] if one else points)]
        if not all(key in self._pending for key in keys):
            raise ValueError(f"a point of {points!r} is not under way: it was told, or not asked.")
        for key in keys:
            self._known.discard(self._pending.pop(key))
        self._found_none = False

    def _forget_near(self, u: np.ndarray) -> None:
        """Drop what is pending at u but for digits that were lost on the way through a file."""
        apart = np.abs(np.array([*self._pending.values()]) - u)
        near = (apart < np.where(self.space.is_real, SAME, 1e-12)).all(axis=1)
        for key in [key for key, is_near in zip(self._pending, near) if is_near]:
            del self._pending[key]

    def best(self) -> Any:
        """The point of the lowest value, as the surrogate sees it: noise is averaged out.

        Without a surrogate, and before it decides, the point of the lowest value told.
        """
        feasible = self._told.feasible
        if not feasible.any():
            raise ValueError("no finite value at a feasible point was told yet.")
        values = self._told.values
        if self._is_guided():
            with one_blas_thread():
                values = self._fit_objective()[0].mean_and_variance(self._columns())[0]
        return self.space.decode(self._told.points[np.argmin(np.where(feasible, values, np.inf))])

    def expected_minimum(self) -> tuple[Any, float]:
        """The point where the surrogate expects the lowest value, told or not, and that value.

        ``best()`` is one of the points told. What is expected is the median.

        Raises
        ------
        ValueError
            Before the surrogate decides, and where there are constraints.
        """
        if not self._is_guided() or self._told.constraints is not None:
            raise ValueError(
                "only a surrogate expects a minimum, without constraints and once "
                f"{self.n_initial} values were told, of which one is finite; see `best`."
            )
        with one_blas_thread():
            u, lowest = self._lowest(0.0)
        _, warp = self._fit_objective()
        return self.space.decode(u), float(warp.inverse(np.array([lowest]))[0])

    def regret_bound(self, confidence: float = 0.95) -> float:
        """How much lower the minimum may be than the best point, in units of the values [1]_.

        The lowest upper bound among the points that were told, less the lowest lower bound in
        the space, where each bound holds with the given confidence; infinite before the surrogate
        decides, and where there are constraints.

        References
        ----------
        .. [1] Makarova et al. Automatic termination for hyperparameter optimization. AutoML,
           2022, equation 4.
        """
        if not 0 < confidence < 1:
            raise ValueError(f"confidence must lie between 0 and 1, but is {confidence!r}.")
        if not self._is_guided() or self._told.constraints is not None:
            return np.inf
        with one_blas_thread():
            model, warp = self._fit_objective()
            kappa = norm.ppf((1 + confidence) / 2)
            mean, variance, _ = model.mean_and_variance(self._columns())
            upper = (mean + kappa * np.sqrt(variance)).min()
            _, lower = self._lowest(kappa)
        high, low = warp.inverse(np.array([upper, lower]))
        return float(max(high - low, 0.0))

    def _lowest(self, kappa: float) -> tuple[np.ndarray, float]:
        """Where mean - kappa deviations is lowest in the space, (n_dimensions,), and that bound."""
        model, _ = self._fit_objective()
        mean, _, _ = model.mean_and_variance(self._columns())
        objective = Objective(ConfidenceBound(kappa), model, 0.0)
        rng = np.random.default_rng([self._seed, len(mean)])
        u = maximise(objective, self.space, self._centres(mean), rng)[:1]
        return u[0], -objective(self.space.columns(u))[0][0]

    def _check_parameters(self) -> None:
        known = isinstance(self.surrogate, str) and self.surrogate in SURROGATES
        is_class = isinstance(self.surrogate, type)
        if not known and (is_class or not hasattr(self.surrogate, "predict")):
            raise ValueError(
                f"surrogate must be one of {', '.join(map(repr, SURROGATES))} or a regressor whose "
                f"predict takes return_std, but is {self.surrogate!r}."
            )
        if isinstance(self.surrogate, BaseForest):
            criterion = self.surrogate.get_params().get("criterion")
            if criterion not in VARIANCES:
                raise ValueError(
                    "a forest that is the surrogate must split by one of "
                    f"{', '.join(map(repr, VARIANCES))}, as its leaves tell a variance then, but "
                    f"its criterion is {criterion!r}."
                )
        elif not known:
            parameters = signature(self.surrogate.predict).parameters.values()
            if not any(p.name == "return_std" or p.kind is p.VAR_KEYWORD for p in parameters):
                raise ValueError(
                    f"surrogate must predict how sure it is, but {type(self.surrogate).__name__}'s "
                    "predict has no return_std; take a forest or a Gaussian process."
                )
        names = ["mes", *ACQUISITIONS, "thompson"]
        given = self.acquisition
        if isinstance(given, type) or (not callable(given) and given not in names):
            raise ValueError(
                f"acquisition must be one of {', '.join(map(repr, names))} or a function, but is "
                f"{given!r}."
            )
        if given == "mes" and not (known and self.surrogate == "gp"):
            raise ValueError(
                "acquisition='mes' draws functions, for which surrogate must be 'gp', but it is "
                f"{self.surrogate!r}; take 'logei'."
            )
        if self.per_cost and self.acquisition not in WITH_OTHERS:
            raise ValueError(
                f"per_cost divides an improvement by its cost: acquisition must be one of "
                f"{', '.join(map(repr, WITH_OTHERS))}, but is {self.acquisition!r}."
            )
        if not _is_count(self.n_initial):
            raise ValueError(f"n_initial must be an integer from 1, but is {self.n_initial!r}.")

    def _ask(self, n: int) -> Iterator[np.ndarray]:
        """At most n new points, (n_dimensions,) each, which are pending from then on."""
        objective = self._objective() if self._is_guided() else None
        for i in range(n):
            new = (u for u in self._ranked(objective) if u not in self._known)
            u = None if self.exhausted else next(new, None)
            if u is None:
                self._found_none = True
                return
            u = self.space.canonical(u)
            self._known.add(u)
            self._pending[self.space.key(u)] = u
            yield u
            if objective is not None and i < n - 1:
                objective = objective.extended(self.space.columns(u[None]))

    def _ranked(self, objective: Objective | None) -> Iterator[np.ndarray]:
        """Points, (n_dimensions,) each, the one to be evaluated first; enough to have a new one."""
        if objective is not None:
            centres = self._centres(objective.model.mean_and_variance(self._columns())[0])
            rank = draw if self.acquisition == "thompson" else maximise
            yield from rank(objective, self.space, centres, self._rng)
        elif self.surrogate != "random":
            while True:
                while self._n_passed < len(self._evenly):
                    yield self._evenly[self._n_passed]
                    self._n_passed += 1
                if np.isfinite(self.space.size) or self._n_even > 4 * len(self._known) + N_OTHERS:
                    break  # or, in a range of a few floats, all of so many are known
                self._more_even()
                self._n_passed = 0
        yield from self.space.sample(len(self._known) + N_OTHERS, self._rng)
        rare = self._known.another(self._rng)
        if rare is not None:
            yield rare

    def _more_even(self) -> None:
        """The next points of the Sobol sequence, which is balanced at powers of 2."""
        self._n_even *= 2
        self._evenly = self.space.snap(self._sobol.random(self._n_even // 2))

    def _is_guided(self) -> bool:
        """Whether a surrogate decides: there is one, and enough was told."""
        if isinstance(self.surrogate, str) and self.surrogate in UNGUIDED:
            return False
        return len(self._told) >= self.n_initial and bool(np.isfinite(self._told.values).any())

    def _objective(self) -> Objective:
        """What the next point maximises, as if the pending ones had come out as expected."""
        model, _ = self._fit_objective(look=False)
        columns = self._columns()
        feasible = self._told.feasible
        told = self._told.constraints
        constraints = [
            self._fit(self._surrogate_of(("constraint", k)), columns[known], _bent(values[known]))
            for k, values in enumerate([] if told is None else told.T)
            if (known := np.isfinite(values)).any()
        ]
        log_cost, unit = None, 1.0
        if self.per_cost:
            surrogate = self._surrogate_of("cost")
            log_cost, warp = self._fit(surrogate, columns, np.log(self._told.costs))
            unit = warp.std * warp.spread
        mean = model.mean_and_variance(columns)[0]
        objective = Objective(
            None,
            model,
            mean[feasible].min() if feasible.any() else np.inf,
            [constraint for constraint, _ in constraints],
            [float(warp(np.zeros(1))[0]) for _, warp in constraints],
            log_cost,
            unit,
        )
        if feasible.any():
            objective = replace(objective, acquisition=self._acquisition_for(objective, mean))
        if not self._pending:
            return objective
        return objective.extended(self.space.columns(np.array([*self._pending.values()])))

    def _acquisition_for(self, objective: Objective, mean: np.ndarray) -> Acquisition | None:
        """The acquisition, once there is a model, which has means, (n,), where values were told."""
        if self.acquisition == "mes":
            U = candidates(self.space, self._centres(mean), self._rng)
            columns = self.space.columns(np.vstack([self._told.points, U]))
            model: Any = objective.model
            constraints, limits = objective.constraints, objective.limits
            minima = draw_minima(model, columns, self._rng, constraints, limits)
            if len(minima):
                return MinimumInformation(minima, model.noise + self._known_noise())
            return ACQUISITIONS["logei"]
        if self.acquisition == "ei" and (objective.constraints or self.per_cost):
            return ACQUISITIONS["logei"]  # whose logarithm is added to others
        if self.acquisition == "logei" and isinstance(objective.model, Posterior):
            return AugmentedImprovement(self._noise(objective.model))
        if callable(self.acquisition):
            return checked(self.acquisition)
        return ACQUISITIONS.get(self.acquisition)

    def _known_noise(self) -> float:
        """Variance of the next value's noise as far as it is known: of those told, the median."""
        _, warp = self._fit_objective()
        return float(np.median(warp.noise(filled(self._told.values), self._told.noise)))

    def _noise(self, model: Posterior) -> float:
        """Variance of the next value's noise, but for what is believed of any function."""
        return max(model.noise - NOISE.median, 0.0) + self._known_noise()

    def _fit_objective(self, look: bool = True) -> tuple[Model, Warp]:
        """The model of the values; a failure counts as the worst value.

        The next fit starts from where the last one ended, unless that was to ``look`` only.
        """
        if self._fitted is None or self._fitted[0] != len(self._told):
            surrogate = deepcopy(self._surrogate_of("objective"))
            values = filled(self._told.values)
            found = self._fit(surrogate, self._columns(), values, self._told.noise)
            self._fitted = len(values), found, surrogate
        if not look:
            self._surrogates["objective"] = self._fitted[2]
        return self._fitted[1]

    def _fit(
        self, surrogate: Any, columns: np.ndarray, values: np.ndarray, noise: np.ndarray | float = 0
    ) -> tuple[Model, Warp]:
        """A surrogate's model of some values."""
        rng = np.random.default_rng([self._seed, len(values)])
        return surrogate.fit(columns, values, np.broadcast_to(noise, len(values)), rng)

    def _surrogate_of(self, what: Any) -> GaussianProcess | Regressor:
        """The surrogate that has modelled the like before."""
        if what not in self._surrogates:
            curvatures = CURVATURES if what == "objective" else (0.0,)
            self._surrogates[what] = self._new_surrogate(curvatures)
        return self._surrogates[what]

    def _new_surrogate(self, curvatures: Sequence[float]) -> GaussianProcess | Regressor:
        if isinstance(self.surrogate, str) and self.surrogate == "gp":
            return GaussianProcess(self.space.is_category, curvatures)
        if isinstance(self.surrogate, str):
            return Regressor(ExtraTreesRegressor(bootstrap=True))
        return Regressor(self.surrogate)

    def _columns(self) -> np.ndarray:
        """What models see of the points that were told, (n, n_dimensions)."""
        return self.space.columns(self._told.points)

    def _centres(self, mean: np.ndarray) -> np.ndarray:
        """The best points so far by their means, (n,): (n_centres, n_dimensions)."""
        ranked = np.argsort(np.where(self._told.feasible, mean, np.inf), kind="stable")
        return self._told.points[ranked[:N_CENTRES]]


def _bent(constraint: np.ndarray) -> np.ndarray:
    """A constraint's values, (n,), bent towards its limit, whose side they keep.

    What lies far beyond it, as exp(x) - 1 may, would else hide where it is met.
    """
    size = np.abs(constraint)
    unit = np.median(size[size > 0]) if size.any() else 1.0
    return np.arcsinh(constraint / unit)


def _is_count(given: Any) -> bool:
    return isinstance(given, Integral) and not isinstance(given, bool) and int(given) >= 1


def even_points(space: Space, n: int, rng: np.random.Generator) -> np.ndarray:
    """n points that fill a space evenly, (n, n_dimensions)."""
    sobol = qmc.Sobol(len(space.dimensions), seed=rng)
    return space.snap(sobol.random_base2(int(np.ceil(np.log2(n)))))[:n]
