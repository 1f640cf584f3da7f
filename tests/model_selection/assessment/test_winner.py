"""What a fitted search says of its winner, and how the winner is chosen."""

import pickle
import warnings
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.datasets import load_breast_cancer, load_diabetes, make_classification
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import Ridge
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    LeaveOneOut,
    PredefinedSplit,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    TimeSeriesSplit,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skdeep import AnnealingSearchCV, BayesSearchCV, MLPClassifier, RNNRegressor
from skdeep.exceptions import WithinNoiseWarning
from skdeep.gaussian_process import GaussianProcessRegressor, Matern52
from skdeep.model_selection.assessment.holdout import hold_out
from skdeep.model_selection.assessment.recording import as_array
from skdeep.model_selection.assessment.selection import noise_of_means, rule
from skdeep.model_selection.assessment.winner import warn_if_within_noise
from skdeep.model_selection.spaces import Space
from skdeep.model_selection.surrogates import lengthscale
from skdeep.model_selection.trials.journal import JournalError
from skdeep.persistence import load, save

SPACE = {"C": (1e-3, 1e3, "log"), "gamma": (1e-6, 1.0, "log")}


@pytest.fixture(scope="module")
def data():
    X, y = load_breast_cancer(return_X_y=True)
    rows = np.random.default_rng(0).permutation(len(y))[:150]
    return X[rows], y[rows]


def search(model=None, space=SPACE, cls=BayesSearchCV, **settings):
    settings = {"n_iter": 8, "cv": 3, "random_state": 0} | settings
    return cls(SVC() if model is None else model, space, **settings)


def scores_kept(monkeypatch, n):
    """Where the scores of kept predictions, of the first n candidates, will be after a search."""
    kept = {}

    def look(history, *rest):
        weights = np.ones((1, len(history.predictions.y)))
        kept["scores"] = history.predictions.scores(range(n), weights)[0]
        return "not asked for"

    monkeypatch.setattr("skdeep.model_selection.search.correction_of", look)
    return kept


class TestPredictions:
    @pytest.mark.parametrize("scoring", [None, "accuracy", "roc_auc", "neg_log_loss"])
    @pytest.mark.parametrize("settings", [{}, {"n_jobs": 2}], ids=["serial", "processes"])
    def test_scores_of_kept_predictions_are_those_of_the_search(
        self, data, scoring, settings, monkeypatch
    ):
        model = (
            SVC()
            if scoring != "neg_log_loss"
            else make_pipeline(StandardScaler(), MLPClassifier(epochs=2, random_state=0))
        )
        space = (
            SPACE
            if scoring != "neg_log_loss"
            else {"mlpclassifier__learning_rate": (1e-3, 1.0, "log")}
        )
        found = search(model, space, scoring=scoring, n_iter=4, **settings)
        kept = scores_kept(monkeypatch, 4)
        found.fit(*data)
        np.testing.assert_allclose(kept["scores"], found.cv_results_["mean_test_score"], rtol=1e-12)

    @pytest.mark.parametrize(
        "scoring", [{"a": "accuracy", "b": "roc_auc"}, ["accuracy", "roc_auc"]]
    )
    def test_of_several_metrics_the_one_that_decides_is_corrected(self, data, scoring):
        name = "b" if isinstance(scoring, dict) else "roc_auc"
        several = search(scoring=scoring, refit=name).fit(*data)
        one = search(scoring="roc_auc").fit(*data)
        assert several.best_score_corrected_ == one.best_score_corrected_ < one.best_score_

    @pytest.mark.parametrize(
        ("settings", "reason"),
        [
            ({"scoring": lambda model, X, y: model.score(X, y)}, "function of the estimator"),
            ({"refit": lambda results: 1}, "refit is a function"),
            ({"scoring": ["accuracy"], "refit": False}, "no candidate was chosen"),
        ],
    )
    def test_what_is_absent_says_why(self, data, settings, reason):
        found = search(n_iter=3, **settings).fit(*data)
        assert not hasattr(found, "best_score_corrected_")
        with pytest.raises(AttributeError, match=f"best_score_interval_ is absent: .*{reason}"):
            found.best_score_interval_  # noqa: B018
        with pytest.raises(AttributeError, match="holdout_score_ is absent: holdout is None"):
            found.holdout_score_  # noqa: B018

    def test_a_score_of_the_estimators_own_is_absent(self, data):
        class Own(SVC):
            def score(self, X, y):
                return 0.5 + self.C * 1e-9

        found = search(Own(), n_iter=3).fit(*data)
        with pytest.raises(AttributeError, match="Own has a score of its own; name a metric"):
            found.best_score_corrected_  # noqa: B018

    def test_words_and_objects_are_classes_too(self, data):
        X, y = data
        words = np.array(["no", "yes"], dtype=object)[y]
        assert (
            search().fit(X, words).best_score_corrected_ == search().fit(X, y).best_score_corrected_
        )

    def test_a_metric_that_fails_on_a_resample_loses_no_search(self, data):
        def rate(y_true, y_pred):
            return sum(y_pred[y_true == 0] == 0) / int(sum(y_true == 0))  # of no such row: error

        X, y = data
        few = np.r_[np.flatnonzero(y == 0)[:3], np.flatnonzero(y == 1)[:60]]

        @dataclass
        class Rate:  # which has no hash
            def __call__(self, y_true, y_pred):
                return rate(y_true, y_pred)

        found = search(n_iter=3, scoring=make_scorer(Rate())).fit(X[few], y[few])
        assert found.best_score_ <= 1
        assert not hasattr(found, "best_score_corrected_") or found.best_score_corrected_ <= 1

    def test_targets_of_unequal_length_are_searched_without_a_correction(self):
        rng = np.random.default_rng(0)
        X = [rng.normal(size=(n, 2)) for n in [3, 4, 5, 6] * 6]
        y = [rng.normal(size=len(rows)) for rows in X]
        model = RNNRegressor(epochs=1, random_state=0)
        found = search(model, {"learning_rate": (1e-3, 1e-1, "log")}, n_iter=2)
        found.set_params(scoring=lambda m, X, y: -len(X)).fit(X, y)
        assert found.best_score_ < 0
        assert not hasattr(found, "best_score_corrected_")
        assert as_array(y) is None

    def test_a_resumed_search_has_the_same_correction(self, data, tmp_path):
        path = tmp_path / "search.db"
        whole = search().fit(*data)
        search(n_iter=5, storage=path).fit(*data)
        resumed = search(storage=path).fit(*data)
        again = search(storage=path).fit(*data)
        assert resumed.best_score_corrected_ == whole.best_score_corrected_
        assert again.best_score_interval_ == whole.best_score_interval_

    def test_a_search_by_epochs_corrects_among_the_complete(self):
        X, y = make_classification(160, random_state=0)
        model = MLPClassifier(epochs=8, random_state=0)
        found = search(model, None, fidelity="epochs", n_iter=12).fit(X, y)
        assert found.best_score_corrected_ <= found.best_score_

    def test_lost_candidates_of_a_race_are_left_out(self, data):
        found = search(racing=True, cv=5, n_iter=12).fit(*data)
        assert np.isnan(found.cv_results_["mean_test_score"]).any()
        assert found.best_score_corrected_ <= found.best_score_

    def test_it_is_pickled_and_saved_and_a_refit_forgets_it(self, data, tmp_path):
        model = make_pipeline(StandardScaler(), MLPClassifier(epochs=2, random_state=0))
        found = search(model, None, n_iter=4, holdout=0.2).fit(*data)
        save(found, tmp_path / "search.skdeep")
        for same in (pickle.loads(pickle.dumps(found)), load(tmp_path / "search.skdeep")):
            assert same.best_score_corrected_ == found.best_score_corrected_
            assert same.best_score_interval_ == found.best_score_interval_
            assert same.holdout_score_ == found.holdout_score_
            pd.testing.assert_frame_equal(same.overtuning_, found.overtuning_)
        found.set_params(holdout=None).fit(*data)
        assert not hasattr(found, "holdout_score_")

    def test_sample_weights_enter_the_score(self, data, monkeypatch):
        X, y = data
        weight = np.random.default_rng(0).uniform(0.1, 2, size=len(y))
        with sklearn.config_context(enable_metadata_routing=True):
            scorer = make_scorer(accuracy_score).set_score_request(sample_weight=True)
            model = SVC().set_fit_request(sample_weight=False)
            found = search(model, scoring=scorer, n_iter=4)
            kept = scores_kept(monkeypatch, 4)
            found.fit(X, y, sample_weight=weight)
        np.testing.assert_allclose(kept["scores"], found.cv_results_["mean_test_score"], rtol=1e-12)

    @pytest.mark.parametrize("scoring", ["r2", "neg_root_mean_squared_error"])
    def test_it_is_a_mean_over_splits_as_the_best_score_is(self, scoring):
        # Rows in order of y: R2 of all together is high, that of a split's rows is not.
        rng = np.random.default_rng(0)
        X = rng.normal(size=(150, 3))
        X[:, 0] += 4 * np.repeat(np.arange(5), 30)
        y = X[:, 0] + 0.3 * X[:, 1] + 2 * rng.normal(size=150)
        space = {"alpha": (1e-2, 1e4, "log")}
        found = search(Ridge(), space, cv=KFold(5), scoring=scoring).fit(X, y)
        low, high = found.best_score_interval_
        assert found.best_score_ - 0.1 < found.best_score_corrected_ <= found.best_score_
        assert low < found.best_score_ < high

    def test_fits_that_failed_are_a_reason(self, data):
        class Fails(SVC):
            def fit(self, X, y):
                if self.C > 1:
                    raise ValueError("too large")
                return super().fit(X, y)

        with pytest.warns(FitFailedWarning):
            found = search(Fails(), error_score=0.0).fit(*data)
        with pytest.raises(AttributeError, match="error_score stands in for fits that failed"):
            found.best_score_corrected_  # noqa: B018

    def test_after_repeats_it_is_chosen_among_those_that_had_them(self):
        for seed in range(3):
            rng = np.random.default_rng(seed)
            X, y = rng.normal(size=(80, 6)), rng.integers(2, size=80)
            cv = StratifiedKFold(4, shuffle=True, random_state=0)
            found = search(n_iter=12, cv=cv, resampling="repeat_top", random_state=seed).fit(X, y)
            assert found.best_score_corrected_ <= found.best_score_ + 1e-3


class TestHoldout:
    def test_the_winner_is_scored_on_rows_that_nothing_saw(self, data):
        X, y = data
        found = search(holdout=0.2).fit(X, y)
        held = found.holdout_indices_
        kept = np.setdiff1d(np.arange(len(y)), held)
        inner = search().fit(X[kept], y[kept])
        assert len(held) == 30
        assert found.best_params_ == inner.best_params_
        assert found.best_score_ == inner.best_score_
        model = SVC(**inner.best_params_).fit(X[kept], y[kept])
        assert found.holdout_score_ == model.score(X[held], y[held])
        np.testing.assert_array_equal(found.best_estimator_.dual_coef_, model.dual_coef_)
        assert abs(y[held].mean() - y.mean()) < 1 / 30  # stratified, as the splits are

    def test_overtuning_has_each_candidate_that_was_the_best_for_a_time(self, data):
        X, y = data
        found = search(holdout=0.2, n_iter=12, random_state=1).fit(X, y)
        means = found.cv_results_["mean_test_score"]
        expected = [row for row in range(12) if means[row] > max(means[:row], default=-1)]
        table = found.overtuning_
        assert table["candidate"].tolist() == expected
        held = found.holdout_indices_
        kept = np.setdiff1d(np.arange(len(y)), held)
        for row, score in zip(table["candidate"], table["holdout_score"]):
            model = SVC(**found.cv_results_["params"][row]).fit(X[kept], y[kept])
            assert score == model.score(X[held], y[held])

    def test_without_refit_the_winner_is_fitted_for_it(self, data):
        refitted = search(holdout=0.2).fit(*data)
        found = search(holdout=0.2, refit=False).fit(*data)
        assert found.holdout_score_ == refitted.holdout_score_

    def test_groups_stay_together(self, data):
        groups = np.arange(150) // 5
        for cv in (GroupKFold(3), StratifiedGroupKFold(3)):
            found = search(holdout=0.2, cv=cv, n_iter=2).fit(*data, groups=groups)
            held = groups[found.holdout_indices_]
            assert not set(held) & set(np.delete(groups, found.holdout_indices_))
            assert 20 <= len(held) <= 40

    def test_time_is_held_out_from_its_end(self):
        X, y = load_diabetes(return_X_y=True)
        found = search(Ridge(), {"alpha": (1e-3, 1e3, "log")}, holdout=0.25, cv=TimeSeriesSplit(3))
        found.fit(X, y)
        np.testing.assert_array_equal(found.holdout_indices_, np.arange(442 - 110, 442))

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"holdout": 0.2, "cv": [([0, 1, 2], [3, 4])]}, "cv is a list of splits"),
            ({"holdout": 1.5}, "'holdout' parameter"),
            ({"holdout": 0.2, "storage": "x.db", "random_state": None}, "integer random_state"),
            ({"holdout": 0.2, "cv": PredefinedSplit([0, 1] * 75)}, "cv is PredefinedSplit"),
            ({"holdout": 0.001}, "holdout=0.001 of 150 rows cannot be taken"),
            ({"holdout": 0.99}, "holdout=0.99 leaves 1 of 150 rows|holdout=0.99 of 150 rows"),
            ({"holdout": 0.99, "cv": KFold(3)}, "holdout=0.99 leaves 1 of 150 rows to search"),
        ],
    )
    def test_what_cannot_be_is_refused_before_any_fit(self, data, settings, message):
        model = search(**settings)
        with pytest.raises(ValueError, match=message):
            model.fit(*data)
        assert not hasattr(model, "cv_results_")

    @pytest.mark.parametrize("cv", [GroupKFold(3), StratifiedGroupKFold(3), StratifiedKFold(3)])
    def test_what_cannot_be_held_out_is_told(self, data, cv):
        X, y = data
        few = np.r_[np.flatnonzero(y == 0)[:30], np.flatnonzero(y == 1)[:1]]
        groups = np.zeros(31, dtype=int) if not isinstance(cv, StratifiedKFold) else None
        params = {} if groups is None else {"groups": groups}
        with pytest.raises(
            ValueError, match=r"holdout=0.2 of 31 rows cannot be taken as \w+ takes"
        ):
            search(holdout=0.2, cv=cv).fit(X[few], y[few], **params)

    @pytest.mark.parametrize("share", [0.15, 0.3, 0.4, 0.6, 0.8])
    def test_so_many_rows_of_whole_groups_are_held_out_as_asked_for(self, data, share):
        X, y = data
        groups = np.arange(150) // 2
        kept, held = hold_out(share, StratifiedGroupKFold(3), X, y, groups, 0)
        assert len(held) / 150 == pytest.approx(share, abs=0.04)
        assert y[held].mean() == pytest.approx(y.mean(), abs=0.1)
        np.testing.assert_array_equal(np.sort(np.r_[kept, held]), np.arange(150))
        assert not set(groups[kept]) & set(groups[held])

    def test_a_journal_of_another_share_says_so(self, data, tmp_path):
        path = tmp_path / "search.db"
        search(holdout=0.2, n_iter=2, storage=path).fit(*data)
        with pytest.raises(JournalError, match=r"Its holdout was 0.2, and is 0.4"):
            search(holdout=0.4, n_iter=2, storage=path).fit(*data)

    def test_an_infinite_score_leads_nowhere(self, data):
        def score(model, X, y):
            return np.inf if model.C > 1 else model.score(X, y)

        found = search(holdout=0.2, scoring=score, n_iter=6)
        with pytest.warns(UserWarning, match="non-finite"):
            found.fit(*data)
        assert found.overtuning_["candidate"].tolist()[-1] == found.best_index_

    def test_a_journal_goes_on_with_the_same_rows(self, data, tmp_path):
        path = tmp_path / "search.db"
        search(holdout=0.2, n_iter=3, storage=path).fit(*data)
        found = search(holdout=0.2, storage=path).fit(*data)
        assert found.holdout_score_ == search(holdout=0.2).fit(*data).holdout_score_


class TestResampling:
    def test_each_candidate_has_splits_of_its_own(self, data):
        X, y = data
        space = {"C": [1.0, 1.0 + 1e-12, 1.0 + 2e-12]}
        found = search(resampling="reshuffle", space=space, n_iter=3).fit(X, y)
        assert len(set(found.cv_results_["split0_test_score"])) == 3
        scores = found.cv_results_["mean_test_score"]
        shuffled = [
            cross_val_score(SVC(), X, y, cv=StratifiedKFold(3, shuffle=True, random_state=i)).mean()
            for i in range(200)
        ]
        assert np.isin(np.round(scores, 10), np.round(shuffled, 10)).all()

    @pytest.mark.parametrize("resampling", ["reshuffle", "repeat_top"])
    def test_it_is_the_same_wherever_fits_run_and_after_a_resume(self, data, resampling, tmp_path):
        settings = {"resampling": resampling, "holdout": 0.2}
        serial = search(**settings).fit(*data)
        elsewhere = search(n_jobs=2, **settings).fit(*data)
        search(n_iter=5, storage=tmp_path / "a.db", **settings).fit(*data)
        resumed = search(storage=tmp_path / "a.db", **settings).fit(*data)
        for other in (elsewhere, resumed):
            np.testing.assert_array_equal(
                other.cv_results_["mean_test_score"], serial.cv_results_["mean_test_score"]
            )
            assert other.best_score_corrected_ == serial.best_score_corrected_
            assert other.best_index_ == serial.best_index_

    def test_the_best_have_two_more_evaluations_and_win_by_all_three(self, data):
        X, y = data
        once = search(n_iter=16).fit(X, y)
        found = search(n_iter=16, resampling="repeat_top").fit(X, y)
        means, counts = found.cv_results_["mean_test_score"], found.cv_results_["n_evaluations"]
        first = once.cv_results_["mean_test_score"]
        top = np.argsort(-first, kind="stable")[:3]
        np.testing.assert_array_equal(np.flatnonzero(counts == 3), np.sort(top))
        np.testing.assert_array_equal(means[counts == 1], first[counts == 1])
        assert found.best_index_ == max(top, key=lambda row: means[row])
        assert (means[top] != first[top]).any()

    def test_plain_annealing_takes_them_too(self, data):
        found = search(cls=AnnealingSearchCV, resampling="repeat_top").fit(*data)
        assert (found.cv_results_["n_evaluations"] == 3).sum() == 3

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"resampling": "reshuffle", "cv": LeaveOneOut()}, "LeaveOneOut cannot do"),
            ({"resampling": "repeat_top", "cv": PredefinedSplit([0, 1] * 75)}, "cannot do"),
            ({"resampling": "reshuffle", "cv": TimeSeriesSplit(3)}, "TimeSeriesSplit cannot do"),
            ({"resampling": "repeat_top", "cv": TimeSeriesSplit(3)}, "TimeSeriesSplit cannot do"),
            ({"resampling": "reshuffle", "racing": True}, "racing compares"),
        ],
    )
    def test_what_cannot_shuffle_is_refused(self, data, settings, message):
        with pytest.raises(ValueError, match=message):
            search(**settings).fit(*data)

    def test_it_goes_on_where_cv_itself_has_no_seed(self, data, tmp_path):
        cv = StratifiedKFold(3, shuffle=True)
        settings = {"resampling": "reshuffle", "cv": cv, "storage": tmp_path / "search.db"}
        first = search(n_iter=3, **settings).fit(*data).cv_results_["mean_test_score"]
        again = search(n_iter=4, **settings).fit(*data).cv_results_["mean_test_score"]
        np.testing.assert_array_equal(again[:3], first)

    def test_shuffle_splits_are_shuffled(self, data):
        cv = ShuffleSplit(2, random_state=3)
        found = search(resampling="reshuffle", space={"C": [1.0, 1.0 + 1e-12]}, cv=cv, n_iter=2)
        a, b = found.fit(*data).cv_results_["mean_test_score"]
        assert a != b


class TestSelection:
    def test_one_standard_error_takes_the_nearest_to_the_own_configuration(self, data):
        space = {"C": (1e-3, 1e2, "log"), "gamma": (1e-6, 1e-3, "log")}
        found = search(space=space, selection="one_std_error", n_iter=16, cv=5).fit(*data)
        results = found.cv_results_
        best = results["mean_test_score"].argmax()
        folds = np.array([results[f"split{i}_test_score"][best] for i in range(5)])
        within = results["mean_test_score"] >= folds.mean() - folds.std(ddof=1) / np.sqrt(5)
        C = results["param_C"].astype(float)
        distance = np.abs(np.log10(C / SVC().C))  # gamma="scale" has no place in the space
        away = np.where(within, distance, np.inf)
        assert found.best_index_ == np.lexsort([-results["mean_test_score"], away])[0]
        assert found.best_index_ != best

    def test_the_own_configuration_wins_if_it_is_within_one_standard_error(self, data):
        found = search(SVC(C=2.0, gamma=1e-4), selection="one_std_error", cv=5).fit(*data)
        assert found.best_index_ == 0
        assert found.best_score_ < found.cv_results_["mean_test_score"].max()

    def test_of_several_as_near_the_best_is_taken(self):
        space = Space({"k": ["a", "b", "c", "d"]})
        candidates = [{"k": k} for k in "bcd"]
        folds = np.array([[0.82, 0.92, 0.88], [0.84, 0.94, 0.90], [0.83, 0.93, 0.89]])
        choose = rule("one_std_error", space, candidates, folds, {"k": "a"})
        assert choose(folds.mean(axis=1)[None])[0] == 1
        # A category that is not its own is as far as any other.
        choose = rule("one_std_error", space, candidates, folds[[1, 0, 2]], {"k": "a"})
        assert choose(folds[[1, 0, 2]].mean(axis=1)[None])[0] == 0
        choose = rule("one_std_error", space, candidates, folds[[0, 2, 1]], {"k": "a"})
        assert choose(folds[[0, 2, 1]].mean(axis=1)[None])[0] == 2

    def test_one_standard_error_is_that_of_a_sample(self):
        # Of two folds the deviation is their difference over the root of 2, not half of it.
        folds = np.array([[0.8, 1.0], [0.79, 0.99], [0.83, 0.83]])
        space = Space({"x": (0.0, 1.0)})
        candidates = [{"x": x} for x in (0.9, 0.8, 0.1)]
        choose = rule("one_std_error", space, candidates, folds, {"x": 0.0})
        error = 0.2 / np.sqrt(2) / np.sqrt(2)
        assert choose(np.array([[0.9, 0.89, 0.9 - 0.99 * error]]))[0] == 2
        assert choose(np.array([[0.9, 0.89, 0.9 - 1.01 * error]]))[0] == 1

    def test_posterior_mean_is_that_of_a_gaussian_process(self):
        rng = np.random.default_rng(0)
        space = Space({"x": (0.0, 1.0)})
        x = np.sort(rng.random(30))
        folds = np.sin(5 * x)[:, None] + rng.normal(scale=0.4, size=(30, 4))
        candidates = [{"x": value} for value in x]
        choose = rule("posterior_mean", space, candidates, folds, {})
        means = folds.mean(axis=1)
        kernel = Matern52(lengthscale=lengthscale(1))
        model = GaussianProcessRegressor(kernel=kernel, random_state=0)
        model.fit(x[:, None], means, noise_variance=np.full(30, noise_of_means(folds)))
        smooth = model.predict(x[:, None])
        chosen = choose(means[None])[0]
        assert abs(x[chosen] - np.pi / 10) < 0.1
        assert smooth[chosen] >= smooth.max() - 0.02
        assert means.argmax() != chosen  # which stood out by luck

    def test_noise_of_means_is_what_folds_and_candidates_do_not_explain(self):
        rng = np.random.default_rng(0)
        truth = rng.normal(size=(300, 1)) + 3 * rng.normal(size=5)
        noise = rng.normal(scale=0.2, size=(300, 5))
        assert noise_of_means(truth + noise) == pytest.approx(0.04 / 5, rel=0.1)

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"selection": "one_std_error", "space": {"gamma": (1e-6, 1.0, "log")}}, "no place"),
            ({"selection": "one_std_error", "cv": ShuffleSplit(1)}, "needs two splits"),
            ({"selection": "best"}, "'selection' parameter"),
            (
                {"selection": "posterior_mean", "space": [(SPACE, 2), ({"C": [1.0]}, 1)]},
                "one space",
            ),
        ],
    )
    def test_what_cannot_choose_is_refused_before_any_fit(self, data, settings, message):
        model = search(**settings)
        with pytest.raises(ValueError, match=message):
            model.fit(*data)
        assert not hasattr(model, "cv_results_")


class TestWithinNoise:
    @pytest.mark.parametrize("n_splits", [2, 5, 10])
    def test_one_difference_in_twenty_passes_for_a_gain(self, n_splits):
        # Differences of folds with noise in common: n_test/n_train of their variance, as Nadeau and
        # Bengio have it.
        rng = np.random.default_rng(0)
        share, n, told = 1 / (n_splits - 1), 2000, 0
        own = {}
        for _ in range(n):
            history = SimpleNamespace(
                candidates=[own, {}],
                default=own,
                n_splits=n_splits,
                test_to_train=share,
                fold_scores=np.array(
                    [np.zeros(n_splits), rng.normal(size=n_splits) + np.sqrt(share) * rng.normal()]
                ),
            )
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                warn_if_within_noise(history, 1)
            told += len(caught)
        assert told / n == pytest.approx(0.95, abs=0.02)

    def test_a_winner_by_luck_is_told(self):
        rng = np.random.default_rng(0)
        X, y = rng.normal(size=(120, 5)), rng.integers(2, size=120)
        with pytest.warns(WithinNoiseWarning, match="above the estimator's own configuration"):
            search(SVC(C=1.0, gamma=0.1), n_iter=12, cv=5).fit(X, y)

    def test_a_winner_by_far_is_not(self, data):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            search(SVC(C=1e-3, gamma=1.0)).fit(*data)  # the default guesses the larger class

    def test_nor_is_a_default_that_won(self, data):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            search(SVC(C=100.0, gamma=1e-5), n_iter=1).fit(*data)
