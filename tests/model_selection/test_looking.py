"""What is seen of a search, against closed forms, brute force and what was searched."""

import sqlite3
import sys
import warnings
from contextlib import closing
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import skopt
from scipy.optimize import OptimizeResult
from scipy.stats import norm, randint
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skdeep.gaussian_process.exact import condition
from skdeep.model_selection import (
    AnnealingSearchCV,
    BayesSearchCV,
    SearchDisplay,
    When,
    load_search,
    minimize,
)
from skdeep.model_selection.looking.content import expected_by_epochs, expected_by_folds
from skdeep.model_selection.looking.importance import shares
from skdeep.model_selection.looking.landscape import capped
from skdeep.model_selection.looking.scales import plain, shortened, text_of, ticks
from skdeep.model_selection.looking.sources import content_of
from skdeep.model_selection.looking.tried import space_of
from skdeep.model_selection.spaces import Space
from skdeep.model_selection.warps import CURVATURES

SPACE = {
    "C": (1e-3, 1e3, "log"),
    "kernel": ["rbf", "poly", "linear"],
    "degree": When("kernel", "poly", (2, 5)),
}


class Fussy(SVC):
    """Refuses large C."""

    def fit(self, X, y):
        if self.C > 100:
            raise ValueError("C is too large")
        return super().fit(X, y)


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


@pytest.fixture(scope="module")
def storage(tmp_path_factory):
    return tmp_path_factory.mktemp("journal") / "search.db"


@pytest.fixture(scope="module")
def search(iris, storage):
    """Of an SVC that fails in places."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of each fit that fails
        return BayesSearchCV(Fussy(), SPACE, n_iter=20, cv=3, random_state=0, storage=storage).fit(
            *iris
        )


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def tried(f, space, n=80):
    """f at points that fill a space evenly."""
    return SearchDisplay.from_search(
        minimize(f, space, n_calls=n, surrogate="quasirandom", random_state=0)
    )


def by_name(table):
    """Shares by the names of a parameter, or of the two of a pair."""
    return {
        frozenset(filter(None, (row.parameter, row.partner))): row.share
        for row in table.itertuples()
    }


# --- importance


def test_shares_are_those_of_ishigamis_function():
    # Ishigami, Homma 1990; a = 7, b = 0.1: closed forms in Saltelli et al., 2010.
    def f(U):
        x = np.pi * (2 * U - 1)
        return np.sin(x[:, 0]) + 7 * np.sin(x[:, 1]) ** 2 + 0.1 * x[:, 2] ** 4 * np.sin(x[:, 0])

    alone, total, pairs = shares(f, 3)
    np.testing.assert_allclose(alone, [0.3139, 0.4424, 0], atol=0.01)
    np.testing.assert_allclose(total, [0.5576, 0.4424, 0.2437], atol=0.01)
    expected = np.zeros((3, 3))
    expected[0, 2] = expected[2, 0] = 0.2437
    np.testing.assert_allclose(pairs, expected, atol=0.015)


def test_a_constant_has_no_shares():
    assert not np.any(np.concatenate([np.ravel(part) for part in shares(lambda U: U[:, 0] * 0, 2)]))


def test_an_additive_functions_parameters_have_their_shares_of_variance():
    display = tried(
        lambda p: (
            3 * p["line"]
            + np.log10(p["rate"])
            + {"a": 0, "b": 1, "c": 2}[p["kind"]]
            + 0.5 * p["count"]
            + p["drawn"]
        ),
        {
            "line": (0.0, 1.0),
            "rate": (1e-3, 1.0, "log"),
            "kind": ["c", "a", "b"],
            "count": (0, 3),
            "drawn": norm(5, 0.5),
            "idle": (0.0, 1.0),
        },
    )
    # Of uniform numbers over a width w the variance is w^2 / 12, of n integers (n^2 - 1) / 12.
    variances = {
        "line": 9 / 12,
        "rate": 9 / 12,
        "kind": 8 / 12,
        "count": 0.25 * 15 / 12,
        "drawn": 0.25,
        "idle": 0.0,
    }
    table = display.importance()
    found = by_name(table)
    whole = sum(variances.values())
    for name, variance in variances.items():
        assert found[frozenset([name])] == pytest.approx(variance / whole, abs=0.015)
    assert table.loc[table["partner"] != "", "share"].max() < 0.01
    alone = table[table["partner"] == ""]
    np.testing.assert_allclose(alone["share"], alone["total"], atol=0.01)
    assert table["share"].is_monotonic_decreasing


def test_a_planted_interaction_is_found():
    # Variances 4, 1 and 1: sqrt(12) (x - 1/2) has 1, and so has the product of two.
    def f(p):
        product = 12 * (p["c"] - 0.5) * (p["d"] - 0.5)
        return np.sqrt(12) * (2 * p["a"] + p["b"]) + product

    found = by_name(tried(f, dict.fromkeys("abcde", (0.0, 1.0))).importance())
    expected = {frozenset("a"): 4 / 6, frozenset("b"): 1 / 6, frozenset("cd"): 1 / 6}
    for names, share in found.items():
        assert share == pytest.approx(expected.get(names, 0.0), abs=0.015), names


@pytest.mark.parametrize("seed", range(3))
def test_noise_does_not_change_the_ranks_of_what_differs(seed):
    rng = np.random.default_rng(seed)
    weights = {"first": 4, "second": 2, "third": 1, "idle": 0}

    def f(p):
        return sum(weight * p[name] for name, weight in weights.items()) + 0.3 * rng.normal()

    display = tried(f, dict.fromkeys(weights, (0.0, 1.0)), 60)
    table = display.importance()
    alone = table[table["partner"] == ""].set_index("parameter")["share"]
    assert [*alone.index] == [*weights]
    # Shares of a plane by least squares, which knows that there are no pairs and no curves.
    plane = np.column_stack([display.content.U, np.ones(60)])
    slopes = np.linalg.lstsq(plane, display.content.scores)[0][:-1]
    expected = dict(zip(display.content.space.names, slopes**2 / (slopes**2).sum()))
    np.testing.assert_allclose(alone, [expected[name] for name in alone.index], atol=0.03)


def test_the_same_search_has_the_same_shares_to_the_bit(search):
    first, second = (SearchDisplay.from_search(search).importance() for _ in range(2))
    pd.testing.assert_frame_equal(first, second, check_exact=True)


def test_a_category_may_turn_an_effect_round():
    display = tried(
        lambda p: p["x"] * (1 if p["way"] == "up" else -1),
        {"x": (-1.0, 1.0), "way": ["up", "down"]},
    )
    found = by_name(display.importance())
    assert found[frozenset(["x", "way"])] == pytest.approx(1, abs=0.01)


def test_a_conditional_parameter_counts_where_it_is_there():
    # f = 4 x where the kind is b, else 0: V = 5/3, of kind 1, of x 1/3, of both 1/3.
    space = {"kind": ["a", "b"], "x": When("kind", "b", (0.0, 1.0))}
    found = by_name(tried(lambda p: 4 * p.get("x", 0.0), space, 40).importance())
    assert found[frozenset(["kind"])] == pytest.approx(0.6, abs=0.02)
    assert found[frozenset(["x"])] == pytest.approx(0.2, abs=0.02)
    assert found[frozenset(["kind", "x"])] == pytest.approx(0.2, abs=0.02)


def test_shares_do_not_ask_which_way_is_better():
    display = tried(lambda p: 2 * p["a"] + p["b"], {"a": (0.0, 1.0), "b": (0.0, 1.0)}, 30)
    content = display.content
    turned = SearchDisplay(replace(content, greater_is_better=True))
    assert by_name(turned.importance())[frozenset("a")] == pytest.approx(0.8, abs=0.01)


def test_the_trust_in_a_model_of_noise_is_low_and_of_a_function_high():
    rng = np.random.default_rng(0)
    space = {"a": (0.0, 1.0), "b": (0.0, 1.0)}
    assert tried(lambda p: rng.normal(), space, 40).landscape.explained < 0.2
    assert tried(lambda p: p["a"] + p["b"] ** 2, space, 40).landscape.explained > 0.99


# --- dependence and slices


def test_a_dependence_is_the_mean_over_all_else():
    display = tried(
        lambda p: p["a"] ** 2 + p["b"] * (p["kind"] == "x"),
        {"a": (0.0, 1.0), "b": (0.0, 1.0), "kind": ["x", "y"]},
    )
    landscape = display.landscape
    grid = landscape.grid(0)
    np.testing.assert_allclose(landscape.dependence([0], [grid]), grid**2 + 0.25, atol=0.02)
    u = landscape.grid(2)
    np.testing.assert_allclose(landscape.dependence([2], [u]), [1 / 3 + 0.5, 1 / 3], atol=0.02)
    found = landscape.dependence([1, 2], [grid, u])
    np.testing.assert_allclose(found[:, 0], 1 / 3 + grid, atol=0.03)
    np.testing.assert_allclose(found[:, 1], 1 / 3, atol=0.03)


def test_a_dependence_of_what_is_rarely_there_is_over_where_it_is():
    space = Space({"n": (1, 300), "x": When("n", 300, (0.0, 1.0)), "y": (0.0, 1.0)})
    rng = np.random.default_rng(0)
    points = [{"n": 300, "x": x, "y": y} for x, y in rng.random((24, 2)).tolist()]
    points += [{"n": n, "y": y} for n, y in zip(range(1, 300, 20), rng.random(15).tolist())]
    values = np.array([p["y"] + 3 * p.get("x", 0.0) for p in points])
    result = OptimizeResult(space=space, x_iters=points, func_vals=values)
    landscape = SearchDisplay.from_search(result).landscape
    j = [*space.dimensions].index("x")
    found = landscape.dependence([j], [np.array([0.1, 0.9])])
    np.testing.assert_allclose(found, [0.5 + 0.3, 0.5 + 2.7], atol=0.1)


def test_the_band_is_narrow_at_trials_and_wide_between():
    points = np.array([0.0, 0.1, 0.2, 0.9, 1.0])
    result = minimize(
        lambda p: np.sin(6 * p["x"]), {"x": (0.0, 1.0)}, n_calls=5, x0=[{"x": x} for x in points]
    )
    landscape = SearchDisplay.from_search(result).landscape
    median, low, high, gain = landscape.as_searched(points[:, None])
    np.testing.assert_allclose(median, np.sin(6 * points), atol=0.02)
    assert (high - low).max() < 0.1
    assert gain.max() < 0.01
    _, low, high, gain = landscape.as_searched(np.array([[0.55], [0.7]]))
    assert (high - low).min() > 0.3
    assert gain[1] > 0.1


def test_the_warp_of_a_landscape_is_the_one_that_predicts_trials_left_out(search):
    """Each trial in turn is left out, with the parameters of the kernel as they are."""
    landscape = SearchDisplay.from_search(search).landscape
    model, warp, values = landscape.model, landscape.warp, -search.cv_results_["mean_test_score"]
    values = capped(np.where(np.isnan(values), np.nanmax(values), values))
    columns = landscape.space.columns(landscape.U)
    errors = []
    for i, value in enumerate(values):
        others = np.arange(len(values)) != i
        left = condition(model.process, model.theta, columns[others], warp(values)[others])
        predicted = warp.inverse(left.mean(columns[i : i + 1]))
        # No further below the worst score than a quarter of all scores' range.
        errors.append(min(predicted, values.max() + np.ptp(values) / 4) - value)
    explained = 1 - np.mean(np.square(errors)) / values.var()
    assert landscape.explained == pytest.approx(explained, abs=1e-6)
    others = [landscape._fit(c, np.arange(20)) for c in CURVATURES]
    errors = [-landscape._minus_left_out_error(values, *other) for other in others]
    assert landscape.explained == pytest.approx(1 - min(errors) / values.var())


def test_a_score_out_of_all_proportion_is_bad_but_not_all_that_is_seen():
    space = {"x": (0.0, 1.0), "y": (0.0, 1.0)}

    def f(p):
        return 2 * p["x"] + p["y"] + (1e6 if p["x"] > 0.97 else 0)

    found = by_name(tried(f, space, 64).importance())
    assert found[frozenset("x")] == pytest.approx(0.8, abs=0.15)
    np.testing.assert_array_equal(capped(np.r_[0.0:1.0:101j])[-1], 1)
    np.testing.assert_allclose(capped(np.r_[np.zeros(5), np.ones(90), 9, 9, 2])[-3:], [3, 3, 2])
    np.testing.assert_array_equal(capped(np.r_[np.zeros(99), 5]), np.r_[np.zeros(99), 5])


def test_of_many_trials_the_best_and_some_others_make_the_model():
    display = tried(lambda p: p["a"] + 2 * p["b"], dict.fromkeys("ab", (0.0, 1.0)), 1000)
    landscape, content = display.landscape, display.content
    assert len(landscape.U) == 400
    rows = [np.flatnonzero((content.U == u).all(axis=1)).item() for u in landscape.U]
    assert len({*rows}) == 400
    assert {*np.argsort(content.scores)[:200]} < {*rows}
    ranks = np.argsort(np.argsort(content.scores))[rows]
    # Of the others each fourth of the ranks has its part: of 200 drawn 50, give or take.
    parts = np.histogram(ranks[ranks >= 200], bins=[200, 400, 600, 800, 1000])[0]
    assert (np.abs(parts - 50) < 4 * np.sqrt(200 * 0.25 * 0.75)).all()
    np.testing.assert_array_equal(SearchDisplay(content).landscape.U, landscape.U)
    u = np.linspace(0.1, 0.9, 9)
    found = landscape.median(np.column_stack([u, 1 - u]))
    np.testing.assert_allclose(found, 2 - u, atol=0.02)


def test_a_model_goes_no_further_below_the_worst_than_a_quarter_of_the_range():
    # An exponential warp that rises at the end, where there is no trial.
    points = np.linspace(0, 0.7, 15)
    result = minimize(
        lambda p: np.exp(12 * p["x"]),
        {"x": (0.0, 1.0)},
        n_calls=15,
        x0=[{"x": x} for x in points],
    )
    landscape = SearchDisplay.from_search(result).landscape
    values = capped(result.func_vals)
    highest = values.max() + 0.25 * np.ptp(values)
    found = landscape.median(np.linspace(0, 1, 50)[:, None])
    assert found.max() == pytest.approx(highest)


def test_failures_count_as_the_worst_score():
    display = tried(lambda p: np.nan if p["x"] > 0.7 else p["x"], {"x": (0.0, 1.0)}, 40)
    low, high = display.landscape.median(np.array([[0.1], [0.9]]))
    assert low == pytest.approx(0.1, abs=0.05)
    assert high == pytest.approx(0.7, abs=0.1)


# --- sources


def test_a_search_and_its_journal_show_the_same(search, storage):
    found = [content_of(each) for each in (search, storage, str(storage), load_search(storage))]
    first = found[0]
    assert first.points == list(search.cv_results_["params"])
    np.testing.assert_array_equal(first.scores, search.cv_results_["mean_test_score"])
    assert "failed" in first.states
    assert first.space.dimensions == Space(SPACE).dimensions
    for other in found[1:]:
        assert other.points == first.points
        np.testing.assert_allclose(other.scores, first.scores)
        np.testing.assert_allclose(other.folds, first.folds)
        assert other.states == first.states
        assert other.notes == first.notes
        assert other.best == first.best
    assert [*found[1].space.dimensions] == ["C", "kernel", "degree"]
    assert found[1].space.dimensions["C"].log


def test_a_journal_of_a_search_that_runs_shows_how_far_it_is(search, storage, tmp_path):
    copy = tmp_path / "running.db"
    copy.write_bytes(storage.read_bytes())
    with closing(sqlite3.connect(copy)) as connection:
        connection.execute("UPDATE fits SET record = NULL WHERE trial = 19 AND split > 0")
        connection.execute("DELETE FROM fits WHERE trial = 18")
        connection.commit()
    content = content_of(copy)
    whole = content_of(search)
    assert content.states[18:] == ["stopped", "stopped"]
    assert content.notes[18:] == ["0 of 3 folds", "1 of 3 folds"]
    assert np.isnan(content.scores[18:]).all()
    assert np.isnan(content.expected[18])
    np.testing.assert_array_equal(content.scores[:18], whole.scores[:18])
    SearchDisplay(content).plot("convergence")


def test_scikit_learns_searches_are_read_alike(iris):
    pipeline = make_pipeline(StandardScaler(), SVC())
    grid = GridSearchCV(
        pipeline, {"svc__C": [0.01, 1, 100], "svc__kernel": ["rbf", "linear"]}, cv=3
    ).fit(*iris)
    content = content_of(grid)
    assert len(content) == 6
    assert content.best == grid.best_index_
    assert content.space.dimensions["svc__C"].log
    np.testing.assert_allclose(content.U[:, 0], [0, 0, 0.5, 0.5, 1, 1])
    assert content.score_name == "accuracy"
    random = RandomizedSearchCV(
        SVC(), {"C": norm(5, 1), "degree": randint(1, 9)}, n_iter=8, cv=3, random_state=0
    ).fit(*iris)
    dimensions = content_of(random).space.dimensions
    assert not dimensions["C"].log
    assert isinstance(dimensions["degree"].low, int)


def test_failed_candidates_of_scikit_learns_have_failed(iris):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        grid = GridSearchCV(SVC(), {"C": [1, -1, 2]}, cv=5).fit(*iris)
    content = content_of(grid)
    assert content.states == ["scored", "failed", "scored"]
    assert content.notes == ["", "5 of 5 folds have no score", ""]


def test_a_trial_that_failed_in_some_folds_is_not_expected_to_have_a_score(iris, tmp_path):
    def fails_at_times(estimator, X, y):
        return np.nan if estimator.C > 5 and X[0, 0] > 6 else estimator.score(X, y)

    path = tmp_path / "search.db"
    search = BayesSearchCV(
        SVC(C=10.0), {"C": (0.1, 10.0, "log")}, n_iter=3, scoring=fails_at_times, storage=path,
        cv=[(np.r_[25:150], np.r_[:25]), (np.r_[0:75], np.r_[75:150])], random_state=0,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search.fit(*iris)
    for content in (content_of(search), content_of(path)):
        assert (content.states[0], content.notes[0]) == ("failed", "the score is nan")
        assert np.isfinite(content.folds[0]).sum() == 1
        assert np.isnan(content.expected[0])


def test_facts_are_words_for_a_reader(search, iris):
    facts = content_of(search).facts
    assert facts["Search"].startswith("BayesSearchCV(surrogate='gp', acquisition='logei'")
    assert facts["Estimator"] == "Fussy()"
    assert facts["Cross-validation"].startswith("StratifiedKFold(n_splits=3")
    assert (facts["Scoring"], facts["Budget"]) == ("the estimator's own", "n_iter=20")
    assert facts["Ended by"] == "n_iter"
    rows = np.arange(150)
    splits = [(rows[::2], rows[1::2])]
    given = GridSearchCV(SVC(), {"C": [1, 2]}, cv=splits, scoring="f1_macro").fit(*iris)
    facts = content_of(given).facts
    assert facts["Cross-validation"] == "as given, 1 in number"
    assert (facts["Scoring"], facts["Budget"]) == ("f1_macro", "2 candidates")


def test_a_result_of_scikit_optimize_is_read_alike():
    space = [
        skopt.space.Real(1e-3, 1.0, "log-uniform", name="rate"),
        skopt.space.Categorical(["a", "b"], name="kind"),
        skopt.space.Integer(1, 4),
    ]
    result = skopt.gp_minimize(
        lambda x: np.log10(x[0]) + x[2], space, n_calls=12, n_initial_points=11, random_state=0
    )
    content = content_of(result)
    assert [*content.space.dimensions] == ["rate", "kind", "x2"]
    np.testing.assert_array_equal(content.scores, result.func_vals)
    assert content.best == np.argmin(result.func_vals)
    assert content.points[0] == dict(zip(["rate", "kind", "x2"], result.x_iters[0]))
    expected = (np.log10([x[0] for x in result.x_iters]) + 3) / 3
    np.testing.assert_allclose(content.U[:, 0], expected)
    np.testing.assert_array_equal(content.best_so_far, np.minimum.accumulate(result.func_vals))


def test_values_of_cheap_versions_are_no_scores():
    result = minimize(
        lambda p, version: (p["x"] - 0.3) ** 2 + (version == "cheap"),
        {"x": (0.0, 1.0)},
        n_calls=6,
        fidelity={"cheap": 1, "dear": 4},
        random_state=0,
    )
    content = content_of(result)
    is_cheap = np.array(result.fidelities) == "cheap"
    np.testing.assert_array_equal(np.isnan(content.scores), is_cheap)
    assert content.scores[content.best] == result.fun


def test_what_is_no_search_is_refused():
    with pytest.raises(TypeError, match=r"what load_search or minimize returned.*but is 3"):
        SearchDisplay.from_search(3)


def test_the_metric_is_the_one_that_was_optimised(iris):
    settings = {"scoring": ["accuracy", "f1_macro"], "refit": "f1_macro", "random_state": 0}
    search = AnnealingSearchCV(SVC(), {"C": (1e-3, 1e3, "log")}, n_iter=4, **settings).fit(*iris)
    content = content_of(search)
    assert content.score_name == "f1_macro"
    np.testing.assert_array_equal(content.scores, search.cv_results_["mean_test_f1_macro"])


def test_what_races_stopped_is_expected_as_hard_folds_are_hard():
    # The second fold costs 0.2: one that has 0.9 in the first would have had 0.8.
    folds = np.array([[0.8, 0.6], [0.6, 0.4], [0.9, np.nan], [np.nan, np.nan]])
    scores = np.array([0.7, 0.5, np.nan, np.nan])
    np.testing.assert_allclose(expected_by_folds(scores, folds), [0.7, 0.5, 0.8, np.nan])


def test_what_had_few_epochs_is_expected_to_gain_what_others_gained():
    partial = {
        0: np.array([[1, 0.5], [2, 0.7]]),
        1: np.array([[1, 0.4], [2, 0.8]]),
        2: np.array([[1, 0.6]]),
    }
    found = expected_by_epochs(np.array([0.7, 0.8, np.nan, np.nan]), partial)
    np.testing.assert_allclose(found, [0.7, 0.8, 0.6 + (0.2 + 0.4) / 2, np.nan])


def test_a_race_shows_which_trials_were_stopped_and_when(iris):
    search = BayesSearchCV(
        SVC(C=1e-3), {"C": (1e-3, 1e3, "log")}, n_iter=12, cv=5, racing=True, random_state=0
    ).fit(*iris)
    content, made = content_of(search), search.cv_results_["n_splits"]
    assert content.states == ["scored" if n == 5 else "stopped" for n in made]
    assert content.notes == ["" if n == 5 else f"{n} of 5 folds" for n in made]
    assert 0 < content.states.count("stopped") < 12
    assert np.isfinite(content.expected).all()
    seconds = search.cv_results_["mean_fit_time"] * made
    np.testing.assert_allclose(content.seconds, seconds)
    drawn = {
        line.get_label(): line.get_xdata()
        for line in SearchDisplay(content).plot("convergence").axes_[0].lines
    }
    hollow = {*drawn["stopped: as expected"], *drawn.get("far worse", [])}
    assert {*np.flatnonzero(made < 5)} <= hollow


def test_what_the_best_is_worth_is_shown(iris):
    settings = {"n_iter": 12, "cv": 3, "random_state": 0, "holdout": 0.3}
    space = {"C": (1e-3, 1e3, "log"), "gamma": (1e-4, 10.0, "log")}
    found = BayesSearchCV(SVC(), space, selection="one_std_error", **settings).fit(*iris)
    content = content_of(found)
    assert content.honest == {
        "corrected": found.best_score_corrected_,
        "held out": found.holdout_score_,
    }
    assert content.interval == found.best_score_interval_
    assert "selection='one_std_error', holdout=0.3" in content.facts["Search"]
    ax = SearchDisplay(content).plot("convergence").axes_[0]
    heights = {line.get_label(): line.get_ydata() for line in ax.lines}
    (worth,) = (y for label, y in heights.items() if label.startswith("best, corrected: "))
    assert set(worth) == {found.best_score_corrected_}
    led = found.overtuning_.set_index("candidate")["holdout_score"]
    steps = heights["incumbent, held out"]
    np.testing.assert_array_equal(steps[:-1], led.to_numpy())
    assert steps[-1] == led.iloc[-1]


def test_a_reason_why_there_is_no_honest_score_is_told(iris, search):
    found = clone(search).set_params(scoring=lambda model, X, y: model.score(X, y), n_iter=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found.set_params(storage=None).fit(*iris)
    content = content_of(found)
    assert content.honest == {}
    (caveat,) = content.caveats
    assert "scoring is a function of the estimator" in caveat
    assert content_of(GridSearchCV(SVC(), {"C": [1, 2]}).fit(*iris)).caveats == []


# --- spaces that were tried


def test_numbers_spread_over_decades_make_a_logarithmic_range():
    rng = np.random.default_rng(0)
    points = [
        {"rate": float(10 ** rng.uniform(-5, 0)), "part": float(rng.uniform(0.001, 1)), "on": True,
         "n": int(rng.integers(1, 200)), "fixed": 3}
        for _ in range(40)
    ]  # fmt: skip
    dimensions = space_of(points).dimensions
    assert dimensions["rate"].log
    assert not dimensions["part"].log
    assert not dimensions["n"].log
    assert dimensions["n"].step == 1
    assert dimensions["on"].levels == [True]
    assert dimensions["fixed"].levels == [3]


@pytest.mark.parametrize("decades", [1.2, 2, 3])
def test_an_axis_need_not_have_many_decades_to_be_logarithmic(decades):
    numbers = 0.1 * 10 ** np.linspace(0, decades, 12)
    assert space_of([{"x": x} for x in numbers.tolist()]).dimensions["x"].log
    assert (
        not space_of([{"x": x} for x in (0.1 * 10 ** np.linspace(0, 0.9)).tolist()])
        .dimensions["x"]
        .log
    )


def test_the_space_of_many_points_is_found_in_a_time_that_grows_with_their_number():
    """By counting comparisons, of which there would be millions."""
    rng = np.random.default_rng(0)
    kinds = [*"abc", None, (1, 2), 1, 1.5, True, SVC(C=2.0)]
    points = [
        {"n": int(rng.integers(10**6)), "x": float(rng.random()), "kind": kinds[i % 9]}
        | ({"b": 1} if i % 2 else {})
        for i in range(3000)
    ]
    n_compared = 0

    def count(frame, event, argument):
        nonlocal n_compared
        n_compared += event == "call" and frame.f_code.co_name == "same"

    sys.setprofile(count)
    try:
        dimensions = space_of(points).dimensions
    finally:
        sys.setprofile(None)
    assert n_compared < 10 * len(points)
    assert len(dimensions["kind"].levels) == 9


def test_what_lacks_in_places_depends_on_what_decides():
    points = [{"k": "a"}, {"k": "b", "x": 1.5}, {"k": "c", "x": 2.0}, {"k": "a"}]
    points = [{"m": m, **point} for m, point in zip((1, 1, True, 2), points)]  # m does not decide
    space = space_of(points)
    assert [*space.dimensions] == ["m", "k", "x"]
    assert [space.holds(p) for p in points] == [True] * 4
    assert not space.holds({"m": 1, "k": "a", "x": 1.5})


def test_points_without_a_decider_are_in_sub_spaces():
    points = [{"a": 1.0}, {"a": 2.0, "b": 1.0}, {"b": 3.0}]
    space = space_of(points)
    assert len(space.budgets) == 3
    assert all(space.holds(p) for p in points)


# --- pictures


def test_convergence_draws_scores_failures_the_default_and_the_best_so_far(search):
    ax = SearchDisplay.from_search(search).plot("convergence").axes_[0]
    drawn = {line.get_label(): line.get_data() for line in ax.lines}
    scores = search.cv_results_["mean_test_score"]
    best = [np.nanmax(scores[: i + 1]) for i in range(20)]
    np.testing.assert_array_equal(drawn["best so far"][1], best)
    np.testing.assert_array_equal(drawn["failed"][0], np.flatnonzero(np.isnan(scores)))
    assert drawn["default"][0] == [0]
    assert drawn["chosen"] == (search.best_index_, search.best_score_)
    inside = {*drawn["trial"][0], *drawn.get("far worse", [[]])[0], *drawn["default"][0]}
    assert inside == {*np.flatnonzero(~np.isnan(scores))}


def test_a_score_out_of_all_proportion_does_not_flatten_the_picture():
    values = iter([0.0, 1.0, 2.0, 1.5, 0.5, 1e6, -0.5])
    display = SearchDisplay.from_search(
        minimize(lambda p: next(values), {"x": (0.0, 1.0)}, n_calls=7, random_state=0)
    )
    ax = display.plot().axes_[0]
    low, high = ax.get_ylim()
    assert low < -0.5
    assert 2 < high < 4
    drawn = {line.get_label(): line.get_xdata() for line in ax.lines}
    np.testing.assert_array_equal(drawn["far worse"], [5])


@pytest.mark.parametrize("sign", [1, -1])
def test_failures_stand_below_all_that_is_shown(search, sign):
    """An honest score's interval may be wider than all scores."""
    content = content_of(search)
    content = replace(
        content,
        scores=sign * content.scores,
        expected=sign * content.expected,
        greater_is_better=sign > 0,
        honest={"corrected": sign * 0.8},
        interval=tuple(sorted((sign * 0.3, sign * 0.99))),
        overtuning=pd.DataFrame({"candidate": [0, 3], "holdout_score": [sign * 0.2, sign * 0.7]}),
    )
    ax = SearchDisplay(content).plot("convergence").axes_[0]
    drawn = {line.get_label(): line.get_ydata() for line in ax.lines}
    worst, best = sorted(ax.get_ylim(), key=lambda y: sign * y)
    for y in drawn["failed"]:
        assert sign * worst < sign * y < 0.2
    assert sign * best > 0.99


def test_importance_writes_what_its_bars_are():
    # Alone c and d do little, and together the most.
    display = tried(
        lambda p: np.sqrt(12) * p["a"] + 20 * (p["c"] - 0.5) * (p["d"] - 0.45),
        dict.fromkeys("abcd", (0.0, 1.0)),
        50,
    )
    table = display.importance()
    ax = display.plot("importance").axes_[0]
    rows = table[(table["partner"] == "") | (table["share"] >= 0.005)]
    written = {text.get_position()[1]: text for text in ax.texts}
    lengths = []
    for y, name in zip(ax.get_yticks(), ax.get_yticklabels()):
        names = name.get_text().split(" \N{MULTIPLICATION SIGN} ")
        row = rows[(rows["parameter"] == names[0]) & (rows["partner"] == "".join(names[1:]))]
        share, total = row["share"].item(), row["total"].item()
        ends = {bar.get_width() for bar in ax.patches if bar.get_y() < y < bar.get_y() + 0.8}
        if len(names) == 1:
            assert written[y].get_text() == f"{share:.1%} of {total:.1%}"
            assert ends == {share, total}
        else:
            assert written[y].get_text() == f"{share:.1%}"
            assert ends == {share}
        lengths.append(max(ends))
        assert written[y].get_position()[0] > max(ends)
    assert len(lengths) == len(rows)
    assert lengths == sorted(lengths, reverse=True)
    assert [*ax.get_yticks()] == [*range(len(rows))][::-1]  # the longest on top
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert "alone: first-order Sobol index" in legend


def test_points_on_the_border_of_a_map_are_whole():
    display = tried(lambda p: p["a"] * p["b"], {"a": (0.0, 1.0), "b": (0.0, 1.0)}, 12)
    content = display.content
    corner = replace(content, points=[{"a": 0.0, "b": 0.0}, *content.points[1:]], best=0)
    (ax,) = SearchDisplay(corner).plot("dependence", parameters=[("a", "b")]).axes_
    ax.figure.canvas.draw()
    picture = np.asarray(ax.figure.canvas.buffer_rgba())[::-1, :, :3].astype(int)
    x, y = np.round(ax.transData.transform((0.0, 0.0))).astype(int)
    star = (np.abs(picture - [0xC8, 0x38, 0x5A]) < 30).all(axis=2)
    assert star[y - 8 : y, x - 8 : x].any()  # also beyond the corner


def test_a_map_without_the_chosen_one_leaves_all_panels_their_room(search):
    content = content_of(search)
    alone = next(i for i, point in enumerate(content.points) if "degree" not in point)
    display = SearchDisplay(replace(content, best=alone))
    axes = display.plot("dependence", parameters=["C", "kernel", ("C", "degree")]).axes_
    axes[0].figure.canvas.draw()  # a layout that has no room warns, which is an error here
    assert min(ax.get_position().width for ax in axes) > 0.1


def test_parallel_lines_go_through_the_values(search):
    content = content_of(search)
    ax = SearchDisplay(content).plot("parallel", parameters=["C", "degree"]).axes_[0]
    chosen = next(line for line in ax.lines if line.get_label() == "chosen").get_ydata()
    best = search.best_params_
    assert chosen[0] == pytest.approx((np.log10(best["C"]) + 3) / 6)
    assert (chosen[1] < 0) == ("degree" not in best)
    assert chosen[2] == 1
    names = [label.get_text() for label in ax.get_xticklabels()]
    assert names == ["C", "degree", "accuracy"]
    assert ax.xaxis.get_ticks_position() == "top"  # where the axes end
    n_lines = [len(lines.get_segments()) for lines in ax.collections[:2]]
    assert n_lines == [content.states.count("failed"), 20 - content.states.count("failed")]


def test_ticks_of_parallel_axes_differ_where_scores_hardly_do():
    display = tried(lambda p: 0.0669137 + 1e-13 * p["x"], {"x": (1e-9, 1e-9 + 1e-16)}, 12)
    ax = display.plot("parallel").axes_[0]
    for at, step in ((0, 1e-17), (1, 1e-14)):
        texts = [t.get_text() for t in ax.texts if at - 0.1 < t.get_position()[0] < at]
        numbers = np.sort([float(text) for text in texts])
        assert len(numbers) > 2
        steps = np.diff(numbers) / step
        np.testing.assert_allclose(steps, steps[0], rtol=0.05)


def test_dependence_is_drawn_on_the_axis_of_the_values(search):
    display = SearchDisplay.from_search(search)
    axes = display.plot("dependence", parameters=["C", ("C", "kernel")]).axes_
    assert len(axes) == 2
    assert axes[0].get_xscale() == "log"
    line = next(line for line in axes[0].lines if line.get_label() == "mean")
    grid = display.landscape.grid(0)
    np.testing.assert_allclose(line.get_xdata(), 10 ** (6 * grid - 3))
    np.testing.assert_array_equal(line.get_ydata(), display.landscape.dependence([0], [grid]))
    labels = [text.get_text() for text in axes[1].get_legend().get_texts()]
    assert labels == ["rbf", "poly", "linear"]


def test_trials_are_drawn_where_they_have_the_parameter(search):
    display = SearchDisplay.from_search(search)
    (ax,) = display.plot("dependence", parameters=["degree"]).axes_
    points = [p["degree"] for p in display.content.points if "degree" in p]
    scores = display.content.scores[[("degree" in p) for p in display.content.points]]
    drawn = ax.collections[0].get_offsets()
    np.testing.assert_array_equal(drawn[:, 0], np.array(points)[np.isfinite(scores)])
    np.testing.assert_array_equal(drawn[:, 1], scores[np.isfinite(scores)])


def test_a_slice_goes_through_the_best_trial():
    display = tried(lambda p: (p["x"] - 0.4) ** 2 + p["y"], {"x": (0.0, 1.0), "y": (0.0, 1.0)}, 30)
    upper, lower = display.plot("slice", parameters=["x"]).axes_
    line = next(line for line in upper.lines if line.get_label() == "model")
    y = display.content.points[display.content.best]["y"]
    np.testing.assert_allclose(line.get_ydata(), (line.get_xdata() - 0.4) ** 2 + y, atol=0.01)
    assert lower.get_ylabel() == "expected\ngain"


def test_scores_after_few_epochs_are_seen_though_they_are_low(search):
    content = content_of(search)
    partial = {i: np.array([[1, 0.2 + 0.1 * i], [2, 0.7], [4, 0.9]]) for i in range(4)}
    content = replace(content, partial=partial | {5: np.array([[1, -1e6]])})
    low, high = SearchDisplay(content).plot("curves").axes_[0].get_ylim()
    assert -0.2 < low < 0.2
    assert 0.9 < high < 1.1


def test_curves_are_of_the_trials_that_had_epochs(search):
    content = content_of(search)
    few = np.array([[1, 0.5], [2, 0.6]])
    losses = {3: np.array([2.0, 1.0]), 5: np.array([3.0])}
    content = replace(content, partial={3: few}, losses=losses)
    scores, losses = SearchDisplay(content).plot("curves").axes_
    np.testing.assert_array_equal(scores.lines[0].get_xydata(), few)
    assert sorted(line.get_ydata()[0] for line in losses.lines) == [2.0, 3.0]


@pytest.mark.parametrize("kind", ["convergence", "parallel", "dependence", "importance", "slice"])
def test_pictures_are_drawn_on_axes_that_are_given(search, kind):
    display = SearchDisplay.from_search(search)
    names = None if kind in ("convergence", "importance") else ["C"]
    _, axes = plt.subplots(2 if kind == "slice" else 1)
    n_figures = len(plt.get_fignums())
    display.plot(kind, parameters=names, ax=axes)
    assert len(plt.get_fignums()) == n_figures
    assert [*display.axes_] == [*np.ravel(axes)]
    assert all(ax.has_data() for ax in display.axes_)


def test_dollars_are_no_formulas():
    display = tried(lambda p: p["$a^$"] + p["b$"], {"$a^$": (0.0, 1.0), "b$": (0.0, 1.0)}, 12)
    for kind in ("convergence", "parallel", "dependence", "importance", "slice"):
        display.plot(kind).figure_.canvas.draw()


def test_names_that_the_font_lacks_come_from_another_or_are_numbers():
    fraktur, nowhere = "\U0001d504", "\ue000"  # which comes with matplotlib, and of no font
    assert plain(f"{fraktur}{nowhere}\ud800\a$") == rf"{fraktur}\ue000\ud800\x07\$"
    space = {f"a{fraktur}": (0.0, 1.0), f"{nowhere}b": (0.0, 1.0), "c": [fraktur, nowhere]}
    display = tried(
        lambda p: sum(p[name] for name in [*space][:2]) + (p["c"] == nowhere), space, 12
    )
    for kind in ("convergence", "parallel", "dependence", "importance", "slice"):
        figure = display.plot(kind).figure_
        figure.canvas.draw()  # without a warning, which would be an error
        for text in figure.findobj(plt.Text):
            assert (len(text.get_fontfamily()) > 1) == (fraktur in text.get_text())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "pie"}, "kind must be one of 'convergence', .* but is 'pie'"),
        ({"kind": "curves"}, "no learning curves"),
        ({"kind": "convergence", "parameters": ["C"]}, "leave `parameters` out"),
        ({"kind": "slice", "parameters": ["c"]}, "'c' is no parameter of the search"),
        ({"kind": "slice", "parameters": "C"}, "must be a list of names, but is 'C'"),
        ({"kind": "slice", "parameters": [("C", "kernel")]}, "is no parameter"),
        ({"kind": "dependence", "parameters": [("C", "C")]}, "two different"),
        ({"kind": "dependence", "parameters": ["C", "kernel"], "ax": [None]}, "must be 2 Axes"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_its_reason(search, arguments, message):
    with pytest.raises(ValueError, match=message):
        SearchDisplay.from_search(search).plot(**arguments)


def test_a_model_needs_scores_that_differ():
    display = tried(lambda p: 1.0, {"x": (0.0, 1.0)}, 6)
    display.plot("convergence")
    display.plot("parallel")
    with pytest.raises(ValueError, match="of 6 trials 6 have one, and 1 of these differ"):
        display.importance()


def test_axes_are_of_matplotlib(search):
    with pytest.raises(TypeError, match=r"ax must be Axes of matplotlib, or an array .* but is 3"):
        SearchDisplay.from_search(search).plot("convergence", ax=3)


def test_long_names_keep_both_ends():
    assert shortened("a rather long choice 17", 12) == "a rat…ice 17"
    assert shortened("short", 5) == "short"
    assert text_of(StandardScaler(), 14) == "StandardScaler"
    assert plain("$" * 30, 5) == r"\$\$…\$\$"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((1e-4, 1.0, "log"), {"0.0001": 0, "0.01": 0.5, "1": 1}),
        ((2.0, 30.0, "log"), {"5": np.log(2.5) / np.log(15)}),
        ((-3.0, 5.0), {"-2": 1 / 8, "4": 7 / 8}),
        ((1, 4), {"1": 1 / 8, "4": 7 / 8}),
        (["a", None], {"a": 0.25, "None": 0.75}),
        (norm(0, 1), {"0": 0.5}),
        ((0.0669137, 0.0669137001), {"0.06691370004": 0.4}),
        ((1e6, 1e6 + 1), {"1000000.2": 0.2}),
    ],
)
def test_ticks_stand_where_their_values_are(given, expected):
    u, texts = ticks(Space({"x": given}).dimensions["x"])
    found = dict(zip(texts, u))
    assert len(found) == len(u) <= 12
    for text, place in expected.items():
        assert found[text] == pytest.approx(place, abs=1e-6)
