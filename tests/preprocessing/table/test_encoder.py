"""The encoder of tables: what it takes, what it refuses, and scikit-learn's checks."""

import datetime
import pickle
import time
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.utils import estimator_checks

import skdeep
from skdeep.preprocessing import TableEncoder

N = 60
RNG = np.random.default_rng(0)


def table(n=N):
    """A column of each kind, with gaps."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "number": rng.normal(size=n),
            "count": rng.integers(0, 99, size=n),
            "member": rng.random(n) < 0.3,
            "city": rng.choice(["Bern", "Oslo", "Rome"], size=n),
            "user": [f"user{i}" for i in rng.integers(0, 40, size=n)],
            "grade": pd.Categorical(rng.choice(["a", "b"], size=n)),
            "day": pd.date_range("2020-01-01", periods=n, freq="9D"),
            "at": pd.date_range("2020-01-01", periods=n, freq="31h", tz="Europe/Berlin"),
            "wait": pd.to_timedelta(rng.integers(0, 999, size=n), unit="s"),
            "same": "always",
        }
    )
    return frame.astype({"city": object, "member": object})


def with_gaps(frame):
    """The same with a missing value in each column, each in another row."""
    frame = frame.astype({"count": "Int64"})
    for i, name in enumerate(frame.columns):
        frame.loc[i, name] = None
    return frame


FRAME, GAPS = table(), with_gaps(table())
SETTINGS = [
    {},
    {"scaling": "quantile"},
    {"categories": "codes", "min_frequency": 2},
    {"max_categories": 10, "n_buckets": 4},
]
each_setting = pytest.mark.parametrize("setting", SETTINGS, ids=str)


def block(encoder, Z, name):
    """Outputs of a column."""
    (column,) = (column for column in encoder.columns_ if column.name == name)
    names = encoder.get_feature_names_out().tolist()
    return Z[:, [names.index(output) for output in column.outputs]]


# scikit-learn's --------------------------------------------------------------------------


def checked(encoder):
    results = estimator_checks.check_estimator(encoder, on_skip=None, on_fail=None)
    failed = {r["check_name"]: r["exception"] for r in results if r["status"] == "failed"}
    assert failed == {}
    counts = Counter(r["status"] for r in results)
    assert counts.keys() <= {"passed", "skipped"}  # no "xfail"
    assert counts["passed"] >= 50
    return {r["check_name"] for r in results if r["status"] == "skipped"}


@each_setting
def test_scikit_learns_checks_pass_with_none_excused(setting):
    assert checked(TableEncoder(**setting)) <= {"check_array_api_input"}


@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names:UserWarning")
@pytest.mark.parametrize(
    "check",
    [
        "check_set_output_transform",
        "check_set_output_transform_pandas",
        "check_set_output_transform_polars",
        "check_global_output_transform_pandas",
        "check_global_set_output_transform_polars",
        "check_transformer_get_feature_names_out",
        "check_transformer_get_feature_names_out_pandas",
        "check_param_validation",
        "check_dataframe_column_names_consistency",
    ],
)
def test_scikit_learns_checks_beyond_check_estimator_pass(check):
    getattr(estimator_checks, check)("TableEncoder", TableEncoder())


# What it makes ---------------------------------------------------------------------------


def test_kinds_are_found_by_dtype_and_shown():
    summary = TableEncoder(max_categories=20).fit(GAPS).summary_
    assert summary["kind"].to_dict() == {
        "number": "numeric",
        "count": "numeric",
        "member": "boolean",
        "city": "categorical",
        "user": "hashed",
        "grade": "categorical",
        "day": "date",
        "at": "date",
        "wait": "numeric",
        "same": "categorical",
    }
    assert summary["n_categories"].to_dict() == dict.fromkeys(GAPS, 0) | {
        "city": 3,
        "user": 20,
        "grade": 2,
        "same": 1,
    }
    np.testing.assert_allclose(summary["missing"], 1 / N)
    assert summary["dtype"]["count"] == "Int64"
    assert summary["n_outputs"]["user"] == 32 + 20 + 1


def test_outputs_stand_in_the_order_of_the_columns_under_their_names():
    encoder = TableEncoder(max_categories=20, n_buckets=2).fit(GAPS)
    names = encoder.get_feature_names_out()
    assert names[:9].tolist() == [
        *("number", "number_missing", "count", "count_missing", "member", "member_missing"),
        *("city_Bern", "city_Oslo", "city_Rome"),
    ]
    assert names[-4:].tolist() == ["wait", "wait_missing", "same_always", "same_missing"]
    assert [*names] == [name for column in encoder.columns_ for name in column.outputs]
    Z = encoder.transform(GAPS)
    assert Z.dtype == np.float32
    assert Z.shape == (N, len(names))
    assert np.isfinite(Z).all()
    expected = np.eye(10)[:N]
    indicators = Z[:, [i for i, name in enumerate(names) if name.endswith("_missing")]]
    np.testing.assert_array_equal(indicators[:10], expected)
    assert not indicators[10:].any()


def test_categories_and_indicators_are_scikit_learns():
    theirs = make_column_transformer(
        (OneHotEncoder(sparse_output=False), make_column_selector("city|user|grade")),
    ).fit_transform(FRAME)
    encoder = TableEncoder().fit(FRAME)
    Z = encoder.transform(FRAME)
    ours = np.hstack([block(encoder, Z, name) for name in ("city", "user", "grade")])
    np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(block(encoder, Z, "member")[:, 0], FRAME["member"].astype(int))


def test_codes_have_cardinalities_and_numbers_have_none():
    encoder = TableEncoder(categories="codes", min_frequency=2, max_categories=20).fit(GAPS)
    Z = encoder.transform(GAPS)
    found = dict(zip(encoder.get_feature_names_out(), encoder.cardinalities_))
    assert {name: n for name, n in found.items() if n} == {
        "city": 1 + 3 + 1,
        "user": 1 + encoder.summary_["n_categories"]["user"] + 1,
        "grade": 1 + 2 + 1,
        "same": 1 + 1 + 1,
    }
    codes = Z[:, encoder.cardinalities_ > 0]
    assert (codes == np.rint(codes)).all()
    assert (codes >= 0).all()
    assert (codes < encoder.cardinalities_[encoder.cardinalities_ > 0]).all()
    counts = GAPS["user"].value_counts()
    np.testing.assert_array_equal(
        block(encoder, Z, "user")[:, 0] == 0, GAPS["user"].map(counts) == 1
    )


def test_a_share_as_frequency_is_the_same_of_more_rows_or_heavier_ones():
    words = pd.DataFrame({"word": list("aaaaaabbbc")})
    counted = TableEncoder(min_frequency=0.3).fit(words)
    assert counted.get_feature_names_out().tolist() == ["word_rare", "word_a", "word_b"]
    for other in (
        counted.fit(pd.concat([words] * 5, ignore_index=True)),
        TableEncoder(min_frequency=0.3).fit(words, sample_weight=np.full(10, 0.01)),
    ):
        assert other.summary_["n_categories"]["word"] == 2
    assert TableEncoder(min_frequency=3).fit(words).summary_["n_categories"]["word"] == 2


@each_setting
def test_a_weight_of_two_is_two_rows_and_none_is_no_row(setting):
    weight = np.random.default_rng(2).integers(0, 3, size=N)
    repeated = GAPS.loc[np.repeat(np.arange(N), weight)]
    by_rows = TableEncoder(**setting).fit(repeated)
    by_weight = TableEncoder(**setting).fit(GAPS, sample_weight=weight)
    assert [*by_rows.get_feature_names_out()] == [*by_weight.get_feature_names_out()]
    np.testing.assert_array_equal(by_rows.cardinalities_, by_weight.cardinalities_)
    np.testing.assert_allclose(by_rows.summary_["missing"], by_weight.summary_["missing"])
    np.testing.assert_allclose(by_rows.transform(GAPS), by_weight.transform(GAPS), rtol=1e-6)


@each_setting
def test_the_order_of_rows_does_not_matter_and_a_row_is_alike_alone(setting):
    encoder = TableEncoder(**setting).fit(GAPS)
    Z = encoder.transform(GAPS)
    backwards = clone(encoder).fit(GAPS[::-1])
    np.testing.assert_allclose(backwards.transform(GAPS), Z, rtol=1e-6)
    for i in range(12):
        np.testing.assert_array_equal(encoder.transform(GAPS[i : i + 1])[0], Z[i])


@each_setting
def test_a_table_comes_back(setting):
    encoder = TableEncoder(**setting).fit(GAPS)
    back = encoder.inverse_transform(encoder.transform(GAPS))
    assert [*back.columns] == [*GAPS.columns]
    for name in ("city", "grade", "member", "same"):
        expected = GAPS[name].astype(object)
        np.testing.assert_array_equal(back[name].isna(), expected.isna())
        np.testing.assert_array_equal(back[name].dropna(), expected.dropna())
    np.testing.assert_array_equal(back["count"], GAPS["count"].to_numpy(float, na_value=np.nan))
    np.testing.assert_allclose(back["number"], GAPS["number"], atol=2e-6)
    pd.testing.assert_series_equal(back["day"], GAPS["day"])
    pd.testing.assert_series_equal(back["at"], GAPS["at"])
    seconds = (back["wait"] - GAPS["wait"]).dt.total_seconds().abs()
    assert seconds.max() < 0.01
    known = back["user"].notna()
    np.testing.assert_array_equal(back["user"][known], GAPS["user"][known])
    assert known.sum() == N - 1 if setting in SETTINGS[:2] else 10 <= known.sum() < N - 1


def test_dtypes_come_back_where_nothing_is_missing():
    frame = FRAME.assign(
        small=np.arange(N, dtype="int8"), single=np.float32(1) / np.arange(1, N + 1)
    )
    back = TableEncoder().fit(frame).inverse_transform(TableEncoder().fit_transform(frame))
    for name in ("count", "small", "single", "number", "day", "at"):
        assert back[name].dtype == frame[name].dtype
    assert back["member"].dtype == bool


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_dates_come_back_in_their_unit(unit):
    days = np.arange("2020-01-01", "2020-03-01", 2, dtype="M8[D]").astype(f"M8[{unit}]")
    frame = pd.DataFrame({"x": days})
    encoder = TableEncoder().fit(frame)
    pd.testing.assert_frame_equal(encoder.inverse_transform(encoder.transform(frame)), frame)


def test_the_largest_integers_come_back_as_near_as_floats_are():
    X = pd.DataFrame({"x": [-(2**63), 0, 2**63 - 1], "y": np.array([0, 5, 2**64 - 1], "uint64")})
    encoder = TableEncoder().fit(X)
    back = encoder.inverse_transform(encoder.transform(X))
    assert [*back.dtypes] == [*X.dtypes]
    np.testing.assert_allclose(back.astype(float), X.astype(float), rtol=1e-6, atol=1e13)


def test_arrays_come_back_as_arrays():
    days = np.array([["2020-01-01"], ["2020-01-03"]], dtype=object)
    encoder = TableEncoder(kinds={0: "date"}).fit(days)
    back = encoder.inverse_transform(encoder.transform(days))
    np.testing.assert_array_equal(back, days.astype("M8[us]"))
    assert back.dtype.kind == "M"
    numbers = RNG.normal(size=(30, 2))
    encoder = TableEncoder().fit(numbers)
    back = encoder.inverse_transform(encoder.transform(numbers))
    assert back.dtype == np.float64
    np.testing.assert_allclose(back, numbers, atol=1e-5)
    mixed = np.array([["a", 1, True], ["b", 2, False], ["b", 5, None]], dtype=object)
    encoder = TableEncoder().fit(mixed)
    np.testing.assert_array_equal(encoder.inverse_transform(encoder.transform(mixed)), mixed)


def test_of_several_positive_categories_the_largest_counts():
    encoder = TableEncoder().fit(pd.DataFrame({"city": ["Bern", "Oslo", "Rome"]}))
    back = encoder.inverse_transform([[0.2, 0.7, 0.1], [0, 0, 0]])
    assert back["city"].isna().tolist() == [False, True]
    assert back["city"][0] == "Oslo"


def test_constant_columns_have_no_output_and_come_back():
    X = pd.DataFrame(
        {
            "x": [1.5, 2, 3],
            "one": 1,
            "word": "w",
            "yes": True,
            "day": pd.Timestamp("2020-02-03"),
            "nothing": [None, None, None],
            "nan": np.nan,
        }
    )
    encoder = TableEncoder().fit(X)
    assert encoder.get_feature_names_out().tolist() == ["x"]
    back = encoder.inverse_transform(encoder.transform(X.assign(one=[1, 2, 3], nan=[1, 2, 3])))
    pd.testing.assert_frame_equal(back[["x", "one", "yes"]], X[["x", "one", "yes"]])
    assert (back["word"] == "w").all()
    assert (back["day"] == X["day"]).all()
    assert back[["nothing", "nan"]].isna().all(axis=None)


def test_a_column_that_was_empty_takes_anything():
    X = pd.DataFrame({"x": [1.0, 2.0], "later": [np.nan, np.nan]})
    for kinds in (None, {"later": "date"}, {"later": "categorical"}):
        encoder = TableEncoder(kinds=kinds).fit(X)
        for later in ("words", 3, pd.Timestamp("2020-01-01")):
            np.testing.assert_array_equal(
                encoder.transform(X.assign(later=later)), encoder.transform(X)
            )


def test_a_column_of_one_value_and_gaps_has_an_indicator():
    X = pd.DataFrame({"x": [2.0, np.nan, 2.0], "day": pd.to_datetime(["2020-01-01", None, None])})
    encoder = TableEncoder().fit(X)
    Z = encoder.transform(X)
    np.testing.assert_array_equal(Z, [[0, 0, 0, 0], [0, 1, 0, 1], [0, 0, 0, 1]])
    pd.testing.assert_frame_equal(encoder.inverse_transform(Z), X, check_dtype=False)


def test_kinds_can_be_chosen_by_name_and_by_position():
    X = pd.DataFrame(
        {
            "zip": [8001, 8002, 8001, 9000],
            "id": ["a1", "b2", "c3", "d4"],
            "day": ["2020-01-01", "2020-01-05", None, "2020-02-01T12:00:00"],
            "flag": [True, False, True, True],
            "level": pd.Categorical([1, 2, 2, 3]),
        }
    )
    kinds = {"zip": "categorical", "id": "drop", "day": "date", 3: "numeric", "level": "numeric"}
    encoder = TableEncoder(kinds=kinds).fit(X)
    assert encoder.summary_["kind"].tolist() == ["categorical", "drop", "date", *["numeric"] * 2]
    names = encoder.get_feature_names_out().tolist()
    assert names[:3] == ["zip_8001", "zip_8002", "zip_9000"]
    assert not [name for name in names if name.startswith("id")]
    back = encoder.inverse_transform(encoder.transform(X))
    assert [*back.columns] == ["zip", "day", "flag", "level"]
    assert back["zip"].tolist() == X["zip"].tolist()
    assert back["day"].tolist()[3] == pd.Timestamp("2020-02-01 12:00")
    hashed = TableEncoder(kinds={"id": "hashed"}, n_buckets=3, max_categories=1).fit(X)
    assert hashed.summary_["n_outputs"]["id"] == 4
    plain = TableEncoder(kinds={"id": "categorical"}, max_categories=1).fit(X)
    assert plain.summary_["n_outputs"]["id"] == 2


@pytest.mark.parametrize("dtype", [object, "int64"])
def test_long_numbers_of_accounts_stay_apart(dtype):
    X = pd.DataFrame({"account": [2**53, 2**53 + 1]}, dtype=dtype)  # equal as floats
    X = X.assign(amount=[1.5, 2.5])  # an array of both would be of floats
    Z = TableEncoder(kinds={"account": "categorical"}).fit_transform(X)
    np.testing.assert_array_equal(Z[:, :2], np.eye(2))


def test_booleans_as_categories_have_their_names():
    X = pd.DataFrame({"flag": [True, False, None, True]})
    encoder = TableEncoder(kinds={"flag": "categorical"}).fit(X)
    assert encoder.get_feature_names_out().tolist() == ["flag_False", "flag_True", "flag_missing"]
    assert encoder.transform(X).argmax(axis=1).tolist() == [1, 0, 2, 1]


def test_many_categories_of_any_type_are_hashed_unless_told():
    X = pd.DataFrame({"shop": pd.Categorical(np.arange(20) % 10)})
    kinds = [
        TableEncoder(max_categories=5, kinds=kinds).fit(X).summary_["kind"]["shop"]
        for kinds in (None, {"shop": "categorical"}, {"shop": "numeric"})
    ]
    assert kinds == ["hashed", "categorical", "numeric"]
    assert TableEncoder(max_categories=10).fit(X).summary_["kind"]["shop"] == "categorical"


def test_output_names_are_unique():
    X = pd.DataFrame({"a": ["b_c", "d"], "a_b": ["c", "e"], "a_d": [1, 2]})
    names = TableEncoder().fit(X).get_feature_names_out().tolist()
    assert names == ["a_b_c", "a_d", "a_b_c_2", "a_b_e", "a_d_2"]


def test_what_training_had_not_is_encoded_all_the_same():
    encoder = TableEncoder().fit(FRAME)
    new = FRAME.iloc[:1].astype({"count": "Int64"}).copy()
    new.loc[0, :] = None
    found = encoder.transform(new)
    names = encoder.get_feature_names_out().tolist()
    assert found[0, names.index("member")] == 0  # the more frequent
    assert not found.any()
    for nothing in (np.nan, pd.array([pd.NA], "Int64"), pd.NaT):
        np.testing.assert_array_equal(encoder.transform(new.assign(city=nothing)), found)
    fresh = FRAME.iloc[:1].assign(city="Paris", number=1e300)
    found = encoder.transform(fresh)
    assert not block(encoder, found, "city").any()
    assert block(encoder, found, "number")[0, 0] == 3


# Forms of tables -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([1.5, None, 3], dtype=object),
        pd.Series([1.5, None, 3], dtype="Float64"),
        pd.Series([1.5, np.nan, 3], dtype=np.float32),
        pd.Series([1.5, np.nan, 3], dtype=pd.SparseDtype(float)),
        pd.Series(pd.Categorical([1.5, None, 3])),
    ],
    ids=["objects", "Float64", "float32", "sparse", "category"],
)
def test_numbers_come_in_many_dtypes(column):
    encoder = TableEncoder(kinds={"x": "numeric"}).fit(pd.DataFrame({"x": [1.5, np.nan, 3]}))
    X = pd.DataFrame({"x": column})
    expected = [[-0.5 / np.hypot(1, 1 / 6), 0], [0, 1], [0.5 / np.hypot(1, 1 / 6), 0]]
    np.testing.assert_allclose(encoder.transform(X), expected, rtol=1e-6)
    np.testing.assert_allclose(clone(encoder).fit(X).transform(X), expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["object", "str", "category", "string[python]"])
def test_strings_come_in_many_dtypes(dtype):
    X = pd.DataFrame({"x": pd.Series(["a", None, "b"], dtype=dtype)})
    expected = [[1, 0, 0], [0, 0, 1], [0, 1, 0]]
    np.testing.assert_array_equal(TableEncoder().fit_transform(X), expected)
    objects = TableEncoder().fit(X.astype(object))
    np.testing.assert_array_equal(objects.transform(X), expected)


@pytest.mark.parametrize("dtype", ["object", "boolean", "category"])
def test_booleans_come_in_many_dtypes(dtype):
    X = pd.DataFrame({"x": pd.Series([True, None, False, True], dtype=dtype)})
    encoder = TableEncoder(kinds={"x": "boolean"})
    np.testing.assert_array_equal(encoder.fit_transform(X), [[1, 0], [1, 1], [0, 0], [1, 0]])
    numbers = pd.DataFrame({"x": [1, np.nan, 0, 1]})  # as a file may give them later
    np.testing.assert_array_equal(encoder.transform(numbers), encoder.transform(X))


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns", "date", "datetime"])
def test_dates_come_in_many_dtypes(unit):
    dates = pd.Series(pd.to_datetime(["2020-01-01", "2020-03-02", None, "2021-05-04"]))
    given = {
        "date": lambda: dates.dt.date.astype(object),
        "datetime": lambda: dates.astype(object),
    }.get(unit, lambda: dates.astype(f"datetime64[{unit}]"))()
    expected = TableEncoder().fit_transform(pd.DataFrame({"x": dates}))
    np.testing.assert_array_equal(
        TableEncoder().fit_transform(pd.DataFrame({"x": given})), expected
    )
    array = dates.to_numpy()[:, None]
    np.testing.assert_array_equal(TableEncoder().fit_transform(array), expected)


def test_periods_are_dates_and_intervals_are_categories():
    days = pd.date_range("2020-01-01", periods=9, freq="MS")
    X = pd.DataFrame({"month": days.to_period("M"), "bin": pd.cut(np.arange(9), 2)})
    encoder = TableEncoder().fit(X)
    Z = encoder.transform(X)
    expected = TableEncoder().fit_transform(pd.DataFrame({"month": days}))
    np.testing.assert_array_equal(block(encoder, Z, "month"), expected)
    names = ["bin_(-0.008, 4.0]", "bin_(4.0, 8.0]"]
    assert encoder.get_feature_names_out()[-2:].tolist() == names
    np.testing.assert_array_equal(block(encoder, Z, "bin")[:, 0], [1] * 5 + [0] * 4)


def test_dates_of_several_zones_are_instants():
    instants = pd.date_range("2020-01-01", periods=3, freq="D", tz="UTC")
    zones = ["Europe/Berlin", "Asia/Tokyo", "UTC"]
    clocks = [instant.tz_convert(zone) for instant, zone in zip(instants, zones)]
    expected = TableEncoder().fit_transform(pd.DataFrame({"x": instants}))
    for column in (np.array(clocks, object), [clock.isoformat() for clock in clocks]):
        encoder = TableEncoder(kinds={"x": "date"})
        np.testing.assert_array_equal(encoder.fit_transform(pd.DataFrame({"x": column})), expected)
    with pytest.raises(ValueError, match=r"'x' cannot be read as dates.*time zone or none\."):
        encoder.fit(pd.DataFrame({"x": ["2020-01-01T00:00Z", "2020-01-02"]}))


def test_the_zone_of_another_library_is_as_utc():
    tz = pytest.importorskip("dateutil.tz").gettz("Europe/Berlin")
    if tz is None:
        pytest.skip("dateutil finds no time zones")
    utc = pd.DataFrame({"x": pd.date_range("2020-01-01", periods=40, freq="7h", tz="UTC")})
    X = utc.assign(x=utc["x"].dt.tz_convert(tz))
    np.testing.assert_array_equal(
        TableEncoder().fit_transform(X), TableEncoder().fit_transform(utc)
    )


def test_columns_of_polars_that_are_nothing_known_are_refused():
    polars = pytest.importorskip("polars")
    for values in ([[1], [2]], [{"a": 1, "b": 2}, {"a": 2, "b": 3}], [datetime.time(3), None]):
        with pytest.raises(TypeError, match=r"'x' (holds objects|has dtype).*but must hold"):
            TableEncoder().fit(polars.DataFrame({"x": values}))


def test_an_instant_is_the_same_in_all_time_zones():
    X = pd.DataFrame({"x": pd.date_range("2020-03-20", periods=99, freq="5h", tz="Europe/Berlin")})
    encoder = TableEncoder().fit(X)
    other = X.assign(x=X["x"].dt.tz_convert("Asia/Tokyo"))
    np.testing.assert_array_equal(encoder.transform(other), encoder.transform(X))
    elsewhere = TableEncoder().fit(other).transform(X)
    assert np.abs(elsewhere - encoder.transform(X))[:, 0].max() == 0
    assert np.abs(elsewhere - encoder.transform(X))[:, 1].max() > 0.5  # another clock


def test_a_wide_frame_of_numbers_takes_little_more_than_its_array():
    X = pd.DataFrame(RNG.normal(size=(30, 700)).round(1)).add_prefix("x").assign(x7=range(30))
    encoder = TableEncoder().fit(X)
    Z = encoder.transform(X)
    np.testing.assert_array_equal(TableEncoder().fit_transform(X.to_numpy()), Z)
    np.testing.assert_array_equal(encoder.transform(X.astype({"x7": "Int64"})), Z)
    with pytest.raises(TypeError, match="'x9' holds strings"):
        encoder.transform(X.assign(x9="1"))
    row, times = X[:1], []
    for _ in range(20):
        begun = time.process_time()
        encoder.transform(row)
        times.append(time.process_time() - begun)
    assert min(times) < 3e-3


def test_lists_and_arrays_of_objects_are_tables_of_columns():
    rows = [["a", 1, 2.5], ["b", 2, None], ["a", 9, 7.0]]
    expected = TableEncoder().fit_transform(pd.DataFrame(rows))
    np.testing.assert_array_equal(TableEncoder().fit_transform(rows), expected)
    np.testing.assert_array_equal(TableEncoder().fit_transform(np.array(rows, object)), expected)
    assert TableEncoder().fit(rows).summary_.index.tolist() == ["x0", "x1", "x2"]
    whole = [["a", 1], ["b", 2]]
    assert TableEncoder().fit(whole).summary_["kind"].tolist() == ["categorical", "numeric"]
    words = [["a", "x"], ["b", "y"]]
    np.testing.assert_array_equal(
        TableEncoder().fit_transform(np.array(words)), TableEncoder().fit_transform(words)
    )


@each_setting
def test_polars_is_as_pandas(setting):
    polars = pytest.importorskip("polars")
    wait = GAPS["wait"].astype("m8[us]")
    pandas = GAPS.assign(
        member=GAPS["member"].astype("boolean"),
        count=GAPS["count"].astype("Float64").to_numpy(float, na_value=np.nan),
        day=GAPS["day"].astype("M8[us]"),
        wait=wait,
    )
    columns = {
        name: [None if pd.isna(value) else value for value in pandas[name]]
        for name in ("number", "member", "city", "user", "grade", "same")
    }
    frame = polars.DataFrame(
        columns
        | {"count": polars.Series([None if pd.isna(x) else int(x) for x in pandas["count"]])}
        | {"day": polars.Series(pandas["day"].to_numpy())}
        | {"wait": polars.Series(wait.to_numpy())}
        | {
            "at": polars.Series(pandas["at"].dt.tz_convert("UTC").dt.tz_localize(None).to_numpy())
            .dt.replace_time_zone("UTC")
            .dt.convert_time_zone("Europe/Berlin")
        }
    ).select(GAPS.columns.tolist())
    frame = frame.with_columns(polars.col("grade").cast(polars.Categorical))
    ours = TableEncoder(**setting).fit(frame)
    theirs = TableEncoder(**setting).fit(pandas)
    assert [*ours.get_feature_names_out()] == [*theirs.get_feature_names_out()]
    np.testing.assert_array_equal(ours.transform(frame), theirs.transform(pandas))
    np.testing.assert_array_equal(theirs.transform(frame), theirs.transform(pandas))
    back = ours.inverse_transform(ours.transform(frame))
    assert isinstance(back, polars.DataFrame)
    exact = ["member", "city", "day", "at", "same"]
    assert back.select(exact).equals(frame.select(exact))
    assert back["number"].null_count() == 1
    weight = np.arange(N) % 3
    np.testing.assert_array_equal(
        ours.fit(frame, sample_weight=weight).transform(frame),
        theirs.fit(pandas, sample_weight=weight).transform(pandas),
    )


def test_set_output_names_the_columns():
    polars = pytest.importorskip("polars")
    encoder = TableEncoder().fit(FRAME)
    names = encoder.get_feature_names_out().tolist()
    for library, kind in (("pandas", pd.DataFrame), ("polars", polars.DataFrame)):
        found = encoder.set_output(transform=library).transform(FRAME)
        assert isinstance(found, kind)
        assert [*found.columns] == names


@each_setting
def test_a_copy_a_pickle_and_a_file_encode_the_same_bits(setting, tmp_path):
    encoder = TableEncoder(**setting, kinds={"count": "categorical", 9: "drop"}).fit(GAPS)
    Z = encoder.transform(GAPS)
    skdeep.save(make_pipeline(encoder), tmp_path / "encoder")
    loaded = skdeep.load(tmp_path / "encoder")[0]
    for other in (clone(encoder).fit(GAPS), pickle.loads(pickle.dumps(encoder)), loaded):
        np.testing.assert_array_equal(other.transform(GAPS), Z)
        assert [*other.get_feature_names_out()] == [*encoder.get_feature_names_out()]
        pd.testing.assert_frame_equal(other.inverse_transform(Z), encoder.inverse_transform(Z))
        pd.testing.assert_frame_equal(other.summary_, encoder.summary_)
        assert other.columns_ == encoder.columns_


def test_it_stands_before_any_model():
    y = (FRAME["city"] == "Oslo").to_numpy() | (FRAME["number"] > 1).to_numpy()
    model = make_pipeline(TableEncoder(min_frequency=2), LogisticRegression(C=100)).fit(FRAME, y)
    assert model.score(FRAME, y) > 0.95
    assert model[:-1].get_feature_names_out()[0] == "number"


# Bad input -------------------------------------------------------------------------------

AN_HOUR = pd.Timestamp("2020-01-01", tz="UTC")


@pytest.mark.parametrize(
    ("column", "error", "message"),
    [
        ([1.0, np.inf, 2.0], ValueError, r"infinity, in the columns \['x'\]"),
        ([1, -np.inf, None], ValueError, r"infinity, in the columns \['x'\]"),
        (["a", 1, 2.0], TypeError, r"'x' holds objects of type float, int, str"),
        ([{}, {}, {}], TypeError, r"'x' holds objects of type dict"),
        ([b"a", b"b", None], TypeError, r"'x' holds objects of type bytes"),
        ([1j, 2, 3], ValueError, r"Complex data not supported: column 'x'"),
        ([AN_HOUR, AN_HOUR.tz_localize(None), None], ValueError, r"'x' cannot be read as dates"),
        (pd.interval_range(0, 3), TypeError, "'x' holds objects of type Interval, but must hold"),
        (
            pd.Series([0, 1, 10**400], dtype=object),
            ValueError,
            "'x' has an integer that is too large",
        ),
        (
            [datetime.timedelta(days=10**9 - 1), None, None],
            ValueError,
            "'x' cannot be read as durations",
        ),
        (
            np.array(["2020-01-01", "400000-01-01", "NaT"], "M8[s]"),
            ValueError,
            r"'x' has the date 400000-01-01",
        ),
    ],
)
def test_columns_that_are_nothing_known_are_refused_in_fit(column, error, message):
    X = pd.DataFrame({"good": [1, 2, 3], "x": column})
    encoder = TableEncoder().fit(FRAME)
    before = dict(vars(encoder))
    with pytest.raises(error, match=message):
        encoder.fit(X)
    assert vars(encoder) == before


@pytest.mark.parametrize(
    ("name", "column", "error", "message"),
    [
        ("number", "1.5", TypeError, r"'number' holds strings \(.*\), but in fit it held numbers"),
        ("number", np.inf, ValueError, r"infinity, in the columns \['number'\]"),
        ("number", pd.Timestamp("2020"), TypeError, "'number' holds dates"),
        ("count", "7", TypeError, "'count' holds strings .* kind 'numeric'; convert it"),
        ("member", 2, TypeError, "'member' holds numbers .* held booleans"),
        ("member", "True", TypeError, "'member' holds strings"),
        ("city", 3, TypeError, "'city' holds numbers .* held strings .* 'categorical'"),
        ("day", "2020-01-01", TypeError, "'day' holds strings"),
        ("day", 18262, TypeError, "'day' holds numbers"),
        ("day", AN_HOUR, TypeError, "'day' has dates with a time zone, but in fit .* without"),
        ("at", AN_HOUR.tz_localize(None), TypeError, "'at' has dates without a time zone"),
        ("wait", 3.0, TypeError, "'wait' holds numbers .* held durations"),
        ("same", 3.0, TypeError, "'same' holds numbers .* held strings"),
    ],
)
def test_retyped_columns_are_refused_by_name(name, column, error, message):
    encoder = TableEncoder().fit(FRAME)
    with pytest.raises(error, match=message):
        encoder.transform(FRAME.assign(**{name: column}))


def test_numbers_in_an_array_are_refused_where_something_else_was():
    rows = np.array([[1.5, True], [2.5, False], [0, True]], object)
    encoder = TableEncoder().fit(rows)
    found = encoder.transform(np.array([[1.5, 1], [2.5, 0], [0, np.nan]]))
    np.testing.assert_array_equal(found[:2], encoder.transform(rows)[:2])
    with pytest.raises(TypeError, match=r"'x1' holds numbers .* in fit it held booleans"):
        encoder.transform([[1.5, 7]])
    with pytest.raises(TypeError, match=r"'x1' holds numbers .* in fit it held booleans"):
        encoder.transform(np.array([[1.5, 7.0]]))
    lengths = pd.DataFrame({"wait": pd.to_timedelta([1, 2, 3], unit="h")})
    with pytest.raises(TypeError, match="'x0' holds numbers"):
        TableEncoder().fit(lengths.to_numpy()).transform(np.array([[1.0]]))


def test_missing_new_and_reordered_columns_are_refused_by_name():
    encoder = TableEncoder().fit(FRAME)
    with pytest.raises(ValueError, match=r"(?s)missing.*- city"):
        encoder.transform(FRAME.drop(columns="city"))
    with pytest.raises(ValueError, match=r"(?s)unseen at fit time.*- town"):
        encoder.transform(FRAME.rename(columns={"city": "town"}))
    with pytest.raises(ValueError, match="must be in the same order"):
        encoder.transform(FRAME[FRAME.columns[::-1]])
    with pytest.raises(ValueError, match="3 features, but TableEncoder is expecting 2"):
        TableEncoder().fit([[1, 2]]).transform([[1, 2, 3]])


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        ({"town": "categorical"}, "'town', which is no column of X"),
        ({"City": "categorical"}, "did you mean city"),
        ({99: "drop"}, "99, which is no column"),
        ({"city": "words"}, r"kinds\['city'\] must be one of .*'categorical'.*but is 'words'"),
        ({"city": "numeric"}, "makes column 'city' 'numeric', but it holds strings .*categorical"),
        ({"number": "date"}, "makes column 'number' 'date'"),
        ({"city": "date"}, "'city' cannot be read as dates.*2026-01-31"),
    ],
)
def test_kinds_that_cannot_be_are_refused(kinds, message):
    with pytest.raises(ValueError, match=message):
        TableEncoder(kinds=kinds).fit(FRAME)


@pytest.mark.parametrize("weight", [-1.0, 0.0, np.nan])
def test_weights_that_count_no_rows_are_refused(weight):
    with pytest.raises(ValueError, match=r"(?i)sample_weight|sample weight"):
        TableEncoder().fit(FRAME, sample_weight=np.full(N, weight))


def test_empty_tables_and_series_are_refused():
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        TableEncoder().fit(FRAME[:0])
    with pytest.raises(ValueError, match=r"0 feature\(s\)"):
        TableEncoder().fit(FRAME[[]])
    with pytest.raises(ValueError, match=r"(?i)expected.* 2-dimensional"):
        TableEncoder().fit(FRAME["city"])
    with pytest.raises(NotFittedError):
        TableEncoder().transform(FRAME)
    with pytest.raises(ValueError, match="Z has 2 columns, but transform gives 1"):
        TableEncoder().fit([[1], [2]]).inverse_transform([[0, 0]])


# Cost ------------------------------------------------------------------------------------


def test_a_million_strings_are_encoded_in_seconds():
    X = pd.DataFrame({"user": [f"user{i}" for i in range(1_000_000)]})
    begun = time.process_time()
    encoder = TableEncoder(categories="codes", n_buckets=1000).fit(X)
    Z = encoder.transform(X)
    assert time.process_time() - begun < 10
    assert encoder.cardinalities_.tolist() == [1100]
    assert len(pickle.dumps(encoder)) < 100_000
    counts = np.bincount(Z[:, 0].astype(int), minlength=1100)
    assert (counts[1000:] == 1).all()
    assert abs(counts[:1000] - 999.9).max() < 6 * np.sqrt(1000)


def test_one_row_takes_little_of_the_time_of_a_prediction():
    encoder, row = TableEncoder().fit(FRAME), FRAME[:1]
    encoder.transform(row)
    times = []
    for _ in range(20):
        begun = time.process_time()
        encoder.transform(row)
        times.append(time.process_time() - begun)
    assert min(times) < 2e-3
