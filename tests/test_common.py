"""scikit-learn's own checks on default instances, and its meta-estimators around ours."""

from collections import Counter

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.base import is_classifier, is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.ensemble import AdaBoostClassifier, BaggingClassifier, StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import estimator_checks

from skdeep import (
    Autoencoder,
    CNNClassifier,
    CNNRegressor,
    EntityEmbedding,
    KernelClassifier,
    KernelRegressor,
    MLPClassifier,
    MLPRegressor,
    NetworkClassifier,
    NetworkRegressor,
    NetworkTransformer,
    RNNClassifier,
    RNNRegressor,
    VariationalAutoencoder,
)

ESTIMATORS = [
    Autoencoder,
    CNNClassifier,
    CNNRegressor,
    EntityEmbedding,
    KernelClassifier,
    KernelRegressor,
    MLPClassifier,
    MLPRegressor,
    NetworkClassifier,
    NetworkRegressor,
    NetworkTransformer,
    RNNClassifier,
    RNNRegressor,
    VariationalAutoencoder,
]
SKIPPED = {"check_array_api_input": "SCIPY_ARRAY_API is not set"}

each_estimator = pytest.mark.parametrize("estimator", ESTIMATORS)


# Codes of a few rows of noise may say nothing of them.
@pytest.mark.filterwarnings("ignore:all 2 components have collapsed")
@each_estimator
def test_scikit_learns_checks_pass_with_none_excused(estimator):
    results = estimator_checks.check_estimator(estimator(), on_skip=None, on_fail=None)
    failed = {r["check_name"]: r["exception"] for r in results if r["status"] == "failed"}
    assert failed == {}
    skipped = {r["check_name"]: str(r["exception"]) for r in results if r["status"] == "skipped"}
    assert skipped.keys() == SKIPPED.keys()
    assert all(SKIPPED[name] in reason for name, reason in skipped.items())
    counts = Counter(r["status"] for r in results)
    assert counts.keys() == {"passed", "skipped"}  # no "xfail"
    least = 55 if is_classifier(estimator()) else 50 if is_regressor(estimator()) else 45
    assert counts["passed"] >= least


# The checks of set_output themselves fit a DataFrame and transform an array, and the reverse.
@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names:UserWarning")
@each_estimator
@pytest.mark.parametrize(
    "check",
    [
        "check_set_output_transform",
        "check_set_output_transform_pandas",
        "check_set_output_transform_polars",
        "check_global_output_transform_pandas",
        "check_global_set_output_transform_polars",
        "check_transformer_get_feature_names_out",
        "check_transformer_get_feature_names_out_pandas",
        "check_param_validation",
        "check_dataframe_column_names_consistency",
    ],
)
def test_scikit_learns_checks_beyond_check_estimator_pass(estimator, check):
    getattr(estimator_checks, check)(estimator.__name__, estimator())


@pytest.fixture(scope="module")
def cancer():
    """Two classes, 569 rows of 30 standardised columns; nearly linear."""
    X, y = load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(X).astype(np.float32), y


@pytest.fixture(scope="module")
def halves(cancer):
    X, y = cancer
    return X[::2], X[1::2], y[::2], y[1::2]


def small_mlp(**parameters):
    return MLPClassifier(
        **{"hidden_layer_sizes": (16,), "epochs": 5, "random_state": 0} | parameters
    )


@pytest.fixture(scope="module")
def serial_search(cancer):
    return GridSearchCV(small_mlp(), {"learning_rate": [1e-5, 1e-2]}, scoring="roc_auc", cv=3).fit(
        *cancer
    )


def test_a_grid_search_by_roc_auc_finds_the_learning_rate_that_learns(serial_search):
    assert serial_search.best_params_ == {"learning_rate": 1e-2}
    slow, fast = serial_search.cv_results_["mean_test_score"]
    assert slow < 0.95 < 0.98 < fast


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_a_parallel_grid_search_has_the_scores_of_a_serial_one(backend, cancer, serial_search):
    search = GridSearchCV(
        serial_search.estimator, serial_search.param_grid, scoring="roc_auc", cv=3
    )
    with parallel_config(backend, n_jobs=2):
        search.fit(*cancer)
    np.testing.assert_array_equal(
        search.cv_results_["mean_test_score"], serial_search.cv_results_["mean_test_score"]
    )
    np.testing.assert_array_equal(
        search.predict_proba(cancer[0]), serial_search.predict_proba(cancer[0])
    )


def test_calibration_mends_overconfidence(halves):
    X, X_test, y, y_test = halves
    y = np.where(np.random.default_rng(0).random(len(y)) < 0.2, 1 - y, y)  # noise to overfit
    sure = small_mlp(hidden_layer_sizes=(64,), epochs=150, learning_rate=0.02)
    calibrated = CalibratedClassifierCV(sure, cv=3, method="sigmoid").fit(X, y)
    before = log_loss(y_test, sure.fit(X, y).predict_proba(X_test))
    assert log_loss(y_test, calibrated.predict_proba(X_test)) < 0.7 * before


def test_stacking_uses_the_mlp_beside_a_tree(halves):
    X, X_test, y, y_test = halves
    tree = DecisionTreeClassifier(max_depth=3, random_state=0)
    members = [("mlp", small_mlp(epochs=20)), ("tree", tree)]
    stack = StackingClassifier(members, cv=3).fit(X, y)
    alone = tree.fit(X, y).score(X_test, y_test)
    assert stack.score(X_test, y_test) > max(alone, 0.92)
    on_mlp, on_tree = stack.final_estimator_.coef_[0]
    assert on_mlp > on_tree > 0


def test_bagging_averages_the_probabilities_of_its_members(halves):
    X, X_test, y, y_test = halves
    bag = BaggingClassifier(small_mlp(), n_estimators=3, random_state=0).fit(X, y)
    members = [model.predict_proba(X_test) for model in bag.estimators_]
    assert not np.array_equal(members[0], members[1])
    np.testing.assert_allclose(bag.predict_proba(X_test), np.mean(members, axis=0), rtol=1e-12)
    assert bag.score(X_test, y_test) > 0.93


def test_boosting_small_networks_finds_the_corner_that_one_misses():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(300, 2)).astype(np.float32)
    y = (X > 0).all(axis=1)
    two_units = small_mlp(hidden_layer_sizes=(2,), epochs=60, batch_size=300, learning_rate=0.05)
    boosted = AdaBoostClassifier(two_units, n_estimators=10, random_state=0).fit(X, y)
    assert len(boosted.estimators_) == 10
    assert boosted.score(X, y) > two_units.fit(X, y).score(X, y) + 0.05


def test_nested_cross_validation_matches_logistic_regression():
    X, y = load_iris(return_X_y=True)
    grid = {"mlpclassifier__hidden_layer_sizes": [(), (16,)]}
    pipeline = make_pipeline(StandardScaler(), small_mlp(epochs=60, learning_rate=0.05))
    scores = cross_val_score(GridSearchCV(pipeline, grid, cv=2), X, y, cv=3)
    linear = cross_val_score(make_pipeline(StandardScaler(), LogisticRegression()), X, y, cv=3)
    assert scores.mean() > linear.mean() - 0.03


def test_predicted_probabilities_rank_as_the_linear_model_does(halves):
    X, X_test, y, y_test = halves
    ours = small_mlp(epochs=20).fit(X, y).predict_proba(X_test)[:, 1]
    linear = LogisticRegression().fit(X, y).predict_proba(X_test)[:, 1]
    assert roc_auc_score(y_test, ours) > roc_auc_score(y_test, linear) - 0.01
