"""Model cards: what they say is so, and no user's string breaks the page."""

import re
from datetime import date

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdeep import (
    CNNClassifier,
    MLPClassifier,
    MLPRegressor,
    NetworkClassifier,
    NetworkRegressor,
    NetworkTransformer,
    RNNClassifier,
    RNNRegressor,
)
from skdeep.callbacks import GradientNorms
from skdeep.inspection import model_card
from skdeep.optimizers import Adam


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(80, 3)), columns=["age", "dose", "site"])
    X["site"] = rng.integers(0, 3, size=80)
    return X, np.where(X["age"] > 0, "ill", "well")


def small(**settings):
    return MLPClassifier(hidden_layer_sizes=(4,), epochs=12, random_state=0, **settings)


@pytest.fixture(scope="module")
def fitted(data):
    optimizer = Adam(beta_1=0.8)
    network = small(optimizer=optimizer, early_stopping=True, callbacks=[GradientNorms()])
    return make_pipeline(StandardScaler(with_mean=False), network).fit(*data)


def section(card, title):
    """The text between a heading and the next of its depth."""
    depth = title.partition(" ")[0]
    found = re.search(rf"^{re.escape(title)}\n(.*?)(?=^{depth} |^## |\Z)", card, re.M | re.S)
    return found[1]


def rows_of(text):
    """The cells of the tables in a text, without code's marks."""
    lines = re.findall(r"^\| (.*) \|$", text, re.M)
    return [[cell.strip("` ") for cell in line.split(" | ")] for line in lines]


def test_data_are_described_by_name_type_and_class(fitted, data):
    rows = rows_of(section(model_card(fitted, X=data[0]), "## Data"))
    for row in (["age", "float64"], ["dose", "float64"], ["site", "int64"]):
        assert row in rows
    assert rows[-1] == ["0", "'ill'`, `'well'"]
    without = rows_of(section(model_card(fitted), "## Data"))
    assert [["age"], ["dose"], ["site"]] == without[2:5]


def test_targets_of_a_regressor_are_described_by_mean_and_scale(data):
    y = np.column_stack([np.arange(80.0), 10 * data[0]["age"] - 3])
    card = model_card(MLPRegressor(epochs=1).fit(data[0], y))
    rows = rows_of(section(card, "## Data"))[-2:]
    np.testing.assert_allclose(
        np.array(rows, float), np.column_stack([[0, 1], y.mean(axis=0), y.std(axis=0)]), rtol=1e-5
    )


def test_images_have_a_shape():
    images = np.random.default_rng(0).integers(0, 255, size=(20, 6, 5), dtype=np.uint8)
    card = model_card(CNNClassifier(architecture=(2,), epochs=1).fit(images, np.arange(20) % 2))
    assert "takes 6 x 5 x 1 numbers of each row, as uint8." in card


def test_sequences_have_any_number_of_steps_and_may_have_targets_for_each():
    rows = [np.ones((length, 2)) * length for length in (3, 4, 5)]
    model = RNNRegressor(epochs=1).fit(rows, [row[:, 0] for row in rows])
    card = model_card(model)
    assert "takes any x 2 numbers of each row" in card
    assert "Each step of a row has a target." in card
    steps = np.concatenate([row[:, 0] for row in rows])
    expected = ["0", f"{steps.mean():.6g}", f"{steps.std():.6g}"]
    assert rows_of(section(card, "## Data"))[-1] == expected
    card = model_card(RNNClassifier(epochs=1).fit(["a b", "b c a", "b"], [0, 1, 0]))
    assert "takes any tokens of each row" in card


@pytest.mark.parametrize("kind", [NetworkClassifier, NetworkRegressor, NetworkTransformer])
def test_networks_of_ones_own_have_cards(kind, data):
    X, y = data[0].to_numpy(), np.arange(80) % 2
    card = model_card(kind(epochs=1).fit(X, y) if kind is not NetworkTransformer else kind().fit(X))
    assert "The network takes 3 numbers of each row" in card
    assert ("| target | classes |" in card) == (kind is NetworkClassifier)


def test_changed_parameters_come_first_part_by_part(fitted):
    parameters = section(model_card(fitted), "## Parameters")
    scaler = section(parameters, "### `StandardScaler` as `standardscaler`")
    assert rows_of(scaler)[2:] == [["with_mean", "False"]]
    assert scaler.index("with_mean") < scaler.index("Defaults: `copy=True`, `with_std=True`.")
    adam = section(parameters, "### `Adam` as `mlpclassifier__optimizer`")
    assert rows_of(adam)[2:] == [["beta_1", "0.8"]]
    network = section(parameters, "### `MLPClassifier` as `mlpclassifier`")
    assert {row[0] for row in rows_of(network)[2:]} == {
        *("callbacks", "early_stopping", "epochs", "hidden_layer_sizes", "optimizer"),
        "random_state",
    }
    assert "`learning_rate=0.01`" in network


def test_training_shows_the_kept_epoch_and_no_gradients(fitted):
    training = section(model_card(fitted), "## Training")
    header, _, *rows = rows_of(training)
    assert header == ["epoch", "loss", "val_loss"]
    history, kept = fitted[-1].history_, fitted[-1].best_epoch_
    assert f"the weights are those of epoch {kept}" in training
    assert 10 <= len(rows) <= 11
    assert [rows[0][0], rows[-1][0]] == ["0", str(len(history) - 1)]
    assert str(kept) in [row[0] for row in rows]
    for epoch, loss, val_loss in rows:
        expected = history.loc[int(epoch), ["loss", "val_loss"]]
        np.testing.assert_allclose([float(loss), float(val_loss)], expected, rtol=1e-3)


def test_scores_are_of_the_rows_given(fitted, data):
    X, y = data
    flipped = np.where(y == "ill", "well", "ill")
    rows = rows_of(section(model_card(fitted, X=X, y=flipped), "## Scores"))
    assert rows[2:] == [["accuracy", f"{1 - fitted.score(X, y):.4g}"]]
    card = model_card(fitted, X=X, y=y, scoring=["neg_log_loss", "f1_macro"])
    rows = rows_of(section(card, "## Scores"))[2:]
    assert [row[0] for row in rows] == ["neg_log_loss", "f1_macro"]
    assert float(rows[0][1]) == pytest.approx(-log_loss(y, fitted.predict_proba(X)), rel=1e-3)
    assert "## Scores" not in model_card(fitted, X=X)
    with pytest.raises(ValueError, match="y without X"):
        model_card(fitted, y=y)


def test_a_search_is_told_with_what_it_found(data):
    grid = {"mlpclassifier__learning_rate": [0.1, 1e-5]}
    search = GridSearchCV(make_pipeline(StandardScaler(), small()), grid, cv=2).fit(*data)
    card = model_card(search)
    assert card.startswith(
        "# `StandardScaler` → `MLPClassifier`\n\nFound by `GridSearchCV` among 2"
    )
    assert f"was {search.best_score_:.4g}." in card
    assert ["mlpclassifier__learning_rate", "0.1"] in rows_of(card)


def test_versions_are_those_in_use(fitted):
    versions = section(model_card(fitted), "## Versions")
    assert ["scikit-learn", sklearn.__version__] in rows_of(versions)
    assert date.today().isoformat() in versions


def test_two_cards_are_equal_and_written_as_returned(data, tmp_path):
    model = small(learning_rate_schedule=lambda epoch: 0.9**epoch)
    path = tmp_path / "card.md"
    cards = [model_card(clone(model).fit(*data), path, *data) for _ in range(2)]
    assert cards[0] == cards[1] == path.read_text(encoding="utf-8")
    assert "0x" not in cards[0]


NASTY = "a|b\\| `x` ``y`` <script>alert(1)</script> **bold**\n\n# heading"


def test_no_name_of_the_users_leaves_its_cell(data):
    markdown_it = pytest.importorskip("markdown_it", reason="markdown-it-py is not installed")
    X, y = data[0].rename(columns={"age": NASTY}), np.where(data[1] == "ill", NASTY, "`")
    model = small(class_weight={NASTY: 2.0}).fit(X, y)
    tokens = markdown_it.MarkdownIt("commonmark").enable("table").parse(model_card(model, X=X, y=y))
    inline = [child for token in tokens for child in token.children or ()]
    assert not any(child.type in ("html_inline", "strong_open") for child in inline)
    assert not any(token.type == "html_block" for token in tokens)
    headings = [tokens[i + 1].content for i, t in enumerate(tokens) if t.type == "heading_open"]
    assert not any(heading.startswith("heading") for heading in headings)
    one_line = " ".join(NASTY.split())
    shown = [child.content for child in inline if child.type == "code_inline"]
    assert one_line in shown  # the column's name, as it was
    assert repr("`") in shown
