"""Corruption `occlusion`: a square somewhere in the image is set to the image's mean grey.

Severities are sides of the square, as shares of the image's shorter side. They are our own; half a side is that of
Cutout (DeVries and Taylor 2017, arXiv:1708.04552, for CIFAR-10).
"""

from torch import Tensor

from synthmix.images.corrupted import Draws

SEVERITIES = {32: (0.125, 0.25, 0.375, 0.5, 0.625)}
LABEL = "{:.3g} of the side"


def corrupt(images: Tensor, share: float, draws: Draws) -> Tensor:
    """Images (N, C, H, W) with a square each, whole and anywhere; that of a smaller severity lies within it."""
    height, width = images.shape[2:]
    side = max(1, round(share * min(height, width)))
    found = images.clone()
    for image, draw in zip(found, draws, strict=True):
        top, left = (int(draw.random() * (length - side + 1)) for length in (height, width))
        image[:, top : top + side, left : left + side] = image.mean()
    return found
