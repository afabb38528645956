"""Table kind `faithfulness`: whether maps of an explainer of kind `cam` show what a network relies on.

Specification: {kind, explainer, dataset?, model?, recipe?, training_set?, order?}.
"""

from typing import Any

import pandas as pd

from synthmix.analysis import statistics
from synthmix.analysis.artefacts import Artefacts
from synthmix.experiments import Arm, arms, select
from synthmix.networks.saliency import TITLES
from synthmix.reports.formatting import count, drop_empty, hoist, joined, missing, records
from synthmix.reports.rendering import Table

SCORES = ("deletion", "insertion")
CHANCE = "random"  # what methods are compared with


def build(spec: dict[str, Any], artefacts: Artefacts) -> Table:
    """One row per (dataset, model, recipe, training set, method), the baselines last."""
    found = artefacts.read_explanations()
    found = select(found[found["explainer"] == spec["explainer"]], spec)
    rows = [row for arm, own in arms(found) for row in _rows(arm, own)]
    data = pd.DataFrame(rows)
    frame, notes = hoist(drop_empty(_formatted(data)), ["Dataset", "Recipe", "Training set"])
    return Table(data, frame, [*notes, *NOTES])


NOTES = [
    "Deletion: area under the probability of the predicted class while pixels are taken away in the order of the map, "
    "lower is better; insertion: the same while they are revealed, higher is better (Petsiuk et al. 2018).",
    "Mean over the images of a network, then over seeds with its 95 % t interval. Differences are paired by network: "
    "the method less a random map of as many cells, over the same images. Their interval does not carry the luck of "
    "the images, which are the same for all seeds.",
    "A random map is what no look at the network reaches; the centre, what no look at the image reaches, where objects "
    "are in the middle. A method that is no better than these explains nothing here.",
]


def _rows(arm: Arm, found: pd.DataFrame) -> list[dict[str, Any]]:
    """Mean scores of each method of an arm, and how they differ from those of random maps."""
    means = found.groupby(["method", "seed"], sort=False)[list(SCORES)].mean()
    rows = []
    for method in found["method"].unique():
        own, chance = means.loc[method], means.loc[CHANCE]
        row = {**arm._asdict(), "method": method, "n": len(own), "images": found["index"].nunique()}
        for score in SCORES:
            row |= _interval(score, own[score])
            row |= _interval(f"{score}_difference", None if method == CHANCE else own[score] - chance[score])
        rows.append(row)
    return rows


def _interval(name: str, values: pd.Series | None) -> dict[str, float | None]:
    if values is None:
        return dict.fromkeys((name, f"{name}_low", f"{name}_high"))
    interval = statistics.t_interval(values)
    return {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _formatted(data: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for row in records(data):
        cells = {name: _cell(row, name) for score in SCORES for name in (score, f"{score}_difference")}
        rows.append(
            {
                "Dataset": row["dataset"],
                "Model": row["model"],
                "Recipe": row["recipe"],
                "Training set": row["training_set"],
                "Method": TITLES[row["method"]],
                "Seeds": count(row["n"]),
                "Images": count(row["images"]),
                "Deletion": cells["deletion"],
                "Deletion less random": cells["deletion_difference"],
                "Insertion": cells["insertion"],
                "Insertion less random": cells["insertion_difference"],
            }
        )
    return pd.DataFrame(rows)


def _cell(row: dict[str, Any], name: str) -> str:
    """An area or a difference of two with its interval, to three decimals."""
    value, low, high = (row[key] for key in (name, f"{name}_low", f"{name}_high"))
    if missing(value):
        return ""
    return joined(f"{value:.3f}", "" if missing(low) else f"[{low:.3f}, {high:.3f}]")
