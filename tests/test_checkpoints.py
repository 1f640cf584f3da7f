"""A fit that was broken off goes on from its checkpoint to the bits of one that was not."""

import json
import os
import pickle
import random
import shutil
import subprocess
import sys
import threading
import time

import keras
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from joblib import parallel_backend
from safetensors import numpy as tensors
from sklearn.base import clone
from sklearn.callback import ScoringMonitor
from sklearn.exceptions import FitFailedWarning
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import StratifiedKFold, cross_val_score

import skdeep
from skdeep import (
    CNNClassifier,
    FitDivergedError,
    LoadError,
    MLPClassifier,
    MLPRegressor,
    NetworkClassifier,
    RNNClassifier,
)
from skdeep.callbacks import Checkpoint, GradientNorms
from skdeep.engine.tables import Tables
from skdeep.optimizers import SGD, Adam
from skdeep.persistence import files
from skdeep.schedules import Cosine

rng = np.random.default_rng(0)
X = rng.normal(size=(120, 16)).astype(np.float32)
y = (X[:, 0] + rng.normal(size=120) > 0).astype(int) + (X[:, 1] > 1)
WIDE = sp.random(120, 5000, 0.01, "csr", np.float32, random_state=0)


class Crash(Exception):
    """What breaks a fit off."""


def breaking(after):
    """A callback that breaks a fit off in an epoch, as a crash would."""

    def end_epoch(state):
        if state.epoch == after:
            raise Crash

    return end_epoch


def slowing(state):
    state.learning_rate_factor = 0.9 ** (state.epoch + 1)


MLP = {"hidden_layer_sizes": (8,), "epochs": 8, "batch_size": 32, "random_state": 0}
STOPPING = {"early_stopping": True, "patience": 3}
MODELS = {
    "dropout": (MLPClassifier(**MLP, dropout=0.2), X, y),
    "one batch": (MLPClassifier(**(MLP | {"batch_size": 200})), X, y),
    "normalization": (MLPClassifier(**MLP, normalization="batch"), X, y),
    "momentum": (MLPClassifier(**MLP, optimizer=SGD(momentum=0.9), clip_norm=1.0), X, y),
    "named schedule": (MLPClassifier(**MLP, learning_rate_schedule="cosine"), X, y),
    "schedule": (MLPClassifier(**MLP, learning_rate_schedule=Cosine(epochs=9)), X, y),
    "stopping": (MLPClassifier(**MLP, **STOPPING, learning_rate=0.1), X, y),
    "scores": (MLPClassifier(**MLP, early_stopping="accuracy", patience=2), X, y),
    "slowing": (MLPClassifier(**MLP, callbacks=[slowing]), X, y),
    "wide": (MLPClassifier(**MLP), WIDE, y),
    "wide stopping": (MLPClassifier(**MLP, **STOPPING), WIDE, y),
    "regressor": (MLPRegressor(**MLP, **STOPPING), X, X[:, :2] * 7 + 3),
    "gradients": (MLPClassifier(**MLP, callbacks=[GradientNorms()]), X, y),
    "temperature": (MLPClassifier(**MLP, calibrate=True), X, y),
    "sequences": (
        RNNClassifier(epochs=8, batch_size=32, dropout=0.2, random_state=0),
        [list(row[: 2 + i % 9]) for i, row in enumerate(X)],
        y,
    ),
    "cnn": (CNNClassifier(architecture=(3,), epochs=8, augment=["shift"], random_state=0), X, y),
}


def answers(model, X):
    return model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "fit.checkpoint"


def fit_and_break(model, path, after, X=X, y=y, every=1, **rows):
    """Fit a clone that breaks off in an epoch; what the file holds."""
    callbacks = [Checkpoint(path, every), *model.callbacks, breaking(after)]
    with pytest.raises(Crash):
        clone(model).set_params(callbacks=callbacks).fit(X, y, **rows)
    return Checkpoint(path).stored()["progress"]


def resumed(model, path, X=X, y=y, every=1, **rows):
    callbacks = [Checkpoint(path, every), *model.callbacks]
    return clone(model).set_params(callbacks=callbacks).fit(X, y, **rows)


def assert_same_fit(found, expected, X):
    np.testing.assert_array_equal(answers(found, X), answers(expected, X))
    pd.testing.assert_frame_equal(found.history_, expected.history_)
    assert (found.n_iter_, found.best_epoch_) == (expected.n_iter_, expected.best_epoch_)
    one, other = (pickle.dumps(model._fitted.progress.state) for model in (found, expected))
    assert one == other


@pytest.mark.parametrize("after", [1, 4, 7])
@pytest.mark.parametrize("name", MODELS)
def test_a_broken_fit_goes_on_to_the_bits_of_an_unbroken_one(name, after, path):
    model, rows, target = MODELS[name]
    expected = clone(model).fit(rows, target)
    after = min(after, expected.n_iter_ - 1)
    assert fit_and_break(model, path, after, rows, target).epoch == after
    assert_same_fit(resumed(model, path, rows, target), expected, rows)


def test_validation_rows_and_weights_that_are_given_go_on_too(path):
    model = MLPClassifier(**MLP, **STOPPING)
    rows = {"X_val": X[:40], "y_val": y[:40], "sample_weight": np.linspace(0.5, 2, 80)}
    expected = clone(model).fit(X[40:], y[40:], **rows)
    fit_and_break(model, path, 3, X[40:], y[40:], **rows)
    assert_same_fit(resumed(model, path, X[40:], y[40:], **rows), expected, X)


def test_only_every_third_epoch_and_the_last_are_written(path):
    model = MODELS["dropout"][0]
    assert fit_and_break(model, path, 5, every=3).epoch == 3
    seen = []
    watched = clone(model).set_params(callbacks=[lambda state: seen.append(state.epoch)])
    assert_same_fit(resumed(watched, path, every=3), clone(model).fit(X, y), X)
    assert seen == [3, 4, 5, 6, 7]
    assert Checkpoint(path).stored()["progress"].epoch == 8


def test_a_fit_may_break_many_times(path):
    model = MODELS["stopping"][0]
    expected = clone(model).fit(X, y)
    for after in range(1, expected.n_iter_):
        assert fit_and_break(model, path, after).epoch == after
    assert_same_fit(resumed(model, path), expected, X)


@pytest.mark.parametrize("name", ["dropout", "stopping", "scores"])
def test_a_completed_fit_is_there_at_once(name, path):
    seen = []
    model = clone(MODELS[name][0]).set_params(callbacks=[lambda state: seen.append(state.epoch)])
    expected = resumed(model, path)
    assert len(seen) == expected.n_iter_
    written = path.stat().st_mtime_ns
    assert_same_fit(resumed(model, path), expected, X)
    assert len(seen) == expected.n_iter_
    assert path.stat().st_mtime_ns == written


def test_a_fit_that_a_callback_stopped_is_complete(path):
    def stop(state):
        state.stop = state.epoch == 2

    model = clone(MODELS["dropout"][0]).set_params(callbacks=[stop])
    assert resumed(model, path).n_iter_ == 3
    assert resumed(model, path).n_iter_ == 3


def test_a_checkpoint_sees_what_later_callbacks_did(path):
    model = clone(MODELS["slowing"][0])
    progress = fit_and_break(model, path, 3)
    assert progress.learning_rate_factor == 0.9**3


def test_random_state_none_goes_on_with_the_seed_of_the_file(path, tmp_path):
    model = clone(MODELS["stopping"][0]).set_params(random_state=None)
    seed = fit_and_break(model, path, 2).seed
    shutil.copy(path, tmp_path / "copy")
    found, again = resumed(model, path), resumed(model, tmp_path / "copy")
    assert found._fitted.progress.seed == seed
    assert_same_fit(found, again, X)


def test_more_epochs_go_on_where_the_fit_has_ended(path):
    model = MODELS["dropout"][0]
    resumed(model, path)
    longer = clone(model).set_params(epochs=11)
    assert_same_fit(resumed(longer, path), clone(longer).fit(X, y), X)


DIFFERENT = {
    "X": ({}, {"X": X + 1}, r"X was float32 \(120, 16\), digest .* but is"),
    "y": ({}, {"y": y[::-1]}, "y was"),
    "labels": ({}, {"y": np.array(["a", "b", "c"])[y]}, r"target\.classes was \[.*\], but is"),
    "other numbers as labels": ({}, {"y": y + 1}, r"target was of digest \w+, but is of digest"),
    "weights": ({}, {"sample_weight": np.linspace(1, 2, 120)}, "sample_weight was"),
    "validation": ({}, {"X_val": X, "y_val": y}, "X_val was not given, but is"),
    "number": ({"learning_rate": 0.02}, {}, "learning_rate was 0.01, but is 0.02"),
    "structure": ({"activation": "tanh"}, {}, 'activation was "relu", but is "tanh"'),
    "batches": ({"batch_size": 16}, {}, "batch_size was 32, but is 16"),
    "optimizer": (
        {"optimizer": Adam(beta_1=0.8)},
        {},
        'optimizer was "adam", but is .*"beta_1": 0.8',
    ),
    "seed": ({"random_state": 1}, {}, "random_state was 0, but is 1"),
    "no seed": ({"random_state": None}, {}, "random_state was 0, but is no integer"),
    "patience": ({"early_stopping": True}, {}, "early_stopping was false, but is true"),
    "scorer": (
        {"early_stopping": make_scorer(accuracy_score)},
        {},
        r"early_stopping was false, but is make_scorer\(accuracy_score",
    ),
    "schedule": ({"learning_rate_schedule": slowing}, {}, "schedule was null, but is .*slowing"),
    "epochs": ({"epochs": 2}, {}, "has 4 epochs, but this fit ends at 2"),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_another_fit_is_refused_with_what_differs(name, path):
    parameters, rows, told = DIFFERENT[name]
    model = MODELS["dropout"][0]
    fit_and_break(model, path, 4)
    other = clone(model).set_params(**parameters)
    with pytest.raises(ValueError, match=rf"(?s)fit.checkpoint .*{told}"):
        resumed(other, path, **({"X": X, "y": y} | rows))


def test_another_precision_is_refused(path):
    model = MODELS["dropout"][0]
    fit_and_break(model, path, 4)
    with (
        skdeep.config_context(precision="float64"),
        pytest.raises(ValueError, match="task") as told,
    ):
        resumed(model, path)
    assert 'task.precision was "float32", but is "float64"' in str(told.value)
    assert "object" not in str(told.value)  # what is the same of the task


def test_of_an_optimizer_the_setting_that_differs_is_told(path):
    model = clone(MODELS["dropout"][0]).set_params(optimizer=Adam(beta_1=0.8))
    fit_and_break(model, path, 4)
    with pytest.raises(ValueError, match=r"fit: optimizer\.beta_1 was 0\.8, but is 0\.7\. Delete"):
        resumed(clone(model).set_params(optimizer__beta_1=0.7), path)


copies_by_keras = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")


def keras_model(width=4):
    """Of layers that Keras gives numbers, higher ones each time."""
    rows = keras.Input((16,))
    hidden = keras.layers.Dropout(0.2)(keras.layers.Dense(width, activation="relu")(rows))
    model = keras.Model(rows, keras.layers.Dense(3)(hidden))
    model.set_weights([np.full(w.shape, 0.1 * i) for i, w in enumerate(model.weights)])
    return model


@copies_by_keras
def test_a_keras_model_that_is_made_again_goes_on(path):
    model = NetworkClassifier(model=keras_model(), epochs=8, batch_size=32, random_state=0)
    expected = clone(model).fit(X, y)
    fit_and_break(model, path, 4)
    assert_same_fit(resumed(clone(model).set_params(model=keras_model()), path), expected, X)


@copies_by_keras
def test_another_keras_model_is_refused(path):
    model = NetworkClassifier(model=keras_model(), epochs=8, batch_size=32, random_state=0)
    fit_and_break(model, path, 4)
    with pytest.raises(ValueError, match=r'fit: model was "Functional .*", but is "Functional'):
        resumed(clone(model).set_params(model=keras_model(width=5)), path)
    other = keras_model()
    other.layers[1].bias.assign_add(np.ones(4))
    with pytest.raises(ValueError, match=r"fit: the weights that model comes with was of digest"):
        resumed(clone(model).set_params(model=other), path)


@copies_by_keras
def test_layers_from_outside_with_other_weights_are_refused(path):
    backbone = keras_model()
    backbone.trainable = False

    def transfer(input_shape, n_outputs):
        rows = keras.Input(input_shape)
        return keras.Model(rows, keras.layers.Dense(n_outputs)(backbone(rows)))

    model = NetworkClassifier(model=transfer, epochs=8, batch_size=32, random_state=0)
    fit_and_break(model, path, 4)
    kept = backbone.get_weights()
    backbone.layers[1].bias.assign_add(np.ones(4))
    with pytest.raises(ValueError, match="fit: the weights that model comes with was of digest"):
        resumed(model, path)
    backbone.set_weights(kept)
    assert_same_fit(resumed(model, path), clone(model).fit(X, y), X)


def test_a_named_schedule_ends_with_its_epochs(path):
    model = MODELS["named schedule"][0]
    fit_and_break(model, path, 4)
    with pytest.raises(ValueError, match="epochs was 8, but is 9"):
        resumed(clone(model).set_params(epochs=9), path)


def test_verbosity_callbacks_and_idle_patience_may_change(path, capsys):
    model = MODELS["dropout"][0]
    fit_and_break(model, path, 4)
    other = clone(model).set_params(verbose=1, callbacks=[lambda state: None], patience=3)
    assert_same_fit(resumed(other, path), clone(model).fit(X, y), X)


def test_the_progress_bar_goes_on_where_the_fit_was_broken_off(path, capsys):
    model = MODELS["dropout"][0]
    fit_and_break(model, path, 5)
    resumed(clone(model).set_params(verbose=1), path)
    bar = capsys.readouterr().err
    assert "5/8" in bar
    assert "8/8" in bar
    assert "0/8" not in bar


@pytest.mark.parametrize("backend", ["sequential", "threading"])
def test_folds_that_share_a_checkpoint_are_refused_but_for_one(backend, path):
    """Also those that began before it was there: two fits are under way in threads."""
    begun = threading.Barrier(2 if backend == "threading" else 1)

    def wait(state):
        if state.epoch == 0:
            begun.wait(timeout=60)

    model = clone(MODELS["dropout"][0]).set_params(callbacks=[wait, Checkpoint(path)])
    message = "search or of cross-validation would share one, so leave the Checkpoint out"
    with parallel_backend(backend), pytest.warns(FitFailedWarning, match=message):
        scores = cross_val_score(model, X, y, cv=2, n_jobs=2)
    assert np.isfinite(scores).sum() == 1
    assert Checkpoint(path).stored()["progress"].epoch == 8
    fold = list(StratifiedKFold(2).split(X, y))[np.isfinite(scores).argmax()][0]
    again = resumed(MODELS["dropout"][0], path, X[fold], y[fold])
    assert_same_fit(again, clone(MODELS["dropout"][0]).fit(X[fold], y[fold]), X)


def test_fits_that_go_on_by_warm_start_need_files_of_their_own(path, tmp_path):
    model = clone(MODELS["dropout"][0]).set_params(warm_start=True, callbacks=[Checkpoint(path)])
    model.fit(X, y)
    with pytest.raises(ValueError, match="the fit that it goes on from was none, but is"):
        model.fit(X, y)
    first = pickle.dumps(model)
    second = tmp_path / "second.checkpoint"
    with pytest.raises(Crash):
        model.set_params(callbacks=[Checkpoint(second), breaking(11)]).fit(X, y)
    again = pickle.loads(first).set_params(callbacks=[Checkpoint(second)]).fit(X, y)
    assert_same_fit(again, pickle.loads(first).set_params(callbacks=[]).fit(X, y), X)


def test_a_damaged_checkpoint_is_refused_and_left_alone(path):
    model = MODELS["dropout"][0]
    fit_and_break(model, path, 4)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(LoadError, match="cut off"):
        resumed(model, path)
    skdeep.save(model, path)
    with pytest.raises(LoadError, match="holds a skdeep 'estimator', but 'checkpoint' is wanted"):
        resumed(model, path)


def test_a_checkpoint_that_names_code_is_refused(path):
    parts = {"fit.json": b'{"function": "os.system"}', "tensors.safetensors": tensors.save({})}
    files.write(path, "checkpoint", parts)
    with pytest.raises(LoadError, match=r"os\.system"):
        Checkpoint(path).stored()


def test_a_failing_write_ends_the_fit_and_leaves_the_last_checkpoint(path, monkeypatch):
    model = MODELS["dropout"][0]
    fit_and_break(model, path, 4)
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        resumed(model, path)
    assert path.read_bytes() == before
    assert [found.name for found in path.parent.iterdir()] == [path.name]


def test_a_diverging_fit_leaves_the_last_good_checkpoint(path):
    def explode(state):
        state.learning_rate_factor = 1e30 if state.epoch == 3 else 1.0

    model = clone(MODELS["momentum"][0]).set_params(callbacks=[explode], clip_norm=None)
    with pytest.raises(FitDivergedError):
        resumed(model, path)
    weights = Checkpoint(path).stored()["progress"].weights["trainable"]
    assert np.isfinite(weights).all()


def test_one_checkpoint_in_a_folder_that_exists(path):
    model = MODELS["dropout"][0]
    with pytest.raises(ValueError, match="more than one Checkpoint"):
        resumed(clone(model).set_params(callbacks=[Checkpoint(path)]), path)
    with pytest.raises(FileNotFoundError, match="folder of the checkpoint"):
        resumed(model, path.parent / "nowhere" / "fit")
    for every in (0, 1.5):
        with pytest.raises(ValueError, match="every must be an integer from 1 on"):
            Checkpoint(path, every=every)


def test_a_checkpoint_is_cloned_pickled_and_saved_with_its_estimator(path, tmp_path):
    model = MLPClassifier(callbacks=[Checkpoint(path, every=2)])
    skdeep.save(model, tmp_path / "model")
    for again in (clone(model), pickle.loads(pickle.dumps(model)), skdeep.load(tmp_path / "model")):
        assert again.callbacks == [Checkpoint(str(path), every=2)]
    assert f"Checkpoint(path={str(path)!r}, every=2)" in repr(Checkpoint(path, every=2))


# Other callbacks beside it --------------------------------------------------------------------


def test_keras_callbacks_begin_anew_but_their_learning_rate_is_kept(path):
    model = clone(MODELS["momentum"][0])

    def patient():
        return keras.callbacks.EarlyStopping("loss", patience=2, min_delta=10)

    assert clone(model).set_params(callbacks=[patient()]).fit(X, y).n_iter_ == 3
    with pytest.raises(Crash):  # patience has run for one epoch
        model.set_params(callbacks=[Checkpoint(path), patient(), breaking(2)]).fit(X, y)
    model.set_params(callbacks=[Checkpoint(path), patient()])
    assert model.fit(X, y).n_iter_ == 2 + 3
    path.unlink()

    def set_rate(rate):
        return keras.callbacks.LearningRateScheduler(lambda epoch, _: rate)

    halved = clone(model).set_params(callbacks=[set_rate(0.005)])
    assert fit_and_break(halved, path, 2).learning_rate_factor == pytest.approx(0.5)


def test_callbacks_of_scikit_learns_see_what_is_left(path):
    model = clone(MODELS["dropout"][0])
    fit_and_break(model, path, 5)
    for left in (3, 0):
        monitor = ScoringMonitor(scoring="accuracy")
        model.set_params(callbacks=[Checkpoint(path)]).set_callbacks(monitor)
        model.fit(X, y)
        if left:
            rows = [r for r in monitor.get_logs().data if r["task_name"] == "epoch"]
            assert len(rows) == left
        model.set_callbacks()
    assert_same_fit(model, clone(MODELS["dropout"][0]).fit(X, y), X)


def test_a_callback_that_asks_for_no_weights_copies_none(monkeypatch):
    copies = []
    unload = Tables.unload
    monkeypatch.setattr(Tables, "unload", lambda self: copies.append(self) or unload(self))
    model = clone(MODELS["wide"][0]).set_params(callbacks=[lambda state: state.logs])
    model.fit(WIDE, y)
    assert len(copies) == 1
    model.set_params(callbacks=[lambda state: state.weights["table"]]).fit(WIDE, y)
    assert len(copies) == 1 + 1 + 8


# A process that is killed ---------------------------------------------------------------------

LONG = {"hidden_layer_sizes": (8,), "epochs": 300, "batch_size": 32, "dropout": 0.2}
LONG |= {"early_stopping": True, "patience": 300, "learning_rate_schedule": "cosine"}
SCRIPT = """
import json, sys
import numpy as np
from skdeep import MLPClassifier
from skdeep.callbacks import Checkpoint
rows, checkpoint, out, parameters = sys.argv[1:]
X, y = np.load(rows)["X"], np.load(rows)["y"]
keep = Checkpoint(checkpoint)
model = MLPClassifier(**json.loads(parameters), random_state=0, callbacks=[keep])
np.save(out, model.fit(X, y).predict_proba(X))
"""


def start(folder):
    """Start the script in a process of its own."""
    names = [str(folder / name) for name in ("rows.npz", "fit.checkpoint", "out.npy")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *names, json.dumps(LONG)], env=environment
    )


def kill_and_go_on(folder, seed, kills):
    """Kill a fit at random moments after a checkpoint, let it end, compare it with one alone."""
    np.savez(folder / "rows.npz", X=X, y=y)
    checkpoint, clock = folder / "fit.checkpoint", random.Random(seed)
    epochs = []
    for _ in range(kills):
        process = start(folder)
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        deadline = time.monotonic() + 120
        while not checkpoint.exists() or checkpoint.stat().st_mtime_ns == before:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(0.5 * clock.random())
        process.kill()
        process.wait()
        epochs.append(Checkpoint(checkpoint).stored()["progress"].epoch)
    assert start(folder).wait() == 0
    alone = MLPClassifier(**LONG, random_state=0).fit(X, y)
    np.testing.assert_array_equal(np.load(folder / "out.npy"), alone.predict_proba(X))
    assert epochs == sorted(set(epochs))  # each run got further than the one before
    assert 0 < epochs[0] <= epochs[-1] < LONG["epochs"]


def test_a_killed_fit_goes_on_to_the_same_bits(tmp_path):
    kill_and_go_on(tmp_path, seed=0, kills=1)


@pytest.mark.slow
def test_a_fit_killed_many_times_ends_with_the_same_bits(tmp_path):
    kill_and_go_on(tmp_path, seed=1, kills=5)
