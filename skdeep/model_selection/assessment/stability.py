"""How noisy a cross-validated score is, before anything is tuned on it.

A score of one cross-validation has three sources of noise:

- sampling: these rows, and not others of the same kind. With the predictions fixed it is the
  deviation of the score over bootstrap resamples of the rows; repeating does not help, rows do.
- folds: how the rows were split. The deviation of the score over other splits [1]_.
- seed: the estimator's own dice. The deviation of the score over other seeds.

The standard error over fresh data sets, each split once, is the root of the sum of their squares.
Of what other training rows would change, the folds stand for a part, as they change a share of
the training rows; so scores that hang on few rows, such as F1 of a rare class, come out too sure.

.. [1] Bouckaert, Frank. Evaluating the replicability of significance tests for comparing learning
   algorithms. PAKDD, 2004: repeated cross-validation against that noise.
"""

from dataclasses import dataclass
from itertools import islice
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import clone, is_classifier
from sklearn.ensemble._base import _set_random_states
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv
from sklearn.utils import check_random_state, indexable
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.validation import _num_samples
from tqdm.auto import tqdm

from skdeep.hyperparameters import is_ours
from skdeep.model_selection.assessment.out_of_fold import OutOfFold
from skdeep.model_selection.assessment.recording import Recording, as_array, of_predictions
from skdeep.model_selection.assessment.splits import Rows, Splits

N_RESAMPLES = 400
N_ONE_BY_ONE = 50  # of scores that are computed one by one
FIRST, FOLDS, SEED = "nothing", "folds", "seed"  # what a cross-validation has of its own


@dataclass(frozen=True)
class MetricStability:
    """The noise of a score, as :func:`metric_stability` found it.

    Attributes
    ----------
    noise : DataFrame
        A row for each number of splits (the index): ``score``, its mean over repeats; the standard
        deviations ``sampling``, ``folds`` and ``seed``; ``standard_error`` of one
        cross-validation, over fresh data sets of as many rows.
    scores : DataFrame
        A row for each cross-validation: ``n_splits``, ``varied`` ("nothing": the first; "folds":
        splits and seed were drawn anew; "seed": the seed alone) and its ``score``. Where neither
        can be drawn, the first is the only one.
    n_samples : int
        Rows that they were made with.
    """

    noise: pd.DataFrame
    scores: pd.DataFrame
    n_samples: int

    def cost(self, precision: float) -> pd.DataFrame:
        """What it takes until a score is as precise.

        Parameters
        ----------
        precision : float
            Wanted standard error, in units of the score.

        Returns
        -------
        cost : DataFrame
            A row for each number of splits: ``n_repeats`` of the cross-validation, until folds
            and seed alone make no more noise (which is what candidates of a search, that share
            the rows, are compared with), ``n_fits`` in these, and ``n_samples``, the rows with
            which the standard error of one cross-validation is as low, if it falls with their
            root.
        """
        if not isinstance(precision, Real) or not precision > 0:
            raise ValueError(f"precision must be a positive number, but is {precision!r}.")
        drawn = self.noise["folds"] ** 2 + self.noise["seed"] ** 2
        n_repeats = np.ceil(drawn / precision**2 - 1e-9).clip(lower=1).astype(int)
        rows = self.n_samples * (self.noise["standard_error"] / precision) ** 2
        return pd.DataFrame(
            {
                "n_repeats": n_repeats,
                "n_fits": n_repeats * self.noise.index,
                "n_samples": np.ceil(rows).astype(int),
            }
        )

    def plot(self, axes: Any = None) -> Any:
        """Scores and their noise; and how noise falls with the fits that are spent on it.

        Parameters
        ----------
        axes : pair of matplotlib Axes, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        axes : pair of matplotlib Axes
        """
        import matplotlib.pyplot as plt

        if axes is None:
            _, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
        left, right = axes
        for place, n_splits in enumerate(self.noise.index):
            row, color = self.noise.loc[n_splits], f"C{place}"
            runs = self.scores[self.scores["n_splits"] == n_splits]
            folds = runs[runs["varied"] != SEED]["score"]
            spread = np.linspace(-0.15, 0.15, len(folds)) if len(folds) > 1 else [0.0]
            left.errorbar(
                place, row["score"], row["standard_error"], color=color, capsize=6, marker="_"
            )
            left.plot(place + np.asarray(spread), folds, "o", color=color, alpha=0.5, markersize=4)
            n_repeats = np.geomspace(1, 32, 60)
            drawn = row["folds"] ** 2 + row["seed"] ** 2
            total = np.sqrt(row["sampling"] ** 2 + drawn / n_repeats)
            right.plot(n_repeats * n_splits, total, color=color, label=f"{n_splits} folds")
            right.axhline(row["sampling"], color=color, linestyle=":", linewidth=1)
        left.set(
            xticks=range(len(self.noise)),
            xticklabels=[f"{n} folds" for n in self.noise.index],
            xlim=(-0.6, len(self.noise) - 0.4),
            ylabel="score, and its standard error",
            title="repeats of the cross-validation",
        )
        right.set(
            xscale="log",
            xlabel="fits: folds times repeats",
            ylabel="standard error",
            title="what more repeats buy",
        )
        right.set_ylim(bottom=0)
        right.legend(title="dotted: these rows' own", frameon=False)
        return axes


def metric_stability(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    cv: Any = None,
    scoring: Any = None,
    n_repeats: int = 10,
    groups: Any = None,
    n_jobs: int | None = None,
    verbose: int = 0,
    random_state: Any = None,
) -> MetricStability:
    """Measure the noise of a cross-validated score: of its folds, of seeds and of the rows.

    Differences between candidates that are smaller than that are no reason to prefer one.

    Parameters
    ----------
    estimator : estimator object
        Any of scikit-learn's kind. Each of its parameters named ``random_state`` gets other seeds.
    X : array-like of shape (n_samples, ...)
        Rows.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets.
    cv : int, cross-validation generator or sequence of int, default=None
        Splits, as in ``cross_val_score``; a list compares several numbers of folds. They are
        shuffled anew in each repeat; those that cannot be have no noise of folds.
    scoring : str, callable or None, default=None
        A metric of predictions; None is accuracy or R2.
    n_repeats : int in [2, inf), default=10
        Cross-validations for the noise of folds, and as many for that of seeds, where the estimator
        has any; the first is of both. With 10, the deviations are known to a quarter.
    groups : array-like of shape (n_samples,), default=None
        Groups of rows, for the splitter; then they are what is resampled.
    n_jobs : int or None, default=None
        Fits that run side by side.
    verbose : int, default=0
        1: a progress bar.
    random_state : int, RandomState instance or None, default=None
        Of splits, seeds and resamples.

    Returns
    -------
    stability : MetricStability
        With ``noise``, ``cost(precision)`` and ``plot()``.

    Raises
    ------
    ValueError
        If the score is no function of predictions, or several are asked for.
    TypeError
        If the estimator is a class.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from skdeep.model_selection import metric_stability
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = DecisionTreeClassifier(max_depth=3)
    >>> found = metric_stability(model, X, y, cv=[2, 5], n_repeats=5, random_state=0)
    >>> found.noise.round(3)[["score", "sampling", "folds"]]
              score  sampling  folds
    n_splits
    2         0.921     0.011  0.004
    5         0.927     0.011  0.007
    >>> found.cost(precision=0.002)
              n_repeats  n_fits  n_samples
    n_splits
    2                 6      12      20985
    5                13      65      23004
    """
    if not isinstance(n_repeats, Integral) or n_repeats < 2:
        raise ValueError(f"n_repeats must be an integer of at least 2, but is {n_repeats!r}.")
    if isinstance(estimator, type):
        raise TypeError(f"estimator must be an instance, {estimator.__name__}(), not its class.")
    if isinstance(scoring, list | tuple | set | dict):
        raise ValueError(f"scoring must be one metric, but is {scoring!r}; call it for each.")
    several = isinstance(cv, list | tuple) and all(isinstance(n, Integral) for n in cv)
    if several and not len(cv):
        raise ValueError("cv holds no number of folds; pass one or more, such as [3, 5, 10].")
    X, y, groups = indexable(X, y, groups)
    scorer, targets = (
        of_predictions(check_scoring(estimator, scoring), None, estimator),
        as_array(y),
    )
    if isinstance(scorer, str) or targets is None:
        why = scorer if isinstance(scorer, str) else "y holds neither numbers nor words only"
        raise ValueError(f"the noise of the score cannot be told: {why}.")
    rng = check_random_state(random_state)
    seeds = rng.randint(2**31, size=n_repeats)
    runs: list[_Run] = []
    for given in cv if several else [cv]:
        splitter = check_cv(given, y, classifier=is_classifier(estimator))
        params = {} if groups is None else {"groups": groups}
        splits = Splits(splitter, X, y, params, None, "fixed")
        splits.seed = int(rng.randint(2**31))
        runs += _planned(estimator, splits, seeds)
    fits = [(run.model, rows) for run in runs for rows in run.splits]
    prefer = "threads" if is_ours(estimator) else None
    records = Parallel(n_jobs=n_jobs, prefer=prefer, return_as="generator")(
        delayed(_score)(model, X, y, rows, scorer) for model, rows in fits
    )
    bar = iter(tqdm(records, total=len(fits), unit="fit", disable=verbose < 1))
    for run in runs:
        run.scores, run.predictions = zip(*islice(bar, len(run.splits)))
    n_samples = _num_samples(X)
    units = np.unique(np.arange(n_samples) if groups is None else groups, return_inverse=True)[1]
    noise = pd.DataFrame(
        [
            _noise(
                [run for run in runs if run.n_splits == n], OutOfFold(scorer, targets), units, rng
            )
            for n in dict.fromkeys(run.n_splits for run in runs)
        ]
    ).set_index("n_splits")
    scores = pd.DataFrame(
        [{"n_splits": run.n_splits, "varied": run.varied, "score": run.score} for run in runs]
    )
    return MetricStability(noise, scores, n_samples)


@dataclass
class _Run:
    """A cross-validation: what it has, and, once its fits were made, what came of them."""

    n_splits: int
    varied: str
    model: Any
    splits: list[Rows]
    scores: tuple[float, ...] = ()
    predictions: tuple[np.ndarray, ...] = ()

    @property
    def score(self) -> float:
        return float(np.mean(self.scores))


def _planned(estimator: Any, splits: Splits, seeds: np.ndarray) -> list[_Run]:
    """Cross-validations with other splits and seeds, and with the first splits and other seeds.

    None is made twice: the first is of both kinds, and there is one where nothing can vary.
    """
    is_random = any(name.rpartition("__")[2] == "random_state" for name in estimator.get_params())
    is_drawn = splits.are_drawn()
    first = int(is_drawn)
    models = [_seeded(estimator, int(seed)) for seed in seeds]
    runs = [_Run(splits.n, FIRST, models[0], splits.of(first))]
    for repeat, model in enumerate(models[1:], start=1):
        if is_drawn:
            runs.append(_Run(splits.n, FOLDS, model, splits.of(first + repeat)))
        if is_random:
            runs.append(_Run(splits.n, SEED, model, splits.of(first)))
    return runs


def _noise(
    runs: list[_Run], kept: OutOfFold, units: np.ndarray, rng: np.random.RandomState
) -> dict[str, float]:
    """A row of the table: what cross-validations of one number of splits tell."""
    for i, run in enumerate(runs):
        for (_, test), predictions in zip(run.splits, run.predictions):
            kept.add(i, np.arange(len(units))[test], predictions)
    sampling = _sampling(kept, range(len(runs)), units, rng)
    folds, dice = (
        np.array([run.score for run in runs if run.varied in (FIRST, what)])
        for what in (FOLDS, SEED)
    )
    seed = dice.var(ddof=1) if len(dice) > 1 else 0.0
    drawn = max(folds.var(ddof=1), seed) if len(folds) > 1 else seed
    return {
        "n_splits": runs[0].n_splits,
        "score": (folds if len(folds) > 1 else dice).mean(),
        "sampling": np.sqrt(sampling),
        "folds": np.sqrt(drawn - seed),
        "seed": np.sqrt(seed),
        "standard_error": np.sqrt(sampling + drawn),
    }


def _seeded(estimator: Any, seed: int) -> Any:
    """A clone whose every random_state is another number."""
    model = clone(estimator)
    _set_random_states(model, np.random.RandomState(seed))
    return model


def _score(model: Any, X: Any, y: Any, rows: Rows, scorer: Any) -> tuple[float, np.ndarray]:
    """A clone's score on the test rows of a split, and its predictions there."""
    train, test = rows
    model, record = clone(model), Recording(scorer)
    X_train, y_train = _safe_split(model, X, y, train)
    X_test, y_test = _safe_split(model, X, y, test, train)
    score = record(model.fit(X_train, y_train), X_test, y_test)
    return float(score), np.asarray(as_array(record.predictions))


def _sampling(kept: OutOfFold, runs: range, units: np.ndarray, rng: np.random.RandomState) -> float:
    """Variance of the score over resamples of the rows, a mean over cross-validations."""
    n_units, n = int(units.max()) + 1, N_RESAMPLES if kept.is_quick else N_ONE_BY_ONE
    drawn = rng.randint(n_units, size=(n, n_units))
    weights = np.stack([np.bincount(each, minlength=n_units)[units] for each in drawn])
    return float(np.nanvar(kept.scores(runs, weights.astype(float)), axis=0, ddof=1).mean())
