"""The bridge from Keras models to programs: a model as a pure function of flat weight vectors.

A Keras model serves as a template: it is built without memory for its variables, once for each
structure, and called with values handed in. All trainable variables form one vector, so do all
others (moving averages): an optimizer's update is then a dozen operations for the whole network,
and a loop carries two arrays instead of twenty.
"""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from scipy.special import ndtr, ndtri

from skdeep.engine import random
from skdeep.engine.rows import Steps
from skdeep.engine.runtime import tf


@dataclass(frozen=True)
class Scope:
    """What a layer may read while a network is applied: see :func:`current_scope`.

    Attributes
    ----------
    training : bool
    key : tensor (2,), uint32, or None
        The step's random key; at predict None, or that of one thinned network.
    hyper : dict
        Run-time hyper-parameters, scalar (or vector) tensors by name.
    weight : tensor (batch_size,) or None
        The rows' weights; zero for padding. None at predict.
    lengths : tensor (batch_size,), int32, or None
        The steps of each row that are real; None where all are.
    """

    training: bool
    key: Any
    hyper: dict
    weight: Any
    lengths: Any = None


_scope: ContextVar[Scope | None] = ContextVar("skdeep_scope", default=None)


def current_scope() -> Scope:
    """The scope of the network being applied; a plain one outside of the engine."""
    return _scope.get() or Scope(training=False, key=None, hyper={}, weight=None)


@contextmanager
def entered(scope: Scope):
    """A scope for the layers that are called inside."""
    token = _scope.set(scope)
    try:
        yield
    finally:
        _scope.reset(token)


class Layout:
    """How a list of arrays lies in one vector.

    Parameters
    ----------
    variables : list of keras.Variable
    """

    def __init__(self, variables: list) -> None:
        self.shapes = [tuple(v.shape) for v in variables]
        self.sizes = [math.prod(shape) for shape in self.shapes]
        self.size = sum(self.sizes)

    def split(self, vector) -> list:
        """The arrays of a vector (numpy or tensor).

        Raises
        ------
        ValueError
            If it has another length, as in a file made by hand.
        """
        if vector.shape[0] not in (None, self.size):
            raise ValueError(f"a network of {self.size:,} numbers has {vector.shape[0]:,} of them.")
        if isinstance(vector, np.ndarray):
            pieces = np.split(vector, np.cumsum(self.sizes)[:-1]) if self.sizes else []
            return [p.reshape(s) for p, s in zip(pieces, self.shapes, strict=True)]
        pieces = tf.split(vector, self.sizes) if self.sizes else []
        return [
            p if len(s) == 1 else tf.reshape(p, s) for p, s in zip(pieces, self.shapes, strict=True)
        ]

    def join(self, arrays: list):
        """The vector of a list of tensors."""
        if not arrays:
            return tf.zeros((0,))
        return tf.concat([a if len(a.shape) == 1 else tf.reshape(a, (-1,)) for a in arrays], axis=0)


class Network:
    """A Keras model as a pure function.

    Parameters
    ----------
    build : callable
        Returns a ``keras.Model``; called once, without allocating its variables.
    dtype_policy : str, default="float32"
        Keras's name of the precision: "float32", "float64" or "mixed_bfloat16".
    """

    def __init__(self, build: Callable[[], keras.Model], dtype_policy: str = "float32") -> None:
        self.model = build_apart(build, dtype_policy, empty=True)
        if not self.model.built:
            raise ValueError(
                f"the model {self.model.name!r} has no weights yet; begin it with keras.Input."
            )
        seeds = {id(g.state) for g in _seed_generators(self.model)}
        # Kernels first, so that what weight decay acts on is the head of the vector.
        self._trainable = sorted(self.model.trainable_variables, key=lambda v: len(v.shape) < 2)
        self._fixed = [v for v in self.model.non_trainable_variables if id(v) not in seeds]
        self._seeds = [v for v in self.model.non_trainable_variables if id(v) in seeds]
        self._weights = self.model.weights
        self._constraints = [v.constraint for v in self._trainable]
        self.trainable, self.fixed = Layout(self._trainable), Layout(self._fixed)
        self.output_shape = tf.nest.map_structure(lambda t: tuple(t.shape), self.model.output)
        self.dtype = "float64" if dtype_policy == "float64" else "float32"

    def without_model(self) -> "Network":
        """The same, no longer to be applied: it keeps shapes and initialisers alone."""
        self.model = None
        return self

    def decayed(self, vector):
        """The trainable vector times each variable's share of weight decay.

        That is 1 for kernels and 0 for all others, unless the variable has a
        ``weight_decay_factor``.
        """
        if (factors := self._per_weight("weight_decay_factor")) is not None:
            return factors * vector
        kernels = [len(shape) > 1 for shape in self.trainable.shapes]
        n = sum(size for size, is_kernel in zip(self.trainable.sizes, kernels) if is_kernel)
        return tf.pad(vector[:n], [[0, self.trainable.size - n]])

    def rates(self, learning_rate):
        """The learning rate, or, where variables have a ``learning_rate_factor``, one for each."""
        factors = self._per_weight("learning_rate_factor")
        return learning_rate if factors is None else factors * learning_rate

    def _per_weight(self, name: str) -> np.ndarray | None:
        """What the variables' attribute of that name is for each weight; None if none has it.

        Without it a factor is 1, but that of the decay of what is no kernel, 0.
        """
        if not any(hasattr(variable, name) for variable in self._trainable):
            return None
        of_vectors = float(name == "learning_rate_factor")
        factors = [
            getattr(variable, name, 1.0 if len(shape) > 1 else of_vectors)
            for variable, shape in zip(self._trainable, self.trainable.shapes)
        ]
        return np.repeat(factors, self.trainable.sizes).astype(self.dtype)

    def constrained(self, vector):
        """The trainable vector as the variables' constraints let it be; itself without any."""
        if not any(self._constraints):
            return vector
        return self.trainable.join(
            [
                tf.cast(constraint(array), self.dtype) if constraint else array
                for constraint, array in zip(self._constraints, self.trainable.split(vector))
            ]
        )

    def initial(
        self,
        rng: np.random.Generator,
        true: "Network | None" = None,
        given: dict[int, np.ndarray] | None = None,
    ) -> dict:
        """Weights drawn from the layers' initialisers, as {"trainable": vector, "fixed": vector}.

        ``true`` is the same network with fewer units: its values are drawn, and padded with zeros
        to the shapes of this one. Variables whose id is in ``given`` start from those arrays.
        """
        true, given = true or self, given or {}
        return {
            "trainable": _draw(true._trainable, self.trainable, rng, self.dtype, given),
            "fixed": _draw(true._fixed, self.fixed, rng, self.dtype, given),
        }

    def arrays(self, weights: dict, true: "Network | None" = None) -> list[np.ndarray]:
        """Weights in the order of ``model.get_weights()``, cut to the shapes of ``true``."""
        true = true or self
        values = {}
        for name in ("trainable", "fixed"):
            pieces = getattr(self, name).split(np.asarray(weights[name]))
            for variable, piece in zip(getattr(true, f"_{name}"), pieces, strict=True):
                values[id(variable)] = piece[tuple(slice(n) for n in variable.shape)]
        return [values[id(v)] for v in true._weights if id(v) in values]

    def by_layer(self, vector: np.ndarray) -> dict[str, list[np.ndarray]]:
        """The arrays of a vector like the trainable one by layer, from input to output."""
        pieces = {id(v): p for v, p in zip(self._trainable, self.trainable.split(vector))}
        layers = {
            name: [pieces[id(v)] for v in layer.weights if id(v) in pieces]
            for name, layer in named_layers(self.model)
        }
        return {name: parts for name, parts in layers.items() if parts}

    def ending(self) -> str:
        """What computes the first output: "linear", or TensorFlow's name, "softmax", in lower case.

        It is linear if the outputs are sums that can have either sign.
        """
        shapes = {"trainable": (self.trainable.size,), "fixed": (self.fixed.size,)}
        rows = self.model.inputs[0]

        def output(weights, x):
            return tf.nest.flatten(self.apply(weights, x, training=False)[0])[0]

        traced = tf.function(output, autograph=False).get_concrete_function(
            {name: tf.TensorSpec(shape, self.dtype) for name, shape in shapes.items()},
            tf.TensorSpec(rows.shape, rows.dtype),
        )
        of_rows = {traced.inputs[-1].op}  # what depends on them; else it is a weight or a number
        for operation in traced.graph.get_operations():
            if any(part.op in of_rows for part in operation.inputs):
                of_rows.add(operation)
        return _ending(traced.outputs[0].op, of_rows)

    def inputs_of(self, layer: str, weights: dict, x: np.ndarray) -> np.ndarray:
        """What a layer, named as by :func:`named_layers`, gets for rows x outside of training."""
        *members, name = layer.split("/")
        model = self.model.get_layer(members[0]).model if members else self.model
        part = keras.Model(model.input, model.get_layer(name).input)
        values = {
            "trainable": self.trainable.split(weights["trainable"]),
            "fixed": self.fixed.split(weights["fixed"]),
        }
        pairs = zip(self._trainable + self._fixed, values["trainable"] + values["fixed"])
        mapping = [(variable, tf.constant(value)) for variable, value in pairs]
        scope = Scope(training=False, key=None, hyper={}, weight=None)
        with entered(scope), keras.StatelessScope(mapping, initialize_variables=False):
            return np.asarray(part.call(tf.constant(x), training=False))

    def apply(
        self, weights: dict, x, *, training: bool, key=None, hyper=None, weight=None, part=None
    ):
        """Outputs for x, and the fixed weights as the pass has updated them.

        Parameters
        ----------
        weights : dict
            ``trainable``: a vector or a list of arrays; ``fixed``: a vector, if there are any.
        x : nest of tensors, or Steps
        training, key, hyper, weight :
            See :class:`Scope`.
        part : str, default=None
            Name of a model inside, to apply alone.
        """
        scope = Scope(training, key, hyper or {}, weight)
        return self.apply_penalized(weights, x, scope, part)[:2]

    def apply_penalized(self, weights: dict, x, scope: Scope, part: str | None = None):
        """As :meth:`apply`, with what else a pass in training leaves.

        Returns
        -------
        outputs : nest of tensors
        fixed : tensor
        penalty : scalar tensor or None
            The sum of the layers' own losses: regularisers of weights and activities, and what
            layers add by ``add_loss``; None where they have none.
        trainable : list of tensors or None
            The trainable weights where a layer has assigned to some, as spectral normalisation
            does; None where none has.
        """
        if isinstance(x, Steps):
            x, lengths = x
            scope = replace(scope, lengths=lengths)
        trainable = weights["trainable"]
        if not isinstance(trainable, list):
            trainable = self.trainable.split(trainable)
        mapping = list(zip(self._trainable, trainable, strict=True))
        given = {id(variable): array for variable, array in mapping}
        fixed = self.fixed.split(weights["fixed"]) if self._fixed else []
        mapping += zip(self._fixed, fixed, strict=True)
        for i, state in enumerate(self._seeds):
            value = tf.zeros((2,), tf.uint32)
            if scope.key is not None:
                value = random.fold(scope.key, 1000 + i)
            mapping.append((state, tf.ensure_shape(tf.cast(value, state.dtype), state.shape)))
        model = self.model if part is None else self.model.get_layer(part)
        with entered(scope), _Pass(mapping, given) as updated:
            outputs = model.call(x, training=scope.training)
            losses = model.losses
        penalty = tf.add_n([tf.cast(loss, self.dtype) for loss in losses]) if losses else None
        assigned = None
        if updated.assigned:
            assigned = [
                tf.cast(updated.assigned.get(i, array), self.dtype) for i, array in given.items()
            ]
        now = [updated.get_current_value(v) for v in self._fixed]
        if all(new is old for new, old in zip(now, fixed)):  # not copied, for they may be large
            return outputs, weights.get("fixed", ()), penalty, assigned
        fixed = [tf.cast(value, self.dtype) for value in now]
        return outputs, self.fixed.join(fixed), penalty, assigned


class _Pass(keras.StatelessScope):
    """The scope of one pass, which notes what layers assign to trainable variables.

    What is assigned is a new start, as in Keras: the gradient by it is that by the variable, and
    nothing flows on to what it was computed from.
    """

    def __init__(self, mapping: list, trainable: dict[int, Any]) -> None:
        super().__init__(mapping, collect_losses=True, initialize_variables=False)
        self.assigned: dict[int, Any] = {}
        self._trainable = trainable

    def add_update(self, update) -> None:
        variable, value = update
        old = self._trainable.get(id(variable))
        if old is not None:
            self.assigned[id(variable)] = value
            old = tf.cast(old, value.dtype)
            value = tf.stop_gradient(value) + (old - tf.stop_gradient(old))
        super().add_update((variable, value))


def named_layers(model: keras.Model) -> list[tuple[str, keras.Layer]]:
    """The layers of a model from input to output; of a network in an ensemble its own layers.

    A layer that holds one model as ``model`` stands for that model's layers, "member_0/dense".
    """
    named: list[tuple[str, keras.Layer]] = []
    for layer in model.layers:
        inner: Any = getattr(layer, "model", None)
        whole = isinstance(inner, keras.Model) and len(inner.weights) == len(layer.weights)
        parts = [part for part in inner.layers if part.weights] if whole else []
        named += [(f"{layer.name}/{part.name}", part) for part in parts] or [(layer.name, layer)]
    return named


_SEEDS = keras.random.SeedGenerator(0).state.dtype


def build_apart(build: Callable[[], keras.Model], dtype_policy: str, *, empty=False) -> keras.Model:
    """A model built where nothing is seen or left behind of the user's Keras.

    Python's generator of random numbers moves on, as it does with every layer that Keras makes.

    An empty one's variables have shapes and initialisers, but no memory; one that is given a value
    while the model is built has an initialiser that returns it. Variables that were there before
    keep their memory and are left as they are.
    """

    def apart():
        keras.config.set_dtype_policy(dtype_policy)
        if not empty:
            return build()
        with keras.StatelessScope(initialize_variables=False) as scope:
            model = build()
        for variable in model.variables:
            if (given := scope.get_current_value(variable)) is None:
                continue
            if variable._value is None:
                array = np.asarray(given)
                variable._initializer = lambda shape, dtype=None, array=array: array
            elif variable.dtype != _SEEDS:
                raise ValueError(
                    f"the function sets {variable.path}, a weight that was there before it was "
                    f"called; set the weight outside of the function, or make its layer inside."
                )
        return model

    # Keras keeps what it knows while building (names, the dtype policy, variables without value)
    # by thread. The seeds of initialisers, which nobody uses, it draws from Python's generator:
    # other threads draw from it too, so that it cannot be set back.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(apart).result()


def _seed_generators(model) -> list:
    return [g for layer in model._flatten_layers() for g in getattr(layer, "_seed_generators", [])]


def _draw(
    variables, layout: Layout, rng: np.random.Generator, dtype: str, given: dict[int, np.ndarray]
) -> np.ndarray:
    """Initial values of variables, zero-padded to a layout's shapes, as one vector."""
    vector = np.zeros(layout.size, dtype)
    for variable, array in zip(variables, layout.split(vector), strict=True):
        own = tuple(slice(n) for n in variable.shape)
        start = given.get(id(variable))
        if start is None:
            start = _initial_value(variable._initializer, tuple(variable.shape), rng)
        array[own] = start
    return vector


def _initial_value(initializer, shape: tuple, rng: np.random.Generator) -> np.ndarray:
    """One array from a Keras initialiser.

    The common ones are drawn by numpy, a hundred times faster than Keras's eager operations;
    the others are given a seed of ours.
    """
    if isinstance(initializer, keras.initializers.VarianceScaling):
        receptive = int(np.prod(shape[:-2]))
        fan_in = shape[-2] * receptive if len(shape) > 1 else shape[0]
        fan_out = shape[-1] * receptive
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
        variance = initializer.scale / max(1.0, fan[initializer.mode])
        if initializer.distribution == "uniform":
            bound = np.sqrt(3 * variance)
            return rng.uniform(-bound, bound, shape)
        if initializer.distribution == "untruncated_normal":
            return np.sqrt(variance) * rng.standard_normal(shape)
        # A normal cut at two standard deviations has 0.8796 of its standard deviation.
        return (
            np.sqrt(variance) / 0.87962566103423978 * ndtri(rng.uniform(ndtr(-2), ndtr(2), shape))
        )
    if isinstance(initializer, keras.initializers.Zeros):
        return np.zeros(shape)
    if isinstance(initializer, keras.initializers.Ones):
        return np.ones(shape)
    if hasattr(initializer, "seed"):
        config = initializer.get_config() | {"seed": int(rng.integers(2**31))}
        initializer = type(initializer).from_config(config)
    return np.asarray(initializer(shape, dtype="float32"))


_KEEP_VALUES = {
    *("Cast", "ConcatV2", "ExpandDims", "Identity", "Mean", "Reshape", "Slice", "Split", "SplitV"),
    *("Squeeze", "StridedSlice", "Transpose"),
}
_LINEAR = {
    *("BatchMatMulV2", "BiasAdd", "Conv2D", "Conv3D", "Einsum", "FusedBatchNormV3", "MatMul"),
    "Placeholder",
}
_SUMS, _PRODUCTS = {"Add", "AddV2", "Sub"}, {"Mul", "RealDiv"}


def _ending(operation: Any, of_rows: set) -> str:
    """As :meth:`Network.ending`; "constant" of what does not depend on the rows."""
    name = operation.type
    if operation not in of_rows:
        return "constant"
    if name in _LINEAR:
        return "linear"
    if name not in _KEEP_VALUES | _SUMS | _PRODUCTS:
        return name.lower()
    endings = sorted(_ending(part.op, of_rows) for part in operation.inputs)
    if name in _PRODUCTS:
        return "linear" if endings == ["constant", "linear"] else name.lower()
    if name in _SUMS:  # a number of either sign and something
        return "linear" if "linear" in endings else name.lower()
    kinds = set(endings) - {"constant"}  # such as a new shape
    return kinds.pop() if len(kinds) == 1 else name.lower()
