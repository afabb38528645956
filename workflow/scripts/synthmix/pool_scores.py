"""From a pool and the real splits to the feature sets that a score compares."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from synthmix.data import Split
from synthmix.features import FeatureExtractor, extract
from synthmix.pools import Pool
from synthmix.scoring import score
from synthmix.stratify import split_halves


def score_pool(
    pool: Pool,
    n: int,
    train: Split,
    val: Split,
    extractor: FeatureExtractor,
    definition: Mapping[str, Any],
    name: str,
    device: str,
) -> dict[str, Any]:
    """The score of the first n images per class of a pool, as `scoring.score` returns it.

    A classifier extractor was trained on one half of train, so the other half is its reference; the floors of every
    extractor are taken against that half, with the first half in the place of generated images. A pool whose generator
    was trained once per seed is one set of images per seed.
    """
    chosen = pool.select((pool.index < n) & ~pool.flagged)
    sets = [chosen.select(chosen.seed == seed) for seed in np.unique(chosen.seed)]
    half, other = split_halves(train.labels, definition.get("seed", 0))

    def features(images: np.ndarray, labels: np.ndarray) -> Any:
        return extract(images, labels, extractor, device)

    real = features(train.images, train.labels)
    trained_here = definition["kind"] == "classifier"
    described = "half of train that the extractor was not trained on" if trained_here else "train"
    return score(
        generated=[features(each.images, each.labels) for each in sets],
        reference=real.take(other) if trained_here else real,
        train=real.take(half),
        held_out=features(val.images, val.labels),
        extractor=extractor.describe(name),
        reference_images=described,
        floor_reference=real.take(other),
    )
