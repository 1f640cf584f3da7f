"""TensorFlow as a guest in the user's process: loaded late, quiet, and safe after a fork.

What TensorFlow has only process-wide is set here, once, when the engine is first imported:

- its start-up messages (CPU features, the lack of a GPU) are dropped, and only they: the error
  stream is watched during the import, whatever else was written is passed on;
- GPU memory growth, so that a fit takes what it needs and not the whole card.

A TensorFlow that is loaded already, or a user who set ``TF_CPP_MIN_LOG_LEVEL``, is left alone.
"""

import functools
import os
import re
import sys
import tempfile
from contextlib import contextmanager

_NOISE = re.compile(
    rb"^([IWE]\d{4} |WARNING: All log messages before absl|To enable the following)"
)
_forked = False


_silent = "TF_CPP_MIN_LOG_LEVEL" not in os.environ and "tensorflow" not in sys.modules


@contextmanager
def _quiet():
    """Drop TensorFlow's start-up messages, which come before its log level can be set."""
    if not _silent:
        yield
        return
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as heard:
        os.dup2(heard.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            heard.seek(0)
            for line in heard:
                if not _NOISE.match(line):
                    os.write(2, line)


def _start():
    """Import TensorFlow and touch its devices, which is when it speaks."""
    with _quiet():
        import tensorflow as tf

        for gpu in tf.config.list_physical_devices("GPU"):
            try:
                tf.config.experimental.set_memory_growth(gpu, True)
            except RuntimeError:  # the user's own TensorFlow code has started the card
                pass
        tf.config.list_logical_devices()
    os.register_at_fork(after_in_child=_mark_forked)
    return tf


@functools.cache
def start_xla():
    """Start XLA's service by a first, small program: it announces itself at length."""
    with _quiet():
        tf.function(tf.math.is_finite, jit_compile=True, autograph=False)(tf.ones((2,)))


def _mark_forked():
    global _forked
    _forked = True


def check_not_forked():
    """Refuse to compute in a forked child, where TensorFlow's threads are gone and it hangs.

    Raises
    ------
    RuntimeError
        In a process forked after TensorFlow was started.
    """
    if _forked:
        raise RuntimeError(
            "This process was forked after TensorFlow had started, and TensorFlow would hang in "
            "it. Use threads (joblib's 'threading' backend), loky (its default), or "
            "multiprocessing's 'spawn' or 'forkserver' start method."
        )


tf = _start()
