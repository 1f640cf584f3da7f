"""What runs at the end of each epoch: progress bars, logs, your functions, Keras's callbacks.

A callback is any function of an ``EpochState`` (see ``skdeep.engine``), or an object that has one
by the name ``on_epoch_end``::

    def halve(state):
        if state.epoch == 10:
            state.learning_rate_factor *= 0.5
        if state.logs["loss"] < 0.01:
            state.stop = True

    MLPClassifier(callbacks=[halve]).fit(X, y)

What a callback adds to ``state.logs`` becomes a column of ``history_``, and the callbacks after it
see it. Ours are :class:`TensorBoard`, :class:`GradientNorms` and :class:`Checkpoint`.

Keras callbacks that act at the end of an epoch by the logs, ``stop_training`` or the learning rate
run as well. scikit-learn's callbacks are set by ``estimator.set_callbacks(...)``.

A fit that takes hours survives its process by a :class:`Checkpoint`::

    MLPClassifier(epochs=1000, callbacks=[Checkpoint("fit.checkpoint")]).fit(X, y)
"""

from skdeep.callbacks.checkpoint import Checkpoint
from skdeep.callbacks.records import GradientNorms, TensorBoard

__all__ = ["Checkpoint", "GradientNorms", "TensorBoard"]
