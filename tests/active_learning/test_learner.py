"""The learner: what it asks, what it learns, and what it refuses."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.gaussian_process import GaussianProcessRegressor as ScikitLearnGP
from sklearn.linear_model import BayesianRidge, LogisticRegression, RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils import _safe_indexing
from sklearn.utils.estimator_checks import check_estimator

import skdeep
from skdeep import CNNClassifier, GaussianProcessRegressor, MLPClassifier, MLPRegressor
from skdeep.active_learning import ActiveLearner
from skdeep.active_learning.choosing import STRATEGIES
from skdeep.active_learning.members import member_predictions


@pytest.fixture(scope="module")
def blobs():
    """Rows of three classes, 0, 1 and 2, which overlap, shuffled."""
    return make_blobs(90, centers=[[0, 0], [3, 0], [0, 3]], random_state=0)


def partly(y, n, none=-1):
    """The labels, of which the first n are known."""
    return np.where(np.arange(len(y)) < n, y, none)


def same(learner, other, X):
    np.testing.assert_array_equal(learner.predict_proba(X), other.predict_proba(X))
    np.testing.assert_array_equal(learner.y_, other.y_)


# What it learns -------------------------------------------------------------------------------


def test_it_knows_what_the_estimator_fitted_on_all_labels_knows(blobs):
    X, y = blobs
    learner = ActiveLearner(GaussianNB(), batch_size=5).fit(X[:20], y[:20])
    rows = learner.query(X[20:])
    learner.teach(X[20:][rows], y[20:][rows])
    seen = np.concatenate([np.arange(20), 20 + rows])
    model = GaussianNB().fit(X[seen], y[seen])
    np.testing.assert_array_equal(learner.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(learner.predict(X), model.predict(X))
    assert learner.score(X, y) == model.score(X, y)
    np.testing.assert_array_equal(learner.X_, X[seen])
    np.testing.assert_array_equal(learner.y_, y[seen])


def test_rows_of_fit_without_labels_are_asked_for_by_number_and_labelled_so(blobs):
    X, y = blobs
    own = ActiveLearner(GaussianNB(), batch_size=5, random_state=0).fit(X, partly(y, 20))
    other = ActiveLearner(GaussianNB(), batch_size=5, random_state=0).fit(X[:20], y[:20])
    for _ in range(3):
        rows, of_rest = own.query(), other.query(X[own.unlabelled_])
        np.testing.assert_array_equal(rows, own.unlabelled_[of_rest])
        own.label(rows, y[rows])
        other.teach(X[rows], y[rows])
        same(own, other, X)
        assert not np.isin(rows, own.unlabelled_).any()
    assert len(own.unlabelled_) == 90 - 20 - 15


@pytest.mark.parametrize(
    "labels",
    [
        partly(np.arange(90) % 3, 20),
        partly(np.arange(90) % 3, 20, np.nan),
        partly(np.arange(90) % 3, 20).astype(float),
        partly(np.arange(90) % 3, 20, None),
        partly(np.arange(90) % 3, 20, None).tolist(),
        pd.Series(partly(np.arange(90) % 3, 20, None)).astype("Int64"),
        np.array(["no", "yes", "maybe"], dtype=object)[np.arange(90) % 3].tolist()[:20]
        + [np.nan] * 70,
        pd.Series(["no", "yes"] * 10 + [None] * 70, dtype="category"),
    ],
)
def test_minus_one_nan_and_none_are_no_labels(blobs, labels):
    learner = ActiveLearner(GaussianNB()).fit(blobs[0], labels)
    np.testing.assert_array_equal(learner.unlabelled_, np.arange(20, 90))
    expected = [label for label in labels if not pd.isna(label)][:20]
    assert learner.y_.tolist() == expected


def test_integers_with_gaps_stay_integers(blobs):
    labels = pd.Series(partly(np.arange(90) % 3, 20, None)).astype("Int64")
    assert ActiveLearner(GaussianNB()).fit(blobs[0], labels).predict(blobs[0]).dtype.kind == "i"


def test_minus_one_is_a_number_to_a_regressor():
    y = np.array([-1, 0, np.nan, 2])
    learner = ActiveLearner(DecisionTreeRegressor()).fit(np.arange(4)[:, None], y)
    assert learner.y_.tolist() == [-1, 0, 2]
    assert learner.query().tolist() == [2]


@pytest.mark.parametrize("warm_start", [False, True])
@pytest.mark.parametrize(
    "model",
    [MLPClassifier(epochs=2, random_state=0), LogisticRegression()],
    ids=["MLP", "logistic"],
)
def test_a_class_that_comes_late_is_learnt(blobs, model, warm_start):
    X, y = blobs
    learner = ActiveLearner(clone(model).set_params(warm_start=warm_start))
    first = y < 2
    learner.fit(X[first], y[first])
    assert learner.classes_.tolist() == [0, 1]
    learner.teach(X, y)
    assert learner.classes_.tolist() == [0, 1, 2]
    assert learner.predict_proba(X).shape == (90, 3)


def test_a_warm_estimator_goes_on_and_a_cold_one_begins_anew(blobs):
    X, y = blobs
    cold = ActiveLearner(MLPClassifier(epochs=2, random_state=0)).fit(X[:60], y[:60])
    warm = clone(cold).set_params(estimator__warm_start=True).fit(X[:60], y[:60])
    before = warm.estimator_
    for learner in (cold, warm):
        learner.teach(X[60:], y[60:])
    assert (cold.estimator_.n_iter_, warm.estimator_.n_iter_) == (2, 4)
    assert before.n_iter_ == 2


# What it asks ---------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 7])
def test_most_wanted_comes_first_and_scores_are_the_estimators(blobs, batch_size):
    X, y = blobs
    model = LogisticRegression().fit(X[:30], y[:30])
    p = np.sort(model.predict_proba(X[30:]), axis=1)
    wanted = {
        "margin": p[:, -2] - p[:, -1],
        "least_confidence": -p[:, -1],
        "entropy": -(p * np.log(p)).sum(axis=1),
    }
    for strategy, score in wanted.items():
        learner = ActiveLearner(LogisticRegression(), strategy=strategy, batch_size=batch_size)
        rows = learner.fit(X[:30], y[:30]).query(X[30:])
        if batch_size == 1:
            assert rows == score.argmax()
        assert len(rows) == batch_size
        assert (np.diff(score[rows]) <= 0).all()


def test_a_batch_has_no_doubles_of_one_question(blobs):
    X, y = blobs
    learner = ActiveLearner(GaussianNB(), random_state=0).fit(X[:30], y[:30])
    (worst,) = learner.query(X)
    pool = np.concatenate([X[[worst] * 20], X])
    rows = learner.set_params(batch_size=5).query(pool)
    assert len(np.unique(pool[rows], axis=0)) == 5


def test_rows_without_places_are_asked_for_by_their_scores_alone(blobs):
    X, y = blobs[0].copy(), blobs[1]
    X[::7, 0] = np.nan
    model = HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=3)
    learner = ActiveLearner(model, batch_size=4, random_state=0).fit(X[:40], y[:40])
    p = np.sort(learner.predict_proba(X), axis=1)
    left = p[:, -1] - p[:, -2]
    assert left[learner.query(X)].max() <= np.sort(left)[3]


def test_without_probabilities_the_margin_is_the_decision_functions(blobs):
    X, y = blobs[0], blobs[1] > 0
    learner = ActiveLearner(SVC()).fit(X[:30], y[:30])
    assert learner.strategy_ == "margin"
    distance = np.abs(SVC().fit(X[:30], y[:30]).decision_function(X[30:]))
    assert learner.query(X[30:]) == distance.argmin()


def test_a_function_is_a_strategy(blobs):
    X, y = blobs

    def far_out(estimator, X_pool):
        assert isinstance(estimator, GaussianNB)
        return np.linalg.norm(X_pool, axis=1)

    learner = ActiveLearner(GaussianNB(), strategy=far_out, batch_size=3).fit(X[:30], y[:30])
    expected = np.argsort(-np.linalg.norm(X[30:], axis=1))[:3]
    np.testing.assert_array_equal(learner.query(X[30:]), expected)


def test_equal_rows_are_asked_for_in_random_order_which_the_seed_decides(blobs):
    X, y = blobs
    answers = set()
    for seed in range(8):
        learner = ActiveLearner(GaussianNB(), random_state=seed).fit(X[:30], y[:30])
        (row,) = learner.query(X[[40] * 50])
        assert learner.query(X[[40] * 50]) == row
        answers.add(int(row))
    assert len(answers) > 3


def test_a_pool_smaller_than_a_batch_is_asked_for_as_a_whole(blobs):
    X, y = blobs
    learner = ActiveLearner(GaussianNB(), batch_size=10).fit(X[:30], y[:30])
    assert sorted(learner.query(X[:4])) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (LogisticRegression(), "margin"),
        (make_pipeline(StandardScaler(), RidgeClassifier()), "margin"),
        (VotingClassifier([("a", GaussianNB()), ("b", SVC())]), "core_set"),
        (GaussianProcessRegressor(), "variance_reduction"),
        (make_pipeline(StandardScaler(), ScikitLearnGP(optimizer=None)), "variance_reduction"),
        (GaussianProcessRegressor(y_transform="power"), "deviation"),
        (BayesianRidge(), "deviation"),
        (MLPRegressor(loss="gaussian"), "disagreement"),
        (SVR(), "disagreement"),
    ],
)
def test_the_default_is_what_the_estimator_can_do(blobs, model, expected):
    X, y = blobs
    learner = ActiveLearner(model).fit(X[:30], y[:30])
    assert learner.strategy_ == expected
    assert 0 <= learner.query(X[30:])[0] < 60


@pytest.mark.parametrize(
    ("model", "strategy", "reason"),
    [
        (SVC(), "entropy", "needs predict_proba.* 'random', 'margin', 'core_set'"),
        (RidgeClassifier(), "disagreement", "needs predict_proba"),
        (GaussianNB(), "variance_reduction", "for Gaussian processes"),
        (SVR(), "margin", "for classifiers.* can do 'random', 'disagreement', 'core_set'"),
        (SVR(), "deviation", "return_std"),
        (MLPRegressor(loss="gaussian"), "deviation", "noise of y"),
        (GaussianProcessRegressor(y_transform="power"), "variance_reduction", "depends on y"),
    ],
)
def test_a_strategy_that_the_estimator_cannot_do_is_refused_before_any_fit(
    blobs, model, strategy, reason
):
    learner = ActiveLearner(model, strategy=strategy)
    with pytest.raises(ValueError, match=reason):
        learner.fit(*blobs)
    assert not hasattr(learner, "estimator_")


@pytest.mark.parametrize("strategy", [name for name in STRATEGIES if name != "random"])
def test_strategies_beat_random_where_one_half_of_the_rows_is_dull(strategy):
    rng = np.random.default_rng(0)
    pool = np.concatenate([np.zeros((300, 1)), rng.uniform(-1, 1, size=(60, 1))])
    if strategy in ("deviation", "variance_reduction"):
        model = GaussianProcessRegressor(random_state=0)
        X, y = np.array([[0.0], [0.01], [0.2]]), np.array([0.0, 0.01, 0.2])
    else:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=1.0))
        X, y = np.array([[0.0], [0.1], [0.9]]), np.array([0, 0, 1])
    learner = ActiveLearner(model, strategy=strategy, batch_size=6, random_state=0).fit(X, y)
    rows = learner.query(pool)
    assert len(set(rows)) == 6
    assert rows[0] >= 300
    if strategy != "disagreement":  # whose other rows are drawn
        assert (rows >= 300).sum() >= 5


# Members --------------------------------------------------------------------------------------


def doubts(model, X, y, pool, n_members=None):
    fitted = clone(model).fit(X, y)
    return member_predictions(fitted, X, y, pool, n_members, np.random.default_rng(0))


@pytest.mark.parametrize(
    "model",
    [
        RandomForestClassifier(7, random_state=0),
        make_pipeline(StandardScaler(), BaggingClassifier(n_estimators=7, random_state=0)),
        BaggingClassifier(n_estimators=7, max_features=0.5, max_samples=4, random_state=0),
        BaggingClassifier(RidgeClassifier(), n_estimators=7, max_samples=4, random_state=0),
        VotingClassifier([("a", GaussianNB()), ("b", LogisticRegression())], voting="soft"),
        MLPClassifier(epochs=3, dropout=0.3, random_state=0),
        make_pipeline(StandardScaler(), MLPClassifier(epochs=3, dropout=0.3, random_state=0)),
    ],
    ids=["forest", "bagging", "of columns", "votes", "voting", "dropout", "in a pipeline"],
)
def test_the_members_mean_is_what_the_ensemble_predicts(blobs, model):
    X, y = blobs[0], np.array(["a", "b", "c"])[blobs[1]]
    members = doubts(model, X[:40], y[:40], X[40:])
    predicted = model.fit(X[:40], y[:40])
    if "MLP" in repr(model):
        expected = predicted.predict_proba(X[40:], n_samples=50)
    else:
        expected = predicted.predict_proba(X[40:])
    np.testing.assert_allclose(members.mean(axis=0), expected, atol=1e-6)
    assert members.std(axis=0).max() > 0.01


@pytest.mark.parametrize(
    "model",
    [
        RandomForestRegressor(7, random_state=0),
        BaggingRegressor(n_estimators=7, max_features=0.5, random_state=0),
        VotingRegressor([("a", BayesianRidge()), ("b", KNeighborsRegressor())]),
        MLPRegressor(epochs=3, dropout=0.3, random_state=0),
        MLPRegressor(epochs=3, dropout=0.3, loss="gaussian", random_state=0),
    ],
    ids=["forest", "bagging", "voting", "dropout", "dropout and noise"],
)
def test_the_members_mean_is_what_the_ensemble_of_regressors_predicts(blobs, model):
    X, y = blobs[0], blobs[0][:, 0] ** 2
    members = doubts(model, X[:40], y[:40], X[40:])
    predicted = model.fit(X[:40], y[:40])
    if isinstance(model, MLPRegressor):
        expected, deviation = predicted.predict(X[40:], n_samples=50, return_std=True)
        if model.loss == "squared":  # else it has the noise in it, which is no doubt
            np.testing.assert_allclose(members.std(axis=0), deviation, rtol=1e-5)
        else:
            assert (members.std(axis=0) < deviation).all()
    else:
        expected = predicted.predict(X[40:])
    np.testing.assert_allclose(members.mean(axis=0), expected, rtol=1e-5)


def test_a_committee_has_all_classes_and_other_seeds_in_each_member(blobs):
    X, y = blobs
    rare = np.concatenate([np.flatnonzero(y < 2)[:30], np.flatnonzero(y == 2)[:1]])
    members = doubts(LogisticRegression(), X[rare], y[rare], X, 6)
    assert members.shape == (6, 90, 3)
    np.testing.assert_allclose(members.sum(axis=2), 1)
    assert members.std(axis=0).min(axis=0).max() > 0
    alone = [[0.0], [1.0]], np.array([0.0, 1.0])
    mlp = MLPRegressor(epochs=1, random_state=0)
    assert (
        len(np.unique(doubts(mlp, np.tile(alone[0], (9, 1)), np.tile(alone[1], 9), [[5.0]]))) == 5
    )


def test_the_number_of_members_is_the_committees(blobs):
    X, y = blobs
    count = []

    class Counted(GaussianNB):
        def fit(self, X, y):
            count.append(len(y))
            return super().fit(X, y)

    learner = ActiveLearner(Counted(), strategy="disagreement", n_members=3).fit(X[:30], y[:30])
    learner.query(X)
    assert count == [30, 30, 30, 30]


# Kinds of rows --------------------------------------------------------------------------------


def test_few_members_leave_more_rows_than_they_are_in_doubt():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    y = X[:, 0] + rng.normal(size=300)
    members = [
        ("a", DecisionTreeRegressor(random_state=0)),
        ("b", BayesianRidge()),
        ("c", KNeighborsRegressor()),
    ]
    model = VotingRegressor(members).fit(X[:50], y[:50])
    learner = ActiveLearner(model, strategy="disagreement", batch_size=30).fit(X[:50], y[:50])
    variance = np.var([member.predict(X[50:]) for member in model.estimators_], axis=0)
    assert variance[learner.query(X[50:])].min() > np.median(variance)


def test_kinds_of_rows_are_taken_and_stacked_as_they_are(blobs):
    X, y = blobs
    cnn = CNNClassifier(architecture=(2,), epochs=1)
    words = np.array(["red", "green", "blue"])[y]
    kinds = {
        "array": (X, GaussianNB()),
        "list": (X.tolist(), GaussianNB()),
        "sparse": (sp.csr_array(X), LogisticRegression()),
        "coo": (sp.coo_array(X), LogisticRegression()),
        "frame": (pd.DataFrame(X, columns=["a", "b"], index=np.arange(90) * 7), GaussianNB()),
        "polars": (pl.DataFrame(X, schema=["a", "b"]), GaussianNB()),
        "texts": (words.tolist(), make_pipeline(CountVectorizer(), LogisticRegression())),
        "series": (pd.Series(words), make_pipeline(CountVectorizer(), LogisticRegression())),
        "images": (X.repeat(8, axis=1).reshape(90, 4, 4), cnn),
    }
    for kind, (rows, model) in kinds.items():
        learner = ActiveLearner(model, batch_size=3).fit(rows, partly(y, 30))
        asked = learner.query()
        learner.label(asked, y[asked])
        labelled = np.concatenate([np.arange(30), asked])
        if kind != "coo":
            learner.teach(_safe_indexing(rows, [50, 51]), y[[50, 51]])
            labelled = np.append(labelled, [50, 51])
        np.testing.assert_array_equal(learner.y_, y[labelled], err_msg=kind)
        assert type(learner.X_) is type(rows) or kind == "coo", kind
        back = learner.X_.toarray() if kind in ("sparse", "coo") else np.asarray(learner.X_)
        given = rows.toarray() if kind in ("sparse", "coo") else np.asarray(rows)
        np.testing.assert_array_equal(back, given[labelled], err_msg=kind)


def test_features_under_the_last_layer_decide_what_covers(blobs):
    X, y = blobs
    model = make_pipeline(StandardScaler(), MLPClassifier(epochs=2, random_state=0))
    learner = ActiveLearner(model, strategy="core_set").fit(X[:30], y[:30])
    Z = model.fit(X[:30], y[:30]).transform(X)
    apart = np.linalg.norm(Z[30:, None] - Z[:30], axis=2).min(axis=1)
    assert learner.query(X[30:]) == apart.argmax()
    votes = VotingClassifier([("a", GaussianNB()), ("b", LogisticRegression())])
    learner = ActiveLearner(votes, strategy="core_set").fit(X[:30], y[:30])
    apart = np.linalg.norm(X[30:, None] - X[:30], axis=2).min(axis=1)
    assert learner.query(X[30:]) == apart.argmax()  # what it transforms to are votes, no features
    images = X.repeat(8, axis=1).reshape(90, 4, 4)
    CNN = CNNClassifier(architecture=(2,), epochs=1, random_state=0)
    assert ActiveLearner(CNN, strategy="core_set").fit(images[:30], y[:30]).query(images).size == 1


@pytest.mark.parametrize("model", [GaussianProcessRegressor(), RandomForestRegressor(5)])
def test_of_a_pool_too_large_for_its_covariance_some_rows_stand_for_it(monkeypatch, model):
    monkeypatch.setattr("skdeep.active_learning.choosing.MOST_ROWS", 20)
    X = np.linspace(0, 1, 200)[:, None]
    learner = ActiveLearner(model, batch_size=4, random_state=0)
    rows = learner.fit(X[:3], [0.0, 0.1, 0.2]).query(X)
    assert len(set(rows)) == 4
    assert rows.max() > 20
    assert len(set(learner.set_params(batch_size=30).query(X))) == 30


# What it refuses ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.full(90, -1), "no label for any of 90 rows"),
        (np.where(np.arange(90) < 5, 1, -1), "one class only, .*1.* -1 is no class"),
        (None, "requires y to be passed"),
        (np.zeros(89), "inconsistent numbers of samples"),
        (np.zeros((90, 2)), "y should be a 1d array"),
    ],
)
def test_labels_with_which_nothing_can_begin_are_refused(blobs, y, message):
    learner = ActiveLearner(GaussianNB())
    with pytest.raises(ValueError, match=message):
        learner.fit(blobs[0], y)
    assert vars(learner) == vars(ActiveLearner(learner.estimator))


def test_what_is_neither_classifier_nor_regressor_is_refused(blobs):
    with pytest.raises(TypeError, match="KMeans is neither"):
        ActiveLearner(KMeans()).fit(*blobs)


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        ([[1.0, 2.0, 3.0]], [0], r"rows of shape \(3,\)"),
        ([[1.0, 2.0]], [0, 1], "1 rows and 2 labels"),
        ([[1.0, 2.0]], [-1], "no label .* leave out"),
        ([[1.0, 2.0]], [np.nan], "no label"),
        ([[1.0, 2.0]], ["a"], "labels of one kind"),
        (np.zeros((0, 2)), [], "at least one"),
        ([[np.nan, 2.0]], [0], "NaN"),
        (pd.DataFrame({"a": [1.0], "b": [2.0]}), [0], "DataFrame, but fit got ndarray"),
    ],
)
def test_a_lesson_that_fails_leaves_all_as_it_was(blobs, X, y, message):
    X = np.array(X) if isinstance(X, list) else X
    learner = ActiveLearner(GaussianNB(), random_state=0).fit(blobs[0], partly(blobs[1], 30))
    before, state = learner.predict_proba(blobs[0]), dict(vars(learner))
    with pytest.raises((ValueError, TypeError), match=message):
        learner.teach(X, y)
    assert vars(learner) == state
    np.testing.assert_array_equal(learner.predict_proba(blobs[0]), before)


def test_a_failing_warm_lesson_leaves_the_fit_as_it_was(blobs):
    X, y = blobs
    learner = ActiveLearner(LogisticRegression(warm_start=True)).fit(X, y)
    before = learner.predict_proba(X)
    with pytest.raises(ValueError, match="NaN"):
        learner.teach(np.array([[np.nan, 0.0]]), [0])
    np.testing.assert_array_equal(learner.predict_proba(X), before)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([5], "60, but row 5 has a label"),
        ([40, 40], "has 40 twice"),
        ([90], "row 90"),
        (-1, "row -1"),
        (["a"], "numbers of rows"),
        (np.arange(90) > 30, "dtype bool"),
        ([[40]], r"shape \(1, 1\)"),
    ],
)
def test_numbers_of_no_unlabelled_rows_are_refused(blobs, rows, message):
    learner = ActiveLearner(GaussianNB()).fit(blobs[0], partly(blobs[1], 30))
    with pytest.raises(ValueError, match=message):
        learner.label(rows, [0] * np.size(rows))
    assert len(learner.unlabelled_) == 60


def test_pools_that_are_empty_or_of_other_rows_are_refused(blobs):
    X, y = blobs
    learner = ActiveLearner(GaussianNB(), strategy="random")
    with pytest.raises(NotFittedError):
        learner.query(X)
    learner.fit(X, y)
    with pytest.raises(ValueError, match="all rows that fit got have labels"):
        learner.query()
    with pytest.raises(ValueError, match="no rows"):
        learner.query(X[:0])
    with pytest.raises(ValueError, match=r"X_pool has rows of shape \(1,\)"):
        learner.query(X[:, :1])
    with pytest.raises(ValueError, match="pass rows with the same features, and a single one"):
        learner.query(X[0])
    frame = pd.DataFrame(X, columns=["a", "b"])
    learner.fit(frame, y)
    with pytest.raises(ValueError, match="columns"):
        learner.query(frame[["b", "a"]])


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (np.zeros(3), r"each of 90 rows, but .* \(3,\)"),
        (["a"] * 90, "array of numbers"),
        ([0.0] * 40 + [np.nan] * 50, "nan for 50 of 90, the first of them row 40"),
    ],
)
def test_a_function_that_returns_no_score_for_each_row_is_refused(blobs, scores, message):
    learner = ActiveLearner(GaussianNB(), strategy=lambda model, X: scores).fit(*blobs)
    with pytest.raises(ValueError, match=message):
        learner.query(blobs[0])


# scikit-learn ---------------------------------------------------------------------------------

# It has the classes -1 and 1 in one place, where it excuses its own semi-supervised learners.
EXCUSED = {"check_classifiers_classes": "-1 is no class but stands for a missing label"}


@pytest.mark.parametrize(
    ("model", "excused"),
    [
        (LogisticRegression(), EXCUSED),
        (BayesianRidge(), {}),
        (RandomForestRegressor(5, random_state=0), {}),
    ],
    ids=["classifier", "regressor", "forest"],
)
def test_scikit_learns_checks_pass(model, excused):
    results = check_estimator(
        ActiveLearner(model), expected_failed_checks=excused, on_skip=None, on_fail=None
    )
    failed = {r["check_name"]: r["exception"] for r in results if r["status"] == "failed"}
    assert failed == {}
    assert {r["check_name"] for r in results if r["status"] == "xfail"} == set(excused)


def test_it_is_what_its_estimator_is():
    assert is_classifier(ActiveLearner(GaussianNB()))
    assert is_regressor(ActiveLearner(make_pipeline(StandardScaler(), BayesianRidge())))
    assert not hasattr(ActiveLearner(SVC()), "predict_proba")
    assert hasattr(ActiveLearner(SVC()), "decision_function")
    assert not hasattr(ActiveLearner(BayesianRidge()), "decision_function")


def test_it_hands_on_what_predict_takes(blobs):
    X, y = blobs[0], blobs[0][:, 0]
    learner = ActiveLearner(GaussianProcessRegressor()).fit(X, y)
    mean, std = learner.predict(X, return_std=True)
    assert mean.shape == std.shape == (90,)


def test_with_rows_in_a_table_it_pickles_and_save_says_what_to_do(blobs, tmp_path):
    frame = pd.DataFrame(blobs[0], columns=["a", "b"])
    learner = ActiveLearner(GaussianNB(), random_state=0).fit(frame, partly(blobs[1], 30))
    assert pickle.loads(pickle.dumps(learner)).query() == learner.query()
    with pytest.raises(TypeError, match="no DataFrame; pickle it"):
        skdeep.save(learner, tmp_path / "learner.skdeep")


@pytest.mark.parametrize(
    "model", [MLPClassifier(epochs=2, dropout=0.2, random_state=0), LogisticRegression()]
)
def test_pickled_and_saved_it_asks_and_learns_alike(blobs, model, tmp_path):
    X, y = blobs
    learner = ActiveLearner(model, strategy="disagreement", batch_size=4, random_state=0)
    learner.fit(X, partly(y, 30))
    skdeep.save(learner, tmp_path / "learner.skdeep")
    others = [pickle.loads(pickle.dumps(learner)), skdeep.load(tmp_path / "learner.skdeep")]
    rows = learner.query()
    learner.label(rows, y[rows])
    for other in others:
        np.testing.assert_array_equal(other.query(), rows)
        other.label(rows, y[rows])
        same(learner, other, X)
