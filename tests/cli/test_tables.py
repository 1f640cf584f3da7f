"""skdeep tune and skdeep predict: what they write, what they refuse, and how they go on."""

import os
import signal
import subprocess
import sys
import time
from argparse import Namespace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold

import skdeep
from skdeep.cli import main
from skdeep.cli.data import Data
from skdeep.cli.tune import Budget, seconds_to_fit
from skdeep.model_selection import load_search
from skdeep.tabular.recipe import TabularClassifier, TabularRegressor, default_encoder

EPOCHS = 8
LIKE_TUNED = ["--folds", "1", "--metric", "neg_log_loss", "--n-iter", "5"]
SHORT = ["--folds", "1", "--n-iter", "2"]


@pytest.fixture(autouse=True, scope="module")
def few_epochs():
    """Estimators that are trained for a moment."""
    estimator = Data.estimator

    def short(self, options):
        return estimator(self, options).set_params(epochs=EPOCHS)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Data, "estimator", short)
        yield


def frame(n=60, seed=0):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "age": rng.integers(18, 90, n),
            "city": rng.choice(["Bern", "Oslo", "Rome"], n),
            "code": rng.choice(["1", "2", "x"], n),
            "income": rng.normal(size=n).round(3),
            "member": rng.random(n) < 0.5,
            "since": pd.date_range("2026-01-01", periods=n, freq="D").strftime("%Y-%m-%d"),
        }
    )
    table.loc[3, ["city", "income"]] = None
    table["bought"] = np.where(table["age"] + rng.normal(scale=20, size=n) > 50, "yes", "no")
    table["spent"] = (table["age"] * 0.1 + rng.normal(size=n)).round(4)
    return table


def told(capsys):
    """What was said on stderr, which is no traceback."""
    text = capsys.readouterr().err
    assert "Traceback" not in text
    return text


@pytest.fixture(scope="module")
def tuned(tmp_path_factory, few_epochs):
    """A folder with a table, the model that was tuned on it, new rows, and a report."""
    folder = tmp_path_factory.mktemp("tuned")
    frame(150).to_csv(folder / "train.csv", index=False)
    frame(25, seed=1).drop(columns=["bought", "spent"]).to_csv(folder / "new.csv", index=False)
    given = ["tune", folder / "train.csv", "--target", "bought", "--drop", "spent", *LIKE_TUNED]
    given += ["--out", folder / "model.skdeep", "--report", folder / "report.html"]
    assert main([str(word) for word in given]) == 0
    return folder


def predicted(folder, table, out="out.csv", *more):
    status = main(["predict", str(folder / "model.skdeep"), str(table), "--out", str(out), *more])
    assert status == 0
    return pd.read_csv(out)


def test_predictions_are_those_of_the_same_estimator_in_python_to_the_bit(tuned, tmp_path):
    train = pd.read_csv(tuned / "train.csv")
    best = load_search(tuned / "model.skdeep.journal").best_params
    assert best["learning_rate"] != TabularClassifier().learning_rate
    kinds = {"since": "date"}
    encoder = default_encoder().set_params(kinds=kinds)
    model = TabularClassifier(encoder=encoder, epochs=EPOCHS, random_state=0, **best)
    model.fit(train.drop(columns=["bought", "spent"]), train["bought"])
    new = pd.read_csv(tuned / "new.csv")
    found = predicted(tuned, tuned / "new.csv", tmp_path / "out.csv")
    assert found.columns.tolist() == ["prediction", "probability_no", "probability_yes"]
    np.testing.assert_array_equal(found["prediction"], model.predict(new))
    expected = model.predict_proba(new)
    texts = pd.read_csv(tmp_path / "out.csv", dtype=str)  # as some pandas read to 15 digits
    np.testing.assert_array_equal(texts.iloc[:, 1:].to_numpy(str).astype(float), expected)


def test_the_score_is_that_of_the_first_fold(tuned):
    record = load_search(tuned / "model.skdeep.journal").trials
    X = pd.read_csv(tuned / "train.csv").drop(columns="spent")
    y = X.pop("bought").to_numpy(object)
    train, test = next(StratifiedKFold(5, shuffle=True, random_state=0).split(X, y))
    encoder = skdeep.load(tuned / "model.skdeep").encoder
    model = TabularClassifier(encoder=encoder, epochs=EPOCHS, random_state=0)
    model.fit(X.iloc[train], y[train])
    expected = -log_loss(y[test], model.predict_proba(X.iloc[test]))
    assert record["mean_test_score"][0] == pytest.approx(expected)


def test_columns_are_found_by_name_and_others_are_ignored(tuned, tmp_path, capsys):
    plain = predicted(tuned, tuned / "new.csv", tmp_path / "plain.csv")
    new = pd.read_csv(tuned / "new.csv")
    new = new.assign(bought="?", note=1)[["note", "bought", *new.columns[::-1]]]
    new.to_csv(tmp_path / "other.csv", index=False)
    capsys.readouterr()
    pd.testing.assert_frame_equal(
        predicted(tuned, tmp_path / "other.csv", tmp_path / "out.csv"), plain
    )
    assert "ignored: 'note', 'bought'" in told(capsys)


def test_words_that_look_like_numbers_stay_words(tuned, tmp_path):
    new = pd.read_csv(tuned / "new.csv", dtype={"code": str})
    plain = predicted(tuned, tuned / "new.csv", tmp_path / "plain.csv")
    rows = new["code"] == "1"  # alone in their file, they would be read as integers
    new[rows].to_csv(tmp_path / "ones.csv", index=False)
    found = predicted(tuned, tmp_path / "ones.csv", tmp_path / "out.csv")
    pd.testing.assert_frame_equal(found, plain[rows].reset_index(drop=True))


def test_compressed_tables_are_read_and_written(tuned, tmp_path):
    plain = predicted(tuned, tuned / "new.csv", tmp_path / "plain.csv")
    pd.read_csv(tuned / "new.csv").to_csv(tmp_path / "new.csv.gz", index=False)
    found = predicted(tuned, tmp_path / "new.csv.gz", tmp_path / "out.csv.gz")
    pd.testing.assert_frame_equal(found, plain)
    assert (tmp_path / "out.csv.gz").read_bytes()[:2] == b"\x1f\x8b"


def test_parquet_predicts_as_csv(tuned, tmp_path):
    pytest.importorskip("pyarrow")
    plain = predicted(tuned, tuned / "new.csv", tmp_path / "plain.csv")
    new = pd.read_csv(tuned / "new.csv", dtype={"code": str})
    new.to_parquet(tmp_path / "new.parquet")
    model = str(tuned / "model.skdeep")
    out = tmp_path / "out.parquet"
    assert main(["predict", model, str(tmp_path / "new.parquet"), "--out", str(out)]) == 0
    found = pd.read_parquet(out)
    pd.testing.assert_frame_equal(found, plain, check_exact=False, rtol=1e-14)


def test_dates_are_the_same_as_strings_and_as_dates(tuned, tmp_path):
    pytest.importorskip("pyarrow")
    plain = predicted(tuned, tuned / "new.csv", tmp_path / "plain.csv")
    new = pd.read_csv(tuned / "new.csv", dtype={"code": str})
    new.assign(since=pd.to_datetime(new["since"])).to_parquet(tmp_path / "new.parquet")
    found = predicted(tuned, tmp_path / "new.parquet", tmp_path / "out.csv")
    pd.testing.assert_frame_equal(found, plain)
    table = frame(150)
    table.assign(since=pd.to_datetime(table["since"])).to_parquet(tmp_path / "train.parquet")
    words = [
        "--target",
        "bought",
        "--drop",
        "spent",
        *LIKE_TUNED,
        "--out",
        str(tmp_path / "model.skdeep"),
    ]
    assert main(["tune", str(tmp_path / "train.parquet"), *words]) == 0
    found = predicted(tmp_path, tuned / "new.csv", tmp_path / "dates.csv")
    pd.testing.assert_frame_equal(found, plain)


def test_a_parquet_that_is_cut_off_is_refused(tuned, tmp_path, capsys):
    pytest.importorskip("pyarrow")
    pd.read_csv(tuned / "new.csv").to_parquet(tmp_path / "new.parquet")
    data = (tmp_path / "new.parquet").read_bytes()
    (tmp_path / "new.parquet").write_bytes(data[: len(data) // 2])
    model, out = str(tuned / "model.skdeep"), str(tmp_path / "out.csv")
    assert main(["predict", model, str(tmp_path / "new.parquet"), "--out", out]) == 1
    assert "new.parquet cannot be read: " in told(capsys)


def test_parquet_without_pyarrow_says_what_to_install(tuned, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "new.parquet").write_bytes(b"PAR1")
    model = str(tuned / "model.skdeep")
    out = str(tmp_path / "out.csv")
    assert main(["predict", model, str(tmp_path / "new.parquet"), "--out", out]) == 1
    assert "pip install 'skdeep[parquet]'" in told(capsys)
    out = str(tmp_path / "out.parquet")
    assert main(["predict", model, str(tuned / "new.csv"), "--out", out]) == 1
    assert "pip install 'skdeep[parquet]'" in told(capsys)


def test_numbers_are_predicted_with_weights(tmp_path):
    table = frame().assign(weight=np.arange(60) % 3)
    table.to_csv(tmp_path / "t.csv", index=False)
    words = ["--target", "spent", "--weight", "weight", "--drop", "bought", "since", *SHORT]
    model = str(tmp_path / "model.skdeep")
    assert main(["tune", str(tmp_path / "t.csv"), *words, "--out", model]) == 0
    trials = load_search(model + ".journal").trials
    X = table[["age", "city", "code", "income", "member"]]
    order = np.random.RandomState(0).permutation(60)  # as KFold(shuffle=True) goes about it
    test = np.isin(np.arange(60), order[:12])
    same = TabularRegressor(epochs=EPOCHS, random_state=0)
    weight = table["weight"].to_numpy(float)
    same.fit(X[~test], table["spent"][~test], sample_weight=weight[~test])
    errors = (same.predict(X[test]) - table["spent"][test]) ** 2
    expected = -np.sqrt(np.average(errors, weights=weight[test]))
    assert trials["mean_test_score"][0] == pytest.approx(expected, rel=1e-5)
    assert predicted(tmp_path, tmp_path / "t.csv", tmp_path / "o.csv").columns == ["prediction"]


# --- going on


def tune(folder, *more, out="model.skdeep"):
    given = ["tune", str(folder / "train.csv"), "--target", "bought", "--folds", "2"]
    return main([*given, "--out", str(folder / out), *more])


def test_an_interrupted_search_ends_where_it_would_have(tmp_path, monkeypatch, capsys):
    frame().to_csv(tmp_path / "train.csv", index=False)
    assert tune(tmp_path, "--n-iter", "3", out="whole.skdeep") == 0
    assert "\nroc_auc 0." in capsys.readouterr().out
    fit, n_fits = TabularClassifier.fit, [0]

    def interrupted(self, *args, **kwargs):
        n_fits[0] += 1
        if n_fits[0] == 2:  # in the first candidate, so that there is nothing to go on with
            raise KeyboardInterrupt
        return fit(self, *args, **kwargs)

    monkeypatch.setattr(TabularClassifier, "fit", interrupted)
    assert tune(tmp_path, "--n-iter", "3") == 130
    assert "the same command goes on" in told(capsys)
    assert not (tmp_path / "model.skdeep").exists()
    assert tune(tmp_path, "--n-iter", "3") == 0
    assert n_fits[0] == 2 + 5 + 1  # five of six were left, and that to all rows
    one, other = (load_search(tmp_path / f"{name}.skdeep.journal") for name in ("whole", "model"))
    np.testing.assert_array_equal(one.trials["mean_test_score"], other.trials["mean_test_score"])
    rows = pd.read_csv(tmp_path / "train.csv")
    models = [skdeep.load(tmp_path / f"{name}.skdeep") for name in ("whole", "model")]
    np.testing.assert_array_equal(*(m.predict_proba(rows[m.feature_names_in_]) for m in models))
    assert tune(tmp_path, "--n-iter", "4", "--force") == 0  # further, with what is known
    assert n_fits[0] == 8 + 2 + 1


def test_ctrl_c_in_the_last_fit_saves_no_half_model(tmp_path, monkeypatch, capsys):
    frame().to_csv(tmp_path / "train.csv", index=False)
    estimator, n_epochs = Data.estimator, [0]

    def press(state):
        n_epochs[0] += 1
        if n_epochs[0] == 2 * EPOCHS + 1:  # both folds are over
            signal.raise_signal(signal.SIGINT)

    def pressing(self, options):
        return estimator(self, options).set_params(callbacks=[press])

    monkeypatch.setattr(Data, "estimator", pressing)
    assert tune(tmp_path, "--n-iter", "1") == 130
    assert n_epochs[0] == 2 * EPOCHS + 1
    assert "the same command goes on" in told(capsys)
    assert not (tmp_path / "model.skdeep").exists()


def test_a_journal_of_another_table_or_command_is_refused(tuned, tmp_path, capsys):
    for name in ("model.skdeep.journal", "train.csv"):
        (tmp_path / name).write_bytes((tuned / name).read_bytes())
    words = ["--target", "bought", "--out", str(tmp_path / "model.skdeep")]
    train = str(tmp_path / "train.csv")
    for more in (["--folds", "1"], ["--drop", "spent"]):  # fewer or other columns, other splits
        assert main(["tune", train, *words, *more]) == 1
        text = told(capsys)
        assert "is the journal of another search" in text
        assert "delete this one" in text
    assert not (tmp_path / "model.skdeep").exists()


def test_a_budget_keeps_time_for_the_last_fit():
    # Two folds, one after another, of at most 4 s each; on all rows, half as many again, 6 s.
    seen = Namespace(
        fit_seconds=np.array([[4.0, 3.0], [np.nan, 1.0]]), n_splits=2, test_to_train=0.5
    )
    now = time.perf_counter()
    assert not Budget(now + 15, 1).reached(seen, None)
    assert Budget(now + 13, 1).reached(seen, None)
    assert not Budget(now + 13, 2).reached(seen, None)
    assert Budget(now + 9, 2).reached(seen, None)


def test_a_budget_too_short_for_a_search_gives_the_default(tmp_path, capsys):
    frame().to_csv(tmp_path / "train.csv", index=False)
    assert tune(tmp_path, "--time-budget", "0.01") == 0
    assert "there is no score" in capsys.readouterr().out
    assert not (tmp_path / "model.skdeep.journal").exists()
    assert tune(tmp_path, "--n-iter", "1", "--force") == 0
    capsys.readouterr()  # what a search has found counts, be there time for more or not
    assert tune(tmp_path, "--time-budget", "0.01", "--force") == 0
    assert "best of 1 candidates" in capsys.readouterr().out
    assert skdeep.load(tmp_path / "model.skdeep").learning_rate == TabularClassifier().learning_rate


@pytest.mark.slow  # as it measures time, of which a busy machine has less
def test_a_budget_ends_a_search_between_two_candidates(tmp_path, monkeypatch):
    frame().to_csv(tmp_path / "train.csv", index=False)
    seconds = 0.3
    fit = TabularClassifier.fit

    def slow(self, *args, **kwargs):
        time.sleep(seconds)
        return fit(self, *args, **kwargs)

    monkeypatch.setattr(TabularClassifier, "fit", slow)
    begun = time.perf_counter()
    budget = 30 * seconds
    assert tune(tmp_path, "--n-iter", "100", "--time-budget", str(budget)) == 0
    took = time.perf_counter() - begun
    assert took < budget + 2 * seconds
    assert 1 <= len(load_search(tmp_path / "model.skdeep.journal").trials) < 15


@pytest.mark.slow  # as it measures time, of which a busy machine has less
def test_the_time_of_a_fit_is_foretold(tmp_path):
    table = frame(400).rename(columns={"bought": "y"})
    given = data(tmp_path, table)
    estimator = given.estimator(Namespace(table="t.csv", seed=0)).set_params(epochs=400)
    foretold = seconds_to_fit(estimator, given)
    begun = time.perf_counter()
    estimator.fit(given.X, given.y)
    took = time.perf_counter() - begun
    assert took / 4 < foretold < 10 * took  # the probe has compiled, and calls back each epoch


# --- what becomes of columns


def data(folder, table, **options):
    """What a command makes of a table."""
    table.to_csv(folder / "t.csv", index=False)
    given = dict.fromkeys(["task", "weight", "group", "time", "folds"]) | {"seed": 0}
    given |= {"table": folder / "t.csv", "drop": [], "categorical": [], "target": "y"}
    return Data.read(Namespace(**given | options))


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["a", "b"] * 30, "classification"),
        ([True, False] * 30, "classification"),
        ([0, 1] * 30, "classification"),
        ([1.0, 2.0, 3.0] * 20, "classification"),
        (list(range(12)) * 5, "regression"),  # five rows each
        ([0.5, 1.5] * 30, "regression"),
        (list(range(60)), "regression"),
    ],
)
def test_the_task_is_told_by_the_target(tmp_path, values, task):
    table = pd.DataFrame({"x": range(60), "y": values})
    assert data(tmp_path, table).task == task


def test_the_task_may_be_given(tmp_path):
    table = pd.DataFrame({"x": range(60), "y": list(range(12)) * 5})
    assert data(tmp_path, table, task="classification").task == "classification"
    table["y"] = [0, 1] * 30
    assert data(tmp_path, table, task="regression").task == "regression"


def test_groups_stay_on_one_side(tmp_path):
    table = pd.DataFrame({"x": range(60), "g": list("abcdef") * 10, "y": [0.5, 1.5, 2.5] * 20})
    found = data(tmp_path, table, group="g")
    assert found.X.columns.tolist() == ["x"]
    assert len(found.splits) == 5
    for train, test in found.splits:
        assert not set(found.groups[train]) & set(found.groups[test])


@pytest.mark.parametrize("as_words", [False, True])
def test_the_past_predicts_the_future(tmp_path, as_words):
    when = np.random.default_rng(0).permutation(60)
    table = pd.DataFrame({"x": when, "when": when, "y": when + 0.5})
    if as_words:
        table["when"] = (pd.Timestamp("2026-01-01") + pd.to_timedelta(when, "D")).astype(str)
    found = data(tmp_path, table, time="when")
    assert found.X.columns.tolist() == ["x"]
    np.testing.assert_array_equal(found.y, np.arange(60) + 0.5)
    for train, test in found.splits:
        assert train.max() < test.min()
    last = data(tmp_path, table, time="when", folds=1).splits
    assert [test.tolist() for _, test in last] == [list(range(50, 60))]


def test_a_class_of_few_rows_is_learnt_in_every_split_and_scored(tmp_path):
    table = frame()
    table["bought"] = np.where(table["age"] > 60, "yes", np.where(table["age"] > 40, "no", "?"))
    table.loc[[0, 1], "bought"] = "rare"
    found = data(tmp_path, table, target="bought")
    for train, test in found.splits:
        assert {0, 1} <= set(train)
        assert not {0, 1} & set(test)
    table.to_csv(tmp_path / "train.csv", index=False)
    assert tune(tmp_path, "--n-iter", "1") == 0
    trials = load_search(tmp_path / "model.skdeep.journal").trials
    chance = log_loss([0], [[0.25] * 4], labels=range(4))
    assert -5 * chance < trials["mean_test_score"][0] < 0


def test_dates_in_strings_are_dates_and_numbers_may_be_names(tmp_path):
    table = frame().rename(columns={"bought": "y"})
    found = data(tmp_path, table, categorical=["age"])
    assert found.kinds == {"since": "date", "age": "categorical"}
    table.loc[5, "since"] = "2026-02-31"  # no date at all
    assert data(tmp_path, table).kinds == {}


def test_a_column_without_a_name_is_pointed_out(tmp_path):
    with pytest.warns(UserWarning, match="'Unnamed: 0' has no name in .*; if it has row numbers"):
        data(tmp_path, frame().rename(columns={"bought": "y"}).reset_index(names=""))


# --- what is refused


def without(name):
    return frame().drop(columns=name)


@pytest.mark.parametrize(
    ("table", "words", "reason"),
    [
        (frame(), ["--target", "bougth"], "has no column 'bougth'; did you mean bought?"),
        (frame(), ["--target", "bought", "--drop", "p", "q"], "has no columns 'p', 'q'"),
        (frame(), ["--target", "bought", "--weight", "bought"], "can be one of target, weight"),
        (frame(), ["--target", "income"], "lacks 'income' in 1 of 60 rows; fill it in, or leave"),
        (frame(), ["--target", "since"], "60 different values in 60 rows"),
        (
            frame(),
            ["--target", "bought", "--task", "regression"],
            "--task regression takes numbers",
        ),
        (frame(), ["--target", "spent", "--task", "classification"], "fractions"),
        (frame(), ["--target", "bought", "--weight", "city"], "lacks 'city' in 1 of 60"),
        (frame(), ["--target", "bought", "--weight", "code"], "numbers that are not negative"),
        (frame(), ["--target", "bought", "--time", "code"], "cannot be read as dates"),
        (frame(), ["--target", "bought", "--metric", "r2"], "r2 cannot score split 0 of 'bought'"),
        (frame(), ["--target", "spent", "--metric", "roc_auc"], "roc_auc cannot score split 0"),
        (frame().assign(bought="no"), ["--target", "bought"], "'no' in all rows"),
        (frame().assign(spent=1.5), ["--target", "spent"], "1.5 in all rows"),
        (frame().assign(spent=np.inf), ["--target", "spent"], "infinite"),
        (frame().assign(income=np.inf), ["--target", "bought"], "infinity, in the columns"),
        (frame()[["bought"]], ["--target", "bought"], "no column left"),
        (frame()[["bought"]].assign(x=1), ["--target", "bought"], "only constant columns"),
        (frame()[:0], ["--target", "bought"], "but no rows"),
        (frame().assign(g=1), ["--target", "spent", "--group", "g"], "cannot be split"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused_before_any_fit(
    table, words, reason, tmp_path, capsys
):
    table.to_csv(tmp_path / "t.csv", index=False)
    given = ["tune", str(tmp_path / "t.csv"), *words, "--out", str(tmp_path / "m.skdeep")]
    assert main(given) == 1
    text = told(capsys)
    assert reason in text
    assert len(text.strip().splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


@pytest.mark.parametrize("more", [[], ["--time-budget", "60"]])
def test_rows_that_are_too_few_for_a_fit_are_refused(tmp_path, more, capsys):
    table = pd.DataFrame({"x": range(8), "y": [0.5, 1.5] * 4})
    table.to_csv(tmp_path / "t.csv", index=False)
    words = ["tune", str(tmp_path / "t.csv"), "--target", "y", "--out", str(tmp_path / "m.skdeep")]
    assert main([*words, "--folds", "9", *more]) == 1
    assert "8 rows cannot be split" in told(capsys)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("none.csv", None, "No such file"),
        ("empty.csv", b"", "No columns to parse"),
        ("bytes.csv", b"\xff\xfe\x00,1\n", "cannot be read"),
        ("wide.csv", b"a,b\n1,2,3\n4,5,6\n", "more values than there are names"),
        ("ragged.csv", b"a,b\n1,2\n4,5,6\n", "Expected 2 fields in line 3"),
        ("cut.csv.gz", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xffK", "cannot be read"),
        ("none.csv.gz", b"a,b\n1,2\n", "Not a gzipped file"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path, name, content, reason, capsys):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    given = ["tune", str(tmp_path / name), "--target", "a", "--out", str(tmp_path / "m.skdeep")]
    assert main(given) == 1
    assert reason in told(capsys)


@pytest.mark.parametrize(
    "words",
    [
        ["tune", "t.csv", "--target", "y"],
        ["tune", "t.txt", "--target", "y", "--out", "m"],
        ["tune", "t.csv", "--target", "y", "--out", "m", "--metric", "roc_ac"],
        ["tune", "t.csv", "--target", "y", "--out", "m", "--n-iter", "0"],
        ["tune", "t.csv", "--target", "y", "--out", "m", "--time-budget", "-1"],
        ["tune", "t.csv", "--target", "y", "--out", "m", "--group", "a", "--time", "b"],
        ["predict", "m", "t.csv", "--out", "o.txt"],
    ],
)
def test_wrong_usage_exits_with_two(words, capsys):
    with pytest.raises(SystemExit, match=r"^2$"):
        main(words)
    assert "usage: " in told(capsys)


def test_places_that_cannot_be_written_are_refused_before_the_search(tuned, tmp_path, capsys):
    words = ["tune", str(tuned / "train.csv"), "--target", "bought", *SHORT]
    assert main([*words, "--out", str(tuned / "model.skdeep")]) == 1
    assert "is there already; give another --out, or --force" in told(capsys)
    assert main([*words, "--out", str(tmp_path / "none" / "m.skdeep")]) == 1
    assert "make the folder" in told(capsys)
    assert main([*words, "--out", str(tmp_path)]) == 1
    assert "is a folder" in told(capsys)
    assert main([*words, "--out", str(tuned / "train.csv"), "--force"]) == 1
    assert "named for two things" in told(capsys)
    model = str(tmp_path / "m.skdeep")
    assert main([*words, "--out", model, "--report", str(tuned / "new.csv")]) == 1
    assert "no report of a search" in told(capsys)
    assert main([*words, "--out", model, "--report", str(tmp_path / "none" / "r.html")]) == 1
    assert "make the folder" in told(capsys)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda new: new.rename(columns={"age": "Age"}), "no column 'age'; did you mean Age?"),
        (lambda new: new.drop(columns=["age", "city"]), "no columns 'age', 'city'"),
        (lambda new: new.assign(age="old"), "column 'age' holds strings"),
        (lambda new: new.assign(since="soon"), "column 'since' cannot be read as dates"),
        (lambda new: new[:0], "but no rows"),
    ],
)
def test_rows_that_the_model_does_not_know_are_refused(tuned, tmp_path, change, reason, capsys):
    change(pd.read_csv(tuned / "new.csv")).to_csv(tmp_path / "new.csv", index=False)
    words = [str(tuned / "model.skdeep"), str(tmp_path / "new.csv")]
    assert main(["predict", *words, "--out", str(tmp_path / "out.csv")]) == 1
    assert reason in told(capsys)
    assert not (tmp_path / "out.csv").exists()


def test_predictions_are_not_overwritten_unless_by_force(tuned, tmp_path, capsys):
    out = tmp_path / "out.csv"
    out.write_text("mine")
    words = ["predict", str(tuned / "model.skdeep"), str(tuned / "new.csv"), "--out", str(out)]
    assert main(words) == 1
    assert out.read_text() == "mine"
    assert main([*words, "--force"]) == 0
    assert len(pd.read_csv(out)) == 25


@pytest.mark.parametrize("content", [None, b"", b"skdeep estimator 1 5 abc\n", b"PK\x03\x04"])
def test_what_is_no_model_is_refused(tuned, tmp_path, content, capsys):
    if content is not None:
        (tmp_path / "m").write_bytes(content)
    words = [str(tmp_path / "m"), str(tuned / "new.csv"), "--out", str(tmp_path / "out.csv")]
    assert main(["predict", *words]) == 1
    assert str(tmp_path / "m") in told(capsys)


def test_a_model_that_knows_no_names_is_refused(tuned, tmp_path, capsys):
    model = TabularClassifier(epochs=1).fit(np.arange(20.0)[:, None], [0, 1] * 10)
    skdeep.save(model, tmp_path / "m")
    words = [str(tmp_path / "m"), str(tuned / "new.csv"), "--out", str(tmp_path / "out.csv")]
    assert main(["predict", *words]) == 1
    assert "not fitted to columns with names" in told(capsys)


def test_a_terminal_sees_exit_codes_and_no_tracebacks(tmp_path):
    code = "import sys; from skdeep.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "tune", "train.csv", "--target"]
    frame(400).to_csv(tmp_path / "train.csv", index=False)
    how = {"cwd": tmp_path, "stderr": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    refused = subprocess.run([*command, "city", "--out", "m.skdeep"], **how, check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("skdeep tune: train.csv lacks 'city' in 1 of 400 rows")
    with subprocess.Popen([*command, "bought", "--out", "m.skdeep"], **how) as process:
        while not (tmp_path / "m.skdeep.journal").exists() and process.poll() is None:
            time.sleep(0.05)
        time.sleep(1)
        os.kill(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on where it was, by m.skdeep.journal" in errors
    assert "Traceback" not in errors
