"""Kernel machines, against the kernels themselves and scikit-learn's exact solvers."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris, make_moons
from sklearn.kernel_approximation import PolynomialCountSketch, RBFSampler
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.metrics.pairwise import pairwise_kernels
from sklearn.model_selection import train_test_split
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import KernelCenterer, StandardScaler
from sklearn.svm import SVC

import skdeep
from skdeep import KernelClassifier, KernelRegressor, config_context

KERNELS = {
    "rbf": {"gamma": 0.1},
    "laplacian": {"gamma": 0.2},
    "polynomial": {"gamma": 0.2, "degree": 3, "coef0": 0.5},
}
CONVEX = {  # at the optimum: all rows in each step, Adam slowing down
    "epochs": 800,
    "batch_size": 1000,
    "learning_rate": 0.1,
    "learning_rate_schedule": "cosine",
    "random_state": 0,
}
each_kernel = pytest.mark.parametrize("kernel", sorted(KERNELS))
each_method = pytest.mark.parametrize("method", ["random", "nystroem"])


@pytest.fixture(scope="module")
def rows():
    """60 rows of 5 columns, and numbers to learn."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 5))
    return X, np.sin(X[:, 0]) + X[:, 1] * X[:, 2] + 3


@pytest.fixture(scope="module")
def moons():
    return make_moons(200, noise=0.2, random_state=0)


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def features(X, **parameters):
    """The features of rows that were there in the fit, in float64."""
    model = KernelRegressor(epochs=1, **{"random_state": 0} | parameters).fit(X, X[:, 0])
    return model.transform(X).astype(np.float64)


def error(Z, K):
    """Root mean square of the error of inner products, over pairs of different rows."""
    return np.sqrt(np.mean((Z @ Z.T - K)[~np.eye(len(K), dtype=bool)] ** 2))


def several(n_components, X, **parameters):
    return [features(X, n_components=n_components, random_state=i, **parameters) for i in range(4)]


# Features -------------------------------------------------------------------------------------


@each_kernel
def test_the_error_of_random_features_halves_with_four_times_as_many(rows, kernel):
    K = pairwise_kernels(rows[0], metric=kernel, **KERNELS[kernel])
    few, many = (
        np.mean([error(Z, K) for Z in several(n, rows[0], kernel=kernel, **KERNELS[kernel])])
        for n in (64, 1024)
    )
    assert 3 < few / many < 5.5
    assert many < 0.06 * np.abs(K).max()


@each_kernel
def test_with_all_rows_as_landmarks_the_kernel_is_exact(rows, kernel):
    K = pairwise_kernels(rows[0], metric=kernel, **KERNELS[kernel])
    given = {"kernel": kernel, "method": "nystroem", **KERNELS[kernel]}
    few, all_rows = (features(rows[0], n_components=n, **given) for n in (20, 80))
    assert_allclose(all_rows @ all_rows.T, K, atol=2e-5 * K.max())
    assert not all_rows[:, 60:].any()
    assert error(few, K) > 1e-3 * K.max()
    with config_context(precision="float64"):
        exact = features(rows[0], n_components=60, **given)
    assert_allclose(exact @ exact.T, K, atol=1e-9 * K.max())


def test_the_kernel_is_exact_between_landmarks_alone(rows):
    given = {"method": "nystroem", "n_components": 20, "gamma": 0.1}
    Z = features(rows[0], **given)
    wrong = np.abs(Z @ Z.T - pairwise_kernels(rows[0], metric="rbf", gamma=0.1)).diagonal()
    assert np.count_nonzero(wrong < 1e-5) == 20
    # What is projected only loses length.
    assert (np.sum(Z**2, axis=1) < 1 + 1e-5).all()


def test_orthogonal_frequencies_err_less_than_independent_ones(rows):
    X, K = rows[0], pairwise_kernels(rows[0], metric="rbf", gamma=0.05)
    ours = np.mean([error(Z, K) for Z in several(100, X, gamma=0.05)])
    samplers = [RBFSampler(gamma=0.05, n_components=100, random_state=i) for i in range(8)]
    theirs = np.mean([error(sampler.fit_transform(X), K) for sampler in samplers])
    assert ours < 0.6 * theirs


def test_a_sketch_errs_no_more_than_scikit_learns(rows):
    X, given = rows[0], KERNELS["polynomial"]
    K = pairwise_kernels(X, metric="polynomial", **given)
    ours = np.mean([error(Z, K) for Z in several(128, X, kernel="polynomial", **given)])
    sketches = [PolynomialCountSketch(n_components=128, random_state=i, **given) for i in range(8)]
    theirs = np.mean([error(sketch.fit_transform(X), K) for sketch in sketches])
    assert 0.6 < ours / theirs < 1.4


@pytest.mark.parametrize("kernel", ["rbf", "polynomial"])
def test_an_odd_number_of_features_is_right_on_average(rows, kernel):
    X, given = rows[0][:2], KERNELS[kernel]
    drawn = [
        features(X, kernel=kernel, n_components=3, random_state=i, **given) for i in range(300)
    ]
    products = np.array([Z @ Z[0] for Z in drawn])
    away = products.mean(axis=0) - pairwise_kernels(X[:1], X, metric=kernel, **given)[0]
    assert np.all(np.abs(away) < 4 * products.std(axis=0) / np.sqrt(len(drawn)))


def test_scale_is_the_gamma_of_svc(rows):
    X = 3 * rows[0] + 1
    model = KernelRegressor(epochs=1, n_components=4).fit(X, rows[1])
    assert model.gamma_ == pytest.approx(1 / (5 * X.var()))
    constant = KernelRegressor(epochs=1, n_components=4).fit(np.ones((9, 5)), np.arange(9))
    assert constant.gamma_ == 1 / 5


@each_method
@each_kernel
def test_with_gamma_scale_the_unit_of_X_does_not_matter(rows, kernel, method):
    given = {"kernel": kernel, "method": method, "n_components": 30}
    small, large = (features(unit * rows[0], **given) for unit in (1, 1000))
    assert_allclose(small @ small.T, large @ large.T, atol=1e-3 * (small**2).sum(axis=1).max())


@each_method
@pytest.mark.parametrize("kernel", ["rbf", "laplacian"])
def test_a_shift_of_all_rows_does_not_matter(rows, kernel, method):
    X = np.round(rows[0] * 8) / 8  # so that float32 holds the shifted rows
    given = {"kernel": kernel, "method": method, "n_components": 30}
    here, there = features(X, **given), features(X + 4096, **given)
    assert_allclose(here @ here.T, there @ there.T, atol=1e-3)


def test_features_keep_their_digits_whatever_the_precision_of_networks(rows):
    exact = features(rows[0], gamma=0.1, n_components=50)
    with config_context(precision="mixed_bfloat16"):
        rounded = features(rows[0], gamma=0.1, n_components=50)
    assert_allclose(rounded, exact, atol=1e-6)


@each_kernel
@each_method
def test_rows_count_by_their_weight(rows, kernel, method):
    X, y = rows[0][:30], rows[1][:30]
    weight = np.arange(30) % 3
    given = {"kernel": kernel, "method": method, "n_components": 8, "epochs": 20}
    weighted = KernelRegressor(random_state=0, **given).fit(X, y, sample_weight=weight)
    kept = weight > 0
    dropped = KernelRegressor(random_state=0, **given).fit(X[kept], y[kept], weight[kept])
    assert weighted.gamma_ == pytest.approx(dropped.gamma_, rel=1e-12)
    assert_allclose(weighted.predict(X), dropped.predict(X), rtol=1e-3)


# Losses ---------------------------------------------------------------------------------------


def test_the_squared_loss_is_ridge_regression_on_the_features(rows):
    X, y = rows
    alpha = 0.5
    ours = KernelRegressor(n_components=40, weight_decay=2 * alpha / len(X), **CONVEX).fit(X, y)
    Z = ours.transform(X)
    assert_allclose(ours.predict(X), Ridge(alpha).fit(Z, y).predict(Z), atol=5e-3 * y.std())


def test_minibatches_come_near_it(rows):
    X, y = np.tile(rows[0], (10, 1)), np.tile(rows[1], 10)
    alpha = 5.0
    given = CONVEX | {"batch_size": 50, "epochs": 100, "learning_rate": 0.02}
    ours = KernelRegressor(n_components=40, weight_decay=2 * alpha / len(X), **given).fit(X, y)
    Z = ours.transform(X)
    assert_allclose(ours.predict(X), Ridge(alpha).fit(Z, y).predict(Z), atol=0.02 * y.std())


@each_kernel
def test_all_landmarks_make_it_kernel_ridge_regression(rows, kernel):
    X, y = rows
    alpha, given = 0.5, KERNELS[kernel]
    ours = KernelRegressor(
        **{"kernel": kernel, "method": "nystroem", "n_components": 60} | given | CONVEX,
        weight_decay=2 * alpha / len(X),
    ).fit(X, y)
    # An intercept is ridge regression with all centred, in the kernel's space too.
    K = KernelCenterer().fit_transform(pairwise_kernels(X, metric=kernel, **given))
    theirs = KernelRidge(alpha=alpha, kernel="precomputed").fit(K, y - y.mean())
    assert_allclose(ours.predict(X), y.mean() + theirs.predict(K), atol=0.02 * y.std())


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_squared_loss_of_classes_is_the_ridge_classifier(iris, n_classes):
    X, y = iris[0][iris[1] < n_classes], iris[1][iris[1] < n_classes]
    alpha = 1.0
    ours = KernelClassifier(
        loss="squared", n_components=30, weight_decay=2 * alpha / len(X), **CONVEX
    ).fit(X, y)
    Z = ours.transform(X)
    theirs = RidgeClassifier(alpha=alpha).fit(Z, y)
    assert_allclose(ours.decision_function(X), theirs.decision_function(Z), atol=5e-3)
    assert_array_equal(ours.predict(X), theirs.predict(Z))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_logistic_loss_is_logistic_regression_on_the_features(iris, n_classes):
    X, y = iris[0][iris[1] < n_classes], iris[1][iris[1] < n_classes]
    ours = KernelClassifier(n_components=30, weight_decay=1 / len(X), **CONVEX).fit(X, y)
    Z = ours.transform(X)
    theirs = LogisticRegression(C=1.0, tol=1e-8, max_iter=1000).fit(Z, y)
    assert_allclose(ours.predict_proba(X), theirs.predict_proba(Z), atol=2e-3)


def test_the_hinge_with_all_landmarks_is_svc(moons):
    X, y = moons
    given = {"method": "nystroem", "n_components": 200, "gamma": 2.0, "loss": "hinge"}
    ours = KernelClassifier(**given, weight_decay=1 / len(X), **CONVEX).fit(X, y)
    theirs = SVC(C=1.0, gamma=2.0).fit(X, y)
    assert_allclose(ours.decision_function(X), theirs.decision_function(X), atol=0.05)


def test_each_of_several_classes_has_a_hinge_of_its_own(iris):
    X, y = iris
    given = {"method": "nystroem", "n_components": 150, "gamma": 0.5, "loss": "hinge"}
    ours = KernelClassifier(**given, weight_decay=1 / len(X), **CONVEX).fit(X, y)
    theirs = OneVsRestClassifier(SVC(C=1.0, gamma=0.5)).fit(X, y)
    assert_allclose(ours.decision_function(X), theirs.decision_function(X), atol=0.1)


def test_the_decision_approaches_that_of_svc_as_features_grow():
    X, y = load_digits(return_X_y=True)
    X, y = StandardScaler().fit_transform(X), y % 2  # odd digits
    train, other = slice(500), slice(500, 1500)
    svc = SVC(C=1.0).fit(X[train], y[train])
    given = CONVEX | {"epochs": 300, "loss": "hinge", "weight_decay": 1 / 500}
    agreement, distance = [], []
    for n_components in (30, 300, 3000):
        ours = KernelClassifier(n_components=n_components, **given).fit(X[train], y[train])
        agreement.append(np.mean(ours.predict(X[other]) == svc.predict(X[other])))
        away = ours.decision_function(X[other]) - svc.decision_function(X[other])
        distance.append(np.sqrt(np.mean(away**2)))
    assert agreement[0] < agreement[1] < agreement[2]
    assert agreement[2] > 0.97
    assert distance[0] > 2 * distance[1] > 4 * distance[2]


@pytest.mark.parametrize("loss", ["hinge", "squared"])
def test_labels_and_columns_of_classes_have_scores_too(iris, loss):
    X, y = iris
    model = KernelClassifier(loss=loss, n_components=100, epochs=60, random_state=0)
    labels = np.column_stack([y == 0, y > 0, y == 2]).astype(int)
    assert np.mean(model.fit(X, labels).predict(X) == labels) > 0.95
    columns = np.column_stack([y, y > 0])
    model.fit(X, columns)
    assert np.mean(model.predict(X) == columns) > 0.95
    assert [scores.shape for scores in model.decision_function(X)] == [(150, 3), (150, 2)]


@pytest.mark.parametrize("loss", ["hinge", "squared"])
def test_scores_are_no_probabilities(iris, loss):
    model = KernelClassifier(loss=loss, n_components=10, epochs=1).fit(*iris)
    for method in ("predict_proba", "predict_log_proba"):
        assert not hasattr(model, method)
        assert hasattr(KernelClassifier(), method)
    with pytest.raises(AttributeError, match="predict_proba") as error:
        model.predict_proba(iris[0])
    assert f"loss='{loss}' teaches scores" in str(error.value.__cause__)
    for wrong in ({"calibrate": True}, {"label_smoothing": 0.1}):
        with pytest.raises(ValueError, match=f"is for probabilities, but loss='{loss}'"):
            clone(model).set_params(**wrong).fit(*iris)


def test_a_regressor_may_learn_quantiles(rows):
    X, y = np.tile(rows[0], (5, 1)), np.tile(rows[1], 5)
    y = y + np.random.default_rng(0).normal(size=len(y))
    model = KernelRegressor(loss="quantile", n_components=100, epochs=100, random_state=0)
    low, high = model.fit(X, y).predict_quantiles(X, (0.1, 0.9)).T
    assert 0.7 < np.mean((low < y) & (y < high)) < 0.9


# Fits -----------------------------------------------------------------------------------------


@each_method
def test_parts_of_the_rows_are_learnt_with_the_features_of_the_first(iris, method):
    X, y = np.asarray(iris[0]), iris[1]
    model = KernelClassifier(method=method, n_components=40, batch_size=30, random_state=0)
    model.partial_fit(X[:50:5], y[:50:5], classes=[0, 1, 2])
    first = model.transform(X)
    for _ in range(40):
        for part in range(5):
            model.partial_fit(X[part::5], y[part::5])
    assert_array_equal(model.transform(X), first)
    assert model.score(X, y) > (0.95 if method == "random" else 0.8)


def test_fits_by_partial_fit_are_epochs_of_fit(iris):
    given = {"n_components": 50, "random_state": 0}
    by_parts = KernelClassifier(**given)
    for _ in range(3):
        by_parts.partial_fit(*iris)
    whole = KernelClassifier(epochs=3, **given).fit(*iris)
    assert_array_equal(by_parts.decision_function(iris[0]), whole.decision_function(iris[0]))


def test_going_on_with_another_kernel_is_refused(iris):
    model = KernelClassifier(n_components=10, epochs=1).fit(*iris)
    before = model.decision_function(iris[0])
    for name, value in {"gamma": 0.5, "coef0": 2.0, "degree": 2, "kernel": "laplacian"}.items():
        changed = pickle.loads(pickle.dumps(model)).set_params(**{name: value})
        with pytest.raises(ValueError, match=rf"{name}.*put it back, or fit a clone"):
            changed.partial_fit(*iris)
        assert_array_equal(changed.set_params(kernel="rbf").decision_function(iris[0]), before)
    model.set_params(gamma=model.gamma_).partial_fit(*iris)  # the same, by its number


@each_kernel
@each_method
def test_a_fit_survives_files_and_pickles(iris, kernel, method, tmp_path):
    given = {"kernel": kernel, "method": method, "loss": "hinge", "n_components": 20}
    model = KernelClassifier(epochs=2, random_state=0, **given).fit(*iris)
    skdeep.save(model, tmp_path / "kernel.skdeep")
    for copy in (skdeep.load(tmp_path / "kernel.skdeep"), pickle.loads(pickle.dumps(model))):
        assert copy.gamma_ == model.gamma_
        assert_array_equal(copy.decision_function(iris[0]), model.decision_function(iris[0]))
        assert not hasattr(copy, "predict_proba")
        copy.partial_fit(*iris)
    again = clone(model).fit(*iris)
    assert_array_equal(again.decision_function(iris[0]), model.decision_function(iris[0]))


def test_a_new_gamma_needs_no_new_program(iris):
    from skdeep import engine

    KernelClassifier(n_components=10, epochs=1, gamma=0.1).fit(*iris)
    before = engine.cache_info()
    narrow = KernelClassifier(n_components=10, epochs=1, gamma=50.0, random_state=0).fit(*iris)
    assert engine.cache_info().misses == before.misses
    Z = narrow.transform(iris[0])
    assert abs(Z[0] @ Z[60]) < 0.9


@pytest.mark.parametrize(("name", "hint"), [("C", "weight_decay=1"), ("alpha", "weight_decay=2")])
def test_the_names_of_other_penalties_lead_to_ours(name, hint):
    with pytest.raises(TypeError, match=f"here it is called {hint}"):
        KernelClassifier(**{name: 1.0})


def test_an_export_has_probabilities_only_where_the_loss_has(iris, tmp_path):
    from skdeep.engine.runtime import tf

    for loss in ("hinge", "logistic"):
        model = KernelClassifier(loss=loss, n_components=20, epochs=2).fit(*iris)
        skdeep.export(model, tmp_path / loss, format="saved_model")
        served = tf.saved_model.load(tmp_path / loss).signatures["serving_default"]
        found = served(rows=tf.constant(iris[0], tf.float32))
        assert_array_equal(found["labels"], model.predict(iris[0]))
        assert ("probabilities" in found) == (loss == "logistic")


@pytest.mark.parametrize("loss", ["logistic", "hinge", "squared"])
def test_defaults_come_near_svc(loss):
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(StandardScaler().fit_transform(X), y, random_state=0)
    model = KernelClassifier(loss=loss, random_state=0).fit(X, y)
    assert model.score(X_test, y_test) > SVC().fit(X, y).score(X_test, y_test) - 0.03


@pytest.mark.slow
def test_2000_random_features_learn_mnist(kept):
    data = kept("mnist")
    X, X_test = (data[f"X_{part}"].reshape(-1, 784) / np.float32(255) for part in ("train", "test"))
    model = KernelClassifier(n_components=2000, random_state=0).fit(X, data["y_train"])
    assert model.score(X_test, data["y_test"]) >= 0.96
