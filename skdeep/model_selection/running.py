"""A search that is under way: which candidate is proposed when, and which fit runs when."""

import time
from collections import deque
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from skdeep.model_selection.engines import Pool
from skdeep.model_selection.evaluation import History
from skdeep.model_selection.journal import Journal
from skdeep.model_selection.spaces import Space

POLL_SECONDS = 0.05  # between looks at what another process does


@dataclass
class Trial:
    """A candidate and its fits, one for each split.

    Parameters
    ----------
    number : int
        In order of proposal.
    candidate : dict
        Parameters.
    context : CallbackContext
        scikit-learn's, of the candidate.
    records : list of dict
        Of the fits, empty as long as they have not ended.
    """

    number: int
    candidate: dict[str, Any]
    context: Any
    records: list[dict[str, Any]]


class Fits:
    """Hands the fits of trials out, as many at once as there are workers, in their order.

    Parameters
    ----------
    pool : Pool
        Where they run.
    journal : Journal or None
        Where they are noted, and where those of before and of other processes are found.
    """

    def __init__(self, pool: Pool, journal: Journal | None) -> None:
        self.pool = pool
        self.journal = journal
        self._waiting: deque[tuple[Trial, int]] = deque()
        self._running: dict[Future, tuple[Trial, int]] = {}
        self._elsewhere: list[tuple[Trial, int]] = []  # other processes are at these

    def add(self, trial: Trial) -> None:
        """Have the fits of a trial run, after those of all before."""
        self._waiting.extend((trial, split) for split in range(len(trial.records)))
        if self.pool.n_workers > 1:  # else nothing would be gained by beginning now
            self._hand_out()

    def finish(self, trial: Trial) -> None:
        """Wait until all fits of a trial have ended."""
        while not all(trial.records):
            self._hand_out()
            self._collect()

    def _hand_out(self) -> None:
        while self._waiting and len(self._running) < self.pool.n_workers:
            trial, split = self._waiting.popleft()
            if self.journal is not None:
                trial.records[split] = self.journal.record(trial.number, split)
                if trial.records[split]:
                    continue
                if not self.journal.claim(trial.number, split):
                    self._elsewhere.append((trial, split))
                    continue
            future = self.pool.submit(trial.candidate, split, trial.context)
            self._running[future] = trial, split

    def _collect(self) -> None:
        """Take in what has ended; wait for something to end, if nothing has."""
        patience = POLL_SECONDS if self._elsewhere else None
        if self._running:
            self._take(wait(self._running, patience, FIRST_COMPLETED).done)
        elif self._elsewhere and not self._waiting:
            time.sleep(POLL_SECONDS)
        self._waiting.extendleft(reversed(self._elsewhere))
        self._elsewhere.clear()

    def _take(self, ended: Iterable[Future]) -> None:
        for future in ended:
            trial, split = self._running.pop(future)
            trial.records[split] = record = future.result()
            if self.journal is not None:
                self.journal.add_record(trial.number, split, record)


class Run:
    """A search that is under way.

    Proposal t waits for the results of all proposals up to t - n_points, and is made as if those
    under way had come out as expected: so that what is proposed depends on no clock.

    Parameters
    ----------
    search : BayesSearchCV or AnnealingSearchCV
        What is asked for proposers and for candidates.
    history : History
        What has come back; it grows.
    fits : Fits
        What runs them.
    context : CallbackContext
        scikit-learn's, of the search.
    bar : tqdm
        Counts candidates.
    """

    def __init__(self, search: Any, history: History, fits: Fits, context: Any, bar: tqdm) -> None:
        self.search = search
        self.history = history
        self.fits = fits
        self.context = context
        self.bar = bar
        self.under_way: deque[Trial] = deque()
        self.begun = 0
        self.callback_stops = False
        self.deadline = np.inf
        if search.max_time is not None:
            self.deadline = time.perf_counter() + search.max_time

    def over(self, phases: list[tuple[Space, int]], seeds: list[int]) -> str:
        """Search space after space; why it ended."""
        end = ""
        for (space, n_iter), seed in zip(phases, seeds, strict=True):
            proposer = self.search._proposer(space, n_iter, seed)
            end = self._over_space(space, n_iter, proposer)
            if end not in ("n_iter", "exhausted"):
                break
        return end

    def _over_space(self, space: Space, n_iter: int, proposer: Any) -> str:
        n_begun, end = 0, ""
        while not end or self.under_way:
            if end or len(self.under_way) == self.search.n_points:
                self._finish(proposer, self.under_way.popleft())
                continue
            end = "n_iter" if n_begun == n_iter else self._reason_to_stop(proposer)
            candidate = None if end else self._next(proposer, space)
            if candidate is not None:
                self._begin(candidate)
                n_begun += 1
            elif not end:
                end = "exhausted"
        return end

    def _reason_to_stop(self, proposer: Any) -> str:
        """Why there is to be no further proposal, if so."""
        rule, history = self.search.stop, self.history
        reached = rule is not None and not proposer.exhausted and rule.reached(history, proposer)
        if not self.begun:
            return ""
        if self.callback_stops:
            return "callback"
        if time.perf_counter() >= self.deadline:
            return "max_time"
        return "stop" if reached else ""

    def _next(self, proposer: Any, space: Space) -> dict[str, Any] | None:
        """The next candidate, the estimator's own configuration at first; None if all were."""
        journal = self.fits.journal
        noted = None if journal is None else journal.trial(self.begun)
        own = None if self.history.default else self.search._own_configuration(space)
        if own is not None:
            self.history.default = candidate = own
        elif noted is not None:
            candidate = proposer.adopt(*noted)
        else:
            candidate = self._new(proposer, space)
        if journal is not None and noted is None and candidate is not None:
            journal.add_trial(self.begun, space.encode(candidate), candidate, proposer.state())
        return candidate

    def _new(self, proposer: Any, space: Space) -> dict[str, Any] | None:
        """A candidate that is proposed; None if all were."""
        own = self.history.default
        while not proposer.exhausted:
            candidate = self.search._ask(proposer)
            # The own configuration has not been asked for: it may be proposed while under way.
            if candidate is None or not any(
                trial.candidate is own and _same(space, candidate, own) for trial in self.under_way
            ):
                return candidate
        return None

    def _begin(self, candidate: dict[str, Any]) -> None:
        n_splits = self.history.n_splits
        context = self.context.subcontext(
            task_name="candidate", max_subtasks=n_splits, sequential_subtasks=False
        )
        context.call_on_fit_task_begin(estimator=self.search)
        trial = Trial(self.begun, candidate, context, [{} for _ in range(n_splits)])
        self.begun += 1
        self.under_way.append(trial)
        self.fits.add(trial)

    def _finish(self, proposer: Any, trial: Trial) -> None:
        try:
            self.fits.finish(trial)
        finally:
            self.callback_stops |= trial.context.call_on_fit_task_end(estimator=self.search)
        score = self.history.add(trial.candidate, trial.records)
        proposer.tell(trial.candidate, -score)
        self.bar.set_postfix(best=f"{np.fmax.reduce(self.history.scores):.4g}", refresh=False)
        self.bar.update()


def _same(space: Space, a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Whether two candidates are one point of the space."""
    return np.array_equal(space.encode(a), space.encode(b), equal_nan=True)
