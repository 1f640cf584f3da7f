"""The guide's lines for MLflow, as they stand."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "inspection.rst"
BEFORE = """
import skdeep.engine  # before Keras
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skdeep import MLPClassifier
X, y = load_iris(return_X_y=True)
"""
AFTER = """
import numpy as np
assert loaded is not model
np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
assert loaded[-1].history_.equals(model[-1].history_)
client = mlflow.MlflowClient()
losses = [metric.value for metric in client.get_metric_history(run.info.run_id, "loss")]
np.testing.assert_array_equal(losses, model[-1].history_["loss"])
params = client.get_run(run.info.run_id).data.params
assert params["mlpclassifier__learning_rate"] == "0.01"
assert params["mlpclassifier__random_state"] == "0"
"""


@pytest.mark.slow  # MLflow sets up a database
def test_a_pipeline_goes_through_mlflow_and_comes_back_to_the_bit(tmp_path):
    pytest.importorskip("mlflow", reason="mlflow is not installed")
    blocks = re.findall(r"code-block:: python\n\n((?: {4}.*\n|\n)+)", GUIDE.read_text("utf-8"))
    (block,) = (textwrap.dedent(block) for block in blocks if "mlflow" in block)
    # A process of its own, as MLflow patches libraries and warns of its own dependencies.
    path = os.pathsep.join([str(GUIDE.parents[2]), os.environ.get("PYTHONPATH", "")])
    store = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'mlflow.db'}", "PYTHONPATH": path}
    subprocess.run(
        [sys.executable, "-c", BEFORE + block + AFTER],
        check=True,
        cwd=tmp_path,
        env=os.environ | store,
    )
