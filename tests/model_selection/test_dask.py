"""A search on a cluster: Dask's, of this machine, with workers that are processes."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.svm import SVC

from skdeep import BayesSearchCV

distributed = pytest.importorskip("distributed")

SPACE = {"C": (1e-3, 1e3, "log"), "gamma": (1e-4, 10.0, "log")}
SETTINGS = {"n_iter": 12, "n_points": 2, "cv": 3, "random_state": 0}
pytestmark = pytest.mark.filterwarnings("ignore")  # Dask's own, of workers that come and go


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


@pytest.fixture(scope="module")
def serial(iris):
    return BayesSearchCV(SVC(), SPACE, **SETTINGS).fit(*iris).cv_results_


@pytest.fixture
def client():
    """Of a cluster of two workers."""
    with (
        distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def slow(seconds):
    """A class that travels: workers cannot import the tests."""

    class Slow(SVC):
        def fit(self, X, y):
            time.sleep(seconds)
            return super().fit(X, y)

    return Slow()


def assert_equal(search, expected):
    assert search.cv_results_["params"] == expected["params"]
    for column in expected:
        if "score" in column and "time" not in column:
            np.testing.assert_array_equal(search.cv_results_[column], expected[column])
    assert set(search.cv_results_["failure"]) == {""}


def test_a_cluster_gives_what_one_process_does(client, iris, serial):
    with client.get_executor() as executor:
        search = BayesSearchCV(SVC(), SPACE, executor=executor, **SETTINGS).fit(*iris)
    assert_equal(search, serial)


@pytest.mark.slow
def test_workers_may_die(client, iris, serial):
    def kill_two():
        for _ in range(2):
            time.sleep(1)
            os.kill(min(client.run(os.getpid).values()), signal.SIGKILL)

    killer = threading.Thread(target=kill_two)
    killer.start()
    with client.get_executor() as executor:
        search = BayesSearchCV(slow(0.15), SPACE, executor=executor, **SETTINGS).fit(*iris)
    killer.join()
    assert_equal(search, serial)


@pytest.mark.slow
def test_a_search_goes_on_after_its_scheduler_was_restarted(iris, serial, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    processes = {}

    def start(name, *arguments):
        command = [sys.executable, "-m", f"distributed.cli.dask_{name}", *arguments]
        processes[name, len(processes)] = process = subprocess.Popen(
            [*command, "--no-dashboard"], stderr=subprocess.DEVNULL
        )
        return process

    def start_scheduler():
        return start("scheduler", "--host", "127.0.0.1", "--port", str(port))

    def search_there():
        client = distributed.Client(address)
        client.wait_for_workers(2, timeout=60)
        with client, client.get_executor() as executor:
            search = BayesSearchCV(slow(0.15), SPACE, executor=executor, **SETTINGS)
            return search.set_params(storage=tmp_path / "search.db").fit(*iris)

    try:
        scheduler = start_scheduler()
        for _ in range(2):
            start("worker", address, "--nthreads", "1")
        timer = threading.Timer(6.0, scheduler.kill)
        timer.start()
        with pytest.raises(RuntimeError, match="with storage= the same call goes on"):
            search_there()
        timer.join()
        scheduler.wait()
        start_scheduler()
        for _ in range(2):
            start("worker", address, "--nthreads", "1")
        assert_equal(search_there(), serial)
    finally:
        for process in processes.values():
            process.kill()
            process.wait()
