"""How many targets the intervals of 90% hold, on test rows of two tables, for each loss.

    python benchmarks/tables/intervals.py            some ten minutes on two cores
    python benchmarks/tables/intervals.py --save     and keep it

``TabularRegressor`` with its defaults, on the splits of ``data.py`` and at most 8,000 training
rows; the intervals are made by the validation rows, which have chosen the epoch as well. Beside
them what the network says by itself, and mean widths, in the units of ``data.py``.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from data import read, split

BENCHMARKS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(BENCHMARKS.parent))  # the skdeep of this checkout
TABLES, LOSSES = ("california_housing", "diamonds"), ("squared", "gaussian", "quantile")
COVERAGE, ROWS = 0.9, 8_000


def measure(name: str, loss: str, seed: int) -> dict:
    """Shares of the test rows that are inside, and mean widths."""
    from skdeep import TabularRegressor

    table = read(name)
    train, validation, test = split(table, seed, ROWS)
    X, y = table.X, table.y
    model = TabularRegressor(loss=loss, random_state=seed).fit(
        X.iloc[train], y[train], X_val=X.iloc[validation], y_val=y[validation]
    )
    found = {"interval": model.predict_interval(X.iloc[test], COVERAGE)}
    if loss != "squared":
        ends = [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2]
        found["own"] = model.predict_quantiles(X.iloc[test], ends)
    result = {"table": name, "loss": loss, "seed": seed}
    for kind, bands in found.items():
        inside = (bands[:, 0] <= y[test]) & (y[test] <= bands[:, 1])
        result |= {
            f"{kind}_coverage": round(float(inside.mean()), 4),
            f"{kind}_width": round(float(np.mean(bands[:, 1] - bands[:, 0])), 4),
        }
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=2, help="the first ones")
    parser.add_argument("--save", action="store_true", help="keep what was measured")
    arguments = parser.parse_args()
    results = []
    for name in TABLES:
        for loss in LOSSES:
            for seed in range(arguments.seeds):
                results.append(measure(name, loss, seed))
                print(results[-1], flush=True)
    if arguments.save:
        kept = {"command": "python benchmarks/tables/intervals.py --save", "results": results}
        path = BENCHMARKS / "results" / "tables_intervals.json"
        path.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
