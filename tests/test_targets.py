"""Encodings and losses of targets, against scikit-learn's metrics and Keras's losses."""

import keras
import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn.metrics import log_loss, mean_squared_error

from skdeep import MLPClassifier, MLPRegressor
from skdeep.engine.runtime import tf
from skdeep.targets import Head, Labels, Reals, check_labels


def row_losses(head, outputs, y, smoothing=None):
    return head.row_losses(tf.constant(outputs), tf.constant(y), smoothing)[0].numpy()


@pytest.fixture
def rng():
    return np.random.default_rng(0)


# Losses ---------------------------------------------------------------------------------------


def test_sigmoid_is_the_log_loss(rng):
    logits, y = 3 * rng.normal(size=(20, 1)), rng.integers(2, size=(20, 1)).astype(float)
    expected = [log_loss(t, expit(z), labels=[0, 1]) for t, z in zip(y, logits, strict=True)]
    np.testing.assert_allclose(row_losses(Head("sigmoid", (1,)), logits, y), expected)


def test_sigmoids_of_labels_are_averaged(rng):
    logits, y = 3 * rng.normal(size=(20, 4)), rng.integers(2, size=(20, 4)).astype(float)
    expected = [log_loss(t, expit(z), labels=[0, 1]) for t, z in zip(y, logits, strict=True)]
    np.testing.assert_allclose(row_losses(Head("sigmoid", (1,) * 4), logits, y), expected)


def test_softmax_is_the_log_loss(rng):
    logits, y = 3 * rng.normal(size=(20, 5)), rng.integers(5, size=(20, 1))
    expected = [
        log_loss(t, [p], labels=range(5)) for t, p in zip(y, softmax(logits, axis=1), strict=True)
    ]
    np.testing.assert_allclose(row_losses(Head("softmax", (5,)), logits, y), expected)


def test_softmaxes_of_columns_are_averaged(rng):
    logits = 3 * rng.normal(size=(20, 5))
    y = np.column_stack([rng.integers(3, size=20), rng.integers(2, size=20)])
    first = row_losses(Head("softmax", (3,)), logits[:, :3], y[:, :1])
    second = row_losses(Head("softmax", (2,)), logits[:, 3:], y[:, 1:])
    both = row_losses(Head("softmax", (3, 2)), logits, y)
    np.testing.assert_allclose(both, (first + second) / 2)
    assert Head("softmax", (3, 2)).n_outputs == 5


def test_squared_is_the_mean_squared_error(rng):
    outputs, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 3))
    expected = mean_squared_error(y.T, outputs.T, multioutput="raw_values")
    np.testing.assert_allclose(row_losses(Head("squared", (1, 1, 1)), outputs, y), expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_label_smoothing_is_that_of_keras(rng, smoothing):
    logits, y = 2 * rng.normal(size=(9, 1)), rng.integers(2, size=(9, 1)).astype(float)
    keras_binary = keras.losses.BinaryCrossentropy(
        from_logits=True, label_smoothing=smoothing, reduction=None
    )
    found = row_losses(Head("sigmoid", (1,)), logits, y, smoothing)
    np.testing.assert_allclose(found, keras_binary(y, logits), rtol=1e-5)
    logits, y = 2 * rng.normal(size=(9, 4)), rng.integers(4, size=(9, 1))
    keras_categorical = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=smoothing, reduction=None
    )
    found = row_losses(Head("softmax", (4,)), logits, y, smoothing)
    np.testing.assert_allclose(found, keras_categorical(np.eye(4)[y[:, 0]], logits), rtol=1e-5)


HEADS = [
    Head("squared", (1, 1, 1)),
    Head("sigmoid", (1,)),
    Head("sigmoid", (1, 1, 1)),
    Head("softmax", (4,)),
    Head("softmax", (3, 2)),
]


@pytest.mark.parametrize("smoothing", [None, 0.2])
@pytest.mark.parametrize("head", HEADS, ids=str)
def test_gradient_is_the_one_that_tensorflow_derives(rng, head, smoothing):
    outputs = tf.constant(rng.normal(size=(7, head.n_outputs)))
    columns = [rng.integers(n, size=7) for n in head.groups]
    y = np.column_stack(columns) if head.loss == "softmax" else rng.normal(size=outputs.shape)
    with tf.GradientTape() as tape:
        tape.watch(outputs)
        losses, slope = head.row_losses(outputs, tf.constant(y), smoothing)
    np.testing.assert_allclose(slope, tape.gradient(losses, outputs), atol=1e-12)


@pytest.mark.parametrize(("loss", "n"), [("sigmoid", 1), ("softmax", 2)])
def test_huge_logits_keep_loss_and_gradient_finite(loss, n):
    logits = tf.constant([[1e4] * n, [-1e4] * n], tf.float32)
    if loss == "softmax":
        logits *= [[1.0, -1.0]]
    y = np.zeros((2, 1), np.float32 if loss == "sigmoid" else np.int32)
    losses, slope = Head(loss, (n,)).row_losses(logits, tf.constant(y))
    assert np.isfinite(losses).all()
    assert np.isfinite(slope).all()


# Four kinds of labels -------------------------------------------------------------------------

BINARY = np.array(["no", "yes", "no", "yes"])
MULTICLASS = np.array([10, 30, 20, 10])
MULTILABEL = np.array([[0, 1, 1], [1, 0, 1], [0, 0, 0], [1, 1, 0]])
MULTIOUTPUT = np.array([[1, 5], [2, 7], [3, 5], [1, 7]])
KINDS = [BINARY, MULTICLASS, MULTILABEL, MULTIOUTPUT]


@pytest.mark.parametrize(
    ("y", "kind", "head"),
    [
        (BINARY, "single", Head("sigmoid", (1,))),
        (MULTICLASS, "single", Head("softmax", (3,))),
        (MULTILABEL, "multilabel", Head("sigmoid", (1, 1, 1))),
        (MULTIOUTPUT, "multioutput", Head("softmax", (3, 2))),
    ],
)
def test_kind_of_labels_gives_the_head(y, kind, head):
    target = Labels.of(y)
    assert (target.kind, target.head) == (kind, head)


@pytest.mark.parametrize("y", KINDS)
def test_perfect_outputs_decode_to_the_labels(y):
    target = Labels.of(y)
    encoded = target.encode(y)
    assert encoded.dtype == (np.float32 if target.head.loss == "sigmoid" else np.int32)
    if target.head.loss == "sigmoid":
        outputs = 8 * encoded - 4
    else:
        groups = zip(target.head.groups, encoded.T, strict=True)
        outputs = np.hstack([8.0 * np.eye(n)[column] for n, column in groups])
    np.testing.assert_array_equal(target.labels(outputs), y)
    assert row_losses(target.head, outputs.astype(np.float32), encoded).max() < 0.02


def test_probabilities_and_decisions_have_the_shapes_of_scikit_learn(rng):
    def decoded(y):
        target = Labels.of(y)
        outputs = rng.normal(size=(4, target.head.n_outputs)).astype(np.float32)
        return outputs, target.decision(outputs), target.probabilities(outputs)

    outputs, decision, p = decoded(BINARY)
    np.testing.assert_array_equal(decision, outputs[:, 0])
    np.testing.assert_allclose(
        p, np.column_stack([1 - expit(decision), expit(decision)]), rtol=1e-6
    )

    outputs, decision, p = decoded(MULTICLASS)
    np.testing.assert_array_equal(decision, outputs)
    np.testing.assert_allclose(p, softmax(outputs, axis=1), rtol=1e-5)
    assert p.dtype == np.float64

    outputs, decision, p = decoded(MULTILABEL)
    np.testing.assert_array_equal(decision, outputs)
    np.testing.assert_allclose(p, expit(outputs), rtol=1e-6)

    outputs, decision, p = decoded(MULTIOUTPUT)
    for part, logits, probabilities in zip(
        (outputs[:, :3], outputs[:, 3:]), decision, p, strict=True
    ):
        np.testing.assert_array_equal(logits, part)
        np.testing.assert_allclose(probabilities, softmax(part, axis=1), rtol=1e-5)


def test_one_label_in_a_column_of_a_multilabel_target_keeps_its_two_dimensions():
    target = Labels([np.array([0, 1])], "multilabel")
    assert target.decision(np.zeros((3, 1))).shape == (3, 1)
    assert target.probabilities(np.zeros((3, 1))).shape == (3, 1)


@pytest.mark.parametrize("y", KINDS)
def test_fitted_classifier_separates_each_kind_and_its_loss_is_the_log_loss(y):
    X = np.eye(4)
    model = MLPClassifier(hidden_layer_sizes=(), epochs=150, learning_rate=0.1, random_state=0).fit(
        X, y
    )
    np.testing.assert_array_equal(model.predict(X), y)
    first = MLPClassifier(hidden_layer_sizes=(), epochs=1, learning_rate=1e-12, random_state=0).fit(
        X, y
    )
    p = first.predict_proba(X)
    if isinstance(p, list):
        losses = [log_loss(column, part) for column, part in zip(y.T, p, strict=True)]
    elif y.ndim == 2:
        losses = [log_loss(column, q) for column, q in zip(y.T, p.T, strict=True)]
    else:
        losses = [log_loss(y, p)]
    assert first.history_["loss"][0] == pytest.approx(np.mean(losses), rel=1e-5)


# What labels refuse ---------------------------------------------------------------------------


def test_one_class_is_refused_by_name():
    with pytest.raises(ValueError, match=r"y has one class, .*'a'.*at least two"):
        Labels.of(np.array(["a", "a"]))


def test_unseen_classes_are_listed():
    target = Labels.of(MULTICLASS)
    with pytest.raises(ValueError, match=r"\[15, 99\]; known .* are \[10, 20, 30\]"):
        target.encode(np.array([10, 99, 15]))
    with pytest.raises(ValueError, match=r"\['a', 'zebra'\]; known .* are \['no', 'yes'\]"):
        Labels.of(BINARY).encode(np.array(["zebra", "no", "a"]))


def test_another_number_of_columns_is_refused():
    with pytest.raises(ValueError, match="y has 1 columns, but y had 3 at first"):
        Labels.of(MULTILABEL).encode(BINARY)
    with pytest.raises(ValueError, match="y has 2 columns, but y had 1 at first"):
        Reals.of(np.arange(3.0), np.ones(3)).encode(np.ones((3, 2)))


def test_classes_may_be_given_beforehand():
    target = Labels.of(np.array([3, 3]), classes=[5, 3, 4])
    assert target.classes[0].tolist() == [3, 4, 5]
    assert target.encode(np.array([5, 3])).tolist() == [[2], [0]]


def test_class_without_positive_weight_is_refused():
    target = Labels.of(MULTICLASS)
    encoded = target.encode(MULTICLASS)
    target.check_weights(encoded, np.array([2.0, 1, 1, -1]))  # 10 has 2 - 1 > 0
    with pytest.raises(ValueError, match=r"weights of class .*10.* sum to 0;"):
        target.check_weights(encoded, np.array([1.0, 1, 1, -1]))
    with pytest.raises(ValueError, match=r"class .*20.* sum to -3;"):
        target.check_weights(encoded, np.array([1.0, 1, -3, 1]))


def test_continuous_labels_are_refused_and_a_column_is_flattened():
    with pytest.raises(ValueError, match="continuous"):
        check_labels(np.array([0.5, 1.2]))
    with pytest.warns(match="column-vector"):
        assert check_labels(np.array([[1], [2]])).tolist() == [1, 2]


# Real targets ---------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(50,), (50, 3)])
def test_reals_are_standardised_by_their_weighted_moments_and_come_back(rng, shape):
    y, counts = 1e3 + 5 * rng.normal(size=shape), rng.integers(0, 4, 50)
    target = Reals.of(y, counts.astype(float))
    repeated = np.repeat(y, counts, axis=0)
    np.testing.assert_allclose(target.mean, np.atleast_1d(repeated.mean(axis=0)))
    np.testing.assert_allclose(target.scale, np.atleast_1d(repeated.std(axis=0)))
    encoded = target.encode(y)
    assert encoded.shape == (50, target.head.n_outputs)
    values = target.values(encoded)
    assert values.shape == shape
    np.testing.assert_allclose(values, y, atol=1e-5)


def test_constant_target_is_only_shifted():
    target = Reals.of(np.full(4, 7.0), np.ones(4))
    assert target.encode(np.array([7.0, 9.0])).tolist() == [[0], [2]]


def test_loss_of_one_is_that_of_the_mean(rng):
    y = 100 * rng.normal(size=50)
    target = Reals.of(y, np.ones(50))
    losses = row_losses(target.head, np.zeros((50, 1), np.float32), target.encode(y))
    assert losses.mean() == pytest.approx(1, rel=1e-5)


def test_unit_of_the_target_changes_no_prediction(rng):
    X = rng.normal(size=(40, 3))
    y = X @ [1, 2, 3]
    model = MLPRegressor(hidden_layer_sizes=(4,), epochs=3, random_state=0)
    metres = model.fit(X, y).predict(X)
    kilometres = model.fit(X, y / 1000 + 5).predict(X)
    np.testing.assert_allclose(1000 * (kilometres - 5), metres, rtol=1e-4, atol=1e-4)
