"""Batches against NumPy's and SciPy's indexing, and the order of rows."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from skdeep.engine import rows
from skdeep.engine.runtime import tf


@given(st.integers(1, 10**6))
def test_row_bucket_is_the_smallest_that_holds_the_rows(n):
    buckets = sorted(2**k * share for k in range(2, 22) for share in (1, 1.5))
    expected = min(b for b in buckets if b >= max(n, 6))
    assert rows.row_bucket(n) == expected


# Batches --------------------------------------------------------------------------------------


@st.composite
def sparse_and_numbers(draw):
    """A CSR matrix with empty rows, stored zeros, and row numbers of which -1 are padding."""
    n, n_columns = draw(st.integers(1, 8)), draw(st.integers(1, 6))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    matrix = sp.random(n, n_columns, density=0.4, format="csr", random_state=rng, dtype=np.float32)
    matrix.data[: len(matrix.data) // 3] = 0
    numbers = draw(st.lists(st.integers(-1, n - 1), min_size=1, max_size=9))
    return matrix, np.array(numbers, np.int32)


@given(sparse_and_numbers())
def test_rows_of_a_csr_matrix_are_scipys(case):
    matrix, numbers = case
    weight = tf.ones(matrix.shape[0])
    taken = rows.take_batch(rows.to_device(matrix), (), weight, tf.constant(numbers)).x.numpy()
    real = numbers >= 0
    np.testing.assert_array_equal(taken[real], matrix[numbers[real]].toarray())
    assert taken.shape == (len(numbers), matrix.shape[1])


def test_rows_of_a_wide_matrix_are_its_stored_entries():
    rng = np.random.default_rng(0)
    matrix = sp.random(20, 5000, density=0.01, format="csr", random_state=rng, dtype=np.float32)
    assert rows.is_wide(matrix)
    assert not rows.is_wide(matrix[:, :4096])
    assert not rows.is_wide(matrix.toarray())
    part = rows.take(rows.to_device(matrix), tf.constant([7, 2, 7]))
    cells = (np.asarray(part.row), np.asarray(part.column))
    again = sp.coo_matrix((np.asarray(part.value), cells), shape=(3, 5000))
    np.testing.assert_array_equal(again.toarray(), matrix[[7, 2, 7]].toarray())
    assert part.n_rows == 3


def test_nests_keep_their_structure():
    data = {"image": np.arange(24).reshape(4, 3, 2), "pair": (np.arange(4), np.arange(4.0))}
    taken = rows.take(rows.to_device(data), tf.constant([3, 0]))
    np.testing.assert_array_equal(taken["image"], data["image"][[3, 0]])
    assert type(taken["pair"]) is tuple
    np.testing.assert_array_equal(taken["pair"][1], [3.0, 0.0])
    assert rows.n_rows(data) == 4


def test_padding_has_no_weight_and_does_not_count():
    weight = np.array([0.5, -1.0, 2.0], np.float32)
    data = rows.to_device((np.eye(3, dtype=np.float32), np.arange(3), weight), 6)
    assert data[0].shape == (6, 3)
    batch = rows.take_batch(*data, tf.constant([2, -1, 1, -1]))
    np.testing.assert_array_equal(batch.weight, [2, 0, -1, 0])
    assert batch.size == 2
    per_row = tf.constant([10.0, 1e6, 7.0, 1e6])
    assert rows.weighted_mean(per_row, batch) == (2 * 10 - 1 * 7) / 2


def test_weighted_means_of_batches_average_to_the_mean_of_the_rows():
    rng = np.random.default_rng(0)
    values, weight = rng.normal(size=10), rng.normal(size=10)
    data = rows.to_device((values, (), weight))
    batches = [rows.take_batch(*data, tf.constant(r)) for r in ([0, 1, 2, 3], [*range(4, 10)])]
    means = [rows.weighted_mean(batch.x, batch) * batch.size for batch in batches]
    assert np.sum(means) / 10 == pytest.approx(np.mean(values * weight))


# Sequences ------------------------------------------------------------------------------------


@given(st.integers(1, 10**6))
def test_length_bucket_holds_the_steps_and_little_more(n):
    bucket = rows.length_bucket(n)
    assert n <= bucket < max(n + 8, 1.125 * n + 1)
    assert rows.length_bucket(np.array([n, bucket])).tolist() == [bucket, bucket]


@st.composite
def sequences_and_numbers(draw):
    """Rows of unequal length, and row numbers of which -1 are padding."""
    lengths = draw(st.lists(st.integers(1, 9), min_size=1, max_size=8))
    width = draw(st.sampled_from([(), (1,), (3,)]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    parts = [rng.normal(size=(n, *width)).astype(np.float32) for n in lengths]
    numbers = draw(st.lists(st.integers(-1, len(lengths) - 1), min_size=1, max_size=9))
    return parts, rows.Sequences.of(np.concatenate(parts), lengths), np.array(numbers, np.int32)


@given(sequences_and_numbers(), st.booleans())
def test_a_batch_of_sequences_is_padded_with_zeros(case, padded):
    parts, sequences, numbers = case
    weight = np.ones(len(parts), np.float32)
    data = rows.to_device((sequences, weight), 16 if padded else None)
    batch = rows.take_batch(data[0], (), data[1], tf.constant(numbers))
    for n, values, length, weight in zip(numbers, *map(np.array, (*batch.x, batch.weight))):
        row = parts[max(n, 0)]
        assert (length, weight) == (len(row), n >= 0)
        np.testing.assert_array_equal(values[:length], row)
        assert not values[length:].any()


def test_a_batch_is_as_long_as_its_longest_row():
    data = rows.to_device(rows.Sequences.of(np.arange(60.0), [10, 50]))
    free = tf.nest.map_structure(lambda part: tf.TensorSpec([None], part.dtype), data)
    take = tf.function(lambda data: rows.take(data, tf.constant([0, 0])), input_signature=[free])
    assert take(data).values.shape == (2, 10)


def test_equal_sequences_are_merged_and_others_of_the_same_numbers_are_not():
    parts = [[1.0, 2.0], [1.0], [2.0, 1.0], [1.0, 2.0]]
    x = rows.Sequences.of(np.concatenate(parts), [len(part) for part in parts])
    x, _, weight = rows.merge_equal_rows(x, (), np.array([1.0, 2.0, 3.0, 4.0]))
    found = {tuple(row): w for row, w in zip(x.arrays(), weight, strict=True)}
    assert found == {(1.0, 2.0): 5.0, (1.0,): 2.0, (2.0, 1.0): 3.0}


# Order ----------------------------------------------------------------------------------------


@given(st.integers(1, 60), st.integers(1, 20), st.integers(0, 2**64 - 1), st.integers(0, 10**6))
def test_each_epoch_visits_each_row_once(n, batch_size, seed, epoch):
    order = rows.Order(n, batch_size, seed)
    per_epoch = order.steps_per_epoch
    assert per_epoch == int(np.ceil(n / batch_size))
    numbers = order.steps(epoch * per_epoch, (epoch + 1) * per_epoch)
    assert numbers.shape == (per_epoch, batch_size)
    assert sorted(numbers[numbers >= 0]) == list(range(n))
    assert np.all(numbers[:-1] >= 0)  # the padding is at the end


@given(st.lists(st.integers(1, 29), max_size=6))
def test_order_does_not_depend_on_where_calls_end(cuts):
    whole = rows.Order(23, 4, seed=9).steps(0, 30)
    again = rows.Order(23, 4, seed=9)
    ends = [0, *sorted(set(cuts)), 30]
    pieces = [again.steps(a, b) for a, b in itertools.pairwise(ends)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


@given(st.integers(1, 3000), st.integers(1, 20), st.integers(0, 2**64 - 1))
def test_each_epoch_visits_each_row_once_where_lengths_differ(n, batch_size, seed):
    lengths = np.random.default_rng(n).integers(1, 100, size=n)
    order = rows.Order(n, batch_size, seed, lengths=lengths)
    numbers = order.steps(0, order.steps_per_epoch)
    assert sorted(numbers[numbers >= 0]) == list(range(n))


def test_rows_of_a_batch_are_alike_in_length_and_batches_are_shuffled():
    lengths = np.random.default_rng(0).integers(1, 101, size=4000)
    order = rows.Order(4000, 20, seed=3, lengths=lengths)
    batches = lengths[order.steps(0, 200)]
    steps, longest = batches.sum(), 20 * batches.max(axis=1).sum()
    assert longest < 1.05 * steps  # of what is computed; without sorting 1.9
    shuffled = lengths[rows.Order(4000, 20, seed=3).steps(0, 200)]
    assert 20 * shuffled.max(axis=1).sum() > 1.8 * steps
    # No drift from short to long: means of batches do not go with their place.
    assert abs(np.corrcoef(batches.mean(axis=1), np.arange(200))[0, 1]) < 0.2
    assert np.any(batches != lengths[order.steps(200, 400)])


def test_rows_of_one_length_have_the_order_of_arrays():
    same = rows.Order(50, 8, seed=3, lengths=np.full(50, 7)).steps(0, 14)
    np.testing.assert_array_equal(same, rows.Order(50, 8, seed=3).steps(0, 14))


def test_epochs_and_seeds_have_orders_of_their_own():
    def epoch_rows(seed, epoch):
        return tuple(rows.Order(40, 8, seed).steps(5 * epoch, 5 * epoch + 5).ravel())

    orders = {epoch_rows(seed, epoch) for seed in (0, 1, 2**63) for epoch in range(5)}
    assert len(orders) == 15
    assert epoch_rows(1, 3) == epoch_rows(1, 3)


def test_each_row_is_equally_likely_in_each_step():
    first = np.concatenate([rows.Order(8, 2, seed).steps(0, 1)[0] for seed in range(4000)])
    counts = np.bincount(first, minlength=8)
    # 1000 each, with a standard deviation of sqrt(4000 * 1/4 * 3/4) = 27
    assert np.all(np.abs(counts - 1000) < 5 * 27)


def test_unshuffled_rows_keep_their_order():
    numbers = rows.Order(7, 3, seed=1, shuffle=False).steps(0, 6)
    np.testing.assert_array_equal(numbers, 2 * [[0, 1, 2], [3, 4, 5], [6, -1, -1]])


@pytest.mark.parametrize("batch_size", [5, 8])
def test_rows_that_fit_one_batch_keep_their_order_too(batch_size):
    numbers = rows.Order(5, batch_size, seed=1).steps(10, 12)
    assert all(list(row[row >= 0]) == [0, 1, 2, 3, 4] for row in numbers)


# Equal rows -----------------------------------------------------------------------------------


def as_dense(x):
    return x.toarray() if sp.issparse(x) else x


@st.composite
def repeated_rows(draw):
    """Few distinct rows, how often each is there, and a seed."""
    counts = draw(st.lists(st.integers(0, 3), min_size=1, max_size=6).filter(sum))
    return counts, draw(st.integers(0, 2**32 - 1))


@pytest.mark.parametrize("make", [np.asarray, sp.csr_matrix], ids=["dense", "csr"])
@given(case=repeated_rows())
def test_weights_are_repetitions_and_the_order_of_rows_is_nothing(make, case):
    counts, seed = case
    rng = np.random.default_rng(seed)
    X = rng.integers(-1, 2, size=(len(counts), 3)).astype(np.float32)
    y = rng.integers(2, size=len(counts))
    weighted = rows.merge_equal_rows(make(X), y, np.array(counts, float))
    repeated = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    again = rows.merge_equal_rows(make(X[repeated]), y[repeated], np.ones(len(repeated)))
    for one, other in zip(weighted, again, strict=True):
        np.testing.assert_array_equal(as_dense(one), as_dense(other))
    x, y, weight = weighted
    cells = np.column_stack([as_dense(x), y])
    assert len(np.unique(cells, axis=0)) == len(cells)
    assert np.all(weight > 0)
    assert weight.sum() == sum(counts)


def test_rows_of_other_targets_stay_apart():
    X, y, weight = rows.merge_equal_rows(np.ones((3, 2)), np.array([0, 1, 0]), np.ones(3))
    assert sorted(zip(y, weight, strict=True)) == [(0, 2), (1, 1)]
    assert X.shape == (2, 2)


def test_minus_zero_and_stored_zeros_are_zero():
    dense = rows.merge_equal_rows(np.array([[0.0], [-0.0]]), np.zeros(2), np.ones(2))
    assert dense[2].tolist() == [2]
    stored = sp.csr_matrix((np.array([0.0]), [0], [0, 1, 1]), shape=(2, 1))
    assert rows.merge_equal_rows(stored, np.zeros(2), np.ones(2))[2].tolist() == [2]


def test_unsorted_columns_of_a_csr_row_do_not_matter():
    both = sp.csr_matrix((np.array([1.0, 2.0, 2.0, 1.0]), [0, 1, 1, 0], [0, 2, 4]), shape=(2, 2))
    assert rows.merge_equal_rows(both, np.zeros(2), np.ones(2))[2].tolist() == [2]


def test_images_merge_by_all_of_their_pixels():
    X = np.zeros((3, 2, 2, 1), np.uint8)
    X[1, 1, 1, 0] = 1
    x, _, weight = rows.merge_equal_rows(X, np.zeros(3), np.array([1.0, 5.0, 2.0]))
    assert x.dtype == np.uint8
    assert sorted(zip(x.sum(axis=(1, 2, 3)), weight, strict=True)) == [(0, 3), (1, 5)]
