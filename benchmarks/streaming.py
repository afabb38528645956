"""Images of 224 pixels per second that come from the disk, beside those that lie in memory.

    python benchmarks/streaming.py [--device cuda] [--threads 1] [--images 1500] [--folder /tmp]

Fed: batches of 64 that are not computed with. Trained: a network of two layers, which leaves little time to read ahead.
Beside our thread that reads ahead: worker processes of PyTorch's DataLoader, which read the same file. The file is in
the page cache, as it is from the second epoch on where memory allows it. One process; the ratio is what counts.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow/scripts"))

from synthmix.images import feeding, mapped  # noqa: E402 (the library is not installed)

SIDE, BATCH, TURNS = 224, 64, 3


class Batches(Dataset):
    """Whole batches of images on the disk, by their positions."""

    def __init__(self, images: np.ndarray, order: list[np.ndarray]) -> None:
        self.images, self.order = images, order

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, index: int) -> Tensor:
        return torch.from_numpy(self.images[self.order[index]])


def network() -> nn.Module:
    """Takes uint8 images (N, 3, H, W)."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 7, stride=4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10)
    )


def train(model: nn.Module, batches: Iterable[Tensor]) -> None:
    """A step of SGD for each batch, on labels that mean nothing."""
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    for batch in batches:
        loss = model(batch.float() / 255).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def seconds(work: Callable[[], object], device: str) -> float:
    """The shortest wall seconds of some turns, with all that is queued on a GPU."""
    found = []
    for _ in range(TURNS):
        started = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        found.append(time.perf_counter() - started)
    return min(found)


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch on the CPU")
    parser.add_argument("--images", type=int, default=1500)
    parser.add_argument("--folder", type=Path, help="where the file of images is put")
    arguments = parser.parse_args()
    device, count = arguments.device, arguments.images
    torch.set_num_threads(arguments.threads)
    random = np.random.default_rng(0)
    permutation = random.permutation(count)
    order = [permutation[start : start + BATCH] for start in range(0, count, BATCH)]

    def loaded(workers: int) -> Iterator[Tensor]:
        for batch in DataLoader(Batches(on_disk, order), None, num_workers=workers, pin_memory=device == "cuda"):
            yield batch.to(device, non_blocking=True).permute(0, 3, 1, 2)

    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        pieces = (
            random.integers(0, 256, (BATCH, SIDE, SIDE, 3), dtype=np.uint8)[: count - at]
            for at in range(0, count, BATCH)
        )
        on_disk = mapped.written(pieces, folder)
        in_memory = np.array(on_disk)
        ways: dict[str, Callable[[], Iterable[Tensor]]] = {
            name: lambda images=images: (batch for _, batch in feeding.batches(feeding.placed(images, device), order))
            for name, images in (("in memory", in_memory), ("from the disk", on_disk))
        }
        ways |= {f"DataLoader, {n} worker{'s' * (n > 1)}": lambda n=n: loaded(n) for n in (1, 2)}
        model = network().to(device)
        rates = {}
        for name, way in ways.items():
            fed = count / seconds(lambda way=way: [None for _ in way()], device)
            trained = count / seconds(lambda way=way: train(model, way()), device)
            rates[name] = (fed, trained)
    print(f"PyTorch {torch.__version__}, {device}, {count} images of {SIDE} x {SIDE} pixels\n")
    print("| | fed, images/s | ratio | trained, images/s | ratio |\n|---|---:|---:|---:|---:|")
    for name, (fed, trained) in rates.items():
        one, other = (rate / whole for rate, whole in zip((fed, trained), rates["in memory"], strict=True))
        print(f"| {name} | {fed:,.0f} | {one:.2f} | {trained:,.0f} | {other:.2f} |")


if __name__ == "__main__":
    main()
