"""The store: what has been trained or generated is kept under the digests of its spec and its data, never made twice.

An entry is a folder `results/.resume/<2 digits>/<name>/`, named by `units.entry`. While work goes on it holds the
latest state; when the work is finished it holds the result. Resuming, one more seed, and going back to an earlier value
all find their entry again.
"""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from synthmix import files

FOLDER = Path("results/.resume")
STATE, SHARD = "state.safetensors", "shard.parquet"


class Entry:
    """One entry of the store: a state (arrays and a JSON tree) that is replaced as a whole."""

    def __init__(self, name: str, folder: Path = FOLDER) -> None:
        self.folder = self.folder_of(name, folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    @property
    def state(self) -> Path:
        return self.folder / STATE

    @staticmethod
    def folder_of(name: str, folder: Path = FOLDER) -> Path:
        """Where an entry is, whether it exists or not."""
        return folder / name[:2] / name

    @classmethod
    def finished(cls, name: str, folder: Path = FOLDER) -> bool:
        """Whether an entry holds a result; only the head of its file is read."""
        here = cls.folder_of(name, folder)
        if (here / SHARD).exists():
            return True
        try:
            return files.read_metadata(here / STATE).get("done") == "true"
        except (FileNotFoundError, files.DamagedFileError):
            return False

    @classmethod
    def begun(cls, name: str, folder: Path = FOLDER) -> bool:
        """Whether an entry holds the state of work that goes on, or was interrupted."""
        return (cls.folder_of(name, folder) / STATE).exists() and not cls.finished(name, folder)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the entry alone; another process that wants it waits. Where the file system has no locks, go on."""
        self.folder.mkdir(parents=True, exist_ok=True)  # a job that keeps nothing may have removed it
        with (self.folder / "lock").open("w") as file:
            files.lock(file)
            yield

    def save(self, tree: Any) -> None:
        """Replace the state by `tree`: dicts and lists of numpy arrays and JSON values; `done` marks a result."""
        arrays: dict[str, np.ndarray] = {}
        outline = json.dumps(_flatten(tree, arrays)).encode()
        # An array like the others, so that the file's checksum covers it.
        contents = {**arrays, "outline": np.frombuffer(outline, dtype=np.uint8)}
        done = isinstance(tree, dict) and tree.get("done")
        files.write_arrays(self.state, contents, {"done": "true"} if done else None)

    def load(self) -> Any | None:
        """The state, or None where there is none; a damaged one is removed, since it can be made again."""
        if not self.state.exists():
            return None
        try:
            arrays, _ = files.read_arrays(self.state)
        except files.DamagedFileError as error:
            print(f"{error}; starting again from nothing", flush=True)
            self.state.unlink()
            return None
        return _restore(json.loads(arrays["outline"].tobytes()), arrays)


def _flatten(tree: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(tree, np.ndarray):
        name = str(len(arrays))  # names made of keys could meet: 0 and "0", "a/b" and b in a
        arrays[name] = tree
        return {"array": name}
    if isinstance(tree, dict):
        # Keys need not be strings (optimisers number their parameters), so they are kept beside the values.
        return {"dict": [[key, _flatten(value, arrays)] for key, value in tree.items()]}
    if isinstance(tree, (list, tuple)):
        return {"list": [_flatten(value, arrays) for value in tree]}
    return {"value": tree}


def _restore(outline: Any, arrays: dict[str, np.ndarray]) -> Any:
    ((kind, content),) = outline.items()
    if kind == "array":
        return arrays[content]
    if kind == "dict":
        return {key: _restore(value, arrays) for key, value in content}
    if kind == "list":
        return [_restore(value, arrays) for value in content]
    return content
