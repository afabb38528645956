"""Table kind `classes`: two arms (models, or training sets) class by class, and by groups declared beforehand.

Specification: {kind, dataset, training_set, model, recipe, groups?, shown?, published?}; the names select two arms, and
differences are the first minus the second. `shown` limits the classes that people read to so many at either end, and
those of `published`; the CSV file has all. An entry of `published` is {class, first, second, images?, source,
comparable, reason?, oddity?} with accuracies as fractions.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from synthmix.analysis import published, statistics
from synthmix.analysis.artefacts import Artefacts
from synthmix.analysis.class_arms import ALIKE, Compared, compared
from synthmix.analysis.per_class import PerClass
from synthmix.analysis.printed import text
from synthmix.analysis.published import COMPARABLE
from synthmix.reports.formatting import bracket, count, drop_empty, missing, p_value, percent, records
from synthmix.reports.rendering import Table

LEVEL = 0.05


def build(spec: dict[str, Any], artefacts: Artefacts) -> Table:
    """Groups in their order, then classes in that of class_arms.Compared; raises ValueError as class_arms does."""
    found = compared(spec, artefacts)
    entries = spec.get("published") or []
    beside = {entry["class"]: _beside(entry) for entry in entries}
    by_class = _rows("class", found.classes, found.by_class)
    by_class = [by_class[place] for place in found.order]
    arms = {**dict(zip(("first", "second"), found.names, strict=True)), "seeds": found.seeds}
    none = dict.fromkeys(("published_first", "published_second", "published_p", "comparable", "reason"))
    rows = [{**row, **arms, **none} for row in _rows("group", found.groups, found.by_group)]
    rows += [
        {**row, "group": found.group_of.get(row["class"]), **arms, **beside.get(row["class"], none)} for row in by_class
    ]
    rows += [{"level": "class", "class": name, **own} for name, own in beside.items() if name not in found.classes]
    data = pd.DataFrame(rows)
    few = spec.get("shown") or len(by_class)
    ends = {row["class"] for row in [*by_class[:few], *by_class[-few:]]} | set(beside)
    shown = [row for row in records(data) if row["level"] == "group" or row["class"] in ends]
    frame = drop_empty(pd.DataFrame([_cells(row, found) for row in shown]))
    return Table(data, frame, [*_notes(found, len(rows) - len(shown)), *_published_notes(entries, found)])


def _rows(level: str, names: list[str], results: PerClass | None) -> list[dict[str, Any]]:
    if results is None:
        return []
    keys = ("images", "first_accuracy", "second_accuracy", "difference", "low", "high", "shrunken", "p", "p_holm")
    return [
        {"level": level, "class": name, "group": None, **dict(zip(keys, values, strict=True))}
        for name, *values in zip(names, *results, strict=True)
    ]


def _beside(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "published_first": entry["first"],
        "published_second": entry["second"],
        "published_p": smallest_p(entry["first"], entry["second"], entry["images"]) if "images" in entry else None,
        "comparable": COMPARABLE[entry["comparable"]],
        "reason": entry.get("reason"),
    }


def smallest_p(first: float, second: float, images: int) -> float:
    """The smallest p that McNemar's exact test can give for two accuracies (fractions) on the same images.

    Accuracies alone do not say on which images the arms differ. With b and c images that one arm alone has right, their
    difference is known, and p is smallest where the smaller of the two is 0: 2 / 2^|b - c|.
    """
    return min(1.0, statistics.smallest_p(difference)) if (difference := abs(round((first - second) * images))) else 1.0


def _cells(row: Mapping[str, Any], found: Compared) -> dict[str, str]:
    both = bool(found.groups)
    own = row["images"] is not None
    return {
        "Level": row["level"] if both else "",
        "Class": row["class"],
        "Group": text(row["group"]),
        "Test images": count(row["images"]),
        f"{found.names[0]}, %": percent(row["first_accuracy"]) if own else "not run",
        f"{found.names[1]}, %": percent(row["second_accuracy"]) if own else "not run",
        "Difference, points": _points(row["difference"]),
        "Interval": bracket(row["low"], row["high"]),
        "Shrunken difference, points": _points(row["shrunken"]),
        "p": p_value(row["p"]),
        "p (Holm)": p_value(row["p_holm"]),
        f"Published, {found.names[0]}, %": percent(row["published_first"]),
        f"Published, {found.names[1]}, %": percent(row["published_second"]),
        "Published, smallest p": p_value(row["published_p"]),
        "Comparable": text(row["comparable"]),
        "Reason": text(row["reason"]),
    }


def _points(value: float | None) -> str:
    return "" if missing(value) else f"{100 * value:+.1f}"  # type: ignore[operator]


def _notes(found: Compared, left_out: int) -> list[str]:
    first, second = found.names
    seeds = f"{found.seeds} seeds" if found.seeds > 1 else "one seed, whose luck is not in it"
    notes = [
        f"Difference: {first} minus {second} on the same test images, paired by seed, with a 95 % interval over seeds "
        f"and test images ({seeds}). The variances of both are pooled over classes: it holds for 95 % of the classes, "
        "not for each.",
        "Shrunken difference: empirical Bayes; drawn towards the mean of all classes, the more so the less its images "
        "say. It is the one to read of a class that was picked for its difference.",
        "p: exact sign-flip test over test images, an image being one observation whatever the number of seeds. It is "
        f"of these networks; other trainings are in the interval alone. {_surviving('classes', found.by_class)}",
    ]
    if found.by_group is not None:
        notes.append(
            f"Groups were declared beforehand and are a family by themselves. {_surviving('groups', found.by_group)}"
        )
        if alone := len(found.classes) - len(found.group_of):
            notes.append(f"In no group: {alone} of {len(found.classes)} classes.")
    if found.alike:
        notes.append(f"{ALIKE}.")
    if left_out:
        notes.append(f"Not shown here: {left_out} classes between the two ends; the CSV file has all.")
    return notes


def _surviving(what: str, results: PerClass) -> str:
    """How many differences Holm's correction leaves, and of how many of these the interval says the same."""
    differing = results.p_holm < LEVEL
    sure = differing & ((results.low > 0) | (results.high < 0))
    return (
        f"Holm's correction over {len(results.p)} {what} leaves {int(differing.sum())} differences at 5 %, of which "
        f"{int(np.sum(sure))} have an interval without 0."
    )


def _published_notes(entries: list[Mapping[str, Any]], found: Compared) -> list[str]:
    smallest = [_beside(entry)["published_p"] for entry in entries if "images" in entry]
    notes = published.notes(entries)
    if smallest:
        least, of = min(smallest), len(found.classes)
        notes.append(
            "Published, smallest p: of McNemar's exact test where the published predictions differ on as few images as "
            f"their accuracies admit; any other p is larger. The smallest, {p_value(least)}, times {of} classes is "
            f"{p_value(min(1.0, of * least))}."
        )
    return notes
