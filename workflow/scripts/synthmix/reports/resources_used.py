"""What a study took: hardware, hours and energy, by stage, from the benchmarks and records of its jobs."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from synthmix import energy, layout, records
from synthmix.files import read_json
from synthmix.reports.formatting import count, drop_empty, number
from synthmix.reports.rendering import Table
from synthmix.tables.cost import measured, named

HOUR = 3600.0  # seconds, and joules of a watt-hour
NOTES = [
    "What the last run of each job took, with its start; what jobs found in the store was computed earlier and is not "
    "counted. Jobs that run side by side share the machine, so wall hours add up to more than the wait. Tables and "
    "figures, which take seconds, are left out.",
]


def table(benchmarks: Iterable[str | Path], watts: float) -> Table:
    """A row for each stage, and one for all.

    Args:
        benchmarks: files results/benchmarks/{stage}/....tsv of the jobs.
        watts: what a busy core of the CPU is taken to draw.
    """
    jobs = pd.DataFrame([_job(Path(path)) for path in benchmarks])
    rows = [_row(str(stage), group, watts) for stage, group in jobs.groupby("stage", sort=False)] if len(jobs) else []
    if len(rows) > 1:
        rows.append(_row("all", jobs, watts))
    data = pd.DataFrame(rows)
    if data.empty:
        return Table(data, data, [])
    return Table(data, drop_empty(pd.DataFrame([_cells(row) for row in rows])), [*NOTES, *_energy_notes(jobs, watts)])


def _job(path: Path) -> dict[str, Any]:
    log = str(Path("logs", path.relative_to(layout.BENCHMARKS)).with_suffix(".log"))
    record, counted = records.read(log), energy.path_of(log)
    device = record.device if record else None
    joules = read_json(counted)["joules"] if counted.exists() else None
    return {**named(path), **measured(path), "device": device, "joules": joules}


def _on_gpu(jobs: pd.DataFrame) -> pd.Series:
    return jobs["device"].notna() & ~jobs["device"].astype(str).str.startswith("cpu")


def _row(stage: str, jobs: pd.DataFrame, watts: float) -> dict[str, Any]:
    cpu, joules = jobs["cpu_time"].sum(), jobs["joules"].astype(float)
    return {
        "stage": stage,
        "jobs": len(jobs),
        "wall_hours": jobs["s"].sum() / HOUR,
        "cpu_hours": cpu / HOUR,
        "cpu_watt_hours_estimated": cpu * watts / HOUR,
        "gpu_watt_hours_measured": joules.sum() / HOUR if joules.notna().any() else None,
        "gpu_jobs": int(_on_gpu(jobs).sum()),
        "gpu_jobs_measured": int(joules.notna().sum()),
        "devices": ", ".join(sorted(set(jobs["device"].dropna()))),
    }


def _cells(row: dict[str, Any]) -> dict[str, str]:
    gpu = "" if not row["gpu_jobs"] else "not measured"
    if row["gpu_jobs_measured"]:
        gpu = number(row["gpu_watt_hours_measured"])
        if row["gpu_jobs_measured"] < row["gpu_jobs"]:
            gpu += f" ({row['gpu_jobs_measured']} of {row['gpu_jobs']} jobs)"
    return {
        "Stage": row["stage"],
        "Jobs": count(row["jobs"]),
        "Wall, h": number(row["wall_hours"], 2),
        "CPU, h": number(row["cpu_hours"], 2),
        "CPU energy, Wh (estimate)": number(row["cpu_watt_hours_estimated"]),
        "GPU energy, Wh (measured)": gpu,
        "Ran on": row["devices"],
    }


def _energy_notes(jobs: pd.DataFrame, watts: float) -> list[str]:
    notes = [
        f"CPU energy is an estimate, not a measurement: CPU hours times {watts:g} W a core (watts_per_core of "
        "config.yaml; "
        "12 W is what Green Algorithms takes for a core of an unknown CPU). Memory, cooling and idle cores are left "
        "out."
    ]
    if _on_gpu(jobs).any():
        notes.append(
            "GPU energy is measured: the difference of the driver's energy counters (NVML) over a job, of the whole "
            "card. "
            "Jobs that share a card (jobs_per_gpu) each count all of it."
        )
    return notes


def hardware(experiments: pd.DataFrame | None, versions: Sequence[dict[str, str]]) -> list[str]:
    """What classifiers were trained and tested on, and the versions of what computed them; a sentence each."""
    sentences = []
    if experiments is not None and "trained_on" in experiments:
        places = ", ".join(sorted(set(experiments["trained_on"].dropna())))
        threads = sorted({int(n) for n in experiments["threads"].dropna()}) if "threads" in experiments else []
        several = (
            f", {' or '.join(map(str, threads))} CPU thread{'' if threads == [1] else 's'} a job" if threads else ""
        )
        sentences.append(f"Classifiers were trained on: {places}{several}.")
    kinds = list(dict.fromkeys(", ".join(f"{name} {version}" for name, version in each.items()) for each in versions))
    if kinds:
        sentences.append(f"Versions: {'; or '.join(kinds)}.")
    return sentences
