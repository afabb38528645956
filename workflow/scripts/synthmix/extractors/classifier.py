"""Features of a small classifier trained on one half of the data set's own train split."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from synthmix.features.extraction import FeatureExtractor, PosteriorExtractor
from synthmix.files import read_arrays, sha256, write_arrays
from synthmix.models import feature_cnn

KIND = "classifier"


class ClassifierNetwork(nn.Module):
    """uint8 (N, 3, H, W) to (features, logits); the mean over channels where the classifier takes one channel."""

    def __init__(self, classifier: feature_cnn.FeatureCNN, channels: int, size: int) -> None:
        super().__init__()
        self.classifier = classifier
        self.channels = channels
        self.size = size

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if images.shape[-1] != self.size or images.shape[-2] != self.size:
            raise ValueError(f"images of {tuple(images.shape[-2:])} pixels; the extractor was trained on {self.size}")
        pixels = images.float()
        if self.channels == 1:
            pixels = pixels.mean(dim=1, keepdim=True)
        features = self.classifier.features(pixels / 255)
        return features, self.classifier.head(features)


def save(path: Path, classifier: nn.Module, spec: Mapping[str, Any]) -> None:
    """Write a trained classifier for `build`.

    spec holds at least `model` (the mapping that feature_cnn.build took) and the ints `channels`, `size`, `classes`.
    """
    missing = {"model", "channels", "size", "classes"} - set(spec)
    if missing:
        raise ValueError(f"the spec of {path} lacks {', '.join(sorted(missing))}")
    arrays = {name: tensor.detach().cpu().numpy() for name, tensor in classifier.state_dict().items()}
    write_arrays(path, arrays, {"spec": json.dumps(spec, sort_keys=True)})


def build(spec: Mapping[str, Any], weights: Path | None, folder: Path, offline: bool) -> FeatureExtractor:
    """The classifier in the file `weights`, written by `save`; nothing is ever downloaded.

    Raises FileNotFoundError where it was not trained yet, and DamagedFileError.
    """
    if weights is None or not weights.is_file():
        raise FileNotFoundError(f"extractor weights {weights} do not exist: the rule train_extractor writes them")
    arrays, metadata = read_arrays(weights)
    trained = json.loads(metadata["spec"])
    network = feature_cnn.build(trained["model"], trained["channels"], trained["size"], trained["classes"])
    network.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    dimension = int(trained["model"]["width"])
    wrapped = ClassifierNetwork(network, trained["channels"], trained["size"])
    return PosteriorExtractor(KIND, wrapped, dimension, sha256(weights), {"model": trained["model"]})
