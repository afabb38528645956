"""Copies of images as they get into data sets and pools, made on purpose to measure what an audit finds."""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance

from synthmix.data import to_array
from synthmix.streams import stream

CROP = 0.9  # side of the part that a cropped copy shows, as a share of the image's
JITTER = 0.1  # brightness and contrast change by up to this share
QUALITY = 50  # of re-encoded copies; images that are JPEGs of Pillow's default, 75, would hardly change at that

COPIES = {
    "exact": "unchanged",
    "flipped": "mirrored left to right",
    "cropped": f"{CROP:.0%} of the side at a random place, resized back (Lanczos)",
    "jittered": f"brightness and contrast changed by up to {JITTER:.0%}",
    "jpeg": f"re-encoded as JPEG of quality {QUALITY}",
}


def mirror(images: np.ndarray) -> np.ndarray:
    """The images (N, H, W, C) mirrored left to right."""
    return np.ascontiguousarray(images[:, :, ::-1])


def copies(images: np.ndarray, kind: str, seed: int) -> np.ndarray:
    """A copy of each image: uint8 (N, H, W, C) in and out, C 1 or 3; `kind` is a key of COPIES.

    Crops and jitters are drawn per seed.
    """
    if kind == "exact":
        return images.copy()
    if kind == "flipped":
        return mirror(images)
    random = stream(f"planted {kind}", seed)
    change: Callable[[Image.Image], Image.Image] = {
        "cropped": lambda image: _cropped(image, random),
        "jittered": lambda image: _jittered(image, random),
        "jpeg": _reencoded,
    }[kind]
    channels = images.shape[3]
    pictures = (Image.fromarray(image[..., 0] if channels == 1 else image) for image in images)
    return np.stack([to_array(change(each), images.shape[1:3], channels) for each in pictures])


def _cropped(image: Image.Image, random: np.random.Generator) -> Image.Image:
    sides = [round(CROP * side) for side in image.size]
    # at least one pixel less, so that the copy of a tiny image is cropped, too
    width, height = (min(each, side - 1) for each, side in zip(sides, image.size, strict=True))
    left, top = int(random.integers(image.width - width + 1)), int(random.integers(image.height - height + 1))
    part = image.crop((left, top, left + width, top + height))
    return part.resize(image.size, Image.Resampling.LANCZOS)


def _jittered(image: Image.Image, random: np.random.Generator) -> Image.Image:
    brightness, contrast = random.uniform(1 - JITTER, 1 + JITTER, 2)
    return ImageEnhance.Contrast(ImageEnhance.Brightness(image).enhance(brightness)).enhance(contrast)


def _reencoded(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    return Image.open(buffer)
