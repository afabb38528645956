"""Table kind `models`: what each model reaches and what it costs, all measured, with published values below.

Specification: {kind, dataset?, model?, recipe?, training_set?, metric?, order?, published?}. An entry of `published` is
{model, dataset?, recipe?, training_set?, value?, seconds_per_epoch?, parameters?, source, comparable, reason?,
oddity?}, with `value` of the table's metric, a fraction; it and the seconds may be lists, of which the smallest and
the largest are shown. Each entry has a row of its own, below the runs of its model.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from synthmix.analysis import printed, published, statistics
from synthmix.analysis.artefacts import Artefacts
from synthmix.experiments import arms, constant, select, text
from synthmix.reports.formatting import (
    bracket,
    capitalised,
    count,
    drop_empty,
    hoist,
    joined,
    missing,
    number,
    percent,
    records,
    run_metric_title,
)
from synthmix.reports.rendering import Table

NAMES = ("dataset", "model", "recipe", "training_set")
MEASURED = ("images_per_second", "test_images_per_second", "parameters", "flops", "gpu_mb", "max_rss_mb", "threads")
NOTES = [
    "Seconds per epoch: seconds of training, without its validations, divided by the epochs trained. Images/s: of "
    "training, and of classifying noise in batches of the size that tests have, with its way to the device. FLOPs: of "
    "the forward pass for one image, two for a multiply-add, as PyTorch counts them in convolutions, matrix products "
    "and attention. GPU memory: the largest that tensors took in training. RSS: the largest resident memory of the "
    "process that trained, with its libraries and what its job trained before. Means over seeds; jobs that share a "
    "machine slow each other down.",
]


def build(spec: dict[str, Any], artefacts: Artefacts) -> Table:
    """One row per arm, and one per published entry. Raises ValueError where neither is there."""
    metric, entries = spec.get("metric", "accuracy"), list(spec.get("published") or [])
    rows: list[dict[str, Any]] = [
        {**arm._asdict(), "status": "run", **_measured(runs, metric)}
        for arm, runs in arms(select(artefacts.read_experiments(), spec, complete=False))
    ]
    for entry in entries:
        own = [position for position, row in enumerate(rows) if _is_of(entry, row)]
        rows.insert(own[-1] + 1 if own else len(rows), _published(entry, bool(own)))
    if not rows:
        raise ValueError("models table: no run and no published value matches its specification")
    data = pd.DataFrame(rows)
    data = data.reindex(columns=[*dict.fromkeys([*data.columns, "n", "trained_on", "comparable", "reason", *MEASURED])])
    title = f"{capitalised(run_metric_title(metric))}, %"
    frame = drop_empty(pd.DataFrame([_cells(row, title) for row in records(data)]))
    frame, notes = hoist(frame, [name for name in ("Dataset", "Training set", "Values") if name in frame])
    return Table(data, frame, [*notes, *_hardware(data), *NOTES, *published.notes(entries)])


def _measured(runs: pd.DataFrame, metric: str) -> dict[str, Any]:
    interval = statistics.t_interval(runs[metric])
    if {"train_seconds", "epochs"} <= set(runs):
        runs = runs.assign(seconds_per_epoch=runs["train_seconds"] / runs["epochs"])
    row: dict[str, Any] = {"n": interval.n, "value": interval.mean, "low": interval.low, "high": interval.high}
    row |= {name: constant(runs, name) for name in ("seconds_per_epoch", *MEASURED)}
    return row | {name: text(runs, name) for name in ("trained_on", "tested_on")}


def _is_of(entry: published.Entry, row: Mapping[str, Any]) -> bool:
    return row["status"] != "not run" and all(entry[key] == row[key] for key in NAMES if key in entry)


def _published(entry: published.Entry, run: bool) -> dict[str, Any]:
    """The row of a published entry; a range is its middle, with its ends as low and high."""
    row: dict[str, Any] = {key: entry.get(key) for key in NAMES}
    for key, low, high in (("value", "low", "high"), ("seconds_per_epoch", "seconds_low", "seconds_high")):
        given = entry.get(key)
        if isinstance(given, list):
            ends = min(given), max(given)
            row |= {key: sum(ends) / 2, low: ends[0], high: ends[1]}
        else:
            row |= {key: given, low: None, high: None}
    about = {"parameters": entry.get("parameters"), "reason": entry.get("reason")}
    comparable = published.COMPARABLE[entry.get("comparable")]
    return {**row, **about, "status": "published" if run else "not run", "comparable": comparable}


def _cells(row: Mapping[str, Any], title: str) -> dict[str, str]:
    run = row["status"] == "run"
    reached = joined(percent(row["value"]), bracket(row["low"], row["high"]))
    seconds = number(row["seconds_per_epoch"])
    if not run:
        reached = _range(row["low"], row["high"], percent) or percent(row["value"])
        seconds = _range(row["seconds_low"], row["seconds_high"], number) or seconds
    return {
        "Dataset": printed.text(row["dataset"]),
        "Model": row["model"],
        "Recipe": printed.text(row["recipe"]),
        "Training set": printed.text(row["training_set"]),
        "Values": {"run": "measured", "published": "published", "not run": "published, not run here"}[row["status"]],
        "Seeds": count(row["n"]),
        title: reached,
        "Seconds per epoch": seconds,
        "Images/s, training": number(row["images_per_second"]),
        "Images/s, test": number(row["test_images_per_second"]),
        "Parameters": count(row["parameters"]),
        "FLOPs per image, millions": "" if missing(row["flops"]) else number(row["flops"] / 1e6),
        "GPU memory, MB": number(row["gpu_mb"]),
        "Max RSS, MB": number(row["max_rss_mb"]),
        "Comparable": printed.text(row["comparable"]),
        "Reason": printed.text(row["reason"]),
    }


def _range(low: Any, high: Any, form: Any) -> str:
    return "" if missing(low) else f"{form(low)} to {form(high)}"


def _threads(number: float) -> str:
    return f", {number:g} thread{'' if number == 1 else 's'}"


def _hardware(data: pd.DataFrame) -> list[str]:
    """What the runs were trained on, with the models trained there where that is not the same for all."""
    known = data[data["trained_on"].notna()] if "trained_on" in data else data[:0]
    if known.empty:
        return []
    where = known["trained_on"] + known["threads"].map(_threads, na_action="ignore").fillna("")
    models = known["model"].groupby(where, sort=False).unique()
    if len(models) == 1:
        return [f"Trained on: {models.index[0]}."]
    return ["Trained on: " + "; ".join(f"{place} ({', '.join(names)})" for place, names in models.items()) + "."]
