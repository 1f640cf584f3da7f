"""Saving and loading: one file for an estimator, or for any scikit-learn container of such.

    skdeep.save(pipeline, "model.skdeep")
    pipeline = skdeep.load("model.skdeep")

Loading runs no code of the file's: scikit-learn's parts are read by skops, which makes objects of
known classes only, tensors by safetensors, all else is JSON. See the guide page "Saving".
"""

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sklearn.exceptions import InconsistentVersionWarning

from skdeep.exceptions import LoadError
from skdeep.persistence import files
from skdeep.persistence.codec import Custom, Decoder, Encoder, from_parts, is_plain, saved

__all__ = [
    "Decoder",
    "Encoder",
    "files",
    "from_parts",
    "is_plain",
    "load",
    "save",
    "saved",
    "telling",
]


def save(estimator: Any, path: str | os.PathLike) -> None:
    """Save an estimator to a file, fitted or not.

    The file is written beside its place and put there when it is complete: an error, or a crash,
    leaves an older file as it was. As by ``open(path, "w")``, a link is followed, and an older
    file's permissions stay.

    Parameters
    ----------
    estimator : estimator object
        Of skdeep's or scikit-learn's: a Pipeline, a search, a stack, with estimators of skdeep's in
        any place.
    path : str or path-like
        Where to. Any ending will do.

    Raises
    ------
    TypeError
        If it holds something that no file can: Keras callbacks, open files, tensors. The message
        names the parameter.
    OSError
        If the file cannot be written.

    Notes
    -----
    Functions and classes of your own are saved by their name, ``"module.name"``; see :func:`load`.

    Examples
    --------
    >>> import tempfile, skdeep
    >>> from pathlib import Path
    >>> model = skdeep.MLPClassifier(epochs=2).fit([[0.0], [1.0]], ["no", "yes"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     skdeep.save(model, Path(folder, "model.skdeep"))
    ...     skdeep.load(Path(folder, "model.skdeep")).classes_.tolist()
    ['no', 'yes']
    """
    from skdeep.persistence import estimators

    if isinstance(estimator, type) or not hasattr(estimator, "get_params"):
        raise TypeError(f"save takes an estimator, but got {estimator!r}.")
    files.write(path, "estimator", estimators.dump(estimator))


def load(path: str | os.PathLike, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Load an estimator that :func:`save` saved; it predicts equally, to the bit.

    Parameters
    ----------
    path : str or path-like
        The file.
    custom_objects : mapping of str to function or class, default=None
        Your own functions and classes that the estimator holds, by the name that the file has for
        them, ``"module.name"``, or by ``"name"`` alone. A file that needs others is refused, with
        their names: it must not choose what is imported and called.

    Returns
    -------
    estimator : estimator object

    Raises
    ------
    LoadError
        If the file is damaged, was saved by a newer skdeep, or needs other ``custom_objects``.
    OSError
        If it cannot be read.

    Warns
    -----
    InconsistentVersionWarning
        If parts of scikit-learn's were saved by another version of it; once.
    """
    from skdeep.persistence import estimators

    parts, custom = files.read(path, "estimator"), Custom(custom_objects)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with telling(path):
            estimator = estimators.restore(parts, custom)
    if custom.missing:
        wanted = ", ".join(f"{name} ({where})" for name, where in sorted(custom.missing.items()))
        example = next(iter(sorted(custom.missing)))
        raise LoadError(
            f"{path} needs what skdeep does not vouch for: {wanted}. If you trust the file, pass "
            f"them: load(path, custom_objects={{{example!r}: ...}})."
        )
    _warn_again(caught)
    return estimator


@contextmanager
def telling(path: str | os.PathLike) -> Iterator[None]:
    """Have all that goes wrong inside be a LoadError which names the file."""
    try:
        yield
    except LoadError as error:
        raise LoadError(f"{path} was refused: {error}") from error
    except Exception as error:
        raise LoadError(
            f"the content of {path} makes no sense: {type(error).__name__}: {error}"
        ) from error


def _warn_again(caught: list[warnings.WarningMessage]) -> None:
    """Warn of what a load has warned of; of scikit-learn's other version once."""
    told = False
    for warning in caught:
        if not issubclass(warning.category, InconsistentVersionWarning):
            place = warning.filename, warning.lineno
            warnings.warn_explicit(warning.message, warning.category, *place)
        elif not told:
            told = True
            warnings.warn(warning.message, stacklevel=3)
