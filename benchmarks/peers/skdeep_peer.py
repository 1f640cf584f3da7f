"""Our side of each figure; runs in the environment that runs run.py."""

import numpy as np
from worker import resident_mb, serve


def mlp(epochs, batch_size, hidden_layer_sizes=(100,)):
    from skdeep import MLPClassifier

    return MLPClassifier(
        epochs=epochs,
        batch_size=batch_size,
        hidden_layer_sizes=hidden_layer_sizes,
        random_state=0,
    )


def fit(data, **settings):
    model = mlp(**settings)

    def run():
        model.fit(data["X"], data["y"])

    return run


def own_fit(data, epochs, batch_size):
    from skdeep import NetworkClassifier

    def network(input_shape, n_outputs):
        import keras

        rows = keras.Input(input_shape)
        x = keras.layers.Dense(100, activation="relu")(rows)
        return keras.Model(rows, keras.layers.Dense(n_outputs, activation="softmax")(x))

    model = NetworkClassifier(model=network, epochs=epochs, batch_size=batch_size, random_state=0)

    def run():
        model.fit(data["X"], data["y"])

    return run


def lenet(data, epochs, batch_size):
    from skdeep import CNNClassifier

    model = CNNClassifier(
        architecture="lenet5",
        image_shape=(28, 28),
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=1e-3,
        random_state=0,
    )

    def run():
        model.fit(data["X"], data["y"])

    return run


def lstm(data, epochs, batch_size, units):
    from skdeep import RNNClassifier

    X, lengths = data["X"], data["lengths"]
    if lengths.min() < X.shape[1]:
        X = [row[:n] for row, n in zip(X, lengths)]
    model = RNNClassifier(
        hidden_layer_sizes=(units,), epochs=epochs, batch_size=batch_size, random_state=0
    )

    def run():
        model.fit(X, data["y"])

    return run


def search(data, candidates, epochs, batch_size):
    from sklearn.model_selection import GridSearchCV

    grid = [{name: [value] for name, value in c.items()} for c in candidates]
    model = GridSearchCV(mlp(epochs, batch_size), grid, cv=5, refit=False)
    from skdeep import engine  # the import of TensorFlow belongs to another figure

    def run():
        model.fit(data["X"], data["y"])
        return {"best_score": model.best_score_, **programs(engine)}

    return run


def architectures(data, candidates, epochs, batch_size):
    named = [{"hidden_layer_sizes": tuple(sizes)} for sizes in candidates]
    return search(data, named, epochs, batch_size)


def first_fit(data, epochs, batch_size):
    return fit(data, epochs=epochs, batch_size=batch_size)


def one_row(data, epochs, batch_size):
    model = mlp(epochs, batch_size).fit(data["X"], data["y"])
    row = data["X"][:1]
    return lambda: None if model.predict(row).shape == (1,) else 1 / 0


def memory_refits(data, refits):
    model = mlp(epochs=20, batch_size=32)
    for _ in range(20):
        model.fit(data["X"], data["y"])

    def run():
        before = resident_mb()
        for _ in range(refits):
            model.fit(data["X"], data["y"])
        return {"growth_mb": resident_mb() - before}

    return run


def memory_programs(data, mode, n_programs):
    """Growth for each new structure of network: as many depths and activations as asked for."""
    import skdeep
    from skdeep import engine
    from skdeep.tabular.mlp import ACTIVATIONS

    structures = [((32,) * depth, a) for depth in (1, 2, 3) for a in sorted(ACTIVATIONS)]

    def fit_new(sizes, activation):
        model = mlp(epochs=2, batch_size=32, hidden_layer_sizes=sizes)
        with skdeep.config_context(compile=mode):
            model.set_params(activation=activation).fit(data["X"], data["y"])

    fit_new(*structures[-1])

    def run():
        before, programs_before = resident_mb(), programs(engine)["programs"]
        for structure in structures[:n_programs]:
            fit_new(*structure)
        new = programs(engine)["programs"] - programs_before
        assert new == n_programs, new
        return {"growth_mb_each": (resident_mb() - before) / new}

    return run


def widths(data, candidates, epochs, batch_size):
    from skdeep import engine

    mlp(epochs, batch_size, (16,)).fit(data["X"], data["y"])
    engine.cache_clear()

    def run():
        before = resident_mb()
        for candidate in candidates:
            model = mlp(epochs, batch_size, tuple(candidate)).fit(data["X"], data["y"])
            model.predict(data["X"])
        growth = (resident_mb() - before) / len(candidates)
        return {"growth_mb_each": growth, **programs(engine)}

    return run


def programs(engine):
    """How many were compiled in this process."""
    kinds = engine.cache_info().kinds
    return {
        "programs": sum(n for kind, n in kinds.items() if kind.split()[0] in ("train", "predict"))
    }


def sparse(data, shape, batch_size, epochs):
    import scipy.sparse as sp

    X = sp.csr_matrix((data["values"], data["columns"], data["starts"]), shape=shape)
    steps = -(-shape[0] // batch_size)
    models = [mlp(e, batch_size, (256,)).set_params(learning_rate=1e-3) for e in epochs]
    return slope(lambda i: models[i].fit(X, data["y"]), epochs, steps)


def slope(fit_epochs, epochs, steps_per_epoch):
    """A step's time, from fits of different length: set-up and read-out cancel."""
    import time

    def run():
        seconds = []
        for i in range(2):
            begun = time.perf_counter()
            fit_epochs(i)
            seconds.append(time.perf_counter() - begun)
        per_step = (seconds[1] - seconds[0]) / ((epochs[1] - epochs[0]) * steps_per_epoch)
        return {"step_seconds": per_step, "fit_seconds": seconds[0]}

    return run


def import_package(data):
    def run():
        import sys
        import time

        begun = time.perf_counter()
        import skdeep

        seconds = time.perf_counter() - begun
        found = {"import_seconds": seconds, "tensorflow_loaded": int("tensorflow" in sys.modules)}
        _ = skdeep.MLPClassifier()  # public names are loaded when they are first used
        return found | {"first_estimator_seconds": time.perf_counter() - begun}

    return run


def accuracy(data, kind, settings):
    import skdeep

    model = getattr(skdeep, kind)(random_state=0, **settings)
    X, X_test = data["X_train"], data["X_test"]
    if kind == "MLPClassifier":
        X, X_test = (a.reshape(len(a), -1).astype(np.float32) / 255 for a in (X, X_test))

    def run():
        model.fit(X, data["y_train"])
        return {"accuracy": model.score(X_test, data["y_test"])}

    return run


def adding(data, **settings):
    from skdeep import RNNRegressor

    X, y, n = data["X"], data["y"], -int(data["n_test"])
    model = RNNRegressor(random_state=0, **settings)

    def run():
        model.fit(X[:n], y[:n])
        return {"mean_squared_error": float(np.mean((model.predict(X[n:]) - y[n:]) ** 2))}

    return run


def tagging(data, epochs):
    from skdeep import RNNClassifier

    ends, n = np.cumsum(data["lengths"])[:-1], -int(data["n_test"])
    X, y = (np.split(data[name], ends) for name in ("tokens", "tags"))
    model = RNNClassifier(bidirectional=True, embedding_size=16, epochs=epochs, random_state=0)

    def run():
        model.fit(X[:n], y[:n])
        return {"accuracy": model.score(X[n:], y[n:])}

    return run


def texts(data, parameters, seeds):
    from skdeep import RNNClassifier

    X, y, n = data["texts"].tobytes().decode().split("\0"), data["y"], -int(data["n_test"])

    def run():
        scores = [
            RNNClassifier(random_state=seed, **parameters).fit(X[:n], y[:n]).score(X[n:], y[n:])
            for seed in range(seeds)
        ]
        return {"accuracy": float(np.mean(scores)), "least_accuracy": min(scores)}

    return run


if __name__ == "__main__":
    tasks = [
        adding,
        tagging,
        texts,
        fit,
        own_fit,
        lenet,
        lstm,
        search,
        architectures,
        first_fit,
    ]
    tasks += [one_row, memory_refits, memory_programs, widths, sparse, import_package, accuracy]
    serve({t.__name__: t for t in tasks}, ["scikit-learn", "tensorflow", "keras"])
