"""Figure kind `augmentation`: train images before and after the augmentation of recipes, several draws of each.

Specification: {kind, dataset, recipe, augment, draws, classes?, labels?, width_mm?}. `augment` maps each recipe to its
augmentation. A block per augmentation, a row per image: the first train image of each class, as it is, then its draws.
"""

from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from synthmix.analysis.artefacts import Artefacts
from synthmix.figures import style
from synthmix.figures.samples import mosaic
from synthmix.files import read_arrays
from synthmix.images.augmentation import augment
from synthmix.networks import engine
from synthmix.streams import seed

CLASSES = 5  # rows, unless the specification names the classes
TILE_MM = 16.0  # at most


@style.context()
def draw(spec: dict[str, Any], artefacts: Artefacts) -> Figure:
    """Blocks side by side; each draw comes from the stream of training, with step numbers counted from 0."""
    names = list(artefacts.meta(spec["dataset"])["classes"])
    chosen = spec.get("classes") or names[:CLASSES]
    if unknown := [name for name in chosen if name not in names]:
        raise ValueError(f"augmentation: {spec['dataset']} has no class {unknown[0]}")
    arrays, _ = read_arrays(artefacts.data[spec["dataset"]]["train"])
    rows = [int(np.flatnonzero(arrays["labels"] == names.index(name))[0]) for name in chosen]
    images, columns = arrays["images"][rows], 1 + spec["draws"]
    recipes: dict[str, list[str]] = {}  # by their augmentation
    for recipe in spec["recipe"]:
        recipes.setdefault(spec["augment"][recipe], []).append(style.label(spec, recipe))
    named = style.tick_mm(chosen) + 4
    width = style.width_mm(spec, min(style.PAGE_MM, named + len(recipes) * (columns * TILE_MM + 4)))
    tile = (width - named - 4 * len(recipes)) / len(recipes) / columns
    figure, grid = style.panels(width, tile * len(rows) * images.shape[1] / images.shape[2] + 12, 1, len(recipes))
    figure.set_layout_engine("compressed")  # constrained layout misjudges images of fixed aspect
    for axes, (kind, users) in zip(grid[0], recipes.items(), strict=True):
        drawn = np.concatenate([images[:, None], augmented(images, kind, spec["draws"])], 1)
        every = drawn.reshape(-1, *images.shape[1:])
        canvas = mosaic(
            every, np.repeat(range(len(rows)), columns), np.arange(len(every)), [*range(len(rows))], columns
        )
        axes.imshow(canvas, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes.set_title(f"{kind} ({', '.join(users)})")
        side = canvas.shape[1] / columns
        axes.set_xticks([(side - 1) / 2, side * (columns / 2 + 0.5)], ["original", f"{spec['draws']} draws"])
        axes.set_yticks([])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    grid[0, 0].set_yticks(
        (np.arange(len(rows)) + 0.5) * canvas.shape[0] / len(rows), [style.label(spec, name) for name in chosen]
    )
    return figure


def augmented(images: np.ndarray, kind: str, draws: int) -> np.ndarray:
    """Draws of an augmentation, uint8 (N, draws, H, W, C), of uint8 images (N, H, W, C)."""
    random, found = torch.Generator(), []
    for step in range(draws):
        random.manual_seed(seed("augment", 0, step))
        batch = augment(engine.to_device(images, "cpu"), kind, random)
        found.append(batch.float().round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy())
    return np.stack(found, 1)
