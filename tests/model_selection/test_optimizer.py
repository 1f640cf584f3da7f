import numpy as np
import pytest

from skdeep.model_selection.optimizer import BayesianOptimizer
from skdeep.model_selection.spaces import Space

BRANIN = {"x": (-5.0, 10.0), "y": (0.0, 15.0)}


def branin(x, y):
    """Three minima of 0.397887."""
    bend = y - 5.1 / (4 * np.pi**2) * x**2 + 5 / np.pi * x - 6
    return bend**2 + 10 * (1 - 1 / (8 * np.pi)) * np.cos(x) + 10


def run(space, f, n, seed, n_initial=4):
    optimizer = BayesianOptimizer(Space(space), n_initial, seed)
    points, values = [], []
    for _ in range(n):
        points.append(optimizer.ask())
        values.append(f(**points[-1]))
        optimizer.tell(points[-1], values[-1])
    return points, np.array(values)


def test_branin_is_solved_where_random_search_is_far_off():
    rng = np.random.default_rng(0)
    random = [branin(rng.uniform(-5, 10, 30), rng.uniform(0, 15, 30)).min() for _ in range(50)]
    ours = [run(BRANIN, branin, 30, seed)[1].min() for seed in range(5)]
    assert np.median(ours) < 0.42
    assert np.median(random) > 0.8


def test_mixed_space_is_solved():
    space = {"x": (1e-4, 1e2, "log"), "n": (1, 30), "kind": ["a", "b", "c"]}

    def f(x, n, kind):
        return (np.log10(x) + 1) ** 2 + ((n - 21) / 10) ** 2 + (kind != "b")

    points, values = run(space, f, 30, seed=0)
    best = points[np.argmin(values)]
    assert values.min() < 0.05
    assert best["kind"] == "b"


def test_same_seed_asks_the_same_points_and_another_seed_others():
    first, _ = run(BRANIN, branin, 10, seed=3)
    assert run(BRANIN, branin, 10, seed=3)[0] == first
    assert run(BRANIN, branin, 10, seed=4)[0] != first


def test_failures_and_ties_do_no_harm():
    def f(x, y):
        return np.nan if x > 5 else float(x > 0)

    _, values = run(BRANIN, f, 15, seed=0)
    assert np.nanmin(values) == 0
    _, values = run(BRANIN, lambda x, y: np.nan, 8, seed=0)
    assert np.isnan(values).all()
    _, values = run(BRANIN, lambda x, y: np.nan if y > 3 else 1.0, 12, seed=0)
    assert (values[np.isfinite(values)] == 1).all()


def test_search_moves_away_from_failures():
    points, _ = run(BRANIN, lambda x, y: np.nan if x > 0 else y, 25, seed=0)
    assert sum(point["x"] > 0 for point in points[10:]) <= 4


def test_huge_values_do_not_hide_the_minimum():
    def f(x, y):
        return 1e12 if x > 6 else branin(x, y)

    assert min(run(BRANIN, f, 30, seed=seed)[1].min() for seed in range(2)) < 0.45


def visit_all(optimizer):
    points = []
    while not optimizer.exhausted:
        points.append(optimizer.ask())
        optimizer.tell(points[-1], float(points[-1]["a"]))
    return points


def test_finite_space_is_visited_once_each_and_then_exhausted():
    points = visit_all(BayesianOptimizer(Space({"a": (1, 3), "b": ["x", "y"]}), 4, seed=0))
    assert len(points) == len({tuple(point.values()) for point in points}) == 6


@pytest.mark.parametrize("told", [{"a": 4, "b": "x"}, {"a": 2, "b": "z"}, {"a": 2.5, "b": "x"}])
def test_told_points_outside_the_grid_do_not_count_as_visited(told):
    optimizer = BayesianOptimizer(Space({"a": (1, 3), "b": ["x", "y"]}), 2, seed=0)
    optimizer.tell(told, 0.5)
    points = visit_all(optimizer)
    assert len(points) == len({tuple(point.values()) for point in points}) == 6
