"""Autoencoders, against principal components and closed forms of linear ones."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import bernoulli
from sklearn.callback import ScoringMonitor
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skdeep
from skdeep import Autoencoder, config_context
from skdeep.preprocessing import TableEncoder

LINEAR = {  # at the optimum: all rows in each step, Adam slowing down
    "hidden_layer_sizes": (),
    "epochs": 1500,
    "batch_size": 1000,
    "learning_rate": 0.02,
    "learning_rate_schedule": "cosine",
    "random_state": 0,
}


@pytest.fixture(scope="module")
def X():
    """Rows of unlike variances, far from 0, whose columns hang together."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(256, 6)) * [4, 3, 2, 1, 0.5, 0.25] @ rng.normal(size=(6, 6)) + 100


@pytest.fixture(scope="module")
def digits():
    return load_digits(return_X_y=True)[0] / 16


def back(model, X):
    return model.inverse_transform(model.transform(X))


def squared_error(model, X):
    return np.mean((X - back(model, X)) ** 2)


# The squared loss -----------------------------------------------------------------------------


@pytest.mark.parametrize("unit", [1, 1e-6, 1e6])
@pytest.mark.parametrize("k", [1, 3])
def test_a_linear_one_has_the_error_of_principal_components(X, k, unit):
    ours, pca = (m.fit(X * unit) for m in (Autoencoder(n_components=k, **LINEAR), PCA(k)))
    best = squared_error(pca, X * unit)
    # No linear map beats them, so that falling below is a bug too.
    assert 0.999 * best < squared_error(ours, X * unit) < 1.01 * best


def test_weights_are_repetitions(X):
    weight = np.arange(256) % 4
    ours = Autoencoder(**LINEAR | {"epochs": 50}).fit(X, sample_weight=weight)
    repeated = Autoencoder(**LINEAR | {"epochs": 50}).fit(np.repeat(X, weight, axis=0))
    assert_allclose(ours.mean_, repeated.mean_)
    assert_allclose(ours.scale_, repeated.scale_)
    assert_allclose(ours.offset_, repeated.offset_, rtol=1e-4)
    assert_allclose(ours.transform(X), repeated.transform(X), atol=1e-4)


def test_scores_are_minus_squared_errors_in_the_unit_of_the_rows(X):
    model = Autoencoder(epochs=20, random_state=0).fit(X)
    squares = np.mean((X - back(model, X)) ** 2, axis=1)
    assert_allclose(model.score_samples(X), -squares, rtol=1e-3)
    assert_allclose(model.score(X), -squares.mean(), rtol=1e-3)
    assert_allclose(model.history_.loss.iloc[-1] * model.scale_**2, squares.mean(), rtol=0.3)


def test_hidden_layers_beat_every_linear_code_on_a_curve():
    angle = np.random.default_rng(0).uniform(0, 4, 500)
    X = np.column_stack([np.cos(angle), np.sin(angle), np.cos(2 * angle)])
    model = Autoencoder(n_components=1, epochs=150, batch_size=50, random_state=0).fit(X)
    assert squared_error(model, X) < 0.1 * squared_error(PCA(1).fit(X), X)


# Bernoulli ------------------------------------------------------------------------------------


def test_scores_of_bits_are_their_log_probabilities(digits):
    X = (digits > 0.5).astype(float)
    model = Autoencoder(loss="bernoulli", epochs=20, random_state=0).fit(X)
    p = back(model, X)
    assert p.min() >= 0
    assert p.max() <= 1
    assert_allclose(model.score_samples(X), bernoulli.logpmf(X, p).mean(axis=1), rtol=1e-4)
    everywhere = bernoulli.logpmf(X, X.mean(axis=0)).mean()
    assert model.score(X) > 0.85 * everywhere
    assert model.scale_ == 1
    assert not model.mean_.any()


@pytest.mark.parametrize(
    ("scaled", "hint"), [(lambda x: 255 * x, "divide it by 255"), (lambda x: x - 0.5, "scale it")]
)
def test_what_no_bernoulli_variable_has_as_mean_is_refused(digits, scaled, hint):
    with pytest.raises(ValueError, match=rf"numbers in \[0, 1\], but X lies in .*{hint}"):
        Autoencoder(loss="bernoulli").fit(scaled(digits))


# Noise ----------------------------------------------------------------------------------------


def best_linear_map(X, noise, level):
    """W with (x - mean) W the least-squares guess of x - mean from its noisy form."""
    cov = np.cov(X.T, bias=True)
    if noise == "gaussian":
        return np.linalg.solve(cov + level**2 * np.eye(len(cov)), cov)
    kept = 1 - level
    noisy = kept**2 * cov + kept * level * np.diag(np.diag(cov))
    return np.linalg.solve(noisy, kept * cov)


@pytest.mark.parametrize(("noise", "level"), [("gaussian", 3.0), ("mask", 0.3)])
def test_a_linear_one_under_noise_is_the_regression_of_rows_on_their_noisy_form(X, noise, level):
    model = Autoencoder(n_components=6, noise=noise, noise_level=level, **LINEAR)
    model.fit(np.tile(X, (3, 1)))
    expected = (X - X.mean(axis=0)) @ best_linear_map(X, noise, level) + X.mean(axis=0)
    assert_allclose(back(model, X), expected, atol=0.03 * X.std())
    without = Autoencoder(n_components=6, **LINEAR).fit(X)
    assert np.abs(back(without, X) - expected).max() > 0.2 * X.std()


def test_it_takes_noise_off_images_that_it_has_not_seen(digits):
    rng = np.random.default_rng(0)
    X, X_test = digits[:1500], digits[1500:]
    noisy = X_test + rng.normal(0, 0.3, X_test.shape)
    model = Autoencoder(
        n_components=24, noise="gaussian", noise_level=0.3, epochs=60, random_state=0
    ).fit(X)
    error = lambda model: np.mean((X_test - back(model, noisy)) ** 2)  # noqa: E731
    best = min(error(PCA(k).fit(X)) for k in range(4, 40, 4))
    assert error(model) < 0.85 * best


def test_a_share_of_all_is_no_mask(X):
    with pytest.raises(ValueError, match=r"must be below 1, but is 1\.5"):
        Autoencoder(noise="mask", noise_level=1.5).fit(X)


# Outliers -------------------------------------------------------------------------------------


def test_planted_rows_are_outliers():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 2)) @ rng.normal(size=(2, 8)) + 0.1 * rng.normal(size=(500, 8))
    strange = rng.normal(size=(20, 8)) * X.std(axis=0)  # of the same spread, but off the plane
    model = Autoencoder(epochs=100, contamination=0.05, random_state=0).fit(X)
    assert (model.predict(strange) == -1).mean() > 0.9
    truth = np.r_[np.ones(500), np.zeros(20)]
    assert roc_auc_score(truth, model.decision_function(np.r_[X, strange])) > 0.98


def test_the_offset_leaves_a_share_of_the_training_rows_below_it(X):
    model = Autoencoder(contamination=0.25, epochs=5, random_state=0).fit(X)
    assert (model.predict(X) == -1).sum() == 64
    assert_allclose(model.decision_function(X), model.score_samples(X) - model.offset_)
    weight = np.r_[np.ones(128), np.zeros(128)]
    model.fit(X, sample_weight=weight)
    assert (model.predict(X[:128]) == -1).sum() == 32


# Images and tables ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "sizes"), [((8, 8), (4, 6)), ((7, 5), (4,)), ((5, 6, 3), (4, 6, 8)), ((8, 8), ())]
)
def test_convolutions_take_images_and_flat_rows_alike(shape, sizes):
    images = np.random.default_rng(0).random((40, *shape))
    settings = {
        "image_shape": shape,
        "hidden_layer_sizes": sizes,
        "epochs": 3,
        "random_state": 0,
    }
    of_images = Autoencoder(**settings).fit(images)
    of_rows = Autoencoder(**settings).fit(images.reshape(40, -1))
    assert back(of_images, images).shape == images.shape
    assert_array_equal(
        back(of_rows, images.reshape(40, -1)), back(of_images, images).reshape(40, -1)
    )


def test_convolutions_have_few_weights_and_learn_images(digits):
    model = Autoencoder(
        n_components=8,
        image_shape=(8, 8),
        hidden_layer_sizes=(16, 32),
        epochs=20,
        batch_size=50,
        learning_rate=3e-3,
        random_state=0,
    ).fit(digits[:1500])
    convolutions = 16 * 9 + 16 + 32 * 16 * 9 + 32  # 4 x 4 x 16, then 2 x 2 x 32
    codes = 128 * 8 + 8
    undone = 8 * 128 + 128 + 16 * 32 * 9 + 16 + 16 * 9 + 1
    assert model.n_parameters_ == convolutions + codes + undone + 64 + 1
    assert squared_error(model, digits[1500:]) < 0.7 * digits[1500:].var(axis=0).mean()


def test_a_table_of_mixed_columns_goes_through_a_pipeline_and_back():
    rng = np.random.default_rng(0)
    kind = rng.integers(3, size=400)
    frame = pd.DataFrame(
        {
            "color": pd.Categorical(np.array(["red", "green", "blue"])[kind]),
            "size": kind * 3.0 + rng.normal(0, 0.1, 400),
            "weight": kind * -2.0 + rng.normal(0, 0.1, 400),
        }
    )
    model = make_pipeline(
        TableEncoder(), Autoencoder(epochs=150, batch_size=50, random_state=0)
    ).fit(frame)
    again = model.inverse_transform(model.transform(frame))
    assert (again["color"] == frame["color"]).mean() > 0.99
    assert np.corrcoef(again["size"], frame["size"])[0, 1] > 0.98
    odd = frame.assign(color=pd.Categorical(np.array(["red", "green", "blue"])[(kind + 1) % 3]))
    truth = np.r_[np.ones(400), np.zeros(400)]
    assert roc_auc_score(truth, model.decision_function(pd.concat([frame, odd]))) > 0.95


# What all estimators do -----------------------------------------------------------------------


def test_a_search_finds_that_two_numbers_are_not_enough(digits):
    search = GridSearchCV(
        Autoencoder(epochs=10, random_state=0), {"n_components": [2, 16]}, cv=3
    ).fit(digits)
    assert search.best_params_ == {"n_components": 16}
    assert search.best_score_ < 0


def test_validation_rows_stop_and_a_scorer_is_asked_without_y(digits):
    model = Autoencoder(epochs=5, early_stopping=True, patience=2, random_state=0)
    model.fit(digits[:1000], X_val=digits[1000:])
    best = model.history_.val_loss[model.best_epoch_] * model.scale_**2
    assert_allclose(best, -model.score(digits[1000:]), rtol=1e-4)
    asked = []

    def scorer(model, X, y):
        asked.append(y)
        return model.score(X)

    model.set_params(early_stopping=scorer).fit(digits)
    assert asked == [None] * 5
    assert_allclose(model.history_.val_score, -model.history_.val_loss * model.scale_**2, rtol=1e-4)


def test_scikit_learns_monitor_sees_that_there_is_no_y(digits):
    monitor = ScoringMonitor(scoring=lambda model, X, y: model.score(X))
    Autoencoder(epochs=3, random_state=0).set_callbacks(monitor).fit(digits)
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(rows) == 3
    assert "score" not in rows[-1]  # which scikit-learn 1.9 computes where there is a y


def test_saved_pickled_and_continued_it_is_the_same(tmp_path, digits):
    model = Autoencoder(epochs=2, noise="mask", warm_start=True, random_state=0).fit(digits)
    skdeep.save(model, tmp_path / "model.skdeep")
    copies = skdeep.load(tmp_path / "model.skdeep"), pickle.loads(pickle.dumps(model))
    for copy in copies:
        assert_array_equal(copy.score_samples(digits), model.score_samples(digits))
        assert_array_equal(back(copy, digits), back(model, digits))
        assert_array_equal(copy.predict(digits), model.predict(digits))
    model.fit(digits)
    four = Autoencoder(epochs=4, noise="mask", random_state=0).fit(digits)
    assert_array_equal(model.transform(digits), four.transform(digits))
    step = Autoencoder(epochs=1, noise="mask", random_state=0)
    for _ in range(4):
        step.partial_fit(digits)
    assert_array_equal(step.transform(digits), four.transform(digits))


def test_double_precision_reaches_principal_components_closely(X):
    with config_context(precision="float64"):
        model = Autoencoder(**LINEAR | {"epochs": 4000}).fit(X)
        assert model.transform(X).dtype == np.float64
        ratio = squared_error(model, X) / squared_error(PCA(2).fit(X), X)
    assert abs(ratio - 1) < 1e-4


def test_codes_are_columns_with_names(digits):
    model = Autoencoder(n_components=3, epochs=1, random_state=0).set_output(transform="pandas")
    codes = model.fit_transform(digits)
    assert codes.columns.tolist() == ["autoencoder0", "autoencoder1", "autoencoder2"]
    scaled = make_pipeline(StandardScaler(), Autoencoder(epochs=2, random_state=0))
    assert cross_val_score(scaled, digits, cv=3).shape == (3,)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_components": 7}, "n_components=7 must be at most n_features=6"),
        ({"hidden_layer_sizes": (3, 0)}, r"positive integers.*\(3, 0\)"),
        ({"image_shape": (2, 2)}, r"\(2, 2\) has 4 numbers, but X has 6 columns"),
        ({"image_shape": (6,)}, r"\(height, width\).*\(6,\)"),
        ({"contamination": 0.6}, "contamination"),
    ],
)
def test_impossible_parameters_are_refused_and_the_last_fit_kept(X, parameters, message):
    model = Autoencoder(epochs=1, random_state=0).fit(X)
    before = model.score_samples(X)
    with pytest.raises(ValueError, match=message):
        model.set_params(**parameters).fit(X)
    model.set_params(**Autoencoder().get_params())
    assert_array_equal(model.score_samples(X), before)


def test_numbers_whose_squares_are_none_are_refused(X):
    with (
        config_context(precision="float64"),
        pytest.raises(ValueError, match=r"reaches 1\..*e\+202, whose square is no number"),
    ):
        Autoencoder().fit(X * 1e200)


def test_rows_of_another_shape_are_refused(digits):
    model = Autoencoder(image_shape=(8, 8), epochs=1, random_state=0)
    model.fit(digits.reshape(-1, 8, 8))
    with pytest.raises(ValueError, match=r"shape \(4, 16\), but fit has seen \(8, 8\)"):
        model.transform(digits.reshape(-1, 4, 16))
    with pytest.raises(ValueError, match=r"codes of 2 columns.*but X has 3"):
        model.inverse_transform(np.zeros((1, 3)))
    with pytest.raises(ValueError, match=r"sample_weight: .* at least one non-zero"):
        model.fit(digits.reshape(-1, 8, 8), sample_weight=np.zeros(len(digits)))


def test_constant_columns_come_back():
    X = np.column_stack([np.full(50, 3.0), np.arange(50)])
    model = Autoencoder(n_components=1, **LINEAR).fit(X)
    assert_allclose(back(model, X), X, atol=0.2)
    assert_allclose(back(model.fit(np.full((9, 2), 7.0)), np.full((2, 2), 7.0)), 7, atol=0.1)
