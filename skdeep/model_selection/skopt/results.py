"""Results in the form of scikit-optimize, for its plots."""

from itertools import compress
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils.validation import check_is_fitted

from skdeep.gaussian_process import GaussianProcessRegressor, Matern52
from skdeep.hyperparameters import search_space
from skdeep.model_selection.spaces import Space
from skdeep.model_selection.spaces.dimensions import Choice, Dimension, Distribution, Range


def to_skopt(result: Any) -> OptimizeResult:
    """A result in the form of scikit-optimize, for its plots.

    Parameters
    ----------
    result : OptimizeResult, BayesSearchCV or AnnealingSearchCV
        What :func:`minimize` returned, or a fitted search, whose scores count with the opposite
        sign, as what was minimised. With several metrics it is the one that was optimised.

    Returns
    -------
    result : OptimizeResult
        ``x``, ``fun``, ``x_iters``, ``func_vals``, ``space``, ``models`` (one Gaussian process,
        fitted to all values) and ``specs``, as ``skopt.gp_minimize`` returns them. Points are
        lists. Failures and evaluations of cheap versions are left out. Choices that are neither
        words nor numbers appear as words.

    Raises
    ------
    ValueError
        If the space has conditions or several sub-spaces, which scikit-optimize does not know, or
        no value is finite.

    Examples
    --------
    >>> import skopt.plots
    >>> from skdeep.model_selection import minimize, to_skopt
    >>> result = minimize(lambda x: (x[0] - 2) ** 2, [(-5.0, 5.0)], n_calls=8, random_state=0)
    >>> ax = skopt.plots.plot_convergence(to_skopt(result))
    """
    import skopt.space
    from skopt.utils import create_result

    space, points, values = _evaluations(result)
    if space.is_conditional:
        raise ValueError(
            "the space has conditions or several sub-spaces, which scikit-optimize and its plots "
            "do not know; a result of a plain dict or list of dimensions can be converted."
        )
    theirs = skopt.space.Space([_theirs(name, d) for name, d in space.dimensions.items()])
    rows = [_row(space, point) for point in points]
    finite = np.isfinite(values)
    if not finite.any():
        raise ValueError("none of the values is finite: nothing to plot.")
    rows, values = [*compress(rows, finite)], values[finite]
    kernel = Matern52(categorical=np.flatnonzero(space.is_category).tolist())
    model = GaussianProcessRegressor(kernel=kernel, random_state=0)
    model.fit(theirs.transform(rows), values)
    specs = {"args": {"n_calls": len(rows), "n_random_starts": len(rows), "acq_func": "EI"}}
    return create_result(rows, values, theirs, specs=specs, models=[model])


def _evaluations(result: Any) -> tuple[Space, list, np.ndarray]:
    """Space, points and what was minimised, (n,), of a result or a fitted search."""
    if isinstance(result, OptimizeResult) and isinstance(result.get("space"), Space):
        counts = np.ones(len(result.x_iters), dtype=bool)
        if "fidelities" in result:
            counts = np.array(result.fidelities) == result.version
        return result.space, [*compress(result.x_iters, counts)], result.func_vals[counts]
    if not isinstance(result, BaseSearchCV) or not hasattr(result, "search_spaces"):
        raise TypeError(
            f"result must be what minimize returned, or a fitted BayesSearchCV, but is {result!r}."
        )
    check_is_fitted(result, "cv_results_")
    table = result.cv_results_
    given = search_space(result.estimator) if result.search_spaces is None else result.search_spaces
    first = next(key for key in table if key.startswith("mean_test_"))
    named = f"mean_test_{result.refit}"
    return Space(given), table["params"], -table[named if named in table else first]


def _theirs(name: str, dimension: Dimension) -> Any:
    """A dimension of scikit-optimize, whose transform is a column for a model."""
    from skopt.space import Categorical, Integer, Real

    if isinstance(dimension, Choice):
        return Categorical(
            _labels(dimension), prior=dimension.weights, transform="label", name=name
        )
    assert isinstance(dimension, Range | Distribution)
    kind = Real if isinstance(dimension.low, float) else Integer
    prior = "log-uniform" if getattr(dimension, "log", False) else "uniform"
    return kind(dimension.low, dimension.high, prior=prior, transform="normalize", name=name)


def _labels(choice: Choice) -> list:
    """Levels in their order, as words unless all are numbers."""
    if choice.ordered or all(isinstance(level, str) for level in choice.levels):
        return choice.levels
    words = [str(level) for level in choice.levels]
    return words if len(set(words)) == len(words) else [repr(level) for level in choice.levels]


def _row(space: Space, point: Any) -> list:
    """A point as scikit-optimize has it."""
    values = dict(zip(space.names, point)) if space.unnamed else point
    return [_value(dimension, values[name]) for name, dimension in space.dimensions.items()]


def _value(dimension: Dimension, value: Any) -> Any:
    if not isinstance(dimension, Choice):
        return value
    return _labels(dimension)[int(dimension.index(np.asarray(dimension.encode(value))))]
