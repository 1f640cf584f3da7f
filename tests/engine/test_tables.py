"""Wide sparse tables against updates of the whole kernel in numpy."""

import keras
import numpy as np
import pytest
import scipy.sparse as sp
from keras import ops

from skdeep import MLPClassifier, engine
from skdeep.engine import Network, Program, Progress, rows, tables, train
from skdeep.engine.runtime import tf
from skdeep.layers import Bias
from skdeep.optimizers import SGD, Adam

N_COLUMNS, WIDTH = 5000, 2


@pytest.fixture(scope="module")
def wide():
    """24 rows of few entries in 5,000 columns, of which 30 are ever used; and targets."""
    rng = np.random.default_rng(0)
    X = sp.lil_matrix((24, N_COLUMNS), dtype=np.float32)
    X[:, rng.choice(N_COLUMNS, 30, replace=False)] = rng.normal(size=(24, 30)) * (
        rng.random((24, 30)) < 0.3
    )
    return X.tocsr(), rng.normal(size=(24, WIDTH)).astype(np.float32)


@pytest.fixture(scope="module")
def network():
    def build():
        inputs = keras.Input((WIDTH,))
        return keras.Model(inputs, Bias(name="bias")(inputs))

    return Network(build)


def fit(network, optimizer, hyper, X, y, **how):
    """A linear model of wide rows: the table and the bias."""

    def loss(outputs, batch, hyper):
        return ops.mean(ops.square(outputs - batch.y), axis=-1)

    def evaluate(weights, batch, hyper):
        product = tables.product_with(weights["table"], batch.x)
        return loss(network.apply(weights, product, training=False)[0], batch, hyper)

    def outputs(weights, x, hyper):
        product = tables.product_with(weights["table"], x)
        return network.apply(weights, product, training=False)[0]

    key = ("wide linear", type(optimizer).__name__)
    step = engine.gradient_step(network, loss, optimizer)
    program = Program(key, step, evaluate=evaluate, predict=outputs)
    progress = how.pop("progress", None)
    if progress is None:
        weights = network.initial(np.random.default_rng(0))
        table = np.random.default_rng(1).normal(size=(N_COLUMNS, WIDTH)).astype(np.float32)
        slots = optimizer.initial(table)
        del slots["t"]
        state = {"weights": weights, "optimizer": optimizer.initial(weights["trainable"])}
        progress = Progress(state | {"tables": {"weights": table, **slots}})
    return program, train(program, progress, X, y, hyper=hyper, **how)


SGD_NUMBERS = {"learning_rate": 0.5, "optimizer": {"momentum": 0.0}}


def start_table():
    return np.random.default_rng(1).normal(size=(N_COLUMNS, WIDTH)).astype(np.float32)


def test_touched_rows_descend_as_in_a_dense_kernel(wide, network):
    X, y = wide
    _, progress = fit(network, SGD(), SGD_NUMBERS, X, y, epochs=3, batch_size=8, shuffle=False)
    table, bias, dense = start_table().astype(float), np.zeros(WIDTH), X.toarray().astype(float)
    for _ in range(3):
        for start in range(0, 24, 8):
            x, wanted = dense[start : start + 8], y[start : start + 8]
            error = 2 * (x @ table + bias - wanted) / (8 * WIDTH)
            table, bias = table - 0.5 * x.T @ error, bias - 0.5 * error.sum(axis=0)
    np.testing.assert_allclose(progress.weights["table"], table, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(progress.weights["trainable"], bias, rtol=1e-4, atol=1e-6)


def test_untouched_rows_keep_their_weights_and_their_means(wide, network):
    X, y = wide
    numbers = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}
    hyper = {"learning_rate": 0.1, "optimizer": numbers}
    _, progress = fit(network, Adam(), hyper, X, y, epochs=2, batch_size=24)
    part, start = progress.state["tables"], start_table()
    touched = np.unique(X.indices)
    untouched = np.setdiff1d(np.arange(N_COLUMNS), touched)
    np.testing.assert_array_equal(part["weights"][untouched], start[untouched])
    assert not part["mean"][untouched].any()
    assert not part["mean_square"][untouched].any()
    # By hand, two steps of Adam on the touched rows.
    table, bias, dense = start.astype(float), np.zeros(WIDTH), X.toarray().astype(float)
    mean, square = np.zeros_like(table), np.zeros_like(table)
    bias_mean, bias_square = np.zeros(WIDTH), np.zeros(WIDTH)
    for t in (1, 2):
        error = 2 * (dense @ table + bias - y) / (24 * WIDTH)
        rate = 0.1 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        for w, m, v, g in (
            (table, mean, square, dense.T @ error),
            (bias, bias_mean, bias_square, error.sum(axis=0)),
        ):
            m += 0.1 * (g - m)
            v += 0.001 * (g**2 - v)
            w -= rate * m / (np.sqrt(v) + 1e-7)
    np.testing.assert_allclose(part["weights"][touched], table[touched], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(progress.weights["trainable"], bias, rtol=1e-3, atol=1e-4)


def test_weight_decay_acts_on_touched_rows(wide, network):
    X, y = wide
    hyper = SGD_NUMBERS | {"weight_decay": 0.2}
    _, with_decay = fit(network, SGD(), hyper, X, y, epochs=1, batch_size=24)
    _, without = fit(network, SGD(), SGD_NUMBERS, X, y, epochs=1, batch_size=24)
    difference = without.weights["table"] - with_decay.weights["table"]
    touched = np.unique(X.indices)
    np.testing.assert_allclose(
        difference[touched], 0.5 * 0.2 * start_table()[touched], rtol=1e-3, atol=1e-6
    )
    assert np.count_nonzero(difference.any(axis=1)) == len(touched)


def test_three_epochs_and_three_more_are_six(wide, network):
    how = {"batch_size": 8}
    hyper = {"learning_rate": 0.1, "optimizer": {"momentum": 0.9}}
    _, six = fit(network, SGD(), hyper, *wide, epochs=6, **how)
    _, three = fit(network, SGD(), hyper, *wide, epochs=3, **how)
    _, again = fit(network, SGD(), hyper, *wide, epochs=3, progress=three, **how)
    for name, part in six.state["tables"].items():
        np.testing.assert_array_equal(again.state["tables"][name], part)
    assert again.history == six.history


@pytest.mark.parametrize("watched", ["validation", "score"])
def test_early_stopping_keeps_the_table_of_the_best_epoch(wide, network, watched):
    X, y = wide
    hyper = {"learning_rate": 1.0, "optimizer": {"momentum": 0.0}}
    tables_by_epoch, losses = [], []

    def watch(state):
        tables_by_epoch.append(state.weights["table"])

    def loss_of(weights):
        outputs = X @ weights["table"] + weights["trainable"]
        # Wants the targets' double after some epochs: the loss falls, then rises again.
        return np.mean((np.asarray(outputs) - 0.5 * y) ** 2)

    def score(weights):
        losses.append(loss_of(weights))
        return -losses[-1]

    how = {
        "validation": {"validation": (X, 0.5 * y, None)},
        "score": {"score": score},
    }[watched]
    _, fitted = fit(
        network, SGD(), hyper, X, y, epochs=300, batch_size=24, patience=2, callbacks=[watch], **how
    )
    assert 0 < fitted.best_epoch == fitted.epoch - 3
    np.testing.assert_array_equal(fitted.weights["table"], tables_by_epoch[fitted.best_epoch])
    np.testing.assert_array_equal(fitted.state["tables"]["weights"], tables_by_epoch[-1])
    values = fitted.history["val_loss"] if watched == "validation" else losses
    assert np.argmin(values) == fitted.best_epoch


def test_tables_are_empty_between_fits(wide, network):
    program, _ = fit(network, SGD(), SGD_NUMBERS, *wide, epochs=1, batch_size=24)
    key = (program.key, ("weights", "velocity"), WIDTH, "float32", 0)
    held = engine.programs.get("tables", key, lambda: pytest.fail("another key"))
    assert {name: part.shape for name, part in held.unload().items()} == {
        "weights": (0, WIDTH),
        "velocity": (0, WIDTH),
    }
    assert held.unload_best().shape == (0, WIDTH)


def test_predict_is_the_product_with_the_table(wide, network):
    X, y = wide
    program, progress = fit(network, SGD(), SGD_NUMBERS, X, y, epochs=1, batch_size=24)
    weights = progress.weights
    expected = X @ weights["table"] + weights["trainable"]
    np.testing.assert_allclose(engine.predict(program, weights, X), expected, rtol=1e-4, atol=1e-5)
    empty = sp.csr_matrix((3, N_COLUMNS), dtype=np.float32)
    np.testing.assert_allclose(
        engine.predict(program, weights, empty), np.tile(weights["trainable"], (3, 1)), rtol=1e-5
    )


def test_products_are_scipys():
    rng = np.random.default_rng(0)
    X = sp.random(70, N_COLUMNS, density=0.002, format="csr", random_state=rng, dtype=np.float32)
    table = rng.normal(size=(N_COLUMNS, 3)).astype(np.float32)
    narrow, touched = tables.compact(X, table)
    assert narrow.shape[1] == len(touched) == len(np.unique(X.indices))
    np.testing.assert_allclose(narrow @ touched, X @ table, rtol=1e-5, atol=1e-6)
    batch = rows.take(rows.to_device(X), tf.constant([5, 5, 0, 69]))
    ours = tables.product_with(tf.constant(table), batch)
    np.testing.assert_allclose(ours, (X @ table)[[5, 5, 0, 69]], rtol=1e-5, atol=1e-6)


def test_wide_sparse_classifier_learns_what_a_dense_one_does(wide):
    X, _ = wide
    column = np.bincount(X.indices).argmax()
    y = (X[:, [column]].toarray()[:, 0] != 0).astype(int)
    model = MLPClassifier(
        hidden_layer_sizes=(8,), epochs=60, batch_size=24, learning_rate=0.05, random_state=0
    )
    sparse = model.fit(X, y)
    table = sparse._fitted.progress.weights["table"]
    assert table.shape == (N_COLUMNS, 64)
    assert not table[:, 8:].any()
    assert sparse.score(X, y) == 1
    # As the dense network that it is, except for rounding.
    arrays = sparse.decision_function(X)
    hidden = np.maximum(X @ table + bias_of(sparse), 0)
    np.testing.assert_allclose(sparse.transform(X), hidden[:, :8], rtol=1e-4, atol=1e-5)
    assert arrays.shape == (24,)


def bias_of(model):
    network = model.network_
    return np.pad(network.get_layer("hidden_0").bias.value.numpy(), (0, 56))
