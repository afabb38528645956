"""CLIP image embeddings through transformers; torch-fidelity's own unpickles a scripted model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn

from synthmix.features.extraction import FeatureExtractor, SquareInput
from synthmix.files import sha256
from synthmix.networks.weights import hub_file

KIND = "clip"


class ClipNetwork(nn.Module):
    """uint8 (N, 3, H, W) to (projected image embeddings (N, D), None)."""

    def __init__(self, network: nn.Module, preprocess: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.preprocess = preprocess

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, None]:
        return self.network(pixel_values=self.preprocess(images)).image_embeds, None


def build(spec: Mapping[str, Any], weights: Path | None, folder: Path, offline: bool) -> FeatureExtractor:
    """The vision tower of `spec["variant"]` (a hub id).

    Weights: a folder with config.json and model.safetensors, at `weights` if given, else looked for as weights.hub_file
    says. Raises MissingWeightsError; ValueError where the folder holds another network.
    """
    from transformers import CLIPVisionModelWithProjection
    from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

    variant = spec["variant"]
    path, configuration = locate(spec, weights, folder, offline)
    try:
        network, report = CLIPVisionModelWithProjection.from_pretrained(
            configuration.parent, local_files_only=True, use_safetensors=True, output_loading_info=True
        )
    except (SafetensorError, RuntimeError, OSError, ValueError) as error:
        raise ValueError(f"{path.parent} does not hold the CLIP network {variant}: download it again") from error
    if report["missing_keys"]:  # transformers would go on with random values
        raise ValueError(f"{path} lacks weights of CLIP's vision tower: download {variant} again")
    network = network.float()
    wrapped = ClipNetwork(network, SquareInput(network.config.image_size, OPENAI_CLIP_MEAN, OPENAI_CLIP_STD))
    return FeatureExtractor(KIND, wrapped, network.config.projection_dim, sha256(path), {"variant": variant})


def locate(spec: Mapping[str, Any], weights: Path | None, folder: Path, offline: bool) -> list[Path]:
    """The weights and the configuration, downloaded where they are not there. Raises MissingWeightsError."""
    path = hub_file(spec["variant"], "model.safetensors", weights, folder, offline)
    beside = None if weights is None else path.parent
    return [path, hub_file(spec["variant"], "config.json", beside, folder, offline)]
