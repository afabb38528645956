"""Figure kind `arms`: accuracy of each training set (for instance real, synthetic, both), recipes side by side.

Specification: {kind, dataset?, model?, recipe?, training_set?, metric?, labels?, order?, width_mm?}. One panel per
(dataset, model).
"""

from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from synthmix.analysis import statistics
from synthmix.analysis.artefacts import Artefacts
from synthmix.experiments import arms, groups, select
from synthmix.figures import style
from synthmix.reports.formatting import run_metric_title


@style.context()
def draw(spec: dict[str, Any], artefacts: Artefacts) -> Figure:
    """Mean with t interval and single seeds per (training set, recipe); raises ValueError where no run is selected."""
    runs = select(artefacts.read_experiments(), spec)
    metric = spec.get("metric", "accuracy")
    settings = list(groups(runs, ["dataset", "model"]))
    names = list(dict.fromkeys(runs["training_set"]))
    recipes = [
        style.recipe_label(spec, model, recipe) for model, recipe in zip(runs["model"], runs["recipe"], strict=True)
    ]
    colors = style.numbered(recipes, style.PALETTE)
    markers = style.numbered(recipes, style.MARKERS)
    width = style.width_mm(spec, style.COLUMN_MM if len(settings) == 1 else style.PAGE_MM)
    figure, grid = style.panels(width, 68, 1, len(settings), sharey="all")
    ticks = [style.wrapped(style.label(spec, name), width / len(settings) / len(names)) for name in names]
    for axes, ((dataset, model), part) in zip(grid[0], settings, strict=True):
        here = list(dict.fromkeys(style.recipe_label(spec, model, recipe) for recipe in part["recipe"]))
        for arm, group in arms(part):
            recipe = style.recipe_label(spec, arm.model, arm.recipe)
            x = names.index(arm.training_set) + 0.26 * (here.index(recipe) - (len(here) - 1) / 2)
            values = 100 * group[metric].to_numpy()
            interval = statistics.t_interval(values)
            style.seeds_and_mean(axes, x, values, interval, colors[recipe], markers[recipe])
        style.set_title(
            axes,
            style.label(spec, model) if runs["dataset"].nunique() == 1 else f"{dataset}, {style.label(spec, model)}",
        )
        axes.set_xticks(range(len(names)), ticks)
        axes.set_xlim(-0.6, len(names) - 0.4)
        axes.set_xlabel("Training set")
    grid[0, 0].margins(y=0.08)
    grid[0, 0].set_ylabel(f"Test {run_metric_title(metric)} (%)")
    if len(colors) > 1:
        handles = [Line2D([], [], color=colors[name], marker=markers[name], ls="", label=name) for name in colors]
        style.legend(figure, handles)
    style.footer(figure, style.seeds_note(runs))
    return figure
