"""Hyper-parameter searches that learn as they go, behind scikit-learn's search interface.

Ask for candidates, cross-validate them, tell their scores, repeat. What proposes is a Gaussian
process [1]_ or a random walk [2]_; all the rest (scoring, routing, callbacks, refit,
``cv_results_``) is scikit-learn's own.

.. [1] Snoek, Larochelle, Adams. Practical Bayesian optimization of machine learning algorithms.
   NeurIPS, 2012.
.. [2] Kirkpatrick, Gelatt, Vecchi. Optimization by simulated annealing. Science 220, 1983.
"""

import shutil
import time
import warnings
from abc import abstractmethod
from contextlib import ExitStack, closing
from copy import copy
from dataclasses import replace
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from sklearn.base import _clone_parametrized, _fit_context, clone
from sklearn.metrics._scorer import _MultimetricScorer
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils import check_random_state, get_tags
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from tqdm.auto import tqdm

from skdeep._config import interrupts_are_ours
from skdeep.hyperparameters import search_space
from skdeep.model_selection.acquisition import ACQUISITIONS
from skdeep.model_selection.annealing import Annealer
from skdeep.model_selection.assessment.correction import Chooser
from skdeep.model_selection.assessment.selection import RULES, check_rule, rule
from skdeep.model_selection.assessment.splits import RESAMPLINGS
from skdeep.model_selection.assessment.winner import (
    Assessed,
    correction_of,
    held_out,
    most_evaluated,
    scored,
    warn_if_within_noise,
)
from skdeep.model_selection.looking import SearchDisplay
from skdeep.model_selection.optimizer import SURROGATES, BayesianOptimizer
from skdeep.model_selection.spaces import Space
from skdeep.model_selection.trials.beginning import Beginning
from skdeep.model_selection.trials.engines import Pool, temporary_folder
from skdeep.model_selection.trials.epochs import Epochs
from skdeep.model_selection.trials.evaluation import History, Work
from skdeep.model_selection.trials.journal import Journal, identity
from skdeep.model_selection.trials.running import N_REPEATS, Fits, Run, n_repeated
from skdeep.persistence import saved
from skdeep.validation import naming, unchanged_on_error

_COUNT = Interval(Integral, 1, None, closed="left")
_POSITIVE = Interval(Real, 0, None, closed="neither")


@saved
class _SequentialSearchCV(Assessed, BaseSearchCV):
    """A search whose next candidates depend on the scores so far; a subclass says how."""

    n_points: int  # candidates under way at once
    racing: bool
    fidelity: str | None
    trials_per_device: int | None

    _parameter_constraints: ClassVar[dict] = {
        **BaseSearchCV._parameter_constraints,
        "search_spaces": [dict, list, None],
        "n_iter": [_COUNT],
        "max_time": [_POSITIVE, None],
        "stop": [HasMethods(["reached"]), None],
        "holdout": [Interval(Real, 0, 1, closed="neither"), None],
        "selection": [StrOptions(set(RULES))],
        "resampling": [StrOptions(set(RESAMPLINGS))],
        "x0": [dict, list, HasMethods("to_dict"), str, Path, None],
        "storage": [str, Path, None],
        "candidate_timeout": [_POSITIVE, None],
        "executor": [HasMethods(["submit", "shutdown"]), None],
        "random_state": ["random_state"],
    }

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # scikit-learn 1.9 leaves these out. Whether y is required is for the estimator to say.
        tags.target_tags = replace(get_tags(self.estimator).target_tags, required=False)
        return tags

    def __getstate__(self):
        return {**super().__getstate__(), "executor": None}  # which no file can hold

    def __sklearn_clone__(self):
        shell = copy(self)
        shell.executor = None  # executors cannot be copied, and need not be
        return _clone_parametrized(shell).set_params(executor=self.executor)

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
            return self._fit(X, y, params)

    def report(self, path: str | Path) -> None:
        """Write what the search has found as one page of HTML, which needs no network.

        It has the best candidate and what it is worth, every trial in a table to sort and filter,
        linked pictures, and code that builds the best again. :class:`SearchDisplay` does the same
        for journals, of searches that run or were killed, and for other results.

        Parameters
        ----------
        path : str or Path
            Where to. An earlier report there is replaced, when the new one is complete.

        Raises
        ------
        NotFittedError
            If the search was not fitted.
        FileNotFoundError
            If the folder is not there.
        FileExistsError
            If there is a file that is no report.
        """
        SearchDisplay.from_search(self).report(path)

    @_fit_context(prefer_skip_nested_validation=False)  # the estimator checks its own
    def _fit(self, X, y, params):
        work = Work(self, X, y, params)
        context = self._init_callback_context(max_subtasks=1 + (self.refit is not False))
        context.call_on_fit_task_begin(estimator=self, **work.for_callbacks)
        self.n_splits_ = work.n_splits
        history = self._run(work, context)
        self.cv_results_ = results = history.results()
        self._choose(history, results, work.refit_metric)
        if self.refit:
            self._refit(work, context)
        self._assess(history, work)
        several = isinstance(work.scorer, _MultimetricScorer)
        self.scorer_ = work.scorer._scorers if several else work.scorer
        context.call_on_fit_task_end(estimator=self, **work.for_callbacks)
        return self

    @abstractmethod
    def _proposer(self, space: Space, n_iter: int, seed: int) -> Any:
        """What minimises: it has ``ask()``, ``tell(candidate, value)`` and ``exhausted``."""

    def _run(self, work: Work, context: Any) -> History:
        """Evaluate candidate after candidate."""
        if isinstance(self.stop, type):
            raise TypeError(f"stop must be a rule, {self.stop.__name__}(), not its class.")
        if hasattr(self.executor, "get_executor"):
            raise TypeError(
                f"executor must be an executor of concurrent.futures, but is "
                f"{type(self.executor).__name__} of Dask's; pass client.get_executor()."
            )
        if self.racing and self.fidelity is not None:
            raise ValueError(
                "racing takes folds from candidates and fidelity epochs; set one of the two."
            )
        if self.racing and self.resampling == "reshuffle":
            raise ValueError(
                "racing compares candidates on the same folds, which resampling='reshuffle' gives "
                "none; set one of the two."
            )
        phases = self._phases()
        if self.selection != "max":
            if len(phases) > 1:
                raise ValueError(
                    f"selection={self.selection!r} compares candidates of one space, but "
                    "search_spaces has several with a number of candidates each."
                )
            check_rule(self.selection, phases[0][0], self.estimator.get_params(), work.n_splits)
        n_iter = sum(n for _, n in phases)
        n_trials = n_iter
        if self.resampling == "repeat_top":
            n_trials += N_REPEATS * n_repeated(n_iter)
        context = context.subcontext(task_name="search", max_subtasks=n_trials)
        context.call_on_fit_task_begin(estimator=self)
        words = {}
        if self.storage is not None or self.x0 is not None:
            words = identity(self, work, phases)
        beginning = Beginning(self.x0, [space for space, _ in phases], words, self.estimator)
        if len(beginning.first) > n_iter:
            raise ValueError(
                f"x0 has {len(beginning.first)} points, but n_iter is {n_iter}; raise it."
            )
        rng = check_random_state(self.random_state)
        seeds = [rng.randint(2**31) for _ in phases]
        history = History(self, work)
        with ExitStack() as stack:
            outer = stack.enter_context(interrupts_are_ours())
            if self.fidelity is not None:
                kept = temporary_folder()
                stack.callback(shutil.rmtree, kept, ignore_errors=True)
                work.epochs = Epochs(self.estimator, [space for space, _ in phases], kept)
            journal = None
            if self.storage is not None:
                journal = Journal(self.storage, words | {"x0": beginning.digest}, seeds)
                stack.enter_context(closing(journal))
                seeds = journal.seeds
            work.splits.seed = seeds[0]
            pool = stack.enter_context(
                closing(
                    Pool(
                        work,
                        self.n_jobs,
                        self.executor,
                        self.candidate_timeout is not None,
                        self.trials_per_device,
                    )
                )
            )
            bar = tqdm(total=n_trials, unit="candidate", disable=self.verbose != 1)
            fits = Fits(work, pool, journal, self.candidate_timeout)
            run = Run(self, history, fits, beginning, context, stack.enter_context(bar))
            try:
                self.stop_reason_ = run.over(phases, seeds)
            except KeyboardInterrupt:
                pool.abandon()
                if outer or not history.scores:  # inside another search: for that to end
                    raise
                warnings.warn(
                    f"the search was interrupted after {len(history.scores)} of {n_iter} "
                    "candidates; the best of these is kept.",
                    stacklevel=4,
                )
                self.stop_reason_ = "interrupted"
            except BaseException:
                pool.abandon()
                raise
        context.call_on_fit_task_end(estimator=self)
        return history

    def _choose(self, history: History, results: dict[str, np.ndarray], refit_metric: Any) -> None:
        """Set what tells of the best candidate."""
        self.multimetric_ = "mean_test_score" not in results
        if callable(self.scoring) and self.multimetric_:
            refit_metric = self.refit
        if self.refit or not self.multimetric_:
            able = [] if callable(self.refit) else self._able(history)
            if able:
                scores = results[f"mean_test_{refit_metric}"][able]
                self.best_index_ = able[self._rule(history, able)(scores[None])[0]]
            else:
                self.best_index_ = self._select_best_index(self.refit, refit_metric, results)
            if not callable(self.refit):
                self.best_score_ = results[f"mean_test_{refit_metric}"][self.best_index_]
            self.best_params_ = results["params"][self.best_index_]
            means = [results[name] for name in results if name.startswith("mean_test_")]
            if callable(self.refit) and any(np.isnan(mean[self.best_index_]) for mean in means):
                warnings.warn(
                    f"refit has chosen candidate {self.best_index_}, which has no score: it failed "
                    "or was stopped. np.nanargmax passes such candidates over, np.argmax does not.",
                    stacklevel=4,
                )

    def _able(self, history: History) -> list[int]:
        """Rows of the candidates that can win."""
        return (most_evaluated if self.resampling == "repeat_top" else scored)(history)

    def _rule(self, history: History, rows: list[int]) -> Chooser:
        """What chooses among some candidates."""
        candidates = [history.candidates[row] for row in rows]
        folds, own = history.fold_scores[rows], self.estimator.get_params()
        return rule(self.selection, self._phases()[0][0], candidates, folds, own)

    def _assess(self, history: History, work: Work) -> None:
        """Set what tells how much of the best score was luck."""
        rows = self._able(history)
        self._held_out, self._correction = "holdout is None", "no candidate was chosen"
        if callable(self.refit):
            self._correction = "refit is a function, which chose the candidate"
        elif rows and (self.refit or not self.multimetric_):
            winner, seed, choose = self.best_index_, work.splits.seed, self._rule(history, rows)
            self._correction = correction_of(history, rows, winner, choose, work.units, seed)
            warn_if_within_noise(history, winner)
        if work.held is not None:
            self._held_out = "no candidate was chosen"
            if rows and (self.refit or not self.multimetric_):
                estimator = self.best_estimator_ if self.refit else None
                self._held_out = held_out(history, work, self.best_index_, estimator)

    def _refit(self, work: Work, context: Any) -> None:
        """Fit the best candidate on all rows."""
        # A clone of the parameters, of which some may be estimators.
        parameters = clone(self.best_params_, safe=False)
        self.best_estimator_ = clone(work.estimator).set_params(**parameters)
        context = context.subcontext(task_name="refit-with-best-params")
        X, targets, fit_params = work.searched
        with context.propagate_callback_context(self.best_estimator_):
            context.call_on_fit_task_begin(estimator=self, **work.for_callbacks)
            start = time.perf_counter()
            self.best_estimator_.fit(X, *targets, **fit_params)
            self.refit_time_ = time.perf_counter() - start
        if hasattr(self.best_estimator_, "feature_names_in_"):
            self.feature_names_in_ = self.best_estimator_.feature_names_in_
        context.call_on_fit_task_end(estimator=self, **work.for_callbacks)

    def _phases(self) -> list[tuple[Space, int]]:
        """Spaces to search one after another, and the number of candidates of each."""
        spaces = search_space(self.estimator) if self.search_spaces is None else self.search_spaces
        if not spaces:
            raise ValueError(
                f"search_spaces is {self.search_spaces}, and {type(self.estimator).__name__} "
                "declares no space of its own; pass a dict such as {'alpha': (1e-4, 1.0, 'log')}."
            )
        with naming("search_spaces"):
            space = Space(spaces)
        if space.unnamed:
            raise ValueError(
                f"search_spaces must name the parameters that it is about, in a dict or a list of "
                f"dicts, but is {spaces!r}."
            )
        space.check_names(self.estimator)
        if not any(space.budgets):
            return [(space, self.n_iter)]
        pairs = [part if isinstance(part, tuple) else (part, None) for part in spaces]
        phases = [(Space(part), int(n)) for part, n in pairs if n is not None]
        shared = [part for part, n in pairs if n is None]
        return phases + ([(Space(shared), self.n_iter)] if shared else [])

    def _ask(self, proposer: Any) -> dict[str, Any] | None:
        """The next candidate, or None if there is no new one."""
        return proposer.ask()

    def _own_configuration(self, space: Space) -> dict[str, Any] | None:
        """The estimator as it is, as a candidate, if it lies in the space."""
        current = self.estimator.get_params()
        candidate = {name: current[name] for name in space.names if name in current}
        u = space.encode(candidate)
        if np.isnan(u).any():
            return None
        own = {name: candidate[name] for name in space.decode(u.clip(0, 1))}
        return own if space.holds(own) else None


@saved
class BayesSearchCV(_SequentialSearchCV):
    """Hyper-parameter search by Bayesian optimisation, cross-validated.

    It does what scikit-learn's ``RandomizedSearchCV`` does, with spaces in place of distributions,
    and spends each fit where its model of the scores expects the most improvement. The estimator's
    own configuration, if it lies in the space, is the first candidate, so that by cross-validation
    the search never ends below it; the next few fill the space evenly, and all later ones are
    proposed by a Gaussian process. Every candidate sees the same splits. One whose fits fail costs
    itself only.

    Parameters
    ----------
    estimator : estimator object
        Implements ``fit``; with ``score``, unless ``scoring`` is given.
    search_spaces : dict, list or None, default=None
        Dimension of each searched parameter, by nested name (``"svc__C"``): a tuple
        ``(low, high)``, ``(low, high, "log")`` or ``(low, high, step)`` is a range, of integers if
        its numbers are; a list is a choice; a distribution of ``scipy.stats`` and scikit-optimize's
        ``Real``, ``Integer`` and ``Categorical`` are taken too, and :class:`When` for a parameter
        that is there only where another has certain values.
        A list has sub-spaces: dicts, from one of which each candidate comes, or pairs of a dict
        and a number, searched by themselves, and first, for so many candidates. None stands for
        the space that the estimator, or any part of it, declares.
    n_iter : int, default=32
        Candidates to evaluate, the estimator's own configuration included, without those of
        sub-spaces that have a number. A finite space may be exhausted earlier.
    n_points : int, default=1
        Candidates that may be under way at once: a proposal waits for the scores of all but the
        last ``n_points`` - 1, which count as if they had come out as expected. The folds of all are
        evaluated side by side with ``n_jobs``.
    surrogate : {'gp', 'forest', 'random', 'quasirandom'} or regressor, default='gp'
        What learns from the scores, as in :class:`BayesianOptimizer`.
    acquisition : {'logei', 'mes', 'ei', 'pi', 'lcb', 'thompson'} or callable, default='logei'
        What the next candidate maximises, as in :class:`BayesianOptimizer`: it is told of the
        negative of the score, which is minimised.
    scoring : str, callable, list, tuple or dict, default=None
        As in ``RandomizedSearchCV``. With several metrics, the one that ``refit`` names is
        optimised, else the first.
    n_jobs : int or None, default=None
        Fits that run side by side: skdeep's estimators, and pipelines that have one, in threads,
        which share programs, others in processes, unless ``joblib.parallel_config`` has it
        otherwise. It changes the time, never the candidates.
    refit : bool, str or callable, default=True
        As in ``RandomizedSearchCV``.
    cv : int, cross-validation generator or iterable, default=None
        As in ``RandomizedSearchCV``. Splits are drawn once, for all candidates.
    verbose : int, default=0
        1: a progress bar with the best score so far. From 2: a line for each fold instead.
    pre_dispatch : int or str, default='2*n_jobs'
        Without effect: no more fits wait than the candidates under way have.
    max_time : float or None, default=None
        Seconds after which no candidate begins, but for the first. How many fit in depends on the
        machine, so that with it an integer ``random_state`` does not decide all.
    stop : Plateau, RegretBound or None, default=None
        A rule that ends the search early.
    x0 : dict, list, DataFrame, str, Path or None, default=None
        Points to evaluate first: one, several, a table of them (``pd.DataFrame(cv_results_)`` is
        one); what they lack has the estimator's own value. Or journals of earlier searches (the
        paths that they had as ``storage``). Where nothing but the space and the way to search
        it differs from this search, their scores teach it from the start; else their best five
        candidates that lie in the space are evaluated first.
    storage : str, Path or None, default=None
        File in which every fit is noted as it ends. The same call finds them there, and goes on;
        several processes that make it at once share the fits. It is made if there is none.
    holdout : float or None, default=None
        Share of the rows that the search does not see, in (0, 1): drawn at random, with the classes
        in proportion or in whole groups or from the end, as ``cv`` goes about it. The best
        candidate, fitted to the others, is scored on them, once.
    selection : {'max', 'posterior_mean', 'one_std_error'}, default='max'
        Which candidate is the best: that of the highest mean score; that of the highest mean of a
        Gaussian process through all scores, to which one that stands out by luck counts less; or,
        of all within one standard error of the highest, the one that is nearest to the estimator's
        own configuration.
    resampling : {'fixed', 'reshuffle', 'repeat_top'}, default='fixed'
        Whether all candidates have the same splits; or each has its own, so that none is chosen
        for its luck with them; or the best eighth, three at least, are evaluated on two others
        besides, and the best of these by all is taken.
    candidate_timeout : float or None, default=None
        Seconds that the fits of a candidate may take together; it fails if they take longer.
        skdeep's networks end between two steps, other fits with the process in which they run.
    executor : concurrent.futures.Executor or None, default=None
        Where the fits run, in place of threads and processes of this machine: Dask's
        ``client.get_executor()``, for instance. ``n_jobs`` fits are handed out at once, or all of
        the candidates under way.
    trials_per_device : int or None, default=None
        Fits that run on each GPU at once, as many as there are in all; without a GPU, on each CPU
        device of TensorFlow's. ``n_jobs`` may be fewer. For networks of skdeep's.
    racing : bool, default=False
        Whether a candidate loses its remaining folds once it is expected to gain next to nothing
        in them. Its folds run one after another then, so that no more than ``n_points`` of
        ``n_jobs`` have something to do.
    fidelity : {'epochs'} or None, default=None
        Whether candidates begin with an eighth of the epochs that the estimator has. The better
        half goes on, where they stopped, to a quarter, the best quarter to a half, and the best
        eighth to all. For networks of skdeep's, also as the last step of a Pipeline.
    random_state : int, RandomState instance or None, default=None
        Seed of the proposals.
    error_score : 'raise' or float, default=np.nan
        Score of a fold whose fit fails.
    return_train_score : bool, default=False
        Whether ``cv_results_`` has training scores.

    Attributes
    ----------
    cv_results_ : dict of ndarrays
        As in ``RandomizedSearchCV``, in order of evaluation, with ``is_default``, whether the
        candidate is the estimator's own configuration, ``failure``, why the first of its fits that
        failed did, or "", and ``n_splits``, how many folds it has had. Where some were evaluated
        again, ``n_evaluations`` says how often each was, and scores are means. Of networks,
        ``learning_curve`` has the loss after each epoch, of held-out rows if there are any, a mean
        over folds. With ``fidelity``, also ``epochs``, how many it has had in each fold, and
        ``score_after_1_epochs`` and so on, its mean test score by then. A candidate that did not
        have all folds and epochs has no ``mean_test_score``, and comes last.
    stop_reason_ : str
        Why the search ended: "n_iter", "exhausted" (no new point is left in a finite space),
        "max_time", "stop" (the rule), "callback" (one of scikit-learn's callbacks) or
        "interrupted".
    best_estimator_ : estimator
        Refitted on all data with ``best_params_``; only with ``refit``.
    best_score_ : float
        Mean cross-validated score of the best candidate: the higher for its luck, the more
        candidates there were and the fewer rows.
    best_score_corrected_ : float
        What the best candidate scores on new rows, as rows tell that did not choose it; see Notes.
        Not there, with the reason, where the metric is no function of predictions, or ``refit`` is
        a function.
    best_score_interval_ : tuple of float
        Where that score lies in nine of ten cases.
    holdout_score_ : float
        Score of the best candidate on the rows held out; only with ``holdout``.
    holdout_indices_ : ndarray of int
        These rows; only with ``holdout``.
    overtuning_ : DataFrame
        Of all candidates that were the best for a time, ``candidate`` (its row),
        ``mean_test_score`` and ``holdout_score``: where that falls while the other rises, the
        search has fitted its splits. Each costs one more fit. Only with ``holdout``.
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

    See Also
    --------
    AnnealingSearchCV : The same by a random walk.

    Notes
    -----
    ``best_score_corrected_`` is ``best_score_`` without its estimated optimism (BBC-CV [1]_): of up
    to 1000 bootstrap resamples of the rows each chooses a candidate, whose score on the rows that
    were not drawn is compared with the best candidate's there. Scores are means over the splits, as
    ``best_score_`` is. Rows of many thousands and scores that need sorting, such as ROC AUC, have
    fewer resamples, 100 at least; metrics that scikit-learn has no name for some tens, as 5000
    calls of the metric are the most. With ``resampling="repeat_top"`` only the candidates that were
    evaluated again compete, which takes out a part of the optimism: they had been chosen before.

    A proposal takes some 0.05 s at 100 candidates, and grows with their cube: where a fit takes
    less, ``RandomizedSearchCV`` may try more in the same time. After Ctrl-C the search keeps what
    it has, warns and refits the best; a second one, during the refit, ends all, also a
    cross-validation around the search.

    References
    ----------
    .. [1] Tsamardinos, Greasidou, Borboudakis. Bootstrapping the out-of-sample predictions for
       efficient and accurate cross-validation. Machine Learning 107, 2018.

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
        **_SequentialSearchCV._parameter_constraints,
        "n_points": [_COUNT],
        "trials_per_device": [_COUNT, None],
        "racing": ["boolean"],
        "fidelity": [StrOptions({"epochs"}), None],
        "surrogate": [StrOptions(set(SURROGATES)), HasMethods(["fit", "predict"])],
        "acquisition": [StrOptions({"mes", *ACQUISITIONS, "thompson"}), callable],
    }

    def __init__(
        self,
        estimator,
        search_spaces=None,
        *,
        n_iter=32,
        n_points=1,
        surrogate="gp",
        acquisition="logei",
        scoring=None,
        n_jobs=None,
        refit=True,
        cv=None,
        verbose=0,
        pre_dispatch="2*n_jobs",
        max_time=None,
        stop=None,
        x0=None,
        storage=None,
        holdout=None,
        selection="max",
        resampling="fixed",
        candidate_timeout=None,
        executor=None,
        trials_per_device=None,
        racing=False,
        fidelity=None,
        random_state=None,
        error_score=np.nan,
        return_train_score=False,
    ):
        super().__init__(
            estimator,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.search_spaces = search_spaces
        self.n_iter = n_iter
        self.n_points = n_points
        self.surrogate = surrogate
        self.acquisition = acquisition
        self.max_time = max_time
        self.stop = stop
        self.x0 = x0
        self.storage = storage
        self.holdout = holdout
        self.selection = selection
        self.resampling = resampling
        self.candidate_timeout = candidate_timeout
        self.executor = executor
        self.trials_per_device = trials_per_device
        self.racing = racing
        self.fidelity = fidelity
        self.random_state = random_state

    def _proposer(self, space: Space, n_iter: int, seed: int) -> BayesianOptimizer:
        return BayesianOptimizer(
            space, surrogate=self.surrogate, acquisition=self.acquisition, random_state=seed
        )

    def _ask(self, proposer: BayesianOptimizer) -> dict[str, Any] | None:
        return next(iter(proposer.ask(1)), None)


@saved
class AnnealingSearchCV(_SequentialSearchCV):
    """Hyper-parameter search by simulated annealing, cross-validated.

    A walk through the space that always takes a step up, and one down with a probability that
    falls with the loss of score over a temperature [1]_; the temperature falls over the
    candidates. It needs no model of the scores, so that proposals cost next to nothing and ever
    new candidates near the best are tried; ``BayesSearchCV`` mostly needs fewer. The estimator's
    own configuration, if it lies in the space, is the first candidate. Every candidate sees the
    same splits. One whose fits fail costs itself only.

    Parameters
    ----------
    estimator : estimator object
        Implements ``fit``; with ``score``, unless ``scoring`` is given.
    search_spaces : dict, list or None, default=None
        As in ``BayesSearchCV``.
    n_iter : int, default=32
        Evaluations of candidates, the estimator's own configuration and what ``reevaluate`` takes
        included. A finite space may be exhausted earlier, for what was visited is not evaluated
        again.
    initial_temperature : float or None, default=None
        Temperature at first, in the unit of the score: of candidates that are worse by as much, a
        share of 1/e is taken. None stands for the standard deviation of the scores of some random
        candidates, two more than there are parameters, the best of which begins the walk.
    final_temperature : float or None, default=None
        Temperature at last, reached geometrically; the initial one, if that is lower. None stands
        for a thousandth of the initial one.
    step_size : float, default=0.5
        Standard deviation of the first steps of numbers, as a share of their range; steps shorten
        with the root of the temperature.
    reevaluate : int, default=0
        After as many candidates the current one is evaluated again, and its row is the mean of
        all its evaluations: for estimators that are random, which may owe a good score to luck.
        0 stands for never.
    scoring : str, callable, list, tuple or dict, default=None
        As in ``RandomizedSearchCV``. With several metrics, the one that ``refit`` names is
        optimised, else the first.
    n_jobs : int or None, default=None
        Folds that run side by side, as in ``BayesSearchCV``. It changes the time, never the
        candidates.
    refit : bool, str or callable, default=True
        As in ``RandomizedSearchCV``.
    cv : int, cross-validation generator or iterable, default=None
        As in ``RandomizedSearchCV``. Splits are drawn once, for all candidates.
    verbose : int, default=0
        1: a progress bar with the best score so far. From 2: a line for each fold instead.
    pre_dispatch : int or str, default='2*n_jobs'
        Without effect: no more fits wait than the candidates under way have.
    max_time : float or None, default=None
        Seconds after which no candidate begins, but for the first. How many fit in depends on the
        machine, so that with it an integer ``random_state`` does not decide all.
        The temperature falls over ``n_iter`` all the same.
    stop : Plateau or None, default=None
        A rule that ends the search early.
    x0 : dict, list, DataFrame, str, Path or None, default=None
        Points to evaluate first: one, several, a table of them (``pd.DataFrame(cv_results_)`` is
        one); what they lack has the estimator's own value. Or journals of earlier searches (the
        paths that they had as ``storage``). Where nothing but the space and the way to search
        it differs from this search, their scores teach it from the start; else their best five
        candidates that lie in the space are evaluated first.
    storage : str, Path or None, default=None
        File in which every fit is noted as it ends. The same call finds them there, and goes on;
        several processes that make it at once share the fits. It is made if there is none.
    holdout : float or None, default=None
        Share of the rows that the search does not see, in (0, 1): drawn at random, with the classes
        in proportion or in whole groups or from the end, as ``cv`` goes about it. The best
        candidate, fitted to the others, is scored on them, once.
    selection : {'max', 'posterior_mean', 'one_std_error'}, default='max'
        Which candidate is the best: that of the highest mean score; that of the highest mean of a
        Gaussian process through all scores, to which one that stands out by luck counts less; or,
        of all within one standard error of the highest, the one that is nearest to the estimator's
        own configuration.
    resampling : {'fixed', 'reshuffle', 'repeat_top'}, default='fixed'
        Whether all candidates have the same splits; or each has its own, so that none is chosen
        for its luck with them; or the best eighth, three at least, are evaluated on two others
        besides, and the best of these by all is taken.
    candidate_timeout : float or None, default=None
        Seconds that the fits of a candidate may take together; it fails if they take longer.
        skdeep's networks end between two steps, other fits with the process in which they run.
    executor : concurrent.futures.Executor or None, default=None
        Where the fits run, in place of threads and processes of this machine: Dask's
        ``client.get_executor()``, for instance. ``n_jobs`` fits are handed out at once, or all of
        the candidates under way.
    random_state : int, RandomState instance or None, default=None
        Seed of the walk.
    error_score : 'raise' or float, default=np.nan
        Score of a fold whose fit fails.
    return_train_score : bool, default=False
        Whether ``cv_results_`` has training scores.

    Attributes
    ----------
    cv_results_ : dict of ndarrays
        As in ``RandomizedSearchCV``, in order of evaluation, with ``is_default``, whether the
        candidate is the estimator's own configuration, ``failure``, why the first of its fits that
        failed did, or "", and ``n_splits``, how many folds it has had. Where some were evaluated
        again, ``n_evaluations`` says how often each was, and scores are means. Of networks,
        ``learning_curve`` has the loss after each epoch, of held-out rows if there are any, a mean
        over folds.
    stop_reason_ : str
        Why the search ended: "n_iter", "exhausted" (no new point is left in a finite space),
        "max_time", "stop" (the rule), "callback" (one of scikit-learn's callbacks) or
        "interrupted".
    best_estimator_ : estimator
        Refitted on all data with ``best_params_``; only with ``refit``.
    best_score_ : float
        Mean cross-validated score of the best candidate: the higher for its luck, the more
        candidates there were and the fewer rows.
    best_score_corrected_ : float
        What the best candidate scores on new rows, as rows tell that did not choose it; see the
        notes of ``BayesSearchCV``. Not there, with the reason, where the metric is no function of
        predictions, or ``refit`` is a function.
    best_score_interval_ : tuple of float
        Where that score lies in nine of ten cases.
    holdout_score_ : float
        Score of the best candidate on the rows held out; only with ``holdout``.
    holdout_indices_ : ndarray of int
        These rows; only with ``holdout``.
    overtuning_ : DataFrame
        Of all candidates that were the best for a time, ``candidate`` (its row),
        ``mean_test_score`` and ``holdout_score``: where that falls while the other rises, the
        search has fitted its splits. Each costs one more fit. Only with ``holdout``.
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

    See Also
    --------
    BayesSearchCV : The same by a model of the scores.

    References
    ----------
    .. [1] Kirkpatrick, Gelatt, Vecchi. Optimization by simulated annealing. Science 220, 1983.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.svm import SVC
    >>> from skdeep.model_selection import AnnealingSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> space = {"C": (1e-3, 1e3, "log"), "gamma": (1e-4, 10.0, "log")}
    >>> model = SVC(C=1e-3, gamma=0.1)
    >>> search = AnnealingSearchCV(model, space, n_iter=16, random_state=0).fit(X, y)
    >>> print(search.cv_results_["mean_test_score"][0].round(2), search.best_score_.round(2))
    0.91 0.97
    """

    n_points = 1  # a walk takes one step after another
    racing = False
    fidelity = None
    trials_per_device = None

    _parameter_constraints: ClassVar[dict] = {
        **_SequentialSearchCV._parameter_constraints,
        "initial_temperature": [_POSITIVE, None],
        "final_temperature": [_POSITIVE, None],
        "step_size": [_POSITIVE],
        "reevaluate": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(
        self,
        estimator,
        search_spaces=None,
        *,
        n_iter=32,
        initial_temperature=None,
        final_temperature=None,
        step_size=0.5,
        reevaluate=0,
        scoring=None,
        n_jobs=None,
        refit=True,
        cv=None,
        verbose=0,
        pre_dispatch="2*n_jobs",
        max_time=None,
        stop=None,
        x0=None,
        storage=None,
        holdout=None,
        selection="max",
        resampling="fixed",
        candidate_timeout=None,
        executor=None,
        random_state=None,
        error_score=np.nan,
        return_train_score=False,
    ):
        super().__init__(
            estimator,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.search_spaces = search_spaces
        self.n_iter = n_iter
        self.initial_temperature = initial_temperature
        self.final_temperature = final_temperature
        self.step_size = step_size
        self.reevaluate = reevaluate
        self.max_time = max_time
        self.stop = stop
        self.x0 = x0
        self.storage = storage
        self.holdout = holdout
        self.selection = selection
        self.resampling = resampling
        self.candidate_timeout = candidate_timeout
        self.executor = executor
        self.random_state = random_state

    def _proposer(self, space: Space, n_iter: int, seed: int) -> Annealer:
        return Annealer(
            space,
            n_evaluations=n_iter,
            initial_temperature=self.initial_temperature,
            final_temperature=self.final_temperature,
            step_size=self.step_size,
            reevaluate=self.reevaluate,
            random_state=seed,
        )
