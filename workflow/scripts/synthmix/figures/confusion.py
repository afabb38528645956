"""Figure kind `confusion`: confusion matrices on the test images, summed over seeds, a panel per training set.

Specification: {kind, training_set, dataset?, model, recipe, labels?, order?, width_mm?}. Colours are row-normalised
(the share of a true class); counts are written for up to 12 classes.
"""

from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from synthmix.analysis.artefacts import Artefacts
from synthmix.experiments import arms, select
from synthmix.figures import style

ANNOTATED = 12  # classes up to which counts are written
PER_ROW = 3


@style.context()
def draw(spec: dict[str, Any], artefacts: Artefacts) -> Figure:
    """One heat map per arm, those of a dataset on the same classes; raises ValueError where nothing is selected."""
    columns = ["training_set", "seed", "label", "prediction"]
    panels = list(arms(select(artefacts.read_predictions(columns), spec)))
    per_row = min(PER_ROW, len(panels))
    rows = -(-len(panels) // per_row)
    width = style.width_mm(spec, style.COLUMN_MM if len(panels) == 1 else style.PAGE_MM)
    several = len({arm[:3] for arm, _ in panels}) > 1
    classes = {dataset: list(artefacts.meta(dataset)["classes"]) for dataset in {arm.dataset for arm, _ in panels}}
    written = [name for names in classes.values() if len(names) <= ANNOTATED for name in names] or [""]
    room = style.tick_mm(written)
    panel = (width - 22 - room * (per_row if several else 1)) / per_row  # beside class names and the colour bar
    figure, grid = style.panels(width, rows * (panel + room + 14) + 4, rows, per_row)
    for position, (axes, (arm, predictions)) in enumerate(zip(grid.flat, panels, strict=False)):
        names = classes[arm.dataset]
        counts = matrix(predictions, len(names))
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        small = len(names) <= ANNOTATED
        ticks: Any = names if small else False
        sns.heatmap(
            shares,
            vmin=0,
            vmax=1,
            cmap="Blues",
            square=True,
            cbar=False,
            annot=np.where(counts == 0, "", counts.astype(str)) if small else False,
            fmt="",
            annot_kws={"fontsize": style.FONT_PT - 3},
            linewidths=0.3 if small else 0,
            linecolor="#e6e6e6",
            xticklabels=ticks,
            yticklabels=ticks if position % per_row == 0 or several else False,
            ax=axes,
        )
        axes.tick_params(length=0)
        axes.tick_params(axis="y", labelrotation=0)
        axes.tick_params(axis="x", labelrotation=90 if max(map(len, names)) > 2 else 0)
        title = style.label(spec, arm.training_set)
        style.set_title(axes, ", ".join([title, style.label(spec, arm.model), arm.recipe]) if several else title)
        axes.set_xlabel("Predicted class")
        axes.set_ylabel("True class" if position % per_row == 0 else "")
    for axes in list(grid.flat)[len(panels) :]:
        axes.remove()
    bar = figure.colorbar(grid.flat[0].collections[0], ax=grid, shrink=0.7 / rows, aspect=25, pad=0.01)
    bar.set_label("Share of the true class")
    bar.outline.set_visible(False)
    seeds = style.span(group["seed"].nunique() for _, group in panels)
    style.footer(
        figure, f"Test predictions summed over n = {seeds} seeds" + ("; numbers: predictions" if any(written) else "")
    )
    return figure


def matrix(predictions: pd.DataFrame, classes: int) -> np.ndarray:
    """int64 (classes, classes): how often true class (row) was predicted as class (column)."""
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (predictions["label"].to_numpy(), predictions["prediction"].to_numpy()), 1)
    return counts
