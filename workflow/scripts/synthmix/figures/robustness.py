"""Figure kind `robustness`: test accuracy over the severity of each corruption, a line per arm.

Specification: {kind, corruption, dataset?, model?, recipe?, training_set?, metric?, labels?, order?, width_mm?}. A
panel per (dataset, kind of corruption), the mean of all kinds last.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from synthmix.analysis import statistics
from synthmix.analysis.artefacts import Artefacts
from synthmix.analysis.robustness import Tested, tested, title
from synthmix.figures import style
from synthmix.reports.formatting import run_metric_title

ACROSS = 3  # panels side by side
PANEL_MM = 48.0  # height of a panel
SHIFT = 0.08  # between arms, in severities


@style.context()
def draw(spec: dict[str, Any], artefacts: Artefacts) -> Figure:
    """Means with t intervals over seeds; raises ValueError where nothing is selected."""
    found = tested(spec, artefacts)
    names = _labels(spec, found)
    looks = list(dict.fromkeys(names))
    colors, markers = style.numbered(looks, style.PALETTE), style.numbered(looks, style.MARKERS)
    panels = list(dict.fromkeys((each.arm.dataset, kind) for each in found for kind in each.under))
    columns = min(ACROSS, len(panels))
    rows = -(-len(panels) // columns)
    width = style.width_mm(spec, style.COLUMN_MM if columns == 1 else style.PAGE_MM)
    figure, grid = style.panels(width, PANEL_MM * rows + 16, rows, columns, sharey="all")
    several = len({dataset for dataset, _ in panels}) > 1
    for axes, (dataset, kind) in zip(grid.flat, panels, strict=False):
        for each, name in zip(found, names, strict=True):
            if each.arm.dataset == dataset and kind in each.under:
                shift = SHIFT * (looks.index(name) - (len(looks) - 1) / 2)
                _line(axes, each, kind, shift, colors[name], markers[name])
        style.set_title(axes, f"{style.label(spec, dataset)}, {title(kind).lower()}" if several else title(kind))
    for axes in grid.flat[len(panels) :]:
        axes.remove()
    for position, axes in enumerate(grid.flat[: len(panels)]):
        if position >= len(panels) - columns:
            axes.set_xlabel("Severity")
        if position % columns == 0:
            axes.set_ylabel(f"Test {run_metric_title(spec.get('metric', 'accuracy'))} (%)")
    handles = [Line2D([], [], color=colors[name], marker=markers[name], label=name) for name in looks]
    style.legend(figure, handles)
    n = style.span(len(each.clean) for each in found)
    style.footer(figure, f"Mean and 95 % t interval over n = {n} seeds; severity 0: clean images")
    return figure


def _line(axes: Axes, each: Tested, kind: str, shift: float, color: str, marker: str) -> None:
    under = each.under[kind]
    values = [100 * each.clean, *(100 * under[severity] for severity in under)]
    intervals = [statistics.t_interval(one) for one in values]
    reach = [0.0 if one.high is None else one.high - one.mean for one in intervals]
    x = np.array([0, *under.columns])
    axes.errorbar(
        x + shift,
        [one.mean for one in intervals],
        yerr=reach,
        fmt=f"{marker}-",
        color=color,
        markersize=3,
        capsize=1.5,
        elinewidth=0.7,
    )
    axes.set_xticks(x)


def _labels(spec: Mapping[str, Any], found: Sequence[Tested]) -> list[str]:
    """What tells the lines apart: those of model, recipe and training set in which the arms differ."""
    arms = [each.arm for each in found]
    parts = [
        (
            style.label(spec, arm.model),
            style.recipe_label(spec, arm.model, arm.recipe),
            style.label(spec, arm.training_set),
        )
        for arm in arms
    ]
    differing = [at for at in range(3) if len({part[at] for part in parts}) > 1] or [0]
    if {0, 1} <= {*differing} and len({part[:2] for part in parts}) == len({part[0] for part in parts}):
        differing.remove(1)  # each model has one recipe
    return [", ".join(part[at] for at in differing) for part in parts]
