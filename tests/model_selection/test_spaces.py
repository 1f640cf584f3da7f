import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest
from skopt.space import Categorical, Integer, Real

from skdeep.model_selection.spaces import Choice, Range, Space

finite = st.floats(-1e6, 1e6)
positive = st.floats(1e-6, 1e6)
ranges = st.one_of(
    st.tuples(finite, finite).filter(lambda ends: ends[1] - ends[0] > 1e-3),
    st.tuples(positive, positive, st.just("log")).filter(lambda d: d[1] > 1.001 * d[0]),
    st.tuples(st.integers(-500, 500), st.integers(-500, 500)).filter(lambda d: d[0] < d[1]),
    st.tuples(st.integers(1, 500), st.integers(1, 500), st.just("log")).filter(
        lambda d: d[0] < d[1]
    ),
)
choices = st.lists(
    st.one_of(st.text(max_size=3), st.tuples(st.integers(), st.integers()), st.none()),
    min_size=1,
    max_size=5,
    unique=True,
)
unit = st.floats(0, 1, exclude_max=True)


@given(st.one_of(ranges, choices), unit)
def test_decoded_values_lie_in_the_dimension_and_encode_to_the_snapped_u(dimension, u):
    space = Space({"a": dimension})
    value = space.decode(np.array([u]))["a"]
    if isinstance(dimension, tuple):
        assert dimension[0] <= value <= dimension[1]
        assert isinstance(value, int) == all(isinstance(end, int) for end in dimension[:2])
    else:
        assert value in dimension
    snapped = space.snap(np.array([[u]]))
    np.testing.assert_allclose(space.encode({"a": value}), snapped[0], atol=1e-8)
    assert space.decode(snapped[0])["a"] == pytest.approx(value)
    np.testing.assert_allclose(space.snap(snapped), snapped, atol=1e-12)


@pytest.mark.parametrize(
    ("dimension", "cdf"),
    [
        ((2.0, 6.0), lambda v: (v - 2) / 4),
        ((1e-3, 1e3, "log"), lambda v: (np.log10(v) + 3) / 6),
        ((1e-3, 1e3, "log-uniform"), lambda v: (np.log10(v) + 3) / 6),
    ],
)
def test_values_have_the_prior_that_was_asked_for(dimension, cdf):
    space = Space({"a": dimension})
    U = space.sample(500, np.random.default_rng(0))
    assert kstest([space.decode(u)["a"] for u in U], cdf).pvalue > 0.01


def test_integers_and_choices_are_equally_likely_and_weights_are_heeded():
    space = Space({"i": (1, 4), "c": list("abcd"), "w": Categorical(list("ab"), prior=[0.9, 0.1])})
    points = [space.decode(u) for u in np.random.default_rng(0).random((4000, 3))]
    for level in (1, 2, 3, 4):
        assert sum(p["i"] == level for p in points) == pytest.approx(1000, abs=120)
    for level in "abcd":
        assert sum(p["c"] == level for p in points) == pytest.approx(1000, abs=120)
    assert sum(p["w"] == "b" for p in points) == pytest.approx(400, abs=80)


def test_a_list_of_two_numbers_is_two_choices_and_a_tuple_a_range():
    rng = np.random.default_rng(0)
    two, many = Space({"a": [1, 100]}), Space({"a": (1, 100)})
    assert {two.decode(u)["a"] for u in two.sample(50, rng)} == {1, 100}
    assert len({many.decode(u)["a"] for u in many.sample(60, rng)}) > 20
    assert two.size == 2
    assert many.size == 100


def test_tuples_dicts_and_arrays_are_categories():
    levels = [(64,), (64, 32), {"a": 1}, None]
    space = Space({"a": levels, "b": np.array([1, 2])})
    assert space.encode({"a": (64, 32), "b": 2}) == pytest.approx([3 / 8, 3 / 4])
    assert space.decode(np.array([0.7, 0.1])) == {"a": {"a": 1}, "b": 1}


def test_skopt_dimensions_are_read_and_not_changed():
    given = {
        "r": Real(1e-2, 1e2, prior="log-uniform"),
        "i": Integer(2, 9),
        "c": Categorical(["x", "y"]),
        "u": Real(-1, 1),
    }
    before = copy.deepcopy(given)
    space = Space(given)
    assert list(space.dimensions.values()) == [
        Range(1e-2, 1e2, log=True),
        Range(2, 9, integer=True),
        Choice(["x", "y"]),
        Range(-1, 1),
    ]
    assert given == before
    assert {k: vars(v) for k, v in given.items()}.keys() == before.keys()


def test_categories_are_numbered_and_numbers_keep_their_order():
    space = Space({"c": ["a", "b", "c"], "n": [8, 2, 4]})
    U = space.snap(np.array([[0.1, 0.1], [0.5, 0.5], [0.9, 0.9]]))
    np.testing.assert_array_equal(space.is_category, [True, False])
    np.testing.assert_array_equal(space.columns(U), [[0, 1], [1, 0], [2, 0.5]])


def test_small_spaces_are_sampled_without_repetition():
    space = Space({"a": (1, 3), "b": ["x", "y"]})
    U = space.sample(100, np.random.default_rng(0))
    points = {tuple(space.decode(u).values()) for u in U}
    assert len(U) == 6 == len(points) == space.size


@pytest.mark.parametrize(
    ("dimension", "value"), [((0.1, 1.0, "log"), -1), ((0.0, 1.0), "auto"), (["a", "b"], "c")]
)
def test_a_value_without_a_place_encodes_to_nan(dimension, value):
    assert np.isnan(Space({"a": dimension}).encode({"a": value})).all()


def test_zero_lies_just_below_a_logarithmic_range():
    below, low = (Space({"a": (0.1, 1.0, "log")}).encode({"a": v})[0] for v in (0, 0.1))
    assert -0.2 < below < low == 0


def test_choices_are_told_by_type_and_held_once():
    space = Space({"a": [1, 1.0, True, 1, "1"]})
    assert [type(v) for v in space.dimensions["a"].levels] == [int, float, bool, str]
    places = [space.encode({"a": v})[0] for v in (1, 1.0, True, "1")]
    assert len(set(places)) == 4
    assert Space({"a": [1, 2]}).encode({"a": 1.0}) == Space({"a": [1, 2]}).encode({"a": 1})
    uneven = Space({"a": [np.zeros(2), np.zeros(3)]})
    assert uneven.encode({"a": np.zeros(3)}) > uneven.encode({"a": np.zeros(2)})


def test_a_number_beyond_the_ends_encodes_to_beyond_the_unit_interval():
    assert Space({"a": (1.0, 3.0)}).encode({"a": 4.0}) == pytest.approx([1.5])


@pytest.mark.parametrize(
    ("dimension", "message"),
    [
        ((3, 1), "low < high"),
        ((1.0, 1.0), "low < high"),
        ((0, 1.0, "log"), "low must be positive"),
        ((0.0, np.inf), "finite numbers"),
        (("a", "b"), "write choices as a list"),
        ((1, 2, "normal"), "'uniform', 'log' or 'log-uniform'"),
        ([], "non-empty list"),
        ("adam", "must be a tuple"),
        (0.5, "must be a tuple"),
    ],
)
def test_nonsense_is_refused_by_name(dimension, message):
    with pytest.raises(ValueError, match=f"'alpha'.*{message}"):
        Space({"alpha": dimension})


def test_an_empty_space_is_refused():
    with pytest.raises(ValueError, match="empty"):
        Space({})
