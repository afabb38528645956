"""Checks of groups of classes against the classes of data sets, where these are known early (see `known`)."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from synthmix.checks import known
from synthmix.checks.study import PER_CLASS, Problem, Study
from synthmix.planning import grouping
from synthmix.planning.messages import listing, shown, suggestion


def merges(study: Study) -> Iterator[Problem]:
    """A file under `merge` can be read, and its rows are about exactly the classes of the data set's source.

    What else `merge` and `classes` name, of a data set that the study uses, are classes, too.
    """
    for name, dataset in study.of["datasets"].items():
        if isinstance(dataset.get("merge"), str):
            where, path = f"datasets.{name}.merge", dataset["merge"]
            try:
                groups = grouping.read(path)
            except grouping.GroupError as error:
                yield where, str(error)
                return
            grouped = [each for names in groups.values() for each in names]
            source = known.source_classes(dataset)
            yield from _unknown(where, grouped, source, name)
            # of a source that is known by its prepared data alone, a class without a row has kept its name
            left = source or set(known.class_names(name, dataset) or ()) - set(groups)
            for each in left:
                if each not in grouped:
                    yield where, f"{path} has no row for class {shown(each)} of data set {name}; add it"
        if name in study.datasets and ("merge" in dataset or "classes" in dataset):
            yield from _chosen(name, dataset)


def _chosen(name: str, dataset: dict[str, Any]) -> Iterator[Problem]:
    source = known.source_classes(dataset)
    if source is None:
        return
    groups = grouping.mapping(dataset.get("merge", {}))
    grouped = [each for names in groups.values() for each in names]
    yield from _unknown(f"datasets.{name}.merge", grouped, source, name)
    left = [*groups, *(each for each in source if each not in grouped)]
    yield from _unknown(f"datasets.{name}.classes", dataset.get("classes", ()), left, name)


def views(study: Study) -> Iterator[Problem]:
    """Tables and figures of single classes have the arms that they compare, and speak of classes of their data set."""
    for section in ("tables", "figures"):
        for name, view in study.content[section].items():
            if view["kind"] in PER_CLASS:
                yield from _view(study, f"{section}.{name}", view)


def _view(study: Study, where: str, view: Mapping[str, Any]) -> Iterator[Problem]:
    dataset = study.dataset_of(view)
    if not dataset:
        yield f"{where}.dataset", "missing key; add it, for the study's runs do not have one data set only"
        return
    if view["kind"] == "classes":
        yield from _two_arms(study, where, {**view, "dataset": dataset})
    names = known.class_names(dataset, study.of["datasets"][dataset])
    if "groups" in view:
        yield from _groups(f"{where}.groups", view["groups"], dataset, names)
    given: set[str] = set()
    for position, entry in enumerate(view.get("published", ())):
        if entry["class"] in given:
            yield (
                f"{where}.published[{position}].class",
                f"{shown(entry['class'])} is given twice; delete one of the two",
            )
        given.add(entry["class"])
        yield from _unknown(f"{where}.published[{position}].class", [entry["class"]], names, dataset)


def _two_arms(study: Study, where: str, view: Mapping[str, Any]) -> Iterator[Problem]:
    arms = study.matching(view)
    if len(arms) != 2:
        found = f" ({listing(['/'.join(arm[1:]) for arm in arms])})" if arms else ""
        problem = f"training_set, model and recipe select {len(arms)} arms{found}; name what selects two"
        yield f"{where}.training_set", problem
    elif not set.intersection(*arms.values()):
        one, other = ("/".join(arm[1:]) for arm in arms)
        yield f"{where}.training_set", f"{one} and {other} share no seed; give their runs the same seeds"


def _groups(where: str, given: Any, dataset: str, names: Collection[str] | None) -> Iterator[Problem]:
    """Groups are of classes of the data set, each in one group at most; a class may be in none."""
    try:
        named = [each for classes in grouping.mapping(given).values() for each in classes]
    except grouping.GroupError as error:
        yield where, str(error)
        return
    for name, times in Counter(named).items():
        if times > 1:
            yield where, f"class {shown(name)} is in {times} groups; leave it in one"
    yield from _unknown(where, named, names, dataset)


def _unknown(where: str, named: Iterable[str], names: Collection[str] | None, dataset: str) -> Iterator[Problem]:
    """Names that are no classes of a data set; nothing where its classes are not known."""
    if names is not None:
        for name in named:
            if name not in names:
                yield where, f"{shown(name)} is no class of data set {dataset}{suggestion(name, names)}"
