"""Orders and halves of a labelled set that keep its class proportions."""

import numpy as np

from synthmix.streams import stream


def stratified_order(labels: np.ndarray, seed: int) -> np.ndarray:
    """A seeded permutation, int64 (N,), each prefix and each run of which has nearly the whole's class proportions.

    Within a class the order is random; where classes are of equal size they take turns, each round in a random order.
    A function of `labels`, int64 (N,), and `seed` alone.
    """
    generator = stream("stratified order", seed)
    position = np.empty(len(labels))
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        position[members] = (np.arange(len(members)) + 0.5) / len(members)
    return np.lexsort((generator.random(len(labels)), position)).astype(np.int64)


def split_halves(labels: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two disjoint stratified halves (a, b) of a labelled set, as sorted index arrays, int64.

    Each class is halved at random; odd images go to a and b in turn, so the halves differ in size by one at most.
    """
    generator = stream("halves", seed)
    halves: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    odd = 0
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        for offset in (0, 1):
            halves[(odd + offset) % 2].append(members[offset::2])
        odd += len(members) % 2
    first, second = (np.sort(np.concatenate(half)).astype(np.int64) for half in halves)
    return first, second


def class_matched(labels: np.ndarray, like: np.ndarray, seed: int) -> np.ndarray:
    """The most images whose class shares are those of others to within an image, as sorted indices, int64.

    labels, like: int64 (N,) and (M,), the classes of both, M at least 1; classes that `like` lacks are left out. Of
    each class a random part is taken, a function of the arguments alone.
    """
    generator = stream("class matched", seed)
    classes, counts = np.unique(like, return_counts=True)
    members = [generator.permutation(np.flatnonzero(labels == label)) for label in classes]
    shares = counts / len(like)
    total = min((len(own) + 1) / share for own, share in zip(members, shares, strict=True))
    taken = [own[: int(np.ceil(total * share - 1e-9))] for own, share in zip(members, shares, strict=True)]
    return np.sort(np.concatenate(taken)).astype(np.int64)
