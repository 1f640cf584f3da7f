"""Where the fits of a search run: here, in threads, in processes, or where an executor takes them.

All are executors of :mod:`concurrent.futures`, so that a search knows one way to hand work out.
Threads share what skdeep's estimators have compiled, and are their default; everything else takes
processes. joblib's ``parallel_config`` chooses otherwise.

What the fits share is sent once: to processes by a file, whose arrays all of them map into memory;
to an executor of the user's, of which nothing is known, with a first fit that did not find it.
"""

import os
import pickle
import tempfile
import threading
import warnings
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import lru_cache
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import cloudpickle
import sklearn
from joblib import cpu_count
from joblib.externals.loky import ProcessPoolExecutor
from joblib.parallel import get_active_backend
from sklearn.base import BaseEstimator
from sklearn.utils.parallel import delayed

from skdeep._config import config_context, get_config
from skdeep.hyperparameters import Declared
from skdeep.model_selection.evaluation import Work

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


def is_ours(estimator: BaseEstimator) -> bool:
    """Whether an estimator, or any part of it, is one of skdeep's."""
    return any(isinstance(part, Declared) for part in [estimator, *estimator.get_params().values()])


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


class Parcel:
    """Work in a file, of which a process maps what is large instead of reading it."""

    def __init__(self, work: Work) -> None:
        buffers: list[pickle.PickleBuffer] = []
        head = cloudpickle.dumps(work, protocol=5, buffer_callback=buffers.append)
        handle, name = tempfile.mkstemp(prefix="skdeep-")
        self.path = Path(name)
        spans = []
        with os.fdopen(handle, "wb") as file:
            for part in [head, *(buffer.raw() for buffer in buffers)]:
                file.write(b"\0" * (-file.tell() % ALIGNED))
                spans.append((file.tell(), len(part)))
                file.write(part)
        self.key = self.path, tuple(spans)

    def close(self) -> None:
        self.path.unlink(missing_ok=True)

    @staticmethod
    @lru_cache(maxsize=2)
    def opened(path: Path, spans: tuple[tuple[int, int], ...]) -> Work:
        """The work, in another process."""
        with path.open("rb") as file:
            view = memoryview(mmap(file.fileno(), 0, access=ACCESS_READ))
        head, *buffers = (view[start : start + length] for start, length in spans)
        return pickle.loads(head, buffers=buffers)


def _fit_from(parcel: tuple, settings: dict[str, Any], *fit: Any) -> dict[str, Any]:
    """A fit in another process, under the settings of this one."""
    with config_context(**settings):
        return Parcel.opened(*parcel).fit(*fit)


class Pool:
    """Runs the fits of a search, and ends with it.

    Parameters
    ----------
    work : Work
        What the fits share.
    n_jobs : int or None
        How many run side by side, as joblib reads it.
    """

    def __init__(self, work: Work, n_jobs: int | None) -> None:
        self.work = work
        self.engine, self.n_workers = engine_for(work.estimator, n_jobs)
        n = self.n_workers
        self.parcel: Parcel | None = None
        self.executor: Any
        if self.engine == "processes":
            self.executor, self.parcel = processes(n), Parcel(work)
        else:
            self.executor = Here() if self.engine == "here" else Threads(n)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.parcel is not None:
            self.parcel.close()
        elif self.engine == "threads":
            self.executor.shutdown(cancel_futures=True)

    def submit(self, candidate: dict[str, Any], split: int, context: Any) -> Future:
        """The record of a candidate's fit on one split, to come."""
        context = context.subcontext(task_name="candidate-split-evaluation", task_id=split)
        fit = candidate, split, context
        if self.parcel is None:
            return self.executor.submit(self.work.fit, *fit)
        call, arguments, _ = delayed(_fit_from)(self.parcel.key, get_config(), *fit)
        call.with_config_and_warning_filters(sklearn.get_config(), warnings.filters)
        return self.executor.submit(call, *arguments)

    def abandon(self) -> None:
        """Let no further fit begin, and end those that run, where that can be done."""
        if self.engine == "processes":
            kill(self.executor)
        else:
            self.executor.shutdown(wait=False, cancel_futures=True)
