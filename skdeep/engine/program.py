"""Programs: what a model family contributes, and how it is compiled."""

import contextlib
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from skdeep._config import get_config
from skdeep.engine import rows, tables
from skdeep.engine.cache import programs
from skdeep.engine.runtime import check_not_forked, quiet, return_freed_memory, start_xla, tf

_CALL_SECONDS = 0.8
_TILE = 64  # rows that predict computes at once, so that no row depends on its neighbours' number


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
        ``hyper["learning_rate"]`` already times its schedule. ``logs`` is a dict of scalars,
        averaged over the epoch by rows.
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


def predict(program: Program, weights: Any, x: Any, hyper: dict | None = None) -> Any:
    """Outputs for rows x, a nest of arrays (n, ...), as a nest of ndarrays (n, ...).

    Rows are computed in tiles of fixed size, so that a row's outputs depend neither on the rows
    beside it nor on their number. Of sequences those of about one length share a tile; outputs
    that they have for each step come as :class:`~skdeep.engine.rows.Sequences`.
    """
    check_not_forked()
    if program.predict is None:
        raise ValueError("the program has no predict function; give it one, Program(predict=...).")
    hyper = hyper or {}
    structure = structure_of(hyper)
    numbers, n_steps, lengths = _tiles(x)
    with device():
        on_device, weights, table = _placed(x, weights)
        tiles = tf.constant(numbers), tf.constant(n_steps)
        arguments = (weights, pack(hyper, _dtype_of(weights)), on_device, tiles, table)
        function = compiled(
            "predict",
            program,
            "graph",
            arguments,
            loose=(0, 0, 1, 1, 1),
            make=lambda: _tiled(program, structure),
            detail=repr(structure),
        )
        outputs = tf.nest.map_structure(np.asarray, function(arguments))
    return tf.nest.map_structure(partial(_in_order, numbers, n_steps, lengths), outputs)


def _tiles(x: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Row numbers of the tiles, (n_tiles, 64), -1 for none; their steps (n_tiles,); row lengths."""
    n = rows.n_rows(x)
    lengths = next((p.lengths for p in tf.nest.flatten(x) if isinstance(p, rows.Sequences)), None)
    if lengths is None:
        numbers = np.full((-(-n // _TILE), _TILE), -1, np.int32)
        numbers.ravel()[:n] = np.arange(n)
        return numbers, np.zeros(len(numbers), np.int32), None
    buckets = rows.length_bucket(lengths)
    tiles, n_steps = [], []
    for bucket in np.unique(buckets):
        members = np.flatnonzero(buckets == bucket).astype(np.int32)
        missing = np.full(-len(members) % _TILE, -1, np.int32)
        tiles.append(np.append(members, missing).reshape(-1, _TILE))
        n_steps += [bucket] * len(tiles[-1])
    return np.concatenate(tiles), np.array(n_steps, np.int32), lengths


def _in_order(numbers: np.ndarray, n_steps: np.ndarray, lengths: np.ndarray | None, output: Any):
    """A tiled output, its rows in the order of x, without padding.

    Where rows have lengths, an output longer than the tiles is one for each step.
    """
    real = numbers.ravel() >= 0
    if lengths is None:
        assert len(output) == numbers.size, "the steps of rows of one length must be known"
        return output[: np.count_nonzero(real)]
    rank = np.empty(len(lengths), np.int64)  # where each row stands in the tiles
    rank[numbers.ravel()[real]] = np.flatnonzero(real)
    if len(output) == numbers.size:
        return output[rank]
    ends = np.cumsum(np.repeat(n_steps, _TILE), dtype=np.int64)
    first = ends[rank] - n_steps[rank // _TILE]
    return rows.Sequences.of(output[rows.positions(first, lengths)], lengths)


def gradient(
    program: Program, weights: Any, x: Any, y: Any, weight: np.ndarray, hyper: dict, key: Any
) -> Any:
    """The gradient that a step on all these rows would descend, as a dict of ndarrays.

    Of a table of wide sparse rows it has the rows that they touch.

    Parameters
    ----------
    program : Program
    weights : dict
    x, y : nests of arrays, each (n, ...)
    weight : ndarray (n,)
        Row weights with a mean of one over the data set.
    hyper : dict
    key : ndarray (2,), uint32
    """
    check_not_forked()
    if program.gradient is None:
        raise ValueError("the program has no gradient; give it one, Program(gradient=...).")
    structure = structure_of(hyper)
    with device():
        on_device, weights, table = _placed(x, weights)
        dtype = _dtype_of(weights)
        y, weight = rows.to_device((y, weight.astype(dtype.as_numpy_dtype)))
        arguments = (weights, pack(hyper, dtype), (on_device, y, weight), tf.constant(key), table)

        def traced(weights, hyper, data, key, table):
            if isinstance(data[0], rows.WideCSR):
                weights = {**weights, "table": table}
            batch = rows.take_batch(*data, tf.range(tf.shape(data[2])[0]))
            return program.gradient(weights, batch, key, unpack(structure, hyper))

        function = compiled(
            "gradient",
            program,
            "graph",
            arguments,
            loose=(0, 0, 1, 0, 1),
            make=lambda: traced,
            detail=repr(structure),
        )
        return tf.nest.map_structure(np.asarray, function(arguments))


def _placed(x: Any, weights: Any) -> tuple:
    """Rows and weights on the device; of a table only the rows that wide x touches, apart."""
    table: Any = ()
    if rows.is_wide(x):
        narrow, table = tables.compact(x, weights["table"])
        on_device, table = rows.WideCSR(*rows.to_device(narrow)), tf.constant(table)
        weights = {name: value for name, value in weights.items() if name != "table"}
    else:
        on_device = rows.to_device(x)
    return on_device, tf.nest.map_structure(tf.convert_to_tensor, weights), table


def _dtype_of(weights: Any) -> Any:
    """The floating type of a nest of tensors; float32 where it has none."""
    floats = [t.dtype for t in tf.nest.flatten(weights) if t.dtype.is_floating]
    return floats[0] if floats else tf.float32


def _tiled(program: Program, like: dict) -> Callable:
    """``program.predict`` over tiles of rows, as a function to be traced.

    Outputs are (n_tiles * 64, ...); one with a number for each step, whose number of steps is not
    known while tracing, has those of all rows of all tiles behind each other.
    """

    def outputs(weights, hyper, x, tiles, table):
        numbers, n_steps = tiles
        hyper = unpack(like, hyper)
        if isinstance(x, rows.WideCSR):
            weights = {**weights, "table": table}

        def tile(i):
            part = rows.take(x, tf.maximum(numbers[i], 0), n_steps[i])
            return tf.nest.map_structure(_stacked, program.predict(weights, part, hyper))

        first = tile(0)
        n_tiles = tf.shape(numbers)[0]
        written = [
            tf.TensorArray(
                t.dtype, n_tiles, infer_shape=False, element_shape=(None, *t.shape[1:])
            ).write(0, t)
            for t in tf.nest.flatten(first)
        ]

        def write(i, arrays):
            results = tf.nest.flatten(tile(i))
            return i + 1, [a.write(i, t) for a, t in zip(arrays, results, strict=True)]

        _, written = tf.while_loop(lambda i, _: i < n_tiles, write, (1, written))
        return tf.nest.pack_sequence_as(first, [a.concat() for a in written])

    return outputs


def _stacked(output: Any):
    """An output of a tile; the steps of its rows behind each other, where it has any."""
    output = tf.convert_to_tensor(output)
    if output.shape.rank > 1 and output.shape[1] is None:
        return tf.reshape(output, (-1, *output.shape[2:]))
    return output
