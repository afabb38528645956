"""Filter kind `diversity`: images that are far from each other, so that few of them cover their class.

Farthest-point traversal (Gonzalez 1985, doi:10.1016/0304-3975(85)90224-5), which as a choice of training images is
k-center greedy (Sener and Savarese 2018, arXiv:1708.00489).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from synthmix.filtering import View
from synthmix.images.pools import Pool


def scores(selection: Mapping[str, Any], images: Pool, prompts: Sequence[str | None], view: View) -> np.ndarray:
    """The Euclidean distance of each image to those of its class that were chosen before it, float64 (N,).

    The order of these scores is the order of choice, since the distances never grow. Infinite for a class's first.
    """
    features = view.features(images)
    result = np.empty(len(features))
    for label in np.unique(features.labels):
        members = np.flatnonzero(features.labels == label)
        members = members[np.argsort(images.index[members], kind="stable")]
        result[members] = insertion_distances(features.values[members].astype(np.float64))
    return result


def insertion_distances(points: np.ndarray) -> np.ndarray:
    """For each of the points (N, D): its distance to those chosen before it, float64 (N,).

    The first is the one nearest to the mean; each next is the farthest from all chosen ones, of equals the one that
    stands first.
    """
    left = np.ones(len(points), dtype=bool)
    nearest = np.full(len(points), np.inf)
    result = np.full(len(points), np.inf)
    chosen = int(np.linalg.norm(points - points.mean(axis=0), axis=1).argmin())
    for _ in range(len(points) - 1):
        left[chosen] = False
        nearest = np.minimum(nearest, np.linalg.norm(points - points[chosen], axis=1))
        chosen = int(np.where(left, nearest, -1.0).argmax())
        result[chosen] = nearest[chosen]
    return result
