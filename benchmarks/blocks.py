"""Images per second of training the blocks, beside what a user would write instead.

    python benchmarks/blocks.py [--device cuda] [--threads 1] [--workers 0] [--steps 200] [--repeats 3]

Ours keeps the images on the device, indexes whole batches there and has no loader; beside it stand torchvision's
transforms in a DataLoader and the usual loop, both in float32. `compiled` is ours with `compile: true` and
`precision: bfloat16`. Networks: the convolutional block of width 10 with SGD, the transformer of width 64 with AdamW.
Images have 32 x 32 pixels in three channels and are not augmented. Rates are taken after the first quarter of the
steps, so that neither start nor compilation counts; of several repeats, in which the three take turns, the median.
Runs/hour are those of one process at that rate: a run is counted as 150 epochs of 4,000 images.
"""

import argparse
import statistics
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

from synthmix import training  # noqa: E402 (the library is not installed)
from synthmix.images.draws import TrainingSet  # noqa: E402
from synthmix.interruption import Interruption  # noqa: E402
from synthmix.models import cnn_block, vit_block  # noqa: E402
from synthmix.runs import hardware  # noqa: E402
from synthmix.store import Entry  # noqa: E402

SIZE, CLASSES, BATCH = 32, 10, 128
RUN = 150 * 4000  # images that a run trains on
RECIPE = {"schedule": "constant", "batch_size": BATCH, "checkpoint": "last", "precision": "float32"}
FASTER = {"compile": True, "precision": "bfloat16"}
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


def plain(block: Any, images: np.ndarray, labels: np.ndarray, steps: int, device: str, workers: int) -> float:
    """Images/s of the usual training loop, after its first quarter."""
    build, model, recipe = block
    network = build(model, 3, SIZE, CLASSES).to(device)
    kind = {"sgd": torch.optim.SGD, "adamw": torch.optim.AdamW}[recipe["optimizer"]]
    optimizer = kind(network.parameters(), lr=recipe["learning_rate"])
    criterion = nn.CrossEntropyLoss()
    pictures = Pictures(images, labels)
    source = DataLoader(
        pictures, BATCH, shuffle=True, drop_last=True, num_workers=workers, persistent_workers=workers > 0
    )
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


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch on the CPU")
    parser.add_argument("--workers", type=int, default=0, help="of the DataLoader")
    parser.add_argument("--steps", type=int, default=200, help="training steps of 128 images")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    device, steps = arguments.device, arguments.steps
    torch.set_num_threads(arguments.threads)
    generator = np.random.default_rng(0)
    count = 39 * BATCH  # no smaller batch at the end of an epoch, which would be compiled by itself
    images = generator.integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)
    labels = generator.integers(0, CLASSES, count)
    print(f"{hardware(device)}, threads: {arguments.threads}, PyTorch {torch.__version__}")
    print(f"batches of {BATCH}, images of {SIZE} x {SIZE} pixels\n")
    print("| | | images/s | runs/hour | ratio |")
    print("|---|---|---:|---:|---:|")
    for name, block in BLOCKS.items():
        seen = (block, images, labels, steps, device)
        measured = [
            (ours(*seen), ours(*seen, **FASTER), plain(*seen, workers=arguments.workers))
            for _ in range(arguments.repeats)
        ]
        rates = [statistics.median(column) for column in zip(*measured, strict=True)]
        for way, images_per_s in zip(("ours", "ours, compiled", "plain loop"), rates, strict=True):
            shown = f"{images_per_s:,.0f} | {images_per_s * 3600 / RUN:.1f} | {images_per_s / rates[-1]:.2f}"
            print(f"| {name} | {way} | {shown} |", flush=True)


if __name__ == "__main__":
    main()
