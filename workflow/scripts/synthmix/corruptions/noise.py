"""Corruption `noise`: Gaussian noise, independent in every pixel and channel.

Severities are standard deviations, of values in [0, 1]: those of `gaussian_noise` in CIFAR-10-C, Tiny ImageNet-C and
ImageNet-C (Hendrycks and Dietterich 2019, arXiv:1903.12261), by the side of the images.
"""

import numpy as np
import torch
from torch import Tensor

from synthmix.images.corrupted import Draws

SEVERITIES = {
    32: (0.04, 0.06, 0.08, 0.09, 0.1),
    64: (0.04, 0.08, 0.12, 0.15, 0.18),
    224: (0.08, 0.12, 0.18, 0.26, 0.38),
}
LABEL = "σ = {:.2g}"


def corrupt(images: Tensor, sigma: float, draws: Draws) -> Tensor:
    """Images (N, C, H, W) with noise; that of an image is larger, but of the same pattern, at a larger severity."""
    noise = [draw.standard_normal(images.shape[1:], dtype=np.float32) for draw in draws]
    return images + sigma * torch.from_numpy(np.stack(noise))
