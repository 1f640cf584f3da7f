"""scikit-learn's steps in tensors do what their transform does."""

import importlib.util

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_selection import VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)

from skdeep.engine.runtime import tf
from skdeep.serving import saved_model
from skdeep.serving.steps import applied, holds_strings

HAS_ONNX = all(map(importlib.util.find_spec, ("onnx", "onnxruntime")))
needs_onnx = pytest.mark.skipif(not HAS_ONNX, reason="needs onnx and onnxruntime")
FORMATS = ["saved_model", pytest.param("onnx", marks=needs_onnx)]
N = 30
RNG = np.random.default_rng(0)
TABLE = RNG.normal(size=(N, 5))
GAPS = np.where(RNG.random((N, 5)) < 0.2, np.nan, TABLE)
CITIES = RNG.choice(["Oslo", "Rom", "Köln"], (N, 2)).astype(object)
CODES = RNG.integers(0, 3, (N, 2)).astype(float)
LOST = np.where(RNG.random((N, 2)) < 0.3, np.nan, CITIES)
RARE = np.stack([[*"abbcccddddeeeeefffffggggggggg", "h"], ["x"] * 20 + ["y"] * 10], 1)
RARE = RARE.astype(object)
SKEWED = np.exp(3 * TABLE)
REPEATED = np.round(TABLE, 1)
CLASSES = RNG.integers(0, 3, N)
MIXED = pd.DataFrame({"city": LOST[:, 0], "code": CODES[:, 0], "x": TABLE[:, 0], "y": GAPS[:, 0]})


def results(form, step, X):
    """What a fitted step makes of rows, by the operations of a format; NaN for those refused."""
    array = np.asarray(X)
    strings = holds_strings(step, array.shape[1])
    columns = [
        pd.Series(c).fillna("").to_numpy() if s else c.astype(float)
        for s, c in zip(strings, array.T)
    ]
    if len(set(strings)) == 1:
        inputs = [np.column_stack(columns)]
    else:
        inputs = [column[:, None] for column in columns]
    if form == "saved_model":
        ops, tensors = saved_model.Operations(None), [tf.constant(array) for array in inputs]
        values, taken = applied(ops, [step], tensors if tensors[1:] else tensors[0])
        taken = ops.where(taken, 1.0, np.nan) if taken is not None else tf.ones(len(array))
        return values.numpy() * taken.numpy()[:, None]
    import onnxruntime

    from skdeep.serving import onnx_model

    ops = onnx_model.Operations(None)
    kinds = ["string" if array.dtype == object else "float64" for array in inputs]
    values = [onnx_model.Value(ops, f"x{i}", kind) for i, kind in enumerate(kinds)]
    output, taken = applied(ops, [step], values if values[1:] else values[0])
    outputs = {"z": output} | ({} if taken is None else {"taken": taken})
    model = onnx_model.model_of(ops, values, [array.shape for array in inputs], outputs)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    found = session.run(None, {f"x{i}": array for i, array in enumerate(inputs)})
    return np.where(found[1][:, None], found[0], np.nan) if found[1:] else found[0]


STEPS = {
    "StandardScaler": (StandardScaler(), TABLE + 1e9),
    "StandardScaler without mean": (StandardScaler(with_mean=False), TABLE),
    "StandardScaler without std": (StandardScaler(with_std=False), TABLE),
    "MinMaxScaler": (MinMaxScaler((-1, 2)), TABLE),
    "MinMaxScaler, clipped": (MinMaxScaler(clip=True), TABLE, TABLE * 2),
    "MaxAbsScaler": (MaxAbsScaler(), TABLE),
    "MaxAbsScaler, clipped": (MaxAbsScaler(clip=True), TABLE, TABLE * 2),
    "RobustScaler": (RobustScaler(), TABLE + 5),
    "RobustScaler without centre": (RobustScaler(with_centering=False), TABLE + 5),
    "RobustScaler without scale": (RobustScaler(with_scaling=False), TABLE + 5),
    "Normalizer l1": (Normalizer("l1"), TABLE),
    "Normalizer l2": (Normalizer("l2"), TABLE * (TABLE[:, :1] > 0)),  # with rows of zeros
    "Normalizer max": (Normalizer("max"), TABLE),
    "Normalizer of rounding errors": (Normalizer(), TABLE * np.logspace(0, -25, N)[:, None]),
    "StandardScaler of constants": (StandardScaler(), np.round(TABLE[:, :2]) * [0, 1e-12] + 0.1),
    "RobustScaler of constants": (RobustScaler(), TABLE.clip(1.5)),
    "SimpleImputer": (SimpleImputer(strategy="median"), GAPS),
    "SimpleImputer of a number": (SimpleImputer(missing_values=0), CODES),
    "SimpleImputer with indicators": (
        SimpleImputer(add_indicator=True),
        np.hstack([TABLE[:, :1], GAPS]),
    ),
    "SimpleImputer of strings": (
        make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder()),
        LOST,
    ),
    "SimpleImputer of a string": (
        make_pipeline(
            SimpleImputer(missing_values="Rom", strategy="constant", fill_value="Oslo"),
            OneHotEncoder(),
        ),
        CITIES,
    ),
    "Binarizer": (Binarizer(threshold=0.3), REPEATED),
    "KBinsDiscretizer": (KBinsDiscretizer(4, encode="ordinal"), REPEATED),
    "KBinsDiscretizer of categories": (
        KBinsDiscretizer([2, 3, 4, 5, 6], strategy="uniform"),
        TABLE,
        TABLE * 2,
    ),
    "PolynomialFeatures": (PolynomialFeatures(3), TABLE),
    "PolynomialFeatures of products": (
        PolynomialFeatures((2, 3), interaction_only=True, include_bias=False),
        TABLE,
    ),
    "PolynomialFeatures of degree 0": (PolynomialFeatures(0), TABLE),
    "PowerTransformer": (PowerTransformer(), SKEWED - 1),
    "PowerTransformer of small numbers": (PowerTransformer(), TABLE * 1e-10),
    "PowerTransformer, not standardised": (PowerTransformer(standardize=False), TABLE * 3),
    "PowerTransformer by Box-Cox": (PowerTransformer("box-cox"), SKEWED),
    "QuantileTransformer": (QuantileTransformer(n_quantiles=20), TABLE, TABLE * 2),
    "QuantileTransformer of ties": (QuantileTransformer(n_quantiles=N), REPEATED, REPEATED * 1.5),
    "QuantileTransformer of constants": (QuantileTransformer(n_quantiles=9), TABLE * 0, TABLE),
    "PCA": (PCA(2), TABLE + 3),
    "PCA, whitened": (PCA(3, whiten=True), TABLE + 3),
    "TruncatedSVD": (TruncatedSVD(2), TABLE + 3),
    "FunctionTransformer": (FunctionTransformer(), TABLE),
    "OneHotEncoder": (OneHotEncoder(), CITIES),
    "OneHotEncoder that drops": (OneHotEncoder(drop="first"), CODES),
    "OneHotEncoder that drops of two": (
        OneHotEncoder(drop="if_binary"),
        np.column_stack([CODES, CODES[:, 0] > 1]),
    ),
    "OneHotEncoder of the unknown": (
        OneHotEncoder(categories=[["Oslo", "Rom"]] * 2, handle_unknown="ignore"),
        CITIES,
    ),
    "OneHotEncoder of the rare": (
        OneHotEncoder(min_frequency=7, handle_unknown="infrequent_if_exist", sparse_output=False),
        RARE,
        np.vstack([RARE, [["Kyiv", "x"], ["a", "x"]]]),
    ),
    "OneHotEncoder of the rare and unknown": (
        OneHotEncoder(max_categories=3, handle_unknown="ignore"),
        RARE,
        np.vstack([RARE, [["Kyiv", "x"]]]),
    ),
    "OneHotEncoder of the rare that drops": (OneHotEncoder(max_categories=3, drop="first"), RARE),
    "OneHotEncoder of the rare that drops them": (
        OneHotEncoder(max_categories=2, drop=["g", "x"]),
        RARE,
    ),
    "OneHotEncoder of gaps": (OneHotEncoder(), LOST),
    "OneHotEncoder of gaps in numbers": (OneHotEncoder(), np.where(CODES > 1, np.nan, CODES)),
    "OneHotEncoder of both": (OneHotEncoder(), MIXED[["city", "code"]]),
    "OrdinalEncoder": (OrdinalEncoder(), CITIES),
    "OrdinalEncoder of the unknown": (
        OrdinalEncoder(
            categories=[[0.0, 1.0]] * 2, handle_unknown="use_encoded_value", unknown_value=-3
        ),
        CODES,
    ),
    "OrdinalEncoder of gaps": (
        OrdinalEncoder(encoded_missing_value=-2),
        np.where(CODES == 1, np.nan, CODES),
    ),
    "OrdinalEncoder of gaps kept": (OrdinalEncoder(), LOST),
    "TargetEncoder": (TargetEncoder(target_type="continuous"), LOST),
    "TargetEncoder of the unknown": (
        TargetEncoder(categories=[[0.0, 1.0]] * 2, target_type="multiclass"),
        CODES,
    ),
    "TargetEncoder of both": (TargetEncoder(target_type="continuous"), MIXED[["city", "code"]]),
    "ColumnTransformer": (
        make_column_transformer(
            (make_pipeline(SimpleImputer(), StandardScaler()), ["y", "x"]),
            (OneHotEncoder(), ["city"]),
            remainder="passthrough",
        ),
        MIXED,
    ),
    "ColumnTransformer that drops": (
        make_column_transformer((OneHotEncoder(), ["code", "city"]), ("drop", ["x", "y"])),
        MIXED,
    ),
    "ColumnTransformer by place": (
        ColumnTransformer(
            [
                ("slice", StandardScaler(), slice(1, 3)),
                ("nothing", StandardScaler(), []),
                ("mask", MinMaxScaler(), [True, False, False, False, True]),
            ]
        ),
        TABLE,
    ),
    "imputer of both": (
        make_pipeline(
            SimpleImputer(strategy="most_frequent"), make_column_transformer((OneHotEncoder(), [0]))
        ),
        MIXED[["city", "code"]],
    ),
}


NUMBERS = [name for name, (_, X, *_) in STEPS.items() if np.asarray(X).dtype.kind == "f"]


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("form", FORMATS)
def test_a_step_in_tensors_is_its_transform(form, name):
    step, fitted, *rows = STEPS[name]
    X = rows[0] if rows else fitted
    wanted = step.fit(fitted, CLASSES).transform(X)
    wanted = wanted.toarray() if hasattr(wanted, "toarray") else wanted
    found = results(form, step, X)
    np.testing.assert_allclose(found, wanted.astype(float), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("form", FORMATS)
def test_no_number_and_infinity_are_taken_where_transform_takes_them(form, name):
    step, X, *_ = STEPS[name]
    step.fit(X, CLASSES)
    rows = np.array([X[0]] * 4)
    rows[1, 0], rows[2, 0], rows[3, -1] = np.nan, np.inf, -np.inf
    for row, found in zip(rows, results(form, step, rows), strict=True):
        try:
            wanted = step.transform([row])
        except ValueError:
            assert np.isnan(found).all()
        else:
            wanted = wanted.toarray() if hasattr(wanted, "toarray") else wanted
            np.testing.assert_allclose(found, wanted[0], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("form", FORMATS)
def test_powers_may_be_logarithms(form):
    step = PowerTransformer(standardize=False).fit(TABLE)
    step.lambdas_ = np.array([0.0, 2.0, 1.0, 1e-17, -1.0])
    np.testing.assert_allclose(results(form, step, TABLE), step.transform(TABLE), rtol=1e-12)


def test_quantiles_of_a_normal_distribution_are_for_a_saved_model():
    step = QuantileTransformer(n_quantiles=N, output_distribution="normal").fit(REPEATED)
    X = np.vstack([REPEATED * 1.5, REPEATED[:3] + 1e-8, np.full((1, 5), np.nan)])
    np.testing.assert_allclose(results("saved_model", step, X), step.transform(X), atol=1e-9)


@needs_onnx
def test_quantiles_of_a_normal_distribution_are_not_for_onnx():
    step = QuantileTransformer(n_quantiles=N, output_distribution="normal").fit(TABLE)
    with pytest.raises(ValueError, match=r"output_distribution='normal'.*'saved_model'"):
        results("onnx", step, TABLE)


@pytest.mark.parametrize("form", FORMATS)
def test_rows_that_box_cox_refuses(form):
    step = PowerTransformer("box-cox").fit(SKEWED)
    found = results(form, step, SKEWED[:3] * [[1], [0], [-1]])
    assert np.isnan(found).all(axis=1).tolist() == [False, True, True]


@pytest.mark.parametrize("form", FORMATS)
def test_what_a_step_refuses_stays_refused(form):
    step = make_pipeline(SimpleImputer(), OneHotEncoder(handle_unknown="ignore")).fit(CODES)
    found = results(form, step, np.array([[np.nan, 1.0], [np.inf, 1.0]]))
    assert np.isnan(found).all(axis=1).tolist() == [False, True]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("encoder", [OneHotEncoder(), OrdinalEncoder()])
def test_what_an_encoder_would_raise_for_becomes_nan(form, encoder):
    encoder.fit([["a"], ["b"]])
    found = results(form, encoder, np.array([["a"], ["c"]], dtype=object))
    assert np.isnan(found).all(axis=1).tolist() == [False, True]


@pytest.mark.parametrize("kind", [OneHotEncoder, OrdinalEncoder, TargetEncoder])
@pytest.mark.parametrize(
    ("values", "form"),
    [(["", "a", None], "''"), (["a", None, np.nan], "''"), ([1, None, np.nan], "nan")],
)
def test_categories_that_one_tensor_cannot_tell_apart_are_refused(kind, values, form):
    X = np.array(values * 10, dtype=object)[:, None]
    step = kind().fit(X, np.arange(30) % 2)
    strings = holds_strings(step, 1)[0]
    rows = tf.constant([["a"]] if strings else [[1.0]], tf.string if strings else tf.float64)
    with pytest.raises(ValueError, match=rf"would be \[{form}\] in a tensor"):
        applied(saved_model.Operations(None), [step], rows)


@pytest.mark.parametrize(
    ("step", "error", "message"),
    [
        (VarianceThreshold(), TypeError, r"VarianceThreshold has no .* StandardScaler.*pipeline\["),
        (FunctionTransformer(np.abs), TypeError, "FunctionTransformer calls .*absolute"),
        (OrdinalEncoder(max_categories=2), ValueError, "OrdinalEncoder with min_frequency"),
        (
            make_pipeline(OneHotEncoder(sparse_output=False), PCA(whiten=True)),
            ValueError,
            "last 2 of 6 components .* n_components=4",
        ),
        (
            make_column_transformer((StandardScaler(), [0])).set_params(
                transformer_weights={"standardscaler": 2}
            ),
            ValueError,
            "transformer_weights",
        ),
    ],
)
def test_a_step_without_counterpart_is_refused_by_name(step, error, message):
    step.fit(CODES)
    with pytest.raises(error, match=message):
        applied(saved_model.Operations(None), [step], tf.constant(CODES))
