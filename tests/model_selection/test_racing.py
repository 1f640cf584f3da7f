import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skdeep.model_selection import BayesSearchCV
from skdeep.model_selection.trials.racing import Race

SPACE = {"svc__C": (1e-2, 1e4, "log"), "svc__gamma": (1e-6, 1e1, "log")}


@pytest.fixture(scope="module")
def rows():
    X, y = load_breast_cancer(return_X_y=True)
    return X[:200], y[:200]


def race(K=10, spread=0.1):
    best = np.random.default_rng(0).normal(0.8, 0.05, K)
    return Race(best, spread**2)


@pytest.mark.parametrize("k", [1, 3, 9])
def test_the_gain_is_that_of_drawing_the_other_folds(k):
    """By drawing variance and mean from their posterior, and then the folds."""
    running = race()
    rng = np.random.default_rng(1)
    scores = running.best[:k] - rng.normal(0.02, 0.08, k)
    d = running.best[:k] - scores
    freedom = 9 + k - 1
    squares = 9 * running.variance + ((d - d.mean()) ** 2).sum()
    sigma = np.sqrt(squares / rng.chisquare(freedom, 200_000))
    mean = rng.normal(d.mean(), sigma / np.sqrt(k))
    rest = rng.normal(mean, sigma / np.sqrt(10 - k))  # the mean of the others
    D = (k * d.mean() + (10 - k) * rest) / 10
    assert running.gain(scores) == pytest.approx(np.maximum(-D, 0).mean(), rel=0.03, abs=1e-6)
    value, variance = running.expected(scores)
    assert value == pytest.approx(running.best.mean() - D.mean(), abs=0.001)
    assert variance == pytest.approx(D.var(), rel=0.05)


def test_what_all_folds_have_in_common_is_no_matter():
    running = race()
    hard = np.linspace(-0.3, 0.3, 10)
    shifted = Race(running.best + hard, running.variance)
    scores = running.best[:4] - 0.05
    assert shifted.gain(scores + hard[:4]) == pytest.approx(running.gain(scores))


def test_a_race_is_lost_where_the_gain_is_small_beside_what_folds_can_tell():
    running = race()
    error = 0.1 / np.sqrt(10)
    for lead in np.linspace(-0.05, 0.2, 26):
        scores = running.best[:5] - lead
        assert running.is_lost(scores) == (running.gain(scores) <= 0.3 * error)
    assert not running.is_lost(running.best[:1])
    assert running.is_lost(running.best[:9])  # equal so far, and one fold left
    assert running.is_lost(np.array([0.9, np.nan]))
    certain = Race(running.best, 0.0)
    assert certain.gain(running.best[:2] + 0.1) == pytest.approx(0.1)
    assert not certain.is_lost(running.best[:2] + 0.1)
    assert certain.is_lost(running.best[:2] - 0.1)


def test_the_spread_is_that_of_differences_from_the_best():
    rng = np.random.default_rng(0)
    hardness = 10 * rng.random(6)
    folds = hardness - np.array([[0.0], [1.0], [2.0], [3.0]]) + 0.1 * rng.random((4, 6))
    folds = np.vstack([folds, np.full(6, np.nan)])
    found = Race.against(folds)
    np.testing.assert_array_equal(found.best, folds[0])
    variances = [np.var(folds[0] - other, ddof=1) for other in folds[1:4]]
    assert found.variance == pytest.approx(np.median(variances))
    assert Race.against(folds[:2]) is None


def search_rows(rows, **settings):
    model = make_pipeline(StandardScaler(), SVC())
    settings = {"n_iter": 16, "cv": 10, "random_state": 0, "racing": True} | settings
    return BayesSearchCV(model, SPACE, **settings).fit(*rows)


@pytest.mark.parametrize("settings", [{}, {"n_points": 2, "n_jobs": 2}, {"surrogate": "forest"}])
def test_candidates_that_lose_have_no_score_and_no_rank(rows, settings):
    search = search_rows(rows, return_train_score=True, **settings)
    results, n = search.cv_results_, search.cv_results_["n_splits"]
    lost = n < 10
    assert 3 < lost.sum() < 14
    np.testing.assert_array_equal(np.isnan(results["mean_test_score"]), lost)
    np.testing.assert_array_equal(np.isnan(results["std_train_score"]), lost)
    assert set(results["rank_test_score"][lost]) == {(~lost).sum() + 1}
    assert sorted(results["rank_test_score"][~lost])[0] == 1
    for split in range(10):
        np.testing.assert_array_equal(np.isnan(results[f"split{split}_test_score"]), split >= n)
    assert np.isfinite(results["mean_fit_time"]).all()
    assert search.best_score_ == np.nanmax(results["mean_test_score"])
    assert n[search.best_index_] == 10
    # Each loses as soon as there is too little to gain.
    whole = np.array([results[f"split{split}_test_score"] for split in range(10)]).T
    if not settings:
        for i in np.flatnonzero(lost):
            running = Race.against(whole[:i])
            assert running.is_lost(whole[i, : n[i]])
            assert not any(running.is_lost(whole[i, :k]) for k in range(1, n[i]))


def test_scores_are_those_without_a_race(rows):
    raced = search_rows(rows)
    model = make_pipeline(StandardScaler(), SVC())
    X, y = rows
    train, test = next(iter(raced._checked_cv_orig.split(X, y)))
    for params, score in zip(raced.cv_results_["params"], raced.cv_results_["split0_test_score"]):
        model.set_params(**params).fit(X[train], y[train])
        assert model.score(X[test], y[test]) == score


def test_a_race_goes_on_after_a_crash(rows, tmp_path):
    settings = {"storage": tmp_path / "search.db"}
    search_rows(rows, n_iter=9, **settings)
    resumed, whole = search_rows(rows, **settings), search_rows(rows)
    for column in ("params", "n_splits", "mean_test_score"):
        np.testing.assert_array_equal(resumed.cv_results_[column], whole.cv_results_[column])


def test_what_loses_teaches_the_surrogate(rows):
    told = []

    class Told(BayesSearchCV):
        def _proposer(self, space, n_iter, seed):
            proposer = super()._proposer(space, n_iter, seed)
            original = proposer.tell
            proposer.tell = lambda *values, noise=None: (
                told.append((*values, noise)),
                original(*values, noise=noise),
            )
            return proposer

    model = make_pipeline(StandardScaler(), SVC())
    search = Told(model, SPACE, n_iter=16, cv=10, random_state=0, racing=True).fit(*rows)
    lost = search.cv_results_["n_splits"] < 10
    for (candidate, value, noise), params, is_lost, score in zip(
        told, search.cv_results_["params"], lost, search.cv_results_["mean_test_score"]
    ):
        assert candidate == params
        assert np.isfinite(value)
        assert (noise is not None) == is_lost
        assert is_lost or value == -score


@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
def test_a_score_that_is_no_number_costs_its_candidate(rows):
    def scoring(estimator, X, y):
        calls.append(y)
        return np.nan if len(calls) == 45 else estimator.score(X, y)

    calls = []
    search = search_rows(rows, scoring=scoring)
    assert len(search.cv_results_["params"]) == 16
