"""Class-conditional diffusion models that were trained here, as `trainers/ddpm.py` writes them."""

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import DDPMScheduler, UNet2DModel

from synthmix import files
from synthmix.data import resized
from synthmix.generation import diffusion
from synthmix.images.shards import Drawn, Wanted


class Source:
    """A trained generator, or those of several seeds (see shards.Source)."""

    def __init__(
        self, spec: dict[str, Any], meta: dict[str, Any], inputs: Any, device: str, settings: dict[str, Any]
    ) -> None:
        self.sampling, self.device, self.size = spec["sampling"], device, tuple(meta["size"])
        self.unet = UNet2DModel.from_config(json.loads(Path(inputs.config).read_text()))
        self.unet.to(device, memory_format=torch.channels_last).eval()
        self.schedule = DDPMScheduler.from_config(json.loads(Path(inputs.scheduler).read_text()))
        self.weights, _ = files.read_arrays(inputs.weights)

    def draw(self, wanted: Wanted, seed: int | None) -> Drawn:
        prefix = "" if seed is None else f"{seed}/"
        chosen = {name.removeprefix(prefix): v for name, v in self.weights.items() if name.startswith(prefix)}
        self.unet.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in chosen.items()})
        number = self.sampling["seed"]
        images = diffusion.sample(self.unet, self.schedule, self.sampling, list(wanted), number, self.device)
        return Drawn(resized(images, self.size))
