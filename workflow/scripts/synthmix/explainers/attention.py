"""Explainer `attention`: how the class token of a vision transformer weighs the patches of single images.

The images, chosen before any map is seen: the first test images of each class, the mean train image of each class, and
images that the user drew. What is kept of each: the softmax weights of every head and layer, as the network's own
attention computes them (attention_weights.py), and attention rollout (Abnar and Zuidema 2020, "Quantifying attention
flow in transformers", arXiv:2005.00928).
"""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from synthmix import data
from synthmix.explaining import Images
from synthmix.images import drawn
from synthmix.networks import attention_weights, engine
from synthmix.networks.attention_weights import Attention
from synthmix.planning.messages import suggestion

COLUMNS = ("subject", "number", "label", "predicted", "what", "layer", "head", "class_token", "other_tokens", "values")
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
    all layers. class_token: what it keeps for itself, and other_tokens: what it gives to register and distillation
    tokens, so that these and the values of a map sum to 1. predicted: the label that the network gives. values: JSON,
    weights with six decimals.

    A map takes some 9 bytes per patch, an image 4 per pixel: ten classes with two subjects each, 64 patches and twelve
    heads make 150 kB for a network. One image of 224 pixels takes 600 kB, its 144 maps in ViT-B/16 250 kB.
    """
    network = network.to(device).to(memory_format=torch.channels_last)
    for shown in subjects(explainer, images):  # one at a time: its weights take layers x heads x tokens^2 floats
        predicted, found = attention(network, engine.to_device(shown.image[None], device))
        known = {**shown._asdict(), "predicted": int(predicted[0])}
        image = known.pop("image")
        yield {**known, "what": "image", "values": json.dumps(image.tolist())}
        for layer in attention_weights.chosen(explainer.get("layers"), len(found.weights)):
            for head, of_head in enumerate(found.weights[layer - 1][0], 1):
                yield {**known, "what": "head", "layer": layer, "head": head, **_map(of_head[0], found.prefix)}
        yield {**known, "what": "rollout", **_map(rollout(found.weights)[0], found.prefix)}


def subjects(explainer: Mapping[str, Any], images: Images) -> Iterator[Subject]:
    """The images to look at; a class with fewer test images than `instances` has fewer of them."""
    test, train, classes = images.test, images.train, images.meta["classes"]
    named = explainer.get("classes") or classes
    if unknown := [name for name in named if name not in classes]:
        raise ValueError(f"attention: {images.meta['name']} has no class {unknown[0]}{suggestion(unknown[0], classes)}")
    labels = sorted(map(classes.index, named))
    for label in labels:
        for number, position in enumerate(np.flatnonzero(test.labels == label)[: explainer["instances"]], 1):
            yield Subject("instance", number, label, test.images[position])
    for label in labels:
        mean = train.images[train.labels == label].mean(0)
        yield Subject("mean", 1, label, np.rint(mean).astype(np.uint8))  # 8 bits, as all other images have
    for name, files in (explainer.get("drawn") or {}).items():
        if name not in classes:
            raise drawn.DrawnError(f"drawn: no class {name!r} in {images.meta['name']}{suggestion(name, classes)}")
        for number, (path, planned) in enumerate(sorted(files.items()), 1):
            drawn.require(path, planned)
            yield Subject("drawn", number, classes.index(name), _read(path, images.meta))


def attention(network: engine.Classifier, images: Tensor) -> tuple[Tensor, Attention]:
    """Predicted labels (N,), and what each layer weighs, float64 on the CPU, of uint8 images (N, C, H, W).

    Raises ValueError where the network is no vision transformer whose class token is classified.
    """
    logits, found = attention_weights.observed(network.network, lambda: engine.logits(network, images, len(images)))
    return logits.argmax(1).cpu(), found._replace(weights=[each.double().cpu() for each in found.weights])


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


def _map(row: Tensor, prefix: int) -> dict[str, Any]:
    """The weights (T,) that the class token gives: to itself, to others before the patches, and to their square."""
    side = math.isqrt(len(row) - prefix)
    values = np.round(row[prefix:].reshape(side, side).numpy(), DECIMALS)
    own, others = (round(float(each), DECIMALS) for each in (row[0], row[1:prefix].sum()))
    return {"class_token": own, "other_tokens": others, "values": json.dumps(values.tolist())}


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
