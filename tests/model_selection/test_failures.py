"""What becomes of fits that raise, diverge, hang, or take their worker with them."""

import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skdeep import BayesSearchCV, MLPClassifier
from skdeep.exceptions import FitFailedError
from skdeep.model_selection.trials.engines import temporary_folder

SPACE = {"C": (1e-3, 1e3, "log"), "gamma": (1e-4, 10.0, "log")}
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning"),
    pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite"),
    pytest.mark.filterwarnings("ignore:Scoring failed"),
]


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


def fault_of(model, rows):
    """A fault that is the same whenever the fit is made, in about 30% of them."""
    draw = np.random.default_rng(int(1e6 * abs(np.log(model.C))) + len(rows) + int(rows.sum()))
    return draw.choice(["raise", "nan", "hang", "exit", ""], p=[0.1, 0.1, 0.05, 0.05, 0.7])


def faulty(faults):
    """A class of the workers' own: tests are not importable there."""

    class Faulty(SVC):
        def fit(self, X, y):
            self.fault_ = fault_of(self, X)
            if self.fault_ in faults:
                if self.fault_ == "raise":
                    raise ValueError("it went wrong")
                if self.fault_ == "hang":
                    time.sleep(60)
                if self.fault_ == "exit":
                    os._exit(3)
            return super().fit(X, y)

        def score(self, X, y):
            return np.nan if "nan" in faults and self.fault_ == "nan" else super().score(X, y)

    return Faulty


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_faults_cost_their_candidates_only(n_jobs, iris):
    check_faults(iris, n_jobs, n_iter=20, timeout=1.0)


@pytest.mark.slow
def test_a_search_of_200_trials_survives_faults_in_a_third_of_its_fits(iris):
    check_faults(iris, n_jobs=2, n_iter=200, timeout=1.0)


def check_faults(iris, n_jobs, n_iter, timeout):
    faults = {"raise", "nan", "hang", "exit"}
    settings = {"n_iter": n_iter, "cv": 3, "random_state": 0, "surrogate": "quasirandom"}
    settings["refit"] = False  # which is made here
    search = BayesSearchCV(
        faulty(faults)(gamma=0.1), SPACE, n_jobs=n_jobs, candidate_timeout=timeout, **settings
    )
    with parallel_config("loky"):
        search.fit(*iris)
    whole = BayesSearchCV(SVC(gamma=0.1), SPACE, **settings).fit(*iris)
    failure, params = (search.cv_results_[name] for name in ("failure", "params"))
    assert len(params) == n_iter
    assert search.best_score_ > 0.98 * whole.best_score_
    scores = search.cv_results_["mean_test_score"]
    assert 0.1 < np.isnan(scores).mean() < 0.9
    seen = set()
    for split, (train, _) in enumerate(search._checked_cv_orig.split(*iris)):
        for candidate, reason, score in zip(
            params, failure, search.cv_results_[f"split{split}_test_score"]
        ):
            fault = fault_of(SVC(**candidate), iris[0][train])
            seen.add(fault)
            if not reason and fault != "nan":
                assert fault == ""
                assert np.isfinite(score)
            elif fault:
                assert np.isnan(score)
    if n_iter >= 200:
        assert seen == {*faults, ""}
    for words in (
        "ValueError: it went wrong",
        "TimeoutError: the candidate",
        "WorkerDied: its pro",
    ):
        assert any(reason.startswith(words) for reason in failure)


def test_a_worker_that_dies_once_costs_nothing(iris, tmp_path):
    mark = tmp_path / "died"

    class DiesOnce(SVC):
        def fit(self, X, y):
            if not mark.exists():
                mark.touch()
                os._exit(3)
            return super().fit(X, y)

    settings = {"n_iter": 5, "cv": 3, "random_state": 0, "n_jobs": 2}
    with parallel_config("loky"):
        search = BayesSearchCV(DiesOnce(), SPACE, **settings).fit(*iris)
        whole = BayesSearchCV(SVC(), SPACE, **settings).fit(*iris)
    assert set(search.cv_results_["failure"]) == {""}
    np.testing.assert_array_equal(
        search.cv_results_["mean_test_score"], whole.cv_results_["mean_test_score"]
    )


def test_error_score_raise_raises_what_ended_a_worker(iris):
    model = faulty({"exit"})(gamma=0.1)
    search = BayesSearchCV(
        model, SPACE, n_iter=30, random_state=0, n_jobs=2, error_score="raise", refit=False
    )
    with parallel_config("loky"), pytest.raises(FitFailedError, match="its process died twice"):
        search.fit(*iris)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_networks_end_by_themselves_when_their_time_is_up(n_jobs, iris):
    model = make_pipeline(StandardScaler(), MLPClassifier(epochs=10**6, batch_size=150))
    space = {"mlpclassifier__epochs": [2, 10**6]}
    search = BayesSearchCV(
        model, space, n_iter=2, cv=2, candidate_timeout=1.5, n_jobs=n_jobs, refit=False
    )
    start = time.perf_counter()
    search.fit(*iris)
    assert time.perf_counter() - start < 15
    epochs = search.cv_results_["param_mlpclassifier__epochs"]
    failures = dict(zip(epochs, search.cv_results_["failure"]))
    assert failures[2] == ""
    assert "FitTimeoutError: the candidate took longer than candidate_timeout" in failures[10**6]


def test_where_a_time_limit_cannot_be_kept_it_is_refused(iris):
    search = BayesSearchCV(SVC(), SPACE, n_iter=2, candidate_timeout=5.0, n_jobs=2)
    message = "candidate_timeout can end fits of SVC in processes of this machine only"
    with parallel_config("threading"), pytest.raises(ValueError, match=message):
        search.fit(*iris)
    with ThreadPoolExecutor(2) as executor, pytest.raises(ValueError, match=message):
        search.set_params(executor=executor).fit(*iris)


# --- executors


def test_equal_seeds_give_equal_results_whatever_runs_the_fits(iris):
    settings = {"n_iter": 12, "n_points": 2, "cv": 3, "random_state": 0}
    searches = {"serial": BayesSearchCV(SVC(), SPACE, **settings).fit(*iris)}
    for backend in ("threading", "loky"):
        with parallel_config(backend):
            searches[backend] = BayesSearchCV(SVC(), SPACE, n_jobs=2, **settings).fit(*iris)
    with ThreadPoolExecutor(2) as executor:
        searches["own"] = BayesSearchCV(SVC(), SPACE, executor=executor, **settings).fit(*iris)
    expected = searches["serial"].cv_results_
    for search in searches.values():
        assert search.cv_results_["params"] == expected["params"]
        for column in expected:
            if "score" in column and "time" not in column:
                np.testing.assert_array_equal(search.cv_results_[column], expected[column])


def test_all_jobs_of_an_executor_are_as_many_as_there_are_fits(iris):
    with ThreadPoolExecutor(2) as executor:
        search = BayesSearchCV(SVC(), SPACE, n_iter=2, cv=2, executor=executor, n_jobs=-1)
        assert len(search.fit(*iris).cv_results_["params"]) == 2


def test_an_executor_that_is_broken_is_told(iris):
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        with pytest.raises(BrokenExecutor):
            executor.submit(os._exit, 3).result()
        search = BayesSearchCV(SVC(), SPACE, n_iter=2, cv=2, executor=executor)
        with pytest.raises(RuntimeError, match=r"the executor was lost.*the same call goes on"):
            search.fit(*iris)


def test_a_suspect_whose_time_is_up_holds_nobody_up(iris):
    """Two folds of a candidate are killed, and the first, made again, takes all of its time."""

    class DiesThenHangs(SVC):
        def fit(self, X, y):
            if self.C == 1.0:
                mark = Path(self.tol_) / str(int(X.sum() * 10))
                if not mark.exists():
                    mark.touch()
                    os._exit(3)
                time.sleep(60)
            return super().fit(X, y)

    with tempfile.TemporaryDirectory() as folder:
        DiesThenHangs.tol_ = folder
        search = BayesSearchCV(
            DiesThenHangs(), {"C": [1.0, 2.0]}, n_iter=2, cv=3, n_jobs=2, refit=False
        ).set_params(candidate_timeout=1.0)
        with parallel_config("loky"):
            search.fit(*iris)
    reasons = dict(zip(search.cv_results_["param_C"], search.cv_results_["failure"]))
    assert reasons[1.0].startswith(("TimeoutError", "WorkerDied"))
    assert reasons[2.0] == ""


def test_an_executor_survives_the_search_and_its_clones(iris):
    with ThreadPoolExecutor(2) as executor:
        search = BayesSearchCV(SVC(), SPACE, n_iter=2, cv=2, executor=executor)
        assert clone(search).executor is executor
        search.fit(*iris)
        assert executor.submit(int, "3").result() == 3


def test_ctrl_c_ends_networks_in_threads(iris):
    scored = []

    def accuracy(model, X, y):
        scored.append(model.score(X, y))
        return scored[-1]

    def interrupt():
        while len(scored) < 2:
            time.sleep(0.1)
        time.sleep(1)
        os.kill(os.getpid(), signal.SIGINT)

    model = MLPClassifier(epochs=2, random_state=0)
    search = BayesSearchCV(
        model, {"epochs": [2, 10**7]}, n_iter=2, cv=2, n_jobs=2, refit=False, scoring=accuracy
    )
    threading.Thread(target=interrupt).start()
    with pytest.warns(UserWarning, match="interrupted after 1 of 2"):
        search.fit(*iris)
    assert search.stop_reason_ == "interrupted"
    assert len(search.cv_results_["params"]) == 1


ON_TWO_DEVICES = """
import threading, time
import numpy as np
import tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
from joblib import parallel_config
from sklearn.datasets import load_iris
from skdeep import BayesSearchCV, MLPClassifier, get_config

lock, running, most, seen = threading.Lock(), {}, {}, set()

class Watched(MLPClassifier):
    def fit(self, X, y):
        place = get_config()["device"]
        with lock:
            running[place] = running.get(place, 0) + 1
            most[place] = max(most.get(place, 0), running[place])
        super().fit(X, y)
        time.sleep(0.1)
        with lock:
            running[place] -= 1
        return self

search = BayesSearchCV(
    Watched(epochs=3, random_state=0), n_iter=6, n_points=2, cv=3, random_state=0, refit=False
)
placed = search.set_params(trials_per_device=PER_DEVICE).fit(*load_iris(return_X_y=True))
print(sorted(most.items()))
scores = placed.cv_results_["mean_test_score"]
whole = search.set_params(trials_per_device=None).fit(*load_iris(return_X_y=True))
print((scores == whole.cv_results_["mean_test_score"]).all())
"""


@pytest.mark.parametrize("per_device", [1, 2])
def test_fits_are_placed_on_all_devices_as_many_as_they_may_be(per_device):
    script = ON_TWO_DEVICES.replace("PER_DEVICE", str(per_device))
    out = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    assert out == [f"[('cpu:0', {per_device}), ('cpu:1', {per_device})]", "True"]


def test_only_networks_are_placed(iris):
    with pytest.raises(ValueError, match="no part of SVC is one; leave it out"):
        BayesSearchCV(SVC(), SPACE, n_iter=2, trials_per_device=1).fit(*iris)


def test_the_reason_is_the_exception_with_all_that_it_says(iris):
    def scoring(estimator, X, y):
        return np.nan if estimator.C > 100 else estimator.score(X, y)

    class Wordy(SVC):
        def fit(self, X, y):
            if self.C < 0.01:
                raise ValueError("C is small.\n  See the manual:\nchapter 3")
            return super().fit(X, y)

    search = BayesSearchCV(Wordy(), SPACE, n_iter=12, scoring=scoring, random_state=0, refit=False)
    search.fit(*iris)
    C = search.cv_results_["param_C"].astype(float)
    wordy = "ValueError: C is small. See the manual: chapter 3"
    expected = ["the score is nan" if c > 100 else wordy if c < 0.01 else "" for c in C]
    assert search.cv_results_["failure"].tolist() == expected
    assert len(set(expected)) == 3


def test_a_search_is_pickled_without_its_executor(iris):
    with ThreadPoolExecutor(2) as executor:
        search = BayesSearchCV(SVC(), SPACE, n_iter=2, executor=executor, random_state=0).fit(*iris)
    again = pickle.loads(pickle.dumps(search))
    assert again.executor is None
    assert again.best_score_ == search.best_score_
    assert search.executor is executor


def test_what_is_no_executor_is_told(iris):
    class Client(ThreadPoolExecutor):
        def get_executor(self):
            raise AssertionError

    with pytest.raises(TypeError, match=r"Client of Dask's; pass client.get_executor\(\)"):
        BayesSearchCV(SVC(), SPACE, executor=Client(1)).fit(*iris)


def test_folders_of_processes_that_were_killed_are_removed(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code = (
        "from skdeep.model_selection.trials.engines import temporary_folder as new;"
        "import os; print(new(), flush=True); os._exit(1)"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    left = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment)
    assert Path(left.stdout.decode().strip()).is_dir()
    mine = temporary_folder()
    assert [*tmp_path.iterdir()] == [mine]
    assert {mine, temporary_folder()} == {*tmp_path.iterdir()}
