"""The host's side of training: data to the device, calls of about a second, callbacks, Ctrl-C.

Where a call ends decides nothing: rows come from (seed, epoch), random keys from (seed, step).
"""

import contextlib
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from numbers import Real
from typing import Any

import numpy as np
import scipy.sparse as sp

from skdeep._config import between_calls, raise_interrupts
from skdeep.engine import interrupts, random, rows
from skdeep.engine.cache import programs
from skdeep.engine.loop import EVALUATED_ROWS, Counters, training_loop
from skdeep.engine.program import (
    Compiled,
    Program,
    compile_mode,
    compiled,
    device,
    pack,
    structure_of,
)
from skdeep.engine.runtime import check_not_forked, tf
from skdeep.engine.tables import Tables
from skdeep.exceptions import FitDivergedError
from skdeep.persistence import saved
from skdeep.schedules import Schedule

_CALL_STEPS_XLA = 256  # XLA has fixed shapes: one length of call serves all fits
_CALL_STEPS_GRAPH = 4096
_CALL_ROW_NUMBERS = 2**22  # bounds the memory of a call's row numbers, 4 bytes each


@saved
@dataclass(frozen=True)
class Progress:
    """Where a training stands: all that it takes to go on to the same bits.

    Attributes
    ----------
    state : dict of nests of ndarrays
        The program's state after the last step.
    seed : int
        Of 64 bits; the order of rows and the random keys come from it.
    epoch : int
        How many were completed since the first fit.
    best : nest of ndarrays or None
        ``state["weights"]`` at the best epoch; None where nothing was monitored.
    best_value : float
        What was monitored, there; smaller is better (scores are negated).
    best_epoch : int
        Its number, from 0; -1 for none.
    watched : str
        What told it: "val_loss" or "val_score" and a digest of the rows, or "" for nothing.
    learning_rate_factor : float
        What callbacks have made of the learning rate.
    history : dict of lists of float
        For each log, one value an epoch.
    interrupted : bool
        Whether Ctrl-C ended the last fit.
    stopped : bool
        Whether patience or a callback did.
    """

    state: Any
    seed: int = 0
    epoch: int = 0
    best: Any = None
    best_value: float = np.inf
    best_epoch: int = -1
    watched: str = ""
    learning_rate_factor: float = 1.0
    history: dict[str, list[float]] = field(default_factory=dict)
    interrupted: bool = False
    stopped: bool = False

    @property
    def weights(self) -> Any:
        """What predict needs: the best weights where they are known, else the last."""
        if self.best is not None:
            return self.best
        return _with_table(self.state, self.state.get("tables"))


@dataclass(slots=True)
class EpochState:
    """What a callback sees at the end of an epoch, and may change.

    Attributes
    ----------
    epoch : int
        The number of the epoch that has ended, counted from 0 at the first fit.
    epochs : int
        The number at which the fit will end.
    logs : dict of float
        This epoch's row of the history. What a callback adds becomes a column of it.
    learning_rate_factor : float
        What multiplies the learning rate from here on, beside its schedule. It lasts.
    stop : bool
        Set it to end the fit here.
    learning_rate : float
        That of the epoch's last step, by the schedule and the factor; NaN if the program has none.
        To be read: set the factor.
    """

    epoch: int
    epochs: int
    logs: dict[str, float]
    learning_rate_factor: float
    stop: bool
    learning_rate: float
    _fit: "_Fit" = field(repr=False)

    @property
    def weights(self) -> Any:
        """``state["weights"]`` now, a nest of tensors; while the callback runs."""
        return self._fit.weights()

    @property
    def progress(self) -> Progress:
        """All that it takes to go on from here, copied to the host; while the callback runs.

        Raises
        ------
        FitDivergedError
            If the last update has made a weight NaN or infinite.
        """
        self._fit.log(self.epoch, self.logs)
        return replace(self._fit.result(), learning_rate_factor=self.learning_rate_factor)


def train(
    program: Program,
    progress: Progress,
    x: Any,
    y: Any = (),
    weight: np.ndarray | None = None,
    *,
    epochs: int,
    batch_size: int,
    hyper: dict | None = None,
    schedule: Schedule | dict[str, Schedule] | None = None,
    shuffle: bool = True,
    validation: tuple | None = None,
    score: Callable[[Any], float] | None = None,
    patience: int | None = None,
    callbacks: Sequence[Callable[[EpochState], None]] = (),
) -> Progress:
    """Run a program's steps over the data, ``epochs`` epochs on from ``progress``.

    Parameters
    ----------
    program : Program
    progress : Progress
        Where to start: ``Progress(state, seed=...)``, or what an earlier call returned.
    x, y : nests of arrays, each (n, ...)
        Rows and targets; ``()`` for no targets. Parts of x may be SciPy CSR matrices, parts of
        both :class:`~skdeep.engine.Sequences`.
    weight : ndarray (n,), default=None
        Row weights; scaled here to a mean of one.
    epochs, batch_size : int
    hyper : dict, default=None
        Run-time numbers, or tuples or dicts of them.
    schedule : callable or dict of callables, default=None
        Maps an array of epochs, fractional and counted from the first fit, to factors of
        ``hyper["learning_rate"]``; a dict has one for each run-time number that it names.
    shuffle : bool, default=True
        False visits the rows in their order.
    validation : tuple (x, y, weight), default=None
        Rows for ``program.evaluate``; adds ``val_loss`` to the history. weight may be None.
    score : callable, default=None
        ``score(weights)``, larger is better; adds ``val_score`` to the history.
    patience : int, default=None
        Stop after so many epochs without a better score (or val_loss, if there is no score),
        and keep the best weights.
    callbacks : sequence of callables
        Each is called with an :class:`EpochState` at the end of each epoch.

    Raises
    ------
    FitDivergedError
        If a log becomes NaN or infinite.
    KeyboardInterrupt
        If Ctrl-C comes before training, inside a search, or within two seconds of an earlier
        one; else it ends the fit when the call's steps, about a second, are done.
    RuntimeError
        In a process forked after TensorFlow was started.
    ValueError
        If the arguments do not fit together.
    """
    check_not_forked()
    progress = _checked(program, progress, x, y, weight, validation, score, patience)
    with device():
        data = _Data(program, x, y, weight, validation, batch_size, shuffle, progress)
        fit = _Fit(program, progress, data, hyper or {}, schedule, score, patience, callbacks)
        with fit.tables.in_use(progress) if fit.tables else contextlib.nullcontext():
            return fit.run(progress.epoch + epochs)


class _Data:
    """Rows and validation rows on the device, and the order in which steps take them."""

    def __init__(self, program, x, y, weight, validation, batch_size, shuffle, progress):
        n, parts = rows.n_rows(x), tf.nest.flatten(x)
        sparse = any(sp.issparse(part) for part in parts)
        self.mode = compile_mode(program, -(-n // batch_size), sparse)
        xla = self.mode == "xla"
        if n < batch_size:
            batch_size = min(batch_size, rows.row_bucket(n)) if xla else n
        lengths = next((part.lengths for part in parts if isinstance(part, rows.Sequences)), None)
        self.order = rows.Order(n, batch_size, progress.seed, shuffle, lengths)
        floats = [a.dtype for a in tf.nest.flatten(progress.state) if a.dtype.kind == "f"]
        self.dtype = np.dtype(floats[0]) if floats else np.dtype(np.float32)
        weight = np.ones(n) if weight is None else np.asarray(weight, np.float64)
        weight = (weight * (n / weight.sum())).astype(self.dtype)
        self.rows = rows.to_device((x, y, weight), rows.row_bucket(n) if xla else None)
        self.validation, self.n_validation, self.digest = (), 0, ""
        if validation is not None:
            self.digest = digest(validation)
            x, y, weight = validation
            self.n_validation = n = rows.n_rows(x)
            weight = np.ones(n) if weight is None else np.asarray(weight, np.float64)
            weight = (weight / weight.sum()).astype(self.dtype)
            size = max(rows.row_bucket(n), EVALUATED_ROWS) if xla else None
            self.validation = rows.to_device((x, y, weight), size)


class _Fit:
    """One :func:`train` under way."""

    def __init__(self, program, progress, data, hyper, schedule, score, patience, callbacks):
        self.program, self.data, self.order = program, data, data.order
        self.hyper = hyper | {"steps_per_epoch": self.order.steps_per_epoch}
        self.schedules, self.score = _by_number(schedule, self.hyper), score
        self.patience, self.callbacks = patience, callbacks
        watched = ""
        if patience is not None:
            watched = f"{'val_loss' if score is None else 'val_score'} {data.digest}"
        if watched != progress.watched:  # what an earlier fit found best is not so any more
            progress = replace(
                progress, watched=watched, best=None, best_value=np.inf, best_epoch=-1
            )
        self.progress = progress
        state = dict(progress.state)
        self.tables = _tables(program, state.pop("tables", None))
        self.state = tf.nest.map_structure(tf.constant, state)
        self.step = progress.epoch * self.order.steps_per_epoch
        self.stop, self.factor = False, progress.learning_rate_factor
        self.columns = [*program.logs, *(["val_loss"] if data.validation else [])]
        new = [*self.columns, *(["val_score"] if score is not None else [])]
        missing = [np.nan] * progress.epoch
        self.history = {
            name: list(progress.history.get(name, missing))
            for name in dict.fromkeys([*progress.history, *new])
        }
        self.sums = np.zeros(len(program.logs) + 1)  # of this epoch: logs times rows, and rows
        self.compiled: Compiled | None = None
        self.best: Any = ()
        if data.validation and watched.startswith("val_loss"):
            kept = self.state["weights"] if progress.best is None else progress.best
            if self.tables:
                kept = {name: value for name, value in kept.items() if name != "table"}
            self.best = {
                "weights": tf.nest.map_structure(tf.convert_to_tensor, kept),
                "value": tf.constant(progress.best_value, data.dtype),
                "epoch": tf.constant(progress.best_epoch),
            }

    def run(self, epochs: int) -> Progress:
        """Steps up to the end of epoch number ``epochs``."""
        self.epochs = epochs
        begun, interrupted, ctrl_c = self.step, False, interrupts.Deferred()
        try:
            with ctrl_c:
                while self.step < epochs * self.order.steps_per_epoch and not self.stop:
                    self._call()
                    ctrl_c.raise_pending()
                    between_calls.get()()
        except KeyboardInterrupt as error:
            failed = error.__cause__ is not None or self.step == begun
            others = ctrl_c.nested or raise_interrupts.get()  # for whom it is meant
            if failed or others or interrupts.record_interrupt():
                raise
            interrupted = True
        return self.result(interrupted)

    def _call(self) -> None:
        """Run some steps, and what follows an epoch's end on the host."""
        per_epoch = self.order.steps_per_epoch
        longest = _CALL_STEPS_XLA
        if self.data.mode == "graph":
            longest = max(1, min(_CALL_STEPS_GRAPH, _CALL_ROW_NUMBERS // self.order.batch_size))
        stop = min(self.step + longest, self.epochs * per_epoch)
        if self.callbacks or self.score is not None:
            stop = min(stop, (self.step // per_epoch + 1) * per_epoch)
        arguments = self._arguments(stop)
        function = self._function(arguments)
        if stop > self.step + function.affordable_steps:
            stop = self.step + function.affordable_steps
            arguments = self._arguments(stop)
        begun = time.perf_counter()
        n_steps, state, tracker = function(arguments)
        record = np.asarray(tracker.record, np.float64)[: int(n_steps)]
        function.took(time.perf_counter() - begun, len(record))
        if not np.isfinite(record).all():
            first = np.isfinite(record).all(axis=1).argmin()
            raise FitDivergedError(self._divergence((self.step + int(first)) // per_epoch))
        ended, sums = self._epochs(record)
        columns = dict(zip(self.columns, ended.T.tolist(), strict=True))
        for name, values in self.history.items():
            values += columns.get(name, [np.nan] * len(ended))
        best, step = tracker.best, self.step + len(record)
        over = best != () and bool(tracker.stop)
        # One line, as a second Ctrl-C comes between two; the history counts as far as the step.
        self.state, self.best, self.sums, self.stop, self.step = state, best, sums, over, step
        if len(ended) and (self.callbacks or self.score is not None):  # then it is one
            logs = {name: values[0] for name, values in columns.items()}
            if self.score is not None:
                logs["val_score"] = self._track_score()
                self.log(self.step // per_epoch - 1, logs)
            if self.callbacks:
                self._call_back(logs)

    def _epochs(self, record: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The epochs that a call's steps have ended, (n_epochs, n_columns): mean logs by rows.

        And the sums of the epoch that they have begun.
        """
        n_logs, per_epoch = len(self.program.logs), self.order.steps_per_epoch
        logs, sizes = record[:, :n_logs], record[:, n_logs : n_logs + 1]
        steps = self.step + np.arange(len(record))
        epoch, last = steps // per_epoch, (steps + 1) % per_epoch == 0
        sums = np.zeros((epoch[-1] - epoch[0] + 2, n_logs + 1))
        sums[0] = self.sums
        np.add.at(sums, epoch - epoch[0], np.hstack([logs * sizes, sizes]))
        n_ended = np.count_nonzero(last)
        means = sums[:n_ended, :-1] / sums[:n_ended, -1:]
        return np.hstack([means, record[last, n_logs + 1 :]]), sums[n_ended]

    def _function(self, arguments: tuple) -> Compiled:
        """The compiled loop for arguments of these shapes."""
        if self.compiled is None:
            like = structure_of(self.hyper)
            self.compiled = compiled(
                "train",
                self.program,
                self.data.mode,
                arguments,
                loose=(0, 0, 0, 1, 2, 1, 1, 0, 1),
                make=lambda: training_loop(self.program, like, self.tables),
                detail=(repr(like), self.tables),
            )
        return self.compiled

    def _arguments(self, stop: int) -> tuple:
        """Arguments of the compiled loop for the steps up to ``stop``."""
        order, step = self.order, self.step
        numbers, steps = order.steps(step, stop), np.arange(step, stop)
        keys = random.step_keys(self.progress.seed, *np.divmod(steps, order.steps_per_epoch))
        factors = self._factors(steps / order.steps_per_epoch)
        if self.data.mode == "xla":
            numbers = rows.pad(numbers, _CALL_STEPS_XLA)
            keys = rows.pad(keys, _CALL_STEPS_XLA)
            factors = {name: rows.pad(f, _CALL_STEPS_XLA) for name, f in factors.items()}
        counters = Counters(
            stop - step,
            step,
            order.steps_per_epoch,
            self.patience or 0,
            self.data.n_validation,
        )
        return (
            self.state,
            self.best,
            tf.constant(counters, tf.int32),
            self.data.rows,
            tf.constant(numbers),
            tf.constant(keys),
            {name: tf.constant(f) for name, f in factors.items()},
            pack(self.hyper, self.data.dtype),
            self.data.validation,
        )

    def _factors(self, epochs: np.ndarray) -> dict[str, np.ndarray]:
        """What multiplies run-time numbers at some epochs, (n_steps,) each."""
        factors = {"learning_rate": np.full(len(epochs), self.factor, self.data.dtype)}
        for name, schedule in self.schedules.items():
            found = np.asarray(schedule(epochs), self.data.dtype)
            if not (np.isfinite(found) & (found >= 0)).all():
                wrong = found[~(np.isfinite(found) & (found >= 0))][0]
                raise ValueError(
                    f"the schedule of {name} gives {wrong:g}, which is no factor: it must map an "
                    f"array of epochs to finite numbers from 0 on."
                )
            factors[name] = factors.get(name, 1) * found
        return factors

    def _track_score(self) -> float:
        """Score the weights on the host; keep the best, and stop when patience is out."""
        weights = self.weights()
        value = float(self.score(weights))
        epoch = self.step // self.order.steps_per_epoch - 1
        if not np.isfinite(value):
            raise ValueError(
                f"the score of the validation rows is {value} after epoch {epoch}; early stopping "
                f"needs finite scores. Do the rows hold all classes?"
            )
        if self.patience is None:
            return value
        if -value < self.progress.best_value:
            self.progress = replace(
                self.progress, best=weights, best_value=-value, best_epoch=epoch
            )
        self.stop |= epoch - self.progress.best_epoch >= self.patience
        return value

    def _call_back(self, logs: dict[str, float]) -> None:
        epoch = self.step // self.order.steps_per_epoch - 1
        last = np.array([(self.step - 1) / self.order.steps_per_epoch])
        rate = self.hyper.get("learning_rate", np.nan) * float(
            self._factors(last)["learning_rate"][0]
        )
        seen = EpochState(epoch, self.epochs, logs, self.factor, self.stop, rate, self)
        for callback in self.callbacks:
            callback(seen)
        self.log(epoch, logs)
        self.factor, self.stop = seen.learning_rate_factor, seen.stop

    def log(self, epoch: int, logs: dict[str, float]) -> None:
        """Write the row of an epoch that has ended into the history."""
        for name, value in logs.items():
            self.history.setdefault(name, [np.nan] * (epoch + 1))[epoch] = float(value)

    def _divergence(self, epoch: int) -> str:
        rate = self.hyper.get("learning_rate")
        cause = f" with learning_rate={rate:g}" if isinstance(rate, Real) else ""
        return (
            f"the loss became NaN or infinite in epoch {epoch}{cause}; lower the learning rate, "
            f"scale the inputs, or set clip_norm."
        )

    def weights(self) -> dict:
        """What predict needs, now."""
        return _with_table(self.state, self.tables and self.tables.unload())

    def result(self, interrupted: bool = False) -> Progress:
        """Where the training stands, as arrays."""
        state, best = _to_host(self.state), self.progress.best
        parts = tf.nest.flatten(state["weights"])
        if not all(np.isfinite(part).all() for part in parts):  # the last update's doing
            raise FitDivergedError(self._divergence(self.step // self.order.steps_per_epoch))
        found = {"best": None if best is None else _to_host(best)}
        if self.tables:
            state["tables"] = self.tables.unload()
        if self.best:
            kept = _to_host(self.best["weights"])
            if self.tables:
                kept["table"] = self.tables.unload_best()
            found = {
                "best": kept,
                "best_value": float(self.best["value"]),
                "best_epoch": int(self.best["epoch"]),
            }
        epoch = self.step // self.order.steps_per_epoch
        return replace(
            self.progress,
            state=state,
            epoch=epoch,
            learning_rate_factor=self.factor,
            history={name: values[:epoch] for name, values in self.history.items()},
            interrupted=interrupted,
            stopped=self.stop,
            **found,
        )


def _checked(program, progress, x, y, weight, validation, score, patience) -> Progress:
    """The progress with arrays for its state's leaves; ValueErrors for what does not fit."""
    state = progress.state
    if not isinstance(state, dict) or "weights" not in state:
        raise ValueError('the state must be a dict that has "weights", all that predict needs.')
    for name, part in {"x": x, "y": y, "weight": () if weight is None else weight}.items():
        for array in tf.nest.flatten(part):
            if array.shape[0] != rows.n_rows(x):
                raise ValueError(f"x has {rows.n_rows(x)} rows, but {name} has {array.shape[0]}.")
    if rows.n_rows(x) == 0:
        raise ValueError("x has no rows.")
    if weight is not None and not np.sum(weight) > 0:
        raise ValueError(f"weight sums to {np.sum(weight):g}; it must be more than zero.")
    if validation is not None and program.evaluate is None:
        raise ValueError("validation needs a program with an evaluate function.")
    if patience is not None and validation is None and score is None:
        raise ValueError("patience needs validation rows, or a score, to watch.")
    return replace(progress, state=tf.nest.map_structure(np.asarray, state))


def _by_number(schedule: Any, hyper: dict) -> dict[str, Schedule]:
    """Schedules by the run-time number that each is of."""
    if not isinstance(schedule, dict):
        return {} if schedule is None else {"learning_rate": schedule}
    if unknown := sorted(schedule.keys() - {n for n, v in hyper.items() if isinstance(v, Real)}):
        raise ValueError(f"there are schedules of {unknown}, which are no run-time numbers.")
    return schedule


def _to_host(nest: Any) -> Any:
    return tf.nest.map_structure(np.array, nest)


def _with_table(state: dict, tables: dict | None) -> Any:
    """``state["weights"]``, with the weights of its table if there is one."""
    return {**state["weights"], "table": tables["weights"]} if tables else state["weights"]


def _tables(program: Program, parts: dict[str, np.ndarray] | None) -> Tables | None:
    """Free tables of the program, now taken: the first ones, or more if fits run side by side."""
    if parts is None:
        return None
    table = parts["weights"]
    layout = (tuple(parts), table.shape[1], table.dtype.name)
    kept = (
        programs.get("tables", (program.key, *layout, i), lambda: Tables(*layout)) for i in count()
    )
    return next(tables for tables in kept if tables.lock.acquire(blocking=False))


def digest(nest: Any) -> str:
    """Of the bytes of a nest of arrays, to tell whether they are the same."""
    found = hashlib.blake2b(digest_size=8)
    for part in tf.nest.flatten(nest):
        pieces: tuple = (part,)
        if sp.issparse(part):
            pieces = (part.indptr, part.indices, part.data)
        if isinstance(part, rows.Sequences):
            pieces = (part.values, part.offsets)
        for piece in pieces:
            if piece is not None:
                found.update(np.asarray(piece).tobytes())
    return found.hexdigest()
