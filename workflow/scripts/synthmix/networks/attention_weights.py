"""The attention weights of vision transformers with a class token, as their own layers compute them.

Known are `vit_block`, torchvision's and those of timm whose class token alone is classified. A layer of any of these
calls one of two functions of PyTorch, which are listened to: nothing of a layer (normalised queries and keys, rotary
positions, relative biases, scale) is computed again here.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from synthmix.networks.libraries import Network


class Attention(NamedTuple):
    """What the layers of a transformer weigh, the layer nearest to the image first.

    weights: (N, heads, T, T) of each layer, rows summing to 1. prefix: how many of the T tokens come before the
    patches; token 0 is the class token, others are register or distillation tokens. The patches are a square, row by
    row.
    """

    weights: list[Tensor]
    prefix: int


def observed(network: nn.Module, forward: Callable[[], Tensor]) -> tuple[Tensor, Attention]:
    """What `forward` returns, and the attention weights that the layers of `network` have used in it.

    Args:
        network: a ViTBlock, or a Network around a transformer of a library.
        forward: runs the network once, in evaluation mode, on square images. On the meta device, weights have shapes
            and no values.

    Raises:
        ValueError: the network is no transformer of blocks that all see the class token and the same square of patches,
            or its output is not read from the class token.
    """
    own: Any = network.backbone.network if isinstance(network, Network) else network
    layers, prefix = _structure(own)
    with _Listening() as listening:
        output = forward()
    found = listening.found
    if not found or len(found) != layers:
        problem = f"{_name(own)} has {layers} layers, of which {len(found)} use PyTorch's scaled dot-product attention"
        raise ValueError(f"attention: {problem}; leave it out")
    tokens = found[0].shape[-1]
    square = math.isqrt(max(0, tokens - prefix)) ** 2 + prefix == tokens
    if not square or any(each.shape[-2:] != (tokens, tokens) for each in found):
        raise ValueError(f"attention: the layers of {_name(own)} do not share one square of patches; leave it out")
    return output, Attention(found, prefix)


def chosen(layers: Iterable[int] | None, depth: int) -> list[int]:
    """Numbers of layers from 1, in order, of which negative ones count from the last, -1; None: all of the `depth`.

    Raises ValueError where the network has no such layer.
    """
    if layers is None:
        return list(range(1, depth + 1))
    if beyond := [layer for layer in layers if not 0 < abs(layer) <= depth]:
        raise ValueError(f"attention: there is no layer {beyond[0]}, the network has {depth}; correct layers")
    return sorted({layer if layer > 0 else depth + 1 + layer for layer in layers})


def _structure(transformer: Any) -> tuple[int, int]:
    """Numbers of layers, and of tokens before the patches."""
    if hasattr(transformer, "class_token"):  # vit_block, or torchvision's, whose layers are in an encoder
        return len(getattr(transformer, "blocks", None) or transformer.encoder.layers), 1
    if getattr(transformer, "cls_token", None) is None or not hasattr(transformer, "blocks"):
        problem = "is no vision transformer whose blocks share a class token"
        raise ValueError(f"attention: {_name(transformer)} {problem}; leave it out")
    if getattr(transformer, "global_pool", "token") != "token":
        raise ValueError(
            f"attention: the output of {_name(transformer)} is not read from its class token; leave it out"
        )
    return len(transformer.blocks), getattr(transformer, "num_prefix_tokens", 1)


def _name(network: nn.Module) -> str:
    return (getattr(network, "default_cfg", None) or {}).get("architecture") or type(network).__name__


class _Listening(TorchFunctionMode):
    """Collects the attention weights of the forward passes within."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Tensor] = []

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if function is F.scaled_dot_product_attention:
            self.found.append(_of_identity(*args, **kwargs))
        elif function is F.multi_head_attention_forward:
            found: Any = function(*args, **{**kwargs, "need_weights": True, "average_attn_weights": False})
            self.found.append(found[1])
            return found
        return function(*args, **kwargs)


def _of_identity(query: Tensor, key: Tensor, value: Tensor, *rest: Any, **options: Any) -> Tensor:
    """The weights of PyTorch's attention: what it gives where the values are the rows of the identity matrix."""
    identity = torch.eye(key.shape[-2], dtype=value.dtype, device=value.device)
    return F.scaled_dot_product_attention(query, key, identity.expand(*key.shape[:-1], -1), *rest, **options)
