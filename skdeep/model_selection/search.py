"""Bayesian hyper-parameter search behind scikit-learn's search interface.

Ask a Gaussian process for the next candidate, cross-validate it, tell the score, repeat [1]_. All
the rest (scoring, routing, callbacks, refit, ``cv_results_``) is scikit-learn's own.

.. [1] Snoek, Larochelle, Adams. Practical Bayesian optimization of machine learning algorithms.
   NeurIPS, 2012.
"""

import warnings
from dataclasses import replace
from numbers import Integral
from typing import ClassVar

import numpy as np
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils import get_tags
from sklearn.utils._param_validation import Interval
from tqdm.auto import tqdm

from skdeep._config import raise_interrupts
from skdeep.hyperparameters import search_space
from skdeep.model_selection.evaluation import Evaluation
from skdeep.model_selection.optimizer import BayesianOptimizer
from skdeep.model_selection.spaces import Space
from skdeep.persistence import saved
from skdeep.validation import did_you_mean, naming, unchanged_on_error


@saved
class BayesSearchCV(BaseSearchCV):
    """Hyper-parameter search by Bayesian optimisation, cross-validated.

    It does what scikit-learn's ``RandomizedSearchCV`` does, with spaces in place of distributions,
    and spends each fit where its model of the scores expects the most improvement. The estimator's
    own configuration is the first candidate, so that by cross-validation the search never ends
    below it; the next few fill the space evenly, and all later ones are proposed by a Gaussian
    process. Every candidate sees the same splits. One whose fits fail costs itself only.

    Parameters
    ----------
    estimator : estimator object
        Implements ``fit``; with ``score``, unless ``scoring`` is given.
    search_spaces : dict or None, default=None
        Dimension of each searched parameter, by nested name (``"svc__C"``): a tuple
        ``(low, high)`` or ``(low, high, "log")`` is a range, of integers if both ends are; a list
        is a choice; scikit-optimize's ``Real``, ``Integer`` and ``Categorical`` are taken too.
        None stands for the space that the estimator, or any part of it, declares.
    n_iter : int, default=32
        Candidates to evaluate, the estimator's own configuration included. A finite space may
        be exhausted earlier.
    scoring : str, callable, list, tuple or dict, default=None
        As in ``RandomizedSearchCV``. With several metrics, the one that ``refit`` names is
        optimised, else the first.
    cv : int, cross-validation generator or iterable, default=None
        As in ``RandomizedSearchCV``. Splits are drawn once, for all candidates.
    n_jobs : int or None, default=None
        Folds evaluated in parallel. It changes the time, never the candidates.
    refit : bool, str or callable, default=True
        As in ``RandomizedSearchCV``.
    error_score : 'raise' or float, default=np.nan
        Score of a fold whose fit fails.
    return_train_score : bool, default=False
        Whether ``cv_results_`` has training scores.
    random_state : int, RandomState instance or None, default=None
        Seed of the proposals.
    verbose : int, default=0
        From 1: a progress bar with the best score so far. From 2: a line for each fold too.

    Attributes
    ----------
    cv_results_ : dict of ndarrays
        As in ``RandomizedSearchCV``, in order of evaluation, and ``is_default``: whether the
        candidate is the estimator's own configuration.
    best_estimator_ : estimator
        Refitted on all data with ``best_params_``; only with ``refit``.
    best_score_ : float
        Mean cross-validated score of the best candidate.
    best_params_ : dict
        The best candidate.
    best_index_ : int
        Its row in ``cv_results_``.
    scorer_ : callable or dict
        The scorer, or one for each metric.
    n_splits_ : int
        Number of splits.
    refit_time_ : float
        Seconds to refit.
    multimetric_ : bool
        Whether there are several metrics.

    Notes
    -----
    A proposal takes some 0.05 s at 100 candidates, and grows with their cube: where a fit takes
    less, ``RandomizedSearchCV`` may try more in the same time. After Ctrl-C the search keeps what
    it has, warns and refits the best.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.svm import SVC
    >>> from skdeep.model_selection import BayesSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> space = {"C": (1e-3, 1e3, "log"), "kernel": ["rbf", "linear"]}
    >>> search = BayesSearchCV(SVC(C=1e-3), space, n_iter=8, random_state=0).fit(X, y)
    >>> print(search.cv_results_["mean_test_score"][0].round(2), search.best_score_.round(2))
    0.93 0.99
    """

    _parameter_constraints: ClassVar[dict] = {
        **{k: v for k, v in BaseSearchCV._parameter_constraints.items() if k != "pre_dispatch"},
        "search_spaces": [dict, None],
        "n_iter": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator,
        search_spaces=None,
        *,
        n_iter=32,
        scoring=None,
        cv=None,
        n_jobs=None,
        refit=True,
        error_score=np.nan,
        return_train_score=False,
        random_state=None,
        verbose=0,
    ):
        super().__init__(
            estimator,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.search_spaces = search_spaces
        self.n_iter = n_iter
        self.random_state = random_state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # scikit-learn 1.9 leaves these out. Whether y is required is for the estimator to say.
        tags.target_tags = replace(get_tags(self.estimator).target_tags, required=False)
        return tags

    def fit(self, X, y=None, **params):
        """Search, and refit the best candidate.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets.
        **params : dict
            What ``fit``, the scorer and the splitter take besides, as in ``RandomizedSearchCV``.

        Returns
        -------
        self : object
            As it was, if the search fails.
        """
        with unchanged_on_error(self):
            return super().fit(X, y, **params)

    def _run_search(self, evaluate_candidates, *, callback_ctx=None):
        """Evaluate ``n_iter`` candidates, one after another."""
        space = self._space()
        optimizer = BayesianOptimizer(space, random_state=self.random_state)
        current = self.estimator.get_params()
        candidate = {name: current[name] for name in space.dimensions}
        search_ctx = callback_ctx.subcontext(
            task_name="search", max_subtasks=self.n_iter
        ).call_on_fit_task_begin(estimator=self)
        evaluation = Evaluation(self, evaluate_candidates, search_ctx)
        outer, token = raise_interrupts.get(), raise_interrupts.set(True)
        with tqdm(total=self.n_iter, unit="candidate", disable=not self.verbose) as bar:
            try:
                for n_evaluated in range(1, self.n_iter + 1):
                    score = evaluation.score(candidate)
                    u = space.encode(candidate)  # the estimator's own may lie outside the space
                    if not np.isnan(u).any():
                        optimizer.learn(u[None], np.array([-score]))
                    bar.set_postfix(best=f"{np.fmax.reduce(evaluation.scores):.4g}", refresh=False)
                    bar.update()
                    if n_evaluated == self.n_iter or optimizer.exhausted:
                        break
                    candidate = optimizer.ask()
            except KeyboardInterrupt:
                if outer or not evaluation.results:  # inside another search: for that to end
                    raise
                warnings.warn(
                    f"the search was interrupted after {len(evaluation.scores)} of {self.n_iter} "
                    "candidates; the best of these is kept.",
                    stacklevel=2,
                )
            finally:
                raise_interrupts.reset(token)
        evaluation.finish()
        search_ctx.call_on_fit_task_end(estimator=self)

    def _space(self) -> Space:
        """The search space, whose names all belong to parameters of the estimator."""
        spaces = search_space(self.estimator) if self.search_spaces is None else self.search_spaces
        if not spaces:
            raise ValueError(
                f"search_spaces is {self.search_spaces}, and {type(self.estimator).__name__} "
                "declares no space of its own; pass a dict such as {'alpha': (1e-4, 1.0, 'log')}."
            )
        valid = self.estimator.get_params()
        for name in spaces:
            if name not in valid:
                raise ValueError(
                    f"{name!r} in search_spaces is no parameter of "
                    f"{type(self.estimator).__name__}{did_you_mean(str(name), valid)}"
                )
        with naming("search_spaces"):
            return Space(spaces)
