"""Callbacks: functions, Keras's, scikit-learn's, and the progress bar."""

import csv
import io
import pickle
import re
from contextlib import redirect_stderr

import keras
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from joblib import parallel_config
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV

from skdeep import CNNClassifier, MLPClassifier, MLPRegressor, RNNClassifier, config_context
from skdeep.callbacks import GradientNorms, TensorBoard


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


def test_what_a_function_adds_to_the_logs_is_a_column_of_the_history(data):
    seen = []

    def square(state):
        state.logs["square"] = state.epoch**2

    def later(state):
        seen.append(state.logs["square"])

    model = classifier(square, later, epochs=3).fit(*data)
    assert list(model.history_.columns) == ["loss", "square"]
    np.testing.assert_array_equal(model.history_["square"], [0, 1, 4])
    assert seen == [0, 1, 4]


def test_a_column_is_empty_where_no_function_filled_it(data):
    def every_other(state):
        if state.epoch % 2:
            state.logs["odd"] = state.epoch

    model = classifier(every_other, epochs=4, warm_start=True).fit(*data)
    model.set_params(callbacks=()).fit(*data)
    np.testing.assert_array_equal(model.history_["odd"], [np.nan, 1, np.nan, 3] + [np.nan] * 4)


def test_keras_stops_by_what_a_function_logs(data):
    def constant(state):
        state.logs["mine"] = 1.0

    callback = keras.callbacks.EarlyStopping("mine", mode="min", patience=2)
    assert classifier(callback, constant).fit(*data).n_iter_ == 3


# Gradients ------------------------------------------------------------------------------------


def norms(model, kind):
    """(n_epochs, n_layers) of a model's history: kind is gradient or update."""
    columns = model.history_.filter(like=f"{kind}/")
    return columns.rename(columns=lambda name: name.removeprefix(f"{kind}/"))


def test_gradient_norm_of_a_linear_model_is_the_one_by_hand(data):
    X = data[0].astype(np.float32)
    y = X @ [1.0, -2.0, 0.5] + 0.1 * X[:, 0] ** 2
    settings = {"hidden_layer_sizes": (), "epochs": 2, "random_state": 0, "warm_start": True}
    model = MLPRegressor(**settings).fit(X, y)
    kernel, bias = model.network_.get_weights()
    model.set_params(callbacks=[GradientNorms()]).fit(X, y)
    residual = X @ kernel[:, 0] + bias - (y - y.mean()) / y.std()
    gradient = 2 / len(X) * residual @ np.column_stack([X, np.ones(len(X))])
    measured = norms(model, "gradient")["head"]
    assert measured[2] == pytest.approx(np.linalg.norm(gradient), rel=1e-5)
    assert np.isnan(measured[:1]).all()


def test_gradient_norms_of_each_layer_agree_with_finite_differences(data):
    X, y = data
    weight = np.random.default_rng(1).uniform(0.1, 2, size=len(y))
    settings = {"hidden_layer_sizes": (4, 3), "activation": "tanh", "class_weight": {1: 3.0}}
    with config_context(precision="float64"):
        model = classifier(epochs=1, warm_start=True, **settings).fit(X, y, sample_weight=weight)
        network = model.network_
        weights = network.get_weights()
        model.set_params(callbacks=[GradientNorms()]).fit(X, y, sample_weight=weight)

    counted = weight * np.where(y == 1, 3.0, 1.0)

    def loss():
        logits = network(X, training=False)["output"].numpy()[:, 0]
        return log_loss(y, 1 / (1 + np.exp(-logits)), sample_weight=counted)

    for layer in ("hidden_0", "hidden_1", "head"):
        slopes = []
        for i, variable in enumerate(network.weights):
            for place in np.ndindex(*variable.shape) if layer in variable.path else ():
                difference = 0.0
                for sign in (1, -1):
                    moved = weights[i].copy()
                    moved[place] += sign * 1e-5
                    variable.assign(moved)
                    difference += sign * loss() / 2e-5
                variable.assign(weights[i])
                slopes.append(difference)
        expected = np.linalg.norm(slopes)
        assert norms(model, "gradient")[layer][1] == pytest.approx(expected, rel=1e-6)


def one_step_an_epoch(kind):
    """A model whose epoch is one step of gradient descent on all rows, and rows for it."""
    rng = np.random.default_rng(0)
    y = np.arange(30) % 3
    how = {"epochs": 3, "optimizer": "sgd", "learning_rate": 0.1, "random_state": 0}
    how |= {"batch_size": 30, "callbacks": [GradientNorms()]}
    if kind == "cnn":
        return CNNClassifier(architecture=(4,), **how), rng.normal(size=(30, 8, 8)), y
    if kind in ("sequences", "steps", "tokens"):
        rows = [rng.normal(size=(length, 2)) for length in 2 + y]
        how |= {"hidden_layer_sizes": (3, 4), "bidirectional": True, "clip_norm": None}
        if kind == "tokens":
            rows = [rng.integers(0, 9, size=length).tolist() for length in 2 + y]
            how |= {"embedding_size": 3}
        targets = [row[:, 0] > 0 for row in rows] if kind == "steps" else y
        return RNNClassifier(**how), rows, targets
    model = MLPClassifier(hidden_layer_sizes=(70, 5), activation="sigmoid", **how)
    if kind == "normalised":
        return model.set_params(normalization="batch"), rng.normal(size=(30, 4)), y
    if kind == "wide":
        X = sp.random(30, 5000, density=0.01, format="csr", random_state=0)
        return model.set_params(activation="tanh"), X, y
    return model, rng.normal(size=(30, 4)), y


@pytest.mark.parametrize(
    "kind", ["padded", "normalised", "wide", "cnn", "sequences", "steps", "tokens"]
)
def test_an_epoch_of_one_step_moves_each_layer_by_the_rate_times_its_gradient(kind):
    model, X, y = one_step_an_epoch(kind)
    model.fit(X, y)
    sizes = {}
    for variable in model.network_.trainable_variables:
        layer = variable.path.partition("/")[0]
        sizes[layer] = np.hypot(sizes.get(layer, 0), np.linalg.norm(variable.numpy()))
    gradients, updates = norms(model, "gradient"), norms(model, "update")
    assert list(gradients) == list(updates) == list(sizes)
    if kind == "wide":
        table = model._fitted.progress.weights["table"]
        sizes["hidden_0"] = np.hypot(sizes["hidden_0"], np.linalg.norm(table))
    for layer, size in sizes.items():
        moved = updates[layer].iloc[-1] * size
        assert moved == pytest.approx(0.1 * gradients[layer].iloc[-1], rel=2e-4), layer


def test_looking_at_gradients_changes_no_bit(data):
    noisy = {"dropout": 0.3, "normalization": "batch", "optimizer": "adam"}
    looked = classifier(GradientNorms(), **noisy).fit(*data)
    np.testing.assert_array_equal(weights_of(looked), weights_of(classifier(**noisy).fit(*data)))


def test_gradients_are_taken_on_as_many_rows_as_asked_for_always_the_same(data):
    X, y = data
    few, again, all_, more = (
        norms(classifier(GradientNorms(n), epochs=1).fit(X, y), "gradient").iloc[0]
        for n in (10, 10, len(y), 1000)
    )
    pd.testing.assert_series_equal(few, again)
    pd.testing.assert_series_equal(all_, more)
    assert not np.allclose(few, all_)


def test_a_few_of_rows_that_are_all_alike_tell_as_much_as_all():
    settings = {"random_state": 0, "epochs": 2, "batch_size": 20}
    few, all_ = (
        MLPRegressor(callbacks=[GradientNorms(n)], **settings).fit(
            np.ones((40, 3)), np.full(40, 5.0), sample_weight=np.full(40, 3.0)
        )
        for n in (7, 40)
    )
    pd.testing.assert_frame_equal(few.history_, all_.history_, rtol=1e-5)


def test_gradients_of_a_fit_that_goes_on_are_those_of_one_fit(data):
    X, y = data
    watched = {"X_val": X, "y_val": 1 - y}  # so that the kept weights are not the last ones
    how = {"early_stopping": True, "patience": 9}
    both = classifier(GradientNorms(), epochs=3, warm_start=True, **how)
    both.fit(X, y, **watched).fit(X, y, **watched)
    one = classifier(GradientNorms(), epochs=6, **how).fit(X, y, **watched)
    assert one.best_epoch_ == 0
    pd.testing.assert_frame_equal(both.history_, one.history_)


# TensorBoard's --------------------------------------------------------------------------------


def events(run):
    """What the files of a run hold: {(tag, epoch): value}, and the plugin of each tag."""
    from skdeep.engine.runtime import tf

    values, plugins = {}, {}
    for path in sorted(run.iterdir()):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                values[value.tag, event.step] = tf.make_ndarray(value.tensor).item()
                plugins[value.tag] = value.metadata.plugin_data.plugin_name
    return values, plugins


def test_tensorboard_gets_each_column_of_the_history_by_epoch(data, tmp_path):
    X, y = data
    callbacks = [GradientNorms(), TensorBoard(tmp_path / "new" / "logs")]
    model = classifier(*callbacks, epochs=3).fit(X, y, X_val=X, y_val=y)
    (run,) = (tmp_path / "new" / "logs").iterdir()
    values, plugins = events(run)
    text = values.pop(("estimator", 0)).decode()
    assert text.replace("\n    ", "\n") == f"    {model!r}"
    assert plugins == {"estimator": "text"} | dict.fromkeys(model.history_, "scalars")
    expected = {(tag, i): v for tag, column in model.history_.items() for i, v in column.items()}
    assert values == pytest.approx(expected, rel=1e-6)


def test_tensorboards_own_reader_finds_the_scalars(data, tmp_path):
    name = "tensorboard.backend.event_processing.event_accumulator"
    accumulator = pytest.importorskip(name, reason="tensorboard is not installed")
    model = classifier(TensorBoard(tmp_path), epochs=3).fit(*data)
    found = accumulator.EventAccumulator(str(tmp_path / "MLPClassifier-0001")).Reload()
    make_array = pytest.importorskip("tensorboard.util.tensor_util").make_ndarray
    values = [make_array(event.tensor_proto) for event in found.Tensors("loss")]
    np.testing.assert_allclose(values, model.history_["loss"], rtol=1e-6)


def test_keras_tensorboard_logs_the_loss_if_tensorboard_is_there(data, tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    model = classifier(keras.callbacks.TensorBoard(tmp_path)).fit(*data)
    values, _ = events(tmp_path / "train")
    losses = [values["epoch_loss", i] for i in range(6)]
    np.testing.assert_allclose(losses, model.history_["loss"], rtol=1e-6)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_each_fit_of_a_search_has_a_run_of_its_own(data, tmp_path, n_jobs):
    model = classifier(TensorBoard(str(tmp_path)), epochs=2)
    search = GridSearchCV(model, {"learning_rate": [0.1, 0.2]}, cv=2, n_jobs=n_jobs)
    with parallel_config(backend="threading"):
        search.fit(*data)
    runs = sorted(tmp_path.iterdir())
    assert [run.name for run in runs] == [f"MLPClassifier-{i:04}" for i in (1, 2, 3, 4, 5)]
    rates = sorted(
        re.search("learning_rate=(.*?)[,)]", values["estimator", 0].decode())[1]
        for values, _ in map(events, runs)
    )
    best = str(search.best_params_["learning_rate"])
    assert rates == sorted(["0.1", "0.1", "0.2", "0.2", best])


def test_a_fit_that_goes_on_logs_its_epochs_from_there(data, tmp_path):
    model = classifier(TensorBoard(tmp_path), epochs=2, warm_start=True).fit(*data).fit(*data)
    first, second = (events(run)[0] for run in sorted(tmp_path.iterdir()))
    steps = [sorted(step for tag, step in values if tag == "loss") for values in (first, second)]
    assert steps == [[0, 1], [2, 3]]
    assert second["loss", 3] == pytest.approx(model.history_["loss"][3], rel=1e-6)


def test_a_fit_that_fails_has_logged_the_epochs_before(data, tmp_path):
    def fail(state):
        if state.epoch == 2:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        classifier(TensorBoard(tmp_path), fail).fit(*data)
    (run,) = tmp_path.iterdir()
    assert [step for tag, step in events(run)[0] if tag == "loss"] == [0, 1, 2]


def test_a_fitted_estimator_with_our_callbacks_pickles_and_clones(data, tmp_path):
    model = classifier(TensorBoard(tmp_path), GradientNorms(20), epochs=1).fit(*data)
    for other in (clone(model), pickle.loads(pickle.dumps(model))):
        assert repr(other) == repr(model)
        other.fit(*data)
    assert len(list(tmp_path.iterdir())) == 3


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
        (lambda: keras.callbacks.ModelCheckpoint("x.keras"), r"ModelCheckpoint .*skdeep\.save"),
        (lambda: keras.callbacks.BackupAndRestore("x"), r"BackupAndRestore .*\.Checkpoint"),
        (lambda: keras.callbacks.SwapEMAWeights(), "SwapEMAWeights .*own training loop"),
        (
            lambda: keras.callbacks.TensorBoard("x", histogram_freq=1),
            r"TensorBoard\(histogram_freq=1\) .*only the history .*skdeep\.callbacks\.TensorBoard",
        ),
        (lambda: keras.callbacks.TensorBoard("x", update_freq="batch"), "update_freq=1.*history"),
        (lambda: keras.callbacks.ProgbarLogger(), "ProgbarLogger .*verbose=1"),
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
