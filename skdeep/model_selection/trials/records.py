"""What a search's journal tells, while it runs and afterwards.

load_search("search.db").trials       a DataFrame, a row for each candidate
"""

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from skdeep.model_selection.trials.evaluation import reason
from skdeep.model_selection.trials.journal import JournalError, reading


@dataclass(frozen=True)
class SearchRecord:
    """What the journal of a search tells, whether it runs, has ended or was killed.

    Attributes
    ----------
    identity : dict of str to str
        What the search is: estimator, spaces, scoring and so on, in words.
    trials : DataFrame
        A row for each candidate, in order of proposal: ``params``, a column for each parameter
        (``param_C``; in words if it is no number, word or list of these), the scores of its splits
        and their mean (``split0_test_score``, ``mean_test_score``, for each metric if there are
        several), ``begun`` (when it was proposed), ``n_splits`` (how many have ended),
        ``fit_time`` (seconds, of all) and ``failure`` (why the first fit that failed did, or "").
        With ``fidelity="epochs"`` also ``mean_epochs`` and those of splits; scores are those after
        all of them.
    n_running : int
        Fits that were begun and have not ended; after a crash, those that it ended.
    """

    identity: dict[str, str]
    trials: pd.DataFrame
    n_running: int

    @property
    def means(self) -> pd.Series:
        """Mean test score of each candidate, of the first metric; nan until all splits ended."""
        columns = self.trials.filter(regex="^mean_test_")
        return columns.iloc[:, 0] if columns.shape[1] else pd.Series(dtype=float)

    @property
    def best_params(self) -> dict[str, Any]:
        """The candidate of the highest mean.

        Raises
        ------
        ValueError
            If none has a mean yet.
        """
        if not self.means.notna().any():
            raise ValueError(
                f"of {len(self.trials)} candidates none has the scores of all its splits yet."
            )
        return self.trials["params"].iloc[int(self.means.argmax())]

    def summary(self, n_rows: int = 10) -> str:
        """How far the search is, and a table of the best candidates, as text."""
        scores = self.means.dropna().sort_values(ascending=False, kind="stable")
        lines = [
            self.identity["estimator"],
            f"{len(self.trials)} candidates, {len(scores)} with a score, "
            f"{(self.trials['failure'] != '').sum()} failed; {self.n_running} fits under way",
        ]
        if len(scores):
            best = self.trials.loc[scores.index[:n_rows]]
            table = best.filter(regex="^mean_").join(best.filter(regex="^param_"))
            table = table.rename(columns=lambda name: str(name).removeprefix("param_"))
            lines.append(table.to_string(float_format="{:.4g}".format, na_rep="-"))
        return "\n".join(lines)


def load_search(path: str | Path) -> SearchRecord:
    """Read the journal of a search, which may be running.

    Parameters
    ----------
    path : str or Path
        What was given as ``storage``.

    Returns
    -------
    record : SearchRecord
        Candidates and scores.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    IsADirectoryError
        If it is a folder.
    JournalError
        If it is no journal.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.svm import SVC
    >>> from skdeep.model_selection import BayesSearchCV, load_search
    >>> X, y = load_iris(return_X_y=True)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     search = BayesSearchCV(SVC(), {"C": (1e-3, 1e3, "log")}, n_iter=3, random_state=0)
    ...     search = search.set_params(storage=f"{folder}/search.db").fit(X, y)
    ...     record = load_search(f"{folder}/search.db")
    >>> record.trials[["param_C", "mean_test_score"]].shape
    (3, 2)
    """
    path = Path(path).expanduser()
    if path.is_dir():
        raise IsADirectoryError(
            f"the journal of a search is a file, but {str(path)!r} is a folder; give the path that "
            f"the search had as storage."
        )
    if not path.exists():
        raise FileNotFoundError(f"there is no file {str(path)!r}.")
    try:
        with reading(path) as connection:
            identity = dict(connection.execute("SELECT name, value FROM search"))
            trials = [
                *connection.execute("SELECT number, params, time FROM trials ORDER BY number")
            ]
            (n_running,) = connection.execute(
                "SELECT COUNT(*) FROM fits WHERE record IS NULL"
            ).fetchone()
            ended = "SELECT trial, split, record FROM fits WHERE record IS NOT NULL"
            fits = [*connection.execute(f"{ended} ORDER BY trial, split")]
    except sqlite3.Error as error:
        raise JournalError(f"{str(path)!r} is no journal of a search: {error}.") from error
    rows = {number: _row_of(json.loads(params), begun) for number, params, begun in trials}
    for number, step, record in fits:
        if number in rows:
            _add_fit(rows[number], step, json.loads(record))
    table = pd.DataFrame([*rows.values()], index=pd.Index(rows, name="trial"))
    if not rows:
        table = pd.DataFrame(columns=["params", "begun", "n_splits", "fit_time", "failure"])
    names = [str(name).partition("_") for name in table.columns]
    for metric in dict.fromkeys(rest for split, _, rest in names if split.startswith("split")):
        splits = [f"split{i}_{metric}" for i in range(int(identity.get("n_splits", 0)))]
        table[f"mean_{metric}"] = table.reindex(columns=splits).mean(axis=1, skipna=False)
    return SearchRecord(identity, table, n_running)


def _row_of(params: dict[str, Any], begun: float) -> dict[str, Any]:
    columns = {f"param_{name}": value for name, value in params.items()}
    when = pd.Timestamp(begun, unit="s", tz="UTC")
    rest = {"begun": when, "n_splits": 0, "fit_time": 0.0, "failure": ""}
    return {"params": params, **columns, **rest}


def _add_fit(row: dict[str, Any], step: int, record: dict[str, Any]) -> None:
    split, scores = record.get("split", step), record["test_scores"]
    row["n_splits"] += split == step  # else it is of a later part
    row["fit_time"] += record["fit_time"]
    row["failure"] = row["failure"] or reason(record)
    if "epochs" in record:
        row[f"split{split}_epochs"] = record["epochs"]
    if record.get("is_last", True):
        for name, score in scores.items() if isinstance(scores, dict) else [("score", scores)]:
            row[f"split{split}_test_{name}"] = score
