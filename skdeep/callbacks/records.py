"""What is recorded of a fit while it runs: a bar, logs for TensorBoard, norms of gradients."""

import os
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from skdeep import blueprint
from skdeep.persistence import saved


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
    done : int, default=0
        How many of them there were before, in a fit that was broken off.
    """

    def __init__(self, epochs: int, description: str, done: int = 0) -> None:
        self._bar = tqdm(total=epochs, initial=done, desc=description, unit="epoch")

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
