"""Power of a comparison that is paired by seed: how many seeds and test images it takes to see a difference.

What test image j contributes to the difference of two arms with seed s is taken for

    x_sj = d + a_s + b_j + e_sj,

with independent a, b and e of the variances `seeds`, `images` and `residual` (two crossed random effects; Searle,
Casella and McCulloch 1992, Variance components, chapter 4). The mean over m images and n seeds then has the variance

    (seeds + residual / m) / n + images / m.

All seeds of a study share its test images, so more seeds leave the last term as it is. Hence two questions:

- Is there a difference *on these test images*? That is what the sign-flip test over seeds asks. Its power depends on
  the standard deviation of the difference between seeds, sqrt(seeds + residual / m).
- Is there one *on images in general*? Then the joint interval over seeds and test images has to exclude zero as well.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import chdtri, ndtr, ndtri, stdtrit

from synthmix.analysis.statistics import LEVEL

ALPHA = 1 - LEVEL
POWER = 0.8
MOST_SIMULATED = 20  # seeds
SIMULATIONS = 2000  # a power of 0.8 has a standard error of 0.009
FINE = 50  # with so many sign patterns below the level, the sign-flip test has the power of the t test
MAX_SEEDS = 10_000
MAX_IMAGES = 100_000_000
CERTAIN = 100.0  # SDs or standard errors: larger differences are not looked for
QUANTILES = 4000  # a power is exact to 0.0001


@dataclass(frozen=True)
class Variance:
    """Variances of what single images contribute to a paired difference, in squared units of the metric.

    seeds, images, residual: of the model above; images is None where it is not known, and residual then is in seeds.
    pairs: number of seeds that they were estimated from; None where they were stated.
    """

    seeds: float
    images: float | None = None
    residual: float = 0.0
    pairs: int | None = None

    def between_seeds(self, test_images: int | None) -> float:
        """Standard deviation of the difference between seeds, on a number of test images."""
        return math.sqrt(self.seeds + (self.residual / test_images if self.residual and test_images else 0))

    def standard_error(self, seeds: int, test_images: int) -> float:
        """Standard error of the mean difference on images in general."""
        return math.sqrt(self.between_seeds(test_images) ** 2 / seeds + self._images() / test_images)

    def luck(self, test_images: int) -> float:
        """Standard deviation of what the test images favour in all seeds."""
        return math.sqrt(self._images() / test_images)

    def joint_variance(self, between_seeds: np.ndarray, seeds: int, test_images: int) -> np.ndarray:
        """Variance on which `statistics.joint_interval` rests, where differences vary so much between seeds (squared).

        Resampling n seeds has (n - 1) / n of their variance, but counts the residual about three times (Owen 2007,
        doi:10.1214/07-AOAS122).
        """
        over_images = (self._images() + self.residual / seeds) / test_images
        rest = self.residual * (seeds - 1) / (seeds**2 * test_images)
        return between_seeds * (seeds - 1) / seeds**2 + over_images + rest

    def _images(self) -> float:
        if self.images is None:
            raise ValueError("the variance over test images is not known: state a discordance, or keep predictions")
        return self.images


def components(differences: np.ndarray) -> Variance:
    """The three variances, from the mean squares of the two-way layout; a negative estimate counts as 0.

    differences: float (S, N), what each image contributes to the difference of two arms, S seeds and N images, both at
    least two. `seeds + residual / N` is the variance of the row means, or more: where seeds happen to differ by less
    than single images make them differ, it is what these do.
    """
    rows, columns = differences.shape
    if rows < 2 or columns < 2:
        raise ValueError(f"components: needs two seeds and two test images, not {rows} and {columns}")
    seeds, images = differences.mean(axis=1), differences.mean(axis=0)
    rest = differences - seeds[:, None] - images + differences.mean()
    residual = float((rest**2).sum() / ((rows - 1) * (columns - 1)))
    return Variance(
        seeds=max(0.0, float(seeds.var(ddof=1)) - residual / columns),
        images=max(0.0, float(images.var(ddof=1)) - residual / rows),
        residual=residual,
        pairs=rows,
    )


def sd_interval(sd: float, pairs: int, level: float = LEVEL) -> tuple[float, float]:
    """Interval of a standard deviation that was estimated from a number of normal values (chi-square, pairs - 1)."""
    from scipy import stats

    free = pairs - 1
    low, high = (math.sqrt(free / stats.chi2.ppf(share, free)) for share in ((1 + level) / 2, (1 - level) / 2))
    return sd * low, sd * high


# ---- on these test images: the sign-flip test over seeds -------------------------------------------------------------


def corrected_level(comparisons: int) -> float:
    """The p below which Holm's correction over a number of comparisons rejects, whatever the others show.

    It is that of the smallest p (Bonferroni's). A comparison beside others that are rejected needs no such small one.
    """
    return ALPHA / max(1, comparisons)


def seed_power(effect: float, sd: float, seeds: int, level: float = ALPHA) -> float:
    """Probability that the exact sign-flip test has p <= level, for normal differences of a mean and an SD.

    With few seeds it is simulated (the random stream is its own), for there the test has less power than the paired t
    test; with more it is that of the t test, which it comes to (Lehmann and Romano 2005, Testing statistical
    hypotheses, section 15.2).
    """
    if not _reachable(seeds, level):
        return 0.0
    if sd <= 0:
        return 1.0
    if _is_fine(seeds, level):
        return _t_power(effect / sd * math.sqrt(seeds), seeds - 1, level)
    return float(np.mean(_p_values(seeds, effect / sd) <= level * (1 + 1e-9)))


@lru_cache(maxsize=256)
def detectable(seeds: int, level: float = ALPHA, power: float = POWER) -> float | None:
    """The smallest difference, in SDs between seeds, seen with a power (0.5 or more); None where no p is so small."""
    from scipy import optimize

    if not _reachable(seeds, level):
        return None
    rough = optimize.brentq(lambda effect: _t_power(effect * math.sqrt(seeds), seeds - 1, level) - power, 0, CERTAIN)
    found: float = optimize.brentq(
        lambda effect: seed_power(effect, 1, seeds, level) - power, rough / 2, 4 * rough, xtol=1e-3
    )
    return found


def seeds_needed(effect: float, sd: float, level: float = ALPHA, power: float = POWER) -> int | None:
    """The fewest seeds with which the sign-flip test sees a difference with a power; None above 10,000."""
    seeds = 2
    while not _is_fine(seeds, level):
        # the t test has the greater power and takes no simulation; `detectable` remembers those of its level
        standardised = effect / sd * math.sqrt(seeds) if sd > 0 else math.inf
        hopeful = _reachable(seeds, level) and _t_power(standardised, seeds - 1, level) >= power - 0.02
        if hopeful and (detectable(seeds, level, power) or 0) * sd <= effect:
            return seeds
        seeds += 1
    return _fewest(lambda n: seed_power(effect, sd, n, level) >= power, seeds, MAX_SEEDS)


def _reachable(seeds: int, level: float) -> bool:
    return seeds > 1 and seeds - 1 >= math.log2(1 / level) - 1e-9  # smallest_p, of any number of seeds


def _is_fine(seeds: int, level: float) -> bool:
    return seeds > MOST_SIMULATED or seeds - 1 >= math.log2(FINE / level)


@lru_cache(maxsize=64)
def _p_values(seeds: int, effect: float) -> np.ndarray:
    """p values of simulated sign-flip tests of normal differences with an effect in SDs, float64 (SIMULATIONS,)."""
    return _sign_flips(np.random.default_rng(seeds).standard_normal((SIMULATIONS, seeds)) + effect)


def _sign_flips(values: np.ndarray) -> np.ndarray:
    """p value of the sign-flip test of each row.

    The sums over all sign patterns are those of two halves of the seeds, added; sorting one half counts them.
    """
    seeds = values.shape[1]
    first, second = (_signed_sums(values[:, half]) for half in (slice(seeds // 2), slice(seeds // 2, None)))
    second.sort(axis=1)
    total = np.abs(values.sum(axis=1)) * (1 - 1e-9)  # a pattern that ties with the data counts, whatever the rounding
    above = [np.searchsorted(those, limit - these) for those, these, limit in zip(second, first, total, strict=True)]
    # the mirror of each pattern counts on the other side
    return 2 * (second.shape[1] - np.stack(above)).sum(axis=1) / 2.0**seeds


def _signed_sums(values: np.ndarray) -> np.ndarray:
    """The sums of each row under all sign patterns, (rows, 2^columns)."""
    columns = values.shape[1]
    patterns = np.arange(2**columns)[:, None] >> np.arange(columns)
    return values @ (1.0 - 2.0 * (patterns & 1)).T


# ---- on images in general: that test, and the joint interval over seeds and test images ------------------------------


def general_power(effect: float, variance: Variance, seeds: int, test_images: int, level: float = ALPHA) -> float:
    """Probability that the sign-flip test has p <= level and the 95 % joint interval excludes zero.

    Simulated: the luck of the test images, then the seeds' differences, with the test and the interval made of them.
    """
    if not _reachable(seeds, level) or test_images < 2:
        return 0.0
    rng = np.random.default_rng(seeds)
    expected = effect + variance.luck(test_images) * rng.standard_normal(SIMULATIONS)
    sd = variance.between_seeds(test_images)
    if _is_fine(seeds, level):  # the t test stands for the sign-flip test, and needs means and variances only
        means = expected + sd / math.sqrt(seeds) * rng.standard_normal(SIMULATIONS)
        squares = sd**2 * rng.chisquare(seeds - 1, SIMULATIONS) / (seeds - 1)
        significant = np.abs(means) >= stdtrit(seeds - 1, 1 - level / 2) * np.sqrt(squares / seeds)
    else:
        values = expected[:, None] + sd * rng.standard_normal((SIMULATIONS, seeds))
        means, squares = values.mean(axis=1), values.var(axis=1, ddof=1)
        significant = _sign_flips(values) <= level * (1 + 1e-9)
    half = ndtri(1 - ALPHA / 2) * np.sqrt(variance.joint_variance(squares, seeds, test_images))
    return float(np.mean(significant & (np.abs(means) > half)))


def general_detectable(
    variance: Variance, seeds: int, test_images: int, level: float = ALPHA, power: float = POWER
) -> float | None:
    """The smallest difference on images in general that is seen with a power; None where none is."""
    from scipy import optimize

    by_seeds = detectable(seeds, level, power)
    if by_seeds is None or test_images < 2:
        return None
    error = variance.standard_error(seeds, test_images)
    most = 4 + 2 * by_seeds * math.sqrt(seeds)  # standard errors; the joint interval reaches 3.4 of them at most
    found = optimize.brentq(
        lambda effect: general_power(effect * error, variance, seeds, test_images, level) - power, 0, most, xtol=0.01
    )
    return float(found * error)


def general_seeds_needed(
    effect: float, variance: Variance, test_images: int, level: float = ALPHA, power: float = POWER
) -> int | None:
    """The fewest seeds that see a difference on images in general; None where the test images are too few for any."""
    by_seeds = seeds_needed(effect, variance.between_seeds(test_images), level, power)
    if by_seeds is None or test_images < least_images(effect, variance, power):
        return None
    return _fewest(lambda n: general_power(effect, variance, n, test_images, level) >= power, by_seeds, MAX_SEEDS)


def images_needed(
    effect: float, variance: Variance, seeds: int, level: float = ALPHA, power: float = POWER
) -> int | None:
    """The fewest test images that see a difference on images in general; None where the seeds are too few for any."""
    by_seeds = detectable(seeds, level, power)
    if by_seeds is None or by_seeds * math.sqrt(variance.seeds) > effect:
        return None
    least = least_images(effect, variance, power)
    return _fewest(lambda m: general_power(effect, variance, seeds, m, level) >= power, least, MAX_IMAGES)


def least_images(effect: float, variance: Variance, power: float = POWER) -> int:
    """The fewest test images that see a difference on images in general with any number of seeds."""
    quantiles = float(ndtri(1 - ALPHA / 2) + ndtri(power))
    return max(2, math.ceil((variance.images or 0) * (quantiles / effect) ** 2))


# ---- both ------------------------------------------------------------------------------------------------------------


def _t_power(standardised: float, free: float, level: float) -> float:
    """Power of a two-sided t test of a difference in standard errors, from the noncentral t distribution.

    Averaged over the estimate of the standard error: SciPy's own function (1.17) is NaN at some arguments.
    """
    limits = stdtrit(free, 1 - level / 2) * _estimated_errors(free)
    return float(np.mean(ndtr(standardised - limits) + ndtr(-standardised - limits)))


@lru_cache(maxsize=1024)
def _estimated_errors(free: float) -> np.ndarray:
    """Standard errors that are estimated with some degrees of freedom where the true one is 1, of equal probability."""
    return np.sqrt(chdtri(free, (np.arange(QUANTILES) + 0.5) / QUANTILES) / free)


def _fewest(enough: Callable[[int], bool], first: int, last: int) -> int | None:
    """The smallest number from `first` to `last` that is enough, where all above it are; None where none is."""
    if enough(first):
        return first
    low, high = first, first
    while not enough(high):
        if high == last:
            return None
        low, high = high, min(2 * high, last)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
