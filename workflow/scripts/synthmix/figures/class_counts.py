"""Figure kind `class_counts`: the images of each class in train, val and test, a panel for each split.

Specification: {kind, dataset, labels?, width_mm?}. Counts are those of the prepared data set, each split's own.
"""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from synthmix.analysis.artefacts import Artefacts
from synthmix.data import SPLITS
from synthmix.figures import style

NAMED = 30  # classes up to which each has its name
BAR_MM = 4.0
NEXT = {True: "\n", False: ", "}  # within a title: panels side by side are narrow


@style.context()
def draw(spec: dict[str, Any], artefacts: Artefacts) -> Figure:
    """Horizontal bars with names side by side; of more than NAMED classes, bars in the data set's order, one above
    the other."""
    counts = artefacts.meta(spec["dataset"])["counts"]
    names = list(counts["train"])
    few = len(names) <= NAMED
    width = style.width_mm(spec)
    if few:
        figure, grid = style.panels(width, BAR_MM * len(names) + 21, 1, len(SPLITS), sharey="all")
    else:
        figure, grid = style.panels(width, 105, len(SPLITS), 1, sharex="all")
    for axes, split, color in zip(grid.flat, SPLITS, style.PALETTE, strict=False):
        values = np.array([counts[split][name] for name in names])
        (_named if few else _many)(axes, values, color)
        axes.set_title(f"{split.capitalize()}: {values.sum():,} images{NEXT[few]}{_each(values)}")
    if few:
        grid[0, 0].set_yticks(range(len(names)), [style.label(spec, name) for name in names])
        grid[0, 0].invert_yaxis()  # for all, the first class at the top
    else:
        grid[-1, 0].set_xlabel(f"Class (1 to {len(names)}, in the order of the data set)")
    return figure


def _each(values: np.ndarray) -> str:
    low, high = values.min(), values.max()
    return f"{low:,} a class" if low == high else f"{low:,} to {high:,} a class"


def _named(axes: Axes, values: np.ndarray, color: str) -> None:
    axes.barh(range(len(values)), values, color=color, height=0.75)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_xlabel("Images")


def _many(axes: Axes, values: np.ndarray, color: str) -> None:
    axes.bar(np.arange(1, len(values) + 1), values, color=color, width=1.0, linewidth=0)
    axes.set_xlim(0.5, len(values) + 0.5)
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_ylabel("Images")
