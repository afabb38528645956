"""The energy of jobs: measured by the GPUs' own counters, estimated for the CPU.

A job's GPUs are watched from its first import of this package (`synthmix/__init__.py`) to its end. No result depends on
that, so it is no part of any spec or digest of code: measuring differently makes nothing run again.
"""

import atexit
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Counters = dict[str, int]  # mJ since the driver was loaded, by the GPU's UUID
VISIBLE = "CUDA_VISIBLE_DEVICES"


def watch() -> None:
    """In a job that asks for GPUs, and where the driver counts their energy: write down at its end what they took."""
    job: Any = getattr(sys.modules["__main__"], "snakemake", None)  # what Snakemake gives to a script
    if not getattr(job, "log", None):
        return
    path, number = path_of(job.log[0]), _requested(job.resources)
    path.unlink(missing_ok=True)  # of an earlier run of this job
    before = counters() if number else {}
    if before:
        atexit.register(_finish, path, before, number)


def path_of(log: str) -> Path:
    """Where the energy of the job with a log is written: beside its benchmark."""
    name = Path(log).relative_to("logs").with_suffix("")
    return Path("results/benchmarks", name.parent, f"{name.name}.energy.json")


def counters() -> Counters:
    """The energy counters of the GPUs that the driver lists; empty without a GPU, or with one older than Volta."""
    try:
        import pynvml  # of the package nvidia-ml-py

        pynvml.nvmlInit()
        try:
            handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
            return {
                str(pynvml.nvmlDeviceGetUUID(each)): int(pynvml.nvmlDeviceGetTotalEnergyConsumption(each))
                for each in handles
            }
        finally:
            pynvml.nvmlShutdown()
    except Exception:  # no package, no driver, no counter: of many kinds, and no reason for a job to fail
        return {}


def used(before: Counters, after: Counters, visible: str | None, number: int) -> dict[str, Any] | None:
    """Energy between two readings, of the GPUs that a job had.

    Args:
        before, after: the readings.
        visible: CUDA_VISIBLE_DEVICES at the job's end: numbers in the driver's order or UUIDs; None where not set.
        number: how many GPUs the job asked for; it has the first ones where nothing else is said.

    Returns:
        {joules, gpus}; None where it is not known which GPUs they were, or a counter has started anew.
    """
    names = list(before)
    wanted = (
        [str(index) for index in range(number)] if visible is None else [name.strip() for name in visible.split(",")]
    )
    found = []
    for name in wanted:
        if name.isdigit() and int(name) < len(names):
            found.append(names[int(name)])
        else:
            found += [uuid for uuid in names if name.startswith("GPU-") and uuid.startswith(name)]
    whole = len(found) == len(wanted) and all(after.get(name, -1) >= before[name] for name in found)
    if not found or not whole:
        return None
    return {"joules": sum(after[name] - before[name] for name in found) / 1000, "gpus": len(found)}


def _finish(path: Path, before: Counters, number: int) -> None:
    """At the end of a job: an idle GPU of a job that ran on the CPU is none of its energy."""
    hardware = getattr(sys.modules.get("synthmix.job"), "_hardware", None)
    if hardware is None or hardware.startswith("cpu"):
        return
    from synthmix import files

    found = used(before, counters(), os.environ.get(VISIBLE), number)
    if found:
        files.write_json(path, found)


def _requested(resources: Mapping[str, Any]) -> int:
    from synthmix import gpus

    return gpus.requested(dict(resources.items()))
