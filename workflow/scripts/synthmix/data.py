"""A dataset's way in: source images, one resize and encoding chain, stratified splits, checksummed files."""

import hashlib
import importlib
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from synthmix import files
from synthmix.images import mapped
from synthmix.images.classes import DatasetError, Rows, choose
from synthmix.streams import stream

SPLITS = ("train", "val", "test")
_GREY = ("L", "1", "LA")
_COLOUR = ("RGB", "RGBA", "RGBX", "P", "PA", "CMYK", "YCbCr", "HSV", "LAB")


@dataclass(frozen=True)
class Source:
    """What a source's `load` returns. splits: train and perhaps val, test. provenance: source, name, version."""

    splits: dict[str, Rows]
    classes: list[str]
    provenance: dict[str, Any]


@dataclass(frozen=True)
class Split:
    """images uint8 (N, H, W, C), labels int64 (N,), index int64 (N,): the row in the source split it came from."""

    images: np.ndarray
    labels: np.ndarray
    index: np.ndarray


@dataclass(frozen=True)
class Prepared:
    """The three splits of a dataset, and what `meta.json` says of them."""

    splits: dict[str, Split]
    meta: dict[str, Any]


def prepare(name: str, dataset: Mapping[str, Any], folder: Path, offline: bool) -> Prepared:
    """Load a dataset from its source, cut its splits and bring all images to one size and number of channels.

    A test split is cut from train where the source has none, then val likewise; both are stratified, and their
    fractions are of the source's train images before any cut. `limit` then keeps a stratified subset of a
    split, or at most so many train images of each class.
    `source.sha256` in the meta data is over mode, size, pixels (before conversion) and label of every image used.

    Args:
        name: the dataset's name in the study.
        dataset: its entry, defaults resolved.
        folder: where downloads and caches of the source go.
        offline: use only what is in `folder` (or in `root`) already.

    Raises:
        DatasetError: one line that names the dataset, what is wrong and the remedy.
    """
    try:
        source = importlib.import_module(f"synthmix.sources.{dataset['source']}").load(dataset, Path(folder), offline)
        return _prepare(name, dataset, source)
    except DatasetError as error:
        raise DatasetError(f"dataset {name}: {error}") from error


def _prepare(name: str, dataset: Mapping[str, Any], source: Source) -> Prepared:
    classes, labels = choose(source.classes, source.splits, dataset.get("merge"), dataset.get("classes"))
    rows = _cut(dataset, classes, labels)
    size, channels = _format(source.splits["train"], int(rows["train"][1][0]), dataset)
    digest = hashlib.sha256()
    splits, notes = {}, []
    for split in SPLITS:
        origin, index = rows[split]
        targets = labels[origin][index]
        images, converted = _convert(source.splits[origin], index, targets, size, channels, dataset, digest)
        splits[split] = Split(images, targets, index)
        mode = "L" if channels == 1 else "RGB"
        notes += [f"{split}: {n} of {len(index)} images converted from {m} to {mode}" for m, n in converted.items()]
    counts = {split: np.bincount(part.labels, minlength=len(classes)) for split, part in splits.items()}
    meta = {
        "name": name,
        "classes": classes,
        "channels": channels,
        "size": list(size),
        "counts": {split: dict(zip(classes, n.tolist(), strict=True)) for split, n in counts.items()},
        "source": {**source.provenance, "sha256": digest.hexdigest()},
        "splits": {s: {"n": len(splits[s].labels), "from": source.splits[rows[s][0]].origin} for s in SPLITS},
        "seed": dataset["seed"],
        "notes": notes,
    }
    return Prepared(splits, meta)


def _cut(
    dataset: Mapping[str, Any], classes: list[str], labels: dict[str, np.ndarray]
) -> dict[str, tuple[str, np.ndarray]]:
    """For each split: the source split it comes from and its rows there, ascending."""
    rows = {split: (split, np.flatnonzero(each >= 0)) for split, each in labels.items()}
    total = len(rows["train"][1])
    _require_classes("train", labels["train"][rows["train"][1]], classes)
    for split in ("test", "val"):
        if split not in rows:
            share = dataset.get(split)
            if not isinstance(share, (int, float)) or share <= 0:
                raise DatasetError(
                    f"the source has no {split} split: give `{split}`, a fraction below 1 or a number of images"
                )
            # rounded first: 0.1 * 30 is 3.0000000000000004
            n = math.ceil(round(share * total, 6)) if share < 1 else int(share)
            kept, taken = _stratified(rows["train"][1], labels["train"], n, dataset["seed"], f"`{split}`", classes)
            rows["train"], rows[split] = ("train", kept), ("train", taken)
    limit = dict(dataset.get("limit") or {})
    if each := limit.pop("train_per_class", None):
        origin, index = rows["train"]
        rows["train"] = (origin, _at_most(index, labels[origin], each, dataset["seed"]))
    for split, n in limit.items():
        origin, index = rows[split]
        if n is not None and n < len(index):
            taken = _stratified(index, labels[origin], n, dataset["seed"], f"`limit.{split}`", classes)[1]
            rows[split] = (origin, taken)
    for split, (origin, index) in rows.items():
        _require_classes(split, labels[origin][index], classes)
    return rows


def _at_most(rows: np.ndarray, labels: np.ndarray, n: int, seed: int) -> np.ndarray:
    """At most n rows of each class, ascending; those of a smaller n are among those of a larger one."""
    found = np.unique(labels[rows])
    kept = [stream("limit", seed, label).permutation(rows[labels[rows] == label])[:n] for label in found]
    return np.sort(np.concatenate(kept))


def _stratified(
    rows: np.ndarray, labels: np.ndarray, n: int, seed: int, key: str, classes: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Divide rows into (the rest, n rows), both ascending and with the class shares of all of them."""
    from sklearn.model_selection import train_test_split  # a second of import that readers of the files are spared

    if len(rows) - n < len(classes):
        raise DatasetError(f"{key} takes {n} of {len(rows)} images, too many to leave one for each class: lower it")
    if n < len(classes):
        raise DatasetError(f"{key} takes {n} images for {len(classes)} classes: raise it, or name fewer `classes`")
    counts = np.bincount(labels[rows], minlength=len(classes))
    if counts.min() < 2:
        name = classes[int(counts.argmin())]
        raise DatasetError(f"class {name!r} has too few images ({counts.min()}) for {key}: leave it out with `classes`")
    rest, taken = train_test_split(rows, test_size=n, random_state=seed, stratify=labels[rows])
    return np.sort(rest), np.sort(taken)


def _require_classes(split: str, labels: np.ndarray, classes: list[str]) -> None:
    missing = np.flatnonzero(np.bincount(labels, minlength=len(classes)) == 0)
    if len(missing):
        others = f" and {len(missing) - 1} others" if len(missing) > 1 else ""
        raise DatasetError(
            f"class {classes[missing[0]]!r}{others} has no images in {split}: give {split} more images, or leave the "
            "class out with `classes`"
        )


def open_image(rows: Rows, position: int) -> Image.Image:
    """The decoded source image, upright. Raises DatasetError, which names an image that cannot be decoded."""
    where = rows.names[position] if rows.names else f"image {position} of {rows.origin}"
    try:
        image = rows.images[position]
        if isinstance(image, np.ndarray):
            image = Image.fromarray(image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image)
        image.load()
    except UnidentifiedImageError as error:
        raise DatasetError(f"{where} is not an image that Pillow can read: replace or remove it") from error
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise DatasetError(f"{where} cannot be decoded ({error}): replace or remove it") from error
    if image.mode not in _GREY + _COLOUR:
        raise DatasetError(f"{where} has pixels of mode {image.mode}: convert it to 8 bits a channel")
    return ImageOps.exif_transpose(image)


def _format(rows: Rows, position: int, dataset: Mapping[str, Any]) -> tuple[tuple[int, int], int]:
    """(height, width), both equal, and channels of all images: as asked for, else those of the first train image."""
    first = open_image(rows, position)
    side = dataset.get("resolution")
    if not side and first.height != first.width:
        raise DatasetError(f"images are not square ({first.width}x{first.height}): give `resolution`")
    channels = dataset.get("channels") or (1 if first.mode in _GREY else 3)
    return (side, side) if side else (first.height, first.width), channels


def to_array(image: Image.Image, size: tuple[int, int], channels: int) -> np.ndarray:
    """The one chain that every image passes: to grey or RGB, shorter side resized (Lanczos), centre crop.

    Returns uint8 (H, W, C) for `size` (H, W). Alpha is dropped. Pillow's filters widen with the reduction, so that
    reduced images do not alias (Parmar et al., On Aliased Resizing and Surprising Subtleties in GAN Evaluation, 2022).
    """
    height, width = size
    image = image.convert("L" if channels == 1 else "RGB")
    if image.size != (width, height):
        image = ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS)
    return np.asarray(image).reshape(height, width, channels)


def resized(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Images, uint8 (N, H, W, C), in another size (H, W), by the chain of `to_array`."""
    if images.shape[1:3] == size:
        return images
    pictures = (Image.fromarray(image.squeeze(2) if image.shape[2] == 1 else image) for image in images)
    return np.stack([to_array(picture, size, images.shape[3]) for picture in pictures])


def _convert(
    rows: Rows,
    index: np.ndarray,
    labels: np.ndarray,
    size: tuple[int, int],
    channels: int,
    dataset: Mapping[str, Any],
    digest: Any,
) -> tuple[np.ndarray, Counter[str]]:
    """Images (N, H, W, C) of the given rows, and how many were converted from which mode; one is decoded at a time."""
    images = np.empty((len(index), *size, channels), dtype=np.uint8)
    converted: Counter[str] = Counter()
    for k, position in enumerate(index.tolist()):
        image = open_image(rows, position)
        if not dataset.get("resolution") and (image.height, image.width) != size:
            raise DatasetError(
                f"images differ in size ({size[1]}x{size[0]} and {image.width}x{image.height}): give `resolution`"
            )
        if not dataset.get("channels") and channels == 1 and image.mode not in _GREY:
            raise DatasetError(f"some images are grey, image {position} of {rows.origin} is not: give `channels`")
        digest.update(f"{image.mode} {image.size} {labels[k]}\n".encode())
        digest.update(image.tobytes())
        images[k] = to_array(image, size, channels)
        if image.mode != ("L" if channels == 1 else "RGB"):
            converted[image.mode] += 1
    return images, converted


def write(prepared: Prepared, train_path: str, val_path: str, test_path: str, meta_path: str) -> None:
    """Write the splits as safetensors (images, labels, index) and the meta data as JSON, each atomically."""
    for split, path in zip(SPLITS, (train_path, val_path, test_path), strict=True):
        files.write_arrays(path, vars(prepared.splits[split]))
    files.write_json(meta_path, prepared.meta)


def read(path: str | Path) -> Split:
    """Read one split; raises files.DamagedFileError where the file is truncated or altered."""
    arrays, _ = files.read_arrays(path)
    if set(arrays) != {"images", "labels", "index"}:
        raise files.DamagedFileError(path, f"it holds {sorted(arrays)}, not a split")
    return Split(**arrays)


def read_mapped(path: str | Path) -> Split:
    """As `read`, but the images stay on the disk (`mapped.Mapped`)."""
    sealed, places = files.read_metadata(path).get("sha256"), mapped.offsets(path)
    if set(places) != {"images", "labels", "index"}:
        raise files.DamagedFileError(path, f"it holds {sorted(places)}, not a split")
    images = mapped.Mapped.of(str(path), *places.pop("images"))
    arrays = {name: np.fromfile(path, np.int64, shape[0], offset=at) for name, (at, shape) in places.items()}
    arrays["images"] = images
    if sealed != files.checksum(arrays):
        raise files.DamagedFileError(path, "its checksum does not match")
    return Split(**arrays)
