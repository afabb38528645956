"""The shards of a pool: drawn into the store, published from there."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from synthmix import files
from synthmix.images import pools
from synthmix.store import SHARD, Entry

Wanted = Sequence[tuple[int, int]]  # (class, index in class) of each image


@dataclass(frozen=True)
class Drawn:
    """Images as a generator gives them.

    images: uint8 (N, H, W, C). prompts: N texts, where it has any. flagged: bool (N,), where a safety checker looked at
    them. keeps_flagged: whether flagged ones are used all the same.
    """

    images: np.ndarray
    prompts: list[str] | None = None
    flagged: np.ndarray | None = None
    keeps_flagged: bool = False


class Source(Protocol):
    """What images come from. A kind of generator is a file in `generators/` with a class of this name.

    It is made of the spec of a shard, the data set's `meta`, the job's inputs by name, the device and the settings of
    this call of Snakemake (config.yaml), and should read nothing large before it has to draw.
    """

    def draw(self, wanted: Wanted, seed: int | None) -> Drawn:
        """The wanted images, each a function of the spec, its class and its index alone.

        seed: of the classifier whose generator draws, for a generator that is trained per seed.
        """


def draw_shard(source: Source, spec: dict[str, Any], classes: Sequence[str], seed: int | None, entry: Entry) -> Path:
    """Draw one generator's images of a shard into the store, or find them there; returns the file in the store.

    Args:
        source: what to draw from.
        spec: of the shard. Its block of indices is drawn for every class, or for `class` alone where it names one;
            `images` is its length where the shard is not full.
        classes: names of the data set's classes.
        seed: of the classifier that the generator belongs to; None for a generator that serves all.
        entry: the shard's entry in the store.
    """
    path = entry.folder / SHARD
    if path.exists():
        try:
            pools.read([path])
            return path
        except files.DamagedFileError as error:
            print(f"{error}; drawing its images again", flush=True)
    first = spec["shard"] * spec["sampling"]["shard_size"]
    labels = [classes.index(spec["class"])] if "class" in spec else range(len(classes))
    block = range(first, first + spec.get("images", spec["sampling"]["shard_size"]))
    wanted = [(label, index) for index in block for label in labels]
    drawn = source.draw(wanted, seed)
    numbers, indices = np.array(wanted, dtype=np.int64).T
    pools.write_shard(
        path,
        drawn.images,
        numbers,
        indices,
        seed,
        drawn.prompts,
        drawn.flagged,
        generator=spec["upstream"].get("generator", ""),
        classes=classes,
        keeps_flagged=drawn.keeps_flagged,
    )
    return path


def publish_shard(parts: Sequence[Path], output: str | Path, classes: Sequence[str]) -> None:
    """Give a shard its name under results/: the stored file itself, or the images of several generators together."""
    if len(parts) == 1:
        with files.atomic(output) as temporary:
            files.link(parts[0], temporary)
        return
    pool = pools.read(parts)
    made_by = pools.read_generators(parts)
    pools.write_shard(output, pool.images, pool.labels, pool.index, pool.seed, generator=made_by, classes=classes)
