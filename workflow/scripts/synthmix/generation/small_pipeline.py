"""A small Stable Diffusion pipeline that works on pixels: tokenizer, text encoder, U-Net, and nothing pretrained."""

from collections.abc import Iterable
from typing import Any

import torch
from diffusers import DDPMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from tokenizers.pre_tokenizers import ByteLevel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from synthmix.generation import pixel_vae

LENGTH = 16  # tokens that the text encoder sees
_START, _END = "<|startoftext|>", "<|endoftext|>"


def tokenizer(texts: Iterable[str]) -> CLIPTokenizer:
    """CLIP's tokenizer with a vocabulary of the words in `texts`, and of letters for all others."""
    letters = sorted(ByteLevel.alphabet())
    vocabulary = dict.fromkeys([*letters, *(f"{letter}</w>" for letter in letters)])
    merges: dict[tuple[str, str], None] = {}
    for word in sorted({word for text in texts for word in text.lower().split()}):
        parts = [*word[:-1], f"{word[-1]}</w>"]
        if not set(word) <= set(letters):
            continue  # written in letters of several bytes: it stays in pieces
        while len(parts) > 1:
            merges[parts[0], parts[1]] = None
            parts[:2] = ["".join(parts[:2])]
            vocabulary[parts[0]] = None
    names = [*vocabulary, _START, _END]
    return CLIPTokenizer(
        vocab={name: number for number, name in enumerate(names)},
        merges=list(merges),
        model_max_length=LENGTH,
        bos_token=_START,
        eos_token=_END,
        unk_token=_END,
        pad_token=_END,
    )


class Network(nn.Module):
    """What is trained: a text encoder and a U-Net that attends to its tokens.

    Takes noisy images (N, C, H, W), times (N,) and token numbers (N, LENGTH); returns what the noise schedule predicts.
    """

    def __init__(self, recipe: dict[str, Any], words: CLIPTokenizer, channels: int, size: int) -> None:
        super().__init__()
        width, levels = recipe["text_width"], recipe["channels"]
        configuration = CLIPTextConfig(
            vocab_size=len(words),
            hidden_size=width,
            intermediate_size=4 * width,
            projection_dim=width,
            num_hidden_layers=recipe["text_layers"],
            num_attention_heads=width // 8,
            max_position_embeddings=LENGTH,
            bos_token_id=words.bos_token_id,
            eos_token_id=words.eos_token_id,
            pad_token_id=words.pad_token_id,
        )
        self.text_encoder = CLIPTextModel(configuration)
        self.unet = UNet2DConditionModel(
            sample_size=size,
            in_channels=channels,
            out_channels=channels,
            block_out_channels=levels,
            layers_per_block=recipe["layers_per_block"],
            down_block_types=["CrossAttnDownBlock2D"] * len(levels),
            up_block_types=["CrossAttnUpBlock2D"] * len(levels),
            norm_num_groups=8,
            attention_head_dim=8,  # diffusers takes this for the number of heads
            cross_attention_dim=width,
        )

    def forward(self, noisy: torch.Tensor, times: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        hidden = self.text_encoder(tokens).last_hidden_state
        predicted: torch.Tensor = self.unet(noisy, times, encoder_hidden_states=hidden).sample
        return predicted


def noise_schedule(recipe: dict[str, Any]) -> DDPMScheduler:
    """The noise schedule of the training, whose samplers start at pure noise (Lin et al. 2024, arXiv:2305.08891)."""
    return DDPMScheduler(
        num_train_timesteps=recipe["train_timesteps"],
        beta_schedule=recipe["noise_schedule"],
        prediction_type=recipe["prediction"],
        timestep_spacing="trailing",
        clip_sample=False,
        steps_offset=1,
    )


def assemble(network: Network, words: CLIPTokenizer, recipe: dict[str, Any]) -> StableDiffusionPipeline:
    """The pipeline of a trained network."""
    return StableDiffusionPipeline(
        vae=pixel_vae.build(network.unet.config.in_channels, network.unet.config.sample_size),
        text_encoder=network.text_encoder,
        tokenizer=words,
        unet=network.unet,
        scheduler=noise_schedule(recipe),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
