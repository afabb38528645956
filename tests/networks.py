"""Small networks in the layout of published ones, with random weights."""

from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, DiTPipeline, DiTTransformer2DModel, StableDiffusionPipeline
from diffusers.pipelines.stable_diffusion import StableDiffusionSafetyChecker
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPVisionConfig, CLIPVisionModelWithProjection

from synthmix.generation import small_pipeline

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


WORDS = ("a", "photo", "of", "cat", "dog", "red", "blue", "blurred")


def save_stable_diffusion(folder: Path, size: int = 8, checker: bool = True) -> None:
    """Write a Stable Diffusion pipeline, tiny, that draws colour images of 2 `size` pixels, with a safety checker."""
    torch.manual_seed(0)
    recipe = {"channels": [16, 16], "layers_per_block": 1, "text_width": 16, "text_layers": 1}
    recipe |= {"train_timesteps": 100, "noise_schedule": "squaredcos_cap_v2", "prediction": "epsilon"}
    words = small_pipeline.tokenizer([" ".join(WORDS)])
    network = small_pipeline.Network(recipe, words, 4, size).eval()
    vae = AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * 2,
        up_block_types=["UpDecoderBlock2D"] * 2,
        block_out_channels=[8, 8],
        norm_num_groups=4,
        sample_size=2 * size,
    )
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision |= {"image_size": 16, "patch_size": 8}
    configuration = CLIPConfig(vision_config=vision, text_config={"hidden_size": 16, "num_hidden_layers": 1})
    StableDiffusionPipeline(
        vae=vae.eval(),
        text_encoder=network.text_encoder,
        tokenizer=words,
        unet=network.unet,
        scheduler=small_pipeline.noise_schedule(recipe),
        safety_checker=StableDiffusionSafetyChecker(configuration).eval() if checker else None,
        feature_extractor=CLIPImageProcessor(size=16, crop_size=16) if checker else None,
        requires_safety_checker=checker,
    ).save_pretrained(folder)


def save_dit(folder: Path) -> None:
    """Write a DiT pipeline, tiny, of colour images of 16 pixels, with the 1,000 classes that DiTPipeline expects."""
    torch.manual_seed(0)
    transformer = DiTTransformer2DModel(
        num_attention_heads=2,
        attention_head_dim=8,
        out_channels=8,
        num_layers=1,
        sample_size=8,
        num_embeds_ada_norm=1000,
        norm_num_groups=4,
    )
    vae = AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * 2,
        up_block_types=["UpDecoderBlock2D"] * 2,
        block_out_channels=[8, 8],
        norm_num_groups=4,
    )
    DiTPipeline(transformer.eval(), vae.eval(), DDIMScheduler()).save_pretrained(folder)
