"""Ctrl-C in a fit. It waits for the end of a call, so that nothing is left half done."""

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator

_last = -float("inf")


@contextlib.contextmanager
def deferred() -> Iterator[Callable[[], None]]:
    """Yields a function that raises KeyboardInterrupt if Ctrl-C has come in the meantime.

    Python raises it wherever it stands: between two lines that belong together, or in the
    ``__del__`` of an object, where it is dropped. A second Ctrl-C is raised there, as ever: the
    code of a callback may take its time. Where Python's own handler is not in place (in a
    thread, under a handler of the user), nothing changes.
    """
    pressed = False

    def press(signum, frame):
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True

    def raise_pending():
        if pressed:
            raise KeyboardInterrupt

    python_s = signal.default_int_handler
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not python_s:
        yield raise_pending
        return
    signal.signal(signal.SIGINT, press)
    try:
        yield raise_pending
    finally:
        signal.signal(signal.SIGINT, python_s)


def interrupted_lately() -> bool:
    """Whether Ctrl-C ended a fit less than two seconds ago: then it is for what runs the fits."""
    global _last
    before, _last = _last, time.monotonic()
    return _last - before < 2
