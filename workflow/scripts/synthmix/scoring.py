"""The score of a pool: metrics with sample sizes, intervals, floors of real against real, and the copy flag.

Intervals never come from resampling with replacement. Images drawn repeatedly have nearest-neighbour radii of zero,
which breaks precision and recall; repeats shrink the rank of the covariance and bias Frechet distances upward, as fewer
images do (Chong and Forsyth 2020, arXiv:1911.07023); and the plain bootstrap of a degenerate U-statistic, which KID is
near equality, is inconsistent (Arcones and Gine 1992, doi:10.1214/aos/1176348650).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from synthmix.features.extraction import Features
from synthmix.features.metrics import NAMES, RANGES, evaluate, refusal, smallest_sample
from synthmix.images.stratify import class_matched, stratified_order

CONFIDENCE = 0.95
MOST_SUBSAMPLES = 5
SMALLEST_SUBSAMPLE = 20
DISTANCES = ("fid", "kid", "cmmd", "fd_infinity")  # a low value can mean copies


@dataclass(frozen=True)
class Interval:
    """Limits of a 95 % interval, or None with the reason; `method` says how it was made."""

    limits: tuple[float, float] | None
    method: str | None = None
    reason: str | None = None


def score(
    *,
    generated: Sequence[Features],
    reference: Features,
    train: Features,
    held_out: Features,
    extractor: Mapping[str, Any],
    reference_images: str,
    metrics: Collection[str],
    floor_reference: Features | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """The score of one pool, ready for JSON.

    generated: one set for a pool of one generator; one per generator where generators were trained repeatedly (value:
    mean over them; sets are cut to equal size). reference: the real images to compare with; `reference_images` says
    which. train: real images of the train split, disjoint from `floor_reference` (default: `reference`), which the
    floors are computed against. held_out: real images of the val split, of which as many are used as have the class
    shares of `floor_reference`: val may keep natural shares where train was balanced. extractor:
    FeatureExtractor.describe(). metrics: names among metrics.NAMES. seed: of the stratified orders.

    Per metric: `value`, `n_generated` (per set), `n_reference`, `interval` ([lo, hi] or null), `interval_method`,
    `reason` (where value or interval is null), and `floors`: the same metric at one equal `n` for generated, train and
    held-out images. The Inception score has `real`, the reference images' own score, and its `floors` hold the
    generated images' score at that n. Distances have `copy_flag`: the generated images are nearer to the reference
    than both floors. Fresh real images would be so about one time in three, so a flag calls for the copy audit and
    proves nothing.
    """
    if not generated or any(len(group) == 0 for group in generated):
        raise ValueError("a pool without images cannot be scored")
    floor_reference = reference if floor_reference is None else floor_reference
    held_out = held_out.take(class_matched(held_out.labels, floor_reference.labels, seed))
    size = min(len(group) for group in generated)
    groups = [_first(group, size, seed) for group in generated]
    names = [name for name in NAMES if name in metrics]
    per_group = [evaluate(group, reference, names) for group in groups]
    values = _mean(per_group)
    if len(groups) > 1:
        intervals = repeated_intervals(per_group)
    else:
        intervals = subsample_intervals(groups[0], reference, values, seed)
    compared = [name for name in names if name != "isc"]
    floors = _floors(compared, groups, train, held_out, floor_reference, seed)
    if "isc" in names:
        floors["isc"] = _own_score(groups, reference, seed)
    scores = {}
    for name in names:
        interval = intervals[name]
        scores[name] = {
            "value": values[name],
            "n_generated": size,
            "n_reference": None if name == "isc" else len(reference),
            "interval": None if interval.limits is None else list(interval.limits),
            "interval_method": interval.method,
            "reason": refusal(name, groups[0], reference) or interval.reason,
            **floors[name],
        }
    return {
        "extractor": dict(extractor),
        "reference": reference_images,
        "images": {
            "generated": [len(group) for group in generated],
            "reference": len(reference),
            "floor_reference": len(floor_reference),
            "train": len(train),
            "held_out": len(held_out),
        },
        "confidence": CONFIDENCE,
        "metrics": scores,
    }


def repeated_intervals(per_group: Sequence[Mapping[str, float | None]]) -> dict[str, Interval]:
    """t intervals by metric over the values of independently repeated generations; the reference is held fixed."""
    method = f"t interval over {len(per_group)} repeated generations, reference held fixed"
    intervals = {}
    for name in per_group[0]:
        known = [value for group in per_group if (value := group[name]) is not None]
        if len(known) < len(per_group):
            intervals[name] = Interval(None)
        else:
            intervals[name] = Interval(_limits(name, float(np.mean(known)), known), method)
    return intervals


def subsample_intervals(
    generated: Features, reference: Features, values: Mapping[str, float | None], seed: int = 0
) -> dict[str, Interval]:
    """Intervals by metric around `values` at full size, from J = 5 down to 2 disjoint subsamples of both sets.

    value +- t(J - 1) * sd / sqrt(J), where sd is that of the metric over the pairs of subsamples: the sampling error of
    both sets at these sizes. Not covered: the bias that a metric has at this n, and the training of the generator. Near
    zero the error of a distance falls faster than 1 / sqrt(n), and the interval is wide rather than narrow.
    """
    counts = {name: _subsamples(name, generated, reference) for name in values if values[name] is not None}
    parts: dict[str, list[float]] = {}
    for count in sorted(set(counts.values()) - {0}):
        names = [name for name in counts if counts[name] == count]
        pairs = zip(_disjoint(generated, count, seed), _disjoint(reference, count, seed), strict=True)
        results = [evaluate(*pair, names) for pair in pairs]
        parts |= {name: [value for result in results if (value := result[name]) is not None] for name in names}
    intervals = {}
    for name, value in values.items():
        if value is None:
            intervals[name] = Interval(None)
        elif name not in parts:
            least = _smallest_subsample(name, generated)
            intervals[name] = Interval(None, reason=f"no interval: two disjoint subsamples need {least} images each")
        else:
            sets = "generated images" if name == "isc" else "generated and of reference images"
            method = f"t interval over {len(parts[name])} disjoint stratified subsamples of {sets}"
            intervals[name] = Interval(_limits(name, value, parts[name]), method)
    return intervals


def _limits(name: str, centre: float, values: Sequence[float]) -> tuple[float, float]:
    """centre +- t * sd / sqrt(J), cut to the metric's range."""
    half = stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    low, high = RANGES[name]
    return float(max(low, centre - half)), float(min(high, centre + half))


def _smallest_subsample(name: str, generated: Features) -> int:
    return max(smallest_sample(name, generated.dimension), SMALLEST_SUBSAMPLE)


def _subsamples(name: str, generated: Features, reference: Features) -> int:
    """The most disjoint subsamples, 5 at most, that each suffice for the metric; 0 where not even two do."""
    available = len(generated) if name == "isc" else min(len(generated), len(reference))
    count = min(MOST_SUBSAMPLES, available // _smallest_subsample(name, generated))
    return count if count >= 2 else 0


def _disjoint(features: Features, count: int, seed: int) -> list[Features]:
    """`count` disjoint subsamples of equal size: runs of the stratified order, which keep the class proportions."""
    order = stratified_order(features.labels, seed)
    size = len(features) // count
    return [features.take(order[part * size : (part + 1) * size]) for part in range(count)]


def _first(features: Features, n: int, seed: int) -> Features:
    """The first n images in the stratified order; the set itself where n is all of it."""
    return features if n == len(features) else features.take(stratified_order(features.labels, seed)[:n])


def _floors(
    names: Sequence[str],
    groups: Sequence[Features],
    train: Features,
    held_out: Features,
    reference: Features,
    seed: int,
) -> dict[str, dict[str, Any]]:
    """`floors` of the named metrics, and `copy_flag` of the distances among them."""
    n = min(len(groups[0]), len(train), len(held_out))
    generated = _mean([evaluate(_first(group, n, seed), reference, names) for group in groups])
    first_train, first_held_out = _first(train, n, seed), _first(held_out, n, seed)
    against_train, against_held_out = (evaluate(real, reference, names) for real in (first_train, first_held_out))
    floors: dict[str, dict[str, Any]] = {}
    for name in names:
        values = {"generated": generated[name], "train": against_train[name], "held_out": against_held_out[name]}
        reason = refusal(name, first_train, reference)
        floors[name] = {"floors": {"n": n, "n_reference": len(reference), **values, "reason": reason}}
        if name in DISTANCES:
            floors[name]["copy_flag"] = _copy_flag(**values)
    return floors


def _own_score(groups: Sequence[Features], reference: Features, seed: int) -> dict[str, Any]:
    """The Inception score of real images and of as many generated ones, for a score has no meaning by itself."""
    n = min(len(groups[0]), len(reference))
    generated = _mean([evaluate(_first(group, n, seed), reference, ["isc"]) for group in groups])
    real = evaluate(_first(reference, n, seed), reference, ["isc"])
    return {"real": real["isc"], "floors": {"n": n, "generated": generated["isc"]}}


def _mean(results: Sequence[Mapping[str, float | None]]) -> dict[str, float | None]:
    """The mean over groups of each metric; None where one is None."""
    means: dict[str, float | None] = {}
    for name in results[0]:
        values = [value for result in results if (value := result[name]) is not None]
        means[name] = float(np.mean(values)) if len(values) == len(results) else None
    return means


def _copy_flag(generated: float | None, train: float | None, held_out: float | None) -> bool | None:
    """Whether generated images are nearer to real ones than real ones are to each other; None where a value is missing.

    Both floors count, since the classifier extractors are trained on the `train` images, which moves that floor alone.
    """
    if generated is None or train is None or held_out is None:
        return None
    return generated < min(train, held_out)
