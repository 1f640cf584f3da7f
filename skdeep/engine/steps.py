"""What most steps are made of: a loss, its gradient, an optimizer's update.

A step is any pure function ``(state, batch, key, hyper) -> (state, logs)``; these pieces are for
those that descend a gradient. ``state`` is a dict; by convention ``state["weights"]`` is all that
predict needs, and what early stopping keeps.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from skdeep.engine.network import Layout, Network, Scope
from skdeep.engine.rows import Batch, shares, weighted_mean
from skdeep.engine.runtime import tf
from skdeep.engine.tables import product
from skdeep.hyperparameters import runtime_values
from skdeep.optimizers import Optimizer


class Losses(NamedTuple):
    """Losses of rows whose gradient is known in closed form: TensorFlow's has 50 operations more.

    Attributes
    ----------
    values : tensor (batch_size,)
    output : tensor (batch_size, ..., n_outputs)
        The output of the network that they depend on.
    slope : tensor (batch_size, ..., n_outputs)
        Gradient of each row's loss by its outputs.
    """

    values: Any
    output: Any
    slope: Any


def value_and_gradient(function: Callable, layout: Layout | None, vector, *others):
    """Value, byproducts and gradients of a scalar function of a network's arrays.

    Parameters
    ----------
    function : callable
        Takes the list of arrays (and the others), returns (scalar, byproducts); or (scalar,
        byproducts, (tensor, gradient)) where the scalar's gradient by some tensor (or a tuple of
        them) is known, from which the others then follow.
    layout : Layout or None
        How the arrays lie in ``vector``, which the gradient's vector shares; None if ``vector``
        is any nest of tensors, which is then what the function takes, and the gradient's form.
    others : tensors
        Further arguments to differentiate by.

    Returns
    -------
    value, byproducts, gradient, and the gradients of the others
    """
    arrays = vector if layout is None else layout.split(vector)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch((arrays, others))
        value, byproducts, *known = function(arrays, *others)
    target, seed = known[0] if known else (value, None)
    gradient, rest = tape.gradient(
        target, (arrays, others), output_gradients=seed, unconnected_gradients="zero"
    )
    return value, byproducts, gradient if layout is None else layout.join(gradient), *rest


def descend(
    optimizer: Optimizer,
    vector,
    gradient,
    slots: dict,
    hyper: dict,
    decayed: Callable | None = None,
    rates: Callable | None = None,
):
    """One update of a vector of weights, with weight decay and clipping as ``hyper`` says.

    ``hyper["learning_rate"]`` is the step size, ``hyper["optimizer"]`` the optimizer's own
    numbers, if they are not to be constants; ``weight_decay`` and ``clip_norm`` act where they
    are present. ``decayed(vector)`` is the vector with zeros where decay does not act; without it,
    none does. ``rates(learning_rate)`` makes of it one for each weight. Returns the new vector and
    the new slots.
    """
    rate = hyper["learning_rate"] if rates is None else rates(hyper["learning_rate"])
    if (clip_norm := hyper.get("clip_norm")) is not None:
        norm = tf.sqrt(tf.reduce_sum(gradient * gradient))
        gradient *= clip_norm / tf.maximum(norm, clip_norm)
    decay = None
    if decayed is not None and "weight_decay" in hyper:
        decay = hyper["weight_decay"] * decayed(vector)
        if not optimizer.decoupled_decay:
            gradient += decay
    t = slots["t"] + 1
    remembered = {name: slots[name] for name in optimizer.slots}
    updated, remembered = optimizer.update(
        vector, gradient, remembered, rate, t, hyper.get("optimizer") or runtime_values(optimizer)
    )
    if decay is not None and optimizer.decoupled_decay:
        updated -= rate * decay
    return updated, {"t": t, **remembered}


def loss_and_gradient(
    network: Network, loss: Callable, weights: dict, batch: Batch, key, hyper: dict, *touched
):
    """The mean loss of a batch and its gradient, as a step of :func:`gradient_step` has them.

    ``touched`` is there for wide sparse rows: for each stored entry the position of its column
    among those that the batch touches, and their rows of the table.

    Returns
    -------
    value (without penalties), weights as the pass has left them, gradient by the trainable vector,
    by the table's rows
    """

    def mean_loss(arrays, *table):
        x = product(batch.x, touched[0], *table) if touched else batch.x
        scope = Scope(training=True, key=key, hyper=hyper, weight=batch.weight)
        outputs, fixed, penalty, assigned = network.apply_penalized(
            {"trainable": arrays, "fixed": weights["fixed"]}, x, scope
        )
        losses = loss(outputs, batch, hyper)
        if not isinstance(losses, Losses):
            mean = weighted_mean(losses, batch)
            return mean if penalty is None else mean + penalty, (mean, fixed, assigned)
        mean = weighted_mean(losses.values, batch)
        share = tf.reshape(shares(batch), (-1, *[1] * (losses.slope.shape.rank - 1)))
        known = (losses.output,), (losses.slope * share,)
        if penalty is not None:
            known = (*known[0], penalty), (*known[1], tf.ones_like(penalty))
        return mean, (mean, fixed, assigned), known

    trainable = weights["trainable"]
    _, (value, fixed, assigned), *gradients = value_and_gradient(
        mean_loss, network.trainable, trainable, *touched[1:]
    )
    if assigned is not None:
        trainable = network.trainable.join(assigned)
    return value, {"trainable": trainable, "fixed": fixed}, *gradients


def gradient_step(network: Network, loss: Callable, optimizer: Optimizer) -> Callable:
    """The step of a network with one loss.

    Parameters
    ----------
    network : Network
    loss : callable
        ``loss(outputs, batch, hyper)`` returns the loss of each row, (batch_size,), or
        :class:`Losses`.
    optimizer : Optimizer

    Returns
    -------
    step : callable
        On a state of ``{"weights": {"trainable", "fixed"}, "optimizer": slots}``; it logs
        ``loss``, the mean without penalties. Where the rows are wide and sparse, the network's
        input is their product with the table ``state["tables"]``, which is trained as well.
    """

    def step(state: dict, batch: Batch, key, hyper: dict):
        weights, tables = state["weights"], state.get("tables")
        rows: dict = {}
        touched: tuple = ()
        if tables is not None:
            ids, local = tf.unique(batch.x.column)
            rows = tables.read(ids)
            touched = (local, rows["weights"])
        value, passed, gradient, *of_rows = loss_and_gradient(
            network, loss, weights, batch, key, hyper, *touched
        )
        slots = state["optimizer"]
        if tables is not None:
            update = partial(
                descend, optimizer, rows["weights"], of_rows[0], rows | {"t": slots["t"]}, hyper
            )
            # Without decay its three passes over the touched rows are not made.
            new_rows, remembered = tf.cond(
                tf.greater(hyper.get("weight_decay", 0.0), 0.0), lambda: update(tf.identity), update
            )
            tables.write(ids, {"weights": new_rows, **remembered})
        trainable, slots = descend(
            optimizer,
            passed["trainable"],
            gradient,
            slots,
            hyper,
            network.decayed,
            network.rates,
        )
        new = {"trainable": network.constrained(trainable), "fixed": passed["fixed"]}
        return {"weights": new, "optimizer": slots}, {"loss": value}

    return step
