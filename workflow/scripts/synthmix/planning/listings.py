"""What lies in the folders and files of somebody else that data sets and generators read: a digest of names and sizes.

Contents are not read (that would take minutes for a large data set). A file that is replaced by another of exactly the
same size goes unnoticed: in a data set until prepare_data is forced to run, in a pool until it has another name.
"""

import glob
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

Definition = dict[str, Any]


def patterns(dataset: Definition) -> dict[str, str]:
    """The folder, or pattern of files, that each split of a data set of source `folder` or `parquet` is read from."""
    given = {split: dataset[split] for split in ("train", "val", "test") if isinstance(dataset.get(split), str)}
    return {split: str(Path(dataset.get("root") or "", each)) for split, each in given.items()}


def files(path: str) -> list[str]:
    """The files below a folder, or those that a pattern matches; none where none is.

    Below a folder, links are followed and names that begin with a dot are left out: nothing reads what programs leave
    there (.DS_Store, .cache, .nfs0001).
    """
    return list(_below(path)) if os.path.isdir(path) else sorted(glob.glob(path))


def _below(folder: str, above: tuple[str, ...] = ()) -> Iterator[str]:
    real = os.path.realpath(folder)
    if real in above:  # a link to a folder that it lies in
        return
    with os.scandir(folder) as found:
        entries = sorted((each for each in found if not each.name.startswith(".")), key=lambda entry: entry.name)
    for entry in entries:
        if entry.is_dir():
            yield from _below(entry.path, (*above, real))
        else:
            yield entry.path


def listed(studies: Mapping[str, Definition]) -> dict[str, Definition]:
    """The studies, with the digest of what each data set and generator of files finds at its paths."""
    seen = cache(digest)  # studies share data sets

    def sections(study: Definition) -> Definition:
        return {
            section: {
                name: {**each, "listing": seen(paths)} if (paths := _paths(each)) else each
                for name, each in study[section].items()
            }
            for section in ("datasets", "generators")
        }

    return {name: {**study, **sections(study)} for name, study in studies.items()}


def require_planned(definition: Definition, named: str) -> None:
    """Raise ValueError where a data set or generator, named in words, no longer finds what was planned."""
    if definition.get("listing") not in (None, digest(_paths(definition))):
        problem = "files were added, removed or replaced after this run of snakemake was planned"
        raise ValueError(f"{named}: {problem}: start snakemake again")


def _paths(definition: Definition) -> tuple[str, ...]:
    if definition.get("kind") == "files":
        return (definition["path"],)
    return tuple(patterns(definition).values()) if definition.get("source") in ("folder", "parquet") else ()


def digest(paths: Iterable[str]) -> str:
    """16 hexadecimal digits over names and sizes of the files below folders, or of those that patterns match."""
    listing = hashlib.sha256()
    for path in (file for each in paths for file in files(each)):
        size = os.stat(path).st_size if os.path.exists(path) else "a link to nothing"
        listing.update(f"{path} {size}\n".encode())
    return listing.hexdigest()[:16]
