"""Networks side by side are averaged in an export as in the estimator."""

import numpy as np
import pytest

from skdeep.engine.runtime import tf
from skdeep.serving.saved_model import Operations
from skdeep.targets import Head

HEADS = [
    Head("softmax", (3,)),
    Head("softmax", (3, 2)),
    Head("sigmoid", (1,)),
    Head("sigmoid", (1, 1)),
    Head("squared", (1, 1)),
    Head("gaussian", (2, 2)),
    Head("quantile", (15,)),
]


@pytest.mark.parametrize("head", HEADS)
def test_members_are_averaged_as_by_the_head(head):
    outputs = np.random.default_rng(0).normal(size=(5, 3, head.n_outputs)) * 4
    wanted = np.asarray(head.mean_of_members(tf.constant(outputs)))
    found = head.mean_of_members(tf.constant(outputs), Operations(None))
    np.testing.assert_allclose(found, wanted, rtol=1e-12)
    onnxruntime = pytest.importorskip("onnxruntime")
    onnx_model = pytest.importorskip("skdeep.serving.onnx_model", exc_type=ImportError)
    ops = onnx_model.Operations(None)
    rows = onnx_model.Value(ops, "rows", "float64")
    results = {"mean": head.mean_of_members(rows, ops)}
    model = onnx_model.model_of(ops, [rows], [outputs.shape], results)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    np.testing.assert_allclose(session.run(None, {"rows": outputs})[0], wanted, rtol=1e-12)
