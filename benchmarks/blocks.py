"""Images per second of training the blocks, beside what a user would write instead.

    python benchmarks/blocks.py [--device cuda] [--threads 1] [--workers 0] [--steps 200] [--repeats 3]

Ours keeps the images on the device, indexes whole batches there, has no loader and keeps the memory that it frees, as
jobs do; beside it stand torchvision's transforms in a DataLoader and the usual loop. `compiled` is ours with
`compile: true`, `bfloat16` with `precision: bfloat16` besides; the others compute in float32. Networks: the
convolutional block of width 10 with SGD, the transformer of width 64 with AdamW. `convolutions alone` is what PyTorch
needs for the three convolutions of the block and their gradients, in the layout that ours has: no training with them
can be faster. Images have 32 x 32 pixels in three channels and are not augmented. Rates are taken after the first
quarter of the steps, so that neither start nor compilation counts. Each way has a process of its own; of several
repeats, in which the ways take turns, the median. Runs/hour are those of one process at that rate: a run is counted
as 150 epochs of 4,000 images.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision.transforms.v2 as transforms
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow/scripts"))

from synthmix import memory, training  # noqa: E402 (the library is not installed)
from synthmix.images.draws import TrainingSet  # noqa: E402
from synthmix.interruption import Interruption  # noqa: E402
from synthmix.models import cnn_block, vit_block  # noqa: E402
from synthmix.runs import hardware  # noqa: E402
from synthmix.store import Entry  # noqa: E402

SIZE, CLASSES, BATCH = 32, 10, 128
RUN = 150 * 4000  # images that a run trains on
RECIPE = {"schedule": "constant", "batch_size": BATCH, "checkpoint": "last", "precision": "float32"}
# What ours gets on top of the recipe.
OURS: dict[str, dict[str, Any]] = {
    "ours": {},
    "ours, compiled": {"compile": True},
    "ours, compiled, bfloat16": {"compile": True, "precision": "bfloat16"},
}
PLAIN, BOUND = "plain loop", "convolutions alone"
WAYS = (*OURS, PLAIN, BOUND)
BLOCKS: dict[str, tuple[Any, dict[str, Any], dict[str, Any]]] = {
    "convolutional block, C = 10": (cnn_block.build, {"width": 10}, {"optimizer": "sgd", "learning_rate": 0.1}),
    "transformer, h = 64, 4 heads, 1 layer": (
        vit_block.build,
        {"width": 64, "heads": 4, "layers": 1, "patch": 4},
        {"optimizer": "adamw", "learning_rate": 0.001},
    ),
}


class Pictures(Dataset):
    """The images as a user's data set has them: PIL images, transformed one by one."""

    def __init__(self, images: np.ndarray, labels: np.ndarray) -> None:
        self.images, self.labels = [Image.fromarray(image) for image in images], labels
        steps = [transforms.ToImage(), transforms.ToDtype(torch.float32, scale=True)]
        self.transform = transforms.Compose([*steps, transforms.Normalize([0.5] * 3, [0.5] * 3)])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(self.images[index]), int(self.labels[index])


def pictures(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Random images, uint8 (count, SIZE, SIZE, 3), and labels."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)
    return images, generator.integers(0, CLASSES, count)


def plain(block: Any, images: np.ndarray, labels: np.ndarray, steps: int, device: str, workers: int) -> float:
    """Images/s of the usual training loop, after its first quarter."""
    build, model, recipe = block
    network = build(model, 3, SIZE, CLASSES).to(device)
    kind = {"sgd": torch.optim.SGD, "adamw": torch.optim.AdamW}[recipe["optimizer"]]
    optimizer = kind(network.parameters(), lr=recipe["learning_rate"])
    criterion = nn.CrossEntropyLoss()
    seen = Pictures(images, labels)
    source = DataLoader(seen, BATCH, shuffle=True, drop_last=True, num_workers=workers, persistent_workers=workers > 0)
    done, started = 0, 0.0
    while True:
        for batch, targets in source:
            loss = criterion(network(batch.to(device)), targets.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            done += 1
            if done in (steps // 4, steps):
                loss.item()  # waits for a GPU
                if done == steps:
                    return (steps - steps // 4) * BATCH / (time.perf_counter() - started)
                started = time.perf_counter()


def ours(block: Any, images: np.ndarray, labels: np.ndarray, steps: int, device: str, **more: Any) -> float:
    """Images/s of the workflow's training, after its first quarter; three looks at 128 validation images included."""
    build, model, recipe = block
    seen = training.Data(TrainingSet(images, labels, len(labels), None), images[:BATCH], labels[:BATCH], CLASSES)
    task = {"model": model, "recipe": {**RECIPE, **recipe, **more, "steps": steps, "evaluate_every": steps // 4}}
    with tempfile.TemporaryDirectory() as folder:
        state = training.fit(build, task, 0, seen, Entry("run", Path(folder)), Interruption(1e9), device)
    first, last = state["history"][0], state["history"][-1]
    return (last["step"] - first["step"]) * BATCH / (last["seconds"] - first["seconds"])


def convolutions(block: Any, steps: int, device: str) -> float:
    """Images/s of the block's convolutions and their gradients by themselves; there are no gradients of the images."""
    build, model, _ = block
    layers = [layer for layer in build(model, 3, SIZE, CLASSES) if isinstance(layer, nn.Conv2d)]
    each = []
    for position, layer in enumerate(layers):
        layer.to(device).to(memory_format=torch.channels_last)
        shape = (BATCH, layer.in_channels, SIZE >> position, SIZE >> position)
        batch = torch.randn(shape, device=device).to(memory_format=torch.channels_last).requires_grad_(position > 0)
        with torch.no_grad():
            each.append((layer, batch, torch.randn_like(layer(batch))))
    for step in range(steps):
        if step == steps // 4:
            wait(device)
            started = time.perf_counter()
        for layer, batch, gradient in each:
            inputs = [batch, *layer.parameters()] if batch.requires_grad else list(layer.parameters())
            torch.autograd.grad(layer(batch), inputs, gradient)
    wait(device)
    return (steps - steps // 4) * BATCH / (time.perf_counter() - started)


def wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def rate(name: str, way: str, steps: int, device: str, workers: int) -> float:
    """Images/s of one way of training a block."""
    block = BLOCKS[name]
    if way == BOUND:
        memory.keep_freed()
        return convolutions(block, steps, device)
    images, labels = pictures(39 * BATCH)  # no smaller batch at the end of an epoch, which would be compiled by itself
    if way == PLAIN:
        return plain(block, images, labels, steps, device, workers)
    memory.keep_freed()
    return ours(block, images, labels, steps, device, **OURS[way])


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch on the CPU")
    parser.add_argument("--workers", type=int, default=0, help="of the DataLoader")
    parser.add_argument("--steps", type=int, default=200, help="training steps of 128 images")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--one", nargs=2, metavar=("BLOCK", "WAY"), help="print the rate of one way")
    arguments = parser.parse_args()
    device = arguments.device
    torch.set_num_threads(arguments.threads)
    if arguments.one:
        print(rate(*arguments.one, arguments.steps, device, arguments.workers))
        return
    print(f"{hardware(device)}, threads: {arguments.threads}, PyTorch {torch.__version__}")
    print(f"batches of {BATCH}, images of {SIZE} x {SIZE} pixels\n")
    print("| | | images/s | runs/hour | ratio |")
    print("|---|---|---:|---:|---:|")
    for name in BLOCKS:
        ways = [way for way in WAYS if way != BOUND or name.startswith("convolutional")]
        measured: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(arguments.repeats):
            for way in ways:
                command = [sys.executable, __file__, *sys.argv[1:], "--one", name, way]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                measured[way].append(float(done.stdout))
        rates = {way: statistics.median(column) for way, column in measured.items()}
        for way, images_per_s in rates.items():
            shown = f"{images_per_s:,.0f} | {images_per_s * 3600 / RUN:.1f} | {images_per_s / rates[PLAIN]:.2f}"
            print(f"| {name} | {way} | {shown} |", flush=True)


if __name__ == "__main__":
    main()
