"""Random changes of the images that classifiers and generators train on."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from synthmix.networks import engine

ANGLE = 15.0  # degrees
AREA, RATIO = (0.08, 1.0), (3 / 4, 4 / 3)  # torchvision's


def augment(images: Tensor, kind: str, random: torch.Generator) -> Tensor:
    """Augment a batch (N, C, H, W), each image on its own; the draw comes from a CPU generator.

    none: as they are. flip: mirrored left to right with probability 1/2. crop: moved by up to an eighth of the size in
    each direction (4 pixels of 32), in whole pixels, the border filled with zeros, and mirrored as in flip: what is
    customary for CIFAR since He et al. 2016. shift: moved by up to an eighth of the size in each direction, the border
    filled with the edge. strong: shift, rotation by up to 15 degrees, scale 0.85 to 1.15, contrast and brightness by
    up to 20 %. rotate: turned by up to 15 degrees about the centre, the border filled with zeros, and mirrored as in
    flip. random_resized_crop: a random part of the image, of 8 to 100 % of its area and of 3/4 to 4/3 times its
    proportions, resized to the image's size, and mirrored likewise (Szegedy et al. 2015, arXiv:1409.4842; a part that
    would be larger than the image in one direction is cut there).
    """
    if kind == "none":
        return images
    if kind == "crop":
        return _crop(images, random)
    n, _, height, width = images.shape

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(n, generator=random) * (high - low) + low

    if kind == "flip":
        mirrored = engine.send(uniform(0, 1) < 0.5, images.device)
        return torch.where(mirrored[:, None, None, None], images.flip(3), images)
    theta = engine.send(_seen(kind, tuple(images.shape), uniform), images.device)
    grid = F.affine_grid(theta, [n, 1, height, width], align_corners=False)
    border = "zeros" if kind == "rotate" else "border"
    moved = F.grid_sample(images.float(), grid, padding_mode=border, align_corners=False)
    if kind == "strong":
        contrast = engine.send(uniform(0.8, 1.2), images.device)[:, None, None, None]
        brightness = engine.send(uniform(-51, 51), images.device)[:, None, None, None]
        mean = moved.mean((1, 2, 3), keepdim=True)
        moved = ((moved - mean) * contrast + mean + brightness).clamp(0, 255)
    return moved


def _seen(kind: str, shape: tuple[int, ...], uniform: Callable[[float, float], Tensor]) -> Tensor:
    """The part that is seen of each image of a batch of shape (N, C, H, W): (N, 2, 3), as F.affine_grid takes it.

    Positions count from -1 to 1 in both directions, however wide the image is.
    """
    n, _, height, width = shape
    zero = torch.zeros(n)
    if kind in ("shift", "strong"):
        shift_x, shift_y = uniform(-0.25, 0.25), uniform(-0.25, 0.25)
        angle, scale = zero, torch.ones(n)
        if kind == "strong":
            angle, scale = torch.deg2rad(uniform(-ANGLE, ANGLE)), uniform(0.85, 1.15)
        cos, sin = torch.cos(angle) / scale, torch.sin(angle) / scale
        across, down = (cos, -sin, shift_x), (sin, cos, shift_y)
    else:
        mirrored = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
        if kind == "rotate":
            angle = torch.deg2rad(uniform(-ANGLE, ANGLE))
            cos, sin = torch.cos(angle), torch.sin(angle)
            across, down = (cos * mirrored, -sin * height / width, zero), (sin * mirrored * width / height, cos, zero)
        else:
            area, ratio = uniform(*AREA), torch.exp(uniform(*map(math.log, RATIO)))
            wide, high = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
            across = (wide * mirrored, zero, uniform(-1, 1) * (1 - wide))
            down = (zero, high, uniform(-1, 1) * (1 - high))
    return torch.stack([torch.stack(across, 1), torch.stack(down, 1)], 1)


def _crop(images: Tensor, random: torch.Generator) -> Tensor:
    n, _, height, width = images.shape
    pads = [max(1, side // 8) for side in (height, width)]
    starts = [torch.randint(2 * pad + 1, (n, 1), generator=random) for pad in pads]
    mirrored = torch.rand(n, 1, generator=random) < 0.5
    rows, columns = (start + torch.arange(side) for start, side in zip(starts, (height, width), strict=True))
    columns = torch.where(mirrored, columns.flip(1), columns)
    padded = F.pad(images, [pads[1], pads[1], pads[0], pads[0]])
    indices = (torch.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :])
    at = [engine.send(index, images.device) for index in indices]
    return padded.permute(0, 2, 3, 1)[at[0], at[1], at[2]].permute(0, 3, 1, 2)
