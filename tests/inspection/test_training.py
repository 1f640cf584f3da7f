"""Learning curves, and which estimators displays take."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdeep import MLPClassifier
from skdeep.inspection import TrainingDisplay


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    return X, (X[:, 0] > 0).astype(int)


def classifier(**settings):
    return MLPClassifier(hidden_layer_sizes=(4,), epochs=5, random_state=0, **settings)


def curves(ax):
    return {line.get_label(): (line.get_xdata(), line.get_ydata()) for line in ax.lines}


def test_losses_are_drawn_by_epoch(data):
    X, y = data
    model = classifier().fit(X, y, X_val=X, y_val=y)
    display = TrainingDisplay.from_estimator(model)
    (ax,) = display.axes_
    drawn = curves(ax)
    assert list(drawn) == ["loss", "val_loss"]  # nothing was kept, so nothing is marked
    for name, (epochs, values) in drawn.items():
        np.testing.assert_array_equal(epochs, range(5))
        np.testing.assert_array_equal(values, model.history_[name])
    assert ax.get_xlabel() == "epoch"
    assert display.figure_ is ax.figure


def test_the_kept_epoch_is_marked_on_what_was_watched(data):
    X, y = data
    watched = {"X_val": X, "y_val": 1 - y}  # the first epoch is the best
    model = classifier(early_stopping=True).fit(X, y, **watched)
    (ax,) = TrainingDisplay.from_estimator(model).axes_
    (epoch,), (value,) = curves(ax)["kept: epoch 0"]
    assert (epoch, value) == (0, model.history_["val_loss"][0])

    model = classifier(early_stopping="accuracy").fit(X, y, **watched)
    losses, scores = TrainingDisplay.from_estimator(model).axes_
    assert list(curves(losses)) == ["loss", "val_loss"]
    np.testing.assert_array_equal(curves(scores)["val_score"][1], model.history_["val_score"])
    kept = model.best_epoch_
    (epoch,), (value,) = curves(scores)[f"kept: epoch {kept}"]
    assert (epoch, value) == (kept, model.history_["val_score"][kept])


def test_curves_of_two_networks_share_axes_by_name(data):
    first = TrainingDisplay.from_estimator(classifier().fit(*data), name="a")
    second = TrainingDisplay.from_estimator(classifier().fit(*data), name="b", ax=first.axes_)
    assert second.axes_[0] is first.axes_[0]
    (ax,) = first.axes_
    assert list(curves(ax)) == ["a: loss", "b: loss"]
    assert ax.lines[0].get_color() != ax.lines[1].get_color()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a: loss", "b: loss"]


def test_axes_of_another_number_are_refused(data):
    model = classifier(early_stopping="accuracy").fit(*data)
    with pytest.raises(ValueError, match=r"ax must hold 2 Axes.* holds 1"):
        TrainingDisplay.from_estimator(model, ax=plt.subplots()[1])


def test_a_pipeline_and_a_search_stand_for_the_network_inside(data):
    pipeline = make_pipeline(StandardScaler(), "passthrough", classifier())
    search = GridSearchCV(pipeline, {"mlpclassifier__learning_rate": [0.1, 0.001]}, cv=2)
    network = search.fit(*data).best_estimator_[-1]
    for estimator in (search, search.best_estimator_, make_pipeline(search).fit(*data)):
        (ax,) = TrainingDisplay.from_estimator(estimator).axes_
        np.testing.assert_array_equal(curves(ax)["loss"][1], network.history_["loss"])


def test_what_is_no_network_is_refused(data):
    with pytest.raises(TypeError, match=r"network of skdeep is needed.*LogisticRegression"):
        TrainingDisplay.from_estimator(make_pipeline(LogisticRegression()).fit(*data))
    with pytest.raises(NotFittedError):
        TrainingDisplay.from_estimator(classifier())
