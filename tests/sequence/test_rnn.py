"""Recurrent networks on arrays, lists of unequal length and tokens, by row and by step."""

import pickle

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.callback import ScoringMonitor
from sklearn.metrics import accuracy_score, log_loss, r2_score
from sklearn.model_selection import KFold, cross_val_score

from skdeep import RNNClassifier, RNNRegressor, engine
from skdeep.optimizers import SGD

SMALL = {"hidden_layer_sizes": (8,), "random_state": 0}
STILL = {"learning_rate": 1e-12, "epochs": 1}  # the loss is that of the first weights
RNG = np.random.default_rng(0)
LENGTHS = RNG.integers(3, 20, size=120)
ROWS = [RNG.normal(size=(n, 2)).astype(np.float32) for n in LENGTHS]
FIRST = np.array([row[0, 0] > 0 for row in ROWS])  # a label that the first step decides
SIGNS = [np.cumsum(row[:, 0]) > 0 for row in ROWS]  # one for each step
ARRAY = RNG.normal(size=(60, 7, 2)).astype(np.float32)
ARRAY_LABELS = np.arange(60) % 3

each_cell = pytest.mark.parametrize("cell", ["lstm", "gru", "simple"])


@pytest.mark.parametrize(
    ("cell", "bidirectional", "pooling"),
    [
        ("lstm", False, "last"),
        ("lstm", True, "max"),
        ("gru", True, "last"),
        ("gru", False, "attention"),
        ("simple", True, "mean"),
    ],
)
def test_a_step_on_padded_rows_is_the_step_of_each_row_alone(cell, bidirectional, pooling):
    """Keras's gradients of unpadded rows, one by one, make the same step of gradient descent."""
    model = RNNRegressor(
        **SMALL,
        cell=cell,
        bidirectional=bidirectional,
        pooling=pooling,
        optimizer=SGD(),
        clip_norm=None,
        epochs=1,
    )
    rows, y = ROWS[:6], np.array([row[:, 1].mean() for row in ROWS[:6]])
    before = clone(model).set_params(learning_rate=1e-12).fit(rows, y).network_
    after = model.set_params(learning_rate=0.1).fit(rows, y).network_
    import tensorflow as tf

    with tf.GradientTape() as tape:
        outputs = tf.concat([before(row[None])["output"][:, 0] for row in rows], axis=0)
        loss = tf.reduce_mean((outputs - (y - y.mean()) / y.std()) ** 2)
    gradients = tape.gradient(loss, [w.value for w in before.trainable_weights])
    for old, gradient, new in zip(before.trainable_weights, gradients, after.get_weights()):
        np.testing.assert_allclose(new, old - 0.1 * gradient, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.history_["loss"][0], loss, rtol=1e-5)


@each_cell
def test_rows_of_one_length_are_the_same_as_list_and_as_array(cell):
    model = RNNClassifier(**SMALL, cell=cell, epochs=3, batch_size=16)
    one = clone(model).fit(ARRAY, ARRAY_LABELS).predict_proba(ARRAY)
    other = model.fit([*ARRAY], ARRAY_LABELS).predict_proba([*ARRAY])
    np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


def test_flat_rows_are_cut_into_n_steps():
    flat = ARRAY.reshape(60, 14)
    model = RNNClassifier(**SMALL, epochs=2)
    one = clone(model).set_params(n_steps=7).fit(flat, ARRAY_LABELS)
    other = model.fit(ARRAY, ARRAY_LABELS)
    np.testing.assert_array_equal(one.predict_proba(flat), other.predict_proba(ARRAY))
    np.testing.assert_array_equal(one.predict_proba(ARRAY), other.predict_proba(ARRAY))
    assert (one.n_features_in_, other.n_features_in_) == (14, 2)


def test_steps_of_nan_at_the_end_are_no_steps():
    padded = np.full((120, 19, 2), np.nan, np.float32)
    for row, values in zip(padded, ROWS):
        row[: len(values)] = values
    model = RNNClassifier(**SMALL, epochs=2).fit(ROWS, FIRST)
    np.testing.assert_array_equal(model.predict_proba(padded), model.predict_proba(ROWS))
    other = clone(model).fit(padded, FIRST)
    np.testing.assert_array_equal(other.predict_proba(ROWS), model.predict_proba(ROWS))


@each_cell
def test_a_row_is_predicted_alike_alone_and_among_others(cell):
    model = RNNClassifier(**SMALL, cell=cell, bidirectional=True, epochs=1).fit(ROWS, SIGNS)
    together = model.predict_proba(ROWS)
    for i in (0, 3, 50):
        np.testing.assert_array_equal(model.predict_proba(ROWS[i : i + 1])[0], together[i])


@each_cell
def test_what_the_first_step_said_is_remembered(cell):
    rows = [row[:8] for row in ROWS]
    model = RNNClassifier(hidden_layer_sizes=(16,), cell=cell, epochs=60, random_state=0)
    assert model.fit(rows[:90], FIRST[:90]).score(rows[:90], FIRST[:90]) > 0.95
    assert cross_val_score(model, rows, FIRST, cv=3).mean() > 0.75


def test_each_step_can_have_a_label():
    model = RNNClassifier(hidden_layer_sizes=(16,), random_state=0).fit(ROWS, SIGNS)
    predicted = model.predict(ROWS)
    assert [len(row) for row in predicted] == LENGTHS.tolist()
    flat = accuracy_score(np.concatenate(SIGNS), np.concatenate(predicted))
    assert flat > 0.9
    assert model.score(ROWS, SIGNS) == flat
    for row, features in zip(model.predict_proba(ROWS), model.transform(ROWS), strict=True):
        np.testing.assert_allclose(row.sum(axis=1), 1)
        assert features.shape == (len(row), 16)
    assert cross_val_score(model, ROWS, SIGNS, cv=KFold(3)).mean() > 0.75


def test_awkward_arrays_are_the_lists_that_they_hold():
    ak = pytest.importorskip("awkward")
    model = RNNClassifier(**SMALL, epochs=1)
    lists = model.fit(ROWS, FIRST).predict_proba(ROWS)
    hits = ak.Array([row.tolist() for row in ROWS])  # n * var * var * float
    tracks = ak.zip({"x": hits[..., 0], "y": hits[..., 1]})  # n * var * {x, y}
    for X in (hits, tracks):
        np.testing.assert_array_equal(model.fit(X, FIRST).predict_proba(X), lists)
    steps = model.fit(ROWS, SIGNS).predict(ROWS)
    for found, row in zip(model.fit(hits, ak.Array(SIGNS)).predict(hits), steps, strict=True):
        np.testing.assert_array_equal(found, row)


def test_columns_of_y_that_may_belong_to_steps_are_warned_of():
    model = RNNRegressor(**SMALL, epochs=1)
    with pytest.warns(UserWarning, match=r"y has 7 columns.*y=\[\*y\]") as told:
        model.fit(ARRAY, ARRAY[..., 0])
    assert told[0].filename == __file__
    model.fit(ARRAY, ARRAY[:, :6, 0])
    model.fit(ARRAY[..., 0], ARRAY[..., 0])  # no steps of their own
    model.fit(ARRAY, [*ARRAY[..., 0]])


def test_each_step_can_have_numbers():
    y = [np.stack([np.cumsum(row[:, 0]), row[:, 1]], axis=1) for row in ROWS]
    model = RNNRegressor(hidden_layer_sizes=(16,), random_state=0).fit(ROWS, y)
    flat = r2_score(np.concatenate(y), np.concatenate(model.predict(ROWS)))
    assert flat > 0.8
    assert model.score(ROWS, y) == pytest.approx(flat)


def test_steps_of_all_rows_count_alike_in_the_loss():
    weight = RNG.uniform(0.5, 2, size=120)
    model = RNNClassifier(**SMALL, **STILL).fit(ROWS, SIGNS, weight)
    expected = log_loss(
        np.concatenate(SIGNS),
        np.concatenate(model.predict_proba(ROWS)),
        sample_weight=np.repeat(weight, LENGTHS),
    )
    assert model.history_["loss"][0] == pytest.approx(expected, rel=1e-5)


def test_labels_of_steps_are_the_same_in_arrays_and_lists():
    labels = [*(ARRAY[:, :, 0] > ARRAY[:, :, 1]).astype(int)]
    model = RNNClassifier(**SMALL, epochs=3, batch_size=16)
    one = clone(model).fit(ARRAY, labels)
    other = model.fit([*ARRAY], labels)
    assert one.predict(ARRAY).shape == (60, 7)
    assert one.transform(ARRAY).shape == (60, 7, 8)
    np.testing.assert_allclose(
        one.predict_proba(ARRAY), other.predict_proba([*ARRAY]), rtol=1e-4, atol=1e-6
    )
    assert one.score(ARRAY, labels) == other.score([*ARRAY], labels)


def test_several_targets_of_flat_rows_are_not_taken_for_steps():
    y = [*np.eye(3, dtype=int)[ARRAY_LABELS]]
    model = RNNClassifier(**SMALL, epochs=1, n_steps=7).fit(ARRAY.reshape(60, 14), y)
    assert model.predict(ARRAY).shape == (60, 3)


def test_lists_of_lists_are_labels_of_steps_even_where_all_have_one_length():
    labels = [row.tolist() for row in (ARRAY[:, :, 0] > 0)]
    for X in (ARRAY, [*ARRAY], ARRAY[:, :, 0].tolist()):
        model = RNNClassifier(**SMALL, epochs=1).fit(X, labels)
        assert np.shape(model.predict(X)) == (60, 7)


@pytest.mark.parametrize("kind", [list, pd.Series])
def test_labels_of_words_are_so_even_where_all_texts_have_one_length(kind):
    texts, tags = ["time flies .", "fruit flies !"] * 4, [[*"NV."], [*"NN."]] * 4
    X = kind(texts) if kind is list else kind(texts, index=range(1, 9))
    model = RNNClassifier(**SMALL, epochs=1).fit(X, tags)
    assert [len(row) for row in model.predict(["time", "fruit flies"])] == [1, 2]
    opinions = RNNClassifier(**SMALL, epochs=1).fit(X, [[0, 1], [1, 1]] * 4)
    assert opinions.predict(["time", "fruit flies"]).shape == (2, 2)


def test_what_a_model_of_steps_predicts_of_an_array_can_be_scored_against():
    labels = [*(ARRAY[:, :, 0] > 0)]
    model = RNNClassifier(**SMALL, epochs=1).fit(ARRAY, labels)
    assert model.score(ARRAY, model.predict(ARRAY)) == 1
    assert model.score(ARRAY, pd.DataFrame(model.predict(ARRAY))) == 1


@pytest.mark.parametrize(
    "rows", [ARRAY, [*ARRAY], [*ARRAY[:, :, :1]]], ids=["array", "list", "one"]
)
def test_one_sequence_is_not_taken_for_rows(rows):
    model = RNNClassifier(**SMALL, epochs=1).fit(rows, ARRAY_LABELS)
    one, n_features = rows[0], rows[0].shape[1]
    message = rf"X is a table of shape \(7, {n_features}\).*pass X\[np.newaxis\] or \[X\]"
    for X in (one, pd.DataFrame(one)):
        with pytest.raises(ValueError, match=message):
            model.predict(X)
    expected = model.predict_proba(rows)[:1]
    np.testing.assert_array_equal(model.predict_proba(one[np.newaxis]), expected)
    np.testing.assert_array_equal(model.predict_proba([one]), expected)


def test_a_table_of_rows_is_refused_by_what_was_fitted_on_sequences():
    model = RNNClassifier(**SMALL, epochs=1).fit(ARRAY, ARRAY_LABELS)
    flat = ARRAY.reshape(60, 14)
    with pytest.raises(ValueError, match=r"if its rows are flat pass X.reshape\(len\(X\), -1, 2\)"):
        model.predict(flat)
    expected = model.predict_proba(ARRAY)
    np.testing.assert_array_equal(model.predict_proba(flat.reshape(len(flat), -1, 2)), expected)
    model.set_params(n_steps=7)  # says what the columns are
    np.testing.assert_array_equal(model.predict_proba(flat), expected)
    with pytest.raises(ValueError, match="one of them"):
        model.predict(ARRAY[0])


def test_a_list_may_have_rows_of_any_length_after_a_fit_on_lists_of_one():
    model = RNNRegressor(**SMALL, epochs=1).fit([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]], [1, 2, 3])
    alone = model.predict([np.array([1.0, 2]), np.array([3.0])])
    np.testing.assert_allclose(model.predict([[1.0, 2], [4.0, 5]])[0], alone[0], rtol=1e-5)
    np.testing.assert_allclose(model.predict([[1.0, 2], [3.0]]), alone, rtol=1e-5)
    with pytest.raises(ValueError, match="2 features, but RNNRegressor is expecting 3"):
        model.predict(np.array([[1.0, 2]]))


def test_a_table_has_rows_of_one_feature_where_fit_has_seen_such():
    rows = [row[:, 0] for row in ROWS]
    model = RNNClassifier(**SMALL, epochs=1).fit(rows, FIRST)
    table = ARRAY[:, :, 0]
    np.testing.assert_array_equal(model.predict_proba(table), model.predict_proba([*table]))


@pytest.mark.parametrize(
    ("value", "what"), [(np.nan, "NaN"), (np.inf, "infinity or a value too large")]
)
@pytest.mark.parametrize("kind", [list, np.asarray])
def test_what_is_no_number_is_named_by_row_and_step(kind, value, what):
    rows = kind([*ARRAY.copy()] if kind is not list else [row.copy() for row in ROWS])
    model = RNNClassifier(**SMALL, epochs=1)
    y = np.arange(len(rows)) % 2
    fitted = clone(model).fit(rows, y)
    rows[5][2, 1] = rows[6][0, 0] = value
    message = rf"Input X contains {what}.*, first in X\[5\] at step 2;"
    for call in (lambda: model.fit(rows, y), lambda: fitted.predict(rows)):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize("per_step", [False, True])
@pytest.mark.parametrize(
    "call",
    [
        lambda m, y, other: m.score(ROWS, other),
        lambda m, y, other: m.partial_fit(ROWS, other),
        lambda m, y, other: m.fit(ROWS, y, X_val=ROWS, y_val=other),
    ],
    ids=["score", "partial_fit", "fit"],
)
def test_targets_of_steps_and_of_rows_do_not_mix(call, per_step):
    y, other = (SIGNS, FIRST) if per_step else (FIRST, SIGNS)
    model = RNNClassifier(**SMALL, epochs=1).fit(ROWS, y)
    with pytest.raises(ValueError, match=r"y(_val)? has targets for each (row|step), but those"):
        call(model, y, other)


def test_weights_must_have_a_positive_sum_over_steps():
    X, y = [ROWS[0][:1], np.tile(ROWS[1][:2], (5, 1))], [SIGNS[0][:1], np.tile(SIGNS[1][:2], 5)]
    model = RNNClassifier(**SMALL, epochs=1)
    with pytest.raises(ValueError, match="sample_weight_val sums to -8 with the weights of steps"):
        model.fit(ROWS, SIGNS, X_val=X, y_val=y, sample_weight_val=[2, -1])


def test_a_series_of_rows_needs_no_index_from_zero():
    rows = pd.Series([row[:3].tolist() for row in ROWS], index=np.arange(500, 620))
    other = RNNClassifier(**SMALL, epochs=1).fit([row[:3] for row in ROWS], FIRST)
    model = RNNClassifier(**SMALL, epochs=1).fit(rows, FIRST)
    np.testing.assert_array_equal(model.predict_proba(rows), other.predict_proba(rows))


TEXTS = ["good " * n + "film" for n in (1, 2, 3)] + ["bad " * n + "film" for n in (1, 2, 3)]
OPINIONS = ["yes"] * 3 + ["no"] * 3


def test_texts_lists_of_strings_and_of_numbers_are_tokens():
    words = [text.split() for text in TEXTS]
    numbers = [[{"good": 7, "bad": -2, "film": 100}[word] for word in row] for row in words]
    model = RNNClassifier(**SMALL, embedding_size=4)
    fits = [clone(model).fit(X, OPINIONS) for X in (TEXTS, words, numbers)]
    assert all((fit.predict(X) == OPINIONS).all() for fit, X in zip(fits, (TEXTS, words, numbers)))
    assert fits[0].vocabulary_.tolist() == ["good", "film", "bad"]
    for fit, X in zip(fits[1:], (words, numbers)):
        np.testing.assert_array_equal(fit.predict_proba(X), fits[0].predict_proba(TEXTS))


@pytest.mark.parametrize("dtype", [str, object])
def test_an_array_of_strings_has_tokens(dtype):
    words = [["good", "film"], ["bad", "film"]] * 10
    model = RNNClassifier(**SMALL, epochs=1)
    listed = model.fit(words, [1, 0] * 10).predict_proba(words)
    X = np.array(words, dtype)
    np.testing.assert_array_equal(model.fit(X, [1, 0] * 10).predict_proba(X), listed)


@pytest.mark.parametrize("size", [None, 4])
@pytest.mark.parametrize(
    "table",
    [
        lambda texts: pd.DataFrame({"text": texts}),
        lambda texts: pd.DataFrame({"text": texts}, dtype=object),
        lambda texts: np.array(texts)[:, None],
    ],
    ids=["DataFrame", "objects", "array"],
)
def test_a_table_of_one_column_of_texts_is_that_column(table, size):
    model = RNNClassifier(**SMALL, epochs=2, embedding_size=size).fit(TEXTS, OPINIONS)
    expected = model.predict_proba(TEXTS)
    np.testing.assert_array_equal(model.predict_proba(table(TEXTS)), expected)
    other = clone(model).fit(table(TEXTS), OPINIONS)
    assert other.vocabulary_.tolist() == ["good", "film", "bad"]
    np.testing.assert_array_equal(other.predict_proba(TEXTS), expected)


@pytest.mark.parametrize("n", [2, 1])
def test_labels_that_are_no_one_for_each_token_are_told_of_in_tokens(n):
    words = [["a", "b", "c"], ["d", "e", "f"][: n + 1]] * 3
    message = r"y\[0\] has 2 targets, but X\[0\] has 3 tokens; .* one for each token"
    with pytest.raises(ValueError, match=message):
        RNNClassifier(**SMALL, epochs=1).fit(words, [[0, 1]] * 6)


def test_texts_may_have_as_many_labels_as_the_first_has_letters():
    texts, y = ["ok", "not ok"] * 3, [[0, 1], [1, 1]] * 3
    assert RNNClassifier(**SMALL, epochs=1).fit(texts, y).predict(texts).shape == (6, 2)


def test_unknown_and_rare_tokens_share_one_vector():
    model = RNNClassifier(**SMALL, epochs=2, max_vocabulary=2).fit(TEXTS, OPINIONS)
    assert model.vocabulary_.tolist() == ["good", "film"]
    seen = model.predict_proba(["bad film", "never seen", "seen never", "good film"])
    np.testing.assert_array_equal(seen[1], seen[2])
    assert not np.array_equal(seen[0], seen[3])
    np.testing.assert_array_equal(seen[0], model.predict_proba(["dull film"])[0])


def test_the_embedding_has_a_row_for_each_token_and_one_for_the_others():
    model = RNNClassifier(**SMALL, epochs=1, embedding_size=5).fit(TEXTS, OPINIONS)
    embedding = model.network_.get_layer("embedding")
    assert embedding.get_weights()[0].shape == (4, 5)
    assert RNNClassifier(**SMALL, epochs=1).fit(TEXTS, OPINIONS).network_.get_layer(
        "embedding"
    ).get_weights()[0].shape == (4, 64)


def test_a_refit_on_numbers_forgets_the_vocabulary():
    model = RNNClassifier(**SMALL, epochs=1).fit(TEXTS, OPINIONS)
    assert not hasattr(model, "n_features_in_")
    model.fit(ROWS, FIRST)
    assert not hasattr(model, "vocabulary_")
    assert model.n_features_in_ == 2


def test_validation_rows_may_be_lists_too():
    model = RNNClassifier(**SMALL, epochs=3, early_stopping=True)
    model.fit(ROWS[:80], SIGNS[:80], X_val=ROWS[80:], y_val=SIGNS[80:])
    expected = log_loss(np.concatenate(SIGNS[80:]), np.concatenate(model.predict_proba(ROWS[80:])))
    assert model.history_["val_loss"].min() == pytest.approx(expected, rel=1e-5)
    held_out = clone(model).fit(ROWS, SIGNS)
    assert held_out.history_["val_loss"].notna().all()


def test_a_scorer_that_stops_early_is_given_the_rows():
    model = RNNClassifier(**SMALL, epochs=3, early_stopping="accuracy")
    model.fit(ROWS[:80], FIRST[:80], X_val=ROWS[80:], y_val=FIRST[80:])
    assert model.history_["val_score"].max() == model.score(ROWS[80:], FIRST[80:])


def watched_by_accuracy(X, y, **settings):
    """A classifier stopped early by a function, and the X that the function was given last."""
    given = []

    def score(model, X, y):
        given[:] = [X]
        return np.mean(model.predict(X) == y)

    model = RNNClassifier(**SMALL, **settings, epochs=3, early_stopping=score)
    by_name = clone(model).set_params(early_stopping="accuracy").fit(X, y)
    model.fit(X, y)
    assert model.history_["val_score"].tolist() == by_name.history_["val_score"].tolist()
    return model, given[0]


def test_a_function_that_stops_early_is_given_a_list_of_arrays():
    _, X = watched_by_accuracy(ROWS, FIRST)
    assert type(X) is list
    known = {row.tobytes() for row in ROWS}
    assert len(X) == 12
    assert all(row.tobytes() in known for row in X)


@pytest.mark.parametrize("kind", ["texts", "integers"])
def test_a_function_that_stops_early_is_given_tokens(kind):
    numbers = [RNG.integers(0, 9, size=n) for n in LENGTHS]
    rows = numbers if kind == "integers" else [" ".join(f"w{i}" for i in row) for row in numbers]
    model, X = watched_by_accuracy(rows, FIRST, embedding_size=4, max_vocabulary=6)
    given = {" ".join(f"w{i}" for i in row) for row in numbers}
    known = set(model.vocabulary_)
    unknown = {token for row in X for token in row} - known
    assert len(unknown) == 1  # stands for all that are too rare
    for row in X:
        words = [str(token) if kind == "texts" else f"w{token}" for token in row]
        assert any(
            len(words) == len(theirs := text.split())
            and all(a == b or token in unknown for a, b, token in zip(words, theirs, row))
            for text in given
        )


def test_features_of_steps_make_no_table():
    model = RNNClassifier(**SMALL, epochs=1).fit(ROWS, SIGNS)
    plain = model.transform(ROWS)
    model.set_output(transform="pandas")
    with pytest.raises(ValueError, match=r"of each step .*set_output\(transform='pandas'\)"):
        model.transform(ROWS)
    for one, other in zip(plain, model.set_output(transform="default").transform(ROWS)):
        np.testing.assert_array_equal(one, other)
    of_rows = RNNClassifier(**SMALL, epochs=1).fit(ROWS, FIRST)
    table = clone(of_rows).set_output(transform="pandas").fit_transform(ROWS, FIRST)
    assert list(table.columns) == [f"rnnclassifier{i}" for i in range(8)]
    np.testing.assert_array_equal(table, of_rows.transform(ROWS))


def test_predictions_of_steps_are_one_array_where_no_row_is_padded():
    padded = ARRAY.copy()
    padded[1, 4:] = np.nan
    real = [row[:4] if i == 1 else row for i, row in enumerate(ARRAY)]
    model = RNNClassifier(**SMALL, epochs=1).fit(padded, [row[:, 0] > 0 for row in real])
    for call in (model.predict, model.predict_proba, model.decision_function, model.transform):
        whole, some, listed = call(ARRAY), call(padded), call(real)
        assert type(whole) is np.ndarray
        assert whole.shape[:2] == (60, 7)
        assert type(some) is type(listed) is list
        for i in range(60):
            np.testing.assert_array_equal(some[i], listed[i])
            if i != 1:
                np.testing.assert_allclose(whole[i], some[i], rtol=1e-4, atol=1e-5)


def test_partial_fit_takes_rows_of_other_lengths():
    model = RNNClassifier(**SMALL).partial_fit(ARRAY, ARRAY_LABELS)
    model.partial_fit(ARRAY[:, :4], ARRAY_LABELS)
    model.partial_fit([*ARRAY[:, :5]], ARRAY_LABELS)
    assert model.n_iter_ == 3


def test_a_pickle_predicts_the_same_and_the_network_is_kerass():
    model = RNNClassifier(**SMALL, epochs=1, cell="gru").fit(ARRAY, ARRAY_LABELS)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(ARRAY), model.predict_proba(ARRAY))
    gru = keras.layers.GRU(8)
    gru(ARRAY)
    gru.set_weights(model.network_.get_layer("gru_0").get_weights())
    np.testing.assert_allclose(gru(ARRAY), model.transform(ARRAY), rtol=1e-4, atol=1e-5)


def test_xla_is_refused_where_it_has_no_lstm_and_trains_as_graphs_do():
    from skdeep import config_context

    model = RNNClassifier(**SMALL, epochs=2, batch_size=40)
    with config_context(compile="xla"):
        with pytest.raises(ValueError, match="cell='lstm' is one operation"):
            clone(model).fit(ROWS, FIRST)
        compiled = clone(model).set_params(cell="gru").fit(ROWS, FIRST).predict_proba(ROWS)
    model.set_params(cell="gru").fit(ROWS, FIRST)  # three steps an epoch: a graph
    np.testing.assert_allclose(compiled, model.predict_proba(ROWS), rtol=1e-4, atol=1e-5)


def test_double_precision_trains_as_single_does():
    from skdeep import config_context

    model = RNNClassifier(**SMALL, epochs=2)
    single = clone(model).fit(ROWS, FIRST).predict_proba(ROWS)
    with config_context(precision="float64"):
        double = clone(model).fit(ROWS, FIRST).predict_proba(ROWS)
    np.testing.assert_allclose(double, single, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("fit", "error", "message"),
    [
        (lambda m: m.fit(ROWS, SIGNS[:-1]), ValueError, "inconsistent numbers of samples"),
        (
            lambda m: m.fit(ROWS, [*SIGNS[:-1], SIGNS[-1][1:]]),
            ValueError,
            r"y\[119\] has \d+ targets, but X\[119\] has \d+ steps",
        ),
        (lambda m: m.fit([*ROWS[:-1], ROWS[0][:0]], FIRST), ValueError, r"X\[119\] has no steps"),
        (lambda m: m.fit([*ROWS[:-1], ROWS[0][:, :1]], FIRST), ValueError, r"X\[119\] has steps"),
        (
            lambda m: m.set_params(class_weight="balanced").fit(ROWS, SIGNS),
            ValueError,
            "class_weight weighs rows",
        ),
        (
            lambda m: m.set_params(early_stopping="accuracy").fit(ROWS, SIGNS),
            ValueError,
            "early_stopping by a scorer needs one target for each row",
        ),
        (
            lambda m: m.set_params(n_steps=3).fit(ARRAY.reshape(60, 14), ARRAY_LABELS),
            ValueError,
            "n_steps=3 does not divide the 14 columns",
        ),
        (
            lambda m: m.set_params(hidden_layer_sizes=()).fit(ROWS, FIRST),
            ValueError,
            "hidden_layer_sizes must hold positive integers",
        ),
        (
            lambda m: m.set_params(embedding_size=3).fit(ROWS, FIRST),
            ValueError,
            "a sequence of tokens has one",
        ),
        (
            lambda m: m.fit(ROWS, [np.eye(2, dtype=int)[np.zeros(n, int)] for n in LENGTHS]),
            ValueError,
            "y has 2 labels for each step",
        ),
        (lambda m: m.fit(TEXTS[0], OPINIONS), ValueError, "X is one text"),
    ],
)
def test_what_cannot_be_learnt_is_refused_and_leaves_the_model(fit, error, message):
    model = RNNClassifier(**SMALL, epochs=1).fit(ROWS, FIRST)
    before = model.predict_proba(ROWS)
    with pytest.raises(error, match=message):
        fit(model)
    np.testing.assert_array_equal(model.predict_proba(ROWS), before)


@pytest.mark.parametrize(
    ("seen", "X", "error", "message"),
    [
        (ROWS, TEXTS, TypeError, "X holds strings, but fit has seen numbers"),
        (ROWS, [row[:, :1] for row in ROWS], ValueError, "X has 1 features.*expecting 2 features"),
        (ROWS, ROWS[0].tolist(), ValueError, r"X has 1 features.*X is one sequence, pass \[X\]"),
        (TEXTS, ROWS, ValueError, "a sequence of tokens has one"),
        (TEXTS, [[1, 2]], TypeError, "X holds integers as tokens, but fit has seen strings"),
    ],
)
def test_other_rows_than_fit_has_seen_are_refused(seen, X, error, message):
    y = FIRST if seen is ROWS else OPINIONS
    model = RNNClassifier(**SMALL, epochs=1).fit(seen, y)
    with pytest.raises(error, match=message):
        model.predict(X)


def test_data_frames_are_sequences_of_their_rows():
    frames = [pd.DataFrame(row, columns=["x", "y"]) for row in ROWS]
    model = RNNClassifier(**SMALL, epochs=1).fit(frames, FIRST)
    arrays = RNNClassifier(**SMALL, epochs=1).fit(ROWS, FIRST)
    np.testing.assert_array_equal(model.predict_proba(frames), arrays.predict_proba(ROWS))
    assert [*model.feature_names_in_] == ["x", "y"]
    with pytest.raises(ValueError, match=r"X\[1\] has the columns \['y', 'x'\], but X\[0\] has"):
        model.fit([frames[0], frames[1][["y", "x"]]], FIRST[:2])
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict([frame[["y", "x"]] for frame in frames])


def test_all_lengths_share_one_program():
    engine.cache_clear()
    model = RNNClassifier(**SMALL, epochs=1)
    for n in (5, 6, 7):
        model.fit([row[:n] for row in ROWS], FIRST)
    assert engine.cache_info().kinds["train (graph)"] == 1


def test_scikit_learns_monitor_scores_the_labels_of_steps():
    """Of rows and targets of the kinds that the user gave."""
    rows = ROWS[:8]
    labels = [(row[:, 0] > 0).astype(int) for row in rows]
    monitor = ScoringMonitor(scoring=lambda model, X, y: {"right": model.score(X, y)})
    model = RNNClassifier(**SMALL, epochs=2).set_callbacks(monitor).fit(rows, labels)
    scores = [row["right"] for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert scores[-1] == model.score(rows, labels)
