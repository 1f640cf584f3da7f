"""``skdeep tune``: a network for a table, tuned within a number of candidates or of seconds.

A search goes over the space that the estimator declares, its own configuration first; the best
candidate is fitted to all rows.
"""

import argparse
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skdeep._config import interrupts_are_ours
from skdeep.cli.data import (
    FOLDS,
    MOST_CLASSES,
    MOST_ROWS_IN_FOLDS,
    ROWS_PER_CLASS,
    TASKS,
    Data,
)
from skdeep.cli.tables import Refused, check_place, one_line, table_path, warnings_as_notes

N_PROBED = 3  # epochs

DESCRIPTION = f"""\
Tunes a network on a table by Bayesian optimisation, the default first; fits the best to all
rows, and saves it. Columns of numbers, words, booleans and dates (2026-01-31) are taken as they
are, gaps too.

The task is told by the target. Words and booleans are classes. Whole numbers are classes if
there are two of them, or up to {MOST_CLASSES} with {ROWS_PER_CLASS} rows each on average.
All others are numbers to predict.

Candidates are scored by {FOLDS} folds, above {MOST_ROWS_IN_FOLDS:,} rows by the first alone.

Each fit is noted in a journal, OUT.journal. After Ctrl-C or a crash the same command goes on
where it was; --n-iter, --time-budget, --n-jobs, --report and --force may be others.
'skdeep search-status OUT.journal' shows how far it is.

Exit status: 0, the model is saved; 1, data or a file was refused; 2, wrong usage; 130, Ctrl-C.
"""


def add(commands: Any) -> None:
    """Add the command to the parsers of all commands."""
    command = commands.add_parser(
        "tune",
        help="tune a network on a table and save it",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    option = command.add_argument
    option("table", type=table_path, help="CSV (.csv, .csv.gz) or .parquet")
    option("--target", required=True, metavar="COLUMN", help="what to predict")
    option("--out", type=Path, required=True, metavar="FILE", help="where the model is saved")
    option("--task", choices=TASKS, help="instead of being told by the target")
    option("--weight", metavar="COLUMN", help="weights of rows, in fits and scores; no feature")
    rows = command.add_mutually_exclusive_group()
    rows.add_argument(
        "--group", metavar="COLUMN", help="rows that stay on one side of each split; no feature"
    )
    rows.add_argument(
        "--time",
        metavar="COLUMN",
        help="numbers or dates by which rows are sorted: the past predicts the future; no feature",
    )
    columns: dict[str, Any] = {"nargs": "+", "action": "extend", "default": [], "metavar": "COLUMN"}
    option("--drop", **columns, help="no features either")
    option("--categorical", **columns, help="numbers that are names, as zip codes")
    option("--n-iter", type=_count, default=32, metavar="N", help="most candidates (%(default)s)")
    option(
        "--time-budget",
        type=_seconds,
        metavar="SECONDS",
        help="for all, the last fit too, which is made in any case",
    )
    option(
        "--metric",
        type=_metric,
        metavar="NAME",
        help="a scorer of scikit-learn's (roc_auc of two classes, neg_log_loss of more, "
        "neg_root_mean_squared_error of numbers)",
    )
    option("--folds", type=_count, metavar="N", help="splits; 1 is the first of five folds alone")
    option("--n-jobs", type=_count, metavar="N", help="folds that are fitted side by side (1)")
    option("--seed", type=int, default=0, metavar="N", help="of all that is random (%(default)s)")
    option("--report", type=Path, metavar="FILE", help="a page of HTML about the search")
    option("--force", action="store_true", help="replace --out if it is there")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Read, search, refit, save."""
    begun = time.perf_counter()
    journal = Path(f"{options.out}.journal")
    _check_places(options, journal)
    with warnings_as_notes():
        data = Data.read(options)
        try:
            with interrupts_are_ours():  # a fit or a search that was cut short is no model
                return _tuned(data, options, journal, begun)
        except KeyboardInterrupt:
            kept = f"; the same command goes on where it was, by {journal}"
            raise KeyboardInterrupt(kept if journal.exists() else "") from None


def _check_places(options: argparse.Namespace, journal: Path) -> None:
    """Refuse now what could not be written after hours."""
    from skdeep.model_selection.looking.report import report_path

    check_place(options.out, options.force, [options.table])
    check_place(journal, True, [options.table])
    if options.report is not None:
        try:
            report_path(options.report)
        except OSError as error:
            raise Refused(str(error)) from error
        check_place(options.report, True, [options.table, options.out, journal])


def _tuned(data: Data, options: argparse.Namespace, journal: Path, begun: float) -> int:
    from sklearn.base import clone

    from skdeep.model_selection import SearchDisplay
    from skdeep.persistence import save

    estimator, scorer = data.estimator(options), _scorer(options.metric, data)
    deadline = math.inf if options.time_budget is None else begun + options.time_budget
    budget, search = Budget(deadline, options.n_jobs or 1), None
    print(data, flush=True)
    if _is_time_to_search(estimator, data, budget, journal):
        search = _searched(estimator, scorer, data, options, journal, budget)
        estimator = clone(estimator).set_params(**clone(search.best_params_, safe=False))
        if options.report is not None:
            SearchDisplay.from_search(search).report(options.report)
    what = "default" if search is None else "best"
    print(f"Fitting the {what} to all {len(data.y):,} rows", flush=True)
    fitted = _fitted(estimator, data)
    try:
        save(fitted, options.out)
    except OSError as error:
        raise Refused(f"{options.out} cannot be written: {one_line(error)}") from error
    _tell(search, options, time.perf_counter() - begun)
    return 0


def _is_time_to_search(estimator: Any, data: Data, budget: "Budget", journal: Path) -> bool:
    """Whether a candidate can be scored in time, if only just, before one is fitted to all rows."""
    if math.isinf(budget.deadline) or _has_scores(journal):
        return True
    seconds = seconds_to_fit(estimator, data)
    is_time = budget.allows(seconds / (1 + data.test_to_train), len(data.splits))
    if not is_time:
        print(f"A fit takes about {seconds:.0f} s: too long for a search, so there is no score.")
    return is_time


def _fitted(estimator: Any, data: Data) -> Any:
    """A clone, fitted to all rows.

    Raises
    ------
    Refused
        If that fails: the rows are too few, or the loss becomes infinite.
    """
    from sklearn.base import clone

    from skdeep.exceptions import FitDivergedError

    try:
        return clone(estimator).fit(data.X, data.y, **data.fit_params)
    except (ValueError, FitDivergedError) as error:
        raise Refused(f"the fit to all rows failed: {one_line(error)}") from error


def _searched(
    estimator: Any,
    scorer: Any,
    data: Data,
    options: argparse.Namespace,
    journal: Path,
    budget: "Budget",
) -> Any:
    """A search that has ended and found something."""
    from skdeep.model_selection import BayesSearchCV
    from skdeep.model_selection.trials.journal import JournalError

    within = "" if math.isinf(budget.deadline) else f" within {options.time_budget:g} s"
    print(f"Up to {options.n_iter} candidates{within}; journal: {journal}", flush=True)
    search = BayesSearchCV(
        estimator,
        n_iter=options.n_iter,
        scoring=scorer,
        cv=data.splits,
        n_jobs=options.n_jobs,
        stop=budget,
        storage=journal,
        refit=False,
        verbose=1,
        random_state=options.seed,
    )
    try:
        search.fit(data.X, data.y, **data.fit_params | data.group_params)
    except JournalError as error:
        raise Refused(
            f"{one_line(error)} To go on, repeat the command that began it; to begin anew beside "
            "it, give another --out."
        ) from error
    except ValueError as error:  # its last line is why the first fit failed
        reason = str(error).strip().splitlines()[-1]
        raise Refused(f"no candidate could be fitted: {reason}") from error
    if not math.isfinite(search.best_score_):
        raise Refused(f"no candidate has a score: {search.cv_results_['failure'][0]}")
    return search


def _tell(search: Any, options: argparse.Namespace, seconds: float) -> None:
    """Say what was found, and where it is."""
    if search is None:
        print(f"{seconds:.0f} s; model in {options.out}")
        return
    scores, is_default = search.cv_results_["mean_test_score"], search.cv_results_["is_default"]
    default = f" (the default: {scores[is_default][0]:.5g})" if is_default.any() else ""
    report = f", report in {options.report}" if options.report else ""
    print(
        f"{search.scoring if isinstance(search.scoring, str) else 'neg_log_loss'} "
        f"{search.best_score_:.5g}{default} on rows held out, best of {len(scores)} candidates; "
        f"{seconds:.0f} s; model in {options.out}{report}"
    )


def seconds_to_fit(estimator: Any, data: Data) -> float:
    """What a fit to all rows will take, by the first epochs of one."""
    from sklearn.base import clone

    begun, ends = time.perf_counter(), []
    clock = [lambda state: ends.append(time.perf_counter())]
    _fitted(clone(estimator).set_params(epochs=N_PROBED, callbacks=clock), data)
    epoch = (ends[-1] - ends[0]) / (N_PROBED - 1)  # the first has waited for the compiler
    return ends[0] - begun + (estimator.epochs - 1) * epoch


def _has_scores(journal: Path) -> bool:
    """Whether a search is to be gone on with: what a fit takes is known then."""
    from skdeep.model_selection import load_search

    if not journal.exists():
        return False
    try:
        trials = load_search(journal).trials
    except (OSError, ValueError):  # the search will say why it cannot be read
        return True
    return "mean_test_score" in trials and bool(trials["mean_test_score"].notna().any())


@dataclass(frozen=True)
class Budget:
    """Stop while there is time to fit the best candidate to all rows.

    Parameters
    ----------
    deadline : float
        When all must have ended, by ``time.perf_counter()``.
    n_jobs : int
        Fits that run side by side.
    """

    deadline: float
    n_jobs: int

    def reached(self, seen: Any, optimizer: Any) -> bool:
        """Whether another candidate, as slow as the slowest yet, would leave too little."""
        seconds = seen.fit_seconds
        if not np.isfinite(seconds).any():
            return False
        slowest = np.nanmax(seconds)
        # The last fit has more rows, and takes longer by as much.
        return not self.allows(slowest, seen.n_splits, slowest * (1 + seen.test_to_train))

    def allows(self, seconds: float, n_splits: int, last: float = 0.0) -> bool:
        """Whether there is time for a candidate of such fits, and a last one of so many seconds."""
        rounds = math.ceil(n_splits / self.n_jobs)
        return bool(time.perf_counter() + rounds * seconds + last <= self.deadline)


def _scorer(metric: str | None, data: Data) -> Any:
    """The metric, by its name where that will do; it must take what is to be predicted.

    Raises
    ------
    Refused
        If it does not: found by the scores of a constant, or of classes by chance.
    """
    from sklearn.dummy import DummyClassifier, DummyRegressor
    from sklearn.metrics import check_scoring, log_loss, make_scorer

    dummy: Any = DummyRegressor()
    scoring: Any = metric or "neg_root_mean_squared_error"
    if data.task == "classification":
        dummy = DummyClassifier(strategy="stratified", random_state=0)
        labels = np.unique(data.y).tolist()
        scoring = metric or ("roc_auc" if len(labels) == 2 else "neg_log_loss")
        rare = any(len(np.unique(data.y[test])) < len(labels) for _, test in data.splits)
        if metric is None and len(labels) > 2 and rare:  # which the scorer of that name refuses
            scoring = make_scorer(
                log_loss, greater_is_better=False, response_method="predict_proba", labels=labels
            )
    for i, (train, test) in enumerate(data.splits):
        X = np.zeros((len(data.y), 1))
        try:
            score = check_scoring(dummy, scoring)(
                dummy.fit(X[train], data.y[train]), X[test], data.y[test]
            )
            reason = "" if math.isfinite(score) else f"it is {score}"
        except (ValueError, TypeError, AttributeError) as error:
            reason = one_line(error)
        if reason:
            what = scoring if isinstance(scoring, str) else "neg_log_loss"
            raise Refused(
                f"{what} cannot score split {i} of {data.target!r}, a {data.task}: {reason}"
            )
    return scoring


def _count(text: str) -> int:
    """A number of something, 1 or more, as it was typed."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, but is {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    """A time that is more than nothing, as it was typed."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"must be seconds, more than 0, but is {text!r}")
    return seconds


def _metric(text: str) -> str:
    """The name of a scorer, as it was typed."""
    from sklearn.metrics import get_scorer_names

    from skdeep.validation import did_you_mean

    if text not in get_scorer_names():
        raise argparse.ArgumentTypeError(
            f"{text!r} is no scorer of scikit-learn's{did_you_mean(text, get_scorer_names())}"
        )
    return text
