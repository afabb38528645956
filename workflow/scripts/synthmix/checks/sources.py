"""Checks of the files that data sets are read from: problems as (dotted key, text), as in `checks`."""

import glob
from collections.abc import Iterator
from pathlib import Path

from synthmix.checks.study import Definition, Problem, Study
from synthmix.planning import listings
from synthmix.planning.messages import shown


def sources(study: Study) -> Iterator[Problem]:
    """The folders and files of the data sets that a study uses, and not only imports, are there."""
    for name, dataset in study.of["datasets"].items():
        if name in study.datasets and dataset["source"] in ("folder", "parquet"):
            for key, text in _files(dataset):
                yield f"datasets.{name}.{key}", text


def _files(dataset: Definition) -> Iterator[Problem]:
    for split, where in listings.patterns(dataset).items():
        if dataset["source"] == "folder" and not Path(where).is_dir():
            yield split, f"there is no folder {shown(where)}; correct it"
        if dataset["source"] == "parquet" and not glob.glob(where):
            yield split, f"no file matches {shown(where)}; correct it"
