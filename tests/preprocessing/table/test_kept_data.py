"""Tables of the world: encoded whole, beside scikit-learn's, and back."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, RobustScaler, StandardScaler

from skdeep.preprocessing import TableEncoder


def by_hand():
    """What one would write with scikit-learn's pieces."""
    numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    return make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")),
        (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude="number")),
    )


@pytest.fixture(scope="module")
def adult(kept):
    return kept("adult")


def test_adult_is_encoded_as_by_scikit_learns_pieces(adult):
    X = adult["train"].drop(columns="income")
    encoder = TableEncoder().fit(X)
    Z = pd.DataFrame(encoder.transform(X), columns=encoder.get_feature_names_out())
    words = [column.name for column in encoder.columns_ if column.kind == "categorical"]
    theirs = OneHotEncoder(sparse_output=False).fit_transform(X[words])
    ours = Z[[name for c in encoder.columns_ if c.name in words for name in c.outputs]]
    np.testing.assert_array_equal(ours, theirs)
    for name in ("age", "hours_per_week"):  # quartiles are values of many rows
        z = RobustScaler().fit_transform(X[[name]])[:, 0]
        np.testing.assert_allclose(Z[name], z / np.hypot(1, z / 3), rtol=1e-6)
    np.testing.assert_allclose(
        Z["capital_gain"].max(), 2 / np.hypot(1, 2 / 3), rtol=1e-6
    )  # nearly all 0: half the range is the unit


@pytest.mark.parametrize("scaling", ["robust", "quantile"])
def test_a_linear_model_of_adult_is_at_least_as_good(adult, scaling):
    train, test = adult["train"][::4], adult["test"]
    X, y = train.drop(columns="income"), train["income"].str.contains(">")
    X_test, y_test = test.drop(columns="income"), test["income"].str.contains(">")
    scores = [
        make_pipeline(encoder, LogisticRegression(max_iter=2000)).fit(X, y).score(X_test, y_test)
        for encoder in (TableEncoder(scaling=scaling), by_hand())
    ]
    assert scores[0] > scores[1] - 0.003
    assert scores[0] > 0.84


def test_houses_with_gaps_in_most_columns_are_predicted_as_well(kept):
    ames = kept("ames_housing")["ames"]
    X, y = ames.drop(columns=["Order", "PID", "price"]), np.log(ames["price"])
    ours = cross_val_score(make_pipeline(TableEncoder(), Ridge(3)), X, y, cv=5).mean()
    theirs = cross_val_score(make_pipeline(by_hand(), Ridge(3)), X, y, cv=5).mean()
    assert ours > theirs - 0.01
    assert ours > 0.85


def test_hours_of_bicycles_know_their_day(kept):
    bikes = kept("bike_sharing")["hour"]
    days = pd.to_datetime(bikes["dteday"], format="%m/%d/%y")
    X = pd.DataFrame({"at": days + pd.to_timedelta(bikes["hr"], unit="h")})
    encoder = TableEncoder().fit(X)
    pd.testing.assert_frame_equal(
        encoder.inverse_transform(encoder.transform(X)), X, check_dtype=False
    )
    order = np.random.default_rng(0).permutation(len(X))
    model = make_pipeline(TableEncoder(), Ridge())
    score = cross_val_score(model, X.iloc[order], bikes["cnt"].iloc[order], cv=3).mean()
    assert score > 0.4  # a line through time alone explains 0.07
    with pytest.raises(ValueError, match=r"'dteday' cannot be read as dates: .*ISO 8601"):
        TableEncoder(kinds={"dteday": "date"}).fit(bikes)


def test_all_tables_come_back(kept):
    for name, part in [("ames_housing", "ames"), ("diamonds", "diamonds"), ("adult", "test")]:
        X = kept(name)[part]
        encoder = TableEncoder(scaling="quantile").fit(X)
        back = encoder.inverse_transform(encoder.transform(X))
        for column in X:
            if X[column].dtype.kind == "O" or X[column].dtype == "str":
                pd.testing.assert_series_equal(back[column].fillna("-"), X[column].fillna("-"))
            else:
                spread = X[column].quantile(0.75) - X[column].quantile(0.25) or np.ptp(
                    X[column].dropna()
                )
                error = (back[column] - X[column]).abs()
                np.testing.assert_array_equal(error.isna(), X[column].isna())
                assert error.quantile(0.99) < 1e-3 * spread, (name, column)
