"""Residual networks (He et al. 2016, "Deep residual learning for image recognition"), made of torchvision's blocks.

With `stem: imagenet` and width 64 the network is torchvision's own, for any number of classes. `stem: cifar` is the
usual change for images of about 32 pixels: a first convolution of 3x3 and stride 1, and no max-pooling. `width` is the
number of channels of the first stage; the following three have two, four and eight times as many (in a bottleneck four
times that at their end).
"""

from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

LAYERS = {18: (BasicBlock, [2, 2, 2, 2]), 34: (BasicBlock, [3, 4, 6, 3]), 50: (Bottleneck, [3, 4, 6, 3])}
WIDTH = 64  # of torchvision's networks


def build(model: dict, channels: int, size: int, classes: int) -> nn.Module:
    """The network for images (N, channels, size, size), float, of about unit scale; it returns logits (N, classes).

    The initial weights are distributed as torchvision's: He et al. 2015 (fan out) in convolutions, PyTorch's default
    in the head.
    """
    block, layers = LAYERS[model["depth"]]
    width, cifar = model["width"], model["stem"] == "cifar"
    network = ResNet(block, layers, num_classes=classes)
    if cifar or channels != 3 or width != WIDTH:
        kernel, stride, padding = (3, 1, 1) if cifar else (7, 2, 3)
        network.conv1 = nn.Conv2d(channels, width, kernel, stride, padding, bias=False)
        _initialise(network.conv1)
    if cifar:
        network.maxpool = nn.Identity()
    if width != WIDTH:
        _resize(network, block, layers, width, classes)
    return network


def _resize(network: ResNet, block: type, layers: list[int], width: int, classes: int) -> None:
    """Give the four stages another width; torchvision's constructor has a fixed one."""
    network.bn1 = nn.BatchNorm2d(width)
    network.inplanes = width
    for stage, blocks in enumerate(layers):
        made = network._make_layer(block, width * 2**stage, blocks, stride=1 if stage == 0 else 2)
        made.apply(_initialise)
        setattr(network, f"layer{stage + 1}", made)
    network.fc = nn.Linear(network.inplanes, classes)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
