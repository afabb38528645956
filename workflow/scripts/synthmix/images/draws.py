"""Which images a run trains on: nested draws of real images, draws from a pool, label noise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthmix.data import Split
from synthmix.images import mapped
from synthmix.images.corrupted import corrupted
from synthmix.images.kept import Kept
from synthmix.images.mapped import Images
from synthmix.images.pools import Pool, positions
from synthmix.streams import stream


@dataclass
class TrainingSet:
    """The images of one run, in a fixed order: real ones, repetitions of them, generated ones."""

    images: Images  # uint8 (N, H, W, C)
    labels: np.ndarray  # int64 (N,)
    real: int  # how many are real images, held-back ones included
    monitor: tuple[Images, np.ndarray] | None  # generated images and labels that are watched, not trained on
    repeated: int = 0  # how many are real images once more (`rebalance`)


def class_ranks(labels: np.ndarray, seed: int) -> np.ndarray:
    """The rank of every image in its class's random order for a seed, int64 (N,).

    The first k of each class are the k-shot draw, so the draws of one seed are nested.
    """
    ranks = np.empty(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        ranks[stream("draw", seed, label).permutation(members)] = np.arange(len(members))
    return ranks


def draw_real(labels: np.ndarray, real: Any, seed: int, source: str = "train", names: Sequence[str] = ()) -> np.ndarray:
    """Indices of the real images that a run sees, ascending, int64.

    Args:
        labels: int64 (N,), of the train split.
        real: "all", k per class, {"total": N} (in proportion to the classes), or None for no real images.
        seed: the run's seed; draws of one seed are nested in k and in N.
        source: what to name in an error.
        names: those of the classes, for an error.

    Raises:
        ValueError: a class has fewer images than asked for.
    """
    if real is None:
        return np.empty(0, dtype=np.int64)
    if real == "all":
        return np.arange(len(labels))
    counts = np.bincount(labels)
    ranks = class_ranks(labels, seed)
    if isinstance(real, dict):
        total = real["total"]
        if total > len(labels):
            raise ValueError(f"{source}: real: total: {total}, but it has {len(labels)} images: lower total")
        order = np.lexsort((labels, (ranks + 0.5) / counts[labels]))
        return np.sort(order[:total])
    _check_enough(counts, int(real), source, names)
    return np.flatnonzero(ranks < int(real))


def _check_enough(counts: np.ndarray, wanted: int, source: str, names: Sequence[str]) -> None:
    if counts.min() < wanted:
        raise ValueError(
            f"{source}: {wanted} real images per class were asked for, but class "
            f"{_called(int(counts.argmin()), names)} has {int(counts.min())}: lower `real` or `held_back`"
        )


def _called(label: int, names: Sequence[str]) -> str:
    """The name of a class, or its number where names are not given."""
    return names[label] if names else str(label)


def draw_held_back(
    labels: np.ndarray, real: int, held_back: int, seed: int, source: str = "train", names: Sequence[str] = ()
) -> np.ndarray:
    """Indices of the `held_back` real images per class that follow the `real` first ones in a seed's draw, int64."""
    _check_enough(np.bincount(labels), real + held_back, source, names)
    ranks = class_ranks(labels, seed)
    return np.flatnonzero((ranks >= real) & (ranks < real + held_back))


def shares(counts: np.ndarray, total: int) -> np.ndarray:
    """A total divided in proportion to `counts`, int64 (K,), by largest remainders; of equal ones the first.

    Returns int64 (K,), which sums to `total`; each differs from its exact share by less than one. With three classes or
    more a larger total can give a class one image less (the Alabama paradox).
    """
    quotas = total * counts  # in units of 1 / counts.sum(), so that remainders are exact
    whole, remainders = np.divmod(quotas, counts.sum())
    whole[np.argsort(-remainders, kind="stable")[: total - whole.sum()]] += 1
    return whole


def draw_synthetic(
    pool: Pool,
    synthetic: int | np.ndarray,
    draw_from: int,
    classes: int,
    seed: int,
    source: str,
    names: Sequence[str] = (),
) -> np.ndarray:
    """Rows of a pool that a run trains on, int64: `synthetic` per class of the first `draw_from`, nested per seed.

    Images that are left out for their flags make room for others of the first `draw_from`.

    Args:
        pool: the images, of one generator.
        synthetic: images of every class, or int64 (classes,), those of each class.
        draw_from: how many images of a class, from the pool's start, may be drawn.
        classes: number of classes.
        seed: the run's seed.
        source: what to name in an error.
        names: those of the classes, for an error.

    Raises:
        ValueError: the pool lacks images of a class (a truncated or foreign pool), a class needs more than
            `draw_from`, or too many of it are flagged.
    """
    rows = []
    for label, wanted in enumerate(np.broadcast_to(synthetic, classes)):
        called = f"class {_called(label, names)}"
        if wanted > draw_from:
            raise ValueError(
                f"{source}: the share of {called} is {wanted} generated images, and draw_from is {draw_from}: "
                "raise draw_from, or lower synthetic.total"
            )
        order = stream("synthetic", seed, label).permutation(draw_from)
        members = np.flatnonzero((pool.labels == label) & (pool.index < draw_from))
        found = np.isin(order[:wanted], pool.index[members]).sum()
        if found != wanted:
            raise ValueError(
                f"{source}: {found} of {wanted} generated images of {called} were found: "
                "delete the pool's shards and run snakemake again"
            )
        usable = pool.index[members[~pool.left_out[members]]]
        chosen = order[np.isin(order, usable)][:wanted]
        if len(chosen) != wanted:
            raise ValueError(
                f"{source}: of the first {draw_from} generated images of {called}, {len(usable)} are not flagged, "
                f"fewer than {wanted}: raise draw_from, lower synthetic, or draw with safety: replace"
            )
        rows.append(members[np.isin(pool.index[members], chosen)])
    return np.concatenate(rows)


def draw_repetitions(labels: np.ndarray, seed: int) -> np.ndarray:
    """Indices of the images that are shown once more so that all classes are as large as the largest, int64.

    Every image of a class is repeated as often as every other one, or once more; a seed's draw decides which.

    Args:
        labels: int64 (N,), of the real images of a run; a class without any stays empty.
        seed: the run's seed.
    """
    largest = np.bincount(labels).max()
    rows = []
    for label in np.unique(labels):
        members = stream("rebalance", seed, label).permutation(np.flatnonzero(labels == label))
        rows.append(np.resize(members, largest)[len(members) :])
    return np.concatenate(rows)


def noisy_labels(labels: np.ndarray, probability: float, classes: int, seed: int) -> np.ndarray:
    """Labels (N,) of which each is replaced, with a probability, by a uniformly random incorrect one.

    The draw is nested: an image whose label is wrong at p is wrong, in the same way, at every larger p.
    """
    random = stream("label-noise", seed)
    wrong = random.random(len(labels)) < probability
    offsets = random.integers(1, classes, len(labels))
    return np.where(wrong, (labels + offsets) % classes, labels)


def assemble(
    spec: dict[str, Any],
    seed: int,
    train: Split,
    pools: dict[str, Pool],
    classes: int,
    source: str,
    kept: Mapping[tuple[str, str], Kept] | None = None,
    kinds: Mapping[str, Any] | None = None,
    names: Sequence[str] = (),
) -> TrainingSet:
    """The training set of one run.

    Args:
        spec: the definition of the training set, defaults resolved.
        seed: the run's seed.
        train: the train split. Where its images, or those of a pool, are on the disk, those of the set stay there.
        pools: the pools that the definition names, by name.
        classes: number of classes.
        source: what to name in an error.
        kept: what filters keep, by names of pool and filter. With a filter, generated images are drawn by their ranks
            among the kept ones as they are otherwise drawn by their index in the pool.
        kinds: modules of `corruptions` by name, of those that the definition names.
        names: those of the classes, for an error.
    """
    labels = train.labels
    if spec.get("label_noise"):
        labels = noisy_labels(labels, spec["label_noise"], classes, seed)
    chosen = draw_real(train.labels, spec.get("real"), seed, source, names)
    images, targets = [(train.images, chosen)], [labels[chosen]]
    if spec.get("held_back"):
        more = draw_held_back(train.labels, int(spec.get("real") or 0), spec["held_back"], seed, source, names)
        chosen = np.concatenate([chosen, more])
        images.append(_further(train, more, spec.get("corrupt"), kinds or {}))
        targets.append(labels[more])
    repeated = np.empty(0, dtype=np.int64)
    if spec.get("rebalance"):
        repeated = draw_repetitions(labels[chosen], seed)
        images.append((train.images, chosen[repeated]))
        targets.append(targets[0][repeated])
    if synthetic := spec.get("synthetic"):
        pool = of_seed(positions(pools[spec["pool"]]), seed)
        if spec.get("filter"):
            pool = (kept or {})[spec["pool"], spec["filter"]].of(pool)
        draw_from = spec.get("draw_from") or synthetic
        if isinstance(synthetic, dict):
            synthetic = shares(np.bincount(train.labels, minlength=classes), synthetic["total"])
        rows = draw_synthetic(pool, synthetic, draw_from, classes, seed, f"{source}: pool {spec['pool']}", names)
        drawn = pool.labels[rows]
        if spec.get("shuffle_synthetic_labels"):
            drawn = stream("shuffle", seed).permutation(drawn)
        images.append((pools[spec["pool"]].images, pool.images[rows]))
        targets.append(drawn)
    monitor = None
    if watched := spec.get("monitor"):
        pool = of_seed(positions(pools[watched["pool"]]), seed)
        rows = (pool.index >= watched["first"]) & (pool.index < watched["first"] + watched["per_class"])
        rows &= ~pool.left_out
        monitor = (mapped.chosen(pools[watched["pool"]].images, pool.images[rows]), pool.labels[rows])
    return TrainingSet(mapped.joined(images), np.concatenate(targets), len(chosen), monitor, len(repeated))


def _further(
    train: Split, rows: np.ndarray, worse: Mapping[str, Any] | None, kinds: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Held-back images, in the form of `mapped.joined`: as they are, or corrupted and then in memory."""
    if not worse:
        return train.images, rows
    how = worse["kind"], worse["severity"], train.images[rows], train.index[rows], worse["seed"]
    return corrupted(kinds, *how), np.arange(len(rows))


def of_seed(pool: Pool, seed: int) -> Pool:
    """The images of a pool that belong to a seed: all of an ordinary pool, those of its own generator otherwise."""
    return pool if (pool.seed < 0).all() else pool.select(pool.seed == seed)
