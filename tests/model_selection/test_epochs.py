import tempfile
from pathlib import Path

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.base import clone
from sklearn.callback import ScoringMonitor
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.random_projection import GaussianRandomProjection
from sklearn.svm import SVC

from skdeep import BayesSearchCV, MLPClassifier, MLPRegressor
from skdeep.model_selection import load_search
from skdeep.model_selection.trials.epochs import Epochs, Halving
from skdeep.model_selection.trials.journal import JournalError

SPACE = {"learning_rate": (1e-3, 1.0, "log"), "dropout": (0.0, 0.5)}
SETTINGS = {"n_iter": 8, "cv": 3, "random_state": 0, "fidelity": "epochs", "refit": False}


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:600] / 16, y[:600]


def network(epochs=10, **settings):
    return MLPClassifier(hidden_layer_sizes=(16,), epochs=epochs, random_state=0, **settings)


def compared(search):
    """``cv_results_`` but for times."""
    results = search.cv_results_
    return {name: column for name, column in results.items() if not name.endswith("_time")}


def assert_same(a, b):
    a, b = compared(a), compared(b)
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"learning_rate_schedule": "cosine"},
        {"early_stopping": True, "patience": 2, "validation_fraction": 0.2},
        {"early_stopping": "accuracy", "patience": 2, "validation_fraction": 0.2},
        {"calibrate": True},
    ],
    ids=lambda settings: next(iter(settings), "plain"),
)
def test_all_parts_are_one_fit(digits, settings):
    model = make_pipeline(StandardScaler(), network(epochs=13, **settings))
    space = {f"mlpclassifier__{name}": range_ for name, range_ in SPACE.items()}
    if not settings:
        space["mlpclassifier__learning_rate_schedule"] = [None, "linear"]
    search = BayesSearchCV(model, space, **SETTINGS).fit(*digits)
    results = search.cv_results_
    whole = np.isfinite(results["mean_test_score"])
    assert whole.any()
    for i in np.flatnonzero(whole):
        candidate = clone(model).set_params(**results["params"][i])
        expected = cross_val_score(candidate, *digits, cv=3)
        np.testing.assert_array_equal(
            [results[f"split{split}_test_score"][i] for split in range(3)], expected
        )
        np.testing.assert_array_equal(results["score_after_13_epochs"][i], expected.mean())
    had = [results[f"score_after_{n}_epochs"] for n in (2, 4, 7, 13)]
    np.testing.assert_array_equal(np.isfinite(had[-1]), whole)
    # Shorter ones are as fits of fewer epochs, whose schedule is that of all.
    if not any(settings):
        i = int(np.flatnonzero(~whole)[0])
        params = dict(results["params"][i])
        schedule = params["mlpclassifier__learning_rate_schedule"]
        if schedule == "linear":
            params["mlpclassifier__learning_rate_schedule"] = lambda epoch: 1 - epoch / 13
        for n in (2, 4, 7):
            if np.isfinite(results[f"score_after_{n}_epochs"][i]):
                short = clone(model).set_params(**params, mlpclassifier__epochs=n)
                scores = cross_val_score(short, *digits, cv=3)
                assert results[f"score_after_{n}_epochs"][i] == scores.mean()


def test_half_of_the_candidates_go_on_after_each_part(digits):
    settings = SETTINGS | {"n_iter": 14}
    results = BayesSearchCV(network(16), SPACE, **settings).fit(*digits).cv_results_
    curves = np.array([results[f"score_after_{n}_epochs"] for n in (2, 4, 8, 16)]).T
    stopped = 0
    for i, curve in enumerate(curves):
        before = curves[:i]
        for part in range(3):
            if np.isnan(curve[part]):
                break
            there = before[:, part][np.isfinite(before[:, part])]
            goes_on = np.sum(there > curve[part]) < max(1, (i + 1) // (2, 4, 8)[part])
            assert goes_on == np.isfinite(curve[part + 1])
            stopped += not goes_on
    assert stopped > 3
    np.testing.assert_array_equal(
        results["epochs"], [(2, 4, 8, 16)[np.isfinite(c).sum() - 1] for c in curves]
    )
    lost = results["epochs"] < 16
    np.testing.assert_array_equal(np.isnan(results["mean_test_score"]), lost)
    assert set(results["rank_test_score"][lost]) == {(~lost).sum() + 1}
    np.testing.assert_array_equal(results["n_splits"], 3)


def count_epochs(monkeypatch):
    from skdeep import engine

    trained, train = [], engine.train

    def counting(program, progress, *rows, epochs, **rest):
        trained.append(epochs)
        return train(program, progress, *rows, epochs=epochs, **rest)

    monkeypatch.setattr(engine, "train", counting)
    return trained


def test_parts_go_on_where_the_last_one_ended(digits, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    trained = count_epochs(monkeypatch)
    search = BayesSearchCV(network(), SPACE, **SETTINGS).fit(*digits)
    assert sum(trained) == 3 * search.cv_results_["epochs"].sum()
    assert [*tmp_path.iterdir()] == []  # what was kept is gone
    # Where nothing can be kept, all is trained anew, to the same end.
    monkeypatch.setattr(Path, "write_bytes", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    trained.clear()
    with pytest.warns(RuntimeWarning, match="from the beginning if it is to go on.*full"):
        assert_same(BayesSearchCV(network(), SPACE, **SETTINGS).fit(*digits), search)
    assert sum(trained) > 3 * search.cv_results_["epochs"].sum()


def test_only_networks_under_way_are_kept(digits, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    numbers = []

    def look(estimator, X, y):
        numbers.append({file.name.partition("-")[0] for file in tmp_path.glob("*/*")})
        return estimator.score(X, y)

    BayesSearchCV(network(), SPACE, scoring=look, **SETTINGS).fit(*digits)
    assert max(map(len, numbers)) == 1
    assert len(set.union(*numbers)) == SETTINGS["n_iter"]


def test_early_stopping_costs_no_further_epochs(digits, monkeypatch):
    trained = count_epochs(monkeypatch)
    model = network(epochs=40, early_stopping=True, patience=1, validation_fraction=0.2)
    space = {"learning_rate": (0.05, 0.5, "log")}
    search = BayesSearchCV(model, space, **SETTINGS).fit(*digits)
    # Where all folds stopped by themselves, there is nothing to gain, and the score is the last.
    assert np.isfinite(search.cv_results_["mean_test_score"]).sum() > 4
    whole = np.isfinite(search.cv_results_["mean_test_score"])
    assert sum(trained) < 3 * 40 * whole.sum()
    for i in np.flatnonzero(whole):
        candidate = clone(model).set_params(**search.cv_results_["params"][i])
        fits = [
            clone(candidate).fit(*(a[rows] for a in digits))
            for rows, _ in search._checked_cv_orig.split(*digits)
        ]
        assert search.cv_results_["epochs"][i] == np.mean([fit.n_iter_ for fit in fits])
        scores = cross_val_score(candidate, *digits, cv=3)
        assert search.cv_results_["mean_test_score"][i] == scores.mean()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
def test_where_nobody_has_a_score_the_search_fails(digits):
    def fails_late(state):
        if state.epoch == 8:
            raise ValueError("it went wrong")

    search = BayesSearchCV(network(callbacks=[fails_late]), SPACE, **SETTINGS)
    with pytest.raises(ValueError, match="it went wrong"):
        search.fit(*digits)


def test_engines_agree(digits):
    settings = SETTINGS | {"n_points": 2}
    serial = BayesSearchCV(network(), SPACE, **settings).fit(*digits)
    threads = BayesSearchCV(network(), SPACE, n_jobs=2, **settings).fit(*digits)
    assert_same(threads, serial)


@pytest.mark.slow
def test_processes_agree(digits):
    settings = SETTINGS | {"n_points": 2}
    serial = BayesSearchCV(network(), SPACE, **settings).fit(*digits)
    with parallel_config("loky"):
        assert_same(BayesSearchCV(network(), SPACE, n_jobs=2, **settings).fit(*digits), serial)


def test_a_search_goes_on_in_the_middle_of_a_candidate(digits, tmp_path):
    whole = BayesSearchCV(network(), SPACE, **SETTINGS).fit(*digits)
    left = []

    def scoring(estimator, X, y):
        if len(left) == 16:
            raise KeyboardInterrupt
        left.append(estimator)
        return estimator.score(X, y)

    journal = tmp_path / "search.db"
    with pytest.warns(UserWarning, match="interrupted after 1"):
        BayesSearchCV(network(), SPACE, storage=journal, **SETTINGS, scoring=scoring).fit(*digits)
    left[:] = [None] * 100
    resumed = BayesSearchCV(network(), SPACE, storage=journal, **SETTINGS, scoring=scoring)
    assert_same(resumed.fit(*digits), whole)
    assert len(left) - 100 == 3 * sum(np.isfinite(c).sum() for c in curves_of(whole)) - 16
    # The journal tells epochs, and scores of those that had all.
    trials, results = load_search(journal).trials, resumed.cv_results_
    np.testing.assert_array_equal(trials["mean_epochs"], results["epochs"])
    np.testing.assert_array_equal(trials["n_splits"], results["n_splits"])
    np.testing.assert_allclose(trials["mean_test_score"], results["mean_test_score"])
    np.testing.assert_allclose(trials["fit_time"], 3 * results["mean_fit_time"])
    # Where all have all epochs, it is another search, to which whole scores are known.
    other = BayesSearchCV(network(), SPACE, scoring=scoring, **SETTINGS)
    with pytest.raises(JournalError, match="Its fidelity was 'epochs', and is None"):
        other.set_params(storage=journal, fidelity=None).fit(*digits)
    told = []
    other.set_params(storage=None, x0=str(journal), n_iter=1)
    telling(other, told).fit(*digits)
    assert len(told) == 1 + np.isfinite(results["mean_test_score"]).sum()


def curves_of(search):
    return np.array([search.cv_results_[f"score_after_{n}_epochs"] for n in (2, 3, 5, 10)]).T


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
@pytest.mark.parametrize("error_score", [np.nan, 0.0])
def test_a_part_that_fails_ends_its_candidate(digits, error_score):
    def fails_late(state):
        if state.epoch == 3 and calls.append(state) is None and len(calls) == 2:
            raise ValueError("it went wrong")

    calls = []
    model = network(callbacks=[fails_late])
    search = BayesSearchCV(model, SPACE, error_score=error_score, **SETTINGS).fit(*digits)
    failed = search.cv_results_["failure"] != ""
    assert failed.sum() == 1
    assert search.cv_results_["failure"][failed] == "ValueError: it went wrong"
    curve = curves_of(search)[failed][0]
    assert np.isfinite(curve[:2]).all()  # it failed between 3 and 5 epochs
    assert np.isnan(curve[2:]).all()
    assert search.cv_results_["epochs"][failed] == (5 + 3 + 5) / 3
    assert np.isnan(search.cv_results_["mean_test_score"][failed])
    assert np.isfinite(search.best_score_)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
def test_failing_in_the_last_part_is_no_better(digits):
    def fails_late(state):
        if state.epoch == 8 and calls.append(state) is None and len(calls) == 2:
            raise ValueError("it went wrong")

    calls = []
    model = network(callbacks=[fails_late])
    search = BayesSearchCV(model, SPACE, error_score=0.0, **SETTINGS).fit(*digits)
    assert search.cv_results_["failure"][0] == "ValueError: it went wrong"
    assert np.isnan(search.cv_results_["mean_test_score"][0])
    assert search.best_index_ > 0


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
def test_an_unknown_schedule_costs_its_candidates(digits):
    space = SPACE | {"learning_rate_schedule": ["cosine", "cosin"]}
    search = BayesSearchCV(network(), space, **SETTINGS).fit(*digits)
    wrong = search.cv_results_["param_learning_rate_schedule"] == "cosin"
    np.testing.assert_array_equal(search.cv_results_["failure"] != "", wrong)
    assert 0 < wrong.sum() < 8


def test_a_callback_may_end_the_training_where_a_part_ends(digits):
    def stop(state):
        state.stop = state.epoch == 4

    model = network(callbacks=[stop])
    search = BayesSearchCV(model, SPACE, **SETTINGS).fit(*digits)
    candidate = clone(model).set_params(**search.best_params_)
    assert search.best_score_ == cross_val_score(candidate, *digits, cv=3).mean()
    assert search.cv_results_["epochs"][search.best_index_] == 5


def test_what_callbacks_note_is_not_lost(digits, monkeypatch):
    trained, noted = count_epochs(monkeypatch), []
    monitor = ScoringMonitor(scoring="accuracy")
    model = network(callbacks=[lambda state: noted.append(state.epoch)]).set_callbacks(monitor)
    BayesSearchCV(model, SPACE, **SETTINGS).fit(*digits)
    assert len(noted) == sum(trained)
    assert len(monitor.get_logs().data) == sum(trained)


def test_what_has_no_seed_is_drawn_once_for_all_parts(digits, monkeypatch):
    monkeypatch.setattr("secrets.randbits", lambda k: 3)  # else two searches differ
    model = make_pipeline(GaussianRandomProjection(12), network().set_params(random_state=None))
    space = {f"mlpclassifier__{name}": range_ for name, range_ in SPACE.items()}
    kept = BayesSearchCV(model, space, **SETTINGS).fit(*digits)
    monkeypatch.setattr(Epochs, "_keep", lambda *_: None)
    assert_same(BayesSearchCV(model, space, **SETTINGS).fit(*digits), kept)
    monkeypatch.setattr("secrets.randbits", lambda k: 4)
    other = BayesSearchCV(model, space, **SETTINGS).fit(*digits)
    assert other.cv_results_["mean_test_score"][0] != kept.cv_results_["mean_test_score"][0]
    assert model.get_params()["gaussianrandomprojection__random_state"] is None


def test_steps_before_the_network_may_be_replaced(digits):
    model = make_pipeline(PCA(8), network())
    space = {"pca": [PCA(8), "passthrough", StandardScaler()], "mlpclassifier__dropout": (0.0, 0.5)}
    search = BayesSearchCV(model, space, **SETTINGS).fit(*digits)
    assert set(search.cv_results_["failure"]) == {""}


def test_a_callable_that_chooses_a_stopped_candidate_is_told(digits):
    settings = SETTINGS | {"refit": lambda results: int(np.argmax(results["mean_test_score"]))}
    with pytest.warns(UserWarning, match="has no score: it failed or was stopped"):
        BayesSearchCV(network(), SPACE, **settings).fit(*digits)


def test_several_metrics_compete_by_the_one_that_is_optimised(digits):
    single = BayesSearchCV(network(), SPACE, **SETTINGS).fit(*digits)
    settings = SETTINGS | {"refit": "accuracy", "scoring": ["neg_log_loss", "accuracy"]}
    several = BayesSearchCV(network(), SPACE, **settings).fit(*digits)
    np.testing.assert_array_equal(curves_of(several), curves_of(single))
    lost = np.isnan(single.cv_results_["mean_test_score"])
    np.testing.assert_array_equal(np.isnan(several.cv_results_["mean_test_neg_log_loss"]), lost)
    assert several.best_estimator_.n_iter_ == 10
    assert several.best_estimator_.warm_start is False


def test_what_is_stopped_is_expected_to_gain_what_others_did():
    curves = [np.array(c) for c in ([0.5, 0.7, 0.8], [0.4, 0.7, 0.9], [0.2], [0.6, 0.7, 0.75])]
    halving = Halving.against(curves, 3)
    curves.append(np.array([0.0, 0.0, 9.0]))  # later, of which nothing is known
    value, variance = halving.expected(np.array([[0.3, 0.1]]))
    assert value == pytest.approx(0.2 + np.median([0.3, 0.5, 0.15]))
    assert variance == 0
    value, _ = halving.expected(np.array([[0.3, 0.1], [0.6, 0.6]]))
    assert value == pytest.approx(0.6 + 0.1)
    assert Halving.against(curves[2:3], 3).expected(np.array([[0.3, 0.1]])) == (0.2, 0)
    assert halving.is_lost(np.array([[np.nan, 0.9]]))


def telling(search, told):
    """A search that notes what its proposer is told."""

    class Told(BayesSearchCV):
        def _proposer(self, space, n_iter, seed):
            proposer = super()._proposer(space, n_iter, seed)
            tell = proposer.tell
            proposer.tell = lambda *values, **rest: (told.append(values[1]), tell(*values, **rest))
            return proposer

    return Told(**search.get_params(deep=False))


def test_what_is_told_of_stopped_candidates(digits):
    told = []
    search = telling(BayesSearchCV(network(), SPACE, **SETTINGS), told).fit(*digits)
    curves = curves_of(search)
    for i, curve in enumerate(curves):
        last = np.isfinite(curve).sum() - 1
        complete = curves[:i][np.isfinite(curves[:i]).all(axis=1)]
        gain = np.median(complete[:, 3] - complete[:, last]) if last < 3 else 0.0
        assert told[i] == pytest.approx(-(curve[last] + gain))


def test_a_part_in_which_nothing_is_left_to_train_takes_no_time(tmp_path):
    record = {"fit_time": 3.0, "score_time": 1.0, "test_scores": 0.5, "is_last": False}
    epochs = Epochs(network(8), [], tmp_path)
    free = record | {"fit_time": 0.0, "score_time": 0.0}
    assert epochs.again(record, 2) == free
    assert epochs.again(record, 3) == free | {"is_last": True}


@pytest.mark.parametrize(("epochs", "levels"), [(1, [1]), (3, [1, 2, 3]), (8, [1, 2, 4, 8])])
def test_parts_are_shares_of_all_epochs(epochs, levels, tmp_path):
    assert Epochs(network(epochs), [], tmp_path).levels == levels


@pytest.mark.parametrize(
    ("model", "space", "settings", "message"),
    [
        (SVC(), {"C": (0.1, 1.0)}, {}, "the estimator is SVC"),
        (
            make_pipeline(MLPRegressor(), SVC()),
            {"svc__C": (0.1, 1.0)},
            {},
            "the last step, 'svc', is SVC",
        ),
        (network(), {"epochs": (1, 9)}, {}, "epochs=10, but search_spaces varies epochs"),
        (network(), [{"dropout": (0.0, 0.5)}, {"epochs": (1, 9)}], {}, "varies epochs"),
        (
            make_pipeline(StandardScaler(), network()),
            {"mlpclassifier": [network(), network(epochs=3)]},
            {},
            "varies mlpclassifier",
        ),
        (
            make_pipeline(StandardScaler(), network()),
            {"steps": [[("a", network())], [("b", network())]]},
            {},
            "varies steps",
        ),
        (network(2.5), SPACE, {}, "The 'epochs' parameter of MLPClassifier must be an int"),
        (network(), SPACE, {"racing": True}, "set one of the two"),
        (network(), SPACE, {"fidelity": "rows"}, "'fidelity' parameter"),
    ],
)
def test_where_parts_make_no_sense_they_are_refused(model, space, settings, message, digits):
    search = BayesSearchCV(model, space, **(SETTINGS | settings))
    with pytest.raises(ValueError, match=message):
        search.fit(*digits)
    assert not hasattr(search, "cv_results_")
