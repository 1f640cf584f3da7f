import pickle
import subprocess
import sys
import warnings
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.stats import sem
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.compose import make_column_transformer
from sklearn.datasets import make_friedman1
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, SGDClassifier
from sklearn.model_selection import (
    KFold,
    RepeatedKFold,
    ShuffleSplit,
    StratifiedKFold,
    TimeSeriesSplit,
    cross_val_predict,
)
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import check_estimator

import skdeep
from skdeep import MLPClassifier
from skdeep.active_learning import DriftMonitor

N_FIRST, CHANGE = 600, 1000


def stream(seed=0, n=2000, change=CHANGE, weights=(-2.0, 1.0)):
    """Two classes, whose rule changes."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    score = np.where(np.arange(n) < change, X @ [2.0, 1.0], X @ weights)
    return X, (score + rng.logistic(size=n) > 0).astype(int)


def run(monitor, X, y, batch=50, end=None):
    """After ``fit`` on the first rows and an update on each batch of the others."""
    monitor.fit(X[:N_FIRST], y[:N_FIRST])
    for i in range(N_FIRST, end or len(y), batch):
        monitor.update(X[i : i + batch], y[i : i + batch])
    return monitor


def state(monitor):
    return {name: id(value) for name, value in vars(monitor).items()}


def test_the_first_losses_are_those_of_cross_validation():
    X, y = stream()
    monitor = DriftMonitor(LogisticRegression(), cv=4).fit(X[:200], y[:200])
    p = cross_val_predict(
        LogisticRegression(), X[:200], y[:200], cv=KFold(4), method="predict_proba"
    )
    np.testing.assert_allclose(monitor._loss, ((p - np.eye(2)[y[:200]]) ** 2).sum(axis=1))
    # The Brier score that a model expects is what it is on average over its own probabilities.
    expected = (p[:, 0] * 2 * p[:, 1] ** 2) + p[:, 1] * 2 * p[:, 0] ** 2
    np.testing.assert_allclose(monitor._expected, expected)


def test_a_splitter_of_any_order_gives_each_row_its_own_loss():
    X, y = stream(n=200)
    cv = StratifiedKFold(4, shuffle=True, random_state=0)
    monitor = DriftMonitor(LogisticRegression(), cv=cv).fit(X, y)
    p = cross_val_predict(LogisticRegression(), X, y, cv=cv, method="predict_proba")
    np.testing.assert_allclose(monitor._loss, ((p - np.eye(2)[y]) ** 2).sum(axis=1))


@pytest.mark.parametrize(
    ("cv", "message"),
    [
        (TimeSeriesSplit(5), r"TimeSeriesSplit\(.* tests 35 of 200 rows never and 0 more"),
        (ShuffleSplit(1, test_size=50), "tests 150 of 200 rows never"),
        (RepeatedKFold(n_repeats=2), "tests 0 of 200 rows never and 200 more than once"),
        (KFold(5).split(np.zeros((200, 2))), "'cv' parameter of DriftMonitor must be an int"),
        ([*KFold(5).split(np.zeros((200, 2)))], "'cv' parameter of DriftMonitor must be an int"),
    ],
    ids=["TimeSeriesSplit", "ShuffleSplit", "RepeatedKFold", "generator", "list"],
)
def test_a_cv_that_does_not_test_each_row_once_is_refused(cv, message):
    X, y = stream(n=200)
    with pytest.raises(ValueError, match=message):
        DriftMonitor(LogisticRegression(), cv=cv).fit(X, y)


@pytest.mark.parametrize(
    "model", [KNeighborsRegressor(1), RandomForestRegressor(10, random_state=0)]
)
def test_a_model_that_knows_its_rows_by_heart_does_not_seem_to_drift(model):
    X, y = make_friedman1(1200, noise=1.0, random_state=0)
    monitor = run(DriftMonitor(model), X, y, batch=200)
    assert monitor.alarms_.empty
    assert monitor.history_["loss_drift"].max() < 0.5


def test_an_alarm_tells_when_what_and_how_much_and_none_changes_no_model():
    X, y = stream()
    monitor = run(DriftMonitor(LogisticRegression(), policy=None), X, y)
    (alarm,) = monitor.alarms_.to_dict("records")
    assert alarm["what"] == "loss"
    assert abs(alarm["change"] - (CHANGE - N_FIRST)) < 15
    assert 0 < alarm["when"] - (CHANGE - N_FIRST) < 50
    assert alarm["before"] < 0.3 < 0.6 < alarm["after"]
    assert 0.2 < alarm["size"] < 0.8
    frozen = LogisticRegression().fit(X[:N_FIRST], y[:N_FIRST])
    np.testing.assert_array_equal(monitor.estimator_.coef_, frozen.coef_)
    np.testing.assert_array_equal(monitor.predict(X), frozen.predict(X))
    assert set(monitor.history_["action"]) == {""}
    assert monitor.history_["n_rows"].iloc[-1] == len(y) - N_FIRST
    at = monitor.history_.index[monitor.history_["loss_drift"] >= 1]
    assert (
        monitor.history_["n_rows"][at[0]] - 50 < alarm["when"] <= monitor.history_["n_rows"][at[0]]
    )


@pytest.mark.parametrize(
    "settings",
    [
        {"estimator": LogisticRegression(), "policy": "refit"},
        {"estimator": LinearSVC(), "policy": "refit"},
        {"estimator": SGDClassifier(loss="log_loss", random_state=0), "policy": "partial_fit"},
    ],
    ids=["refit", "without probabilities", "partial_fit"],
)
def test_adapting_forgets_the_old_rule(settings):
    X, y = stream()
    monitor = run(DriftMonitor(**settings), X, y)
    assert monitor.alarms_["what"].tolist() == ["loss"]
    X_new, y_new = stream(seed=1, change=0)
    best = LogisticRegression().fit(X_new, y_new).score(X_new, y_new)
    assert monitor.score(X_new, y_new) > best - 0.02
    frozen = clone(settings["estimator"]).fit(X[:N_FIRST], y[:N_FIRST])
    assert frozen.score(X_new, y_new) < 0.5
    # One rule in, the other out: the first weight has changed its sign.
    assert frozen.coef_[0, 0] > 0 > monitor.estimator_.coef_[0, 0]
    done = monitor.history_[monitor.history_["action"] != ""]
    assert set(done["action"]) <= {settings["policy"], "kept"}
    learnt = done["learnt"][done["action"] != "kept"].tolist()
    assert learnt == sorted(learnt)  # more rows since the change each time
    assert learnt[-1] >= 150


def test_a_refit_is_a_fit_to_the_rows_since_the_change():
    X, y = stream()
    monitor = run(DriftMonitor(LogisticRegression()), X, y, end=1200)
    last = monitor.history_[monitor.history_["action"] == "refit"].iloc[-1]
    end = N_FIRST + last["n_rows"]
    rows = slice(end - last["learnt"], end)
    expected = LogisticRegression().fit(X[rows], y[rows])
    np.testing.assert_array_equal(monitor.estimator_.coef_, expected.coef_)
    assert abs(rows.start - CHANGE) < 15


def test_rows_that_a_new_model_has_learnt_count_by_their_losses_in_cross_validation():
    X, y = stream()
    monitor = run(DriftMonitor(LogisticRegression()), X, y, end=1050)
    last = monitor.history_.iloc[-1]
    assert last["action"] == "refit"
    rows = slice(1050 - last["learnt"], 1050)
    p = cross_val_predict(
        LogisticRegression(), X[rows], y[rows], cv=KFold(5), method="predict_proba"
    )
    losses = ((p - np.eye(2)[y[rows]]) ** 2).sum(axis=1)
    np.testing.assert_allclose(monitor._loss[-len(losses) :], losses)
    np.testing.assert_allclose(monitor._watched.reference[:, 0], losses)
    # What the first rows have told of dependence, so few cannot tell better.
    first = DriftMonitor(LogisticRegression()).fit(X[:N_FIRST], y[:N_FIRST])._watched.dependence
    np.testing.assert_array_equal(monitor._watched.dependence, first)
    assert first > 1


def test_models_contend_at_50_rows_since_the_change_and_whenever_these_have_doubled():
    X, y = stream(n=2800)
    monitor = run(DriftMonitor(LogisticRegression(), window=500), X, y, batch=10)
    (change,) = monitor.alarms_["change"]
    contests = monitor.history_[monitor.history_["action"] != ""]
    rows = (contests["n_labelled"] - change).tolist()
    assert 50 <= rows[0] < 60
    for fewer, more in pairwise(rows[:-1]):
        assert 2 * fewer <= more < 2 * fewer + 10
    assert 500 <= rows[-1] < 510  # no more are kept


def test_a_column_that_moves_while_models_contend_does_not_postpone_them():
    X, y = stream(n=1600)
    X[CHANGE:, 1] += 0.5  # which is noticed after the rule
    monitor = run(DriftMonitor(LogisticRegression()), X, y, batch=10)
    alarms = monitor.alarms_
    assert alarms["what"].tolist() == ["loss", 1]
    assert alarms["when"].diff()[1] > 20
    refits = monitor.history_.query("action == 'refit'")
    since = refits["n_labelled"] - refits["learnt"]
    assert since[refits["n_labelled"] > alarms["when"][1]].tolist()[-1] == alarms["change"][0]


class Recorded(DriftMonitor):
    """Keeps what models gain in each contest, and its outcome."""

    def _contest(self):
        start, is_first = self._position(), self.estimator_ is self._base
        old = self._loss[start:]
        gains = [old - self._losses_of_new(first, start)[0] for first in (start, 0)]
        outcome = super()._contest()
        self.contests = [*getattr(self, "contests", []), (is_first, gains, outcome["action"])]
        return outcome


def test_only_a_first_successor_must_gain_more_than_the_standard_error():
    narrow = 0
    for seed in range(4):
        monitor = run(Recorded(LogisticRegression()), *stream(seed, weights=(-0.5, 1.0)))
        for is_first, gains, action in monitor.contests:
            errors = [sem(gain) if is_first else 0.0 for gain in gains]
            wins = any(gain.mean() > error for gain, error in zip(gains, errors))
            assert action == ("refit" if wins else "kept")
            narrow += max(gain.mean() / sem(gain) for gain in gains) < 1 and not is_first and wins
    assert narrow > 0


def test_where_the_rule_still_holds_all_rows_are_learnt():
    """New rows lie where a forest has seen none, but what it knows of others is right."""
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(1200, 2)) + [1, 0] * (np.arange(1200) >= 1000)[:, None] * rng.integers(
        2, size=(1200, 1)
    )
    y = 3 * X[:, 0] + 5 * np.sin(6 * X[:, 1]) + 0.1 * rng.normal(size=1200)
    monitor = run(DriftMonitor(RandomForestRegressor(20, random_state=0)), X, y)
    assert not monitor.alarms_.empty
    learnt = monitor.history_.query("action == 'refit'")["learnt"]
    assert learnt.max() > 1000
    frozen = RandomForestRegressor(20, random_state=0).fit(X[:N_FIRST], y[:N_FIRST])
    assert monitor.score(X[1000:], y[1000:]) > frozen.score(X[1000:], y[1000:]) + 0.02


def test_a_false_alarm_costs_next_to_nothing():
    """Here one in a few hundred rows."""
    costs = []
    for seed in range(3):
        X, y = stream(seed, n=1600, change=10**9)
        frozen, adapting = (
            DriftMonitor(LogisticRegression(), policy=policy, false_alarm_every=100)
            for policy in (None, "refit")
        )
        losses = [run(each, X, y).history_["loss"].mean() for each in (frozen, adapting)]
        assert len(adapting.alarms_) >= 2
        costs.append(losses[1] / losses[0] - 1)
    assert np.mean(costs) < 0.01


def test_a_promise_of_fewer_false_alarms_delays_true_ones():
    X, y = stream(weights=(0.0, 1.0))
    when = []
    for promise in (1e2, 1e3, 1e5):
        monitor = DriftMonitor(LogisticRegression(), policy=None, false_alarm_every=promise)
        told = run(monitor, X, y).alarms_["when"]
        when.append(told[told > CHANGE - N_FIRST].min())
    assert when[0] < when[1] < when[2]


def test_labels_that_come_late_are_as_good_as_others():
    X, y = stream(n=1400)
    prompt = run(DriftMonitor(LogisticRegression()), X, y)
    late = DriftMonitor(LogisticRegression()).fit(X[:N_FIRST], y[:N_FIRST])
    batches = [slice(i, i + 50) for i in range(N_FIRST, len(y), 50)]
    for i, rows in enumerate(batches):
        late.update(X[rows])
        if i >= 3:
            late.update(X[batches[i - 3]], y[batches[i - 3]], seen=True)
    assert late.history_["n_rows"].iloc[-1] == len(y) - N_FIRST
    assert late.history_["n_labelled"].iloc[-1] == len(y) - N_FIRST - 150
    columns = late.history_["column_drift"].dropna()
    np.testing.assert_array_equal(columns, prompt.history_["column_drift"])
    pd.testing.assert_frame_equal(late.alarms_, prompt.alarms_)
    losses = late.history_["loss"].dropna()
    np.testing.assert_allclose(losses, prompt.history_["loss"][: len(losses)])


def test_columns_are_watched_without_labels():
    rng = np.random.default_rng(0)
    X, y = stream(n=1200, change=10**9)
    frame = pd.DataFrame(X, columns=["demand", "wind"])
    frame["market"] = rng.choice(["north", "south"], len(y))
    encoder = make_column_transformer(
        (SimpleImputer(), ["demand", "wind"]),
        (OneHotEncoder(handle_unknown="ignore"), ["market"]),
    )
    model = make_pipeline(encoder, LogisticRegression())
    for column, change in {
        "wind": lambda new: new.assign(wind=3 * new["wind"]),
        "demand": lambda new: new.assign(demand=np.nan),
        "market": lambda new: new.assign(market="east"),
    }.items():
        monitor = DriftMonitor(model).fit(frame[:N_FIRST], y[:N_FIRST])
        monitor.update(frame[N_FIRST:1000])
        assert monitor.alarms_.empty
        monitor.update(change(frame[1000:1200]))
        assert monitor.alarms_["what"].tolist() == [column]
        assert abs(monitor.alarms_["change"][0] - 400) < 10
        assert set(monitor.history_["action"]) == {""}
        assert monitor.history_["loss"].isna().all()


@pytest.mark.parametrize("scale", [1e-3, 1e4])
def test_the_scale_of_columns_and_of_a_target_does_not_count(scale):
    X, y = make_friedman1(1400, noise=1.0, random_state=0)
    y[1000:] = y[1000:][::-1]
    model = make_pipeline(StandardScaler(), LinearRegression())
    monitor = run(DriftMonitor(model), X, y)
    other = run(DriftMonitor(model), X * scale + 3, y * scale)
    assert monitor.alarms_["what"].tolist() == ["loss"]
    columns = ["when", "change", "what", "size"]
    pd.testing.assert_frame_equal(other.alarms_[columns], monitor.alarms_[columns])
    np.testing.assert_allclose(other.alarms_["after"], monitor.alarms_["after"] * scale**2)
    np.testing.assert_allclose(other.predict(X * scale + 3), monitor.predict(X) * scale)


def test_a_class_that_appears_late_is_drift_and_is_learnt():
    X, y = stream()
    y[CHANGE:][X[CHANGE:, 1] > 0.5] = 2
    monitor = DriftMonitor(LogisticRegression()).fit(X[:N_FIRST], y[:N_FIRST])
    np.testing.assert_array_equal(monitor.classes_, [0, 1])
    late = y == 2
    monitor.update(X[late][:1], y[late][:1])
    p = monitor.predict_proba(X[late][:1])[0]
    assert monitor.history_["loss"][0] == pytest.approx(1 + (p**2).sum())
    run(monitor, X, y)
    np.testing.assert_array_equal(monitor.classes_, [0, 1, 2])
    assert monitor.score(X[late], y[late]) > 0.8


def test_several_targets_are_told_by_their_mean_error():
    X, _ = stream(n=1000)
    targets = np.stack([X.sum(axis=1), X[:, 0]], axis=1)
    targets += np.random.default_rng(0).normal(size=targets.shape)
    monitor = run(DriftMonitor(Ridge()), X, targets)
    frozen = Ridge().fit(X[:N_FIRST], targets[:N_FIRST])
    errors = ((frozen.predict(X[N_FIRST:]) - targets[N_FIRST:]) ** 2).mean(axis=1)
    np.testing.assert_allclose(monitor.history_["loss"], errors.reshape(-1, 50).mean(axis=1))


class Moody(LogisticRegression):
    """Cannot be fitted to labels that are above ten."""

    def fit(self, X, y):
        if y.max() > 10:
            raise RuntimeError("no such labels")
        return super().fit(X, y)


def test_nothing_is_lost_when_a_refit_fails():
    X, y = stream(n=1200)
    y[CHANGE:] += 10
    monitor = DriftMonitor(Moody()).fit(X[:N_FIRST], y[:N_FIRST])
    monitor.update(X[N_FIRST:CHANGE], y[N_FIRST:CHANGE])
    before = monitor.estimator_
    with pytest.warns(UserWarning, match="RuntimeError: no such labels The old one stays"):
        monitor.update(X[CHANGE:], y[CHANGE:])
    assert monitor.estimator_ is before
    assert monitor.history_["action"].iloc[-1] == "failed"
    assert monitor.alarms_["what"].tolist() == ["loss"]
    assert monitor.history_["n_labelled"].iloc[-1] == len(y) - N_FIRST
    monitor.update(X[N_FIRST:700], y[N_FIRST:700])  # and it goes on


def test_a_pickle_goes_on_as_the_original_does():
    X, y = stream()
    original = run(DriftMonitor(LogisticRegression()), X, y, end=1050)
    copy = pickle.loads(pickle.dumps(original))
    for monitor in (original, copy):
        monitor.update(X[1050:1300], y[1050:1300])
    pd.testing.assert_frame_equal(copy.history_, original.history_)
    np.testing.assert_array_equal(copy.estimator_.coef_, original.estimator_.coef_)


AGAIN = """
import numpy as np, sys, skdeep
monitor, rows = skdeep.load(sys.argv[1]), np.load(sys.argv[2])
monitor.update(rows["X"], rows["y"])
np.savez(sys.argv[3], p=monitor.predict_proba(rows["X"]), history=monitor.history_["loss_drift"])
print(monitor.alarms_.to_json())
"""


def test_a_saved_monitor_goes_on_elsewhere_as_the_original_does(tmp_path):
    X, y = stream()
    monitor = run(DriftMonitor(LogisticRegression()), X, y, end=1050)
    assert len(monitor.alarms_) == 1
    model, rows, found = (tmp_path / name for name in ("m.skdeep", "rows.npz", "found.npz"))
    skdeep.save(monitor, model)
    np.savez(rows, X=X[1050:1300], y=y[1050:1300])
    told = subprocess.run(
        [sys.executable, "-c", AGAIN, model, rows, found],
        check=True,
        capture_output=True,
        text=True,
    )
    monitor.update(X[1050:1300], y[1050:1300])
    assert told.stdout.strip().splitlines()[-1] == monitor.alarms_.to_json()
    with np.load(found) as other:
        np.testing.assert_array_equal(other["p"], monitor.predict_proba(X[1050:1300]))
        np.testing.assert_array_equal(other["history"], monitor.history_["loss_drift"])
    with pytest.raises(TypeError, match="save takes no DataFrame; pickle it"):
        skdeep.save(DriftMonitor(LogisticRegression()).fit(pd.DataFrame(X), y), model)


def test_no_more_rows_are_kept_than_the_window_has():
    X, y = stream()
    monitor = run(DriftMonitor(LogisticRegression(), window=500), X, y)
    kept = (monitor._X, monitor._y, monitor._loss, monitor._expected)
    assert {len(each) for each in kept} == {500}
    np.testing.assert_array_equal(monitor._X, X[-500:])
    for evidence in (monitor._watched, monitor._columns):
        assert len(evidence.reference) <= 500
        assert len(evidence.recent) <= 500
    assert monitor.history_["learnt"].max() <= 500
    assert monitor.estimator_.coef_[0, 0] < 0


@pytest.mark.parametrize("kind", ["frame", "sparse", "list"])
def test_rows_of_other_kinds_are_kept_too(kind):
    X, y = stream(n=1400)
    convert = {"frame": pd.DataFrame, "sparse": sp.csr_array, "list": list}[kind]
    expected = run(DriftMonitor(LogisticRegression()), X, y)
    monitor = DriftMonitor(LogisticRegression()).fit(convert(X[:N_FIRST]), y[:N_FIRST])
    for i in range(N_FIRST, len(y), 50):
        monitor.update(convert(X[i : i + 50]), list(y[i : i + 50]))
    assert monitor.alarms_["what"].tolist() == ["loss"]
    assert monitor.history_["column_drift"].isna().all() == (kind != "frame")
    np.testing.assert_allclose(monitor.predict(convert(X)), expected.predict(X))


def test_another_fit_may_be_on_rows_without_columns():
    X, y = stream(n=400)
    texts = [f"{'up' if row[0] > 0 else 'down'} {i}" for i, row in enumerate(X)]
    monitor = DriftMonitor(LogisticRegression()).fit(pd.DataFrame(X, columns=["u", "v"]), y)
    monitor.set_params(estimator=make_pipeline(CountVectorizer(), LogisticRegression()))
    monitor.fit(texts[:300], y[:300]).update(texts[300:], y[300:])
    assert not hasattr(monitor, "n_features_in_")
    assert not hasattr(monitor, "feature_names_in_")
    assert monitor.history_["column_drift"].isna().all()
    assert monitor.score(texts, y) > 0.7


def test_rows_of_a_tuple_are_kept_as_those_of_a_list():
    X, y = stream(n=600)
    first = DriftMonitor(LogisticRegression()).fit(tuple(X), y).update(tuple(X[:50]), y[:50])
    second = DriftMonitor(LogisticRegression()).fit([*X], y).update([*X[:50]], y[:50])
    pd.testing.assert_frame_equal(first.history_, second.history_)


@pytest.mark.parametrize("model", [LogisticRegression(), Ridge()])
def test_scikit_learns_checks_pass(model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of few rows
        results = check_estimator(DriftMonitor(model), on_skip=None, on_fail=None)
    failed = {r["check_name"]: r["exception"] for r in results if r["status"] == "failed"}
    assert failed == {}


def test_a_network_is_watched_and_goes_on_learning():
    X, y = stream(n=1500)
    network = MLPClassifier(hidden_layer_sizes=(8,), batch_size=32, epochs=10, random_state=0)
    monitor = run(DriftMonitor(network, policy="partial_fit", cv=2), X, y, batch=100)
    assert monitor.alarms_["what"].tolist() == ["loss"]
    assert "partial_fit" in set(monitor.history_["action"])
    X_new, y_new = stream(seed=1, change=0)
    frozen = network.fit(X[:N_FIRST], y[:N_FIRST])
    assert frozen.score(X_new, y_new) < 0.4 < 0.7 < monitor.score(X_new, y_new)


def test_it_is_an_estimator_of_the_kind_of_its_model():
    classifier, regressor = DriftMonitor(LogisticRegression()), DriftMonitor(Ridge(), window=700)
    assert is_classifier(classifier)
    assert is_regressor(regressor)
    assert hasattr(classifier, "predict_proba")
    assert not hasattr(regressor, "predict_proba")
    assert clone(regressor).get_params()["window"] == 700
    assert clone(regressor).set_params(estimator__alpha=3.0).estimator.alpha == 3


X, y = stream(n=700)
nan = np.where(np.arange(50) == 3, np.nan, y[:50])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((X[:50, :1], y[:50]), ValueError, "X has 1 features, but DriftMonitor is expecting 2"),
        ((X[:50], y[:49]), ValueError, "inconsistent numbers of samples"),
        ((X[:0], y[:0]), ValueError, "X has no rows; leave out"),
        ((X[:0], None), ValueError, "X has no rows; leave out"),
        (
            (X[0], y[:1]),
            ValueError,
            r"must hold rows, but is one, of shape \(2,\); .* axis, \(1, 2\)",
        ),
        ((X[:50], nan), ValueError, "y contains NaN"),
        ((X[:50].tolist(), y[:50]), TypeError, "X is of type list, but fit got ndarray; pass rows"),
        ((X[:50], np.stack([y, y], axis=1)[:50]), ValueError, "one class for each row"),
        ((X[:50], y[:50].astype(str)), ValueError, "y has labels such as '1', but .* such as 1;"),
        ((X[:50], [None, *y[:49]]), ValueError, r"y contains NaN or None, at \[0\]"),
        ((X[:50], ["yes", *y[:49]]), ValueError, "y has both strings and numbers"),
        ((X[:50], y[:50].astype("datetime64[D]")), TypeError, "y: dates .* are no numbers"),
        ((X[:50] * np.nan, y[:50]), ValueError, "Input X contains NaN"),
    ],
)
def test_a_bad_update_is_refused_and_changes_nothing(arguments, error, message):
    monitor = DriftMonitor(LogisticRegression()).fit(X[:600], y[:600]).update(X[600:], y[600:])
    before, history = state(monitor), monitor.history_
    with pytest.raises(error, match=message):
        monitor.update(*arguments)
    assert state(monitor) == before
    pd.testing.assert_frame_equal(monitor.history_, history)


def test_targets_of_another_shape_are_refused():
    targets = np.stack([X[:, 0], X[:, 1]], axis=1)
    monitor = DriftMonitor(Ridge()).fit(X[:600], targets[:600])
    before = state(monitor)
    with pytest.raises(ValueError, match=r"y has shape \(100,\), but that of fit \(600, 2\)"):
        monitor.update(X[600:], targets[600:, 0])
    with pytest.raises(TypeError, match=r"y: dates .* are no numbers"):
        monitor.update(X[600:], targets[600:].astype("datetime64[D]"))
    assert state(monitor) == before


def test_labels_may_be_strings_in_a_column_of_objects():
    names = np.array(["no", "yes"])
    numbered = DriftMonitor(LogisticRegression()).fit(X[:600], y[:600]).update(X[600:], y[600:])
    named = DriftMonitor(LogisticRegression()).fit(X[:600], pd.Series(names[y[:600]], dtype=object))
    named.update(X[600:], names[y[600:]].tolist())
    pd.testing.assert_frame_equal(named.history_, numbered.history_)
    np.testing.assert_array_equal(named.predict(X), names[numbered.predict(X)])


def test_fit_warns_of_rows_that_are_too_few_to_tell_drift_from_chance():
    with pytest.warns(UserWarning, match="fit got 20 rows, but it takes 50") as caught:
        monitor = DriftMonitor(Ridge()).fit(X[:20], X[:20, 0])
    assert caught[0].filename == __file__
    with pytest.raises(ValueError, match="'window' parameter"):
        monitor.set_params(window=499).fit(X, y)
    # Losses that persist take more: here the error is one of two, for 100 rows each.
    error = np.repeat([0.0, 1.0, 0.0, 1.0, 0.0, 1.0], 100)[:, None]
    with pytest.warns(UserWarning, match=r"fit got 600 rows, but it takes \d{4},"):
        DriftMonitor(DummyRegressor(strategy="constant", constant=0.0)).fit(error, error[:, 0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        DriftMonitor(Ridge()).fit(X[:200], y[:200])


def test_what_is_asked_too_early_or_makes_no_sense_is_refused():
    monitor = DriftMonitor(LogisticRegression())
    with pytest.raises(NotFittedError):
        monitor.update(X, y)
    with pytest.raises(NotFittedError):
        monitor.predict(X)
    with pytest.raises(NotFittedError):
        monitor.alarms_  # noqa: B018
    with pytest.raises(ValueError, match="needs an estimator that has partial_fit"):
        monitor.set_params(policy="partial_fit").fit(X, y)
    with pytest.raises(ValueError, match="The 'policy' parameter"):
        monitor.set_params(policy="retrain").fit(X, y)
    with pytest.raises(ValueError, match="greater than the number of samples"):
        DriftMonitor(LogisticRegression()).fit(X[:4], y[:4])
    monitor = DriftMonitor(LogisticRegression()).fit(X, y)
    with pytest.raises(ValueError, match="labels that came late, but y is None"):
        monitor.update(X, seen=True)
    monitor.update(X[:60]).update(X[:40], y[:40], seen=True)
    with pytest.raises(ValueError, match="late for 40 rows, but 20 of those that were seen wait"):
        monitor.update(X[:40], y[:40], seen=True)
    with pytest.raises(ValueError, match="late for 1 rows, but 0 of those that were seen wait"):
        monitor.update(X[40:60], y[40:60], seen=True).update(X[:1], y[:1], seen=True)
    assert monitor.history_["n_labelled"].tolist() == [0, 40, 60]
    before = state(monitor)
    with pytest.raises(ValueError, match="NaN"):
        monitor.fit(X * np.nan, y)
    assert state(monitor) == before
