"""Jobs that failed in this call of Snakemake: where their logs are, and what stands last in them."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TAIL = 65536  # bytes of a log that are looked at


def lines(workflow: Any, since: float) -> Iterator[str]:
    """A line for each failed job that has a log; since: when the call began, in seconds of the clock.

    Snakemake's own message names rule, log and error, but not under `--quiet rules`.
    """
    failed = [each for job in workflow.scheduler.failed for each in (job.jobs if job.is_group() else [job])]
    logs = {str(job.log[0]): str(job.rule.name) for job in failed if job.log}
    for log, rule in sorted(logs.items()):
        yield f"{rule} failed: {log}: {_last_line(Path(log), since)}"


def _last_line(log: Path, since: float) -> str:
    # the log of an earlier call says nothing of this one
    if not log.exists() or log.stat().st_mtime < since:
        return "the job ended before it wrote a line"
    with log.open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL))
        written = [line.strip() for line in file.read().decode(errors="replace").splitlines()]
    return next((line for line in reversed(written) if line), "the job ended before it wrote a line")
