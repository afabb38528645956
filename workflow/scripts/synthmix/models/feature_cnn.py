"""A small convolutional network whose penultimate layer serves as a feature extractor; no study compares it."""

from collections.abc import Mapping

import torch
from torch import nn


class FeatureCNN(nn.Module):
    """3x3 convolutions with BatchNorm and ReLU, pooled by 2 down to 4 to 7 pixels, then averaged; a linear head."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, width: int, channels: int, size: int, classes: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.full((1, 1, 1, 1), 0.5))
        self.register_buffer("std", torch.full((1, 1, 1, 1), 0.5))
        layers = [_block(channels, width), _block(width, width)]
        while size >= 8:
            layers += [nn.MaxPool2d(2), _block(width, width)]
            size //= 2
        self.trunk = nn.Sequential(*layers, _block(width, width), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(width, classes)

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Mean over space of the last rectified maps, float (N, width), from images in [0, 1], float (N, C, H, W)."""
        return self.trunk((images - self.mean) / self.std)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits, float (N, K), from images in [0, 1], float (N, C, H, W)."""
        return self.head(self.features(images))


def build(model: Mapping, channels: int, size: int, classes: int) -> FeatureCNN:
    """The network of `model["width"]` feature dimensions for images of `size` pixels (8 to 64) a side."""
    return FeatureCNN(int(model["width"]), channels, size, classes)


def _block(channels: int, width: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
