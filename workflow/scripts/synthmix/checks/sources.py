"""Checks of the files that data sets are read from: problems as (dotted key, text), as in `checks`."""

import glob
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from synthmix.checks import known
from synthmix.checks.study import Definition, Problem, Study
from synthmix.planning import listings
from synthmix.planning.messages import shown


def sources(study: Study) -> Iterator[Problem]:
    """The folders and files of the data sets that a study uses, and not only imports, are there, each in one split."""
    for name, dataset in study.of["datasets"].items():
        if name in study.datasets and dataset["source"] in ("folder", "parquet"):
            for check in (_files, _overlaps, _classes):
                for key, text in check(dataset):
                    yield f"datasets.{name}.{key}", text


def _files(dataset: Definition) -> Iterator[Problem]:
    for split, where in listings.patterns(dataset).items():
        if dataset["source"] == "folder" and not Path(where).is_dir():
            yield split, f"there is no folder {shown(where)}; correct it"
        if dataset["source"] == "parquet" and not glob.glob(where):
            yield split, f"no file matches {shown(where)}; correct it"


def _overlaps(dataset: Definition) -> Iterator[Problem]:
    """No image is in two splits: networks would be tested on what they were trained on."""
    remedy = "give another one, or a fraction to cut from train"
    for (one, first), (other, second) in itertools.combinations(listings.patterns(dataset).items(), 2):
        if dataset["source"] == "folder":
            outer, inner = sorted(map(os.path.realpath, (first, second)), key=len)
            if inner == outer:
                yield other, f"is the folder of {one}, too; {remedy}"
            elif Path(outer) in Path(inner).parents:
                how = "lies in" if inner == os.path.realpath(second) else "holds"
                yield other, f"{how} the folder of {one}; {remedy}"
        else:
            known_files = set(map(os.path.realpath, glob.glob(first)))
            for path in sorted(path for path in glob.glob(second) if os.path.realpath(path) in known_files):
                yield other, f"matches {path}, which is of {one}, too; {remedy}"


def _classes(dataset: Definition) -> Iterator[Problem]:
    """Every folder of a split has folders of classes, and each of these has images."""
    for split, where in listings.patterns(dataset).items() if dataset["source"] == "folder" else ():
        counts = known.folder_counts(Path(where))
        if counts is None:
            yield split, f"{where} has no folders of classes; give a folder with one for each class"
        for name, count in (counts or {}).items():
            if not count:
                yield split, f"{Path(where, name)} has no images; add some, or delete the folder"
