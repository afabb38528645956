"""Folders of images, one subfolder per class (the ImageFolder layout)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torchvision.datasets import ImageFolder
from torchvision.datasets.folder import IMG_EXTENSIONS

from synthmix.data import SPLITS, Source
from synthmix.images.classes import DatasetError, Rows, nearest


class _Images:
    def __init__(self, paths: list[str]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, position: int) -> Image.Image:
        return Image.open(self.paths[position])


def load(dataset: Mapping[str, Any], folder: Path, offline: bool) -> Source:
    """Read the folders `train` and perhaps `val`, `test` (relative ones start at `root`; no `train`: `root` itself).

    A `val` or `test` that is a number is not a folder but the share to cut from train. Every file in a class folder
    must be an image; only files and folders whose names begin with a dot are left out.
    """
    paths = {split: dataset[split] for split in SPLITS if isinstance(dataset.get(split), str)}
    if "train" not in paths:
        if not dataset.get("root"):
            raise DatasetError("source folder needs `train`, a folder with one subfolder per class")
        paths = {"train": ".", **paths}
    splits: dict[str, Rows] = {}
    classes: list[str] = []
    for split, path in paths.items():
        images = _read(Path(dataset.get("root") or "", path), split)
        classes = classes or images.classes
        for name in images.classes:
            if name not in classes:
                raise DatasetError(f"`{split}`: {path}/{name} is not a class of train{nearest(name, classes)}")
        lookup = np.array([classes.index(name) for name in images.classes], dtype=np.int64)
        files = [file for file, _ in images.samples]
        splits[split] = Rows(_Images(files), lookup[np.array(images.targets, dtype=np.int64)], split, files)
    return Source(splits, classes, {"source": "folder", "name": dataset.get("name"), "files": paths})


class _Folder(ImageFolder):
    """An ImageFolder without the folders that programs leave beside those of classes, such as .ipynb_checkpoints."""

    def find_classes(self, directory: str | Path) -> tuple[list[str], dict[str, int]]:
        """The names of the classes, and the place of each. Raises FileNotFoundError where there is none."""
        names = [name for name in super().find_classes(directory)[0] if not name.startswith(".")]
        if not names:
            raise FileNotFoundError(directory)
        return names, {name: place for place, name in enumerate(names)}


def _read(path: Path, split: str) -> ImageFolder:
    others = sorted(
        str(file)
        for file in path.glob("*/**/*")
        if file.is_file() and not _hidden(file, path) and file.suffix.lower() not in IMG_EXTENSIONS
    )
    if others:
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        raise DatasetError(f"`{split}`: not images: {', '.join(others[:3])}{more}: remove them")
    try:
        found = _Folder(str(path), is_valid_file=lambda file: not _hidden(Path(file), path), allow_empty=True)
    except FileNotFoundError as error:
        raise DatasetError(f"`{split}`: {path} has no folders of classes: give a folder per class") from error
    for name, count in zip(found.classes, np.bincount(found.targets, minlength=len(found.classes)), strict=True):
        if not count:
            raise DatasetError(f"`{split}`: {path / name} has no images: add some, or delete the folder")
    return found


def _hidden(file: Path, root: Path) -> bool:
    """Whether the file's name, or that of a folder on its way from the root, begins with a dot."""
    return any(part.startswith(".") for part in file.relative_to(root).parts)
