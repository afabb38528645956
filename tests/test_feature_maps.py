"""Feature maps: against the layers themselves, which channels are chosen, layers that are not there, the figure."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from synthmix.analysis.artefacts import Artefacts
from synthmix.data import Split
from synthmix.explainers import feature_maps
from synthmix.explaining import Images
from synthmix.figures import feature_maps as figure_of_maps
from synthmix.files import write_json, write_rows
from synthmix.models import resnet, vit_block
from synthmix.networks import engine

CLASSES = ["ant", "bee"]
RESNET = {"depth": 18, "stem": "cifar", "width": 6}


@pytest.fixture(scope="module")
def images() -> Images:
    random = np.random.default_rng(0)
    test = Split(random.integers(0, 256, (4, 16, 16, 3), dtype=np.uint8), np.array([1, 0, 0, 1]), np.arange(4))
    return Images(test, {"name": "insects", "classes": CLASSES}, lambda: pytest.fail("the train split is read"))


@pytest.fixture(scope="module")
def network(images: Images) -> engine.Classifier:
    torch.manual_seed(0)
    found = engine.Classifier(resnet.build(RESNET, 3, 16, 2), 3)
    found.normalise_by(engine.to_device(images.test.images, "cpu"))
    return found


def rows_of(network: engine.Classifier, images: Images, **explainer: Any) -> list[dict[str, Any]]:
    own = {"kind": "feature_maps", "channels": 4, "choose": "first", **explainer}
    return list(feature_maps.explain(network, own, images, "cpu"))


def values(row: dict[str, Any]) -> np.ndarray:
    return np.array(json.loads(row["values"])) / 255 * (row["high"] - row["low"]) + row["low"]


def test_maps_are_what_the_layer_puts_out(network: engine.Classifier, images: Images) -> None:
    rows = rows_of(network, images, layers=["bn1", "conv1"], classes=["bee", "ant"])
    assert [row["label"] for row in rows] == [1] * 9 + [0] * 9
    np.testing.assert_array_equal(json.loads(rows[0]["values"]), images.test.images[0])
    maps = [row for row in rows if row["what"] == "map" and row["label"] == 0]
    assert [(row["layer"], row["channel"]) for row in maps[3:5]] == [("network.bn1", 4), ("network.conv1", 1)]
    assert {row["channels"] for row in maps} == {6}
    first_ant = (engine.to_device(images.test.images[1:2], "cpu").float() - network.mean) / network.std
    with torch.no_grad():
        convolved: torch.Tensor = F.conv2d(first_ant, network.network.conv1.weight, padding=1)
        # the layer after it works in place: what is kept is what was put out
        normalised: torch.Tensor = network.network.bn1.eval()(convolved)
    assert normalised.min() < 0
    for row in maps:
        expected = (normalised if row["layer"] == "network.bn1" else convolved)[0, row["channel"] - 1].numpy()
        np.testing.assert_allclose(values(row), expected, atol=(row["high"] - row["low"]) / 255)


def test_as_many_classes_are_shown_as_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than the caches hold at once."""
    monkeypatch.setattr(engine, "PIXELS", 2 * 16 * 16)
    names = [f"class{number}" for number in range(5)]
    pictures = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)
    images = Images(Split(pictures, np.arange(5), np.arange(5)), {"name": "many", "classes": names}, lambda: None)
    wide = engine.Classifier(resnet.build(RESNET, 3, 16, 5), 3)
    rows = rows_of(wide, images, layers=["conv1"], classes=names)
    assert [row["label"] for row in rows if row["what"] == "map"] == [label for label in range(5) for _ in range(4)]


def test_channels_of_the_largest_variance() -> None:
    maps = torch.zeros(2, 5, 3, 3)
    maps[1, 3], maps[0, 1, 0, 0], maps[:, 4] = 9, 5, 100  # the last one is constant
    assert feature_maps.channels(maps, {"choose": "variance", "channels": 2}) == [3, 1]
    assert feature_maps.channels(maps, {"choose": "first", "channels": 16}) == [0, 1, 2, 3, 4]


def test_without_layers_the_first_convolutions_are_looked_at(network: engine.Classifier, images: Images) -> None:
    layers = {row["layer"]: None for row in rows_of(network, images) if row["what"] == "map"}
    assert list(layers) == ["network.conv1", "network.layer1.0.conv1", "network.layer1.0.conv2"]


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("layer11", "has no layer 'layer11'; did you mean layer1"),
        ("fc", r"layer 'fc' has no maps, for its output is of shape \(1, 2\)"),
    ],
)
def test_layers_without_maps_are_named(network: engine.Classifier, images: Images, layer: str, message: str) -> None:
    with pytest.raises(feature_maps.LayerError, match=message) as caught:
        rows_of(network, images, layers=[layer])
    assert "\n" not in str(caught.value)


def test_tokens_are_no_maps(images: Images) -> None:
    transformer = vit_block.build({"width": 8, "heads": 2, "layers": 1, "patch": 4}, 3, 16, 2)
    with pytest.raises(feature_maps.LayerError, match=r"output is of shape \(1, 17, 8\)"):
        rows_of(engine.Classifier(transformer, 3), images, layers=["blocks.0"])


def test_the_figure_shows_maps_in_squares(network: engine.Classifier, images: Images, tmp_path: Path) -> None:
    job = {"dataset": "insects", "bundle": "all", "model": "net", "recipe": "quick", "training_set": "all", "seed": 0}
    write_rows(tmp_path / "experiments.csv", [*job], [job])
    path = tmp_path / "explanations/insects/all/net/quick/seeds0/all.maps.csv"
    rows = rows_of(network, images, channels=5, choose="variance", layers=["conv1"], classes=["bee", "ant"])
    rows = [{"training_set": "all", "seed": 0, **row} for row in rows]
    write_rows(path, ["training_set", "seed", *feature_maps.COLUMNS], rows)
    write_json(tmp_path / "meta.json", {"classes": CLASSES})
    data = {"insects": {"meta": tmp_path / "meta.json"}}
    artefacts = Artefacts(experiments=tmp_path / "experiments.csv", explanations=[path], data=data)
    spec: dict[str, Any] = {"kind": "feature_maps", "explainer": "maps", "labels": {"bee": "Bee"}}
    spec |= {key: job[key] for key in ("dataset", "training_set", "model", "recipe")}
    bee, maps, ant, _ = figure_of_maps.draw(spec, artefacts).axes
    predicted = CLASSES[rows[0]["predicted"]]
    assert bee.get_title() == ("Bee" if predicted == "bee" else f"Bee (predicted: {predicted})")
    assert ant.get_title().startswith("ant")
    assert maps.get_title() == "conv1\n5 channels of 6"
    shown = np.ma.filled(np.asarray(maps.images[0].get_array(), dtype=float), np.nan)
    assert shown.shape == (2 * 16 + 1, 3 * 16 + 2)
    np.testing.assert_array_equal(shown[17:, 17:33], json.loads(rows[5]["values"]))
    assert [text.get_text() for text in maps.texts] == [str(row["channel"]) for row in rows[1:6]]
    assert len(figure_of_maps.draw({**spec, "classes": ["ant"]}, artefacts).axes) == 2
    with pytest.raises(ValueError, match="feature_maps: no run"):
        figure_of_maps.draw({**spec, "explainer": "others"}, artefacts)
