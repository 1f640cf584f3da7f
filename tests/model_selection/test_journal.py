"""What is noted while a search runs, and what becomes of it when the search dies."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.metrics import make_scorer
from sklearn.model_selection import ShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC

from skdeep.cli import main
from skdeep.model_selection import AnnealingSearchCV, BayesSearchCV, load_search
from skdeep.model_selection.trials.journal import Journal, JournalError

SPACE = {"C": (1e-3, 1e3, "log"), "gamma": (1e-4, 10.0, "log"), "kernel": ["rbf", "poly"]}


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "search.db"


def search_iris(iris, cls=BayesSearchCV, **settings):
    return cls(SVC(), SPACE, **{"n_iter": 8, "cv": 3, "random_state": 0} | settings).fit(*iris)


def assert_equal(found, expected):
    """Same candidates and scores, to the bit."""
    assert found.cv_results_["params"] == expected.cv_results_["params"]
    for column in expected.cv_results_:
        if "score" in column and "time" not in column:
            np.testing.assert_array_equal(found.cv_results_[column], expected.cv_results_[column])
    assert found.best_params_ == expected.best_params_


class Counted(SVC):
    """Counts the fits of this process."""

    n_fits = 0

    def fit(self, X, y):
        type(self).n_fits += 1
        return super().fit(X, y)


# --- to go on


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"acquisition": "mes"},
        {"n_points": 3},
        {"n_points": 2, "n_jobs": 2},
        {"surrogate": "forest"},
        {"surrogate": "quasirandom"},
        {"random_state": None},
        {"scoring": ["accuracy", "f1_macro"], "refit": "accuracy", "return_train_score": True},
        {"search_spaces": [({"C": (1e-3, 1e3, "log")}, 4), {"kernel": ["rbf", "poly", "linear"]}]},
        {"cls": AnnealingSearchCV},
    ],
)
def test_a_search_goes_on_where_it_was_and_ends_as_if_unbroken(settings, path, iris, monkeypatch):
    settings = {"storage": path, "cls": BayesSearchCV, "n_iter": 18} | settings
    cls, spaces = settings.pop("cls"), settings.pop("search_spaces", SPACE)
    settings = {"cv": 3, "random_state": 0} | settings
    shorter = 18 if cls is AnnealingSearchCV else 7  # its temperature falls over n_iter
    monkeypatch.setattr(Counted, "n_fits", 0)
    cls(Counted(), spaces, **settings).set_params(n_iter=shorter).fit(*iris)
    resumed = cls(Counted(), spaces, **settings).fit(*iris)
    n_threads = settings.get("n_jobs", 1)
    if n_threads == 1:
        n = len(resumed.cv_results_["params"])
        assert Counted.n_fits == 3 * n + 2  # with two refits
    if settings["random_state"] is not None:
        assert_equal(resumed, cls(Counted(), spaces, **settings | {"storage": None}).fit(*iris))


SCRIPT = """
import sys, time
import numpy as np
from sklearn.datasets import load_iris
from sklearn.svm import SVC
from skdeep.model_selection import BayesSearchCV

class Slow(SVC):
    def fit(self, X, y):
        time.sleep({seconds})
        return super().fit(X, y)

space = {space!r}
search = BayesSearchCV(Slow(), space, n_iter={n_iter}, cv=2, random_state=0, storage=sys.argv[1],
    n_points={n_points}, n_jobs={n_points})
import joblib
from pathlib import Path
Path(f"{{sys.argv[1]}}.{{sys.argv[2]}}").touch()
while not Path(f"{{sys.argv[1]}}.go").exists():
    time.sleep(0.001)
with joblib.parallel_config("threading"):
    search.fit(*load_iris(return_X_y=True))
print(len(search.cv_results_["params"]), search.cv_results_["mean_test_score"].tolist())
"""


def start(path, n_iter=12, seconds=0.01, n_points=1, name="one"):
    """Start a search, which begins when there is a file of the journal's name and ".go"."""
    script = SCRIPT.format(space=SPACE, n_iter=n_iter, seconds=seconds, n_points=n_points)
    return subprocess.Popen(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", script, str(path), name],
        stdout=subprocess.PIPE,
        text=True,
    )


def fits_of(path):
    """Which fits have a record, or None before there is a journal."""
    if not path.exists():
        return None
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
            rows = connection.execute("SELECT trial, split FROM fits WHERE record IS NOT NULL")
            return set(rows.fetchall())
    except sqlite3.OperationalError:
        return None


def killed_and_resumed(path, n_points, n_iter, waits):
    """Kill a search again and again, after each has made some fits; the output of the last."""
    Path(f"{path}.go").touch()
    for wait in waits:
        process = start(path, n_iter, n_points=n_points)
        begun = len(fits_of(path) or ())
        while len(fits_of(path) or ()) <= begun:
            assert process.poll() is None, "it has ended before it could be killed"
            time.sleep(0.005)
        time.sleep(wait)
        before = fits_of(path)
        process.send_signal(signal.SIGKILL)
        process.wait()
        with sqlite3.connect(path) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert before <= fits_of(path)
        process.stdout.close()
    process = start(path, n_iter, n_points=n_points)
    return process.communicate()[0]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no kill -9")
@pytest.mark.parametrize(
    ("n_points", "n_kills"),
    [
        (1, 2),
        pytest.param(1, 20, marks=pytest.mark.slow),
        pytest.param(2, 5, marks=pytest.mark.slow),
    ],
)
def test_a_search_that_is_killed_loses_what_was_running_only(n_points, n_kills, tmp_path):
    waits = np.random.default_rng(0).uniform(0, 0.02, n_kills)
    n_iter = 12 + 2 * n_kills  # more than are made between the kills
    (tmp_path / "unbroken.db.go").touch()
    unbroken = start(tmp_path / "unbroken.db", n_iter, n_points=n_points).communicate()[0]
    assert unbroken.startswith(f"{n_iter} ")
    assert killed_and_resumed(tmp_path / "killed.db", n_points, n_iter, waits) == unbroken


def test_two_processes_share_the_fits(path):
    both = [start(path, n_iter=40, seconds=0.02, name=name) for name in ("one", "two")]
    while not all(Path(f"{path}.{name}").exists() for name in ("one", "two")):
        time.sleep(0.01)
    Path(f"{path}.go").touch()
    first, second = (process.communicate()[0] for process in both)
    assert first == second
    assert first.startswith("40 ")
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT trial, split, owner FROM fits").fetchall()
    assert sorted(row[:2] for row in rows) == [(t, s) for t in range(40) for s in range(2)]
    shares = np.unique([row[2] for row in rows], return_counts=True)[1]
    assert len(shares) == 2
    assert shares.min() > 10


# --- what is no journal of this search


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"cv": 4}, "Its n_splits was 3, and is 4"),
        ({"cv": ShuffleSplit(3)}, "give it an integer random_state"),
        ({"random_state": 1}, "Its random_state was 0, and is 1"),
        ({"surrogate": "forest"}, "Its surrogate was 'gp', and is 'forest'"),
        ({"n_points": 2}, "Its n_points was 1, and is 2"),
        ({"scoring": "f1_macro"}, "Its scoring was None, and is 'f1_macro'"),
        ({"estimator__tol": 0.1}, r"Its estimator was SVC\(\), and is SVC\(tol=0.1\)"),
        ({"search_spaces": {"C": (1e-3, 1.0, "log")}}, "Its search_spaces was C: a number"),
    ],
)
def test_a_journal_of_another_search_is_refused(changed, message, path, iris):
    search = BayesSearchCV(SVC(), SPACE, n_iter=2, cv=3, random_state=0, storage=path).fit(*iris)
    before = path.read_bytes()
    with pytest.raises(JournalError, match=message):
        search.set_params(**changed).fit(*iris)
    assert load_search(path).trials.shape[0] == 2
    assert path.read_bytes() == before
    # What decides how long and where it runs may be another.
    search = search_iris(iris, n_iter=3, n_jobs=2, verbose=0, max_time=1e3, storage=path)
    assert len(search.cv_results_["params"]) == 3


def test_a_journal_of_other_data_is_refused(path, iris):
    search_iris(iris, n_iter=2, storage=path)
    X, y = iris
    with pytest.raises(JournalError, match="Its data was"):
        search_iris((X + 1, y), n_iter=2, storage=path)


# --- files that fail


def test_a_file_that_is_no_journal_is_left_and_said_once(path, iris):
    path.write_text("words, and more words" * 100)
    with pytest.warns(RuntimeWarning, match="goes on without it: file is not a database") as caught:
        search = search_iris(iris, storage=path)
    assert len(caught) == 1
    assert path.read_text().startswith("words")
    assert_equal(search, search_iris(iris))


def test_what_can_be_no_journal_is_refused(path, iris):
    with pytest.raises(JournalError, match="a folder that is not there"):
        search_iris(iris, storage=path / "deeper" / "search.db")
    with pytest.raises(JournalError, match="is a folder"):
        search_iris(iris, storage=path.parent)
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE measurements (value REAL)")
    with pytest.raises(JournalError, match="a database with measurements, and no journal"):
        search_iris(iris, storage=path)
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("measurements",)]


@pytest.mark.parametrize("kind", ["scorer", "held", "made", "transformer"])
def test_a_function_that_does_something_else_is_another(kind, path, iris):
    def function_of(source):
        if kind == "held":

            def chosen(a, b, c):
                seen.append(a)
                return source * a.score(b, c)

            return chosen
        scope = {}
        exec(f"def chosen(a, b=None, c=None):\n    return {source}", scope)
        return scope["chosen"]

    def search(source):
        function = function_of(source)
        if kind == "transformer":
            model = make_pipeline(FunctionTransformer(function), SVC())
            space = {"svc__C": SPACE["C"]}
            return BayesSearchCV(model, space, n_iter=2, random_state=0, storage=path).fit(*iris)
        scoring = make_scorer(function) if kind == "made" else function
        model = BayesSearchCV(SVC(), SPACE, n_iter=2, random_state=0, storage=path)
        return model.set_params(scoring=scoring).fit(*iris)

    seen = []  # what fills up makes no other function
    sources = {
        "scorer": ("a.score(b, c)", "-a.score(b, c)"),
        "held": (1, -1),
        "made": ("(a == b).mean()", "(a != b).mean()"),
        "transformer": ("a", "a[:, :1]"),
    }[kind]
    first = search(sources[0])
    again = search(sources[0])  # the same, though another object
    assert again.best_score_ == first.best_score_
    with pytest.raises(JournalError, match=r"Its functions was .*chosen"):
        search(sources[1])


def test_a_file_that_fails_on_the_way_costs_nothing_else(path, iris, monkeypatch):
    """As a full disk does, which SQLite reports as an error of the statement."""
    original = Journal.add_record

    def failing(self, trial, split, record):
        if trial == 3:
            with self._surviving() as connection:
                if connection is None:
                    return
                connection.execute("PRAGMA max_page_count = 1")
                connection.execute("CREATE TABLE filler AS SELECT zeroblob(100000)")
        original(self, trial, split, record)

    monkeypatch.setattr(Journal, "add_record", failing)
    with pytest.warns(RuntimeWarning, match="without it: database or disk is full") as caught:
        search = search_iris(iris, storage=path)
    assert len(caught) == 1
    assert_equal(search, search_iris(iris))
    monkeypatch.undo()
    assert_equal(search_iris(iris, storage=path), search)  # what is there is good


def test_a_file_that_stays_locked_is_said_once(path, iris, monkeypatch):
    search_iris(iris, n_iter=2, storage=path)
    monkeypatch.setattr("skdeep.model_selection.trials.journal.BUSY_SECONDS", 0.1)
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.warns(RuntimeWarning, match="goes on without it: database is locked"):
            search = search_iris(iris, storage=path)
    other.close()
    assert_equal(search, search_iris(iris))


@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="root may write anything")
def test_a_read_only_file_is_said_once(path, iris):
    search_iris(iris, n_iter=2, storage=path)
    path.chmod(0o400)
    with pytest.warns(RuntimeWarning, match="goes on without it: .*readonly"):
        search_iris(iris, storage=path)


# --- to read it


def test_a_journal_is_read_as_a_table(path, iris):
    search = search_iris(iris, storage=path)
    record = load_search(path)
    assert record.best_params == search.best_params_
    for column in ("mean_test_score", "split2_test_score", "param_C", "param_kernel"):
        np.testing.assert_array_equal(record.trials[column], search.cv_results_[column])
    assert record.trials["n_splits"].tolist() == 8 * [3]
    assert record.identity["estimator"] == "SVC()"


def test_a_journal_is_read_where_nothing_may_be_written(path, iris, monkeypatch):
    """As SQLite has it: a journal with a write-ahead log cannot even be read there."""
    search = search_iris(iris, storage=path)
    connect = sqlite3.connect
    monkeypatch.setattr("sqlite3.connect", lambda a, **s: Refusing(connect(a, **s), a))
    assert load_search(path).best_params == search.best_params_


class Refusing:
    """A connection that SQLite would refuse to a reader who may not write."""

    def __init__(self, connection, address):
        self._connection, self._address = connection, address

    def execute(self, statement):
        if "immutable" not in self._address:
            raise sqlite3.OperationalError("attempt to write a readonly database")
        return self._connection.execute(statement)

    def close(self):
        self._connection.close()


def test_a_candidate_has_a_mean_once_all_its_splits_have_ended(path, iris):
    def scoring(estimator, X, y):
        if scores:
            raise KeyboardInterrupt
        scores.append(estimator.score(X, y))
        return scores[-1]

    scores = []
    search = BayesSearchCV(SVC(), SPACE, scoring=scoring, n_iter=2, cv=3, storage=path)
    with pytest.raises(KeyboardInterrupt):
        search.fit(*iris)
    record = load_search(path)
    assert record.trials["split0_test_score"].tolist() == scores
    assert record.means.isna().all()
    with pytest.raises(ValueError, match="of 1 candidates none has the scores of all its splits"):
        record.best_params  # noqa: B018


def test_the_command_line_shows_how_far_a_search_is(path, iris, capsys):
    search = search_iris(iris, storage=path)
    assert main(["search-status", str(path)]) == 0
    head, counts, names, *rows = capsys.readouterr().out.splitlines()
    assert head == "SVC()"
    assert counts == "8 candidates, 8 with a score, 0 failed; 0 fits under way"
    assert {"mean_test_score", "C", "gamma", "kernel"} <= set(names.split())
    best = [row.split()[1] for row in rows[1:]]
    expected = np.sort(search.cv_results_["mean_test_score"])[::-1]
    np.testing.assert_allclose([float(score) for score in best], expected, rtol=1e-3)
    assert main(["search-status", str(path.parent / "other.db")]) == 1
    assert "there is no file" in capsys.readouterr().err


def test_a_journal_of_a_search_that_has_just_begun_is_read(path):
    journal = Journal(path, {"estimator": "SVC()"}, [0])
    assert load_search(path).summary().splitlines()[1].startswith("0 candidates, 0 with a score")
    journal.add_trial(0, np.array([0.5]), {"C": 1.0}, {})
    assert journal.claim(0, 1)
    assert load_search(path).summary().splitlines()[1] == (
        "1 candidates, 0 with a score, 0 failed; 1 fits under way"
    )
    journal.close()


def test_what_is_no_journal_is_said(path):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        load_search(path)
    path.write_text("words" * 1000)
    with pytest.raises(JournalError, match="is no journal of a search: file is not a database"):
        load_search(path)


def test_ten_thousand_trials_take_less_than_20_megabytes_and_2_milliseconds_each(path):
    journal = Journal(path, {"estimator": "words" * 50}, [0])
    rng = np.random.default_rng(0)
    state = {"rng": rng.bit_generator.state, "even": [4096, 123], "surrogates": []}
    record = {"fit_error": None, "n_test_samples": 360, "score_time": 0.0012345}
    start = time.process_time()
    for trial in range(10_000):
        u = rng.random(6)
        params = {f"mlpclassifier__parameter_{i}": x for i, x in enumerate(u)}
        journal.add_trial(trial, u, params, state)
        for split in range(3):
            assert journal.claim(trial, split)
            scores = {"test_scores": rng.random(), "fit_time": rng.random()}
            journal.add_record(trial, split, record | scores)
    seconds = time.process_time() - start
    journal.close()
    assert seconds / 10_000 < 2e-3
    assert path.stat().st_size < 20e6
