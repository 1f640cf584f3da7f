"""The training loop inside a compiled program: many steps, and what ends an epoch.

The step is the program's; everything around it is here, traced with it: gathering the batch,
random keys, the record of logs, the validation loss, the best weights, early stopping.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from skdeep.engine import rows
from skdeep.engine.program import Program, unpack
from skdeep.engine.runtime import tf
from skdeep.engine.tables import Tables

EVALUATED_ROWS = 256


class Counters(NamedTuple):
    """The integers of one call, (5,) int32: which steps it runs, and how an epoch is made."""

    n_steps: Any
    first_step: Any
    steps_per_epoch: Any
    patience: Any
    n_validation: Any


def _counters(vector: Any) -> Counters:
    return Counters(*tf.unstack(vector))


class Tracker(NamedTuple):
    """What lives beside the state while the loop runs.

    Attributes
    ----------
    record : tensor (n_steps, n_columns)
        For each step of this call its logs, its number of rows and, after the last step of an
        epoch, the loss of the validation rows if there are any.
    best : {"weights": nest, "value": scalar, "epoch": int32} or ()
        Where that loss was least; ``()`` if nothing is tracked.
    stop : scalar bool or ()
        Whether patience is out.
    """

    record: Any
    best: Any
    stop: Any


def training_loop(program: Program, hyper_like: dict, tables: Tables | None = None) -> Callable:
    """The function that runs a call's steps, to be traced.

    Parameters
    ----------
    program : Program
    hyper_like : dict
        The structure of the run-time numbers.
    tables : Tables, optional
        What the step finds in ``state["tables"]``, beside the state that the loop carries.
    """

    def run(state, best, counters, data, order, keys, factors, hyper, validation):
        x, y, weight = data

        def look(epoch, state, best, counters: Counters, hyper):
            """The loss of the validation rows, the best weights, and whether patience is out."""
            weights = state["weights"]
            if tables is not None:
                weights = {**weights, "table": tables}
            loss = _mean_loss(program, weights, hyper, validation, counters.n_validation)
            if not best:
                return loss, best, ()
            better = loss < best["value"]
            candidate = {"weights": state["weights"], "value": loss, "epoch": epoch}
            best = tf.nest.map_structure(
                lambda new, old: tf.where(better, new, old), candidate, best
            )
            if tables is not None:
                tf.cond(better, tables.keep_best, lambda: tf.constant(False))
            return loss, best, epoch - best["epoch"] >= counters.patience

        # Vectors are taken apart inside, for each number that the body takes from outside is
        # carried through the loop, at five operations.
        def body(position, state, tracker: Tracker):
            numbers = unpack(hyper_like, hyper)
            taken = tf.gather(order, position)
            if not program.padded:
                taken = tf.boolean_mask(taken, taken >= 0)
            batch = rows.take_batch(x, y, weight, taken)
            now = dict(numbers)
            for name in sorted(factors.keys() & now.keys()):
                now[name] *= tf.gather(factors[name], position)
            beside = {} if tables is None else {"tables": tables}
            key = tf.gather(keys, position)
            new, logs = _checked(program, state, program.step({**state, **beside}, batch, key, now))
            columns = [tf.cast(logs[name], batch.size.dtype) for name in program.logs]
            columns.append(batch.size)
            _, best, stop = tracker
            if validation:
                count = _counters(counters)
                step = count.first_step + position
                loss, best, stop = tf.cond(
                    (step + 1) % count.steps_per_epoch == 0,
                    lambda: look(step // count.steps_per_epoch, new, best, count, numbers),
                    lambda: (tf.zeros((), batch.size.dtype), best, stop),
                )
                columns.append(loss)
            place = tf.reshape(position, (1, 1))
            record = tf.tensor_scatter_nd_update(tracker.record, place, tf.stack(columns)[None])
            return position + 1, new, Tracker(record, best, stop)

        def goes_on(position, _, tracker: Tracker):
            # Not "<", on which TensorFlow 2.21's optimiser of loops can crash.
            some_left = tf.not_equal(position, _counters(counters).n_steps)
            return some_left & ~tracker.stop if best else some_left

        n_columns = len(program.logs) + 1 + bool(validation)
        record = tf.zeros((tf.shape(order)[0], n_columns), weight.dtype)
        tracker = Tracker(record, best, tf.constant(False) if best else ())
        start = (tf.constant(0), state, tracker)
        return tf.while_loop(
            goes_on,
            body,
            start,
            shape_invariants=tf.nest.map_structure(lambda t: t.shape, start),
            parallel_iterations=1,
        )

    return run


def _mean_loss(program: Program, weights, hyper: dict, validation, n):
    """Weighted mean of ``program.evaluate`` over the validation rows, in tiles."""
    x, y, weight = validation

    def add(tile, total):
        numbers = tile * EVALUATED_ROWS + tf.range(EVALUATED_ROWS)
        batch = rows.take_batch(x, y, weight, tf.where(numbers < n, numbers, -1))
        losses = rows.per_row(program.evaluate(weights, batch, hyper))
        return tile + 1, total + tf.reduce_sum(tf.where(numbers < n, losses * batch.weight, 0.0))

    n_tiles = (n + EVALUATED_ROWS - 1) // EVALUATED_ROWS
    start = (tf.constant(0), tf.zeros((), weight.dtype))
    return tf.while_loop(lambda tile, _: tile < n_tiles, add, start, parallel_iterations=1)[1]


def _checked(program: Program, old: Any, returned: Any) -> tuple[dict, dict]:
    """What a step returned, if it keeps to the contract; told while tracing."""
    if not (isinstance(returned, tuple) and len(returned) == 2 and isinstance(returned[1], dict)):
        raise ValueError("a step must return a pair (state, logs), with a dict of logs.")
    new, logs = returned
    if set(logs) != set(program.logs):
        raise ValueError(
            f"the program's logs are {sorted(program.logs)}, but its step returned "
            f"{sorted(logs)}; name them in Program(logs=...)."
        )
    logs = {name: tf.convert_to_tensor(value) for name, value in logs.items()}
    for name, value in logs.items():
        if value.shape.rank != 0:
            raise ValueError(f"a log must be a scalar, but {name!r} has shape {value.shape}.")
    new = tf.nest.map_structure(tf.convert_to_tensor, new)
    try:
        tf.nest.assert_same_structure(old, new)
    except (TypeError, ValueError) as error:
        raise ValueError(f"a step must return a state of the structure it got: {error}") from None
    for before, after in zip(tf.nest.flatten(old), tf.nest.flatten(new), strict=True):
        if (before.shape, before.dtype) != (after.shape, after.dtype):
            raise ValueError(
                f"a step must keep the shapes and dtypes of its state, but an array of "
                f"{before.shape} {before.dtype.name} became {after.shape} {after.dtype.name}."
            )
    return new, logs
