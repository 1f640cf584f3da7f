"""Which points of a space are known, so that none is evaluated twice."""

import numpy as np

from skdeep.model_selection.spaces.space import Space

MOST_TO_LIST = 100_000
N_TRIES = 1000


class Known:
    """A set of points, and what is left of the space."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self._keys: set[bytes] = set()
        self._listed: np.ndarray | None = None
        self._n_passed = 0  # of the listed points, these and all before are known

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, u: np.ndarray) -> bool:
        return self.space.key(u) in self._keys

    def add(self, u: np.ndarray) -> None:
        self._keys.add(self.space.key(u))

    def discard(self, u: np.ndarray) -> None:
        self._keys.discard(self.space.key(u))
        self._n_passed = 0

    @property
    def exhausted(self) -> bool:
        """Whether every point of a finite space is known."""
        if len(self._keys) >= self.space.size:
            return True
        # One that lies in two sub-spaces is counted twice by ``size``.
        if len(self.space.budgets) == 1 or self.space.size > MOST_TO_LIST:
            return False
        return len(self._left()) == 0

    def another(self, rng: np.random.Generator) -> np.ndarray | None:
        """A point that is not known, of whatever probability; None if there is none to be found."""
        if self.space.size <= MOST_TO_LIST:
            return next((u for u in rng.permutation(self._left()) if u not in self), None)
        tries = (self.space.sample_levels(rng) for _ in range(N_TRIES))
        return next((u for u in tries if u not in self), None)

    def _left(self) -> np.ndarray:
        """Points of a finite space, from the first that is not known, (n, n_dimensions)."""
        if self._listed is None:
            self._listed = self.space.sample(int(self.space.size), np.random.default_rng(0))
        while self._n_passed < len(self._listed) and self._listed[self._n_passed] in self:
            self._n_passed += 1
        return self._listed[self._n_passed :]
