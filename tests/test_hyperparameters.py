"""Declarations: the constructor, the checks and what shapes a program."""

import inspect
import pickle
from numbers import Integral, Real

import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import Interval, StrOptions

from skdeep import CNNClassifier, MLPClassifier, MLPRegressor
from skdeep.hyperparameters import (
    Declared,
    Padded,
    hyperparameter,
    runtime_values,
    search_space,
    structural_key,
    structural_twin,
)
from skdeep.optimizers import SGD, Adam


def next_ten(width):
    return -(-width // 10) * 10


class Net(Declared, RegressorMixin, BaseEstimator):
    """Declares one of each kind."""

    rate: float = hyperparameter(
        0.1, "A number.", Interval(Real, 0, 1, closed="neither"), search=(1e-3, 1.0, "log")
    )
    clip: float | None = hyperparameter(None, "A number or none.", [Real, None])
    widths: tuple = hyperparameter((5,), "Widths.", [tuple, list], structural=Padded(next_ten))
    cell: str = hyperparameter("lstm", "Its type.", StrOptions({"lstm", "gru"}), structural=True)
    dropout: float = hyperparameter(0.0, "Zero is no layer.", [Real], structural=bool)
    epochs: int = hyperparameter(3, "For the host.", [Integral], structural=None)
    bias: bool = hyperparameter(True, "Whether.", structural=True)

    _renamed = {"max_iter": "epochs"}  # noqa: RUF012


class Wider(Net):
    """A user's subclass that declares."""

    rate: float = hyperparameter(0.2, "Another default.", [Real])
    depth: int = hyperparameter(2, "One more.", [Integral], search=[1, 2, 3])


class WithOptimizer(Declared, BaseEstimator):
    """Holds a declared object, as estimators hold optimizers."""

    inner: object = hyperparameter(Adam(), "An optimizer.", structural=True)


class ByHand(MLPRegressor):
    """A user's subclass with a plain constructor."""

    def __init__(self, depth=2, width=8, epochs=2, random_state=0, note="free"):
        self.depth = depth
        self.width = width
        self.note = note
        super().__init__(
            hidden_layer_sizes=(width,) * depth, epochs=epochs, random_state=random_state
        )

    @property
    def hidden_layer_sizes(self):
        return (self.width,) * self.depth

    @hidden_layer_sizes.setter
    def hidden_layer_sizes(self, widths):
        pass


class DeclaringMLP(MLPRegressor):
    """A user's subclass of an estimator that declares a parameter more."""

    note: str = hyperparameter("none", "For the user.", [str], structural=None)
    epochs: int = hyperparameter(2, "Fewer by default.", [Integral], structural=None)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3))
    return X, X @ [1, 2, 3]


# The constructor ------------------------------------------------------------------------------


def test_constructor_takes_keywords_and_sets_defaults():
    assert Net().get_params() == {
        "rate": 0.1,
        "clip": None,
        "widths": (5,),
        "cell": "lstm",
        "dropout": 0.0,
        "epochs": 3,
        "bias": True,
    }
    assert vars(Net(rate=0.5)) == Net().get_params() | {"rate": 0.5}
    with pytest.raises(TypeError, match="positional"):
        Net(0.5)


def test_signature_is_what_editors_and_scikit_learn_read():
    signature = inspect.signature(Net)
    assert list(signature.parameters) == list(Net._hyperparameters)
    assert {p.kind for p in signature.parameters.values()} == {inspect.Parameter.KEYWORD_ONLY}
    assert signature.parameters["rate"].default == 0.1
    assert Net.__init__.__qualname__ == "Net.__init__"


def test_value_is_stored_as_given():
    widths = [3, 4]
    assert Net(widths=widths).widths is widths


def test_unknown_parameter_is_refused_by_name():
    with pytest.raises(
        TypeError, match=r"Net got an unexpected parameter 'ratee'; did you mean rate\?$"
    ):
        Net(ratee=1)
    with pytest.raises(TypeError, match=r"Net got an unexpected parameter 'colour'\.$"):
        Net(colour=1)
    with pytest.raises(TypeError, match="'max_iter'; here it is called epochs"):
        Net(max_iter=3)


@pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor, CNNClassifier])
@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("max_iter", "epochs"),
        ("alpha", "weight_decay"),
        ("learning_rate_init", "learning_rate"),
        ("solver", "optimizer"),
        ("n_iter_no_change", "patience"),
    ],
)
def test_names_of_scikit_learns_mlp_are_refused_with_ours(estimator, theirs, ours):
    message = f"{estimator.__name__} got .* '{theirs}'; here it is called {ours}"
    with pytest.raises(TypeError, match=message):
        estimator(**{theirs: 1})


@pytest.mark.parametrize("default", [[1], {}, {1}, np.zeros(2)])
def test_mutable_default_is_refused(default):
    with pytest.raises(TypeError, match=r"must be immutable, but is .*; use a tuple"):
        hyperparameter(default, "A list.")


def test_no_default_stays_on_the_class():
    assert not hasattr(Net, "rate")
    forgetful = object.__new__(Net)
    with pytest.raises(AttributeError, match="rate"):
        forgetful.rate  # noqa: B018


def test_subclass_inherits_declarations_and_may_replace_them():
    assert Wider().get_params() == Net().get_params() | {"rate": 0.2, "depth": 2}
    assert tuple(Wider._own_hyperparameters) == ("rate", "depth")
    assert Net().rate == 0.1


def test_first_base_class_wins():
    class Left(Net):
        rate: float = hyperparameter(0.3, "Left.", [Real])

    class Right(Net):
        rate: float = hyperparameter(0.4, "Right.", [Real])

    class Both(Left, Right):
        pass

    assert Both().rate == 0.3


def test_declaring_under_a_constructor_by_hand_is_refused():
    with pytest.raises(TypeError, match=r"declares extra.*hand-written __init__ of ByHand"):

        class Extra(ByHand):
            extra: int = hyperparameter(1, "Unknown to ByHand.")


def test_child_of_a_constructor_by_hand_inherits_it():
    class Child(ByHand):
        pass

    assert Child(width=4).get_params() == ByHand(width=4).get_params()


# Checks ---------------------------------------------------------------------------------------


def test_constraints_are_those_of_scikit_learn():
    constraints = Net._parameter_constraints
    assert constraints["bias"] == ["boolean"]
    assert constraints["clip"] == [Real, None]
    assert str(constraints["rate"][0]) == "a float in the range (0.0, 1.0)"
    assert WithOptimizer._parameter_constraints["inner"] == "no_validation"


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("epochs", 0, r"an int in the range \[1, inf\)"),
        ("epochs", 2.5, r"an int in the range \[1, inf\)"),
        ("learning_rate", 0, r"a float in the range \(0.0, inf\)"),
        ("dropout", 1.0, r"a float in the range \[0.0, 1.0\)"),
        ("activation", "step", "a str among"),
        ("early_stopping", None, "bool"),
    ],
)
def test_wrong_value_is_refused_in_fit_with_scikit_learns_words(data, name, value, wanted):
    model = MLPRegressor(**{name: value})  # not here
    message = f"The '{name}' parameter of MLPRegressor must be.*{wanted}.*Got {value!r} instead"
    with pytest.raises(ValueError, match=message):
        model.fit(*data)
    assert not hasattr(model, "n_features_in_")


@pytest.mark.parametrize("value", [0, 10.5])
def test_images_come_in_whole_batches(value):
    with pytest.raises(ValueError, match="'batch_size' parameter of CNNClassifier must be an int"):
        CNNClassifier(batch_size=value).fit(np.zeros((4, 64)), [0, 1, 0, 1])


# Users' subclasses ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "model",
    [ByHand(depth=1, width=6, note="mine"), DeclaringMLP(note="mine", random_state=0)],
    ids=["by hand", "declared"],
)
def test_users_subclass_is_a_citizen_of_scikit_learn(model, data):
    X, y = data
    assert clone(model).get_params() == model.get_params()
    assert model.get_params()["note"] == "mine"
    assert "mine" in repr(model)
    html = model._repr_html_()
    assert type(model).__name__ in html
    assert "note" in html
    predictions = model.fit(X, y).predict(X)
    again = pickle.loads(pickle.dumps(model))
    assert again.get_params() == model.get_params()
    np.testing.assert_array_equal(again.predict(X), predictions)
    np.testing.assert_array_equal(clone(model).fit(X, y).predict(X), predictions)
    search = GridSearchCV(model, {"epochs": [1, 2]}, cv=2).fit(X, y)
    assert search.best_estimator_.note == "mine"
    with pytest.raises(ValueError, match="Invalid parameter 'depht'"):
        model.set_params(depht=3)


def test_constructor_by_hand_has_parameters_of_its_own_only():
    assert set(ByHand().get_params()) == {"depth", "width", "epochs", "random_state", "note"}


def test_parameters_without_declaration_are_structural():
    key = lambda **given: structural_key(structural_twin(ByHand(**given)))  # noqa: E731
    assert key() == key(epochs=9)
    assert key() != key(depth=3)
    assert key() != key(note="other")


def test_metadata_is_routed(data):
    X, y = data
    weight = np.r_[np.ones(20), np.zeros(20)]
    with sklearn.config_context(enable_metadata_routing=True):
        model = ByHand().set_fit_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        pipeline = make_pipeline(scaler, model)
        routed = pipeline.fit(X, y, sample_weight=weight)
        request = clone(model).get_metadata_routing()
    scaled = StandardScaler().fit_transform(X)
    direct = ByHand().fit(scaled, y, sample_weight=weight)
    np.testing.assert_array_equal(routed.predict(X), direct.predict(scaled))
    assert request.fit.requests["sample_weight"] is True
    assert request.fit.requests["X_val"] is None


# Programs -------------------------------------------------------------------------------------


def test_twin_has_structural_values_only():
    twin = structural_twin(Net(widths=(3, 12), dropout=0.3, clip=2.0))
    assert type(twin) is Net
    assert vars(twin) == {"widths": (10, 20), "cell": "lstm", "dropout": True, "bias": True}
    for hidden in ("rate", "clip", "epochs"):
        with pytest.raises(AttributeError):
            getattr(twin, hidden)


def test_absence_is_structural():
    assert structural_twin(Net()).clip is None
    assert structural_key(structural_twin(Net())) != structural_key(structural_twin(Net(clip=1.0)))


def test_true_twin_has_true_widths():
    twin = structural_twin(Net(widths=[3, 12]), padded=False)
    assert twin.widths == (3, 12)


def test_twins_of_inner_objects_are_nested():
    twin = structural_twin(WithOptimizer(inner=SGD(momentum=0.3, nesterov=True)))
    assert vars(twin.inner) == {"nesterov": True}


@pytest.mark.parametrize(
    "same",
    [
        {"rate": 0.7},
        {"epochs": 50},
        {"widths": [9]},
        {"widths": np.array([7])},
        {"widths": (np.int64(10),)},
        {"bias": np.True_},
    ],
    ids=str,
)
def test_these_are_one_program(same):
    assert structural_key(structural_twin(Net(**same))) == structural_key(structural_twin(Net()))


@pytest.mark.parametrize(
    "other",
    [{"widths": (11,)}, {"widths": (5, 5)}, {"cell": "gru"}, {"dropout": 0.1}, {"bias": False}],
    ids=str,
)
def test_these_are_two(other):
    assert structural_key(structural_twin(Net(**other))) != structural_key(structural_twin(Net()))


def test_part_that_a_function_takes_of_a_list_is_hashable():
    class Whole(Declared, BaseEstimator):
        sizes: tuple = hyperparameter((1, 2), "Sizes.", structural=lambda sizes: sizes)

    key = lambda sizes: structural_key(structural_twin(Whole(sizes=sizes)))  # noqa: E731
    assert hash(key([[1], [2, 3]])) == hash(key(((1,), (2, 3))))
    assert key([1, 2]) == key(np.array([1, 2])) == key((1, 2))


def test_classes_are_told_apart():
    assert structural_key(structural_twin(Net())) != structural_key(structural_twin(Wider()))
    inner = [WithOptimizer(inner=inner) for inner in (SGD(), Adam())]
    assert len({structural_key(structural_twin(i)) for i in inner}) == 2


def test_keys_are_hashable_and_equal_after_pickling():
    key = structural_key(structural_twin(MLPClassifier(hidden_layer_sizes=[3, 4])))
    again = pickle.loads(pickle.dumps(structural_twin(MLPClassifier(hidden_layer_sizes=[3, 4]))))
    assert {key: 1}[structural_key(again)] == 1


def test_runtime_values_are_numbers_and_nest():
    assert runtime_values(Net(widths=[3, 4], clip=2.0)) == {
        "rate": 0.1,
        "clip": 2.0,
        "widths": (3, 4),
        "dropout": 0.0,
    }
    assert runtime_values(WithOptimizer()) == {
        "inner": {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}
    }
    assert "clip" not in runtime_values(Net())


# Search ---------------------------------------------------------------------------------------


def test_search_space_has_nested_names():
    assert search_space(Wider()) == {"depth": [1, 2, 3]}
    assert search_space(Net()) == {"rate": (1e-3, 1.0, "log")}
    assert search_space(make_pipeline(StandardScaler(), Net())) == {"net__rate": (1e-3, 1.0, "log")}
    own = search_space(MLPClassifier())
    assert {"learning_rate", "dropout", "weight_decay"} <= own.keys()
    nested = search_space(make_pipeline(StandardScaler(), MLPClassifier(optimizer=Adam())))
    assert nested == {f"mlpclassifier__{name}": dimension for name, dimension in own.items()}


def test_search_space_reaches_into_a_search():
    search = GridSearchCV(Net(), {})
    assert search_space(search) == {"estimator__rate": (1e-3, 1.0, "log")}


def test_values_that_are_equal_but_of_other_types_are_other_structures():
    class Net(Declared, BaseEstimator):
        depth: object = hyperparameter(default=1, doc="Of the graph.", structural=True)

    keys = {structural_key(structural_twin(Net(depth=d))) for d in (1, 1.0, True, (1,), (True,))}
    assert len(keys) == 5


def test_declarations_follow_pythons_order_of_bases():
    class Base(Declared, BaseEstimator):
        rate: int = hyperparameter(default=1, doc="A number.")

    class Left(Base):
        rate: int = hyperparameter(default=2, doc="A number.")

    class Right(Base):
        pass

    class Both(Right, Left):
        pass

    assert Both().rate == 2


@pytest.mark.parametrize(
    ("theirs", "ours"), [("alpha", "weight_decay"), ("momentum", r"optimizer=SGD\(momentum=")]
)
def test_scikit_learns_names_are_hinted_at_in_set_params_too(theirs, ours):
    with pytest.raises(ValueError, match=f"Invalid parameter '{theirs}'.*here it is called {ours}"):
        MLPClassifier().set_params(**{theirs: 1})


def test_set_params_tells_which_parameter_was_meant():
    with pytest.raises(ValueError, match=r"estimator MLPClassifier; did you mean hidden_layer_siz"):
        make_pipeline(MLPClassifier()).set_params(mlpclassifier__hiden_layer_sizes=(3,))
    with pytest.raises(ValueError, match="'beta1' for estimator Adam; did you mean beta_1"):
        MLPClassifier(optimizer=Adam()).set_params(optimizer__beta1=0.5)
    with pytest.raises(ValueError, match="'dept' for estimator ByHand; did you mean depth"):
        ByHand().set_params(dept=3)


@pytest.mark.parametrize(
    ("estimator", "name", "hint"),
    [
        (MLPRegressor, "calibrate", "it is for classifiers; .*loss='gaussian' or 'quantile'"),
        (MLPRegressor, "class_weight", "it is for classifiers; .*fit takes sample_weight"),
        (MLPClassifier, "loss", "learns by the cross-entropy; NetworkClassifier takes"),
    ],
)
def test_what_the_other_kind_of_estimator_has_is_answered_with_what_is_possible(
    estimator, name, hint
):
    with pytest.raises(TypeError, match=f"unexpected parameter {name!r}; .*{hint}"):
        estimator(**{name: True})
    with pytest.raises(ValueError, match=f"Invalid parameter {name!r} .*{hint}"):
        estimator().set_params(**{name: True})


@pytest.mark.parametrize(
    ("parameters", "hint"),
    [
        ({"hidden_layer_sizes": 100}, r"Got 100 instead; .* write hidden_layer_sizes=\(100,\)"),
        ({"callbacks": print}, r"Got <built-in function print> .* write callbacks=\[...\]"),
        ({"callbacks": "plot"}, r"Got 'plot' instead; .* write callbacks=\[...\]"),
    ],
)
def test_one_where_several_are_asked_for_belongs_in_a_list(parameters, hint):
    name = next(iter(parameters))
    with pytest.raises(ValueError, match=f"{name!r} parameter of MLPRegressor must be a t.*{hint}"):
        MLPRegressor(**parameters).fit([[0.0], [1.0]], [0, 1])


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    ("argument", "hint"),
    [
        ("validation_data", "pass X_val and y_val"),
        ("validation_split", "set early_stopping=True and validation_fraction of the estimator"),
        ("epochs", r"set it of the estimator, as MLPRegressor\(epochs=...\)"),
    ],
)
def test_arguments_of_keras_fit_are_answered_with_ours(method, argument, hint, data):
    with pytest.raises(TypeError, match=f"MLPRegressor.{method} takes no {argument}; {hint}"):
        getattr(MLPRegressor(), method)(*data, **{argument: 1})
    with pytest.raises(TypeError, match="unexpected keyword argument 'steps'"):
        getattr(MLPRegressor(), method)(*data, steps=1)
