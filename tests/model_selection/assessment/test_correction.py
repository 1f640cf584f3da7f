"""Corrected scores, against a closed form, brute force and searches whose truth is known."""

import itertools

import numpy as np
import pytest
from sklearn.metrics import get_scorer

from skdeep.model_selection.assessment import out_of_fold
from skdeep.model_selection.assessment.correction import corrected
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


def slow(scorer, y, predictions, weights, n_splits, sample_weight=None):
    """The score by scikit-learn's own metric, of rows repeated as often as their weights say."""
    scorer = get_scorer(scorer)
    parts = np.array_split(np.arange(len(y)), n_splits)
    if scorer._response_method == "predict":
        parts = [np.arange(len(y))]
    scores = []
    for rows in parts:
        drawn = np.repeat(rows, weights[rows])
        given = dict(scorer._kwargs)
        if sample_weight is not None:
            given["sample_weight"] = sample_weight[drawn]
        scores.append(scorer._sign * scorer._score_func(y[drawn], predictions[drawn], **given))
    return np.mean(scores)


def answers(scorer, rng, y):
    if scorer in ("r2", "neg_mean_absolute_error", "neg_root_mean_squared_error"):
        return y + rng.normal(size=(4, len(y)))
    if scorer == "neg_log_loss":
        return rng.dirichlet([2, 2], size=(4, len(y)))
    if scorer == "roc_auc":
        return np.round(y + rng.normal(size=(4, len(y))), 1)  # with ties
    return rng.integers(2, size=(4, len(y)))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "scorer",
    [
        "accuracy",
        "f1",
        "r2",
        "neg_mean_absolute_error",
        "neg_root_mean_squared_error",
        "neg_log_loss",
        "roc_auc",
        "balanced_accuracy",
    ],
)
def test_scores_of_resamples_are_scikit_learns(scorer, weighted):
    rng = np.random.default_rng(0)
    y = rng.normal(size=60) if scorer[:2] in ("r2", "ne") else rng.integers(2, size=60)
    y = rng.integers(2, size=60) if scorer == "neg_log_loss" else y
    predictions = answers(scorer, rng, y)
    sample_weight = rng.uniform(0.5, 2, size=60) if weighted else None
    weights = rng.integers(1, 4, size=(5, 60))
    ours = filled(scorer, y, predictions, 3, sample_weight).scores(range(4), weights.astype(float))
    theirs = [[slow(scorer, y, p, w, 3, sample_weight) for p in predictions] for w in weights]
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_predictions_on_disk_are_those_in_memory(monkeypatch):
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=60)
    predictions = rng.integers(2, size=(4, 60))
    weights = np.ones((1, 60))
    here = filled("f1", y, predictions).scores(range(4), weights)
    monkeypatch.setattr(out_of_fold, "IN_MEMORY", 300)
    kept = filled("f1", y, predictions)
    np.testing.assert_array_equal(kept.scores(range(4), weights), here)
    assert isinstance(kept._parts[3][0][1], np.memmap)


def test_a_candidate_that_wins_in_every_resample_keeps_its_score():
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=60)
    wrong = rng.random((3, 60)) < [[0.1], [0.9], [0.9]]
    found = corrected(filled("accuracy", y, y ^ wrong), [0, 1, 2], 0, highest, np.arange(60), rng)
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
    kept = filled("accuracy", y, predictions, n_splits=2)
    scores = [corrected(kept, [0, 1], 0, highest, np.arange(4), rng).score for _ in range(40)]
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
    by_row = corrected(kept, range(50), winner, highest, np.arange(240), rng)
    by_group = corrected(kept, range(50), winner, highest, groups, rng)
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
        found = corrected(
            filled("accuracy", y, guesses), range(50), winner, highest, np.arange(120), rng
        )
        raw.append(scores[winner])
        ours.append(found.score)
        inside.append(found.interval[0] <= 0.5 <= found.interval[1])
    # The highest of 50 normal deviates is 2.25 on average.
    assert np.mean(raw) == pytest.approx(0.5 + 2.25 * 0.5 / np.sqrt(120), abs=0.01)
    assert np.mean(ours) == pytest.approx(0.5, abs=3 * np.std(ours) / np.sqrt(40))
    assert np.mean(inside) >= 0.85
