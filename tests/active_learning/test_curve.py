"""Label budgets: the numbers against a loop by hand, the area, and the picture."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.datasets import load_digits, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import ShuffleSplit
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import SVR

from skdeep.active_learning import (
    ActiveLearner,
    LabelBudgetDisplay,
    label_budget_area,
    label_budget_curve,
)
from skdeep.active_learning.curve import _beginning

SPLITS = ShuffleSplit(3, test_size=0.3, random_state=0)
SMALL = {"n_initial": 6, "batch_size": 5, "n_labels": 18, "cv": SPLITS, "random_state": 0}


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


@pytest.fixture(scope="module")
def curve(iris):
    return label_budget_curve(GaussianNB(), *iris, strategies=["random", "margin"], **SMALL)


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


@pytest.mark.parametrize("repeat", [0, 2])
def test_a_course_is_the_loop_by_hand(iris, curve, repeat):
    X, y = iris
    train, test = [*SPLITS.split(X)][repeat]
    seed = np.random.RandomState(0).randint(2**31, size=3)[repeat]
    rest = train[_beginning(y[train], 6, True, np.random.default_rng(seed))]
    learner = ActiveLearner(GaussianNB(), random_state=int(seed)).fit(X[rest[:6]], y[rest[:6]])
    rest, expected = rest[6:], [(6, learner.score(X[test], y[test]))]
    for batch_size in (5, 5, 2):  # the last one up to 18
        rows = learner.set_params(batch_size=batch_size).query(X[rest])
        learner.teach(X[rest[rows]], y[rest[rows]])
        rest = np.delete(rest, rows)
        expected.append((len(learner.y_), learner.score(X[test], y[test])))
    course = curve.query("strategy == 'margin' and repeat == @repeat")
    assert [*zip(course["n_labels"], course["score"])] == expected


def test_strategies_begin_alike_in_each_repeat(curve):
    first = curve.query("n_labels == 6").pivot(index="repeat", columns="strategy", values="score")
    np.testing.assert_array_equal(first["random"], first["margin"])
    assert len(first) == 3
    last = curve.query("n_labels == 18").pivot(index="repeat", columns="strategy", values="score")
    assert (last["random"] != last["margin"]).any()


def test_all_classes_are_there_at_the_beginning_if_rows_suffice():
    y = np.array([0] * 95 + [1] * 4 + [2])
    for seed in range(5):
        order = _beginning(y, 4, True, np.random.default_rng(seed))
        assert sorted(order) == [*range(100)]
        assert set(y[order[:4]]) == {0, 1, 2}
        assert len(set(y[_beginning(y, 2, True, np.random.default_rng(seed))[:2]])) == 2


def test_threads_and_a_second_call_change_nothing(iris, curve):
    settings = {"strategies": ["random", "margin"], **SMALL, "n_jobs": 2}
    assert label_budget_curve(GaussianNB(), *iris, **settings).equals(curve)


def test_the_scorer_decides(iris, curve):
    found = label_budget_curve(
        GaussianNB(), *iris, strategies=["margin"], scoring="balanced_accuracy", **SMALL
    )
    X, y = iris
    (train, test), *_ = SPLITS.split(X)
    seed = np.random.RandomState(0).randint(2**31, size=3)[0]
    rows = train[_beginning(y[train], 6, True, np.random.default_rng(seed))][:6]
    expected = balanced_accuracy_score(y[test], GaussianNB().fit(X[rows], y[rows]).predict(X[test]))
    assert found["score"][0] == expected != curve["score"][0]


def test_the_area_is_the_mean_height(curve):
    areas = label_budget_area(curve)
    assert areas.shape == (3, 2)
    scores = curve.query("strategy == 'random' and repeat == 1")["score"].to_numpy()
    widths = np.array([5, 5, 2])
    expected = (widths * (scores[:-1] + scores[1:]) / 2).sum() / 12
    assert areas.loc[1, "random"] == pytest.approx(expected)
    flat = curve.assign(score=0.25).query("n_labels == 6")
    assert (label_budget_area(flat) == 0.25).all(axis=None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_labels": 200}, "at most 105, the fewest training rows"),
        ({"n_initial": 30}, "at least n_initial, 30"),
        ({"strategies": ["margin", None]}, "'margin' twice"),
        ({"strategies": []}, "strategies is empty"),
        ({"strategies": ["deviation"]}, "return_std"),
        ({"strategies": "margin"}, "strategies"),
    ],
)
def test_what_makes_no_curve_is_refused(iris, changes, message):
    with pytest.raises(ValueError, match=message):
        label_budget_curve(GaussianNB(), *iris, **SMALL | changes)


def test_the_area_of_another_table_is_refused(curve):
    with pytest.raises(ValueError, match="has no repeat, score"):
        label_budget_area(curve.drop(columns=["repeat", "score"]))


def test_missing_labels_are_refused(iris):
    X, y = iris
    with pytest.raises(ValueError, match=r"no label .* at \[0 1\]"):
        label_budget_curve(GaussianNB(), X, np.where(np.arange(150) < 2, -1, y), **SMALL)


def test_a_progress_bar_counts_courses(iris, capsys):
    label_budget_curve(GaussianNB(), *iris, **SMALL, verbose=1)
    assert "6/6" in capsys.readouterr().err


def test_the_display_draws_means_and_their_errors(curve):
    display = LabelBudgetDisplay(curve=curve).plot()
    for strategy, line in display.lines_.items():
        courses = curve.query("strategy == @strategy")
        table = courses.pivot(index="n_labels", columns="repeat", values="score").to_numpy()
        n, drawn = line.get_data()
        np.testing.assert_array_equal(n, [6, 11, 16, 18])
        np.testing.assert_allclose(drawn, table.mean(axis=1))
        edges = display.bands_[strategy].get_paths()[0].vertices
        error = table[1].std(ddof=1) / np.sqrt(3)
        heights = np.unique(edges[edges[:, 0] == 11, 1].round(12))
        np.testing.assert_allclose(heights[[0, -1]], table[1].mean() + np.array([-error, error]))
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    means = display.areas_.mean()
    assert labels == [f"{name} (area {means[name]:.3f})" for name in ("random", "margin")]
    assert display.ax_.get_ylabel() == "Score"
    one = LabelBudgetDisplay(curve=curve.query("repeat == 0")).plot(display.ax_)
    assert one.bands_ == {}
    assert one.figure_ is display.figure_


def test_the_display_of_an_estimator_computes_the_curve(iris):
    settings = {"strategies": ["random"], "n_initial": 6, "n_labels": 16, "random_state": 0}
    model = LogisticRegression(max_iter=1000)
    scoring = "neg_log_loss"
    display = LabelBudgetDisplay.from_estimator(model, *iris, scoring=scoring, **settings)
    assert display.curve.equals(label_budget_curve(model, *iris, scoring=scoring, **settings))
    assert display.ax_.get_ylabel() == "Negative log loss"


def test_regressors_have_curves_too(iris):
    X = iris[0]
    found = label_budget_curve(SVR(), X[:, :3], X[:, 3], **SMALL)
    assert {*found["strategy"]} == {"random", "disagreement"}
    assert found.groupby("n_labels")["score"].mean()[18] > 0.5


@pytest.mark.slow
def test_on_digits_the_default_is_ahead_of_random_in_each_repeat():
    X, y = load_digits(return_X_y=True)
    found = label_budget_curve(
        LogisticRegression(max_iter=1000),
        X / 16,
        y,
        n_initial=20,
        batch_size=10,
        n_labels=150,
        cv=ShuffleSplit(5, test_size=0.4, random_state=0),
        random_state=0,
    )
    areas = label_budget_area(found)
    assert (areas["margin"] > areas["random"] + 0.02).all()
