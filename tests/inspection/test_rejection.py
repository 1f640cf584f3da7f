import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from skdeep.inspection import RejectionDisplay
from skdeep.metrics import background_rejection


@pytest.fixture(scope="module")
def rows():
    """X, names of classes, and weights, one in ten of them negative."""
    rng = np.random.default_rng(0)
    y = rng.random(600) < 0.3
    X = rng.normal(size=(600, 2)) + y[:, None] * [1.5, 0.5]
    weight = np.where(rng.random(600) < 0.1, -1, 1) * rng.uniform(0.5, 2, 600)
    return X, np.where(y, "signal", "background"), weight


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def band_at(display, i):
    """Lower and upper edge of the band at point i."""
    edges = display.band_.get_paths()[0].vertices
    return np.unique(edges[edges[:, 0] == display.signal_efficiency[i], 1])


def test_the_curve_is_the_metric_and_the_band_its_error(rows):
    X, y, weight = rows
    arguments = {"pos_label": "signal", "sample_weight": weight}
    display = RejectionDisplay.from_predictions(y, X[:, 0], **arguments)
    rejection, error = background_rejection(
        y,
        X[:, 0],
        signal_efficiency=display.signal_efficiency,
        return_error=True,
        **arguments,
    )
    efficiency, drawn = display.line_.get_data()
    np.testing.assert_allclose(efficiency, np.linspace(0, 1, 201)[1:])
    finite = np.isfinite(rejection)
    np.testing.assert_array_equal(drawn[finite], rejection[finite])
    assert 0 < np.isnan(drawn[~finite]).sum() == (~finite).sum()
    # 0.6 of the signal: a factor of 1 +- error / rejection, for small errors.
    lower, upper = band_at(display, 119)
    assert lower * upper == pytest.approx(rejection[119] ** 2)
    assert (upper - lower) / 2 == pytest.approx(error[119], rel=0.05)


@pytest.mark.parametrize("model", [DecisionTreeClassifier(max_depth=3), LinearSVC()])
@pytest.mark.parametrize("signal", ["signal", "background", None])
def test_an_estimators_score_is_that_of_the_signal(rows, model, signal):
    X, y, weight = rows
    pipeline = make_pipeline(StandardScaler(), model).fit(X, y)
    display = RejectionDisplay.from_estimator(
        pipeline, X, y, sample_weight=weight, pos_label=signal
    )
    if hasattr(model, "predict_proba"):
        score = pipeline.predict_proba(X)[:, 0 if signal == "background" else 1]
    else:
        score = pipeline.decision_function(X) * (-1 if signal == "background" else 1)
    expected = RejectionDisplay.from_predictions(
        y, score, sample_weight=weight, pos_label=signal or "signal"
    )
    np.testing.assert_array_equal(display.rejection, expected.rejection)
    np.testing.assert_array_equal(display.error, expected.error)
    assert display.pos_label == expected.pos_label
    assert display.name == "Pipeline"


def test_the_response_method_says_where_the_score_comes_from(rows):
    X, y, _ = rows
    model = LogisticRegression().fit(X, y)
    model.coef_ *= 1e3  # probabilities round to 1, and tie
    displays = {
        method: RejectionDisplay.from_estimator(model, X, y, response_method=method)
        for method in ("decision_function", "predict_proba", "auto")
    }
    score = model.decision_function(X)
    expected = RejectionDisplay.from_predictions(y, score, pos_label="signal").rejection
    np.testing.assert_array_equal(displays["decision_function"].rejection, expected)
    assert (displays["predict_proba"].rejection != expected).any()
    np.testing.assert_array_equal(displays["auto"].rejection, displays["predict_proba"].rejection)


def test_curves_on_one_axes_all_fit_in_and_have_their_names():
    y = np.repeat([0, 1], 1000)
    rng = np.random.default_rng(1)
    weak = RejectionDisplay.from_predictions(y, rng.normal(y), name="weak")
    strong = RejectionDisplay.from_predictions(y, rng.normal(3 * y), name="strong", ax=weak.ax_)
    assert strong.ax_ is weak.ax_
    assert strong.figure_ is weak.ax_.figure
    names = [text.get_text() for text in weak.ax_.get_legend().get_texts()]
    assert names == ["weak", "strong"]
    bottom, top = weak.ax_.get_ylim()
    assert bottom == 1
    assert top > strong.rejection[np.isfinite(strong.rejection)].max()
    assert weak.ax_.get_yscale() == "log"


def test_a_display_can_be_drawn_again_in_another_style(rows):
    X, y, _ = rows
    display = RejectionDisplay.from_predictions(y, X[:, 0], pos_label="signal", name="first")
    first = display.ax_
    style = {"color": "red", "linestyle": ":"}
    assert display.plot(name="second", curve_kwargs=style) is display
    assert display.ax_ is not first
    assert display.line_.get_label() == "second"
    assert display.line_.get_linestyle() == ":"
    np.testing.assert_array_equal(display.band_.get_facecolor(), [[1, 0, 0, 0.2]])
    assert display.name == "first"


def test_without_errors_no_band_and_without_a_name_no_legend():
    display = RejectionDisplay(signal_efficiency=np.array([0.1, 0.9]), rejection=np.array([9, 2]))
    display.plot()
    assert display.band_ is None
    assert display.ax_.get_legend() is None
    assert display.ax_.get_xlabel() == "Signal efficiency"


def test_the_axis_says_which_label_is_the_signal(rows):
    X, y, _ = rows
    display = RejectionDisplay.from_predictions(y, X[:, 0], pos_label="signal")
    assert display.ax_.get_xlabel() == "Signal efficiency (Positive label: signal)"


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (LogisticRegression(), NotFittedError, "not fitted"),
        (LinearRegression().fit([[0], [1]], [0, 1]), ValueError, "classifier"),
        (LogisticRegression().fit([[0], [1], [2]], [0, 1, 2]), ValueError, "binary"),
    ],
)
def test_what_is_no_fitted_classifier_of_two_classes_is_refused(model, error, message):
    with pytest.raises(error, match=message):
        RejectionDisplay.from_estimator(model, [[0], [1]], [0, 1])
    assert not plt.get_fignums()
