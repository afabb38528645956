"""Random changes of the images that a classifier trains on; those that generators have in common are the engine's."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from synthmix import engine

ANGLE = 15.0  # degrees
AREA, RATIO = (0.08, 1.0), (3 / 4, 4 / 3)  # torchvision's


def augment(images: Tensor, kind: str, random: torch.Generator) -> Tensor:
    """Augment a batch (N, C, H, W), each image on its own; the draw comes from a CPU generator.

    rotate: turned by up to 15 degrees about the centre, the border filled with zeros, and mirrored left to right with
    probability 1/2. random_resized_crop: a random part of the image, of 8 to 100 % of its area and of 3/4 to 4/3 times
    its proportions, resized to the image's size, and mirrored likewise (Szegedy et al. 2015, arXiv:1409.4842; a part
    that would be larger than the image in one direction is cut there). Others: see `engine.augment`.
    """
    if kind not in ("rotate", "random_resized_crop"):
        return engine.augment(images, kind, random)
    n, _, height, width = images.shape

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(n, generator=random) * (high - low) + low

    mirrored = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
    zero = torch.zeros(n)
    if kind == "rotate":
        angle = torch.deg2rad(uniform(-ANGLE, ANGLE))
        cos, sin = torch.cos(angle), torch.sin(angle)
        # positions count from -1 to 1 in both directions, however wide the image is
        across, down = (cos * mirrored, -sin * height / width, zero), (sin * mirrored * width / height, cos, zero)
    else:
        area, ratio = uniform(*AREA), torch.exp(uniform(*map(math.log, RATIO)))
        wide, high = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
        across = (wide * mirrored, zero, uniform(-1, 1) * (1 - wide))
        down = (zero, high, uniform(-1, 1) * (1 - high))
    theta = torch.stack([torch.stack(across, 1), torch.stack(down, 1)], 1).to(images.device)
    grid = F.affine_grid(theta, [n, 1, height, width], align_corners=False)
    border = "zeros" if kind == "rotate" else "border"
    return F.grid_sample(images.float(), grid, padding_mode=border, align_corners=False)
