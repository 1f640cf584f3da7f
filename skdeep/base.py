"""The estimators' common ground: validate, encode, compile, train, store.

A family derives from :class:`BaseNetworkClassifier` and :class:`BaseNetworkRegressor`, and
contributes its hyper-parameters and :meth:`~NetworkEstimator._features`, its network up to the last
layer.
"""

import copy
import inspect
import math
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import reduce
from numbers import Integral, Real
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    RegressorMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.callback import CallbackSupportMixin
from sklearn.metrics import check_scoring
from sklearn.model_selection import train_test_split
from sklearn.utils import check_array, check_random_state
from sklearn.utils._param_validation import Interval, InvalidParameterError, StrOptions
from sklearn.utils.validation import (
    _check_sample_weight,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from skdeep import blueprint, optimizers, schedules
from skdeep import callbacks as epoch_callbacks
from skdeep.exceptions import FitDivergedError, FitInterruptedWarning
from skdeep.hyperparameters import (
    Declared,
    hyperparameter,
    runtime_values,
    structural_key,
    structural_twin,
)
from skdeep.persistence import saved
from skdeep.persistence.estimators import hand_over, take_back
from skdeep.targets import QUANTILE_LEVELS, Labels, Reals, check_labels, weighted
from skdeep.validation import naming, refuse_dates, unchanged_on_error


@saved
@dataclass(frozen=True)
class Fitted:
    """All that a fit leaves: plain data, enough to predict and to go on.

    Attributes
    ----------
    task : Task
    target : Labels or Reals
    twin : NetworkEstimator
        The structural twin whose programs were used; widths are padded.
    true_twin : NetworkEstimator
        The same with true widths.
    hyper : dict
        Run-time numbers.
    progress : engine.Progress
        Weights, optimizer state, history.
    temperatures : ndarray (n_columns,) or None
        What divides each column's logits in probabilities.
    """

    task: blueprint.Task
    target: Any
    twin: Any
    true_twin: Any
    hyper: dict
    progress: Any
    temperatures: Any = None


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
        "solver": "optimizer",
        "n_iter_no_change": "patience",
        "momentum": "optimizer=SGD(momentum=...)",
        "nesterovs_momentum": "optimizer=SGD(nesterov=...)",
        "beta_1": "optimizer=Adam(beta_1=...)",
        "beta_2": "optimizer=Adam(beta_2=...)",
        "epsilon": "optimizer=Adam(epsilon=...)",
    }
    _sparse_rows = False  # whether _check_X takes CSR matrices

    @_fit_context(prefer_skip_nested_validation=True)
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
        for name, given in {"y_val": y_val, "sample_weight_val": sample_weight_val}.items():
            if X_val is None and given is not None:
                raise ValueError(f"fit got {name} without X_val; pass the rows too.")
        goes_on = self.warm_start and hasattr(self, "_fitted")
        if goes_on:
            _check_schedule(self)
        validation = None if X_val is None else (X_val, y_val, sample_weight_val)
        return self._fit(X, y, sample_weight, self.epochs, goes_on, validation=validation)

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

        check_is_fitted(self)
        fitted, model = self._fitted, self.network_
        layers = [
            (
                layer.name,
                type(layer).__name__,
                _shape_of_rows(getattr(layer, "output", None)),
                layer.count_params(),
                sum(math.prod(variable.shape) for variable in layer.trainable_variables),
            )
            for layer in model.layers
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

    def _canonical(self, output: Any, fitted: Fitted) -> Any:
        """The network's outputs as ``fitted.target`` takes them, where its head gives others."""
        return output

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

    # The one way through a fit ---------------------------------------------------------------

    def _fit(self, X, y, sample_weight, epochs, goes_on, *, validation=None, classes=None):
        with unchanged_on_error(self):
            epochs = int(epochs)  # for a numpy integer of 8 bits would overflow
            return self._fit_or_raise(X, y, sample_weight, epochs, goes_on, validation, classes)

    def _fit_or_raise(self, X, y, sample_weight, epochs, goes_on, validation, classes):
        from skdeep import engine

        self._check_parameters()
        X, y, weight = self._check_rows(X, y, sample_weight, reset=not goes_on)
        held_out = self._watches_rows() and validation is None
        before = self._fitted if goes_on else None
        with naming("y" if classes is None else "classes"):
            target = before.target if before else self._make_target(y, weight, classes)
        fitted = self._begin(self._task(X, target.head), target, before)
        with naming("X"):
            X, target = self._as_input(X, fitted.task), fitted.target
        if validation is not None:
            validation = self._check_validation(*validation, fitted)
        fitted, epochs, keep = epoch_callbacks.resume(
            self, fitted, epochs, goes_on, (X, y, weight), validation
        )
        if held_out:
            (X, y, weight), validation = self._hold_out(X, y, weight, fitted)
        encoded = target.encode(y)
        factors = self._class_factors(target, encoded, weight)
        rows = _encoded(X, encoded, weight, factors, "sample_weight")
        if len(y) <= self.batch_size and not self._is_noisy(fitted.task):
            rows = engine.merge_equal_rows(*rows)
        seen = None
        if validation is not None:
            X_val, y_val, weight_val = validation
            seen = _encoded(
                X_val, target.encode(y_val, "y_val"), weight_val, factors, "sample_weight_val"
            )

        if not fitted.progress.state["weights"]["trainable"].size:  # all layers are frozen
            epochs = 0
        data = X, y, weight
        if epochs:
            with epoch_callbacks.session(self, fitted, epochs, data, rows, keep) as (hooks, factor):
                progress = engine.train(
                    blueprint.program(fitted.twin, fitted.task),
                    replace(fitted.progress, learning_rate_factor=factor),
                    *rows,
                    epochs=epochs,
                    batch_size=int(self.batch_size),
                    hyper=fitted.hyper,
                    schedule=schedules.resolve(
                        self.learning_rate_schedule, fitted.progress.epoch + epochs
                    ),
                    validation=seen,
                    score=self._scorer(fitted, validation),
                    patience=int(self.patience) if self.early_stopping else None,
                    callbacks=hooks,
                )
            fitted = replace(fitted, progress=progress)
        self._check_outputs(fitted, rows[0][:64])
        if fitted.progress.interrupted:
            warnings.warn(
                f"{type(self).__name__}.fit was interrupted after {fitted.progress.epoch} epochs; "
                f"the estimator holds the best weights up to then. Another Ctrl-C within two "
                f"seconds stops what runs the fits.",
                FitInterruptedWarning,
                stacklevel=5,
            )
        self._store(replace(fitted, temperatures=self._temperatures(fitted, seen)))
        return self

    def _check_outputs(self, fitted: Fitted, X: Any) -> None:
        """Refuse weights that predict no numbers: the last update's effect is in no loss."""
        from skdeep import engine

        weights = fitted.progress.weights
        if np.abs(weights["trainable"]).max(initial=0) < 1e3:
            return
        program = blueprint.program(fitted.twin, fitted.task)
        output = engine.predict(program, weights, X, fitted.hyper)["output"]
        if not np.isfinite(getattr(output, "values", output)).all():
            raise FitDivergedError(
                f"the outputs became NaN or infinite with learning_rate={self.learning_rate:g}; "
                f"lower the learning rate, scale the inputs, or set clip_norm."
            )

    def _checked_X(self, X, *, reset: bool, name: str = "X"):
        """X validated; errors call it by name."""
        with naming(name):
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
        with naming(f"sample_weight{suffix}"):
            refuse_dates(sample_weight)
            weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
            if not 0 < (total := weight.sum()) < np.inf:
                raise ValueError(
                    f"sample_weight{suffix} sums to {total:g}; negative weights are legal, but "
                    f"the sum of all must be positive and finite."
                )
        return X, y, weight

    def _check_validation(self, X, y, sample_weight, fitted: Fitted):
        """Validation rows, validated against those of a fit that has only begun."""
        probe = copy.copy(self)
        probe._fitted = fitted
        return probe._check_rows(X, y, sample_weight, reset=False, suffix="_val")

    def _begin(
        self,
        task: blueprint.Task,
        target: Any,
        before: Fitted | None,
        draw: Callable[[Any, np.random.Generator], dict] | None = None,
    ) -> Fitted:
        """What a fit starts from: drawn weights, or the last fit if it can be continued.

        ``draw(network, rng)`` returns weights, where they are not those of the initialisers.
        """
        from skdeep import engine

        optimizer = optimizers.resolve(self.optimizer)
        optimizer._validate_params()
        twin, true_twin = (structural_twin(self, padded=padded) for padded in (True, False))
        hyper = runtime_values(self)
        twin.optimizer = true_twin.optimizer = structural_twin(optimizer)
        hyper["optimizer"] = runtime_values(optimizer)
        if before is not None:
            _check_same(before, task, true_twin)
            return replace(before, hyper=hyper, temperatures=None)
        bits = check_random_state(self.random_state).randint(2**31, size=2, dtype=np.int64)
        seed = int(bits[0] << 31 | bits[1])
        network = blueprint.network(twin, task)
        _check_size(self, network.trainable.size + network.fixed.size)
        rng = np.random.default_rng([seed, 1])
        if draw is None:
            weights = network.initial(rng, blueprint.shapes(true_twin, task))
        else:
            weights = draw(network, rng)
        state = {"weights": weights, "optimizer": optimizer.initial(weights["trainable"])}
        if task.wide:
            (n_columns,) = task.input_shape
            table = engine.tables.initial(
                (n_columns, true_twin._table_width(task)),
                twin._table_width(task),
                task.input_dtype,
                np.random.default_rng([seed, 2]),
            )
            slots = optimizer.initial(table)
            del slots["t"]  # the network's counts for both
            state["tables"] = {"weights": table, **slots}
        progress = engine.Progress(state, seed=seed)
        return Fitted(task, target, twin, true_twin, hyper, progress)

    def _hold_out(self, X, y, weight, fitted: Fitted):
        """Rows to train on and rows to validate on, split with the fit's seed."""
        rows = np.flatnonzero(weight)
        labels = fitted.target.encode(y)[rows]
        n_held = int(np.ceil(self.validation_fraction * len(rows)))
        purpose = "early_stopping" if self.early_stopping else "calibrate"
        if n_held == len(rows):
            raise ValueError(
                f"{purpose} holds out validation_fraction={self.validation_fraction:g} of "
                f"{len(rows)} rows, which leaves none to train on; pass X_val and y_val."
            )
        stratify = None
        if isinstance(fitted.target, Labels) and labels.shape[1] == 1:
            counts = np.bincount(labels[:, 0].astype(int))
            if counts.min() > 1 and len(counts) <= min(n_held, len(rows) - n_held):
                stratify = labels
        kept, held = train_test_split(
            rows, test_size=n_held, random_state=fitted.progress.seed % 2**32, stratify=stratify
        )
        for name, part in {"hold out": held, "train on": kept}.items():
            if weight[part].sum() <= 0:
                raise ValueError(
                    f"the weights of the rows that {purpose} would {name} sum to "
                    f"{weight[part].sum():g}, which must be positive; pass X_val and y_val."
                )
        return (X[kept], y[kept], weight[kept]), (X[held], y[held], weight[held])

    def _scorer(self, fitted: Fitted, validation):
        """A function from weights to the score that early stopping watches; None for the loss."""
        if isinstance(self.early_stopping, bool | np.bool_):
            return None
        X, y, weight = validation
        probe = copy.copy(self)
        with naming("early_stopping"):
            scorer = check_scoring(probe, self.early_stopping)
        weighted = {} if np.all(weight == 1) else {"sample_weight": weight}
        if "sample_weight" not in inspect.signature(scorer).parameters:
            weighted = {}

        def score(weights) -> float:
            state = {"weights": weights}
            probe._store(replace(fitted, progress=replace(fitted.progress, state=state, best=None)))
            probe.__dict__.pop("feature_names_in_", None)  # X is an array by now
            return scorer(probe, X, y, **weighted)

        return score

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


class BaseNetworkClassifier(ClassifierMixin, NetworkEstimator):
    """Base of classifiers: two or more classes, labels that exclude each other or not."""

    class_weight: Any = hyperparameter(
        default=None,
        doc="Weight of each class in the loss: a dict, or 'balanced' for equal sums; None is one.",
        constraint=[dict, StrOptions({"balanced"}), None],
        structural=None,
    )
    label_smoothing: float = hyperparameter(
        default=0.0,
        doc="Share of the uniform distribution that is mixed into the labels; it keeps "
        "probabilities from 0 and 1.",
        constraint=Interval(Real, 0, 1, closed="left"),
    )
    calibrate: bool = hyperparameter(
        default=False,
        doc="Whether to divide the logits, after training, by the temperature at which "
        "probabilities tell the truth about validation rows; it changes no ranking.",
        structural=None,
    )

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train one epoch more on rows X, going on from the last fit.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        classes : array-like of shape (n_classes,), default=None
            All classes that will ever come; needed at the first call if y lacks some.
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        self : object
        """
        check_partial(self)
        if self.calibrate:
            raise ValueError(
                "partial_fit holds out no rows to calibrate on; set calibrate=False, or call fit."
            )
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' needs all rows at once; pass partial_fit a dict of "
                "weights, as sklearn.utils.compute_class_weight gives."
            )
        return self._fit(X, y, sample_weight, 1, hasattr(self, "_fitted"), classes=classes)

    def predict(self, X):
        """The likeliest class of each row, (n_samples,) or (n_samples, n_outputs)."""
        outputs = self._outputs(X)["output"]
        return self._fitted.target.labels(outputs)

    def predict_proba(self, X, n_samples=None):
        """Probabilities of the classes, (n_samples, n_classes), float64.

        For a multilabel target those of each label, (n_samples, n_labels); for a multi-output one
        a list of arrays.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows.
        n_samples : int, default=None
            Average the probabilities of so many networks, each thinned by dropout as in a step of
            training [1]_: less sure where they disagree. The same ones for all rows, in each call.
            None is one network without dropout.

        References
        ----------
        .. [1] Gal, Ghahramani. Dropout as a Bayesian approximation: representing model uncertainty
           in deep learning. ICML, 2016, section 4.
        """
        check_is_fitted(self)
        target, temperatures = self._fitted.target, self._fitted.temperatures
        if n_samples is None:
            return target.probabilities(self._outputs(X)["output"], temperatures)
        samples = (target.probabilities(s, temperatures) for s in self._sampled(X, n_samples))
        total = reduce(_sum, samples)
        if isinstance(total, list):
            return [part / n_samples for part in total]
        return total / n_samples

    def predict_log_proba(self, X):
        """Logarithm of :meth:`predict_proba`."""
        probabilities = self.predict_proba(X)
        with np.errstate(divide="ignore"):
            if isinstance(probabilities, list):
                return [np.log(part) for part in probabilities]
            return np.log(probabilities)

    def decision_function(self, X):
        """Logits: (n_samples,) for two classes, else (n_samples, n_classes).

        They are the network's own: ``predict_proba`` divides them by ``temperature_`` first.
        """
        outputs = self._outputs(X)["output"]
        return self._fitted.target.decision(outputs)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def _check_y(self, y):
        return check_labels(y)

    def _make_target(self, y, weight, classes):
        return Labels.of(y, classes)

    def _class_factors(self, target, encoded, weight):
        return target.factors(self.class_weight, encoded, weight)

    def _watches_rows(self):
        return super()._watches_rows() or self.calibrate

    def _temperatures(self, fitted, validation):
        from skdeep import engine

        if not self.calibrate:
            return None
        X, encoded, weight = validation
        program = blueprint.program(fitted.twin, fitted.task)
        outputs = engine.predict(program, fitted.progress.weights, X, fitted.hyper)["output"]
        return fitted.target.temperatures(self._canonical(outputs, fitted), encoded, weight)

    def _public_attributes(self, fitted):
        target = getattr(fitted.target, "each", fitted.target)  # of each step, or of a row
        temperature = fitted.temperatures
        classes = {
            "single": target.classes[0],
            "multilabel": np.arange(len(target.classes)),
            "multioutput": target.classes,
        }[target.kind]
        if temperature is None:
            temperature = 1.0
        elif target.kind == "single":
            temperature = float(temperature[0])
        own = {"classes_": classes, "temperature_": temperature}
        return super()._public_attributes(fitted) | own


class BaseNetworkRegressor(RegressorMixin, NetworkEstimator):
    """Base of regressors, of one or several targets.

    Targets are standardised inside, so that the learning rate and the loss mean the same in all
    units; predictions are in the units of y.
    """

    loss: str = hyperparameter(
        default="squared",
        doc="What the network learns of y: its mean ('squared'), mean and variance of a normal "
        "distribution ('gaussian'), or quantiles ('quantile').",
        constraint=StrOptions({"squared", "gaussian", "quantile"}),
        structural=True,
    )

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, sample_weight=None):
        """Train one epoch more on rows X, going on from the last fit.

        The first call's y sets the scale of the targets.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        self : object
        """
        check_partial(self)
        return self._fit(X, y, sample_weight, 1, hasattr(self, "_fitted"))

    def predict(self, X, return_std=False, n_samples=None):
        """Targets of rows X, (n_samples,) or (n_samples, n_outputs), float64.

        They are means, or medians under ``loss="quantile"``.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows.
        return_std : bool, default=False
            Whether to return standard deviations as well: of the noise in y under
            ``loss="gaussian"``, under ``loss="quantile"`` half the distance of the quantiles that
            a normal distribution has one deviation below and above its mean.
        n_samples : int, default=None
            Average so many networks, each thinned by dropout as in a step of training [1]_. The
            variance of their predictions adds to that of the noise [2]_. The same networks for
            all rows, in each call. None is one network without dropout.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs), float64
        std : ndarray of the same shape, float64
            Only if ``return_std``.

        References
        ----------
        .. [1] Gal, Ghahramani. Dropout as a Bayesian approximation: representing model uncertainty
           in deep learning. ICML, 2016, section 4.
        .. [2] Kendall, Gal. What uncertainties do we need in Bayesian deep learning for computer
           vision? NeurIPS, 2017, equation 9.
        """
        check_is_fitted(self)
        target = self._fitted.target
        if n_samples is not None:
            samples = self._sampled(X, n_samples)
        elif return_std and target.head.loss == "squared":
            raise ValueError(
                "return_std=True needs a network that knows its uncertainty: fit with "
                "loss='gaussian' or 'quantile', or give n_samples to one that has dropout."
            )
        else:
            samples = iter([self._outputs(X)["output"]])
        values, deviations = target.mixture(samples)
        return (values, deviations) if return_std else values

    def predict_quantiles(self, X, quantiles=(0.05, 0.5, 0.95)):
        """Quantiles of the targets of rows X, float64.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows.
        quantiles : array-like of shape (n_quantiles,), default=(0.05, 0.5, 0.95)
            Their levels, in (0, 1); in [0.01, 0.99] under ``loss="quantile"``. The default is a
            median and an interval of 90%.

        Returns
        -------
        quantiles : ndarray of shape (n_samples, n_quantiles) or (n_samples, n_outputs, n_quantiles)
            They do not cross.

        Raises
        ------
        ValueError
            If the fit had ``loss="squared"``, or a level is out of range.
        """
        check_is_fitted(self)
        target = self._fitted.target
        if target.head.loss == "squared":
            raise ValueError(
                "predict_quantiles needs a fit with loss='gaussian' or 'quantile', but this one "
                "had loss='squared'."
            )
        with naming("quantiles"):
            levels = np.asarray(quantiles, dtype=np.float64)
        inside = (levels > 0) & (levels < 1)
        if target.head.loss == "quantile":
            inside = (levels >= QUANTILE_LEVELS[0]) & (levels <= QUANTILE_LEVELS[-1])
        if levels.ndim != 1 or not levels.size or not inside.all():
            known = "[0.01, 0.99], where loss='quantile' learns them"
            raise ValueError(
                f"quantiles must be a list of levels in "
                f"{known if target.head.loss == 'quantile' else '(0, 1)'}, but is {quantiles!r}."
            )
        return target.quantiles(self._outputs(X)["output"], levels)

    def _check_y(self, y):
        refuse_dates(y)
        y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
        if y.ndim == 2 and y.shape[1] == 1:
            from sklearn.utils import column_or_1d

            y = column_or_1d(y, warn=True)
        return y

    def _make_target(self, y, weight, classes):
        return Reals.of(y, weight, self.loss)


def _sum(one: Any, other: Any) -> Any:
    """The sum of two arrays, or of the arrays of two lists, pair by pair."""
    if isinstance(one, list):
        return [a + b for a, b in zip(one, other, strict=True)]
    return one + other


def _encoded(X, encoded: Any, weight: np.ndarray, factors: list, name: str):
    """Rows as the program takes them: inputs, encoded targets, weights times class factors.

    ``name`` is what an error calls the weights.
    """
    steps = None if isinstance(encoded, np.ndarray) else encoded
    values = encoded if steps is None else steps.values
    if values.dtype.kind == "f":
        values = values.astype(blueprint.float_dtype(), copy=False)
    # A row's loss is the mean over its steps; so each step counts alike.
    weight = weighted(encoded, weight, factors) if steps is None else weight * steps.lengths
    if not weight.sum() > 0:
        by = "classes" if steps is None else "steps"
        raise ValueError(
            f"{name} sums to {weight.sum():g} with the weights of {by}; the sum of all must be "
            f"positive."
        )
    if steps is None:
        return X, values, weight
    if isinstance(X, np.ndarray):  # all rows have all steps
        return X, values.reshape(*X.shape[:2], -1), weight
    return X, steps.with_values(values), weight


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


def _check_size(estimator, size: int) -> None:
    """Refuse a network whose weights, gradient and two moments of Adam no memory would hold."""
    limit = 2**31  # an element's place in the vector of weights has 32 bits
    if hasattr(os, "sysconf"):
        limit = min(limit, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 16)
    if size >= limit:
        shaped = {
            name: value
            for name, field in estimator._hyperparameters.items()
            if field.structural and repr(value := getattr(estimator, name)) != repr(field.default)
        }
        given = ", ".join(f"{name}={value!r}" for name, value in shaped.items())
        raise ValueError(
            f"the network would have {size:,} weights, but no more than {limit:,} fit here; make "
            f"it smaller{f', of which you gave {given}' if given else ', or X narrower'}."
        )


def check_partial(estimator) -> None:
    """Refuse what needs a whole fit from an estimator that learns by ``partial_fit``."""
    if estimator.early_stopping:
        raise ValueError("partial_fit does not stop early; set early_stopping=False, or call fit.")
    _check_schedule(estimator)


def _check_schedule(estimator) -> None:
    """Refuse a schedule that ends with one fit where other fits go on."""
    if isinstance(estimator.learning_rate_schedule, str):
        raise ValueError(
            f"learning_rate_schedule={estimator.learning_rate_schedule!r} falls to zero over the "
            f"epochs of one fit, which leaves nothing to go on with; for warm_start and "
            f"partial_fit pass a schedule that knows all epochs, such as "
            f"skdeep.schedules.Cosine(epochs=100)."
        )


def _check_same(before: Fitted, task: blueprint.Task, twin: Any) -> None:
    """Refuse to go on where the data's shape or the network's has changed."""
    old, new = vars(before.true_twin), vars(twin)
    changed = [name for name in new if name != "optimizer" and old.get(name) != new[name]]
    if structural_key(before.true_twin.optimizer) != structural_key(twin.optimizer):
        changed.append("optimizer")
    if changed:
        raise ValueError(
            f"warm_start and partial_fit go on with the network of the first fit, but "
            f"{', '.join(changed)} changed; put it back, or fit a clone."
        )
    if before.task != task:
        raise ValueError(
            f"warm_start and partial_fit go on with the network of the first fit, which takes "
            f"{before.task}, but the data need {task}."
        )
