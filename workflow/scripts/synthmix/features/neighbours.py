"""Exact nearest neighbours among many images, in blocks that fit into memory."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

QUERIES, REFERENCES = 1024, 8192  # rows of a block of distances: 32 MiB
CANDIDATES = 4  # the float32 search keeps that many, since rounding may swap neighbours that are equally near


@dataclass(frozen=True)
class Neighbours:
    """The nearest reference row of each query: index int64 (N,), distance float64 (N,), mirrored bool (N,).

    mirrored: the neighbour was found by the query's mirror image, which is strictly nearer than the query itself.
    """

    index: np.ndarray
    distance: np.ndarray
    mirrored: np.ndarray


def nearest(queries: np.ndarray, mirrored: np.ndarray, reference: np.ndarray, device: str = "cpu") -> Neighbours:
    """The nearest reference row of each query or of its mirror image, by root mean squared difference over D values.

    Candidates come from float32 products of blocks on the device, |x|^2 - 2 x.y + |y|^2 about the reference's mean;
    their distances are then taken again, in float64, so that an exact copy is at distance 0.

    Args:
        queries: float32 (N, D).
        mirrored: the same for the queries' mirror images, (N, D).
        reference: (M, D), M at least 1.
        device: "cpu" or "cuda".
    """
    if len(reference) == 0 or queries.shape != mirrored.shape or queries.shape[1] != reference.shape[1]:
        raise ValueError(f"shapes {queries.shape}, {mirrored.shape} and {reference.shape} cannot be searched")
    mean = torch.from_numpy(reference.mean(0, dtype=np.float64).astype(np.float32)).to(device)
    searched = [_nearest(side, reference, mean, device) for side in (queries, mirrored)]
    (index, distance), (other_index, other) = searched
    turned = other < distance
    return Neighbours(np.where(turned, other_index, index), np.where(turned, other, distance), turned)


def _nearest(queries: np.ndarray, reference: np.ndarray, mean: Tensor, device: str) -> tuple[np.ndarray, np.ndarray]:
    """Index and distance of the nearest reference row of each query."""
    count = min(CANDIDATES, len(reference))
    best = torch.full((len(queries), count), torch.inf)
    found = torch.zeros((len(queries), count), dtype=torch.int64)
    for start in range(0, len(reference), REFERENCES):
        part = _block(reference[start : start + REFERENCES], mean, device)
        lengths = part.square().sum(1)
        for first in range(0, len(queries), QUERIES):
            rows = slice(first, first + QUERIES)
            # |x|^2 is the same for all candidates of a query, and left out
            values = torch.addmm(lengths, _block(queries[rows], mean, device), part.T, alpha=-2)
            near, where = values.topk(min(count, len(part)), dim=1, largest=False)
            values = torch.cat([best[rows], near.cpu()], 1)
            indices = torch.cat([found[rows], where.cpu() + start], 1)
            best[rows], kept = values.topk(count, dim=1, largest=False)
            found[rows] = indices.gather(1, kept)
    candidates = found.sort(1).values.numpy()  # of equally near ones the first counts
    distances = np.stack([_distance(queries, reference, column) for column in candidates.T], 1)
    chosen = distances.argmin(1)[:, None]
    return np.take_along_axis(candidates, chosen, 1)[:, 0], np.take_along_axis(distances, chosen, 1)[:, 0]


def _block(rows: np.ndarray, mean: Tensor, device: str) -> Tensor:
    return torch.from_numpy(rows).to(device).float() - mean


def _distance(queries: np.ndarray, reference: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Root mean squared difference of each query from its own reference row, float64 (N,)."""
    distance = np.empty(len(queries))
    for first in range(0, len(queries), QUERIES):
        rows = slice(first, first + QUERIES)
        difference = queries[rows].astype(np.float64) - reference[index[rows]]
        distance[rows] = np.sqrt(np.square(difference).mean(1))
    return distance
