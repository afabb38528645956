"""Whether a data set has as many real images as a training set asks for, and a pool as many generated ones."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from synthmix.planning.messages import ConfigurationError

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


def known_counts(dataset: Mapping[str, Any]) -> dict[str, int] | None:
    """Class name -> the most images that train can have, where that is known before the data are read; else None.

    Splits are stratified, so a class loses at least the whole part of its share; the exact counts are in meta.json.
    """
    if dataset["source"] != "embedded":
        return None
    kept = dataset.get("classes")
    counts = {str(digit): n for digit, n in enumerate(DIGITS) if kept is None or str(digit) in kept}
    whole = total = sum(counts.values())
    for split in ("test", "val"):
        taken = math.ceil(dataset[split] * whole) if dataset[split] < 1 else dataset[split]
        counts = {name: n - math.floor(n * min(taken / max(total, 1), 1)) for name, n in counts.items()}
        total -= taken
    each = dataset.get("limit", {}).get("train_per_class")
    if each:
        counts = {name: min(n, each) for name, n in counts.items()}
        total = min(total, sum(counts.values()))
    limit = dataset.get("limit", {}).get("train")
    if limit and limit < total:
        counts = {name: min(n, math.ceil(n * limit / total)) for name, n in counts.items()}
    return counts
