"""The test split is met once by every run, and by nothing before its evaluation."""

import numpy as np
import pytest
from workspace import RUNS, Workspace

from synthmix.files import read_arrays, read_json, write_arrays

pytestmark = pytest.mark.workflow

TEST = "results/data/digits/test.safetensors"
MODELS = [f"{RUNS}/main/{job}/model.safetensors" for job in ("cnn/single/seeds0", "vit/block/seeds0-2")]


def ledger(workspace: Workspace) -> list[str]:
    """The keys of the runs that were tested."""
    return [line.split(",")[2] for line in workspace.read("results/test_ledger.csv").splitlines()]


def test_shuffled_test_labels_change_no_checkpoint(workspace: Workspace) -> None:
    before = [(workspace / name).read_bytes() for name in MODELS]
    arrays, metadata = read_arrays(workspace / TEST)
    shuffled = np.random.default_rng(0).permutation(arrays["labels"])
    assert (shuffled != arrays["labels"]).any()
    write_arrays(workspace / TEST, {**arrays, "labels": shuffled}, metadata)
    earlier = {"train", "generate", "train_generator", "train_extractor", "reference", "score"}
    assert not earlier & workspace.planned().keys()
    for path in workspace.entries():
        path.unlink()
    accuracy = read_json(workspace / f"{RUNS}/main/cnn/single/seeds0/metrics.json")["runs"][0]["accuracy"]
    metrics = [name.replace("model.safetensors", "metrics.json") for name in MODELS]
    workspace.snakemake("--forcerun", "train", "--", *metrics)
    assert [(workspace / name).read_bytes() for name in MODELS] == before
    assert read_json(workspace / metrics[0])["runs"][0]["accuracy"] != accuracy


def test_the_ledger_holds_one_line_per_run(workspace: Workspace) -> None:
    runs = [run for path in workspace.root.glob(f"{RUNS}/**/metrics.json") for run in read_json(path)["runs"]]
    tested = ledger(workspace)
    assert len(tested) == len(set(tested)) == len(runs) == 10
    # what is asked for again comes from the store
    metrics = f"{RUNS}/main/cnn/single/seeds0/metrics.json"
    (workspace / metrics).unlink()
    workspace.snakemake(metrics)
    assert (workspace / metrics).exists()
    assert ledger(workspace) == tested
