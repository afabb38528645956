"""Table kind `cost`: seconds and memory per stage, and what training costs per (model, recipe, training set).

Specification: {kind, dataset?, model?, recipe?, training_set?, order?}.
"""

from pathlib import Path
from typing import Any

import pandas as pd

from synthmix.analysis.artefacts import Artefacts
from synthmix.experiments import Job, arms, constant, select
from synthmix.files import DamagedFileError
from synthmix.reports.formatting import count, drop_empty, number
from synthmix.reports.rendering import Table

NOTES = [
    "Stages: sums over the jobs of a stage as Snakemake measured them (wall and CPU seconds with start-up) and the "
    "largest resident memory of one job. Jobs that ran side by side share the machine: their wall seconds add up to "
    "more than the wait.",
    "Training: seconds, images and images/s are means per run, measured inside the job without its start-up. The runs "
    "of a bundle share their jobs: wall and CPU seconds and memory are those of all the runs counted under 'Runs in "
    "these jobs', the same figures beside each training set of the bundle, and must not be added up.",
]
MEASURES = ["jobs", "wall_seconds", "cpu_seconds", "max_rss_mb"]


def build(spec: dict[str, Any], artefacts: Artefacts) -> Table:
    """One row per stage with a benchmark, then one per arm. Raises ValueError where there is neither."""
    experiments = artefacts.read_experiments()
    jobs = pd.DataFrame([{**named(path), **measured(path)} for path in artefacts.benchmarks])
    selected = select(experiments, spec, complete=False)
    data = pd.DataFrame([*_stages(jobs), *_training(selected, experiments, jobs)])
    if data.empty:
        raise ValueError("cost table: there is neither a benchmark nor a run that matches its specification")
    return Table(data, drop_empty(_formatted(data)), NOTES)


def named(path: Path) -> dict[str, str]:
    """What a path benchmarks/{stage}/... says: its stage, and its job where it is that of a training job."""
    parts = path.parts
    if "benchmarks" not in parts[:-2]:
        raise ValueError(f"{path}: expected benchmarks/<rule>/...tsv")
    stage, *rest = parts[len(parts) - parts[::-1].index("benchmarks") :]
    job = Job(*rest[:4])._asdict() if len(rest) == 5 and rest[4].startswith("seeds") else {}
    return {"stage": stage, **job}


def measured(path: Path) -> dict[str, float]:
    """Seconds, CPU seconds and MB of one job; NaN for what Snakemake could not measure (a job of under a second)."""
    try:
        table = pd.read_csv(path, sep="\t", na_values=["-"])
        means = table[["s", "cpu_time", "max_rss"]].astype(float).mean()
        return {str(name): float(value) for name, value in means.items()}
    except (pd.errors.EmptyDataError, pd.errors.ParserError, KeyError, ValueError) as error:
        raise DamagedFileError(path, error) from error


def _total(jobs: pd.DataFrame) -> dict[str, Any]:
    sums = [len(jobs), jobs["s"].sum(min_count=1), jobs["cpu_time"].sum(min_count=1), jobs["max_rss"].max()]
    return dict(zip(MEASURES, sums, strict=True))


def _stages(jobs: pd.DataFrame) -> list[dict[str, Any]]:
    if jobs.empty:
        return []
    return [{"stage": str(stage), **_total(group)} for stage, group in jobs.groupby("stage", sort=False)]


def _training(selected: pd.DataFrame, experiments: pd.DataFrame, jobs: pd.DataFrame) -> list[dict[str, Any]]:
    rows = []
    for arm, runs in arms(selected):
        row: dict[str, Any] = {"stage": "train", **arm._asdict(), "runs": len(runs)}
        for name in ("train_seconds", "images", "images_per_second", "parameters"):
            row[name] = constant(runs, name)
        if {"stage", *Job._fields} <= set(jobs):
            mates = {**arm._asdict(), "bundle": list(runs["bundle"].unique())}
            shared, all_runs = _of_bundle(jobs[jobs["stage"] == "train"], mates), _of_bundle(experiments, mates)
            if not shared.empty:
                row |= {"runs_in_jobs": len(all_runs), **_total(shared)}
        rows.append(row)
    return rows


def _of_bundle(frame: pd.DataFrame, mates: dict[str, Any]) -> pd.DataFrame:
    same = frame["bundle"].isin(mates["bundle"])
    for key in ("dataset", "model", "recipe"):
        same &= frame[key] == mates[key]
    return frame[same]


def _formatted(data: pd.DataFrame) -> pd.DataFrame:
    columns = {
        "jobs": "Jobs",
        "wall_seconds": "Wall, s",
        "cpu_seconds": "CPU, s",
        "max_rss_mb": "Max RSS, MB",
        "runs_in_jobs": "Runs in these jobs",
        "runs": "Runs",
        "train_seconds": "Training, s per run",
        "images": "Images per run",
        "images_per_second": "Images/s",
        "parameters": "Parameters",
    }
    names = {
        "stage": "Stage",
        "dataset": "Dataset",
        "model": "Model",
        "recipe": "Recipe",
        "training_set": "Training set",
    }
    whole = {"jobs", "runs", "runs_in_jobs", "images", "parameters"}
    frame = pd.DataFrame(index=data.index)
    for key, title in names.items():
        frame[title] = data[key].fillna("") if key in data else ""
    for key, title in columns.items():
        form = count if key in whole else number
        frame[title] = [form(value) for value in data[key]] if key in data else ""
    return frame
