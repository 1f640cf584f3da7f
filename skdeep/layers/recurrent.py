"""Recurrent layers at the speed of the machine, and what turns their steps into one row.

The recurrent layers are Keras's, with its weights and its equations; only how they run differs.
On a CPU the LSTM is TensorFlow's fused operation [1]_ (in graph mode: XLA does not have it), the
others are loops whose product with the input is taken out of the loop. On a GPU they are Keras's
own, which are cuDNN's; so are all with other settings than Keras's defaults, or with a mask.

Rows may differ in length (:class:`~skdeep.engine.Steps`): the steps beyond a row's length hold
anything, for no real step depends on them and pooling leaves them out.

.. [1] Hochreiter, Schmidhuber. Long short-term memory. Neural Computation 9(8), 1997; with the
   forget gate of Gers et al. (2000).
.. [2] Cho et al. Learning phrase representations using RNN encoder-decoder. EMNLP, 2014.
.. [3] Yang et al. Hierarchical attention networks for document classification. NAACL, 2016.
"""

import keras
from keras import ops

from skdeep.engine import current_scope, on_gpu
from skdeep.engine.runtime import tf


class LSTM(keras.layers.LSTM):
    """Keras's long short-term memory [1]_, by one fused operation on a CPU."""

    def inner_loop(self, sequences, initial_state, mask, training=False):
        if on_gpu() or sequences.dtype != "float32" or not _is_plain(self, mask):
            return super().inner_loop(sequences, initial_state, mask, training)
        cell, x = self.cell, _time_first(sequences)
        kernels = [*map(tf.convert_to_tensor, (cell.kernel, cell.recurrent_kernel))]
        if x.shape[-1] % 2:  # the operation is slower, and says so at each step
            x = tf.pad(x, [[0, 0], [0, 0], [0, 1]])
            kernels.insert(1, tf.zeros((1, 4 * self.units)))
        weights = _block_order(tf.concat(kernels, axis=0))
        bias, unused = _block_order(tf.convert_to_tensor(cell.bias)), tf.zeros((self.units,))

        def block(x, h, c):
            # Not BlockLSTMV2, with gates in Keras's order: TensorFlow 2.21 has its gradient wrong.
            return tf.raw_ops.BlockLSTM(
                seq_len_max=tf.shape(x, tf.int64)[0],
                x=x,
                cs_prev=c,
                h_prev=h,
                w=weights,
                wci=unused,
                wcf=unused,
                wco=unused,
                b=bias,
                forget_bias=0.0,  # the bias has it
                cell_clip=0.0,  # none
                use_peephole=False,
            )

        n, (h, c) = tf.shape(x)[1], initial_state
        if not training:
            whole = block(x, h, c)
            return whole.h[-1], _time_first(whole.h), [whole.h[-1], whole.cs[-1]]
        # Its products are too small to share among threads: halves of the rows run side by side,
        # both with the middle one where the number is odd, for without any rows it fails.
        half = (n + 1) // 2
        first = block(x[:, :half], h[:half], c[:half])
        second = block(x[:, n - half :], h[n - half :], c[n - half :])
        h, c = (
            tf.concat([a, b[:, 2 * half - n :]], axis=1)
            for a, b in [(first.h, second.h), (first.cs[-1:], second.cs[-1:])]
        )
        return h[-1], _time_first(h), [h[-1], c[0]]


class GRU(keras.layers.GRU):
    """Keras's gated recurrent unit [2]_, the reset gate applied after the product."""

    def inner_loop(self, sequences, initial_state, mask, training=False):
        if on_gpu() or not _is_plain(self, mask):
            return super().inner_loop(sequences, initial_state, mask, training)
        cell, dtype = self.cell, sequences.dtype
        kernel, recurrent = ops.cast(cell.kernel, dtype), ops.cast(cell.recurrent_kernel, dtype)
        bias, recurrent_bias = tf.unstack(ops.cast(cell.bias, dtype))

        def step(given, h):
            given_z, given_r, given_h = tf.split(given, 3, axis=-1)
            own_z, own_r, own_h = tf.split(h @ recurrent + recurrent_bias, 3, axis=-1)
            z, r = tf.sigmoid(given_z + own_z), tf.sigmoid(given_r + own_r)
            new = tf.tanh(given_h + r * own_h)
            return new + z * (h - new)

        return _scan(step, _time_first(sequences) @ kernel + bias, initial_state[0])


class SimpleRNN(keras.layers.SimpleRNN):
    """Keras's plain recurrent layer: h_t = tanh(x_t W + h_{t-1} U + b)."""

    def inner_loop(self, sequences, initial_state, mask, training=False):
        if not _is_plain(self, mask):
            return super().inner_loop(sequences, initial_state, mask, training)
        cell, dtype = self.cell, sequences.dtype
        kernel, recurrent = ops.cast(cell.kernel, dtype), ops.cast(cell.recurrent_kernel, dtype)
        given = _time_first(sequences) @ kernel + ops.cast(cell.bias, dtype)
        return _scan(lambda x, h: tf.tanh(x + h @ recurrent), given, initial_state[0])


def _is_plain(layer, mask):
    """Whether a layer has the settings whose equations are written here, and no step is masked."""
    cell, activations = layer.cell, keras.activations
    return (
        mask is None
        and cell.activation is activations.tanh
        and getattr(cell, "recurrent_activation", activations.sigmoid) is activations.sigmoid
        and cell.use_bias
        and getattr(cell, "reset_after", True)
        and not (layer.go_backwards or cell.dropout or cell.recurrent_dropout)
    )


def _block_order(gates):
    """Keras's gates (input, forget, cell, output) as the operation has them (i, c, f, o)."""
    i, f, c, o = tf.split(gates, 4, axis=-1)
    return tf.concat([i, c, f, o], axis=-1)


def _time_first(x):
    """(n, n_steps, ...) and (n_steps, n, ...), one from the other."""
    return tf.transpose(x, (1, 0, 2))


def _scan(step, given, h):
    """h_t = step(given_t, h_{t-1}): the last, all (n, n_steps, n_units), and the state."""
    n_steps = given.shape[0] or tf.shape(given)[0]
    # Under XLA n_steps is fixed, but not how many of them the longest row has.
    lengths = current_scope().lengths
    some = given.shape[0] is not None and lengths is not None
    stop = tf.reduce_max(lengths) if some else n_steps
    read = tf.TensorArray(given.dtype, n_steps).unstack(given)
    written = tf.TensorArray(h.dtype, n_steps, element_shape=h.shape)

    def body(t, h, written):
        h = step(read.read(t), h)
        return t + 1, h, written.write(t, h)

    _, h, written = tf.while_loop(
        lambda t, *_: tf.not_equal(t, stop),
        body,
        (0, h, written),
        maximum_iterations=given.shape[0],
        parallel_iterations=1,
    )
    return h, _time_first(written.stack()), [h]


class ReverseSteps(keras.layers.Layer):
    """The steps of each row in reverse order; those beyond its length stay."""

    def call(self, x):
        lengths = current_scope().lengths
        if lengths is None:
            return ops.flip(x, axis=1)
        return tf.reverse_sequence(x, lengths, seq_axis=1)


def _real_steps(x):
    """Which steps of x (n, n_steps, ...) are real, as 0 and 1, (n, n_steps, 1); None for all."""
    lengths = current_scope().lengths
    if lengths is None:
        return None
    steps = ops.arange(ops.shape(x)[1])
    return ops.cast(steps < ops.expand_dims(lengths, 1), x.dtype)[..., None]


class PoolSteps(keras.layers.Layer):
    """One row (n, n_units) from its steps (n, n_steps, n_units): the last, their mean or maximum.

    Parameters
    ----------
    kind : {"last", "mean", "max"}
    """

    def __init__(self, kind: str, **kwargs):
        super().__init__(**kwargs)
        self.kind = kind

    def call(self, x):
        real = _real_steps(x)
        if self.kind == "last":
            if real is None:
                return x[:, -1]
            return tf.gather(x, current_scope().lengths - 1, batch_dims=1)
        if self.kind == "mean":
            if real is None:
                return ops.mean(x, axis=1)
            return ops.sum(x * real, axis=1) / ops.sum(real, axis=1)
        return ops.max(x if real is None else ops.where(real > 0, x, x.dtype.min), axis=1)


class AttentionPooling(keras.layers.Layer):
    """Mean of a row's steps weighted by what they say [3]_ (equations 5 to 7).

    The weights are softmax_t(v . tanh(W h_t + b)), with as many units as h_t has.
    """

    def build(self, shape):
        units = shape[-1]
        self.kernel = self.add_weight(shape=(units, units), name="kernel")
        self.bias = self.add_weight(shape=(units,), initializer="zeros", name="bias")
        self.context = self.add_weight(shape=(units, 1), name="context")

    def call(self, x):
        score = ops.tanh(x @ self.kernel + self.bias) @ self.context
        real = _real_steps(x)
        if real is not None:
            score = ops.where(real > 0, score, score.dtype.min)
        share = ops.exp(score - ops.max(score, axis=1, keepdims=True))
        return ops.sum(share * x, axis=1) / ops.sum(share, axis=1)
