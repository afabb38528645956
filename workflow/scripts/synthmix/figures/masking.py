"""Figure kind `masking`: change of test accuracy without each head, and without parts of each layer.

Specification: {kind, explainer, training_set?, dataset?, model?, recipe?, labels?, order?, width_mm?}. A heat map per
arm: a row per layer, the first below; a column per head, then attention, MLP and both. Changes are means over seeds.
"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from synthmix.analysis import statistics
from synthmix.analysis.artefacts import Artefacts
from synthmix.experiments import Arm, arms, select
from synthmix.figures import style

PARTS = {"attention": "Attention", "mlp": "MLP", "both": "Both"}
CELL_MM = 6.0  # height of a layer
UPRIGHT = 8  # heads beside which the names of parts have room


class Change(NamedTuple):
    """What leaving out one part of an arm's networks changes; layer and head count from 1, head 0 is none of them.

    mean: change of accuracy in points, over seeds. half: half the width of its 95 % t interval, None for one seed.
    """

    what: str
    layer: int
    head: int
    mean: float
    half: float | None


@style.context()
def draw(spec: dict[str, Any], artefacts: Artefacts) -> Figure:
    """One heat map per arm, all of one colour scale; raises ValueError where nothing is selected."""
    found = artefacts.read_explanations()
    panels = list(arms(select(found[found["explainer"] == spec["explainer"]], spec)))
    parts = [changes(rows) for _, rows in panels]
    every = [change for each in parts for change in each]
    limit = max(abs(change.mean) for change in every) or 1.0
    layers, heads = ([max(getattr(change, name) for change in each) for each in parts] for name in ("layer", "head"))
    height = CELL_MM * sum(layers) + sum(27 if count > UPRIGHT else 17 for count in heads) + 8
    figure, grid = style.panels(style.width_mm(spec), height, len(panels), 1)
    for axes, (arm, _), each in zip(grid[:, 0], panels, parts, strict=True):
        _panel(axes, each, limit)
        style.set_title(axes, _title(spec, arm, [other for other, _ in panels]))
    bar = figure.colorbar(grid[0, 0].collections[0], ax=grid, aspect=25, pad=0.01)
    bar.set_label("Change (points)")
    bar.outline.set_visible(False)
    whole = ", ".join(f"{100 * rows[rows['what'] == 'none']['accuracy'].mean():.1f} %" for _, rows in panels)
    seeds = style.span(rows["seed"].nunique() for _, rows in panels)
    note = f"Test accuracy with nothing left out: {whole}. Mean change over n = {seeds} seeds"
    if halves := [change.half for change in every if change.half is not None]:
        note += f", each with a 95 % t interval of at most ±{max(halves):.1f} points"
    style.footer(figure, note)
    return figure


def changes(rows: pd.DataFrame) -> list[Change]:
    """The change that leaving out each part makes: rows of one arm with seed, what, layer, head and accuracy."""
    whole = rows[rows["what"] == "none"].set_index("seed")["accuracy"]
    parts = rows[rows["what"] != "none"].fillna({"head": 0})
    parts = parts.assign(change=100 * (parts["accuracy"] - parts["seed"].map(whole)))
    found = []
    for key, group in parts.groupby(["what", "layer", "head"], sort=False):
        what, layer, head = map(str, key)
        interval = statistics.t_interval(group["change"])
        half = None if interval.high is None else interval.high - interval.mean
        found.append(Change(what, int(float(layer)), int(float(head)), interval.mean, half))
    return found


def _panel(axes: Axes, parts: list[Change], limit: float) -> None:
    heads, layers = (max(getattr(change, name) for change in parts) for name in ("head", "layer"))
    values = np.zeros((layers, heads + len(PARTS)))
    for change in parts:
        column = change.head - 1 if change.head else heads + list(PARTS).index(change.what)
        values[layers - change.layer, column] = change.mean
    sns.heatmap(
        values,
        vmin=-limit,
        vmax=limit,
        cmap="RdBu",
        cbar=False,
        annot=True,
        fmt=".1f",
        annot_kws={"fontsize": style.FONT_PT - 2},
        linewidths=0.3,
        linecolor="#e6e6e6",
        xticklabels=[*map(str, range(1, heads + 1)), *PARTS.values()],
        yticklabels=[str(layer) for layer in range(layers, 0, -1)],
        ax=axes,
    )
    axes.axvline(heads, color="white", linewidth=4)  # heads apart from what they are part of
    axes.tick_params(length=0, labelrotation=0)
    axes.tick_params(axis="x", labelrotation=90 if heads > UPRIGHT else 0)
    axes.set_xlabel("Head; part of the layer")
    axes.set_ylabel("Layer")


def _title(spec: dict[str, Any], arm: Arm, others: list[Arm]) -> str:
    """The model, with whatever else distinguishes the panels."""
    differing = [key for key in arm._fields if len({getattr(other, key) for other in others}) > 1]
    names = dict.fromkeys([arm.model, *(getattr(arm, key) for key in differing)])
    return ", ".join(style.label(spec, name) for name in names)
