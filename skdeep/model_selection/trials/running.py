"""A search that is under way: which candidate is proposed when, and which fit runs when."""

import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from tqdm.auto import tqdm

from skdeep.model_selection.spaces import Space
from skdeep.model_selection.trials.beginning import Beginning
from skdeep.model_selection.trials.engines import Pool
from skdeep.model_selection.trials.epochs import Halving
from skdeep.model_selection.trials.evaluation import History, Work
from skdeep.model_selection.trials.journal import Journal
from skdeep.model_selection.trials.racing import Race

N_REPEATS = 2  # of the best candidates, on other splits
LEAST_REPEATED = 3
REPEATED_SHARE = 8  # one candidate of so many
SHUFFLE = 2**24  # trials between two numbers of one candidate
POLL_SECONDS = 0.05  # between looks at what another process does
GO_ON = "with storage= the same call goes on where this one was."


class Contest(Protocol):
    """What decides, after each stage of a trial, whether there is another."""

    def is_lost(self, scores: np.ndarray) -> bool:
        """Whether there is none, by the scores so far, (n_stages_had, n_fits)."""

    def expected(self, scores: np.ndarray) -> tuple[float, float]:
        """The score that it would have had, and its variance."""


@dataclass
class Trial:
    """A candidate and its fits.

    Parameters
    ----------
    number : int
        In order of proposal.
    candidate : dict
        Parameters.
    context : CallbackContext
        scikit-learn's, of the candidate.
    contexts : list of CallbackContext
        Of its fits.
    records : list of dict
        Of the fits, empty as long as they have not ended.
    size : int
        Fits that run side by side, a stage; the next begins when they have ended.
    contest : Contest or None
        What it competes with, to have another stage.
    lost : bool
        Whether it has none, though not all fits were made.
    shuffle : int
        Which of the search's splits it has.
    """

    number: int
    candidate: dict[str, Any]
    context: Any
    contexts: list[Any]
    records: list[dict[str, Any]]
    size: int
    contest: Contest | None = None
    lost: bool = False
    shuffle: int = 0

    @property
    def is_over(self) -> bool:
        """Whether no fit of it is to come."""
        return self.lost or all(self.records)

    @property
    def made(self) -> list[dict[str, Any]]:
        """Records of the fits that have ended."""
        return [record for record in self.records if record]

    @property
    def has_failed(self) -> bool:
        """Whether a fit has."""
        return any(record["fit_error"] is not None for record in self.made)

    @property
    def seconds(self) -> float:
        """What its fits have taken so far."""
        return sum(record["fit_time"] + record["score_time"] for record in self.made)

    def stage_of(self, step: int) -> range:
        """The fits that run side by side with one."""
        first = step - step % self.size
        return range(first, first + self.size)


Fit = tuple[Trial, int]  # and its step: the split, and in later parts as many more


class Fits:
    """Hands the fits of trials out, as many at once as there are workers, in their order.

    What dies with its worker is made again, alone: of several that were running nobody knows which
    one it was that killed it. If it does so twice, that is its result.

    Parameters
    ----------
    work : Work
        What they share.
    pool : Pool
        Where they run.
    journal : Journal or None
        Where they are noted, and where those of before and of other processes are found.
    timeout : float or None
        Seconds that the fits of a trial may take together.
    """

    def __init__(
        self, work: Work, pool: Pool, journal: Journal | None, timeout: float | None
    ) -> None:
        self.work = work
        self.pool = pool
        self.journal = journal
        self.timeout = timeout
        self._waiting: deque[Fit] = deque()
        self._running: dict[Future, Fit] = {}
        self._places: dict[Future, str | None] = {}  # where these run
        self._suspects: deque[Fit] = deque()
        self._alone: Fit | None = None  # the suspect that runs, and nothing else does
        self._elsewhere: list[Fit] = []  # other processes are at these

    def add(self, trial: Trial) -> None:
        """Have the fits of a trial run, after those of all before."""
        self._waiting.extend((trial, step) for step in trial.stage_of(0))
        if self.pool.n_workers > 1:  # else nothing would be gained by beginning now
            self._hand_out()

    def finish(self, trial: Trial) -> None:
        """Wait until a trial is over."""
        while not trial.is_over:
            self._hand_out()
            self._collect()
        if self.work.epochs is not None:
            self.work.epochs.forget(trial.number)

    def _hand_out(self) -> None:
        if self._suspects and not self._running:
            self._alone = self._suspects.popleft()
            self._submit(self._alone)
            if not self._running:  # its trial's time was up
                self._alone = None
        while self._waiting and not self._suspects and self._alone is None:
            if len(self._running) >= self.pool.n_workers:
                break
            trial, step = self._waiting.popleft()
            if self.journal is not None:
                record = self.journal.record(trial.number, step)
                if record:
                    self._set(trial, step, record)
                    continue
                if not self.journal.claim(trial.number, step):
                    self._elsewhere.append((trial, step))
                    continue
            self._submit((trial, step))

    def _submit(self, fit: Fit, whole: bool = False) -> None:
        trial, step = fit
        limit = None if self.timeout is None else self.timeout - trial.seconds
        if limit is not None and limit <= 0:
            self._fail(fit, f"TimeoutError: the candidate has had its {self.timeout:.3g} s")
            return
        places = self.pool.places
        place = places.popleft() if places else None
        made = trial.number, trial.candidate, trial.shuffle, step, trial.contexts[step]
        try:
            future = self.pool.submit(_name(fit), made, limit, place, whole)
        except BrokenExecutor as error:  # a worker died while none was at work
            if self.pool.engine != "processes":
                raise RuntimeError(f"the executor was lost: {error!r}; {GO_ON}") from error
            places.appendleft(place)
            self.pool.restart()
            self._submit(fit, whole)
            return
        self._running[future], self._places[future] = fit, place

    def _collect(self) -> None:
        """Take in what has ended; wait for something to end, if nothing has."""
        if self._running:
            patience = POLL_SECONDS if self._elsewhere else None
            for future in wait(self._running, patience, FIRST_COMPLETED).done:
                if future in self._running:  # else its worker's death is dealt with
                    self._take(future)
        elif self._elsewhere and not self._waiting:
            time.sleep(POLL_SECONDS)
        self._waiting.extendleft(reversed(self._elsewhere))
        self._elsewhere.clear()

    def _take(self, future: Future) -> None:
        fit = self._running.pop(future)
        self.pool.places.append(self._places.pop(future))
        try:
            record = future.result()
        except BrokenExecutor as error:
            if self.pool.engine != "processes":
                raise RuntimeError(f"the executor was lost: {error!r}; {GO_ON}") from error
            self._bury([fit, *self._running.values()])
            return
        except CancelledError as error:
            raise RuntimeError(f"the executor has dropped a fit; {GO_ON}") from error
        except Exception as error:
            if type(error).__name__ != "KilledWorker":  # Dask's, after some tries of its own
                raise
            record = self.work.failed(fit[1], f"WorkerDied: {error}")
        self._alone = None
        if record is None:
            self._submit(fit, whole=True)
        else:
            self._note(fit, record)

    def _bury(self, fits: list[Fit]) -> None:
        """Workers have died that were at these fits."""
        self._running.clear()
        self.pool.places.extend(self._places.values())
        self._places.clear()
        ended = self.pool.restart()
        for fit in fits:
            if _name(fit) in ended:
                reason = f"TimeoutError: the candidate took longer than its {self.timeout:.3g} s"
                self._fail(fit, reason, self.timeout)
            elif fit is self._alone:
                self._fail(
                    fit,
                    "WorkerDied: its process died twice: it was killed, or ran out of "
                    "memory, or what it called ended it",
                )
            elif ended:
                self._waiting.appendleft(fit)
            else:
                self._suspects.append(fit)
        self._alone = None

    def _fail(self, fit: Fit, reason: str, seconds: float | None = 0.0) -> None:
        self._note(fit, self.work.failed(fit[1], reason, seconds or 0.0))

    def _note(self, fit: Fit, record: dict[str, Any]) -> None:
        trial, step = fit
        if self.journal is not None:
            self.journal.add_record(trial.number, step, record)
        self._set(trial, step, record)

    def _set(self, trial: Trial, step: int, record: dict[str, Any]) -> None:
        """Take in a record; when its stage has ended, let the trial go on, or lose."""
        trial.records[step] = record
        stage = trial.stage_of(step)
        if all(trial.records) or not all(trial.records[step] for step in stage):
            return
        following = trial.stage_of(stage.stop)
        if all(trial.records[step].get("is_over") for step in stage):  # they stopped by themselves
            assert self.work.epochs is not None
            part = following.start // trial.size
            for step, last in zip(following, stage):
                self._note((trial, step), self.work.epochs.again(trial.records[last], part))
        elif trial.has_failed or (trial.contest and trial.contest.is_lost(self._scores(trial))):
            trial.lost = True
        else:
            self._waiting.extendleft((trial, step) for step in reversed(following))

    def _scores(self, trial: Trial) -> np.ndarray:
        """Of the stages that a trial has had, (n_stages_had, n_fits)."""
        scores = [self.work.score_of(record) for record in trial.made]
        return np.reshape(scores, (-1, trial.size))

    def expected(self, trial: Trial) -> tuple[float, float]:
        """The score that a trial which has lost would have had, and its variance."""
        assert trial.contest is not None
        return trial.contest.expected(self._scores(trial))


def _name(fit: Fit) -> str:
    return f"{fit[0].number}-{fit[1]}"


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
    beginning : Beginning
        What is known before the first proposal.
    context : CallbackContext
        scikit-learn's, of the search.
    bar : tqdm
        Counts candidates.
    """

    def __init__(
        self,
        search: Any,
        history: History,
        fits: Fits,
        beginning: Beginning,
        context: Any,
        bar: tqdm,
    ) -> None:
        self.search = search
        self.history = history
        self.fits = fits
        self.context = context
        self.bar = bar
        self.under_way: deque[Trial] = deque()
        self.begun = 0
        self._planned: deque[dict[str, Any]] = deque()  # before the proposer has its turn
        self._first, self._known = [*beginning.first], beginning.known
        self._numbers: dict[int, int] = {}  # of candidates, by their identity
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
        if self.search.resampling == "repeat_top" and end in ("n_iter", "exhausted", "stop"):
            self._repeat_top()
        return end

    def _repeat_top(self) -> None:
        """Evaluate the best candidates again, on other splits."""
        scores = np.array(self.history.scores)
        order = np.argsort(-scores, kind="stable")[: n_repeated(len(scores))]
        for shuffle in range(1, N_REPEATS + 1):
            for row in order[np.isfinite(scores[order])]:
                candidate = self.history.candidates[row]
                number = shuffle * SHUFFLE + self._numbers[id(candidate)]
                self._add(number, candidate, shuffle, None)
        while self.under_way:
            self._finish(None, self.under_way.popleft())

    def _over_space(self, space: Space, n_iter: int, proposer: Any) -> str:
        n_begun, end = 0, ""
        self._plan(space, proposer)
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
        """The next candidate; None if all were."""
        journal = self.fits.journal
        noted = None if journal is None else journal.trial(self.begun)
        candidate: dict[str, Any] | None
        if self._planned:
            candidate = self._planned.popleft()
            proposer.expect(candidate)
        elif noted is not None:
            candidate = proposer.adopt(*noted)
        else:
            candidate = None if proposer.exhausted else self.search._ask(proposer)
        if journal is not None and noted is None and candidate is not None:
            journal.add_trial(self.begun, space.encode(candidate), candidate, proposer.state())
        return candidate

    def _plan(self, space: Space, proposer: Any) -> None:
        """What comes first in a space: the estimator's own configuration, points of the user's.

        And what the proposer knows beforehand.
        """
        if self.history.default is None:
            self.history.default = self.search._own_configuration(space)
            if self.history.default is not None:
                self._planned.append(self.history.default)
        for point in [point for point in self._first if space.holds(point)]:
            self._first.remove(point)
            if not any(_same(space, point, other) for other in self._planned):
                self._planned.append(space.own(point))
        for point, value in self._known:
            if space.holds(point):
                proposer.tell(space.own(point), value)

    def _begin(self, candidate: dict[str, Any]) -> None:
        number = self.begun
        self.begun += 1
        self._numbers.setdefault(id(candidate), number)
        shuffle = number + 1 if self.search.resampling == "reshuffle" else 0
        self._add(number, candidate, shuffle, self._contest())

    def _add(
        self, number: int, candidate: dict[str, Any], shuffle: int, contest: Contest | None
    ) -> None:
        n_steps = self.history.n_splits * self.fits.work.n_parts
        context = self.context.subcontext(
            task_name="candidate", max_subtasks=n_steps, sequential_subtasks=False
        )
        context.call_on_fit_task_begin(estimator=self.search)
        task = "candidate-split-evaluation"
        contexts = [context.subcontext(task_name=task, task_id=i) for i in range(n_steps)]
        size = 1 if isinstance(contest, Race) else self.history.n_splits
        records: list[dict] = [{} for _ in contexts]
        trial = Trial(number, candidate, context, contexts, records, size, contest, shuffle=shuffle)
        self.under_way.append(trial)
        self.fits.add(trial)

    def _contest(self) -> Contest | None:
        """What a candidate that begins now competes with."""
        if self.search.racing:
            return Race.against(self.history.fold_scores)
        if self.search.fidelity is not None:
            return Halving.against(self.history.curves, self.fits.work.n_parts)
        return None

    def _finish(self, proposer: Any, trial: Trial) -> None:
        try:
            self.fits.finish(trial)
        finally:
            self.callback_stops |= trial.context.call_on_fit_task_end(estimator=self.search)
        score = self.history.add(trial.candidate, trial.records, trial.shuffle)
        noise = {}
        if trial.lost and not trial.has_failed:
            score, variance = self.fits.expected(trial)
            noise = {"noise": variance} if self.search.surrogate == "gp" else {}
        if proposer is not None:
            proposer.tell(trial.candidate, -score, **noise)
        self.bar.set_postfix(best=f"{np.fmax.reduce(self.history.scores):.4g}", refresh=False)
        self.bar.update()


def n_repeated(n_candidates: int) -> int:
    """How many of the best are evaluated again."""
    return min(max(LEAST_REPEATED, -(-n_candidates // REPEATED_SHARE)), n_candidates)


def _same(space: Space, a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Whether two candidates are one point of the space."""
    return np.array_equal(space.encode(a), space.encode(b), equal_nan=True)
