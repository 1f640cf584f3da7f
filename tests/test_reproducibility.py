"""One integer random_state, one number of threads: the same bits, whatever else ran."""

import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest

from skdeep import (
    Autoencoder,
    CNNClassifier,
    CNNRegressor,
    KernelClassifier,
    KernelRegressor,
    MLPClassifier,
    MLPRegressor,
    RNNClassifier,
    RNNRegressor,
    VariationalAutoencoder,
    engine,
)
from skdeep.optimizers import SGD, Adam
from skdeep.schedules import Cosine

NOISY = {"dropout": 0.3, "epochs": 4, "random_state": 7}
MODELS = {
    # Minibatches of dense nets are compiled by XLA, full batches and convolutions are graphs.
    "mlp": MLPClassifier(hidden_layer_sizes=(20, 10), batch_size=16, **NOISY),
    "mlp-normalized": MLPClassifier(batch_size=16, normalization="batch", **NOISY),
    "mlp-full-batch": MLPClassifier(random_state=7, epochs=4),
    "mlp-stopping": MLPClassifier(random_state=7, epochs=4, early_stopping=True, batch_size=16),
    "mlp-regressor": MLPRegressor(hidden_layer_sizes=(20, 10), batch_size=16, **NOISY),
    "mlp-calibrated": MLPClassifier(calibrate=True, batch_size=16, **NOISY),
    "mlp-gaussian": MLPRegressor(loss="gaussian", batch_size=16, **NOISY),
    "mlp-quantile": MLPRegressor(loss="quantile", normalization="batch", **NOISY),
    "kernel": KernelClassifier(n_components=50, batch_size=16, random_state=7, epochs=4),
    "kernel-nystroem": KernelRegressor(method="nystroem", n_components=50, random_state=7),
    "kernel-sketch": KernelRegressor(kernel="polynomial", n_components=50, random_state=7),
    "cnn": CNNClassifier(
        architecture=(4, 4), batch_size=32, augment=("shift", "rotate", "flip", "crop"), **NOISY
    ),
    "cnn-regressor": CNNRegressor(architecture=(4,), batch_size=32, **NOISY),
    "lstm": RNNClassifier(hidden_layer_sizes=(8, 4), bidirectional=True, **NOISY),
    "gru-regressor": RNNRegressor(cell="gru", hidden_layer_sizes=(8,), pooling="mean", **NOISY),
}
MODELS |= {
    "autoencoder": Autoencoder(noise="gaussian", batch_size=16, random_state=7, epochs=4),
    "vae": VariationalAutoencoder(
        likelihood="bernoulli", n_importance_samples=3, batch_size=16, random_state=7, epochs=4
    ),
}
each_model = pytest.mark.parametrize("name", sorted(MODELS))


def rows():
    """100 rows of 16 numbers in [0, 1], which are images of 4 x 4 as well, and three classes."""
    rng = np.random.default_rng(0)
    return rng.random((100, 16), dtype=np.float32), np.arange(100) % 3


def answers(model, X):
    """The most telling predictions of a model, as bytes can be compared."""
    if hasattr(model, "score_samples"):
        return model.score_samples(X)
    if hasattr(model, "predict_proba"):
        return model.predict_proba(X)
    return model.predict(X) if model.loss == "squared" else model.predict_quantiles(X)


def fit(name, **parameters):
    X, y = rows()
    model = pickle.loads(pickle.dumps(MODELS[name])).set_params(**parameters)
    return answers(model.fit(X, y), X)


@pytest.fixture(scope="module")
def expected():
    return {name: fit(name) for name in MODELS}


@each_model
def test_a_second_fit_has_the_same_bits(name, expected):
    np.testing.assert_array_equal(fit(name), expected[name])


@each_model
def test_another_seed_has_other_bits(name, expected):
    assert not np.array_equal(fit(name, random_state=8), expected[name])


@each_model
def test_unrelated_fits_and_global_seeds_change_nothing(name, expected):
    X, y = rows()
    MLPClassifier(hidden_layer_sizes=(33,), dropout=0.1, epochs=2).fit(X[:57], y[:57])
    np.random.seed(5)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    np.testing.assert_array_equal(fit(name), expected[name])
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_fits_side_by_side_in_threads_have_the_bits_of_fits_alone(expected):
    names = sorted(MODELS) * 2
    with ThreadPoolExecutor(4) as threads:
        for name, found in zip(names, threads.map(fit, names), strict=True):
            np.testing.assert_array_equal(found, expected[name], err_msg=name)


# Five epochs and five more are ten -----------------------------------------------------------

ADAM = {"optimizer": Adam(beta_1=0.8), "learning_rate_schedule": Cosine(epochs=10)}
MOMENTUM = {
    "optimizer": SGD(momentum=0.9, nesterov=True),
    "learning_rate": 0.02,
    "learning_rate_schedule": Cosine(epochs=10, warmup=2),
    "weight_decay": 1e-3,
    "clip_norm": 1.0,
}
LONG = {
    "adam": MLPClassifier(**ADAM, dropout=0.2, batch_size=16, random_state=0),
    "momentum": MLPClassifier(**MOMENTUM, dropout=0.2, batch_size=16, random_state=0),
    "momentum-full-batch": MLPClassifier(**MOMENTUM, random_state=0),
    "dropout-full-batch": MLPClassifier(**ADAM, dropout=0.2, random_state=0),
    "batch-normalization": MLPClassifier(
        **MOMENTUM, normalization="batch", batch_size=30, random_state=0
    ),
    "regressor": MLPRegressor(**MOMENTUM, dropout=0.2, batch_size=16, random_state=0),
    "regressor-full-batch": MLPRegressor(**ADAM, random_state=0),
    "gaussian": MLPRegressor(**ADAM, loss="gaussian", batch_size=16, random_state=0),
    "cnn": CNNClassifier(
        **MOMENTUM,
        architecture=(4,),
        augment=("shift", "rotate"),
        dropout=0.2,
        batch_size=32,
        random_state=0,
    ),
    "cnn-regressor": CNNRegressor(**MOMENTUM, architecture=(4,), batch_size=32, random_state=0),
    "lstm": RNNClassifier(**MOMENTUM, hidden_layer_sizes=(8,), dropout=0.2, random_state=0),
    "gru-regressor": RNNRegressor(**ADAM, cell="gru", hidden_layer_sizes=(8,), random_state=0),
}


@pytest.fixture(scope="module")
def ten_epochs():
    X, y = rows()
    models = pickle.loads(pickle.dumps(LONG))
    return {name: model.set_params(epochs=10).fit(X, y) for name, model in models.items()}


def five_epochs(name):
    model = pickle.loads(pickle.dumps(LONG[name])).set_params(epochs=5)
    return model.fit(*rows())


def assert_same(model, other):
    X, _ = rows()
    np.testing.assert_array_equal(answers(model, X), answers(other, X))
    np.testing.assert_array_equal(model.transform(X), other.transform(X))
    np.testing.assert_array_equal(model.history_, other.history_)
    assert model.n_iter_ == other.n_iter_ == 10


@pytest.mark.parametrize("name", sorted(LONG))
def test_five_epochs_pickled_and_five_more_by_warm_start_are_ten(name, ten_epochs):
    model = pickle.loads(pickle.dumps(five_epochs(name)))
    assert_same(model.set_params(warm_start=True).fit(*rows()), ten_epochs[name])


@pytest.mark.parametrize("name", sorted(LONG))
def test_five_epochs_dumped_and_five_more_by_partial_fit_are_ten(name, ten_epochs, tmp_path):
    joblib.dump(five_epochs(name), tmp_path / "model.joblib")
    model = joblib.load(tmp_path / "model.joblib")
    for _ in range(5):
        model.partial_fit(*rows())
    assert_same(model, ten_epochs[name])


def test_ten_partial_fits_are_ten_epochs(ten_epochs):
    X, y = rows()
    model = pickle.loads(pickle.dumps(LONG["adam"]))
    for _ in range(10):
        model.partial_fit(X, y, classes=[0, 1, 2])
    assert_same(model, ten_epochs["adam"])


def test_a_fit_without_warm_start_begins_anew():
    model = five_epochs("adam")
    first = answers(model, rows()[0])
    np.testing.assert_array_equal(answers(model.fit(*rows()), rows()[0]), first)
    assert model.n_iter_ == 5


SCRIPT = """
import pickle, sys
models, data = pickle.load(sys.stdin.buffer)
pickle.dump({name: model.fit(*data) for name, model in models.items()}, sys.stdout.buffer)
"""


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_other_processes_fit_and_go_on_with_the_same_bits(hash_seed, expected, ten_epochs):
    X, y = rows()
    names = ["mlp", "mlp-full-batch", "mlp-regressor", "cnn"][:: 1 if hash_seed == "1" else -1]
    models = {name: MODELS[name] for name in names}
    models["momentum"] = five_epochs("momentum").set_params(warm_start=True)
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=pickle.dumps((models, (X, y))),
        capture_output=True,
        env=os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert process.returncode == 0, process.stderr.decode()
    fitted = pickle.loads(process.stdout)
    for name in names:
        np.testing.assert_array_equal(answers(fitted[name], X), expected[name], err_msg=name)
    assert_same(fitted["momentum"], ten_epochs["momentum"])


def updates(model):
    """How many steps the optimizer has made."""
    return model._fitted.progress.state["optimizer"]["t"]


@pytest.mark.parametrize("kind", ["classifier", "regressor"])
def test_partial_fits_on_chunks_of_any_length_are_one_epoch_each(kind):
    # 100 rows are 7 steps of 16, 16 rows are one, whatever came before.
    X, y = rows()
    model = {"classifier": MLPClassifier, "regressor": MLPRegressor}[kind](
        batch_size=16, random_state=0, optimizer=SGD(), learning_rate_schedule=Cosine(epochs=50)
    )
    model.partial_fit(X, y)
    for n in (16, 100, 40, 7, 100):
        before = answers(model, X)
        seen = updates(model)
        model.partial_fit(X[:n], y[:n])
        assert updates(model) - seen == -(-n // 16)
        assert not np.array_equal(answers(model, X), before)
    assert model.n_iter_ == len(model.history_) == 6
    assert np.isfinite(model.history_).all(axis=None)


# Predict --------------------------------------------------------------------------------------


@each_model
def test_the_prediction_for_a_row_does_not_depend_on_its_neighbours(name):
    X, y = rows()
    model = pickle.loads(pickle.dumps(MODELS[name])).fit(X, y)
    whole = answers(model, X)
    order = np.random.default_rng(1).permutation(100)
    np.testing.assert_array_equal(answers(model, X[order]), whole[order])
    for n in (1, 2, 63, 64, 65, 99):
        np.testing.assert_array_equal(answers(model, X[:n]), whole[:n])
    np.testing.assert_array_equal(answers(model, np.vstack([X] * 3))[-100:], whole)


# Last, as what follows has to compile again -----------------------------------------------------


@pytest.mark.parametrize("name", ["mlp", "mlp-full-batch", "cnn"])
def test_a_cold_store_of_programs_gives_the_bits_of_a_warm_one(name, expected):
    engine.cache_clear()
    assert engine.cache_info().size == 0
    np.testing.assert_array_equal(fit(name), expected[name])
    hits = engine.cache_info().hits
    np.testing.assert_array_equal(fit(name), expected[name])
    assert engine.cache_info().hits > hits
