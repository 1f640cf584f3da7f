import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from skdeep.metrics import expected_calibration_error


@pytest.fixture(scope="module")
def binary():
    """Probabilities (n,) that are too sure, and labels."""
    rng = np.random.default_rng(0)
    p = rng.random(600)
    return (rng.random(600) < 0.25 + 0.5 * p).astype(int), p


@pytest.fixture(scope="module")
def multiclass():
    """Probabilities (n, 4) and labels, n = 400."""
    rng = np.random.default_rng(1)
    proba = rng.dirichlet([0.7, 1, 1, 2], size=400)
    return np.array(["a", "b", "c", "d"])[rng.integers(4, size=400)], proba


def test_a_case_worked_by_hand():
    # Of two bins the lower has frequency 1/2 at mean 0.3, the upper 3/4 at mean 0.85.
    y_true = [0, 1, 1, 1, 1, 0]
    y_proba = [0.1, 0.5, 0.7, 0.8, 0.9, 1.0]
    expected = (2 * abs(1 / 2 - 0.3) + 4 * abs(3 / 4 - 0.85)) / 6
    assert expected_calibration_error(y_true, y_proba, n_bins=2) == pytest.approx(expected)


@pytest.mark.parametrize("n_bins", [1, 4, 15])
@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_equals_the_distance_of_scikit_learns_curve_from_the_diagonal(binary, strategy, n_bins):
    y, p = binary
    frequency, mean = calibration_curve(y, p, n_bins=n_bins, strategy=strategy)
    if strategy == "quantile":
        counts = np.full(n_bins, len(p) / n_bins)
    else:
        counts = np.histogram(p, bins=n_bins, range=(0, 1))[0]
    expected = np.average(np.abs(frequency - mean), weights=counts)
    error = expected_calibration_error(y, p, n_bins=n_bins, strategy=strategy)
    assert error == pytest.approx(expected)


def test_of_many_classes_the_most_probable_is_compared_with_being_right(multiclass):
    y, proba = multiclass
    right = np.array(["a", "b", "c", "d"])[proba.argmax(axis=1)] == y
    expected = expected_calibration_error(right, proba.max(axis=1))
    assert expected_calibration_error(y, proba) == expected


def test_two_columns_are_as_the_second_alone(binary):
    y, p = binary
    both = np.column_stack([1 - p, p])
    assert expected_calibration_error(y, both) == expected_calibration_error(y, p)


def test_calibrated_probabilities_get_the_noise_that_the_notes_say():
    rng = np.random.default_rng(2)
    p = rng.random((200, 3000))
    errors = [expected_calibration_error(rng.random(3000) < row, row) for row in p]
    assert np.mean(errors) == pytest.approx(np.sqrt(15 / 3000) / 3, rel=0.1)


def test_always_sure_and_always_wrong_is_one():
    assert expected_calibration_error([0, 1, 0, 1], [1, 0, 1, 0]) == 1


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_a_row_of_weight_two_is_two_rows(binary, strategy):
    y, p = binary
    weight = np.where(np.arange(600) % 3, 1, 2)
    error = expected_calibration_error(y, p, strategy=strategy, n_bins=7, sample_weight=weight)
    repeated = expected_calibration_error(
        np.repeat(y, weight), np.repeat(p, weight), strategy=strategy, n_bins=7
    )
    assert error == pytest.approx(repeated)
    assert error != pytest.approx(expected_calibration_error(y, p, strategy=strategy, n_bins=7))


def test_a_negative_weight_takes_its_row_out_again(binary):
    y, p = binary
    weight = np.r_[np.ones(600), -np.ones(200)]
    error = expected_calibration_error(np.r_[y, y[:200]], np.r_[p, p[:200]], sample_weight=weight)
    assert error == pytest.approx(expected_calibration_error(y[200:], p[200:]))


def test_quantile_bins_merge_where_most_probabilities_are_equal():
    y_true = [0, 1, 1, 0, 1]
    error = expected_calibration_error(y_true, [0.5] * 5, n_bins=4, strategy="quantile")
    assert error == pytest.approx(3 / 5 - 1 / 2)


def test_labels_name_the_columns_where_a_class_has_no_row(multiclass):
    y, proba = multiclass
    seen = y != "b"
    with pytest.raises(ValueError, match=r"for 4 classes, but y_true has 3.*as labels"):
        expected_calibration_error(y[seen], proba[seen])
    whole = expected_calibration_error(y, proba, sample_weight=seen)
    assert expected_calibration_error(y[seen], proba[seen], labels=[*"abcd"]) == whole


def test_the_second_label_is_the_one_whose_probability_is_passed(binary):
    y, p = binary
    names = np.array(["signal", "background"])[y]  # the other order than sorted
    error = expected_calibration_error(names, p, labels=["signal", "background"])
    assert error == expected_calibration_error(y, p)


def test_rows_of_single_precision_sum_to_one(multiclass):
    y, proba = multiclass
    error = expected_calibration_error(y, proba.astype(np.float32))
    assert error == pytest.approx(expected_calibration_error(y, proba), rel=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y_proba": [0.1, 1.2, 0.3]}, r"y_proba must lie in \[0, 1\], but .* 1\.2; pass predict"),
        ({"y_proba": [-0.1, 0.2, 0.3]}, r"y_proba must lie in \[0, 1\], but reaches from -0\.1"),
        ({"y_proba": [0.1, np.nan, 0.3]}, "y_proba contains NaN"),
        ({"y_proba": [0.1, 0.2]}, "inconsistent numbers of samples"),
        ({"y_proba": [[0.5, 0.5], [0.5, 0.6], [1, 0]]}, r"row of y_proba .* row 1 sums to 1\.1"),
        ({"y_true": [0, 1, 2]}, "for 2 classes, but y_true has 3"),
        ({"labels": [0, 1, 2]}, "for 2 classes, but labels has 3"),
        ({"labels": [1, 2]}, r"y_true has classes that labels lacks: \[0\]"),
        ({"sample_weight": [1, -1, 0]}, "sample_weight must sum to more than 0, but sums to 0"),
        ({"sample_weight": [1, 1]}, "inconsistent numbers of samples"),
        ({"n_bins": 0}, r"'n_bins' parameter .* in the range \[1, inf\)"),
        ({"strategy": "equal"}, "'strategy' parameter .* must be a str among"),
    ],
)
def test_what_is_no_probability_of_the_rows_is_refused(arguments, message):
    arguments = {"y_true": [0, 1, 1], "y_proba": [0.1, 0.2, 0.3], **arguments}
    with pytest.raises(ValueError, match=message):
        expected_calibration_error(arguments.pop("y_true"), arguments.pop("y_proba"), **arguments)
