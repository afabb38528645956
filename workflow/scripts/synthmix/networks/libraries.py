"""Networks of libraries as classifiers: a backbone, which gives features, and a head, which gives logits."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Backbone(nn.Module):
    """A network without its output layer: images, float (N, 3, H, W), to pooled features (N, D).

    With `size`, images are first resized to so many pixels a side, bilinear and antialiased.
    """

    def __init__(self, network: nn.Module, size: int | None) -> None:
        super().__init__()
        self.network = network
        self.size = size

    def forward(self, images: Tensor) -> Tensor:
        if self.size and images.shape[-2:] != (self.size, self.size):
            images = F.interpolate(images, (self.size, self.size), mode="bilinear", antialias=True)
        features: Tensor = self.network(images)
        return features


class Network(nn.Module):
    """Logits (N, classes) of images, float (N, 3, H, W): `head(backbone(images))`.

    normalisation: what pretrained weights expect, the mean and standard deviation of each channel of images in [0, 1];
    None for random weights. It is no part of the state, since the classifier around the network keeps it.
    """

    normalisation: tuple[Sequence[float], Sequence[float]] | None = None

    def __init__(self, backbone: Backbone, head: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    @property
    def input_size(self) -> int | None:
        """Pixels a side that images are resized to; None where they keep their size."""
        return self.backbone.size

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.backbone(images))
        return logits


def assemble(
    create: Callable[[], nn.Module], model: Mapping[str, Any], channels: int, size: int, classes: int
) -> Network:
    """A network whose backbone `create` makes, for images (N, channels, size, size).

    Args:
        create: makes the library's network without its output layer.
        model: `name`, and if wanted `input_size` and `head`.
        channels, size, classes: of the data.

    Raises:
        ValueError: the images are not RGB, or of a size that the network does not take.
    """
    if channels != 3:
        raise ValueError(
            f"{model['name']} takes RGB images, not images of one channel: set channels: 3 of the data set"
        )
    resized = model.get("input_size")
    features = _features(create, model["name"], resized or size)
    return Network(Backbone(create(), resized), head(model.get("head"), features, classes))


def head(form: Mapping[str, Any] | None, features: int, classes: int) -> nn.Module:
    """The layers from features (N, D) to logits (N, classes), with PyTorch's default initialisation.

    form: None for one linear layer; else `hidden` (units of a layer before it, with ReLU), `batch_norm` (before the
    ReLU) and `dropout` (after it, a probability).
    """
    if form is None:
        return nn.Linear(features, classes)
    layers: list[nn.Module] = [nn.Linear(features, form["hidden"])]
    if form.get("batch_norm"):
        layers.append(nn.BatchNorm1d(form["hidden"]))
    layers.append(nn.ReLU())
    if form.get("dropout"):
        layers.append(nn.Dropout(form["dropout"]))
    return nn.Sequential(*layers, nn.Linear(form["hidden"], classes))


def without_values(make: Callable[[], nn.Module]) -> nn.Module:
    """A network on the meta device, where layers have shapes and no values: made fast, and without drawing any."""
    try:
        with torch.device("meta"):
            return make()
    except NotImplementedError:  # a constructor that computes with tensors, as torchvision's RegNet has
        with torch.device("cpu"):
            return make().to("meta")


def _features(create: Callable[[], nn.Module], name: str, size: int) -> int:
    """Length of the features of images of a size. Raises ValueError where the network does not take them."""
    network = without_values(create).eval()
    try:
        with torch.no_grad():
            shape = network(torch.empty(1, 3, size, size, device="meta")).shape
    except (RuntimeError, AssertionError, ValueError) as error:
        reason = " ".join(str(error).split())
        problem = f"{name} does not take images of {size} x {size} pixels ({reason})"
        raise ValueError(f"{problem}: set the model's input_size, to which images are resized, such as 224") from error
    return int(shape[1])
