"""The gate: training that is not "loss, gradient, update", through the one loop.

Four steps: contrastive divergence for a restricted Boltzmann machine, a two-player GAN, k-means
(the worked example of the guide page, run from its source) and evolution strategies.
"""

import itertools
import pickle
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
from keras import ops
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from skdeep import engine
from skdeep.engine import random
from skdeep.engine.runtime import tf
from skdeep.hyperparameters import runtime_values
from skdeep.optimizers import Adam
from skdeep.schedules import Linear

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "engine.rst"


# Contrastive divergence -----------------------------------------------------------------------


def boltzmann_machine(n_sweeps):
    """p(v, h) ~ exp(v W h + v b + h c) over bits: persistent contrastive divergence [1]_.

    The gradient of the log-likelihood is the mean of (v h, v, h) over the data minus that over
    the model; the latter comes from chains that Gibbs sampling moves on with each step. They
    are state beside the weights.

    .. [1] Tieleman. Training restricted Boltzmann machines using approximations to the
       likelihood gradient. ICML, 2008, section 3.
    """

    def hidden(weights, v):
        return ops.sigmoid(v @ weights["w"] + weights["c"])

    def visible(weights, h):
        return ops.sigmoid(h @ ops.transpose(weights["w"]) + weights["b"])

    def draw(key, probability):
        return ops.cast(random.bernoulli(key, ops.shape(probability), probability), "float32")

    def statistics(weights, v, share):
        h = hidden(weights, v)
        totals = {"b": ops.sum(share * v, axis=0), "c": ops.sum(share * h, axis=0)}
        return {"w": ops.transpose(v) @ (share * h), **totals}

    def step(state, batch, key, hyper):
        weights = state["weights"]

        def sweep(i, v):
            h = draw(random.fold(key, 2 * i), hidden(weights, v))
            return draw(random.fold(key, 2 * i + 1), visible(weights, h))

        chains = ops.fori_loop(0, n_sweeps, sweep, state["chains"])
        positive = statistics(weights, batch.x, batch.weight[:, None] / batch.size)
        negative = statistics(weights, chains, 1 / chains.shape[0])
        new = {
            name: weights[name] + hyper["learning_rate"] * (positive[name] - negative[name])
            for name in weights
        }
        wrong = ops.square(batch.x - visible(weights, hidden(weights, batch.x)))
        error = engine.weighted_mean(ops.sum(wrong, axis=1), batch)
        return {"weights": new, "chains": chains}, {"reconstruction_error": error}

    def predict(weights, v, hyper):
        return hidden(weights, v)

    return engine.Program(
        key=("test_gate.boltzmann_machine", n_sweeps),
        step=step,
        logs=("reconstruction_error",),
        predict=predict,
    )


def untrained_machine(n_visible, n_hidden, n_chains, scale):
    rng = np.random.default_rng(0)
    shapes = {"w": (n_visible, n_hidden), "b": (n_visible,), "c": (n_hidden,)}
    weights = {name: rng.normal(0, scale, s).astype("float32") for name, s in shapes.items()}
    chains = rng.integers(0, 2, (n_chains, n_visible)).astype("float32")
    return {"weights": weights, "chains": chains}


def log_likelihood(weights, rows):
    """Mean log-probability of rows, by enumeration of all visible states."""
    w, b, c = (np.asarray(weights[name], float) for name in "wbc")

    def unnormalized(v):
        return v @ b + np.logaddexp(0, v @ w + c).sum(axis=1)

    every = np.array(list(itertools.product([0, 1], repeat=len(b))))
    return np.mean(unnormalized(rows)) - np.logaddexp.reduce(unnormalized(every))


def exact_gradient(weights, rows, width=1e-5):
    """Central differences of the log-likelihood."""

    def moved(name, index, by):
        copy = {n: np.array(v, float) for n, v in weights.items()}
        copy[name][index] += by
        return log_likelihood(copy, rows)

    gradient = {name: np.zeros(value.shape) for name, value in weights.items()}
    for name, value in gradient.items():
        for i in np.ndindex(value.shape):
            value[i] = (moved(name, i, width) - moved(name, i, -width)) / (2 * width)
    return gradient


def bars_and_stripes():
    """The 14 images of 3 x 3 whose rows, or columns, are each of one colour: (14, 9)."""
    bits = list(itertools.product([0, 1], repeat=3))
    return np.unique([f(b, 3) for b in bits for f in (np.repeat, np.tile)], axis=0).astype(
        "float32"
    )


@pytest.mark.parametrize("weight", [None, [1, 2, 3, 0, 1]])
def test_boltzmann_gradient_is_the_exact_one_by_enumeration(weight):
    rows = np.random.default_rng(1).integers(0, 2, (5, 6)).astype("float32")
    start = untrained_machine(6, 4, n_chains=20_000, scale=0.7)
    weight = None if weight is None else np.array(weight)
    # With a learning rate of 1, one step moves the weights by its gradient.
    after = engine.train(
        boltzmann_machine(n_sweeps=100),
        engine.Progress(start, seed=3),
        rows,
        weight=weight,
        epochs=1,
        batch_size=5,
        hyper={"learning_rate": 1.0},
    )
    repeated = rows if weight is None else np.repeat(rows, weight, axis=0)
    exact = exact_gradient(start["weights"], repeated)
    assert max(np.abs(value).max() for value in exact.values()) > 0.2
    for name, value in exact.items():
        moved = after.weights[name] - start["weights"][name]
        # A mean over 20,000 chains has a standard deviation of at most 0.0036.
        np.testing.assert_allclose(moved, value, atol=0.015)


def test_boltzmann_machine_learns_bars_and_stripes():
    images, n_epochs = bars_and_stripes(), 3000
    start = untrained_machine(9, 16, n_chains=64, scale=0.01)
    after = engine.train(
        boltzmann_machine(n_sweeps=1),
        engine.Progress(start, seed=0),
        images,
        epochs=n_epochs,
        batch_size=14,
        hyper={"learning_rate": 0.2},
        schedule=Linear(n_epochs),
    )
    independent = -9 * np.log(2)  # every pixel is on in half of the images
    perfect = -np.log(14)
    assert log_likelihood(start["weights"], images) < independent + 0.1
    assert independent + 2.5 < log_likelihood(after.weights, images) < perfect


def test_boltzmann_predict_is_the_posterior_of_the_hidden_bits():
    images, weights = bars_and_stripes(), untrained_machine(9, 5, 1, scale=1.0)["weights"]
    expected = 1 / (1 + np.exp(-(images @ weights["w"] + weights["c"])))
    found = engine.predict(boltzmann_machine(1), weights, images)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


# Two players ----------------------------------------------------------------------------------

N_LATENT = 8
RADIUS, SIGMA = 2.0, 0.1


def perceptron(n_inputs, n_outputs):
    def build():
        x = inputs = keras.Input((n_inputs,))
        for _ in range(2):
            x = keras.layers.LeakyReLU(0.2)(keras.layers.Dense(64)(x))
        return keras.Model(inputs, keras.layers.Dense(n_outputs)(x))

    return engine.Network(build)


def adversaries():
    """A generator and a discriminator that learn against each other, and their first state.

    Each step first moves the discriminator, then the generator against the moved one, by the
    non-saturating losses [1]_ and a penalty on the discriminator's slope at the data [2]_.
    What samples in the end is a running mean of generators.

    .. [1] Goodfellow et al. Generative adversarial nets. NeurIPS, 2014, algorithm 1.
    .. [2] Mescheder, Geiger, Nowozin. Which training methods for GANs do actually converge?
       ICML, 2018, equation 9.
    """
    generator, discriminator = perceptron(N_LATENT, 2), perceptron(2, 1)
    optimizer = Adam()

    def generate(arrays, latent):
        weights = {"trainable": arrays, "fixed": ops.zeros(0)}
        return generator.apply(weights, latent, training=True)[0]

    def realness(arrays, points):
        weights = {"trainable": arrays, "fixed": ops.zeros(0)}
        return discriminator.apply(weights, points, training=True)[0][:, 0]

    def step(state, batch, key, hyper):
        players = state["players"]
        n = batch.x.shape[0]
        latent = random.normal(random.fold(key, 0), (n, N_LATENT))
        fake = generate(players["generator"]["vector"], latent)

        def mistaken(arrays):
            with tf.GradientTape() as tape:
                tape.watch(batch.x)
                real = realness(arrays, batch.x)
            slope = ops.sum(ops.square(tape.gradient(real, batch.x)), axis=1)
            losses = ops.softplus(-real) + ops.softplus(realness(arrays, fake))
            return engine.weighted_mean(losses + hyper["penalty"] / 2 * slope, batch), ()

        def found_out(arrays):
            losses = ops.softplus(-realness(judge["vector"], generate(arrays, latent)))
            return engine.weighted_mean(losses, batch), ()

        def play(name, network, loss):
            vector, slots = players[name]["vector"], players[name]["slots"]
            value, _, gradient = engine.value_and_gradient(loss, network.trainable, vector)
            rates = {"learning_rate": hyper["learning_rate"], "optimizer": hyper[name]}
            vector, slots = engine.descend(optimizer, vector, gradient, slots, rates)
            return value, {"vector": vector, "slots": slots}

        judge_loss, judge = play("discriminator", discriminator, mistaken)
        forger_loss, forger = play("generator", generator, found_out)
        mean = state["weights"] + hyper["averaging"] * (forger["vector"] - state["weights"])
        state = {"weights": mean, "players": {"discriminator": judge, "generator": forger}}
        return state, {"discriminator_loss": judge_loss, "generator_loss": forger_loss}

    def predict(weights, latent, hyper):
        return generate(weights, latent)

    program = engine.Program(
        key="test_gate.adversaries",
        step=step,
        logs=("discriminator_loss", "generator_loss"),
        predict=predict,
    )
    rng = np.random.default_rng(0)
    networks = {"discriminator": discriminator, "generator": generator}
    vectors = {name: network.initial(rng)["trainable"] for name, network in networks.items()}
    players = {n: {"vector": v, "slots": optimizer.initial(v)} for n, v in vectors.items()}
    return program, {"weights": vectors["generator"], "players": players}


ADVERSARIAL_RATES = {
    "learning_rate": 1e-3,
    "generator": runtime_values(Adam(beta_1=0.5)),
    "discriminator": runtime_values(Adam(beta_1=0.5)),
    "averaging": 0.01,
    "penalty": 0.1,
}


def ring(n):
    """Points of eight Gaussians on a circle, (n, 2) float32, and their centres (8, 2)."""
    rng = np.random.default_rng(0)
    angle = 2 * np.pi * np.arange(8) / 8
    centres = RADIUS * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points = centres[rng.integers(0, 8, n)] + SIGMA * rng.normal(size=(n, 2))
    return points.astype("float32"), centres


def test_adversaries_cover_all_eight_modes_of_a_ring():
    (points, centres), (program, start) = ring(4096), adversaries()
    after = engine.train(
        program,
        engine.Progress(start, seed=0),
        points,
        epochs=300,
        batch_size=256,
        hyper=ADVERSARIAL_RATES,
        schedule=Linear(300),
    )
    latent = np.random.default_rng(1).normal(size=(8000, N_LATENT)).astype("float32")
    samples = engine.predict(program, after.weights, latent)
    distance = np.linalg.norm(samples[:, None] - centres, axis=2)
    good = distance.min(axis=1) < 3 * SIGMA
    assert good.mean() > 0.7
    counts = np.bincount(distance.argmin(axis=1)[good], minlength=8)
    assert counts.min() > 8000 / 8 / 4


# The guide's worked example -------------------------------------------------------------------


@pytest.fixture(scope="module")
def guide():
    """What the code blocks of the guide page define, run in order."""
    source, within = [], False
    for line in GUIDE.read_text().splitlines():
        if line.startswith(".. code-block:: python"):
            within = True
        elif line and not line.startswith(" "):
            within = False
        elif within:
            source.append(line.removeprefix("    "))
    names: dict[str, Any] = {}
    exec(compile("\n".join(source), GUIDE.name, "exec"), names)
    return names


def test_guide_examples_arrive_where_the_page_says(guide):
    assert guide["ten"].history["inertia"][-1] == pytest.approx(2, abs=0.3)
    truth = guide["x"] > 3
    for cluster in range(4):
        mine = truth[guide["labels"] == cluster]
        assert np.mean(mine == np.round(mine.mean(axis=0))) > 0.99
    prediction = engine.predict(guide["regression"], guide["fitted"].weights, guide["x"])
    np.testing.assert_allclose(prediction, guide["y"], atol=0.02)


@pytest.mark.parametrize("weighted", [False, True])
def test_k_means_without_memory_is_lloyds_algorithm(guide, weighted):
    x = guide["x"]
    weight = np.random.default_rng(3).integers(0, 4, len(x)) if weighted else None
    start = {"weights": {"centres": x[:4]}, "counts": np.zeros(4, "float32")}
    found = engine.train(
        guide["k_means"](),
        engine.Progress(start),
        x,
        weight=weight,
        epochs=3,
        batch_size=1000,
        hyper={"memory": 0.0},
    )
    lloyd = KMeans(4, init=x[:4], n_init=1, max_iter=3, tol=0, algorithm="lloyd")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        lloyd.fit(x, sample_weight=weight)
    np.testing.assert_allclose(found.weights["centres"], lloyd.cluster_centers_, rtol=1e-4)


# A third step, written from the guide alone ---------------------------------------------------

N_OFFSPRING = 64


def evolution_strategy(network, optimizer):
    """Descent without a derivative: losses at mirrored random offsets tell the slope [1]_.

    g = 1/(2 n s) sum_j (L(w + s e_j) - L(w - s e_j)) e_j, for standard normal e_j.

    .. [1] Salimans et al. Evolution strategies as a scalable alternative to reinforcement
       learning. arXiv:1703.03864, 2017, section 2.
    """

    def row_losses(vector, fixed, batch):
        outputs, _ = network.apply(
            {"trainable": vector, "fixed": fixed}, batch.x, training=True, weight=batch.weight
        )
        return ops.square(outputs[:, 0] - batch.y)

    def step(state, batch, key, hyper):
        vector, fixed = state["weights"]["trainable"], state["weights"]["fixed"]
        offsets = random.normal(key, (N_OFFSPRING, vector.shape[0]))

        def fitness(offset):
            return engine.weighted_mean(row_losses(vector + offset, fixed, batch), batch)

        reach = hyper["reach"]
        slopes = ops.vectorized_map(lambda e: fitness(reach * e) - fitness(-reach * e), offsets)
        gradient = ops.mean(slopes[:, None] * offsets, axis=0) / (2 * reach)
        new, slots = engine.descend(optimizer, vector, gradient, state["optimizer"], hyper)
        loss = fitness(ops.zeros_like(vector))
        weights = {"trainable": new, "fixed": fixed}
        return {"weights": weights, "optimizer": slots}, {"loss": loss}

    def evaluate(weights, batch, hyper):
        return row_losses(weights["trainable"], weights["fixed"], batch)

    return engine.Program(key="test_gate.evolution_strategy", step=step, evaluate=evaluate)


def linear_network():
    def build():
        rows = keras.Input((3,))
        return keras.Model(rows, keras.layers.Dense(1)(rows))

    return engine.Network(build)


def evolving_line():
    """The program, its first state, and rows and targets of a noisy line."""
    network, adam = linear_network(), Adam()
    weights = network.initial(np.random.default_rng(0))
    rng = np.random.default_rng(1)
    x = rng.normal(size=(500, 3)).astype("float32")
    y = x @ np.array([1, -2, 3], "float32") + 0.5 + rng.normal(size=500).astype("float32")
    start = {"weights": weights, "optimizer": adam.initial(weights["trainable"])}
    return evolution_strategy(network, adam), start, x, y


EVOLUTION_RATES = {"learning_rate": 0.1, "reach": 0.1, "optimizer": runtime_values(Adam())}


def test_evolution_strategy_finds_the_least_squares_line():
    program, start, x, y = evolving_line()
    fitted = engine.train(
        program,
        engine.Progress(start, seed=0),
        x,
        y,
        epochs=300,
        batch_size=500,
        hyper=EVOLUTION_RATES,
        schedule=Linear(300),
    )
    best, *_ = np.linalg.lstsq(np.c_[x, np.ones(500)], y)
    np.testing.assert_allclose(fitted.weights["trainable"], best, atol=0.01)


def test_early_stopping_keeps_the_best_weights_of_any_step():
    program, start, x, y = evolving_line()
    fitted = engine.train(
        program,
        engine.Progress(start, seed=0),
        x[:400],
        y[:400],
        epochs=200,
        batch_size=50,
        hyper=EVOLUTION_RATES | {"learning_rate": 0.5},  # too large to settle
        validation=(x[400:], y[400:], None),
        patience=5,
    )
    assert fitted.epoch == fitted.best_epoch + 6 < 200
    assert fitted.best_value == min(fitted.history["val_loss"])
    slopes, offset = fitted.weights["trainable"][:3], fitted.weights["trainable"][3]
    loss = np.mean((x[400:] @ slopes + offset - y[400:]) ** 2)
    assert loss == pytest.approx(fitted.best_value, rel=1e-5)


# What the loop promises to every step ---------------------------------------------------------


class Case(NamedTuple):
    """A program, its first state, and the arguments of ``train``."""

    program: engine.Program
    start: dict
    data: tuple
    batch_size: int
    hyper: dict


@pytest.fixture(params=["chains", "chains in small batches", "players", "k-means", "evolution"])
def case(request, guide):
    if request.param.startswith("chains"):
        batch_size = 14 if request.param == "chains" else 4  # the last batch of 14 rows has two
        start = untrained_machine(9, 16, n_chains=64, scale=0.01)
        rates = {"learning_rate": 0.2}
        return Case(boltzmann_machine(1), start, (bars_and_stripes(),), batch_size, rates)
    if request.param == "players":
        program, start = adversaries()
        return Case(program, start, (ring(4096)[0],), 256, ADVERSARIAL_RATES)
    if request.param == "k-means":
        start = {"weights": {"centres": guide["x"][:4]}, "counts": np.zeros(4, "float32")}
        return Case(guide["k_means"](), start, (guide["x"],), 300, {"memory": 1.0})
    program, start, x, y = evolving_line()
    return Case(program, start, (x, y), 64, EVOLUTION_RATES)


def run(case, epochs, progress=None, seed=7, **how):
    return engine.train(
        case.program,
        progress or engine.Progress(case.start, seed=seed),
        *case.data,
        epochs=epochs,
        batch_size=case.batch_size,
        hyper=case.hyper,
        schedule=Linear(20),
        **how,
    )


def assert_same_bits(first, second):
    for one, other in zip(leaves(first.state), leaves(second.state), strict=True):
        np.testing.assert_array_equal(one, other)
    assert first.history == second.history


def leaves(nest):
    """The arrays of nested dicts."""
    if isinstance(nest, dict):
        return [array for name in sorted(nest) for array in leaves(nest[name])]
    return [nest]


def test_same_seed_gives_the_same_bits_and_another_seed_others(case):
    first = run(case, 10)
    assert_same_bits(first, run(case, 10))
    assert all(np.isfinite(values).all() for values in first.history.values())
    assert first.history != run(case, 10, seed=8).history


def test_five_epochs_pickled_and_five_more_are_ten(case):
    five = pickle.loads(pickle.dumps(run(case, 5)))
    assert five.epoch == 5
    assert_same_bits(run(case, 10), run(case, 5, progress=five))


def test_where_calls_end_changes_nothing(case):
    seen = []
    watched = run(case, 10, callbacks=[lambda state: seen.append(state.epoch)])
    assert seen == list(range(10))
    assert_same_bits(run(case, 10), watched)


def test_cold_cache_gives_the_same_bits(guide):
    start = {"weights": {"centres": guide["x"][:4]}, "counts": np.zeros(4, "float32")}
    case = Case(guide["k_means"](), start, (guide["x"],), 300, {"memory": 1.0})
    warm, misses = run(case, 10), engine.cache_info().misses
    run(case._replace(program=guide["k_means"]()), 10)
    assert engine.cache_info().misses == misses  # an equal key finds the compiled program
    engine.cache_clear()
    assert_same_bits(warm, run(case, 10))
