"""Corrupted images: one file of `corruptions` for each kind, chosen by name.

A kind has `SEVERITIES`, the parameter of the severities 1 to 5 by the side of the images in pixels; `LABEL`, a format
for that parameter; and `corrupt(images, parameter, draws)` for images (N, C, H, W), float32 in [0, 1], on the CPU.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from synthmix.streams import stream

Draws = Iterator[np.random.Generator]  # the random stream of each image, made when it is asked for
BATCH = 256  # images that are corrupted at a time; no result depends on it


def parameter(kind: Any, severity: int, side: int) -> float:
    """The parameter of a kind at a severity, linear in the images' shorter side between the sides that it knows."""
    known = sorted(kind.SEVERITIES)
    return float(np.interp(side, known, [kind.SEVERITIES[each][severity - 1] for each in known]))


def rounded(images: Tensor) -> Tensor:
    """Images with values in [0, 1], or a little outside, as uint8."""
    return (images * 255).round().clamp(0, 255).to(torch.uint8)


def corrupted(
    kinds: Mapping[str, Any], kind: str, severity: int, images: np.ndarray, index: np.ndarray, seed: int
) -> np.ndarray:
    """Images at a severity of a kind; what is random in an image depends on kind, image and seed alone.

    Args:
        kinds: modules of `corruptions` by name.
        kind: one of them; any name at severity 0.
        severity: 1 to 5; 0 for images as they are. One draw serves all severities of a kind.
        images: uint8 (N, H, W, C).
        index: int64 (N,), which image of the source it is.
        seed: of the corruption.

    Returns:
        uint8 (N, H, W, C).
    """
    if severity == 0:
        return images
    own, parts = parameter(kinds[kind], severity, min(images.shape[1:3])), []
    for start in range(0, len(images), BATCH):
        pixels = torch.tensor(images[start : start + BATCH]).permute(0, 3, 1, 2).float() / 255
        draws = (stream(f"corrupt/{kind}", seed, each) for each in index[start : start + BATCH])
        parts.append(rounded(kinds[kind].corrupt(pixels, own, draws)).permute(0, 2, 3, 1).numpy())
    return np.concatenate(parts)
