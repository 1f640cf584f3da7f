"""TensorFlow as a guest in the user's process: loaded late, quiet, and safe after a fork.

What TensorFlow has only process-wide is set here, once, when the engine is first imported:

- its start-up messages (CPU features, the lack of a GPU) are dropped, and only they: the error
  stream is watched during the import, whatever else was written is passed on;
- GPU memory growth, so that a fit takes what it needs and not the whole card;
- oneDNN's kernels, which TensorFlow leaves off on x86 processors without VNNI (AMD before Zen 4,
  Intel before 2019 or so): convolutions and pooling are two to four times slower without.

A TensorFlow that is loaded already, or a user who set ``TF_CPP_MIN_LOG_LEVEL`` or
``TF_ENABLE_ONEDNN_OPTS``, is left alone; the environment is as it was afterwards. A TensorFlow that
was loaded before without oneDNN is told of: its last bits are not those of a worker process.
"""

import ctypes
import functools
import os
import platform
import re
import sys
import tempfile
import threading
import warnings
from contextlib import contextmanager

_NOISE = re.compile(
    rb"^([IWE]\d{4} |WARNING: All log messages before absl|To enable the following)"
)
_forked = False
_stderr_lock = threading.Lock()


_silent = "TF_CPP_MIN_LOG_LEVEL" not in os.environ and "tensorflow" not in sys.modules


@contextmanager
def quiet():
    """Drop TensorFlow's messages, some of which come before its log level can be set.

    The error stream is the whole process's: one block at a time holds it, and passes on what is
    not TensorFlow's when it ends.
    """
    if not _silent:
        yield
        return
    with _stderr_lock:
        yield from _without_noise()


def _without_noise():
    """What :func:`quiet` does, as a generator that yields once."""
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


@contextmanager
def _with_onednn():
    """Have a TensorFlow that is loaded inside use oneDNN on any x86 processor."""
    switch = "TF_ENABLE_ONEDNN_OPTS"
    if switch in os.environ or platform.machine().lower() not in ("x86_64", "amd64"):
        yield
        return
    if "tensorflow" in sys.modules:
        yield
        _warn_without_onednn()
        return
    os.environ[switch] = "1"
    try:
        yield
    finally:
        del os.environ[switch]


def _warn_without_onednn():
    """Tell of a TensorFlow that was loaded before this module and does without oneDNN."""
    from tensorflow.python.util import _pywrap_util_port

    if not _pywrap_util_port.IsMklEnabled():
        warnings.warn(
            "TensorFlow was loaded before skdeep.engine, on a processor where it leaves oneDNN "
            "off: convolutional networks train two to four times slower, and their last bits "
            "differ from those of a process that loads skdeep.engine first. 'import skdeep' alone "
            "does not load it: put 'import skdeep.engine' before the import of TensorFlow or "
            "Keras, or set TF_ENABLE_ONEDNN_OPTS to 0 or 1.",
            RuntimeWarning,
            stacklevel=2,
        )


def _start():
    """Import TensorFlow and touch its devices, which is when it speaks."""
    with quiet(), _with_onednn():
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
    with quiet():
        tf.function(tf.math.is_finite, jit_compile=True, autograph=False)(tf.ones((2,)))


@functools.cache
def _malloc_trim():
    """The C library's ``malloc_trim``, where it has one (glibc)."""
    if not sys.platform.startswith("linux"):
        return None
    return getattr(ctypes.CDLL(None), "malloc_trim", None)


def return_freed_memory():
    """Give memory that was freed back to the system; after a compilation that is megabytes."""
    if (trim := _malloc_trim()) is not None:
        trim(0)


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
