"""Explainer `masking`: what single heads and layers of a `vit_block` contribute, by accuracy without them.

A head is masked by setting its output to zero before the layer's projection (Michel et al. 2019, "Are sixteen heads
really better than one?", arXiv:1905.10650); the attention or the MLP of a layer is skipped by leaving the residual
connection alone. Nothing is trained again: what is measured is how much the trained network relies on a part.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from synthmix.explaining import Images
from synthmix.images import feeding
from synthmix.models.vit_block import Attention
from synthmix.networks import engine

COLUMNS = ("what", "layer", "head", "accuracy")


def explain(
    network: engine.Classifier, explainer: Mapping[str, Any], images: Images, device: str
) -> Iterator[dict[str, Any]]:
    """Accuracy on all test images, in [0, 1], by what is left out: a row each.

    what: none, head, attention, mlp or both. layer and head count from 1, layer 1 being nearest to the image; None
    where there is none.
    """
    network = network.to(device).to(memory_format=torch.channels_last)
    pixels, labels = feeding.placed(images.test.images, device), torch.from_numpy(images.test.labels).to(device)

    def row(what: str, layer: int | None = None, head: int | None = None) -> dict[str, Any]:
        right = engine.logits(network, pixels).argmax(1) == labels
        return {"what": what, "layer": layer, "head": head, "accuracy": right.double().mean().item()}

    yield row("none")
    transformer: Any = network.network  # a ViTBlock
    for layer, block in enumerate(transformer.blocks, 1):
        for head in range(block.attention.heads):
            with without_head(block.attention, head):
                yield row("head", layer, head + 1)
        for what, parts in (
            ("attention", [block.attention]),
            ("mlp", [block.mlp]),
            ("both", [block.attention, block.mlp]),
        ):
            with without(*parts):
                yield row(what, layer)


@contextmanager
def without_head(attention: Attention, head: int) -> Iterator[None]:
    """Set the output of one head, counted from 0, to zero."""
    size = attention.projection.in_features // attention.heads

    def mask(_: nn.Module, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        mixed = inputs[0].clone()  # tokens (N, T, width), a stretch of `size` for each head
        mixed[..., head * size : (head + 1) * size] = 0
        return (mixed,)

    handle = attention.projection.register_forward_pre_hook(mask)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def without(*parts: nn.Module) -> Iterator[None]:
    """Let parts of a block add nothing to its tokens."""
    handles = [part.register_forward_hook(_nothing) for part in parts]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _nothing(module: nn.Module, inputs: Any, output: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(output)
