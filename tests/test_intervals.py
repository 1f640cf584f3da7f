"""Conformal intervals: by hand, by order statistics, and by what they promise."""

import math
import pickle
from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import skdeep
from skdeep import (
    CNNRegressor,
    KernelRegressor,
    MLPRegressor,
    NetworkRegressor,
    RNNRegressor,
    engine,
)
from skdeep.base import regression
from skdeep.exceptions import LoadError
from skdeep.targets import Conformity, Reals

LOSSES = ("squared", "gaussian", "quantile")
TINY = {"hidden_layer_sizes": (8,), "epochs": 2, "random_state": 0}


def changing_noise(n, seed, n_outputs=None):
    """Rows (n, 1) and targets whose noise grows with them, in units of their own."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(size=(n, 1))
    if n_outputs is None:
        return x, 300 + 50 * x[:, 0] * rng.normal(size=n)
    return x, 300 + 50 * x * rng.normal(size=(n, n_outputs)) * 10.0 ** np.arange(n_outputs)


def place(n, coverage):
    """The number of the score that n rows give a coverage, from 1."""
    return math.ceil(Fraction(str(coverage)) * (n + 1))


def widened(bands, y, bands_new, coverage):
    """Bands (..., 2) of new rows, widened by those of rows whose targets are known."""
    scores = np.maximum(bands[..., 0] - y, y - bands[..., 1])
    margin = np.sort(scores, axis=0)[place(len(y), coverage) - 1]
    return np.stack([bands_new[..., 0] - margin, bands_new[..., 1] + margin], axis=-1)


def share_inside(interval, y):
    return np.mean((interval[..., 0] <= y) & (y <= interval[..., 1]))


# What they are ----------------------------------------------------------------------------------


@pytest.mark.parametrize("coverage", [0.05, 0.5, 0.55, 0.9, 0.95])
def test_a_constant_is_as_wide_as_the_residual_of_that_place(coverage):
    y_val = np.random.default_rng(1).permutation(np.arange(19.0) ** 1.5)
    model = MLPRegressor(**TINY).fit([[0.0]] * 9, np.arange(9.0), X_val=[[0.0]] * 19, y_val=y_val)
    mean = model.predict([[0.0]])[0]
    residual = np.sort(np.abs(y_val - mean))[place(19, coverage) - 1]
    assert_allclose(model.predict_interval([[0.0]], coverage), [[mean - residual, mean + residual]])


@pytest.mark.parametrize("n_outputs", [None, 2])
@pytest.mark.parametrize("loss", LOSSES)
def test_they_are_the_band_of_the_network_widened_by_hand(loss, n_outputs):
    (X, y), (X_val, y_val), (X_new, _) = (changing_noise(n, n, n_outputs) for n in (100, 39, 7))
    model = MLPRegressor(loss=loss, **TINY).fit(X, y, X_val=X_val, y_val=y_val)
    for coverage in (0.6, 0.9, 0.95):
        if loss == "squared":
            bands = [np.stack([model.predict(rows)] * 2, axis=-1) for rows in (X_val, X_new)]
        else:
            levels = (1 - coverage) / 2, (1 + coverage) / 2
            bands = [model.predict_quantiles(rows, levels) for rows in (X_val, X_new)]
        found = model.predict_interval(X_new, coverage)
        assert found.shape == (7, 2) if n_outputs is None else (7, 2, 2)
        assert found.dtype == np.float64
        assert_allclose(found, widened(bands[0], y_val, bands[1], coverage), rtol=1e-5)


def test_beyond_the_quantiles_that_are_learnt_the_margin_does_the_rest():
    (X, y), (X_val, y_val), (X_new, _) = (changing_noise(n, n) for n in (100, 199, 7))
    model = MLPRegressor(loss="quantile", **TINY).fit(X, y, X_val=X_val, y_val=y_val)
    bands = [model.predict_quantiles(rows, [0.01, 0.99]) for rows in (X_val, X_new)]
    expected = widened(bands[0], y_val, bands[1], 0.995)
    assert_allclose(model.predict_interval(X_new, 0.995), expected, rtol=1e-5)


def test_an_interval_that_would_be_inside_out_is_its_middle():
    target = Reals(np.zeros(1), np.ones(1), True, "gaussian")
    wide, narrow = np.array([[0.0, 10.0]]), np.array([[3.0, -2.0]])
    kept = Conformity.of(np.repeat(wide, 9, axis=0), np.full((9, 1), 0.1), np.ones(9))
    assert_allclose(target.intervals(narrow, kept, 0.9), [[3, 3]])
    assert_allclose(target.intervals(wide, kept, 0.9), [[-0.1, 0.1]])


IMAGES = np.random.default_rng(0).normal(size=(60, 4, 4)).astype(np.float32)
WIDE = sp.random(60, 5000, density=0.004, format="csr", random_state=0, dtype=np.float32)
SEQUENCES = [image[: 1 + i % 4] for i, image in enumerate(IMAGES)]


@pytest.mark.parametrize(
    ("model", "X"),
    [
        (MLPRegressor(), WIDE),
        (MLPRegressor(dropout=0.5), IMAGES.reshape(60, -1)),
        (KernelRegressor(n_components=20), IMAGES.reshape(60, -1)),
        (NetworkRegressor(loss="mean_absolute_error"), IMAGES.reshape(60, -1)),
        (CNNRegressor(architecture=(4,)), IMAGES),
        (CNNRegressor(architecture="fcn", ensemble_size=2), IMAGES),
        (RNNRegressor(hidden_layer_sizes=(4,)), SEQUENCES),
    ],
    ids=lambda value: "" if hasattr(value, "shape") or isinstance(value, list) else repr(value),
)
def test_all_regressors_and_all_kinds_of_rows_have_them(model, X):
    y = 300 + 50 * np.random.default_rng(1).normal(size=60)
    weight = np.repeat([1.0, 0.0, 1.0], 13)  # rows of weight 0 are no rows
    model = clone(model).set_params(epochs=1, random_state=0)
    model.fit(X[:21], y[:21], X_val=X[21:], y_val=y[21:], sample_weight_val=weight)
    mean = model.predict(X)
    bands = np.stack([mean, mean], axis=-1)
    counted = np.flatnonzero(weight) + 21
    expected = widened(bands[counted], y[counted], bands, 0.9)
    assert_allclose(model.predict_interval(X), expected, rtol=1e-5)


# What they promise ------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
def test_networks_that_have_hardly_learnt_hold_what_they_promise(loss):
    n_seeds, n_val, n_new, coverage = 20, 99, 1000, 0.9
    X, y = changing_noise(50, 0)
    found, of_the_network = [], []
    for seed in range(n_seeds):
        (X_val, y_val), (X_new, y_new) = (changing_noise(n, [seed, n]) for n in (n_val, n_new))
        model = MLPRegressor(loss=loss, **TINY).fit(X, y, X_val=X_val, y_val=y_val)
        found.append(share_inside(model.predict_interval(X_new, coverage), y_new))
        if loss != "squared":
            own = model.predict_quantiles(X_new, [0.05, 0.95])
            of_the_network.append(share_inside(own, y_new))
    # The share of one fit has a beta distribution, and is counted on n_new rows.
    k = place(n_val, coverage)
    variance = stats.beta(k, n_val + 1 - k).var() + coverage * (1 - coverage) / n_new
    assert abs(np.mean(found) - coverage) < 3.5 * math.sqrt(variance / n_seeds)
    if loss != "squared":
        assert abs(np.mean(of_the_network) - coverage) > 0.04


def test_rows_held_out_for_early_stopping_will_do():
    (X, y), (X_new, y_new) = changing_noise(2000, 0), changing_noise(4000, 1)
    model = MLPRegressor(loss="quantile", early_stopping=True, validation_fraction=0.3, **TINY)
    found = model.set_params(epochs=20).fit(X, y).predict_interval(X_new)
    assert 0.86 < share_inside(found, y_new) < 0.94
    assert np.corrcoef(found[:, 1] - found[:, 0], X_new[:, 0])[0, 1] > 0.9  # as the noise


def test_weights_are_how_often_such_rows_are_to_come():
    rng = np.random.default_rng(0)
    (X, y), (X_val, y_val), (X_all, y_all) = (changing_noise(n, n) for n in (200, 3000, 40_000))
    later = rng.random(40_000) < X_all[:, 0]  # rows of large x, and of much noise
    X_new, y_new = X_all[later], y_all[later]
    shares = []
    for weight in (None, X_val[:, 0]):
        model = MLPRegressor(**TINY)
        model.fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=weight)
        shares.append(share_inside(model.predict_interval(X_new), y_new))
    assert shares[0] < 0.86
    assert 0.88 < shares[1] < 0.92


def test_whole_weights_are_rows_that_occur_as_often():
    rng = np.random.default_rng(0)
    y_val, weight = rng.normal(size=50), rng.integers(0, 5, size=50)
    residuals = np.sort(np.repeat(np.abs(y_val), weight))
    # Of a new row, whose place is not known, there are as many as of a row of those drawn.
    n = weight.sum() + (weight**2).sum() / weight.sum()
    target = Reals(np.zeros(1), np.ones(1), True)
    there = weight > 0
    for unit in (1, 1e-200, 7.0):
        kept = Conformity.of(np.zeros((there.sum(), 1)), y_val[there, None], unit * weight[there])
        for coverage in np.linspace(0.1, 0.95, 30):
            (found,) = target.intervals(np.zeros((1, 1)), kept, coverage)
            assert found[1] == residuals[math.ceil(coverage * n) - 1]


def walks(n, seed, n_steps=None):
    """Rows of 1 to 12 steps (n_steps, 1), and their running sums with noise that rows share."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 13, size=n) if n_steps is None else np.full(n, n_steps)
    X = [rng.uniform(0.1, 1, size=(k, 1)) for k in lengths]
    return X, [x[:, 0].cumsum() + rng.normal() + 0.1 * rng.normal(size=len(x)) for x in X]


@pytest.mark.parametrize("n_steps", [None, 5])
def test_the_interval_of_a_step_is_that_of_a_step_of_a_new_row(n_steps):
    (X, y), (X_val, y_val), (X_new, y_new) = (walks(n, n, n_steps) for n in (40, 300, 2000))
    if n_steps:
        X, X_val, X_new = map(np.stack, (X, X_val, X_new))
    model = RNNRegressor(cell="gru", hidden_layer_sizes=(4,), epochs=1, random_state=0)
    model.fit(X, y, X_val=X_val, y_val=y_val)
    found = model.predict_interval(X_new)
    shares = [share_inside(one, t) for one, t in zip(found, y_new, strict=True)]
    # Rows are what is drawn, so that 300 of them, not all their steps, tell the share.
    assert abs(np.mean(shares) - 0.9) < 3.5 * math.sqrt(0.09 / 300)
    with pytest.raises(
        ValueError, match=r"coverage=0.999 .* kept 300, which promise 0.9966 at most"
    ):
        model.predict_interval(X_new, 0.999)


# Where they live --------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
def test_they_outlive_pickle_and_a_file(loss, tmp_path):
    X, y = changing_noise(100, 0)
    model = MLPRegressor(loss=loss, early_stopping=True, **TINY).fit(X, y)
    expected = model.predict_interval(X, 0.8)
    assert_array_equal(pickle.loads(pickle.dumps(model)).predict_interval(X, 0.8), expected)
    skdeep.save(model, tmp_path / "model")
    assert_array_equal(skdeep.load(tmp_path / "model").predict_interval(X, 0.8), expected)


def test_rows_of_another_network_are_refused_in_a_file():
    two, three, one = np.ones((2, 1)), np.ones((3, 1)), np.ones(3)
    for parts in [(two, three, one), (three, three, three), (three[:0], three[:0], one[:0])]:
        with pytest.raises(LoadError, match="rows to validate on"):
            Conformity(*parts, 1.0)._check_part()
    X, y = changing_noise(100, 0)
    fitted = MLPRegressor(early_stopping=True, **TINY).fit(X, y)._fitted
    fitted.conformity.outputs.shape = (1, 10)
    with pytest.raises(LoadError, match="a target of 1 outputs has validation rows of 10"):
        fitted._check_part()


def test_of_very_many_validation_rows_some_are_kept_by_the_seed(monkeypatch):
    monkeypatch.setattr(regression, "N_KEPT", 30)
    X, y = changing_noise(300, 0)
    kept = []
    for seed in (0, 0, 1):
        model = MLPRegressor(**TINY).set_params(random_state=seed)
        weight = np.repeat([0.0, 1.0], [200, 50])  # of which none of weight 0 takes a place
        model.fit(X, y, X_val=X[50:], y_val=y[50:], sample_weight_val=weight)
        kept.append(model._fitted.conformity.targets[:, 0] * np.std(y) + np.mean(y))
    assert len(np.unique(kept[0])) == 30
    assert np.abs(kept[0][:, None] - y[250:]).min(axis=1).max() < 1e-3
    assert_array_equal(kept[0], kept[1])
    assert not np.array_equal(kept[0], kept[2])


def test_a_score_that_early_stopping_watches_sees_no_rows_of_an_earlier_fit():
    def score(model, X, y):
        with pytest.raises(ValueError, match="predict_interval needs"):
            model.predict_interval(X)
        return model.score(X, y)

    X, y = changing_noise(100, 0)
    model = MLPRegressor(warm_start=True, **TINY).fit(X, y, X_val=X, y_val=y)
    model.set_params(early_stopping=score).fit(X, y).predict_interval(X, 0.8)


def test_a_fit_without_validation_rows_predicts_nothing(monkeypatch):
    monkeypatch.setattr(engine, "predict", lambda *args: pytest.fail("it did"))
    MLPRegressor(**TINY).fit(*changing_noise(50, 0))


# What is refused --------------------------------------------------------------------------------


def test_without_validation_rows_there_are_none():
    X, y = changing_noise(100, 0)
    with pytest.raises(NotFittedError):
        MLPRegressor().predict_interval(X)
    model = MLPRegressor(**TINY).fit(X, y)
    with pytest.raises(ValueError, match="set early_stopping=True, or pass X_val and y_val to fit"):
        model.predict_interval(X)
    model.fit(X, y, X_val=X, y_val=y).predict_interval(X)
    model.partial_fit(X, y)  # of these weights no rows have told anything
    with pytest.raises(ValueError, match="but the last had none"):
        model.predict_interval(X)


@pytest.mark.parametrize("coverage", [0, 1, 90, -0.1, np.nan, None, "0.9", [0.9], True, 1j])
def test_a_coverage_that_is_none_is_refused(coverage):
    X, y = changing_noise(100, 0)
    model = MLPRegressor(early_stopping=True, **TINY).fit(X, y)
    with pytest.raises(ValueError, match=r"coverage must be a number in \(0, 1\), but is"):
        model.predict_interval(X, coverage)


def test_too_few_rows_for_a_coverage_are_counted():
    X, y = changing_noise(100, 0)
    model = MLPRegressor(**TINY).fit(X, y, X_val=X[:19], y_val=y[:19])
    for coverage in (0.9, 0.95):  # the last one is that of all 19
        model.predict_interval(X, coverage)
    with pytest.raises(
        ValueError, match=r"0.96 needs 24 validation rows .* kept 19, which promise 0.95 at most"
    ):
        model.predict_interval(X, 0.96)
    few = MLPRegressor(**TINY).fit(X, y, X_val=X[:6], y_val=y[:6])
    few.predict_interval(X, 1 - 1 / 7)  # which is 6 / 7, but for its rounding
    weight = np.repeat([3.0, 1.0], [3, 16])  # as 25^2 / 43 rows
    model.fit(X, y, X_val=X[:19], y_val=y[:19], sample_weight_val=weight)
    with pytest.raises(ValueError, match=r"kept 14.535, which promise 0.9356 at most"):
        model.predict_interval(X, 0.95)


def test_weights_below_zero_are_no_probabilities():
    X, y = changing_noise(100, 0)
    weight = np.where(np.arange(100) == 7, -1.0, 1.0)
    model = MLPRegressor(**TINY).fit(X, y, X_val=X, y_val=y, sample_weight_val=weight)
    with pytest.raises(ValueError, match=r"predict_interval .* weights that are not negative"):
        model.predict_interval(X)
