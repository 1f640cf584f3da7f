import inspect
import pickle
import re
import subprocess
import sys
import time
import warnings
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import sklearn
import skopt
import skopt.space
from joblib import parallel_config
from sklearn.base import BaseEstimator, RegressorMixin, clone, is_classifier
from sklearn.callback import ProgressBar
from sklearn.datasets import load_iris, make_regression
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import (
    GroupKFold,
    LeaveOneGroupOut,
    RandomizedSearchCV,
    ShuffleSplit,
    StratifiedKFold,
    cross_val_score,
)
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.validation import check_is_fitted

from skdeep import MLPClassifier, config_context, get_config
from skdeep.hyperparameters import Declared, hyperparameter
from skdeep.model_selection import AnnealingSearchCV, BayesSearchCV, Plateau, RegretBound, When
from skdeep.model_selection.optimizer import BayesianOptimizer
from skdeep.model_selection.trials.engines import Parcel, engine_for, opened
from skdeep.model_selection.trials.evaluation import History, Work
from skdeep.persistence import load, save

NOT_FINITE = pytest.mark.filterwarnings("ignore:One or more of the t.* scores are non-finite")
SVC_SPACE = {"C": (1e-2, 1e3, "log"), "gamma": (1e-4, 1e1, "log")}


class Bowl(Declared, RegressorMixin, BaseEstimator):
    """Its score is -(x - 0.3)^2 - (y - 0.6)^2; it fails, or worse, where it is told to."""

    x: float = hyperparameter(0.9, "First.", search=(0.0, 1.0))
    y: float = hyperparameter(0.1, "Second.", search=(0.0, 1.0))
    fail_above: float = hyperparameter(2.0, "Where x is larger, fit raises.")
    error: type = hyperparameter(RuntimeError, "What it raises.")

    def fit(self, X, y=None):
        if self.x > self.fail_above:
            raise self.error("too far")
        self.fitted_ = True
        return self

    def predict(self, X):
        check_is_fitted(self)
        return np.zeros(len(X))

    def score(self, X, y=None):
        return -((self.x - 0.3) ** 2) - (self.y - 0.6) ** 2


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


@pytest.fixture(scope="module")
def regression():
    return make_regression(60, 4, noise=5, random_state=0)


def search_bowl(regression, bowl=None, spaces=None, cls=BayesSearchCV, **settings):
    settings = {"n_iter": 12, "cv": 2, "random_state": 0} | settings
    return cls(bowl or Bowl(), spaces, **settings).fit(*regression)


SEARCHES = [BayesSearchCV, AnnealingSearchCV]


def columns(search, *names):
    return [search.cv_results_[name] for name in names]


class Recorder:
    """A scikit-learn callback that notes tasks by name."""

    def __init__(self):
        self.order = []

    @property
    def tasks(self):
        return Counter(self.order)

    def setup(self, estimator, context):
        self.order.append("setup")

    def on_fit_task_begin(self, estimator, context):
        self.order.append(context.task_name)

    def on_fit_task_end(self, estimator, context):
        self.order.append(f"end of {context.task_name}")

    def teardown(self, estimator, context):
        self.order.append("teardown")


# --- the search itself


def test_declared_space_is_searched_and_the_optimum_found(regression):
    search = search_bowl(regression, n_iter=20)
    assert search.best_score_ > -1e-3
    assert set(search.best_params_) == {"x", "y"}
    assert search.best_estimator_.get_params()["x"] == search.best_params_["x"]


def test_the_estimators_own_configuration_is_the_first_candidate(regression):
    search = search_bowl(regression)
    assert search.cv_results_["params"][0] == {"x": 0.9, "y": 0.1}
    assert search.cv_results_["is_default"].tolist() == [True] + 11 * [False]


@pytest.mark.parametrize("spaces", [{"x": (0.0, 0.5)}, {"x": [0.1, 0.2, 0.3]}])
def test_a_configuration_outside_the_space_is_no_candidate(spaces, regression):
    search = search_bowl(regression, spaces=spaces, n_iter=3)
    assert search.cv_results_["is_default"].tolist() == 3 * [False]
    assert search.cv_results_["param_x"].max() <= 0.5


def test_cv_results_of_the_whole_run_are_those_of_scikit_learn(iris):
    search = BayesSearchCV(
        SVC(), SVC_SPACE, n_iter=7, cv=3, return_train_score=True, random_state=0
    ).fit(*iris)
    others = RandomizedSearchCV(SVC(), {"C": [1, 2]}, n_iter=2, cv=3, return_train_score=True)
    others.fit(*iris)
    expected = set(others.cv_results_) | {"param_gamma", "is_default", "failure", "n_splits"}
    assert set(search.cv_results_) == expected
    assert {len(column) for column in search.cv_results_.values()} == {7}
    for candidate, score in zip(*columns(search, "params", "mean_test_score")):
        assert cross_val_score(SVC(**candidate), *iris, cv=3).mean() == score
    assert search.best_score_ == search.cv_results_["mean_test_score"].max()
    assert search.cv_results_["rank_test_score"][search.best_index_] == 1


def test_every_candidate_sees_the_same_splits(regression):
    cv = ShuffleSplit(2, random_state=np.random.RandomState(0))
    search = BayesSearchCV(Ridge(), {"alpha": [1.0, 1.0 + 1e-12]}, n_iter=2, cv=cv).fit(*regression)
    first, second = search.cv_results_["mean_test_score"]
    assert first == pytest.approx(second, rel=1e-9)


def test_a_finite_space_ends_the_search_when_each_point_was_seen(regression):
    spaces = {"x": [0.9, 0.1, 0.3], "y": [0.1, 0.6]}
    search = search_bowl(regression, spaces=spaces, n_iter=14)
    points = Counter(tuple(params.values()) for params in search.cv_results_["params"])
    assert len(points) == 6
    assert set(points.values()) == {1}
    assert search.best_params_ == {"x": 0.3, "y": 0.6}


def test_one_candidate_is_the_configuration_itself(regression):
    search = search_bowl(regression, n_iter=1)
    assert search.best_params_ == {"x": 0.9, "y": 0.1}


def test_categories_of_any_kind_and_nested_names(iris):
    pipe = make_pipeline(StandardScaler(), SVC())
    spaces = {
        "standardscaler": [StandardScaler(), "passthrough"],
        "svc__C": skopt.space.Real(1e-2, 1e2, prior="log-uniform"),
    }
    before = repr(spaces), repr(vars(spaces["svc__C"]))
    search = BayesSearchCV(pipe, spaces, n_iter=7, cv=3, random_state=0).fit(*iris)
    assert search.best_score_ > 0.9
    assert (repr(spaces), repr(vars(spaces["svc__C"]))) == before
    assert {"param_standardscaler", "param_svc__C"} <= set(search.cv_results_)


@pytest.mark.parametrize("cls", SEARCHES)
def test_dicts_and_arrays_are_categories_and_distributions_of_scipy_are_dimensions(cls, regression):
    class Weighted(Bowl):
        weights: object = hyperparameter(None, "Weights.")

    weights = [None, {"a": 1, "b": 2}, {"a": 2}, np.array([1.0, 2.0])]
    spaces = {"weights": weights, "x": scipy.stats.loguniform(1e-3, 1), "y": scipy.stats.norm(0.6)}
    before = repr(spaces)
    search = search_bowl(regression, Weighted(), spaces, cls=cls, n_iter=30)
    used = search.cv_results_["param_weights"]
    assert all(any(u is w for w in weights) for u in used)
    assert len({id(u) for u in used}) == 4
    assert repr(spaces) == before
    x = np.array(search.cv_results_["param_x"][1:], dtype=float)
    assert ((x >= 1e-3) & (x <= 1)).all()
    assert (x < 0.1).any()
    assert search.best_score_ > -0.1


def test_tuples_are_categories_and_two_numbers_in_a_list_two_choices(regression):
    class Wide(Bowl):
        sizes: tuple = hyperparameter((64,), "Sizes.", search=[(64,), (64, 32)])
        n: int = hyperparameter(1, "Number.", search=[1, 100])

    search = search_bowl(regression, Wide())
    assert set(search.cv_results_["param_sizes"]) == {(64,), (64, 32)}
    assert set(search.cv_results_["param_n"]) == {1, 100}
    assert all(type(params["n"]) is int for params in search.cv_results_["params"])


# --- several candidates side by side


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_a_proposal_waits_for_those_up_to_n_points_before_it(n_jobs, regression):
    recorder = Recorder()
    search = BayesSearchCV(Bowl(), n_iter=10, n_points=4, cv=2, n_jobs=n_jobs, random_state=0)
    with parallel_config("threading"):
        search.set_callbacks(recorder).fit(*regression)
    begun = [name for name in recorder.order if name in ("candidate", "end of candidate")]
    begin, end = ["candidate"], ["end of candidate"]
    assert begun == 4 * begin + 6 * (end + begin) + 4 * end
    assert recorder.tasks["candidate-split-evaluation"] == 20
    assert search.cv_results_["params"][0] == {"x": 0.9, "y": 0.1}
    assert len({tuple(params.values()) for params in search.cv_results_["params"]}) == 10
    assert search.best_score_ == max(
        Bowl(**params).score(None) for params in search.cv_results_["params"]
    )


def test_n_jobs_leaves_the_candidates_of_a_round_as_they_are(iris):
    def trace(n_jobs):
        search = BayesSearchCV(
            SVC(), SVC_SPACE, n_iter=10, n_points=3, cv=3, n_jobs=n_jobs, random_state=0
        ).fit(*iris)
        return search.cv_results_["params"], search.cv_results_["mean_test_score"].tolist()

    assert trace(2) == trace(1)


@NOT_FINITE
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.parametrize("n_points", [2, 3, 6])
def test_failing_candidates_of_a_round_cost_themselves_only(n_points, regression):
    """Whether some or all of a round fail, the first round or a later one."""
    spaces = {"x": [0.9, 0.8, 0.7, 0.1, 0.2, 0.3]}
    search = search_bowl(regression, Bowl(fail_above=0.5), spaces, n_iter=6, n_points=n_points)
    x, score = columns(search, "param_x", "mean_test_score")
    x = np.array(x, dtype=float)
    np.testing.assert_array_equal(np.sort(x), [0.1, 0.2, 0.3, 0.7, 0.8, 0.9])
    expected = [np.nan if at > 0.5 else Bowl(x=at).score(None) for at in x]
    np.testing.assert_allclose(score, expected)
    assert search.best_params_ == {"x": 0.3}


@pytest.mark.parametrize("n_points", [1, 4, 20])
def test_a_finite_space_is_exhausted_by_rounds_as_well(n_points, regression):
    spaces = {"x": [0.9, 0.1, 0.3], "y": [0.1, 0.6]}
    search = search_bowl(regression, spaces=spaces, n_iter=14, n_points=n_points)
    points = Counter(tuple(params.values()) for params in search.cv_results_["params"])
    assert len(points) == 6
    assert set(points.values()) == {1}
    assert search.stop_reason_ == "exhausted"


# --- why it ends


@pytest.mark.parametrize("cls", SEARCHES)
def test_after_max_time_no_candidate_begins_but_the_first_always_runs(cls, regression):
    class Slow(Bowl):
        def fit(self, X, y=None):
            time.sleep(0.05)
            return super().fit(X, y)

    search = search_bowl(regression, Slow(), cls=cls, max_time=1e-9)
    assert search.cv_results_["params"] == [{"x": 0.9, "y": 0.1}]
    assert search.stop_reason_ == "max_time"
    start = time.perf_counter()
    search = search_bowl(regression, Slow(), cls=cls, n_iter=10**6, max_time=0.5)
    seconds = time.perf_counter() - start
    assert 2 <= len(search.cv_results_["params"]) <= 5
    assert seconds >= 0.5
    assert search.stop_reason_ == "max_time"
    assert search_bowl(regression, cls=cls, max_time=1e6).stop_reason_ == "n_iter"


@pytest.mark.parametrize("cls", SEARCHES)
@pytest.mark.parametrize("tolerance", [0.0, 0.05])
def test_a_plateau_ends_the_search_patience_candidates_after_the_last_gain(
    cls, tolerance, regression
):
    rule = Plateau(patience=4, tolerance=tolerance)
    search = search_bowl(regression, cls=cls, n_iter=60, stop=rule)
    assert search.stop_reason_ == "stop"
    best = np.maximum.accumulate(search.cv_results_["mean_test_score"])
    gained = best[4:] - best[:-4] > tolerance  # in the last four candidates, by then
    assert gained.tolist() == (len(gained) - 1) * [True] + [False]
    without = search_bowl(regression, cls=cls, n_iter=60)  # the rule decides on the end alone
    assert without.cv_results_["params"][: len(best)] == search.cv_results_["params"]


@pytest.mark.parametrize("n_points", [1, 3])
def test_a_rule_of_ones_own_sees_scores_folds_and_splits(n_points, regression):
    seen = []

    class Fifth:
        def reached(self, search, optimizer):
            what = search.scores.copy(), search.fold_scores, search.fit_seconds
            seen.append((*what, search.test_to_train))
            return len(search.scores) >= 5

    cv = [(np.arange(40), np.arange(40, 60)), (np.arange(60) < 20, np.arange(60) >= 30)]
    search = BayesSearchCV(
        Ridge(), {"alpha": (1e-3, 1e3, "log")}, n_iter=20, n_points=n_points, cv=cv, stop=Fifth()
    ).fit(*regression)
    n = len(search.cv_results_["params"])
    assert n == {1: 5, 3: 7}[n_points]  # those under way are not lost
    assert search.stop_reason_ == "stop"
    scores, folds, seconds, test_to_train = seen[-1]
    assert scores == search.cv_results_["mean_test_score"][:5].tolist()
    for split in (0, 1):
        by_split = search.cv_results_[f"split{split}_test_score"][:5]
        np.testing.assert_array_equal(folds[:, split], by_split)
    mean_seconds = search.cv_results_["mean_fit_time"][:5]
    np.testing.assert_allclose(seconds.mean(axis=1), mean_seconds)
    assert test_to_train == (20 / 40 + 30 / 20) / 2


class Bounded(BayesianOptimizer):
    """An optimizer whose bound on the regret is what is left of 30 candidates, in tenths."""

    def regret_bound(self):
        return (30 - len(self._told)) / 10


class BoundedSearchCV(BayesSearchCV):
    def _proposer(self, space, n_iter, seed):
        return Bounded(space, n_initial=4, random_state=seed)


class Spread(Bowl):
    """Its score is 1, 2, 3, 6 on the four folds, whatever its parameters."""

    def score(self, X, y=None):
        return float(y[0])


@pytest.mark.parametrize("min_candidates", [5, 28])
def test_the_regret_bound_is_compared_with_the_error_of_nadeau_and_bengio(min_candidates):
    """Of 1, 2, 3, 6 the variance is 14/3; with 4 folds the error is sqrt((1/4 + 1/3) 14/3)."""
    error = np.sqrt(7 / 12 * 14 / 3)
    n_needed = int(np.floor(30 - 10 * error)) + 1
    assert n_needed == 14
    y = np.repeat([1.0, 2.0, 3.0, 6.0], 3)
    search = BoundedSearchCV(
        Spread(), n_iter=40, cv=4, random_state=0, stop=RegretBound(min_candidates)
    ).fit(np.zeros((12, 1)), y)
    assert len(search.cv_results_["params"]) == max(n_needed, min_candidates)
    assert search.stop_reason_ == "stop"


def test_the_regret_bound_needs_a_model_and_several_splits(regression):
    search = AnnealingSearchCV(Bowl(), n_iter=3, cv=2, stop=RegretBound())
    with pytest.raises(TypeError, match="process's bounds of the score, but Annealer has none"):
        search.fit(*regression)
    search = BoundedSearchCV(Bowl(), n_iter=3, cv=ShuffleSplit(1), stop=RegretBound())
    with pytest.raises(ValueError, match="cv has one split only"):
        search.fit(*regression)
    search = BayesSearchCV(Bowl(), n_iter=3, cv=2, stop=RegretBound(), surrogate="random")
    with pytest.raises(ValueError, match="bounds the score, but 'random' is none"):
        search.fit(*regression)


def test_perfect_scores_need_a_bound_of_nothing():
    class Certain:
        def regret_bound(self):
            return 0.0

    seen = SimpleNamespace(
        scores=np.ones(30), fold_scores=np.ones((30, 3)), n_splits=3, test_to_train=0.5
    )
    assert RegretBound().reached(seen, Certain())


@pytest.mark.parametrize("wrong", [0, -1, 2.5, True, "3"])
def test_wrong_rules_are_refused(wrong):
    with pytest.raises(ValueError, match="patience must be an integer of at least 1"):
        Plateau(patience=wrong)
    with pytest.raises(ValueError, match="min_candidates must be an integer"):
        RegretBound(min_candidates=wrong)
    with pytest.raises(ValueError, match="tolerance must be at least 0"):
        Plateau(tolerance=-1.0)


@pytest.mark.parametrize("rule", [Plateau(patience=3, tolerance=0.1), RegretBound(9)])
@pytest.mark.parametrize("cls", SEARCHES)
def test_rules_are_cloned_pickled_and_saved_with_their_search(cls, rule, tmp_path):
    search = cls(SVC(), SVC_SPACE, n_iter=3, stop=rule)
    save(search, tmp_path / "search")
    for copy in (clone(search), pickle.loads(pickle.dumps(search)), load(tmp_path / "search")):
        assert copy.stop == rule


def test_scikit_learns_callbacks_can_end_the_search(regression):
    class Third(Recorder):
        def on_fit_task_end(self, estimator, context):
            super().on_fit_task_end(estimator, context)
            return self.tasks["end of candidate"] >= 3

    search = BayesSearchCV(Bowl(), n_iter=9, cv=2, random_state=0)
    search.set_callbacks(Third()).fit(*regression)
    assert len(search.cv_results_["params"]) == 3
    assert search.stop_reason_ == "callback"


# --- sub-spaces


@pytest.mark.parametrize("cls", SEARCHES)
def test_sub_spaces_have_as_many_candidates_as_they_are_given(cls, regression):
    spaces = [({"x": (0.0, 0.5)}, 4), ({"y": (0.5, 1.0), "x": [0.3]}, 3), ({"y": [0.1, 0.5]}, 9)]
    search = search_bowl(regression, spaces=spaces, cls=cls)
    x, y = columns(search, "param_x", "param_y")
    assert y.mask.tolist() == 4 * [True] + 5 * [False]
    assert x.mask.tolist() == 7 * [False] + 2 * [True]
    assert (x[:4] <= 0.5).all()
    assert y[7:].tolist() == [0.1, 0.5]
    # The configuration is the first candidate of the sub-space that it lies in.
    assert np.flatnonzero(search.cv_results_["is_default"]).tolist() == [7]
    assert search.stop_reason_ == "exhausted"  # the last one was
    assert search_bowl(regression, spaces=spaces[::-1], cls=cls).stop_reason_ == "n_iter"


@pytest.mark.parametrize("cls", SEARCHES)
def test_sub_spaces_without_a_number_are_searched_together(cls, regression):
    spaces = [{"x": (0.0, 0.5)}, {"x": (0.0, 0.5), "y": (0.5, 1.0)}]
    search = search_bowl(regression, spaces=spaces, cls=cls, n_iter=30)
    x, y = columns(search, "param_x", "param_y")
    assert 0 < y.mask.sum() < 30
    assert not x.mask.any()
    assert search.best_params_.keys() == {"x", "y"}
    assert search.best_score_ > -0.05


def test_after_the_numbered_sub_spaces_the_others_share_n_iter(regression):
    spaces = [{"y": (0.6, 0.7)}, ({"x": (0.0, 0.5)}, 4), {"y": [0.8]}]
    search = search_bowl(regression, spaces=spaces, n_iter=8)
    params = search.cv_results_["params"]
    assert [list(candidate) for candidate in params] == 4 * [["x"]] + 8 * [["y"]]


@pytest.mark.parametrize("cls", SEARCHES)
def test_conditional_parameters_are_set_only_where_they_are_there(cls, regression):
    spaces = {"n": [1, 2], "x": When("n", 2, (0.0, 0.5))}

    class Deep(Bowl):
        n: int = hyperparameter(1, "Number.")

    search = search_bowl(regression, Deep(), spaces, cls=cls)
    params = search.cv_results_["params"]
    assert params[0] == {"n": 1}
    assert all(("x" in candidate) == (candidate["n"] == 2) for candidate in params)
    search = search_bowl(regression, Deep(n=2), spaces, cls=cls)
    assert not search.cv_results_["is_default"].any()  # its x is beyond the end
    search = search_bowl(regression, Deep(n=2, x=0.4), spaces, cls=cls)
    assert search.cv_results_["params"][0] == {"n": 2, "x": 0.4}


def test_an_early_stop_ends_the_search_of_all_sub_spaces(regression):
    spaces = [({"x": (0.0, 1.0)}, 40), ({"y": (0.0, 1.0)}, 40)]
    search = search_bowl(regression, spaces=spaces, stop=Plateau(patience=3))
    assert search.stop_reason_ == "stop"
    assert "param_y" not in search.cv_results_
    assert search.best_score_ == search.cv_results_["mean_test_score"].max()
    assert search.best_estimator_.x == search.best_params_["x"]


# --- annealing


def test_annealing_finds_the_optimum_and_ends_with_the_best(regression):
    search = search_bowl(regression, cls=AnnealingSearchCV, n_iter=80)
    assert search.best_score_ > -1e-2
    assert search.cv_results_["is_default"].tolist() == [True] + 79 * [False]
    assert search.best_params_ == search.cv_results_["params"][search.best_index_]


def test_annealing_visits_each_point_of_a_finite_space_once(regression):
    spaces = {"x": [0.9, 0.1, 0.3], "y": [0.1, 0.6]}
    search = search_bowl(regression, spaces=spaces, cls=AnnealingSearchCV, n_iter=14)
    assert len({tuple(params.values()) for params in search.cv_results_["params"]}) == 6
    assert len(search.cv_results_["params"]) == 6
    assert search.stop_reason_ == "exhausted"


class Noisy(Bowl):
    """Its score changes with every call."""

    calls = []  # noqa: RUF012

    def score(self, X, y=None):
        score = super().score(X) + np.random.default_rng(len(self.calls)).normal()
        self.calls.append(((self.x, self.y), score))
        return score


@pytest.mark.parametrize("scoring", [None, {"a": lambda model, X, y: model.score(X), "b": "r2"}])
def test_reevaluated_candidates_have_the_mean_of_their_evaluations(
    scoring, regression, monkeypatch
):
    monkeypatch.setattr(Noisy, "calls", [])
    search = search_bowl(
        regression,
        Noisy(),
        cls=AnnealingSearchCV,
        n_iter=30,
        reevaluate=4,
        scoring=scoring,
        refit="a" if scoring else True,
    )
    calls = {}
    for point, score in Noisy.calls:
        calls.setdefault(point, []).append(score)
    assert len(Noisy.calls) == 30 * 2
    params, mean = columns(search, "params", f"mean_test_{'a' if scoring else 'score'}")
    assert list(calls) == [tuple(candidate.values()) for candidate in params]
    assert len(params) <= 26
    np.testing.assert_allclose(mean, [np.mean(scores) for scores in calls.values()])
    assert max(map(len, calls.values())) >= 4
    again = search.cv_results_["rank_test_a" if scoring else "rank_test_score"]
    assert again[search.best_index_] == 1


# --- determinism


def test_an_integer_random_state_decides_all_whatever_n_jobs_is(iris):
    def trace(**settings):
        search = BayesSearchCV(SVC(), SVC_SPACE, n_iter=9, cv=3, **settings).fit(*iris)
        return search.cv_results_["params"], search.cv_results_["mean_test_score"].tolist()

    first = trace(random_state=0)
    assert trace(random_state=0) == first
    assert trace(random_state=0, n_jobs=2) == first
    assert trace(random_state=1) != first


def test_threads_search_side_by_side_as_alone(iris):
    search = BayesSearchCV(SVC(), SVC_SPACE, n_iter=8, cv=2, random_state=0)
    alone = cross_val_score(search, *iris, cv=3)
    with parallel_config("threading"):
        together = cross_val_score(search, *iris, cv=3, n_jobs=3)
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize("cls", SEARCHES)
def test_clone_and_pickle_search_and_predict_alike(cls, iris):
    search = cls(SVC(), SVC_SPACE, n_iter=5, cv=2, random_state=0)
    fitted = clone(search).fit(*iris)
    loaded = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(loaded.predict(iris[0]), fitted.predict(iris[0]))
    assert pickle.loads(pickle.dumps(search)).fit(*iris).best_params_ == fitted.best_params_


# --- failures


@NOT_FINITE
def test_a_failing_candidate_costs_itself_only(regression):
    with pytest.warns(FitFailedWarning, match="fits failed"):
        search = search_bowl(regression, Bowl(fail_above=0.5), n_iter=16, return_train_score=True)
    x, score, rank, train = columns(
        search, "param_x", "mean_test_score", "rank_test_score", "split1_train_score"
    )
    failed = np.array(x, dtype=float) > 0.5
    assert failed[0]
    assert 2 < failed.sum() < 12
    np.testing.assert_array_equal(np.isnan(score), failed)
    np.testing.assert_array_equal(np.isnan(train), failed)
    assert set(rank[failed]) == {(~failed).sum() + 1}
    assert sorted(rank[~failed]) == list(range(1, (~failed).sum() + 1))
    assert [params["x"] for params in search.cv_results_["params"]] == list(x)
    assert {len(column) for column in search.cv_results_.values()} == {16}
    assert search.best_score_ == np.nanmax(score) > -0.05
    assert search.cv_results_["is_default"].tolist() == [True] + 15 * [False]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
def test_a_failing_last_candidate_has_its_row_and_its_error_score(regression):
    spaces = {"x": [0.9, 0.3]}
    bowl = Bowl(x=0.3, fail_above=0.5)
    search = search_bowl(regression, bowl, spaces, n_iter=2, error_score=-7.0)
    assert search.cv_results_["param_x"].tolist() == [0.3, 0.9]
    assert search.cv_results_["mean_test_score"][1] == -7
    assert search.cv_results_["std_test_score"][1] == 0
    assert search.cv_results_["rank_test_score"].tolist() == [1, 2]
    assert search.cv_results_["mean_fit_time"][1] > 0


class FailsOnLargeData(Ridge):
    def fit(self, X, y):
        if self.alpha > 5 or (self.alpha > 1 and len(X) > 20):
            raise RuntimeError("too large")
        return super().fit(X, y)


def test_one_failing_fold_costs_its_candidate_only(regression):
    cv = [(np.arange(20), np.arange(20, 60)), (np.arange(30), np.arange(30, 60))]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search = BayesSearchCV(
            FailsOnLargeData(), {"alpha": [1.0, 2.0, 3.0, 0.5]}, n_iter=4, cv=cv, random_state=0
        ).fit(*regression)
    alpha, score = columns(search, "param_alpha", "mean_test_score")
    np.testing.assert_array_equal(np.isnan(score), alpha > 1)
    assert np.isfinite(search.cv_results_["split0_test_score"]).all()
    kinds = Counter(warning.category for warning in caught)
    assert kinds[FitFailedWarning] == 2  # one for each failing candidate
    assert kinds[UserWarning] == 1  # scores are not finite: once, not in every later call


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@NOT_FINITE
def test_candidates_that_all_fail_somewhere_share_the_first_rank(regression):
    cv = [(np.arange(20), np.arange(20, 60)), (np.arange(30), np.arange(30, 60))]
    search = BayesSearchCV(FailsOnLargeData(alpha=2.0), {"alpha": [2.0, 9.0]}, n_iter=2, cv=cv)
    search.set_params(refit=False).fit(*regression)
    assert search.cv_results_["rank_test_score"].tolist() == [1, 1]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
def test_all_candidates_failing_is_scikit_learns_error(regression):
    with pytest.raises(ValueError, match=r"(?s)All the 2 fits failed.*too far"):
        search_bowl(regression, Bowl(fail_above=-1), n_iter=4)


def test_error_score_raise_raises_what_the_fit_raised(regression):
    with pytest.raises(ValueError, match=r"^too far$"):
        search_bowl(regression, Bowl(fail_above=0.5, error=ValueError), error_score="raise")


class InterruptedOnce(Ridge):
    n_fits = 0

    def fit(self, X, y):
        type(self).n_fits += 1
        if type(self).n_fits == self.tol:
            raise KeyboardInterrupt
        return super().fit(X, y)


@pytest.mark.parametrize(("at_fit", "n_kept"), [(8, 3), (1, 0)])
def test_ctrl_c_keeps_what_there_is(at_fit, n_kept, regression, monkeypatch):
    monkeypatch.setattr(InterruptedOnce, "n_fits", 0)
    search = BayesSearchCV(
        InterruptedOnce(tol=at_fit), {"alpha": (1e-2, 1e2, "log")}, n_iter=6, cv=2
    )
    if not n_kept:
        with pytest.raises(KeyboardInterrupt):
            search.fit(*regression)
        return
    with pytest.warns(UserWarning, match="interrupted after 3 of 6 candidates"):
        search.fit(*regression)
    assert len(search.cv_results_["params"]) == n_kept
    assert search.best_estimator_.coef_.shape == (4,)


def test_ctrl_c_inside_another_search_is_for_that_one(regression, monkeypatch):
    monkeypatch.setattr(InterruptedOnce, "n_fits", 0)
    inner = BayesSearchCV(InterruptedOnce(tol=8), {"alpha": (1e-2, 1e2, "log")}, n_iter=6, cv=2)
    outer = BayesSearchCV(inner, {"estimator__positive": [False, True]}, n_iter=2, cv=2)
    with pytest.raises(KeyboardInterrupt):
        outer.fit(*regression)
    assert InterruptedOnce.n_fits == 8  # nothing ran on


# --- what it costs


class Timed(SVC):
    """Notes what its fits and scores take of the processor."""

    seconds = 0.0

    def fit(self, X, y):
        start = time.process_time()
        super().fit(X, y)
        type(self).seconds += time.process_time() - start
        return self

    def score(self, X, y):
        start = time.process_time()
        score = super().score(X, y)
        type(self).seconds += time.process_time() - start
        return score


def overhead(search, iris, monkeypatch):
    """Seconds of the processor that the search itself takes."""
    monkeypatch.setattr(Timed, "seconds", 0.0)
    start = time.process_time()
    search.fit(*iris)
    return time.process_time() - start - Timed.seconds


@pytest.mark.filterwarnings("ignore")  # many of scikit-optimize's
def test_candidates_cost_a_sixth_of_what_scikit_optimize_takes_beside_the_fits(iris, monkeypatch):
    """Of 20 on an idle core: 0.2 to 0.3 s, where scikit-optimize takes 5."""
    ours = BayesSearchCV(Timed(), SVC_SPACE, n_iter=12, random_state=0)
    space = {name: (*ends[:2], "log-uniform") for name, ends in SVC_SPACE.items()}
    theirs = skopt.BayesSearchCV(Timed(), space, n_iter=12, random_state=0)
    least = min(overhead(ours, iris, monkeypatch) for _ in range(2))
    assert least < overhead(theirs, iris, monkeypatch) / 6


def test_scikit_learns_results_are_formatted_once(regression, monkeypatch):
    """After each round it would take a time that grows with the square of the candidates."""
    lengths = []
    original = BaseSearchCV._format_results

    def counting(self, candidates, *args):
        lengths.append(len(candidates))
        return original(self, candidates, *args)

    monkeypatch.setattr(BaseSearchCV, "_format_results", counting)
    search_bowl(regression, cls=AnnealingSearchCV, n_iter=30)
    assert lengths == [30]


# --- scikit-learn's contract


@pytest.mark.parametrize(
    ("cls", "estimator", "spaces", "n_least"),
    [
        (BayesSearchCV, LogisticRegression(), {"C": (1e-2, 1e2, "log")}, 50),
        (BayesSearchCV, Ridge(), {"alpha": (1e-2, 1e2, "log")}, 45),
        (AnnealingSearchCV, Ridge(), {"alpha": (1e-2, 1e2, "log")}, 45),
    ],
)
@pytest.mark.filterwarnings("ignore")  # of fits that fail as they should
def test_scikit_learns_checks_pass_with_nothing_excused(cls, estimator, spaces, n_least):
    search = cls(estimator, spaces, n_iter=3, cv=2, random_state=0)
    results = check_estimator(search, on_skip=None)
    statuses = Counter(result["status"] for result in results)
    skipped = {result["check_name"] for result in results if result["status"] == "skipped"}
    assert statuses["passed"] >= n_least
    assert set(statuses) <= {"passed", "skipped"}
    # These need SCIPY_ARRAY_API=1 and libraries such as array_api_strict.
    assert all(name.startswith("check_array_api") for name in skipped)


def test_nested_cross_validation_is_stratified_and_equals_the_loop_by_hand(iris):
    X, y = iris
    search = BayesSearchCV(SVC(), SVC_SPACE, n_iter=6, cv=3, random_state=0)
    assert is_classifier(search)
    by_hand = []
    for train, test in StratifiedKFold(3).split(X, y):
        inner = BayesSearchCV(
            SVC(), SVC_SPACE, n_iter=6, cv=StratifiedKFold(3), random_state=0
        ).fit(X[train], y[train])
        by_hand.append(inner.score(X[test], y[test]))
    np.testing.assert_array_equal(cross_val_score(search, X, y, cv=3), by_hand)


@pytest.mark.parametrize(("refit", "optimised"), [("r2", "r2"), (False, "neg_mean_squared_error")])
def test_several_metrics(refit, optimised, regression):
    metrics = ["neg_mean_squared_error", "r2"]
    search = BayesSearchCV(
        Ridge(),
        {"alpha": (1e-3, 1e3, "log")},
        n_iter=8,
        scoring=metrics,
        refit=refit,
        random_state=0,
    ).fit(*regression)
    single = BayesSearchCV(
        Ridge(), {"alpha": (1e-3, 1e3, "log")}, n_iter=8, scoring=optimised, random_state=0
    ).fit(*regression)
    assert search.cv_results_["params"] == single.cv_results_["params"]
    assert {f"rank_test_{name}" for name in metrics} <= set(search.cv_results_)
    assert hasattr(search, "best_params_") == bool(refit)


@NOT_FINITE
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
def test_several_metrics_survive_a_failing_candidate(regression):
    search = search_bowl(
        regression,
        Bowl(fail_above=0.5),
        scoring={"a": lambda model, X, y: model.score(X), "b": "r2"},
        refit="a",
    )
    a, b = columns(search, "mean_test_a", "mean_test_b")
    np.testing.assert_array_equal(np.isnan(a), np.isnan(b))
    assert search.best_score_ == np.nanmax(a)


def test_callable_refit_chooses(regression):
    search = search_bowl(regression, refit=lambda results: 3)
    assert search.best_params_ == search.cv_results_["params"][3]
    assert not hasattr(search, "best_score_")


def test_sample_weight_and_groups_reach_fit_and_splitter(regression):
    X, y = regression
    weight = np.random.default_rng(0).random(60)
    groups = np.arange(60) % 3
    search = BayesSearchCV(Ridge(), {"alpha": [1.0]}, n_iter=1, cv=GroupKFold(3))
    search.fit(X, y, sample_weight=weight, groups=groups)
    by_hand = cross_val_score(
        Ridge(), X, y, cv=GroupKFold(3), groups=groups, params={"sample_weight": weight}
    )
    np.testing.assert_allclose(search.best_estimator_.coef_, Ridge().fit(X, y, weight).coef_)
    assert search.n_splits_ == 3
    folds = [search.cv_results_[f"split{i}_test_score"][0] for i in range(3)]
    assert len(set(folds)) == 3 == len(by_hand)


def test_metadata_are_routed(regression):
    X, y = regression
    weight = np.random.default_rng(0).random(60)
    with sklearn.config_context(enable_metadata_routing=True):
        model = Ridge().set_fit_request(sample_weight=True).set_score_request(sample_weight=False)
        search = BayesSearchCV(model, {"alpha": [1.0]}, n_iter=1)
        search.fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(search.best_estimator_.coef_, Ridge().fit(X, y, weight).coef_)


@NOT_FINITE
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
def test_scikit_learns_callbacks_see_every_candidate(regression):
    recorder = Recorder()
    search = BayesSearchCV(Bowl(fail_above=0.5), n_iter=5, cv=2, random_state=0)
    search.set_callbacks(recorder).fit(*regression)
    for name, n in {"search": 1, "candidate": 5, "candidate-split-evaluation": 10}.items():
        assert recorder.tasks[name] == recorder.tasks[f"end of {name}"] == n


@pytest.mark.filterwarnings("ignore:The estimator Bowl does not support callbacks")
def test_scikit_learns_progress_bar_has_a_line_for_each_candidate(regression, capsys):
    search = BayesSearchCV(Bowl(), n_iter=4, n_points=2, cv=2, random_state=0)
    search.set_callbacks(ProgressBar()).fit(*regression)
    printed = capsys.readouterr().out
    for candidate in range(4):
        assert f"BayesSearchCV - candidate #{candidate}" in printed


def test_progress_bar_counts_candidates_and_shows_the_best_score(regression, capsys):
    search = search_bowl(regression, n_iter=5, verbose=1)
    printed = capsys.readouterr()
    assert "5/5" in printed.err
    assert f"best={search.best_score_:.4g}" in printed.err
    assert printed.out == ""
    assert search.verbose == 1
    search_bowl(regression, n_iter=5)
    assert capsys.readouterr() == ("", "")


# --- bad input


@pytest.mark.parametrize(
    ("estimator", "spaces", "message"),
    [
        (Ridge(), {"alhpa": [1.0]}, r"'alhpa'.*Ridge; did you mean alpha\?"),
        (make_pipeline(SVC()), {"C": [1.0]}, r"'C'.*Pipeline; did you mean svc__C\?"),
        (Ridge(), {"q": [1.0]}, r"'q' in search_spaces is no parameter of Ridge\."),
        (Ridge(), {}, "declares no space of its own"),
        (Ridge(), None, "Ridge declares no space of its own"),
        (Ridge(), {"alpha": (1.0, 0.1)}, "'alpha'.*low < high"),
        (Ridge(), "alpha", "The 'search_spaces' parameter"),
        (Ridge(), [(0.0, 1.0)], r"must name the parameters.*\[\(0\.0, 1\.0\)\]"),
        (Ridge(), [({"alpha": [1.0]}, 0)], "must be an integer of at least 1, but is 0"),
        (Ridge(), [({"alpha": [1.0]}, 2), ({"alhpa": [2.0]}, 2)], "did you mean alpha"),
        (Ridge(), [{"alpha": [1.0]}, {"alhpa": [2.0]}], "did you mean alpha"),
    ],
)
def test_wrong_spaces_are_refused_in_fit(estimator, spaces, message, regression):
    search = BayesSearchCV(estimator, spaces, n_iter=2)
    with pytest.raises(ValueError, match=message):
        search.fit(*regression)


@pytest.mark.parametrize(
    ("cls", "name", "value"),
    [
        *((cls, "n_iter", 0) for cls in SEARCHES),
        *((cls, "verbose", -1) for cls in SEARCHES),
        *((cls, "cv", "three") for cls in SEARCHES),
        *((cls, "max_time", 0) for cls in SEARCHES),
        *((cls, "stop", "plateau") for cls in SEARCHES),
        (BayesSearchCV, "n_points", 0),
        (BayesSearchCV, "surrogate", 3),
        (BayesSearchCV, "acquisition", "luck"),
        (AnnealingSearchCV, "initial_temperature", 0.0),
        (AnnealingSearchCV, "final_temperature", -1.0),
        (AnnealingSearchCV, "step_size", 0.0),
        (AnnealingSearchCV, "reevaluate", -1),
    ],
)
def test_wrong_parameters_are_refused_in_fit(cls, name, value, regression):
    search = cls(Ridge(), {"alpha": [1.0]}).set_params(**{name: value})
    with pytest.raises(ValueError, match=re.escape(f"The {name!r} parameter")):
        search.fit(*regression)
    assert not hasattr(search, "cv_results_")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scoring": lambda model, X, y: "good"}, "scoring must return a number, got good"),
        ({"cv": 1}, "'cv' parameter .* Got 1 instead"),
        ({"cv": LeaveOneGroupOut(), "groups": np.zeros(60)}, "at least 2"),
        ({"cv": []}, "No fits were performed"),
        ({"scoring": ["r2", "neg_max_error"]}, "refit must be set"),
        ({"scoring": lambda model, X, y: {"a": 1.0, "b": 2.0}}, "refit must be set"),
        ({"scoring": ["r2"], "refit": "r3"}, "refit must be set"),
        ({"scoring": "no such score"}, "'scoring' parameter"),
    ],
)
def test_wrong_scorers_and_splits_are_refused(settings, message, regression):
    params = {"groups": settings["groups"]} if "groups" in settings else {}
    settings = {name: value for name, value in settings.items() if name != "groups"}
    search = BayesSearchCV(Ridge(), {"alpha": (1e-3, 1e3, "log")}, n_iter=3).set_params(**settings)
    with pytest.raises(ValueError, match=message):
        search.fit(*regression, **params)
    assert not [name for name in vars(search) if name.endswith("_")]


def test_a_scorer_of_several_metrics_is_refused_before_the_second_candidate(regression):
    calls = []

    def scorer(model, X, y):
        calls.append(0)
        return {"a": 1.0, "b": 2.0}

    with pytest.raises(ValueError, match="refit must be set"):
        search_bowl(regression, scoring=scorer)
    assert len(calls) == 2
    search = search_bowl(regression, scoring=scorer, refit="b", n_iter=3)
    assert search.best_score_ == 2


@pytest.mark.parametrize("cls", SEARCHES)
def test_positions_and_names_are_those_of_scikit_learn_and_scikit_optimize(cls):
    ours = inspect.signature(cls).parameters
    theirs = inspect.signature(RandomizedSearchCV).parameters
    shared = [name for name in theirs if name in ours]
    assert set(theirs) - set(ours) == {"param_distributions"}
    assert shared == [name for name in ours if name in theirs]
    positional = [name for name, p in ours.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert positional == ["estimator", "search_spaces"]
    if cls is BayesSearchCV:
        skopts = set(inspect.signature(skopt.BayesSearchCV).parameters)
        assert skopts - set(ours) == {"optimizer_kwargs", "fit_params", "iid"}


def test_import_loads_neither_tensorflow_nor_scikit_optimize():
    code = "import sys, skdeep.model_selection; print({'tensorflow', 'skopt'} & set(sys.modules))"
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == "set()"


@pytest.mark.parametrize("score", [np.nan, -np.inf])
def test_a_plateau_of_no_scores_is_one(score):
    seen = SimpleNamespace(scores=[score] * 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Plateau(2).reached(seen, None)
        assert not Plateau(3).reached(seen, None)
        seen.scores = [score, score, score, 0.5]
        assert not Plateau(2).reached(seen, None)


@pytest.mark.parametrize("cls", SEARCHES)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
def test_a_space_in_which_nothing_works_is_an_error(cls, iris):
    search = cls(SVC(), {"C": (-10.0, -1.0)}, n_iter=3, cv=2, random_state=0)
    with pytest.raises(ValueError, match=r"(?s)All the 2 fits failed.*'C'"):
        search.fit(*iris)


def test_a_rule_is_an_instance(iris):
    with pytest.raises(TypeError, match=r"stop must be a rule, Plateau\(\), not its class"):
        BayesSearchCV(SVC(), SVC_SPACE, stop=Plateau).fit(*iris)


def test_an_evaluation_has_its_own_mean_and_its_row_that_of_all(regression):
    search = BayesSearchCV(Ridge(), {"alpha": (0.1, 1.0)}, cv=2)
    history = History(search, Work(search, *regression, {}))
    candidate = {"alpha": 0.5}

    def records(*scores):
        return [
            {"test_scores": s, "fit_error": None, "fit_time": 1.0, "score_time": 1.0}
            for s in scores
        ]

    assert history.add(candidate, records(1.0, 2.0)) == 1.5
    assert history.add(candidate, records(3.0, 5.0)) == 4.0
    assert history.scores == [2.75]
    np.testing.assert_array_equal(history.fold_scores, [[2.0, 3.5]])


def test_threads_are_for_our_estimators_and_processes_for_others():
    ours, theirs = Bowl(), SVC()
    assert engine_for(ours, None) == engine_for(theirs, 1) == ("here", 1)
    assert engine_for(ours, 2) == ("threads", 2)
    assert engine_for(make_pipeline(StandardScaler(), ours), 2) == ("threads", 2)
    assert engine_for(theirs, 2) == ("processes", 2)
    with parallel_config("threading", n_jobs=3):
        assert engine_for(theirs, None) == ("threads", 3)
    with parallel_config("loky"):
        assert engine_for(ours, 2) == ("processes", 2)


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_workers_work_under_the_settings_of_the_search(backend, iris):
    with (
        parallel_config(backend),
        sklearn.config_context(enable_metadata_routing=True),
        config_context(precision="float64"),
    ):
        search = BayesSearchCV(Settings(), {"C": [1.0, 2.0]}, n_iter=2, cv=2, n_jobs=2).fit(*iris)
    assert search.best_score_ == 1


class Settings(SVC):
    def score(self, X, y):
        ours, theirs = get_config()["precision"], sklearn.get_config()["enable_metadata_routing"]
        return float(ours == "float64" and theirs)


def test_processes_map_the_data_instead_of_reading_them(iris):
    search = BayesSearchCV(SVC(), SVC_SPACE, cv=2)
    X, y = np.asfortranarray(iris[0]), pd.Series(iris[1])
    parcel = Parcel(Work(search, X, y, {}), by_file=True)
    work = opened(*parcel.address(whole=False))
    np.testing.assert_array_equal(work.X, X)
    pd.testing.assert_series_equal(work.y, y)
    assert not work.X.flags.writeable
    assert not work.X.flags.owndata
    record = work.fit(0, {"C": 2.0}, 0, 1, None)
    train, test = work.splits.of(0)[1]
    assert record["test_scores"] == SVC(C=2.0).fit(X[train], y[train]).score(X[test], y[test])
    parcel.close()
    assert not parcel.folder.exists()


def test_learning_curves_are_means_of_what_folds_had(iris, tmp_path):
    X, y = iris
    model = make_pipeline(StandardScaler(), MLPClassifier(epochs=4, random_state=0))
    space = {"mlpclassifier__learning_rate": (1e-3, 1e-1, "log")}
    settings = {"n_iter": 2, "cv": 3, "random_state": 0, "storage": tmp_path / "search.db"}
    for _ in range(2):  # as they come, and as they were noted
        search = BayesSearchCV(model, space, **settings).fit(X, y)
        for params, curve in zip(
            search.cv_results_["params"], search.cv_results_["learning_curve"]
        ):
            chosen = clone(model).set_params(**params)
            losses = [
                clone(chosen).fit(X[train], y[train])[-1].history_["loss"]
                for train, _ in StratifiedKFold(3).split(X, y)
            ]
            np.testing.assert_allclose(curve, np.mean(losses, axis=0), rtol=1e-4)
