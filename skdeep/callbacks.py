"""What runs at the end of each epoch: progress bars, your functions, Keras's callbacks.

A callback is any function of an ``EpochState`` (see ``skdeep.engine``), or an object that has one
by the name ``on_epoch_end``::

    def halve(state):
        if state.epoch == 10:
            state.learning_rate_factor *= 0.5
        if state.logs["loss"] < 0.01:
            state.stop = True

    MLPClassifier(callbacks=[halve]).fit(X, y)

Keras callbacks that act at the end of an epoch by the logs, ``stop_training`` or the learning rate
run as well. scikit-learn's callbacks are set by ``estimator.set_callbacks(...)``.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from tqdm.auto import tqdm

_NOT_RUN = {
    "ModelCheckpoint": "pickle or joblib.dump the fitted estimator",
    "BackupAndRestore": "pickle the estimator and go on with warm_start=True",
    "SwapEMAWeights": "it needs Keras's own training loop",
    "TerminateOnNaN": "fit raises FitDivergedError by itself",
}


class ProgressBar:
    """A bar that counts epochs and shows the latest logs.

    Parameters
    ----------
    epochs : int
        How many there will be.
    description : str
        Shown before the bar.
    """

    def __init__(self, epochs: int, description: str) -> None:
        self._bar = tqdm(total=epochs, desc=description, unit="epoch")

    def __call__(self, state: Any) -> None:
        """Move on by one epoch."""
        logs = {name: f"{value:.4g}" for name, value in state.logs.items()}
        self._bar.set_postfix(logs, refresh=False)
        self._bar.update()

    def __enter__(self) -> "ProgressBar":
        return self

    def __exit__(self, error: type | None, *_: Any) -> None:
        """Leave the bar as it ended, or take it away after an error."""
        self._bar.leave = error is None
        self._bar.close()


@contextmanager
def session(
    estimator: Any, fitted: Any, epochs: int, X: Any, y: Any
) -> Iterator[tuple[list[Callable], float]]:
    """The functions to call at the end of each epoch of one fit, and the first rate's factor."""
    factor = fitted.progress.learning_rate_factor
    with ExitStack() as stack:
        hooks: list[Callable] = []
        context = estimator._init_callback_context(max_subtasks=epochs)
        if hasattr(estimator, "_skl_callbacks"):
            hooks.append(stack.enter_context(_scikit_learn(estimator, context, fitted, X, y)))
        keras_callbacks = [c for c in estimator.callbacks if hasattr(c, "set_model")]
        ours = [c for c in estimator.callbacks if not hasattr(c, "set_model")]
        hooks += [getattr(c, "on_epoch_end", c) for c in ours]
        for hook in hooks:
            if not callable(hook):
                raise TypeError(
                    f"callbacks must be functions of an EpochState or Keras callbacks, but one "
                    f"is {hook!r}."
                )
        if keras_callbacks:
            hook, model = stack.enter_context(_keras(keras_callbacks, fitted, epochs))
            hooks.append(hook)
            factor = model.learning_rate / fitted.hyper["learning_rate"]
        if estimator.verbose:
            hooks.append(stack.enter_context(ProgressBar(epochs, type(estimator).__name__)))
        yield hooks, factor


@contextmanager
def _scikit_learn(estimator, context, fitted, X, y) -> Iterator[Callable]:
    """scikit-learn's callbacks (version 1.9): a task for the fit, and one for each epoch."""
    data = {"estimator": estimator, "X": X, "y": y}
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
        if getattr(callback, "restore_best_weights", False):
            raise TypeError(
                "keras.callbacks.EarlyStopping(restore_best_weights=True) does not work here; "
                "early_stopping=True of the estimator keeps the best weights."
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
