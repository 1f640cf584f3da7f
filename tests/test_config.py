"""Settings of a block of code."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from skdeep import MLPRegressor, config_context, engine, get_config

DEFAULTS = {"compile": None, "device": None, "precision": "float32"}


def test_settings_hold_inside_their_block_and_nest():
    assert get_config() == DEFAULTS
    with config_context(compile="xla", device="cpu"):
        with config_context(compile="graph", precision="float64"):
            assert get_config() == {"compile": "graph", "device": "cpu", "precision": "float64"}
        assert get_config() == {"compile": "xla", "device": "cpu", "precision": "float32"}
    assert get_config() == DEFAULTS


def test_settings_are_put_back_after_an_error():
    with pytest.raises(ZeroDivisionError), config_context(compile="xla"):
        1 / 0  # noqa: B018
    assert get_config() == DEFAULTS


def test_changing_the_returned_dict_sets_nothing():
    get_config()["compile"] = "xla"
    assert get_config() == DEFAULTS


def test_another_thread_has_its_own():
    with config_context(compile="xla"), ThreadPoolExecutor(1) as pool:
        assert pool.submit(get_config).result() == DEFAULTS


@pytest.mark.parametrize(
    "wrong", [{"compile": "jit"}, {"precision": "float16"}, {"device": 0}], ids=str
)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=f"'{next(iter(wrong))}' parameter of config_context"):
        with config_context(**wrong):
            pass


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3))
    return X, X @ [1, 2, 3]


@pytest.mark.parametrize("mode", ["graph", "xla"])
def test_compile_decides_how_a_fit_is_compiled(data, mode):
    engine.cache_clear()
    with config_context(compile=mode):
        MLPRegressor(hidden_layer_sizes=(2,), epochs=1).fit(*data)
    assert engine.cache_info().kinds[f"train ({mode})"] == 1


def test_precisions_agree_to_their_roundings(data):
    def predictions(precision):
        with config_context(precision=precision):
            model = MLPRegressor(hidden_layer_sizes=(8,), epochs=5, random_state=0).fit(*data)
            dtype = model._fitted.progress.weights["trainable"].dtype
            return model.predict(data[0]), dtype.name

    single, half, double = (predictions(p) for p in ("float32", "mixed_bfloat16", "float64"))
    assert (single[1], half[1], double[1]) == ("float32", "float32", "float64")
    scale = np.std(data[1])
    assert 1e-9 < np.max(np.abs(single[0] - double[0])) / scale < 1e-5
    assert 1e-5 < np.max(np.abs(half[0] - single[0])) / scale < 0.05


def test_device_that_is_not_there_is_an_error(data):
    with config_context(device="gpu:99"), pytest.raises((RuntimeError, ValueError)):
        MLPRegressor(epochs=1).fit(*data)
