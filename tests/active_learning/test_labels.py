import numpy as np
import pandas as pd
import pytest

from skdeep.active_learning.labels import all_labels, joined, split_labels


@pytest.mark.parametrize("classes", [True, False])
@pytest.mark.parametrize("kind", [np.asarray, pd.Series])
def test_dates_are_no_labels(classes, kind):
    dates = kind(np.array(["2026-01-01", "2026-01-02"], dtype="datetime64[ns]"))
    with pytest.raises(TypeError, match=r"target: dates .* are no numbers"):
        split_labels(dates, classes, "target")
    with pytest.raises(TypeError, match=r"target: dates .* are no numbers"):
        all_labels(dates, "target")


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([1, -1, 1], [1, -1, 1]),  # where all have labels, -1 is one
        (["a", "b"], ["a", "b"]),
        ([True, False], [True, False]),
        (np.array([[1.5], [2.0]])[:, 0], [1.5, 2.0]),
        (pd.Series(["a", "b"], dtype="category"), ["a", "b"]),
        (pd.Series([1, 2], dtype=object), [1, 2]),
    ],
)
def test_labels_of_any_container_are_an_array_of_numbers_or_of_strings(labels, expected):
    found = all_labels(labels, "y")
    assert found.dtype.kind in "biufU"
    assert found.tolist() == expected


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        (["a", None], ValueError, r"y contains NaN or None, at \[1\]; leave out"),
        ([1.0, np.nan], ValueError, r"y contains NaN or None, at \[1\]"),
        (np.array([1.0, np.inf]), ValueError, "y contains infinity"),
        (["a", 1], ValueError, "y has both strings and numbers"),
        ([1j, 2j], TypeError, "y must be of numbers or strings, but is of complex128"),
    ],
)
def test_what_is_no_label_is_refused(labels, error, message):
    with pytest.raises(error, match=message):
        all_labels(labels, "y")


def test_labels_of_two_kinds_are_not_joined():
    np.testing.assert_array_equal(joined(np.array([1]), np.array([2.5])), [1, 2.5])
    np.testing.assert_array_equal(joined(np.array(["a"]), np.array(["long"])), ["a", "long"])
    with pytest.raises(
        ValueError, match=r"names has labels such as 'a', but .* are such as 1; pass"
    ):
        joined(np.array([1]), np.array(["a"]), "names")
