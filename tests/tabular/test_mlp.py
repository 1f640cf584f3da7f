import resource
import time
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, softmax
from sklearn.datasets import load_iris, make_moons
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_class_weight

from skdeep import MLPClassifier, MLPRegressor, config_context
from skdeep.engine import rows as engine_rows
from skdeep.optimizers import SGD

CONVEX = {  # a linear model at its optimum: all rows in each step, Adam slowing down
    "hidden_layer_sizes": (),
    "epochs": 500,
    "batch_size": 1000,
    "learning_rate": 0.2,
    "learning_rate_schedule": "cosine",
    "random_state": 0,
}
SMALL = {"hidden_layer_sizes": (10,), "epochs": 3, "random_state": 0}


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(X), y


@pytest.fixture(scope="module")
def targets():
    """Rows of five columns, and two targets of different units that are linear in them."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 5))
    Y = X @ rng.normal(size=(5, 2)) * [1, 100] + rng.normal(size=(80, 2)) * [1, 30] + [3, -500]
    return X, Y


@pytest.fixture(scope="module")
def moons():
    return make_moons(400, noise=0.15, random_state=0)


# Without hidden layers ------------------------------------------------------------------------


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("C", [0.1, 2.0])
def test_no_hidden_layer_is_logistic_regression(iris, n_classes, C):
    X, y = iris[0][iris[1] < n_classes], iris[1][iris[1] < n_classes]
    ours = MLPClassifier(weight_decay=1 / (C * len(X)), **CONVEX).fit(X, y)
    theirs = LogisticRegression(C=C, tol=1e-8, max_iter=1000).fit(X, y)
    assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-4)
    assert_array_equal(ours.predict(X), theirs.predict(X))
    if n_classes == 2:
        assert_allclose(ours.decision_function(X), theirs.decision_function(X), atol=1e-3)


@pytest.mark.parametrize("columns", [0, 1, [0, 1]], ids=["first", "second", "both"])
def test_no_hidden_layer_is_ridge_regression(targets, columns):
    X, Y = targets[0], targets[1][:, columns]
    alpha, n_targets = 10.0, np.size(columns)
    # The loss is the mean over the targets, hence so is the penalty.
    ours = MLPRegressor(weight_decay=2 * alpha / len(X) / n_targets, **CONVEX).fit(X, Y)
    theirs = Ridge(alpha).fit(X, Y)
    error = (ours.predict(X) - theirs.predict(X)) / Y.std(axis=0)
    assert error.shape == Y.shape
    assert_allclose(error, 0, atol=1e-4)


def test_weighted_logistic_regression_has_the_same_optimum(iris):
    X, y = iris
    weight = np.random.default_rng(0).uniform(0, 3, len(y))
    ours = MLPClassifier(weight_decay=1 / weight.sum(), **CONVEX).fit(X, y, weight)
    theirs = LogisticRegression(tol=1e-8, max_iter=1000).fit(X, y, weight)
    assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-4)


def test_negative_weights_enter_least_squares_as_they_should(targets):
    X, y = targets[0], targets[1][:, 0]
    weight = np.where(np.arange(len(y)) % 5 == 0, -0.5, 1.0)
    ours = MLPRegressor(**CONVEX).fit(X, y, weight)
    A = np.column_stack([X, np.ones(len(y))])
    solution = np.linalg.solve(A.T @ (weight[:, None] * A), A.T @ (weight * y))
    assert_allclose(ours.predict(X), A @ solution, atol=1e-3 * y.std())


def test_float64_comes_closer_to_the_optimum_than_float32_can(iris):
    X, y = iris
    theirs = LogisticRegression(tol=1e-12, solver="newton-cholesky").fit(X, y).predict_proba(X)
    with config_context(precision="float64"):
        ours = MLPClassifier(weight_decay=1 / len(X), **(CONVEX | {"epochs": 1500})).fit(X, y)
        assert_allclose(ours.predict_proba(X), theirs, atol=1e-9)


@pytest.mark.parametrize(
    "model",
    [
        MLPRegressor(**SMALL),
        MLPRegressor(loss="gaussian", **SMALL),
        MLPRegressor(loss="quantile", **SMALL),
        MLPClassifier(label_smoothing=0.1, **SMALL),
        MLPClassifier(normalization="batch", batch_size=100, **SMALL),
        MLPClassifier(normalization="layer", **SMALL),
        MLPClassifier(dropout=0.2, clip_norm=1.0, **SMALL),
        MLPClassifier(optimizer="rmsprop", learning_rate_schedule="cosine", **SMALL),
    ],
    ids=str,
)
def test_float64_trains_what_float32_does(model, moons):
    X, y = moons
    with config_context(precision="float64"):
        exact = model.fit(X, y).transform(X)
    assert exact.dtype == np.float64
    assert_allclose(model.fit(X, y).transform(X), exact, atol=4e-3)


# What hidden layers add -----------------------------------------------------------------------


def test_a_hidden_layer_learns_xor():
    X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=float)
    y = np.array(["same", "different", "different", "same"])
    model = MLPClassifier(activation="tanh", epochs=200, random_state=0).fit(X, y)
    assert_array_equal(model.predict(X), y)
    assert log_loss(y, model.predict_proba(X)) < 0.05
    assert_array_equal(model.classes_, ["different", "same"])


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"activation": "gelu", "hidden_layer_sizes": (32, 32)},
        {"normalization": "batch"},
        {"normalization": "layer", "hidden_layer_sizes": (50, 20)},
        {"dropout": 0.1},
        {"optimizer": "rmsprop", "epochs": 120},
        {"optimizer": SGD(momentum=0.9), "learning_rate": 0.3, "epochs": 150},
    ],
    ids=str,
)
def test_hidden_layers_separate_the_moons(moons, parameters):
    X, y = moons
    model = MLPClassifier(**{"epochs": 60, "batch_size": 100, "random_state": 0} | parameters)
    linear = LogisticRegression().fit(X[:200], y[:200]).score(X[200:], y[200:])
    assert model.fit(X[:200], y[:200]).score(X[200:], y[200:]) > max(0.95, linear + 0.05)


def test_a_regressor_bends_and_keeps_the_unit_of_its_target():
    X = np.linspace(-2, 2, 200)[:, None]
    y = np.sin(2 * X[:, 0])
    model = MLPRegressor(epochs=150, batch_size=50, random_state=0, learning_rate_schedule="linear")
    plain = model.fit(X, y)
    assert plain.score(X, y) > 0.98
    small = plain.predict(X)
    assert_allclose(model.fit(X, 1e6 * y - 3e7).predict(X), 1e6 * small - 3e7, rtol=1e-3, atol=1e4)
    assert small.dtype == np.float64


# Targets of several columns -------------------------------------------------------------------


@pytest.fixture(scope="module")
def two_columns(iris):
    """Two labels of each iris: the widest petals, and the longest sepals."""
    X, _ = iris
    return X, np.column_stack([X[:, 3] > 0.5, X[:, 0] > 0]).astype(int)


def test_labels_are_logistic_regressions_side_by_side(two_columns):
    X, Y = two_columns
    # Its loss is the mean over two labels, so that each has half the penalty's divisor.
    ours = MLPClassifier(weight_decay=1 / (2 * len(X)), **CONVEX).fit(X, Y)
    theirs = [LogisticRegression(tol=1e-8).fit(X, y).predict_proba(X)[:, 1] for y in Y.T]
    assert_allclose(ours.predict_proba(X), np.column_stack(theirs), atol=1e-4)
    assert_array_equal(ours.predict(X), (np.column_stack(theirs) > 0.5).astype(int))
    assert ours.decision_function(X).shape == Y.shape
    assert_array_equal(ours.classes_, [0, 1])
    assert ours.score(X, Y) == accuracy_score(Y, ours.predict(X))


def test_columns_of_classes_are_logistic_regressions_side_by_side(iris):
    X, species = iris
    Y = np.column_stack(
        [np.array(["a", "b", "c"])[species], np.where(X[:, 0] > 0, "long", "short")]
    )
    ours = MLPClassifier(weight_decay=1 / (2 * len(X)), **CONVEX).fit(X, Y)
    first, second = ours.predict_proba(X)
    theirs = LogisticRegression(tol=1e-8, max_iter=1000).fit(X, species).predict_proba(X)
    assert_allclose(first, theirs, atol=1e-4)
    # Two logits with a penalty on both are one logit of their difference with half of it.
    theirs = LogisticRegression(C=2.0, tol=1e-8).fit(X, Y[:, 1]).predict_proba(X)
    assert_allclose(second, theirs, atol=1e-4)
    assert [list(c) for c in ours.classes_] == [["a", "b", "c"], ["long", "short"]]
    most = [c[p.argmax(axis=1)] for c, p in zip(ours.classes_, (first, second))]
    assert_array_equal(ours.predict(X), np.column_stack(most))
    assert [d.shape for d in ours.decision_function(X)] == [(150, 3), (150, 2)]


def test_partial_fit_keeps_labels_where_a_chunk_has_one_value_only(two_columns):
    X, Y = two_columns
    model = MLPClassifier(**SMALL).fit(X, Y)
    model.partial_fit(X[:5], np.zeros((5, 2), int))
    assert model.predict_proba(X).shape == Y.shape


# Weights --------------------------------------------------------------------------------------


def test_balanced_classes_are_weighted_by_hand(iris):
    X, y = iris[0][30:], iris[1][30:]
    by_class = compute_class_weight("balanced", classes=np.arange(3), y=y)
    expected = MLPClassifier(**SMALL).fit(X, y, by_class[y]).predict_proba(X)
    balanced = MLPClassifier(class_weight="balanced", **SMALL).fit(X, y)
    assert_allclose(balanced.predict_proba(X), expected, atol=1e-6)
    by_dict = MLPClassifier(class_weight=dict(enumerate(by_class)), **SMALL).fit(X, y)
    assert_allclose(by_dict.predict_proba(X), expected, atol=1e-6)
    assert not np.allclose(MLPClassifier(**SMALL).fit(X, y).predict_proba(X), expected, atol=1e-3)


def test_balanced_classes_have_the_optimum_of_balanced_logistic_regression(iris):
    X, y = iris[0][30:], iris[1][30:]
    ours = MLPClassifier(class_weight="balanced", weight_decay=1 / len(X), **CONVEX).fit(X, y)
    theirs = LogisticRegression(class_weight="balanced", tol=1e-8, max_iter=1000).fit(X, y)
    assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-4)


def test_balanced_weights_are_those_of_the_training_rows(iris):
    # Validation rows may lack a class; they are weighted as the training rows are.
    X, y = iris[0][30:], iris[1][30:]
    by_class = compute_class_weight("balanced", classes=np.arange(3), y=y)
    X_val, y_val = iris[0][:90], iris[1][:90]
    model = MLPClassifier(class_weight="balanced", **SMALL).fit(X, y, X_val=X_val, y_val=y_val)
    probabilities = model.predict_proba(X_val)
    expected = log_loss(y_val, probabilities, sample_weight=by_class[y_val], labels=[0, 1, 2])
    assert_allclose(model.history_["val_loss"].iloc[-1], expected, rtol=1e-4)


@pytest.mark.parametrize("mlp", [MLPClassifier, MLPRegressor])
def test_a_weight_is_a_repetition_to_the_bit(mlp, iris):
    X, y = iris
    weight = np.random.default_rng(0).integers(0, 3, len(y))
    repeated = np.repeat(np.arange(len(y)), weight)
    model = mlp(**SMALL, batch_size=500)
    expected = model.fit(X[repeated], y[repeated]).predict(X)
    assert_array_equal(model.fit(X, y, weight).predict(X), expected)


@pytest.mark.parametrize("mlp", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("batch_size", [32, 500])
def test_only_the_ratios_of_weights_matter(mlp, batch_size, iris):
    X, y = iris
    weight = np.random.default_rng(0).uniform(1, 3, len(y))
    model = mlp(**SMALL, batch_size=batch_size)
    expected = model.fit(X, y, weight).predict(X)
    assert_array_equal(model.fit(X, y, 4 * weight).predict(X), expected)


@pytest.mark.parametrize("mlp", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("batch_size", [60, 500])
def test_a_negative_weight_cancels_a_duplicated_row(mlp, batch_size, iris):
    X, y = iris
    more = np.arange(0, 150, 3)
    X_more, y_more = np.vstack([X, X[more], X[more]]), np.concatenate([y, y[more], y[more]])
    weight = np.repeat([1.0, 1.0, -1.0], [150, 50, 50])
    # In one batch the copies cancel exactly. In several, only on average over the epochs.
    model = mlp(**CONVEX | {"batch_size": batch_size}, weight_decay=0.1)
    expected = model.set_params(batch_size=500).fit(X, y)
    expected = expected.predict_proba(X) if mlp is MLPClassifier else expected.predict(X)
    found = model.set_params(batch_size=batch_size).fit(X_more, y_more, weight)
    found = found.predict_proba(X) if mlp is MLPClassifier else found.predict(X)
    assert_allclose(found, expected, atol=1e-6 if batch_size == 500 else 0.05)


# Label smoothing ------------------------------------------------------------------------------


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("counts", [(30, 10), (10, 20, 30)])
def test_label_smoothing_has_its_closed_optimum(smoothing, counts):
    # Where X says nothing, the best probabilities are the smoothed frequencies of the classes.
    y = np.repeat(np.arange(len(counts)), counts)
    X = np.zeros((len(y), 2))
    model = MLPClassifier(label_smoothing=smoothing, **CONVEX).fit(X, y)
    frequencies = np.array(counts) / len(y)
    expected = (1 - smoothing) * frequencies + smoothing / len(counts)
    assert_allclose(model.predict_proba(X[:1])[0], expected, atol=1e-4)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_label_smoothing_bounds_the_logits_of_separable_classes(n_classes):
    X, y = np.eye(n_classes), np.arange(n_classes)
    model = MLPClassifier(label_smoothing=0.1, **CONVEX).fit(X, y)
    best = 0.9 + 0.1 / n_classes
    assert_allclose(np.diag(model.predict_proba(X)), best, atol=1e-3)


def test_smoothing_is_of_training_only(iris):
    X, y = iris
    model = MLPClassifier(label_smoothing=0.4, **SMALL).fit(X, y, X_val=X, y_val=y)
    assert_allclose(
        model.history_["val_loss"].iloc[-1], log_loss(y, model.predict_proba(X)), rtol=1e-4
    )


# Looking inside -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parameters",
    [
        {"hidden_layer_sizes": (20, 7)},
        {"hidden_layer_sizes": ()},
        {"normalization": "batch", "dropout": 0.3},
        {"normalization": "layer", "hidden_layer_sizes": (70,), "activation": "silu"},
    ],
    ids=str,
)
def test_transform_gives_the_features_under_the_head(iris, parameters):
    X, y = iris
    model = MLPClassifier(**SMALL | parameters).fit(X, y)
    features, network = model.transform(X), model.network_
    width = (model.hidden_layer_sizes or (4,))[-1]
    assert features.shape == (150, width)
    kernel, bias = (np.asarray(w) for w in network.get_layer("head").weights)
    assert_allclose(features @ kernel + bias, model.decision_function(X), atol=1e-5)
    outputs = network(X.astype(np.float32))
    assert_allclose(outputs["features"], features, atol=1e-5)
    assert_allclose(outputs["output"], model.decision_function(X), atol=1e-5)


def test_a_network_by_hand_predicts_the_same(iris):
    X, y = iris
    model = MLPClassifier(hidden_layer_sizes=(20, 7), activation="tanh", epochs=5).fit(X, y)
    h = X
    W1, b1, W2, b2, W, b = model.network_.get_weights()
    assert [w.shape for w in (W1, W2, W)] == [(4, 20), (20, 7), (7, 3)]
    h = np.tanh(np.tanh(X @ W1 + b1) @ W2 + b2)
    assert_allclose(model.transform(X), h, atol=1e-5)
    assert_allclose(model.predict_proba(X), softmax(h @ W + b, axis=1), atol=1e-5)


def test_changing_the_network_looked_at_changes_nothing(iris):
    X, y = iris
    model = MLPClassifier(**SMALL).fit(X, y)
    before = model.predict_proba(X)
    model.network_.set_weights([0 * w for w in model.network_.get_weights()])
    assert_array_equal(model.predict_proba(X), before)


def test_probabilities_logarithms_and_logits_agree(two_columns):
    X, Y = two_columns
    model = MLPClassifier(**SMALL).fit(X, Y[:, 0])
    probabilities = model.predict_proba(X)
    assert_allclose(probabilities[:, 1], expit(model.decision_function(X).astype(float)))
    assert_allclose(probabilities.sum(axis=1), 1)
    assert_allclose(np.exp(model.predict_log_proba(X)), probabilities)


def test_history_has_a_row_for_each_epoch(iris):
    X, y = iris
    model = MLPClassifier(**SMALL).fit(X, y)
    assert list(model.history_.columns) == ["loss"]
    assert len(model.history_) == model.n_iter_ == 3
    # The first full-batch loss is that of the initial weights; going on appends.
    assert model.history_["loss"].is_monotonic_decreasing
    model.set_params(warm_start=True).fit(X, y, X_val=X, y_val=y)
    assert len(model.history_) == model.n_iter_ == 6
    assert MLPRegressor(**SMALL).fit(X, y, X_val=X, y_val=y).history_.columns.tolist() == [
        "loss",
        "val_loss",
    ]


def test_the_logged_loss_is_that_of_the_weights_before_the_step(iris):
    X, y = iris
    model = MLPClassifier(**SMALL).fit(X, y)
    before = log_loss(y, model.predict_proba(X))
    model.partial_fit(X, y)
    assert_allclose(model.history_["loss"].iloc[-1], before, rtol=1e-5)


def test_verbose_shows_a_bar_and_silence_is_the_default(iris, capsys):
    MLPClassifier(**SMALL).fit(*iris)
    assert capsys.readouterr() == ("", "")
    slowly = [
        lambda state: time.sleep(0.15)
    ]  # as a bar skips what comes within a tenth of a second
    MLPClassifier(**SMALL, verbose=1, callbacks=slowly).fit(*iris)
    bar = capsys.readouterr().err
    assert "MLPClassifier" in bar
    assert "loss=" in bar


def test_features_are_named_and_come_as_the_user_likes(iris):
    X, y = iris
    model = MLPClassifier(**SMALL).set_output(transform="pandas")
    frame = model.fit_transform(X, y)
    assert list(frame.columns) == [f"mlpclassifier{i}" for i in range(10)]
    assert_array_equal(frame, model.set_output(transform="default").transform(X))


# Stopping early -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def overfitting():
    """Few rows, noisy labels and many columns: the validation loss turns soon."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 20))
    y = (X[:, 0] + 0.8 * rng.normal(size=120) > 0).astype(int)
    return X[:60], y[:60], X[60:], y[60:]


def test_early_stopping_keeps_the_weights_of_least_validation_loss(overfitting):
    X, y, X_val, y_val = overfitting
    model = MLPClassifier(early_stopping=True, patience=3, epochs=100, random_state=0)
    model.fit(X, y, X_val=X_val, y_val=y_val)
    losses = model.history_["val_loss"]
    assert model.best_epoch_ == losses.argmin() < len(losses) - 1
    assert model.n_iter_ == len(losses) == model.best_epoch_ + 3 + 1 < 100
    assert_allclose(log_loss(y_val, model.predict_proba(X_val)), losses.min(), rtol=1e-4)


def test_early_stopping_watches_a_scorer_by_name(overfitting):
    X, y, X_val, y_val = overfitting
    model = MLPClassifier(early_stopping="accuracy", patience=4, epochs=100, random_state=0)
    model.fit(X, y, X_val=X_val, y_val=y_val)
    scores = model.history_["val_score"]
    assert model.best_epoch_ == scores.argmax()
    assert model.n_iter_ == model.best_epoch_ + 4 + 1 < 100
    assert model.score(X_val, y_val) == scores.max()


def test_early_stopping_takes_a_scorer_of_ones_own(overfitting):
    X, y, X_val, y_val = overfitting
    scores = iter([0.1, 0.5, 0.3, 0.4, 0.9])
    model = MLPClassifier(early_stopping=lambda m, X, y: next(scores), patience=2, random_state=0)
    model.fit(X, y, X_val=X_val, y_val=y_val)
    assert model.history_["val_score"].tolist() == [0.1, 0.5, 0.3, 0.4]
    assert model.best_epoch_ == 1
    two = MLPClassifier(epochs=2, random_state=0).fit(X, y)
    assert_allclose(model.predict_proba(X), two.predict_proba(X), atol=1e-6)


def test_validation_weights_count_in_the_validation_loss(overfitting):
    X, y, X_val, y_val = overfitting
    weight = np.random.default_rng(0).uniform(0, 1, len(y_val))
    model = MLPClassifier(epochs=2, random_state=0)
    model.fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=weight)
    expected = log_loss(y_val, model.predict_proba(X_val), sample_weight=weight)
    assert_allclose(model.history_["val_loss"].iloc[-1], expected, rtol=1e-4)


def test_held_out_rows_are_not_trained_on():
    # Each row is its own class pair: what is held out cannot be learnt.
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 50)), rng.integers(0, 2, 200)
    model = MLPClassifier(
        early_stopping=True, validation_fraction=0.25, patience=100, epochs=60, random_state=0
    ).fit(X, y)
    history = model.history_
    assert history["loss"].iloc[-1] < 0.1
    assert history["val_loss"].iloc[-1] > 0.7


def test_a_pipeline_transforms_validation_rows(iris):
    X, y = iris[0] * 100 + 5000, iris[1]  # useless unless scaled
    with sklearn.config_context(enable_metadata_routing=True):
        model = MLPClassifier(epochs=20, random_state=0).set_fit_request(X_val=True, y_val=True)
        pipeline = make_pipeline(StandardScaler(), model, transform_input=["X_val"])
        pipeline.fit(X[::2], y[::2], X_val=X[1::2], y_val=y[1::2])
        loss = log_loss(y[1::2], pipeline.predict_proba(X[1::2]))
    assert_allclose(pipeline[-1].history_["val_loss"].iloc[-1], loss, rtol=1e-4)
    assert loss < 0.3


# Sparse rows ----------------------------------------------------------------------------------


def sparse_rows(n, n_columns, seed=0, density=0.01):
    rng = np.random.default_rng(seed)
    return sp.random(n, n_columns, density, "csr", np.float32, random_state=rng)


@pytest.mark.parametrize("mlp", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("batch_size", [16, 200])
def test_sparse_rows_give_what_dense_ones_give(mlp, batch_size):
    X = sparse_rows(100, 30, density=0.2)
    y = np.arange(100) % 2
    model = mlp(**SMALL, batch_size=batch_size)
    with config_context(compile="graph"):  # which sparse rows always take
        dense = model.fit(X.toarray(), y).predict(X.toarray())
    assert_allclose(model.fit(X, y).predict(X), dense, atol=1e-5)
    assert_array_equal(model.predict(X), model.predict(X.toarray()))
    assert_array_equal(model.predict(sp.csc_array(X)), model.predict(X))


def columns_of(model, n_columns):
    """The kernel of a linear model, (n_columns, n_outputs), from what it says of unit rows."""
    logits = model.decision_function(sp.identity(n_columns, np.float32, "csr"))
    return logits - model.decision_function(sp.csr_matrix((1, n_columns), dtype=np.float32))


def test_a_wide_step_of_sgd_is_the_gradient_by_hand():
    n, n_columns, rate, decay = 40, 5000, 0.5, 0.1
    X, y = sparse_rows(n, n_columns), np.arange(n) % 3
    model = MLPClassifier(hidden_layer_sizes=(), optimizer="sgd", epochs=1, random_state=0)
    start = model.set_params(learning_rate=1e-30).fit(X, y)
    W0, bias = columns_of(start, n_columns), start.decision_function(X[:1] * 0)
    logits = start.decision_function(X)
    model.set_params(learning_rate=rate, weight_decay=decay).fit(X, y)
    W1 = columns_of(model, n_columns)

    touched = np.unique(X.indices)
    gradient = X.T @ (softmax(logits, axis=1) - np.eye(3)[y]) / n
    assert_allclose(
        W1[touched], (W0 - rate * (gradient + decay * W0))[touched], rtol=1e-4, atol=1e-6
    )
    untouched = np.setdiff1d(np.arange(n_columns), touched)
    assert len(untouched) > 1000
    assert_allclose(W1[untouched], W0[untouched], atol=1e-7)  # to the rounding of the bias
    assert_allclose(bias, 0, atol=1e-20)


def test_wide_rows_with_hidden_layers_train_as_dense_ones(monkeypatch):
    X, y = sparse_rows(60, 5000), np.arange(60) % 3
    model = MLPClassifier(
        hidden_layer_sizes=(10, 5), optimizer="sgd", batch_size=16, epochs=1, random_state=0
    )
    model.set_params(learning_rate=1e-30)
    wide = model.fit(X, y)._fitted
    dense = MLPClassifier(**model.get_params()).fit(X.toarray(), y)
    # One more set of initial weights: the dense network's, with the wide one's first kernel.
    table = wide.progress.state["tables"]["weights"]
    weights = wide.progress.state["weights"]
    trainable = np.concatenate([table.ravel(), weights["trainable"]])
    state = dense._fitted.progress.state
    assert state["weights"]["trainable"].shape == trainable.shape
    state = state | {"weights": weights | {"trainable": trainable}}
    dense._fitted = replace(dense._fitted, progress=replace(dense._fitted.progress, state=state))
    assert_allclose(dense.predict_proba(X.toarray()), model.predict_proba(X), atol=1e-6)
    before = model.predict_proba(X)
    for one, rows in ((model, X), (dense, X.toarray())):
        one.set_params(warm_start=True, epochs=5, learning_rate=0.5).fit(rows, y)
    assert np.abs(model.predict_proba(X) - before).max() > 0.05
    assert_allclose(dense.predict_proba(X.toarray()), model.predict_proba(X), atol=1e-5)
    assert_allclose(dense.transform(X.toarray()), model.transform(X), atol=1e-5)
    assert_allclose(dense.history_[1:], model.history_[1:], rtol=1e-4)


def test_wide_logistic_regression_reaches_its_optimum():
    X, y = sparse_rows(60, 5000, density=0.002), np.arange(60) % 2
    ours = MLPClassifier(weight_decay=1 / len(y), **CONVEX).fit(X, y)
    theirs = LogisticRegression(tol=1e-8, max_iter=1000).fit(X, y)
    assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-3)


@pytest.mark.parametrize("optimizer", ["adam", SGD(momentum=0.9), "adamw"], ids=str)
def test_lazy_optimizers_leave_untouched_columns_alone(optimizer):
    n_columns = 5000
    X = sparse_rows(40, n_columns)
    left = X.multiply(np.arange(n_columns) < 2500).tocsr()
    left.eliminate_zeros()
    right = (X - left).tocsr()
    right.eliminate_zeros()
    y = np.arange(40) % 2
    model = MLPClassifier(
        hidden_layer_sizes=(), optimizer=optimizer, epochs=3, weight_decay=0.01, random_state=0
    ).fit(left, y)
    before = columns_of(model, n_columns)
    model.partial_fit(right, y)
    after = columns_of(model, n_columns)
    assert_allclose(after[:2500], before[:2500], atol=1e-6)
    assert np.mean(np.abs(after - before)[np.unique(right.indices)] > 1e-6) > 0.95


def test_wide_early_stopping_keeps_the_best_table():
    X = sparse_rows(120, 5000, density=0.02)
    y = (X[:, :2500].sum(axis=1) > X[:, 2500:].sum(axis=1)).A1.astype(int)
    y ^= np.random.default_rng(0).random(120) < 0.2
    model = MLPClassifier(early_stopping=True, patience=3, epochs=40, random_state=0)
    model.fit(X[:60], y[:60], X_val=X[60:], y_val=y[60:])
    losses = model.history_["val_loss"]
    assert model.best_epoch_ == losses.argmin() < len(losses) - 1
    assert_allclose(log_loss(y[60:], model.predict_proba(X[60:])), losses.min(), rtol=1e-4)


def test_wide_rows_are_never_densified():
    # As dense float32 the rows would take 4 GB, a batch of them 400 MB.
    rng = np.random.default_rng(0)
    n, n_columns = 1000, 1_000_000
    indices = rng.integers(0, n_columns, 10 * n)
    X = sp.csr_matrix((np.ones(10 * n, np.float32), indices, np.arange(0, 10 * n + 1, 10)))
    X.resize(n, n_columns)
    assert engine_rows.is_wide(X)
    y = np.arange(n) % 2
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model = MLPClassifier(hidden_layer_sizes=(), batch_size=100, epochs=5, learning_rate=0.1)
    assert model.fit(X, y).score(X, y) == 1  # more columns than rows: all can be told apart
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 300_000  # kB


# Rows of another kind than the first ----------------------------------------------------------


@pytest.fixture(scope="module")
def words():
    """60 rows of a few of 5,000 words, and classes that follow from them."""
    rng = np.random.default_rng(0)
    X = sp.random(60, 5000, density=0.004, format="csr", random_state=rng, dtype=np.float32)
    return X, np.asarray(X[:, :2500].sum(axis=1) > X[:, 2500:].sum(axis=1)).ravel().astype(int)


@pytest.mark.parametrize("first", ["csr_matrix", "toarray"])
def test_predict_takes_sparse_and_dense_rows_whatever_fit_has_seen(first, words):
    X, y = words
    seen, other = (X, X.toarray()) if first == "csr_matrix" else (X.toarray(), X)
    model = MLPClassifier(**SMALL).fit(seen, y, X_val=other, y_val=y)
    assert_allclose(model.predict_proba(other), model.predict_proba(seen), rtol=1e-5)


def test_a_callback_may_fit_the_same_wide_network(words):
    alone = MLPClassifier(**SMALL).fit(*words).predict_proba(words[0])
    inner = []

    def fit_again(state):
        inner.append(MLPClassifier(**SMALL).fit(*words).predict_proba(words[0]))

    outer = MLPClassifier(callbacks=[fit_again], **SMALL).fit(*words)
    assert_array_equal(outer.predict_proba(words[0]), alone)
    assert_array_equal(inner[0], alone)


# Batches --------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [200, 201, 220])
def test_a_last_batch_of_one_row_does_not_spoil_batch_normalisation(n):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 5))
    y = X @ rng.normal(size=5) + X[:, 0] ** 2
    scores = [
        MLPRegressor(normalization="batch", batch_size=20, random_state=seed).fit(X, y).score(X, y)
        for seed in range(3)
    ]
    assert np.median(scores) > 0.9


def test_features_are_float32_under_bfloat16(iris):
    with config_context(precision="mixed_bfloat16"):
        features = MLPClassifier(**SMALL).fit(*iris).transform(iris[0])
    assert features.dtype == np.float32
    LogisticRegression(max_iter=1000).fit(features, iris[1])


# Several outputs ------------------------------------------------------------------------------


def test_two_columns_of_two_other_numbers_are_two_targets(iris):
    X, y = iris[0][:80], np.tile([[1, 2], [2, 1], [1, 1], [2, 2]], (20, 1))
    model = MLPClassifier(**SMALL).fit(X, y)
    assert_array_equal(model.classes_, [[1, 2], [1, 2]])


@pytest.mark.parametrize("classes", [[[0, 1, 2], [0, 1]], [np.arange(2), np.arange(2)]])
def test_classes_of_each_column_make_zeros_and_ones_two_targets(classes, iris):
    X, y = iris[0][:4], np.array([[0, 1], [1, 0], [1, 1], [0, 0]])
    model = MLPClassifier(**SMALL).partial_fit(X, y, classes=classes)
    assert [p.shape for p in model.predict_proba(X)] == [(4, len(c)) for c in classes]
    model.partial_fit(X, np.array([[max(classes[0]), 1]] * 4))
    labels = MLPClassifier(**SMALL).partial_fit(X, y, classes=[0, 1])  # as scikit-learn's has it
    assert labels.predict_proba(X).shape == (4, 2)


def test_partial_fit_takes_the_classes_of_each_column(iris):
    X, y = iris[0][:4], np.array([[1, 5], [2, 5], [1, 7], [2, 7]])
    model = MLPClassifier(**SMALL).partial_fit(X, y, classes=[[1, 2, 3], [5, 6, 7]])
    assert [p.shape for p in model.predict_proba(X)] == [(4, 3), (4, 3)]
    model.partial_fit(X, np.array([[3, 6]] * 4))  # not seen before, but announced
    for classes in ([1, 2, 3], [1, 6], [[1, 2, 3]]):  # for two columns
        with pytest.raises(ValueError, match=r"list of as many lists, .* but is \[.*\d\]+\.$"):
            MLPClassifier(**SMALL).partial_fit(X, y, classes=classes)
