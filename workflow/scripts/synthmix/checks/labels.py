"""Checks of what tables and figures call what they show: `labels` are of names that there are."""

from collections.abc import Collection, Iterable, Iterator

from synthmix.checks import known
from synthmix.checks.study import Problem, Study
from synthmix.planning import grouping
from synthmix.planning.messages import shown, suggestion

# Kinds of figures that name classes, which are not known of every data set before a job reads it.
OF_CLASSES = (
    "attention",
    "augmentation",
    "cam",
    "class_counts",
    "classes",
    "disagreements",
    "feature_maps",
    "gallery",
)
TRAIN = "train"  # what figures of images call the real ones


def labels(study: Study) -> Iterator[Problem]:
    """Labels are of definitions, or of classes; those of tables are of training sets."""
    for name, table in study.content["tables"].items():
        yield from _unknown(f"tables.{name}.labels", table.get("labels", {}), study.of["training_sets"])
    classes = {name: known.class_names(name, study.of["datasets"][name]) for name in sorted(study.datasets)}
    defined = [name for section in study.of.values() for name in section]
    every = [*defined, TRAIN, *(each for names in classes.values() for each in names or ())]
    for name, figure in study.content["figures"].items():
        if figure["kind"] in OF_CLASSES and None in classes.values():
            continue
        given, groups = figure.get("style", {}).get("labels", {}), grouping.mapping(figure.get("groups", {}))
        yield from _unknown(f"figures.{name}.style.labels", given, [*every, *groups])


def _unknown(where: str, given: Iterable[str], names: Collection[str]) -> Iterator[Problem]:
    for name in given:
        if name not in names:
            yield where, f"{shown(name)} is the name of nothing that the study has{suggestion(name, names)}"
