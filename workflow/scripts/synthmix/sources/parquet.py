"""Parquet files in the Hugging Face image layout; the hub source shares their reading."""

import glob
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import datasets
import numpy as np
from PIL import Image

from synthmix.data import SPLITS, Source
from synthmix.images.classes import DatasetError, Rows, nearest


class _Images:
    """Encoded images of one column; Pillow decodes them when they are asked for."""

    def __init__(self, table: datasets.Dataset, column: str) -> None:
        self.table = table.select_columns([column]).cast_column(column, datasets.Image(decode=False))
        self.column = column

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, position: int) -> Image.Image:
        cell = self.table[position][self.column]
        if cell is None or (cell["bytes"] is None and cell["path"] is None):
            raise ValueError("the cell is empty")
        return Image.open(cell["path"] if cell["bytes"] is None else BytesIO(cell["bytes"]))


def load(dataset: Mapping[str, Any], folder: Path, offline: bool) -> Source:
    """Read the Parquet files `train` and perhaps `val`, `test` (paths or globs; relative ones start at `root`).

    A `val` or `test` that is a number is not a file but the share to cut from train.
    """
    tables = {}
    paths = {split: dataset[split] for split in SPLITS if isinstance(dataset.get(split), str)}
    if "train" not in paths:
        raise DatasetError("source parquet needs `train`, the path of a Parquet file")
    for split, path in paths.items():
        found = sorted(glob.glob(str(Path(dataset.get("root") or "", path))))
        if not found:
            raise DatasetError(f"`{split}`: there is no file {Path(dataset.get('root') or '', path)}")
        try:
            tables[split] = datasets.load_dataset(
                "parquet", data_files={split: found}, split=split, cache_dir=str(folder)
            )
        except (datasets.exceptions.DatasetsError, OSError, ValueError) as error:
            reason = str(error.__cause__ or error).splitlines()[0]
            raise DatasetError(f"`{split}`: {path} cannot be read as Parquet ({reason})") from error
    provenance = {"source": "parquet", "name": dataset.get("name"), "files": paths}
    return from_tables(tables, {split: split for split in tables}, dataset, provenance)


def _one_of_each(table: Any, column: str, known: set[Any], origin: str) -> Any:
    """The first row of each value of a column that is not among the `known` ones, which they join."""
    if column not in table.column_names:
        columns = ", ".join(table.column_names)
        raise DatasetError(f"`one_per`: no column {column!r}{nearest(column, table.column_names)} among {columns}")
    rows = []
    for row, value in enumerate(table[column]):
        if value is None:
            raise DatasetError(f"`one_per`: {column!r} is empty in row {row} of {origin}")
        if value not in known:
            known.add(value)
            rows.append(row)
    return table.select(rows).flatten_indices()


def from_tables(
    tables: Mapping[str, Any], origins: Mapping[str, str], dataset: Mapping[str, Any], provenance: dict[str, Any]
) -> Source:
    """A Source out of one `datasets.Dataset` per split; class names are those of the label column's ClassLabel.

    Without a ClassLabel the classes are the distinct values in train, sorted (strings or integers). With `one_per`, the
    first row of each value of that column is kept, over all splits: what train has is in no other split.
    """
    image, label = dataset["image_column"], dataset["label_column"]
    names: list[Any] = []
    splits = {}
    known: set[Any] = set()  # values of one_per that an earlier row, or split, has
    for split in (split for split in SPLITS if split in tables):
        whole = tables[split]
        table = _one_of_each(whole, dataset["one_per"], known, origins[split]) if dataset.get("one_per") else whole
        for key, column in (("image_column", image), ("label_column", label)):
            if column not in table.column_names:
                columns = ", ".join(table.column_names)
                raise DatasetError(
                    f"`{key}`: no column {column!r}{nearest(column, table.column_names)} among {columns}"
                )
        feature = table.features[label]
        column = table.data.column(label)
        if column.null_count:
            raise DatasetError(f"`label_column`: {label!r} is empty in {column.null_count} rows of {origins[split]}")
        values = np.asarray(column)
        if isinstance(feature, datasets.ClassLabel):
            names, labels = names or list(feature.names), values
        else:
            if values.dtype.kind not in "iuOU":
                raise DatasetError(
                    f"`label_column`: {label!r} holds {values.dtype} values: classes are integers or names"
                )
            names = names or sorted(set(values.tolist()))
            places = {name: place for place, name in enumerate(names)}
            unknown = sorted({str(value) for value in values.tolist() if value not in places})
            if unknown:
                raise DatasetError(f"`label_column`: {unknown[0]!r} in {origins[split]} is not a class of train")
            labels = np.array([places[value] for value in values.tolist()])
        try:
            images = _Images(table, image)
        except (TypeError, ValueError, NotImplementedError) as error:
            reason = str(error).splitlines()[0]
            raise DatasetError(f"`image_column`: {image!r} does not hold encoded images ({reason})") from error
        splits[split] = Rows(images, labels.astype(np.int64), origins[split])
    return Source(splits, [str(name) for name in names], provenance)
