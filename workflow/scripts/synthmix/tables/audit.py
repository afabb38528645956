"""Table kind `audit`: who was searched where, how many are near a real image, and the excess over held-out images.

Specification: {kind, dataset?, pool?, extractor?}.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from synthmix.analysis.artefacts import Artefacts
from synthmix.experiments import wanted
from synthmix.reports.formatting import (
    bracket,
    count,
    drop_empty,
    hoist,
    joined,
    number,
    percent,
    percent_interval,
    records,
)
from synthmix.reports.rendering import Table

QUERIES = {
    "generated": "generated",
    "held_out": "real, held out (val)",
    "exact": "planted copies, exact",
    "flipped": "planted copies, flipped",
    "cropped": "planted copies, cropped",
    "jittered": "planted copies, jittered",
    "jpeg": "planted copies, JPEG",
    "test": "real, test",
    "val": "real, val",
}


def build(spec: dict[str, Any], artefacts: Artefacts) -> Table:
    """Per (dataset, pool, extractor, n): a row per space and search, then the duplicates among real images."""
    audits = [audit for audit in artefacts.read_audits() if _selected(spec, audit)]
    if not audits:
        raise ValueError("audit table: the study has no audit that matches its specification")
    data = pd.DataFrame([row for audit in audits for row in _rows(audit)])
    frame = drop_empty(_formatted(data))
    frame, notes = hoist(frame, ["Dataset", "Pool"])
    return Table(data, frame, [*notes, *_notes(data, audits)])


def _selected(spec: Mapping[str, Any], audit: Mapping[str, Any]) -> bool:
    names = {"dataset": audit["dataset"], "pool": audit["pool"], "extractor": audit["extractor"]["name"]}
    return all((asked := wanted(spec, key)) is None or name in asked for key, name in names.items())


def _rows(audit: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    about = {"dataset": audit["dataset"], "pool": audit["pool"], "n": audit["n"]}
    for space, found in audit["spaces"].items():
        named = {"space": space, "extractor": audit["extractor"]["name"] if space == "feature" else None}
        for search in found["searches"]:
            excess = found["excess"][search["searched"]] if search["queries"] == "generated" else {}
            low, high = excess.get("interval", (None, None))
            yield {
                **about,
                **named,
                **_rate(search),
                "threshold": found["threshold"],
                "nominal": found["nominal"],
                "excess": excess.get("value"),
                "excess_low": low,
                "excess_high": high,
                "original_nearest": search.get("original_nearest"),
            }
    for split in ("test", "val"):
        duplicates = audit["duplicates"]
        search = {"queries": split, "searched": "train", **duplicates[split]}
        equal = {key: duplicates[split][key] for key in ("equal", "mirrored")}
        yield {**about, "space": "duplicates", **_rate(search), "threshold": duplicates["distance"], **equal}


def _rate(search: Mapping[str, Any]) -> dict[str, Any]:
    low, high = search["interval"]
    rate = {key: search[key] for key in ("queries", "searched", "near", "rate")}
    return {**rate, "images": search["n"], "low": low, "high": high}


def _formatted(data: pd.DataFrame) -> pd.DataFrame:
    spaces = {"pixel": "pixels", "duplicates": "pixels, duplicates"}
    rows = []
    for row in records(data):
        rows.append(
            {
                "Dataset": row["dataset"],
                "Pool": f"{row['pool']} ({count(row['n'])} per class)",
                "Space": spaces.get(row["space"]) or f"features of {row['extractor']}",
                "Searched for": QUERIES[row["queries"]],
                "Among": row["searched"],
                "Images": count(row["images"]),
                "Threshold": number(row["threshold"]),
                "Near": count(row["near"]),
                "Near, %": joined(percent(row["rate"]), bracket(row["low"], row["high"])),
                "Excess, points": percent_interval(row, "excess"),
                "Equal": count(row["equal"]),
                "Mirrored": count(row["mirrored"]),
                "Original nearest, %": percent(row["original_nearest"]),
            }
        )
    return pd.DataFrame(rows)


def _notes(data: pd.DataFrame, audits: list[dict[str, Any]]) -> list[str]:
    nominal = sorted({percent(value) for value in data["nominal"].dropna()})
    return [
        "Distances: root mean squared difference of pixels (each image standardised to mean 0, standard deviation 1) "
        "or of features, from an image or its mirror image to the nearest real one; every search is exact.",
        "Threshold: one half of the held-out images, without those equal to a train image or its mirror image, chose "
        f"it so that {' or '.join(nominal)} % of such images are expected below it; the other half is the row 'real, "
        "held out', the false-alarm rate among train.",
        "Excess: the share of generated images that are near, minus that of held-out images, with Newcombe's interval; "
        "rates have Wilson intervals (95 %). Both hold for the one trained generator. An interval above zero says that "
        "the pool holds more near neighbours than chance gives; the planted copies say how much of what kind would be "
        "found. What the search misses is not ruled out.",
        f"Duplicates among real images: no further apart in pixels than {audits[0]['duplicates']['criterion']}; in a "
        "data set whose images are alike these need not be copies of each other.",
    ]
