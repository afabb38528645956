"""Checks of the files that data sets are read from: problems as (dotted key, text), as in `checks`."""

import glob
from collections.abc import Iterator
from pathlib import Path

from synthmix.checks.study import Definition, Problem, Study
from synthmix.planning.messages import shown


def sources(study: Study) -> Iterator[Problem]:
    """The folders and files that data sets name are there."""
    for name, dataset in study.of["datasets"].items():
        if dataset["source"] in ("folder", "parquet"):
            for key, text in _files(dataset):
                yield f"datasets.{name}.{key}", text


def _files(dataset: Definition) -> Iterator[Problem]:
    root = dataset.get("root") or ""
    given = {split: dataset[split] for split in ("train", "val", "test") if isinstance(dataset.get(split), str)}
    for key, path in given.items():
        where = str(Path(root, path))
        if dataset["source"] == "folder" and not Path(where).is_dir():
            yield key, f"there is no folder {shown(where)}; correct it"
        if dataset["source"] == "parquet" and not glob.glob(where):
            yield key, f"no file matches {shown(where)}; correct it"
