"""Filters, activations, and what excites a unit."""

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
import scipy.sparse as sp
from scipy.signal import correlate2d
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from skdeep import (
    CNNClassifier,
    MLPClassifier,
    MLPRegressor,
    NetworkClassifier,
    NetworkTransformer,
    RNNClassifier,
)
from skdeep.inspection import FilterDisplay

DIGITS = load_digits()
X, Y = DIGITS.data[:300], DIGITS.target[:300]


def lenet_like(**settings):
    return CNNClassifier(architecture=(6, 4), epochs=2, random_state=0, **settings)


@pytest.fixture(scope="module")
def cnn():
    return lenet_like().fit(X / 16, Y)


@pytest.fixture(scope="module")
def mlp():
    model = MLPClassifier(hidden_layer_sizes=(5,), activation="tanh", epochs=2, random_state=0)
    return make_pipeline(MinMaxScaler(), model).fit(X, Y)


def shown(display):
    """What the grid's pictures show, in order."""
    return [ax.images[0].get_array() for ax in display.axes_.flat if ax.images]


# Filters --------------------------------------------------------------------------------------


def test_filters_of_a_cnn_are_its_first_kernels(cnn):
    display = FilterDisplay.from_estimator(cnn)
    kernel = cnn.network_.get_layer("conv_0").kernel.numpy()
    assert len(shown(display)) == 6
    for i, picture in enumerate(shown(display)):
        np.testing.assert_array_equal(picture, kernel[:, :, 0, i])


def test_filters_of_colour_images_are_in_colour_on_one_scale():
    images = np.random.default_rng(0).random((30, 6, 6, 3))
    model = lenet_like().fit(images, Y[:30])
    kernel = model.network_.get_layer("conv_0").kernel.numpy()
    expected = (kernel - kernel.min()) / (kernel.max() - kernel.min())
    for i, picture in enumerate(shown(FilterDisplay.from_estimator(model))):
        np.testing.assert_allclose(picture, expected[..., i], atol=1e-6)


def test_filters_of_an_mlp_are_columns_as_images(mlp):
    kernel = mlp[-1].network_.get_layer("hidden_0").kernel.numpy()
    for i, picture in enumerate(shown(FilterDisplay.from_estimator(mlp))):
        np.testing.assert_array_equal(picture, kernel[:, i].reshape(8, 8))
    pictures = shown(FilterDisplay.from_estimator(mlp, units=[4, 1], image_shape=(4, 16)))
    np.testing.assert_array_equal(pictures, kernel.T[[4, 1]].reshape(2, 4, 16))
    with pytest.raises(ValueError, match=r"image_shape is \(3, 3\), but a row has 64 values"):
        FilterDisplay.from_estimator(mlp, image_shape=(3, 3))


def test_a_grid_is_drawn_in_the_place_of_an_axes(cnn):
    figure, (_, ax) = plt.subplots(1, 2)
    display = FilterDisplay.from_estimator(cnn, units=4, ax=ax)
    assert display.figure_ is figure
    assert all(cell.get_position().x0 > 0.5 for cell in display.axes_.flat)


def test_zero_is_the_middle_of_the_colours(cnn):
    for ax in FilterDisplay.from_estimator(cnn).axes_.flat:
        for picture in ax.images:
            assert picture.norm.vmin == -picture.norm.vmax < 0


def test_wide_sparse_rows_and_sequences_have_no_filters():
    wide = sp.random(20, 5000, density=0.01, format="csr", random_state=0)
    model = MLPClassifier(epochs=1).fit(wide, Y[:20])
    with pytest.raises(ValueError, match="wide and sparse"):
        FilterDisplay.from_estimator(model)
    with pytest.raises(ValueError, match="rows are sequences"):
        FilterDisplay.from_estimator(RNNClassifier(epochs=1).fit(X[:20], Y[:20]))


def test_filters_of_series_have_a_line_for_each_feature():
    series = np.random.default_rng(0).normal(size=(20, 16, 3))
    model = CNNClassifier(architecture="fcn", epochs=1).fit(series, Y[:20])
    kernel = model.network_.get_layer("conv_0").kernel.numpy()  # (n_steps, n_features, n_units)
    display = FilterDisplay.from_estimator(model, units=2)
    for i, picture in enumerate(shown(display)):
        np.testing.assert_array_equal(picture, kernel[:, :, i].T)


# Activations ----------------------------------------------------------------------------------


def test_activations_of_a_convolution_are_those_by_scipy(cnn):
    display = FilterDisplay.from_activations(cnn, X[:2] / 16, "conv_0", units=[5, 2])
    kernel = cnn.network_.get_layer("conv_0").kernel.numpy()
    assert display.images.shape == (2, 2, 8, 8)
    for i, image in enumerate(X[:2].reshape(2, 8, 8) / 16):
        for j, unit in enumerate([5, 2]):
            expected = correlate2d(image, kernel[:, :, 0, unit], mode="same")
            np.testing.assert_allclose(display.images[i, j], expected, atol=1e-5)


def test_activations_of_a_dense_layer_are_one_picture(mlp):
    display = FilterDisplay.from_activations(mlp, X[:7], "activation_0")
    (picture,) = shown(display)
    np.testing.assert_allclose(picture, mlp[-1].transform(mlp[:-1].transform(X[:7])), atol=1e-6)


def test_whole_numbers_are_scaled_as_in_the_network():
    images = (X * 15).astype(np.uint8)
    model = lenet_like().fit(images, Y)
    display = FilterDisplay.from_activations(model, images[:1], "rows")
    np.testing.assert_allclose(display.images[0, 0], images[0].reshape(8, 8) / 255, atol=1e-6)
    logits = FilterDisplay.from_activations(model, images[:5], "head").images[0, 0]
    np.testing.assert_allclose(logits, model.decision_function(images[:5]), rtol=1e-4, atol=1e-4)


def test_an_unknown_layer_is_told_the_known_ones(cnn):
    with pytest.raises(ValueError, match=r"layer 'conv' is not there.* conv_0, pool_0"):
        FilterDisplay.from_activations(cnn, X[:2], "conv")


# What excites a unit --------------------------------------------------------------------------


def test_what_excites_a_linear_unit_is_its_own_weights():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, 9))
    model = MLPRegressor(hidden_layer_sizes=(), epochs=50, random_state=0)
    model.fit(rows, rows @ rng.normal(size=(9, 2)))
    display = FilterDisplay.from_excitation(model, rows, n_rows=1)
    kernel, bias = (w.numpy() for w in model.network_.get_layer("head").weights)
    radius = np.linalg.norm(rows, axis=1).mean()
    for i, (picture, _) in enumerate(display.images):
        optimum = radius * kernel[:, i] / np.linalg.norm(kernel[:, i])
        np.testing.assert_allclose(picture.ravel(), optimum, atol=1e-3 * radius)
        most = radius * np.linalg.norm(kernel[:, i]) + bias[i]
        assert display.values[i, 0] == pytest.approx(most, rel=1e-5)


def test_the_climb_ends_on_the_ridge_between_two_slopes():
    rows = np.random.default_rng(0).normal(size=(300, 2))
    model = MLPRegressor(hidden_layer_sizes=(20,), epochs=60, random_state=0)
    model.fit(rows, -np.abs(rows[:, 0]))
    few = rows[:8]  # none of them near the ridge
    display = FilterDisplay.from_excitation(model, few, n_rows=1)
    angles = np.linspace(0, 2 * np.pi, 10_000)
    circle = np.column_stack([np.cos(angles), np.sin(angles)])
    circle *= np.linalg.norm(few, axis=1).mean()
    outputs = FilterDisplay.from_activations(model, circle, "head").images
    start, reached = display.images[0, 1].ravel(), display.images[0, 0].ravel()
    half = circle @ start > 0  # where the climb begins
    best = outputs.ravel()[half].max()
    assert display.values[0, 0] == pytest.approx(best, abs=5e-3)
    assert abs(reached[0]) < 0.1 * abs(reached[1])


def test_rows_beside_it_are_those_that_excite_the_unit_most(cnn):
    display = FilterDisplay.from_excitation(cnn, X / 16, units=[7, 3], n_rows=2)
    logits = cnn.decision_function(X / 16)
    for i, digit in enumerate([7, 3]):
        order = np.argsort(-logits[:, digit])[:2]
        np.testing.assert_allclose(display.values[i, 1:], logits[order, digit], rtol=1e-4)
        expected = (X[order] / 16).reshape(2, 8, 8)
        np.testing.assert_allclose(display.images[i, 1:], expected, atol=1e-6)
    assert [display.titles[i].partition(":")[0] for i in (0, 3)] == ["7", "3"]


@pytest.mark.parametrize("layer", [None, "conv_1", "dense"])
def test_a_synthetic_input_excites_more_than_any_row_of_its_length(cnn, layer):
    radius = np.linalg.norm(X / 16, axis=1).mean()
    rows = X / np.linalg.norm(X, axis=1, keepdims=True) * radius
    display = FilterDisplay.from_excitation(cnn, rows, layer, units=4, n_rows=1)
    for pictures, values in zip(display.images, display.values, strict=True):
        assert np.linalg.norm(pictures[0]) == pytest.approx(radius, rel=1e-5)
        assert values[0] > 1.2 * values[1] > 0


def test_the_one_output_of_two_classes_is_called_by_the_second():
    model = MLPClassifier(epochs=1, random_state=0).fit(X, np.array(["no", "yes"])[Y % 2])
    display = FilterDisplay.from_excitation(model, X, n_rows=1)
    assert len(display.values) == 1
    assert display.titles[0].startswith("yes: ")


def test_units_that_are_not_there_are_refused(cnn):
    with pytest.raises(ValueError, match=r"units must lie in \[0, 9\], but are \[10\]"):
        FilterDisplay.from_excitation(cnn, X / 16, units=[10])


# Models of the user's own ---------------------------------------------------------------------

# Keras's own saving, which copies models, converts variables in a way that NumPy deprecates.
copies_by_keras = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")
IMAGES = (X * 15).astype(np.uint8).reshape(-1, 8, 8, 1)


def own_cnn(input_shape=(8, 8, 1), n_outputs=10):
    return keras.Sequential(
        [
            keras.Input(input_shape),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(3, 3, activation="relu", name="conv"),
            keras.layers.Flatten(),
            keras.layers.Dense(n_outputs, name="logits"),
        ]
    )


@pytest.fixture(scope="module", params=["function", "model"])
def own(request):
    model = own_cnn if request.param == "function" else own_cnn()
    return NetworkClassifier(model=model, epochs=1, random_state=0).fit(IMAGES, Y)


@copies_by_keras
def test_filters_of_an_own_model_are_its_first_kernels(own):
    kernel = own.network_.get_layer("conv").kernel.numpy()
    for i, picture in enumerate(shown(FilterDisplay.from_estimator(own))):
        np.testing.assert_array_equal(picture, kernel[:, :, 0, i])


@copies_by_keras
def test_an_own_model_gets_whole_numbers_as_they_are(own):
    logits = FilterDisplay.from_activations(own, IMAGES[:5], "logits").images[0, 0]
    np.testing.assert_allclose(logits, own.decision_function(IMAGES[:5]), rtol=1e-4, atol=1e-4)
    display = FilterDisplay.from_excitation(own, IMAGES, units=[7], n_rows=1)
    sevens = own.decision_function(IMAGES)[:, 7]
    assert display.values[0, 1] == pytest.approx(sevens.max(), rel=1e-4)
    np.testing.assert_array_equal(display.images[0, 1], IMAGES[sevens.argmax(), :, :, 0])


@copies_by_keras
def test_a_display_changes_no_model():
    model = own_cnn()
    own = NetworkClassifier(model=model, epochs=1, random_state=0).fit(IMAGES, Y)
    shared = own._fitted.task.model.graph(own._fitted.task).model
    before = [*model.get_weights(), *shared.get_weights(), own.predict_proba(IMAGES)]
    FilterDisplay.from_estimator(own)
    FilterDisplay.from_activations(own, IMAGES[:2], "conv")
    FilterDisplay.from_excitation(own, IMAGES, units=1)
    after = [*model.get_weights(), *shared.get_weights(), own.predict_proba(IMAGES)]
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)


def embedded(input_shape, n_outputs):
    return keras.Sequential(
        [
            keras.Input(input_shape, dtype="int32"),
            keras.layers.Embedding(20, 2, name="vectors"),
            keras.layers.Flatten(),
            keras.layers.Dense(n_outputs),
        ]
    )


def test_a_model_of_integers_has_activations_but_nothing_to_climb():
    tokens = X[:40].astype(int)
    own = NetworkClassifier(model=embedded, epochs=1, random_state=0).fit(tokens, Y[:40])
    display = FilterDisplay.from_activations(own, tokens[:3], "vectors")
    vectors = own.network_.get_layer("vectors").get_weights()[0]
    np.testing.assert_array_equal(display.images[0, 0], vectors[tokens[:3]].reshape(3, -1))
    with pytest.raises(ValueError, match="the model takes int32, by which there is no gradient"):
        FilterDisplay.from_excitation(own, tokens)
    with pytest.raises(ValueError, match="a weight for each of 20 numbers, but a row has 64"):
        FilterDisplay.from_estimator(own)


class OfItsOwnClass(keras.Model):
    def __init__(self, n_outputs):
        super().__init__()
        self.dense = keras.layers.Dense(n_outputs, name="dense")

    def call(self, rows):
        return self.dense(rows)


def own_class(n_outputs):
    return OfItsOwnClass(n_outputs)


def test_of_a_model_of_its_own_class_the_output_alone_is_known():
    own = NetworkClassifier(model=own_class, epochs=1, random_state=0).fit(X / 16, Y)
    display = FilterDisplay.from_excitation(own, X / 16, units=[3], n_rows=1)
    most = own.decision_function(X / 16)[:, 3].max()
    assert display.values[0, 1] == pytest.approx(most, rel=1e-4)
    with pytest.raises(ValueError, match="layer 'dense' makes of rows cannot be told"):
        FilterDisplay.from_activations(own, X[:2] / 16, "dense")


def without_weights(input_shape):
    return keras.Sequential([keras.Input(input_shape), keras.layers.Rescaling(2.0)])


def test_a_model_without_weights_has_no_filters():
    own = NetworkTransformer(model=without_weights).fit(X)
    with pytest.raises(ValueError, match="no weights that could be drawn"):
        FilterDisplay.from_estimator(own)
