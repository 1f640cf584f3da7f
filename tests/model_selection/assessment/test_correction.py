"""Corrected scores, against a closed form, brute force and searches whose truth is known."""

import itertools
import os

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import cohen_kappa_score, get_scorer, make_scorer, r2_score

from skdeep.model_selection.assessment import correction, out_of_fold
from skdeep.model_selection.assessment.out_of_fold import OutOfFold


def highest(scores):
    return scores.argmax(axis=1)


def filled(scorer, y, predictions, n_splits=3, sample_weight=None):
    """Predictions of candidates, (n_candidates, n_samples, ...), in splits of consecutive rows."""
    found = OutOfFold(get_scorer(scorer), y, sample_weight)
    for candidate, own in enumerate(predictions):
        for rows in np.array_split(np.arange(len(y)), n_splits):
            found.add(candidate, rows, own[rows])
    return found


def corrected(kept, n, winner, units, rng):
    scores = kept.scores(range(n), np.ones((1, len(units))))[0]
    return correction.corrected(kept, range(n), scores, winner, highest, units, rng)


def slow(scorer, y, predictions, weights, n_splits, sample_weight=None):
    """The score by scikit-learn's own metric, of rows repeated as often as their weights say."""
    scorer, scores, shares = get_scorer(scorer), [], []
    for rows in np.array_split(np.arange(len(y)), n_splits):
        drawn = np.repeat(rows, weights[rows])
        given = dict(scorer._kwargs)
        if sample_weight is not None:
            given["sample_weight"] = sample_weight[drawn]
        scores.append(scorer._sign * scorer._score_func(y[drawn], predictions[drawn], **given))
        shares.append(len(drawn) / len(rows))
    return np.average(scores, weights=shares)


def of_numbers(rng):
    y = np.round(rng.exponential(size=90), 1)
    return y, y * rng.uniform(0.5, 2, size=(4, 90))


def of_two(rng):
    return rng.integers(2, size=90), rng.integers(2, size=(4, 90))


def of_three(rng):
    words = np.array(["a", "b", "c"])[rng.integers(3, size=(5, 90))]
    return words[0], words[1:]


def of_ranks(rng):
    y = rng.integers(2, size=90)
    return y, np.round(y + rng.normal(size=(4, 90)), 1)  # with ties


def of_chances(rng):
    return rng.integers(2, size=90), rng.random((4, 90))


def of_three_chances(rng):
    return rng.integers(3, size=90), rng.dirichlet([2, 2, 2], size=(4, 90))


KINDS = {
    of_numbers: [
        "neg_mean_absolute_error",
        "neg_mean_squared_error",
        "neg_root_mean_squared_error",
        "neg_mean_absolute_percentage_error",
        "neg_mean_squared_log_error",
        "neg_root_mean_squared_log_error",
        "neg_median_absolute_error",
    ],
    of_two: ["accuracy", "f1", "precision", "recall", "jaccard", "balanced_accuracy"],
    of_three: [
        "accuracy",
        "f1_macro",
        "f1_micro",
        "precision_weighted",
        "recall_macro",
        "jaccard_weighted",
        "balanced_accuracy",
        "matthews_corrcoef",
    ],
    of_ranks: ["roc_auc", "average_precision"],
    of_chances: ["neg_log_loss", "neg_brier_score"],
    of_three_chances: [
        "neg_log_loss",
        "neg_brier_score",
        "roc_auc_ovr",
        "roc_auc_ovr_weighted",
        "roc_auc_ovo",
        "roc_auc_ovo_weighted",
    ],
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("make", "scorer"), [(make, name) for make, names in KINDS.items() for name in names]
)
def test_scores_of_resamples_are_scikit_learns(make, scorer, weighted):
    if weighted and "ovo" in scorer:
        pytest.skip("scikit-learn has no weights for it")
    rng = np.random.default_rng(0)
    y, predictions = make(rng)
    sample_weight = rng.uniform(0.5, 2, size=90) if weighted else None
    weights = rng.multinomial(90, np.full(90, 1 / 90), size=5)
    kept = filled(scorer, y, predictions, 3, sample_weight)
    ours = kept.scores(range(4), weights.astype(float))
    theirs = [[slow(scorer, y, p, w, 3, sample_weight) for p in predictions] for w in weights]
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    assert kept.is_quick == (scorer != "neg_median_absolute_error")


@pytest.mark.parametrize("scorer", ["f1", "roc_auc", "r2", "neg_median_absolute_error"])
def test_one_column_is_as_good_as_none(scorer):
    rng = np.random.default_rng(0)
    y, predictions = of_two(rng)
    weights = rng.multinomial(90, np.full(90, 1 / 90), size=5).astype(float)
    flat = filled(scorer, y, predictions).scores(range(4), weights)
    column = filled(scorer, y[:, None], predictions[:, :, None]).scores(range(4), weights)
    np.testing.assert_array_equal(column, flat)


@pytest.mark.parametrize("weighted", [False, True])
def test_r2_of_resamples_is_that_of_all_rows_and_its_derivatives(weighted):
    rng = np.random.default_rng(0)
    y = rng.normal(size=30)
    predictions = y + rng.normal(size=30)
    own = rng.uniform(0.5, 2, size=30) if weighted else np.ones(30)
    kept = filled("r2", y, predictions[None], 1, own)
    step = 1e-6 * np.eye(30)
    differences = [
        r2_score(y, predictions, sample_weight=own * (1 + row))
        - r2_score(y, predictions, sample_weight=own * (1 - row))
        for row in step
    ]
    whole = kept.scores([0], np.ones((1, 30)))[0, 0]
    assert whole == pytest.approx(r2_score(y, predictions, sample_weight=own), abs=1e-12)
    slopes = (kept.scores([0], 1 + step) - kept.scores([0], 1 - step))[:, 0]
    np.testing.assert_allclose(slopes, differences, atol=1e-11)
    # Linear in the shares of rows: no resample of few rows has a variance next to nothing.
    single = kept.scores([0], np.eye(30))[:, 0]
    drawn = rng.multinomial(8, np.full(30, 1 / 30), size=5)
    np.testing.assert_allclose(
        kept.scores([0], drawn.astype(float))[:, 0],
        (drawn * own) @ single / (drawn @ own),
        atol=1e-12,
    )


@pytest.mark.parametrize(
    "scorer", ["roc_auc", "balanced_accuracy", "f1", make_scorer(cohen_kappa_score)]
)
def test_a_part_that_lacks_a_class_has_no_score(scorer):
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    predictions = rng.integers(2, size=(1, 60))
    kept = filled(scorer, y, predictions, 3)
    weights = np.ones((3, 60))
    weights[0, :20] = y[:20] == 0  # one class in the first part
    weights[1] = y == 0  # in all
    weights[2, :20] = 0  # no row
    own = filled(scorer, y[20:], predictions[:, 20:], 2)
    (rest,) = own.scores([0], np.ones((1, 40)))[0]
    np.testing.assert_allclose(kept.scores([0], weights)[:, 0], [rest, np.nan, rest])


def test_predictions_on_disk_are_those_in_memory(monkeypatch):
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=60)
    predictions = rng.integers(2, size=(4, 60))
    weights = np.ones((1, 60))
    here = filled("f1", y, predictions).scores(range(4), weights)
    monkeypatch.setattr(out_of_fold, "IN_MEMORY", 300)
    n_open = len(os.listdir("/dev/fd"))
    kept = filled("f1", y, predictions)
    np.testing.assert_array_equal(kept.scores(range(4), weights), here)
    assert not isinstance(kept._parts[3][0][1], np.ndarray)
    assert len(os.listdir("/dev/fd")) == n_open + 1  # one file for all


def test_a_candidate_that_wins_in_every_resample_keeps_its_score():
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=60)
    wrong = rng.random((3, 60)) < [[0.1], [0.9], [0.9]]
    found = corrected(filled("accuracy", y, y ^ wrong), 3, 0, np.arange(60), rng)
    assert found.score == pytest.approx(1 - wrong[0].mean(), abs=1e-12)


def test_correction_is_the_mean_over_all_resamples():
    # Four rows, two candidates: all 4^4 resamples, as Tsamardinos et al. have it.
    y = np.array([1, 1, 1, 1])
    predictions = np.array([[1, 1, 0, 0], [0, 1, 1, 0]])
    right = predictions == y
    found = []
    for drawn in itertools.product(range(4), repeat=4):
        out = [row for row in range(4) if row not in drawn]
        if out:
            chosen = right[:, list(drawn)].mean(axis=1).argmax()
            found.append((right[chosen, out].mean(), right[0, out].mean()))
    chosen, winner = np.mean(found, axis=0)
    rng = np.random.default_rng(0)
    kept = filled("accuracy", y, predictions, n_splits=1)
    scores = [corrected(kept, 2, 0, np.arange(4), rng).score for _ in range(40)]
    spread = np.std(scores, ddof=1) / np.sqrt(len(scores))
    assert np.mean(scores) == pytest.approx(0.5 + chosen - winner, abs=4 * spread)
    assert chosen - winner < -0.05


def test_rows_of_a_group_are_drawn_together():
    # Candidates are right for whole groups: rows out of the bag tell something new only then.
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(12), 20)
    y = np.ones(240, dtype=int)
    right = rng.random((50, 12)) < 0.5
    kept = filled("accuracy", y, right[:, groups].astype(int))
    winner = int(right.mean(axis=1).argmax())
    by_row = corrected(kept, 50, winner, np.arange(240), rng)
    by_group = corrected(kept, 50, winner, groups, rng)
    assert by_row.score > 0.7  # each row's twins were drawn
    assert by_group.score < 0.6


def test_the_score_of_the_best_of_many_guesses_is_one_half():
    raw, ours, inside = [], [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        y = rng.integers(2, size=120)
        guesses = rng.integers(2, size=(50, 120))
        scores = (guesses == y).mean(axis=1)
        winner = int(scores.argmax())
        found = corrected(filled("accuracy", y, guesses), 50, winner, np.arange(120), rng)
        raw.append(scores[winner])
        ours.append(found.score)
        inside.append(found.interval[0] <= 0.5 <= found.interval[1])
    # The highest of 50 normal deviates is 2.25 on average.
    assert np.mean(raw) == pytest.approx(0.5 + 2.25 * 0.5 / np.sqrt(120), abs=0.01)
    assert np.mean(ours) == pytest.approx(0.5, abs=3 * np.std(ours) / np.sqrt(40))
    assert np.mean(inside) >= 0.85


def test_candidates_far_behind_win_no_hard_resample():
    # Errors that are larger by a constant: the winner wins in every resample, pruned or not.
    rng = np.random.default_rng(0)
    y, noise = rng.normal(scale=3, size=(2, 100))
    others = np.sign(noise) * (abs(noise) + 0.2 * np.arange(6)[:, None])
    kept = filled("neg_mean_absolute_error", y, y - others)
    found = corrected(kept, 6, 0, np.arange(100), rng)
    assert found.score == pytest.approx(-np.mean([abs(e).mean() for e in np.array_split(noise, 3)]))


def test_the_interval_is_that_of_nine_resamples_in_ten():
    # Of one candidate: n/e rows of n without replacement, whose score is nearly normal.
    rng = np.random.default_rng(0)
    y = np.ones(2000, dtype=int)
    right = (rng.random((1, 2000)) < 0.7).astype(int)
    low, high = corrected(filled("accuracy", y, right), 1, 0, np.arange(2000), rng).interval
    p, out = right.mean(), np.exp(-1)
    deviation = np.sqrt(p * (1 - p) / 2000 * (1 - out) / out)
    np.testing.assert_allclose([low, high], p + deviation * norm.ppf([0.05, 0.95]), atol=2e-3)


@pytest.mark.parametrize(
    ("scorer", "lower", "upper"),
    [
        ("accuracy", 0, 1),
        ("balanced_accuracy", 0, 1),
        ("r2", -np.inf, 1),
        ("average_precision", 0, 1),
        ("neg_log_loss", -np.inf, 0),
        ("matthews_corrcoef", -np.inf, 1),
    ],
)
@pytest.mark.parametrize("skill", [0.0, 0.9])
def test_the_interval_lies_where_scores_can_be_and_holds_the_score(scorer, lower, upper, skill):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        y = (np.arange(40) % 8 == 0).astype(int)
        guesses = np.clip(rng.random((10, 40)) * (1 - skill) + skill * y, 0.01, 0.99)
        if scorer not in ("average_precision", "neg_log_loss", "r2"):
            guesses = (guesses > 0.6).astype(int)
        kept = filled(scorer, y.astype(float) if scorer == "r2" else y, guesses, 2)
        scores = kept.scores(range(10), np.ones((1, 40)))[0]
        found = corrected(kept, 10, int(scores.argmax()), np.arange(40), rng)
        low, high = found.interval
        assert lower <= low <= found.score <= high <= upper


def test_a_metric_of_the_users_is_called_some_thousand_times_at_most():
    calls = []

    def metric(y, p):
        calls.append(len(y))
        return np.mean(y == p)

    rng = np.random.default_rng(0)
    y, guesses = rng.integers(2, size=90), rng.integers(2, size=(60, 90))
    kept = filled(make_scorer(metric), y, guesses)
    scores = kept.scores(range(60), np.ones((1, 90)))[0]
    del calls[:]
    winner = int(scores.argmax())
    found = corrected(kept, 60, winner, np.arange(90), rng)
    assert 3000 < len(calls) < 7000
    ours = corrected(filled("accuracy", y, guesses), 60, winner, np.arange(90), rng)
    assert found.score == pytest.approx(ours.score, abs=0.03)
    assert found.score < scores.max() - 0.03
    alone = filled(make_scorer(metric), y, guesses, 90)
    assert "too many rows or splits" in corrected(alone, 60, winner, np.arange(90), rng)
