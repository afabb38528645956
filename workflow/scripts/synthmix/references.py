"""Features of a data set's real images under one extractor: what every score of that data set compares with."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthmix.data import Split
from synthmix.features.extraction import FeatureExtractor, Features, extract
from synthmix.files import DamagedFileError, read_arrays, write_arrays


@dataclass(frozen=True)
class Reference:
    """Features of the train and the val split, in the splits' order. extractor: what made them, see `describe`."""

    train: Features
    val: Features
    extractor: dict[str, Any]


def describe(extractor: FeatureExtractor, name: str, definition: Mapping[str, Any]) -> dict[str, Any]:
    """What a score says of its extractor: name, kind, dimension, checksum of the weights, settings, precision."""
    return {**extractor.describe(name), "precision": definition.get("precision") or "float32"}


def measure(
    train: Split, val: Split, extractor: FeatureExtractor, name: str, definition: Mapping[str, Any], device: str
) -> Reference:
    """Extract the features of both splits on "cpu" or "cuda".

    name, definition: of the extractor in the study.
    """
    described = describe(extractor, name, definition)
    first, second = (
        extract(each.images, each.labels, extractor, device, described["precision"]) for each in (train, val)
    )
    return Reference(first, second, described)


def write(path: str | Path, reference: Reference) -> None:
    """Write a reference as safetensors with a checksum, atomically: values, labels and, where there are any, logits."""
    parts = {"train": reference.train, "val": reference.val}
    arrays = {
        f"{split}.{key}": array
        for split, part in parts.items()
        for key, array in vars(part).items()
        if array is not None
    }
    write_arrays(path, arrays, {"extractor": json.dumps(reference.extractor, sort_keys=True)})


def read(path: str | Path, extractor: Mapping[str, Any]) -> Reference:
    """Read what `write` wrote.

    Raises:
        DamagedFileError: the file was truncated or altered, or is of another kind.
        ValueError: its features are not by `extractor`, a result of `describe`.
    """
    arrays, metadata = read_arrays(path)
    try:
        train, val = (
            Features(arrays[f"{split}.values"], arrays[f"{split}.labels"], arrays.get(f"{split}.logits"))
            for split in ("train", "val")
        )
        reference = Reference(train, val, json.loads(metadata["extractor"]))
    except KeyError as error:
        raise DamagedFileError(path, f"it lacks {error}") from error
    if reference.extractor != extractor:
        differing = [key for key, value in extractor.items() if reference.extractor.get(key) != value]
        raise ValueError(
            f"{path} holds features of another extractor (in {', '.join(differing)}), perhaps since its weights were "
            "exchanged: delete it and run snakemake again"
        )
    return reference
