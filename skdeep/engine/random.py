"""Random numbers from keys: the same key gives the same numbers, in any order of asking.

A key is a pair of uint32, made of (seed, epoch, step) on the host; :func:`fold` derives further
keys from it, one for each use. Number i of a key (a, b) is h(h(i + a) + b), with h a bijective
mixer of 32 bits [1]_: no state, no order, a handful of integer operations that XLA fuses with their
use (on a CPU seven times faster than Philox there). Not for cryptography, and not for keys made by
counting: (a + 1, b) has the numbers of (a, b), shifted by one.

.. [1] C. Wellons, hash-prospector: the function "lowbias32", 2018.
.. [2] Steele, Lea, Flood. Fast splittable pseudorandom number generators. OOPSLA, 2014: the
   finaliser of SplitMix64, a bijection.
"""

import math

import numpy as np

from skdeep.engine.runtime import tf

_TO_UNIT = 2.0**-24  # the 24 upper bits fill a float32's significand


def step_keys(seed: int, epoch: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Keys of steps, (n, 2) uint32, from their epochs and numbers in it: all distinct."""
    return _hashed(seed, epoch, step)[:, None].view(np.uint32)


def sample_keys(seed: int, n: int) -> np.ndarray:
    """Keys of n draws at predict, (n, 2) uint32: those of an epoch that is never trained."""
    return step_keys(seed, np.full(n, 2**32 - 1), np.arange(n))


def permutations(seed: int, epochs: np.ndarray, n: int) -> np.ndarray:
    """A permutation of n rows for each epoch, (n_epochs, n): the order of their hashes."""
    return np.argsort(_hashed(~seed, epochs[:, None], np.arange(n)[None]), axis=1)


def _hashed(seed: int, epoch: np.ndarray, number: np.ndarray) -> np.ndarray:
    """uint64 of (epoch, number), each below 2^32: all different for one seed [2]_."""
    with np.errstate(over="ignore"):
        z = epoch.astype(np.uint64) << np.uint64(32) | number.astype(np.uint64)
        z = np.uint64(seed % 2**64) + (z + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _mix(bits):
    """lowbias32: a bijection of uint32 whose every output bit depends on every input bit."""
    bits = tf.bitwise.bitwise_xor(bits, tf.bitwise.right_shift(bits, tf.constant(16, bits.dtype)))
    bits *= tf.constant(0x7FEB352D, bits.dtype)
    bits = tf.bitwise.bitwise_xor(bits, tf.bitwise.right_shift(bits, tf.constant(15, bits.dtype)))
    bits *= tf.constant(0x846CA68B, bits.dtype)
    return tf.bitwise.bitwise_xor(bits, tf.bitwise.right_shift(bits, tf.constant(16, bits.dtype)))


def fold(key, number):
    """A new key, (2,) uint32, from a key and an integer (tensor or int); of (n, 2) keys n."""
    number = tf.cast(number, tf.uint32)
    first = _mix(_mix(number + tf.constant(0x9E3779B9, tf.uint32)) + key[..., 0])
    return tf.stack([first, _mix(_mix(first + number) + key[..., 1])], axis=-1)


def row_keys(key, x):
    """A key for each row of x (n, n_columns), (n, 2) uint32, from a key and the row's numbers.

    So a row's random numbers depend on no other rows, and equal rows have the same.
    """
    x = tf.cast(x, tf.float32) + 0.0  # -0.0 is 0.0
    places = _mix(tf.cast(tf.range(tf.shape(x)[1]), tf.uint32))
    hashes = tf.bitcast(_mix(_mix(tf.bitcast(x, tf.uint32)) + places), tf.int32)
    return fold(key[None], tf.bitcast(tf.reduce_sum(hashes, axis=1), tf.uint32))


def bits(key, shape):
    """Uniform uint32 of the given shape; of keys (n, 2) each for its part of the first axis."""
    shape = tf.convert_to_tensor(shape, tf.int32)
    size = tf.reduce_prod(shape[len(key.shape) - 1 :])
    counter = tf.cast(tf.range(size), tf.uint32)
    return tf.reshape(_mix(_mix(counter + key[..., :1]) + key[..., 1:]), shape)


def uniform(key, shape, low=0.0, high=1.0):
    """Uniform float32 in [low, high), of the given shape."""
    upper = tf.bitwise.right_shift(bits(key, shape), tf.constant(8, tf.uint32))
    unit = tf.cast(tf.cast(upper, tf.int32), tf.float32) * _TO_UNIT
    return low + (high - low) * unit


def normal(key, shape):
    """Standard normal float32 of the given shape (Box-Muller)."""
    radius = tf.sqrt(-2.0 * tf.math.log(1.0 - uniform(fold(key, 1), shape)))
    return radius * tf.cos(2.0 * math.pi * uniform(fold(key, 2), shape))


def bernoulli(key, shape, probability):
    """Booleans, True with the given probability (a number, or a tensor that broadcasts)."""
    return uniform(key, shape) < probability
