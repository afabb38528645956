"""The labelled rows of a source, and which of its classes a data set keeps, under which names."""

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np


class DatasetError(ValueError):
    """A dataset cannot be used as its entry in the study says; the message is one line with the remedy."""


class Images(Protocol):
    """Images by position: PIL images, or uint8 arrays (H, W) or (H, W, C)."""

    def __len__(self) -> int: ...

    def __getitem__(self, position: int, /) -> Any: ...


@dataclass(frozen=True)
class Rows:
    """One split as its source has it.

    labels: int64 (N,), positions in the source's classes. origin: what the source calls the split. names: what to call
    an image in an error message (its path), where it has a name.
    """

    images: Images
    labels: np.ndarray
    origin: str
    names: Sequence[str] | None = None


def nearest(name: str, choices: Iterable[str]) -> str:
    """The hint " (did you mean ...?)" for a misspelt name, or "" where nothing is near."""
    found = difflib.get_close_matches(name, list(choices), 1)
    return f" (did you mean {found[0]!r}?)" if found else ""


def choose(
    names: Sequence[str],
    splits: Mapping[str, Rows],
    merge: Mapping[str, Sequence[str]] | None = None,
    wanted: Sequence[str] | None = None,
) -> tuple[list[str], dict[str, np.ndarray]]:
    """The class names that a data set has, and each split's labels among them, int64 (N,), -1 for a row not kept.

    Args:
        names: the source's classes.
        splits: the source's rows.
        merge: new class -> the source's classes that become it; classes that it does not name keep theirs. The new
            class stands where the first of its classes stood.
        wanted: the classes to keep (after merging), in the source's order; None: all.

    Raises:
        DatasetError: a class that the source does not have, equal names, fewer than two classes, an empty split, labels
            out of range.
    """
    _require_different(names)
    new_name = {old: new for new, each in (merge or {}).items() for old in each}
    renamed = [new_name.get(name, name) for name in names]
    _require_different([*(merge or {}), *(name for name in names if name not in new_name)])
    for key, known, each in (("merge", names, new_name), ("classes", renamed, wanted or ())):
        for name in each:
            if name not in known:
                raise DatasetError(f"`{key}` names {name!r}, which the source does not have{nearest(name, known)}")
    classes = [name for name in dict.fromkeys(renamed) if wanted is None or name in wanted]
    if len(classes) < 2:
        raise DatasetError(f"there is one class only ({', '.join(classes)}): classifiers need images of at least two")
    lookup = np.array([classes.index(name) if name in classes else -1 for name in renamed], dtype=np.int64)
    return classes, {split: _labels(rows, lookup) for split, rows in splits.items()}


def _require_different(names: Sequence[str]) -> None:
    doubled = [name for name, n in Counter(names).items() if n > 1]
    if doubled:
        raise DatasetError(f"two classes are named {doubled[0]!r}: class names must differ")


def _labels(rows: Rows, lookup: np.ndarray) -> np.ndarray:
    if len(rows.labels) == 0:
        raise DatasetError(f"the source's {rows.origin} split is empty")
    if rows.labels.min() < 0 or rows.labels.max() >= len(lookup):
        raise DatasetError(
            f"the source's {rows.origin} split has labels outside 0..{len(lookup) - 1} (-1 often stands for hidden "
            "labels): name another split"
        )
    labels: np.ndarray = lookup[rows.labels]
    return labels
