import pickle
import re
import subprocess
import sys
import warnings
from collections import Counter

import numpy as np
import pytest
import sklearn
import skopt.space
from joblib import parallel_config
from sklearn.base import BaseEstimator, RegressorMixin, clone, is_classifier
from sklearn.datasets import load_iris, make_regression
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import (
    GroupKFold,
    RandomizedSearchCV,
    ShuffleSplit,
    StratifiedKFold,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.validation import check_is_fitted

from skdeep.hyperparameters import Declared, hyperparameter
from skdeep.model_selection import BayesSearchCV

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


def search_bowl(regression, bowl=None, spaces=None, **settings):
    settings = {"n_iter": 12, "cv": 2, "random_state": 0} | settings
    return BayesSearchCV(bowl or Bowl(), spaces, **settings).fit(*regression)


def columns(search, *names):
    return [search.cv_results_[name] for name in names]


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
def test_a_configuration_outside_the_space_is_evaluated_too(spaces, regression):
    search = search_bowl(regression, spaces=spaces, n_iter=3)
    assert search.cv_results_["params"][0] == {"x": 0.9}
    assert len(search.cv_results_["params"]) == 3


def test_cv_results_of_the_whole_run_are_those_of_scikit_learn(iris):
    search = BayesSearchCV(
        SVC(), SVC_SPACE, n_iter=7, cv=3, return_train_score=True, random_state=0
    ).fit(*iris)
    others = RandomizedSearchCV(SVC(), {"C": [1, 2]}, n_iter=2, cv=3, return_train_score=True)
    others.fit(*iris)
    expected = set(others.cv_results_) | {"param_gamma", "is_default"}
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


def test_tuples_are_categories_and_two_numbers_in_a_list_two_choices(regression):
    class Wide(Bowl):
        sizes: tuple = hyperparameter((64,), "Sizes.", search=[(64,), (64, 32)])
        n: int = hyperparameter(1, "Number.", search=[1, 100])

    search = search_bowl(regression, Wide())
    assert set(search.cv_results_["param_sizes"]) == {(64,), (64, 32)}
    assert set(search.cv_results_["param_n"]) == {1, 100}
    assert all(type(params["n"]) is int for params in search.cv_results_["params"])


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


def test_clone_and_pickle_search_and_predict_alike(iris):
    search = BayesSearchCV(SVC(), SVC_SPACE, n_iter=5, cv=2, random_state=0)
    fitted = clone(search).fit(*iris)
    loaded = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(loaded.predict(iris[0]), fitted.predict(iris[0]))
    assert pickle.loads(pickle.dumps(search)).fit(*iris).best_params_ == fitted.best_params_


# --- failures


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
@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
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


# --- scikit-learn's contract


@pytest.mark.parametrize(
    ("estimator", "spaces", "n_least"),
    [
        (LogisticRegression(), {"C": (1e-2, 1e2, "log")}, 50),
        (Ridge(), {"alpha": (1e-2, 1e2, "log")}, 45),
    ],
)
@pytest.mark.filterwarnings("ignore")  # of fits that fail as they should
def test_scikit_learns_checks_pass_with_nothing_excused(estimator, spaces, n_least):
    search = BayesSearchCV(estimator, spaces, n_iter=3, cv=2, random_state=0)
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


class Recorder:
    """A scikit-learn callback that counts tasks by name."""

    def __init__(self):
        self.tasks = Counter()

    def setup(self, estimator, context):
        self.tasks["setup"] += 1

    def on_fit_task_begin(self, estimator, context):
        self.tasks[context.task_name] += 1

    def on_fit_task_end(self, estimator, context):
        self.tasks[f"end of {context.task_name}"] += 1

    def teardown(self, estimator, context):
        self.tasks["teardown"] += 1


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
def test_scikit_learns_callbacks_see_every_candidate(regression):
    recorder = Recorder()
    search = BayesSearchCV(Bowl(fail_above=0.5), n_iter=5, cv=2, random_state=0)
    search.set_callbacks(recorder).fit(*regression)
    for name, n in {"search": 1, "candidate": 5, "candidate-split-evaluation": 10}.items():
        assert recorder.tasks[name] == recorder.tasks[f"end of {name}"] == n


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
        (Ridge(), [("alpha", [1.0])], "The 'search_spaces' parameter"),
    ],
)
def test_wrong_spaces_are_refused_in_fit(estimator, spaces, message, regression):
    search = BayesSearchCV(estimator, spaces, n_iter=2)
    with pytest.raises(ValueError, match=message):
        search.fit(*regression)


@pytest.mark.parametrize(("name", "value"), [("n_iter", 0), ("verbose", -1), ("cv", "three")])
def test_wrong_parameters_are_refused_in_fit(name, value, regression):
    search = BayesSearchCV(Ridge(), {"alpha": [1.0]}).set_params(**{name: value})
    with pytest.raises(ValueError, match=re.escape(f"The {name!r} parameter")):
        search.fit(*regression)


def test_import_loads_neither_tensorflow_nor_scikit_optimize():
    code = "import sys, skdeep.model_selection; print({'tensorflow', 'skopt'} & set(sys.modules))"
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == "set()"
