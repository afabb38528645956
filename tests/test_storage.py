"""What stays on the disk: `keep` of config.yaml, `make clean-unused`, copies on a node's own disk."""

from pathlib import Path

import pytest
from workspace import RUNS, STUDY, Workspace

from synthmix.files import write_json

pytestmark = pytest.mark.workflow

MODEL = f"{RUNS}/main/cnn/single/seeds0/model.safetensors"
SHARD = "results/pools/digits/ddpm/all/shard-0000.parquet"


def test_weights_and_pools_are_deleted_once_used_and_not_missed(workspace: Workspace) -> None:
    workspace.append("config.yaml", "keep: {weights: false, pools: false}\n")
    workspace.replace(STUDY, "guidance: 1.2", "guidance: 2.5")
    workspace.snakemake()
    assert not (workspace / SHARD).exists()
    assert not (workspace / MODEL).exists()
    assert (workspace / MODEL).with_name("metrics.json").exists()
    assert workspace.planned() == {}
    workspace.replace(STUDY, "  main: {kind: accuracy}", "  main: {kind: accuracy, caption: Another caption}")
    assert workspace.planned() == {"table": 1, "report": 1}
    # What needs the images again makes Snakemake run all that reads them; the store has it all.
    workspace.replace(STUDY, "pool: ddpm, columns: 2}", "pool: ddpm, columns: 3}")
    before = workspace.entries()
    workspace.snakemake("results/studies/tiny/figures/samples.svg", MODEL.replace("model.safetensors", "metrics.json"))
    assert workspace.made(before) == {}
    assert not (workspace / SHARD).exists()


def test_without_the_store_a_jobs_part_of_it_is_deleted_when_it_is_done(workspace: Workspace) -> None:
    workspace.append("config.yaml", "keep: {resume: false}\n")
    workspace.replace(STUDY, "learning_rate: 0.003, weight_decay", "learning_rate: 0.004, weight_decay")
    before, old = workspace.entries(), (workspace / MODEL).read_bytes()
    workspace.snakemake(MODEL)
    assert workspace.entries() == before
    assert (workspace / MODEL).read_bytes() != old


def test_clean_unused_lists_and_then_removes_what_no_study_asks_for(workspace: Workspace) -> None:
    for path in (workspace / "results/benchmarks").rglob("*.tsv"):  # as on a GPU that counts its energy
        write_json(path.with_suffix(".energy.json"), {"joules": 1, "gpus": 1})
    assert "0.0 MB       0 files in all" in workspace.command("clean_unused")
    before = set(workspace.results())
    workspace.write("results/weights/network.pt", "large")
    workspace.replace(STUDY, "learning_rate: 0.003, weight_decay", "learning_rate: 0.004, weight_decay")
    workspace.snakemake()
    new_entries = {name for name in workspace.results() if name.startswith("results/.resume/")} - before
    own = "  - {dataset: digits, training_set: shot3-own2, model: vit, recipe: block, seeds: 2}\n"
    workspace.replace(STUDY, own, "")
    workspace.replace(STUDY, "pool: [ddpm, own], extractor", "pool: ddpm, extractor")
    listed = workspace.command("clean_unused")
    assert "results/runs/digits/shot3-own2" in listed
    assert "Nothing was removed" in listed
    assert (workspace / f"{RUNS}/shot3-own2/vit/block/seeds0-1").parent.exists()
    everything = set(workspace.results())
    workspace.command("clean_unused", "--remove")
    left = set(workspace.results())
    assert left < everything
    assert "results/weights/network.pt" in left
    assert "results/test_ledger.csv" in left
    assert new_entries <= left, "what the present recipe trained is in use"
    assert not any("shot3-own2" in name for name in left)
    assert not (workspace / RUNS / "shot3-own2").exists()
    # what is left is what the study needs: only what shows all runs is made again
    assert set(workspace.planned()) <= {"experiments", "comparisons", "table", "figure", "report"}
    before_again = workspace.entries()
    workspace.snakemake()
    assert workspace.made(before_again) == {}


def test_clean_unused_waits_for_snakemake(workspace: Workspace) -> None:
    workspace.write(".snakemake/locks/0.input.lock", "")
    assert "Snakemake is at work" in workspace.command("clean_unused", "--remove", status=1)


def test_data_are_read_from_the_nodes_own_disk(workspace: Workspace, tmp_path: Path, built: Workspace) -> None:
    workspace.append("config.yaml", "scratch: $NODE_DISK\n")
    models = [MODEL, MODEL.replace("seeds0", "seeds1")]
    workspace.make_again(["train"], *models, NODE_DISK=str(tmp_path / "disk"))
    copies = sorted(path.name for path in (tmp_path / "disk").rglob("*.safetensors"))
    assert copies == ["train.safetensors", "val.safetensors"], "one copy of each, shared by all jobs"
    for model in models:
        assert (workspace / model).read_bytes() == (built / model).read_bytes()
