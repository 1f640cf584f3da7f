"""Targets of which each step of a row has one."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np

from skdeep.persistence import saved
from skdeep.targets.conformity import N_KEPT, Conformity
from skdeep.targets.heads import Head


@saved
@dataclass(frozen=True)
class PerStep:
    """A target of which each step of a row has one.

    Encoded targets are ``Sequences``; outputs are an array (n, n_steps, n_outputs) or
    ``Sequences``, and what follows from them an array or a list of arrays.

    Attributes
    ----------
    each : Labels or Reals
        Of one step.
    """

    each: Any

    @property
    def head(self) -> Head:
        """That of one step, for all."""
        return replace(self.each.head, per_step=True)

    def encode(self, y: Any, name: str = "y") -> Any:
        """Targets of all steps, (n_steps_in_all, n_columns)."""
        return y.with_values(self.each.encode(y.values, name))

    def factors(self, class_weight: Any, encoded: Any, weight: np.ndarray) -> list:
        """As ``Labels.factors``: no factors, for the weights are those of rows."""
        if class_weight is not None:
            raise ValueError(
                f"class_weight weighs rows, but y has a label for each step; leave it None, not "
                f"{class_weight!r}."
            )
        return self.each.factors(None, encoded.values, np.repeat(weight, encoded.lengths))

    def temperatures(self, outputs: Any, encoded: Any, weight: np.ndarray) -> np.ndarray:
        """As ``Labels.temperatures``, of all steps; a row's weight counts its steps."""
        lengths = _lengths(encoded)
        weight = np.repeat(weight / lengths, lengths)
        return self.each.temperatures(_steps(outputs), _steps(encoded), weight)

    def labels(self, outputs: Any) -> Any:
        """The likeliest classes, (n, n_steps)."""
        return _by_row(self.each.labels(_steps(outputs)), outputs)

    def probabilities(self, outputs: Any, temperatures: Any = None) -> Any:
        """Probabilities, (n, n_steps, n_classes)."""
        return _by_row(self.each.probabilities(_steps(outputs), temperatures), outputs)

    def decision(self, outputs: Any) -> Any:
        """Logits, (n, n_steps) for two classes, else (n, n_steps, n_classes)."""
        return _by_row(self.each.decision(_steps(outputs)), outputs)

    def mixture(self, samples: Iterator) -> tuple[Any, Any]:
        """As ``Reals.mixture``, each (n, n_steps) or (n, n_steps, n_columns)."""
        first = next(samples)
        moments = self.each.mixture(map(_steps, chain([first], samples)))
        return _by_row(moments[0], first), _by_row(moments[1], first)

    def quantiles(self, outputs: Any, levels: np.ndarray) -> Any:
        """As ``Reals.quantiles``, (n, n_steps, n_levels) or (n, n_steps, n_columns, n_levels)."""
        return _by_row(self.each.quantiles(_steps(outputs), levels), outputs)

    def conformity(
        self, outputs: Any, encoded: Any, weight: np.ndarray, rng: np.random.Generator
    ) -> Conformity:
        """As ``Reals.conformity``, of steps: as many of each row, drawn with replacement.

        The new step is one of a new row, so that a row counts once, however long it is [1]_.

        .. [1] Lee, Barber, Willett. Distribution-free inference with hierarchical data.
           arXiv:2306.06342, 2023, section 3.
        """
        lengths = _lengths(encoded)
        n_drawn = max(1, min(N_KEPT // len(lengths), lengths.max()))
        drawn = (rng.random((len(lengths), n_drawn)) * lengths[:, None]).astype(int)
        drawn = (drawn + (np.cumsum(lengths) - lengths)[:, None]).ravel()
        weight = np.repeat(weight / lengths, n_drawn)  # ``_encoded`` has multiplied by them
        kept = self.each.conformity(_steps(outputs)[drawn], _steps(encoded)[drawn], weight, rng)
        return replace(kept, size=kept.size / n_drawn)

    def intervals(self, outputs: Any, kept: Conformity, coverage: float) -> Any:
        """As ``Reals.intervals``, (n, n_steps, 2) or (n, n_steps, n_columns, 2)."""
        return _by_row(self.each.intervals(_steps(outputs), kept, coverage), outputs)


def _lengths(encoded: Any) -> np.ndarray:
    """Steps of each row of encoded targets, (n,)."""
    lengths = getattr(encoded, "lengths", None)
    return np.full(len(encoded), encoded.shape[1]) if lengths is None else lengths


def _steps(outputs: Any) -> np.ndarray:
    """The steps of all rows, (n_steps_in_all, ...), of an array (n, n_steps, ...) or Sequences."""
    if isinstance(outputs, np.ndarray):
        return outputs.reshape(-1, outputs.shape[-1])
    return outputs.values


def _by_row(results: np.ndarray, outputs: Any) -> Any:
    """What follows from the steps of all rows as an array, or a list of arrays, like outputs."""
    if isinstance(outputs, np.ndarray):
        return results.reshape(*outputs.shape[:2], *results.shape[1:])
    return outputs.with_values(results).arrays()
