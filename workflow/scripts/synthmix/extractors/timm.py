"""Features of any pretrained image classifier of timm: the maps of its last stage, averaged over positions."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from synthmix.features.extraction import FeatureExtractor, PosteriorExtractor, SquareInput
from synthmix.files import sha256
from synthmix.networks import pretrained
from synthmix.networks.weights import timm_file
from synthmix.planning.initial_weights import package_file

KIND = "timm"


class StageNetwork(nn.Module):
    """uint8 (N, 3, H, W) to (mean of the last stage's maps (N, D), class logits (N, K))."""

    def __init__(self, network: Any, preprocess: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.preprocess = preprocess

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        final, (stage,) = self.network.forward_intermediates(self.preprocess(images), indices=1)
        return stage.mean(dim=(2, 3)), self.network.forward_head(final)


def build(spec: Mapping[str, Any], weights: Path | None, folder: Path, offline: bool) -> FeatureExtractor:
    """The timm network `spec["variant"]` on images resized to `spec["image_size"]` pixels a side.

    Weights: see `locate`. A file with other names of layers is read in its order, as files of other implementations of
    the same network need. Raises MissingWeightsError; ValueError where the name is unknown or the weights do not fit.
    """
    import timm

    variant, size = spec["variant"], int(spec["image_size"])
    (path,) = locate(spec, weights, folder, offline)
    network = timm.create_model(variant)
    pretrained.load(network, path, variant)
    network.eval()
    wrapped = StageNetwork(network, SquareInput(size, network.pretrained_cfg["mean"], network.pretrained_cfg["std"]))
    with torch.inference_mode():
        features, _ = wrapped(torch.zeros(1, 3, size, size, dtype=torch.uint8))
    settings = {"variant": variant, "image_size": size}
    return PosteriorExtractor(KIND, wrapped, features.shape[1], sha256(path), settings)


def locate(spec: Mapping[str, Any], weights: Path | None, folder: Path, offline: bool) -> list[Path]:
    """The file of weights: in the package, at `weights`, or as weights.timm_file looks for it.

    Raises ValueError where timm does not know the name or the package has no weights, and MissingWeightsError.
    """
    import timm

    variant, package = spec["variant"], spec.get("package")
    if not timm.is_model(variant.split(".")[0]):
        raise ValueError(f"extractor variant {variant!r} is no network of timm: see timm.list_models()")
    if package is None and weights is not None and weights.is_file():
        return [weights]
    if package is None:
        return [timm_file(variant, weights, folder, offline)]
    return [package_file(package)]
