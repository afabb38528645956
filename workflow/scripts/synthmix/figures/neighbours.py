"""Figure kind `neighbours`: the generated images of an audit that are nearest to train images, beside these.

Specification: {kind, dataset, pool, extractor, columns?, width_mm?}. The choice is fixed, not picked by eye: the
smallest distances, each train image once.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from synthmix.analysis.artefacts import Artefacts
from synthmix.figures import style
from synthmix.figures.samples import mosaic
from synthmix.files import DamagedFileError, read_arrays
from synthmix.images import pools
from synthmix.reports.formatting import percent

SPACES = ("pixel", "feature")


@style.context()
def draw(spec: dict[str, Any], artefacts: Artefacts) -> Figure:
    """A panel for pixels and one for features: `columns` (default 8) generated images above their neighbours.

    A train image that was found by the mirror image is shown mirrored. Below each pair stands the distance, in colour
    where it is below the threshold. Of several audits (other n) the first one of the study is shown.
    """
    columns = int(spec.get("columns") or 8)
    audit, path = artefacts.read_audits()[0], artefacts.neighbours[0]
    try:
        found = {name: values.to_numpy() for name, values in pq.read_pandas(path).to_pandas().items()}
    except (OSError, ValueError) as error:
        raise DamagedFileError(path, error) from error
    pool = pools.read(artefacts.pools[spec["dataset"], spec["pool"]])
    row_of = {key: row for row, key in enumerate(zip(pool.labels, pool.index, pool.seed, strict=True))}
    rows = np.array([row_of[key] for key in zip(found["label"], found["index"], found["seed"], strict=True)])
    train = read_arrays(artefacts.data[spec["dataset"]]["train"])[0]["images"]
    width = style.width_mm(spec)
    figure, grid = style.panels(width, width / len(SPACES) / columns * 2 + 16, 1, len(SPACES))
    figure.set_layout_engine("compressed")  # constrained layout misjudges images of fixed aspect
    named = {"pixel": "pixels", "feature": f"features of {style.label(spec, spec['extractor'])}"}
    for axes, space in zip(grid[0], SPACES, strict=True):
        index, distance = found[f"{space}_train_index"], found[f"{space}_train_distance"]
        chosen = nearest(index, distance, columns)
        beside = train[index[chosen]]
        beside[found[f"{space}_train_mirrored"][chosen]] = beside[found[f"{space}_train_mirrored"][chosen]][:, :, ::-1]
        images = np.concatenate([pool.images[rows[chosen]], beside])
        _panel(axes, images, distance[chosen], audit["spaces"][space]["threshold"])
        axes.set_title(f"{style.label(spec, spec['pool'])}, by {named[space]}")
    unseen = " and ".join(f"{percent(_unseen(audit['spaces'][space]))} % (by {space}s)" for space in SPACES)
    style.footer(
        figure,
        f"The nearest of {len(rows):,} generated images, each train image once. Numbers: root mean squared difference "
        f"(of pixels: images standardised); in colour below the audit's threshold, as are {unseen} of the real test "
        "images.",
    )
    return figure


def nearest(index: np.ndarray, distance: np.ndarray, columns: int) -> np.ndarray:
    """Rows of the `columns` smallest distances, ascending, at most one for each neighbour `index`."""
    order = np.lexsort((np.arange(len(index)), distance))
    first = np.unique(index[order], return_index=True)[1]
    return order[np.sort(first)[:columns]]


def _unseen(space: Mapping[str, Any]) -> float:
    """The share of test images that are nearer to a train image than the threshold."""
    return float(next(each["rate"] for each in space["searches"] if each["queries"] == "test"))


def _panel(axes: Axes, images: np.ndarray, distance: np.ndarray, threshold: float) -> None:
    """Generated images (the first half) above their neighbours, with the distances below."""
    count = len(distance)
    canvas = mosaic(images, np.repeat([0, 1], count), np.arange(2 * count), [0, 1], count)
    axes.imshow(canvas, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    height, side = canvas.shape[0] / 2, canvas.shape[1] / count
    middle = (np.array(images.shape[1:3]) - 1) / 2
    axes.set_xticks(np.arange(count) * side + middle[1], [f"{each:.2g}" for each in distance])
    axes.set_yticks([middle[0], height + middle[0]], ["generated", "train"])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for tick, each in zip(axes.get_xticklabels(), distance, strict=True):
        tick.set_color(style.PALETTE[1] if each < threshold else style.GREY)
