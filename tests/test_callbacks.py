"""Callbacks: functions, Keras's, scikit-learn's, and the progress bar."""

import csv
import io
import re
from contextlib import redirect_stderr

import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.metrics import log_loss

from skdeep import MLPClassifier


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3))
    return X, (X[:, 0] + 0.5 * rng.normal(size=40) > 0).astype(int)


def classifier(*callbacks, **settings):
    how = {
        "hidden_layer_sizes": (4,),
        "batch_size": 20,
        "epochs": 6,
        "optimizer": "sgd",
        "learning_rate": 0.5,
        "random_state": 0,
    }
    return MLPClassifier(callbacks=callbacks, **(how | settings))


def weights_of(model):
    return model._fitted.progress.weights["trainable"]


@pytest.fixture(scope="module")
def plain(data):
    return classifier().fit(*data)


# Functions ------------------------------------------------------------------------------------


def test_function_sees_the_history_and_changes_nothing_by_looking(data, plain):
    seen = []
    model = classifier(lambda state: seen.append((state.epoch, state.logs["loss"]))).fit(*data)
    assert seen == list(enumerate(model.history_["loss"]))
    np.testing.assert_array_equal(weights_of(model), weights_of(plain))


def test_function_may_stop(data):
    def stop(state):
        state.stop = state.epoch == 2

    assert classifier(stop).fit(*data).n_iter_ == 3


def test_functions_are_called_in_their_order(data):
    calls = []
    classifier(lambda s: calls.append("a"), lambda s: calls.append("b"), epochs=2).fit(*data)
    assert calls == ["a", "b", "a", "b"]


def test_what_cannot_be_called_is_refused_before_any_training(data):
    calls = []
    with pytest.raises(TypeError, match=r"functions of an EpochState or Keras .*'early'"):
        classifier(lambda s: calls.append(s), "early").fit(*data)
    assert not calls


def test_epochs_are_counted_from_the_first_fit(data):
    seen = []
    model = classifier(lambda state: seen.append((state.epoch, state.epochs)), epochs=2)
    model.set_params(warm_start=True).fit(*data).fit(*data)
    assert seen == [(0, 2), (1, 2), (2, 4), (3, 4)]


# Keras's --------------------------------------------------------------------------------------


def test_keras_early_stopping_stops_when_the_loss_no_longer_falls(data, plain):
    callback = keras.callbacks.EarlyStopping("loss", patience=2, min_delta=10)
    assert classifier(callback).fit(*data).n_iter_ == 3
    assert callback.stopped_epoch == 2
    patient = keras.callbacks.EarlyStopping("loss", patience=2, min_delta=0)
    assert classifier(patient).fit(*data).n_iter_ == plain.n_iter_ == 6


def test_keras_callbacks_see_val_loss(data):
    X, y = data
    callback = keras.callbacks.EarlyStopping("val_loss", patience=1, min_delta=10)
    assert classifier(callback).fit(X, y, X_val=X, y_val=1 - y).n_iter_ == 2


def test_reduce_on_plateau_lowers_the_learning_rate(data):
    callback = keras.callbacks.ReduceLROnPlateau("loss", factor=0.1, patience=1, min_delta=10)
    reduced = classifier(callback).fit(*data)

    def by_hand(state):  # a plateau is seen at the ends of epochs 1, 2, ...
        state.learning_rate_factor = 0.1**state.epoch

    expected = classifier(by_hand).fit(*data)
    np.testing.assert_allclose(weights_of(reduced), weights_of(expected), rtol=1e-5)


def test_learning_rate_scheduler_sets_the_rate_of_each_epoch(data):
    rates = [0.3, 0.1, 0.5, 0.01, 0.2, 0.4]
    by_keras = classifier(keras.callbacks.LearningRateScheduler(lambda epoch: rates[epoch]))

    def factors(epoch):
        return np.array(rates)[np.floor(epoch).astype(int)] / 0.5

    by_schedule = classifier(learning_rate_schedule=factors)
    np.testing.assert_allclose(
        weights_of(by_keras.fit(*data)), weights_of(by_schedule.fit(*data)), rtol=1e-5
    )


def test_learning_rate_scheduler_goes_on_with_the_epochs(data):
    seen = []

    def schedule(epoch, rate):
        seen.append(epoch)
        return rate

    model = classifier(keras.callbacks.LearningRateScheduler(schedule), epochs=2, warm_start=True)
    model.fit(*data).fit(*data)
    assert seen == [0, 1, 2, 3]


def test_csv_logger_writes_the_history(data, tmp_path):
    model = classifier(keras.callbacks.CSVLogger(tmp_path / "log.csv")).fit(*data)
    with (tmp_path / "log.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [int(line["epoch"]) for line in lines] == list(range(6))
    np.testing.assert_allclose([float(line["loss"]) for line in lines], model.history_["loss"])


def test_lambda_callback_runs_from_beginning_to_end(data):
    calls = []
    callback = keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: calls.append("begin"),
        on_epoch_begin=lambda epoch, logs: calls.append(f"epoch {epoch}"),
        on_epoch_end=lambda epoch, logs: calls.append(f"end {epoch}"),
        on_train_end=lambda logs: calls.append("end"),
    )
    classifier(callback, epochs=2).fit(*data)
    assert calls == ["begin", "epoch 0", "end 0", "epoch 1", "end 1", "end"]


def test_ours_and_keras_mix(data):
    seen = []
    stopping = keras.callbacks.EarlyStopping("loss", patience=1, min_delta=10)
    model = classifier(lambda state: seen.append(state.epoch), stopping).fit(*data)
    assert model.n_iter_ == 2
    assert seen == [0, 1]


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: keras.callbacks.ModelCheckpoint("x.keras"), "ModelCheckpoint .*joblib.dump"),
        (lambda: keras.callbacks.BackupAndRestore("x"), "BackupAndRestore .*warm_start=True"),
        (lambda: keras.callbacks.SwapEMAWeights(), "SwapEMAWeights .*own training loop"),
        (lambda: keras.callbacks.TerminateOnNaN(), "TerminateOnNaN .*FitDivergedError"),
        (
            lambda: keras.callbacks.EarlyStopping("loss", restore_best_weights=True),
            "restore_best_weights=True.*early_stopping=True",
        ),
    ],
)
def test_keras_callbacks_that_cannot_work_are_refused_with_what_to_do(data, make, reason):
    model = classifier(make())
    with pytest.raises(TypeError, match=reason):
        model.fit(*data)
    assert not hasattr(model, "n_iter_")


# scikit-learn's -------------------------------------------------------------------------------


class Recorder:
    """A callback of scikit-learn that keeps what it sees, and may stop."""

    def __init__(self, last=None):
        self.last, self.seen, self.fits = last, [], 0

    def setup(self, estimator, context):
        self.seen.append("setup")

    def teardown(self, estimator, context):
        self.seen.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None):
        self.seen.append(("begin", context.task_name, context.task_id))

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
        self.seen.append(("end", context.task_name, context.task_id))
        if context.task_name == "epoch":
            self.seen[-1] += (log_loss(y, fitted_estimator.predict_proba(X)),)
            return context.task_id == self.last
        return False


def tasks(recorder, kind):
    return [entry for entry in recorder.seen if entry[0] == kind]


def test_scikit_learn_callback_sees_a_task_for_the_fit_and_one_for_each_epoch(data, plain):
    recorder = Recorder()
    model = classifier().set_callbacks(recorder).fit(*data)
    assert recorder.seen[0] == "setup"
    assert recorder.seen[-1] == "teardown"
    begun = [("begin", "fit", 0), *(("begin", "epoch", i) for i in range(6))]
    assert tasks(recorder, "begin") == begun
    assert [entry[1:3] for entry in tasks(recorder, "end")] == [
        *(("epoch", i) for i in range(6)),
        ("fit", 0),
    ]
    np.testing.assert_array_equal(weights_of(model), weights_of(plain))


def test_estimator_handed_to_scikit_learns_callback_predicts_as_of_that_epoch(data):
    recorder = Recorder()
    classifier().set_callbacks(recorder).fit(*data)
    losses = [entry[3] for entry in tasks(recorder, "end") if entry[1] == "epoch"]
    expected = [
        log_loss(data[1], classifier(epochs=n).fit(*data).predict_proba(data[0])) for n in (1, 3, 6)
    ]
    np.testing.assert_allclose([losses[0], losses[2], losses[5]], expected, rtol=1e-6)


def test_scikit_learns_callback_may_stop(data):
    model = classifier().set_callbacks(Recorder(last=1)).fit(*data)
    assert model.n_iter_ == 2
    np.testing.assert_array_equal(weights_of(model), weights_of(classifier(epochs=2).fit(*data)))


def test_scoring_monitor_logs_a_score_for_each_epoch(data):
    monitor = ScoringMonitor(scoring="accuracy")
    model = classifier().set_callbacks(monitor).fit(*data)
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(rows) == 6
    assert rows[-1]["accuracy"] == model.score(*data)


def test_scikit_learns_progress_bar_runs(data):
    pytest.importorskip("rich")
    classifier(epochs=2).set_callbacks(ProgressBar()).fit(*data)


def test_callbacks_are_no_parameters_of_a_clone(data):
    recorder = Recorder()
    model = classifier(epochs=2).set_callbacks(recorder)
    clone(model).fit(*data)
    fitted = len(recorder.seen)
    model.set_callbacks().fit(*data)
    assert len(recorder.seen) == fitted


def test_error_in_a_fit_still_tears_down(data):
    recorder = Recorder()

    def fail(state):
        raise ZeroDivisionError

    model = classifier(fail).set_callbacks(recorder)
    with pytest.raises(ZeroDivisionError):
        model.fit(*data)
    assert recorder.seen[-1] == "teardown"
    assert not hasattr(model, "n_iter_")
    assert not [name for name in vars(model) if name.startswith("_callback")]


# The progress bar -----------------------------------------------------------------------------


def stderr_of(model, data):
    with redirect_stderr(io.StringIO()) as stream:
        model.fit(*data)
    return stream.getvalue()


def test_verbose_shows_a_bar_of_epochs_with_the_loss(data, plain):
    shown = stderr_of(classifier(verbose=1), data)
    assert "MLPClassifier" in shown
    assert re.search(r"[56]/6 .*loss=0\.\d+", shown)
    assert f"loss={plain.history_['loss'].iloc[-1]:.4g}" in shown


def test_silence_is_the_default(data):
    assert stderr_of(classifier(), data) == ""


def test_bar_goes_away_after_an_error(data):
    def fail(state):
        raise ZeroDivisionError

    with redirect_stderr(io.StringIO()) as stream, pytest.raises(ZeroDivisionError):
        classifier(fail, verbose=1).fit(*data)
    assert stream.getvalue().endswith("\r")
