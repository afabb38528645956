"""Any classification network of torchvision, with random or pretrained weights, and a new head.

The backbone is the network without its last linear layer: pooled features of `resnet50`, and of `vgg16` what its two
hidden classifier layers make of them. Random weights are drawn as torchvision draws them.
"""

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torchvision
from torch import nn

from synthmix.files import sha256
from synthmix.networks import libraries, pretrained
from synthmix.networks.libraries import Network
from synthmix.networks.weights import torch_file
from synthmix.planning import initial_weights


def build(model: Mapping[str, Any], channels: int, size: int, classes: int) -> Network:
    """The network for images (N, 3, size, size), float, with random weights; it returns logits (N, classes).

    Raises ValueError where torchvision has no such network, or images do not fit it.
    """
    return libraries.assemble(partial(_backbone, model), model, channels, size, classes)


def locate(model: Mapping[str, Any], folder: Path, offline: bool) -> list[Path]:
    """The file of pretrained weights: given, or in `folder`, where it is downloaded to unless `offline`.

    Raises MissingWeightsError; ValueError where there are no such weights or the file is damaged.
    """
    if path := initial_weights.given(model):
        return [path]
    url = _weights(model).url
    path = torch_file(url, model["name"], None, folder, offline)
    promised = re.search(r"-([0-9a-f]{8,})\.", path.name)
    if promised and not sha256(path).startswith(promised[1]):
        raise ValueError(f"{path} is damaged, its SHA-256 is not that of its name: delete it, or download {url} again")
    return [path]


def load(network: Network, model: Mapping[str, Any], path: Path) -> None:
    """Give the backbone pretrained weights, but for `random_layers`, and the network their normalisation.

    Raises ValueError where the file does not fit.
    """
    whole = libraries.without_values(partial(_whole, model))
    pretrained.load(network.backbone.network, path, model["name"], whole, model.get("random_layers") or ())
    preset = _weights(model).transforms()
    network.normalisation = (preset.mean, preset.std)


def _whole(model: Mapping[str, Any]) -> nn.Module:
    name = model["name"]
    if name not in torchvision.models.list_models(module=torchvision.models):
        raise ValueError(f"{name} is no classification network of torchvision: see torchvision.models.list_models()")
    network: nn.Module = torchvision.models.get_model(name, weights=None)
    return network


def _backbone(model: Mapping[str, Any]) -> nn.Module:
    network = _whole(model)
    linear = [name for name, layer in network.named_modules() if isinstance(layer, nn.Linear)]
    if not linear or hasattr(network, "aux_logits"):
        problem = "has no linear output layer" if not linear else "has outputs beside the last"
        raise ValueError(f"{model['name']} of torchvision {problem}: choose another network, or one of timm")
    network.set_submodule(linear[-1], nn.Identity())
    return network


def _weights(model: Mapping[str, Any]) -> Any:
    """torchvision's entry of the published weights; for a file that of the default, whose normalisation it takes."""
    entries = torchvision.models.get_model_weights(model["name"])
    name = model["weights"] if initial_weights.published(model) else "default"
    if name.upper() not in entries.__members__:
        known = [entry.name for entry in entries]
        raise ValueError(f"torchvision has no weights {name} of {model['name']}: it has {', '.join(known)}")
    return entries[name.upper()]
