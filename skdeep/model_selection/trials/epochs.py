"""Candidates that begin with few epochs, and go on from there if they promise something.

All folds of a candidate are trained for an eighth of the epochs. The better half of all candidates
so far goes on to a quarter, the best quarter to a half, the best eighth to all of them: successive
halving [1]_, so that each part costs about as much as another. What becomes of a candidate is
decided at once, by those before it, and not taken up again.

Each part goes on where the last one ended, with the learning rate that all epochs have, so that a
candidate that has had all has the scores of a search without parts. Networks are kept between
two parts in a folder of the search's; one that is not found there is trained from the beginning.

.. [1] Jamieson, Talwalkar. Non-stochastic best arm identification and hyperparameter optimization.
   AISTATS, 2016. That nobody need wait for the others: Li, Jamieson, Rostamizadeh et al. A system
   for massively parallel hyperparameter tuning. MLSys, 2020.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline

from skdeep import schedules
from skdeep.hyperparameters import Declared
from skdeep.model_selection.spaces import Space

SHARES = (8, 4, 2, 1)  # of all epochs, one of so many, at the end of each part
CONTROLLED = ("epochs", "warm_start")


class Epochs:
    """The parts of a network's epochs.

    Parameters
    ----------
    estimator : BaseEstimator
        A network of skdeep's, or a Pipeline whose last step is one.
    spaces : list of Space
        Those that are searched.
    folder : Path
        Where networks are kept between two parts.

    Attributes
    ----------
    levels : list of int
        Epochs at the end of each part.

    Raises
    ------
    ValueError
        If there is no network, or the spaces vary what this does.
    """

    def __init__(self, estimator: BaseEstimator, spaces: list[Space], folder: Path) -> None:
        self.folder = folder
        path = []
        network: Any = estimator
        while isinstance(network, Pipeline):
            name, network = network.steps[-1]
            path.append(name)
        is_ours = isinstance(network, Declared)
        given = network.get_params(deep=False) if is_ours else {}
        if not given.keys() >= {*CONTROLLED}:
            raise ValueError(
                f"fidelity='epochs' goes on with networks of skdeep's, but {_words(path)} is "
                f"{type(network).__name__}; leave it out."
            )
        self._prefix = "".join(f"{name}__" for name in path)
        self._schedule = given["learning_rate_schedule"]
        self.levels = sorted({-(-int(given["epochs"]) // share) for share in SHARES})
        taken = {self._prefix + name for name in CONTROLLED}
        taken |= {"__".join(path[: i + 1]) for i in range(len(path))}
        taken |= {"__".join([*path[:i], "steps"]) for i in range(len(path))}
        varied = sorted(taken & {name for space in spaces for name in space.names})
        if varied:
            raise ValueError(
                f"fidelity='epochs' decides how long a network is trained, up to its own "
                f"{self._prefix}epochs={self.levels[-1]}, but search_spaces varies "
                f"{', '.join(varied)}; take it out."
            )

    def fit(
        self, work: Any, trial: int, candidate: dict[str, Any], split: int, part: int, context: Any
    ) -> dict[str, Any]:
        """The record of a part: that of a fit to its end, from where the last part ended."""
        level, had = self.levels[part], self.levels[part - 1] if part else 0
        key = f"{trial}-{split}"
        kept = self._kept(f"{key}-{part - 1}") if part else None
        if kept is not None and self._has_stopped(kept[0], had):
            estimator, record = kept
            record |= {"fit_time": 0.0, "score_time": 0.0}
        else:
            estimator = clone(work.estimator) if kept is None else kept[0]
            n_epochs = level if kept is None else level - had
            settings = self._settings(candidate, n_epochs)
            record = work.fit_to(estimator, settings, split, context)
        if record["fit_error"] is not None:
            return self.marked(record, split, part)
        record = self.marked(record, split, part, self._network(estimator).n_iter_)
        if part < len(self.levels) - 1:
            self._keep(f"{key}-{part}", estimator, record)
        return record

    def marked(
        self, record: dict[str, Any], split: int, part: int, n_epochs: int | None = None
    ) -> dict[str, Any]:
        """A record that tells its part; one that failed has had the epochs before."""
        if n_epochs is None:
            n_epochs = self.levels[part - 1] if part else 0
        is_last = part == len(self.levels) - 1
        return record | {"split": split, "epochs": int(n_epochs), "is_last": is_last}

    def forget(self, trial: int) -> None:
        """Drop what was kept of a trial, which is over."""
        for file in self.folder.glob(f"{trial}-*"):
            file.unlink(missing_ok=True)

    def _settings(self, candidate: dict[str, Any], n_epochs: int) -> dict[str, Any]:
        """A candidate's parameters in a part."""
        name = self._prefix + "learning_rate_schedule"
        schedule = candidate.get(name, self._schedule)
        return candidate | {
            self._prefix + "epochs": n_epochs,
            self._prefix + "warm_start": True,
            name: schedules.resolve(schedule, self.levels[-1]),
        }

    def _network(self, estimator: BaseEstimator) -> Any:
        while isinstance(estimator, Pipeline):
            estimator = estimator.steps[-1][1]
        return estimator

    def _has_stopped(self, estimator: BaseEstimator, had: int) -> bool:
        """Whether early stopping, or a callback, has ended the training of a fitted estimator."""
        network = self._network(estimator)
        if not network.early_stopping:
            return network.n_iter_ < had
        return network.n_iter_ < had or network.n_iter_ - 1 - network.best_epoch_ >= (
            network.patience
        )

    def _keep(self, key: str, estimator: BaseEstimator, record: dict[str, Any]) -> None:
        """Keep what the next part goes on with, if it can be kept.

        It cannot on another machine, on a full disk, or if a callback cannot be pickled.
        """
        if self.folder.is_dir():
            place = self.folder / key
            with suppress(Exception):  # of which a callback may raise any
                place.with_suffix(".new").write_bytes(cloudpickle.dumps((estimator, record)))
                os.replace(place.with_suffix(".new"), place)

    def _kept(self, key: str) -> tuple[BaseEstimator, dict[str, Any]] | None:
        try:
            return cloudpickle.loads((self.folder / key).read_bytes())
        except OSError:
            return None


def _words(path: list[str]) -> str:
    return f"the last step, {path[-1]!r}," if path else "the estimator"


@dataclass(frozen=True)
class Halving:
    """What the other candidates had after each part, from when one was proposed.

    Parameters
    ----------
    curves : list of ndarray
        Their mean scores after each part that they had.
    n_parts : int
        How many there are.
    """

    curves: list[np.ndarray]
    n_parts: int

    @classmethod
    def against(cls, curves: list[np.ndarray], n_parts: int) -> "Halving":
        """The competition with these candidates, and with none that come later."""
        return cls([*curves], n_parts)

    @property
    def complete(self) -> np.ndarray:
        """Scores of those that had all parts, (n_complete, n_parts)."""
        curves = [c for c in self.curves if len(c) == self.n_parts and np.isfinite(c).all()]
        return np.array(curves).reshape(-1, self.n_parts)

    def is_lost(self, scores: np.ndarray) -> bool:
        """Whether a candidate is to have no further part, by its scores, (n_parts_had, n_splits).

        After part p, from 1, the best share 2^-p of all go on, itself included, rounded up.
        """
        part, score = len(scores) - 1, scores[-1].mean()
        if not np.isfinite(score):
            return True
        n_better = sum(curve[part] > score for curve in self.curves if len(curve) > part)
        return bool(n_better >= np.ceil((len(self.curves) + 1) / 2 ** (part + 1)))

    def expected(self, scores: np.ndarray) -> tuple[float, float]:
        """The score that a candidate would have had in the end; taken to be known, variance 0.

        It gains what others gained, a median; nothing, if no other had all parts.
        """
        complete = self.complete
        gains = complete[:, -1] - complete[:, len(scores) - 1]
        return float(scores[-1].mean() + (np.median(gains) if len(gains) else 0.0)), 0.0
