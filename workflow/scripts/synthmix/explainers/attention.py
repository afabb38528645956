"""Explainer `attention`: how the class token of a `vit_block` weighs the patches of single images.

The images, chosen before any map is seen: the first test images of each class, the mean train image of each class, and
images that the user drew. What is kept of each: the softmax weights of every head and layer, as the network's own
attention computes them from what reaches it, and attention rollout (Abnar and Zuidema 2020, "Quantifying attention flow
in transformers", arXiv:2005.00928).
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from synthmix import data, drawn, engine
from synthmix.explaining import Images
from synthmix.messages import suggestion

COLUMNS = ("subject", "number", "label", "predicted", "what", "layer", "head", "class_token", "values")
BATCH = 16  # images at a time: their weights take batch x layers x heads x (patches + 1)^2 floats
DECIMALS = 6


class Subject(NamedTuple):
    """An image that is shown to the network: uint8 (H, W, C).

    subject: instance, mean or drawn. number: counts the images of a subject and class from 1. label: of its class.
    """

    subject: str
    number: int
    label: int
    image: np.ndarray


def explain(
    network: engine.Classifier, explainer: Mapping[str, Any], images: Images, device: str
) -> Iterator[dict[str, Any]]:
    """The images and the maps of each, a row each.

    what: `image`, its values the pixels (H, W, C), 0 to 255; `head`, the weights that the class token gives to patches
    (rows, columns), with layer and head counted from 1, layer 1 being nearest to the image; `rollout`, the same through
    all layers. class_token: what it keeps for itself, so that this and the values of a map sum to 1. predicted: the
    label that the network gives. values: JSON, weights with six decimals.

    A map takes some 9 bytes per patch, an image 4 per pixel: ten classes with two subjects each, 64 patches and twelve
    heads make 150 kB for a network.
    """
    network = network.to(device).to(memory_format=torch.channels_last)
    every = list(subjects(explainer, images))
    for start in range(0, len(every), BATCH):
        batch = every[start : start + BATCH]
        pixels = engine.to_device(np.stack([each.image for each in batch]), device)
        predicted, weights = attention(network, pixels)
        rolled = rollout(weights)
        for position, shown in enumerate(batch):
            known = {**shown._asdict(), "predicted": int(predicted[position])}
            image = known.pop("image")
            yield {**known, "what": "image", "values": json.dumps(image.tolist())}
            for layer, each in enumerate(weights, 1):
                for head, of_head in enumerate(each[position], 1):
                    yield {**known, "what": "head", "layer": layer, "head": head, **_map(of_head[0])}
            yield {**known, "what": "rollout", **_map(rolled[position])}


def subjects(explainer: Mapping[str, Any], images: Images) -> Iterator[Subject]:
    """The images to look at; a class with fewer test images than `instances` has fewer of them."""
    test, train, classes = images.test, images.train, images.meta["classes"]
    for label in range(len(classes)):
        for number, position in enumerate(np.flatnonzero(test.labels == label)[: explainer["instances"]], 1):
            yield Subject("instance", number, label, test.images[position])
    for label in range(len(classes)):
        mean = train.images[train.labels == label].mean(0)
        yield Subject("mean", 1, label, np.rint(mean).astype(np.uint8))  # 8 bits, as all other images have
    for name, files in (explainer.get("drawn") or {}).items():
        if name not in classes:
            raise drawn.DrawnError(f"drawn: no class {name!r} in {images.meta['name']}{suggestion(name, classes)}")
        for number, (path, planned) in enumerate(sorted(files.items()), 1):
            drawn.require(path, planned)
            yield Subject("drawn", number, classes.index(name), _read(path, images.meta))


def attention(network: engine.Classifier, images: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Predicted labels (N,), and the attention weights (N, heads, T, T) of each layer, of uint8 images (N, C, H, W).

    Token 0 is the class token; the T - 1 others are the patches, row by row. Weights are float64, on the CPU.
    """
    transformer: Any = network.network  # a ViTBlock
    with recorded([block.attention for block in transformer.blocks]) as weights:
        predicted = engine.logits(network, images).argmax(1)
    return predicted.cpu(), [each.double().cpu() for each in weights]


@contextmanager
def recorded(layers: list[nn.Module]) -> Iterator[list[Tensor]]:
    """Collect the weights of attention layers, computed by their own `weights` from the tokens that reach them."""
    found: list[Tensor] = []

    def record(module: Any, inputs: tuple[Tensor]) -> None:
        found.append(module.weights(inputs[0]))

    handles = [layer.register_forward_pre_hook(record) for layer in layers]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def rollout(weights: list[Tensor]) -> Tensor:
    """Attention rollout of the class token, (N, T), rows summing to 1, from the weights (N, heads, T, T) of each layer.

    The product of (mean over heads + identity) / 2 over the layers, the last one first, of which the row of token 0 is
    taken: half of a layer's output comes by its residual connection (Abnar and Zuidema 2020, section 3).
    """
    n, _, tokens, _ = weights[0].shape
    row = torch.zeros(n, 1, tokens, dtype=weights[0].dtype)
    row[..., 0] = 1
    for each in reversed(weights):
        row = (row @ each.mean(1) + row) / 2
    return row[:, 0]


def _map(row: Tensor) -> dict[str, Any]:
    """The weights (T,) that the class token gives: to itself, and to the square of patches."""
    side = round((len(row) - 1) ** 0.5)
    values = np.round(row[1:].reshape(side, side).numpy(), DECIMALS)
    return {"class_token": round(float(row[0]), DECIMALS), "values": json.dumps(values.tolist())}


def _read(path: str, meta: Mapping[str, Any]) -> np.ndarray:
    """A drawn image through the data set's own chain of conversion, uint8 (H, W, C)."""
    image = data.open_image(data.Rows(_Files([path]), np.zeros(1, np.int64), "drawn", [path]), 0)
    return data.to_array(image, tuple(meta["size"]), meta["channels"])


class _Files:
    """Images that are opened when they are asked for: `open_image` says in one line what is wrong with one."""

    def __init__(self, paths: list[str]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, position: int) -> Image.Image:
        return Image.open(self.paths[position])
