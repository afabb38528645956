"""Intervals that resample seeds and test images jointly, for metrics that are no mean over test images."""

from collections.abc import Callable

import numpy as np

from synthmix.analysis.statistics import LEVEL

Statistic = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
BLOCK = 2_000_000  # bounds the memory: resamples x images


def balanced_accuracy(correct: np.ndarray, labels: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Balanced accuracy of every seed in every resample, float64 (B, S).

    Args:
        correct: 0/1 or bool (S, N), whether each seed has each test image right.
        labels: int (N,), the true classes.
        counts: float (B, N), how often each image is in each resample; a class that is in none of its images takes no
            part in the mean.
    """
    recalls = []
    for label in np.unique(labels):
        here = labels == label
        drawn = counts[:, here].sum(axis=1, keepdims=True)
        right = counts[:, here] @ correct[:, here].T.astype(np.float64)
        recalls.append(np.divide(right, drawn, out=np.full(right.shape, np.nan), where=drawn > 0))
    return np.nanmean(recalls, axis=0)


def auroc(scores: np.ndarray, labels: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Area under the ROC curve of every seed in every resample, float64 (B, S), for two classes.

    The share of pairs of an image of class 1 and one of class 0 in which the former has the higher score, ties counting
    half (Hanley and McNeil 1982, doi:10.1148/radiology.143.1.7063747).

    Args:
        scores: float (S, N), what each seed gives class 1.
        labels: int (N,), 0 or 1.
        counts: float (B, N), how often each image is in each resample; NaN stands for a resample of one class only.
    """
    areas = []
    for seed in scores:
        order = np.argsort(seed, kind="stable")
        starts = np.flatnonzero(np.diff(seed[order], prepend=-np.inf))  # of runs of equal scores
        ones, zeros = (
            np.add.reduceat(np.where(labels[order] == label, counts[:, order], 0), starts, axis=1) for label in (1, 0)
        )
        below = np.cumsum(zeros, axis=1) - zeros
        pairs = ones.sum(axis=1) * zeros.sum(axis=1)
        won = (ones * (below + zeros / 2)).sum(axis=1)
        areas.append(np.divide(won, pairs, out=np.full(len(counts), np.nan), where=pairs > 0))
    return np.stack(areas, axis=1)


def joint_interval(
    statistic: Statistic,
    values: np.ndarray,
    baseline_values: np.ndarray,
    labels: np.ndarray,
    resamples: int = 2000,
    level: float = LEVEL,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile interval of a paired difference in a statistic, with seeds and test images resampled jointly.

    As statistics.joint_interval, which is the faster one for accuracy; what is said there of its width holds here.

    Args:
        statistic: `balanced_accuracy` or `auroc`.
        values, baseline_values: (S, N), what the statistic takes; row i of both is one seed, column j one test image.
        labels: int (N,), the true classes.
        resamples: number of resamples; one that has no value for the statistic is left out.
        level: coverage aimed at.
        seed: of the random stream, which is its own.
    """
    rows, columns = values.shape
    rng = np.random.default_rng(seed)
    differences = []
    block = max(1, BLOCK // columns)
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        seeds = rng.multinomial(rows, np.full(rows, 1 / rows), size=size) / rows
        images = rng.multinomial(columns, np.full(columns, 1 / columns), size=size).astype(np.float64)
        gains = statistic(values, labels, images) - statistic(baseline_values, labels, images)
        differences.append((seeds * gains).sum(axis=1))
    low, high = np.nanquantile(np.concatenate(differences), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
