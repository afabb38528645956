"""How a job gets its images: into memory, or, where they are many, from the disk while it uses them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from synthmix import data, job
from synthmix.data import Split
from synthmix.images import pools
from synthmix.images.pools import Pool

MB = 1e6


def many(meta: Mapping[str, Any], splits: Sequence[str], shards: Sequence[str]) -> bool:
    """Whether the images of a job are more than config.yaml lets it hold in memory (`images_in_memory`).

    Args:
        meta: of the data set.
        splits: the splits that the job reads.
        shards: the shards of generated images that it reads.

    Raises:
        files.DamagedFileError: a shard's footer cannot be read.
    """
    height, width = meta["size"]
    images = sum(meta["splits"][split]["n"] for split in splits) + sum(map(pools.count, shards))
    size, limit = images * height * width * meta["channels"] / MB, job.settings()["images_in_memory"]
    if size > limit:
        print(f"{images:,} images of {size:,.0f} MB, more than images_in_memory: {limit}: read while used", flush=True)
    return bool(size > limit)


def split(path: str, on_disk: bool) -> Split:
    """A split, from the node's own disk where there is one; its images are left there, or read into memory."""
    return (data.read_mapped if on_disk else data.read)(job.local(path))


def pool(shards: Sequence[str], on_disk: bool) -> Pool:
    """The images of shards, decoded; on the node's own disk where there is one, or in memory."""
    if on_disk:
        return pools.read_mapped(shards, Path(job.local(shards[0])).parent)
    return pools.read(shards)


def by_name(shards: Sequence[str], on_disk: bool) -> dict[str, Pool]:
    """The pools whose shards are given, by name; every group of a pool is part of it."""
    paths: dict[str, list[str]] = {}
    for path in shards:
        paths.setdefault(Path(path).parts[-3], []).append(path)
    return {name: pool(found, on_disk) for name, found in paths.items()}
