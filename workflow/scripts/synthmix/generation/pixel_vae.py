"""A variational autoencoder of diffusers that changes nothing: with it, a latent diffusion pipeline works on pixels."""

import torch
from diffusers import AutoencoderKL
from torch import nn

_BASE = 100.0  # of the constant channels, far above the pixels in [-1, 1]


def build(channels: int, size: int) -> AutoencoderKL:
    """An AutoencoderKL whose latents are its images, up to 1e-4 of their range [-1, 1].

    Its residual branches are zero. What is left of encoder and decoder is a convolution, a normalisation, SiLU and a
    convolution, undone thus: pixels are carried as x and -x, since silu(x) - silu(-x) = x, beside constants so large
    that the normalisation divides by them alone.
    """
    vae = AutoencoderKL(
        in_channels=channels,
        out_channels=channels,
        latent_channels=channels,
        block_out_channels=(2 * channels + 2,),
        norm_num_groups=1,
        sample_size=size,
        scaling_factor=1.0,
        use_quant_conv=False,
        use_post_quant_conv=False,
        mid_block_add_attention=False,
    )
    with torch.no_grad():
        for parameter in vae.parameters():
            parameter.zero_()
        for half in (vae.encoder, vae.decoder):
            _carry(half.conv_in, half.conv_norm_out, half.conv_out, channels)
        vae.encoder.conv_out.bias[channels:] = -30.0  # the logarithm of the latents' variance: none
    return vae.eval()


def _carry(first: nn.Conv2d, norm: nn.GroupNorm, last: nn.Conv2d, channels: int) -> None:
    """Set the convolutions and the normalisation between them so that together they are the identity."""
    assert first.bias is not None
    for k in range(channels):
        first.weight[k, k, 1, 1], first.weight[channels + k, k, 1, 1] = 1.0, -1.0
        last.weight[k, k, 1, 1], last.weight[k, channels + k, 1, 1] = 1.0, -1.0
    first.bias[2 * channels], first.bias[2 * channels + 1] = _BASE, -_BASE
    norm.weight[: 2 * channels] = _BASE / (channels + 1) ** 0.5  # the standard deviation over all channels
