"""Programs: what a model family contributes, and how it is compiled."""

import contextlib
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from skdeep._config import get_config
from skdeep.engine.cache import programs
from skdeep.engine.runtime import quiet, return_freed_memory, start_xla, tf

_CALL_SECONDS = 0.8


@dataclass(frozen=True, eq=False)
class Program:
    """Pure functions of one model, and the key that tells it from all others.

    Parameters
    ----------
    key : hashable
        Everything that shapes the functions, beyond the shapes and dtypes of their arguments:
        programs with equal keys must be interchangeable.
    step : callable
        ``step(state, batch, key, hyper) -> (state, logs)``. ``state`` is a dict of (nests of)
        arrays whose shapes and dtypes never change; ``state["weights"]`` is what predict needs.
        ``batch`` is a :class:`~skdeep.engine.rows.Batch`; ``key`` a random key for
        :mod:`skdeep.engine.random`; ``hyper`` holds the run-time numbers as scalar tensors,
        ``hyper["learning_rate"]`` already times its schedule, and ``hyper["steps_per_epoch"]``.
        ``logs`` is a dict of scalars, averaged over the epoch by rows.
    logs : tuple of str
        The keys of ``logs``.
    evaluate : callable, optional
        ``evaluate(weights, batch, hyper)`` returns the loss of each row, for validation.
    predict : callable, optional
        ``predict(weights, x, hyper)`` returns a nest of arrays, each (n, ...).
    gradient : callable, optional
        ``gradient(weights, batch, key, hyper)`` returns the gradient that ``step`` descends, as
        a dict of weights' names.
    xla_on_cpu, xla_on_gpu : bool, default=True
        False keeps the program out of XLA on that device: on a CPU it is slow at convolutions, on
        a GPU it lacks cuDNN's recurrent layers.
    padded : bool, default=True
        False gives the step no padding, for functions that let it count as rows (Keras's batch
        normalisation). It keeps the program out of XLA, whose shapes are fixed.
    """

    key: Hashable
    step: Callable
    logs: tuple[str, ...] = ("loss",)
    evaluate: Callable | None = None
    predict: Callable | None = None
    gradient: Callable | None = None
    xla_on_cpu: bool = True
    xla_on_gpu: bool = True
    padded: bool = True

    def __post_init__(self) -> None:
        if isinstance(self.logs, str) or not self.logs:
            raise ValueError(f"logs must be a tuple of names, one at least, but is {self.logs!r}.")


class Compiled:
    """A traced function, and how many steps it may run in a call of about a second."""

    def __init__(self, function: Callable, specs: list, mode: str) -> None:
        if mode == "xla":
            start_xla()
        traced = tf.function(function, autograph=False, jit_compile=mode == "xla")
        concrete = traced.get_concrete_function(*specs)
        self._function, self._captured = concrete.inference_fn, concrete.captured_inputs
        self._outputs = tf.nest.map_structure(lambda _: None, concrete.structured_outputs)
        _forget_graph(self._function)
        self._is_new = True  # its first call compiles, and oneDNN tells of each double in it
        doubles = any(spec.dtype == tf.float64 for spec in tf.nest.flatten(specs))
        self._is_noisy = doubles or get_config()["precision"] != "float32"
        self.affordable_steps = 1  # until its speed is known

    def __call__(self, arguments: tuple) -> Any:
        # The signature was looked up already; to call by it would check it again, in 0.4 ms.
        flat = [*tf.nest.flatten(arguments), *self._captured]
        if self._is_new:
            with quiet() if self._is_noisy else contextlib.nullcontext():
                results = self._function.call_flat(*flat)
            self._is_new = False
            return_freed_memory()  # what compiling took is as much as the program keeps
        else:
            results = self._function.call_flat(*flat)
        return tf.nest.pack_sequence_as(self._outputs, results)

    def took(self, seconds: float, steps: int) -> None:
        """Learn from a call's time. It decides nothing but where calls end."""
        affordable = int(_CALL_SECONDS * steps / seconds)
        self.affordable_steps = max(1, min(affordable, 16 * self.affordable_steps))


def _forget_graph(function: Any) -> None:
    """Let go of the Python graph of a traced function, a third of the memory that it takes.

    TensorFlow's runtime has its own copy; the Python one serves to differentiate the function,
    which nobody does.
    """
    if hasattr(function, "_cached_graph"):
        function._cached_graph = None
    for child in function.children:
        _forget_graph(child)


def compile_mode(program: Program, steps_per_epoch: int, sparse: bool = False) -> str:
    """How a program is trained, "xla" or "graph": the two never give the same bits.

    A rule on structure, shapes and device alone. The number of epochs is not among them, so that
    five epochs and five more are ten; nor is anything that ran before. Sparse rows have batches
    of any length, which XLA cannot compile; so have batches without padding.
    """
    if sparse or not program.padded:
        return "graph"
    if (chosen := get_config()["compile"]) is not None:
        return chosen
    if on_gpu():
        return "xla" if program.xla_on_gpu else "graph"
    return "xla" if program.xla_on_cpu and steps_per_epoch >= 4 else "graph"


def on_gpu() -> bool:
    """Whether programs run on a GPU: there is one, and the settings do not ask for the CPU."""
    device = get_config()["device"]
    return "gpu" in device.lower() if device else bool(tf.config.list_logical_devices("GPU"))


def devices() -> list[str]:
    """The GPUs present, or without any the CPU, by the names that ``config_context`` takes."""
    present = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return [device.name.removeprefix("/device:").lower() for device in present]


def device():
    """A context in which tensors are made and programs run on the device of the settings."""
    name = get_config()["device"]
    if not name:
        return contextlib.nullcontext()
    present = [d.name.removeprefix("/device:").lower() for d in tf.config.list_logical_devices()]
    wanted = name.lower().removeprefix("/").removeprefix("device:")
    if wanted not in present and f"{wanted}:0" not in present:
        raise ValueError(f"device {name!r} is not there; TensorFlow sees {', '.join(present)}.")
    return tf.device(name)


def compiled(
    kind: str,
    program: Program,
    mode: str,
    arguments: tuple,
    *,
    loose: tuple[int, ...],
    make: Callable[[], Callable],
    detail: Hashable = (),
) -> Compiled:
    """The concrete function for the signature of ``arguments``, from the store or built.

    Parameters
    ----------
    kind : str
        Which of the program's functions this is.
    mode : {"graph", "xla"}
    arguments : tuple of nests of tensors
    loose : tuple of int
        How many first axes of each argument may have any length (in graph mode; XLA has fixed
        shapes).
    make : callable
        Returns the Python function to be traced.
    detail : hashable
        What else shapes that function.
    """
    free = loose if mode == "graph" else (0,) * len(loose)
    outlines = tuple(_outline(a, n) for a, n in zip(arguments, free, strict=True))
    signature = (program.key, mode, get_config()["device"], outlines, detail)

    def build() -> Compiled:
        specs = [
            tf.nest.map_structure(lambda t, n=n: tf.TensorSpec(_shape(t, n), t.dtype), argument)
            for argument, n in zip(arguments, free, strict=True)
        ]
        return Compiled(make(), specs, mode)

    return programs.get(f"{kind} ({mode})", signature, build)


def _shape(tensor: Any, n_free: int) -> tuple:
    """A tensor's shape whose first axes may have any length."""
    shape = tensor.shape.as_list()
    return (*[None] * len(shape[:n_free]), *shape[n_free:])


def _outline(nest: Any, n_free: int) -> Hashable:
    """The structure, shapes and dtypes of a nest of tensors, as a hashable."""
    if isinstance(nest, dict):
        return tuple((name, _outline(nest[name], n_free)) for name in sorted(nest))
    if isinstance(nest, tuple | list):
        return (type(nest), *(_outline(part, n_free) for part in nest))
    return (_shape(nest, n_free), nest.dtype)


def pack(hyper: dict, dtype) -> Any:
    """Run-time numbers as one vector: one input of a program instead of twenty."""
    return tf.constant([float(v) for v in tf.nest.flatten(hyper)], dtype)


def unpack(like: dict, vector) -> dict:
    """The vector of :func:`pack` as scalar tensors, in the structure of ``like``."""
    numbers = tf.unstack(vector, num=len(tf.nest.flatten(like)))
    return tf.nest.pack_sequence_as(like, numbers)


def structure_of(hyper: Any) -> Any:
    """The nest of run-time numbers with zeros for its numbers; dicts sorted, as they are packed."""
    if isinstance(hyper, dict):
        return {name: structure_of(hyper[name]) for name in sorted(hyper)}
    return tuple(0 for _ in hyper) if isinstance(hyper, tuple) else 0
