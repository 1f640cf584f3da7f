"""The one way through a fit: validate, encode, compile, train, store.

What is particular to a family, an estimator says by the hooks of
:class:`~skdeep.base.NetworkEstimator`; all else that happens in a fit is here.
"""

import copy
import functools
import inspect
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.base import _fit_context
from sklearn.metrics import check_scoring
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state

from skdeep import blueprint
from skdeep.callbacks.checkpoint import resume
from skdeep.callbacks.session import session
from skdeep.exceptions import FitDivergedError, FitInterruptedWarning, LoadError
from skdeep.hyperparameters import padded_twin, runtime_values, structural_key, structural_twin
from skdeep.persistence import saved
from skdeep.targets import Conformity, Labels, Unlabelled, weighted
from skdeep.validation import naming, unchanged_on_error

_KERAS_ARGUMENTS = {  # of its fit, and what to do
    "validation_data": "pass X_val and y_val",
    "validation_split": "set early_stopping=True and validation_fraction of the estimator",
}


def fit_method(method: Callable) -> Callable:
    """A ``fit`` or ``partial_fit``: parameters are validated, and Keras's arguments answered."""
    known = inspect.signature(method).parameters
    validating = _fit_context(prefer_skip_nested_validation=True)(method)

    @functools.wraps(method)
    def fit(self, *args, **kwargs):
        owner = type(self).__name__
        for name in kwargs.keys() - known.keys():
            hint = _KERAS_ARGUMENTS.get(name)
            if hint is None and name in self.get_params(deep=False):
                hint = f"set it of the estimator, as {owner}({name}=...)"
            if hint is not None:
                raise TypeError(f"{owner}.{method.__name__} takes no {name}; {hint}.")
        return validating(self, *args, **kwargs)

    return fit


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
    conformity : Conformity or None
        Rows not trained on, by which a regressor's intervals are widened.
    """

    task: blueprint.Task
    target: Any
    twin: Any
    true_twin: Any
    hyper: dict
    progress: Any
    temperatures: Any = None
    conformity: Conformity | None = None

    def _check_part(self) -> None:
        """Refuse weights of another network than that of the twins, see ``persistence.saved``.

        Networks whose building takes seconds, or calls the user's function, tell when they are
        used, see ``engine.network.Layout``.
        """
        if structural_key(padded_twin(self.true_twin)) != structural_key(self.twin):
            raise LoadError("the twins of a fit are of two networks.")
        if self.conformity is not None:
            width, needed = self.conformity.outputs.shape[1], self.target.head.n_outputs
            if width != needed:
                raise LoadError(f"a target of {needed} outputs has validation rows of {width}.")
        if self.task.model is not None or self.twin._n_members() > 1:
            return
        network, progress = blueprint.network(self.twin, self.task), self.progress
        for weights in (progress.state["weights"], progress.best):
            for name in () if weights is None else ("trainable", "fixed"):
                size, needed = np.size(weights[name]), getattr(network, name).size
                if size != needed:
                    raise LoadError(f"a network of {needed:,} {name} numbers has {size:,} of them.")
        if self.task.wide:
            needed = (*self.task.input_shape, self.twin._table_width(self.task))
            if (shape := np.shape(progress.weights["table"])) != needed:
                raise LoadError(f"a network with a table of {needed} has one of {shape}.")


def validation_rows(X_val: Any, y_val: Any, sample_weight_val: Any) -> tuple | None:
    """What ``fit`` got to validate on, as :func:`fit_epochs` takes it."""
    for name, given in {"y_val": y_val, "sample_weight_val": sample_weight_val}.items():
        if X_val is None and given is not None:
            raise ValueError(f"fit got {name} without X_val; pass the rows too.")
    return None if X_val is None else (X_val, y_val, sample_weight_val)


def fit_epochs(estimator: Any, X, y, sample_weight, validation: tuple | None = None) -> Any:
    """Fit for ``estimator.epochs`` epochs; under ``warm_start`` from the last fit on.

    ``validation`` is X, y and weights as the user gave them. Returns the estimator, which is as it
    was if anything fails.
    """
    goes_on = estimator.warm_start and hasattr(estimator, "_fitted")
    if goes_on:
        _check_schedule(estimator)
    with unchanged_on_error(estimator):
        epochs = int(estimator.epochs)  # for a numpy integer of 8 bits would overflow
        return _fit(estimator, X, y, sample_weight, epochs, goes_on, validation=validation)


def fit_on(estimator: Any, X, y, sample_weight, classes=None) -> Any:
    """Fit for one epoch, from the last fit on if there was one."""
    if estimator.early_stopping:
        raise ValueError("partial_fit does not stop early; set early_stopping=False, or call fit.")
    _check_schedule(estimator)
    with unchanged_on_error(estimator):
        goes_on = hasattr(estimator, "_fitted")
        return _fit(estimator, X, y, sample_weight, 1, goes_on, classes=classes)


def _fit(estimator, X, y, sample_weight, epochs, goes_on, *, validation=None, classes=None):
    from skdeep import engine

    estimator._check_parameters()
    given, given_val = X, None if validation is None else validation[0]
    X, y, weight = estimator._check_rows(X, y, sample_weight, reset=not goes_on)
    before = estimator._fitted if goes_on else None
    with naming("y" if classes is None else "classes"):
        target = before.target if before else estimator._make_target(y, weight, classes)
    fitted = _begin(estimator, X, weight, estimator._task(X, target.head), target, before)
    with naming("X"):
        X, target = estimator._as_input(X, fitted.task), fitted.target
    held_out = estimator._watches_rows() and validation is None
    if validation is not None:
        X_val, y_val, weight_val = validation
        validation = _probe(estimator, fitted)._check_rows(
            X_val, y_val, weight_val, reset=False, suffix="_val"
        )
    planned = epochs
    fitted, epochs, keep = resume(estimator, fitted, epochs, goes_on, (X, y, weight), validation)
    done = planned - epochs
    if held_out:
        (X, y, weight), validation = _hold_out(estimator, X, y, weight, fitted)
        given = None
    encoded = target.encode(y)
    factors = estimator._class_factors(target, encoded, weight)
    rows = _encoded(X, encoded, weight, factors, "sample_weight")
    if len(y) <= estimator.batch_size and not estimator._is_noisy(fitted.task):
        rows = engine.merge_equal_rows(*rows)
    seen = None
    if validation is not None:
        X_val, y_val, weight_val = validation
        seen = _encoded(
            X_val, target.encode(y_val, "y_val"), weight_val, factors, "sample_weight_val"
        )

    if not fitted.progress.state["weights"]["trainable"].size:  # all layers are frozen
        epochs = 0
    data = given, X, y, weight
    if epochs:
        with session(estimator, fitted, epochs, done, data, rows, keep) as (hooks, rate):
            progress = engine.train(
                blueprint.program(fitted.twin, fitted.task),
                replace(fitted.progress, learning_rate_factor=rate),
                *rows,
                epochs=epochs,
                batch_size=int(estimator.batch_size),
                hyper=fitted.hyper,
                schedule=estimator._schedules(fitted.progress.epoch + epochs),
                validation=seen,
                score=_scorer(estimator, fitted, validation, given_val),
                patience=int(estimator.patience) if estimator.early_stopping else None,
                callbacks=hooks,
            )
        fitted = replace(fitted, progress=progress)
    _check_outputs(estimator, fitted, rows[0][:64])
    if fitted.progress.interrupted:
        warnings.warn(
            f"{type(estimator).__name__}.fit was interrupted after {fitted.progress.epoch} epochs; "
            f"the estimator holds the best weights up to then. Another Ctrl-C within two seconds "
            f"stops what runs the fits.",
            FitInterruptedWarning,
            stacklevel=6,
        )
    temperatures = estimator._temperatures(fitted, seen)
    conformity = estimator._conformity(fitted, seen)
    estimator._store(replace(fitted, temperatures=temperatures, conformity=conformity))
    return estimator


def _begin(
    estimator: Any, X: Any, weight: Any, task: blueprint.Task, target: Any, before: Fitted | None
) -> Fitted:
    """What a fit starts from: drawn weights, or the last fit if it can be continued."""
    from skdeep import engine

    task, target, draw = estimator._design(task, target, before)
    optimizer = estimator._chosen_optimizer()
    optimizer._validate_params()
    twin, true_twin = (structural_twin(estimator, padded=padded) for padded in (True, False))
    hyper = runtime_values(estimator)
    twin.optimizer = true_twin.optimizer = structural_twin(optimizer)
    hyper["optimizer"] = runtime_values(optimizer)
    if before is not None:
        _check_same(before, task, true_twin)
        return replace(before, hyper=hyper, temperatures=None, conformity=None)
    bits = check_random_state(estimator.random_state).randint(2**31, size=2, dtype=np.int64)
    seed = int(bits[0] << 31 | bits[1])
    network = blueprint.network(twin, task)
    _check_size(estimator, network.trainable.size + network.fixed.size)
    rng = np.random.default_rng([seed, 1])
    if draw is None:
        weights = network.initial(rng, blueprint.shapes(true_twin, task))
    else:
        weights = draw(network, rng, X, weight)
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


def _probe(estimator: Any, fitted: Fitted) -> Any:
    """A copy of an estimator, as if it had been fitted already."""
    probe = copy.copy(estimator)
    probe._fitted = fitted
    return probe


def _hold_out(estimator: Any, X, y, weight, fitted: Fitted) -> tuple[tuple, tuple]:
    """Rows to train on and rows to validate on, split with the fit's seed."""
    labels = fitted.target.encode(y)
    single = isinstance(fitted.target, Labels) and labels.shape[1] == 1
    seed = fitted.progress.seed % 2**32
    kept, held = held_out_rows(estimator, labels[:, 0] if single else None, weight, seed)
    return (X[kept], y[kept], weight[kept]), (X[held], y[held], weight[held])


def held_out_rows(
    estimator: Any, classes: np.ndarray | None, weight: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the rows to train on, and of those to validate on; of rows with a weight.

    ``classes`` are the integers of which both shall have like shares, if there are enough.
    """
    rows = np.flatnonzero(weight)
    n_held = int(np.ceil(estimator.validation_fraction * len(rows)))
    purpose = "early_stopping" if estimator.early_stopping else "calibrate"
    if n_held == len(rows):
        raise ValueError(
            f"{purpose} holds out validation_fraction={estimator.validation_fraction:g} of "
            f"n_samples={len(rows)} rows, which leaves none to train on; pass X_val and y_val."
        )
    stratify = None
    if classes is not None:
        counts = np.bincount(classes[rows].astype(int))
        if counts.min() > 1 and len(counts) <= min(n_held, len(rows) - n_held):
            stratify = classes[rows]
    kept, held = train_test_split(rows, test_size=n_held, random_state=seed, stratify=stratify)
    for name, part in {"hold out": held, "train on": kept}.items():
        if weight[part].sum() <= 0:
            raise ValueError(
                f"the weights of the rows that {purpose} would {name} sum to "
                f"{weight[part].sum():g}, which must be positive; pass X_val and y_val."
            )
    return kept, held


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


def _scorer(estimator: Any, fitted: Fitted, validation: Any, given: Any):
    """A function from weights to the score that early stopping watches; None for the loss.

    The scorer gets the rows as they were given to validate on; held out, as they were validated.
    """
    if isinstance(estimator.early_stopping, bool | np.bool_):
        return None
    X, y, weight = validation
    X = estimator._as_given(X, fitted.task) if given is None else given
    y = None if isinstance(fitted.target, Unlabelled) else y
    probe = copy.copy(estimator)
    with naming("early_stopping"):
        scorer = check_scoring(probe, estimator.early_stopping)
    weighted = {} if np.all(weight == 1) else {"sample_weight": weight}
    if "sample_weight" not in inspect.signature(scorer).parameters:
        weighted = {}

    def score(weights) -> float:
        state = {"weights": weights}
        probe._store(replace(fitted, progress=replace(fitted.progress, state=state, best=None)))
        if given is None:
            probe.__dict__.pop("feature_names_in_", None)  # X is an array by now
        return scorer(probe, X, y, **weighted)

    return score


def _check_outputs(estimator: Any, fitted: Fitted, X: Any) -> None:
    """Refuse weights that predict no numbers: the last update's effect is in no loss."""
    from skdeep import engine

    weights = fitted.progress.weights
    if np.abs(weights["trainable"]).max(initial=0) < 1e3:
        return
    program = blueprint.program(fitted.twin, fitted.task)
    output = engine.predict(program, weights, X, fitted.hyper)["output"]
    if not np.isfinite(getattr(output, "values", output)).all():
        raise FitDivergedError(
            f"the outputs became NaN or infinite with learning_rate={estimator.learning_rate:g}; "
            f"lower the learning rate, scale the inputs, or set clip_norm."
        )


def _check_size(estimator: Any, size: int) -> None:
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


def _check_schedule(estimator: Any) -> None:
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
