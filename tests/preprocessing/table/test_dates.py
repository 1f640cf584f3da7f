"""Dates, beside pandas'."""

import numpy as np
import pandas as pd
import pytest

from skdeep.preprocessing.table.dates import Dates
from skdeep.preprocessing.table.numeric import Quantile, Robust

RNG = np.random.default_rng(0)
HOURS = pd.date_range("2019-12-28", "2022-02-03", freq="h").to_numpy().astype("M8[us]")


def fitted(dates, zone="", scaler=Robust):
    return Dates.fit(dates, zone, np.ones(len(dates)), scaler)


def encoded(model, dates):
    out = np.zeros((len(dates), len(model.suffixes)), np.float32)
    model.encode(dates, out)
    return pd.DataFrame(out, columns=[suffix.lstrip("_") for suffix in model.suffixes])


@pytest.mark.parametrize("zone", ["", "Europe/Berlin"])
def test_cycles_are_those_of_pandas_clock(zone):
    dates = RNG.permutation(HOURS)[:500]
    clock = pd.DatetimeIndex(dates)
    if zone:
        clock = clock.tz_localize("UTC").tz_convert(zone)
    found = encoded(fitted(HOURS, zone), dates)
    shares = {
        "time_of_day": (clock.hour + clock.minute / 60) / 24,
        "day_of_week": clock.day_of_week / 7,
        "day_of_year": (clock.day_of_year - 1) / np.where(clock.is_leap_year, 366, 365),
    }
    for cycle, share in shares.items():
        np.testing.assert_allclose(found[f"{cycle}_sin"], np.sin(2 * np.pi * share), atol=1e-6)
        np.testing.assert_allclose(found[f"{cycle}_cos"], np.cos(2 * np.pi * share), atol=1e-6)
    assert len(found.columns) == 7


@pytest.mark.parametrize("scaler", [Robust, Quantile])
def test_the_time_that_runs_on_is_scaled_as_a_number_is(scaler):
    ticks = HOURS.astype(np.int64).astype(float)
    expected = scaler.fit([ticks], np.ones(len(ticks))).encode(ticks[:, None])
    found = encoded(fitted(HOURS, scaler=scaler), HOURS)
    np.testing.assert_allclose(found.iloc[:, 0], expected[:, 0], rtol=1e-6)


@pytest.mark.parametrize(
    ("start", "end", "freq", "cycles"),
    [
        ("2020-01-01", "2020-01-01 20:00", "h", ()),
        ("2020-01-01", "2020-01-03", "h", ("time_of_day",)),
        ("2020-01-01", "2020-01-20", "D", ("day_of_week",)),
        ("2020-01-01", "2020-03-20", "W", ()),
        ("2020-01-01", "2022-01-01", "W", ("day_of_year",)),
        ("2020-01-01", "2022-01-01", "D", ("day_of_week", "day_of_year")),
        ("1990-01-01", "2022-01-01", "YS", ("day_of_week",)),
    ],
)
def test_cycles_are_those_that_training_goes_round_and_varies_in(start, end, freq, cycles):
    dates = pd.date_range(start, end, freq=freq).to_numpy().astype("M8[us]")
    assert fitted(dates).cycles == cycles


@pytest.mark.parametrize("scaler", [Robust, Quantile])
@pytest.mark.parametrize("freq", ["h", "D", "15min", "7D"])
def test_dates_on_a_grid_come_back_exactly(scaler, freq):
    dates = pd.date_range("2020-01-01", periods=600, freq=freq).to_numpy().astype("M8[us]")
    model = fitted(dates, scaler=scaler)
    np.testing.assert_array_equal(model.decode(encoded(model, dates).to_numpy()), dates)


def test_a_missing_date_is_the_median_without_its_cycles_and_comes_back():
    dates = HOURS.copy()
    dates[5] = "NaT"
    model = fitted(dates)
    found = encoded(model, dates)
    assert found.iloc[5].tolist() == [0] * 7 + [1]
    assert found["missing"].sum() == 1
    decoded = model.decode(found.to_numpy())
    assert np.isnat(decoded[5])
    np.testing.assert_array_equal(np.delete(decoded, 5), np.delete(HOURS, 5))


def test_dates_of_all_ages_have_a_place():
    dates = np.array(["-200000-01-01", "0001-01-01", "1969-12-31", "2400-02-29", "200000-01-01"])
    found = encoded(fitted(HOURS), dates.astype("M8[us]"))
    assert np.isfinite(found).all(axis=None)
    assert (np.diff(found.iloc[:, 0]) >= 0).all()
