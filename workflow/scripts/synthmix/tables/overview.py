"""Table kind `overview`: accuracy, or the study's metric, at a glance.

A row per (dataset, model, recipe), a column per training set.

Specification: {kind, training_set, dataset?, model?, recipe?, metric?, labels?, order?}.
"""

from typing import Any

import pandas as pd

from synthmix.analysis import statistics
from synthmix.analysis.artefacts import Artefacts
from synthmix.experiments import arms, select
from synthmix.reports.formatting import bracket, hoist, joined, percent, run_metric_title
from synthmix.reports.rendering import Table


def build(spec: dict[str, Any], artefacts: Artefacts) -> Table:
    """Means over seeds with their t intervals; empty where an arm was not run. Raises ValueError without any run."""
    metric = spec.get("metric", "accuracy")
    data: dict[tuple[str, str, str], dict[str, Any]] = {}
    cells: dict[tuple[str, str, str], dict[str, str]] = {}
    for arm, runs in arms(select(artefacts.read_experiments(), spec)):
        row, interval = arm[:3], statistics.t_interval(runs[metric])
        name = arm.training_set
        values = {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}
        data.setdefault(row, {}).update({**values, f"{name}_n": interval.n})
        shown = joined(percent(interval.mean), bracket(interval.low, interval.high))
        cells.setdefault(row, {})[spec.get("labels", {}).get(name, name)] = shown
    if not data:
        raise ValueError("overview table: no run of the study is selected")
    keys = ("dataset", "model", "recipe")
    frame = pd.DataFrame(
        [{**{k.capitalize(): v for k, v in zip(keys, row, strict=True)}, **found} for row, found in cells.items()]
    ).fillna("")
    frame, notes = hoist(frame, ["Dataset"])
    numbers = pd.DataFrame([{**dict(zip(keys, row, strict=True)), **found} for row, found in data.items()])
    return Table(numbers, frame, [*notes, f"Test {run_metric_title(metric)} {NOTE}"])


NOTE = "in %: mean over seeds with its 95 % t interval, conditional on one trained generator."
