"""What is known of data before a job reads them: names of classes, and counts of images, where that takes no time.

Nothing heavy is imported before it is needed, for the Snakefile is parsed often.
"""

import glob
import json
import os
from collections import Counter
from collections.abc import Collection, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from synthmix import layout
from synthmix.checks.counts import DIGITS
from synthmix.planning import grouping, listings
from synthmix.spec import canonical

Definition = dict[str, Any]

LASTING = ("embedded", "torchvision", "hub")  # sources that stay as they are under the same definition


def prepared(name: str, dataset: Definition) -> Definition | None:
    """The meta.json of a data set that was prepared from this very definition; None where there is none.

    Folders and Parquet files may have changed since, so nothing is said of them.
    """
    from synthmix import files, records

    if dataset["source"] not in LASTING:
        return None
    folder = layout.DATA.format(dataset=name)
    record, meta = records.read(layout.log("prepare_data", folder)), Path(folder, "meta.json")
    dataset = {key: value for key, value in dataset.items() if key != "licence"}  # which is no part of specs
    if record is None or not meta.exists() or canonical(record.spec.get("dataset")) != canonical(dataset):
        return None
    with suppress(files.DamagedFileError):  # the first job that reads it says so
        found: Definition = files.read_json(meta)
        return found
    return None


def side(name: str, dataset: Definition) -> int | None:
    """Pixels a side of a data set's images, of the longer side where these differ; None where it is not known."""
    if dataset["source"] == "embedded" or "resolution" in dataset:
        return int(dataset.get("resolution", 8))
    meta = prepared(name, dataset)
    return max(meta["size"]) if meta else None


def class_names(name: str, dataset: Definition) -> list[str] | None:
    """The classes of a data set, merged and chosen as its definition says; None where they are not known."""
    source = source_classes(dataset)
    if source is None:
        meta = prepared(name, grouping.resolved(dataset, "merge"))
        return list(meta["classes"]) if meta else None
    return list(_grouped(dataset, dict.fromkeys(source, 0)))


def train_counts(dataset: Definition) -> dict[str, int] | None:
    """Class -> images of the source's train split, of classes as `class_names` has them; None where not known.

    Nothing is cut or left out yet for val, test or `limit`.
    """
    found: dict[str, int] | None = None
    if dataset["source"] == "embedded":
        found = {str(digit): count for digit, count in enumerate(DIGITS)}
    elif dataset["source"] == "folder":
        found = folder_counts(_train(dataset))
    elif isinstance(counted := source_classes(dataset), dict):
        found = counted
    return None if found is None else _grouped(dataset, found)


def _grouped(dataset: Definition, counts: Mapping[str, int]) -> dict[str, int]:
    """The counts of a source's classes, merged and chosen as a data set's definition says."""
    dataset = grouping.resolved(dataset, "merge")
    merged = {old: new for new, each in dataset.get("merge", {}).items() for old in each}
    found: dict[str, int] = {}
    for old, count in counts.items():
        name = merged.get(old, old)
        found[name] = found.get(name, 0) + count
    return {name: count for name, count in found.items() if name in dataset.get("classes", found)}


def source_classes(dataset: Definition) -> Collection[str] | None:
    """The classes of a data set's source, before any is merged or left out; None where they are not known."""
    if dataset["source"] == "embedded":
        return [str(digit) for digit in range(len(DIGITS))]
    if dataset["source"] == "folder":
        return folder_counts(_train(dataset), count=False)
    if dataset["source"] == "parquet" and "one_per" not in dataset:  # which may leave out a class
        return parquet_counts(str(_train(dataset)), dataset["label_column"])
    return None


def _train(dataset: Definition) -> Path:
    return Path(dataset.get("root") or "", dataset.get("train") or "")


def images_per_class(generator: Definition) -> dict[str, int] | None:
    """Class -> images, of a generator of kind `files`, in its own names; None where they cannot be counted."""
    if generator["source"] == "folder":
        return folder_counts(Path(generator["path"]))
    return parquet_counts(generator["path"], generator["label_column"])


@cache  # of a large data set, on a network's file system, this takes a while; see `look_again`
def folder_counts(root: Path, count: bool = True) -> dict[str, int] | None:
    """Subfolder -> files below it (0 with `count` false); None without subfolders.

    Files and folders whose names begin with a dot do not count, as `listings.files` has it.
    """
    if not root.is_dir():
        return None
    names = sorted(entry.name for entry in os.scandir(root) if entry.is_dir() and not entry.name.startswith("."))
    return {name: len(listings.files(str(root / name))) if count else 0 for name in names} or None


@cache
def parquet_counts(pattern: str, column: str) -> dict[str, int] | None:
    """Class -> rows, of the Parquet files that a pattern matches; only the label column is read.

    Classes are those of the column's ClassLabel, else its values in order. None where that cannot be read: the job that
    needs it says why.
    """
    paths = sorted(glob.glob(pattern))
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:  # jobs may have an environment of their own
        return None
    try:
        tables = [pq.read_table(path, columns=[column]) for path in paths]
    except (pa.ArrowException, OSError):
        return None
    if not tables or any(column not in table.column_names for table in tables):
        return None
    counts = Counter[Any]()
    for table in tables:
        counts.update({each["values"]: each["counts"] for each in table[column].value_counts().to_pylist()})
    if names := _label_names(tables[0].schema.metadata or {}, column):
        return {name: counts[label] for label, name in enumerate(names)}
    kinds = {type(value) for value in counts}
    return {str(value): counts[value] for value in sorted(counts)} if kinds in ({int}, {str}) else None


def look_again() -> None:
    """Forget what files held: they may have changed. Until then each is looked at once, however many checks ask."""
    folder_counts.cache_clear()
    parquet_counts.cache_clear()


def _label_names(metadata: Mapping[bytes, bytes], column: str) -> list[str]:
    """The names of a ClassLabel in what `datasets` writes into a schema; none for a column of another type."""
    features = json.loads(metadata.get(b"huggingface", b"{}")).get("info", {}).get("features", {})
    feature = features.get(column)
    return list(feature.get("names") or []) if isinstance(feature, dict) else []
