"""Serving: a fitted network, with the scikit-learn steps before it, as one file of plain tensors.

    skdeep.export(pipeline, "served", format="saved_model")   # TensorFlow alone runs it
    skdeep.export(pipeline, "served.onnx", format="onnx")     # onnxruntime alone runs it

The function is written once, in a few tensor operations that both formats have: steps (see
``steps``), the way of rows into the network (``rows``), the network, the way back (``heads``). Of
the network itself a SavedModel has TensorFlow's trace, an ONNX file one node or a few for each
Keras layer. See the guide page "Serving".
"""

import os
import tempfile
from pathlib import Path
from typing import Any

from skdeep.serving.function import function_of

__all__ = ["export"]

_PARTS = {"assets", "fingerprint.pb", "saved_model.pb", "variables"}  # of a SavedModel


def export(estimator: Any, path: str | os.PathLike, format: str | None = None) -> None:
    """Export a fitted estimator as a function of tensors that needs no skdeep.

    It computes what ``predict_proba`` and ``predict`` do, within 1e-5.

    Parameters
    ----------
    estimator : estimator object
        A network of skdeep's; or a Pipeline or a search that ends in one, whose other steps are
        scikit-learn's scalers, encoders, ``SimpleImputer``, ``PCA`` and so on (the guide page
        "Serving" has the list), or a ``ColumnTransformer`` or a Pipeline of these.
    path : str or path-like
        Where to: a folder for ``"saved_model"``, a file for ``"onnx"``, or a link to one. An
        older export there is replaced when all of the new one is written.
    format : {"saved_model", "onnx"} or None, default=None
        Of TensorFlow, or of ONNX, which needs ``pip install "skdeep[onnx]"``. None is ONNX where
        the path ends in ".onnx", else TensorFlow's.

    Raises
    ------
    TypeError
        If the network or a step has no counterpart; the message names it.
    ValueError
        If a setting of it has none, or if onnxruntime, where it is installed, does not compute the
        network as Keras does.
    ImportError
        If ``format="onnx"`` and onnx is not installed.
    OSError
        If the path cannot be written.

    Notes
    -----
    The input is ``rows``: an array as ``predict`` takes it, float64 for a Pipeline, else of the
    network's own dtype. Where string columns stand beside numbers, each column is an input of its
    own, (n_samples,), by its name. Rows that differ in length end in steps of NaN, in tokens ""
    or -1, which ``predict`` would read as a token.

    The outputs are of classifiers ``probabilities`` and ``labels`` (``probabilities_0``, ... where
    y has several columns), of regressors ``values``, and ``std`` if the loss is ``"gaussian"`` or
    ``"quantile"``. Rows that ``predict`` refuses, as those with NaN or an unknown category, have
    NaN for probabilities and values.

    Examples
    --------
    >>> import tempfile, skdeep
    >>> from pathlib import Path
    >>> model = skdeep.MLPClassifier(epochs=2).fit([[0.0], [1.0]], ["no", "yes"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     skdeep.export(model, Path(folder, "served"))
    ...     sorted(part.name for part in Path(folder, "served").iterdir())
    ['assets', 'fingerprint.pb', 'saved_model.pb', 'variables']
    """
    if format is None:
        format = "onnx" if Path(path).suffix == ".onnx" else "saved_model"
    if format not in ("saved_model", "onnx"):
        raise ValueError(f"format must be 'saved_model' or 'onnx', but is {format!r}.")
    function = function_of(estimator)
    place = Path(os.path.realpath(path))  # of a link what it leads to
    if format == "onnx":
        from skdeep.serving import onnx_model

        if place.is_dir():
            raise IsADirectoryError(f"{place} is a folder; an ONNX export is a file.")
        with tempfile.TemporaryDirectory(prefix=f".{place.name}.", dir=place.parent) as folder:
            draft = Path(folder, "new")
            draft.write_bytes(onnx_model.serialized(function))
            os.replace(draft, place)
        return
    from skdeep.serving import saved_model

    is_export = place.is_dir() and (
        (place / "saved_model.pb").is_file() or not any(place.iterdir())
    )
    if place.exists() and not is_export:
        raise FileExistsError(
            f"{place} is there and is more or less than a SavedModel; give another path."
        )
    with tempfile.TemporaryDirectory(prefix=f".{place.name}.", dir=place.parent) as folder:
        draft, old = Path(folder, "new"), Path(folder, "old")
        saved_model.write(function, draft)
        if place.exists():  # a folder takes no other's place: there is a moment without either
            os.replace(place, old)
        try:
            os.replace(draft, place)
        except BaseException:
            if old.exists():
                os.replace(old, place)
            raise
