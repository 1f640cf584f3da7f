"""Columns of categories, as one-hot vectors or as codes for an embedding.

Codes begin with the buckets, of which there is one but for hashed columns: categories that are rare
in training and those never seen fall into them, so that the code of the unseen is a trained one.
Then come the categories, and last a code for missing values if training had any.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from sklearn.utils import murmurhash3_32

from skdeep.persistence import saved


@saved
@dataclass(frozen=True)
class Categories:
    """The categories of a column.

    Attributes
    ----------
    categories : ndarray of shape (n_categories,)
        In order: integers, floats, booleans, or objects that are strings.
    n_buckets : int
        Codes of categories that are not among them.
    is_hashed : bool
        Whether a hash chooses the bucket.
    has_rare : bool
        Whether training has rare categories.
    is_cut : bool
        Whether some of them are not rare, but too many.
    has_missing : bool
        Whether training has missing values.
    one_hot : bool
    """

    categories: np.ndarray
    n_buckets: int
    is_hashed: bool
    has_rare: bool
    is_cut: bool
    has_missing: bool
    one_hot: bool

    @classmethod
    def fit(
        cls,
        values: np.ndarray,
        weight: np.ndarray,
        *,
        least: float,
        most: int,
        one_hot: bool,
    ) -> "Categories":
        """Find those of a weight of at least ``least``, and of them the ``most`` heaviest."""
        codes, found = pd.factorize(values)
        weights = np.bincount(codes[codes >= 0], weight[codes >= 0], minlength=len(found))
        frequent = np.flatnonzero(weights >= least)
        order = np.argsort(found[frequent], kind="stable")
        frequent = frequent[order]
        heaviest = np.sort(np.argsort(-weights[frequent], kind="stable")[:most])
        chosen = found[frequent[heaviest]]
        return cls(
            categories=chosen,
            n_buckets=1,
            is_hashed=False,
            has_rare=len(chosen) < len(found),
            is_cut=len(chosen) < len(frequent),
            has_missing=bool((codes < 0).any()),
            one_hot=one_hot,
        )

    def hashed(self, n_buckets: int) -> "Categories":
        """The same with buckets."""
        return replace(self, n_buckets=n_buckets, is_hashed=True)

    @property
    def is_constant(self) -> bool:
        """Whether all training rows have the same code."""
        n_codes = len(self.categories) + self.has_missing
        return not self.has_rare if n_codes == 1 else n_codes == 0 and not self.is_hashed

    @property
    def cardinality(self) -> int:
        """How many codes there are."""
        return self.n_buckets + len(self.categories) + self.has_missing

    @cached_property
    def suffixes(self) -> tuple[str, ...]:
        """What is added to the column's name in those of the output."""
        if not self.one_hot:
            return ("",)
        buckets = [f"_bucket{i}" for i in range(self.n_buckets)]
        if not self.is_hashed:
            buckets = ["_rare"] * self.has_rare
        categories = [f"_{category}" for category in self.categories.tolist()]
        return (*buckets, *categories, *["_missing"] * self.has_missing)

    @cached_property
    def _numbers(self) -> dict:
        """Code of each category."""
        return {c: self.n_buckets + i for i, c in enumerate(self.categories.tolist())}

    @property
    def _shift(self) -> int:
        """The first code that has a column in one-hot vectors: of the unseen where none is rare."""
        return int(not self.is_hashed and not self.has_rare)

    def codes(self, values: np.ndarray) -> np.ndarray:
        """Codes of values (n,), int64."""
        number = self._numbers.get
        codes = np.array([number(value, -1) for value in values.tolist()], np.int64)
        if (others := np.flatnonzero(codes < 0)).size:
            missing = pd.isna(values[others])
            codes[others[missing]] = self.cardinality - 1 if self.has_missing else 0
            unseen = others[~missing]
            codes[unseen] = self._buckets(values[unseen]) if self.is_hashed else 0
        return codes

    def _buckets(self, values: np.ndarray) -> list[int]:
        """Buckets by a hash of the text; of numbers as floats, which they may have become."""
        if values.dtype.kind != "O":
            values = values.astype(np.float64)
        n = self.n_buckets
        texts = (str(value).encode("utf-8", "surrogatepass") for value in values.tolist())
        return [murmurhash3_32(text, 0, True) % n for text in texts]

    def encode(self, values: np.ndarray, out: np.ndarray) -> None:
        """Write values (n,) into their part of the output, which is zero."""
        codes = self.codes(values)
        if not self.one_hot:
            out[:, 0] = codes
            return
        rows = np.flatnonzero(codes >= self._shift)
        out[rows, codes[rows] - self._shift] = 1

    def decode(self, encoded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values (n,) of a part of the output, and which are missing or in a bucket."""
        if self.one_hot:
            codes = np.where(encoded.max(axis=1) > 0, encoded.argmax(axis=1) + self._shift, 0)
        else:
            codes = np.rint(encoded[:, 0]).astype(np.int64)
        places = codes - self.n_buckets
        known = (places >= 0) & (places < len(self.categories))
        values = np.full(len(codes), None, object)
        values[known] = self.categories[places[known]]
        return values, ~known
