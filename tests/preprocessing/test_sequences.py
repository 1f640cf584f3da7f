"""Sequences as users have them."""

import numpy as np
import pandas as pd
import pytest

from skdeep.preprocessing import sequences

RNG = np.random.default_rng(0)


def test_a_list_of_arrays_has_its_steps_behind_each_other():
    rows = [RNG.normal(size=(n, 3)) for n in (4, 1, 6)]
    found = sequences.number_sequences(rows, np.float32)
    assert found.shape == (3, None, 3)
    assert found.lengths.tolist() == [4, 1, 6]
    for row, other in zip(rows, found.arrays(), strict=True):
        np.testing.assert_array_equal(row.astype(np.float32), other)


def test_rows_by_number_are_those_of_the_list():
    rows = [RNG.normal(size=n) for n in (4, 1, 6, 2)]
    found = sequences.number_sequences(rows, np.float64)
    for chosen in ([2, 0, 0], slice(1, 3), np.array([False, True, False, True]), [-1]):
        numbers = np.arange(4)[chosen]
        part = found[chosen]
        assert part.lengths.tolist() == [len(rows[i]) for i in numbers]
        for i, row in zip(numbers, part.arrays(), strict=True):
            np.testing.assert_array_equal(row[:, 0], rows[i])


def test_steps_of_nan_at_the_end_are_padding():
    rows = [RNG.normal(size=(n, 2)) for n in (5, 2, 3)]
    padded = np.full((3, 5, 2), np.nan)
    for i, row in enumerate(rows):
        padded[i, : len(row)] = row
    for row, other in zip(rows, sequences.padded(padded), strict=True):
        np.testing.assert_array_equal(row, other)
    whole = RNG.normal(size=(3, 5, 2))
    whole[0, 2] = np.nan  # missing in the middle: for the check of finite numbers to refuse
    whole[1, 4, 0] = np.nan
    assert sequences.padded(whole) is whole


def test_texts_are_lower_case_words_and_marks():
    rows = sequences.token_sequences(["What's new?", "Pi is 3.14"])
    assert [row.tolist() for row in rows.arrays()] == [
        ["what", "'", "s", "new", "?"],
        ["pi", "is", "3", ".", "14"],
    ]


@pytest.mark.parametrize(
    "X",
    [
        [["b", "a"], ["b"]],
        [np.array(["b", "a"]), ["b"]],
        pd.Series([["b", "a"], ["b"]]),
        np.array(["b a", "b"]),
        pd.Series(["b a", "b"]),
        ("b a", ["b"]),
    ],
    ids=["lists", "arrays", "Series of lists", "array of texts", "Series of texts", "both"],
)
def test_strings_come_in_many_forms(X):
    rows = sequences.token_sequences(X)
    assert [row.tolist() for row in rows.arrays()] == [["b", "a"], ["b"]]
    assert sequences.has_strings(X)


def test_frequent_tokens_have_numbers_and_the_others_zero():
    tokens = np.array([*"abbcccdddde"], dtype=object)
    vocabulary = sequences.vocabulary_of(tokens, 3)
    assert vocabulary.tolist() == ["d", "c", "b"]
    numbers = sequences.token_numbers(np.array(["a", "b", "d", "new"], dtype=object), vocabulary)
    assert numbers.tolist() == [0, 3, 1, 0]


def test_of_equally_frequent_tokens_the_first_to_come_are_kept():
    tokens = np.random.default_rng(0).permutation(np.repeat(np.arange(600), [1, 2, 3] * 200))
    found = sequences.vocabulary_of(tokens, 500)
    values, first, counts = np.unique(tokens, return_index=True, return_counts=True)
    np.testing.assert_array_equal(found, values[np.lexsort([first, -counts])][:500])


def test_awkward_arrays_give_their_steps():
    ak = pytest.importorskip("awkward")
    hits = ak.Array([[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0]]])
    found = sequences.number_sequences(hits, np.float64)
    assert found.lengths.tolist() == [2, 1]
    np.testing.assert_array_equal(found.values, [[1, 2], [3, 4], [5, 6]])
    tracks = ak.Array([[{"pt": 1.0, "eta": 2.0}, {"pt": 3.0, "eta": 4.0}], [{"pt": 5, "eta": 6}]])
    np.testing.assert_array_equal(
        sequences.number_sequences(tracks, np.float64).values, found.values
    )


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ([[1.0], [[1.0, 2.0]]], ValueError, r"X\[1\] has steps of shape \(2,\).*X\[0\] have \(\)"),
        ([[1.0, 2.0], []], ValueError, r"X\[1\] has no steps"),
        ([np.zeros((2, 2, 2)), [1]], ValueError, r"X\[0\] has 3 dimensions"),
        ([["a", 2], [1.0]], TypeError, r"X\[0\] must hold numbers"),
        ([[1.0, np.nan], [2.0]], ValueError, "X contains NaN"),
        ([[1.0, None, object()], [2.0]], TypeError, r"X\[0\] must hold numbers"),
        ([[[1], [2, 3]], [[1.0]]], ValueError, r"X\[0\] is no sequence of steps alike"),
        ([np.array(["2020"], "M8[Y]"), [1]], TypeError, r"X\[0\] must hold numbers.*datetime"),
        ([], ValueError, "X has no rows"),
    ],
)
def test_what_is_no_sequence_of_numbers_is_refused(X, error, message):
    with pytest.raises(error, match=message):
        sequences.number_sequences(X, np.float32)


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ("a text", ValueError, "X is one text; pass a list"),
        (["a", 3], TypeError, r"X\[1\] must be a text or a sequence of tokens, but is 3"),
        ([["a"], [1]], TypeError, "X mixes integers and strings"),
        ([["a", 1]], TypeError, r"X\[0\] must hold strings or integers.*int, str"),
        ([["a", None]], TypeError, r"X\[0\] must hold strings or integers.*NoneType"),
        ([[1.5]], TypeError, r"X\[0\] must hold strings or integers.*float"),
        ([["a"], "   "], ValueError, r"X\[1\] has no tokens"),
        ([np.zeros((2, 2), int)], ValueError, r"X\[0\] has 2 dimensions"),
        ([], ValueError, "X has no rows"),
    ],
)
def test_what_are_no_tokens_is_refused(X, error, message):
    with pytest.raises(error, match=message):
        sequences.token_sequences(X)


@pytest.mark.parametrize(
    ("tokens", "vocabulary", "unknown"),
    [
        (["a", "unknown0", "b", "a"], ["a", "unknown0"], "unknown1"),
        ([3, 0, 7, 3], [0, 3], 1),
    ],
)
def test_tokens_by_their_numbers_have_the_same_numbers(tokens, vocabulary, unknown):
    vocabulary = np.array(vocabulary, object if unknown != 1 else np.int64)
    numbers = sequences.token_numbers(np.array(tokens, vocabulary.dtype), vocabulary)
    found = sequences.tokens_of(numbers, vocabulary)
    assert found.tolist() == [*tokens[:2], unknown, tokens[3]]
    np.testing.assert_array_equal(sequences.token_numbers(found, vocabulary), numbers)
