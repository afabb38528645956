"""Describing images, real and generated: what figures of a data set measure."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy import ndimage

from synthmix.analysis.artefacts import Artefacts
from synthmix.experiments import wanted
from synthmix.files import read_arrays
from synthmix.images import pools
from synthmix.streams import stream

LUMINANCE = (0.299, 0.587, 0.114)  # of red, green and blue: ITU-R BT.601, as OpenCV's conversion to grey
DERIVATIVE, SMOOTHING = (-1, -2, 0, 2, 1), (1, 4, 6, 4, 1)  # whose product is Sobel's kernel of 5 x 5
SLOPE = 128  # what that kernel makes of a slope of one grey level per pixel
BINS = 64  # of 4 grey levels each


class Source(NamedTuple):
    """Images of one origin: `train`, or the name of a pool; uint8 (N, H, W, C)."""

    name: str
    images: np.ndarray


def sources(spec: Mapping[str, Any], artefacts: Artefacts) -> list[Source]:
    """The train images of a data set, then those of each pool: `images` of each, or all where there are fewer.

    spec: {dataset, images, pool?}. The choice is random and the same every time; flagged images of a pool are left out.
    """
    dataset = spec["dataset"]
    found = [Source("train", _chosen(read_arrays(artefacts.data[dataset]["train"])[0]["images"], spec["images"]))]
    for name in wanted(spec, "pool") or []:
        pool = pools.read(artefacts.pools[dataset, name])
        found.append(Source(name, _chosen(pool.images[~pool.left_out], spec["images"])))
    return found


def _chosen(images: np.ndarray, n: int) -> np.ndarray:
    return images[np.sort(stream("explore").permutation(len(images))[:n])]


def channels(images: np.ndarray) -> list[str]:
    """What the channels of images (N, H, W, C) are called."""
    return ["Intensity"] if images.shape[3] == 1 else ["Red", "Green", "Blue"]


def density(values: np.ndarray) -> np.ndarray:
    """Float (BINS,): the share of uint8 values in each bin, per grey level, so that the sum over 256 levels is 1."""
    counts = np.bincount(values.ravel() // (256 // BINS), minlength=BINS)
    return counts / values.size / (256 // BINS)


def correlation(images: np.ndarray) -> np.ndarray:
    """Pearson's correlation (C, C) between the channels of images (N, H, W, C), over all their pixels.

    NaN for a channel that is constant.
    """
    pixels = images.reshape(-1, images.shape[3]).T
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.corrcoef(pixels)


def sharpness(images: np.ndarray) -> np.ndarray:
    """Mean magnitude of Sobel's gradient in each image, float (N,), of uint8 images (N, H, W, C).

    The gradient of the luminance in both directions by the kernel of 5 x 5, not normalised (a slope of one grey level
    per pixel gives 128), with the border mirrored without its edge: what `cv2.Sobel` computes with ksize 5, and its
    magnitude the root of the sum of squares.
    """
    return np.array([_gradient(image) for image in images])


def _gradient(image: np.ndarray) -> float:
    grey = image[..., 0].astype(float) if image.shape[2] == 1 else image @ np.array(LUMINANCE)
    slopes = []
    for axis in (0, 1):
        smooth = ndimage.correlate1d(grey, SMOOTHING, axis=1 - axis, mode="mirror")
        slopes.append(ndimage.correlate1d(smooth, DERIVATIVE, axis=axis, mode="mirror"))
    return float(np.hypot(*slopes).mean())
