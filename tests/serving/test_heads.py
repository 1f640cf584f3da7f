"""Networks side by side are averaged in an export as in the estimator."""

import numpy as np
import pytest
from keras import ops as keras_ops

from skdeep.engine.runtime import tf
from skdeep.serving import heads
from skdeep.serving.saved_model import Operations
from skdeep.targets import Head


@pytest.mark.parametrize(
    "head",
    [
        Head("softmax", (3,)),
        Head("softmax", (3, 2)),
        Head("sigmoid", (1,)),
        Head("sigmoid", (1, 1)),
        Head("squared", (1, 1)),
        Head("gaussian", (2, 2)),
        Head("quantile", (15,)),
    ],
)
def test_members_are_averaged_as_by_the_head(head):
    outputs = tf.constant(np.random.default_rng(0).normal(size=(5, 3, head.n_outputs)) * 4)
    wanted = head.mean_of_members(keras_ops.convert_to_tensor(outputs))
    found = heads.mean_of_members(Operations(None), head, outputs).numpy()
    difference = found - np.asarray(wanted)
    if head.loss == "softmax":  # which is the same whatever is added to a group
        first = np.cumsum([0, *head.groups[:-1]])
        difference -= np.repeat(difference[:, first], head.groups, axis=1)
    np.testing.assert_allclose(difference, 0, atol=1e-6)
