"""Which GPUs a local job may use: each job that asks for some gets its own, held by locks until it ends."""

import contextlib
import fcntl
import getpass
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

VISIBLE = "CUDA_VISIBLE_DEVICES"
_held: list[IO[str]] = []  # open for as long as the process lives


def requested(resources: Mapping[str, Any]) -> int:
    """Number of GPUs in the resources of a job, whichever way they are asked for."""
    return int(resources.get("gpu") or str(resources.get("gres") or "0").rpartition(":")[2])


def visible() -> list[str]:
    """The GPUs of this machine that CUDA may use: those of CUDA_VISIBLE_DEVICES, else all that the driver lists."""
    if VISIBLE in os.environ:
        return [name for name in os.environ[VISIBLE].split(",") if name.strip() not in ("", "-1")]
    try:
        listed = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return []
    return [str(number) for number, line in enumerate(listed.splitlines()) if line.startswith("GPU")]


def assign(count: int, jobs_per_gpu: int = 1, folder: Path | None = None) -> list[str]:
    """Wait for `count` GPUs that no other job holds, hold them until this process ends, and make CUDA see only them.

    Call it before CUDA starts, which then numbers GPUs as nvidia-smi does. All synthmix jobs of one user on one machine
    share the locks, whatever workspace they run in. Under SLURM, which assigns GPUs itself, and where there is one GPU
    at most, nothing is held.

    Args:
        count: GPUs that the job asks for.
        jobs_per_gpu: how many jobs may share a GPU.
        folder: where the locks are; default: a folder of the user in the machine's temporary folder.

    Returns:
        What CUDA_VISIBLE_DEVICES now lists; empty where nothing is held.
    """
    os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    names = visible()
    if count == 0 or len(names) <= 1 or "SLURM_JOB_ID" in os.environ:
        return []
    if count > len(names):
        raise RuntimeError(f"a job asks for {count} GPUs, but this machine has {len(names)}: lower gpu in config.yaml")
    folder = folder or Path(tempfile.gettempdir()) / f"synthmix-{getpass.getuser()}"
    folder.mkdir(parents=True, exist_ok=True)
    told = False
    while True:
        chosen = list(_free(names, count, jobs_per_gpu, folder))
        if len(chosen) == count:
            break
        if not told:
            print(f"waiting for {count} of the GPUs {','.join(names)}: other jobs hold them", flush=True)
            told = True
        time.sleep(0.5)
    os.environ[VISIBLE] = ",".join(chosen)
    return chosen


def _free(names: list[str], count: int, jobs_per_gpu: int, folder: Path) -> Iterator[str]:
    """Take up to `count` locks of different GPUs; all of them are given back where there are fewer."""
    taken: list[tuple[str, IO[str]]] = []
    for place in range(jobs_per_gpu):  # GPUs that nobody uses come first
        for name in names:
            if len(taken) < count and name not in [each for each, _ in taken]:
                file: IO[str] = (folder / f"gpu-{name.replace('/', '_')}-{place}.lock").open("w")
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    taken.append((name, file))
                except BlockingIOError:
                    file.close()
    if len(taken) < count:
        for _, file in taken:
            with contextlib.closing(file):
                fcntl.flock(file, fcntl.LOCK_UN)
        return
    _held.extend(file for _, file in taken)
    yield from (name for name, _ in taken)
