"""Table kind `best_classes`: the classes with the highest accuracy, chosen on one half of the test images.

Specification: {kind, dataset, training_set, model, recipe, chosen?, split_seed?, published?}. An entry of `published`
is {class, accuracy, images?, source, comparable, reason?, oddity?} with the accuracy as a fraction.

The best of many classes are too good on the images by which they are the best (the winner's curse), so each stands
beside its accuracy on the other half of its test images, which had no part in the choice.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from synthmix.analysis import published
from synthmix.analysis.artefacts import Artefacts
from synthmix.analysis.class_arms import Tested, tested
from synthmix.analysis.printed import text
from synthmix.analysis.published import COMPARABLE
from synthmix.reports.formatting import bracket, count, drop_empty, hoist, joined, percent, records
from synthmix.reports.rendering import Table
from synthmix.streams import stream

CHOSEN, SPLIT_SEED = 3, 0


def build(spec: dict[str, Any], artefacts: Artefacts) -> Table:
    """For each arm, its best classes and those of `published`; raises ValueError where nothing is selected."""
    entries = {entry["class"]: entry for entry in spec.get("published") or []}
    rows: list[dict[str, Any]] = []
    for one in tested(spec, artefacts):
        rows += _rows(one, list(artefacts.meta(one.arm.dataset)["classes"]), spec, list(entries))
    found = {row["class"] for row in rows}
    rows += [{"class": name, "chosen": False} for name in entries if name not in found]
    for row in rows:
        entry = entries.get(row["class"], {})
        row |= {"published": entry.get("accuracy"), "published_images": entry.get("images")}
        row |= {"comparable": COMPARABLE[entry.get("comparable")], "reason": entry.get("reason")}
    data = pd.DataFrame(rows)
    frame, notes = hoist(
        drop_empty(pd.DataFrame([_cells(row) for row in records(data)])), ["Training set", "Model", "Recipe"]
    )
    return Table(data, frame, [*notes, *_notes(data, spec), *published.notes(entries.values())])


def halves(labels: np.ndarray, seed: int) -> np.ndarray:
    """bool (N,): the test images that choose, one half of each class (the larger one of an odd number), by a seed."""
    chooses = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        members = stream("best classes", seed, int(label)).permutation(np.flatnonzero(labels == label))
        chooses[members[: -(-len(members) // 2)]] = True
    return chooses


def _rows(one: Tested, classes: list[str], spec: Mapping[str, Any], named: list[str]) -> Iterator[dict[str, Any]]:
    """The best classes of an arm by rank, then others that are named; a class with one test image cannot be judged."""
    by_image = one.correct.to_numpy().mean(axis=0)
    chooses = halves(one.labels, spec.get("split_seed", SPLIT_SEED))
    results = []
    for label, name in enumerate(classes):
        mine, other = by_image[(one.labels == label) & chooses], by_image[(one.labels == label) & ~chooses]
        if other.size:
            low, high = _wilson(other)
            results.append(
                {**one.arm._asdict(), "class": name, "choosing": mine.mean(), "choosing_images": mine.size}
                | {
                    "other": other.mean(),
                    "low": low,
                    "high": high,
                    "other_images": other.size,
                    "seeds": len(one.correct),
                }
            )
    results.sort(key=lambda row: (-row["choosing"], -row["choosing_images"]))
    best = spec.get("chosen", CHOSEN)
    for rank, row in enumerate(results, 1):
        if rank <= best or row["class"] in named:
            counts = {"classes": len(results), "unjudged": len(classes) - len(results)}
            yield {**row, "rank": rank, **counts, "chosen": rank <= best}


def _wilson(correct: np.ndarray) -> tuple[float, float]:
    """Wilson interval of an accuracy from its values by image, each a mean over seeds; the seeds add no image."""
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(correct.sum(), correct.size, method="wilson")
    return float(low), float(high)


def _cells(row: Mapping[str, Any]) -> dict[str, str]:
    run = row["rank"] is not None
    return {
        "Training set": text(row["training_set"]),
        "Model": text(row["model"]),
        "Recipe": text(row["recipe"]),
        "Class": row["class"],
        "Rank": f"{count(row['rank'])} of {count(row['classes'])}" if run else "",
        "On the half that chose, %": percent(row["choosing"]) if run else "not run",
        "On the other half, %": joined(percent(row["other"]), bracket(row["low"], row["high"])),
        "Test images (chose, other)": f"{count(row['choosing_images'])}, {count(row['other_images'])}" if run else "",
        "Seeds": count(row["seeds"]),
        "Published, %": percent(row["published"]),
        "Published, test images": count(row["published_images"]),
        "Comparable": text(row["comparable"]),
        "Reason": text(row["reason"]),
    }


def _notes(data: pd.DataFrame, spec: Mapping[str, Any]) -> list[str]:
    chosen = data[data["chosen"]]
    others = "" if len(chosen) == len(data) else " Ranks beyond these are of classes that were published."
    best, seed = spec.get("chosen", CHOSEN), spec.get("split_seed", SPLIT_SEED)
    notes = [
        f"Rank: by accuracy on one half of the test images of each class (split seed {seed}), equal ones by their "
        f"number of images; the {best} best are shown.{others} The other half had no part in the choice: its accuracy "
        "is the one to report, with a 95 % Wilson interval over its images (means over seeds).",
        f"Winner's curse: the best classes have {percent(chosen['choosing'].mean())} % on the half that chose them and "
        f"{percent(chosen['other'].mean())} % on the other, on average.",
    ]
    if unjudged := data["unjudged"].max():
        notes.append(f"Without a rank: {unjudged} classes with a single test image.")
    return notes
