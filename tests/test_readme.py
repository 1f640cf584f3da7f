import re
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_quickstart_runs_and_reads_digits():
    (block,) = re.findall(r"^```python\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)
    assert len([line for line in block.splitlines() if line.strip()]) <= 15
    names = {}
    exec(block, names)
    assert names["search"].score(names["X_test"], names["y_test"]) > 0.95
