"""TensorFlow's SavedModel: the function traced into a graph, its weights beside."""

from pathlib import Path
from typing import Any

import numpy as np

from skdeep._config import config_context
from skdeep.engine.network import Scope, entered
from skdeep.engine.runtime import quiet, tf
from skdeep.serving.function import Function


class Operations:
    """The operations of an exported function, as TensorFlow's."""

    logical_and = staticmethod(tf.logical_and)
    logical_not = staticmethod(tf.logical_not)
    logical_or = staticmethod(tf.logical_or)
    equal = staticmethod(tf.equal)
    where = staticmethod(tf.where)
    reshape = staticmethod(tf.reshape)
    matmul = staticmethod(tf.matmul)
    isnan = staticmethod(tf.math.is_nan)
    isfinite = staticmethod(tf.math.is_finite)
    abs = staticmethod(tf.abs)
    sqrt = staticmethod(tf.sqrt)
    exp = staticmethod(tf.exp)
    expm1 = staticmethod(tf.math.expm1)
    log = staticmethod(tf.math.log)
    log_sigmoid = staticmethod(tf.math.log_sigmoid)
    log_softmax = staticmethod(tf.nn.log_softmax)
    logsumexp = staticmethod(tf.reduce_logsumexp)
    log1p = staticmethod(tf.math.log1p)
    ndtri = staticmethod(tf.math.ndtri)
    sigmoid = staticmethod(tf.sigmoid)
    softmax = staticmethod(tf.nn.softmax)
    softplus = staticmethod(tf.math.softplus)
    all = staticmethod(tf.reduce_all)
    max = staticmethod(tf.reduce_max)
    mean = staticmethod(tf.reduce_mean)
    sum = staticmethod(tf.reduce_sum)
    sort = staticmethod(tf.sort)
    expand_dims = staticmethod(tf.expand_dims)

    def __init__(self, table: np.ndarray | None) -> None:
        self.table = None if table is None else tf.Variable(table, trainable=False)
        self.resources = [self.table]  # what the graph refers to: variables and tables

    def cast(self, x: Any, dtype: str) -> Any:
        return tf.cast(x, dtype)

    def is_string(self, x: Any) -> bool:
        return x.dtype == tf.string

    def concatenate(self, parts: list, axis: int = -1) -> Any:
        return tf.concat(parts, axis)

    def take(self, x: Any, places: Any, axis: int = -1) -> Any:
        return tf.gather(x, places, axis=axis)

    def split(self, x: Any, places: list, axis: int) -> list:
        return tf.split(x, np.diff([0, *places, x.shape[axis]]), axis)

    def expand_last(self, x: Any) -> Any:
        return tf.expand_dims(x, -1)

    def argmax(self, x: Any) -> Any:
        return tf.argmax(x, axis=-1)

    def maximum(self, x: Any, least: float) -> Any:
        return tf.maximum(x, tf.cast(least, x.dtype))

    def positions(self, x: Any) -> Any:
        return tf.range(tf.shape(x, tf.int64)[1])

    def lookup_place(self, values: np.ndarray, places: Any) -> Any:
        return tf.gather(tf.constant(values), places)

    def lookup(self, tokens: Any, vocabulary: np.ndarray) -> Any:
        with tf.init_scope():
            keys = tf.constant(vocabulary.tolist(), tokens.dtype)
            places = tf.range(1, len(vocabulary) + 1, dtype=tf.int64)
            content = tf.lookup.KeyValueTensorInitializer(keys, places)
            table = tf.lookup.StaticHashTable(content, 0)
        self.resources.append(table)
        return tf.cast(table.lookup(tokens), tf.int32)

    def network(self, model: Any, x: Any, lengths: Any) -> Any:
        self.resources.extend(variable.value for variable in model.variables)
        if lengths is not None:
            lengths = tf.cast(lengths, tf.int32)
        with entered(Scope(training=False, key=None, hyper={}, weight=None, lengths=lengths)):
            return model(x, training=False)


def write(function: Function, folder: Path) -> None:
    """Write a function as a SavedModel."""
    module, ops = tf.Module(), Operations(function.table)
    names = [part.name for part in function.inputs]

    def serve(**values: Any) -> dict:
        return function(ops, [values[name] for name in names])

    specs = {
        part.name: tf.TensorSpec(part.shape, part.dtype, name=part.name) for part in function.inputs
    }
    # Layers choose operations by device: those of the CPU run everywhere.
    with config_context(device="cpu"), quiet():
        traced = tf.function(serve, autograph=False)
        concrete = traced.get_concrete_function(**specs)
        module.resources = ops.resources
        tf.saved_model.save(module, str(folder), signatures={"serving_default": concrete})
