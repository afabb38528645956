"""Explainer `feature_maps`: what layers of a convolutional network make of single test images, channel by channel.

The images are the first test image of each class asked for, chosen before any map is seen. A map is the output of a
module for one channel, the first time that the module is called.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from synthmix.explaining import Images
from synthmix.networks import engine
from synthmix.planning.messages import suggestion

COLUMNS = ("label", "predicted", "what", "layer", "channels", "channel", "low", "high", "values")
FIRST = 3  # convolutions, where no layers are named


class LayerError(ValueError):
    """A layer that the network does not have, or that has no maps."""


def explain(
    network: engine.Classifier, explainer: Mapping[str, Any], images: Images, device: str
) -> Iterator[dict[str, Any]]:
    """The images and the maps of each, a row each.

    what: `image`, its values the pixels (H, W, C), 0 to 255; `map`, one channel (rows, columns) in 8 bits, from `low`
    (0) to `high` (255). layer: the module's name in the classifier, `network.conv1`. channels: how many it has;
    channel: counts from 1. predicted: the label that the network gives.

    Raises:
        LayerError: one line that names the layer, and those that there are.
    """
    network = network.to(device).to(memory_format=torch.channels_last)
    layers = explainer.get("layers") or _convolutions(network.network)
    classes = images.meta["classes"]
    labels = [classes.index(name) for name in explainer.get("classes") or classes[:1]]
    shown = np.stack([images.test.images[np.flatnonzero(images.test.labels == label)[0]] for label in labels])
    with recorded(network.network, layers) as maps:
        predicted = engine.logits(network, engine.to_device(shown, device), len(shown)).argmax(1).cpu()
    chosen = {layer: channels(_checked(layer, maps), explainer) for layer in layers}
    for position, label in enumerate(labels):
        known = {"label": label, "predicted": int(predicted[position])}
        yield {**known, "what": "image", "values": json.dumps(shown[position].tolist())}
        for layer in layers:
            for channel in chosen[layer]:
                about = {"layer": f"network.{layer}", "channels": maps[layer].shape[1], "channel": channel + 1}
                yield {**known, "what": "map", **about, **_values(maps[layer][position, channel])}


def channels(maps: Tensor, explainer: Mapping[str, Any]) -> list[int]:
    """The channels to show, counted from 0, of maps (N, C, H, W): the first, or those of the largest variance."""
    if explainer["choose"] == "first":
        return list(range(min(explainer["channels"], maps.shape[1])))
    variance = maps.double().transpose(0, 1).flatten(1).var(1, correction=0)
    return [int(channel) for channel in variance.argsort(descending=True, stable=True)[: explainer["channels"]]]


@contextmanager
def recorded(network: nn.Module, layers: list[str]) -> Iterator[dict[str, Any]]:
    """Collect what modules return when they are first called, by their names: a tensor (N, C, H, W) on the CPU each."""
    modules = dict(network.named_modules())
    for layer in layers:
        if layer not in modules:
            names = sorted(filter(None, modules), key=lambda name: name.count("."))
            raise LayerError(f"feature_maps: the network has no layer {layer!r}{suggestion(layer, names)}")
    found: dict[str, Any] = {}

    def hook(layer: str) -> Any:
        def record(module: nn.Module, inputs: Any, output: Any) -> None:
            # a copy, for the next module may work in place
            found.setdefault(layer, output.float().cpu().clone() if isinstance(output, Tensor) else output)

        return record

    handles = [modules[layer].register_forward_hook(hook(layer)) for layer in layers]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def _convolutions(network: nn.Module) -> list[str]:
    names = [name for name, module in network.named_modules() if isinstance(module, nn.Conv2d)]
    if not names:
        raise LayerError("feature_maps: the network has no convolution; name layers, or leave the model out")
    return names[:FIRST]


def _checked(layer: str, maps: Mapping[str, Any]) -> Tensor:
    """The maps of a layer, (N, C, H, W)."""
    output = maps.get(layer)
    if not isinstance(output, Tensor) or output.dim() != 4:
        shape = f"is of shape {tuple(output.shape)}" if isinstance(output, Tensor) else "is none"
        raise LayerError(f"feature_maps: layer {layer!r} has no maps, for its output {shape}; name another layer")
    return output


def _values(values: Tensor) -> dict[str, Any]:
    low, high = float(values.min()), float(values.max())
    scaled = (values - low) / ((high - low) or 1.0) * 255
    return {"low": low, "high": high, "values": json.dumps(scaled.round().int().tolist())}
