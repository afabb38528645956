"""Checks of generators against the classes of the data sets that they make images for, where these are known early.

What is not known when the Snakefile is read (see `known`) is checked in the job that draws the images.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from synthmix.checks import known
from synthmix.checks.study import Definition, Problem, Study, listed
from synthmix.images import prompts
from synthmix.planning.messages import shown, suggestion

OF_POOLS = ("scores", "audits", "detections", "cross_tests")  # sections whose entries name data sets and pools


def classes(study: Study) -> Iterator[Problem]:
    """Generators that speak of classes speak of those of the data sets that their pools are used with."""
    for dataset, pool in _pairs(study):
        definition = study.of["pools"][pool]
        name, generator = definition["generator"], study.of["generators"][definition["generator"]]
        if generator["kind"] not in _CHECKS:
            continue
        names = known.class_names(dataset, study.of["datasets"][dataset])
        if names is None:
            continue
        for key, text in _CHECKS[generator["kind"]](generator, names, f"of data set {dataset}"):
            yield f"generators.{name}.{key}", text
        if generator["kind"] == "files":
            for key, text in _too_few(generator, names, definition["per_class"]):
                yield f"pools.{pool}.{key}", text


def _pairs(study: Study) -> list[tuple[str, str]]:
    """Every (data set, pool) of which the study needs images, each once."""
    pairs = [(arm[0], pool) for arm in study.arms for pool in study.pools_of(arm[1]).values()]
    shown_pools = [each for each in study.content["figures"].values() if "pool" in each]
    for entry in (*(each for section in OF_POOLS for each in study.content[section]), *shown_pools):
        pairs += itertools.product(listed(entry["dataset"]), listed(entry["pool"]))
    return list(dict.fromkeys(pairs))


def _prompted(generator: Definition, names: Sequence[str], whose: str) -> Iterator[Problem]:
    yield from _unknown("class_names", generator.get("class_names", {}), names, whose)
    if "prompts" in generator:
        yield from _exactly("prompts", prompts.read(generator["prompts"]), names, f"{generator['prompts']} has", whose)


def _numbered(generator: Definition, names: Sequence[str], whose: str) -> Iterator[Problem]:
    yield from _exactly("class_ids", generator["class_ids"], names, "has", whose)


def _found(generator: Definition, names: Sequence[str], whose: str) -> Iterator[Problem]:
    yield from _unknown("class_names", generator.get("class_names", {}), names, whose)
    called, counts = _called(generator, names), known.images_per_class(generator)
    if counts is None:
        return
    remedy = "rename it, or say with class_names what the classes are called there"
    for name, theirs in called.items():
        if theirs not in counts:
            yield "path", f"{generator['path']} has no images {shown(theirs)} for class {shown(name)} {whose}; {remedy}"
    for theirs in counts if "class_names" not in generator else ():
        if theirs not in names:
            yield "path", f"{generator['path']} has images {shown(theirs)}, which is no class {whose}; {remedy}"


def _too_few(generator: Definition, names: Sequence[str], wanted: int) -> Iterator[Problem]:
    counts = known.images_per_class(generator) or {}
    for name, theirs in _called(generator, names).items():
        if counts.get(theirs, wanted) < wanted:
            problem = f"{wanted}, but {generator['path']} has {counts[theirs]} images of class {shown(name)}"
            yield "per_class", f"{problem}; lower it, or add images"


def _called(generator: Definition, names: Sequence[str]) -> dict[str, str]:
    """Class of the data set -> what it is called among the images that were found."""
    return {name: generator.get("class_names", {}).get(name, name) for name in names}


def _exactly(key: str, given: Mapping[str, Any], names: Sequence[str], subject: str, whose: str) -> Iterator[Problem]:
    yield from _unknown(key, given, names, whose)
    for name in names:
        if name not in given:
            yield key, f"{subject} nothing for class {shown(name)} {whose}; add it"


def _unknown(key: str, given: Mapping[str, Any], names: Sequence[str], whose: str) -> Iterator[Problem]:
    for name in given:
        if name not in names:
            yield key, f"{shown(name)} is no class {whose}{suggestion(name, names)}"


_CHECKS = {"text2image": _prompted, "class2image": _numbered, "files": _found}
