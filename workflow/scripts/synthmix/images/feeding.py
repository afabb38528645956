"""The images that a network is fed with: on the device as a whole, or read from the disk, the next ones ahead.

Either way it gets the same numbers in the same layout, so results are the same to the last bit. A thread reads ahead:
it has nothing to start and sends nothing, and on a CPU it feeds several times as many images of 224 pixels as the
processes of a DataLoader (benchmarks/README.md).
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from synthmix.images import mapped
from synthmix.images.mapped import Images, Rows
from synthmix.networks import engine
from synthmix.streams import stream

AHEAD = 2  # batches that are read while one is computed with


class Order:
    """The images of each step, a function of seed and step: an own permutation for every epoch."""

    def __init__(self, images: int, batch_size: int, seed: int) -> None:
        self.images, self.batch_size, self.seed = images, batch_size, seed
        self.per_epoch = math.ceil(images / batch_size)
        self.epoch, self.permutation = -1, np.empty(0, dtype=np.int64)

    def batch(self, step: int) -> np.ndarray:
        """Positions of a step's images, int64 (n,)."""
        epoch, position = divmod(step, self.per_epoch)
        if epoch != self.epoch:
            self.epoch, self.permutation = epoch, stream("order", self.seed, epoch).permutation(self.images)
        return self.permutation[position * self.batch_size : (position + 1) * self.batch_size]


class Streamed:
    """Images on the disk, uint8 (N, C, H, W), of which some at a time come to the device, in channels_last order."""

    def __init__(self, images: Images, device: str) -> None:
        self.images, self.device = images, device
        count, height, width, channels = images.shape
        self.shape = (count, channels, height, width)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: slice) -> "Streamed":
        """Some of the images, left on the disk."""
        return Streamed(mapped.chosen(self.images, np.arange(len(self))[rows]), self.device)

    def split(self, size: int) -> Iterator[Tensor]:
        """The images in order, `size` at a time."""
        starts = range(0, len(self), size)
        return (batch for _, batch in self.batches(np.arange(start, min(start + size, len(self))) for start in starts))

    def batches(self, order: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Positions, int64 (n,), and images of each batch of an order."""
        waiting: deque[tuple[np.ndarray, Future[Tensor]]] = deque()
        with ThreadPoolExecutor(1) as reader:
            for rows in order:
                waiting.append((rows, reader.submit(self._read, rows)))
                if len(waiting) > AHEAD:
                    yield self._next(waiting)
            while waiting:
                yield self._next(waiting)

    def _next(self, waiting: deque[tuple[np.ndarray, Future[Tensor]]]) -> tuple[np.ndarray, Tensor]:
        rows, images = waiting.popleft()
        return rows, images.result().to(self.device, non_blocking=True).permute(0, 3, 1, 2)

    def _read(self, rows: np.ndarray) -> Tensor:
        """Images (n, H, W, C) in main memory, in pages that a GPU reads while it computes."""
        found = torch.from_numpy(self.images[rows])
        return found.pin_memory() if self.device.startswith("cuda") else found


def placed(images: Images, device: str) -> Tensor | Streamed:
    """Images (N, H, W, C) as a network takes them: a tensor (N, C, H, W) on the device, or streamed to it."""
    if isinstance(images, (Rows, np.memmap)):
        return Streamed(images, device)
    return engine.to_device(images, device)


def batches(images: Tensor | Streamed, order: Iterable[np.ndarray]) -> Iterator[tuple[Tensor, Tensor]]:
    """Positions, int64 (n,), and images of each batch of an order, both on the device of the images."""
    if isinstance(images, Streamed):
        for rows, batch in images.batches(order):
            yield engine.send(torch.from_numpy(rows), images.device), batch
    else:
        for rows in order:
            chosen = engine.send(torch.from_numpy(rows), images.device)
            yield chosen, images[chosen]
