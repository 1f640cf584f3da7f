import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import skopt
import skopt.plots
from scipy.stats import norm
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV

from skdeep.model_selection import AnnealingSearchCV, BayesSearchCV, When, minimize, to_skopt

mpl.use("Agg")

MIXED = {
    "rate": (1e-3, 1.0, "log"),
    "n": (1, 9),
    "step": (0.0, 1.0, 0.25),
    "drawn": norm(3, 0.5),
    "kind": ["b", "a", "c"],
    "size": [1, 100, 10],
    "shape": [(1, 2), None, {"a": 1}],
}


def mixed(point):
    distance = (np.log10(point["rate"]) + 1) ** 2 + (point["n"] - 3) ** 2 / 9
    return distance + point["drawn"] / 9 + (point["kind"] != "a") + np.log10(point["size"])


@pytest.fixture(scope="module")
def of_mixed():
    return minimize(mixed, MIXED, n_calls=20, random_state=0)


@pytest.fixture(scope="module")
def of_line():
    return minimize(lambda x: (x[0] - 2) ** 2, [(-5.0, 5.0)], n_calls=8, random_state=0)


@pytest.fixture(scope="module")
def regression():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    return X, X @ [1, 2, 0, 0] + rng.normal(size=60)


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


# --- what is converted


def test_points_and_values_are_the_same(of_mixed):
    theirs = to_skopt(of_mixed)
    np.testing.assert_array_equal(theirs.func_vals, of_mixed.func_vals)
    assert theirs.fun == of_mixed.fun
    assert theirs.x == theirs.x_iters[np.argmin(of_mixed.func_vals)]
    for row, point in zip(theirs.x_iters, of_mixed.x_iters):
        assert row[:6] == [*point.values()][:6]
        assert row[6] == str(point["shape"])
    assert all(row in theirs.space for row in theirs.x_iters)


def test_dimensions_are_those_of_scikit_optimize(of_mixed):
    rate, n, step, drawn, kind, size, shape = to_skopt(of_mixed).space
    assert (rate.low, rate.high, rate.prior, rate.name) == (1e-3, 1.0, "log-uniform", "rate")
    assert (type(n), n.low, n.high) == (skopt.space.Integer, 1, 9)
    assert (step.low, step.high) == (0.0, 1.0)
    np.testing.assert_allclose([drawn.low, drawn.high], norm(3, 0.5).ppf([0.001, 0.999]))
    assert kind.categories == ("b", "a", "c")
    assert size.categories == (1, 10, 100)
    assert shape.categories == ("(1, 2)", "None", "{'a': 1}")


def test_a_dimension_of_theirs_comes_back_as_it_was():
    given = [
        skopt.space.Real(1e-2, 1e2, prior="log-uniform", name="C"),
        skopt.space.Integer(2, 8, name="depth"),
        skopt.space.Categorical(["u", "v"], prior=[0.25, 0.75], name="kind"),
    ]
    space = to_skopt(minimize(lambda x: x[0], given, n_calls=4, random_state=0)).space
    for ours, theirs in zip(space, given):
        ours.set_transformer(theirs.transform_)
        assert ours == theirs
        assert ours.name == theirs.name


def test_model_predicts_the_values_in_their_transformed_space(of_mixed):
    theirs = to_skopt(of_mixed)
    mean, std = theirs.models[-1].predict(theirs.space.transform(theirs.x_iters), return_std=True)
    np.testing.assert_allclose(mean, of_mixed.func_vals, atol=0.05 * of_mixed.func_vals.std())
    assert std.max() < 0.1 * of_mixed.func_vals.std()


def test_failures_are_left_out():
    result = minimize(
        lambda x: np.nan if x[0] < 0.5 else x[0], [(0.0, 1.0)], n_calls=8, random_state=0
    )
    kept = np.isfinite(result.func_vals)
    assert 0 < kept.sum() < 8
    np.testing.assert_array_equal(to_skopt(result).func_vals, result.func_vals[kept])


def test_cheap_versions_are_left_out():
    result = minimize(
        lambda x, version: x[0] - (version == "cheap"),
        [(0.0, 1.0)],
        n_calls=6,
        fidelity={"cheap": 1, "dear": 4},
        random_state=0,
    )
    is_last = np.array(result.fidelities) == "dear"
    theirs = to_skopt(result)
    np.testing.assert_array_equal(theirs.func_vals, result.func_vals[is_last])
    assert theirs.fun == result.fun


# --- searches


@pytest.mark.parametrize("cls", [BayesSearchCV, AnnealingSearchCV])
def test_search_is_minimised_scores(cls, regression):
    space = {"alpha": (1e-3, 1e3, "log"), "fit_intercept": [True, False]}
    search = cls(Ridge(), space, n_iter=8, cv=3, random_state=0).fit(*regression)
    theirs = to_skopt(search)
    scores = search.cv_results_["mean_test_score"]
    np.testing.assert_array_equal(theirs.func_vals, -scores)
    assert theirs.fun == -search.best_score_
    assert theirs.x == [search.best_params_["alpha"], str(search.best_params_["fit_intercept"])]


@pytest.mark.parametrize(
    ("refit", "metric"),
    [("neg_max_error", "neg_max_error"), (False, "r2"), (lambda table: 0, "r2")],
)
def test_of_several_metrics_it_is_the_optimised_one(refit, metric, regression):
    search = BayesSearchCV(
        Ridge(), {"alpha": (1e-3, 1e3, "log")}, n_iter=4, cv=3, refit=refit, random_state=0
    )
    search.set_params(scoring=["r2", "neg_max_error"]).fit(*regression)
    expected = -search.cv_results_[f"mean_test_{metric}"]
    np.testing.assert_array_equal(to_skopt(search).func_vals, expected)


# --- plots


def diagonal(whole):
    """The plots of single dimensions, in a square of plots of pairs."""
    squares = [ax for ax in whole.figure.axes if ax is not whole]
    return squares[:: len(MIXED) + 1]


def test_convergence_is_plotted(of_mixed):
    ax = skopt.plots.plot_convergence(to_skopt(of_mixed))
    lowest = np.minimum.accumulate(of_mixed.func_vals)
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), lowest)


def test_regret_is_plotted(of_mixed):
    ax = skopt.plots.plot_regret(to_skopt(of_mixed))
    values = of_mixed.func_vals
    np.testing.assert_allclose(ax.lines[0].get_ydata(), np.cumsum(values - values.min()))


def test_evaluations_are_plotted(of_mixed):
    whole = skopt.plots.plot_evaluations(to_skopt(of_mixed))
    heights = [patch.get_height() for patch in diagonal(whole)[4].patches]
    kinds = [point["kind"] for point in of_mixed.x_iters]
    assert heights == [kinds.count(kind) for kind in ("b", "a", "c")]


def test_objective_is_plotted(of_mixed):
    whole = skopt.plots.plot_objective(to_skopt(of_mixed), n_points=5, n_samples=20)
    rate, kind = (diagonal(whole)[j].lines[0] for j in (0, 4))
    assert rate.get_xdata()[np.argmin(rate.get_ydata())] < 0.5
    assert np.argmin(kind.get_ydata()) == 1  # "a"


def test_process_is_plotted(of_line):
    theirs = to_skopt(of_line)
    ax = skopt.plots.plot_gaussian_process(theirs, show_acq_func=True, show_next_point=True)
    x, mean = ax.lines[0].get_data()
    np.testing.assert_allclose(mean, (np.ravel(x) - 2) ** 2, atol=5)
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), of_line.func_vals)


def test_expected_minimum_is_found(of_line):
    x, value = skopt.expected_minimum(to_skopt(of_line), random_state=0)
    assert x[0] == pytest.approx(2, abs=0.05)
    assert value == pytest.approx(0, abs=0.02)


def test_result_survives_their_files(of_line, tmp_path):
    theirs = to_skopt(of_line)
    skopt.dump(theirs, tmp_path / "result.pkl")
    loaded = skopt.load(tmp_path / "result.pkl")
    assert loaded.x_iters == theirs.x_iters
    T = theirs.space.transform([[0.5]])
    np.testing.assert_array_equal(loaded.models[0].predict(T), theirs.models[0].predict(T))


# --- what cannot be converted


@pytest.mark.parametrize(
    "space", [{"n": [1, 2], "w": When("n", 2, (0.0, 1.0))}, [{"n": [1, 2]}, {"m": [1, 2]}]]
)
def test_conditions_are_refused(space):
    result = minimize(lambda point: 1.0, space, n_calls=2, random_state=0)
    with pytest.raises(ValueError, match="conditions or several sub-spaces"):
        to_skopt(result)


def test_nothing_finite_is_refused():
    result = minimize(lambda x: np.nan, [(0.0, 1.0)], n_calls=2, random_state=0)
    with pytest.raises(ValueError, match="none of the values is finite"):
        to_skopt(result)


@pytest.mark.parametrize("other", [None, {"x": 1}, GridSearchCV(Ridge(), {"alpha": [1]})])
def test_other_objects_are_refused(other):
    with pytest.raises(TypeError, match="minimize returned, or a fitted BayesSearchCV"):
        to_skopt(other)


def test_unfitted_search_is_refused():
    with pytest.raises(ValueError, match="not fitted"):
        to_skopt(BayesSearchCV(Ridge(), {"alpha": (0.1, 1.0)}))


def test_choices_whose_words_are_equal_stay_apart():
    result = minimize(lambda p: 0.0, [[1, "1", None, True]], n_calls=4, random_state=0)
    assert sorted(x for (x,) in to_skopt(result).x_iters) == ["'1'", "1", "None", "True"]
