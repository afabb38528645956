"""Running networks on uint8 images that live on the device: normalisation, augmentation, prediction."""

import contextlib
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

PIXELS = 2**22  # that a network sees at once where nothing is learned: 1024 images of 64 pixels a side, 83 of 224


class Classifier(nn.Module):
    """A network together with the normalisation of its training set.

    Takes uint8 (N, C, H, W) or float images in [0, 255]; returns logits (N, classes).
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, channels: int) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.zeros(1, channels, 1, 1))
        self.register_buffer("std", torch.ones(1, channels, 1, 1))

    def normalise_by(self, images: Tensor | None) -> None:
        """Take mean and standard deviation, per channel, from uint8 images (N, C, H, W); None: only scale to [0, 1].

        Pretrained networks keep those that they were trained with.
        """
        if published := getattr(self.network, "normalisation", None):
            for own, values in zip((self.mean, self.std), published, strict=True):
                own.copy_(255 * torch.tensor(values).view_as(own))
            return
        if images is None:
            self.std.fill_(255.0)
            return
        channels = images.double().transpose(0, 1).flatten(1)
        self.mean.copy_(channels.mean(1).view_as(self.mean))
        self.std.copy_(channels.std(1).clamp_min(1.0).view_as(self.std))

    def forward(self, images: Tensor) -> Tensor:
        return self.network((images.float() - self.mean) / self.std)


def to_device(images: np.ndarray, device: str) -> Tensor:
    """uint8 images (N, H, W, C) as a tensor (N, C, H, W) in channels_last order on the device."""
    return torch.from_numpy(np.ascontiguousarray(images)).to(device).permute(0, 3, 1, 2)


def autocast(device: str, precision: str) -> contextlib.AbstractContextManager:
    """bfloat16 autocast on the device where `precision` asks for it, nothing otherwise."""
    if precision == "bfloat16":
        return torch.autocast(device.split(":")[0], dtype=torch.bfloat16)
    return contextlib.nullcontext()


def compiled(model: nn.Module) -> Callable[[Tensor], Tensor]:
    """The model's forward pass, compiled; the model itself keeps the parameters and can still be called.

    Every size of batch is compiled by itself and nothing is left of earlier models, so that a result depends neither on
    where a training was resumed nor on what else a job has trained.
    """
    torch.compiler.reset()
    found: Callable[[Tensor], Tensor] = torch.compile(model, dynamic=False)
    return found


def augment(images: Tensor, kind: str, random: torch.Generator) -> Tensor:
    """Augment a batch (N, C, H, W), each image on its own; the draw comes from a CPU generator.

    none: as they are. flip: mirrored left to right with probability 1/2. crop: moved by up to an eighth of the size in
    each direction (4 pixels of 32), in whole pixels, the border filled with zeros, and mirrored as in flip: what is
    customary for CIFAR since He et al. 2016. shift: moved by up to an eighth of the size in each direction, the border
    filled with the edge. strong: shift, rotation by up to 15 degrees, scale 0.85 to 1.15, contrast and brightness by
    up to 20 %.
    """
    if kind == "none":
        return images
    if kind == "crop":
        return _crop(images, random)
    n, _, height, width = images.shape

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(n, generator=random) * (high - low) + low

    if kind == "flip":
        mirrored = (torch.rand(n, generator=random) < 0.5).to(images.device)
        return torch.where(mirrored[:, None, None, None], images.flip(3), images)
    angle, scale = torch.zeros(n), torch.ones(n)
    shift_x, shift_y = uniform(-0.25, 0.25), uniform(-0.25, 0.25)  # in units of half the image
    if kind == "strong":
        angle, scale = torch.deg2rad(uniform(-15, 15)), uniform(0.85, 1.15)
    cos, sin = torch.cos(angle) / scale, torch.sin(angle) / scale
    rows = (torch.stack([cos, -sin, shift_x], 1), torch.stack([sin, cos, shift_y], 1))
    theta = torch.stack(rows, 1).to(images.device)
    grid = F.affine_grid(theta, [n, 1, height, width], align_corners=False)
    moved = F.grid_sample(images.float(), grid, padding_mode="border", align_corners=False)
    if kind == "strong":
        contrast = uniform(0.8, 1.2).to(images.device)[:, None, None, None]
        brightness = uniform(-51, 51).to(images.device)[:, None, None, None]
        mean = moved.mean((1, 2, 3), keepdim=True)
        moved = ((moved - mean) * contrast + mean + brightness).clamp(0, 255)
    return moved


def _crop(images: Tensor, random: torch.Generator) -> Tensor:
    n, _, height, width = images.shape
    pads = [max(1, side // 8) for side in (height, width)]
    starts = [torch.randint(2 * pad + 1, (n, 1), generator=random) for pad in pads]
    mirrored = torch.rand(n, 1, generator=random) < 0.5
    rows, columns = (start + torch.arange(side) for start, side in zip(starts, (height, width), strict=True))
    columns = torch.where(mirrored, columns.flip(1), columns)
    padded = F.pad(images, [pads[1], pads[1], pads[0], pads[0]])
    at = [index.to(images.device) for index in (torch.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :])]
    return padded.permute(0, 2, 3, 1)[at[0], at[1], at[2]].permute(0, 3, 1, 2)


def seed_layers(seed: int, device: str) -> None:
    """Seed what layers such as dropout draw from on the device.

    `torch.manual_seed` would do, but without a GPU it also records a stack trace for the day that CUDA starts, which
    costs a tenth of a small network's step.
    """
    torch.default_generator.manual_seed(seed)
    if device.startswith("cuda"):
        torch.cuda.manual_seed(seed)


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients, and back."""
    training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(training)


def logits(model: nn.Module, images: Tensor, batch_size: int | None = None) -> Tensor:
    """Logits (N, classes), float32, of uint8 images (N, C, H, W); batch_size: default 1024, fewer of large images."""
    side = getattr(getattr(model, "network", None), "input_size", None) or max(images.shape[-2:])
    batch_size = batch_size or max(1, min(1024, PIXELS // side**2))
    with evaluating(model):
        return torch.cat([model(part).float() for part in images.split(batch_size)])
