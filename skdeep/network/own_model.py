"""What the estimators for a user's own model share: its arguments, its building, its weights."""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from skdeep import engine  # first: who loads TensorFlow first sets it up

# isort: split
import keras
import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted, validate_data

from skdeep import blueprint
from skdeep.hyperparameters import Declared, hyperparameter
from skdeep.network.functions import (
    DEFAULTS,
    arguments_of,
    check_names,
    listed,
    own_arguments,
    refuse_configs,
)
from skdeep.network.graphs import check_ends, refuse_own_steps, refuse_parts
from skdeep.network.losses import Packed, packed
from skdeep.network.models import ending_of, template_of
from skdeep.persistence.estimators import is_loading, is_saving
from skdeep.validation import naming


class OwnModel(Declared):
    """What the classes for a user's own model share.

    Parameters
    ----------
    model : Any, default=None
        A function that returns a Keras model, called with those of ``input_shape``, ``n_outputs``
        and ``meta`` that it names, and with ``model_params``; or a Keras model, whose weights a fit
        starts from. None is one hidden layer of ``units`` (100) with an ``activation`` ('relu').
    model_params : dict or None, default=None
        Arguments of that function, by name; ``model__<name>`` sets one, in the constructor too.
    loss : str, callable or None, default=None
        A Keras loss: its name, an object or a function of (y_true, y_pred) that gives a number for
        each row. None chooses by the target and the model's last activation.
    """

    model: Any = hyperparameter(
        default=None,
        doc="A function that returns a Keras model, called with those of ``input_shape``, "
        "``n_outputs`` and ``meta`` that it names, and with ``model_params``; or a Keras model, "
        "whose weights a fit starts from. None is one hidden layer of ``units`` (100) with an "
        "``activation`` ('relu').",
        structural=None,
    )
    model_params: dict | None = hyperparameter(
        default=None,
        doc="Arguments of that function, by name; ``model__<name>`` sets one, in the constructor "
        "too.",
        constraint=[dict, None],
        structural=None,
    )
    loss: Any = hyperparameter(
        default=None,
        doc="A Keras loss: its name, an object or a function of (y_true, y_pred) that gives a "
        "number for each row. None chooses by the target and the model's last activation.",
        constraint=[str, callable, None],
        structural=None,
    )
    _routes = ("model__",)
    _default_model = "perceptron"  # of DEFAULTS

    # Parameters of the function ------------------------------------------------------------

    def get_params(self, deep=True):
        """Parameters by name; those of the model's function as ``model__<name>``.

        Parameters
        ----------
        deep : bool, default=True
            Whether to add nested ones.

        Returns
        -------
        params : dict
        """
        params = super().get_params(deep=deep)
        if not deep:
            return params
        names = {} if self._has_model() else own_arguments(self._function())
        names |= self.model_params if isinstance(self.model_params, dict) else {}
        return params | {f"model__{name}": value for name, value in names.items()}

    def set_params(self, **params):
        """Set parameters; ``model__<name>`` goes into a copy of ``model_params``.

        Parameters
        ----------
        **params : dict
            Names and values.

        Returns
        -------
        self : object
        """
        own = {name[7:]: value for name, value in params.items() if name.startswith("model__")}
        super().set_params(**{k: v for k, v in params.items() if not k.startswith("model__")})
        if own:
            if self._has_model():
                raise ValueError(
                    f"model is a Keras model, which takes no {listed(own)}; pass a function that "
                    f"builds it."
                )
            check_names(self._function(), own)
            self.model_params = {**(self.model_params or {}), **own}
        return self

    def __sklearn_clone__(self):
        # Keras copies models and losses through its file format, which takes long and loses
        # classes that are not registered. No fit changes them, so that clones may share them.
        bare = copy.copy(self)
        bare.model = bare.loss = None
        params = self.model_params if isinstance(self.model_params, dict) else {}
        layers = {name: part for name, part in params.items() if isinstance(part, keras.Layer)}
        if layers:
            bare.model_params = params | dict.fromkeys(layers)
        twin = super(OwnModel, bare).__sklearn_clone__()
        twin.model, twin.loss = self.model, self.loss
        if layers:
            twin.model_params |= layers
        return twin

    def __getstate__(self):
        if is_saving():
            refuse_configs(self.model_params, "model_params")
        if is_saving() and (self._has_model() or isinstance(self.loss, keras.Loss)):
            name = "model" if self._has_model() else "loss"
            raise TypeError(
                f"{name} of {type(self).__name__} cannot be saved, for it is an object of Keras's; "
                f"pass a function that makes it, or pickle the estimator."
            )
        state = super().__getstate__()
        return {**state, "loss": packed(state["loss"])} if "loss" in state else state

    def __setstate__(self, state):
        if is_loading():
            refuse_configs(state.get("model_params"), "model_params")
        if isinstance(state.get("loss"), Packed):
            state = {**state, "loss": state["loss"].unpacked()}
        super().__setstate__(state)

    def _has_model(self) -> bool:
        return isinstance(self.model, keras.Model)

    def _function(self) -> Callable:
        return DEFAULTS[self._default_model] if self.model is None else self.model

    # Hooks of the base ---------------------------------------------------------------------

    def _check_parameters(self):
        if self._has_model():
            refuse_own_steps(self.model)
            if getattr(self.model, "inputs", None):
                check_ends(self.model.inputs, self.model.outputs)
            if self.model_params:
                raise ValueError(
                    f"model is a Keras model, which takes no model_params, but they are "
                    f"{self.model_params}; pass a function that builds it."
                )
        elif not callable(self._function()):
            raise TypeError(
                f"model must be a function that returns a Keras model, a Keras model or None, "
                f"but is {self.model!r}."
            )

    def _check_rows(self, X, y, sample_weight, *, reset, suffix=""):
        with naming(f"X{suffix}"):
            refuse_parts(X, y)
        return super()._check_rows(X, y, sample_weight, reset=reset, suffix=suffix)

    def _check_X(self, X, reset):
        """Rows of any rank and numeric dtype; after a fit in the one that the model takes."""
        X = validate_data(self, X, dtype="numeric", allow_nd=True, reset=reset)
        if reset:
            return X
        task = self._fitted.task
        if X.shape[1:] != task.input_shape:
            raise ValueError(
                f"X has rows of shape {X.shape[1:]}, but fit has seen rows of {task.input_shape}."
            )
        return self._as_input(X, task)

    def _as_input(self, X, task):
        wanted = np.dtype(task.input_dtype)
        if X.dtype == np.uint8 and wanted.kind == "f":
            return X  # a quarter of the memory; the model's input casts
        if wanted.kind in "iu":
            limits = np.iinfo(wanted)
            if np.any(X != np.floor(X)) or X.min() < limits.min or X.max() > limits.max:
                raise ValueError(
                    f"the model takes integers ({wanted}), but X has other numbers; pass "
                    f"integers, or begin the model with an input of floating numbers."
                )
            return X.astype(wanted, copy=False)
        return check_array(X, dtype=wanted, allow_nd=True, input_name="X", estimator=self)

    def _is_noisy(self, task):
        return task.model.noisy or not task.model.rowwise

    def _design(self, task, target, before):
        arguments = {}
        source = self._default_model if self.model is None else self.model
        if not self._has_model():
            arguments = arguments_of(self._function(), self.model_params, self._meta(task, target))
        template, graph, start = template_of(source, arguments, self._feature_layer(), task)
        ending = ending_of(graph, task)
        trained = bool(graph.model.trainable_variables)
        target, head = self._target_and_head(target, graph.output.shape, ending, trained)
        dtype = graph.inputs[0].dtype
        task = replace(task, input_dtype=dtype, head=head, model=template)
        if before is not None and before.task.model != template:
            raise ValueError(
                "warm_start and partial_fit go on with the network of the first fit, but model "
                "builds another one now; put it back, or fit a clone."
            )

        def own_weights(network, rng, X, weight):
            fresh = engine.Network(lambda: graph.with_features(template.layer), task.precision)
            return network.initial(rng, fresh, start)

        return task, target, own_weights

    def _feature_layer(self) -> str | int | None:
        """Whose output transform gives: by name, or as in :class:`Template`."""
        return -1

    def _meta(self, task: blueprint.Task, target: Any) -> dict[str, Any]:
        """What a function may ask for: the shape of rows, the number of outputs, and the rest."""
        meta = {
            "n_features_in_": task.input_shape[0],
            "X_shape_": (None, *task.input_shape),
            "n_outputs_": target.head.n_outputs,
            **self._meta_of_target(target),
        }
        given = {"input_shape": task.input_shape, "n_outputs": target.head.n_outputs}
        return given | {"meta": meta}

    def _meta_of_target(self, target: Any) -> dict[str, Any]:
        return {}

    def _sampled(self, X, n_samples):
        check_is_fitted(self)
        if not blueprint.has_dropout(self._fitted.twin, self._fitted.task):
            raise ValueError(
                f"n_samples={n_samples} asks for networks thinned by dropout, but the model has no "
                f"skdeep.layers.Dropout; keras.layers.Dropout acts in training alone: put "
                f"skdeep.layers.Dropout(rate) in its place, or leave n_samples at None."
            )
        return super()._sampled(X, n_samples)

    def _target_and_head(self, target, shape: tuple, ending: str, trained: bool):
        """The target, and the head that the model's outputs make of it, or a ValueError."""
        raise NotImplementedError

    @property
    def network_(self):
        """The fitted model, as ``model`` gave it: a copy, without effect on this."""
        fitted = self._attribute("network_")
        task = fitted.task
        network = blueprint.network(fitted.twin, task)

        def build():
            graph = task.model.new_graph(task)
            arrays = network.arrays(fitted.progress.weights)
            graph.with_features(task.model.layer).set_weights(arrays)
            return graph.model

        return engine.build_apart(build, task.precision)
