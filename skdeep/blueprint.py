"""What an estimator is to the engine: from its structure and its data to a program.

A *twin* has the structural hyper-parameters of an estimator and nothing else, a :class:`Task` what
the data say. Together they are the key of all that is built here, so that equal pairs share one
network and one compiled program.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skdeep._config import get_config
from skdeep.hyperparameters import structural_key
from skdeep.persistence import saved
from skdeep.targets import Head


@saved
@dataclass(frozen=True)
class Task:
    """What the data say about a network: with the hyper-parameters, all that shapes it.

    Attributes
    ----------
    input_shape : tuple of int or None
        Of one row; None where its length is free.
    input_dtype : str
        Of the rows, as the network takes them.
    head : targets.Head or network.losses.LossHead
        The network's outputs and its loss.
    precision : str
        What it computes in, see ``config_context``.
    wide : bool
        Whether rows are sparse with so many columns that they are never densified; the network's
        input is then their product with a table of its own.
    n_tokens : int
        How many tokens the rows are numbers of; 0 where they are no tokens.
    cardinalities : tuple of int
        How many codes each column of a table has; 0 where it holds numbers, 1 where these are two
        at most. Empty for no table.
    n_conditions : int
        How many last columns of the rows say what is known of them, and are not modelled.
    model : skdeep.network.models.Template or None
        The user's own model, where it takes the place of the family's.
    """

    input_shape: tuple
    input_dtype: str
    head: Any
    precision: str
    wide: bool = False
    n_tokens: int = 0
    cardinalities: tuple = ()
    n_conditions: int = 0
    model: Any = None


def float_dtype() -> type:
    """The floating type of the precision in force."""
    return np.float64 if get_config()["precision"] == "float64" else np.float32


def task_of(X, head: Head) -> Task:
    """The task of validated rows X, predicted by a head."""
    from skdeep.engine.rows import is_wide

    return Task(X.shape[1:], X.dtype.name, head, get_config()["precision"], is_wide(X))


def keras_model(twin: Any, task: Task):
    """The Keras model of a twin: a dict of "output" and "features"."""
    if task.model is not None:
        return task.model.with_features(task)
    import keras

    shape = (twin._table_width(task),) if task.wide else task.input_shape
    inputs = keras.Input(shape, dtype=task.input_dtype, name="rows")
    if twin._n_members() > 1:
        return _ensemble(inputs, twin, task)
    return keras.Model(inputs, twin._network(inputs, task))


def _ensemble(inputs: Any, twin: Any, task: Task):
    """Networks side by side: outputs (n, n_members, n_outputs), their features in one row."""
    import keras

    from skdeep import layers

    parts = []
    for i in range(twin._n_members()):
        own = keras.Input(inputs.shape[1:], dtype=inputs.dtype, name="rows")
        model = keras.Model(own, twin._network(own, task), name=f"network_{i}")
        parts.append(layers.Member(model, i, name=f"member_{i}")(inputs))
    output = keras.ops.stack([part["output"] for part in parts], axis=1)
    features = keras.ops.concatenate([part["features"] for part in parts], axis=-1)
    return keras.Model(inputs, {"output": output, "features": features})


def network(twin: Any, task: Task):
    """The network of a twin, from the process-wide store."""
    from skdeep import engine

    key = (structural_key(twin), task)
    return engine.programs.get(
        "network", key, lambda: engine.Network(lambda: keras_model(twin, task), task.precision)
    )


def shapes(true_twin: Any, task: Task):
    """The network of a twin of true widths, of which only its shapes and initialisers are kept."""
    from skdeep import engine

    def build():
        model = lambda: keras_model(true_twin, task)  # noqa: E731
        return engine.Network(model, task.precision).without_model()

    return engine.programs.get("shapes", (structural_key(true_twin), task), build)


def has_dropout(twin: Any, task: Task) -> bool:
    """Whether the network of a twin has layers of dropout."""
    from skdeep import layers

    model = network(twin, task).model
    return any(isinstance(layer, layers.Dropout) for layer in model._flatten_layers())


def program(twin: Any, task: Task, use: str = ""):
    """The program of a twin, from the process-wide store.

    Its predict may find a random key among the weights: dropout then acts, see ``layers.Dropout``.
    Where a family has several, ``use`` names the one that is wanted.
    """
    from skdeep import engine

    key = (structural_key(twin), task, use)

    def build():
        structure = task.model or twin
        functions = twin._functions(network(twin, task), task)
        if isinstance(functions["predict"], dict):
            functions = {**functions, "predict": functions["predict"][use]}
        return engine.Program(
            key=key,
            **functions,
            xla_on_cpu=structure._uses_xla("cpu"),
            xla_on_gpu=structure._uses_xla("gpu"),
            padded=task.model is None or task.model.rowwise,
        )

    return engine.programs.get("program", key, build)


def trained_by_head(net: Any, twin: Any, task: Task) -> dict[str, Any]:
    """The functions of a program whose network learns a target by its head's loss."""
    from skdeep import engine

    alone = twin._n_members() == 1

    def loss(outputs, batch, hyper):
        row_losses = task.head.row_losses if alone else task.head.losses_of_members
        values, slope = row_losses(outputs["output"], batch.y, hyper.get("label_smoothing"))
        if slope is None:
            return values
        return engine.Losses(values, outputs["output"], slope)

    def evaluate(weights, batch, hyper):
        outputs = predict(weights, batch.x, hyper)
        return task.head.row_losses(outputs["output"], batch.y)[0]

    def predict(weights, x, hyper):
        if task.wide:
            x = engine.tables.product_with(weights["table"], x)
        key = weights.get("key")
        outputs = net.apply(weights, x, training=False, key=key, hyper=hyper)[0]
        if not alone:
            outputs["members"] = outputs["output"]
            outputs["output"] = task.head.mean_of_members(outputs["output"])
        return outputs

    return {**descent(net, twin, task, loss), "evaluate": evaluate, "predict": predict}


def descent(net: Any, twin: Any, task: Task, loss: Any) -> dict[str, Any]:
    """The functions of a program that descends a loss, as ``engine.gradient_step`` takes it."""
    from skdeep import engine

    def gradient(weights, batch, key, hyper):
        touched = (batch.x.column, weights["table"]) if task.wide else ()
        _, _, *parts = engine.loss_and_gradient(net, loss, weights, batch, key, hyper, *touched)
        return dict(zip(("trainable", "table"), parts))

    return {"step": engine.gradient_step(net, loss, twin.optimizer), "gradient": gradient}
