"""Class activation maps: where they are taken, what they show, how they are judged, and which images are drawn."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import pytorch_grad_cam
import timm
import torch
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn
from torchvision import models as torchvision_models

from synthmix.data import Split
from synthmix.explainers import cam
from synthmix.explaining import Images
from synthmix.models import cnn_block, resnet, vit_block
from synthmix.networks import engine, faithfulness, target_layers
from synthmix.networks.saliency import BASELINES, TITLES, enlarged

VIT = {"width": 12, "heads": 3, "layers": 2, "patch": 2}
RESNET = {"depth": 18, "width": 4, "stem": "cifar"}


@pytest.fixture(scope="module")
def images() -> Images:
    """Twelve test images of 16 x 16 pixels in three classes, of which the last has two."""
    random = np.random.default_rng(0)
    labels = np.array([0, 1, 0, 1, 2, 0, 1, 0, 1, 2, 0, 1])
    pixels = random.integers(0, 256, (12, 16, 16, 3), dtype=np.uint8)
    meta = {"name": "insects", "classes": ["ant", "bee", "cricket"], "size": [16, 16], "channels": 3}
    return Images(Split(pixels, labels, np.arange(12)), meta, lambda: pytest.fail("train is read"))


def classifier(build: Callable[..., nn.Module], model: dict[str, Any]) -> engine.Classifier:
    """A network far from its initialisation, so that predictions and maps differ between images."""
    torch.manual_seed(1)
    found = engine.Classifier(build(model, 3, 16, 3), 3)
    for parameter in found.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=0.3)
    found.mean.fill_(127)
    found.std.fill_(74)
    return found.eval()


def rows_of(network: engine.Classifier, images: Images, **explainer: Any) -> list[dict[str, Any]]:
    defaults = {"kind": "cam", "methods": list(cam.METHODS), "instances": 1, "seed": 0}
    return list(cam.explain(network, {**defaults, **explainer}, images, "cpu"))


# ---- the layer -------------------------------------------------------------------------------------------------------


class Headed(nn.Module):
    """A network in two parts."""

    def __init__(self, backbone: nn.Module, features: int) -> None:
        super().__init__()
        self.backbone, self.head = backbone, nn.Linear(features, 3)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.backbone(images))


SMALL = {"img_size": 32, "embed_dim": 16, "num_classes": 0}
SWIN = {"patch_size": [4, 4], "embed_dim": 8, "depths": [1, 1], "num_heads": [2, 2], "window_size": [4, 4]}
timm_vit = partial(timm.models.VisionTransformer, patch_size=8, depth=2, num_heads=2, **SMALL)
LAYERS: dict[str, tuple[Callable[[], nn.Module], int, str, tuple[int, int]]] = {
    # the third pooling leaves one pixel, then two
    "cnn_block of 8 pixels": (lambda: cnn_block.build({"width": 4}, 3, 8, 3), 8, "7", (16, 2)),
    "cnn_block of 32 pixels": (lambda: cnn_block.build({"width": 4}, 3, 32, 3), 32, "7", (16, 8)),
    "resnet": (lambda: resnet.build(RESNET, 3, 32, 3), 32, "layer4", (32, 4)),
    "resnet with a stage of one pixel": (
        lambda: resnet.build({**RESNET, "stem": "imagenet"}, 3, 32, 3),
        32,
        "layer3",
        (16, 2),
    ),
    "vit_block": (lambda: vit_block.build(VIT, 3, 8, 3), 8, "blocks.1.norm1", (12, 4)),
    "vit_block of one layer": (lambda: vit_block.build({**VIT, "layers": 1}, 3, 8, 3), 8, "blocks.0.norm1", (12, 4)),
    "torchvision's ViT": (
        lambda: torchvision_models.VisionTransformer(32, 8, 2, 2, 16, 16, num_classes=3),
        32,
        "encoder.layers.encoder_layer_1.ln_1",
        (16, 4),
    ),
    "torchvision's Swin": (lambda: torchvision_models.SwinTransformer(**SWIN, num_classes=3), 32, "permute", (16, 4)),
    "timm's ViT with registers": (
        lambda: Headed(timm_vit(reg_tokens=3), 16),
        32,
        "backbone.blocks.1.norm1",
        (16, 4),
    ),
    "timm's ViT, patches averaged": (
        lambda: Headed(timm_vit(class_token=False, global_pool="avg", fc_norm=False), 16),
        32,
        "backbone.norm",
        (16, 4),
    ),
    "timm's ConvNeXt": (
        lambda: Headed(timm.models.ConvNeXt(depths=(1, 1, 1, 1), dims=(8, 8, 8, 16), num_classes=0), 16),
        64,
        "backbone.stages",
        (16, 2),
    ),
}


@pytest.mark.parametrize("case", LAYERS)
def test_maps_are_taken_where_places_are_last_known(case: str) -> None:
    build, size, name, (channels, side) = LAYERS[case]
    torch.manual_seed(0)
    network = build().eval()
    for parameter in network.parameters():  # torchvision's heads begin with zeros
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1)
    image = torch.randn(1, 3, size, size)
    found = target_layers.find(network, image)
    assert found == (name, network.get_submodule(name))
    outputs: list[Tensor] = []
    with found[1].register_forward_hook(lambda _, inputs, output: outputs.append(output)):
        network(image)
    assert target_layers.as_map(outputs[0]).shape == (1, channels, side, side)
    assert not any(module._forward_hooks for module in network.modules())


def test_a_network_without_places_is_refused() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 8), nn.ReLU(), nn.Linear(8, 3))
    with pytest.raises(ValueError, match="cam: no layer of the network gives a map of more than one row"):
        target_layers.find(network, torch.randn(1, 3, 8, 8))


def test_patches_are_laid_row_by_row_behind_the_class_token() -> None:
    tokens = torch.arange(5.0)[None, :, None].expand(1, 5, 2)
    np.testing.assert_array_equal(target_layers.as_map(tokens)[0], [[[1, 2], [3, 4]]] * 2)
    last = torch.arange(12.0).view(1, 2, 2, 3)
    np.testing.assert_array_equal(target_layers.as_map(last)[0, 1], [[1, 4], [7, 10]])


# ---- maps ------------------------------------------------------------------------------------------------------------


class Averaged(nn.Module):
    """Two maps, averaged over places, with a linear head: the case in which Grad-CAM is CAM (Zhou et al. 2016)."""

    def __init__(self) -> None:
        super().__init__()
        self.maps, self.head = nn.Conv2d(1, 2, 1, bias=False), nn.Linear(2, 2, bias=False)
        with torch.no_grad():
            self.maps.weight.copy_(torch.tensor([1.0, -1.0]).view(2, 1, 1, 1))
            self.head.weight.copy_(torch.tensor([[2.0, -1.0], [0.0, 1.0]]))

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.maps(images).mean((2, 3)))


def test_grad_cam_is_the_weighted_sum_of_maps() -> None:
    network, image = Averaged(), torch.tensor([[[[0.0, 1.0], [4.0, -3.0]]]])
    expected = np.maximum(3 * image[0, 0].numpy(), 0) / 12  # 2 x - 1 (-x) for class 0; from 0 to the largest
    np.testing.assert_allclose(cam.saliency("grad_cam", network, network.maps, image, 0), expected, atol=1e-4)
    expected = np.maximum(-image[0, 0].numpy(), 0) / 3
    np.testing.assert_allclose(cam.saliency("grad_cam", network, network.maps, image, 1), expected, atol=1e-4)


def test_eigen_cam_has_a_sign() -> None:
    network, image = Averaged(), torch.zeros(1, 1, 4, 4)
    image[0, 0, 1, 2] = 1
    expected = image[0, 0].numpy()
    for sign in (1, -1):  # of all activations, which says nothing of places
        found = cam.saliency("eigen_cam", network, network.maps, sign * image, 0)
        np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize(
    "build", [partial(classifier, vit_block.build, VIT), partial(classifier, resnet.build, RESNET)]
)
def test_score_cam_is_that_of_the_package(
    build: Callable[[], engine.Classifier], images: Images, capfd: pytest.CaptureFixture
) -> None:
    network = build().network
    image = torch.from_numpy(images.test.images[:1]).permute(0, 3, 1, 2).float().contiguous() / 74 - 1.7
    _, layer = target_layers.find(network, image)
    found = cam.saliency("score_cam", network, layer, image, 1)
    assert capfd.readouterr().err == ""
    whole = pytorch_grad_cam.ScoreCAM(network, [layer], reshape_transform=target_layers.as_map)
    theirs = whole(image, [ClassifierOutputTarget(1)])[0]
    large = enlarged(found, (16, 16))
    assert np.ptp(large) > 0.5
    # the package stretches a map again once it is enlarged, and enlarges by another library
    np.testing.assert_allclose((large - large.min()) / np.ptp(large), theirs, atol=0.01)


# ---- deletion and insertion ------------------------------------------------------------------------------------------


class Watching(nn.Module):
    """The probability of class 1 is the value of one pixel, between 0 and 1."""

    def __init__(self, row: int, column: int) -> None:
        super().__init__()
        self.row, self.column = row, column

    def forward(self, images: Tensor) -> Tensor:
        value = images[:, 0, self.row, self.column].double().clamp(1e-9, 1 - 1e-9)
        return torch.stack([(1 - value).log(), value.log()], 1)


@pytest.mark.parametrize(("position", "expected"), [(0, 1 - 1 / 64), (63, 1 / 64), (32, 1 / 2 - 1 / 64)])
def test_the_area_falls_with_the_place_of_the_decisive_pixel(position: int, expected: float) -> None:
    # 64 pixels in 32 steps; the trapezium of the step in which the pixel changes counts half
    order = np.roll(np.arange(64), position - 11)
    assert order[position] == 11
    start, end = torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 8)
    assert faithfulness.area(Watching(1, 3), start, end, order, 1) == pytest.approx(expected)
    assert faithfulness.area(Watching(1, 3), end, start, order, 1) == pytest.approx(1 - expected)


def test_a_map_of_what_decides_is_faithful_and_one_that_says_nothing_is_as_good_as_chance() -> None:
    image = torch.zeros(1, 1, 8, 8)
    image[0, 0, 2, 5] = 1
    chance = np.random.default_rng(0).random((8, 8))
    maps = {"good": image[0, 0].numpy(), "bad": -image[0, 0].numpy(), "none": np.zeros((8, 8)), "random": chance}
    found = faithfulness.scores(Watching(2, 5), image, 1, maps, ties=chance)
    assert found["none"] == found["random"]
    assert found["good"]["deletion"] == pytest.approx(1 / 64)
    assert found["bad"]["deletion"] == pytest.approx(1 - 1 / 64)
    assert found["good"]["insertion"] > found["random"]["insertion"] > found["bad"]["insertion"]
    assert found["good"]["insertion"] < 1, "insertion begins with a blurred image"


def test_the_centre_comes_first() -> None:
    found = faithfulness.centre((5, 5))
    assert found[2, 2] == found.max() == 0
    assert found[0, 0] == found[4, 4] == found.min() == pytest.approx(-(8**0.5))


def test_a_map_is_enlarged_between_the_middles_of_its_cells() -> None:
    found = enlarged(np.array([[0.0, 1.0], [0.0, 1.0]]), (2, 8))
    np.testing.assert_allclose(found, [[0, 0, 1 / 8, 3 / 8, 5 / 8, 7 / 8, 1, 1]] * 2, atol=1e-6)


# ---- rows ------------------------------------------------------------------------------------------------------------


def test_images_are_drawn_by_class_and_seed() -> None:
    labels = np.repeat([0, 1, 2], [40, 40, 2])
    few, more = cam.instances(labels, 2, seed=0), cam.instances(labels, 5, seed=0)
    assert labels[few].tolist() == [0, 0, 1, 1, 2, 2]
    assert labels[more].tolist() == [0] * 5 + [1] * 5 + [2] * 2
    assert set(few) <= set(more)
    assert len(set(more)) == len(more)
    assert set(cam.instances(labels, 2, seed=1)) != set(few)
    assert few != list(range(2)), "the first of the split are no draw"


@pytest.mark.parametrize(
    ("build", "cells"),
    [(partial(classifier, vit_block.build, VIT), 8), (partial(classifier, resnet.build, RESNET), 2)],
)
def test_rows_hold_a_judged_map_for_each_method(
    build: Callable[[], engine.Classifier], cells: int, images: Images
) -> None:
    network = build()
    rows = rows_of(network, images)
    assert {key for row in rows for key in row} == set(cam.COLUMNS)
    assert [row["method"] for row in rows] == 3 * [*cam.METHODS, *BASELINES] == 3 * list(TITLES)
    chosen = cam.instances(images.test.labels, 1, 0)
    assert [row["index"] for row in rows[:: len(TITLES)]] == chosen
    logits = engine.logits(network, engine.to_device(images.test.images, "cpu"))
    for row in rows:
        assert row["label"] == images.test.labels[row["index"]]
        assert row["prediction"] == logits[row["index"]].argmax()
        assert row["confidence"] == pytest.approx(float(logits[row["index"]].softmax(0).max()), abs=1e-5)
        assert 0 <= row["deletion"] <= 1
        assert 0 <= row["insertion"] <= 1
        if row["method"] in BASELINES:
            assert row["values"] is None
        else:
            values = np.array(json.loads(row["values"]))
            assert values.shape == (cells, cells)
            assert values.min() >= 0
            assert values.max() <= 1
    assert len({row["values"] for row in rows}) > 3, "maps that are all equal show nothing"
    assert rows_of(network, images) == rows
    assert not any(module._forward_hooks for module in network.modules())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_one_method_and_more_images_leave_the_others_as_they_are(images: Images) -> None:
    network = classifier(vit_block.build, VIT)
    every = {(row["index"], row["method"]): row for row in rows_of(network, images)}
    some = {(row["index"], row["method"]): row for row in rows_of(network, images, methods=["grad_cam"], instances=3)}
    assert len(some) == (3 + 3 + 2) * 3
    shared = every.keys() & some.keys()
    assert len(shared) == 3 * 3
    assert all(every[key] == some[key] for key in shared)
