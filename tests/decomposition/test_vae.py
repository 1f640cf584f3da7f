"""Variational autoencoders, against probabilistic PCA, exact likelihoods and quadrature."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import roots_hermitenorm
from scipy.stats import bernoulli, multivariate_normal
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning

import skdeep
from skdeep import VariationalAutoencoder

LINEAR = {
    "n_components": 3,
    "hidden_layer_sizes": (),
    "learning_rate": 0.01,
    "learning_rate_schedule": "cosine",
    "epochs": 300,
    "random_state": 0,
}
BITS = {"likelihood": "bernoulli", "epochs": 20, "learning_rate": 3e-3, "random_state": 0}


@pytest.fixture(scope="module")
def X():
    """Rows of three hidden numbers and noise, far from 0."""
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(1000, 3)) @ rng.normal(size=(3, 8)) * 3
    return hidden + rng.normal(size=(1000, 8)) + 100


@pytest.fixture(scope="module")
def linear(X):
    return VariationalAutoencoder(**LINEAR).fit(X)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return (X > 7).astype(float), y


@pytest.fixture(scope="module")
def bits(digits):
    """A model of digits as bits, with one component."""
    return VariationalAutoencoder(n_components=1, batch_size=50, **BITS).fit(digits[0])


def covariance(linear):
    """Mean and covariance of the rows that a linear model makes."""
    decoder = linear.network_.get_layer("decoder")
    W, b = (np.asarray(w, float) * linear.scale_ for w in decoder.get_weights())
    return linear.mean_ + b, W.T @ W + linear.sigma_**2 * np.eye(W.shape[1])


# The likelihood -------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", [1, 1e-3])
def test_a_linear_one_is_probabilistic_pca(X, unit):
    model, pca = VariationalAutoencoder(**LINEAR).fit(X * unit), PCA(3).fit(X * unit)
    best = pca.score(X * unit)
    assert best - 0.1 < model.score(X * unit) < best + 1e-3
    assert best - 0.1 < model.elbo_ < best + 0.05  # one draw for each row
    assert_allclose(model.sigma_, np.sqrt(pca.noise_variance_), rtol=0.05)


def test_scores_are_the_log_densities_of_a_linear_model_at_any_weights(X):
    model = VariationalAutoencoder(**LINEAR | {"epochs": 20}).fit(X)
    exact = multivariate_normal(*covariance(model)).logpdf(X)
    found = model.score_samples(X, n_samples=2000)
    assert_allclose(found, exact, atol=0.7)
    assert_allclose(found.mean(), exact.mean(), atol=0.02)


def test_scores_of_bits_are_integrals_over_the_code(bits, digits):
    X, _ = digits
    nodes, weights = roots_hermitenorm(150)
    rows = bits.inverse_transform(nodes[:, None]).astype(float)
    given = bernoulli.logpmf(X[:100, None], rows).sum(axis=2)
    exact = np.logaddexp.reduce(given + np.log(weights / weights.sum()), axis=1)
    found = bits.score_samples(X[:100], n_samples=3000)
    assert_allclose(found, exact, atol=0.5)
    assert_allclose(found.mean(), exact.mean(), atol=0.05)


def test_more_samples_bring_the_bound_nearer(bits, digits):
    X, _ = digits
    one, ten, many = (bits.score_samples(X, n_samples=n).mean() for n in (1, 10, 300))
    assert_allclose(one, bits.elbo_, atol=0.5)
    assert one < ten - 0.05
    assert ten < many
    assert bits.score(X) == bits.score_samples(X, n_samples=100).mean()


def test_divergences_are_those_of_normal_distributions(linear, X):
    found = linear.network_.predict(X.astype("float32"), verbose=0)
    mean, log_variance = np.float64(found["features"]), np.float64(found["log_variance"])
    expected = 0.5 * (np.exp(log_variance) + mean**2 - 1 - log_variance).mean(axis=0)
    assert_allclose(linear.kl_per_component_, expected, rtol=1e-4)
    assert_allclose(linear.transform(X), mean, atol=1e-4)
    assert linear.kl_per_component_.min() > 1
    assert not len(linear.collapsed_components_)


def test_the_loss_is_minus_the_bound_of_scaled_rows(linear, X):
    last = linear.history_.loss.iloc[-1] + 8 * np.log(linear.scale_)
    assert_allclose(last, -linear.elbo_, atol=0.3)
    model = VariationalAutoencoder(**LINEAR | {"epochs": 3}).fit(X, X_val=X)
    last = model.history_.val_loss.iloc[-1] + 8 * np.log(model.scale_)
    assert_allclose(last, -model.elbo_, atol=0.3)


def test_importance_samples_are_the_bound_that_is_maximised(digits):
    X, _ = digits
    settings = {"n_components": 1, "batch_size": 50, **BITS, "epochs": 5}
    model = VariationalAutoencoder(n_importance_samples=20, **settings).fit(X)
    assert_allclose(model.elbo_, model.score_samples(X, n_samples=20).mean(), atol=0.3)
    assert model.elbo_ > model.score_samples(X, n_samples=1).mean() + 0.1


def test_an_unused_component_is_told(X):
    model = VariationalAutoencoder(**LINEAR | {"n_components": 5, "epochs": 600}).fit(X)
    unused = np.sort(model.kl_per_component_)
    assert unused[1] < 0.05 < 1 < unused[2]  # of three numbers that the rows are made of
    assert_array_equal(model.collapsed_components_, np.flatnonzero(model.kl_per_component_ < 0.01))
    assert len(model.collapsed_components_) > 0


def test_beta_trades_rows_for_simple_codes_until_all_collapse(X):
    usual, heavy = (
        VariationalAutoencoder(**LINEAR | {"epochs": 50}, beta=beta).fit(X) for beta in (1, 4)
    )
    assert heavy.kl_per_component_.sum() < 0.8 * usual.kl_per_component_.sum()
    assert heavy.elbo_ < usual.elbo_
    with pytest.warns(ConvergenceWarning, match="all 3 components have collapsed"):
        VariationalAutoencoder(**LINEAR, beta=50).fit(X)


# New rows -------------------------------------------------------------------------------------


def test_noisy_samples_are_distributed_like_the_rows(linear):
    mean, expected = covariance(linear)
    rows = linear.sample(50_000, noisy=True, random_state=0)
    assert_allclose(rows.mean(axis=0), mean, atol=0.15)
    assert_allclose(np.cov(rows.T), expected, atol=0.02 * expected.max())
    means = np.cov(linear.sample(50_000, random_state=0).T)
    assert_allclose(means, expected - linear.sigma_**2 * np.eye(8), atol=0.02 * expected.max())


def test_noisy_bits_have_the_means_of_samples(bits):
    drawn = bits.sample(4000, noisy=True, random_state=0)
    assert set(np.unique(drawn)) == {0, 1}
    means = bits.sample(4000, random_state=0)
    assert_allclose(drawn.mean(axis=0), means.mean(axis=0), atol=0.04)
    assert_array_equal(bits.sample(5, random_state=1), bits.sample(5, random_state=1))
    assert (bits.sample(5) != bits.sample(5)).any()


def test_a_walk_goes_straight_through_the_codes(linear, X):
    walk = linear.interpolate(X[0], X[1], n=5)
    codes = linear.transform(X[:2])
    assert_allclose(walk[[0, -1]], linear.inverse_transform(codes), rtol=1e-5)
    assert_allclose(walk[2], linear.inverse_transform(codes.mean(axis=0)[None])[0], rtol=1e-5)


# Conditions -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def named(digits):
    X, y = digits
    names = np.array([f"digit {label}" for label in y])
    model = VariationalAutoencoder(n_components=2, conditional=True, batch_size=50, **BITS)
    return model.fit(X, names), names


def test_samples_are_of_the_class_that_is_asked_for(named, digits):
    model, _ = named
    X, y = digits
    means = np.stack([X[y == label].mean(axis=0) for label in range(10)])
    wanted = np.repeat(np.arange(10), 20)
    rows = model.sample(200, y=[f"digit {label}" for label in wanted], random_state=0)
    nearest = ((rows[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest == wanted).mean() > 0.85


def test_what_is_known_need_not_be_in_the_code(named, digits):
    model, names = named
    free = VariationalAutoencoder(n_components=2, batch_size=50, **BITS).fit(digits[0], names)
    assert model.elbo_ > free.elbo_ + 1  # which has not looked at the names
    assert model.score(digits[0], names) > free.score(digits[0]) + 1
    swapped = model.inverse_transform(model.transform(digits[0][:50], names[:50]), names[50:100])
    kept = model.inverse_transform(model.transform(digits[0][:50], names[:50]), names[:50])
    assert np.abs(swapped - kept)[names[:50] != names[50:100]].mean() > 0.1


def test_rows_follow_a_number_that_is_known():
    rng = np.random.default_rng(0)
    energy = rng.uniform(10, 100, 2000)
    X = energy[:, None] * [1.0, 0.5, -0.2] + rng.normal(size=(2000, 1)) * [3, -2, 1]
    model = VariationalAutoencoder(
        n_components=1, conditional=True, epochs=60, learning_rate=3e-3, random_state=0
    ).fit(X, energy)
    for known in (25.0, 80.0):
        rows = model.sample(2000, y=np.full(2000, known), noisy=True, random_state=0)
        assert_allclose(rows.mean(axis=0), known * np.array([1, 0.5, -0.2]), atol=2)
        assert_allclose(rows.std(axis=0), [3, 2, 1], rtol=0.35)


def test_conditions_that_are_missing_or_new_are_refused(named, digits):
    model, names = named
    X, _ = digits
    with pytest.raises(ValueError, match="models rows given y, but y is None"):
        model.transform(X)
    with pytest.raises(ValueError, match="label 'digit 10', which fit has not seen"):
        model.transform(X[:1], ["digit 10"])
    with pytest.raises(ValueError, match="y has 2 rows, but there are 3"):
        model.inverse_transform(np.zeros((3, 2)), names[:2])
    with pytest.raises(ValueError, match="models rows given y_val, but y_val is None"):
        model.fit(X, names, X_val=X)
    with pytest.raises(ValueError, match="models rows given y, but y is None"):
        model.fit(X)
    assert model.transform(X, names).shape == (1797, 2)


# Rows, and all else ---------------------------------------------------------------------------


def test_weights_are_repetitions(X):
    weight = np.arange(60) % 3
    settings = LINEAR | {"epochs": 20}
    ours = VariationalAutoencoder(**settings).fit(X[:60], sample_weight=weight)
    repeated = VariationalAutoencoder(**settings).fit(np.repeat(X[:60], weight, axis=0))
    assert_allclose(ours.transform(X), repeated.transform(X), atol=1e-4)
    assert_allclose(ours.elbo_, repeated.elbo_, rtol=1e-4)


def test_a_score_does_not_depend_on_other_rows(bits, digits):
    X, _ = digits
    alone = [bits.score_samples(row[None])[0] for row in X[:3]]
    assert_allclose(alone, bits.score_samples(X[::-1])[::-1][:3], rtol=1e-6)


def test_images_keep_their_shape_in_convolutions(digits):
    images = digits[0].reshape(-1, 8, 8)
    settings = {"image_shape": (8, 8), "hidden_layer_sizes": (8, 16), "batch_size": 50}
    names = np.where(digits[1] % 2, "odd", "even")
    model = VariationalAutoencoder(
        n_components=4, conditional=True, **settings, **BITS | {"epochs": 8}
    ).fit(images, names)
    assert model.sample(2, y=["odd", "even"]).shape == (2, 8, 8)
    assert model.interpolate(images[0], images[1], n=3, y="odd").shape == (3, 8, 8)
    everywhere = bernoulli.logpmf(digits[0], digits[0].mean(axis=0).clip(1e-3)).sum(axis=1).mean()
    assert model.elbo_ > 0.9 * everywhere


def test_saved_pickled_and_continued_it_is_the_same(tmp_path, named, digits):
    model, names = named
    X, _ = digits
    skdeep.save(model, tmp_path / "model.skdeep")
    copies = skdeep.load(tmp_path / "model.skdeep"), pickle.loads(pickle.dumps(model))
    for copy in copies:
        assert_array_equal(copy.score_samples(X, names), model.score_samples(X, names))
        assert copy.elbo_ == model.elbo_
        assert_array_equal(
            copy.sample(2, y=names[:2], random_state=0),
            model.sample(2, y=names[:2], random_state=0),
        )
    settings = {"n_components": 2, **BITS}
    four = VariationalAutoencoder(**settings | {"epochs": 4}).fit(X)
    step = VariationalAutoencoder(**settings)
    for _ in range(4):
        step.partial_fit(X)
    assert_array_equal(step.transform(X), four.transform(X))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, X: m.sample(0), "n_samples == 0, must be >= 1"),
        (lambda m, X: m.score_samples(X, n_samples=1.5), "n_samples must be an instance of int"),
        (lambda m, X: m.interpolate(X[0], X[1], n=1), "n == 1, must be >= 2"),
        (lambda m, X: m.score_samples(X * 255), r"lies in \[0, 255\]; divide it by 255"),
        (lambda m, X: m.score_samples(X - 0.5), r"lies in \[-0.5, 0.5\]; scale it"),
        (lambda m, X: m.inverse_transform(np.zeros((1, 2))), "codes of 1 columns.* has 2"),
    ],
)
def test_impossible_calls_are_refused(bits, digits, call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call(bits, digits[0])
