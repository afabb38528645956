"""Figure kind `cam`: class activation maps over test images, a row per network and a column per method.

Specification: {kind, explainer, dataset, training_set, model?, recipe?, seed?, methods?, classes?, instances, labels?,
order?, width_mm?}. The images are those that the explainer's seed drew, the same for every network: the choice is
fixed, not picked by eye.
"""

import json
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from synthmix.analysis.artefacts import Artefacts
from synthmix.experiments import select
from synthmix.figures import networks, style, tiles
from synthmix.networks.saliency import BASELINES, TITLES
from synthmix.reports.formatting import records

CLASSES = 10  # shown, unless the specification names the classes
TILE_MM = 19.0


@style.context()
def draw(spec: dict[str, Any], artefacts: Artefacts) -> Figure:
    """A block for each image; ValueError where nothing is selected."""
    found = artefacts.read_explanations()
    found = select(found[found["explainer"] == spec["explainer"]], spec)
    seed, shown = networks.of_one_seed(spec, found)
    classes = list(artefacts.meta(spec["dataset"])["classes"])
    methods = spec.get("methods") or [each for each in found["method"].unique() if each not in BASELINES]
    images = tiles.test_images(artefacts, spec["dataset"])
    blocks = []
    for label in _labels(spec, classes):
        drawn = found.loc[found["label"] == label, "index"].unique()[: spec["instances"]]
        for index in drawn:
            rows = [_row(spec, classes, images, name, each, index, methods) for name, each in shown.items()]
            blocks.append(tiles.Block(style.label(spec, classes[label]), rows))
    if not blocks:
        raise ValueError(f"cam: explainer {spec['explainer']} has no image of the classes that are asked for")
    note = (
        f"Seed {seed}. Above: the true class; beside: what the network says, with its probability. {meant(methods)}, "
        f"each from its smallest to its largest value ({_layers(shown)}), over test images that were drawn by "
        "the explainer's seed, the same for all networks."
    )
    return tiles.sheet(
        spec, blocks, note, TILE_MM, ["Image", *(TITLES[each] for each in methods)], bar="Value of a map"
    )


def _labels(spec: dict[str, Any], classes: list[str]) -> list[int]:
    chosen = spec.get("classes") or classes[:CLASSES]
    if unknown := [name for name in chosen if name not in classes]:
        raise ValueError(f"cam: {spec['dataset']} has no class {unknown[0]}")
    return [classes.index(name) for name in chosen]


def _row(
    spec: dict[str, Any],
    classes: list[str],
    images: np.ndarray,
    name: str,
    found: pd.DataFrame,
    index: int,
    methods: list[str],
) -> tiles.Row:
    """One image with the maps of one network."""
    own = {each["method"]: each for each in records(found[found["index"] == index])}
    maps = [tiles.mapped(images[index], np.array(json.loads(own[each]["values"]))) for each in methods]
    said = tiles.prediction(spec, classes, own[methods[0]])
    return tiles.Row([tiles.Tile(tiles.picture(images[index])), *maps], [name, said])


def meant(methods: list[str]) -> str:
    """What the maps are of."""
    if "eigen_cam" not in methods:
        return "Maps of what it says"
    own = "of where the layer responds most, whatever the class"
    return f"Maps {own}" if methods == ["eigen_cam"] else f"Maps by {TITLES['eigen_cam']} {own}, others of what it says"


def _layers(shown: dict[str, pd.DataFrame]) -> str:
    """The layers that the maps are taken from, with their size."""
    texts = []
    for name, rows in shown.items():
        height, width = np.shape(json.loads(rows["values"].dropna().iloc[0]))
        texts.append(f"{name}, {height} x {width} after {rows['layer'].iloc[0]}")
    return "; ".join(texts)
