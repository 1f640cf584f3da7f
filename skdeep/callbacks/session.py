"""The callbacks of one fit, ours, the user's, scikit-learn's and Keras's, as functions alike."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from skdeep.callbacks.checkpoint import Checkpoint
from skdeep.callbacks.records import ProgressBar
from skdeep.targets import Unlabelled

_NOT_RUN = {
    "ModelCheckpoint": "use skdeep.callbacks.Checkpoint, and skdeep.save for the fitted estimator",
    "OrbaxCheckpoint": "use skdeep.callbacks.Checkpoint, and skdeep.save for the fitted estimator",
    "BackupAndRestore": "use skdeep.callbacks.Checkpoint",
    "ProgbarLogger": "set verbose=1",
    "SwapEMAWeights": "it needs Keras's own training loop",
    "TerminateOnNaN": "fit raises FitDivergedError by itself",
}
_HISTORY_ALONE = "only the history is logged, as by skdeep.callbacks.TensorBoard"
_NOT_DONE = {  # settings of Keras's callbacks, the value that asks for nothing, and what to do
    "restore_best_weights": (False, "early_stopping=True of the estimator keeps the best weights"),
    "histogram_freq": (0, _HISTORY_ALONE),
    "embeddings_freq": (0, _HISTORY_ALONE),
    "update_freq": ("epoch", _HISTORY_ALONE),
}


@contextmanager
def session(
    estimator: Any,
    fitted: Any,
    epochs: int,
    done: int,
    data: tuple,
    rows: tuple,
    keep: list[Callable],
) -> Iterator[tuple[list[Callable], float]]:
    """The functions to call at the end of each epoch of one fit, and the first rate's factor.

    ``epochs`` are to come, after those that were ``done`` before the fit was broken off. ``data``
    are X as it was given (None if a part was held out) and validated, y and weights; ``rows`` the
    same as the program takes them. ``keep`` come last, when all others have done what they do to
    the state.
    """
    factor = fitted.progress.learning_rate_factor
    keras_callbacks = [c for c in estimator.callbacks if hasattr(c, "set_model")]
    others = [c for c in estimator.callbacks if not isinstance(c, Checkpoint)]
    ours = [c for c in others if not hasattr(c, "set_model")]
    for callback in estimator.callbacks:
        if isinstance(callback, type):
            raise TypeError(f"callbacks must be objects, but one is a class: {callback.__name__}.")
    for callback in ours:
        if not (hasattr(callback, "_session") or callable(_function(callback))):
            raise TypeError(
                f"callbacks must be functions of an EpochState or Keras callbacks, but one is "
                f"{callback!r}."
            )
    with ExitStack() as stack:
        hooks: list[Callable] = []
        context = estimator._init_callback_context(max_subtasks=epochs)
        if hasattr(estimator, "_skl_callbacks"):
            hooks.append(stack.enter_context(_scikit_learn(estimator, context, fitted, *data)))
        if estimator.verbose:  # before what lengthens the logs
            hooks.append(
                stack.enter_context(ProgressBar(done + epochs, type(estimator).__name__, done))
            )
        for callback in ours:
            if hasattr(callback, "_session"):  # ours that need to know the fit
                hook = stack.enter_context(callback._session(estimator, fitted, rows))
            else:
                hook = _function(callback)
            hooks.append(hook)
        if keras_callbacks:
            hook, model = stack.enter_context(_keras(keras_callbacks, fitted, epochs))
            hooks.append(hook)
            factor = model.learning_rate / fitted.hyper["learning_rate"]
        yield [*hooks, *keep], factor


def _function(callback: Any) -> Any:
    """What is called of a callback that is a function, or has one."""
    return getattr(callback, "on_epoch_end", callback)


@contextmanager
def _scikit_learn(estimator, context, fitted, given, X, y, weight) -> Iterator[Callable]:
    """scikit-learn's callbacks (version 1.9): a task for the fit, and one for each epoch."""
    if given is None:
        if hasattr(estimator, "feature_names_in_") and isinstance(X, np.ndarray) and X.ndim == 2:
            X = pd.DataFrame(X, columns=estimator.feature_names_in_)  # or predict warns
        given = estimator._as_given(X, fitted.task)
    y = y if isinstance(y, np.ndarray) else y.arrays()
    y = None if isinstance(fitted.target, Unlabelled) else y
    metadata = None if np.all(weight == 1) else {"sample_weight": weight}
    data = {"estimator": estimator, "X": given, "y": y, "metadata": metadata}
    context.call_on_fit_task_begin(**data)
    current = [context.subcontext(task_name="epoch").call_on_fit_task_begin(**data)]

    def attributes(state):
        progress = replace(
            fitted.progress, state={"weights": state.weights}, best=None, epoch=state.epoch + 1
        )
        now = replace(fitted, progress=progress)
        return estimator._public_attributes(now) | {"_fitted": now}

    def end_epoch(state) -> None:
        state.stop |= current[0].call_on_fit_task_end(
            **data, reconstruction_attributes=lambda: attributes(state)
        )
        if not state.stop and state.epoch + 1 < state.epochs:
            subcontext = context.subcontext(task_name="epoch")
            current[0] = subcontext.call_on_fit_task_begin(**data)

    yield end_epoch
    context.call_on_fit_task_end(**data)


class _StandIn:
    """What Keras callbacks may see of a model: whether to stop, and the learning rate."""

    def __init__(self, learning_rate: float) -> None:
        self.stop_training = False
        self.optimizer = self
        self.learning_rate = learning_rate


@contextmanager
def _keras(callbacks: list, fitted: Any, epochs: int) -> Iterator[tuple[Callable, _StandIn]]:
    """Keras's callbacks, on a stand-in for its model."""
    rate, first = fitted.hyper["learning_rate"], fitted.progress.epoch
    for callback in callbacks:
        for name in (base.__name__ for base in type(callback).__mro__):
            if name in _NOT_RUN:
                raise TypeError(f"keras.callbacks.{name} does not work here: {_NOT_RUN[name]}.")
        for setting, (nothing, hint) in _NOT_DONE.items():
            if (value := getattr(callback, setting, nothing)) != nothing:
                raise TypeError(
                    f"keras.callbacks.{type(callback).__name__}({setting}={value!r}) does not work "
                    f"here: {hint}."
                )
    model = _StandIn(rate * fitted.progress.learning_rate_factor)
    for callback in callbacks:
        callback.set_model(model)
        callback.set_params({"epochs": first + epochs, "verbose": 0})
        callback.on_train_begin({})
        callback.on_epoch_begin(first, {})

    def end_epoch(state) -> None:
        for callback in callbacks:
            callback.on_epoch_end(state.epoch, dict(state.logs))
        state.stop |= model.stop_training
        if not state.stop and state.epoch + 1 < state.epochs:
            for callback in callbacks:
                callback.on_epoch_begin(state.epoch + 1, {})
        state.learning_rate_factor = float(model.learning_rate) / rate

    try:
        yield end_epoch, model
    finally:
        for callback in callbacks:
            callback.on_train_end({})
