"""Minimise an expensive function, such as a simulation, in one call."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult
from sklearn.exceptions import FitFailedWarning
from tqdm.auto import tqdm

from skdeep._config import interrupts_are_ours
from skdeep.model_selection.fidelity import MultiFidelityOptimizer
from skdeep.model_selection.optimizer import BayesianOptimizer
from skdeep.model_selection.spaces import Space

PATIENCE = 5  # calls that may raise before any other
SLACK = 1e-9  # of a budget that costs add up to


def minimize(
    f: Callable[..., float],
    space: Any,
    *,
    n_calls: int = 50,
    x0: Any = None,
    surrogate: Any = "gp",
    acquisition: Any = "logei",
    n_initial: int | None = None,
    fidelity: Mapping[str, float] | None = None,
    callback: Callable[[OptimizeResult], Any] | None = None,
    random_state: int | np.random.RandomState | None = None,
    verbose: int = 0,
) -> OptimizeResult:
    """Minimise a function that is expensive to evaluate.

    Parameters
    ----------
    f : callable
        ``f(point)`` returns a number, or nan where it cannot be evaluated; with ``fidelity`` it is
        ``f(point, version)``. An exception costs its point only, with a warning; an infinite value
        counts as a failure, too.
    space : dict or list
        What each parameter may be, as in :class:`BayesSearchCV`: points are dicts, or lists where
        the space is a list of dimensions.
    n_calls : int, default=50
        Evaluations. With ``fidelity``, what may be spent, in evaluations of the last version.
    x0 : point, list of points or DataFrame, default=None
        Where to evaluate first.
    surrogate, acquisition, n_initial
        As in :class:`BayesianOptimizer`; not with ``fidelity``.
    fidelity : dict of str to float, default=None
        Versions of the function, the cheapest first, and what an evaluation of each costs. The last
        is the one to be minimised: ``{"simulation": 1.0, "wind tunnel": 20.0}``. The others are
        evaluated where they tell most about its minimum for their cost.
    callback : callable, default=None
        Called with the result so far after each evaluation; if it returns True, that was the last.
    random_state : int, RandomState instance or None, default=None
        Seed.
    verbose : int, default=0
        Whether to show a progress bar with the lowest value so far.

    Returns
    -------
    result : OptimizeResult
        ``x`` (the point of the lowest value; None if there is no finite one), ``fun`` (that
        value), ``x_iters`` and ``func_vals`` (all points and values, in order), ``nfev``,
        ``success`` (whether there is an ``x``), ``message`` (why it ended) and ``space``. With
        ``fidelity``, ``x`` and ``fun`` are of the last version, whose name is ``version``, and
        there are ``fidelities`` (the version of each value) and ``cost`` (what was spent, in
        evaluations of the last version).

    See Also
    --------
    BayesianOptimizer : The same, ask and tell: for batches, known noise, costs and constraints.
    to_skopt : The result, for the plots of scikit-optimize.

    Raises
    ------
    RuntimeError
        If f raises at each of the first five points.

    Notes
    -----
    Ctrl-C ends it with the result so far, and a warning. Where values are noisy the lowest one owes
    something to luck.

    Examples
    --------
    >>> from skdeep.model_selection import minimize
    >>> result = minimize(lambda x: (x[0] - 2) ** 2, [(-5.0, 5.0)], n_calls=15, random_state=0)
    >>> print(f"{result.x[0]:.2f}")
    2.00
    """
    _check_call(f, n_calls, callback)
    if fidelity is not None:
        _check_fidelity(fidelity, surrogate, acquisition, n_initial)
    run = _Run(f, space if isinstance(space, Space) else Space(space), fidelity)
    if fidelity is None:
        optimizer: Any = BayesianOptimizer(
            run.space,
            surrogate=surrogate,
            acquisition=acquisition,
            n_initial=n_initial,
            random_state=random_state,
        )
    else:
        optimizer = MultiFidelityOptimizer(run.space, run.shares, n_calls, random_state)
    planned = _first_points(x0, run.space)
    if len(planned) > n_calls:
        raise ValueError(f"x0 has {len(planned)} points, but n_calls is {n_calls}; raise it.")
    with (
        interrupts_are_ours() as outer,
        tqdm(total=n_calls, unit="call", disable=not verbose) as bar,
    ):
        try:
            run.message = _minimize(run, optimizer, planned, n_calls, callback, bar)
        except KeyboardInterrupt:
            if outer or not run.values:
                raise
            run.message = "it was interrupted"
            warnings.warn(
                f"minimize was interrupted after {len(run.values)} calls; these are kept.",
                stacklevel=2,
            )
    return run.result()


class _Run:
    """A function, and what of it was evaluated so far."""

    def __init__(self, f: Callable, space: Space, fidelity: Mapping[str, float] | None) -> None:
        self.f, self.space = f, space
        self.last = None if fidelity is None else [*fidelity][-1]
        # Costs in evaluations of the last version; without versions it is called None.
        self.shares: dict[Any, float] = {None: 1}
        if fidelity is not None:
            *_, whole = fidelity.values()
            self.shares = {name: cost / whole for name, cost in fidelity.items()}
        self.points: list[Any] = []
        self.values: list[float] = []
        self.versions: list[str | None] = []
        self.n_raised = 0
        self.message = "it is under way"

    @property
    def cost(self) -> float:
        """What was spent, in evaluations of the last version."""
        return sum(self.shares[version] for version in self.versions)

    def evaluate(self, point: Any, version: str | None) -> float:
        """The function's value at a point; nan, with a warning, where it raises."""
        try:
            own = deepcopy(point)  # f may change it
            value = self.f(own) if version is None else self.f(own, version)
        except Exception as error:
            if self.n_raised == len(self.values) == PATIENCE - 1:
                raise RuntimeError(
                    f"f raised at each of the first {PATIENCE} points, at last {error!r} at "
                    f"{point!r}."
                ) from error
            self.n_raised += 1
            warnings.warn(
                f"f raised {type(error).__name__} at {point!r}, which counts as a failure: {error}",
                FitFailedWarning,
                stacklevel=4,
            )
            value = np.nan
        number = np.asarray(value)  # also an array of one number
        if number.size != 1 or number.dtype.kind not in "biuf":
            message = f"f must return a number, but returned {value!r} at {point!r}"
            if not self.values:
                raise TypeError(f"{message}.")
            warnings.warn(f"{message}, which counts as a failure.", FitFailedWarning, stacklevel=4)
            number = np.asarray(np.nan)
        self.points.append(point)
        self.values.append(float(number.reshape(())))
        self.versions.append(version)
        return self.values[-1]

    def result(self) -> OptimizeResult:
        values = np.array(self.values)
        counts = np.isfinite(values) & np.array([v == self.last for v in self.versions], dtype=bool)
        best = int(np.argmin(np.where(counts, values, np.inf))) if counts.any() else None
        result = OptimizeResult(
            x=None if best is None else self.points[best],
            fun=np.nan if best is None else self.values[best],
            x_iters=list(self.points),
            func_vals=values,
            nfev=len(values),
            success=best is not None,
            message=self.message if best is not None else f"{self.message}; none succeeded",
            space=self.space,
        )
        if self.last is not None:
            result.update(version=self.last, fidelities=[*self.versions], cost=self.cost)
        return result


def _minimize(
    run: _Run,
    optimizer: Any,
    planned: list[Any],
    n_calls: int,
    callback: Callable | None,
    bar: tqdm,
) -> str:
    """Evaluate point after point; why it ended."""
    while planned or not optimizer.exhausted:
        left = n_calls - run.cost
        if left < 1 - SLACK:
            return (
                "n_calls were made" if left < SLACK else f"what is left, {left:.3g}, is too little"
            )
        if planned:
            point, version = planned.pop(0), run.last
        else:
            point, version = (optimizer.ask(), None) if run.last is None else optimizer.ask()
        value = run.evaluate(point, version)
        optimizer.tell(point, value, *([] if run.last is None else [version]))
        result = run.result()
        bar.set_postfix(lowest=f"{result.fun:.4g}", refresh=False)
        bar.n = round(run.cost, 3)
        bar.update(0)
        if callback is not None and callback(result):
            return "the callback ended it"
    return "each point of the space was evaluated"


def _first_points(x0: Any, space: Space) -> list[Any]:
    """Points to begin with, all of the space."""
    if x0 is None:
        return []
    if hasattr(x0, "to_dict"):
        x0 = space.points_of(x0)
    if isinstance(x0, Iterator):
        x0 = list(x0)
    kinds = list | tuple | np.ndarray if space.unnamed else Mapping
    several = isinstance(x0, list | tuple | np.ndarray) and all(isinstance(p, kinds) for p in x0)
    if (
        several and space.unnamed and len(x0) == len(space.names) and space.holds(x0)
    ):  # its choices are tuples
        several = False
    return [space.own(point) for point in (x0 if several else [x0])]


def _check_call(f: Any, n_calls: Any, callback: Any) -> None:
    if not callable(f):
        raise TypeError(f"f must be a function of a point, but is {f!r}.")
    if not isinstance(n_calls, Integral) or isinstance(n_calls, bool) or n_calls < 1:
        raise ValueError(f"n_calls must be an integer from 1, but is {n_calls!r}.")
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be a function of the result, but is {callback!r}.")


def _check_fidelity(fidelity: Any, surrogate: Any, acquisition: Any, n_initial: Any) -> None:
    if not isinstance(fidelity, Mapping) or len(fidelity) < 2:
        raise ValueError(
            "fidelity must be a dict from the names of at least two versions to their costs, the "
            f"one to be minimised last, but is {fidelity!r}."
        )
    for version, cost in fidelity.items():
        if not isinstance(version, str):
            raise TypeError(
                f"the versions in fidelity must have names that are words, but one is {version!r}."
            )
        if not isinstance(cost, Real) or isinstance(cost, bool) or not 0 < float(cost) < np.inf:
            raise ValueError(
                f"the cost of {version!r} in fidelity must be positive, but is {cost!r}."
            )
    *others, (last, whole) = fidelity.items()
    for version, cost in others:
        if cost > whole:
            raise ValueError(
                f"the version to be minimised stands last in fidelity, and none may cost more, but "
                f"{version!r} costs {cost!r} and {last!r} {whole!r}; turn their order round."
            )
    if surrogate != "gp" or acquisition != "logei" or n_initial is not None:
        raise ValueError(
            "surrogate, acquisition and n_initial are for one version; leave them out with "
            "fidelity, which has its own."
        )
