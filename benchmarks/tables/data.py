"""Nine tables and their splits, the same for whoever is measured.

    python benchmarks/tables/data.py         what each is, after what was dropped

The folder that SKDEEP_DATA names has the files. Texts and codes become pandas categories, missing
cells stay missing. Rows are split 64 / 16 / 20 into training, validation and test rows, shuffled
by the seed, and stratified where the target is a class. Rows are counted after this:

================== ====== ======= ======= ==========================================================
table                rows columns classes
================== ====== ======= ======= ==========================================================
california_housing 20,640       9         median value of a house in 100,000 dollars (cut off at 5)
higgs               7,500      28       2 a part of HIGGS: its 7,000 rows and 500 test rows together
covtype            20,000      54       7 the first rows of Covertype; 44 columns are 0 or 1
diamonds           53,940       9         logarithm of the price; cut, color, clarity are ordered
bike_sharing       17,379      12         rented bicycles in an hour; split by time
ames_housing        2,930      79         logarithm of the price
magic_gamma        19,020      10       2 gammas or hadrons
wine_quality        6,497      12         marks from 3 to 9, as numbers
adult              48,842      14       2 income above 50,000 dollars; its own 16,281 test rows
================== ====== ======= ======= ==========================================================

Dropped were, of bike_sharing, ``casual`` and ``registered``, whose sum is the target, and
``dteday``, as no date of the test rows is among the training rows; of ames_housing ``Order`` and
``PID``, which number the rows. Its ``area`` stays: the living area. Codes that stand for kinds
(``MS.SubClass``; season, weather and day of the week of bike_sharing) are categories; months and
hours are numbers. Rows that occur twice stay, as in published figures: 1,177 of wine_quality repeat
an earlier one, so that a model that remembers rows gains there; elsewhere they are under 1%.

- Of bike_sharing the first 64% of hours train, the last 20% test, whatever the seed: from 2011 to
  April 2012, and from August to December 2012.
- Of adult the 16,281 rows of its test file test, and 20% of its training file validate.
- ``split(table, seed, rows=8000)`` takes so many of the training rows, drawn by the seed;
  validation and test rows are the same as without it.

Two more are adult, spoilt by the seed: ``adult_missing`` lacks 20% of all cells, at random, in all
rows; in ``adult_unseen`` 20% of the categorical cells of the test rows hold a category that no
other row has.
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

SPOILT = ("adult_missing", "adult_unseen")
SHARE_SPOILT = 0.2
ORDERED = {
    "cut": ["Fair", "Good", "Very Good", "Premium", "Ideal"],
    "color": list("JIHGFED"),
    "clarity": ["I1", "SI2", "SI1", "VS2", "VS1", "VVS2", "VVS1", "IF"],
}


@dataclass(frozen=True)
class Table:
    """A table as it is handed to a model.

    Parameters
    ----------
    name : str
    X : DataFrame
        Numbers and categories.
    y : ndarray of shape (n_rows,)
        float64 of a regression; classes from 0, int64.
    task : {'classification', 'regression'}
    by_time : bool
        Whether the rows are in order of time and are split so.
    n_official : int
        Rows at the end that are the official test; 0 if there is none.
    """

    name: str
    X: pd.DataFrame
    y: np.ndarray
    task: str
    by_time: bool = False
    n_official: int = 0

    @property
    def metric(self) -> str:
        return "1 - accuracy" if self.task == "classification" else "root mean square error"


def read(name: str, seed: int = 0) -> Table:
    """A table; the seed is that of the spoilt ones."""
    if name in SPOILT:
        return spoilt(name, seed)
    table = READERS[name](shared(name))
    texts = table.X.select_dtypes(["str", "object"]).columns
    return replace(table, X=table.X.astype(dict.fromkeys(texts, "category")))


def split(
    table: Table, seed: int, rows: int | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row numbers for training (at most ``rows``), validation and test."""
    everything, n = np.arange(len(table.X)), len(table.X)
    if table.by_time:
        train, validation, test = np.split(everything, [int(0.64 * n), int(0.8 * n)])
    else:
        if table.n_official:
            known, test = np.split(everything, [n - table.n_official])
        else:
            known, test = parts(table, everything, seed)
        train, validation = parts(table, known, seed)
    if rows is not None and rows < len(train):
        train = np.random.default_rng(seed).choice(train, rows, replace=False)
    return train, validation, test


def parts(table: Table, rows: np.ndarray, seed: int) -> list[np.ndarray]:
    """80% and 20% of the rows."""
    classes = table.y[rows] if table.task == "classification" else None
    return train_test_split(rows, test_size=0.2, random_state=seed, stratify=classes)


def shared(name: str) -> dict:
    """What the files of a set hold."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "active"))
    from common import shared

    return shared(name)


def spoilt(name: str, seed: int) -> Table:
    """Adult with missing cells, or with test rows of categories that no other row has."""
    table, rng = read("adult"), np.random.default_rng(seed)
    hit = rng.random(table.X.shape) < SHARE_SPOILT
    if name == "adult_missing":
        return replace(table, name=name, X=table.X.mask(hit))
    hit[: -table.n_official] = False
    X = table.X.copy()
    for k, column in enumerate(X):
        if X[column].dtype == "category":
            X[column] = X[column].cat.add_categories("unseen").mask(hit[:, k], "unseen")
    return replace(table, name=name, X=X)


def california_housing(files: dict) -> Table:
    X = files["housing"]
    y = X.pop("median_house_value").to_numpy() / 100_000
    return Table("california_housing", X, y, "regression")


def higgs(files: dict) -> Table:
    X = np.concatenate([files["X_train"], files["X_test"]])
    y = np.concatenate([files["y_train"], files["y_test"]]).astype(int)
    X = pd.DataFrame(X, columns=[f"x{k}" for k in range(X.shape[1])])
    return Table("higgs", X, y, "classification")


def covtype(files: dict) -> Table:
    X = pd.DataFrame(files["X"], columns=files["feature_names"].tolist())
    return Table("covtype", X, files["y"].astype(int), "classification")


def diamonds(files: dict) -> Table:
    X = files["diamonds"]
    y = np.log(X.pop("price").to_numpy())
    levels = {name: pd.CategoricalDtype(order, ordered=True) for name, order in ORDERED.items()}
    return Table("diamonds", X.astype(levels), y, "regression")


def bike_sharing(files: dict) -> Table:
    X = files["hour"]
    y = X.pop("cnt").to_numpy(float)
    X = X.drop(columns=["casual", "registered", "dteday"])
    X = X.astype(dict.fromkeys(("season", "weekday", "weathersit"), "category"))
    return Table("bike_sharing", X, y, "regression", by_time=True)


def ames_housing(files: dict) -> Table:
    X = files["ames"].drop(columns=["Order", "PID"])
    y = np.log(X.pop("price").to_numpy())
    return Table("ames_housing", X.astype({"MS.SubClass": "category"}), y, "regression")


def magic_gamma(files: dict) -> Table:
    X = files["magic04"]
    y = (X.pop("class") == "g").to_numpy().astype(int)
    return Table("magic_gamma", X, y, "classification")


def wine_quality(files: dict) -> Table:
    X = files["wine"]
    return Table("wine_quality", X, X.pop("quality").to_numpy(float), "regression")


def adult(files: dict) -> Table:
    X = pd.concat([files["train"], files["test"]], ignore_index=True)
    y = (X.pop("income") == ">50K").to_numpy().astype(int)
    return Table("adult", X, y, "classification", n_official=len(files["test"]))


# The eight of the comparison, and adult.
READERS = {
    reader.__name__: reader
    for reader in (
        california_housing,
        higgs,
        covtype,
        diamonds,
        bike_sharing,
        ames_housing,
        magic_gamma,
        wine_quality,
        adult,
    )
}
TABLES = tuple(READERS)


def main() -> None:
    for name in TABLES + SPOILT:
        table = read(name)
        train, validation, test = split(table, 0)
        kinds = (table.X.dtypes == "category").sum()
        print(
            f"{name:18} {len(table.X):6} rows, {table.X.shape[1]:2} columns, {kinds:2} of them "
            f"categories, {table.X.isna().to_numpy().mean():5.1%} missing; {table.metric}; "
            f"{len(train)} / {len(validation)} / {len(test)}"
        )


if __name__ == "__main__":
    main()
