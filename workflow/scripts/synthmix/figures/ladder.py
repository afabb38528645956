"""Figure kind `ladder`: accuracy against the number or share of synthetic images, with other arms beside it.

Specification: {kind, ladder, beside?, axis?, dataset?, model?, recipe?, metric?, labels?, order?, width_mm?}. `ladder`
names training sets from no synthetic images on; `beside` names others (controls) that stand at the number of images
they add. With `axis` "share" the horizontal axis is the percentage of synthetic images, for a ladder that exchanges
real images for synthetic ones. One panel per (dataset, model), one line per recipe.
"""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from synthmix import statistics
from synthmix.artefacts import Artefacts
from synthmix.experiments import arms, groups, select
from synthmix.figures import style
from synthmix.formatting import run_metric_title

STEP = 0.18  # distance of arms beside the ladder, in units of the categorical axis


@style.context()
def draw(spec: dict[str, Any], artefacts: Artefacts) -> Figure:
    """Mean with t interval and single seeds per arm; raises ValueError where a named arm was not run."""
    ladder, beside = list(spec["ladder"]), list(spec.get("beside", []))
    runs = select(artefacts.read_experiments(), {**spec, "training_set": [*ladder, *beside]})
    share = spec.get("axis") == "share"
    runs = _with_share(runs) if share else _with_added(runs, ladder[0], artefacts)
    recipes = [
        style.recipe_label(spec, model, recipe) for model, recipe in zip(runs["model"], runs["recipe"], strict=True)
    ]
    colors = style.numbered(recipes, style.PALETTE)
    markers = style.numbered(beside, style.MARKERS[1:])
    ticks = sorted(runs["x"].unique())
    settings = list(groups(runs, ["dataset", "model"]))
    width = style.width_mm(spec, style.COLUMN_MM if len(settings) == 1 else style.PAGE_MM)
    figure, grid = style.panels(width, 78, 1, len(settings), sharey="all")
    for axes, ((dataset, model), part) in zip(grid[0], settings, strict=True):
        _panel(axes, part, spec, ticks, colors, markers)
        axes.set_title(
            style.label(spec, model) if runs["dataset"].nunique() == 1 else f"{dataset}, {style.label(spec, model)}"
        )
        axes.set_xticks(range(len(ticks)), [f"{tick:g}" for tick in ticks])
        axes.set_xlim(-0.4, len(ticks) - 0.6)
        axes.set_xlabel("Generated images (% of all)" if share else "Images added per class")
    grid[0, 0].set_ylabel(f"Test {run_metric_title(spec.get('metric', 'accuracy'))} (%)")
    handles = [Line2D([], [], color=color, marker="o", label=name) for name, color in colors.items()]
    handles += [
        Line2D(
            [],
            [],
            color=style.GREY,
            marker=markers[name],
            ls="",
            markerfacecolor="white",
            label=style.label(spec, name),
        )
        for name in markers
    ]
    style.legend(figure, handles)
    style.footer(figure, style.seeds_note(runs))
    return figure


def _with_added(runs: pd.DataFrame, baseline: str, artefacts: Artefacts) -> pd.DataFrame:
    """Adds `x`: images per class (synthetic or real) beyond those of the ladder's first training set."""
    classes = {dataset: len(artefacts.meta(dataset)["classes"]) for dataset in runs["dataset"].unique()}
    images = runs["real_images"] + runs["synthetic_images"].fillna(0)
    first = images[runs["training_set"] == baseline].groupby(runs["dataset"]).mean()
    added = (images - runs["dataset"].map(first)) / runs["dataset"].map(classes)
    return runs.assign(x=added.groupby([runs["dataset"], runs["training_set"]]).transform("mean").round(1))


def _with_share(runs: pd.DataFrame) -> pd.DataFrame:
    """Adds `x`: synthetic images in percent of all different images, to one decimal."""
    synthetic = runs["synthetic_images"].fillna(0)
    return runs.assign(x=(100 * synthetic / (runs["real_images"] + synthetic)).round(1))


def _panel(
    axes: Axes,
    runs: pd.DataFrame,
    spec: dict[str, Any],
    ticks: list[float],
    colors: dict[str, str],
    markers: dict[str, str],
) -> None:
    lines: dict[str, list[tuple[float, float]]] = {name: [] for name in colors}
    shifts = {name: position - (len(colors) - 1) / 2 for position, name in enumerate(colors)}
    for arm, group in arms(runs):
        recipe = style.recipe_label(spec, arm.model, arm.recipe)
        values = 100 * group[spec.get("metric", "accuracy")].to_numpy()
        interval = statistics.t_interval(values)
        x = ticks.index(group["x"].iloc[0]) + 0.1 * shifts[recipe]
        marker = markers.get(arm.training_set, "o")
        if arm.training_set in markers:
            x += STEP * (1 + list(markers).index(arm.training_set))
        else:
            lines[recipe].append((x, interval.mean))
        style.seeds_and_mean(axes, x, values, interval, colors[recipe], marker, hollow=arm.training_set in markers)
    for recipe, points in lines.items():
        if points:
            axes.plot(*zip(*sorted(points), strict=True), color=colors[recipe], label=recipe, zorder=1)
