"""What a classifier costs: operations per image, images per second, memory."""

import copy
import resource
import time
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from synthmix.networks import engine
from synthmix.runs import hardware

MB = 1e6
FEW, MANY = 32, 1024  # images that a network is timed with
ENOUGH = 0.5  # seconds that an estimate of its speed should take


def measure(network: nn.Module, images: np.ndarray, device: str) -> dict[str, Any]:
    """What testing a classifier for images of the shape of these, uint8 (N, H, W, C), costs on a device."""
    return {
        "flops": flops(network, images.shape[1:]),
        "test_images_per_second": round(speed(network, images.shape[1:], device), 1),
        "tested_on": hardware(device),
    }


def flops(network: nn.Module, shape: tuple[int, ...]) -> int:
    """Floating-point operations of the forward pass for one image of shape (H, W, C), as PyTorch counts them.

    Those of convolutions, matrix products and attention, an addition and a multiplication each: twice the multiply-adds
    that publications often call FLOPs. Normalisation, activations and pooling are not counted. Nothing is computed.
    """
    shapes = copy.deepcopy(network).to("meta").eval()
    height, width, channels = shape
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        shapes(torch.empty(1, channels, height, width, device="meta"))
    return int(counter.get_total_flops())


def speed(network: nn.Module, shape: tuple[int, ...], device: str) -> float:
    """Images of shape (H, W, C) per second that a network classifies, with their way to the device and back.

    The images are noise, so that no test image is met. A first pass is not timed, for networks start slowly; a second
    one says how many images, at most MANY, the third takes.
    """
    network = network.to(device).to(memory_format=torch.channels_last)
    random = np.random.default_rng(0)

    def seconds(n: int) -> float:
        noise = random.integers(0, 256, (n, *shape), dtype=np.uint8)
        started = time.monotonic()
        engine.logits(network, engine.to_device(noise, device)).cpu()  # waits for the GPU
        return max(time.monotonic() - started, 1e-9)

    seconds(FEW)
    n = round(min(max(FEW * ENOUGH / seconds(FEW), FEW), MANY))
    return n / seconds(n)


def watch_memory(device: str) -> None:
    """Forget the largest memory of the GPU so far, where there is one."""
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)


def memory(device: str) -> dict[str, Any]:
    """The largest memory in MB (a million bytes): of the process since it began, and of the GPU since `watch_memory`.

    max_rss_mb: resident memory, with the libraries, the data, and what the job trained before. gpu_mb: what PyTorch's
    allocator gave to tensors; None without a GPU. threads: of the CPU, that PyTorch may use.
    """
    gpu = round(torch.cuda.max_memory_allocated(device) / MB, 1) if device.startswith("cuda") else None
    kibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # on Linux
    return {"max_rss_mb": round(kibibytes * 1024 / MB, 1), "gpu_mb": gpu, "threads": torch.get_num_threads()}
