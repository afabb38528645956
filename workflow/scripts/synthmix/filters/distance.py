"""Filter kind `distance`: how far an image is from the real train images of its class."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist

from synthmix.filtering import View
from synthmix.images.pools import Pool


def scores(selection: Mapping[str, Any], images: Pool, prompts: Sequence[str | None], view: View) -> np.ndarray:
    """The Euclidean distance to the nearest real train image of the same class, float64 (N,), in units of the features.

    Negative where `prefer` is `nearest`, so that the nearest comes first. Raises ValueError where train lacks a class.
    """
    generated, real = view.features(images), view.real
    distances = np.empty(len(generated))
    for label in np.unique(generated.labels):
        members = generated.labels == label
        reference = real.values[real.labels == label]
        if not len(reference):
            raise ValueError(f"train has no image of class {view.classes[label]} to compare generated ones with")
        distances[members] = cdist(generated.values[members], reference).min(axis=1)
    return distances if selection["prefer"] == "farthest" else -distances
