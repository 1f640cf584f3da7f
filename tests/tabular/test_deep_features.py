"""Deep features: what leaks and what does not, and scikit-learn's places for them."""

import pickle
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier, StackingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    ShuffleSplit,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
)
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils import estimator_checks

import skdeep
from skdeep import DeepFeatures, MLPClassifier, MLPRegressor, NetworkTransformer


def network(**parameters):
    return MLPClassifier(
        **{"hidden_layer_sizes": (8,), "epochs": 10, "batch_size": 50, "random_state": 0}
        | parameters
    )


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(X).astype(np.float32), y


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(X), np.array(["setosa", "versicolor", "virginica"])[y]


@pytest.mark.parametrize(
    "estimator",
    [
        DeepFeatures(MLPClassifier(random_state=0)),
        DeepFeatures(MLPRegressor(random_state=0)),
        DeepFeatures(LogisticRegression(), output="predict_proba"),
    ],
    ids=str,
)
def test_scikit_learns_checks_pass_with_none_excused(estimator):
    results = estimator_checks.check_estimator(estimator, on_skip=None, on_fail=None)
    failed = {r["check_name"]: r["exception"] for r in results if r["status"] == "failed"}
    assert failed == {}
    skipped = {r["check_name"] for r in results if r["status"] == "skipped"}
    assert skipped <= {"check_array_api_input"}
    counts = Counter(r["status"] for r in results)
    assert counts.keys() <= {"passed", "skipped"}  # no "xfail"
    assert counts["passed"] >= 50


# Out of fold -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("estimator", "output"),
    [
        (network(), "predict_proba"),
        (LogisticRegression(), "decision_function"),
        (SVC(), "decision_function"),
        (make_pipeline(StandardScaler(), network()), "predict_proba"),
    ],
    ids=str,
)
def test_columns_out_of_fold_are_those_of_cross_val_predict(estimator, output, iris):
    X, y = iris
    cv = StratifiedKFold(3, shuffle=True, random_state=0)
    deep = DeepFeatures(estimator, output=output, cv=cv)
    columns = deep.fit_transform(X, y)
    expected = cross_val_predict(estimator, X, y, cv=cv, method=output)
    np.testing.assert_array_equal(columns, expected)
    # New rows meet the estimator that has seen all.
    whole = getattr(clone(estimator).fit(X, y), output)(X)
    np.testing.assert_array_equal(deep.transform(X), whole)
    assert not np.array_equal(columns, whole)


def test_predictions_of_numbers_out_of_fold_are_those_of_cross_val_predict():
    X = np.random.default_rng(0).normal(size=(60, 2))
    y = X @ [[1.0, -1.0], [2.0, 0.5]]
    tree = DecisionTreeRegressor(max_depth=3, random_state=0)
    columns = DeepFeatures(tree, output="predict", cv=KFold(4)).fit_transform(X, y)
    np.testing.assert_array_equal(columns, cross_val_predict(tree, X, y, cv=KFold(4)))
    one = DeepFeatures(tree, output="predict", cv=4).fit_transform(X, y[:, 0])
    np.testing.assert_array_equal(one[:, 0], cross_val_predict(tree, X, y[:, 0], cv=4))


def test_rows_of_a_group_never_meet_their_own_network():
    """A tree that knows a row answers with its y, which is the row's number here."""
    X = np.arange(40.0)[:, None]
    groups = np.arange(40) // 4
    tree = DeepFeatures(DecisionTreeRegressor(random_state=0), output="predict", cv=GroupKFold(5))
    columns = tree.fit_transform(X, X[:, 0], groups=groups)[:, 0]
    assert not (columns.astype(int) // 4 == groups).any()
    model = make_pipeline(tree, LinearRegression())
    model.fit(X, X[:, 0], deepfeatures__groups=groups)
    with pytest.raises(ValueError, match="groups"):
        model.fit(X, X[:, 0])


def test_weights_of_zero_are_as_rows_left_out(iris):
    X, y = iris
    rows = np.random.default_rng(0).random(len(y)) < 0.7
    folds = list(StratifiedKFold(3).split(X[rows], y[rows]))
    numbers = np.flatnonzero(rows)
    outside = np.flatnonzero(~rows)
    within = [
        (np.append(numbers[train], outside), np.append(numbers[test], outside[i::3]))
        for i, (train, test) in enumerate(folds)
    ]
    tree = DecisionTreeClassifier(max_depth=2, random_state=0)
    fewer = DeepFeatures(tree, output="predict_proba", cv=folds).fit_transform(X[rows], y[rows])
    weighted = DeepFeatures(tree, output="predict_proba", cv=within)
    found = weighted.fit_transform(X, y, sample_weight=rows.astype(float))
    np.testing.assert_array_equal(found[rows], fewer)
    heavier = weighted.fit_transform(X, y, sample_weight=np.where(y == "setosa", 1.0, 9.0))
    assert not np.array_equal(heavier, weighted.fit_transform(X, y))
    with pytest.raises(TypeError, match="sample_weight is given, but the fit of Pipeline"):
        DeepFeatures(make_pipeline(PCA())).fit(X, y, sample_weight=np.ones(len(y)))


def test_a_class_that_a_fold_lacks_has_probability_zero_in_its_place():
    X = np.arange(12.0)[:, None]
    y = np.array(list("aaaabccccccc"))
    columns = DeepFeatures(LogisticRegression(), output="predict_proba", cv=KFold(3)).fit_transform(
        X, y
    )
    np.testing.assert_array_equal(columns[4:8, 1], 0)  # the only b is in this fold
    np.testing.assert_array_equal(columns[:4, 0], 0)  # all a are in this
    np.testing.assert_allclose(columns.sum(axis=1), 1)
    assert (columns[8:] > 0).all()
    decision = DeepFeatures(LogisticRegression(), output="decision_function", cv=KFold(3))
    with pytest.raises(ValueError, match=r"y has the classes \['a'\] in one fold only"):
        decision.fit_transform(X, y)
    assert not hasattr(decision, "estimator_")


def test_a_split_that_is_no_partition_is_refused(iris):
    deep = DeepFeatures(LogisticRegression(), output="predict_proba", cv=ShuffleSplit(3))
    with pytest.raises(ValueError, match="exactly one test fold"):
        deep.fit_transform(*iris)


# Hidden units ----------------------------------------------------------------------------


def test_hidden_units_are_the_networks_own(cancer):
    X, y = cancer
    deep = DeepFeatures(network())
    hidden = network().fit(X, y).transform(X)
    np.testing.assert_array_equal(deep.fit_transform(X, y), hidden)
    np.testing.assert_array_equal(deep.transform(X), hidden)
    assert deep.output_ == "features"
    assert deep.get_feature_names_out()[-1] == "mlpclassifier_7"


def test_hidden_units_out_of_fold_are_refused_with_the_reason(iris):
    with pytest.raises(ValueError, match="mean something else in each fold's fit"):
        DeepFeatures(network(), output="features", cv=3).fit(*iris)


def test_hidden_units_of_a_network_fitted_on_rows_apart_stay_as_they_are(cancer):
    X, y = cancer
    apart = network().fit(X[::3], y[::3])
    deep = DeepFeatures(FrozenEstimator(apart))
    columns = clone(deep).fit_transform(X[1::3], y[1::3])
    np.testing.assert_array_equal(columns, apart.transform(X[1::3]))
    assert deep.fit(X[1::3], y[1::3]).get_feature_names_out()[0] == "mlpclassifier_0"
    with pytest.raises(ValueError, match="it is frozen"):
        DeepFeatures(FrozenEstimator(apart), cv=3).fit(X, y)


def test_an_autoencoder_gives_its_code_without_y(iris):
    code = NetworkTransformer(layer="code", epochs=2, random_state=0)
    columns = DeepFeatures(code).fit_transform(iris[0])
    np.testing.assert_array_equal(columns, code.fit(iris[0]).transform(iris[0]))


# Leaks -----------------------------------------------------------------------------------


def stack_of(deep, top=None):
    union = FeatureUnion([("table", FunctionTransformer()), ("deep", deep)])
    return make_pipeline(union, top or LogisticRegression())


def test_with_shuffled_labels_a_stack_is_at_chance_and_knows_it():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(400, 10)), rng.permutation(np.arange(400) % 2)
    wide = network(hidden_layer_sizes=(100,), epochs=60, learning_rate=0.02)
    honest = stack_of(DeepFeatures(wide, output="predict_proba", cv=5)).fit(X[:300], y[:300])
    leaking = stack_of(DeepFeatures(wide, output="predict_proba")).fit(X[:300], y[:300])
    # The standard error of an area of 100 rows is 0.06.
    assert abs(roc_auc_score(y[300:], honest.predict_proba(X[300:])[:, 1]) - 0.5) < 0.15
    sure = [np.abs(model.predict_proba(X[300:])[:, 1] - 0.5).mean() for model in (honest, leaking)]
    assert sure[0] < 0.15 < 0.3 < sure[1]


def test_what_boosting_lacks_the_network_brings():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 8))
    signal = X[:, :6] @ rng.normal(size=6)  # oblique, hard for trees; the last column is steps
    y = (signal + 3 * (np.floor(X[:, 7] * 3) % 2) > 1.5).astype(int)
    boosting = HistGradientBoostingClassifier(random_state=0)
    deep = DeepFeatures(network(epochs=40), output="predict_proba", cv=5)
    contenders = [boosting, network(epochs=40), stack_of(deep, boosting)]
    alone, mlp, stack = (
        cross_val_score(m, X, y, cv=3, scoring="roc_auc").mean() for m in contenders
    )
    assert stack > max(alone, mlp) + 0.01


# scikit-learn's places ---------------------------------------------------------------------


def test_in_a_feature_union_columns_have_names(iris):
    X = pd.DataFrame(iris[0], columns=list("abcd"))
    union = FeatureUnion(
        [
            ("pca", PCA(2)),
            ("deep", DeepFeatures(make_pipeline(StandardScaler(), network()), cv=3)),
        ]
    ).set_output(transform="pandas")
    table = union.fit_transform(X, iris[1])
    assert [*table.columns] == [
        *("pca__pca0", "pca__pca1", "deep__mlpclassifier_setosa"),
        *("deep__mlpclassifier_versicolor", "deep__mlpclassifier_virginica"),
    ]
    np.testing.assert_allclose(table.iloc[:, 2:].sum(axis=1), 1, rtol=1e-5)


def test_in_a_column_transformer_it_sees_its_columns_alone(iris):
    X = pd.DataFrame(iris[0], columns=list("abcd")).assign(word="w")
    deep = DeepFeatures(network(), output="predict_proba", cv=3)
    columns = ColumnTransformer([("deep", deep, ["c", "d"])], remainder="passthrough")
    found = columns.set_output(transform="pandas").fit_transform(X, iris[1])
    expected = clone(deep).fit_transform(X[["c", "d"]], iris[1])
    np.testing.assert_array_equal(found.iloc[:, :3], expected)
    assert [*columns.named_transformers_["deep"].feature_names_in_] == ["c", "d"]


def test_in_a_stack_and_a_search(cancer):
    X, y = cancer
    deep = DeepFeatures(network(), output="predict_proba", cv=3)
    members = [("deep", stack_of(deep)), ("tree", DecisionTreeClassifier(max_depth=3))]
    stack = StackingClassifier(members, cv=2).fit(X[::2], y[::2])
    assert stack.score(X[1::2], y[1::2]) > 0.94
    search = GridSearchCV(
        make_pipeline(deep, LogisticRegression()),
        {"deepfeatures__estimator__learning_rate": [1e-6, 1e-2]},
        cv=2,
        error_score="raise",
        scoring="neg_log_loss",
    ).fit(X, y)
    assert search.best_params_ == {"deepfeatures__estimator__learning_rate": 1e-2}


def test_labels_and_several_targets_have_columns_for_each(iris):
    X = iris[0]
    Y = np.column_stack([X[:, 0] > 0, X[:, 1] > 0]).astype(int)
    columns = DeepFeatures(DecisionTreeClassifier(), output="predict_proba", cv=3)
    assert columns.fit_transform(X, Y).shape == (150, 4)  # two classes of two targets
    names = [f"decisiontreeclassifier_{i}" for i in range(4)]
    assert columns.get_feature_names_out().tolist() == names


def test_saved_and_pickled_it_gives_the_same(tmp_path, cancer):
    X, y = cancer
    frozen = FrozenEstimator(network(epochs=2).fit(X[:100], y[:100]))
    for deep in (DeepFeatures(network(epochs=2), cv=2), DeepFeatures(frozen)):
        columns = deep.fit(X, y).transform(X)
        skdeep.save(deep, tmp_path / "deep.skdeep")
        for again in (skdeep.load(tmp_path / "deep.skdeep"), pickle.loads(pickle.dumps(deep))):
            np.testing.assert_array_equal(again.transform(X), columns)
            np.testing.assert_array_equal(
                again.get_feature_names_out(), deep.get_feature_names_out()
            )


# Refusals --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("deep", "message"),
    [
        (DeepFeatures(LogisticRegression()), "the method transform, which this Logistic"),
        (DeepFeatures(network(), output="decision"), "'output' parameter of DeepFeatures"),
        (DeepFeatures(SVC(), output="predict_proba"), "'decision_function', 'predict'"),
        (DeepFeatures(LogisticRegression(), output="predict"), "set output='predict_proba'"),
    ],
)
def test_what_cannot_be_is_refused(deep, message, iris):
    with pytest.raises(ValueError, match=message):
        deep.fit(*iris)
    with pytest.raises(NotFittedError):
        deep.transform(iris[0])
    assert not hasattr(deep, "n_features_in_")


def test_an_estimator_that_is_none_is_refused(iris):
    with pytest.raises(ValueError, match="'estimator' parameter of DeepFeatures"):
        DeepFeatures("mlp").fit(*iris)


def test_a_fit_that_fails_leaves_the_last_one(iris):
    X, y = iris
    deep = DeepFeatures(LogisticRegression(), output="predict_proba", cv=3).fit(X, y)
    before = deep.transform(X)
    with pytest.raises(ValueError, match="NaN"):
        deep.fit_transform(np.full_like(X, np.nan), y)
    deep.set_params(cv=ShuffleSplit(2))
    with pytest.raises(ValueError, match="partition"):
        deep.fit_transform(X[:, :2], y)
    np.testing.assert_array_equal(deep.transform(X), before)


def test_outputs_of_more_axes_are_refused():
    X = np.zeros((4, 5, 2))
    images = NetworkTransformer(model=_kept, epochs=1, random_state=0)
    with pytest.raises(ValueError, match=r"has the shape \(4, 5, 2\)"):
        DeepFeatures(images).fit(X)


def _kept(input_shape):
    import keras

    return keras.Sequential([keras.Input(input_shape), keras.layers.Dense(2)])
