"""The minimal convolutional block of the `blocks` study: three convolutions and a multilayer perceptron.

Kernel 5, stride 1, padding 2 with C, 2C and 4C channels, each followed by ReLU and 2x2 average pooling; flatten; one
hidden layer of width 4C. The only free size is C (`width`).
"""

from torch import nn


def build(model: dict, channels: int, size: int, classes: int) -> nn.Module:
    """The network for images (N, channels, size, size), float, of about unit scale; it returns logits (N, classes).

    Weights are initialised as in He et al. 2015 ("Delving deep into rectifiers"): with PyTorch's default, activations
    shrink from layer to layer and SGD rests on a plateau for hundreds of steps.

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
    network = nn.Sequential(*layers, nn.Flatten(), nn.Linear(flat, 4 * c), nn.ReLU(), nn.Linear(4 * c, classes))
    for parameter in network.parameters():
        nn.init.kaiming_normal_(parameter) if parameter.dim() > 1 else nn.init.zeros_(parameter)
    return network
