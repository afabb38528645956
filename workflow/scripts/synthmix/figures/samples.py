"""Figure kind `samples`: real images beside those of each pool, a row per class.

Specification: {kind, dataset, pool, columns?, classes?, labels?, width_mm?}. The choice is fixed, not picked by eye:
the first images of each class in the train split, and those of the lowest seed and index in each pool, flagged ones
left out.
"""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from synthmix.analysis.artefacts import Artefacts
from synthmix.experiments import wanted
from synthmix.figures import style
from synthmix.files import read_arrays
from synthmix.images import pools

CLASSES = 10  # rows, unless the specification names the classes


@style.context()
def draw(spec: dict[str, Any], artefacts: Artefacts) -> Figure:
    """Blocks of `columns` images per class (default 8); a class with fewer images leaves white space."""
    dataset, columns = spec["dataset"], int(spec.get("columns") or 8)
    names = list(artefacts.meta(dataset)["classes"])
    chosen = wanted(spec, "classes") or names[:CLASSES]
    if unknown := [name for name in chosen if name not in names]:
        raise ValueError(f"samples: {dataset} has no class {unknown[0]}")
    labels = [names.index(name) for name in chosen]
    arrays, _ = read_arrays(artefacts.data[dataset]["train"])
    order = np.arange(len(arrays["labels"]))
    blocks = [("real (train)", mosaic(arrays["images"], arrays["labels"], order, labels, columns))]
    for name in wanted(spec, "pool") or []:
        if (dataset, name) not in artefacts.pools:
            raise ValueError(f"samples: pool {name} of {dataset} is not among the inputs")
        pool = pools.read(artefacts.pools[dataset, name])
        order = np.lexsort((pool.index, pool.seed))
        order = order[~pool.left_out[order]]
        heading = style.label(spec, name) if name in spec.get("labels", {}) else f"{name} (generated)"
        blocks.append((heading, mosaic(pool.images, pool.labels, order, labels, columns)))
    width = style.width_mm(spec)
    block_width = (width - 5 - style.tick_mm(chosen) - 2 * len(blocks)) / len(blocks)
    titles = [style.lines(title, block_width) for title, _ in blocks]
    height = block_width * len(labels) / columns + 4 + 3.5 * max(map(len, titles))
    figure, grid = style.panels(width, height, 1, len(blocks))
    figure.set_layout_engine("compressed")  # constrained layout misjudges images of fixed aspect
    for axes, title, (_, image) in zip(grid[0], titles, blocks, strict=True):
        axes.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes.set_title("\n".join(title))
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
    side = arrays["images"].shape[1]
    tile = blocks[0][1].shape[0] // len(labels)
    grid[0, 0].set_yticks(np.arange(len(labels)) * tile + (side - 1) / 2, chosen)
    grid[0, 0].tick_params(axis="y", length=0)
    return figure


def mosaic(images: np.ndarray, targets: np.ndarray, order: np.ndarray, labels: list[int], columns: int) -> np.ndarray:
    """uint8 (rows * tile, columns * tile[, 3]): the first `columns` images of each label, along `order`, on white.

    `images` is uint8 (N, H, W, C) with C = 1 or 3. Between tiles stands a white gap of an eighth of their side.
    """
    height, width, channels = images.shape[1:]
    gap = max(1, height // 8)
    canvas = np.full((len(labels) * (height + gap), columns * (width + gap), channels), 255, dtype=np.uint8)
    for row, label in enumerate(labels):
        for column, index in enumerate(order[targets[order] == label][:columns]):
            top, left = row * (height + gap), column * (width + gap)
            canvas[top : top + height, left : left + width] = images[index]
    return canvas[:, :, 0] if channels == 1 else canvas
