"""Tables made up by hypothesis: encoded without a fuss, and back."""

import datetime

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from skdeep.preprocessing import TableEncoder

ENDS, DAYS = (datetime.datetime.min, datetime.datetime.max), 10**8
if pd.__version__ < "3":  # which counts nanoseconds
    ENDS, DAYS = (datetime.datetime(1700, 1, 1), datetime.datetime(2260, 1, 1)), 10**5
COLUMNS = {
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "int": st.integers(-(2**63), 2**63 - 1),
    "bool": st.booleans(),
    "text": st.text(max_size=3),
    "date": st.dates(*(end.date() for end in ENDS)),
    "time": st.datetimes(*ENDS),
    "zoned": st.datetimes(
        datetime.datetime(1900, 1, 1), datetime.datetime(2100, 1, 1), timezones=st.timezones()
    ).map(lambda time: time.astimezone(datetime.UTC)),
    "span": st.timedeltas(*(datetime.timedelta(days=sign * DAYS) for sign in (-1, 1))),
}
CONTAINERS = {
    "pandas": pd.DataFrame,
    "objects": lambda columns: pd.DataFrame(columns, dtype=object),
    "array": lambda columns: np.array([*columns.values()], object).T,
}


@st.composite
def tables(draw):
    """Columns of equal length by what they are, with gaps; and what to make of them."""
    n = draw(st.integers(1, 8))
    kinds = draw(st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=4))
    gaps = draw(st.booleans())
    columns = {
        f"{kind}_{i}": draw(
            st.lists(st.none() | COLUMNS[kind] if gaps else COLUMNS[kind], min_size=n, max_size=n)
        )
        for i, kind in enumerate(kinds)
    }
    weight = draw(st.none() | st.lists(st.integers(0, 2), min_size=n, max_size=n).filter(any))
    setting = {
        "scaling": draw(st.sampled_from(["robust", "quantile"])),
        "categories": draw(st.sampled_from(["one_hot", "codes"])),
        "min_frequency": draw(st.sampled_from([None, 2, 0.3])),
        "max_categories": draw(st.sampled_from([1, 2, 100])),
        "n_buckets": draw(st.sampled_from([1, 3])),
    }
    return draw(st.sampled_from(sorted(CONTAINERS))), columns, weight, setting


@settings(max_examples=150)
@given(made=tables())
def test_any_table_is_encoded_and_comes_back(made):
    container, columns, weight, setting = made
    X = CONTAINERS[container](columns)
    encoder = TableEncoder(**setting).fit(X, sample_weight=weight)
    Z = encoder.transform(X)
    n, width = Z.shape
    assert np.isfinite(Z).all()
    assert n == len(X)
    assert len({*encoder.get_feature_names_out()}) == width == len(encoder.cardinalities_)
    codes = encoder.cardinalities_ > 0
    assert ((Z[:, codes] >= 0) & (Z[:, codes] < encoder.cardinalities_[codes])).all()
    for i in range(n):
        row = X[i : i + 1]
        np.testing.assert_array_equal(encoder.transform(row), Z[i : i + 1])
    if width:
        back = encoder.inverse_transform(Z)
        assert back.shape == X.shape
        if weight is None and setting["min_frequency"] is None:
            check_back(encoder, columns, pd.DataFrame(back))


def check_back(encoder, columns, back):
    """What has no scale comes back exactly, and so do gaps."""
    for i, (name, values) in enumerate(columns.items()):
        record, found = encoder.columns_[i], back.iloc[:, i]
        missing = pd.isna(pd.Series(values, dtype=object)).to_numpy()
        if record.kind in ("categorical", "hashed"):
            known = ~found.isna().to_numpy()
            assert not (known & missing).any()
            cut = record.kind == "hashed"
            assert known.sum() == (~missing).sum() or cut
            assert all(a == b for a, b, k in zip(found, values, known) if k)
            continue
        np.testing.assert_array_equal(found.isna(), missing)
        if name.startswith("bool"):
            assert [bool(a) for a in found[~missing]] == [b for b in values if b is not None]
