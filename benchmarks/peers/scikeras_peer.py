"""scikeras, the other wrapper of Keras; its last release wants an older scikit-learn."""

from keras_peer import network
from worker import serve


def wrapper_fit(data, epochs, batch_size):
    import keras
    from scikeras.wrappers import KerasClassifier

    targets = keras.utils.to_categorical(data["y"])

    model = KerasClassifier(
        lambda: network(data["X"], targets),
        epochs=epochs,
        batch_size=batch_size,
        verbose=0,
    )

    def run():
        model.fit(data["X"], targets)

    return run


if __name__ == "__main__":
    serve({"wrapper_fit": wrapper_fit}, ["scikeras", "keras", "tensorflow", "scikit-learn"])
