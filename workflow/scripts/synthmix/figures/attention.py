"""Figure kind `attention`: what the class token of one network looks at, over the images themselves.

Specification: {kind, explainer, dataset, training_set, model, recipe, seed?, subjects?, classes?, layers?, heads,
labels?, width_mm?}. A row per image: the image, a map for each head of each layer, or for the mean of a layer's heads,
and attention rollout. Test images, mean images and drawn
ones stand side by side where a page has room for all their maps, else below each other.
"""

import itertools
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure

from synthmix.analysis.artefacts import Artefacts
from synthmix.experiments import select
from synthmix.figures import style

SUBJECTS = {"instance": "Test image", "mean": "Mean train image", "drawn": "Drawn"}
CLASSES = 10  # shown, unless the specification names the classes
ACROSS = 16  # images and maps that a page has room for side by side
HEIGHT_MM = 240.0  # of a page
MIN_MM = 4.0  # side of a map below which nothing is seen, and titles overlap
PATCH = 8  # pixels a side at least, of patches that do not divide the image
TILE_MM = 13.0  # side of a map at most
GAP = 1 / 8  # between maps, in sides of one
NUMBER_MM, NUMBERED_MM = 2.6, 6.0  # height of a number below a map; side of a map from which on there are numbers
HEAD_MM, BAR_MM = 13.0, 17.0  # room for the titles of a block, and for the colour bar
COLOURS = colormaps["inferno"]
OPAQUE = 0.7  # of a map; the rest is the image below it


Maps = dict[tuple[int, int], np.ndarray]  # (rows, columns) each, by layer and head, (0, 0) being rollout


class Row(NamedTuple):
    """One image with its maps. label: its class, with the predicted one where that is another.

    image: uint8 (H, W, C). maps: (rows, columns) each, in the order of `names`: (layer, head), (0, 0) for rollout.
    """

    label: str
    image: np.ndarray
    maps: list[np.ndarray]
    names: list[tuple[int, int]]


@style.context()
def draw(spec: dict[str, Any], artefacts: Artefacts) -> Figure:
    """Maps with a scale of their own each, from 0 to the largest weight; ValueError where nothing is selected."""
    found = artefacts.read_explanations()
    found = select(found[found["explainer"] == spec["explainer"]], spec)
    seed = spec.get("seed", found["seed"].min())
    blocks = _blocks(spec, found[found["seed"] == seed], list(artefacts.meta(spec["dataset"])["classes"]))
    columns = 1 + len(blocks[0][1][0].maps)
    named = style.tick_mm(row.label for _, rows in blocks for row in rows) + 3
    across = max(1, min(len(blocks), ACROSS // columns, int(style.width_mm(spec) / 2 / named)))
    bands = [blocks[start : start + across] for start in range(0, len(blocks), across)]
    lines = [max(len(rows) for _, rows in band) for band in bands]
    fixed = across * named + BAR_MM
    tile = max(1.0, (style.width_mm(spec) - fixed) / across / columns / (1 + GAP))
    if tile < MIN_MM:
        raise ValueError(
            f"attention: {columns - 1} maps side by side are too small to see: name layers, or heads: mean"
        )
    if not spec.get("width_mm"):
        tile = min(tile, TILE_MM, _side((HEIGHT_MM - HEAD_MM * len(bands) - 10) / sum(lines)))
    step = columns * tile * (1 + GAP) + named
    width = across * step + BAR_MM
    note = _note(spec, seed, tile)
    note_mm = style.footer_mm(note, width)
    side = blocks[0][1][0].image.shape[1]
    line_mm = tile * (1 + _gap(tile, side) / side)
    height = sum(lines) * line_mm + HEAD_MM * len(bands) + note_mm
    figure, grid = style.panels(width, height, len(bands), across)
    figure.set_layout_engine("none")  # places are known, and those of automatic layouts are wrong for fixed aspects
    top = height
    for line, band, axes_of_band in zip(lines, bands, grid, strict=True):
        top -= HEAD_MM
        for position, (axes, block) in enumerate(itertools.zip_longest(axes_of_band, band)):
            if block is None:
                axes.remove()
                continue
            canvas = _panel(axes, block[1], tile)
            axes.set_title(SUBJECTS[block[0]], pad=22)
            size = np.array(canvas.shape[:2]) * tile / side
            place = (position * step + named, top - size[0], size[1], size[0])
            axes.set_position((place[0] / width, place[1] / height, place[2] / width, place[3] / height))
        top -= line * line_mm
    long = min(50.0, height - HEAD_MM - note_mm)
    bar_axes = figure.add_axes(
        ((width - BAR_MM + 2) / width, (height - HEAD_MM - long) / height, 2.5 / width, long / height)
    )
    bar = figure.colorbar(ScalarMappable(cmap=COLOURS), cax=bar_axes)
    bar.set_ticks([0, 1], labels=["0", "largest"])
    bar.outline.set_visible(False)
    bar.set_label("Weight", labelpad=-8)
    style.footer(figure, note)
    return figure


def _blocks(spec: dict[str, Any], found: pd.DataFrame, classes: list[str]) -> list[tuple[str, list[Row]]]:
    """Each subject with its rows: by class, in the order asked for."""
    chosen = spec.get("classes") or [name for name in classes if classes.index(name) in set(found["label"])][:CLASSES]
    if unknown := [name for name in chosen if name not in classes]:
        raise ValueError(f"attention: {spec['dataset']} has no class {unknown[0]}")
    blocks = []
    for subject in spec.get("subjects") or SUBJECTS:
        rows = []
        for name in chosen:
            images = found[(found["subject"] == subject) & (found["label"] == classes.index(name))]
            rows += [_row(maps, classes, spec) for _, maps in images.groupby("number")]
        if rows:
            blocks.append((subject, rows))
    if not blocks:
        raise ValueError(f"attention: explainer {spec['explainer']} has no map that is asked for: name others")
    return blocks


def _row(found: pd.DataFrame, classes: Sequence[str], spec: dict[str, Any]) -> Row:
    label, predicted = (classes[int(found[key].iloc[0])] for key in ("label", "predicted"))
    text = style.label(spec, label)
    if predicted != label:
        text += f" ({style.label(spec, predicted)})"
    image = np.array(json.loads(found[found["what"] == "image"]["values"].iloc[0]), dtype=np.uint8)
    rows = found[found["what"] != "image"].fillna({"layer": 0, "head": 0})
    values = map(np.array, map(json.loads, rows["values"]))
    maps = dict(zip(zip(rows["layer"].astype(int), rows["head"].astype(int), strict=True), values, strict=True))
    maps = _selected(maps, spec)
    return Row(text, _enlarged(image, next(iter(maps.values())).shape), list(maps.values()), list(maps))


def _selected(maps: Maps, spec: dict[str, Any]) -> Maps:
    """The maps of some layers, heads each or as their mean, (layer, 0), and rollout, (0, 0), at the end."""
    kept = sorted({layer for layer, _ in maps if layer})
    for layer in spec.get("layers") or ():
        if layer not in kept and not -len(kept) <= layer < 0:
            raise ValueError(f"attention: explainer {spec['explainer']} keeps no layer {layer}: it has {kept}")
    shown = sorted({layer if layer > 0 else kept[layer] for layer in spec.get("layers") or kept})
    found = {name: maps[name] for layer in shown for name in maps if name[0] == layer}
    if spec.get("heads") == "mean":
        found = {(layer, 0): np.mean([found[name] for name in found if name[0] == layer], 0) for layer in shown}
    return found | {(0, 0): maps[0, 0]}


def _enlarged(image: np.ndarray, cells: Sequence[int]) -> np.ndarray:
    """An image (H, W, C) of whole pixels, repeated where patches do not divide it, so that all look equally large."""
    if image.shape[0] % cells[0] == image.shape[1] % cells[1] == 0:
        return image
    times = -(-PATCH * cells[0] // image.shape[0])
    return image.repeat(times, 0).repeat(times, 1)


def overlay(image: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Float (H, W, 3) in [0, 1]: weights (rows, columns) in colours from 0 to their largest, over the image in grey."""
    grey = image.mean(2, keepdims=True) / 255
    colours = COLOURS(weights / (weights.max() or 1.0))[..., :3]
    rows, columns = (np.arange(image.shape[axis]) * weights.shape[axis] // image.shape[axis] for axis in (0, 1))
    return (1 - OPAQUE) * grey + OPAQUE * colours[rows[:, None], columns]


def _panel(axes: Axes, rows: Sequence[Row], tile: float) -> np.ndarray:
    """Draw a block with maps of `tile` mm; returns its picture, float (H, W, 3)."""
    height, width = rows[0].image.shape[:2]
    below, beside = _gap(tile, width), max(1, round(width * GAP))
    columns = 1 + len(rows[0].maps)
    canvas = np.ones((len(rows) * (height + below) - below, columns * (width + beside) - beside, 3))
    for index, row in enumerate(rows):
        tiles = [np.broadcast_to(row.image / 255, (height, width, 3)), *(overlay(row.image, each) for each in row.maps)]
        top = index * (height + below)
        for column, each in enumerate(tiles):
            left = column * (width + beside)
            canvas[top : top + height, left : left + width] = each
            if column and tile >= NUMBERED_MM:
                place = (left + (width - 1) / 2, top + height - 0.5)
                _write(axes, f"{row.maps[column - 1].max():.2g}", place, -1, "top", style.FONT_PT - 2.5)
    axes.imshow(canvas, interpolation="nearest")
    _titles(axes, rows[0].names, width, beside)
    axes.set_yticks(np.arange(len(rows)) * (height + below) + (height - 1) / 2, [row.label for row in rows])
    axes.tick_params(length=0)
    axes.tick_params(axis="x", labeltop=True, labelbottom=False)
    axes.spines[:].set_visible(False)
    return canvas


def _titles(axes: Axes, names: Sequence[tuple[int, int]], width: int, beside: int) -> None:
    """Say above a block what its columns are: heads by number, and their layer above these; or layers by number."""
    middles = np.arange(1 + len(names)) * (width + beside) + (width - 1) / 2
    axes.set_xticks(middles, ["Image", *(str(head or layer) if layer else "Rollout" for layer, head in names)])
    # words wider than a map reach out of the block
    axes.get_xticklabels()[0].set_horizontalalignment("right" if len(names) > ACROSS else "center")
    groups: dict[str, list[float]] = {}
    for middle, (layer, head) in zip(middles[1:], names, strict=True):
        if layer:
            groups.setdefault(f"Layer {layer}, head" if head else "Mean over heads, layer", []).append(middle)
    for text, heads in groups.items():
        text += "s" if len(heads) > 1 else ""
        _write(axes, text, (float(np.mean(heads)), -0.5), 12, "bottom", style.FONT_PT - 1)


def _write(axes: Axes, text: str, place: tuple[float, float], points: float, align: Any, size: float) -> None:
    """Text at a place in pixels of the picture, so many points above it."""
    axes.annotate(text, place, (0, points), textcoords="offset points", ha="center", va=align, fontsize=size)


def _gap(tile: float, side: int) -> int:
    """Between the rows, in pixels of images with `side` of them: room for a number where one is shown."""
    return max(1, round(side * (NUMBER_MM / tile if tile >= NUMBERED_MM else GAP)))


def _side(line: float) -> float:
    """The side of a map, in mm, where a row of maps takes `line` mm."""
    return line - NUMBER_MM if line >= NUMBERED_MM + NUMBER_MM else min(line / (1 + GAP), NUMBERED_MM - 0.01)


def _note(spec: dict[str, Any], seed: int, tile: float) -> str:
    largest = "the number below it" if tile >= NUMBERED_MM else "its largest weight"
    return (
        f"{style.label(spec, spec['model'])}, {style.label(spec, spec['training_set'])}, seed {seed}. Attention of the "
        f"class token to patches, each map in a scale of its own, from 0 to {largest}. In brackets: the predicted "
        "class, where it is another. Rollout: through all layers and their residual connections."
    )
