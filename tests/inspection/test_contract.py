"""scikit-learn's inspection, displays and callbacks on ours, against independent numbers."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import mannwhitneyu
from sklearn.base import clone
from sklearn.calibration import CalibrationDisplay
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.inspection import (
    DecisionBoundaryDisplay,
    PartialDependenceDisplay,
    permutation_importance,
)
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    DetCurveDisplay,
    PrecisionRecallDisplay,
    PredictionErrorDisplay,
    RocCurveDisplay,
    accuracy_score,
    log_loss,
)
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    LearningCurveDisplay,
    ValidationCurveDisplay,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdeep import MLPClassifier, MLPRegressor

SMALL = {"hidden_layer_sizes": (8,), "epochs": 10, "random_state": 0}


@pytest.fixture(scope="module")
def noisy():
    """Two classes that overlap, as strings, in a DataFrame of three columns."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(200, 3)), columns=["a", "b", "c"])
    return X, np.where(X["a"] + rng.normal(size=200) > 0, "yes", "no")


@pytest.fixture(scope="module")
def classifier(noisy):
    return make_pipeline(StandardScaler(), MLPClassifier(**SMALL)).fit(*noisy)


@pytest.fixture(scope="module")
def linear():
    """A linear regression on four columns, of slopes 3, -2, 0, 0."""
    X = np.random.default_rng(1).normal(size=(500, 4))
    model = MLPRegressor(
        hidden_layer_sizes=(), epochs=200, learning_rate_schedule="cosine", random_state=0
    )
    y = X @ [3.0, -2.0, 0.0, 0.0] + 1
    return model.fit(X, y), X, y


# sklearn.inspection ---------------------------------------------------------------------------


def test_permutation_importance_of_a_linear_model_is_twice_its_share_of_the_variance(linear):
    model, X, y = linear
    found = permutation_importance(model, X, y, n_repeats=20, random_state=0)
    # R2 falls by E[(w x - w x')^2] / var(y) = 2 w^2 var(x) / var(y).
    expected = 2 * np.array([3.0, -2.0, 0.0, 0.0]) ** 2 * X.var(axis=0) / y.var()
    assert_allclose(found.importances_mean, expected, atol=0.06)


def test_permutation_importance_finds_the_one_informative_column(classifier, noisy):
    found = permutation_importance(classifier, *noisy, n_repeats=10, random_state=0)
    assert found.importances_mean[0] > 5 * np.abs(found.importances_mean[1:]).max()


def test_partial_dependence_of_a_linear_model_is_a_line_of_its_slope(linear):
    model, X, _ = linear
    display = PartialDependenceDisplay.from_estimator(model, X, [0, 1, 2])
    for lines, slope in zip(display.lines_.ravel(), [3, -2, 0], strict=True):
        x, dependence = lines.get_data()
        assert_allclose(np.diff(dependence) / np.diff(x), slope, atol=1e-2)


def test_partial_dependence_of_a_classifier_averages_its_probabilities(classifier, noisy):
    X, _ = noisy
    display = PartialDependenceDisplay.from_estimator(classifier, X, ["a"], grid_resolution=5)
    (bunch,) = display.pd_results
    expected = [
        classifier.predict_proba(X.assign(a=value))[:, 1].mean() for value in bunch.grid_values[0]
    ]
    assert_allclose(bunch.average[0], expected, rtol=1e-6)


def test_decision_boundary_of_a_linear_classifier_is_its_line():
    X = np.random.default_rng(0).normal(size=(100, 2))
    model = MLPClassifier(hidden_layer_sizes=(), random_state=0).fit(X, X @ [1, -1] > 0.5)
    display = DecisionBoundaryDisplay.from_estimator(
        model, X, response_method="decision_function", grid_resolution=20
    )
    kernel, bias = (w.numpy() for w in model.network_.weights)
    expected = kernel[0] * display.xx0 + kernel[1] * display.xx1 + bias
    assert_allclose(display.response, expected, rtol=1e-4, atol=1e-5)


# sklearn.metrics ------------------------------------------------------------------------------


def test_roc_curve_has_the_area_of_the_rank_statistic(classifier, noisy):
    X, y = noisy
    display = RocCurveDisplay.from_estimator(classifier, X, y)
    score = classifier.decision_function(X)
    statistic = mannwhitneyu(score[y == "yes"], score[y == "no"]).statistic
    n_pairs = np.count_nonzero(y == "yes") * np.count_nonzero(y == "no")
    assert display.roc_auc == pytest.approx(statistic / n_pairs, abs=1e-12)
    assert display.pos_label == "yes"


def test_precision_recall_curve_is_what_counting_gives(classifier, noisy):
    X, y = noisy
    display = PrecisionRecallDisplay.from_estimator(classifier, X, y)
    score = classifier.predict_proba(X)[:, 1]
    hits = np.cumsum((y == "yes")[np.argsort(-score, kind="stable")])
    precision = hits / np.arange(1, len(y) + 1)
    gained = np.diff(hits, prepend=0) / hits[-1]
    assert display.average_precision == pytest.approx(np.sum(gained * precision), rel=1e-9)


def test_det_curve_trades_the_two_errors_at_each_threshold(classifier, noisy):
    X, y = noisy
    display = DetCurveDisplay.from_estimator(classifier, X, y)
    score = classifier.decision_function(X)
    false_alarms = [np.mean(score[y == "no"] >= t) for t in np.unique(score)]
    misses = [np.mean(score[y == "yes"] < t) for t in np.unique(score)]
    counted = {(round(a, 9), round(b, 9)) for a, b in zip(false_alarms, misses, strict=True)}
    drawn = {(round(a, 9), round(b, 9)) for a, b in zip(display.fpr, display.fnr, strict=True)}
    assert len(drawn) > 20
    assert drawn <= counted


def test_calibration_curve_is_what_counting_gives(classifier, noisy):
    X, y = noisy
    display = CalibrationDisplay.from_estimator(classifier, X, y, n_bins=4)
    probability = classifier.predict_proba(X)[:, 1]
    bins = (probability * 4).astype(int)
    present = np.unique(bins)
    assert_allclose(display.prob_true, [np.mean(y[bins == b] == "yes") for b in present])
    assert_allclose(display.prob_pred, [probability[bins == b].mean() for b in present])


def test_confusion_matrix_counts_pairs_of_labels(classifier, noisy):
    X, y = noisy
    display = ConfusionMatrixDisplay.from_estimator(classifier, X, y)
    predicted = classifier.predict(X)
    counts = [[np.sum((y == a) & (predicted == b)) for b in ("no", "yes")] for a in ("no", "yes")]
    assert_array_equal(display.confusion_matrix, counts)
    assert_array_equal(display.display_labels, ["no", "yes"])


def test_prediction_errors_of_a_linear_model_vanish(linear):
    model, X, y = linear
    display = PredictionErrorDisplay.from_estimator(model, X, y, kind="residual_vs_predicted")
    predicted, residual = display.scatter_.get_offsets().T
    assert_allclose(predicted, y, atol=0.02)
    assert_allclose(residual, 0, atol=0.02)


# sklearn.model_selection ----------------------------------------------------------------------


def fold_scores(model, X, y, size=None):
    """Scores on training and test rows of each fold, by hand."""
    scores = []
    for train, test in KFold(3).split(X):
        fitted = clone(model).fit(X[train[:size]], y[train[:size]])
        scores.append([fitted.score(X[rows], y[rows]) for rows in (train[:size], test)])
    return np.transpose(scores)


def test_learning_curve_is_that_of_fits_by_hand(noisy):
    X, y = noisy[0].to_numpy(), noisy[1]
    model = MLPClassifier(**SMALL)
    display = LearningCurveDisplay.from_estimator(model, X, y, train_sizes=[20, 80], cv=KFold(3))
    for i, size in enumerate([20, 80]):
        train, test = fold_scores(model, X, y, size)
        assert_array_equal(display.train_scores[i], train)
        assert_array_equal(display.test_scores[i], test)


def test_learning_curve_by_partial_fit_goes_on_with_the_rows_that_come(noisy):
    X, y = noisy[0].to_numpy(), noisy[1]
    model = MLPClassifier(**SMALL)
    display = LearningCurveDisplay.from_estimator(
        model, X, y, train_sizes=[20, 80], cv=KFold(3), exploit_incremental_learning=True
    )
    for fold, (train, test) in enumerate(KFold(3).split(X)):
        by_hand = clone(model)
        for i, rows in enumerate([train[:20], train[20:80]]):
            by_hand.partial_fit(X[rows], y[rows], classes=["no", "yes"])
            assert display.test_scores[i, fold] == by_hand.score(X[test], y[test])


def test_validation_curve_is_that_of_fits_by_hand(noisy):
    X, y = noisy[0].to_numpy(), noisy[1]
    model, rates = MLPClassifier(**SMALL), [1e-4, 1e-1]
    display = ValidationCurveDisplay.from_estimator(
        model, X, y, param_name="learning_rate", param_range=rates, cv=KFold(3)
    )
    for i, rate in enumerate(rates):
        train, test = fold_scores(clone(model).set_params(learning_rate=rate), X, y)
        assert_array_equal(display.train_scores[i], train)
        assert_array_equal(display.test_scores[i], test)


# sklearn.callback -----------------------------------------------------------------------------


def epochs_of(monitor):
    """The logs of the epochs of the monitor's last fit."""
    return [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]


def test_scoring_monitor_scores_each_epoch_by_several_metrics(noisy):
    X, y = noisy
    monitor = ScoringMonitor(scoring=["accuracy", "neg_log_loss"])
    MLPClassifier(**SMALL).set_callbacks(monitor).fit(X, y)
    rows = epochs_of(monitor)
    assert len(rows) == 10
    for epochs in (1, 10):
        expected = clone(MLPClassifier(**SMALL)).set_params(epochs=epochs).fit(X, y)
        assert rows[epochs - 1]["accuracy"] == accuracy_score(y, expected.predict(X))
        loss = log_loss(y, expected.predict_proba(X))
        assert rows[epochs - 1]["neg_log_loss"] == pytest.approx(-loss, rel=1e-5)


def test_scoring_monitor_weighs_rows_as_the_fit_does(noisy):
    X, y = noisy
    weight = np.where(y == "yes", 10.0, 0.1)
    monitor = ScoringMonitor(scoring="accuracy")
    model = MLPClassifier(**SMALL).set_callbacks(monitor).fit(X, y, sample_weight=weight)
    weighted = model.score(X, y, sample_weight=weight)
    assert epochs_of(monitor)[-1]["accuracy"] == pytest.approx(weighted, rel=1e-12)
    assert abs(weighted - model.score(X, y)) > 0.1


def test_scoring_monitor_of_a_step_sees_what_the_pipeline_hands_it(noisy):
    X, y = noisy
    monitor = ScoringMonitor(scoring="accuracy")
    network = MLPClassifier(**SMALL).set_callbacks(monitor)
    pipeline = make_pipeline(StandardScaler(), network).fit(X, y)
    assert epochs_of(monitor)[-1]["accuracy"] == pipeline.score(X, y)


def test_progress_bar_of_a_search_reaches_down_to_our_epochs(noisy, capsys):
    pytest.importorskip("rich", reason="rich is not installed")
    pipeline = make_pipeline(StandardScaler(), MLPClassifier(**SMALL))
    search = GridSearchCV(pipeline, {"mlpclassifier__learning_rate": [0.1, 0.01]}, cv=2)
    search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(*noisy)
    shown = capsys.readouterr().out
    assert "GridSearchCV" in shown
    assert "MLPClassifier - fit" in shown
