"""Intervals and tests over seeds: t intervals, exact sign-flip tests, Holm's correction, joint resampling, ranks.

A run has a handful of seeds, so every method here is exact or says how many repetitions it can do without: a bootstrap
of three to six seeds covers 0.70 to 0.86 where it promises 0.95, which is why means over seeds carry t intervals.

scipy.stats and statsmodels are imported where they are used: most tables and figures need neither, and would spend more
time on importing them than on their own work.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

LEVEL = 0.95
ROUNDING = 1e-9  # deviations between seeds that are no larger are none
MIN_POOLS = 8  # below this a rank correlation is not reported
MAX_ENUMERATED = 2**16  # sign patterns or permutations that are enumerated; beyond it, that many are drawn


@dataclass(frozen=True)
class Interval:
    """A mean with its interval; `low` and `high` are None where one value gives no interval."""

    n: int
    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's rho with its permutation p value; both are None where `reason` says why they are refused."""

    n: int
    rho: float | None
    p: float | None
    reason: str | None


def _vector(values: ArrayLike, name: str) -> np.ndarray:
    vector = np.asarray(values, dtype=np.float64)
    if vector.ndim != 1 or vector.size == 0:
        raise ValueError(f"{name}: needs a non-empty list of numbers, not an array of shape {vector.shape}")
    if not np.isfinite(vector).all():
        raise ValueError(f"{name}: holds a value that is not finite")
    return vector


def t_interval(values: ArrayLike, level: float = LEVEL) -> Interval:
    """Mean of n values with its two-sided Student t interval (n - 1 degrees of freedom).

    `values` has shape (n,), one value a seed. With n = 1 there is no interval. Equal values give an interval of zero
    width. Raises ValueError for no values, and for values that are not finite.
    """
    vector = _vector(values, "t_interval")
    mean = float(vector.mean())
    if vector.size == 1:
        return Interval(1, mean, None, None)
    half = float(stdtrit(vector.size - 1, (1 + level) / 2) * vector.std(ddof=1) / np.sqrt(vector.size))
    return Interval(vector.size, mean, mean - half, mean + half)


def deviation(low: float, high: float, n: int) -> float:
    """The standard deviation (ddof 1) of n values, two at least, whose `t_interval` at LEVEL goes from low to high."""
    return float((high - low) / 2 * np.sqrt(n) / stdtrit(n - 1, (1 + LEVEL) / 2))


def bootstrap_interval(values: ArrayLike, level: float = LEVEL, resamples: int = 9999) -> tuple[float, float] | None:
    """Percentile bootstrap interval of a mean: n values, one a seed, resampled with replacement; None for one value.

    It stands beside a t interval where a publication has one; with few seeds it is the narrower and covers too little
    (three seeds about 0.75 for 0.95). The random stream is its own.
    """
    from scipy import stats

    vector = _vector(values, "bootstrap_interval")
    if vector.size == 1:
        return None
    rng = np.random.default_rng(0)
    interval = stats.bootstrap(
        (vector,), np.mean, confidence_level=level, n_resamples=resamples, method="percentile", rng=rng
    ).confidence_interval
    return float(interval.low), float(interval.high)


def smallest_p(n: int) -> float:
    """Smallest two-sided p value that a sign-flip test of n pairs can reach: 2 / 2^n (6 pairs: 0.031)."""
    if n < 1:
        raise ValueError(f"smallest_p: needs at least one pair, not {n}")
    return 2 / 2**n


def sign_flip_test(differences: ArrayLike) -> float:
    """Two-sided p value of the paired sign-flip (Fisher) permutation test of mean difference zero.

    `differences` has shape (n,), one paired difference a seed. All 2^n sign patterns are enumerated up to n = 16; from
    17 on, 65,536 patterns are drawn with a fixed seed. One pair gives p = 1.
    """
    from scipy import stats

    vector = _vector(differences, "sign_flip_test")
    if vector.size == 1:
        return 1.0
    result = stats.permutation_test(
        (vector, np.zeros_like(vector)),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=MAX_ENUMERATED,
        alternative="two-sided",
        rng=np.random.default_rng(0),
    )
    return float(result.pvalue)


def holm(p_values: ArrayLike) -> np.ndarray:
    """p values adjusted by Holm's step-down method (1979), in the given order; shape (n,), float64, at most 1.

    NaN stands for a test that was not made: it stays so, and the others are corrected as if it were not there.
    """
    from statsmodels.stats.multitest import multipletests

    adjusted = np.array(p_values, dtype=np.float64)
    made = ~np.isnan(adjusted)
    if made.any():
        adjusted[made] = multipletests(adjusted[made], method="holm")[1]
    return adjusted


def joint_interval(
    correct: ArrayLike,
    baseline_correct: ArrayLike,
    resamples: int = 2000,
    level: float = LEVEL,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile interval of a paired difference in accuracy, with seeds and test images resampled jointly.

    Both arguments have shape (seeds, images), 0/1 or bool; row i of both is one seed, column j one test image. Each
    resample draws rows and columns with replacement and keeps a drawn row and column together in both arms (the
    pigeonhole bootstrap of Owen, 2007, doi:10.1214/07-AOAS122). It carries the luck of the test images, which an
    interval over seeds alone leaves out. With few seeds it covers too little: n rows drawn with replacement have
    (n - 1) / n of their variance, and percentiles lack the heavy tail of t. So it stands beside the t interval and does
    not replace it. Returns (low, high). The random stream is its own, from `seed`.
    """
    a, b = np.asarray(correct, dtype=np.float32), np.asarray(baseline_correct, dtype=np.float32)
    if a.shape != b.shape or a.ndim != 2 or a.size == 0:
        raise ValueError(f"joint_interval: needs two (seeds, images) arrays of one shape, not {a.shape} and {b.shape}")
    difference = a - b
    rows, columns = difference.shape
    rng = np.random.default_rng(seed)
    means = np.empty(resamples)
    block = max(1, 2_000_000 // columns)  # bounds the memory: block x images
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        weights = rng.multinomial(rows, np.full(rows, 1 / rows), size=size).astype(np.float32) / rows
        drawn = rng.integers(columns, size=(size, columns))
        means[start : start + size] = np.take_along_axis(weights @ difference, drawn, axis=1).mean(axis=1, dtype=float)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def pair_correlation(values: ArrayLike, baseline_values: ArrayLike) -> float | None:
    """Pearson correlation of two arms over their shared seeds; None below three pairs or where an arm is constant.

    It says what pairing buys: the variance of a difference is smaller than that of two independent arms only if the
    correlation is positive.
    """
    a, b = _vector(values, "pair_correlation"), _vector(baseline_values, "pair_correlation")
    if a.size != b.size:
        raise ValueError(f"pair_correlation: {a.size} and {b.size} values are not pairs")
    if a.size < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    return float(np.corrcoef(a, b)[0, 1])


def rank_correlation(x: Sequence[float], y: Sequence[float], minimum: int = MIN_POOLS) -> RankCorrelation:
    """Spearman's rho of n pairs with a two-sided permutation test (exact for 8 pairs, 65,536 draws above).

    Fewer than `minimum` pairs, or a constant side, give neither rho nor p but a reason.
    """
    from scipy import stats

    a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"rank_correlation: needs two lists of one length, not shapes {a.shape} and {b.shape}")
    n = a.size
    if n < minimum:
        return RankCorrelation(n, None, None, f"rank correlation needs {minimum} pools, there are {n}")
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return RankCorrelation(n, None, None, "rank correlation needs values that differ")
    first, second = (stats.zscore(stats.rankdata(side)) for side in (a, b))
    result = stats.permutation_test(
        (first,),
        lambda ranks, axis: np.mean(ranks * second, axis=axis),  # Pearson's r of standardised ranks is Spearman's rho
        permutation_type="pairings",
        vectorized=True,
        n_resamples=MAX_ENUMERATED,
        alternative="two-sided",
        rng=np.random.default_rng(0),
    )
    return RankCorrelation(n, float(result.statistic), float(result.pvalue), None)
