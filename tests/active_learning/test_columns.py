import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.stats import ks_2samp
from sklearn.dummy import DummyRegressor

from skdeep.active_learning import DriftMonitor
from skdeep.active_learning.columns import difference, kinds_of, numbers_of


def watched(X, first=None):
    return numbers_of(X, kinds_of(X if first is None else first)[0])


def monitored(X, n_first, **settings):
    """A monitor that has seen a table, and cannot err about its target."""
    monitor = DriftMonitor(DummyRegressor(), policy=None, **settings)
    monitor.fit(X[:n_first], np.arange(n_first) % 2)
    for i in range(n_first, len(X), 100):
        monitor.update(X[i : i + 100])
    return monitor


def test_values_take_places_by_how_often_they_are_in_the_first_half():
    first = pd.DataFrame({"city": [*"ooobbtzz", *"zzzzzzzz"]})
    kinds, half = kinds_of(first)
    assert half == 8
    new = pd.DataFrame({"city": ["o", "b", "z", "t", "new", None]})
    found = numbers_of(new, kinds)[:, 0].tolist()
    assert found[0] == 0
    assert sorted(found[1:3]) == [1, 2]  # equally frequent, but not one
    assert found[3:] == [3, 4, 4]


@pytest.mark.parametrize("dtype", [object, "category", "string"])
def test_strings_of_all_kinds_are_alike(dtype):
    first, new = (pd.DataFrame({"c": pd.Series([*v], dtype=dtype)}) for v in ("aab...", "bac."))
    assert watched(new.where(new != "."), first)[:, 0].tolist() == [1, 0, 2, 2]


def test_dates_are_days_and_what_is_missing_is_large():
    days = ["1970-01-01 00:00", "1970-01-02 12:00", None]
    X = pd.DataFrame({"at": pd.to_datetime(days), "hour": pd.to_datetime(days, utc=True)})
    X["for"] = X["at"] - pd.Timestamp("1970-01-01")
    X["number"] = pd.array([0, 1, None], dtype="Int64") * 1.5
    X["object"] = pd.Series([0, 1.5, None], dtype=object)
    assert kinds_of(X)[1] == 0  # all rows are to rank among
    np.testing.assert_array_equal(watched(X), np.tile([[0], [1.5], [np.inf]], 5))


def test_what_is_no_table_of_numbers_is_not_watched():
    for X in (np.zeros((4, 2, 2)), sp.eye_array(4, format="csr"), ["a", "b"], np.array([["a"]])):
        assert watched(X) is None
    np.testing.assert_array_equal(watched(np.array([[1], [0]], dtype=bool)), [[1], [0]])


def test_a_difference_can_be_read():
    rng = np.random.default_rng(0)
    before, after = rng.normal(size=300), rng.normal(1, size=100)
    found = difference(before, after)
    size = ks_2samp(before, after).statistic
    assert found == pytest.approx(
        {"value": None, "before": before.mean(), "after": after.mean(), "size": size}
    )
    with_gap = difference(np.append(before, np.inf), np.append(after, [np.inf] * 100))
    assert (with_gap["before"], with_gap["after"]) == (found["before"], found["after"])
    size = ks_2samp(np.append(before, 99), np.append(after, [99] * 100)).statistic
    assert with_gap["size"] == pytest.approx(size) != found["size"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(difference(before, np.full(5, np.inf))["after"])


@pytest.mark.parametrize(("after", "value"), [("Oslo", "Oslo"), ("Rome", None)])
def test_an_alarm_of_a_column_of_words_names_the_value_and_its_shares(after, value):
    """Of two equally frequent values, so that rarity alone would see nothing."""
    X = pd.DataFrame({"city": ["Oslo", "Bergen"] * 700})
    X.loc[1000:, "city"] = after
    (alarm,) = monitored(X, 800).alarms_.to_dict("records")
    assert (alarm["what"], alarm["value"]) == ("city", value)
    share = 0.5 if value else 0.0
    assert (alarm["before"], alarm["after"]) == pytest.approx((share, 1), abs=0.01)
    assert alarm["change"] == pytest.approx(200, abs=5)


def test_a_constant_number_that_changes_is_dated_by_its_change():
    X = pd.DataFrame({"c": np.where(np.arange(1600) < 1400, 1, 2)})
    (alarm,) = monitored(X, 500).alarms_.to_dict("records")
    assert alarm["change"] == 900 < alarm["when"] < 950
    assert (alarm["before"], alarm["after"]) == (1, 2)


@pytest.mark.parametrize("n_values", [30, 300, 1000])
def test_columns_of_many_values_raise_no_more_false_alarms_than_promised(n_values):
    """One in 10,000 rows, of 8,000: a column of names, of which few are met often."""
    share, n_alarms = 1 / np.arange(1, n_values + 1), 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        values = rng.choice(n_values, 2000, p=share / share.sum()).astype(str)
        n_alarms += len(monitored(pd.DataFrame({"name": values}), 1000).alarms_)
    assert n_alarms <= 3  # two deviations of a Poisson count above its mean


def test_keys_that_are_all_new_are_no_drift():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"key": [f"u{i}" for i in range(3000)], "x": rng.normal(size=3000)})
    assert monitored(X, 1000).alarms_.empty
    X.loc[1500:, "x"] += 1
    assert monitored(X, 1000).alarms_["what"].tolist() == ["x"]
