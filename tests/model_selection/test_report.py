"""The page about a search: what it holds, how safely, and what a browser makes of it."""

import json
import re
import shutil
import textwrap
import time
import warnings
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import sklearn.neural_network as sklearn_networks
import skopt
from scipy.optimize import OptimizeResult
from scipy.special import expit
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier, StackingClassifier, VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.gaussian_process.kernels import ConstantKernel, Matern
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC

import skdeep.model_selection.looking.report as report
from skdeep import MLPClassifier
from skdeep.cli import main
from skdeep.model_selection import BayesSearchCV, SearchDisplay, When, load_search, minimize
from skdeep.model_selection.looking.sources import content_of
from skdeep.model_selection.looking.winner import _Writer, winner_code
from skdeep.model_selection.spaces import Space
from skdeep.optimizers import Adam
from skdeep.schedules import Cosine

HOSTILE = [
    "</script><script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "<!--",
    "]]>",
    "&amp;&lt;",
    "\"quotes' and `ticks`",
    "${document.title='owned'}",
    "{{data}}{{code}}",
    "\\u003c \\ / \n\r\t\x07",
    "\u2028\u2029",
    "emoji 🎉",
    "שלום עולם \u202e",
    "\ud800 alone",
]


class Page(HTMLParser):
    """Elements and texts of a page, as a browser takes it."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.texts, self._open = [], [], {}, []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes.append((tag, dict(attributes)))
        self._open.append(dict(attributes).get("id") or tag)

    def handle_data(self, data):
        key = self._open[-1] if self._open else ""
        self.texts[key] = self.texts.get(key, "") + data

    def handle_endtag(self, tag):
        if self._open:
            self._open.pop()

    @property
    def data(self):
        return json.loads(self.texts["data"])


class Fussy(SVC):
    """Refuses large C."""

    def fit(self, X, y):
        if self.C > 100:
            raise ValueError("C is <too> large & bad")
        return super().fit(X, y)


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


@pytest.fixture(scope="module")
def storage(tmp_path_factory):
    return tmp_path_factory.mktemp("journal") / "search.db"


@pytest.fixture(scope="module")
def search(iris, storage):
    space = {"C": (1e-3, 1e3, "log"), "kernel": ["rbf", "poly"], "shrinking": [True, False]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of each fit that fails
        return BayesSearchCV(Fussy(), space, n_iter=20, cv=3, random_state=0, storage=storage).fit(
            *iris
        )


@pytest.fixture(scope="module")
def hostile():
    """A result whose names and choices are as bad as can be."""
    choices = [*HOSTILE, None, (1, 2)]
    space = dict.fromkeys(HOSTILE, (0.0, 1.0)) | {"choice": choices}
    result = minimize(
        lambda p: p[HOSTILE[0]] + choices.index(p["choice"]),
        space,
        n_calls=20,
        surrogate="quasirandom",
        random_state=0,
    )
    return result, SearchDisplay.from_search(result)


# --- what it holds


def test_the_data_are_those_of_the_search(search, tmp_path):
    search.report(tmp_path / "report.html")
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    table, trials = search.cv_results_, page.data["trials"]
    assert page.data["best"] == search.best_index_
    assert page.data["names"] == ["C", "kernel", "shrinking"]
    assert len(trials) == 20
    for i, trial in enumerate(trials):
        folds = [table[f"split{k}_test_score"][i] for k in range(3)]
        if np.isnan(table["mean_test_score"][i]):
            assert (trial["score"], trial["state"]) == (None, "failed")
            assert trial["note"] == "ValueError: C is <too> large & bad"
        else:
            assert trial["score"] == pytest.approx(table["mean_test_score"][i])
            assert trial["folds"] == pytest.approx(folds)
            assert trial["std"] == pytest.approx(table["std_test_score"][i], abs=1e-7)
        assert trial["isDefault"] == table["is_default"][i]
        point = table["params"][i]
        assert trial["values"] == [
            pytest.approx(point["C"]),
            point["kernel"],
            str(point["shrinking"]),
        ]
        assert trial["u"][0] == pytest.approx((np.log10(point["C"]) + 3) / 6, abs=1e-6)
    shares = {each["label"]: each["share"] for each in page.data["importance"]}
    expected = SearchDisplay.from_search(search).importance()
    assert shares["C"] == pytest.approx(expected.set_index("parameter")["share"]["C"].iloc[0])
    text = " ".join(page.texts.values())
    for words in (
        "n_iter=20",
        "StratifiedKFold",
        "logarithmic",
        "scikit-learn",
        f"{search.best_score_:.5g}",
    ):
        assert words in text


def test_what_has_no_model_has_a_page_all_the_same():
    result = minimize(lambda p: np.nan, {"x": (0.0, 1.0)}, n_calls=3, random_state=0)
    data = Page(report.page_of(SearchDisplay.from_search(result))).data
    assert "needs 3 trials" in data["modelless"]
    assert [trial["state"] for trial in data["trials"]] == ["failed"] * 3
    assert data["best"] is None


def test_what_is_not_there_is_null():
    space = {"kind": ["a", "b"], "x": When("kind", "b", (0.0, 1.0)), "none": [None, 1]}
    result = minimize(lambda p: p.get("x", 0.5), space, n_calls=10, random_state=0)
    data = Page(report.page_of(SearchDisplay.from_search(result))).data
    axes = [axis["name"] for axis in data["axes"]]
    for trial, point in zip(data["trials"], result.x_iters):
        values = dict(zip(data["names"], trial["values"]))
        assert values["x"] == pytest.approx(point.get("x"))
        assert trial["u"][axes.index("x")] == pytest.approx(point.get("x"))
        assert values["none"] == str(point["none"]) or values["none"] == 1


def test_an_honest_score_stands_beside_the_best(search):
    content = replace(
        content_of(search),
        honest={"corrected": 0.91, "held out": 0.92},
        interval=(0.85, 0.97),
        caveats=["<why> not"],
    )
    page = report.page_of(SearchDisplay(content))
    assert "<dt>The same, corrected</dt><dd>0.91, 90%: 0.85 to 0.97</dd>" in page
    assert "<dt>The same, held out</dt><dd>0.92</dd>" in page
    assert "<dd>&lt;why&gt; not</dd>" in page


def test_trials_have_the_numbers_of_cv_results(search, storage):
    i = search.best_index_
    assert f"± {search.cv_results_['std_test_score'][i]:.2g} over 3 folds, trial {i}</dd>" in (
        report.page_of(SearchDisplay.from_search(search))
    )
    assert int(load_search(storage).means.idxmax()) == i


def nowhere(estimator, X, y):
    return np.nan


def test_where_none_has_succeeded_nothing_is_called_best(iris):
    with pytest.warns(UserWarning, match="non-finite"):
        search = GridSearchCV(SVC(), {"C": [1, 2, 3]}, scoring=nowhere, cv=2).fit(*iris)
    display = SearchDisplay.from_search(search)
    text = report.page_of(display)
    assert "<dt>Best score</dt><dd>No trial has succeeded</dd>" in text
    assert "Best score nan" not in text
    assert "plot &#x27;" not in text
    page = Page(text)
    (code,) = [each for _, each in page.attributes if each.get("id") == "winner"]
    assert "hidden" in code
    assert page.data["best"] is None
    assert page.data["modelless"].endswith("of 3 trials 0 have one, and 0 of these differ.")
    assert [trial["state"] for trial in page.data["trials"]] == ["failed"] * 3
    labels = [line.get_label() for line in display.plot("convergence").axes_[0].lines]
    assert "chosen" not in labels


def test_losses_that_are_lost_have_no_curve(iris):
    search = GridSearchCV(SVC(), {"C": [1, 2, 3, 4]}, cv=2).fit(*iris)
    curves = [[np.nan, np.inf], [np.nan, *[0.5] * 300], (), None]
    search.cv_results_["learning_curve"] = curves
    content = content_of(search)
    assert [*content.losses] == [1]
    data = report.data_of(SearchDisplay(content))
    assert data["losses"][1][0] == (2, 0.5)
    assert data["losses"][1][-1] == (301, 0.5)


def test_a_journal_tells_which_axes_are_logarithmic(storage):
    assert "number from 0.001 to 1000.0" in (space := content_of(storage).facts["Space"])
    assert space.count(", logarithmic") == 1
    assert "logarithmic" in space.split("C: ")[1]


def test_what_had_few_epochs_is_in_the_table_and_seen_in_full(search):
    partial = {i: np.array([[1, 0.2], [2, 0.5 + i / 10]]) for i in range(3)}
    content = replace(content_of(search), partial=partial)
    data = report.data_of(SearchDisplay(content))
    assert data["partialRange"] == pytest.approx((0.2, 0.7))
    assert data["partial"] == partial


def test_scores_that_hardly_differ_do_so_on_the_page():
    result = hardly_different()
    data = Page(report.page_of(SearchDisplay.from_search(result))).data
    expected = np.argsort(result.func_vals)
    np.testing.assert_array_equal(np.argsort([t["score"] for t in data["trials"]]), expected)


def hardly_different():
    return minimize(
        lambda p: 0.0669137 + 1e-9 * p["x"],
        {"x": (0.0, 1.0)},
        n_calls=9,
        surrogate="quasirandom",
        random_state=0,
    )


def test_titles_of_pages_are_escaped(iris):
    odd = type("<img src=x>", (SVC,), {"_get_param_names": SVC._get_param_names})
    search = GridSearchCV(odd(), {"C": [1, 2]}, cv=2).fit(*iris)
    page = Page(report.page_of(SearchDisplay.from_search(search)))
    assert "img" not in page.tags
    assert page.texts["title"] == "Search: <img src=x>"


def test_integers_that_javascript_cannot_hold_are_texts():
    numbers = [2**53, 2**53 + 1, -(2**60) - 1]
    result = OptimizeResult(
        space=Space({"n": numbers}), x_iters=[{"n": n} for n in numbers], func_vals=np.arange(3.0)
    )
    trials = Page(report.page_of(SearchDisplay.from_search(result))).data["trials"]
    values = [value for trial in trials for value in trial["values"]]
    assert values == [2**53, "9007199254740993", "-1152921504606846977"]


def test_each_of_twenty_parameters_has_its_mean():
    names = [f"x{i}" for i in range(21)]
    points = [dict(zip(names, row)) for row in np.random.default_rng(0).random((8, 21)).tolist()]
    result = OptimizeResult(
        space=Space(dict.fromkeys(names, (0.0, 1.0))),
        x_iters=points,
        func_vals=np.array([p["x0"] for p in points]),
    )
    axes = report.data_of(SearchDisplay.from_search(result))["axes"]
    assert ["dependence" in axis for axis in axes] == [True] * 20 + [False]


def test_the_guides_code_runs_from_top_to_bottom(tmp_path, monkeypatch):
    page = Path(__file__).parents[2] / "docs" / "guide" / "looking.rst"
    blocks = re.findall(
        r"^\.\. code-block:: python\n\n(.*?)(?=^\S)",
        page.read_text(encoding="utf-8"),
        flags=re.MULTILINE | re.DOTALL,
    )
    monkeypatch.chdir(tmp_path)
    found = {}
    for block in blocks:
        exec(textwrap.dedent(block), found)
    assert len(blocks) == 3
    assert sorted(each.name for each in tmp_path.iterdir())[0] == "report.html"
    assert len(found["display"].axes_) == 2


# --- safety


def test_hostile_names_and_values_are_text(hostile, tmp_path):
    result, display = hostile
    display.report(tmp_path / "report.html")
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert page.tags.count("script") == 2
    assert "img" not in page.tags
    assert page.data["names"] == result.space.names
    choices = [point["choice"] for point in result.x_iters]
    found = [trial["values"][-1] for trial in page.data["trials"]]
    assert found == [choice if isinstance(choice, str) else str(choice) for choice in choices]
    for name, value in zip(page.data["names"], page.data["trials"][0]["values"]):
        if name != "choice":
            assert value == pytest.approx(result.x_iters[0][name], rel=1e-6)
    assert "Infinity" not in page.texts["data"]
    assert "NaN" not in page.texts["data"]


@pytest.mark.parametrize("text", HOSTILE)
def test_json_within_a_script_is_read_back_as_it_was(text):
    data = {
        "text": text,
        text: [1.5, None, float("nan"), float("inf"), np.int64(3), np.float32(0.5)],
    }
    found = report.as_script(data)
    assert not set("<>&\u2028\u2029") & set(found)
    assert json.loads(found) == {"text": text, text: [1.5, None, None, None, 3, 0.5]}


def test_the_page_may_run_its_own_script_and_ask_for_nothing(search):
    text = report.page_of(SearchDisplay.from_search(search))
    page = Page(text)
    (policy,) = [
        attributes["content"]
        for tag, attributes in page.attributes
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    links = [a.get("src") or a.get("href") for _, a in page.attributes if "src" in a or "href" in a]
    assert all(link.startswith(("#", "data:")) for link in links)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)


def test_text_and_ground_differ_enough_to_be_read():
    css = report._part("page.css")

    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return np.dot(linear, [0.2126, 0.7152, 0.0722])

    light, dark = (dict(re.findall(r"--(\w+): (#\w{6})", css.split("@media")[k])) for k in (0, 1))
    for theme in (light, dark):
        for text in ("text", "soft", "accent", "model", "default", "focus"):
            for ground in ("ground", "panel"):
                a, b = sorted((luminance(theme[text]), luminance(theme[ground])))
                # WCAG 2.2, success criterion 1.4.3.
                assert (b + 0.05) / (a + 0.05) >= 4.5, (text, ground, theme)
        a, b = sorted((luminance(theme["text"]), luminance(theme["mark"])))
        assert (b + 0.05) / (a + 0.05) >= 4.5


# --- writing


def test_a_report_takes_the_place_of_an_earlier_one_only(search, storage, tmp_path):
    path = tmp_path / "report.html"
    search.report(path)
    first = path.read_bytes()
    search.report(str(path))
    assert path.read_bytes() == first
    notes = tmp_path / "notes.html"
    notes.write_text("<p>mine</p>")
    before = storage.read_bytes()
    for other in (notes, storage):
        with pytest.raises(FileExistsError, match="is a file, and no report of a search"):
            search.report(other)
    assert notes.read_text() == "<p>mine</p>"
    assert storage.read_bytes() == before


def test_a_place_that_cannot_be_is_refused_before_any_work(search, tmp_path, monkeypatch):
    monkeypatch.setattr(report, "page_of", lambda display: pytest.fail("it has begun"))
    with pytest.raises(FileNotFoundError, match=r"make the folder .*none.* first"):
        search.report(tmp_path / "none" / "report.html")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        search.report(tmp_path)
    with pytest.raises(IsADirectoryError, match=r"journal of a search is a file, but .* a folder"):
        SearchDisplay.from_search(tmp_path)


def test_a_path_may_begin_at_home(search, storage, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    search.report("~/report.html")
    assert (tmp_path / "report.html").exists()
    (tmp_path / "search.db").write_bytes(storage.read_bytes())
    assert len(content_of("~/search.db")) == 20


@pytest.mark.parametrize("every", ["-1", "nan", "inf", "soon"])
def test_a_time_that_cannot_be_waited_is_refused(storage, every, capsys):
    with pytest.raises(SystemExit):
        main(["search-status", str(storage), f"--every={every}"])
    assert (
        f"--every: must be seconds, from 0 to 86,400, but is '{every}'" in capsys.readouterr().err
    )


def test_an_error_leaves_an_earlier_report_as_it_was(search, tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    search.report(path)
    before = path.read_bytes()
    monkeypatch.setattr("os.fsync", lambda file: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        search.report(path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]


def test_a_search_that_was_not_fitted_has_no_report(tmp_path):
    with pytest.raises(NotFittedError):
        BayesSearchCV(SVC(), {"C": (1e-3, 1e3, "log")}).report(tmp_path / "report.html")


def test_the_command_line_writes_the_page_of_a_journal(search, storage, tmp_path, capsys):
    path = tmp_path / "report.html"
    assert main(["search-status", str(storage), "--html", str(path)]) == 0
    scores = [trial["score"] for trial in Page(path.read_text(encoding="utf-8")).data["trials"]]
    expected = search.cv_results_["mean_test_score"]
    np.testing.assert_allclose(np.array(scores, dtype=float), expected, rtol=1e-6)
    assert main(["search-status", str(storage), "--html", str(tmp_path / "none" / "x.html")]) == 1
    assert "make the folder" in capsys.readouterr().err


# --- the code


def rebuilt(content):
    """What the code makes, in a namespace of its own."""
    namespace = {}
    exec(winner_code(content), namespace)
    return namespace


@pytest.mark.parametrize(
    ("model", "space"),
    [
        (SVC(random_state=0), {"C": [0.5], "class_weight": [{0: 1.0, 1: 2.5, 2: 1.0}]}),
        (
            make_pipeline(StandardScaler(), SVC()),
            {"svc__C": (1e-3, 1e3, "log"), "standardscaler": ["passthrough", PCA(3)]},
        ),
        (
            make_pipeline(
                ColumnTransformer(
                    [("a", PCA(2), [0, 1]), ("b", FunctionTransformer(np.log1p), slice(2, 4))],
                    remainder="drop",
                ),
                StackingClassifier([("forest", RandomForestClassifier(3)), ("svm", SVC())]),
            ),
            {"stackingclassifier__final_estimator": [LogisticRegression(C=0.5)]},
        ),
        (
            MLPClassifier(epochs=1, random_state=0, optimizer=Adam(beta_2=0.95)),
            {
                "hidden_layer_sizes": [(8,), (4, 4)],
                "learning_rate": (1e-3, 1e-1, "log"),
                "learning_rate_schedule": [Cosine(1)],
            },
        ),
        (SVC(), {"gamma": [np.float64(0.1), np.float32(0.5)], "tol": [1e-3]}),
    ],
)  # fmt: skip
def test_the_code_builds_the_winner(model, space, iris):
    search = BayesSearchCV(model, space, n_iter=3, cv=2, random_state=0).fit(*iris)
    found = rebuilt(content_of(search))["model"]
    # Equal to the last bit of each number, since repr is.
    assert repr_of(found) == repr_of(search.best_estimator_)
    if not isinstance(model, MLPClassifier):
        expected = search.predict(iris[0])
        if "forest" not in repr(model):
            np.testing.assert_array_equal(found.fit(*iris).predict(iris[0]), expected)


def repr_of(estimator):
    text = estimator.__repr__(N_CHAR_MAX=10**6)
    return re.sub(r"np\.float\d+\(([^)]*)\)", lambda number: str(float(number[1])), text)


def test_what_has_no_code_is_to_be_filled_in(iris):
    generator = np.random.RandomState(0)
    search = GridSearchCV(
        make_pipeline(FunctionTransformer(lambda X: X), SVC(random_state=generator)),
        {"svc__C": [1.0]},
    ).fit(*iris)
    code = winner_code(content_of(search))
    assert "value_1 = ...  # fill in: <function" in code
    assert "fill in: RandomState" in code
    compile(code, "code", "exec")


def evaluated(value):
    """What the code of a value makes, and the code."""
    writer = _Writer()
    body = writer.code(value)
    code = "\n".join([*writer.preamble(), f"model = {body}"])
    namespace = {}
    exec(compile(code, "code", "exec"), namespace)
    return namespace["model"], code


class Odd(BaseEstimator):
    """Its parameters have names that Python has no room for."""

    def __init__(self, **given):
        self.given = given

    def get_params(self, deep=True):
        return self.given


def test_things_of_one_name_are_told_apart():
    model, code = evaluated(
        VotingClassifier([("a", sklearn_networks.MLPClassifier()), ("b", MLPClassifier())])
    )
    assert [type(each) for _, each in model.estimators] == [
        sklearn_networks.MLPClassifier,
        MLPClassifier,
    ]
    local = type("MLPClassifier", (SVC,), {"__module__": "__main__"})
    model, code = evaluated([MLPClassifier, local, local, sklearn_networks.MLPClassifier])
    assert model == [MLPClassifier, ..., ..., sklearn_networks.MLPClassifier]
    assert code.count("fill in") == 1


@pytest.mark.parametrize(
    "value",
    [
        FunctionTransformer(expit),
        FunctionTransformer(np.log1p, np.expm1),
        FunctionTransformer(np.mean),
        OneHotEncoder(categories=[np.array(["a", "bcd"]), np.array([1.5], dtype="f4")]),
        [np.longdouble("0.1"), np.datetime64("2020-01-01"), np.timedelta64(3, "D")],
        np.array([[1, 2], [3, 4]], dtype=">i2"),
        np.array(["x", "yy"], dtype="U9"),
        (SVC, len, Odd(**{"<script>alert(1)</script>": 10.0, "class": SVC(C=2), "plain": 1})),
        {"slice": slice(None, 2), ("a",): {3, 1, 2}, "none": [None, ..., range(3), float("inf")]},
        Matern(length_scale=[0.5, 2.0]) + ConstantKernel(2.0),
    ],
    ids=lambda value: repr(value)[:30],
)  # fmt: skip
def test_code_makes_an_equal_value(value):
    found, code = evaluated(value)
    assert "fill in" not in code
    if isinstance(value, np.ndarray):
        np.testing.assert_array_equal(found, value, strict=True)
    assert repr(found) == repr(value)


@pytest.mark.parametrize(
    "value",
    [np.empty((0, 3)), np.array([None, 1]), np.zeros(1000), 1 + 2j, lambda: 0, type(None), *HOSTILE,
     type("a b", (), {"__module__": "no-name"}), type("class", (), {"__module__": "\0"}),
     np.random.default_rng, "a".upper],
    ids=repr,
)  # fmt: skip
def test_code_of_anything_is_python(value):
    found, code = evaluated({"key": value, value if isinstance(value, str) else "other": [value]})
    if "fill in" in code:
        assert code.count("\n") <= 3
    else:
        assert found["key"] == value


def test_numbers_and_texts_of_scikit_optimize_are_pythons():
    space = [skopt.space.Categorical(["linear", "rbf"], name="kernel"), skopt.space.Real(0.1, 1)]
    points = [[np.str_("rbf"), np.float64(0.25)], [np.str_("linear"), np.float64(0.5)]]
    result = OptimizeResult(
        space=skopt.space.Space(space), x_iters=points, func_vals=np.array([1.0, 2.0])
    )
    assert "np" not in winner_code(content_of(result))
    assert rebuilt(content_of(result))["point"] == ["rbf", 0.25]


def test_the_code_of_a_result_or_journal_is_its_point(search, storage):
    result = minimize(lambda x: x[0] ** 2, [(-1.0, 1.0), ["a", "b"]], n_calls=4, random_state=0)
    assert rebuilt(content_of(result))["point"] == result.x
    assert rebuilt(content_of(storage))["params"] == search.best_params_


# --- a browser


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def browser():
    """Chromium without a window, which logs what it asks for."""
    selenium = pytest.importorskip("selenium.webdriver", reason="needs selenium to steer a browser")
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    driver = shutil.which("chromedriver")
    if not (found and driver):
        pytest.skip("needs chromium and chromedriver: apt-get install chromium chromium-driver")
    options = selenium.ChromeOptions()
    options.binary_location = found
    for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-gpu"):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = selenium.Chrome(options=options, service=selenium.ChromeService(driver))
    yield chrome
    chrome.quit()


def opened(browser, display, path, *, dark=False, width=1200):
    """The page in the browser; seconds until it can be used, and addresses that it asked for."""
    if not path.exists():
        report.write_report(display, path)
    media = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get_log("performance")
    browser.get(path.as_uri())
    assert browser.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]
    milliseconds = browser.execute_script(
        "const t = performance.getEntriesByType('navigation')[0]; return t.domComplete"
    )
    return milliseconds / 1000, [url for url in asked if not url.startswith("data:")]


def texts(browser, column):
    return browser.execute_script(
        "return [...document.querySelectorAll('#rows > tr:not(.detail)')]"
        f".filter(row => !row.hidden).map(row => row.cells[{column}].textContent)"
    )


def marked(browser):
    """The trials whose rows are marked, and how many pictures have a ring."""
    return browser.execute_script(
        "return [[...document.querySelectorAll('tr.marked')].map(row => row.cells[0].textContent),"
        "document.querySelectorAll('svg .ring').length]"
    )


def test_a_browser_shows_all_and_asks_for_nothing(browser, search, tmp_path):
    path = tmp_path / "report.html"
    _, asked = opened(browser, SearchDisplay.from_search(search), path)
    assert asked == [path.as_uri()]
    assert len(texts(browser, 0)) == 20
    pictures = browser.execute_script(
        "return [...document.querySelectorAll('figure svg')].map("
        "svg => [svg.children.length, svg.getAttribute('role'), svg.getAttribute('aria-label')])"
    )
    assert len(pictures) == 4
    for n_parts, role, label in pictures:
        assert n_parts > 5
        assert role == "img"
        assert len(label) > 20


def test_tables_are_sorted_with_the_mouse_and_the_keyboard(browser, search, tmp_path):
    from selenium.webdriver.common.keys import Keys

    opened(browser, SearchDisplay.from_search(search), tmp_path / "report.html")
    buttons = browser.find_elements("css selector", "thead button")
    buttons[1].click()
    scores = texts(browser, 1)
    numbers = [float(score) for score in scores if score]
    assert numbers == sorted(numbers, reverse=True)  # the best first
    assert scores[len(numbers) :] == [""] * (20 - len(numbers))  # failures last
    headers = browser.find_elements("css selector", "thead th")
    assert headers[1].get_attribute("aria-sort") == "descending"
    buttons[1].send_keys(Keys.ENTER)
    assert [float(score) for score in texts(browser, 1) if score] == numbers[::-1]
    assert headers[1].get_attribute("aria-sort") == "ascending"
    buttons[2 + 1].send_keys(Keys.ENTER)
    values = [float(value) for value in texts(browser, 3)]
    assert values == sorted(values)
    assert headers[1].get_attribute("aria-sort") is None


def test_rows_are_filtered_by_words_and_conditions(browser, search, tmp_path):
    opened(browser, SearchDisplay.from_search(search), tmp_path / "report.html")
    field = browser.find_element("id", "filter")
    table = search.cv_results_
    field.send_keys("poly C>=1")
    expected = [p["kernel"] == "poly" and p["C"] >= 1 for p in table["params"]]
    assert texts(browser, 0) == [str(i) for i in np.flatnonzero(expected)]
    assert browser.find_element("id", "count").text == f"{sum(expected)} of 20"
    faint = browser.execute_script(
        "return document.querySelector('figure svg').querySelectorAll('.out').length"
    )
    assert faint == 20 - sum(expected)
    at = browser.execute_script(  # what is filtered out cannot be pointed at
        "return [...plots[0].marks.keys()].filter(i => {"
        "const mark = plots[0].marks.get(i).getBBox();"
        "return plots[0].nearest(mark.x + mark.width / 2, mark.y + mark.height / 2) === i})"
    )
    assert sorted(at) == [*np.flatnonzero(expected)]
    field.clear()
    field.send_keys("large & bad")
    assert len(texts(browser, 0)) == np.isnan(table["mean_test_score"]).sum() > 0


def test_a_row_opens_to_its_folds(browser, search, tmp_path):
    opened(browser, SearchDisplay.from_search(search), tmp_path / "report.html")
    button = browser.find_element("css selector", "#rows button")
    assert button.get_attribute("aria-expanded") == "false"
    button.click()
    assert button.get_attribute("aria-expanded") == "true"
    cells = browser.find_elements("css selector", "tr.detail td.number")
    folds = [search.cv_results_[f"split{k}_test_score"][0] for k in range(3)]
    assert [float(cell.text) for cell in cells] == pytest.approx(folds, rel=1e-4)
    browser.find_elements("css selector", "thead button")[1].click()  # which stays by its row
    before = browser.execute_script(
        "return document.querySelector('tr.detail').previousSibling.cells[0].textContent"
    )
    assert before == "0"
    button.click()
    assert not browser.find_elements("css selector", "tr.detail")


def test_a_trial_is_marked_in_all_pictures_and_in_the_table(browser, search, tmp_path):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    opened(browser, SearchDisplay.from_search(search), tmp_path / "report.html")
    first = browser.find_element("css selector", "figure svg")
    scores = search.cv_results_["mean_test_score"]
    i = int(np.flatnonzero(np.isfinite(scores))[-1])
    circle = browser.execute_script(
        "const box = arguments[0].getBoundingClientRect(), at = plots[0].marks.get(arguments[1])"
        ".getBoundingClientRect(); return [at.x + at.width / 2 - box.x - box.width / 2,"
        "at.y + at.height / 2 - box.y - box.height / 2]",
        first,
        i,
    )
    move = ActionChains(browser).move_to_element_with_offset(first, *map(int, circle))
    move.perform()
    assert marked(browser) == [[str(i)], 3]
    tip = browser.find_element("id", "tip").text
    assert tip.startswith(f"Trial {i}")
    assert f"kernel: {search.cv_results_['params'][i]['kernel']}" in tip
    ActionChains(browser).click().move_to_element(browser.find_element("tag name", "h1")).perform()
    assert marked(browser) == [[str(i)], 3]  # a click keeps it
    ActionChains(browser).send_keys(Keys.ESCAPE).perform()
    assert marked(browser) == [[], 0]
    browser.find_element("css selector", "#rows button").send_keys("")  # the focus alone
    browser.execute_script("document.querySelector('#rows button').focus()")
    assert marked(browser) == [["0"], 3]


def test_hostile_text_is_shown_as_text(browser, hostile, tmp_path):
    _, display = hostile
    opened(browser, display, tmp_path / "report.html")
    assert browser.title == "Minimisation"
    headers = browser.execute_script(
        "return [...document.querySelectorAll('thead button')]"
        ".map(each => each.textContent.toWellFormed())"
    )
    assert headers[2 : 2 + len(HOSTILE)] == [*HOSTILE[:-1], "\ufffd alone"]
    assert browser.execute_script("return document.querySelectorAll('main img').length") == 0


def test_pictures_and_table_fit_narrow_and_wide_screens_light_and_dark(browser, search, tmp_path):
    grounds = []
    for dark, width in ((False, 1400), (True, 360)):
        opened(
            browser, SearchDisplay.from_search(search), tmp_path / "r.html", dark=dark, width=width
        )
        script = "return document.documentElement.scrollWidth"
        assert browser.execute_script(script) <= width
        widths = browser.execute_script(
            "return [...document.querySelectorAll('figure')].map(each => each.clientWidth)"
        )
        assert max(widths) <= width
        grounds.append(
            browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        )
    assert grounds == ["rgb(255, 255, 255)", "rgb(20, 24, 31)"]


def test_the_keyboard_reaches_all_in_order(browser, search, tmp_path):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    opened(browser, SearchDisplay.from_search(search), tmp_path / "report.html")
    seen = []
    for _ in range(6):
        ActionChains(browser).send_keys(Keys.TAB).perform()
        seen.append(
            browser.execute_script(
                "const e = document.activeElement; return [e.textContent.slice(0, 19) || e.id,"
                "getComputedStyle(e).outlineStyle]"
            )
        )
    assert [words for words, _ in seen[:3]] == [
        "Skip to the picture",
        "Skip to the trials",
        "Skip to the code",
    ]
    assert seen[4][0] == "filter"
    assert all(outline != "none" for _, outline in seen)


def pointed_at(browser, number, i):
    """Move to a trial's mark in a picture; returns what the tip says."""
    from selenium.webdriver.common.action_chains import ActionChains

    svg = browser.find_elements("css selector", "figure svg")[number]
    at = browser.execute_script(
        "arguments[0].scrollIntoView({block: 'center'});"
        "const box = arguments[0].getBoundingClientRect(), at = plots[arguments[1]].marks"
        ".get(arguments[2]).getBoundingClientRect(); return ["
        "at.x + at.width / 2 - box.x - box.width / 2,"
        "at.y + at.height / 2 - box.y - box.height / 2]",
        svg,
        number,
        i,
    )
    ActionChains(browser).move_to_element_with_offset(svg, *map(round, at)).perform()
    return browser.find_element("id", "tip")


def test_a_hostile_trial_that_is_pointed_at_is_told_of_as_text(browser, hostile, tmp_path):
    _, display = hostile
    opened(browser, display, tmp_path / "report.html")
    tip = pointed_at(browser, 0, 5)
    words = browser.execute_script("return arguments[0].textContent.toWellFormed()", tip)
    assert "<img src=x onerror=" in words
    assert browser.execute_script("return arguments[0].children.length", tip) == 0
    assert browser.title == "Minimisation"


def heights(browser, number, which):
    """Heights of the corners of each trial's line, by trial."""
    found = browser.execute_script(
        "return [...plots[arguments[0]].marks].map(([i, mark]) =>"
        "[i, (mark.querySelector('path') ?? mark).getAttribute('d')])",
        number,
    )
    return {i: float(re.findall(r"[ML]\S+ ([-\d.]+)", d)[which]) for i, d in found}


def test_larger_values_stand_higher(browser, search, tmp_path):
    opened(browser, SearchDisplay.from_search(search), tmp_path / "report.html")
    found = heights(browser, 1, 0)
    assert len(found) > 10
    C = {i: search.cv_results_["params"][i]["C"] for i in found}
    assert sorted(found, key=lambda i: -found[i]) == sorted(C, key=C.get)
    scores = {i: search.cv_results_["mean_test_score"][i] for i in found}
    found = heights(browser, 1, -1)
    order = np.array([scores[i] for i in sorted(found, key=lambda i: -found[i])])
    assert (np.diff(order[order > 0.9]) >= 0).all()


def test_curves_and_honest_scores_on_the_page(browser, search, tmp_path):
    partial = {i: np.array([[1, 0.2], [2, 0.5 + i / 10], [4, 0.9]]) for i in range(4)}
    partial[5] = np.array([[1, -1e6], [2, 0.4]])
    content = replace(
        content_of(search),
        partial=partial,
        losses={3: np.array([2.0, 1.0, np.nan]), 4: np.array([0.5])},
        honest={"corrected": 0.95, "held out": 0.951},
        interval=(0.9, 0.99),
    )
    opened(browser, SearchDisplay(content), tmp_path / "report.html")
    found = heights(browser, 4, 0)
    assert found[0] == found[3] > heights(browser, 4, 1)[0]
    assert found[5] == max(found.values())
    arrows = browser.execute_script(
        "return [...plots[4].marks].map(([i, mark]) =>[i, mark.querySelectorAll('.failed').length])"
    )
    assert dict(arrows) == {0: 0, 1: 0, 2: 0, 3: 0, 5: 1}
    captions = [each.text for each in browser.find_elements("css selector", "figcaption")]
    assert "dashed: the best, corrected; dotted: the best, held out" in captions[0]
    assert "arrow: beyond the picture" in captions[4]
    assert captions[5].startswith("Loss by epoch\nof rows held out where the network had any")
    first = browser.find_element("css selector", "figure svg")  # has no words but numbers
    words = [each.text for each in first.find_elements("css selector", "text")]
    assert {word for word in words if not re.fullmatch(r"[-\d.]+", word)} == {"trial"}
    headers = [each.text for each in browser.find_elements("css selector", "thead button")]
    k = headers.index("epochs")
    assert headers[k + 1] == "score by then"
    assert texts(browser, k)[:6] == ["4", "4", "4", "4", "", "2"]
    assert texts(browser, k + 1)[:6] == ["0.9", "0.9", "0.9", "0.9", "", "0.4"]


def test_ticks_that_hardly_differ_are_told_apart(browser, tmp_path):
    display = SearchDisplay.from_search(hardly_different())
    opened(browser, display, tmp_path / "report.html", width=360)
    for number in range(3):
        words = browser.execute_script(
            "return [...plots[arguments[0]].svg.querySelectorAll('text')].map(e => e.textContent)",
            number,
        )
        ticks = [word for word in words if word.startswith("0.0669137")]
        assert len(ticks) == len(set(ticks)) > 1
        steps = np.diff(np.array(ticks, dtype=float))
        np.testing.assert_allclose(steps, steps[0], rtol=1e-3)
    ends = browser.execute_script(
        "return [...document.querySelectorAll('figure')].flatMap(figure => [...figure."
        "querySelectorAll('svg text')].map(each => [each.getBoundingClientRect().left -"
        "figure.getBoundingClientRect().left, figure.getBoundingClientRect().right -"
        "each.getBoundingClientRect().right]))"
    )
    assert np.min(ends) >= 0  # none leaves its picture


@pytest.fixture(scope="module")
def large():
    """Of 500 trials and nine parameters."""
    rng = np.random.default_rng(0)
    numbers = [f"x{i}" for i in range(8)]
    space = Space(dict.fromkeys(numbers, (0.0, 1.0)) | {"kind": ["a", "b"]})
    points = [space.decode(u) for u in space.sample(500, rng)]
    values = np.array([sum(i * p[name] for i, name in enumerate(numbers)) for p in points])
    return SearchDisplay.from_search(OptimizeResult(space=space, x_iters=points, func_vals=values))


def test_five_hundred_trials_make_a_small_page(browser, large, tmp_path):
    path = tmp_path / "report.html"
    opened(browser, large, path)
    assert path.stat().st_size < 3e6
    browser.find_elements("css selector", "thead button")[2].click()
    values = [float(value) for value in texts(browser, 2)]
    assert len(values) == 500
    assert all(a <= b for a, b in pairwise(values))


@pytest.mark.slow  # as it measures time, of which a busy machine has less
def test_five_hundred_trials_are_there_within_a_second(browser, large, tmp_path):
    path = tmp_path / "report.html"
    seconds = [opened(browser, large, path)[0] for _ in range(5)]
    print(f"can be used after {np.median(seconds):.2f} s, of five")
    assert np.median(seconds) < 1
    start = time.perf_counter()
    browser.find_elements("css selector", "thead button")[2].click()
    assert time.perf_counter() - start < 1
