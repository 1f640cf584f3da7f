import copy
import multiprocessing
import pickle
import random
import threading
from io import StringIO
from itertools import pairwise

import keras
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.callback import ScoringMonitor
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import cross_validate
from sklearn.preprocessing import StandardScaler

from skdeep import FitInterruptedWarning, MLPClassifier, MLPRegressor, config_context, engine
from skdeep.base import BaseNetworkClassifier
from skdeep.hyperparameters import hyperparameter
from skdeep.optimizers import SGD, Adam
from skdeep.schedules import Linear, Steps

SMALL = {"hidden_layer_sizes": (10,), "epochs": 4, "random_state": 0}


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(X), y


# A family of one's own ------------------------------------------------------------------------


class Quadratic(BaseNetworkClassifier):
    """Logistic regression on the columns and ``scale`` times their squares."""

    scale: float = hyperparameter(1.0, "Factor of the squares.")
    epochs: int = hyperparameter(7, "Passes over the rows.", structural=None)

    def _features(self, inputs, task):
        squares = keras.layers.Lambda(lambda x: keras.ops.square(x), name="squares")(inputs)
        return keras.layers.Concatenate(name="both")([inputs, squares])


class ByHand(Quadratic):
    """The same with a constructor written by hand."""

    def __init__(self, depth=1, epochs=2, random_state=None):
        super().__init__(epochs=epochs, random_state=random_state)
        self.depth = depth


def test_a_subclass_adds_a_network_and_gets_the_rest():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(300, 2))
    y = np.where((X**2).sum(axis=1) < 0.6, "in", "out")
    model = Quadratic(epochs=300, learning_rate=0.2, weight_decay=1 / 300, random_state=0)
    model.set_params(batch_size=300, learning_rate_schedule="cosine").fit(X, y)
    features = np.hstack([X, X**2])
    theirs = LogisticRegression(tol=1e-8).fit(features, y)
    assert_allclose(model.predict_proba(X), theirs.predict_proba(features), atol=1e-3)
    assert_allclose(model.transform(X), features, atol=1e-6)


def test_a_subclass_may_change_a_default():
    assert Quadratic().epochs == 7
    assert list(Quadratic().get_params()) == sorted(Quadratic().get_params())
    assert {"scale", "epochs", "class_weight"} <= Quadratic().get_params().keys()


def test_a_subclass_may_write_its_constructor(iris):
    model = ByHand(depth=3, random_state=0)
    assert model.get_params() == {"depth": 3, "epochs": 2, "random_state": 0}
    again = clone(model)
    assert again.get_params() == model.get_params()
    assert "ByHand" in repr(again)
    assert "depth" in again._repr_html_()
    expected = model.fit(*iris).predict_proba(iris[0])
    assert model.n_iter_ == 2
    assert_array_equal(again.fit(*iris).predict_proba(iris[0]), expected)
    assert_array_equal(pickle.loads(pickle.dumps(model)).predict_proba(iris[0]), expected)
    with sklearn.config_context(enable_metadata_routing=True):
        model.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        weight = np.ones(150)
        scores = cross_validate(model, *iris, params={"sample_weight": weight}, cv=2)
    assert np.isfinite(scores["test_score"]).all()


# The network from outside -----------------------------------------------------------------------


def test_summary_counts_the_true_network_not_its_padding(iris):
    settings = {"hidden_layer_sizes": (10, 3), "activation": "sigmoid", "normalization": "batch"}
    model = MLPClassifier(epochs=1, dropout=0.1, **settings).fit(*iris)
    summary = model.summary()
    by_hand = {"hidden_0": (4 + 1) * 10, "hidden_1": (10 + 1) * 3, "head": (3 + 1) * 3}
    by_hand |= {"normalization_0": 4 * 10, "normalization_1": 4 * 3}
    counts = summary["parameters"]
    assert counts[counts > 0].to_dict() == by_hand
    trained = by_hand | {"normalization_0": 2 * 10, "normalization_1": 2 * 3}
    assert summary["trained"][counts > 0].to_dict() == trained
    assert model.n_parameters_ == counts.sum() == model.network_.count_params()
    assert list(summary.columns) == ["kind", "output_shape", "parameters", "trained"]
    assert summary.loc["hidden_0"].to_dict()["kind"] == "Dense"
    assert summary["output_shape"][["rows", "hidden_1", "head"]].tolist() == [(4,), (3,), (3,)]


@pytest.mark.parametrize("sizes", [(7, 5), ()])
def test_summary_counts_the_table_of_wide_sparse_rows(sizes):
    X, y = sp.random(20, 5000, density=0.01, format="csr", random_state=0), np.arange(20) % 3
    model = MLPClassifier(hidden_layer_sizes=sizes, epochs=1).fit(X, y)
    dense = [5000, *sizes, 3]
    assert model.n_parameters_ == sum((a + 1) * b for a, b in pairwise(dense))
    assert model.summary()["parameters"].sum() == model.n_parameters_
    assert model.summary()["output_shape"].iloc[:2].tolist() == [(5000,), (dense[1],)]


def test_summary_needs_a_fit():
    with pytest.raises(sklearn.exceptions.NotFittedError):
        MLPClassifier().summary()


# Life of an estimator -------------------------------------------------------------------------


def test_a_clone_has_the_parameters_and_nothing_learnt(iris):
    model = MLPClassifier(optimizer=Adam(beta_1=0.8), hidden_layer_sizes=[5, 6]).fit(*iris)
    copied = clone(model)
    assert repr(copied) == repr(model)
    assert copied.optimizer is not model.optimizer
    assert not hasattr(copied, "classes_")
    with pytest.raises(sklearn.exceptions.NotFittedError):
        copied.predict(iris[0])
    for name in ("history_", "network_", "n_iter_"):
        assert not hasattr(copied, name)


def test_nested_parameters_of_an_optimizer_are_set_by_name(iris):
    model = MLPClassifier(optimizer=SGD(), **SMALL)
    expected = model.set_params(optimizer__momentum=0.7).fit(*iris).predict_proba(iris[0])
    other = MLPClassifier(optimizer=SGD(momentum=0.7), **SMALL).fit(*iris)
    assert_array_equal(other.predict_proba(iris[0]), expected)


def test_fit_changes_no_parameter(iris):
    model = MLPClassifier(hidden_layer_sizes=[5, 6], optimizer=Adam(), callbacks=[])
    before = {name: (id(value), repr(value)) for name, value in model.get_params().items()}
    model.fit(*iris).partial_fit(*iris)
    after = {name: (id(value), repr(value)) for name, value in model.get_params().items()}
    assert after == before


def test_a_refit_keeps_nothing_of_the_last_fit(iris):
    X, y = iris
    model = MLPClassifier(**SMALL).fit(pd.DataFrame(X, columns=list("abcd")), y)
    assert list(model.feature_names_in_) == ["a", "b", "c", "d"]
    model.fit(X[:, :2], np.array(["x", "y"])[y // 2])
    fresh = MLPClassifier(**SMALL).fit(X[:, :2], np.array(["x", "y"])[y // 2])
    assert vars(model).keys() == vars(fresh).keys()
    assert_array_equal(model.classes_, ["x", "y"])
    assert_array_equal(model.predict_proba(X[:, :2]), fresh.predict_proba(X[:, :2]))


def test_a_later_fit_leaves_a_shallow_copy_alone(iris):
    X, y = iris
    model = MLPClassifier(**SMALL).fit(X, y)
    before, kept = model.predict_proba(X), copy.copy(model)
    model.partial_fit(X, y)
    assert not np.array_equal(model.predict_proba(X), before)
    assert_array_equal(kept.predict_proba(X), before)


def test_predict_leaves_no_trace_on_the_estimator(iris):
    X, y = iris
    model = MLPClassifier(**SMALL).fit(X, y)
    before = pickle.dumps(model)
    model.predict(X), model.transform(X), model.history_, model.network_, model.score(X, y)
    assert pickle.dumps(model) == before


def test_fits_that_differ_in_numbers_share_their_programs(iris):
    MLPClassifier(**SMALL).fit(*iris)
    before = engine.cache_info()
    for parameters in (
        {"learning_rate": 0.1, "weight_decay": 0.1, "label_smoothing": 0.2, "random_state": 3},
        {"hidden_layer_sizes": (60,), "epochs": 9, "patience": 2},  # in the same bucket
        {"learning_rate_schedule": "cosine"},
    ):
        MLPClassifier(**SMALL | parameters).fit(*iris).predict(iris[0])
    after = engine.cache_info().kinds
    assert {k: v for k, v in after.items() if "train" in k or "program" in k} == {
        k: v for k, v in before.kinds.items() if "train" in k or "program" in k
    }


# Schedules and callbacks ----------------------------------------------------------------------


def test_a_callback_sees_each_epoch_and_may_end_the_fit(iris):
    seen = []

    def watch(state):
        seen.append((state.epoch, state.epochs, state.logs["loss"]))
        state.stop = state.epoch == 2

    model = MLPClassifier(hidden_layer_sizes=(10,), epochs=50, callbacks=[watch]).fit(*iris)
    assert model.n_iter_ == 3
    assert [epoch for epoch, *_ in seen] == [0, 1, 2]
    assert {epochs for _, epochs, _ in seen} == {50}
    assert_array_equal(model.history_["loss"], [loss for *_, loss in seen])


def test_callbacks_change_no_bit_of_the_fit(iris):
    for batch_size in (20, 200):
        model = MLPClassifier(**SMALL, batch_size=batch_size)
        expected = model.fit(*iris).predict_proba(iris[0])
        model.set_params(callbacks=[lambda state: None], verbose=False)
        assert_array_equal(model.fit(*iris).predict_proba(iris[0]), expected)


def test_a_callback_may_change_the_learning_rate(iris):
    def freeze(state):
        if state.epoch == 1:
            state.learning_rate_factor = 0.0

    two = MLPClassifier(**SMALL | {"epochs": 2}).fit(*iris)
    frozen = MLPClassifier(**SMALL | {"epochs": 6}, callbacks=[freeze]).fit(*iris)
    assert_allclose(frozen.predict_proba(iris[0]), two.predict_proba(iris[0]), atol=1e-6)
    assert frozen.n_iter_ == 6


@pytest.mark.parametrize("batch_size", [20, 200])
def test_a_schedule_multiplies_the_learning_rate_of_each_step(batch_size, iris):
    # With factor 0 from epoch 2 on, four epochs are two.
    stopped = MLPClassifier(**SMALL, batch_size=batch_size, learning_rate_schedule=Steps(2, 0.0))
    two = MLPClassifier(**SMALL | {"epochs": 2}, batch_size=batch_size)
    assert_allclose(
        stopped.fit(*iris).predict_proba(iris[0]), two.fit(*iris).predict_proba(iris[0]), atol=1e-6
    )
    # A name falls to 0 over the epochs.
    named = MLPClassifier(**SMALL, batch_size=batch_size, learning_rate_schedule="linear")
    given = MLPClassifier(**SMALL, batch_size=batch_size, learning_rate_schedule=Linear(4))
    assert_array_equal(
        named.fit(*iris).predict_proba(iris[0]), given.fit(*iris).predict_proba(iris[0])
    )


def test_keras_callbacks_run_at_epoch_level(iris, tmp_path):
    log = tmp_path / "log.csv"
    callbacks = [
        keras.callbacks.CSVLogger(log),
        keras.callbacks.EarlyStopping(monitor="loss", patience=0, min_delta=10),
    ]
    model = MLPClassifier(hidden_layer_sizes=(10,), epochs=50, callbacks=callbacks).fit(*iris)
    assert model.n_iter_ == 2  # the second epoch is not better by 10
    table = pd.read_csv(StringIO(log.read_text()))
    assert_allclose(table["loss"], model.history_["loss"])


def test_a_keras_scheduler_sets_the_learning_rate(iris):
    scheduler = keras.callbacks.LearningRateScheduler(lambda epoch: 0.01 if epoch < 2 else 0.0)
    frozen = MLPClassifier(**SMALL, callbacks=[scheduler]).fit(*iris)
    two = MLPClassifier(**SMALL | {"epochs": 2}).fit(*iris)
    assert_allclose(frozen.predict_proba(iris[0]), two.predict_proba(iris[0]), atol=1e-6)


def test_scikit_learns_callbacks_see_each_epochs_model(iris):
    X, y = iris
    monitor = ScoringMonitor(scoring="accuracy")
    model = MLPClassifier(**SMALL | {"epochs": 6}).set_callbacks(monitor).fit(X, y)
    log = monitor.get_logs(select="most_recent").data_as_pandas
    epochs = log[log["task_name"] == "epoch"]
    expected = [MLPClassifier(**SMALL | {"epochs": n}).fit(X, y).score(X, y) for n in range(1, 7)]
    assert_array_equal(epochs["accuracy"], expected)
    assert len(set(expected)) > 2
    assert model.score(X, y) == expected[-1]


@pytest.mark.parametrize(
    ("callback", "instead"),
    [
        (keras.callbacks.ModelCheckpoint("a.keras"), "skdeep.save for the fitted"),
        (keras.callbacks.BackupAndRestore("a"), "skdeep.callbacks.Checkpoint"),
        (keras.callbacks.TerminateOnNaN(), "FitDivergedError"),
        (keras.callbacks.SwapEMAWeights(), "Keras's own training loop"),
        (keras.callbacks.EarlyStopping(restore_best_weights=True), "early_stopping=True"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_keras_callbacks_that_cannot_work_are_refused(callback, instead, iris):
    with pytest.raises(TypeError, match=f"does not work here.*{instead}"):
        MLPClassifier(callbacks=[callback]).fit(*iris)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_ctrl_c_keeps_the_best_so_far_and_warns(early_stopping, iris):
    def interrupt(state):
        if state.epoch == 2:
            raise KeyboardInterrupt

    X, y = iris
    model = MLPClassifier(
        **SMALL | {"epochs": 50}, callbacks=[interrupt], early_stopping=early_stopping
    )
    with pytest.warns(FitInterruptedWarning, match="interrupted after 3 epochs") as caught:
        model.fit(X, y, X_val=X, y_val=y)
    assert caught[0].filename == __file__  # it points to the user's line
    assert model.n_iter_ == 3
    loss = model.history_["val_loss"]
    assert_allclose(log_loss(y, model.predict_proba(X)), loss.min(), rtol=1e-4)


def test_an_error_in_a_callback_leaves_the_estimator_as_it_was(iris):
    def fail(state):
        raise OSError("disk full")

    model = MLPClassifier(**SMALL).fit(*iris)
    before = pickle.dumps(model.set_params(callbacks=[]))
    model.callbacks = [fail]
    with pytest.raises(OSError, match="disk full"):
        model.fit(*iris)
    assert pickle.dumps(model.set_params(callbacks=[])) == before


# Processes ------------------------------------------------------------------------------------


def _fit_in_child(queue):
    try:
        MLPRegressor(epochs=1).fit(np.eye(4), np.arange(4))
    except RuntimeError as error:
        queue.put(str(error))
    else:
        queue.put("no error")


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*fork.*:RuntimeWarning")
def test_a_fit_after_a_fork_says_so_instead_of_hanging():
    MLPRegressor(epochs=1).fit(np.eye(4), np.arange(4))
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_fit_in_child, args=(queue,))
    child.start()
    try:
        assert "forked after TensorFlow had started" in queue.get(timeout=30)
    finally:
        child.kill()
        child.join()


# What early stopping watches ------------------------------------------------------------------


def test_rows_without_weight_are_not_held_out(iris):
    X, y = iris
    weight = np.arange(len(X)) % 2
    model = MLPClassifier(early_stopping=True, **SMALL).fit(X, y, weight)
    alone = MLPClassifier(early_stopping=True, **SMALL).fit(X[weight > 0], y[weight > 0])
    assert_allclose(model.history_["val_loss"], alone.history_["val_loss"], rtol=1e-5)


def test_held_out_rows_of_negative_sum_are_refused(iris):
    X, y = iris[0][:100], iris[1][:100]
    weight = np.where(np.arange(100) % 50 < 40, -1.0, 9.0)
    with pytest.raises(ValueError, match="rows that early_stopping would hold out sum to -"):
        MLPClassifier(early_stopping=True, validation_fraction=0.01, **SMALL).fit(X, y, weight)


def test_a_split_of_fewer_rows_than_classes_is_not_stratified():
    X, y = np.eye(20), np.arange(20) % 10
    assert MLPClassifier(early_stopping=True, **SMALL).fit(X, y).n_iter_ == 4


def test_other_validation_rows_are_a_new_competition(iris):
    X, y = iris
    model = MLPClassifier(early_stopping=True, warm_start=True, **SMALL)
    first = model.fit(X, y, X_val=X, y_val=y).best_epoch_
    assert model.fit(X, y, X_val=X, y_val=(y + 1) % 3).best_epoch_ > first
    whole = clone(model).set_params(epochs=8).fit(X, y, X_val=X, y_val=y)
    parts = clone(model).fit(X, y, X_val=X, y_val=y).fit(X, y, X_val=X, y_val=y)
    assert_array_equal(parts.predict_proba(X), whole.predict_proba(X))


def test_a_scorer_that_finds_no_number_ends_the_fit(iris):
    X, y = iris
    model = MLPClassifier(early_stopping=lambda model, X, y: np.nan, **SMALL)
    with pytest.raises(ValueError, match="validation rows is nan after epoch 0"):
        model.fit(X, y)
    assert not hasattr(model, "n_iter_")


def test_scorers_need_neither_weights_nor_warn_of_names(iris):
    X, y = pd.DataFrame(iris[0], columns=list("abcd")), iris[1]

    def accuracy(model, X, y):
        return np.mean(model.predict(X) == y)

    for scorer in (accuracy, "accuracy"):
        model = MLPClassifier(early_stopping=scorer, **SMALL).fit(X, y, 1 + np.arange(150) % 2)
        assert model.history_["val_score"].between(0, 1).all()


# Going on -------------------------------------------------------------------------------------


def test_named_schedules_are_refused_where_the_last_epoch_is_unknown(iris):
    model = MLPClassifier(learning_rate_schedule="cosine", warm_start=True, **SMALL)
    message = r"leaves nothing to go on with.*Cosine\(epochs=100\)"
    with pytest.raises(ValueError, match=message):
        model.partial_fit(*iris)
    model.fit(*iris)
    with pytest.raises(ValueError, match=message):
        model.fit(*iris)


def test_a_second_ctrl_c_within_two_seconds_is_for_what_runs_the_fits(iris):
    def interrupt(state):
        raise KeyboardInterrupt

    model = MLPClassifier(callbacks=[interrupt], **SMALL)
    with pytest.warns(FitInterruptedWarning, match="Another Ctrl-C"):
        model.fit(*iris)
    with pytest.raises(KeyboardInterrupt):
        model.fit(*iris)


# Keras's ways ---------------------------------------------------------------------------------


def test_objects_with_on_epoch_end_are_callbacks(iris):
    class Counter:
        seen = 0

        def on_epoch_end(self, state):
            self.seen += 1

    counter = Counter()
    MLPClassifier(callbacks=[counter], **SMALL).fit(*iris)
    assert counter.seen == 4


def test_keras_callbacks_are_closed_after_an_error(iris, tmp_path):
    def fail(state):
        raise OSError("disk full")

    logger = keras.callbacks.CSVLogger(str(tmp_path / "log.csv"))
    with pytest.raises(OSError, match="disk full"):
        MLPClassifier(callbacks=[logger, fail], **SMALL).fit(*iris)
    assert logger.csv_file.closed


def test_first_fits_have_no_other_thread_draw_pythons_random_numbers_twice(iris):
    drawn, done = [], threading.Event()

    def draw():
        while not done.wait(1e-4):
            drawn.append(random.random())

    thread = threading.Thread(target=draw)
    thread.start()
    for _ in range(3):
        engine.cache_clear()
        MLPClassifier(**SMALL).fit(*iris)
    done.set()
    thread.join()
    assert len(set(drawn)) == len(drawn) > 100


def test_fits_are_equal_to_the_bit_whatever_pythons_random_numbers_are(iris):
    outputs = []
    for seed in range(2):
        engine.cache_clear()
        random.seed(seed)
        outputs.append(MLPClassifier(dropout=0.2, **SMALL).fit(*iris).predict_proba(iris[0]))
    assert_array_equal(*outputs)


def test_network_of_a_double_precision_fit_is_double(iris):
    with config_context(precision="float64"):
        model = MLPClassifier(**SMALL).fit(*iris)
    assert {w.dtype for w in model.network_.weights} == {"float64"}
    assert_allclose(model.network_(iris[0])["features"], model.transform(iris[0]), rtol=1e-12)
