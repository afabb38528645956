"""Intervals and tests against enumeration, textbook values and simulated data."""

import itertools

import numpy as np
import pytest
from scipy import stats

from synthmix.analysis import statistics


def test_t_interval_of_three_values_by_hand() -> None:
    interval = statistics.t_interval([1.0, 2.0, 3.0])
    half = 4.302653 / np.sqrt(3)  # t quantile with 2 degrees of freedom; the standard deviation is 1
    assert (interval.n, interval.mean) == (3, 2.0)
    assert (interval.low, interval.high) == pytest.approx((2 - half, 2 + half), abs=1e-5)


def test_one_value_has_no_interval_and_equal_values_one_of_zero_width() -> None:
    assert statistics.t_interval([0.7]) == statistics.Interval(1, 0.7, None, None)
    same = statistics.t_interval([0.5, 0.5, 0.5])
    assert (same.low, same.high) == (0.5, 0.5)


@pytest.mark.parametrize("values", [[], [[1.0, 2.0]], [1.0, float("nan")]])
def test_t_interval_refuses_what_is_not_a_list_of_numbers(values: list[float]) -> None:
    with pytest.raises(ValueError, match="t_interval"):
        statistics.t_interval(values)


@pytest.mark.parametrize("n", [3, 6])
def test_t_interval_covers_95_percent(n: int) -> None:
    draws = np.random.default_rng(n).normal(0.8, 0.02, (1500, n))
    intervals = [statistics.t_interval(row) for row in draws]
    covered = sum(one.low <= 0.8 <= one.high for one in intervals)  # type: ignore[operator]
    assert abs(covered / 1500 - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 1500)


@pytest.mark.parametrize("n", [2, 5, 9])
def test_sign_flip_test_agrees_with_enumeration(n: int) -> None:
    for differences in np.random.default_rng(n).normal(0.5, 1, (10, n)):
        flipped = [abs(np.dot(signs, differences)) for signs in itertools.product((-1, 1), repeat=n)]
        expected = np.mean(np.array(flipped) >= abs(differences.sum()) - 1e-12)
        assert statistics.sign_flip_test(differences) == pytest.approx(expected)


def test_six_agreeing_seeds_reach_the_smallest_p() -> None:
    assert statistics.smallest_p(6) == 0.03125
    assert statistics.sign_flip_test([0.01, 0.02, 0.03, 0.04, 0.05, 0.06]) == statistics.smallest_p(6)
    assert statistics.sign_flip_test([0.3]) == statistics.smallest_p(1) == 1.0
    assert statistics.sign_flip_test([0.0, 0.0, 0.0]) == 1.0


def test_many_pairs_are_drawn_and_agree_with_the_t_test() -> None:
    differences = np.random.default_rng(5).normal(0.4, 1, 30)
    p = statistics.sign_flip_test(differences)
    assert p == statistics.sign_flip_test(differences)
    assert p == pytest.approx(stats.ttest_1samp(differences, 0).pvalue, abs=0.02)


def test_null_data_give_at_most_5_percent_false_positives() -> None:
    # pairs share a seed's luck, as runs do; the arms do not differ
    rng = np.random.default_rng(11)
    studies, n = 600, 10
    shared = rng.normal(0, 0.02, (studies, n))
    arms = [shared + rng.normal(0, 0.01, (studies, n)) for _ in range(2)]
    false = sum(statistics.sign_flip_test(a - b) <= 0.05 for a, b in zip(*arms, strict=True))
    assert stats.binomtest(false, studies, 0.05, alternative="greater").pvalue > 0.01
    assert false > 0  # a test that never rejects would pass the line above


@pytest.mark.usefixtures("no_collection")
def test_null_studies_have_at_most_5_percent_with_any_false_positive_after_holm() -> None:
    rng = np.random.default_rng(12)
    studies, arms, n = 200, 4, 9
    baseline = rng.normal(0, 0.02, (studies, 1, n))
    differences = rng.normal(0, 0.02, (studies, arms, n)) - baseline  # all arms share one baseline
    p = [[statistics.sign_flip_test(row) for row in study] for study in differences]
    corrected = sum(bool((statistics.holm(row) <= 0.05).any()) for row in p)
    uncorrected = sum(min(row) <= 0.05 for row in p)
    assert stats.binomtest(corrected, studies, 0.05, alternative="greater").pvalue > 0.01
    assert stats.binomtest(uncorrected, studies, 0.05, alternative="greater").pvalue < 0.01


def test_holm_by_hand() -> None:
    assert statistics.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert statistics.holm([0.6, 0.9]) == pytest.approx([1.0, 1.0])
    assert statistics.holm([]).size == 0


def test_holm_leaves_out_tests_that_were_not_made() -> None:
    given = [0.01, np.nan, 0.04, 0.03, np.nan, 0.005]
    assert statistics.holm(given) == pytest.approx([0.03, np.nan, 0.06, 0.06, np.nan, 0.02], nan_ok=True)
    assert np.isnan(statistics.holm([np.nan, np.nan])).all()
    own = np.array([0.04, 0.03])
    statistics.holm(own)
    assert own.tolist() == [0.04, 0.03], "the argument is left as it is"


def test_joint_interval_carries_the_luck_of_seeds_and_of_images() -> None:
    rng = np.random.default_rng(0)
    # every seed has the same images right: only images vary
    images = np.tile(rng.random(400) < 0.3, (6, 1))
    low, high = statistics.joint_interval(images, np.zeros_like(images))
    assert (high - low) == pytest.approx(2 * 1.96 * np.sqrt(images[0].mean() * (1 - images[0].mean()) / 400), rel=0.1)
    # every image of a seed is right or wrong together: only seeds vary, and a t interval would be wider
    seeds = np.tile(np.array([1, 0, 1, 1, 0, 1])[:, None], (1, 400))
    low, high = statistics.joint_interval(seeds, np.zeros_like(seeds))
    t = statistics.t_interval(seeds[:, 0])
    assert t.low < low < t.mean < high <= 1  # type: ignore[operator]


def test_joint_interval_is_reproducible_paired_and_seeded() -> None:
    rng = np.random.default_rng(1)
    a = rng.random((4, 150)) < 0.8
    assert statistics.joint_interval(a, a) == (0.0, 0.0)
    b = rng.random((4, 150)) < 0.7
    assert statistics.joint_interval(a, b) == statistics.joint_interval(a, b)
    assert statistics.joint_interval(a, b) != statistics.joint_interval(a, b, seed=1)
    low, high = statistics.joint_interval(a, b)
    assert statistics.joint_interval(b, a) == pytest.approx((-high, -low))
    with pytest.raises(ValueError, match="one shape"):
        statistics.joint_interval(a, b[:, :10])


def test_joint_interval_does_not_depend_on_its_block_size() -> None:
    wide = np.random.default_rng(2).random((3, 30_000)) < 0.5  # more than one block
    low, high = statistics.joint_interval(wide, ~wide, resamples=100)
    assert low < wide.mean() - (~wide).mean() < high


def test_joint_interval_covers_too_little_with_few_seeds_as_documented() -> None:
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(300):
        chance = 0.5 + rng.normal(0, 0.1, (6, 1))  # the luck of six seeds, 300 images without luck of their own
        low, high = statistics.joint_interval(rng.random((6, 300)) < chance, rng.random((6, 300)) < 0.5, resamples=400)
        covered += low <= 0 <= high
    assert 0.78 < covered / 300 < 0.95


def test_pair_correlation() -> None:
    assert statistics.pair_correlation([1, 2, 3], [2, 4, 6]) == pytest.approx(1)
    assert statistics.pair_correlation([1, 2, 3, 4], [4, 3, 1, 2]) == pytest.approx(-0.8)
    assert statistics.pair_correlation([1, 2], [2, 4]) is None
    assert statistics.pair_correlation([1, 1, 1], [2, 4, 6]) is None
    with pytest.raises(ValueError, match="not pairs"):
        statistics.pair_correlation([1, 2, 3], [1, 2])


def test_rank_correlation_needs_eight_pools() -> None:
    result = statistics.rank_correlation(range(7), range(7))
    assert (result.n, result.rho, result.p) == (7, None, None)
    assert result.reason == "rank correlation needs 8 pools, there are 7"
    assert statistics.rank_correlation([1.0] * 8, range(8)).rho is None


def test_rank_correlation_agrees_with_spearman_and_is_exact_for_eight() -> None:
    rng = np.random.default_rng(4)
    for n in (8, 11):
        x, y = rng.normal(size=(2, n))
        y = y + x
        result = statistics.rank_correlation(x.tolist(), y.tolist())
        expected = stats.spearmanr(x, y)
        assert result.rho == pytest.approx(expected.statistic)
        assert result.p == pytest.approx(expected.pvalue, abs=0.02)
    perfect = statistics.rank_correlation(range(8), [10, 20, 30, 40, 50, 60, 70, 800])
    assert perfect.rho == pytest.approx(1)
    assert perfect.p == pytest.approx(2 / 40320)  # of all 8! orders, one as good and its mirror


def test_rank_correlation_handles_ties() -> None:
    x, y = [1, 2, 2, 3, 4, 5, 6, 7], [2, 1, 3, 3, 5, 4, 7, 6]
    result = statistics.rank_correlation(x, y)
    assert result.rho == pytest.approx(stats.spearmanr(x, y).statistic)


def test_a_t_interval_says_how_much_its_values_differ() -> None:
    values = np.random.default_rng(0).normal(0.3, 0.07, 5)
    interval = statistics.t_interval(values)
    assert statistics.deviation(interval.low, interval.high, 5) == pytest.approx(values.std(ddof=1))
