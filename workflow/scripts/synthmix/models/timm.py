"""Any network of timm, with random or pretrained weights, and a new head.

The backbone is timm's network without its classifier: its own pooling, `num_classes=0`. Random weights are drawn as
timm draws them.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import timm
from torch import nn

from synthmix.networks import libraries, pretrained
from synthmix.networks.libraries import Network
from synthmix.networks.weights import timm_file
from synthmix.planning import initial_weights


def build(model: Mapping[str, Any], channels: int, size: int, classes: int) -> Network:
    """The network for images (N, 3, size, size), float, with random weights; it returns logits (N, classes).

    Raises ValueError where timm has no such network, or images do not fit it.
    """
    return libraries.assemble(partial(_created, model, num_classes=0), model, channels, size, classes)


def locate(model: Mapping[str, Any], folder: Path, offline: bool) -> list[Path]:
    """The file of pretrained weights: given, or looked for as weights.hub_file says.

    Raises MissingWeightsError; ValueError where timm knows no pretrained weights of that name.
    """
    return [initial_weights.given(model) or timm_file(model["name"], None, folder, offline)]


def load(network: Network, model: Mapping[str, Any], path: Path) -> None:
    """Give the backbone pretrained weights, but for `random_layers`, and the network their normalisation.

    Raises ValueError where the file does not fit.
    """
    backbone: Any = network.backbone.network
    whole = libraries.without_values(partial(_created, model))
    pretrained.load(backbone, path, model["name"], whole, model.get("random_layers") or ())
    network.normalisation = (backbone.pretrained_cfg["mean"], backbone.pretrained_cfg["std"])


def _created(model: Mapping[str, Any], **options: Any) -> nn.Module:
    if not timm.is_model(model["name"].split(".")[0]):
        raise ValueError(f"{model['name']} is no network of timm: see timm.list_models()")
    network: nn.Module = timm.create_model(model["name"], **options)
    return network
