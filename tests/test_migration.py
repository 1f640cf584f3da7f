"""The quick starts of the libraries that docs/guide/migration.rst leads away from, renamed.

Each part is the published example with its names replaced as the page's table says, at the
defaults of here. ORIGINAL has what the examples themselves reach at their own defaults, scikeras
0.13 and Keras 3.15, seed 0: accuracy or R2 on the rows that they were fitted on, of the grid search
its best score.
"""

import numpy as np
import pytest
from sklearn.datasets import make_classification, make_moons, make_regression
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skdeep import NetworkClassifier, NetworkRegressor, NetworkTransformer

# isort: split
import keras
from keras.layers import Dense, Input
from keras.models import Model

ORIGINAL = {
    "quick start": 0.734,
    "pipeline": 0.714,
    "grid search": 0.747,
    "sigmoid": 0.712,
    "regression": 0.005,
    "keras.wrappers classifier": 0.958,
    "keras.wrappers regressor": 0.086,
}

# scikeras: its quick start -------------------------------------------------------------------


@pytest.fixture(scope="module")
def toy():
    X, y = make_classification(1000, 20, n_informative=10, random_state=0)
    return X.astype(np.float32), y.astype(np.int64)


def get_model(hidden_layer_dim, meta):
    n_features_in_ = meta["n_features_in_"]
    X_shape_ = meta["X_shape_"]
    n_classes_ = meta["n_classes_"]
    model = keras.models.Sequential()
    model.add(keras.layers.Input(X_shape_[1:]))
    model.add(keras.layers.Dense(n_features_in_))
    model.add(keras.layers.Activation("relu"))
    model.add(keras.layers.Dense(hidden_layer_dim))
    model.add(keras.layers.Activation("relu"))
    model.add(keras.layers.Dense(n_classes_))
    model.add(keras.layers.Activation("softmax"))
    return model


@pytest.fixture(scope="module")
def clf():
    return NetworkClassifier(
        model=get_model,
        loss="sparse_categorical_crossentropy",
        model__hidden_layer_dim=100,
        epochs=10,
        random_state=0,
    )


def test_scikeras_quick_start(toy, clf):
    y_proba = clf.fit(*toy).predict_proba(toy[0])
    assert y_proba.shape == (1000, 2)
    assert clf.score(*toy) > 0.93 > ORIGINAL["quick start"]


def test_scikeras_quick_start_in_a_pipeline(toy, clf):
    pipe = Pipeline([("scale", StandardScaler()), ("clf", clf)])
    pipe.fit(*toy)
    correct = pipe.predict_proba(toy[0]).argmax(axis=1) == toy[1]
    assert np.mean(correct) > 0.93 > ORIGINAL["pipeline"]


def test_scikeras_quick_start_in_a_grid_search(toy, clf):
    params = {
        "model__hidden_layer_dim": [50, 200],
        "loss": ["sparse_categorical_crossentropy"],
        "optimizer": ["adam", "sgd"],
        "learning_rate": [0.001, 0.01],
    }
    gs = GridSearchCV(clf, params, refit=False, cv=3, scoring="accuracy")
    gs.fit(*toy)
    assert gs.best_score_ > 0.8 > ORIGINAL["grid search"]


# scikeras: basic usage -----------------------------------------------------------------------


def get_clf(meta, hidden_layer_sizes, dropout):
    n_features_in_ = meta["n_features_in_"]
    model = keras.models.Sequential()
    model.add(keras.layers.Input(shape=(n_features_in_,)))
    for hidden_layer_size in hidden_layer_sizes:
        model.add(keras.layers.Dense(hidden_layer_size, activation="relu"))
        model.add(keras.layers.Dropout(dropout))
    model.add(keras.layers.Dense(1, activation="sigmoid"))
    return model


def get_reg(meta, hidden_layer_sizes, dropout):
    model = keras.models.Sequential()
    model.add(keras.layers.Input(shape=(meta["n_features_in_"],)))
    for hidden_layer_size in hidden_layer_sizes:
        model.add(keras.layers.Dense(hidden_layer_size, activation="relu"))
        model.add(keras.layers.Dropout(dropout))
    model.add(keras.layers.Dense(1))
    return model


def test_scikeras_classification_with_a_sigmoid(toy):
    clf = NetworkClassifier(
        model=get_clf,
        loss="binary_crossentropy",
        model__hidden_layer_sizes=(100,),
        model__dropout=0.5,
        random_state=0,
    )
    assert clf.fit(*toy).score(*toy) > 0.93 > ORIGINAL["sigmoid"]


def test_scikeras_regression():
    X, y = make_regression(1000, 20, n_informative=10, random_state=0)
    reg = NetworkRegressor(
        model=get_reg,
        loss="mse",
        model__hidden_layer_sizes=(100,),
        model__dropout=0.5,
        epochs=100,
        random_state=0,
    )
    assert reg.fit(X, y).score(X, y) > 0.9 > ORIGINAL["regression"]


def test_scikeras_callbacks():
    class MaxValLoss(keras.callbacks.Callback):
        def __init__(self, monitor, threshold):
            super().__init__()
            self.monitor, self.threshold = monitor, threshold

        def on_epoch_end(self, epoch, logs=None):
            if logs[self.monitor] < self.threshold:
                self.model.stop_training = True

    X, y = make_moons(n_samples=100, noise=0.2, random_state=0)
    clf = NetworkClassifier(
        model=get_clf,
        loss="binary_crossentropy",
        model__hidden_layer_sizes=(100,),
        model__dropout=0.5,
        epochs=200,
        callbacks=[MaxValLoss("val_loss", 0.35)],
        random_state=0,
    )
    clf.fit(X, y, X_val=X[::5], y_val=y[::5])
    assert 1 < clf.n_iter_ < 200
    assert clf.history_["val_loss"].iloc[-1] < 0.35 <= clf.history_["val_loss"].iloc[-2]


# keras.wrappers ------------------------------------------------------------------------------


def dynamic_classifier(input_shape, n_outputs, layers=(10,)):
    inp = Input(shape=input_shape)
    hidden = inp
    for layer_size in layers:
        hidden = Dense(layer_size, activation="relu")(hidden)
    out = Dense(n_outputs, activation="softmax" if n_outputs > 1 else "sigmoid")(hidden)
    return Model(inp, out)


def dynamic_regressor(input_shape, n_outputs, layers=(10,)):
    inp = Input(shape=input_shape)
    hidden = inp
    for layer_size in layers:
        hidden = Dense(layer_size, activation="relu")(hidden)
    return Model(inp, Dense(n_outputs)(hidden))


def test_keras_wrappers_classifier():
    X, y = make_classification(n_samples=1000, n_features=10, random_state=0)
    est = NetworkClassifier(
        model=dynamic_classifier,
        model_params={"layers": [20, 20, 20]},
        optimizer="rmsprop",
        random_state=0,
    )
    assert est.fit(X, y).score(X, y) > ORIGINAL["keras.wrappers classifier"]


def test_keras_wrappers_regressor():
    X, y = make_regression(n_samples=1000, n_features=10, random_state=0)
    est = NetworkRegressor(
        model=dynamic_regressor,
        model_params={"layers": [20, 20, 20]},
        optimizer="rmsprop",
        random_state=0,
    )
    assert est.fit(X, y).score(X, y) > 0.95 > ORIGINAL["keras.wrappers regressor"]


@pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")  # in Keras's own saving
def test_keras_wrappers_transformer():
    X, y = make_classification(n_samples=400, n_features=10, n_informative=5, random_state=0)
    my_model = (
        NetworkClassifier(model=dynamic_classifier, epochs=20, random_state=0).fit(X, y).network_
    )
    my_model.trainable = False
    trs = NetworkTransformer(model=my_model, layer=my_model.layers[1].name)
    pipe = make_pipeline(trs, HistGradientBoostingClassifier(random_state=0))
    assert pipe.fit(X[:200], y[:200]).score(X[200:], y[200:]) > 0.85
    frozen = make_pipeline(
        FrozenEstimator(trs.fit(X)), HistGradientBoostingClassifier(random_state=0)
    )
    assert frozen.fit(X[:200], y[:200]).score(X[200:], y[200:]) > 0.85


# skorch: its quick start, its module said as a Keras model -----------------------------------


def my_module(input_shape, n_outputs, num_units=10, nonlin="relu"):
    return keras.Sequential(
        [
            Input(input_shape),
            Dense(num_units, nonlin),
            keras.layers.Dropout(0.5),
            Dense(num_units, nonlin),
            Dense(2, "softmax"),
        ]
    )


def test_skorch_quick_start(toy):
    net = NetworkClassifier(
        model=my_module,
        epochs=20,
        optimizer="sgd",
        learning_rate=0.1,
        batch_size=128,
        random_state=0,
    )
    pipe = Pipeline([("scale", StandardScaler()), ("net", net)])
    assert pipe.fit(*toy).score(*toy) > 0.7
    params = {"learning_rate": [0.01, 0.1], "epochs": [10, 20], "model__num_units": [10, 20]}
    gs = GridSearchCV(net, params, refit=False, cv=3, scoring="accuracy")
    assert gs.fit(*toy).best_score_ > 0.7
