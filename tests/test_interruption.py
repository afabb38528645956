"""Interrupted and resumed equals never interrupted, whatever was killed and when."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from workspace import RUNS, STUDY, Workspace, job_of, kill_group, running, wait_until

pytestmark = pytest.mark.workflow

STEPS = 120
CLASSIFIER = f"{RUNS}/shot3-own2/vit/block/seeds0-2"
GENERATOR = "results/generators/digits/ddpm/all"


def wait_until_saved(workspace: Workspace, snakemake: subprocess.Popen[str], after: int = 0) -> int:
    """Wait until a training is saved at a later step than `after`; returns the step."""
    wait_until(lambda: max(workspace.unfinished(), default=0) > after, snakemake)
    return max(workspace.unfinished())


def test_a_classifier_survives_every_kind_of_end(workspace: Workspace, tmp_path: Path) -> None:
    model = f"{CLASSIFIER}/model.safetensors"
    workspace.replace(STUDY, "batch_size: 16, epochs: 2,", f"batch_size: 16, steps: {STEPS}, checkpoint: best-val,")
    reference = workspace.copy(tmp_path / "reference")
    reference.snakemake(model)
    workspace.slow_down("training.py")

    with running(workspace, model) as snakemake:  # kill -9 of the job
        first = wait_until_saved(workspace, snakemake)
        os.kill(job_of(snakemake, "train.py"), signal.SIGKILL)
        assert snakemake.wait() != 0
    assert not (workspace / model).exists()

    with running(workspace, model) as snakemake:  # SIGTERM to the job, as SLURM sends it: it saves and ends
        wait_until(workspace.working, snakemake)
        os.kill(job_of(snakemake, "train.py"), signal.SIGTERM)
        assert snakemake.wait() != 0
    (second,) = workspace.unfinished()
    assert second > first, "the training began again"

    with running(workspace, model) as snakemake:  # kill -9 of Snakemake and its job
        third = wait_until_saved(workspace, snakemake, after=second)
        kill_group(snakemake)
    assert workspace.unfinished() == [third]

    workspace.snakemake("--unlock")
    workspace.snakemake(model)
    assert workspace.trained(CLASSIFIER, "model.safetensors") == reference.trained(CLASSIFIER, "model.safetensors")
    assert workspace.planned(model) == {}


def test_a_generator_survives_the_end_of_snakemake_and_its_own(workspace: Workspace, tmp_path: Path) -> None:
    weights = "unet/diffusion_pytorch_model.safetensors"
    target = f"{GENERATOR}/{weights}"
    workspace.replace(STUDY, "    steps: 6\n", f"    steps: {STEPS}\n")
    reference = workspace.copy(tmp_path / "reference")
    reference.snakemake(target)
    workspace.slow_down("generation/denoising.py")

    with running(workspace, target) as snakemake:  # SIGTERM to the job
        first = wait_until_saved(workspace, snakemake)
        os.kill(job_of(snakemake, "train_generator.py"), signal.SIGTERM)
        assert snakemake.wait() != 0
    (second,) = workspace.unfinished()
    assert second >= first
    assert not (workspace / target).exists()

    with running(workspace, target) as snakemake:  # kill -9 of Snakemake alone: its job goes on
        third = wait_until_saved(workspace, snakemake, after=second)
        os.kill(snakemake.pid, signal.SIGKILL)
        snakemake.wait()
        workspace.snakemake("--unlock")
        workspace.snakemake(target)  # waits for that job and takes its result
    assert second < third < STEPS
    assert workspace.trained(GENERATOR, weights) == reference.trained(GENERATOR, weights)


def test_a_state_of_another_pool_is_not_resumed(workspace: Workspace) -> None:
    model = f"{CLASSIFIER}/model.safetensors"
    workspace.replace(STUDY, "batch_size: 16, epochs: 2,", "batch_size: 16, steps: 80,")
    workspace.slow_down("training.py")
    with running(workspace, model) as snakemake:
        wait_until_saved(workspace, snakemake)
        kill_group(snakemake)
    workspace.replace(STUDY, "steps: 2, guidance: 1.0", "steps: 2, guidance: 3.0")
    workspace.snakemake("--unlock")
    workspace.snakemake(model)
    resumed = workspace.trained(CLASSIFIER, "model.safetensors")
    for path in workspace.entries():
        path.unlink()
    workspace.snakemake("--forcerun", "train", "--until", "train", "--", model)
    assert workspace.trained(CLASSIFIER, "model.safetensors") == resumed
