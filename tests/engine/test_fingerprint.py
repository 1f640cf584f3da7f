import copy
import math
import sys
import types

import keras
import numpy as np
import pytest
from keras import layers

from skdeep import engine
from skdeep.engine import fingerprint
from skdeep.engine.fingerprint import _is_installed, _Walk


def dense(units=3, activation="relu", **settings):
    return keras.Sequential(
        [keras.Input((4,)), layers.Dense(units, activation, **settings), layers.Dense(1)]
    )


def residual():
    rows = keras.Input((4,))
    return keras.Model(rows, rows + layers.Dense(4)(layers.LayerNormalization()(rows)))


def recurrent():
    cells = [layers.Bidirectional(layers.LSTM(3, return_sequences=True)), layers.GRU(2)]
    return keras.Sequential([keras.Input((5, 2)), *cells])


def attention():
    rows = keras.Input((6,), dtype="int32")
    x = layers.Embedding(9, 4)(rows)
    return keras.Model(rows, layers.MultiHeadAttention(2, 2)(x, x))


def convolution():
    parts = [layers.RandomFlip(), layers.Conv2D(2, 3), layers.BatchNormalization()]
    return keras.Sequential([keras.Input((6, 6, 1)), *parts, layers.Dropout(0.1)])


def standardised(mean):
    layer = layers.Normalization()
    layer.adapt(mean + np.array([[-1.0], [1.0]]))
    return keras.Sequential([keras.Input((1,)), layer])


class Halves(keras.Model):
    def __init__(self):
        super().__init__()
        self.parts = [layers.Dense(3), layers.Dense(2)]

    def call(self, x):
        for part in self.parts:
            x = part(x) / 2
        return x


def own():
    model = Halves()
    model(keras.Input((4,)))
    return model


def of(build):
    return fingerprint(engine.build_apart(build, "float32", empty=True))


@pytest.mark.parametrize(
    "build", [dense, residual, recurrent, attention, convolution, own], ids=lambda f: f.__name__
)
def test_a_model_built_again_has_the_same_and_it_can_be_told(build):
    first = of(build)
    assert not first.startswith("opaque")
    assert of(build) == of(lambda: build()) == first


@pytest.mark.parametrize(
    "other",
    [
        lambda: dense(4),
        lambda: dense(activation="tanh"),
        lambda: dense(activation=lambda x: 0.2 * x),
        lambda: dense(kernel_regularizer="l2"),
        lambda: dense(kernel_regularizer=keras.regularizers.L2(0.5)),
        lambda: dense(activity_regularizer="l1"),
        lambda: dense(use_bias=False),
        lambda: dense(trainable=False),
    ],
)
def test_another_setting_of_a_layer_tells(other):
    assert of(other) != of(dense)
    assert of(other) == of(other)


@pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")  # of Keras's saving
@pytest.mark.parametrize("build", [dense, residual, recurrent], ids=lambda f: f.__name__)
def test_a_copy_and_a_layer_that_other_models_call_have_the_same(build):
    model = build()
    first = fingerprint(model)
    assert fingerprint(copy.deepcopy(model)) == first
    called = [fingerprint(keras.Sequential([*model.inputs, model])) for _ in range(2)]
    assert called[0] == called[1] != first
    assert fingerprint(model) == first


def test_the_constraint_of_a_weight_tells():
    def bounded(largest):
        model = dense()
        model.weights[0].constraint = keras.constraints.MaxNorm(largest)
        return model

    first, same, other = (of(lambda n=n: bounded(n)) for n in (1.0, 1.0, 2.0))
    assert first == same
    assert len({first, other, of(dense)}) == 3


def test_the_name_of_a_model_does_not_tell():
    one = dense()
    other = keras.models.clone_model(one)
    other.name = "another"
    assert fingerprint(one) == fingerprint(other)


def test_values_of_weights_do_not_tell():
    model = dense()
    before = fingerprint(model)
    model.set_weights([a + 1 for a in model.get_weights()])
    assert fingerprint(model) == before


def test_arrays_inside_a_layer_tell():
    assert of(lambda: standardised(0.0)) == of(lambda: standardised(0.0))
    assert of(lambda: standardised(0.0)) != of(lambda: standardised(1.0))


def test_a_shared_layer_is_not_two_equal_ones():
    def pair(shared):
        rows = keras.Input((4,))
        one = layers.Dense(2, name="one")
        other = one if shared else layers.Dense(2, name="one_")
        return keras.Model(rows, layers.Add()([one(rows), other(rows)]))

    assert of(lambda: pair(True)) != of(lambda: pair(False))


# Functions ------------------------------------------------------------------------------------


def module(source):
    """What a notebook's cells leave behind."""
    space = types.ModuleType("a_notebook")
    exec(source, vars(space))
    return space


NOTEBOOK = """
factor = {factor}
def helper(x):
    return factor * x
def outer(x):
    return helper(x) + 1
class Thing:
    def __init__(self):
        self.numbers = [1, 2]
    def act(self, x):
        return outer(x)
"""


@pytest.mark.parametrize("name", ["helper", "outer", "Thing"])
def test_the_values_that_code_refers_to_tell_however_deep(name):
    first, again, edited = (module(NOTEBOOK.format(factor=f)) for f in (2, 2, 3))
    assert fingerprint(getattr(first, name)) == fingerprint(getattr(again, name))
    assert fingerprint(getattr(first, name)) != fingerprint(getattr(edited, name))


def test_a_global_that_is_changed_later_tells():
    space = module(NOTEBOOK.format(factor=2))
    before = fingerprint(space.outer)
    space.factor = 5
    assert fingerprint(space.outer) != before


def test_a_name_within_a_module_of_ones_own_tells(monkeypatch):
    helpers = types.ModuleType("own_helpers")
    helpers.__file__ = "/somewhere/own_helpers.py"
    helpers.rate = 1
    monkeypatch.setitem(sys.modules, "own_helpers", helpers)
    function = module("import own_helpers\ndef f(x): return own_helpers.rate * x").f
    before = fingerprint(function)
    helpers.rate = 2
    assert fingerprint(function) != before


OWN = """
import own.inner
def by_attribute(x): return own.inner.rate * x
def by_import(x):
    from own.inner import rate
    return rate * x
def by_relative_import(x):
    from .inner import rate
    return rate * x
def by_own_attribute(x): return by_own_attribute.rate * x
"""


@pytest.mark.parametrize(
    "name", ["by_attribute", "by_import", "by_relative_import", "by_own_attribute"]
)
@pytest.mark.parametrize("file", ["/somewhere/own/inner.py", None])
def test_values_tell_in_whatever_way_code_comes_to_them(name, file, monkeypatch):
    own, inner = types.ModuleType("own"), types.ModuleType("own.inner")
    own.inner, inner.__file__, inner.rate = inner, file, 1
    monkeypatch.setitem(sys.modules, "own", own)
    monkeypatch.setitem(sys.modules, "own.inner", inner)
    user = types.ModuleType("own.user")
    user.__package__ = "own"
    exec(OWN, vars(user))
    function = getattr(user, name)
    user.by_own_attribute.rate = 1
    _is_installed.cache_clear()
    before = fingerprint(function)
    assert before == fingerprint(function)
    assert not before.startswith("opaque")
    inner.rate = user.by_own_attribute.rate = 2
    assert fingerprint(function) != before


def test_an_import_that_has_not_happened_yet_never_matches():
    function = module("def f(x):\n    import not_imported_yet\n    return not_imported_yet.g(x)").f
    assert fingerprint(function).startswith("opaque")


def test_closures_and_defaults_tell():
    def scaled(by, default=1):
        return lambda x, y=default: by * x + y

    assert fingerprint(scaled(2)) == fingerprint(scaled(2))
    assert len({fingerprint(scaled(*a)) for a in [(2,), (3,), (2, 5), (2.0,)]}) == 4


def test_installed_functions_count_by_name():
    assert fingerprint(math.exp) == fingerprint(math.exp)
    assert fingerprint(np.exp) != fingerprint(np.log)
    assert fingerprint(keras.activations.relu) != fingerprint(keras.activations.gelu)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (1, True),
        ("1", 1),
        (b"1", "1"),
        ([1, [2]], [1, 2]),
        ({1, 2}, [1, 2]),
        (np.zeros(2), np.zeros(2, int)),
        (np.zeros((2, 1)), np.zeros((1, 2))),
    ],
)
def test_equal_values_of_other_types_differ(one, other):
    assert fingerprint(one) == fingerprint(one)
    assert fingerprint(one) != fingerprint(other)


def test_it_does_not_matter_whether_two_places_hold_one_list():
    numbers = [1, 2]
    assert fingerprint((numbers, numbers)) == fingerprint(([1, 2], [1, 2]))


def test_what_cannot_be_looked_into_never_matches():
    secret = iter([1])
    assert fingerprint(secret) != fingerprint(secret)
    assert fingerprint([{"deep": secret}]).startswith("opaque")
    assert fingerprint({secret}).startswith("opaque")
    circle = []
    circle.append(circle)
    assert fingerprint(circle).startswith("opaque")


def test_a_weight_that_the_model_does_not_own_never_matches():
    outside = keras.Variable(1.0)

    class Reads(layers.Layer):
        def call(self, x):
            return x * outside

    build = lambda: keras.Sequential([keras.Input((2,)), Reads()])  # noqa: E731
    assert of(build).startswith("opaque")


class Link:
    after = None


def test_layers_that_lie_too_deep_are_an_error():
    first = link = Link()
    for _ in range(5000):
        link.after = link = Link()
    with pytest.raises(ValueError, match="too deep to search for Keras layers"):
        engine.layers_within(first)


def test_a_container_of_plain_values_is_not_looked_into(monkeypatch):
    words = {f"word {i}": i for i in range(1000)}
    layer = layers.Dense(2)
    looked = []
    visit = _Walk.visit
    monkeypatch.setattr(_Walk, "visit", lambda *a: looked.extend(a[1:]) or visit(*a))
    assert layer in engine.layers_within(words, {"a": [layer], "words": words})
    assert not any(thing is words for thing in looked)
