"""Images that somebody else generated: a folder with one subfolder per class, or Parquet files."""

import importlib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from synthmix.data import Rows, open_image, to_array
from synthmix.images.classes import DatasetError, nearest
from synthmix.images.shards import Drawn, Wanted
from synthmix.planning import listings

SHOWN = 5  # names listed in one message


class Source:
    """Images as they were found, in the order of their names or rows, through the data set's own chain of conversion.

    (See shards.Source.) Raises DatasetError where classes do not fit those of the data set, ValueError where the files
    are not the planned ones.
    """

    def __init__(
        self, spec: dict[str, Any], meta: dict[str, Any], inputs: Any, device: str, settings: dict[str, Any]
    ) -> None:
        definition = spec["drawing"]
        listings.require_planned(definition, definition["path"])
        self.where, self.classes = definition["path"], meta["classes"]
        self.size, self.channels = tuple(meta["size"]), meta["channels"]
        is_folder = definition["source"] == "folder"
        layout = {
            "root": self.where if is_folder else "",
            "train": "." if is_folder else self.where,
            "image_column": definition["image_column"],
            "label_column": definition["label_column"],
        }
        load = importlib.import_module(f"synthmix.sources.{definition['source']}").load
        try:
            found = load(layout, Path(settings["data"]), settings["offline"])
        except DatasetError as error:
            raise DatasetError(f"{self.where}: {error}") from error
        self.rows: Rows = found.splits["train"]
        places = _places(self.classes, found.classes, definition.get("class_names"), self.where)
        self.members = [np.flatnonzero(self.rows.labels == place) for place in places]

    def draw(self, wanted: Wanted, seed: int | None) -> Drawn:
        """The wanted images. Raises DatasetError: a class has too few, or images cannot be decoded."""
        self._require_enough(wanted)
        images, broken, modes = [], [], Counter[str]()
        for label, index in wanted:
            try:
                image = open_image(self.rows, int(self.members[label][index]))
            except DatasetError as error:
                broken.append(str(error))
                continue
            modes[image.mode] += 1
            images.append(to_array(image, self.size, self.channels))
        if broken:
            more = f" (and {len(broken) - SHOWN} more)" if len(broken) > SHOWN else ""
            raise DatasetError(
                f"{self.where}: {len(broken)} of {len(wanted)} images are unusable: {'; '.join(broken[:SHOWN])}{more}"
            )
        own = "L" if self.channels == 1 else "RGB"
        for mode, n in sorted(modes.items()):
            if mode != own:
                print(f"{n} of {len(wanted)} images converted from {mode} to {own}", flush=True)
        return Drawn(np.stack(images))

    def _require_enough(self, wanted: Wanted) -> None:
        needed = max(index for _, index in wanted) + 1
        short = [label for label in sorted({label for label, _ in wanted}) if len(self.members[label]) < needed]
        if short:
            listed = ", ".join(f"{self.classes[label]} ({len(self.members[label])})" for label in short[:SHOWN])
            raise DatasetError(
                f"{self.where}: {len(short)} classes have fewer than {needed} images: {listed}"
                f"{', ...' if len(short) > SHOWN else ''}: lower the pool's per_class, or add images"
            )


def _places(
    classes: Sequence[str], found: Sequence[str], names: Mapping[str, str] | None, where: str | os.PathLike
) -> list[int]:
    """For each class of the data set its position among the classes found there."""
    if names is not None:
        others = [name for name in names if name not in classes]
        if others:
            raise DatasetError(
                f"{where}: class_names: {others[0]!r} is not a class of the data set{nearest(others[0], classes)}"
            )
    called = {name: (names or {}).get(name, name) for name in classes}
    missing = [theirs for theirs in called.values() if theirs not in found]
    unknown = [name for name in found if name not in called.values()] if names is None else []
    if missing:
        raise _misfit(f"{where} has no images of", missing, found)
    if unknown:
        raise _misfit(f"{where} has what the data set has not,", unknown, classes)
    return [list(found).index(theirs) for theirs in called.values()]


def _misfit(problem: str, names: Sequence[str], others: Sequence[str]) -> DatasetError:
    more = ", ..." if len(names) > SHOWN else ""
    return DatasetError(
        f"{problem} {len(names)} classes: {', '.join(map(repr, names[:SHOWN]))}{more}{nearest(names[0], others)}: "
        "rename them, or say with class_names what the data set's classes are called there"
    )
