"""What every test shares: no windows, and the same examples from hypothesis in each run."""

import os

import hypothesis

os.environ.setdefault("MPLBACKEND", "Agg")
hypothesis.settings.register_profile("skdeep", deadline=None, derandomize=True)
hypothesis.settings.load_profile("skdeep")
