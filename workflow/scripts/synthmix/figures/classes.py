"""Figure kind `classes`: differences between two arms, by group and for the classes at either end.

Specification: {kind, dataset, training_set, model, recipe, groups?, shown?, labels?, width_mm?}; the names select two
arms, and differences are the first minus the second. One panel for groups, where there are some, and one for classes.
"""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from synthmix.analysis.artefacts import Artefacts
from synthmix.analysis.class_arms import ALIKE, compared
from synthmix.analysis.per_class import PerClass
from synthmix.figures import style

SHOWN = 8  # classes at either end
ROW_MM = 4.2
COLOR = style.PALETTE[0]


@style.context()
def draw(spec: dict[str, Any], artefacts: Artefacts) -> Figure:
    """Differences with intervals, and shrunken ones; raises ValueError as class_arms.compared does."""
    found = compared(spec, artefacts)
    order = found.order
    shown = spec.get("shown", SHOWN)
    ends = order if len(order) <= 2 * shown else np.concatenate([order[:shown], order[-shown:]])
    panels = [("Classes", found.classes, found.by_class, ends)]
    if found.by_group is not None:
        panels.insert(0, ("Groups", found.groups, found.by_group, np.arange(len(found.groups))))
    rows = max(len(places) for *_, places in panels)
    width = style.width_mm(spec, style.COLUMN_MM if len(panels) == 1 else style.PAGE_MM)
    figure, grid = style.panels(width, 30 + ROW_MM * rows, 1, len(panels))
    first, second = (", ".join(style.label(spec, part) for part in name.split(", ")) for name in found.names)
    for axes, (title, names, results, places) in zip(grid[0], panels, strict=True):
        _panel(axes, [style.label(spec, names[place]) for place in places], results, places)
        style.set_title(axes, title)
        axes.set_xlabel("Difference (points)")
    if few := len(ends) < len(order):
        grid[0, -1].axhline(shown - 0.5, color=style.GREY, linewidth=0.6, linestyle=":")
    handles = [
        Line2D([], [], color=COLOR, marker="o", ls="", label="shrunken difference"),
        Line2D([], [], color=style.GREY, marker="o", markerfacecolor="white", label="difference, 95 % interval"),
    ]
    style.legend(figure, handles)
    style.footer(
        figure,
        f"{first} minus {second}, n = {found.seeds} seeds; intervals over seeds and test images (number in brackets), "
        "variances pooled over classes. Shrunken: empirical Bayes, drawn towards the mean of all classes, or groups"
        + (f". Of {len(order)} classes, the {shown} at either end" if few else "")
        + (f". {ALIKE}" if found.alike else ""),
    )
    return figure


def _panel(axes: Axes, names: list[str], results: PerClass, places: np.ndarray) -> None:
    y = np.arange(len(places))
    middle = 100 * results.difference[places]
    bars = [middle - 100 * results.low[places], 100 * results.high[places] - middle]
    axes.axvline(0, color=style.GREY, linewidth=0.6)
    axes.errorbar(middle, y, xerr=bars, fmt="o", color=style.GREY, markerfacecolor="white", elinewidth=0.9, capsize=2)
    axes.plot(100 * results.shrunken[places], y, "o", color=COLOR, zorder=4)
    axes.set_yticks(y, [f"{name} ({images})" for name, images in zip(names, results.images[places], strict=True)])
    axes.set_ylim(len(places) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
