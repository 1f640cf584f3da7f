"""Categories as one-hot vectors and codes, beside scikit-learn's encoders."""

import numpy as np
import pytest
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

from skdeep.preprocessing.table.categorical import Categories

RNG = np.random.default_rng(0)
WORDS = np.array([f"w{i}" for i in RNG.zipf(1.6, size=600).clip(max=40)], object)


def fitted(values, weight=None, *, least=0, most=1000, one_hot=True):
    values = np.asarray(values)
    weight = np.ones(len(values)) if weight is None else weight
    return Categories.fit(values, weight, least=least, most=most, one_hot=one_hot)


def encoded(categories, values):
    out = np.zeros((len(values), len(categories.suffixes)), np.float32)
    categories.encode(np.asarray(values), out)
    return out


def test_one_hot_vectors_are_scikit_learns():
    theirs = OneHotEncoder(sparse_output=False, handle_unknown="ignore").fit(WORDS[:, None])
    ours = fitted(WORDS)
    new = np.array(["w1", "never", "w2"], object)
    for values in (WORDS, new):
        np.testing.assert_array_equal(encoded(ours, values), theirs.transform(values[:, None]))
    assert [*ours.suffixes] == [f"_{word}" for word in theirs.categories_[0]]


@pytest.mark.parametrize(("least", "most"), [(5, 1000), (0, 7), (20, 7)])
def test_rare_categories_are_those_of_scikit_learn_and_new_ones_join_them(least, most):
    theirs = OneHotEncoder(
        sparse_output=False,
        handle_unknown="infrequent_if_exist",
        min_frequency=max(least, 1),
        max_categories=most + 1,  # theirs count the rare one
    ).fit(WORDS[:, None])
    ours = fitted(WORDS, least=least, most=most)
    values = np.array([*WORDS, "never"], object)
    expected = np.roll(theirs.transform(values[:, None]), 1, axis=1)  # theirs is the last
    np.testing.assert_array_equal(encoded(ours, values), expected)
    assert ours.suffixes[0] == "_rare"


def test_codes_are_scikit_learns_ordinals_above_that_of_the_rare():
    ours = fitted(WORDS, one_hot=False)
    theirs = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    theirs.fit(WORDS[:, None])
    values = np.array([*WORDS, "never"], object)
    np.testing.assert_array_equal(encoded(ours, values), theirs.transform(values[:, None]) + 1)
    assert ours.cardinality == len(theirs.categories_[0]) + 1


@pytest.mark.parametrize("nothing", [None, np.nan])
def test_missing_is_the_last_category_if_training_had_it_and_rare_otherwise(nothing):
    some = np.array(["a", "b", nothing, "a"], object)
    one_hot, codes = fitted(some), fitted(some, one_hot=False)
    assert one_hot.suffixes == ("_a", "_b", "_missing")
    assert encoded(one_hot, some).argmax(axis=1).tolist() == [0, 1, 2, 0]
    assert encoded(codes, some)[:, 0].tolist() == [1, 2, 3, 1]
    assert codes.cardinality == 4
    none = fitted(np.array(["a", "b", "a"], object), least=2)
    assert encoded(none, some).argmax(axis=1).tolist() == [1, 0, 0, 1]


def test_frequency_is_counted_by_weight_and_equal_ones_go_by_order():
    values = np.array(["c", "b", "a", "a"], object)
    assert fitted(values, np.array([2, 1, 1, 1.0]), least=2).categories.tolist() == ["a", "c"]
    assert fitted(values, np.array([5, 4, 1, 1.0]), most=1).categories.tolist() == ["c"]
    assert fitted(values[:3], most=2).categories.tolist() == ["a", "b"]
    assert fitted(values[:3][::-1], most=2).categories.tolist() == ["a", "b"]


def test_hashed_columns_keep_the_frequent_and_spread_the_others_evenly():
    values = np.array(["often"] * 3000 + [f"user{i}" for i in range(3000)], object)
    hashed = fitted(values, most=1).hashed(8)
    codes = hashed.codes(values)
    assert set(codes[:3000]) == {8}
    counts = np.bincount(codes[3000:], minlength=8)
    assert counts.sum() == 3000
    assert len(counts) == 8
    chi_squared = ((counts - 375) ** 2 / 375).sum()
    assert chi_squared < 24.3  # 0.1 % of 7 degrees of freedom
    new = hashed.codes(np.array([f"new{i}" for i in range(200)], object))
    assert set(new) == set(range(8))
    assert hashed.cardinality == 9
    assert encoded(hashed, values)[np.arange(6000), codes].all()


def test_the_buckets_of_a_saved_model_do_not_move():
    """Murmur hash 3 of UTF-8, seed 0: values of its reference implementation."""
    hashed = fitted(np.array(["x"], object), most=1).hashed(2**23)
    found = hashed.codes(np.array(["", "hello", "Grüezi"], object))
    assert found[0] == 0
    assert found[1] == 0x248BFA47 % 2**23


def test_broken_text_has_a_bucket():
    hashed = fitted(np.array(["x"], object), most=1).hashed(4)
    assert 0 <= hashed.codes(np.array(["\ud800"], object))[0] < 4


def test_whole_numbers_are_the_same_category_as_integers_and_as_floats():
    hashed = fitted(np.arange(50), most=2).hashed(16)
    np.testing.assert_array_equal(
        hashed.codes(np.arange(99)), hashed.codes(np.arange(99).astype(float))
    )


@pytest.mark.parametrize("one_hot", [True, False])
def test_categories_come_back_and_rare_ones_as_missing(one_hot):
    values = np.array([*WORDS, None, "never"], object)
    categories = fitted(values[:-1], least=5, one_hot=one_hot)
    found, missing = categories.decode(encoded(categories, values))
    kept = np.isin(values.astype(str), categories.categories.astype(str))
    np.testing.assert_array_equal(found[kept], values[kept])
    np.testing.assert_array_equal(missing, ~kept)
    assert 0 < kept.sum() < len(values) - 2


@pytest.mark.parametrize(
    ("values", "least", "buckets", "constant"),
    [
        (["a", "a"], 0, None, True),
        ([None, None], 0, None, True),
        (["a", "b"], 2, None, True),  # both are rare
        (["a", "b"], 2, 4, False),
        (["a", "a"], 0, 4, True),
        (["a", None], 0, None, False),
        (["a", None], 0, 4, False),
        (["a", "a", "b"], 2, None, False),
    ],
)
def test_a_column_is_constant_if_all_rows_have_one_code(values, least, buckets, constant):
    categories = fitted(np.array(values, object), least=least)
    if buckets:
        categories = categories.hashed(buckets)
    assert categories.is_constant == constant
