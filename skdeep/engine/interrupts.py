"""Ctrl-C in a fit. It waits for the end of a call, so that nothing is left half done."""

import signal
import threading
import time

_pressed: bool | None = None  # whether Ctrl-C waits for the fit of the main thread; None: no fit
_last = -float("inf")


class Deferred:
    """While it is entered, Ctrl-C waits for ``raise_pending``, or for the end.

    Python raises it wherever it stands: between two lines that belong together, or in the
    ``__del__`` of an object, where it is dropped. A second Ctrl-C is raised there, as ever: the
    code of a callback may take its time. Where Python's own handler is not in place (in a
    thread, under a handler of the user), nothing changes.

    Attributes
    ----------
    nested : bool
        Whether it is in a callback of another fit, for which Ctrl-C waits too.
    """

    def __enter__(self) -> "Deferred":
        global _pressed
        main = threading.current_thread() is threading.main_thread()
        handler = signal.getsignal(signal.SIGINT) if main else None
        self._hears = handler in (signal.default_int_handler, _press)
        self.nested = self._hears and _pressed is not None
        if self._hears and not self.nested:
            signal.signal(signal.SIGINT, _press)
            _pressed = False
        return self

    def raise_pending(self) -> None:
        """Raise KeyboardInterrupt if Ctrl-C has come in the meantime."""
        if self._hears and _pressed:
            raise KeyboardInterrupt

    def __exit__(self, kind, error, trace) -> None:
        global _pressed
        if not self._hears or self.nested:
            return
        if signal.getsignal(signal.SIGINT) is _press:  # else a callback has put its own there
            signal.signal(signal.SIGINT, signal.default_int_handler)
        pressed, _pressed = _pressed, None
        if pressed and not isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt from error


def _press(signum, frame) -> None:
    global _pressed
    if _pressed is not False:  # a second time, or put back by someone when the fit was over
        raise KeyboardInterrupt
    _pressed = True


def record_interrupt() -> bool:
    """Note that Ctrl-C ends a fit; whether it ended one less than two seconds before.

    Then it is for what runs the fits.
    """
    global _last
    before, _last = _last, time.monotonic()
    return _last - before < 2
