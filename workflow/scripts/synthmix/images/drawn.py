"""Images that a user drew, by class: where they are, what was planned, and their way into a data set's format."""

import os
from collections.abc import Mapping
from pathlib import Path


class DrawnError(ValueError):
    """A drawn image cannot be used; the message is one line with the remedy."""


def paths(place: str) -> list[str]:
    """The images of one class: the file itself, or a folder's files by name, less those that begin with a dot."""
    if os.path.isfile(place):
        return [place]
    if not os.path.isdir(place):
        return []
    return [str(path) for path in sorted(Path(place).iterdir()) if path.is_file() and not path.name.startswith(".")]


def digests(drawn: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Class -> path -> SHA-256, of a file or folder for each class: another image is another spec."""
    from synthmix import files  # it imports numpy, which studies without drawn images are read without

    return {name: {path: files.sha256(path) for path in paths(place)} for name, place in drawn.items()}


def require(path: str, planned: str) -> None:
    """Raise DrawnError where an image is gone, or is not the one whose SHA-256 was planned."""
    from synthmix import files

    if not os.path.isfile(path):
        raise DrawnError(f"there is no image {path}: put it back, or start snakemake again without it")
    if files.sha256(path) != planned:
        raise DrawnError(f"{path} was changed after this run of snakemake was planned: start snakemake again")
