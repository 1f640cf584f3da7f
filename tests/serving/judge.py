"""Runs exported models where there is no skdeep: ``python judge.py FORMAT FOLDER``.

FOLDER has a folder for each case, with the export and ``rows.npz``, its inputs by name. Beside
them come ``all.npz``, the outputs for all rows, and ``one.npz``, those for the first row alone.
"""

import sys
from pathlib import Path

import numpy as np


def opened_onnx(path):
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    names = [output.name for output in session.get_outputs()]
    return lambda rows: dict(zip(names, session.run(names, rows), strict=True))


def opened_saved_model(path):
    import tensorflow as tf

    model = tf.saved_model.load(path)  # it owns the weights of its signatures

    def call(rows):
        tensors = {name: tf.constant(array) for name, array in rows.items()}
        results = model.signatures["serving_default"](**tensors)
        return {name: value.numpy() for name, value in results.items()}

    return call


def plain(outputs):
    """Strings without pickles."""
    decode = np.vectorize(lambda s: s.decode() if isinstance(s, bytes) else s, otypes="U")
    return {name: decode(a) if a.dtype == object else a for name, a in outputs.items()}


def main(form, folder):
    absent = ["skdeep", "keras", "sklearn"] + ["tensorflow"] * (form == "onnx")
    sys.modules.update(dict.fromkeys(absent))  # to import one is an error
    opened = opened_onnx if form == "onnx" else opened_saved_model
    for case in Path(folder).iterdir():
        call = opened(str(case / "export"))
        with np.load(case / "rows.npz") as arrays:
            rows = {k: a.astype(object) if a.dtype.kind == "U" else a for k, a in arrays.items()}
        np.savez(case / "all.npz", **plain(call(rows)))
        np.savez(case / "one.npz", **plain(call({name: a[:1] for name, a in rows.items()})))
    loaded = {name.partition(".")[0] for name, module in sys.modules.items() if module}
    assert not loaded & set(absent), loaded


if __name__ == "__main__":
    main(*sys.argv[1:])
