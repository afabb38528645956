"""Which of two models does better, under which condition: comparisons paired by seed, each with a test.

A difference is the first model's value minus the second's; of times, the second's divided by the first's, so that more
than 1 says that the first is sooner.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from synthmix.analysis import statistics

PASSES = 3  # forward passes that a step of training counts for: its backward pass takes two (Kaplan et al. 2020, 2.1)


class Comparison(NamedTuple):
    """One comparison. condition: test, seconds, flops or target; at: the budget or the target, None for test.

    n: pairs. better: 1 where the first model is, -1 where the second is, 0 where neither. difference, low, high: the
    mean with its 95 % t interval (of times the geometric mean of ratios); None where not all times are known. p: of a
    two-sided test; None where `reason` says why there is none.
    """

    condition: str
    at: float | None
    n: int
    better: int = 0
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    reason: str = ""


def by_metric(first: pd.Series, second: pd.Series, condition: str = "test", at: float | None = None) -> Comparison:
    """Values of two models, indexed by seed, by a paired t test over the seeds that both have."""
    differences = (first - second).dropna().to_numpy(dtype=np.float64)
    if len(differences) == 0:
        return Comparison(condition, at, 0, reason="no validation of both in the budget")
    interval = statistics.t_interval(differences)
    ends = (interval.mean, interval.low, interval.high)
    return Comparison(condition, at, interval.n, int(np.sign(interval.mean)), *ends, *_t_test(differences))


def at_equal(budget: str, first: pd.DataFrame, second: pd.DataFrame) -> Comparison:
    """Validation accuracies when both have spent as much as the cheaper one of a seed's two trainings did in all.

    budget: the column of the histories that says what is spent, `seconds` or `flops`. first, second: histories with
    seed, val_accuracy and that column, in the order of training. An accuracy is that of the last validation within the
    budget.
    """
    spent = pd.concat([rows.groupby("seed")[budget].max() for rows in (first, second)], axis=1).dropna()
    limit = spent.min(axis=1)
    one, other = (
        rows[rows[budget] <= rows["seed"].map(limit)].groupby("seed")["val_accuracy"].last() for rows in (first, second)
    )
    return by_metric(one, other, budget, float(limit.mean()) if len(limit) else None)


def by_time_to(target: float, first: pd.DataFrame, second: pd.DataFrame) -> Comparison:
    """Seconds until a validation accuracy, a fraction, is first reached.

    A paired t test of log ratios where every training reaches it; otherwise a sign test, in which one that does not
    reach it is the later one, and pairs that both do not reach it say nothing.
    """
    times = pd.DataFrame({"first": _reached(first, target), "second": _reached(second, target)}).dropna()
    one, other = (times[name].to_numpy(dtype=np.float64) for name in ("first", "second"))
    known = [int(np.isfinite(each).sum()) for each in (one, other)]
    if not any(known):
        return Comparison("target", target, len(times), reason="neither reaches it")
    if min(known) == len(times):
        ratios = np.log(other / one)
        interval = statistics.t_interval(ratios)
        mean, low, high = (
            None if each is None else float(np.exp(each)) for each in (interval.mean, interval.low, interval.high)
        )
        better = int(np.sign(interval.mean))
        return Comparison("target", target, interval.n, better, mean, low, high, *_t_test(ratios))
    from scipy import stats

    sooner, later = int((one < other).sum()), int((one > other).sum())
    p = float(stats.binomtest(sooner, sooner + later).pvalue) if sooner + later else 1.0
    reason = f"reached by {known[0]} and {known[1]} of {len(times)}"
    return Comparison("target", target, len(times), int(np.sign(sooner - later)), p=p, reason=reason)


def _reached(history: pd.DataFrame, target: float) -> pd.Series:
    """Seconds until the target by seed; infinite where it is not reached."""
    seeds = history["seed"].unique()
    rows = history[history["val_accuracy"] >= target]
    return rows.groupby("seed")["seconds"].first().astype(float).reindex(seeds, fill_value=np.inf)


def _t_test(differences: np.ndarray) -> tuple[float | None, str]:
    from scipy import stats

    if len(differences) < 2:
        return None, "one seed"
    if np.ptp(differences) == 0:
        return (1.0, "") if differences[0] == 0 else (None, "all seeds differ by the same")
    return float(stats.ttest_1samp(differences, 0).pvalue), ""


def with_flops(history: pd.DataFrame, flops: float) -> pd.DataFrame:
    """A history with the operations of training so far; `flops` is of the forward pass for one image."""
    return history.assign(flops=history.groupby("seed")["images"].cumsum() * flops * PASSES)


def corrected(p_values: Iterable[float | None]) -> list[float | None]:
    """p values after Holm's correction over those that are there."""
    given = np.array(list(p_values), dtype=np.float64)  # None becomes NaN
    return [None if np.isnan(p) else float(p) for p in statistics.holm(given)]
