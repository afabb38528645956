"""Figure kind `ladder`: accuracy against the number or share of synthetic images, with other arms beside it.

Specification: {kind, ladder, beside?, axis?, fit?, dataset?, model?, recipe?, metric?, labels?, order?, width_mm?}.
`ladder` names training sets from no synthetic images on; `beside` names others (controls) that stand at the number of
images they add. With `axis` "share" the horizontal axis is the percentage of synthetic images, for a ladder that
exchanges real images for synthetic ones. With `fit` the axis is linear, and a fitted curve stands in the place of the
line where a ladder levels off (see saturation). One panel per (dataset, model), one line per recipe.
"""

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from synthmix.analysis import saturation, statistics
from synthmix.analysis.artefacts import Artefacts
from synthmix.experiments import arms, groups, select
from synthmix.figures import style
from synthmix.reports.formatting import run_metric_title

Line = list[tuple[float, float]]

FITTED = "; curve: mean over seeds of fitted ones, where the ladder levels off, else points are joined"
ASIDE = "; hollow markers stand beside the number of images that they add"
STEP_PT = 7.0  # between arms that stand beside the ladder, and to it
AXIS_MM = 12.0  # room for the vertical axis and its label
GAP_MM = 1.0  # between tick labels, at least


@style.context()
def draw(spec: dict[str, Any], artefacts: Artefacts) -> Figure:
    """Mean with t interval and single seeds per arm; raises ValueError where a named arm was not run."""
    ladder, beside = list(spec["ladder"]), list(spec.get("beside", []))
    runs = select(artefacts.read_experiments(), {**spec, "training_set": [*ladder, *beside]})
    share = spec.get("axis") == "share"
    runs = _with_share(runs) if share else saturation.with_added(runs, ladder[0], artefacts)
    recipes = [
        style.recipe_label(spec, model, recipe) for model, recipe in zip(runs["model"], runs["recipe"], strict=True)
    ]
    colors = style.numbered(recipes, style.PALETTE)
    markers = style.numbered(beside, style.MARKERS[1:])
    places = _places(sorted(runs["x"].unique()), linear=bool(spec.get("fit")))
    steps = _steps(runs, beside)
    ends = {-1: min(places), 1: max(places)}
    at_the_ends = {side: steps.keys() & {*runs.loc[runs["x"] == end, "training_set"]} for side, end in ends.items()}
    curves = _curves(spec, artefacts, places) if spec.get("fit") else {}
    settings = list(groups(runs, ["dataset", "model"]))
    width = style.width_mm(spec, style.COLUMN_MM if len(settings) == 1 else style.PAGE_MM)
    figure, grid = style.panels(width, 78, 1, len(settings), sharey="all")
    for axes, ((dataset, model), part) in zip(grid[0], settings, strict=True):
        lines = _panel(axes, part, spec, places, colors, markers, steps)
        lines |= {
            style.recipe_label(spec, model, each): curve for each, curve in curves.get((dataset, model), {}).items()
        }
        for recipe, points in lines.items():
            axes.plot(*zip(*sorted(points), strict=True), color=colors[recipe], label=recipe, zorder=1)
        style.set_title(
            axes,
            style.label(spec, model) if runs["dataset"].nunique() == 1 else f"{dataset}, {style.label(spec, model)}",
        )
        unit_mm = (width / len(settings) - AXIS_MM) / len(places)
        axes.set_xticks(list(places.values()), _tick_labels(places, unit_mm))
        before, beyond = (max([0, *(side * steps[name] for name in names)]) for side, names in at_the_ends.items())
        step = STEP_PT * 25.4 / 72 / unit_mm
        axes.set_xlim(-0.4 - step * before, len(places) - 0.6 + step * beyond)
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
    notes = [style.seeds_note(runs), FITTED if spec.get("fit") else "", ASIDE if beside else ""]
    style.footer(figure, "".join(notes))
    return figure


def _places(ticks: list[float], linear: bool) -> dict[float, float]:
    """Where each number of images stands, evenly spaced or in proportion; in either case the last one at K - 1."""
    if not linear:
        return {tick: float(place) for place, tick in enumerate(ticks)}
    return {tick: (tick - ticks[0]) / (ticks[-1] - ticks[0]) * (len(ticks) - 1) for tick in ticks}


def _tick_labels(places: dict[float, float], unit_mm: float) -> list[str]:
    """The numbers of images, less those that would run into the one before."""
    labels: list[str] = []
    end = -np.inf  # of the last label that is printed, in mm
    for tick, place in places.items():
        half = style.tick_mm([f"{tick:g}"]) / 2
        fits = place * unit_mm - half >= end + GAP_MM
        labels.append(f"{tick:g}" if fits else "")
        end = place * unit_mm + half if fits else end
    return labels


def _curves(
    spec: dict[str, Any], artefacts: Artefacts, places: dict[float, float]
) -> dict[tuple[str, str], dict[str, Line]]:
    """(dataset, model) -> recipe -> points of the mean fitted curve, of the ladders that level off."""
    found: dict[tuple[str, str], dict[str, Line]] = {}
    for ladder in saturation.ladders(spec, artefacts):
        curve = saturation.fit(ladder)
        if curve.levels_off(ladder):
            added = np.linspace(ladder.added[0], ladder.added[-1], 200)
            x = np.interp(added, list(places), list(places.values()))
            points = zip(x.tolist(), (100 * curve.mean(added)).tolist(), strict=True)
            found.setdefault((ladder.dataset, ladder.model), {})[ladder.recipe] = list(points)
    return found


def _with_share(runs: pd.DataFrame) -> pd.DataFrame:
    """Adds `x`: synthetic images in percent of all different images, to one decimal."""
    synthetic = runs["synthetic_images"].fillna(0)
    return runs.assign(x=(100 * synthetic / (runs["real_images"] + synthetic)).round(1))


def _steps(runs: pd.DataFrame, beside: list[str]) -> dict[str, int]:
    """How many steps to the right each further arm stands: 1, -1, 2, -2 ... of those with one number of images."""
    found: dict[str, int] = {}
    at: Counter[float] = Counter()
    for name in beside:
        for x in runs.loc[runs["training_set"] == name, "x"].head(1):  # no run of it in some panels
            at[x] += 1
            found[name] = (at[x] + 1) // 2 * (1 if at[x] % 2 else -1)
    return found


def _panel(
    axes: Axes,
    runs: pd.DataFrame,
    spec: dict[str, Any],
    places: dict[float, float],
    colors: dict[str, str],
    markers: dict[str, str],
    steps: dict[str, int],
) -> dict[str, Line]:
    """Draws every arm; returns the means that a line joins, by recipe."""
    lines: dict[str, Line] = {}
    shifts = {name: position - (len(colors) - 1) / 2 for position, name in enumerate(colors)}
    for arm, group in arms(runs):
        recipe = style.recipe_label(spec, arm.model, arm.recipe)
        values = 100 * group[spec.get("metric", "accuracy")].to_numpy()
        interval = statistics.t_interval(values)
        x = places[group["x"].iloc[0]] + 0.1 * shifts[recipe]
        marker, hollow = markers.get(arm.training_set, "o"), arm.training_set in markers
        if not hollow:
            lines.setdefault(recipe, []).append((x, interval.mean))
        aside = STEP_PT * steps.get(arm.training_set, 0)
        style.seeds_and_mean(axes, x, values, interval, colors[recipe], marker, hollow, aside)
    return lines
