"""Training and test rows of candidates: the same for all, or others for each.

With the same splits for all, candidates are compared on equal terms, and the best is in part the
one that these splits happen to favour. Other splits for each candidate do not add up so, and find
better candidates where the score is noisy [1]_.

.. [1] Nagler, Schneider, Bischl, Feurer. Reshuffling resampling splits can improve generalization
   of hyperparameter optimization. NeurIPS, 2024.
"""

from copy import copy
from itertools import chain
from typing import Any

import numpy as np
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _check_method_params

RESAMPLINGS = ("fixed", "reshuffle", "repeat_top")
N_KEPT = 8  # of the splits that were drawn last

Rows = tuple[np.ndarray, np.ndarray]


class Splits:
    """The splits of a search.

    Parameters
    ----------
    splitter : cross-validator
        What splits rows.
    X, y
        The data.
    params : dict
        What ``split`` takes besides, such as groups.
    kept : ndarray of int or None
        The rows to split; None are all.
    resampling : {'fixed', 'reshuffle', 'repeat_top'}
        Whether candidates have splits of their own, or the best will have others besides.

    Attributes
    ----------
    n : int
        How many there are.
    seed : int
        Of the splits that are drawn anew.

    Raises
    ------
    ValueError
        If there are none, or the splitter cannot draw others where it must.
    """

    def __init__(
        self, splitter: Any, X: Any, y: Any, params: dict[str, Any], kept: Any, resampling: str
    ) -> None:
        self.seed = 0
        self._splitter, self._X, self._y, self._params = splitter, X, y, params
        self._kept = kept
        self._drawn: dict[int, list[Rows]] = {}
        if resampling != "fixed" and not self.are_drawn():
            raise ValueError(
                f"resampling={resampling!r} draws splits anew, which {type(splitter).__name__} "
                "cannot do; pass KFold or another that shuffles as cv, or leave resampling out."
            )
        X, y, params = self._searched()
        self.n = splitter.get_n_splits(X, y, **params)
        # Where each candidate has its own, the first ones only tell how large they are, and are the
        # same in the call that goes on, which knows the search by them.
        self._first = self._draw(self._other(0) if resampling == "reshuffle" else splitter)
        if len(self._first) != self.n:
            raise ValueError(
                f"cv.split and cv.get_n_splits return inconsistent results. Expected "
                f"{self.n} splits, got {len(self._first)}"
            )
        if not self._first:
            raise ValueError("No fits were performed: cv has no split.")

    def are_drawn(self) -> bool:
        """Whether another seed gives other splits; some splitters have one without effect."""
        if not hasattr(self._splitter, "random_state"):
            return False
        a, b = (self._draw(self._other(shuffle)) for shuffle in (1, 2))
        return any(not np.array_equal(i, j) for i, j in zip(chain(*a), chain(*b)))

    def of(self, shuffle: int) -> list[Rows]:
        """Training and test rows of each split; those of 0 are the first ones."""
        if shuffle == 0:
            return self._first
        if shuffle not in self._drawn:
            for old in [*self._drawn][: 1 - N_KEPT]:
                self._drawn.pop(old, None)
            self._drawn[shuffle] = self._draw(self._other(shuffle))
        return self._drawn[shuffle]

    def _other(self, shuffle: int) -> Any:
        """The splitter with another seed."""
        splitter = copy(self._splitter)
        splitter.random_state = int(
            np.random.SeedSequence([self.seed, shuffle]).generate_state(1)[0]
        )
        if hasattr(splitter, "shuffle"):
            splitter.shuffle = True
        return splitter

    def _draw(self, splitter: Any) -> list[Rows]:
        X, y, params = self._searched()
        splits = list(splitter.split(X, y, **params))
        if self._kept is None:
            return splits
        return [(self._kept[train], self._kept[test]) for train, test in splits]

    def _searched(self) -> tuple[Any, Any, dict[str, Any]]:
        """The rows that are split."""
        if self._kept is None:
            return self._X, self._y, self._params
        params = _check_method_params(self._X, self._params, indices=self._kept)
        y = None if self._y is None else _safe_indexing(self._y, self._kept)
        return _safe_indexing(self._X, self._kept), y, params
