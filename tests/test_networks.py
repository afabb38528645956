"""Networks of torchvision and timm: published sizes, heads, resizing, and what they refuse."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from synthmix.models import timm as timm_model
from synthmix.models import torchvision as torchvision_model
from synthmix.networks import engine, libraries

MODEL_B = {"hidden": 2048, "batch_norm": True, "dropout": 0.3}
SMALL = {"name": "shufflenet_v2_x0_5"}  # 1.4 million parameters


def without_values(module: Any, name: str, classes: int, size: int = 224, **model: Any) -> nn.Module:
    return libraries.without_values(lambda: module.build({"name": name, **model}, 3, size, classes))


@pytest.mark.parametrize(
    ("module", "name", "classes", "head", "published"),
    [
        (torchvision_model, "vgg16", 1000, None, 138_357_544),
        (torchvision_model, "vgg16", 196, None, 135_063_556),
        (torchvision_model, "mobilenet_v2", 1000, None, 3_504_872),
        (torchvision_model, "mobilenet_v2", 196, None, 2_474_948),
        (torchvision_model, "resnet50", 1000, None, 25_557_032),
        (torchvision_model, "resnet50", 196, None, 23_909_636),
        (torchvision_model, "resnet50", 196, MODEL_B, 28_110_084),
        (torchvision_model, "resnet18", 1000, None, 11_689_512),
        (torchvision_model, "vit_b_16", 1000, None, 86_567_656),
        (timm_model, "vit_base_patch16_224", 1000, None, 86_567_656),
        (timm_model, "tf_efficientnet_lite0", 1000, None, 4_652_008),
    ],
)
def test_networks_have_their_published_number_of_parameters(
    module: Any, name: str, classes: int, head: dict[str, Any] | None, published: int
) -> None:
    """Those of 196 classes and of Model-B are the counts behind the study `cars`."""
    network = without_values(module, name, classes, head=head)
    assert sum(parameter.numel() for parameter in network.parameters()) == published


@pytest.mark.parametrize(("module", "name"), [(torchvision_model, SMALL["name"]), (timm_model, "test_vit")])
def test_a_network_is_its_head_on_its_backbone(module: Any, name: str) -> None:
    torch.manual_seed(0)
    network = module.build({"name": name, "input_size": 160, "head": {"hidden": 6}}, 3, 32, 5).eval()
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        features = network.backbone(images)
        assert features.ndim == 2
        torch.testing.assert_close(network(images), network.head(features))
        resized = F.interpolate(images, (160, 160), mode="bilinear", antialias=True)
        torch.testing.assert_close(network(images), network.head(network.backbone.network(resized)))
    assert network(images).shape == (2, 5)
    assert {key.split(".")[0] for key in network.state_dict()} == {"backbone", "head"}


def test_networks_of_their_own_library_have_the_same_logits() -> None:
    """With the head's values in the place of the removed layer, nothing else has changed."""
    torch.manual_seed(0)
    network = torchvision_model.build(SMALL, 3, 64, 1000).eval()
    whole = torchvision_model._whole(SMALL).eval()
    state = {key.removeprefix("backbone.network."): value for key, value in network.state_dict().items()}
    whole.load_state_dict({key.replace("head.", "fc."): value for key, value in state.items()})
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(network(images), whole(images))


def test_a_head_has_the_layers_that_it_names() -> None:
    torch.manual_seed(0)
    head = libraries.head({"hidden": 4, "batch_norm": True, "dropout": 0.5}, 3, 2)
    assert [type(layer) for layer in head] == [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Dropout, nn.Linear]
    assert head[3].p == 0.5
    assert [type(layer) for layer in libraries.head({"hidden": 4}, 3, 2)] == [nn.Linear, nn.ReLU, nn.Linear]
    assert isinstance(libraries.head(None, 3, 2), nn.Linear)


@pytest.mark.parametrize(
    ("module", "name", "channels", "size", "message"),
    [
        (torchvision_model, "vit_b_16", 3, 32, r"vit_b_16 does not take images of 32 x 32 pixels \(.*224.*set the mod"),
        (
            timm_model,
            "vit_tiny_patch16_224",
            3,
            32,
            r"does not take images of 32 x 32 pixels \(.*224.*set the model's inp",
        ),
        (torchvision_model, "alexnet", 3, 16, "alexnet does not take images of 16 x 16 pixels"),
        (timm_model, "test_vit", 1, 160, "takes RGB images, not images of one channel: set channels: 3"),
        (timm_model, "resnet99", 3, 224, "resnet99 is no network of timm"),
        (torchvision_model, "fcn_resnet50", 3, 224, "fcn_resnet50 is no classification network of torchvision"),
        (torchvision_model, "squeezenet1_0", 3, 224, "squeezenet1_0 of torchvision has no linear output layer"),
    ],
)
def test_what_does_not_fit_is_refused(module: Any, name: str, channels: int, size: int, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        module.build({"name": name}, channels, size, 10)
    assert "\n" not in str(caught.value)


def test_initial_weights_are_a_function_of_the_seed() -> None:
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        states.append(torchvision_model.build({**SMALL, "head": {"hidden": 4}}, 3, 64, 5).state_dict())
    assert all(torch.equal(one, other) for one, other in zip(*(each.values() for each in states), strict=True))


def test_large_images_are_looked_at_in_smaller_batches() -> None:
    """Of networks that resize them, too."""
    sizes = []

    class Watching(nn.Module):
        input_size = None

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            sizes.append(len(images))
            return images.mean((2, 3))

    model = engine.Classifier(Watching(), 3)
    engine.logits(model, torch.zeros(100, 3, 2, 2))
    model.network.input_size = 512
    engine.logits(model, torch.zeros(40, 3, 2, 2))
    assert sizes == [100, *20 * [2]], "2**19 pixels at once on the CPU"
