"""Energy of jobs: what GPUs' counters say of a job, what is estimated for the CPU, and what is not said at all."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from synthmix import energy, records
from synthmix.files import read_json, write_json
from synthmix.records import Record
from synthmix.reports import resources_used

SCRIPTS = Path(__file__).parents[1] / "workflow/scripts"
BEFORE = {"GPU-a1": 1000, "GPU-b2": 2000, "GPU-c3": 3000}
AFTER = {"GPU-a1": 4000, "GPU-b2": 9000, "GPU-c3": 3500}
# The driver's library with two cards, whose counters stand 5 J higher at every reading.
DRIVER = """
readings = [0]
def nvmlInit(): readings[0] += 5000
def nvmlShutdown(): pass
def nvmlDeviceGetCount(): return 2
def nvmlDeviceGetHandleByIndex(index): return index
def nvmlDeviceGetUUID(handle): return f"GPU-{handle}"
def nvmlDeviceGetTotalEnergyConsumption(handle): return readings[0] * (handle + 1)
"""
JOB = """
from types import SimpleNamespace
snakemake = SimpleNamespace(log=["logs/train/a/seeds0.log"], resources={resources})
from synthmix import job
job._hardware = {hardware!r}
"""


@pytest.mark.parametrize(
    ("visible", "number", "joules", "gpus"),
    [
        (None, 1, 3, 1),
        (None, 2, 10, 2),
        ("1", 1, 7, 1),
        ("2, 0", 2, 3.5, 2),
        ("GPU-b2", 1, 7, 1),
        ("GPU-c", 1, 0.5, 1),
    ],
)
def test_energy_is_that_of_the_cards_of_the_job(visible: str | None, number: int, joules: float, gpus: int) -> None:
    assert energy.used(BEFORE, AFTER, visible, number) == {"joules": joules, "gpus": gpus}


@pytest.mark.parametrize("visible", ["", "7", "MIG-1", "0,MIG-1"])
def test_energy_of_unknown_cards_is_not_guessed(visible: str) -> None:
    assert energy.used(BEFORE, AFTER, visible, 1) is None


def test_a_counter_that_started_anew_says_nothing() -> None:
    assert energy.used(BEFORE, {**AFTER, "GPU-a1": 10}, "0", 1) is None
    assert energy.used(BEFORE, {}, "0", 1) is None


def run_job(folder: Path, resources: dict[str, int], hardware: str | None, **environment: str) -> Path:
    """Run a job that does nothing; returns where its energy is written."""
    (folder / "library").mkdir(exist_ok=True)
    (folder / "library/pynvml.py").write_text(DRIVER)
    (folder / "job.py").write_text(JOB.format(resources=resources, hardware=hardware))
    path = os.pathsep.join([str(folder / "library"), str(SCRIPTS)])
    kept = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
    subprocess.run([sys.executable, "job.py"], cwd=folder, env=kept | environment | {"PYTHONPATH": path}, check=True)
    return folder / "results/benchmarks/train/a/seeds0.energy.json"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [({}, {"joules": 5, "gpus": 1}), ({"CUDA_VISIBLE_DEVICES": "1"}, {"joules": 10, "gpus": 1})],
)
def test_a_job_on_a_gpu_leaves_its_energy(
    tmp_path: Path, environment: dict[str, str], expected: dict[str, Any]
) -> None:
    assert read_json(run_job(tmp_path, {"gpu": 1}, "NVIDIA A100", **environment)) == expected


@pytest.mark.parametrize(
    ("resources", "hardware"), [({"gpu": 0}, "cpu (x86_64)"), ({"gpu": 1}, "cpu (x86_64)"), ({"gpu": 1}, None)]
)
def test_a_job_on_the_cpu_leaves_none_and_takes_away_that_of_an_earlier_run(
    tmp_path: Path, resources: dict[str, int], hardware: str | None
) -> None:
    path = tmp_path / "results/benchmarks/train/a/seeds0.energy.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"joules": 1, "gpus": 1}))
    assert not run_job(tmp_path, resources, hardware).exists()


def job(stage: str, name: str, seconds: float, cpu: float, device: str | None, joules: float | None = None) -> str:
    """Benchmark, record and energy of a job; returns the path of its benchmark."""
    path = Path(f"results/benchmarks/{stage}/{name}.tsv")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"s\tmax_rss\tcpu_time\n{seconds}\t100\t{cpu}\n")
    records.write(f"logs/{stage}/{name}.log", Record({"entries": ["report.py"], "code": "x"}, 1, device, 1))
    if joules is not None:
        write_json(energy.path_of(f"logs/{stage}/{name}.log"), {"joules": joules, "gpus": 1})
    return str(path)


def test_hours_and_energy_are_summed_by_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    paths = [
        job("prepare_data", "digits", 3600, 1800, None),
        job("train", "a/seeds0", 7200, 3600, "NVIDIA A100", 36000),
        job("train", "a/seeds1", 3600, 3600, "NVIDIA A100"),
        job("score", "b", 3600, 7200, "cpu (x86_64)"),
    ]
    table = resources_used.table(paths, 10)
    data = table.data.set_index("stage")
    assert data["wall_hours"].to_dict() == {"prepare_data": 1, "train": 3, "score": 1, "all": 5}
    assert data["cpu_watt_hours_estimated"].to_dict() == {"prepare_data": 5, "train": 20, "score": 20, "all": 45}
    assert data.loc["train", "gpu_watt_hours_measured"] == 10
    frame = table.frame.set_index("Stage")
    assert frame["GPU energy, Wh (measured)"].to_dict() == {
        "prepare_data": "",
        "train": "10.0 (1 of 2 jobs)",
        "score": "",
        "all": "10.0 (1 of 2 jobs)",
    }
    assert frame.loc["all", "Ran on"] == "NVIDIA A100, cpu (x86_64)"
    notes = " ".join(table.notes)
    assert "an estimate, not a measurement: CPU hours times 10 W a core" in notes
    assert "energy counters (NVML)" in notes


def test_gpu_jobs_without_a_counter_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    table = resources_used.table([job("train", "a/seeds0", 3600, 3600, "Tesla P100")], 12)
    assert table.frame["GPU energy, Wh (measured)"].tolist() == ["not measured"]
    assert len(table.data) == 1


def test_without_jobs_there_is_no_table() -> None:
    assert resources_used.table([], 12).frame.empty
