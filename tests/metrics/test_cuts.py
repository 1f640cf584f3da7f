import numpy as np
import pytest
import sklearn
from scipy.optimize import minimize_scalar
from scipy.stats import binom, norm, poisson
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import make_scorer, roc_curve
from sklearn.model_selection import GridSearchCV, StratifiedKFold

from skdeep.metrics import background_rejection, significance

EFFICIENCIES = [0.0313, 0.2371, 0.5119, 0.8737, 0.9931]


def toy(rng, n_signal=1000, n_background=1500, negative=0.0):
    """Labels, scores and weights; signal is normal around 1.5, background around 0.

    A share ``negative`` of the rows has weight -1, the others random ones. The weights do not
    depend on the score, so that they change the errors but not the expected efficiencies.
    """
    y = np.repeat([1, 0], [n_signal, n_background])
    weight = np.where(rng.random(len(y)) < negative, -1, rng.uniform(0.5, 2.5, len(y)))
    return y, rng.normal(1.5 * y), weight


def true_background_efficiency(signal_efficiency):
    return norm.sf(norm.isf(signal_efficiency) + 1.5)


@pytest.fixture(scope="module")
def rows():
    """Labels, scores with many ties, and positive weights."""
    y, score, weight = toy(np.random.default_rng(0))
    return y, score.round(1), weight


@pytest.fixture(scope="module")
def signed():
    """Labels, scores and weights, one in five negative."""
    return toy(np.random.default_rng(1), negative=0.2)


# Background rejection ---------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
def test_rejection_is_the_inverse_of_scikit_learns_roc_curve(rows, weighted):
    y, score, weight = rows
    weight = weight if weighted else None
    fpr, tpr, _ = roc_curve(y, score, sample_weight=weight)
    rejection = background_rejection(y, score, signal_efficiency=EFFICIENCIES, sample_weight=weight)
    np.testing.assert_allclose(1 / rejection, np.interp(EFFICIENCIES, tpr, fpr))


def test_a_single_efficiency_gives_a_float(rows):
    y, score, _ = rows
    (expected,) = background_rejection(y, score, signal_efficiency=[0.3])
    one = background_rejection(y, score, signal_efficiency=0.3)
    assert type(one) is float
    assert one == expected


def test_the_tightest_cut_that_reaches_the_efficiency_is_taken():
    # Half of the signal passes at scores of 4 and more; 3 and 2 add background alone.
    y, score = [1, 0, 0, 0, 1], [5, 4.5, 3, 2, 1]
    assert background_rejection(y, score, signal_efficiency=0.5) == np.inf
    assert background_rejection(y, score, signal_efficiency=0.51) == 1


def test_a_score_without_information_rejects_as_much_as_it_keeps(rows):
    y, _, weight = rows
    rejection = background_rejection(
        y, np.zeros(len(y)), signal_efficiency=EFFICIENCIES, sample_weight=weight
    )
    np.testing.assert_allclose(rejection, 1 / np.array(EFFICIENCIES))


def test_of_negative_weights_the_first_cut_that_reaches_the_efficiency_counts():
    y = np.array([1, 1, 0, 1, 1, 0, 1, 1, 1, 0])
    score = np.arange(10, 0, -1)
    weight = np.array([1, 1, 2, -1, -1, 2, 1, 1, 2, 4])  # signal passing: 1, 2, 1, 0, 1, 2, 4
    rejection = background_rejection(
        y, score, signal_efficiency=[0.2, 0.4, 0.5, 0.6, 1], sample_weight=weight
    )
    np.testing.assert_array_equal(rejection, [np.inf, np.inf, np.inf, 2, 2])


@pytest.mark.parametrize("weight", [[-1, 0, 0], [0.1, 0.2, -0.3]], ids=["less", "rounded"])
def test_background_that_sums_to_nothing_or_less_is_none(weight):
    # The second sums to 6e-17 in floating point.
    y, score, weight = [0, 0, 0, 1, 0], [5, 4, 3, 2, 1], [*weight, 1, 9]
    rejection, error = background_rejection(y, score, sample_weight=weight, return_error=True)
    assert rejection == error == np.inf
    assert np.isnan(significance(y, score, threshold=2, sample_weight=weight))


def test_weights_of_many_sizes_are_no_rounding():
    y, score, weight = [1, 0, 0], [2, 2, 1], [1, 1e-9, 1e9]
    assert background_rejection(y, score, sample_weight=weight) == pytest.approx(2e18)


def test_equal_weights_are_as_none():
    # 0.1 * 3 + ... rounds now above, now below: no cut may slip to the next signal row.
    y, score = np.tile([0, 1, 0], 50), np.arange(150)
    efficiency = np.arange(1, 51) / 50
    for size in (0.1, 0.3, 0.7):
        np.testing.assert_allclose(
            background_rejection(
                y, score, signal_efficiency=efficiency, sample_weight=np.full(150, size)
            ),
            background_rejection(y, score, signal_efficiency=efficiency),
        )


def test_no_more_passes_than_the_rows_of_equal_score():
    # The efficiency wanted exceeds that at a score of 2 by no more than a sum is sure of.
    y, score, weight = [1, 1, 0, 1, 0], [3, 2, 2, 1, 0], [1, 1e-13, 1, 1, 3]
    rejection = background_rejection(
        y, score, signal_efficiency=0.5 + 1.02e-12, sample_weight=weight
    )
    assert rejection == 4


def test_perfect_separation_has_infinite_rejection_and_error():
    y, score = [1, 1, 1, 1, 0, 0], [6, 5, 4, 3, 2, 1]
    rejection, error = background_rejection(
        y, score, signal_efficiency=[0.25, 1], return_error=True
    )
    assert (rejection == np.inf).all()
    assert (error == np.inf).all()


def test_squares_that_pass_may_exceed_their_sum_by_rounding():
    y, score, weight = [1, 1, 1, 0], [3, 2, 2, 1], [0.0986, 0.2, 0.1, 1]
    _, error = background_rejection(
        y, score, signal_efficiency=1, sample_weight=weight, return_error=True
    )
    assert error == np.inf


def test_no_signal_efficiency_has_infinite_rejection(rows):
    y, score, _ = rows
    assert background_rejection(y, score, signal_efficiency=0) == np.inf


def test_all_signal_passes_without_an_error_of_the_cut():
    y, score = [0, 1, 1, 0, 0, 0], [6, 5, 4, 3, 2, 1]
    rejection, error = background_rejection(y, score, signal_efficiency=1, return_error=True)
    assert rejection == 4
    assert error == pytest.approx(4**2 * np.sqrt(0.25 * 0.75 / 4))


@pytest.mark.parametrize("parts", [(0.3, 0.7), (2, -1)])
def test_a_row_in_two_parts_of_its_weight_is_the_row(signed, parts):
    y, score, weight = signed
    whole = background_rejection(y, score, signal_efficiency=EFFICIENCIES, sample_weight=weight)
    order = np.random.default_rng(2).permutation(2 * len(y))
    split = background_rejection(
        np.r_[y, y][order],
        np.r_[score, score][order],
        signal_efficiency=EFFICIENCIES,
        sample_weight=np.r_[parts[0] * weight, parts[1] * weight][order],
    )
    np.testing.assert_allclose(split, whole)


def test_rejection_and_error_know_no_units_of_weight_or_score(signed):
    y, score, weight = signed
    arguments = {"signal_efficiency": EFFICIENCIES, "return_error": True}
    expected = background_rejection(y, score, sample_weight=weight, **arguments)
    other = background_rejection(
        y, np.exp(score), sample_weight=weight * np.where(y, 1e-3, 700), **arguments
    )
    np.testing.assert_allclose(other, expected)


def test_the_error_at_a_well_known_cut_is_binomial():
    rng = np.random.default_rng(3)
    score = np.r_[norm.isf(np.linspace(0, 1, 200_002)[1:-1]), rng.normal(-1, size=400)]
    y = np.repeat([1, 0], [200_000, 400])
    rejection, error = background_rejection(y, score, return_error=True)
    efficiency = 1 / rejection
    expected = rejection**2 * np.sqrt(efficiency * (1 - efficiency) / 400)
    assert error == pytest.approx(expected, rel=0.01)


def test_the_error_of_a_score_without_information_is_that_of_both_samples():
    y, efficiency = np.repeat([1, 0], [10, 30]), np.array([0.01, 0.5, 0.99])
    rejection, error = background_rejection(
        y, np.zeros(40), signal_efficiency=efficiency, return_error=True
    )
    expected = rejection**2 * np.sqrt(efficiency * (1 - efficiency) * (1 / 10 + 1 / 30))
    np.testing.assert_allclose(error, expected)


@pytest.mark.parametrize("negative", [0, 0.2])
def test_the_errors_are_the_spread_of_toy_experiments(negative):
    rng = np.random.default_rng(4)
    efficiencies = [0.3, 0.5, 0.9]
    rejection, error = np.moveaxis(
        [
            background_rejection(
                y, score, signal_efficiency=efficiencies, sample_weight=weight, return_error=True
            )
            for y, score, weight in (toy(rng, negative=negative) for _ in range(400))
        ],
        1,
        0,
    )
    # 1 / rejection is nearly normal, the rejection is not.
    passing, passing_error = 1 / rejection, error / rejection**2
    np.testing.assert_allclose(passing_error.mean(axis=0), passing.std(axis=0), rtol=0.1)
    truth = true_background_efficiency(np.array(efficiencies))
    np.testing.assert_allclose(passing.mean(axis=0), truth, rtol=0.03)


# Significance -----------------------------------------------------------------------------


def counting(s, b, **arguments):
    """Significance of s signal on b background events above a threshold, in many rows."""
    y, score = np.repeat([1, 1, 0, 0], 40), np.tile(np.repeat([1, 0], 40), 2)
    weight = np.repeat([s, 3, b, 7], 40) / 40
    return significance(y, score, threshold=0.5, sample_weight=weight, **arguments)


def profiled(n, m, tau):
    """Significance of n counts where m were measured in tau times the background, by a fit."""

    def loss(s, b):
        return -poisson.logpmf(np.round(n), s + b) - poisson.logpmf(np.round(m), tau * b)

    fit = minimize_scalar(lambda b: loss(0, b), bounds=(1e-9, n + m), method="bounded")
    return np.sqrt(2 * (fit.fun - loss(n - m / tau, m / tau)))


@pytest.mark.parametrize(("s", "b"), [(3, 1), (30, 50), (5, 400)])
def test_a_known_background_gives_equation_97(s, b):
    expected = np.sqrt(2 * ((s + b) * np.log(1 + s / b) - s))
    assert counting(s, b) == pytest.approx(expected)


@pytest.mark.parametrize(("s", "b", "tau"), [(3, 1, 2), (30, 50, 0.1), (7, 400, 1)])
def test_an_uncertain_background_gives_the_fit_to_the_asimov_data(s, b, tau):
    z = counting(s, b, absolute_uncertainty=np.sqrt(b / tau))
    assert z == pytest.approx(profiled(s + b, tau * b, tau), rel=1e-5)


def test_uncertainties_add_in_quadrature():
    both = counting(30, 50, relative_uncertainty=0.06, absolute_uncertainty=4)
    assert both == pytest.approx(counting(30, 50, absolute_uncertainty=5))
    assert both == pytest.approx(counting(30, 50, relative_uncertainty=0.1))


@pytest.mark.parametrize("sigma", [0, 1, 20])
def test_next_to_no_signal_is_next_to_zero(sigma):
    # Rounding may leave less than nothing under the root.
    z = [counting(s, 2600, absolute_uncertainty=sigma) for s in np.logspace(-14, -8, 200)]
    np.testing.assert_allclose(z, 0, atol=1e-5)


@pytest.mark.parametrize("sigma", [0, 1e-7, 20])
def test_little_signal_has_the_significance_of_a_normal_background(sigma):
    z = counting(0.01, 400, absolute_uncertainty=sigma)
    assert z == pytest.approx(0.01 / np.sqrt(400 + sigma**2), rel=1e-4)


def test_it_is_the_median_of_exact_tests_in_toy_experiments():
    rng = np.random.default_rng(5)
    n = rng.poisson(40 + 100, 20_000)
    exact = norm.isf(poisson.sf(n - 1, 100))
    assert counting(40, 100) == pytest.approx(np.median(exact), rel=0.03)
    # A control region of twice the size says how much background there is.
    m = rng.poisson(2 * 100, len(n))
    exact = norm.isf(binom.sf(n - 1, n + m, 1 / 3))
    z = counting(40, 100, absolute_uncertainty=np.sqrt(50))
    assert z == pytest.approx(np.median(exact), rel=0.03)


@pytest.mark.parametrize(
    "uncertainty",
    [
        {},
        {"relative_uncertainty": 0.2},
        {"absolute_uncertainty": 10},
        {"relative_uncertainty": 0.2, "absolute_uncertainty": 10},
    ],
    ids=str,
)
def test_the_error_is_the_spread_of_toy_simulations(uncertainty):
    rng = np.random.default_rng(6)
    found = []
    for _ in range(400):
        y, score, weight = toy(rng, rng.poisson(400), rng.poisson(2000), negative=0.2)
        weight *= np.where(y, 0.1, 0.2)
        found.append(
            significance(
                y,
                score,
                threshold=1,
                sample_weight=weight,
                return_details=True,
                **uncertainty,
            )
        )
    z, error = np.array([[one.significance, one.error] for one in found]).T
    assert error.mean() == pytest.approx(z.std(), rel=0.1)


def test_the_error_for_little_signal_is_that_of_the_signal():
    y, score, weight = [1, 1, 0, 0], [2, 1, 2, 1], np.array([-1, 2, 100, 1])
    one = significance(y, score, threshold=2, sample_weight=weight, return_details=True)
    assert one.significance == 0
    assert one.error == pytest.approx(1 / 10)


@pytest.mark.parametrize("relative_uncertainty", [0, 0.2])
def test_the_best_threshold_is_that_of_all_scores(signed, relative_uncertainty):
    y, score, weight = signed
    arguments = {
        "sample_weight": weight,
        "relative_uncertainty": relative_uncertainty,
        "return_details": True,
    }
    best = significance(y, score, **arguments)
    passes = (score >= score[:, None]) & (y == 0)  # (threshold, row)
    effective = np.maximum(passes @ weight, 0) ** 2 / np.maximum(passes @ weight**2, 1e-9)
    scan = significance(y, score, threshold=score[effective >= 10], **arguments)
    at = scan.significance.argmax()
    assert best == {name: scan[name][at] for name in best}
    assert significance(y, score, **{**arguments, "return_details": False}) == best.significance


def test_a_hole_in_the_simulation_is_no_best_threshold():
    rng = np.random.default_rng(7)
    y = np.repeat([1, 0], [100, 1000])
    score = np.r_[rng.random(100), 0.9 * rng.random(999), 0.95]
    best = significance(y, score, return_details=True)
    assert (score[y == 0] >= best.threshold).sum() >= 10
    bold = significance(y, score, min_effective_rows=1, return_details=True)
    assert bold.threshold > 0.9
    assert bold.significance > best.significance


def test_many_thresholds_are_as_each(signed):
    y, score, weight = signed
    thresholds = np.array([[-1, 0.3], [0.5, 1]])
    scan = significance(y, score, threshold=thresholds, sample_weight=weight, return_details=True)
    for at in np.ndindex(2, 2):
        passes = score >= thresholds[at]
        assert scan.signal[at] == pytest.approx(weight[passes & (y == 1)].sum())
        assert scan.background[at] == pytest.approx(weight[passes & (y == 0)].sum())
        one = significance(y, score, threshold=thresholds[at], sample_weight=weight)
        assert type(one) is float
        assert scan.significance[at] == one


def test_rows_at_the_threshold_pass():
    one = significance([1, 0, 0], [2, 2, 1], threshold=2, return_details=True)
    assert (one.signal, one.background) == (1, 1)


def test_nothing_left_is_zero_and_no_background_has_no_answer():
    y, score = [1, 1, 0, 0], [4, 3, 2, 1]
    assert significance(y, score, threshold=5) == 0
    assert np.isnan(significance(y, score, threshold=3))
    assert np.isnan(significance(y, score, threshold=2, sample_weight=[1, 1, -1, 2]))


@pytest.mark.parametrize("parts", [(0.3, 0.7), (2, -1)])
def test_significance_of_a_row_in_two_parts_is_that_of_the_row(signed, parts):
    y, score, weight = signed
    split = np.r_[parts[0] * weight, parts[1] * weight]
    z = significance(np.r_[y, y], np.r_[score, score], threshold=0.7, sample_weight=split)
    assert z == pytest.approx(significance(y, score, threshold=0.7, sample_weight=weight))


def test_significance_grows_as_the_root_of_the_luminosity(signed):
    y, score, weight = signed
    one = significance(y, score, sample_weight=weight, return_details=True)
    four = significance(y, score, sample_weight=4 * weight, return_details=True)
    assert four.threshold == one.threshold
    assert four.significance == pytest.approx(2 * one.significance)
    assert four.error == pytest.approx(2 * one.error)


def test_a_grid_search_scores_by_weighted_significance():
    rng = np.random.default_rng(8)
    X = rng.normal(size=(400, 3))
    y = (X[:, 0] + X[:, 1] ** 2 + rng.normal(size=400) > 1.5).astype(int)
    weight = np.where(rng.random(400) < 0.1, -1, 2) * rng.uniform(0.1, 2, 400)
    X = np.c_[X, X**2]
    folds = list(StratifiedKFold(3).split(X, y))
    grid = {"C": [1e-4, 1]}
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = make_scorer(
            significance,
            response_method=("decision_function", "predict_proba"),
            relative_uncertainty=0.1,
        ).set_score_request(sample_weight=True)
        model = LogisticRegression().set_fit_request(sample_weight=False)
        search = GridSearchCV(model, grid, scoring=scorer, cv=folds, refit=False)
        search.fit(X, y, sample_weight=weight)
    for fold, (train, test) in enumerate(folds):
        for i, C in enumerate(grid["C"]):
            score = LogisticRegression(C=C).fit(X[train], y[train]).decision_function(X[test])
            expected = significance(
                y[test], score, relative_uncertainty=0.1, sample_weight=weight[test]
            )
            assert search.cv_results_[f"split{fold}_test_score"][i] == expected


# Both ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", [background_rejection, significance])
def test_the_signal_may_have_any_name_among_several(rows, metric):
    y, score, weight = rows
    names = np.where(y == 1, "higgs", np.where(weight > 1, "top", "w"))
    expected = metric(y, score, sample_weight=weight)
    assert metric(names, score, pos_label="higgs", sample_weight=weight) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y_true": [1, 1, 1]}, "weights of the background must sum to more than 0, but 0 rows"),
        ({"y_true": [0, 0, 0]}, "weights of the signal must sum to more than 0, but 0 rows"),
        (
            {"sample_weight": [-1, 2, 1]},
            "weights of the background .* 1 rows of it sum to -1; .*=1",
        ),
        ({"sample_weight": [1, 2, -2]}, "weights of the signal .* 2 rows of it sum to 0"),
        ({"sample_weight": [1, 2]}, "inconsistent numbers of samples"),
        ({"sample_weight": [1, 2, np.inf]}, "sample_weight contains infinity"),
        ({"y_true": [0, 1, 2]}, "y_true must have two classes.* multiclass; pass .* as pos_label"),
        ({"y_true": [0.1, 0.2, 0.3]}, "y_true must have two classes.* continuous"),
        ({"y_true": ["b", "s", "s"]}, "pos_label is not specified"),
        ({"pos_label": 7}, "signal must sum .* 0 rows of it .* the signal has pos_label=7"),
        ({"y_score": [0.1, np.nan, 0.3]}, "y_score contains NaN"),
        (
            {"y_score": [[0.1, 0.9]] * 3},
            r"y_score must hold one .* \(3, 2\); of predict_proba",
        ),
        ({"y_score": [0.1, 0.2]}, "inconsistent numbers of samples"),
    ],
)
@pytest.mark.parametrize("metric", [background_rejection, significance])
def test_what_is_no_signal_and_background_is_refused(metric, arguments, message):
    arguments = {"y_true": [0, 1, 1], "y_score": [0.1, 0.2, 0.3], **arguments}
    with pytest.raises(ValueError, match=message):
        metric(arguments.pop("y_true"), arguments.pop("y_score"), **arguments)


@pytest.mark.parametrize("efficiency", [-0.1, 1.1, [0.5, 2], np.nan])
def test_a_signal_efficiency_that_is_no_share_is_refused(efficiency):
    with pytest.raises(ValueError, match=r"signal_efficiency.*\[0.*, 1.*\]"):
        background_rejection([0, 1], [0, 1], signal_efficiency=efficiency)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "no cut leaves min_effective_rows=10 background rows, as all are worth 3; simulate"),
        ({"threshold": [0, np.nan]}, "threshold must be a number, but holds NaN"),
        ({"relative_uncertainty": -0.1}, r"'relative_uncertainty' .* range \[0.0, inf\)"),
        ({"absolute_uncertainty": -1}, r"'absolute_uncertainty' .* range \[0.0, inf\)"),
        ({"min_effective_rows": 0}, r"'min_effective_rows' .* range \(0.0, inf\)"),
    ],
)
def test_a_significance_that_cannot_be_had_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        significance([0, 0, 0, 1], [1, 2, 3, 4], **arguments)
