"""The face of every estimator that trains a network, and what a family says of itself."""

import math
from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.callback import CallbackSupportMixin
from sklearn.utils._param_validation import Interval, InvalidParameterError, StrOptions
from sklearn.utils.validation import (
    _check_sample_weight,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from skdeep import blueprint, optimizers, schedules
from skdeep.base.fitting import Fitted, fit_epochs, fit_method, validation_rows
from skdeep.hyperparameters import Declared, hyperparameter
from skdeep.persistence.estimators import hand_over, take_back
from skdeep.validation import naming, naming_words, refuse_dates


class NetworkEstimator(
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    CallbackSupportMixin,
    Declared,
    BaseEstimator,
):
    """Base of all estimators that train a network; declares what they share."""

    epochs: int = hyperparameter(
        default=20,
        doc="Passes over the rows.",
        constraint=Interval(Integral, 1, None, closed="left"),
        structural=None,
    )
    batch_size: int = hyperparameter(
        default=200,
        doc="Rows in a step; larger is faster an epoch, but takes fewer steps.",
        constraint=Interval(Integral, 1, None, closed="left"),
        structural=None,
    )
    learning_rate: float = hyperparameter(
        default=1e-2,
        doc="The optimizer's step size; larger is faster until the loss oscillates or diverges.",
        constraint=Interval(Real, 0, None, closed="neither"),
        search=(1e-4, 1e-1, "log"),
    )
    learning_rate_schedule: Any = hyperparameter(
        default=None,
        doc="Factor of the learning rate by epoch: a name falls to 0 over the epochs; or a "
        "function, see ``skdeep.schedules``. None is constant.",
        constraint=[StrOptions(set(schedules.NAMES)), callable, None],
        structural=None,
    )
    optimizer: Any = hyperparameter(
        default="adam",
        doc="A name, or an object of ``skdeep.optimizers`` with settings of its own.",
        constraint=[StrOptions(set(optimizers.NAMES)), optimizers.Optimizer],
        structural=True,
    )
    weight_decay: float = hyperparameter(
        default=0.0,
        doc="L2 penalty: half of it times the squared kernels is added to the mean loss. AdamW "
        "shrinks the kernels directly.",
        constraint=Interval(Real, 0, None, closed="left"),
        search=(1e-6, 1e-1, "log"),
    )
    clip_norm: float | None = hyperparameter(
        default=None,
        doc="Longest gradient; a longer one is shortened to it. None leaves all as they are.",
        constraint=[Interval(Real, 0, None, closed="neither"), None],
    )
    early_stopping: Any = hyperparameter(
        default=False,
        doc="Whether to stop when validation rows no longer improve, and keep the best weights. "
        "True watches their loss; a scikit-learn scorer, or its name, is watched instead.",
        constraint=["boolean", str, callable],
        structural=None,
    )
    validation_fraction: float = hyperparameter(
        default=0.1,
        doc="Share of the rows that are held out to validate on, where that is needed and ``fit`` "
        "gets no ``X_val``.",
        constraint=Interval(Real, 0, 1, closed="neither"),
        structural=None,
    )
    patience: int = hyperparameter(
        default=10,
        doc="Epochs without improvement that end the fit, under early stopping.",
        constraint=Interval(Integral, 1, None, closed="left"),
        structural=None,
    )
    callbacks: Any = hyperparameter(
        default=(),
        doc="Called at the end of each epoch: functions of an ``EpochState`` (see "
        "``skdeep.callbacks``), or Keras callbacks.",
        constraint=[tuple, list],
        structural=None,
    )
    warm_start: bool = hyperparameter(
        default=False,
        doc="Whether ``fit`` goes on from the last fit instead of anew.",
        structural=None,
    )
    random_state: Any = hyperparameter(
        default=None,
        doc="Seed of initial weights, row order, dropout and augmentation. An integer makes fits "
        "equal to the bit, on one machine with one number of threads.",
        constraint=["random_state"],
        structural=None,
    )
    verbose: Any = hyperparameter(
        default=0, doc="Whether to show a progress bar.", constraint=["verbose"], structural=None
    )

    _renamed = {  # noqa: RUF012
        "max_iter": "epochs",
        "alpha": "weight_decay",
        "learning_rate_init": "learning_rate",
        "lr": "learning_rate",
        "solver": "optimizer",
        "n_iter_no_change": "patience",
        "momentum": "optimizer=SGD(momentum=...)",
        "nesterovs_momentum": "optimizer=SGD(nesterov=...)",
        "beta_1": "optimizer=Adam(beta_1=...)",
        "beta_2": "optimizer=Adam(beta_2=...)",
        "epsilon": "optimizer=Adam(epsilon=...)",
    }
    _sparse_rows = False  # whether _check_X takes CSR matrices

    @fit_method
    def fit(self, X, y, sample_weight=None, X_val=None, y_val=None, sample_weight_val=None):
        """Train on rows X and their targets y.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows, of the kinds said above.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the loss; their ratios matter. Negative ones are legal.
        X_val, y_val, sample_weight_val : array-likes, default=None
            Rows to validate on after each epoch, without training on them. In a Pipeline they
            are transformed as X is by ``Pipeline(steps, transform_input=["X_val"])``, with
            scikit-learn's metadata routing enabled and ``set_fit_request(X_val=True,
            y_val=True)``.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If the data cannot be used; the estimator is as it was.
        FitDivergedError
            If the loss becomes NaN or infinite; the estimator is as it was.
        """
        validation = validation_rows(X_val, y_val, sample_weight_val)
        return fit_epochs(self, X, y, sample_weight, validation)

    def transform(self, X):
        """Features of rows X: what the network computes under its last layer.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows.

        Returns
        -------
        features : ndarray of shape (n_samples, n_features_out), float32
        """
        features = self._outputs(X)["features"]
        return features if isinstance(features, np.ndarray) else features.arrays()

    @property
    def history_(self):
        """The course of training: a DataFrame with one row for each epoch.

        ``loss`` is the mean over the epoch's steps, without penalties; ``val_loss`` and
        ``val_score`` are there if rows were validated.
        """
        import pandas as pd

        return pd.DataFrame(self._attribute("history_").progress.history).rename_axis("epoch")

    @property
    def network_(self):
        """The fitted network as a Keras model to look at: a copy, without effect on this.

        Of a network for wide sparse rows it has what follows the product with its table.
        """
        from skdeep import engine

        fitted = self._attribute("network_")
        twin, task = fitted.true_twin, fitted.task
        model = engine.build_apart(lambda: blueprint.keras_model(twin, task), task.precision)
        padded, true = blueprint.network(fitted.twin, task), blueprint.shapes(twin, task)
        model.set_weights(padded.arrays(fitted.progress.weights, true))
        return model

    def summary(self):
        """The layers of the fitted network: a DataFrame with one row for each, by name.

        ``kind`` is the layer's class, ``output_shape`` that of one row (None within a model of a
        class of its own), ``parameters`` how many numbers it holds, ``trained`` how many of them
        gradients train. The product with the table of wide sparse rows is a layer too.
        """
        import pandas as pd

        from skdeep import engine

        check_is_fitted(self)
        fitted, model = self._fitted, self.network_
        layers = [
            (
                name,
                type(layer).__name__,
                _shape_of_rows(getattr(layer, "output", None)),
                layer.count_params(),
                sum(math.prod(variable.shape) for variable in layer.trainable_variables),
            )
            for name, layer in engine.named_layers(model)
        ]
        if fitted.task.wide:
            width, size = fitted.true_twin._table_width(fitted.task), _table_size(fitted)
            rows = (layers[0][0], layers[0][1], fitted.task.input_shape, 0, 0)
            layers[:1] = [rows, ("table", "SparseProduct", (width,), size, size)]
        columns = ["layer", "kind", "output_shape", "parameters", "trained"]
        return pd.DataFrame(layers, columns=columns).set_index("layer")

    def __getstate__(self):
        return hand_over(self, super().__getstate__())

    def __setstate__(self, state):
        super().__setstate__(take_back(state))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self._sparse_rows
        tags.target_tags.multi_output = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def _validate_params(self):
        if type(self.optimizer).__module__.startswith("keras"):
            name = type(self.optimizer).__name__
            raise InvalidParameterError(
                f"optimizer is Keras's {name}, whose updates are no part of a compiled program; "
                f"pass a name ({', '.join(sorted(optimizers.NAMES))}) or an object of "
                f"skdeep.optimizers, and the step size as learning_rate."
            )
        super()._validate_params()

    # What families say, on the structural twin where they build ------------------------------

    def _features(self, inputs: Any, task: blueprint.Task) -> Any:
        """The network, from input to the features under the last layer, as Keras tensors."""
        raise NotImplementedError

    def _network(self, inputs: Any, task: blueprint.Task) -> dict[str, Any]:
        """The network from its input to its outputs, "features" and "output" among them."""
        from skdeep import layers

        features = self._features(inputs, task)
        dtype = "float64" if task.precision == "float64" else "float32"
        if task.wide and features is inputs:  # no hidden layer: the table was the last one
            output = layers.Bias(name="head")(features)
        else:
            output = self._last_layer(task.head.n_outputs, name="head", dtype=dtype)(features)
        return {"output": output, "features": features}

    def _functions(self, network: Any, task: blueprint.Task) -> dict[str, Any]:
        """What the network's program computes: arguments of ``engine.Program``, by name.

        ``predict`` may be a dict of functions, of which "" is the network's own.
        """
        return blueprint.trained_by_head(network, self, task)

    def _table_width(self, task: blueprint.Task) -> int:
        """Units of the first layer, which is a table where rows are wide and sparse."""
        raise NotImplementedError

    def _check_X(self, X: Any, reset: bool) -> Any:
        """X validated: an array (n, ...) or CSR matrix, of the dtype that the network takes."""
        dtype = blueprint.float_dtype() if reset else self._fitted.task.input_dtype
        accepted = "csr" if self._sparse_rows else False
        X = validate_data(self, X, dtype=dtype, accept_sparse=accepted, reset=reset)
        if reset:
            return X
        from skdeep.engine.rows import is_wide

        # Whether the network has a table was decided by the rows of the first fit.
        if self._fitted.task.wide and not sp.issparse(X):
            return sp.csr_matrix(X)
        return X.toarray() if is_wide(X) and not self._fitted.task.wide else X

    def _task(self, X: Any, head: Any) -> blueprint.Task:
        """The task of validated rows X, predicted by a head."""
        return blueprint.task_of(X, head)

    def _last_layer(self, units: int, **named: Any) -> Any:
        """The layer from the features to so many outputs."""
        import keras

        return keras.layers.Dense(units, **named)

    def _n_members(self) -> int:
        """Networks that are trained side by side, and averaged."""
        return 1

    def _uses_xla(self, device: str) -> bool:
        """Whether XLA compiles the network, on "cpu" or "gpu".

        On a CPU it is slow at convolutions, on a GPU it lacks cuDNN's recurrent layers.
        """
        return True

    def _check_parameters(self) -> None:
        """Refuse hyper-parameters that their declared constraints cannot."""

    def _is_noisy(self, task: blueprint.Task) -> bool:
        """Whether a step draws numbers for each row, so that equal rows are not alike."""
        return False

    def _design(self, task: blueprint.Task, target: Any, before: Fitted | None) -> tuple:
        """Task and target as the network wants them, and how its first weights come about.

        The last is a function of the network, a generator, the validated rows and their weights;
        None is by the initialisers.
        """
        return task, target, None

    def _chosen_optimizer(self) -> optimizers.Optimizer:
        """The optimizer, as an object."""
        return optimizers.resolve(self.optimizer)

    def _schedules(self, last_epoch: int) -> dict[str, schedules.Schedule]:
        """Factors of run-time numbers by epoch, in a fit that ends with ``last_epoch``."""
        schedule = schedules.resolve(self.learning_rate_schedule, last_epoch)
        return {} if schedule is None else {"learning_rate": schedule}

    def _canonical(self, output: Any, fitted: Fitted) -> Any:
        """The network's outputs as ``fitted.target`` takes them, where its head gives others."""
        return output

    def _served_rows(self) -> tuple[str, tuple]:
        """Dtype and shape of the rows that an exported function takes; None where it is free."""
        task = self._fitted.task
        return task.input_dtype, (None, *task.input_shape)

    def _as_given(self, X: Any, task: blueprint.Task) -> Any:
        """Validated rows in a kind that users know, for their scorers."""
        return X

    def _as_input(self, X: Any, task: blueprint.Task) -> Any:
        """Validated rows in the dtype that a task asks for, if ``_check_X`` could not know it."""
        return X

    # What classifiers and regressors say ------------------------------------------------------

    def _check_y(self, y: Any) -> np.ndarray:
        """y validated, (n,) or (n, n_columns)."""
        raise NotImplementedError

    def _make_target(self, y: np.ndarray, weight: np.ndarray, classes: Any) -> Any:
        """The encoding of y, found at a first fit; see ``skdeep.targets``."""
        raise NotImplementedError

    def _class_factors(self, target: Any, encoded: np.ndarray, weight: np.ndarray) -> list:
        """For each column of the encoded targets, what multiplies the weights by class."""
        return []

    def _watches_rows(self) -> bool:
        """Whether a fit needs rows that it does not train on."""
        return isinstance(self.early_stopping, str) or bool(self.early_stopping)

    def _temperatures(self, fitted: Fitted, validation: tuple | None) -> Any:
        """What divides the logits of each column, found on encoded validation rows; or None."""

    def _conformity(self, fitted: Fitted, validation: tuple | None) -> Any:
        """What intervals are widened by, of encoded validation rows; or None."""

    def _public_attributes(self, fitted: Fitted) -> dict[str, Any]:
        """The attributes with a trailing underscore that follow from a fit."""
        shapes = blueprint.shapes(fitted.true_twin, fitted.task)
        width = shapes.output_shape["features"][-1]
        return {
            "n_parameters_": shapes.trainable.size + shapes.fixed.size + _table_size(fitted),
            "n_iter_": fitted.progress.epoch,
            "best_epoch_": fitted.progress.best_epoch,
            "_n_features_out": width,
        }

    # Rows in, outputs out --------------------------------------------------------------------

    def _checked_X(self, X, *, reset: bool, name: str = "X"):
        """X validated; errors call it by name."""
        with naming(name), naming_words(X):
            refuse_dates(X)
            return self._check_X(X, reset=reset)

    def _check_rows(self, X, y, sample_weight, *, reset: bool, suffix: str = ""):
        """X, y and weights, validated; weights are float64."""
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y{suffix} to be passed, but the target y is None."
            )
        X = self._checked_X(X, reset=reset, name=f"X{suffix}")
        with naming(f"y{suffix}"):
            y = self._check_y(y)
            check_consistent_length(X, y)
        return X, y, self._checked_weight(X, sample_weight, suffix)

    def _checked_weight(self, X: Any, sample_weight: Any, suffix: str) -> np.ndarray:
        """The weights of validated rows X, (n,) float64."""
        with naming(f"sample_weight{suffix}"):
            refuse_dates(sample_weight)
            weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
            if not 0 < (total := weight.sum()) < np.inf:
                raise ValueError(
                    f"sample_weight{suffix} sums to {total:g}; negative weights are legal, but "
                    f"the sum of all must be positive and finite."
                )
        return weight

    def _store(self, fitted: Fitted) -> None:
        """Set what a fit leaves."""
        for name, value in self._public_attributes(fitted).items():
            setattr(self, name, value)
        self._fitted = fitted

    def _outputs(self, X) -> dict[str, np.ndarray]:
        """The network's outputs for rows X: "output" (n, n_outputs) and "features"."""
        from skdeep import engine

        check_is_fitted(self)
        fitted = self._fitted
        X = self._checked_X(X, reset=False)
        program = blueprint.program(fitted.twin, fitted.task)
        outputs = engine.predict(program, fitted.progress.weights, X, fitted.hyper)
        features = outputs["features"]
        values = features.values if isinstance(features, engine.Sequences) else features
        values = values[..., : self._n_features_out]
        if fitted.task.precision != "float64":  # bfloat16 is for inside
            values = values.astype(np.float32, copy=False)
        if isinstance(features, engine.Sequences):
            values = features.with_values(values)
        outputs["features"] = values
        outputs["output"] = self._canonical(outputs["output"], fitted)
        return outputs

    def _sampled(self, X, n_samples: int) -> Iterator[np.ndarray]:
        """The outputs (n, n_outputs) of n_samples networks, thinned by dropout, for rows X.

        Each is one network for all rows, so that no row's outputs depend on its neighbours.
        """
        from skdeep import engine

        check_is_fitted(self)
        if not isinstance(n_samples, Integral) or isinstance(n_samples, bool) or n_samples < 1:
            raise ValueError(f"n_samples must be a positive integer or None, but is {n_samples!r}.")
        fitted = self._fitted
        if not blueprint.has_dropout(fitted.twin, fitted.task):
            raise ValueError(
                f"n_samples={n_samples} asks for networks thinned by dropout, but this one was "
                f"fitted without; fit it with dropout > 0 in a hidden layer, or leave n_samples "
                f"at None."
            )
        X = self._checked_X(X, reset=False)
        program = blueprint.program(fitted.twin, fitted.task)
        for key in engine.random.sample_keys(fitted.progress.seed, n_samples):
            weights = {**fitted.progress.weights, "key": key}
            output = engine.predict(program, weights, X, fitted.hyper)["output"]
            yield self._canonical(output, fitted)

    def _attribute(self, name: str) -> Fitted:
        """The fit behind an attribute, which is not there before it."""
        if not hasattr(self, "_fitted"):
            raise AttributeError(f"{type(self).__name__} has no {name} before fit.")
        return self._fitted


def _shape_of_rows(output: Any) -> Any:
    """The shapes of a layer's outputs for one row; None where they are not known."""
    import keras

    if output is None:
        return None
    return keras.tree.map_structure(lambda tensor: tensor.shape[1:], output)


def _table_size(fitted: Fitted) -> int:
    """Numbers in the table of a network for wide sparse rows; 0 for others."""
    if not fitted.task.wide:
        return 0
    return fitted.task.input_shape[0] * fitted.true_twin._table_width(fitted.task)
