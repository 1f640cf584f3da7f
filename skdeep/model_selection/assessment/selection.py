"""Which of a search's candidates is taken: not always the one of the highest score.

'max'            the highest mean score
'posterior_mean' the highest mean of a Gaussian process through all scores, with the noise that
                 they have: a score that stands out from its neighbours' counts less [1]_
'one_std_error'  of all within one standard error of the highest score, the one that is nearest to
                 the estimator's own configuration, of several the best: no departure without a
                 reason, as Breiman's rule takes the simplest [2]_

The noise of a mean score is s^2 / K, K the number of folds and s^2 the variance that is left in
the scores of folds once each fold and each candidate has a mean of its own: what candidates share
on a fold changes no comparison.

.. [1] Frazier, Powell, Dayanik. The knowledge-gradient policy for correlated normal beliefs.
   INFORMS Journal on Computing 21, 2009: the point of the highest posterior mean is taken.
.. [2] Breiman, Friedman, Olshen, Stone. Classification and Regression Trees. 1984, section 3.4.3.
"""

from typing import Any

import numpy as np

from skdeep.gaussian_process import exact
from skdeep.gaussian_process.blas import one_blas_thread
from skdeep.gaussian_process.kernels import Matern52
from skdeep.model_selection.assessment.correction import Chooser
from skdeep.model_selection.spaces import Space
from skdeep.model_selection.surrogates import lengthscale

RULES = ("max", "posterior_mean", "one_std_error")


def rule(
    name: str,
    space: Space,
    candidates: list[dict[str, Any]],
    fold_scores: np.ndarray,
    own: dict[str, Any],
) -> Chooser:
    """What chooses among candidates by their mean scores, (n_resamples, n_candidates).

    Parameters
    ----------
    name : {'max', 'posterior_mean', 'one_std_error'}
        The rule.
    space : Space
        Where candidates lie.
    candidates : list of dict
        All that have a score.
    fold_scores : ndarray of shape (n_candidates, n_splits)
        Their scores.
    own : dict
        The estimator's own parameters.
    """
    if name == "max":
        return lambda scores: scores.argmax(axis=1)
    places = space.columns(space.snap(np.array([space.encode(c) for c in candidates])))
    if name == "posterior_mean":
        smoother = _smoother(space, places, fold_scores)
        return lambda scores: (scores @ smoother.T).argmax(axis=1)
    distances = _distances(space, places, own)
    means = fold_scores.mean(axis=1)
    error = fold_scores[means.argmax()].std(ddof=1) / np.sqrt(fold_scores.shape[1])

    def nearest_of(scores: np.ndarray) -> np.ndarray:
        near = scores >= scores.max(axis=1, keepdims=True) - error
        away = np.where(near, distances, np.inf)
        nearest = away == away.min(axis=1, keepdims=True)  # several, where categories differ
        return np.where(nearest, scores, -np.inf).argmax(axis=1)

    return nearest_of


def check_rule(name: str, space: Space, own: dict[str, Any], n_splits: int) -> None:
    """Refuse a rule that could not choose in the end.

    Raises
    ------
    ValueError
        If 'one_std_error' has no standard error, or nothing to be near to.
    """
    if name == "one_std_error" and n_splits < 2:
        raise ValueError("selection='one_std_error' needs two splits or more, but cv has one.")
    if name == "one_std_error" and np.isnan(_own_place(space, own)).all():
        raise ValueError(
            "selection='one_std_error' takes what is nearest to the estimator's own "
            "configuration, but that has no place in search_spaces: "
            f"{ {name: own[name] for name in space.names if name in own} }."
        )


def noise_of_means(fold_scores: np.ndarray) -> float:
    """Variance of candidates' mean scores by which they cannot be compared."""
    n, k = fold_scores.shape
    if n < 2 or k < 2:
        return 0.0
    rest = fold_scores - fold_scores.mean(axis=1, keepdims=True)
    rest = rest - rest.mean(axis=0)
    return float((rest**2).sum() / ((n - 1) * (k - 1)) / k)


@one_blas_thread()
def _smoother(space: Space, places: np.ndarray, fold_scores: np.ndarray) -> np.ndarray:
    """The matrix that takes scores to a Gaussian process's means, (n_candidates, n_candidates)."""
    means = fold_scores.mean(axis=1)
    scale = means.std()
    if scale == 0 or len(means) < 3:
        return np.eye(len(means))
    categorical = tuple(np.flatnonzero(space.is_category).tolist())
    d = places.shape[1]
    process = exact.Process(
        Matern52(lengthscale=lengthscale(d), categorical=categorical), "constant"
    )
    noise = np.full(len(means), noise_of_means(fold_scores) / scale**2)
    start = process.prior(d)[0][None]
    targets = (means - means.mean()) / scale
    return exact.fit(process, places, targets, start, known_noise=noise).smoother(noise)


def _distances(space: Space, places: np.ndarray, own: dict[str, Any]) -> np.ndarray:
    """How far candidates are from the estimator's own configuration, in what that has in space."""
    u = _own_place(space, own)
    origin = space.columns(space.snap(np.nan_to_num(u).clip(0, 1)[None]))
    apart = np.where(space.is_category, places != origin, places - origin)
    return np.sqrt((apart[:, np.isfinite(u)].astype(float) ** 2).sum(axis=1))


def _own_place(space: Space, own: dict[str, Any]) -> np.ndarray:
    return space.encode({name: own[name] for name in space.names if name in own})
