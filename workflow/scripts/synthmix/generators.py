"""Generators on the disk (a diffusers folder) and the shards that are drawn from them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DDPMScheduler, UNet2DModel

from synthmix import diffusion, files, pools
from synthmix.store import SHARD, Entry


def write(trained: Mapping[Any, dict[str, Any]], generator: dict[str, Any], meta: dict[str, Any], output: Any) -> None:
    """Write what train_generator declares.

    Args:
        trained: finished states of `diffusion.fit`, by classifier seed, or under None for the one on all images.
        generator: the generator's definition.
        meta: of the data set.
        output: paths by name: weights, config, scheduler, history, and index where the folder is a diffusers pipeline.
    """
    network = diffusion.network(generator, meta["channels"], meta["size"][0], len(meta["classes"]))
    if None in trained:
        arrays = trained[None]["model"]
        files.write_json(output.index, _PIPELINE)
    else:
        arrays = {f"{seed}/{name}": value for seed, state in trained.items() for name, value in state["model"].items()}
    files.write_arrays(output.weights, arrays, {"format": "pt"})
    files.write_text(output.config, network.to_json_string())
    files.write_text(output.scheduler, diffusion.noise_schedule(generator).to_json_string())
    rows = [{"seed": seed, **row} for seed, state in trained.items() for row in state["history"]]
    files.write_rows(output.history, ["seed", "step", "seconds", "loss"], rows)


# What diffusers reads first; the stock pipeline holds the parts, though its call knows no class labels.
_PIPELINE = {
    "_class_name": "DDPMPipeline",
    "scheduler": ["diffusers", "DDPMScheduler"],
    "unet": ["diffusers", "UNet2DModel"],
}


class Source:
    """A trained generator, ready to draw from."""

    def __init__(self, config: str, weights: str, scheduler: str, device: str) -> None:
        self.device = device
        self.unet = UNet2DModel.from_config(json.loads(Path(config).read_text()))
        self.unet.to(device, memory_format=torch.channels_last).eval()
        self.schedule = DDPMScheduler.from_config(json.loads(Path(scheduler).read_text()))
        self.weights, _ = files.read_arrays(weights)

    def load(self, seed: int | None) -> None:
        """Take the weights of one seed's generator, or of the only one."""
        prefix = "" if seed is None else f"{seed}/"
        chosen = {name.removeprefix(prefix): v for name, v in self.weights.items() if name.startswith(prefix)}
        self.unet.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in chosen.items()})


def draw_shard(source: Source, spec: dict[str, Any], classes: Sequence[str], seed: int | None, entry: Entry) -> Path:
    """Draw one generator's images of a shard into the store, or find them there; returns the file in the store."""
    path = entry.folder / SHARD
    if path.exists():
        try:
            pools.read([path])
            return path
        except files.DamagedFileError as error:
            print(f"{error}; drawing its images again", flush=True)
    sampling, shard = spec["sampling"], spec["shard"]
    block = range(shard * sampling["shard_size"], (shard + 1) * sampling["shard_size"])
    wanted = [(label, index) for index in block for label in range(len(classes))]
    source.load(seed)
    images = diffusion.sample(source.unet, source.schedule, sampling, wanted, sampling["seed"], source.device)
    labels, indices = np.array(wanted, dtype=np.int64).T
    pools.write_shard(path, images, labels, indices, seed, generator=spec["upstream"]["generator"], classes=classes)
    return path


def publish_shard(parts: Sequence[Path], output: str | Path, classes: Sequence[str]) -> None:
    """Give a shard its name under results/: the stored file itself, or the images of several generators together."""
    if len(parts) == 1:
        with files.atomic(output) as temporary:
            files.link(parts[0], temporary)
        return
    pool = pools.read(parts)
    pools.write_shard(output, pool.images, pool.labels, pool.index, pool.seed, classes=classes)
