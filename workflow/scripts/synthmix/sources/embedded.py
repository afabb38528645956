"""Datasets that come with a library: no download."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
from sklearn.datasets import load_digits

from synthmix.data import Source
from synthmix.images.classes import DatasetError, Rows, nearest


def load(dataset: Mapping[str, Any], folder: Path, offline: bool) -> Source:
    """scikit-learn's `digits`: 1,797 grey images of 8x8, values 0..16 scaled to 0..255. It has no test split."""
    if dataset["name"] != "digits":
        hint = nearest(dataset["name"], ["digits"])
        raise DatasetError(f"source embedded has no {dataset['name']!r}{hint}: `name` must be digits")
    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    provenance = {"source": "embedded", "name": "digits", "version": f"scikit-learn {sklearn.__version__}"}
    classes = [str(name) for name in digits.target_names]
    return Source({"train": Rows(images, digits.target.astype(np.int64), "train")}, classes, provenance)
