"""Figure kind `power_law`: test error over the number of real training images, log-log, with fitted power laws.

Specification: {kind, training_set, dataset?, model?, recipe?, labels?, order?, width_mm?}. One panel per dataset, one
line per model (and recipe, where a model has several).
"""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from synthmix.analysis import scaling, statistics
from synthmix.analysis.artefacts import Artefacts
from synthmix.analysis.scaling import Curve
from synthmix.figures import style

SHIFT = 1.02  # factor between the horizontal places of two curves, so that bars do not cover each other


@style.context()
def draw(spec: dict[str, Any], artefacts: Artefacts) -> Figure:
    """Geometric means with t intervals of log error, and the mean law; raises ValueError as scaling.curves does."""
    curves = scaling.curves(spec, artefacts)
    datasets = list(dict.fromkeys(curve.dataset for curve in curves))
    names = list(dict.fromkeys(_name(spec, curve, curves) for curve in curves))
    colors, markers = style.numbered(names, style.PALETTE), style.numbered(names, style.MARKERS)
    width = style.width_mm(spec, style.COLUMN_MM if len(datasets) == 1 else style.PAGE_MM)
    figure, grid = style.panels(width, 80, 1, len(datasets))
    for axes, dataset in zip(grid[0], datasets, strict=True):
        here = [curve for curve in curves if curve.dataset == dataset]
        for position, curve in enumerate(here):
            name = _name(spec, curve, curves)
            _curve(axes, curve, SHIFT ** (position - (len(here) - 1) / 2), colors[name], markers[name])
        _scales(axes, np.unique(np.concatenate([curve.images for curve in here])))
        axes.set_xlabel("Real training images")
        if len(datasets) > 1:
            style.set_title(axes, style.label(spec, dataset))
    grid[0, 0].set_ylabel("Test error (%)")
    handles = [Line2D([], [], color=colors[name], marker=markers[name], label=name) for name in names]
    style.legend(figure, handles)
    style.footer(
        figure,
        f"n = {style.span(len(curve.seeds) for curve in curves)} seeds; geometric mean and 95 % t interval of log "
        "error. Lines: error = c images^alpha; alpha and log c are means over seeds of least squares in logarithms",
    )
    return figure


def _name(spec: dict[str, Any], curve: Curve, curves: list[Curve]) -> str:
    """The model's label, with the recipe's where the model has several."""
    several = len({each.recipe for each in curves if each.model == curve.model}) > 1
    model = style.label(spec, curve.model)
    return f"{model}, {style.recipe_label(spec, curve.model, curve.recipe)}" if several else model


def _curve(axes: Axes, curve: Curve, shift: float, color: str, marker: str) -> None:
    x = curve.images * shift
    if curve.refusal:
        axes.plot(x, 100 * curve.errors.mean(axis=0), marker, color=color, markerfacecolor="white")
        return
    law = scaling.fit(curve)
    axes.plot(curve.images, 100 * law.mean(curve.images), color=color, zorder=1)
    intervals = [statistics.t_interval(values) for values in np.log(100 * curve.errors).T]
    middle = np.exp([one.mean for one in intervals])
    bars = None
    if len(curve.seeds) > 1:
        ends = np.exp(np.array([[one.low, one.high] for one in intervals], dtype=float).T)
        bars = [middle - ends[0], ends[1] - middle]
    axes.errorbar(x, middle, yerr=bars, fmt=marker, color=color, capsize=2, elinewidth=0.9, zorder=3)


def _scales(axes: Axes, images: np.ndarray) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(images, [f"{each:,.0f}" for each in images])
    axes.yaxis.set_major_locator(LogLocator(10, (1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
