import numpy as np
import pytest
import scipy.stats
from scipy.stats import chisquare

from skdeep.model_selection.annealing import Annealer
from skdeep.model_selection.spaces import Space


def cube(n_dimensions, low, high):
    return Space({f"x{j}": (low, high) for j in range(n_dimensions)})


def vector(point):
    return np.array(list(point.values()), dtype=float)


def walk(annealer, f, n):
    """Values of n evaluations, and where the walk was after each."""
    values, places = [], []
    for _ in range(n):
        point = annealer.ask()
        values.append(f(point))
        annealer.tell(point, values[-1])
        places.append(annealer.current)
    return values, places


# --- the walk


LEVELS = {"kind": list("abc"), "n": (1, 4), "width": (1, 3, "log")}
TEMPERATURE = 1.5


def landscape(point):
    """Bumps on 3 x 4 x 3 points."""
    n, width = point["n"], point["width"]
    return np.sin(2.1 * n) + {"a": 0.0, "b": 0.8, "c": -0.5}[point["kind"]] * width / 2


def shares_of_prior(name):
    """Share of the unit interval that each level of a dimension has, by its definition."""
    if name == "width":  # uniform in the logarithm, each integer owning half a unit on either side
        return np.diff(np.log(np.arange(0.5, 4))) / np.log(3.5 / 0.5)
    n = {"kind": 3, "n": 4}[name]
    return np.full(n, 1 / n)


@pytest.mark.parametrize("extra", [{}, {"x": (0.0, 1.0)}])
def test_at_a_fixed_temperature_points_are_visited_as_boltzmann_has_it(extra):
    """Of a finite space that is exhausted, and of one that cannot be, where x is of no account."""
    space = Space(LEVELS | extra)
    annealer = Annealer(
        space,
        n_evaluations=1,
        initial_temperature=TEMPERATURE,
        final_temperature=TEMPERATURE,
        random_state=0,
    )
    while not annealer.exhausted and not extra:
        point = annealer.ask()
        annealer.tell(point, landscape(point))
    _, places = walk(annealer, landscape, 12_000)
    counts = np.zeros((3, 4, 3))
    for place in places[::10]:  # far enough apart to be independent
        counts["abc".index(place["kind"]), place["n"] - 1, place["width"] - 1] += 1
    prior = np.einsum("i,j,k", *(shares_of_prior(name) for name in LEVELS))
    f = [
        landscape({"kind": kind, "n": n, "width": width})
        for kind in "abc"
        for n in range(1, 5)
        for width in range(1, 4)
    ]
    expected = prior * np.exp(-np.array(f).reshape(prior.shape) / TEMPERATURE)
    expected *= counts.sum() / expected.sum()
    assert expected.min() > 4
    assert chisquare(counts.ravel(), expected.ravel()).pvalue > 0.01


def test_at_a_fixed_temperature_reals_are_as_boltzmann_has_it_up_to_the_bounds():
    """f = x on [0, 1] at temperature 1/2 has the density 2 exp(-2 x) / (1 - exp(-2))."""
    annealer = Annealer(
        Space({"x": (0.0, 1.0)}),
        n_evaluations=1,
        initial_temperature=0.5,
        final_temperature=0.5,
        random_state=1,
    )
    _, places = walk(annealer, lambda point: point["x"], 10_000)
    counts, edges = np.histogram([place["x"] for place in places[::10]], np.linspace(0, 1, 21))
    expected = -np.diff(np.exp(-2 * edges)) / (1 - np.exp(-2)) * counts.sum()
    assert chisquare(counts, expected).pvalue > 0.01


def test_steps_are_short_in_numbers_and_to_any_other_category():
    space = Space({"kind": list("abcd"), "x": (0.0, 1.0)})
    annealer = Annealer(
        space, n_evaluations=99, initial_temperature=1.0, step_size=1e-3, random_state=0
    )
    annealer.tell({"kind": "a", "x": 0.5}, 0.0)
    _, places = walk(annealer, lambda point: 0.0, 40)
    assert {place["kind"] for place in places} == set("abcd")
    x = np.array([place["x"] for place in places])
    assert 0 < np.abs(x - 0.5).max() < 0.02


def test_steps_shorten_with_the_root_of_the_temperature():
    annealer = Annealer(
        cube(2, 0.0, 1.0),
        n_evaluations=1,
        initial_temperature=16.0,
        final_temperature=1.0,
        step_size=1e-3,
        random_state=0,
    )
    annealer.tell({"x0": 0.5, "x1": 0.5}, 0.0)
    assert annealer.temperature == 1
    steps = np.array([annealer._step() - 0.5 for _ in range(4000)])
    assert (steps != 0).any(axis=1).all()  # each moves something
    assert steps[steps != 0].std() == pytest.approx(1e-3 / 4, rel=0.05)


@pytest.mark.parametrize("final_temperature", [None, 1e-3])
def test_failures_at_first_leave_the_walk_as_it_is(final_temperature):
    annealer = Annealer(
        cube(1, 0.0, 1.0), n_evaluations=300, final_temperature=final_temperature, random_state=0
    )
    for _ in range(5):
        annealer.tell(annealer.ask(), np.nan)
    values, _ = walk(annealer, lambda point: float((vector(point)[0] - 0.2) ** 2), 300)
    assert 0 < annealer.temperature < 0.1
    assert np.mean(values[-50:]) < 0.01


def test_the_temperature_falls_geometrically():
    annealer = Annealer(
        cube(1, 0.0, 1.0), n_evaluations=4, initial_temperature=16.0, final_temperature=1.0
    )
    temperatures = [annealer.temperature]
    for _ in range(5):
        annealer.tell(annealer.ask(), 0.0)
        temperatures.append(annealer.temperature)
    np.testing.assert_allclose(temperatures, [16, 8, 4, 2, 1, 1])


def test_the_first_temperature_is_the_spread_of_the_first_values_and_scales_with_them():
    def first(scale):
        annealer = Annealer(cube(2, 0.0, 1.0), n_evaluations=100, random_state=0)
        values, _ = walk(annealer, lambda point: scale * vector(point).sum(), 4)
        return annealer.temperature, np.std(values)

    temperature, spread = first(1.0)
    assert temperature == pytest.approx(spread * 1000 ** (-4 / 100))
    assert first(1e6)[0] == pytest.approx(1e6 * temperature)


def test_the_walk_begins_at_the_best_of_the_random_points():
    annealer = Annealer(cube(3, 0.0, 1.0), n_evaluations=50, random_state=0)
    values, places = walk(annealer, lambda point: vector(point).sum(), 5)
    assert vector(places[-1]).sum() == min(values)


def test_equal_values_leave_the_temperature_open_and_the_walk_free():
    annealer = Annealer(cube(2, 0.0, 1.0), n_evaluations=20, random_state=0)
    _, places = walk(annealer, lambda point: 3.0, 10)
    assert annealer.temperature == 0
    assert len({tuple(vector(place)) for place in places}) > 5
    annealer.tell(annealer.ask(), 4.0)
    assert annealer.temperature > 0


# --- what is known


def test_a_finite_space_is_visited_point_by_point_until_it_is_exhausted():
    space = Space({"a": [1, 2, 3], "b": (1, 4), "c": ["x", "y"]})
    annealer = Annealer(space, n_evaluations=24, random_state=0)
    seen = []
    while not annealer.exhausted:
        seen.append(annealer.ask())
        annealer.tell(seen[-1], float(seen[-1]["a"] * seen[-1]["b"]))
    assert len(seen) == 24 == len({tuple(point.values()) for point in seen})
    assert annealer.current["a"] * annealer.current["b"] <= 2


def test_a_walk_that_is_shut_in_among_known_points_begins_elsewhere():
    """Steps of 1e-9 leave the level in none of the free steps."""
    annealer = Annealer(Space({"n": (1, 5)}), n_evaluations=5, step_size=1e-9, random_state=0)
    values, _ = walk(annealer, lambda point: -point["n"], 5)
    assert sorted(values) == [-5, -4, -3, -2, -1]


def test_a_point_of_two_sub_spaces_is_one_point():
    spaces = [{"a": [1, 2, 3]}, {"a": [2, 3, 4], "b": [0]}, {"a": [3, 2]}]
    annealer = Annealer(Space(spaces), n_evaluations=20, random_state=0)
    values = []
    while not annealer.exhausted and len(values) < 20:
        point = annealer.ask()
        values.append(tuple(point.values()))
        annealer.tell(point, float(point["a"]))
    assert set(values) == {(1,), (2,), (3,), (2, 0), (3, 0), (4, 0)}
    assert len(values) <= 7  # at the end it may look for one that is not there


def test_the_walk_goes_where_sub_spaces_overlap():
    annealer = Annealer(
        Space([{"x": (0.0, 1.0)}, {"x": (0.5, 3.0)}]), n_evaluations=100, random_state=0
    )
    _, places = walk(annealer, lambda point: abs(point["x"] - 0.75), 100)
    assert abs(places[-1]["x"] - 0.75) < 0.05


def test_failures_are_left_and_never_gone_to():
    def f(point):
        return np.nan if point["x"] > 0.5 else point["x"]

    annealer = Annealer(Space({"x": (0.0, 1.0)}), n_evaluations=50, random_state=0)
    annealer.tell({"x": 0.9}, np.nan)
    assert annealer.current == {"x": 0.9}
    _, places = walk(annealer, f, 50)
    there = np.array([place["x"] for place in places])
    assert (there[np.argmax(there <= 0.5) :] <= 0.5).all()
    assert there[-1] < 0.1


def test_a_point_that_was_not_asked_for_is_known_but_not_gone_to():
    annealer = Annealer(Space({"a": [1, 2, 3, 4]}), n_evaluations=9, initial_temperature=1.0)
    annealer.tell({"a": 1}, 0.0)
    annealer.tell({"a": 2}, -1.0)
    assert annealer.current == {"a": 1}
    assert annealer.ask()["a"] in (3, 4)


@pytest.mark.parametrize("point", [{"x": 2.0}, {"x": -0.1}, {"x": "far"}])
def test_points_outside_the_space_are_ignored(point):
    annealer = Annealer(Space({"x": (0.0, 1.0)}), n_evaluations=9)
    annealer.tell(point, -1.0)
    assert annealer.current is None
    assert 0 <= annealer.ask()["x"] <= 1


def test_a_seed_decides_the_walk_and_a_copy_of_what_was_asked_for_is_as_good():
    def values(seed, told=lambda point: point):
        annealer = Annealer(cube(2, 0.0, 1.0), n_evaluations=30, random_state=seed)
        found = []
        for _ in range(30):
            point = annealer.ask()
            found.append(vector(point).sum())
            annealer.tell(told(point), found[-1])
        return found

    assert values(0) == values(0, told=dict) != values(1)


# --- noise


def test_the_current_point_is_evaluated_again_and_has_the_mean_of_its_values():
    annealer = Annealer(
        Space({"x": (0.0, 1.0)}), n_evaluations=99, initial_temperature=1.0, reevaluate=3
    )
    start = {"x": 0.5}
    annealer.tell(start, -100.0)
    for value in (1.0, 2.0, 3.0):
        point = annealer.ask()
        assert point != start
        annealer.tell(point, value)
    assert annealer.ask() is start
    annealer.tell(start, 90.0)
    assert annealer.current is start
    annealer.tell(annealer.ask(), -5.1)  # the mean is -5
    assert annealer.current != start


def test_one_lucky_value_holds_the_walk_only_if_it_is_never_looked_at_again():
    """f = |x - 0.8| with a lucky -1 at the start, x = 0, and noise."""
    ends = {}
    for reevaluate in (0, 5):
        ends[reevaluate] = []
        for seed in range(10):
            rng = np.random.default_rng(seed)
            annealer = Annealer(
                Space({"x": (0.0, 1.0)}),
                n_evaluations=100,
                initial_temperature=0.1,
                final_temperature=0.1,
                reevaluate=reevaluate,
                random_state=seed,
            )
            annealer.tell({"x": 0.0}, -1.0)
            walk(annealer, lambda p, rng=rng: abs(p["x"] - 0.8) + 0.02 * rng.normal(), 100)
            ends[reevaluate].append(annealer.current["x"])
    assert np.median(ends[0]) == 0
    assert np.abs(np.median(ends[5]) - 0.8) < 0.2


# --- what it is for


def rastrigin(x):
    return 10 * len(x) + np.sum((x - 0.7) ** 2 - 10 * np.cos(2 * np.pi * (x - 0.7)))


def ackley(x):
    x = x - 1.3
    bowl = -20 * np.exp(-0.2 * np.sqrt(np.mean(x**2)))
    return 20 + np.e + bowl - np.exp(np.mean(np.cos(2 * np.pi * x)))


@pytest.mark.parametrize(
    ("f", "space", "factor"),
    [(rastrigin, cube(5, -5.12, 5.12), 0.6), (ackley, cube(5, -15.0, 30.0), 0.4)],
    ids=["rastrigin", "ackley"],
)
def test_it_beats_random_search_on_rugged_functions(f, space, factor):
    def anneal(seed):
        annealer = Annealer(space, n_evaluations=200, random_state=seed)
        return min(walk(annealer, lambda point: f(vector(point)), 200)[0])

    def search_at_random(seed):
        U = np.random.default_rng(seed).random((200, 5))
        return min(f(vector(space.decode(u))) for u in U)

    annealed = np.array([anneal(seed) for seed in range(20)])
    random = np.array([search_at_random(seed) for seed in range(20)])
    assert np.median(annealed) < factor * np.median(random)
    assert (annealed < random).mean() > 0.8


def test_a_temperature_that_would_rise_is_refused():
    with pytest.raises(ValueError, match="final_temperature must be at most initial_temperature"):
        Annealer(
            Space(
                {"x": (0.0, 1.0)},
            ),
            n_evaluations=9,
            initial_temperature=0.1,
            final_temperature=1.0,
        )


def test_levels_that_are_never_drawn_are_visited_in_the_end():
    rare = scipy.stats.rv_discrete(values=([0, 1, 2, 3], [1 - 3e-9, 1e-9, 1e-9, 1e-9]))
    annealer = Annealer(Space({"k": rare}), n_evaluations=4, random_state=0)
    for _ in range(4):
        point = annealer.ask()
        annealer.tell(point, float(point["k"]))
    assert annealer.exhausted


def test_a_high_final_temperature_heats_no_walk():
    annealer = Annealer(
        Space({"x": (0.0, 1.0)}), n_evaluations=20, final_temperature=1.0, random_state=0
    )
    temperatures = []
    for _ in range(20):
        point = annealer.ask()
        annealer.tell(point, 0.01 * point["x"])
        temperatures.append(annealer.temperature)
    assert 0 < temperatures[-1] == temperatures[5] < 0.01
