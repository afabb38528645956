"""Figure kind `channel_histograms`: how light the pixels of train images are, by channel, beside generated ones.

Specification: {kind, dataset, images, pool?, labels?, width_mm?}. Without pools, all channels in one panel; with pools,
a panel per channel.
"""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from synthmix.analysis import exploring
from synthmix.analysis.artefacts import Artefacts
from synthmix.analysis.exploring import BINS, Source
from synthmix.figures import style

COLOURS = {"Intensity": style.GREY, "Red": "#D55E00", "Green": "#009E73", "Blue": "#0072B2"}
EDGES = np.linspace(0, 256, BINS + 1)
DOMINANT = 0.5  # share of pixels in one bin from which on the densities of the others need a logarithmic axis


@style.context()
def draw(spec: dict[str, Any], artefacts: Artefacts) -> Figure:
    """Densities per grey level of equally many images of each origin, where it has that many."""
    sources = exploring.sources(spec, artefacts)
    names = exploring.channels(sources[0].images)
    densities = [[exploring.density(source.images[..., k]) for k in range(len(names))] for source in sources]
    alone = len(sources) == 1
    panels = 1 if alone else len(names)
    figure, grid = style.panels(
        style.width_mm(spec, style.COLUMN_MM if panels == 1 else style.PAGE_MM), 62, 1, panels, sharey="all"
    )
    colors = style.numbered([source.name for source in sources], (style.GREY, *style.PALETTE))
    for source, each in zip(sources, densities, strict=True):
        for channel, (name, values) in enumerate(zip(names, each, strict=True)):
            axes = grid[0, 0 if alone else channel]
            color = COLOURS[name] if alone else colors[source.name]
            if source.name == "train":
                axes.stairs(values, EDGES, fill=True, color=color, alpha=0.2, linewidth=0)
            axes.stairs(values, EDGES, color=color, linewidth=1.0)
            if not alone:
                style.set_title(axes, name)
    for axes in grid[0]:
        axes.set_xlim(0, 256)
        axes.set_xticks([0, 64, 128, 192, 255])
        axes.set_xlabel("Grey level of the pixel" if names == ["Intensity"] else "Intensity of the channel")
        if max(np.max(each) for each in densities) * 256 / BINS > DOMINANT:
            axes.set_yscale("log")
    grid[0, 0].set_ylabel("Density (per level)")
    shown = {name: COLOURS[name] for name in names} if alone else colors
    if len(shown) > 1:
        style.legend(figure, [Line2D([], [], color=shown[name], label=style.label(spec, name)) for name in shown])
    style.footer(figure, note(sources, spec))
    return figure


def note(sources: list[Source], spec: dict[str, Any]) -> str:
    """How many images of which origin are behind a figure."""
    counts = ", ".join(f"{style.label(spec, source.name)} {len(source.images):,}" for source in sources)
    return f"Images, drawn at random: {counts}"
