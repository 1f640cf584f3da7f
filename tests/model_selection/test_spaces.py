import copy
import pickle
from itertools import product

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare, kstest
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from skopt.space import Categorical, Integer, Real

import skdeep
from skdeep.model_selection import BayesSearchCV, When
from skdeep.model_selection.spaces import Known, Space
from skdeep.model_selection.spaces.dimensions import Choice, Range

finite = st.floats(-1e6, 1e6)
positive = st.floats(1e-6, 1e6)
whole = st.integers(-500, 500)
ranges = st.one_of(
    st.tuples(finite, finite).filter(lambda ends: ends[1] - ends[0] > 1e-3),
    st.tuples(positive, positive, st.just("log")).filter(lambda d: d[1] > 1.001 * d[0]),
    st.tuples(whole, whole).filter(lambda d: d[0] < d[1]),
    st.tuples(st.integers(1, 500), st.integers(1, 500), st.just("log")).filter(
        lambda d: d[0] < d[1]
    ),
    st.tuples(whole, whole, st.integers(1, 50)).filter(lambda d: d[0] + d[2] <= d[1]),
    st.tuples(whole, whole, st.sampled_from([0.1, 0.25, 3.5])).filter(lambda d: d[0] + 4 <= d[1]),
)
choices = st.lists(
    st.one_of(
        st.text(max_size=3),
        st.booleans(),
        st.integers(0, 3),
        st.sampled_from([0.0, 1.0, np.int64(1), np.float32(2)]),
        st.tuples(st.integers(), st.integers()),
        st.none(),
    ),
    min_size=1,
    max_size=6,
)
distributions = st.sampled_from(
    [
        scipy.stats.norm(3, 2),
        scipy.stats.expon(scale=5),
        scipy.stats.beta(2, 3),
        scipy.stats.lognorm(1.5),
        scipy.stats.cauchy(),
        scipy.stats.uniform(-1, 3),
        scipy.stats.loguniform(1e-3, 10),
        scipy.stats.randint(2, 30),
        scipy.stats.poisson(7),
        scipy.stats.geom(0.1),
        scipy.stats.binom(20, 0.3),
        scipy.stats.rv_discrete(values=([1, 10, 100], [0.2, 0.5, 0.3])),
        scipy.stats.norm,
    ]
)
unit = st.floats(0, 1, exclude_max=True)


def points_of(space, n=1000):
    return [space.decode(u) for u in space.sample(n, np.random.default_rng(0))]


def distinct(values):
    return list({(type(v), v): v for v in values}.values())


# --- one dimension


@given(st.one_of(ranges, choices, distributions), unit)
def test_decoded_values_lie_in_the_dimension_and_encode_to_the_snapped_u(dimension, u):
    space = Space({"a": dimension})
    point = space.decode(np.array([u]))
    value = point["a"]
    if isinstance(dimension, tuple):
        assert dimension[0] <= value <= dimension[1]
        assert isinstance(value, int) == all(
            isinstance(v, int) for v in dimension if not isinstance(v, str)
        )
    elif isinstance(dimension, list):
        assert any(v is value for v in dimension)
    else:
        discrete = hasattr(dimension, "pmf")
        assert (dimension.pmf if discrete else dimension.pdf)(value) > 0
        assert type(value) is (int if discrete else float)
    snapped = space.snap(np.array([[u]]))
    np.testing.assert_allclose(space.check(point), snapped[0], atol=1e-8)
    again = space.decode(snapped[0])["a"]
    assert again is value or again == pytest.approx(value)
    np.testing.assert_allclose(space.snap(snapped), snapped, atol=1e-12)


@pytest.mark.parametrize(
    ("dimension", "cdf"),
    [
        ((2.0, 6.0), lambda v: (v - 2) / 4),
        ((1e-3, 1e3, "log"), lambda v: (np.log10(v) + 3) / 6),
        ((1e-3, 1e3, "log-uniform", 2), lambda v: (np.log10(v) + 3) / 6),
        (Real(1e-3, 1e3, prior="log-uniform", base=2), lambda v: (np.log10(v) + 3) / 6),
        (scipy.stats.norm(3, 2), scipy.stats.norm(3, 2).cdf),
        (scipy.stats.expon(), scipy.stats.expon().cdf),
        (scipy.stats.uniform(-1, 3), scipy.stats.uniform(-1, 3).cdf),
        (scipy.stats.loguniform(1e-3, 1e3), scipy.stats.loguniform(1e-3, 1e3).cdf),
    ],
)
def test_values_have_the_prior_that_was_asked_for(dimension, cdf):
    values = [point["a"] for point in points_of(Space({"a": dimension}), 500)]
    assert kstest(values, cdf).pvalue > 0.01


@pytest.mark.parametrize(
    ("dimension", "levels", "shares"),
    [
        ((1, 4), [1, 2, 3, 4], [1, 1, 1, 1]),
        ((0, 1, 0.25), [0, 0.25, 0.5, 0.75, 1], [1, 1, 1, 1, 1]),
        (list("abcd"), list("abcd"), [1, 1, 1, 1]),
        (["a", "b", "a"], list("ab"), [1, 1]),
        (Categorical(list("ab"), prior=[0.9, 0.1]), list("ab"), [9, 1]),
        (Categorical(list("abac"), prior=[0.5, 0.2, 0.3, 0.0]), list("ab"), [8, 2]),
        (scipy.stats.randint(2, 5), [2, 3, 4], [1, 1, 1]),
        (scipy.stats.binom(3, 0.5), [0, 1, 2, 3], [1, 3, 3, 1]),
        (scipy.stats.rv_discrete(values=([1, 9], [0.3, 0.7]))(loc=2), [3, 11], [3, 7]),
    ],
)
def test_levels_are_as_likely_as_they_should_be(dimension, levels, shares):
    space = Space({"a": dimension})
    U = np.random.default_rng(0).random((2000, 1))
    values = [space.decode(u)["a"] for u in U]
    assert space.size == len(levels)
    seen = [sum(value == level for value in values) for level in levels]
    assert sum(seen) == 2000
    assert chisquare(seen, 2000 * np.array(shares) / sum(shares)).pvalue > 0.01


@pytest.mark.parametrize(
    ("dimension", "expected"),
    [
        ((1, 100, 5), list(range(1, 100, 5))),
        ((1, 96, 5), list(range(1, 97, 5))),
        (range(1, 100, 5), list(range(1, 100, 5))),
        (range(10, 0, -3), [1, 4, 7, 10]),
        (range(4, 5), [4]),
        ((0.0, 1.0, 0.1), [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]),
        ((0, 1, 0.3), [0.0, 0.3, 0.6, 0.9]),
        ((-1.5, 1, 1), [-1.5, -0.5, 0.5]),
        ((np.int64(1), np.int64(4)), [1, 2, 3, 4]),
        ([1, 100], [1, 100]),
        ([8, 2, 4], [2, 4, 8]),
        (np.array([1, 2]), [1, 2]),
        (scipy.stats.poisson(1e-6), [0]),
    ],
)
def test_levels_are_those_that_were_written(dimension, expected):
    space = Space({"a": dimension})
    assert space.size == len(expected)
    values = [space.decode(u)["a"] for u in np.linspace(0, 1, 2001)[:, None]]
    assert [(type(v), v) for v in distinct(values)] == [(type(v), v) for v in expected]


def test_a_tuple_of_two_integers_is_all_between():
    assert {point["a"] for point in points_of(Space({"a": (1, 100)}))} == set(range(1, 101))


def test_tuples_dicts_arrays_and_estimators_are_categories():
    levels = [(64,), (64, 32), {"a": 1}, None, [1], ((1, 2), (3,)), np.zeros(2), PCA(2)]
    space = Space({"a": levels})
    for u, value in zip(space.sample(8, np.random.default_rng(0)), points_of(space)):
        assert any(value["a"] is level for level in levels)
        np.testing.assert_array_equal(space.encode(value), u)
    middles = [(i + 0.5) / 8 for i in range(8)]
    assert [space.encode({"a": v})[0] for v in copy.deepcopy(levels)] == pytest.approx(middles)
    assert space.encode({"a": [64, 32]}) == pytest.approx([3 / 16])
    assert np.isnan(space.encode({"a": PCA(3)})).all()


def test_choices_are_told_by_type_and_held_once():
    levels = [1, 1.0, True, 1, "1", np.int64(1), (1,), (True,)]
    space = Space({"a": levels})
    assert space.size == 7
    assert [type(space.decode(space.encode({"a": v}))["a"]) for v in levels] == [
        type(v) for v in levels
    ]
    assert len({space.encode({"a": v})[0] for v in levels}) == 7
    one_or_two = Space({"a": [1, 2]})
    assert one_or_two.encode({"a": 1.0}) == one_or_two.encode({"a": 1})
    assert np.isnan(one_or_two.encode({"a": True})).all()
    assert Space({"a": ["", "\0"]}).encode({"a": "\0"}) == 0.75


def test_skopt_dimensions_are_read():
    space = Space(
        {
            "r": Real(1e-2, 1e2, prior="log-uniform"),
            "i": Integer(2, 9),
            "c": Categorical(["x", "y"]),
            "u": Real(-1, 1),
        }
    )
    assert list(space.dimensions.values()) == [
        Range(1e-2, 1e2, log=True),
        Range(2, 9, step=1),
        Choice(["x", "y"]),
        Range(-1.0, 1.0),
    ]


def test_any_object_with_quantiles_is_a_distribution():
    class Triangle:
        """Density 2 v on [0, 1]."""

        def ppf(self, share):
            return np.sqrt(share)

        def cdf(self, value):
            return np.clip(value, 0, 1) ** 2

    space = Space({"a": Triangle()})
    assert space.decode(np.array([0.5]))["a"] == pytest.approx(np.sqrt(0.5))
    assert kstest([p["a"] for p in points_of(space)], lambda v: v**2).pvalue > 0.01


def test_what_is_given_is_not_changed():
    given = {
        "r": Real(1e-2, 1e2, prior="log-uniform"),
        "c": Categorical(["x", "y"], prior=[0.1, 0.9]),
        "l": [3, 1, 2, 1],
        "t": [{"deep": [1]}, (1, 2)],
        "w": When("l", [1, 3], When("r2", [5], [2, 1])),
        "r2": [9, 5],
        "n": scipy.stats.norm(),
    }
    before = pickle.dumps(given)
    space = Space(given)
    for u in space.sample(20, np.random.default_rng(0)):
        space.check(space.decode(u))
    assert pickle.dumps(given) == before
    given["l"].append(7)
    assert space.dimensions["l"].levels == [1, 2, 3]


@pytest.mark.parametrize(
    ("dimension", "value"),
    [
        ((0.1, 1.0, "log"), -1),
        ((0.0, 1.0), "auto"),
        ((0.0, 1.0), True),
        ((0.0, 1.0), np.inf),
        ((1, 9), 10**400),
        (["a", "b"], "c"),
        (scipy.stats.norm(), None),
        (scipy.stats.expon(), -1),
    ],
)
def test_a_value_without_a_place_encodes_to_nan(dimension, value):
    assert np.isnan(Space({"a": dimension}).encode({"a": value})).all()


@pytest.mark.parametrize("dimension", [(1e-4, 1e3, "log"), (-0.1, 0.3), (3, 700, "log")])
def test_the_ends_are_reached_exactly(dimension):
    space = Space({"a": dimension})
    ends = [space.decode(np.array([u]))["a"] for u in (0.0, 1.0)]
    assert ends == list(dimension[:2])


def test_zero_lies_just_below_a_logarithmic_range():
    below, low = (Space({"a": (0.1, 1.0, "log")}).encode({"a": v})[0] for v in (0, 0.1))
    assert -0.2 < below < low == 0


def test_a_number_beyond_the_ends_encodes_to_beyond_the_unit_interval():
    assert Space({"a": (1.0, 3.0)}).encode({"a": 4.0}) == pytest.approx([1.5])
    assert Space({"a": scipy.stats.norm()}).encode({"a": 5}) > 1


def test_categories_are_numbered_and_numbers_keep_their_order():
    space = Space({"c": ["a", "b", "c"], "n": [8, 2, 4], "b": [True, False], "i": (1, 2)})
    U = space.snap(np.array([[0.1] * 4, [0.5] * 4, [0.9] * 4]))
    np.testing.assert_array_equal(space.is_category, [True, False, True, False])
    np.testing.assert_array_equal(space.is_real, [False] * 4)
    expected = [[0, 0, 0, 0.25], [1, 0.5, 1, 0.25], [2, 1, 1, 0.75]]
    np.testing.assert_allclose(space.columns(U)[:, :3], np.array(expected)[:, :3])


# --- conditions


def brute_force(levels, conditions):
    """Points of a space as sets of (name, value): all products, less what is not there."""
    points = set()
    for values in product(*levels.values()):
        point = dict(zip(levels, values))
        n = -1
        while len(point) != n:
            n = len(point)
            for name, needs in conditions.items():
                if any(point.get(parent) not in allowed for parent, allowed in needs):
                    point.pop(name, None)
        points.add(frozenset(point.items()))
    return points


@st.composite
def conditional_spaces(draw):
    """A space with conditions, its levels and its conditions."""
    names = draw(st.permutations("abcdef"))[: draw(st.integers(1, 6))]
    levels, conditions, space = {}, {}, {}
    for name in names:
        size = draw(st.integers(1, 3))
        levels[name] = (
            list(range(size)) if draw(st.booleans()) else [f"{name}{i}" for i in range(size)]
        )
        as_range = size > 1 and isinstance(levels[name][0], int) and draw(st.booleans())
        written = (0, size - 1) if as_range else levels[name]
        conditions[name] = []
        for parent in draw(st.lists(st.sampled_from(list(levels)), max_size=2)):
            if parent == name:
                continue
            allowed = draw(st.lists(st.sampled_from(levels[parent]), min_size=1))
            conditions[name].append((parent, allowed))
            written = When(parent, allowed if len(allowed) > 1 else allowed[0], written)
        space[name] = written
    order = draw(st.permutations(list(space)))
    return {name: space[name] for name in order}, levels, conditions


@settings(deadline=None)
@given(conditional_spaces())
def test_a_conditional_space_is_what_brute_force_makes_of_it(example):
    written, levels, conditions = example
    expected = brute_force(levels, conditions)
    space = Space(written)
    rng = np.random.default_rng(0)
    U = space.sample(10_000, rng)
    points = [space.decode(u) for u in U]
    assert space.size == len(expected) == len(U)
    assert {frozenset(point.items()) for point in points} == expected
    assert len(np.unique(U.round(12), axis=0)) == len(U)
    for u, point in zip(U, points):
        np.testing.assert_allclose(space.check(point), u, atol=1e-12)
    there = [[name in point for name in space.dimensions] for point in points]
    np.testing.assert_array_equal(space.active(U), there)
    assert (U[~np.array(there)] == 0.5).all()
    anywhere = rng.random((50, len(levels)))
    snapped = space.snap(anywhere)
    assert [space.decode(u) for u in anywhere] == [space.decode(u) for u in snapped]
    rows = {u.round(12).tobytes() for u in U}
    assert {u.round(12).tobytes() for u in snapped} <= rows
    by_row = [space.columns(u[None])[0] for u in snapped]
    np.testing.assert_array_equal(space.columns(snapped), by_row)


@settings(deadline=None)
@given(conditional_spaces(), st.randoms(use_true_random=False))
def test_neighbours_are_all_points_that_differ_in_one_level(example, random):
    written, levels, _ = example
    space = Space(written)
    U = space.sample(10_000, np.random.default_rng(0))
    u = random.choice(list(U))
    point = space.decode(u)
    names = list(space.dimensions)
    moves = []
    for other in space.neighbours(u):
        assert (space.snap(other[None])[0] == other).all()
        neighbour = space.decode(other)
        changed = [n for n in point if n in neighbour and neighbour[n] != point[n]]
        assert len(changed) == 1
        moves.append((changed[0], neighbour[changed[0]]))
        j = names.index(changed[0])
        appeared = set(neighbour) - set(point)
        assert all(neighbour[n] == space.dimensions[n].decode(0.5) for n in appeared), j
    expected = {(n, v) for n in point for v in levels[n] if v != point[n]}
    assert set(moves) == expected
    assert len(moves) == len(expected)


def test_layers_have_widths_only_where_they_are():
    space = Space(
        {
            "units_3": When("n_layers", [3, 4], (16, 256, "log")),
            "n_layers": (1, 4),
            "kind": ["a", "b"],
            "rate": When("kind", "b", (0.0, 1.0)),
        }
    )
    assert space.names == ["units_3", "n_layers", "kind", "rate"]
    points = points_of(space, 300)
    assert all(("units_3" in p) == (p["n_layers"] >= 3) for p in points)
    assert all(("rate" in p) == (p["kind"] == "b") for p in points)
    assert space.size == np.inf
    u = space.encode({"n_layers": 2, "kind": "a"})
    absent = [list(space.dimensions).index(name) for name in ("units_3", "rate")]
    np.testing.assert_array_equal(u[absent], 0.5)
    np.testing.assert_array_equal(space.columns(u[None])[0, absent], 0.5)
    assert Space({"n": (1, 4), "u": When("n", range(3, 5), (1, 8))}).size == 2 + 2 * 8


def test_an_absent_category_is_its_own_to_a_model():
    space = Space({"a": ["x", "y"], "b": When("a", "x", ["p", "q"])})
    columns = space.columns(space.sample(9, np.random.default_rng(0)))
    assert sorted(map(tuple, columns)) == [(0, 0), (0, 1), (1, -1)]


def test_size_counts_wide_spaces_without_listing_them():
    wide = {f"n{i}": (1, 10**6) for i in range(40)}
    assert Space(wide).size == 10**240
    switches = {f"s{i}": [True, False] for i in range(60)}
    tied = {f"v{i}": When(f"s{i}", True, (1, 9)) for i in range(60)}
    assert Space(switches | tied).size == 10**60
    stairs = {"l0": [0, 1]} | {f"l{i}": When(f"l{i - 1}", 1, [0, 1]) for i in range(1, 80)}
    assert Space(stairs).size == 81


def test_size_is_finite_where_no_continuous_dimension_can_be_there():
    never = When("a", 1, When("a", 2, (0.0, 1.0)))
    assert Space({"a": [1, 2], "b": never}).size == 2
    assert Space({"a": [1, 2], "b": When("a", 1, (0.0, 1.0))}).size == np.inf


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"a": When("b", 1, (0, 1))}, "'a' depends on 'b', which is not in its space"),
        ({"a": When(["b"], 1, (0, 1)), "b": [1]}, r"'a' depends on \['b'\], which is not"),
        ({"deep": [1], "a": When("dep", 1, (0, 1))}, r"did you mean deep\?"),
        ({"a": When("a", 1, [1, 2])}, "'a' go round in a circle"),
        ({"a": When("b", 1, [1]), "b": When("a", 1, [1])}, "'a', 'b' go round in a circle"),
        ({"a": (0.0, 1.0), "b": When("a", 0.5, [1])}, "'a', which is continuous"),
        ({"a": ["x"], "b": When("a", "y", [1])}, r"'b' depends on 'a' being 'y', but .*\['x'\]"),
        ({"a": (1, 3), "b": When("a", [3, 4], [1])}, "being 4, but .* integer from 1 to 3"),
        ({"a": (1, 3), "b": When("a", 1.5, [1])}, "being 1.5"),
        ({"a": (1, 3), "b": When("a", (1, 3), [1])}, r"\(1, 3\), .*several values as a list"),
        ({"a": (1, 3), "b": When("a", [], [1])}, "depends on no value of 'a'"),
        ([(0, 1), When("x0", 1, (0, 1))], "conditions need names"),
    ],
)
def test_conditions_that_cannot_be_are_refused(space, message):
    with pytest.raises(ValueError, match=message):
        Space(space)


# --- sub-spaces and lists


SVM = [
    {"kernel": ["linear"], "C": (1e-2, 1e2, "log")},
    ({"kernel": ["rbf", "poly"], "C": (1e-2, 1e2, "log"), "gamma": (1e-3, 1.0, "log")}, 7),
]


def test_points_of_sub_spaces_have_the_names_of_one():
    space = Space(SVM)
    assert space.names == ["kernel", "C", "gamma"]
    assert space.budgets == [None, 7]
    U = space.sample(400, np.random.default_rng(0))
    branch = space.dimensions[""].index(U[:, 0])
    assert 150 < branch.sum() < 250
    for u, b in zip(U, branch):
        point = space.decode(u)
        assert set(point) == ({"kernel", "C", "gamma"} if b else {"kernel", "C"})
        assert (point["kernel"] == "linear") == (b == 0)
        np.testing.assert_allclose(space.check(point), u, atol=1e-12)


def test_dimensions_that_are_equal_are_shared_and_others_not():
    space = Space(SVM)
    assert len(space.dimensions) == 5  # the branch, kernel, C, kernel, gamma
    a, b = (
        space.encode({"kernel": k, "C": 3.0} | g)
        for k, g in [("linear", {}), ("rbf", {"gamma": 0.1})]
    )
    j = list(space.dimensions).index("C")
    assert a[j] == b[j] != 0.5
    assert space.size == np.inf
    assert (
        Space([{"a": [1, 2], "b": [3]}, {"a": [1, 2], "c": (1, 5)}, {"d": [0]}]).size == 2 + 10 + 1
    )
    conditional = {"k": ["x", "y"], "g": When("k", "x", (1, 3))}
    assert len(Space([conditional, conditional | {"h": [1, 2]}]).dimensions) == 4
    normal, wide = scipy.stats.norm, scipy.stats.norm(0, 2)
    assert len(Space([{"a": normal()}, {"a": normal(), "b": [1]}]).dimensions) == 3
    assert len(Space([{"a": normal()}, {"a": wide, "b": [1]}]).dimensions) == 4


def test_a_point_is_placed_in_the_sub_space_that_it_fits():
    space = Space(SVM)
    full = {"kernel": "rbf", "C": 1.0, "gamma": 0.1}
    for point, branch in [
        (full, 1),
        (full | {"kernel": "linear"}, 0),  # as an estimator's own, which has all names
        ({"kernel": "linear", "C": 1e9}, 0),
    ]:
        u = space.encode(point)
        assert not np.isnan(u).any()
        assert space.dimensions[""].index(u[:1])[0] == branch
    assert np.isnan(space.encode(full | {"gamma": "scale"})).any()
    assert np.isnan(space.encode({"kernel": "rbf"})).any()


def test_one_dict_in_a_list_is_that_dict():
    assert Space([SVM[0]]).dimensions == Space(SVM[0]).dimensions
    assert Space([(SVM[0], 3)]).budgets == [3]


def test_neighbours_lead_into_other_sub_spaces():
    space = Space(SVM)
    u = space.encode({"kernel": "linear", "C": 3.0})
    points = [space.decode(v) for v in space.neighbours(u)]
    assert len(points) == 1
    assert points[0]["C"] == pytest.approx(3.0)
    assert "gamma" in points[0]


def test_points_of_a_list_of_dimensions_are_lists():
    space = Space([(-5.0, 10.0), Integer(1, 4, name="n"), ["a", "b"]])
    assert space.names == ["x0", "n", "x2"]
    for u in space.sample(20, np.random.default_rng(0)):
        point = space.decode(u)
        assert [type(v) for v in point] == [float, int, str]
        np.testing.assert_allclose(space.check(tuple(point)), u)


def test_neighbours_of_wide_ranges_are_few_near_and_far():
    space = Space({"n": (1, 1000), "x": (0.0, 1.0), "c": [f"c{i}" for i in range(50)]})
    point = {"n": 500, "x": 0.3, "c": "c7"}
    neighbours = [space.decode(u) for u in space.neighbours(space.encode(point))]
    n = [p["n"] for p in neighbours if p["c"] == "c7"]
    assert {499, 501} <= set(n)
    assert max(n) - min(n) > 100
    assert len(n) <= 8
    assert len({p["c"] for p in neighbours}) == 9
    assert all(p["x"] == pytest.approx(0.3) for p in neighbours)


def test_small_spaces_are_sampled_without_repetition():
    space = Space({"a": (1, 3), "b": ["x", "y"]})
    points = {tuple(point.values()) for point in points_of(space, 100)}
    assert len(points) == len(points_of(space, 100)) == 6 == space.size


# --- refusals


@pytest.mark.parametrize(
    ("space", "point", "message"),
    [
        ({"a": (0.0, 1.0)}, {"a": 1.5}, "'a' is 1.5, but must be a number from 0.0 to 1.0"),
        ({"a": (1, 9, 4)}, {"a": 4}, "'a' is 4, but must be one of 1, 5, ..., 9"),
        ({"a": (1, 9)}, {"a": 1.5}, "must be an integer from 1 to 9"),
        ({"a": [1, 2]}, {"a": 3}, r"'a' is 3, but must be one of \[1, 2\]"),
        ({"a": scipy.stats.beta(2, 2)}, {"a": 1.1}, "'a' is 1.1, but must be a number"),
        ({"a": scipy.stats.poisson(2)}, {"a": 1.5}, "'a' is 1.5, but must be an integer"),
        ({"a": (0.0, 1.0)}, {"a": np.nan}, "'a' is nan"),
        ({"a": (0.0, 1.0), "b": [1]}, {"a": 0.5}, "'b' is lacking"),
        ({"alpha": [1]}, {"alpha": 1, "alhpa": 2}, r"'alhpa' is unknown; did you mean alpha\?"),
        ({"a": [1, 2], "b": When("a", 1, [3])}, {"a": 2, "b": 3}, "'b' has no place"),
        (SVM, {"kernel": "rbf", "C": 1.0, "gamma": 3.0}, "'gamma' is 3.0"),
        (SVM, {"kernel": "linear", "C": 1.0, "gamma": 0.1}, "'gamma' has no place"),
        ([(0, 1)], [2], "'x0' is 2"),
        ([(0, 1)], [1, 1], "must have 1 values"),
    ],
)
def test_points_outside_the_space_are_refused_by_name(space, point, message):
    with pytest.raises(ValueError, match=message):
        Space(space).check(point)


def test_a_distribution_holds_what_lies_in_its_tails():
    space = Space({"a": scipy.stats.norm(), "b": scipy.stats.poisson(2)})
    u = space.check({"a": 6.0, "b": 12})
    assert (u > 1).all()


@pytest.mark.parametrize(("space", "point"), [({"a": [1]}, [1]), ([[1]], {"x0": 1}), ([[1]], "1")])
def test_points_of_the_wrong_kind_are_refused(space, point):
    with pytest.raises(TypeError, match=r"a point must be a (dict|list)"):
        Space(space).encode(point)


@pytest.mark.parametrize(
    ("dimension", "message"),
    [
        ((3, 1), "low < high"),
        ((1.0, 1.0), "low < high"),
        ((0, 1.0, "log"), "low must be positive"),
        ((0, 10, "log"), "low must be positive"),
        ((0.0, np.inf), "finite numbers"),
        ((0.0, np.nan), "finite numbers"),
        ((0, 10**400), "finite numbers"),
        ((-1e308, 1e308), "too wide"),
        ((0, 2**60), "beyond 2\\*\\*53"),
        ((0.0, 1.0, 1e-20), "beyond 2\\*\\*53"),
        (("a", "b"), "write choices as a list"),
        ((True, 3), "write choices as a list"),
        ((1, 2, "normal"), "'uniform', 'log' or 'log-uniform'"),
        ((1, 9, 0), "step above 0"),
        ((1, 9, -2), "step above 0"),
        ((1, 9, True), "step above 0"),
        ((1, 2, 3), "no wider than its range"),
        ((1, 2, 3, 4), "step above 0"),
        ((1, 2, None), "step above 0"),
        ([], "non-empty list"),
        (range(3, 3), "non-empty list"),
        ([1.0, np.nan], "without NaN"),
        ([(1, np.nan)], "without NaN"),
        ([np.array([np.nan])], "without NaN"),
        (scipy.stats.gamma, "freeze it"),
        (scipy.stats.norm([0, 1]), "no quantiles"),
        (scipy.stats.uniform(0, -1), "one finite quantile"),
        (scipy.stats.zipf(1.05), "no quantiles"),
        (scipy.stats.geom(1e-16), "cut its tail"),
    ],
)
def test_nonsense_is_refused_by_name(dimension, message):
    with pytest.raises(ValueError, match=f"'alpha'.*{message}"):
        Space({"alpha": dimension})


class Draws:
    def rvs(self, random_state=None):
        return 1.0


@pytest.mark.parametrize(
    "dimension",
    ["adam", 0.5, None, (1,), (), {1, 2}, {"a": 1}, np.zeros((2, 2)), Draws(), iter([1])],
)
def test_other_kinds_are_refused_by_name(dimension):
    with pytest.raises(
        TypeError, match=r"'alpha' must be a tuple \(low, high\).*a list for choices"
    ):
        Space({"alpha": dimension})


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({}, "the search space is empty"),
        ([], "the search space is empty"),
        ([{"a": [1]}, {}], "the search space is empty"),
        ({"": [1]}, "must be words, but one is ''"),
        ({3: [1]}, "must be words, but one is 3"),
        ([({"a": [1]}, 0)], "an integer of at least 1, but is 0"),
        ([({"a": [1]}, "5")], "an integer of at least 1, but is '5'"),
        ([Integer(0, 1, name="a"), Integer(0, 2, name="a")], "different names"),
    ],
)
def test_spaces_without_sense_are_refused(space, message):
    with pytest.raises(ValueError, match=message):
        Space(space)


@pytest.mark.parametrize("space", ["auto", None, 3, [{"a": [1]}, (0, 1)], [({"a": [1]}, 1, 2)]])
def test_spaces_of_the_wrong_kind_are_refused(space):
    with pytest.raises(TypeError, match="must be a dict of dimensions, or a list"):
        Space(space)


# --- names of an estimator's parameters

PIPE = Pipeline([("reduce", PCA()), ("model", SVC())])
MODELS = [SVC(), RandomForestClassifier()]


@pytest.mark.parametrize(
    "space",
    [
        {"model__C": (1, 2)},
        {"model": [RandomForestClassifier()], "model__max_depth": (1, 9)},
        [
            {"model": [SVC()], "model__C": (1, 2)},
            {"model": [RandomForestClassifier()], "model__max_depth": (1, 9)},
        ],
        {"model": MODELS, "model__C": When("model", MODELS[0], (1, 2))},
        {"reduce": [PCA(), "passthrough"], "reduce__n_components": When("reduce", PCA(), (1, 2))},
    ],
)
def test_names_of_parameters_are_taken(space):
    space = Space(space)
    space.check_names(PIPE)
    for u in space.sample(20, np.random.default_rng(0)):
        copy.deepcopy(PIPE).set_params(**space.decode(u))


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"C": (1, 2)}, r"'C' in search_spaces is no parameter of Pipeline; did you mean model__C"),
        ([{"model__C": [1]}, {"model__c": [1]}], r"'model__c'.*; did you mean model__C\?"),
        ({"a": [1], "b": When("a", 1, [1])}, "'a' in search_spaces is no parameter of Pipeline"),
        (
            {"model": [RandomForestClassifier()], "model__max_dept": [1]},
            r"of what 'model' can be; did you mean model__max_depth\?",
        ),
        ({"model": [RandomForestClassifier()], "model__C": (1, 2)}, "of what 'model' can be"),
        ({"model": MODELS, "model__C": (1, 2)}, r"where 'model' is RandomForest.*When\('model', "),
        (
            {"model": MODELS, "model__C": When("model", MODELS[1], (1, 2))},
            "no parameter of what 'model' can be",
        ),
        (
            {"reduce": [PCA(), "passthrough"], "reduce__n_components": (1, 2)},
            "no parameter where 'reduce' is 'passthrough'",
        ),
    ],
)
def test_names_of_no_parameter_are_refused(space, message):
    with pytest.raises(ValueError, match=message):
        Space(space).check_names(PIPE)


def test_a_search_with_conditions_is_saved(tmp_path):
    spaces = {"kernel": ["rbf", "linear"], "gamma": When("kernel", "rbf", (1e-3, 1.0, "log"))}
    skdeep.save(BayesSearchCV(SVC(), spaces), tmp_path / "search.skdeep")
    assert skdeep.load(tmp_path / "search.skdeep").search_spaces == spaces


def test_models_of_a_pipeline_equal_copies_of_themselves():
    space = Space({"scale": [StandardScaler(), "passthrough"]})
    assert space.encode({"scale": StandardScaler()}) == 0.25
    assert np.isnan(space.encode({"scale": StandardScaler(with_mean=False)})).all()


# --- what is known


RARE = scipy.stats.rv_discrete(values=([0, 1, 2, 3], [1 - 3e-9, 1e-9, 1e-9, 1e-9]))


def test_a_point_of_two_sub_spaces_is_known_in_both():
    space = Space([{"n": (0, 2)}, {"n": (1, 4)}])
    known = Known(space)
    for n in range(5):
        assert not known.exhausted
        known.add(space.check({"n": n}))
    assert known.exhausted
    assert known.another(np.random.default_rng(0)) is None
    assert all(u in known for u in space.sample(100, np.random.default_rng(0)))


@pytest.mark.parametrize("dimension", [RARE, scipy.stats.beta(0.05, 0.05), (1e12, 1e12 + 1e-3)])
def test_a_point_is_one_whatever_digits_it_has_lost(dimension):
    space, rng = Space({"x": dimension}), np.random.default_rng(0)
    for u in rng.random((200, 1)):
        told = space.check(space.decode(u))
        assert space.key(told) == space.key(u)


def test_rare_points_are_found_when_all_others_are_known():
    space, rng = Space({"k": RARE, "c": ["a", "b"]}), np.random.default_rng(0)
    known = Known(space)
    found = []
    while not known.exhausted:
        found.append(known.another(rng))
        known.add(found[-1])
    assert len({tuple(space.decode(u).values()) for u in found}) == 8


def test_multiples_of_a_step_are_one_point_however_they_are_reckoned():
    space = Space({"x": (0.0, 0.9, 0.3)})
    assert space.key(space.check({"x": 3 * 0.3})) == space.key(space.check({"x": 0.9}))


def test_rows_of_a_table_are_points_without_what_is_missing():
    space = Space({"k": ["a", "b"], "x": When("k", "b", (0.0, 1.0))})
    points = [{"k": "a"}, {"k": "b", "x": 0.25}]
    assert space.points_of(pd.DataFrame(points)) == points
    assert space.points_of(pd.Series(points[1])) == points[1]
    assert Space([(0, 9), ["a", "b"]]).points_of(pd.DataFrame([[3, "b"]])) == [[3, "b"]]
