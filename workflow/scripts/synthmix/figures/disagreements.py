"""Figure kind `disagreements`: test images that one network gets wrong with certainty and another right.

Specification: {kind, dataset, training_set, model?, recipe?, seed?, sure, columns, labels?, order?, width_mm?}, which
select two arms. Both directions are shown and counted, so that single pictures do not mislead. The choice is fixed, not
picked by eye: by the confidence of the wrong prediction, then by the order of the split.
"""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from synthmix.analysis.artefacts import Artefacts
from synthmix.experiments import arms, select
from synthmix.figures import networks, style, tiles
from synthmix.figures.gallery import PREDICTIONS, TILE_MM
from synthmix.reports.formatting import records


@style.context()
def draw(spec: dict[str, Any], artefacts: Artefacts) -> Figure:
    """A block for each direction; ValueError where not two arms are selected."""
    found = select(artefacts.read_predictions(PREDICTIONS), spec)
    if (number := len(list(arms(found)))) != 2:
        raise ValueError(f"disagreements: {number} networks are selected: name two")
    seed, shown = networks.of_one_seed(spec, found)
    classes, images = list(artefacts.meta(spec["dataset"])["classes"]), tiles.test_images(artefacts, spec["dataset"])
    every = counts(found, spec["sure"])
    blocks = []
    for position, (wrong, right) in enumerate((tuple(shown), tuple(reversed(shown)))):
        rows = disagreements(shown[wrong], shown[right], spec["sure"])
        others = f"; {style.span(each[position] for each in every)} over {len(every)} seeds" if len(every) > 1 else ""
        total = len(shown[wrong])
        heading = f"{wrong} wrong above {spec['sure']:g}, {right} right: {len(rows):,} of {total:,} test images{others}"
        blocks.append(tiles.Block(heading, _rows(spec, classes, images, rows, wrong, right)))
    accuracies = ", ".join(f"{name} {100 * _right(rows).mean():.1f} %" for name, rows in shown.items())
    note = (
        f"Seed {seed}. Test accuracy: {accuracies}. Below an image: its class; what the network that is wrong says, "
        "with its probability; the probability that the other network gives to the right class."
    )
    return tiles.sheet(spec, blocks, note, TILE_MM)


def disagreements(wrong: pd.DataFrame, right: pd.DataFrame, sure: float) -> pd.DataFrame:
    """The images that the first network gets wrong with more than `sure` and the second right, surest first.

    Both are predictions of one seed. Columns index, label, prediction and confidence, of the first network, and
    other_confidence.
    """
    other = right.loc[_right(right), ["index", "confidence"]].rename(columns={"confidence": "other_confidence"})
    own = wrong[~_right(wrong) & (wrong["confidence"] > sure)]
    return own.merge(other, on="index").sort_values(["confidence", "index"], ascending=[False, True], ignore_index=True)


def counts(found: pd.DataFrame, sure: float) -> list[tuple[int, int]]:
    """How many such images there are in both directions, for every seed that two arms share."""
    first, second = (rows for _, rows in arms(found))
    pairs = [
        (first[first["seed"] == seed], second[second["seed"] == seed])
        for seed in sorted(set(first["seed"]) & set(second["seed"]))
    ]
    return [(len(disagreements(one, other, sure)), len(disagreements(other, one, sure))) for one, other in pairs]


def _right(rows: pd.DataFrame) -> pd.Series:
    return rows["prediction"] == rows["label"]


def _rows(
    spec: dict[str, Any], classes: list[str], images: np.ndarray, found: pd.DataFrame, wrong: str, right: str
) -> list[tiles.Row]:
    shown = []
    for each in records(found.head(spec["columns"])):
        caption = [
            style.label(spec, classes[each["label"]]),
            f"{wrong}: {tiles.prediction(spec, classes, each)}",
            f"{right}: {each['other_confidence']:.2f}",
        ]
        shown.append(tiles.Tile(tiles.picture(images[each["index"]]), caption))
    return [tiles.Row(shown)] if shown else []
