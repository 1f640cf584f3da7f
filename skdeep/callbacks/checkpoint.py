"""A fit's state in a file, from which the same fit goes on."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np

from skdeep._config import get_config
from skdeep.exceptions import LoadError
from skdeep.persistence import Encoder, files, from_parts, saved, telling

_OF_ITS_OWN = (
    "Each fit needs a path of its own; those of a search or of cross-validation would share one, "
    "so leave the Checkpoint out there."
)


@saved
@dataclass(frozen=True)
class Checkpoint:
    """Keeps what a fit needs to go on in a file; a fit that finds the file goes on from it.

    Run the same script again after a crash, and it ends with the same bits as an unbroken fit, on
    one machine with one number of threads. After a fit that was completed it ends at once. The
    file is written beside its place and put there when it is complete, at the ends of epochs,
    after all other callbacks.

    The fit that goes on must be the same: rows, targets, weights, validation rows and the
    estimator's parameters are compared, and what differs is named; of Keras models what they
    compute and their weights, of functions their names and the weights of the layers that they
    take from outside. Only ``epochs`` may be raised
    (unless a named ``learning_rate_schedule`` ends with them), ``verbose`` and other ``callbacks``
    may change. With ``random_state=None`` the seed of the file goes on.

    Not in the file is what callbacks remember themselves: Keras's count their patience anew, your
    functions start as they are. What they have made of the learning rate is kept.

    Parameters
    ----------
    path : str or path-like
        The file. Each fit needs one of its own, so a Checkpoint has no place in a search or in
        cross-validation: there all fits but the first are refused, and the file is that of the
        first. Delete it to begin anew.
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

    def keeper(self, conditions: dict[str, str]) -> Callable[[Any], None]:
        """A function that writes the file, if it is time, and if no other fit has meanwhile."""
        known = _first_line(self.path)

        def keep(state: Any) -> None:
            nonlocal known
            is_last = state.stop or state.epoch + 1 >= state.epochs
            if not is_last and (state.epoch + 1) % self.every:
                return
            if _first_line(self.path) not in (None, known):
                raise ValueError(
                    f"another fit has written the checkpoint {self.path} since this one began, "
                    f"which leaves it to that. {_OF_ITS_OWN}"
                )
            fit = {"conditions": conditions, "progress": state.progress, "stopped": state.stop}
            encoder = Encoder()
            parts = encoder.parts("fit", encoder.encode(fit, "the fit"))
            known = files.write(self.path, "checkpoint", parts)

        return keep


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
    keep = [checkpoint.keeper(conditions)]
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
    from skdeep.engine import digest, layers_within

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
    layers = layers_within(*(value for name, value in parameters if name.startswith("model")))
    if weights := {id(weight): weight for layer in layers for weight in layer.weights}:
        values = [np.asarray(w) for w in weights.values() if w._value is not None]
        found["the weights that model comes with"] = f"of digest {digest(values)}"
    if isinstance(estimator.learning_rate_schedule, str):
        found["epochs"] = str(end)
    seed = estimator.random_state
    found["random_state"] = str(seed) if isinstance(seed, Integral) else "no integer"
    found["estimator"] = type(estimator).__name__
    found["target"], found["task"] = _described(fitted.target), _described(fitted.task)
    found["compile"] = str(get_config()["compile"])
    found["the fit that it goes on from"] = digest(fitted.progress.state) if goes_on else "none"
    return found


class _Describer(Encoder):
    """Encodes Keras's layers and models, too: as what they do, without their weights."""

    def encode(self, value: Any, where: str) -> Any:
        import keras

        from skdeep.engine import fingerprint

        if isinstance(value, keras.Layer):
            text = fingerprint(value).partition("-")[0]
            return type(value).__name__ + ("" if text.startswith("opaque") else f" {text}")
        encoded = super().encode(value, where)
        if hasattr(value, "source"):  # a template, whose key tells the names of Keras's layers
            encoded["values"]["key"] = value.key.partition("-")[0]
        return encoded


def _described(value: Any) -> str:
    """A value as text that is the same in another process."""
    from skdeep.engine import digest

    encoder = _Describer()
    try:
        text = json.dumps(encoder.encode(value, "value"))
    except (TypeError, LoadError):
        # A scorer, or an object of the user's: where it lies in memory says nothing.
        shown = repr(value)
        return type(value).__qualname__ if " at 0x" in shown else shown
    return text + (f", digest {digest(encoder.tensors)}" if encoder.tensors else "")


def _first_line(path: str | os.PathLike) -> bytes | None:
    """Of a file, whose digest it has; None without a file."""
    try:
        with Path(path).open("rb") as file:
            return file.readline(200)
    except FileNotFoundError:
        return None


def _check_conditions(path: str | os.PathLike, old: dict, new: dict) -> None:
    """Refuse a checkpoint of another fit, and tell what differs."""
    different = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    if different:
        changes = "; ".join(
            change
            for name in different
            for change in _changes(name, old.get(name, "not given"), new.get(name, "not given"))
        )
        raise ValueError(
            f"{path} is the checkpoint of another fit: {changes}. Delete the file to begin anew. "
            f"{_OF_ITS_OWN}"
        )


def _changes(name: str, old: str, new: str) -> Iterator[str]:
    """What differs between two described values; of objects of a class only those attributes."""
    (was, was_rest), (now, now_rest) = _object(old), _object(new)
    if not was or was.get("object") != now.get("object"):
        yield f"{name} was {old}, but is {new}"
    elif was == now:  # but for the arrays in it
        yield f"{name} was of {was_rest}, but is of {now_rest}"
    else:
        for key in {**was["values"], **now["values"]}:
            pair = [json.dumps(values["values"].get(key)) for values in (was, now)]
            if pair[0] != pair[1]:
                yield from _changes(f"{name}.{key}", *pair)


def _object(text: str) -> tuple[dict, str]:
    """The object that a text describes, if it does, and the digest of its arrays."""
    if not text.startswith('{"object"'):
        return {}, ""
    found, end = json.JSONDecoder().raw_decode(text)
    return found, text[end:].removeprefix(", ")
