"""How sure predictions are: dropout at predict, temperatures, gaussian and quantile losses."""

import itertools
import pickle
import re
import textwrap
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from scipy.optimize import minimize_scalar
from scipy.special import expit, softmax
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_classification
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.pipeline import make_pipeline  # noqa: F401  the guide uses it
from sklearn.preprocessing import StandardScaler  # noqa: F401

from skdeep import (
    CNNClassifier,
    CNNRegressor,
    MLPClassifier,
    MLPRegressor,
    RNNClassifier,
    RNNRegressor,
    engine,
)
from skdeep.metrics import expected_calibration_error

BIAS_ALONE = {  # on rows of zeros: one constant for all
    "hidden_layer_sizes": (),
    "epochs": 1500,
    "batch_size": 1000,
    "learning_rate": 0.05,
    "learning_rate_schedule": "cosine",
    "random_state": 0,
}


# Losses of regressors ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def skewed():
    """200 rows of zeros, targets of two units, and integer weights."""
    rng = np.random.default_rng(0)
    Y = rng.gamma(2.0, size=(200, 2)) * [1, 50] + [0, 300]
    return np.zeros((200, 1)), Y, rng.integers(1, 4, size=200)


@pytest.mark.parametrize("columns", [0, [0, 1]], ids=["one", "two"])
def test_a_constant_gaussian_has_the_weighted_mean_and_variance(skewed, columns):
    X, Y, weight = skewed
    y = Y[:, columns]
    model = MLPRegressor(loss="gaussian", **BIAS_ALONE).fit(X, y, weight)
    mean, deviation = model.predict(X[:3], return_std=True)
    repeated = np.repeat(y, weight, axis=0)
    assert mean.shape == deviation.shape == y[:3].shape
    assert_allclose((mean - repeated.mean(axis=0)) / y.std(axis=0), 0, atol=1e-3)
    assert_allclose(deviation / repeated.std(axis=0), 1, atol=1e-3)


@pytest.mark.parametrize("columns", [0, [0, 1]], ids=["one", "two"])
def test_constant_quantiles_are_those_of_the_weighted_targets(skewed, columns):
    X, Y, weight = skewed
    y, levels = Y[:, columns], [0.05, 0.1, 0.5, 0.9]
    model = MLPRegressor(loss="quantile", **BIAS_ALONE).fit(X, y, weight)
    found = model.predict_quantiles(X[:3], levels)
    assert found.shape == (*y[:3].shape, 4)
    repeated = np.repeat(y, weight, axis=0)
    for i, level in enumerate(levels):  # each between the target's neighbours of that level
        low, high = np.quantile(repeated, [level - 0.005, level + 0.005], axis=0)
        assert np.all((low <= found[..., i]) & (found[..., i] <= high))
    assert_array_equal(model.predict(X[:3]), found[..., 2])


def changing_noise(n, seed):
    """Rows (n, 1) and targets sin(2 x) plus noise that grows from 0.1 to 0.9."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2, 2, size=(n, 1))
    return x, np.sin(2 * x[:, 0]) + (0.5 + 0.2 * x[:, 0]) * rng.normal(size=n)


@pytest.fixture(scope="module")
def fitted():
    """Models of changing noise, by (loss, seed)."""

    def fit(loss, seed):
        model = MLPRegressor(
            loss=loss,
            hidden_layer_sizes=(64, 64),
            epochs=40,
            learning_rate_schedule="cosine",
            random_state=seed,
        )
        return model.fit(*changing_noise(4000, seed))

    return {(loss, seed): fit(loss, seed) for loss in LOSSES for seed in range(3)}


LOSSES = ("gaussian", "quantile")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("loss", LOSSES)
def test_intervals_of_90_percent_cover_87_to_93_whether_noise_is_small_or_large(fitted, loss, seed):
    X, y = changing_noise(20_000, seed + 100)
    low, median, high = fitted[loss, seed].predict_quantiles(X).T
    covered = (low <= y) & (y <= high)
    assert 0.87 < covered.mean() < 0.93
    left = X[:, 0] < 0
    assert 0.84 < covered[left].mean() < 0.96
    assert 0.84 < covered[~left].mean() < 0.96
    assert np.mean(y < low) == pytest.approx(0.05, abs=0.025)
    # A normal distribution's interval is 2 * 1.645 deviations wide.
    assert_allclose((high - low)[left].mean() / (3.29 * 0.3), 1, atol=0.15)
    assert_allclose((high - low)[~left].mean() / (3.29 * 0.7), 1, atol=0.15)
    assert np.mean((median - np.sin(2 * X[:, 0])) ** 2) < 0.01


@pytest.mark.parametrize("loss", LOSSES)
def test_standard_deviations_are_those_of_the_noise(fitted, loss):
    X = np.linspace(-1.8, 1.8, 50)[:, None]
    mean, deviation = fitted[loss, 0].predict(X, return_std=True)
    assert_array_equal(mean, fitted[loss, 0].predict(X))
    assert_allclose(deviation, 0.5 + 0.2 * X[:, 0], atol=0.12)
    low, high = fitted[loss, 0].predict_quantiles(X, stats.norm.cdf([-1, 1])).T
    assert_allclose(deviation, (high - low) / 2, rtol=1e-6)


def test_quantiles_learn_skewed_noise_that_a_gaussian_cannot():
    def rows(seed):
        rng = np.random.default_rng(seed)
        X = rng.uniform(size=(4000, 1))
        return X, X[:, 0] * rng.exponential(size=4000)

    X, y = rows(1)
    outside = {}
    for loss in LOSSES:
        model = MLPRegressor(loss=loss, learning_rate_schedule="cosine", random_state=0)
        low, _, high = model.fit(*rows(0)).predict_quantiles(X).T
        outside[loss] = np.mean(y < low), np.mean(y > high)
    assert_allclose(outside["quantile"], 0.05, atol=0.02)
    assert outside["gaussian"][0] < 0.01


@pytest.mark.parametrize("loss", LOSSES)
def test_convolutional_networks_have_intervals_too(loss):
    def rows(n, seed):
        rng = np.random.default_rng(seed)
        images = rng.uniform(size=(n, 4, 4)).astype(np.float32)
        brightness = images.mean(axis=(1, 2))
        return images, brightness + (0.1 + images[:, 0, 0]) * rng.normal(size=n)

    model = CNNRegressor(
        architecture=(8,), loss=loss, learning_rate_schedule="cosine", epochs=15, random_state=0
    )
    X, y = rows(4000, 1)
    low, _, high = model.fit(*rows(4000, 0)).predict_quantiles(X).T
    assert 0.86 < np.mean((low <= y) & (y <= high)) < 0.94
    _, deviation = model.predict(X, return_std=True)
    assert np.corrcoef(deviation, X[:, 0, 0])[0, 1] > 0.9


def walks(n, seed, least=3):
    """Rows of 3 to 8 steps (n_steps, 1), and their running sums plus noise as large as the step."""
    rng = np.random.default_rng(seed)
    X = [rng.uniform(0.1, 1, size=(k, 1)) for k in rng.integers(least, 9, size=n)]
    return X, [x[:, 0].cumsum() + x[:, 0] * rng.normal(size=len(x)) for x in X]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("of", ["rows", "steps"])
def test_recurrent_networks_have_intervals_of_rows_and_of_steps(of, loss):
    def targets(y):
        return [part[-1] for part in y] if of == "rows" else y

    (X, y), (X_new, y_new) = walks(2000, 0), walks(2000, 1)
    model = RNNRegressor(
        cell="gru",
        hidden_layer_sizes=(16,),
        loss=loss,
        epochs=15,
        learning_rate_schedule="cosine",
        random_state=0,
    ).fit(X, targets(y))
    together = np.asarray if of == "rows" else np.concatenate
    low, median, high = together(model.predict_quantiles(X_new)).T
    covered = (low <= together(targets(y_new))) & (together(targets(y_new)) <= high)
    assert 0.86 < covered.mean() < 0.94
    mean, deviation = map(together, model.predict(X_new, return_std=True))
    assert_allclose(mean, median, atol=1e-5)
    last = [x[-1, 0] for x in X_new] if of == "rows" else np.concatenate(X_new)[:, 0]
    assert np.corrcoef(deviation, last)[0, 1] > 0.95
    assert_allclose(np.mean(deviation / last), 1, atol=0.15)


def test_validation_loss_of_a_gaussian_is_the_likelihood_of_the_validation_rows():
    X, y = changing_noise(400, 0)
    X_val, y_val = changing_noise(100, 1)
    model = MLPRegressor(loss="gaussian", early_stopping=True, patience=3, random_state=0)
    model.fit(X, y, X_val=X_val, y_val=y_val)
    likelihood = stats.norm.logpdf(y_val, *model.predict(X_val, return_std=True)).mean()
    assert model.history_["val_loss"][model.best_epoch_] == pytest.approx(
        -likelihood - np.log(y.std()), rel=1e-4
    )


def test_warm_start_refuses_another_loss():
    X, y = changing_noise(50, 0)
    model = MLPRegressor(epochs=1, warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match="but loss changed"):
        model.set_params(loss="gaussian").fit(X, y)


def test_a_squared_loss_knows_no_deviations_and_no_quantiles():
    X, y = changing_noise(50, 0)
    model = MLPRegressor(epochs=1).fit(X, y).set_params(loss="gaussian")  # too late
    with pytest.raises(ValueError, match=r"return_std=True needs .* loss='gaussian' or 'quantile'"):
        model.predict(X, return_std=True)
    with pytest.raises(ValueError, match="but this one had loss='squared'"):
        model.predict_quantiles(X)


@pytest.mark.parametrize("levels", [[0.5, 1], [0.0], [[0.5]], [-0.1], 0.5, [np.nan]])
def test_levels_that_are_none_are_refused(fitted, levels):
    with pytest.raises(ValueError, match=r"levels in \(0, 1\), but is"):
        fitted["gaussian", 0].predict_quantiles([[0.0]], levels)


def test_levels_beyond_those_learnt_are_refused_and_a_gaussian_has_all(fitted):
    with pytest.raises(ValueError, match=r"levels in \[0.01, 0.99\], where loss='quantile' learns"):
        fitted["quantile", 0].predict_quantiles([[0.0]], [0.995])
    model = fitted["gaussian", 0]
    mean, deviation = model.predict([[0.0]], return_std=True)
    assert_allclose(
        model.predict_quantiles([[0.0]], [0.9999])[0], mean + 3.719 * deviation, rtol=1e-4
    )


# Dropout at predict -----------------------------------------------------------------------------


def test_samples_of_a_linear_network_have_its_exact_mean_and_variance():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    Y = X @ rng.normal(size=(3, 2)) * [1, 100] + [3, -500]
    p, n = 0.3, 1000
    model = MLPRegressor(
        hidden_layer_sizes=(20,), activation="linear", dropout=p, epochs=5, random_state=0
    ).fit(X, Y)
    mean, deviation = model.predict(X[:8], return_std=True, n_samples=n)
    # The output is b + sum_j z_j h_j w_j / (1 - p), with z_j 1 or 0.
    kernel = model.network_.get_layer("head").get_weights()[0] * Y.std(axis=0)
    exact = np.sqrt(p / (1 - p) * model.transform(X[:8]) ** 2 @ kernel**2)
    assert_allclose((mean - model.predict(X[:8])) / exact, 0, atol=5 / np.sqrt(n))
    assert_allclose(deviation / exact, 1, atol=5 / np.sqrt(2 * n))


def test_probabilities_approach_the_mean_over_all_thinned_networks():
    X, y = make_classification(200, 5, random_state=0)
    p, n = 0.4, 1500
    model = MLPClassifier(
        hidden_layer_sizes=(3,), dropout=p, learning_rate=0.1, epochs=10, random_state=0
    ).fit(X, y)
    kernel, bias = model.network_.get_layer("head").get_weights()
    X = X[:50]
    exact, square = 0, 0
    for kept in itertools.product([0, 1], repeat=3):
        weight = np.prod([1 - p if k else p for k in kept])
        one = expit(model.transform(X) * kept / (1 - p) @ kernel + bias)[:, 0]
        exact, square = exact + weight * one, square + weight * one**2
    found = model.predict_proba(X, n_samples=n)
    error = np.sqrt(np.maximum(square - exact**2, 0) / n)
    assert np.all(np.abs(found[:, 1] - exact) < 5 * error + 1e-6)
    assert np.abs(model.predict_proba(X)[:, 1] - exact).max() > 0.02  # which is another thing
    assert_allclose(found.sum(axis=1), 1)


THIN = {"epochs": 3, "dropout": 0.3, "random_state": 0}
SPARSE = sp.random(60, 5000, density=0.004, format="csr", random_state=0, dtype=np.float32)
DENSE = np.random.default_rng(0).normal(size=(100, 16)).astype(np.float32)


@pytest.mark.parametrize(
    ("model", "X"),
    [
        (MLPClassifier(hidden_layer_sizes=(20, 10), **THIN), DENSE),
        (MLPClassifier(normalization="batch", **THIN), DENSE),
        (MLPClassifier(**THIN), SPARSE),
        (CNNClassifier(architecture=(4,), augment=("shift",), **THIN), DENSE),
        (MLPRegressor(loss="gaussian", **THIN), DENSE),
        (MLPRegressor(loss="quantile", normalization="layer", **THIN), DENSE),
        (CNNRegressor(architecture=(4,), **THIN), DENSE),
    ],
    ids=lambda value: "" if hasattr(value, "shape") else repr(value),
)
def test_samples_are_networks_of_the_fit_and_the_same_for_all_rows(model, X):
    y = np.arange(X.shape[0]) % 3

    def sampled(model, rows, n_samples):
        if hasattr(model, "predict_proba"):
            return model.predict_proba(rows, n_samples=n_samples)
        return np.column_stack(model.predict(rows, return_std=True, n_samples=n_samples))

    model = clone(model).fit(X, y)
    plain = model.predict(X)
    found = sampled(model, X, 4)
    assert_array_equal(sampled(pickle.loads(pickle.dumps(model)), X, 4), found)
    assert_array_equal(sampled(clone(model).fit(X, y), X, 4), found)
    assert not np.array_equal(
        sampled(clone(model).set_params(random_state=1).fit(X, y), X, 4), found
    )
    order = np.random.default_rng(1).permutation(X.shape[0])[:50]
    assert_array_equal(sampled(model, X[order], 4), found[order])
    assert not np.allclose(sampled(model, X, 1), sampled(model, X, 2))
    assert_array_equal(model.predict(X), plain)  # samples leave nothing behind


@pytest.mark.parametrize("of", ["rows", "steps"])
@pytest.mark.parametrize("kind", ["classifier", "regressor"])
def test_samples_of_sequences_do_not_depend_on_the_length_of_others(kind, of):
    X, y = walks(100, 0)
    if of == "rows":
        y = np.array([part[-1] for part in y])
    rnn = {"hidden_layer_sizes": (6, 4), "bidirectional": True} | THIN
    if kind == "classifier":
        y = y > 1 if of == "rows" else [part > 1 for part in y]
        model = RNNClassifier(cell="gru", **rnn).fit(X, y)
        sampled = lambda X, n: model.predict_proba(X, n_samples=n)  # noqa: E731
    else:
        model = RNNRegressor(loss="gaussian", pooling="mean", **rnn).fit(X, y)
        sampled = lambda X, n: model.predict(X, return_std=True, n_samples=n)[1]  # noqa: E731
    found = sampled(X, 3)
    for i in (0, 7, 99):
        assert_array_equal(sampled([X[i]], 3)[0], found[i])
    assert not np.allclose(sampled(X[:1], 1)[0], found[0])
    if kind == "classifier":
        third = 3 * found[0] - 2 * sampled(X[:1], 2)[0]
        assert_allclose(third.sum(axis=-1), 1)


def test_the_first_samples_of_many_are_those_of_few():
    X, y = DENSE, np.arange(100) % 3
    model = MLPClassifier(**THIN).fit(X, y)
    one, two, three = (n * model.predict_proba(X, n_samples=n) for n in (1, 2, 3))
    for further in (two - one, three - two):  # the second and the third: probabilities themselves
        assert_allclose(further.sum(axis=1), 1)
        assert further.min() >= -1e-12
        assert np.abs(further - one).max() > 0.01


def test_columns_of_classes_and_labels_are_sampled_too():
    X = DENSE
    columns = np.column_stack([np.arange(100) % 3, X[:, 0] > 0])
    model = MLPClassifier(hidden_layer_sizes=(8,), **THIN).fit(X, columns)
    found = model.predict_proba(X, n_samples=3)
    assert [p.shape for p in found] == [(100, 3), (100, 2)]
    assert_allclose(found[0].sum(axis=1), 1)
    total = sum(k * model.predict_proba(X, n_samples=k)[1] * s for k, s in [(3, 1), (2, -1)])
    assert_allclose(total.sum(axis=1), 1)  # the third sample
    labels = MLPClassifier(**THIN).fit(X, (X[:, :4] > 0).astype(int))
    assert labels.predict_proba(X, n_samples=3).shape == (100, 4)


def test_any_number_of_samples_shares_one_program():
    model = MLPRegressor(**THIN).fit(DENSE, DENSE[:, 0])
    model.predict(DENSE, n_samples=1)
    before = engine.cache_info().misses
    model.predict(DENSE[:70], return_std=True, n_samples=25)
    model.predict(DENSE, n_samples=3)
    assert engine.cache_info().misses == before


def test_the_noise_of_a_gaussian_and_the_spread_of_its_samples_add_up():
    model = MLPRegressor(loss="gaussian", **THIN).fit(DENSE, DENSE[:, 0])
    _, noise = model.predict(DENSE, return_std=True)
    means = [model.predict(DENSE, n_samples=n) * n for n in range(1, 9)]
    spread = np.std([means[0], *np.diff(means, axis=0)], axis=0)
    _, both = model.predict(DENSE, return_std=True, n_samples=8)
    assert np.all(both > spread)
    within = np.sqrt(both**2 - spread**2)  # of eight networks; of the whole one it is like
    assert_allclose(np.log(within / noise).mean(), 0, atol=0.2)


@pytest.mark.parametrize("n_samples", [0, -1, 2.0, True, "many"])
def test_impossible_numbers_of_samples_are_refused(n_samples):
    model = MLPClassifier(**THIN).fit(DENSE, np.arange(100) % 3)
    with pytest.raises(ValueError, match="n_samples must be a positive integer or None, but is"):
        model.predict_proba(DENSE, n_samples=n_samples)


@pytest.mark.parametrize("parameters", [{"dropout": 0.0}, {"hidden_layer_sizes": ()}], ids=str)
def test_a_network_without_dropout_has_no_samples(parameters):
    model = MLPRegressor(**(THIN | parameters)).fit(DENSE, DENSE[:, 0])
    with pytest.raises(
        ValueError, match=r"n_samples=9 asks .* fitted without; fit it with dropout"
    ):
        model.predict(DENSE, n_samples=9)


def test_samples_need_a_fit():
    with pytest.raises(NotFittedError):
        MLPClassifier(dropout=0.5).predict_proba(DENSE, n_samples=2)


# Temperatures -----------------------------------------------------------------------------------


def hard_classes(n_classes, seed=0):
    """Rows of classes that lie in each other: 500 to train, 1000 to validate, 3000 to test on."""
    X, y = make_classification(
        4500,
        20,
        n_informative=6,
        n_classes=n_classes,
        n_clusters_per_class=4 // n_classes,
        class_sep=0.5,
        flip_y=0.05,
        random_state=seed,
    )
    return (X[:500], y[:500]), (X[500:1500], y[500:1500]), (X[1500:], y[1500:])


OVERFITTED = {"hidden_layer_sizes": (128,), "epochs": 60, "random_state": 0}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n_classes", [2, 4])
def test_calibration_halves_the_error_of_an_overfitted_network_and_keeps_the_ranking(
    n_classes, seed
):
    (X, y), (X_val, y_val), (X_test, y_test) = hard_classes(n_classes, seed)
    sure = MLPClassifier(**OVERFITTED).fit(X, y)
    model = MLPClassifier(calibrate=True, **OVERFITTED).fit(X, y, X_val=X_val, y_val=y_val)
    before, after = sure.predict_proba(X_test), model.predict_proba(X_test)
    errors = [expected_calibration_error(y_test, p) for p in (before, after)]
    assert errors[0] > 0.1
    assert errors[1] < errors[0] / 2
    assert log_loss(y_test, after) < log_loss(y_test, before)
    assert_array_equal(model.predict(X_test), sure.predict(X_test))
    assert_array_equal(model.decision_function(X_test), sure.decision_function(X_test))
    assert_array_equal(after.argmax(axis=1), before.argmax(axis=1))
    if n_classes == 2:
        # Certainties of 1 - 1e-17 are ties before, so that the order is compared by the logits.
        order = np.argsort(model.decision_function(X_test))
        assert (np.diff(after[order, 1]) >= 0).all()
        auc = roc_auc_score(y_test, model.decision_function(X_test))
        assert roc_auc_score(y_test, after[:, 1]) == pytest.approx(auc, abs=1e-9)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_the_temperature_is_that_of_scikit_learn(n_classes):
    (X, y), (X_val, y_val), _ = hard_classes(n_classes)
    model = MLPClassifier(calibrate=True, **OVERFITTED).fit(X, y, X_val=X_val, y_val=y_val)
    raw = clone(model).set_params(calibrate=False).fit(X, y)
    theirs = CalibratedClassifierCV(FrozenEstimator(raw), method="temperature").fit(X_val, y_val)
    beta = theirs.calibrated_classifiers_[0].calibrators[0].beta_
    # Theirs makes (-z, z) of one logit z, which are twice as far apart; ours adds one row to 1000.
    assert model.temperature_ == pytest.approx(1 / beta / (2 if n_classes == 2 else 1), rel=0.02)
    assert_allclose(model.predict_proba(X), theirs.predict_proba(X), atol=5e-3)


def log_loss_at(t, logits, y, weight=None):
    """Weighted log loss of logits / t, of one column or of several."""
    if logits.ndim == 1:
        logits = np.column_stack([np.zeros_like(logits), logits])
    return log_loss(y, softmax(logits.astype(float) / t, axis=1), sample_weight=weight)


def best_temperature(logits, y, weight=None):
    """What has the least log loss with a row more that wants log T = 0, by scipy."""
    found = minimize_scalar(
        lambda log_t: log_loss_at(np.exp(log_t), logits, y, weight) + log_t**2 / 2 / len(y),
        bracket=(-0.1, 0.1),
    )
    return np.exp(found.x)


def test_weights_of_validation_rows_count():
    (X, y), (X_val, y_val), _ = hard_classes(2)
    w_val = np.random.default_rng(0).uniform(0, 3, len(y_val))
    model = MLPClassifier(calibrate=True, **OVERFITTED)
    model.fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=w_val)
    logits = model.decision_function(X_val)
    assert model.temperature_ == pytest.approx(best_temperature(logits, y_val, w_val), rel=1e-4)
    assert abs(model.temperature_ / best_temperature(logits, y_val) - 1) > 1e-3


def rare(n, seed):
    """Rows of a class as rare as one in eight, and its true probability."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    p = expit(1.5 * X[:, 0] - 2.5)
    return X, (rng.random(n) < p).astype(int), p


def test_calibrated_probabilities_of_a_rare_class_are_the_true_ones():
    (X, y, _), (X_val, y_val, _), (X_test, y_test, p) = rare(2000, 0), rare(1000, 1), rare(4000, 2)
    model = MLPClassifier(calibrate=True, epochs=10, random_state=0)
    model.fit(X, y, X_val=X_val, y_val=y_val)
    found = model.predict_proba(X_test)[:, 1]
    assert expected_calibration_error(y_test, found) < 0.04
    assert found.mean() == pytest.approx(p.mean(), abs=0.03)
    # Weights of classes shift them all, by Bayes's rule, which no division of logits takes back.
    weighted = MLPClassifier(class_weight="balanced", epochs=10, random_state=0).fit(X, y)
    assert expected_calibration_error(y_test, weighted.predict_proba(X_test)[:, 1]) > 0.15


@pytest.mark.parametrize("class_weight", ["balanced", {1: 5.0}])
def test_class_weights_and_calibration_are_refused_together(class_weight):
    model = MLPClassifier(calibrate=True, class_weight=class_weight)
    with pytest.raises(ValueError, match=r"calibrate=True .* class_weight=.*TunedThreshold"):
        model.fit(*rare(50, 0)[:2])


def test_label_smoothing_leaves_a_network_too_modest_which_calibration_mends():
    X, y = make_classification(2000, 5, class_sep=3, flip_y=0, random_state=0)
    model = MLPClassifier(label_smoothing=0.4, calibrate=True, random_state=0)
    model.fit(X[:500], y[:500], X_val=X[500:1000], y_val=y[500:1000])
    assert model.temperature_ < 0.6
    modest = log_loss_at(1, model.decision_function(X[1000:]), y[1000:])
    assert log_loss(y[1000:], model.predict_proba(X[1000:])) < modest / 2


def test_rows_are_held_out_where_none_are_given_as_early_stopping_does():
    (X, y), _, _ = hard_classes(2)
    model = MLPClassifier(calibrate=True, validation_fraction=0.3, **OVERFITTED).fit(X, y)
    patient = MLPClassifier(early_stopping=True, patience=60, validation_fraction=0.3, **OVERFITTED)
    assert_array_equal(model.history_, patient.fit(X, y).history_)  # the same rows on either side
    assert model.n_iter_ == 60
    assert model.best_epoch_ == -1
    assert model.temperature_ > 1.5


def test_early_stopping_and_calibration_share_their_rows_and_the_best_weights_are_calibrated():
    (X, y), (X_val, y_val), _ = hard_classes(2)
    model = MLPClassifier(calibrate=True, early_stopping=True, patience=5, **OVERFITTED)
    model.fit(X, y, X_val=X_val, y_val=y_val)
    assert model.best_epoch_ < model.n_iter_ - 1
    best = best_temperature(model.decision_function(X_val), y_val)
    assert model.temperature_ == pytest.approx(best, rel=1e-4)


def test_a_score_that_early_stopping_watches_sees_no_temperature_of_an_earlier_fit():
    (X, y), (X_val, y_val), _ = hard_classes(2)
    rows = {"X_val": X_val, "y_val": y_val}
    model = MLPClassifier(calibrate=True, warm_start=True, **OVERFITTED).fit(X, y, **rows)
    model.set_params(early_stopping="neg_log_loss", epochs=1, learning_rate=1e-12).fit(X, y, **rows)
    assert model.history_["val_score"].iloc[-1] == pytest.approx(
        -log_loss_at(1, model.decision_function(X_val), y_val), rel=1e-5
    )


def test_each_further_fit_finds_its_own_temperature_or_none():
    (X, y), (X_val, y_val), _ = hard_classes(2)
    rows = {"X_val": X_val, "y_val": y_val}
    model = MLPClassifier(calibrate=True, warm_start=True, **OVERFITTED).fit(X, y, **rows)
    first = model.temperature_
    model.fit(X, y, **rows)
    assert model.n_iter_ == 120
    assert model.temperature_ > 1.05 * first
    best = best_temperature(model.decision_function(X_val), y_val)
    assert model.temperature_ == pytest.approx(best, rel=1e-4)
    with pytest.raises(ValueError, match="partial_fit holds out no rows to calibrate on"):
        model.partial_fit(X, y)
    assert model.temperature_ == pytest.approx(best, rel=1e-4)
    model.set_params(calibrate=False).partial_fit(X, y)
    assert model.temperature_ == 1
    assert_allclose(model.predict_proba(X)[:, 1], expit(model.decision_function(X).astype(float)))


def test_labels_have_temperatures_of_their_own():
    (X, y), (X_val, y_val), _ = hard_classes(4)
    Y, Y_val = (np.column_stack([c == 0, c % 2]).astype(int) for c in (y, y_val))
    model = MLPClassifier(calibrate=True, **OVERFITTED).fit(X, Y, X_val=X_val, y_val=Y_val)
    logits = model.decision_function(X_val)
    best = [best_temperature(z, c) for z, c in zip(logits.T, Y_val.T, strict=True)]
    assert_allclose(model.temperature_, best, rtol=1e-4)
    assert_allclose(model.predict_proba(X_val), expit(logits / np.array(best)), rtol=1e-3)


def test_all_steps_of_a_sequence_share_one_temperature():
    def labels(rows, rng):
        return [(x[:, 0] + rng.normal(size=len(x)) > 0.5).astype(int) for x in rows]

    rng = np.random.default_rng(0)
    (X, _), (X_val, _) = walks(60, 0), walks(200, 1)
    y, y_val = labels(X, rng), labels(X_val, rng)
    sure = RNNClassifier(
        cell="gru", hidden_layer_sizes=(32,), calibrate=True, epochs=60, random_state=0
    ).fit(X, y, X_val=X_val, y_val=y_val)
    logits = np.concatenate(sure.decision_function(X_val))
    best = best_temperature(logits, np.concatenate(y_val))
    assert best > 1.5
    assert sure.temperature_ == pytest.approx(best, rel=1e-4)
    p = np.concatenate(sure.predict_proba(X_val))
    assert_allclose(p[:, 1], expit(logits / best), rtol=1e-3)


def test_logarithms_and_samples_of_probabilities_are_calibrated_too():
    (X, y), (X_val, y_val), _ = hard_classes(2)
    model = MLPClassifier(calibrate=True, dropout=0.1, **OVERFITTED)
    model.fit(X, y, X_val=X_val, y_val=y_val)
    assert model.temperature_ > 1.2
    assert_allclose(np.exp(model.predict_log_proba(X)), model.predict_proba(X))
    assert_allclose(
        model.predict_proba(X)[:, 1],
        expit(model.decision_function(X) / model.temperature_),
        rtol=1e-4,
    )
    one = model.predict_proba(X, n_samples=1)[:, 1]
    raw = clone(model).set_params(calibrate=False).fit(X, y).predict_proba(X, n_samples=1)[:, 1]
    assert_allclose(one, expit(np.log(raw / (1 - raw)) / model.temperature_), rtol=1e-4, atol=1e-6)


def test_calibration_names_itself_where_no_rows_are_left():
    X, y = make_classification(20, random_state=0)
    with pytest.raises(ValueError, match="calibrate holds out validation_fraction="):
        MLPClassifier(calibrate=True, validation_fraction=0.99).fit(X, y)


def test_a_convolutional_network_is_calibrated_as_well():
    (X, y), (X_val, y_val), (X_test, y_test) = hard_classes(2)
    images = [rows[:, :16].reshape(-1, 4, 4) for rows in (X, X_val, X_test)]
    sure = CNNClassifier(architecture=(16,), epochs=40, learning_rate=0.02, random_state=0)
    model = clone(sure).set_params(calibrate=True)
    before = sure.fit(images[0], y).predict_proba(images[2])
    after = model.fit(images[0], y, X_val=images[1], y_val=y_val).predict_proba(images[2])
    errors = [expected_calibration_error(y_test, p) for p in (before, after)]
    assert errors[1] < errors[0] / 2


# The guide page ---------------------------------------------------------------------------------


def test_the_lines_of_the_guide_run():
    page = Path(__file__).parents[1] / "docs" / "guide" / "uncertainty.rst"
    blocks = re.findall(
        r"^\.\. code-block:: python\n\n(.*?)(?=^\S)",
        page.read_text(encoding="utf-8"),
        flags=re.MULTILINE | re.DOTALL,
    )
    X, y = changing_noise(300, 0)
    names = {"X": X, "y": y, "X_new": X[:20], "labels": y > 0}
    for block in blocks:
        exec(textwrap.dedent(block), globals() | names, names)
    assert np.all(names["low"] <= names["high"])
    assert np.all(names["noise_and_doubt"] > 0)
