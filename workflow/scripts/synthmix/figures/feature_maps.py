"""Figure kind `feature_maps`: what layers of one network make of test images.

Specification: {kind, explainer, dataset, training_set, model, recipe, seed?, classes?, labels?, width_mm?}. Of each
image: the image, then a square of channels for each layer.
"""

import json
import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from synthmix.analysis.artefacts import Artefacts
from synthmix.experiments import select
from synthmix.figures import style

ACROSS = 4  # panels side by side
GAP = 1 / 12  # between maps, in sides of one


@style.context()
def draw(spec: dict[str, Any], artefacts: Artefacts) -> Figure:
    """Maps with a scale of their own each; raises ValueError where nothing is selected."""
    found = artefacts.read_explanations()
    found = select(found[found["explainer"] == spec["explainer"]], spec)
    seed = spec.get("seed", found["seed"].min())
    names = list(artefacts.meta(spec["dataset"])["classes"])
    found = found[found["seed"] == seed]
    if "classes" in spec:
        found = found[found["label"].isin([names.index(name) for name in spec["classes"]])]
    images = [rows for _, rows in found.groupby("label", sort=False)]
    if not images:
        raise ValueError(f"feature_maps: explainer {spec['explainer']} has no map that is asked for: name others")
    layers = list(images[0]["layer"].dropna().unique())
    across = min(ACROSS, 1 + len(layers))
    lines = -(-(1 + len(layers)) // across)
    width = style.width_mm(spec)
    figure, grid = style.panels(width, (width / across + 10) * lines * len(images) + 4, lines * len(images), across)
    figure.set_layout_engine("compressed")  # constrained layout misjudges images of fixed aspect
    for axes in grid.flat:
        axes.set_axis_off()
    for line, rows in zip(range(0, len(grid), lines), images, strict=True):
        cells = list(grid[line : line + lines].flat)
        _image(cells[0], rows, names, spec)
        for axes, layer in zip(cells[1:], layers, strict=False):
            _layer(axes, layer.removeprefix("network."), rows[rows["layer"] == layer])
    what = ", ".join(style.label(spec, spec[key]) for key in ("model", "training_set", "recipe"))
    style.footer(figure, f"{what}, seed {seed}. Each map from its smallest (dark) to its largest value (light)")
    return figure


def _image(axes: Axes, rows: pd.DataFrame, names: list[str], spec: dict[str, Any]) -> None:
    image = np.array(json.loads(rows[rows["what"] == "image"]["values"].iloc[0]), dtype=np.uint8)
    axes.imshow(image[..., 0] if image.shape[2] == 1 else image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    label, predicted = (style.label(spec, names[int(rows[key].iloc[0])]) for key in ("label", "predicted"))
    axes.set_title(label if label == predicted else f"{label} (predicted: {predicted})")


def _layer(axes: Axes, name: str, rows: pd.DataFrame) -> None:
    maps = [np.array(json.loads(each)) for each in rows["values"]]
    numbers = rows["channel"].astype(int).tolist()
    axes.imshow(square(maps), cmap="viridis", vmin=0, vmax=255, interpolation="nearest")
    in_order = numbers == list(range(1, len(numbers) + 1))
    which = f"channels 1 to {len(numbers)}" if in_order else f"{len(numbers)} channels"
    axes.set_title(f"{name}\n{which} of {int(rows['channels'].iloc[0])}")
    if not in_order:
        side, (height, width) = columns(len(maps)), np.array(maps[0].shape) + _gap(maps)
        for position, number in enumerate(numbers):
            row, column = divmod(position, side)
            place = (column * width, row * height)
            text = axes.annotate(str(number), place, (1, -1), textcoords="offset points", va="top", color="white")
            text.set(fontsize=style.FONT_PT - 3, bbox={"boxstyle": "square,pad=0.1", "color": "black", "alpha": 0.5})


def columns(count: int) -> int:
    """Columns of the smallest square that has room for so many maps."""
    return math.isqrt(count - 1) + 1


def square(maps: list[np.ndarray]) -> np.ndarray:
    """Float (H, W): maps in rows, from the top left, in a square; NaN between them and where none is."""
    side, gap, (height, width) = columns(len(maps)), _gap(maps), maps[0].shape
    canvas = np.full((-(-len(maps) // side) * (height + gap) - gap, side * (width + gap) - gap), np.nan)
    for position, each in enumerate(maps):
        top, left = (position // side) * (height + gap), (position % side) * (width + gap)
        canvas[top : top + height, left : left + width] = each
    return canvas


def _gap(maps: list[np.ndarray]) -> int:
    return max(1, round(maps[0].shape[1] * GAP))
