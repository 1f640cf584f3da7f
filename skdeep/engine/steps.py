"""What most steps are made of: a loss, its gradient, an optimizer's update.

A step is any pure function ``(state, batch, key, hyper) -> (state, logs)``; these pieces are for
those that descend a gradient. ``state`` is a dict; by convention ``state["weights"]`` is all that
predict needs, and what early stopping keeps.
"""

from collections.abc import Callable

import numpy as np

from skdeep.engine.network import Layout, Network
from skdeep.engine.rows import Batch, weighted_mean
from skdeep.engine.runtime import tf
from skdeep.optimizers import Optimizer


def value_and_gradient(function: Callable, layout: Layout, vector):
    """Value, byproducts and gradient of a scalar function of a network's arrays.

    Parameters
    ----------
    function : callable
        Takes the list of arrays, returns (scalar, byproducts).
    layout : Layout
        How the arrays lie in ``vector``, which the gradient's vector shares.
    """
    arrays = layout.split(vector)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(arrays)
        value, byproducts = function(arrays)
    gradient = tape.gradient(value, arrays, unconnected_gradients="zero")
    return value, byproducts, layout.join(gradient)


def descend(
    optimizer: Optimizer,
    vector,
    gradient,
    slots: dict,
    hyper: dict,
    decayed: np.ndarray | None = None,
):
    """One update of a vector of weights, with weight decay and clipping as ``hyper`` says.

    ``hyper["learning_rate"]`` is the step size, ``hyper["optimizer"]`` the optimizer's own
    numbers; ``weight_decay`` and ``clip_norm`` act where they are present. Returns the new
    vector and the new slots.
    """
    rate = hyper["learning_rate"]
    if (clip_norm := hyper.get("clip_norm")) is not None:
        norm = tf.sqrt(tf.reduce_sum(gradient * gradient))
        gradient *= clip_norm / tf.maximum(norm, clip_norm)
    decay = None
    if decayed is not None and "weight_decay" in hyper:
        decay = hyper["weight_decay"] * tf.constant(decayed) * vector
        if not optimizer.decoupled_decay:
            gradient += decay
    t = slots["t"] + 1
    remembered = {name: slots[name] for name in optimizer.slots}
    updated, remembered = optimizer.update(
        vector, gradient, remembered, rate, t, hyper.get("optimizer", {})
    )
    if decay is not None and optimizer.decoupled_decay:
        updated -= rate * decay
    return updated, {"t": t, **remembered}


def gradient_step(network: Network, loss: Callable, optimizer: Optimizer) -> Callable:
    """The step of a network with one loss.

    Parameters
    ----------
    network : Network
    loss : callable
        ``loss(outputs, batch, hyper)`` returns the loss of each row, (batch_size,).
    optimizer : Optimizer

    Returns
    -------
    step : callable
        On a state of ``{"weights": {"trainable", "fixed"}, "optimizer": slots}``; it logs
        ``loss``, the mean without penalties.
    """
    decayed = network.decayed

    def step(state: dict, batch: Batch, key, hyper: dict):
        weights = state["weights"]

        def mean_loss(arrays):
            outputs, fixed = network.apply(
                {"trainable": arrays, "fixed": weights["fixed"]},
                batch.x,
                training=True,
                key=key,
                hyper=hyper,
                weight=batch.weight,
            )
            return weighted_mean(loss(outputs, batch, hyper), batch), fixed

        value, fixed, gradient = value_and_gradient(
            mean_loss, network.trainable, weights["trainable"]
        )
        trainable, slots = descend(
            optimizer, weights["trainable"], gradient, state["optimizer"], hyper, decayed
        )
        new = {"weights": {"trainable": trainable, "fixed": fixed}, "optimizer": slots}
        return new, {"loss": value}

    return step
