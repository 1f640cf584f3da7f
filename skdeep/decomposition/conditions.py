"""What is known of each row, as columns beside it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.multiclass import type_of_target

from skdeep.persistence import saved
from skdeep.targets import Reals
from skdeep.validation import naming


@saved
@dataclass(frozen=True)
class Conditions:
    """Labels as one column for each class, or numbers scaled to variance 1.

    Attributes
    ----------
    classes : ndarray (n_classes,) or None
        Sorted; None for numbers.
    numbers : Reals or None
    """

    classes: np.ndarray | None
    numbers: Reals | None

    @classmethod
    def of(cls, y: Any, weight: np.ndarray) -> "Conditions":
        """Those of the rows of a first fit; real numbers, or labels as scikit-learn tells them."""
        with naming("y"):
            kind = type_of_target(y, input_name="y", raise_unknown=True)
            if kind in ("binary", "multiclass"):
                return cls(np.unique(column_or_1d(y)), None)
            y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
            return cls(None, Reals.of(y, weight))

    @property
    def n_columns(self) -> int:
        """How many columns they are."""
        if self.numbers is not None:
            return len(self.numbers.mean)
        assert self.classes is not None
        return len(self.classes)

    def encode(self, y: Any, name: str = "y") -> np.ndarray:
        """The columns (n, n_columns) float64 of conditions y, (n,) or (n, n_numbers)."""
        with naming(name):
            if self.numbers is not None:
                y = check_array(y, ensure_2d=False, dtype=np.float64, input_name=name)
                return self.numbers.encode(y, name)
            assert self.classes is not None
            y = column_or_1d(y)
            found = y[:, None] == self.classes
            if not (known := found.any(axis=1)).all():
                raise ValueError(
                    f"has the label {y[~known].tolist()[0]!r}, which fit has not seen; it has seen "
                    f"{', '.join(map(repr, self.classes.tolist()[:20]))}."
                )
            return found.astype(np.float64)
