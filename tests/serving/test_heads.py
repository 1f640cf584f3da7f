"""Networks side by side are averaged as the mixture of what they say, in an export too."""

import numpy as np
import pytest
from scipy.special import expit, softmax

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


def said(head, outputs):
    """What outputs (..., n_outputs) say: probabilities, quantiles or, of normals, two moments."""
    groups = np.split(outputs, np.cumsum(head.groups)[:-1], axis=-1)
    if head.loss == "softmax":
        return np.concatenate([softmax(part, axis=-1) for part in groups], axis=-1)
    if head.loss == "sigmoid":
        return expit(outputs)
    if head.loss == "gaussian":  # E z and E z^2
        mean, variance = outputs[..., ::2], np.logaddexp(0, outputs[..., 1::2])
        return np.concatenate([mean, variance + mean**2], axis=-1)
    return outputs


@pytest.mark.parametrize("head", HEADS)
def test_members_say_together_the_mean_of_what_each_says(head):
    outputs = np.random.default_rng(0).normal(size=(5, 3, head.n_outputs)) * 4
    together = np.asarray(head.mean_of_members(tf.constant(outputs)))
    np.testing.assert_allclose(said(head, together), said(head, outputs).mean(axis=1), rtol=1e-10)


@pytest.mark.parametrize("head", HEADS)
def test_an_export_averages_members_as_the_head_does(head):
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
