"""What every script does first and last: read its spec, compare its code with the planned code, choose device and
threads; leave a record of what it made.
"""

import importlib
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from synthmix import code, files, gpus, memory, records
from synthmix.planning import initial_weights
from synthmix.planning.plan import ENVIRONMENT
from synthmix.records import Record
from synthmix.spec import digest
from synthmix.store import Entry
from synthmix.units import entries, units

_missing: list[str] | None = None  # what of this job the store did not have when it began
_resumed = False  # whether the store had the state of some of that
_hardware: str | None = None  # what its networks run on


def start(snakemake: Any) -> dict[str, Any]:
    """Begin a job: send its output to its log, return its spec.

    Files that the spec names (an architecture, a kind of figure) are imported here, before the comparison with the
    planned code, so that nothing first-party is read from the disk after it.

    Raises:
        code.CodeChangedError: the code was edited after Snakemake was started.
    """
    if snakemake.log:
        log = open(snakemake.log[0], "w", buffering=1, encoding="utf-8")  # noqa: SIM115 (open until the job ends)
        os.dup2(log.fileno(), sys.stdout.fileno())
        os.dup2(log.fileno(), sys.stderr.fileno())
    memory.keep_freed()
    spec: dict[str, Any] = json.loads(snakemake.params.spec)
    for entry in spec["entries"][1:]:
        module(entry)
    code.require(spec["code"], *spec["entries"])
    global _missing, _resumed
    wanted = _entries(snakemake, spec)
    _missing = None if wanted is None else [each for each in wanted if not Entry.finished(each)]
    _resumed = any(map(Entry.begun, _missing or ()))
    return spec


def finish(snakemake: Any) -> None:
    """End a job whose outputs are whole: record what made them; empty its part of the store where none is kept."""
    spec: dict[str, Any] = json.loads(snakemake.params.spec)
    folders = [Entry.folder_of(each) for each in _entries(snakemake, spec) or []]
    paths = [*map(Path, snakemake.output), *(path for folder in folders for path in folder.glob("*"))]
    size = sum(path.stat().st_size for path in paths if path.exists())
    made = 1 if _missing is None else len(_missing)
    records.write(snakemake.log[0], Record(spec, made, _hardware, size, _resumed))
    if not settings()["keep"]["resume"]:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)


def _entries(snakemake: Any, spec: dict[str, Any]) -> list[str] | None:
    """The names of a job's entries in the store (units.entries); None for a stage that keeps nothing there."""
    return None if units(spec) is None else entries(spec, files.read_json(snakemake.input.meta))


def module(entry: str) -> Any:
    """The module of an entry such as "synthmix/models/cnn_block.py"."""
    return importlib.import_module(entry.removesuffix(".py").replace("/", "."))


def settings() -> dict[str, Any]:
    """The configuration of this call of Snakemake, for what changes no result: device, folders, how often to save."""
    config: dict[str, Any] = files.read_json(os.environ[ENVIRONMENT])["config"]
    return config


def weights(spec: dict[str, Any], inputs: Any) -> tuple[Path | None, Path, bool]:
    """Weights of a spec's extractor, given or trained here, or None; the folder of downloads; whether it is offline."""
    extractor = spec["extractor"]
    given = inputs.get("extractor") or extractor.get("weights")
    if planned := extractor.get("weights_sha256"):
        given = settings()["places"][planned]
        initial_weights.require_planned(extractor, Path(given))
    return Path(given) if given else None, Path(settings()["weights"]), settings()["offline"]


def local(path: str) -> str:
    """A copy of an input on the node's own disk, where `scratch` of config.yaml names one; else the input itself."""
    scratch = os.path.expandvars(settings().get("scratch") or "")
    if not scratch:
        return path
    if "$" in scratch:
        print(f"scratch: {scratch} is not set here: {path} is read where it lies", flush=True)
        return path
    status = Path(path).stat()
    key = digest([str(Path(path).absolute()), status.st_size, status.st_mtime_ns])
    copy = Path(scratch) / "synthmix" / key / Path(path).name
    if not copy.exists():
        with files.atomic(copy) as temporary:
            shutil.copyfile(path, temporary)
    return str(copy)


def device(snakemake: Any) -> str:
    """The device of this job: the configured one; "auto" is CUDA where the job has a GPU and finds one.

    Where a machine has several GPUs, the job gets its own. Also gives PyTorch the job's number of threads: results on
    the CPU depend on it.
    """
    import torch

    from synthmix.runs import hardware

    torch.set_num_threads(snakemake.threads)
    chosen, wanted = str(settings()["device"]), gpus.requested(snakemake.resources)
    if chosen != "cpu" and wanted:
        gpus.assign(wanted, settings()["jobs_per_gpu"])
    if chosen == "auto":
        chosen = "cuda" if wanted and torch.cuda.is_available() else "cpu"
    global _hardware
    _hardware = hardware(chosen)
    return chosen


def processes(snakemake: Any, device: str) -> int:
    """How many processes may share this job's training: one for each GPU that it asked for and sees; 1 on the CPU."""
    import torch

    if device == "cpu":
        return 1
    wanted, seen = max(1, gpus.requested(snakemake.resources)), torch.cuda.device_count()
    if seen < wanted:
        print(f"the job asked for {wanted} GPUs and sees {seen}: it trains on those", flush=True)
    number = min(wanted, seen)
    global _hardware
    if number > 1:
        _hardware = f"{number} x {_hardware}"
    return number
