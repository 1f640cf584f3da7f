"""What a program says of rows outside training: outputs tile by tile, and one gradient."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from skdeep.engine import rows, tables
from skdeep.engine.program import Program, compiled, device, pack, structure_of, unpack
from skdeep.engine.runtime import check_not_forked, tf

_TILE = 64  # rows that predict computes at once, so that no row depends on its neighbours' number


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
