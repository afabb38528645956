"""What every script does first: read its spec, compare its code with the planned code, choose device and threads."""

import importlib
import json
import os
import sys
from typing import Any

from synthmix import code
from synthmix.files import read_json
from synthmix.plan import ENVIRONMENT
from synthmix.requests import gpus


class CodeChangedError(RuntimeError):
    """The code on the disk is no longer the code that this run of Snakemake was planned with."""


def start(snakemake: Any) -> dict[str, Any]:
    """Begin a job: send its output to its log, return its spec.

    Files that the spec names (an architecture, a kind of figure) are imported here, before the comparison with the
    planned code, so that nothing first-party is read from the disk after it.

    Raises:
        CodeChangedError: the code was edited after Snakemake was started.
    """
    if snakemake.log:
        log = open(snakemake.log[0], "w", buffering=1, encoding="utf-8")  # noqa: SIM115 (open until the job ends)
        os.dup2(log.fileno(), sys.stdout.fileno())
        os.dup2(log.fileno(), sys.stderr.fileno())
    spec: dict[str, Any] = json.loads(snakemake.params.spec)
    for entry in spec["entries"][1:]:
        module(entry)
    if code.digest(*spec["entries"]) != spec["code"]:
        raise CodeChangedError(
            f"{spec['entries'][0]}, or something that it uses, was edited after this run of snakemake was planned: "
            "start snakemake again"
        )
    return spec


def module(entry: str) -> Any:
    """The module of an entry such as "synthmix/models/cnn_block.py"."""
    return importlib.import_module(entry.removesuffix(".py").replace("/", "."))


def settings() -> dict[str, Any]:
    """The configuration of this call of Snakemake, for what changes no result: device, folders, how often to save."""
    config: dict[str, Any] = read_json(os.environ[ENVIRONMENT])["config"]
    return config


def device(snakemake: Any) -> str:
    """The device of this job: the configured one; "auto" is CUDA where the job has a GPU and finds one.

    Also gives PyTorch the job's number of threads: results on the CPU depend on it.
    """
    import torch

    torch.set_num_threads(snakemake.threads)
    wanted = settings()["device"]
    if wanted != "auto":
        return str(wanted)
    return "cuda" if gpus(snakemake.resources) and torch.cuda.is_available() else "cpu"
