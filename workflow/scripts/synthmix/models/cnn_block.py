"""The minimal convolutional block of the `blocks` study: three convolutions and a multilayer perceptron.

Kernel 5, stride 1, padding 2 with C, 2C and 4C channels, each followed by ReLU and 2x2 average pooling; flatten; one
hidden layer of width 4C. The only free size is C (`width`).
"""

import math

from torch import Tensor, nn


class Times(nn.Module):
    """Multiplies by a fixed factor."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


def build(model: dict, channels: int, size: int, classes: int) -> nn.Module:
    """The network for images (N, channels, size, size), float, of about unit scale; it returns logits (N, classes).

    Weights are initialised as in He et al. 2015 ("Delving deep into rectifiers"): with PyTorch's default, activations
    shrink from layer to layer and SGD rests on a plateau for hundreds of steps.

    `parametrisation: mean_field` draws all weights from N(0, 1) and multiplies inside the network: the inputs of a
    layer by He's sqrt(2 / fan in), those of the output layer by 1 / sqrt(fan in), and the logits by 1 / sqrt(C): they
    are 1 / C times a sum over units. Gradients fall as 1 / C, too, and SGD wants a rate proportional to C
    (`width_scaled`). It is the maximal update parametrisation of Yang and Hu 2021 (arXiv:2011.14522), written so that
    the width stands in the rate.

    Raises:
        ValueError: images of fewer than 8 pixels, which three poolings leave nothing of.
    """
    if size < 8:
        raise ValueError(f"cnn_block needs images of at least 8 pixels, not {size}: raise the data set's resolution")
    c = model["width"]
    layers: list[nn.Module] = []
    for inputs, outputs in ((channels, c), (c, 2 * c), (2 * c, 4 * c)):
        layers += [nn.Conv2d(inputs, outputs, 5, padding=2), nn.ReLU(), nn.AvgPool2d(2)]
    flat = 4 * c * (size // 8) ** 2
    layers += [nn.Flatten(), nn.Linear(flat, 4 * c), nn.ReLU(), nn.Linear(4 * c, classes)]
    if model.get("parametrisation") == "mean_field":
        return nn.Sequential(*_mean_field(layers, c))
    network = nn.Sequential(*layers)
    for parameter in network.parameters():
        nn.init.kaiming_normal_(parameter) if parameter.dim() > 1 else nn.init.zeros_(parameter)
    return network


def _mean_field(layers: list[nn.Module], width: int) -> list[nn.Module]:
    """The layers with weights from N(0, 1) and biases of zero, each behind its factor; the last factor is the logits'.

    It is on the whole of the logits: an output bias with a rate proportional to the width would run away.
    """
    scaled: list[nn.Module] = []
    for layer in layers:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            for parameter in layer.parameters():
                nn.init.normal_(parameter) if parameter.dim() > 1 else nn.init.zeros_(parameter)
            gain = 1 if layer is layers[-1] else 2
            scaled.append(Times(math.sqrt(gain / layer.weight[0].numel())))
        scaled.append(layer)
    return [*scaled, Times(1 / math.sqrt(width))]
