"""Sparse matrices: scaled, zeros kept."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import skdeep
from skdeep.preprocessing import TableEncoder

RNG = np.random.default_rng(0)


def random(n=80, k=12):
    """Columns from dense to empty, and their dense form."""
    X = RNG.normal(size=(n, k)) * (RNG.random((n, k)) < np.linspace(1, 0, k))
    X[:, 3] = np.abs(X[:, 3])
    return sp.csr_array(X), X


def spread(x, weight=None):
    """The distance of the quartiles, or half the range, of a dense column."""
    x = np.repeat(x, np.ones(len(x), int) if weight is None else weight)
    first, third = np.quantile(x, [0.25, 0.75], method="averaged_inverted_cdf")
    return third - first if third > first else (x.max() - x.min()) / 2


@pytest.mark.parametrize("container", [sp.csr_array, sp.csc_matrix, sp.coo_array])
def test_columns_are_divided_by_their_spread_and_clipped(container):
    X, dense = random()
    found = TableEncoder().fit(container(X)).transform(container(X))
    assert found.format == "csr"
    assert found.dtype == np.float32
    assert found.nnz == X.nnz
    z = dense / [spread(x) or 1 for x in dense.T]
    np.testing.assert_allclose(found.toarray(), z / np.hypot(1, z / 3), rtol=1e-6)


def test_a_weight_is_a_number_of_rows():
    X, dense = random()
    weight = RNG.integers(0, 3, size=len(dense))
    found = TableEncoder().fit(X, sample_weight=weight).transform(X).toarray()
    z = dense * [1 / s if (s := spread(x, weight)) else 0 for x in dense.T]
    np.testing.assert_allclose(found, z / np.hypot(1, z / 3), rtol=1e-6)


def test_rows_come_back_sparse_and_out_of_a_file(tmp_path):
    X, dense = random()
    encoder = TableEncoder().fit(X)
    back = encoder.inverse_transform(encoder.transform(X))
    np.testing.assert_allclose(back.toarray(), dense, atol=1e-5)
    far = sp.csr_array(np.vstack([dense, np.full(12, 1e12)]))
    beyond = TableEncoder().fit(far)
    found = beyond.inverse_transform(beyond.transform(1e9 * far))
    assert found.max() == 1e12  # as far as the training columns reached
    skdeep.save(encoder, tmp_path / "encoder")
    other = skdeep.load(tmp_path / "encoder")
    assert (other.transform(X) != encoder.transform(X)).nnz == 0
    assert encoder.get_feature_names_out().tolist() == [f"x{i}" for i in range(12)]
    assert encoder.summary_["kind"].unique().tolist() == ["numeric"]
    assert not encoder.cardinalities_.any()


def test_dense_rows_are_taken_by_a_sparse_fit_and_the_reverse():
    X, dense = random()
    sparse = TableEncoder().fit(X)
    assert (sparse.transform(dense) != sparse.transform(X)).nnz == 0
    full = TableEncoder().fit(dense)
    np.testing.assert_array_equal(full.transform(X), full.transform(dense))


def test_wide_matrices_are_fitted_at_once():
    X = sp.random(200, 300_000, density=1e-3, format="csr", random_state=0)
    found = TableEncoder().fit(X).transform(X)
    assert found.nnz == X.nnz


def test_columns_of_sparse_dtype_in_a_frame_are_numbers():
    X, dense = random()
    frame = pd.DataFrame.sparse.from_spmatrix(X).add_prefix("c")
    found = TableEncoder().fit_transform(frame)
    np.testing.assert_array_equal(found, TableEncoder().fit_transform(dense))


@pytest.mark.parametrize(
    ("value", "parameters", "message"),
    [
        (np.nan, {}, "NaN"),
        (np.inf, {}, "infinity"),
        (1.0, {"scaling": "quantile"}, r"scaling is 'quantile'.*X\.toarray\(\)"),
        (1.0, {"kinds": {0: "drop"}}, r"kinds \{0: 'drop'\}"),
    ],
)
def test_what_is_not_for_sparse_matrices_is_refused(value, parameters, message):
    X = sp.csr_array([[0, value], [1, 0]])
    with pytest.raises(ValueError, match=message):
        TableEncoder(**parameters).fit(X)
