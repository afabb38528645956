"""What the images of a pool were worth to a classifier, beside the scores of the pool: for a table and a figure.

Usefulness is the paired gain of a training set that uses the pool over a baseline that does not.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from synthmix.analysis import statistics
from synthmix.analysis.artefacts import Artefacts
from synthmix.analysis.statistics import Interval, RankCorrelation
from synthmix.experiments import Arm, arms, constant, paired, select, text, wanted

LOWER_IS_BETTER = {"fid", "kid", "cmmd", "fd_infinity"}


class Point(NamedTuple):
    """A training set with the pool that it uses.

    gains: in percentage points, float64 (seeds,); gain: their mean with its t interval. synthetic: how many generated
    images it trains on; None where that is not known.
    """

    arm: Arm
    pool: str
    gains: np.ndarray
    gain: Interval
    synthetic: float | None


class Measured(NamedTuple):
    """A point with one metric of its pool: value, number of generated images that it was computed from, interval."""

    point: Point
    value: float
    images: int | None
    interval: Sequence[float] | None


def points(spec: Mapping[str, Any], artefacts: Artefacts) -> list[Point]:
    """The training sets that a specification {baseline, training_set, dataset?, model?, recipe?, metric?} names.

    Raises ValueError where they are of several data sets, models or recipes, where one has no pool, and where one
    shares no seed with the baseline.
    """
    experiments = artefacts.read_experiments()
    chosen = {**spec, "training_set": wanted(spec, "training_set")}
    found = [_point(spec, experiments, arm, runs) for arm, runs in arms(select(experiments, chosen))]
    if len({point.arm[:3] for point in found}) > 1:
        raise ValueError(f"{spec['kind']}: name one dataset, model and recipe: gains of different ones do not compare")
    return found


def _point(spec: Mapping[str, Any], experiments: pd.DataFrame, arm: Arm, runs: pd.DataFrame) -> Point:
    pool = text(runs, "pool")
    if pool is None:
        raise ValueError(f"{spec['kind']}: {arm.training_set} has no generated images, so no metric stands beside it")
    values = paired(experiments, arm, spec["baseline"], spec.get("metric", "accuracy"))
    if values.empty:
        raise ValueError(
            f"{spec['kind']}: {arm.training_set} and {spec['baseline']} share no seed in {'/'.join(arm[:3])}"
        )
    gains = 100 * (values["value"] - values["baseline"]).to_numpy()
    return Point(arm, pool, gains, statistics.t_interval(gains), constant(runs, "synthetic_images"))


def scores(spec: Mapping[str, Any], artefacts: Artefacts, chosen: Sequence[Point]) -> dict[str, dict[str, Any]]:
    """The score of each pool by one extractor; of several n, the largest.

    Raises ValueError where a pool has none, and where they are of several extractors.
    """
    extractors = wanted(spec, "extractor")
    found: dict[str, dict[str, Any]] = {}
    for score in sorted(artefacts.read_scores(), key=lambda score: score["n"]):
        if score["dataset"] == chosen[0].arm.dataset and score["extractor"]["name"] in (
            extractors or [score["extractor"]["name"]]
        ):
            found[score["pool"]] = score
    for point in chosen:
        if point.pool not in found:
            raise ValueError(f"{spec['kind']}: pool {point.pool} has no score: add it to the study's scores")
    used = {point.pool: found[point.pool] for point in chosen}
    names = {score["extractor"]["name"] for score in used.values()}
    if len(names) > 1:
        raise ValueError(f"{spec['kind']}: scores of the extractors {sorted(names)} do not compare: set `extractor`")
    return used


def measured(metric: str, chosen: Sequence[Point], found: Mapping[str, Mapping[str, Any]]) -> list[Measured]:
    """The points whose pool has a value of the metric."""
    rows = []
    for point in chosen:
        values = found[point.pool]["metrics"].get(metric) or {}
        if values.get("value") is not None:
            rows.append(Measured(point, values["value"], values.get("n_generated"), values.get("interval")))
    return rows


def correlation(metric: str, rows: Sequence[Measured]) -> RankCorrelation:
    """Spearman's rho of a metric with the mean gain over pools, or why it is refused.

    rho is turned round where lower values are better, so that a positive one always says: the better the score, the
    greater the gain. Pools must be of equal size, since most metrics depend on it, and training sets must have equally
    many generated images, since gains do.
    """
    if not rows:
        return RankCorrelation(0, None, None, "refused for every pool")
    for what, sizes in (
        ("pools of unequal size", {row.images for row in rows}),
        ("unequal numbers of generated images", {row.point.synthetic for row in rows}),
    ):
        if len(sizes) > 1:
            return RankCorrelation(len(rows), None, None, f"{what}: no rank correlation")
    sign = -1 if metric in LOWER_IS_BETTER else 1
    return statistics.rank_correlation([sign * row.value for row in rows], [row.point.gain.mean for row in rows])
