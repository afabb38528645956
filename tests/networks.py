"""Small networks in the layout of published ones, with random weights."""

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import CLIPConfig, CLIPModel, CLIPVisionConfig, CLIPVisionModelWithProjection

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


def save_clip_with_text(folder: Path, words: Sequence[str]) -> CLIPModel:
    """Write both encoders of CLIP, tiny, and a tokenizer that knows some words, as the hub has them."""
    torch.manual_seed(0)
    vocabulary = {word: number for number, word in enumerate(["<|startoftext|>", "<|endoftext|>", "<unk>", *words])}
    layers = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    layers["projection_dim"] = 12
    ends = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
    text = {**layers, **ends, "vocab_size": len(vocabulary), "max_position_embeddings": 8}
    vision = {**layers, "image_size": 32, "patch_size": 8}
    network = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=12)).eval()
    network.save_pretrained(folder)
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single="<|startoftext|> $A <|endoftext|>", special_tokens=[("<|startoftext|>", 0), ("<|endoftext|>", 1)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    return network
