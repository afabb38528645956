"""Copies among generated images: how many are nearer to a real image than held-out real images are.

Held-out images (val) set the threshold: half of them choose it, so that a known share of unseen real images falls below
it by chance, and the other half measure that false-alarm rate. Copies planted on purpose measure what is found. What is
reported is the excess of near neighbours over held-out images, in pixels and in the features of an extractor.

Real images have duplicates of their own, in CIFAR-10 about 3 % of the test images (Barz and Denzler 2020,
doi:10.3390/jimaging6060041). They are counted, and equal or mirrored ones are left out of what sets the threshold and
measures false alarms. Near ones are not: a threshold set on what is left without them would call every pool of a data
set whose images are alike full of copies.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep

from synthmix.data import Split
from synthmix.features.neighbours import Neighbours, nearest
from synthmix.images.planted import COPIES, copies, mirror
from synthmix.images.pools import Pool
from synthmix.images.stratify import split_halves, stratified_order

CONFIDENCE = 0.95
FALSE_ALARMS = 0.01  # share of unseen real images below the threshold
PLANTED = 500  # train images that copies are made of
REENCODED = 0.95  # share of re-encoded copies that the distance of duplicates takes in
Embed = Callable[[np.ndarray], np.ndarray]  # images uint8 (N, H, W, C) to rows (N, D)
SPLITS = ("train", "test")  # real images that are searched


@dataclass(frozen=True)
class Audit:
    """facts: ready for JSON. columns: of each generated image, by name, its nearest real images; arrays (N,)."""

    facts: dict[str, Any]
    columns: dict[str, np.ndarray]


def audit(generated: Pool, train: Split, val: Split, test: Split, features: Embed, device: str, seed: int = 0) -> Audit:
    """Search the real images nearest to each generated one, in pixels and features.

    Args:
        generated: the images to audit.
        train, val, test: the real splits; the generator saw none of val and test.
        features: float32 (N, D) of images.
        device: where distances are computed.
        seed: of the halves of val and of the planted copies.

    Returns:
        facts: `images` (counts), `duplicates` among the real images, and per space (`pixel`, `feature`) the
        `threshold`, its `nominal` false-alarm rate, the `searches` (who was searched where, with rates) and the
        `excess` of generated over held-out images. Distances are root mean squared differences of
        pixels, each image standardised, or of features. columns: label, index, seed of each generated image, and
        {space}_{split}_{index, distance, mirrored} of its nearest real image; index is the row in the split's file.

    Raises:
        ValueError: there is no generated image, or too few held-out ones.
    """
    if len(generated.labels) == 0:
        raise ValueError("a pool without images cannot be audited")
    chosen = np.sort(stratified_order(train.labels, seed)[:PLANTED])
    planted = {kind: copies(train.images[chosen], kind, seed) for kind in COPIES}
    images = {"generated": generated.images, "held_out": val.images, "test": test.images, **planted}
    real = {"train": train.images, "test": test.images}
    pixel = _search(images, real, pixels, device)
    unique = pixel["held_out", "train"].distance > 0
    calibration, evaluation = (half[unique[half]] for half in split_halves(val.labels, seed))
    if min(len(calibration), len(evaluation)) == 0:
        raise ValueError("the audit needs at least two val images that are not in train: raise `val`")
    columns = {"label": generated.labels, "index": generated.index, "seed": generated.seed}
    spaces = {}
    for space, found in (("pixel", pixel), ("feature", _search(images, real, features, device))):
        spaces[space] = _judged(found, calibration, evaluation, chosen)
        for split in SPLITS:
            one = found["generated", split]
            columns |= {f"{space}_{split}_{name}": values for name, values in vars(one).items()}
    distance = _reencoded(train.images[chosen], planted["jpeg"])
    duplicates = {
        "distance": distance,
        "criterion": f"{REENCODED:.0%} of copies, {COPIES['jpeg']}, from their originals",
        "test": _duplicates(pixel["test", "train"], distance),
        "val": _duplicates(pixel["held_out", "train"], distance),
    }
    counts = {"generated": len(generated.labels), "train": len(train.labels), "test": len(test.labels)}
    counts |= {"calibration": len(calibration), "held_out": len(evaluation), "planted": len(chosen)}
    return Audit({"images": counts, "duplicates": duplicates, "spaces": spaces, "confidence": CONFIDENCE}, columns)


def pixels(images: np.ndarray) -> np.ndarray:
    """Images (N, H, W, C) as rows of zero mean and unit standard deviation, float32 (N, H * W * C).

    Raw pixels would call any two pictures of a plain sky near. The root mean squared difference of two such rows is
    sqrt(2 - 2 r), r their correlation, which a change of brightness or contrast does not move. Nearly uniform images
    are scaled as if their standard deviation were one grey level.
    """
    rows = images.reshape(len(images), -1).astype(np.float32)
    rows -= rows.mean(1, keepdims=True)
    rows /= np.maximum(rows.std(1, keepdims=True), 1)
    return rows


Found = dict[tuple[str, str], Neighbours]


def _search(images: Mapping[str, np.ndarray], real: Mapping[str, np.ndarray], embed: Embed, device: str) -> Found:
    """(queries, split) -> neighbours; planted copies and test images are searched for in train only."""
    reference = {split: embed(part) for split, part in real.items()}
    found = {}
    for name, queries in images.items():
        own, mirrored = reference[name] if name in reference else embed(queries), embed(mirror(queries))
        for split in SPLITS if name in ("generated", "held_out") else ("train",):
            found[name, split] = nearest(own, mirrored, reference[split], device)
    return found


def _reencoded(originals: np.ndarray, reencoded: np.ndarray) -> float:
    """The distance in pixels that most re-encoded copies keep within."""
    difference = pixels(originals) - pixels(reencoded)
    return float(np.quantile(np.sqrt(np.square(difference).mean(1)), REENCODED))


def threshold(distances: np.ndarray, rate: float = FALSE_ALARMS) -> tuple[float, float]:
    """(threshold, nominal): a further image of the same kind is nearer than the threshold with probability `nominal`.

    The k-th smallest of n distances, k the largest with k / (n + 1) <= rate, 1 at least: k / (n + 1) is the expected
    share below an order statistic whatever the distribution (with ties, at most that).
    """
    n = len(distances)
    k = max(1, int(rate * (n + 1)))
    return float(np.partition(distances, k - 1)[k - 1]), k / (n + 1)


def proportion(count: int, n: int) -> dict[str, Any]:
    """A rate with its Wilson score interval."""
    interval = stats.binomtest(count, n).proportion_ci(CONFIDENCE, method="wilson")
    return {"near": count, "n": n, "rate": count / n, "interval": [float(interval.low), float(interval.high)]}


def difference(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """The difference of two rates of `proportion` with Newcombe's hybrid score interval (1998, his method 10)."""
    counts = (first["near"], first["n"], second["near"], second["n"])
    low, high = confint_proportions_2indep(*counts, method="newcomb", compare="diff", alpha=1 - CONFIDENCE)
    return {"value": first["rate"] - second["rate"], "interval": [float(low), float(high)]}


def _judged(found: Found, calibration: np.ndarray, evaluation: np.ndarray, planted: np.ndarray) -> dict[str, Any]:
    limit, nominal = threshold(found["held_out", "train"].distance[calibration])
    searches: list[dict[str, Any]] = []
    excess = {}
    for split in SPLITS:
        rates = {}
        for queries in ("generated", "held_out"):
            distance = found[queries, split].distance
            near = (distance if queries == "generated" else distance[evaluation]) < limit
            rates[queries] = proportion(int(near.sum()), len(near))
            searches.append({"queries": queries, "searched": split, **rates[queries]})
        excess[split] = difference(rates["generated"], rates["held_out"])
    distance = found["test", "train"].distance
    near = int((distance < limit).sum())
    searches.append({"queries": "test", "searched": "train", **proportion(near, len(distance))})
    for kind in COPIES:
        copy = found[kind, "train"]
        rate = proportion(int((copy.distance < limit).sum()), len(planted))
        own = float((copy.index == planted).mean())
        searches.append({"queries": kind, "searched": "train", **rate, "original_nearest": own})
    return {"threshold": limit, "nominal": nominal, "searches": searches, "excess": excess}


def _duplicates(found: Neighbours, distance: float) -> dict[str, Any]:
    """How many real images have a duplicate in train; how many of these are equal to it, how many mirrored."""
    near = found.distance <= distance
    equal = int((found.distance == 0).sum())
    return {**proportion(int(near.sum()), len(near)), "equal": equal, "mirrored": int((near & found.mirrored).sum())}
