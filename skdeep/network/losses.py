"""What own models are taught: targets as they are, and any loss of Keras.

A loss is asked for one number for each row; what Keras would reduce itself (the mean over outputs)
is reduced here, and the rows' weights come after it.
"""

import inspect
from dataclasses import dataclass
from typing import Any, NamedTuple

from skdeep import engine  # first: who loads TensorFlow first sets it up

# isort: split
import keras
import numpy as np
from keras import losses, ops

from skdeep.network.functions import listed
from skdeep.persistence import saved
from skdeep.targets import Head


@saved
@dataclass(frozen=True)
class Rows:
    """Targets taken as they are, of any rank.

    Attributes
    ----------
    shape : tuple of int
        Of one row's target.
    """

    shape: tuple[int, ...]

    @property
    def head(self) -> Head:
        """One squared error for each number."""
        return Head("squared", (1,) * self.shape[-1])

    def encode(self, y: np.ndarray, name: str = "y") -> np.ndarray:
        """The same numbers."""
        if y.shape[1:] != self.shape:
            raise ValueError(
                f"{name} has rows of shape {y.shape[1:]}, but y had {self.shape} at first."
            )
        if (largest := np.abs(y).max()) > 1e18:
            raise ValueError(
                f"{name} reaches {largest:g}, whose square float32 does not hold; scale {name}."
            )
        return y


@saved
@dataclass(frozen=True, eq=False)
class KeyedLoss:
    """A loss whose equality is that of its fingerprint.

    Attributes
    ----------
    given : str, callable or keras.Loss
        As the user said it.
    key : str
        Its fingerprint, whatever a file says: losses of one key share a program. The name that
        Keras counts up is no part of it.

    Raises
    ------
    TypeError
        If ``given`` is something else, which only a file made by hand can hold: of a dict Keras
        would make what it names.
    """

    given: Any
    key: str = ""

    def __post_init__(self) -> None:
        is_ours = type(self.given).__module__.partition(".")[0] == "skdeep"
        if not isinstance(self.given, str) and (is_ours or not callable(self.given)):
            raise TypeError(f"a loss must be a name or a function, but is {self.given!r}.")
        loss: Any = resolve(self.given)
        if isinstance(loss, keras.Loss):
            parts = {name: value for name, value in vars(loss).items() if name != "name"}
            loss = type(loss), parts
        object.__setattr__(self, "key", engine.fingerprint(loss))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KeyedLoss) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __getstate__(self) -> dict:
        return {"given": packed(self.given), "key": self.key}

    def __setstate__(self, state: dict) -> None:
        given = state["given"]
        given = given.unpacked() if isinstance(given, Packed) else given
        self.__dict__.update(state | {"given": given})

    def __call__(self, y_true: Any, y_pred: Any) -> Any:
        """One number for each row, (n,)."""
        loss = resolve(self.given)
        try:
            values = (loss.call if isinstance(loss, keras.Loss) else loss)(y_true, y_pred)
        except NotImplementedError as error:
            if "NumPy" not in str(error) and "numpy" not in str(error):
                raise
            raise TypeError(
                "loss computes with NumPy, which no compiled program can; write it with keras.ops."
            ) from error
        if len(values.shape) > 1:
            shapes = tuple(values.shape[1:]), tuple(y_pred.shape[1 : len(values.shape)])
            if shapes[0] != shapes[1] and set(shapes[0]) != {1}:
                raise ValueError(
                    f"loss gives numbers of the shape (batch_size, {listed(shapes[0])}) for "
                    f"outputs of {tuple(y_pred.shape)}, as if each row were compared with other "
                    f"rows; give a number for each row, or for each output."
                )
            values = ops.mean(values, axis=tuple(range(1, len(values.shape))))
        return values


@saved
@dataclass(frozen=True)
class LossHead:
    """A head with a Keras loss.

    Attributes
    ----------
    keras_loss : KeyedLoss or None
        None where nothing is trained.
    loss : {"sigmoid", "softmax", "numbers"}
        How targets are encoded: as ``targets.Head`` says, or not at all.
    groups : tuple of int
        As in ``targets.Head``.
    outputs : {"logits", "probabilities", "scores", "numbers"}
        What the model's outputs are.
    as_integers : bool
        Whether the loss takes positions of classes.
    """

    keras_loss: KeyedLoss | None
    loss: str
    groups: tuple[int, ...]
    outputs: str = "numbers"
    as_integers: bool = False

    @property
    def n_outputs(self) -> int:
        """Width of the model's output."""
        return sum(self.groups)

    def row_losses(self, outputs: Any, y: Any, label_smoothing: Any = None) -> tuple[Any, None]:
        """Loss of each row, (n,); TensorFlow is to find its gradient."""
        if self.keras_loss is None:
            return ops.zeros((ops.shape(outputs)[0],), outputs.dtype), None
        if self.as_integers:
            wanted = y[:, 0]
        elif self.loss == "numbers":
            wanted = ops.cast(y, outputs.dtype)
        else:
            head = Head(self.loss, self.groups)
            wanted = head.wanted(ops.cast(y, "int32"), outputs.dtype, label_smoothing)
        return self.keras_loss(wanted, outputs), None


class Packed(NamedTuple):
    """A Keras loss as class and attributes: Keras itself cannot pickle one of your own class."""

    cls: type
    attributes: dict

    def unpacked(self) -> Any:
        loss: Any = object.__new__(self.cls)
        loss.__dict__.update(self.attributes)
        return loss


def packed(value: Any) -> Any:
    """A loss that pickles; anything else as it is."""
    return Packed(type(value), vars(value)) if isinstance(value, keras.Loss) else value


def kind_of_outputs(head: Any) -> str:
    """What a classifier's outputs are: "logits", "probabilities" or "scores"."""
    return getattr(head, "outputs", "logits")


def logits_of(outputs: Any, head: Any, n_logits: int, ops: Any = np) -> Any:
    """Logits (n, n_logits), one for two classes, of what a classifier's model says.

    Scores stay as they are. ``ops`` has NumPy's functions for arrays of other kinds.
    """
    if kind_of_outputs(head) == "probabilities":
        outputs = ops.maximum(outputs, np.finfo(np.float32).tiny)
        if head.loss == "sigmoid":
            most = np.float64(1 - np.finfo(np.float32).epsneg)
            outputs = ops.where(outputs > most, most, outputs)
            outputs = ops.log(outputs) - ops.log1p(-outputs)
        else:
            outputs = ops.log(outputs)
    if n_logits == 1 and head.n_outputs == 2:
        return ops.take(outputs, [1], axis=-1) - ops.take(outputs, [0], axis=-1)
    return outputs


_CROSS_ENTROPIES = {
    "binarycrossentropy",
    "binaryfocalcrossentropy",
    "categoricalcrossentropy",
    "categoricalfocalcrossentropy",
    "sparsecategoricalcrossentropy",
}
_OF_POSITIONS = (
    losses.CategoricalGeneralizedCrossEntropy,
    losses.SparseCategoricalCrossentropy,
)
_POSITIONS = {cls.__name__.lower() for cls in _OF_POSITIONS}
_PROBABILITIES = {"sigmoid", "softmax"}
_NO_PROBABILITIES = {
    *("elu", "gelu", "leaky_relu", "leakyrelu", "linear", "log_softmax", "prelu", "relu", "selu"),
    *("silu", "softsign", "tanh"),
}
_HINGES = {"categoricalhinge", "hinge", "squaredhinge"}


def resolve(given: Any) -> Any:
    """A Keras loss or a function, of what the user gave."""
    try:
        loss = keras.losses.get(given)
    except ValueError:
        raise ValueError(
            f"loss={given!r} is no loss of Keras; pass a name such as 'binary_crossentropy', "
            f"'categorical_crossentropy', 'mean_squared_error' or 'huber', an object of "
            f"keras.losses, or a function of (y_true, y_pred)."
        ) from None
    if isinstance(loss, losses.Circle) or loss is losses.circle:
        raise ValueError(
            "loss='circle' compares the rows of a batch with each other, but a loss here is a "
            "number for each row by itself; pass another."
        )
    return loss


def chosen_head(form: str, groups: tuple[int, ...], ending: str) -> Any:
    """The cross-entropy that goes with a classifier's last activation."""
    if ending == "linear":
        return Head(form, groups)
    if ending != form or (form == "softmax" and len(groups) > 1):
        fitting = "linear" if len(groups) > 1 and form == "softmax" else f"{form} or linear"
        raise ValueError(
            f"the model ends in {ending}, but with loss=None the last layer of "
            f"{sum(groups)} outputs for this target must be {fitting}; change it, or pass a loss."
        )
    name = "binary_crossentropy" if form == "sigmoid" else "categorical_crossentropy"
    return LossHead(KeyedLoss(name), form, groups, "probabilities")


def head_of_loss(given: Any, form: str, groups: tuple[int, ...], ending: str) -> LossHead:
    """The head of a classifier with the user's loss, if the two go together."""
    loss = resolve(given)
    kind = loss if inspect.isfunction(loss) else type(loss)
    is_keras = str(kind.__module__).startswith("keras.")
    name = getattr(kind, "__name__", "loss").replace("_", "").lower() if is_keras else ""
    from_logits = bool(getattr(loss, "from_logits", False))
    if name in _HINGES:
        outputs = "scores"
    elif name in _CROSS_ENTROPIES:
        outputs = "logits" if from_logits else "probabilities"
    elif is_keras:
        outputs = "probabilities"
    else:
        outputs = "probabilities" if ending in _PROBABILITIES else "logits"
        if ending not in _PROBABILITIES | _NO_PROBABILITIES:
            raise ValueError(
                f"the model ends in {ending}, and the loss is of your own, so that nothing tells "
                f"whether outputs are logits or probabilities; end the model in a layer whose "
                f"activation is linear or {form}."
            )
    as_integers = name in _POSITIONS or isinstance(loss, _OF_POSITIONS)
    told = getattr(kind, "__name__", repr(loss))
    if outputs == "logits" and is_keras and ending in _PROBABILITIES:
        raise ValueError(
            f"{told}(from_logits=True) takes logits, but the model ends in {ending}; end it "
            f"in a linear layer, or leave out from_logits."
        )
    if outputs == "probabilities" and ending in _NO_PROBABILITIES:
        raise ValueError(
            f"{told} compares probabilities, but the model ends in {ending}; end it in "
            f"{form}, or pass loss=None, which takes logits too (so does from_logits=True)."
        )
    if form == "softmax" and len(groups) > 1:
        raise ValueError(
            f"y has {len(groups)} columns of classes, for which a loss cannot be chosen; pass "
            f"loss=None and end the model in a linear layer of {sum(groups)} outputs."
        )
    if form == "sigmoid" and groups == (1,):
        if as_integers or name.startswith("categorical"):
            raise ValueError(
                f"{told} needs an output for each of the two classes, but the model has one; give "
                f"it two, or pass loss='binary_crossentropy'."
            )
        if ending == "softmax":
            raise ValueError("softmax of a single output is always 1; end the model in sigmoid.")
    if as_integers and form == "sigmoid":
        raise ValueError(f"{told} is for classes that exclude each other, not for labels.")
    return LossHead(KeyedLoss(given), form, groups, outputs, as_integers)


def width_of(shape: tuple) -> int:
    """Columns of a model's output, which must be (n, n_outputs)."""
    if len(shape) != 2 or shape[1] is None:
        raise ValueError(
            f"the model's output must have the shape (None, n_outputs), but has {tuple(shape)}; "
            f"end it in Flatten or pooling and a Dense layer."
        )
    return shape[1]
