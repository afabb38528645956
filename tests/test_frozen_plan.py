"""Editing while jobs run: what was planned is made, or the job stops; nothing wrong counts as up to date."""

from pathlib import Path

import pytest
from workspace import LIBRARY, RUNS, STUDY, Workspace, running, wait_until

from synthmix.files import read_json
from synthmix.planning.plan import ENVIRONMENT

pytestmark = pytest.mark.workflow

MODELS = [f"{RUNS}/main/cnn/single/seeds{seed}/model.safetensors" for seed in (0, 1)]
OLD, PLANNED, LATER = (f"learning_rate: {rate}, weight_decay" for rate in (0.003, 0.004, 0.005))
NOISE = "    return np.where(wrong, (labels + offsets) % classes, labels)\n"


def built_from(workspace: Workspace, root: Path) -> list[bytes]:
    """The models that a workspace's sources give where nothing is in the store."""
    clean = workspace.copy(root)
    for path in clean.entries():
        path.unlink()
    clean.snakemake("--forcerun", "train", "--until", "train", "--", *MODELS)
    return models(clean)


def models(workspace: Workspace) -> list[bytes]:
    return [(workspace / name).read_bytes() for name in MODELS]


def test_a_study_edited_while_jobs_run_counts_from_the_next_call(workspace: Workspace, tmp_path: Path) -> None:
    workspace.replace(STUDY, OLD, PLANNED)
    planned = built_from(workspace, tmp_path / "clean")
    assert planned != models(workspace)
    with running(workspace, *MODELS) as snakemake:
        wait_until(lambda: "localrule train:" in workspace.read("snakemake.log"), snakemake)
        workspace.replace(STUDY, PLANNED, LATER)
        assert snakemake.wait() == 0
    assert models(workspace) == planned
    assert workspace.planned(*MODELS) == {"train": 2}
    workspace.replace(STUDY, LATER, PLANNED)
    assert workspace.planned(*MODELS) == {}


def test_code_edited_while_jobs_run_stops_them(workspace: Workspace, tmp_path: Path) -> None:
    workspace.replace(STUDY, "shot3: {real: 3}", "shot3: {real: 3, label_noise: 0.5}")
    planned = built_from(workspace, tmp_path / "clean")
    with running(workspace, *MODELS) as snakemake:
        wait_until(lambda: workspace.working(), snakemake)
        # half of the labels become another wrong class than planned
        workspace.replace(f"{LIBRARY}/images/draws.py", NOISE, NOISE.replace("labels + offsets", "labels - offsets"))
        assert snakemake.wait() != 0
    # the job that had read its code finished as planned, the other one said what to do
    finished = [name for name in MODELS if (workspace / name).exists()]
    assert len(finished) == 1
    assert (workspace / finished[0]).read_bytes() == planned[MODELS.index(finished[0])]
    assert "CodeChangedError: train.py, or something that it uses, was edited" in workspace.logs()
    assert "start snakemake again" in workspace.logs()
    assert workspace.planned(*MODELS) == {"train": 2}
    workspace.snakemake(*MODELS)
    assert not set(planned) & set(models(workspace))
    assert workspace.planned(*MODELS) == {}


def test_processes_that_snakemake_starts_keep_to_its_plan(workspace: Workspace) -> None:
    (plan,) = (workspace / ".snakemake/synthmix").glob("*.json")
    assert read_json(plan)["studies"]["tiny"]["recipes"]["single"]["learning_rate"] == 0.003
    workspace.replace(STUDY, OLD, LATER)
    workspace.replace(f"{LIBRARY}/images/draws.py", NOISE, NOISE.replace("labels + offsets", "labels - offsets"))
    assert workspace.planned(*MODELS, **{ENVIRONMENT: str(plan)}) == {}
    assert workspace.planned(*MODELS) == {"train": 2}
