"""Class-conditional diffusion trained from scratch, and its files: a folder in the layout of diffusers."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from synthmix import files
from synthmix.data import resized
from synthmix.generation import diffusion
from synthmix.interruption import Interruption
from synthmix.store import Entry

# What diffusers reads first; the stock pipeline holds the parts, though its call knows no class labels.
_PIPELINE = {
    "_class_name": "DDPMPipeline",
    "scheduler": ["diffusers", "DDPMScheduler"],
    "unet": ["diffusers", "UNet2DModel"],
}


def fit(
    generator: dict[str, Any],
    images: np.ndarray,
    labels: np.ndarray,
    classes: list[str],
    seed: int,
    entry: Entry,
    stop: Interruption,
    device: str,
    settings: dict[str, Any],
    processes: int = 1,
) -> dict[str, Any]:
    """Train a generator, or take it from the store: see `diffusion.fit`."""
    if side := generator.get("resolution"):
        images = resized(images, (side, side))
    return diffusion.fit(generator, images, labels, len(classes), seed, entry, stop, device, processes)


def write(trained: Mapping[Any, dict[str, Any]], generator: dict[str, Any], meta: dict[str, Any], output: Any) -> None:
    """Write what train_generator declares.

    Args:
        trained: finished states of `fit`, by classifier seed, or under None for the one on all images.
        generator: the generator's definition.
        meta: of the data set.
        output: paths by name: weights, config, scheduler, history, and index where the folder is a diffusers pipeline.
    """
    network = diffusion.network(
        generator, meta["channels"], generator.get("resolution") or meta["size"][0], len(meta["classes"])
    )
    if None in trained:
        arrays = trained[None]["model"]
        files.write_json(output.index, _PIPELINE)
    else:
        arrays = {f"{seed}/{name}": value for seed, state in trained.items() for name, value in state["model"].items()}
    files.write_arrays(output.weights, arrays, {"format": "pt"})
    files.write_text(output.config, network.to_json_string())
    files.write_text(output.scheduler, diffusion.noise_schedule(generator).to_json_string())
