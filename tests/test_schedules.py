"""Schedules by their formulas."""

import keras
import numpy as np
import pytest

from skdeep import MLPRegressor
from skdeep.schedules import NAMES, Cosine, FlatCosine, Linear, LogCosine, Steps, resolve

EPOCHS = np.linspace(0, 12, 49)


def test_linear_falls_to_zero_and_stays():
    np.testing.assert_allclose(Linear(10)(EPOCHS), np.maximum(0, 1 - EPOCHS / 10), atol=1e-12)


def test_cosine_is_that_of_keras():
    theirs = keras.optimizers.schedules.CosineDecay(1.0, decay_steps=10)
    expected = [float(theirs(epoch)) for epoch in EPOCHS]
    np.testing.assert_allclose(Cosine(10)(EPOCHS), expected, atol=1e-6)


def test_warm_up_rises_before_the_cosine_falls():
    theirs = keras.optimizers.schedules.CosineDecay(
        0.0, decay_steps=8, warmup_target=1.0, warmup_steps=2
    )
    expected = [float(theirs(epoch)) for epoch in EPOCHS]
    np.testing.assert_allclose(Cosine(10, warmup=2)(EPOCHS), expected, atol=1e-6)


def test_warm_up_rises_before_the_line_falls():
    found = Linear(10, warmup=4)(np.array([0.0, 1, 2, 4, 7, 10, 11]))
    np.testing.assert_allclose(found, [0, 0.25, 0.5, 1, 0.5, 0, 0])


def test_steps_are_those_of_keras():
    theirs = keras.optimizers.schedules.ExponentialDecay(1.0, 3, 0.5, staircase=True)
    expected = [float(theirs(epoch)) for epoch in EPOCHS]
    np.testing.assert_allclose(Steps(every=3, factor=0.5)(EPOCHS), expected, rtol=1e-6)


def test_the_flat_cosine_is_a_cosine_that_begins_halfway():
    expected = np.where(EPOCHS < 5, 1.0, Cosine(5)(EPOCHS - 5))
    np.testing.assert_allclose(FlatCosine(10)(EPOCHS), expected, atol=1e-12)


@pytest.mark.parametrize("cycles", [1, 4])
def test_waves_over_log_time_end_at_shares_that_double(cycles):
    schedule = LogCosine(epochs=45, cycles=cycles)
    ends = 45 * (2.0 ** np.arange(cycles + 1) - 1) / (2**cycles - 1)  # 0, 3, 9, 21, 45 of four
    np.testing.assert_allclose(schedule(ends), 0, atol=1e-12)
    tops = 45 * (2.0 ** (np.arange(cycles) + 0.5) - 1) / (2**cycles - 1)
    np.testing.assert_allclose(schedule(tops), 1)
    between = schedule(np.linspace(0, 45, 2001))
    falls = np.diff(np.sign(np.diff(between)))
    assert np.count_nonzero(falls == -2) == cycles  # no other tops
    assert schedule(np.array([50.0])) == pytest.approx(0, abs=1e-12)


def test_names_end_with_the_last_epoch_and_functions_are_their_own():
    assert {name: resolve(name, 30) for name in NAMES} == {
        "coslog4": LogCosine(30, cycles=4),
        "flat_cos": FlatCosine(30),
        "cosine": Cosine(30),
        "linear": Linear(30),
    }
    assert resolve(np.exp, 30) is np.exp
    assert resolve(None, 30) is None


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 3))
    return X, X @ [1, 2, 3]


@pytest.mark.parametrize(
    ("name", "schedule"),
    [("cosine", Cosine(4)), ("linear", Linear(4)), ("linear", lambda epoch: 1 - epoch / 4)],
)
def test_estimators_take_names_and_functions(data, name, schedule):
    how = {"hidden_layer_sizes": (), "epochs": 4, "batch_size": 10, "random_state": 0}
    by_name = MLPRegressor(learning_rate_schedule=name, **how).fit(*data)
    by_object = MLPRegressor(learning_rate_schedule=schedule, **how).fit(*data)
    constant = MLPRegressor(**how).fit(*data)
    np.testing.assert_array_equal(by_name.predict(data[0]), by_object.predict(data[0]))
    assert not np.allclose(by_name.predict(data[0]), constant.predict(data[0]))


def test_unknown_name_is_refused(data):
    with pytest.raises(ValueError, match="'learning_rate_schedule' parameter of MLPRegressor"):
        MLPRegressor(learning_rate_schedule="step").fit(*data)


@pytest.mark.parametrize("wrong", [-1.0, np.nan])
def test_schedules_that_give_no_factors_are_refused(wrong):
    model = MLPRegressor(learning_rate_schedule=lambda epoch: wrong + 0 * epoch, epochs=1)
    with pytest.raises(ValueError, match=f"of learning_rate gives {wrong:g}, which is no factor"):
        model.fit(np.eye(4), [0, 1, 0, 1])
