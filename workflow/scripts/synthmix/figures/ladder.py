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
STEP = 0.18  # distance of arms beside the ladder, in units of the categorical axis


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
    at_the_end = set(runs.loc[runs["x"] == max(places), "training_set"])
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
        axes.set_xticks(list(places.values()), _tick_labels(places, width / len(settings) / len(places)))
        beyond = max((steps[name] for name in beside if name in at_the_end), default=0)
        axes.set_xlim(-0.4, len(places) - 0.6 + STEP * beyond)
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
    style.footer(figure, style.seeds_note(runs) + (FITTED if spec.get("fit") else ""))
    return figure


def _places(ticks: list[float], linear: bool) -> dict[float, float]:
    """Where each number of images stands, evenly spaced or in proportion; in either case the last one at K - 1."""
    if not linear:
        return {tick: float(place) for place, tick in enumerate(ticks)}
    return {tick: (tick - ticks[0]) / (ticks[-1] - ticks[0]) * (len(ticks) - 1) for tick in ticks}


def _tick_labels(places: dict[float, float], unit_mm: float) -> list[str]:
    """The numbers of images, less those that would run into the one before."""
    labels, last = [], -np.inf
    for tick, place in places.items():
        fits = (place - last) * unit_mm > style.tick_mm([f"{tick:g}"])
        labels.append(f"{tick:g}" if fits else "")
        last = place if fits else last
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
    """How far beside the ladder each further arm stands, from 1 on: as manieth of those with its number of images."""
    found: dict[str, int] = {}
    at: Counter[float] = Counter()
    for name in beside:
        for x in runs.loc[runs["training_set"] == name, "x"].head(1):  # no run of it in some panels
            at[x] += 1
            found[name] = at[x]
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
        marker = markers.get(arm.training_set, "o")
        if arm.training_set in markers:
            x += STEP * steps[arm.training_set]
        else:
            lines.setdefault(recipe, []).append((x, interval.mean))
        style.seeds_and_mean(axes, x, values, interval, colors[recipe], marker, hollow=arm.training_set in markers)
    return lines
