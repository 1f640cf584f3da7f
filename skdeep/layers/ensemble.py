"""Networks side by side in one."""

from dataclasses import replace

import keras

from skdeep.engine import current_scope, entered, random


class Member(keras.layers.Layer):
    """One of several networks on the same input, with random numbers of its own.

    Parameters
    ----------
    model : keras.Model
    number : int
        Which one this is.
    """

    def __init__(self, model: keras.Model, number: int, **kwargs):
        super().__init__(**kwargs)
        self.model, self.number = model, number

    def call(self, x, training=False):
        scope = current_scope()
        if scope.key is None:
            return self.model(x, training=training)
        with entered(replace(scope, key=random.fold(scope.key, self.number))):
            return self.model(x, training=training)
