"""What every test shares: no windows, and the same examples from hypothesis in each run."""

import importlib.util
import os
import sys
from pathlib import Path

import hypothesis
import pytest

import skdeep.engine  # noqa: F401  before Keras: who loads TensorFlow first sets it up

os.environ.setdefault("MPLBACKEND", "Agg")
hypothesis.settings.register_profile("skdeep", deadline=None, derandomize=True)
hypothesis.settings.load_profile("skdeep")


@pytest.fixture(autouse=True)
def no_test_is_interrupted_lately(monkeypatch):
    """Two tests of Ctrl-C within two seconds are not a user's two Ctrl-C."""
    monkeypatch.setattr("skdeep.engine.interrupts._last", float("-inf"))


@pytest.fixture(autouse=True, scope="module")
def no_module_fills_the_store_of_programs():
    """Hundreds of structures pass through the tests' one process: more than its store holds."""
    yield
    if (engine := sys.modules.get("skdeep.engine")) is not None:
        engine.cache_clear()


@pytest.fixture(scope="session")
def kept():
    """A reader of the kept data sets, from $SKDEEP_DATA or ../shared/data; skips without."""

    def load(name):
        folder = Path(os.environ.get("SKDEEP_DATA", Path(__file__).parents[2] / "shared" / "data"))
        if not (folder / name).is_dir():
            pytest.skip(f"{name} is neither in $SKDEEP_DATA nor in ../shared/data")
        spec = importlib.util.spec_from_file_location("load", folder / "load.py")
        reader = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(reader)
        return reader.load(name)

    return load
