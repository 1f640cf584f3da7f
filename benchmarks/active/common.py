"""What the scripts share: where data lie, and how a result is kept."""

import json
import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

BENCHMARKS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(BENCHMARKS.parent))  # the skdeep of this checkout
PACKAGES = ("numpy", "scipy", "scikit-learn", "tensorflow")


def keep(script: str, **content: Any) -> None:
    """Keep what a script has measured, with what it takes to measure it again."""
    result = {
        "command": f"python benchmarks/active/{script}.py --save",
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "versions": {name: version(name) for name in PACKAGES}
        | {"python": platform.python_version()},
    }
    path = BENCHMARKS / "results" / f"active_{script}.json"
    path.write_text(json.dumps(result | content, indent=1) + "\n", encoding="utf-8")
    print(f"kept {path.name}")


def shared(name: str) -> Any:
    """A set of the folder that SKDEEP_DATA names."""
    if "SKDEEP_DATA" not in os.environ:
        sys.exit("set SKDEEP_DATA to the folder that has load.py and the data sets.")
    sys.path.insert(0, os.environ["SKDEEP_DATA"])
    from load import load

    return load(name)
