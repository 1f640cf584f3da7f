"""Settings of a block of code: how and where programs are compiled."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from sklearn.utils._param_validation import StrOptions, validate_params

_DEFAULTS = {"compile": None, "device": None, "precision": "float32"}
_settings: ContextVar[dict] = ContextVar("skdeep_settings", default=_DEFAULTS)
# Whether Ctrl-C is for whoever runs the fits (a search sets it), not for the one fit under way.
raise_interrupts: ContextVar[bool] = ContextVar("skdeep_raise_interrupts", default=False)

# Called between two calls of a training program: what it raises ends the fit.
between_calls: ContextVar[Callable[[], None]] = ContextVar(
    "skdeep_between_calls", default=lambda: None
)


@contextmanager
def interrupts_are_ours() -> Iterator[bool]:
    """Ctrl-C is for the code of this block, not for its fits; whether it is for one around it."""
    outer, token = raise_interrupts.get(), raise_interrupts.set(True)
    try:
        yield outer
    finally:
        raise_interrupts.reset(token)


def get_config() -> dict:
    """The settings in force: a dict with the keys of :func:`config_context`."""
    return dict(_settings.get())


@contextmanager
@validate_params(
    {
        "compile": [StrOptions({"graph", "xla"}), None],
        "device": [str, None],
        "precision": [StrOptions({"float32", "float64", "mixed_bfloat16"}), None],
    },
    prefer_skip_nested_validation=True,
)
def config_context(
    *, compile: str | None = None, device: str | None = None, precision: str | None = None
) -> Iterator[None]:
    """Set how the fits inside a ``with`` block are compiled; None leaves a setting as it is.

    Settings hold for the calling thread; a search's parallel workers have their own.

    Parameters
    ----------
    compile : {"graph", "xla"}, default=None
        Compile all programs so. By default a rule on structure, shapes and device decides:
        XLA for dense networks with at least four steps an epoch, else TensorFlow's graph mode.
    device : str, default=None
        A TensorFlow device such as "cpu" or "gpu:1". By default the first GPU, where there is
        one.
    precision : {"float32", "float64", "mixed_bfloat16"}, default=None
        Numbers that networks compute in. "float64" is for checks against theory;
        "mixed_bfloat16" computes in bfloat16 and keeps float32 weights, for recent GPUs.

    Examples
    --------
    >>> from skdeep import config_context, get_config
    >>> with config_context(precision="float64"):
    ...     get_config()["precision"]
    'float64'
    """
    given = {"compile": compile, "device": device, "precision": precision}
    changed = {name: value for name, value in given.items() if value is not None}
    token = _settings.set(_settings.get() | changed)
    try:
        yield
    finally:
        _settings.reset(token)
