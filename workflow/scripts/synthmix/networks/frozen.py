"""Features under a frozen backbone: computed once for an image, however many runs of a job see it."""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from synthmix import files
from synthmix.images.mapped import Images
from synthmix.networks import engine

BATCH = 64  # images whose features are computed at once


def reusable(recipe: Mapping[str, Any]) -> bool:
    """Whether an image has the same features in every step of a training."""
    return "backbone" in (recipe.get("freeze") or ()) and recipe.get("augment") in (None, "none")


def has_parts(model: nn.Module) -> bool:
    """Whether a classifier's network is `head(backbone(images))`."""
    network = getattr(model, "network", None)
    return hasattr(network, "backbone") and hasattr(network, "head")


def head(model: nn.Module) -> nn.Module:
    """The head of a classifier that has one."""
    return model.get_submodule("network.head")


class Features:
    """The features of a job's images under one backbone, the last one asked for.

    Batches have one fixed shape (the last is padded), so that the features of an image do not depend on which others
    the job has seen.
    """

    def __init__(self) -> None:
        self.backbone = ""  # digest of its parameters and of the normalisation
        self.known: dict[bytes, np.ndarray] = {}  # digest of an image -> its features

    def of(self, model: nn.Module, images: Images, device: str) -> Tensor:
        """What reaches the head of a classifier on the device, float32 (N, D), of uint8 images (N, H, W, C)."""
        digest = files.checksum(
            {name: value.cpu().numpy() for name, value in model.state_dict().items() if ".head." not in f".{name}"}
        )
        if digest != self.backbone:
            self.backbone, self.known = digest, {}
        keys = [blake2b(np.ascontiguousarray(image).data, digest_size=16).digest() for image in images]
        new = [at for key, at in dict(zip(keys, range(len(keys)), strict=True)).items() if key not in self.known]
        for start in range(0, len(new), BATCH):
            rows = new[start : start + BATCH]
            found = _reaching_head(model, engine.to_device(images[rows + rows[-1:] * (BATCH - len(rows))], device))
            self.known |= zip((keys[row] for row in rows), found.cpu().numpy(), strict=False)
        return torch.from_numpy(np.stack([self.known[key] for key in keys])).to(device)

    def logits(self, model: nn.Module, images: Images, device: str) -> Tensor:
        """Logits (N, classes), float32, of uint8 images (N, H, W, C)."""
        return engine.logits(head(model), self.of(model, images, device))


def _reaching_head(model: nn.Module, images: Tensor) -> Tensor:
    caught: list[Tensor] = []
    hook = head(model).register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0].float()))
    try:
        engine.logits(model, images, len(images))  # at once: parts of unequal shapes would differ in rounding
    finally:
        hook.remove()
    return torch.cat(caught)
