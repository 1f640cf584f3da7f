"""Columns of dates: the time that runs on, scaled as numbers are, and the cycles it goes round.

A cycle is one that the training dates have gone round at least once, and in which they differ; it
gives the sine and the cosine of 2 pi times the share of it that has passed.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from skdeep.persistence import saved
from skdeep.preprocessing.table.numeric import Quantile, Robust

DAY = 86_400 * 10**6  # microseconds
_LENGTHS = {"time_of_day": DAY, "day_of_week": 7 * DAY, "day_of_year": 365 * DAY}


@saved
@dataclass(frozen=True)
class Dates:
    """How the dates of a column are encoded.

    Attributes
    ----------
    zone : str
        Time zone whose clock the cycles follow; "" without.
    scaler : Robust or Quantile
        Of microseconds since 1970, in UTC.
    origin, step : int
        Microseconds: all training dates are whole steps after the origin.
    cycles : tuple of str
    has_missing : bool
        Whether training has missing dates.
    """

    zone: str
    scaler: Robust | Quantile
    origin: int
    step: int
    cycles: tuple
    has_missing: bool

    @classmethod
    def fit(
        cls, dates: np.ndarray, zone: str, weight: np.ndarray, scaler: type[Robust | Quantile]
    ) -> "Dates":
        """Of dates (n,) as datetime64[us] in UTC, not all NaT; NaT is missing."""
        present = dates[~np.isnat(dates)]
        ticks = present.astype(np.int64)
        origin, span = int(ticks.min()), int(ticks.max()) - int(ticks.min())
        shares = _shares(present, zone)
        return cls(
            zone=zone,
            scaler=scaler.fit([_ticks(dates)], weight),
            origin=origin,
            step=int(np.gcd.reduce(ticks - origin)) or 1,  # 1 for the only date
            cycles=tuple(
                cycle for cycle, share in shares if span >= _LENGTHS[cycle] and np.ptp(share) > 0
            ),
            has_missing=len(present) < len(dates),
        )

    @property
    def suffixes(self) -> tuple[str, ...]:
        """What is added to the column's name in those of the output."""
        waves = [f"_{cycle}_{wave}" for cycle in self.cycles for wave in ("sin", "cos")]
        return ("", *waves, *["_missing"] * self.has_missing)

    def encode(self, dates: np.ndarray, out: np.ndarray) -> None:
        """Write dates (n,) into their part of the output, which is zero."""
        out[:, :1] = self.scaler.encode(_ticks(dates)[:, None])
        missing = np.isnat(dates)
        if self.cycles:
            shares = dict(_shares(dates[~missing], self.zone))
            for i, cycle in enumerate(self.cycles):
                angle = 2 * np.pi * shares[cycle]
                out[~missing, 2 * i + 1], out[~missing, 2 * i + 2] = np.sin(angle), np.cos(angle)
        if self.has_missing:
            out[:, -1] = missing

    def decode(self, encoded: np.ndarray) -> np.ndarray:
        """Dates (n,) of a part of the output, on the grid of the training dates; NaT if missing."""
        ticks = self.scaler.decode(encoded[:, :1])[:, 0]
        steps = np.rint((ticks - self.origin) / self.step).astype(np.int64)
        dates = (self.origin + steps * self.step).astype("M8[us]")
        if self.has_missing:
            dates[encoded[:, -1] > 0.5] = "NaT"
        return dates


def _ticks(dates: np.ndarray) -> np.ndarray:
    """Microseconds since 1970 as floats, NaN for NaT."""
    return np.where(np.isnat(dates), np.nan, dates.astype(np.int64).astype(np.float64))


def _shares(dates: np.ndarray, zone: str) -> Iterator[tuple[str, np.ndarray]]:
    """Cycles and the shares of them, in [0, 1), that have passed by the clock of a zone."""
    if zone:
        local = pd.DatetimeIndex(dates).tz_localize("UTC").tz_convert(zone)
        dates = local.tz_localize(None).to_numpy().astype("M8[us]")
    ticks = dates.astype(np.int64)
    yield "time_of_day", ticks % DAY / DAY
    yield "day_of_week", (ticks // DAY + 3) % 7 / 7  # 1970 began on a Thursday
    days, years = dates.astype("M8[D]"), dates.astype("M8[Y]")
    begin, end = years.astype("M8[D]"), (years + 1).astype("M8[D]")
    yield "day_of_year", (days - begin) / (end - begin)
