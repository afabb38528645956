"""From a pool and the features of real images to the sets that a score compares."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from synthmix.features.extraction import FeatureExtractor, extract
from synthmix.images.pools import Pool
from synthmix.images.stratify import split_halves
from synthmix.references import Reference
from synthmix.scoring import score


def score_pool(
    pool: Pool,
    n: int,
    real: Reference,
    extractor: FeatureExtractor,
    definition: Mapping[str, Any],
    metrics: Collection[str],
    device: str,
) -> dict[str, Any]:
    """The score of the first n images per class of a pool, as `scoring.score` returns it.

    A classifier extractor was trained on one half of train, so the other half is its reference; the floors of every
    extractor are taken against that half, with the first half in the place of generated images. A pool whose generator
    was trained once per seed is one set of images per seed. Only the pool's features are extracted here, as those of
    `real` were.
    """
    chosen = pool.select((pool.index < n) & ~pool.left_out)
    sets = [chosen.select(chosen.seed == seed) for seed in np.unique(chosen.seed)]
    half, other = split_halves(real.train.labels, definition.get("seed", 0))
    trained_here = definition["kind"] == "classifier"
    described = "half of train that the extractor was not trained on" if trained_here else "train"
    precision = real.extractor["precision"]
    return score(
        generated=[extract(each.images, each.labels, extractor, device, precision) for each in sets],
        reference=real.train.take(other) if trained_here else real.train,
        train=real.train.take(half),
        held_out=real.val,
        extractor=real.extractor,
        reference_images=described,
        metrics=metrics,
        floor_reference=real.train.take(other),
    )
