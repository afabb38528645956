"""Whether a data set has as many real images as a training set asks for, and a pool as many generated ones."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from synthmix.planning.messages import ConfigurationError, shown

# Images of each of the digits 0 to 9 in scikit-learn's load_digits (1,797 in all).
DIGITS = (178, 182, 177, 183, 181, 182, 181, 179, 174, 180)


def check_counts(training_set: Mapping[str, Any], counts: Mapping[str, int], file: str, key: str) -> None:
    """Check a training set against the images that train has.

    Args:
        training_set: its definition, with defaults.
        counts: class name -> images in the train split; `meta.json` has them under counts.train.
        file: where the training set is defined, for the message.
        key: its dotted key there, such as training_sets.shot3.

    Raises:
        ConfigurationError: `real` and `held_back` together are more than a class has, `total` more than all have, or
            the total of generated images more than `draw_from` admits of all classes.
    """
    for own_key, problem in missing_images(training_set, counts):
        raise ConfigurationError(file, f"{key}.{own_key}", problem)


def missing_images(training_set: Mapping[str, Any], counts: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Problems, as (key of the training set, text), of the kind that `check_counts` raises."""
    real, held_back = training_set.get("real"), training_set.get("held_back", 0)
    if isinstance(real, int):
        name, count = min(counts.items(), key=lambda item: item[1])
        if real > count:
            yield "real", f"{real} images per class, but class {name} has {count} in train; lower it"
        if real + held_back > count:
            total = f"{real} real images and {held_back} held back per class"
            yield "held_back", f"{total}, but class {name} has {count} in train; lower it"
    if isinstance(real, Mapping):
        wanted, images = real["total"], sum(counts.values())
        if wanted > images:
            yield "real.total", f"{wanted} images, but train has {images}; lower it"
    synthetic = training_set.get("synthetic")
    if isinstance(synthetic, Mapping) and "draw_from" in training_set:
        # the largest class has at least its equal share, whatever the exact counts are
        wanted, draw_from = synthetic["total"], training_set["draw_from"]
        if wanted > draw_from * len(counts):
            problem = f"{wanted} images of {len(counts)} classes, but draw_from is {draw_from} per class"
            yield "synthetic.total", f"{problem}; lower it, or raise draw_from"


def taken(share: float, images: int) -> int:
    """How many images a split is, that is cut from `images`: a fraction of them, rounded up, or a number."""
    # rounded first: 0.1 * 30 is 3.0000000000000004
    return math.ceil(round(share * images, 6)) if share < 1 else int(share)


def cuts(dataset: Mapping[str, Any], images: int) -> list[tuple[str, int]]:
    """(split, images) of what is cut from train, which has so many before, in the order in which it is cut."""
    return [(split, taken(dataset[split], images)) for split in ("test", "val") if not isinstance(dataset[split], str)]


def without(counts: Mapping[str, int], cut: int, total: int) -> dict[str, int]:
    """Class -> the most images that can be left, of the most that there were, once some of all are cut."""
    return {name: n - n * min(cut, total) // max(total, 1) for name, n in counts.items()}


def cannot_take(wanted: int, total: int, counts: Mapping[str, int]) -> str | None:
    """Why a number of images, stratified by class, certainly cannot be taken from all; None where it may.

    counts: class -> images, or the most that there can be.
    """
    name, least = min(counts.items(), key=lambda item: item[1])
    if total - wanted < len(counts):
        return f"takes {wanted} of {total} images, too many to leave one for each class; lower it"
    if wanted < len(counts):
        return f"takes {wanted} images for {len(counts)} classes; raise it, or name fewer classes"
    if least < 2:
        return f"needs two images of each class, but {shown(name)} has {least}; add some, or leave it out with classes"
    return None


def known_counts(dataset: Mapping[str, Any], counts: Mapping[str, int]) -> dict[str, int]:
    """Class -> the most images that train can have, of those that its source has (`known.train_counts`).

    Splits are stratified, so a class loses at least the whole part of its share; the exact counts are in meta.json.
    """
    most, total = dict(counts), sum(counts.values())
    for _, cut in cuts(dataset, total):
        most = without(most, cut, total)
        total -= cut
    limit = dataset.get("limit", {})
    if each := limit.get("train_per_class"):
        most = {name: min(n, each) for name, n in most.items()}
    if (whole := limit.get("train", total)) < total:
        # behind a limit per class, shares are those of counts that are not known exactly
        most = {name: min(n, whole if each else math.ceil(n * whole / total)) for name, n in most.items()}
    return most
