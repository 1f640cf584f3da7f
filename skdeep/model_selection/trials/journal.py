"""A search's journal: every proposal and every fit as it ends, in one SQLite file.

    BayesSearchCV(model, storage="search.db").fit(X, y)     killed, and called again, goes on

What a search proposes depends on its seed and on the results so far only. So the same call finds
its own proposals and fits in the journal, takes them as they are, and goes on where there are no
more; two processes that run the same call on one file divide the fits between them. A fit is made
by who writes its row first; the row of a process that is no longer alive is up for anyone.

SQLite keeps the file whole, whenever a process dies [1]_. Where it cannot be written (a full disk,
a lock that stays) a search goes on without it, and says so once.

.. [1] SQLite. Write-ahead logging. https://sqlite.org/wal.html
"""

import json
import os
import re
import socket
import sqlite3
import threading
import time
import uuid
import warnings
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from io import BytesIO
from math import inf
from numbers import Integral, Number
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import joblib
import numpy as np
from sklearn.base import BaseEstimator

from skdeep.model_selection.spaces import Space
from skdeep.model_selection.trials.evaluation import Work

FORMAT = 3
BUSY_SECONDS = 30.0  # that a statement waits for another process's
BEAT_SECONDS = 5.0
DEAD_SECONDS = 60.0  # without a beat, for an owner on another machine
# What may be another in the call that goes on: it decides how long and where, not what.
FREE = {
    "estimator", "search_spaces", "cv", "random_state", "n_iter", "n_jobs", "pre_dispatch",
    "verbose", "max_time", "stop", "storage", "executor", "refit", "x0",
    "trials_per_device", "selection",
}  # fmt: skip
FIXED = str | bytes | Number | tuple  # what a function holds that decides what it does
HINT = "give another file, or delete this one."
HINTS = {
    "cv": "if it shuffles, give it an integer random_state, else " + HINT,
}
SCHEMA = """
CREATE TABLE IF NOT EXISTS search (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS owners (
    id TEXT PRIMARY KEY, host TEXT NOT NULL, pid INTEGER NOT NULL, beat REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS trials (
    number INTEGER PRIMARY KEY, point TEXT NOT NULL, params TEXT NOT NULL, state TEXT NOT NULL,
    time REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS fits (
    trial INTEGER NOT NULL, split INTEGER NOT NULL, owner TEXT, record TEXT, predictions BLOB,
    PRIMARY KEY (trial, split)
) WITHOUT ROWID;
"""


_open: set[str] = set()  # owners in this process


class JournalError(ValueError):
    """A journal that is of another search, or of none."""


class Journal:
    """The journal of a search that is running.

    Parameters
    ----------
    path : str or Path
        The file; it is made if there is none.
    identity : mapping of str to str
        What the search is, as :func:`identity` says. A journal of another one is refused.
    seeds : list of int
        Of the proposals.

    Attributes
    ----------
    seeds : list of int
        Those that the search began with.

    Raises
    ------
    JournalError
        If the file is the journal of another search; it says what differs.
    """

    def __init__(self, path: str | Path, identity: Mapping[str, str], seeds: list[int]) -> None:
        self.path = Path(path)
        self.seeds = seeds
        self.owner = uuid.uuid4().hex
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._closing = threading.Event()
        _check_place(self.path)
        with self._surviving():
            self._connection = _connect(self.path)
            self._connection.executescript(SCHEMA)
            self._check({"format": str(FORMAT), **identity})
            self._beat()
            _open.add(self.owner)
        threading.Thread(target=self._keep_beating, daemon=True).start()

    def close(self) -> None:
        """Give up what is under way, and close the file."""
        self._closing.set()
        with self._surviving() as connection:
            if connection is not None:
                connection.execute(
                    "DELETE FROM fits WHERE owner = ? AND record IS NULL", [self.owner]
                )
                connection.execute("DELETE FROM owners WHERE id = ?", [self.owner])
                connection.close()
        self._connection = None
        _open.discard(self.owner)

    def trial(self, number: int) -> tuple[np.ndarray, dict[str, Any]] | None:
        """Coordinates of a proposal, and the proposer's state after it; None if it is new."""
        with self._surviving() as connection:
            if connection is not None:
                row = connection.execute(
                    "SELECT point, state FROM trials WHERE number = ?", [number]
                ).fetchone()
                return None if row is None else (np.array(json.loads(row[0])), json.loads(row[1]))
        return None

    def add_trial(self, number: int, u: np.ndarray, params: Mapping[str, Any], state: dict) -> None:
        """Note a proposal; if another process was first, nothing changes."""
        row = number, as_json(u), as_json(params), as_json(state), time.time()
        with self._surviving() as connection:
            if connection is not None:
                connection.execute("INSERT OR IGNORE INTO trials VALUES (?, ?, ?, ?, ?)", row)

    def claim(self, trial: int, split: int) -> bool:
        """Whether this process is to make a fit: nobody has, nor is at it."""
        with self._surviving() as connection:
            if connection is None:
                return True
            with _transaction(connection):
                row = connection.execute(
                    "SELECT owner, record FROM fits WHERE trial = ? AND split = ?", [trial, split]
                ).fetchone()
                if row is not None and (row[1] is not None or self._is_alive(row[0])):
                    return False
                connection.execute(
                    "INSERT OR REPLACE INTO fits VALUES (?, ?, ?, NULL, NULL)",
                    [trial, split, self.owner],
                )
        return True

    def record(self, trial: int, split: int) -> dict[str, Any]:
        """The record of a fit that has ended, or an empty one."""
        with self._surviving() as connection:
            if connection is not None:
                row = connection.execute(
                    "SELECT record, predictions FROM fits WHERE trial = ? AND split = ?",
                    [trial, split],
                ).fetchone()
                if row is not None and row[0] is not None:
                    record = json.loads(row[0])
                    if row[1] is not None:
                        record["predictions"] = np.load(BytesIO(row[1]), allow_pickle=False)["rows"]
                    return record
        return {}

    def add_record(self, trial: int, split: int, record: Mapping[str, Any]) -> None:
        """Note that a fit has ended; its predictions, if they are those that count."""
        record, blob = dict(record), None
        predictions = record.pop("predictions", None)
        if predictions is not None and (record.get("is_last", True) or record["is_over"]):
            file = BytesIO()
            np.savez_compressed(file, rows=predictions)
            blob = file.getvalue()
        row = trial, split, self.owner, as_json(record), blob
        with self._surviving() as connection:
            if connection is not None:
                connection.execute("INSERT OR REPLACE INTO fits VALUES (?, ?, ?, ?, ?)", row)

    @contextmanager
    def _surviving(self) -> Iterator[sqlite3.Connection | None]:
        """The connection, or None once the file has failed."""
        with self._lock:
            try:
                yield self._connection
            except (sqlite3.Error, OSError) as error:
                _open.discard(self.owner)
                with suppress(sqlite3.Error):
                    if self._connection is not None:
                        self._connection.close()
                self._connection = None
                warnings.warn(
                    f"the journal {str(self.path)!r} fails, and the search goes on without it: "
                    f"{error}",
                    RuntimeWarning,
                    stacklevel=4,
                )

    def _check(self, identity: dict[str, str]) -> None:
        assert self._connection is not None
        with _transaction(self._connection) as connection:
            found = dict(connection.execute("SELECT name, value FROM search"))
            if not found:
                found = {**identity, "seeds": as_json(self.seeds)}
                connection.executemany("INSERT INTO search VALUES (?, ?)", found.items())
        for name, value in identity.items():
            if found.get(name) != value:
                raise JournalError(
                    f"{str(self.path)!r} is the journal of another search. Its {name} was "
                    f"{found.get(name)}, and is {value}; {HINTS.get(name, HINT)}"
                )
        self.seeds = json.loads(found["seeds"])

    def _is_alive(self, owner: str) -> bool:
        assert self._connection is not None
        row = self._connection.execute(
            "SELECT host, pid, beat FROM owners WHERE id = ?", [owner]
        ).fetchone()
        if row is None or time.time() - row[2] > DEAD_SECONDS:
            return False
        if row[0] != socket.gethostname():
            return True
        return owner in _open if row[1] == os.getpid() else is_process(row[1])

    def _beat(self) -> None:
        if self._connection is not None:
            row = self.owner, socket.gethostname(), os.getpid(), time.time()
            self._connection.execute("INSERT OR REPLACE INTO owners VALUES (?, ?, ?, ?)", row)

    def _keep_beating(self) -> None:
        while not self._closing.wait(BEAT_SECONDS):
            with self._surviving():
                self._beat()


def _check_place(path: Path) -> None:
    """Refuse what can be no journal: a place that is not there, someone else's database."""
    if path.is_dir() or not path.absolute().parent.is_dir():
        what = "is a folder" if path.is_dir() else "lies in a folder that is not there"
        raise JournalError(f"storage must be a path to a file, but {str(path)!r} {what}.")
    if path.exists():
        with suppress(sqlite3.Error), closing(sqlite3.connect(_address(path), uri=True)) as given:
            tables = {name for (name,) in given.execute("SELECT name FROM sqlite_master")}
            if tables and "search" not in tables:
                raise JournalError(
                    f"{str(path)!r} is a database with {', '.join(sorted(tables))}, and no journal "
                    "of a search; give another file."
                )


def _address(path: Path) -> str:
    return f"{path.absolute().as_uri()}?mode=ro"


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that reads, also where nothing may be written."""
    with closing(sqlite3.connect(_address(path), uri=True)) as connection:
        try:
            connection.execute("SELECT name FROM sqlite_master")
        except sqlite3.OperationalError:  # then nobody writes: what is there is all
            with closing(sqlite3.connect(f"{_address(path)}&immutable=1", uri=True)) as whole:
                yield whole
                return
        yield connection


def identity(search: Any, work: Work, phases: list[tuple[Space, int]]) -> dict[str, str]:
    """What makes a search the same: what its proposals and its scores depend on."""
    return {
        "estimator": _words(search.estimator),
        "functions": _functions([search.estimator.get_params(), search.scoring]),
        "search_spaces": " | ".join(
            ", ".join(f"{name}: {dimension}" for name, dimension in space.dimensions.items())
            for space, _ in phases
        ),
        "data": joblib.hash([work.X, work.y, work.fit_params, work.score_params]),
        **{
            name: _words(value)
            for name, value in search.get_params(deep=False).items()
            if name not in FREE
        },
        # Last, as they follow from some of these, of which one is told instead if it differs.
        "n_splits": str(work.n_splits),
        "cv": joblib.hash(work.splits.of(0)),
        **(
            {"random_state": str(search.random_state)}
            if isinstance(search.random_state, Integral)
            else {}
        ),
    }


def _words(value: Any) -> str:
    """A value in words that are equal in every process."""
    words = value.__repr__(N_CHAR_MAX=inf) if isinstance(value, BaseEstimator) else repr(value)
    return re.sub(r" at 0x[0-9a-f]+", "", words)


def _functions(values: Any) -> str:
    """The functions among values, also within scorers, lists and dicts, and what they do."""
    found: list[str] = []

    def look(value: Any) -> None:
        value = getattr(value, "func", getattr(value, "_score_func", value))
        if isinstance(value, Mapping | list | tuple):
            for part in value.values() if isinstance(value, Mapping) else value:
                look(part)
        elif isinstance(value, FunctionType):
            held = [cell.cell_contents for cell in value.__closure__ or ()]
            fixed = [each for each in held if isinstance(each, FIXED)]  # others may have filled
            does = [_instructions(value.__code__), _words([value.__defaults__, fixed])]
            found.append(f"{value.__qualname__} ({joblib.hash(does)[:8]})")

    look(values)
    return ", ".join(dict.fromkeys(found)) or "none"


def _instructions(code: CodeType) -> tuple:
    """What a function does, wherever it stands."""
    constants = [
        _instructions(c)
        if isinstance(c, CodeType)
        else sorted(map(repr, c))  # whose order is another in each process
        if isinstance(c, frozenset)
        else repr(c)
        for c in code.co_consts
    ]
    return code.co_code, code.co_names, *constants


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
    finally:
        connection.execute("COMMIT")


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as error:
            # Of two that do so at once one is told, and does not wait as for other statements.
            if "locked" not in str(error) or time.monotonic() > until:
                connection.close()
                raise
            time.sleep(0.01)
    connection.execute("PRAGMA synchronous = NORMAL")  # whole after a crash, the last rows may lack
    return connection


def is_process(pid: int) -> bool:
    """Whether there is such a process; where that cannot be asked harmlessly, yes."""
    if os.name != "posix":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def as_json(value: Any) -> str:
    """A value as it is noted."""
    return json.dumps(value, default=_plain, separators=(",", ":"))


def _plain(value: Any) -> Any:
    """What JSON has no form for: arrays as lists, anything else as words."""
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else repr(value)
