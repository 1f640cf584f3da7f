"""Fitting a table, column by column."""

from dataclasses import replace
from typing import Any

import numpy as np

from skdeep.preprocessing.table.categorical import Categories
from skdeep.preprocessing.table.columns import Column, Table, refuse_infinity, values_for
from skdeep.preprocessing.table.dates import Dates
from skdeep.preprocessing.table.numeric import AsIs, Numbers, Quantile, Robust
from skdeep.preprocessing.table.reading import KINDS, parsed, read

SCALERS: dict[str, type[Robust | Quantile]] = {"robust": Robust, "quantile": Quantile}


class Fit:
    """Columns fitted one after the other; numbers at the end, together."""

    def __init__(
        self, weight: np.ndarray, scaling: str, n_buckets: int, categories: dict[str, Any]
    ) -> None:
        self.weight, self.scaler, self.n_buckets = weight, SCALERS[scaling], n_buckets
        self.categories = categories  # arguments of Categories.fit
        self.columns: list[Column] = []
        self.encoders: dict[int, Any] = {}
        self.numbers: dict[int, np.ndarray] = {}

    def add(self, array: Any, name: str, wanted: str | None) -> None:
        """Fit the next column, of weighted rows; as a kind, if one is wanted."""
        if wanted == "drop":
            self.columns.append(Column(name, str(array.dtype), "", "drop"))
            return
        found = read(array, name).or_empty()
        if wanted is not None and wanted not in KINDS[found.family]:
            raise ValueError(
                f"kinds makes column {name!r} {wanted!r}, but it holds {found.family}s "
                f"({found.dtype}), of which can be made {', '.join(KINDS[found.family])} or drop."
            )
        kind, family = wanted or found.kind, found.family
        if kind == "date" and family == "string":
            found = parsed(found.values, name, found.dtype)
        position, missing = len(self.columns), found.missing
        share = float(self.weight[missing].sum() / self.weight.sum())
        values = values_for(found, kind)
        n_categories, constant = 0, None
        suffixes: tuple[str, ...] = ()
        if kind in ("categorical", "hashed"):
            encoder, kind = self._categories(values, kind, wanted is not None)
            n_categories = len(encoder.categories)
            if encoder.is_constant:
                constant = next(iter(encoder.categories.tolist()), None)
            else:
                self.encoders[position], suffixes = encoder, encoder.suffixes
        elif not missing.all():
            present = values[~missing]
            if kind != "date" and np.isinf(present).any():
                refuse_infinity([name])
            if not missing.any() and present.min() == present.max():
                constant = present[0]
            elif kind == "date":
                dates = Dates.fit(values, found.zone, self.weight, self.scaler)
                self.encoders[position], suffixes = dates, dates.suffixes
            else:
                self.numbers[position] = found.floats()
                suffixes = ("", *["_missing"] * bool(missing.any()))
        self.columns.append(
            Column(
                name=name,
                dtype=found.dtype,
                family=family,
                kind=kind,
                n_categories=n_categories,
                missing=share,
                suffixes=suffixes,
                constant=constant,
                zone=found.zone,
                is_whole=family == "number" and _are_whole(found.values[~missing]),
            )
        )

    def _categories(self, values: np.ndarray, kind: str, is_wanted: bool) -> tuple[Categories, str]:
        """The categories of a column, and its kind: of too many, some are hashed."""
        encoder = Categories.fit(values, self.weight, **self.categories)
        if encoder.is_cut and not is_wanted:
            kind = "hashed"
        return (encoder.hashed(self.n_buckets) if kind == "hashed" else encoder), kind

    def table(self, container: str) -> Table:
        """What all the columns are."""
        table = Table(container, tuple(self.columns), (), self.encoders)
        blocks = []
        for kind, scaler in (("numeric", self.scaler), ("boolean", AsIs)):
            chosen = [i for i in self.numbers if self.columns[i].kind == kind]
            if chosen:
                places = table.starts[chosen]
                flagged = [len(self.columns[i].suffixes) > 1 for i in chosen]
                blocks.append(
                    Numbers(
                        positions=np.array(chosen),
                        places=places,
                        flags=np.where(flagged, places + 1, -1),
                        scaler=scaler.fit([self.numbers[i] for i in chosen], self.weight),
                    )
                )
        return replace(table, blocks=tuple(blocks))


def _are_whole(numbers: np.ndarray) -> bool:
    return bool(numbers.dtype.kind in "iu" or (np.rint(numbers) == numbers).all())
