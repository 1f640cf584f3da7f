"""Programs: how they are compiled, called and asked for predictions."""

import gc

import numpy as np
import pytest
from keras import ops

from skdeep import config_context, engine
from skdeep.engine import Program, compile_mode, predict
from skdeep.engine.program import Compiled, on_gpu, pack, unpack
from skdeep.engine.runtime import tf


def outputs(weights, x, hyper):
    """Two outputs that differ in shape; the product's rounding depends on a tile's size."""
    product = ops.matmul(x, weights["w"])
    return {"scaled": product * hyper["scale"], "sum": ops.sum(product, axis=1)}


PROGRAM = Program("program", step=None, predict=outputs)
CONVOLUTION = Program("convolution", step=None, xla_on_cpu=False)


# The compile mode -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "steps", "sparse", "expected"),
    [
        (PROGRAM, 1, False, "graph"),
        (PROGRAM, 3, False, "graph"),
        (PROGRAM, 4, False, "xla"),
        (PROGRAM, 10**6, False, "xla"),
        (PROGRAM, 10**6, True, "graph"),
        (CONVOLUTION, 10**6, False, "graph"),
    ],
)
def test_cpu_takes_xla_for_dense_networks_with_steps_enough(program, steps, sparse, expected):
    with config_context(device="cpu"):
        assert compile_mode(program, steps, sparse) == expected


@pytest.mark.parametrize("mode", ["graph", "xla"])
def test_settings_override_the_rule_but_not_for_sparse_rows(mode):
    with config_context(compile=mode):
        assert {compile_mode(p, s) for p in (PROGRAM, CONVOLUTION) for s in (1, 99)} == {mode}
        assert compile_mode(PROGRAM, 99, sparse=True) == "graph"


def test_gpu_is_told_by_the_settings_or_by_the_machine():
    for device in ("cpu", "/CPU:0"):
        with config_context(device=device):
            assert not on_gpu()
    with config_context(device="gpu:0"):
        assert on_gpu()
        assert compile_mode(CONVOLUTION, 1) == "xla"
    assert on_gpu() == bool(tf.config.list_physical_devices("GPU"))


# Memory ---------------------------------------------------------------------------------------


def n_graphs():
    gc.collect()
    return sum(isinstance(thing, tf.Graph) for thing in gc.get_objects())


def test_compiled_programs_keep_no_graph_of_python():
    def doubling(n):
        return lambda x: tf.while_loop(lambda i, _: i < n, lambda i, x: (i + 1, 2 * x), (0, x))

    before = n_graphs()
    kept = [Compiled(doubling(n), [tf.TensorSpec(2)], "graph") for n in range(5)]
    assert [float(program((tf.ones(2),))[1][0]) for program in kept] == [1, 2, 4, 8, 16]
    assert n_graphs() - before < len(kept)  # one may be the default graph


# Calls ----------------------------------------------------------------------------------------


def test_calls_grow_to_most_of_a_second_by_factors_of_sixteen():
    compiled = Compiled(lambda x: x, [tf.TensorSpec((), tf.float32)], "graph")
    assert compiled.affordable_steps == 1
    allowed = []
    for _ in range(4):
        compiled.took(compiled.affordable_steps * 1e-3, compiled.affordable_steps)
        allowed.append(compiled.affordable_steps)
    assert allowed == [16, 256, 800, 800]  # 0.8 seconds of 1 ms steps
    compiled.took(5.0, 1)
    assert compiled.affordable_steps == 1


def test_numbers_travel_as_one_vector():
    hyper = {"b": 2, "a": 0.5, "optimizer": {"z": 3.0, "y": 1e-7}, "sizes": (10, 20)}
    again = unpack(hyper, pack(hyper, np.float64))
    assert {k: again[k] for k in "ab"} == {"a": 0.5, "b": 2}
    assert again["optimizer"] == {"z": 3.0, "y": 1e-7}
    assert tuple(float(n) for n in again["sizes"]) == (10, 20)
    assert unpack({}, pack({}, np.float32)) == {}


def test_numbers_in_another_order_are_the_same_program():
    x, weights = np.ones((3, 4), np.float32), {"w": np.ones((4, 2), np.float32)}
    predict(PROGRAM, weights, x, {"scale": 1.0, "unused": 0.0})
    misses = engine.cache_info().misses
    predict(PROGRAM, weights, x, {"unused": 0.0, "scale": 1.0})
    assert engine.cache_info().misses == misses


# Predict --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def case():
    rng = np.random.default_rng(0)
    return {"w": rng.normal(size=(50, 3)).astype("f4")}, rng.normal(size=(200, 50)).astype("f4")


def test_predict_is_the_function_of_all_rows(case):
    weights, x = case
    found = predict(PROGRAM, weights, x, {"scale": 2.0})
    assert set(found) == {"scaled", "sum"}
    np.testing.assert_allclose(found["scaled"], 2 * x @ weights["w"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found["sum"], (x @ weights["w"]).sum(axis=1), rtol=1e-3, atol=1e-4)
    assert all(type(part) is np.ndarray for part in found.values())


@pytest.mark.parametrize("n", [1, 2, 63, 64, 65, 128, 199])
def test_outputs_of_a_row_do_not_depend_on_the_rows_beside_it(case, n):
    weights, x = case
    everything = predict(PROGRAM, weights, x, {"scale": 2.0})
    chosen = np.random.default_rng(n).permutation(200)[:n]
    found = predict(PROGRAM, weights, x[chosen], {"scale": 2.0})
    for name in found:
        np.testing.assert_array_equal(found[name], everything[name][chosen])


def test_other_rows_and_numbers_need_no_new_program(case):
    weights, x = case
    predict(PROGRAM, weights, x, {"scale": 2.0})
    before = engine.cache_info()
    found = predict(PROGRAM, weights, x[:7], {"scale": -1.0})
    assert engine.cache_info().misses == before.misses
    np.testing.assert_allclose(found["scaled"], -x[:7] @ weights["w"], rtol=1e-4, atol=1e-5)


def test_rows_may_be_a_nest():
    program = Program("nest", None, predict=lambda weights, x, hyper: x["a"] * x["b"][0])
    a, b = np.arange(70.0), np.arange(70.0, 0, -1)
    np.testing.assert_array_equal(predict(program, {"w": np.zeros(1)}, {"a": a, "b": (b,)}), a * b)


def test_programs_are_told_apart_by_their_keys(case):
    weights, x = case
    double = Program("double", None, predict=lambda weights, x, hyper: 2.0 * x)
    triple = Program("triple", None, predict=lambda weights, x, hyper: 3.0 * x)
    np.testing.assert_array_equal(predict(double, weights, x[:3]), 2 * x[:3])
    np.testing.assert_array_equal(predict(triple, weights, x[:3]), 3 * x[:3])
