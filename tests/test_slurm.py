"""snakemake --profile slurm against real daemons: what jobs ask for, what they compute, and what they survive."""

import csv
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import slurm_lab
from slurm_lab import Lab
from workspace import LIBRARY, RUNS, STUDY, Workspace, kill_group

pytestmark = pytest.mark.slurm

# Looks at the queue more often than one would on a cluster.
OFTEN = (
    "--slurm-init-seconds-before-status-checks",
    "1",
    "--seconds-between-status-checks",
    "2",
    "--latency-wait",
    "9",
)
STEPS = 200
JOB = f"{RUNS}/shot3-own2/vit/block/seeds0-2"  # two seeds
MODEL = f"{JOB}/model.safetensors"
SHORT, LONG = "batch_size: 16, epochs: 2,", f"batch_size: 16, steps: {STEPS},"
CLOCK = {
    "seconds",
    "train_seconds",
    "validation_seconds",
    "images_per_second",
    "test_images_per_second",
    "max_rss_mb",
}  # what differs between two runs that compute the same
GPU_STAGES = {"train_generator", "train_generator_by_seed", "generate", "train_extractor", "reference", "score"}
GPU_STAGES |= {"train", "evaluate", "cross_test"}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The running daemons."""
    if reason := slurm_lab.missing():
        pytest.skip(reason)
    lab = Lab(tmp_path_factory.mktemp("slurm") / "lab")
    try:
        lab.start()
        yield lab
    finally:
        lab.stop()


@contextmanager
def submitting(workspace: Workspace, *targets: str, options: tuple[str, ...] = ()) -> Iterator[subprocess.Popen[str]]:
    """Snakemake with the profile slurm; neither it nor its jobs are left behind."""
    process = workspace.start(*targets, "--profile", "slurm", *OFTEN, *options)
    try:
        yield process
    finally:
        kill_group(process)
        subprocess.run(["scancel", "--full", "--user=root"], check=False)


def finish(workspace: Workspace, process: subprocess.Popen[str]) -> None:
    assert process.wait() == 0, f"{workspace.read('snakemake.log')}\n{workspace.logs()}"


def submitted(rule: str, since: int = 0) -> dict[int, dict[str, str]]:
    """What the controller knows of the jobs of a rule, in the order of their numbers."""
    found = sorted(slurm_lab.jobs().items())
    return {n: job for n, job in found if n > since and job["Comment"].startswith(f"rule_{rule}_wildcards")}


def last_number() -> int:
    return max(slurm_lab.jobs(), default=0)


def saved(workspace: Workspace) -> int:
    """The step at which the training that is not finished is saved; 0 before that."""
    return max(workspace.unfinished(), default=0)


def wait_until_saved(workspace: Workspace, after: int = 0) -> int:
    slurm_lab.wait_until(lambda: saved(workspace) > after, f"nothing is saved beyond step {after}", 180)
    return saved(workspace)


def running_job(rule: str, since: int) -> int:
    """The number of the only job of a rule that runs."""
    (number,) = [n for n, job in submitted(rule, since).items() if job["JobState"] == "RUNNING"]
    return number


def without_clock(path: Path) -> Any:
    """The content of a file under results/, without times."""
    if path.suffix == ".csv":
        with path.open() as file:
            return [{name: v for name, v in row.items() if name not in CLOCK} for row in csv.DictReader(file)]
    if path.suffix == ".json":
        return json.loads(path.read_text(), object_hook=lambda tree: {k: tree[k] for k in tree if k not in CLOCK})
    return path.read_bytes()


def compared(workspace: Workspace) -> dict[str, Any]:
    """Content by name of all results that two runs of the same study must have in common."""
    paths = [path for path in (workspace / "results").rglob("*") if path.is_file()]
    names = {path.relative_to(workspace / "results").as_posix(): path for path in paths}
    left_out = (".", "benchmarks/", "test_ledger.csv")
    return {
        name: without_clock(path)
        for name, path in names.items()
        if not name.startswith(left_out) and not name.endswith(("report.html", "report.tex"))
    }


def test_a_study_is_the_same_as_built_locally(lab: Lab, built: Workspace, sources: Workspace) -> None:
    before = last_number()
    with submitting(sources) as snakemake:
        finish(sources, snakemake)
    jobs = [job for number, job in slurm_lab.jobs().items() if number > before]
    stages = [job["Comment"].removeprefix("rule_").partition("_wildcards_")[0] for job in jobs]
    # what the controller gave, not what was written on a command line
    for stage, job in zip(stages, jobs, strict=True):
        assert job["JobState"] == "COMPLETED"
        assert job["Partition"] == "gpu"
        assert job.get("JOB_GRES") == ("gpu:1" if stage in GPU_STAGES else "(null)"), stage
    assert set(stages) == GPU_STAGES | {"prepare_data"}, "tables, figures and reports are made where Snakemake runs"
    (training,) = [job for job in jobs if job["Comment"].endswith("train_wildcards_digits_shot3-own2_vit_block_0-2")]
    assert training["TimeLimit"] == "12:00:00"
    assert training["MinMemoryNode"] == "8000M"

    local, remote = compared(built), compared(sources)
    assert len(local) > 50
    assert sorted(local) == sorted(remote)
    assert [name for name in local if local[name] != remote[name]] == []
    assert sources.planned() == {}


def test_a_training_survives_failure_requeue_cancellation_and_the_end_of_its_node(
    lab: Lab, workspace: Workspace, tmp_path: Path
) -> None:
    workspace.replace(STUDY, SHORT, LONG)
    reference = workspace.copy(tmp_path / "reference")
    reference.snakemake(MODEL)
    workspace.slow_down("training.py", 0.15)
    fail = '    if not Path("failed").exists():\n        Path("failed").touch()\n        raise OSError("a bad node")\n'
    first_line = "    state = entry.load()\n    if state is not None and state.get"
    workspace.replace(f"{LIBRARY}/training.py", first_line, fail + first_line)
    workspace.replace(f"{LIBRARY}/training.py", "import time\n", "import time\nfrom pathlib import Path\n")
    before = last_number()
    with submitting(workspace, MODEL) as snakemake:
        step = wait_until_saved(workspace)
        first, second = submitted("train", before)
        assert slurm_lab.jobs()[first]["JobState"] == "FAILED"
        assert slurm_lab.jobs()[second]["MinMemoryNode"] == "12000M", "a retry asks for more memory"

        lab.stop_node()
        step = wait_until_saved(workspace, after=step)
        lab.start_node()

        slurm_lab.run("scontrol", "requeue", str(second))  # as SLURM does with preempted jobs
        slurm_lab.wait_until(lambda: slurm_lab.jobs()[second]["JobState"] == "PENDING", "the job was not requeued")
        slurm_lab.run("scontrol", "update", f"JobId={second}", "StartTime=now")  # not two minutes later
        requeued = saved(workspace)
        assert requeued >= step
        step = wait_until_saved(workspace, after=requeued)
        assert running_job("train", before) == second

        slurm_lab.run("scancel", str(second))
        slurm_lab.wait_until(lambda: slurm_lab.jobs()[second]["JobState"] == "CANCELLED", "scancel has no effect")
        cancelled = saved(workspace)
        assert cancelled >= step
        lowest = follow(workspace, snakemake)
        assert lowest >= cancelled, "the training began again"
        finish(workspace, snakemake)
    states = [job["JobState"] for job in submitted("train", before).values()]
    assert states == ["FAILED", "CANCELLED", "COMPLETED"]
    assert slurm_lab.jobs()[second]["Restarts"] == "1"
    assert workspace.trained(JOB, "model.safetensors") == reference.trained(JOB, "model.safetensors")


def follow(workspace: Workspace, snakemake: subprocess.Popen[str]) -> int:
    """The smallest step at which the first of two trainings is saved until it is finished."""
    finished, lowest = len(done(workspace)), STEPS
    deadline = time.monotonic() + 240
    while len(done(workspace)) == finished:
        assert snakemake.poll() is None, workspace.read("snakemake.log")
        assert time.monotonic() < deadline
        lowest = min([lowest, *workspace.unfinished()])
        time.sleep(0.2)
    return lowest


def done(workspace: Workspace) -> list[Path]:
    """The finished entries of the store."""
    states = [path for path in workspace.entries() if path.suffix == ".safetensors"]
    return [path for path in states if workspace.state(path).get("done")]


def test_a_training_longer_than_its_time_limit_saves_and_goes_on(
    lab: Lab, workspace: Workspace, tmp_path: Path
) -> None:
    workspace.replace(STUDY, SHORT, LONG)
    reference = workspace.copy(tmp_path / "reference")
    reference.snakemake(MODEL)
    workspace.replace("config.yaml", "checkpoint_seconds: 1", "checkpoint_seconds: 9999")  # only a signal saves
    workspace.slow_down("training.py", 0.3)
    before = last_number()
    with submitting(workspace, MODEL, options=("--set-resources", "train:runtime=1")) as snakemake:
        slurm_lab.wait_until(lambda: submitted("train", before), "no job")
        (first,) = submitted("train", before)
        slurm_lab.wait_until(lambda: slurm_lab.jobs()[first]["JobState"] == "TIMEOUT", "no end at the limit", 180)
        assert saved(workspace) > 0
        finish(workspace, snakemake)
    states = [job["JobState"] for job in submitted("train", before).values()]
    assert states == ["TIMEOUT"] * (len(states) - 1) + ["COMPLETED"]
    assert workspace.trained(JOB, "model.safetensors") == reference.trained(JOB, "model.safetensors")


def test_snakemake_killed_and_started_again_trains_nothing_twice(
    lab: Lab, workspace: Workspace, tmp_path: Path
) -> None:
    workspace.replace(STUDY, SHORT, LONG)
    reference = workspace.copy(tmp_path / "reference")
    reference.snakemake(MODEL)
    workspace.slow_down("training.py", 0.1)
    before = last_number()
    with submitting(workspace, MODEL) as snakemake:
        wait_until_saved(workspace)
        os.kill(snakemake.pid, signal.SIGKILL)
        snakemake.wait()
        orphan = running_job("train", before)
        workspace.snakemake("--unlock")
        with submitting(workspace, MODEL) as again:
            # the new job waits for the one that is still at work, and takes its result
            slurm_lab.wait_until(lambda: len(submitted("train", before)) == 2, "no second job")
            step = saved(workspace)
            assert follow(workspace, again) >= step
            finish(workspace, again)
        assert slurm_lab.jobs()[orphan]["JobState"] in ("RUNNING", "COMPLETED")
    assert workspace.trained(JOB, "model.safetensors") == reference.trained(JOB, "model.safetensors")
    assert workspace.planned(MODEL) == {}
