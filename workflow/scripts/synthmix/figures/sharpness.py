"""Figure kind `sharpness`: mean magnitude of Sobel's gradient in each train image, beside generated ones.

Specification: {kind, dataset, images, pool?, labels?, width_mm?}.
"""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from synthmix.analysis import exploring
from synthmix.analysis.artefacts import Artefacts
from synthmix.figures import style
from synthmix.figures.channel_histograms import note

BINS = 40


@style.context()
def draw(spec: dict[str, Any], artefacts: Artefacts) -> Figure:
    """A histogram for each origin over bins that they share, as density; lines mark the medians."""
    sources = exploring.sources(spec, artefacts)
    values = [exploring.sharpness(source.images) for source in sources]
    edges = np.histogram_bin_edges(np.concatenate(values), BINS)
    colors = style.numbered([source.name for source in sources], (style.GREY, *style.PALETTE))
    figure, grid = style.panels(style.width_mm(spec, style.COLUMN_MM), 62)
    axes = grid[0, 0]
    for source, each in zip(sources, values, strict=True):
        color = colors[source.name]
        heights = np.histogram(each, edges, density=True)[0]
        if source.name == "train":
            axes.stairs(heights, edges, fill=True, color=color, alpha=0.25, linewidth=0)
        axes.stairs(heights, edges, color=color, linewidth=1.0)
        axes.axvline(np.median(each), color=color, linestyle=(0, (4, 1.5)), linewidth=0.9)
    axes.set_xlabel("Mean gradient magnitude (Sobel, 5 x 5)")
    axes.set_ylabel("Density")
    axes.set_ylim(bottom=0)
    if len(sources) > 1:
        style.legend(figure, [Line2D([], [], color=colors[s.name], label=style.label(spec, s.name)) for s in sources])
    style.footer(
        figure,
        f"{note(sources, spec)}. Dashed: median. A slope of one grey level per pixel counts {exploring.SLOPE}",
    )
    return figure
