"""Images that stay on the disk: memory-mapped files, and rows of them that are read when they are asked for."""

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

_open: list[BinaryIO] = []  # files without a name, which are gone when this process ends


class Mapped(np.memmap):
    """uint8 images (N, H, W, C) in a file, read-only. Another process that is given them opens the file itself."""

    _mmap: Any  # of numpy: None for what is in memory

    @classmethod
    def of(cls, path: str, offset: int, shape: tuple[int, ...]) -> "Mapped":
        """Images of a shape that begin at a byte of a file."""
        return cls(path, np.uint8, "r", offset, shape)

    def __getitem__(self, rows: Any) -> Any:
        found = super().__getitem__(rows)
        # what was copied is in memory; numpy sees to that for its own class only
        return found.view(np.ndarray) if isinstance(found, Mapped) and found._mmap is None else found

    def __reduce__(self) -> Any:
        whole = self.base is self._mmap  # a part of it has the offset of the whole
        return (Mapped.of, (self.filename, self.offset, self.shape)) if whole else super().__reduce__()


@dataclass(frozen=True)
class Rows:
    """Images of several files, uint8 (N, H, W, C), of which no more are in memory than are asked for at once.

    files: the images of each, (M, H, W, C). file, row: int64 (N,), where an image is.
    """

    files: Sequence[np.ndarray]
    file: np.ndarray
    row: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, H, W, C)."""
        return (len(self.row), *self.files[0].shape[1:])

    def __len__(self) -> int:
        return len(self.row)

    def __getitem__(self, rows: Any) -> np.ndarray:
        """The images of a position, a slice, positions or a mask, read into memory, as an array would give them."""
        file, row = self.file[rows], self.row[rows]
        if np.ndim(row) == 0:
            return np.array(self.files[file][row])
        found = np.empty((len(row), *self.shape[1:]), dtype=np.uint8)
        for number, images in enumerate(self.files):
            here = file == number
            found[here] = images[row[here]]
        return found

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[position] for position in range(len(self)))

    def take(self, rows: Any) -> "Rows":
        """Some of the images, left on the disk."""
        return Rows(self.files, self.file[rows], self.row[rows])


Images = np.ndarray | Rows  # uint8 (N, H, W, C), in memory or on the disk


def joined(parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> Images:
    """Rows of several sets of images, one after another; left on the disk where one of the sets is there.

    parts: images (N, H, W, C) and rows of them, int64 (n,), for each set.
    """
    if any(isinstance(images, np.memmap) for images, _ in parts):
        files, rows = zip(*parts, strict=True)
        return Rows(files, np.repeat(np.arange(len(rows)), list(map(len, rows))), np.concatenate(rows))
    return np.concatenate([images[rows] for images, rows in parts])


def chosen(images: Images, rows: np.ndarray) -> Images:
    """Some images, by position int64 (n,); left on the disk where they are."""
    return images.take(rows) if isinstance(images, Rows) else joined([(images, rows)])


def offsets(path: str | Path) -> dict[str, tuple[int, tuple[int, ...]]]:
    """Name -> (first byte in the file, shape), of the arrays in a safetensors file that the library can open."""
    with Path(path).open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
    header.pop("__metadata__", None)
    return {name: (8 + size + each["data_offsets"][0], tuple(each["shape"])) for name, each in header.items()}


def written(pieces: Iterable[np.ndarray], folder: str | Path) -> Mapped:
    """Images that come in pieces of one shape, uint8 (n, H, W, C), in one file of a folder that is never left over.

    The file has no name, and is gone when this process and those that it has started have ended, in whatever way.
    Raises OSError where the disk is full.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    file: BinaryIO = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (open until this process ends)
    count, shape = 0, ()
    for piece in pieces:
        count, shape = count + len(piece), piece.shape[1:]
        file.write(np.ascontiguousarray(piece).data)
    file.flush()
    _open.append(file)
    # the name by which other processes find an open file, on Linux
    return Mapped.of(f"/proc/{os.getpid()}/fd/{file.fileno()}", 0, (count, *shape))
