"""What recurrent networks take as X and y, and how it becomes the engine's rows."""

import warnings
from typing import Any

import numpy as np
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from skdeep.base import BaseNetworkClassifier
from skdeep.blueprint import Task, float_dtype, task_of
from skdeep.preprocessing import sequences
from skdeep.targets import PerStep
from skdeep.validation import naming


class SequenceRows:
    """Mixin: rows are sequences of numbers or of tokens, targets are those of rows or of steps."""

    def _check_X(self, X, reset):
        """Sequences (n, None, n_features) of floats or (n, None) of tokens; or floats (n, T, F)."""
        fitted = None if reset else self._fitted.task
        X, frame = sequences.without_frames(sequences.without_column(X))
        given = X
        strings = sequences.has_strings(X)
        if fitted.n_tokens if fitted else strings or self.embedding_size:
            return self._check_tokens(X, reset)
        if strings and fitted:
            raise TypeError("X holds strings, but fit has seen numbers; pass numbers.")
        X = self._check_numbers(X, float_dtype() if reset else fitted.input_dtype, reset)
        if reset:
            self.__dict__.pop("vocabulary_", None)
        elif X.shape[-1] != (n_features := fitted.input_shape[-1]):
            one = X.shape[-1] == 1 and all(len(row) == n_features for row in given)
            raise ValueError(
                f"X has {X.shape[-1]} features in each step, but {type(self).__name__} is "
                f"expecting {n_features} features"
                + ("; if X is one sequence, pass [X]." if one else ".")
            )
        if frame is not None:  # names of features
            validate_data(self, frame, reset=reset, skip_check_array=True)
        return X

    def _check_numbers(self, X, dtype, reset):
        """Numbers as sequences or as an array (n, n_steps, n_features)."""
        if flat := sequences.is_table(X) and (reset or self._may_be_flat(X)):
            with sequences.telling_of_padding():
                if reset or self._flat:
                    X = validate_data(self, X, dtype=dtype, reset=reset)
                else:
                    X = check_array(X, dtype=dtype, input_name="X", estimator=self)
                    self._check_not_one_sequence(X)
            X = X.reshape(len(X), -1, self._n_features(X.shape[1], reset))
        else:
            X = sequences.padded(X) if getattr(X, "ndim", 0) == 3 else X
            if isinstance(X, np.ndarray) and X.ndim == 3:
                X = sequences.finite(X, dtype)
                if 0 in X.shape:
                    raise ValueError(
                        f"X has {X.shape[1]} steps of {X.shape[2]} features; each needs one or "
                        f"more."
                    )
                if reset and self.n_steps is None:
                    _warn_of_one_step(X)
            else:
                X = sequences.number_sequences(X, dtype)
        if reset:
            self._flat = flat
            if not flat:
                self.n_features_in_ = X.shape[-1]
                self.__dict__.pop("feature_names_in_", None)
        return X

    def _may_be_flat(self, X):
        """Whether a table can have flat rows at predict: a list rather has rows of any length."""
        first = next(iter(X), None) if sequences.is_list(X) else None
        if not hasattr(first, "__len__"):
            return True
        one_feature = self._fitted.task.input_shape[-1] == 1
        return self._flat and not (one_feature and len(first) != self.n_features_in_)

    def _check_not_one_sequence(self, X):
        """Refuse a table where fit has seen sequences, unless its rows can only be such."""
        n_features, n_columns = self._fitted.task.input_shape[-1], X.shape[1]
        if self.n_steps is not None and n_columns == self.n_steps * n_features:
            return
        if n_features == 1 and n_columns > 1:
            return
        raise ValueError(
            f"X is a table of shape {X.shape}, but fit has seen sequences, of {n_features} "
            f"features a step; if X is one of them pass X[np.newaxis] or [X], if its rows are "
            f"flat pass X.reshape(len(X), -1, {n_features})."
        )

    def _served_rows(self):
        task = self._fitted.task
        if task.n_tokens:
            return ("string" if self.vocabulary_.dtype.kind == "O" else "int64"), (None, None)
        shape = (self.n_features_in_,) if self._flat else task.input_shape
        return task.input_dtype, (None, *shape)

    def _n_features(self, n_columns, reset):
        """Features of a step in rows of a table."""
        if not reset:
            return self._fitted.task.input_shape[-1]
        if self.n_steps is None:
            return 1
        if n_columns % int(self.n_steps):
            raise ValueError(
                f"n_steps={self.n_steps} does not divide the {n_columns} columns of X; a flat row "
                f"has n_steps * n_features of them."
            )
        return n_columns // int(self.n_steps)

    def _check_tokens(self, X, reset):
        """Tokens as sequences of their numbers; their vocabulary is learnt at reset."""
        rows = sequences.token_sequences(X)
        if reset:
            for name in ("n_features_in_", "feature_names_in_"):
                self.__dict__.pop(name, None)
            self.vocabulary_ = sequences.vocabulary_of(rows.values, self.max_vocabulary)
        integers = self.vocabulary_.dtype.kind in "iu"
        if integers != (rows.dtype.kind in "iu"):
            given, seen = ("strings", "integers") if integers else ("integers", "strings")
            raise TypeError(f"X holds {given} as tokens, but fit has seen {seen}.")
        return rows.with_values(sequences.token_numbers(rows.values, self.vocabulary_))

    def _check_rows(self, X, y, sample_weight, *, reset, suffix=""):
        from skdeep.engine import Sequences

        with naming(f"y{suffix}"):
            per_step = not reset and isinstance(self._fitted.target, PerStep)
            if getattr(y, "ndim", 1) > 1 and (per_step or sequences.is_awkward(y)):
                rows = y if sequences.is_awkward(y) else np.asarray(y)
                y = [np.asarray(row) for row in rows]  # also what predict gives for an array
            lengths = steps_of(y)
            if lengths is not None and sequences.is_table(X) and np.ptp(lengths) == 0:
                if not (sequences.is_list(X) and sequences.first_length(X) == lengths[0]):
                    lengths = None  # several targets for each row of a table, or for each text
            if not reset and per_step != (lengths is not None):
                seen, given = ("step", "row") if per_step else ("row", "step")
                raise ValueError(
                    f"y{suffix} has targets for each {given}, but those that fit has seen were of "
                    f"each {seen}."
                )
            if lengths is not None:
                y = Sequences.of(np.concatenate([np.asarray(part) for part in y]), lengths)
        X, y, weight = super()._check_rows(X, y, sample_weight, reset=reset, suffix=suffix)
        steps = X.lengths if isinstance(X, Sequences) else np.full(len(X), X.shape[1])
        if lengths is None:
            if reset and not suffix:
                self._warn_of_columns(steps, y)
            return X, y, weight
        if (other := np.flatnonzero(steps != lengths)).size:
            i, step = other[0], "token" if hasattr(self, "vocabulary_") else "step"
            raise ValueError(
                f"y{suffix}[{i}] has {lengths[i]} targets, but X{suffix}[{i}] has {steps[i]} "
                f"{step}s; give a list with one for each {step}, or an array with those of a row."
            )
        if not isinstance(self.early_stopping, bool | np.bool_):
            raise ValueError(
                "early_stopping by a scorer needs one target for each row, but y has one for each "
                "step; early_stopping=True watches the loss."
            )
        return X, y, weight

    def _warn_of_columns(self, steps, y):
        """Warn that columns of y, as many as X has steps, are not taken for targets of steps."""
        n_targets = y.shape[1] if np.ndim(y) == 2 else 1
        flat = not hasattr(self, "vocabulary_") and self._flat
        if n_targets > 1 and not flat and (steps == n_targets).all():
            warnings.warn(
                f"y has {n_targets} columns, and each row of X {n_targets} steps; the columns are "
                f"learnt as targets of the row. If each belongs to a step, pass a list, y=[*y].",
                UserWarning,
                stacklevel=8,  # from here to the line that calls fit
            )

    def _check_y(self, y):
        from skdeep.engine import Sequences

        if not isinstance(y, Sequences):
            return super()._check_y(y)
        checked = super()._check_y(y.values)
        if isinstance(self, BaseNetworkClassifier) and checked.ndim > 1:
            raise ValueError(
                f"y has {checked.shape[1]} labels for each step; give one, as arrays (n_steps,)."
            )
        return y.with_values(checked)

    def _make_target(self, y, weight, classes):
        from skdeep.engine import Sequences

        if not isinstance(y, Sequences):
            return super()._make_target(y, weight, classes)
        return PerStep(super()._make_target(y.values, np.repeat(weight, y.lengths), classes))

    def _task(self, X, head):
        task = task_of(X, head)
        shape = (None, *task.input_shape[1:])
        n_tokens = len(self.vocabulary_) + 1 if hasattr(self, "vocabulary_") else 0
        return Task(shape, task.input_dtype, head, task.precision, n_tokens=n_tokens)

    def _as_given(self, X, task):
        from skdeep.engine import Sequences

        if not isinstance(X, Sequences):
            return X
        if task.n_tokens:
            X = X.with_values(sequences.tokens_of(X.values, self.vocabulary_))
        return X.arrays()

    def _all_steps(self, X, y, sample_weight):
        """Targets, predictions and weights of the steps of all rows."""
        _, y, weight = self._check_rows(X, y, sample_weight, reset=False)
        return y.values, np.concatenate([*self.predict(X)]), np.repeat(weight, y.lengths)

    def _is_per_step(self):
        check_is_fitted(self)
        return isinstance(self._fitted.target, PerStep)


def steps_of(y: Any) -> np.ndarray | None:
    """Lengths of the rows of y where it has targets for each step, else None."""
    if not sequences.is_list(y) or not len(y):
        return None
    if not all(isinstance(part, list | tuple | np.ndarray) and np.ndim(part) > 0 for part in y):
        return None
    return np.array([len(part) for part in y])


def _warn_of_one_step(X: np.ndarray) -> None:
    """Warn of sequences of one step, whose first axis is rather that of features."""
    if X.shape[1] == 1 < X.shape[2]:
        warnings.warn(
            f"X: sequences of shape {X.shape[1:]} have one step of {X.shape[2]} features, which "
            f"come last here. If yours come first, pass np.moveaxis(X, 1, -1); if not, n_steps=1 "
            f"says so.",
            UserWarning,
            stacklevel=12,  # from here to the line that calls fit
        )
