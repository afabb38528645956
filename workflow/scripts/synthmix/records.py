"""What made each result: the spec and the code of its job, written when its outputs are whole.

A record is results/.records/{stage}/{rest}.json, for the job whose log is logs/{stage}/{rest}.log. It says what results
are made of where Snakemake's own notes (.snakemake) are lost, why a job runs again, and what such a job took.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from synthmix import code, files

FOLDER = Path("results/.records")
CODE = FOLDER / "code"


@dataclass(frozen=True)
class Record:
    """One finished job.

    spec: what it was planned with. made: how many of its pieces of work the store did not have. device: what networks
    ran on, in words; None for a job without networks. size: bytes of its outputs and entries of the store. resumed:
    whether it went on with work that had been interrupted, so that its benchmark tells the rest of the time only.
    """

    spec: dict[str, Any]
    made: int
    device: str | None
    size: int
    resumed: bool = False


def path_of(log: str) -> Path:
    """The record of the job that has a log."""
    return FOLDER / Path(log).relative_to("logs").with_suffix(".json")


def write(log: str, record: Record) -> None:
    """Write a record, and the digests of the definitions behind its code where no record had that code yet."""
    table = CODE / f"{record.spec['code']}.json"
    if not table.exists():
        files.write_json(table, code.definitions(record.spec["entries"]))
    files.write_json(path_of(log), asdict(record))


def read(log: str) -> Record | None:
    """The record of the job that has a log; None where there is none, or a damaged one."""
    return _read(path_of(log))


def of_stage(stage: str) -> dict[str, Record]:
    """Every record of a stage by its path below the stage's folder, without suffix."""
    folder = FOLDER / stage
    found = {path.relative_to(folder).with_suffix("").as_posix(): _read(path) for path in folder.rglob("*.json")}
    return {name: record for name, record in found.items() if record}


def definitions(digest: str) -> dict[str, str] | None:
    """The definitions behind a recorded digest of code (see code.definitions); None where they are not recorded."""
    path = CODE / f"{digest}.json"
    return files.read_json(path) if path.exists() else None


def _read(path: Path) -> Record | None:
    try:
        return Record(**files.read_json(path))
    except (FileNotFoundError, TypeError, files.DamagedFileError):
        return None
