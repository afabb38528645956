"""Figure kind `epochs`: train and validation error against the epoch, for several models on one training set.

Specification: {kind, training_set, model, dataset?, recipe?, labels?, order?, width_mm?}. One panel per recipe, one
colour per model; lines are means over seeds, bands their t intervals, at the epochs that every seed reached.
"""

from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import StrMethodFormatter

from synthmix.analysis.artefacts import Artefacts
from synthmix.experiments import groups, select
from synthmix.figures import style

LINES: dict[str, tuple[str, Any]] = {"val": ("Validation", "-"), "train": ("Training images", (0, (4, 1.5)))}


@style.context()
def draw(spec: dict[str, Any], artefacts: Artefacts) -> Figure:
    """Curves of the selected runs; raises ValueError where no history is selected."""
    histories = select(artefacts.read_histories(), spec)
    panels = list(groups(histories, ["recipe"]))
    colors = style.numbered(list(histories["model"].unique()), style.PALETTE)
    width = style.width_mm(spec, style.COLUMN_MM if len(panels) == 1 else style.PAGE_MM)
    figure, grid = style.panels(width, 74, 1, len(panels), sharey="all")
    counts = []
    for axes, ((recipe,), part) in zip(grid[0], panels, strict=True):
        for (model,), history in groups(part, ["model"]):
            for name, (_, line) in LINES.items():
                by_epoch = 1 - history.pivot(index="epoch", columns="seed", values=f"{name}_accuracy").dropna()
                x, values = by_epoch.index.to_numpy(), 100 * by_epoch.to_numpy()
                style.mean_and_band(axes, x, values, colors[model], line, f"{model} {name}")
            counts.append(history["seed"].nunique())
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
        axes.set_xlabel("Epoch")
        if len(panels) > 1:
            style.set_title(axes, style.label(spec, recipe))
    grid[0, 0].set_ylim(bottom=0)
    grid[0, 0].set_ylabel("Error (%)")
    handles = [Line2D([], [], color=color, label=style.label(spec, name)) for name, color in colors.items()]
    handles += [Line2D([], [], color=style.GREY, linestyle=line, label=label) for label, line in LINES.values()]
    style.legend(figure, handles)
    style.footer(
        figure,
        f"Training set {style.label(spec, spec['training_set'])}. Mean and 95 % t interval over n = "
        f"{style.span(counts)} seeds, at the epochs that every seed reached. Error on training images: in the steps "
        "since the last point, on the labels trained on",
    )
    return figure
