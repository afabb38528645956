"""Figure kind `gallery`: the test images that one network is surest of, and those that it is least sure of.

Specification: {kind, dataset, training_set, model, recipe, seed?, sure, unsure, columns, explainer?, method?, labels?,
width_mm?}. Confidence is the probability of the predicted class. The choice is fixed, not picked by eye: by confidence,
then by the order of the split. With an explainer, its maps stand below the images, which then are among those that it
was shown.
"""

import json
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from synthmix.analysis.artefacts import Artefacts
from synthmix.experiments import select
from synthmix.figures import networks, style, tiles
from synthmix.networks.saliency import TITLES
from synthmix.reports.formatting import records

TILE_MM = 24.0
PREDICTIONS = ["training_set", "seed", "index", "label", "prediction", "confidence"]


@style.context()
def draw(spec: dict[str, Any], artefacts: Artefacts) -> Figure:
    """Two blocks, each with how many such images there are, and how many of them are right."""
    seed, shown = networks.of_one_seed(spec, select(artefacts.read_predictions(PREDICTIONS), spec))
    ((name, found),) = shown.items()
    classes, images = list(artefacts.meta(spec["dataset"])["classes"]), tiles.test_images(artefacts, spec["dataset"])
    maps = _maps(spec, artefacts, seed)
    sure, unsure = spec["sure"], spec["unsure"]
    groups = {
        f"Surest, above {sure:g}": found[found["confidence"] > sure].sort_values(
            ["confidence", "index"], ascending=[False, True]
        ),
        f"Least sure, below {unsure:g}": found[found["confidence"] < unsure].sort_values(["confidence", "index"]),
    }
    blocks = [
        tiles.Block(f"{title}: {counted(rows, len(found))}", _rows(spec, classes, images, rows, maps))
        for title, rows in groups.items()
    ]
    note = (
        f"{name}, {style.label(spec, spec['training_set'])}, seed {seed}; right in {_share(found)} of all test images. "
        "Below an image: its class; whether the network is right, or what it says; the probability of that."
    )
    if maps is None:
        return tiles.sheet(spec, blocks, note, TILE_MM)
    note += f" Shown are some of the {len(maps)} images that explainer {spec['explainer']} drew; counts are of all."
    return tiles.sheet(spec, blocks, note, TILE_MM, bar=f"{TITLES[spec['method']]}, value of a map")


def counted(rows: pd.DataFrame, total: int) -> str:
    """How many images, of how many in total, and how many of them are right."""
    right = int((rows["prediction"] == rows["label"]).sum())
    which = f", {right:,} of them right ({_share(rows)})" if len(rows) else ""
    return f"{len(rows):,} of {total:,} test images{which}"


def _share(rows: pd.DataFrame) -> str:
    return f"{100 * (rows['prediction'] == rows['label']).mean():.1f} %"


def _maps(spec: dict[str, Any], artefacts: Artefacts, seed: int) -> dict[int, np.ndarray] | None:
    """Index of a test image -> its map; None where the specification asks for none."""
    if not spec.get("explainer"):
        return None
    found = artefacts.read_explanations()
    found = select(found[found["explainer"] == spec["explainer"]], spec)
    found = found[(found["seed"] == seed) & (found["method"] == spec["method"])]
    return {each["index"]: np.array(json.loads(each["values"])) for each in records(found)}


def _rows(
    spec: dict[str, Any],
    classes: list[str],
    images: np.ndarray,
    found: pd.DataFrame,
    maps: dict[int, np.ndarray] | None,
) -> list[tiles.Row]:
    """The first images, with their maps below them where there are maps."""
    if maps is not None:
        found = found[found["index"].isin(list(maps))]
    chosen = records(found.head(spec["columns"]))
    captions = [[style.label(spec, classes[each["label"]]), tiles.prediction(spec, classes, each)] for each in chosen]
    pictures = [tiles.picture(images[each["index"]]) for each in chosen]
    if maps is None:
        rows = [tiles.Row(list(map(tiles.Tile, pictures, captions)))]
    else:
        below = [
            tiles.mapped(images[each["index"]], maps[each["index"]], caption)
            for each, caption in zip(chosen, captions, strict=True)
        ]
        rows = [tiles.Row(list(map(tiles.Tile, pictures))), tiles.Row(below)]
    return rows if chosen else []
