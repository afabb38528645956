"""Small networks in the layout of published ones, with random weights."""

from pathlib import Path

import torch
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

CLIP = {"kind": "clip", "variant": "someone/tiny-clip"}


def save_clip(folder: Path) -> CLIPVisionModelWithProjection:
    """Write CLIP's image encoder, tiny, as the hub has it."""
    torch.manual_seed(0)
    configuration = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=32,
        projection_dim=12,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
    )
    network = CLIPVisionModelWithProjection(configuration).eval()
    network.save_pretrained(folder)
    return network
