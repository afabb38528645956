"""DINOv2 features through timm; torch-fidelity's own cannot read weights from a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn

from synthmix.features.extraction import FeatureExtractor, SquareInput
from synthmix.files import sha256
from synthmix.networks.weights import timm_file

KIND = "dinov2"


class TransformerNetwork(nn.Module):
    """uint8 (N, 3, H, W) to (pooled features (N, D), None)."""

    def __init__(self, network: nn.Module, preprocess: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.preprocess = preprocess

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, None]:
        return self.network(self.preprocess(images)), None


def build(spec: Mapping[str, Any], weights: Path | None, folder: Path, offline: bool) -> FeatureExtractor:
    """The timm network `spec["variant"]` on images resized to `spec["image_size"]` pixels a side.

    Weights: timm's model.safetensors, at `weights` (a file or its folder) if given, else looked for as weights.hub_file
    says. Raises MissingWeightsError; ValueError where the name is unknown or the file holds other weights.
    """
    import timm

    variant = spec["variant"]
    size = int(spec["image_size"])
    (path,) = locate(spec, weights, folder, offline)
    try:
        # With its own head, since timm loads loosely where the head differs, leaving what the file lacks at random.
        network = timm.create_model(variant, pretrained=True, pretrained_cfg_overlay={"file": str(path)}, img_size=size)
        network.reset_classifier(0)
    except (SafetensorError, RuntimeError, KeyError) as error:
        raise ValueError(f"{path} does not hold the weights of {variant}: download them again") from error
    preprocess = SquareInput(size, network.pretrained_cfg["mean"], network.pretrained_cfg["std"])
    wrapped = TransformerNetwork(network, preprocess)
    settings = {"variant": variant, "image_size": size}
    return FeatureExtractor(KIND, wrapped, network.num_features, sha256(path), settings)


def locate(spec: Mapping[str, Any], weights: Path | None, folder: Path, offline: bool) -> list[Path]:
    """The file of weights, downloaded where it is not there. Raises as `build` does."""
    return [timm_file(spec["variant"], weights, folder, offline)]
