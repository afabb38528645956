"""Table kind `overtaking`: from how many real training images on one model's test error lies below another's.

Specification: {kind, training_set, model, over, dataset?, recipe?, published?}. Each of `model` is set beside `over`,
every recipe of the one with every recipe of the other. An entry of `published` is {model, dataset?, recipe?, images,
source, comparable, reason?, oddity?}. An entry without a run gets a row that says "not run".
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from synthmix.analysis import printed, published, scaling
from synthmix.analysis.artefacts import Artefacts
from synthmix.analysis.scaling import Curve
from synthmix.experiments import wanted
from synthmix.reports.formatting import count, drop_empty, hoist, joined, records
from synthmix.reports.rendering import Table

PUBLISHED = ("images",)
BEFORE, BEYOND = "ahead throughout", "not within the range"


def build(spec: dict[str, Any], artefacts: Artefacts) -> Table:
    """One row per pair of curves on one data set; raises ValueError for what scaling.curves and overtaking refuse."""
    entries = spec.get("published") or []
    models = wanted(spec, "model") or []
    curves = scaling.curves({**spec, "model": [*models, spec["over"]]}, artefacts)
    rows = [
        _row(curve, over)
        for curve in curves
        for over in curves
        if curve.model in models and over.model == spec["over"] and curve.dataset == over.dataset
    ]
    rows = [{**row, **printed.beside(entries, row, PUBLISHED)} for row in rows]
    data = pd.DataFrame([*rows, *printed.not_run(entries, rows, PUBLISHED)])
    frame = pd.DataFrame([_cells(row) for row in records(data)])
    frame, notes = hoist(drop_empty(frame), ["Dataset", "Over", "Range, images"])
    return Table(data, frame, [*notes, *NOTES, *published.notes(entries)])


def _row(curve: Curve, over: Curve) -> dict[str, Any]:
    """What is said of a pair of curves: numbers of images, 0 for before the range and inf for beyond it."""
    found = scaling.overtaking(curve, over)
    return {
        "dataset": curve.dataset,
        "model": curve.model,
        "recipe": curve.recipe,
        "over": over.model,
        "over_recipe": over.recipe,
        "status": "run",
        "n": len(found.by_seed),
        "smallest": found.range[0],
        "largest": found.range[1],
        "images": found.images,
        "low": found.low,
        "high": found.high,
        "seeds_within": int((np.isfinite(found.by_seed) & (found.by_seed > 0)).sum()),
        "by_seed": ", ".join(_place(images, "ahead", "beyond") for images in found.by_seed),
    }


def _place(images: float, before: str, beyond: str) -> str:
    """A number of images, or what to say where it is outside the range."""
    return before if images == 0 else beyond if np.isinf(images) else count(round(images))


def _cells(row: Mapping[str, Any]) -> dict[str, str]:
    run = row["status"] == "run"
    return {
        "Dataset": printed.text(row["dataset"]),
        "Model": row["model"],
        "Recipe": printed.text(row["recipe"]),
        "Over": printed.text(row["over"]),
        "Recipe of that": printed.text(row["over_recipe"]),
        "Range, images": f"{count(row['smallest'])} to {count(row['largest'])}" if run else "",
        "Overtakes at, images": joined(_place(row["images"], BEFORE, BEYOND), _interval(row)) if run else "not run",
        "Seeds that cross": f"{row['seeds_within']:.0f} of {row['n']:.0f}" if run else "",
        "By seed": printed.text(row["by_seed"]),
        "Published, images": count(row["published_images"]),
        "Comparable": row["comparable"],
        "Reason": printed.text(row["reason"]),
    }


def _interval(row: Mapping[str, Any]) -> str:
    if row["low"] is None:
        return ""
    before, beyond = f"below {count(row['smallest'])}", f"beyond {count(row['largest'])}"
    if row["low"] >= row["largest"]:
        return f"[{beyond}]"
    if row["high"] <= row["smallest"]:
        return f"[{before}]"
    return f"[{_place(row['low'], before, beyond)}, {_place(row['high'], before, beyond)}]"


NOTES = [
    "Overtakes at: the number of real training images from which on the model's test error is the lower one, by the "
    "mean of log error over seeds, linear in log-log between training sets; the last crossing where there are several. "
    f'"{BEFORE}": lower from the smallest training set on; "{BEYOND}": not lower at the largest.',
    "Interval: the stretch around the crossing on which a t test of the log errors, paired by seed, finds no "
    "difference at 5 %; it covers 95 % where curves cross once. By seed: where the curves of each seed cross (ahead: "
    "lower throughout; beyond: not lower at the largest).",
]
