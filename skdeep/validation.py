"""What all estimators do about input that they refuse: name it, and stay as they were."""

import re
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils import indexable
from sklearn.utils.validation import _check_sample_weight, _num_samples, has_fit_parameter


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Errors inside, which are about the argument of that name, say its name.

    They are ValueError or TypeError; what NumPy raises of an integer too large becomes one. Of
    floats that a dtype cannot hold it does not warn here: what they become is refused.
    """
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            yield
    except (ValueError, TypeError, OverflowError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        named = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", str(error))
        if named and isinstance(error, kind):
            raise
        raise kind(f"{name}: {error}") from error


@contextmanager
def naming_words(table: Any) -> Iterator[None]:
    """An error inside about a string that is no number names the columns of a DataFrame."""
    try:
        yield
    except ValueError as error:
        kinds = zip(getattr(table, "columns", ()), getattr(table, "dtypes", ()), strict=False)
        words = [name for name, kind in kinds if getattr(kind, "kind", "O") not in "biufc"]
        if "could not convert string" not in str(error) or not words:
            raise
        raise ValueError(
            f"{error}; encode the columns {words} as numbers before, by "
            f"skdeep.preprocessing.TableEncoder for one."
        ) from error


@contextmanager
def unchanged_on_error(estimator: Any) -> Iterator[None]:
    """Put all attributes of an estimator back if the block raises."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        # What scikit-learn's callbacks keep while fitting, scikit-learn takes away.
        before |= {name: value for name, value in vars(estimator).items() if "callback" in name}
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


def did_you_mean(name: str, valid: Iterable[str]) -> str:
    """How an error about an unknown name ends: with what may have been meant, if that is known.

    That is the same name of another part (``mlp__epochs`` for ``epochs``), or one spelled alike.
    """
    valid, last = list(valid), name.rpartition("__")[2]
    meant = [other for other in valid if other.rpartition("__")[2] == last][:3]
    meant = meant or [other for other in valid if other.lower() == name.lower()][:1]
    meant = meant or get_close_matches(name, valid, n=1)
    return f"; did you mean {' or '.join(meant)}?" if meant else "."


def rows_of(X: Any) -> Any:
    """X as what rows can be taken of: a table, a matrix or a sequence.

    Raises
    ------
    TypeError, ValueError
        If it has no rows, or they have no order, as in a dict.
    """
    with naming("X"):
        if isinstance(X, Mapping | Set | str | bytes) and not sp.issparse(X):  # some are dicts
            raise TypeError(
                f"rows are needed, in a DataFrame, an array or a list, but this is a "
                f"{type(X).__name__}; pandas.DataFrame makes a table of a dict of columns."
            )
        (X,) = indexable(X)
        if not _num_samples(X):
            raise ValueError(
                f"Found array with 0 sample(s) (shape={np.shape(X)}) while a minimum of 1 is "
                f"required."
            )
    return X


def refuse_dates(values: Any) -> None:
    """Refuse an array or a DataFrame of dates, which NumPy would take for numbers."""
    dtypes = getattr(values, "dtypes", getattr(values, "dtype", None))
    for dtype in dtypes if isinstance(dtypes, Iterable) else [dtypes]:
        if getattr(dtype, "kind", "") in ("m", "M"):
            raise TypeError(
                f"dates ({dtype}) are no numbers; pass how long they are after one of them, as "
                f"(date - first) / np.timedelta64(1, 'D')."
            )


def weights_for(estimator: Any, X: Any, sample_weight: Any) -> np.ndarray | None:
    """Weights of rows X for an estimator inside another, (n,) float64; None if there are none.

    Raises
    ------
    TypeError
        If the estimator's ``fit`` takes none.
    """
    if sample_weight is None:
        return None
    if not has_fit_parameter(estimator, "sample_weight"):
        raise TypeError(
            f"sample_weight is given, but the fit of {type(estimator).__name__} takes none; leave "
            f"it out, or pass an estimator that does."
        )
    with naming("sample_weight"):
        return _check_sample_weight(sample_weight, X, dtype=np.float64)
