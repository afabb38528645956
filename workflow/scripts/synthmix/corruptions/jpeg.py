"""Corruption `jpeg`: JPEG compression, by libjpeg through Pillow (kornia's is an approximation with gradients).

Severities are qualities: those of `jpeg_compression` in CIFAR-10-C, Tiny ImageNet-C and ImageNet-C (Hendrycks and
Dietterich 2019, arXiv:1903.12261), by the side of the images.
"""

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from synthmix.images.corrupted import Draws, rounded

SEVERITIES = {32: (80, 65, 58, 50, 40), 64: (65, 58, 50, 40, 25), 224: (25, 18, 15, 10, 7)}
LABEL = "quality {:.0f}"


def corrupt(images: Tensor, quality: float, draws: Draws) -> Tensor:
    """Images (N, C, H, W), grey (C = 1) or RGB (C = 3), as they are read back from JPEG files."""
    pixels = rounded(images).permute(0, 2, 3, 1).numpy()
    read = np.stack([_read_back(image, round(quality)) for image in pixels]).reshape(pixels.shape)
    return torch.from_numpy(read).permute(0, 3, 1, 2).float() / 255


def _read_back(image: np.ndarray, quality: int) -> np.ndarray:
    with io.BytesIO() as file:
        Image.fromarray(image.squeeze(2) if image.shape[2] == 1 else image).save(file, "JPEG", quality=quality)
        return np.asarray(Image.open(file))
