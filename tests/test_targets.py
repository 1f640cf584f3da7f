"""Encodings and losses of targets, against scikit-learn's metrics and Keras's losses."""

import keras
import numpy as np
import pytest
from scipy import stats
from scipy.special import expit, softmax
from sklearn.metrics import log_loss, mean_pinball_loss, mean_squared_error

from skdeep import MLPClassifier, MLPRegressor
from skdeep.engine import Sequences
from skdeep.engine.runtime import tf
from skdeep.targets import QUANTILE_LEVELS, Head, Labels, MarginHead, PerStep, Reals, check_labels


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


@pytest.mark.parametrize(
    ("head", "y"),
    [
        (Head("softmax", (3,)), np.array([[2], [0], [1], [1]], np.int32)),
        (Head("gaussian", (2, 2)), np.array([[0.1, -1], [2, 0], [0, 0], [1, 1]])),
    ],
)
def test_losses_of_members_are_means_and_their_gradients_each_ones_own(rng, head, y):
    outputs = rng.normal(size=(4, 5, head.n_outputs))
    values, slopes = head.losses_of_members(tf.constant(outputs), tf.constant(y))
    alone = [head.row_losses(tf.constant(outputs[:, i]), tf.constant(y)) for i in range(5)]
    np.testing.assert_allclose(values, np.mean([loss for loss, _ in alone], axis=0), rtol=1e-6)
    np.testing.assert_allclose(slopes, np.stack([slope for _, slope in alone], axis=1), rtol=1e-6)


@pytest.mark.parametrize("n_classes", [2, 5])
def test_margins_are_those_of_one_class_against_the_rest(rng, n_classes):
    y = rng.integers(n_classes, size=(20, 1))
    two = n_classes == 2
    labels = Head("sigmoid", (1,)) if two else Head("softmax", (n_classes,))
    scores = 2 * rng.normal(size=(20, labels.n_outputs))
    wanted = y if two else y == np.arange(n_classes)
    signs = np.where(wanted, 1.0, -1.0)
    y = y.astype(float) if two else y
    for loss, of_mean in {
        "hinge": keras.losses.hinge,
        "squared": keras.losses.mean_squared_error,
    }.items():
        expected = labels.n_outputs * of_mean(signs, scores)
        np.testing.assert_allclose(row_losses(MarginHead(loss, labels), scores, y), expected)


def test_margins_of_columns_are_averaged(rng):
    scores = 3 * rng.normal(size=(20, 5))
    y = np.column_stack([rng.integers(3, size=20), rng.integers(2, size=20)])
    head = lambda *groups: MarginHead("hinge", Head("softmax", groups))  # noqa: E731
    first = row_losses(head(3), scores[:, :3], y[:, :1])
    second = row_losses(head(2), scores[:, 3:], y[:, 1:])
    np.testing.assert_allclose(row_losses(head(3, 2), scores, y), (first + second) / 2)


N_LEVELS = len(QUANTILE_LEVELS)


def test_gaussian_is_the_negative_log_likelihood_of_normal_distributions(rng):
    outputs, y = 2 * rng.normal(size=(20, 6)), rng.normal(size=(20, 3))
    deviation = np.sqrt(np.log1p(np.exp(outputs[:, 1::2])) + 1e-6)
    expected = -stats.norm.logpdf(y, outputs[:, ::2], deviation).mean(axis=1)
    np.testing.assert_allclose(row_losses(Head("gaussian", (2, 2, 2)), outputs, y), expected)


def test_quantile_is_twice_the_mean_pinball_loss(rng):
    outputs, y = rng.normal(size=(20, 2 * N_LEVELS)), rng.normal(size=(20, 2))
    expected = np.zeros(20)
    for k, column in enumerate(y.T):
        for q, level in zip(outputs[:, k * N_LEVELS :].T, QUANTILE_LEVELS, strict=False):
            expected += [mean_pinball_loss([a], [b], alpha=level) for a, b in zip(column, q)]
    head = Head("quantile", (N_LEVELS, N_LEVELS))
    np.testing.assert_allclose(row_losses(head, outputs, y), expected / N_LEVELS)


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
    Head("quantile", (N_LEVELS,)),
    Head("quantile", (N_LEVELS, N_LEVELS)),
    MarginHead("hinge", Head("sigmoid", (1, 1, 1))),
    MarginHead("hinge", Head("softmax", (3, 2))),
    MarginHead("squared", Head("softmax", (4,))),
]


@pytest.mark.parametrize("smoothing", [None, 0.2])
@pytest.mark.parametrize("head", HEADS, ids=str)
def test_gradient_is_the_one_that_tensorflow_derives(rng, head, smoothing):
    outputs = tf.constant(rng.normal(size=(7, head.n_outputs)))
    labels = getattr(head, "labels", head)
    columns = [rng.integers(n, size=7) for n in labels.groups]
    y = (
        np.column_stack(columns)
        if labels.loss == "softmax"
        else rng.normal(size=(7, len(labels.groups)))
    )
    with tf.GradientTape() as tape:
        tape.watch(outputs)
        losses, slope = head.row_losses(outputs, tf.constant(y), smoothing)
    np.testing.assert_allclose(slope, tape.gradient(losses, outputs), atol=1e-12)


def test_gradient_of_the_gaussian_is_that_of_the_likelihood_times_the_deviation(rng):
    head, y = Head("gaussian", (2, 2)), tf.constant(rng.normal(size=(7, 2)))
    outputs = tf.constant(3 * rng.normal(size=(7, 4)))
    with tf.GradientTape() as tape:
        tape.watch(outputs)
        losses, slope = head.row_losses(outputs, y)
    deviation = np.sqrt(np.log1p(np.exp(outputs[:, 1::2])) + 1e-6)
    expected = tape.gradient(losses, outputs) * np.repeat(deviation, 2, axis=1)
    np.testing.assert_allclose(slope, expected, rtol=1e-9)


@pytest.mark.parametrize("loss", ["gaussian", "quantile"])
@pytest.mark.parametrize("size", [-1e4, 1e4])
def test_huge_outputs_keep_loss_and_gradient_of_regressors_finite(loss, size):
    head = Reals(np.zeros(1), np.ones(1), flat=True, loss=loss).head
    outputs = tf.fill([3, head.n_outputs], tf.constant(size, tf.float32))
    y = np.array([[0], [1], [size]], np.float32)
    losses, slope = head.row_losses(outputs, tf.constant(y))
    assert np.isfinite(losses).all()
    assert np.isfinite(slope).all()


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
    with pytest.raises(ValueError, match=r"^y has one class, 'a'; a .* least two classes\. If"):
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
    values, _ = target.mixture(iter([encoded]))
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


# What a regressor knows of its uncertainty -------------------------------------------------------


def reals(loss, n_columns=2):
    """A target of two columns of different units."""
    return Reals(np.array([10.0, -5])[:n_columns], np.array([2.0, 30])[:n_columns], False, loss)


def normal_outputs(target, mean, deviation):
    """What a network says of standardised targets (n, 2) that are normal."""
    if target.loss == "gaussian":
        spread = np.log(np.expm1(deviation**2 - 1e-6))
        return np.stack([mean, spread], axis=-1).reshape(len(mean), -1)
    q = mean[..., None] + deviation[..., None] * stats.norm.ppf(QUANTILE_LEVELS)
    return q.reshape(len(mean), -1)


@pytest.fixture
def normals(rng):
    return rng.normal(size=(6, 2)), rng.uniform(0.1, 2, size=(6, 2))


@pytest.mark.parametrize("loss", ["gaussian", "quantile"])
def test_moments_and_quantiles_of_normal_targets_are_in_the_units_of_y(loss, normals):
    target, (mean, deviation) = reals(loss), normals
    outputs = normal_outputs(target, mean, deviation)
    values, found = target.mixture(iter([outputs]))
    np.testing.assert_allclose(values, mean * [2, 30] + [10, -5])
    np.testing.assert_allclose(found, deviation * [2, 30])
    levels = np.array([0.01, 0.05, 0.123, 0.5, 0.77, 0.99])  # between those learnt too
    expected = stats.norm.ppf(levels, values[..., None], found[..., None])
    np.testing.assert_allclose(target.quantiles(outputs, levels), expected)


def test_quantiles_that_cross_are_sorted_and_those_learnt_come_back(rng):
    target, outputs = reals("quantile", 1), rng.normal(size=(5, N_LEVELS))
    found = target.quantiles(outputs, np.array(QUANTILE_LEVELS))[:, 0]
    np.testing.assert_allclose(found, np.sort(outputs) * 2 + 10, rtol=1e-12)
    between = target.quantiles(outputs, np.linspace(0.01, 0.99, 99))
    assert (np.diff(between) >= 0).all()


def test_a_mixture_has_the_moments_of_all_its_parts_together(rng):
    target, n = reals("gaussian"), 4
    parts = [(rng.normal(size=(6, 2)), rng.uniform(0.1, 2, size=(6, 2))) for _ in range(n)]
    values, found = target.mixture(normal_outputs(target, *part) for part in parts)
    means, deviations = np.swapaxes(parts, 0, 1)
    second = np.mean(means**2 + deviations**2, axis=0)  # of the raw moments
    np.testing.assert_allclose(values, means.mean(axis=0) * [2, 30] + [10, -5])
    np.testing.assert_allclose(found, np.sqrt(second - means.mean(axis=0) ** 2) * [2, 30])


# Temperatures -----------------------------------------------------------------------------------


@pytest.mark.parametrize("n_classes", [2, 3])
def test_rows_of_one_logit_get_the_temperature_that_tells_the_share_that_is_right(n_classes):
    # sigmoid(4 / T) = 3/4 where logits are 4 and three rows in four are right by weight.
    encoded, weight = np.repeat([[1], [0]], 5000, axis=0), np.repeat([3.0, 1.0], 5000)
    logits = np.full((10_000, 1), 4.0)
    target = Labels([np.arange(n_classes)], "single")
    if n_classes == 3:
        logits = np.hstack([0 * logits, logits, 0 * logits - 1e6])
    (found,) = target.temperatures(logits.astype(np.float32), encoded, weight)
    assert found == pytest.approx(4 / np.log(3), rel=2e-3)
    p = target.probabilities(logits, [found])
    np.testing.assert_allclose(p[:, 1], 3 / 4, rtol=1e-3)


def test_each_column_has_a_temperature_of_its_own(rng):
    logits = 3 * rng.normal(size=(500, 5)).astype(np.float32)
    encoded = np.column_stack([rng.integers(3, size=500), rng.integers(2, size=500)])
    weight = rng.uniform(0.5, 2, size=500)
    both = Labels([np.arange(3), np.arange(2)], "multioutput")
    found = both.temperatures(logits, encoded, weight)
    first = Labels([np.arange(3)], "single").temperatures(logits[:, :3], encoded[:, :1], weight)
    second = Labels([np.arange(2)], "single").temperatures(
        logits[:, 4:] - logits[:, 3:4], encoded[:, 1:], weight
    )
    np.testing.assert_allclose(found, [first[0], second[0]], rtol=1e-5)
    p = both.probabilities(logits, found)
    np.testing.assert_allclose(p[0], softmax(logits[:, :3] / first, axis=1), rtol=1e-4)
    np.testing.assert_allclose(p[1], softmax(logits[:, 3:] / second, axis=1), rtol=1e-4)


def test_a_few_rows_that_are_all_right_are_no_proof_of_certainty():
    logits, encoded = np.full((10, 1), 3.0), np.ones((10, 1))
    (found,) = Labels([np.arange(2)], "single").temperatures(logits, encoded, np.ones(10))
    # Where the derivative by log T of 10 log(1 + exp(-3 / T)) + (log T)^2 / 2 is zero.
    assert 10 * 3 / found * expit(-3 / found) == pytest.approx(-np.log(found), rel=1e-5)
    assert 0.5 < found < 1


# A target for each step -------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["gaussian", "quantile"])
def test_losses_of_steps_are_averaged_over_each_row(rng, loss):
    each = reals(loss)
    outputs = tf.constant(rng.normal(size=(3, 5, each.head.n_outputs)))
    y, lengths = rng.normal(size=(3, 5, 2)), np.array([5, 1, 3], np.int32)
    losses, slope = PerStep(each).head.row_losses(outputs, (tf.constant(y), tf.constant(lengths)))
    for i, n in enumerate(lengths):
        row, row_slope = each.head.row_losses(outputs[i, :n], tf.constant(y[i, :n]))
        assert float(losses[i]) == pytest.approx(np.mean(row))
        np.testing.assert_allclose(slope[i, :n], row_slope / n)
        assert not np.any(slope[i, n:])


@pytest.mark.parametrize("loss", ["gaussian", "quantile"])
def test_moments_and_quantiles_of_steps_are_those_of_rows_side_by_side(rng, loss):
    each, levels = reals(loss), np.array([0.1, 0.5])
    target, lengths = PerStep(each), [2, 4]
    samples = [rng.normal(size=(6, each.head.n_outputs)) for _ in range(3)]
    flat = each.mixture(iter(samples))
    ragged = [Sequences.of(sample, lengths) for sample in samples]
    for found, expected in zip(target.mixture(iter(ragged)), flat, strict=True):
        assert [len(part) for part in found] == lengths
        np.testing.assert_array_equal(np.concatenate(found), expected)
    full = target.mixture(sample.reshape(2, 3, -1) for sample in samples)
    np.testing.assert_array_equal(full[1], flat[1].reshape(2, 3, 2))
    expected = each.quantiles(samples[0], levels)
    np.testing.assert_array_equal(np.concatenate(target.quantiles(ragged[0], levels)), expected)


def test_steps_share_a_temperature_and_count_by_the_weights_of_their_rows(rng):
    each = Labels([np.arange(2)], "single")
    logits, encoded = 3 * rng.normal(size=(6, 1)), rng.integers(2, size=(6, 1))
    found = PerStep(each).temperatures(
        Sequences.of(logits, [2, 4]), Sequences.of(encoded, [2, 4]), np.array([2 * 1.0, 4 * 3.0])
    )
    expected = each.temperatures(logits, encoded, np.array([1.0, 1, 3, 3, 3, 3]))
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    p = PerStep(each).probabilities(logits.reshape(2, 3, 1), found)
    np.testing.assert_allclose(p[..., 1], expit(logits.reshape(2, 3) / found), rtol=1e-6)
