"""The training loop, against stochastic gradient descent by hand in numpy."""

import pickle
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import ops

from skdeep import MLPClassifier, MLPRegressor, config_context, engine
from skdeep.engine import Program, Progress, interrupts, random, train
from skdeep.engine.program import Compiled
from skdeep.engine.runtime import tf
from skdeep.exceptions import FitDivergedError, FitInterruptedWarning
from skdeep.optimizers import SGD, Adam, AdamW
from skdeep.schedules import Linear

# A linear model by least squares, whose gradient is written out -------------------------------


def residual(weights, batch):
    return ops.sum(batch.x * weights["w"], axis=1) - batch.y


def step(state, batch, key, hyper):
    weights = state["weights"]
    error = residual(weights, batch)
    gradient = 2 * ops.matmul((batch.weight * error)[None], batch.x)[0] / batch.size
    loss = engine.weighted_mean(ops.square(error), batch)
    return {"weights": {"w": weights["w"] - hyper["learning_rate"] * gradient}}, {"loss": loss}


def noisy_step(state, batch, key, hyper):
    """Adds noise to the weights, so that each step's key matters."""
    new, logs = step(state, batch, key, hyper)
    noise = 0.01 * random.normal(key, (3,))
    return {"weights": {"w": new["weights"]["w"] + noise}}, logs


def squared_errors(weights, batch, hyper):
    return ops.square(residual(weights, batch))


LINEAR = Program("linear", step, evaluate=squared_errors)
NOISY = Program("noisy", noisy_step, evaluate=squared_errors)


def begin(seed=0, w=(0, 0, 0)):
    return Progress({"weights": {"w": np.array(w, np.float32)}}, seed=seed)


@pytest.fixture(scope="module")
def rows():
    """41 rows, targets and weights, two of them negative."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(41, 3)).astype(np.float32)
    y = (X @ [1, -2, 0.5] + 0.1 * rng.normal(size=41)).astype(np.float32)
    weight = rng.uniform(0.5, 2, 41)
    weight[[3, 30]] *= -0.5
    return X, y, weight


def by_hand(X, y, weight, *, epochs, batch_size, rate, schedule=lambda epoch: 1.0, w=(0, 0, 0)):
    """Weights and losses by epoch, in float64, of SGD over the rows in their order."""
    n, w, losses = len(X), np.array(w, float), []
    weight = weight * n / weight.sum()
    steps_per_epoch = -(-n // batch_size)
    for epoch in range(epochs):
        total = 0.0
        for i in range(steps_per_epoch):
            cut = slice(i * batch_size, (i + 1) * batch_size)
            error = X[cut] @ w - y[cut]
            total += np.sum(weight[cut] * error**2)
            gradient = 2 * (weight[cut] * error) @ X[cut] / len(X[cut])
            w = w - rate * schedule(epoch + i / steps_per_epoch) * gradient
        losses.append(total / n)
    return w, losses


@pytest.mark.parametrize("mode", ["graph", "xla"])
@pytest.mark.parametrize("batch_size", [8, 41, 100])
def test_epochs_are_gradient_descent_by_hand(rows, mode, batch_size):
    how = {"epochs": 7, "batch_size": batch_size}
    with config_context(compile=mode):
        fit = train(LINEAR, begin(), *rows, hyper={"learning_rate": 0.05}, shuffle=False, **how)
    w, losses = by_hand(*rows, rate=0.05, **how)
    np.testing.assert_allclose(fit.weights["w"], w, rtol=1e-4)
    np.testing.assert_allclose(fit.history["loss"], losses, rtol=1e-4)
    assert fit.epoch == 7


def test_schedule_multiplies_the_learning_rate_of_each_step(rows):
    how = {"epochs": 4, "batch_size": 10, "schedule": Linear(4)}
    fit = train(LINEAR, begin(), *rows, hyper={"learning_rate": 0.05}, shuffle=False, **how)
    by_formula = how | {"schedule": lambda epoch: 1 - epoch / 4}
    np.testing.assert_allclose(
        fit.weights["w"], by_hand(*rows, rate=0.05, **by_formula)[0], rtol=1e-4
    )


@pytest.mark.parametrize("mode", ["graph", "xla"])
def test_a_schedule_is_for_any_run_time_number(network, rows, mode):
    program = Program(
        ("schedules", network),
        engine.gradient_step(network, lambda out, batch, _: ops.mean(out, axis=-1), SGD()),
    )
    weights = network.initial(np.random.default_rng(1))
    state = {"weights": weights, "optimizer": SGD().initial(weights["trainable"])}
    hyper = {"learning_rate": 0.1, "weight_decay": 0.5, "optimizer": {"momentum": 0.0}}
    how = {"x": rows[0], "batch_size": 10}
    first_only = {"weight_decay": lambda epoch: epoch < 1}
    with config_context(compile=mode):
        both = train(program, Progress(state), epochs=2, hyper=hyper, schedule=first_only, **how)
        fit = train(program, Progress(state), epochs=1, hyper=hyper, **how)
        fit = train(program, fit, epochs=1, hyper=hyper | {"weight_decay": 0.0}, **how)
        always = train(program, Progress(state), epochs=2, hyper=hyper, **how)
    np.testing.assert_array_equal(both.weights["trainable"], fit.weights["trainable"])
    assert not np.allclose(both.weights["trainable"], always.weights["trainable"])


def test_a_schedule_of_no_number_is_refused(rows):
    how = {"epochs": 1, "batch_size": 10, "hyper": {"learning_rate": 0.05}}
    with pytest.raises(ValueError, match=r"schedules of \['rate'\]"):
        train(LINEAR, begin(), *rows, schedule={"rate": Linear(4)}, **how)


@pytest.mark.parametrize("mode", ["graph", "xla"])
@pytest.mark.parametrize("n", [5, 300])
def test_val_loss_is_the_weighted_mean_of_squared_errors(rows, mode, n):
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(n, 3)).astype(np.float32), rng.normal(size=n).astype(np.float32)
    weight = rng.uniform(0, 3, n)
    with config_context(compile=mode):
        fit = train(
            LINEAR,
            begin(),
            *rows,
            epochs=2,
            batch_size=41,
            hyper={"learning_rate": 0.05},
            validation=(X, y, weight),
        )
    w, _ = by_hand(*rows, epochs=2, batch_size=41, rate=0.05)
    expected = np.average((X @ w - y) ** 2, weights=weight)
    assert fit.history["val_loss"][-1] == pytest.approx(expected, rel=1e-4)


def test_one_row_of_weight_two_and_minus_one_is_a_row_of_weight_one(rows):
    X, y, _ = rows
    how = {"epochs": 5, "batch_size": 50, "hyper": {"learning_rate": 0.05}}
    plain = train(LINEAR, begin(), X, y, **how)
    X, y = np.concatenate([X, X[:1]]), np.concatenate([y, y[:1]])
    split = train(LINEAR, begin(), X, y, np.array([2.0, *[1] * 40, -1.0]), **how)
    np.testing.assert_allclose(split.weights["w"], plain.weights["w"], rtol=1e-5)


# Where a call ends decides nothing ------------------------------------------------------------


@pytest.mark.parametrize("mode", ["graph", "xla"])
def test_length_of_a_call_changes_no_bit(rows, mode, monkeypatch):
    def weights_by_calls_of(length):
        ran = []

        def took(self, seconds, steps):
            ran.append(steps)
            self.affordable_steps = length

        monkeypatch.setattr(Compiled, "took", took)
        engine.cache_clear()  # a first call of one step
        with config_context(compile=mode):
            fit = train(
                NOISY,
                begin(seed=5),
                *rows,
                epochs=6,
                batch_size=8,
                hyper={"learning_rate": 0.05},
                schedule=Linear(6),
                validation=rows,
                patience=6,
            )
        assert max(ran) == min(length, 35)
        return fit

    one, four, all_ = (weights_by_calls_of(length) for length in (1, 4, 1000))
    for other in (four, all_):
        np.testing.assert_array_equal(other.state["weights"]["w"], one.state["weights"]["w"])
        np.testing.assert_array_equal(other.best["w"], one.best["w"])
        assert other.history == one.history
        assert other.best_epoch == one.best_epoch


@pytest.mark.parametrize("mode", ["graph", "xla"])
def test_five_epochs_pickled_and_five_more_are_ten(rows, mode):
    how = {"batch_size": 8, "hyper": {"learning_rate": 0.05}, "schedule": Linear(10)}
    with config_context(compile=mode):
        ten = train(NOISY, begin(seed=3), *rows, epochs=10, **how)
        five = train(NOISY, begin(seed=3), *rows, epochs=5, **how)
        again = train(NOISY, pickle.loads(pickle.dumps(five)), *rows, epochs=5, **how)
    np.testing.assert_array_equal(again.weights["w"], ten.weights["w"])
    assert again.history == ten.history
    assert again.epoch == ten.epoch == 10


def test_five_epochs_of_an_estimator_pickled_and_five_more_are_ten():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(70, 4)), rng.integers(3, size=70)
    settings = {
        "hidden_layer_sizes": (8,),
        "batch_size": 25,
        "dropout": 0.3,
        "normalization": "batch",
        "learning_rate_schedule": Linear(10),
        "warm_start": True,
        "random_state": 0,
    }
    ten = MLPClassifier(epochs=10, **settings).fit(X, y)
    five = pickle.loads(pickle.dumps(MLPClassifier(epochs=5, **settings).fit(X, y)))
    np.testing.assert_array_equal(five.fit(X, y).predict_proba(X), ten.predict_proba(X))
    assert five.history_.equals(ten.history_)


@pytest.mark.parametrize("n", [8, 20, 41])
def test_going_on_with_another_number_of_rows_trains_one_epoch(rows, n):
    how = {"epochs": 1, "batch_size": 8}
    first, second = (tuple(part[:size] for part in rows) for size in (17, n))
    settings = how | {"hyper": {"learning_rate": 0.05}, "shuffle": False}
    fit = train(LINEAR, train(LINEAR, begin(), *first, **settings), *second, **settings)
    w, losses = by_hand(*first, rate=0.05, **how)
    w, more = by_hand(*second, rate=0.05, w=w, **how)
    np.testing.assert_allclose(fit.weights["w"], w, rtol=1e-4)
    np.testing.assert_allclose(fit.history["loss"], losses + more, rtol=1e-4)
    assert fit.epoch == 2


def test_going_on_after_early_stopping_predicts_with_the_new_weights(rows):
    how = {"epochs": 3, "batch_size": 8, "hyper": {"learning_rate": 0.05}}
    stopped = train(LINEAR, begin(), *rows, validation=rows, patience=2, **how)
    further = train(LINEAR, stopped, *rows, **how)
    np.testing.assert_array_equal(further.weights["w"], further.state["weights"]["w"])


def test_other_seeds_give_other_weights(rows):
    how = {"epochs": 2, "batch_size": 8, "hyper": {"learning_rate": 0.05}}
    one, other = (train(LINEAR, begin(seed), *rows, **how) for seed in (1, 2**62))
    assert not np.array_equal(one.weights["w"], other.weights["w"])


def test_graph_and_xla_agree_to_rounding(rows):
    def fit(mode):
        with config_context(compile=mode):
            return train(
                NOISY, begin(), *rows, epochs=5, batch_size=8, hyper={"learning_rate": 0.05}
            )

    graph, xla = fit("graph"), fit("xla")
    np.testing.assert_allclose(graph.weights["w"], xla.weights["w"], rtol=1e-4)
    np.testing.assert_allclose(graph.history["loss"], xla.history["loss"], rtol=1e-4)


# Early stopping -------------------------------------------------------------------------------

# From w = 0 towards y = 2: w_t = 2 (1 - 0.8^t), while validation wants 1, so that it is best at
# t = 3 (w = 0.976; t = 4 has 1.18), which is the weight after epoch 2.
TOWARDS_TWO = np.array([[1, 0, 0]], np.float32), np.array([2], np.float32)
WANTS_ONE = np.array([[1, 0, 0]], np.float32), np.array([1], np.float32), None
BEST = 2 * (1 - 0.8**3)


def past_the_best(patience, mode="graph", **how):
    with config_context(compile=mode):
        return train(
            LINEAR,
            begin(),
            *TOWARDS_TWO,
            epochs=30,
            batch_size=1,
            hyper={"learning_rate": 0.1},
            patience=patience,
            **how,
        )


@pytest.mark.parametrize("mode", ["graph", "xla"])
@pytest.mark.parametrize("patience", [1, 4])
def test_early_stopping_waits_for_its_patience_and_keeps_the_best_weights(patience, mode):
    fit = past_the_best(patience, mode, validation=WANTS_ONE)
    assert fit.best_epoch == 2
    assert fit.epoch == 3 + patience
    assert fit.weights["w"][0] == pytest.approx(BEST, rel=1e-5)
    assert fit.best_value == pytest.approx((BEST - 1) ** 2, rel=1e-3)
    assert fit.state["weights"]["w"][0] == pytest.approx(2 * (1 - 0.8**fit.epoch), rel=1e-5)
    expected = [(2 * (1 - 0.8**t) - 1) ** 2 for t in range(1, fit.epoch + 1)]
    np.testing.assert_allclose(fit.history["val_loss"], expected, rtol=1e-3)


def test_early_stopping_on_a_score_is_the_same():
    score = lambda weights: -((np.asarray(weights["w"])[0] - 1) ** 2)  # noqa: E731
    fit = past_the_best(3, score=score)
    assert (fit.best_epoch, fit.epoch) == (2, 6)
    assert fit.weights["w"][0] == pytest.approx(BEST, rel=1e-5)
    assert max(fit.history["val_score"]) == fit.history["val_score"][2] == -fit.best_value


def test_without_patience_nothing_stops_and_the_last_weights_count():
    fit = past_the_best(None, validation=WANTS_ONE)
    assert fit.epoch == 30
    assert fit.best is None
    assert fit.weights["w"][0] == pytest.approx(2 * (1 - 0.8**30), rel=1e-5)


# Gradients ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def network():
    def build():
        inputs = keras.Input((3,))
        hidden = keras.layers.Dense(4, activation="tanh", name="hidden")(inputs)
        return keras.Model(inputs, keras.layers.Dense(2, name="head")(hidden))

    return engine.Network(build)


def forward_loss(vector, network, X, y, weight):
    """Weighted mean of squared errors in numpy, float64."""
    kernel, head, bias, head_bias = network.trainable.split(vector)
    outputs = np.tanh(X @ kernel + bias) @ head + head_bias
    return np.mean(weight * np.mean((outputs - y) ** 2, axis=1))


def one_update(network, optimizer, hyper, weight=None):
    """Weights before and after one full-batch update, and its finite-difference gradient."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(9, 3)).astype(np.float32), rng.normal(size=(9, 2)).astype(np.float32)

    def loss(outputs, batch, hyper):
        return ops.mean(ops.square(outputs - batch.y), axis=-1)

    key = ("one update", network, optimizer.decoupled_decay)
    program = Program(key, engine.gradient_step(network, loss, optimizer))
    weights = network.initial(np.random.default_rng(1))
    before = weights["trainable"].astype(float)
    state = {"weights": weights, "optimizer": optimizer.initial(weights["trainable"])}
    fit = train(program, Progress(state), X, y, weight, epochs=1, batch_size=9, hyper=hyper)
    weight = np.ones(9) if weight is None else 9 * weight / weight.sum()
    gradient = np.array(
        [
            (
                forward_loss(before + move, network, X, y, weight)
                - forward_loss(before - move, network, X, y, weight)
            )
            / 2e-5
            for move in 1e-5 * np.eye(len(before))
        ]
    )
    return before, fit.weights["trainable"], gradient


def decayed_kernels(before, network):
    return np.concatenate(
        [a.ravel() * (a.ndim == 2) for a in network.trainable.split(np.asarray(before))]
    )


def test_gradient_is_that_of_the_weighted_mean_by_finite_differences(network):
    weight = np.array([1, 2, 3, -1, 0, 1, 1, 4, 0.5])
    before, after, gradient = one_update(
        network, SGD(), {"learning_rate": 1.0, "optimizer": {"momentum": 0.0}}, weight
    )
    np.testing.assert_allclose(before - after, gradient, rtol=1e-3, atol=1e-5)


def test_weight_decay_adds_to_the_gradient_of_kernels_alone(network):
    hyper = {"learning_rate": 1.0, "weight_decay": 0.3, "optimizer": {"momentum": 0.0}}
    before, after, gradient = one_update(network, SGD(), hyper)
    expected = gradient + 0.3 * decayed_kernels(before, network)
    np.testing.assert_allclose(before - after, expected, rtol=1e-3, atol=1e-5)


def test_decoupled_decay_shrinks_the_kernels_beside_the_step(network):
    numbers = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}
    hyper = {"learning_rate": 0.1, "weight_decay": 0.3, "optimizer": numbers}
    before, after, gradient = one_update(network, AdamW(), hyper)
    # Adam's first step is all but the gradient's sign.
    sign = gradient / (np.abs(gradient) + 1e-7 / np.sqrt(1 - 0.999))
    expected = before - 0.1 * sign - 0.03 * decayed_kernels(before, network)
    np.testing.assert_allclose(after, expected, atol=1e-5)


def test_variables_have_rates_and_decay_of_their_own():
    def build():
        inputs = keras.Input((3,))
        hidden = keras.layers.Dense(4, activation="tanh")
        model = keras.Model(inputs, keras.layers.Dense(2)(hidden(inputs)))
        hidden.kernel.learning_rate_factor, hidden.kernel.weight_decay_factor = 0.1, 2.0
        hidden.bias.learning_rate_factor, hidden.bias.weight_decay_factor = 6.0, 0.5
        return model

    network = engine.Network(build)
    hyper = {"learning_rate": 1.0, "weight_decay": 0.3, "optimizer": {"momentum": 0.0}}
    before, after, gradient = one_update(network, SGD(), hyper)
    moved = zip(*(map(network.trainable.split, (before, after.astype(float), gradient))))
    factors = {(3, 4): (0.1, 2.0), (4, 2): (1.0, 1.0), (4,): (6.0, 0.5), (2,): (1.0, 0.0)}
    for old, new, slope in moved:
        rate, decay = factors[old.shape]
        expected = old - rate * (slope + 0.3 * decay * old)
        np.testing.assert_allclose(new, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("share", [0.1, 10.0])
def test_clip_norm_shortens_a_longer_gradient_and_leaves_a_shorter_one(network, share):
    _, _, gradient = one_update(
        network, SGD(), {"learning_rate": 1.0, "optimizer": {"momentum": 0}}
    )
    length = np.linalg.norm(gradient)
    hyper = {"learning_rate": 1.0, "clip_norm": share * length, "optimizer": {"momentum": 0.0}}
    before, after, gradient = one_update(network, SGD(), hyper)
    np.testing.assert_allclose(before - after, min(share, 1) * gradient, rtol=1e-3, atol=1e-5)


# What goes wrong ------------------------------------------------------------------------------


def test_divergence_names_the_learning_rate(rows):
    start = begin()
    with pytest.raises(FitDivergedError, match=r"learning_rate=1e\+06; lower the learning rate"):
        train(LINEAR, start, *rows, epochs=50, batch_size=8, hyper={"learning_rate": 1e6})
    np.testing.assert_array_equal(start.state["weights"]["w"], 0)


def test_diverged_estimator_is_as_it_was():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(50, 3)), rng.normal(size=50)
    model = MLPRegressor(epochs=3, hidden_layer_sizes=(4,), random_state=0, optimizer="sgd")
    before = model.fit(X, y).predict(X)
    with pytest.raises(FitDivergedError, match="learning_rate=10000;"):
        model.set_params(learning_rate=1e4, epochs=100, hidden_layer_sizes=()).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), before)
    assert model.n_iter_ == 3


def test_last_update_that_overflows_is_a_divergence_too(rows):
    with pytest.raises(FitDivergedError, match="learning_rate"):
        train(LINEAR, begin(), *rows, epochs=1, batch_size=41, hyper={"learning_rate": 3e38})


def test_interrupt_between_epochs_keeps_the_best_so_far():
    def interrupt(state):
        if state.epoch == 4:
            raise KeyboardInterrupt

    fit = past_the_best(20, validation=WANTS_ONE, callbacks=[interrupt])
    assert fit.interrupted
    assert fit.epoch == 5
    assert len(fit.history["loss"]) == 5
    assert fit.weights["w"][0] == pytest.approx(BEST, rel=1e-5)


class CtrlCWhenDeleted:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)


def test_ctrl_c_in_the_del_of_an_object_is_not_dropped():
    def interrupt(state):
        if state.epoch == 4:
            CtrlCWhenDeleted()

    fit = past_the_best(None, callbacks=[interrupt])
    assert fit.interrupted
    assert fit.epoch == 5
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_second_ctrl_c_does_not_wait():
    lines = []

    def impatient(state):
        signal.raise_signal(signal.SIGINT)
        lines.append("first")
        signal.raise_signal(signal.SIGINT)
        lines.append("second")

    assert past_the_best(None, callbacks=[impatient]).interrupted
    assert lines == ["first"]


def test_after_a_second_ctrl_c_history_and_epoch_agree(rows):
    calls = []

    def score(weights):
        calls.append(1)
        if len(calls) == 3:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        return 0.5

    options = {"batch_size": 8, "hyper": {"learning_rate": 0.1}}
    fit = train(LINEAR, begin(), *rows, epochs=9, **options, score=score)
    assert fit.interrupted
    assert fit.epoch == 3
    assert {len(values) for values in fit.history.values()} == {3}
    assert np.isfinite(fit.history["loss"]).all()
    goes_on = train(LINEAR, fit, *rows, epochs=2, **options, callbacks=[lambda state: None])
    unbroken = train(LINEAR, begin(), *rows, epochs=5, **options)
    assert goes_on.history["loss"] == unbroken.history["loss"]


def test_ctrl_c_before_an_error_of_the_same_call_is_raised():
    def fail(state):
        signal.raise_signal(signal.SIGINT)
        raise ValueError("a callback fails")

    with pytest.raises(KeyboardInterrupt) as told:
        past_the_best(None, callbacks=[fail])
    assert str(told.value.__cause__) == "a callback fails"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_after_the_last_call_is_not_dropped(monkeypatch):
    at_the_end = interrupts.Deferred.raise_pending

    def raise_pending(self):
        at_the_end(self)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(interrupts.Deferred, "raise_pending", raise_pending)
    assert past_the_best(None, callbacks=[lambda state: setattr(state, "stop", True)]).interrupted


def test_handler_that_a_callback_sets_stays():
    heard = []

    def mine(*_):
        heard.append(1)

    def set_and_press(state):
        if state.epoch == 4:
            signal.signal(signal.SIGINT, mine)
            signal.raise_signal(signal.SIGINT)

    try:
        assert past_the_best(None, callbacks=[set_and_press]).epoch == 30
        assert signal.getsignal(signal.SIGINT) is mine
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    assert heard == [1]


def test_handler_of_a_fit_that_is_over_is_python_s():
    kept = []
    past_the_best(None, callbacks=[lambda state: kept.append(signal.getsignal(signal.SIGINT))])
    signal.signal(signal.SIGINT, kept[0])
    try:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        fit = past_the_best(None, callbacks=[lambda state: signal.raise_signal(signal.SIGINT)])
        assert fit.epoch == 1
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def test_ctrl_c_in_a_fit_within_a_callback_ends_both():
    inner = []

    def fit_another(state):
        inner.append(None)
        inner[-1] = past_the_best(None, callbacks=[interrupt] if len(inner) == 3 else [])

    def interrupt(state):
        assert state.epoch == 0
        signal.raise_signal(signal.SIGINT)

    outer = past_the_best(None, callbacks=[fit_another])
    assert outer.interrupted
    assert outer.epoch == 3
    assert [fit and fit.epoch for fit in inner] == [30, 30, None]


def test_handler_of_the_user_keeps_ctrl_c():
    heard = []

    def interrupt(state):
        if state.epoch == 4:
            signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, lambda *_: heard.append(1))
    try:
        assert past_the_best(None, callbacks=[interrupt]).epoch == 30
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == [1]


def test_interrupt_before_the_first_step_is_raised(rows, monkeypatch):
    def interrupt(self, arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(Compiled, "__call__", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(LINEAR, begin(), *rows, epochs=1, batch_size=8, hyper={"learning_rate": 0.1})


def test_ctrl_c_stops_within_two_seconds_and_warns():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), rng.integers(2, size=60)
    model = MLPClassifier(epochs=1, hidden_layer_sizes=(4,), random_state=0).fit(X, y)
    model.set_params(epochs=10**7)
    sent = []

    def ctrl_c():
        sent.append(time.monotonic())
        signal.raise_signal(signal.SIGINT)

    threading.Timer(1.5, ctrl_c).start()
    with pytest.warns(FitInterruptedWarning, match="interrupted after"):
        model.fit(X, y)
    assert time.monotonic() - sent[0] < 2
    assert 0 < model.n_iter_ < 10**7
    assert len(model.history_) == model.n_iter_
    assert model.score(X, y) > 0.5


FORKED = """
import os, sys, numpy as np
from skdeep import MLPRegressor
X, y = np.ones((30, 2)), np.arange(30.0)
model = MLPRegressor(epochs=1).fit(X, y)
if os.fork() == 0:
    for act in (lambda: model.fit(X, y), lambda: model.predict(X)):
        try:
            act()
        except RuntimeError as error:
            print(error, flush=True)
    os._exit(0)
os.wait()
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="fork is of POSIX")
def test_fit_and_predict_after_a_fork_say_so_instead_of_hanging():
    command = [sys.executable, "-W", "ignore", "-c", FORKED]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.count("This process was forked after TensorFlow had started") == 2


@pytest.mark.parametrize(
    ("name", "wrong", "message"),
    [
        ("logs", lambda w: ({"weights": {"w": w}}, {"cost": 0.0}), r"logs are \['loss'\].*'cost'"),
        ("structure", lambda w: ({"weights": w}, {"loss": 0.0}), "structure it got"),
        ("lost part", lambda w: ({"weights": {}}, {"loss": 0.0}), "structure it got"),
        (
            "dtype",
            lambda w: ({"weights": {"w": ops.cast(w, "float64")}}, {"loss": 0.0}),
            r"\(3,\) float32 became \(3,\) float64",
        ),
        ("shape", lambda w: ({"weights": {"w": w[:2]}}, {"loss": 0.0}), r"became \(2,\) float32"),
    ],
)
def test_step_that_breaks_the_contract_is_told_how(rows, name, wrong, message):
    program = Program(name, lambda state, batch, key, hyper: wrong(state["weights"]["w"]))
    with pytest.raises(ValueError, match=message):
        train(program, begin(), *rows, epochs=1, batch_size=41)


# Callbacks ------------------------------------------------------------------------------------


def test_callback_sees_each_epoch_and_may_stop_and_slow_down(rows):
    seen = []

    def watch(state):
        seen.append((state.epoch, state.epochs, state.logs["loss"], state.weights["w"].numpy()))
        state.learning_rate_factor = 0.0 if state.epoch >= 1 else 1.0
        state.stop = state.epoch == 3

    fit = train(
        LINEAR,
        begin(),
        *rows,
        epochs=9,
        batch_size=8,
        hyper={"learning_rate": 0.05},
        callbacks=[watch],
        shuffle=False,
    )
    assert [epoch for epoch, *_ in seen] == [0, 1, 2, 3]
    assert {epochs for _, epochs, *_ in seen} == {9}
    assert [loss for *_, loss, _ in seen] == fit.history["loss"]
    w, _ = by_hand(*rows, epochs=2, batch_size=8, rate=0.05)
    np.testing.assert_allclose(seen[1][-1], w, rtol=1e-4)
    np.testing.assert_array_equal(fit.weights["w"], seen[1][-1])  # a factor of 0 since then


def test_factor_of_the_learning_rate_outlives_the_fit(rows):
    def halve(state):
        state.learning_rate_factor *= 0.5

    how = {"batch_size": 8, "hyper": {"learning_rate": 0.05}, "callbacks": [halve]}
    four = train(LINEAR, begin(), *rows, epochs=4, **how)
    two = train(LINEAR, begin(), *rows, epochs=2, **how)
    again = train(LINEAR, two, *rows, epochs=2, **how)
    np.testing.assert_array_equal(again.weights["w"], four.weights["w"])


def test_callbacks_see_the_learning_rate_of_the_last_step(rows):
    rates = []

    def note(state):
        rates.append(state.learning_rate)
        state.learning_rate_factor = 0.1

    how = {"epochs": 3, "batch_size": 41, "hyper": {"learning_rate": 0.05}, "callbacks": [note]}
    train(LINEAR, begin(), *rows, schedule=lambda epoch: 0.5**epoch, **how)
    np.testing.assert_allclose(rates, [0.05, 0.05 * 0.5 * 0.1, 0.05 * 0.25 * 0.1])


# One program for many fits --------------------------------------------------------------------


def test_fits_side_by_side_in_threads_have_the_bits_of_fits_alone(rows):
    def fit(seed):
        how = {"epochs": 20, "batch_size": 8, "hyper": {"learning_rate": 0.01 * (1 + seed)}}
        return train(NOISY, begin(seed), *rows, validation=rows, patience=5, **how)

    with config_context(compile="graph"):
        alone = [fit(seed) for seed in range(6)]
    engine.cache_clear()  # they also build side by side
    barrier = threading.Barrier(6)

    def together(seed):
        barrier.wait()
        with config_context(compile="graph"):
            return fit(seed)

    with ThreadPoolExecutor(6) as pool:
        beside = list(pool.map(together, range(6)))
    for a, b in zip(alone, beside, strict=True):
        np.testing.assert_array_equal(a.weights["w"], b.weights["w"])
        assert a.history == b.history
    assert engine.cache_info().kinds == {"train (graph)": 1}


def test_run_time_numbers_and_epochs_need_no_new_program():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), rng.integers(2, size=60)
    model = MLPClassifier(
        hidden_layer_sizes=(8,), batch_size=30, dropout=0.1, epochs=2, clip_norm=1.0
    )
    model.fit(X, y).predict(X)
    before = engine.cache_info()
    other = {
        "learning_rate": 0.003,
        "dropout": 0.4,
        "weight_decay": 0.01,
        "label_smoothing": 0.1,
        "clip_norm": 0.5,
        "epochs": 5,
        "hidden_layer_sizes": (11,),
        "random_state": 1,
        "learning_rate_schedule": "cosine",
    }
    for name, value in other.items():
        model.set_params(**{name: value}).fit(X[:50], y[:50]).predict(X[:10])
    added = set(engine.cache_info().kinds.items()) - set(before.kinds.items())
    # Another width asks for its network's true shapes, but for no program.
    assert dict(added).keys() <= {"shapes"}


def test_zero_and_nonzero_dropout_are_two_programs():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), rng.integers(2, size=60)
    model = MLPClassifier(hidden_layer_sizes=(8,), epochs=1, dropout=0.2).fit(X, y)
    misses = engine.cache_info().misses
    model.set_params(dropout=0.0).fit(X, y)
    assert engine.cache_info().misses > misses


def test_bits_do_not_depend_on_what_ran_before(rows):
    how = {"epochs": 3, "batch_size": 8, "hyper": {"learning_rate": 0.05}}
    warm = train(NOISY, begin(7), *rows, **how)
    engine.cache_clear()
    train(LINEAR, begin(1), rows[0][:9], rows[1][:9], epochs=1, batch_size=4, hyper=how["hyper"])
    np.testing.assert_array_equal(
        train(NOISY, begin(7), *rows, **how).weights["w"], warm.weights["w"]
    )


def test_progress_is_plain_data(rows):
    fit = train(LINEAR, begin(), *rows, epochs=1, batch_size=8, hyper={"learning_rate": 0.05})
    parts = tf.nest.flatten(fit.state)
    assert all(type(part) is np.ndarray for part in parts)
    assert replace(pickle.loads(pickle.dumps(fit)), state=None) == replace(fit, state=None)


def test_double_precision_reaches_the_optimum_to_double_precision():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 3))
    y = X @ [1.0, -2.0, 0.5] + 0.1 * rng.normal(size=50)
    with config_context(precision="float64"):
        model = MLPRegressor(
            hidden_layer_sizes=(),
            epochs=3000,
            learning_rate=0.1,
            optimizer=SGD(momentum=0.9),
            random_state=0,
        ).fit(X, y)
        found = model.predict(X)
    design = np.column_stack([X, np.ones(50)])
    expected = design @ np.linalg.lstsq(design, y)[0]
    np.testing.assert_allclose(found, expected, atol=1e-10)


def test_dropout_runs_in_double_precision():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(50, 3)), rng.integers(2, size=50)
    model = MLPClassifier(hidden_layer_sizes=(4,), epochs=2, dropout=0.2, random_state=0)
    with config_context(precision="float64"):
        double = model.fit(X, y).history_["loss"]
    np.testing.assert_allclose(double, model.fit(X, y).history_["loss"], rtol=1e-3)


def test_adam_starts_its_bias_correction_at_one(rows):
    """The first step of Adam has the length of the learning rate, whatever the gradient."""
    optimizer = Adam()

    def adam_step(state, batch, key, hyper):
        w = state["weights"]["w"]
        gradient = ops.matmul(residual({"w": w}, batch)[None], batch.x)[0]
        w, slots = engine.descend(optimizer, w, gradient, state["optimizer"], hyper)
        return {"weights": {"w": w}, "optimizer": slots}, {"loss": 0.0}

    start = begin()
    start = replace(start, state=start.state | {"optimizer": optimizer.initial(np.zeros(3, "f4"))})
    numbers = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}
    hyper = {"learning_rate": 0.25, "optimizer": numbers}
    fit = train(Program("adam", adam_step), start, *rows, epochs=1, batch_size=50, hyper=hyper)
    np.testing.assert_allclose(np.abs(fit.weights["w"]), 0.25, rtol=1e-4)
    assert fit.state["optimizer"]["t"] == 1


def test_score_of_a_warm_start_is_that_of_its_own_weights():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 3))
    y = (X[:, 0] * X[:, 1] > 0).astype(int)
    settings = {
        "hidden_layer_sizes": (8,),
        "batch_size": 20,
        "early_stopping": "neg_log_loss",
        "warm_start": True,
        "random_state": 0,
    }
    six = MLPClassifier(epochs=6, **settings).fit(X, y, X_val=X, y_val=y)
    three = MLPClassifier(epochs=3, **settings).fit(X, y, X_val=X, y_val=y)
    three.fit(X, y, X_val=X, y_val=y)
    assert three.history_.equals(six.history_)
    assert six.history_["val_score"].max() == six.history_["val_score"].iloc[-1]
