"""One BLAS thread for small matrices: on 2 cores, two threads are 3.7 times slower."""

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController

# The limit is the process's, and the number of BLAS threads decides the last bits of a result: a
# thread must not lift it while another computes.
_lock = threading.RLock()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Run the body with one BLAS thread; one caller at a time, which may nest."""
    with _lock, _controller().limit(limits=1, user_api="blas"):
        yield


@functools.cache
def _controller() -> ThreadpoolController:
    # Once, for it looks through all loaded libraries; numpy's and scipy's are among them by now.
    return ThreadpoolController()
