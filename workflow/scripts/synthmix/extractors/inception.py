"""torch-fidelity's Inception v3: the features that published FID, KID and Inception scores are computed in."""

import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3

from synthmix.features.extraction import FeatureExtractor, PosteriorExtractor
from synthmix.files import sha256
from synthmix.networks.weights import torch_file

KIND = "inception"
NAME = "inception-v3-compat"
FILE_NAME = URL_INCEPTION_V3.rsplit("/", 1)[-1]


class InceptionNetwork(nn.Module):
    """uint8 (N, 3, H, W) to (pool features (N, 2048), logits without bias (N, 1008)), as Inception scores use them."""

    def __init__(self, weights: Path) -> None:
        super().__init__()
        # torch-fidelity unpickles whatever file it is given. We read weights only and hand it a copy of those.
        copy = io.BytesIO()
        torch.save(torch.load(weights, map_location="cpu", weights_only=True), copy)
        copy.seek(0)
        self.inception = FeatureExtractorInceptionV3(
            NAME, ["2048", "logits_unbiased"], feature_extractor_weights_path=copy
        )

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features, logits = self.inception(images)
        return features, logits


def build(spec: Mapping[str, Any], weights: Path | None, folder: Path, offline: bool) -> FeatureExtractor:
    """Inception v3 with torch-fidelity's weights.

    They are read from `weights` (a file or its folder) if given, else from `folder`, where they are downloaded to
    unless `offline`. Raises MissingWeightsError; ValueError where the file holds other weights.
    """
    (path,) = locate(spec, weights, folder, offline)
    try:
        network = InceptionNetwork(path)
    except (RuntimeError, pickle.UnpicklingError, EOFError, AttributeError) as error:
        raise ValueError(f"{path} does not hold the weights of {NAME}: download {URL_INCEPTION_V3} again") from error
    return PosteriorExtractor(KIND, network, 2048, sha256(path), {"network": NAME})


def locate(spec: Mapping[str, Any], weights: Path | None, folder: Path, offline: bool) -> list[Path]:
    """The file of weights, downloaded where it is not there. Raises MissingWeightsError."""
    return [torch_file(URL_INCEPTION_V3, NAME, weights, folder, offline)]
