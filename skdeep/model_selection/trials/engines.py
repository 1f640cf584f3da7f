"""Where the fits of a search run: here, in threads, in processes, or where an executor takes them.

All are executors of :mod:`concurrent.futures`, so that a search knows one way to hand work out.
Threads share what skdeep's estimators have compiled, and are their default; everything else takes
processes. joblib's ``parallel_config`` chooses otherwise.

What the fits share is sent once: to processes by a file, whose arrays all of them map into memory;
to an executor of the user's, of which nothing is known, with a first fit that did not find it.
"""

import faulthandler
import os
import pickle
import shutil
import socket
import sys
import tempfile
import threading
import time
import uuid
import warnings
from collections import deque
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextvars import copy_context
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import sklearn
from joblib import cpu_count
from joblib.externals.loky import ProcessPoolExecutor
from joblib.parallel import get_active_backend
from sklearn.base import BaseEstimator
from sklearn.utils.parallel import delayed

from skdeep._config import between_calls, config_context, get_config
from skdeep.exceptions import FitTimeoutError
from skdeep.hyperparameters import is_ours
from skdeep.model_selection.trials.evaluation import Work
from skdeep.model_selection.trials.journal import is_process

IDLE_SECONDS = 300  # after which a process ends
THREAD_LIMITS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
)
ALIGNED = 64  # bytes
GRACE_SECONDS = 10.0  # beyond its limit, in which a network of ours may end by itself


class Here(Executor):
    """Calls at once, in the calling thread."""

    def submit(self, fn, /, *args, **kwargs):
        future: Future = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class Threads(ThreadPoolExecutor):
    """Threads that see the settings of the one that hands them work: skdeep's, scikit-learn's."""

    def submit(self, fn, /, *args, **kwargs):
        settings = sklearn.get_config()  # of the thread, not of the context

        def call() -> Any:
            with sklearn.config_context(**settings):
                return fn(*args, **kwargs)

        return super().submit(copy_context().run, call)


def engine_for(estimator: BaseEstimator, n_jobs: int | None) -> tuple[str, int]:
    """'here', 'threads' or 'processes', and how many workers, as joblib reads n_jobs."""
    backend, its_n_jobs = get_active_backend(prefer="threads" if is_ours(estimator) else None)
    n = backend.effective_n_jobs(its_n_jobs if n_jobs is None else n_jobs)
    if n == 1:
        return "here", 1
    if getattr(backend, "uses_threads", False):
        return "threads", n
    name = type(backend).__name__
    if name not in ("LokyBackend", "MultiprocessingBackend"):
        raise ValueError(
            f"joblib's {name} runs no search, which hands out fits one by one; pass an executor "
            "of concurrent.futures as executor=, as Dask's client.get_executor() is one."
        )
    return "processes", n


_lock = threading.Lock()
_shared: dict[int, ProcessPoolExecutor] = {}  # by the number of workers; one at most


def processes(n: int) -> ProcessPoolExecutor:
    """n processes that live on after a search, and are there for the next."""
    with _lock:
        if n not in _shared:
            for other in _shared.values():
                other.shutdown(wait=False)
            _shared.clear()
            threads = str(max(cpu_count() // n, 1))
            env = {name: os.environ.get(name, threads) for name in THREAD_LIMITS}
            _shared[n] = ProcessPoolExecutor(n, timeout=IDLE_SECONDS, env=env)
        return _shared[n]


def kill(executor: ProcessPoolExecutor) -> None:
    """End processes at once, whatever they do."""
    with _lock:
        for n in [n for n, shared in _shared.items() if shared is executor]:
            del _shared[n]
    executor.shutdown(kill_workers=True)


def temporary_folder() -> Path:
    """A new folder of this process's; those of processes that were killed go."""
    begin = f"skdeep-{socket.gethostname()}-"
    for folder in Path(tempfile.gettempdir()).glob(f"{begin}*"):
        owner = folder.name.removeprefix(begin).partition("-")[0]
        if owner.isdecimal() and not is_process(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{begin}{os.getpid()}-"))


class Parcel:
    """Work on its way to other processes, which take it once.

    Parameters
    ----------
    work : Work
        What the fits of a search share.
    by_file : bool
        Whether the processes are of this machine: then they map a file into memory.
    """

    def __init__(self, work: Work, by_file: bool) -> None:
        self.token = uuid.uuid4().hex
        buffers: list[pickle.PickleBuffer] = []
        head = cloudpickle.dumps(work, protocol=5, buffer_callback=buffers.append)
        parts = [head, *(buffer.raw() for buffer in buffers)]
        ends = np.cumsum([len(part) + -len(part) % ALIGNED for part in parts])
        self.spans = [(int(end), len(part)) for end, part in zip([0, *ends], parts)]
        filled = (bytes(part) + b"\0" * (-len(part) % ALIGNED) for part in parts)
        self.folder = temporary_folder() if by_file else None
        self.data = b"" if by_file else b"".join(filled)
        if self.folder is not None:
            with (self.folder / "work").open("wb") as file:
                file.writelines(filled)

    def close(self) -> None:
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def address(self, whole: bool) -> tuple:
        """What another process opens it by; ``whole`` brings it along."""
        return self.token, self.spans, self.folder, self.data if whole else b""


_opened: dict[str, Work] = {}  # of another process, by token; the last one


def opened(
    token: str, spans: list[tuple[int, int]], folder: Path | None, data: bytes
) -> Work | None:
    """The work of a parcel, in another process; None if it has not been there."""
    if token not in _opened and (folder is not None or data):
        if folder is not None:
            with (folder / "work").open("rb") as file:
                view = memoryview(mmap(file.fileno(), 0, access=ACCESS_READ))
        else:
            view = memoryview(data)
        head, *buffers = (view[start : start + length] for start, length in spans)
        _opened.clear()
        _opened[token] = pickle.loads(head, buffers=buffers)
    return _opened.get(token)


def _fit_elsewhere(
    address: tuple, settings: dict[str, Any], name: str, limit: float | None, fit: tuple
) -> dict[str, Any] | None:
    """A fit in another process, under the settings of this one; None if the work is not there."""
    work, folder = opened(*address), address[2]
    if work is None:
        return None
    with config_context(**settings):
        if limit is None or folder is None:
            return _fit_within(limit, work, fit)
        # Whatever hangs, a thread that needs nothing of Python's ends the process.
        with (folder / name).open("w") as file:
            grace = GRACE_SECONDS if is_ours(work.estimator) else 0.0
            faulthandler.dump_traceback_later(limit + grace, exit=True, file=file)
            try:
                return _fit_within(limit, work, fit)
            finally:
                faulthandler.cancel_dump_traceback_later()


def _fit_within(
    limit: float | None, work: Work, fit: tuple, end: threading.Event | None = None
) -> dict[str, Any]:
    """A fit whose networks look, between two calls, at the clock and at whether all is to end."""
    deadline = np.inf if limit is None else time.perf_counter() + limit

    def check() -> None:
        if end is not None and end.is_set():
            raise KeyboardInterrupt
        if time.perf_counter() > deadline:
            raise FitTimeoutError("the candidate took longer than candidate_timeout allows")

    token = between_calls.set(check)
    try:
        return work.fit(*fit)
    finally:
        between_calls.reset(token)


def _fit_on(place: str | None, *rest: Any) -> dict[str, Any]:
    with config_context(**_device(place)):
        return _fit_within(*rest)


def _device(place: str | None) -> dict[str, str]:
    """Settings of a fit that has a place."""
    return {} if place is None else {"device": place}


def _places(estimator: BaseEstimator, trials_per_device: int | None) -> list[str]:
    """A place for each fit that may run at once, if fits are to be placed."""
    if trials_per_device is None:
        return []
    if not is_ours(estimator):
        raise ValueError(
            f"trials_per_device places networks of skdeep's, but no part of "
            f"{type(estimator).__name__} is one; leave it out."
        )
    from skdeep.engine.program import devices  # which loads TensorFlow

    return trials_per_device * devices()


class Pool:
    """Runs the fits of a search, and ends with it.

    Parameters
    ----------
    work : Work
        What the fits share.
    n_jobs : int or None
        How many run side by side, as joblib reads it.
    executor : Executor or None
        Where they run, if not where :func:`engine_for` has it.
    limited : bool
        Whether fits have a time limit, which must be kept.
    trials_per_device : int or None
        How many fits run on each GPU, or CPU device where there is none.

    Attributes
    ----------
    engine : {'here', 'threads', 'processes', 'executor'}
        Where they run.
    n_workers : int
        How many run side by side.
    places : deque of str or None
        Devices on which a fit may begin; None is where the settings have it.
    """

    def __init__(
        self,
        work: Work,
        n_jobs: int | None,
        executor: Executor | None,
        limited: bool,
        trials_per_device: int | None = None,
    ) -> None:
        self.work = work
        self.parcel: Parcel | None = None
        self.executor: Any = executor
        self.places: deque[str | None] = deque()
        self._end = threading.Event()
        if executor is not None:
            self.engine = "executor"
            self.n_workers = sys.maxsize if n_jobs is None or n_jobs < 0 else n_jobs
            if isinstance(executor, ThreadPoolExecutor):
                self.engine = "threads"
        else:
            places = _places(work.estimator, trials_per_device)
            n_jobs = n_jobs if n_jobs is not None or not places else len(places)
            self.engine, self.n_workers = engine_for(work.estimator, n_jobs)
            self.n_workers = min(self.n_workers, len(places) or self.n_workers)
            self.places.extend(places or [None] * self.n_workers)
        if limited and not is_ours(work.estimator) and self.engine != "processes":
            if self.engine != "here":
                raise ValueError(
                    f"candidate_timeout can end fits of {type(work.estimator).__name__} in "
                    "processes of this machine only, but they run in "
                    f"{'threads' if self.engine == 'threads' else 'an executor of yours'}; leave "
                    "out executor and parallel_config, or candidate_timeout."
                )
            self.engine = "processes"
        if self.engine == "here":
            self.executor = Here()
        elif self.engine == "threads" and executor is None:
            self.executor = Threads(self.n_workers)
        elif self.engine == "processes":
            self.executor, self.parcel = processes(self.n_workers), Parcel(work, by_file=True)
        elif self.engine == "executor":
            self.parcel = Parcel(work, by_file=False)
        self._is_own = executor is None

    def close(self) -> None:
        if self.parcel is not None:
            self.parcel.close()
        if self.engine == "threads" and self._is_own:
            self.executor.shutdown(cancel_futures=True)

    def submit(
        self, name: str, fit: tuple, limit: float | None, place: str | None, whole: bool = False
    ) -> Future:
        """The record of a fit, to come: of a candidate on a split, in scikit-learn's context.

        In an executor of the user's it may be None: then the worker has no work yet, and
        ``whole`` brings it along.
        """
        if self.parcel is None:
            return self.executor.submit(_fit_on, place, limit, self.work, fit, self._end)
        call, arguments, _ = delayed(_fit_elsewhere)(
            self.parcel.address(whole), get_config() | _device(place), name, limit, fit
        )
        call.with_config_and_warning_filters(sklearn.get_config(), warnings.filters)
        return self.executor.submit(call, *arguments)

    def restart(self) -> list[str]:
        """New processes, after one has died; the names of fits that were ended by the clock."""
        kill(self.executor)
        self.executor = processes(self.n_workers)
        assert self.parcel is not None
        assert self.parcel.folder is not None
        left = [file for file in self.parcel.folder.iterdir() if file.name != "work"]
        ended = [file.name for file in left if file.stat().st_size]
        for file in left:
            file.unlink()
        return ended

    def abandon(self) -> None:
        """Let no further fit begin, and end those that run, where that can be done."""
        self._end.set()
        if self.engine == "processes":
            kill(self.executor)
        elif self._is_own:
            self.executor.shutdown(wait=False, cancel_futures=True)
