"""Table kind `overview`: accuracy, or the study's metric, at a glance.

A row per (dataset, model, recipe), a column per training set; the other way round where these are many.

Specification: {kind, training_set, dataset?, model?, recipe?, metric?, labels?, order?}.
"""

from typing import Any

import pandas as pd

from synthmix.analysis import statistics
from synthmix.analysis.artefacts import Artefacts
from synthmix.experiments import arms, conditional, select
from synthmix.reports.formatting import bracket, hoist, joined, percent, run_metric_title
from synthmix.reports.rendering import Table


def build(spec: dict[str, Any], artefacts: Artefacts) -> Table:
    """Means over seeds with their t intervals; empty where an arm was not run. Raises ValueError without any run."""
    metric = spec.get("metric", "accuracy")
    data: dict[tuple[str, str, str], dict[str, Any]] = {}
    cells: dict[tuple[str, str, str], dict[str, str]] = {}
    selected = select(artefacts.read_experiments(), spec)
    for arm, runs in arms(selected):
        row, interval = arm[:3], statistics.t_interval(runs[metric])
        name = arm.training_set
        values = {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}
        data.setdefault(row, {}).update({**values, f"{name}_n": interval.n})
        shown = joined(percent(interval.mean), bracket(interval.low, interval.high))
        cells.setdefault(row, {})[spec.get("labels", {}).get(name, name)] = shown
    if not data:
        raise ValueError("overview table: no run of the study is selected")
    numbers = pd.DataFrame([{**dict(zip(KEYS, row, strict=True)), **found} for row, found in data.items()])
    names = list(dict.fromkeys(name for found in cells.values() for name in found))
    frame, notes = (_turned if len(names) > max(MANY, len(cells)) else _upright)(cells, names)
    note = f"Test {run_metric_title(metric)} in %: mean over seeds with its 95 % t interval{conditional(selected)}."
    return Table(numbers, frame, [*notes, note])


KEYS = ("dataset", "model", "recipe")
MANY = 8  # columns of training sets that a page has room for
Cells = dict[tuple[str, str, str], dict[str, str]]


def _upright(cells: Cells, names: list[str]) -> tuple[pd.DataFrame, list[str]]:
    rows = [
        {**{key.capitalize(): part for key, part in zip(KEYS, row, strict=True)}, **found}
        for row, found in cells.items()
    ]
    frame = pd.DataFrame(rows, columns=[*map(str.capitalize, KEYS), *names])
    return hoist(frame.fillna(""), ["Dataset"])


def _turned(cells: Cells, names: list[str]) -> tuple[pd.DataFrame, list[str]]:
    """A row per training set; columns are called by what tells them apart, notes say the rest."""
    parts = list(zip(*cells, strict=True))
    differ = [len(set(part)) > 1 for part in parts]
    titles = {row: ", ".join(part for part, shown in zip(row, differ, strict=True) if shown) for row in cells}
    rows = [
        {"Training set": name, **{titles[row] or "Value": found.get(name, "") for row, found in cells.items()}}
        for name in names
    ]
    same = [f"{key.capitalize()}: {part[0]}." for key, part, more in zip(KEYS, parts, differ, strict=True) if not more]
    return pd.DataFrame(rows), same
