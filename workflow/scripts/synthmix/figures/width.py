"""Figure kind `width`: train and test error over the size of a network, with the interpolation thresholds marked.

Specification: {kind, model, training_set, tolerance, widths, axis?, dataset?, recipe?, labels?, order?, width_mm?}. One
panel per (dataset, recipe), one colour per training set. With `axis` "width" the horizontal axis is the models' width,
else their number of parameters.
"""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from synthmix.analysis import statistics
from synthmix.analysis.artefacts import Artefacts
from synthmix.analysis.sweeps import Sweep, sweeps
from synthmix.figures import style

DASHED: Any = (0, (4, 1.5))
SETTING = ("dataset", "training_set", "recipe")  # of a sweep


@style.context()
def draw(spec: dict[str, Any], artefacts: Artefacts) -> Figure:
    """Means with t intervals over seeds; raises ValueError for what sweeps.sweeps refuses."""
    found = sweeps(spec, artefacts)
    panels = list(dict.fromkeys((sweep.dataset, sweep.recipe) for sweep in found))
    names = list(dict.fromkeys(sweep.training_set for sweep in found))
    colors, markers = style.numbered(names, style.PALETTE), style.numbered(names, style.MARKERS)
    width = style.width_mm(spec, style.COLUMN_MM if len(panels) == 1 else style.PAGE_MM)
    figure, grid = style.panels(width, 84, 1, len(panels), sharey="all")
    for axes, panel in zip(grid[0], panels, strict=True):
        here = [sweep for sweep in found if (sweep.dataset, sweep.recipe) == panel]
        for sweep in here:
            color, marker = colors[sweep.training_set], markers[sweep.training_set]
            x = sweep.widths if spec.get("axis") == "width" else sweep.parameters
            _errors(axes, x, sweep.test, color, marker)
            _errors(axes, x, sweep.train, color, marker, train=True)
            reached = sweep.threshold(spec["tolerance"])
            if reached is not None:
                _mark(axes, float(x[reached]), names.index(sweep.training_set), color)
        axes.set_xscale("log")
        if spec.get("axis") == "width":
            widths = np.unique(np.concatenate([sweep.widths for sweep in here]))
            axes.xaxis.set_minor_locator(NullLocator())
            axes.set_xticks(widths, [f"{each:g}" for each in widths])
        axes.set_xlabel("Width" if spec.get("axis") == "width" else "Parameters")
        if len(panels) > 1:
            several = len({dataset for dataset, _ in panels}) > 1
            style.set_title(axes, ", ".join(style.label(spec, name) for name in panel[0 if several else 1 :]))
    grid[0, 0].set_ylim(bottom=0)
    grid[0, 0].set_ylabel("Error (%)")
    _explain(figure, spec, found, colors, markers)
    return figure


def _errors(axes: Axes, x: np.ndarray, errors: pd.DataFrame, color: str, marker: str, train: bool = False) -> None:
    intervals = [statistics.t_interval(100 * errors[model].dropna()) for model in errors.columns]
    means = np.array([one.mean for one in intervals])
    reach = [0.0 if one.high is None else one.high - one.mean for one in intervals]
    axes.errorbar(
        x,
        means,
        yerr=reach,
        fmt=marker,
        linestyle=DASHED if train else "-",
        color=color,
        markerfacecolor="white" if train else color,
        markersize=3,
        capsize=1.5,
        elinewidth=0.7,
        label="train" if train else "test",
    )


def _mark(axes: Axes, x: float, position: int, color: str) -> None:
    """A threshold: a dotted line from a triangle at the top, each training set's a little lower."""
    axes.axvline(x, color=color, linewidth=0.8, linestyle=(position, (1, 2)), zorder=0, label="threshold")
    axes.plot([x], [1 - 0.035 * position], "v", color=color, transform=axes.get_xaxis_transform(), clip_on=False)


def _explain(
    figure: Figure, spec: dict[str, Any], found: list[Sweep], colors: dict[str, str], markers: dict[str, str]
) -> None:
    handles = [
        Line2D([], [], color=color, marker=markers[name], label=style.label(spec, name))
        for name, color in colors.items()
    ]
    handles += [
        Line2D([], [], color=style.GREY, label="Test"),
        Line2D([], [], color=style.GREY, linestyle=DASHED, label="Train"),
        Line2D([], [], color=style.GREY, marker="v", linestyle=":", label="Interpolation threshold"),
    ]
    style.legend(figure, handles)
    counts = [n for sweep in found for n in sweep.test.notna().sum()]
    several = [len({getattr(each, key) for each in found}) > 1 for key in SETTING]
    unreached = [
        ", ".join(
            style.label(spec, getattr(each, key))
            for key, shown in zip(SETTING, several, strict=True)
            if shown or key == "training_set"
        )
        for each in found
        if each.threshold(spec["tolerance"]) is None
    ]
    note = f"Mean and 95 % t interval over n = {style.span(counts)} seeds. Threshold: the smallest width from which on "
    note += f"the mean train error is at most {100 * spec['tolerance']:g} %"
    style.footer(figure, note + (f"; not reached: {'; '.join(unreached)}" if unreached else ""))
