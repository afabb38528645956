"""Filters: the best images of each class of a pool, by a score that each kind of filter computes in its own file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from synthmix.data import Split
from synthmix.features.extraction import FeatureExtractor, Features, extract
from synthmix.images.kept import Kept
from synthmix.images.pools import Pool


class TooFewImagesError(ValueError):
    """A filter is to keep more images of a class than it may choose from."""


@dataclass(frozen=True)
class View:
    """What a filter may look at beside the generated images.

    train: the train split. classes: their names, by label. extractor: ready to use, definition: the study's words for
    it. weights: where those are, if known; folder: where downloaded ones go; offline: whether downloads are forbidden.
    """

    train: Split
    classes: Sequence[str]
    extractor: FeatureExtractor
    definition: Mapping[str, Any]
    weights: Path | None
    folder: Path
    offline: bool
    device: str

    def features(self, images: Pool) -> Features:
        """The extractor's features of generated images, in their order."""
        return self._extracted(images)

    @cached_property
    def real(self) -> Features:
        """The extractor's features of the train split."""
        return self._extracted(self.train)

    def _extracted(self, of: Pool | Split) -> Features:
        precision = self.definition.get("precision") or "float32"
        return extract(of.images, of.labels, self.extractor, self.device, precision)


class Scores(Protocol):
    """A kind of filter: scores float64 (N,), larger is better, of the N images of one generator and their prompts."""

    def __call__(
        self, selection: Mapping[str, Any], images: Pool, prompts: Sequence[str | None], view: View, /
    ) -> np.ndarray: ...


def choose(
    scores_of: Scores, selection: Mapping[str, Any], pool: Pool, prompts: Sequence[str | None], view: View, source: str
) -> Kept:
    """The `keep` best of the first `among` images of each class; images that a safety checker flagged are left out.

    Where generators were trained per seed, every seed has its own. Of equal scores the lower index comes first.

    Args:
        scores_of: the kind's `scores`.
        selection: the filter's definition, with `among` and `keep`.
        pool: generated images.
        prompts: theirs, None where an image has none.
        view: what else the filter sees.
        source: what to name in an error.

    Raises:
        TooFewImagesError: fewer than `keep` images of a class are left to choose from.
        ValueError: an image has no score.
    """
    candidates = (pool.index < selection["among"]) & ~pool.left_out
    seeds = [int(seed) for seed in np.unique(pool.seed)]
    for seed in seeds:
        _require_enough(pool.labels[candidates & (pool.seed == seed)], selection, view.classes, source)
    parts = []
    for seed in seeds:
        rows = np.flatnonzero(candidates & (pool.seed == seed))
        images = pool.select(rows)
        scores = scores_of(selection, images, [prompts[row] for row in rows.tolist()], view)
        if np.isnan(scores).any():
            raise ValueError(f"{source}: an image has no score: the extractor's weights are damaged")
        for label in range(len(view.classes)):
            members = np.flatnonzero(images.labels == label)
            order = np.lexsort((images.index[members], -scores[members]))
            best = members[order[: selection["keep"]]]
            ranks = np.arange(len(best))
            parts.append((images.labels[best], images.index[best], images.seed[best], ranks, scores[best]))
    return Kept(*map(np.concatenate, zip(*parts, strict=True)))


def _require_enough(labels: np.ndarray, selection: Mapping[str, Any], classes: Sequence[str], source: str) -> None:
    counts = np.bincount(labels, minlength=len(classes))
    if counts.min() < selection["keep"]:
        raise TooFewImagesError(
            f"{source}: class {classes[int(counts.argmin())]} has {int(counts.min())} images that no safety checker "
            f"flagged among its first {selection['among']}, and keep is {selection['keep']}: lower keep, or raise among"
        )
