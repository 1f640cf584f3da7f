"""Entity embeddings: what vectors mean, on tables whose structure is known."""

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import orthogonal_procrustes
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GroupKFold, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.utils import estimator_checks

import skdeep
from skdeep import EntityEmbedding
from skdeep.tabular.entity_embedding import turned_onto


def planted(n=2000, n_categories=20, seed=0):
    """A column whose even categories have one effect and odd ones another, and its y."""
    rng = np.random.default_rng(seed)
    category = rng.integers(0, n_categories, n)
    X = pd.DataFrame({"city": [f"c{i}" for i in category]})
    return X, rng.random(n) < np.where(category % 2, 0.8, 0.2)


def company(n=2000, seed=0):
    """Products and shops of two kinds; a product is sold in shops of its kind, mostly."""
    rng = np.random.default_rng(seed)
    kind, crossed = rng.integers(0, 2, n), rng.random(n) < 0.1
    product = 2 * rng.integers(0, 6, n) + kind
    shop = 2 * rng.integers(0, 5, n) + (kind ^ crossed)
    return pd.DataFrame({"product": product, "shop": [f"shop{i}" for i in shop]})


def spread(vectors, labels):
    """Mean distance within groups, over that between them."""
    distances = np.linalg.norm(vectors[:, None] - vectors, axis=2)
    same = labels[:, None] == labels
    return distances[same & ~np.eye(len(labels), dtype=bool)].mean() / distances[~same].mean()


def parities(index):
    return np.array([int(str(name).lstrip("cshop")) % 2 for name in index])


def test_scikit_learns_checks_pass_by_cooccurrence_too():
    results = estimator_checks.check_estimator(
        EntityEmbedding(method="cooccurrence"), on_skip=None, on_fail=None
    )
    failed = {r["check_name"]: r["exception"] for r in results if r["status"] == "failed"}
    assert failed == {}


# By the target ----------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [(), (100,)])
@pytest.mark.parametrize("numbers", [False, True])
def test_categories_of_like_effect_are_near_to_each_other(sizes, numbers):
    X, y = planted()
    y = y + 0.5 * np.random.default_rng(0).normal(size=len(y)) if numbers else y
    model = EntityEmbedding(hidden_layer_sizes=sizes, random_state=0).fit(X, y)
    vectors = model.embeddings_["city"].drop("(unseen)")
    assert len(vectors) == 20
    assert spread(vectors.to_numpy(), parities(vectors.index)) < 0.5


def test_a_linear_model_on_vectors_comes_near_to_one_hot_columns():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 100, size=(4000, 2))
    effects = rng.normal(size=(2, 100))
    y = rng.random(4000) < 1 / (1 + np.exp(-effects[0][codes[:, 0]] - effects[1][codes[:, 1]]))
    one_hot = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression())
    embedded = make_pipeline(EntityEmbedding(n_components=2, random_state=0), LogisticRegression())
    best, ours = (
        cross_val_score(m, codes, y, cv=3, scoring="roc_auc").mean() for m in (one_hot, embedded)
    )
    assert best > 0.7
    assert best - 0.02 < ours


def test_counts_have_to_be_told():
    X, y = planted()
    counts = np.random.default_rng(0).poisson(np.where(y, 20, 5))
    model = EntityEmbedding(target_type="numbers", hidden_layer_sizes=(), random_state=0)
    Z = model.fit_transform(X, counts)
    means = pd.Series(counts).groupby(X["city"]).transform("mean")
    fitted = LinearRegression().fit(Z, counts).predict(Z)
    assert np.corrcoef(fitted, means)[0, 1] > 0.99
    labels = clone(model).set_params(target_type="classes").fit_transform(X, counts)
    np.testing.assert_array_equal(
        labels, clone(model).set_params(target_type="auto").fit_transform(X, counts)
    )
    assert not np.array_equal(labels, Z)


def test_the_settings_of_the_network_reach_it():
    X, y = planted(300)
    first = EntityEmbedding(random_state=0).fit_transform(X, y)
    np.testing.assert_array_equal(first, EntityEmbedding(random_state=0).fit_transform(X, y))
    for setting in (
        {"epochs": 5},
        {"batch_size": 50},
        {"learning_rate": 1e-3},
        {"hidden_layer_sizes": (8,)},
        {"random_state": 1},
    ):
        other = EntityEmbedding(**{"random_state": 0} | setting).fit_transform(X, y)
        assert not np.array_equal(first, other), setting


def test_weights_of_zero_are_as_rows_left_out():
    X, y = planted(150)
    kept = np.arange(150) % 3 > 0
    for method in ("target", "cooccurrence"):
        model = EntityEmbedding(method=method, min_frequency=3, random_state=0)
        both = X.assign(other=y)
        fewer = clone(model).fit(both[kept], y[kept]).transform(both)
        weighted = model.fit(both, y, sample_weight=kept.astype(float)).transform(both)
        np.testing.assert_allclose(weighted, fewer, atol=1e-5)


# Out of fold ------------------------------------------------------------------------------


def test_a_column_of_noise_deceives_unless_its_vectors_are_out_of_fold():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"id": rng.integers(0, 500, 1500), "x": rng.normal(size=1500)})
    y = rng.random(1500) < 1 / (1 + np.exp(-1.5 * X["x"]))

    def score(cv):
        embedding = EntityEmbedding(n_components=2, cv=cv, random_state=0)
        columns = make_column_transformer((embedding, ["id"]), ("passthrough", ["x"]))
        model = make_pipeline(columns, LogisticRegression())
        return cross_val_score(model, X, y, cv=3, scoring="roc_auc").mean()

    alone = cross_val_score(LogisticRegression(), X[["x"]], y, cv=3, scoring="roc_auc").mean()
    assert score(None) < alone - 0.08
    assert score(5) > alone - 0.02


def test_vectors_out_of_fold_do_not_know_their_own_y():
    X, y = planted(600)
    cv = KFold(3)
    model = EntityEmbedding(cv=cv, n_components=3, random_state=0)
    Z = model.fit_transform(X, y)
    test = next(cv.split(X))[1]
    other = y.copy()
    other[test] = ~y[test]
    # The whole fit, onto which vectors are turned, knows it: but for that they are the same.
    again = clone(model).fit_transform(X, other)

    def distances(rows):
        return np.linalg.norm(rows[:, None] - rows, axis=2)

    np.testing.assert_allclose(distances(again[test]), distances(Z[test]), atol=1e-4)
    assert not np.allclose(distances(model.transform(X)[test]), distances(Z[test]), atol=0.05)
    plain = EntityEmbedding(n_components=3, random_state=0).fit_transform(X, y)
    np.testing.assert_array_equal(model.transform(X), plain)


def test_vectors_out_of_fold_are_near_those_of_the_fit_on_all_rows():
    X, y = planted(3000)
    model = EntityEmbedding(cv=5, n_components=3, random_state=0)
    Z, whole = model.fit_transform(X, y), model.transform(X)
    assert np.square(Z - whole).sum() < 0.2 * np.square(whole - whole.mean(axis=0)).sum()


def test_turning_undoes_a_rotation_and_a_shift():
    rng = np.random.default_rng(0)
    goal, counts = rng.normal(size=(9, 3)), rng.integers(1, 5, 9).astype(float)
    rotation, _ = orthogonal_procrustes(rng.normal(size=(5, 3)), rng.normal(size=(5, 3)))
    counts[4] = 0
    moved = goal @ rotation + [1.0, -2.0, 3.0]
    np.testing.assert_allclose(turned_onto(moved, counts, goal), goal, atol=1e-12)
    moved[4] = 99  # what no row has decides nothing
    np.testing.assert_allclose(turned_onto(moved, counts, goal)[:4], goal[:4], atol=1e-12)


def test_rows_of_a_group_never_meet_their_own_fit():
    """Each group has a category of its own, which other folds have not: the mean vector."""
    X, y = planted(400)
    groups = X["city"].to_numpy()
    model = EntityEmbedding(cv=GroupKFold(4), n_components=2, random_state=0)
    Z = model.fit_transform(X, y, groups=groups)
    assert len(np.unique(Z.round(4), axis=0)) <= 4  # one vector for each fold
    with pytest.raises(ValueError, match="groups"):
        model.fit_transform(X, y)


def test_folds_that_leave_rows_out_are_refused():
    X, y = planted(60)
    folds = [(np.arange(30, 60), np.arange(20))]
    with pytest.raises(ValueError, match="some rows into no test fold"):
        EntityEmbedding(cv=folds).fit_transform(X, y)


# By company -------------------------------------------------------------------------------


def test_by_cooccurrence_vectors_are_those_of_the_closed_form():
    """Each a meets its own b alone: M of the pair is log(1 / p), and so is its singular value."""
    X = pd.DataFrame({"a": list("xxyyyyzz"), "b": list("kkllllmm")})
    model = EntityEmbedding(method="cooccurrence", n_components=3).fit(X)
    vectors = model.embeddings_["a"].drop("(unseen)").to_numpy()
    np.testing.assert_allclose(vectors @ vectors.T, np.diag(np.log([4.0, 2.0, 4.0])), atol=1e-6)


def test_by_cooccurrence_it_is_the_factored_information_of_pairs():
    X = company(300).assign(third=np.random.default_rng(1).integers(0, 3, 300))
    model = EntityEmbedding(method="cooccurrence", n_components=15, random_state=0).fit(X)
    one_hot = pd.get_dummies(X, columns=["product", "shop", "third"]).to_numpy(float)
    share = one_hot.mean(axis=0)
    with np.errstate(divide="ignore"):
        M = np.log((one_hot.T @ one_hot / len(X)) / np.outer(share, share)).clip(0)[:12]
    M[:, :12] = 0  # products do not meet products
    expected = (lambda U, S, _: U * S @ U.T)(*np.linalg.svd(M, full_matrices=False))
    vectors = model.embeddings_["product"].drop("(unseen)").to_numpy()
    np.testing.assert_allclose(vectors @ vectors.T, expected, atol=1e-4)


def test_by_cooccurrence_kinds_are_recovered_without_y():
    X = company()
    model = EntityEmbedding(method="cooccurrence", n_components=1, random_state=0).fit(X)
    for column in ("product", "shop"):
        vectors = model.embeddings_[column].drop("(unseen)")
        assert spread(vectors.to_numpy(), parities(vectors.index)) < 0.5


def test_by_cooccurrence_a_weight_is_a_number_of_rows():
    X = company(200)
    weight = np.random.default_rng(0).integers(0, 3, 200)
    model = EntityEmbedding(method="cooccurrence", n_components=2, random_state=0)
    weighted = clone(model).fit(X, sample_weight=weight).transform(X)
    repeated = model.fit(X.loc[np.repeat(np.arange(200), weight)]).transform(X)
    np.testing.assert_allclose(weighted, repeated, atol=1e-4)


# Codes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["target", "cooccurrence"])
def test_unseen_categories_get_the_vector_of_rare_ones(method):
    X = company().astype({"product": str})
    X.loc[:8, "product"] = [f"rare{i}" for i in range(9)]
    y = np.arange(len(X)) % 2
    new = pd.DataFrame({"product": ["rare3", "new", "0"], "shop": "shop1"})
    model = EntityEmbedding(method=method, min_frequency=2, random_state=0)
    rare, unseen, known = model.fit(X, y).transform(new)
    np.testing.assert_array_equal(rare, unseen)
    assert not np.array_equal(rare, known)
    mean = clone(model).set_params(min_frequency=None).fit(X, y)
    table = mean.embeddings_["product"]
    shares = X["product"].value_counts(normalize=True)
    expected = shares @ table.loc[shares.index].to_numpy()
    np.testing.assert_allclose(table.loc["(unseen)"], expected, atol=1e-6)


def test_missing_values_are_a_category_and_constant_columns_none():
    X, y = planted(500)
    X = X.assign(same="s", flag=np.arange(500) % 2 == 0)
    X.loc[y, "city"] = None
    model = EntityEmbedding(n_components=2, random_state=0).fit(X, y)
    assert [*model.embeddings_] == ["city", "flag"]
    assert model.embeddings_["city"].index[-1] == "(missing)"
    assert model.get_feature_names_out().tolist() == ["city_0", "city_1", "flag_0", "flag_1"]
    gap = model.transform(X[y][:1])
    np.testing.assert_array_equal(gap[0, :2], model.embeddings_["city"].loc["(missing)"])


def test_vectors_are_half_as_long_as_there_are_categories_or_as_told():
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, [3, 20, 200], size=(3000, 3)), rng.normal(size=3000)
    lengths = {None: [2, 10, 50], 4: [4, 4, 4], 7: [4, 7, 7]}
    for n_components, expected in lengths.items():
        model = EntityEmbedding(n_components=n_components, epochs=1, random_state=0).fit(X, y)
        assert [v.shape[1] for v in model.vectors_] == expected
        assert [name[:2] for name in model.get_feature_names_out()].count("x0") == expected[0]
    few = EntityEmbedding(method="cooccurrence", n_components=7).fit(X[:, :2])
    assert [v.shape[1] for v in few.vectors_] == [4, 4]  # no more than the other column tells


def test_integers_floats_and_names_are_the_same_categories():
    X, y = planted(300)
    numbers = X["city"].str[1:].astype(int)
    model = EntityEmbedding(random_state=0)
    first = model.fit_transform(numbers.to_frame(), y)
    np.testing.assert_array_equal(first, model.transform(numbers.astype(float).to_frame()))
    np.testing.assert_array_equal(first, clone(model).fit_transform(numbers.to_frame() + 5, y))


def test_saved_and_pickled_it_gives_the_same(tmp_path):
    X, y = planted(200)
    model = EntityEmbedding(min_frequency=2, cv=3, random_state=0).fit(X, y)
    skdeep.save(model, tmp_path / "model.skdeep")
    for again in (skdeep.load(tmp_path / "model.skdeep"), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(again.transform(X), model.transform(X))
        pd.testing.assert_frame_equal(again.embeddings_["city"], model.embeddings_["city"])
        again.fit(X, y)


# Refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "model", "message"),
    [
        (lambda X: X.assign(day=pd.Timestamp("2020-01-01")), {}, "column 'day' holds dates"),
        (lambda X: X.assign(x=np.inf), {}, "X contains infinity"),
        (lambda X: X.assign(city="c1"), {}, "X must have a column that varies"),
        (lambda X: X, {"method": "cooccurrence"}, "X must have two columns that vary"),
        (lambda X: X, {"min_frequency": 300}, "and min_frequency=300"),
        (lambda X: X, {"hidden_layer_sizes": (0,)}, "hidden_layer_sizes must hold"),
    ],
)
def test_what_cannot_be_is_refused(change, model, message):
    X, y = planted(200)
    model = EntityEmbedding(**model)
    with pytest.raises((ValueError, TypeError), match=message):
        model.fit(change(X), y)
    with pytest.raises(NotFittedError):
        model.transform(X)
    assert not hasattr(model, "n_features_in_")


def test_without_y_the_other_method_is_named():
    with pytest.raises(ValueError, match="without y set method='cooccurrence'"):
        EntityEmbedding().fit(planted(50)[0])
