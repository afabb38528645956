"""Attention maps: against the attention's own output, rollout against a closed form, what is shown, and the figure."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from synthmix.analysis.artefacts import Artefacts
from synthmix.data import Split
from synthmix.explainers import attention
from synthmix.explaining import Images
from synthmix.figures import attention as attention_figure
from synthmix.files import write_json, write_rows
from synthmix.images import drawn
from synthmix.models import vit_block
from synthmix.networks import engine

HEADS, LAYERS, WIDTH = 3, 2, 12
CLASSES = ["ant", "bee"]


@pytest.fixture(scope="module")
def images() -> Images:
    """Images of 8 x 8 pixels in two classes, the last test image of which is an ant's."""
    random = np.random.default_rng(0)

    def split(n: int) -> Split:
        pixels = random.integers(0, 256, (n, 8, 8, 1), dtype=np.uint8)
        return Split(pixels, np.array([1, 1, 0, 0, 1, 0][:n]), np.arange(n))

    train, test = split(5), split(6)
    return Images(test, {"name": "insects", "classes": CLASSES, "size": [8, 8], "channels": 1}, lambda: train)


@pytest.fixture(scope="module")
def network(images: Images) -> engine.Classifier:
    """Weights large enough for attention to be far from equal."""
    torch.manual_seed(0)
    transformer = vit_block.build({"width": WIDTH, "heads": HEADS, "layers": LAYERS, "patch": 2}, 1, 8, 2)
    found = engine.Classifier(transformer, 1)
    for parameter in found.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    found.normalise_by(engine.to_device(images.train.images, "cpu"))
    return found


def rows_of(network: engine.Classifier, images: Images, **explainer: Any) -> list[dict[str, Any]]:
    return list(attention.explain(network, {"kind": "attention", "instances": 2, **explainer}, images, "cpu"))


# ---- weights ---------------------------------------------------------------------------------------------------------


def test_weights_give_the_output_of_the_attention_itself(network: engine.Classifier, images: Images) -> None:
    outputs: list[torch.Tensor] = []
    values: list[torch.Tensor] = []

    def keep(module: Any, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        outputs.append(output.double())
        values.append(module.qkv(inputs[0])[..., 2 * WIDTH :].double())

    layers = [block.attention for block in network.network.blocks]
    handles = [layer.register_forward_hook(keep) for layer in layers]
    _, (weights, prefix) = attention.attention(network, engine.to_device(images.test.images, "cpu"))
    assert prefix == 1
    for handle in handles:
        handle.remove()
    assert [each.shape for each in weights] == [(6, HEADS, 17, 17)] * LAYERS
    for layer, value, each, output in zip(layers, values, weights, outputs, strict=True):
        torch.testing.assert_close(each.sum(-1), torch.ones(6, HEADS, 17, dtype=torch.double), rtol=0, atol=1e-6)
        assert each.max() > 3 / 17, "weights that are all equal test nothing"
        mixed = each @ value.view(6, 17, HEADS, -1).transpose(1, 2)
        found = mixed.transpose(1, 2).flatten(2) @ layer.projection.weight.double().T + layer.projection.bias.double()
        torch.testing.assert_close(found, output, rtol=1e-4, atol=1e-5)


def test_rollout_multiplies_layers_with_their_residual_connections() -> None:
    # One token besides the class token, two heads. Layer 1: means 0.5 each way. Layer 2: the class token looks away.
    first = torch.tensor([[[[1.0, 0.0], [0.2, 0.8]], [[0.0, 1.0], [0.8, 0.2]]]])
    second = torch.tensor([[[[0.0, 1.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]]])
    # (A1 + I) / 2 = [[0.75, 0.25], [0.25, 0.75]], and [0.5, 0.5] is the first row of (A2 + I) / 2
    torch.testing.assert_close(attention.rollout([first, second]), torch.tensor([[0.5, 0.5]]))
    # the other way round: [0.75, 0.25] @ [[0.5, 0.5], [0, 1]]
    torch.testing.assert_close(attention.rollout([second, first]), torch.tensor([[0.375, 0.625]]))


# ---- images ----------------------------------------------------------------------------------------------------------


def test_images_are_the_first_of_each_class_its_mean_and_drawn_ones(images: Images, tmp_path: Path) -> None:
    for grey in (10, 240):
        Image.new("RGB", (30, 30), (grey,) * 3).save(tmp_path / f"{grey}.png")
    (tmp_path / ".hidden").write_text("no image")
    found = list(attention.subjects({"instances": 2, "drawn": drawn.digests({"bee": str(tmp_path)})}, images))
    named = [(each.subject, each.number, each.label) for each in found]
    instances = [("instance", 1, 0), ("instance", 2, 0), ("instance", 1, 1), ("instance", 2, 1)]
    assert named == [*instances, ("mean", 1, 0), ("mean", 1, 1), ("drawn", 1, 1), ("drawn", 2, 1)]
    np.testing.assert_array_equal([each.image for each in found[:4]], images.test.images[[2, 3, 0, 1]])
    mean = images.train.images[[2, 3]].astype(float).mean(0)
    assert np.abs(found[4].image - mean).max() <= 0.5
    assert [np.unique(each.image).tolist() for each in found[6:]] == [[10], [240]]


def test_rows_hold_every_map_and_the_image(network: engine.Classifier, images: Images) -> None:
    rows = rows_of(network, images)
    assert {key for row in rows for key in row} == set(attention.COLUMNS)
    assert len(rows) == 6 * (1 + LAYERS * HEADS + 1)
    for row in rows:
        values = np.array(json.loads(row["values"]))
        if row["what"] == "image":
            assert values.shape == (8, 8, 1)
        else:
            assert values.shape == (4, 4)
            assert values.sum() + row["class_token"] == pytest.approx(1, abs=1e-5)
            assert row["other_tokens"] == 0
    _, (weights, _) = attention.attention(network, engine.to_device(images.test.images[2:3], "cpu"))
    (row,) = (
        row
        for row in rows
        if (row["subject"], row["number"], row["label"], row.get("layer"), row.get("head")) == ("instance", 1, 0, 2, 3)
    )
    np.testing.assert_allclose(np.ravel(json.loads(row["values"])), weights[1][0, 2, 0, 1:], atol=1e-6)


def test_layers_and_classes_are_those_asked_for(network: engine.Classifier, images: Images) -> None:
    rows, last = rows_of(network, images), rows_of(network, images, layers=[-1], classes=["bee"])
    assert last == [row for row in rows if row["label"] == 1 and row.get("layer") != 1]
    assert rows_of(network, images, layers=[2, 1]) == rows
    with pytest.raises(ValueError, match="there is no layer 3, the network has 2"):
        rows_of(network, images, layers=[3])
    with pytest.raises(ValueError, match="insects has no class be; did you mean bee"):
        rows_of(network, images, classes=["be"])


def test_a_drawn_image_is_the_planned_one_of_a_known_class(images: Images, tmp_path: Path) -> None:
    path = tmp_path / "bee.png"
    Image.new("L", (8, 8), 100).save(path)
    planned = drawn.digests({"bee": str(path)})
    with pytest.raises(drawn.DrawnError, match="drawn: no class 'be' in insects; did you mean bee"):
        list(attention.subjects({"instances": 1, "drawn": {"be": planned["bee"]}}, images))
    Image.new("L", (8, 8), 101).save(path)
    with pytest.raises(drawn.DrawnError, match=r"bee\.png was changed after"):
        list(attention.subjects({"instances": 1, "drawn": planned}, images))
    path.unlink()
    with pytest.raises(drawn.DrawnError, match=r"there is no image .*bee\.png"):
        list(attention.subjects({"instances": 1, "drawn": planned}, images))
    path.write_text("no image")
    with pytest.raises(ValueError, match=r"bee\.png is not an image that Pillow can read"):
        list(attention.subjects({"instances": 1, "drawn": drawn.digests({"bee": str(path)})}, images))


# ---- the figure ------------------------------------------------------------------------------------------------------


@pytest.fixture
def artefacts(network: engine.Classifier, images: Images, tmp_path: Path) -> Artefacts:
    """Two seeds, of which the second predicts every image as an ant."""
    found = rows_of(network, images)
    rows = [{"training_set": "all", "seed": 4, **row} for row in found]
    rows += [{"training_set": "all", "seed": 5, **row, "predicted": 0} for row in found]
    path = tmp_path / "explanations/insects/all/vit/quick/seeds4-5/all.maps.csv"
    write_rows(path, ["training_set", "seed", *attention.COLUMNS], rows)
    run = {"dataset": "insects", "bundle": "all", "model": "vit", "recipe": "quick", "training_set": "all"}
    write_rows(tmp_path / "experiments.csv", [*run, "seed"], [{**run, "seed": seed} for seed in (4, 5)])
    write_json(tmp_path / "meta.json", images.meta)
    data = {"insects": {"meta": tmp_path / "meta.json"}}
    return Artefacts(experiments=tmp_path / "experiments.csv", explanations=[path], data=data)


SPEC = {"kind": "attention", "explainer": "maps"} | {
    "dataset": "insects",
    "training_set": "all",
    "model": "vit",
    "recipe": "quick",
}


def test_the_figure_shows_each_image_with_its_maps(artefacts: Artefacts) -> None:
    figure = attention_figure.draw({**SPEC, "seed": 5, "labels": {"ant": "Ant"}}, artefacts)
    instances, means = figure.axes[:2]
    assert [axes.get_title() for axes in (instances, means)] == ["Test image", "Mean train image"]
    titles = [tick.get_text() for tick in means.get_xticklabels()]
    assert titles == ["Image", "1", "2", "3", "1", "2", "3", "Rollout"]
    assert [text.get_text() for text in means.texts][-2:] == ["Layer 1, heads", "Layer 2, heads"]
    assert [tick.get_text() for tick in instances.get_yticklabels()] == ["Ant", "Ant", "bee (Ant)", "bee (Ant)"]
    assert "seed 5" in figure.get_supxlabel()
    first = attention_figure.draw({**SPEC, "subjects": ["mean"], "classes": ["bee"]}, artefacts)
    assert "seed 4" in first.get_supxlabel()
    assert [axes.get_title() for axes in first.axes if axes.get_title()] == ["Mean train image"]


def test_the_figure_shows_some_layers_or_the_mean_over_heads(artefacts: Artefacts) -> None:
    figure = attention_figure.draw({**SPEC, "layers": [-1], "subjects": ["mean"]}, artefacts)
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["Image", "1", "2", "3", "Rollout"]
    assert "Layer 2, heads" in [text.get_text() for text in figure.axes[0].texts]
    figure = attention_figure.draw({**SPEC, "heads": "mean", "subjects": ["mean"]}, artefacts)
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["Image", "1", "2", "Rollout"]
    found = artefacts.read_explanations()
    maps = found[(found["seed"] == 4) & (found["subject"] == "mean") & (found["label"] == 0) & (found["layer"] == 2)]
    largest = np.mean([json.loads(each) for each in maps["values"]], 0).max()
    assert f"{largest:.2g}" in [text.get_text() for text in figure.axes[0].texts]
    with pytest.raises(ValueError, match=r"explainer maps keeps no layer 3: it has \[1, 2\]"):
        attention_figure.draw({**SPEC, "layers": [3]}, artefacts)
    with pytest.raises(ValueError, match="7 maps side by side are too small to see"):
        attention_figure.draw({**SPEC, "width_mm": 40}, artefacts)


def test_patches_that_do_not_divide_the_image_look_equally_large() -> None:
    image = np.zeros((8, 8, 1), dtype=np.uint8)
    assert attention_figure._enlarged(image, (4, 4)) is image
    weights = np.arange(9.0).reshape(3, 3)
    found = attention_figure.overlay(attention_figure._enlarged(image, (3, 3)), weights)
    _, areas = np.unique(found.reshape(-1, 3), axis=0, return_counts=True)
    assert len(areas) == 9
    assert areas.max() <= 1.3 * areas.min()


def test_a_map_is_coloured_from_zero_to_its_largest_weight() -> None:
    weights = np.array([[0.1, 0.2], [0.0, 0.05]])
    found = attention_figure.overlay(np.zeros((4, 4, 1), dtype=np.uint8), weights)
    colours = attention_figure.COLOURS([[0.5, 1.0], [0.0, 0.25]])[..., :3]
    np.testing.assert_allclose(found[::2, ::2], attention_figure.OPAQUE * colours)
    np.testing.assert_array_equal(found[0, 0], found[1, 1])
    np.testing.assert_allclose(attention_figure.overlay(np.full((4, 4, 1), 255, dtype=np.uint8), weights) - found, 0.3)


def test_the_figure_names_what_it_does_not_find(artefacts: Artefacts) -> None:
    with pytest.raises(ValueError, match="attention: insects has no class wasp"):
        attention_figure.draw({**SPEC, "classes": ["wasp"]}, artefacts)
    with pytest.raises(ValueError, match="attention: explainer maps has no map that is asked for"):
        attention_figure.draw({**SPEC, "subjects": ["drawn"]}, artefacts)
