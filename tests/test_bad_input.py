"""Bad input: a clear error before any training, and the estimator as it was."""

import re

import keras
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from skdeep import (
    CNNClassifier,
    CNNRegressor,
    FitDivergedError,
    GaussianProcessRegressor,
    MLPClassifier,
    MLPRegressor,
    RNNClassifier,
    RNNRegressor,
    engine,
)

N = 30
CLASSIFIERS = [MLPClassifier, CNNClassifier, RNNClassifier]
ESTIMATORS = [*CLASSIFIERS, MLPRegressor, CNNRegressor, RNNRegressor]
CNNS = [CNNClassifier, CNNRegressor]
FREE = [MLPClassifier, MLPRegressor, *CNNS]  # not bounded as the states of RNNs are

each_estimator = pytest.mark.parametrize("estimator", ESTIMATORS)
each_classifier = pytest.mark.parametrize("classifier", CLASSIFIERS)
each_cnn = pytest.mark.parametrize("cnn", CNNS)


@pytest.fixture(scope="module")
def rows():
    """Rows of 16 columns, which are images of 4 x 4 as well, and two classes."""
    rng = np.random.default_rng(0)
    return rng.random((N, 16)).astype(np.float32), np.arange(N) % 2


@pytest.fixture(autouse=True, scope="module")
def trained(rows):
    """Fitted estimators by class; a bad call must leave them as they are."""
    X, y = rows
    return {cls: cls(epochs=1, random_state=0).fit(X, y) for cls in ESTIMATORS}


def state(model):
    return {name: id(value) for name, value in vars(model).items()}


@pytest.fixture
def refuses(monkeypatch, rows):
    """Assert that a call raises, before any step is trained, and changes nothing of its model."""

    def never(*args, **kwargs):
        pytest.fail("training had begun")

    def check(model, call, message, error=ValueError):
        before, fitted = state(model), hasattr(model, "_fitted")
        answer = model.predict(rows[0]) if fitted else None
        with monkeypatch.context() as patch:
            patch.setattr(engine, "train", never)
            with pytest.raises(error, match=message):
                call(model)
        assert state(model) == before
        if fitted:
            np.testing.assert_array_equal(model.predict(rows[0]), answer)

    return check


@pytest.fixture
def refused_by_fit(refuses, rows, trained):
    """Assert that ``fit`` refuses X, y of a new and of a fitted estimator, of given parameters."""

    def check(cls, message, X=None, y=None, *, error=ValueError, parameters=None, **arguments):
        X, y = rows[0] if X is None else X, rows[1] if y is None else y
        refuses(
            cls(**(parameters or {})), lambda model: model.fit(X, y, **arguments), message, error
        )
        used = trained[cls]
        used.set_params(**(parameters or {}))
        try:
            refuses(used, lambda model: model.fit(X, y, **arguments), message, error)
        finally:
            used.set_params(**{name: getattr(cls(), name) for name in parameters or {}})

    return check


def changed(array, position, value):
    array = np.array(array, dtype=object if isinstance(value, str) else np.float64)
    array[position] = value
    return array


# The rows ---------------------------------------------------------------------------------


@each_estimator
@pytest.mark.parametrize(
    ("value", "name"), [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "inf")]
)
def test_nan_and_infinity_in_X_are_refused(estimator, value, name, rows, refused_by_fit):
    refused_by_fit(estimator, f"Input X contains {name}", changed(rows[0], (3, 2), value))


@each_estimator
def test_nan_in_X_is_refused_by_predict(estimator, rows, refuses, trained):
    X = changed(rows[0], (3, 2), np.nan)
    refuses(trained[estimator], lambda model: model.predict(X), "Input X contains NaN")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_in_sparse_X_are_refused(value, rows, refused_by_fit):
    X = sp.csr_matrix(changed(rows[0], (3, 2), value))
    refused_by_fit(MLPClassifier, "Input X contains (NaN|inf)", X)


@each_estimator
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_in_y_are_refused(estimator, value, rows, refused_by_fit):
    refused_by_fit(estimator, "Input y contains (NaN|inf)", y=changed(rows[1], 3, value))


@each_estimator
def test_a_single_row_without_its_axis_is_refused(estimator, rows, refused_by_fit):
    refused_by_fit(estimator, "Expected 2D array, got 1D array", rows[0][0], rows[1][:1])


@pytest.mark.parametrize("mlp", [MLPClassifier, MLPRegressor])
def test_images_are_refused_by_an_mlp(mlp, rows, refused_by_fit):
    refused_by_fit(mlp, "Found array with dim 3", rows[0].reshape(N, 4, 4))


@each_cnn
def test_video_is_refused_by_a_cnn(cnn, rows, refused_by_fit):
    message = r"dim 5, of shape \(30, 1, 4, 4, 1\), .*\(n_samples, height, width, channels\)"
    refused_by_fit(cnn, message, rows[0].reshape(N, 1, 4, 4, 1))
    message = r"dim 4, of shape \(30, 4, 2, 2\), .*\(n_samples, n_steps, n_features\)"
    X, series = rows[0].reshape(N, 4, 2, 2), {"architecture": "fcn"}
    refused_by_fit(cnn, message, X, parameters=series)


@each_cnn
@pytest.mark.parametrize("kind", [list, lambda rows: np.array([*rows, None], dtype=object)[:-1]])
def test_rows_of_unequal_size_are_refused_by_a_cnn(cnn, kind, refused_by_fit):
    X = kind([np.ones((4 + (i == 7), 3)) for i in range(N)])
    message = r"X\[7\] has the size \(5, 3\), but X\[0\] \(4, 3\); "
    refused_by_fit(cnn, message + "scale or crop", X)
    refused_by_fit(cnn, message + ".*RNNClassifier", X, parameters={"architecture": "inception"})


@each_cnn
def test_an_image_without_its_axis_is_refused_after_fit(cnn, rows):
    for shape in ((4, 4), (4, 2, 2), (1, 16)):
        X = rows[0].reshape(N, *shape)
        model = cnn(epochs=1).fit(X, rows[1])
        if shape == (1, 16):  # is a flat row too
            np.testing.assert_array_equal(model.predict(X[0]), model.predict(X[:1]))
            continue
        with pytest.raises(ValueError, match=r"X has the shape of one image, .*X\[np.newaxis\]"):
            model.predict(X[0])


@each_cnn
@pytest.mark.parametrize(
    ("shape", "architecture", "told"),
    [
        ((3, 8, 8), (2,), "images of shape (3, 8, 8) have 8 channels"),
        ((1, 9, 6), (2,), "images of shape (1, 9, 6) have 6 channels"),
        ((1, 16), "fcn", "series of shape (1, 16) have one step of 16 features"),
    ],
)
def test_what_looks_like_channels_first_is_warned_of(cnn, shape, architecture, told):
    X, y = np.random.default_rng(0).random((N, *shape)), np.arange(N) % 2
    model = cnn(architecture=architecture, epochs=1)
    with pytest.warns(UserWarning, match=re.escape(told) + r".*np.moveaxis\(X, 1, -1\)") as caught:
        model.fit(X, y)
    assert caught[0].filename == __file__  # it points to the user's line
    model.fit(np.moveaxis(X, 1, -1), y)
    model.set_params(image_shape=shape).fit(X, y)


@pytest.mark.parametrize("rnn", [RNNClassifier, RNNRegressor])
def test_sequences_of_one_step_of_many_features_are_warned_of(rnn):
    X, y = np.random.default_rng(0).random((N, 1, 16)), np.arange(N) % 2
    model = rnn(hidden_layer_sizes=(2,), epochs=1)
    with pytest.warns(UserWarning, match=r"shape \(1, 16\) .*np.moveaxis\(X, 1, -1\)") as caught:
        model.fit(X, y)
    assert caught[0].filename == __file__
    model.fit(np.moveaxis(X, 1, -1), y)
    model.set_params(n_steps=1).fit(X, y)


@pytest.mark.parametrize(
    "model", [RNNClassifier(), RNNRegressor(), CNNClassifier(architecture="fcn")]
)
def test_nan_at_the_ends_of_flat_rows_is_told_to_be_padding_elsewhere(model):
    X = np.random.default_rng(0).random((N, 16))
    X[::2, 10:] = np.nan
    with pytest.raises(ValueError, match=r"contains NaN.* unequal length, pass RNNClassifier"):
        model.fit(X, np.arange(N) % 2)


def test_a_keras_schedule_is_refused_as_a_factor(rows):
    schedule = keras.optimizers.schedules.CosineDecay(0.01, 100)
    with pytest.raises(TypeError, match=r"factors .* by epoch, but CosineDecay .* rates by step"):
        MLPClassifier(learning_rate_schedule=schedule).fit(*rows)


def test_the_class_of_a_callback_is_refused(rows):
    with pytest.raises(TypeError, match="objects, but one is a class: CSVLogger"):
        MLPClassifier(callbacks=[keras.callbacks.CSVLogger]).fit(*rows)


def test_columns_of_words_are_named():
    table = pd.DataFrame({"energy": np.arange(N) * 1.0, "detector": ["pixel", "strip"] * (N // 2)})
    with pytest.raises(ValueError, match=r"X: .*'pixel'.* columns \['detector'\] .*TableEncoder"):
        MLPClassifier(epochs=1).fit(table, np.arange(N) % 2)


@each_estimator
def test_no_rows_are_refused(estimator, rows, refused_by_fit):
    refused_by_fit(estimator, r"Found array with 0 sample\(s\)", rows[0][:0], rows[1][:0])


@each_cnn
def test_no_images_are_refused(cnn, rows, refused_by_fit):
    X = rows[0].reshape(N, 4, 4)
    refused_by_fit(cnn, r"Found array with 0 sample\(s\)", X[:0], rows[1][:0])


@each_estimator
def test_no_columns_are_refused(estimator, rows, refused_by_fit):
    refused_by_fit(estimator, r"Found array with 0 feature\(s\)", rows[0][:, :0])


@each_estimator
def test_rows_and_targets_of_unequal_number_are_refused(estimator, rows, refused_by_fit):
    refused_by_fit(estimator, r"inconsistent numbers of samples: \[30, 29\]", y=rows[1][1:])


@each_estimator
def test_words_in_X_are_refused(estimator, rows, refused_by_fit):
    refused_by_fit(estimator, "could not convert string to float", changed(rows[0], (3, 2), "a"))


@pytest.mark.parametrize("regressor", [MLPRegressor, CNNRegressor])
def test_words_for_numbers_in_y_are_refused(regressor, rows, refused_by_fit):
    refused_by_fit(regressor, "could not convert string to float", y=changed(rows[1], 3, "a"))


@each_estimator
@pytest.mark.parametrize("method", ["predict", "transform"])
def test_another_number_of_columns_is_refused_after_fit(estimator, method, rows, refuses, trained):
    refuses(
        trained[estimator],
        lambda model: getattr(model, method)(rows[0][:, :9]),
        "X has 9 features, but .* is expecting 16 features",
    )


@each_cnn
def test_other_channels_are_refused_after_fit(cnn, rows, refuses):
    X = rows[0].reshape(N, 2, 2, 4)
    model = cnn(epochs=1).fit(X, rows[1])
    # As many values in all, so that only the shape can tell.
    other = rows[0].reshape(N, 4, 2, 2)
    message = r"images of \(4, 2, 2\), but fit has seen images of \(2, 2, 4\)"
    with pytest.raises(ValueError, match=message):
        model.predict(other)
    message = r"images of \(2, 2, 3\), but fit has seen images of \(2, 2, 4\)"
    with pytest.raises(ValueError, match=message):
        model.predict(X[..., :3])


@each_cnn
def test_floats_are_refused_where_the_fit_has_seen_bytes(cnn, rows, refuses):
    X = (255 * rows[0]).astype(np.uint8)
    model = cnn(epochs=1).fit(X, rows[1])
    answer = model.predict(X)
    with pytest.raises(ValueError, match=r"seen uint8 images.*X has other numbers.*pass uint8"):
        model.predict(rows[0])
    np.testing.assert_array_equal(model.predict(X), answer)


@each_cnn
def test_bytes_are_refused_where_the_fit_has_seen_floats(cnn, rows, refuses):
    model = cnn(epochs=1).fit(*rows)
    with pytest.raises(ValueError, match=r"images of another dtype.*X is uint8.*X / 255"):
        model.predict((255 * rows[0]).astype(np.uint8))


@each_estimator
@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda model, X, y: model.fit(X[:, :0], y), "X"),
        (lambda model, X, y: model.fit(X, y, X_val=changed(X, (0, 0), np.nan), y_val=y), "X_val"),
        (lambda model, X, y: model.fit(X, y, X_val=X, y_val=y[1:]), "y_val"),
        (lambda model, X, y: model.fit(X, np.array(3)), "y"),
        (lambda model, X, y: model.fit(X, y, sample_weight=np.zeros(N)), "sample_weight"),
        (lambda model, X, y: model.fit(X, y, None, X, y, -np.ones(N - 1)), "sample_weight_val"),
        (lambda model, X, y: model.predict(np.zeros((3, 0))), "X"),
    ],
)
def test_an_error_names_its_argument(estimator, call, name, rows, refuses, trained):
    error = (ValueError, TypeError)
    refuses(trained[estimator], lambda model: call(model, *rows), rf"(?<!\w){name}(?!\w)", error)


@each_estimator
def test_numbers_too_large_for_floats_are_refused_without_a_warning(
    estimator, rows, refused_by_fit
):
    refused_by_fit(estimator, "X contains infinity", changed(rows[0], (3, 2), 1e300))
    X = changed(rows[0], (3, 2), 0).astype(object)
    X[3, 2] = 10**400
    refused_by_fit(estimator, "X: int too large to convert to float", X)


@each_estimator
@pytest.mark.parametrize("kind", ["array", "DataFrame"])
def test_dates_are_refused(estimator, kind, refused_by_fit):
    X = np.full((N, 16), np.datetime64("2020-01-01"))
    X = X if kind == "array" else pd.DataFrame(X)
    refused_by_fit(estimator, "X: dates .* are no numbers", X, error=TypeError)


@pytest.mark.parametrize("shape", [(N, 0, 2), (N, 8, 0)])
def test_sequences_without_steps_or_features_are_refused(shape, refused_by_fit):
    message = f"X has {shape[1]} steps of {shape[2]} features"
    refused_by_fit(RNNClassifier, message, np.ones(shape))


@pytest.mark.parametrize(
    "X",
    [dict.fromkeys(map(str, range(N)), 1), (text for text in "abc"), [{"a"}] * N, [b"ab"] * N],
    ids=["dict", "generator", "list of sets", "list of bytes"],
)
def test_what_has_no_order_holds_no_tokens(X, refused_by_fit):
    parameters = {"embedding_size": 2}
    refused_by_fit(RNNClassifier, "X.* must be", X, error=TypeError, parameters=parameters)


def test_a_table_of_tokens_is_read_by_rows_and_not_by_the_names_of_its_columns(rows):
    X = pd.DataFrame(np.arange(2 * N).reshape(N, 2), columns=["first", "second"])
    model = RNNClassifier(embedding_size=2, epochs=1).fit(X, rows[1])
    assert sorted(model.vocabulary_) == list(range(2 * N))


# Targets and weights ----------------------------------------------------------------------


@each_classifier
@pytest.mark.parametrize("label", [1, "one"])
def test_one_class_only_is_refused(classifier, label, refused_by_fit):
    message = rf"(?=.*at least two classes)(?=.*[\[ ]{label!r}\W)"
    refused_by_fit(classifier, message, y=[label] * N)


@each_classifier
@pytest.mark.parametrize(
    ("other", "message"),
    [(np.nan, "lacks 1 labels"), (None, "lacks 1 labels"), (3, "several kinds"), (1j, "kinds")],
)
def test_a_list_of_words_with_another_label_is_refused(classifier, other, message, refused_by_fit):
    # It would be a word to NumPy.
    error = ValueError if "lacks" in message else TypeError
    refused_by_fit(
        classifier, message, y=["ham", "spam"] * (N // 2 - 1) + ["ham", other], error=error
    )


@each_classifier
@pytest.mark.parametrize("columns", [1, 2])
def test_bytes_are_no_labels(classifier, columns, refused_by_fit):
    y = np.resize([b"ham", b"spam"], N if columns == 1 else (N, columns))
    refused_by_fit(classifier, r"y must hold strings or numbers, but .* \|S4", y=y, error=TypeError)


@pytest.mark.parametrize("regressor", [MLPRegressor, CNNRegressor, RNNRegressor])
def test_targets_far_beyond_the_scale_are_refused(regressor, rows, refuses, trained):
    X, y = rows
    refuses(
        trained[regressor],
        lambda model: model.fit(X, y, X_val=X, y_val=changed(y, 3, 1e300)),
        r"y_val reaches 1e\+300",
    )


@each_classifier
def test_numbers_that_are_no_classes_are_refused(classifier, rows, refused_by_fit):
    refused_by_fit(classifier, "continuous", y=rows[1] + np.linspace(0, 0.1, N))


@each_estimator
def test_no_targets_are_refused(estimator, rows, refuses):
    refuses(estimator(), lambda model: model.fit(rows[0], None), "requires y to be passed")


@each_classifier
@pytest.mark.parametrize("label", [2, -1])
def test_an_unseen_class_is_refused_by_partial_fit(classifier, label, rows, refuses, trained):
    y = changed(rows[1], 3, label).astype(int)
    message = rf"unknown classes, \[{label}\]; known .* are \[0, 1\].*begin with partial_fit"
    refuses(trained[classifier], lambda model: model.partial_fit(rows[0], y), message)


@each_classifier
def test_a_class_outside_of_classes_is_refused_by_the_first_partial_fit(classifier, rows, refuses):
    message = r"unknown classes, \[1\]; known .* are \[0, 2\]"
    refuses(classifier(), lambda model: model.partial_fit(*rows, classes=[0, 2]), message)


@each_classifier
@pytest.mark.parametrize(
    "classes", [[[0, 1], [2, 3]], {0, 1}, 2, [0, 1, np.nan], [0, None]], ids=str
)
def test_classes_that_are_no_list_of_labels_are_refused(classifier, classes, rows, refuses):
    message = "classes must be a list of labels"
    refuses(classifier(), lambda model: model.partial_fit(*rows, classes=classes), message)


@each_classifier
@pytest.mark.parametrize("classes", [[], [0]])
def test_fewer_than_two_classes_are_refused_by_partial_fit(classifier, classes, rows, refuses):
    X, y = rows
    y = np.zeros_like(y)
    message = "^classes (is empty|has one class, 0); .*at least two classes"
    refuses(classifier(), lambda model: model.partial_fit(X, y, classes=classes), message)


@pytest.mark.parametrize("regressor", [MLPRegressor, CNNRegressor])
def test_another_number_of_targets_is_refused_by_partial_fit(regressor, rows, refuses, trained):
    y = np.column_stack([rows[1], rows[1]])
    refuses(
        trained[regressor], lambda model: model.partial_fit(rows[0], y), "2 columns, but y had 1"
    )


@each_estimator
@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.ones(N - 1), r"sample_weight.shape == \(29,\), expected \(30,\)"),
        (np.ones((N, 2)), "weights must be 1D"),
        (np.zeros(N), "non-zero"),
        (np.full(N, -1.0), "sums to -30.*must be positive"),
        (np.where(np.arange(N) < 15, -1, 1), "sums to 0.*must be positive"),
        (np.full(N, np.nan), "sample_weight contains NaN"),
    ],
)
def test_weights_that_mean_nothing_are_refused(estimator, weight, message, refused_by_fit):
    refused_by_fit(estimator, message, sample_weight=weight)


@each_classifier
@pytest.mark.parametrize(("of_ones", "total"), [(0, "0"), (-0.5, "-7.5")])
def test_a_class_without_weight_is_refused(classifier, of_ones, total, rows, refused_by_fit):
    weight = np.where(rows[1] == 1, of_ones, 1.0)
    refused_by_fit(classifier, f"class 1 sum to {total}; .*more than zero", sample_weight=weight)


@each_classifier
@pytest.mark.parametrize("class_weight", [{0: -1, 1: 2}, {0: 0, 1: 1}, {0: 0, 1: 0}])
def test_class_weights_must_be_positive(classifier, class_weight, refused_by_fit):
    refused_by_fit(
        classifier, "class 0 .*more than zero", parameters={"class_weight": class_weight}
    )


@each_estimator
def test_validation_rows_need_targets(estimator, rows, refused_by_fit):
    refused_by_fit(estimator, "requires y_val to be passed", X_val=rows[0])


@each_estimator
@pytest.mark.parametrize("name", ["y_val", "sample_weight_val"])
def test_validation_targets_and_weights_need_rows(estimator, name, rows, refused_by_fit):
    refused_by_fit(estimator, f"X_val.*{name}|{name}.*X_val", **{name: np.ones(N)})


@each_estimator
def test_validation_rows_are_checked_like_training_rows(estimator, rows, refused_by_fit):
    X, y = rows
    refused_by_fit(estimator, "has 9 features", X_val=X[:, :9], y_val=y)
    refused_by_fit(estimator, "contains NaN", X_val=changed(X, (0, 0), np.nan), y_val=y)
    refused_by_fit(
        estimator, "sample_weight_val sums to -30", X_val=X, y_val=y, sample_weight_val=-np.ones(N)
    )


@each_classifier
def test_unseen_classes_to_validate_on_are_refused(classifier, rows, refused_by_fit):
    message = r"y_val contains unknown classes, \[7\]"
    refused_by_fit(classifier, message, X_val=rows[0], y_val=np.full(N, 7))


# Hyper-parameters -------------------------------------------------------------------------


@each_estimator
@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("epochs", 0, r"int in the range \[1, inf\)"),
        ("epochs", 2.5, r"int in the range \[1, inf\)"),
        ("batch_size", 0, r"int in the range \[1, inf\)"),
        ("batch_size", 12.5, r"int in the range \[1, inf\)"),
        ("learning_rate", 0, r"float in the range \(0.0, inf\)"),
        ("learning_rate", "fast", r"float in the range \(0.0, inf\)"),
        ("weight_decay", -1, r"float in the range \[0.0, inf\)"),
        ("dropout", 1, r"float in the range \[0.0, 1.0\)"),
        ("validation_fraction", 1, r"float in the range \(0.0, 1.0\)"),
        ("optimizer", "lion", "str among"),
        ("learning_rate_schedule", "step", "str among"),
        ("random_state", "seed", "random_state"),
    ],
)
def test_a_value_out_of_range_is_refused(estimator, name, value, allowed, refused_by_fit):
    message = rf"'{name}' parameter of {estimator.__name__} must be .*{allowed}.* Got .*{value}"
    if name == "random_state":
        message = rf"'{name}' parameter of {estimator.__name__} must be .* Got '{value}'"
    refused_by_fit(estimator, message, parameters={name: value})


@each_estimator
@pytest.mark.parametrize("name", ["epochs", "learning_rate", "dropout", "random_state"])
def test_a_bool_is_no_number(estimator, name, refused_by_fit):
    message = f"'{name}' parameter of .* must be a number, not a bool. Got True"
    refused_by_fit(estimator, message, parameters={name: True})


@each_estimator
def test_settings_of_an_optimizer_given_by_name_are_refused(estimator):
    with pytest.raises(ValueError, match="would set beta_1 of optimizer, but optimizer is 'adam'"):
        estimator().set_params(optimizer__beta_1=0.5)


@pytest.mark.parametrize(
    ("estimator", "parameters"),
    [
        (MLPClassifier, {"hidden_layer_sizes": (10**9,)}),
        (MLPRegressor, {"hidden_layer_sizes": (10**9, 10**9)}),
        (CNNClassifier, {"architecture": (10**9,)}),
        (RNNClassifier, {"hidden_layer_sizes": (10**9,)}),
        (RNNRegressor, {"embedding_size": 10**9}),
    ],
)
def test_a_network_that_no_memory_holds_is_refused(estimator, parameters, rows, refuses):
    X = ["ham spam"] * N if "embedding_size" in parameters else rows[0]
    message = rf"weights, but no more than .* fit here; .*{next(iter(parameters))}="
    refuses(estimator(**parameters), lambda model: model.fit(X, rows[1]), message)


@pytest.mark.parametrize("widths", [(2**31,), (10**400,), (True,), {3, 4}, {3: 4}, np.array(3)])
def test_no_widths_are_refused(widths, refused_by_fit):
    refused_by_fit(MLPClassifier, "hidden_layer_sizes", parameters={"hidden_layer_sizes": widths})


@each_estimator
@pytest.mark.parametrize("number", [np.int64, np.uint8, np.int32])
def test_numbers_of_numpy_are_numbers(estimator, number, rows, trained):
    parameters = {"epochs": number(1), "batch_size": number(8), "random_state": number(0)}
    fraction = np.float32 if number is np.int32 else np.float64
    parameters |= {"learning_rate": fraction(0.125), "weight_decay": fraction(0)}
    model = estimator(**parameters, warm_start=np.bool_(False)).fit(*rows)
    plain = {name: value.item() for name, value in parameters.items()}
    same = estimator(**plain).fit(*rows)
    np.testing.assert_array_equal(model.predict(rows[0]), same.predict(rows[0]))


@each_estimator
def test_a_keras_optimizer_is_refused_by_saying_what_to_pass(estimator, refused_by_fit):
    message = r"Keras's Adam.*a name .*adam.*object of skdeep\.optimizers.*as learning_rate"
    refused_by_fit(estimator, message, parameters={"optimizer": keras.optimizers.Adam()})


@pytest.mark.parametrize(
    "widths", [(0,), (-3,), (2.5,), (3, "x"), [[3, 4]]], ids=["0", "-3", "2.5", "x", "nested"]
)
@pytest.mark.parametrize("mlp", [MLPClassifier, MLPRegressor])
def test_layer_widths_that_are_no_positive_integers_are_refused(mlp, widths, refused_by_fit):
    refused_by_fit(mlp, "hidden_layer_sizes", parameters={"hidden_layer_sizes": widths})


@pytest.mark.parametrize("widths", ["ab", 100])
def test_layer_widths_that_are_no_sequence_are_refused(widths, refused_by_fit):
    refused_by_fit(
        MLPClassifier,
        "hidden_layer_sizes.*must be a tuple or a list",
        parameters={"hidden_layer_sizes": widths},
    )


@pytest.mark.parametrize("filters", [(0,), (-1,), (2.5,), ("a",)])
@each_cnn
def test_filters_that_are_no_positive_integers_are_refused(cnn, filters, refused_by_fit):
    refused_by_fit(cnn, "architecture", parameters={"architecture": filters})


@each_cnn
@pytest.mark.parametrize("name", ["lenet1", "lenet5"])
def test_an_image_smaller_than_lenet_can_pool_is_refused(cnn, name, refused_by_fit):
    message = "LeNet needs images of at least .* but they are 4 x 4; use architecture='small'"
    refused_by_fit(cnn, message, parameters={"architecture": name})


@pytest.mark.parametrize(("name", "smallest"), [("lenet1", 16), ("lenet5", 12)])
def test_lenet_takes_the_smallest_image_that_it_names(name, smallest, rows):
    rng = np.random.default_rng(0)
    model = CNNClassifier(architecture=name, epochs=1)
    model.fit(rng.random((N, smallest, smallest)), rows[1])
    with pytest.raises(ValueError, match=f"at least {smallest} x {smallest}"):
        model.fit(rng.random((N, smallest, smallest - 1)), rows[1])


def test_shapes_in_numbers_of_numpy_are_shapes():
    rng, twenty = np.random.default_rng(0), np.uint8(20)
    X, y = rng.random((N, 400)), np.arange(N) % 2
    images = CNNClassifier(image_shape=(twenty, twenty), epochs=1).fit(X, y)
    assert images.network_.input_shape == (None, 20, 20, 1)
    series = RNNClassifier(n_steps=twenty, epochs=1).fit(X, y)
    assert series.network_.input_shape == (None, None, 20)


@each_cnn
@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((3, 5), r"image_shape \(3, 5, 1\) has 15 values, but X has 16 columns"),
        ((16,), r"must be \(height, width\)"),
        ((4, 4, 1, 1), r"must be \(height, width\)"),
        ((-4, -4), r"must be \(height, width\)"),
        (("4", 4), r"must be \(height, width\)"),
        ((4.0, 4), r"must be \(height, width\)"),
    ],
    ids=str,
)
def test_a_wrong_image_shape_is_refused(cnn, shape, message, refused_by_fit):
    refused_by_fit(cnn, message, parameters={"image_shape": shape})


@each_cnn
def test_an_image_shape_that_contradicts_the_images_is_refused(cnn, rows, refused_by_fit):
    message = r"X has images of \(4, 4, 1\), but image_shape is \(2, 8, 1\)"
    parameters = {"image_shape": (2, 8)}
    refused_by_fit(cnn, message, rows[0].reshape(N, 4, 4), parameters=parameters)


@each_cnn
def test_an_unknown_augmentation_is_refused(cnn, refused_by_fit):
    message = r"augment may name flip, shift, rotate, crop, but names \['zoom'\]"
    refused_by_fit(cnn, message, parameters={"augment": ("flip", "zoom")})


@each_estimator
@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("max_iter", "epochs"),
        ("alpha", "weight_decay"),
        ("learning_rate_init", "learning_rate"),
        ("solver", "optimizer"),
        ("n_iter_no_change", "patience"),
    ],
)
def test_scikit_learns_names_are_answered_with_ours(estimator, theirs, ours):
    message = f"{estimator.__name__} got an unexpected parameter '{theirs}'; here .* called {ours}"
    with pytest.raises(TypeError, match=message):
        estimator(**{theirs: 1})


@each_estimator
def test_an_unknown_name_is_refused(estimator):
    with pytest.raises(TypeError, match="unexpected parameter 'colour'"):
        estimator(colour="red")


@each_estimator
def test_callbacks_that_cannot_be_called_are_refused(estimator, refused_by_fit):
    message = "callbacks must be functions of an EpochState or Keras callbacks.*'plot'"
    refused_by_fit(estimator, message, error=TypeError, parameters={"callbacks": ["plot"]})


@each_estimator
def test_an_unknown_scorer_is_refused(estimator, refused_by_fit):
    parameters = {"early_stopping": "beauty"}
    refused_by_fit(estimator, "'beauty' is not a valid scoring", parameters=parameters)


# Going on ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cls", "name", "value"),
    [
        (MLPClassifier, "hidden_layer_sizes", (7,)),
        (MLPClassifier, "hidden_layer_sizes", (101,)),  # in the same bucket
        (MLPRegressor, "activation", "tanh"),
        (MLPRegressor, "optimizer", "sgd"),
        (CNNClassifier, "architecture", (3,)),
        (CNNRegressor, "dropout", 0.5),
    ],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_going_on_with_another_structure_is_refused(cls, name, value, method, rows, refuses):
    model = cls(epochs=1, warm_start=True).fit(*rows)
    model.set_params(**{name: value})
    refuses(model, lambda m: getattr(m, method)(*rows), f"go on with the network.*{name} changed")


@each_estimator
def test_going_on_with_other_columns_is_refused(estimator, rows, refuses):
    model = estimator(epochs=1, warm_start=True).fit(*rows)
    refuses(model, lambda m: m.fit(rows[0][:, :9], rows[1]), "X has 9 features, but .* 16")


@each_estimator
def test_partial_fit_does_not_stop_early(estimator, rows, refuses, trained):
    message = "partial_fit does not stop early; set early_stopping=False, or call fit"
    refuses(estimator(early_stopping=True), lambda model: model.partial_fit(*rows), message)


@each_classifier
def test_partial_fit_cannot_balance_classes(classifier, rows, refuses):
    refuses(
        classifier(class_weight="balanced"),
        lambda model: model.partial_fit(*rows),
        "class_weight='balanced' needs all rows at once",
    )


# Divergence -------------------------------------------------------------------------------


@each_estimator
@pytest.mark.parametrize("fitted", [False, True])
def test_a_diverging_learning_rate_is_named_and_leaves_the_estimator_as_it_was(
    estimator, fitted, rows
):
    model = estimator(epochs=5, random_state=0)
    if fitted:
        model.fit(*rows)
        answer = model.predict(rows[0])
    model.set_params(learning_rate=1e38, optimizer="sgd")
    before = state(model)
    with pytest.raises(FitDivergedError, match=r"learning_rate=1e\+38; lower the learning rate"):
        model.fit(*rows)
    assert state(model) == before
    if fitted:
        np.testing.assert_array_equal(model.predict(rows[0]), answer)


@pytest.mark.parametrize("estimator", FREE)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_divergence_in_the_last_step_is_noticed(estimator, method, rows):
    # The loss is that before the update: after a single step nothing logged can tell.
    X, y = rows
    model = estimator(epochs=1, learning_rate=1e38, optimizer="sgd", random_state=0)
    with pytest.raises(FitDivergedError, match="learning_rate"):
        getattr(model, method)(1e3 * X, y)
    assert not hasattr(model, "_fitted")


# Gaussian processes -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (np.ones((N, 0)), np.ones(N), "X: Found array"),
        (np.ones((N, 2)), np.ones(N - 1), "y: Found .* inconsistent"),
        (np.ones((N, 2)) * 1e300 * np.arange(N)[:, None], np.ones(N), "X reaches .* scale X"),
        (np.ones((N, 2)), 1e300 * np.arange(N), "y reaches .* scale y"),
        (pd.DataFrame({"a": np.ones(N)}), None, "requires y"),
    ],
)
def test_a_gaussian_process_is_as_it_was_after_bad_input(X, y, message, rows):
    model = GaussianProcessRegressor().fit(rows[0], rows[1])
    before, answer = state(model), model.predict(rows[0])
    with pytest.raises(ValueError, match=message):
        model.fit(X, y)
    assert state(model) == before
    np.testing.assert_array_equal(model.predict(rows[0]), answer)


def test_a_gaussian_process_predicts_nothing_beyond_the_numbers(rows):
    model = GaussianProcessRegressor().fit(*rows)
    far = changed(rows[0], (0, 0), 1e9)
    assert np.isfinite(model.predict(far)).all()
    with pytest.raises(ValueError, match=r"X reaches 1e\+300, whose squared distance"):
        model.predict(changed(rows[0], (0, 0), 1e300))
