"""Candidates that begin with few epochs, and go on from there if they promise something.

All folds of a candidate are trained for an eighth of the epochs. The better half of all candidates
so far goes on to a quarter, the best quarter to a half, the best eighth to all of them: successive
halving [1]_. What becomes of a candidate is decided at once, by those before it, and not taken up
again.

Each part goes on where the last one ended, with the learning rate that all epochs have, so that a
candidate that has had all has the scores of a search without parts. What networks have learnt is
kept between two parts in a folder of the search's; one that is not found there is trained from the
beginning. What comes before the network, in a Pipeline, is fitted anew with the seeds that it had.

.. [1] Jamieson, Talwalkar. Non-stochastic best arm identification and hyperparameter optimization.
   AISTATS, 2016. That nobody need wait for the others: Li, Jamieson, Rostamizadeh et al. A system
   for massively parallel hyperparameter tuning. MLSys, 2020.
"""

import secrets
import uuid
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline
from sklearn.utils._param_validation import validate_parameter_constraints

from skdeep import schedules
from skdeep.hyperparameters import Declared
from skdeep.model_selection.assessment.recording import last_step
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
        owner, constraints = type(network).__name__, network._parameter_constraints
        validate_parameter_constraints({"epochs": constraints["epochs"]}, given, caller_name=owner)
        self._prefix = "".join(f"{name}__" for name in path)
        self._entropy = secrets.randbits(64)
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
        self,
        work: Any,
        trial: int,
        candidate: dict[str, Any],
        split: int,
        part: int,
        rows: tuple[np.ndarray, np.ndarray],
        context: Any,
    ) -> dict[str, Any]:
        """The record of a part: that of a fit to its end, from where the last part ended."""
        had = self.levels[part - 1] if part else 0
        key = f"{trial}-{split}"
        learnt, record = self._kept(f"{key}-{part - 1}") if part else ({}, {})
        values = {name: clone(value, safe=False) for name, value in candidate.items()}
        estimator = clone(work.estimator).set_params(**values)
        network = last_step(estimator)
        vars(network).update(learnt)
        if record.get("is_over"):
            return self.again(record, part)
        settings = self._settings(estimator, [trial, split])
        settings[f"{self._prefix}epochs"] = self.levels[part] - (had if learnt else 0)
        record = work.fit_to(estimator, candidate | settings, split, rows, context)
        if record["fit_error"] is not None:
            return self.marked(record, split, part)
        record = self.marked(record, split, part, network)
        if part < len(self.levels) - 1:
            self._keep(f"{key}-{part}", network, record)
        return record

    def marked(
        self, record: dict[str, Any], split: int, part: int, network: Any = None
    ) -> dict[str, Any]:
        """A record that tells its part; one that failed has had the epochs before."""
        is_last = part == len(self.levels) - 1
        epochs = self.levels[part - 1] if part else 0
        stopped = False
        if network is not None:
            epochs, stopped = network.n_iter_, network._fitted.progress.stopped
        told = {"epochs": int(epochs), "is_last": is_last, "is_over": is_last or stopped}
        return record | {"split": split} | told

    def again(self, record: dict[str, Any], part: int) -> dict[str, Any]:
        """The record of a part in which there is nothing left to train."""
        free = {"fit_time": 0.0, "score_time": 0.0}
        return record | free | {"is_last": part == len(self.levels) - 1}

    def forget(self, trial: int) -> None:
        """Drop what was kept of a trial, which is over."""
        for file in self.folder.glob(f"{trial}-*"):
            file.unlink(missing_ok=True)

    def _settings(self, estimator: BaseEstimator, key: list[int]) -> dict[str, Any]:
        """What a part sets of a candidate's estimator, but for the number of epochs.

        What has no seed gets one, so that it is the same in each part.
        """
        given = estimator.get_params()
        name = f"{self._prefix}learning_rate_schedule"
        schedule = given[name]
        if isinstance(schedule, str) and schedule in schedules.NAMES:
            schedule = schedules.resolve(schedule, self.levels[-1])
        unseeded = [
            name
            for name, value in given.items()
            if name.rpartition("__")[2] == "random_state" and value is None
        ]
        drawn = np.random.SeedSequence([self._entropy, *key]).generate_state(len(unseeded))
        seeds = {name: int(seed >> 1) for name, seed in zip(unseeded, drawn)}
        return seeds | {f"{self._prefix}warm_start": True, name: schedule}

    def _keep(self, key: str, network: Any, record: dict[str, Any]) -> None:
        """Keep what a network has learnt, for the next part; on another machine, nothing."""
        if not self.folder.is_dir():
            return
        parameters = network.get_params(deep=False)
        learnt = {
            name: value
            for name, value in vars(network).items()
            if name not in parameters and not name.startswith("_skl")
        }
        new = self.folder / f"{key}-{uuid.uuid4().hex}"
        try:
            new.write_bytes(cloudpickle.dumps((learnt, record)))
            new.replace(self.folder / key)
        except Exception as error:  # a full disk, or a model of the user's that no file holds
            warnings.warn(
                f"what a network has learnt could not be kept, and it is trained from the "
                f"beginning if it is to go on: {error}",
                RuntimeWarning,
                stacklevel=2,
            )

    def _kept(self, key: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """What a network had learnt, and its record; nothing, if it was not kept."""
        try:
            return cloudpickle.loads((self.folder / key).read_bytes())
        except OSError:
            return {}, {}


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

        After part p, from 1, the best share 2^-p of all go on, itself included, rounded down; but
        the best one always.
        """
        part, score = len(scores) - 1, scores[-1].mean()
        if not np.isfinite(score):
            return True
        n_better = sum(curve[part] > score for curve in self.curves if len(curve) > part)
        return n_better >= max(1, (len(self.curves) + 1) // 2 ** (part + 1))

    def expected(self, scores: np.ndarray) -> tuple[float, float]:
        """The score that a candidate would have had in the end; taken to be known, variance 0.

        It gains what others gained, a median; nothing, if no other had all parts.
        """
        complete = self.complete
        gains = complete[:, -1] - complete[:, len(scores) - 1]
        return float(scores[-1].mean() + (np.median(gains) if len(gains) else 0.0)), 0.0
