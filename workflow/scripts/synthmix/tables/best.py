"""Table kind `best`: which of several models has the lowest test error, by seeds that did not choose it.

Specification: {kind, model, training_set, selection_seeds, dataset?, recipe?, published?}. An entry of `published` is
{best, dataset?, training_set?, recipe?, source, comparable, reason?, oddity?}, where `best` names one of the models.

The model is chosen on the selection seeds. Its error, and its differences from the others, are those of the other
seeds: the lowest of several errors is too low on the seeds by which it is the lowest.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from synthmix.analysis import printed, published, statistics
from synthmix.analysis.artefacts import Artefacts
from synthmix.analysis.statistics import Interval
from synthmix.experiments import groups, select
from synthmix.reports.formatting import bracket, count, drop_empty, hoist, joined, missing, percent, records
from synthmix.reports.rendering import Table

ROW = ["dataset", "recipe", "training_set"]


def build(spec: dict[str, Any], artefacts: Artefacts) -> Table:
    """One row per (dataset, recipe, training set); raises ValueError where fewer than two seeds are left to judge."""
    entries = spec.get("published") or []
    rows = []
    for names, runs in groups(select(artefacts.read_experiments(), spec), ROW):
        errors = 1 - runs.pivot(index="seed", columns="model", values="accuracy")[runs["model"].unique()]
        row = dict(zip(ROW, names, strict=True))
        beside = printed.beside(entries, row, ["best"])
        rows.append({**row, "status": "run", **_chosen(errors, spec, beside["published_best"]), **beside})
    data = pd.DataFrame([*rows, *printed.not_run(entries, rows, ["best"])])
    frame, notes = hoist(drop_empty(pd.DataFrame([_cells(row) for row in records(data)])), ["Dataset", "Recipe"])
    return Table(data, frame, [*notes, *_notes(spec), *published.notes(entries)])


def _chosen(errors: pd.DataFrame, spec: Mapping[str, Any], claimed: str | None) -> dict[str, Any]:
    """The choice among the columns of errors (rows: seeds), and what the other seeds say of it and of a published one.

    `alike` names the models whose paired difference from it has a t interval that holds 0.
    """
    selecting = errors.index.isin(spec["selection_seeds"])
    selection, others = errors[selecting].dropna(), errors[~selecting].dropna()
    if selection.empty or len(others) < 2:
        raise ValueError("best: selection seeds, and two others, are needed that every model has: add runs")
    best = str(selection.mean().idxmin())
    own = statistics.t_interval(others[best])
    gaps = {name: statistics.t_interval(others[name] - others[best]) for name in others.columns if name != best}
    gap = gaps.get(claimed or "", Interval(0, float("nan"), None, None))
    return {
        "best": best,
        "n": own.n,
        "error": own.mean,
        "low": own.low,
        "high": own.high,
        "alike": ", ".join(name for name, one in gaps.items() if one.low <= 0 <= one.high),  # type: ignore[operator]
        "published_difference": gap.mean,
        "published_low": gap.low,
        "published_high": gap.high,
    }


def _cells(row: Mapping[str, Any]) -> dict[str, str]:
    run = row["status"] == "run"
    difference = "" if missing(row["published_difference"]) else f"{100 * row['published_difference']:+.1f}"
    return {
        "Dataset": printed.text(row["dataset"]),
        "Recipe": printed.text(row["recipe"]),
        "Training set": printed.text(row["training_set"]),
        "Best": row["best"] if run else "not run",
        "Test error, %": joined(percent(row["error"]), bracket(row["low"], row["high"])),
        "Seeds": count(row["n"]),
        "Not told apart from": printed.text(row["alike"]) or ("none" if run else ""),
        "Published best": printed.text(row["published_best"]),
        "Its difference, points": joined(difference, bracket(row["published_low"], row["published_high"])),
        "Comparable": row["comparable"],
        "Reason": printed.text(row["reason"]),
    }


def _notes(spec: Mapping[str, Any]) -> list[str]:
    selection = ", ".join(map(str, spec["selection_seeds"]))
    return [
        f"Best: the model with the lowest mean test error over the selection seeds ({selection}), of "
        f"{len(spec['model'])} models. Errors and differences are of all other seeds that every model has, with 95 % t "
        "intervals, paired by seed. Not told apart from: models whose difference from it has an interval that holds 0, "
        "without correction.",
    ]
