"""How TensorFlow is loaded: each case in a process of its own."""

import os
import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    platform.machine().lower() not in ("x86_64", "amd64"), reason="the switch is for x86"
)

CONVOLVE = """
import os
{first}
import skdeep.engine
from skdeep.engine.runtime import tf
rows = tf.reshape(tf.sin(tf.range(8 * 14 * 14 * 6, dtype=tf.float32)), (8, 14, 14, 6))
kernel = tf.reshape(tf.cos(tf.range(5 * 5 * 6 * 16, dtype=tf.float32)), (5, 5, 6, 16))
print(os.environ.get("TF_ENABLE_ONEDNN_OPTS"))
print(tf.nn.conv2d(rows, kernel, 1, "SAME").numpy().tobytes().hex())
"""


def convolve(first="", **environment):
    """What a fresh process says of the switch, and the bits of a convolution in it."""
    inherited = {k: v for k, v in os.environ.items() if k != "TF_ENABLE_ONEDNN_OPTS"}
    done = subprocess.run(
        [sys.executable, "-c", CONVOLVE.format(first=first)],
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


@pytest.fixture(scope="module")
def plain():
    return convolve()


def test_onednn_is_on_and_the_environment_as_it_was(plain):
    switch, bits = plain
    assert switch == "None"
    assert bits == convolve(TF_ENABLE_ONEDNN_OPTS="1")[1]


@pytest.fixture(scope="module")
def off():
    return convolve(TF_ENABLE_ONEDNN_OPTS="0")


@pytest.fixture(scope="module")
def loaded():
    return convolve(
        first="os.environ['TF_ENABLE_ONEDNN_OPTS'] = '0'; import tensorflow; "
        "del os.environ['TF_ENABLE_ONEDNN_OPTS']"
    )


def test_a_switch_that_the_user_set_is_left_alone(plain, off, loaded):
    assert off[0] == "0"
    if loaded[1] == plain[1]:
        pytest.skip("this processor computes the same with and without oneDNN")
    assert off[1] != plain[1]


def test_a_tensorflow_that_is_loaded_is_left_alone(off, loaded):
    assert loaded == ["None", off[1]]


def test_a_tensorflow_that_was_loaded_without_onednn_is_told_of():
    code = (
        "import os, warnings; os.environ['TF_ENABLE_ONEDNN_OPTS'] = '0'; import tensorflow;"
        "del os.environ['TF_ENABLE_ONEDNN_OPTS']; warnings.simplefilter('error');"
        "import skdeep.engine"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "RuntimeWarning: TensorFlow was loaded before skdeep.engine" in done.stderr


def test_to_import_the_engine_before_keras_is_enough_where_skdeep_alone_is_not(plain):
    """As the warning says. ``import skdeep`` must not load TensorFlow, nor set its switches."""
    alone = (
        "import os, sys; before = dict(os.environ); import skdeep;"
        "assert before == os.environ and 'tensorflow' not in sys.modules"
    )
    engine = "import warnings; warnings.simplefilter('error'); import skdeep.engine; import keras"
    assert convolve(first=f"{alone}; {engine}") == plain


def test_a_fit_in_double_precision_says_nothing_on_the_error_stream():
    code = (
        "import numpy as np, skdeep;"
        "X, y = np.eye(40), np.arange(40) % 2;"
        "model = skdeep.MLPClassifier(epochs=1, batch_size=10, random_state=0);"
        "context = skdeep.config_context(precision='float64'); context.__enter__();"
        "model.fit(X, y).predict(X)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
