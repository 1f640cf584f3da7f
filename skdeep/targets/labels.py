"""Classes: their numbers, their weights, and what logits say of them."""

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import expit, logsumexp, softmax
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_array

from skdeep.persistence import saved
from skdeep.targets.heads import Head
from skdeep.validation import naming


@saved
@dataclass(frozen=True)
class Labels:
    """Classes of a classification target.

    Attributes
    ----------
    classes : list of ndarray
        The sorted classes of each column; for a multilabel target [0, 1] of each label.
    kind : {"single", "multilabel", "multioutput"}
    """

    classes: list[np.ndarray]
    kind: str

    @classmethod
    def of(cls, y, classes=None) -> "Labels":
        """The classes found in validated labels y, or those given by the user."""
        if y.ndim == 2:
            # Zeros and ones are labels, unless classes of each column are given: more may come.
            by_column = classes is not None and any(np.ndim(column) for column in classes)
            is_indicator = type_of_target(y) == "multilabel-indicator" and np.isin(y, (0, 1)).all()
            if is_indicator and not by_column:
                return cls([np.array([0, 1])] * y.shape[1], "multilabel")
            columns = list(y.T) if classes is None else [np.asarray(c) for c in classes]
            if len(columns) != y.shape[1] or any(column.ndim != 1 for column in columns):
                raise ValueError(
                    f"y has {y.shape[1]} columns, so that classes must be a list of as many lists, "
                    f"the classes of each column, such as [[0, 1], ...], but is {classes!r}."
                )
            return cls([np.unique(column) for column in columns], "multioutput")
        if classes is not None and (np.ndim(classes) != 1 or pd.isna(np.asarray(classes)).any()):
            raise ValueError(f"classes must be a list of labels, but is {classes!r}.")
        found = np.unique(y) if classes is None else np.unique(np.asarray(classes))
        if len(found) < 2:
            name = "y" if classes is None else "classes"
            given = f"has one class, {found.tolist()[0]!r}" if len(found) else "is empty"
            raise ValueError(
                f"{name} {given}; a classifier needs at least two classes. If others come later, "
                f"give all to partial_fit as classes."
            )
        return cls([found], "single")

    @property
    def head(self) -> Head:
        """Sigmoids for two classes and for labels, else a softmax for each column."""
        if self.kind == "multilabel":
            return Head("sigmoid", (1,) * len(self.classes))
        if self.kind == "single" and len(self.classes[0]) == 2:
            return Head("sigmoid", (1,))
        return Head("softmax", tuple(len(c) for c in self.classes))

    def encode(self, y, name: str = "y") -> np.ndarray:
        """Positions of the labels, (n, n_columns): int32 for softmax, float32 for sigmoid.

        ``name`` is what an error calls them.

        Raises
        ------
        ValueError
            If y has a class that was not there before, or another number of columns.
        """
        columns = y.T if y.ndim == 2 else [y]
        if len(columns) != len(self.classes):
            raise ValueError(
                f"{name} has {len(columns)} columns, but y had {len(self.classes)} at first."
            )
        encoded = np.empty((len(y), len(columns)), np.int32)
        for i, (column, classes) in enumerate(zip(columns, self.classes, strict=True)):
            position = np.searchsorted(classes, column).clip(max=len(classes) - 1)
            unseen = classes[position] != column
            if np.any(unseen):
                raise ValueError(
                    f"{name} contains unknown classes, {np.unique(column[unseen]).tolist()}; "
                    f"known since the first fit are {classes.tolist()}. If more can come, begin "
                    f"with partial_fit and give it all classes."
                )
            encoded[:, i] = position
        return encoded.astype(np.float32) if self.head.loss == "sigmoid" else encoded

    def check_weights(self, encoded: np.ndarray, weight: np.ndarray) -> None:
        """Refuse a class whose weights sum to zero or less: nothing could be learnt of it."""
        for column, classes in zip(encoded.T.astype(int), self.classes, strict=True):
            present = np.bincount(column, minlength=len(classes)) > 0
            total = np.bincount(column, weight, minlength=len(classes))
            if np.any(bad := present & (total <= 0)):
                label = classes[bad].tolist()[0]
                raise ValueError(
                    f"the weights of class {label!r} sum to {total[bad][0]:g}; they must "
                    f"be more than zero for each class. Remove the class or its weights."
                )

    def factors(self, class_weight: Any, encoded: np.ndarray, weight: np.ndarray) -> list:
        """What multiplies the weights of each class, an array for each column; [] for ones.

        Raises
        ------
        ValueError
            If a class would have a sum of weights of zero or less.
        """
        with naming("sample_weight"):
            self.check_weights(encoded, weight)
        if class_weight is None:
            return []
        factors = [
            _balanced(column, weight, len(classes))
            if isinstance(class_weight, str)
            else _chosen(class_weight, classes.tolist())
            for column, classes in zip(encoded.T.astype(int), self.classes, strict=True)
        ]
        with naming("class_weight"):
            self.check_weights(encoded, weighted(encoded, weight, factors))
        return factors

    def decision(self, outputs: np.ndarray) -> np.ndarray | list:
        """Logits as scikit-learn shapes them; a list for a multi-output target."""
        if self.kind == "multioutput":
            return np.split(outputs, np.cumsum(self.head.groups)[:-1], axis=1)
        return (
            outputs[:, 0]
            if self.head == Head("sigmoid", (1,)) and self.kind == "single"
            else outputs
        )

    def probabilities(self, outputs: np.ndarray, temperatures=None) -> np.ndarray | list:
        """Probabilities as scikit-learn shapes them; a list for a multi-output target.

        ``temperatures``, one of each column, divide the logits.
        """
        outputs = outputs.astype(np.float64)
        if temperatures is not None:
            outputs /= np.repeat(temperatures, self.head.groups)
        if self.kind == "multioutput":
            return [softmax(part, axis=1) for part in self.decision(outputs)]
        if self.head.loss == "softmax":
            return softmax(outputs, axis=1)
        positive = expit(outputs)
        return positive if self.kind == "multilabel" else np.hstack([1 - positive, positive])

    def temperatures(self, outputs: np.ndarray, encoded: np.ndarray, weight: np.ndarray):
        """Temperatures that make logits tell the truth about held-out rows, (n_columns,)."""
        parts = np.split(outputs.astype(np.float64), np.cumsum(self.head.groups)[:-1], axis=1)
        columns = zip(parts, encoded.T.astype(int), strict=True)
        return np.array([_temperature(part, labels, weight) for part, labels in columns])

    def labels(self, outputs: np.ndarray) -> np.ndarray:
        """The likeliest classes, (n,) or (n, n_columns)."""
        if self.kind == "multilabel":
            return (outputs > 0).astype(int)
        if self.kind == "multioutput":
            parts = zip(self.decision(outputs), self.classes, strict=True)
            return np.column_stack([classes[part.argmax(axis=1)] for part, classes in parts])
        classes = self.classes[0]
        if len(classes) == 2:
            return classes[(outputs[:, 0] > 0).astype(int)]
        return classes[outputs.argmax(axis=1)]


def _temperature(logits: np.ndarray, labels: np.ndarray, weight: np.ndarray) -> float:
    """The T whose logits / T have the least log loss, of logits (n, 1) or (n, n_classes) [1]_.

    A row of weight one is added that wants log T = 0, by (log T)^2 / 2: without it T would be 0,
    all certainty, wherever the network is right about all of a few rows.

    .. [1] Guo, Pleiss, Sun, Weinberger. On calibration of modern neural networks. ICML, 2017,
       section 4.2.
    """
    if logits.shape[1] == 1:
        logits = np.hstack([np.zeros_like(logits), logits])
    logits = logits - np.take_along_axis(logits, labels[:, None], axis=1)
    weight = weight * (len(weight) / weight.sum())

    def loss(log_t: float) -> float:
        return weight @ logsumexp(logits / np.exp(log_t), axis=1) + log_t**2 / 2

    return np.exp(minimize_scalar(loss, bounds=(-5, 5), options={"xatol": 1e-8}).x)


def weighted(encoded: np.ndarray, weight: np.ndarray, factors: list) -> np.ndarray:
    """Weights (n,) times the factors of each row's classes."""
    for column, factor in zip(encoded.T, factors):
        weight = weight * factor[column.astype(int)]
    return weight


def _balanced(column: np.ndarray, weight: np.ndarray, n_classes: int) -> np.ndarray:
    """Factors that give all classes present the same sum of weights."""
    totals = np.bincount(column, weight, minlength=n_classes)
    present = totals > 0
    return np.divide(totals.sum() / present.sum(), totals, out=np.ones(n_classes), where=present)


def _chosen(class_weight: dict, classes: list) -> np.ndarray:
    """Factors from a dict, whose classes must be known; those that it lacks have one."""
    unknown = [label for label in class_weight if label not in classes]
    if unknown:
        raise ValueError(f"class_weight names {unknown}, but the classes are {classes}.")
    wrong = [
        v for v in class_weight.values() if not isinstance(v, Real) or not np.isfinite(float(v))
    ]
    if wrong:
        raise ValueError(f"class_weight must hold finite numbers, but holds {wrong}.")
    return np.array([class_weight.get(label, 1.0) for label in classes])


def check_labels(y) -> np.ndarray:
    """Labels as an array, (n,) or (n, n_columns), of a kind that classifiers take."""
    given = y
    y = check_array(y, ensure_2d=False, allow_nd=False, dtype=None, input_name="y")
    if y.dtype.kind in "SV":
        raise TypeError(f"y must hold strings or numbers, but has dtype {y.dtype}; decode it.")
    # Of a list with a string NumPy makes strings all over: 'nan' of a label that is missing.
    from_list = y.dtype.kind == "U" and isinstance(given, list | tuple)
    labels = np.array(given, dtype=object) if from_list else y
    if labels.dtype.kind == "O" and (missing := pd.isna(labels)).any():
        raise ValueError(f"y lacks {np.count_nonzero(missing)} labels; drop these rows.")
    if labels.dtype.kind == "O" and pd.api.types.infer_dtype(labels.ravel()).startswith("mixed"):
        raise TypeError("y mixes labels of several kinds; give strings or numbers alone.")
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    check_classification_targets(y)
    return y
