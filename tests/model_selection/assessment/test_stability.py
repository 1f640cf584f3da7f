"""The noise of scores, against closed forms and against fresh data sets."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, make_classification, make_friedman1
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    LeaveOneOut,
    PredefinedSplit,
    StratifiedKFold,
    TimeSeriesSplit,
    cross_val_score,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skdeep import MLPClassifier
from skdeep.model_selection import metric_stability


@pytest.fixture(scope="module")
def data():
    X, y = load_breast_cancer(return_X_y=True)
    return X[:200], y[:200]


def test_a_constant_guess_has_the_noise_of_the_rows_alone():
    X, y = np.zeros((200, 1)), np.arange(200) < 140
    model = DummyClassifier(strategy="most_frequent")
    noise = metric_stability(model, X, y, cv=5, n_repeats=3, random_state=0).noise.loc[5]
    assert noise["sampling"] == pytest.approx(np.sqrt(0.7 * 0.3 / 200), rel=0.1)
    assert noise["folds"] < 1e-12
    assert noise["seed"] < 1e-12
    assert noise["standard_error"] == pytest.approx(noise["sampling"])
    assert noise["score"] == pytest.approx(0.7)


def test_dice_make_the_noise_of_seeds():
    X, y = np.zeros((200, 1)), np.arange(200) % 2
    model = DummyClassifier(strategy="uniform", random_state=0)
    noise = metric_stability(model, X, y, cv=5, n_repeats=60, random_state=0).noise.loc[5]
    cv = StratifiedKFold(5, shuffle=True, random_state=0)
    others = [
        cross_val_score(DummyClassifier(strategy="uniform", random_state=i), X, y, cv=cv).mean()
        for i in range(200)
    ]
    assert noise["seed"] == pytest.approx(np.std(others), rel=0.25)
    # Other splits change nothing more: of two chance variances the difference is left.
    assert noise["folds"] < noise["seed"]


def test_noise_of_folds_is_the_spread_over_other_splits(data):
    X, y = data
    model = KNeighborsClassifier(1)
    found = metric_stability(model, X, y, cv=5, n_repeats=40, random_state=0)
    others = [
        cross_val_score(model, X, y, cv=StratifiedKFold(5, shuffle=True, random_state=i)).mean()
        for i in range(100)
    ]
    assert found.noise.loc[5, "folds"] == pytest.approx(np.std(others), rel=0.3)
    assert found.noise.loc[5, "score"] == pytest.approx(np.mean(others), abs=0.003)
    assert set(found.scores["varied"]) == {"nothing", "folds"}  # it has no seed


def test_it_depends_on_nothing_but_the_seed(data):
    model = make_pipeline(StandardScaler(), MLPClassifier(epochs=2))
    settings = {"cv": [2, 3], "n_repeats": 2, "random_state": 0}
    first = metric_stability(model, *data, **settings)
    second = metric_stability(model, *data, n_jobs=2, **settings)
    pd.testing.assert_frame_equal(first.noise, second.noise)
    pd.testing.assert_frame_equal(first.scores, second.scores)
    assert (first.noise["seed"] > 0).all()
    assert len(first.scores) == 6
    alone = metric_stability(model, *data, **settings | {"cv": 2})
    pd.testing.assert_frame_equal(
        alone.scores, first.scores[first.scores["n_splits"] == 2].reset_index(drop=True)
    )


def test_costs_follow_from_the_noise(data):
    found = metric_stability(
        DecisionTreeClassifier(), *data, cv=[3, 6], n_repeats=4, random_state=0
    )
    cost = found.cost(0.002)
    for n, row in found.noise.iterrows():
        drawn = np.sqrt(row["folds"] ** 2 + row["seed"] ** 2)
        n_repeats = cost.loc[n, "n_repeats"]
        assert drawn / np.sqrt(n_repeats) <= 0.002 < drawn / np.sqrt(n_repeats - 1)
        assert cost.loc[n, "n_fits"] == n * n_repeats
        more = row["standard_error"] * np.sqrt(200 / cost.loc[n, "n_samples"])
        assert more == pytest.approx(0.002, rel=1e-3)
    with pytest.raises(ValueError, match="precision must be a positive number, but is 0"):
        found.cost(0)
    with pytest.raises(ValueError, match="precision must be a positive number, but is 'a'"):
        found.cost("a")


def test_rows_of_a_group_are_resampled_together():
    groups = np.repeat(np.arange(20), 10)
    y = (np.arange(20) < 14)[groups]
    X = np.zeros((200, 1))
    model = DummyClassifier(strategy="most_frequent")
    settings = {"n_repeats": 2, "random_state": 0}
    alone = metric_stability(model, X, y, cv=KFold(5), **settings).noise.loc[5]
    apart = metric_stability(model, X, y, cv=GroupKFold(5), groups=groups, **settings).noise.loc[5]
    # Twenty draws, not two hundred.
    assert apart["sampling"] == pytest.approx(np.sqrt(10) * alone["sampling"], rel=0.15)


def test_the_plot_shows_scores_and_standard_errors(data):
    found = metric_stability(
        DecisionTreeClassifier(), *data, cv=[3, 6], n_repeats=4, random_state=0
    )
    left, right = found.plot()
    for place, n in enumerate((3, 6)):
        (segment,) = left.containers[place][2][0].get_segments()
        low, high = segment[:, 1]
        assert (high - low) / 2 == pytest.approx(found.noise.loc[n, "standard_error"])
        fits, error = right.lines[2 * place].get_data()
        assert fits[0] == n
        assert error[0] == pytest.approx(found.noise.loc[n, "standard_error"], rel=1e-6)
    plt.close(left.figure)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scoring": lambda model, X, y: 1.0}, "cannot be told: scoring is a function of the"),
        ({"n_repeats": 1}, "n_repeats must be an integer of at least 2, but is 1"),
        ({"cv": 1}, "k-fold"),
        ({"cv": []}, "cv holds no number of folds"),
        ({"scoring": ["accuracy", "f1"]}, "scoring must be one metric, but is"),
        ({"scoring": "precise"}, "scoring"),
    ],
)
def test_what_cannot_be_measured_is_refused(data, settings, message):
    with pytest.raises(ValueError, match=message):
        metric_stability(GaussianNB(), *data, **settings)


def test_a_class_is_refused(data):
    with pytest.raises(TypeError, match=r"an instance, GaussianNB\(\), not its class"):
        metric_stability(GaussianNB, *data)


@pytest.mark.parametrize(
    ("model", "cv", "n_folds", "n_seeds"),
    [
        (DecisionTreeClassifier(max_features=1), StratifiedKFold(3), 3, 3),
        (DecisionTreeClassifier(max_features=1), TimeSeriesSplit(3), 0, 3),
        (DecisionTreeClassifier(max_features=1), PredefinedSplit([0, 1] * 100), 0, 3),
        (GaussianNB(), StratifiedKFold(3), 3, 0),
        (GaussianNB(), TimeSeriesSplit(3), 0, 0),
    ],
)
def test_no_cross_validation_is_made_twice(data, model, cv, n_folds, n_seeds):
    found = metric_stability(model, *data, cv=cv, n_repeats=4, random_state=0)
    varied = found.scores["varied"].tolist()
    assert sorted(varied) == ["folds"] * n_folds + ["nothing"] + ["seed"] * n_seeds
    (noise,) = found.noise.to_dict("records")
    assert (noise["seed"] > 0) == (n_seeds > 0)
    assert noise["folds"] == 0 or n_folds > 0
    assert noise["sampling"] > 0


def test_sampling_is_the_noise_of_a_mean_over_splits():
    # Each row alone: the score is a mean of absolute errors, and no root of a mean of squares.
    rng = np.random.default_rng(0)
    X, y = np.zeros((60, 1)), rng.normal(size=60)
    scoring = "neg_root_mean_squared_error"
    found = metric_stability(DummyRegressor(), X, y, cv=LeaveOneOut(), scoring=scoring)
    errors = abs(y - (y.sum() - y) / 59)
    assert found.noise.loc[60, "score"] == pytest.approx(-errors.mean())
    assert found.noise.loc[60, "sampling"] == pytest.approx(errors.std() / np.sqrt(60), rel=0.25)


LINEAR = make_pipeline(StandardScaler(), LogisticRegression())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "n", "scoring"),
    [
        (LINEAR, 100, "accuracy"),
        (LINEAR, 200, "roc_auc"),
        (SVC(), 200, "accuracy"),
        (DecisionTreeClassifier(), 100, "accuracy"),
        (KNeighborsClassifier(), 200, "accuracy"),
        (Ridge(), 200, "r2"),
        (DecisionTreeRegressor(), 200, "r2"),
    ],
    ids=str,
)
def test_predicted_standard_error_is_that_of_fresh_data_sets(model, n, scoring):
    if scoring == "r2":
        X, y = make_friedman1(40_000, 10, noise=2.0, random_state=7)
    else:
        X, y = make_classification(
            40_000, 20, n_informative=5, class_sep=0.7, flip_y=0.05, random_state=7
        )
    splitter = KFold if scoring == "r2" else StratifiedKFold

    def score(seed):
        rng = np.random.default_rng(seed)
        rows = rng.choice(len(y), n, replace=False)
        cv = splitter(5, shuffle=True, random_state=seed)
        if "random_state" in model.get_params():
            model.set_params(random_state=seed)
        return cross_val_score(model, X[rows], y[rows], cv=cv, scoring=scoring).mean()

    observed = np.std([score(seed) for seed in range(200)], ddof=1)
    predicted = []
    for seed in range(1000, 1015):
        rows = np.random.default_rng(seed).choice(len(y), n, replace=False)
        found = metric_stability(model, X[rows], y[rows], cv=5, scoring=scoring, random_state=seed)
        predicted.append(found.noise.loc[5, "standard_error"])
    print(f"{model} {n} {scoring}: {np.median(predicted) / observed:.2f} of {observed:.4f}")
    assert np.median(predicted) == pytest.approx(observed, rel=0.25)
