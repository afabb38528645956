"""Power: what is stated holds in simulations of the tests and intervals that studies use."""

import itertools
import math
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from scipy import stats

from synthmix.analysis import power, resampling, statistics
from synthmix.analysis.contributions import contributions
from synthmix.analysis.power import Variance

WITHIN = 0.05


@cache
def patterns(seeds: int) -> np.ndarray:
    """All patterns of signs, the one that flips nothing first."""
    return np.array(list(itertools.product((1, -1), repeat=seeds)), dtype=float)


def p_values(differences: np.ndarray) -> np.ndarray:
    """p of the sign-flip test of each row, as statistics.sign_flip_test has it, by plain enumeration."""
    sums = np.abs(differences @ patterns(differences.shape[1]).T)
    return (sums >= sums[:, :1] * (1 - 1e-9)).mean(axis=1)


def rejections(seeds: int, effect: float, level: float, studies: int = 1500) -> float:
    """How often the sign-flip test of simulated studies has p <= level; the effect is in SDs."""
    rng = np.random.default_rng([seeds, studies])
    blocks = [p_values(rng.normal(effect, 1, (100, seeds))) for _ in range(studies // 100)]
    return float(np.mean(np.concatenate(blocks) <= level))


def test_the_simulations_use_the_test_of_comparisons() -> None:
    rng = np.random.default_rng(9)
    for seeds in (3, 6, 10):
        values = rng.normal(0.5, 1, (8, seeds))
        assert p_values(values) == pytest.approx([statistics.sign_flip_test(row) for row in values])


@pytest.mark.parametrize(
    ("seeds", "effect", "level"),
    [
        (6, 1.2, 0.05),  # one pattern of 32 is below the level
        (6, 1.9, 0.05),
        (7, 1.3, 0.05),
        (9, 0.7, 0.05),
        (9, 1.8, 0.005),
        (12, 0.9, 0.05),
        (12, 1.6, 0.05 / 30),
        (13, 0.8, 0.05),  # from the t test
    ],
)
def test_the_power_of_seeds_is_that_of_the_sign_flip_test(seeds: int, effect: float, level: float) -> None:
    stated = power.seed_power(effect, 1, seeds, level)
    assert 0.2 < stated < 0.98
    assert stated == pytest.approx(rejections(seeds, effect, level), abs=WITHIN)


def test_the_t_test_stands_for_the_sign_flip_test_only_where_they_have_one_power() -> None:
    # at the switch, both can be had
    for level in (0.05, 0.0125):
        seeds = next(n for n in range(2, 30) if power._is_fine(n, level))
        for wanted in (0.5, 0.8):
            effect = power.detectable(seeds, level, wanted)
            assert effect is not None
            assert np.mean(power._p_values(seeds, effect) <= level) == pytest.approx(wanted, abs=0.025)


def test_simulated_p_values_are_those_of_the_test() -> None:
    for seeds in (2, 7, 10):
        values = np.random.default_rng(seeds).standard_normal((power.SIMULATIONS, seeds))[:20] + 0.7
        expected = p_values(values)
        assert power._p_values(seeds, 0.7)[:20] == pytest.approx(expected)


def test_few_seeds_see_nothing_and_no_effect_is_seen_at_most_as_often_as_the_level_says() -> None:
    assert power.seed_power(100, 1, 5) == 0
    assert power.detectable(5) is None
    assert power.seed_power(100, 1, 6) == 1
    assert power.seed_power(100, 1, 6, power.corrected_level(2)) == 0
    for seeds in (6, 8, 11, 30):
        assert power.seed_power(0, 1, seeds) <= 0.056
        assert power.seed_power(0, 1, seeds) > 0.02


def families(seeds: int, comparisons: int, effects: np.ndarray, studies: int = 1000) -> np.ndarray:
    """How often each of several arms differs from one baseline after Holm's correction."""
    rng = np.random.default_rng([seeds, comparisons])
    found = np.zeros(comparisons)
    for _ in range(studies):
        arms = effects[:, None] + rng.normal(0, math.sqrt(0.5), (comparisons, seeds))
        differences = arms - rng.normal(0, math.sqrt(0.5), seeds)
        found += statistics.holm(p_values(differences)) <= 0.05
    return found / studies


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize(("seeds", "comparisons", "effect"), [(9, 3, 1.4), (10, 6, 1.5), (11, 4, 1.1)])
def test_holm_rejects_as_often_as_stated_where_no_other_arm_differs(
    seeds: int, comparisons: int, effect: float
) -> None:
    effects = np.zeros(comparisons)
    effects[0] = effect
    stated = power.seed_power(effect, 1, seeds, power.corrected_level(comparisons))
    assert 0.3 < stated < 0.95
    assert families(seeds, comparisons, effects)[0] == pytest.approx(stated, abs=WITHIN)


@pytest.mark.usefixtures("no_collection")
def test_holm_rejects_no_less_often_where_others_differ() -> None:
    stated = power.seed_power(1.4, 1, 9, power.corrected_level(3))
    found = families(9, 3, np.full(3, 1.4))
    assert found.min() > stated - 0.02
    assert found.mean() > stated + 0.03  # the step down helps


def test_what_is_needed_is_enough_and_one_less_is_not() -> None:
    for effect, level in ((1.5, 0.05), (0.9, 0.05), (1.2, 0.0125), (0.4, 0.05), (0.3, 0.002)):
        seeds = power.seeds_needed(effect, 1, level)
        assert seeds is not None
        assert power.seed_power(effect, 1, seeds, level) >= 0.795
        assert power.seed_power(effect, 1, seeds - 1, level) < 0.8
        seen = power.detectable(seeds, level)
        assert seen is not None
        assert seen <= effect + 0.002
    assert power.seeds_needed(0.001, 1) is None
    assert power.seeds_needed(0.01, 0) == 6
    assert power.seeds_needed(0.02, 0.02) == power.seeds_needed(1, 1)


def test_many_seeds_need_what_a_textbook_says() -> None:
    # Cohen 1988: a paired t test of an effect of half an SD, power 0.8, takes 34 pairs
    assert power.seeds_needed(0.5, 1) == 34
    assert power.detectable(34) == pytest.approx(0.495, abs=0.003)


def test_a_small_pilot_knows_its_sd_badly() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(2000):
        low, high = power.sd_interval(rng.normal(0, 0.02, 5).std(ddof=1), 5)
        covered += low < 0.02 < high
    assert covered / 2000 == pytest.approx(0.95, abs=0.015)


# ---- seeds and images ------------------------------------------------------------------------------------------------


def crossed(variance: Variance, seeds: int, images: int, effect: float, rng: np.random.Generator) -> np.ndarray:
    """Contributions of the model, (seeds, images)."""
    assert variance.images is not None
    each = rng.normal(0, math.sqrt(variance.seeds), (seeds, 1)) + rng.normal(0, math.sqrt(variance.images), images)
    return effect + each + rng.normal(0, math.sqrt(variance.residual), (seeds, images))


def test_variances_are_found_again() -> None:
    truth = Variance(0.0004, 0.04, 0.09)
    rng = np.random.default_rng(1)
    found = [power.components(crossed(truth, 8, 400, 0.1, rng)) for _ in range(60)]
    assert np.mean([each.seeds for each in found]) == pytest.approx(truth.seeds, rel=0.15)
    assert np.mean([each.images for each in found]) == pytest.approx(truth.images, rel=0.05)  # type: ignore[arg-type]
    assert np.mean([each.residual for each in found]) == pytest.approx(truth.residual, rel=0.05)
    assert found[0].pairs == 8


def test_seeds_vary_as_their_own_metrics_do_and_no_less_than_single_images_make_them() -> None:
    x = crossed(Variance(0.0004, 0.04, 0.001), 6, 50, 0, np.random.default_rng(2))
    assert power.components(x).between_seeds(50) == pytest.approx(x.mean(axis=1).std(ddof=1))
    x = np.array([[1.0, -1, 0, 1], [-1, 1, 1, -1]])  # one mean is 0.25, the other 0
    found = power.components(x)
    assert (found.seeds, found.images) == (0, 0)
    assert found.between_seeds(4) == pytest.approx(math.sqrt(found.residual / 4))
    assert found.between_seeds(4) > x.mean(axis=1).std(ddof=1)
    with pytest.raises(ValueError, match="two seeds"):
        power.components(x[:1])


@pytest.mark.parametrize(
    ("seeds", "images", "effect", "variance"),
    [
        (12, 200, 0.07, Variance(0.0004, 0.09, 0.04)),  # the luck of the images counts most
        (12, 150, 0.035, Variance(0.0009, 0.01, 0.04)),  # that of the seeds
        (6, 200, 0.045, Variance(0.0002, 0.02, 0.1)),
        (8, 200, 0.045, Variance(0.0002, 0.02, 0.25)),  # what neither explains
    ],
)
def test_power_on_images_in_general_is_that_of_test_and_interval(
    seeds: int, images: int, effect: float, variance: Variance
) -> None:
    rng = np.random.default_rng([seeds, images])
    seen = 0
    for study in range(1000):
        x = crossed(variance, seeds, images, effect, rng)
        low, high = statistics.joint_interval(x, np.zeros_like(x), resamples=400, seed=study)
        seen += p_values(x.mean(axis=1)[None])[0] <= 0.05 and not low <= 0 <= high
    stated = power.general_power(effect, variance, seeds, images)
    assert 0.3 < stated < 0.95
    assert seen / 1000 == pytest.approx(stated, abs=WITHIN)


def predictions(seeds: int, images: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Whether each seed of two arms has each image right: images are hard or easy, for either arm in its own way."""
    hard = rng.normal(0, 1.5, images)
    luck = rng.normal(0, 0.15, (seeds, 1))
    arms = []
    for level in (1.5, 1.15):
        logits = level + hard + rng.normal(0, 1.0, images) + luck + rng.normal(0, 0.15, (seeds, 1))
        arms.append(rng.random((seeds, images), dtype=np.float32) < 1 / (1 + np.exp(-logits)))
    return arms[0], arms[1]


@pytest.mark.parametrize("images", [150, 400])
def test_a_pilot_foretells_what_joint_intervals_show(images: int) -> None:
    rng = np.random.default_rng(images)
    one, other = (each.astype(float) for each in predictions(40, 60_000, rng))
    variance, effect = power.components(one - other), float((one - other).mean())
    stated = power.general_power(effect, variance, 12, images)
    assert 0.2 < stated < 0.98
    seen = 0
    for study in range(400):
        own, against = predictions(12, images, rng)
        low, high = statistics.joint_interval(own, against, resamples=500, seed=study)
        differences = own.mean(axis=1) - against.mean(axis=1)
        seen += p_values(differences[None])[0] <= 0.05 and not low <= 0 <= high
    assert seen / 400 == pytest.approx(stated, abs=WITHIN)


def test_more_seeds_do_not_make_up_for_few_test_images() -> None:
    variance = Variance(0.0001, 0.09, 0.01)
    assert power.seed_power(0.03, variance.between_seeds(200), 20) > 0.99
    assert power.general_power(0.03, variance, 20, 200) < 0.4
    assert power.general_seeds_needed(0.03, variance, 200) is None
    least = power.least_images(0.03, variance)
    assert least == math.ceil(0.09 * ((1.959964 + 0.841621) / 0.03) ** 2)
    images = power.images_needed(0.03, variance, 10)
    assert images is not None
    assert images > least
    assert power.general_power(0.03, variance, 10, images) >= 0.8 > power.general_power(0.03, variance, 10, images - 1)
    seeds = power.general_seeds_needed(0.03, variance, images)
    assert seeds is not None
    assert seeds <= 10
    assert power.images_needed(0.001, variance, 6) is None  # six seeds are too few for any number of images
    assert power.images_needed(0.03, variance, 5) is None
    seen = power.general_detectable(variance, 10, images)
    assert seen == pytest.approx(0.03, rel=0.03)
    assert power.general_power(0.03, variance, 10, 1) == power.general_power(0.03, variance, 5, 1000) == 0


def test_unknown_images_are_an_error_with_a_remedy() -> None:
    with pytest.raises(ValueError, match="state a discordance"):
        Variance(0.01).standard_error(6, 100)


def test_a_power_does_not_break_where_scipy_does() -> None:
    # its noncentral t distribution is NaN here
    exact = power._t_power(1.2 * math.sqrt(21), 20, 0.00025)
    x = np.random.default_rng(0).normal(1.2, 1, (40_000, 21))
    t = x.mean(axis=1) / x.std(axis=1, ddof=1) * math.sqrt(21)
    assert exact == pytest.approx(np.mean(2 * stats.t.sf(np.abs(t), 20) <= 0.00025), abs=0.008)
    assert power._t_power(2.5, 9, 0.05) == pytest.approx(stats.nct.sf(stats.t.ppf(0.975, 9), 9, 2.5), abs=0.0005)


# ---- contributions ---------------------------------------------------------------------------------------------------

STATISTICS: dict[str, Callable[..., np.ndarray]] = {
    "balanced_accuracy": resampling.balanced_accuracy,
    "auroc": resampling.auroc,
}


@pytest.mark.parametrize("metric", STATISTICS)
def test_contributions_have_the_metric_as_mean_and_scatter_as_resampled_images_do(metric: str) -> None:
    rng = np.random.default_rng(5)
    labels = (rng.random(400) < 0.25).astype(int)
    values = np.round(labels + rng.normal(0, 1, (2, 400)), 1)  # with ties
    if metric != "auroc":
        values = values > 0.5
    found = contributions(metric, values, labels)
    drawn = rng.multinomial(400, np.full(400, 1 / 400), size=4000)
    statistic = STATISTICS[metric]
    assert found.mean(axis=1) == pytest.approx(statistic(values, labels, np.ones((1, 400)))[0])
    assert found.var(axis=1) / 400 == pytest.approx(statistic(values, labels, drawn).var(axis=0), rel=0.12)


def test_contributions_to_accuracy_are_right_or_wrong_and_macro_f1_has_none() -> None:
    right = np.array([[True, False, True]])
    assert contributions("accuracy", right, None).tolist() == [[1, 0, 1]]
    with pytest.raises(ValueError, match="macro_f1 is no mean"):
        contributions("macro_f1", right, np.array([0, 1, 1]))
