import re
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_quickstart_runs_and_tunes():
    (block,) = re.findall(r"^```python\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)
    assert len([line for line in block.splitlines() if line.strip()]) <= 15
    names = {}
    exec(block, names)
    tuned, default = (
        names[name].score(names["X_test"], names["y_test"]) for name in ("search", "model")
    )
    assert tuned > max(0.3, default)
