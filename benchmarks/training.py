"""Images per second of training and drawing, beside what a user would write instead.

    python benchmarks/training.py [--device cuda] [--threads 1] [--steps 200]

Classifier: ours keeps the images on the device and augments whole batches there; beside it, torchvision's transforms
in a DataLoader and the usual loop. Generator: ours beside the loop of diffusers' training example (its images, too,
come from a DataLoader); both train the same UNet. Drawing: our sampler beside diffusers' DDIMPipeline with the same
number of steps. Everything runs in one process; the ratio is what counts.
"""

import argparse
import contextlib
import io
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision.transforms.v2 as transforms
from diffusers import DDIMPipeline, DDIMScheduler, DDPMScheduler
from diffusers.training_utils import EMAModel
from PIL import Image
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow/scripts"))

from synthmix import training  # noqa: E402 (the library is not installed)
from synthmix.generation import diffusion  # noqa: E402 (the library is not installed)
from synthmix.images.draws import TrainingSet  # noqa: E402
from synthmix.models import cnn_block  # noqa: E402
from synthmix.runs import hardware  # noqa: E402
from synthmix.store import Entry  # noqa: E402

SIZE, CLASSES, BATCH = 32, 10, 128
MODEL = {"architecture": "cnn_block", "width": 10}
RECIPE = {"optimizer": "sgd", "momentum": 0.9, "learning_rate": 0.01, "schedule": "constant", "batch_size": BATCH}
RECIPE |= {"precision": "float32", "checkpoint": "last", "augment": "flip"}
GENERATOR = {"channels": [32, 64], "layers_per_block": 1, "attention": [False, True], "prediction": "v_prediction"}
GENERATOR |= {"noise_schedule": "squaredcos_cap_v2", "train_timesteps": 1000, "batch_size": BATCH, "seed": 0}
GENERATOR |= {"learning_rate": 1e-3, "warmup_steps": 0, "ema_decay": 0.999, "gradient_clip": 1.0, "label_dropout": 0.1}
GENERATOR |= {"precision": "float32"}


class Pictures(Dataset):
    """The images as a user's data set has them: PIL images, transformed one by one."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, transform: Any) -> None:
        self.images = [Image.fromarray(image) for image in images]
        self.labels, self.transform = labels, transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(self.images[index]), int(self.labels[index])


def loader(images: np.ndarray, labels: np.ndarray, workers: int) -> DataLoader:
    """Torchvision's transforms in a DataLoader."""
    steps = [transforms.RandomHorizontalFlip(), transforms.ToImage(), transforms.ToDtype(torch.float32, scale=True)]
    steps += [transforms.Normalize([0.5] * 3, [0.5] * 3)]
    pictures = Pictures(images, labels, transforms.Compose(steps))
    return DataLoader(
        pictures, BATCH, shuffle=True, drop_last=True, num_workers=workers, persistent_workers=workers > 0
    )


def batches(source: DataLoader, steps: int, device: str) -> Any:
    """So many batches, over as many epochs as it takes."""
    left = steps
    while left:
        for images, labels in source:
            yield images.to(device, non_blocking=True), labels.to(device, non_blocking=True)
            left -= 1
            if not left:
                return


def plain_classifier(images: np.ndarray, labels: np.ndarray, steps: int, device: str, workers: int) -> None:
    """The usual training loop."""
    network = cnn_block.build(MODEL, 3, SIZE, CLASSES).to(device)
    optimizer = torch.optim.SGD(network.parameters(), lr=RECIPE["learning_rate"], momentum=0.9)
    criterion = nn.CrossEntropyLoss()
    for batch, targets in batches(loader(images, labels, workers), steps, device):
        loss = criterion(network(batch), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def our_classifier(images: np.ndarray, labels: np.ndarray, steps: int, device: str, folder: Path) -> None:
    """The workflow's training, without looks at validation images beyond the last."""
    seen = training.Data(TrainingSet(images, labels, len(labels), None), images[:BATCH], labels[:BATCH], CLASSES)
    task = {"model": MODEL, "recipe": {**RECIPE, "steps": steps, "evaluate_every": steps}}
    training.fit(cnn_block.build, task, 0, seen, Entry("classifier", folder), training.Interruption(1e9), device)


def plain_generator(images: np.ndarray, labels: np.ndarray, steps: int, device: str, workers: int) -> None:
    """The loop of diffusers' training example, with its EMA and gradient clipping."""
    unet = diffusion.network(GENERATOR, 3, SIZE, CLASSES).to(device)
    average = EMAModel(unet.parameters(), decay=0.999, use_ema_warmup=True)
    average.to(device)
    optimizer = torch.optim.AdamW(unet.parameters(), lr=GENERATOR["learning_rate"])
    schedule = DDPMScheduler(beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction")
    for clean, targets in batches(loader(images, labels, workers), steps, device):
        noise = torch.randn_like(clean)
        times = torch.randint(1000, (len(clean),), device=device)
        output = unet(schedule.add_noise(clean, noise, times), times, class_labels=targets).sample
        loss = F.mse_loss(output, schedule.get_velocity(clean, noise, times))
        loss.backward()
        nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        average.step(unet.parameters())


def our_generator(images: np.ndarray, labels: np.ndarray, steps: int, device: str, folder: Path) -> None:
    """The workflow's training of a generator."""
    entry, stop = Entry("generator", folder), training.Interruption(1e9)
    diffusion.fit({**GENERATOR, "steps": steps}, images, labels, CLASSES, 0, entry, stop, device)


class Labelled(nn.Module):
    """Lets diffusers' pipeline, which knows no classes, call a class-conditional network: all images of class 0."""

    def __init__(self, unet: nn.Module) -> None:
        super().__init__()
        self.unet, self.config, self.dtype, self.device = (
            unet,
            unet.config,
            torch.float32,
            next(unet.parameters()).device,
        )

    def forward(self, sample: torch.Tensor, timestep: Any, **_: Any) -> Any:
        return self.unet(
            sample, timestep, class_labels=torch.zeros(len(sample), dtype=torch.long, device=sample.device)
        )


def seconds(work: Callable[[], object], device: str) -> float:
    """Wall seconds of a piece of work, with all that it has queued on a GPU."""
    started = time.perf_counter()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def rate(work: Callable[[int], object], images: int, device: str) -> float:
    """Images/s between a short and a long piece of work, so that neither start nor compilation counts."""
    short = seconds(lambda: work(max(1, images // 4)), device)
    return (images - max(1, images // 4)) / max(seconds(lambda: work(images), device) - short, 1e-9)


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch on the CPU")
    parser.add_argument("--workers", type=int, default=0, help="of the DataLoader")
    parser.add_argument("--steps", type=int, default=120, help="training steps of 128 images")
    parser.add_argument("--drawn", type=int, default=128, help="images to draw")
    arguments = parser.parse_args()
    device, workers, steps = arguments.device, arguments.workers, arguments.steps
    torch.set_num_threads(arguments.threads)
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (5000, SIZE, SIZE, 3), dtype=np.uint8)
    labels = generator.integers(0, CLASSES, 5000)
    unet = diffusion.network(GENERATOR, 3, SIZE, CLASSES).to(device).eval()
    schedule = diffusion.noise_schedule(GENERATOR)
    stock = DDIMPipeline(Labelled(unet), DDIMScheduler.from_config(schedule.config))
    stock.set_progress_bar_config(disable=True)
    sampling = {"sampler": "ddim", "steps": 20, "guidance": 1.0, "batch_size": arguments.drawn // 4}

    def ours(train: Any) -> Callable[[int], object]:
        def work(n: int) -> None:
            with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
                train(images, labels, n // BATCH, device, Path(folder))

        return work

    def plain(train: Any) -> Callable[[int], object]:
        return lambda n: train(images, labels, n // BATCH, device, workers)

    def draw(n: int) -> object:
        wanted = [(0, index) for index in range(n)]
        return diffusion.sample(unet, schedule, sampling, wanted, 0, device)

    rows = {
        "classifier, trained": (ours(our_classifier), plain(plain_classifier), steps * BATCH),
        "generator, trained": (ours(our_generator), plain(plain_generator), steps // 4 * BATCH),
        "images drawn, 20 steps": (draw, lambda n: stock(batch_size=n, num_inference_steps=20), arguments.drawn),
    }
    print(f"{hardware(device)}, threads: {arguments.threads}, PyTorch {torch.__version__}")
    print(f"images of {SIZE} x {SIZE} pixels\n")
    print("| | ours, images/s | otherwise, images/s | ratio |\n|---|---:|---:|---:|")
    for name, (our, other, count) in rows.items():
        one, two = rate(our, count, device), rate(other, count, device)
        print(f"| {name} | {one:,.0f} | {two:,.0f} | {one / two:.2f} |", flush=True)


if __name__ == "__main__":
    main()
