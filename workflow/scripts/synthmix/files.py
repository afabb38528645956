"""Files that are whole or absent: atomic writes, and reads that notice truncated or altered content."""

import csv
import errno
import fcntl
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file


class DamagedFileError(ValueError):
    """A file exists but does not hold what was written: truncated, altered or of another kind."""

    def __init__(self, path: str | Path, reason: object) -> None:
        super().__init__(f"{path} is damaged ({reason}): delete it and run snakemake again")


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; it takes the name `path` only if the block ends without an error.

    The content is on the disk before the name changes, so a killed job or a full disk leaves the old file or none.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")  # not the process: nodes share folders
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: object) -> None:
    """Write `value` as JSON, atomically. NaN and infinity are refused with a ValueError: they are not JSON."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file; raises DamagedFileError where it does not parse."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise DamagedFileError(path, error) from error


def write_rows(path: str | Path, columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows as CSV with the given columns, atomically; a missing or None value becomes an empty cell."""
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def checksum(arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 over names, dtypes, shapes and bytes of the arrays, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.asarray(arrays[name], order="C")
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.reshape(-1).view(np.uint8).data if array.size else b"")
    return digest.hexdigest()


def write_arrays(path: str | Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> None:
    """Write arrays as safetensors with their checksum in the header, atomically."""
    whole = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    with atomic(path) as temporary:
        save_file(whole, temporary, {**(metadata or {}), "sha256": checksum(whole)})
        _sort_metadata(temporary)


def _sort_metadata(path: Path) -> None:
    """Put a safetensors file's metadata in order: the library's is random, and equal content shall give equal bytes."""
    with path.open("r+b") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        file.seek(8)
        file.write(json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode().ljust(size))


def read_arrays(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Read (arrays, metadata) of a safetensors file and compare the checksum; raises DamagedFileError."""
    try:
        with safe_open(str(path), framework="np") as file:
            metadata = dict(file.metadata() or {})
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except SafetensorError as error:
        raise DamagedFileError(path, error) from error
    if metadata.pop("sha256", None) != checksum(arrays):
        raise DamagedFileError(path, "its checksum does not match")
    return arrays, metadata


def read_metadata(path: str | Path) -> dict[str, str]:
    """The metadata of a safetensors file, without reading its arrays; raises DamagedFileError."""
    try:
        with safe_open(str(path), framework="np") as file:
            return dict(file.metadata() or {})
    except SafetensorError as error:
        raise DamagedFileError(path, error) from error


def lock(file: IO[Any]) -> None:
    """Hold an open file alone until it is closed, once no other process does. Where there are no locks, go on."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP):
            raise


def sha256(path: str | Path) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def link(source: str | Path, path: str | Path) -> None:
    """Give a finished file a second name: a hard link where the file system allows it, a copy otherwise.

    Its time of modification becomes now: a file that is older than a job's inputs would count as out of date. So a file
    that has a second name already is copied, lest what is known under that one become newer than what was made of it.
    """
    linked = False
    if os.stat(source).st_nlink == 1:
        with suppress(OSError):
            os.link(source, path)
            linked = True
    if not linked:
        shutil.copyfile(source, path)
    os.utime(path)
