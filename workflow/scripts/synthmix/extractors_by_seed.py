"""Extractors that were trained per seed on few real images, and the images that each may look at."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from synthmix.data import Split
from synthmix.extractors.classifier import KIND, ClassifierNetwork
from synthmix.features.extraction import FeatureExtractor, PosteriorExtractor
from synthmix.files import sha256
from synthmix.images.draws import draw_real
from synthmix.models import feature_cnn
from synthmix.runs import read_models


def read(path: str | Path, model: Mapping[str, Any], meta: Mapping[str, Any]) -> dict[int, FeatureExtractor]:
    """The extractors in a file of train_extractor_by_seed, by seed.

    Args:
        path: the file.
        model: what feature_cnn.build takes.
        meta: of the data set.

    Raises:
        files.DamagedFileError: the file is truncated or altered.
    """
    checksum, channels, size = sha256(path), meta["channels"], meta["size"][0]
    found: dict[int, FeatureExtractor] = {}
    for (_, seed), arrays in read_models(str(path)).items():
        network = feature_cnn.build(model, channels, size, len(meta["classes"]))
        network.load_state_dict({name: torch.from_numpy(arrays[f"network.{name}"]) for name in network.state_dict()})
        wrapped = ClassifierNetwork(network, channels, size)
        # the checksum is of all seeds' networks; the seed tells their names apart
        settings = {"model": dict(model), "seed": seed}
        found[seed] = PosteriorExtractor(KIND, wrapped, int(model["width"]), checksum, settings)
    return found


def own_images(train: Split, real: int, seed: int) -> Split:
    """The `real` images per class that the classifier of a seed sees, and its extractor and generator with it.

    Raises ValueError where a class has fewer.
    """
    rows = draw_real(train.labels, real, seed)
    return Split(**{name: values[rows] for name, values in vars(train).items()})
