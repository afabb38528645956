"""Figure kind `corrupted_images`: one image in every severity of every kind of a corruption.

Specification: {kind, corruption, dataset, labels?, width_mm?}. The image is the first of the train split, not chosen by
eye; it is corrupted as test images are. A row per kind, a column per severity, the image as it is first.
"""

import json
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from synthmix.analysis.artefacts import Artefacts
from synthmix.analysis.robustness import title
from synthmix.figures import style
from synthmix.files import read_arrays

LABEL_MM, TITLE_MM = 3.5, 5.0  # height of the text below a row, and of that above all
MOST_MM = 29.0  # of a side, so that few severities do not fill a page


@style.context()
def draw(spec: dict[str, Any], artefacts: Artefacts) -> Figure:
    """Images with the parameter of each severity below them."""
    arrays, about = read_arrays(artefacts.corrupted_images[0])
    images = arrays["images"]  # (kinds, severities, H, W, C)
    labels: dict[str, list[str]] = json.loads(about["labels"])
    severities: list[int] = json.loads(about["severities"])
    kinds = json.loads(about["kinds"])
    named = style.tick_mm(map(title, kinds)) + 3
    width = style.width_mm(spec, min(style.PAGE_MM, named + MOST_MM * images.shape[1]))
    tile = (width - named) / images.shape[1]
    row = tile * images.shape[2] / images.shape[3] + LABEL_MM
    height = row * len(kinds) + TITLE_MM + 4
    figure, grid = style.panels(width, height, *images.shape[:2])
    figure.set_layout_engine("none")  # places are known
    for (at, column), axes in np.ndenumerate(grid):
        image = images[at, column]
        axes.imshow(image.squeeze(2) if image.shape[2] == 1 else image, cmap="gray", vmin=0, vmax=255)
        left, top = named + column * tile, height - TITLE_MM - at * row
        side, tall = tile * 0.94, (row - LABEL_MM) * 0.94
        axes.set_position((left / width, (top - tall) / height, side / width, tall / height))
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
        if column:
            axes.set_xlabel(labels[kinds[at]][column - 1], fontsize=style.FONT_PT - 2, labelpad=1.5)
        if not at:
            axes.set_title(f"Severity {severities[column - 1]}" if column else "Clean", pad=3)
        if not column:
            axes.set_ylabel(title(kinds[at]), rotation=0, ha="right", va="center", fontsize=style.FONT_PT - 1)
    style.footer(figure, f"The first train image of {style.label(spec, spec['dataset'])}")
    return figure
