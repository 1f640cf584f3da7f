import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import kstest, norm, spearmanr

from skdeep.active_learning.evidence import (
    LARGER,
    OTHER,
    Evidence,
    dependence_of,
    log_bets,
    normal_scores,
    sequential_ranks,
)


def first_alarm(evidence, rows, promise, batch=200):
    """After how many of the rows, (n,), the alarm comes; their number if it does not."""
    for start in range(0, len(rows), batch):
        evidence = evidence.after(rows[start : start + batch, None])
        if (hits := np.flatnonzero(evidence.path >= np.log(promise))).size:
            return start + hits[0] + 1
    return len(rows)


def test_ranks_are_those_of_counting():
    rng = np.random.default_rng(0)
    old, new = rng.integers(6, size=(20, 2)), rng.integers(6, size=(9, 2))
    known, groups = rng.integers(2, size=20), rng.integers(2, size=9)
    ordered = tuple(np.sort(old[known == group], axis=0) for group in range(2))
    low, high = sequential_ranks(ordered, new, groups)
    for i in range(9):
        for j in range(2):
            alike = np.append(
                old[known == groups[i], j], new[: i + 1, j][groups[: i + 1] == groups[i]]
            )
            assert low[i, j] == np.mean(alike < new[i, j])
            assert high[i, j] == np.mean(alike <= new[i, j])


@pytest.mark.parametrize("limit", [250, 10_000])
def test_the_reference_is_kept_in_order_of_time_and_of_size(limit):
    rng = np.random.default_rng(0)
    old, new = rng.integers(30, size=(200, 2)) / 1.0, rng.integers(30, size=(400, 2)) / 1.0
    evidence = Evidence.begin(old, OTHER, limit, old[:, 0])
    for part in np.split(new, [1, 30, 300]):
        evidence = evidence.after(part, part[:, 0])
    rows = np.concatenate([old, new])[:limit]
    np.testing.assert_array_equal(evidence.reference, rows)
    groups = np.searchsorted(evidence.edges, rows[:, 0])
    assert len(evidence.ordered) == len(evidence.edges) + 1 == 8
    for group, ordered in enumerate(evidence.ordered):
        np.testing.assert_array_equal(ordered, np.sort(rows[groups == group], axis=0))


@pytest.mark.parametrize("bets", [LARGER, OTHER])
@pytest.mark.parametrize("values", [np.arange(12.0), np.array([0.0, 0, 0, 1, 1, 2, 5, 5])])
def test_a_bet_pays_one_on_average_whichever_of_the_rows_is_the_new_one(bets, values):
    paid = []
    for i in range(len(values)):
        others = np.sort(np.delete(values, i))[:, None]
        rank = sequential_ranks((others,), values[i : i + 1, None], np.zeros(1, int))
        paid.append(np.exp(log_bets(*rank, bets))[0, 0])
    np.testing.assert_allclose(np.mean(paid, axis=0), 1)


def test_bets_are_shares_of_the_two_distributions():
    low, high = np.array([[0.0], [0.2], [0.9999]]), np.array([[1e-4], [0.25], [1.0]])
    for (shift, scale), found in zip(OTHER, log_bets(low, high, OTHER)[:, 0].T):
        other = norm(shift, scale)
        ends = norm.ppf(low[:, 0]), norm.ppf(high[:, 0])
        share = np.where(
            ends[0] > shift,
            other.sf(ends[0]) - other.sf(ends[1]),
            -np.subtract(*map(other.cdf, ends)),
        )
        np.testing.assert_allclose(found, np.log(share / (high - low)[:, 0]), rtol=1e-6)
    np.testing.assert_allclose(
        log_bets(1 - high, 1 - low, LARGER * [-1, 1]), log_bets(low, high, LARGER)
    )


def test_normal_scores_are_normal_within_groups():
    rng = np.random.default_rng(0)
    groups = rng.integers(2, size=4000)
    values = np.stack([rng.exponential(1 + 9 * groups), rng.integers(2, size=4000)], axis=1)
    scores = normal_scores(values, groups)
    for group in range(2):
        own = scores[groups == group]
        np.testing.assert_allclose(own.mean(axis=0), 0, atol=0.05)
        assert own[:, 0].std() == pytest.approx(1, abs=0.01)
        assert kstest(own[:, 0], "norm").pvalue > 0.99
        assert spearmanr(own[:, 0], values[groups == group, 0]).statistic == pytest.approx(1)
        # Of two equally likely values, the quantiles at 1/4 and 3/4.
        np.testing.assert_allclose(np.unique(own[:, 1]), norm.ppf([0.25, 0.75]), atol=0.05)


def test_evidence_is_the_sum_over_all_rows_that_a_bet_could_begin_at():
    rng = np.random.default_rng(0)
    old, new = rng.normal(size=(80, 2)), rng.normal(0.5, size=(30, 2))
    evidence = Evidence.begin(old, LARGER, 1000, dependence=np.array([1.0, 1.6])).after(new)
    ranks = sequential_ranks((np.sort(old, axis=0),), new, np.zeros(30, int))
    pay = log_bets(*ranks, LARGER) / np.array([[1.0], [1.6]])
    worth = [np.exp([pay[k : t + 1].sum(axis=0) for k in range(t + 1)]).sum(0) for t in range(30)]
    np.testing.assert_allclose(evidence.path, np.log([w.mean() for w in worth]))
    # The likeliest change is where the best bet would have begun.
    begun = np.array([pay[k:].sum(axis=0) for k in range(30)])
    k, column, _ = np.unravel_index(begun.argmax(), begun.shape)
    assert evidence.change() == (column, 30 - k)


DRAWS = {
    "exponential": lambda rng, n: rng.exponential(size=n),
    "cauchy": lambda rng, n: rng.standard_cauchy(size=n),
    "coin": lambda rng, n: (rng.random(n) < 0.2).astype(float),
}


@pytest.mark.parametrize("name", DRAWS)
def test_false_alarms_are_as_rare_as_promised_whatever_the_distribution(name):
    waits = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        evidence = Evidence.begin(DRAWS[name](rng, 200)[:, None], LARGER, 5000, None, np.ones(1))
        waits.append(first_alarm(evidence, DRAWS[name](rng, 3000), 200))
    # A standard deviation of about 200, so of 20 in the mean; the cut at 3000 shortens few.
    assert 180 < np.mean(waits) < 450


def alarms(limit, bets, promise, seed, n_rows=10_000):
    """How many alarms come without a change, the reference of each next being what came before."""
    rng, found = np.random.default_rng(seed), 0
    evidence = Evidence.begin(rng.normal(size=(500, 1)), bets, limit, None, np.ones(1))
    for _ in range(n_rows // 250):
        evidence = evidence.after(rng.normal(size=(250, 1)))
        if evidence.path.max() >= np.log(promise):
            evidence, found = evidence.anew(evidence.change()[1]), found + 1
    return found


@pytest.mark.parametrize("bets", [LARGER, OTHER])
def test_the_smallest_window_keeps_the_promise(bets):
    """One alarm in 10,000 rows, of 100,000, though new rows rank among the same 500."""
    assert sum(alarms(500, bets, 1e4, seed) for seed in range(10)) <= 10 + 3


def test_the_delay_falls_with_the_square_of_the_change():
    """2 log(A) / d^2 rows, for a bet that fits and the normal distribution."""
    delays = {}
    for change in (0.5, 1.0, 2.0):
        found = []
        for seed in range(25):
            rng = np.random.default_rng(seed)
            evidence = Evidence.begin(rng.normal(size=(2000, 1)), LARGER, 5000, None, np.ones(1))
            found.append(first_alarm(evidence, rng.normal(change, size=400), 1e4))
        delays[change] = np.mean(found)
        assert delays[change] == pytest.approx(2 * np.log(1e4) / change**2, rel=0.6)
    assert 2.5 < delays[0.5] / delays[1.0] < 4.5
    assert 2.5 < delays[1.0] / delays[2.0] < 4.5


def test_the_change_is_found_where_it_is():
    errors = []
    for seed in range(25):
        rng = np.random.default_rng(seed)
        rows = np.concatenate([rng.normal(size=300), rng.normal(1, size=60)])
        evidence = Evidence.begin(rng.normal(size=(1000, 1)), OTHER, 5000).after(rows[:, None])
        errors.append(evidence.change()[1] - 60)
    assert abs(np.median(errors)) <= 3
    assert np.quantile(np.abs(errors), 0.8) < 25


@pytest.mark.parametrize("batch", [1, 50, 300])
def test_the_change_of_a_constant_is_where_it_is(batch):
    evidence = Evidence.begin(np.ones((500, 1)), OTHER, 5000)
    rows = np.repeat([1.0, 2.0], [400, 20])[:, None]
    for start in range(0, len(rows), batch):
        evidence = evidence.after(rows[start : start + batch])
    assert evidence.change() == (0, 20)


def test_a_column_whose_spread_alone_has_changed_is_found():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(1000, 3))
    new = rng.normal(size=(200, 3)) * [1, 1, 2]
    evidence = Evidence.begin(rows, OTHER, 5000).after(new)
    assert evidence.path.max() > np.log(1e4)
    assert evidence.change()[0] == 2
    (before, after), (_, n_since) = evidence.before_and_after(200, 2), evidence.change()
    np.testing.assert_array_equal(after, new[:, 2])
    np.testing.assert_array_equal(before, rows[:, 2])
    assert n_since == pytest.approx(200, abs=20)


def test_only_order_counts_and_the_size_of_batches_does_not():
    rng = np.random.default_rng(0)
    old, new = rng.normal(size=(300, 2)), rng.normal(0.3, size=(700, 2))
    path = Evidence.begin(old, OTHER, 600).after(new).path
    scaled = Evidence.begin(np.exp(3 * old), OTHER, 600).after(np.exp(3 * new)).path
    np.testing.assert_allclose(scaled, path)
    swapped = Evidence.begin(old[:, ::-1], OTHER, 600).after(new[:, ::-1]).path
    np.testing.assert_allclose(swapped, path)
    # Ranks are among rows up to the limit, which is reached at a batch's end: so up to there.
    evidence, paths = Evidence.begin(old, OTHER, 5000), []
    for part in np.split(new, [1, 8, 300]):
        evidence = evidence.after(part)
        paths.append(evidence.path)
    whole = Evidence.begin(old, OTHER, 5000).after(new)
    np.testing.assert_allclose(np.concatenate(paths), whole.path)
    assert evidence.change() == whole.change()


@pytest.mark.parametrize(("n_rows", "n_groups"), [(20, 1), (60, 2), (150, 6), (5000, 8)])
def test_a_group_has_25_rows_or_more(n_rows, n_groups):
    alike = np.random.default_rng(0).normal(size=n_rows)
    evidence = Evidence.begin(alike[:, None], LARGER, 5000, alike)
    sizes = [len(ordered) for ordered in evidence.ordered]
    assert len(sizes) == n_groups
    assert min(sizes) >= min(25, n_rows)
    assert max(sizes) - min(sizes) <= 1


def test_spells_of_large_deviations_count_for_bets_on_the_spread_alone():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(4000, 1)) * np.repeat(1 + 2 * (np.arange(80) % 2), 50)[:, None]
    assert Evidence.begin(rows, OTHER, 5000).dependence > 4
    assert Evidence.begin(rows, LARGER, 5000).dependence < 2


def test_another_mix_of_groups_is_no_news():
    """Twice as many rows of the group whose losses are large."""
    rng = np.random.default_rng(0)

    def rows(n, share):
        hard = rng.random(n) < share
        return rng.exponential(np.where(hard, 3.0, 1.0)), hard.astype(float)

    old, new = rows(2000, 0.4), rows(2000, 0.8)
    blind = Evidence.begin(old[0][:, None], LARGER, 5000).after(new[0][:, None])
    grouped = Evidence.begin(old[0][:, None], LARGER, 5000, old[1]).after(new[0][:, None], new[1])
    assert blind.path.max() > np.log(1e6)
    assert grouped.path.max() < np.log(1e4)


def test_dependence_is_that_of_an_autoregression():
    """Of sums of many, (1 + f) / (1 - f) times that of independent ones."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=40_000)
    assert dependence_of(noise) < 1.25
    assert dependence_of(lfilter([1], [1, -0.5], noise)) == pytest.approx(3, rel=0.2)
    assert dependence_of(lfilter([1], [1, 0.5], noise)) == pytest.approx(1, abs=0.01)
    assert dependence_of(np.zeros(100)) == 1
    signs = rng.choice([-1.0, 1.0], 40_000) * np.repeat(1 + (np.arange(400) % 2), 100)
    assert dependence_of(signs, squares=True) > 10 > 2 > dependence_of(signs)


def test_a_column_without_variety_tells_nothing_until_it_has_some():
    evidence = Evidence.begin(np.zeros((200, 1)), OTHER, 5000).after(np.zeros((100, 1)))
    np.testing.assert_allclose(evidence.path, np.log(np.arange(1, 101)), atol=1e-12)
    assert evidence.after(np.ones((20, 1))).path.max() > np.log(1e4)


def test_too_few_rows_are_no_reference():
    evidence = Evidence.begin(np.zeros((49, 1)), OTHER, 5000, dependence=np.ones(1))
    assert evidence.after(np.ones((1, 1))).path[0] == pytest.approx(0)
    assert evidence.after(np.ones((1, 1))).after(np.ones((1, 1)) * 2).path[0] > np.log(2)
