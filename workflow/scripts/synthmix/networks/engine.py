"""Running networks on uint8 images that live on the device: normalisation and prediction."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

# That a network sees at once on the CPU where nothing is learned: 128 images of 64 pixels a side, 10 of 224. More do
# not fit into its caches. GPUs want more.
PIXELS = 2**19
ON_GPU = 8  # times as many
ROWS = 4096  # of features, likewise


class Divisible(Protocol):
    """uint8 images (N, C, H, W) or features (N, D) that come in parts on the device: a tensor, or feeding.Streamed."""

    @property
    def shape(self) -> Any: ...

    @property
    def device(self) -> Any: ...

    def split(self, size: int, /) -> Iterable[Tensor]: ...


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

    def normalise_by(self, images: Divisible | None) -> None:
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
        mean, std = moments(images)
        self.mean.copy_(mean.view_as(self.mean))
        self.std.copy_(std.clamp_min(1.0).view_as(self.std))

    def forward(self, images: Tensor) -> Tensor:
        return self.network((images.float() - self.mean) / self.std)


def moments(images: Divisible) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (of n - 1) of each channel, float64 (C,), of uint8 images (N, C, H, W).

    The sums are of whole numbers, so exact: they depend neither on the parts that are in memory nor on the device.
    """
    count, total, squares = 0, torch.zeros((), dtype=torch.int64), torch.zeros((), dtype=torch.int64)
    for part in images.split(max(1, PIXELS // (images.shape[2] * images.shape[3]))):
        channels = part.transpose(0, 1).flatten(1).int()
        count += channels.shape[1]
        total = total + channels.sum(1).cpu()
        squares = squares + channels.square().sum(1).cpu()
    pairs = list(zip(total.tolist(), squares.tolist(), strict=True))
    variances = [(count * square - value**2) / (count * max(1, count - 1)) for value, square in pairs]
    mean, variance = (torch.tensor(each, dtype=torch.float64) for each in ([v / count for v, _ in pairs], variances))
    return mean, variance.sqrt()


def to_device(images: np.ndarray, device: str) -> Tensor:
    """uint8 images (N, H, W, C) as a tensor (N, C, H, W) in channels_last order on the device."""
    return torch.from_numpy(np.ascontiguousarray(images)).to(device).permute(0, 3, 1, 2)


def send(values: Tensor, device: str | torch.device) -> Tensor:
    """A tensor of main memory on the device: a GPU reads it from pinned pages, and the CPU does not wait for it."""
    if torch.device(device).type == "cuda":
        return values.pin_memory().to(device, non_blocking=True)
    return values.to(device)


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
    """Evaluation mode without gradients, and back, each part into the mode that it had."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module in training:
            module.training = True


def logits(model: nn.Module, images: Divisible, batch_size: int | None = None) -> Tensor:
    """Logits (N, classes), float32, of uint8 images (N, C, H, W), or of what a network takes in their place, float32
    features (N, D); batch_size: default 1024 images, fewer of large ones, or 4096 rows of features."""
    if batch_size is None and len(images.shape) == 2:
        batch_size = ROWS
    elif batch_size is None:
        side = getattr(getattr(model, "network", None), "input_size", None) or max(images.shape[-2:])
        on_cpu = str(images.device) == "cpu"
        batch_size = max(1, min(1024, PIXELS * (1 if on_cpu else ON_GPU) // side**2))
    with evaluating(model):
        return torch.cat([model(part).float() for part in images.split(batch_size)])
