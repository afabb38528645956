"""Table kind `detection`: how well a small classifier tells each pool from held-out real images.

Specification: {kind, dataset?, pool?}.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from synthmix.analysis.artefacts import Artefacts
from synthmix.experiments import wanted
from synthmix.reports.formatting import bracket, count, hoist, joined, percent, records
from synthmix.reports.rendering import Table

NOTES = [
    "A classifier is trained on one half of equally many real and generated images (held-out real ones, from val, so "
    "that no generator saw them) and tested on the other half; classes are balanced. 50 % is chance: this network, "
    "with this many images, finds no difference. It does not say that there is none.",
    "An accuracy near 100 % may come from a trace that says nothing of quality, such as another way of resizing or "
    "encoding: look at the images before reading anything else into a pool.",
    "Intervals: mean over random halves with a t interval corrected for halves that share images (Nadeau and Bengio "
    "2003), 95 %, conditional on one trained generator.",
]


def build(spec: dict[str, Any], artefacts: Artefacts) -> Table:
    """One row per (dataset, pool, n)."""
    rows = [_row(each) for each in artefacts.read_detections() if _selected(spec, each)]
    if not rows:
        raise ValueError("detection table: the study has no detection that matches its specification")
    data = pd.DataFrame(rows)
    frame, notes = hoist(_formatted(data), ["Dataset"])
    return Table(data, frame, [*notes, *NOTES])


def _selected(spec: Mapping[str, Any], detection: Mapping[str, Any]) -> bool:
    return all((asked := wanted(spec, key)) is None or detection[key] in asked for key in ("dataset", "pool"))


def _row(detection: Mapping[str, Any]) -> dict[str, Any]:
    runs, (low, high) = detection["runs"], detection["interval"]
    return {
        **{key: detection[key] for key in ("dataset", "pool", "n", "accuracy")},
        "low": low,
        "high": high,
        "train_accuracy": sum(run["train_accuracy"] for run in runs) / len(runs),
        "train_images": runs[0]["train_images"],
        "images": runs[0]["images"],
        "seeds": len(runs),
    }


def _formatted(data: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Dataset": row["dataset"],
            "Pool": f"{row['pool']} ({count(row['n'])} per class)",
            "Accuracy, %": joined(percent(row["accuracy"]), bracket(row["low"], row["high"])),
            "Accuracy in training, %": percent(row["train_accuracy"]),
            "Images in training": count(row["train_images"]),
            "Images tested": count(row["images"]),
            "Halves": count(row["seeds"]),
        }
        for row in records(data)
    )
