"""What a search knows before its first proposal."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.svm import SVC

from skdeep.model_selection import AnnealingSearchCV, BayesSearchCV, When

SPACE = {
    "C": (1e-3, 1e3, "log"),
    "kernel": ["rbf", "poly"],
    "degree": When("kernel", "poly", (2, 5)),
}
POINTS = [{"C": 3.5, "kernel": "poly", "degree": 4}, {"C": 0.25, "kernel": "rbf"}]


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


def search_iris(iris, space=SPACE, cls=BayesSearchCV, model=None, **settings):
    settings = {"n_iter": 8, "cv": 3, "random_state": 0} | settings
    return cls(model or SVC(C=2.0), space, **settings).fit(*iris)


@pytest.mark.parametrize("cls", [BayesSearchCV, AnnealingSearchCV])
@pytest.mark.parametrize(
    "x0", [POINTS, pd.DataFrame(POINTS), [POINTS[0], pd.DataFrame(POINTS[1:])]]
)
def test_known_good_points_come_after_the_configuration(cls, x0, iris):
    search = search_iris(iris, cls=cls, x0=x0)
    params = search.cv_results_["params"]
    assert params[:3] == [{"C": 2.0, "kernel": "rbf"}, *POINTS]
    assert type(params[1]["degree"]) is int
    assert len({tuple(p.items()) for p in params}) == len(params) == 8


def test_one_point_is_enough_and_the_configuration_is_not_evaluated_twice(iris):
    search = search_iris(iris, x0={"C": 2.0, "kernel": "rbf"}, n_points=3)
    params = search.cv_results_["params"]
    assert params.count({"C": 2.0, "kernel": "rbf"}) == 1
    assert search_iris(iris, n_points=3).cv_results_["params"] == params


@pytest.mark.parametrize(
    ("x0", "message"),
    [
        ({"C": 1e6, "kernel": "rbf"}, "'C' is 1000000.0, but must be a number from"),
        ({"kernel": "nearest"}, "'kernel' is 'nearest', but must be"),
        (9 * POINTS[:1], "x0 has 9 points, but n_iter is 8"),
    ],
)
def test_points_that_cannot_be_are_refused(x0, message, iris):
    with pytest.raises(ValueError, match=message):
        search_iris(iris, x0=x0)


def test_scores_of_the_same_search_in_another_space_teach_from_the_start(iris, tmp_path):
    earlier = search_iris(iris, storage=tmp_path / "earlier.db", n_iter=20)
    narrow = {"C": (1e-2, 1e2, "log"), "kernel": ["rbf", "poly"], "degree": SPACE["degree"]}
    told = []

    class Told(BayesSearchCV):
        def _proposer(self, space, n_iter, seed):
            proposer = super()._proposer(space, n_iter, seed)
            original = proposer.tell
            proposer.tell = lambda *given: (told.append(given), original(*given))
            return proposer

    search = search_iris(iris, narrow, Told, x0=str(tmp_path / "earlier.db"))
    inside = [
        (params, -score)
        for params, score in zip(*(earlier.cv_results_[c] for c in ("params", "mean_test_score")))
        if 1e-2 <= params["C"] <= 1e2
    ]
    inside.sort(key=lambda pair: pair[1])
    n = len(inside)
    assert 5 < n < 20
    assert told[:n] == inside
    assert len(told) == n + 8
    # None is evaluated again, but for the configuration.
    repeated = [p for p in search.cv_results_["params"] if p in [params for params, _ in inside]]
    assert repeated == [{"C": 2.0, "kernel": "rbf"}]


@pytest.mark.parametrize("other", [{"model": SVC(C=2.0, tol=0.1)}, {"scoring": "f1_macro"}])
def test_of_another_search_the_best_five_are_evaluated_first(other, iris, tmp_path):
    earlier = search_iris(iris, storage=tmp_path / "earlier.db", n_iter=20)
    search = search_iris(iris, x0=[tmp_path / "earlier.db"], **other)
    params, scores = (earlier.cv_results_[c] for c in ("params", "mean_test_score"))
    best = [params[i] for i in np.argsort(-scores, kind="stable")[:5]]
    first = [{"C": 2.0, "kernel": "rbf"}, *best]
    first = [p for i, p in enumerate(first) if p not in first[:i]]
    assert search.cv_results_["params"][: len(first)] == first


def test_what_the_earlier_search_did_not_vary_has_the_estimators_value(iris, tmp_path):
    model = SVC(C=2.0, gamma=0.5)
    search_iris(iris, {"C": (1e-3, 1e3, "log")}, model=model, storage=tmp_path / "a.db")
    space = {"C": (1e-3, 1e3, "log"), "gamma": (1e-2, 1.0, "log")}
    search = search_iris(iris, space, model=model, x0=tmp_path / "a.db", scoring="f1_macro")
    assert search.cv_results_["param_gamma"][:4].tolist() == 4 * [0.5]
    # Another gamma than the estimator's is nothing that a search over C could find.
    search_iris(iris, space, model=model, storage=tmp_path / "b.db")
    search = search_iris(
        iris, {"C": (1e-3, 1e3, "log")}, model=model, x0=tmp_path / "b.db", scoring="f1_macro"
    )
    first = search_iris(iris, {"C": (1e-3, 1e3, "log")}, model=model, scoring="f1_macro")
    assert search.cv_results_["params"] == first.cv_results_["params"]


def test_choices_are_the_very_objects_again(iris, tmp_path):
    shapes = [("scale", 1), ("auto", 2)]

    class Shaped(SVC):
        def __init__(self, C=1.0, shape=("scale", 1)):
            super().__init__(C=C, gamma=shape[0])
            self.shape = shape

    space = {"C": (1e-3, 1e3, "log"), "shape": shapes}
    search_iris(iris, space, model=Shaped(), storage=tmp_path / "a.db")
    search = search_iris(iris, space, model=Shaped(), x0=tmp_path / "a.db", scoring="f1_macro")
    assert all(any(s is shape for shape in shapes) for s in search.cv_results_["param_shape"])


def test_a_search_with_points_of_its_own_goes_on_after_a_crash(iris, tmp_path):
    settings = {"x0": POINTS, "storage": tmp_path / "search.db"}
    search_iris(iris, n_iter=5, **settings)
    resumed = search_iris(iris, n_iter=12, **settings)
    whole = search_iris(iris, n_iter=12, x0=POINTS)
    assert resumed.cv_results_["params"] == whole.cv_results_["params"]
    with pytest.raises(ValueError, match="Its x0 was"):
        search_iris(iris, storage=tmp_path / "search.db", x0=POINTS[:1])


def test_what_a_point_lacks_is_the_estimators_own(iris):
    model, space = SVC(C=7.0, gamma=1e-9), {"C": (0.1, 10.0, "log"), "gamma": (1e-4, 1.0, "log")}
    settings = {"n_iter": 2, "random_state": 0}
    search = BayesSearchCV(model, space, x0=[{"gamma": 0.1}, {"C": 2.0}], **settings).fit(*iris)
    assert search.cv_results_["params"][0] == {"C": 7.0, "gamma": 0.1}
    # Its own gamma lies outside: the nearest that does not.
    assert search.cv_results_["params"][1] == pytest.approx({"C": 2.0, "gamma": 1e-4})
    with pytest.raises(ValueError, match="x0 has the unknown parameter 'gama'; did you mean"):
        BayesSearchCV(model, space, x0={"gama": 0.1}, **settings).fit(*iris)


def test_a_table_of_results_is_one_of_points(iris):
    space = {"C": (0.1, 10.0, "log"), "gamma": (1e-4, 1.0, "log")}
    first = BayesSearchCV(SVC(), space, n_iter=3, random_state=0).fit(*iris)
    table = pd.DataFrame(first.cv_results_)
    again = BayesSearchCV(SVC(), space, n_iter=3, x0=table, random_state=1).fit(*iris)
    assert [*again.cv_results_["params"]] == [*first.cv_results_["params"]]


def test_a_journal_that_tells_nothing_is_said(iris, tmp_path):
    path = tmp_path / "search.db"
    BayesSearchCV(SVC(), {"C": (0.1, 10.0)}, n_iter=2, random_state=0, storage=path).fit(*iris)
    search = BayesSearchCV(SVC(), {"gamma": (0.1, 1.0)}, n_iter=2, random_state=0, x0=path)
    with pytest.warns(UserWarning, match="of the 2 candidates in .* none has a score and a place"):
        search.fit(*iris)
