"""What filters keep of a pool: a table of images with their ranks, and the pool that is left of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from synthmix import files
from synthmix.images.pools import Pool


@dataclass(frozen=True)
class Kept:
    """The images that a filter keeps, best first within each seed and class.

    label, index (in the class), seed (-1: none) and rank (in the class, from 0) int64 (N,); score float64 (N,), larger
    is better, in the unit of the filter's kind.
    """

    label: np.ndarray
    index: np.ndarray
    seed: np.ndarray
    rank: np.ndarray
    score: np.ndarray

    def of(self, pool: Pool) -> Pool:
        """The kept images among those of a pool, in its order, numbered in the class by their ranks."""
        images = zip(self.seed.tolist(), self.label.tolist(), self.index.tolist(), strict=True)
        ranks = dict(zip(images, self.rank.tolist(), strict=True))
        mine = zip(pool.seed.tolist(), pool.labels.tolist(), pool.index.tolist(), strict=True)
        found = np.array([ranks.get(image, -1) for image in mine], dtype=np.int64)
        return replace(pool.select(found >= 0), index=found[found >= 0])


def write(path: str | Path, kept: Kept) -> None:
    """Write a table as Parquet, atomically."""
    with files.atomic(path) as temporary:
        pq.write_table(pa.table(vars(kept)), temporary, write_page_checksum=True)


def read(paths: Sequence[str | Path]) -> Kept:
    """Read the tables of one filter, one for each group of seeds, as one. Raises files.DamagedFileError."""
    tables = [_read(path) for path in paths]
    return Kept(
        **{name: np.concatenate([table[name].to_numpy() for table in tables]) for name in tables[0].schema.names}
    )


def joined(parts: Sequence[Kept]) -> Kept:
    """What filters keep of several seeds' images, as one table."""
    return Kept(**{name: np.concatenate([vars(part)[name] for part in parts]) for name in vars(parts[0])})


def _read(path: str | Path) -> pa.Table:
    try:
        return pq.read_table(path, page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise files.DamagedFileError(path, str(error).splitlines()[0]) from error


def read_filtered(paths: Sequence[str]) -> dict[tuple[str, str], Kept]:
    """(pool, filter) -> what it keeps, of files filters/{dataset}/{pool}/{group}/{filter}.parquet."""
    groups: dict[tuple[str, str], list[str]] = {}
    for path in map(Path, paths):
        groups.setdefault((path.parts[-3], path.stem), []).append(str(path))
    return {names: read(found) for names, found in groups.items()}
