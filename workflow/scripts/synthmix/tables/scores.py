"""Table kind `scores`: each metric of each pool with its sample size, interval, floors and copy flag.

Specification: {kind, dataset?, pool?, extractor?, metrics?, published?}. An entry of `published` about a pool is
{dataset, pool, metric, extractor?, value, comparable?, reason?, source?, oddity?}; without `extractor` it is in the
features that the name of the metric stands for. An entry without a score in these features gets a row that says "not
run".
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from synthmix.analysis import published
from synthmix.analysis.artefacts import Artefacts
from synthmix.experiments import wanted
from synthmix.reports.formatting import (
    bracket,
    count,
    drop_empty,
    hoist,
    joined,
    metric_title,
    missing,
    number,
    records,
)
from synthmix.reports.rendering import Table


def build(spec: dict[str, Any], artefacts: Artefacts) -> Table:
    """One row per (pool, extractor, n, metric), pools in the order of the specification, then what was not run.

    Raises ValueError where nothing is selected.
    """
    scores = artefacts.read_scores()
    entries = [entry for entry in spec.get("published", []) if "pool" in entry and _asked(spec, entry)]
    rows = [
        {**_row(score, metric, values), **_published(score, metric, entries)}
        for score in _selected(spec, scores)
        for metric, values in score["metrics"].items()
        if metric in (wanted(spec, "metrics") or [metric])
    ]
    rows += _not_run(entries, scores)
    if not rows:
        raise ValueError("scores table: the study has no score that matches its specification")
    data = pd.DataFrame(rows)
    frame = drop_empty(_formatted(data))
    frame, notes = hoist(frame, [name for name in ("Dataset", "Extractor", "Reference") if name in frame])
    return Table(data, frame, [*notes, *_notes(data[data["status"] == "run"]), *published.notes(entries)])


def _asked(spec: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    """Whether a published entry is within what the table selects."""
    keys = {"dataset": "dataset", "pool": "pool", "extractor": "extractor", "metrics": "metric"}
    chosen = {own: wanted(spec, key) for key, own in keys.items() if own in entry}
    return all(names is None or entry[own] in names for own, names in chosen.items())


def _published(score: Mapping[str, Any], metric: str, entries: list[dict[str, Any]]) -> dict[str, Any]:
    return _beside(next((entry for entry in entries if published.is_of(entry, score, metric)), None), "run")


def _beside(entry: Mapping[str, Any] | None, status: str) -> dict[str, Any]:
    cells = published.beside(entry)
    return {"published_reason": cells.pop("reason"), **cells, "status": status}


def _not_run(entries: list[dict[str, Any]], scores: list[dict[str, Any]]) -> list[dict[str, Any]]:
    kinds = {score["extractor"]["name"]: score["extractor"].get("kind") for score in scores}
    rows = []
    for entry, ours in published.without_score(entries, scores):
        name, metric = entry.get("extractor"), entry["metric"]
        extractor = {"name": name, "kind": kinds.get(name) if name else published.STANDARD.get(metric)}
        other = f"ours is in the features of {ours}, another measure" if ours else None
        cells = _beside({**entry, "reason": "; ".join(filter(None, [other, entry.get("reason")]))}, "not run")
        rows.append({**_row({**entry, "extractor": extractor}, metric, {}), **cells})
    return rows


def _selected(spec: Mapping[str, Any], scores: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for key in ("dataset", "pool"):
        if (names := wanted(spec, key)) is not None:
            scores = [score for score in scores if score[key] in names]
    if (names := wanted(spec, "extractor")) is not None:
        scores = [score for score in scores if score["extractor"]["name"] in names]
    pools = wanted(spec, "pool") or _first([score["pool"] for score in scores])
    datasets = _first([score["dataset"] for score in scores])
    extractors = _first([score["extractor"]["name"] for score in scores])

    def place(score: Mapping[str, Any]) -> tuple[int, int, int, int]:
        named = (score["dataset"], score["extractor"]["name"], score["pool"])
        ranks = [names.index(name) for names, name in zip((datasets, extractors, pools), named, strict=True)]
        return (*ranks, score["n"])

    return sorted(scores, key=place)


def _first(names: list[str]) -> list[str]:
    """Each name once, in the order of first appearance: that of the study."""
    return list(dict.fromkeys(names))


def _row(score: Mapping[str, Any], metric: str, values: Mapping[str, Any]) -> dict[str, Any]:
    low, high = values.get("interval") or (None, None)
    floors = values.get("floors") or {}
    return {
        "dataset": score["dataset"],
        "reference": score.get("reference"),
        "extractor": score["extractor"]["name"],
        "kind": score["extractor"].get("kind"),
        "weights_sha256": score["extractor"].get("weights_sha256"),
        "pool": score["pool"],
        "metric": metric,
        "value": values.get("value"),
        "low": low,
        "high": high,
        "interval_method": values.get("interval_method"),
        "n_generated": values.get("n_generated"),
        "n_reference": values.get("n_reference"),
        "real": values.get("real", floors.get("real")),
        "floor_n": floors.get("n"),
        "floor_generated": floors.get("generated"),
        "floor_train": floors.get("train"),
        "floor_held_out": floors.get("held_out"),
        "copy_flag": values.get("copy_flag"),
        "reason": values.get("reason"),
        "floor_reason": floors.get("reason"),
    }


def _formatted(data: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for row in records(data):
        value = joined(number(row["value"]), bracket(row["low"], row["high"], "number"))
        weights = f"(weights {row['weights_sha256'][:8]})" if row["weights_sha256"] else ""
        rows.append(
            {
                "Dataset": row["dataset"],
                "Extractor": joined(row["extractor"] or "", weights),
                "Reference": row["reference"] or "",
                "Pool": row["pool"],
                "Metric": metric_title(row["metric"], row["kind"]),
                "Value": value or ("refused" if row["status"] == "run" else row["status"]),
                "Published": "" if missing(row["published"]) else f"{row['published']:g}",
                "Comparable": row["comparable"],
                "Reason": row["published_reason"] or "",
                "Images": count(row["n_generated"]),
                "Reference images": count(row["n_reference"]),
                "Real images' own": number(row["real"]),
                "n of floors": count(row["floor_n"]),
                "Generated at that n": number(row["floor_generated"]),
                "Real against train": number(row["floor_train"]),
                "Real held out": number(row["floor_held_out"]),
                "Copy flag": {True: "yes", False: "no"}.get(row["copy_flag"], ""),
                "Remark": _remark(row),
            }
        )
    return pd.DataFrame(rows)


def _remark(row: Mapping[str, Any]) -> str:
    """Why a value, its interval or its floors are not there."""
    own, floors = row["reason"], row["floor_reason"]
    return "; ".join(filter(None, [own, f"floors: {floors}" if floors and floors != own else None]))


def _notes(data: pd.DataFrame) -> list[str]:
    methods = [str(method) for method in data["interval_method"].dropna().unique()]
    notes = [f"Intervals: {'; '.join(methods)}."] if methods else []
    if data[["floor_train", "floor_held_out"]].notna().to_numpy().any():
        notes.append(
            "Floors: the metric of real images against train and of held-out real images in the reference's class "
            "shares, at the n that stands beside them. Generated images nearer to the reference than both floors raise "
            "the copy flag. Real images that nobody copied would raise it in about a third of all cases: a flag calls "
            "for an audit and proves nothing."
        )
    if (data["kind"] != "inception").any():
        notes.append(
            "Frechet distance, kernel distance and class score have the formulas of FID, KID and Inception score, on "
            "features and classes of the extractor named here: they fill no cell that a study reports as one of those."
        )
    if ((data["kind"] != "clip") & (data["metric"] == "cmmd")).any():
        notes.append("Gaussian-kernel distance has the formula of CMMD, on features that are not CLIP's.")
    if (data["metric"] == "fd_infinity").any():
        notes.append(
            "At infinite n: the line that distances of random subsets follow over 1 / n, at 0. The reference keeps its "
            "size, and what that adds to a distance is in the floors, too."
        )
    return notes
