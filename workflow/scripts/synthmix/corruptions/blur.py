"""Corruption `blur`: Gaussian blur.

Severities are standard deviations in pixels: those of `gaussian_blur` in CIFAR-10-C, Tiny ImageNet-C and ImageNet-C
(Hendrycks and Dietterich 2019, arXiv:1903.12261), by the side of the images; above 224 pixels in proportion to it.
"""

import math

from kornia.filters import gaussian_blur2d
from torch import Tensor

from synthmix.images.corrupted import Draws

SEVERITIES = {
    32: (0.4, 0.6, 0.7, 0.8, 1.0),
    64: (0.5, 0.75, 1.0, 1.25, 1.5),
    224: (1.0, 2.0, 3.0, 4.0, 6.0),
    2240: (10.0, 20.0, 30.0, 40.0, 60.0),
}
LABEL = "σ = {:.2g} px"


def corrupt(images: Tensor, sigma: float, draws: Draws) -> Tensor:
    """Images (N, C, H, W) blurred with a kernel cut off at four standard deviations; edge pixels go on outside."""
    size = 2 * math.ceil(4 * sigma) + 1
    return gaussian_blur2d(images, (size, size), (sigma, sigma), border_type="replicate")
