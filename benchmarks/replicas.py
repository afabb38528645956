"""Images per second of several replicas of one shape: trained one after another, or together.

    python benchmarks/replicas.py [--device cuda] [--threads 1] [--replicas 8] [--steps 20] [--repeats 3]

Together means that the parameters of all replicas are stacked and one step of `torch.func.vmap` trains them all,
which makes grouped convolutions of convolutions and batched products of products. Compiled means `torch.compile` with
`mode="reduce-overhead"`, which on a GPU records CUDA graphs, and there bfloat16 autocast, which does not pay on every
CPU. Each replica has initial weights and batches of its own, on the device; freed memory is kept, as in jobs. Rates
are of all replicas of a process; the variants take turns, and of several repeats the median is shown. The last column
is how far both ways take the weights apart, which is by rounding.
"""

import argparse
import contextlib
import copy
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow/scripts"))

from synthmix import memory  # noqa: E402 (the library is not installed)
from synthmix.models import cnn_block, vit_block  # noqa: E402 (the library is not installed)
from synthmix.runs import hardware  # noqa: E402

CLASSES, BATCH = 10, 128

# name: (build, model, pixels a side, channels). What studies/blocks.yaml and studies/blocks-small.yaml sweep over.
SHAPES: dict[str, tuple[Any, dict[str, Any], int, int]] = {
    **{f"convolutional block, C = {c}, 16 pixels": (cnn_block.build, {"width": c}, 16, 1) for c in (1, 3, 6, 12)},
    "convolutional block, C = 10, 32 pixels": (cnn_block.build, {"width": 10}, 32, 3),
    **{
        f"transformer, h = {h}, {heads} heads, 1 layer, 16 pixels": (
            vit_block.build,
            {"width": h, "heads": heads, "layers": 1, "patch": 4},
            16,
            1,
        )
        for h, heads in ((16, 2), (64, 4))
    },
}
RATE = 0.01
Step = Callable[[Tensor, Tensor], None]  # images (replicas, batch, channels, size, size), labels (replicas, batch)


def loss_of(network: Callable[[Tensor], Tensor], images: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(network(images).float(), labels)


def separately(networks: list[nn.Module], faster: bool) -> Step:
    """A step of each network after the other."""
    optimizers = [torch.optim.SGD(network.parameters(), RATE, fused=True) for network in networks]
    forward: Any = torch.compile(loss_of, mode="reduce-overhead") if faster else loss_of

    def step(images: Tensor, labels: Tensor) -> None:
        for network, optimizer, batch, targets in zip(networks, optimizers, images, labels, strict=True):
            with autocast(images, faster):
                loss = forward(network, batch, targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return step


def together(networks: list[nn.Module], faster: bool) -> tuple[Step, dict[str, Tensor]]:
    """One step of all networks, and the stacked parameters that it trains."""
    skeleton = copy.deepcopy(networks[0]).to("meta")
    parameters, buffers = torch.func.stack_module_state(networks)

    def losses(images: Tensor, labels: Tensor) -> Tensor:
        def of_one(own: dict[str, Tensor], kept: dict[str, Tensor], batch: Tensor, targets: Tensor) -> Tensor:
            return loss_of(lambda x: torch.func.functional_call(skeleton, (own, kept), (x,)), batch, targets)

        return torch.func.vmap(of_one)(parameters, buffers, images, labels).sum()

    optimizer = torch.optim.SGD(parameters.values(), RATE, fused=True)
    forward: Any = torch.compile(losses, mode="reduce-overhead") if faster else losses

    def step(images: Tensor, labels: Tensor) -> None:
        with autocast(images, faster):
            loss = forward(images, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step, parameters


def autocast(images: Tensor, faster: bool) -> contextlib.AbstractContextManager:
    on_gpu = images.device.type == "cuda"
    return torch.autocast("cuda", dtype=torch.bfloat16) if faster and on_gpu else contextlib.nullcontext()


def rate(step: Step, images: Tensor, labels: Tensor, steps: int) -> float:
    """Images/s of all replicas; the first three steps, in which kernels are made and chosen, do not count."""
    for position in range(3 + steps):
        if position == 3:
            wait(images)
            started = time.perf_counter()
        step(images, labels)
    wait(images)
    return steps * labels.numel() / (time.perf_counter() - started)


def wait(images: Tensor) -> None:
    if images.device.type == "cuda":
        torch.cuda.synchronize()


def made(shape: str, replicas: int, device: str) -> tuple[list[nn.Module], Tensor, Tensor]:
    """Networks with initial weights of their own, and their images and labels."""
    build, model, size, channels = SHAPES[shape]
    torch.manual_seed(0)
    networks = [build(model, channels, size, CLASSES).to(device) for _ in range(replicas)]
    images = torch.randn(replicas, BATCH, channels, size, size, device=device)
    if device == "cpu":  # a vmapped convolution lays out its own
        networks = [network.to(memory_format=torch.channels_last) for network in networks]
    return networks, images, torch.randint(0, CLASSES, (replicas, BATCH), device=device)


def difference(shape: str, replicas: int, device: str, steps: int = 5) -> float:
    """The largest difference that some steps make between the weights of both ways, relative to the largest weight."""
    networks, images, labels = made(shape, replicas, device)
    step, stacked = together(networks, faster=False)
    for each in (step, separately(networks, faster=False)):
        for _ in range(steps):
            each(images, labels)
    pairs = [
        (value.detach(), torch.stack([dict(network.named_parameters())[name].detach() for network in networks]))
        for name, value in stacked.items()
    ]
    return max(float((one - other).abs().max() / other.abs().max()) for one, other in pairs)


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch on the CPU")
    parser.add_argument("--replicas", type=int, default=8)
    parser.add_argument("--steps", type=int, default=20, help="training steps of 128 images a replica")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    device, replicas = arguments.device, arguments.replicas
    torch.set_num_threads(arguments.threads)
    memory.keep_freed()
    warnings.filterwarnings("ignore", message="There is a performance drop")  # of attention: that is what is measured
    print(f"{hardware(device)}, threads: {arguments.threads}, PyTorch {torch.__version__}")
    print(f"{replicas} replicas, batches of {BATCH}\n")
    ways = ("one after another, images/s", "together", "compiled", "compiled together", "difference")
    print(f"| | {' | '.join(ways)} |\n|---|{'---:|' * len(ways)}")
    for shape in SHAPES:
        torch.compiler.reset()
        networks, images, labels = made(shape, replicas, device)
        steps = [
            step
            for faster in (False, True)
            for step in (separately(copy.deepcopy(networks), faster), together(networks, faster)[0])
        ]
        measured = [[rate(step, images, labels, arguments.steps) for step in steps] for _ in range(arguments.repeats)]
        first, *others = (statistics.median(column) for column in zip(*measured, strict=True))
        shown = " | ".join(f"{other / first:.2f}" for other in others)
        print(f"| {shape} | {first:,.0f} | {shown} | {difference(shape, replicas, device):.0e} |", flush=True)


if __name__ == "__main__":
    main()
