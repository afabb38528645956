"""A training that takes long enough to be ended from outside, in a module that processes import quickly."""

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from torch import nn

from synthmix import training
from synthmix.images.draws import TrainingSet
from synthmix.interruption import Interruption
from synthmix.models import cnn_block
from synthmix.store import Entry

NEVER: Any = SimpleNamespace(due=lambda: False, done=lambda: None)
STEPS = 60
BEGUN = "a batch"  # what each process prints for each of its batches


def build(model: dict, channels: int, size: int, classes: int) -> nn.Module:
    """A minimal convolutional network whose batches take a while."""
    network = cnn_block.build(model, channels, size, classes)
    network.register_forward_pre_hook(_wait)
    return network


def _wait(network: nn.Module, images: object) -> None:
    if network.training:
        print(BEGUN, flush=True)
        time.sleep(0.05)


def fit(folder: Path, processes: int, stop: Interruption = NEVER) -> dict[str, Any]:
    """Train in a store of its own; returns the finished state."""
    random = np.random.default_rng(0)
    images, labels = random.integers(0, 256, (45, 8, 8, 1), dtype=np.uint8), np.arange(45) % 3
    data = training.Data(TrainingSet(images[:33], labels[:33], 11, None), images[33:], labels[33:], 3)
    recipe = {"optimizer": "sgd", "learning_rate": 0.05, "batch_size": 33, "epochs": STEPS, "schedule": "constant"}
    recipe |= {"precision": "float32", "checkpoint": "last"}  # 16 and 17 images
    spec = {"model": {"width": 2}, "recipe": recipe}
    return training.fit(build, spec, 0, data, Entry("0" * 16, folder), stop, "cpu", processes)
