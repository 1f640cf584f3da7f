"""Training to a figure, on kept data: `pytest -m slow`. The full figures are of the benchmarks."""

import numpy as np
import pytest

from skdeep import CNNClassifier, MLPClassifier

pytestmark = pytest.mark.slow


def scaled(images):
    return images.reshape(len(images), -1).astype(np.float32) / 255


@pytest.mark.parametrize(("name", "floor"), [("mnist", 0.98), ("fashion_mnist", 0.87)])
def test_a_cnn_learns_ten_thousand_images(kept, name, floor):
    data = kept(name)
    model = CNNClassifier(epochs=5, learning_rate_schedule="cosine", random_state=0)
    model.fit(data["X_train"][:10_000], data["y_train"][:10_000])
    assert model.score(data["X_test"], data["y_test"]) > floor


def test_an_mlp_learns_ten_thousand_images(kept):
    data = kept("fashion_mnist")
    model = MLPClassifier(
        hidden_layer_sizes=(256, 128),
        learning_rate=1e-3,
        learning_rate_schedule="cosine",
        dropout=0.2,
        random_state=0,
    )
    model.fit(scaled(data["X_train"][:10_000]), data["y_train"][:10_000])
    assert model.score(scaled(data["X_test"]), data["y_test"]) > 0.85
