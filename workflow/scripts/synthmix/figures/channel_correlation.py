"""Figure kind `channel_correlation`: Pearson's correlation between the channels of train images, and of generated ones.

Specification: {kind, dataset, images, pool?, labels?, width_mm?}. A heat map for each origin.
"""

from typing import Any

import seaborn as sns
from matplotlib.figure import Figure

from synthmix.analysis import exploring
from synthmix.analysis.artefacts import Artefacts
from synthmix.figures import style
from synthmix.figures.channel_histograms import note

PANEL_MM = 42.0


@style.context()
def draw(spec: dict[str, Any], artefacts: Artefacts) -> Figure:
    """Correlations over all pixels of the images; raises ValueError for grey images."""
    sources = exploring.sources(spec, artefacts)
    names = exploring.channels(sources[0].images)
    if len(names) == 1:
        raise ValueError(f"channel_correlation: the images of {spec['dataset']} are grey, and have one channel")
    width = style.width_mm(spec, min(style.PAGE_MM, PANEL_MM * len(sources) + 28))
    panel = (width - 28) / len(sources)
    figure, grid = style.panels(width, panel + 18, 1, len(sources), sharey="all")
    figure.set_layout_engine("compressed")  # constrained layout misjudges panels of fixed aspect
    for axes, source in zip(grid[0], sources, strict=True):
        sns.heatmap(
            exploring.correlation(source.images),
            vmin=-1,
            vmax=1,
            cmap="RdBu",
            cbar=False,
            square=True,
            annot=True,
            fmt=".2f",
            annot_kws={"fontsize": style.FONT_PT - 1},
            xticklabels=names,
            yticklabels=names,
            ax=axes,
        )
        axes.tick_params(length=0, labelrotation=0)
        axes.set_title(style.label(spec, source.name))
    bar = figure.colorbar(grid[0, 0].collections[0], ax=grid, aspect=18, pad=0.02)
    bar.set_label("Correlation")
    bar.outline.set_visible(False)
    style.footer(figure, note(sources, spec))
    return figure
