"""Bagged folds: what each estimator sees, what comes of it, and what is refused."""

import pickle
from collections import Counter

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.datasets import load_iris
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    ShuffleSplit,
    StratifiedKFold,
    cross_val_predict,
)
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils import estimator_checks, get_tags

import skdeep
from skdeep import MLPClassifier, MLPRegressor
from skdeep.tabular.folds import BaggedFoldsClassifier, BaggedFoldsRegressor
from skdeep.tabular.recipe import TabularClassifier, TabularRegressor

FOLDS = StratifiedKFold(3, shuffle=True, random_state=0)
SHORT = {"hidden_layer_sizes": (4,), "epochs": 2, "random_state": 0}


def network(**parameters):
    return MLPClassifier(
        **{
            "hidden_layer_sizes": (8,),
            "epochs": 8,
            "batch_size": 50,
            "learning_rate": 0.05,
            "early_stopping": True,
            "patience": 1,
            "random_state": 0,
        }
        | parameters
    )


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(X), np.array(["setosa", "versicolor", "virginica"])[y]


@pytest.fixture(scope="module")
def numbers():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    return X, X @ [[1.0, -1.0], [2.0, 0.5]] + rng.normal(size=(60, 2))


@pytest.fixture(scope="module")
def table():
    """A frame of numbers, words and gaps, and classes that follow from it."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"x": rng.normal(size=90), "town": rng.choice(["Ulm", "Ayr", "Nice"], 90)},
        index=rng.permutation(90),
    )
    y = np.where((frame["x"] > 0) == (frame["town"] == "Ulm"), "yes", "no")
    frame.loc[frame.index[::7], "x"] = np.nan
    frame.loc[frame.index[::11], "town"] = None
    return frame, y


class Recorder(BaseEstimator):
    """Keeps what its fit got."""

    def fit(self, X, y, sample_weight=None, X_val=None, y_val=None, sample_weight_val=None):
        self.got_ = {
            **{"X": X, "y": y, "weight": sample_weight},
            **{"X_val": X_val, "y_val": y_val, "weight_val": sample_weight_val},
        }
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))

    def predict(self, X):
        return np.zeros(len(X))


class RecordingClassifier(ClassifierMixin, Recorder):
    pass


class RecordingRegressor(RegressorMixin, Recorder):
    pass


each_kind = pytest.mark.parametrize(
    "kind",
    [(BaggedFoldsClassifier, RecordingClassifier), (BaggedFoldsRegressor, RecordingRegressor)],
    ids=["classes", "numbers"],
)


@pytest.mark.parametrize(
    "model",
    [
        BaggedFoldsClassifier(LogisticRegression()),
        BaggedFoldsClassifier(MLPClassifier(epochs=5, early_stopping=True), cv=3),
        BaggedFoldsRegressor(Ridge()),
    ],
    ids=str,
)
def test_scikit_learns_checks_pass_with_none_excused(model):
    results = estimator_checks.check_estimator(model, on_skip=None, on_fail=None)
    failed = {r["check_name"]: r["exception"] for r in results if r["status"] == "failed"}
    assert failed == {}
    skipped = {r["check_name"] for r in results if r["status"] == "skipped"}
    assert skipped <= {"check_array_api_input"}
    counts = Counter(r["status"] for r in results)
    assert counts.keys() <= {"passed", "skipped"}  # no "xfail"
    assert counts["passed"] >= 55


# What each estimator sees ----------------------------------------------------------------


@each_kind
def test_each_trains_on_the_other_folds_and_validates_on_its_own(kind):
    bagged, recording = kind
    X, y = np.arange(12)[:, None], np.arange(12) % 3
    weight = np.arange(1.0, 13.0)
    model = bagged(recording(), cv=FOLDS).fit(X, y, sample_weight=weight)
    assert len(model.estimators_) == 3
    for estimator, (train, test) in zip(model.estimators_, FOLDS.split(X, y), strict=True):
        expected = {
            **{"X": X[train], "y": y[train], "weight": weight[train]},
            **{"X_val": X[test], "y_val": y[test], "weight_val": weight[test]},
        }
        for name, values in expected.items():
            np.testing.assert_array_equal(estimator.got_[name], values, err_msg=name)
    bare = bagged(recording(), cv=FOLDS).fit(X, y).estimators_[0].got_
    assert bare["weight"] is None
    assert bare["weight_val"] is None
    assert bare["X_val"] is not None


@pytest.mark.parametrize("estimator", [network(), TabularClassifier(**SHORT)], ids=str)
def test_a_network_is_stopped_by_its_fold(estimator, iris):
    X, y = iris
    model = BaggedFoldsClassifier(estimator, cv=FOLDS).fit(X, y)
    by_hand = [
        clone(estimator).fit(X[train], y[train], X_val=X[test], y_val=y[test])
        for train, test in FOLDS.split(X, y)
    ]
    probabilities = [one.predict_proba(X) for one in by_hand]
    np.testing.assert_array_equal(model.predict_proba(X), np.mean(probabilities, axis=0))
    for (_, test), one in zip(FOLDS.split(X, y), probabilities, strict=True):
        np.testing.assert_array_equal(model.oof_prediction_[test], one[test])
    assert [m.best_epoch_ for m in model.estimators_] == [m.best_epoch_ for m in by_hand]


def test_boosting_validates_where_it_stops_early_and_only_there(iris):
    X, y = iris
    for stops in (True, False):
        boosting = HistGradientBoostingClassifier(
            max_iter=30, early_stopping=stops, n_iter_no_change=2, random_state=0
        )
        model = BaggedFoldsClassifier(boosting, cv=FOLDS).fit(X, y)
        for one, (train, test) in zip(model.estimators_, FOLDS.split(X, y), strict=True):
            validation = {"X_val": X[test], "y_val": y[test]} if stops else {}
            expected = clone(boosting).fit(X[train], y[train], **validation)
            np.testing.assert_array_equal(one.predict_proba(X), expected.predict_proba(X))


def test_an_integer_counts_shuffled_folds_with_like_shares_of_the_classes():
    X, y = np.arange(60)[:, None], np.repeat(list("aab"), 20)
    models = [BaggedFoldsClassifier(RecordingClassifier(), cv=cv) for cv in (None, 4)]
    for model, n_folds in zip(models, (5, 4), strict=True):
        model.set_params(random_state=0).fit(X, y)
        tests = [estimator.got_["X_val"][:, 0] for estimator in model.estimators_]
        assert len(tests) == n_folds
        np.testing.assert_array_equal(np.sort(np.concatenate(tests)), np.arange(60))
        assert all(Counter(y[test])["a"] == 40 / n_folds for test in tests)
        assert np.diff(tests[0]).max() > 1
    regressor = BaggedFoldsRegressor(RecordingRegressor(), random_state=0).fit(X, X[:, 0])
    tests = [estimator.got_["X_val"][:, 0] for estimator in regressor.estimators_]
    assert [len(test) for test in tests] == [12] * 5
    assert np.diff(tests[0]).max() > 1


# What comes of it ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(),
        make_pipeline(StandardScaler(), network()),
        GridSearchCV(DecisionTreeClassifier(random_state=0), {"max_depth": [1, 2]}, cv=2),
    ],
    ids=["linear", "pipeline", "search"],
)
def test_probabilities_out_of_fold_are_those_of_cross_val_predict(estimator, iris):
    X, y = iris
    model = BaggedFoldsClassifier(estimator, cv=FOLDS).fit(X, y)
    expected = cross_val_predict(estimator, X, y, cv=FOLDS, method="predict_proba")
    np.testing.assert_array_equal(model.oof_prediction_, expected)
    each = [
        clone(estimator).fit(X[train], y[train]).predict_proba(X) for train, _ in FOLDS.split(X, y)
    ]
    np.testing.assert_array_equal(model.predict_proba(X), np.mean(each, axis=0))
    likeliest = model.classes_[np.mean(each, axis=0).argmax(axis=1)]
    np.testing.assert_array_equal(model.predict(X), likeliest)
    assert model.score(X, y) > 0.9


@pytest.mark.parametrize("columns", [0, [0, 1]])
def test_numbers_out_of_fold_are_those_of_cross_val_predict(columns, numbers):
    X, y = numbers[0], numbers[1][:, columns]
    tree = DecisionTreeRegressor(max_depth=3, random_state=0)
    model = BaggedFoldsRegressor(tree, cv=KFold(4)).fit(X, y)
    np.testing.assert_array_equal(model.oof_prediction_, cross_val_predict(tree, X, y, cv=KFold(4)))
    each = [clone(tree).fit(X[train], y[train]).predict(X) for train, _ in KFold(4).split(X)]
    np.testing.assert_array_equal(model.predict(X), np.mean(each, axis=0))


def test_the_mean_errs_less_than_its_members_by_their_variance(numbers):
    """The ambiguity decomposition: Krogh, Vedelsby. NeurIPS, 1994, equation 6."""
    X, y = numbers
    estimator = MLPRegressor(hidden_layer_sizes=(8,), early_stopping=True, learning_rate=0.05)
    model = BaggedFoldsRegressor(estimator, random_state=0).fit(X[:40], y[:40])
    each = np.array([one.predict(X[40:]) for one in model.estimators_])
    errors = np.mean((each - y[40:]) ** 2, axis=0)
    found = (model.predict(X[40:]) - y[40:]) ** 2
    np.testing.assert_allclose(found, errors - each.var(axis=0), rtol=1e-5, atol=1e-9)
    assert model.score(X[40:], y[40:]) > 0.3


def test_five_networks_predict_better_than_one_that_holds_rows_out():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(700, 8))
    y = (X[:, 0] + X[:, 1] * X[:, 2] + rng.normal(size=700) > 0).astype(int)
    one = network(hidden_layer_sizes=(16,), epochs=20, patience=5, validation_fraction=0.2)
    bag = BaggedFoldsClassifier(one, random_state=0)
    losses = [
        log_loss(y[200:], model.fit(X[:200], y[:200]).predict_proba(X[200:]))
        for model in (one, bag)
    ]
    assert losses[1] < losses[0] - 0.01
    # A fold chose its network's epoch, so that the loss out of fold may flatter a little.
    oof = log_loss(y[:200], bag.oof_prediction_)
    members = [log_loss(y[200:], m.predict_proba(X[200:])) for m in bag.estimators_]
    assert oof == pytest.approx(np.mean(members), abs=0.15)


def test_a_class_that_a_fold_lacks_has_probability_zero_in_its_place():
    X = np.arange(12.0)[:, None]
    y = np.array(list("aaaabccccccc"))
    model = BaggedFoldsClassifier(LogisticRegression(), cv=KFold(3)).fit(X, y)
    assert model.classes_.tolist() == ["a", "b", "c"]
    np.testing.assert_array_equal(model.oof_prediction_[4:8, 1], 0)  # the only b is in this fold
    np.testing.assert_array_equal(model.oof_prediction_[:4, 0], 0)  # all a are in this
    assert (model.oof_prediction_[8:] > 0).all()
    probabilities = model.predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    last = model.estimators_[2].predict_proba(X)
    np.testing.assert_allclose(
        probabilities[:, 1], (model.estimators_[0].predict_proba(X)[:, 0] + last[:, 1]) / 3
    )


def test_rows_of_a_class_that_was_not_trained_on_do_not_validate():
    X, y = np.arange(9.0)[:, None], np.array(list("aaaabcccc"))
    weight = np.arange(1.0, 10.0)
    model = BaggedFoldsClassifier(RecordingClassifier(), cv=KFold(3)).fit(X, y, weight)
    middle = model.estimators_[1].got_
    assert middle["y_val"].tolist() == ["a", "c"]
    np.testing.assert_array_equal(middle["X_val"], [[3], [5]])
    np.testing.assert_array_equal(middle["weight_val"], [4, 6])
    model.fit(X, np.repeat([0, 1, 2], 3))
    assert all(estimator.got_["X_val"] is None for estimator in model.estimators_)
    with pytest.warns(UserWarning, match="least populated class"):
        model = BaggedFoldsClassifier(network(epochs=1), cv=2, random_state=0).fit(X, y)
    assert sorted(len(estimator.classes_) for estimator in model.estimators_) == [2, 3]


def test_weights_of_zero_are_as_rows_left_out(iris):
    X, y = iris
    kept = np.random.default_rng(0).random(len(y)) < 0.7
    fold = np.arange(len(y)) % 3
    splits = [(np.flatnonzero(fold != i), np.flatnonzero(fold == i)) for i in range(3)]
    fewer = [(np.flatnonzero(fold[kept] != i), np.flatnonzero(fold[kept] == i)) for i in range(3)]
    tree = DecisionTreeClassifier(max_depth=2, random_state=0)
    weighted = BaggedFoldsClassifier(tree, cv=splits).fit(X, y, sample_weight=kept.astype(float))
    without = BaggedFoldsClassifier(tree, cv=fewer).fit(X[kept], y[kept])
    np.testing.assert_array_equal(weighted.predict_proba(X), without.predict_proba(X))
    np.testing.assert_array_equal(weighted.oof_prediction_[kept], without.oof_prediction_)
    heavier = BaggedFoldsClassifier(tree, cv=splits).fit(X, y, np.where(y == "setosa", 1.0, 9.0))
    assert not np.array_equal(heavier.predict_proba(X), weighted.predict_proba(X))


@pytest.mark.parametrize("cv", [None, 4, GroupKFold(5)])
@each_kind
def test_rows_of_a_group_stay_together(kind, cv):
    bagged, recording = kind
    X, y, groups = np.arange(48)[:, None], np.arange(48) % 2, np.arange(48) // 4
    model = bagged(recording(), cv=cv, random_state=0).fit(X, y, groups=groups)
    for estimator in model.estimators_:
        seen, held = (groups[estimator.got_[name][:, 0]] for name in ("X", "X_val"))
        assert not np.isin(seen, held).any()


# Rows of all kinds -----------------------------------------------------------------------


def test_a_frame_of_words_and_gaps_goes_through_as_it_is(table):
    X, y = table
    model = BaggedFoldsClassifier(TabularClassifier(**SHORT), cv=FOLDS).fit(X, y)
    assert model.feature_names_in_.tolist() == ["x", "town"]
    assert model.n_features_in_ == 2
    assert model.classes_.tolist() == ["no", "yes"]
    train, test = next(FOLDS.split(X, y))
    first = TabularClassifier(**SHORT).fit(
        X.iloc[train], y[train], X_val=X.iloc[test], y_val=y[test]
    )
    np.testing.assert_array_equal(model.oof_prediction_[test], first.predict_proba(X.iloc[test]))
    polar = BaggedFoldsClassifier(TabularClassifier(**SHORT), cv=FOLDS)
    towns = [town if isinstance(town, str) else None for town in X["town"]]
    polar.fit(pl.DataFrame({"x": X["x"].to_numpy(), "town": towns}), pl.Series(y))
    np.testing.assert_array_equal(polar.oof_prediction_, model.oof_prediction_)
    regressor = BaggedFoldsRegressor(TabularRegressor(**SHORT), cv=2, random_state=0)
    assert regressor.fit(X, np.column_stack([y == "no"] * 2)).oof_prediction_.shape == (90, 2)


def test_sparse_rows_and_lists_are_taken_as_the_estimator_takes_them(iris):
    X, y = iris
    dense = BaggedFoldsClassifier(LogisticRegression(), cv=FOLDS).fit(X, y)
    sparse = clone(dense).fit(sp.coo_matrix(X), y)
    assert sp.issparse(sp.coo_matrix(X))
    np.testing.assert_allclose(sparse.oof_prediction_, dense.oof_prediction_, atol=1e-4)
    listed = clone(dense).fit(X.tolist(), y.tolist())
    np.testing.assert_array_equal(listed.oof_prediction_, dense.oof_prediction_)


def test_tags_are_those_of_the_estimator():
    boosting = HistGradientBoostingClassifier()
    tags = get_tags(BaggedFoldsClassifier(boosting))
    assert tags.input_tags == get_tags(boosting).input_tags
    assert tags.estimator_type == "classifier"
    table = get_tags(BaggedFoldsRegressor(TabularRegressor()))
    assert table.input_tags.string
    assert table.target_tags.multi_output
    assert not get_tags(BaggedFoldsClassifier(TabularClassifier())).target_tags.multi_output
    assert get_tags(BaggedFoldsRegressor(Ridge())).input_tags.sparse


# Seeds, jobs, files ----------------------------------------------------------------------


def test_an_integer_makes_fits_equal_to_the_bit_whatever_runs_them(iris):
    X, y = iris
    model = BaggedFoldsClassifier(network(random_state=None), cv=3, random_state=0)
    first = model.fit(X, y).predict_proba(X)
    oof = model.oof_prediction_
    np.testing.assert_array_equal(model.fit(X, y).predict_proba(X), first)
    np.testing.assert_array_equal(model.set_params(n_jobs=2).fit(X, y).predict_proba(X), first)
    np.testing.assert_array_equal(model.oof_prediction_, oof)
    assert not np.array_equal(model.set_params(random_state=1).fit(X, y).predict_proba(X), first)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_settings_hold_for_all_folds(n_jobs, iris):
    # joblib hands out the last of these from threads of its own.
    model = BaggedFoldsClassifier(network(epochs=1), cv=8, n_jobs=n_jobs)
    with skdeep.config_context(precision="float64"):
        model.fit(*iris)
    assert {one._fitted.task.precision for one in model.estimators_} == {"float64"}


def test_each_estimator_has_a_seed_of_its_own(iris):
    model = BaggedFoldsClassifier(network(), cv=FOLDS, random_state=0).fit(*iris)
    assert len({one.random_state for one in model.estimators_}) == 3
    assert model.estimator.random_state == 0
    model.set_params(random_state=None).fit(*iris)
    assert [one.random_state for one in model.estimators_] == [0, 0, 0]
    search = GridSearchCV(network(epochs=1), {"patience": [1]}, cv=2)
    nested = BaggedFoldsClassifier(search, cv=FOLDS, random_state=0).fit(*iris)
    assert len({one.estimator.random_state for one in nested.estimators_}) == 3


def test_saved_and_pickled_it_gives_the_same(tmp_path, table):
    X, y = table
    models = [
        BaggedFoldsClassifier(TabularClassifier(**SHORT), cv=2, random_state=0).fit(X, y),
        BaggedFoldsRegressor(Ridge(), cv=KFold(2)).fit(X[["x"]].fillna(0), y == "no"),
    ]
    for model, rows in zip(models, (X, X[["x"]].fillna(0)), strict=True):
        skdeep.save(model, tmp_path / "bag.skdeep")
        for again in (skdeep.load(tmp_path / "bag.skdeep"), pickle.loads(pickle.dumps(model))):
            np.testing.assert_array_equal(again.predict(rows), model.predict(rows))
            np.testing.assert_array_equal(again.oof_prediction_, model.oof_prediction_)
            assert again.feature_names_in_.tolist() == model.feature_names_in_.tolist()


def test_verbose_shows_the_folds(capsys, iris):
    BaggedFoldsClassifier(LogisticRegression(), cv=3, verbose=1).fit(*iris)
    assert "3/3" in capsys.readouterr().err
    BaggedFoldsClassifier(LogisticRegression(), cv=3).fit(*iris)
    assert capsys.readouterr().err == ""


# Refusals --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (BaggedFoldsClassifier(Ridge()), "Ridge is none; for numbers take BaggedFoldsRegressor"),
        (BaggedFoldsRegressor(SVC()), "SVC is none; for classes take BaggedFoldsClassifier"),
        (BaggedFoldsClassifier(LinearSVC()), "must have predict_proba"),
        (BaggedFoldsClassifier(FrozenEstimator(network())), "is frozen"),
        (BaggedFoldsRegressor(GridSearchCV(SVC(kernel="precomputed"), {})), "distances or kernels"),
        (BaggedFoldsClassifier(LogisticRegression(), cv=1), "'cv' parameter"),
        (BaggedFoldsClassifier(LogisticRegression(), cv=151), "151 folds, but X has n_samples=150"),
        (BaggedFoldsClassifier(LogisticRegression(), cv=51), "cv: n_splits=51 cannot be greater"),
        (BaggedFoldsClassifier(LogisticRegression(), cv=GroupKFold(3)), "cv: The 'groups' param"),
        (BaggedFoldsClassifier(LogisticRegression(), cv=ShuffleSplit(9)), "into several"),
        (BaggedFoldsClassifier(LogisticRegression(), cv=[]), "150 of 150 rows into no test fold"),
        (
            BaggedFoldsClassifier(LogisticRegression(), cv=[([0], range(150, 300))]),
            "cv: X has no such rows as it names: index 150",
        ),
        (
            BaggedFoldsClassifier(LogisticRegression(), cv=[(range(150), range(150))]),
            "150 of which are both",
        ),
        (BaggedFoldsClassifier(LogisticRegression(), cv=[([], range(150))]), "has 0 training rows"),
    ],
    ids=lambda value: "" if isinstance(value, str) else None,
)
def test_what_cannot_be_is_refused_and_nothing_is_fitted(model, message, iris):
    with pytest.raises(ValueError, match=message):
        model.fit(*iris)
    with pytest.raises(NotFittedError):
        model.predict(iris[0])
    assert not hasattr(model, "classes_")
    assert not hasattr(model, "n_features_in_")


def test_an_estimator_that_is_none_is_refused(iris):
    with pytest.raises(ValueError, match="'estimator' parameter of BaggedFoldsClassifier"):
        BaggedFoldsClassifier("mlp").fit(*iris)
    with pytest.raises(TypeError, match="estimator class instead"):
        BaggedFoldsClassifier(MLPClassifier).fit(*iris)


def test_targets_and_weights_that_cannot_be_are_refused(iris):
    X, y = iris
    linear = BaggedFoldsClassifier(LogisticRegression(), cv=3)
    labels = np.column_stack([y == "setosa", y == "virginica"]).astype(int)
    with pytest.raises(ValueError, match=r"2 columns.*MultiOutputClassifier"):
        linear.fit(X, labels)
    assert MultiOutputClassifier(linear).fit(X, labels).predict(X).shape == (150, 2)
    with pytest.raises(ValueError, match="y is None"):
        linear.fit(X, None)
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[150, 149\]"):
        linear.fit(X, y[1:])
    with pytest.raises(TypeError, match="sample_weight is given, but the fit of Pipeline"):
        BaggedFoldsClassifier(make_pipeline(LogisticRegression())).fit(X, y, np.ones(150))
    with pytest.raises(ValueError, match="sample_weight"):
        linear.fit(X, y, sample_weight=np.ones(149))
    weight = np.arange(150) % 3 > 0
    stripes = [(np.flatnonzero(np.arange(150) % 3 != i), np.arange(i, 150, 3)) for i in range(3)]
    with pytest.raises(ValueError, match="sample_weight sums to 0 over the rows of a fold"):
        BaggedFoldsClassifier(network(), cv=stripes).fit(X, y, sample_weight=weight)


def test_a_fold_that_leaves_one_class_says_so(iris):
    X, y = iris[0][:100], np.where(np.arange(100) == 3, "a", "b")
    with pytest.raises(ValueError, match=r"fold leaves the class 'b' alone to train on.*LogisticR"):
        BaggedFoldsClassifier(LogisticRegression(), cv=KFold(5)).fit(X, y)
    tree = BaggedFoldsClassifier(DecisionTreeClassifier(), cv=KFold(5)).fit(X, y)
    np.testing.assert_array_equal(tree.oof_prediction_[:20], [[0, 1]] * 20)


def test_a_fit_that_fails_leaves_the_last_one(iris):
    X, y = iris
    model = BaggedFoldsClassifier(LogisticRegression(), cv=3, random_state=0).fit(X, y)
    before = model.predict_proba(X)
    with pytest.raises(ValueError, match="NaN"):
        model.fit(np.full_like(X, np.nan), np.where(y == "setosa", "a", "b"))
    np.testing.assert_array_equal(model.predict_proba(X), before)
    assert model.classes_.tolist() == ["setosa", "versicolor", "virginica"]
