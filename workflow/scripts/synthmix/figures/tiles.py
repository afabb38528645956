"""Sheets of test images: tiles with captions in rows, rows in blocks under a heading, blocks side by side on a page."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure

from synthmix.analysis.artefacts import Artefacts
from synthmix.figures import style
from synthmix.files import read_arrays
from synthmix.networks.saliency import enlarged

COLOURS = colormaps["inferno"]
OPAQUE = 0.6  # of a map; the rest is the image below it
HEIGHT_MM = 240.0  # of a page
SMALLEST_MM = 7.0  # side of a tile
SMALL_PT, BOLD_PT = style.FONT_PT - 2, style.FONT_PT - 0.5  # of captions and headings
EMPTY = "no positive evidence"
GAP_MM, LINE_MM, HEAD_MM, BAR_MM = 1.5, 2.6, 4.5, 18.0  # between tiles; of captions and headings; beside a colour bar
LABEL_MM = 26.0  # room for the label of a row at most
HEADING_MM = 80.0  # room for a heading on one line, at most


class Tile(NamedTuple):
    """A picture, float (H, W, 3) in [0, 1], with what stands below it."""

    picture: np.ndarray
    caption: Sequence[str] = ()


class Row(NamedTuple):
    """Tiles side by side, with what stands to the left of them."""

    tiles: Sequence[Tile]
    label: Sequence[str] = ()


class Block(NamedTuple):
    """Rows under a heading."""

    heading: str
    rows: Sequence[Row]


class _Measures(NamedTuple):
    """Of a sheet, in mm: a tile's side, room for labels of rows, a block's width; and how many stand side by side."""

    tile: float
    label: float
    block: float
    across: int


def test_images(artefacts: Artefacts, dataset: str) -> np.ndarray:
    """The images of the test split, uint8 (N, H, W, C)."""
    arrays, _ = read_arrays(artefacts.data[dataset]["test"])
    return arrays["images"]


def picture(image: np.ndarray) -> np.ndarray:
    """Float (H, W, 3) in [0, 1] of a uint8 image (H, W, C) with one channel or three."""
    return np.broadcast_to(image / 255, (*image.shape[:2], 3))


def overlay(image: np.ndarray, values: np.ndarray) -> np.ndarray:
    """A map (rows, columns), from 0 to 1, in colours over the image (H, W, C) in grey: float (H, W, 3) in [0, 1]."""
    colours = COLOURS(enlarged(values, image.shape[:2]))[..., :3]
    return (1 - OPAQUE) * image.mean(2, keepdims=True) / 255 + OPAQUE * colours


def mapped(image: np.ndarray, values: np.ndarray, caption: Sequence[str] = ()) -> Tile:
    """A class activation map over its image, with a remark where the map is 0 everywhere."""
    return Tile(overlay(image, values), [*caption, *([] if values.any() else [EMPTY])])


def prediction(spec: Mapping[str, Any], classes: Sequence[str], row: Mapping[str, Any]) -> str:
    """What a network says of an image, a row with label, prediction and confidence: "right, 0.93", "as 8, 0.93"."""
    right = row["prediction"] == row["label"]
    return f"{'right' if right else 'as ' + style.label(spec, classes[row['prediction']])}, {row['confidence']:.2f}"


def sheet(
    spec: Mapping[str, Any],
    blocks: Sequence[Block],
    note: str,
    tile_mm: float,
    columns: Sequence[str] = (),
    bar: str | None = None,
) -> Figure:
    """All blocks, as many side by side as fit, with tiles of at most `tile_mm` and smaller where a page needs it.

    columns: titles above the tiles of the uppermost blocks. bar: what a colour bar of the maps is called.
    """
    room = style.width_mm(spec) - (BAR_MM if bar else 0)
    measures = _measured(blocks, room, tile_mm)
    while sum(_heights(blocks, measures)) > HEIGHT_MM - 12 and measures.tile > SMALLEST_MM:
        measures = _measured(blocks, room, 0.95 * measures.tile)
    width = measures.across * measures.block + (BAR_MM if bar else 0)
    heights = _heights(blocks, measures)
    heights[0] += _titles_mm(columns, measures.tile)
    height = sum(heights) + style.footer_mm(note, width)
    figure = Figure(figsize=(width / 25.4, height / 25.4))
    FigureCanvasAgg(figure)
    page = _Page(figure, width, height, measures)
    for position, block in enumerate(blocks):
        line, column = divmod(position, measures.across)
        page.block(block, column * measures.block + GAP_MM, sum(heights[:line]), columns if line == 0 else ())
    if bar:
        page.bar(bar, min(45.0, sum(heights) - HEAD_MM))
    style.footer(figure, note)
    return figure


def _measured(blocks: Sequence[Block], room: float, tile: float) -> _Measures:
    labels = [line for block in blocks for row in block.rows for line in row.label]
    label = min(LABEL_MM, style.tick_mm(labels) + 2) if labels else 0.0
    count = max((len(row.tiles) for block in blocks for row in block.rows), default=1)
    longest = max(style.text_mm(block.heading, BOLD_PT, "bold") for block in blocks)
    block = max(min(HEADING_MM, longest, room), label + count * (tile + GAP_MM)) + GAP_MM
    across = max(1, min(len(blocks), int(room / block)))
    tile = min(tile, (room / across - label - GAP_MM) / count - GAP_MM)
    return _Measures(tile, label, min(block, room / across), across)


def _heights(blocks: Sequence[Block], measures: _Measures) -> list[float]:
    """Of each line of blocks that stand side by side, in mm."""
    heights = []
    for start in range(0, len(blocks), measures.across):
        line = blocks[start : start + measures.across]
        heads = [HEAD_MM * len(_heading(block, measures)) for block in line]
        rows = [sum(_row_mm(row, measures.tile) for row in block.rows) for block in line]
        heights.append(max(map(sum, zip(heads, rows, strict=True))) + GAP_MM)
    return heights


def _heading(block: Block, measures: _Measures) -> list[str]:
    return style.lines(block.heading, measures.block - GAP_MM, BOLD_PT, "bold")


def _titles_mm(columns: Sequence[str], tile: float) -> float:
    """Height of the titles above the tiles, of which the longest may need two lines."""
    lines = max((len(_title(title, tile)) for title in columns), default=0)
    return HEAD_MM + LINE_MM * (lines - 1) if lines else 0.0


def _row_mm(row: Row, tile: float) -> float:
    tall = max((tile * each.picture.shape[0] / each.picture.shape[1] for each in row.tiles), default=tile)
    lines = max((len(_lines(each.caption, tile)) for each in row.tiles), default=0)
    return tall + LINE_MM * lines + GAP_MM


def _title(text: str, tile: float) -> list[str]:
    """The lines of a title above a tile, with a gap to its neighbours."""
    return _lines([text], tile - 1)


def _title_pt(columns: Sequence[str], tile: float) -> float:
    """Size of titles above tiles, in which a word that is longer than a tile does not meet its neighbour."""
    widest = max(style.text_mm(line, SMALL_PT) for title in columns for line in _title(title, tile))
    return SMALL_PT * min(1.0, (tile + GAP_MM - 1) / widest)


def _lines(texts: Sequence[str], width: float) -> list[str]:
    """Texts on lines of so many mm, in the size of captions."""
    return [line for text in texts for line in style.lines(text, width, SMALL_PT)]


class _Page:
    """A figure on which things stand at places in mm, from its left and its top."""

    def __init__(self, figure: Figure, width: float, height: float, measures: _Measures) -> None:
        self.figure, self.width, self.height = figure, width, height
        self.measures, self.tile = measures, measures.tile

    def write(self, text: str, left: float, top: float, **looks: Any) -> None:
        self.figure.text(left / self.width, 1 - top / self.height, text, **looks)

    def axes(self, left: float, top: float, width: float, height: float) -> Any:
        place = (left / self.width, 1 - (top + height) / self.height, width / self.width, height / self.height)
        return self.figure.add_axes(place)

    def block(self, block: Block, left: float, top: float, columns: Sequence[str]) -> None:
        label_mm, heading = self.measures.label, _heading(block, self.measures)
        self.write("\n".join(heading), left, top + 1, va="top", fontsize=BOLD_PT, fontweight="bold")
        top += HEAD_MM * len(heading)
        if columns:
            top += _titles_mm(columns, self.tile)
            size = _title_pt(columns, self.tile)
            for column, title in enumerate(columns):
                middle = left + label_mm + column * (self.tile + GAP_MM) + self.tile / 2
                text = "\n".join(_title(title, self.tile))
                self.write(text, middle, top - 0.8, ha="center", va="bottom", fontsize=size)
        for row in block.rows:
            lines = _lines(row.label, label_mm - 1)
            middle = top + self.tile / 2
            self.write("\n".join(lines), left + label_mm - 1, middle, ha="right", va="center", fontsize=SMALL_PT)
            for column, tile in enumerate(row.tiles):
                self._tile(tile, left + label_mm + column * (self.tile + GAP_MM), top)
            top += _row_mm(row, self.tile)

    def _tile(self, tile: Tile, left: float, top: float) -> None:
        tall = self.tile * tile.picture.shape[0] / tile.picture.shape[1]
        axes = self.axes(left, top, self.tile, tall)
        axes.imshow(tile.picture, interpolation="nearest", aspect="auto")
        axes.set_axis_off()
        caption = "\n".join(_lines(tile.caption, self.tile))
        self.write(caption, left, top + tall + 0.4, va="top", fontsize=SMALL_PT)

    def bar(self, title: str, long: float) -> None:
        """A bar of the maps' colours in the upper right corner."""
        bar = self.figure.colorbar(
            ScalarMappable(cmap=COLOURS), cax=self.axes(self.width - BAR_MM + 2, HEAD_MM, 2.5, long)
        )
        bar.set_ticks([0, 1], labels=["smallest", "largest"])
        bar.outline.set_visible(False)
        bar.set_label(title, labelpad=-14)
