"""What runs at the end of each epoch: progress bars, logs, your functions, Keras's callbacks.

A callback is any function of an ``EpochState`` (see ``skdeep.engine``), or an object that has one
by the name ``on_epoch_end``::

    def halve(state):
        if state.epoch == 10:
            state.learning_rate_factor *= 0.5
        if state.logs["loss"] < 0.01:
            state.stop = True

    MLPClassifier(callbacks=[halve]).fit(X, y)

What a callback adds to ``state.logs`` becomes a column of ``history_``, and the callbacks after it
see it. Ours are :class:`TensorBoard`, :class:`GradientNorms` and :class:`Checkpoint`.

Keras callbacks that act at the end of an epoch by the logs, ``stop_training`` or the learning rate
run as well. scikit-learn's callbacks are set by ``estimator.set_callbacks(...)``.

A fit that takes hours survives its process by a :class:`Checkpoint`::

    MLPClassifier(epochs=1000, callbacks=[Checkpoint("fit.checkpoint")]).fit(X, y)
"""

import json
import os
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import count
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from skdeep import blueprint
from skdeep._config import get_config
from skdeep.persistence import Encoder, files, from_parts, saved, telling

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


@saved
@dataclass(frozen=True)
class TensorBoard:
    """Logs for TensorBoard: each column of the history, by epoch.

    Each fit writes a run of its own, ``folder/MLPClassifier-0001`` and so on, so that a search's
    candidates stand side by side; a run's text says which parameters it had. Look at them with
    ``tensorboard --logdir folder``; writing needs no more than TensorFlow.

    Parameters
    ----------
    folder : str or path
        Where the runs go; it is made if it is not there.
    """

    folder: str | os.PathLike

    @contextmanager
    def _session(self, estimator: Any, fitted: Any, rows: tuple) -> Iterator[Callable]:
        from skdeep.engine.runtime import tf  # its writer of event files

        def write(kind: str, tag: str, value: Any, epoch: int) -> None:
            # tf.summary.scalar and .text would do this, but need the package tensorboard.
            about = tf.compat.v1.SummaryMetadata()
            about.plugin_data.plugin_name = kind
            with writer.as_default():
                tf.summary.write(tag, value, step=epoch, metadata=about)

        run = _new_folder(Path(self.folder), type(estimator).__name__)
        writer = tf.summary.create_file_writer(str(run))

        def log(state: Any) -> None:
            for name, value in state.logs.items():
                write("scalars", name, tf.constant(value, tf.float32), state.epoch)
            writer.flush()

        try:
            code = textwrap.indent(repr(estimator), "    ")  # as Markdown has it
            write("text", "estimator", tf.constant(code), fitted.progress.epoch)
            yield log
        finally:
            writer.close()


def _new_folder(parent: Path, name: str) -> Path:
    """A folder that nobody else has made: name-0001, or the next number."""
    parent.mkdir(parents=True, exist_ok=True)
    for i in count(1):
        try:
            (folder := parent / f"{name}-{i:04}").mkdir()
        except FileExistsError:
            continue
        return folder
    raise AssertionError


@saved
@dataclass(frozen=True)
class GradientNorms:
    """Records how large each layer's gradient is, and what the optimizer made of it.

    It adds to each epoch's row of ``history_``, for each layer:

    - ``gradient/layer``, the norm of the mean loss's gradient where the epoch begins, without
      penalties, in the way of training: with dropout and batch statistics;
    - ``update/layer``, the norm of what the epoch changed, over that of the weights after it.

    :class:`skdeep.inspection.GradientDisplay` draws them.

    Parameters
    ----------
    n_rows : int, default=1000
        Training rows to take the gradient on, drawn by the fit's seed; all, if there are fewer.
        More cost memory and time: all are one batch.
    """

    n_rows: int = 1000

    @contextmanager
    def _session(self, estimator: Any, fitted: Any, rows: tuple) -> Iterator[Callable]:
        from skdeep import engine
        from skdeep.engine.runtime import tf  # its nests of arrays

        program = blueprint.program(fitted.twin, fitted.task)
        network = blueprint.network(fitted.twin, fitted.task)
        x, y, weight = rows
        weight, n = weight / weight.mean(), len(weight)
        seed = fitted.progress.seed
        if n > self.n_rows:
            chosen = np.random.default_rng([seed, 3]).choice(n, self.n_rows, replace=False)
            chosen.sort()
            x, y, weight = tf.nest.map_structure(lambda part: part[chosen], (x, y, weight))

        def norms(weights: dict) -> dict[str, float]:
            """Norms of weights, or of what is shaped like them, by layer."""
            layers = network.by_layer(np.asarray(weights["trainable"], np.float64))
            if "table" in weights:
                layers[next(iter(layers))].append(np.asarray(weights["table"], np.float64))
            return {
                layer: float(np.sqrt(sum(np.vdot(part, part) for part in parts)))
                for layer, parts in layers.items()
            }

        before = _host(replace(fitted.progress, best=None).weights)

        def record(state: Any) -> None:
            nonlocal before
            # Of no step: an epoch never has so many.
            key = engine.random.step_keys(seed, np.array([state.epoch]), np.array([2**32 - 1]))[0]
            gradient = engine.gradient(program, before, x, y, weight, fitted.hyper, key)
            after = _host(state.weights)
            changed = norms({name: after[name] - before[name] for name in after})
            sizes = norms(after)
            for layer, norm in norms(gradient).items():
                state.logs[f"gradient/{layer}"] = norm
                state.logs[f"update/{layer}"] = changed[layer] / (sizes[layer] or 1.0)
            before = after

        yield record


def _host(weights: dict) -> dict[str, np.ndarray]:
    """Weights as arrays, of a network of whatever kind."""
    return {name: np.asarray(part) for name, part in weights.items()}


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


@saved
@dataclass(frozen=True)
class Checkpoint:
    """Keeps what a fit needs to go on in a file; a fit that finds the file goes on from it.

    Run the same script again after a crash, and it ends with the same bits as an unbroken fit, on
    one machine with one number of threads. After a fit that was completed it ends at once. The
    file is written beside its place and put there when it is complete, at the ends of epochs,
    after all other callbacks.

    The fit that goes on must be the same: rows, targets, weights, validation rows and the
    estimator's parameters are compared, and what differs is named. Only ``epochs`` may be raised
    (unless a named ``learning_rate_schedule`` ends with them), ``verbose`` and other ``callbacks``
    may change. With ``random_state=None`` the seed of the file goes on.

    Not in the file is what callbacks remember themselves: Keras's count their patience anew, your
    functions start as they are. What they have made of the learning rate is kept.

    Parameters
    ----------
    path : str or path-like
        The file. Each fit needs one of its own, so a Checkpoint has no place in a search or in
        cross-validation. Delete it to begin anew.
    every : int in [1, inf), default=1
        Epochs from one writing to the next. The last epoch is always written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skdeep import MLPClassifier
    >>> from skdeep.callbacks import Checkpoint
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     keep = Checkpoint(Path(folder, "fit.checkpoint"))
    ...     first = MLPClassifier(epochs=3, random_state=0, callbacks=[keep]).fit(X, y)
    ...     longer = MLPClassifier(epochs=5, random_state=0, callbacks=[keep]).fit(X, y)
    >>> bool(longer.history_["loss"][2] == first.history_["loss"][2])
    True
    """

    path: str | os.PathLike
    every: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", os.fspath(self.path))
        if not (isinstance(self.every, Integral) and self.every >= 1):
            raise ValueError(f"every must be an integer from 1 on, but is {self.every!r}.")

    def stored(self) -> dict | None:
        """What the file holds: "conditions", "progress" and "stopped"; None without a file.

        Raises
        ------
        LoadError
            If the file is damaged.
        """
        if not Path(self.path).exists():
            return None
        parts = files.read(self.path, "checkpoint")
        with telling(self.path):
            return from_parts(parts, "fit")

    def keep(self, conditions: dict[str, str], state: Any) -> None:
        """Write the file, if it is time."""
        is_last = state.stop or state.epoch + 1 >= state.epochs
        if not is_last and (state.epoch + 1) % self.every:
            return
        fit = {"conditions": conditions, "progress": state.progress, "stopped": state.stop}
        encoder = Encoder()
        files.write(self.path, "checkpoint", encoder.parts("fit", encoder.encode(fit, "the fit")))


def resume(
    estimator: Any, fitted: Any, epochs: int, goes_on: bool, rows: tuple, validation: tuple | None
) -> tuple[Any, int, list[Callable]]:
    """Where a fit starts, how many epochs it has to go, and what keeps its state, if anything.

    Parameters
    ----------
    estimator : NetworkEstimator
    fitted : Fitted
        What it would start from without a checkpoint.
    epochs : int
        How many it was to go.
    goes_on : bool
        Whether it goes on from another fit.
    rows, validation : tuples of X, y and weights
        Validated, before any are held out.

    Raises
    ------
    LoadError
        If there is a checkpoint, but damaged.
    ValueError
        If it is of another fit.
    """
    checkpoints = [c for c in estimator.callbacks if isinstance(c, Checkpoint)]
    if not checkpoints:
        return fitted, epochs, []
    if len(checkpoints) > 1:
        raise ValueError("callbacks has more than one Checkpoint; one keeps all.")
    checkpoint, end = checkpoints[0], fitted.progress.epoch + epochs
    if not Path(checkpoint.path).parent.is_dir():
        raise FileNotFoundError(f"the folder of the checkpoint {checkpoint.path} is not there.")
    conditions = _conditions(estimator, fitted, goes_on, end, rows, validation)
    keep = [lambda state: checkpoint.keep(conditions, state)]
    if (stored := checkpoint.stored()) is None:
        return fitted, epochs, keep
    _check_conditions(checkpoint.path, stored["conditions"], conditions)
    progress = stored["progress"]
    if progress.epoch > end:
        raise ValueError(
            f"{checkpoint.path} has {progress.epoch} epochs, but this fit ends at {end}; raise "
            f"epochs, or delete the file to begin anew."
        )
    left = 0 if stored["stopped"] else end - progress.epoch
    return replace(fitted, progress=progress), left, keep


def _conditions(
    estimator: Any, fitted: Any, goes_on: bool, end: int, rows: tuple, validation: tuple | None
) -> dict[str, str]:
    """All that decides the course of a fit, as text by name."""
    from skdeep.engine import digest

    found = {}
    for suffix, parts in {"": rows, "_val": validation}.items():
        if parts is not None:
            X, y, weight = parts
            y = fitted.target.encode(y, f"y{suffix}")
            for name, part in {"X": X, "y": y, "sample_weight": weight}.items():
                found[name + suffix] = f"{part.dtype} {part.shape}, digest {digest(part)}"
    ignored = {"callbacks", "epochs", "random_state", "verbose", "warm_start"}
    if not estimator._watches_rows():
        ignored.add("validation_fraction")
    if not estimator.early_stopping:
        ignored.add("patience")
    parameters = estimator.get_params(deep=False).items()
    found |= {name: _described(value) for name, value in parameters if name not in ignored}
    if isinstance(estimator.learning_rate_schedule, str):
        found["epochs"] = str(end)
    seed = estimator.random_state
    found["random_state"] = str(seed) if isinstance(seed, Integral) else "no integer"
    found["estimator"] = type(estimator).__name__
    found["target"], found["task"] = _described(fitted.target), _described(fitted.task)
    found["compile"] = str(get_config()["compile"])
    found["the fit that it goes on from"] = digest(fitted.progress.state) if goes_on else "none"
    return found


def _described(value: Any) -> str:
    """A value as text that is the same in another process."""
    from skdeep.engine import digest

    encoder = Encoder()
    try:
        text = json.dumps(encoder.encode(value, "value"))
    except TypeError:  # a scorer, or an object of the user's: where it lies in memory says nothing
        shown = repr(value)
        return type(value).__qualname__ if " at 0x" in shown else shown
    return text + (f", digest {digest(encoder.tensors)}" if encoder.tensors else "")


def _check_conditions(path: str | os.PathLike, old: dict, new: dict) -> None:
    """Refuse a checkpoint of another fit, and tell what differs."""
    different = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    if different:
        changes = "; ".join(
            f"{name} was {old.get(name, 'not given')}, but is {new.get(name, 'not given')}"
            for name in different
        )
        raise ValueError(
            f"{path} is the checkpoint of another fit: {changes}. Delete the file to begin anew, "
            f"or give this fit a path of its own."
        )


@contextmanager
def session(
    estimator: Any, fitted: Any, epochs: int, data: tuple, rows: tuple, keep: list[Callable]
) -> Iterator[tuple[list[Callable], float]]:
    """The functions to call at the end of each epoch of one fit, and the first rate's factor.

    ``data`` are X, y and weights, validated; ``rows`` the same as the program takes them. ``keep``
    come last, when all others have done what they do to the state.
    """
    factor = fitted.progress.learning_rate_factor
    keras_callbacks = [c for c in estimator.callbacks if hasattr(c, "set_model")]
    others = [c for c in estimator.callbacks if not isinstance(c, Checkpoint)]
    ours = [c for c in others if not hasattr(c, "set_model")]
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
            hooks.append(stack.enter_context(ProgressBar(epochs, type(estimator).__name__)))
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
def _scikit_learn(estimator, context, fitted, X, y, weight) -> Iterator[Callable]:
    """scikit-learn's callbacks (version 1.9): a task for the fit, and one for each epoch."""
    if hasattr(estimator, "feature_names_in_") and isinstance(X, np.ndarray) and X.ndim == 2:
        X = pd.DataFrame(X, columns=estimator.feature_names_in_)  # or predict warns
    metadata = None if np.all(weight == 1) else {"sample_weight": weight}
    data = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
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
