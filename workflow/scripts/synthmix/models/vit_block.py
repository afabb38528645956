"""The minimal vision transformer of the `blocks` study.

Square patches, class token, learned positional encoding, pre-norm encoder blocks with an MLP of hidden width twice the
embedding and GELU, and a linear head after a layer norm on the class token. The sizes are `width` (embedding), `heads`,
`layers` and `patch` (pixels).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Attention(nn.Module):
    """Multi-head self-attention of tokens (N, T, width)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.projection = nn.Linear(width, width)

    def _split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        n, tokens, width = x.shape
        parts = self.qkv(x).view(n, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        return parts[0], parts[1], parts[2]

    def forward(self, x: Tensor) -> Tensor:
        mixed = F.scaled_dot_product_attention(*self._split(x))
        return self.projection(mixed.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Pre-norm encoder block: attention and MLP, each with a residual connection."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class ViTBlock(nn.Module):
    """The whole network; see the module's text."""

    def __init__(self, model: dict, channels: int, size: int, classes: int) -> None:
        super().__init__()
        width, patch = model["width"], model["patch"]
        self.embedding = nn.Conv2d(channels, width, patch, stride=patch)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.position = nn.Parameter(torch.randn(1, (size // patch) ** 2 + 1, width) * 0.02)
        self.blocks = nn.ModuleList(Block(width, model["heads"]) for _ in range(model["layers"]))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.embedding(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.class_token.expand(len(x), -1, -1), tokens], dim=1) + self.position
        for block in self.blocks:
            tokens = block(tokens)
        return self.head(self.norm(tokens[:, 0]))


def build(model: dict, channels: int, size: int, classes: int) -> nn.Module:
    """The network for images (N, channels, size, size), float, of about unit scale; it returns logits (N, classes).

    Raises:
        ValueError: the patch does not divide the image, or the heads do not divide the width.
    """
    if size % model["patch"]:
        raise ValueError(f"vit_block: patch {model['patch']} does not divide the image size {size}: choose a divisor")
    if model["width"] % model["heads"]:
        raise ValueError(f"vit_block: {model['heads']} heads do not divide width {model['width']}: choose a divisor")
    return ViTBlock(model, channels, size, classes)
