"""The display of gradients; the callback that records them is tested in tests/test_callbacks.py."""

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdeep import MLPClassifier
from skdeep.callbacks import GradientNorms
from skdeep.inspection import GradientDisplay


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


def deep(optimizer, learning_rate):
    network = MLPClassifier(
        hidden_layer_sizes=(30,) * 8,
        activation="sigmoid",
        optimizer=optimizer,
        learning_rate=learning_rate,
        epochs=3,
        callbacks=[GradientNorms()],
        random_state=0,
    )
    return make_pipeline(StandardScaler(), network)


def test_both_panels_show_each_layer_on_a_logarithmic_scale(iris):
    model = deep("adam", 1e-3).fit(*iris)
    display = GradientDisplay.from_estimator(model)
    layers = [*(f"hidden_{i}" for i in range(8)), "head"]
    for ax, kind in zip(display.axes_, ("gradient", "update"), strict=True):
        assert ax.get_yscale() == "log"
        assert [line.get_label() for line in ax.lines] == layers
        for line in ax.lines:
            expected = model[-1].history_[f"{kind}/{line.get_label()}"]
            np.testing.assert_array_equal(line.get_ydata(), expected)


def test_gradients_fade_on_the_way_back_and_adam_moves_all_layers_alike(iris):
    spread = {}
    for optimizer, rate in (("sgd", 0.1), ("adam", 1e-3)):
        display = GradientDisplay.from_estimator(deep(optimizer, rate).fit(*iris))
        first = display.gradients.iloc[0]
        # A sigmoid's slope is 1/4 at most, so that each layer passes on a fraction.
        assert first["head"] > 1e4 * first["hidden_0"]
        moved = display.updates.iloc[0]
        spread[optimizer] = moved.max() / moved.min()
    assert spread["sgd"] > 1e3
    assert spread["adam"] < 10


def test_epochs_without_a_record_are_left_out(iris):
    model = MLPClassifier(epochs=2, warm_start=True, random_state=0).fit(*iris)
    model.set_params(callbacks=[GradientNorms()]).fit(*iris)
    display = GradientDisplay.from_estimator(model)
    assert list(display.gradients.index) == list(display.updates.index) == [2, 3]


def test_a_fit_that_recorded_nothing_is_told_how(iris):
    model = MLPClassifier(epochs=1).fit(*iris)
    with pytest.raises(ValueError, match=r"callbacks=\[skdeep\.callbacks\.GradientNorms\(\)\]"):
        GradientDisplay.from_estimator(model)
