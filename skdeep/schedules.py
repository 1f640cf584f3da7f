"""Learning-rate schedules: factors of the learning rate, by epoch.

    MLPClassifier(learning_rate_schedule="cosine")                  # falls to 0 over the epochs
    MLPClassifier(learning_rate_schedule=Cosine(epochs=50, warmup=5))
    MLPClassifier(learning_rate_schedule=lambda epoch: 0.95**epoch)

A schedule is any function from an array of epochs, fractional and counted from the first fit, to
an array of factors. A fit that goes on (``warm_start``, ``partial_fit``) goes on in its schedule.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from skdeep.persistence import saved

Schedule = Callable[[np.ndarray], np.ndarray]


@saved
@dataclass(frozen=True)
class Linear:
    """From 1 to 0 over ``epochs``, after rising from 0 over ``warmup`` epochs."""

    epochs: float
    warmup: float = 0

    def __call__(self, epoch: np.ndarray) -> np.ndarray:
        return _warmed(epoch, self.warmup, 1 - _share(epoch, self.warmup, self.epochs))


@saved
@dataclass(frozen=True)
class Cosine:
    """Half a cosine from 1 to 0 over ``epochs``, after rising from 0 over ``warmup`` epochs.

    Loshchilov, Hutter. SGDR: stochastic gradient descent with warm restarts. ICLR, 2017,
    equation 5 without restarts.
    """

    epochs: float
    warmup: float = 0

    def __call__(self, epoch: np.ndarray) -> np.ndarray:
        share = _share(epoch, self.warmup, self.epochs)
        return _warmed(epoch, self.warmup, 0.5 + 0.5 * np.cos(np.pi * share))


@saved
@dataclass(frozen=True)
class FlatCosine:
    """1 for the first half of ``epochs``, then half a cosine from 1 to 0.

    Holzmuller, Grinsztajn, Steinwart. Better by default: strong pre-tuned MLPs and boosted trees
    on tabular data. NeurIPS, 2024: flat_cos, for what is to vanish at the end, such as dropout.
    """

    epochs: float

    def __call__(self, epoch: np.ndarray) -> np.ndarray:
        share = _share(epoch, 0, self.epochs)
        return 0.5 + 0.5 * np.cos(np.pi * (np.maximum(1, 2 * share) - 1))


@saved
@dataclass(frozen=True)
class LogCosine:
    """``cycles`` waves from 0 to 1 and back to 0, each about twice as long as the one before.

    (1 - cos(2 pi log2(1 + (2^cycles - 1) t))) / 2 at the share t of ``epochs``: Holzmuller,
    Grinsztajn, Steinwart. Better by default: strong pre-tuned MLPs and boosted trees on tabular
    data. NeurIPS, 2024: coslog_k. Each end is a time to be good: with early stopping, any.
    """

    epochs: float
    cycles: int = 4

    def __call__(self, epoch: np.ndarray) -> np.ndarray:
        share = _share(epoch, 0, self.epochs)
        return 0.5 - 0.5 * np.cos(2 * np.pi * np.log2(1 + (2**self.cycles - 1) * share))


@saved
@dataclass(frozen=True)
class Steps:
    """Times ``factor`` after every ``every`` epochs."""

    every: float
    factor: float = 0.1

    def __call__(self, epoch: np.ndarray) -> np.ndarray:
        return self.factor ** np.floor(epoch / self.every)


def _share(epoch, start, stop):
    """How far the epoch lies between start and stop, from 0 to 1."""
    return np.clip((epoch - start) / max(stop - start, 1e-12), 0, 1)


def _warmed(epoch, warmup, factor):
    return factor if warmup == 0 else factor * np.clip(epoch / warmup, 0, 1)


_BY_NAME: dict[str, Callable[[float], Schedule]] = {
    "coslog4": LogCosine,
    "cosine": Cosine,
    "flat_cos": FlatCosine,
    "linear": Linear,
}
NAMES = frozenset(_BY_NAME)


def resolve(schedule: str | Schedule | None, last_epoch: int) -> Schedule | None:
    """The schedule of a name, ending at ``last_epoch``; a function is its own."""
    bases = {(cls.__name__, cls.__module__.partition(".")[0]) for cls in type(schedule).__mro__}
    if ("LearningRateSchedule", "keras") in bases:
        raise TypeError(
            f"learning_rate_schedule gives factors of the learning rate by epoch, but "
            f"{type(schedule).__name__} of Keras's gives rates by step; take a name, "
            f"skdeep.schedules, or a function such as lambda epoch: 0.95**epoch."
        )
    return _BY_NAME[schedule](last_epoch) if isinstance(schedule, str) else schedule
