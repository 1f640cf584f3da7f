import pickle
import re
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import rv_discrete
from scipy.stats.qmc import discrepancy
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern, WhiteKernel
from sklearn.linear_model import LinearRegression

from skdeep.model_selection import When
from skdeep.model_selection.acquisition import ConfidenceBound, ProbabilityOfImprovement
from skdeep.model_selection.optimizer import BayesianOptimizer
from skdeep.model_selection.spaces import Space

BRANIN = {"x": (-5.0, 10.0), "y": (0.0, 15.0)}
SQUARE = {"x": (0.0, 1.0), "y": (0.0, 1.0)}


def branin(x, y):
    """Three minima of 0.397887."""
    bend = y - 5.1 / (4 * np.pi**2) * x**2 + 5 / np.pi * x - 6
    return bend**2 + 10 * (1 - 1 / (8 * np.pi)) * np.cos(x) + 10


def run(space, f, n, random_state=0, **settings):
    """The optimizer after n evaluations, its points and their values."""
    optimizer = BayesianOptimizer(space, random_state=random_state, **settings)
    points, values = [], []
    for _ in range(n):
        points.append(optimizer.ask())
        values.append(f(**points[-1]))
        optimizer.tell(points[-1], values[-1])
    return optimizer, points, np.array(values)


# --- finding minima


def test_branin_is_solved_where_random_search_is_far_off():
    random = [run(BRANIN, branin, 30, seed, surrogate="random")[2].min() for seed in range(30)]
    ours = [run(BRANIN, branin, 30, seed)[2].min() for seed in range(5)]
    assert np.median(ours) < 0.41
    assert np.median(random) > 0.8


def mixed(x, n, kind):
    return (np.log10(x) + 1) ** 2 + ((n - 21) / 10) ** 2 + (kind != "b")


MIXED = {"x": (1e-4, 1e2, "log"), "n": (1, 30), "kind": ["a", "b", "c"]}


@pytest.mark.parametrize(
    "acquisition", ["mes", "logei", "ei", "lcb", "thompson", ConfidenceBound(3.0)]
)
def test_mixed_space_is_solved_by_each_acquisition(acquisition):
    optimizer, _, values = run(MIXED, mixed, 30, acquisition=acquisition)
    assert values.min() < 0.3  # of 20 random searches the median is 0.46
    assert optimizer.best()["kind"] == "b"


reference = GaussianProcessRegressor(
    Matern(nu=2.5) + WhiteKernel(1e-4), normalize_y=True, n_restarts_optimizer=0
)


def test_probability_of_improvement_goes_down_a_bowl():
    values = run(SQUARE, lambda x, y: (x - 0.3) ** 2 + (y - 0.6) ** 2, 25, acquisition="pi")[2]
    assert values.min() < 1e-3


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("surrogate", "n"), [("forest", 35), (reference, 20)])
def test_other_surrogates_beat_random_points(surrogate, n):
    random = [run(MIXED, mixed, n, seed, surrogate="random")[2].min() for seed in range(20)]
    ours = [run(MIXED, mixed, n, seed, surrogate=surrogate)[2].min() for seed in range(2)]
    assert max(ours) < np.median(random)


def test_quasirandom_points_fill_the_square_more_evenly_than_random_ones():
    def unevenness(surrogate):
        optimizer = BayesianOptimizer(SQUARE, surrogate=surrogate, random_state=0)
        return discrepancy([list(point.values()) for point in optimizer.ask(256)])

    assert unevenness("quasirandom") < 0.1 * unevenness("random")


def test_conditional_space_is_solved():
    space = {
        "kind": ["line", "bowl"],
        "a": When("kind", "line", (0.0, 1.0)),
        "b": When("kind", "bowl", (0.0, 1.0)),
        "c": When("kind", "bowl", (0.0, 1.0)),
    }

    def f(kind, a=None, b=None, c=None):
        return 0.5 - 0.4 * a if kind == "line" else (b - 0.7) ** 2 + (c - 0.2) ** 2

    _, points, values = run(space, f, 30)
    assert values.min() < 1e-3
    assert {frozenset(point) for point in points} == {
        frozenset({"kind", "a"}), frozenset({"kind", "b", "c"})
    }  # fmt: skip


def test_points_of_a_list_of_dimensions_are_lists():
    optimizer = BayesianOptimizer([(0.0, 1.0), ["a", "b"]], random_state=0)
    for _ in range(15):
        x, kind = optimizer.ask()
        optimizer.tell([x, kind], (x - 0.4) ** 2 + (kind == "a"))
    assert optimizer.best() == [pytest.approx(0.4, abs=0.02), "b"]


# --- determinism


def test_same_seed_asks_the_same_points_and_another_seed_others():
    first = run(BRANIN, branin, 10, 3)[1]
    assert run(BRANIN, branin, 10, 3)[1] == first
    assert run(BRANIN, branin, 10, 4)[1] != first


def test_a_pickled_optimizer_goes_on_as_the_original():
    optimizer, _, _ = run(BRANIN, branin, 10)
    loaded = pickle.loads(pickle.dumps(optimizer))
    assert loaded.ask(3) == optimizer.ask(3)


# --- failures


def test_failures_and_ties_do_no_harm():
    def f(x, y):
        return np.nan if x > 5 else float(x > 0)

    assert np.nanmin(run(BRANIN, f, 15)[2]) == 0
    assert np.isnan(run(BRANIN, lambda x, y: np.nan, 8)[2]).all()
    values = run(BRANIN, lambda x, y: np.nan if y > 3 else 1.0, 12)[2]
    assert (values[np.isfinite(values)] == 1).all()


def test_search_moves_away_from_failures():
    points = run(BRANIN, lambda x, y: np.nan if x > 0 else y, 25)[1]
    assert sum(point["x"] > 0 for point in points[10:]) <= 4


def test_huge_values_do_not_hide_the_minimum():
    def f(x, y):
        return 1e12 if x > 6 else branin(x, y)

    assert min(run(BRANIN, f, 30, seed)[2].min() for seed in range(2)) < 0.45


# --- several at once


def test_points_asked_together_are_told_together_and_solve_branin():
    optimizer = BayesianOptimizer(BRANIN, random_state=0)
    values = []
    for _ in range(10):
        points = optimizer.ask(4)
        values += [branin(**point) for point in points]
        optimizer.tell(points, values[-4:])
    assert min(values) < 0.41


def test_pending_points_count_as_what_the_model_expects():
    optimizer, _, _ = run(BRANIN, branin, 8)
    objective = optimizer._objective()
    first, second = optimizer.ask(2)
    u, v = optimizer.space.encode(first)[None], optimizer.space.encode(second)[None]
    pending = optimizer._objective()
    for known in (objective.extended(u), pending):
        assert known(u)[0] < objective(u)[0] - 3  # little is left to gain there
    assert objective.extended(u)(v)[0] > objective.extended(u)(u)[0] + 3
    assert pending.best <= objective.best


@pytest.mark.parametrize("acquisition", ["mes", "logei"])
def test_points_of_a_batch_are_spread(acquisition):
    optimizer, _, _ = run(BRANIN, branin, 8, acquisition=acquisition)
    U = [optimizer.space.encode(point) for point in optimizer.ask(4)]
    assert pdist(U).min() > 0.03


def test_more_initial_points_than_planned_are_still_spread():
    points = BayesianOptimizer(SQUARE, random_state=0).ask(64)
    assert pdist([list(point.values()) for point in points]).min() > 0.02


# --- finite spaces


def visit_all(optimizer):
    points = []
    while not optimizer.exhausted:
        points.append(optimizer.ask())
        optimizer.tell(points[-1], float(points[-1]["a"]))
    return points


@pytest.mark.parametrize("surrogate", ["gp", "random", "quasirandom"])
def test_finite_space_is_visited_once_each_and_then_exhausted(surrogate):
    optimizer = BayesianOptimizer({"a": (1, 3), "b": ["x", "y"]}, surrogate=surrogate)
    points = visit_all(optimizer)
    assert len(points) == len({tuple(point.values()) for point in points}) == 6
    assert optimizer.ask(2) == []
    with pytest.raises(RuntimeError, match="the space is exhausted"):
        optimizer.ask()


def test_points_asked_together_are_as_many_as_the_space_has():
    points = BayesianOptimizer({"a": (1, 3), "b": ["x", "y"]}, random_state=0).ask(9)
    assert len(points) == len({tuple(point.values()) for point in points}) == 6


def test_a_point_of_two_sub_spaces_is_one_point():
    optimizer = BayesianOptimizer([{"a": ["p", "q"]}, {"a": ["p", "q", "r"]}], random_state=0)
    points = []
    while not optimizer.exhausted:
        points.append(optimizer.ask()["a"])
        optimizer.tell({"a": points[-1]}, float(ord(points[-1])))
    assert sorted(points) == ["p", "q", "r"]


def test_numbers_of_candidates_beside_sub_spaces_are_refused():
    with pytest.raises(ValueError, match="numbers of candidates beside sub-spaces"):
        BayesianOptimizer([({"a": (0.0, 1.0)}, 3), {"b": (0.0, 1.0)}])


@pytest.mark.parametrize("low", [0.0, 1000.0])
def test_points_told_with_six_digits_are_not_pending(low):
    optimizer = BayesianOptimizer({"x": (low, low + 1e3)}, random_state=0)
    for point in optimizer.ask(50):
        optimizer.tell({"x": float(f"{point['x']:.7g}")}, 0.0)
    assert not optimizer._pending


def test_to_look_on_the_way_changes_no_point():
    def ask(look):
        optimizer = BayesianOptimizer(BRANIN, random_state=0)
        for _ in range(12):
            point = optimizer.ask()
            optimizer.tell(point, branin(**point))
            if look:
                optimizer.best()
                optimizer.regret_bound()
        return optimizer.ask()

    assert ask(True) == ask(False)


def test_a_point_that_is_taken_back_may_be_asked_for_again():
    optimizer = BayesianOptimizer({"a": [1, 2, 3]}, random_state=0)
    points = optimizer.ask(5)
    assert len(points) == 3
    assert optimizer.exhausted
    optimizer.forget(points[1])
    assert not optimizer.exhausted
    assert optimizer.ask() == points[1]
    optimizer.forget(points[:2])
    optimizer.tell(points[2], 1.0)
    assert sorted(p["a"] for p in optimizer.ask(3)) == sorted(p["a"] for p in points[:2])
    for gone in (points[2], {"a": 9}):
        with pytest.raises(ValueError, match=r"is not under way|lies outside"):
            optimizer.forget(gone)


def test_a_range_of_a_few_floats_is_exhausted_as_well():
    optimizer = BayesianOptimizer({"x": (1.0, 1.0 + 1e-15)}, random_state=0)
    points = optimizer.ask(30)
    assert 1 <= len(points) < 30
    assert optimizer.exhausted


# --- noise, costs, constraints


def test_best_point_is_where_the_mean_is_low_not_where_the_noise_was():
    rng = np.random.default_rng(0)
    optimizer = BayesianOptimizer({"x": (0.0, 1.0)}, random_state=0)
    x = np.repeat(np.linspace(0, 1, 11), 3)
    values = (x - 0.5) ** 2 + 0.05 * rng.standard_normal(33)
    values[0] = values.min() - 0.01  # luck, at a bad place
    optimizer.tell([{"x": float(x)} for x in x], values, noise=0.0025)
    assert np.argmin(values) == 0
    assert optimizer.best()["x"] == pytest.approx(0.5, abs=0.11)


def test_expected_minimum_may_lie_between_the_points_told():
    told = np.linspace(0, 1, 11)  # of a parabola whose minimum lies between two of them
    optimizer = BayesianOptimizer({"x": (0.0, 1.0)}, random_state=0)
    optimizer.tell([{"x": x} for x in told], (told - 0.35) ** 2 + 3)
    point, value = optimizer.expected_minimum()
    assert abs(point["x"] - 0.35) < 0.02
    assert value == pytest.approx(3.0, abs=2e-3)


def test_expected_minimum_needs_a_surrogate():
    for settings in ({"surrogate": "random"}, {"n_initial": 9}):
        optimizer = BayesianOptimizer({"x": (0.0, 1.0)}, **settings)
        optimizer.tell([{"x": 0.1}, {"x": 0.7}, {"x": 0.9}], [1.0, 2.0, 3.0])
        with pytest.raises(ValueError, match="see `best`"):
            optimizer.expected_minimum()


def test_known_noise_is_believed():
    def surprise(noise):
        optimizer = BayesianOptimizer({"x": (0.0, 1.0)}, random_state=0)
        x = np.linspace(0, 1, 11)
        optimizer.tell([{"x": v} for v in x], np.where(x == 0.5, -1.0, x), noise=noise)
        return optimizer.best()["x"]

    assert surprise(None) == 0.5
    assert surprise(np.where(np.arange(11) == 5, 1e4, 0.0)) == 0


def test_improvement_per_cost_stays_where_it_is_cheap():
    def mean_cost(per_cost):
        optimizer = BayesianOptimizer(SQUARE, per_cost=per_cost, random_state=0)
        costs = []
        for _ in range(20):
            point = optimizer.ask()
            costs.append(np.exp(5 * point["x"]))
            value = np.cos(9 * point["y"]) + point["x"] * 1e-3
            optimizer.tell(point, value, costs=costs[-1] if per_cost else None)
        return np.mean(costs[4:])

    assert mean_cost(True) < 0.5 * mean_cost(False)


@pytest.mark.parametrize("growth", [0.02, 8.0])
def test_log_cost_is_taken_off_in_its_own_unit(growth):
    def value_of(per_cost):
        optimizer = BayesianOptimizer({"x": (0.0, 1.0)}, per_cost=per_cost, random_state=0)
        x = np.linspace(0, 1, 15)
        costs = np.exp(growth * x) if per_cost else None
        optimizer.tell([{"x": v} for v in x], np.sin(6 * x), costs=costs)
        return optimizer._objective()(np.array([[0.0], [1.0]]))[0]

    difference = value_of(False) - value_of(True)
    assert difference[1] - difference[0] == pytest.approx(growth, rel=0.02)


@pytest.mark.parametrize("acquisition", ["mes", "logei", "ei", "thompson"])
def test_constrained_minimum_is_found(acquisition):
    optimizer = BayesianOptimizer(SQUARE, acquisition=acquisition, random_state=0)
    for _ in range(30):
        point = optimizer.ask()
        x, y = point["x"], point["y"]
        optimizer.tell(point, x + y, constraints=[0.25 - x * y, x - 0.9])
    best = optimizer.best()
    assert best["x"] * best["y"] >= 0.25
    assert best["x"] + best["y"] == pytest.approx(1.0, abs=0.02)  # at x = y = 1/2


def test_failures_need_no_constraints():
    optimizer = BayesianOptimizer(SQUARE, random_state=0)
    for _ in range(25):
        point = optimizer.ask()
        x, y = point["x"], point["y"]
        failed = x > 0.8
        optimizer.tell(
            point, np.nan if failed else x + y, constraints=[np.nan if failed else 0.25 - x * y]
        )
    assert sum(optimizer.best().values()) == pytest.approx(1.0, abs=0.03)


def test_without_a_feasible_point_feasibility_is_sought():
    optimizer = BayesianOptimizer(SQUARE, random_state=0)
    feasible = []
    for _ in range(20):
        point = optimizer.ask()
        excess = (point["x"] - 0.93) ** 2 + (point["y"] - 0.07) ** 2 - 0.06**2
        optimizer.tell(point, 0.0, constraints=[excess])
        feasible.append(excess <= 0)
    assert any(feasible)
    assert not any(feasible[:4])


def test_regret_bound_is_above_the_regret_and_falls():
    optimizer, bounds = BayesianOptimizer(BRANIN, random_state=0), []
    best = np.inf
    for n in range(40):
        point = optimizer.ask()
        best = min(best, branin(**point))
        optimizer.tell(point, branin(**point))
        if n >= 15:
            bounds.append((optimizer.regret_bound(), best - 0.397887))
    bound, regret = np.array(bounds).T
    assert (bound >= regret - 1e-6).mean() > 0.9
    assert bound[-1] < 0.05 * bound[0]
    assert BayesianOptimizer(BRANIN).regret_bound() == np.inf


# --- bad input


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"surrogate": "tree"}, "surrogate must be one of 'gp', 'forest'.* but is 'tree'"),
        ({"surrogate": 3}, "surrogate must be .* but is 3"),
        ({"surrogate": LinearRegression()}, "LinearRegression's predict has no return_std"),
        ({"acquisition": "EI"}, "acquisition must be one of 'mes', 'logei'.* but is 'EI'"),
        (
            {"per_cost": True, "acquisition": "lcb"},
            "acquisition must be one of 'mes', 'logei', 'ei', 'pi'",
        ),
        ({"acquisition": "mes", "surrogate": "forest"}, "surrogate must be 'gp', but .* 'forest'"),
        ({"n_initial": 0}, "n_initial must be an integer from 1, but is 0"),
    ],
)
def test_settings_that_do_not_exist_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        BayesianOptimizer(BRANIN, **settings)


INSIDE = {"x": 0.5, "y": 0.5}


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"points": {"x": 0.5, "y": 2.0}, "values": 1.0}, "outside the space: 'y' is 2.0"),
        ({"points": {"x": 0.5}, "values": 1.0}, "'y' is lacking"),
        ({"points": INSIDE, "values": "low"}, "values must be numbers, but is 'low'"),
        ({"points": [INSIDE] * 2, "values": [1.0]}, "one number for each of 2 points"),
        ({"points": INSIDE, "values": [1.0]}, "one point has one value, not a list of them"),
        ({"points": INSIDE, "values": 1.0, "noise": -1.0}, "noise must be finite and not negative"),
        ({"points": INSIDE, "values": 1.0, "costs": 0.0}, "costs must be finite and positive"),
        ({"points": INSIDE, "values": 1.0, "constraints": [np.nan]}, "constraints must be finite"),
        ({"points": INSIDE, "values": 1.0, "constraints": 1.0}, "one sequence of numbers"),
    ],
)
def test_what_cannot_be_told_is_refused_and_nothing_is_learnt(told, message):
    optimizer = BayesianOptimizer(SQUARE, per_cost="costs" in told, random_state=0)
    with pytest.raises((ValueError, TypeError), match=message):
        optimizer.tell(**told)
    with pytest.raises(ValueError, match="no finite value at a feasible point"):
        optimizer.best()


def test_noise_is_for_the_gaussian_process():
    optimizer = BayesianOptimizer(SQUARE, surrogate="forest", random_state=0)
    with pytest.raises(
        ValueError, match=r"for the Gaussian process.*but the surrogate is 'forest'"
    ):
        optimizer.tell(INSIDE, 1.0, noise=0.1)


def test_a_table_is_told_row_by_row():
    asked = []
    for as_table in (False, True):
        optimizer = BayesianOptimizer(SQUARE, random_state=0)
        points = optimizer.ask(8)
        values = [p["x"] ** 2 + p["y"] for p in points]
        optimizer.tell(pd.DataFrame(points) if as_table else points, values)
        asked.append(optimizer.ask())
    assert asked[0] == asked[1]


@pytest.mark.parametrize(
    "acquisition", [lambda m, s, b: m - s, lambda m, s, b: (m, s), lambda m, s, b: (m, s, 0.0)]
)
def test_acquisition_that_returns_no_derivatives_is_refused(acquisition):
    optimizer, _, _ = run(SQUARE, lambda x, y: x + y, 4, acquisition=acquisition)
    with pytest.raises(ValueError, match=r"three arrays of shape .* but returned"):
        optimizer.ask()


def test_constraints_need_an_acquisition_that_is_a_logarithm():
    optimizer = BayesianOptimizer(SQUARE, acquisition="lcb", random_state=0)
    with pytest.raises(ValueError, match="constraints need an acquisition among 'mes', 'logei'"):
        optimizer.tell(INSIDE, 1.0, constraints=[0.0])


def test_constraints_are_told_of_every_point():
    optimizer = BayesianOptimizer(SQUARE, random_state=0)
    optimizer.tell(INSIDE, 1.0, constraints=[0.0, 1.0])
    with pytest.raises(ValueError, match="one sequence of numbers for each point, at every tell"):
        optimizer.tell(INSIDE, 1.0)
    with pytest.raises(ValueError, match=re.escape("must be 2 numbers for each point")):
        optimizer.tell(INSIDE, 1.0, constraints=[0.0])


def test_a_point_told_twice_is_two_measurements():
    optimizer, points, _ = run(SQUARE, lambda x, y: x + y, 8)
    optimizer.tell(points[0], 17.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert optimizer.ask() not in points


@pytest.mark.parametrize(
    ("points", "values", "message"),
    [
        ([], [], "no point was told"),
        ([INSIDE] * 4, 1.0, "4 points need as many values"),
        (INSIDE, None, "values must be numbers, but is None"),
        (INSIDE, "3", "values must be numbers, but is '3'"),
    ],
)
def test_values_that_are_none_are_refused(points, values, message):
    with pytest.raises((ValueError, TypeError), match=message):
        BayesianOptimizer(SQUARE).tell(points, values)


def test_costs_without_a_use_are_refused():
    with pytest.raises(ValueError, match="costs are for an optimizer with per_cost=True"):
        BayesianOptimizer(SQUARE).tell(INSIDE, 1.0, costs=1.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"acquisition": ConfidenceBound}, "acquisition must be one of"),
        ({"surrogate": GaussianProcessRegressor}, "surrogate must be one of"),
        ({"n_initial": True}, "n_initial must be an integer"),
    ],
)
def test_classes_and_truths_are_no_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        BayesianOptimizer(SQUARE, **settings)


@pytest.mark.parametrize("wrong", [-1.0, np.nan, "2", np.inf])
def test_numbers_of_acquisitions_are_checked(wrong):
    with pytest.raises(ValueError, match="kappa must be a number of at least 0"):
        ConfidenceBound(wrong)
    with pytest.raises(ValueError, match="margin must be a number of at least 0"):
        ProbabilityOfImprovement(wrong)


def test_confidence_is_a_probability():
    with pytest.raises(ValueError, match="confidence must lie between 0 and 1"):
        BayesianOptimizer(SQUARE).regret_bound(1.5)


# --- corners


@pytest.mark.parametrize("surrogate", ["gp", "random", "quasirandom"])
def test_levels_that_are_never_drawn_are_visited(surrogate):
    rare = rv_discrete(values=(range(1200), [1 - 1199e-9] + [1e-9] * 1199))
    optimizer = BayesianOptimizer({"k": rare}, surrogate=surrogate, random_state=0)
    for _ in range(4):
        point = optimizer.ask()
        optimizer.tell(point, float(point["k"]))
    assert not optimizer.exhausted


def test_long_lists_of_sub_spaces_are_not_counted_through(monkeypatch):
    optimizer = BayesianOptimizer([{"x": (0, 29_999)}, {"x": (10, 30_000)}], random_state=0)
    asked = []
    original = Space.key
    monkeypatch.setattr(Space, "key", lambda self, u: asked.append(u) or original(self, u))
    assert not optimizer.exhausted
    optimizer.ask()
    assert len(asked) < 20


def test_looks_between_the_values_of_a_batch_change_no_point():
    def asked(look):
        optimizer, points = BayesianOptimizer(BRANIN, random_state=0), []
        for _ in range(6):
            batch = optimizer.ask(4)
            points += batch
            for point in batch:
                optimizer.tell(point, branin(**point))
                if look:
                    optimizer.best()
                    optimizer.regret_bound()
        return points

    assert asked(True) == asked(False)


def test_a_failure_is_no_feasible_incumbent():
    optimizer = BayesianOptimizer({"x": (0.0, 1.0)}, n_initial=1, random_state=0)
    for x, value, constraint in [(0.1, 1.0, 1.0), (0.5, 0.2, 1.0), (0.9, np.nan, -1.0)]:
        optimizer.tell({"x": x}, value, constraints=[constraint])
    assert optimizer._objective().acquisition is None


def test_values_at_the_ends_of_the_floats_are_ranked():
    optimizer = BayesianOptimizer({"x": (0.0, 1.0)}, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(8):
            point = optimizer.ask()
            optimizer.tell(point, 1e308 if point["x"] > 0.5 else -1e308)
        assert optimizer.best()["x"] <= 0.5
        assert np.isfinite(optimizer.regret_bound())


def test_neighbours_of_a_wide_range_are_two_points():
    optimizer = BayesianOptimizer({"x": (0, 10**7)}, n_initial=50, random_state=0)
    x = optimizer.ask()["x"]
    optimizer.tell({"x": x + 1}, 0.0)
    assert len(optimizer._pending) == 1


def test_a_row_of_a_table_is_a_point():
    optimizer = BayesianOptimizer(SQUARE, random_state=0)
    optimizer.tell(pd.Series(INSIDE), 1.0)
    assert optimizer.best() == INSIDE


def test_known_noise_is_no_reason_to_ask_for_one_point_again_and_again():
    rng = np.random.default_rng(0)
    optimizer = BayesianOptimizer({"x": (-5.0, 10.0), "y": (0.0, 15.0)}, random_state=0)
    points = []
    for _ in range(20):
        points.append(optimizer.ask())
        optimizer.tell(points[-1], branin(**points[-1]) + 2 * rng.standard_normal(), noise=4.0)
    places = np.array([[*point.values()] for point in points])
    near = np.abs(places[:, None] - places).max(axis=-1) < 0.1
    assert near.sum(axis=1).max() <= 8  # of 16 that a model proposed


def test_the_regret_bound_is_of_two_sided_confidence_intervals():
    """Over a finite space: the 0.975 quantile of a normal is 1.96."""
    space = {"x": [float(x) for x in range(9)]}
    optimizer = BayesianOptimizer(space, n_initial=3, random_state=0)
    told = [1.0, 3.0, 6.0]
    optimizer.tell([{"x": x} for x in told], [4.0, 2.5, 3.0])
    model, warp = optimizer._fit_objective()
    mean, variance, _ = model.mean_and_variance(np.linspace(0, 1, 9)[:, None])
    at = [space["x"].index(x) for x in told]
    upper = (mean + 1.959964 * np.sqrt(variance))[at].min()
    lower = (mean - 1.959964 * np.sqrt(variance)).min()
    expected = warp.inverse(np.array([upper])) - warp.inverse(np.array([lower]))
    assert optimizer.regret_bound() == pytest.approx(expected[0], rel=1e-5)


@pytest.mark.parametrize("size", [0.1, 1.0, 1e3])
def test_a_constraint_is_found_however_steep_it_is(size):
    optimizer = BayesianOptimizer({"x": (0.0, 1.0), "y": (0.0, 1.0)}, random_state=0)
    for _ in range(20):
        point = optimizer.ask()
        value = point["x"] + (point["y"] - 0.5) ** 2
        optimizer.tell(point, value, constraints=[size * (np.exp(60 * (0.3 - point["x"])) - 1)])
    best = optimizer.best()
    assert best["x"] + (best["y"] - 0.5) ** 2 == pytest.approx(0.3, abs=0.01)


def test_failed_and_infeasible_points_are_no_centres_while_there_are_others():
    optimizer = BayesianOptimizer({"x": (0.0, 1.0)}, random_state=0)
    x = np.linspace(0, 0.9, 10)
    values = np.where(x < 0.25, np.nan, x)
    optimizer.tell([{"x": float(v)} for v in x], values, constraints=[[0.45 - v] for v in x])
    np.testing.assert_allclose(optimizer._centres(x)[:, 0], x[5:])


@pytest.mark.parametrize(
    "acquisition", [lambda m, s, b: (m * np.nan, m, m), lambda m, s, b: "not arrays"]
)
def test_an_acquisition_that_makes_no_numbers_is_refused(acquisition):
    optimizer = BayesianOptimizer({"x": (0.0, 1.0)}, acquisition=acquisition, n_initial=2)
    optimizer.tell([{"x": 0.2}, {"x": 0.6}], [1.0, 2.0])
    with pytest.raises(ValueError, match="acquisition must return"):
        optimizer.ask()


def test_a_forest_must_split_by_a_variance():
    forest = ExtraTreesRegressor(criterion="absolute_error")
    with pytest.raises(ValueError, match="leaves tell a variance then, but its criterion is 'abs"):
        BayesianOptimizer({"x": (0.0, 1.0)}, surrogate=forest)
