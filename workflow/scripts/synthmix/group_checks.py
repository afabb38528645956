"""Checks of groups of classes against the classes of data sets, where these are known early (see `known`)."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

from synthmix import grouping, known
from synthmix.checks import Problem, Study
from synthmix.messages import shown, suggestion


def merges(study: Study) -> Iterator[Problem]:
    """A file under `merge` can be read, and its rows are about exactly the classes of the data set's source."""
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
            yield from unknown(where, grouped, source, name)
            # of a source that is known by its prepared data alone, a class without a row has kept its name
            left = source or set(known.class_names(name, dataset) or ()) - set(groups)
            for each in left:
                if each not in grouped:
                    yield where, f"{path} has no row for class {shown(each)} of data set {name}; add it"


def groups(where: str, given: Mapping[str, Sequence[str]] | str, dataset: str, study: Study) -> Iterator[Problem]:
    """Groups of a table or figure are of classes of its data set, each in one group at most."""
    try:
        named = [each for names in grouping.mapping(given).values() for each in names]
    except grouping.GroupError as error:
        yield where, str(error)
        return
    for name, times in Counter(named).items():
        if times > 1:
            yield where, f"class {shown(name)} is in {times} groups; leave it in one"
    yield from unknown(where, named, known.class_names(dataset, study.of["datasets"][dataset]), dataset)


def unknown(where: str, named: Collection[str], names: Collection[str] | None, dataset: str) -> Iterator[Problem]:
    """Names that are no classes of a data set; none where its classes are not known."""
    for name in named if names is not None else ():
        if name not in names:  # type: ignore[operator]
            yield where, f"{shown(name)} is no class of data set {dataset}{suggestion(name, names or ())}"
