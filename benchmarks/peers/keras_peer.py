"""Keras itself: ``fit`` of a model compiled beforehand, and its scikit-learn wrapper."""

import os
import time

from worker import resident_mb, serve


def network(X, y, sizes=(100,), learning_rate=1e-2, dropout=0.0, weight_decay=0.0):
    """A compiled multilayer perceptron; y is one-hot."""
    import keras

    penalty = keras.regularizers.L2(weight_decay / 2) if weight_decay else None
    model = keras.Sequential([keras.Input(X.shape[1:])])
    for size in sizes:
        model.add(keras.layers.Dense(size, activation="relu", kernel_regularizer=penalty))
        if dropout:
            model.add(keras.layers.Dropout(dropout))
    model.add(keras.layers.Dense(y.shape[1], activation="softmax", kernel_regularizer=penalty))
    model.compile(keras.optimizers.Adam(learning_rate), "categorical_crossentropy")
    return model


def one_hot(data):
    import keras

    return keras.utils.to_categorical(data["y"])


def wrapper_fit(data, epochs, batch_size):
    from keras.wrappers import SKLearnClassifier

    model = SKLearnClassifier(network)

    def run():
        model.fit(data["X"], data["y"], epochs=epochs, batch_size=batch_size, verbose=0)

    return run


def fit(data, epochs, batch_size):
    y = one_hot(data)
    model = network(data["X"], y)

    def run():
        model.fit(data["X"], y, epochs=epochs, batch_size=batch_size, verbose=0)

    return run


def lenet(data, epochs, batch_size, jit_compile="auto", onednn=False):
    if onednn:  # where TensorFlow leaves it off, which it decides when it is loaded
        os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"
    import keras
    from keras import layers

    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(6, 5, padding="same", activation="tanh"),
            layers.AveragePooling2D(2),
            layers.Conv2D(16, 5, activation="tanh"),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dense(120, activation="tanh"),
            layers.Dense(84, activation="tanh"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(
        keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", jit_compile=jit_compile
    )
    X = data["X"].reshape(-1, 28, 28, 1).astype("float32") / 255

    def run():
        model.fit(X, data["y"], epochs=epochs, batch_size=batch_size, verbose=0)

    return run


def lstm(data, epochs, batch_size, units):
    import keras
    from keras import layers

    X = data["X"]
    unequal = data["lengths"].min() < X.shape[1]
    model = keras.Sequential(
        [
            keras.Input(X.shape[1:]),
            *([layers.Masking()] if unequal else []),
            layers.LSTM(units),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(keras.optimizers.Adam(1e-2, clipnorm=1.0), "binary_crossentropy")

    def run():
        model.fit(X, data["y"], epochs=epochs, batch_size=batch_size, verbose=0)

    return run


def search(data, candidates, epochs, batch_size):
    from keras.wrappers import SKLearnClassifier
    from sklearn.model_selection import GridSearchCV

    grid = {"model_kwargs": candidates}
    model = GridSearchCV(SKLearnClassifier(network), grid, cv=5, refit=False)

    def run():
        # As arguments of fit: the wrapper loses its fit_kwargs when it is cloned.
        model.fit(data["X"], data["y"], epochs=epochs, batch_size=batch_size, verbose=0)
        return {"best_score": model.best_score_}

    return run


def architectures(data, candidates, epochs, batch_size):
    return search(data, [{"sizes": sizes} for sizes in candidates], epochs, batch_size)


def first_fit(data, epochs, batch_size):
    return fit(data, epochs, batch_size)


def one_row(data, epochs, batch_size):
    model = network(data["X"], one_hot(data))
    row = data["X"][:1]
    return lambda: model.predict(row, verbose=0) is None


def widths(data, candidates, epochs, batch_size):
    from keras.wrappers import SKLearnClassifier

    model = SKLearnClassifier(network, model_kwargs={"sizes": (16,)})
    model.fit(data["X"], data["y"], epochs=1, verbose=0)

    def run():
        before = resident_mb()
        for candidate in candidates:
            model.set_params(model_kwargs={"sizes": candidate})
            model.fit(data["X"], data["y"], epochs=epochs, batch_size=batch_size, verbose=0)
            model.predict(data["X"])
        return {"growth_mb_each": (resident_mb() - before) / len(candidates)}

    return run


def sparse(data, shape, batch_size, epochs):
    """A compiled step on sparse rows, whose gradient and Adam update are dense.

    Keras's own ``fit`` takes no SciPy matrix; this is what a user would write for it.
    """
    import keras
    import numpy as np
    import scipy.sparse as sp
    import tensorflow as tf

    X = sp.csr_matrix((data["values"], data["columns"], data["starts"]), shape=shape)
    n_classes = int(data["y"].max()) + 1
    head = keras.Sequential([keras.Input((256,)), keras.layers.Dense(n_classes)])
    glorot = keras.initializers.GlorotUniform(0)
    kernel, bias = tf.Variable(glorot((shape[1], 256))), tf.Variable(tf.zeros(256))
    moments = [[tf.Variable(tf.zeros_like(v)) for v in [kernel, bias]] for _ in range(2)]
    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build(head.trainable_variables)

    def adam(variable, gradient, first, second, step):
        first.assign_add((gradient - first) * 0.1)
        second.assign_add((tf.square(gradient) - second) * 0.001)
        rate = 1e-3 * tf.sqrt(1 - 0.999**step) / (1 - 0.9**step)
        variable.assign_sub(rate * first / (tf.sqrt(second) + 1e-7))

    @tf.function
    def step(x, y, number):
        with tf.GradientTape() as tape:
            hidden = tf.nn.relu(tf.sparse.sparse_dense_matmul(x, kernel) + bias)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(y, head(hidden))
            loss = tf.reduce_mean(losses)
        weights = [kernel, bias, *head.trainable_variables]
        gradients = tape.gradient(loss, weights)
        for i, variable in enumerate([kernel, bias]):
            adam(variable, tf.convert_to_tensor(gradients[i]), moments[0][i], moments[1][i], number)
        optimizer.apply(gradients[2:])
        return loss

    batches = []
    for start in range(0, shape[0] - batch_size + 1, batch_size):
        part = X[start : start + batch_size].tocoo()
        places = np.stack([part.row, part.col], axis=1).astype(np.int64)
        rows = tf.sparse.reorder(tf.SparseTensor(places, part.data, part.shape))
        batches.append((rows, tf.constant(data["y"][start : start + batch_size])))
    step(*batches[0], tf.constant(1.0))

    def run():
        begun = time.perf_counter()
        for i, batch in enumerate(batches):
            step(*batch, tf.constant(i + 1.0))
        kernel.numpy()
        return {"step_seconds": (time.perf_counter() - begun) / len(batches)}

    return run


def bare_programs(data, mode, n_programs):
    """Growth for each bare loop of Adam steps of a network with one hidden layer.

    The least that TensorFlow takes for such a program: no row weights, validation, penalties,
    records or run-time numbers but the rate; the Python graph is dropped, freed memory returned.
    """
    import ctypes

    import numpy as np
    import tensorflow as tf

    n, width, n_classes = data["X"].shape[1], 64, int(data["y"].max()) + 1
    sizes = [n * width, width, width * n_classes, n_classes]
    activations = ["relu", "tanh", "elu", "gelu", "silu", "leaky_relu", "sigmoid", "softplus"]
    kept = []

    def add(activation, repeats):
        act = getattr(tf.nn, activation)

        def run(w, m, v, t, x, y, order, rate):
            def body(i, w, m, v, t):
                rows = tf.gather(order, i)
                with tf.GradientTape() as tape:
                    tape.watch(w)
                    w1, b1, w2, b2 = tf.split(w, sizes)
                    z = tf.matmul(tf.gather(x, rows), tf.reshape(w1, (n, width))) + b1
                    for _ in range(repeats):
                        z = act(z)
                    outputs = tf.matmul(z, tf.reshape(w2, (width, n_classes))) + b2
                    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
                        tf.gather(y, rows), outputs
                    )
                    loss = tf.reduce_mean(losses)
                g, t = tape.gradient(loss, w), t + 1
                m, v = m + 0.1 * (g - m), v + 0.001 * (g * g - v)
                step = rate * tf.sqrt(1 - 0.999**t) / (1 - 0.9**t)
                return i + 1, w - step * m / (tf.sqrt(v) + 1e-7), m, v, t

            return tf.while_loop(
                lambda i, *_: tf.not_equal(i, 10), body, (0, w, m, v, t), parallel_iterations=1
            )

        w = tf.random.normal((sum(sizes),), seed=0)
        rows = np.arange(320).reshape(10, 32) % len(data["X"])
        x, y = tf.constant(data["X"]), tf.constant(data["y"])
        arguments = (w, 0 * w, 0 * w, tf.constant(0.0), x, y, tf.constant(rows), tf.constant(0.01))
        function = tf.function(run, autograph=False).get_concrete_function(*arguments).inference_fn
        waiting = [function]
        while waiting:
            part = waiting.pop()
            part._cached_graph = None
            waiting += part.children
        function.call_flat(*arguments)
        kept.append(function)

    add("relu", 10)

    def run():
        before = resident_mb()
        for i in range(n_programs):
            add(activations[i % 8], 1 + i // 8)
        ctypes.CDLL(None).malloc_trim(0)
        return {"growth_mb_each": (resident_mb() - before) / n_programs}

    return run


if __name__ == "__main__":
    tasks = [wrapper_fit, fit, lenet, lstm, search, architectures, first_fit, one_row, widths]
    tasks += [sparse, bare_programs]
    serve({t.__name__: t for t in tasks}, ["keras", "tensorflow", "scikit-learn"])
