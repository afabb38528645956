"""What the networks of an arm said of each test image, for tables and figures that look at single classes."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from synthmix.analysis import per_class
from synthmix.analysis.artefacts import Artefacts
from synthmix.analysis.per_class import PerClass
from synthmix.experiments import Arm, arms, select

COLUMNS = ["training_set", "seed", "index", "label", "correct"]


class Tested(NamedTuple):
    """Predictions of one arm. correct: a row per seed, a column per test image; labels: int64 (N,), its classes."""

    arm: Arm
    correct: pd.DataFrame
    labels: np.ndarray


class Compared(NamedTuple):
    """Two arms over the seeds that both have, by class and by declared group.

    names: what the arms are called, by what they differ in; classes, groups: names in the order of the results;
    group_of: class -> group, where it has one; by_group: None without groups.
    """

    names: tuple[str, str]
    seeds: int
    classes: list[str]
    by_class: PerClass
    groups: list[str]
    group_of: dict[str, str]
    by_group: PerClass | None

    @property
    def order(self) -> np.ndarray:
        """Classes by falling shrunken difference, ties by falling difference, int64 (classes,)."""
        return np.lexsort((-self.by_class.difference, -self.by_class.shrunken))

    @property
    def alike(self) -> bool:
        """Whether all shrunken differences tie: then their order says nothing of the classes."""
        return len(self.classes) > 1 and bool(np.ptp(self.by_class.shrunken) < 1e-12)


ALIKE = "Nothing tells the classes apart: their differences vary no more than by chance, and their order is no result"


def tested(spec: Mapping[str, Any], artefacts: Artefacts) -> Iterator[Tested]:
    """The arms that a specification {dataset, training_set, model, recipe} selects, in its order."""
    for arm, rows in arms(select(artefacts.read_predictions(COLUMNS), spec)):
        correct = rows.pivot(index="seed", columns="index", values="correct").sort_index(axis=1)
        if correct.isna().to_numpy().any():
            raise ValueError(f"{'/'.join(arm)}: predictions miss a test image: delete them and run snakemake again")
        labels = rows.drop_duplicates("index").set_index("index")["label"][correct.columns]
        yield Tested(arm, correct.astype(bool), labels.to_numpy(dtype=np.int64))


def compared(spec: Mapping[str, Any], artefacts: Artefacts) -> Compared:
    """The two arms of a specification, which may have `groups`: {group: classes}, by class and by group.

    Raises ValueError where there are not two arms, they share no seed or were tested on different images, and where a
    group names a class that the data set does not have.
    """
    found = list(tested(spec, artefacts))
    if len(found) != 2:
        names = ", ".join("/".join(each.arm) for each in found)
        raise ValueError(f"{spec['kind']}: compares two arms, and the names select {len(found)} ({names})")
    first, second = found
    if not first.correct.columns.equals(second.correct.columns):
        raise ValueError(
            f"{'/'.join(first.arm)} and {'/'.join(second.arm)} were tested on different images: delete the older "
            "predictions and run snakemake again"
        )
    seeds = first.correct.index.intersection(second.correct.index)
    if seeds.empty:
        raise ValueError(f"{'/'.join(first.arm)} and {'/'.join(second.arm)} share no seed: add runs")
    one, other = (each.correct.loc[seeds].to_numpy() for each in found)
    classes = list(artefacts.meta(first.arm.dataset)["classes"])
    group_of = {name: group for group, names in (spec.get("groups") or {}).items() for name in names}
    if unknown := [name for name in group_of if name not in classes]:
        raise ValueError(f"{spec['kind']}: groups name {unknown[0]!r}, which is no class of {first.arm.dataset}")
    groups = list(dict.fromkeys(group_of.values()))
    lookup = np.array([groups.index(group_of[name]) if name in group_of else -1 for name in classes])
    return Compared(
        _names(first.arm, second.arm),
        len(seeds),
        classes,
        per_class.compare(one, other, first.labels, len(classes)),
        groups,
        group_of,
        per_class.compare(one, other, lookup[first.labels], len(groups)) if groups else None,
    )


def _names(first: Arm, second: Arm) -> tuple[str, str]:
    """The models or training sets in which two arms differ; their recipes where they differ in nothing else."""
    keys = [key for key in ("model", "training_set") if getattr(first, key) != getattr(second, key)] or ["recipe"]
    one, other = (", ".join(getattr(arm, key) for key in keys) for arm in (first, second))
    return one, other
