import re
import warnings

import numpy as np
import pandas as pd
import pytest
import skopt.space
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import Ridge

from skdeep.model_selection import BayesianOptimizer, BayesSearchCV, When, minimize

SQUARE = {"x": (0.0, 1.0), "y": (0.0, 1.0)}
VERSIONS = {"cheap": 0.3, "dear": 1.2}  # four cheap ones for a dear one


def bowl(point):
    return (point["x"] - 0.3) ** 2 + (point["y"] - 0.6) ** 2


def two_bowls(point, version):
    return bowl(point) if version == "dear" else bowl(point) + 0.1 * point["x"]


# --- what it finds and returns


def test_minimum_of_a_quadratic_in_a_list_space():
    result = minimize(
        lambda x: (x[0] - 2) ** 2 + (x[1] + 1) ** 2 - 3,
        [(-5.0, 5.0)] * 2,
        n_calls=25,
        random_state=0,
    )
    np.testing.assert_allclose(result.x, [2, -1], atol=0.05)
    assert result.fun == pytest.approx(-3, abs=2e-3)
    assert result.success
    assert result.message == "n_calls were made"


def test_result_tells_of_every_evaluation():
    asked = []

    def f(point):
        asked.append(point)
        return bowl(point)

    result = minimize(f, SQUARE, n_calls=7, random_state=0)
    assert result.x_iters == asked
    np.testing.assert_array_equal(result.func_vals, [bowl(point) for point in asked])
    assert result.nfev == 7
    assert result.fun == result.func_vals.min() == bowl(result.x)
    assert "fidelities" not in result


def test_it_is_ask_and_tell_in_one_call():
    settings = {"surrogate": "forest", "acquisition": "lcb", "n_initial": 3, "random_state": 4}
    optimizer = BayesianOptimizer(SQUARE, **settings)
    points = []
    for _ in range(6):
        points.append(optimizer.ask())
        optimizer.tell(points[-1], bowl(points[-1]))
    assert minimize(bowl, SQUARE, n_calls=6, **settings).x_iters == points


@pytest.mark.parametrize("fidelity", [None, VERSIONS])
def test_seed_decides_all(fidelity):
    f = bowl if fidelity is None else two_bowls
    first, second, other = (
        minimize(f, SQUARE, n_calls=7, fidelity=fidelity, random_state=seed) for seed in (1, 1, 2)
    )
    assert first.x_iters == second.x_iters
    assert first.x_iters != other.x_iters


def test_conditional_space():
    space = {"n": [1, 2], "width": When("n", 2, (0.0, 1.0))}
    result = minimize(
        lambda p: (p["width"] - 0.7) ** 2 if p["n"] == 2 else 1.0, space, n_calls=12, random_state=0
    )
    assert result.x["n"] == 2
    assert result.fun < 0.01


@pytest.mark.parametrize("number", [np.float32(2), np.array(2), np.array([[2.0]]), 2, True])
def test_any_single_number_is_a_value(number):
    assert minimize(lambda x: number, [(0, 9)], n_calls=1).fun == float(np.squeeze(number))


# --- where it begins and ends


@pytest.mark.parametrize(
    ("space", "x0", "first"),
    [
        (SQUARE, {"x": 0.1, "y": 1.0}, [{"x": 0.1, "y": 1.0}]),
        (SQUARE, [{"x": 0.1, "y": 1.0}, {"x": 0.0, "y": 0.5}], 2),
        ([(0, 9), ["a", "b"]], [3, "b"], [[3, "b"]]),
        ([(0, 9), ["a", "b"]], (3.0, "b"), [[3, "b"]]),
        ([(0.0, 9.0), ["a", "b"]], np.array([3, "b"], dtype=object), [[3, "b"]]),
        ([(0, 9), ["a", "b"]], [[3, "b"], [4, "a"]], 2),
        ([[(1, 2), (3, 4)], (0, 9)], [(3, 4), 5], [[(3, 4), 5]]),
    ],
)
def test_first_points_are_the_users(space, x0, first):
    result = minimize(lambda point: 1.0, space, x0=x0, n_calls=4, random_state=0)
    first = x0 if first == 2 else first
    assert result.x_iters[: len(first)] == first
    assert result.nfev == 4


def test_more_first_points_than_calls_are_refused():
    with pytest.raises(ValueError, match="x0 has 3 points, but n_calls is 2"):
        minimize(lambda x: x[0], [(0, 9)], x0=[[3], [4], [5]], n_calls=2)


def test_integers_that_a_table_made_floats_are_integers_again():
    space = {"kind": ["a", "b"], "n": When("kind", "a", (2, 5))}
    table = pd.DataFrame({"kind": ["a", "b"], "n": [3, np.nan]})
    result = minimize(
        lambda p: sum(range(p.get("n", 0))), space, x0=table, n_calls=2, random_state=0
    )
    assert result.x_iters == [{"kind": "a", "n": 3}, {"kind": "b"}]
    assert result.func_vals.tolist() == [3, 0]


def test_columns_of_a_table_are_read_by_name():
    space = [skopt.space.Real(0, 1, name="a"), skopt.space.Real(0, 1, name="b")]
    table = pd.DataFrame({"b": [0.9, 0.8], "a": [0.1, 0.2]})
    result = minimize(sum, space, x0=table, n_calls=2)
    assert result.x_iters == [[0.1, 0.9], [0.2, 0.8]]
    with pytest.raises(ValueError, match=r"must have values of \['a', 'b'\], but has"):
        minimize(sum, space, x0=table.rename(columns={"b": "c"}), n_calls=2)


def test_what_f_does_to_its_point_is_no_matter_of_the_search():
    choices = [{"a": 1}, {"a": 2}]

    def f(point):
        point["c"]["a"] = 99
        return 1.0

    result = minimize(f, {"c": choices}, n_calls=2, random_state=0)
    assert choices == [{"a": 1}, {"a": 2}]
    assert result.x["c"] in choices


@pytest.mark.parametrize("cheap", [{"a": 0.9}, {"a": 0.3, "b": 0.6}, {"a": 0.1}])
@pytest.mark.parametrize("n_calls", [1, 2, 5])
def test_the_last_version_is_evaluated_whatever_the_cheap_ones_cost(cheap, n_calls):
    versions = {**cheap, "last": 1.0}
    result = minimize(two_bowls, SQUARE, n_calls=n_calls, fidelity=versions, random_state=0)
    assert result.fidelities[-1] == "last"
    assert result.cost <= n_calls + 1e-9
    assert result.success


def test_callback_sees_the_result_so_far_and_ends_it():
    seen = []

    def callback(result):
        seen.append((result.nfev, result.fun))
        return result.nfev == 5

    result = minimize(bowl, SQUARE, n_calls=20, callback=callback, random_state=0)
    assert seen == [(n, result.func_vals[:n].min()) for n in range(1, 6)]
    assert result.message == "the callback ended it"


@pytest.mark.parametrize("fidelity", [None, VERSIONS])
def test_exhausted_space_ends_it(fidelity):
    space = [["a", "b", "c"], [1, 2]]
    result = minimize(
        lambda x, *version: ord(x[0]) - x[1], space, n_calls=30, fidelity=fidelity, random_state=0
    )
    last = [
        point
        for point, version in zip(result.x_iters, result.get("fidelities", ["dear"] * 6))
        if version == "dear"
    ]
    assert sorted(last) == [[a, i] for a in "abc" for i in (1, 2)]
    assert result.x == ["a", 2]
    assert result.message == "each point of the space was evaluated"


# --- failures


@pytest.mark.parametrize("failure", [np.nan, np.inf, ZeroDivisionError("no air")])
def test_failure_costs_its_point_only(failure):
    def f(point):
        if point["x"] < 0.5:
            if isinstance(failure, Exception):
                raise failure
            return failure
        return bowl(point)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = minimize(f, SQUARE, n_calls=20, random_state=0)
    failed = ~np.isfinite(result.func_vals)
    np.testing.assert_array_equal(failed, [point["x"] < 0.5 for point in result.x_iters])
    assert 0 < failed.sum() < 15
    assert result.fun < 0.05  # the bowl at x = 0.5, y = 0.6 is at 0.04
    if isinstance(failure, Exception):
        assert len(caught) == failed.sum()
        assert {warning.category for warning in caught} == {FitFailedWarning}
        assert re.match(r"f raised ZeroDivisionError at \{'x': .* no air", str(caught[0].message))
        assert caught[0].filename == __file__
    else:
        assert not caught


def test_nothing_but_failures_is_no_success():
    result = minimize(lambda x: np.nan, [(0.0, 1.0)], n_calls=6, random_state=0)
    assert (result.x, result.success, result.nfev) == (None, False, 6)
    assert np.isnan(result.fun)


def interrupted_at(n):
    calls = iter(range(1, 100))

    def f(x):
        if next(calls) == n:
            raise KeyboardInterrupt
        return x[0]

    return f


def test_ctrl_c_keeps_what_there_is():
    with pytest.warns(UserWarning, match="interrupted after 4 calls") as caught:
        result = minimize(interrupted_at(5), [(0.0, 1.0)], n_calls=9, random_state=0)
    assert caught[0].filename == __file__
    assert (result.nfev, result.message) == (4, "it was interrupted")
    assert result.fun == result.func_vals.min()


def test_ctrl_c_before_there_is_anything_is_raised():
    with pytest.raises(KeyboardInterrupt):
        minimize(interrupted_at(1), [(0.0, 1.0)], n_calls=9)


def test_ctrl_c_in_a_search_inside_is_for_the_outermost():
    class Interrupted(Ridge):
        n_fits = 0

        def fit(self, X, y):
            type(self).n_fits += 1
            if self.n_fits == 9:
                raise KeyboardInterrupt
            return super().fit(X, y)

    X = np.random.default_rng(0).normal(size=(20, 2))

    def f(x):
        space = {"alpha": (1e-2, x[0], "log")}
        search = BayesSearchCV(Interrupted(), space, n_iter=2, cv=2, random_state=0)
        return -search.fit(X, X[:, 0]).best_score_

    with pytest.warns(UserWarning, match="minimize was interrupted after 1 calls"):
        assert minimize(f, [(1.0, 9.0)], n_calls=3).nfev == 1


# --- two versions


def test_versions_are_kept_apart_and_within_the_budget():
    calls = []

    def f(point, version):
        calls.append(version)
        return two_bowls(point, version) - (version == "cheap")

    result = minimize(f, SQUARE, n_calls=8, fidelity=VERSIONS, random_state=0)
    assert result.fidelities == calls
    assert result.version == "dear"
    n_cheap, n_dear = (calls.count(version) for version in VERSIONS)
    assert result.cost == pytest.approx(n_cheap / 4 + n_dear)
    assert 7 < result.cost <= 8
    values = result.func_vals[np.array(calls) == "dear"]
    assert result.fun == values.min() == bowl(result.x) > result.func_vals.min()


def test_first_points_are_of_the_last_version():
    x0 = {"x": 0.3, "y": 0.6}
    result = minimize(two_bowls, SQUARE, x0=x0, n_calls=3, fidelity=VERSIONS, random_state=0)
    assert (result.x_iters[0], result.fidelities[0]) == (x0, "dear")


# --- what it says


def test_progress_bar_counts_calls_and_shows_the_lowest_value(capsys):
    result = minimize(bowl, SQUARE, n_calls=4, random_state=0, verbose=1)
    shown = capsys.readouterr().err
    assert "4/4" in shown
    assert f"lowest={result.fun:.4g}" in shown


def test_progress_bar_counts_costs(capsys):
    minimize(two_bowls, SQUARE, n_calls=6, fidelity=VERSIONS, random_state=0, verbose=1)
    *_, last = capsys.readouterr().err.split("\r")
    assert re.search(r" [56](\.\d{1,2})?/6 ", last)


def test_silent_by_default(capsys):
    minimize(bowl, SQUARE, n_calls=2)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("error", "message", "given"),
    [
        (TypeError, "f must be a function of a point, but is 3", {"f": 3}),
        (TypeError, "f must return a number, but returned 'low' at", {"f": lambda p: "low"}),
        (TypeError, "f must return a number, but returned None at", {"f": lambda p: None}),
        (TypeError, r"f must return a number, but returned \[1, 2\]", {"f": lambda p: [1, 2]}),
        (ValueError, "n_calls must be an integer from 1, but is 0", {"n_calls": 0}),
        (ValueError, "n_calls must be an integer from 1, but is 2.5", {"n_calls": 2.5}),
        (ValueError, "n_calls must be an integer from 1, but is True", {"n_calls": True}),
        (TypeError, "callback must be a function of the result, but is 1", {"callback": 1}),
        (ValueError, "the search space is empty", {"space": {}}),
        (ValueError, "lies outside the space: 'x' is 7.0", {"x0": {"x": 7.0, "y": 0.0}}),
        (ValueError, "lies outside the space: 'y' is lacking", {"x0": [{"x": 0.0}]}),
        (TypeError, "a point must be a dict, .* but is 0.5", {"x0": 0.5}),
        (TypeError, r"a point must be a dict, .* but is \[0.5, 0.5\]", {"x0": [0.5, 0.5]}),
        (ValueError, "surrogate must be one of", {"surrogate": "tree"}),
        (ValueError, "acquisition must be one of", {"acquisition": "best"}),
        (ValueError, "n_initial must be an integer from 1", {"n_initial": 0}),
        (ValueError, "at least two versions .* but is {'a': 1}", {"fidelity": {"a": 1}}),
        (ValueError, "at least two versions .* but is 10", {"fidelity": 10}),
        (TypeError, "names that are words, but one is 1", {"fidelity": {1: 1, 2: 2}}),
        (ValueError, "cost of 'a' .* positive, but is 0", {"fidelity": {"a": 0, "b": 1}}),
        (ValueError, "cost of 'b' .* positive, but is 'x'", {"fidelity": {"a": 1, "b": "x"}}),
        (ValueError, "cost of 'b' .* positive, but is nan", {"fidelity": {"a": 1, "b": np.nan}}),
        (ValueError, "candidates beside sub-spaces", {"space": [(SQUARE, 3)]}),
        (
            ValueError,
            "candidates beside sub-spaces",
            {"space": [(SQUARE, 3)], "fidelity": VERSIONS},
        ),
        (ValueError, "for one version", {"fidelity": VERSIONS, "surrogate": "forest"}),
        (ValueError, "for one version", {"fidelity": VERSIONS, "acquisition": "ei"}),
        (ValueError, "for one version", {"fidelity": VERSIONS, "n_initial": 3}),
    ],
)
def test_bad_input_is_told(error, message, given):
    call = {"f": bowl, "space": SQUARE, "n_calls": 3} | given
    with pytest.raises(error, match=message):
        minimize(call.pop("f"), call.pop("space"), **call)


def test_nothing_is_evaluated_before_all_arguments_are_checked():
    def f(point):
        raise AssertionError

    with pytest.raises(ValueError, match="lies outside"):
        minimize(f, SQUARE, x0=[{"x": 0.0, "y": 0.0}, {"x": 2.0, "y": 0.0}])


def test_what_f_does_to_its_point_is_its_own_affair():
    def f(point):
        return point.pop("x") ** 2 + point["y"]

    x0 = {"x": 0.5, "y": 0.2}
    result = minimize(f, SQUARE, x0=x0, n_calls=4, random_state=0)
    assert x0 == {"x": 0.5, "y": 0.2} == result.x_iters[0]
    assert all(set(point) == {"x", "y"} for point in result.x_iters)


def test_first_points_may_come_from_a_generator_or_a_table():
    points = [{"x": 0.1, "y": 0.2}, {"x": 0.3, "y": 0.4}]
    for x0 in ((point for point in points), pd.DataFrame(points)):
        result = minimize(lambda p: p["x"], SQUARE, x0=x0, n_calls=3, random_state=0)
        assert result.x_iters[:2] == points


def test_a_value_that_is_no_number_costs_its_point_once_there_was_one():
    values = iter([3.0, None, "low", 2.0])
    with pytest.warns(FitFailedWarning, match="f must return a number, but"):
        result = minimize(lambda p: next(values), SQUARE, n_calls=4, random_state=0)
    np.testing.assert_array_equal(result.func_vals, [3, np.nan, np.nan, 2])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
def test_a_function_that_never_works_is_not_called_for_ever():
    calls = []

    def f(point):
        calls.append(point)
        raise KeyError("z")

    with pytest.raises(RuntimeError, match=r"f raised at each of the first 5 points.*KeyError"):
        minimize(f, SQUARE, n_calls=50, random_state=0)
    assert len(calls) == 5
    result = minimize(f, SQUARE, n_calls=2, random_state=0)
    assert result.message == "n_calls were made; none succeeded"


def test_versions_in_the_wrong_order_are_refused():
    with pytest.raises(ValueError, match="'tunnel' costs 20 and 'simulation' 1"):
        minimize(lambda p, v: 1.0, SQUARE, fidelity={"tunnel": 20, "simulation": 1})


def test_a_rest_that_pays_for_nothing_is_told():
    costs = {"cheap": 0.3, "dear": 1.0}
    result = minimize(lambda p, v: p["x"], SQUARE, n_calls=4, fidelity=costs, random_state=0)
    assert result.message == f"what is left, {4 - result.cost:.3g}, is too little"


def test_a_space_that_was_read_is_a_space():
    first = minimize(lambda p: p["x"], SQUARE, n_calls=6, random_state=0)
    again = minimize(lambda p: p["x"], first.space, n_calls=6, random_state=0)
    assert again.x_iters == first.x_iters
    theirs = skopt.space.Space([skopt.space.Real(0.0, 1.0), skopt.space.Integer(1, 2)])
    assert len(minimize(lambda p: p[0], theirs, n_calls=2, random_state=0).x) == 2


def test_choices_that_are_tuples_make_one_first_point():
    result = minimize(lambda p: 0.0, [[(1, 2), (3, 4)]], x0=[(1, 2)], n_calls=2, random_state=0)
    assert result.x_iters[0] == [(1, 2)]
